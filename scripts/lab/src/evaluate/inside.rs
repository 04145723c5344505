//! Experiments that need no server: counts passed on, lost and locked.

use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::memfd::{MFdFlags, memfd_create};
use slab::Slab;

use super::Bench;
use crate::machine::{Pinned, processors};
use crate::measure::{Floor, printed_by};

mod child;
mod locks;
mod races;

pub use child::{count_into_memory, count_into_pipe};
pub use races::UNSYNCHRONISED;

fn each(took: Duration, count: u64) -> f64 {
    took.as_nanos() as f64 / count as f64
}

/// One count from a worker to the total, five ways, all on one processor:
/// what is measured is the passing, not how fast the other side wakes.
pub(super) fn passing(bench: &mut Bench<'_>) -> Result<()> {
    for round in 0..bench.effort.rounds {
        bench.begins(&format!("passing counts, round {}", round + 1))?;
        let pinned = Pinned::new(None)?;
        let total = AtomicU64::new(0);
        let add = || _ = total.fetch_add(1, Ordering::Relaxed);
        let read = || total.load(Ordering::Relaxed);
        bench.push("passing/threads/atomic_ns", in_a_thread(add, read)?);
        let total = Mutex::new(0_u64);
        let lock = || total.lock().unwrap_or_else(PoisonError::into_inner);
        let mutex = in_a_thread(|| *lock() += 1, || *lock())?;
        bench.push("passing/threads/mutex_ns", mutex);
        bench.push("passing/threads/channel_ns", through_a_channel()?);
        let pipe = through_a_pipe(bench)?;
        bench.push("passing/processes/pipe_ns", pipe);
        let memory = through_shared_memory(bench)?;
        bench.push("passing/processes/shared_memory_ns", memory);
        drop(pinned);
    }
    Ok(())
}

/// Counts of one sample, where they cost nanoseconds.
const MANY: u64 = 1_000_000;
/// Counts of one sample, where each is a system call.
const SOME: u64 = 100_000;

/// Nanoseconds of each count that a thread adds to a total in memory.
fn in_a_thread(
    add: impl Fn() + Sync,
    total: impl FnOnce() -> u64,
) -> Result<f64> {
    let worker = || {
        let start = Instant::now();
        for _ in 0..MANY {
            add();
        }
        start.elapsed()
    };
    let took = thread::scope(|scope| scope.spawn(worker).join());
    let took = took.ok().context("a worker panicked")?;
    ensure!(total() == MANY, "counts were lost");
    Ok(each(took, MANY))
}

fn through_a_channel() -> Result<f64> {
    let (to_total, from_worker) = mpsc::channel::<u64>();
    let start = Instant::now();
    let worker = thread::spawn(move || {
        for _ in 0..MANY {
            if to_total.send(1).is_err() {
                break;
            }
        }
    });
    let total: u64 = from_worker.iter().sum();
    let took = start.elapsed();
    worker.join().ok().context("a worker panicked")?;
    ensure!(total == MANY, "counts were lost");
    Ok(each(took, MANY))
}

/// A child writes each count into a pipe, as the children of process-server
/// write their records; the parent adds up what it reads.
fn through_a_pipe(bench: &Bench<'_>) -> Result<f64> {
    let mut child = bench.catalogue.lab_peer("count-pipe");
    let mut child = child
        .arg(SOME.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the child that counts")?;
    let mut stdout = child.stdout.take().context("no pipe")?;
    // This byte says that the child has started, so the start is not measured.
    stdout.read_exact(&mut [0])?;
    let mut go = child.stdin.take().context("no pipe")?;
    let start = Instant::now();
    go.write_all(b"g")?;
    drop(go);
    let mut received = Vec::with_capacity(1 << 20);
    stdout.read_to_end(&mut received)?;
    let took = start.elapsed();
    child.wait()?;
    ensure!(received.len() as u64 == SOME * 8, "counts were lost");
    Ok(each(took, SOME))
}

/// A child adds each count to a total in memory that both map.
fn through_shared_memory(bench: &Bench<'_>) -> Result<f64> {
    let memory = memfd_create("total", MFdFlags::MFD_CLOEXEC)
        .context("no memory to share")?;
    let memory = std::fs::File::from(memory);
    memory.set_len(8)?;
    let mut child = bench.catalogue.lab_peer("count-memory");
    child.arg(MANY.to_string()).stdin(memory.try_clone()?);
    let took = printed_by(&mut child, "the child that counts")?;
    // The parent sees what the child has added, since both map the same memory.
    let mut total = [0; 8];
    std::os::unix::fs::FileExt::read_exact_at(&memory, &mut total, 0)?;
    ensure!(u64::from_ne_bytes(total) == MANY, "counts were lost");
    Ok(took)
}

/// Threads that count together: by reading and then writing, which loses
/// counts, and by one indivisible addition, which does not.
pub(super) fn races(bench: &mut Bench<'_>) -> Result<()> {
    let threads = processors().len().clamp(2, 4);
    for round in 0..bench.effort.rounds {
        bench.begins(&format!("racing threads, round {}", round + 1))?;
        let lost = races::lost_share(threads, |total| {
            let seen = total.load(Ordering::Relaxed);
            // A pause between the read and the write, as in most programs.
            std::hint::spin_loop();
            total.store(seen + 1, Ordering::Relaxed);
        });
        bench.push("races/read_then_write/lost_share", lost);
        let lost = races::lost_share(threads, |total| {
            total.fetch_add(1, Ordering::Relaxed);
        });
        bench.push("races/fetch_add/lost_share", lost);
    }
    match races::compiler_refuses() {
        Ok(refused) => {
            bench.push("races/refused_by_compiler", f64::from(refused));
        }
        Err(error) => bench.observer.says(&format!("races: {error:#}")),
    }
    Ok(())
}

/// Two threads that take two locks, in opposite orders and in one order.
pub(super) fn deadlocks(bench: &mut Bench<'_>) -> Result<()> {
    for round in 0..bench.effort.rounds {
        bench.begins(&format!("two locks, round {}", round + 1))?;
        for (second_order, name) in
            [([1, 0], "locks/opposite_orders"), ([0, 1], "locks/one_order")]
        {
            let (stopped, turns) = locks::take_turns(second_order);
            let stopped = f64::from(stopped);
            bench.push(format!("{name}/stopped_flag"), stopped);
            bench.push(format!("{name}/turns_count"), turns as f64);
        }
    }
    Ok(())
}

/// Creation and end of a process, a thread, an entry in a table.
pub(super) fn creation(bench: &mut Bench<'_>) -> Result<()> {
    for round in 0..bench.effort.rounds {
        bench.begins(&format!("creations, round {}", round + 1))?;
        let catalogue = bench.catalogue;
        let process = Floor::Fork.measure(catalogue, 0)?;
        bench.push("creation/process_ns", process);
        let thread = Floor::StdThread.measure(catalogue, 0)?;
        bench.push("creation/thread_ns", thread);
        bench.push("creation/table_entry_ns", table_entries());
    }
    Ok(())
}

/// Entries with a buffer each, as a loop keeps one for a client: created in
/// a table that holds some, and removed again.
fn table_entries() -> f64 {
    const OTHERS: usize = 64;
    let entry = || Box::new([0_u8; 1024]);
    let mut table: Slab<Box<[u8; 1024]>> = Slab::new();
    for _ in 0..OTHERS {
        table.insert(entry());
    }
    let start = Instant::now();
    for _ in 0..SOME {
        let key = table.insert(std::hint::black_box(entry()));
        std::hint::black_box(table.remove(key));
    }
    each(start.elapsed(), SOME)
}
