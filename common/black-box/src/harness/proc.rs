//! What the kernel tells about processes and sockets, in `proc(5)`.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One line of `/proc/PID/stat`, as far as the cases ask for it.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub pid: Pid,
    /// `R`, `S`, `Z` (a zombie: dead and not yet reaped)…
    pub state: char,
    /// The process group it belongs to.
    pub group: Pid,
    /// Who is told of its end.
    pub parent: Pid,
    /// How many threads it has.
    pub threads: usize,
    /// CPU time used, in clock ticks, with that of its reaped children.
    pub ticks: u64,
}

impl Process {
    /// The process with this id, if there is one.
    pub fn find(pid: Pid) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in brackets, may contain anything; what follows is fixed.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let id =
            |index: usize| Some(Pid::from_raw(fields[index].parse().ok()?));
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: id(1)?,
            group: id(2)?,
            threads: usize::try_from(number(17)?).ok()?,
            ticks: (11..=14).filter_map(number).sum(),
        })
    }

    /// Every process that there is.
    pub fn all() -> Vec<Self> {
        fs::read_dir("/proc")
            .expect("there is a /proc on Linux")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Self::find(Pid::from_raw(pid)))
            .collect()
    }
}

/// The children of a process, zombies included.
pub fn children(pid: Pid) -> Vec<Process> {
    let mut all = Process::all();
    all.retain(|process| process.parent == pid);
    all
}

/// The members of a process group that are not dead.
pub fn living(group: Pid) -> Vec<Process> {
    let mut all = Process::all();
    all.retain(|process| process.group == group && process.state != 'Z');
    all
}

/// Whether every thread of a process group waits for something.
pub fn is_asleep(group: Pid) -> bool {
    living(group).iter().all(|process| {
        let tasks = format!("/proc/{}/task", process.pid);
        let threads = fs::read_dir(tasks).into_iter().flatten().flatten();
        threads
            .filter_map(|thread| {
                fs::read_to_string(thread.path().join("stat")).ok()
            })
            .filter_map(|stat| Some(stat.rsplit_once(") ")?.1.starts_with('S')))
            .all(|asleep| asleep)
    })
}

/// The numbers of the descriptors that a process has open, in order.
pub fn descriptors(pid: Pid) -> Vec<u32> {
    let mut numbers: Vec<u32> = fs::read_dir(format!("/proc/{pid}/fd"))
        .map(|entries| {
            entries
                .filter_map(|entry| {
                    entry.ok()?.file_name().to_str()?.parse().ok()
                })
                .collect()
        })
        .unwrap_or_default();
    numbers.sort_unstable();
    numbers
}

/// The lowest descriptor number that a process has free, once it has stopped
/// opening and closing: as a limit, it lets it open nothing more.
pub fn lowest_free_descriptor(pid: Pid) -> u32 {
    let used = super::wait::until("its descriptors stay the same", || {
        let before = descriptors(pid);
        thread::sleep(Duration::from_millis(50));
        (descriptors(pid) == before).then_some(before)
    });
    let free = (0..u32::MAX).find(|fd| !used.contains(fd));
    free.expect("nobody has so many open")
}

/// The memory that belongs to a process alone, in KiB.
pub fn own_memory(pid: Pid) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Measures for a second how much CPU time a process group uses, and asserts
/// that it is next to nothing: it waits, it does not spin.
///
/// A loop that spins uses the whole second, on a machine that is fully loaded
/// at least a good part of it.
pub fn assert_idle(group: Pid, situation: &str) {
    let ticks = || -> u64 {
        let members = living(group);
        members.iter().map(|process| process.ticks).sum()
    };
    // What came before, the last client's end for example, may still run.
    let settled = || {
        let before = ticks();
        thread::sleep(Duration::from_millis(50));
        ticks() == before
    };
    super::wait::within(Duration::from_secs(2), || settled().then_some(()));
    let before = ticks();
    let begin = Instant::now();
    thread::sleep(Duration::from_secs(1));
    let used = ticks().saturating_sub(before);
    // Of Linux's 100 ticks in a second.
    assert!(
        used < 10,
        "{situation}: {used} ticks of CPU time in {:?}",
        begin.elapsed()
    );
}

/// An address of this machine that no other case uses, so that a port can be
/// chosen on it: all of 127.0.0.0/8 is ours.
pub fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let last = NEXT.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, high | 0x80, low, last)
}

/// Sends a deadly signal to a process that somebody else will reap, and waits
/// until it is dead.
pub fn kill_and_wait(pid: Pid, signal: Signal) {
    kill(pid, signal).expect("the server's child can be signalled");
    super::wait::until("it is dead", || {
        let found = Process::find(pid);
        found.is_none_or(|found| found.state == 'Z').then_some(())
    });
}
