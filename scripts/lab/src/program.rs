//! Programs: building the three servers, starting any server, stopping it
//! with all of its processes.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use probe::lines::{Lines, Reading};
use probe::proc::pid_of;
use probe::wait::{LIMIT, within};
use serde_json::Value;
use strum::Display;

use crate::load::Target;

/// How long an orderly stop may take before all processes are killed.
const STOP: Duration = Duration::from_secs(8);

/// The root of the workspace that this lab belongs to.
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_path_buf()
}

/// Where the lab leaves what it makes: compiled peers, reports, pictures.
///
/// # Errors
///
/// When the directory cannot be created.
pub fn output_directory() -> Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), PathBuf::from);
    let directory = workspace().join(target).join("lab");
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("creating {}", directory.display()))?;
    Ok(directory)
}

/// A path as it reads from the root of the workspace.
pub fn shown(path: &Path) -> String {
    let shown = path.strip_prefix(workspace()).unwrap_or(path);
    shown.display().to_string()
}

/// Builds packages of the workspace in release mode and returns their
/// programs by name.
///
/// # Errors
///
/// When cargo fails; its own messages have been shown then.
pub fn build(packages: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace())
        .args(["build", "--release", "--quiet"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    for package in packages {
        command.args(["--package", package]);
    }
    let output = command.output().context("running cargo")?;
    ensure!(
        output.status.success(),
        "cargo could not build {}",
        packages.join(", ")
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let built = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let name = message["target"]["name"].as_str()?;
        Some((name.to_owned(), message["executable"].as_str()?.into()))
    };
    Ok(text.lines().filter_map(built).collect())
}

/// Why a program cannot take part.
#[derive(Clone, Debug, Display, PartialEq, Eq)]
pub enum Unavailable {
    /// The program, or another that it needs, is not on this machine.
    #[strum(to_string = "not installed: {0}")]
    NotInstalled(String),
    /// The program does not know an option that the work needs.
    #[strum(to_string = "not available: {0}")]
    Refused(String),
    /// The program did not start.
    #[strum(to_string = "did not start: {0}")]
    Failed(String),
}

impl std::error::Error for Unavailable {}

/// Why a program that could not be started cannot take part.
pub(crate) fn not_started(command: &Command, error: &io::Error) -> Unavailable {
    let program = command.get_program().display();
    if error.kind() == io::ErrorKind::NotFound {
        Unavailable::NotInstalled(program.to_string())
    } else {
        Unavailable::Failed(format!("{program}: {error}"))
    }
}

/// How the lab learns where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announces {
    /// Its first line of output ends in the address.
    FirstLine,
    /// The lab has chosen its port, and the server prints no address.
    Nothing(u16),
}

/// A server that runs; stopped, with all of its processes, when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    target: Target,
    stderr: Arc<Lines>,
}

impl Server {
    /// Starts a server and waits until it listens. A server dies with the
    /// thread that has started it, so that none is left behind.
    ///
    /// # Errors
    ///
    /// When it ends instead, or does not listen in time.
    pub fn start(
        mut command: Command,
        announces: Announces,
    ) -> Result<Self, Unavailable> {
        let child = spawn(&mut command, Signal::SIGKILL);
        let mut child = child.map_err(|error| not_started(&command, &error))?;

        // All output is read, so that the server never waits for its reader.
        let pipe = "it was started with pipes";
        let stdout = child.stdout.take().expect(pipe);
        let stdout = Lines::of(stdout, Reading::Beginning);
        let stderr = child.stderr.take().expect(pipe);
        let stderr = Lines::of(stderr, Reading::All);
        let address = match announces {
            Announces::FirstLine => address_in_first_line(&stdout),
            Announces::Nothing(port) => wait_for_port(&mut child, port),
        };
        let target = address.and_then(|address| Target::new(address).ok());
        if let Some(target) = target {
            return Ok(Self { child, target, stderr });
        }
        // A server that has closed its output is probably ending by itself.
        wait_for_end(&mut child, Duration::from_millis(500));
        let status = end(&mut child);
        // A last line without an end is a complaint too.
        stderr.search(|_| None::<()>);
        let complaints = stderr.so_far();
        let mut why = complaints.iter().map(|line| line.trim());
        let why = why.find(|line| !line.is_empty());
        let why = why
            .unwrap_or("it ended without saying where it listens")
            .to_owned();
        // The exit status of a command line that a program cannot take.
        Err(match status {
            Some(2) => Unavailable::Refused(why),
            _ => Unavailable::Failed(why),
        })
    }

    /// Where it listens.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Its first process.
    pub fn pid(&self) -> Pid {
        pid_of(&self.child)
    }

    /// The first lines that it has written to its standard error so far.
    pub fn complaints(&self) -> Vec<String> {
        let mut lines = self.stderr.so_far();
        lines.truncate(200);
        lines
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Starts a program that is read from, in a process group of its own. When
/// the thread that has started it ends, the kernel sends it this signal.
///
/// # Errors
///
/// When it cannot be started.
pub fn spawn(command: &mut Command, orphaned: Signal) -> io::Result<Child> {
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: prctl(2) is a plain system call and allocates nothing, so that
    // it may run between fork and exec.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(move || Ok(set_pdeathsig(orphaned)?));
    }
    command.spawn()
}

/// Ends a server and everything in its process group; the exit status if it
/// ended by itself.
pub fn end(child: &mut Child) -> Option<i32> {
    let pid = pid_of(child);
    // The server may have ended already: then the signal reaches no process.
    let _ = kill(pid, Signal::SIGTERM);
    wait_for_end(child, STOP);
    let _ = killpg(pid, Signal::SIGKILL);
    child.wait().ok().and_then(|status| status.code())
}

fn wait_for_end(child: &mut Child, longest: Duration) {
    within(longest, || child.try_wait().transpose());
}

fn address_in_first_line(stdout: &Lines) -> Option<SocketAddr> {
    let first = stdout.search(|lines| lines.first().cloned());
    first?.split_whitespace().last()?.parse().ok()
}

fn wait_for_port(child: &mut Child, port: u16) -> Option<SocketAddr> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listens = within(LIMIT, || {
        let ended = child.try_wait().is_ok_and(|status| status.is_some());
        let listens = TcpStream::connect(address).is_ok();
        (ended || listens).then_some(listens && !ended)
    });
    (listens == Some(true)).then_some(address)
}

/// A port that is free now, for servers that cannot choose one themselves.
///
/// # Errors
///
/// When there is none.
pub fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use probe::proc::tree;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_first_line_says_where_a_server_listens() {
        let script = "sleep 60 & echo a server on 127.0.0.1:4711; wait";
        let server =
            Server::start(shell(script), Announces::FirstLine).unwrap();
        assert_eq!(server.target(), Target::parse("127.0.0.1:4711").unwrap());
        // The server's child ends with the server.
        let tree = tree(server.pid());
        assert_eq!(tree.len(), 2);
        drop(server);
        // The child is killed, and perhaps not yet reaped by the process that
        // has become its parent: a process that has ended has no command line
        // any more.
        let lives = |pid: &Pid| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| !line.is_empty())
        };
        let all_gone = || (!tree.iter().any(lives)).then_some(());
        let gone = within(Duration::from_secs(5), all_gone);
        assert!(gone.is_some(), "a process is left");
    }

    #[test]
    fn an_option_that_is_refused_is_told_from_a_failure() {
        let start = |script| {
            Server::start(shell(script), Announces::FirstLine).unwrap_err()
        };
        let refused = start("echo unknown option >&2; exit 2");
        assert_eq!(refused, Unavailable::Refused("unknown option".into()));
        let failed = start("echo no port >&2; exit 1");
        assert_eq!(failed, Unavailable::Failed("no port".into()));
        let elsewhere = start("echo listening on 192.0.2.1:80; exit 1");
        assert!(matches!(elsewhere, Unavailable::Failed(_)));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let command = Command::new("no-such-program-here");
        let error = Server::start(command, Announces::FirstLine).unwrap_err();
        assert!(matches!(error, Unavailable::NotInstalled(_)));
        assert!(error.to_string().contains("no-such-program-here"));
    }
}
