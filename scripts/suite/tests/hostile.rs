//! Clients that mean no good, against all forms of the servers; and that
//! SECURITY.md promises nothing without a test.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use probe::strace::{Strace, Target, version};
use suite::client::Client;
use suite::forms::{Approach, Form, start};
use suite::harness::{MOMENT, Outcome, demand, proc, skip, soon_enough, until};
use suite::hostile::{Dice, be_polite, besiege, for_each_form, seed, stalled};

#[test]
fn hostile_clients_leave_a_server_as_it_was() -> Outcome {
    for_each_form(|form| besiege(form, seed(), 160))
}

/// For longer, and with another seed for each round: not part of the ordinary
/// run. `cargo test --release -p suite --test hostile -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn many_hostile_clients_leave_a_server_as_it_was() -> Outcome {
    let mut seeds = Dice::new(seed());
    for _ in 0..5 {
        let seed = seeds.number() >> 32;
        for_each_form(|form| besiege(form, seed, 2400))?;
    }
    Ok(())
}

#[test]
fn a_stop_is_not_held_up_by_hostile_clients() -> Outcome {
    // The grace, a second for the last words, and the machine's own.
    let bound = Duration::from_secs(4);
    for_each_form(|form| soon_enough(bound, || stop_among_hostile(form)))
}

/// How long a stop takes that they would like to hold up.
fn stop_among_hostile(form: &Form) -> Outcome<Duration> {
    let options = "--quiet --serve until-eof --grace 1";
    let server = start(form, options)?;
    let port = server.port();
    let floods: Vec<_> = (0..2).map(|_| stalled(port)).collect();
    demand(floods.iter().all(Result::is_ok), || format!("{floods:?}"))?;
    let silent: Vec<_> =
        (0..4).map(|_| Client::connect(port)).collect::<Outcome<_>>()?;
    let over = AtomicBool::new(false);
    let took = thread::scope(|scope| {
        // These talk on, whether they are answered or not.
        for _ in 0..2 {
            scope.spawn(|| talk_until(port, &over));
        }
        thread::sleep(Duration::from_millis(100));
        let begin = Instant::now();
        server.signal(Signal::SIGTERM);
        let result = server.ends_with(0);
        over.store(true, Ordering::SeqCst);
        result.map(|()| begin.elapsed())
    })?;
    drop((floods, silent));
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map(|_| took)
        .map_err(|error| format!("its port is not free: {error}"))
}

#[test]
fn a_stop_that_waits_for_a_slow_client_does_not_spin() -> Outcome {
    for_each_form(|form| {
        let options = "--quiet --serve until-eof --grace 60";
        let server = start(form, options)?;
        let flood = stalled(server.port()).map_err(|e| e.to_string())?;
        // Read by nobody, and ended: what is ready for ever must not spin.
        let ended = stalled(server.port()).map_err(|e| e.to_string())?;
        ended.shutdown(Shutdown::Write).map_err(|e| e.to_string())?;
        proc::at_rest(server.pid, MOMENT)?;
        server.signal(Signal::SIGTERM);
        let door = || listening("/proc/net/tcp", server.port()).is_empty();
        until(|| door().then_some(())).ok_or("it still listens")?;
        proc::at_rest(server.pid, MOMENT)?;
        drop((flood, ended));
        server.ends_with(0)
    })
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

#[test]
fn silent_clients_hold_no_more_than_their_places_and_their_time() -> Outcome {
    const MOST: usize = 4;
    for_each_form(|form| {
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
        until(|| (at_a_time(&server.stdout.so_far()) >= places).then_some(()))
            .ok_or("they are not accepted")?;
        // One who waits behind them is served, in the end.
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
        server.signal(Signal::SIGTERM);
        server.ends_with(0)?;
        let lines = server.stdout.try_all()?;
        let most = at_a_time(&lines);
        demand(most == places, || format!("{most} were served at a time"))?;
        let idle = lines
            .iter()
            .filter(|line| line.ends_with("closed: idle for 1 s"))
            .count();
        demand(idle == 2 * MOST, || format!("{idle} were idle"))
    })
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

#[test]
fn a_flood_is_not_kept_in_memory() -> Outcome {
    const FLOODS: usize = 12;
    // A stack, a process' own pages, an entry: whatever it is, it is far less
    // than what each of them has sent.
    const EACH: u64 = 400 << 10;
    for_each_form(|form| {
        let options = "--quiet --serve until-eof";
        let server = start(form, options)?;
        be_polite(server.port(), b"warm")?;
        let before = proc::memory(server.pid);
        let floods: Vec<_> = thread::scope(|scope| {
            let flood = || scope.spawn(|| stalled(server.port()));
            let all: Vec<_> = (0..FLOODS).map(|_| flood()).collect();
            all.into_iter().filter_map(|one| one.join().ok()).collect()
        });
        let grown = proc::memory(server.pid).saturating_sub(before);
        demand(grown < EACH * FLOODS as u64, || {
            format!("{} KiB for {FLOODS} floods", grown / 1024)
        })?;
        // Neither is the processor kept busy by what cannot be sent.
        proc::at_rest(server.pid, MOMENT)?;
        drop(floods);
        server.signal(Signal::SIGTERM);
        server.ends_with(0)
    })
}

#[test]
fn each_client_gets_its_own_bytes_back_and_no_others() -> Outcome {
    for_each_form(|form| {
        let options = "--quiet --serve until-eof";
        let server = start(form, options)?;
        let port = server.port();
        thread::scope(|scope| {
            let talks: Vec<_> = (0..3)
                .map(|number| scope.spawn(move || talk(port, number)))
                .collect();
            talks.into_iter().try_for_each(|talk| {
                talk.join().unwrap_or(Err("a client panicked".into()))
            })
        })?;
        server.signal(Signal::SIGTERM);
        server.ends_with(0)
    })
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

#[test]
fn nobody_listens_on_more_than_loopback_unless_told_to() -> Outcome {
    for_each_form(|form| {
        let server = start(form, "")?;
        let found = listening("/proc/net/tcp", server.port());
        demand(found == ["0100007F"], || format!("{found:?}"))?;
        let found = listening("/proc/net/tcp6", server.port());
        demand(found.is_empty(), || format!("{found:?}"))
    })
}

/// The addresses that somebody listens on at this port, as in this file.
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

#[test]
fn a_client_that_never_ends_its_side_gets_its_reply_and_a_second() -> Outcome {
    let bound = Duration::from_secs(3);
    for_each_form(|form| soon_enough(bound, || never_end(form)))
}

/// How long a client is served that gets its reply and does not close.
fn never_end(form: &Form) -> Outcome<Duration> {
    let server = start(form, "--serve once")?;
    let mut client = Client::connect(server.port())?;
    let begin = Instant::now();
    client.talk(b"once")?;
    client.expect_end()?;
    let address = client.address.to_string();
    let closed = |line: &str| {
        let own = line.contains(&address);
        (own && line.ends_with("  closed: one exchange")).then_some(())
    };
    server.stdout.find("its end", closed)?;
    let took = begin.elapsed();
    server.signal(Signal::SIGTERM);
    server.ends_with(0)?;
    drop(client);
    Ok(took)
}

#[test]
fn what_a_half_closed_client_had_sent_comes_back() -> Outcome {
    for_each_form(|form| {
        let options = "--quiet --serve until-eof";
        let server = start(form, options)?;
        let mut dice = Dice::new(seed());
        for length in [0, 1, 1023, 1024, 1025, 4096, 100_000] {
            let message = dice.bytes(length);
            let server = (Ipv4Addr::LOCALHOST, server.port());
            let mut stream =
                TcpStream::connect(server).map_err(|e| e.to_string())?;
            let mut echo = Vec::new();
            stream
                .write_all(&message)
                .and_then(|()| stream.shutdown(Shutdown::Write))
                .and_then(|()| stream.read_to_end(&mut echo))
                .map_err(|error| format!("{length} bytes: {error}"))?;
            demand(echo == message, || {
                format!("{} of {length} bytes", echo.len())
            })?;
        }
        Ok(())
    })
}

/// The top of the repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All sources below a directory.
fn sources(directory: &Path, all: &mut String) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, all);
        } else if name.ends_with(".rs") {
            *all += &fs::read_to_string(path).unwrap_or_default();
        }
    }
}

#[test]
fn every_test_that_the_security_page_names_exists() -> Outcome {
    let text = fs::read_to_string(top().join("SECURITY.md"))
        .map_err(|error| format!("SECURITY.md: {error}"))?;
    let mut all = String::new();
    sources(&top(), &mut all);
    // Whatever stands in backquotes and reads like the name of a test.
    let names: BTreeSet<_> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.matches('_').count() >= 3)
        .collect();
    demand(names.len() >= 8, || format!("only {names:?} are named"))?;
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !all.contains(&format!("fn {name}(")))
        .collect();
    demand(missing.is_empty(), || format!("no such tests: {missing:?}"))?;
    // And each promise, a row of the table, names one.
    let bare: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains('`'))
        .filter(|line| !line.contains("| Held by"))
        .collect();
    demand(bare.is_empty(), || format!("promised, not held: {bare:?}"))
}

#[test]
fn serving_opens_no_file_and_starts_no_program() -> Outcome {
    if version().is_none() {
        skip("strace", "no file is opened");
        return Ok(());
    }
    for_each_form(|form| {
        let server = start(form, "--quiet")?;
        let calls = "trace=/^open,creat,mkdir,rename,/^unlink,/^exec";
        let options = ["-e".to_owned(), calls.to_owned()];
        let processes = proc::tree(server.pid);
        let strace = Strace::attach(Target::Processes(&processes), &options)?;
        for message in ["../../etc/passwd", "$(id)", "`id`;id|id\n", "\0"] {
            for _ in 0..4 {
                be_polite(server.port(), message.as_bytes())?;
            }
        }
        let seen = strace.detach()?;
        let mut opened = seen.iter().filter(|line| line.contains('('));
        let harmful = opened.find(|line| !of_the_allocator(line));
        demand(harmful.is_none(), || format!("{harmful:?}"))
    })
}

/// Whether a call is one that the C library makes for itself when it divides
/// memory among threads.
fn of_the_allocator(line: &str) -> bool {
    line.contains("\"/proc/sys/vm/overcommit_memory\"")
        || line.contains("\"/sys/devices/system/cpu")
}

#[test]
fn unsafe_code_stands_only_where_it_is_needed() -> Outcome {
    // The handlers, the fork, the end of a forked process, and a question
    // that the kernel answers through ioctl(2) alone.
    const PLACES: [&str; 7] = [
        "common/src/closing.rs",
        "common/src/crash.rs",
        "common/src/shutdown.rs",
        "process-server/src/children.rs",
        "process-server/src/main.rs",
        "process-server/src/signals.rs",
        "process-server/src/workers.rs",
    ];
    for directory in
        ["common", "threads-server", "process-server", "mux-server"]
    {
        let directory = top().join(directory).join("src");
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            // The tests of a file stand at its end, and serve nobody.
            let served = text.lines();
            let served = served.take_while(|line| *line != "#[cfg(test)]");
            let lines: Vec<_> = served.collect();
            for (number, line) in lines.iter().enumerate() {
                if !line.contains("unsafe {") && !line.contains("unsafe fn") {
                    continue;
                }
                let known = PLACES.iter().any(|place| path.ends_with(place));
                let before = &lines[number.saturating_sub(8)..number];
                let argued = before.iter().any(|line| {
                    let line = line.trim_start();
                    line.starts_with("// SAFETY: ") || line == "/// # Safety"
                });
                demand(known && argued, || {
                    format!("{}: {line}", path.display())
                })?;
            }
        }
    }
    Ok(())
}
