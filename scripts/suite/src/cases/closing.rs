//! The close: no byte is lost at it, and a client that goes away badly harms no
//! other.

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(unread_input_does_not_reset_the_reply),
    case!(what_is_dropped_at_the_close_is_not_counted).in_a_second(),
    case!(input_after_the_reply_does_not_reset_it).in_a_second(),
    case!(the_last_reading_ends_after_a_second).timed(),
    case!(no_other_client_waits_while_what_is_left_is_read).timed().slow(),
    case!(a_reset_has_its_reason_and_harms_no_other_client),
    case!(a_client_that_is_gone_harms_no_other_client),
    case!(a_reset_after_the_last_reply_is_an_ordinary_end),
    case!(a_client_that_has_ended_gives_its_place_at_once).timed(),
];

fn unread_input_does_not_reset_the_reply(form: &Form) {
    let server = form.run("--serve once");
    for _ in 0..10 {
        let mut client = server.client();
        let message = pattern(30_000);
        client.send(&message);
        // The server may have closed already. If it had reset the connection,
        // its reply would be lost, or the reading would fail.
        thread::sleep(Duration::from_millis(20));
        assert_eq!(client.receive_all(), &message[..1024]);
    }
    server.stop();
}

fn what_is_dropped_at_the_close_is_not_counted(form: &Form) {
    let server = form.run("--serve once");
    let mut client = server.sending(&pattern(200_000));
    client.half_close();
    assert_eq!(client.receive_all().len(), 1024);
    assert_eq!(server.wait_closed(client.address), ": one exchange");
    let transcript = server.stop();
    assert_eq!(transcript.totals.received, 1024);
    assert_eq!(transcript.totals.sent, 1024);
    let received = Event::Received(1024, pattern(1024));
    assert!(transcript.of(client.address).contains(&&received), "another text");
}

fn input_after_the_reply_does_not_reset_it(form: &Form) {
    let server = form.run("--serve once");
    let mut client = server.sending(b"one");
    // The reply waits unread while more input comes.
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(10));
        client.send(b"more");
    }
    // All of this input comes within the second for which the server reads on.
    let reply = client.receive_all();
    assert!(reply.starts_with(b"one"), "{reply:?}");
    client.half_close();
    assert_eq!(server.wait_closed(client.address), ": one exchange");
    server.stop();
}

fn the_last_reading_ends_after_a_second(form: &Form) {
    let server = form.run("--serve once");
    let mut client = server.client();
    let begin = Instant::now();
    client.exchange(b"hola\n");
    client.expect_end();
    // The client could go on sending without an end; the server waits not much
    // longer than a second.
    while client.try_send(b"and so on").is_ok() {
        assert!(begin.elapsed() < LIMIT, "the server reads for ever");
        thread::sleep(Duration::from_millis(10));
    }
    let taken = begin.elapsed();
    assert!(taken > Duration::from_millis(900), "only {taken:?}");
    assert!(taken < Duration::from_secs(5), "as long as {taken:?}");
    server.wait_closed(client.address);

    // The server does not wait longer for a client that is silent and does not
    // close.
    let client = server.exchange_once(b"hola\n");
    server.wait_closed(client.address);
    assert_eq!(server.stop().totals.received, 10);
}

fn no_other_client_waits_while_what_is_left_is_read(form: &Form) {
    // The client that ends late occupies one of the two places meanwhile.
    let server = form.start("--serve once").at_most(2).run();
    for attempt in 0.. {
        let _late = server.exchange_once(b"one");
        let begin = Instant::now();
        server.exchange_once(b"two");
        if begin.elapsed() < Duration::from_millis(500) {
            break;
        }
        assert!(attempt < 5, "another client waits for {:?}", begin.elapsed());
    }
    server.stop();
}

fn a_reset_has_its_reason_and_harms_no_other_client(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut other = server.accepted();
    let reset = |client: Client| {
        let reason = server.wait_closed(client.reset());
        assert_eq!(reason, ": connection reset by peer");
    };
    reset(server.served(b"hola\n"));
    other.exchange(b"still here\n");

    // The reset comes at the first receive, and in the middle of a reply.
    reset(server.accepted());
    reset(server.stalled().0);

    other.exchange(b"still here\n");
    drop(other);
    assert_eq!(server.stop().totals.clients, 4);
}

fn a_client_that_is_gone_harms_no_other_client(form: &Form) {
    let server = form.run("--serve until-eof");
    for _ in 0..20 {
        // Replies are on their way to a socket that is closed already: the
        // server's next send may fail with EPIPE.
        server.sending(&pattern(20_000));
    }
    let client = server.exchange(b"still here\n");
    let transcript = server.stop();
    assert_eq!(transcript.totals.clients, 21);
    assert_eq!(transcript.reason(client.address), None);
}

fn a_reset_after_the_last_reply_is_an_ordinary_end(form: &Form) {
    let server = form.run("--serve once");
    let client = server.exchange_once(b"hola\n");
    assert_eq!(server.wait_closed(client.reset()), ": one exchange");
    server.stop();
}

fn a_client_that_has_ended_gives_its_place_at_once(form: &Form) {
    let server = form.start("--serve once").at_most(1).run();
    // On a busy machine one attempt may take longer, but not each of three.
    let mut attempts = (0..3).map(|_| {
        let begin = Instant::now();
        for _ in 0..5 {
            server.exchange(b"hola\n");
        }
        begin.elapsed()
    });
    let bound = Duration::from_secs(2);
    assert!(attempts.any(|taken| taken < bound), "too long");
    server.stop();
}
