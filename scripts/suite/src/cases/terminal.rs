//! What is shown on a terminal, the command line's words, and the files and
//! streams that are shared or not read.

use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;

use nix::ifaddrs::getifaddrs;
use nix::libc::O_NONBLOCK;
use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal::SIGTERM;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use probe::folder::folder;
use probe::lines::{Lines, Reading};
use probe::proc;
use probe::server::Server;
use probe::start::{Output, Start};
use probe::transcript::unescape;
use probe::wait::stays;

use super::leave;
use crate::case::{Case, Need, accepts_when_ready, case};
use crate::{Form, Kind};

pub const CASES: &[Case] = &[
    case!(a_terminal_shows_sixty_characters_of_a_message),
    case!(a_terminal_without_utf8_gets_ascii_alone),
    case!(each_worker_has_its_colour_on_a_terminal),
    case!(the_echo_of_ctrl_c_shares_no_line).needs(&[Need::Setsid]),
    case!(the_help_fits_the_terminal),
    case!(a_wrong_variable_is_named),
    case!(an_empty_variable_is_as_none),
    case!(an_empty_host_says_what_is_missing),
    case!(the_spanish_command_line_is_spanish_to_the_end),
    case!(the_addresses_that_others_can_use_are_listed),
    case!(a_stop_that_waits_says_so).slow(),
    case!(servers_started_at_once_begin_a_trace_once),
    case!(a_trace_that_was_cut_is_begun_anew),
    case!(a_diagnostic_that_is_not_read_stops_nothing)
        .only(accepts_when_ready)
        .needs(&[Need::Prlimit]),
];

/// A terminal: what is typed into it, and what a server shows on it.
struct Terminal {
    keyboard: File,
    screen: Arc<Lines>,
    server_end: File,
}

impl Terminal {
    /// A terminal with so many columns.
    fn new(columns: u16) -> Self {
        let size =
            Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).expect("a pseudo terminal");
        let keyboard = File::from(pair.master);
        let screen = keyboard.try_clone().expect("one more descriptor");
        Self {
            keyboard,
            screen: Lines::of(screen, Reading::All),
            server_end: File::from(pair.slave),
        }
    }
}

/// Starts a server whose standard output is a terminal.
fn on_terminal(
    form: &Form,
    start: impl FnOnce(Start) -> Start,
    options: &str,
) -> (Server, Arc<Lines>, File) {
    let terminal = Terminal::new(80);
    let own = proc::own_address();
    let start = start(form.start(options))
        .env("TERM", "xterm")
        .on(own, 20_001)
        .stdout(Output::File(terminal.server_end));
    let screen = terminal.screen;
    let address = (own, 20_001).into();
    let server = start.run_unseen(address, || !screen.so_far().is_empty());
    (server, screen, terminal.keyboard)
}

/// What a screen shows of a line: a carriage return goes back to its start,
/// and what follows overwrites it.
fn seen(line: &str) -> String {
    let mut cells: Vec<char> = Vec::new();
    for part in line.split('\r') {
        let part: Vec<char> = part.chars().collect();
        let kept = cells.split_off(part.len().min(cells.len()));
        cells = part;
        cells.extend(kept);
    }
    cells.into_iter().collect()
}

/// Waits for a line that contains this, and gives it as a screen shows it.
fn wait_for(screen: &Lines, text: &str) -> String {
    screen.wait(text, |lines| {
        lines.iter().map(|line| seen(line)).find(|line| line.contains(text))
    })
}

fn a_terminal_shows_sixty_characters_of_a_message(form: &Form) {
    for (language, note) in
        [("en", "… (940 more bytes)"), ("es", "… (940 bytes más)")]
    {
        let options = format!("--language {language} --color never");
        let with_utf8 = |start: Start| start.env("LC_ALL", "C.UTF-8");
        let (server, screen, _) = on_terminal(form, with_utf8, &options);
        server.exchange(&[b'a'; 1000]);
        let line = wait_for(&screen, " 1000 bytes: ");
        let end = format!(": {}{note}", "a".repeat(60));
        assert!(line.ends_with(&end), "{line}");
        // A message that fits is whole.
        server.exchange("ñ".repeat(60).as_bytes());
        let line = wait_for(&screen, " 120 bytes: ");
        let end = format!(": {}", "ñ".repeat(60));
        assert!(line.ends_with(&end), "{line}");
        server.stop_unchecked();
    }
}

fn a_terminal_without_utf8_gets_ascii_alone(form: &Form) {
    let message = "\u{15b}\u{9b}2Jñandú\n";
    for locale in ["C", "es_AR", "es_ES.ISO-8859-15@euro"] {
        let (server, screen, _) = on_terminal(
            form,
            |start| start.env("LC_ALL", locale),
            "--color never --language es --idle-timeout 1",
        );
        server.exchange(message.as_bytes());
        let line = wait_for(&screen, " bytes: ");
        let (_, shown) = line.split_once(" bytes: ").expect("it has both");
        assert_eq!(unescape(shown).as_deref(), Some(message.as_bytes()));
        server.stop_unchecked();
        // Our own words too, without a control but the ends of the lines.
        for line in screen.all() {
            let harmless = |c: char| c == '\r' || (' '..='~').contains(&c);
            assert!(line.chars().all(harmless), "{line:?}");
        }
    }
}

fn each_worker_has_its_colour_on_a_terminal(form: &Form) {
    let colored = |options: &str, no_color: &str| -> bool {
        let environment = |start: Start| start.env("NO_COLOR", no_color);
        let (server, screen, _) = on_terminal(form, environment, options);
        server.exchange(b"hola\n");
        let line = wait_for(&screen, "connected");
        server.stop_unchecked();
        // The first column alone, and the colour ends with it.
        let escapes = line.matches('\x1b').count();
        assert!(escapes == 0 || escapes == 2, "{line:?}");
        if escapes == 2 {
            let (first, rest) =
                line.split_once("\x1b[0m").expect("the colour ends");
            assert!(first.starts_with("\x1b[3"), "{line:?}");
            assert!(first.contains(['1', '2', '3', '4', 'p', 'l']), "{line:?}");
            assert!(rest.trim_start().starts_with("127."), "{line:?}");
        }
        escapes == 2
    };
    assert!(colored("", ""));
    assert!(!colored("", "1"));
    assert!(!colored("--color never", ""));
    assert!(colored("--color always", "1"));

    // Into a pipe only if it is asked for.
    for (options, expected) in [("", false), ("--color always", true)] {
        let server = form.start(options).env("TERM", "xterm").run();
        server.exchange(b"hola\n");
        let ended = server.stop_unchecked();
        let found = ended.stdout.iter().any(|line| line.contains('\x1b'));
        assert_eq!(found, expected, "{ended:?}");
    }

    // The first two threads differ. (The numbers of two others, or of two
    // processes, may be six apart.)
    if form.kind == Kind::Threads && form.workers.is_none() {
        let (server, screen, _) =
            on_terminal(form, |start| start, "--serve until-eof");
        let clients = [server.client(), server.client()];
        let colors = screen.wait("two clients", |lines| {
            let mut connected =
                lines.iter().filter(|line| line.contains("connected"));
            let mut color = || connected.next()?.split('m').next();
            Some([color()?.to_owned(), color()?.to_owned()])
        });
        assert_ne!(colors[0], colors[1]);
        drop(clients);
        server.stop_unchecked();
    }
}

fn the_echo_of_ctrl_c_shares_no_line(form: &Form) {
    let terminal = Terminal::new(80);
    let mut keyboard = terminal.keyboard;
    let screen = terminal.screen;
    let own = proc::own_address();
    let input = terminal.server_end.try_clone().expect("one more descriptor");
    let mut server = form
        .start("--color never")
        .on(own, 20_001)
        .at_terminal(Stdio::from(input))
        .stdout(Output::File(terminal.server_end))
        .run_unseen((own, 20_001).into(), || !screen.so_far().is_empty());
    keyboard.write_all(b"\x03").expect("a key can be pressed");
    assert_eq!(server.ended().status, 0);
    let lines = screen.all();
    let last = lines.last().expect("there are two lines");
    // The terminal has shown it, and the line has overwritten it.
    assert!(last.contains("^C"), "{last:?}");
    let name = form.kind.program();
    let shown = seen(last);
    assert!(shown.starts_with(&format!("{name} stopped: ")), "{shown:?}");
    assert!(!shown.contains('^'), "{shown:?}");
}

fn the_help_fits_the_terminal(form: &Form) {
    for columns in [60, 80] {
        for (language, title) in [("en", "Examples:"), ("es", "Ejemplos:")] {
            let terminal = Terminal::new(columns);
            let ended = form
                .start(&format!("--help --language {language}"))
                .env("LC_ALL", "C.UTF-8")
                .stdout(Output::File(terminal.server_end))
                .end();
            assert_eq!(ended.status, 0, "{ended:?}");
            let lines = terminal.screen.all();
            let width = |line: &String| line.trim_end().chars().count();
            let widest = lines.iter().map(width).max().unwrap_or(0);
            assert!(widest <= columns.into(), "{widest}: {lines:#?}");
            assert!(widest > usize::from(columns) - 10, "{widest}");
            let start = lines.iter().position(|line| line.trim_end() == title);
            let start = start.expect("there are examples");
            let name = format!("  {} -", form.kind.program());
            let examples = lines[start..].iter();
            let examples = examples.filter(|line| line.starts_with(&name));
            assert_eq!(examples.count(), 3, "{lines:#?}");
        }
    }
}

fn a_wrong_variable_is_named(form: &Form) {
    for (name, value) in [
        // As Kubernetes sets it for a service that is called `echo`.
        ("ECHO_PORT", "tcp://10.96.0.17:8080"),
        ("ECHO_MAX_CLIENTS", "0"),
        ("ECHO_GRACE", "-1"),
        ("ECHO_SERVE", "twice"),
        ("ECHO_COLOR", "sometimes"),
        ("ECHO_LANGUAGE", "fr"),
    ] {
        for language in ["en", "es"] {
            let locale = format!("{language}_XX.UTF-8");
            let start = form.start("").no_port().env("LANG", &locale);
            let ended = start.env(name, value).end();
            assert_eq!(ended.status, 2, "{name}={value}: {ended:?}");
            let text = ended.stderr.join("\n");
            assert!(text.contains(name), "no {name}: {text}");
            assert!(text.contains(value), "no {value}: {text}");
        }
    }
    // The mistake of the command line itself names no variable.
    let start = form.start("--grace long").env("ECHO_GRACE", "3");
    let text = start.end().stderr.join("\n");
    assert!(!text.contains("ECHO_") && text.contains("--grace"), "{text}");
}

fn an_empty_variable_is_as_none(form: &Form) {
    let names = [
        "ECHO_HOST",
        "ECHO_SERVE",
        "ECHO_REPLY",
        "ECHO_MAX_CLIENTS",
        "ECHO_IDLE_TIMEOUT",
        "ECHO_GRACE",
        "ECHO_WORKERS",
        "ECHO_BACKEND",
        "ECHO_LANGUAGE",
        "ECHO_QUIET",
        "ECHO_COLOR",
        "ECHO_CPU_WORK",
        "ECHO_TRACE",
        "ECHO_PORT",
    ];
    let mut start = form.start("");
    for name in names {
        start = start.env(name, "");
    }
    let server = start.run();
    assert!(server.address.ip().is_loopback());
    server.exchange(b"hola\n");
    server.stop();
}

fn an_empty_host_says_what_is_missing(form: &Form) {
    for (language, words) in [
        ("en", "an address or a name is missing"),
        ("es", "falta una dirección o un nombre"),
    ] {
        let start = form.start(&format!("--language {language}"));
        let ended = start.option("--host", "").end();
        assert_eq!(ended.status, 2, "{ended:?}");
        let text = ended.stderr.join("\n");
        assert!(text.contains("--host") && text.contains(words), "{text}");
    }
}

fn the_spanish_command_line_is_spanish_to_the_end(form: &Form) {
    // Words that clap or the system would say in English.
    let english = [
        "default",
        "possible",
        "value",
        "argument ",
        "found",
        "tip:",
        "similar",
        "Usage",
        "Options",
        "more information",
        "try ",
        "number",
        "not in",
        "range",
        "digit",
        "required",
        "unexpected",
        "invalid",
        " file",
        "such",
    ];
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
        for word in english {
            assert!(!text.contains(word), "{word:?} in {text}");
        }
    }
}

fn the_addresses_that_others_can_use_are_listed(form: &Form) {
    // What the kernel says of the interfaces that are up.
    let interfaces = getifaddrs().expect("the kernel lists them");
    let up = nix::net::if_::InterfaceFlags::IFF_UP;
    let mut all: Vec<IpAddr> = interfaces
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
    all.sort_unstable();
    all.dedup();
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    for host in ["0.0.0.0", "::", "127.0.0.1"] {
        if host == "::" && !has_ipv6 {
            continue;
        }
        for (language, words) in
            [("en", " reachable at "), ("es", " accesible en ")]
        {
            let options = format!("--host {host} --language {language}");
            let server = form.run(&options);
            server.exchange(b"hola\n");
            let port = server.port();
            let ended = server.stop_unchecked();
            let prefix = format!("{}{words}", form.kind.program());
            let listed = ended.stdout[1..]
                .iter()
                .map_while(|line| line.strip_prefix(&prefix))
                .map(|address| address.parse().expect("an address"));
            let mut listed: Vec<SocketAddr> = listed.collect();
            assert!(listed.iter().all(|address| address.port() == port));
            listed.sort_unstable();
            let listed: Vec<IpAddr> =
                listed.into_iter().map(|address| address.ip()).collect();
            let expected: Vec<IpAddr> = match host {
                "0.0.0.0" => {
                    all.iter().copied().filter(IpAddr::is_ipv4).collect()
                }
                "::" => all.clone(),
                _ => Vec::new(),
            };
            assert_eq!(listed, expected, "{host}");
        }
    }
    let ended = form.run("--host 0.0.0.0 --quiet").stop_unchecked();
    assert_eq!(ended.stdout.len(), 2, "{ended:?}");
}

fn a_stop_that_waits_says_so(form: &Form) {
    for (language, words) in [
        (
            "en",
            "waiting up to 3 s for 1 client to take its replies; a second \
             Ctrl-C ends the server now",
        ),
        (
            "es",
            "esperando hasta 3 s a que 1 cliente reciba sus respuestas; un \
             segundo Ctrl-C termina el servidor ya",
        ),
    ] {
        // The length of the wait is that of the option.
        let options = format!("--grace 3 --language {language}");
        let mut server = form
            .start(&format!("--serve until-eof {options}"))
            .room_for(2)
            .run();
        let (slow, _) = server.stalled();
        server.signal(SIGTERM);
        let ended = server.ended();
        assert_eq!(ended.status, 0, "{ended:?}");
        let name = form.kind.program();
        assert_eq!(ended.stderr, [format!("{name}: {words}")]);
        drop(slow);
    }
    // Without a slow client there is nothing to wait for.
    let server = form.run("--serve until-eof --grace 1");
    let _silent = server.client();
    server.stop();
}

fn servers_started_at_once_begin_a_trace_once(form: &Form) {
    for exists in [false, true] {
        let folder = folder();
        let path = folder.path().join("trace.json");
        if exists {
            fs::write(&path, "").expect("the folder is ours");
        }
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let start = form.start("").option("--trace", &path);
                    let server = start.run();
                    server.exchange(b"hola\n");
                    server.stop();
                });
            }
        });
        let text = fs::read_to_string(&path).expect("there is a trace");
        assert!(text.starts_with("[\n"), "{text}");
        assert_eq!(text.matches("[\n").count(), 1, "{text}");
        assert_eq!(text.matches("\"connected\"").count(), 4, "{text}");
    }
}

fn a_trace_that_was_cut_is_begun_anew(form: &Form) {
    let folder = folder();
    let path = folder.path().join("trace.json");
    let start = form.start("--serve until-eof").room_for(3);
    let server = start.option("--trace", &path).run();
    server.exchange(b"before\n");
    stays("nothing more is written", || {
        fs::read_to_string(&path).is_ok_and(|text| text.starts_with("[\n"))
    });
    // As logrotate(8) does with `copytruncate`.
    cut(&path);
    let mut clients = [server.client(), server.client()];
    for client in &mut clients {
        client.exchange(b"after\n");
    }
    drop(clients);
    server.stop();
    let text = fs::read_to_string(&path).expect("there is a trace");
    assert!(text.starts_with("[\n{"), "{text}");
    assert_eq!(text.matches("[\n").count(), 1, "{text}");
    assert_eq!(text.matches("\"connected\"").count(), 2, "{text}");
}

fn cut(path: &Path) {
    File::options()
        .write(true)
        .truncate(true)
        .open(path)
        .expect("the trace can be cut");
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
    let redirect = format!("exec \"$0\" \"$@\" 2>{}", path.display());
    let server = form
        .start("--serve until-eof")
        .room_for(4)
        .under_words(["sh", "-c", &redirect])
        .run();
    let mut inside = server.accepted();
    inside.exchange(b"before\n");
    let none = proc::lowest_free_descriptor(server.pid);
    server.limit("nofile", none.into());
    let mut waiting = [server.client(), server.client()];
    for client in &mut waiting {
        client.send(b"hola\n");
    }
    waiting[0].expect_silence();
    inside.exchange(b"meanwhile\n");
    server.limit("nofile", 1024);
    for client in &mut waiting {
        client.expect(b"hola\n");
        leave(client);
    }
    drop(inside);
    server.stop();
}
