//! The programs that can be measured: our three servers in their forms, and
//! what others write in the same models.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::version_of;
use crate::program::{self, Announces, Server, Unavailable};

/// How long a server serves one client.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Serve {
    /// One exchange, then the server closes.
    Once,
    /// Until the client's end of file.
    UntilEof,
}

impl Serve {
    /// The option that says it, for our servers and our peers.
    fn words(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::UntilEof => "until-eof",
        }
    }

    fn peer_option(self) -> String {
        format!("--{}", self.words())
    }
}

/// A program of the catalogue, by what it is called in reports.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "`title` says what each is")]
pub enum Program {
    Threads,
    ThreadsPool,
    Process,
    ProcessPool,
    MuxSelect,
    MuxPoll,
    MuxEpoll,
    CPthread,
    CPthreadPlain,
    CPrethread,
    CFork,
    CPrefork,
    CSelect,
    CPoll,
    CEpoll,
    Mio,
    TokioOne,
    TokioMany,
    PythonThreading,
    PythonForking,
    PythonMultiprocessing,
    Libuv,
    Node,
    Go,
    Socat,
    Ncat,
    Xinetd,
}

/// Workers of every pool that is compared.
const WORKERS: &str = "64";

impl Program {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::Threads,
        Self::ThreadsPool,
        Self::Process,
        Self::ProcessPool,
        Self::MuxSelect,
        Self::MuxPoll,
        Self::MuxEpoll,
        Self::CPthread,
        Self::CPthreadPlain,
        Self::CPrethread,
        Self::CFork,
        Self::CPrefork,
        Self::CSelect,
        Self::CPoll,
        Self::CEpoll,
        Self::Mio,
        Self::TokioOne,
        Self::TokioMany,
        Self::PythonThreading,
        Self::PythonForking,
        Self::PythonMultiprocessing,
        Self::Libuv,
        Self::Node,
        Self::Go,
        Self::Socat,
        Self::Ncat,
        Self::Xinetd,
    ];

    /// What it is called in tables.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Threads => "threads-server",
            Self::ThreadsPool => "threads-server --workers 64",
            Self::Process => "process-server",
            Self::ProcessPool => "process-server --workers 64",
            Self::MuxSelect => "mux-server --backend select",
            Self::MuxPoll => "mux-server --backend poll",
            Self::MuxEpoll => "mux-server --backend epoll",
            Self::CPthread => "C pthread each, lossless close",
            Self::CPthreadPlain => "C pthread each, plain close",
            Self::CPrethread => "C 64 pre-created pthreads, lossless",
            Self::CFork => "C fork each, lossless, reaped by handler",
            Self::CPrefork => "C 64 pre-forked, lossless",
            Self::CSelect => "C select, lossless",
            Self::CPoll => "C poll, lossless",
            Self::CEpoll => "C epoll, lossless",
            Self::Mio => "mio, lossless",
            Self::TokioOne => "tokio, one thread, lossless",
            Self::TokioMany => "tokio, many threads, lossless",
            Self::PythonThreading => "Python ThreadingTCPServer",
            Self::PythonForking => "Python ForkingTCPServer",
            Self::PythonMultiprocessing => "Python multiprocessing",
            Self::Libuv => "libuv",
            Self::Node => "Node",
            Self::Go => "Go",
            Self::Socat => "socat, fork",
            Self::Ncat => "ncat, fork and cat",
            Self::Xinetd => "xinetd, its own echo",
        }
    }

    /// Whether it is one of ours: a missing peer is left out, a missing
    /// server of ours is a gap.
    #[must_use]
    pub fn is_ours(self) -> bool {
        self.package().is_some()
    }

    fn package(self) -> Option<&'static str> {
        match self {
            Self::Threads | Self::ThreadsPool => Some("threads-server"),
            Self::Process | Self::ProcessPool => Some("process-server"),
            Self::MuxSelect | Self::MuxPoll | Self::MuxEpoll => {
                Some("mux-server")
            }
            _ => None,
        }
    }

    /// Whether it closes by itself after one exchange, when asked to. With
    /// the others the client ends first.
    #[must_use]
    pub fn can_serve_once(self) -> bool {
        !matches!(self, Self::Socat | Self::Ncat | Self::Xinetd)
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.pad(self.title())
    }
}

/// The programs of this machine: built, compiled or found.
#[derive(Debug)]
pub struct Catalogue {
    servers: BTreeMap<String, PathBuf>,
    lab: PathBuf,
    /// Where compiled peers are.
    peers: PathBuf,
    /// `-static` when our process-server is linked so.
    linkage: Linkage,
}

/// How a program is linked: it is a good part of what a fork costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Linkage {
    /// With shared libraries.
    Dynamic,
    /// In one piece.
    Static,
}

impl Linkage {
    /// Reads it from a program: whether it names an interpreter, `ld.so`.
    #[must_use]
    pub fn of(program: &Path) -> Option<Self> {
        const PT_INTERP: u32 = 3;
        let bytes = fs::read(program).ok()?;
        let number = |at: usize, size: usize| -> Option<usize> {
            let bytes = bytes.get(at..at + size)?;
            let mut wide = [0; 8];
            wide[..size].copy_from_slice(bytes);
            usize::try_from(u64::from_le_bytes(wide)).ok()
        };
        // A 64-bit little-endian ELF file, elf(5).
        if bytes.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let headers = number(0x20, 8)?;
        let (size, count) = (number(0x36, 2)?, number(0x38, 2)?);
        let dynamic = (0..count).any(|index| {
            number(headers + index * size, 4) == Some(PT_INTERP as usize)
        });
        Some(if dynamic { Self::Dynamic } else { Self::Static })
    }
}

impl Catalogue {
    /// Builds our servers in release mode and looks where peers will be.
    ///
    /// # Errors
    ///
    /// When cargo cannot build the servers.
    pub fn new() -> Result<Self> {
        let servers = program::build(&[
            "threads-server",
            "process-server",
            "mux-server",
        ])?;
        let lab = std::env::current_exe().context("where is this lab?")?;
        Self::with_servers(servers, lab)
    }

    /// A catalogue whose servers are there already. `lab` is the program of
    /// this package, which contains the peers that are written in Rust.
    ///
    /// # Errors
    ///
    /// When there is no place for compiled peers.
    pub fn with_servers(
        servers: BTreeMap<String, PathBuf>,
        lab: PathBuf,
    ) -> Result<Self> {
        let peers = program::output_directory()?.join("peers");
        fs::create_dir_all(&peers)?;
        let linkage = servers
            .get("process-server")
            .and_then(|path| Linkage::of(path))
            .unwrap_or(Linkage::Dynamic);
        Ok(Self { servers, lab, peers, linkage })
    }

    /// How our process-server, and so the C one beside it, is linked.
    #[must_use]
    pub fn linkage(&self) -> Linkage {
        self.linkage
    }

    /// The program of this package.
    #[must_use]
    pub fn lab(&self) -> &Path {
        &self.lab
    }

    /// The program that measures what the kernel itself takes.
    ///
    /// # Errors
    ///
    /// When it cannot be compiled.
    pub fn floors(&self) -> Result<PathBuf> {
        self.compiled("floors", Linkage::Dynamic)
            .map_err(|why| anyhow::anyhow!("floors: {why}"))
    }

    /// The file of one of our servers.
    #[must_use]
    pub fn server(&self, package: &str) -> Option<&Path> {
        self.servers.get(package).map(PathBuf::as_path)
    }

    /// Starts a program that is to serve so, for up to `clients` at a time.
    ///
    /// # Errors
    ///
    /// When it is not installed, refuses an option or does not start.
    pub fn start(
        &self,
        program: Program,
        serve: Serve,
        clients: usize,
    ) -> Result<Server, Unavailable> {
        let (command, announces) = self.command(program, serve, clients)?;
        Server::start(command, announces)
    }

    /// The command line that starts a program.
    ///
    /// # Errors
    ///
    /// When it is not installed or cannot be compiled.
    pub fn command(
        &self,
        program: Program,
        serve: Serve,
        clients: usize,
    ) -> Result<(Command, Announces), Unavailable> {
        let mut announces = Announces::FirstLine;
        let once = serve.peer_option();
        let peer = |source: &str, options: &[&str]| {
            let file = self.compiled(source, Linkage::Dynamic)?;
            Ok(command_with(file, options))
        };
        let script = |name: &str| {
            program::workspace().join("scripts/lab/peers").join(name)
        };
        let command = match program {
            Program::Threads
            | Program::ThreadsPool
            | Program::Process
            | Program::ProcessPool
            | Program::MuxSelect
            | Program::MuxPoll
            | Program::MuxEpoll => self.ours(program, serve, clients)?,
            Program::CPthread => peer("pthread", &[&once, "--lossless"])?,
            Program::CPthreadPlain => peer("pthread", &[&once, "--plain"])?,
            Program::CPrethread => {
                let options = [&once, "--lossless", "--workers", WORKERS];
                peer("prethread", &options)?
            }
            Program::CFork => {
                let file = self.compiled("fork", self.linkage)?;
                let options = [&once, "--lossless", "--reap", "handler"];
                command_with(file, &options)
            }
            Program::CPrefork => {
                let file = self.compiled("prefork", self.linkage)?;
                let options = [&once, "--lossless", "--workers", WORKERS];
                command_with(file, &options)
            }
            Program::CSelect => peer("select", &[&once, "--lossless"])?,
            Program::CPoll => peer("poll", &[&once, "--lossless"])?,
            Program::CEpoll => peer("epoll", &[&once, "--lossless"])?,
            Program::Libuv => peer("libuv", &[&once])?,
            Program::Mio => command_with(&self.lab, &["peer", "mio", &once]),
            Program::TokioOne => {
                command_with(&self.lab, &["peer", "tokio-one", &once])
            }
            Program::TokioMany => {
                command_with(&self.lab, &["peer", "tokio-many", &once])
            }
            Program::PythonThreading
            | Program::PythonForking
            | Program::PythonMultiprocessing => {
                let model = match program {
                    Program::PythonThreading => "threading",
                    Program::PythonForking => "forking",
                    _ => "multiprocessing",
                };
                let mut command = installed("python3")?;
                command.arg(script("server.py")).args([model, &once]);
                command
            }
            Program::Node => {
                let mut command = installed("node")?;
                command.arg(script("node.js")).arg(&once);
                command
            }
            Program::Go => {
                let file = self.compiled_go()?;
                command_with(file, &[&once])
            }
            Program::Socat | Program::Ncat | Program::Xinetd => {
                let port = program::free_port()
                    .map_err(|error| Unavailable::Failed(error.to_string()))?;
                announces = Announces::Nothing(port);
                self.tool(program, port)?
            }
        };
        Ok((command, announces))
    }

    /// A program's version, where it has one that says something.
    #[must_use]
    pub fn version(program: Program) -> Option<String> {
        match program {
            Program::PythonThreading
            | Program::PythonForking
            | Program::PythonMultiprocessing => {
                version_of("python3", "--version")
            }
            Program::Node => version_of("node", "--version"),
            Program::Go => version_of("go", "version"),
            Program::Socat => version_of("socat", "-V")
                .map(|_| version_line("socat", "-V", "socat version")),
            Program::Ncat => version_of("ncat", "--version"),
            Program::Xinetd => version_of("xinetd", "-version"),
            Program::Libuv => version_of("pkg-config", "--version")
                .and_then(|_| pkg_config_version("libuv")),
            _ => None,
        }
    }

    fn ours(
        &self,
        program: Program,
        serve: Serve,
        clients: usize,
    ) -> Result<Command, Unavailable> {
        let package = program.package().unwrap_or_default();
        let file = self.servers.get(package).ok_or_else(|| {
            Unavailable::NotInstalled(format!("{package} is not built"))
        })?;
        let mut command = Command::new(file);
        command
            .args(["--port", "0", "--quiet", "--serve", serve.words()])
            .args(["--idle-timeout", "0"])
            // Room for those that close while the next ones arrive.
            .args(["--max-clients", &(clients + 64).to_string()]);
        match program {
            Program::ThreadsPool | Program::ProcessPool => {
                command.args(["--workers", WORKERS]);
            }
            Program::MuxSelect => {
                command.args(["--backend", "select"]);
            }
            Program::MuxPoll => {
                command.args(["--backend", "poll"]);
            }
            Program::MuxEpoll => {
                command.args(["--backend", "epoll"]);
            }
            _ => {}
        }
        Ok(command)
    }

    /// Tools that echo until the client's end of file.
    fn tool(
        &self,
        program: Program,
        port: u16,
    ) -> Result<Command, Unavailable> {
        match program {
            Program::Socat => {
                let mut command = installed("socat")?;
                let address = format!(
                    "TCP4-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,\
                     backlog=1024"
                );
                command.args([address.as_str(), "PIPE"]);
                Ok(command)
            }
            Program::Ncat => {
                let mut command = installed("ncat")?;
                command
                    .args(["-4", "--listen", "--keep-open"])
                    .args(["--max-conns", "4096", "--exec", "/bin/cat"])
                    .args(["127.0.0.1", &port.to_string()]);
                Ok(command)
            }
            _ => {
                let mut command = installed("xinetd")?;
                let file = self.peers.join("xinetd.conf");
                let text = format!(
                    "service echo\n{{\n type = INTERNAL UNLISTED\n \
                     id = echo-stream\n socket_type = stream\n \
                     protocol = tcp\n wait = no\n user = {}\n \
                     bind = 127.0.0.1\n port = {port}\n \
                     instances = UNLIMITED\n per_source = UNLIMITED\n \
                     cps = 1000000 1\n}}\n",
                    nix::unistd::User::from_uid(nix::unistd::Uid::current())
                        .ok()
                        .flatten()
                        .map_or_else(|| "root".to_owned(), |user| user.name),
                );
                fs::write(&file, text).map_err(|error| {
                    Unavailable::Failed(format!(
                        "{}: {error}",
                        program::shown(&file)
                    ))
                })?;
                command.arg("-dontfork").arg("-f").arg(file);
                let own_pid_file = self.peers.join("xinetd.pid");
                command.arg("-pidfile").arg(own_pid_file);
                Ok(command)
            }
        }
    }

    /// Compiles a C peer, unless that has been done since it last changed.
    ///
    /// # Errors
    ///
    /// When there is no C compiler, or not what the peer needs.
    pub fn compiled(
        &self,
        source: &str,
        linkage: Linkage,
    ) -> Result<PathBuf, Unavailable> {
        let directory = program::workspace().join("scripts/lab/peers");
        let from = directory.join(format!("{source}.c"));
        let header = directory.join("peer.h");
        let suffix = match linkage {
            Linkage::Dynamic => "",
            Linkage::Static => "-static",
        };
        let to = self.peers.join(format!("{source}{suffix}"));
        if is_newer(&to, &[&from, &header]) {
            return Ok(to);
        }
        // Another process may be doing the same: the last one wins.
        let new =
            self.peers.join(format!("{source}{suffix}-{}", std::process::id()));
        let mut command = Command::new("cc");
        command.args(["-O2", "-pthread", "-o"]).arg(&new).arg(&from);
        if linkage == Linkage::Static {
            command.arg("-static");
        }
        if source == "libuv" {
            command.arg("-luv");
        }
        run_compiler(command, source)?;
        fs::rename(&new, &to)
            .map_err(|error| Unavailable::Failed(error.to_string()))?;
        Ok(to)
    }

    fn compiled_go(&self) -> Result<PathBuf, Unavailable> {
        let from = program::workspace().join("scripts/lab/peers/go.go");
        let to = self.peers.join("go");
        if !is_newer(&to, &[&from]) {
            let mut command = installed("go")?;
            command.args(["build", "-o"]).arg(&to).arg(&from);
            run_compiler(command, "go")?;
        }
        Ok(to)
    }
}

fn run_compiler(mut command: Command, what: &str) -> Result<(), Unavailable> {
    let compiler = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| {
        Unavailable::NotInstalled(format!("{compiler}: {error}"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text
        .lines()
        .find(|line| line.contains("error"))
        .unwrap_or("no reason given");
    let message = line.rsplit("error: ").next().unwrap_or(line);
    if what == "libuv" {
        return Err(Unavailable::NotInstalled(format!("libuv: {message}")));
    }
    Err(Unavailable::Failed(format!("{what}: {message}")))
}

fn is_newer(file: &Path, than: &[&Path]) -> bool {
    let changed = |path: &Path| fs::metadata(path)?.modified();
    let Ok(file) = changed(file) else {
        return false;
    };
    than.iter().all(|path| changed(path).is_ok_and(|source| source < file))
}

fn command_with(file: impl AsRef<OsStr>, options: &[&str]) -> Command {
    let mut command = Command::new(file);
    command.args(options);
    command
}

/// A program of the search path.
fn installed(name: &str) -> Result<Command, Unavailable> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .map(Command::new)
        .ok_or_else(|| Unavailable::NotInstalled(name.to_owned()))
}

fn version_line(program: &str, option: &str, holds: &str) -> String {
    let output = Command::new(program).arg(option).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .find(|line| line.contains(holds))
        .unwrap_or(program)
        .trim()
        .to_owned()
}

fn pkg_config_version(library: &str) -> Option<String> {
    let output = Command::new("pkg-config")
        .args(["--modversion", library])
        .output()
        .ok()?;
    output.status.success().then(|| {
        let version = String::from_utf8_lossy(&output.stdout);
        format!("{library} {}", version.trim())
    })
}

/// What the programs that took part were built from and with.
pub(crate) fn versions(used: &BTreeSet<Program>) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::from([(
        "lab".to_owned(),
        env!("CARGO_PKG_VERSION").to_owned(),
    )]);
    let mut add = |name: &str, version: Option<String>| {
        if let Some(version) = version {
            versions.insert(name.to_owned(), version);
        }
    };
    add("rustc", version_of("rustc", "--version"));
    add("cc", version_of("cc", "--version"));
    add("source", source_version());
    for name in ["mio", "tokio"] {
        add(name, locked_version(name));
    }
    for program in used {
        let version = Catalogue::version(*program);
        add(program.title(), version);
    }
    versions
}

/// The version of a crate that this workspace is built with.
fn locked_version(name: &str) -> Option<String> {
    let file = program::workspace().join("Cargo.lock");
    let text = fs::read_to_string(file).ok()?;
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = text.split_once(&entry)?;
    let (version, _) = rest.split_once('"')?;
    Some(format!("{name} {version}"))
}

/// The commit that was measured, if this is a checkout.
fn source_version() -> Option<String> {
    let output = Command::new("git")
        .current_dir(program::workspace())
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    let version = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| version.trim().to_owned())
}
