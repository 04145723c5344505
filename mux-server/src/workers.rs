//! The same approach with several loops: `--workers N`.
//!
//! Each loop is that of `main.rs`, in a thread of its own, so that more than
//! one processor can work. All watch the same listening socket; the client is
//! whose loop accepts it first, and stays there.

// Threads, and a channel by which they report their end.
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

// From the common ground.
use common::Context;
use common::console::errors::Failure;
use common::console::log::Worker;
use common::listener::{Event, Listener};
use common::shutdown;
use common::totals::Totals;
use nix::unistd::pipe;

/// Serves clients by so many loops until a stop; returns what they received
/// and sent.
pub fn serve(
    context: &Arc<Context>,
    mut listener: Listener,
    workers: usize,
) -> Result<Totals, Failure> {
    // Asked now, for the listener is about to give up its socket.
    let address = listener.address()?;
    // Nothing is ever written to this pipe. When its writing end is closed,
    // its reading end is ready in every loop at once, and stays so.
    let (reading, writing) = pipe()?;
    let reading = Arc::new(reading);
    // Held until the stop, or until this function ends in any other way.
    let mut writing = Some(writing);
    // The places of `--max-clients`, which the loops take one by one.
    let taken = Arc::<AtomicUsize>::default();
    // All loops begin at the same moment: when the first line was printed.
    let start = Arc::new(Barrier::new(workers + 1));
    // By this channel a loop says that it has ended, and how.
    let (sender, ended) = mpsc::channel();
    // 1. Create the loops
    // All of them before the first client.
    for number in 1..=workers as u64 {
        // The loop's own shares of what it uses.
        let context = Arc::clone(context);
        let shared = listener.share(Arc::clone(&reading));
        // The limit is for all together.
        let taken = Arc::clone(&taken);
        // Whoever waits at it needs a share, too.
        let start = Arc::clone(&start);
        // A channel takes any number of senders.
        let sender = sender.clone();
        // A failure here ends the server before it has begun: `?`.
        thread::Builder::new().name(format!("loop {number}")).spawn(
            move || {
                // Nobody may be served by a server that is not there yet.
                start.wait();
                // 2. From each thread: the loop of `main.rs`
                // The list, the table, the totals: each loop has its own.
                let worker = Worker::LoopNumber(number);
                let result = crate::serve(&context, shared, worker, taken);
                // Nobody listens once the server gives up: no loss.
                sender.send(result).ok();
                // The main thread waits in poll(2), not at the channel.
                shutdown::wake();
            },
        )?;
    }
    // The socket is the loops' from now on; here only signals are waited for.
    listener.leave();
    // All loops exist: now clients are welcome.
    context.log.print_listening(address);
    // The last one to arrive at the barrier opens it for all.
    start.wait();
    // How many loops have not ended yet, and what the others have served.
    let mut alive = workers;
    let mut totals = Totals::default();
    // From here on the main thread only waits for signals.
    while let Some(event) = listener.next(alive)? {
        match event {
            // A loop has ended: told to, or by an error.
            Event::Wake => {
                // All that have ended by now.
                for result in ended.try_iter() {
                    alive -= 1;
                    // An error of one is a mistake in all of them.
                    totals += result?;
                }
            }
            // 3. Stop
            // Each loop does the rest, by a clock of its own.
            Event::Stop(_) => writing = None,
            // The listening socket is no longer the listener's.
            Event::Client(..) => {}
        }
    }
    // Closed already, unless all loops have ended by themselves.
    drop(writing);
    // They add up as if one loop had served them all.
    Ok(totals)
}
