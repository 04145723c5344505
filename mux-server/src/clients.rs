//! The list of sockets: the clients being served, and the door.
//!
//! No lock guards it: one loop, one thread, nobody to share it with.

// Addresses, descriptors, and two ways to share.
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

// From the common ground.
use common::Context;
use common::console::errors::Failure;
use common::console::log::{Ending, Event, Worker};
use common::console::options::Backend;
use common::listener::{Accepted, Listener, timeout};
use nix::errno::Errno;

// What the list is made of.
use crate::client::Client;
#[cfg(target_os = "linux")]
use crate::epoll::Epoll;
use crate::poll::Poll;
use crate::poller::{Interest, Poller, Socket, number};
use crate::select::Select;

/// For how many clients the table has room from the start. The kernel gives
/// memory only to those parts of it that are used; a table that grew step by
/// step would leave its old parts behind.
const ROOM: usize = 65_536;

/// The clients being served, and what the kernel is asked to watch.
pub struct Clients {
    /// The options and the transcript.
    context: Arc<Context>,
    /// How the kernel is asked.
    readiness: Box<dyn Poller>,
    /// The listening socket, while it is watched.
    door: Option<Socket>,
    /// The pipe that becomes readable with a signal.
    pipe: Socket,
    /// Who serves these clients, for the transcript.
    worker: Worker,
    /// The most clients at a time, of all loops together.
    most: usize,
    /// How many there are of them; the loops of `--workers` share it.
    taken: Arc<AtomicUsize>,
    /// Each client, at the place that the number of its socket says. The
    /// kernel hands out the lowest free number, so there are few gaps.
    live: Vec<Option<Client>>,
    /// How many there are in it.
    count: usize,
    /// No client has a deadline before this one. It may be too early, for a
    /// deadline moves with each message; it is never too late.
    earliest: Option<Instant>,
}

impl Clients {
    /// An empty list, but for the pipe that a signal writes to: so that a
    /// stop is an event like any other.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE when there is no descriptor left for an epoll.
    pub fn new(
        context: Arc<Context>,
        listener: &Listener,
        worker: Worker,
        taken: Arc<AtomicUsize>,
    ) -> nix::Result<Self> {
        // In the kernel, or in here; see `readiness.rs`.
        let mut readiness = readiness(context.options.backend)?;
        // A share of the share: the list takes anything with a descriptor.
        let pipe: Socket = Rc::new(Arc::clone(listener.stop.pipe()));
        readiness.watch(&pipe, Interest::Receive)?;
        // select(2) may have room for fewer than the user allows.
        let most = context.options.max_clients.min(readiness.room());
        // No clients, and the door still shut: `wait` will open it.
        Ok(Self {
            most,
            context,
            readiness,
            door: None,
            pipe,
            worker,
            taken,
            live: Vec::with_capacity(most.min(ROOM)),
            count: 0,
            earliest: None,
        })
    }

    /// How many clients are being served.
    pub fn count(&self) -> usize {
        self.count
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
        // `and_then`: without a door there is nothing to wait for.
        let result = self.mind_door(listener).and_then(|()| {
            // The nearest of all deadlines ends the wait, if nobody else does.
            let ends = [self.earliest, listener.deadline()];
            let until = timeout(ends.into_iter().flatten().min());
            // Here the loop sleeps.
            self.readiness.wait(ready, until)
        });
        // An error here concerns all clients at once.
        match result {
            // A signal came first: the loop goes round and finds out which.
            Ok(()) | Err(Errno::EINTR) => Ok(()),
            // Out of memory, for now; or a mistake in the program.
            Err(errno) => listener.bear(errno),
        }
    }

    /// Watches the listening socket while a client would find room. A full
    /// house must not: with somebody waiting at the door, each wait would end
    /// at once with the same answer.
    fn mind_door(&mut self, listener: &mut Listener) -> nix::Result<()> {
        // Of all loops together.
        let taken = self.taken.load(Ordering::SeqCst);
        // Not during a stop, nor for a while after a shortage.
        let open = taken < self.most && listener.accepting(taken);
        // What is, and what could be.
        match (self.door.take(), listener.socket()) {
            // There is room again, or for the first time.
            (None, Some(socket)) if open => {
                // Nothing is lost while it was shut: the kernel has queued.
                let socket: Socket = Rc::new(Arc::clone(socket));
                self.readiness.watch(&socket, Interest::Accept)?;
                // Only now, for `?` may have left already.
                self.door = Some(socket);
            }
            // It shuts; at a stop this closes the socket, too.
            (Some(socket), _) if !open => self.readiness.forget(&socket),
            // All stays as it is.
            (door, _) => self.door = door,
        }
        // The list is as it should be.
        Ok(())
    }

    /// Whether this is the number of the listening socket.
    pub fn is_door(&self, fd: RawFd) -> bool {
        self.door.as_ref().is_some_and(|door| number(door) == fd)
    }

    /// Accepts a client, if there is one and a place for it.
    ///
    /// # Errors
    ///
    /// Those of accept(2) that only a mistake in the program can cause.
    pub fn accept(
        &self,
        listener: &mut Listener,
    ) -> Result<Option<(TcpStream, SocketAddr)>, Failure> {
        // The place is taken first: another loop may be here as well.
        if self.taken.fetch_add(1, Ordering::SeqCst) < self.most
            && let Accepted::Client(stream, address) = listener.accept()?
        {
            return Ok(Some((stream, address)));
        }
        // Given back: there was no place, or nobody to take it.
        self.taken.fetch_sub(1, Ordering::SeqCst);
        // Not an error: somebody else was faster.
        Ok(None)
    }

    /// Empties the pipe; watches it no longer once nobody can write to it, or
    /// it would be ready for ever.
    pub fn hush(&mut self, listener: &Listener) {
        if !listener.stop.hush() {
            self.readiness.forget(&self.pipe);
        }
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
        // Its state, and its first line.
        let client = Client::new(stream, address, &self.context, self.worker)?;
        // By which the kernel will name it.
        let fd = number(&client.socket());
        // From here on it is in the list.
        let watched = self.readiness.watch(&client.socket(), client.interest());
        // It may have the highest number so far.
        let place = place(fd);
        // Then the table grows, by gaps.
        if place >= self.live.len() {
            self.live.resize_with(place + 1, || None);
        }
        // And from here on in the table.
        self.live[place] = Some(client);
        self.count += 1;
        // The kernel cannot watch it: better to say so than to leave it there.
        match watched {
            // ENOMEM, or more descriptors than select(2) can hold.
            Err(errno) => self.close(fd, Ending::Failed(errno.into())),
            // It may be silent from the start.
            Ok(()) => self.note_deadline(fd),
        }
        // Whatever became of it, the loop goes on.
        Ok(())
    }

    /// The client of this socket.
    pub fn get(&mut self, fd: RawFd) -> Option<&mut Client> {
        self.live.get_mut(place(fd))?.as_mut()
    }

    /// Watches a client for what it needs next, after it had its turn.
    pub fn watch(&mut self, fd: RawFd) {
        // It cannot be missing: it has just had its turn.
        let Some(client) = self.live[place(fd)].as_mut() else {
            return;
        };
        // Mostly it waits for the next message, as before.
        if let Some(interest) = client.new_interest() {
            let watched = self.readiness.watch(&client.socket(), interest);
            // Unwatched, it would wait for ever.
            if let Err(errno) = watched {
                return self.close(fd, Ending::Failed(errno.into()));
            }
        }
        // It may have got a deadline that is earlier than all others.
        self.note_deadline(fd);
    }

    /// Removes a client, and so closes it: its socket is closed when its last
    /// share is dropped.
    pub fn close(&mut self, fd: RawFd, ending: Ending) {
        // Out of the table; from here on this function owns it.
        let client = self.live.get_mut(place(fd)).and_then(Option::take);
        // It may have been closed on the way here.
        let Some(mut client) = client else {
            return;
        };
        // A stop waits until there is nobody left.
        self.count -= 1;
        // Out of the list, before the number of its socket becomes another's.
        self.readiness.forget(&client.socket());
        // Its last line; then it is dropped, and the kernel closes the socket.
        client.record(&self.context, &Event::Closed(ending));
        // Its place is free, for the clients of any loop.
        self.taken.fetch_sub(1, Ordering::SeqCst);
    }

    /// Shuts down this side of every client's socket.
    pub fn shutdown(&mut self, side: Shutdown) {
        // Each of them becomes ready by that, and ends on its next turn.
        for client in self.live.iter_mut().flatten() {
            client.shutdown(side);
        }
    }

    /// Looks after every client whose deadline has passed.
    pub fn close_overdue(&mut self) {
        // Mostly nobody's has: then this is one look at the clock.
        let now = Instant::now();
        // Not even the earliest.
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return;
        }
        // To be found anew, of all that are left.
        self.earliest = None;
        // By its place, since who is closed leaves the table meanwhile.
        for place in 0..self.live.len() {
            // A gap.
            let Some(client) = &mut self.live[place] else {
                continue;
            };
            // By which everything else knows it.
            let fd = number(&client.socket());
            // It may have been active since the deadline was noted.
            let deadline = client.deadline(&self.context);
            let overdue = deadline.is_some_and(|deadline| deadline <= now);
            // Only then it is asked why it should be closed.
            let ending = overdue.then(|| client.overdue(&self.context));
            // Not overdue, or overdue and spared: both are nothing.
            match ending.flatten() {
                // Its time is over.
                Some(ending) => self.close(fd, ending),
                // It has some left, or has been given more.
                None => self.note_deadline(fd),
            }
        }
    }

    /// Makes sure that a client is looked at when its deadline has passed.
    fn note_deadline(&mut self, fd: RawFd) {
        // Both may be missing: then the other one is the earliest.
        let client = self.live[place(fd)].as_ref();
        let deadline = client.and_then(|it| it.deadline(&self.context));
        // Of the two, where there are two.
        self.earliest = self.earliest.into_iter().chain(deadline).min();
    }
}

/// Where in the table a descriptor stands; one that is open has a number that
/// is not negative.
fn place(fd: RawFd) -> usize {
    fd.unsigned_abs() as usize
}

/// The way of asking that the user chose.
///
/// # Errors
///
/// EMFILE or ENFILE when there is no descriptor left for an epoll.
pub fn readiness(backend: Option<Backend>) -> nix::Result<Box<dyn Poller>> {
    // A box hides which it is: the loop calls the three verbs, and that costs
    // nothing beside the system calls behind them.
    Ok(match backend {
        // As in the original.
        Some(Backend::Select) => Box::new(Select::new()),
        // Where there is one.
        #[cfg(target_os = "linux")]
        Some(Backend::Epoll) => Box::new(Epoll::new()?),
        // Unless told otherwise: it has no limit, and is everywhere.
        _ => Box::new(Poll::default()),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use black_box::allocations::Counting;
    use common::console::language::Language;
    use common::console::options::Options;
    use common::totals::Totals;

    use super::*;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    /// A server that listens on a free port, and its list.
    fn clients(backend: &str) -> (Arc<Context>, Listener, Clients) {
        let line = format!("mux-server --quiet --port 0 --backend {backend}");
        let words = line.split(' ').map(Into::into);
        let program = crate::PROGRAM;
        let options = Options::parse(program, Language::English, words);
        let context = Context::new(program, options.unwrap()).unwrap();
        let context = Arc::new(context);
        let listener = Listener::new(Arc::clone(&context)).unwrap();
        let taken = Arc::default();
        let clients =
            Clients::new(Arc::clone(&context), &listener, Worker::Loop, taken);
        (context, listener, clients.unwrap())
    }

    /// Waits until somebody is ready, and says who.
    fn ready(clients: &mut Clients, listener: &mut Listener) -> Vec<RawFd> {
        let mut ready = Vec::with_capacity(8);
        while ready.is_empty() {
            clients.wait(listener, &mut ready).unwrap();
        }
        ready
    }

    #[test]
    fn a_message_costs_the_loop_no_allocation() {
        for backend in ["select", "poll", "epoll"] {
            let (context, mut listener, mut clients) = clients(backend);
            let mut client =
                TcpStream::connect(listener.address().unwrap()).unwrap();
            let fd = ready(&mut clients, &mut listener)[0];
            assert!(clients.is_door(fd));
            let (stream, address) =
                clients.accept(&mut listener).unwrap().unwrap();
            clients.enter(stream, address).unwrap();
            let mut totals = Totals::default();
            let mut buffer = [0; 1024];
            let mut found = Vec::with_capacity(8);
            for turn in 0..10 {
                client.write_all(b"hola").unwrap();
                let before = Counting::so_far();
                while found.is_empty() {
                    clients.wait(&mut listener, &mut found).unwrap();
                }
                for fd in found.drain(..) {
                    let client = clients.get(fd).unwrap();
                    let end =
                        client.proceed(&context, &mut totals, &mut buffer);
                    assert!(end.is_none(), "{end:?}");
                    clients.watch(fd);
                }
                // The first wait may make room for its question.
                if turn > 0 {
                    assert_eq!(Counting::so_far(), before, "{backend}");
                }
                client.read_exact(&mut [0; 4]).unwrap();
            }
            assert_eq!(totals.sent, 40);
        }
    }
}
