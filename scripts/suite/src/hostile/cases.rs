//! Clients that mean harm, against all forms of the servers. SECURITY.md
//! promises nothing without a test.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;

use super::{at_once, bytes, flooded_by, seed, send_hostile_clients};
use crate::prelude::*;

/// What they try, and what must come of it.
pub const CASES: &[Case] = &[
    case!(hostile_clients_leave_a_server_as_it_was).slow(),
    case!(many_hostile_clients_leave_a_server_as_it_was).on_request(),
    case!(a_stop_is_not_held_up_by_hostile_clients).slow(),
    case!(a_stop_that_waits_for_a_slow_client_does_not_spin),
    case!(silent_clients_hold_no_more_than_their_places_and_their_time).slow(),
    case!(a_flood_is_not_kept_in_memory).slow(),
    case!(each_client_gets_its_own_bytes_back_and_no_others),
    case!(a_server_listens_on_loopback_alone_unless_told_to),
    case!(serving_opens_no_file_and_starts_no_program).needs(&[Need::Strace]),
];

fn hostile_clients_leave_a_server_as_it_was(form: &Form) {
    send_hostile_clients(form, seed(), 160);
}

/// For longer, and with another seed for each round.
fn many_hostile_clients_leave_a_server_as_it_was(form: &Form) {
    let mut seeds = Rng::with_seed(seed());
    for _ in 0..5 {
        send_hostile_clients(form, seeds.u32(..).into(), 2400);
    }
}

fn a_stop_is_not_held_up_by_hostile_clients(form: &Form) {
    let server = form.run("--quiet --serve until-eof --grace 1");
    let floods = [flooded_by(&server), flooded_by(&server)];
    let silent = server.clients(4);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        // These talk on, whether they are answered or not.
        for _ in 0..2 {
            scope.spawn(|| talk_until(server.address, &over));
        }
        thread::sleep(Duration::from_millis(100));
        server.signal(SIGTERM);
        within(LIMIT, || (!server.is_running()).then_some(()));
        over.store(true, Ordering::SeqCst);
    });
    server.ends_with(0);
    drop((floods, silent));
    TcpListener::bind(server.address).expect("its port is free");
}

fn a_stop_that_waits_for_a_slow_client_does_not_spin(form: &Form) {
    let server = form.run("--quiet --serve until-eof --grace 60");
    let flood = flooded_by(&server);
    // This client does not read either, and has ended its side: its socket
    // stays ready for reading, and the loop must not spin on it.
    let mut ended = flooded_by(&server);
    ended.half_close();
    proc::at_rest(server.pid);
    server.signal(SIGTERM);
    soon("it listens no longer", || {
        listening("/proc/net/tcp", server.port()).is_empty()
    });
    proc::at_rest(server.pid);
    drop((flood, ended));
    server.ends_with(0);
}

/// Sends a byte every now and then until it breaks or is told to end.
fn talk_until(server: SocketAddr, over: &AtomicBool) {
    let Ok(mut stream) = TcpStream::connect(server) else { return };
    stream.set_nonblocking(true).ok();
    while !over.load(Ordering::SeqCst) && stream.write(b"x").is_ok() {
        // Whatever has come back, or nothing.
        let _ = stream.read(&mut [0; 64]);
        thread::sleep(Duration::from_millis(20));
    }
}

fn silent_clients_hold_no_more_than_their_places_and_their_time(form: &Form) {
    const MOST: usize = 4;
    let server = form.run(&format!("--max-clients {MOST} --idle-timeout 1"));
    let before = proc::settled(server.pid);
    let mut silent = server.clients(2 * MOST);
    let places = match form.approach() {
        Approach::Pool => 3,
        _ => MOST,
    };
    soon("they are accepted", || at_a_time(&server.stdout.so_far()) >= places);
    // A client that waits behind them is served in the end.
    server.exchange(b"patience");
    silent.iter_mut().for_each(Client::expect_end);
    drop(silent);
    proc::balanced(server.pid, &before);
    end(&server);
    let lines = server.stdout.all();
    assert_eq!(at_a_time(&lines), places, "served at a time");
    let idle = lines.iter().filter(|it| it.ends_with("closed: idle for 1 s"));
    assert_eq!(idle.count(), 2 * MOST, "were idle");
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

fn a_flood_is_not_kept_in_memory(form: &Form) {
    const FLOODS: u64 = 12;
    // A stack, a process' own pages, an entry: whatever it is, it is far less
    // than what each of them has sent.
    const EACH: u64 = 400 << 10;
    let server = form.run("--quiet --serve until-eof");
    server.exchange(b"warm");
    let before = proc::memory(server.pid);
    let floods = at_once(FLOODS, |_| flooded_by(&server));
    let grown = proc::memory(server.pid).saturating_sub(before);
    assert!(grown < EACH * FLOODS, "{} KiB for {FLOODS} floods", grown / 1024);
    // A reply that cannot be sent keeps no processor busy either.
    proc::at_rest(server.pid);
    drop(floods);
    end(&server);
}

fn each_client_gets_its_own_bytes_back_and_no_others(form: &Form) {
    let server = form.run("--quiet --serve until-eof");
    at_once(3, |number| {
        let mut dice = Rng::with_seed(seed() ^ (number + 1));
        let mut client = server.client();
        for _ in 0..60 {
            // Messages that no other client sends.
            let length = dice.usize(1..=1500);
            client.exchange(&bytes(&mut dice, length));
        }
        client.leave();
    });
    end(&server);
}

fn a_server_listens_on_loopback_alone_unless_told_to(form: &Form) {
    let server = form.run("");
    assert_eq!(listening("/proc/net/tcp", server.port()), ["0100007F"]);
    assert_eq!(listening("/proc/net/tcp6", server.port()), [""; 0]);
    let first = server.stdout.so_far().remove(0);
    let address = format!(" 127.0.0.1:{}", server.port());
    assert!(first.ends_with(&address), "{first}");
}

/// The addresses of the sockets that listen at this port, by this file.
fn listening(file: &str, port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    let table = fs::read_to_string(file).unwrap_or_default();
    let listeners = table.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().take(4).collect();
        // 0A: TCP_LISTEN.
        let [_, local, _, "0A"] = fields[..] else { return None };
        Some(local.strip_suffix(&port)?.to_owned())
    });
    listeners.collect()
}

fn serving_opens_no_file_and_starts_no_program(form: &Form) {
    let server = form.run("--quiet");
    let calls = "--trace=/^open,creat,mkdir,rename,/^unlink,/^exec".to_owned();
    let processes = proc::tree(server.pid);
    let strace = Strace::attach(Target::Processes(&processes), &[calls]);
    for message in ["../../etc/passwd", "$(id)", "`id`;id|id\n", "\0"] {
        for _ in 0..4 {
            server.exchange(message.as_bytes());
        }
    }
    let seen = strace.detach();
    let mut opened = seen.iter().filter(|line| line.contains('('));
    assert_eq!(opened.find(|line| !of_the_allocator(line)), None);
}

/// Whether a call is one that the C library makes for itself when it divides
/// memory among threads.
fn of_the_allocator(line: &str) -> bool {
    line.contains("\"/proc/sys/vm/overcommit_memory\"")
        || line.contains("\"/sys/devices/system/cpu")
}
