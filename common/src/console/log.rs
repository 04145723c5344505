//! The lines that a server prints: safe to look at, whole, in two languages.
//!
//! Safe: what a client sent can do nothing to the terminal. Whole: every line
//! is one `write(2)` that no other thread or process can tear apart.
//!
//! Next: `echo.rs`, which says when each line is printed.

// Texts, descriptors, and a lock for threads that complain at once.
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

// write(2) itself: no buffer, no panic.
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::write;

// What there is to print.
use crate::console::errors::{ErrorThrottle, TransientError};
use crate::console::language::Language;
use crate::totals::Totals;

/// The longest line, newline included, in bytes: 4096 on Linux.
///
/// pipe(7): a write of at most `PIPE_BUF` bytes reaches a pipe in one piece,
/// whoever else writes to it at the same time.
pub const LINE_LIMIT: usize = libc::PIPE_BUF;

/// Who served a client: the first column of a line.
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
    #[must_use]
    pub fn name(self) -> String {
        self.name_in(Language::English)
    }

    /// Its name in a line of this language.
    fn name_in(self, language: Language) -> String {
        match self {
            // Numbered, for a thread has no other name that a user knows.
            Self::Thread(number) => {
                format!("{} {number}", language.pick("thread", "hilo"))
            }
            // As `ps`, `top` and `kill` know it.
            Self::Process(id) => {
                format!("{} {id}", language.pick("process", "proceso"))
            }
            // There is no other, so it has no number.
            Self::Loop => language.pick("loop", "bucle").to_owned(),
            // With `--workers` it has.
            Self::LoopNumber(number) => {
                format!("{} {number}", language.pick("loop", "bucle"))
            }
        }
    }
}

/// What has happened to a client: the rest of a line.
#[derive(Debug)]
pub enum Event<'a> {
    /// Its connection was accepted and is now being served.
    Connected,
    /// These bytes have come from it.
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
    /// Of all lines.
    language: Language,
    /// Whether there are no lines between the first and the last.
    quiet: bool,
    /// The troubles that were reported; all threads of a server share them.
    throttle: Mutex<ErrorThrottle>,
}

impl Log {
    /// A transcript of the program of this name; a quiet one prints its first
    /// and its last line only.
    #[must_use]
    pub fn new(program: &'static str, language: Language, quiet: bool) -> Self {
        Self { program, language, quiet, throttle: Mutex::default() }
    }

    /// The language that everything is printed in.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// Prints the first line, which bears the address really bound.
    pub fn print_listening(&self, address: SocketAddr) {
        // A script may wait for this line, and read the port from it.
        let verb = self.language.pick("listening on", "escuchando en");
        print(&format!("{} {verb} {address}\n", self.program));
    }

    /// Prints the line of one event of one client, unless quiet. A worker may
    /// die without any client, and then there is none to name.
    pub fn print_event(
        &self,
        worker: Worker,
        client: impl Into<Option<SocketAddr>>,
        event: &Event,
    ) {
        // A quiet server must not even pay for the text.
        if !self.quiet {
            print(&self.line(worker, client.into(), event));
        }
    }

    /// Prints the last line.
    pub fn print_stopped(&self, totals: Totals) {
        // The sentence is put together from parts that agree in number.
        let language = self.language;
        let stopped = language.pick("stopped", "detenido");
        // In Spanish the participle agrees as well.
        let clients = match language {
            // One word for one and for many.
            Language::English => {
                language.count(totals.clients, "client", "clients") + " served"
            }
            // Two words, both inflected.
            Language::Spanish => language.count(
                totals.clients,
                "cliente atendido",
                "clientes atendidos",
            ),
        };
        // The same noun for both numbers.
        let bytes = |number| language.count(number, "byte", "bytes");
        let received = bytes(totals.received) + self.received(totals.received);
        // What was dropped at a close is in neither.
        let sent = bytes(totals.sent) + self.sent(totals.sent);
        // In one write, so that nothing can come between its parts.
        print(&format!(
            "{} {stopped}: {clients}, {received}, {sent}\n",
            self.program
        ));
    }

    /// Prints, at a stop, how many clients it waits for and how long at most.
    pub fn print_waiting(&self, clients: usize, grace: Duration) {
        // In both languages the number of clients decides the noun only.
        let seconds = grace.as_millis().div_ceil(1000);
        let count = clients as u64;
        let text = match self.language {
            Language::English => format!(
                "waiting up to {seconds} s for {} to take their replies; \
                 a second Ctrl-C ends it now",
                self.language.count(count, "client", "clients")
            ),
            Language::Spanish => format!(
                "esperando hasta {seconds} s a {} que aún reciben \
                 respuestas; un segundo Ctrl-C termina ya",
                self.language.count(count, "cliente", "clientes")
            ),
        };
        self.print_error(&text);
    }

    /// Prints a diagnostic, one line on standard error; never quiet.
    pub fn print_error(&self, text: &str) {
        // Which program it was is not obvious where many write to one place.
        let line = format!("{}: {text}\n", self.program);
        deliver(io::stderr().as_fd(), line.as_bytes());
    }

    /// Prints that resources have run out, once for each spell of it.
    pub fn report_transient(&self, trouble: TransientError, error: &io::Error) {
        // Threads may meet the same shortage at the same moment. A panic that
        // held the lock would leave nothing behind that could be wrong.
        let mut throttle =
            self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        // Not for each of a hundred tries.
        if throttle.should_report(trouble, Instant::now()) {
            // What, and why.
            let (english, spanish) = trouble.words();
            let what = self.language.pick(english, spanish);
            // The system's own words for it.
            let why = self.language.describe(error);
            self.print_error(&format!("{what}: {why}"));
        }
    }

    /// The line of one event, newline included, at most `LINE_LIMIT` bytes.
    fn line(
        &self,
        worker: Worker,
        client: Option<SocketAddr>,
        event: &Event,
    ) -> String {
        // Twelve columns hold `process 1234`; a longer one shifts its line.
        let mut line = format!("{:<12}  ", worker.name_in(self.language));
        // The second column, without which the third moves up.
        if let Some(client) = client {
            // Formatting into a string cannot fail.
            let _ = write!(line, "{}  ", plain(client));
        }
        // The rest of the line.
        match event {
            // Not `accepted`: it may have waited since for a thread.
            Event::Connected => {
                line += self.language.pick("connected", "conectado");
            }
            // The only part whose length a client decides.
            Event::Received(bytes) => self.append_received(&mut line, bytes),
            // What was sent was received a line ago: its number is enough.
            Event::Sent(number) => {
                let number = *number as u64;
                // The verb comes first here, and last in the summary.
                let verb = self.sent(number).trim_start();
                let count = self.language.count(number, "byte", "bytes");
                // Formatting into a string cannot fail.
                let _ = write!(line, "{verb} {count}");
            }
            // The ordinary close goes without saying why.
            Event::Closed(ending) => {
                line += self.language.pick("closed", "cerrado");
                // Any other says why.
                if let Some(reason) = self.reason(ending) {
                    line += ": ";
                    // In the words of `Ending`, or of the system.
                    line += &reason;
                }
            }
            // From the parent, for the child can say nothing any more.
            Event::Died(how) => {
                line += self.language.pick("died: ", "murió: ");
                // The name of a signal is the same in every language.
                line += &self.cause_of_death(*how);
            }
        }
        // Part of the same write(2): a line without its end is torn.
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

    /// The participle of what has come, after a blank: ` received`.
    fn received(&self, number: u64) -> &'static str {
        match self.language {
            // One word for one and for many.
            Language::English => " received",
            // It agrees with `byte`, and with `bytes`.
            Language::Spanish if number == 1 => " recibido",
            // For none as well as for many.
            Language::Spanish => " recibidos",
        }
    }

    /// The participle of what has gone: ` sent`.
    fn sent(&self, number: u64) -> &'static str {
        match self.language {
            // One word for one and for many.
            Language::English => " sent",
            // It agrees with `byte`, and with `bytes`.
            Language::Spanish if number == 1 => " enviado",
            // For none as well as for many.
            Language::Spanish => " enviados",
        }
    }

    /// Why a connection was closed, where it is worth a word.
    #[must_use]
    pub fn reason(&self, ending: &Ending) -> Option<Cow<'static, str>> {
        // Fixed texts are borrowed, the others are made: `Cow` is either.
        let text = match ending {
            // The client itself knows why.
            Ending::ClientEnded => return None,
            // The client may still want to send: this line says who closed.
            Ending::OneExchange => {
                self.language.pick("one exchange", "un intercambio")
            }
            // The limit, since the user can change it.
            Ending::Idle(limit) => {
                let idle = self.language.pick("idle for", "inactivo durante");
                // `s` is the symbol of the unit, and has no plural.
                return Some(format!("{idle} {} s", limit.as_secs()).into());
            }
            // It was not the client.
            Ending::Stopping => {
                self.language.pick("server stopping", "el servidor se detiene")
            }
            // Nor here.
            Ending::Panicked => self
                .language
                .pick("its thread panicked", "su hilo entró en pánico"),
            // As the system calls it.
            Ending::Failed(error) => {
                return Some(self.language.describe(error).into());
            }
        };
        // Borrowed.
        Some(text.into())
    }

    /// Appends `received 7 bytes: ¡hola\n`, cut where the line would grow
    /// longer than `LINE_LIMIT`.
    fn append_received(&self, line: &mut String, bytes: &[u8]) {
        // The number first: it stays true when the text is cut.
        let number = bytes.len();
        let count = self.language.count(number as u64, "byte", "bytes");
        // Before its number here, behind it in the summary.
        let verb = self.received(number as u64).trim_start();
        // Formatting into a string cannot fail.
        let _ = write!(line, "{verb} {count}: ");
        // One byte is kept for the newline.
        let limit = LINE_LIMIT - 1;
        // The last place where the line may be cut such that the note of what
        // is missing still fits.
        let mut cut = line.len();
        let mut missing = number;
        // No later note is longer than that of all the bytes.
        let longest_note = self.cut_note(number).len();
        // How many bytes are not shown yet.
        let mut left = number;
        // Piece by piece, since it may end at any of them.
        for (length, shown) in escape(bytes) {
            // Even if it will not stay: the next one may tell.
            line.push_str(&shown);
            // A piece may stand for several bytes, or show one as several.
            left -= length;
            // The exact note is made only near the end of a long line.
            if line.len() + longest_note <= limit
                || line.len() + self.cut_note(left).len() <= limit
            {
                cut = line.len();
                // What a cut at this place would leave out.
                missing = left;
            }
        }
        // Only now is it known whether the whole text fits without a note.
        if line.len() > limit {
            // Behind a whole escape, never within one.
            line.truncate(cut);
            line.push_str(&self.cut_note(missing));
        }
    }

    /// `… (17 more bytes)`
    fn cut_note(&self, missing: usize) -> String {
        // Counted in bytes received, not in columns.
        let (one, many) = self
            .language
            .pick(("more byte", "more bytes"), ("byte más", "bytes más"));
        format!("… ({})", self.language.count(missing as u64, one, many))
    }
}

/// The pieces in which bytes are shown: how many bytes each stands for, and
/// its printed form.
///
/// Text stays as it is: letters of any script, accents, emoji, quotes. All
/// that is not printable becomes `\n`, `\r`, `\t`, `\\`, `\u{1b}`, and bytes
/// that are not UTF-8 become `\xff`. No two inputs share a printed form.
pub fn escape(bytes: &[u8]) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    // A chunk is some valid text and then at most one invalid sequence; a
    // character that the end of the buffer has cut in two is invalid too.
    bytes.utf8_chunks().flat_map(|chunk| {
        // Character by character, each where it stands in the text.
        let valid = chunk.valid();
        let text = valid.char_indices().map(move |(at, character)| {
            // In UTF-8 a character has one to four bytes.
            let length = character.len_utf8();
            (length, show(&valid[at..at + length], character))
        });
        // Byte by byte: there is no character in them.
        let rest = chunk
            .invalid()
            .iter()
            .map(|byte| (1, format!("\\x{byte:02x}").into()));
        // Lazily: nothing is made that nobody asks for.
        text.chain(rest)
    })
}

/// The printed form of one character, given as text and as itself.
fn show(text: &str, character: char) -> Cow<'_, str> {
    match character {
        // The four that everybody knows.
        '\n' => "\\n".into(), // The end of what was typed.
        '\r' => "\\r".into(), // Before it, from telnet and browsers.
        '\t' => "\\t".into(), // Would take as much room as it likes.
        // Or else nobody could tell `\n` from a newline.
        '\\' => "\\\\".into(),
        // Printable by definition, and most of what ever comes; and the joiner
        // of emoji, which makes one family out of three faces.
        ' '..='~' | '\u{200d}' => text.into(),
        // Letters of all scripts, accents, signs, emoji.
        _ if is_printable(character) => text.into(),
        // Control characters, those that turn the direction of writing, those
        // that cannot be seen, and those that mean nothing yet.
        _ => format!("\\u{{{:x}}}", u32::from(character)).into(),
    }
}

/// Whether a character beyond ASCII is text.
///
/// The standard library knows the Unicode tables, yet shows them only through
/// `escape_debug`; that of a `str` leaves an accent alone which follows a
/// letter, so the question is asked behind an `a`.
fn is_printable(character: char) -> bool {
    // A letter, and room for the longest character behind it.
    let mut text = [b'a'; 5];
    let length = character.encode_utf8(&mut text[1..]).len();
    // What the standard library would not escape is text.
    let text = &text[..=length];
    str::from_utf8(text).is_ok_and(|text| text.escape_debug().eq(text.chars()))
}

/// An address as people write it: an IPv4 client of a socket that speaks both
/// is shown as the IPv4 address that it is, not as `::ffff:127.0.0.1`.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Prints on standard output.
fn print(line: &str) {
    deliver(io::stdout().as_fd(), line.as_bytes());
}

/// Writes all of a line, in one call wherever the system allows.
///
/// Not `println!`: it panics when nobody reads any more, and its buffer would
/// be copied into every child by fork(2) and then printed twice.
fn deliver(out: BorrowedFd, mut line: &[u8]) {
    // Mostly once.
    while !line.is_empty() {
        match write(out, line) {
            // Part of a line is taken only by a nearly full disk or a
            // terminal; never by a pipe, see `LINE_LIMIT`.
            Ok(count) => line = &line[count..],
            // A signal came first; nothing was written.
            Err(Errno::EINTR) => {}
            // Somebody made our standard output non-blocking, and its reader
            // is slow: waiting pauses the service, but loses no line.
            Err(Errno::EAGAIN) => {
                let mut full = [PollFd::new(out, PollFlags::POLLOUT)];
                // Whatever comes of it, the next write will tell.
                let _ = poll(&mut full, PollTimeout::NONE);
            }
            // Closed, broken or full: the clients matter more than the lines
            // about them.
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn transcript(language: Language) -> Log {
        Log::new("threads-server", language, false)
    }

    fn client() -> SocketAddr {
        "127.0.0.1:54321".parse().unwrap()
    }

    fn received(language: Language, bytes: &[u8]) -> String {
        let event = Event::Received(bytes);
        transcript(language).line(Worker::Thread(1), Some(client()), &event)
    }

    fn shown(bytes: &[u8]) -> String {
        escape(bytes).map(|(_, text)| text).collect()
    }

    /// Reads the printed form back: what `escape` promises.
    fn unescape(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            if character != '\\' {
                let mut buffer = [0; 4];
                let encoded = character.encode_utf8(&mut buffer);
                bytes.extend_from_slice(encoded.as_bytes());
                continue;
            }
            let kind = rest.chars().next().unwrap();
            rest = &rest[1..];
            match kind {
                'n' => bytes.push(b'\n'),
                'r' => bytes.push(b'\r'),
                't' => bytes.push(b'\t'),
                '\\' => bytes.push(b'\\'),
                'x' => {
                    bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                    rest = &rest[2..];
                }
                'u' => {
                    let (digits, after) = rest[1..].split_once('}').unwrap();
                    let number = u32::from_str_radix(digits, 16).unwrap();
                    let character = char::from_u32(number).unwrap();
                    let mut buffer = [0; 4];
                    let encoded = character.encode_utf8(&mut buffer);
                    bytes.extend_from_slice(encoded.as_bytes());
                    rest = after;
                }
                other => panic!("unknown escape \\{other}"),
            }
        }
        bytes
    }

    #[test]
    fn text_stays_text() {
        for text in ["¡hola, ñandú!", "\"it's\" `so`", "e\u{301}", "日本語"]
        {
            assert_eq!(shown(text.as_bytes()), text);
        }
        let family = "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 👍🏽";
        assert_eq!(shown(family.as_bytes()), family);
    }

    #[test]
    fn what_is_not_printable_is_spelt_out() {
        assert_eq!(shown(b"a\n\r\t\\"), "a\\n\\r\\t\\\\");
        assert_eq!(shown(b"\x1b[2J\0\x7f"), "\\u{1b}[2J\\u{0}\\u{7f}");
        let hidden = "\u{202e}\u{2066}\u{200b}\u{feff}\u{85}\u{9b}\u{2028}";
        assert_eq!(
            shown(hidden.as_bytes()),
            "\\u{202e}\\u{2066}\\u{200b}\\u{feff}\\u{85}\\u{9b}\\u{2028}"
        );
        assert_eq!(shown(b"\xff\xc3"), "\\xff\\xc3");
        assert_eq!(shown("ñ".as_bytes().split_at(1).0), "\\xc3");
        assert_eq!(shown(b"\xf0\x9f\x98"), "\\xf0\\x9f\\x98");
    }

    #[test]
    fn every_event_has_its_line_in_both_languages() {
        let idle = || Ending::Idle(Duration::from_secs(300));
        let reset = || Ending::Failed(Errno::ECONNRESET.into());
        let expected: [(Event, &str, &str); 10] = [
            (Event::Connected, "connected", "conectado"),
            (Event::Sent(1), "sent 1 byte", "enviado 1 byte"),
            (Event::Sent(7), "sent 7 bytes", "enviados 7 bytes"),
            (Event::Closed(Ending::ClientEnded), "closed", "cerrado"),
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
                "cerrado: conexión reiniciada por el cliente",
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
                transcript(Language::English).line(
                    Worker::Thread(1),
                    Some(client()),
                    &event
                ),
                format!("thread 1      127.0.0.1:54321  {english}\n")
            );
            assert_eq!(
                transcript(Language::Spanish).line(
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
        let line = transcript(Language::English).line(
            Worker::Loop,
            client,
            &Event::Connected,
        );
        assert_eq!(line, "loop          127.0.0.1:5  connected\n");
        let line = transcript(Language::Spanish).line(
            Worker::Loop,
            "[::1]:5".parse().ok(),
            &Event::Connected,
        );
        assert_eq!(line, "bucle         [::1]:5  conectado\n");
        let line = transcript(Language::Spanish).line(
            Worker::LoopNumber(2),
            "[::1]:5".parse().ok(),
            &Event::Connected,
        );
        assert_eq!(line, "bucle 2       [::1]:5  conectado\n");
        let line = transcript(Language::English).line(
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
        let room = LINE_LIMIT - 1 - prefix.len();
        for extra in 0..=1 {
            let mut bytes = vec![b'a'; 1024];
            let mut length = 1024;
            let mut next = 0;
            while length + 5 <= room + extra {
                bytes[next] = 0x1b;
                length += 5;
                next += 1;
            }
            while length < room + extra {
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
        let english = transcript(Language::English);
        assert_eq!(english.cut_note(1), "… (1 more byte)");
        let spanish = transcript(Language::Spanish);
        assert_eq!(spanish.cut_note(1), "… (1 byte más)");
        assert_eq!(spanish.cut_note(17), "… (17 bytes más)");
    }

    proptest! {
        #[test]
        fn any_bytes_come_out_printable_and_can_be_read_back(
            bytes in proptest::collection::vec(any::<u8>(), 0..1100)
        ) {
            let text = shown(&bytes);
            prop_assert!(text.chars().all(|c| !c.is_control()));
            prop_assert_eq!(unescape(&text), bytes.clone());
            let lengths: usize = escape(&bytes).map(|(n, _)| n).sum();
            prop_assert_eq!(lengths, bytes.len());
        }

        #[test]
        fn any_text_comes_out_printable_and_can_be_read_back(
            text in "\\PC{0,40}|(?s:.{0,40})"
        ) {
            let shown = shown(text.as_bytes());
            let bidirectional = ['\u{61c}', '\u{200e}', '\u{200f}'];
            let harmless = |c: char| {
                !c.is_control()
                    && !bidirectional.contains(&c)
                    && !('\u{202a}'..='\u{202e}').contains(&c)
                    && !('\u{2066}'..='\u{2069}').contains(&c)
            };
            prop_assert!(shown.chars().all(harmless));
            prop_assert_eq!(unescape(&shown), text.into_bytes());
        }

        #[test]
        fn no_line_is_longer_than_a_pipe_takes_at_once(
            bytes in proptest::collection::vec(any::<u8>(), 0..1025),
            spanish in any::<bool>()
        ) {
            let language =
                if spanish { Language::Spanish } else { Language::English };
            let line = received(language, &bytes);
            prop_assert!(line.len() <= LINE_LIMIT);
            prop_assert!(line.ends_with('\n'));
            prop_assert_eq!(line.matches('\n').count(), 1);
        }
    }
}
