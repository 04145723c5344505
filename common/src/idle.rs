//! recv(2) and send(2) on a blocking socket, with the idle limit.
//!
//! A client is idle that neither sends nor takes its reply. Signals do not
//! prolong the limit, and a client that takes its reply slowly is not idle.

// Sockets and time; poll(2), and flags of send(2).
use crate::closing::{is_temporary, unacknowledged};
use crate::shutdown::timeout_until;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use socket2::SockRef;
use std::io::{self, ErrorKind, Read as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

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
        // recv(2) waits for data, at most for the limit of the socket.
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
            // The kernel may have taken a part only: the rest is sent next.
            Ok(count) => {
                *sent += count as u64;
                unsent = &unsent[count..];
            }
            // EAGAIN: the send buffer is full.
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
        // poll(2) sleeps until the socket is ready or the time has passed.
        let mut waited = [PollFd::new(stream.as_fd(), events)];
        match poll(&mut waited, timeout_until(waiting.1)) {
            // The client takes bytes, but the buffer has no room yet.
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::thread;

    use super::*;
    use crate::loopback::pair;

    const SHORT: Option<Duration> = Some(Duration::from_millis(200));

    #[test]
    fn a_silent_client_is_idle_after_the_limit() {
        let (_client, stream, _) = pair();
        stream.set_read_timeout(SHORT).unwrap();
        let start = Instant::now();
        let result = receive(&stream, &mut [0; 8], SHORT);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(start.elapsed() >= SHORT.unwrap());
    }

    #[test]
    fn a_client_that_takes_nothing_is_idle_and_what_was_taken_counts() {
        let (_client, stream, _) = pair();
        let mut sent = 0;
        // More than both kernels have room for.
        let bytes = vec![0; 64 << 20];
        let result = send_all(&stream, &bytes, SHORT, &mut sent);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(sent > 0 && sent < bytes.len() as u64, "{sent}");
    }

    #[test]
    fn what_was_sent_before_a_failure_stays_counted() {
        let (mut client, stream, _) = pair();
        let mut sent = 0;
        let bytes = vec![0; 64 << 20];
        let error = thread::scope(|scope| {
            let sending =
                scope.spawn(|| send_all(&stream, &bytes, None, &mut sent));
            // Some bytes have come; the rest ends in a reset.
            client.read_exact(&mut [0; 100_000]).unwrap();
            drop(client);
            sending.join().unwrap().unwrap_err()
        });
        assert!(!is_temporary(error.kind()), "{error}");
        assert!(sent >= 100_000, "{sent}");
    }

    /// A client whose kernel acknowledges bytes all the time, though the send
    /// buffer never has room within one limit.
    #[test]
    fn a_client_that_takes_its_reply_slowly_is_not_idle() {
        let (mut client, stream, _) = pair();
        let bytes = vec![7; 24 << 20];
        let mut sent = 0;
        thread::scope(|scope| {
            let sending = scope.spawn(|| {
                let result = send_all(&stream, &bytes, SHORT, &mut sent);
                // After an error the client must not wait for the rest.
                stream.shutdown(std::net::Shutdown::Both).unwrap();
                result
            });
            let mut received_so_far = 0;
            let mut piece = vec![0; 96 << 10];
            // Each piece makes the receive window grow, which the client's
            // kernel reports; the buffer as a whole takes several limits.
            while received_so_far < bytes.len() {
                let length = piece.len().min(bytes.len() - received_so_far);
                client.read_exact(&mut piece[..length]).unwrap();
                received_so_far += length;
                if received_so_far < 4 << 20 {
                    thread::sleep(Duration::from_millis(20));
                }
            }
            sending.join().unwrap().unwrap();
        });
        assert_eq!(sent, bytes.len() as u64);
    }

    #[test]
    fn data_comes_whole_and_the_end_of_file_is_0() {
        let (mut client, stream, _) = pair();
        client.write_all(b"hola").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(receive(&stream, &mut buffer, None).unwrap(), 4);
        assert_eq!(&buffer[..4], b"hola");
        drop(client);
        assert_eq!(receive(&stream, &mut buffer, None).unwrap(), 0);
    }
}
