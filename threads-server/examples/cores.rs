//! The third danger is Python's own: what its lock, the GIL, costs.
//!
//! The work of `docs/python/gil.py`, in Rust: one thread, then two that share
//! it. Rust has no such lock, so the two threads compute at the same time.
//!
//! `cargo run -p threads-server --example cores`

// The processor time of this process is what /proc tells.
use std::time::Instant;
use std::{fs, hint, io, thread};

/// How many steps there are to compute: ten times as many as in Python, since
/// compiled code takes less time for each.
const STEPS: u32 = 100_000_000;

/// Computes in one thread, then in two.
fn main() -> io::Result<()> {
    for threads in [1, 2] {
        // 1. Create the threads
        // The scope waits for all of them.
        let (start, before) = (Instant::now(), cpu_seconds()?);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(move || compute(STEPS / threads));
            }
        });

        // 2. How many cores were used
        // Two cores that compute for one second use two seconds of processor
        // time; on a busy machine there is less for this program.
        let seconds = start.elapsed().as_secs_f64();
        let cores = (cpu_seconds()? - before) / seconds;
        let name = if threads == 1 { "1 thread" } else { "2 threads" };
        println!("{name:<12} {seconds:6.2} s {cores:6.1} cores");
    }
    Ok(())
}

/// A chain of numbers, each made of the one before.
fn compute(steps: u32) {
    let mut number: u64 = 1;
    for _ in 0..steps {
        number = (number * 1_103_515_245 + 12_345) % 2_147_483_648;
    }
    // The compiler must not conclude that the result is never used, and
    // leave out the loop.
    hint::black_box(number);
}

/// The processor time that this process has used, in seconds.
fn cpu_seconds() -> io::Result<f64> {
    // Behind the name of the program, in parentheses, the twelfth and the
    // thirteenth field: time in the program, and in the kernel for it.
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(2);
    // Linux shows a hundred ticks for each second, on x86 and on ARM.
    let ticks: u32 = ticks.filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(f64::from(ticks) / 100.0)
}
