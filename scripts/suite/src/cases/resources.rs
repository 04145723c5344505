//! When descriptors, threads or processes run out; and what idleness costs.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use nix::libc::O_NONBLOCK;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(a_diagnostic_that_cannot_be_written_stops_nothing)
        .only(accepts_when_ready)
        .needs(&[Need::Prlimit]),
    case!(a_shortage_is_told_in_spanish_too)
        .only(accepts_when_ready)
        .needs(&[Need::Prlimit]),
    case!(idle_clients_cost_nothing),
    case!(a_diagnostic_that_is_not_read_stops_nothing)
        .only(accepts_when_ready)
        .needs(&[Need::Prlimit]),
];

/// Has clients wait while a server has no descriptor left for them, and expects
/// that they are served afterwards, although its diagnostics go there.
fn assert_shortage_stops_nothing(form: &Form, diagnostics: &str) {
    let server = form
        .start("--serve until-eof")
        .room_for(4)
        .by_shell("", diagnostics)
        .run();
    let mut inside = server.served(b"before\n");
    let none = proc::lowest_free_descriptor(server.pid);
    server.limit("nofile", none.into());
    let mut waiting = [server.sending(b"hola\n"), server.sending(b"hola\n")];
    waiting[0].expect_silence();
    inside.exchange(b"meanwhile\n");
    server.limit("nofile", 1024);
    for client in &mut waiting {
        client.expect(b"hola\n");
        client.leave();
    }
    inside.exchange(b"after\n");
    drop(inside);
    server.stop();
}

fn a_diagnostic_that_cannot_be_written_stops_nothing(form: &Form) {
    for stream in ["2>&-", "2>/dev/full"] {
        assert_shortage_stops_nothing(form, stream);
    }
}

fn a_diagnostic_that_is_not_read_stops_nothing(form: &Form) {
    let folder = folder();
    let path = folder.path().join("fifo");
    mkfifo(&path, Mode::S_IRWXU).expect("a FIFO can be made");
    // Open for reading too, so that it stays open; full; and never read.
    let mut fifo = File::options()
        .read(true)
        .write(true)
        .custom_flags(O_NONBLOCK)
        .open(&path)
        .expect("the FIFO can be opened");
    while fifo.write(&[b'.'; 4096]).is_ok() {}
    assert_shortage_stops_nothing(form, &format!("2>{}", path.display()));
}

fn a_shortage_is_told_in_spanish_too(form: &Form) {
    let told = |language: &str| -> String {
        let server =
            form.run(&format!("--serve until-eof --language {language}"));
        let inside = server.served(b"hola\n");
        let none = proc::lowest_free_descriptor(server.pid);
        server.limit("nofile", none.into());
        let waiting = server.client();
        let line =
            server.stderr.find("a diagnostic", |line| Some(line.to_owned()));
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
    exchange_all(&mut clients[..5], b"hola\n");
    let (stalled, _) = server.stalled();
    proc::assert_idle(server.pid, "clients that do nothing");
    drop((clients, stalled));
    server.stop();
}
