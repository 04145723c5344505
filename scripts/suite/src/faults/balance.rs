//! The balance sheet of a case: what the clients know, and what the server
//! has printed about it.

use std::ops::RangeInclusive;

use probe::server::{Server, is_waiting_notice};
use probe::{Outcome, demand};

use crate::client::Client;
use crate::faults::table::{Case, Drive, Words};

/// A case that is over, and all who took part in it: server and clients.
pub struct Balance<'a> {
    /// The case.
    pub case: &'a Case,
    /// The server, which has ended.
    pub server: &'a Server,
    /// All clients.
    pub clients: &'a [Client],
    /// Workers killed, each of which is worth a line.
    pub kills: usize,
}

impl Balance<'_> {
    /// Checks all of it.
    ///
    /// # Errors
    ///
    /// What was expected, and what came.
    pub fn check(&self) -> Outcome {
        self.words()?;
        self.transcript()?;
        self.totals()
    }

    /// Standard error: at most one line, and none that is not due.
    fn words(&self) -> Outcome {
        // A stop that waits for a client says so, which is no fault.
        let errors = self.server.stderr.try_all()?.into_iter();
        let errors: Vec<_> =
            errors.filter(|line| !is_waiting_notice(line)).collect();
        let expected = match self.case.fault.words {
            Words::None | Words::Lost => 0..=0,
            Words::One => 1..=1,
            Words::Perhaps => 0..=1,
        };
        demand(expected.contains(&errors.len()), || {
            format!("{expected:?} diagnostics are due, came: {errors:#?}")
        })
    }

    /// Standard output: every line of every client, but for the one that
    /// could not be written.
    fn transcript(&self) -> Outcome {
        let output = self.server.stdout.try_all()?;
        let mut missing = 0;
        for client in self.clients {
            let address = format!("  {}  ", client.address);
            let lines = output.iter().filter(|line| line.contains(&address));
            let lines: Vec<_> = lines.collect();
            missing += self.missing(client, &lines)?;
        }
        let died = output.iter().filter(|line| line.contains("died: "));
        demand(died.count() == self.kills, || {
            format!("{} workers have died: {output:#?}", self.kills)
        })?;
        let lost = usize::from(
            self.case.fault.words == Words::Lost
                && self.case.row.drive == Drive::Talk,
        );
        demand(missing == lost, || {
            format!("{missing} lines are missing, not {lost}: {output:#?}")
        })
    }

    /// How many lines of a client are missing among these.
    fn missing(&self, client: &Client, lines: &[&String]) -> Outcome<usize> {
        let answered = usize::try_from(client.answered).unwrap_or(usize::MAX);
        // A long message may arrive in pieces, each with its own lines.
        let pieces = lines.iter().filter(|line| line.contains("  received "));
        let sent = lines.iter().filter(|line| line.contains("  sent "));
        let (pieces, sent) = (pieces.count(), sent.count());
        let ends: Vec<_> =
            lines.iter().filter(|line| line.contains("  closed")).collect();
        if client.hit.is_some() && !client.cut {
            // It has its reason, and maybe a message without an answer.
            let reasons = ends.iter().map(|line| line.split_once("  closed: "));
            let mut reasons = reasons.map(|rest| rest.map(|(_, text)| text));
            let reason =
                reasons.all(|text| text.is_some_and(|it| self.explains(it)));
            let unanswered = pieces.saturating_sub(sent) <= 1;
            demand(ends.len() == 1 && reason && unanswered, || {
                format!("not closed with its reason: {lines:#?}")
            })?;
            return Ok(0);
        }
        let stopping =
            matches!(self.case.row.drive, Drive::Stop | Drive::SlowStop);
        let ordinary = ends.iter().all(|line| {
            line.ends_with("  closed")
                || line.ends_with("  closed: one exchange")
                || (stopping && line.ends_with("closed: server stopping"))
        });
        demand(ordinary, || format!("an odd end: {lines:#?}"))?;
        let rounds = pieces.max(sent).max(answered);
        Ok((2 + 2 * rounds).saturating_sub(lines.len()))
    }

    /// Whether this is a reason for the end of a client whose call has failed.
    fn explains(&self, reason: &str) -> bool {
        let receives = ["recvfrom", "sendto"].contains(&self.case.row.call);
        match self.case.errno {
            "ECONNRESET" if receives => reason == "connection reset by peer",
            // In a blocking server the idle limit ends a call with EAGAIN.
            "EAGAIN" => reason.starts_with("idle for "),
            // No other error is reported as the idle limit, not even ETIMEDOUT,
            // or as the stop.
            _ => {
                !reason.starts_with("idle for ") && reason != "server stopping"
            }
        }
    }

    /// The last line: exact for all clients that were not hit; for a client
    /// that was hit, within the bounds of what can be known.
    fn totals(&self) -> Outcome {
        if self.case.row.name == "write-summary"
            && self.case.fault.words == Words::Lost
        {
            return Ok(());
        }
        let summary = self.server.summary()?;
        let clients = self.clients.len() as u64;
        let mut received = 0..=0;
        let mut sent = 0..=0;
        for client in self.clients {
            let (more_received, more_sent) = self.account(client);
            received = add(&received, &more_received);
            sent = add(&sent, &more_sent);
        }
        demand(
            summary.clients == clients
                && received.contains(&summary.received)
                && sent.contains(&summary.sent),
            || {
                format!(
                    "due: {clients} clients, {received:?} bytes received, \
                     {sent:?} sent; came: {summary:?}"
                )
            },
        )
    }

    /// What a client has added to the totals: bytes received and sent.
    fn account(
        &self,
        client: &Client,
    ) -> (RangeInclusive<u64>, RangeInclusive<u64>) {
        let exactly = |number: u64| number..=number;
        if client.cut {
            return (client.got..=client.sent, client.got..=client.sent);
        }
        if client.hit.is_none() {
            return (exactly(client.sent), exactly(client.got));
        }
        match (self.case.row.call, self.case.row.drive) {
            // What could not be received was not.
            ("recvfrom", _) => (exactly(client.got), exactly(client.got)),
            // What could not be sent was received.
            ("sendto", _) => (exactly(client.sent), exactly(client.got)),
            // It was closed while its replies were on their way.
            _ => (client.got..=client.sent, client.got..=client.sent),
        }
    }
}

/// The sum of two amounts that are known within bounds.
fn add(
    one: &RangeInclusive<u64>,
    other: &RangeInclusive<u64>,
) -> RangeInclusive<u64> {
    one.start() + other.start()..=one.end() + other.end()
}
