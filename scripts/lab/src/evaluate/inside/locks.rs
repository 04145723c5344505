//! Two threads that take two locks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the threads go on when nothing stops them.
const GO_ON: Duration = Duration::from_millis(300);
/// The time between two looks of the watchdog.
const LOOK: Duration = Duration::from_millis(50);
/// After so many looks without any progress it gives up.
const PATIENCE: u32 = 12;

/// Two threads take two locks, again and again, and a watchdog looks whether
/// they still make progress: whether they have stopped, and how often both
/// locks were taken. If they have, they wait for each other until this process
/// ends. The first thread takes the first lock first; the second one, too, or
/// in this other order.
pub(super) fn take_turns(second_order: [usize; 2]) -> (bool, u64) {
    let locks = Arc::new([Mutex::new(0_u64), Mutex::new(0_u64)]);
    let progress = Arc::new(AtomicU64::new(0));
    let begin = Arc::new(Barrier::new(2));
    let threads = [[0, 1], second_order].map(|[first, then]| {
        let (locks, progress) = (Arc::clone(&locks), Arc::clone(&progress));
        let begin = Arc::clone(&begin);
        thread::spawn(move || {
            begin.wait();
            let end = Instant::now() + GO_ON;
            while Instant::now() < end {
                let one = locks[first].lock();
                let mut one = one.unwrap_or_else(PoisonError::into_inner);
                *one += 1;
                // This thread holds its first lock here and yields, so that the
                // other thread can run.
                thread::yield_now();
                let two = locks[then].lock();
                *two.unwrap_or_else(PoisonError::into_inner) += 1;
                progress.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let (mut seen, mut idle) = (0, 0);
    loop {
        let stopped = idle >= PATIENCE;
        let turns = progress.load(Ordering::Relaxed);
        if stopped || threads.iter().all(thread::JoinHandle::is_finished) {
            return (stopped, turns);
        }
        idle = if turns == seen { idle + 1 } else { 0 };
        seen = turns;
        thread::sleep(LOOK);
    }
}
