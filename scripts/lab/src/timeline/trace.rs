//! Traces in the Trace Event Format: a JSON array. Its closing bracket may be
//! missing, since the server that writes it may be killed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::Stage;

/// What an event is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Of a lane or a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One event. Times are microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The name of the event.
    pub name: String,
    /// `X` a slice, `b` and `e` the ends of one that may overlap with
    /// others, `i` an instant, `M` a name.
    pub ph: String,
    /// When it began.
    #[serde(default)]
    pub ts: f64,
    /// How long it took.
    #[serde(default)]
    pub dur: f64,
    /// The process.
    pub pid: i64,
    /// The thread.
    pub tid: i64,
    /// What a `b` and its `e` have in common: the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The rest.
    #[serde(default)]
    pub args: Details,
}

impl Event {
    /// An event of a lane, which took so long.
    pub fn new(
        ph: &str,
        name: &str,
        (pid, tid): (i64, i64),
        [ts, dur]: [f64; 2],
    ) -> Self {
        let (ph, name) = (ph.to_owned(), name.to_owned());
        Self { name, ph, ts, dur, pid, tid, ..Self::default() }
    }

    /// The event that gives a lane its `thread_name`, or `process_name`.
    pub fn naming(what: &str, lane: (i64, i64), name: &str) -> Self {
        let mut event = Self::new("M", what, lane, [0.0; 2]);
        event.args.name = Some(name.to_owned());
        event
    }

    /// The same, about a client.
    pub fn about(mut self, client: &str) -> Self {
        self.args.client = Some(client.to_owned());
        self
    }

    /// The client that it is about.
    pub fn client(&self) -> Option<&str> {
        self.args.client.as_deref().or(self.id.as_deref())
    }

    /// Where it is drawn.
    pub fn lane(&self) -> (i64, i64) {
        (self.pid, self.tid)
    }
}

/// What the clients' own events are called.
pub const CLIENTS: &str = "clients";
/// A client's question, from its sending to the whole reply.
pub const ASKED: &str = "asked";
/// A client connects.
pub const CONNECTS: &str = "connects";

/// All events of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// In the order of the file.
    pub events: Vec<Event>,
}

/// A stage of a client.
pub(super) struct TraceBar<'trace> {
    pub address: &'trace str,
    pub lane: (i64, i64),
    pub stage: Stage,
    pub from: f64,
    pub to: f64,
}

/// A client's question.
pub(super) struct Ask<'trace> {
    pub address: &'trace str,
    pub kind: String,
    pub came: f64,
    pub from: f64,
    pub to: f64,
}

impl Trace {
    /// Reads a trace.
    ///
    /// # Errors
    ///
    /// When it is not in this format.
    pub fn parse(text: &str) -> Result<Self> {
        let list = text.trim();
        ensure!(list.starts_with('['), "a trace begins with [");
        let open = list.strip_suffix(']').unwrap_or(list).trim_end();
        let list = format!("{}]", open.strip_suffix(',').unwrap_or(open));
        let events: Vec<Event> = serde_json::from_str(&list)
            .context("this is not the Trace Event Format")?;
        let timed = |event: &Event| event.ts.is_finite() && event.dur >= 0.0;
        ensure!(events.iter().all(timed), "an event without a time");
        Ok(Self { events })
    }

    /// What the server of this trace is called.
    pub fn server_name(&self) -> &str {
        self.names("process_name")
            .map(|(_, name)| name)
            .find(|name| *name != CLIENTS)
            .unwrap_or("server")
    }

    /// The server and its process: `threads-server 4711`. Of the processes
    /// that a server has created, the first one stands for all.
    pub fn server(&self) -> String {
        let name = self.server_name();
        let mut all = self.names("process_name");
        match all.find(|(_, other)| *other == name) {
            Some(((process, _), _)) => format!("{name} {process}"),
            None => name.to_owned(),
        }
    }

    /// The traces of the servers that have written into one file, in the
    /// order in which they began. Threads and loops belong to the server whose
    /// process they are in. A process that serves a client is a process of its
    /// own, and the file does not say who has created it: all of those make
    /// one trace.
    pub fn servers(&self) -> Vec<Self> {
        let names: Vec<((i64, i64), &str)> =
            self.names("process_name").collect();
        let server = |process: i64| -> Option<(&str, i64)> {
            let last = names.iter().rev().find(|((it, _), _)| *it == process);
            let (_, name) = last?;
            match *name {
                CLIENTS => None,
                name if name.contains("process") => Some((name, 0)),
                name => Some((name, process)),
            }
        };
        let mut servers: Vec<(&str, i64)> = Vec::new();
        for event in &self.events {
            if let Some(server) = server(event.pid)
                && !servers.contains(&server)
            {
                servers.push(server);
            }
        }
        if servers.len() < 2 {
            return vec![self.clone()];
        }
        let of = |wanted: (&str, i64)| {
            let own = |it: &&Event| server(it.pid) == Some(wanted);
            let addresses: BTreeSet<&str> = self
                .events
                .iter()
                .filter(own)
                .filter_map(Event::client)
                .collect();
            // The clients' own part goes with the server that served them.
            let belongs = |it: &&Event| match server(it.pid) {
                Some(server) => server == wanted,
                None => it.client().is_none_or(|it| addresses.contains(it)),
            };
            let events = self.events.iter().filter(belongs).cloned();
            Self { events: events.collect() }
        };
        servers.into_iter().map(of).collect()
    }

    /// What a lane is called.
    pub fn lane_name(&self, lane: (i64, i64)) -> String {
        self.names("thread_name")
            .find(|(of, _)| *of == lane)
            .map_or_else(|| format!("{}", lane.1), |(_, name)| name.to_owned())
    }

    fn names<'trace>(
        &'trace self,
        what: &'trace str,
    ) -> impl Iterator<Item = ((i64, i64), &'trace str)> {
        self.events
            .iter()
            .filter(move |event| event.ph == "M" && event.name == what)
            .filter_map(|event| {
                Some((event.lane(), event.args.name.as_deref()?))
            })
    }

    /// The stages of all clients.
    pub(super) fn bars(&self) -> Vec<TraceBar<'_>> {
        let mut bars = Vec::new();
        let mut open: BTreeMap<(&str, &str), f64> = BTreeMap::new();
        for event in &self.events {
            let Some(address) = event.client() else {
                continue;
            };
            let Ok(stage) = event.name.parse() else {
                continue;
            };
            let key = (address, event.name.as_str());
            let span = match event.ph.as_str() {
                "X" => Some((event.ts, event.ts + event.dur)),
                "b" => {
                    open.insert(key, event.ts);
                    None
                }
                "e" => open.remove(&key).map(|from| (from, event.ts)),
                _ => None,
            };
            let lane = event.lane();
            let bar = |(from, to)| TraceBar { address, lane, stage, from, to };
            bars.extend(span.map(bar));
        }
        bars
    }

    /// What the clients asked, where the trace has their part too.
    pub(super) fn asks(&self) -> Vec<Ask<'_>> {
        let came = |address: &str, lane| {
            let connects = self.events.iter().find(|it| {
                it.name == CONNECTS
                    && it.client() == Some(address)
                    && it.lane() == lane
            });
            connects.map(|it| it.ts)
        };
        self.events
            .iter()
            .filter(|event| event.ph == "X" && event.name == ASKED)
            .filter_map(|event| {
                let address = event.client()?;
                Some(Ask {
                    address,
                    kind: self.lane_name(event.lane()),
                    came: came(address, event.lane()).unwrap_or(event.ts),
                    from: event.ts,
                    to: event.ts + event.dur,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_may_end_in_the_middle_of_its_list() {
        let event = r#"{"name":"n","ph":"i","ts":1.5,"pid":1,"tid":2}"#;
        for text in [
            format!("[\n{event},\n{event},\n"),
            format!("[{event},{event}]"),
            format!("[\n{event},\n{event}\n]\n"),
        ] {
            let trace = Trace::parse(&text).unwrap();
            assert_eq!(trace.events.len(), 2, "{text}");
            assert_eq!(trace.events[1].lane(), (1, 2));
        }
        assert_eq!(Trace::parse("[\n").unwrap().events, []);
        for text in ["", "{}", "[{]", "[\n{\"name\":1}"] {
            assert!(Trace::parse(text).is_err(), "{text}");
        }
    }
}
