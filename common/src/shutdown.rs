//! The stop: Ctrl-C, SIGTERM, SIGHUP, and the time that clients have then.
//!
//! A signal may arrive between any two instructions, so its handler does very
//! little: it notes the time and writes one byte into a pipe. The server polls
//! that pipe beside its sockets, so no wake-up can get lost between a check
//! and a wait.
//!
//! Next: `closing.rs`, for what a stop may not cost a client.

// Pipes, atomics and clocks; signals, poll(2) and flags, which the standard
// library does not offer.
use crate::console::Context;
use crate::constants::{CLEANUP_LIMIT, SAME_REQUEST, WAIT_NOTICE};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::time::{ClockId, clock_gettime};
use std::ffi::c_int;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// When the server was first asked to stop, in milliseconds of the monotonic
/// clock; 0 until then.
static REQUESTED_AT: AtomicU64 = AtomicU64::new(0);

/// When it was asked a second time; 0 until then.
static INTERRUPTED_AT: AtomicU64 = AtomicU64::new(0);

/// The self-pipe. It is never closed, so a handler can always write to it.
static SIGNAL_PIPE: OnceLock<(Arc<PipeReader>, PipeWriter)> = OnceLock::new();

/// Whether the server was asked to stop.
pub fn requested() -> bool {
    REQUESTED_AT.load(SeqCst) != 0
}

/// Whether the server was asked a second time, and has to end now.
pub fn interrupted() -> bool {
    INTERRUPTED_AT.load(SeqCst) != 0
}

/// How long ago the server was asked to stop; it must have been.
pub fn time_since_request() -> Duration {
    Duration::from_millis(now().saturating_sub(REQUESTED_AT.load(SeqCst)))
}

/// The monotonic clock in milliseconds, never 0. The call is
/// async-signal-safe, see signal-safety(7).
fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    time.map_or(1, |time| u64::try_from(time.as_millis()).unwrap_or(1).max(1))
}

/// Notes one request to stop; async-signal-safe.
///
/// Requests less than `SAME_REQUEST` after a counted one repeat it: timeout(1)
/// signals its child and then the child's whole process group.
pub fn request() {
    let now = now();
    // The second request is obeyed by the server's loop. If that loop is
    // blocked, for example by a paused terminal, the third one ends it.
    if is_later(&REQUESTED_AT, now) && is_later(&INTERRUPTED_AT, now) {
        // SAFETY: _exit(2) is async-signal-safe and runs no destructors.
        #[expect(unsafe_code, reason = "only _exit may leave a handler")]
        unsafe {
            libc::_exit(130)
        }
    }
    // The loop polls the pipe, and asks how many requests there are.
    wake();
}

/// Notes a request in `at` if it is the first one; says whether it comes so
/// long after the first that it is another request.
fn is_later(at: &AtomicU64, now: u64) -> bool {
    let noted = at.compare_exchange(0, now, SeqCst, SeqCst);
    noted.is_err_and(|first| now.saturating_sub(first) >= SAME_REQUEST)
}

/// In a process that serves one client for the server: notes that the stop has
/// begun. Async-signal-safe; any number of signals is one stop there.
pub fn mark_requested() {
    // A later signal does not move the beginning of the grace.
    is_later(&REQUESTED_AT, now());
}

/// Makes the pipe readable, which ends the wait of the server's loop: a signal
/// has come, or a child or a thread has ended. Async-signal-safe.
pub fn wake() {
    // A handler must leave errno as it was: the interrupted code may be about
    // to read it. If the pipe is full, a wake-up is already pending.
    let errno = Errno::last_raw();
    if let Some((_, write_end)) = SIGNAL_PIPE.get() {
        let mut write_end = write_end;
        let _ = write_end.write(&[0]);
    }
    // As if nothing had happened between two instructions.
    Errno::set_raw(errno);
}

/// The handler of SIGINT, SIGTERM and SIGHUP.
extern "C" fn on_signal(_signal: c_int) {
    request();
}

/// Installs a handler for some signals, and unblocks them. SIGHUP stays
/// ignored if the server was started so, as nohup(1) does.
///
/// # Errors
///
/// EINVAL for a signal that cannot be handled, such as SIGKILL.
///
/// # Safety
///
/// The handler may interrupt any code: it must call nothing that
/// signal-safety(7) does not allow, and it must leave errno as it was.
#[expect(unsafe_code, reason = "a handler must keep promises")]
pub unsafe fn handle(
    signals: &[Signal],
    handler: extern "C" fn(c_int),
) -> io::Result<()> {
    // The C library sets SA_RESTART, so that the kernel repeats most system
    // calls that the handler interrupts. poll(2) and calls with a time limit
    // on their socket fail with EINTR all the same, see signal(7).
    for &each in signals {
        // SAFETY: the caller vouches for the handler.
        let before = unsafe { signal(each, SigHandler::Handler(handler)) }?;
        // A server started by nohup(1) must survive the end of its terminal.
        if each == Signal::SIGHUP && matches!(before, SigHandler::SigIgn) {
            // SAFETY: to ignore a signal is no handler.
            unsafe { signal(each, SigHandler::SigIgn) }?;
        }
    }
    // The program that has started this one may have blocked some of them,
    // and a blocked signal has no effect. New threads inherit this mask.
    Ok(signals.iter().copied().collect::<SigSet>().thread_unblock()?)
}

/// The course of the stop, as one server loop sees it.
#[derive(Debug)]
pub struct Stop {
    /// The options, and where a long wait is reported.
    context: Arc<Context>,
    /// Becomes readable with each `request` and each `wake`.
    signal_pipe: Arc<PipeReader>,
    /// Until when clients may take their replies; `None` before the stop.
    grace_end: Option<Instant>,
    /// Until when the workers of cut clients may end; `None` before the cut.
    cleanup_end: Option<Instant>,
    /// When to report that clients are waited for; `None` when that is done.
    notice_at: Option<Instant>,
}

impl Stop {
    /// Creates the pipe and handles SIGINT, SIGTERM and SIGHUP from now on.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE when there is no descriptor left for the pipe.
    pub fn new(context: Arc<Context>) -> io::Result<Self> {
        let (read_end, write_end) = io::pipe()?;
        // A handler that blocked on a full pipe would never return.
        fcntl(&read_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        fcntl(&write_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // A process has one pipe: if there is one already, this one is dropped.
        let pipe = (Arc::new(read_end), write_end);
        let read_end = Arc::clone(&SIGNAL_PIPE.get_or_init(|| pipe).0);
        // Ctrl-C, kill(1) without an option, and the end of the terminal.
        let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        // SAFETY: `on_signal` reads the clock, uses atomics, calls write(2)
        // and _exit(2), and restores errno.
        #[expect(unsafe_code, reason = "handle is unsafe")]
        unsafe { handle(&signals, on_signal) }?;
        // From here on a request is noted, and the loop finds it.
        Ok(Self::with_pipe(context, read_end))
    }

    /// The same stop for one more loop, which polls a pipe of its own: that
    /// pipe must become readable when the server is asked to stop.
    pub fn with_pipe(context: Arc<Context>, pipe: Arc<PipeReader>) -> Self {
        let (signal_pipe, grace_end) = (pipe, None);
        let (cleanup_end, notice_at) = (None, None);
        Self { context, signal_pipe, grace_end, cleanup_end, notice_at }
    }

    /// Which side of every client's socket must be shut down now, if any: the
    /// receiving side when the stop begins, both sides after the grace.
    ///
    /// Reports once, on standard error, when clients still take their replies.
    pub fn next_shutdown(&mut self, active_clients: usize) -> Option<Shutdown> {
        if !requested() {
            return None;
        }
        // On Linux recv(2) still delivers what has arrived, and reports the
        // end of file after that.
        let now = Instant::now();
        let Some(grace_end) = self.grace_end else {
            // The first time: the grace begins.
            self.grace_end = Some(now + self.context.options.grace);
            self.notice_at = Some(now + WAIT_NOTICE);
            return Some(Shutdown::Read);
        };
        // A client that has not taken its reply by now is cut: send(2) fails
        // with EPIPE after this.
        if now >= grace_end && self.cleanup_end.is_none() {
            self.cleanup_end = Some(now + CLEANUP_LIMIT);
            self.notice_at = None;
            return Some(Shutdown::Both);
        }
        // The user may wonder why Ctrl-C did not end the server. A loop with
        // other loops beside it passes no clients, and reports nothing.
        let notice = self.notice_at.take_if(|at| now >= *at);
        if notice.is_some() && active_clients > 0 {
            self.context.log.print_waiting(active_clients, grace_end - now);
        }
        None
    }

    /// Whether the server's loop can end: it was asked to stop and no client
    /// is left, or the time for an orderly end is over.
    pub fn is_complete(&self, active_clients: usize) -> bool {
        // At the end of the cleanup a thread may still be blocked elsewhere,
        // for example by a terminal that Ctrl-S has paused.
        interrupted()
            || self.grace_end.is_some() && active_clients == 0
            || self.cleanup_end.is_some_and(|end| Instant::now() >= end)
    }

    /// When `next_shutdown` or `is_complete` must be asked again at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let end = self.cleanup_end.or(self.grace_end);
        self.notice_at.into_iter().chain(end).min()
    }

    /// Waits until a signal or a `wake` comes, until `other` is readable, or
    /// until the nearer of this deadline and the stop's own has passed.
    ///
    /// # Errors
    ///
    /// Those of poll(2), but for EINTR.
    pub fn wait(
        &self,
        other: Option<BorrowedFd>,
        deadline: Option<Instant>,
    ) -> nix::Result<()> {
        // Without another descriptor the pipe stands in for it. An array needs
        // no memory from the heap.
        let signals = self.signal_pipe.as_fd();
        let mut waited = [signals, other.unwrap_or(signals)]
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        // A byte that was written before this call makes it return at once.
        let nearest = deadline.into_iter().chain(self.deadline()).min();
        match poll(&mut waited, timeout_until(nearest)) {
            // The signal has also written its byte, which the next wait finds.
            Ok(_) | Err(Errno::EINTR) => {}
            // The limit of open files is lower than this list is long.
            Err(Errno::EINVAL) => return Err(Errno::EMFILE),
            Err(errno) => return Err(errno),
        }
        // Emptied here, so that the next wait does not end at once.
        if waited[0].any() != Some(false) {
            self.drain_signal_pipe();
        }
        Ok(())
    }

    /// The end of the pipe that becomes readable with a signal or a `wake`.
    pub fn signal_pipe(&self) -> &Arc<PipeReader> {
        &self.signal_pipe
    }

    /// Reads the bytes out of the pipe, so that it is not readable any more.
    /// Many bytes need several calls: the pipe stays readable until then.
    pub fn drain_signal_pipe(&self) {
        // EAGAIN: the pipe is empty already.
        let _ = (&*self.signal_pipe).read(&mut [0; 64]);
    }
}

/// The time until a deadline as poll(2) takes it; without a deadline poll
/// waits until something happens.
pub fn timeout_until(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    // Rounded up to a millisecond: poll would otherwise return just before the
    // deadline, again and again. A deadline that has passed gives zero.
    let left = deadline.saturating_duration_since(Instant::now());
    let left = left + Duration::from_nanos(999_999);
    // poll counts milliseconds in 32 bits; a longer time is cut, and the
    // caller asks again.
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_never_ends_before_its_deadline() {
        assert_eq!(timeout_until(None), PollTimeout::NONE);
        assert_eq!(timeout_until(Some(Instant::now())), PollTimeout::ZERO);
        let soon = Instant::now() + Duration::from_millis(50);
        let milliseconds = timeout_until(Some(soon)).as_millis().unwrap();
        let left = soon.saturating_duration_since(Instant::now());
        assert!(u128::from(milliseconds) >= left.as_millis());
        assert!(milliseconds <= 51);
    }

    #[test]
    fn requests_close_together_are_one_and_a_later_one_is_another() {
        let at = AtomicU64::new(0);
        assert!(!is_later(&at, 1_000), "the first one");
        assert!(!is_later(&at, 1_000));
        assert!(!is_later(&at, 1_000 + SAME_REQUEST - 1));
        assert!(is_later(&at, 1_000 + SAME_REQUEST));
        assert!(is_later(&at, 9_000));
        assert_eq!(at.load(SeqCst), 1_000, "the first one stays noted");
    }

    #[test]
    fn a_pipe_of_many_bytes_is_drained_in_several_calls() {
        let context = Arc::new(crate::loopback::context(""));
        let (read_end, mut write_end) = io::pipe().unwrap();
        fcntl(&read_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let stop = Stop::with_pipe(context, Arc::new(read_end));
        write_end.write_all(&[0; 100]).unwrap();
        stop.drain_signal_pipe();
        let mut left = [0; 100];
        assert_eq!((&*stop.signal_pipe).read(&mut left).unwrap(), 36);
        stop.drain_signal_pipe();
        // A byte that comes before the wait ends it at once.
        write_end.write_all(&[0]).unwrap();
        stop.wait(None, None).unwrap();
        let empty = (&*stop.signal_pipe).read(&mut left).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    }
}
