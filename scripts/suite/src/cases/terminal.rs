//! A terminal: what is shown on it, and its Ctrl-C.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;

use nix::pty::{Winsize, openpty};

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(a_terminal_shows_sixty_characters_of_a_message),
    case!(a_terminal_without_utf8_gets_ascii_alone),
    case!(each_worker_has_its_colour_on_a_terminal),
    case!(the_echo_of_ctrl_c_shares_no_line).needs(&[Need::Setsid]),
    case!(the_help_fits_the_terminal),
    case!(ctrl_c_at_a_terminal_is_an_orderly_stop).needs(&[Need::Setsid]),
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
fn on_terminal(start: Start) -> (Server, Arc<Lines>, File) {
    let terminal = Terminal::new(80);
    let output = terminal.server_end;
    let start = start.env("TERM", "xterm").stdout(output);
    let screen = terminal.screen;
    let server = start.run_unseen(|_| !screen.so_far().is_empty());
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
        let start = form.start(&options).env("LC_ALL", "C.UTF-8");
        let (server, screen, _) = on_terminal(start);
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
        let start = form.start("--color never --language es --idle-timeout 1");
        let (server, screen, _) = on_terminal(start.env("LC_ALL", locale));
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
        let start = form.start(options).env("NO_COLOR", no_color);
        let (server, screen, _) = on_terminal(start);
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
        let (server, screen, _) = on_terminal(form.start("--serve until-eof"));
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
    let mut attempts = (0..20).map(|_| last_line_after_ctrl_c(form));
    let last = attempts.find(|(start, _)| start.contains("^C"));
    let (start, line) = last.expect("the key is shown in time, sometimes");
    // The terminal has shown it, and the line has overwritten it.
    let shown = seen(&format!("{start}{line}"));
    assert_eq!(shown, line.trim_end());
}

/// Ends a server by Ctrl-C. Gives what a terminal was sent before the last
/// line, on the same line, and the last line; nothing where that was too late.
///
/// The kernel sends the signal before it shows the key, so a server may be
/// faster. And the server is what a shell is elsewhere, the first process at
/// this terminal: with its end the kernel drops what was not shown yet.
fn last_line_after_ctrl_c(form: &Form) -> (String, String) {
    let terminal = Terminal::new(80);
    let mut keyboard = terminal.keyboard;
    let screen = terminal.screen;
    let input = terminal.server_end.try_clone().expect("one more descriptor");
    let mut server = form
        .start("--color never")
        .at_terminal(Stdio::from(input))
        .stdout(terminal.server_end)
        .run_unseen(|_| !screen.so_far().is_empty());
    keyboard.write_all(b"\x03").expect("a key can be pressed");
    assert_eq!(server.ended().status, 0);
    let begin = format!("{} stopped: ", form.kind.program());
    let lines = screen.all();
    let parts = lines.iter().find_map(|line| {
        let (start, last) = line.split_at(line.find(&begin)?);
        Some((start.to_owned(), last.to_owned()))
    });
    parts.unwrap_or_default()
}

fn the_help_fits_the_terminal(form: &Form) {
    for columns in [60, 80] {
        for (language, title) in [("en", "Examples:"), ("es", "Ejemplos:")] {
            let terminal = Terminal::new(columns);
            let ended = form
                .start(&format!("--help --language {language}"))
                .env("LC_ALL", "C.UTF-8")
                .stdout(terminal.server_end)
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

fn ctrl_c_at_a_terminal_is_an_orderly_stop(form: &Form) {
    let mut terminal = Terminal::new(80);
    let mut server = form
        .start("--serve until-eof --grace 15")
        .at_terminal(Stdio::from(terminal.server_end))
        .run();
    let mut silent = server.accepted();
    let mut client = server.served(b"hola\n");
    terminal.keyboard.write_all(b"\x03").expect("a key can be pressed");
    silent.expect_end();
    client.expect_end();
    let transcript = server.transcript();
    assert_eq!(transcript.totals.clients, 2);
    for client in [silent, client] {
        assert_eq!(transcript.reason(client.address), Some("server stopping"));
    }
}
