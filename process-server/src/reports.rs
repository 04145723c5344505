//! The totals through the pipe: what the children report to the server.
//!
//! After fork(2) each process has a memory of its own, so numbers must be
//! copied from one to the other. All children write to one pipe; a report is
//! so short that pipe(7) takes it whole or not at all.

// A pipe, and the totals that go through it.
use common::totals::Totals;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read as _, Write as _};

/// One report: clients, bytes received, bytes sent; then the kind and the
/// number of an error that a worker has met, 0 and 0 if there was none.
pub type Report = [u64; 5];

/// The children's end of the pipe.
#[derive(Debug)]
pub struct ReportWriter(pub PipeWriter);

/// The server's end of the pipe.
#[derive(Debug)]
pub struct ReportReader(pub PipeReader);

/// Creates the pipe.
///
/// # Errors
///
/// EMFILE or ENFILE when there is no descriptor left for it.
pub fn report_pipe() -> io::Result<(ReportReader, ReportWriter)> {
    let (read_end, write_end) = io::pipe()?;
    // The server takes what is there, and never waits for more.
    fcntl(&read_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((ReportReader(read_end), ReportWriter(write_end)))
}

impl ReportWriter {
    /// Reports what was done since the last report, and sets it to zero.
    pub fn report(&self, totals: &mut Totals) {
        let Totals { clients, received, sent } = std::mem::take(totals);
        self.write([clients, received, sent, 0, 0]);
    }

    /// Writes one report; while the pipe is full this waits for the server.
    pub fn write(&self, report: Report) {
        // The same program reads them, so the order of bytes is the machine's.
        // EPIPE means that the server is gone, and no one adds up any more.
        let bytes = report.map(u64::to_ne_bytes);
        let _ = (&self.0).write_all(bytes.as_flattened());
    }
}

impl ReportReader {
    /// The reports that are in the pipe now.
    pub fn read_all(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        let mut bytes = [[[0; 8]; 5]; 64];
        loop {
            // As many whole reports as fit, in one call.
            let buffer = bytes.as_flattened_mut().as_flattened_mut();
            match (&self.0).read(buffer) {
                // The length is a multiple of a report's: reports are whole.
                Ok(length) => {
                    let whole = bytes.iter().take(length / size_of::<Report>());
                    reports.extend(whole.map(|it| it.map(u64::from_ne_bytes)));
                    // A buffer that is not full has emptied the pipe.
                    if length < size_of_val(&bytes) {
                        return reports;
                    }
                }
                // A signal: nothing was read yet.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // EAGAIN: the pipe is empty.
                Err(_) => return reports,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_out_as_they_went_in_and_in_order() {
        let (reader, writer) = report_pipe().unwrap();
        assert!(reader.read_all().is_empty());
        let mut totals = Totals { clients: 1, received: 2, sent: u64::MAX };
        writer.report(&mut totals);
        assert_eq!(totals, Totals::default(), "told once");
        writer.write([0, 0, 0, 1, 24]);
        let expected = [[1, 2, u64::MAX, 0, 0], [0, 0, 0, 1, 24]];
        assert_eq!(reader.read_all(), expected);
        assert!(reader.read_all().is_empty());
    }

    #[test]
    fn more_reports_than_fit_into_one_read_are_all_read() {
        let (reader, writer) = report_pipe().unwrap();
        for number in 0..1000 {
            writer.write([number, 0, 0, 0, 0]);
        }
        let reports = reader.read_all();
        assert!(reports.iter().map(|report| report[0]).eq(0..1000));
    }
}
