//! The clients being served: what their threads and the main thread share.
//!
//! One lock guards all of it. No thread holds it during a system call that
//! may block, so no thread waits for it for long; and with one lock there is
//! no order of locking to get wrong.

// A table, shared ownership and a lock; the socket's rule at a stop.
use common::Context;
use common::closing::shut_down;
use common::console::log::{Ending, Event, Worker};
use common::shutdown;
use common::totals::Totals;
use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The table of the clients being served.
#[derive(Debug)]
pub struct Clients {
    /// The options, and where lines are printed; no lock, since nothing in
    /// there changes after the start.
    pub context: Arc<Context>,
    /// All that changes; Rust gives access to it only through the lock.
    state: Mutex<State>,
}

/// What the lock guards.
#[derive(Debug, Default)]
struct State {
    /// The socket of each client, by the number of its thread.
    active: HashMap<u64, Arc<TcpStream>>,
    /// Whether a stop has begun.
    stopping: bool,
    /// What the clients that have left received and sent.
    totals: Totals,
}

impl Clients {
    /// An empty table.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context, state: Mutex::default() }
    }

    /// How many clients are being served.
    pub fn count(&self) -> usize {
        self.lock().active.len()
    }

    /// What the clients that have left received and sent.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Adds a client, before its thread runs: a stop finds it from here on.
    pub fn insert(&self, number: u64, stream: &Arc<TcpStream>) {
        let mut state = self.lock();
        // A worker may have accepted this client while the stop began, when
        // `shutdown` could not find it here.
        if state.stopping {
            shut_down(stream, Shutdown::Read);
        }
        state.active.insert(number, Arc::clone(stream));
    }

    /// Removes a client for which no thread could be created.
    pub fn cancel(&self, number: u64) {
        self.lock().active.remove(&number);
    }

    /// Removes a client that has been served, and adds up its totals; `result`
    /// tells whether its handler has panicked.
    pub fn remove(
        &self,
        number: u64,
        address: SocketAddr,
        totals: Totals,
        result: &thread::Result<()>,
    ) {
        // A panic has ended the handler before it could print the last line.
        if result.is_err() {
            let worker = Worker::Thread(number);
            let event = Event::Closed(Ending::Panicked);
            self.context.log.print_event(worker, address, &event);
        }
        // Two threads that add at the same time could lose one of the sums;
        // the lock makes one of them wait.
        let mut state = self.lock();
        let was_full = state.active.len() >= self.context.options.max_clients;
        let stream = state.active.remove(&number);
        state.totals += totals;
        // Dropping the last reference closes the socket; no other thread has
        // to wait for that.
        drop(state);
        drop(stream);
        // The main thread waits for the end of a thread only at the client
        // limit and during a stop.
        if was_full || shutdown::requested() {
            shutdown::wake();
        }
    }

    /// At a stop, shuts down one side, or both, of every client's socket: a
    /// thread that is blocked in recv(2) or poll(2) on it continues at once.
    pub fn shutdown(&self, side: Shutdown) {
        let mut state = self.lock();
        state.stopping = true;
        for stream in state.active.values() {
            shut_down(stream, side);
        }
    }

    /// Locks the state until the returned guard is dropped.
    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panics while it holds a lock poisons it. Nothing here
        // panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::panic::catch_unwind;

    use allocation_counter::measure;
    use common::console::language::Language;
    use common::console::options::Options;
    use common::echo::handle_client;

    use super::*;

    fn clients(words: &str) -> Clients {
        let words = format!("threads-server --quiet {words}");
        let words = words.split_whitespace().map(Into::into);
        let options = Options::parse(crate::PROGRAM, Language::English, words);
        let context = Context::new(crate::PROGRAM, options.unwrap()).unwrap();
        Clients::new(Arc::new(context))
    }

    /// Both ends of a connection, and the client's address.
    fn pair() -> (TcpStream, Arc<TcpStream>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (stream, address) = listener.accept().unwrap();
        (client, Arc::new(stream), address)
    }

    /// How often the serving thread allocates for so many messages.
    fn allocations(messages: usize) -> u64 {
        let clients = clients("--serve until-eof");
        let (mut client, stream, address) = pair();
        let serving = thread::spawn(move || {
            let mut totals = Totals::default();
            let (context, worker) = (&clients.context, Worker::Thread(1));
            let allocated = measure(|| {
                handle_client(&stream, address, worker, context, &mut totals);
            });
            assert_eq!(totals.sent, 3 * messages as u64);
            allocated.count_total
        });
        for _ in 0..messages {
            client.write_all(b"abc").unwrap();
            client.read_exact(&mut [0; 3]).unwrap();
        }
        drop(client);
        serving.join().unwrap()
    }

    #[test]
    fn a_message_costs_no_allocation() {
        assert_eq!(allocations(2), allocations(20));
    }

    #[test]
    fn a_panic_takes_its_own_client_along_and_no_other() {
        let clients = clients("");
        let (mut doomed, stream, address) = pair();
        clients.insert(1, &stream);
        let (mut other, other_stream, _) = pair();
        clients.insert(2, &other_stream);
        let result = catch_unwind(|| panic!("on purpose"));
        drop(stream);
        let totals = Totals { clients: 0, received: 3, sent: 0 };
        clients.remove(1, address, totals, &result);
        // The doomed one is closed, and what it had sent is counted.
        assert_eq!(doomed.read(&mut [0; 1]).unwrap(), 0);
        assert_eq!((clients.count(), clients.totals().received), (1, 3));
        // The other one is as it was.
        other.write_all(b"x").unwrap();
        assert_eq!((&*other_stream).read(&mut [0; 1]).unwrap(), 1);
    }

    #[test]
    fn a_client_that_comes_after_the_stop_has_begun_is_told() {
        let clients = clients("");
        clients.shutdown(Shutdown::Read);
        let (_client, stream, _) = pair();
        clients.insert(1, &stream);
        assert_eq!((&*stream).read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn a_stop_reaches_every_client() {
        let clients = clients("");
        let (_client, stream, _) = pair();
        clients.insert(1, &stream);
        clients.shutdown(Shutdown::Read);
        assert_eq!((&*stream).read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn a_client_without_a_thread_leaves_the_table() {
        let clients = clients("");
        let (_client, stream, _) = pair();
        clients.insert(7, &stream);
        clients.cancel(7);
        assert_eq!(clients.count(), 0);
        assert_eq!(Arc::strong_count(&stream), 1);
    }
}
