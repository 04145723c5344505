//! Timelines of traces that were made up.

use super::draw::draw;
use super::trace::{ASKED, CONNECTS};
use super::*;
use crate::language::Language;
use Stage::{Receiving, Sending, Waiting, Working};

/// The trace of a server: its name, then for each client its lane, when it is
/// connected, when its message is received, when its reply has been sent.
fn trace(server: &str, clients: &[(i64, f64, f64, f64)]) -> Trace {
    let mut events = Vec::new();
    for (port, (lane, connected, received, sent)) in (5000..).zip(clients) {
        let client = format!("127.0.0.1:{port}");
        let (at, name) = ((*lane, *lane), format!("lane {lane}"));
        events.push(Event::naming("process_name", at, server));
        events.push(Event::naming("thread_name", at, &name));
        let event = |ph, name, ts: f64, dur| {
            Event::new(ph, name, at, [ts, dur]).about(&client)
        };
        let end = |ph, ts| {
            let id = Some(client.clone());
            Event { id, ..Event::new(ph, "waiting", at, [ts, 0.0]) }
        };
        events.extend([
            event("i", "connected", *connected, 0.0),
            end("b", *connected),
            end("e", *received),
            event("X", "receiving", *received, 5.0),
            event("X", "working", received + 5.0, sent - received - 15.0),
            event("X", "sending", sent - 10.0, 10.0),
            event("i", "closed", *sent, 0.0),
        ]);
    }
    Trace { events }
}

/// What the clients add: when each connects, asks, and has its reply.
fn asked(trace: &mut Trace, clients: &[(f64, f64, f64)]) {
    for (index, (connects, asks, answered)) in (0..).zip(clients) {
        let (at, client) = ((99, index), format!("127.0.0.1:{}", 5000 + index));
        let event = |ph, name, ts: f64, dur| {
            Event::new(ph, name, at, [ts, dur]).about(&client)
        };
        trace.events.extend([
            Event::naming("thread_name", at, "slow"),
            event("i", CONNECTS, *connects, 0.0),
            event("X", ASKED, *asks, answered - asks),
        ]);
    }
}

fn strip(trace: &Trace) -> Strip {
    check_nesting(trace).unwrap();
    Strip::new(trace).unwrap()
}

#[test]
fn each_thread_has_its_lane() {
    let clients = [(7, 1000.0, 5000.0, 9000.0), (8, 2000.0, 2010.0, 6010.0)];
    let strip = strip(&trace("threads-server", &clients));
    assert_eq!(strip.model, Model::Threads);
    assert_eq!(strip.lanes.len(), 2);
    assert_eq!(strip.lanes[0].name, "lane 7");
    assert!(strip.tracks.is_empty());
    let stages: Vec<Stage> =
        strip.lanes[0].bars.iter().map(|bar| bar.stage).collect();
    assert_eq!(stages, [Waiting, Receiving, Working, Sending]);
    let wait = &strip.lanes[0].bars[0];
    assert_eq!((wait.client, wait.from, wait.to), (0, 0.0, 4.0));
    let end = strip.end;
    assert!((end - 8.0).abs() < 1e-9, "{end}");
}

#[test]
fn one_after_the_other_is_one_lane_and_a_queue() {
    let clients =
        [(7, 0.0, 50_000.0, 60_000.0), (8, 60_010.0, 60_020.0, 70_000.0)];
    let mut events = trace("threads-server", &clients);
    let asks = [(0.0, 49_900.0, 60_000.0), (1000.0, 1010.0, 70_000.0)];
    asked(&mut events, &asks);
    let strip = strip(&events);
    assert_eq!(strip.model, Model::OneAfterTheOther);
    assert_eq!(strip.lanes.len(), 1);
    // B waits from its question until it is its turn.
    let track = strip.tracks.iter().find(|it| it.name == "B").unwrap();
    assert_eq!(track.bars.len(), 1);
    let bar = &track.bars[0];
    assert_eq!(bar.stage, Stage::Queued);
    assert!((bar.from - 1.01).abs() < 1e-6 && (bar.to - 60.02).abs() < 1e-6);
    assert_eq!(strip.clients[1].kind, "slow");
    let after = strip.clients[1].answered_after.unwrap();
    assert!((after - 68.99).abs() < 1e-6);
}

#[test]
fn a_loop_is_one_lane_with_its_waiting_below() {
    let clients = [(7, 0.0, 30_000.0, 40_000.0), (7, 100.0, 200.0, 20_000.0)];
    let mut events = trace("mux-server", &clients);
    let asks = [(0.0, 10_000.0, 40_000.0), (90.0, 95.0, 20_000.0)];
    asked(&mut events, &asks);
    let strip = strip(&events);
    assert_eq!(strip.model, Model::Loop);
    assert_eq!(strip.lanes.len(), 1);
    let lane = &strip.lanes[0];
    assert!(lane.bars.iter().all(|bar| bar.stage > Stage::Queued));
    // The loop waits for A until it asks; then A waits for the loop.
    let track = strip.tracks.iter().find(|it| it.name == "A").unwrap();
    let parts: Vec<(Stage, f64, f64)> =
        track.bars.iter().map(|bar| (bar.stage, bar.from, bar.to)).collect();
    assert_eq!(parts, [(Waiting, 0.0, 10.0), (Stage::Queued, 10.0, 30.0)]);
}

#[test]
fn slices_of_a_lane_may_not_cross() {
    let check = |slices: &[[f64; 2]]| {
        let slices = slices.iter();
        let events = slices.map(|it| Event::new("X", "s", (1, 1), *it));
        check_nesting(&Trace { events: events.collect() })
    };
    assert!(check(&[[0.0, 10.0], [2.0, 3.0], [5.0, 5.0], [10.0, 1.0]]).is_ok());
    assert!(check(&[[0.0, 10.0], [5.0, 6.0]]).is_err());
}

#[test]
fn a_trace_without_clients_is_no_timeline() {
    assert!(Strip::new(&Trace::default()).is_err());
}

#[test]
fn any_number_of_clients_is_named_by_letter_and_address() {
    let clients: Vec<(i64, f64, f64, f64)> = (0..40)
        .zip(0..)
        .map(|(lane, n)| {
            let at = f64::from(n) * 1000.0;
            (100 + lane, at, at + 20_000.0, at + 30_000.0)
        })
        .collect();
    let strip = strip(&trace("threads-server", &clients));
    assert_eq!(strip.clients.len(), 40);
    assert_eq!(strip.lanes.len(), 40);
    let letters: Vec<&str> =
        strip.clients.iter().map(|it| it.letter.as_str()).collect();
    assert_eq!(letters[25..28], ["Z", "AA", "AB"]);
    let svg = draw(&[strip], Language::English);
    roxmltree::Document::parse(&svg).unwrap();
    for port in 5000..5040 {
        assert!(svg.contains(&format!(">127.0.0.1:{port}<")), "{port}");
    }
    assert!(svg.contains(">AN<"), "the fortieth has a letter of its own");
}

#[test]
fn servers_that_share_a_file_are_told_apart() {
    let one = [(7, 0.0, 50.0, 900.0), (7, 20.0, 30.0, 600.0)];
    let other = [(8, 0.0, 50.0, 900.0)];
    let third = [(9, 0.0, 50.0, 900.0), (10, 20.0, 30.0, 600.0)];
    let mut whole = trace("mux-server", &one);
    whole.events.extend(trace("mux-server", &other).events);
    whole.events.extend(trace("process-server", &third).events);
    let strips: Vec<Strip> =
        whole.servers().iter().map(|it| Strip::new(it).unwrap()).collect();
    let found: Vec<(&str, Model, usize)> = strips
        .iter()
        .map(|it| (it.server.as_str(), it.model, it.clients.len()))
        .collect();
    assert_eq!(
        found,
        [
            ("mux-server 7", Model::Loop, 2),
            ("mux-server 8", Model::Loop, 1),
            ("process-server 9", Model::Processes, 2),
        ]
    );
    let svg = draw(&strips, Language::English);
    for server in ["mux-server 7", "mux-server 8", "process-server 9"] {
        assert!(svg.contains(server), "{server}");
    }
}

#[test]
fn a_port_that_is_used_again_is_another_client() {
    let again = [(7, 0.0, 50.0, 900.0)];
    let later = [(8, 5000.0, 5050.0, 5900.0)];
    let mut both = trace("threads-server", &again);
    for event in trace("threads-server", &later).events {
        both.events.push(Event { pid: 7, ..event });
    }
    let strip = Strip::new(&both).unwrap();
    assert_eq!(strip.clients.len(), 2);
    let whose = |bar: &Bar| bar.client;
    let lane = &strip.lanes[0];
    let bars: Vec<usize> = lane.bars.iter().map(whose).collect();
    assert_eq!(bars, [0, 0, 0, 0, 1, 1, 1, 1]);
}

#[test]
fn the_picture_names_everybody_in_both_languages() {
    let clients = [(7, 0.0, 50_000.0, 90_000.0), (8, 20.0, 30.0, 60_000.0)];
    let strips = [
        strip(&trace("threads-server", &clients)),
        strip(&trace("process-server", &clients)),
    ];
    for (language, words) in [
        (Language::English, ["Threads", "Processes", "90 ms", ">A<"]),
        (Language::Spanish, ["Hilos", "Procesos", "90 ms", ">B<"]),
    ] {
        let svg = draw(&strips, language);
        roxmltree::Document::parse(&svg).unwrap();
        for word in words {
            assert!(svg.contains(word), "{word}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        // Where a word is missing its name would stand.
        assert!(!svg.contains("timeline.") && !svg.contains("approach."));
    }
}
