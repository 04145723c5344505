//! How a server is started: options, environment, streams, user.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use nix::unistd::Uid;

use super::folder::folder;
use super::lines::{Lines, Reading};
use super::proc::{own_address, pid_of};
use super::server::{Ended, Server};
use super::wait::soon;
use crate::{Kind, works};

/// A server about to be started.
pub struct Start {
    program: PathBuf,
    kind: Kind,
    /// Whether its form has workers, each of which serves one client.
    pool: bool,
    options: Vec<OsString>,
    port: Option<u16>,
    workers: Option<usize>,
    environment: Vec<(String, OsString)>,
    before: Vec<OsString>,
    stdin: Stdio,
    /// Where standard output goes, if not into a pipe.
    stdout: Option<File>,
    reading: Reading,
    ordinary_user: bool,
    terminal: bool,
}

impl Start {
    /// A start of this program on a free port, with so many workers that
    /// exist before the first client.
    pub fn new(program: &Path, kind: Kind, workers: Option<usize>) -> Self {
        Self {
            program: program.to_owned(),
            kind,
            pool: kind != Kind::Loop && workers.is_some(),
            options: Vec::new(),
            port: Some(0),
            workers,
            environment: Vec::new(),
            before: Vec::new(),
            stdin: Stdio::null(),
            stdout: None,
            reading: Reading::All,
            ordinary_user: false,
            terminal: false,
        }
    }

    /// Adds options, separated by spaces.
    pub fn options(mut self, options: &str) -> Self {
        self.options.extend(options.split_whitespace().map(OsString::from));
        self
    }

    /// Adds one option whose value may contain spaces.
    pub fn option(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.options.push(name.into());
        self.options.push(value.as_ref().to_owned());
        self
    }

    /// Has so many workers exist before the first client.
    pub fn workers(mut self, number: usize) -> Self {
        self.workers = Some(number);
        self
    }

    /// Says `--port` so, instead of 0.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Leaves `--port` out.
    pub fn no_port(mut self) -> Self {
        self.port = None;
        self
    }

    /// Listens on an address that only this case uses.
    pub fn on(self, address: impl Into<IpAddr>, port: u16) -> Self {
        self.options(&format!("--host {}", address.into())).port(port)
    }

    /// Serves so many at a time and no more.
    pub fn at_most(mut self, clients: usize) -> Self {
        if self.pool {
            self.workers = Some(clients);
            self
        } else {
            self.options(&format!("--max-clients {clients}"))
        }
    }

    /// Can serve so many at a time, or more.
    pub fn room_for(mut self, clients: usize) -> Self {
        if self.pool {
            self.workers = self.workers.max(Some(clients));
        }
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Sets environment variables: `NAME=value`, separated by spaces.
    pub fn variables(self, all: &str) -> Self {
        all.split_whitespace().fold(self, |start, variable| {
            let (name, value) = variable.split_once('=').expect("NAME=value");
            start.env(name, value)
        })
    }

    /// Puts a program and its arguments in front, separated by spaces, which
    /// starts the server in its turn.
    pub fn under(self, before: &str) -> Self {
        self.under_words(before.split_whitespace())
    }

    /// Puts words in front as [`Self::under`] does; a word may contain spaces.
    pub fn under_words(
        mut self,
        words: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        self.before.extend(words.into_iter().map(Into::into));
        self
    }

    /// Has a shell start it, after these commands and with these redirections.
    pub fn by_shell(self, before: &str, redirections: &str) -> Self {
        let script = format!("{before} exec \"$0\" \"$@\" {redirections}");
        self.under_words(["sh", "-c", &script])
    }

    /// Has standard output go into a file.
    pub fn stdout(mut self, file: File) -> Self {
        self.stdout = Some(file);
        self
    }

    /// Reads so the pipe that is its standard output.
    pub fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// Gives it a terminal of its own, on standard input.
    pub fn at_terminal(mut self, terminal: Stdio) -> Self {
        self.stdin = terminal;
        self.terminal = true;
        self.under("setsid --ctty")
    }

    /// Runs it as an ordinary user: as `nobody`, if this is root.
    pub fn by_ordinary_user(mut self) -> Self {
        self.ordinary_user = true;
        self
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not say that it does.
    pub fn run(self) -> Server {
        let mut server = self.spawn();
        server.wait_until_listening();
        server
    }

    /// Starts it and waits until it has ended by itself.
    pub fn end(self) -> Ended {
        self.spawn().ended()
    }

    /// Starts a server whose first line cannot be read, on an address that no
    /// other has; waits until `ready` says that it listens there.
    pub fn run_unseen(self, ready: impl Fn(SocketAddr) -> bool) -> Server {
        let own = own_address();
        let mut server = self.on(own, 20_001).spawn();
        server.address = (own, 20_001).into();
        soon("the server is ready", || ready(server.address));
        server
    }

    fn spawn(self) -> Server {
        let mut program = self.program;
        let mut own_folder = None;
        let mut words: Vec<OsString> = Vec::new();
        if *LEASHED {
            // If the tests are killed, so is the server.
            words.extend(["setpriv", "--pdeathsig", "KILL"].map(Into::into));
        }
        if self.ordinary_user {
            // A user may not be allowed to look into the build's directory.
            // The copy is made by a process of its own: were it open for
            // writing here, another case that just now starts a program would
            // keep it open for a moment, and it could not be run ("text file
            // busy").
            let folder = own_folder.insert(folder());
            let copy = folder.path().join(self.kind.program());
            let status = Command::new("cp").arg(&program).arg(&copy).status();
            assert!(status.is_ok_and(|status| status.success()), "cp failed");
            program = copy;
            if Uid::effective().is_root() {
                let nobody = "setpriv --clear-groups --reuid=65534 \
                              --regid=65534";
                words.extend(nobody.split(' ').map(Into::into));
            }
        }
        words.extend(self.before);
        words.push(program.into());
        words.extend(self.options);
        words.extend(self.port.map(|port| format!("--port={port}").into()));
        let workers = self.workers.map(|number| format!("--workers={number}"));
        words.extend(workers.map(Into::into));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(self.stdin);
        // The machine's language and settings are not the case's.
        let is_setting = |name: &str| {
            ["ECHO_", "LC_"].iter().any(|start| name.starts_with(start))
                || ["LANG", "LANGUAGE"].contains(&name)
        };
        for (name, _) in std::env::vars_os() {
            if is_setting(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command.envs(self.environment);
        command.stdout(self.stdout.map_or_else(Stdio::piped, Stdio::from));
        command.stderr(Stdio::piped());
        // A group of its own: what it leaves behind can be found and ended.
        // (A session of its own, for a terminal, is one too.)
        if !self.terminal {
            command.process_group(0);
        }
        let mut child = command.spawn().unwrap_or_else(|e| {
            panic!("cannot start {}: {e}", words[0].display())
        });
        let group = pid_of(&child);
        let stderr = child.stderr.take().expect("its errors are a pipe");
        Server {
            kind: self.kind,
            group,
            pid: group,
            address: ([127, 0, 0, 1], 0).into(),
            stdout: match child.stdout.take() {
                Some(stream) => Lines::of(stream, self.reading),
                None => Lines::of(io::empty(), self.reading),
            },
            stderr: Lines::of(stderr, Reading::All),
            child,
            _folder: own_folder,
        }
    }
}

/// Whether `setpriv` can have the kernel kill a process when its parent ends.
static LEASHED: LazyLock<bool> =
    LazyLock::new(|| works("setpriv --pdeathsig KILL true"));
