//! The same approach with its threads created beforehand: `--workers N`.
//!
//! Each thread accepts and serves, one client after the other. No thread has
//! to be created while a client waits, and there are never more than N; in
//! return the client after the N-th waits until somebody else has left.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;

use common::Server;
use common::constants::RETRY_PAUSE;
use common::echo::handle_client;
use common::failure::Failure;
use common::listener::{Accepted, Event, Listener, accept};
use common::stop;
use common::totals::Totals;
use common::transcript::Worker;
use socket2::SockRef;

use crate::clients::Clients;

/// Serves clients by so many threads until a stop; returns what they received
/// and sent.
pub fn serve(
    server: &Arc<Server>,
    mut listener: Listener,
    workers: usize,
) -> Result<Totals, Failure> {
    let clients = Arc::new(Clients::new(Arc::clone(server)));
    let address = listener.address()?;
    // The threads wait in accept(2) itself, where the kernel wakes one of
    // them for each client; poll(2) would wake them all.
    let socket = listener.hand_over()?;
    // By this channel a thread says that it has ended, and how.
    let (sender, ended) = mpsc::channel();
    for number in 1..=workers as u64 {
        let clients = Arc::clone(&clients);
        let socket = Arc::clone(&socket);
        let sender = sender.clone();
        thread::Builder::new()
            .name(format!("thread {number}"))
            .spawn(move || {
                let result = work(number, &socket, &clients);
                // Nobody listens once the server gives up: no loss.
                sender.send(result).ok();
                stop::wake();
            })?;
    }
    server.transcript.listening(address);
    let mut alive = workers;
    while let Some(event) = listener.next(alive)? {
        match event {
            // Only a thread that was told to stop ends without an error.
            Event::Wake => {
                for result in ended.try_iter() {
                    alive -= 1;
                    result?;
                }
            }
            Event::Stop(side) => {
                // Wakes the threads that wait in accept(2), on Linux, and
                // resets the clients that are still in the queue.
                SockRef::from(&*socket).shutdown(Shutdown::Both).ok();
                clients.shutdown(side);
            }
            // The listening socket is no longer the listener's.
            Event::Client(..) => {}
        }
    }
    Ok(clients.totals())
}

/// What each thread does: accepts and serves until the stop.
fn work(
    number: u64,
    socket: &TcpListener,
    clients: &Arc<Clients>,
) -> Result<(), Failure> {
    loop {
        // 1. Accept a client
        match accept(socket, &clients.server().transcript) {
            // 2. A new socket for the connection
            Ok(Accepted::Client(stream, address)) => {
                serve_one(number, stream, address, clients);
            }
            // The idle limit holds for accept(2) as well: once more.
            Ok(Accepted::Nobody) => {}
            // Descriptors or memory have run out: others may free some.
            Ok(Accepted::Exhausted) => thread::sleep(RETRY_PAUSE),
            // EINVAL: the socket was shut down, for a stop.
            Err(_) if stop::requested() => return Ok(()),
            Err(failure) => return Err(failure),
        }
    }
}

/// Serves one client in the thread of this number.
fn serve_one(
    number: u64,
    stream: TcpStream,
    address: SocketAddr,
    clients: &Arc<Clients>,
) {
    let stream = Arc::new(stream);
    let mut place = clients.enter(number, &stream, address);
    place.totals.clients = 1;
    // The stop may have come between accept(2) and the line above, and then
    // nobody has told this client yet.
    if stop::requested() {
        stream.shutdown(Shutdown::Read).ok();
    }
    // 4. From the thread: receive, print, send, close
    // A panic ends the client. The thread is needed for the next one, so the
    // panic must not unwind any further.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut place = place;
        let worker = Worker::Thread(number);
        let totals = &mut place.totals;
        handle_client(&*stream, address, worker, clients.server(), totals);
    }));
    // Its message is on standard error, its line in the transcript.
    drop(result);
}
