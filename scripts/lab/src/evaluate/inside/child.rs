//! The other processes of the experiments: run as `lab peer NAME`.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};

/// Writes so many counts to the standard output, each with a system call of
/// its own, once a byte on the standard input says so.
///
/// # Errors
///
/// When the other end of a pipe is closed.
pub fn count_into_pipe(count: u64) -> Result<()> {
    // Unbuffered: `Stdout` would collect the counts.
    let mut pipe = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    pipe.write_all(b"r")?;
    std::io::stdin().read_exact(&mut [0])?;
    let one = 1_u64.to_ne_bytes();
    for _ in 0..count {
        // The line is shorter than PIPE_BUF, so the kernel writes all of it or
        // nothing.
        pipe.write_all(&one)?;
    }
    Ok(())
}

/// Adds so many counts to the total in the memory that the standard input
/// is, and returns the nanoseconds that each took.
///
/// # Errors
///
/// When the standard input cannot be mapped.
pub fn count_into_memory(count: u64) -> Result<f64> {
    let stdin = std::io::stdin();
    let length = NonZeroUsize::new(size_of::<u64>()).context("a number")?;
    // SAFETY: a new mapping, of a file that no process makes shorter; it stays
    // until this process ends.
    #[allow(unsafe_code)]
    let start = unsafe {
        mmap(
            None,
            length,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
            stdin.as_fd(),
            0,
        )
    }
    .context("mapping the shared memory")?;
    // SAFETY: a mapping begins at a page, so it is aligned; it is as long as
    // the number; every process that shares it uses atomic operations only.
    #[allow(unsafe_code)]
    let total = unsafe { AtomicU64::from_ptr(start.as_ptr().cast()) };
    let begin = Instant::now();
    for _ in 0..count {
        total.fetch_add(1, Ordering::Relaxed);
    }
    Ok(super::each(begin.elapsed(), count))
}

/// In which order the second thread takes the two locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the first.
    Same,
    /// The other way round.
    Opposite,
}

/// How long the threads go on when nothing stops them.
const GO_ON: Duration = Duration::from_millis(300);
/// The time between two looks of the watchdog.
const LOOK: Duration = Duration::from_millis(50);
/// After so many looks without any progress it gives up.
const PATIENCE: u32 = 12;

/// Two threads take two locks, again and again, and a watchdog looks whether
/// they still make progress: whether they have stopped, and how often both
/// locks were taken. If they have, they still wait for each other when this
/// returns, so the process should end.
#[must_use]
pub fn locks(order: Order) -> (bool, u64) {
    let locks = Arc::new([Mutex::new(0_u64), Mutex::new(0_u64)]);
    let progress = Arc::new(AtomicU64::new(0));
    let begin = Arc::new(Barrier::new(2));
    let threads = [false, true].map(|second| {
        let (locks, progress) = (Arc::clone(&locks), Arc::clone(&progress));
        let begin = Arc::clone(&begin);
        let turned = second && order == Order::Opposite;
        thread::spawn(move || {
            let (first, then) = if turned { (1, 0) } else { (0, 1) };
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
