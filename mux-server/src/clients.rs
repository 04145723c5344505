//! The list of sockets: the clients being served, and the door.
//!
//! No lock guards it: one loop, one thread, nobody to share it with.

use std::collections::{BTreeSet, HashMap};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use common::Server;
use common::failure::Failure;
use common::listener::{Listener, timeout};
use common::transcript::{Ending, Event};
use nix::errno::Errno;

use crate::client::Client;
use crate::readiness::{Interest, Readiness, Socket, number, readiness};

/// The clients being served, and what the kernel is asked to watch.
pub struct Clients {
    server: Arc<Server>,
    /// How the kernel is asked.
    readiness: Box<dyn Readiness>,
    /// The listening socket, while it is watched.
    door: Option<Socket>,
    /// The most clients at a time.
    most: usize,
    /// Each client, by the number of its socket.
    live: HashMap<RawFd, Client>,
    /// When to look at which client, the earliest first: one entry for each
    /// that has a deadline. It may be too early, for a deadline moves with
    /// each message and the entry does not; it is never too late.
    looks: BTreeSet<(Instant, RawFd)>,
}

impl Clients {
    /// An empty list, but for the pipe that a signal writes to: so that a
    /// stop is an event like any other.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE when there is no descriptor left for an epoll.
    pub fn new(server: Arc<Server>, listener: &Listener) -> nix::Result<Self> {
        let mut readiness = readiness(server.options.backend)?;
        let pipe: Socket = Rc::new(Arc::clone(listener.stop.pipe()));
        readiness.watch(&pipe, Interest::Receive)?;
        Ok(Self {
            most: server.options.max_clients.min(readiness.room()),
            server,
            readiness,
            door: None,
            live: HashMap::new(),
            looks: BTreeSet::new(),
        })
    }

    /// How many clients are being served.
    pub fn count(&self) -> usize {
        self.live.len()
    }

    /// Waits until sockets are ready, and appends their numbers; or until it
    /// is time for something else.
    ///
    /// # Errors
    ///
    /// Those that only a mistake in the program can cause.
    pub fn wait(
        &mut self,
        listener: &mut Listener,
        ready: &mut Vec<RawFd>,
    ) -> Result<(), Failure> {
        let result = self.mind_door(listener).and_then(|()| {
            let ends = [self.next_look(), listener.deadline()];
            let until = timeout(ends.into_iter().flatten().min());
            self.readiness.wait(ready, until)
        });
        match result {
            // A signal came first: the loop goes round and finds out which.
            Ok(()) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => listener.bear(errno),
        }
    }

    /// Watches the listening socket while a client would find room. A full
    /// house must not: with somebody waiting at the door, each wait would end
    /// at once with the same answer.
    fn mind_door(&mut self, listener: &mut Listener) -> nix::Result<()> {
        let room = self.count() < self.most;
        let open = room && listener.accepting(self.count());
        match (self.door.take(), listener.socket()) {
            (None, Some(socket)) if open => {
                let socket: Socket = Rc::new(Arc::clone(socket));
                self.readiness.watch(&socket, Interest::Receive)?;
                self.door = Some(socket);
            }
            (Some(socket), _) if !open => self.readiness.forget(&socket),
            (door, _) => self.door = door,
        }
        Ok(())
    }

    /// Whether this is the number of the listening socket.
    pub fn is_door(&self, fd: RawFd) -> bool {
        self.door.as_ref().is_some_and(|door| number(door) == fd)
    }

    /// Adds a client.
    ///
    /// # Errors
    ///
    /// Those of ioctl(2), when its socket cannot be made non-blocking.
    pub fn enter(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<(), Failure> {
        let client = Client::new(stream, address, &self.server)?;
        let fd = number(&client.socket());
        let watched = self.readiness.watch(&client.socket(), client.interest());
        self.live.insert(fd, client);
        self.look(fd);
        // The kernel cannot watch it: better to say so than to leave it there.
        if let Err(errno) = watched {
            self.close(fd, Ending::Failed(errno.into()));
        }
        Ok(())
    }

    /// The client of this socket.
    pub fn get(&mut self, fd: RawFd) -> Option<&mut Client> {
        self.live.get_mut(&fd)
    }

    /// Watches a client for what it needs next, after it had its turn.
    pub fn watch(&mut self, fd: RawFd) {
        let Some(client) = self.live.get_mut(&fd) else {
            return;
        };
        if let Some(interest) = client.new_interest() {
            let watched = self.readiness.watch(&client.socket(), interest);
            if let Err(errno) = watched {
                self.close(fd, Ending::Failed(errno.into()));
            }
        }
        self.look(fd);
    }

    /// Removes a client, and so closes it: its socket is closed when its last
    /// share is dropped.
    pub fn close(&mut self, fd: RawFd, ending: Ending) {
        let Some(client) = self.live.remove(&fd) else {
            return;
        };
        if let Some(look) = client.look {
            self.looks.remove(&(look, fd));
        }
        self.readiness.forget(&client.socket());
        client.say(&self.server, &Event::Closed(ending));
    }

    /// Shuts down this side of every client's socket.
    pub fn shutdown(&self, side: Shutdown) {
        for client in self.live.values() {
            client.shutdown(side);
        }
    }

    /// Closes every client whose deadline has passed.
    pub fn close_overdue(&mut self, now: Instant) {
        while let Some(&(look, fd)) = self.looks.first()
            && look <= now
        {
            self.looks.pop_first();
            let Some(client) = self.live.get_mut(&fd) else {
                continue;
            };
            client.look = None;
            if client.deadline().is_some_and(|deadline| deadline <= now) {
                let ending = client.overdue();
                self.close(fd, ending);
            } else {
                // It has been active since: look again when that runs out.
                self.look(fd);
            }
        }
    }

    /// Makes sure that a client is looked at when its deadline has passed.
    fn look(&mut self, fd: RawFd) {
        let Some(client) = self.live.get_mut(&fd) else {
            return;
        };
        let Some(deadline) = client.deadline() else {
            return;
        };
        // An entry that is early enough stays: no work for each message.
        if client.look.is_some_and(|look| look <= deadline) {
            return;
        }
        if let Some(look) = client.look.replace(deadline) {
            self.looks.remove(&(look, fd));
        }
        self.looks.insert((deadline, fd));
    }

    /// When to look at a client next.
    fn next_look(&self) -> Option<Instant> {
        self.looks.first().map(|(look, _)| *look)
    }
}
