//! What each signal does, in the server and in its children.
//!
//! fork(2) copies the handler and these statics, so one handler serves both
//! sides, and no signal can meet a child that is not ready for it. A handler
//! can use atomics and few system calls only, see signal-safety(7).

// Descriptors as numbers and atomics: a handler has nothing else.
use crate::workers;
use common::shutdown;
use libc::{SHUT_RD, SHUT_RDWR, c_int};
use nix::errno::Errno;
use nix::sys::signal::Signal::{
    SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2,
};
use nix::unistd::getpid;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};

/// The process id of the server itself.
pub static SERVER: AtomicI32 = AtomicI32::new(0);

/// In the server, whether a child has ended that was not reaped yet.
static CHILD_ENDED: AtomicBool = AtomicBool::new(false);

/// In a child, the socket of its client; -1 while it has none.
static CURRENT_CLIENT: AtomicI32 = AtomicI32::new(-1);

/// In a child, whether the grace is over.
static CUT: AtomicBool = AtomicBool::new(false);

/// Installs the handler for the server and all its children.
///
/// # Errors
///
/// Those of sigaction(2), which has none for signals that exist.
pub fn install() -> io::Result<()> {
    SERVER.store(getpid().as_raw(), SeqCst);
    let signals = [SIGCHLD, SIGUSR1, SIGUSR2, SIGINT, SIGTERM, SIGHUP];
    // SAFETY: `on_signal` uses atomics, reads the clock and calls getpid(2),
    // send(2), shutdown(2), dup2(2) and write(2); it restores errno.
    #[expect(unsafe_code, reason = "handle is unsafe")]
    unsafe {
        shutdown::handle(&signals, on_signal)
    }
}

/// The handler of all these signals.
extern "C" fn on_signal(signal: c_int) {
    // The interrupted code may be about to read errno.
    let errno = Errno::last_raw();
    // A child has the server's memory, but not its process id.
    let in_server = getpid().as_raw() == SERVER.load(SeqCst);
    match (signal, in_server) {
        // A child has ended: `Children::reap` looks which.
        (libc::SIGCHLD, true) => {
            CHILD_ENDED.store(true, SeqCst);
            shutdown::wake();
        }
        // The server's order after the grace. With `--grace 0` it may interrupt
        // the handler of the SIGTERM before it, which then does the rest.
        (libc::SIGUSR1, false) => {
            CUT.store(true, SeqCst);
            shut_down_client();
        }
        // The server has died: its worker finishes with its client and ends.
        (libc::SIGUSR2, false) => workers::stop_accepting(),
        // Sent from outside by mistake: ignored.
        (libc::SIGCHLD | libc::SIGUSR1 | libc::SIGUSR2, _) => {}
        // SIGINT, SIGTERM or SIGHUP: the server's loop begins the stop.
        (_, true) => shutdown::request(),
        // Ctrl-C reaches the children as well, and then the server's SIGTERM:
        // any number of signals begins the same stop.
        (_, false) => {
            shutdown::mark_requested();
            workers::stop_accepting();
            shut_down_client();
        }
    }
    // As if nothing had happened between two instructions.
    Errno::set_raw(errno);
}

/// At a stop, shuts down one side of the socket of this child's client, and
/// after the grace both; the same rule as `closing::shut_down`.
fn shut_down_client() {
    // Without a stop a SIGUSR1 was sent from outside by mistake.
    if !shutdown::requested() {
        return;
    }
    // The grace may be over before this child has handled the SIGTERM.
    let side = if CUT.load(SeqCst) { SHUT_RDWR } else { SHUT_RD };
    let fd = CURRENT_CLIENT.load(SeqCst);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: both calls are async-signal-safe, and the number belongs to the
    // client's socket until it is cleared. Without a client it is -1: EBADF.
    #[expect(unsafe_code, reason = "a handler has a number, not a TcpStream")]
    unsafe {
        // An empty send fails with EPIPE once the child has half-closed.
        let half_closed = libc::send(fd, std::ptr::null(), 0, flags) < 0;
        if side == SHUT_RDWR || !half_closed {
            libc::shutdown(fd, side);
        }
    }
}

/// Whether a child has ended since this was last asked.
pub fn take_child_ended() -> bool {
    CHILD_ENDED.swap(false, SeqCst)
}

/// Names the client whose socket a signal has to shut down: in the server
/// before the fork, in a worker after accept(2) and, with `None`, before the
/// socket is closed and its number becomes free.
pub fn set_current_client(stream: Option<&TcpStream>) {
    let fd = stream.map_or(-1, AsRawFd::as_raw_fd);
    CURRENT_CLIENT.store(fd, SeqCst);
    // The signal may have come before the line above.
    shut_down_client();
}
