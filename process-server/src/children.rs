//! The children: who lives, who has ended, and what they have reported.
//!
//! Processes share no memory. A child of this server speaks to it in three
//! ways: by its exit status, by the signal SIGCHLD, and through a pipe.

// Sockets, panics and exit statuses; processes and signals, which the standard
// library does not offer.
use crate::reports::{ReportReader, ReportWriter, report_pipe};
use crate::{signals, workers};
use common::Context;
use common::console::errors::Failure;
use common::console::log::{Event, Worker};
use common::totals::Totals;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::sync::Arc;

/// One child.
#[derive(Clone, Copy, Debug)]
struct Child {
    /// Its process id, which stays its own until it is reaped.
    process: Pid,
    /// The client that it serves; `None` for a worker, which serves many.
    client: Option<SocketAddr>,
}

/// The children that were not reaped yet, and what they have reported.
#[derive(Debug)]
pub struct Children {
    /// The options, and where lines are printed.
    context: Arc<Context>,
    /// The children, in no order.
    active: Vec<Child>,
    /// The server's end of the pipe; `None` in a child.
    pub report_reader: Option<ReportReader>,
    /// The end that each child inherits.
    report_writer: ReportWriter,
    /// The sum of what was reported.
    totals: Totals,
    /// What a worker has met that only a mistake in this program can cause.
    fatal_error: Option<io::Error>,
}

impl Children {
    /// No children yet; installs the signal handler and creates the pipe.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE when there is no descriptor left for the pipe.
    pub fn new(context: Arc<Context>) -> io::Result<Self> {
        signals::install()?;
        let (report_reader, report_writer) = report_pipe()?;
        Ok(Self {
            context,
            active: Vec::new(),
            report_reader: Some(report_reader),
            report_writer,
            totals: Totals::default(),
            fatal_error: None,
        })
    }

    /// How many children there are.
    pub fn count(&self) -> usize {
        self.active.len()
    }

    /// Adds a child, with its client if it was created for one.
    pub fn insert(&mut self, process: Pid, client: Option<SocketAddr>) {
        self.active.push(Child { process, client });
    }

    /// In a child: does its work, reports, and ends the process.
    pub fn run_child(
        &mut self,
        serve: impl FnOnce(&ReportWriter, &mut Totals),
    ) -> ! {
        // While any process keeps the reading end open, a child that writes
        // into a full pipe waits, even when the server is gone.
        self.report_reader = None;
        let (writer, mut totals) = (&self.report_writer, Totals::default());
        // A panic must not unwind into the server's loop, of which this
        // process has a copy.
        let result =
            catch_unwind(AssertUnwindSafe(|| serve(writer, &mut totals)));
        // Before the end: the server reads the pipe after it has reaped.
        writer.report(&mut totals);
        // 101 is the exit status of a Rust program after a panic.
        let status = if result.is_ok() { 0 } else { 101 };
        // SAFETY: _exit(2) ends the process without running the destructors
        // and exit handlers, which are the server's to run.
        #[expect(unsafe_code, reason = "nothing safe ends a forked child")]
        unsafe {
            libc::_exit(status)
        }
    }

    /// At a stop, tells every child to shut down one side, or both, of its
    /// client's socket: only the child has it.
    pub fn shutdown(&self, side: Shutdown) {
        let signal = match side {
            Shutdown::Both => Signal::SIGUSR1,
            _ => Signal::SIGTERM,
        };
        for child in &self.active {
            // It cannot fail: a child that has ended keeps its process id
            // until `reap` removes it.
            let _ = kill(child.process, signal);
        }
    }

    /// Reaps every child that has ended, and adds up what they have reported.
    ///
    /// # Errors
    ///
    /// The error that a worker has reported as a mistake in this program:
    /// another worker in its place would meet it too.
    pub fn reap(&mut self) -> Result<(), Failure> {
        // One SIGCHLD may stand for many children: signals do not queue.
        if signals::take_child_ended() {
            // A child that has ended is a zombie until it is waited for.
            while let Some((process, status)) = wait_for(-1, libc::WNOHANG) {
                self.remove(process, status);
            }
            self.read_reports();
        }
        // Only now, so that all children that have ended are reaped.
        self.fatal_error.take().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Removes a child, and prints of what it died, if it did not end by
    /// itself.
    fn remove(&mut self, process: Pid, status: ExitStatus) {
        let known = |child: &Child| child.process == process;
        let Some(index) = self.active.iter().position(known) else { return };
        let client = self.active.swap_remove(index).client;
        // The child itself has printed an orderly end.
        if !status.success() {
            let worker = Worker::Process(process.as_raw().unsigned_abs());
            let event = Event::Died(status);
            self.context.log.print_event(worker, client, &event);
        }
    }

    /// Adds up what the children have reported.
    pub fn read_reports(&mut self) {
        let reader = self.report_reader.as_ref();
        let reports = reader.map(ReportReader::read_all).unwrap_or_default();
        for [clients, received, sent, kind, errno] in reports {
            // One loop adds them up, so no lock is needed.
            self.totals += Totals { clients, received, sent };
            // Only a worker reports errors.
            if errno != 0 {
                let fatal = workers::relay_error(&self.context, kind, errno);
                self.fatal_error = self.fatal_error.take().or(fatal);
            }
        }
    }

    /// Ends the children that are left, and returns the totals of all.
    pub fn finish(mut self) -> Totals {
        self.kill();
        self.read_reports();
        self.totals
    }

    /// Kills the children that are left, and reaps them.
    fn kill(&mut self) {
        // A third Ctrl-C must not end the server before it has reaped them.
        let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        let signals: SigSet = signals.into_iter().collect();
        let _ = signals.thread_block();
        for child in &self.active {
            // It cannot fail: the child keeps its process id until then.
            let _ = kill(child.process, Signal::SIGKILL);
        }
        // No process can refuse SIGKILL, so these waits are short.
        for child in self.active.drain(..) {
            wait_for(child.process.as_raw(), 0);
        }
        let _ = signals.thread_unblock();
    }
}

/// However the server ends, short of a crash or SIGKILL, its children end.
impl Drop for Children {
    /// Kills what is left; after an orderly stop there is nothing left.
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reaps one child: this process, or any child for -1. `None` if there is
/// none, or, with WNOHANG, if none has ended.
fn wait_for(process: i32, flags: i32) -> Option<(Pid, ExitStatus)> {
    let mut status = 0;
    loop {
        // SAFETY: waitpid(2) writes one integer, for which there is room.
        // nix's function knows no real-time signals, which may kill a child.
        #[expect(unsafe_code, reason = "waitpid of nix fails after SIGRTMIN")]
        let result = unsafe { libc::waitpid(process, &raw mut status, flags) };
        match Errno::result(result) {
            Ok(0) => return None,
            // The kernel has removed the child from the process table.
            Ok(ended) => {
                let status = ExitStatus::from_raw(status);
                return Some((Pid::from_raw(ended), status));
            }
            Err(Errno::EINTR) => {}
            // ECHILD: there are no children.
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// A child of this test; `wait_for` reaps it, not the standard library.
    fn spawn(script: &str) -> i32 {
        let mut command = Command::new("sh");
        let child = command.args(["-c", script]).stdin(Stdio::null()).spawn();
        i32::try_from(child.unwrap().id()).unwrap()
    }

    #[test]
    fn a_child_is_reaped_with_its_exit_status() {
        let child = spawn("exit 7");
        let (process, status) = wait_for(child, 0).unwrap();
        assert_eq!(process.as_raw(), child);
        assert_eq!(status.code(), Some(7));
        assert!(wait_for(child, 0).is_none(), "it is reaped once");
    }

    #[test]
    fn a_child_killed_by_a_real_time_signal_is_reaped_too() {
        let child = spawn("kill -s RTMIN $$ || kill -34 $$; sleep 60");
        let (_, status) = wait_for(child, 0).unwrap();
        assert_eq!(status.signal(), Some(libc::SIGRTMIN()));
    }

    #[test]
    fn a_child_that_runs_is_not_waited_for() {
        let child = spawn("exec sleep 60");
        assert!(wait_for(child, libc::WNOHANG).is_none());
        kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
        let (_, status) = wait_for(child, 0).unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    }
}
