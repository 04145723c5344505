//! `--cpu-work`: processor time that each message costs.

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(work_is_done_for_each_message_before_its_reply).slow(),
    case!(without_work_a_message_costs_next_to_nothing),
    case!(work_has_its_variable),
    case!(impossible_work_is_a_usage_error),
];

/// Exchanges messages with two clients at a time; returns the processor time
/// that this has cost the server, once both have left.
fn cost(form: &Form, server: &Server, messages: usize) -> Duration {
    // Of those that exist at the start; others are counted when reaped.
    let before = proc::processor_time(server.pid);
    let mut clients = server.accepted_many(2);
    for _ in 0..messages {
        exchange_all(&mut clients, b"hola\n");
    }
    drop(clients);
    let pool = form.workers.unwrap_or(0);
    soon("those that served them are reaped", || {
        proc::children(server.pid).len() <= pool
    });
    proc::processor_time(server.pid).saturating_sub(before)
}

fn work_is_done_for_each_message_before_its_reply(form: &Form) {
    const WORK: Duration = Duration::from_millis(40);
    const MESSAGES: u32 = 6;
    let server = form.run("--serve until-eof --cpu-work 40000");
    let mut client = server.accepted();
    let begin = Instant::now();
    client.exchange(b"hola\n");
    // Processor time takes at least as long by the clock on the wall.
    assert!(begin.elapsed() >= WORK, "{:?}", begin.elapsed());
    // None of it before there is a message.
    let silent = server.accepted();
    silent.expect_silence();
    drop((client, silent));
    let asked = WORK * 2 * MESSAGES;
    let cost = cost(form, &server, MESSAGES as usize);
    // The kernel counts whole hundredths of a second for each process.
    let processes =
        2 + u32::try_from(proc::children(server.pid).len()).unwrap_or(0);
    let uncounted = Duration::from_millis(10) * processes;
    assert!(cost + uncounted >= asked, "{cost:?} for {asked:?} of work");
    assert!(cost < asked * 2, "{cost:?} for {asked:?} of work");
    server.stop();
}

fn without_work_a_message_costs_next_to_nothing(form: &Form) {
    for options in ["--serve until-eof", "--serve until-eof --cpu-work 0"] {
        let server = form.run(options);
        let cost = cost(form, &server, 6);
        assert!(cost < Duration::from_millis(150), "{cost:?}");
        server.stop();
    }
}

fn work_has_its_variable(form: &Form) {
    let server = form.start("").env("ECHO_CPU_WORK", "50000").run();
    let mut client = server.accepted();
    let begin = Instant::now();
    client.exchange(b"hola\n");
    let taken = begin.elapsed();
    assert!(taken >= Duration::from_millis(50), "{taken:?}");
    drop(client);
    server.stop();
}

fn impossible_work_is_a_usage_error(form: &Form) {
    for wrong in ["--cpu-work -1", "--cpu-work much", "--cpu-work"] {
        refusal(form.start(wrong).no_port(), wrong);
    }
}
