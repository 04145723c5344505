//! When descriptors, threads or processes run out; and what idleness costs.

use probe::proc;

use crate::Form;
use crate::case::{Case, Need, accepts_when_ready, case};

pub const CASES: &[Case] = &[
    case!(a_diagnostic_that_cannot_be_written_stops_nothing)
        .only(accepts_when_ready)
        .needs(&[Need::Prlimit]),
    case!(a_shortage_is_told_in_spanish_too)
        .only(accepts_when_ready)
        .needs(&[Need::Prlimit]),
    case!(idle_clients_cost_nothing),
];

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
