//! Who does what since when: the lanes.
//!
//! The lines of the server say when something has happened; the samples of
//! the kernel say what the lines cannot: who is in the accept queue, whose
//! message waits, and who sleeps instead of working.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use strum::IntoStaticStr;

use super::kernel::{Sample, Task};
use super::line::{Event, Key, Line, Worker, harmless};
use super::options::Approach;

/// What is done for a client. Where several fall into one cell, the last in
/// this order is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Doing {
    /// Nothing: it waits for the client.
    Waits,
    /// The client waits for the server.
    Queued,
    /// The reply is handed to the kernel, or waits there for the client.
    Sends,
    /// The reply is computed.
    Works,
    /// The connection is accepted.
    Accepts,
    /// A message is received.
    Receives,
    /// The connection is closed.
    Closes,
}

impl Doing {
    /// All of them, in the order of the legend.
    pub const ALL: [Self; 7] = [
        Self::Waits,
        Self::Queued,
        Self::Accepts,
        Self::Receives,
        Self::Works,
        Self::Sends,
        Self::Closes,
    ];
}

/// Something that a row has begun, or done in an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Begins(Option<Doing>),
    Instant(Doing),
}

/// A lane.
#[derive(Clone, Debug)]
pub struct Row {
    /// Whose it is.
    pub key: Key,
    /// The loop that serves this client.
    pub owner: Option<Worker>,
    /// The client that is served, or was served last.
    pub client: Option<SocketAddr>,
    /// What is being done, if it still exists.
    pub state: Option<Doing>,
    /// When that began.
    pub since: Duration,
    steps: VecDeque<(Duration, Step)>,
}

/// How many steps all rows together remember.
const MEMORY: usize = 400_000;
/// The last lines that are kept.
const LINES: usize = 100;
/// How far a sign may be moved to the right so that it is seen.
const SHIFT: i64 = 3;

impl Row {
    fn new(key: Key, at: Duration) -> Self {
        Self {
            key,
            owner: None,
            client: None,
            state: None,
            since: at,
            steps: VecDeque::new(),
        }
    }

    fn begin(&mut self, state: Option<Doing>, at: Duration) {
        if self.state != state {
            self.steps.push_back((at, Step::Begins(state)));
            self.state = state;
        }
        self.since = at;
    }

    fn instant(&mut self, doing: Doing, at: Duration) {
        self.steps.push_back((at, Step::Instant(doing)));
        self.since = at;
    }

    /// What a line tells of the lane: what is done at that moment, and what
    /// goes on from there.
    fn exchange(&mut self, event: Event, at: Duration) {
        match event {
            Event::Connected => {}
            Event::Received => {
                self.instant(Doing::Receives, at);
                self.begin(Some(Doing::Works), at);
            }
            Event::Sent => {
                self.instant(Doing::Sends, at);
                self.begin(Some(Doing::Waits), at);
            }
            Event::Closed | Event::Died => self.instant(Doing::Closes, at),
        }
    }

    /// What the lane shows in `width` cells of this length, the last of which
    /// is now. Cells stand on a fixed grid, so that a picture that moves does
    /// not flicker. Signs that fall into one cell stand one behind the other.
    pub fn cells(
        &self,
        now: Duration,
        cell: Duration,
        width: usize,
    ) -> Vec<Option<Doing>> {
        let length = cell.as_nanos().max(1);
        let place = |at: Duration| {
            i64::try_from(at.as_nanos() / length).unwrap_or(i64::MAX)
        };
        // Where the view is younger than its window, this is before its start.
        let left = place(now) + 1 - i64::try_from(width).unwrap_or(0);
        let index = |place: i64| usize::try_from(place - left).ok();
        let mut cells = vec![None; width];
        // What lasts. What ends where a cell begins is not in that cell any
        // more.
        let moment = Duration::from_nanos(1);
        let (mut state, mut from) = (None, left);
        let begins = self.steps.iter().filter_map(|(at, step)| match step {
            Step::Begins(next) if *at <= now => Some((*at, *next)),
            _ => None,
        });
        for (at, next) in begins.chain([(now + moment, None)]) {
            for at in from.max(left)..=place(at.saturating_sub(moment)) {
                if let Some(cell) = index(at).and_then(|at| cells.get_mut(at)) {
                    *cell = (*cell).max(state);
                }
            }
            (from, state) = (place(at), next);
        }
        // What is done in an instant.
        let mut free = 0;
        for (at, step) in self.steps.iter().filter(|(at, _)| *at <= now) {
            let Step::Instant(doing) = step else {
                continue;
            };
            let own = place(*at);
            let put = own.max(free);
            if put - own > SHIFT {
                continue;
            }
            free = put + 1;
            if let Some(cell) = index(put).and_then(|at| cells.get_mut(at)) {
                *cell = Some(*doing);
            }
        }
        cells
    }

    /// Whether the row has nothing left to show.
    fn is_over(&self, oldest: Duration) -> bool {
        self.state.is_none() && self.since < oldest
    }
}

/// All that is known of the server that runs.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// What it is.
    pub approach: Approach,
    /// Whether its workers exist before the first client.
    pub pool: bool,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// Where others can reach it, if it listens on all addresses.
    pub reachable: Vec<SocketAddr>,
    /// Its last lines, the oldest first; true for those of standard error.
    pub lines: VecDeque<(bool, String)>,
    /// Its very last line.
    pub summary: Option<String>,
    /// Clients that have connected.
    pub served: u64,
    /// Clients that are being served.
    pub active: u64,
    /// The last sample of the kernel.
    pub sample: Sample,
    /// What the threads and processes of the rows do, by the same sample.
    pub tasks: HashMap<Key, Task>,
    rows: BTreeMap<u64, Row>,
    index: HashMap<Key, u64>,
    next: u64,
}

impl Model {
    /// Of a server that has not printed anything yet.
    pub fn new(approach: Approach, pool: bool) -> Self {
        Self { approach, pool, ..Self::default() }
    }

    /// The row of this key, a new one if there is none.
    fn row(&mut self, key: Key, at: Duration) -> &mut Row {
        let id = *self.index.entry(key).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.rows.entry(id).or_insert_with(|| Row::new(key, at))
    }

    fn remove(&mut self, key: Key) -> Option<Row> {
        self.rows.remove(&self.index.remove(&key)?)
    }

    /// Takes in a line of standard output, read at this moment.
    pub fn line(&mut self, text: &str, at: Duration) {
        self.keep(false, text);
        let Some(line) = Line::parse(text) else {
            return;
        };
        match line {
            Line::Reachable(address) => self.reachable.push(address),
            Line::Listening(address) => {
                self.address = Some(address);
                let key = match self.approach {
                    Approach::Loop if !self.pool => Key::Worker(Worker::Loop),
                    _ => Key::Main,
                };
                self.row(key, at).begin(Some(Doing::Waits), at);
            }
            Line::Event { worker, client, event } => {
                self.event(worker, client, event, at);
            }
            Line::Stopped => {
                self.summary = Some(harmless(text));
                for row in self.rows.values_mut() {
                    row.begin(None, at);
                }
            }
        }
    }

    /// Takes in a line of standard error.
    pub fn error(&mut self, text: &str) {
        self.keep(true, text);
    }

    fn keep(&mut self, error: bool, text: &str) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        // No screen is wider, and a client must not decide how much memory is
        // kept.
        let text: String = text.chars().take(400).collect();
        self.lines.push_back((error, harmless(&text)));
    }

    fn event(
        &mut self,
        worker: Worker,
        client: Option<SocketAddr>,
        event: Event,
        at: Duration,
    ) {
        // What is done for a client of a loop stands in two rows.
        if worker.is_loop() {
            let row = self.row(Key::Worker(worker), at);
            if event == Event::Connected {
                row.instant(Doing::Accepts, at);
            }
            row.exchange(event, at);
            if row.state.is_none() {
                row.begin(Some(Doing::Waits), at);
            }
        }
        let key = match client {
            Some(client) if worker.is_loop() => Key::Client(client),
            _ => Key::Worker(worker),
        };
        if event == Event::Connected {
            self.connect(key, worker, client, at);
            return;
        }
        // A worker of a pool waits for its next client.
        let stays = self.pool && !worker.is_loop();
        let row = self.row(key, at);
        row.exchange(event, at);
        let has_gone = match event {
            Event::Connected | Event::Received | Event::Sent => false,
            Event::Closed => {
                row.begin(stays.then_some(Doing::Waits), at);
                if stays {
                    row.client = None;
                }
                true
            }
            Event::Died => {
                row.begin(None, at);
                // The parent prints a death; its client will never be closed.
                row.client.is_some()
            }
        };
        self.active = self.active.saturating_sub(has_gone.into());
    }

    fn connect(
        &mut self,
        key: Key,
        worker: Worker,
        client: Option<SocketAddr>,
        at: Duration,
    ) {
        self.served += 1;
        self.active += 1;
        let queued = client.and_then(|it| self.remove(Key::Queue(it)));
        if matches!(key, Key::Client(_)) {
            // The port of a client that has gone may come again.
            self.index.remove(&key);
        } else if !self.pool {
            self.row(Key::Main, at).instant(Doing::Accepts, at);
        }
        let row = self.row(key, at);
        // How long the client was in the queue belongs to its own lane, not
        // to that of a worker that has served others meanwhile.
        if let Some(queued) = queued
            && row.steps.is_empty()
        {
            row.steps = queued.steps;
            row.state = queued.state;
        }
        row.client = client;
        row.owner = worker.is_loop().then_some(worker);
        row.instant(Doing::Accepts, at);
        row.begin(Some(Doing::Waits), at);
    }

    /// Takes in what the kernel has said.
    pub fn observe(&mut self, sample: Sample, tasks: HashMap<Key, Task>) {
        let at = sample.at;
        for client in &sample.queued {
            // The client was accepted meanwhile: its line was read after the
            // sample.
            let served = self
                .rows
                .values()
                .any(|row| row.client == Some(*client) && row.state.is_some());
            if !served {
                let row = self.row(Key::Queue(*client), at);
                row.client = Some(*client);
                row.begin(Some(Doing::Queued), at);
            }
        }
        for row in self.rows.values_mut() {
            if let Key::Queue(client) = row.key
                && row.state.is_some()
                && !sample.queued.contains(&client)
            {
                // The client was accepted, and its line is on its way; or the
                // client has gone.
                row.begin(None, at);
            }
            // A line from after the sample is newer than the sample.
            if row.since >= at {
                continue;
            }
            let buffers =
                row.client.and_then(|client| sample.buffers.get(&client));
            let (unread, unsent) = buffers.copied().unwrap_or_default();
            let worker = row.owner.map_or(row.key, Key::Worker);
            let sleeps =
                tasks.get(&worker).is_some_and(|task| task.state == 'S');
            let is_loop =
                matches!(row.key, Key::Worker(worker) if worker.is_loop());
            let next = match row.state {
                Some(Doing::Waits) if unread > 0 => Doing::Queued,
                Some(Doing::Queued)
                    if unread == 0 && !matches!(row.key, Key::Queue(_)) =>
                {
                    Doing::Waits
                }
                // A loop sleeps only where no client is ready.
                Some(Doing::Works) if sleeps && is_loop => Doing::Waits,
                // The client's kernel has not acknowledged these bytes, and the
                // thread or process that serves it sleeps: the client does not
                // read.
                Some(Doing::Works) if unsent > 1 && sleeps => Doing::Sends,
                _ => continue,
            };
            row.begin(Some(next), at);
        }
        self.sample = sample;
        self.tasks = tasks;
    }

    /// Adds workers that exist and have not served a client yet.
    pub fn workers(&mut self, found: &[Worker], at: Duration) {
        for worker in found {
            if !self.index.contains_key(&Key::Worker(*worker)) {
                self.row(Key::Worker(*worker), at)
                    .begin(Some(Doing::Waits), at);
            }
        }
    }

    /// Forgets what no window can show any more.
    pub fn forget(&mut self, oldest: Duration) {
        self.rows.retain(|_, row| !row.is_over(oldest));
        let rows = &self.rows;
        self.index.retain(|_, id| rows.contains_key(id));
        let each = (MEMORY / self.rows.len().max(1)).max(200);
        for row in self.rows.values_mut() {
            while row.steps.len() > each
                || row.steps.get(1).is_some_and(|(at, _)| *at < oldest)
            {
                row.steps.pop_front();
            }
        }
    }

    /// All rows, for the sampler.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// The rows to draw where there is space for so many, in their order, and
    /// how many are left out. Main thread and loops always stay; of the
    /// others the last ones, those that live before those that have ended.
    pub fn shown(&self, oldest: Duration, space: usize) -> (Vec<&Row>, usize) {
        let rows = self.rows.values().filter(|row| !row.is_over(oldest));
        let (mut shown, mut others): (Vec<&Row>, Vec<&Row>) =
            rows.partition(|row| row.key.is_fixed());
        // Lines of threads that were created together come in any order.
        others.sort_by_key(|row| match row.key {
            Key::Worker(Worker::Thread(number)) => (0, number),
            Key::Queue(_) => (1, 0),
            _ => (0, 0),
        });
        let all = shown.len() + others.len();
        shown.drain(..shown.len().saturating_sub(space));
        let mut excess = others.len().saturating_sub(space - shown.len());
        // Those that have ended go first, then the oldest of those that live.
        for lives in [false, true] {
            others.retain(|row| {
                let goes = excess > 0 && row.state.is_some() == lives;
                excess -= usize::from(goes);
                !goes
            });
        }
        shown.extend(others);
        let hidden = all - shown.len();
        (shown, hidden)
    }
}
