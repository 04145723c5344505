//! Timelines of traces that were made up.

use super::draw::draw;
use super::*;
use crate::language::Language;
use Stage::{Receiving, Sending, Waiting, Working};

/// A trace of a server: its name, then for each client its lane, when it is
/// connected, when its message is received, when its reply has been sent.
fn trace(server: &str, clients: &[(i64, f64, f64, f64)]) -> String {
    let mut text = String::from("[\n");
    let mut line = |json: String| {
        text += &json;
        text += ",\n";
    };
    for (index, (lane, connected, received, sent)) in clients.iter().enumerate()
    {
        let at = format!(r#""pid":{lane},"tid":{lane}"#);
        let client = format!("127.0.0.1:{}", 5000 + index);
        let args = format!(r#""args":{{"client":"{client}"}}"#);
        let pair =
            format!(r#""name":"waiting","cat":"client","id":"{client}",{at}"#);
        let name = format!("lane {lane}");
        line(format!(
            r#"{{"name":"process_name","ph":"M",{at},"args":{{"name":"{server}"}}}}"#
        ));
        line(format!(
            r#"{{"name":"thread_name","ph":"M",{at},"args":{{"name":"{name}"}}}}"#
        ));
        line(format!(
            r#"{{"name":"connected","ph":"i","s":"t","ts":{connected},{at},{args}}}"#
        ));
        line(format!(r#"{{{pair},"ph":"b","ts":{connected}}}"#));
        line(format!(r#"{{{pair},"ph":"e","ts":{received}}}"#));
        line(format!(
            r#"{{"name":"receiving","ph":"X","ts":{received},"dur":5,{at},{args}}}"#
        ));
        line(format!(
            r#"{{"name":"working","ph":"X","ts":{},"dur":{},{at},{args}}}"#,
            received + 5.0,
            sent - received - 15.0
        ));
        line(format!(
            r#"{{"name":"sending","ph":"X","ts":{},"dur":10,{at},{args}}}"#,
            sent - 10.0
        ));
        line(format!(
            r#"{{"name":"closed","ph":"i","s":"t","ts":{sent},{at},{args}}}"#
        ));
    }
    text
}

/// What the clients add: when each connects, asks, and has its reply.
fn asked(clients: &[(f64, f64, f64)]) -> String {
    let mut text = String::new();
    for (index, (connects, asks, answered)) in clients.iter().enumerate() {
        let at = format!(r#""pid":99,"tid":{index}"#);
        let client = format!("127.0.0.1:{}", 5000 + index);
        let args = format!(r#""args":{{"client":"{client}"}}"#);
        let lines = format!(
            "{{\"name\":\"thread_name\",\"ph\":\"M\",{at},\
             \"args\":{{\"name\":\"slow\"}}}},\n\
             {{\"name\":\"connects\",\"ph\":\"i\",\"ts\":{connects},{at},\
             {args}}},\n\
             {{\"name\":\"asked\",\"ph\":\"X\",\"ts\":{asks},\
             \"dur\":{},{at},{args}}},\n",
            answered - asks
        );
        text += &lines;
    }
    text
}

fn strip(text: &str) -> Strip {
    let trace = Trace::parse(text).unwrap();
    check_nesting(&trace).unwrap();
    Strip::new(&trace).unwrap()
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
fn processes_are_known_by_their_name() {
    let clients = [(7, 0.0, 50.0, 900.0), (8, 20.0, 30.0, 600.0)];
    let strip = strip(&trace("process-server", &clients));
    assert_eq!(strip.model, Model::Processes);
}

#[test]
fn one_after_the_other_is_one_lane_and_a_queue() {
    let mut text = trace(
        "threads-server",
        &[(7, 0.0, 50_000.0, 60_000.0), (8, 60_010.0, 60_020.0, 70_000.0)],
    );
    text += &asked(&[(0.0, 49_900.0, 60_000.0), (1000.0, 1010.0, 70_000.0)]);
    let strip = strip(&text);
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
    let mut text = trace(
        "mux-server",
        &[(7, 0.0, 30_000.0, 40_000.0), (7, 100.0, 200.0, 20_000.0)],
    );
    text += &asked(&[(0.0, 10_000.0, 40_000.0), (90.0, 95.0, 20_000.0)]);
    let strip = strip(&text);
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
    let slice = |ts: f64, dur: f64| {
        format!(
            r#"{{"name":"s","ph":"X","ts":{ts},"dur":{dur},"pid":1,"tid":1}}"#
        )
    };
    let check = |slices: &[(f64, f64)]| {
        let list: Vec<String> =
            slices.iter().map(|(ts, dur)| slice(*ts, *dur)).collect();
        let text = format!("[{}]", list.join(","));
        check_nesting(&Trace::parse(&text).unwrap())
    };
    assert!(check(&[(0.0, 10.0), (2.0, 3.0), (5.0, 5.0), (10.0, 1.0)]).is_ok());
    assert!(check(&[(0.0, 10.0), (5.0, 6.0)]).is_err());
}

#[test]
fn a_trace_without_clients_is_no_timeline() {
    assert!(Strip::new(&Trace::parse("[\n").unwrap()).is_err());
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
    let mut text = trace("mux-server", &one);
    text += trace("mux-server", &other).trim_start_matches("[\n");
    text += trace("process-server", &third).trim_start_matches("[\n");
    let whole = Trace::parse(&text).unwrap();
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
    let mut text = trace("threads-server", &again);
    text += trace("threads-server", &later).trim_start_matches("[\n");
    let trace = Trace::parse(&text.replace("\"pid\":8", "\"pid\":7")).unwrap();
    let strip = Strip::new(&trace).unwrap();
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
