//! One thread for each connection.
//!
//! The main thread does nothing but accept. Every client gets a thread of its
//! own, which may block for as long as its client is silent: only that thread
//! waits, and the kernel runs the others meanwhile.
//!
//! Read `serve` first, then `common/src/echo.rs` for what a thread does with
//! its client, then `clients.rs` for what the threads share.

// The clients, and the second form of the same approach.
mod clients;
mod workers;

// From the standard library: sockets, threads, and shared ownership.
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

// From the file beside this one, and from the common ground.
use clients::Clients;
use common::Context;
use common::console::errors::{Failure, TransientError};
use common::console::log::Worker;
use common::console::options::{Program, Serve};
use common::echo::handle_client;
use common::listener::{Event, Listener};
use common::totals::Totals;

/// What the command line needs to know of this server.
const PROGRAM: Program = Program {
    name: "threads-server",
    serve: Serve::Once,
    backend: None,
};

/// Reads the options, listens, and calls `serve`.
fn main() -> ExitCode {
    common::run(PROGRAM, |context, listener| match context.options.workers {
        // A thread for each client.
        None => serve(context, listener),
        // Threads that exist before the first client.
        Some(number) => workers::serve(context, listener, number),
    })
}

/// Serves clients until a stop; returns what they received and sent.
fn serve(
    context: &Arc<Context>,
    mut listener: Listener,
) -> Result<Totals, Failure> {
    // Every thread outlives this function as far as the compiler can tell, so
    // what they share is owned by all: `Arc` counts its owners and frees it
    // with the last one.
    let clients = Arc::new(Clients::new(Arc::clone(context)));
    // The first line: clients may come.
    listener.announce()?;
    // Threads are told apart by the order of their creation.
    let mut number = 1;
    // The endless loop of the original, with an end: `next` returns `None`
    // when the server was asked to stop and the last client has left. The `?`
    // hands an error to the caller and ends this function.
    while let Some(event) = listener.next(clients.count())? {
        match event {
            // 1. Accept a client
            Event::Client(stream, address) => {
                // 2. A new socket for the connection
                // The main thread keeps a share of it for the case that no
                // thread can be created, and for the stop.
                let stream = Arc::new(stream);
                match create_thread(&clients, number, &stream, address) {
                    // Dropping the handle detaches the thread: nobody waits
                    // for it, it frees its resources by itself.
                    Ok(_handle) => number += 1,
                    // The closure is gone, and its share of the socket with
                    // it, so this one is the last.
                    Err(error) => {
                        if let Some(stream) = Arc::into_inner(stream) {
                            // EAGAIN or ENOMEM, in other words.
                            let trouble = TransientError::Thread;
                            // It is handed out again after a pause.
                            listener.keep(stream, address, trouble, &error);
                        }
                    }
                }
            }
            // A thread has left a full house: `next` counts again.
            Event::Wake => {}
            // 5. Stop
            // Each thread that waits for its client wakes up by this.
            Event::Stop(side) => clients.shutdown(side),
        }
    }
    // What the threads added up under their lock, and what was accepted.
    Ok(Totals {
        clients: listener.accepted(),
        ..clients.totals()
    })
}

/// Creates the thread that serves one client.
///
/// # Errors
///
/// EAGAIN or ENOMEM, when the system has no room for another thread.
fn create_thread(
    clients: &Arc<Clients>,
    number: u64,
    stream: &Arc<TcpStream>,
    address: SocketAddr,
) -> io::Result<thread::JoinHandle<()>> {
    // Entered before the thread exists: a stop that comes now finds it.
    let place = clients.enter(number, stream, address);
    // The thread's own shares of what it uses.
    let stream = Arc::clone(stream);
    let clients = Arc::clone(clients);
    // 3. Create a thread
    // The name is for `ps -T` and for the message of a panic.
    thread::Builder::new()
        .name(format!("thread {number}"))
        // `move`: the closure takes its variables along into the new thread,
        // for this function returns while that thread has hardly begun.
        .spawn(move || {
            // 4. From the new thread: receive, print, send, close
            // By this name it appears in the transcript.
            let worker = Worker::Thread(number);
            // A closure captures no more than it names: without this line a
            // copy of the totals, while the place itself was left behind.
            let mut place = place;
            let totals = &mut place.totals;
            // The options, and where the lines go.
            let context = clients.context();
            // When its last message has come, a stop leaves it in peace.
            let spare = || clients.spare(number);
            // A panic in here unwinds this thread alone. Its socket is closed
            // and its place given back as its variables are dropped.
            handle_client(&*stream, address, worker, context, totals, spare);
        })
}
