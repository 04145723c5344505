//! What the loop remembers of one client.
//!
//! A thread remembers where it is by the line of code that it is blocked in.
//! The loop serves everybody at once and may block for nobody, so here the
//! same knowledge is data: a state for each client.

// `Rc` counts owners within one thread; there is no other here.
use std::io::{self, ErrorKind, Read as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

// The same conversation as in a thread or a process.
use common::Context;
use common::closing::{Stream as _, unacknowledged};
use common::console::log::{Ending, Event, Worker};
use common::console::observer::{Activity, Observer};
use common::constants::{ACK_POLL_INTERVAL, DRAIN_LIMIT};
use common::echo::{Conversation, Step, ending, work};
use common::shutdown;
use common::totals::Totals;

// What the list needs to know of a client.
use crate::poller::{Interest, Socket};

/// How far the loop has got with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It sends, and gets its replies.
    Talking,
    /// All is said; its end of file is waited for: see `closing::drain`.
    Draining,
    /// A stop has ended it, and some of its replies have not arrived yet: see
    /// `closing::settle`.
    Settling,
    /// The grace of the stop is over, too.
    Cut,
}

/// One client and the state of its conversation.
pub struct Client {
    /// Its socket, of which the list has a share.
    stream: Rc<TcpStream>,
    /// Tells what happens to it.
    observer: Observer,
    /// What was said, and who has to speak now.
    conversation: Conversation,
    /// Its message, while the reply to it waits for room; mostly empty.
    kept: Box<[u8]>,
    /// How far it has got.
    phase: Phase,
    /// Whether a stop has shut down its receiving side.
    stopped: bool,
    /// When it last sent something or took something, or came so far.
    since: Instant,
    /// What its socket is watched for now.
    watched: Interest,
}

impl Client {
    /// A client that was just accepted.
    ///
    /// # Errors
    ///
    /// Those of ioctl(2), when its socket cannot be made non-blocking.
    pub fn new(
        stream: TcpStream,
        address: SocketAddr,
        context: &Context,
        worker: Worker,
    ) -> io::Result<Self> {
        // From now on a call that would have to wait returns EAGAIN instead:
        // whoever blocked the loop would block every client.
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: Rc::new(stream),
            // Served from now on, though it may not have said a word.
            observer: Observer::new(context, worker, address),
            conversation: Conversation::new(&context.options),
            // An empty box needs no memory.
            kept: Box::default(),
            phase: Phase::Talking,
            stopped: false,
            since: Instant::now(),
            watched: Interest::Receive,
        })
    }

    /// Its socket, for the list.
    pub fn socket(&self) -> Socket {
        Rc::<TcpStream>::clone(&self.stream)
    }

    /// What its socket must be watched for from now on, if that has changed.
    pub fn new_interest(&mut self) -> Option<Interest> {
        // epoll charges a system call for each change, and most turns change
        // nothing.
        let interest = self.interest();
        (self.watched != interest).then(|| {
            // It will be, as soon as the caller has said so to the kernel.
            self.watched = interest;
            interest
        })
    }

    /// What its socket must be watched for.
    ///
    /// While a reply waits, nothing more is received: a client that sends
    /// without reading fills its own buffers, not the server's memory.
    pub fn interest(&self) -> Interest {
        match (self.phase, self.conversation.step()) {
            // Its end of file is there already, and would end every wait.
            (Phase::Settling | Phase::Cut, _) => Interest::Nothing,
            // There was no room for all of it.
            (Phase::Talking, Step::Send) => Interest::Send,
            // A message, or the end of file.
            _ => Interest::Receive,
        }
    }

    /// When it is time to look after this client, unless it does something
    /// before.
    pub fn deadline(&self, context: &Context) -> Option<Instant> {
        // What it is given in each phase.
        let time = match self.phase {
            // Without an idle limit it has all the time in the world.
            Phase::Talking => context.options.idle_timeout?,
            // As in a thread.
            Phase::Draining => DRAIN_LIMIT,
            // Then it is looked at, and maybe given as much again.
            Phase::Settling => ACK_POLL_INTERVAL,
            // At once.
            Phase::Cut => Duration::ZERO,
        };
        // From when the phase began, or from its last sign of life.
        Some(self.since + time)
    }

    /// Tells of one event of this client.
    pub fn record(&mut self, context: &Context, event: &Event) {
        self.observer.record(context, event);
    }

    /// Shuts down one side, or both, of its socket.
    pub fn shutdown(&mut self, side: Shutdown) {
        match (self.phase, side) {
            // Nobody watches its socket any more: the clock will end it.
            (Phase::Settling, _) => self.phase = Phase::Cut,
            // All is said after this reply, and with both sides shut down the
            // kernel would answer what it still sends with a reset.
            (_, Shutdown::Read) if self.conversation.is_last() => {}
            // It becomes ready by that.
            _ => {
                self.stopped = true;
                // ENOTCONN: the client was faster.
                self.stream.shutdown(side).ok();
            }
        }
    }

    /// Goes on with this client, now that its socket is ready; returns why it
    /// ends, if it does.
    pub fn proceed(
        &mut self,
        context: &Context,
        totals: &mut Totals,
        buffer: &mut [u8],
    ) -> Option<Ending> {
        // As far as that goes without waiting.
        match self.exchange(context, totals, buffer) {
            // It stays in the list.
            Ok(true) => None,
            // Not ready after all: the next wait reports this socket again.
            Err(error) if must_wait(&error) => None,
            // The connection broke when all was said.
            Err(_) if self.phase == Phase::Draining => {
                Some(Ending::ClientEnded)
            }
            // The same reasons as in a thread.
            result => {
                let (conversation, options) =
                    (&self.conversation, &context.options);
                // Whether it stays does not matter any more: `drop`.
                Some(ending(result.map(drop), conversation, options))
            }
        }
    }

    /// Receives, prints, replies: each only if it is its turn and goes without
    /// waiting. Says whether the client stays.
    fn exchange(
        &mut self,
        context: &Context,
        totals: &mut Totals,
        buffer: &mut [u8],
    ) -> io::Result<bool> {
        // `Read` and `Stream` want something to change; a reference to the
        // socket is a thing of its own, and can be changed.
        let mut stream = &*self.stream;
        // All is said: what comes now is dropped until the end of file.
        if self.phase == Phase::Draining {
            return Ok(stream.read(buffer)? > 0);
        }
        // A reply that waits comes first: then nothing is received.
        if self.conversation.step() == Step::Receive {
            // 4.3.1 Receive data
            // EAGAIN where a thread would wait: then `?` ends this turn.
            let count = stream.read(buffer)?;
            // None is the end of file.
            self.conversation.receive(count);
            // The loop owns the totals and has lent them: no lock.
            totals.received += count as u64;
            // 4.3.2 Print it
            // The end of file is no message.
            if !self.conversation.ended() {
                // Escaped: the bytes are a stranger's.
                let message = self.conversation.message(buffer);
                self.observer.record(context, &Event::Received(message));
                // While this one is worked for, all others wait.
                work(context, &mut self.observer);
            }
        } else {
            // Back to where it was received; others had the buffer meanwhile.
            buffer[..self.kept.len()].copy_from_slice(&self.kept);
        }
        // At once: mostly there is room for the reply, and to ask for that
        // first would cost one more wait for each message.
        if self.conversation.step() == Step::Send {
            // 4.3.3 Send the reply
            // After the last one, the end of file follows at once, unless a
            // stop was faster.
            let last = self.conversation.is_last() && !self.stopped;
            let unsent = self.conversation.unsent(buffer);
            // EAGAIN when the client does not read: nothing was taken.
            let count = match stream.send(unsent, last) {
                // It keeps what it had; one that was kept before just waits on.
                Err(error) if must_wait(&error) && self.kept.is_empty() => 0,
                // A number of bytes, or the end of this client.
                result => result?,
            };
            // Maybe a part only; the rest is sent when there is room again.
            totals.sent += count as u64;
            if self.conversation.send(count) {
                // One line for each reply, not for each piece of it.
                let length = self.conversation.reply(buffer).len();
                self.observer.record(context, &Event::Sent(length));
                // Nothing is left of it.
                self.kept = Box::default();
            } else if self.kept.is_empty() {
                // The buffer is for the next client now. `interest` makes the
                // loop watch for room, and nobody else has to wait for it.
                self.kept = self.conversation.message(buffer).into();
                self.observer.relabel(Activity::Delayed);
            }
        }
        // It has sent something, or taken something: it is there.
        self.since = Instant::now();
        // Something is left to say: back to the list.
        if self.conversation.step() != Step::Close {
            return Ok(true);
        }
        // What is left to wait for, if anything is.
        self.phase = if !self.conversation.ended() && !self.stopped {
            // A half-close fails only where the connection is gone.
            if stream.shutdown(Shutdown::Write).is_err() {
                return Ok(false);
            }
            // The wait of the lossless close is one more state.
            self.observer.relabel(Activity::Closing);
            // Until its end of file, or until the limit.
            Phase::Draining
        } else if shutdown::requested() && unacknowledged(stream) > 0 {
            // The end of file is that of the stop, read or not, and the client
            // is slow.
            Phase::Settling
        } else {
            // Nothing can come from a client that has sent its end of file,
            // so its socket can be closed without a reset. At a stop its
            // replies have arrived.
            return Ok(false);
        };
        // It stays until its end of file, or until its time is over.
        Ok(true)
    }

    /// Why a client is closed whose `deadline` has passed, if it is: one that
    /// settles may be given another one.
    pub fn overdue(&mut self, context: &Context) -> Option<Ending> {
        match self.phase {
            // It had its time for the next message, or for its reply.
            Phase::Talking => context.options.idle_timeout.map(Ending::Idle),
            // It had its reply, and kept its own side open too long.
            Phase::Draining => Some(Ending::ClientEnded),
            // Not all of it has arrived: some more time.
            Phase::Settling if unacknowledged(&self.stream) > 0 => {
                self.since = Instant::now();
                // Not closed yet.
                None
            }
            // It has, or never will.
            Phase::Settling | Phase::Cut => Some(Ending::Stopping),
        }
    }
}

/// Whether a call has only to be made again when the socket is ready.
fn must_wait(error: &io::Error) -> bool {
    // EAGAIN: it would have had to wait. EINTR: a signal came first.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
