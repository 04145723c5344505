//! Signals and the ends of children, at the moments when they might do harm:
//! see `orders` for how such a moment is made to last.

use std::collections::BTreeSet;

use probe::proc::{is_gone, sockets, state};

use super::{
    ACCEPT, CLONE, CLOSE, Call, GETPID, POLL, PRCTL, Side, WAIT, catch,
    childless, client, force, held, hold, real_time_signal, signal, talk_while,
};
use crate::forms::{all_end, replaced, stop, stopped};
use crate::hostile::flooded_by;
use crate::prelude::*;

/// The cases, each with the forms that it concerns.
pub const CASES: &[Case] = &[
    case!(a_child_that_ends_between_the_check_and_the_wait_is_reaped)
        .only(each)
        .needs(&[Need::Strace])
        .slow(),
    case!(a_server_at_its_limit_notices_an_end_between_the_check_and_the_wait)
        .only(each)
        .needs(&[Need::Strace])
        .slow(),
    case!(two_hundred_children_that_end_at_once_are_all_reaped).only(each),
    case!(children_that_end_at_once_in_many_ways_are_all_reaped).only(each),
    case!(a_hundred_children_that_end_in_the_middle_of_a_stop_are_counted)
        .only(each),
    case!(a_stop_while_a_fork_is_in_progress_reaches_the_child)
        .only(each)
        .needs(&[Need::Strace])
        .slow(),
    case!(a_stop_while_a_worker_is_being_replaced_reaches_it)
        .only(worker_processes)
        .needs(&[Need::Strace])
        .slow(),
    case!(a_stop_between_accept_and_the_first_line_still_answers)
        .only(pool)
        .needs(&[Need::Strace])
        .slow(),
    case!(a_signal_between_the_fork_and_the_first_line_is_not_lost)
        .only(each)
        .needs(&[Need::Strace])
        .slow(),
    case!(a_stray_signal_to_the_server_changes_nothing).only(processes),
    case!(a_worker_that_got_the_signal_of_a_cut_harms_no_other_worker)
        .only(worker_processes),
    case!(a_child_that_is_stopped_cannot_hold_up_a_stop).only(processes),
    case!(a_cut_that_interrupts_the_handler_of_the_stop_is_not_lost)
        .only(processes)
        .needs(&[Need::Strace])
        .slow(),
    case!(a_third_signal_leaves_no_child_behind)
        .only(each)
        .needs(&[Need::Strace])
        .slow(),
    case!(a_child_that_is_not_its_own_is_reaped_and_changes_nothing)
        .only(processes),
    case!(blocked_signals_that_it_inherits_block_nothing).only(processes),
    case!(a_worker_killed_while_idle_is_replaced).only(worker_processes),
    case!(a_worker_killed_while_it_serves_ends_no_other_conversation)
        .only(worker_processes),
    case!(a_child_holds_the_socket_of_its_client_and_no_other).only(each),
    case!(a_worker_holds_the_listener_and_the_socket_of_its_client)
        .only(worker_processes),
    case!(a_new_worker_whose_server_is_killed_ends)
        .only(worker_processes)
        .needs(&[Need::Strace])
        .slow(),
];

fn each(form: &Form) -> bool {
    processes(form) && !has_workers(form)
}

fn worker_processes(form: &Form) -> bool {
    processes(form) && has_workers(form)
}

// What happens between a check and a wait.

/// A child ends while the server is held at this call, on its way from the
/// check for ended children to the wait for the next event.
fn end_while_held(form: &Form, call: Call, side: Side, full: bool) {
    let most = if full { 2 } else { 9 };
    force(form, &format!("--max-clients {most}"), |server, time| {
        let pid = server.pid;
        let (mut first, child) = client(server);
        let strace = hold(Target::Thread(pid), call, side, time, false);
        let (mut second, _) = client(server);
        let caught = catch(|| held(pid, call));
        first.leave();
        soon("the child is a zombie", || is_gone(child));
        let in_time = caught && held(pid, call) && state(child) == Some('Z');
        soon("it is reaped", || state(child).is_none());
        strace.detach();
        // The server notices that there is room: a third client is served.
        let (mut third, _) = client(server);
        second.leave();
        third.leave();
        childless(server);
        stop(server, 3, 15);
        in_time
    });
}

fn a_child_that_ends_between_the_check_and_the_wait_is_reaped(form: &Form) {
    // The check is over, and the signal comes before the wait.
    end_while_held(form, ACCEPT, Side::Before, false);
    end_while_held(form, ACCEPT, Side::Behind, false);
    // The wait has been called, and the kernel has not begun.
    end_while_held(form, POLL, Side::Before, false);
}

fn a_server_at_its_limit_notices_an_end_between_the_check_and_the_wait(
    form: &Form,
) {
    end_while_held(form, POLL, Side::Before, true);
}

// Many at once.

/// So many clients in service, each with its process.
fn crowd(server: &Server, number: usize) -> Vec<(Client, Pid)> {
    (0..number).map(|_| client(server)).collect()
}

/// Stops a server's process, so that it sees only later what happens now.
fn suspend(server: &Server) {
    server.signal(SIGSTOP);
    soon("the server is stopped", || state(server.pid) == Some('T'));
}

/// Waits until all children of a suspended server have ended, and lets the
/// server go on.
fn resume(server: &Server, crowd: &[(Client, Pid)]) {
    soon("all are zombies", || {
        crowd.iter().all(|&(_, child)| state(child) == Some('Z'))
    });
    server.signal(Signal::SIGCONT);
    childless(server);
}

fn two_hundred_children_that_end_at_once_are_all_reaped(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut crowd = crowd(&server, 200);
    suspend(&server);
    for (client, _) in &mut crowd {
        client.leave();
    }
    // 200 signals of one kind are one signal: it is all that the server gets.
    resume(&server, &crowd);
    server.exchange(b"12345");
    stop(&server, 201, 201 * 5);
}

fn children_that_end_at_once_in_many_ways_are_all_reaped(form: &Form) {
    const EACH: usize = 12;
    let server = form.run("--serve until-eof");
    let mut crowd = crowd(&server, 4 * EACH);
    suspend(&server);
    for (number, (client, child)) in crowd.iter_mut().enumerate() {
        match number % 4 {
            0 => client.leave(),
            1 => signal(*child, SIGKILL),
            2 => real_time_signal(*child),
            _ => signal(*child, SIGTERM),
        }
    }
    resume(&server, &crowd);
    // Half of them could not report: those bytes are not counted.
    stop(&server, 4 * EACH as u64, 2 * EACH as u64 * 5);
    let lines = server.stdout.all();
    let died = lines.iter().filter(|line| line.contains("  died: "));
    assert!(died.count() == 2 * EACH, "not all deaths are told");
}

fn a_hundred_children_that_end_in_the_middle_of_a_stop_are_counted(
    form: &Form,
) {
    let server = form.run("--serve until-eof");
    let mut crowd = crowd(&server, 100);
    server.signal(SIGSTOP);
    for (client, _) in &mut crowd[..50] {
        client.leave();
    }
    // Both signals are there when it goes on, in whatever order.
    server.signal(SIGTERM);
    server.signal(Signal::SIGCONT);
    for (client, _) in &mut crowd[50..] {
        client.expect_end();
    }
    stopped(&server, 100, 500);
}

// A fork in progress.

/// Asks the server alone to stop.
fn terminate(server: &Server) {
    signal(server.pid, SIGTERM);
}

/// Asks the server and its children to stop, as a terminal does.
fn ctrl_c(server: &Server) {
    server.signal_group(SIGINT);
}

fn stop_while_forking(form: &Form, side: Side, ask: fn(&Server)) {
    force(form, "", |server, time| {
        let pid = server.pid;
        let strace = hold(Target::Thread(pid), CLONE, side, time, false);
        let is_held = || held(pid, CLONE);
        let in_time = talk_while(is_held, server, time, || ask(server));
        stopped(server, 1, 5);
        strace.detach();
        in_time
    });
}

fn a_stop_while_a_fork_is_in_progress_reaches_the_child(form: &Form) {
    stop_while_forking(form, Side::Before, terminate);
    stop_while_forking(form, Side::Behind, terminate);
    stop_while_forking(form, Side::Before, ctrl_c);
    stop_while_forking(form, Side::Behind, ctrl_c);
}

fn a_stop_while_a_worker_is_being_replaced_reaches_it(form: &Form) {
    for side in [Side::Before, Side::Behind] {
        force(form, "", |server, time| {
            let pid = server.pid;
            server.exchange(b"hello");
            let strace = hold(Target::Thread(pid), CLONE, side, time, false);
            signal(proc::children(pid)[0], SIGKILL);
            let caught = catch(|| held(pid, CLONE));
            server.signal(SIGTERM);
            let in_time = caught && held(pid, CLONE);
            stopped(server, 1, 5);
            strace.detach();
            in_time
        });
    }
}

fn a_stop_between_accept_and_the_first_line_still_answers(form: &Form) {
    force(form, "", |server, time| {
        // What accepts a client is a process or a thread.
        let mut workers = proc::children(server.pid);
        workers.extend(proc::threads(server.pid));
        let processes = proc::tree(server.pid);
        let target = Target::Processes(&processes);
        let strace = hold(target, ACCEPT, Side::Behind, time, false);
        let is_held = || workers.iter().any(|&one| held(one, ACCEPT));
        let in_time = talk_while(is_held, server, time, || terminate(server));
        stopped(server, 1, 5);
        strace.detach();
        in_time
    });
}

// A child that has hardly begun.

/// A signal comes when the child exists and has not done anything yet.
fn signal_a_new_child(form: &Form, send: impl Fn(&Server, Pid), goes_on: bool) {
    force(form, "", |server, time| {
        let target = Target::Processes(&[server.pid]);
        let strace = hold(target, CLOSE, Side::Before, time, true);
        let child = || proc::children(server.pid).first().copied();
        let is_held = || child().is_some_and(|child| held(child, CLOSE));
        let in_time = talk_while(is_held, server, time, || {
            send(server, child().expect("the child is there"));
        });
        if goes_on {
            childless(server);
            strace.detach();
            server.exchange(b"hello");
            stop(server, 2, 10);
        } else {
            stopped(server, 1, 5);
            strace.detach();
        }
        in_time
    });
}

fn a_signal_between_the_fork_and_the_first_line_is_not_lost(form: &Form) {
    // To the child alone: the server goes on.
    signal_a_new_child(form, |_, child| signal(child, SIGTERM), true);
    // To the server, which hands it on; and to both.
    signal_a_new_child(form, |server, _| terminate(server), false);
    signal_a_new_child(form, |server, _| ctrl_c(server), false);
}

// One child alone.

/// Signals that mean nothing to the process that gets them.
fn a_stray_signal_to_the_server_changes_nothing(form: &Form) {
    let server = form.run("--serve until-eof");
    let (mut one, child) = client(&server);
    for stray in [
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGCHLD,
        Signal::SIGCONT,
        Signal::SIGWINCH,
        Signal::SIGPIPE,
        Signal::SIGURG,
    ] {
        for _ in 0..20 {
            signal(server.pid, stray);
        }
        one.exchange(b"as ever");
        server.exchange(b"12345");
    }
    for stray in [Signal::SIGCHLD, Signal::SIGCONT, Signal::SIGPIPE] {
        signal(child, stray);
        one.exchange(b"as ever");
    }
    one.leave();
    stop(&server, 8, 5 + 10 * 7 + 7 * 5);
}

fn a_worker_that_got_the_signal_of_a_cut_harms_no_other_worker(form: &Form) {
    let server = form.run("--serve until-eof");
    for worker in proc::children(server.pid) {
        signal(worker, Signal::SIGUSR1);
    }
    for _ in 0..12 {
        server.exchange(b"12345");
    }
    stop(&server, 12, 60);
}

// Ctrl-C, and again.

fn a_child_that_is_stopped_cannot_hold_up_a_stop(form: &Form) {
    let server = form.run("--serve until-eof --grace 0");
    let (_client, child) = client(&server);
    signal(child, SIGSTOP);
    soon("it is stopped", || state(child) == Some('T'));
    server.signal(SIGTERM);
    server.ends_with(0);
    assert!(is_gone(child), "it has left the child behind");
}

/// With `--grace 0` the server sends the cut directly behind the SIGTERM, and
/// the cut may interrupt the handler of that.
fn a_cut_that_interrupts_the_handler_of_the_stop_is_not_lost(form: &Form) {
    force(form, "--grace 0", |server, time| {
        let (slow, _) = server.stalled();
        let child = server.process_of(&slow);
        // The handler has begun, and has not noted the stop yet.
        let strace =
            hold(Target::Thread(child), GETPID, Side::Before, time, true);
        signal(child, SIGTERM);
        let caught = catch(|| held(child, GETPID));
        server.signal(SIGTERM);
        let in_time = caught
            && catch(|| {
                proc::has_pending(child, Signal::SIGUSR1) && held(child, GETPID)
            });
        server.ends_with(0);
        strace.detach();
        // A child that has lost the cut waits for its client until it is
        // killed, and the summary misses what it has received.
        Transcript::check(Kind::Processes, &server.stdout.all());
        in_time
    });
}

fn a_third_signal_leaves_no_child_behind(form: &Form) {
    force(form, "--grace 60", |server, time| {
        let pid = server.pid;
        // Each of them would wait for its client for a minute.
        let crowd = at_once(5, |_| flooded_by(server));
        let children = proc::children(pid);
        server.signal(SIGTERM);
        server.wait_for_notice();
        // It is held where it reaps the first of those that it kills.
        let strace = hold(Target::Thread(pid), WAIT, Side::Before, time, false);
        server.signal(SIGTERM);
        let caught = catch(|| held(pid, WAIT));
        // Within 0.2 s the signal would be the same request.
        thread::sleep(Duration::from_millis(250));
        server.signal(SIGTERM);
        let in_time = caught && held(pid, WAIT);
        server.ends_with(130);
        strace.detach();
        all_end(&children);
        drop(crowd);
        in_time
    });
}

// What a server inherits.

fn a_child_that_is_not_its_own_is_reaped_and_changes_nothing(form: &Form) {
    // Status 1 is what a worker ends with that met a mistake.
    let shell = "(sleep 0.2; exit 1) & (sleep 0.2; exit 101) & exec \"$@\"";
    let words = ["sh", "-c", shell, "sh"];
    let server = form.start("--serve until-eof").under_words(words).run();
    let own = form.workers.unwrap_or(0);
    soon("the others are reaped", || proc::children(server.pid).len() == own);
    server.exchange(b"12345");
    stop(&server, 1, 5);
}

fn blocked_signals_that_it_inherits_block_nothing(form: &Form) {
    let block = "env --block-signal=CHLD,TERM,USR1,USR2";
    let server = form.start("--serve until-eof").under(block).run();
    for _ in 0..4 {
        server.exchange(b"12345");
    }
    if form.workers.is_none() {
        childless(&server);
    }
    stop(&server, 4, 20);
}

// Workers that are killed.

fn a_worker_killed_while_idle_is_replaced(form: &Form) {
    let server = form.run("--serve until-eof");
    for _ in 0..5 {
        // What they have served stays in the totals.
        for _ in 0..4 {
            server.exchange(b"12345");
        }
        // The last thing that a worker does for a client is to report it.
        proc::settled(server.pid);
        let before = proc::children(server.pid);
        // All at once: none is left to take a client meanwhile.
        for &worker in &before {
            signal(worker, SIGKILL);
        }
        for worker in &before {
            let died = format!("process {worker} ");
            server.stdout.find("its death", |line| {
                let own = line.starts_with(&died);
                (own && line.ends_with("  died: SIGKILL")).then_some(())
            });
        }
        soon("there are new ones", || {
            let now = proc::children(server.pid);
            now.len() == before.len()
                && now.iter().all(|worker| !before.contains(worker))
        });
        server.exchange(b"12345");
    }
    proc::at_rest(server.pid);
    stop(&server, 25, 125);
}

fn a_worker_killed_while_it_serves_ends_no_other_conversation(form: &Form) {
    let server = form.run("--serve until-eof");
    // Each worker has served a client, and that client stays counted.
    for _ in 0..9 {
        server.exchange(b"12345");
    }
    let (mut first, child) = client(&server);
    let (mut second, _) = client(&server);
    signal(child, SIGKILL);
    first.expect_end();
    second.exchange(b"still");
    second.leave();
    replaced(&server, child);
    server.exchange(b"12345");
    stop(&server, 12, 9 * 5 + 10 + 5);
}

// What a child inherits.

/// Asserts that each of these has one socket, through which it has answered
/// its client, and besides it only those that are `shared`.
fn assert_each_has_its_socket(crowd: &[(Client, Pid)], shared: &[String]) {
    let mut seen = BTreeSet::new();
    for (client, child) in crowd {
        let (own, others): (Vec<_>, Vec<_>) =
            sockets(*child).into_iter().partition(|it| !shared.contains(it));
        let is_own = own.len() == 1 && seen.insert(own[0].clone());
        assert!(
            is_own && others == shared,
            "{} is served with {own:?} and {others:?}",
            client.address
        );
    }
}

/// The listening socket: the only one of a server without a client.
fn listener(server: &Server) -> Vec<String> {
    let listener = sockets(server.pid);
    assert!(listener.len() == 1, "at the start: {listener:?}");
    listener
}

fn a_child_holds_the_socket_of_its_client_and_no_other(form: &Form) {
    let server = form.run("--serve until-eof");
    let listener = listener(&server);
    let mut crowd = crowd(&server, 12);
    assert_each_has_its_socket(&crowd, &[]);
    // The server itself has kept none of them, and none of them is its own.
    assert_eq!(sockets(server.pid), listener, "the server's");
    for (client, child) in &mut crowd {
        assert_ne!(sockets(*child), listener);
        client.leave();
    }
    stop(&server, 12, 60);
}

fn a_worker_holds_the_listener_and_the_socket_of_its_client(form: &Form) {
    let server = form.run("--serve until-eof");
    let listener = listener(&server);
    let mut crowd = crowd(&server, 3);
    assert_each_has_its_socket(&crowd, &listener);
    for (client, _) in &mut crowd[1..] {
        client.leave();
    }
    // One that is replaced while others serve inherits nothing of theirs.
    let idle = crowd[1].1;
    soon("it is idle", || sockets(idle) == listener);
    signal(idle, SIGKILL);
    soon("it is replaced, by one with the listener alone", || {
        let now = proc::children(server.pid);
        now.len() == 3
            && !now.contains(&idle)
            && now.iter().filter(|&&pid| sockets(pid) == listener).count() == 2
    });
    crowd[0].0.leave();
    stop(&server, 3, 15);
}

// Without a parent.

fn a_new_worker_whose_server_is_killed_ends(form: &Form) {
    force(form, "", |server, time| {
        let pid = server.pid;
        let before = proc::children(pid);
        let target = Target::Processes(&[pid]);
        let strace = hold(target, PRCTL, Side::Before, time, false);
        signal(before[0], SIGKILL);
        let new_child = || {
            let mut now = proc::children(pid).into_iter();
            now.rfind(|child| !before.contains(child))
        };
        let caught =
            catch(|| new_child().is_some_and(|child| held(child, PRCTL)));
        let child = new_child().expect("the worker is there");
        let orphans = proc::children(pid);
        server.signal(SIGKILL);
        server.ends_with(128 + 9);
        let in_time = caught && held(child, PRCTL);
        all_end(&orphans);
        strace.detach();
        in_time
    });
}
