//! One loop for all connections.
//!
//! There is one thread, and it waits in one place only: where it asks the
//! kernel which of its sockets are ready. It serves each of those as far as
//! that goes without waiting, and asks again.
//!
//! Read `serve` first, then `client.rs` for what the loop remembers of each
//! client, `clients.rs` for the list, and `poll.rs`, `select.rs`, `epoll.rs`
//! for how the kernel is asked.

// A client, the list of them, and three ways to ask for the ready ones.
mod client;
mod clients;
#[cfg(target_os = "linux")]
mod epoll;
mod poll;
mod poller;
mod select;
mod workers;

// From the standard library.
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

// From the files beside this one, and from the common ground.
use clients::Clients;
use common::Context;
use common::console::errors::Failure;
use common::console::log::Worker;
use common::console::options::{Backend, Program, Serve};
use common::constants::BUFFER_SIZE;
use common::listener::Listener;
use common::totals::Totals;

/// What the command line needs to know of this server.
const PROGRAM: Program = Program {
    name: "mux-server",
    serve: Serve::UntilEof,
    backend: Some(Backend::Poll),
};

/// Reads the options, listens, and calls `serve`.
fn main() -> ExitCode {
    common::run(PROGRAM, |context, listener| match context.options.workers {
        // One, with all places of `--max-clients` for itself.
        None => serve(context, listener, Worker::Loop, Arc::default()),
        // Several of the loop below.
        Some(number) => workers::serve(context, listener, number),
    })
}

/// Serves clients until a stop; returns what they received and sent.
fn serve(
    context: &Arc<Context>,
    mut listener: Listener,
    worker: Worker,
    taken: Arc<AtomicUsize>,
) -> Result<Totals, Failure> {
    // 1. Initialise the list of sockets
    // No clients yet, but the pipe of the signals, and the door.
    let mut clients =
        Clients::new(Arc::clone(context), &listener, worker, taken)?;
    // Of several loops none can say when all are there.
    if worker == Worker::Loop {
        listener.announce()?;
    }
    // One loop, one owner: plain variables will do.
    let mut totals = Totals::default();
    // One buffer for all: whoever has its turn is done with it at the end.
    let mut buffer = [0; BUFFER_SIZE];
    // Kept between the rounds, so that its memory is allocated once.
    let mut ready = Vec::new();
    // The endless loop of the original, with an end: a stop, once the last
    // client has left.
    while !listener.stop.over(clients.count()) {
        // 2. Wait for one or more connections
        // The only place where this program waits, and for all clients at
        // once. The `?` hands an error to the caller.
        clients.wait(&mut listener, &mut ready)?;
        // 3. Iterate over the connections that are ready
        // The kernel has named them by the numbers of their descriptors.
        for fd in ready.drain(..) {
            // 4. For each of them
            // The listening socket is one of them, like any other.
            if clients.is_door(fd) {
                // 4.1 A new socket for the connection
                // One client each time; if more wait, the next wait ends at
                // once. Nobody, if it was gone again or another loop's.
                if let Some((stream, address)) =
                    clients.accept(&mut listener)?
                {
                    // 4.2 Add the socket to the list
                    // From here on it can make the wait end.
                    clients.enter(stream, address)?;
                }
            } else if let Some(client) = clients.get(fd) {
                // It does all it can without waiting, and says whether that
                // was its end.
                match client.proceed(context, &mut totals, &mut buffer) {
                    // 4.3 If there is data: receive, print, send
                    // That is done; it is watched for what it needs next.
                    None => clients.watch(fd),
                    // 4.4 If there is none: close, remove from the list
                    // The end of file, or an error.
                    Some(ending) => clients.close(fd, ending),
                }
            } else {
                // The pipe: a signal has come.
                clients.hush(&listener);
            }
        }
        // Who only waits is never ready: here the clock speaks for them.
        clients.close_overdue();
        // 5. Stop
        // Every wait ends at a signal, so this comes in time.
        if let Some(side) = listener.demand()? {
            clients.shutdown(side);
        }
    }
    // Whoever was accepted, whatever became of them.
    totals.clients = listener.accepted();
    Ok(totals)
}
