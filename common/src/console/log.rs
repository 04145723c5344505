//! The lines that a server prints: safe to look at, whole, in two languages.
//!
//! Safe: what a client sent can do nothing to the terminal. Whole: each line
//! is one `write(2)`, which no other thread or process can tear apart in a
//! pipe or a file.
//!
//! Next: `observer.rs`, which has each line printed.

// Texts, addresses, the status of a process, and a lock for all threads.
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

// The names of signals.
use nix::sys::signal::Signal;

// The words, and where they go.
use crate::console::addresses;
use crate::console::errors::{ErrorThrottle, TransientError};
use crate::console::escape::escape;
use crate::console::language::Language;
use crate::console::options::Color;
use crate::console::output::{Output, Stream};
use crate::totals::Totals;

/// The longest line, newline included, in bytes: 4096 on Linux.
///
/// pipe(7): a write of at most `PIPE_BUF` bytes reaches a pipe in one piece,
/// even if other processes write to it at the same time.
pub const LINE_LIMIT: usize = libc::PIPE_BUF;

/// How many characters of a message a terminal shows, so that one client
/// cannot fill the screen.
const TERMINAL_LIMIT: usize = 60;

/// The colours of the first column: the numbers of "Select Graphic Rendition"
/// (ECMA-48) for cyan, yellow, green, magenta, blue and red.
const COLORS: [u64; 6] = [36, 33, 32, 35, 34, 31];

/// The thread, process or loop that serves a client: the first column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// A thread, by its number in the order of creation, from 1.
    Thread(u64),
    /// A process, by its process id.
    Process(u32),
    /// The one loop.
    Loop,
    /// One of several loops, by its number, from 1.
    LoopNumber(u64),
}

impl Worker {
    /// Its name in English, as `ps -T` shows that of a thread.
    pub fn name(self) -> String {
        self.name_in(Language::English)
    }

    /// Its name in a line of this language.
    fn name_in(self, language: Language) -> String {
        let loop_name = language.pick("loop", "bucle");
        match self {
            // A thread has no other name that a user knows.
            Self::Thread(number) => {
                format!("{} {number}", language.pick("thread", "hilo"))
            }
            // ps(1), top(1) and kill(1) use the same number.
            Self::Process(id) => {
                format!("{} {id}", language.pick("process", "proceso"))
            }
            // The only loop needs no number.
            Self::Loop => loop_name.to_owned(),
            Self::LoopNumber(number) => format!("{loop_name} {number}"),
        }
    }

    /// Its colour: two workers with successive numbers differ.
    fn color(self) -> u64 {
        let number = match self {
            Self::Loop => 0,
            Self::Process(id) => u64::from(id),
            Self::Thread(number) | Self::LoopNumber(number) => number,
        };
        // The remainder is below the length, so that the index fits.
        let index = number % COLORS.len() as u64;
        COLORS[usize::try_from(index).unwrap_or(0)]
    }
}

/// What has happened to a client: the rest of a line.
#[derive(Debug)]
pub enum Event<'a> {
    /// Its connection was accepted and is now being served.
    Connected,
    /// The server has received these bytes from it.
    Received(&'a [u8]),
    /// The kernel has taken a whole reply of so many bytes for it.
    Sent(usize),
    /// Its connection is closed.
    Closed(Ending),
    /// The process that served it has died; the status says of what.
    Died(ExitStatus),
}

/// Why a connection was closed.
#[derive(Debug)]
pub enum Ending {
    /// The client has sent its end of file, or has closed.
    ClientEnded,
    /// The server has sent its one reply, and closes.
    OneExchange,
    /// The client neither sent nor took its reply for so long.
    Idle(Duration),
    /// The server was asked to stop.
    Stopping,
    /// The thread that served it has panicked.
    Panicked,
    /// Receiving or sending has failed.
    Failed(io::Error),
}

/// Prints what happens, on standard output, and what goes wrong, on standard
/// error.
#[derive(Debug)]
pub struct Log {
    /// The name that the first and the last line begin with.
    program: &'static str,
    /// The language of all lines.
    language: Language,
    /// Whether there are no lines between the first and the last.
    quiet: bool,
    /// Where the lines go.
    output: Output,
    /// Where the diagnostics go.
    error: Output,
    /// Whether the first column is coloured.
    is_colored: bool,
    /// Which diagnostics were printed lately, for all threads together.
    throttle: Mutex<ErrorThrottle>,
}

impl Log {
    /// The lines of the program of this name. A quiet log prints the first
    /// and the last line only.
    pub fn new(program: &'static str, language: Language, quiet: bool) -> Self {
        Self {
            program,
            language,
            quiet,
            output: Output::new(Stream::Output),
            error: Output::new(Stream::Error),
            is_colored: false,
            throttle: Mutex::default(),
        }
    }

    /// The same with the colours that `--color` asks for.
    pub fn with_color(mut self, color: Color) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        self.is_colored = color.applies(self.output, variable);
        self
    }

    /// The language that everything is printed in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Prints the first line, with the address really bound. If that stands
    /// for all addresses of the machine, a line for each of them follows.
    pub fn print_listening(&self, address: SocketAddr) {
        // A script may wait for this line, and read the port from it.
        let program = self.program;
        let verb = self.language.pick("listening on", "escuchando en");
        self.output.print(&format!("{program} {verb} {address}\n"));
        // A quiet log shows none of the further lines.
        if self.quiet {
            return;
        }
        let verb = self.language.pick("reachable at", "accesible en");
        for address in addresses::reachable(address) {
            // The list is empty for an address of its own.
            self.output.print(&format!("{program} {verb} {address}\n"));
        }
    }

    /// Prints the line of one event of one client, unless quiet. A worker may
    /// die without any client; then the line names none.
    pub fn print_event(
        &self,
        worker: Worker,
        client: impl Into<Option<SocketAddr>>,
        event: &Event,
    ) {
        // A quiet server does not even make the text.
        if !self.quiet {
            self.output.print(&self.line(worker, client.into(), event));
        }
    }

    /// Prints the last line.
    pub fn print_stopped(&self, totals: Totals) {
        let language = self.language;
        let stopped = language.pick("stopped", "detenido");
        // In Spanish the participle agrees with its noun in number.
        let clients = match language {
            // `served` is the same for one client and for many.
            Language::English => {
                language.count(totals.clients, "client", "clients") + " served"
            }
            Language::Spanish => language.count(
                totals.clients,
                "cliente atendido",
                "clientes atendidos",
            ),
        };
        // What was dropped at a close is in neither of the two.
        let bytes = |number| language.count(number, "byte", "bytes");
        let received = bytes(totals.received) + self.received(totals.received);
        let sent = bytes(totals.sent) + self.sent(totals.sent);
        // One write, so that no other line can come between the parts.
        self.output.print(&format!(
            "{} {stopped}: {clients}, {received}, {sent}\n",
            self.program
        ));
    }

    /// Prints, at a stop, how many clients it waits for and how long at most.
    pub fn print_waiting(&self, clients: usize, grace: Duration) {
        let line = self.diagnostic(&self.waiting(clients, grace));
        self.error.print_or_drop(&line);
    }

    /// The words for a stop that waits.
    fn waiting(&self, clients: usize, grace: Duration) -> String {
        // A part of a second is rounded up: the wait is never longer than
        // the line says.
        let seconds = grace.as_millis().div_ceil(1000);
        match (self.language, clients) {
            // In English the number decides the pronoun too.
            (Language::English, 1) => format!(
                "waiting up to {seconds} s for 1 client to take its replies; \
                 a second Ctrl-C ends the server now"
            ),
            (Language::English, _) => format!(
                "waiting up to {seconds} s for {clients} clients to take \
                 their replies; a second Ctrl-C ends the server now"
            ),
            // In Spanish the number decides the verb.
            (Language::Spanish, 1) => format!(
                "esperando hasta {seconds} s a que 1 cliente reciba sus \
                 respuestas; un segundo Ctrl-C termina el servidor ya"
            ),
            (Language::Spanish, _) => format!(
                "esperando hasta {seconds} s a que {clients} clientes \
                 reciban sus respuestas; un segundo Ctrl-C termina el \
                 servidor ya"
            ),
        }
    }

    /// Prints why the server ends, one line on standard error; never quiet.
    pub fn print_error(&self, text: &str) {
        // There is no service any more that this write could delay.
        self.error.print(&self.diagnostic(text));
    }

    /// Prints that resources have run out, once for each spell of it.
    pub fn report_transient(&self, kind: TransientError, error: &io::Error) {
        // Threads may meet the same shortage at the same moment. The lock is
        // free again before the line is written, so that a standard error
        // that is full or paused delays no other thread.
        let should_report = self
            .throttle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .should_report(kind, Instant::now());
        // An error of a spell that has been reported already adds no line.
        if !should_report {
            return;
        }
        // The line says what cannot be done, and why.
        let (english, spanish) = kind.words();
        let what = self.language.pick(english, spanish);
        let why = self.language.describe(error);
        let line = self.diagnostic(&format!("{what}: {why}"));
        // The clients do not wait for this line.
        self.error.print_or_drop(&line);
    }

    /// The line of a diagnostic. It names the program, since several may
    /// write to one terminal or file.
    fn diagnostic(&self, text: &str) -> String {
        format!("{}: {text}\n", self.program)
    }

    /// The line of one event, newline included, at most `LINE_LIMIT` bytes.
    fn line(
        &self,
        worker: Worker,
        client: Option<SocketAddr>,
        event: &Event,
    ) -> String {
        // Twelve columns hold `process 1234`; a longer name moves the rest.
        let mut line = format!("{:<12}  ", worker.name_in(self.language));
        if self.is_colored {
            line = format!("\x1b[{}m{line}\x1b[0m", worker.color());
        }
        // Without a client the event moves to the second column. Formatting
        // into a string cannot fail.
        if let Some(client) = client {
            let _ = write!(line, "{}  ", plain(client));
        }
        // The third column says what has happened.
        match event {
            // Not `accepted`: the client may have waited since for a thread.
            Event::Connected => {
                line += self.language.pick("connected", "conectado");
            }
            // The client decides how long this part is.
            Event::Received(bytes) => self.append_received(&mut line, bytes),
            // An echo was shown when it was received: its length is enough.
            Event::Sent(number) => {
                let number = *number as u64;
                let verb = self.sent(number).trim_start();
                let count = self.language.count(number, "byte", "bytes");
                // Formatting into a string cannot fail.
                let _ = write!(line, "{verb} {count}");
            }
            // An end by the client needs no reason.
            Event::Closed(ending) => {
                line += self.language.pick("closed", "cerrado");
                if let Some(reason) = self.reason(ending) {
                    let _ = write!(line, ": {reason}");
                }
            }
            // The parent prints this, since the child is dead. The name of a
            // signal is the same in every language.
            Event::Died(how) => {
                line += self.language.pick("died: ", "murió: ");
                line += &self.cause_of_death(*how);
            }
        }
        // The newline is part of the same write(2), which keeps the line whole.
        line.push('\n');
        line
    }

    /// What a process died of: `SIGSEGV`, `SIGRTMIN+1`, `exit status 101`.
    fn cause_of_death(&self, status: ExitStatus) -> String {
        let Some(number) = status.signal() else {
            let text = self.language.pick("exit status", "estado de salida");
            return format!("{text} {}", status.code().unwrap_or(0));
        };
        // nix has no names for the real-time signals.
        match Signal::try_from(number) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("SIGRTMIN+{}", number - libc::SIGRTMIN()),
        }
    }

    /// The participle of what was received, after a blank: ` received`.
    fn received(&self, number: u64) -> &'static str {
        match (self.language, number) {
            (Language::English, _) => " received",
            (Language::Spanish, 1) => " recibido",
            (Language::Spanish, _) => " recibidos",
        }
    }

    /// The participle of what was sent: ` sent`.
    fn sent(&self, number: u64) -> &'static str {
        match (self.language, number) {
            (Language::English, _) => " sent",
            (Language::Spanish, 1) => " enviado",
            (Language::Spanish, _) => " enviados",
        }
    }

    /// Why a connection was closed; `None` if the client has ended it.
    pub fn reason(&self, ending: &Ending) -> Option<Cow<'static, str>> {
        let text = match ending {
            Ending::ClientEnded => return None,
            // The client may still want to send: the line says that the
            // server has closed.
            Ending::OneExchange => {
                self.language.pick("one exchange", "un intercambio")
            }
            // The symbol `s` of the unit has no plural.
            Ending::Idle(limit) => {
                let idle = self.language.pick("idle for", "inactivo durante");
                return Some(format!("{idle} {} s", limit.as_secs()).into());
            }
            // The client has done nothing that ended its connection.
            Ending::Stopping => {
                self.language.pick("server stopping", "el servidor se detiene")
            }
            // A mistake of the program has ended the thread.
            Ending::Panicked => self
                .language
                .pick("its thread panicked", "su hilo entró en pánico"),
            // The kernel has the reason.
            Ending::Failed(error) => {
                return Some(self.language.describe(error).into());
            }
        };
        Some(text.into())
    }

    /// Appends `received 7 bytes: ¡hola\n`, cut where the line would grow
    /// longer than `LINE_LIMIT`, and on a terminal after `TERMINAL_LIMIT`
    /// characters.
    fn append_received(&self, line: &mut String, bytes: &[u8]) {
        // The length comes first: it stays true when the text is cut.
        let number = bytes.len() as u64;
        let verb = self.received(number).trim_start();
        let count = self.language.count(number, "byte", "bytes");
        let _ = write!(line, "{verb} {count}: ");
        // One byte is kept for the newline.
        let limit = LINE_LIMIT - 1;
        let mut characters_left =
            if self.output.is_terminal { TERMINAL_LIMIT } else { usize::MAX };
        // Where the line is cut if it must be: behind the last piece that
        // still leaves room for the note of how many bytes are missing.
        let (mut cut, mut missing) = (line.len(), bytes.len());
        let longest_note = self.cut_note(bytes.len()).len();
        let mut left = bytes.len();
        for (length, shown) in escape(bytes, self.output.charset) {
            // A terminal has shown enough.
            let characters = shown.chars().count();
            if characters > characters_left {
                break;
            }
            // A piece that turns out to be too long for the line is cut below.
            characters_left -= characters;
            line.push_str(&shown);
            left -= length;
            // The exact note is made only near the end of a long line.
            if line.len() + longest_note <= limit
                || line.len() + self.cut_note(left).len() <= limit
            {
                (cut, missing) = (line.len(), left);
            }
        }
        // Without a note, the whole text may fill the line to its end.
        if left > 0 || line.len() > limit {
            line.truncate(cut);
            line.push_str(&self.cut_note(missing));
        }
    }

    /// The note of how many bytes are not shown: `… (17 more bytes)`.
    fn cut_note(&self, missing: usize) -> String {
        let (one, many) = self
            .language
            .pick(("more byte", "more bytes"), ("byte más", "bytes más"));
        format!("… ({})", self.language.count(missing as u64, one, many))
    }
}

/// An address as people write it: an IPv4 client of a socket that takes both
/// families is shown as `127.0.0.1`, not as `::ffff:127.0.0.1`.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::escape::Charset;
    use nix::errno::Errno;
    use proptest::prelude::*;

    /// A log that writes into a file, whatever runs the tests.
    fn log(language: Language) -> Log {
        Log {
            output: Output::FILE,
            ..Log::new("threads-server", language, false)
        }
    }

    /// A log at a terminal that shows these characters.
    fn log_at_terminal(charset: Charset) -> Log {
        let output = Output { is_terminal: true, charset, ..Output::FILE };
        Log { output, ..log(Language::English) }
    }

    fn client() -> SocketAddr {
        "127.0.0.1:54321".parse().unwrap()
    }

    fn received(language: Language, bytes: &[u8]) -> String {
        let event = Event::Received(bytes);
        log(language).line(Worker::Thread(1), Some(client()), &event)
    }

    #[test]
    fn every_event_has_its_line_in_both_languages() {
        let idle = || Ending::Idle(Duration::from_secs(300));
        let reset = || Ending::Failed(Errno::ECONNRESET.into());
        let expected: [(Event, &str, &str); 11] = [
            (Event::Connected, "connected", "conectado"),
            (Event::Sent(1), "sent 1 byte", "enviado 1 byte"),
            (Event::Sent(7), "sent 7 bytes", "enviados 7 bytes"),
            (Event::Closed(Ending::ClientEnded), "closed", "cerrado"),
            (
                Event::Closed(Ending::OneExchange),
                "closed: one exchange",
                "cerrado: un intercambio",
            ),
            (
                Event::Closed(idle()),
                "closed: idle for 300 s",
                "cerrado: inactivo durante 300 s",
            ),
            (
                Event::Closed(Ending::Stopping),
                "closed: server stopping",
                "cerrado: el servidor se detiene",
            ),
            (
                Event::Closed(Ending::Panicked),
                "closed: its thread panicked",
                "cerrado: su hilo entró en pánico",
            ),
            (
                Event::Closed(reset()),
                "closed: connection reset by peer",
                "cerrado: el cliente cortó la conexión (reset)",
            ),
            (
                Event::Died(ExitStatus::from_raw(11)),
                "died: SIGSEGV",
                "murió: SIGSEGV",
            ),
            (
                Event::Received("¡hola\n".as_bytes()),
                "received 7 bytes: ¡hola\\n",
                "recibidos 7 bytes: ¡hola\\n",
            ),
        ];
        for (event, english, spanish) in expected {
            assert_eq!(
                log(Language::English).line(
                    Worker::Thread(1),
                    Some(client()),
                    &event
                ),
                format!("thread 1      127.0.0.1:54321  {english}\n")
            );
            assert_eq!(
                log(Language::Spanish).line(
                    Worker::Process(4711),
                    Some(client()),
                    &event
                ),
                format!("proceso 4711  127.0.0.1:54321  {spanish}\n")
            );
        }
        let english = received(Language::English, b"x");
        assert!(english.ends_with("received 1 byte: x\n"));
        let spanish = received(Language::Spanish, b"x");
        assert!(spanish.ends_with("recibido 1 byte: x\n"));
    }

    #[test]
    fn the_worker_comes_first_and_an_ipv4_client_looks_like_one() {
        let client = "[::ffff:127.0.0.1]:5".parse().ok();
        let line = log(Language::English).line(
            Worker::Loop,
            client,
            &Event::Connected,
        );
        assert_eq!(line, "loop          127.0.0.1:5  connected\n");
        let line = log(Language::Spanish).line(
            Worker::Loop,
            "[::1]:5".parse().ok(),
            &Event::Connected,
        );
        assert_eq!(line, "bucle         [::1]:5  conectado\n");
        let line = log(Language::Spanish).line(
            Worker::LoopNumber(2),
            "[::1]:5".parse().ok(),
            &Event::Connected,
        );
        assert_eq!(line, "bucle 2       [::1]:5  conectado\n");
        let line = log(Language::English).line(
            Worker::Process(4711),
            None,
            &Event::Died(ExitStatus::from_raw(9)),
        );
        assert_eq!(line, "process 4711  died: SIGKILL\n");
    }

    #[test]
    fn a_long_line_is_cut_at_a_whole_escape_and_says_what_is_missing() {
        // 1024 × `\xff` are 4096 bytes, too many with the columns before.
        let line = received(Language::English, &[0xff; 1024]);
        let prefix = "thread 1      127.0.0.1:54321  received 1024 bytes: ";
        let rest = line.strip_prefix(prefix).unwrap();
        let (text, note) = rest.split_once('…').unwrap();
        assert_eq!(text.len() % 4, 0);
        let missing = 1024 - text.len() / 4;
        assert_eq!(note, format!(" ({missing} more bytes)\n"));
        // As long as it may be: one escape more would not have fitted.
        assert!(line.len() <= LINE_LIMIT && line.len() + 4 > LINE_LIMIT);
    }

    #[test]
    fn a_line_that_just_fits_is_not_cut() {
        let prefix = "thread 1      127.0.0.1:54321  received 1024 bytes: ";
        // `full` escapes of 6 bytes, some of 4, the rest plain: the longest
        // text that fits, and the same with one byte more.
        let free = LINE_LIMIT - 1 - prefix.len();
        for extra in 0..=1 {
            let mut bytes = vec![b'a'; 1024];
            let mut length = 1024;
            let mut next = 0;
            while length + 5 <= free + extra {
                bytes[next] = 0x1b;
                length += 5;
                next += 1;
            }
            while length < free + extra {
                bytes[next] = b'\n';
                length += 1;
                next += 1;
            }
            let line = received(Language::English, &bytes);
            assert_eq!(line.contains('…'), extra == 1, "{extra}");
            assert!(line.len() <= LINE_LIMIT);
        }
    }

    #[test]
    fn the_note_counts_one_byte_in_the_singular() {
        let english = log(Language::English);
        assert_eq!(english.cut_note(1), "… (1 more byte)");
        let spanish = log(Language::Spanish);
        assert_eq!(spanish.cut_note(1), "… (1 byte más)");
        assert_eq!(spanish.cut_note(17), "… (17 bytes más)");
    }

    #[test]
    fn a_wait_is_told_in_the_right_number() {
        let grace = Duration::from_millis(4_999);
        let english = log(Language::English);
        assert_eq!(
            english.waiting(1, grace),
            "waiting up to 5 s for 1 client to take its replies; \
             a second Ctrl-C ends the server now"
        );
        assert_eq!(
            english.waiting(2, Duration::from_secs(5)),
            "waiting up to 5 s for 2 clients to take their replies; \
             a second Ctrl-C ends the server now"
        );
        let spanish = log(Language::Spanish);
        assert_eq!(
            spanish.waiting(1, grace),
            "esperando hasta 5 s a que 1 cliente reciba sus respuestas; \
             un segundo Ctrl-C termina el servidor ya"
        );
        assert_eq!(
            spanish.waiting(2, grace),
            "esperando hasta 5 s a que 2 clientes reciban sus respuestas; \
             un segundo Ctrl-C termina el servidor ya"
        );
    }

    #[test]
    fn a_terminal_shows_sixty_characters_of_a_message() {
        let log = log_at_terminal(Charset::Utf8);
        let shown = |bytes: &[u8]| {
            let event = Event::Received(bytes);
            let line = log.line(Worker::Thread(1), Some(client()), &event);
            line.split_once(": ").unwrap().1.trim_end().to_owned()
        };
        assert_eq!(shown(&[b'a'; 60]), "a".repeat(60));
        let note = format!("{}… (1 more byte)", "a".repeat(60));
        assert_eq!(shown(&[b'a'; 61]), note);
        // A letter is one character, however many bytes it has.
        assert_eq!(shown("ñ".repeat(60).as_bytes()), "ñ".repeat(60));
        // An escape is shown whole or not at all.
        let text = [[b'a'; 57].as_slice(), &[0x1b; 3]].concat();
        let note = format!("{}… (3 more bytes)", "a".repeat(57));
        assert_eq!(shown(&text), note);
        // A short piece behind one that is left out is left out too.
        let text = [[b'a'; 57].as_slice(), b"\x1bz"].concat();
        let note = format!("{}… (2 more bytes)", "a".repeat(57));
        assert_eq!(shown(&text), note);
        let all = format!("{}… (1018 more bytes)", "\\u{1b}".repeat(10));
        assert_eq!(shown(&[0x1b; 1028]), all);
    }

    #[test]
    fn a_terminal_of_ascii_gets_letters_as_numbers() {
        let log = log_at_terminal(Charset::Ascii);
        let event = Event::Received("\u{15b}ñ".as_bytes());
        let line = log.line(Worker::Loop, Some(client()), &event);
        assert!(line.ends_with(" 4 bytes: \\u{15b}\\u{f1}\n"), "{line}");
    }

    #[test]
    fn each_worker_has_its_colour_in_the_first_column() {
        let log = Log { is_colored: true, ..log(Language::English) };
        let line = |worker| log.line(worker, Some(client()), &Event::Connected);
        assert_eq!(
            line(Worker::Thread(1)),
            "\x1b[33mthread 1      \x1b[0m127.0.0.1:54321  connected\n"
        );
        assert!(line(Worker::Loop).starts_with("\x1b[36mloop  "));
        let colors: Vec<_> =
            (1..=6).map(|n| Worker::Thread(n).color()).collect();
        for (index, color) in colors.iter().enumerate() {
            assert!(!colors[..index].contains(color));
        }
        assert_eq!(Worker::Thread(7).color(), Worker::Thread(1).color());
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_a_pipe_takes_at_once(
            bytes in proptest::collection::vec(any::<u8>(), 0..1025),
            spanish in any::<bool>(),
            is_colored in any::<bool>()
        ) {
            let language =
                if spanish { Language::Spanish } else { Language::English };
            let log = Log { is_colored, ..log(language) };
            let event = Event::Received(&bytes);
            let line = log.line(Worker::Thread(1), Some(client()), &event);
            prop_assert!(line.len() <= LINE_LIMIT);
            prop_assert!(line.ends_with('\n'));
            prop_assert_eq!(line.matches('\n').count(), 1);
        }
    }
}
