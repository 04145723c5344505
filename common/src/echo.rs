//! The shared echo handler: what a thread or a process does with its client,
//! steps 4.1 to 4.4 of the originals.
//!
//! The loop of mux-server may not block, so it cannot call `handle_client`. It
//! shares with it what an exchange is: the functions below the handler.
//!
//! Next: `closing.rs`, for the close that loses no reply; `idle.rs`, for
//! `receive` and `send_all`.

// Sockets and errors, and from this crate: the console, the limits, the stop.
use crate::closing;
use crate::console::Context;
use crate::console::log::{Ending, Event, Worker};
use crate::console::observer::{Activity, Observer};
use crate::console::options::{Options, Reply, Serve};
use crate::constants::{BUFFER_SIZE, GREETING};
use crate::idle::{receive, send_all};
use crate::shutdown;
use crate::totals::Totals;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};

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
        // The totals are this worker's own, so no lock is needed.
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
            // shutdown(2) of the sending side; the server still receives.
            closing::end_sending(stream);
        }
        // One line for the whole reply; the client may have it by now.
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
pub fn is_last_reply(options: &Options) -> bool {
    options.serve == Serve::Once || options.reply == Reply::Greeting
}

/// Why a client ends whose receiving side has come to its end of file: by
/// itself, or because a stop has shut that side down.
pub fn ending_at_eof() -> Ending {
    if shutdown::requested() { Ending::Stopping } else { Ending::ClientEnded }
}

/// Why a client ends after an error of recv(2) or send(2).
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::Shutdown;
    use std::thread;

    use proptest::prelude::*;

    use super::*;
    use crate::loopback::{context, pair};

    /// Serves a client in a thread, as these options want it; `talk` is what
    /// the client does meanwhile. Returns what was counted.
    fn serve(words: &str, talk: impl FnOnce(TcpStream)) -> Totals {
        let context = context(words);
        let (client, stream, address) = pair();
        let mut totals = Totals::default();
        thread::scope(|scope| {
            let totals = &mut totals;
            scope.spawn(|| {
                let worker = Worker::Thread(1);
                handle_client(&stream, address, worker, &context, totals);
                drop(stream);
            });
            talk(client);
        });
        totals
    }

    fn totals(received: u64, sent: u64) -> Totals {
        Totals { clients: 0, received, sent }
    }

    fn read_all(mut client: &TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn once_is_one_message_its_reply_and_a_lossless_close() {
        let counted = serve("--serve once", |mut client| {
            client.write_all(b"one").unwrap();
            // The end of file comes although this client keeps its side open.
            assert_eq!(read_all(&client), b"one");
            client.write_all(b"two, which is dropped").unwrap();
        });
        assert_eq!(counted, totals(3, 3), "what is dropped does not count");
    }

    #[test]
    fn until_eof_ends_with_the_client_and_needs_no_draining() {
        let counted = serve("--serve until-eof", |mut client| {
            for message in [b"one", b"two"] {
                client.write_all(message).unwrap();
                let mut reply = [0; 3];
                client.read_exact(&mut reply).unwrap();
                assert_eq!(&reply, message);
            }
            client.shutdown(Shutdown::Write).unwrap();
            assert!(read_all(&client).is_empty());
        });
        assert_eq!(counted, totals(6, 6));
    }

    #[test]
    fn a_client_without_a_message_gets_no_reply() {
        for words in ["--reply echo", "--reply greeting"] {
            let counted = serve(words, |client| {
                client.shutdown(Shutdown::Write).unwrap();
                assert!(read_all(&client).is_empty());
            });
            assert_eq!(counted, Totals::default());
        }
    }

    #[test]
    fn a_greeting_is_sent_once_however_long_the_client_is_served() {
        for serve_words in ["--serve once", "--serve until-eof"] {
            let words = format!("--reply greeting {serve_words}");
            let counted = serve(&words, |mut client| {
                client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                assert_eq!(read_all(&client), GREETING.as_bytes());
            });
            assert_eq!(counted, totals(18, GREETING.len() as u64));
        }
    }

    #[test]
    fn every_end_has_its_reason() {
        let options = context("--idle-timeout 300").options;
        let end = |error: io::Error| ending_at_error(error, &options);
        assert!(matches!(ending_at_eof(), Ending::ClientEnded));
        let idle = end(ErrorKind::WouldBlock.into());
        assert!(matches!(idle, Ending::Idle(limit) if limit.as_secs() == 300));
        let lost = end(ErrorKind::TimedOut.into());
        assert!(matches!(lost, Ending::Failed(_)));
        let reset = end(ErrorKind::ConnectionReset.into());
        assert!(matches!(reset, Ending::Failed(_)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_the_pieces_the_echo_is_what_was_sent(
            pieces in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 1..3000), 0..8
            ),
        ) {
            let sent: Vec<u8> = pieces.concat();
            let mut received = Vec::new();
            let counted = serve("--serve until-eof", |client| {
                thread::scope(|scope| {
                    scope.spawn(|| {
                        let mut writer = &client;
                        for piece in &pieces {
                            writer.write_all(piece).unwrap();
                        }
                        client.shutdown(Shutdown::Write).unwrap();
                    });
                    received = read_all(&client);
                });
            });
            prop_assert_eq!(&received, &sent);
            let length = sent.len() as u64;
            prop_assert_eq!(counted, totals(length, length));
        }
    }
}
