//! One conversation with one client: the steps 4.1 to 4.4 of the originals.
//!
//! `Conversation` says what to do next and knows nothing of sockets; the loop
//! of mux-server drives it by readiness. `handle_client` drives it over a
//! blocking stream: the same function for a thread and for a process. Next:
//! `closing.rs`, for the end that loses nothing.

// What goes wrong with a socket, and who is at its other end.
use std::hint::black_box;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

// Processor time has a clock of its own.
use nix::time::{ClockId, clock_gettime};

// The numbers, the choices of the user, and who is told of what happens.
use crate::Context;
use crate::closing::{Stream, again, drain, settle};
use crate::console::log::{Ending, Event, Worker};
use crate::console::observer::{Activity, Observer};
use crate::console::options::{Options, Reply, Serve};
use crate::constants::{BUFFER_SIZE, GREETING};
use crate::shutdown;
use crate::totals::Totals;

/// What a conversation needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To receive, into the buffer.
    Receive,
    /// To send, what `unsent` finds in it.
    Send,
    /// To close: nothing is left to say.
    Close,
}

/// The state of one conversation, without any input or output of its own.
///
/// The bytes are elsewhere: a thread or a process has one buffer for its one
/// client, and the loop has one for all of them.
#[derive(Debug)]
pub struct Conversation {
    /// Whether there is a second message.
    serve: Serve,
    /// What the client gets to hear.
    reply: Reply,
    /// Where it stands.
    step: Step,
    /// How many bytes of the buffer are the message received last.
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
            // The client speaks first, as in the originals.
            step: Step::Receive,
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

    /// The message received last, in the buffer that it was received into.
    #[must_use]
    pub fn message<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[..self.received]
    }

    /// The whole reply to it.
    #[must_use]
    pub fn reply<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        match self.reply {
            // Echoed from where it was received, without a copy.
            Reply::Echo => self.message(buffer),
            // Whatever the message was; a browser's fills many lines.
            Reply::Greeting => GREETING.as_bytes(),
        }
    }

    /// The part of the reply that the kernel has not taken yet.
    #[must_use]
    pub fn unsent<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &self.reply(buffer)[self.sent..]
    }

    /// Notes that so many bytes were received into the buffer; none is the
    /// client's end of file.
    pub fn receive(&mut self, count: usize) {
        // TCP has no messages: what one recv(2) returns may be half of what
        // the client wrote at once, or two writes in one.
        self.received = count;
        // The reply to it begins.
        self.sent = 0;
        // recv(2) returns 0 for the end of file, and only for that: as long
        // as the client may still write, it waits for a byte at least.
        self.ended = count == 0;
        // A client that has said its last gets no reply to nothing.
        self.step = if self.ended { Step::Close } else { Step::Send };
    }

    /// Notes that the kernel took so many bytes of `unsent`; says whether the
    /// reply is complete.
    pub fn send(&mut self, count: usize) -> bool {
        // send(2) takes what fits into the socket's buffer, maybe not all.
        self.sent += count;
        // The length of the reply does not depend on what is in it.
        let length = match self.reply {
            // As long as the message.
            Reply::Echo => self.received,
            // Always the same.
            Reply::Greeting => GREETING.len(),
        };
        // Then there is another round with the rest.
        let complete = self.sent == length;
        // Only a complete reply is an exchange.
        if complete {
            self.step = if self.is_last() {
                // All is said.
                Step::Close
            } else {
                // The client's turn again.
                Step::Receive
            };
        }
        // The caller prints a line for each complete reply.
        complete
    }

    /// Whether the message received last is the last one that counts: after
    /// the reply to it there is nothing left to say.
    #[must_use]
    pub fn is_last(&self) -> bool {
        // What follows a reply is the user's choice.
        let choice = match (self.serve, self.reply) {
            // RFC 862: until the client has had enough.
            (Serve::UntilEof, Reply::Echo) => false,
            // A greeting announces `Connection: close`.
            (Serve::Once, _) | (_, Reply::Greeting) => true,
        };
        // And there must be a message.
        choice && self.received > 0
    }

    /// Whether the client has sent its end of file, so that nothing more can
    /// come from it.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }
}

/// Serves one client from its first byte to the close, adding to `totals` as
/// it goes: what was done stays counted even if this panics.
///
/// When the last message has come, `spare` must keep a stop from shutting down
/// the socket's receiving side, and return whether it came in time for that.
pub fn handle_client(
    mut stream: impl Stream,
    client: SocketAddr,
    worker: Worker,
    context: &Context,
    totals: &mut Totals,
    spare: impl Fn() -> bool,
) {
    // Only now is it connected: before, it was in the kernel's queue or kept
    // waiting. The observer prints a line for each thing that happens.
    let mut observer = Observer::new(context, worker, client);
    // All the memory that a client can claim. On the stack, so that no message
    // costs an allocation.
    let mut buffer = [0; BUFFER_SIZE];
    let mut conversation = Conversation::new(&context.options);
    // An error ends the conversation, not the server: it is a value, and it
    // becomes the reason in the last line.
    let result = converse(
        &mut stream,
        &mut buffer,
        &mut conversation,
        totals,
        context,
        &mut observer,
        spare,
    );
    // 4.4 Close the communication
    // What there is to wait for depends on who has ended the conversation.
    match result {
        // The reply is on its way, and the client may still be sending.
        Ok(true) => {
            observer.relabel(Activity::Closing);
            // The buffer is free for what is thrown away.
            drain(&mut stream, &mut buffer);
        }
        // The end of file may be that of the stop, not the client's own.
        Ok(false) if shutdown::requested() => {
            settle(&mut stream, &mut buffer, context.options.grace);
        }
        // The client has ended, or nothing more will arrive.
        _ => {}
    }
    // The caller drops the socket, which closes it: this line comes first, so
    // that it is printed before the server can count the client as gone.
    let ending = ending(result.map(drop), &conversation, &context.options);
    observer.record(context, &Event::Closed(ending));
}

/// Receives and replies, in turn, until there is nothing left to do; says
/// whether more may come from the client, which no stop keeps out.
fn converse(
    stream: &mut impl Stream,
    buffer: &mut [u8],
    conversation: &mut Conversation,
    totals: &mut Totals,
    context: &Context,
    observer: &mut Observer,
    spare: impl Fn() -> bool,
) -> io::Result<bool> {
    // Only the last message changes this.
    let mut spared = false;
    // Each call below may wait, for as long as the client likes.
    loop {
        match conversation.step() {
            // The client's turn.
            Step::Receive => {
                // 4.1 Receive data
                // Waits in the kernel until something comes: this thread, or
                // process, costs no processor time meanwhile. `?` returns an
                // error to the caller, a reset by the client for instance.
                let count = again(|| stream.read(buffer))?;
                // May be fewer bytes than the client has sent so far.
                conversation.receive(count);
                // `usize` has 64 bits wherever this runs; `as` says it aloud.
                totals.received += count as u64;
                // From here on a stop has nothing to end.
                if conversation.is_last() {
                    spared = spare();
                }
                // 4.2 Print it
                // The end of file is no message.
                if !conversation.ended() {
                    // Escaped: the bytes are a stranger's.
                    let message = conversation.message(buffer);
                    observer.record(context, &Event::Received(message));
                    // Nothing, unless the user has asked for it.
                    work(context, observer);
                }
            }
            // The server's turn.
            Step::Send => {
                // 4.3 Send the reply
                // Waits only while the socket's buffer is full, that is, when
                // the client does not read. No SIGPIPE can end the program:
                // Rust ignores it at the start, and EPIPE is an error here.
                let unsent = conversation.unsent(buffer);
                // After the last one, the end of file follows at once, unless
                // a stop was faster.
                let count = again(|| stream.send(unsent, spared))?;
                // Taken by the kernel, which is not yet received.
                totals.sent += count as u64;
                // Otherwise the next round sends the rest.
                if conversation.send(count) {
                    // One line for each reply, not for each piece of it.
                    let length = conversation.reply(buffer).len();
                    observer.record(context, &Event::Sent(length));
                }
            }
            // Nobody's turn any more.
            Step::Close => return Ok(spared),
        }
    }
}

/// Keeps the processor busy for as long as `--cpu-work` says, before a reply.
pub fn work(context: &Context, observer: &mut Observer) {
    // Off, it costs this one look.
    let time = context.options.cpu_work;
    // As in every server that is not an experiment.
    if time.is_zero() {
        return;
    }
    // A stage of its own in the trace, in place of the sending that would have
    // begun with the end of the receiving.
    observer.relabel(Activity::Working);
    // Counted in the processor time of this thread, which stands still while
    // others have the processor: so the work is the same under any load.
    let spent = || {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
            .map_or(Duration::MAX, Duration::from)
    };
    // What it has spent before does not count.
    let end = spent().saturating_add(time);
    while spent() < end {
        // Some thousand instructions between two looks at the clock;
        // `black_box` hides from the compiler that they lead to nothing.
        for number in 0..1000_u32 {
            black_box(number);
        }
    }
    // Now the reply.
    observer.begin(context, Activity::Sending);
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
        // the client's end of file.
        Ok(()) if conversation.ended() && shutdown::requested() => {
            Ending::Stopping
        }
        // And a cut, after the grace, looks like a broken pipe.
        Err(_) if shutdown::requested() => Ending::Stopping,
        // The client has ended it, or all was said.
        Ok(()) => Ending::ClientEnded,
        // SO_RCVTIMEO and SO_SNDTIMEO end a call with EAGAIN, socket(7). An
        // ETIMEDOUT is something else: the client's machine has gone silent.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            // Without a limit no call can have run into one.
            Ending::Idle(options.idle_timeout.unwrap_or_default())
        }
        // ECONNRESET, EPIPE, ETIMEDOUT and what else the network has.
        Err(error) => Ending::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;
    use crate::console::language::Language;
    use crate::console::log::Log;
    use crate::constants::DRAIN_LIMIT;

    /// What happens to a scripted stream, in the order in which it happens.
    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Call {
        Read,
        Send(usize, bool),
        EndSending,
        LimitReading(Duration),
        Unacknowledged,
    }

    /// A client made of a script: what each read yields, how much each write
    /// takes.
    #[derive(Default)]
    struct Script {
        reads: VecDeque<io::Result<Vec<u8>>>,
        writes: VecDeque<io::Result<usize>>,
        written: Vec<u8>,
        calls: RefCell<Vec<Call>>,
        unended: Cell<bool>,
    }

    impl Read for &mut Script {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.calls.borrow_mut().push(Call::Read);
            let Some(next) = self.reads.pop_front() else {
                return Ok(0);
            };
            let bytes = next?;
            assert!(bytes.len() <= room.len(), "a read of at most 1024");
            room[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    impl Stream for &mut Script {
        fn send(&mut self, bytes: &[u8], last: bool) -> io::Result<usize> {
            let most = self.writes.pop_front().unwrap_or(Ok(bytes.len()))?;
            let count = most.clamp(1, bytes.len());
            self.calls.borrow_mut().push(Call::Send(count, last));
            self.written.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn end_sending(&self) -> io::Result<()> {
            self.calls.borrow_mut().push(Call::EndSending);
            if self.unended.get() {
                return Err(ErrorKind::NotConnected.into());
            }
            Ok(())
        }

        fn limit_reading(&self, limit: Duration) -> io::Result<()> {
            self.calls.borrow_mut().push(Call::LimitReading(limit));
            Ok(())
        }

        fn unacknowledged(&self) -> usize {
            self.calls.borrow_mut().push(Call::Unacknowledged);
            0
        }
    }

    fn context(serve: Serve, reply: Reply) -> Context {
        Context {
            options: Options {
                host: String::new(),
                port: 0,
                serve,
                reply,
                max_clients: 1,
                idle_timeout: Some(Duration::from_secs(300)),
                grace: Duration::ZERO,
                workers: None,
                backend: None,
                language: Language::English,
                quiet: true,
                cpu_work: Duration::ZERO,
                trace: None,
            },
            log: Log::new("test", Language::English, true),
            trace: None,
        }
    }

    fn reads<const N: usize>(messages: [&[u8]; N]) -> Script {
        Script {
            reads: messages.map(|bytes| Ok(bytes.to_vec())).into(),
            ..Script::default()
        }
    }

    fn serve(script: &mut Script, serve: Serve, reply: Reply) -> Totals {
        let mut totals = Totals::default();
        handle_client(
            script,
            "127.0.0.1:1".parse().unwrap(),
            Worker::Loop,
            &context(serve, reply),
            &mut totals,
            || true,
        );
        totals
    }

    fn totals(received: u64, sent: u64) -> Totals {
        Totals {
            clients: 0,
            received,
            sent,
        }
    }

    #[test]
    fn once_is_one_message_its_reply_and_a_lossless_close() {
        let mut script = reads([b"one", b"two", b"three"]);
        let counted = serve(&mut script, Serve::Once, Reply::Echo);
        assert_eq!(script.written, b"one");
        assert_eq!(counted, totals(3, 3), "what is dropped does not count");
        let calls = script.calls.into_inner();
        assert_eq!(
            calls[..4],
            [
                Call::Read,
                Call::Send(3, true),
                Call::EndSending,
                Call::LimitReading(DRAIN_LIMIT / 20)
            ]
        );
        let read = calls.iter().filter(|call| **call == Call::Read).count();
        assert_eq!(read, 4, "drained until the end of file");
    }

    #[test]
    fn all_waits_of_the_draining_share_one_limit() {
        let mut script = reads([b"one", b"two", b"three"]);
        serve(&mut script, Serve::Once, Reply::Echo);
        let limits: Vec<_> = script
            .calls
            .into_inner()
            .into_iter()
            .filter_map(|call| match call {
                Call::LimitReading(limit) => Some(limit),
                _ => None,
            })
            .collect();
        assert_eq!(limits.len(), 3);
        assert!(limits[0] + limits[1] <= DRAIN_LIMIT);
        assert!(limits[2] < limits[1], "one limit for all of them");
    }

    #[test]
    fn until_eof_ends_with_the_client_and_needs_no_draining() {
        let mut script = reads([b"one", b"two"]);
        let counted = serve(&mut script, Serve::UntilEof, Reply::Echo);
        assert_eq!(script.written, b"onetwo");
        assert_eq!(counted, totals(6, 6));
        assert!(!script.calls.borrow().contains(&Call::EndSending));
    }

    #[test]
    fn a_client_without_a_message_gets_no_reply() {
        for reply in [Reply::Echo, Reply::Greeting] {
            let mut script = Script::default();
            let counted = serve(&mut script, Serve::Once, reply);
            assert_eq!(counted, Totals::default());
            assert_eq!(*script.calls.borrow(), [Call::Read]);
        }
    }

    #[test]
    fn a_greeting_is_sent_once_however_long_the_client_is_served() {
        for how_long in [Serve::Once, Serve::UntilEof] {
            let mut script = reads([b"GET / HTTP/1.1\r\n\r\n", b"more"]);
            let counted = serve(&mut script, how_long, Reply::Greeting);
            assert_eq!(script.written, GREETING.as_bytes());
            assert_eq!(counted, totals(18, GREETING.len() as u64));
        }
    }

    #[test]
    fn a_call_that_a_signal_interrupted_is_repeated() {
        let interrupted = || io::Error::from(ErrorKind::Interrupted);
        let mut script = reads([b"one"]);
        script.reads.push_front(Err(interrupted()));
        script.reads.push_back(Err(interrupted()));
        script.reads.push_back(Ok(b"dropped".to_vec()));
        script.writes.push_back(Err(interrupted()));
        let counted = serve(&mut script, Serve::Once, Reply::Echo);
        assert_eq!(script.written, b"one");
        assert_eq!(counted, totals(3, 3));
        assert!(script.reads.is_empty());
    }

    #[test]
    fn what_was_sent_before_a_failure_stays_counted() {
        let mut script = reads([b"one", b"two"]);
        script.writes =
            [Ok(3), Ok(1), Err(ErrorKind::BrokenPipe.into())].into();
        let counted = serve(&mut script, Serve::UntilEof, Reply::Echo);
        assert_eq!(counted, totals(6, 4));
        assert!(!script.calls.borrow().contains(&Call::EndSending));
    }

    #[test]
    fn the_first_wait_of_the_draining_is_not_all_of_it() {
        let mut script = reads([b"one"]);
        script.reads.push_back(Err(ErrorKind::WouldBlock.into()));
        script.reads.push_back(Ok(b"dropped".to_vec()));
        serve(&mut script, Serve::Once, Reply::Echo);
        assert!(script.reads.is_empty());
    }

    #[test]
    fn draining_ends_with_the_connection() {
        let mut script = reads([b"one"]);
        script.unended.set(true);
        serve(&mut script, Serve::Once, Reply::Echo);
        assert_eq!(script.calls.borrow().last(), Some(&Call::EndSending));
        let mut script = reads([b"one"]);
        script
            .reads
            .push_back(Err(ErrorKind::ConnectionReset.into()));
        script.reads.push_back(Ok(b"never read".to_vec()));
        serve(&mut script, Serve::Once, Reply::Echo);
        assert_eq!(script.reads.len(), 1);
    }

    #[test]
    fn every_end_has_its_reason() {
        let options = context(Serve::UntilEof, Reply::Echo).options;
        let mut conversation = Conversation::new(&options);
        conversation.receive(0);
        let end = |result| ending(result, &conversation, &options);
        assert!(matches!(end(Ok(())), Ending::ClientEnded));
        let idle = end(Err(ErrorKind::WouldBlock.into()));
        assert!(matches!(idle, Ending::Idle(limit) if limit.as_secs() == 300));
        let lost = end(Err(ErrorKind::TimedOut.into()));
        assert!(matches!(lost, Ending::Failed(_)));
    }

    #[test]
    fn a_new_message_needs_its_whole_reply() {
        let options = context(Serve::UntilEof, Reply::Echo).options;
        let mut conversation = Conversation::new(&options);
        for _ in 0..2 {
            assert_eq!(conversation.step(), Step::Receive);
            let buffer = b"abcdef";
            conversation.receive(3);
            assert_eq!(conversation.message(buffer), b"abc");
            assert_eq!(conversation.step(), Step::Send);
            assert!(!conversation.send(2));
            assert_eq!(conversation.unsent(buffer), b"c");
            assert_eq!(conversation.step(), Step::Send);
            assert!(conversation.send(1));
        }
        assert_eq!(conversation.step(), Step::Receive);
    }

    #[test]
    fn work_costs_its_time_and_no_work_costs_none() {
        let spent = || {
            let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
            Duration::from(clock_gettime(clock).unwrap())
        };
        let mut context = context(Serve::Once, Reply::Echo);
        let client = "127.0.0.1:1".parse().unwrap();
        let mut observer = Observer::new(&context, Worker::Loop, client);
        context.options.cpu_work = Duration::from_millis(20);
        let start = spent();
        work(&context, &mut observer);
        let long = spent().checked_sub(start).unwrap();
        assert!(long >= Duration::from_millis(20));
        context.options.cpu_work = Duration::ZERO;
        let start = spent();
        work(&context, &mut observer);
        let short = spent().checked_sub(start).unwrap();
        assert!(short < Duration::from_millis(10), "{short:?}");
    }

    proptest! {
        #[test]
        fn whatever_the_pieces_the_echo_is_what_was_sent(
            messages in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 1..=BUFFER_SIZE), 0..8
            ),
            writes in proptest::collection::vec(1..2000_usize, 0..40),
        ) {
            let sent: Vec<u8> = messages.concat();
            let mut script = Script {
                reads: messages.into_iter().map(Ok).collect(),
                writes: writes.into_iter().map(Ok).collect(),
                ..Script::default()
            };
            let counted = serve(&mut script, Serve::UntilEof, Reply::Echo);
            prop_assert_eq!(&script.written, &sent);
            let length = sent.len() as u64;
            prop_assert_eq!(counted, totals(length, length));
        }
    }
}
