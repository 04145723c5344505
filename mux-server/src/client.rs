//! What the loop remembers of one client.
//!
//! A thread remembers how far it has got with its client by the line of code
//! that it is blocked in. The loop may not block, since all its clients would
//! wait, so here a state for each client says the same.

// Errors, sockets, shared ownership and time.
use std::io::{self, Read as _};
use std::mem;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

// send(2) with flags.
use socket2::SockRef;

// What an exchange is, as a thread and a process have it.
use common::Context;
use common::closing::{end_sending, is_temporary, unacknowledged};
use common::console::log::{Ending, Event, Worker};
use common::console::observer::{Activity, Observer};
use common::constants::{ACK_POLL_INTERVAL, DRAIN_LIMIT};
use common::echo::{ending_at_eof, ending_at_error, is_last_reply, reply_to};
use common::listener::Connection;
use common::shutdown;
use common::totals::Totals;

// What the loop lends to a client, and what it watches the client for.
use crate::clients::Shared;
use crate::poller::Interest;

/// More follows: the kernel puts the last bytes and the end of file into one
/// segment. Without this the loop's CPU time for an exchange is 1.18 times.
#[cfg(target_os = "linux")]
const MORE: i32 = libc::MSG_MORE;
/// Other systems send at once.
#[cfg(not(target_os = "linux"))]
const MORE: i32 = 0;

/// The most calls of recv(2) in one turn that drop what a client still sends:
/// 256 KiB, so that a client that sends without end does not hold up others.
const DRAIN_CALLS: usize = 256;

/// What the loop waits for.
enum State {
    /// The client's next message, or its end of file.
    Receiving,
    /// Room in the send buffer for the rest of a reply.
    Sending {
        /// The message that is being replied to.
        pending_message: Box<[u8]>,
        /// How much of the reply the kernel has taken.
        sent: usize,
    },
    /// The client's end of file, after our half-close; `closing::drain` waits
    /// for it in a thread.
    Closing,
    /// At a stop, the acknowledgement of all replies; then the client is closed
    /// for this reason. See `closing::wait_for_acknowledgements`.
    AwaitingAcknowledgements(Ending),
}

/// One client.
pub struct Client {
    /// The client's socket; a poller owns another reference to it.
    pub stream: Arc<TcpStream>,
    /// Prints what happens to the client.
    pub observer: Observer,
    /// What the loop waits for.
    state: State,
    /// What the poller watches the socket for; `clients.rs` keeps it up.
    pub watched: Option<Interest>,
    /// When bytes were last received or sent, or the state was entered.
    last_activity: Instant,
    /// How many bytes were unacknowledged at the last look, if there was a look
    /// since the last activity.
    unacknowledged: Option<usize>,
}

impl Client {
    /// A client that was just accepted.
    ///
    /// # Errors
    ///
    /// Those of ioctl(2), when its socket cannot be made non-blocking.
    pub fn new(
        (stream, address): Connection,
        context: &Context,
        worker: Worker,
    ) -> io::Result<Self> {
        // From here on a call that would have to wait fails with EAGAIN.
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: Arc::new(stream),
            // Prints that the client is connected.
            observer: Observer::new(context, worker, address),
            state: State::Receiving,
            watched: None,
            last_activity: Instant::now(),
            unacknowledged: None,
        })
    }

    /// What the socket must be watched for, if for anything.
    ///
    /// While a reply waits, the loop does not receive: a client that sends
    /// without reading fills its own buffers, not the server's memory.
    pub fn interest(&self) -> Option<Interest> {
        match self.state {
            State::Receiving | State::Closing => Some(Interest::Receive),
            State::Sending { .. } => Some(Interest::Send),
            // The end of file is there already, and would end every wait.
            State::AwaitingAcknowledgements(_) => None,
        }
    }

    /// When `on_deadline` must be called unless the client is active before.
    pub fn deadline(&self, context: &Context) -> Option<Instant> {
        let time = match self.state {
            State::Closing => DRAIN_LIMIT,
            State::AwaitingAcknowledgements(_) => ACK_POLL_INTERVAL,
            // Without an idle limit there is no deadline.
            _ => context.options.idle_timeout?,
        };
        // Bytes that move begin the time anew; a client that closes moves none.
        Some(self.last_activity + time)
    }

    /// Goes on with this client as far as possible without waiting; returns
    /// why the client must be closed now, if so.
    pub fn on_ready(&mut self, shared: &mut Shared) -> Option<Ending> {
        let (context, before) = (shared.context, shared.totals);
        // Each arm sets the state again, unless it is `Receiving`.
        let result = match mem::replace(&mut self.state, State::Receiving) {
            // The next message, or the end of file.
            State::Receiving => self.receive(shared),
            State::Sending { pending_message, sent } => {
                self.send(&pending_message, sent, context, &mut shared.totals)
            }
            State::Closing => Ok(self.drain(&mut shared.buffer)),
            State::AwaitingAcknowledgements(ending) => Ok(Some(ending)),
        };
        // Bytes have moved, so the client is active. While its reply waits, the
        // next deadline compares with what is unacknowledged now.
        if shared.totals != before {
            self.last_activity = Instant::now();
            let sends = matches!(self.state, State::Sending { .. });
            self.unacknowledged = sends.then(|| unacknowledged(&self.stream));
        }
        // `?` returns if the client stays.
        let ending = match result {
            Ok(ending) => ending?,
            // The socket was not ready after all: the next wait reports it.
            Err(error) if is_temporary(error.kind()) => return None,
            Err(error) => ending_at_error(error, &context.options),
        };
        // The client's turn ends with its connection.
        self.close_when_acknowledged(ending, &mut shared.buffer)
    }

    /// Decides on a client whose deadline has passed; returns why the client
    /// must be closed now, if so.
    ///
    /// The kernel is asked before the clock: the loop may come late, because it
    /// was suspended, or computed, or waited for a paused terminal.
    pub fn on_deadline(&mut self, shared: &mut Shared) -> Option<Ending> {
        // What has come meanwhile counts, and moves the deadline.
        let (ending, now) = (self.on_ready(shared), Instant::now());
        let deadline = self.deadline(shared.context);
        if ending.is_some() || deadline.is_none_or(|it| it > now) {
            return ending;
        }
        // Nothing has come that moves the deadline.
        let ending = if matches!(self.state, State::Closing) {
            // The client has its reply, and has kept its own side open.
            Ending::OneExchange
        } else if self.takes_its_replies() {
            // The kernel reports room to send only when a third of the send
            // buffer is free; acknowledgements show earlier that it empties.
            self.last_activity = now;
            return None;
        } else {
            // In a thread recv(2) and send(2) fail with this error.
            let error = io::ErrorKind::WouldBlock.into();
            ending_at_error(error, &shared.context.options)
        };
        // At a stop this client's replies may not have arrived yet.
        self.close_when_acknowledged(ending, &mut shared.buffer)
    }

    /// Receives a message, prints it, and replies.
    fn receive(&mut self, shared: &mut Shared) -> io::Result<Option<Ending>> {
        let Shared { context, totals, buffer } = shared;
        // 4.3.1 Receive data
        // recv(2) fails with EAGAIN where a thread would wait.
        let mut receiver = &*self.stream;
        let count = receiver.read(buffer)?;
        // The end of file; otherwise a message, or a part of one.
        if count == 0 {
            return Ok(Some(ending_at_eof()));
        }
        totals.received += count as u64;

        // 4.3.2 Print it
        // While the loop computes for this client, all others wait.
        let message = &buffer[..count];
        self.observer.record(context, &Event::Received(message));
        self.observer.burn_cpu(context);
        self.send(message, 0, context, totals)
    }

    /// Sends the reply to a message from this byte on, as far as there is room.
    fn send(
        &mut self,
        message: &[u8],
        start: usize,
        context: &Context,
        totals: &mut Totals,
    ) -> io::Result<Option<Ending>> {
        // 4.3.3 Send the reply
        // Tried at once, since there is nearly always room: to ask the kernel
        // first would cost one more wait for each message.
        let reply = reply_to(message, &context.options);
        let is_last = is_last_reply(&context.options);
        let flags = if is_last && !shutdown::requested() { MORE } else { 0 };
        let (socket, unsent) = (SockRef::from(&*self.stream), &reply[start..]);
        // EAGAIN: the send buffer is full, since the client does not read.
        let count = match socket.send_with_flags(unsent, flags) {
            Err(error) if is_temporary(error.kind()) => 0,
            result => result?,
        };
        // Counted here, so that it counts even if the rest fails.
        totals.sent += count as u64;
        if count < unsent.len() {
            // The buffer is for the next client, so the message is copied while
            // its reply waits.
            self.observer.relabel(Activity::Delayed);
            let (pending_message, sent) = (message.into(), start + count);
            self.state = State::Sending { pending_message, sent };
            return Ok(None);
        }
        // The client gets the end of file before anything is printed.
        if is_last {
            end_sending(&self.stream);
        }
        // One line for each reply, not for each piece of it.
        self.observer.record(context, &Event::Sent(reply.len()));
        // The client may still be sending: a close now could lose the reply.
        if is_last {
            self.observer.relabel(Activity::Closing);
            self.state = State::Closing;
        }
        Ok(None)
    }

    /// Drops what the client still sends after the last reply; it does not
    /// count as received.
    fn drain(&mut self, buffer: &mut [u8]) -> Option<Ending> {
        // The end of file, or an error that means that the client has gone.
        let ended = match self.drop_input(buffer) {
            Ok(count) => count == 0,
            Err(error) => !is_temporary(error.kind()),
        };
        // `on_ready` has taken the state away.
        if !ended {
            self.state = State::Closing;
        }
        ended.then_some(Ending::OneExchange)
    }

    /// Receives and drops what has come. Returns 0 at the end of file, EAGAIN
    /// if nothing more has come, and a number of bytes if more may be there.
    fn drop_input(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut receiver = &*self.stream;
        let mut calls = (0..DRAIN_CALLS).map(|_| receiver.read(buffer));
        calls.find(|result| !matches!(result, Ok(1..))).unwrap_or(Ok(1))
    }

    /// Returns the ending if the client can be closed now. At a stop this waits
    /// until all replies are acknowledged and no input is unread.
    fn close_when_acknowledged(
        &mut self,
        ending: Ending,
        buffer: &mut [u8],
    ) -> Option<Ending> {
        // Unread input would turn the close into a reset, and a reset discards
        // what the client's kernel has not acknowledged.
        let is_safe = !shutdown::requested()
            || !matches!(self.drop_input(buffer), Ok(1..))
                && unacknowledged(&self.stream) == 0;
        if is_safe {
            return Some(ending);
        }
        // The kernel reports no event for an acknowledgement, so a deadline
        // brings the next look.
        self.state = State::AwaitingAcknowledgements(ending);
        self.last_activity = Instant::now();
        None
    }

    /// Whether the client's kernel has acknowledged bytes since the last look.
    fn takes_its_replies(&mut self) -> bool {
        let left = unacknowledged(&self.stream);
        let before = self.unacknowledged.replace(left);
        // After the first look since a message only the next one can tell.
        before.map_or(left > 0, |before| left < before)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::thread::sleep;
    use std::time::Duration;

    use common::console::language::Language;
    use common::console::options::Options;

    use super::*;

    fn context() -> Context {
        let line = "mux-server --quiet --idle-timeout 1".split(' ');
        let (program, words) = (crate::PROGRAM, line.map(Into::into));
        let options = Options::parse(program, Language::English, words);
        Context::new(program, options.unwrap()).unwrap()
    }

    /// A client that was accepted, and its own end of the connection.
    fn accepted(context: &Context) -> (Client, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connection = listener.accept().unwrap();
        let client = Client::new(connection, context, Worker::Loop).unwrap();
        (client, peer)
    }

    #[test]
    fn a_reply_for_which_there_is_no_room_at_all_waits() {
        let context = context();
        let (mut client, mut peer) = accepted(&context);
        // As long as the kernel hands bytes on to the peer's, there is room.
        let (mut filled, mut before) = (0, 1);
        while filled != before {
            before = filled;
            while let Ok(count) = (&*client.stream).write(&[0; 8192]) {
                filled += count;
            }
            sleep(Duration::from_millis(100));
        }
        peer.write_all(b"hola").unwrap();
        let mut shared = Shared::new(&context);
        // The message may be on its way.
        while shared.totals.received == 0 {
            assert!(client.on_ready(&mut shared).is_none());
        }
        assert_eq!(client.interest(), Some(Interest::Send));
        peer.read_exact(&mut vec![0; filled]).unwrap();
        while client.interest() == Some(Interest::Send) {
            assert!(client.on_ready(&mut shared).is_none());
        }
        let mut reply = [0; 4];
        peer.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"hola");
    }

    #[test]
    fn a_client_is_active_while_its_kernel_acknowledges() {
        let context = context();
        let (mut client, peer) = accepted(&context);
        // More than the peer's kernel takes without the peer.
        while (&*client.stream).write(&[0; 8192]).is_ok() {}
        let wait_until_steady = |client: &Client| {
            let mut before = usize::MAX;
            while unacknowledged(&client.stream) != before {
                before = unacknowledged(&client.stream);
                sleep(Duration::from_millis(100));
            }
            before
        };
        let left = wait_until_steady(&client);
        assert!(left > 0);
        // The first look only notes the number; then nothing moves.
        assert!(client.takes_its_replies());
        assert!(!client.takes_its_replies());
        // The peer takes bytes until its kernel announces room for more.
        let mut scratch = vec![0; 1 << 20];
        while unacknowledged(&client.stream) == left {
            assert!((&peer).read(&mut scratch).unwrap() > 0);
        }
        assert!(client.takes_its_replies());
        wait_until_steady(&client);
        client.takes_its_replies();
        assert!(!client.takes_its_replies());
    }
}
