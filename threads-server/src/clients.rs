//! The clients being served: what their threads and the main thread share.
//!
//! One lock guards all of it. It is held for a few instructions and never
//! during a system call that could block, so no thread waits for another for
//! long; and where there is one lock only, there is no order to get wrong.

// `Arc` shares between threads, `Mutex` lets one at a time.
use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

// From the common ground.
use common::Context;
use common::console::log::{Ending, Event, Worker};
use common::shutdown;
use common::totals::Totals;

/// The table of the clients being served.
#[derive(Debug)]
pub struct Clients {
    /// Never changed after the start, so it needs no lock.
    context: Arc<Context>,
    /// All that changes: Rust lets nobody reach it past the lock.
    state: Mutex<State>,
}

/// What the lock guards.
#[derive(Debug, Default)]
struct State {
    /// Each client, by the number of its thread.
    live: HashMap<u64, Client>,
    /// Whether a stop has begun.
    stopping: bool,
    /// What the clients who have left received and sent.
    totals: Totals,
}

/// One client.
#[derive(Debug)]
struct Client {
    /// A share of its socket. Its thread has another; the socket is closed
    /// when both are dropped.
    stream: Arc<TcpStream>,
    /// Whether its last message has come, so that a stop has nothing to end.
    spared: bool,
}

impl Clients {
    /// An empty table.
    pub fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            state: Mutex::default(),
        }
    }

    /// The options and the transcript.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// How many clients are being served.
    pub fn count(&self) -> usize {
        self.lock().live.len()
    }

    /// What all clients who have left received and sent.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Enters a client, who stays until the returned place is dropped.
    pub fn enter(
        self: &Arc<Self>,
        number: u64,
        stream: &Arc<TcpStream>,
        address: SocketAddr,
    ) -> Place {
        // Through this share the main thread can end the conversation.
        let client = Client {
            stream: Arc::clone(stream),
            spared: false,
        };
        // Until the end of this function.
        let mut state = self.lock();
        // One that a worker has accepted just before the stop, and that
        // `shutdown` has not found here: ENOTCONN if it is gone by now.
        if state.stopping {
            client.stream.shutdown(Shutdown::Read).ok();
        }
        // The lock lets the stop come before all this or after it.
        state.live.insert(number, client);
        // To be moved into the thread, which pays for its place with it.
        Place {
            clients: Arc::clone(self),
            number,
            address,
            totals: Totals::default(),
        }
    }

    /// At a stop, shuts down this side of every client's socket: a thread
    /// blocked in recv(2) or send(2) on it returns at once.
    pub fn shutdown(&self, side: Shutdown) {
        // Nobody can enter or leave meanwhile; shutdown(2) does not wait.
        let mut state = self.lock();
        // For those who enter, or would be spared, from here on.
        state.stopping = true;
        for client in state.live.values() {
            // Whoever is spared is cut only when the grace is over.
            if !client.spared || side == Shutdown::Both {
                // ENOTCONN: the client was faster.
                client.stream.shutdown(side).ok();
            }
        }
    }

    /// Spares this client, whose last message has come, the beginning of a
    /// stop; false if it has had that already.
    ///
    /// After the reply its thread shuts down the sending side, and with both
    /// sides shut down the kernel would answer what the client still sends
    /// with a reset, which could destroy the reply.
    pub fn spare(&self, number: u64) -> bool {
        // As in `enter`: the stop comes before this or after it.
        let mut state = self.lock();
        // What a stop has shut down stays so.
        let spared = !state.stopping;
        // It is in the table until its thread drops its place.
        if let Some(client) = state.live.get_mut(&number) {
            client.spared = spared;
        }
        // Whether what the client sends will still be heard.
        spared
    }

    /// The state, locked until the returned guard is dropped.
    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panics while it holds a lock poisons it. Nothing here
        // panics half-way through a change, so the state is sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one client in the table; owned by its thread.
#[derive(Debug)]
pub struct Place {
    /// The table itself, to find the way back.
    clients: Arc<Clients>,
    /// Under which the client stands there.
    number: u64,
    /// For the last line, if the thread panics.
    address: SocketAddr,
    /// What this client has received and sent so far. Its thread alone counts
    /// here, without a lock; the sums meet when it leaves.
    pub totals: Totals,
}

/// The client leaves when its thread ends, by a panic too: unwinding drops
/// what the thread owns.
impl Drop for Place {
    /// Removes the client and adds up its totals, under one lock: nobody ever
    /// sees it gone and not yet counted.
    fn drop(&mut self) {
        // A shorter name for the table.
        let clients = &self.clients;
        // The handler was torn away before its last line.
        if thread::panicking() {
            let worker = Worker::Thread(self.number);
            // Every client that came has a line that says how it went.
            let event = Event::Closed(Ending::Panicked);
            // The message of the panic itself is on standard error.
            clients
                .context
                .log
                .print_event(worker, self.address, &event);
        }
        // Until the end of this function.
        let mut state = clients.lock();
        // Before this client is removed: afterwards no house is full.
        let full = state.live.len() >= clients.context.options.max_clients;
        // Drops the table's share of its socket.
        state.live.remove(&self.number);
        // Two threads that add at once would lose one of the sums; the lock
        // lets one of them wait for the other.
        state.totals += self.totals;
        // The main thread looks at the table by itself whenever a client
        // comes; only a full house or a stop makes it wait for one to leave.
        if full || shutdown::requested() {
            shutdown::wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write as _};
    use std::net::TcpListener;
    use std::time::Duration;

    use black_box::allocations::Counting;
    use common::closing::Stream;
    use common::console::options::{Options, Serve};
    use common::echo::handle_client;

    use super::*;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    /// A client that sends some messages, and notes how often whoever serves
    /// it has allocated by then.
    #[derive(Default)]
    struct Notes {
        allocations: Vec<u64>,
    }

    impl Read for &mut Notes {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if self.allocations.len() == self.allocations.capacity() {
                return Ok(0);
            }
            self.allocations.push(Counting::so_far());
            room[..3].copy_from_slice(b"abc");
            Ok(3)
        }
    }

    impl Stream for &mut Notes {
        fn send(&mut self, bytes: &[u8], _last: bool) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn end_sending(&self) -> io::Result<()> {
            Ok(())
        }

        fn limit_reading(&self, _limit: Duration) -> io::Result<()> {
            Ok(())
        }

        fn unacknowledged(&self) -> usize {
            0
        }
    }

    #[test]
    fn a_message_costs_no_allocation() {
        let program = crate::PROGRAM;
        let language = common::console::language::Language::English;
        let words = ["x", "--quiet", "--serve", "until-eof"].map(Into::into);
        let options = Options::parse(program, language, words).unwrap();
        let context = Context::new(program, options).unwrap();
        let mut notes = Notes {
            allocations: Vec::with_capacity(10),
        };
        let mut totals = Totals::default();
        let address = "127.0.0.1:1".parse().unwrap();
        let worker = Worker::Thread(1);
        handle_client(
            &mut notes,
            address,
            worker,
            &context,
            &mut totals,
            || true,
        );
        assert_eq!(totals.sent, 30);
        let notes = notes.allocations;
        assert!(notes.iter().all(|count| *count == notes[0]), "{notes:?}");
    }

    /// A client whose first bytes arrive, and whose reply makes the server
    /// panic.
    struct Panics;

    impl Read for Panics {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            room[..3].copy_from_slice(b"abc");
            Ok(3)
        }
    }

    impl Stream for Panics {
        fn send(&mut self, _bytes: &[u8], _last: bool) -> io::Result<usize> {
            panic!("on purpose");
        }

        fn end_sending(&self) -> io::Result<()> {
            Ok(())
        }

        fn limit_reading(&self, _limit: Duration) -> io::Result<()> {
            Ok(())
        }

        fn unacknowledged(&self) -> usize {
            0
        }
    }

    fn clients() -> Arc<Clients> {
        let program = crate::PROGRAM;
        assert_eq!(program.serve, Serve::Once);
        let words = ["threads-server".into(), "--quiet".into()];
        let language = common::console::language::Language::English;
        let options = Options::parse(program, language, words).unwrap();
        let context = Context::new(program, options).unwrap();
        Arc::new(Clients::new(Arc::new(context)))
    }

    /// Both ends of a connection, and the client's address.
    fn pair() -> (TcpStream, Arc<TcpStream>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (stream, address) = listener.accept().unwrap();
        (client, Arc::new(stream), address)
    }

    #[test]
    fn a_panic_takes_its_own_client_along_and_no_other() {
        let clients = clients();
        let (mut doomed, stream, address) = pair();
        let place = clients.enter(1, &stream, address);
        let thread = thread::spawn({
            let clients = Arc::clone(&clients);
            move || {
                // The thread owns its share of the socket.
                let _stream = stream;
                let mut place = place;
                let worker = Worker::Thread(1);
                let totals = &mut place.totals;
                handle_client(
                    Panics,
                    address,
                    worker,
                    clients.context(),
                    totals,
                    || true,
                );
            }
        });
        let (mut client, stream, address) = pair();
        crate::create_thread(&clients, 2, &stream, address).unwrap();
        drop(stream);
        assert!(thread.join().is_err());
        // The doomed one is closed, and what it had sent is counted.
        let mut nothing = Vec::new();
        doomed.read_to_end(&mut nothing).unwrap();
        assert!(nothing.is_empty());
        assert_eq!(clients.totals().received, 3);
        assert_eq!(clients.totals().sent, 0);
        assert_eq!(clients.count(), 1);
        // The other one is served as if nothing had happened.
        client.write_all(b"hola").unwrap();
        let mut reply = [0; 4];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"hola");
    }

    #[test]
    fn a_stop_spares_whom_all_is_said_to_until_the_grace_is_over() {
        let clients = clients();
        let (mut early, stream, address) = pair();
        let _place = clients.enter(1, &stream, address);
        let (mut late, other, address) = pair();
        let _other = clients.enter(2, &other, address);
        assert!(clients.spare(1));
        clients.shutdown(Shutdown::Read);
        assert!(!clients.spare(2), "the stop came first");
        let mut room = [0; 1];
        // What it sends still arrives; of the other there is nothing to hear.
        early.write_all(b"x").unwrap();
        assert_eq!((&*stream).read(&mut room).unwrap(), 1);
        assert_eq!((&*other).read(&mut room).unwrap(), 0);
        clients.shutdown(Shutdown::Both);
        for client in [&mut early, &mut late] {
            assert_eq!(client.read(&mut room).unwrap(), 0);
        }
    }

    #[test]
    fn who_enters_after_the_stop_has_begun_hears_of_it() {
        let clients = clients();
        clients.shutdown(Shutdown::Read);
        let (_client, stream, address) = pair();
        let _place = clients.enter(1, &stream, address);
        assert_eq!((&*stream).read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_place_given_back_is_a_client_less() {
        let clients = clients();
        let (_client, stream, address) = pair();
        let place = clients.enter(7, &stream, address);
        assert_eq!(clients.count(), 1);
        drop(place);
        assert_eq!(clients.count(), 0);
        assert_eq!(Arc::strong_count(&stream), 1);
    }

    #[test]
    fn a_stop_reaches_every_client() {
        let clients = clients();
        let (_client, stream, address) = pair();
        let _place = clients.enter(1, &stream, address);
        clients.shutdown(Shutdown::Read);
        let mut nothing = Vec::new();
        (&*stream).read_to_end(&mut nothing).unwrap();
        assert!(nothing.is_empty());
    }
}
