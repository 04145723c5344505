//! Clients that mean harm, and clients that make mistakes.
//!
//! What they do is drawn from a seed, so that a run can be repeated: the seed
//! of a run is printed when it fails, and `ECHO_SEED` sets it. Each keeps an
//! account of what it has sent. Whatever comes back to it must be just that:
//! a byte of another client would be noticed, for no two send the same.

mod cases;

use std::env;
use std::fmt::Display;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use probe::Kind;
use probe::client::Client as Connection;
use probe::server::Server;
use probe::transcript::{Event, Line, Totals};
use probe::wait::MOMENT;
use probe::{Outcome, demand, proc};
use socket2::SockRef;

use crate::client::{Client, at_once, here};
use crate::forms::{Form, end, start};

pub use cases::CASES;

/// The seed unless `ECHO_SEED` says otherwise.
const SEED: u64 = 20_261_124;

/// More than any buffers on the way can hold.
const FLOOD: usize = 32 << 20;

/// How many of these clients come at a time.
const LANES: u64 = 4;

/// How many clients may vanish before one of a lane waits for its echo. All
/// lanes together must not fill the queue of 1024: the kernel would drop
/// clients that the server has not accepted, and the count would not be exact.
const BURST: u64 = 200;

/// The seed of this run.
#[must_use]
pub fn seed() -> u64 {
    let given = env::var("ECHO_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(SEED)
}

/// Random numbers that are the same for the same seed (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// A number below this bound, which fits wherever the bound does.
    ///
    /// # Panics
    ///
    /// On a machine whose `usize` has fewer than 64 bits, perhaps.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("usize has 64 bits at most");
        let number = self.number() % bound.max(1);
        usize::try_from(number).expect("it is below a usize")
    }

    /// So many bytes.
    pub fn bytes(&mut self, number: usize) -> Vec<u8> {
        (0..number).map(|_| self.number().to_le_bytes()[0]).collect()
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len())]
    }
}

/// One hostile client.
struct Visit {
    stream: TcpStream,
    dice: Dice,
    /// Whether the server closes after one exchange.
    once: bool,
    sent: Vec<u8>,
    got: usize,
}

/// An action of a hostile client.
type Action = fn(&mut Visit) -> io::Result<()>;

/// All actions of hostile clients, by name.
const ACTIONS: [(&str, Action); 12] = [
    ("resets at once", |visit| visit.reset()),
    ("vanishes", |_| Ok(())),
    ("resets with its reply unread", |visit| {
        let length = 1 + visit.dice.below(3000);
        visit.send_garbage(length)?;
        visit.reset()
    }),
    ("half-closes somewhere", Visit::half_close),
    ("half-closes, and says no more for a while", |visit| {
        visit.half_close_only()?;
        visit.pause();
        visit.read_to_the_end()
    }),
    ("trickles", Visit::trickle),
    ("floods and never reads", Visit::flood),
    ("floods and resets", |visit| {
        visit.flood()?;
        visit.reset()
    }),
    ("sends garbage and commands for terminals", Visit::garbage),
    ("sends urgent data", Visit::urgent),
    ("shuts its reading side down", |visit| {
        visit.stream.shutdown(Shutdown::Read)?;
        let length = 1 + visit.dice.below(2000);
        visit.send_garbage(length)?;
        visit.pause();
        Ok(())
    }),
    ("says nothing for a while", |visit| {
        visit.pause();
        Ok(())
    }),
];

impl Visit {
    fn new(port: u16, dice: Dice, once: bool) -> io::Result<Self> {
        let stream = Connection::try_connect(here(port))?.into_stream();
        Ok(Self { stream, dice, once, sent: Vec::new(), got: 0 })
    }

    /// Closes such that TCP sends a reset, when the socket is dropped.
    fn reset(&mut self) -> io::Result<()> {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    /// Waits for a moment whose length the seed decides.
    fn pause(&mut self) {
        let moment = self.dice.below(30);
        thread::sleep(Duration::from_millis(moment as u64));
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The bytes are noted before they are sent: if only a part is sent,
        // that part may come back.
        self.sent.extend_from_slice(bytes);
        self.stream.write_all(bytes)
    }

    fn send_garbage(&mut self, length: usize) -> io::Result<()> {
        let bytes = self.dice.bytes(length);
        self.send(&bytes)
    }

    /// Reads something, and compares it with what was sent; says whether it
    /// was more than the end of file.
    fn read_some(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer)?;
        let expected = self.sent.get(self.got..self.got + count);
        if expected != Some(&buffer[..count]) {
            return Err(io::Error::other("it got what it had not sent"));
        }
        self.got += count;
        Ok(count > 0)
    }

    /// Reads all that comes, and fails if something is missing.
    fn read_to_the_end(&mut self) -> io::Result<()> {
        while self.read_some()? {}
        let all = self.got == self.sent.len();
        let something = self.got > 0 || self.sent.is_empty();
        if if self.once { something } else { all } {
            return Ok(());
        }
        let (got, sent) = (self.got, self.sent.len());
        let text = format!("it got {got} bytes of the {sent} it had sent");
        Err(io::Error::other(text))
    }

    /// Sends a message of a length near the edges of the server's buffer, and
    /// its end of file.
    fn half_close_only(&mut self) -> io::Result<()> {
        let edges = [0, 1, 2, 1023, 1024, 1025, 2047, 2048, 2049];
        let length = match self.dice.below(2) {
            0 => self.dice.one_of(&edges),
            _ => self.dice.below(4000),
        };
        self.send_garbage(length)?;
        self.stream.shutdown(Shutdown::Write)
    }

    fn half_close(&mut self) -> io::Result<()> {
        self.half_close_only()?;
        self.read_to_the_end()
    }

    /// Sends byte after byte, and may read some in between.
    fn trickle(&mut self) -> io::Result<()> {
        for _ in 0..=self.dice.below(20) {
            self.send_garbage(1)?;
            match self.dice.below(3) {
                0 => thread::yield_now(),
                1 => thread::sleep(Duration::from_millis(1)),
                _ => {
                    if !self.read_some()? {
                        break;
                    }
                }
            }
        }
        self.stream.shutdown(Shutdown::Write)?;
        self.read_to_the_end()
    }

    /// Sends as much as it can, and reads nothing.
    fn flood(&mut self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let chunk = self.dice.bytes(4096);
        for _ in 0..=self.dice.below(24) {
            match self.stream.write(&chunk) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.pause();
                }
                result => drop(result?),
            }
        }
        self.stream.set_nonblocking(false)
    }

    /// Sends bytes that a terminal would obey, among others, and goes away in
    /// one of several ways.
    fn garbage(&mut self) -> io::Result<()> {
        for _ in 0..=self.dice.below(4) {
            let command = self.dice.one_of(&COMMANDS);
            self.send(command.as_bytes())?;
            let length = self.dice.below(1500);
            self.send_garbage(length)?;
        }
        match self.dice.below(3) {
            0 => self.reset(),
            1 => Ok(()),
            _ => self.read_some().map(drop),
        }
    }

    /// Sends out-of-band data, which the server has not asked for and which
    /// select(2) would report as an exception.
    fn urgent(&mut self) -> io::Result<()> {
        for _ in 0..=self.dice.below(3) {
            SockRef::from(&self.stream).send_out_of_band(b"!")?;
            self.pause();
        }
        Ok(())
    }
}

/// What does something to a terminal, or to the lines of a transcript.
const COMMANDS: [&str; 9] = [
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\x1b]52;c;cm0gLXJm\x07",
    "\u{9b}31m",
    "\r\nprocess-server stopped: 0 clients served\r\n",
    "\u{202e}txt.exe\u{2066}",
    "\0\u{8}\u{7f}",
    "\u{2028}\u{2029}\u{feff}",
    "%s%n../../etc/passwd;$(reboot)`reboot`",
];

/// Whether an error is what such a client may expect.
fn is_expected(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
    )
}

/// Sends so many hostile clients to a server, with polite ones among them, and
/// many more that vanish at once. Afterwards the server must be as it was
/// before, and its account must be exact.
///
/// # Errors
///
/// What is not as it was, with the seed.
pub fn send_hostile_clients(form: &Form, seed: u64, visits: u64) -> Outcome {
    serve_hostile_clients(form, seed, visits)
        .map_err(|text| format!("seed {seed}: {text}"))
}

fn serve_hostile_clients(form: &Form, seed: u64, visits: u64) -> Outcome {
    let server = start(form, "")?;
    let port = server.port();
    let mut clients = be_polite(port, b"before")?;
    let held = proc::settled(server.pid)?;
    let memory = proc::memory(server.pid);
    let once = form.kind != Kind::Loop;
    let lanes = at_once(LANES, |lane| {
        let dice = Dice::new(seed.wrapping_mul(LANES) + lane);
        attack(port, dice, once, visits / LANES)
    })?;
    clients += lanes.iter().sum::<u64>();
    clients += be_polite(port, b"afterwards")?;
    proc::balanced(server.pid, &held)?;
    let grown = proc::memory(server.pid).saturating_sub(memory);
    demand(grown <= GROWTH, || {
        format!("it has grown by {} KiB", grown / 1024)
    })?;
    proc::at_rest(server.pid, MOMENT)?;
    end(&server)?;
    let summary = server.summary()?;
    demand(summary.clients == clients, || {
        format!("{} clients served, not {clients}", summary.clients)
    })?;
    let errors = server.stderr.try_all()?;
    demand(errors.is_empty(), || format!("it complains: {errors:?}"))?;
    audit(&server, form.kind, summary)
}

/// By how much the memory of a server may differ between two moments: stacks
/// and tables that are kept for the next clients.
const GROWTH: u64 = 8 << 20;

/// Visits so often; returns how many connections that took.
fn attack(port: u16, mut dice: Dice, once: bool, visits: u64) -> Outcome<u64> {
    let mut clients = 0;
    for number in 0..visits {
        let own = Dice::new(dice.number());
        let (name, action) = dice.one_of(&ACTIONS);
        let describe =
            |error: &dyn Display| format!("one that {name}: {error}");
        let mut visit =
            Visit::new(port, own, once).map_err(|error| describe(&error))?;
        clients += 1;
        match action(&mut visit) {
            Err(error) if !is_expected(&error) => return Err(describe(&error)),
            _ => {}
        }
        drop(visit);
        if number % 8 == 7 {
            let message = dice.bytes(64);
            clients += be_polite(port, &message)?;
        }
    }
    // The polite client is in the queue behind all that have vanished: when it
    // has its echo, they have left the queue.
    for _ in 0..visits.div_ceil(BURST) {
        for _ in 0..BURST {
            let dice = dice.clone();
            drop(Visit::new(port, dice, once).map_err(|e| e.to_string())?);
        }
        clients += BURST + be_polite(port, b"behind them")?;
    }
    Ok(clients)
}

/// Is a polite client: one that must get its whole echo.
///
/// # Errors
///
/// When it does not.
pub fn be_polite(port: u16, message: &[u8]) -> Outcome<u64> {
    let mut client = Client::connect(port)?;
    client.talk(message)?;
    client.leave()?;
    client.unharmed().map_err(|text| format!("a polite client: {text}"))?;
    Ok(1)
}

/// Reads a transcript: every line harmless, every client opened and closed
/// once, the figures of the last line those of the others.
fn audit(server: &Server, kind: Kind, totals: Totals) -> Outcome {
    let lines = server.stdout.try_all()?;
    let Totals { clients, received, .. } = totals;
    let is_harmful = |character: char| {
        character.is_control()
            || "\u{fffd}\u{202e}\u{2066}\u{2028}\u{2029}".contains(character)
    };
    let harmful = lines.iter().find(|line| line.contains(is_harmful));
    demand(harmful.is_none(), || format!("a harmful line: {harmful:?}"))?;
    let (mut connected, mut closed, mut sum) = (0, 0, 0);
    for line in &lines {
        match Line::parse(kind, line) {
            None => return Err(format!("not a proper line: {line:?}")),
            Some(Line::Of { event, .. }) => match event {
                Event::Connected => connected += 1,
                Event::Closed(_) => closed += 1,
                Event::Received(bytes, _) => sum += bytes,
                Event::Sent(_) | Event::Died(_) => {}
            },
            Some(_) => {}
        }
    }
    demand(connected == clients && closed == clients, || {
        format!("{connected} connected, {closed} closed, {clients} counted")
    })?;
    demand(sum == received, || {
        format!("{received} bytes counted, {sum} by its lines")
    })
}

/// A client that has sent so much without reading that nothing moves any
/// more: the server has a reply for it that the kernel does not take.
///
/// # Errors
///
/// When it cannot connect.
pub fn stalled(port: u16) -> Outcome<TcpStream> {
    let client = Connection::try_connect_narrow(here(port));
    let mut client = client.map_err(|error| format!("connect: {error}"))?;
    // A server that serves once may have closed already.
    client.try_flood(FLOOD);
    Ok(client.into_stream())
}
