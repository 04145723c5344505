//! The shared echo handler: what a thread or a process does with its client,
//! steps 4.1 to 4.4 of the originals.
//!
//! The loop of mux-server may not block, so it cannot call `handle_client`. It
//! shares with it what an exchange is: the functions below the handler.
//!
//! Next: `closing.rs`, for the close that loses no reply; `idle.rs`, for
//! `receive` and `send_all`.

// Errors and sockets.
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};

use crate::closing;
use crate::console::Context;
use crate::console::log::{Ending, Event, Worker};
use crate::console::observer::{Activity, Observer};
use crate::console::options::{Options, Reply, Serve};
use crate::constants::{BUFFER_SIZE, GREETING};
use crate::idle::{receive, send_all};
use crate::shutdown;
use crate::totals::Totals;

/// Serves one client from its first byte to the close.
///
/// The bytes are added to `totals` as they come and go, so that they stay
/// counted even if this function panics. The caller closes the socket.
pub fn handle_client(
    stream: &TcpStream,
    client: SocketAddr,
    worker: Worker,
    context: &Context,
    totals: &mut Totals,
) {
    let (options, idle_timeout) =
        (&context.options, context.options.idle_timeout);
    // Prints that the client is connected: only now does this worker serve it.
    let mut observer = Observer::new(context, worker, client);
    // All the memory that a client can claim; on the stack.
    let mut buffer = [0; BUFFER_SIZE];
    let ending = loop {
        // 4.1 Receive data
        // recv(2) sleeps in the kernel until data comes; this thread or
        // process uses no CPU time meanwhile. TCP has no messages: the bytes
        // may be a part of what the client sent at once, or more than that.
        let count = match receive(stream, &mut buffer, idle_timeout) {
            Ok(0) => break ending_at_eof(),
            Ok(count) => count,
            Err(error) => break ending_at_error(error, options),
        };
        totals.received += count as u64;

        // 4.2 Print the data
        // A client's bytes are escaped, so that they cannot move the cursor.
        let message = &buffer[..count];
        observer.record(context, &Event::Received(message));
        observer.burn_cpu(context);

        // 4.3 Send the reply
        // send(2) copies the bytes into the socket's send buffer. It waits
        // only if that is full, because the client does not read.
        let reply = reply_to(message, options);
        let sent = send_all(stream, reply, idle_timeout, &mut totals.sent);
        if let Err(error) = sent {
            break ending_at_error(error, options);
        }
        // The client gets the end of file before anything is printed: a
        // paused terminal holds back neither the reply nor the end of file.
        let last = is_last_reply(options);
        if last {
            closing::end_sending(stream);
        }
        observer.record(context, &Event::Sent(reply.len()));
        if last {
            break Ending::OneExchange;
        }
    };
    // 4.4 Close the communication
    // The client may still be sending, and a close now could lose the reply.
    if matches!(ending, Ending::OneExchange) {
        observer.relabel(Activity::Closing);
        closing::drain(stream, &mut buffer);
    }
    // A stop waits for slow clients: what was printed as sent must arrive.
    if shutdown::requested() {
        let grace = options.grace;
        closing::wait_for_acknowledgements(stream, &mut buffer, grace);
    }
    // Printed before the caller closes the socket and counts the client as
    // gone, so that the lines of the next client come after this one.
    observer.record(context, &Event::Closed(ending));
}

/// The reply to a message.
#[must_use]
pub fn reply_to<'a>(message: &'a [u8], options: &Options) -> &'a [u8] {
    match options.reply {
        // The same bytes, sent from where they were received.
        Reply::Echo => message,
        // A browser's request gets it, and so does any other message.
        Reply::Greeting => GREETING.as_bytes(),
    }
}

/// Whether the server closes after one reply. A greeting always is the last
/// one: it announces `Connection: close`.
#[must_use]
pub fn is_last_reply(options: &Options) -> bool {
    options.serve == Serve::Once || options.reply == Reply::Greeting
}

/// Why a client ends whose receiving side has come to its end of file: by
/// itself, or because a stop has shut that side down.
#[must_use]
pub fn ending_at_eof() -> Ending {
    if shutdown::requested() { Ending::Stopping } else { Ending::ClientEnded }
}

/// Why a client ends after an error of recv(2) or send(2).
#[must_use]
pub fn ending_at_error(error: io::Error, options: &Options) -> Ending {
    match (error.kind(), options.idle_timeout) {
        // After the grace, the cut of the stop makes send(2) fail with EPIPE.
        _ if shutdown::requested() => Ending::Stopping,
        // EAGAIN is the idle limit. ETIMEDOUT is not: there the client's
        // machine does not answer any more.
        (ErrorKind::WouldBlock, Some(limit)) => Ending::Idle(limit),
        // ECONNRESET, EPIPE, ETIMEDOUT and other errors of the network.
        _ => Ending::Failed(error),
    }
}
