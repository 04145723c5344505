//! One conversation with one client: the steps 4.1 to 4.4 of the originals.
//!
//! `Conversation` says what to do next and knows nothing of sockets; the loop
//! of mux-server drives it by readiness. `handle_client` drives it over a
//! blocking stream: the same function for a thread and for a process.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Server;
use crate::constants::{BUFFER_SIZE, DRAIN_LIMIT, GREETING};
use crate::options::{Options, Reply, Serve};
use crate::stop;
use crate::totals::Totals;
use crate::transcript::{Ending, Event, Worker};

/// What a conversation needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To receive, into `room`.
    Receive,
    /// To send, what `unsent` holds.
    Send,
    /// To close: nothing is left to say.
    Close,
}

/// The state of one conversation, without any input or output of its own.
#[derive(Debug)]
pub struct Conversation {
    serve: Serve,
    reply: Reply,
    step: Step,
    /// All the memory that a client can claim: the bytes received last.
    buffer: [u8; BUFFER_SIZE],
    /// How many of them there are.
    received: usize,
    /// How many bytes of the reply the kernel has taken.
    sent: usize,
    /// Whether the client has sent its end of file.
    ended: bool,
}

impl Conversation {
    /// A conversation as the options want it, before its first byte.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            serve: options.serve,
            reply: options.reply,
            step: Step::Receive,
            buffer: [0; BUFFER_SIZE],
            received: 0,
            sent: 0,
            ended: false,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// Where to put what is received.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// The message received last.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.buffer[..self.received]
    }

    /// The whole reply to it.
    #[must_use]
    pub fn reply(&self) -> &[u8] {
        match self.reply {
            Reply::Echo => self.message(),
            Reply::Greeting => GREETING.as_bytes(),
        }
    }

    /// The part of the reply that the kernel has not taken yet.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        &self.reply()[self.sent..]
    }

    /// Notes that so many bytes were received into `room`; none is the
    /// client's end of file.
    pub fn receive(&mut self, count: usize) {
        self.received = count;
        self.sent = 0;
        self.ended = count == 0;
        self.step = if self.ended { Step::Close } else { Step::Send };
    }

    /// Notes that the kernel took so many bytes of `unsent`; says whether the
    /// reply is complete.
    pub fn send(&mut self, count: usize) -> bool {
        self.sent += count;
        let complete = self.unsent().is_empty();
        if complete {
            self.step = match (self.serve, self.reply) {
                (Serve::UntilEof, Reply::Echo) => Step::Receive,
                // A greeting announces `Connection: close`.
                (Serve::Once, _) | (_, Reply::Greeting) => Step::Close,
            };
        }
        complete
    }

    /// Whether the client has sent its end of file, so that nothing more can
    /// come from it.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }
}

/// What `handle_client` needs of a socket beyond reading and writing; a test
/// puts something else in its place.
pub trait Stream: Read + Write {
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
}

/// A shared socket is enough: the kernel lets any number of threads use it.
impl Stream for &TcpStream {
    fn end_sending(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn limit_reading(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))
    }
}

/// Serves one client from its first byte to the close, adding to `totals` as
/// it goes: what was done stays counted even if this panics.
pub fn handle_client(
    mut stream: impl Stream,
    client: SocketAddr,
    worker: Worker,
    server: &Server,
    totals: &mut Totals,
) {
    let say = |event: &Event| server.transcript.say(worker, client, event);
    say(&Event::Connected);
    let mut conversation = Conversation::new(&server.options);
    let result = converse(&mut stream, &mut conversation, totals, say);
    // 4.4 Close the communication
    if result.is_ok() && !conversation.ended() {
        drain(&mut stream, conversation.room());
    }
    say(&Event::Closed(ending(
        result,
        &conversation,
        &server.options,
    )));
}

/// Receives and replies, in turn, until there is nothing left to do.
fn converse(
    stream: &mut impl Stream,
    conversation: &mut Conversation,
    totals: &mut Totals,
    say: impl Fn(&Event),
) -> io::Result<()> {
    loop {
        match conversation.step() {
            Step::Receive => {
                // 4.1 Receive data
                let count = again(|| stream.read(conversation.room()))?;
                conversation.receive(count);
                totals.received += count as u64;
                // 4.2 Print it
                if !conversation.ended() {
                    say(&Event::Received(conversation.message()));
                }
            }
            Step::Send => {
                // 4.3 Send the reply
                let count = again(|| stream.write(conversation.unsent()))?;
                totals.sent += count as u64;
                if conversation.send(count) {
                    say(&Event::Sent(conversation.reply().len()));
                }
            }
            Step::Close => return Ok(()),
        }
    }
}

/// Repeats a call that a signal has interrupted.
fn again(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Ends our side, then reads and drops what still comes until the client's
/// end of file, for at most `DRAIN_LIMIT`.
///
/// close(2) with unread input makes TCP send a reset instead of an end of
/// file (RFC 9293), and a reset can destroy a reply on its way.
fn drain(stream: &mut impl Stream, scratch: &mut [u8]) {
    let end = Instant::now() + DRAIN_LIMIT;
    // Errors end the draining, no more: the reply is sent, and a connection
    // that is gone has nothing left to lose.
    if stream.end_sending().is_err() {
        return;
    }
    let mut left = DRAIN_LIMIT;
    while !left.is_zero() && stream.limit_reading(left).is_ok() {
        match again(|| stream.read(scratch)) {
            Ok(0) | Err(_) => return,
            Ok(_) => left = end.saturating_duration_since(Instant::now()),
        }
    }
}

/// Why a conversation has come to its end.
#[must_use]
pub fn ending(
    result: io::Result<()>,
    conversation: &Conversation,
    options: &Options,
) -> Ending {
    match result {
        // At a stop the server shuts down its reading side, which looks like
        // the client's end of file; a cut looks like a broken pipe.
        Ok(()) if conversation.ended() && stop::requested() => Ending::Stopping,
        Err(_) if stop::requested() => Ending::Stopping,
        Ok(()) => Ending::Ordinary,
        // SO_RCVTIMEO and SO_SNDTIMEO end a call with EAGAIN, socket(7); an
        // ETIMEDOUT would be the network's: the client no longer answers.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Ending::Idle(options.idle_timeout.unwrap_or_default())
        }
        Err(error) => Ending::Failed(error),
    }
}
