//! What /proc knows of a server: its processes, threads and descriptors, and
//! the processor time that they have used.

use std::collections::HashMap;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Outcome, until};

/// The numbers in a directory of /proc.
fn numbers(directory: &str) -> Vec<i32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The fields of /proc/PID/stat from the state on, which is the first.
fn stat(path: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(path).ok()?;
    // The name before it may contain anything but ends with the last `)`.
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}

/// The children of a process, zombies included.
#[must_use]
pub fn children(pid: i32) -> Vec<i32> {
    let tasks = threads(pid).into_iter();
    tasks
        .flat_map(|task| {
            let path = format!("/proc/{pid}/task/{task}/children");
            let text = fs::read_to_string(path).unwrap_or_default();
            let numbers = text.split_whitespace();
            numbers
                .filter_map(|number| number.parse().ok())
                .collect::<Vec<i32>>()
        })
        .collect()
}

/// A process, its children, and so on.
#[must_use]
pub fn tree(pid: i32) -> Vec<i32> {
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(children(parent));
        next += 1;
    }
    tree
}

/// The threads of a process.
#[must_use]
pub fn threads(pid: i32) -> Vec<i32> {
    numbers(&format!("/proc/{pid}/task"))
}

/// The thread of this name.
#[must_use]
pub fn thread_named(pid: i32, name: &str) -> Option<i32> {
    threads(pid).into_iter().find(|task| {
        let path = format!("/proc/{pid}/task/{task}/comm");
        fs::read_to_string(path).is_ok_and(|comm| comm.trim_end() == name)
    })
}

/// Whether a process has ended; a zombie has.
#[must_use]
pub fn is_gone(pid: i32) -> bool {
    stat(&format!("/proc/{pid}/stat")).is_none_or(|stat| stat[0] == "Z")
}

/// Whether a child of a server has ended and was not reaped yet.
#[must_use]
pub fn has_zombies(pid: i32) -> bool {
    tree(pid)[1..].iter().any(|&child| is_gone(child))
}

/// What descriptors of a process refer to, by their numbers.
#[must_use]
pub fn descriptors(pid: i32) -> Vec<(i32, String)> {
    let directory = format!("/proc/{pid}/fd");
    let mut all: Vec<_> = numbers(&directory)
        .into_iter()
        .filter_map(|fd| {
            let target = fs::read_link(format!("{directory}/{fd}")).ok()?;
            Some((fd, target.to_string_lossy().into_owned()))
        })
        .collect();
    all.sort();
    all
}

/// What a server holds, a line for each process: its threads, and its
/// descriptors by their kind. Process ids and numbers are left out, so that
/// two that hold the same are equal.
#[must_use]
pub fn holdings(pid: i32) -> Vec<String> {
    let mut all: Vec<_> = tree(pid)
        .into_iter()
        .map(|pid| {
            let state = stat(&format!("/proc/{pid}/stat"));
            let zombie = state.is_some_and(|stat| stat[0] == "Z");
            let threads = threads(pid).len();
            let mut kinds: Vec<_> = descriptors(pid)
                .into_iter()
                .map(|(_, target)| match target.split_once(":[") {
                    Some((kind, _)) => kind.to_owned(),
                    None => target,
                })
                .collect();
            kinds.sort();
            let what = if zombie { "a zombie" } else { "a process" };
            format!("{what}, {threads} threads: {}", kinds.join(" "))
        })
        .collect();
    // The server itself stays the first.
    all[1..].sort();
    all
}

/// What a server holds once nothing moves in it any more.
///
/// # Errors
///
/// When it does not come to rest.
pub fn settled(pid: i32) -> Outcome<Vec<String>> {
    until(|| {
        let before = (holdings(pid), switches(pid));
        sleep(Duration::from_millis(5));
        ((holdings(pid), switches(pid)) == before && asleep(pid))
            .then_some(before.0)
    })
    .ok_or_else(|| "the server does not come to rest".to_owned())
}

/// Whether every thread of a server sleeps.
fn asleep(pid: i32) -> bool {
    every_thread(pid).iter().all(|(_, path)| {
        stat(&format!("{path}/stat")).is_some_and(|stat| stat[0] == "S")
    })
}

/// Each thread of each process of a server, and its directory.
fn every_thread(pid: i32) -> Vec<(i32, String)> {
    let processes = tree(pid).into_iter();
    processes
        .flat_map(|pid| {
            let tasks = threads(pid).into_iter();
            tasks.map(move |task| (task, format!("/proc/{pid}/task/{task}")))
        })
        .collect()
}

/// How often a thread was given a processor, if it sleeps now.
#[must_use]
pub fn blocked(task: i32) -> Option<u64> {
    let path = format!("/proc/{task}/task/{task}/schedstat");
    let switches = || {
        let text = fs::read_to_string(&path).ok()?;
        text.split_whitespace().nth(2)?.parse().ok()
    };
    let before: u64 = switches()?;
    let stat = stat(&format!("/proc/{task}/task/{task}/stat"))?;
    (stat[0] == "S" && switches()? == before).then_some(before)
}

/// How often each thread was given a processor.
fn switches(pid: i32) -> HashMap<i32, u64> {
    schedule(pid, 2)
}

/// For how many nanoseconds each thread has had a processor.
#[must_use]
pub fn nanoseconds(pid: i32) -> HashMap<i32, u64> {
    schedule(pid, 0)
}

/// One field of /proc/PID/task/TID/schedstat for each thread.
fn schedule(pid: i32, field: usize) -> HashMap<i32, u64> {
    let threads = every_thread(pid).into_iter();
    threads
        .filter_map(|(task, path)| {
            let text = fs::read_to_string(format!("{path}/schedstat")).ok()?;
            let number = text.split_whitespace().nth(field)?.parse().ok()?;
            Some((task, number))
        })
        .collect()
}

/// The processor time of a server so far, with all its children, those that
/// have ended included.
#[must_use]
pub fn processor_time(pid: i32) -> Duration {
    let ticks = |pid: i32, fields: &[usize]| -> u64 {
        let Some(stat) = stat(&format!("/proc/{pid}/stat")) else {
            return 0;
        };
        let numbers = fields.iter().filter_map(|&field| stat.get(field));
        numbers
            .filter_map(|number| number.parse::<u64>().ok())
            .sum()
    };
    // utime and stime, and for the server cutime and cstime: proc(5).
    let own = ticks(pid, &[11, 12, 13, 14]);
    let tree = tree(pid);
    let children = tree[1..].iter().map(|&child| ticks(child, &[11, 12]));
    Duration::from_millis((own + children.sum::<u64>()) * 10)
}

/// Fails if the server uses the processor although nobody wants anything.
///
/// # Errors
///
/// When it does.
pub fn at_rest(pid: i32) -> Outcome {
    // A server that spins would fill at least a good part of this window, on
    // however busy a machine; one that waits uses nothing at all.
    const WINDOW: Duration = Duration::from_millis(100);
    const BOUND: Duration = Duration::from_millis(10);
    let before = nanoseconds(pid);
    sleep(WINDOW);
    let used: u64 = nanoseconds(pid)
        .into_iter()
        .map(|(task, after)| after - before.get(&task).copied().unwrap_or(0))
        .sum();
    let used = Duration::from_nanos(used);
    if used < BOUND {
        return Ok(());
    }
    Err(format!(
        "it spins: {used:?} of processor time in {WINDOW:?}"
    ))
}
