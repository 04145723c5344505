//! Readers of `/proc`: what a server costs, over all of its processes.
//!
//! A server here is a process and all that descend from it: the children of
//! process-server are as much the server as the threads of threads-server.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use probe::proc::threads;
pub use probe::proc::tree;
use procfs::process::Process;
use procfs::{
    Current, CurrentSI, KernelStats, Meminfo, ProcResult, ticks_per_second,
};

/// Processor time that a server has used since it started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuTime {
    /// Of all its processes, those already reaped included.
    pub total: Duration,
    /// False when the kernel reaps children by itself (`SIGCHLD` ignored):
    /// their time is in no process's account, so that `total` is too small.
    pub complete: bool,
}

/// Reads the processor time of a server.
///
/// Processes that live are read to the nanosecond, those that their parent
/// has reaped to the tick of the kernel's accounts (10 ms as a rule).
///
/// # Errors
///
/// When `root` does not exist.
pub fn cpu_time(root: Pid) -> Result<CpuTime> {
    let mut cpu = CpuTime { total: own_cpu_time(root)?, complete: true };
    for pid in tree(root) {
        // A child may end between two of these lines. Then its time is in
        // its parent's account a moment later, and missed only this once.
        if pid != root {
            cpu.total += own_cpu_time(pid).unwrap_or_default();
        }
        let Ok(process) = Process::new(pid.as_raw()) else { continue };
        // The children that it has waited for: proc_pid_stat(5).
        if let Ok(stat) = process.stat() {
            cpu.total += ticks((stat.cutime + stat.cstime).cast_unsigned());
        }
        // Where `SIGCHLD` is ignored, children leave no account behind.
        if let Ok(status) = process.status() {
            let ignored = 1 << (Signal::SIGCHLD as u64 - 1);
            cpu.complete &= status.sigign & ignored == 0;
        }
    }
    Ok(cpu)
}

/// The processor time of one process with all of its threads, ended ones
/// included (`clock_getcpuclockid(3)`).
///
/// # Errors
///
/// When it does not exist.
fn own_cpu_time(pid: Pid) -> Result<Duration> {
    let clock = clock_getcpuclockid(pid)
        .with_context(|| format!("no processor clock of process {pid}"))?;
    Ok(clock_gettime(clock)?.into())
}

/// The time of so many ticks of the kernel's accounts.
fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / ticks_per_second())
}

/// What a server holds in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Proportional set size in KiB over all processes: a page that several
    /// share counts once, in parts (`smaps_rollup`).
    pub pss_kib: u64,
    /// Page tables in KiB over all processes (`VmPTE`), the kernel's part
    /// that it tells for each process.
    pub page_tables_kib: u64,
    /// Processes.
    pub processes: u64,
    /// Threads over all processes; each has a stack in the kernel too.
    pub threads: u64,
}

/// Reads the memory of a server over all of its processes.
///
/// # Errors
///
/// When `smaps_rollup` of the first process cannot be read.
pub fn memory(root: Pid) -> Result<Memory> {
    let mut memory = Memory::default();
    for pid in tree(root) {
        let read = || -> ProcResult<_> {
            let process = Process::new(pid.as_raw())?;
            let maps = process.smaps_rollup()?.memory_map_rollup;
            let map = maps.0.first().map(|it| &it.extension.map);
            let pss = map.and_then(|map| map.get("Pss")).copied();
            Ok((pss.unwrap_or(0), process.status()?))
        };
        match read() {
            Ok((pss, status)) => {
                memory.pss_kib += pss / 1024;
                memory.page_tables_kib += status.vmpte.unwrap_or(0);
                memory.threads += status.threads;
                memory.processes += 1;
            }
            Err(error) if pid == root => {
                return Err(error)
                    .with_context(|| format!("reading the memory of {pid}"));
            }
            Err(_) => {} // ended meanwhile
        }
    }
    Ok(memory)
}

/// What the kernel holds for the whole machine, in KiB: stacks of threads
/// inside of it, page tables, and objects such as sockets, files and tasks.
/// Only differences say anything, and only while nothing else runs.
///
/// # Errors
///
/// When `/proc/meminfo` cannot be read.
pub fn kernel_memory_kib() -> Result<u64> {
    let all = Meminfo::current().context("reading /proc/meminfo")?;
    let stacks = all.kernel_stack.unwrap_or(0) / 1024;
    Ok(stacks + all.page_tables.unwrap_or(0) / 1024 + all.slab / 1024)
}

/// Context switches of the threads of a server that still exist: how often
/// one had to wait, or was made to.
pub fn context_switches(root: Pid) -> u64 {
    let threads = tree(root).into_iter().flat_map(threads);
    let switches = threads.filter_map(|thread| {
        // It may have ended meanwhile.
        let status = Process::new(thread.as_raw()).ok()?.status().ok()?;
        let by_itself = status.voluntary_ctxt_switches.unwrap_or(0);
        Some(by_itself + status.nonvoluntary_ctxt_switches.unwrap_or(0))
    });
    switches.sum()
}

/// Processor time that all of the machine's processors have spent on
/// anything, interrupts and what a hypervisor took away included.
pub fn machine_busy() -> Option<Duration> {
    let all = KernelStats::current().ok()?.total;
    let interrupts = [all.irq, all.softirq, all.steal].into_iter().flatten();
    let busy = all.user + all.nice + all.system + interrupts.sum::<u64>();
    Some(ticks(busy))
}

/// The processors of the machine, whichever of them this process may use.
pub fn all_processors() -> Option<usize> {
    Some(KernelStats::current().ok()?.cpu_time.len())
}

/// How many sockets of the machine wait in `TIME_WAIT`.
pub fn sockets_in_time_wait() -> Option<u64> {
    let text = fs::read_to_string("/proc/net/sockstat").ok()?;
    let line = text.lines().find(|line| line.starts_with("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|word| *word == "tw")?;
    words.next()?.parse().ok()
}

/// How many ports a client may be given: the ephemeral range's size.
pub fn ephemeral_ports() -> Option<u64> {
    let path = "/proc/sys/net/ipv4/ip_local_port_range";
    let text = fs::read_to_string(path).ok()?;
    let mut ends = text.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    Some(last.saturating_sub(first) + 1)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use probe::proc::{is_gone, pid_of};

    use super::*;

    #[test]
    fn a_child_belongs_to_the_tree_and_its_time_to_the_account() {
        let before = cpu_time(Pid::this()).unwrap();
        // Busy for about 100 ms, then waits for its input to end.
        let script = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; cat";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = pid_of(&child);
        assert!(tree(Pid::this()).contains(&pid));
        assert!(!is_gone(pid));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!tree(Pid::this()).contains(&pid));
        assert!(is_gone(pid));
        // Reaped: what it used is now in this process's account.
        let after = cpu_time(Pid::this()).unwrap();
        let used = after.total.saturating_sub(before.total);
        assert!(used >= Duration::from_millis(10));
        assert!(after.complete);
    }

    #[test]
    fn this_process_has_memory_threads_and_switches() {
        let memory = memory(Pid::this()).unwrap();
        assert!(memory.pss_kib > 100 && memory.page_tables_kib > 0);
        assert!(memory.processes >= 1 && memory.threads >= 1);
        assert!(context_switches(Pid::this()) > 0);
        assert!(kernel_memory_kib().unwrap() > 0);
        assert!(ephemeral_ports().unwrap() > 0);
        assert!(machine_busy().unwrap() > Duration::ZERO);
        assert!(sockets_in_time_wait().is_some());
    }
}
