//! What the loop remembers of one client.
//!
//! A thread remembers where it is by the line of code that it is blocked in.
//! The loop serves everybody at once and may block for nobody, so here the
//! same knowledge is data: a state for each client.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::Server;
use common::constants::DRAIN_LIMIT;
use common::echo::{Conversation, Step, ending};
use common::totals::Totals;
use common::transcript::{Ending, Event, Worker};

use crate::readiness::{Interest, Socket};

/// One client and the state of its conversation.
pub struct Client {
    stream: Rc<TcpStream>,
    address: SocketAddr,
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
    ) -> io::Result<Self> {
        // From now on a call that would have to wait returns EAGAIN instead:
        // whoever blocked the loop would block every client.
        stream.set_nonblocking(true)?;
        server
            .transcript
            .say(Worker::Loop, address, &Event::Connected);
        Ok(Self {
            stream: Rc::new(stream),
            address,
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
        let interest = self.interest();
        (self.watched != interest).then(|| {
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
            Step::Send => Interest::Send,
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
        server.transcript.say(Worker::Loop, self.address, event);
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
        let result = self.exchange(server, totals, now);
        match result {
            Ok(true) => None,
            // Not ready after all, or a signal came first: a later wait
            // reports the socket again.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::Interrupted
                ) =>
            {
                None
            }
            // The connection broke after all was said.
            Err(_) if self.draining.is_some() => Some(Ending::Ordinary),
            result => Some(ending(
                result.map(drop),
                &self.conversation,
                &server.options,
            )),
        }
    }

    /// Receives, replies or drops, as far as that goes without waiting; says
    /// whether the client stays.
    fn exchange(
        &mut self,
        server: &Server,
        totals: &mut Totals,
        now: Instant,
    ) -> io::Result<bool> {
        let mut stream = &*self.stream;
        if self.draining.is_some() {
            // 4.4 of the others: read and drop until the end of file.
            return Ok(stream.read(self.conversation.room())? > 0);
        }
        if self.conversation.step() == Step::Receive {
            let count = stream.read(self.conversation.room())?;
            self.active = now;
            self.conversation.receive(count);
            totals.received += count as u64;
            if !self.conversation.ended() {
                let message = self.conversation.message();
                self.say(server, &Event::Received(message));
            }
        }
        if self.conversation.step() == Step::Send {
            // Mostly there is room for the reply, and asking first would cost
            // one wait more for each message.
            let count = stream.write(self.conversation.unsent())?;
            self.active = now;
            totals.sent += count as u64;
            if self.conversation.send(count) {
                let length = self.conversation.reply().len();
                self.say(server, &Event::Sent(length));
            }
        }
        if self.conversation.step() != Step::Close {
            return Ok(true);
        }
        // Nothing can come any more from a client that has ended its side.
        if self.conversation.ended() {
            return Ok(false);
        }
        stream.shutdown(Shutdown::Write)?;
        self.draining = Some(now + DRAIN_LIMIT);
        Ok(true)
    }

    /// Why a client is closed whose `deadline` has passed.
    pub fn overdue(&self) -> Ending {
        match self.patience {
            Some(limit) if self.draining.is_none() => Ending::Idle(limit),
            _ => Ending::Ordinary,
        }
    }
}
