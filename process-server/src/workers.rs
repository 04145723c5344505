//! The same approach with its processes created beforehand: `--workers N`.
//!
//! Each process accepts and serves, one client after the other. The server
//! itself only supervises: it adds up what they report, and replaces the one
//! that dies.

use std::net::TcpListener;
use std::process::id;
use std::sync::Arc;
use std::thread::sleep;

use common::Server;
use common::constants::RETRY_PAUSE;
use common::echo::handle_client;
use common::failure::{Failure, Trouble};
use common::listener::{Accepted, Event, Listener, accept};
use common::stop;
use common::totals::Totals;
use common::transcript::Worker;
use nix::unistd::{ForkResult, fork};

use crate::children::Children;

/// Serves clients by so many processes until a stop; returns what they
/// received and sent.
pub fn serve(
    server: &Arc<Server>,
    mut listener: Listener,
    workers: usize,
) -> Result<Totals, Failure> {
    let mut children = Children::new(Arc::clone(server))?;
    // A worker reports after each client, not only at its end.
    listener.also_wait_for(children.reports());
    let address = listener.address()?;
    // The workers wait in accept(2) itself, where the kernel wakes one of
    // them for each client; poll(2) would wake them all.
    let mut socket = Some(listener.hand_over()?);
    let mut announced = false;
    loop {
        // Before the first client, and whenever a worker has died.
        while let Some(socket) = &socket
            && children.count() < workers
        {
            // 3. Create a process
            // SAFETY: this process has one thread, so no other can hold a
            // lock whose copy the child would wait for in vain.
            #[expect(unsafe_code, reason = "fork is what this is about")]
            match unsafe { fork() } {
                Ok(ForkResult::Child) => {
                    drop(listener);
                    children
                        .work(|totals| work(&children, socket, server, totals))
                }
                Ok(ForkResult::Parent { child }) => children.enter(child, None),
                Err(errno) if announced => {
                    let error = errno.into();
                    server.transcript.trouble(Trouble::Process, &error);
                    sleep(RETRY_PAUSE);
                    // The others go on; this is tried again.
                    stop::wake();
                    break;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        if !announced {
            server.transcript.listening(address);
            announced = true;
        }
        match listener.next(children.count())? {
            Some(Event::Wake) => children.reap()?,
            Some(Event::Stop(side)) => {
                // Nobody is replaced any more; and when the last copy of the
                // socket is closed, the clients in its queue are reset.
                socket = None;
                children.shutdown(side);
            }
            // The listening socket is no longer the listener's.
            Some(Event::Client(..)) => {}
            None => return Ok(children.finish()),
        }
    }
}

/// What each process does: accepts and serves until the stop.
fn work(
    children: &Children,
    socket: &TcpListener,
    server: &Server,
    totals: &mut Totals,
) -> Result<(), Failure> {
    children.obey(socket)?;
    loop {
        // 1. Accept a client
        match accept(socket, &server.transcript) {
            // 2. A new socket for the connection
            Ok(Accepted::Client(stream, address)) => {
                // Reported at once: it counts even if it brings this process
                // down.
                totals.clients = 1;
                children.report(totals);
                // From here on a signal finds the client.
                Children::take(&stream);
                // 4. From the process: receive, print, send, close
                let worker = Worker::Process(id());
                handle_client(&stream, address, worker, server, totals);
                Children::give_back();
                children.report(totals);
            }
            // The idle limit holds for accept(2) as well. Where no signal tells
            // of the server's end, this is the time to look.
            Ok(Accepted::Nobody) if Children::orphaned() => return Ok(()),
            Ok(Accepted::Nobody) => {}
            // Descriptors or memory have run out: others may free some.
            Ok(Accepted::Exhausted) => sleep(RETRY_PAUSE),
            // The handler has put an end to it.
            Err(_) if Children::dismissed() => return Ok(()),
            Err(failure) => return Err(failure),
        }
    }
}
