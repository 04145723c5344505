//! The same approach with its threads created beforehand: `--workers N`.
//!
//! Each thread accepts a client, serves it, and accepts the next. No thread is
//! created while a client waits, and there are never more than N; in return
//! the client after the N-th waits until another one has left.

// Threads, a barrier, and a channel by which the threads report their end;
// socket2 can shut down a listening socket.
use crate::clients::Clients;
use common::Context;
use common::console::errors::Failure;
use common::console::log::Worker;
use common::constants::RETRY_PAUSE;
use common::echo::handle_client;
use common::listener::{Accepted, Connection, Listener, accept_from};
use common::shutdown::{self, Stop};
use common::totals::Totals;
use socket2::SockRef;
use std::io;
use std::net::{Shutdown, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

/// Serves clients by `workers` threads until a stop; returns what was received
/// and sent.
pub fn serve(
    context: &Arc<Context>,
    mut listener: Listener,
    mut stop: Stop,
    workers: usize,
) -> Result<Totals, Failure> {
    let clients = Arc::new(Clients::new(Arc::clone(context)));
    // The threads block in accept(2), where the kernel wakes one of them for
    // each client; poll(2) would wake all of them.
    let not_listening = || io::Error::from(io::ErrorKind::NotConnected);
    let socket = listener.socket.take().ok_or_else(not_listening)?;
    socket.set_nonblocking(false)?;
    // No thread accepts before all threads exist and the first line is out.
    let start = Arc::new(Barrier::new(workers + 1));
    // Through this channel a thread reports that it has ended, and how.
    let (sender, ended) = mpsc::channel();

    // 1. Create the threads
    // An error here ends the server before it has begun.
    for number in 1..=workers as u64 {
        // The thread's own references to what all threads share.
        let (clients, socket) = (Arc::clone(&clients), Arc::clone(&socket));
        let (start, sender) = (Arc::clone(&start), sender.clone());
        let name = format!("thread {number}");
        thread::Builder::new().name(name).spawn(move || {
            // Until the first line is printed.
            start.wait();
            // 2. From each thread: accept, receive, print, send, close
            // Client after client, until the stop or a mistake.
            let result = worker_loop(number, &socket, &clients);
            // The main thread waits in poll(2), not at the channel. If it has
            // given up already, the report is not needed.
            sender.send(result).ok();
            shutdown::wake();
        })?;
    }
    // All threads exist: the first line, and then the barrier opens.
    context.log.print_listening(socket.local_addr()?);
    start.wait();

    // From here on the main thread waits for signals and for ended threads.
    let mut alive = workers;
    while !stop.is_complete(alive) {
        // A signal or the end of a thread ends this wait.
        let waited = stop.wait(None, None);
        waited.or_else(|errno| listener.retry_or_fail(errno))?;
        // Without a stop a thread ends only by a mistake in this program.
        for result in ended.try_iter() {
            alive -= 1;
            result?;
        }
        // 3. Stop
        // On Linux this wakes the threads that wait in accept(2), and resets
        // the clients that are still in the queue.
        if let Some(side) = stop.next_shutdown(clients.count()) {
            SockRef::from(&*socket).shutdown(Shutdown::Both).ok();
            clients.shutdown(side);
        }
    }
    Ok(clients.totals())
}

/// What each thread does: accepts and serves until the stop.
fn worker_loop(
    number: u64,
    socket: &TcpListener,
    clients: &Clients,
) -> Result<(), Failure> {
    // All threads share the log, so one line reports the same shortage.
    let log = &clients.context.log;
    loop {
        // 2.1 Accept a client
        // This thread sleeps here until a client comes.
        let accepted = accept_from(socket, |kind, error| {
            log.report_transient(kind, error);
        });
        match accepted {
            // This thread accepts no other client meanwhile.
            Ok(Accepted::Client(client)) => serve_one(number, client, clients),
            // The idle limit holds for accept(2), too: accept again.
            Ok(Accepted::NoClient) => {}
            // Another thread may free descriptors or memory.
            Ok(Accepted::Exhausted) => thread::sleep(RETRY_PAUSE),
            // EINVAL: the stop has shut the socket down.
            Err(_) if shutdown::requested() => return Ok(()),
            Err(failure) => return Err(failure),
        }
    }
}

/// Serves one client in the thread of this number.
fn serve_one(number: u64, (stream, address): Connection, clients: &Clients) {
    let stream = Arc::new(stream);
    clients.insert(number, &stream);
    // Counted here, because it was accepted here.
    let mut totals = Totals { clients: 1, ..Totals::default() };
    // 2.2 Receive, print, send, close
    // A panic ends this client; the thread goes on with the next one.
    let (context, worker) = (&clients.context, Worker::Thread(number));
    let result = catch_unwind(AssertUnwindSafe(|| {
        handle_client(&stream, address, worker, context, &mut totals);
    }));
    // The table has the last reference now, and `remove` closes the socket.
    drop(stream);
    clients.remove(number, address, totals, &result);
}
