//! One thread for each connection.
//!
//! The main thread only accepts. Each client gets a thread of its own, which
//! may block while its client is silent: the kernel runs the other threads
//! meanwhile.
//!
//! Read `serve` first, then `common/src/echo.rs` for what a thread does with
//! its client, then `clients.rs` for what the threads share.

// What the threads share, and the form with `--workers`.
mod clients;
mod workers;

// Threads, panics and shared ownership.
use clients::Clients;
use common::Context;
use common::console::errors::{Failure, TransientError};
use common::console::log::Worker;
use common::console::options::{Program, Serve};
use common::echo::handle_client;
use common::listener::Listener;
use common::shutdown::Stop;
use common::totals::Totals;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

/// What the command line depends on.
const PROGRAM: Program =
    Program { name: "threads-server", serve: Serve::Once, backend: None };

/// Reads the options, listens, and calls `serve`.
fn main() -> ExitCode {
    common::run(PROGRAM, |context, listener, stop| {
        match context.options.workers {
            // A thread for each client.
            None => serve(context, listener, stop),
            // Threads that exist before the first client.
            Some(number) => workers::serve(context, listener, stop, number),
        }
    })
}

/// Serves clients until a stop; returns what was received and sent.
fn serve(
    context: &Arc<Context>,
    mut listener: Listener,
    mut stop: Stop,
) -> Result<Totals, Failure> {
    // `Arc` counts the threads that share the table; the last one frees it.
    let clients = Arc::new(Clients::new(Arc::clone(context)));
    // Threads are numbered in the order of their creation.
    let mut number = 1;
    listener.print_listening()?;
    // The endless loop of the original; here it ends after a stop, when the
    // last client has left.
    while !stop.is_complete(clients.count() + listener.deferred()) {
        // 1. Accept a client
        // The main thread sleeps here until a client comes. A signal, or a
        // thread that ends, also ends the wait, without a client.
        if let Some(connection) = listener.accept(clients.count(), &stop)? {
            // 2. A new socket for the connection
            // The table and the thread share it: the table needs it for the
            // stop, and for the case that no thread can be created.
            let (stream, address) = connection;
            let stream = Arc::new(stream);
            clients.insert(number, &stream);
            let shared = (Arc::clone(&clients), Arc::clone(&stream));

            // 3. Create a thread
            // `ps -T` shows the name. Dropping the handle that `spawn` returns
            // detaches the thread: its resources are freed when it ends.
            let name = format!("thread {number}");
            let created = thread::Builder::new().name(name).spawn(move || {
                // 4. From the new thread: receive, print, send, close
                // `move` has given this closure its own references.
                let (clients, stream) = shared;
                let (context, worker) =
                    (&clients.context, Worker::Thread(number));
                let mut totals = Totals::default();
                // A panic in the handler ends this client only: catch_unwind
                // stops it here.
                let result = catch_unwind(AssertUnwindSafe(|| {
                    // The same function as in a process.
                    handle_client(
                        &stream,
                        address,
                        worker,
                        context,
                        &mut totals,
                    );
                }));
                // The table has the last reference now, and `remove` closes
                // the socket.
                drop(stream);
                clients.remove(number, address, totals, &result);
            });
            // The kernel may have no room for another thread.
            match created {
                // The main thread goes on to the next client.
                Ok(_detached) => number += 1,
                // EAGAIN or ENOMEM: this client waits, the others go on. The
                // closure is dropped, so this is the socket's last owner.
                Err(error) => {
                    clients.cancel(number);
                    if let Some(stream) = Arc::into_inner(stream) {
                        // The listener returns it again after a pause.
                        let kind = TransientError::Thread;
                        listener.defer((stream, address), kind, &error);
                    }
                }
            }
        }
        // 5. Stop
        // Each thread that waits for its client wakes up by this.
        if let Some(side) = stop.next_shutdown(clients.count()) {
            listener.close();
            clients.shutdown(side);
        }
    }
    Ok(Totals { clients: listener.accepted, ..clients.totals() })
}
