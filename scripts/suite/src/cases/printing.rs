//! The lines: their exact words and columns, in both languages.

use std::fs::{self, File};
use std::thread;

use probe::client::Client;
use probe::folder::folder;
use probe::server::Server;
use probe::start::Output;
use probe::transcript::Line;
use probe::wait::until;

use super::leave;
use crate::case::{Case, case};
use crate::{Form, Kind};

pub const CASES: &[Case] = &[
    case!(an_exchange_is_printed_word_for_word),
    case!(an_exchange_is_printed_in_spanish),
    case!(only_one_is_singular),
    case!(the_first_column_says_who_served),
    case!(reasons_are_told_in_both_languages).slow(),
    case!(quiet_prints_the_first_and_the_last_line),
    case!(a_line_comes_at_once_into_a_file),
    case!(every_accepted_client_counts),
    case!(lines_of_many_clients_are_whole_and_the_totals_exact).slow(),
];

/// The first column of this client's lines, padded, with the two spaces.
fn column(server: &Server, client: &Client, words: [&str; 2]) -> String {
    let end = format!("  {}  {}", client.address, words[1]);
    let line = server.stdout.wait(&end, |lines| {
        lines.iter().find(|line| line.ends_with(&end)).cloned()
    });
    let worker = line.split("  ").next().unwrap_or_default();
    let (name, number) = worker.split_once(' ').unwrap_or((worker, ""));
    assert_eq!(name, words[0], "{line}");
    assert!(number.chars().all(|c| c.is_ascii_digit()), "{line}");
    format!("{worker:<12}  ")
}

fn an_exchange_is_printed_word_for_word(form: &Form) {
    let server = form.run("--serve once");
    let client = server.exchange_once("¡hola\n".as_bytes());
    let (listening, address) = (server.address, client.address);
    let worker = match form.kind {
        Kind::Threads => "thread",
        Kind::Processes => "process",
        Kind::Loop => "loop",
    };
    let who = column(&server, &client, [worker, "connected"]);
    drop(client);
    let ended = server.stop_unchecked();
    let name = form.kind.program();
    assert_eq!(
        ended.stdout,
        [
            format!("{name} listening on {listening}"),
            format!("{who}{address}  connected"),
            format!("{who}{address}  received 7 bytes: ¡hola\\n"),
            format!("{who}{address}  sent 7 bytes"),
            format!("{who}{address}  closed: one exchange"),
            format!(
                "{name} stopped: 1 client served, 7 bytes received, \
                 7 bytes sent"
            ),
        ]
    );
}

fn an_exchange_is_printed_in_spanish(form: &Form) {
    let server = form.run("--serve once --language es");
    let client = server.exchange_once("¡hola\n".as_bytes());
    let (listening, address) = (server.address, client.address);
    let worker = match form.kind {
        Kind::Threads => "hilo",
        Kind::Processes => "proceso",
        Kind::Loop => "bucle",
    };
    let who = column(&server, &client, [worker, "conectado"]);
    drop(client);
    let ended = server.stop_unchecked();
    let name = form.kind.program();
    assert_eq!(
        ended.stdout,
        [
            format!("{name} escuchando en {listening}"),
            format!("{who}{address}  conectado"),
            format!("{who}{address}  recibidos 7 bytes: ¡hola\\n"),
            format!("{who}{address}  enviados 7 bytes"),
            format!("{who}{address}  cerrado: un intercambio"),
            format!(
                "{name} detenido: 1 cliente atendido, 7 bytes recibidos, \
                 7 bytes enviados"
            ),
        ]
    );
}

fn only_one_is_singular(form: &Form) {
    let run = |language: &str, clients: usize| {
        let server = form.run(&format!("--serve once --language {language}"));
        for _ in 0..clients {
            server.exchange_once(b"x");
        }
        let mut lines = server.stop_unchecked().stdout;
        let last = lines.pop().unwrap_or_default();
        let last = last.split_once(": ").map(|(_, rest)| rest.to_owned());
        let events: String = lines.join("\n");
        (events, last.unwrap_or_default())
    };
    assert_eq!(
        run("en", 0).1,
        "0 clients served, 0 bytes received, 0 bytes sent"
    );
    let (events, last) = run("en", 1);
    assert!(events.contains("  received 1 byte: x\n"), "{events}");
    assert!(events.contains("  sent 1 byte\n"), "{events}");
    assert_eq!(last, "1 client served, 1 byte received, 1 byte sent");
    assert_eq!(
        run("en", 2).1,
        "2 clients served, 2 bytes received, 2 bytes sent"
    );

    assert_eq!(
        run("es", 0).1,
        "0 clientes atendidos, 0 bytes recibidos, 0 bytes enviados"
    );
    let (events, last) = run("es", 1);
    assert!(events.contains("  recibido 1 byte: x\n"), "{events}");
    assert!(events.contains("  enviado 1 byte\n"), "{events}");
    assert_eq!(last, "1 cliente atendido, 1 byte recibido, 1 byte enviado");
    assert_eq!(
        run("es", 2).1,
        "2 clientes atendidos, 2 bytes recibidos, 2 bytes enviados"
    );
}

fn the_first_column_says_who_served(form: &Form) {
    let server = form.run("--serve once");
    let mut workers = Vec::new();
    for _ in 0..3 {
        let client = server.exchange_once(b"hola\n");
        workers.push(server.worker_of(&client));
    }
    server.stop();
    let pool = form.workers;
    match (form.kind, pool) {
        (Kind::Threads, None) => {
            assert_eq!(workers, ["thread 1", "thread 2", "thread 3"]);
        }
        (Kind::Loop, None) => assert_eq!(workers, ["loop", "loop", "loop"]),
        (Kind::Processes, None) => {
            workers.sort();
            workers.dedup();
            assert_eq!(workers.len(), 3, "{workers:?}");
        }
        (Kind::Threads | Kind::Loop, Some(pool)) => {
            for worker in workers {
                let number = worker.split(' ').nth(1).map(str::parse::<usize>);
                let Some(Ok(number)) = number else {
                    panic!("no number in {worker:?}")
                };
                assert!((1..=pool).contains(&number), "{worker:?}");
            }
        }
        // Another case checks that this number is the child's process id.
        (Kind::Processes, Some(_)) => {}
    }
}

fn reasons_are_told_in_both_languages(form: &Form) {
    for (language, closed, idle, reset, stopping) in [
        (
            "en",
            "closed",
            "idle for 1 s",
            "connection reset by peer",
            "server stopping",
        ),
        (
            "es",
            "cerrado",
            "inactivo durante 1 s",
            "el cliente cortó la conexión (reset)",
            "el servidor se detiene",
        ),
    ] {
        let options = format!("--serve until-eof --language {language}");
        let server = form
            .start(&format!("{options} --idle-timeout 1"))
            .room_for(2)
            .run();
        let silent = server.client();
        let client = server.client();
        let reset_one = client.address;
        client.reset();
        let wait = |server: &Server, who, reason| {
            let line = format!("  {who}  {closed}: {reason}");
            server.wait_count(&line, 1);
        };
        wait(&server, reset_one, reset);
        wait(&server, silent.address, idle);
        drop(silent);
        server.stop_unchecked();

        let server = form.run(&options);
        let mut client = server.client();
        client.exchange(b"hola\n");
        let between = client.address;
        let ended = server.stop_unchecked();
        let line = format!("  {between}  {closed}: {stopping}");
        let found = ended.stdout.iter().filter(|l| l.ends_with(&line));
        assert_eq!(found.count(), 1, "{line}: {ended:?}");
    }
}

fn quiet_prints_the_first_and_the_last_line(form: &Form) {
    let server = form.run("--quiet --serve until-eof");
    for _ in 0..3 {
        server.exchange(b"hola\n");
    }
    let client = server.client();
    client.reset();
    let name = form.kind.program();
    let first = format!("{name} listening on {}", server.address);
    let ended = server.stop_unchecked();
    assert_eq!(ended.stdout.len(), 2, "{ended:?}");
    assert_eq!(ended.stdout[0], first);
    // The last client may have been accepted before the stop, or not.
    let last = ended.stdout[1].strip_prefix(&format!("{name} stopped: "));
    let last = last.expect("the last line");
    assert!(
        last.ends_with("s served, 15 bytes received, 15 bytes sent"),
        "{last}"
    );
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

fn a_line_comes_at_once_into_a_file(form: &Form) {
    let folder = folder();
    let path = folder.path().join("lines");
    let own = probe::proc::own_address();
    let address = (own, 20_001).into();
    let server = form
        .start("--serve until-eof")
        .on(own, 20_001)
        .stdout(Output::File(File::create(&path).expect("a new file")))
        .run_unseen(address, || {
            fs::metadata(&path).is_ok_and(|file| file.len() > 0)
        });
    let lines = || -> Vec<String> {
        let text = fs::read_to_string(&path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    let mut client = server.client();
    let address_of_client = client.address;
    let wait = |event: &str| {
        let end = format!("  {address_of_client}  {event}");
        until("the line is in the file", || {
            lines().iter().any(|line| line.ends_with(&end)).then_some(())
        });
    };
    // Each line is in the file while the client is still connected and does
    // nothing more.
    wait("connected");
    client.send(b"hola\n");
    wait("received 5 bytes: hola\\n");
    wait("sent 5 bytes");
    drop(client);
    server.stop_unchecked();
    let lines = lines();
    for line in &lines {
        assert!(Line::parse(form.kind, line).is_some(), "{line:?}");
    }
    assert!(lines[0].ends_with(&format!(" listening on {address}")));
    assert!(lines[lines.len() - 1].contains(" stopped: "), "{lines:?}");
}

fn every_accepted_client_counts(form: &Form) {
    let server = form.start("--serve until-eof").room_for(4).run();
    // One client says nothing, one resets, one ends in order, one stays.
    drop(server.accepted());
    server.accepted().reset();
    let mut client = server.accepted();
    client.exchange(b"hola\n");
    leave(&mut client);
    let stays = server.accepted();
    let totals = server.stop().totals;
    assert_eq!((totals.clients, totals.received, totals.sent), (4, 5, 5));
    drop(stays);
}

fn lines_of_many_clients_are_whole_and_the_totals_exact(form: &Form) {
    const CLIENTS: usize = 24;
    const MESSAGES: usize = 20;
    let server = form.start("--serve until-eof").room_for(CLIENTS + 1).run();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let mut client = server.client();
            // Every other one makes lines as long as they may be.
            let message = if number % 2 == 0 {
                vec![0x1b; 1024]
            } else {
                format!("client {number} says hola\n").into_bytes()
            };
            scope.spawn(move || {
                for _ in 0..MESSAGES {
                    client.exchange(&message);
                }
                leave(&mut client);
            });
        }
    });
    // Every line is taken apart, and the totals compared with their sum.
    let transcript = server.stop();
    assert_eq!(transcript.totals.clients, CLIENTS as u64);
    let short: usize = (0..CLIENTS)
        .filter(|n| n % 2 == 1)
        .map(|n| format!("client {n} says hola\n").len() * MESSAGES)
        .sum();
    let expected = (CLIENTS / 2 * 1024 * MESSAGES + short) as u64;
    assert_eq!(transcript.totals.received, expected);
    assert_eq!(transcript.totals.sent, expected);
}
