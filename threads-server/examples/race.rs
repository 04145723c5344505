//! The first danger: two threads count together, and counts are lost.
//!
//! Rust refuses a data race, a plain variable that two threads change at the
//! same time; `refused/race.rs` is such a program. Rust does not refuse an
//! update that reads and later writes, and it loses counts without an error.
//!
//! `cargo run -p threads-server --example race`

// Atomics for single steps, a lock for more, a barrier to force an order.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::thread;

/// How many times each of the two threads adds one.
const ADDITIONS: u64 = 1_000_000;

/// Counts in four ways, and prints what each has lost.
fn main() {
    // 1. Read, then write
    // Another thread may add between the load and the store. The store then
    // overwrites that addition with a number that was read before it.
    let counter = AtomicU64::new(0);
    in_two_threads(ADDITIONS, || {
        let count = counter.load(Relaxed);
        counter.store(count + 1, Relaxed);
    });
    // How many are lost is different in each run. It can be none, so a test
    // can miss this mistake.
    report("load, then store", 2 * ADDITIONS, counter.into_inner());

    // 2. The order that loses
    // The barrier lets no thread store before both have loaded: both load 0,
    // and both store 1. Without the barrier the scheduler decides.
    let (counter, both_have_loaded) = (AtomicU64::new(0), Barrier::new(2));
    in_two_threads(1, || {
        // 0 in both threads.
        let count = counter.load(Relaxed);
        both_have_loaded.wait();
        counter.store(count + 1, Relaxed);
    });
    // Of two additions one is lost, in every run.
    report("both load, then both store", 2, counter.into_inner());

    // 3. One step
    // The processor loads, adds and stores as one operation: no other thread
    // can come in between.
    let counter = AtomicU64::new(0);
    in_two_threads(ADDITIONS, || {
        counter.fetch_add(1, Relaxed);
    });
    report("fetch_add", 2 * ADDITIONS, counter.into_inner());

    // 4. A lock around both steps
    // The guard is dropped, and so unlocks, at the end of the statement: it
    // is held while the thread reads, and still while it writes.
    let counter = Mutex::new(0);
    in_two_threads(ADDITIONS, || {
        *counter.lock().expect("no thread panics") += 1;
    });
    // No thread is left, so the number comes out without locking.
    let count = counter.into_inner().expect("no thread panics");
    report("lock", 2 * ADDITIONS, count);
}

/// Lets two threads add, and waits for both.
fn in_two_threads(additions: u64, add: impl Fn() + Sync) {
    // The scope ends when its threads have ended. So they may borrow `add`
    // and, through it, the counter.
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..additions).for_each(|_| add()));
        }
    });
}

/// Prints how many of the additions the counter does not have.
fn report(how: &str, additions: u64, count: u64) {
    let lost = additions - count;
    println!("{how}: {additions} additions, {lost} lost");
}
