//! One process for each connection.
//!
//! The server process only accepts. Each client gets a process of its own, a
//! copy of the server made by fork(2), which may block while its client is
//! silent, and may even crash: the other processes go on.
//!
//! Read `serve` first, then `common/src/echo.rs` for what a child does with
//! its client, then `children.rs` for how the server keeps track of them.

// The children, the form with `--workers`, and what they rest on.
mod children;
mod reports;
mod signals;
mod workers;

// fork(2) comes from nix: the standard library does not offer it.
use children::Children;
use common::Context;
use common::console::errors::{Failure, TransientError};
use common::console::log::Worker;
use common::console::options::{Program, Serve};
use common::echo::handle_client;
use common::listener::Listener;
use common::shutdown::Stop;
use common::totals::Totals;
use nix::unistd::{ForkResult, fork};
use std::process::{ExitCode, id};
use std::sync::Arc;

/// What the command line depends on.
const PROGRAM: Program =
    Program { name: "process-server", serve: Serve::Once, backend: None };

/// Reads the options, listens, and calls `serve`.
fn main() -> ExitCode {
    common::run(PROGRAM, |context, listener, stop| {
        match context.options.workers {
            // A process for each client.
            None => serve(context, listener, stop),
            // Processes that exist before the first client.
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
    // From here on the signals of the children are handled as well.
    let mut children = Children::new(Arc::clone(context))?;
    listener.print_listening()?;
    // The endless loop of the original; here it ends after a stop, when the
    // last child has ended.
    while !stop.is_complete(children.count() + listener.deferred()) {
        // 1. Accept a client
        // The server sleeps here until a client comes. A signal also ends the
        // wait, without a client: SIGCHLD when a child has ended.
        if let Some(connection) = listener.accept(children.count(), &stop)? {
            // 2. A new socket for the connection
            // The signal handler of the child finds the socket from here on,
            // also if the signal comes right after the fork.
            let (stream, address) = connection;
            signals::set_current_client(Some(&stream));

            // 3. Create a process by fork
            // SAFETY: this process has one thread, so no other thread can hold
            // a lock whose copy would stay locked in the child for ever.
            #[expect(unsafe_code, reason = "fork is what this is about")]
            match unsafe { fork() } {
                // 4. From the new process: receive, print, send, close
                // The child has a copy of every descriptor. Its copy of the
                // listening socket would keep the port in use after the
                // server has ended. `run_child` ends the child's process.
                Ok(ForkResult::Child) => {
                    listener.close();
                    children.run_child(|_, totals| {
                        // The lines of this client bear the child's number.
                        let worker = Worker::Process(id());
                        handle_client(
                            &stream, address, worker, context, totals,
                        );
                    })
                }
                // The server's copy of `stream` is closed at the end of this
                // arm: the connection ends only when all copies are closed.
                Ok(ForkResult::Parent { child }) => {
                    children.insert(child, Some(address));
                }
                // EAGAIN or ENOMEM: this client waits, the others go on.
                Err(errno) => {
                    let kind = TransientError::Process;
                    listener.defer((stream, address), kind, &errno.into());
                }
            }
        }
        // Children that have ended leave the process table here, before a
        // deferred client is tried again: zombies count as processes.
        children.reap()?;
        // 5. Stop
        // Each child shuts down the socket of its own client.
        if let Some(side) = stop.next_shutdown(children.count()) {
            listener.close();
            children.shutdown(side);
        }
    }
    Ok(Totals { clients: listener.accepted, ..children.finish() })
}
