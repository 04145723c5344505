//! What the loop remembers of one client.
//!
//! A thread remembers where it is by the line of code that it is blocked in.
//! The loop serves everybody at once and may block for nobody, so here the
//! same knowledge is data: a state for each client.

// `Rc` counts owners within one thread; there is no other here.
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

// The same conversation as in a thread or a process.
use common::Server;
use common::constants::DRAIN_LIMIT;
use common::echo::{Conversation, Step, ending};
use common::totals::Totals;
use common::transcript::{Ending, Event, Worker};

// What the list needs to know of a client.
use crate::readiness::{Interest, Socket};

/// One client and the state of its conversation.
pub struct Client {
    /// Its socket, of which the list has a share.
    stream: Rc<TcpStream>,
    /// Who it is, for the transcript.
    address: SocketAddr,
    /// And whose loop it belongs to.
    worker: Worker,
    /// What was said, and who has to speak now.
    conversation: Conversation,
    /// When it last sent something or took something.
    active: Instant,
    /// Set once all is said: when to stop waiting for its end of file.
    draining: Option<Instant>,
    /// How long it may be silent; `None` is for ever.
    patience: Option<Duration>,
    /// What its socket is watched for now.
    watched: Interest,
    /// Its entry among the table's `looks`.
    pub look: Option<Instant>,
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
        server: &Server,
        worker: Worker,
    ) -> io::Result<Self> {
        // From now on a call that would have to wait returns EAGAIN instead:
        // whoever blocked the loop would block every client.
        stream.set_nonblocking(true)?;
        // Served from now on, though it may not have said a word.
        server.transcript.say(worker, address, &Event::Connected);
        Ok(Self {
            stream: Rc::new(stream),
            address,
            worker,
            conversation: Conversation::new(&server.options),
            active: Instant::now(),
            draining: None,
            patience: server.options.idle_timeout,
            watched: Interest::Receive,
            look: None,
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
        match self.conversation.step() {
            // There was no room for all of it.
            Step::Send => Interest::Send,
            // A message, or the end of file.
            Step::Receive | Step::Close => Interest::Receive,
        }
    }

    /// When it is time to lose patience with this client, unless it does
    /// something before.
    pub fn deadline(&self) -> Option<Instant> {
        self.draining.or_else(|| Some(self.active + self.patience?))
    }

    /// Prints one event of this client.
    pub fn say(&self, server: &Server, event: &Event) {
        server.transcript.say(self.worker, self.address, event);
    }

    /// Shuts down one side, or both, of its socket.
    pub fn shutdown(&self, side: Shutdown) {
        // ENOTCONN: the client was faster.
        self.stream.shutdown(side).ok();
    }

    /// Goes on with this client, now that its socket is ready; returns why it
    /// ends, if it does.
    pub fn proceed(
        &mut self,
        server: &Server,
        totals: &mut Totals,
        now: Instant,
    ) -> Option<Ending> {
        // As far as that goes without waiting.
        match self.exchange(server, totals, now) {
            // It stays in the list.
            Ok(true) => None,
            // EAGAIN: not ready after all. EINTR: a signal came first. Either
            // way the next wait reports this socket again.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::Interrupted
                ) =>
            {
                None
            }
            // The connection broke when all was said.
            Err(_) if self.draining.is_some() => Some(Ending::Ordinary),
            // The same reasons as in a thread.
            result => {
                let (conversation, options) =
                    (&self.conversation, &server.options);
                // Whether it stays does not matter any more: `drop`.
                Some(ending(result.map(drop), conversation, options))
            }
        }
    }

    /// Receives, prints, replies: each only if it is its turn and goes without
    /// waiting. Says whether the client stays.
    fn exchange(
        &mut self,
        server: &Server,
        totals: &mut Totals,
        now: Instant,
    ) -> io::Result<bool> {
        // `Read` and `Write` want something to change; a reference to the
        // socket is a thing of its own, and can be changed.
        let mut stream = &*self.stream;
        // All is said: what comes now is dropped until the end of file.
        if self.draining.is_some() {
            return Ok(stream.read(self.conversation.room())? > 0);
        }
        // A reply that waits comes first: then nothing is received.
        if self.conversation.step() == Step::Receive {
            // 4.3.1 Receive data
            // EAGAIN where a thread would wait: then `?` ends this turn.
            let count = stream.read(self.conversation.room())?;
            // The client has shown that it is there.
            self.active = now;
            // None is the end of file.
            self.conversation.receive(count);
            // The loop owns the totals and has lent them: no lock.
            totals.received += count as u64;
            // 4.3.2 Print it
            // The end of file is no message.
            if !self.conversation.ended() {
                // Escaped: the bytes are a stranger's.
                let message = self.conversation.message();
                self.say(server, &Event::Received(message));
            }
        }
        // At once: mostly there is room for the reply, and to ask for that
        // first would cost one more wait for each message.
        if self.conversation.step() == Step::Send {
            // 4.3.3 Send the reply
            // EAGAIN when the client does not read: `interest` then makes the
            // loop watch for room, and nobody else has to wait for it.
            let count = stream.write(self.conversation.unsent())?;
            // It takes its replies: it is there.
            self.active = now;
            // Maybe a part only; the rest is sent when there is room again.
            totals.sent += count as u64;
            // One line for each reply, not for each piece of it.
            if self.conversation.send(count) {
                let length = self.conversation.reply().len();
                // The kernel has all of it; the network is the kernel's.
                self.say(server, &Event::Sent(length));
            }
        }
        // Something is left to say: back to the list.
        if self.conversation.step() != Step::Close {
            return Ok(true);
        }
        // Nothing can come from a client that has sent its end of file, so
        // its socket can be closed without a reset. And a half-close fails
        // only where the connection is gone.
        if self.conversation.ended()
            || stream.shutdown(Shutdown::Write).is_err()
        {
            return Ok(false);
        }
        // The wait of the lossless close is one more state, and a deadline.
        self.draining = Some(now + DRAIN_LIMIT);
        // It stays until then, or until its end of file.
        Ok(true)
    }

    /// Why a client is closed whose `deadline` has passed.
    pub fn overdue(&self) -> Ending {
        match self.patience {
            // It had its time for the next message, or for its reply.
            Some(limit) if self.draining.is_none() => Ending::Idle(limit),
            // It had its reply, and kept its own side open too long.
            _ => Ending::Ordinary,
        }
    }
}
