//! The timeline: what each server does with the same four clients, drawn
//! from the traces of a real run.
//!
//! [`trace`] reads the files (Trace Event Format, as Perfetto opens them);
//! [`script`] runs the servers and plays the clients; [`Strip`] is what one
//! server did; [`draw`] makes the picture.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use strum::{EnumString, IntoStaticStr};

pub mod draw;
pub mod script;
#[cfg(test)]
mod tests;
pub mod trace;

use trace::{Event, Trace};

/// How a server is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Model {
    /// Clients are served one after the other.
    #[strum(serialize = "serial")]
    OneAfterTheOther,
    /// A thread for each.
    Threads,
    /// A process for each.
    Processes,
    /// One loop for all.
    #[strum(serialize = "mux")]
    Loop,
}

/// What a server does for a client, as a trace calls it.
#[derive(Clone, Copy, Debug, EnumString, PartialEq, Eq, PartialOrd, Ord)]
#[strum(serialize_all = "lowercase")]
pub enum Stage {
    /// Nothing: it waits for the client.
    #[strum(serialize = "waiting", serialize = "closing")]
    Waiting,
    /// The client has asked, and waits for the server.
    #[strum(disabled)]
    Queued,
    /// It takes the message.
    Receiving,
    /// It computes.
    Working,
    /// It hands the reply to the kernel.
    Sending,
}

/// A stage of a client, from when to when, in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Which client: its place in [`Strip::clients`].
    pub client: usize,
    /// What is done for it.
    pub stage: Stage,
    /// Since the strip began.
    pub from: f64,
    /// Until then.
    pub to: f64,
}

/// A row of bars.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// `thread 1`, `process 4711`, `loop`.
    pub name: String,
    /// In the order of their beginnings.
    pub bars: Vec<Bar>,
}

/// A client of a strip.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// A letter, in the order in which the clients came: A to Z, then AA, AB.
    pub letter: String,
    /// Its address and port.
    pub address: String,
    /// What it is like, if its own trace says so: `slow`.
    pub kind: String,
    /// Milliseconds from when it asked until it had its whole reply.
    pub answered_after: Option<f64>,
}

/// What one server did.
#[derive(Clone, Debug, PartialEq)]
pub struct Strip {
    /// How it is drawn.
    pub model: Model,
    /// The program and its process, or that of its first worker.
    pub server: String,
    /// Its clients.
    pub clients: Vec<Client>,
    /// One for each thread or process; a single one of the loop, and of a
    /// server that serves one after the other.
    pub lanes: Vec<Lane>,
    /// For the latter two, what each client waits for: a row each.
    pub tracks: Vec<Lane>,
    /// When the last client had what it wanted, milliseconds; where the
    /// trace does not hold the clients' own part, when the last one was
    /// closed.
    pub end: f64,
}

impl Strip {
    /// Whether the trace holds the clients' own part: what they are like, and
    /// when each had its answer.
    pub fn knows_its_clients(&self) -> bool {
        self.clients.iter().all(|client| !client.kind.is_empty())
    }
}

/// A client while a strip is made.
struct Life<'trace> {
    address: &'trace str,
    connected: f64,
    closed: f64,
}

impl Strip {
    /// Makes a strip of the trace of one server, and of its clients where
    /// the trace holds their part too.
    ///
    /// # Errors
    ///
    /// When the trace has no client.
    pub fn new(trace: &Trace) -> Result<Self> {
        let mut lives = lives(trace);
        ensure!(!lives.is_empty(), "the trace has no client in it");
        let asks = trace.asks();
        // A client has come when it has connected, which may be long before
        // the server takes it.
        let ask = |life: &Life<'_>| {
            asks.iter().position(|ask| ask.address == life.address)
        };
        let came = |life: &Life<'_>| {
            ask(life).map_or(life.connected, |place| {
                asks[place].came.min(life.connected)
            })
        };
        // Their own part of the trace, if there is one, says who is first.
        lives.sort_by(|a, b| {
            ask(a).cmp(&ask(b)).then(came(a).total_cmp(&came(b)))
        });
        let start = lives.iter().map(came).fold(f64::MAX, f64::min);
        let at = |ts: f64| (ts - start) / 1000.0;
        let model = model_of(trace, &lives);

        let has_one_lane =
            matches!(model, Model::Loop | Model::OneAfterTheOther);
        let mut first_lane = None;
        let mut lanes: BTreeMap<_, Vec<Bar>> = BTreeMap::new();
        for bar in trace.bars() {
            // A port may have been used again, later: then it is the client
            // that was there at that time.
            let there = |life: &Life<'_>| {
                life.address == bar.address
                    && life.connected <= bar.to
                    && bar.from <= life.closed
            };
            let Some(client) = lives.iter().position(there) else {
                continue;
            };
            // Once a client has its whole reply, the server's wait for it is
            // not drawn: the client has closed, even if the server has yet to
            // see that.
            let own = asks.iter().filter(|ask| ask.address == bar.address);
            let has_all = own.map(|ask| ask.to).reduce(f64::max);
            let waits = bar.stage == Stage::Waiting;
            if waits && has_all.is_some_and(|end| bar.to >= end) {
                continue;
            }
            let first = *first_lane.get_or_insert(bar.lane);
            let lane = if has_one_lane { first } else { bar.lane };
            lanes.entry(lane).or_default().push(Bar {
                client,
                stage: bar.stage,
                from: at(bar.from),
                to: at(bar.to),
            });
        }
        let lane = |(lane, mut bars): (_, Vec<Bar>)| {
            bars.sort_by(|a, b| a.from.total_cmp(&b.from));
            Lane { name: trace.lane_name(lane), bars }
        };
        let mut lanes: Vec<Lane> = lanes.into_iter().map(lane).collect();
        lanes.sort_by(|a, b| {
            let (a, b) = (&a.bars[0], &b.bars[0]);
            a.client.cmp(&b.client).then(a.from.total_cmp(&b.from))
        });

        let (clients, queued) = clients(&lives, &asks, at);
        let end = if queued.is_empty() {
            lives.iter().map(|life| at(life.closed)).fold(0.0, f64::max)
        } else {
            queued.iter().map(|bar| bar.to).fold(0.0, f64::max)
        };
        let tracks = if has_one_lane {
            tracks(&mut lanes, &queued, clients.len(), model)
        } else {
            Vec::new()
        };
        Ok(Self { model, server: trace.server(), clients, lanes, tracks, end })
    }
}

/// The clients of a trace, in the order in which they were served.
fn lives(trace: &Trace) -> Vec<Life<'_>> {
    let mut lives: Vec<Life<'_>> = Vec::new();
    for event in &trace.events {
        let Some(address) = event.client() else {
            continue;
        };
        match (event.ph.as_str(), event.name.as_str()) {
            ("i", "connected") => lives.push(Life {
                address,
                connected: event.ts,
                closed: event.ts,
            }),
            ("i", "closed") => {
                let mut of_it = lives.iter_mut().rev();
                if let Some(life) = of_it.find(|life| life.address == address) {
                    life.closed = event.ts;
                }
            }
            _ => {}
        }
    }
    lives
}

/// Who the clients are, and when each waited for its reply.
fn clients(
    lives: &[Life<'_>],
    asks: &[trace::Ask<'_>],
    at: impl Fn(f64) -> f64,
) -> (Vec<Client>, Vec<Bar>) {
    let mut clients = Vec::new();
    let mut queued = Vec::new();
    for (place, life) in lives.iter().enumerate() {
        let own = asks.iter().filter(|it| it.address == life.address);
        let own: Vec<_> = own.collect();
        queued.extend(own.iter().map(|ask| Bar {
            client: place,
            stage: Stage::Queued,
            from: at(ask.from),
            to: at(ask.to),
        }));
        let first = own.first();
        clients.push(Client {
            letter: letter(place),
            address: life.address.to_owned(),
            kind: first.map_or_else(String::new, |ask| ask.kind.clone()),
            answered_after: first.map(|ask| (ask.to - ask.from) / 1000.0),
        });
    }
    (clients, queued)
}

fn letter(place: usize) -> String {
    let last = u8::try_from(place % 26).unwrap_or(0);
    let mut letters = match place / 26 {
        0 => String::new(),
        before => letter(before - 1),
    };
    letters.push(char::from(b'A' + last));
    letters
}

/// Tells how to draw a server from what it is called and what it did.
fn model_of(trace: &Trace, lives: &[Life<'_>]) -> Model {
    let by_name = trace.server_name();
    if by_name.contains("mux") {
        return Model::Loop;
    }
    let overlap = lives.iter().enumerate().any(|(index, one)| {
        lives[index + 1..].iter().any(|other| {
            one.connected < other.closed && other.connected < one.closed
        })
    });
    if !overlap && lives.len() > 1 {
        Model::OneAfterTheOther
    } else if by_name.contains("process") {
        Model::Processes
    } else {
        Model::Threads
    }
}

/// A shorter stage is too small to be seen, milliseconds.
const SHORT: f64 = 0.5;

/// One row for each client: when the server waits for it (taken out of the
/// loop's lane, where it would overlap), and when it waits for the server.
fn tracks(
    lanes: &mut [Lane],
    queued: &[Bar],
    clients: usize,
    model: Model,
) -> Vec<Lane> {
    let Some(lane) = lanes.first_mut() else {
        return Vec::new();
    };
    let is_wait =
        |bar: &mut Bar| model == Model::Loop && bar.stage == Stage::Waiting;
    let waits: Vec<Bar> = lane.bars.extract_if(.., is_wait).collect();
    let served = || lane.bars.iter().filter(|it| it.stage > Stage::Queued);
    let track = |client: usize| {
        let own = |bar: &&Bar| bar.client == client;
        let takes_time = |bar: &Bar| bar.to > bar.from;
        // A client that is being served does not wait its turn.
        let mut asked = Vec::new();
        for bar in queued.iter().filter(own) {
            let mut from = bar.from;
            let during = |it: &&Bar| it.from < bar.to && it.to > bar.from;
            for serving in served().filter(own).filter(during) {
                asked.push(Bar { from, to: serving.from, ..bar.clone() });
                from = from.max(serving.to);
            }
            asked.push(Bar { from, ..bar.clone() });
        }
        asked.retain(takes_time);
        // The server waits for a client only until the client has asked.
        let until_asked = |bar: &Bar| {
            let asks = asked.iter().map(|ask| ask.from);
            let during = asks.filter(|at| *at > bar.from && *at < bar.to);
            Bar { to: during.fold(bar.to, f64::min), ..bar.clone() }
        };
        let waits = waits.iter().filter(own).map(until_asked);
        let mut bars: Vec<Bar> = waits.filter(takes_time).collect();
        bars.extend(asked);
        Lane { name: letter(client), bars }
    };
    let is_seen =
        |track: &Lane| track.bars.iter().any(|bar| bar.to - bar.from > SHORT);
    (0..clients).map(track).filter(is_seen).collect()
}

/// Whether a trace is in order: slices of one lane lie apart or within one
/// another, as its format demands.
///
/// # Errors
///
/// When two of them overlap.
pub fn check_nesting(trace: &Trace) -> Result<()> {
    // Three decimals of a microsecond are what the files hold.
    const GRAIN: f64 = 0.002;
    let mut lanes: BTreeMap<(i64, i64), Vec<&Event>> = BTreeMap::new();
    for event in trace.events.iter().filter(|event| event.ph == "X") {
        lanes.entry(event.lane()).or_default().push(event);
    }
    for slices in lanes.values_mut() {
        slices.sort_by(|a, b| {
            a.ts.total_cmp(&b.ts).then(b.dur.total_cmp(&a.dur))
        });
        let end = |slice: &Event| slice.ts + slice.dur;
        let mut open: Vec<&Event> = Vec::new();
        for slice in slices.iter() {
            open.retain(|outer| end(outer) > slice.ts + GRAIN);
            if let Some(outer) = open.last() {
                ensure!(
                    end(slice) <= end(outer) + GRAIN,
                    "{} at {} reaches out of {} at {}",
                    slice.name,
                    slice.ts,
                    outer.name,
                    outer.ts
                );
            }
            open.push(slice);
        }
    }
    Ok(())
}
