//! The list of sockets: the clients being served, and the listening socket.
//!
//! Each loop has a list of its own, so no lock guards it.

// Sockets, descriptors, shared ownership and time.
use std::mem;
use std::net::Shutdown;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

// Errors by name.
use nix::errno::Errno;

// A client, and the ways of asking.
use crate::client::Client;
#[cfg(target_os = "linux")]
use crate::epoll::Epoll;
use crate::poll::Poll;
use crate::poller::{Interest, Poller, Socket, raw_fd};
use crate::select::Select;
use common::Context;
use common::closing::shut_down;
use common::console::errors::Failure;
use common::console::log::{Ending, Event, Worker};
use common::console::options::Backend;
use common::constants::BUFFER_SIZE;
use common::listener::{Connection, Listener};
use common::shutdown::{Stop, timeout_until};
use common::totals::Totals;

/// What the clients of a loop share; each uses it during its turn.
pub struct Shared<'a> {
    /// The options, and where lines are printed.
    pub context: &'a Context,
    /// What all clients of the loop have sent and received. Only this thread
    /// adds to it, so it needs no lock.
    pub totals: Totals,
    /// A client's message, from recv(2) to send(2).
    pub buffer: [u8; BUFFER_SIZE],
}

impl<'a> Shared<'a> {
    /// Nothing is received or sent yet.
    pub fn new(context: &'a Context) -> Self {
        Self { context, totals: Totals::default(), buffer: [0; BUFFER_SIZE] }
    }
}

/// The clients being served, and what the kernel is asked to watch.
pub struct Clients {
    /// The options, and where lines are printed.
    context: Arc<Context>,
    /// Which loop serves these clients, for the lines.
    worker: Worker,
    /// How the kernel is asked.
    poller: Box<dyn Poller>,
    /// The listening socket, while it is watched.
    listener: Option<Socket>,
    /// The most clients at a time, of all loops together.
    client_limit: usize,
    /// How many clients all loops together have; the loops share it.
    active: Arc<AtomicUsize>,
    /// Each client, at the index that is the number of its descriptor. The
    /// kernel hands out the lowest free number, so there are few gaps.
    table: Vec<Option<Client>>,
    /// How many clients the table holds.
    count: usize,
    /// No client has a deadline before this moment. The moment may be too
    /// early, for each message moves a deadline; it is never too late.
    earliest_deadline: Option<Instant>,
}

impl Clients {
    /// A list with the signal pipe only.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE when there is no descriptor left for epoll(7).
    pub fn new(
        context: &Arc<Context>,
        stop: &Stop,
        worker: Worker,
        active: Arc<AtomicUsize>,
    ) -> nix::Result<Self> {
        let mut poller = new_poller(context.options.backend)?;
        // A stop ends the wait like any other event.
        let signal_pipe: Socket = Arc::clone(stop.signal_pipe()) as Socket;
        poller.watch(&signal_pipe, Interest::Receive)?;
        // select(2) may have room for fewer clients than the user allows.
        let client_limit = context.options.max_clients.min(poller.capacity());
        Ok(Self {
            context: Arc::clone(context),
            worker,
            poller,
            listener: None,
            client_limit,
            active,
            table: Vec::new(),
            count: 0,
            earliest_deadline: None,
        })
    }

    /// How many clients this loop serves.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many clients a long stop reports: with `--workers` the main thread
    /// reports those of all loops.
    pub fn reported_count(&self) -> usize {
        if self.worker == Worker::Loop { self.count } else { 0 }
    }

    /// Waits until sockets are ready, and appends their descriptors; or until
    /// a deadline has passed.
    ///
    /// # Errors
    ///
    /// Those that only a mistake in this program can cause.
    pub fn wait(
        &mut self,
        listener: &mut Listener,
        stop: &Stop,
        ready: &mut Vec<RawFd>,
    ) -> Result<(), Failure> {
        let watched = self.update_listener_interest(listener);
        let waited = watched.and_then(|()| {
            // The nearest deadline ends the wait, if nothing else does.
            let deadlines = [
                self.earliest_deadline,
                listener.paused_until(),
                stop.deadline(),
            ];
            // The loop sleeps in this call.
            let nearest = deadlines.into_iter().flatten().min();
            self.poller.wait(ready, timeout_until(nearest))
        });
        // After a signal (EINTR) its byte in the pipe ends the next wait.
        match waited {
            Ok(()) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => listener.retry_or_fail(errno),
        }
    }

    /// Watches the listening socket while a client may be accepted, and only
    /// then: otherwise a client in the queue would end every wait at once.
    fn update_listener_interest(
        &mut self,
        listener: &mut Listener,
    ) -> nix::Result<()> {
        let active = self.active.load(Ordering::SeqCst);
        let accepts = active < self.client_limit && listener.may_accept(active);
        match (self.listener.take(), listener.socket.as_ref()) {
            // Clients that came meanwhile are in the kernel's queue.
            (None, Some(socket)) if accepts => {
                let socket: Socket = Arc::clone(socket) as Socket;
                self.poller.watch(&socket, Interest::Accept)?;
                self.listener = Some(socket);
            }
            // At a stop this drops the last reference, which closes the socket.
            (Some(socket), _) if !accepts => self.poller.unwatch(&socket),
            (watched, _) => self.listener = watched,
        }
        Ok(())
    }

    /// Whether this is the descriptor of the listening socket.
    pub fn is_listener(&self, fd: RawFd) -> bool {
        self.listener.as_ref().is_some_and(|it| raw_fd(it) == fd)
    }

    /// Accepts a client, if one is waiting and the limit is not reached.
    ///
    /// # Errors
    ///
    /// Those of accept(2) that only a mistake in this program can cause.
    pub fn accept(
        &self,
        listener: &mut Listener,
    ) -> Result<Option<Connection>, Failure> {
        // Counted first: another loop may be accepting at the same moment.
        let active = self.active.fetch_add(1, Ordering::SeqCst);
        let mut accepted = None;
        if active < self.client_limit {
            accepted = listener.try_accept()?;
        }
        // Another loop was faster, or the client has gone.
        if accepted.is_none() {
            self.active.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(accepted)
    }

    /// Adds a client that was accepted.
    ///
    /// # Errors
    ///
    /// Those of ioctl(2), when its socket cannot be made non-blocking.
    pub fn insert(&mut self, connection: Connection) -> Result<(), Failure> {
        let fd = connection.0.as_raw_fd();
        let client = Client::new(connection, &self.context, self.worker)?;
        // The table grows when this is the highest number so far.
        let index = index_of(fd);
        if index >= self.table.len() {
            self.table.resize_with(index + 1, || None);
        }
        // From here on the loop finds the client by its descriptor.
        self.table[index] = Some(client);
        self.count += 1;
        self.update_interest(fd);
        Ok(())
    }

    /// The client with this descriptor.
    pub fn get(&mut self, fd: RawFd) -> Option<&mut Client> {
        self.table.get_mut(index_of(fd))?.as_mut()
    }

    /// Watches a client's socket for what its state needs, and notes the
    /// client's deadline.
    pub fn update_interest(&mut self, fd: RawFd) {
        let Some(client) = self.table[index_of(fd)].as_mut() else {
            return;
        };
        // Most turns change nothing; with epoll(7) a change is a system call.
        let interest = client.interest();
        if mem::replace(&mut client.watched, interest) != interest {
            // The poller gets its own reference to the socket.
            let socket = Arc::clone(&client.stream) as Socket;
            let watched = if let Some(interest) = interest {
                // From the next wait on the kernel reports this.
                self.poller.watch(&socket, interest)
            } else {
                // A client that waits for acknowledgements is not watched.
                self.poller.unwatch(&socket);
                Ok(())
            };
            // ENOMEM, ENOSPC, or EINVAL of select(2): unwatched, the client
            // would wait for ever.
            if let Err(errno) = watched {
                return self.close(fd, Ending::Failed(errno.into()));
            }
        }
        // The client's deadline may be the earliest of all.
        if let Some(client) = &self.table[index_of(fd)] {
            let deadline = client.deadline(&self.context);
            let earliest = self.earliest_deadline.into_iter().chain(deadline);
            self.earliest_deadline = earliest.min();
        }
    }

    /// Removes a client from the list and closes its socket.
    pub fn close(&mut self, fd: RawFd, ending: Ending) {
        let Some(mut client) = self.table[index_of(fd)].take() else {
            return;
        };
        self.count -= 1;
        // Unwatched before the number of the descriptor is used again.
        self.poller.unwatch(&(Arc::clone(&client.stream) as Socket));
        client.observer.record(&self.context, &Event::Closed(ending));
        // Dropping the last reference closes the socket. Only then may another
        // client be accepted.
        drop(client);
        self.active.fetch_sub(1, Ordering::SeqCst);
    }

    /// At a stop, shuts down the receiving side of every client's socket; after
    /// the grace, closes every client.
    pub fn shutdown(&mut self, side: Shutdown, shared: &mut Shared) {
        self.for_each(|client| {
            // The socket becomes readable, and the client ends at its turn.
            if side == Shutdown::Read {
                shut_down(&client.stream, side);
                return None;
            }
            // A last turn: the client may have made room for its reply while
            // the loop was suspended.
            client.on_ready(shared).or(Some(Ending::Stopping))
        });
    }

    /// Decides on every client whose deadline has passed: a client that only
    /// waits is never ready.
    pub fn check_deadlines(&mut self, shared: &mut Shared) {
        // In most rounds no deadline has passed.
        let now = Instant::now();
        if self.earliest_deadline.is_none_or(|earliest| earliest > now) {
            return;
        }
        // `for_each` notes the deadlines of those that are left.
        self.earliest_deadline = None;
        self.for_each(|client| {
            let deadline = client.deadline(shared.context)?;
            if deadline > now { None } else { client.on_deadline(shared) }
        });
    }

    /// Gives every client a turn, and closes those for which it returns a
    /// reason.
    fn for_each(
        &mut self,
        mut turn: impl FnMut(&mut Client) -> Option<Ending>,
    ) {
        for index in 0..self.table.len() {
            // The table has gaps.
            let Some(client) = &mut self.table[index] else { continue };
            let fd = client.stream.as_raw_fd();
            match turn(client) {
                // This leaves a gap.
                Some(ending) => self.close(fd, ending),
                None => self.update_interest(fd),
            }
        }
    }
}

/// Where in the table the client with this descriptor is. The descriptor of an
/// open socket is not negative.
fn index_of(fd: RawFd) -> usize {
    fd.unsigned_abs() as usize
}

/// The way of asking that the user chose.
///
/// # Errors
///
/// EMFILE or ENFILE when there is no descriptor left for epoll(7).
pub fn new_poller(backend: Option<Backend>) -> nix::Result<Box<dyn Poller>> {
    // The loop calls the same three methods of each; a call through the box
    // costs little beside the system call behind it.
    Ok(match backend {
        // As in the original.
        Some(Backend::Select) => Box::new(Select::new()),
        #[cfg(target_os = "linux")]
        Some(Backend::Epoll) => Box::new(Epoll::new()?),
        // The default: without select's limit, and on every system.
        _ => Box::new(Poll::default()),
    })
}
#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use allocation_counter::measure;
    use common::console::language::Language;
    use common::console::options::Options;

    use super::*;

    /// A server that listens on a free port, and its list.
    struct Server {
        context: Arc<Context>,
        listener: Listener,
        stop: Stop,
        clients: Clients,
    }

    impl Server {
        fn new(options: &str) -> Self {
            let line = format!("mux-server --quiet --port 0 {options}");
            let words = line.split(' ').map(Into::into);
            let program = crate::PROGRAM;
            let options = Options::parse(program, Language::English, words);
            let context = Context::new(program, options.unwrap()).unwrap();
            let context = Arc::new(context);
            let listener = Listener::new(Arc::clone(&context)).unwrap();
            let stop = Stop::new(Arc::clone(&context)).unwrap();
            let clients =
                Clients::new(&context, &stop, Worker::Loop, Arc::default());
            Self { context, listener, stop, clients: clients.unwrap() }
        }

        fn wait(&mut self, ready: &mut Vec<RawFd>) {
            while ready.is_empty() {
                let (listener, stop) = (&mut self.listener, &self.stop);
                self.clients.wait(listener, stop, ready).unwrap();
            }
        }

        /// A client that the server has accepted.
        fn accepted(&mut self) -> TcpStream {
            let address = self.listener.socket.as_ref().unwrap().local_addr();
            let client = TcpStream::connect(address.unwrap()).unwrap();
            let mut ready = Vec::new();
            self.wait(&mut ready);
            assert!(self.clients.is_listener(ready[0]));
            let accepted = self.clients.accept(&mut self.listener);
            self.clients.insert(accepted.unwrap().unwrap()).unwrap();
            client
        }
    }

    #[test]
    fn a_message_costs_the_loop_no_allocation() {
        for backend in ["select", "poll", "epoll"] {
            let mut server = Server::new(&format!("--backend {backend}"));
            let mut client = server.accepted();
            let context = Arc::clone(&server.context);
            let mut shared = Shared::new(&context);
            let mut ready = Vec::with_capacity(8);
            for turn in 0..10 {
                client.write_all(b"hola").unwrap();
                let allocated = measure(|| {
                    server.wait(&mut ready);
                    let clients = &mut server.clients;
                    for fd in ready.drain(..) {
                        let client = clients.get(fd).unwrap();
                        let ending = client.on_ready(&mut shared);
                        assert!(ending.is_none(), "{ending:?}");
                        clients.update_interest(fd);
                    }
                });
                // The first wait may make room for its list.
                if turn > 0 {
                    // poll(2) takes a list that is made anew for each wait.
                    let list = u64::from(backend == "poll");
                    assert_eq!(allocated.count_total, list, "{backend}");
                }
                client.read_exact(&mut [0; 4]).unwrap();
            }
            assert_eq!(shared.totals.sent, 40);
        }
    }

    #[test]
    fn at_a_deadline_the_kernel_is_asked_before_the_clock() {
        let mut server = Server::new("--idle-timeout 1");
        let (mut speaker, mut silent) = (server.accepted(), server.accepted());
        speaker.write_all(b"hola").unwrap();
        // The loop comes late, as if it had been suspended.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let context = Arc::clone(&server.context);
        server.clients.check_deadlines(&mut Shared::new(&context));
        let mut buffer = [0; 4];
        // The silent client is idle, the other one was served.
        assert_eq!(server.clients.count(), 1);
        assert_eq!(silent.read(&mut buffer).unwrap(), 0);
        speaker.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"hola");
    }

    #[test]
    fn an_end_of_file_after_the_last_reply_is_found_before_the_deadline() {
        let mut server = Server::new("--serve once");
        let mut client = server.accepted();
        client.write_all(b"hola").unwrap();
        let mut ready = Vec::new();
        server.wait(&mut ready);
        let mut shared = Shared::new(&server.context);
        let entry = server.clients.get(ready[0]).unwrap();
        assert!(entry.on_ready(&mut shared).is_none());
        // More than one recv(2) takes, then the end of file.
        client.write_all(&vec![b'x'; 20_000]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        // A turn drops all of it: closed now, it can cause no reset.
        assert!(entry.on_ready(&mut shared).is_some());
        assert_eq!((shared.totals.received, shared.totals.sent), (4, 4));
    }
}
