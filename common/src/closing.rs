//! The close that loses no reply.
//!
//! close(2) on a socket with unread input makes TCP send a reset instead of an
//! end of file (RFC 1122). A reset discards what the server's kernel has not
//! delivered yet, and a client that is still sending fails at its next write,
//! often without having read the reply.

// Sockets, time, and a pause.
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

// recv(2) with flags.
use nix::sys::socket::{MsgFlags, recv};
use std::os::fd::AsRawFd as _;

use crate::constants::{ACK_POLL_INTERVAL, DRAIN_LIMIT};
use crate::shutdown;

/// Sends our end of file after the last reply: a half-close. The client sees
/// it at once, while the server still receives.
///
/// During a stop the receiving side may be shut down already. With both sides
/// shut down Linux answers new data with a reset, so close(2) sends the end of
/// file then, after `wait_for_acknowledgements`.
pub fn end_sending(stream: &TcpStream) {
    if !shutdown::requested() {
        // ENOTCONN: the client has reset the connection.
        stream.shutdown(Shutdown::Write).ok();
    }
}

/// At a stop, shuts down one side, or both, of a client's socket: a recv(2) or
/// poll(2) that is blocked on it returns.
pub fn shut_down(stream: &TcpStream, side: Shutdown) {
    // An empty send fails with EPIPE after our half-close. That client has its
    // reply, and `drain` ends by itself within a second.
    let mut sender = stream;
    if side == Shutdown::Both || sender.write(&[]).is_ok() {
        // ENOTCONN: the client has gone.
        stream.shutdown(side).ok();
    }
}

/// After our half-close: reads and drops what the client still sends, until
/// its end of file, for at most `DRAIN_LIMIT`.
pub fn drain(stream: &TcpStream, scratch: &mut [u8]) {
    let deadline = Instant::now() + DRAIN_LIMIT;
    let mut receiver = stream;
    loop {
        // One limit for all reads together. A time limit of zero would mean
        // none, socket(7).
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = Some(left.max(Duration::from_millis(1)));
        let limited = stream.set_read_timeout(limit);
        // What comes is dropped, and does not count as received. 0 is the
        // client's end of file: after it, close(2) can send no reset.
        let ended = match limited.and_then(|()| receiver.read(scratch)) {
            Ok(count) => count == 0,
            Err(error) => !is_temporary(error.kind()),
        };
        // The kernel is asked before the clock: after a pause of the whole
        // process the end of file may be waiting already.
        if ended || left.is_zero() {
            return;
        }
    }
}

/// At a stop: waits until the client's kernel has acknowledged all replies,
/// until the grace is over at most, and drops what the client still sends.
///
/// `SO_LINGER` does not serve here: once close(2) has begun, new data from the
/// client is answered with a reset. The kernel reports no event for the last
/// acknowledgement, so this asks again and again.
pub fn wait_for_acknowledgements(
    stream: &TcpStream,
    scratch: &mut [u8],
    grace: Duration,
) {
    loop {
        // Unread input would turn the close into a reset.
        let flags = MsgFlags::MSG_DONTWAIT;
        let count = recv(stream.as_raw_fd(), scratch, flags).unwrap_or(0);
        let is_safe = count == 0 && unacknowledged(stream) == 0;
        if is_safe || shutdown::time_since_request() >= grace {
            return;
        }
        // A client that sends all the time is read from without a pause.
        if count == 0 {
            sleep(ACK_POLL_INTERVAL);
        }
    }
}

/// How many bytes of the replies the client's kernel has not acknowledged yet.
/// tcp(7) calls SIOCOUTQ the unsent bytes; it counts the sent ones as well.
/// Where the kernel cannot tell, this is 0, and a stop does not wait.
#[must_use]
pub fn unacknowledged(stream: &TcpStream) -> usize {
    nix::ioctl_read_bad!(siocoutq, libc::TIOCOUTQ, libc::c_int);
    // ENOTCONN after a reset: the kernel still counts what can no longer
    // arrive.
    if stream.peer_addr().is_err() {
        return 0;
    }
    let mut bytes = 0;
    // SAFETY: the descriptor is open while `stream` is borrowed, and the
    // answer is one `c_int`.
    #[expect(unsafe_code, reason = "ioctl(2) has no safe interface")]
    let result = unsafe { siocoutq(stream.as_raw_fd(), &raw mut bytes) };
    result.map_or(0, |_| usize::try_from(bytes).unwrap_or(0))
}

/// Whether a call has only to be made again: EAGAIN after a time limit or on a
/// socket that does not block, EINTR after a signal.
#[must_use]
pub fn is_temporary(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
