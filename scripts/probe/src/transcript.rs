//! The lines that a server prints, read back by a parser of our own.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::Kind;

/// The longest line that one write puts whole into a pipe on Linux, newline
/// included.
pub const LONGEST: usize = 4096;

/// One line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The first line: where the server listens.
    Listening(SocketAddr),
    /// A line after the first: an address at which others can reach the server.
    Reachable(SocketAddr),
    /// What happened to a client, and who served it.
    Of {
        /// `thread 1`, `process 4711`, `loop`.
        worker: String,
        /// The client, if the line names one.
        client: Option<SocketAddr>,
        /// What happened.
        event: Event,
    },
    /// The last line.
    Stopped(Totals),
}

/// What can happen to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was accepted.
    Connected,
    /// It sent this many bytes; as many of them as the line has room for.
    Received(u64, Vec<u8>),
    /// It was sent this many bytes.
    Sent(u64),
    /// Its conversation has ended, perhaps with a reason.
    Closed(Option<String>),
    /// Its process ended in another way than by exit status 0.
    Died(String),
}

/// What the last line says, or what the lines before it amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Clients accepted.
    pub clients: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

impl Line {
    /// Takes an English line apart; `None` if it is not well-formed.
    pub fn parse(kind: Kind, line: &str) -> Option<Self> {
        if line.len() + 1 > LONGEST {
            return None;
        }
        if let Some(rest) = line.strip_prefix(kind.program()) {
            if let Some(address) = rest.strip_prefix(" listening on ") {
                return Some(Self::Listening(address.parse().ok()?));
            }
            if let Some(address) = rest.strip_prefix(" reachable at ") {
                return Some(Self::Reachable(address.parse().ok()?));
            }
            return Totals::parse(rest.strip_prefix(" stopped: ")?)
                .map(Self::Stopped);
        }
        let (worker, _) = line.split_once("  ")?;
        let rest = line.strip_prefix(&format!("{worker:<12}  "))?;
        let number = match kind {
            Kind::Threads => worker.strip_prefix("thread ")?,
            Kind::Processes => worker.strip_prefix("process ")?,
            Kind::Loop if worker == "loop" => "1",
            Kind::Loop => worker.strip_prefix("loop ")?,
        };
        if number.starts_with('0') || number.parse::<u32>().is_err() {
            return None;
        }
        let address = rest.split_once("  ").and_then(|(address, event)| {
            Some((address.parse::<SocketAddr>().ok()?, event))
        });
        let (client, event) = match address {
            Some((client, event)) => (Some(client), event),
            None => (None, rest.trim_start_matches(' ')),
        };
        let event = Event::parse(event)?;
        // Only for a process that died may the parent not know the client.
        if client.is_none() && !matches!(event, Event::Died(_)) {
            return None;
        }
        Some(Self::Of { worker: worker.to_owned(), client, event })
    }
}

impl Event {
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("received ") {
            let (amount, shown) = rest.split_once(": ")?;
            let bytes = count(amount, "byte")?;
            return Some(Self::Received(bytes, read_back(shown, bytes)?));
        }
        if let Some(amount) = text.strip_prefix("sent ") {
            return Some(Self::Sent(count(amount, "byte")?));
        }
        if let Some(reason) = text.strip_prefix("closed: ") {
            return Some(Self::Closed(Some(reason.to_owned())));
        }
        if let Some(how) = text.strip_prefix("died: ") {
            return Some(Self::Died(how.to_owned()));
        }
        match text {
            "connected" => Some(Self::Connected),
            "closed" => Some(Self::Closed(None)),
            _ => None,
        }
    }
}

impl Totals {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split(", ").collect();
        let &[clients, received, sent] = &parts[..] else { return None };
        let clients = clients.strip_suffix(" served")?;
        let received = received.strip_suffix(" received")?;
        let sent = sent.strip_suffix(" sent")?;
        Some(Self {
            clients: count(clients, "client")?,
            received: count(received, "byte")?,
            sent: count(sent, "byte")?,
        })
    }
}

/// Reads `1 byte` or `7 bytes`.
fn count(text: &str, unit: &str) -> Option<u64> {
    let (number, found) = text.split_once(' ')?;
    let number: u64 = number.parse().ok()?;
    let plural = if number == 1 { "" } else { "s" };
    (found == format!("{unit}{plural}")).then_some(number)
}

/// Reads back what a line shows of `bytes` received bytes, whether it was cut
/// or not; `None` if it shows something that it should not.
fn read_back(shown: &str, bytes: u64) -> Option<Vec<u8>> {
    if let Some(whole) = unescape(shown)
        && whole.len() as u64 == bytes
    {
        return Some(whole);
    }
    let (start, note) = shown.rsplit_once("… (")?;
    let missing = note.strip_suffix(")")?;
    let missing = missing
        .strip_suffix(" more bytes")
        .or_else(|| missing.strip_suffix(" more byte"))?;
    let missing: u64 = missing.parse().ok()?;
    let start = unescape(start)?;
    (start.len() as u64 + missing == bytes && missing > 0).then_some(start)
}

/// The bytes that an escaped text stands for; `None` if it is not one, for
/// example because it holds something that could act on a terminal.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if acts_on_a_terminal(c) {
            return None;
        }
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        match rest.next()? {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '\\' => bytes.push(b'\\'),
            'x' => {
                let digits: String = rest.by_ref().take(2).collect();
                let byte = u8::from_str_radix(&digits, 16).ok()?;
                if format!("{byte:02x}") != digits {
                    return None;
                }
                bytes.push(byte);
            }
            'u' => {
                let (digits, after) =
                    rest.as_str().strip_prefix('{')?.split_once('}')?;
                let code = u32::from_str_radix(digits, 16).ok()?;
                if format!("{code:x}") != digits {
                    return None;
                }
                let c = char::from_u32(code)?;
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                rest = after.chars();
            }
            _ => return None,
        }
    }
    Some(bytes)
}

/// Control characters, and those that change the direction of what follows.
pub fn acts_on_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// All that a server printed until its orderly end.
#[derive(Debug)]
pub struct Transcript {
    /// Its lines, taken apart.
    pub lines: Vec<Line>,
    /// What the last one says.
    pub totals: Totals,
}

impl Transcript {
    /// Takes all lines of a run apart and checks what holds for every run:
    /// each line is well-formed; the first says where the server listens, the
    /// last the totals, and these are what the lines between amount to; every
    /// client has one worker, and its lines come in order.
    ///
    /// # Panics
    ///
    /// When something of this does not hold.
    pub fn check(kind: Kind, lines: &[String]) -> Self {
        let parsed: Vec<Line> = lines
            .iter()
            .map(|line| {
                Line::parse(kind, line)
                    .unwrap_or_else(|| panic!("not a proper line: {line:?}"))
            })
            .collect();
        let (first, last) = (parsed.first(), parsed.last());
        assert!(
            matches!(first, Some(Line::Listening(_))),
            "the first line: {first:?}"
        );
        let Some(Line::Stopped(totals)) = last else {
            panic!("the last line: {last:?}")
        };
        let transcript = Self { totals: *totals, lines: parsed };
        transcript.check_sums();
        transcript.check_order();
        transcript
    }

    /// Everything that happened, with the worker and the client.
    pub fn events(
        &self,
    ) -> impl Iterator<Item = (&str, Option<SocketAddr>, &Event)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Of { worker, client, event } => {
                Some((worker.as_str(), *client, event))
            }
            _ => None,
        })
    }

    /// What happened to one client.
    pub fn of(&self, client: SocketAddr) -> Vec<&Event> {
        self.events()
            .filter(|(_, whom, _)| *whom == Some(client))
            .map(|(_, _, event)| event)
            .collect()
    }

    /// Why a client was closed.
    ///
    /// # Panics
    ///
    /// When it was not.
    pub fn reason(&self, client: SocketAddr) -> Option<&str> {
        match self.of(client).last() {
            Some(Event::Closed(reason)) => reason.as_deref(),
            other => panic!("{client} was not closed: {other:?}"),
        }
    }

    fn check_sums(&self) {
        let mut sums = Totals::default();
        let mut died = false;
        let mut cut = 0;
        for (_, _, event) in self.events() {
            match event {
                Event::Connected => sums.clients += 1,
                Event::Received(bytes, _) => sums.received += bytes,
                Event::Sent(bytes) => sums.sent += bytes,
                Event::Closed(reason) => cut += u64::from(reason.is_some()),
                Event::Died(_) => died = true,
            }
        }
        if died {
            return;
        }
        // A client that was cut off may have received a part of a reply for
        // which there is no line.
        let totals = self.totals;
        let parts = totals.sent.checked_sub(sums.sent);
        assert!(
            parts.is_some_and(|parts| parts < cut * 1024 || parts == 0),
            "the totals: {totals:?}, the lines' sum: {sums:?}"
        );
        sums.sent = totals.sent;
        assert_eq!(totals, sums, "the totals, and the lines' sum");
    }

    fn check_order(&self) {
        let mut serving: HashMap<SocketAddr, &str> = HashMap::new();
        for (worker, client, event) in self.events() {
            let Some(client) = client else {
                serving.retain(|_, who| *who != worker);
                continue;
            };
            let before = serving.get(&client).copied();
            match event {
                Event::Connected => {
                    assert_eq!(before, None, "{client} connected twice");
                    serving.insert(client, worker);
                }
                Event::Closed(_) | Event::Died(_) => {
                    assert_eq!(before, Some(worker), "who closed {client}");
                    serving.remove(&client);
                }
                _ => assert_eq!(before, Some(worker), "who serves {client}"),
            }
        }
        assert!(serving.is_empty(), "never closed: {serving:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_strictly() {
        let line = |text| Line::parse(Kind::Threads, text);
        let client = "127.0.0.1:5".parse().ok();
        assert_eq!(
            line("thread 1      127.0.0.1:5  received 2 bytes: é"),
            Some(Line::Of {
                worker: "thread 1".into(),
                client,
                event: Event::Received(2, "é".into()),
            })
        );
        for wrong in [
            "thread 1  127.0.0.1:5  connected",
            "thread 01     127.0.0.1:5  connected",
            "process 1     127.0.0.1:5  connected",
            "thread 1      127.0.0.1:5  received 3 bytes: é",
            "thread 1      127.0.0.1:5  received 1 byte: \u{202e}",
            "thread 1      127.0.0.1:5  received 1 bytes: a",
            "thread 1      127.0.0.1:5  sent 2 byte",
            "thread 1      127.0.0.1:5  closed ",
            "threads-server stopped: 2 client served, 0 bytes received, \
             0 bytes sent",
        ] {
            assert_eq!(line(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_escaped_text_is_read_back_strictly() {
        assert_eq!(
            unescape("a\\n\\xff\\u{0}é"),
            Some(b"a\n\xff\0\xc3\xa9".to_vec())
        );
        for wrong in ["\\", "\\q", "\\xF", "\\xFF", "\\u{00}", "\u{7f}"] {
            assert_eq!(unescape(wrong), None, "{wrong:?}");
        }
        assert_eq!(read_back("ab… (3 more bytes)", 5), Some(b"ab".to_vec()));
        assert_eq!(read_back("ab… (3 more bytes)", 6), None);
    }
}
