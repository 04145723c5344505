//! The same approach with several loops: `--workers N`.
//!
//! Each loop is that of `main.rs`, in a thread of its own, so that more than
//! one processor can work. All watch the same listening socket; the client is
//! whose loop accepts it first, and stays there.

use std::sync::{Arc, mpsc};
use std::thread;

use common::Server;
use common::failure::Failure;
use common::listener::{Event, Listener};
use common::stop;
use common::totals::Totals;
use common::transcript::Worker;
use nix::unistd::pipe;

/// Serves clients by so many loops until a stop; returns what they received
/// and sent.
pub fn serve(
    server: &Arc<Server>,
    mut listener: Listener,
    workers: usize,
) -> Result<Totals, Failure> {
    let address = listener.address()?;
    // Nothing is ever written to this pipe. When its writing end is closed,
    // its reading end is ready in every loop at once, and stays so.
    let (reading, writing) = pipe()?;
    let reading = Arc::new(reading);
    let mut writing = Some(writing);
    // By this channel a loop says that it has ended, and how.
    let (sender, ended) = mpsc::channel();
    for number in 1..=workers as u64 {
        let server = Arc::clone(server);
        let shared = listener.share(Arc::clone(&reading));
        let sender = sender.clone();
        thread::Builder::new()
            .name(format!("loop {number}"))
            .spawn(move || {
                let worker = Worker::LoopNumber(number);
                let result = crate::serve(&server, shared, worker);
                // Nobody listens once the server gives up: no loss.
                sender.send(result).ok();
                stop::wake();
            })?;
    }
    // The socket is the loops' from now on; here only signals are waited for.
    listener.leave();
    server.transcript.listening(address);
    let mut alive = workers;
    let mut totals = Totals::default();
    while let Some(event) = listener.next(alive)? {
        match event {
            Event::Wake => {
                for result in ended.try_iter() {
                    alive -= 1;
                    totals += result?;
                }
            }
            // Each loop does the rest, by a clock of its own.
            Event::Stop(_) => writing = None,
            // The listening socket is no longer the listener's.
            Event::Client(..) => {}
        }
    }
    drop(writing);
    Ok(totals)
}
