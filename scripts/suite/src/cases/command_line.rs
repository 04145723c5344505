//! The options, on the command line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(help_names_every_option_and_its_default),
    case!(version_is_told),
    case!(what_it_cannot_take_is_a_usage_error),
    case!(help_and_refusals_speak_spanish_too),
    case!(the_backend_is_of_multiplexing_alone),
    case!(the_backend_asked_for_is_used).only(has_loops).needs(&[Need::Strace]),
    case!(the_default_port_is_8080).needs(&[Need::DefaultPort]),
    case!(a_port_can_be_chosen),
    case!(a_host_may_be_a_name),
    case!(any_address_takes_clients_of_all),
    case!(ipv6_is_served).needs(&[Need::Ipv6]),
    case!(dual_stack_prints_ipv4_clients_as_such).needs(&[Need::Ipv6]),
    case!(an_empty_host_says_what_is_missing),
    case!(the_spanish_command_line_is_spanish_to_the_end),
];

fn help_names_every_option_and_its_default(form: &Form) {
    let serve = if form.kind == Kind::Loop { "until-eof" } else { "once" };
    for option in ["--help", "-h"] {
        let ended = form.start(option).end();
        assert_eq!(ended.status, 0, "{ended:?}");
        assert!(ended.stderr.is_empty(), "{ended:?}");
        // The text of an option: from its line up to the next option's. A
        // line may be wrapped anywhere.
        let text = ended.stdout.join("\n");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let says = |option: &str, words: &[&str]| {
            let start = text
                .find(option)
                .unwrap_or_else(|| panic!("no {option} in {text}"));
            let rest = &text[start + option.len()..];
            let end = rest.find(" --").unwrap_or(rest.len());
            for word in words {
                assert!(
                    rest[..end].contains(word),
                    "no {word:?} for {option}: {}",
                    &rest[..end]
                );
            }
        };
        says("--host", &["127.0.0.1"]);
        says("-p, --port", &["8080"]);
        says("--serve", &["once", "until-eof", &format!("default: {serve}")]);
        says("--reply", &["echo", "greeting", "default: echo"]);
        says("--max-clients", &["1024"]);
        says("--idle-timeout", &["300"]);
        says("--grace", &["5"]);
        says("--language", &["en", "es"]);
        says("-q, --quiet", &[]);
        says("--color", &["auto", "always", "never", "default: auto"]);
        says("--workers", &["before the first client"]);
        says("--cpu-work", &["default: 0"]);
        says("--trace", &["Perfetto"]);
        if form.kind == Kind::Loop {
            let names = ["select", "poll", "epoll", "default: poll"];
            says("--backend", &names);
            assert!(text.find("--backend") < text.find("--help"), "{text}");
        } else {
            assert!(!text.contains("--backend"), "{text}");
        }
    }
}

fn version_is_told(form: &Form) {
    let ended = form.start("--version").end();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
    let name = format!("{} ", form.kind.program());
    assert_eq!(ended.stdout.len(), 1);
    assert!(ended.stdout[0].starts_with(&name), "{ended:?}");
}

fn help_and_refusals_speak_spanish_too(form: &Form) {
    let ended = form.start("--language es --help").end();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
    let text = ended.stdout.join("\n");
    assert!(text.contains("Opciones:"), "{text}");
    // Where the language is not Spanish, no word of the text is Spanish.
    for (language, words) in
        [("es", "valor no válido «long»"), ("en", "invalid value 'long'")]
    {
        let options = format!("--language {language} --grace long");
        let text = refusal(form.start(&options), &options);
        assert!(text.contains(words), "{text}");
    }
}

fn what_it_cannot_take_is_a_usage_error(form: &Form) {
    let all = "--max-clients 0, --max-clients -1, --max-clients many, \
               --max-clients, --idle-timeout -1, --idle-timeout soon, \
               --grace -1, --grace long, --port 65536, --port -1, --port http, \
               --port, --serve twice, --serve, --reply nothing, --language fr, \
               --quiet=perhaps, --no-such-option, -x, 8080, --host";
    for wrong in all.split(", ") {
        refusal(form.start(wrong).no_port(), wrong);
    }
}

fn the_backend_is_of_multiplexing_alone(form: &Form) {
    for backend in ["select", "poll", "epoll"] {
        let options = format!("--backend {backend}");
        if form.kind == Kind::Loop {
            // The server refuses an option that is given twice, or counts the
            // last one; here it is given once.
            let alone = Form { options: "", workers: None, ..*form };
            let server = alone.run(&options);
            server.client().exchange(b"hola\n");
            server.stop();
        } else {
            refusal(form.start(&options), &options);
        }
    }
    refusal(form.start("--backend kqueue"), "--backend kqueue");
}

fn the_backend_asked_for_is_used(form: &Form) {
    let check = |options: &'static str, variable: &str, expected: &str| {
        let form = Form { options, workers: None, ..*form };
        let traced = Traced::run(form.start("").variables(variable), WAIT, &[]);
        let mut client = traced.server.client();
        client.exchange(b"hola\n");
        // The system call by which the server waits for the next message.
        until("it waits as asked for", || {
            let calls = traced.calls();
            let call = calls.lines().last()?.split_once(' ')?.1.trim_start();
            let ways = ["select", "pselect", "poll", "ppoll", "epoll"];
            let way = ways.iter().find(|way| call.starts_with(**way))?;
            (way.trim_start_matches('p') == expected.trim_start_matches('p'))
                .then_some(())
        });
        drop(client);
        traced.server.stop();
    };
    let asked = form.options;
    check(asked, "", asked.trim_start_matches("--backend "));
    check("", "", "poll");
    for backend in ["select", "poll", "epoll"] {
        check("", &format!("ECHO_BACKEND={backend}"), backend);
    }
}

fn the_default_port_is_8080(form: &Form) {
    let own = proc::own_address();
    let server = form.start(&format!("--host {own}")).no_port().run();
    assert_eq!(server.address, SocketAddr::from((own, 8080)));
    server.client().exchange(b"hola\n");
    server.stop();
}

fn a_port_can_be_chosen(form: &Form) {
    let own = proc::own_address();
    for options in ["-p 20001", "-p20002", "--port 20003", "--port=20004"] {
        let options = format!("--host {own} {options}");
        let server = form.start(&options).no_port().run();
        let port = options[options.len() - 5..].parse();
        assert_eq!(Ok(server.address.port()), port);
        server.client().exchange(b"hola\n");
        server.stop();
    }
}

fn a_host_may_be_a_name(form: &Form) {
    let server = form.run("--host localhost");
    assert!(server.address.ip().is_loopback(), "{}", server.address);
    server.client().exchange(b"hola\n");
    server.stop();
}

/// Asserts that the first line says that a server listens on this host; gives
/// the port.
fn assert_listens_on(server: &Server, host: &str) -> u16 {
    let port = server.address.port();
    let first = server.stdout.so_far().remove(0);
    assert!(
        first.ends_with(&format!(" listening on {host}:{port}")),
        "{first}"
    );
    port
}

fn any_address_takes_clients_of_all(form: &Form) {
    let server = form.run("--host 0.0.0.0");
    let port = assert_listens_on(&server, "0.0.0.0");
    for last in 1..4 {
        let address = SocketAddr::from(([127, 0, 0, last], port));
        Client::connect(address).exchange(b"hola\n");
    }
    server.stop();
}

fn ipv6_is_served(form: &Form) {
    let server = form.run("--serve until-eof --host ::1");
    assert_listens_on(&server, "[::1]");
    let client = server.exchange(b"hola\n");
    let transcript = server.stop();
    assert!(client.address.is_ipv6());
    assert_eq!(transcript.reason(client.address), None);
}

fn dual_stack_prints_ipv4_clients_as_such(form: &Form) {
    let server = form.run("--serve until-eof --host ::");
    let port = assert_listens_on(&server, "[::]");
    let mut addresses = Vec::new();
    for ip in
        [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
    {
        let mut client = Client::connect((ip, port).into());
        client.exchange(b"hola\n");
        client.leave();
        addresses.push(client.address);
    }
    let transcript = server.stop();
    assert!(addresses[0].is_ipv4() && addresses[1].is_ipv6());
    for address in addresses {
        assert_eq!(transcript.reason(address), None);
    }
}

fn an_empty_host_says_what_is_missing(form: &Form) {
    for (language, words) in [
        ("en", "an address or a name is missing"),
        ("es", "falta una dirección o un nombre"),
    ] {
        let start = form.start(&format!("--language {language}"));
        let text = refusal(start.option("--host", ""), "an empty host");
        assert!(text.contains("--host") && text.contains(words), "{text}");
    }
}

fn the_spanish_command_line_is_spanish_to_the_end(form: &Form) {
    // Words that clap or the system would say in English.
    let english = "default,possible,value,argument ,found,tip:,similar,Usage,\
                   Options,more information,try ,number,not in,range,digit,\
                   required,unexpected,invalid, file,such";
    for (options, expected) in [
        ("--help", "[por defecto: 8080]"),
        ("--port 65536", "se espera un número entero de 0 a 65535"),
        ("--port x", "se espera un número entero de 0 a 65535"),
        ("--workers 0", "se espera un número entero de 1 a 4294967295"),
        ("--serve oncee", "[valores posibles: once, until-eof]"),
        ("--serve oncee", "consejo: existe un valor parecido: «once»"),
        ("--langage es", "consejo: existe una opción parecida: «--language»"),
        ("--quiet=x", "«--quiet» no lleva valor"),
        ("8080", "argumento inesperado «8080»"),
        ("--host", "falta el valor de «--host <DIRECCIÓN>»"),
        ("--trace /nowhere/trace", "el archivo o directorio no existe"),
    ] {
        let options = format!("--language es {options}");
        let ended = form.start("").no_port().options(&options).end();
        let text = [ended.stdout, ended.stderr].concat().join(" ");
        // A line may be wrapped anywhere.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(expected), "no {expected:?}: {text}");
        for word in english.split(',') {
            assert!(!text.contains(word), "{word:?} in {text}");
        }
    }
}
