//! The same approach with its processes created beforehand: `--workers N`.
//!
//! Each process accepts and serves, one client after the other. The server
//! itself only supervises: it adds up what they report, and replaces the one
//! that dies.

// From the standard library, which has no fork.
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::process::id;
use std::sync::Arc;
use std::thread::sleep;

// From the common ground.
use common::Context;
use common::console::errors::{Failure, TransientError};
use common::console::log::Worker;
use common::constants::RETRY_PAUSE;
use common::echo::handle_client;
use common::listener::{Accepted, Event, Listener, accept};
use common::shutdown;
use common::totals::Totals;
use nix::errno::Errno;
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::{ForkResult, fork, pipe, read};

// The same table of children as without `--workers`.
use crate::children::Children;

/// Serves clients by so many processes until a stop; returns what they
/// received and sent.
pub fn serve(
    context: &Arc<Context>,
    mut listener: Listener,
    workers: usize,
) -> Result<Totals, Failure> {
    // From here on their signals are handled as well.
    let mut children = Children::new(Arc::clone(context))?;
    // A worker reports after each client, not only at its end.
    listener.also_wait_for(children.reports());
    // Asked now, for the listener is about to give its socket away.
    let address = listener.address()?;
    // The workers wait in accept(2) itself, where the kernel wakes one of
    // them for each client; poll(2) would wake them all.
    let mut socket = Some(listener.hand_over()?);
    // Nobody may be served by a server that is not there yet: the workers
    // wait until the first line was printed, and this end is closed.
    let (closed, open) = pipe()?;
    let mut open = Some(open);
    // Signals, reports, and workers that die: that is all there is to do.
    loop {
        // Before the first client, and whenever a worker has died.
        while let Some(socket) = &socket
            && children.count() < workers
        {
            // 1. Create the processes
            // SAFETY: this process has one thread, so no other can hold a
            // lock whose copy the child would wait for in vain.
            #[expect(unsafe_code, reason = "fork is what this is about")]
            match unsafe { fork() } {
                // 2. From each process
                Ok(ForkResult::Child) => {
                    // Signals are the server's to wait for, and the first line
                    // is the server's to print.
                    drop((listener, open));
                    // The end of file comes when all writing ends are closed.
                    while read(&closed, &mut [0]) == Err(Errno::EINTR) {}
                    // Never returns: this loop is the server's business.
                    children
                        .work(|totals| work(&children, socket, context, totals))
                }
                // Without a client of its own: it will have many.
                Ok(ForkResult::Parent { child }) => children.enter(child, None),
                // The workers that are left go on; this is tried again.
                Err(errno) if open.is_none() => {
                    let error = errno.into();
                    // Once for each spell.
                    context
                        .log
                        .report_transient(TransientError::Process, &error);
                    // Nobody waits for this process meanwhile.
                    sleep(RETRY_PAUSE);
                    // Makes `next` return at once, and this loop try again.
                    shutdown::wake();
                    // Until then there may be reports to read.
                    break;
                }
                // A server that cannot begin as asked does not begin.
                Err(errno) => return Err(errno.into()),
            }
        }
        // Once: all workers exist, and clients may come. `take` leaves `None`
        // behind.
        if let Some(open) = open.take() {
            context.log.print_listening(address);
            // Only now: with the condition `open.take().is_some()` it would
            // have been closed before the block, and clients before the line.
            drop(open);
        }
        // The socket is the workers', so this yields no clients.
        match listener.next(children.count())? {
            // A report, or the end of a worker.
            Some(Event::Wake) => children.reap()?,
            // 3. Stop
            Some(Event::Stop(side)) => {
                // Each worker finishes with its client, and ends.
                children.shutdown(side);
                // `None`: nobody is replaced any more. And all copies of the
                // socket are one to the kernel, which now resets its queue.
                if let Some(socket) = socket.take() {
                    // After the signals, which explain the end to the workers.
                    shutdown(socket.as_raw_fd(), Shutdown::Both).ok();
                }
            }
            // The listening socket is no longer the listener's.
            Some(Event::Client(..)) => {}
            // All have ended, or have had their time.
            None => return Ok(children.finish()),
        }
    }
}

/// What each process does: accepts and serves until the stop.
fn work(
    children: &Children,
    socket: &TcpListener,
    context: &Context,
    totals: &mut Totals,
) -> Result<(), Failure> {
    // From here on a stop, or the end of the server, ends the loop below.
    children.obey(socket)?;
    // The endless loop of the original, in each process.
    loop {
        // 2.1 Accept a client
        // Here the process waits for its next one.
        let accepted = accept(socket, |trouble, error| {
            children.print_error(trouble, error);
        });
        // Somebody, nobody, or a reason not to go on like this.
        match accepted {
            // One of the waiting processes gets it; the others sleep on.
            Ok(Accepted::Client(stream, address)) => {
                // Reported at once: it counts even if it brings this process
                // down.
                totals.clients = 1;
                children.report(totals);
                // From here on a signal finds the client.
                Children::take(&stream);
                // 2.2 Receive, print, send, close
                // When its last message has come, a stop leaves it in peace.
                let spare = Children::spare;
                // Under the same number for all clients: this process's.
                let worker = Worker::Process(id());
                // The same function as in a process for each client.
                handle_client(&stream, address, worker, context, totals, spare);
                // Before `stream` is dropped, and its number free for others.
                Children::give_back();
                // What this client has received and sent.
                children.report(totals);
            }
            // The idle limit holds for accept(2) as well. Where no signal tells
            // of the server's end, this is the time to look.
            Ok(Accepted::Nobody) if Children::orphaned() => return Ok(()),
            // Then once more.
            Ok(Accepted::Nobody) => {}
            // Descriptors or memory have run out: others may free some.
            Ok(Accepted::Exhausted) => sleep(RETRY_PAUSE),
            // The handler has put an end to it.
            Err(_) if Children::dismissed() => return Ok(()),
            // EBADF and the like: a mistake in this program.
            Err(failure) => return Err(failure),
        }
    }
}
