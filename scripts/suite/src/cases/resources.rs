//! When descriptors, threads or processes run out; and what idleness costs.

use std::thread;
use std::time::Duration;

use crate::Form;
use crate::case::{Case, Need, accepts_when_ready, case, creates_for_each};
use probe::proc;
use probe::server::Server;
use probe::wait::{stays, until};

pub const CASES: &[Case] = &[
    case!(clients_wait_while_descriptors_are_short)
        .only(accepts_when_ready)
        .needs(&[Need::Prlimit])
        .slow(),
    case!(a_diagnostic_that_cannot_be_written_stops_nothing)
        .only(accepts_when_ready)
        .needs(&[Need::Prlimit]),
    case!(a_client_waits_while_none_can_be_created_for_it)
        .only(creates_for_each)
        .needs(&[Need::Prlimit, Need::OrdinaryUser])
        .slow(),
    case!(a_shortage_is_told_in_spanish_too)
        .only(accepts_when_ready)
        .needs(&[Need::Prlimit]),
    case!(idle_clients_cost_nothing),
];

/// How many diagnostics there are so far.
fn diagnostics(server: &Server) -> usize {
    server.stderr.so_far().len()
}

/// Waits for one more diagnostic than `before`, and that it stays alone.
fn assert_one_more(server: &Server, before: usize, situation: &str) {
    server.stderr.wait(situation, |lines| (lines.len() > before).then_some(()));
    proc::assert_idle(server.pid, situation);
    stays("one diagnostic for a spell", || diagnostics(server) == before + 1);
}

/// Lets a spell be over: shortages that follow closely may be one.
fn let_the_spell_end() {
    thread::sleep(Duration::from_secs(2));
}

/// Waits until the server has just these descriptors open again.
fn wait_for_descriptors(server: &Server, base: &[(u32, String)]) {
    until("the last clients' descriptors are closed", || {
        (proc::descriptors(server.pid) == base).then_some(())
    });
}

fn clients_wait_while_descriptors_are_short(form: &Form) {
    let server = form.start("--serve until-eof").room_for(4).run();
    let mut inside = server.accepted();
    inside.exchange(b"before\n");
    let base = proc::settled_descriptors(server.pid);
    for spell in 0..2 {
        let enough = 1024;
        wait_for_descriptors(&server, &base);
        let none = proc::lowest_free_descriptor(server.pid);
        server.limit("nofile", none.into());
        let mut waiting = [server.client(), server.client()];
        for client in &mut waiting {
            client.send(b"hola\n");
        }
        assert_one_more(&server, spell, "no descriptor free");
        inside.exchange(b"meanwhile\n");
        waiting[0].expect_silence();
        server.limit("nofile", enough);
        for client in &mut waiting {
            client.expect(b"hola\n");
            client.half_close();
            client.expect_end();
        }
        let_the_spell_end();
    }
    drop(inside);
    let (transcript, diagnostics) = server.stop_after_faults();
    assert_eq!(transcript.totals.clients, 5);
    assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
}

fn a_diagnostic_that_cannot_be_written_stops_nothing(form: &Form) {
    for stream in ["2>&-", "2>/dev/full"] {
        let server = form
            .start("--serve until-eof")
            .room_for(2)
            .under_words(["sh", "-c", &format!("exec \"$0\" \"$@\" {stream}")])
            .run();
        let mut inside = server.client();
        inside.exchange(b"before\n");
        let none = proc::lowest_free_descriptor(server.pid);
        server.limit("nofile", none.into());
        let mut client = server.client();
        client.send(b"hola\n");
        client.expect_silence();
        server.limit("nofile", 1024);
        client.expect(b"hola\n");
        inside.exchange(b"after\n");
        drop((client, inside));
        server.stop();
    }
}

fn a_client_waits_while_none_can_be_created_for_it(form: &Form) {
    let server = form.start("--serve until-eof").by_ordinary_user().run();
    let mut inside = server.accepted();
    inside.exchange(b"before\n");
    for spell in 0..2 {
        // It has one process at least: no further one.
        server.limit("nproc", 1);
        let mut waiting = server.client();
        waiting.send(b"hola\n");
        let mut queued = server.client();
        queued.send(b"hola\n");
        assert_one_more(&server, spell, "no thread or process to be had");
        inside.exchange(b"meanwhile\n");
        waiting.expect_silence();
        server.limit("nproc", 10_000);
        for client in [&mut waiting, &mut queued] {
            client.expect(b"hola\n");
            client.half_close();
            client.expect_end();
        }
        let_the_spell_end();
    }
    drop(inside);
    let (transcript, diagnostics) = server.stop_after_faults();
    assert_eq!(transcript.totals.clients, 5);
    assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
}

fn a_shortage_is_told_in_spanish_too(form: &Form) {
    let told = |language: &str| -> String {
        let options = format!("--serve until-eof --language {language}");
        let server = form.start(&options).room_for(2).run();
        let mut inside = server.client();
        inside.exchange(b"hola\n");
        let none = proc::lowest_free_descriptor(server.pid);
        server.limit("nofile", none.into());
        let waiting = server.client();
        let line =
            server.stderr.wait("a diagnostic", |lines| lines.first().cloned());
        drop((inside, waiting));
        line
    };
    let (english, spanish) = (told("en"), told("es"));
    let name = format!("{}: ", form.kind.program());
    for line in [&english, &spanish] {
        assert!(line.starts_with(&name), "{line}");
    }
    assert!(english.to_lowercase().contains("open files"), "{english}");
    assert!(spanish.contains("archivos abiertos"), "{spanish}");
    for word in ["open", "files", " for ", " client "] {
        assert!(!spanish.contains(word), "English in {spanish:?}");
    }
}

fn idle_clients_cost_nothing(form: &Form) {
    let server = form.start("--serve until-eof").room_for(12).run();
    let mut clients = server.accepted_many(10);
    for client in &mut clients[..5] {
        client.exchange(b"hola\n");
    }
    let (stalled, _) = server.stalled();
    proc::assert_idle(server.pid, "clients that do nothing");
    drop((clients, stalled));
    server.stop();
}
