//! Draws the screen. From top to bottom: which server; the address to type,
//! large; what the kernel knows; the lanes; the server's last lines; the keys.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use minijinja::context;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::address;
use super::line::{Key, Worker};
use super::model::{Doing, Model, Row};
use super::options::Options;
use super::script::Role;
use super::words;
use crate::language::Language;

/// The smallest screen on which everything has its place.
pub const SMALLEST: (u16, u16) = (80, 24);

/// How the screen may be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Of all words.
    pub language: Language,
    /// Whether there are colours.
    pub colour: bool,
    /// Whether the terminal knows more than ASCII.
    pub utf8: bool,
}

/// All that is drawn.
#[derive(Debug)]
pub struct Screen<'a> {
    /// How the screen may be drawn.
    pub look: Look,
    /// The server.
    pub model: &'a Model,
    /// What it was started with.
    pub options: &'a Options,
    /// The right end of the lanes.
    pub now: Duration,
    /// The time that a column stands for.
    pub cell: Duration,
    /// Whether the picture stands still.
    pub paused: bool,
    /// Whether the page of help covers it.
    pub help: bool,
    /// Something that the teacher has to know, in place of the legend.
    pub message: Option<&'a str>,
    /// What the scripted clients are like.
    pub roles: &'a HashMap<SocketAddr, Role>,
}

/// What a sign looks like.
fn colours(doing: Doing) -> Style {
    let on = |ground| Style::new().fg(Color::Black).bg(ground);
    match doing {
        Doing::Waits => Style::new().fg(Color::Blue),
        Doing::Queued => Style::new().fg(Color::Magenta),
        Doing::Works => Style::new().fg(Color::Yellow),
        Doing::Accepts => on(Color::Gray),
        Doing::Receives => on(Color::Green),
        Doing::Sends => on(Color::Cyan),
        Doing::Closes => on(Color::LightRed),
    }
}

/// A colour for each worker, so that the eye finds its lines.
fn colour_of(worker: Worker) -> Style {
    const COLOURS: [Color; 6] = [
        Color::Green,
        Color::Yellow,
        Color::Cyan,
        Color::Magenta,
        Color::LightBlue,
        Color::LightRed,
    ];
    let number = match worker {
        Worker::Thread(number) | Worker::LoopNumber(number) => number,
        Worker::Process(id) => u64::from(id.unsigned_abs()),
        Worker::Loop => 0,
    };
    let at = usize::try_from(number % COLOURS.len() as u64).unwrap_or(0);
    Style::new().fg(COLOURS[at])
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const TITLE: Style =
    Style::new().add_modifier(Modifier::BOLD).add_modifier(Modifier::REVERSED);

impl Screen<'_> {
    /// Draws everything.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer) {
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            self.draw_too_small(area, buffer);
        } else if self.help {
            self.draw_help(area, buffer);
        } else {
            self.draw_all(area, buffer);
        }
        self.restrict(buffer);
    }

    /// Takes away what this terminal cannot show, or must not.
    fn restrict(&self, buffer: &mut Buffer) {
        for cell in &mut buffer.content {
            if !self.look.colour {
                cell.fg = Color::Reset;
                cell.bg = Color::Reset;
            }
            if !self.look.utf8 && !cell.symbol().is_ascii() {
                let plain: String =
                    cell.symbol().chars().take(1).map(words::ascii).collect();
                cell.set_symbol(&plain);
            }
        }
    }

    /// One of the words of the view.
    fn word(&self, name: &str) -> String {
        words::word(self.look.language, &format!("watch.{name}"))
    }

    fn draw_too_small(&self, area: Rect, buffer: &mut Buffer) {
        let text = self.word("too_small");
        let width = area.width as usize;
        let mut rest = text.as_str();
        for y in area.y..area.bottom() {
            // So small that even this may take several rows.
            let end =
                rest.char_indices().nth(width).map_or(rest.len(), |it| it.0);
            let (head, tail) = rest.split_at(end);
            buffer.set_stringn(area.x, y, head, width, Style::new());
            rest = tail;
        }
    }

    fn draw_help(&self, area: Rect, buffer: &mut Buffer) {
        self.draw_title(row(area, 0), buffer);
        let lines = words::help(self.look.language);
        for (line, y) in lines.iter().zip(area.y + 2..area.bottom()) {
            let width = area.width as usize;
            buffer.set_stringn(area.x + 2, y, line, width - 2, Style::new());
        }
    }

    fn draw_all(&self, area: Rect, buffer: &mut Buffer) {
        self.draw_title(row(area, 0), buffer);
        let mut y = 1 + self.draw_address(area, buffer);
        self.draw_kernel(row(area, y), buffer);
        y += 1;
        let lines = area.height / 5;
        // Below the lanes: legend, lines, keys.
        let end = area.height - lines - 2;
        self.draw_lanes(part(area, y, end), buffer);
        self.draw_legend(row(area, end), buffer);
        let last = area.height - 1;
        self.draw_lines(part(area, end + 1, last), buffer);
        self.draw_keys(row(area, last), buffer);
    }

    fn draw_title(&self, area: Rect, buffer: &mut Buffer) {
        buffer.set_style(area, TITLE);
        let approach = self.options.approach;
        let options = self.options.shown().join(" ");
        let what = words::approach(self.look.language, approach);
        let left = if options.is_empty() {
            format!(" {}: {what}", approach.program())
        } else {
            format!(" {} {options}", approach.program())
        };
        let right = if self.paused {
            self.word("paused")
        } else {
            let Model { served, active, .. } = self.model;
            let figures = context! { served, active };
            words::say(self.look.language, "watch.served", figures)
        };
        let right = format!("{right} ");
        let wide = width(&right);
        let room = usize::from(area.width).saturating_sub(wide + 1);
        buffer.set_stringn(area.x, area.y, &left, room, TITLE);
        // Wide by its own words only.
        #[allow(clippy::cast_possible_truncation, reason = "a few columns")]
        let x = area.right().saturating_sub(wide as u16);
        buffer.set_string(x, area.y, &right, TITLE);
    }

    /// Draws the address and what to type; how many rows that took.
    fn draw_address(&self, area: Rect, buffer: &mut Buffer) -> u16 {
        let Some(listening) = self.model.address else {
            let text = self.word("starting");
            buffer.set_string(area.x + 1, area.y + 2, text, BOLD);
            return 5;
        };
        let addresses = address::reachable(listening);
        let first = addresses.first().copied().unwrap_or(listening);
        let shown = first.to_string();
        let large = address::large(&shown).filter(|large| {
            self.look.utf8 && width(&large[0]) + 2 <= area.width.into()
        });
        let mut used = 0;
        let style = BOLD.fg(Color::LightGreen);
        if let Some(large) = &large {
            for (line, y) in large.iter().zip(area.y + 1..) {
                buffer.set_string(area.x + 1, y, line, style);
            }
        } else {
            let style = style.add_modifier(Modifier::UNDERLINED);
            buffer.set_string(area.x + 1, area.y + 2, &shown, style);
        }
        let wide = large.as_ref().map_or(shown.len(), |it| width(&it[0]));
        used += 3;
        // Beside the address where there is room, otherwise below it.
        let commands = address::commands(first);
        let texts = commands
            .each_ref()
            .map(|(system, typed)| format!("{system:<8}{typed}"));
        let longest = texts.iter().map(String::len).max().unwrap_or(0);
        let beside = wide + 3 + longest <= area.width.into();
        let mut at = (area.x + 1, area.y + used + 1);
        for ((system, typed), y) in commands.iter().zip(area.y + 1..) {
            let text = format!("{system:<8}{typed}");
            if beside {
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "it was found to fit"
                )]
                let x = area.x + wide as u16 + 2;
                put_command(buffer, (x, y), system, typed);
                continue;
            }
            #[allow(
                clippy::cast_possible_truncation,
                reason = "a command and an address"
            )]
            let length = text.len() as u16;
            if at.0 > area.x + 1 && at.0 + length > area.right() {
                at = (area.x + 1, at.1 + 1);
            }
            put_command(buffer, at, system, typed);
            at.0 += length + 4;
        }
        if !beside {
            used = at.1 - area.y;
        }
        // There is room for more on a projector.
        if area.height >= 30 {
            let language = self.look.language;
            let mut text = address::hint(language, listening);
            if addresses.len() > 1 {
                let others: Vec<String> =
                    addresses[1..].iter().map(ToString::to_string).collect();
                let addresses = context! { addresses => others.join(", ") };
                text.push(' ');
                text += &words::say(language, "watch.also", addresses);
            }
            let y = area.y + used + 1;
            let room = usize::from(area.width).saturating_sub(2);
            buffer.set_stringn(area.x + 1, y, text, room, Style::new());
            used += 1;
        }
        used
    }

    fn draw_kernel(&self, area: Rect, buffer: &mut Buffer) {
        let held = self.model.sample.held;
        let mut figures = Vec::new();
        if let Some((waiting, limit)) = self.model.sample.queue {
            let style =
                if waiting > 0 { BOLD.fg(Color::Magenta) } else { BOLD };
            figures.push(("Recv-Q".to_owned(), waiting.to_string(), style));
            figures.push(("Send-Q".to_owned(), limit.to_string(), BOLD));
        }
        if let Some(descriptors) = held.descriptors {
            let name = self.word("descriptors");
            figures.push((name, descriptors.to_string(), BOLD));
        }
        if let Some(memory) = held.memory_kib {
            #[allow(clippy::cast_precision_loss, reason = "to be read")]
            let mebibytes = memory as f64 / 1024.0;
            let name = self.word("memory");
            figures.push((name, format!("{mebibytes:.1} MiB"), BOLD));
        }
        if held.processes > 1 {
            let name = self.word("processes");
            figures.push((name, held.processes.to_string(), BOLD));
        } else if held.threads > 0 {
            let name = self.word("threads");
            figures.push((name, held.threads.to_string(), BOLD));
        }
        let mut spans = vec![Span::raw(" kernel")];
        for (name, value, style) in figures {
            spans.push(Span::raw(format!("  {name} ")));
            spans.push(Span::styled(value, style));
        }
        buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
    }

    fn label(&self, row: &Row) -> String {
        let language = self.look.language;
        match row.key {
            Key::Main => {
                use super::options::Approach;
                match self.options.approach {
                    Approach::Processes => self.word("parent"),
                    _ => self.word("main"),
                }
            }
            Key::Worker(worker) => words::worker(language, worker),
            Key::Client(_) => match row.owner {
                Some(owner @ Worker::LoopNumber(_)) => {
                    format!("  {}", words::worker(language, owner))
                }
                _ => String::new(),
            },
            Key::Queue(_) => format!("  {}", self.word("queue")),
        }
    }

    fn client(&self, row: &Row) -> String {
        let Some(client) = row.client else {
            return String::new();
        };
        match self.roles.get(&client) {
            Some(role) => {
                let role = words::role(self.look.language, *role);
                format!("{role} :{}", client.port())
            }
            None => client.to_string(),
        }
    }

    fn draw_lanes(&self, area: Rect, buffer: &mut Buffer) {
        const GAP: usize = 1;
        // The columns are as wide as what stands in them, within limits.
        let space = usize::from(area.height).saturating_sub(1);
        let window = |lane: usize| {
            let lane = u32::try_from(lane).unwrap_or(u32::MAX);
            self.now.saturating_sub(self.cell.saturating_mul(lane))
        };
        let oldest = window(area.width.into());
        let (mut rows, mut hidden) = self.model.shown(oldest, space);
        if hidden > 0 {
            (rows, hidden) = self.model.shown(oldest, space.saturating_sub(1));
        }
        let wide = area.width >= 110;
        let most = |texts: &mut dyn Iterator<Item = String>, from, to| {
            texts.map(|it| width(&it)).fold(from, usize::max).min(to)
        };
        let label = most(&mut rows.iter().map(|row| self.label(row)), 9, 15);
        let client = most(&mut rows.iter().map(|row| self.client(row)), 16, 22);
        let kernel = if wide { 36 } else { 13 };
        let before = 1 + label + GAP + client + GAP + kernel + GAP;
        let lane = usize::from(area.width).saturating_sub(before + 1);

        let mut y = area.y;
        let x_of = |columns: usize| {
            #[allow(
                clippy::cast_possible_truncation,
                reason = "within the screen"
            )]
            let columns = columns as u16;
            area.x + columns
        };
        let axis = self.axis(lane);
        let faint = Style::new().add_modifier(Modifier::UNDERLINED);
        let names = [
            (1, self.word("who")),
            (1 + label + GAP, self.word("client")),
            (1 + label + GAP + client + GAP, "kernel".to_owned()),
        ];
        for (x, name) in names {
            buffer.set_string(x_of(x), y, name, faint);
        }
        buffer.set_stringn(x_of(before), y, axis, lane, faint);
        y += 1;
        let fixed = |row: &&Row| match row.key {
            Key::Main => true,
            Key::Worker(worker) => worker.is_loop(),
            _ => false,
        };
        let pinned = rows.iter().filter(|row| fixed(row)).count();
        for (at, row) in rows.iter().enumerate() {
            if hidden > 0 && at == pinned {
                self.draw_hidden(hidden, (x_of(1), y), buffer);
                y += 1;
            }
            let style = match (row.key, row.owner) {
                _ if row.state.is_none() => {
                    Style::new().add_modifier(Modifier::DIM)
                }
                (Key::Worker(worker), _) | (_, Some(worker)) => {
                    colour_of(worker)
                }
                _ => Style::new(),
            };
            let text = self.label(row);
            buffer.set_stringn(x_of(1), y, text, label, style);
            let x = x_of(1 + label + GAP);
            buffer.set_stringn(x, y, self.client(row), client, style);
            let x = x_of(1 + label + GAP + client + GAP);
            buffer.set_stringn(x, y, self.task(row, wide), kernel, style);
            let cells = row.cells(self.now, self.cell, lane);
            for (cell, x) in cells.into_iter().zip(x_of(before)..) {
                if let Some(doing) = cell {
                    let sign = words::sign(self.look.language, doing);
                    buffer[(x, y)].set_char(sign).set_style(colours(doing));
                }
            }
            y += 1;
        }
        if hidden > 0 && pinned == rows.len() {
            self.draw_hidden(hidden, (x_of(1), y), buffer);
        }
    }

    fn draw_hidden(
        &self,
        hidden: usize,
        (x, y): (u16, u16),
        buffer: &mut Buffer,
    ) {
        let rows = context! { rows => hidden };
        let text = words::say(self.look.language, "watch.hidden", rows);
        buffer.set_string(x, y, text, BOLD);
    }

    /// What the kernel says of the thread or process of a row.
    fn task(&self, row: &Row, wide: bool) -> String {
        let Some(task) = self.model.tasks.get(&row.key) else {
            return String::new();
        };
        let call = task.call.as_deref();
        let wchan = task.wchan.as_deref();
        if wide {
            let call = call.unwrap_or("");
            format!("{} {call:<12} {}", task.state, wchan.unwrap_or(""))
        } else {
            format!("{} {}", task.state, call.or(wchan).unwrap_or(""))
        }
    }

    /// The line above the lanes: how long ago, and now.
    fn axis(&self, lane: usize) -> String {
        let now = self.word("now");
        let each = format!("{}/{}", duration(self.cell), self.word("column"));
        let span = self.cell.saturating_mul(u32::try_from(lane).unwrap_or(0));
        let left = format!("-{} ", duration(span));
        let room = lane.saturating_sub(width(&left) + width(&now));
        format!("{left}{each:─^room$}{now}")
    }

    fn draw_legend(&self, area: Rect, buffer: &mut Buffer) {
        if let Some(message) = self.message {
            let room = usize::from(area.width).saturating_sub(1);
            let style = BOLD.fg(Color::Black).bg(Color::Yellow);
            let style = if self.look.colour {
                style
            } else {
                style.add_modifier(Modifier::REVERSED)
            };
            buffer.set_style(area, style);
            buffer.set_stringn(area.x + 1, area.y, message, room, style);
            return;
        }
        let mut spans = Vec::new();
        for doing in Doing::ALL {
            let sign = words::sign(self.look.language, doing).to_string();
            let meaning = words::meaning(self.look.language, doing);
            spans.push(Span::raw(" "));
            spans.push(Span::styled(sign, colours(doing)));
            spans.push(Span::raw(format!(" {meaning} ")));
        }
        buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
    }

    fn draw_lines(&self, area: Rect, buffer: &mut Buffer) {
        let lines = &self.model.lines;
        let skipped = lines.len().saturating_sub(area.height.into());
        // To the right end of the screen, so that a character that a terminal
        // takes for wider than it is can push nothing else aside.
        let room = usize::from(area.width).saturating_sub(1);
        for ((error, line), y) in lines.iter().skip(skipped).zip(area.y..) {
            let column = line.split("  ").next().unwrap_or("");
            let style = match Worker::parse(column) {
                _ if *error => BOLD.fg(Color::LightRed),
                Some(worker) => colour_of(worker),
                None => Style::new(),
            };
            buffer.set_stringn(area.x + 1, y, line, room, style);
        }
    }

    fn draw_keys(&self, area: Rect, buffer: &mut Buffer) {
        let mut spans = Vec::new();
        for (key, meaning) in words::keys(self.look.language) {
            spans.push(Span::raw(" "));
            spans.push(Span::styled(key, TITLE));
            spans.push(Span::raw(format!(" {meaning}")));
        }
        buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
    }
}

fn put_command(
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    system: &str,
    typed: &str,
) {
    let line = Line::from(vec![
        Span::raw(format!("{system:<8}")),
        Span::styled(typed.to_owned(), BOLD),
    ]);
    let room = buffer.area.right().saturating_sub(x);
    buffer.set_line(x, y, &line, room);
}

/// One row of an area.
fn row(area: Rect, at: u16) -> Rect {
    part(area, at, at + 1)
}

/// The rows from one to before another.
fn part(area: Rect, from: u16, to: u16) -> Rect {
    let from = from.min(area.height);
    let height = to.min(area.height).saturating_sub(from);
    Rect::new(area.x, area.y + from, area.width, height)
}

/// How many columns a text takes.
fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// `200 ms`, `7.6 s`.
fn duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64()).replace(".0 ", " ")
    }
}
