//! The picture of a timeline. A client is known by its letter and its
//! colour, a stage by its lightness and pattern: in grey print and to the
//! colour-blind the picture says the same.

use super::{Bar, Client, Lane, Model, Stage, Strip};
use crate::language::Language;
use crate::svg::{
    Anchor, Area, GRID, INK, PAPER, Picture, Style, number, width_of,
};
use crate::table::wrapped;

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

/// Draws strips under one another, all on one axis of time.
#[must_use]
pub fn draw(strips: &[Strip], language: Language) -> String {
    let say = |en: &'static str, es: &'static str| language.pick(en, es);
    let bodies: f64 = strips.iter().map(|it| height(it) + STRIP_GAP).sum();
    let bottom = FIRST_STRIP + bodies - STRIP_GAP + 14.0;
    let title = say(
        "The same four clients, four servers",
        "Los mismos cuatro clientes, cuatro servidores",
    );
    let known = strips.iter().all(Strip::knows_its_clients);
    let title = if strips.len() == 4 && known {
        title
    } else {
        say("Who waits for whom", "Quién espera a quién")
    };
    let mut picture = Picture::new(WIDTH, bottom + 84.0, title);
    let end = strips.iter().map(|it| it.end).fold(1.0, f64::max) * 1.02;
    let x = |ms: f64| LEFT + (ms / end).clamp(0.0, 1.0) * (RIGHT - LEFT);
    picture.text(MARGIN, 42.0, title, Style::plain(22.0).bold());
    let subtitle = say(
        "Measured, not drawn by hand: time runs to the right.",
        "Medido, no dibujado a mano: el tiempo corre hacia la derecha.",
    );
    picture.text(MARGIN, 66.0, subtitle, Style::quiet(14.0));
    if let Some(strip) = strips.first().filter(|_| known) {
        draw_clients(&mut picture, &strip.clients, language);
    }
    draw_axis(&mut picture, end, bottom, x);
    let heading = Style::quiet(12.0).at(Anchor::End);
    let lines = if known {
        [
            say("until all are", "hasta que todos"),
            say("answered", "tienen respuesta"),
        ]
    } else {
        [
            say("until the last", "hasta que el último"),
            say("one is closed", "está cerrado"),
        ]
    };
    picture.text(WIDTH - MARGIN, FIRST_STRIP - 24.0, lines[0], heading);
    picture.text(WIDTH - MARGIN, FIRST_STRIP - 10.0, lines[1], heading);

    let mut y = FIRST_STRIP;
    for (index, strip) in strips.iter().enumerate() {
        if index > 0 {
            let at = y - STRIP_GAP / 2.0;
            let look = format!(r#"stroke="{GRID}""#);
            picture.line((MARGIN, at), (WIDTH - MARGIN, at), &look);
        }
        draw_strip(&mut picture, strip, y, x, language);
        y += height(strip) + STRIP_GAP;
    }
    draw_legend(&mut picture, bottom + 62.0, language);
    picture.finish()
}

fn height(strip: &Strip) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a few lanes")]
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

/// Who the clients of one strip are.
fn draw_addresses(picture: &mut Picture, strip: &Strip, top: f64) {
    let places = legend(strip);
    for (index, (client, (x, line))) in
        strip.clients.iter().zip(places).enumerate()
    {
        let y = top + line * LEGEND_STEP;
        let (strong, _) = colours(index);
        let area = Area { x, y, width: 20.0, height: 16.0 };
        picture.area(area, &format!(r#"rx="4" fill="{strong}""#));
        let letter = Style::plain(11.0).bold().colour(PAPER).at(Anchor::Middle);
        picture.text(x + 10.0, y + 12.0, &client.letter, letter);
        let quiet = Style::quiet(11.0);
        picture.text(x + 24.0, y + 12.0, &client.address, quiet);
    }
}

/// Who the clients are.
fn draw_clients(picture: &mut Picture, clients: &[Client], language: Language) {
    let mut x = MARGIN;
    for (index, client) in clients.iter().enumerate() {
        let (strong, _) = colours(index);
        let area = Area { x, y: 82.0, width: 20.0, height: 20.0 };
        picture.area(area, &format!(r#"rx="4" fill="{strong}""#));
        let letter = Style::plain(13.0).bold().colour(PAPER).at(Anchor::Middle);
        picture.text(x + 10.0, 97.0, &client.letter, letter);
        let words = describe(&client.kind, language);
        picture.text(x + 27.0, 97.0, words, Style::plain(13.0));
        x += 27.0 + width_of(words, 13.0) + 22.0;
    }
}

fn describe(kind: &str, language: Language) -> &str {
    match kind {
        "slow" => language
            .pick("slow: thinks, then sends", "lento: piensa, luego envía"),
        "fast" => {
            language.pick("fast: one short message", "rápido: un mensaje corto")
        }
        "computes" => language.pick(
            "computes: four messages' work",
            "calcula: trabajo de cuatro",
        ),
        other => other,
    }
}

fn short(kind: &str, language: Language) -> &str {
    match kind {
        "slow" => language.pick("slow", "lento"),
        "fast" => language.pick("fast", "rápido"),
        "computes" => language.pick("computes", "calcula"),
        other => other,
    }
}

fn draw_axis(
    picture: &mut Picture,
    end: f64,
    bottom: f64,
    x: impl Fn(f64) -> f64,
) {
    // A session of minutes is told in seconds.
    let (unit, unit_name) =
        if end > 20_000.0 { (1000.0, "s") } else { (1.0, "ms") };
    let step = (0..7)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|it| it * 10_f64.powi(power)))
        .find(|step| end / step <= 10.0)
        .unwrap_or(end / 5.0);
    let mut tick = 0.0;
    while tick <= end {
        let at = x(tick);
        let look = format!(r#"stroke="{GRID}" stroke-dasharray="2 3""#);
        picture.line((at, FIRST_STRIP - 8.0), (at, bottom), &look);
        let style = Style::quiet(12.0).at(Anchor::Middle);
        let figure = number(tick / unit);
        let words = if tick > 0.0 { figure } else { format!("0 {unit_name}") };
        picture.text(at, bottom + 16.0, &words, style);
        tick += step;
    }
}

fn title_of(model: Model, language: Language) -> (&'static str, &'static str) {
    match model {
        Model::OneAfterTheOther => (
            language.pick("One after the other", "Uno tras otro"),
            language.pick(
                "While A thinks, nobody else is served.",
                "Mientras A piensa, no se atiende a nadie más.",
            ),
        ),
        Model::Threads => (
            language.pick("Threads", "Hilos"),
            language.pick(
                "Each waits in a thread of its own; the processors are \
                 shared.",
                "Cada uno espera en su propio hilo; los procesadores se \
                 reparten.",
            ),
        ),
        Model::Processes => (
            language.pick("Processes", "Procesos"),
            language.pick(
                "The same, with nothing in common but the listening socket.",
                "Lo mismo, sin nada en común salvo el socket que escucha.",
            ),
        ),
        Model::Loop => (
            language.pick("Multiplexing", "Multiplexación"),
            language.pick(
                "One loop waits for all at once; while it computes for one, \
                 the others wait.",
                "Un bucle espera a todos a la vez; mientras calcula para \
                 uno, los demás esperan.",
            ),
        ),
    }
}

fn draw_strip(
    picture: &mut Picture,
    strip: &Strip,
    top: f64,
    x: impl Fn(f64) -> f64 + Copy,
    language: Language,
) {
    let (title, caption) = title_of(strip.model, language);
    picture.text(MARGIN, top + 14.0, title, Style::plain(16.0).bold());
    let mut caption = wrapped(caption, 25);
    // One's own sessions are told apart by program and process.
    if !strip.knows_its_clients() {
        caption.insert(0, strip.server.clone());
    }
    for (line, words) in caption.into_iter().enumerate() {
        #[allow(clippy::cast_precision_loss, reason = "a few lines")]
        let y = top + 33.0 + line as f64 * 15.0;
        picture.text(MARGIN, y, &words, Style::quiet(12.0));
    }
    draw_addresses(picture, strip, top);
    let mut y = top + legend_height(strip);
    for (row, lane) in strip.lanes.iter().enumerate() {
        let middle = y + LANE / 2.0;
        let look = format!(r#"stroke="{GRID}""#);
        picture.line((x(0.0), middle), (RIGHT, middle), &look);
        let name = lane_name(strip, row, language);
        let style = Style::quiet(11.0).at(Anchor::End);
        picture.text(LEFT - 8.0, middle + 4.0, &name, style);
        draw_lane(picture, strip, lane, y, x, language);
        y += LANE_STEP;
    }
    y += 5.0 - (LANE_STEP - LANE);
    for track in &strip.tracks {
        draw_track(picture, track, y, x);
        y += TRACK_STEP;
    }
    let middle = top + height(strip) / 2.0;
    let end = Style::plain(20.0).bold().at(Anchor::End);
    let words = if strip.end > 20_000.0 {
        format!("{:.1} s", strip.end / 1000.0)
    } else {
        format!("{:.0} ms", strip.end)
    };
    picture.text(WIDTH - MARGIN, middle - 4.0, &words, end);
    if let Some(last) = strip.clients.last()
        && let Some(after) = last.answered_after
    {
        let words = match language {
            Language::English => {
                format!("{} waits {after:.0} ms", last.letter)
            }
            Language::Spanish => {
                format!("{} espera {after:.0} ms", last.letter)
            }
        };
        let quiet = Style::quiet(12.0).at(Anchor::End);
        picture.text(WIDTH - MARGIN, middle + 14.0, &words, quiet);
    }
    let look = format!(r#"stroke="{INK}" stroke-width="1.5""#);
    let at = x(strip.end);
    let bottom = top + height(strip);
    let first_lane = top + legend_height(strip) - 4.0;
    picture.line((at, first_lane), (at, bottom + 4.0), &look);
}

fn lane_name(strip: &Strip, row: usize, language: Language) -> String {
    let name = &strip.lanes[row].name;
    match strip.model {
        Model::OneAfterTheOther => {
            language.pick("the one", "el único").to_owned()
        }
        Model::Loop => language.pick("loop", "bucle").to_owned(),
        Model::Threads | Model::Processes => match language {
            Language::English => name.clone(),
            Language::Spanish => {
                name.replace("thread", "hilo").replace("process", "proceso")
            }
        },
    }
}

fn draw_lane(
    picture: &mut Picture,
    strip: &Strip,
    lane: &Lane,
    y: f64,
    x: impl Fn(f64) -> f64,
    language: Language,
) {
    let area = |bar: &Bar, least: f64| Area {
        x: x(bar.from),
        y,
        width: (x(bar.to) - x(bar.from)).max(least),
        height: LANE,
    };
    for bar in &lane.bars {
        let (strong, pale) = colours(bar.client);
        match bar.stage {
            Stage::Waiting => {
                let look = format!(
                    r#"fill="{pale}" stroke="{strong}" stroke-width="0.8""#
                );
                picture.area(area(bar, 0.0), &look);
            }
            Stage::Working => {
                picture.area(area(bar, 0.5), &format!(r#"fill="{strong}""#));
            }
            Stage::Queued | Stage::Receiving | Stage::Sending => {}
        }
    }
    // Microseconds: a mark that can be seen, above what is beside it.
    for bar in &lane.bars {
        let (strong, _) = colours(bar.client);
        let at = area(bar, 2.5);
        match bar.stage {
            Stage::Receiving => {
                let look = format!(r#"fill="{strong}""#);
                let wide = Area { y: y - 3.0, height: LANE + 6.0, ..at };
                picture.area(wide, &look);
            }
            Stage::Sending if x(bar.to) - x(bar.from) > 2.5 => {
                let look = format!(r#"fill="url(#sends-{})""#, bar.client % 6);
                picture.area(at, &look);
            }
            _ => {}
        }
    }
    draw_names(picture, strip, lane, y, x, language);
}

/// Writes on each run of bars whose they are.
fn draw_names(
    picture: &mut Picture,
    strip: &Strip,
    lane: &Lane,
    y: f64,
    x: impl Fn(f64) -> f64,
    language: Language,
) {
    for run in runs(lane) {
        let Run { client, waits, whole, longest } = run;
        let width = |(from, to): (f64, f64)| x(to) - x(from);
        let who = &strip.clients[client];
        let letter = who.letter.clone();
        let words = format!("{letter} {}", short(&who.kind, language));
        let room = width_of(&words, 12.0) + 6.0;
        // Within one bar if it fits.
        let (text, place) = if width(longest) > room {
            (words.trim_end(), longest)
        } else if width(whole) > room {
            (words.trim_end(), whole)
        } else if width(longest) > 12.0 {
            (letter.as_str(), longest)
        } else {
            continue;
        };
        let (strong, pale) = colours(client);
        let (colour, ground) =
            if waits { (strong, pale) } else { (PAPER, strong) };
        let style = Style::plain(12.0).bold().colour(colour).on(ground);
        let middle = f64::midpoint(x(place.0), x(place.1));
        let style = style.at(Anchor::Middle);
        picture.text(middle, y + LANE * 0.7, text, style);
    }
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
    /// Between two messages that have both arrived nobody waits.
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

fn draw_track(
    picture: &mut Picture,
    track: &Lane,
    y: f64,
    x: impl Fn(f64) -> f64,
) {
    let Some(client) = track.bars.first().map(|bar| bar.client) else {
        return;
    };
    let (strong, pale) = colours(client);
    let name = Style::plain(11.0).bold().colour(strong).at(Anchor::End);
    picture.text(LEFT - 8.0, y + TRACK, &track.name, name);
    for bar in &track.bars {
        let area = Area {
            x: x(bar.from),
            y,
            width: x(bar.to) - x(bar.from),
            height: TRACK,
        };
        if area.width < 2.5 {
            continue;
        }
        let fill = if bar.stage == Stage::Queued {
            format!("url(#queued-{})", client % COLOURS.len())
        } else {
            pale.to_owned()
        };
        let look =
            format!(r#"fill="{fill}" stroke="{strong}" stroke-width="0.8""#);
        picture.area(area, &look);
    }
}

fn draw_legend(picture: &mut Picture, y: f64, language: Language) {
    for (index, (strong, _)) in COLOURS.iter().enumerate() {
        picture.define(&format!(
            "<pattern id=\"queued-{index}\" width=\"6\" height=\"6\" \
             patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" \
             fill=\"{PAPER}\"/><rect width=\"2.4\" height=\"6\" \
             fill=\"{strong}\"/></pattern>"
        ));
        picture.define(&format!(
            "<pattern id=\"sends-{index}\" width=\"4\" height=\"4\" \
             patternUnits=\"userSpaceOnUse\"><rect width=\"4\" height=\"4\" \
             fill=\"{strong}\"/><circle cx=\"2\" cy=\"2\" r=\"1.1\" \
             fill=\"{PAPER}\"/></pattern>"
        ));
    }
    let (strong, pale) = COLOURS[0];
    let entries = [
        (
            format!(r#"fill="{pale}" stroke="{strong}" stroke-width="0.8""#),
            language.pick(
                "the server waits for the client",
                "el servidor espera al cliente",
            ),
        ),
        (
            format!(r#"fill="{strong}""#),
            language.pick(
                "the server works (tall mark: receives; dots: sends)",
                "el servidor trabaja (marca alta: recibe; puntos: envía)",
            ),
        ),
        (
            format!(
                r#"fill="url(#queued-0)" stroke="{strong}" stroke-width="0.8""#
            ),
            language.pick(
                "the client waits for the server",
                "el cliente espera al servidor",
            ),
        ),
    ];
    let mut x = MARGIN;
    for (look, words) in entries {
        let area = Area { x, y: y - 11.0, width: 26.0, height: 13.0 };
        picture.area(area, &look);
        picture.text(x + 33.0, y, words, Style::quiet(12.5));
        x += 33.0 + width_of(words, 12.5) + 18.0;
    }
}
