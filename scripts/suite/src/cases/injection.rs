//! Faults that only the kernel can produce: a handful of each kind.

use crate::case::{Case, Need, case, creates_for_each};
use crate::{Form, Kind};
use probe::client::Client;
use probe::strace::{ACCEPT, CREATE, RECEIVE, SEND, Traced, WAIT};
use probe::wait::until;

pub const CASES: &[Case] = &[
    case!(a_connection_lost_before_accept_is_passed_over)
        .needs(&[Need::Strace]),
    case!(an_interrupted_accept_is_repeated_without_a_word)
        .needs(&[Need::Strace]),
    case!(a_spell_of_failing_accepts_has_one_diagnostic)
        .needs(&[Need::Strace])
        .slow(),
    case!(an_interrupted_wait_is_repeated).needs(&[Need::Strace]),
    case!(an_interrupted_transfer_is_repeated).needs(&[Need::Strace]),
    case!(a_failed_transfer_closes_that_client_with_its_reason)
        .needs(&[Need::Strace])
        .slow(),
    case!(a_failed_creation_is_tried_again)
        .only(creates_for_each)
        .needs(&[Need::Strace]),
    case!(a_mistake_in_the_program_ends_it).needs(&[Need::Strace]),
];

fn a_connection_lost_before_accept_is_passed_over(form: &Form) {
    for error in ["ECONNABORTED", "EPROTO"] {
        let how = format!("error={error}:when=1..3");
        let traced = Traced::run(form.start("--serve until-eof"), ACCEPT, &how);
        let mut client = traced.server.client();
        client.exchange(b"hola\n");
        drop(client);
        until("it was tried again", || (traced.injected() >= 3).then_some(()));
        let (transcript, _) = traced.server.stop_after_faults();
        assert_eq!(transcript.totals.clients, 1);
    }
}

fn an_interrupted_accept_is_repeated_without_a_word(form: &Form) {
    for error in ["EINTR", "EAGAIN"] {
        let how = format!("error={error}:when=1..3");
        let traced = Traced::run(form.start("--serve until-eof"), ACCEPT, &how);
        let mut client = traced.server.client();
        client.exchange(b"hola\n");
        drop(client);
        until("it was tried again", || (traced.injected() >= 3).then_some(()));
        let (transcript, diagnostics) = traced.server.stop_after_faults();
        assert_eq!(transcript.totals.clients, 1);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
    }
}

fn a_spell_of_failing_accepts_has_one_diagnostic(form: &Form) {
    for error in ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"] {
        let how = format!("error={error}:when=1..3");
        let traced = Traced::run(form.start("--serve until-eof"), ACCEPT, &how);
        let mut client = traced.server.client();
        client.exchange(b"hola\n");
        drop(client);
        // Each worker, if there are several, has its own count of calls.
        assert!(traced.injected() >= 3, "nothing was injected");
        let (transcript, diagnostics) = traced.server.stop_after_faults();
        assert_eq!(transcript.totals.clients, 1);
        assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    }
}

fn an_interrupted_wait_is_repeated(form: &Form) {
    let traced = Traced::run(
        form.start("--serve until-eof"),
        WAIT,
        "error=EINTR:when=1+2",
    );
    for _ in 0..5 {
        let mut client = traced.server.client();
        client.exchange(b"hola\n");
        client.exchange(b"adios\n");
        client.half_close();
        client.expect_end();
    }
    assert!(traced.injected() > 0, "nothing was injected");
    let (transcript, diagnostics) = traced.server.stop_after_faults();
    assert_eq!(transcript.totals.sent, 55);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
}

fn an_interrupted_transfer_is_repeated(form: &Form) {
    for calls in [RECEIVE, SEND] {
        let traced = Traced::run(
            form.start("--serve until-eof"),
            calls,
            "error=EINTR:when=1+2",
        );
        let mut client = traced.server.client();
        for _ in 0..5 {
            client.exchange(b"hola\n");
        }
        client.half_close();
        client.expect_end();
        assert!(traced.injected() > 0, "nothing was injected");
        let (transcript, diagnostics) = traced.server.stop_after_faults();
        assert_eq!(transcript.totals.sent, 25);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
    }
}

fn a_failed_transfer_closes_that_client_with_its_reason(form: &Form) {
    for (calls, error, reason) in [
        (RECEIVE, "ECONNRESET", Some("connection reset by peer")),
        (RECEIVE, "ETIMEDOUT", None),
        (RECEIVE, "EHOSTUNREACH", None),
        (SEND, "ECONNRESET", Some("connection reset by peer")),
        (SEND, "EPIPE", None),
    ] {
        let traced = Traced::run(
            form.start("--serve until-eof"),
            calls,
            &format!("error={error}:when=1"),
        );
        let server = &traced.server;
        let mut client = server.client();
        client.send(b"hola\n");
        client.expect_any_end();
        let told = server.wait_closed(client.address);
        let text = told.strip_prefix(": ").unwrap_or_default();
        assert!(!text.is_empty(), "{error}: no reason");
        // The other end's silence on the network is not the client's.
        assert!(!text.starts_with("idle"), "{error}: {text}");
        assert_ne!(text, "server stopping", "{error}");
        if let Some(reason) = reason {
            assert_eq!(text, reason, "{error}");
        }
        // The service goes on. (Each thread and process has its own count of
        // calls, so there the next client may have the same fate.)
        let mut next = server.client();
        next.send(b"hola\n");
        let reply = next.receive(5).unwrap_or_default();
        if !reply.is_empty() {
            assert_eq!(reply, b"hola\n");
            next.half_close();
        }
        if form.kind == Kind::Loop && form.workers.is_none() {
            assert!(!reply.is_empty(), "the loop does not go on");
        }
        next.expect_any_end();
        server.wait_closed(next.address);
        let (transcript, _) = traced.server.stop_after_faults();
        assert_eq!(transcript.totals.clients, 2);
    }
}

fn a_failed_creation_is_tried_again(form: &Form) {
    for error in ["EAGAIN", "ENOMEM"] {
        let traced = Traced::run(
            form.start("--serve until-eof"),
            CREATE,
            &format!("error={error}:when=1..3"),
        );
        let mut client = traced.server.client();
        client.exchange(b"hola\n");
        drop(client);
        assert_eq!(traced.injected(), 3);
        let (transcript, diagnostics) = traced.server.stop_after_faults();
        assert_eq!(transcript.totals.clients, 1);
        assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    }
}

fn a_mistake_in_the_program_ends_it(form: &Form) {
    for (calls, error, when) in [
        (ACCEPT, "EBADF", "1+"),
        (ACCEPT, "EFAULT", "1+"),
        (ACCEPT, "ENOTSOCK", "1+"),
        // Not the first one: by it the runtime looks at the standard streams.
        (WAIT, "EFAULT", "2+"),
    ] {
        let traced = Traced::run(
            form.start("--serve until-eof"),
            calls,
            &format!("error={error}:when={when}"),
        );
        let server = &traced.server;
        // Clients wake it, however far they come.
        until("it has ended", || {
            if let Ok(mut client) = Client::try_connect(server.address) {
                let _ = client.try_send(b"hola\n");
                let _ = client.receive(5);
            }
            (!server.is_running()).then_some(())
        });
        let status = server.wait_status();
        // strace has the same standard error, and may have a word to say when
        // what it traces ends.
        let mut told = server.stderr.all();
        told.retain(|line| !line.starts_with("strace: "));
        assert_eq!(status, 1, "{calls} {error}: {told:?}");
        // In however many workers it happens.
        assert_eq!(told.len(), 1, "{calls} {error}: {told:?}");
    }
}
