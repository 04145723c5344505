//! Very many connections through each form of the servers: what a server
//! holds must not grow with the number of those it has served.
//!
//! The connections come in rounds. After each the server is left alone until
//! all its threads sleep, and what it holds then is written down: the memory
//! of all its processes (PSS: a page that several of them share counts once),
//! descriptors, threads, children. Threads, children and descriptors must be
//! what they were before the first connection, each time. Memory may differ by
//! a little, since an allocator keeps what it hopes to use again: the median
//! of the last quarter of the rounds must be at most 5 % and 256 KiB above
//! that of the second quarter. The first quarter may warm up.

use std::io;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use crate::facts::{date, read};
use crate::forms::stop;
use crate::hostile::at_once;
use crate::prelude::*;

/// What is run for every change.
pub const CASES: &[Case] =
    &[case!(what_a_server_holds_does_not_grow_with_its_clients)];

/// How many connections, in how many rounds: what is written down for the
/// readers.
const FULL: (u64, u64) = (100_000, 40);

/// What is quick enough for every change.
const QUICK: (u64, u64) = (2_000, 20);

/// How many clients come at a time.
const LANES: u64 = 4;

/// So many addresses are used in turn. A connection that its client closes
/// first keeps its port for a minute, and an address has only 28 000.
const ADDRESSES: u64 = 64;

/// What one form has come to.
#[derive(Clone, Debug)]
struct Figures {
    /// How the server was started.
    command: String,
    connections: u64,
    time: Duration,
    /// What all its processes hold at rest, before the first connection.
    descriptors: usize,
    threads: usize,
    children: usize,
    /// The memory after each round, in bytes.
    memory: Vec<u64>,
}

impl Figures {
    /// The median of the memory in one quarter of the rounds, from 0 to 3.
    fn quarter(&self, number: usize) -> u64 {
        let length = self.memory.len() / 4;
        let mut part = self.memory[number * length..][..length].to_vec();
        part.sort_unstable();
        part[length / 2]
    }

    /// Asserts that the memory does not grow.
    fn judge(&self) {
        let (second, last) = (self.quarter(1), self.quarter(3));
        assert!(
            last <= second + second / 20 + (256 << 10),
            "{}: its memory grows, from {} to {} KiB: {:?}",
            self.command,
            second / 1024,
            last / 1024,
            self.memory
        );
    }

    /// Its row of the table.
    fn row(&self) -> String {
        let kibibytes = |bytes: u64| bytes.div_ceil(1024);
        let most = self.memory.iter().max().copied().unwrap_or(0);
        format!(
            "| `{}` | {} | {:.1} | {} | {} | {} | {} | {} | {} |",
            self.command,
            self.connections,
            self.time.as_secs_f64(),
            kibibytes(self.quarter(1)),
            kibibytes(self.quarter(3)),
            kibibytes(most),
            self.descriptors,
            self.threads,
            self.children
        )
    }
}

/// Sends so many connections through one form.
///
/// # Panics
///
/// When a client is not served exactly, or the server holds more afterwards.
fn soak(form: &Form, (connections, rounds): (u64, u64)) -> Figures {
    let server = form.run("--quiet");
    let pid = server.pid;
    let before = proc::settled(pid);
    let tree = proc::tree(pid);
    let total = |of: &dyn Fn(Pid) -> usize| tree.iter().map(|p| of(*p)).sum();
    let mut figures = Figures {
        command: form.command(),
        connections,
        time: Duration::ZERO,
        descriptors: total(&|pid| proc::descriptors(pid).len()),
        threads: total(&|pid| proc::threads(pid).len()),
        children: tree.len() - 1,
        memory: Vec::new(),
    };
    let each = connections / rounds / LANES;
    for round in 0..rounds {
        let begin = Instant::now();
        // Several lanes of clients, in each one after the other.
        at_once(LANES, |lane| {
            let first = (round * LANES + lane) * each;
            (first..first + each).for_each(|number| exchange(&server, number));
        });
        figures.time += begin.elapsed();
        proc::balanced(pid, &before);
        figures.memory.push(proc::memory(pid));
    }
    server.exchange(b"the last one");
    let all = rounds * LANES * each;
    stop(&server, all + 1, (0..all).map(length).sum::<u64>() + 12);
    figures.judge();
    figures
}

/// How long the message of this connection is.
fn length(number: u64) -> u64 {
    1 + number % 1024
}

/// One connection with one exchange. Every other client says at once that it
/// has nothing more to say, the others when they have their reply.
fn exchange(server: &Server, number: u64) {
    let client = connect_from(number % ADDRESSES, server.address);
    let mut client = client.expect("the server takes a connection");
    let length = usize::try_from(length(number)).expect("at most 1024");
    let first = number.to_le_bytes();
    let message: Vec<u8> = first.into_iter().cycle().take(length).collect();
    client.send(&message);
    if number.is_multiple_of(2) {
        client.half_close();
        client.expect(&message);
        client.expect_end();
    } else {
        client.expect(&message);
        client.leave();
    }
}

/// Connects from one of the addresses that belong to this machine alone.
fn connect_from(address: u64, server: SocketAddr) -> io::Result<Client> {
    let last = u8::try_from(2 + address).map_err(io::Error::other)?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // The port is chosen with the connection, so that those of connections
    // that are over can be had again.
    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into())?;
    socket.connect_timeout(&server.into(), LIMIT)?;
    Client::of(socket.into())
}

fn what_a_server_holds_does_not_grow_with_its_clients(form: &Form) {
    soak(form, QUICK);
}

/// Soaks all forms as planned for the readers, one after the other, and
/// writes the page. If one fails, the page stays as it is.
///
/// # Panics
///
/// When one fails, or the page cannot be written.
pub fn publish() {
    let soak = |form| {
        let figures = soak(form, FULL);
        println!("{}", figures.row());
        figures
    };
    let all: Vec<_> = FORMS.iter().map(soak).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/soak.md");
    fs::write(path, page(&all)).expect("docs/soak.md can be written");
}

/// The page with its table.
fn page(all: &[Figures]) -> String {
    let or_unknown =
        |fact: Option<String>| fact.unwrap_or_else(|| "unknown".to_owned());
    let model = read("/proc/cpuinfo", "model name", ":");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!(
        include_str!("soak/page.md"),
        rows = all.iter().map(|it| it.row() + "\n").collect::<String>(),
        date = or_unknown(date()),
        kernel = or_unknown(read("/proc/sys/kernel/osrelease", "", "")),
        processor = or_unknown(model.map(|name| format!("{cores} × {name}"))),
        memory = or_unknown(read("/proc/meminfo", "MemTotal:", " ")),
    )
}
