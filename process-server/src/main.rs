//! One process for each connection.
//!
//! The server does nothing but accept. Every client gets a process of its
//! own, a copy of the server made by fork(2), which may block for as long as
//! its client is silent, and may even crash: the others do not notice.
//!
//! Read `serve` first, then `common/src/echo.rs` for what a child does with
//! its client, then `children.rs` for how the server keeps track of them.

// The children, and the second form of the same approach.
mod children;
mod workers;

// From the standard library, which has no fork.
use std::process::{ExitCode, id};
use std::sync::Arc;

// From the files beside this one, and from the common ground.
use children::Children;
use common::Context;
use common::console::errors::{Failure, TransientError};
use common::console::log::Worker;
use common::console::options::{Program, Serve};
use common::echo::handle_client;
use common::listener::{Event, Listener};
use common::totals::Totals;
use nix::unistd::{ForkResult, fork};

/// What the command line needs to know of this server.
const PROGRAM: Program = Program {
    name: "process-server",
    serve: Serve::Once,
    backend: None,
};

/// Reads the options, listens, and calls `serve`.
fn main() -> ExitCode {
    common::run(PROGRAM, |context, listener| match context.options.workers {
        // A process for each client.
        None => serve(context, listener),
        // Processes that exist before the first client.
        Some(number) => workers::serve(context, listener, number),
    })
}

/// Serves clients until a stop; returns what they received and sent.
fn serve(
    context: &Arc<Context>,
    mut listener: Listener,
) -> Result<Totals, Failure> {
    // From here on their signals are handled as well.
    let mut children = Children::new(Arc::clone(context))?;
    // The first line: clients may come.
    listener.announce()?;
    // The endless loop of the original, with an end: `next` returns `None`
    // when the server was asked to stop and the last child has ended. The `?`
    // hands an error to the caller and ends this function.
    while let Some(event) = listener.next(children.count())? {
        match event {
            // 1. Accept a client
            Event::Client(stream, address) => {
                // 2. A new socket for the connection
                // accept(2) has made it; the listening socket stays as it is.
                Children::announce(&stream);
                // 3. Create a process
                // SAFETY: this process has one thread, so no other can hold a
                // lock whose copy the child would wait for in vain.
                #[expect(unsafe_code, reason = "fork is what this is about")]
                match unsafe { fork() } {
                    // 4. From the new process: receive, print, send, close
                    Ok(ForkResult::Child) => {
                        // Its copy of the listening socket would keep the port
                        // taken after the server has ended.
                        listener.close_copy();
                        // Never returns: the loop is the server's business.
                        children.work(|totals| {
                            let worker = Worker::Process(id());
                            // When its last message has come, a stop leaves
                            // the client in peace.
                            let spare = Children::spare;
                            // The same function as in a thread.
                            handle_client(
                                &stream, address, worker, context, totals,
                                spare,
                            );
                            // Whatever became of the client.
                            Ok(())
                        })
                    }
                    // `Drop` closes the server's copy of `stream` at the end
                    // of this arm. Were it kept, the child's would not be the
                    // last, and the client would never see an end of file.
                    Ok(ForkResult::Parent { child }) => {
                        children.enter(child, address);
                    }
                    // EAGAIN or ENOMEM: this client waits, the others go on.
                    Err(errno) => {
                        let trouble = TransientError::Process;
                        // It is handed out again after a pause.
                        let error = errno.into();
                        listener.keep(stream, address, trouble, &error);
                    }
                }
            }
            // A child has ended.
            Event::Wake => children.reap()?,
            // 5. Stop
            // Each child shuts down the socket of its own client.
            Event::Stop(side) => children.shutdown(side),
        }
    }
    // What the children reported, and what was accepted here.
    Ok(Totals {
        clients: listener.accepted(),
        ..children.finish()
    })
}
