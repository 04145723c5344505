//! A trace, read back: each line taken apart, each stage of each client.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

use nix::unistd::Pid;
use serde_json::Value;

/// A lane of the trace: a process and a thread of it.
pub type Lane = (Pid, Pid);

/// How a stage is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A moment, `i`.
    Instant,
    /// A bar in its lane, `X`.
    Slice,
    /// A bar of its own, `b` and `e`.
    Pair,
}

/// Something that has happened to a client.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What it was.
    pub name: String,
    /// How it is written down.
    pub kind: Kind,
    /// The thread that did it.
    pub lane: Lane,
    /// The client that it was done for.
    pub client: SocketAddr,
    /// When it began, in microseconds of `CLOCK_MONOTONIC`.
    pub start: f64,
    /// When it ended: for an instant, the time when it began.
    pub end: f64,
    /// The reason, of a last stage.
    pub reason: Option<String>,
}

/// All that a trace shows.
#[derive(Debug, Default)]
pub struct Trace {
    /// Everything that has happened, in the order of the file.
    pub stages: Vec<Stage>,
    /// `process_name` or `thread_name`, and the name.
    names: Vec<(Lane, String, String)>,
}

/// What a line says of this, which must be text.
fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    let found = event[key].as_str();
    found.unwrap_or_else(|| panic!("no {key} in {event}"))
}

/// What a line says of this, which must be a number.
fn number(event: &Value, key: &str) -> f64 {
    let found = event[key].as_f64();
    found.unwrap_or_else(|| panic!("no {key} in {event}"))
}

/// The client that a text names.
fn client(name: &str) -> SocketAddr {
    name.parse().unwrap_or_else(|_| panic!("no client: {name}"))
}

impl Trace {
    /// Microseconds that a number of the file may be off, read as a float: the
    /// machine may have been on for years.
    pub const PRECISION: f64 = 0.01;

    /// Takes a whole file apart.
    ///
    /// # Panics
    ///
    /// When a line is not as it should be.
    pub fn parse(file: &str) -> Self {
        let lines = file.strip_prefix("[\n");
        let lines = lines.unwrap_or_else(|| panic!("no [ at first: {file}"));
        assert!(lines.is_empty() || lines.ends_with(",\n"), "cut: {file}");
        let mut trace = Self::default();
        // A pair stands in two lines, written together.
        let mut open: HashMap<Lane, Stage> = HashMap::new();
        for line in lines.lines() {
            let object = line.strip_suffix(',');
            let object = object.unwrap_or_else(|| panic!("no comma: {line}"));
            let event: Value = serde_json::from_str(object)
                .unwrap_or_else(|error| panic!("{error}: {line}"));
            let lane = ["pid", "tid"].map(|key| {
                let id = event[key].as_i64().and_then(|id| id.try_into().ok());
                Pid::from_raw(id.unwrap_or_else(|| panic!("no {key}: {line}")))
            });
            let lane = (lane[0], lane[1]);
            let name = text(&event, "name").to_owned();
            let arguments = &event["args"];
            let stage = |kind, whom: &str, length| Stage {
                name: name.clone(),
                kind,
                lane,
                client: client(whom),
                start: number(&event, "ts"),
                end: number(&event, "ts") + length,
                reason: arguments["reason"].as_str().map(str::to_owned),
            };
            match (text(&event, "ph"), event["cat"].as_str()) {
                ("M", None) => {
                    let called = text(arguments, "name").to_owned();
                    trace.names.push((lane, name, called));
                }
                ("i", Some("client")) => {
                    assert_eq!(text(&event, "s"), "t", "{line}");
                    let whom = text(arguments, "client");
                    trace.stages.push(stage(Kind::Instant, whom, 0.0));
                }
                ("X", Some("stage")) => {
                    let whom = text(arguments, "client");
                    let length = number(&event, "dur");
                    assert!(length >= 0.0, "{line}");
                    trace.stages.push(stage(Kind::Slice, whom, length));
                }
                ("b", Some("client")) => {
                    let begin = stage(Kind::Pair, text(&event, "id"), 0.0);
                    let other = open.insert(lane, begin);
                    assert!(other.is_none(), "begun and not ended: {other:?}");
                }
                ("e", Some("client")) => {
                    let mut whole = open
                        .remove(&lane)
                        .unwrap_or_else(|| panic!("not begun: {line}"));
                    let end = stage(Kind::Pair, text(&event, "id"), 0.0);
                    assert_eq!(whole.name, end.name, "{line}");
                    assert_eq!(whole.client, end.client, "{line}");
                    assert!(whole.start <= end.end, "{line}");
                    whole.end = end.end;
                    trace.stages.push(whole);
                }
                other => panic!("{other:?} in {line}"),
            }
        }
        assert!(open.is_empty(), "begun and not ended: {open:?}");
        trace
    }

    /// What has happened to one client, in the order of the file.
    pub fn of(&self, client: SocketAddr) -> Vec<&Stage> {
        let stages = self.stages.iter();
        stages.filter(|stage| stage.client == client).collect()
    }

    /// All clients.
    pub fn clients(&self) -> BTreeSet<SocketAddr> {
        self.stages.iter().map(|stage| stage.client).collect()
    }

    /// What a lane is called: `process_name` or `thread_name`, and the name.
    pub fn names_of(&self, lane: Lane) -> Vec<(&str, &str)> {
        let own = self.names.iter().filter(|(whose, ..)| *whose == lane);
        own.map(|(_, kind, name)| (kind.as_str(), name.as_str())).collect()
    }

    /// Checks that a worker does one thing at a time: the slices of a lane
    /// follow each other.
    ///
    /// # Panics
    ///
    /// When two overlap.
    pub fn check_lanes(&self) {
        let mut last: HashMap<Lane, &Stage> = HashMap::new();
        for stage in self.stages.iter().filter(|s| s.kind == Kind::Slice) {
            if let Some(before) = last.insert(stage.lane, stage) {
                assert!(
                    before.end <= stage.start + Self::PRECISION,
                    "{before:?} overlaps {stage:?}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLICE: &str = r#"{"name":"sending","cat":"stage","ph":"X","ts":1.5,"dur":2.250,"pid":4,"tid":5,"args":{"client":"127.0.0.1:6"}},"#;

    #[test]
    fn a_trace_is_taken_apart_strictly() {
        let trace = Trace::parse(&format!("[\n{SLICE}\n"));
        let stage = &trace.stages[0];
        assert_eq!((stage.start, stage.end), (1.5, 3.75));
        assert_eq!(stage.lane, (Pid::from_raw(4), Pid::from_raw(5)));
        for wrong in [
            SLICE.to_owned(),
            format!("[\n{SLICE}"),
            format!("[\n{SLICE}\n[\n"),
            format!("[\n{}\n", SLICE.replace("},", "}")),
            format!("[\n{}\n", SLICE.replace("\"X\"", "\"b\"")),
            format!("[\n{}\n", SLICE.replace("2.250", "-1")),
            format!("[\n{}\n", SLICE.replace("\"pid\":4,", "")),
        ] {
            let result = std::panic::catch_unwind(|| Trace::parse(&wrong));
            assert!(result.is_err(), "{wrong}");
        }
    }

    #[test]
    #[should_panic(expected = "overlaps")]
    fn slices_that_overlap_are_noticed() {
        let later = SLICE.replace("1.5", "3.7");
        Trace::parse(&format!("[\n{SLICE}\n{later}\n")).check_lanes();
    }
}
