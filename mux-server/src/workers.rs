//! The same approach with several loops: `--workers N`.
//!
//! Each loop is that of `main.rs`, in a thread of its own, so that more than
//! one processor can work. All loops watch the same listening socket; a client
//! belongs to the loop that accepts it.

// Pipes, threads, a barrier, and a channel by which the loops report their
// end.
use std::io::{self, PipeWriter, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

// Errors by name, and flags of a descriptor.
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

// What all three servers share.
use common::Context;
use common::console::errors::Failure;
use common::console::log::Worker;
use common::constants::RETRY_PAUSE;
use common::listener::Listener;
use common::shutdown::{self, Stop};
use common::totals::Totals;

// The list of one loop.
use crate::clients::Clients;

/// Serves clients by `workers` loops until a stop; returns what was received
/// and sent.
pub fn serve(
    context: &Arc<Context>,
    mut listener: Listener,
    mut stop: Stop,
    workers: usize,
) -> Result<Totals, Failure> {
    // The limit of `--max-clients` holds for all loops together.
    let active_clients = Arc::<AtomicUsize>::default();
    // No loop accepts before all loops exist and the first line is out.
    let start = Arc::new(Barrier::new(workers + 1));
    // Through this channel a loop reports that it has ended, and how.
    let (sender, ended) = mpsc::channel();
    // A byte in its pipe ends the wait of a loop. All descriptors are opened
    // before the first list counts them: select(2) has room for 1024.
    let pipes: io::Result<Vec<_>> = (0..workers).map(|_| io::pipe()).collect();
    let (read_ends, wake_pipes): (Vec<_>, Vec<_>) = pipes?.into_iter().unzip();

    // 1. Create the loops
    // An error here ends the server before it has begun.
    for (number, read_end) in (1..).zip(read_ends) {
        // Emptying the pipe must not block the loop.
        fcntl(&read_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // Each loop has its own list and its own totals.
        let socket = listener.socket.as_ref().ok_or(Errno::ENOTCONN)?;
        let shared =
            Listener::on_socket(Arc::clone(context), Arc::clone(socket));
        let stop = Stop::with_pipe(Arc::clone(context), Arc::new(read_end));
        // EMFILE is possible for the descriptor of epoll(7).
        let clients = Clients::new(
            context,
            &stop,
            Worker::LoopNumber(number),
            Arc::clone(&active_clients),
        )?;
        // The thread may outlive this function, so it owns what it uses.
        let context = Arc::clone(context);
        let (start, sender) = (Arc::clone(&start), sender.clone());
        let name = format!("loop {number}");
        thread::Builder::new().name(name).spawn(move || {
            // No client is accepted before the first line.
            start.wait();
            // 2. From each thread: the loop of `main.rs`
            // This loop has a list and totals of its own.
            let result = crate::serve_clients(&context, shared, stop, clients);
            // The main thread waits in poll(2), not at the channel. If it has
            // given up already, the report is not needed.
            sender.send(result).ok();
            shutdown::wake();
        })?;
    }
    // All loops exist, so clients are welcome.
    listener.print_listening()?;
    start.wait();

    // From here on the main thread waits for signals and for ended loops.
    let (mut alive, mut totals) = (workers, Totals::default());
    while !stop.is_complete(alive) {
        // A signal, or a loop that has ended, wakes the main thread.
        let waited = stop.wait(None, None);
        waited.or_else(|errno| listener.retry_or_fail(errno))?;
        // Without a stop a loop ends only by a mistake in this program.
        for result in ended.try_iter() {
            alive -= 1;
            totals += result?;
        }
        // 3. Stop
        // Each loop does the rest, by a clock of its own.
        let active = active_clients.load(Ordering::SeqCst);
        if stop.next_shutdown(active).is_some() {
            listener.close();
            wake(&wake_pipes);
        }
    }
    // A second signal ends every loop at once; what they have served counts.
    wake(&wake_pipes);
    for _ in 0..alive {
        if let Ok(result) = ended.recv_timeout(RETRY_PAUSE) {
            totals += result?;
        }
    }
    Ok(totals)
}

/// Ends the wait of every loop.
fn wake(wake_pipes: &[PipeWriter]) {
    for mut pipe in wake_pipes {
        // EPIPE: this loop has ended. A loop is woken three times at most, so
        // the pipe never is full.
        pipe.write_all(&[0]).ok();
    }
}
