//! Reads the lines that a server prints, in both of its languages.
//!
//! A line begins with the worker, then comes the client, then the event; two
//! spaces or more stand between them. Whatever has another form is shown and
//! otherwise left alone.

use std::net::SocketAddr;

use ratatui::text::Span;
use strum::EnumString;

/// Who serves a client: the first column of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Worker {
    /// A thread, by its number.
    Thread(u64),
    /// A process, by its process id.
    Process(i32),
    /// The one loop.
    Loop,
    /// One of several loops, by its number.
    LoopNumber(u64),
}

impl Worker {
    /// Reads the first column, `thread 1` or `hilo 1`.
    pub fn parse(text: &str) -> Option<Self> {
        let (noun, number) = text.split_once(' ').unwrap_or((text, ""));
        Some(match noun {
            "thread" | "hilo" => Self::Thread(number.parse().ok()?),
            "process" | "proceso" => Self::Process(number.parse().ok()?),
            "loop" | "bucle" if number.is_empty() => Self::Loop,
            "loop" | "bucle" => Self::LoopNumber(number.parse().ok()?),
            _ => return None,
        })
    }

    /// Whether it is an event loop, which serves many clients at a time.
    pub fn is_loop(self) -> bool {
        matches!(self, Self::Loop | Self::LoopNumber(_))
    }
}

/// Whose row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The main thread or the parent, which accepts.
    Main,
    /// A thread, a process, a loop.
    Worker(Worker),
    /// A client of a loop.
    Client(SocketAddr),
    /// A client in the kernel's accept queue.
    Queue(SocketAddr),
}

impl Key {
    /// Whether its row always stays: that of the main thread, or of a loop.
    pub fn is_fixed(self) -> bool {
        match self {
            Self::Main => true,
            Self::Worker(worker) => worker.is_loop(),
            Self::Client(_) | Self::Queue(_) => false,
        }
    }
}

/// What has happened to a client, by the first word that tells of it.
#[derive(Clone, Copy, Debug, EnumString, PartialEq, Eq)]
pub enum Event {
    /// The server has accepted the connection.
    #[strum(serialize = "connected", serialize = "conectado")]
    Connected,
    /// The server has received something.
    #[strum(serialize = "received")]
    #[strum(serialize = "recibido", serialize = "recibidos")]
    Received,
    /// The server has sent something.
    #[strum(serialize = "sent", serialize = "enviado", serialize = "enviados")]
    Sent,
    /// The server has closed the connection, for whatever reason.
    #[strum(serialize = "closed", serialize = "cerrado")]
    Closed,
    /// The process that served it has died.
    #[strum(serialize = "died", serialize = "murió")]
    Died,
}

/// A line that a server has printed, and that the view understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// The first one.
    Listening(SocketAddr),
    /// An address at which others can reach the server.
    Reachable(SocketAddr),
    /// What a worker did, for a client if there was one.
    Event {
        /// The worker.
        worker: Worker,
        /// The client.
        client: Option<SocketAddr>,
        /// What happened.
        event: Event,
    },
    /// The last one, with the totals.
    Stopped,
}

impl Line {
    /// Reads one line.
    pub fn parse(line: &str) -> Option<Self> {
        Self::parse_event(line).or_else(|| Self::parse_other(line))
    }

    fn parse_event(line: &str) -> Option<Self> {
        let (worker, rest) = line.split_once("  ")?;
        let worker = Worker::parse(worker)?;
        let rest = rest.trim_start();
        let with_client = rest.split_once("  ").and_then(|(client, rest)| {
            Some((Some(canonical(client.parse().ok()?)), rest))
        });
        let (client, event) = with_client.unwrap_or((None, rest));
        // A colon stands before a reason: `closed: one exchange`.
        let verb = event.split([' ', ':']).next()?;
        let event = verb.parse().ok()?;
        Some(Self::Event { worker, client, event })
    }

    /// `mux-server listening on 127.0.0.1:8080`.
    fn parse_other(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        let verb = words.next()?;
        let mut address = || words.nth(1)?.parse().ok();
        match verb {
            "listening" | "escuchando" => Some(Self::Listening(address()?)),
            "reachable" | "accesible" => Some(Self::Reachable(address()?)),
            "stopped:" | "detenido:" => Some(Self::Stopped),
            _ => None,
        }
    }
}

/// An address such that both ends write it in the same way: an IPv4 client of
/// a dual-stack socket as the IPv4 address that it is.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Text that can do nothing to a terminal, whatever the server has let
/// through: control characters, those that turn the direction of writing, and
/// those that take no column of their own, are spelt out.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        // `escape_debug` knows which characters are printable. Its escapes
        // are longer than one character.
        let printable = || {
            character.escape_debug().len() == 1
                && Span::raw(character.to_string()).width() > 0
        };
        if matches!(character, ' '..='~') || printable() {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn event(line: &str) -> (Worker, Option<SocketAddr>, Event) {
        match Line::parse(line) {
            Some(Line::Event { worker, client, event }) => {
                (worker, client, event)
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_line_is_read_in_both_languages() {
        let client = Some(address("127.0.0.1:54321"));
        for (english, spanish, expected) in [
            ("connected", "conectado", Event::Connected),
            (
                "received 7 bytes: ¡hola\\n",
                "recibidos 7 bytes: ¡hola\\n",
                Event::Received,
            ),
            ("received 1 byte: x", "recibido 1 byte: x", Event::Received),
            ("sent 7 bytes", "enviados 7 bytes", Event::Sent),
            ("sent 1 byte", "enviado 1 byte", Event::Sent),
            ("closed", "cerrado", Event::Closed),
            ("closed: one exchange", "cerrado: un intercambio", Event::Closed),
            (
                "closed: idle for 300 s",
                "cerrado: inactivo durante 300 s",
                Event::Closed,
            ),
            ("died: SIGSEGV", "murió: SIGSEGV", Event::Died),
        ] {
            let line = format!("thread 1      127.0.0.1:54321  {english}");
            assert_eq!(event(&line), (Worker::Thread(1), client, expected));
            let line = format!("proceso 4711  127.0.0.1:54321  {spanish}");
            assert_eq!(event(&line), (Worker::Process(4711), client, expected));
            let line = format!("bucle         127.0.0.1:54321  {spanish}");
            assert_eq!(event(&line), (Worker::Loop, client, expected));
            let line = format!("loop 2        127.0.0.1:54321  {english}");
            assert_eq!(event(&line), (Worker::LoopNumber(2), client, expected));
        }
        assert_eq!(
            event("process 4711  died: SIGKILL"),
            (Worker::Process(4711), None, Event::Died)
        );
        assert_eq!(
            event("hilo 2        [::1]:5  conectado").1,
            Some(address("[::1]:5"))
        );
    }

    #[test]
    fn the_first_lines_and_the_last_are_known() {
        let listening = Line::Listening(address("0.0.0.0:8080"));
        let reachable = Line::Reachable(address("192.0.2.7:8080"));
        for (line, expected) in [
            ("threads-server listening on 0.0.0.0:8080", Some(listening)),
            ("threads-server escuchando en 0.0.0.0:8080", Some(listening)),
            ("mux-server reachable at 192.0.2.7:8080", Some(reachable)),
            ("mux-server accesible en 192.0.2.7:8080", Some(reachable)),
            ("mux-server stopped: 1 client served", Some(Line::Stopped)),
            ("mux-server detenido: 1 cliente", Some(Line::Stopped)),
            ("", None),
            ("thread 1", None),
            ("thread one    127.0.0.1:1  connected", None),
            ("thread 1      127.0.0.1:1  danced", None),
            ("threads-server listening on the moon", None),
        ] {
            assert_eq!(Line::parse(line), expected, "{line}");
        }
    }

    #[test]
    fn a_message_cannot_pass_for_another_event() {
        let line = "thread 1      127.0.0.1:1  received 40 bytes: \
                    x  127.0.0.1:2  closed  threads-server stopped: 1";
        let expected = Event::Received;
        let client = Some(address("127.0.0.1:1"));
        assert_eq!(event(line), (Worker::Thread(1), client, expected));
    }

    #[test]
    fn nothing_is_left_that_a_terminal_would_obey() {
        let evil = "a\x1b[2J\r\n\t\u{9b}2J\u{202e}\u{200b}e\u{301}\u{7f}ñ日";
        let shown = harmless(evil);
        assert_eq!(
            shown,
            "a\\u{1b}[2J\\u{d}\\u{a}\\u{9}\\u{9b}2J\\u{202e}\\u{200b}\
             e\\u{301}\\u{7f}ñ日"
        );
        assert!(!shown.chars().any(char::is_control));
        // What the server has escaped stays as it printed it.
        assert_eq!(harmless("\\u{1b} \"it's\""), "\\u{1b} \"it's\"");
    }
}
