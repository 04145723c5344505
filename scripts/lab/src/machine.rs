//! The machine that is measured on: what it is, and what it lets us do.

use std::fs;
use std::process::Command;

use ::procfs::{CpuInfo, Current, Meminfo};
use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use probe::proc::{threads, tree};
use serde::{Deserialize, Serialize};

use crate::procfs;

/// What a figure depends on, for readers with another machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Whether a hypervisor is below, if the processor says so: wake-ups
    /// across virtual processors are then slow.
    pub virtual_machine: bool,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel's release and build.
    pub kernel: String,
    /// The distribution.
    pub system: String,
    /// How TCP decides what to send: some ways take more time than others,
    /// also on the loopback.
    pub congestion_control: String,
    /// Load average of the last minute when the run began.
    pub load_average: f64,
    /// Open descriptors that one process may have.
    pub descriptors: u64,
    /// Ports that a client may be given for one pair of addresses.
    pub ephemeral_ports: u64,
}

impl Machine {
    /// Describes this machine.
    pub fn this() -> Self {
        let read = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.trim().to_owned()
        };
        let system = read("/etc/os-release");
        let mut system = system.lines();
        let system = system.find_map(|it| it.strip_prefix("PRETTY_NAME="));
        let load = read("/proc/loadavg");
        let minute = load.split(' ').next().unwrap_or_default();
        let cpu = CpuInfo::current().ok();
        let name = cpu.as_ref().and_then(|cpu| cpu.model_name(0));
        let flags = cpu.as_ref().and_then(|cpu| cpu.flags(0));
        let memory = Meminfo::current().map_or(0, |memory| memory.mem_total);
        Self {
            cpu: name.unwrap_or(std::env::consts::ARCH).to_owned(),
            processors: processors().len(),
            virtual_machine: flags.unwrap_or_default().contains(&"hypervisor"),
            memory_mib: memory >> 20,
            kernel: read("/proc/sys/kernel/osrelease"),
            system: system.unwrap_or_default().trim_matches('"').to_owned(),
            congestion_control: read(
                "/proc/sys/net/ipv4/tcp_congestion_control",
            ),
            load_average: minute.parse().unwrap_or(0.0),
            descriptors: getrlimit(Resource::RLIMIT_NOFILE)
                .map_or(0, |(soft, _)| soft),
            ephemeral_ports: procfs::ephemeral_ports().unwrap_or(0),
        }
    }
}

/// Raises the soft limit of open descriptors to the hard one, for this
/// process and all that it starts, and returns it.
///
/// # Errors
///
/// When the limit can be neither read nor set.
pub fn raise_descriptor_limit() -> Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)
        .context("reading the limit of open descriptors")?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
            .context("raising the limit of open descriptors")?;
    }
    Ok(hard)
}

/// The processors that this process may use.
pub fn processors() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else {
        return vec![0];
    };
    (0..CpuSet::count())
        .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
        .collect()
}

/// While it lives, the calling thread and a server run on one processor
/// only; then both may use all again.
///
/// Without it a round trip takes 5 or 70 microseconds by chance: whether the
/// two sleep and wake on one processor or on two.
#[derive(Debug)]
pub struct Pinned {
    server: Option<Pid>,
    before: CpuSet,
    /// The processor both run on.
    pub processor: usize,
}

impl Pinned {
    /// Pins the calling thread, with whatever it starts from now on, and every
    /// thread of a server if there is one, to the last processor that this
    /// process may use (the first has more interrupts).
    ///
    /// # Errors
    ///
    /// When the kernel refuses it.
    pub fn new(server: Option<Pid>) -> Result<Self> {
        let before = sched_getaffinity(Pid::from_raw(0))
            .context("reading the processors to run on")?;
        let processor = processors().last().copied().unwrap_or(0);
        let mut one = CpuSet::new();
        one.set(processor).context("no such processor")?;
        let pinned = Self { server, before, processor };
        // From here on, dropping `pinned` undoes whatever was done.
        sched_setaffinity(Pid::from_raw(0), &one)
            .context("pinning the client")?;
        if let Some(server) = server {
            for_each_thread(server, |task| sched_setaffinity(task, &one))
                .context("pinning the server")?;
        }
        Ok(pinned)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // The server may have ended: then there is no thread to set free.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.before);
        if let Some(server) = self.server {
            let _ = for_each_thread(server, |task| {
                sched_setaffinity(task, &self.before)
            });
        }
    }
}

fn for_each_thread(
    root: Pid,
    mut act: impl FnMut(Pid) -> nix::Result<()>,
) -> nix::Result<()> {
    for pid in tree(root) {
        for task in threads(pid) {
            match act(task) {
                Ok(()) | Err(nix::Error::ESRCH) => {} // it has just ended
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// What a command prints of a version: its first line with a digit, or `None`
/// when the program is not installed.
pub fn version_of(command: &str) -> Option<String> {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next()?).args(words).output().ok()?;
    let text =
        if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8_lossy(&text);
    let line = text
        .lines()
        .find(|line| line.contains(|it: char| it.is_ascii_digit()))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let machine = Machine::this();
        assert!(!machine.cpu.is_empty() && !machine.kernel.is_empty());
        assert!(machine.processors >= 1 && machine.memory_mib > 0);
        assert!(machine.descriptors > 0);
    }

    #[test]
    fn pinning_lasts_as_long_as_its_guard() {
        let before = processors();
        let mut other = Command::new("sleep").arg("10").spawn().unwrap();
        let pid = probe::proc::pid_of(&other);
        let pinned = Pinned::new(Some(pid)).unwrap();
        assert_eq!(processors(), [pinned.processor]);
        drop(pinned);
        assert_eq!(processors(), before);
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_program_that_is_not_there_has_no_version() {
        assert_eq!(version_of("no-such-program-here --version"), None);
        assert!(version_of("sh -c").is_some());
    }
}
