//! recv(2) and send(2) on a blocking socket, with the idle limit.
//!
//! A client is idle that neither sends nor takes its reply. Signals do not
//! prolong the limit, and a client that takes its reply slowly is not idle.

// Errors, sockets, and time.
use std::io::{self, ErrorKind, Read as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

// poll(2), and flags of send(2).
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use socket2::SockRef;

use crate::closing::{is_temporary, unacknowledged};
use crate::shutdown::timeout_until;

/// Receives into the buffer; returns how many bytes, 0 at the end of file.
///
/// # Errors
///
/// Those of recv(2); EAGAIN once the idle limit has passed without data.
pub fn receive(
    stream: &TcpStream,
    buffer: &mut [u8],
    idle_timeout: Option<Duration>,
) -> io::Result<usize> {
    let (start, mut receiver) = (Instant::now(), stream);
    loop {
        match receiver.read(buffer) {
            // The socket's time limit begins anew with each call, so poll(2)
            // waits for what is left of it.
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                let left = idle_timeout
                    .map(|limit| limit.saturating_sub(start.elapsed()));
                wait_until_ready(stream, PollFlags::POLLIN, left)?;
            }
            result => return result,
        }
    }
}

/// Sends all these bytes, and adds to `sent` what the kernel has taken.
///
/// # Errors
///
/// Those of send(2); EAGAIN once the client has taken nothing for the idle
/// limit.
pub fn send_all(
    stream: &TcpStream,
    mut unsent: &[u8],
    idle_timeout: Option<Duration>,
    sent: &mut u64,
) -> io::Result<()> {
    let socket = SockRef::from(stream);
    while !unsent.is_empty() {
        // EPIPE is an error here, and no SIGPIPE ends the program: Rust ignores
        // that signal from the start.
        match socket.send_with_flags(unsent, libc::MSG_DONTWAIT) {
            Ok(count) => {
                *sent += count as u64;
                unsent = &unsent[count..];
            }
            Err(error) if is_temporary(error.kind()) => {
                wait_until_ready(stream, PollFlags::POLLOUT, idle_timeout)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until the socket is ready; fails with EAGAIN after the idle limit.
///
/// The kernel reports room to send only when a third of the send buffer is
/// free, and a slow client may need longer for that than the limit. So the
/// limit begins anew if the client's kernel has acknowledged bytes meanwhile.
fn wait_until_ready(
    stream: &TcpStream,
    events: PollFlags,
    idle_timeout: Option<Duration>,
) -> io::Result<()> {
    let deadline = || idle_timeout.map(|limit| Instant::now() + limit);
    let mut waiting = (unacknowledged(stream), deadline());
    loop {
        let mut waited = [PollFd::new(stream.as_fd(), events)];
        match poll(&mut waited, timeout_until(waiting.1)) {
            Ok(0) if unacknowledged(stream) < waiting.0 => {
                waiting = (unacknowledged(stream), deadline());
            }
            Ok(0) => return Err(Errno::EAGAIN.into()),
            Ok(_) => return Ok(()),
            // A signal: the deadline stays where it was.
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
