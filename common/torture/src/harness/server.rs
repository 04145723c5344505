//! A server, started as its user starts it.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::form::{Form, program};
use crate::harness::lines::Lines;
use crate::harness::{Outcome, proc, until};

/// A running server. Whatever becomes of the case, it does not outlive it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its process id.
    pub pid: i32,
    /// Where it listens.
    pub port: u16,
    /// What it has printed.
    pub output: Lines,
    /// What it has complained of.
    pub errors: Lines,
    ended: bool,
}

/// The figures of a server's last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Clients served.
    pub clients: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

impl Server {
    /// Starts a server in this form, with more options, on a free port.
    ///
    /// # Errors
    ///
    /// When it does not say that it listens.
    pub fn start(form: &Form, options: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(program(form.program));
        command.args(form.options);
        Self::start_by(command, options)
    }

    /// Starts a server by this command.
    ///
    /// # Errors
    ///
    /// When it does not say that it listens.
    pub fn start_by(mut command: Command, options: &[&str]) -> Outcome<Self> {
        let mut child = command
            .args(["--port", "0", "--language", "en"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let output = child.stdout.take().expect("its output is a pipe");
        let errors = child.stderr.take().expect("its errors are a pipe");
        let pid = i32::try_from(child.id()).expect("a process id fits");
        let mut server = Self {
            child,
            pid,
            port: 0,
            output: Lines::of(output),
            errors: Lines::of(errors),
            ended: false,
        };
        let port = server.output.wait(|line| {
            let (_, port) = line.split_once(" listening on 127.0.0.1:")?;
            port.parse().ok()
        });
        server.port = port.ok_or_else(|| {
            format!("it does not listen: {:?}", server.errors.all())
        })?;
        Ok(server)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if !self.ended {
            kill(Pid::from_raw(self.pid), signal).ok();
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When it does not end.
    pub fn wait(&mut self) -> Outcome<ExitStatus> {
        let status = until(|| self.child.try_wait().ok().flatten())
            .ok_or("it does not end")?;
        self.ended = true;
        Ok(status)
    }

    /// Waits for its end, which must be by this exit status.
    ///
    /// # Errors
    ///
    /// When it is another.
    pub fn wait_for(&mut self, expected: i32) -> Outcome {
        let status = self.wait()?;
        if status.code() == Some(expected) {
            return Ok(());
        }
        let errors = self.errors.all();
        let signal = status.signal();
        Err(format!(
            "it ends with {:?} (signal {signal:?}) instead of {expected}: \
             {errors:?}",
            status.code()
        ))
    }

    /// The figures of its last line.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        let lines = self.output.complete()?;
        let (_, figures) = lines.last()?.split_once(" stopped: ")?;
        let mut figures = figures.split(", ").map(|figure| {
            let (number, _) = figure.split_once(' ')?;
            number.parse().ok()
        });
        Some(Summary {
            clients: figures.next()??,
            received: figures.next()??,
            sent: figures.next()??,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let tree = proc::tree(self.pid);
        self.child.kill().ok();
        // Its children are known by now, and none of them is reaped by
        // anybody before the server itself, which is dead, is waited for.
        for &child in &tree[1..] {
            kill(Pid::from_raw(child), Signal::SIGKILL).ok();
        }
        self.child.wait().ok();
    }
}
