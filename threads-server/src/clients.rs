//! The clients being served: what their threads and the main thread share.
//!
//! One lock guards all of it. It is held for a few instructions and never
//! during a system call that could block, so no thread can wait for another
//! for long, and with a single lock there is no order to get wrong.

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use common::Server;
use common::stop;
use common::totals::Totals;
use common::transcript::{Ending, Event, Worker};

/// The table of the clients being served.
#[derive(Debug)]
pub struct Clients {
    server: Arc<Server>,
    state: Mutex<State>,
}

/// What the lock guards.
#[derive(Debug, Default)]
struct State {
    /// The socket of each client, by the number of its thread.
    live: HashMap<u64, Arc<TcpStream>>,
    /// What the clients who have left received and sent.
    totals: Totals,
}

impl Clients {
    /// An empty table.
    pub fn new(server: Arc<Server>) -> Self {
        Self {
            server,
            state: Mutex::default(),
        }
    }

    /// The options and the transcript.
    pub fn server(&self) -> &Server {
        &self.server
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
        self.lock().live.insert(number, Arc::clone(stream));
        Place {
            clients: Arc::clone(self),
            number,
            address,
            totals: Totals::default(),
        }
    }

    /// Shuts down this side of every client's socket: a thread blocked in
    /// recv(2) or send(2) on it returns at once.
    pub fn shutdown(&self, side: Shutdown) {
        for stream in self.lock().live.values() {
            // ENOTCONN: the client was faster.
            stream.shutdown(side).ok();
        }
    }

    /// The state, locked.
    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panics while it holds a lock poisons it. Nothing here
        // panics half-way through a change, so the state is sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one client in the table; owned by its thread.
#[derive(Debug)]
pub struct Place {
    clients: Arc<Clients>,
    number: u64,
    address: SocketAddr,
    /// What this client has received and sent so far.
    pub totals: Totals,
}

/// The client leaves when its thread ends, by a panic too: unwinding drops
/// what the thread owns.
impl Drop for Place {
    fn drop(&mut self) {
        let clients = &self.clients;
        if thread::panicking() {
            let worker = Worker::Thread(self.number);
            let event = Event::Closed(Ending::Panicked);
            clients.server.transcript.say(worker, self.address, &event);
        }
        let mut state = clients.lock();
        let full = state.live.len() >= clients.server.options.max_clients;
        state.live.remove(&self.number);
        state.totals += self.totals;
        // The main thread looks at the table by itself whenever a client
        // comes; only a full house or a stop makes it wait for one to leave.
        if full || stop::requested() {
            stop::wake();
        }
    }
}
