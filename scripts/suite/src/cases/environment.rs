//! The options, by environment variables; and the language by the locale.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(every_option_has_its_variable),
    case!(timeouts_and_limits_have_their_variables).slow(),
    case!(the_command_line_wins),
    case!(a_wrong_variable_is_a_usage_error),
    case!(the_locale_decides_the_language),
    case!(the_language_asked_for_wins_over_the_locale),
    case!(a_wrong_variable_is_named),
    case!(an_empty_variable_is_as_none),
];

fn every_option_has_its_variable(form: &Form) {
    let own = proc::own_address();
    let server = form
        .start("")
        .no_port()
        .env("ECHO_HOST", own.to_string())
        .variables("ECHO_PORT=20001 ECHO_SERVE=until-eof")
        .variables("ECHO_LANGUAGE=es ECHO_QUIET=true")
        .run();
    assert_eq!(server.address, SocketAddr::from((own, 20001)));
    let mut client = server.served(b"one");
    client.exchange(b"two");
    client.leave();
    let ended = server.stop_unchecked();
    let name = form.kind.program();
    assert_eq!(
        ended.stdout,
        [
            format!("{name} escuchando en {own}:20001"),
            format!(
                "{name} detenido: 1 cliente atendido, 6 bytes recibidos, \
                 6 bytes enviados"
            ),
        ]
    );

    let server = form
        .start("")
        .variables("ECHO_SERVE=once ECHO_REPLY=greeting ECHO_QUIET=false")
        .run();
    let mut client = server.sending(b"hola\n");
    let reply = client.receive_all();
    assert!(reply.ends_with(b"\r\n\r\nHola, cliente!\n"), "{reply:?}");
    drop(client);
    let transcript = server.stop();
    assert_eq!(transcript.events().count(), 4);
}

fn timeouts_and_limits_have_their_variables(form: &Form) {
    let server = form
        .start("--serve until-eof")
        .variables("ECHO_IDLE_TIMEOUT=1 ECHO_GRACE=0")
        .run();
    let mut silent = server.accepted();
    silent.expect_end();
    assert_eq!(server.wait_closed(silent.address), ": idle for 1 s");
    server.stop();

    let server = form.start("--serve until-eof").env("ECHO_GRACE", "1").run();
    let (_stalled, _) = server.stalled();
    let taken = server.time_to_stop(SIGTERM);
    assert!(taken > Duration::from_millis(900), "{taken:?}");
    let told = server.stderr.all();
    assert!(told[0].contains("waiting up to 1 s "), "{told:?}");
    drop(server);

    // Of a pool of threads or processes the number of workers counts.
    if form.workers.is_none() || form.kind == Kind::Loop {
        let server =
            form.start("--serve until-eof").env("ECHO_MAX_CLIENTS", "1").run();
        let first = server.accepted();
        let mut second = server.sending(b"hola\n");
        second.expect_silence();
        drop(first);
        second.expect(b"hola\n");
        drop(second);
        server.stop();
    }
}

fn the_command_line_wins(form: &Form) {
    let server = form
        .start("--host 127.0.0.1 --serve until-eof --reply echo --language en")
        .variables("ECHO_HOST=127.0.0.2 ECHO_PORT=1 ECHO_SERVE=once")
        .variables("ECHO_REPLY=greeting ECHO_LANGUAGE=es")
        .run();
    let mut client = server.served(b"one");
    client.exchange(b"two");
    client.leave();
    server.stop();
}

/// Variables with values that they cannot take.
const WRONG: [&str; 9] = [
    // As Kubernetes sets it for a service that is called `echo`.
    "ECHO_PORT=tcp://10.96.0.17:8080",
    "ECHO_PORT=http",
    "ECHO_MAX_CLIENTS=0",
    "ECHO_IDLE_TIMEOUT=soon",
    "ECHO_GRACE=-1",
    "ECHO_SERVE=twice",
    "ECHO_REPLY=nothing",
    "ECHO_COLOR=sometimes",
    "ECHO_LANGUAGE=fr",
];

fn a_wrong_variable_is_a_usage_error(form: &Form) {
    for wrong in WRONG {
        refusal(form.start("").no_port().variables(wrong), wrong);
    }
}

fn the_locale_decides_the_language(form: &Form) {
    let spanish: &[&str] = &[
        "LANG=es_ES.UTF-8",
        "LANG=es",
        "LANG=es_MX",
        "LC_MESSAGES=es_AR.UTF-8 LANG=en_US.UTF-8",
        "LC_ALL=es_ES.UTF-8 LC_MESSAGES=en_US.UTF-8",
        "LC_ALL=es_ES.UTF-8 LANG=C",
        // An empty one says nothing.
        "LC_ALL= LANG=es_ES.UTF-8",
        "LC_ALL= LC_MESSAGES= LANG=es_ES.UTF-8",
    ];
    let english: &[&str] = &[
        "",
        "LANG=en_US.UTF-8",
        "LANG=C",
        "LANG=C.UTF-8",
        "LANG=POSIX",
        "LANG=fr_FR.UTF-8",
        "LANG=",
        "LC_ALL=C LANG=es_ES.UTF-8",
        "LC_ALL=POSIX LC_MESSAGES=es_ES.UTF-8",
        "LC_ALL=en_GB.UTF-8 LC_MESSAGES=es LANG=es",
        "LC_MESSAGES=C LANG=es_ES.UTF-8",
        "LANG=est_EE.UTF-8",
    ];
    for (all, words) in
        [(spanish, " escuchando en "), (english, " listening on ")]
    {
        for variables in all {
            let server = form.start("").variables(variables).run();
            let first = server.stdout.so_far().remove(0);
            assert!(first.contains(words), "{variables:?}: {first}");
        }
    }
}

fn the_language_asked_for_wins_over_the_locale(form: &Form) {
    for (language, words) in
        [("en", " listening on "), ("es", " escuchando en ")]
    {
        let server = form
            .start(&format!("--language {language}"))
            .env("LC_ALL", "fr_FR.UTF-8")
            .env("LANG", if language == "en" { "es_ES" } else { "en_US" })
            .run();
        let first = server.stdout.so_far().remove(0);
        assert!(first.contains(words), "{first}");
    }
}

fn a_wrong_variable_is_named(form: &Form) {
    let latin_1 = OsString::from_vec(b"m\xe1quina".into());
    for locale in ["LANG=en_XX.UTF-8", "LANG=es_XX.UTF-8"] {
        let start = || form.start("").no_port().variables(locale);
        for wrong in WRONG {
            let (name, value) = wrong.split_once('=').expect("it has both");
            let text = refusal(start().variables(wrong), wrong);
            assert!(text.contains(name), "no {name}: {text}");
            assert!(text.contains(value), "no {value}: {text}");
        }
        let text = refusal(start().env("ECHO_HOST", &latin_1), "Latin-1");
        let first = text.lines().next().unwrap_or_default();
        assert!(first.contains("ECHO_HOST"), "{text}");
        assert!(first.contains("UTF-8"), "{text}");
    }
    // A mistake of the command line itself names no variable.
    let start = form.start("--language es").option("--host", &latin_1);
    let text = refusal(start, "Latin-1");
    assert!(text.contains("un argumento no es UTF-8"), "{text}");
    let start = form.start("--grace long").env("ECHO_GRACE", "3");
    let text = refusal(start, "--grace long");
    assert!(!text.contains("ECHO_") && text.contains("--grace"), "{text}");
}

fn an_empty_variable_is_as_none(form: &Form) {
    let all = "ECHO_HOST= ECHO_SERVE= ECHO_REPLY= ECHO_MAX_CLIENTS= \
               ECHO_IDLE_TIMEOUT= ECHO_GRACE= ECHO_WORKERS= ECHO_BACKEND= \
               ECHO_LANGUAGE= ECHO_QUIET= ECHO_COLOR= ECHO_CPU_WORK= \
               ECHO_TRACE= ECHO_PORT=";
    let server = form.start("").variables(all).run();
    assert!(server.address.ip().is_loopback());
    server.exchange(b"hola\n");
    server.stop();
}
