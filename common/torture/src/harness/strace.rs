//! A system call that fails on demand: strace(1) as the hand of fate.

use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::lines::Lines;
use crate::harness::{LIMIT, Outcome, proc, until};

/// The version of strace, if it is installed and may be used here.
#[must_use]
pub fn version() -> Option<&'static str> {
    static VERSION: OnceLock<Option<String>> = OnceLock::new();
    let look = || {
        let try_it = Command::new("strace")
            .args(["-qq", "-o", "/dev/null", "true"])
            .stderr(Stdio::null())
            .status();
        if !try_it.is_ok_and(|status| status.success()) {
            return None;
        }
        let output = Command::new("strace").arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(text.lines().next()?.rsplit(' ').next()?.to_owned())
    };
    VERSION.get_or_init(look).as_deref()
}

/// A strace that is attached to a server. It is attached after the first
/// line, not started with the server: so no call of the start is ever hit, and
/// the first call of a case is the first call of its service.
#[derive(Debug)]
pub struct Strace {
    child: Child,
    lines: Lines,
}

/// What to attach to.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// This one thread, or the first thread of this process, and nothing that
    /// it creates: strace counts the calls of each thread for itself, so only
    /// a fault in one thread is one fault.
    Thread(i32),
    /// Whatever these processes consist of, now and later.
    Processes(&'a [i32]),
}

impl Strace {
    /// Attaches, with these options.
    ///
    /// # Errors
    ///
    /// When strace does not say that it is attached.
    pub fn attach(target: Target, options: &[String]) -> Outcome<Self> {
        let mut command = Command::new("strace");
        let thread;
        let pids = match target {
            Target::Thread(id) => {
                thread = [id];
                &thread[..]
            }
            Target::Processes(pids) => {
                command.arg("-f");
                pids
            }
        };
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        // What the target is blocked in is interrupted and begun once more;
        // only then is the next call surely a call that strace sees.
        let before: Vec<_> =
            pids.iter().map(|&pid| proc::blocked(pid)).collect();
        let mut child = command
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("strace: {error}"))?;
        let errors = child.stderr.take().expect("its errors are a pipe");
        let lines = Lines::of(errors);
        let strace = Self { child, lines };
        let mut waiting = pids.len();
        let attached = strace.lines.wait(|line| {
            waiting -= usize::from(line.contains(" attached"));
            (waiting == 0).then_some(())
        });
        attached.ok_or_else(|| {
            format!("strace cannot attach: {:?}", strace.lines.all())
        })?;
        for (&pid, before) in pids.iter().zip(before) {
            until(|| {
                // The very first call may have been the end of it.
                if proc::is_gone(pid) {
                    return Some(());
                }
                let now = proc::blocked(pid)?;
                before.is_none_or(|before| now > before).then_some(())
            })
            .ok_or("what strace is attached to does not go on")?;
        }
        Ok(strace)
    }

    /// How many calls have failed by it so far.
    #[must_use]
    pub fn hits(&self) -> usize {
        let lines = self.lines.all();
        lines
            .iter()
            .filter(|line| line.contains("(INJECTED)"))
            .count()
    }

    /// Waits until a call has failed by it.
    ///
    /// # Errors
    ///
    /// When none does.
    pub fn wait_for_hit(&self) -> Outcome {
        self.lines
            .wait(|line| line.contains("(INJECTED)").then_some(()))
            .ok_or_else(|| {
                let lines = self.lines.all();
                let last = lines.len().saturating_sub(8);
                format!("the call was not reached: {:?}", &lines[last..])
            })
    }

    /// Detaches, and returns all that it has seen.
    ///
    /// # Errors
    ///
    /// When it does not end.
    pub fn detach(mut self) -> Outcome<Vec<String>> {
        let pid = i32::try_from(self.child.id()).expect("a process id fits");
        // It may have ended by itself, with its server.
        if let Ok(None) = self.child.try_wait() {
            kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
        }
        until(|| self.child.try_wait().ok().flatten())
            .ok_or_else(|| format!("strace stays for {LIMIT:?}"))?;
        Ok(self.lines.complete().unwrap_or_default())
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
