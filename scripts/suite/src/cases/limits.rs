//! Many clients: the limit, the queue, and what is left of them afterwards.

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(beyond_the_limit_clients_wait_and_are_served_later),
    case!(as_many_as_the_limit_are_served_at_a_time),
    case!(a_server_at_its_client_limit_does_not_spin),
    case!(a_burst_of_hundreds_is_served).slow(),
    case!(a_thousand_clients_wait_in_the_queue).slow(),
    case!(by_default_1024_are_served_at_a_time)
        .only(|form| !select(form) && !pool(form))
        .needs(&[Need::Descriptors])
        .slow(),
    case!(select_serves_no_more_than_it_can_hold)
        .only(select)
        .needs(&[Need::Descriptors])
        .slow(),
];

fn beyond_the_limit_clients_wait_and_are_served_later(form: &Form) {
    let server = form.start("--serve until-eof").at_most(1).run();
    let mut first = server.accepted();
    let mut waiting = server.clients(5);
    send_and_end(&mut waiting);
    waiting[0].expect_silence();
    first.exchange(b"I am served\n");
    assert_eq!(server.count("  connected"), 1);
    drop(first);
    expect_and_end(&mut waiting);
    assert_eq!(server.stop().totals.clients, 6);
}

fn as_many_as_the_limit_are_served_at_a_time(form: &Form) {
    let server = form.start("--serve until-eof").at_most(3).run();
    let mut inside = server.accepted_many(3);
    let mut fourth = server.sending(b"fourth");
    let mut fifth = server.sending(b"fifth");
    fourth.expect_silence();
    exchange_all(&mut inside, b"I am served\n");
    // One client goes and the next comes, in the order in which they came.
    drop(inside.pop());
    fourth.expect(b"fourth");
    fifth.expect_silence();
    assert_eq!(server.count("  connected"), 4);
    drop(inside.pop());
    fifth.expect(b"fifth");
    drop((inside, fourth, fifth));
    server.stop();
}

fn a_server_at_its_client_limit_does_not_spin(form: &Form) {
    let server = form.start("--serve until-eof").at_most(1).run();
    let first = server.accepted();
    let waiting = [server.client(), server.client()];
    proc::assert_idle(server.pid, "a full server with clients waiting");
    drop((first, waiting));
    server.stop();
}

fn a_burst_of_hundreds_is_served(form: &Form) {
    const THREADS: u64 = 8;
    const EACH: usize = 50;
    let server = form.run("--serve once");
    at_once(THREADS, |_| {
        // All connect, then all speak, then all are served.
        let mut clients = server.clients(EACH);
        send_and_end(&mut clients);
        expect_and_end(&mut clients);
    });
    let totals = server.stop().totals;
    assert_eq!(totals.clients, THREADS * EACH as u64);
    assert_eq!(totals.sent, THREADS * EACH as u64 * 5);
}

fn a_thousand_clients_wait_in_the_queue(form: &Form) {
    let server = form.start("--serve until-eof").at_most(1).run();
    let first = server.accepted();
    // The kernel may allow less than the backlog asked for.
    let most: usize = fs::read_to_string("/proc/sys/net/core/somaxconn")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(128);
    let count = most.min(1000);
    // If the queue were too short, some clients would wait for a connection.
    let mut waiting = server.clients(count);
    send_and_end(&mut waiting);
    waiting[count - 1].expect_silence();
    drop(first);
    expect_and_end(&mut waiting);
    assert_eq!(server.stop().totals.clients, count as u64 + 1);
}

fn by_default_1024_are_served_at_a_time(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut clients = server.clients(1030);
    server.wait_count("  connected", 1024);
    clients[1023].exchange(b"the last one\n");
    clients[1024].send(b"the first one that waits\n");
    clients[1024].expect_silence();
    assert_eq!(server.count("  connected"), 1024);
    drop(clients.remove(0));
    clients[1023].expect(b"the first one that waits\n");
    drop(clients);
    server.stop();
}

fn select_serves_no_more_than_it_can_hold(form: &Form) {
    const CLIENTS: usize = 1100;
    let server = form.run("--serve until-eof --max-clients 2000");
    let mut clients = server.clients(CLIENTS);
    // Descriptors up to 1023, some of which are not clients.
    server.wait_count("  connected", 1000);
    clients[999].exchange(b"one of those served\n");
    clients[CLIENTS - 1].send(b"the last one\n");
    clients[CLIENTS - 1].expect_silence();
    stays("no more than fit", || server.count("  connected") < 1024);
    proc::assert_idle(server.pid, "as many clients as select can hold");
    clients.drain(..CLIENTS - 900);
    let last = clients.last_mut().expect("there are 900");
    last.expect(b"the last one\n");
    last.exchange(b"and the service goes on\n");
    drop(clients);
    assert_eq!(server.stop().totals.clients, CLIENTS as u64);
}
