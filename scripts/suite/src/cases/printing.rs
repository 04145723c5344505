//! The lines: their exact words and columns, in both languages.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, TcpListener};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::prelude::*;

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
    case!(the_addresses_that_others_can_use_are_listed),
];

/// The first column of this client's lines, padded, with the two spaces.
fn column(server: &Server, client: &Client, words: [&str; 2]) -> String {
    let line = server.wait_for(client, words[1]);
    let worker = line.split("  ").next().unwrap_or_default();
    let (name, number) = worker.split_once(' ').unwrap_or((worker, ""));
    assert_eq!(name, words[0], "{line}");
    assert!(number.chars().all(|c| c.is_ascii_digit()), "{line}");
    format!("{worker:<12}  ")
}

/// Has one message exchanged, and compares all lines: the first and the last,
/// and those about the client between them, in the words of one language.
fn assert_printed(
    form: &Form,
    language: &str,
    workers: [&str; 3],
    words: &[&str],
) {
    let server = form.run(&format!("--serve once --language {language}"));
    let worker = workers[form.kind as usize];
    let client = server.exchange_once("¡hola\n".as_bytes());
    let [first, events @ .., last] = words else { panic!("{words:?}") };
    let who = column(&server, &client, [worker, events[0]]);
    let (listening, address) = (server.address, client.address);
    drop(client);
    let ended = server.stop_unchecked();
    let name = form.kind.program();
    let mut expected = vec![format!("{name} {first} {listening}")];
    expected.extend(events.iter().map(|it| format!("{who}{address}  {it}")));
    expected.push(format!("{name} {last}"));
    assert_eq!(ended.stdout, expected);
}

fn an_exchange_is_printed_word_for_word(form: &Form) {
    let words = [
        "listening on",
        "connected",
        "received 7 bytes: ¡hola\\n",
        "sent 7 bytes",
        "closed: one exchange",
        "stopped: 1 client served, 7 bytes received, 7 bytes sent",
    ];
    assert_printed(form, "en", ["thread", "process", "loop"], &words);
}

fn an_exchange_is_printed_in_spanish(form: &Form) {
    let words = [
        "escuchando en",
        "conectado",
        "recibidos 7 bytes: ¡hola\\n",
        "enviados 7 bytes",
        "cerrado: un intercambio",
        "detenido: 1 cliente atendido, 7 bytes recibidos, 7 bytes enviados",
    ];
    assert_printed(form, "es", ["hilo", "proceso", "bucle"], &words);
}

fn only_one_is_singular(form: &Form) {
    for (language, events, totals) in [
        (
            "en",
            ["  received 1 byte: x\n", "  sent 1 byte\n"],
            [
                "0 clients served, 0 bytes received, 0 bytes sent",
                "1 client served, 1 byte received, 1 byte sent",
                "2 clients served, 2 bytes received, 2 bytes sent",
            ],
        ),
        (
            "es",
            ["  recibido 1 byte: x\n", "  enviado 1 byte\n"],
            [
                "0 clientes atendidos, 0 bytes recibidos, 0 bytes enviados",
                "1 cliente atendido, 1 byte recibido, 1 byte enviado",
                "2 clientes atendidos, 2 bytes recibidos, 2 bytes enviados",
            ],
        ),
    ] {
        for (clients, expected) in totals.into_iter().enumerate() {
            let server =
                form.run(&format!("--serve once --language {language}"));
            for _ in 0..clients {
                server.exchange_once(b"x");
            }
            let text = server.stop_unchecked().stdout.join("\n");
            let (_, last) = text.rsplit_once(": ").expect("the last line");
            assert_eq!(last, expected, "{text}");
            if clients == 1 {
                for event in events {
                    assert!(text.contains(event), "{text}");
                }
            }
        }
    }
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
            let names = (1..=pool)
                .flat_map(|n| [format!("thread {n}"), format!("loop {n}")]);
            let names: Vec<_> = names.collect();
            assert!(workers.iter().all(|it| names.contains(it)), "{workers:?}");
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
        let server = form.run(&format!("{options} --idle-timeout 1"));
        let silent = server.client();
        let reset_one = server.client().reset();
        let wait = |server: &Server, who, reason| {
            let line = format!("  {who}  {closed}: {reason}");
            server.wait_count(&line, 1);
        };
        wait(&server, reset_one, reset);
        wait(&server, silent.address, idle);
        drop(silent);
        server.stop_unchecked();

        let server = form.run(&options);
        let client = server.served(b"hola\n");
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
    server.client().reset();
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
    let server = form
        .start("--serve until-eof")
        .stdout(File::create(&path).expect("a new file"))
        .run_unseen(|_| fs::metadata(&path).is_ok_and(|file| file.len() > 0));
    let lines = || -> Vec<String> {
        let text = fs::read_to_string(&path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    let mut client = server.client();
    let (listening, address) = (server.address, client.address);
    let wait = |event: &str| {
        let end = format!("  {address}  {event}");
        soon("the line is in the file", || {
            lines().iter().any(|line| line.ends_with(&end))
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
    let transcript = Transcript::check(form.kind, &lines);
    assert_eq!(transcript.lines[0], Line::Listening(listening));
}

fn every_accepted_client_counts(form: &Form) {
    let server = form.start("--serve until-eof").room_for(4).run();
    // One client says nothing, one resets, one ends in order, one stays.
    drop(server.accepted());
    server.accepted().reset();
    let mut client = server.served(b"hola\n");
    client.leave();
    let stays = server.accepted();
    let totals = server.stop().totals;
    assert_eq!((totals.clients, totals.received, totals.sent), (4, 5, 5));
    drop(stays);
}

fn lines_of_many_clients_are_whole_and_the_totals_exact(form: &Form) {
    const CLIENTS: u64 = 24;
    const MESSAGES: usize = 20;
    let server = form.start("--serve until-eof").room_for(25).run();
    // Every other one makes lines as long as they may be.
    let message = |number: u64| match number % 2 {
        0 => vec![0x1b; 1024],
        _ => format!("client {number} says hola\n").into_bytes(),
    };
    at_once(CLIENTS, |number| {
        let mut client = server.client();
        (0..MESSAGES).for_each(|_| client.exchange(&message(number)));
        client.leave();
    });
    // Every line is taken apart, and the totals compared with their sum.
    let totals = server.stop().totals;
    let bytes = (0..CLIENTS).map(|number| message(number).len() * MESSAGES);
    let bytes = bytes.sum::<usize>() as u64;
    let due = Totals { clients: CLIENTS, received: bytes, sent: bytes };
    assert_eq!(totals, due);
}

fn the_addresses_that_others_can_use_are_listed(form: &Form) {
    // What the kernel says of the interfaces that are up.
    let interfaces = getifaddrs().expect("the kernel lists them");
    let up = InterfaceFlags::IFF_UP;
    let all: BTreeSet<IpAddr> = interfaces
        .filter(|one| one.flags.contains(up))
        .filter_map(|one| one.address)
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::from(a.ip()));
            v4.or_else(|| Some(IpAddr::from(address.as_sockaddr_in6()?.ip())))
        })
        .filter(|ip| match ip {
            IpAddr::V4(ip) => !ip.is_loopback(),
            IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
        })
        .collect();
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    let ipv4 = all.iter().copied().filter(IpAddr::is_ipv4).collect();
    for (host, expected) in
        [("0.0.0.0", ipv4), ("::", all), ("127.0.0.1", BTreeSet::new())]
    {
        if host == "::" && !has_ipv6 {
            continue;
        }
        for (language, words) in
            [("en", " reachable at "), ("es", " accesible en ")]
        {
            let server =
                form.run(&format!("--host {host} --language {language}"));
            server.exchange(b"hola\n");
            let port = server.port();
            let ended = server.stop_unchecked();
            let prefix = format!("{}{words}", form.kind.program());
            let listed = ended.stdout[1..]
                .iter()
                .map_while(|line| line.strip_prefix(&prefix))
                .map(|address| address.parse().expect("an address"));
            let listed: Vec<SocketAddr> = listed.collect();
            assert!(listed.iter().all(|address| address.port() == port));
            let once: BTreeSet<_> = listed.iter().map(SocketAddr::ip).collect();
            assert_eq!(once.len(), listed.len(), "{listed:?}");
            assert_eq!(once, expected, "{host}");
        }
    }
    let ended = form.run("--host 0.0.0.0 --quiet").stop_unchecked();
    assert_eq!(ended.stdout.len(), 2, "{ended:?}");
}
