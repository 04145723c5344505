//! The numbers and texts that the three servers share, each with the value
//! that the originals used and the reason wherever ours differs.
//!
//! Next: `options.rs`, which lets the command line change most of them.

// Times carry their unit in their type.
use std::time::Duration;

/// The address listened on; `--host` changes it.
///
/// The originals: `0.0.0.0`, every network of the machine. Here the loopback
/// address: other machines can connect only when the teacher says so.
pub const HOST: &str = "127.0.0.1";

/// The TCP port listened on; `--port` changes it. The originals: the same.
pub const PORT: u16 = 8080;

/// How many clients the kernel queues until the server accepts them; see
/// listen(2). `net.core.somaxconn` may lower it.
///
/// The originals: 5. While the queue is full, Linux ignores the SYN of a new
/// client, whose kernel repeats it only a second later: with 5, a burst of 64
/// clients waits for seconds.
pub const BACKLOG: i32 = 1024;

/// The most bytes received, and echoed, at a time. The originals: the same.
///
/// A client costs the server no more memory for data than this.
pub const BUFFER_SIZE: usize = 1024;

/// The most clients served at a time; `--max-clients` changes it.
///
/// The originals: no limit, until threads, processes or descriptors run out.
pub const MAX_CLIENTS: usize = 1024;

/// Seconds after which a silent client is closed; `--idle-timeout` changes
/// it.
///
/// The originals: none. A client that says nothing holds its thread, its
/// process or its entry for as long as it likes.
pub const IDLE_TIMEOUT: u64 = 300;

/// Seconds that clients are given to take their replies once the server was
/// asked to stop; `--grace` changes it.
///
/// The originals: none, since Ctrl-C ends them in the middle of a reply.
pub const GRACE: u64 = 5;

/// How long the server waits, at the close, for the client's end of file.
///
/// The originals: not at all, which can destroy a reply that is still in the
/// server's send queue.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// The pause between two looks, at a stop, at whether the client's kernel has
/// acknowledged all replies. The originals do not look.
pub const ACK_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The pause before the next try when resources have run out.
///
/// The originals: none; there such an error ends the server.
pub const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long an error must have stayed away before it is reported again.
pub const REPORT_GAP: Duration = Duration::from_secs(1);

/// Milliseconds in which several signals count as one request to stop:
/// timeout(1), for example, sends two.
///
/// The originals: none, since the first signal ends them.
pub const SAME_REQUEST: u64 = 200;

/// How long a stop may take before the server says what it waits for.
pub const WAIT_NOTICE: Duration = Duration::from_millis(300);

/// How long, after the grace, the workers of cut clients may take to end.
pub const CLEANUP_LIMIT: Duration = Duration::from_secs(1);

/// The reply of `--reply greeting`.
///
/// The originals sent `HTTP/1.1 200 OK`, an empty line and `Hola, cliente!`.
/// Here the same with what RFC 9112 asks for: lines end in CRLF, the length
/// is announced, and a browser learns that the connection closes.
pub const GREETING: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 15\r\n\
    Connection: close\r\n\
    \r\n\
    Hola, cliente!\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_announces_the_length_of_its_body() {
        let (head, body) = GREETING.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "Hola, cliente!\n");
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(head.lines().all(|line| !line.is_empty()));
    }
}
