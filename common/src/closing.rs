//! The close that loses no reply.
//!
//! close(2) on a socket with unread input makes TCP send a reset instead of an
//! end of file (RFC 1122). A reset discards what the server's kernel has not
//! delivered yet, and a client that is still sending fails at its next write,
//! often without having read the reply.

// Sockets and time; recv(2) with flags; how long to wait.
use crate::constants::{ACK_POLL_INTERVAL, DRAIN_LIMIT};
use crate::shutdown;
use nix::sys::socket::{MsgFlags, recv};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

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
pub fn is_temporary(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::os::unix::thread::JoinHandleExt as _;
    use std::thread::spawn;

    use nix::sys::signal::{
        SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction,
    };

    use super::*;
    use crate::loopback::{pair, until};

    #[test]
    fn draining_ends_with_the_client_and_drops_what_it_has_sent() {
        let (mut client, stream, _) = pair();
        end_sending(&stream);
        client.write_all(b"dropped").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        drain(&stream, &mut [0; 4]);
        let mut receiver = &stream;
        assert_eq!(receiver.read(&mut [0; 4]).unwrap(), 0, "all was read");
    }

    #[test]
    fn draining_ends_after_its_limit_however_often_the_client_sends() {
        let (mut client, stream, _) = pair();
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                drain(&stream, &mut [0; 4]);
                // The client's next write fails after this.
                stream.shutdown(Shutdown::Both).ok();
            });
            while client.write_all(b"and more").is_ok() {
                sleep(Duration::from_millis(5));
            }
        });
        assert!(start.elapsed() >= DRAIN_LIMIT);
    }

    #[test]
    fn a_signal_does_not_shorten_the_draining() {
        extern "C" fn on_signal(_: libc::c_int) {}
        let handler = SigHandler::Handler(on_signal);
        let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing.
        #[expect(unsafe_code, reason = "sigaction is unsafe")]
        unsafe { sigaction(Signal::SIGURG, &action) }.unwrap();
        let (_client, stream, _) = pair();
        let start = Instant::now();
        let thread = spawn(move || drain(&stream, &mut [0; 4]));
        for _ in 0..10 {
            sleep(Duration::from_millis(20));
            // recv(2) with a time limit fails with EINTR, signal(7).
            // SAFETY: the thread has not been joined.
            #[expect(unsafe_code, reason = "pthread_kill is unsafe")]
            unsafe {
                libc::pthread_kill(thread.as_pthread_t(), libc::SIGURG);
            }
        }
        thread.join().unwrap();
        assert!(start.elapsed() >= DRAIN_LIMIT);
    }

    #[test]
    fn draining_ends_with_a_reset() {
        let (client, stream, _) = pair();
        // Unread input makes the client's close a reset.
        (&stream).write_all(b"reply").unwrap();
        until(|| client.peek(&mut [0; 8]).unwrap() == 5);
        drop(client);
        let start = Instant::now();
        drain(&stream, &mut [0; 4]);
        assert!(start.elapsed() < DRAIN_LIMIT);
    }

    #[test]
    fn a_stop_leaves_a_half_closed_client_its_receiving_side() {
        let (mut client, stream, _) = pair();
        end_sending(&stream);
        shut_down(&stream, Shutdown::Read);
        // With both sides shut down, these bytes would cause a reset.
        for _ in 0..3 {
            client.write_all(b"more").unwrap();
            sleep(Duration::from_millis(10));
        }
        assert_eq!(client.read(&mut [0; 4]).unwrap(), 0);
        let mut bytes = [0; 64];
        assert!((&stream).read(&mut bytes).unwrap() > 0);
        shut_down(&stream, Shutdown::Both);
        while (&stream).read(&mut bytes).unwrap() > 0 {}
    }

    #[test]
    fn a_stop_ends_the_receiving_of_any_other_client() {
        let (_client, stream, _) = pair();
        shut_down(&stream, Shutdown::Read);
        assert_eq!((&stream).read(&mut [0; 4]).unwrap(), 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_knows_what_was_not_acknowledged() {
        let (mut client, mut stream, _) = pair();
        assert_eq!(unacknowledged(&stream), 0);
        // More than the client's kernel has room for.
        stream.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(count) = stream.write(&[0; 4096]) {
            sent += count;
        }
        assert!(unacknowledged(&stream) > 0);
        client.read_exact(&mut vec![0; sent]).unwrap();
        until(|| unacknowledged(&stream) == 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_that_is_gone_has_nothing_left_to_acknowledge() {
        let (client, mut stream, _) = pair();
        stream.set_nonblocking(true).unwrap();
        while stream.write(&[0; 4096]).is_ok() {}
        assert!(unacknowledged(&stream) > 0);
        // Unread input makes the client's close a reset.
        drop(client);
        until(|| unacknowledged(&stream) == 0);
    }
}
