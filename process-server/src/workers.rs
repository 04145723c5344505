//! The same approach with its processes created beforehand: `--workers N`.
//!
//! Each process accepts a client, serves it, and accepts the next. The server
//! itself adds up what they report, and replaces a process that dies.

// Processes, a pipe and a pause; a signal handler has atomics only.
use crate::children::Children;
use crate::reports::ReportWriter;
use crate::signals;
use common::Context;
use common::console::errors::{Failure, TransientError};
use common::console::log::Worker;
use common::constants::RETRY_PAUSE;
use common::echo::handle_client;
use common::listener::{Accepted, Listener, accept_from};
use common::shutdown::{self, Stop};
use common::totals::Totals;
use nix::unistd::{ForkResult, fork, getppid};
use socket2::SockRef;
use std::io::{self, PipeReader, Read as _};
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::process::id;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::thread::sleep;

/// In a worker, the listening socket; -1 in all other processes.
static LISTENING: AtomicI32 = AtomicI32::new(-1);

/// In a worker, a descriptor from which no client can be accepted.
static NOT_LISTENING: AtomicI32 = AtomicI32::new(-1);

/// In a worker, whether it may accept no more clients.
static DISMISSED: AtomicBool = AtomicBool::new(false);

/// The errors that a worker reports, by their numbers in a report. The number
/// after the last one stands for a mistake in this program.
const KINDS: [TransientError; 2] =
    [TransientError::Accept, TransientError::Network];

/// Serves clients by `workers` processes until a stop; returns what was
/// received and sent.
pub fn serve(
    context: &Arc<Context>,
    mut listener: Listener,
    mut stop: Stop,
    workers: usize,
) -> Result<Totals, Failure> {
    let mut children = Children::new(Arc::clone(context))?;
    // The workers block in accept(2), where the kernel wakes one of them for
    // each client; poll(2) would wake all of them. O_NONBLOCK belongs to the
    // open file description: it is off in all of them.
    let not_listening = || io::Error::from(io::ErrorKind::NotConnected);
    let socket = listener.socket.take().ok_or_else(not_listening)?;
    socket.set_nonblocking(false)?;
    // No worker accepts before all exist and the first line is out: each
    // waits until the writing end of this pipe is closed.
    let (gate_read, gate_write) = io::pipe()?;
    let mut gate_write = Some(gate_write);
    while !stop.is_complete(children.count()) {
        // Before the first client, and whenever a worker has died.
        while children.count() < workers && !shutdown::requested() {
            // 1. Create the processes
            // SAFETY: this process has one thread, so no other thread can hold
            // a lock whose copy would stay locked in the child for ever.
            #[expect(unsafe_code, reason = "fork is what this is about")]
            match unsafe { fork() } {
                // 2. From each process: accept, receive, print, send, close
                // The gate opens when every copy of its writing end is closed.
                Ok(ForkResult::Child) => {
                    drop(gate_write);
                    children.run_child(|report_writer, totals| {
                        // Until the first line is printed.
                        wait_for_gate(&gate_read);
                        let result = worker_loop(
                            context,
                            &socket,
                            report_writer,
                            totals,
                        );
                        // The server reads this report, and ends.
                        if let Err(Failure::System(error)) = &result {
                            report_error(report_writer, KINDS.len(), error);
                        }
                    })
                }
                // A worker is no client's: its line names no address.
                Ok(ForkResult::Parent { child }) => {
                    children.insert(child, None);
                }
                // A server that cannot begin as asked does not begin.
                Err(errno) if gate_write.is_some() => {
                    return Err(errno.into());
                }
                // The other workers go on; after the pause this one is tried
                // again.
                Err(errno) => {
                    let kind = TransientError::Process;
                    context.log.report_transient(kind, &errno.into());
                    sleep(RETRY_PAUSE);
                    // The wait below ends at once, and the loop tries again.
                    shutdown::wake();
                    break;
                }
            }
        }
        // Once: all workers exist, and clients may come.
        if let Some(gate_write) = gate_write.take() {
            context.log.print_listening(socket.local_addr()?);
            drop(gate_write);
        }
        // The server sleeps here until a signal or a report comes.
        let reader = children.report_reader.as_ref();
        let reports = reader.map(|reader| reader.0.as_fd());
        let waited = stop.wait(reports, None);
        waited.or_else(|errno| listener.retry_or_fail(errno))?;
        // A worker reports after each client, not only at its end.
        children.read_reports();
        children.reap()?;
        // 3. Stop
        // Each worker finishes with its client and ends. The signals come
        // first, so that a worker knows why its accept(2) fails. shutdown(2)
        // concerns all copies of the socket, and resets the kernel's queue.
        if let Some(side) = stop.next_shutdown(children.count()) {
            children.shutdown(side);
            SockRef::from(&*socket).shutdown(Shutdown::Both).ok();
        }
    }
    Ok(children.finish())
}

/// Waits until the server closes the writing end of the gate.
fn wait_for_gate(gate_read: &PipeReader) {
    let mut gate_read = gate_read;
    // Nothing is ever written: read(2) returns 0, or is repeated after EINTR.
    gate_read.read_exact(&mut [0]).ok();
}

/// What each worker does: accepts and serves until the stop.
fn worker_loop(
    context: &Context,
    socket: &TcpListener,
    report_writer: &ReportWriter,
    totals: &mut Totals,
) -> Result<(), Failure> {
    install_dismissal(socket, report_writer)?;
    loop {
        // 2.1 Accept a client
        // This process sleeps here until a client comes.
        let accepted = accept_from(socket, |kind, error| {
            let index = KINDS.iter().position(|known| *known == kind);
            report_error(report_writer, index.unwrap_or(KINDS.len()), error);
        });
        match accepted {
            Ok(Accepted::Client((stream, address))) => {
                // Reported at once: the client counts even if it brings this
                // process down.
                totals.clients = 1;
                report_writer.report(totals);
                signals::set_current_client(Some(&stream));
                // 2.2 Receive, print, send, close
                // The same function as in a process for each client.
                let worker = Worker::Process(id());
                handle_client(&stream, address, worker, context, totals);
                // Before the socket is closed and its number becomes free.
                signals::set_current_client(None);
                report_writer.report(totals);
            }
            // The idle limit holds for accept(2), too. Where no signal tells
            // of the server's end, this is the time to look.
            Ok(Accepted::NoClient) if is_orphaned() => return Ok(()),
            Ok(Accepted::NoClient) => {}
            // Another process may free descriptors or memory.
            Ok(Accepted::Exhausted) => sleep(RETRY_PAUSE),
            // The signal handler has made accept(2) fail.
            Err(_) if DISMISSED.load(SeqCst) => return Ok(()),
            Err(failure) => return Err(failure),
        }
    }
}

/// From here on a stop, or the death of the server, keeps this worker from
/// accepting another client.
///
/// # Errors
///
/// Those of prctl(2), which has none for a signal that exists.
fn install_dismissal(
    socket: &TcpListener,
    report_writer: &ReportWriter,
) -> io::Result<()> {
    NOT_LISTENING.store(report_writer.0.as_raw_fd(), SeqCst);
    LISTENING.store(socket.as_raw_fd(), SeqCst);
    // The kernel sends SIGUSR2 when the server is gone, also after SIGKILL.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGUSR2)?;
    // Either may have happened before this function was called.
    if shutdown::requested() || is_orphaned() {
        stop_accepting();
    }
    Ok(())
}

/// Keeps this worker from accepting another client; async-signal-safe.
///
/// The number of the listening socket is given to another descriptor. So the
/// accept(2) that the worker is about to call fails, and so does the one that
/// the signal interrupts, when it is repeated: there is no moment between a
/// check and the call in which the signal could be missed.
pub fn stop_accepting() {
    DISMISSED.store(true, SeqCst);
    let listening = LISTENING.load(SeqCst);
    // A child that serves one client has no listening socket.
    if listening >= 0 {
        // SAFETY: dup2(2) is async-signal-safe, and the worker keeps both
        // descriptors open as long as it lives.
        #[expect(unsafe_code, reason = "a handler has numbers only")]
        unsafe {
            libc::dup2(NOT_LISTENING.load(SeqCst), listening)
        };
    }
}

/// In a worker: reports an error by its kind and its number. All workers meet
/// the same shortage at once, and the server prints one line for all.
fn report_error(writer: &ReportWriter, kind: usize, error: &io::Error) {
    let errno = error.raw_os_error().unwrap_or(0).unsigned_abs();
    writer.write([0, 0, 0, kind as u64, errno.into()]);
}

/// In the server: prints the error that a worker has reported if it passes,
/// and returns it if only a mistake in this program can cause it.
pub fn relay_error(
    context: &Context,
    kind: u64,
    errno: u64,
) -> Option<io::Error> {
    let number = i32::try_from(errno).unwrap_or(0);
    let error = io::Error::from_raw_os_error(number);
    let kind = usize::try_from(kind).ok().and_then(|kind| KINDS.get(kind));
    let Some(kind) = kind else { return Some(error) };
    // The log is the server's, and so one line stands for all workers.
    context.log.report_transient(*kind, &error);
    None
}

/// Whether the server is gone.
fn is_orphaned() -> bool {
    getppid().as_raw() != signals::SERVER.load(SeqCst)
}
