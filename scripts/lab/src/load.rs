//! The load client: many connections, every reply verified, every latency
//! in a histogram.
//!
//! [`run`] takes a [`Plan`] and gives an [`Outcome`]. A plan of one
//! connection in a closed loop uses plain blocking calls (`single`), any
//! other one or few threads that wait for readiness (`many`).
//!
//! Closed loop: each connection sends again when its reply is there, as a user
//! who waits for an answer before the next click. When the server stalls, such
//! a client stops sending, and the pause shows up in one latency for each
//! connection only. Open loop: exchanges begin at a fixed rate, as if by users
//! who know nothing of each other, and latency counts from the intended start.
//! A stall then delays every client that arrived meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use hdrhistogram::Histogram;
use nix::errno::Errno;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use socket2::{Domain, Socket, Type};
use strum::Display;

mod client;
pub mod idle;
mod many;
mod message;
mod single;
pub mod stream;

pub use message::Message;

/// The longest run that is allowed.
pub const LONGEST: Duration = Duration::from_secs(3600);
/// The most connections at a time that are allowed.
pub const MOST_CONNECTIONS: usize = 50_000;
/// The longest message that is allowed, in bytes.
pub const LONGEST_MESSAGE: usize = 1 << 20;
/// The most exchanges per second that an open loop may start.
pub const HIGHEST_RATE: f64 = 1e6;

/// Where load goes to: an address of this machine's loopback, nothing else.
///
/// The type is the safety rule of this project: there is no other way to
/// make one, and everything that sends load takes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(SocketAddr);

impl Target {
    /// Takes an address of the loopback.
    ///
    /// # Errors
    ///
    /// For every address that could leave this machine.
    pub fn new(address: SocketAddr) -> Result<Self> {
        ensure!(
            address.ip().to_canonical().is_loopback(),
            "load goes to this machine only: {address} is not a loopback \
             address (127.0.0.0/8 or ::1)"
        );
        ensure!(address.port() != 0, "port 0 is no port to connect to");
        Ok(Self(address))
    }

    /// Connects a client, which waits for 30 s at most when it reads, and sends
    /// at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// When the connection is refused.
    pub fn connect(self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address())
            .with_context(|| format!("connecting to {self}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Looks a `HOST:PORT` up; `:PORT` and `PORT` mean this machine.
    ///
    /// # Errors
    ///
    /// When it is no address, or when any address of that name could leave
    /// this machine.
    pub fn parse(text: &str) -> Result<Self> {
        let text = match text.strip_prefix(':').unwrap_or(text) {
            port if port.parse::<u16>().is_ok() => {
                format!("127.0.0.1:{port}")
            }
            _ => text.to_owned(),
        };
        let mut targets = text
            .to_socket_addrs()
            .with_context(|| format!("{text} is not HOST:PORT"))?
            .map(Self::new)
            .collect::<Result<Vec<_>>>()?;
        // A name of both families: most servers listen on IPv4.
        targets.sort_by_key(|target| target.0.is_ipv6());
        let first = targets.first().copied();
        first.with_context(|| format!("{text} has no address"))
    }

    /// The address.
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(to)
    }
}

/// How long one connection lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Connect, send, receive the reply, see the end: one operation.
    Exchange(Ending),
    /// Connections stay; sending and receiving the reply is one operation.
    Echo,
}

/// Who ends a connection of one exchange. The side that ends first keeps the
/// port for a minute (`TIME_WAIT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ending {
    /// The client waits for the server's end of file.
    #[value(help = None::<&str>)]
    Server,
    /// The client half-closes after the reply, then waits for the server's.
    #[value(help = None::<&str>)]
    Client,
}

/// When operations begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as the one before is over.
    Closed,
    /// At a fixed rate, operations per second, over all connections.
    Open(f64),
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After so long, not counting the opening and the warm-up.
    Time(Duration),
    /// After so many operations.
    Count(u64),
}

/// What a run has to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The server.
    pub target: Target,
    /// Connections at a time.
    pub connections: NonZeroUsize,
    /// Bytes of a message.
    pub message_size: NonZeroUsize,
    /// One exchange for each connection, or connections that stay.
    pub shape: Shape,
    /// Closed or open loop.
    pub pace: Pace,
    /// When it is over.
    pub limit: Limit,
    /// Load of the same kind before, not counted.
    pub warm_up: Duration,
    /// Threads of the client, no more than connections.
    pub threads: NonZeroUsize,
    /// An operation that takes longer has failed.
    pub timeout: Duration,
}

impl Plan {
    /// One thread, closed loop, 64 bytes, no warm-up, 10 s until a time-out.
    pub fn new(
        target: Target,
        shape: Shape,
        connections: NonZeroUsize,
        limit: Limit,
    ) -> Self {
        Self {
            target,
            connections,
            message_size: NonZeroUsize::new(64).unwrap_or(NonZeroUsize::MIN),
            shape,
            pace: Pace::Closed,
            limit,
            warm_up: Duration::ZERO,
            threads: NonZeroUsize::MIN,
            timeout: Duration::from_secs(10),
        }
    }

    fn check(&self) -> Result<()> {
        ensure!(
            self.connections.get() <= MOST_CONNECTIONS,
            "at most {MOST_CONNECTIONS} connections"
        );
        ensure!(
            self.message_size.get() <= LONGEST_MESSAGE,
            "a message has at most {LONGEST_MESSAGE} bytes"
        );
        ensure!(
            self.threads <= self.connections,
            "more threads than connections"
        );
        if let Limit::Time(time) = self.limit {
            ensure!(time <= LONGEST, "at most {} s", LONGEST.as_secs());
        }
        if let Pace::Open(rate) = self.pace {
            ensure!(
                rate > 0.0 && rate <= HIGHEST_RATE,
                "the rate is more than 0 and at most {HIGHEST_RATE} per second"
            );
        }
        Ok(())
    }
}

/// A client thread that uses more of a processor than this has probably no
/// time to put more load on the server.
pub const BUSY_CLIENT: f64 = 0.85;

/// What can go wrong with an operation.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// No socket listens at the address.
    #[strum(to_string = "connection refused")]
    Refused,
    /// The server, or its kernel, reset the connection.
    #[strum(to_string = "connection reset")]
    Reset,
    /// All ports of a source address are taken (`EADDRNOTAVAIL`).
    #[strum(to_string = "no free port on this side (EADDRNOTAVAIL)")]
    NoPort,
    /// This client may not open more descriptors (`EMFILE`, `ENFILE`).
    #[strum(to_string = "no free descriptor on this side (EMFILE)")]
    NoDescriptor,
    /// The end of file came before the whole reply.
    #[strum(to_string = "end of file before the whole reply")]
    Truncated,
    /// The reply differs from the message.
    #[strum(to_string = "reply differs from the message")]
    Wrong,
    /// More came than was sent.
    #[strum(to_string = "more came than was sent")]
    Excess,
    /// No progress within the plan's time-out: no connection, no reply.
    #[strum(to_string = "timed out")]
    TimedOut,
    /// The reply was whole, but the server did not close in time.
    #[strum(to_string = "whole reply, but the server did not close")]
    NotClosed,
    /// Anything else, as the kernel describes it.
    #[strum(to_string = "{0}")]
    Other(&'static str),
}

impl From<io::Error> for ErrorKind {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ECONNREFUSED) => Self::Refused,
            Some(Errno::ECONNRESET | Errno::EPIPE) => Self::Reset,
            Some(Errno::EADDRNOTAVAIL | Errno::EADDRINUSE) => Self::NoPort,
            Some(Errno::EMFILE | Errno::ENFILE) => Self::NoDescriptor,
            Some(Errno::ETIMEDOUT | Errno::EAGAIN) => Self::TimedOut,
            other => Self::Other(other.unwrap_or(Errno::UnknownErrno).desc()),
        }
    }
}

/// Errors, counted by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(pub BTreeMap<ErrorKind, u64>);

impl Errors {
    fn count(&mut self, kind: ErrorKind) {
        *self.0.entry(kind).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            *self.0.entry(*kind).or_default() += count;
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Replies that came and were not what was sent.
    pub fn wrong(&self) -> u64 {
        let kinds = [ErrorKind::Wrong, ErrorKind::Excess];
        kinds.iter().filter_map(|kind| self.0.get(kind)).sum()
    }

    /// By the words for each kind.
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        let name =
            |(kind, count): (&ErrorKind, &u64)| (kind.to_string(), *count);
        self.0.iter().map(name).collect()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self
            .0
            .iter()
            .map(|(kind, count)| format!("{count} × {kind}"))
            .collect();
        to.write_str(&words.join(", "))
    }
}

/// The result of a run.
#[derive(Clone)]
pub struct Outcome {
    /// Operations done, each with a verified reply.
    pub completed: u64,
    /// How long that took.
    pub elapsed: Duration,
    /// Nanoseconds of each operation. Exchange: from before the connection to
    /// the server's end of file; echo: from the sending to the whole reply.
    /// In an open loop both count from the intended start.
    pub latency: Histogram<u64>,
    /// What went wrong; such operations are not in the histogram.
    pub errors: Errors,
    /// Open loop, or a run that was asked to stop: operations that should have
    /// begun, or had begun, and were not over a time-out after the end.
    pub unfinished: u64,
    /// Processor time of the client over its threads.
    pub client_cpu: Duration,
    /// Share of a processor that the busiest client thread used.
    pub client_share: f64,
    /// How the client's ports were used.
    pub ports: Ports,
}

impl fmt::Debug for Outcome {
    /// Without the thousands of counters of the histogram.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Outcome")
            .field("completed", &self.completed)
            .field("elapsed", &self.elapsed)
            .field("median_ns", &self.latency.value_at_quantile(0.5))
            .field("max_ns", &self.latency.max())
            .field("errors", &self.errors)
            .field("unfinished", &self.unfinished)
            .field("client_cpu", &self.client_cpu)
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}

impl Outcome {
    /// Operations per second.
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds == 0.0 {
            return 0.0;
        }
        let completed = self.completed as f64;
        completed / seconds
    }

    /// Whether the client was probably what limited the rate: then it is the
    /// client that was measured, and only the server's processor time says
    /// something about the server.
    pub fn client_was_the_bottleneck(&self) -> bool {
        self.client_share > BUSY_CLIENT
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.completed += other.completed;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.latency.add(&other.latency).context("adding up histograms")?;
        self.errors.add(&other.errors);
        self.unfinished += other.unfinished;
        self.client_cpu += other.client_cpu;
        self.client_share = self.client_share.max(other.client_share);
        self.ports.add(other.ports);
        Ok(())
    }
}

/// How the client used its ports. One that the client closes first cannot be
/// used again for a minute, and when most of them are in that state, finding
/// a free one takes long, without any error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Connections that the client ended first.
    pub closed_first: u64,
    /// Source addresses that the connections were spread over.
    pub addresses: u64,
    /// How often a source address had no port left.
    pub exhausted: u64,
}

impl Ports {
    fn add(&mut self, other: Self) {
        self.closed_first += other.closed_first;
        self.addresses = self.addresses.max(other.addresses);
        self.exhausted += other.exhausted;
    }
}

/// Connections that are closed first from one source address before the next
/// address is taken: well below the 28 000 ports that one address has.
const CLOSES_PER_SOURCE: u64 = 20_000;
/// Source addresses of 127.0.0.0/8 that are taken in turn.
const SOURCES: u64 = 200;

/// The address that connections come from: the kernel's choice until ports
/// get scarce, then 127.0.0.2, 127.0.0.3 and so on.
#[derive(Debug)]
struct Source {
    target: SocketAddr,
    /// Connections that the client has ended before the server.
    closed_first: u64,
    /// How often no port was left.
    exhausted: u64,
}

impl Source {
    fn new(target: Target) -> Self {
        Self { target: target.address(), closed_first: 0, exhausted: 0 }
    }

    /// How often it was time for another address.
    fn changes(&self) -> u64 {
        self.closed_first / CLOSES_PER_SOURCE + self.exhausted
    }

    /// Where to bind before connecting, if anywhere.
    fn bind_to(&self) -> Option<SocketAddr> {
        let index = u32::try_from(self.changes() % SOURCES).unwrap_or(0);
        let address = Ipv4Addr::from(Ipv4Addr::LOCALHOST.to_bits() + index);
        (self.target.is_ipv4() && index > 0).then(|| (address, 0).into())
    }

    fn ports(&self) -> Ports {
        Ports {
            closed_first: self.closed_first,
            addresses: (self.changes() + 1).min(SOURCES),
            exhausted: self.exhausted,
        }
    }

    /// Connects a socket of this type; from another address when the one of
    /// now has no port left.
    fn connect(&mut self, kind: Type) -> Result<Socket, ErrorKind> {
        let mut connected = self.connect_once(kind);
        for _ in 0..2 {
            if connected.as_ref().is_err_and(|it| *it == ErrorKind::NoPort) {
                self.exhausted += 1;
                connected = self.connect_once(kind);
            }
        }
        connected
    }

    fn connect_once(&self, kind: Type) -> Result<Socket, ErrorKind> {
        let socket = Socket::new(Domain::for_address(self.target), kind, None)?;
        if let Some(local) = self.bind_to() {
            // The port is chosen by `connect`, which knows both ends.
            setsockopt(&socket, IpBindAddressNoPort, &true)
                .map_err(io::Error::from)?;
            socket.bind(&local.into())?;
        }
        match socket.connect(&self.target.into()) {
            Err(error)
                if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) =>
            {
                Err(error.into())
            }
            _ => Ok(socket),
        }
    }
}

/// The figures of a run that goes on, for other threads, which can also stop
/// it.
#[derive(Debug, Default)]
pub struct Live {
    /// Operations of the counted part so far.
    pub completed: AtomicU64,
    /// Errors so far.
    pub errors: AtomicU64,
    /// Latencies since an observer last took them, in nanoseconds.
    pub recent: Mutex<Option<Histogram<u64>>>,
    /// The counted part has begun.
    pub counting: AtomicBool,
    /// Ends the run early.
    pub stop: Arc<AtomicBool>,
}

impl Live {
    /// Whether the run was asked to end early.
    pub fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Is called when the counted part of a run begins, and when it has just ended,
/// to read accounts (such as a server's processor time) for exactly that part.
pub type Witness<'run> = &'run (dyn Fn() + Sync);

/// How often the readers of [`Live`] are told.
const TELL: Duration = Duration::from_millis(50);

/// What one thread of the client counts.
struct Tally<'run> {
    live: &'run Live,
    start: Instant,
    cpu_before: Duration,
    latency: Histogram<u64>,
    /// Latencies that the readers of `live` have not seen yet.
    recent: Histogram<u64>,
    errors: Errors,
}

impl<'run> Tally<'run> {
    /// The tally of a thread that has not begun to count.
    fn new(live: &'run Live) -> Self {
        Self {
            live,
            start: Instant::now(),
            cpu_before: Duration::ZERO,
            latency: new_histogram(),
            recent: new_histogram(),
            errors: Errors::default(),
        }
    }

    /// From now on operations count.
    fn begin(&mut self, witness: Witness<'_>) {
        self.live.counting.store(true, Ordering::Relaxed);
        witness();
        self.cpu_before = thread_cpu_time();
        self.start = Instant::now();
    }

    fn complete(&mut self, took: Duration) {
        let took = nanoseconds(took);
        self.latency.saturating_record(took);
        self.recent.saturating_record(took);
    }

    fn fail(&mut self, kind: ErrorKind) {
        self.errors.count(kind);
        self.live.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds to [`Live`] what its readers have not seen yet.
    fn tell(&mut self) {
        let new = self.recent.len();
        self.live.completed.fetch_add(new, Ordering::Relaxed);
        if let Ok(mut shared) = self.live.recent.lock() {
            let shared = shared.get_or_insert_with(new_histogram);
            // Both have the same bounds, so that nothing can be refused.
            let _ = shared.add(&self.recent);
        }
        self.recent.reset();
    }

    /// What it all came to, with so many operations left undone.
    fn end(
        mut self,
        witness: Witness<'_>,
        unfinished: u64,
        ports: Ports,
    ) -> Outcome {
        let elapsed = self.start.elapsed();
        let client_cpu = thread_cpu_time().saturating_sub(self.cpu_before);
        witness();
        self.tell();
        Outcome {
            completed: self.latency.len(),
            elapsed,
            latency: self.latency,
            errors: self.errors,
            unfinished,
            client_cpu,
            client_share: client_cpu.as_secs_f64()
                / elapsed.as_secs_f64().max(1e-9),
            ports,
        }
    }
}

/// Processor time of the calling thread.
fn thread_cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) else {
        return Duration::ZERO;
    };
    let time = usage.user_time() + usage.system_time();
    Duration::from_micros(
        u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0),
    )
}

/// A histogram of nanoseconds up to an hour, three significant digits.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3)
        .expect("bounds and digits are within what a histogram takes")
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Does what the plan says.
///
/// # Errors
///
/// When the plan is out of bounds, or when the connections that it begins
/// with cannot be opened. What fails later is counted in the outcome.
pub fn run(plan: &Plan, live: &Live, witness: Witness<'_>) -> Result<Outcome> {
    plan.check()?;
    let blocking = plan.connections.get() == 1
        && plan.pace == Pace::Closed
        && plan.message_size.get() <= client::LONGEST_BLOCKING;
    if blocking {
        return single::run(plan, live, witness);
    }
    many::run(plan, live, witness)
}

/// How long a probe waits for what a server should do at once.
const PROBE: Duration = Duration::from_secs(2);

/// Finds out, with one connection and a byte or two, whether a server serves
/// as the plan expects it: one exchange, or until the end of file.
///
/// # Errors
///
/// When it does not, with what to change. A server that cannot be reached, or
/// that takes its time, is left to [`run`].
pub fn probe(plan: &Plan) -> Result<()> {
    let address = plan.target.address();
    let patience = PROBE.min(plan.timeout);
    let Ok(mut stream) = TcpStream::connect_timeout(&address, patience) else {
        return Ok(());
    };
    stream.set_read_timeout(Some(patience))?;
    let mut answer = |byte: u8| -> io::Result<Option<u8>> {
        let mut reply = [0];
        stream.write_all(&[byte])?;
        let size = stream.read(&mut reply)?;
        Ok((size == 1).then_some(reply[0]))
    };
    match answer(b'a') {
        Ok(Some(b'a')) => {}
        Ok(Some(_)) => bail!(
            "the server at {address} answers with something else than what \
             was sent: this load needs a server that echoes (--reply echo)"
        ),
        _ => return Ok(()),
    }
    match plan.shape {
        Shape::Echo => {
            if let Ok(Some(b'b')) = answer(b'b') {
                return Ok(());
            }
            bail!(
                "the server at {address} closes after one reply, and this \
                 load sends until the end of file: start the server with \
                 --serve until-eof, or this load with --serve once"
            )
        }
        Shape::Exchange(Ending::Server) => {
            // Nothing more is sent, so that only the end of file may come.
            match stream.read(&mut [0]).map_err(ErrorKind::from) {
                Err(ErrorKind::TimedOut) => {
                    bail!(
                        "the server at {address} does not close after its \
                         reply, and this load waits for that: start the \
                         server with --serve once, or this load with --serve \
                         until-eof or --close client"
                    )
                }
                _ => Ok(()),
            }
        }
        Shape::Exchange(Ending::Client) => Ok(()),
    }
}

/// What the kernel has taken or given; nothing where it says "later".
pub(crate) fn at_once(moved: io::Result<usize>) -> io::Result<Option<usize>> {
    match moved {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        moved => moved.map(Some),
    }
}

/// The failure of a run that cannot even begin.
fn cannot_open<T>(plan: &Plan, kind: ErrorKind) -> Result<T> {
    let advice = match kind {
        ErrorKind::Refused => "; does a server listen there?",
        ErrorKind::NoDescriptor => "; raise `ulimit -n`",
        _ => "",
    };
    bail!("cannot open a connection to {}: {kind}{advice}", plan.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_stays_on_this_machine() {
        for address in ["127.0.0.1:80", "127.9.8.7:80", "[::1]:80", "80"] {
            assert!(Target::parse(address).is_ok(), "{address}");
        }
        assert!(Target::parse("[::ffff:127.0.0.1]:80").is_ok());
        assert!(Target::parse(":8080").is_ok());
        for address in [
            "0.0.0.0:80",
            "[::]:80",
            "10.0.0.1:80",
            "192.168.1.1:80",
            "192.0.2.1:80",
            "[2001:db8::1]:80",
            "[::ffff:192.0.2.1]:80",
            "169.254.0.1:80",
            "128.0.0.1:80",
        ] {
            let error = Target::parse(address).unwrap_err().to_string();
            assert!(error.contains("loopback"), "{address}: {error}");
        }
        assert!(Target::parse("127.0.0.1:0").is_err());
        assert!(Target::parse("nonsense").is_err());
    }

    #[test]
    fn a_plan_is_bounded() {
        let target = Target::parse("127.0.0.1:9").unwrap();
        let one = NonZeroUsize::MIN;
        let plan = |change: fn(&mut Plan)| {
            let limit = Limit::Count(1);
            let mut plan = Plan::new(target, Shape::Echo, one, limit);
            change(&mut plan);
            plan.check()
        };
        assert!(plan(|_| ()).is_ok());
        assert!(plan(|p| p.limit = Limit::Time(LONGEST * 2)).is_err());
        assert!(plan(|p| p.pace = Pace::Open(0.0)).is_err());
        assert!(plan(|p| p.pace = Pace::Open(f64::NAN)).is_err());
        assert!(plan(|p| p.pace = Pace::Open(1e9)).is_err());
        assert!(plan(|p| p.connections = NonZeroUsize::MAX).is_err());
        assert!(plan(|p| p.message_size = NonZeroUsize::MAX).is_err());
        assert!(plan(|p| p.threads = p.connections.saturating_add(1)).is_err());
    }

    #[test]
    fn a_latency_is_known_to_a_thousandth_and_none_is_too_long() {
        let mut histogram = new_histogram();
        for latency in [1, 5_432, 99_999_999, nanoseconds(LONGEST)] {
            histogram.reset();
            histogram.record(latency).unwrap();
            let off = histogram.max().abs_diff(latency);
            assert!(off <= latency / 1000, "{latency}: {off}");
        }
        let beyond = Duration::from_secs(100_000);
        histogram.saturating_record(nanoseconds(beyond));
        assert!(histogram.max() >= nanoseconds(LONGEST));
    }

    #[test]
    fn sources_change_before_their_ports_run_out() {
        let mut source = Source::new(Target::parse("127.0.0.1:9").unwrap());
        assert_eq!(source.bind_to(), None);
        source.closed_first += CLOSES_PER_SOURCE;
        assert_eq!(source.bind_to(), "127.0.0.2:0".parse().ok());
        source.exhausted += 1;
        assert_eq!(source.bind_to(), "127.0.0.3:0".parse().ok());
        assert_eq!(source.ports().addresses, 3);
        // IPv6 has one loopback address only.
        let mut source = Source::new(Target::parse("[::1]:9").unwrap());
        source.exhausted += 1;
        assert_eq!(source.bind_to(), None);
    }
}
