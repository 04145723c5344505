//! Clients that mean harm, and clients that make mistakes.
//!
//! What they do is drawn from a seed, so that a run can be repeated: the seed
//! of a run is printed when it fails, and `ECHO_SEED` sets it. Each keeps an
//! account of what it has sent. Whatever comes back to it must be just that:
//! a byte of another client would be noticed, for no two send the same.

mod cases;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::{env, io};

use fastrand::Rng;
use socket2::SockRef;

use crate::prelude::*;

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
fn seed() -> u64 {
    let given = env::var("ECHO_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(SEED)
}

/// So many random bytes.
fn bytes(dice: &mut Rng, number: usize) -> Vec<u8> {
    std::iter::repeat_with(|| dice.u8(..)).take(number).collect()
}

/// One hostile client.
struct Visit {
    stream: TcpStream,
    dice: Rng,
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
        let length = visit.dice.usize(1..=3000);
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
        let length = visit.dice.usize(1..=2000);
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
    fn new(server: &Server, dice: Rng, once: bool) -> Self {
        let stream = server.client().stream;
        Self { stream, dice, once, sent: Vec::new(), got: 0 }
    }

    /// Closes such that TCP sends a reset, when the socket is dropped.
    fn reset(&mut self) -> io::Result<()> {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    /// Waits for a moment whose length the seed decides.
    fn pause(&mut self) {
        thread::sleep(Duration::from_millis(self.dice.u64(..30)));
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The bytes are noted before they are sent: if only a part is sent,
        // that part may come back.
        self.sent.extend_from_slice(bytes);
        self.stream.write_all(bytes)
    }

    fn send_garbage(&mut self, length: usize) -> io::Result<()> {
        let bytes = bytes(&mut self.dice, length);
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
        let length = if self.dice.bool() {
            edges[self.dice.usize(..edges.len())]
        } else {
            self.dice.usize(..4000)
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
        for _ in 0..=self.dice.usize(..20) {
            self.send_garbage(1)?;
            match self.dice.u8(..3) {
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
        let chunk = bytes(&mut self.dice, 4096);
        for _ in 0..=self.dice.u8(..24) {
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
        for _ in 0..=self.dice.u8(..4) {
            let command = COMMANDS[self.dice.usize(..COMMANDS.len())];
            self.send(command.as_bytes())?;
            let length = self.dice.usize(..1500);
            self.send_garbage(length)?;
        }
        match self.dice.u8(..3) {
            0 => self.reset(),
            1 => Ok(()),
            _ => self.read_some().map(drop),
        }
    }

    /// Sends out-of-band data, which the server has not asked for and which
    /// select(2) would report as an exception.
    fn urgent(&mut self) -> io::Result<()> {
        for _ in 0..=self.dice.u8(..3) {
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
/// # Panics
///
/// When it is not, with the seed.
fn send_hostile_clients(form: &Form, seed: u64, visits: u64) {
    let serve = || serve_hostile_clients(form, seed, visits);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(serve)) {
        eprintln!("seed {seed}");
        resume_unwind(panic);
    }
}

fn serve_hostile_clients(form: &Form, seed: u64, visits: u64) {
    let server = form.run("");
    server.exchange(b"before");
    let held = proc::settled(server.pid);
    let memory = proc::memory(server.pid);
    let once = form.kind != Kind::Loop;
    let lanes = at_once(LANES, |lane| {
        let dice = Rng::with_seed(seed.wrapping_mul(LANES) + lane);
        attack(&server, dice, once, visits / LANES)
    });
    server.exchange(b"afterwards");
    proc::balanced(server.pid, &held);
    let grown = proc::memory(server.pid).saturating_sub(memory);
    assert!(grown <= GROWTH, "it has grown by {} KiB", grown / 1024);
    proc::at_rest(server.pid);
    // Every line is harmless, every client opened and closed once, and the
    // figures of the last line are those of the others.
    let stdout = Arc::clone(&server.stdout);
    let clients = server.stop().totals.clients;
    assert_eq!(clients, lanes.iter().sum::<u64>() + 2);
    let is_harmful = |character: char| {
        character.is_control()
            || "\u{fffd}\u{202e}\u{2066}\u{2028}\u{2029}".contains(character)
    };
    for line in stdout.all() {
        assert!(!line.contains(is_harmful), "a harmful line: {line:?}");
    }
}

/// By how much the memory of a server may differ between two moments: stacks
/// and tables that are kept for the next clients.
const GROWTH: u64 = 8 << 20;

/// Visits so often; returns how many connections that took.
fn attack(server: &Server, mut dice: Rng, once: bool, visits: u64) -> u64 {
    let mut clients = 0;
    for number in 0..visits {
        let own = dice.fork();
        let (name, action) = ACTIONS[dice.usize(..ACTIONS.len())];
        clients += 1;
        match action(&mut Visit::new(server, own, once)) {
            Err(error) if !is_expected(&error) => {
                panic!("one that {name}: {error}")
            }
            _ => {}
        }
        if number % 8 == 7 {
            server.exchange(&bytes(&mut dice, 64));
            clients += 1;
        }
    }
    // The polite client is in the queue behind all that have vanished: when it
    // has its echo, they have left the queue.
    for _ in 0..visits.div_ceil(BURST) {
        for _ in 0..BURST {
            server.client();
        }
        server.exchange(b"behind them");
        clients += BURST + 1;
    }
    clients
}

/// A client that has sent so much without reading that nothing moves any
/// more: the server has a reply for it that the kernel does not take.
pub fn flooded_by(server: &Server) -> Client {
    let mut client = Client::connect_narrow(server.address);
    // A server that serves once may have closed already.
    client.flood(FLOOD);
    client
}

/// Does this so many times at once, each in a thread of its own that knows its
/// number; returns what they have come to.
pub fn at_once<T: Send>(times: u64, act: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let act = &act;
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..times).map(|number| scope.spawn(move || act(number))).collect();
        let join = |thread: ScopedJoinHandle<'_, T>| {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}
