//! The programs that can be measured: our three servers in their forms, and
//! what others write in the same models.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use crate::machine::version_of;
use crate::program::{self, Announces, Server, Unavailable, not_started};

/// How long a server serves one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, ValueEnum)]
#[strum(serialize_all = "kebab-case")]
pub enum Serve {
    /// One exchange, then the server closes.
    #[value(help = None::<&str>)]
    Once,
    /// Until the client's end of file.
    #[value(help = None::<&str>)]
    UntilEof,
}

/// A program that is measured, by what it is called in `peers/peers.toml`, in
/// the order of the tables.
#[derive(Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "`peers.toml` says what each is")]
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

/// What `peers/peers.toml` says of a program; see there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    title: String,
    package: Option<String>,
    build: Option<String>,
    needs: Option<String>,
    #[serde(default)]
    run: String,
    config: Option<String>,
    version: Option<String>,
}

static ENTRIES: LazyLock<BTreeMap<Program, Entry>> = LazyLock::new(|| {
    let file = include_str!("../peers/peers.toml");
    toml::from_str(file).expect("the peers are TOML, which a test reads")
});

impl Program {
    /// All of them, in the order of the tables.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }

    fn entry(self) -> &'static Entry {
        ENTRIES.get(&self).expect("a test looks for each of them")
    }

    /// What it is called in tables.
    pub fn title(self) -> &'static str {
        &self.entry().title
    }

    /// What samples and words call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::ThreadsPool => "threads_pool",
            Self::Process => "processes",
            Self::ProcessPool => "processes_pool",
            Self::MuxSelect => "select",
            Self::MuxPoll => "poll",
            Self::MuxEpoll => "epoll",
            Self::PythonThreading => "python_threading",
            Self::PythonMultiprocessing => "python_multiprocessing",
            other => other.title(),
        }
    }

    /// Whether it is a server of ours. A missing peer is left out of the
    /// tables; a missing server of ours is shown as a gap.
    pub fn is_ours(self) -> bool {
        self.entry().package.is_some()
    }

    /// Whether the program closes by itself after one exchange, when told to.
    /// With all other programs the client ends first.
    pub fn can_serve_once(self) -> bool {
        self.is_ours() || self.entry().run.contains("{serve}")
    }

    /// A program's version, where it has one that says something.
    pub fn version(self) -> Option<String> {
        version_of(self.entry().version.as_deref()?)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.pad(self.title())
    }
}

/// The programs of this machine: built, compiled or found.
#[derive(Debug)]
pub struct Catalogue {
    /// The files of our servers, by their names.
    pub servers: BTreeMap<String, PathBuf>,
    /// The program of this package.
    pub lab: PathBuf,
    /// Where compiled peers are.
    peers: PathBuf,
}

/// How a program is linked: it is a good part of what a fork costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Linkage {
    /// With shared libraries.
    Dynamic,
    /// Statically: the program has its libraries in it.
    Static,
}

impl Linkage {
    /// How our process-server is linked, and with it the peers in C that fork:
    /// as this lab is, since the same compiler builds both.
    pub const OURS: Self = if cfg!(target_feature = "crt-static") {
        Self::Static
    } else {
        Self::Dynamic
    };
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
        Ok(Self { servers, lab, peers })
    }

    /// The program that measures what the kernel itself takes.
    ///
    /// # Errors
    ///
    /// When it cannot be compiled.
    pub fn floors(&self) -> Result<PathBuf> {
        let build = "cc -O2 -pthread -o {out} {peers}/floors.c";
        self.built("floors", build, None).context("floors")
    }

    /// What this package does as a program of its own.
    pub(crate) fn lab_peer(&self, name: &str) -> Command {
        let mut command = Command::new(&self.lab);
        command.args(["peer", name]);
        command
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

    /// Starts the server that serves one after the other: ours with threads,
    /// of which it may have one at a time.
    ///
    /// # Errors
    ///
    /// When it is not built or does not start.
    pub fn start_serial(&self) -> Result<Server, Unavailable> {
        let command = self.ours("threads-server", "", Serve::UntilEof, 1)?;
        Server::start(command, Announces::FirstLine)
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
        let entry = program.entry();
        if let Some(package) = &entry.package {
            // There is room for clients that close while the next ones arrive.
            let most = clients + 64;
            let command = self.ours(package, &entry.run, serve, most)?;
            return Ok((command, Announces::FirstLine));
        }
        let key = program.into();
        let built = match &entry.build {
            Some(build) => self.built(key, build, entry.needs.as_deref())?,
            None => self.peers.join(key),
        };
        let config = built.with_extension("conf");
        let text = entry.config.as_deref().unwrap_or_default();
        let is_told = [text, &entry.run].iter().any(|it| it.contains("{port}"));
        let (port, announces) = if is_told {
            let port = program::free_port().map_err(failed)?;
            (port.to_string(), Announces::Nothing(port))
        } else {
            (String::new(), Announces::FirstLine)
        };
        let serve: &str = serve.into();
        let names = [
            ("{lab}", self.lab.display().to_string()),
            ("{out}", built.display().to_string()),
            ("{peers}", sources().display().to_string()),
            ("{config}", config.display().to_string()),
            ("{serve}", format!("--{serve}")),
            ("{port}", port),
            ("{user}", user()),
        ];
        if !text.is_empty() {
            fs::write(&config, filled(text, &names)).map_err(failed)?;
        }
        Ok((command_of(&entry.run, &names), announces))
    }

    fn ours(
        &self,
        package: &str,
        options: &str,
        serve: Serve,
        most: usize,
    ) -> Result<Command, Unavailable> {
        let file = self.servers.get(package).ok_or_else(|| {
            Unavailable::NotInstalled(format!("{package} is not built"))
        })?;
        let mut command = Command::new(file);
        command
            .args(["--port", "0", "--quiet", "--serve", serve.into()])
            .args(["--idle-timeout", "0"])
            .args(["--max-clients", &most.to_string()])
            .args(options.split_whitespace());
        Ok(command)
    }

    /// Builds a peer, unless that has been done since a source last changed.
    fn built(
        &self,
        key: &str,
        build: &str,
        needs: Option<&str>,
    ) -> Result<PathBuf, Unavailable> {
        let suffix = match Linkage::OURS {
            Linkage::Static if build.contains("{static}") => "-static",
            _ => "",
        };
        let to = self.peers.join(format!("{key}{suffix}"));
        if is_newer_than_the_sources(&to) {
            return Ok(to);
        }
        // Another process may build the same peer: the last result stays.
        let new =
            self.peers.join(format!("{key}{suffix}-{}", std::process::id()));
        let names = [
            ("{out}", new.display().to_string()),
            ("{peers}", sources().display().to_string()),
            ("{static}", suffix.to_owned()),
        ];
        run_compiler(command_of(build, &names), key, needs)?;
        fs::rename(&new, &to).map_err(failed)?;
        Ok(to)
    }
}

/// Where the sources of the peers are.
fn sources() -> PathBuf {
    program::workspace().join("scripts/lab/peers")
}

fn failed(error: impl fmt::Display) -> Unavailable {
    Unavailable::Failed(error.to_string())
}

/// The name of the user who runs the lab.
fn user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::current());
    let user = user.ok().flatten();
    user.map_or_else(|| "root".to_owned(), |user| user.name)
}

/// A text with names replaced by what they stand for.
fn filled(text: &str, names: &[(&str, String)]) -> String {
    names
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// The command of a line. A word that is empty once it is filled in is left
/// out. Some servers are where an ordinary user does not search for programs.
fn command_of(line: &str, names: &[(&str, String)]) -> Command {
    let words = line.split_whitespace().map(|word| filled(word, names));
    let mut words = words.filter(|word| !word.is_empty());
    let mut command = Command::new(words.next().unwrap_or_default());
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(words).env("PATH", path + ":/usr/sbin:/sbin");
    command
}

fn run_compiler(
    mut command: Command,
    what: &str,
    needs: Option<&str>,
) -> Result<(), Unavailable> {
    let output = command.output();
    let output = output.map_err(|error| not_started(&command, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text
        .lines()
        .find(|line| line.contains("error"))
        .unwrap_or("no reason given");
    let message = line.rsplit("error: ").next().unwrap_or(line);
    Err(match needs {
        Some(needs) => Unavailable::NotInstalled(format!("{needs}: {message}")),
        None => Unavailable::Failed(format!("{what}: {message}")),
    })
}

fn is_newer_than_the_sources(file: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path)?.modified();
    let Ok(file) = changed(file) else {
        return false;
    };
    let sources = fs::read_dir(sources()).into_iter().flatten().flatten();
    let mut sources = sources.map(|entry| entry.path());
    sources.all(|path| changed(&path).is_ok_and(|source| source < file))
}

/// What the programs that took part were built from and with.
pub(crate) fn versions(used: &BTreeSet<Program>) -> BTreeMap<String, String> {
    let ours = [
        ("lab", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("rustc", version_of("rustc --version")),
        ("cc", version_of("cc --version")),
        ("source", source_version()),
        ("mio", locked_version("mio")),
        ("tokio", locked_version("tokio")),
    ];
    let theirs = used.iter().map(|it| (it.title(), it.version()));
    let all = ours.into_iter().chain(theirs);
    all.filter_map(|(name, it)| Some((name.to_owned(), it?))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_that_is_named_is_there() {
        for program in Program::all() {
            let entry = program.entry();
            assert!(!entry.title.is_empty() && entry.title.len() < 50);
            // A program of ours has a package, a peer has a command to run.
            assert!(entry.package.is_some() || !entry.run.is_empty());
        }
        assert!(serde_json::from_str::<Program>("\"no-such\"").is_err());
    }

    #[test]
    fn the_words_of_a_command_are_filled_in() {
        let names =
            [("{out}", "/bin/true".to_owned()), ("{static}", String::new())];
        let command = command_of("{out} {static} -o {out}.c", &names);
        assert_eq!(command.get_program(), "/bin/true");
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["-o", "/bin/true.c"]);
    }
}
