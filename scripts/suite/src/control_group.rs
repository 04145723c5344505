//! A limit on how many threads and processes there may be.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::Pid;
use probe::proc;

/// Whether control groups can be made here: one is, for a program that does
/// nothing.
pub(crate) fn has_control_groups() -> bool {
    let idle = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn();
    let Ok(mut idle) = idle else { return false };
    let pid = i32::try_from(idle.id()).expect("a process id fits");
    let has = Group::new(Pid::from_raw(pid)).is_some();
    idle.kill().ok();
    idle.wait().ok();
    has
}

/// A control group with one server in it, and no other process.
pub(crate) struct Group {
    directory: PathBuf,
}

impl Group {
    /// A group for a server and its children, if one may be made here.
    pub(crate) fn new(pid: Pid) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // The hierarchy of its own of version 1, or that of version 2.
        for parent in ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"] {
            let number = NUMBER.fetch_add(1, Ordering::SeqCst);
            let name = format!("echo-suite-{}-{number}", process::id());
            let group = Self { directory: Path::new(parent).join(name) };
            if fs::create_dir(&group.directory).is_ok()
                && group.directory.join("pids.max").exists()
                && group.enter(pid).is_ok()
            {
                return Some(group);
            }
        }
        None
    }

    /// Moves a server here, with its children.
    fn enter(&self, pid: Pid) -> io::Result<()> {
        let path = self.directory.join("cgroup.procs");
        let mut tree = proc::tree(pid).into_iter();
        tree.try_for_each(|pid| fs::write(&path, pid.to_string()))
    }

    /// How many threads and processes are in it.
    pub(crate) fn current(&self) -> usize {
        let text = fs::read_to_string(self.directory.join("pids.current"));
        let number = text.ok().and_then(|text| text.trim().parse().ok());
        number.expect("pids.current is a number")
    }

    /// Allows so many.
    pub(crate) fn limit(&self, most: usize) {
        fs::write(self.directory.join("pids.max"), most.to_string())
            .expect("pids.max can be written");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A failed case may have left its server here: it goes where it came
        // from, for only an empty group can be removed.
        let here = self.directory.join("cgroup.procs");
        let home = self.directory.with_file_name("cgroup.procs");
        let pids = fs::read_to_string(here).unwrap_or_default();
        for pid in pids.lines() {
            fs::write(&home, pid).ok();
        }
        fs::remove_dir(&self.directory).ok();
    }
}
