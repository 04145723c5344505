//! The cases, by theme. A case is a function that panics when the server does
//! not do what the contract promises.

mod children;
mod clock;
mod closing;
mod command_line;
mod environment;
mod escapes;
mod exchange;
mod greeting;
mod idle;
mod limits;
mod output;
mod printing;
mod resources;
mod startup;
mod stop;
mod terminal;
mod trace;
mod work;
mod workers;

use crate::prelude::*;

/// Every case of every theme.
pub fn all() -> impl Iterator<Item = Case> {
    [
        exchange::CASES,
        closing::CASES,
        greeting::CASES,
        command_line::CASES,
        environment::CASES,
        startup::CASES,
        printing::CASES,
        escapes::CASES,
        output::CASES,
        terminal::CASES,
        limits::CASES,
        idle::CASES,
        clock::CASES,
        stop::CASES,
        children::CASES,
        resources::CASES,
        workers::CASES,
        work::CASES,
        trace::CASES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Has all clients send this message, and each get it back.
pub(crate) fn exchange_all(clients: &mut [Client], message: &[u8]) {
    for client in &mut *clients {
        client.send(message);
    }
    for client in clients {
        client.expect(message);
    }
}

/// Has each client send a message, and nothing after it.
pub(crate) fn send_and_end(clients: &mut [Client]) {
    for client in clients {
        client.send(b"hola\n");
        client.half_close();
    }
}

/// Expects the reply to that message, and the end, of each client.
pub(crate) fn expect_and_end(clients: &mut [Client]) {
    for client in clients {
        client.expect(b"hola\n");
        client.expect_end();
    }
}

/// Asserts that a server did not start and said why in one line, which
/// contains these words in any case of letters.
pub(crate) fn assert_told(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    assert_eq!(ended.stderr.len(), 1, "one line: {ended:?}");
    let line = ended.stderr[0].to_lowercase();
    for word in words {
        assert!(line.contains(&word.to_lowercase()), "no {word:?} in {line:?}");
    }
}

/// Asserts that a server does not start, says why on standard error alone, and
/// ends with the status of a usage error; gives the text.
pub(crate) fn refusal(start: Start, wrong: &str) -> String {
    let ended = start.end();
    assert_eq!(ended.status, 2, "{wrong}: {ended:?}");
    assert!(ended.stdout.is_empty(), "{wrong}: {ended:?}");
    assert!(!ended.stderr.is_empty(), "{wrong}: no word about it");
    ended.stderr.join("\n")
}
