//! The processes of process-server: reaped, reported, and never left behind.

use nix::fcntl::{FcntlArg, fcntl};

use crate::orders::real_time_signal;
use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(a_child_that_dies_is_reported_and_harms_no_other_client)
        .only(processes),
    case!(a_death_is_reported_in_spanish).only(processes),
    case!(a_signal_to_one_child_stops_that_child_only).only(processes),
    case!(a_child_that_dies_during_a_stop_is_reported).only(processes),
    case!(nothing_outlives_a_killed_server).only(processes),
    case!(a_killed_server_leaves_its_port).only(processes),
    case!(no_child_hangs_in_a_full_pipe_of_a_killed_server).only(processes),
];

/// Signals that end a process which does not expect them, and what is printed
/// then. The libraries have no name for the last one, a real-time signal.
const DEADLY: [(Option<Signal>, &str); 4] = [
    (Some(SIGSEGV), "SIGSEGV"),
    (Some(SIGKILL), "SIGKILL"),
    (Some(SIGABRT), "SIGABRT"),
    (None, "SIG"),
];

/// How the processes have died that a transcript tells of.
fn deaths(transcript: &Transcript) -> Vec<&str> {
    let events = transcript.events().map(|(_, _, event)| event);
    let deaths = events.filter_map(|event| match event {
        Event::Died(how) => Some(how.as_str()),
        _ => None,
    });
    deaths.collect()
}

fn a_child_that_dies_is_reported_and_harms_no_other_client(form: &Form) {
    for (signal, name) in DEADLY {
        let server = form.run("--serve until-eof");
        let mut other = server.served(b"before\n");
        let mut client = server.served(b"hola\n");
        let child = server.process_of(&client);
        match signal {
            Some(signal) => proc::kill_and_wait(child, signal),
            None => real_time_signal(child),
        }
        client.expect_any_end();
        let died = format!("  died: {name}");
        let line = server
            .stdout
            .find(&died, |line| line.contains(&died).then(|| line.to_owned()));
        assert!(line.starts_with(&format!("process {child} ")), "{line}");
        soon("it is reaped", || proc::state(child).is_none());
        other.exchange(b"after\n");
        let next = server.served(b"and the next\n");
        drop((other, next));
        let transcript = server.stop();
        let totals = transcript.totals;
        assert_eq!(totals.clients, 3);
        // The bytes of the other clients, and what the dead child could still
        // report.
        let others = (7 + 6 + 13)..=(7 + 6 + 13 + 5);
        assert!(others.contains(&totals.received), "{totals:?}");
        assert!(others.contains(&totals.sent), "{totals:?}");
        assert_eq!(deaths(&transcript).len(), 1);
    }
}

fn a_death_is_reported_in_spanish(form: &Form) {
    let server = form.run("--serve until-eof --language es");
    let client = server.client();
    let end = format!("  {}  conectado", client.address);
    server.wait_count(&end, 1);
    let line = server.stdout.so_far().remove(1);
    let pid = line
        .strip_prefix("proceso ")
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("{line}"));
    proc::kill_and_wait(Pid::from_raw(pid), SIGSEGV);
    server.wait_count("  murió: SIGSEGV", 1);
    let line = server.stdout.so_far().remove(2);
    assert!(line.starts_with(&format!("proceso {pid} ")), "{line}");
    server.stop_unchecked();
}

fn a_signal_to_one_child_stops_that_child_only(form: &Form) {
    for signal in [SIGTERM, SIGINT] {
        let server = form.run("--serve until-eof");
        let before = proc::children(server.pid).len();
        let mut other = server.accepted();
        let mut client = server.accepted();
        let child = server.process_of(&client);
        kill(child, signal).expect("the server's child can be signalled");
        client.expect_end();
        let reason = server.wait_closed(client.address);
        assert_eq!(reason, ": server stopping");
        other.exchange(b"still served\n");

        // Each further one merely begins the same stop again.
        let (mut slow, sent) = server.stalled();
        let child = server.process_of(&slow);
        for _ in 0..3 {
            kill(child, signal).expect("the child can be signalled");
        }
        slow.expect(&pattern(sent));
        slow.expect_end();
        // As many as before serve what comes next.
        drop(other);
        for _ in 0..6 {
            server.served(b"and the service goes on\n");
        }
        soon("there are as many children as before", || {
            proc::children(server.pid).len() == before
        });
        let totals = server.stop().totals;
        assert_eq!(totals.clients, 9);
        assert_eq!(totals.received, (13 + sent + 6 * 24) as u64);
    }
}

fn a_child_that_dies_during_a_stop_is_reported(form: &Form) {
    let mut server = form.run("--serve until-eof --grace 15");
    let (slow, _) = server.stalled();
    let child = server.process_of(&slow);
    let mut idle = server.accepted();
    server.signal(SIGTERM);
    idle.expect_end();
    proc::kill_and_wait(child, SIGKILL);
    let transcript = server.transcript();
    assert_eq!(deaths(&transcript), ["SIGKILL"]);
    assert_eq!(transcript.totals.clients, 2);
}

fn nothing_outlives_a_killed_server(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut client = server.served(b"before\n");
    let mut silent = server.accepted();
    server.signal(SIGKILL);
    assert_eq!(server.wait_status(), 128 + 9);
    // The children finish with their clients…
    client.exchange(b"after\n");
    client.leave();
    silent.exchange(b"me too\n");
    drop(silent);
    // …and end.
    server.wait_until_none_is_left();

    // Without any client, nothing is left either.
    let server = form.run("");
    server.signal(SIGKILL);
    server.wait_until_none_is_left();
}

/// A report of each child goes into one pipe. When no process reads it any
/// more, writing must fail instead of waiting for room.
fn no_child_hangs_in_a_full_pipe_of_a_killed_server(form: &Form) {
    // The smallest pipe there is, one page, has room for 102 reports.
    const CLIENTS: usize = 150;
    let mut start = form.start("--serve until-eof").room_for(CLIENTS);
    if form.workers.is_some() {
        start = start.workers(CLIENTS);
    }
    let server = start.run();
    let clients = server.accepted_many(CLIENTS);
    shrink_pipes(server.pid);
    server.signal(SIGKILL);
    server.wait_status();
    drop(clients);
    server.wait_until_none_is_left();
}

/// Makes every pipe of which this process has the reading end small.
fn shrink_pipes(pid: Pid) {
    let pipes = proc::descriptors(pid);
    let pipes = pipes.iter().filter(|(_, what)| what.starts_with("pipe:"));
    let mut shrunk = 0;
    for (fd, _) in pipes {
        // Opened once more, and closed again before the server is killed.
        let path = format!("/proc/{pid}/fd/{fd}");
        let Ok(pipe) = fs::File::open(path) else { continue };
        shrunk += u32::from(fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(4096)).is_ok());
    }
    assert!(shrunk > 0, "no pipe is found");
}

fn a_killed_server_leaves_its_port(form: &Form) {
    let own = proc::own_address();
    let start = || form.start("--serve until-eof").on(own, 20_001).run();
    let first = start();
    let mut client = first.served(b"before\n");
    first.signal(SIGKILL);
    first.wait_status();
    if form.workers.is_some() {
        // Workers without a client have the listening socket until they end.
        let serving = first.process_of(&client);
        soon("the other workers are gone", || {
            let left = proc::living(first.group);
            left.iter().all(|child| *child == serving)
        });
    }
    // A child that serves on has no listening socket.
    let second = start();
    second.client().exchange(b"from the next server\n");
    client.exchange(b"from the child of the first\n");
    drop(client);
    first.wait_until_none_is_left();
    second.stop();
}
