//! One exchange: receive, reply, close; and which client waits for which.

use std::collections::BTreeSet;

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(echo_returns_the_bytes_unchanged),
    case!(once_serves_one_exchange_and_closes),
    case!(until_eof_serves_until_the_client_has_ended),
    case!(the_default_of_serve_is_the_originals),
    case!(one_receive_takes_at_most_1024_bytes),
    case!(a_client_that_says_nothing_gets_nothing),
    case!(a_half_closed_client_gets_every_byte),
    case!(a_reply_is_sent_whole_to_a_slow_reader),
    case!(no_reply_is_held_back).timed(),
    case!(a_client_that_does_not_read_is_not_read_from).slow(),
    case!(each_connection_gets_what_the_approach_creates),
    case!(silent_clients_delay_no_other_client),
];

fn echo_returns_the_bytes_unchanged(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut client = server.client();
    let every_byte: Vec<u8> = (0..=255).collect();
    client.exchange(&every_byte);
    client.exchange(b"\n");
    client.exchange("¡hola, señora! 👩‍👩‍👧\r\n".as_bytes());
    client.exchange(&pattern(1024));
    client.leave();
    server.stop();
}

fn once_serves_one_exchange_and_closes(form: &Form) {
    let server = form.run("--serve once");
    for _ in 0..3 {
        server.exchange_once(b"hola\n");
    }
    let totals = server.stop().totals;
    assert_eq!((totals.clients, totals.received, totals.sent), (3, 15, 15));
}

fn until_eof_serves_until_the_client_has_ended(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut client = server.client();
    for length in [1, 10, 100, 1000] {
        client.exchange(&pattern(length));
    }
    client.expect_silence();
    client.leave();
    let transcript = server.stop();
    assert_eq!(transcript.totals.sent, 1111);
    assert_eq!(transcript.reason(client.address), None);
}

fn the_default_of_serve_is_the_originals(form: &Form) {
    let server = form.run("");
    let mut client = server.served(b"one");
    if form.kind == Kind::Loop {
        client.exchange(b"two");
        client.half_close();
    }
    client.expect_end();
    server.stop();
}

fn one_receive_takes_at_most_1024_bytes(form: &Form) {
    let server = form.run("--serve until-eof");
    let client = server.exchange(&pattern(5000));
    let transcript = server.stop();
    for event in transcript.of(client.address) {
        if let Event::Received(bytes, _) | Event::Sent(bytes) = event {
            assert!(*bytes <= 1024, "{bytes} bytes at once");
        }
    }
    assert_eq!(transcript.totals.sent, 5000);

    // A message that comes in one piece fills the buffer, and no more of it is
    // answered.
    let server = form.run("--serve once");
    let mut client = server.client();
    let message = pattern(5000);
    client.send(&message);
    assert_eq!(client.receive_all(), &message[..1024]);
    client.half_close();
    server.wait_closed(client.address);
    let totals = server.stop().totals;
    assert_eq!((totals.received, totals.sent), (1024, 1024));
}

fn a_client_that_says_nothing_gets_nothing(form: &Form) {
    for serve in ["once", "until-eof"] {
        for reply in ["echo", "greeting"] {
            let options = format!("--serve {serve} --reply {reply}");
            let server = form.run(&options);
            let mut client = server.client();
            client.leave();
            let transcript = server.stop();
            assert_eq!(transcript.of(client.address).len(), 2, "{options}");
            assert_eq!(transcript.totals.clients, 1);
            assert_eq!(transcript.totals.sent, 0);
        }
    }
}

fn a_half_closed_client_gets_every_byte(form: &Form) {
    let server = form.run("--serve until-eof");
    for length in [0, 1, 1023, 1024, 1025, 4096, 100_000] {
        let mut client = server.client();
        let message = pattern(length);
        client.send(&message);
        client.half_close();
        assert!(client.receive_all() == message, "another reply");
    }

    let server_once = form.run("--serve once");
    let mut client = server_once.client();
    client.send(b"hola\n");
    client.half_close();
    assert_eq!(client.receive_all(), b"hola\n");
    server_once.stop();
    server.stop();
}

fn a_reply_is_sent_whole_to_a_slow_reader(form: &Form) {
    let server = form.run("--serve until-eof");
    let (mut client, sent) = server.stalled();
    client.half_close();
    let mut received = Vec::new();
    // Little by little, so that the server's sends are cut short.
    loop {
        let piece = client.receive(1500).expect("the reply goes on");
        if piece.is_empty() {
            break;
        }
        received.extend(piece);
        thread::sleep(Duration::from_millis(1));
    }
    assert!(received == pattern(sent), "another reply");
    assert_eq!(server.stop().totals.sent, sent as u64);
}

/// If the server let the kernel keep a reply back for an end of file, the reply
/// would come a fifth of a second late, in each attempt. A busy machine delays
/// only some of them.
fn no_reply_is_held_back(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut client = server.client();
    let times = (0..10).map(|_| {
        let begin = Instant::now();
        client.exchange(b"hola\n");
        begin.elapsed()
    });
    let fastest = times.min();
    assert!(fastest < Some(Duration::from_millis(150)), "{fastest:?}");
    server.stop();
}

fn a_client_that_does_not_read_is_not_read_from(form: &Form) {
    const LIMIT: usize = 64 << 20;
    let server = form.run("--serve until-eof --quiet");
    let mut other = server.served(b"before\n");
    let mut flooding = server.served(b"x");
    let before = proc::memory(server.pid);
    let sent = flooding.flood(LIMIT);
    // The client can get rid of no more than the buffers of both kernels hold.
    assert!(sent < LIMIT, "the server took {sent} bytes without an end");
    let grown = proc::memory(server.pid).saturating_sub(before) / 1024;
    assert!(grown < 2048, "the server has grown by {grown} KiB");
    // The other clients do not wait for this one.
    other.exchange(b"meanwhile\n");
    let mut third = server.served(b"and a new one\n");
    proc::assert_idle(server.pid, "a client that does not read");
    // The client that did not read gets its whole echo in the end.
    flooding.half_close();
    assert!(flooding.receive_all() == pattern(sent), "another reply");
    other.leave();
    third.leave();
    let ended = server.stop_unchecked();
    assert_eq!(ended.stdout.len(), 2, "{ended:?}");
}

fn each_connection_gets_what_the_approach_creates(form: &Form) {
    let server = form.start("--serve until-eof").room_for(4).run();
    let idle_threads = proc::threads(server.pid).len();
    let clients = server.accepted_many(4);
    let workers: BTreeSet<String> =
        clients.iter().map(|client| server.worker_of(client)).collect();
    let pool = form.workers.is_some();
    match form.kind {
        Kind::Threads => {
            assert_eq!(workers.len(), 4, "{workers:?}");
            assert_eq!(proc::children(server.pid).len(), 0);
            let expected = if pool { idle_threads } else { idle_threads + 4 };
            soon("there are the threads", || {
                proc::threads(server.pid).len() == expected
            });
        }
        Kind::Processes => {
            assert_eq!(workers.len(), 4, "{workers:?}");
            for client in &clients {
                let pid = server.process_of(client);
                let is_child = proc::children(server.pid).contains(&pid);
                assert!(is_child, "no child {pid}");
            }
        }
        Kind::Loop => {
            assert_eq!(proc::children(server.pid).len(), 0);
            assert_eq!(proc::threads(server.pid).len(), idle_threads);
            if !pool {
                assert!(workers.iter().eq(["loop"]), "{workers:?}");
                assert_eq!(idle_threads, 1);
            }
        }
    }
    drop(clients);
    server.stop();
}

fn silent_clients_delay_no_other_client(form: &Form) {
    let server = form.start("--serve until-eof").room_for(20).run();
    let silent = server.accepted_many(10);
    let mut talking = server.accepted_many(5);
    for _ in 0..3 {
        exchange_all(&mut talking, b"I am talking\n");
    }
    silent[0].expect_silence();
    drop((silent, talking));
    server.stop();
}
