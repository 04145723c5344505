//! Faults that only the kernel can produce, made by `strace -e inject`: of a
//! server that is started under strace, or of one that runs already.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::slice;
use std::sync::{Arc, OnceLock};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::folder::{Folder, folder};
use super::lines::{Lines, Reading};
use super::server::Server;
use super::start::Start;
use super::wait::{soon, until};
use super::{proc, works};

/// The version of strace, if it is installed and may be used here.
pub fn version() -> Option<&'static str> {
    static VERSION: OnceLock<Option<String>> = OnceLock::new();
    let look = || {
        if !works("strace -f -qq -o /dev/null true") {
            return None;
        }
        let output = Command::new("strace").arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(text.lines().next()?.rsplit(' ').next()?.to_owned())
    };
    VERSION.get_or_init(look).as_deref()
}

/// A server whose system calls fail as asked for.
pub struct Traced {
    /// The server; its `pid` is that of the server, not of the tracer.
    pub server: Server,
    folder: Folder,
}

impl Traced {
    /// Starts a server of which these system calls are noted, with more
    /// options for strace.
    pub fn run(start: Start, calls: &str, more: &[&str]) -> Self {
        let folder = folder();
        let path = folder.path().join("calls").display().to_string();
        let trace = format!("trace={calls}");
        let words = ["strace", "-f", "-qq", "-o", &path, "-e", &trace];
        let mut server =
            start.under_words(words.iter().chain(more).copied()).run();
        // It is the only child of its tracer.
        let tracer = server.pid;
        server.pid = until("the tracer has a child, or all is over", || {
            let child = proc::children(tracer).first().copied();
            child.or_else(|| (!server.is_running()).then_some(tracer))
        });
        Self { server, folder }
    }

    /// The calls so far, in strace's notation.
    pub fn calls(&self) -> String {
        let path = self.folder.path().join("calls");
        fs::read_to_string(path).unwrap_or_default()
    }
}

/// The system calls that accept a client.
pub const ACCEPT: &str = "accept,accept4";
/// The system calls that wait for one of several events.
pub const WAIT: &str =
    "poll,ppoll,select,pselect6,epoll_wait,epoll_pwait,epoll_pwait2";

/// A strace that is attached to a server. It is attached after the first
/// line, not started with the server: so no call of the start is ever hit, and
/// the first call of a case is the first call of its service.
#[derive(Debug)]
pub struct Strace {
    child: Child,
    lines: Arc<Lines>,
}

/// What to attach to.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// This one thread, or the first thread of this process, and nothing that
    /// it creates: strace counts the calls of each thread for itself, so only
    /// a fault in one thread is one fault.
    Thread(Pid),
    /// All threads of these processes, now and later.
    Processes(&'a [Pid]),
}

impl Strace {
    /// Attaches, with these options.
    ///
    /// # Panics
    ///
    /// When strace does not say that it is attached.
    pub fn attach(target: Target, options: &[String]) -> Self {
        let mut command = Command::new("strace");
        let pids = match &target {
            Target::Thread(id) => slice::from_ref(id),
            Target::Processes(pids) => {
                command.arg("-f");
                pids
            }
        };
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        // strace interrupts the call in which the target is blocked, and the
        // target begins it once more; only after that does strace surely see
        // the next call.
        let before: Vec<_> =
            pids.iter().map(|&pid| proc::blocked(pid)).collect();
        command.args(options).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace can be started");
        let errors = child.stderr.take().expect("its errors are a pipe");
        let strace = Self { child, lines: Lines::of(errors, Reading::All) };
        let mut waiting = pids.len();
        strace.lines.find("strace to be attached", |line| {
            waiting -= usize::from(line.contains(" attached"));
            (waiting == 0).then_some(())
        });
        for (&pid, before) in pids.iter().zip(before) {
            soon("what strace is attached to goes on", || {
                // The call that was interrupted may have been the end of the
                // thread.
                proc::is_gone(pid)
                    || proc::blocked(pid).is_some_and(|now| {
                        before.is_none_or(|before| now > before)
                    })
            });
        }
        strace
    }

    /// How many calls strace has made fail so far.
    pub fn hits(&self) -> usize {
        let lines = self.lines.so_far();
        lines.iter().filter(|line| line.contains("(INJECTED)")).count()
    }

    /// Waits until strace has made a call fail.
    ///
    /// # Panics
    ///
    /// When none does.
    pub fn wait_for_hit(&self) {
        self.lines.find("a call to be reached", |line| {
            line.contains("(INJECTED)").then_some(())
        });
    }

    /// Detaches, and returns all that it has seen.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn detach(mut self) -> Vec<String> {
        // It may have ended by itself, with its server.
        if let Ok(None) = self.child.try_wait() {
            kill(proc::pid_of(&self.child), Signal::SIGTERM).ok();
        }
        until("strace has ended", || self.child.try_wait().ok().flatten());
        self.lines.all()
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // Ended and waited for already, unless the case has failed.
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
