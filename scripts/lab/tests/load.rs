//! The load client against servers of this test, whose faults are known.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use lab::load::{
    self, Ending, ErrorKind, Limit, Live, Outcome, Pace, Plan, Shape, Target,
    idle::Idle,
};

/// A server in this process: one thread for each connection, until the test
/// ends.
fn serve(
    handler: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> Target {
    let handler = Arc::new(handler);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let handler = Arc::clone(&handler);
            thread::spawn(move || {
                if let Ok(mut client) = client {
                    let _ = handler(&mut client);
                }
            });
        }
    });
    Target::new(address).unwrap()
}

fn echo_once(client: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    let size = client.read(&mut buffer)?;
    client.write_all(&buffer[..size])
}

fn echo_until_eof(client: &mut TcpStream) -> std::io::Result<()> {
    echo_changed(client, |_| {})
}

/// Echoes until the end of file, after `change` had each piece.
fn echo_changed(
    client: &mut TcpStream,
    mut change: impl FnMut(&mut [u8]),
) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match client.read(&mut buffer)? {
            0 => return Ok(()),
            size => {
                change(&mut buffer[..size]);
                client.write_all(&buffer[..size])?;
            }
        }
    }
}

fn some(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn run(plan: &Plan) -> Outcome {
    load::run(plan, &Live::default(), &|| ()).unwrap()
}

fn quick(target: Target, shape: Shape, count: usize) -> Plan {
    let limit = Limit::Time(Duration::from_millis(200));
    Plan::new(target, shape, some(count), limit)
}

fn percentile(outcome: &Outcome, percent: f64) -> Duration {
    let nanoseconds = outcome.latency.value_at_percentile(percent);
    Duration::from_nanos(nanoseconds)
}

#[test]
fn every_shape_and_number_of_connections_works() {
    let once = serve(echo_once);
    let stays = serve(echo_until_eof);
    // Connections, threads, and bytes of a message, which may come in pieces.
    for (count, threads, size) in
        [(1, 1, 64), (1, 1, 1024), (2, 1, 1), (5, 2, 7), (16, 1, 64)]
    {
        let server = Shape::Exchange(Ending::Server);
        let client = Shape::Exchange(Ending::Client);
        for (target, shape) in
            [(once, server), (stays, client), (stays, Shape::Echo)]
        {
            let mut plan = quick(target, shape, count);
            plan.threads = some(threads);
            plan.message_size = some(size);
            assert!(run(&plan).completed > 0, "{plan:?}");
            plan.limit = Limit::Count(201);
            for pace in [Pace::Closed, Pace::Open(2000.0)] {
                plan.pace = pace;
                let outcome = run(&plan);
                assert_eq!(outcome.completed, 201, "{plan:?}: {outcome:?}");
                assert_eq!(outcome.errors.total(), 0, "{plan:?}: {outcome:?}");
                assert!(outcome.rate() > 0.0);
            }
        }
    }
    let mut plan = quick(stays, Shape::Echo, 2);
    plan.message_size = some(300_000);
    let outcome = run(&plan);
    assert!(outcome.completed > 0);
    assert_eq!(outcome.errors.total(), 0, "{outcome:?}");
}

#[test]
fn a_run_that_is_stopped_abandons_no_exchange() {
    let replies = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&replies);
    let target = serve(move |client: &mut TcpStream| {
        let mut buffer = [0; 1024];
        let size = client.read(&mut buffer)?;
        // At any moment exchanges are under way.
        thread::sleep(Duration::from_millis(20));
        counter.fetch_add(1, Ordering::SeqCst);
        client.write_all(&buffer[..size])
    });
    for pace in [Pace::Closed, Pace::Open(200.0)] {
        replies.store(0, Ordering::SeqCst);
        let live = Live::default();
        let exchange = Shape::Exchange(Ending::Server);
        let mut plan = quick(target, exchange, 16);
        plan.pace = pace;
        plan.limit = Limit::Time(Duration::from_secs(60));
        let outcome = thread::scope(|scope| {
            scope.spawn(|| {
                while replies.load(Ordering::SeqCst) < 100 {
                    thread::yield_now();
                }
                live.stop.store(true, Ordering::Relaxed);
            });
            load::run(&plan, &live, &|| ()).unwrap()
        });
        assert!(outcome.elapsed < Duration::from_secs(30), "{outcome:?}");
        assert_eq!(outcome.errors.total(), 0, "{outcome:?}");
        assert_eq!(outcome.unfinished, 0, "{outcome:?}");
        // The first exchange opens the run and does not count.
        let replies = replies.load(Ordering::SeqCst);
        assert_eq!(outcome.completed + 1, replies, "{pace:?}: {outcome:?}");
    }
}

/// Begins a stall of one second, 300 ms into the counted part.
#[derive(Default)]
struct Stall(OnceLock<Instant>);

impl Stall {
    const LENGTH: Duration = Duration::from_secs(1);

    /// The counted part begins, or ends.
    fn witness(&self) {
        let begin = Instant::now() + Duration::from_millis(300);
        let _ = self.0.set(begin);
    }

    /// Returns when no stall is going on.
    fn wait(&self) {
        let now = Instant::now();
        if let Some(begin) = self.0.get()
            && now >= *begin
        {
            let end = *begin + Self::LENGTH;
            thread::sleep(end.saturating_duration_since(now));
        }
    }
}

/// The outcome of 2.5 s of load on a server that stalls for one of them.
fn with_a_stall(pace: Pace) -> Outcome {
    let stall = Arc::new(Stall::default());
    let inside = Arc::clone(&stall);
    let target = serve(move |client: &mut TcpStream| {
        echo_changed(client, |_| inside.wait())
    });
    let limit = Limit::Time(Duration::from_millis(2500));
    let mut plan = Plan::new(target, Shape::Echo, some(8), limit);
    plan.pace = pace;
    load::run(&plan, &Live::default(), &|| stall.witness()).unwrap()
}

#[test]
fn an_open_loop_shows_a_stall_and_a_closed_loop_hides_it() {
    let open = with_a_stall(Pace::Open(1000.0));
    let closed = with_a_stall(Pace::Closed);

    // Of 2 500 who came at a fixed rate, the 1 000 who came meanwhile waited
    // for what was left of the second: it is in the 99th percentile.
    let stalled = Duration::from_millis(900);
    assert_eq!(open.completed, 2500);
    assert_eq!(open.unfinished, 0);
    // The last ones of a busy machine may come late, never early.
    assert!(open.elapsed >= Duration::from_millis(2490), "{open:?}");
    assert!(open.latency.max() >= 900_000_000);
    assert!(percentile(&open, 99.0) >= stalled, "{open:?}");
    assert!(percentile(&open, 75.0) >= Duration::from_millis(200));

    // In a closed loop it hit one operation of each connection: only the
    // maximum still knows, one of eight among thousands.
    assert!(closed.latency.max() >= 900_000_000);
    assert!(percentile(&closed, 99.0) < Duration::from_millis(500));
}

#[test]
fn a_server_that_never_answers_leaves_nothing_unsaid() {
    // Answers the two messages that open the connections, nothing later.
    let target = serve(|client: &mut TcpStream| {
        let mut buffer = [0; 64];
        loop {
            client.read_exact(&mut buffer)?;
            if buffer[0] <= 2 {
                client.write_all(&buffer)?;
            }
        }
    });
    let mut plan = quick(target, Shape::Echo, 2);
    plan.pace = Pace::Open(20.0);
    plan.limit = Limit::Time(Duration::from_secs(1));
    plan.timeout = Duration::from_millis(300);
    let outcome = run(&plan);
    assert_eq!(outcome.completed, 0);
    assert_eq!(outcome.errors.total() + outcome.unfinished, 20);
    assert!(outcome.errors.0.contains_key(&ErrorKind::TimedOut));
    assert!(outcome.unfinished > 0);
}

#[test]
fn faults_are_counted_by_kind() {
    let answer = |reply: &'static [u8]| {
        serve(move |client: &mut TcpStream| {
            let mut buffer = [0; 64];
            client.read_exact(&mut buffer)?;
            // The first exchange is right, so that the run begins.
            if buffer[0] == 1 {
                return client.write_all(&buffer);
            }
            client.write_all(reply)
        })
    };
    let exchange = Shape::Exchange(Ending::Server);
    for (reply, kind) in [
        (&[0x55; 64][..], ErrorKind::Wrong),
        (&[0x55; 65][..], ErrorKind::Excess),
        (&[][..], ErrorKind::Truncated),
    ] {
        for count in [1, 3] {
            let mut plan = quick(answer(reply), exchange, count);
            plan.limit = Limit::Count(20);
            let outcome = run(&plan);
            assert_eq!(outcome.completed, 0, "{kind}");
            let counted = outcome.errors.0.get(&kind);
            assert_eq!(counted, Some(&20), "{count}: {}", outcome.errors);
        }
    }
}

#[test]
fn what_keeps_a_run_from_beginning_is_named() {
    // Bound but not listening: no other program can have this port meanwhile.
    let (ipv4, stream) = (socket2::Domain::IPV4, socket2::Type::STREAM);
    let socket = socket2::Socket::new(ipv4, stream, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let silent = Target::new(address).unwrap();
    let stays = serve(echo_until_eof);
    let exchange = Shape::Exchange(Ending::Server);
    for (target, shape, why) in
        [(silent, Shape::Echo, "refused"), (stays, exchange, "did not close")]
    {
        for count in [1, 2] {
            let mut plan = quick(target, shape, count);
            plan.timeout = Duration::from_secs(1);
            let error = load::run(&plan, &Live::default(), &|| ()).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}

/// `lab load` as its user runs it: whether it succeeded, and all it said.
fn lab_load(words: &[&str]) -> (bool, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lab"))
        .arg("load")
        .args(words)
        .output()
        .unwrap();
    let both = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(both).unwrap())
}

#[test]
fn a_server_that_serves_in_another_way_is_told_so() {
    let once = serve(echo_once).to_string();
    let stays = serve(echo_until_eof).to_string();
    let short = ["-n", "20", "--warm-up", "0s"];
    let run = |words: &[&str]| lab_load(&[words, &short].concat());
    let (good, said) = run(&[&once, "--serve", "until-eof"]);
    assert!(!good && said.contains("closes after one reply"), "{said}");
    assert!(said.contains("--serve once"), "{said}");
    let (good, said) = run(&[&stays, "--serve", "once"]);
    assert!(!good && said.contains("does not close after"), "{said}");
    assert!(said.contains("--serve until-eof"), "{said}");
    for words in [
        [&once, "--serve", "once"],
        [&stays, "--serve", "until-eof"],
        [&stays, "--close", "client"],
    ] {
        let (good, said) = run(&words);
        assert!(good, "{said}");
        for word in ["20 ", "p99.9", "errors   none", "client "] {
            assert!(said.contains(word), "{word} is not in:\n{said}");
        }
    }
}

#[test]
fn wrong_replies_fail_the_run() {
    // The first two messages of a connection are answered as they should be.
    let target = serve(|client: &mut TcpStream| {
        let mut number = 0;
        echo_changed(client, |piece| {
            number += 1;
            if number > 2 {
                piece[0] ^= 1;
            }
        })
    });
    let address = target.to_string();
    let words = ["--serve", "until-eof", "-n", "100", "--warm-up", "0s"];
    for connections in ["1", "4"] {
        let all = [&[address.as_str(), "-c", connections][..], &words].concat();
        let (good, said) = lab_load(&all);
        assert!(!good, "{said}");
        assert!(said.contains("reply differs from the message"), "{said}");
        assert!(said.contains("were not what was sent"), "{said}");
    }
    let greeting = serve(|client: &mut TcpStream| {
        client.read_exact(&mut [0])?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")
    });
    let (good, said) = lab_load(&[&greeting.to_string()]);
    assert!(!good && said.contains("--reply echo"), "{said}");
}

#[test]
fn what_cannot_be_loaded_is_named() {
    let (good, said) = lab_load(&["nothing"]);
    assert!(!good);
    for word in ["nothing", "threads", "process", "mux:epoll", "PORT"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    for address in ["192.0.2.1:80", "0.0.0.0:8080", "[2001:db8::1]:80"] {
        let (good, said) = lab_load(&[address, "--duration", "1s"]);
        assert!(!good && said.contains("not a loopback address"), "{said}");
    }
    for words in [["-d", "0s"], ["-n", "0"], ["--timeout", "0ms"]] {
        let (good, said) = lab_load(&[&["threads"][..], &words].concat());
        assert!(!good && said.contains("invalid value"), "{said}");
    }
}

#[test]
fn a_stream_is_compared_byte_by_byte() {
    let target = serve(echo_until_eof);
    let bytes = 10_000_019;
    let live = Live::default();
    let took = load::stream::run(target, bytes, &live, &|| ()).unwrap();
    assert!(took > Duration::ZERO);

    let target = serve(|client: &mut TcpStream| {
        let mut total = 0;
        echo_changed(client, |piece| {
            total += piece.len();
            if total > 500_000 {
                piece[0] ^= 1;
            }
        })
    });
    let error = load::stream::run(target, bytes, &live, &|| ()).unwrap_err();
    assert!(error.to_string().contains("differs"), "{error}");
}

#[test]
fn idle_connections_are_answered_once_and_stay() {
    let open = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&open);
    let target = serve(move |client: &mut TcpStream| {
        counter.fetch_add(1, Ordering::SeqCst);
        echo_until_eof(client)?;
        counter.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    });
    let mut idle = Idle::open(target, 100).unwrap();
    idle.open_up_to(130).unwrap();
    assert_eq!(open.load(Ordering::SeqCst), 130);
}
