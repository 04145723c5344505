//! Draws the screen. From top to bottom: which server; the address to type,
//! large; what the kernel knows; the lanes; the server's last lines; the keys.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use minijinja::context;
use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Margin, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};
use serde::Serialize;

use super::address;
use super::kernel::Held;
use super::line::{Key, Worker};
use super::model::{Doing, Model, Row};
use super::options::{Approach, Options};
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

    /// One of the sentences of the view.
    fn say(&self, name: &str, figures: impl Serialize) -> String {
        words::say(self.look.language, &format!("watch.{name}"), figures)
    }

    fn draw_too_small(&self, area: Rect, buffer: &mut Buffer) {
        // So small that even this may take several rows.
        Paragraph::new(self.word("too_small"))
            .wrap(Wrap { trim: true })
            .render(area, buffer);
    }

    fn draw_help(&self, area: Rect, buffer: &mut Buffer) {
        let [title, _, page] =
            Layout::vertical([Length(1), Length(1), Fill(1)]).areas(area);
        self.draw_title(title, buffer);
        let page = page.inner(Margin::new(2, 0));
        let lines = words::help(self.look.language);
        Paragraph::new(lines.join("\n")).render(page, buffer);
    }

    fn draw_all(&self, area: Rect, buffer: &mut Buffer) {
        let used = self.draw_address(area, buffer);
        let [title, _, kernel, lanes, legend, printed, keys] =
            Layout::vertical([
                Length(1),
                Length(used),
                Length(1),
                Fill(1),
                Length(1),
                Length(area.height / 5),
                Length(1),
            ])
            .areas(area);
        self.draw_title(title, buffer);
        self.draw_kernel(kernel, buffer);
        self.draw_lanes(lanes, buffer);
        self.draw_legend(legend, buffer);
        self.draw_lines(printed, buffer);
        self.draw_keys(keys, buffer);
    }

    fn draw_title(&self, area: Rect, buffer: &mut Buffer) {
        buffer.set_style(area, TITLE);
        let approach = self.options.approach;
        let options = self.options.shown().join(" ");
        let left = if options.is_empty() {
            let what = words::of(self.look.language, "creates", approach);
            format!(" {}: {what}", approach.program())
        } else {
            format!(" {} {options}", approach.program())
        };
        let right = if self.paused {
            self.word("paused")
        } else {
            let Model { served, active, .. } = self.model;
            self.say("served", context! { served, active })
        };
        let right = format!("{right} ");
        let x = area.right().saturating_sub(width(&right));
        let room = usize::from(x.saturating_sub(area.x + 1));
        buffer.set_stringn(area.x, area.y, &left, room, TITLE);
        buffer.set_string(x, area.y, &right, TITLE);
    }

    /// Draws the address and what to type; how many rows that took.
    fn draw_address(&self, area: Rect, buffer: &mut Buffer) -> u16 {
        let Some(listening) = self.model.address else {
            let text = self.word("starting");
            buffer.set_string(area.x + 1, area.y + 2, text, BOLD);
            return 5;
        };
        let addresses = address::to_type(listening, &self.model.reachable);
        let first = addresses.first().copied().unwrap_or(listening);
        let shown = first.to_string();
        let large = address::large(&shown).filter(|large| {
            self.look.utf8 && width(&large[0]) + 2 <= area.width
        });
        let style = BOLD.fg(Color::LightGreen);
        if let Some(large) = &large {
            for (line, y) in large.iter().zip(area.y + 1..) {
                buffer.set_string(area.x + 1, y, line, style);
            }
        } else {
            let style = style.add_modifier(Modifier::UNDERLINED);
            buffer.set_string(area.x + 1, area.y + 2, &shown, style);
        }
        let wide = large.map_or(width(&shown), |large| width(&large[0]));
        let mut used = 3;
        // Beside the address where there is room, otherwise below it.
        let commands = address::commands(first).map(|(system, typed)| {
            let system = Span::raw(format!("{system:<8}"));
            let length = width(&system.content) + width(&typed);
            (length, Line::from(vec![system, Span::styled(typed, BOLD)]))
        });
        let longest = commands.iter().map(|(length, _)| *length).max();
        let beside = wide + 3 + longest.unwrap_or(0) <= area.width;
        let (mut x, mut y) = (area.x + 1, area.y + used + 1);
        for ((length, line), row) in commands.iter().zip(area.y + 1..) {
            if beside {
                (x, y) = (area.x + wide + 2, row);
            } else if x > area.x + 1 && x + length > area.right() {
                (x, y) = (area.x + 1, y + 1);
            }
            buffer.set_line(x, y, line, area.right().saturating_sub(x));
            x += length + 4;
        }
        if !beside {
            used = y - area.y;
        }
        // There is room for more on a projector.
        if area.height >= 30 {
            let alone = listening.ip().is_loopback();
            let name = if alone { "this_machine" } else { "class" };
            let mut text = self.word(name);
            if addresses.len() > 1 {
                let others: Vec<String> =
                    addresses[1..].iter().map(ToString::to_string).collect();
                let addresses = context! { addresses => others.join(", ") };
                text = format!("{text} {}", self.say("also", addresses));
            }
            let y = area.y + used + 1;
            let room = usize::from(area.width).saturating_sub(2);
            buffer.set_stringn(area.x + 1, y, text, room, Style::new());
            used += 1;
        }
        used
    }

    fn draw_kernel(&self, area: Rect, buffer: &mut Buffer) {
        let mut spans = vec![Span::raw(" kernel")];
        let mut put = |name: &str, value: String, style: Style| {
            spans.push(Span::raw(format!("  {name} ")));
            spans.push(Span::styled(value, style));
        };
        if let Some((waiting, limit)) = self.model.sample.queue {
            let style =
                if waiting > 0 { BOLD.fg(Color::Magenta) } else { BOLD };
            put("Recv-Q", waiting.to_string(), style);
            put("Send-Q", limit.to_string(), BOLD);
        }
        let Held { descriptors, memory } = self.model.sample.held;
        if let Some(descriptors) = descriptors {
            put(&self.word("descriptors"), descriptors.to_string(), BOLD);
        }
        if let Some(memory) = memory {
            let mebibytes = memory.pss_kib as f64 / 1024.0;
            put(&self.word("memory"), format!("{mebibytes:.1} MiB"), BOLD);
            let (name, count) = if memory.processes > 1 {
                ("bar.processes", memory.processes)
            } else {
                ("bar.threads", memory.threads)
            };
            let name = words::word(self.look.language, name);
            put(&name, count.to_string(), BOLD);
        }
        buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
    }

    fn label(&self, row: &Row) -> String {
        let language = self.look.language;
        match row.key {
            Key::Main => match self.options.approach {
                Approach::Processes => self.word("parent"),
                _ => self.word("main"),
            },
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
                let role = words::of(self.look.language, "role", *role);
                format!("{role} :{}", client.port())
            }
            None => client.to_string(),
        }
    }

    fn draw_lanes(&self, area: Rect, buffer: &mut Buffer) {
        let space = usize::from(area.height).saturating_sub(1);
        let oldest = self.cell.saturating_mul(area.width.into());
        let oldest = self.now.saturating_sub(oldest);
        let (mut rows, mut hidden) = self.model.shown(oldest, space);
        if hidden > 0 {
            (rows, hidden) = self.model.shown(oldest, space.saturating_sub(1));
        }
        // The columns are as wide as what stands in them, within limits.
        let most = |texts: &mut dyn Iterator<Item = String>, from, to| {
            texts.map(|it| width(&it)).fold(from, u16::max).min(to)
        };
        let label = most(&mut rows.iter().map(|row| self.label(row)), 9, 15);
        let client = most(&mut rows.iter().map(|row| self.client(row)), 16, 22);
        let wide = area.width >= 110;
        let kernel = if wide { 36 } else { 13 };
        let label_x = area.x + 1;
        let client_x = label_x + label + 1;
        let kernel_x = client_x + client + 1;
        let lane_x = kernel_x + kernel + 1;
        let lane = usize::from(area.right().saturating_sub(lane_x + 1));

        let mut y = area.y;
        let faint = Style::new().add_modifier(Modifier::UNDERLINED);
        for (x, name) in [
            (label_x, self.word("who")),
            (client_x, self.word("client")),
            (kernel_x, "kernel".to_owned()),
        ] {
            buffer.set_string(x, y, name, faint);
        }
        buffer.set_stringn(lane_x, y, self.axis(lane), lane, faint);
        y += 1;
        let pinned = rows.iter().filter(|row| row.key.is_fixed()).count();
        for at in 0..=rows.len() {
            if hidden > 0 && at == pinned {
                let text = self.say("hidden", context! { rows => hidden });
                buffer.set_string(label_x, y, text, BOLD);
                y += 1;
            }
            let Some(row) = rows.get(at) else { break };
            let style = match (row.key, row.owner) {
                _ if row.state.is_none() => {
                    Style::new().add_modifier(Modifier::DIM)
                }
                (Key::Worker(worker), _) | (_, Some(worker)) => {
                    colour_of(worker)
                }
                _ => Style::new(),
            };
            for (x, text, room) in [
                (label_x, self.label(row), label),
                (client_x, self.client(row), client),
                (kernel_x, self.task(row, wide), kernel),
            ] {
                buffer.set_stringn(x, y, text, room.into(), style);
            }
            let cells = row.cells(self.now, self.cell, lane);
            for (cell, x) in cells.into_iter().zip(lane_x..) {
                if let Some(doing) = cell {
                    let sign = words::sign(self.look.language, doing);
                    buffer[(x, y)].set_char(sign).set_style(colours(doing));
                }
            }
            y += 1;
        }
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
        let room = lane.saturating_sub((width(&left) + width(&now)).into());
        format!("{left}{each:─^room$}{now}")
    }

    fn draw_legend(&self, area: Rect, buffer: &mut Buffer) {
        if let Some(message) = self.message {
            let room = usize::from(area.width).saturating_sub(1);
            let style = if self.look.colour {
                BOLD.fg(Color::Black).bg(Color::Yellow)
            } else {
                TITLE
            };
            buffer.set_style(area, style);
            buffer.set_stringn(area.x + 1, area.y, message, room, style);
            return;
        }
        let mut spans = Vec::new();
        for doing in Doing::ALL {
            let sign = words::sign(self.look.language, doing).to_string();
            let meaning = words::of(self.look.language, "doing", doing);
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

/// How many columns a text takes.
#[allow(clippy::cast_possible_truncation, reason = "a line of a screen")]
fn width(text: &str) -> u16 {
    Span::raw(text).width() as u16
}

/// `200 ms`, `7.6 s`.
fn duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64()).replace(".0 ", " ")
    }
}
