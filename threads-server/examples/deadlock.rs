//! The second danger: two threads wait for each other, and neither goes on.
//!
//! Each thread needs two locks, and what decides is the order in which it
//! takes them: `two-orders` stops, `same-order` and `one-lock` do not.
//!
//! `cargo run -p threads-server --example deadlock -- two-orders`
//!
//! A second word says for how many seconds the main thread waits for the
//! others before it ends the program; without that word it waits for one.

// Locks, a barrier to force an order, a channel to report an end.
use std::process::ExitCode;
use std::sync::{Barrier, Mutex, mpsc};
use std::{env, thread, time::Duration};

/// A server would have its table of clients behind the first lock, and its
/// totals behind the second.
static CLIENTS: Mutex<u64> = Mutex::new(0);
/// The second lock.
static TOTALS: Mutex<u64> = Mutex::new(0);

/// Both of them behind one lock.
static BOTH: Mutex<(u64, u64)> = Mutex::new((0, 0));

/// Lets no thread ask for its second lock before both hold their first one.
/// Without it two orders stop too, but only when the scheduler so decides.
static BOTH_HOLD_ONE: Barrier = Barrier::new(2);

/// Starts two threads, and prints whether they end.
fn main() -> ExitCode {
    // 1. Choose the order
    // One of three pairs of functions, one function for each thread.
    let order = env::args().nth(1).unwrap_or_default();
    let functions: [fn(); 2] = match order.as_str() {
        // Each thread holds what the other one waits for.
        "two-orders" => [
            || add_to_both(&CLIENTS, &TOTALS, Some(&BOTH_HOLD_ONE)),
            || add_to_both(&TOTALS, &CLIENTS, Some(&BOTH_HOLD_ONE)),
        ],
        // A thread that holds the second lock also holds the first one, so
        // it waits for nothing and goes on.
        "same-order" => [|| repeat(|| add_to_both(&CLIENTS, &TOTALS, None)); 2],
        // A thread that waits for the only lock holds none.
        "one-lock" => [|| repeat(|| add_to_pair(&BOTH)); 2],
        // Status 2 is what shells and the servers, too, use for this.
        _ => {
            eprintln!(
                "usage: deadlock two-orders|same-order|one-lock [SECONDS]"
            );
            return ExitCode::from(2);
        }
    };

    // 2. Create the threads
    // The names are what `ps -T` and /proc show. No thread is joined, since
    // a join could last for ever: each sends a message when it has ended.
    let (sender, ended) = mpsc::channel();
    for (function, name) in functions.into_iter().zip(["leaves", "reports"]) {
        // Each thread needs a sender of its own.
        let sender = sender.clone();
        let function = move || {
            function();
            sender.send(name)
        };
        // The kernel may refuse a thread, but not one of two.
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(function).expect("a thread");
    }

    // 3. Until both have ended, but not for ever
    // A message that does not come in time: the threads sleep, and would
    // sleep for ever.
    let seconds = env::args().nth(2).and_then(|word| word.parse().ok());
    let limit = Duration::from_secs(seconds.unwrap_or(1));
    if (0..2).any(|_| ended.recv_timeout(limit).is_err()) {
        // The end of `main` ends the process, with the threads in it.
        println!("{order}: deadlock, no thread has ended within {limit:?}");
        return ExitCode::FAILURE;
    }
    // The channel has had a message from each.
    println!("{order}: both threads have ended");
    ExitCode::SUCCESS
}

/// Adds to two numbers, and holds both locks meanwhile.
fn add_to_both(
    first: &Mutex<u64>,
    second: &Mutex<u64>,
    barrier: Option<&Barrier>,
) {
    // A guard unlocks when it is dropped, here at the end of the function.
    let mut first = first.lock().expect("no thread panics");
    barrier.map(Barrier::wait);
    // In two orders each thread sleeps in this call, in the system call
    // futex(2), and holds its first lock meanwhile.
    let mut second = second.lock().expect("no thread panics");
    (*first, *second) = (*first + 1, *second + 1);
}

/// Adds to the two numbers that one lock guards.
fn add_to_pair(both: &Mutex<(u64, u64)>) {
    let mut both = both.lock().expect("no thread panics");
    *both = (both.0 + 1, both.1 + 1);
}

/// So many rounds that the threads meet in whatever ways they can.
fn repeat(round: fn()) {
    (0..100_000).for_each(|_| round());
}
