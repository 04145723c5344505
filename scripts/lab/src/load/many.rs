//! Many connections, in closed or open loop, with one or few threads that
//! wait for readiness.
//!
//! What matters here is to take little: a client that is slower than the
//! server measures itself. So a message is sent as soon as its connection
//! exists, without asking for writability, readiness is edge-triggered, and a
//! connection that the server has closed is simply dropped.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::timerfd::{
    ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags,
};
use socket2::Type;

use super::client::Client;
use super::{
    Ending, ErrorKind, Limit, Live, Message, Outcome, Pace, Plan, Shape, TELL,
    Tally, Witness, at_once, cannot_open,
};

/// For an arrival as near as this the thread does not sleep: going to sleep and
/// waking up would take longer.
const TOO_NEAR_TO_SLEEP: Duration = Duration::from_micros(60);
/// The timer's place among the connections.
const TIMER: Token = Token(usize::MAX - 1);

/// A connection on which more is to be sent later.
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Does what the plan says.
pub(super) fn run(
    plan: &Plan,
    live: &Live,
    witness: Witness<'_>,
) -> Result<Outcome> {
    let threads = 0..plan.threads.get();
    let workers =
        side_by_side(threads, |index| Worker::open(plan, live, index))?;
    let begin = Instant::now();
    let outcomes = side_by_side(workers, |worker| {
        let witness = if worker.index == 0 { witness } else { &|| () };
        worker.run(begin, witness)
    })?;
    let mut outcomes = outcomes.into_iter();
    let mut sum = outcomes.next().context("no threads")?;
    for outcome in outcomes {
        sum.merge(&outcome)?;
    }
    Ok(sum)
}

/// Does the same with each of these: with the first in this thread, with the
/// others in threads of their own.
fn side_by_side<T: Send, U: Send>(
    all: impl IntoIterator<Item = T>,
    act: impl Fn(T) -> Result<U> + Sync,
) -> Result<Vec<U>> {
    let act = &act;
    thread::scope(|scope| {
        let mut all = all.into_iter();
        let first = all.next();
        let others: Vec<_> =
            all.map(|it| scope.spawn(move || act(it))).collect();
        let others = others
            .into_iter()
            .map(|other| other.join().expect("a client thread panicked"));
        first.into_iter().map(act).chain(others).collect()
    })
}

/// What one connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing; between operations, or not even connected.
    Free,
    /// Sending, and receiving what comes back.
    Talking,
    /// The reply was whole; the server's end of file is awaited.
    Ending,
}

struct Slot {
    stream: Option<TcpStream>,
    state: State,
    sent: usize,
    received: usize,
    /// The number of the message.
    number: u64,
    /// When the operation should have begun; latency counts from here.
    intended: Instant,
    /// When something last went on.
    progress: Instant,
    /// Begun in the counted part.
    counted: bool,
}

/// The phases of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Counting,
    /// Open loop, or a run that was asked to stop: no operation is added, but
    /// those that have arrived, or have begun, are finished.
    Draining,
}

struct Worker<'run> {
    plan: &'run Plan,
    index: usize,
    phase: Phase,
    poll: Poll,
    timer: TimerFd,
    slots: Vec<Slot>,
    /// Connections without an operation, the longest-idle first.
    free: VecDeque<usize>,
    message: Message,
    buffer: Vec<u8>,
    /// What opens connections and numbers messages.
    client: Client,
    /// Open loop: intended starts that found no connection free.
    queue: VecDeque<Instant>,
    arrivals: Option<Arrivals>,
    /// Operations that may still be begun.
    allowance: u64,
    /// Counted operations under way.
    under_way: u64,
    tally: Tally<'run>,
    /// Operations have failed since the last wait.
    pause: bool,
}

/// The intended starts of an open loop.
struct Arrivals {
    next: Instant,
    interval: Duration,
    end: Instant,
}

impl<'run> Worker<'run> {
    /// A thread of the client whose connections are open, if they are to stay;
    /// if not, it has tried one exchange.
    fn open(plan: &'run Plan, live: &'run Live, index: usize) -> Result<Self> {
        let threads = plan.threads.get();
        let connections = share(plan.connections.get() as u64, threads, index);
        let connections = usize::try_from(connections)?;
        let size = plan.message_size.get();
        let mut client = Client::new(plan.target, size, plan.timeout);
        // Numbers of different threads do not meet.
        client.number = (index as u64) << 48;
        let opened = match plan.shape {
            Shape::Echo => client.open(connections),
            Shape::Exchange(ending) => {
                client.exchange(ending).map(|()| Vec::new())
            }
        };
        let mut opened = match opened {
            Ok(streams) => streams.into_iter(),
            Err(kind) => return cannot_open(plan, kind),
        };
        for stream in opened.as_slice() {
            stream.set_nonblocking(true)?;
        }

        let poll = Poll::new().context("no epoll instance")?;
        let registry = poll.registry();
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)
                .context("no timer")?;
        let mut source = SourceFd(&timer.as_fd().as_raw_fd());
        registry.register(&mut source, TIMER, Interest::READABLE)?;
        let now = Instant::now();
        let mut slots = Vec::with_capacity(connections);
        for index in 0..connections {
            let mut stream = opened.next().map(TcpStream::from_std);
            if let Some(stream) = &mut stream {
                registry.register(stream, Token(index), BOTH)?;
            }
            slots.push(Slot {
                stream,
                state: State::Free,
                sent: 0,
                received: 0,
                number: 0,
                intended: now,
                progress: now,
                counted: false,
            });
        }
        Ok(Self {
            plan,
            index,
            phase: Phase::WarmUp,
            poll,
            timer,
            slots,
            free: (0..connections).collect(),
            message: Message::new(size),
            buffer: vec![0; size + 64],
            client,
            queue: VecDeque::new(),
            arrivals: None,
            allowance: match plan.limit {
                Limit::Time(_) => u64::MAX,
                Limit::Count(count) => share(count, threads, index),
            },
            under_way: 0,
            tally: Tally::new(live),
            pause: false,
        })
    }

    /// Does its part of the load, whose warm-up begins at the same time for
    /// all threads.
    fn run(mut self, begin: Instant, witness: Witness<'_>) -> Result<Outcome> {
        let start = begin + self.plan.warm_up;
        let threads = self.plan.threads.get();
        let time = match self.plan.limit {
            Limit::Time(time) => time,
            Limit::Count(_) => super::LONGEST,
        };
        if let Pace::Open(rate) = self.plan.pace {
            let interval = Duration::from_secs_f64(1.0 / rate);
            let position = u32::try_from(self.index).unwrap_or(0);
            self.arrivals = Some(Arrivals {
                next: begin + interval * position,
                interval: interval * u32::try_from(threads).unwrap_or(1),
                end: start + time,
            });
        }
        self.tally.start = start;
        let mut end = start + time;
        let mut housekeeping = Instant::now() + TELL;
        let mut events = Events::with_capacity(1024);
        // The drain was begun by a request to stop.
        let mut finishes = false;
        loop {
            let mut now = Instant::now();
            if self.phase == Phase::WarmUp && now >= start {
                self.phase = Phase::Counting;
                self.tally.begin(witness);
                now = self.tally.start;
                if self.arrivals.is_none() {
                    end += now - start;
                } else {
                    self.tally.start = start;
                }
            }
            self.let_arrive(now);
            let over = now >= end || self.tally.live.stops();
            if self.phase == Phase::Counting {
                let exhausted = self.allowance == 0 && self.under_way == 0;
                let stopped = self.tally.live.stops();
                let closed = self.arrivals.is_none();
                if closed && (over && !stopped || exhausted) {
                    break;
                }
                // A run that was asked to stop abandons no operation that it
                // has begun: each is completed or counted as an error.
                if over || !closed && self.allowance == 0 {
                    self.phase = Phase::Draining;
                    finishes = stopped;
                    end = now;
                }
            }
            if self.phase == Phase::Draining {
                let given_up = now >= end + self.plan.timeout;
                let done = self.under_way == 0 && self.queue.is_empty();
                if given_up || done || self.tally.live.stops() && !finishes {
                    break;
                }
            }
            self.begin_what_is_due();
            if now >= housekeeping {
                self.look_for_timeouts(now);
                self.tally.tell();
                housekeeping = now + TELL;
            }
            let wait = if self.phase == Phase::WarmUp {
                housekeeping.min(start)
            } else {
                housekeeping
            };
            self.wait(&mut events, wait.saturating_duration_since(now))?;
        }
        let mut unfinished = 0;
        if self.arrivals.is_some() || self.phase == Phase::Draining {
            unfinished = self.under_way + self.queue.len() as u64;
        }
        for slot in &self.slots {
            if self.plan.shape == Shape::Echo && slot.stream.is_some() {
                self.client.source.closed_first += 1;
            }
        }
        Ok(self.tally.end(witness, unfinished, self.client.source.ports()))
    }

    /// Open loop: queues those that should have begun by now.
    fn let_arrive(&mut self, now: Instant) {
        if self.phase == Phase::Draining {
            return;
        }
        let Some(arrivals) = &mut self.arrivals else {
            return;
        };
        while arrivals.next <= now
            && arrivals.next < arrivals.end
            && self.allowance > 0
        {
            self.queue.push_back(arrivals.next);
            self.allowance -= u64::from(arrivals.next >= self.tally.start);
            arrivals.next += arrivals.interval;
        }
    }

    /// Begins operations on free connections, as many as are due.
    fn begin_what_is_due(&mut self) {
        for _ in 0..self.free.len() {
            let Some(intended) = self.due(Instant::now()) else { break };
            let Some(slot) = self.free.pop_front() else { break };
            self.begin(slot, intended);
        }
    }

    /// When the next operation should have begun, if one is due: in a closed
    /// loop now, in an open loop when it has arrived.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        if self.arrivals.is_some() {
            return self.queue.pop_front();
        }
        match self.phase {
            Phase::WarmUp => {}
            Phase::Counting if self.allowance > 0 => self.allowance -= 1,
            Phase::Counting | Phase::Draining => return None,
        }
        Some(now)
    }

    /// Waits for readiness, no longer than `longest`, and in an open loop no
    /// longer than until the next arrival; then goes on where it can.
    fn wait(&mut self, events: &mut Events, longest: Duration) -> Result<()> {
        let mut longest = longest;
        if self.pause {
            longest = longest.min(Duration::from_millis(1));
            self.pause = false;
        }
        if let Some(arrivals) = &self.arrivals
            && self.phase != Phase::Draining
            && !self.free.is_empty()
        {
            let until = arrivals.next.saturating_duration_since(Instant::now());
            if until <= TOO_NEAR_TO_SLEEP {
                longest = Duration::ZERO;
            } else if until < longest {
                // The wait itself is rounded to milliseconds; the timer is
                // not.
                let once = Expiration::OneShot(until.into());
                self.timer.set(once, TimerSetTimeFlags::empty())?;
            }
        }
        match self.poll.poll(events, Some(longest)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(());
            }
            result => result.context("waiting for readiness")?,
        }
        for event in events.iter() {
            if event.token() != TIMER {
                self.advance(event.token().0);
            }
        }
        Ok(())
    }

    /// Begins an operation on a connection that has none.
    fn begin(&mut self, index: usize, intended: Instant) {
        self.client.number += 1;
        // In an open loop latency counts from the intended start.
        let counted = self.phase != Phase::WarmUp
            && (self.arrivals.is_none() || intended >= self.tally.start);
        self.under_way += u64::from(counted);
        let slot = &mut self.slots[index];
        slot.state = State::Talking;
        slot.sent = 0;
        slot.received = 0;
        slot.number = self.client.number;
        slot.intended = intended;
        slot.progress = Instant::now();
        slot.counted = counted;
        let result = if slot.stream.is_some() {
            self.send(index)
        } else {
            self.connect(index)
        };
        if let Err(kind) = result {
            self.fail(index, kind);
        }
    }

    /// Opens a connection and sends at once: on the loopback it is as good as
    /// established when `connect` returns.
    fn connect(&mut self, index: usize) -> Result<(), ErrorKind> {
        let socket = self.client.source.connect(Type::STREAM.nonblocking())?;
        let stream = TcpStream::from_std(socket.into());
        self.slots[index].stream = Some(stream);
        self.send(index)?;
        let slot = &mut self.slots[index];
        let all_is_sent = slot.sent == self.plan.message_size.get();
        let interest = if all_is_sent && self.plan.shape != Shape::Echo {
            Interest::READABLE
        } else {
            BOTH
        };
        if let Some(stream) = &mut slot.stream {
            self.poll.registry().register(stream, Token(index), interest)?;
        }
        Ok(())
    }

    /// Sends as much as the kernel takes.
    fn send(&mut self, index: usize) -> Result<(), ErrorKind> {
        let slot = &mut self.slots[index];
        let message = self.message.numbered(slot.number);
        while slot.sent < message.len()
            && let Some(stream) = &mut slot.stream
            && let Some(size) = at_once(stream.write(&message[slot.sent..]))?
        {
            slot.sent += size;
        }
        Ok(())
    }

    /// Something is ready: goes on as far as possible.
    fn advance(&mut self, index: usize) {
        let result = match self.slots[index].state {
            State::Free => return, // an event that is out of date
            State::Talking => self.talk(index),
            State::Ending => self.await_end(index),
        };
        match result {
            Ok(true) => self.complete(index),
            Ok(false) => self.slots[index].progress = Instant::now(),
            Err(kind) => self.fail(index, kind),
        }
    }

    /// Goes on sending and receiving. True when the operation is over.
    fn talk(&mut self, index: usize) -> Result<bool, ErrorKind> {
        let size = self.plan.message_size.get();
        if self.slots[index].sent < size {
            self.send(index)?;
        }
        let slot = &mut self.slots[index];
        let message = self.message.numbered(slot.number);
        while let Some(stream) = &mut slot.stream {
            let got = match at_once(stream.read(&mut self.buffer))? {
                None => return Ok(false),
                Some(0) => return Err(ErrorKind::Truncated),
                Some(got) => got,
            };
            let whole = slot.received + got;
            if whole > slot.sent {
                return Err(ErrorKind::Excess);
            }
            if message[slot.received..whole] != self.buffer[..got] {
                return Err(ErrorKind::Wrong);
            }
            slot.received = whole;
            if whole == size {
                break;
            }
        }
        let Shape::Exchange(ending) = self.plan.shape else {
            return Ok(true);
        };
        slot.state = State::Ending;
        if ending == Ending::Client {
            if let Some(stream) = &slot.stream {
                stream.shutdown(Shutdown::Write)?;
            }
            self.client.source.closed_first += 1;
        }
        self.await_end(index)
    }

    /// True when the server has closed its side.
    fn await_end(&mut self, index: usize) -> Result<bool, ErrorKind> {
        let Some(stream) = &mut self.slots[index].stream else {
            return Ok(true);
        };
        match at_once(stream.read(&mut self.buffer))? {
            None => Ok(false),
            Some(0) => Ok(true),
            Some(_) => Err(ErrorKind::Excess),
        }
    }

    /// An operation is over, its reply verified.
    fn complete(&mut self, index: usize) {
        let now = Instant::now();
        let slot = &mut self.slots[index];
        slot.state = State::Free;
        if matches!(self.plan.shape, Shape::Exchange(_)) {
            slot.stream = None;
        }
        self.free.push_back(index);
        self.under_way -= u64::from(slot.counted);
        let counts = slot.counted
            || self.phase == Phase::Counting
                && self.arrivals.is_none()
                && matches!(self.plan.limit, Limit::Time(_));
        if counts {
            self.tally.complete(now - slot.intended);
        }
        // Closed loop: the next one begins at once, not after the batch.
        if self.arrivals.is_none()
            && let Some(now) = self.due(now)
            && let Some(index) = self.free.pop_front()
        {
            self.begin(index, now);
        }
    }

    /// An operation has failed, and its connection with it.
    fn fail(&mut self, index: usize, kind: ErrorKind) {
        let slot = &mut self.slots[index];
        slot.state = State::Free;
        slot.stream = None;
        self.under_way -= u64::from(slot.counted);
        self.free.push_back(index);
        self.pause = true;
        if self.phase != Phase::WarmUp {
            self.tally.fail(kind);
        }
    }

    fn look_for_timeouts(&mut self, now: Instant) {
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let late = now.saturating_duration_since(slot.progress)
                >= self.plan.timeout;
            match slot.state {
                State::Talking if late => {
                    self.fail(index, ErrorKind::TimedOut);
                }
                State::Ending if late => {
                    self.fail(index, ErrorKind::NotClosed);
                }
                _ => {}
            }
        }
    }
}

/// The part of `whole` that thread `index` of `threads` takes.
fn share(whole: u64, threads: usize, index: usize) -> u64 {
    let (threads, index) = (threads as u64, index as u64);
    whole / threads + u64::from(index < whole % threads)
}
