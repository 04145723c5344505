//! Clients that neither send nor take their replies.

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(a_silent_client_is_closed).slow(),
    case!(a_client_that_takes_no_reply_is_closed).slow(),
    case!(a_client_that_does_something_is_not_idle).slow(),
    case!(a_client_that_takes_its_reply_slowly_is_not_idle).slow(),
    case!(an_idle_timeout_of_0_is_never).slow(),
];

const SECOND: Duration = Duration::from_secs(1);
/// A second, less what clocks of two programs may differ by.
const ABOUT_A_SECOND: Duration = Duration::from_millis(900);

fn a_silent_client_is_closed(form: &Form) {
    for serve in ["once", "until-eof"] {
        let options = format!("--serve {serve} --idle-timeout 1");
        let server = form.start(&options).room_for(2).run();
        let begin = Instant::now();
        let mut silent = server.client();
        silent.expect_end();
        assert!(begin.elapsed() > ABOUT_A_SECOND, "{:?}", begin.elapsed());
        assert_eq!(server.wait_closed(silent.address), ": idle for 1 s");

        if serve == "until-eof" {
            // The idle time of a client counts anew from each message.
            let mut client = server.client();
            thread::sleep(SECOND / 2);
            let begin = Instant::now();
            client.exchange(b"hola\n");
            client.expect_end();
            assert!(begin.elapsed() > ABOUT_A_SECOND, "{:?}", begin.elapsed());
            assert_eq!(server.wait_closed(client.address), ": idle for 1 s");
        }
        server.stop();
    }
}

fn a_client_that_takes_no_reply_is_closed(form: &Form) {
    let server =
        form.start("--serve until-eof --idle-timeout 3").room_for(2).run();
    let (mut client, sent) = server.stalled();
    assert_eq!(server.wait_closed(client.address), ": idle for 3 s");
    // The server has cut the client off, so not all of the reply can come any
    // more.
    assert!(client.expect_any_end().len() < sent);
    drop(client);
    server.stop();
}

fn a_client_that_does_something_is_not_idle(form: &Form) {
    let server = form.run("--serve until-eof --idle-timeout 2");
    let mut client = server.client();
    let begin = Instant::now();
    while begin.elapsed() < 3 * SECOND {
        client.exchange(b"I am here\n");
        thread::sleep(SECOND / 4);
    }
    client.leave();
    assert_eq!(server.stop().reason(client.address), None);
}

fn a_client_that_takes_its_reply_slowly_is_not_idle(form: &Form) {
    let server = form.run("--serve until-eof --idle-timeout 6");
    let (mut client, sent) = server.stalled();
    client.half_close();
    let begin = Instant::now();
    let mut received = Vec::new();
    // All of it takes longer than the limit, but some of it moves always.
    while received.len() < sent {
        let left = sent - received.len();
        let pause = if begin.elapsed() < 8 * SECOND { 100 } else { 0 };
        thread::sleep(Duration::from_millis(pause));
        let piece = client.receive(left.min(sent / 96));
        let piece = piece.expect("the reply goes on");
        assert!(!piece.is_empty(), "the end after {}", received.len());
        received.extend(piece);
    }
    assert!(received == pattern(sent), "another reply");
    assert!(begin.elapsed() > 6 * SECOND, "{:?}", begin.elapsed());
    client.expect_end();
    assert_eq!(server.stop().reason(client.address), None);
}

fn an_idle_timeout_of_0_is_never(form: &Form) {
    let server = form.run("--serve until-eof --idle-timeout 0");
    let mut client = server.accepted();
    thread::sleep(2 * SECOND);
    client.exchange(b"here I am\n");
    client.leave();
    assert_eq!(server.stop().reason(client.address), None);
}
