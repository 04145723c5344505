//! The other processes of the experiments: run as `lab peer NAME`.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

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
