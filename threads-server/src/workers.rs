//! The same approach with its threads created beforehand: `--workers N`.
//!
//! Each thread accepts and serves, one client after the other. No thread has
//! to be created while a client waits, and there are never more than N; in
//! return the client after the N-th waits until somebody else has left.

// Sockets, threads, and a channel by which they report their end.
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

// From the common ground; socket2 can shut down a listening socket.
use common::Context;
use common::console::errors::Failure;
use common::console::log::Worker;
use common::constants::RETRY_PAUSE;
use common::echo::handle_client;
use common::listener::{Accepted, Event, Listener, accept};
use common::shutdown;
use common::totals::Totals;
use socket2::SockRef;

// The same table of clients as without `--workers`.
use crate::clients::Clients;

/// Serves clients by so many threads until a stop; returns what they received
/// and sent.
pub fn serve(
    context: &Arc<Context>,
    mut listener: Listener,
    workers: usize,
) -> Result<Totals, Failure> {
    // The same table as without `--workers`.
    let clients = Arc::new(Clients::new(Arc::clone(context)));
    // Asked now, for the listener is about to give its socket away.
    let address = listener.address()?;
    // The threads wait in accept(2) itself, where the kernel wakes one of
    // them for each client; poll(2) would wake them all.
    let socket = listener.hand_over()?;
    // All threads begin at the same moment: when the first line was printed.
    let start = Arc::new(Barrier::new(workers + 1));
    // By this channel a thread says that it has ended, and how.
    let (sender, ended) = mpsc::channel();
    // 1. Create the threads
    // No more of them, and no fewer, whoever comes.
    for number in 1..=workers as u64 {
        // The thread's own shares of what it uses.
        let clients = Arc::clone(&clients);
        let socket = Arc::clone(&socket);
        // Whoever waits at it needs a share, too.
        let start = Arc::clone(&start);
        // A channel takes any number of senders.
        let sender = sender.clone();
        // A failure here ends the server before it has begun: `?`.
        thread::Builder::new()
            .name(format!("thread {number}"))
            .spawn(move || {
                // Nobody may be served by a server that is not there yet.
                start.wait();
                // 2. From each thread
                // Until the stop, client after client.
                let result = work(number, &socket, &clients);
                // Nobody listens once the server gives up: no loss.
                sender.send(result).ok();
                // The main thread waits in poll(2), not at the channel.
                shutdown::wake();
            })?;
    }
    // All threads exist: now clients are welcome.
    context.log.print_listening(address);
    // The last one to arrive at the barrier opens it for all.
    start.wait();
    // How many threads have not ended yet.
    let mut alive = workers;
    // From here on the main thread only waits for signals.
    while let Some(event) = listener.next(alive)? {
        match event {
            // Only a thread that was told to stop ends without an error.
            Event::Wake => {
                // All that have ended by now.
                for result in ended.try_iter() {
                    alive -= 1;
                    // An error of one is a mistake in all of them.
                    result?;
                }
            }
            // 3. Stop
            Event::Stop(side) => {
                // Wakes the threads that wait in accept(2), on Linux, and
                // resets the clients that are still in the queue.
                SockRef::from(&*socket).shutdown(Shutdown::Both).ok();
                // Those who are being served may finish.
                clients.shutdown(side);
            }
            // The listening socket is no longer the listener's.
            Event::Client(..) => {}
        }
    }
    // Every place was given back, and every client counted in it.
    Ok(clients.totals())
}

/// What each thread does: accepts and serves until the stop.
fn work(
    number: u64,
    socket: &TcpListener,
    clients: &Arc<Clients>,
) -> Result<(), Failure> {
    // The endless loop of the original, in each thread.
    loop {
        // 2.1 Accept a client
        // Here the thread waits for its next one.
        let log = &clients.context().log;
        let accepted = accept(socket, |trouble, error| {
            // All threads share the spell: one line for the same shortage.
            log.report_transient(trouble, error);
        });
        // Somebody, nobody, or a reason not to go on like this.
        match accepted {
            // One of the waiting threads gets it; the others sleep on.
            Ok(Accepted::Client(stream, address)) => {
                serve_one(number, stream, address, clients);
            }
            // The idle limit holds for accept(2) as well: once more.
            Ok(Accepted::Nobody) => {}
            // Descriptors or memory have run out: others may free some.
            Ok(Accepted::Exhausted) => thread::sleep(RETRY_PAUSE),
            // EINVAL: the socket was shut down, for a stop.
            Err(_) if shutdown::requested() => return Ok(()),
            // EBADF and the like: a mistake in this program.
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
    // One share for the table, one for this thread.
    let stream = Arc::new(stream);
    // As without `--workers`, but for the number, which stays the thread's.
    let mut place = clients.enter(number, &stream, address);
    // Counted here, since it was accepted here.
    place.totals.clients = 1;
    // A panic ends the client. The thread is needed for the next one, so the
    // panic must not unwind any further than this.
    let result = catch_unwind(AssertUnwindSafe(|| {
        // Moved in here, so that unwinding drops it and gives it back.
        let mut place = place;
        let worker = Worker::Thread(number);
        // Counted in its place, as it goes.
        let totals = &mut place.totals;
        let context = clients.context();
        // When its last message has come, a stop leaves it in peace.
        let spare = || clients.spare(number);
        // 2.2 Receive, print, send, close
        // The same function as in a thread for each client.
        handle_client(&*stream, address, worker, context, totals, spare);
    }));
    // The message of a panic is on standard error, its line in the transcript.
    drop(result);
}
