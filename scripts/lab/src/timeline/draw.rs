//! The picture of a timeline. A client is known by its letter and its
//! colour, a stage by its lightness and pattern: in grey print and to the
//! colour-blind the picture says the same.

use super::{Bar, Client, Lane, Model, Stage, Strip};
use crate::language::Language;
use crate::svg::{
    Anchor, Area, GRID, INK, PAPER, Picture, Style, number, width_of,
};
use crate::table::wrapped;
use crate::words::Words;

const WIDTH: f64 = 1040.0;
const MARGIN: f64 = 24.0;
/// Where time begins and ends.
const LEFT: f64 = 290.0;
const RIGHT: f64 = 896.0;
const LANE: f64 = 22.0;
const LANE_STEP: f64 = 28.0;
const TRACK: f64 = 8.0;
const TRACK_STEP: f64 = 13.0;
const STRIP_GAP: f64 = 34.0;
const FIRST_STRIP: f64 = 146.0;
/// Longer sessions are told in seconds, milliseconds.
const LONG: f64 = 20_000.0;

/// A client's colours: at work, and while it is waited for. Okabe and Ito's,
/// for the colour-blind.
const COLOURS: [(&str, &str); 6] = [
    ("#0072b2", "#cfe4f1"),
    ("#b35900", "#f6dfc8"),
    ("#111827", "#d9dce2"),
    ("#007a59", "#cdeae0"),
    ("#9b4f80", "#f0dde8"),
    ("#7a6a00", "#efe9c4"),
];

fn colours(client: usize) -> (&'static str, &'static str) {
    COLOURS[client % COLOURS.len()]
}

fn outlined(fill: &str, stroke: &str) -> String {
    format!(r#"fill="{fill}" stroke="{stroke}" stroke-width="0.8""#)
}

/// Draws strips under one another, all on one axis of time.
pub fn draw(strips: &[Strip], language: Language) -> String {
    let words = Words::of(language);
    let say = |name: &str| words.word(&format!("timeline.{name}"));
    let bodies: f64 = strips.iter().map(|it| height(it) + STRIP_GAP).sum();
    let bottom = FIRST_STRIP + bodies - STRIP_GAP + 14.0;
    let known = strips.iter().all(Strip::knows_its_clients);
    let four = strips.len() == 4 && known;
    let title = say(if four { "four" } else { "title" });
    let mut picture = Picture::new(WIDTH, bottom + 84.0, &title);
    let end = strips.iter().map(|it| it.end).fold(1.0, f64::max) * 1.02;
    picture.text(MARGIN, 42.0, &title, Style::plain(22.0).bold());
    picture.text(MARGIN, 66.0, &say("subtitle"), Style::quiet(14.0));
    let mut canvas = Canvas { picture, words, end };
    if let Some(strip) = strips.first().filter(|_| known) {
        canvas.draw_clients(&strip.clients);
    }
    canvas.draw_axis(bottom);
    let heading = Style::quiet(12.0).at(Anchor::End);
    let until = say(if known { "answered" } else { "closed" });
    for (line, up) in until.lines().zip([24.0, 10.0]) {
        let y = FIRST_STRIP - up;
        canvas.picture.text(WIDTH - MARGIN, y, line, heading);
    }

    let mut y = FIRST_STRIP;
    for (index, strip) in strips.iter().enumerate() {
        if index > 0 {
            let at = y - STRIP_GAP / 2.0;
            let look = format!(r#"stroke="{GRID}""#);
            canvas.picture.line((MARGIN, at), (WIDTH - MARGIN, at), &look);
        }
        canvas.draw_strip(strip, y);
        y += height(strip) + STRIP_GAP;
    }
    canvas.draw_legend(bottom + 62.0);
    canvas.picture.finish()
}

/// A picture, the words on it, and the time that its right side stands for.
struct Canvas<'words> {
    picture: Picture,
    words: &'words Words,
    /// Milliseconds.
    end: f64,
}

impl Canvas<'_> {
    /// Where a time stands.
    fn x(&self, ms: f64) -> f64 {
        LEFT + (ms / self.end).clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    /// A bar of this height and at least this width.
    fn area(&self, bar: &Bar, y: f64, height: f64, least: f64) -> Area {
        let (from, to) = (self.x(bar.from), self.x(bar.to));
        Area { x: from, y, width: (to - from).max(least), height }
    }

    /// A client's letter in its colour, in this size and so far down.
    fn draw_letter(
        &mut self,
        index: usize,
        client: &Client,
        area: Area,
        [size, down]: [f64; 2],
    ) {
        let look = format!(r#"rx="4" fill="{}""#, colours(index).0);
        self.picture.area(area, &look);
        let style = Style::plain(size).bold().colour(PAPER).at(Anchor::Middle);
        let (x, y) = (area.x + 10.0, area.y + down);
        self.picture.text(x, y, &client.letter, style);
    }

    fn say(&self, name: &str) -> String {
        self.words.word(&format!("timeline.{name}"))
    }

    /// Who the clients of one strip are.
    fn draw_addresses(&mut self, strip: &Strip, top: f64) {
        let places = legend(strip);
        for (index, (client, (x, line))) in
            strip.clients.iter().zip(places).enumerate()
        {
            let y = top + line * LEGEND_STEP;
            let area = Area { x, y, width: 20.0, height: 16.0 };
            self.draw_letter(index, client, area, [11.0, 12.0]);
            let quiet = Style::quiet(11.0);
            self.picture.text(x + 24.0, y + 12.0, &client.address, quiet);
        }
    }

    /// Who the clients are.
    fn draw_clients(&mut self, clients: &[Client]) {
        let mut x = MARGIN;
        for (index, client) in clients.iter().enumerate() {
            let area = Area { x, y: 82.0, width: 20.0, height: 20.0 };
            self.draw_letter(index, client, area, [13.0, 15.0]);
            let like = self.of_kind(&client.kind, "_at_length");
            self.picture.text(x + 27.0, 97.0, &like, Style::plain(13.0));
            x += 27.0 + width_of(&like, 13.0) + 22.0;
        }
    }

    /// What a client is like; one of the user's own sessions has only its name.
    fn of_kind(&self, kind: &str, length: &str) -> String {
        let said = self.words.say(&format!("timeline.{kind}{length}"), ());
        said.unwrap_or_else(|_| kind.to_owned())
    }

    fn draw_axis(&mut self, bottom: f64) {
        let end = self.end;
        let (unit, unit_name) =
            if end > LONG { (1000.0, "s") } else { (1.0, "ms") };
        let step = (0..7)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|it| it * 10_f64.powi(power)))
            .find(|step| end / step <= 10.0)
            .unwrap_or(end / 5.0);
        let mut tick = 0.0;
        while tick <= end {
            let at = self.x(tick);
            let look = format!(r#"stroke="{GRID}" stroke-dasharray="2 3""#);
            self.picture.line((at, FIRST_STRIP - 8.0), (at, bottom), &look);
            let style = Style::quiet(12.0).at(Anchor::Middle);
            let figure = number(tick / unit);
            let words =
                if tick > 0.0 { figure } else { format!("0 {unit_name}") };
            self.picture.text(at, bottom + 16.0, &words, style);
            tick += step;
        }
    }

    fn draw_strip(&mut self, strip: &Strip, top: f64) {
        let model: &str = strip.model.into();
        let title = self.words.word(&format!("approach.{model}"));
        self.picture.text(
            MARGIN,
            top + 14.0,
            &title,
            Style::plain(16.0).bold(),
        );
        let caption = self.words.word(&format!("timeline.{model}_caption"));
        let mut caption = wrapped(&caption, 25);
        // One's own sessions are told apart by program and process.
        if !strip.knows_its_clients() {
            caption.insert(0, strip.server.clone());
        }
        for (line, text) in caption.into_iter().enumerate() {
            let y = top + 33.0 + line as f64 * 15.0;
            self.picture.text(MARGIN, y, &text, Style::quiet(12.0));
        }
        self.draw_addresses(strip, top);
        let mut y = top + legend_height(strip);
        for (row, lane) in strip.lanes.iter().enumerate() {
            let middle = y + LANE / 2.0;
            let look = format!(r#"stroke="{GRID}""#);
            self.picture.line((self.x(0.0), middle), (RIGHT, middle), &look);
            let name = self.lane_name(strip, row);
            let style = Style::quiet(11.0).at(Anchor::End);
            self.picture.text(LEFT - 8.0, middle + 4.0, &name, style);
            self.draw_lane(strip, lane, y);
            y += LANE_STEP;
        }
        y += 5.0 - (LANE_STEP - LANE);
        for track in &strip.tracks {
            self.draw_track(track, y);
            y += TRACK_STEP;
        }
        let middle = top + height(strip) / 2.0;
        let end = Style::plain(20.0).bold().at(Anchor::End);
        let time = if strip.end > LONG {
            format!("{:.1} s", strip.end / 1000.0)
        } else {
            format!("{:.0} ms", strip.end)
        };
        self.picture.text(WIDTH - MARGIN, middle - 4.0, &time, end);
        if let Some(last) = strip.clients.last()
            && let Some(after) = last.answered_after
        {
            let waits = self.words.word("doing.waits");
            let waits = format!("{} {waits} {after:.0} ms", last.letter);
            let quiet = Style::quiet(12.0).at(Anchor::End);
            self.picture.text(WIDTH - MARGIN, middle + 14.0, &waits, quiet);
        }
        let look = format!(r#"stroke="{INK}" stroke-width="1.5""#);
        let at = self.x(strip.end);
        let bottom = top + height(strip);
        let first_lane = top + legend_height(strip) - 4.0;
        self.picture.line((at, first_lane), (at, bottom + 4.0), &look);
    }

    fn lane_name(&self, strip: &Strip, row: usize) -> String {
        let word = |name: &str| self.words.word(&format!("worker.{name}"));
        match strip.model {
            Model::OneAfterTheOther => self.say("the_one"),
            Model::Loop => word("loop"),
            Model::Threads | Model::Processes => strip.lanes[row]
                .name
                .replace("thread", &word("thread"))
                .replace("process", &word("process")),
        }
    }

    fn draw_lane(&mut self, strip: &Strip, lane: &Lane, y: f64) {
        for bar in &lane.bars {
            let (strong, pale) = colours(bar.client);
            match bar.stage {
                Stage::Waiting => {
                    let area = self.area(bar, y, LANE, 0.0);
                    self.picture.area(area, &outlined(pale, strong));
                }
                Stage::Working => {
                    let look = format!(r#"fill="{strong}""#);
                    let area = self.area(bar, y, LANE, 0.5);
                    self.picture.area(area, &look);
                }
                Stage::Queued | Stage::Receiving | Stage::Sending => {}
            }
        }
        // Microseconds: a mark that can be seen, above what is beside it.
        for bar in &lane.bars {
            let (strong, _) = colours(bar.client);
            let at = self.area(bar, y, LANE, 2.5);
            match bar.stage {
                Stage::Receiving => {
                    let look = format!(r#"fill="{strong}""#);
                    let wide = Area { y: y - 3.0, height: LANE + 6.0, ..at };
                    self.picture.area(wide, &look);
                }
                Stage::Sending if self.x(bar.to) - self.x(bar.from) > 2.5 => {
                    let look =
                        format!(r#"fill="url(#sends-{})""#, bar.client % 6);
                    self.picture.area(at, &look);
                }
                _ => {}
            }
        }
        self.draw_names(strip, lane, y);
    }

    /// Writes on each run of bars whose they are.
    fn draw_names(&mut self, strip: &Strip, lane: &Lane, y: f64) {
        for run in runs(lane) {
            let Run { client, waits, whole, longest } = run;
            let width = |(from, to): (f64, f64)| self.x(to) - self.x(from);
            let who = &strip.clients[client];
            let letter = who.letter.clone();
            let name = format!("{letter} {}", self.of_kind(&who.kind, ""));
            let room = width_of(&name, 12.0) + 6.0;
            // Within one bar if it fits.
            let (text, place) = if width(longest) > room {
                (name.trim_end(), longest)
            } else if width(whole) > room {
                (name.trim_end(), whole)
            } else if width(longest) > 12.0 {
                (letter.as_str(), longest)
            } else {
                continue;
            };
            let (strong, pale) = colours(client);
            let (colour, ground) =
                if waits { (strong, pale) } else { (PAPER, strong) };
            let style = Style::plain(12.0).bold().colour(colour).on(ground);
            let middle = f64::midpoint(self.x(place.0), self.x(place.1));
            let style = style.at(Anchor::Middle);
            self.picture.text(middle, y + LANE * 0.7, text, style);
        }
    }

    fn draw_track(&mut self, track: &Lane, y: f64) {
        let Some(client) = track.bars.first().map(|bar| bar.client) else {
            return;
        };
        let (strong, pale) = colours(client);
        let name = Style::plain(11.0).bold().colour(strong).at(Anchor::End);
        self.picture.text(LEFT - 8.0, y + TRACK, &track.name, name);
        for bar in &track.bars {
            let area = self.area(bar, y, TRACK, f64::MIN);
            if area.width < 2.5 {
                continue;
            }
            let fill = if bar.stage == Stage::Queued {
                format!("url(#queued-{})", client % COLOURS.len())
            } else {
                pale.to_owned()
            };
            self.picture.area(area, &outlined(&fill, strong));
        }
    }

    fn draw_legend(&mut self, y: f64) {
        for (index, (strong, _)) in COLOURS.iter().enumerate() {
            self.picture.define(&format!(
                "<pattern id=\"queued-{index}\" width=\"6\" height=\"6\" \
                 patternUnits=\"userSpaceOnUse\" \
                 patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" \
                 fill=\"{PAPER}\"/><rect width=\"2.4\" height=\"6\" \
                 fill=\"{strong}\"/></pattern>"
            ));
            self.picture.define(&format!(
                "<pattern id=\"sends-{index}\" width=\"4\" height=\"4\" \
                 patternUnits=\"userSpaceOnUse\"><rect width=\"4\" height=\"4\" \
                 fill=\"{strong}\"/><circle cx=\"2\" cy=\"2\" r=\"1.1\" \
                 fill=\"{PAPER}\"/></pattern>"
            ));
        }
        let (strong, pale) = COLOURS[0];
        let entries = [
            (outlined(pale, strong), "server_waits"),
            (format!(r#"fill="{strong}""#), "server_works"),
            (outlined("url(#queued-0)", strong), "client_waits"),
        ];
        let mut x = MARGIN;
        for (look, name) in entries {
            let meaning = self.say(name);
            let area = Area { x, y: y - 11.0, width: 26.0, height: 13.0 };
            self.picture.area(area, &look);
            self.picture.text(x + 33.0, y, &meaning, Style::quiet(12.5));
            x += 33.0 + width_of(&meaning, 12.5) + 18.0;
        }
    }
}

fn height(strip: &Strip) -> f64 {
    let (lanes, tracks) = (strip.lanes.len() as f64, strip.tracks.len() as f64);
    let rows = lanes * LANE_STEP - (LANE_STEP - LANE);
    let tracks = if tracks > 0.0 { tracks * TRACK_STEP + 5.0 } else { 0.0 };
    // The caption needs its room too.
    (legend_height(strip) + rows + tracks).max(82.0)
}

const LEGEND_STEP: f64 = 20.0;

/// Where the clients of a strip are named, above its lanes, each by its letter
/// and its address; from the left, and how many lines down. Empty where one
/// legend for all strips says what the clients are like.
fn legend(strip: &Strip) -> Vec<(f64, f64)> {
    if strip.knows_its_clients() {
        return Vec::new();
    }
    let (mut x, mut line) = (LEFT, 0.0);
    let mut places = Vec::new();
    for client in &strip.clients {
        let width = 24.0 + width_of(&client.address, 11.0) + 16.0;
        if x + width > RIGHT && x > LEFT {
            x = LEFT;
            line += 1.0;
        }
        places.push((x, line));
        x += width;
    }
    places
}

fn legend_height(strip: &Strip) -> f64 {
    legend(strip)
        .last()
        .map_or(0.0, |(_, line)| (line + 1.0) * LEGEND_STEP + 4.0)
}

/// Neighbouring bars of one client that all wait, or none of which does.
struct Run {
    client: usize,
    waits: bool,
    /// From when to when.
    whole: (f64, f64),
    /// The longest of its bars.
    longest: (f64, f64),
}

fn runs(lane: &Lane) -> Vec<Run> {
    /// A shorter wait lies between two messages that have both arrived, and is
    /// left out, milliseconds.
    const GAP: f64 = 0.5;
    let mut runs: Vec<Run> = Vec::new();
    for bar in &lane.bars {
        let waits = bar.stage == Stage::Waiting;
        if waits && bar.to - bar.from < GAP {
            continue;
        }
        let goes_on = |run: &&mut Run| {
            run.client == bar.client
                && run.waits == waits
                && bar.from - run.whole.1 < GAP
        };
        if let Some(run) = runs.last_mut().filter(goes_on) {
            run.whole.1 = run.whole.1.max(bar.to);
            if bar.to - bar.from > run.longest.1 - run.longest.0 {
                run.longest = (bar.from, bar.to);
            }
        } else {
            let whole = (bar.from, bar.to);
            runs.push(Run { client: bar.client, waits, whole, longest: whole });
        }
    }
    runs
}
