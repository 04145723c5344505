//! What the kernel knows of a server, in `proc(5)`: its processes, threads,
//! descriptors and memory, and the processor time that they have used.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Child;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::process::{Process, Schedstat, Stat, Task, all_processes};

use super::wait::{LIMIT, soon, until, within};

/// The process of a child.
pub fn pid_of(child: &Child) -> Pid {
    // A process id is below 2^22.
    Pid::from_raw(child.id().cast_signed())
}

/// What `/proc/PID/stat` says of a process, if there is one.
fn stat(pid: Pid) -> Option<Stat> {
    Process::new(pid.as_raw()).and_then(|process| process.stat()).ok()
}

/// The threads of a process that exist now.
fn tasks(pid: Pid) -> impl Iterator<Item = Task> {
    let tasks = Process::new(pid.as_raw()).and_then(|it| it.tasks());
    tasks.into_iter().flatten().flatten()
}

/// The threads of a process.
pub fn threads(pid: Pid) -> Vec<Pid> {
    tasks(pid).map(|task| Pid::from_raw(task.tid)).collect()
}

/// The thread of this name.
pub fn thread_named(pid: Pid, name: &str) -> Option<Pid> {
    tasks(pid)
        .find(|task| task.stat().is_ok_and(|stat| stat.comm == name))
        .map(|task| Pid::from_raw(task.tid))
}

/// The children of a process, zombies included.
pub fn children(pid: Pid) -> Vec<Pid> {
    tasks(pid)
        .flat_map(|task| task.children().unwrap_or_default())
        .map(|child| Pid::from_raw(child.cast_signed()))
        .collect()
}

/// A process, its children, and so on.
pub fn tree(pid: Pid) -> Vec<Pid> {
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(children(parent));
        next += 1;
    }
    tree
}

/// The members of a process group that are not dead, their parent being the
/// server or any other process.
pub fn living(group: Pid) -> Vec<Pid> {
    let all = all_processes().into_iter().flatten().flatten();
    all.filter_map(|process| process.stat().ok())
        .filter(|stat| stat.pgrp == group.as_raw() && stat.state != 'Z')
        .map(|stat| Pid::from_raw(stat.pid))
        .collect()
}

/// The state of a process, as ps(1) shows it; `None` once it is gone.
pub fn state(pid: Pid) -> Option<char> {
    stat(pid).map(|stat| stat.state)
}

/// Whether a process runs no more: it is gone, or it is a zombie that its
/// parent has yet to reap.
pub fn is_gone(pid: Pid) -> bool {
    matches!(state(pid), None | Some('Z' | 'X'))
}

/// Whether a signal has been sent to a process that it was not given yet.
pub fn has_pending(pid: Pid, signal: Signal) -> bool {
    let status = Process::new(pid.as_raw()).and_then(|it| it.status());
    let bit = 1_u64 << (signal as u64 - 1);
    status.is_ok_and(|it| (it.shdpnd | it.sigpnd) & bit != 0)
}

/// Whether a child of a server has ended and was not reaped yet.
pub fn has_zombies(pid: Pid) -> bool {
    tree(pid)[1..].iter().any(|&child| is_gone(child))
}

/// Sends a deadly signal to a process that its own parent will reap, and waits
/// until it is dead.
///
/// # Panics
///
/// When there is no such process, or it does not die.
pub fn kill_and_wait(pid: Pid, signal: Signal) {
    kill(pid, signal).expect("the server's child can be signalled");
    soon("it is dead", || is_gone(pid));
}

/// What the descriptors of a process refer to, by the descriptors' numbers.
pub fn descriptors(pid: Pid) -> Vec<(u32, String)> {
    let all = fs::read_dir(format!("/proc/{pid}/fd"));
    let mut all: Vec<_> = all
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let fd = entry.file_name().to_str()?.parse().ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            Some((fd, target.to_string_lossy().into_owned()))
        })
        .collect();
    all.sort();
    all
}

/// The sockets that a process has a descriptor of, by their inodes: the same
/// socket has the same in every process.
pub fn sockets(pid: Pid) -> Vec<String> {
    let targets = descriptors(pid).into_iter().map(|(_, target)| target);
    targets.filter(|target| target.starts_with("socket:")).collect()
}

/// The lowest descriptor number that a process has free, once it has stopped
/// opening and closing: of several loops one may still be about to create its
/// epoll descriptor. A limit of this number lets it open nothing more.
///
/// # Panics
///
/// When it does not stop.
pub fn lowest_free_descriptor(pid: Pid) -> u32 {
    let used = until("its descriptors stay the same", || {
        let before = descriptors(pid);
        sleep(Duration::from_millis(500));
        (descriptors(pid) == before).then_some(before)
    });
    let free = (0..u32::MAX).find(|fd| used.iter().all(|(one, _)| one != fd));
    free.expect("no process has so many open")
}

/// What a server holds, a line for each process: its threads, and its
/// descriptors by their kind. Process ids and numbers are left out, so that
/// two that hold the same are equal.
pub fn holdings(pid: Pid) -> Vec<String> {
    let mut all: Vec<_> = tree(pid)
        .into_iter()
        .map(|pid| {
            let zombie = state(pid) == Some('Z');
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
/// # Panics
///
/// When it does not come to rest.
pub fn settled(pid: Pid) -> Vec<String> {
    until("the server comes to rest", || settled_now(pid))
}

/// What a server holds, if nothing moves in it for a moment.
fn settled_now(pid: Pid) -> Option<Vec<String>> {
    let before = (holdings(pid), switches(pid));
    sleep(Duration::from_millis(5));
    ((holdings(pid), switches(pid)) == before && is_asleep(pid))
        .then_some(before.0)
}

/// Waits until a server holds again what it held before.
///
/// # Panics
///
/// When that does not come.
pub fn balanced(pid: Pid, before: &[String]) {
    let mut last = Vec::new();
    let same = within(LIMIT, || {
        last = settled_now(pid)?;
        (last == before).then_some(())
    });
    assert!(
        same.is_some(),
        "it held {before:#?} before, and holds {last:#?} afterwards"
    );
}

/// The size of a process's address space, in bytes.
pub fn address_space(pid: Pid) -> Option<u64> {
    stat(pid).map(|stat| stat.vsize)
}

/// The memory of a server and its children in bytes, each shared page divided
/// among those who share it (PSS).
pub fn memory(pid: Pid) -> u64 {
    let rollups = tree(pid).into_iter().filter_map(|pid| {
        let process = Process::new(pid.as_raw()).ok()?;
        Some(process.smaps_rollup().ok()?.memory_map_rollup)
    });
    let maps = rollups
        .flatten()
        .filter_map(|map| map.extension.map.get("Pss").copied());
    maps.sum()
}

/// Each thread of each process of a server.
fn every_thread(pid: Pid) -> impl Iterator<Item = Task> {
    tree(pid).into_iter().flat_map(tasks)
}

/// Whether every thread of a server sleeps.
pub fn is_asleep(pid: Pid) -> bool {
    every_thread(pid).all(|task| task.stat().is_ok_and(|it| it.state == 'S'))
}

/// How often a thread was given a processor, if it sleeps now.
pub fn blocked(task: Pid) -> Option<u64> {
    let thread = Process::new(task.as_raw()).ok()?.task_main_thread().ok()?;
    let before = thread.schedstat().ok()?.pcount;
    let sleeps = thread.stat().ok()?.state == 'S';
    let after = thread.schedstat().ok()?.pcount;
    (sleeps && after == before).then_some(before)
}

/// One of the kernel's figures on the scheduling of each thread of a server, by
/// the threads' ids.
fn schedules(pid: Pid, figure: impl Fn(Schedstat) -> u64) -> HashMap<i32, u64> {
    every_thread(pid)
        .filter_map(|task| Some((task.tid, figure(task.schedstat().ok()?))))
        .collect()
}

/// How often each thread was given a processor.
fn switches(pid: Pid) -> HashMap<i32, u64> {
    schedules(pid, |schedule| schedule.pcount)
}

/// The processor time of a server so far, with all its children, those that
/// have ended included.
pub fn processor_time(pid: Pid) -> Duration {
    let all = tree(pid).into_iter().filter_map(stat);
    let ticks = all.map(|stat| {
        stat.utime + stat.stime + (stat.cutime + stat.cstime).cast_unsigned()
    });
    // Linux counts 100 in a second.
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// Asserts that a server uses less than a tenth of a processor for a moment,
/// since no client wants anything.
///
/// # Panics
///
/// When it does use it.
pub fn at_rest(pid: Pid) {
    let moment = Duration::from_millis(100);
    assert_waits(pid, moment, "no client wants anything");
}

/// Asserts that a server uses less than a tenth of a processor for so long.
///
/// A server that spins would fill at least a good part of this time, on
/// however busy a machine; one that waits uses nothing at all.
fn assert_waits(pid: Pid, time: Duration, situation: &str) {
    let nanoseconds = || schedules(pid, |schedule| schedule.sum_exec_runtime);
    let before = nanoseconds();
    sleep(time);
    let used: u64 = nanoseconds()
        .into_iter()
        .map(|(task, after)| after - before.get(&task).copied().unwrap_or(0))
        .sum();
    let used = Duration::from_nanos(used);
    assert!(
        used < time / 10,
        "{situation}: it spins: {used:?} of processor time in {time:?}"
    );
}

/// Asserts that a server, once it has come to rest, uses next to no processor
/// time for a second: it waits, it does not spin.
///
/// # Panics
///
/// When it does use it.
pub fn assert_idle(pid: Pid, situation: &str) {
    // The end of the last client, for example, may still cost time at first.
    within(Duration::from_secs(2), || is_asleep(pid).then_some(()));
    assert_waits(pid, Duration::from_secs(1), situation);
}

/// Whether the server's end of this connection (IPv4) holds bytes that the
/// server has not received yet, as `/proc/net/tcp` tells.
pub fn has_unread(server: SocketAddr, client: SocketAddr) -> bool {
    // By hand: the crate takes every line apart, which is too slow where
    // thousands of connections have just ended.
    let spell = |address: SocketAddr| match address.ip() {
        // The address as the kernel keeps it, read as a number of this machine.
        IpAddr::V4(ip) => {
            let number = u32::from_ne_bytes(ip.octets());
            format!("{number:08X}:{:04X}", address.port())
        }
        IpAddr::V6(_) => String::new(),
    };
    let (server, client) = (spell(server), spell(client));
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().take(5).collect();
        let [_, local, remote, _, queues] = fields[..] else { return false };
        let unread = queues.split_once(':').map_or("", |(_, unread)| unread);
        local == server && remote == client && unread.contains(|c| c != '0')
    })
}

/// An address of this machine that no other case uses, so that a port can be
/// chosen on it: all of 127.0.0.0/8 is ours.
pub fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let last = NEXT.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, high | 0x80, low, last)
}
