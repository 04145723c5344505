//! Clients that mean harm, against all forms of the servers. SECURITY.md
//! promises nothing without a test.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use probe::strace::{Strace, Target};
use probe::wait::{MOMENT, soon};
use probe::{Outcome, demand, proc};

use super::{Dice, be_polite, seed, send_hostile_clients, stalled};
use crate::case::{Case, Need, case};
use crate::client::{Client, at_once};
use crate::forms::{Approach, Form, end, start};

/// What they try, and what must come of it.
pub const CASES: &[Case] = &[
    case!(hostile_clients_leave_a_server_as_it_was -> Outcome).slow(),
    case!(many_hostile_clients_leave_a_server_as_it_was -> Outcome)
        .on_request(),
    case!(a_stop_is_not_held_up_by_hostile_clients -> Outcome).slow(),
    case!(a_stop_that_waits_for_a_slow_client_does_not_spin -> Outcome),
    case!(silent_clients_hold_no_more_than_their_places_and_their_time -> Outcome)
        .slow(),
    case!(a_flood_is_not_kept_in_memory -> Outcome).slow(),
    case!(each_client_gets_its_own_bytes_back_and_no_others -> Outcome),
    case!(a_server_listens_on_loopback_alone_unless_told_to -> Outcome),
    case!(serving_opens_no_file_and_starts_no_program -> Outcome)
        .needs(&[Need::Strace]),
];

fn hostile_clients_leave_a_server_as_it_was(form: &Form) -> Outcome {
    send_hostile_clients(form, seed(), 160)
}

/// For longer, and with another seed for each round.
fn many_hostile_clients_leave_a_server_as_it_was(form: &Form) -> Outcome {
    let mut seeds = Dice::new(seed());
    for _ in 0..5 {
        let seed = seeds.number() >> 32;
        send_hostile_clients(form, seed, 2400)?;
    }
    Ok(())
}

fn a_stop_is_not_held_up_by_hostile_clients(form: &Form) -> Outcome {
    let options = "--quiet --serve until-eof --grace 1";
    let server = start(form, options)?;
    let port = server.port();
    let floods: Vec<_> =
        (0..2).map(|_| stalled(port)).collect::<Outcome<_>>()?;
    let silent: Vec<_> =
        (0..4).map(|_| Client::connect(port)).collect::<Outcome<_>>()?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        // These talk on, whether they are answered or not.
        for _ in 0..2 {
            scope.spawn(|| talk_until(port, &over));
        }
        thread::sleep(Duration::from_millis(100));
        let result = end(&server);
        over.store(true, Ordering::SeqCst);
        result
    })?;
    drop((floods, silent));
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map(drop)
        .map_err(|error| format!("its port is not free: {error}"))
}

fn a_stop_that_waits_for_a_slow_client_does_not_spin(form: &Form) -> Outcome {
    let options = "--quiet --serve until-eof --grace 60";
    let server = start(form, options)?;
    let flood = stalled(server.port())?;
    // This client does not read either, and has ended its side: its socket
    // stays ready for reading, and the loop must not spin on it.
    let ended = stalled(server.port())?;
    ended.shutdown(Shutdown::Write).map_err(|e| e.to_string())?;
    proc::at_rest(server.pid, MOMENT)?;
    server.signal(Signal::SIGTERM);
    soon("it listens no longer", || {
        listening("/proc/net/tcp", server.port()).is_empty()
    })?;
    proc::at_rest(server.pid, MOMENT)?;
    drop((flood, ended));
    server.ends_with(0)
}

/// Sends a byte every now and then until it breaks or is told to end.
fn talk_until(port: u16, over: &AtomicBool) {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return;
    };
    stream.set_nonblocking(true).ok();
    while !over.load(Ordering::SeqCst) && stream.write(b"x").is_ok() {
        // Whatever has come back, or nothing.
        let _ = stream.read(&mut [0; 64]);
        thread::sleep(Duration::from_millis(20));
    }
}

fn silent_clients_hold_no_more_than_their_places_and_their_time(
    form: &Form,
) -> Outcome {
    const MOST: usize = 4;
    let options = format!("--max-clients {MOST} --idle-timeout 1");
    let server = start(form, &options)?;
    let before = proc::settled(server.pid)?;
    let mut silent: Vec<_> = (0..2 * MOST)
        .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let places = match form.approach() {
        Approach::Pool => 3,
        _ => MOST,
    };
    soon("they are accepted", || at_a_time(&server.stdout.so_far()) >= places)?;
    // A client that waits behind them is served in the end.
    be_polite(server.port(), b"patience")?;
    for stream in &mut silent {
        let mut rest = Vec::new();
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok();
        stream
            .read_to_end(&mut rest)
            .map_err(|error| format!("a silent one: {error}"))?;
        demand(rest.is_empty(), || format!("{rest:?} for silence"))?;
    }
    drop(silent);
    proc::balanced(server.pid, &before)?;
    end(&server)?;
    let lines = server.stdout.try_all()?;
    let most = at_a_time(&lines);
    demand(most == places, || format!("{most} were served at a time"))?;
    let idle = lines
        .iter()
        .filter(|line| line.ends_with("closed: idle for 1 s"))
        .count();
    demand(idle == 2 * MOST, || format!("{idle} were idle"))
}

/// The most clients served at a time, as the lines tell it.
fn at_a_time(lines: &[String]) -> usize {
    let mut now = 0;
    let mut most = 0;
    for line in lines {
        if line.ends_with("  connected") {
            now += 1;
        } else if line.contains("  closed") {
            now -= 1;
        }
        most = most.max(now);
    }
    most
}

fn a_flood_is_not_kept_in_memory(form: &Form) -> Outcome {
    const FLOODS: u64 = 12;
    // A stack, a process' own pages, an entry: whatever it is, it is far less
    // than what each of them has sent.
    const EACH: u64 = 400 << 10;
    let server = start(form, "--quiet --serve until-eof")?;
    be_polite(server.port(), b"warm")?;
    let before = proc::memory(server.pid);
    let floods = at_once(FLOODS, |_| stalled(server.port()))?;
    let grown = proc::memory(server.pid).saturating_sub(before);
    demand(grown < EACH * FLOODS, || {
        format!("{} KiB for {FLOODS} floods", grown / 1024)
    })?;
    // A reply that cannot be sent keeps no processor busy either.
    proc::at_rest(server.pid, MOMENT)?;
    drop(floods);
    end(&server)
}

fn each_client_gets_its_own_bytes_back_and_no_others(form: &Form) -> Outcome {
    let server = start(form, "--quiet --serve until-eof")?;
    let port = server.port();
    at_once(3, |number| talk(port, number))?;
    end(&server)
}

/// Exchanges messages that no other client sends.
fn talk(port: u16, number: u64) -> Outcome {
    let mut dice = Dice::new(seed() ^ (number + 1));
    let mut client = Client::connect(port)?;
    for _ in 0..60 {
        let length = 1 + dice.below(1500);
        client.talk(&dice.bytes(length))?;
    }
    client.leave()?;
    demand(client.answered == 60, || {
        format!("{:?} after {}", client.hit, client.got)
    })
}

fn a_server_listens_on_loopback_alone_unless_told_to(form: &Form) -> Outcome {
    let server = start(form, "")?;
    let found = listening("/proc/net/tcp", server.port());
    demand(found == ["0100007F"], || format!("{found:?}"))?;
    let found = listening("/proc/net/tcp6", server.port());
    demand(found.is_empty(), || format!("{found:?}"))?;
    let first = server.stdout.so_far().remove(0);
    demand(first.ends_with(&format!(" 127.0.0.1:{}", server.port())), || first)
}

/// The addresses of the sockets that listen at this port, by this file.
fn listening(file: &str, port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    let mut all = Vec::new();
    let Ok(file) = File::open(file) else {
        return all;
    };
    for line in BufReader::new(file).lines().skip(1).map_while(Result::ok) {
        let fields: Vec<_> = line.split_whitespace().collect();
        match fields[..] {
            // 0A: TCP_LISTEN.
            [_, local, _, "0A", ..] => {
                all.extend(local.strip_suffix(&port).map(str::to_owned));
            }
            // The listening sockets come first, and the rest may be long.
            _ => break,
        }
    }
    all
}

fn serving_opens_no_file_and_starts_no_program(form: &Form) -> Outcome {
    let server = start(form, "--quiet")?;
    let calls = "--trace=/^open,creat,mkdir,rename,/^unlink,/^exec".to_owned();
    let processes = proc::tree(server.pid);
    let strace = Strace::attach(Target::Processes(&processes), &[calls])?;
    for message in ["../../etc/passwd", "$(id)", "`id`;id|id\n", "\0"] {
        for _ in 0..4 {
            be_polite(server.port(), message.as_bytes())?;
        }
    }
    let seen = strace.detach()?;
    let mut opened = seen.iter().filter(|line| line.contains('('));
    let harmful = opened.find(|line| !of_the_allocator(line));
    demand(harmful.is_none(), || format!("{harmful:?}"))
}

/// Whether a call is one that the C library makes for itself when it divides
/// memory among threads.
fn of_the_allocator(line: &str) -> bool {
    line.contains("\"/proc/sys/vm/overcommit_memory\"")
        || line.contains("\"/sys/devices/system/cpu")
}
