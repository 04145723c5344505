//! A whole comparison, of peers that need nothing but this package, and the
//! program itself as its user runs it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering;

use lab::catalogue::{Catalogue, Program, Serve};
use lab::compare::{self, Agenda, Report};
use lab::growth;
use lab::load::Live;
use lab::measure::{Effort, Floor, Metric, Observer, Work};
use lab::program::{self, Unavailable};
use lab::rows::{Against, Bound, Evidence, Row, Verdict};
use strum::VariantArray;

const LAB: &str = env!("CARGO_BIN_EXE_lab");

const TINY: Effort = Effort {
    rounds: 2,
    seconds: 0.15,
    warm_up_seconds: 0.01,
    bursts: 2,
    stream_mib: 1,
};

/// An observer that keeps the lines that it is told.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
}

impl Observer for Notes {
    fn begins(&mut self, _what: &str, _seconds: f64) {}

    fn skips(&mut self, seconds: f64) {
        assert!(seconds >= 0.0, "time does not run backwards");
    }

    fn says(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }
}

fn catalogue() -> Catalogue {
    // Without our servers: they are left out, by name.
    Catalogue::with_servers(BTreeMap::new(), PathBuf::from(LAB)).unwrap()
}

fn row(work: Work, metric: Metric, against: Against) -> Row {
    Row {
        name: "test".into(),
        subject: vec![Program::Mio],
        work,
        metric,
        against,
        bound: Bound::AtLeast(0.0),
    }
}

/// Every kind of work, mio beside tokio, and one program that is missing.
fn agenda() -> Agenda {
    let tokio = || Against::Best(vec![Program::TokioOne]);
    let rows = vec![
        row(Work::Exchange(1), Metric::Rate, tokio()),
        row(Work::Exchange(4), Metric::CpuNs, tokio()),
        row(Work::Echo(1), Metric::Rate, tokio()),
        row(Work::Echo(4), Metric::Rate, tokio()),
        row(
            Work::BesideIdle(20),
            Metric::MedianNs,
            Against::Itself(Work::BesideIdle(2)),
        ),
        row(Work::Burst(8), Metric::MaxNs, Against::Nothing),
        // So few connections may fit into what is there already, and the
        // kernel's sharing of pages changes meanwhile: any figure is right.
        Row {
            bound: Bound::AtLeast(f64::MIN),
            ..row(Work::Memory(20), Metric::UserKib, Against::Nothing)
        },
        row(Work::Stream(1), Metric::MibPerSecond, tokio()),
        row(Work::Echo(4), Metric::Rate, Against::Best(vec![Program::Threads])),
    ];
    Agenda::new(rows, TINY, false)
}

#[test]
fn a_comparison_is_complete() {
    let agenda = agenda();
    let mut notes = Notes::default();
    let live = Live::default();
    let report =
        compare::run(&catalogue(), &agenda, &live, &mut notes).unwrap();

    assert!(report.header.complete);
    let verdict = |index: usize| report.findings[index].verdict;
    for index in 0..8 {
        let finding = &report.findings[index];
        assert_eq!(verdict(index), Verdict::Pass, "{finding:?}");
        assert!(finding.figures.is_some());
    }
    // A missing program is named and left out.
    assert_eq!(verdict(8), Verdict::LeftOut);
    assert!(report.findings[8].remark.contains("threads-server"));
    assert!(notes.lines.iter().any(|line| line.contains("left out")));
    assert!(!report.programs.contains_key(&Program::Threads));

    // Each program and work has a sample of each round, with its figures.
    for (program, work) in agenda.groups.iter().flatten() {
        if *program == Program::Threads {
            continue;
        }
        let samples: Vec<_> = report
            .samples
            .iter()
            .filter(|it| it.program == *program && it.work == *work)
            .collect();
        assert_eq!(samples.len(), 2, "{program}: {work}");
        for sample in samples {
            assert!(!sample.values.is_empty());
            assert!(sample.errors.is_empty(), "{sample:?}");
            assert!(sample.values.values().all(|value| value.is_finite()));
        }
    }

    // The kernel itself has a sample of each round for each floor.
    assert_eq!(report.floors.len(), Floor::VARIANTS.len());
    assert!(report.floors.values().all(|samples| samples.len() == 2));

    for key in ["lab", "rustc", "mio", "tokio"] {
        assert!(report.versions.contains_key(key), "{key} is missing");
    }
}

/// The rules of today say of the comparison that is committed what those of
/// that day said.
#[test]
fn what_is_committed_is_judged_so_today() {
    let file = program::workspace().join("docs/evaluation/compare.json");
    let json = std::fs::read_to_string(file).unwrap();
    let report: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string_pretty(&report).unwrap() + "\n", json);
    let evidence =
        Evidence { samples: &report.samples, missing: &report.missing };
    for finding in &report.findings {
        assert_eq!(evidence.judge(&finding.row), *finding);
    }
}

#[test]
fn a_run_that_is_stopped_says_so() {
    let live = Live::default();
    live.stop.store(true, Ordering::Relaxed);
    let mut notes = Notes::default();
    let report =
        compare::run(&catalogue(), &agenda(), &live, &mut notes).unwrap();
    assert!(!report.header.complete);
    assert!(report.samples.is_empty());
}

#[test]
fn a_server_that_is_not_built_is_not_invented() {
    let catalogue = catalogue();
    let missing =
        catalogue.start(Program::MuxEpoll, Serve::Once, 8).unwrap_err();
    assert!(matches!(missing, Unavailable::NotInstalled(_)));
    let effort = growth::Effort {
        rounds: 1,
        seconds: 0.01,
        connections: 3,
        workers: 3,
        parent_mib: 0,
    };
    let mut notes = Notes::default();
    let live = Live::default();
    let growth = growth::run(&catalogue, &effort, &live, &mut notes).unwrap();
    assert_eq!(growth.steps, []);
    assert_eq!(growth.missing.len(), 5);
}

/// What `peers.toml` says of each peer holds on this machine: it serves a
/// client, or something that it needs is not installed.
#[test]
fn every_peer_that_is_installed_serves() {
    let catalogue = catalogue();
    let mut serving = 0;
    for program in Program::all().filter(|it| !it.is_ours()) {
        for serve in [Serve::Once, Serve::UntilEof] {
            if serve == Serve::Once && !program.can_serve_once() {
                continue;
            }
            let server = match catalogue.start(program, serve, 8) {
                Ok(server) => server,
                Err(Unavailable::NotInstalled(_)) => continue,
                Err(why) => panic!("{program}: {why}"),
            };
            let mut client = server.target().connect().unwrap();
            client.write_all(b"hello").unwrap();
            let mut reply = [0; 5];
            client.read_exact(&mut reply).unwrap();
            assert_eq!(&reply, b"hello", "{program}");
            client.shutdown(Shutdown::Write).unwrap();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).unwrap();
            assert!(rest.is_empty(), "{program}: {rest:?}");
            serving += 1;
        }
    }
    // The peers that are part of the lab itself are always there.
    assert!(serving >= 6, "{serving}");
}

#[test]
fn the_rows_can_be_listed() {
    let lab = |arguments: &[&str]| {
        let output = Command::new(LAB).args(arguments).output().unwrap();
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (status, text) = lab(&["compare", "--list"]);
    assert_eq!(status, Some(0));
    assert!(text.contains("threads-exchange") && text.contains("about"));
    let (status, text) = lab(&["compare", "no-such-row", "--list"]);
    assert_eq!(status, Some(1));
    assert!(text.contains("no row is called no-such-row"));
}
