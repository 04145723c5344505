//! The end of a conversation, such that nothing is lost.
//!
//! close(2) on a socket with unread input makes TCP send a reset instead of an
//! end of file (RFC 9293), and a reset can destroy a reply on its way. So
//! whoever has replied waits a little before it closes.

// `Read` is what a socket and a test script have in common.
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

// The flags of send(2), for a socket of the standard library.
use socket2::SockRef;

// How long.
use crate::constants::{ACK_POLL_INTERVAL, DRAIN_LIMIT};

/// What the handler needs of a socket; a test puts something else in its
/// place.
pub trait Stream: Read {
    /// Hands bytes to the kernel; returns how many it has taken. Of the `last`
    /// ones, it may keep some until `end_sending`, which must follow at once.
    ///
    /// # Errors
    ///
    /// Those of send(2).
    fn send(&mut self, bytes: &[u8], last: bool) -> io::Result<usize>;

    /// Sends our end of file after all that was written; receiving goes on.
    ///
    /// # Errors
    ///
    /// ENOTCONN when the connection is gone already.
    fn end_sending(&self) -> io::Result<()>;

    /// Lets no read wait longer than this.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    fn limit_reading(&self, limit: Duration) -> io::Result<()>;

    /// How many of the bytes that were written have not arrived yet, as far as
    /// the client's machine has told; 0 when the connection is gone.
    fn unacknowledged(&self) -> usize;
}

/// A shared socket is enough: the kernel lets any number of threads use it.
impl Stream for &TcpStream {
    /// send(2); with `MSG_MORE`, the last bytes and the end of file after them
    /// travel in one segment, and the client wakes up once instead of twice.
    fn send(&mut self, bytes: &[u8], last: bool) -> io::Result<usize> {
        // Should nothing follow after all, the kernel sends them by itself, a
        // fifth of a second later.
        let flags = if last { kernel::MORE } else { 0 };
        // Shares the descriptor, and closes nothing.
        SockRef::from(*self).send_with_flags(bytes, flags)
    }

    /// shutdown(2) with `SHUT_WR`: a half-close.
    fn end_sending(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    /// `SO_RCVTIMEO` of socket(7).
    fn limit_reading(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))
    }

    /// `SIOCOUTQ` of tcp(7).
    fn unacknowledged(&self) -> usize {
        unacknowledged(self)
    }
}

// What the kernel can be asked, under a name of its own.
#[cfg(target_os = "linux")]
mod kernel {
    // More will follow: a segment that is not full has time.
    pub const MORE: libc::c_int = libc::MSG_MORE;
    // nix makes a function of the number of a request and of its type.
    nix::ioctl_read_bad!(
        /// Writes the number of bytes that are not acknowledged yet.
        siocoutq,
        libc::TIOCOUTQ,
        libc::c_int
    );
}

/// Elsewhere bytes and end of file travel one after the other.
#[cfg(not(target_os = "linux"))]
mod kernel {
    // No flag.
    pub const MORE: libc::c_int = 0;
}

/// How many of the bytes that were written to this socket its other end has
/// not acknowledged yet; see `SIOCOUTQ` in tcp(7).
#[cfg(target_os = "linux")]
#[must_use]
pub fn unacknowledged(stream: &TcpStream) -> usize {
    // The request takes a descriptor, and a place for its answer.
    use std::os::fd::AsRawFd as _;
    // ENOTCONN: the connection is gone, by a reset for example. What had not
    // arrived by then never will, but the kernel would go on counting it.
    if stream.peer_addr().is_err() {
        return 0;
    }
    // To be overwritten.
    let mut bytes = 0;
    // SAFETY: the descriptor is open as long as `stream` is borrowed, and the
    // answer is one `c_int`, for which there is room.
    #[expect(unsafe_code, reason = "ioctl(2) has no other interface")]
    let result =
        unsafe { kernel::siocoutq(stream.as_raw_fd(), &raw mut bytes) };
    // Of a socket that cannot tell there is nothing to wait for.
    result.map_or(0, |_| usize::try_from(bytes).unwrap_or(0))
}

/// Elsewhere nobody tells: then a stop does not wait for it.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn unacknowledged(_stream: &TcpStream) -> usize {
    0
}

/// Repeats a call that a signal has interrupted.
///
/// # Errors
///
/// Those of the call, but for EINTR.
pub fn again(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    // SA_RESTART makes the kernel do this by itself, but not for a socket
    // that has a time limit; see signal(7).
    loop {
        match call() {
            // EINTR: nothing was transferred, so nothing is repeated.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Bytes, the end of file, or an error that means something.
            result => return result,
        }
    }
}

/// After the last reply: ends our side, then reads and drops what still comes
/// until the client's end of file, for at most `DRAIN_LIMIT`.
pub fn drain(stream: &mut impl Stream, scratch: &mut [u8]) {
    // Errors end the draining, no more: the reply is sent, and a connection
    // that is gone has nothing left to lose.
    if stream.end_sending().is_err() {
        return;
    }
    // A short wait first, which mostly brings the end of file. It needs no
    // clock: in a process that was just forked, the first look at one costs
    // several page faults.
    let mut left = DRAIN_LIMIT / 20;
    // The rest is one limit for all that follows: a client that sends a byte
    // now and then must not be able to stretch it.
    let rest = DRAIN_LIMIT.saturating_sub(left);
    let mut end = None;
    // A limit of zero would mean none at all, socket(7).
    while !left.is_zero() && stream.limit_reading(left).is_ok() {
        match again(|| stream.read(scratch)) {
            // Its end of file: now close(2) harms nobody.
            Ok(0) => return,
            // It is gone, most likely by a reset.
            Err(error) if error.kind() != ErrorKind::WouldBlock => return,
            // Dropped, and not counted: nobody has asked for it. Or EAGAIN:
            // this wait has had its time.
            Ok(_) | Err(_) => {}
        }
        // Set once, when the first wait is over.
        let end = *end.get_or_insert_with(|| Instant::now() + rest);
        // Zero, once it has passed.
        left = end.saturating_duration_since(Instant::now());
    }
}

/// After a stop has shut down the receiving side: waits until all replies have
/// arrived, for at most this long, and drops what the client still sends.
///
/// The sending side stays open meanwhile: were both shut down, Linux would
/// answer whatever the client sends with a reset. The kernel has no event for
/// the last acknowledgement, so it is asked now and then; mostly there is
/// nothing to wait for, and this costs a few system calls.
pub fn settle(stream: &mut impl Stream, scratch: &mut [u8], limit: Duration) {
    // A client that never takes its replies must not keep the server.
    let end = Instant::now() + limit;
    // At least once: unread input would turn the close into a reset.
    loop {
        // What has come meanwhile; then, at once, the end of file that the
        // stop has made.
        while again(|| stream.read(scratch)).is_ok_and(|count| count > 0) {}
        // Nothing is left to lose, or it is lost.
        if stream.unacknowledged() == 0 || Instant::now() >= end {
            return;
        }
        // Short beside the time in which a person notices a delay.
        sleep(ACK_POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::io::Write as _;
    use std::net::TcpListener;

    /// A client whose machine acknowledges one byte at each look, and sends
    /// one more message meanwhile.
    struct Slow {
        left: Cell<usize>,
        reads: usize,
        message: bool,
    }

    impl Read for Slow {
        fn read(&mut self, _room: &mut [u8]) -> io::Result<usize> {
            self.reads += 1;
            self.message = !self.message;
            Ok(usize::from(self.message))
        }
    }

    impl Stream for Slow {
        fn send(&mut self, _bytes: &[u8], _last: bool) -> io::Result<usize> {
            panic!("nothing is left to say");
        }

        fn end_sending(&self) -> io::Result<()> {
            panic!("both sides shut down would mean a reset");
        }

        fn limit_reading(&self, _limit: Duration) -> io::Result<()> {
            panic!("a stop has shut down the receiving side already");
        }

        fn unacknowledged(&self) -> usize {
            let left = self.left.get();
            self.left.set(left.saturating_sub(1));
            left
        }
    }

    fn slow(left: usize) -> Slow {
        Slow {
            left: Cell::new(left),
            reads: 0,
            message: false,
        }
    }

    #[test]
    fn a_stop_waits_until_all_has_arrived_and_drops_what_comes() {
        let mut client = slow(3);
        settle(&mut client, &mut [0; 8], Duration::from_secs(60));
        assert_eq!(client.left.get(), 0);
        assert_eq!(client.reads, 8, "each time a message and an end of file");
    }

    #[test]
    fn a_stop_waits_for_nothing_where_there_is_nothing_to_wait_for() {
        let mut client = slow(0);
        settle(&mut client, &mut [0; 8], Duration::from_secs(60));
        assert_eq!(client.reads, 2, "unread input would make a reset");
    }

    #[test]
    fn a_stop_does_not_wait_for_ever() {
        let mut client = slow(usize::MAX);
        let start = Instant::now();
        settle(&mut client, &mut [0; 8], 3 * ACK_POLL_INTERVAL);
        assert!(start.elapsed() >= 3 * ACK_POLL_INTERVAL);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_last_bytes_wait_for_the_end_of_file() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // The kernel waits a fifth of a second; a busy machine is slower now
        // and then.
        let waited = (0..10).any(|_| {
            let mut client = TcpStream::connect(address).unwrap();
            let (stream, _) = listener.accept().unwrap();
            let mut stream = &stream;
            // Others do not wait at all.
            assert_eq!(stream.send(b"one", false).unwrap(), 3);
            client.read_exact(&mut [0; 3]).unwrap();
            assert_eq!(stream.send(b"two", true).unwrap(), 3);
            client.set_nonblocking(true).unwrap();
            let early = client.read(&mut [0; 3]);
            stream.end_sending().unwrap();
            client.set_nonblocking(false).unwrap();
            let mut late = Vec::new();
            client.read_to_end(&mut late).unwrap();
            let waited = early.is_err();
            assert_eq!(late, if waited { b"two".as_slice() } else { b"" });
            waited
        });
        assert!(waited);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_that_is_gone_has_nothing_left_to_arrive() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        while stream.write(&[0; 4096]).is_ok() {}
        assert!(unacknowledged(&stream) > 0);
        // With input that it has not read, its close is a reset.
        drop(client);
        let end = Instant::now() + Duration::from_secs(60);
        while unacknowledged(&stream) > 0 {
            assert!(Instant::now() < end, "nobody is there any more");
            std::thread::yield_now();
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_knows_what_has_not_arrived() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged(&stream), 0);
        // More than the client's machine has room for.
        stream.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(count) = stream.write(&[0; 4096]) {
            sent += count;
        }
        assert!(unacknowledged(&stream) > 0);
        client.read_exact(&mut vec![0; sent]).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while unacknowledged(&stream) > 0 {
            assert!(Instant::now() < end, "it has read everything");
            std::thread::yield_now();
        }
    }
}
