//! `--workers N`: threads, processes or loops that exist before the first
//! client; and what becomes of one that dies.

use std::collections::BTreeSet;

use probe::strace::ACCEPT;

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(no_workers_at_all_are_a_usage_error),
    case!(the_workers_exist_before_the_first_client).only(has_workers),
    case!(no_client_is_served_before_the_first_line)
        .only(has_workers)
        .needs(&[Need::Strace]),
    case!(the_workers_serve_in_turn_and_no_others_come).only(has_workers),
    case!(a_worker_that_waits_longer_than_the_idle_limit_stays).only(pool),
    case!(as_many_are_served_as_there_are_workers).only(pool),
    case!(the_limit_holds_for_all_loops_together).only(loops),
    case!(the_number_of_workers_has_its_variable).only(has_workers),
    case!(workers_without_a_client_end_soon_after_a_killed_server)
        .timed()
        .only(|form| pool(form) && processes(form)),
    case!(a_panic_is_told_and_harms_no_other_client)
        .only(blocks)
        .needs(&[Need::Strace]),
    case!(a_mistake_in_the_program_ends_it)
        .only(has_workers)
        .needs(&[Need::Strace]),
];

/// The ids of the workers of a server: of threads by their names, which each
/// gives itself when it begins.
fn workers(server: &Server, kind: Kind, number: usize) -> BTreeSet<Pid> {
    let name = if kind == Kind::Threads { "thread" } else { "loop" };
    until("each worker has begun", || {
        let found: BTreeSet<_> = match kind {
            Kind::Processes => proc::children(server.pid).into_iter().collect(),
            _ => (1..=number)
                .map(|number| format!("{name} {number}"))
                .filter_map(|name| proc::thread_named(server.pid, &name))
                .collect(),
        };
        (found.len() == number).then_some(found)
    })
}

fn no_workers_at_all_are_a_usage_error(form: &Form) {
    // In whatever form this is run: here it says itself how many there are.
    let plain = Form { workers: None, ..*form };
    for wrong in ["--workers 0", "--workers -1", "--workers all", "--workers"] {
        refusal(plain.start(wrong).no_port(), wrong);
    }
    refusal(plain.start("").env("ECHO_WORKERS", "0"), "ECHO_WORKERS=0");
}

fn the_workers_exist_before_the_first_client(form: &Form) {
    for number in [1, 5] {
        let server = form.start("").workers(number).run();
        // The first line has just come, and no client.
        let found = match form.kind {
            Kind::Processes => proc::children(server.pid).len(),
            // There is also the thread that waits for signals.
            _ => proc::threads(server.pid).len() - 1,
        };
        assert_eq!(found, number);
        server.stop();
    }
}

fn no_client_is_served_before_the_first_line(form: &Form) {
    let own = proc::own_address();
    // strace holds the first write of the server, which is that of the first
    // line. The socket listens already; the case finds out whether a worker
    // accepts a client meanwhile.
    let hold = "inject=write:delay_enter=400ms:when=1";
    let start = form.start("--serve until-eof").on(own, 20_001);
    let traced = thread::scope(|scope| {
        let eager = scope.spawn(|| {
            let mut client = until("the server listens", || {
                Client::try_connect((own, 20_001).into()).ok()
            });
            client.exchange(b"hola\n");
        });
        let calls = format!("write,{ACCEPT}");
        let traced = Traced::run(start, &calls, &["-e", hold]);
        eager.join().expect("the client is served");
        traced
    });
    let calls = traced.calls();
    let lines: Vec<&str> = calls.lines().collect();
    let place = |what: &dyn Fn(&str) -> bool| {
        let found = lines.iter().position(|line| what(line));
        found.unwrap_or_else(|| panic!("never: {calls}"))
    };
    let mut written = place(&|line| line.contains(" listening on "));
    if lines[written].contains("unfinished") {
        // Other threads have made calls before the kernel had finished this
        // one.
        let (pid, _) = lines[written].split_once(' ').unwrap_or_default();
        written = place(&|line| {
            line.starts_with(pid) && line.contains("write resumed")
        });
    }
    let accepted = place(&|line| line.contains(" accept"));
    assert!(written < accepted, "{calls}");
    // Not the diagnostics: strace adds its own when calls are held.
    traced.server.stop_unchecked();
}

fn the_workers_serve_in_turn_and_no_others_come(form: &Form) {
    let server = form.start("--serve once").workers(2).run();
    let before = workers(&server, form.kind, 2);
    let threads = proc::threads(server.pid).len();
    for _ in 0..12 {
        server.exchange_once(b"hola\n");
    }
    assert_eq!(workers(&server, form.kind, 2), before);
    assert_eq!(proc::threads(server.pid).len(), threads);
    let transcript = server.stop();
    // Each has served several, and each line says which one it was.
    let by: BTreeSet<&str> = transcript.events().map(|(who, ..)| who).collect();
    let names: BTreeSet<String> = match form.kind {
        Kind::Threads => ["thread 1", "thread 2"].map(String::from).into(),
        Kind::Loop => ["loop 1", "loop 2"].map(String::from).into(),
        Kind::Processes => {
            before.iter().map(|pid| format!("process {pid}")).collect()
        }
    };
    assert!(by.iter().all(|who| names.contains(*who)), "{by:?}");
    assert_eq!(transcript.totals.clients, 12);
}

fn a_worker_that_waits_longer_than_the_idle_limit_stays(form: &Form) {
    // The limit is that of the listening socket, too.
    let server = form.start("--idle-timeout 1").workers(2).run();
    let before = workers(&server, form.kind, 2);
    let waits = || before.iter().map(|&worker| proc::blocked(worker));
    // The first wait may still be that for the server's first line.
    for _ in 0..2 {
        soon("both wait", || proc::is_asleep(server.pid));
        let asleep: Vec<_> = waits().collect();
        soon("the limit has ended the wait of each", || {
            waits().zip(&asleep).all(|(now, then)| now != *then)
        });
    }
    assert_eq!(workers(&server, form.kind, 2), before);
    server.exchange_once(b"hola\n");
    assert_eq!(server.stop().totals.clients, 1);
}

fn as_many_are_served_as_there_are_workers(form: &Form) {
    // Whether more or fewer are asked for.
    for most in [1, 100] {
        let options = format!("--serve until-eof --max-clients {most}");
        let server = form.start(&options).workers(3).run();
        let mut inside = server.accepted_many(3);
        let mut fourth = server.sending(b"fourth");
        fourth.expect_silence();
        exchange_all(&mut inside, b"I am served\n");
        assert_eq!(server.count("  connected"), 3);
        drop(inside.pop());
        fourth.expect(b"fourth");
        drop((inside, fourth));
        assert_eq!(server.stop().totals.clients, 4);
    }
}

fn the_limit_holds_for_all_loops_together(form: &Form) {
    // More loops than places; and more places than loops.
    for (workers, most) in [(4, 2), (2, 5)] {
        let options = format!("--serve until-eof --max-clients {most}");
        let server = form.start(&options).workers(workers).run();
        let mut inside = server.accepted_many(most);
        let mut waiting = server.clients(workers);
        send_and_end(&mut waiting);
        // None of the loops takes one of these clients.
        for client in &waiting {
            client.expect_silence();
        }
        exchange_all(&mut inside, b"I am served\n");
        assert_eq!(server.count("  connected"), most);
        drop(inside.pop());
        expect_and_end(&mut waiting);
        drop(inside);
        assert_eq!(server.stop().totals.clients, (most + workers) as u64);
    }
}

fn the_number_of_workers_has_its_variable(form: &Form) {
    let plain = Form { workers: None, ..*form };
    let server = plain.start("").env("ECHO_WORKERS", "3").run();
    assert_eq!(workers(&server, form.kind, 3).len(), 3);
    server.stop();
}

fn workers_without_a_client_end_soon_after_a_killed_server(form: &Form) {
    // A busy machine may take its time; not each of three times.
    let mut attempts = (0..3).map(|_| {
        let server = form.start("--serve until-eof").workers(6).run();
        let mut client = server.served(b"before\n");
        let serving = server.process_of(&client);
        let mut idle = proc::children(server.pid);
        idle.retain(|&worker| worker != serving);
        assert_eq!(idle.len(), 5);
        server.signal(SIGKILL);
        let begin = Instant::now();
        soon("the workers without a client have ended", || {
            idle.iter().all(|&pid| proc::is_gone(pid))
        });
        let taken = begin.elapsed();
        // The worker that serves a client may take its time.
        client.exchange(b"after\n");
        client.leave();
        server.wait_until_none_is_left();
        taken
    });
    let bound = Duration::from_secs(3);
    assert!(attempts.any(|taken| taken < bound), "too long");
}

fn a_panic_is_told_and_harms_no_other_client(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut other = server.served(b"before\n");
    let mut client = server.served(b"hola\n");
    let worker = server.worker_of(&client);
    let thread = server.thread_of(&client);
    // The kernel's answer is replaced by a false one: more bytes than the
    // buffer has. A program that relies on it reads past the buffer, and Rust
    // makes it panic.
    let fault = ["-e", "inject=recvfrom:retval=5000:when=1"].map(String::from);
    let strace = Strace::attach(Target::Thread(thread), &fault);
    // Attaching has interrupted its wait; these bytes bring the next call.
    client.send(b"x");
    client.expect_any_end();
    let closed = match form.kind {
        Kind::Processes => "  died: exit status 101",
        _ => "  closed: its thread panicked",
    };
    server.wait_count(closed, 1);
    let lines = server.stdout.so_far();
    let own =
        |line: &&String| line.starts_with(&worker) && line.ends_with(closed);
    assert_eq!(lines.iter().filter(own).count(), 1, "{worker}: {lines:#?}");
    strace.detach();
    other.exchange(b"after\n");
    // As many as before are served at a time, those of a pool too.
    let more = form.workers.unwrap_or(3).max(2) - 1;
    let mut next = server.accepted_many(more);
    exchange_all(&mut next, b"and the next\n");
    drop((other, next));
    end(&server);
    // All that was sent is counted. The false number may have been added to the
    // bytes received, so those have only a lower bound.
    let totals = server.summary();
    assert_eq!(totals.clients, 2 + more as u64);
    let others = 7 + 6 + 13 * more as u64;
    // The worker that died may have reported the 5 bytes that it had sent, or
    // not.
    assert!((others..=others + 5).contains(&totals.sent), "{totals:?}");
    assert!(totals.received >= others, "{totals:?}");
    // Standard error has the message of the panic, and of no other.
    let told = server.stderr.all();
    let panics = told.iter().filter(|line| line.contains(" panicked "));
    assert_eq!(panics.count(), 1, "{told:?}");
}

/// The matrix cannot make every wait fail: strace is attached late, and nothing
/// interrupts the wait of a thread or process that only waits while others
/// accept. Here strace starts the server, and every wait fails.
fn a_mistake_in_the_program_ends_it(form: &Form) {
    // The first call does not fail: by it Rust's runtime looks at the
    // standard streams.
    let start = form.start("--serve until-eof");
    let fault = format!("inject={WAIT}:error=EFAULT:when=2+");
    let traced = Traced::run(start, WAIT, &["-e", &fault]);
    let server = &traced.server;
    // Clients wake it, however far they come.
    soon("it has ended", || {
        if let Ok(mut client) = Client::try_connect(server.address) {
            let _ = client.try_send(b"hola\n");
            let _ = client.receive(5);
        }
        !server.is_running()
    });
    let status = server.wait_status();
    // strace has the same standard error, and may have a word to say when
    // what it traces ends.
    let mut told = server.stderr.all();
    told.retain(|line| !line.starts_with("strace: "));
    assert_eq!(status, 1, "{told:?}");
    // There is one line, in however many workers the mistake happens.
    assert_eq!(told.len(), 1, "{told:?}");
}
