//! The balance sheet of a case: what the clients know, and what the server
//! has printed about it. Each of these panics where the two differ.

use std::ops::RangeInclusive;

use probe::server::is_waiting_notice;

use crate::faults::client::Client;
use crate::faults::run::Scene;
use crate::faults::table::Drive;

impl Scene<'_> {
    /// Standard error: at most one line, and none that is not due.
    pub fn check_words(&self) {
        // A stop that waits for a client says so, which is no fault.
        let mut errors = self.server.stderr.all();
        errors.retain(|line| !is_waiting_notice(line));
        let expected = self.case.fault.words.range();
        assert!(
            expected.contains(&errors.len()),
            "{expected:?} diagnostics are due, came: {errors:#?}"
        );
        if self.case.row.drive == Drive::Spell {
            let what = match self.case.row.call {
                "accept4" => "no client can be accepted",
                "clone3" => "no thread can be created",
                "clone" => "no process can be created",
                _ => "the kernel cannot wait for clients",
            };
            let named = errors.iter().all(|line| line.contains(what));
            assert!(named, "not {what:?}: {errors:#?}");
        }
    }

    /// Standard output: every line of every client, but for the one that
    /// could not be written.
    pub fn check_lines(&self) {
        let output = self.server.stdout.all();
        let mut missing = 0;
        for client in &self.others {
            let address = format!("  {}  ", client.connection.address);
            let lines = output.iter().filter(|line| line.contains(&address));
            missing += self.missing(client, &lines.collect::<Vec<_>>());
        }
        let died = output.iter().filter(|line| line.contains("died: "));
        assert_eq!(died.count(), self.kills, "died: {output:#?}");
        let lost = self.case.fault.lost && self.case.row.drive == Drive::Talk;
        assert_eq!(missing, usize::from(lost), "lines missing: {output:#?}");
    }

    /// How many lines of a client are missing among these.
    fn missing(&self, client: &Client, lines: &[&String]) -> usize {
        // A long message may arrive in pieces, each with its own lines.
        let pieces = lines.iter().filter(|line| line.contains("  received "));
        let sent = lines.iter().filter(|line| line.contains("  sent "));
        let (pieces, sent) = (pieces.count(), sent.count());
        let ends: Vec<_> =
            lines.iter().filter(|line| line.contains("  closed")).collect();
        if client.hit.is_some() && !client.cut {
            // It has its reason, and maybe a message without an answer.
            let explained = ends.iter().all(|line| {
                let reason = line.split_once("  closed: ");
                reason.is_some_and(|(_, reason)| self.explains(reason))
            });
            let unanswered = pieces.saturating_sub(sent) <= 1;
            assert!(
                ends.len() == 1 && explained && unanswered,
                "not closed with its reason: {lines:#?}"
            );
            return 0;
        }
        let stopping =
            matches!(self.case.row.drive, Drive::Stop | Drive::SlowStop);
        let ordinary = ends.iter().all(|line| {
            line.ends_with("  closed")
                || line.ends_with("  closed: one exchange")
                || (stopping && line.ends_with("closed: server stopping"))
        });
        assert!(ordinary, "an odd end: {lines:#?}");
        let rounds = pieces.max(sent).max(client.answered);
        (2 + 2 * rounds).saturating_sub(lines.len())
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
    pub fn check_totals(&self) {
        if self.case.row.name == "write-summary" && self.case.fault.lost {
            return;
        }
        let summary = self.server.summary();
        let accounts = self.others.iter().map(|client| self.account(client));
        let (received, sent): (Vec<_>, Vec<_>) = accounts.unzip();
        let within = |bounds: &[RangeInclusive<u64>], bytes| {
            let least = bounds.iter().map(RangeInclusive::start).sum::<u64>();
            let most = bounds.iter().map(RangeInclusive::end).sum::<u64>();
            (least..=most).contains(&bytes)
        };
        assert!(
            summary.clients == self.others.len() as u64
                && within(&received, summary.received)
                && within(&sent, summary.sent),
            "due, of each client: {received:?} bytes received, {sent:?} sent; \
             came: {summary:?}"
        );
    }

    /// What a client has added to the totals: bytes received and sent.
    fn account(
        &self,
        client: &Client,
    ) -> (RangeInclusive<u64>, RangeInclusive<u64>) {
        let got = client.got..=client.got;
        let sent = client.sent..=client.sent;
        let between = client.got..=client.sent;
        match self.case.row.call {
            _ if client.cut => (between.clone(), between),
            _ if client.hit.is_none() => (sent, got),
            // What could not be received was not.
            "recvfrom" => (got.clone(), got),
            // What could not be sent was received.
            "sendto" => (sent, got),
            // It was closed while its replies were on their way.
            _ => (between.clone(), between),
        }
    }
}
