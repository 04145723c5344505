//! One loop for all connections.
//!
//! One thread serves all clients. The loop asks the kernel which sockets are
//! ready, goes on with each of these clients as far as possible without
//! waiting, and asks again.
//!
//! Read `serve` first, then `client.rs` for what the loop remembers of each
//! client, `clients.rs` for the list, and `poll.rs`, `select.rs`, `epoll.rs`
//! for how the kernel is asked.

// A client, the list of clients, and three ways to ask which are ready.
mod client;
mod clients;
#[cfg(target_os = "linux")]
mod epoll;
mod poll;
mod poller;
mod select;
mod workers;

// Processes and shared ownership.
use std::process::ExitCode;
use std::sync::Arc;

// From the files beside this one, and what all three servers share.
use clients::{Clients, Shared};
use common::Context;
use common::console::errors::Failure;
use common::console::log::Worker;
use common::console::options::{Backend, Program, Serve};
use common::listener::Listener;
use common::shutdown::Stop;
use common::totals::Totals;

/// What the command line depends on.
const PROGRAM: Program = Program {
    name: "mux-server",
    serve: Serve::UntilEof,
    backend: Some(Backend::Poll),
};

/// Reads the options, listens, and calls `serve`.
fn main() -> ExitCode {
    common::run(PROGRAM, |context, listener, stop| {
        match context.options.workers {
            // One loop for all clients.
            None => serve(context, listener, stop),
            // Several loops, each in a thread of its own.
            Some(number) => workers::serve(context, listener, stop, number),
        }
    })
}

/// Serves clients until a stop; returns what was received and sent.
fn serve(
    context: &Arc<Context>,
    listener: Listener,
    stop: Stop,
) -> Result<Totals, Failure> {
    // 1. Initialise the list of sockets
    // At first it holds the signal pipe; `wait` adds the listening socket.
    let clients = Clients::new(context, &stop, Worker::Loop, Arc::default())?;
    listener.print_listening()?;
    serve_clients(context, listener, stop, clients)
}

/// The loop itself. With `--workers` each thread runs one.
fn serve_clients(
    context: &Context,
    mut listener: Listener,
    mut stop: Stop,
    mut clients: Clients,
) -> Result<Totals, Failure> {
    // The totals and one buffer. One thread uses them, so they need no lock.
    let mut shared = Shared::new(context);
    // Kept between the rounds, so that a round allocates nothing.
    let mut ready = Vec::new();
    // The endless loop of the original; here it ends after a stop, when the
    // last client has left.
    while !stop.is_complete(clients.count()) {
        // 2. Wait for one or more connections
        // The loop sleeps here until the kernel reports a ready socket, for
        // all clients at once, or until a deadline has passed.
        clients.wait(&mut listener, &stop, &mut ready)?;
        // 3. Iterate over the connections that are ready
        // The kernel names them by the numbers of their descriptors.
        for fd in ready.drain(..) {
            // 4. For each of them
            // The listening socket is ready when a client is in its queue.
            if clients.is_listener(fd) {
                // 4.1 A new socket for the connection
                // One client each time. None if another loop was faster.
                if let Some(connection) = clients.accept(&mut listener)? {
                    // 4.2 Add the socket to the list
                    // The next wait watches it as well.
                    clients.insert(connection)?;
                }
            } else if let Some(client) = clients.get(fd) {
                // The client's turn ends where a thread would have to wait.
                match client.on_ready(&mut shared) {
                    // 4.3 If there is data: receive, print, send
                    // Done by `on_ready`. If the reply waits, the socket must
                    // be watched for room to send.
                    None => clients.update_interest(fd),
                    // 4.4 If there is none: close, remove from the list
                    // After the end of file, the last reply, or an error.
                    Some(ending) => clients.close(fd, ending),
                }
            } else {
                // A signal has made its pipe readable.
                stop.drain_signal_pipe();
            }
        }
        // A silent client never becomes ready, so its time limit is checked
        // here.
        clients.check_deadlines(&mut shared);
        // 5. Stop
        // A signal ends the wait, so a stop begins at once.
        if let Some(side) = stop.next_shutdown(clients.reported_count()) {
            listener.close();
            clients.shutdown(side, &mut shared);
        }
    }
    Ok(Totals { clients: listener.accepted, ..shared.totals })
}
