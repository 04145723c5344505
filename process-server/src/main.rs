//! One process for each connection.
//!
//! The server does nothing but accept. Every client gets a process of its
//! own, a copy of the server made by fork(2), which may block for as long as
//! its client is silent, and may even crash: the others do not notice.
//!
//! Read `serve` first, then `common/src/echo.rs` for what a child does with
//! its client, then `children.rs` for how the server keeps track of them.

mod children;
mod workers;

use std::process::{ExitCode, id};
use std::sync::Arc;

use children::Children;
use common::Server;
use common::echo::handle_client;
use common::failure::{Failure, Trouble};
use common::listener::{Event, Listener};
use common::options::{Program, Serve};
use common::totals::Totals;
use common::transcript::Worker;
use nix::unistd::{ForkResult, fork};

/// What the command line needs to know of this server.
const PROGRAM: Program = Program {
    name: "process-server",
    serve: Serve::Once,
    backend: None,
};

/// Reads the options, listens, and calls `serve`.
fn main() -> ExitCode {
    common::run(PROGRAM, |server, listener| match server.options.workers {
        None => serve(server, listener),
        Some(number) => workers::serve(server, listener, number),
    })
}

/// Serves clients until a stop; returns what they received and sent.
fn serve(
    server: &Arc<Server>,
    mut listener: Listener,
) -> Result<Totals, Failure> {
    let mut children = Children::new(Arc::clone(server))?;
    listener.announce()?;
    // The endless loop of the original, with an end: `next` returns `None`
    // when the server was asked to stop and the last child has ended. The `?`
    // hands an error to the caller and ends this function.
    while let Some(event) = listener.next(children.count())? {
        match event {
            // 1. Accept a client
            Event::Client(stream, address) => {
                // 2. A new socket for the connection
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
                        drop(listener);
                        children.work(|totals| {
                            let worker = Worker::Process(id());
                            handle_client(
                                &stream, address, worker, server, totals,
                            );
                            Ok(())
                        })
                    }
                    // `stream` is dropped at the end of this arm, and `Drop`
                    // closes the server's copy. Were it kept, the client would
                    // never see the end of file: the child's close is not the
                    // last one then.
                    Ok(ForkResult::Parent { child }) => {
                        children.enter(child, address);
                    }
                    Err(errno) => {
                        let trouble = Trouble::Process;
                        let error = errno.into();
                        listener.keep(stream, address, trouble, &error);
                    }
                }
            }
            // A child has ended.
            Event::Wake => children.reap()?,
            // 5. Stop
            Event::Stop(side) => children.shutdown(side),
        }
    }
    // What the children reported, and what was accepted here.
    Ok(Totals {
        clients: listener.accepted(),
        ..children.finish()
    })
}
