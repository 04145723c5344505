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
        // the lock makes one of them wait. Removing the table's reference, the
        // last one, closes the socket.
        let mut state = self.lock();
        let was_full = state.active.len() >= self.context.options.max_clients;
        state.active.remove(&number);
        state.totals += totals;
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
