//! Asking a server to stop: Ctrl-C, SIGTERM, and the time that is left then.
//!
//! A signal may arrive between any two instructions, so its handler does next
//! to nothing: it counts, and it writes one byte into a pipe. The server's
//! loop polls that pipe beside its sockets, and no wake-up can get lost
//! between a check and a wait.

// Atomics are all the memory that a signal handler may share.
use std::ffi::c_int;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

// Signals and pipes, which the standard library leaves to others.
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction,
};
use nix::unistd::{pipe, read};

// How long, and how it ends in haste.
use crate::console::errors::Failure;
use crate::constants::CLEANUP_LIMIT;

/// How many times this process was asked to stop.
static ASKED: AtomicU32 = AtomicU32::new(0);

/// Whether somebody has called `wake` since the loop last looked.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// The writing end of the pipe; a handler can reach nothing but statics.
static WAKE_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Whether the server was asked to stop: words the reason of a close.
pub fn requested() -> bool {
    ASKED.load(Ordering::SeqCst) > 0
}

/// Notes one request to stop; async-signal-safe, see signal-safety(7).
pub fn request() {
    // An atomic, for the code that this interrupts may be reading it.
    let before = ASKED.fetch_add(1, Ordering::SeqCst);
    // The second request is the loop's to obey; but a loop that is stuck, in
    // a terminal that Ctrl-S has paused, say, must not outlive the third.
    if before >= 2 {
        // SAFETY: _exit(2) is async-signal-safe and runs no destructors.
        #[expect(unsafe_code, reason = "nothing else may leave a handler")]
        unsafe {
            libc::_exit(130)
        }
    }
    // Ends the wait of the loop, or the one that it is about to begin.
    poke();
}

/// Notes, in a process that serves one client for the server, that the stop
/// has begun; async-signal-safe. Any number of signals is one stop there.
pub fn note() {
    ASKED.store(1, Ordering::SeqCst);
}

/// Makes the server's loop look around: a child or a thread has ended.
/// Async-signal-safe.
pub fn wake() {
    // One byte for many calls is enough, and spares the system call.
    if !WOKEN.swap(true, Ordering::SeqCst) {
        poke();
    }
}

/// Makes the pipe readable, and so ends the loop's wait.
fn poke() {
    // A handler must leave errno as it found it: the code that it interrupts
    // may be about to read it.
    let errno = Errno::last_raw();
    // -1 before the start, and then write(2) fails with EBADF: no harm.
    let pipe = WAKE_PIPE.load(Ordering::SeqCst);
    // SAFETY: write(2) is async-signal-safe; it reads one byte that lives for
    // ever. A full pipe is as good as a written one, a closed one past caring.
    #[expect(unsafe_code, reason = "a handler has a number, not an OwnedFd")]
    unsafe {
        libc::write(pipe, [0_u8].as_ptr().cast(), 1)
    };
    // As if nothing had happened in between.
    Errno::set_raw(errno);
}

/// What SIGINT and SIGTERM do.
extern "C" fn on_signal(_signal: c_int) {
    request();
}

/// Installs a handler for some signals.
///
/// # Errors
///
/// EINVAL for a signal that cannot be handled, such as SIGKILL.
pub fn handle(
    signals: &[Signal],
    handler: extern "C" fn(c_int),
) -> io::Result<()> {
    install(signals, SigHandler::Handler(handler))
}

/// Lets some signals do what they do to any program that has not asked for
/// anything else.
///
/// # Errors
///
/// EINVAL for a signal that cannot be handled, such as SIGKILL.
pub fn restore(signals: &[Signal]) -> io::Result<()> {
    install(signals, SigHandler::SigDfl)
}

/// Calls sigaction(2) for each of these signals, and lets them through.
fn install(signals: &[Signal], handler: SigHandler) -> io::Result<()> {
    // SA_RESTART: system calls that a handler interrupts go on by themselves
    // wherever the kernel can do that (not with a time limit on the socket).
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // One call for each; there is none for several.
    for &signal in signals {
        // SAFETY: the handlers given here do only what signal-safety(7)
        // allows: atomics, write, shutdown, getpid, _exit.
        #[expect(unsafe_code, reason = "a handler could do anything")]
        unsafe { sigaction(signal, &action) }?;
    }
    // Whoever has started this program may have blocked some of them, and a
    // blocked signal waits for ever.
    let all: SigSet = signals.iter().copied().collect();
    // For this thread, and for those that it will create.
    Ok(all.thread_unblock()?)
}

/// How far the stop has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody has asked.
    Running,
    /// Clients may finish until then.
    Grace(Instant),
    /// All are cut off; who serves them may clear up until then.
    Cut(Instant),
}

/// The course of a stop, as a server's loop sees it.
#[derive(Debug)]
pub struct Stop {
    /// What a wait polls; becomes readable with each `request` and `wake`.
    reading: Arc<OwnedFd>,
    /// Kept open for the handler, which knows only its number.
    _writing: Option<OwnedFd>,
    /// How long clients may finish.
    grace: Duration,
    /// How far it has got.
    stage: Stage,
}

impl Stop {
    /// Makes the pipe and handles SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE when there is no descriptor left for the pipe.
    pub fn new(grace: Duration) -> io::Result<Self> {
        // What is written to the second comes out of the first.
        let (reading, writing) = pipe()?;
        // Both ends alike.
        for end in [&reading, &writing] {
            // A handler that blocked on a full pipe would never return.
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            // A program that somebody starts from here has no use for it.
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        // Before the handlers, which need it.
        WAKE_PIPE.store(writing.as_raw_fd(), Ordering::SeqCst);
        // The two ways to ask politely: Ctrl-C, and `kill` without an option.
        handle(&[Signal::SIGINT, Signal::SIGTERM], on_signal)?;
        // Nobody has asked yet, or the handler has counted it.
        Ok(Self {
            reading: Arc::new(reading),
            _writing: Some(writing),
            grace,
            stage: Stage::Running,
        })
    }

    /// The same stop for one more loop, which polls a pipe of its own: it must
    /// become readable when the server is asked to stop.
    #[must_use]
    pub fn share(&self, pipe: Arc<OwnedFd>) -> Self {
        Self {
            reading: pipe,
            _writing: None,
            grace: self.grace,
            stage: self.stage,
        }
    }

    /// What the stop demands of every client now, each thing once: first that
    /// no more is read from them, then, after the grace, that they are cut.
    ///
    /// # Errors
    ///
    /// `Failure::Interrupted` after a second request.
    pub fn due(&mut self) -> Result<Option<Shutdown>, Failure> {
        // Mostly 0, and then this costs one look at the memory.
        let asked = ASKED.load(Ordering::SeqCst);
        // Impatience counts, at whatever stage.
        if asked > 1 {
            return Err(Failure::Interrupted);
        }
        // Each stage is entered once.
        let demand = match self.stage {
            // All that has arrived is still answered: on Linux recv(2) goes
            // on to deliver it, and then reports the end of file.
            Stage::Running if asked > 0 => {
                self.stage = Stage::Grace(Instant::now() + self.grace);
                // Their reading side is ours to close, and costs no reply.
                Shutdown::Read
            }
            // Who has not taken the reply by now will not.
            Stage::Grace(end) if Instant::now() >= end => {
                self.stage = Stage::Cut(Instant::now() + CLEANUP_LIMIT);
                // send(2) ends as well, with EPIPE.
                Shutdown::Both
            }
            // Not yet, or already demanded.
            _ => return Ok(None),
        };
        // How a client is told differs between the approaches.
        Ok(Some(demand))
    }

    /// Whether a stopping server has nothing left to wait for: nobody is
    /// being served, or those who serve have had their time.
    #[must_use]
    pub fn over(&self, serving: usize) -> bool {
        match self.stage {
            // A server without clients waits for some.
            Stage::Running => false,
            // The sooner the better.
            Stage::Grace(_) => serving == 0,
            // Somebody may be stuck elsewhere: in a paused terminal, say.
            Stage::Cut(end) => serving == 0 || Instant::now() >= end,
        }
    }

    /// When `due` or `over` must be asked again at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.stage {
            // Nothing is due by itself.
            Stage::Running => None,
            // Then the next one begins.
            Stage::Grace(end) | Stage::Cut(end) => Some(end),
        }
    }

    /// Whether somebody has called `wake` since this was last asked.
    pub fn woken(&mut self) -> bool {
        // A read costs less than a swap, and the answer is mostly no.
        WOKEN.load(Ordering::Relaxed) && WOKEN.swap(false, Ordering::SeqCst)
    }

    /// The end of the pipe that becomes readable with each `request` and
    /// `wake`.
    #[must_use]
    pub fn pipe(&self) -> &Arc<OwnedFd> {
        &self.reading
    }

    /// Takes the bytes out of the pipe, so that it is quiet again; says
    /// whether it is. A pipe that nobody writes to any more never is.
    #[allow(clippy::must_use_candidate, reason = "mostly it is quiet")]
    pub fn hush(&self) -> bool {
        empty(|bytes| read(&self.reading, bytes))
    }
}

/// Reads until nothing is left; says whether more may come some time.
fn empty(mut read: impl FnMut(&mut [u8]) -> nix::Result<usize>) -> bool {
    // The bytes mean nothing; that there are some was the message.
    let mut bytes = [0; 64];
    // There are as many as there were signals since the last time.
    loop {
        match read(&mut bytes) {
            // Its end of file, which is there to be read for ever.
            Ok(0) => return false,
            // There may be more.
            Ok(count) if count == bytes.len() => {}
            // Another signal has come, and with it another byte.
            Err(Errno::EINTR) => {}
            // A short read has emptied it; EAGAIN: it was empty.
            _ => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// What comes of these reads, and how many of them are left.
    fn emptied<const N: usize>(
        reads: [nix::Result<usize>; N],
    ) -> (bool, usize) {
        let mut reads = VecDeque::from(reads);
        let quiet = empty(|_| reads.pop_front().unwrap());
        (quiet, reads.len())
    }

    #[test]
    fn a_pipe_is_read_until_it_is_empty() {
        assert_eq!(emptied([Ok(3)]), (true, 0));
        assert_eq!(emptied([Ok(64), Ok(64), Ok(1)]), (true, 0));
        assert_eq!(emptied([Ok(64), Err(Errno::EAGAIN)]), (true, 0));
    }

    #[test]
    fn only_an_end_of_file_is_the_end_of_a_pipe() {
        assert_eq!(emptied([Ok(0)]), (false, 0));
        assert_eq!(emptied([Ok(64), Ok(0)]), (false, 0));
        assert_eq!(emptied([Err(Errno::EINTR), Ok(3)]), (true, 0));
        assert_eq!(emptied([Err(Errno::EINTR), Ok(0)]), (false, 0));
    }
}
