//! How many system calls a message costs, and how many a connection. The
//! numbers are stated here, so that no change adds a call unseen.

use std::collections::BTreeMap;

use crate::faults::census::call;
use crate::prelude::*;

/// The cases of both.
pub const CASES: &[Case] = &[
    case!(no_more_system_calls_are_made_than_the_budget_has)
        .needs(&[Need::Strace])
        .timed(),
    case!(no_size_of_message_costs_a_delayed_acknowledgement).timed(),
];

/// Of every form: how many calls each message of a connection that stays may
/// cost; and how many each connection of one exchange, its creation and its
/// end and the C library's own calls included. A call more is to be argued
/// here.
const BUDGETS: [(&str, u32, u32); 10] = [
    // recv, send. And accept4, which finds a client, then none, and poll; the
    // creation and the end of a thread take eleven in the C library.
    ("threads", 2, 19),
    // accept4, recv, send, and four for the close that loses nothing.
    ("threads-workers", 2, 7),
    // clone and the signal of its end, wait4 twice, and the report; and three
    // waits, each with an accept4: for the client, for the report and for the
    // end of the child.
    ("process", 2, 27),
    // Two reports for each client, each of which wakes the server.
    ("process-workers", 2, 14),
    // The wait, recv, send. And a wait for each step of a connection, and
    // ioctl, which makes its socket non-blocking.
    ("mux-select", 3, 10),
    ("mux-poll", 3, 10),
    // Two of epoll_ctl besides.
    ("mux-epoll", 3, 12),
    // A client wakes both loops, and one of them in vain: a wait and accept4.
    ("mux-select-workers", 3, 12),
    ("mux-poll-workers", 3, 12),
    // With EPOLLEXCLUSIVE it wakes one.
    ("mux-epoll-workers", 3, 12),
];

/// How many calls were made, by name.
type Calls = BTreeMap<String, u32>;

/// Messages, or connections, of the longer run less those of the shorter one.
/// What surrounds them, the first client and the last, is in both.
const STEPS: u32 = 32;

/// How many calls each step takes, of the form's server: the difference of a
/// long run and a short one.
fn each(form: &Form, run: fn(&Form, u32) -> Calls) -> f64 {
    let total = |steps| f64::from(run(form, steps).values().sum::<u32>());
    (total(4 + STEPS) - total(4)) / f64::from(STEPS)
}

/// The calls of a server whose one client sends so many messages.
fn messages(form: &Form, number: u32) -> Calls {
    watch(form, "until-eof", |server| {
        let mut client = server.client();
        (0..number).for_each(|_| client.exchange(b"hola\n"));
        client.leave();
    })
}

/// The calls of a server that has so many clients, one after the other.
fn connections(form: &Form, number: u32) -> Calls {
    watch(form, "once", |server| {
        for _ in 0..number {
            server.exchange_once(b"hola\n");
            // What it does after one client and for the next one may share a
            // wait or not, so the next one comes when it is at rest.
            proc::settled(server.pid);
        }
    })
}

/// The calls of a server while its clients do something.
fn watch(form: &Form, serve: &str, clients: impl Fn(&Server)) -> Calls {
    let server = form.run(&format!("--quiet --serve {serve}"));
    // Workers have still to begin when the first line is printed.
    proc::settled(server.pid);
    let tree = proc::tree(server.pid);
    let strace = Strace::attach(Target::Processes(&tree), &[]);
    clients(&server);
    proc::settled(server.pid);
    let mut calls = Calls::new();
    for name in strace.detach().iter().filter_map(|line| call(line)) {
        // The standard library's own look at what it closes: debug builds.
        if name == "fcntl" {
            continue;
        }
        *calls.entry(name).or_default() += 1;
    }
    calls
}

/// It fails too when the form takes so much less that the budget says nothing
/// any more.
fn no_more_system_calls_are_made_than_the_budget_has(form: &Form) {
    let budget = BUDGETS.iter().find(|(name, ..)| *name == form.name);
    let &(_, message, connection) = budget.expect("each form has a budget");
    for (step, budget, calls) in [
        ("message", message, each(form, messages)),
        ("connection", connection, each(form, connections)),
    ] {
        // Some calls are made once in a while: to restart a wait, for example.
        let most = f64::from(budget) + 0.25;
        assert!(
            calls <= most && calls >= most * 0.75,
            "{calls:.2} for each {step}, at most {budget}
\
             of {STEPS} connections: {:?}",
            connections(form, STEPS)
        );
    }
}

/// The least time for which Linux holds back an acknowledgement that it has
/// no data to send with.
const DELAYED_ACK: Duration = Duration::from_millis(40);

/// Round trips whose time is taken together.
const ROUND_TRIPS: u32 = 20;

/// A message of one byte more than a buffer, and one of many buffers, must
/// not wait for an acknowledgement that the client's kernel delays.
fn no_size_of_message_costs_a_delayed_acknowledgement(form: &Form) {
    long_messages(form, 1025);
    long_messages(form, 10_000);
}

/// Sends messages of so many bytes, one after the other, and demands that
/// their round trips take less than half the time of as many delayed
/// acknowledgements. A reply of more than one buffer leaves in several
/// pieces; without `TCP_NODELAY` the kernel of the server holds the second
/// one back until the first is acknowledged, which the kernel of the client
/// puts off. One of three tries must keep the limit, for a busy machine.
fn long_messages(form: &Form, bytes: usize) {
    let server = form.run("--quiet --serve until-eof");
    let mut client = server.client();
    let message = vec![b'x'; bytes];
    let mut round_trips = || {
        let begin = Instant::now();
        (0..ROUND_TRIPS).for_each(|_| client.exchange(&message));
        begin.elapsed()
    };
    // At the beginning of a connection Linux acknowledges at once.
    round_trips();
    let most = DELAYED_ACK * ROUND_TRIPS / 2;
    let tries = [(); 3].map(|()| round_trips());
    assert!(
        tries.iter().any(|time| *time < most),
        "{ROUND_TRIPS} round trips of {bytes} bytes take {tries:?}, none less \
         than {most:?}"
    );
    client.leave();
}
