//! When a server cannot start: one line that helps, and status 1.

use std::net::TcpListener;

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(a_port_in_use_is_told),
    case!(a_second_server_on_the_same_port_fails),
    case!(a_port_without_the_right_is_told)
        .needs(&[Need::OrdinaryUser, Need::PrivilegedPorts]),
    case!(an_address_of_another_machine_is_told),
    case!(an_unknown_name_is_told),
    case!(a_worker_that_cannot_be_created_prevents_the_start)
        .only(has_workers)
        .needs(&[Need::Strace]),
    case!(what_prevents_the_start_is_told_in_spanish_too),
];

fn a_port_in_use_is_told(form: &Form) {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = other.local_addr().expect("it has an address");
    let ended = form.start("").port(address.port()).end();
    // What, why, and what to try.
    assert_told(&ended, &[&address.to_string(), "in use", "--port"]);
}

fn a_second_server_on_the_same_port_fails(form: &Form) {
    let server = form.run("");
    let ended = form.start("").port(server.address.port()).end();
    assert_told(&ended, &["in use"]);
    server.client().exchange(b"the first goes on\n");
    server.stop();
}

fn a_port_without_the_right_is_told(form: &Form) {
    let ended = form.start("").by_ordinary_user().port(80).end();
    assert_told(&ended, &["127.0.0.1:80", "permi", "--port"]);
}

fn an_address_of_another_machine_is_told(form: &Form) {
    // This address is reserved for documentation (RFC 5737): no machine has it.
    let ended = form.start("--host 203.0.113.1").end();
    assert_told(&ended, &["203.0.113.1", "--host"]);
}

/// A name that cannot exist, since a part of it is longer than 63 letters:
/// so no name server is asked.
fn impossible_name() -> String {
    format!("{}.invalid", "a".repeat(64))
}

fn an_unknown_name_is_told(form: &Form) {
    let name = impossible_name();
    let ended = form.start(&format!("--host {name}")).end();
    assert_told(&ended, &[&name, "--host"]);
}

fn a_worker_that_cannot_be_created_prevents_the_start(form: &Form) {
    // The first one can. strace ends when all have ended.
    let strace = "strace -f -qq -o /dev/null -e trace=clone,clone3 \
                  -e inject=clone,clone3:error=EAGAIN:when=2";
    let mut ended = form.start("").workers(3).under(strace).end();
    // strace may have a word to say when what it traces ends.
    ended.stderr.retain(|line| !line.starts_with("strace: "));
    assert_told(&ended, &["temporarily unavailable"]);
}

fn what_prevents_the_start_is_told_in_spanish_too(form: &Form) {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = other.local_addr().expect("it has an address").port();
    let name = impossible_name();
    for options in ["", "--host 203.0.113.1", &format!("--host {name}")] {
        let start = |language: &str| {
            form.start(&format!("--language {language} {options}"))
                .port(port)
                .end()
        };
        let (english, spanish) = (start("en"), start("es"));
        assert_told(&english, &["cannot"]);
        assert_told(&spanish, &["no se "]);
        let words = spanish.stderr[0].to_lowercase();
        for word in ["cannot", "address", " in use", " the ", " try "] {
            assert!(!words.contains(word), "English in {words:?}");
        }
    }
}
