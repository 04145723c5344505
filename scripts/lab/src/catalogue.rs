//! The programs that can be measured: our three servers in their forms, and
//! what others write in the same models.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::IntoStaticStr;

use crate::machine::version_of;
use crate::program::{self, Announces, Server, Unavailable};

/// How long a server serves one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Serve {
    /// One exchange, then the server closes.
    Once,
    /// Until the client's end of file.
    UntilEof,
}

/// A program of `peers/peers.toml`, by what it is called there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Program(&'static str);

/// What `peers/peers.toml` says of a program; see there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    title: String,
    package: Option<String>,
    build: Option<String>,
    needs: Option<String>,
    #[serde(default)]
    run: String,
    config: Option<String>,
    version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    program: Vec<Entry>,
}

static ENTRIES: LazyLock<Entries> = LazyLock::new(|| {
    let file = include_str!("../peers/peers.toml");
    toml::from_str(file).expect("the peers are TOML, which a test reads")
});

/// Constants for the programs that rows and experiments use.
macro_rules! named {
    ($($name:ident = $key:literal,)*) => {
        #[allow(missing_docs, reason = "`peers.toml` says what each is")]
        impl Program {
            $(pub const $name: Self = Self($key);)*
        }

        #[cfg(test)]
        const NAMED: &[Program] = &[$(Program::$name),*];
    };
}

named! {
    THREADS = "threads",
    THREADS_POOL = "threads-pool",
    PROCESS = "process",
    PROCESS_POOL = "process-pool",
    MUX_SELECT = "mux-select",
    MUX_POLL = "mux-poll",
    MUX_EPOLL = "mux-epoll",
    C_PTHREAD = "c-pthread",
    C_PTHREAD_PLAIN = "c-pthread-plain",
    C_PRETHREAD = "c-prethread",
    C_FORK = "c-fork",
    C_PREFORK = "c-prefork",
    C_SELECT = "c-select",
    C_POLL = "c-poll",
    C_EPOLL = "c-epoll",
    MIO = "mio",
    TOKIO_ONE = "tokio-one",
    TOKIO_MANY = "tokio-many",
    PYTHON_THREADING = "python-threading",
    PYTHON_FORKING = "python-forking",
    PYTHON_MULTIPROCESSING = "python-multiprocessing",
    LIBUV = "libuv",
    NODE = "node",
    GO = "go",
    NCAT = "ncat",
    SOCAT = "socat",
    XINETD = "xinetd",
}

impl Program {
    /// All of them, in the order of the tables.
    pub fn all() -> impl Iterator<Item = Self> {
        ENTRIES.program.iter().map(|entry| Self(&entry.key))
    }

    fn position(self) -> usize {
        let mut keys = ENTRIES.program.iter();
        let position = keys.position(|entry| entry.key == self.0);
        position.expect("a test looks for each of them")
    }

    fn entry(self) -> &'static Entry {
        &ENTRIES.program[self.position()]
    }

    /// What it is called in tables.
    #[must_use]
    pub fn title(self) -> &'static str {
        &self.entry().title
    }

    /// What samples and words call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::THREADS => "threads",
            Self::THREADS_POOL => "threads_pool",
            Self::PROCESS => "processes",
            Self::PROCESS_POOL => "processes_pool",
            Self::MUX_SELECT => "select",
            Self::MUX_POLL => "poll",
            Self::MUX_EPOLL => "epoll",
            Self::PYTHON_THREADING => "python_threading",
            Self::PYTHON_MULTIPROCESSING => "python_multiprocessing",
            other => other.title(),
        }
    }

    /// Whether it is a server of ours. A missing peer is left out of the
    /// tables; a missing server of ours is shown as a gap.
    #[must_use]
    pub fn is_ours(self) -> bool {
        self.entry().package.is_some()
    }

    /// Whether the program closes by itself after one exchange, when told to.
    /// With all other programs the client ends first.
    #[must_use]
    pub fn can_serve_once(self) -> bool {
        self.is_ours() || self.entry().run.contains("{serve}")
    }

    /// A program's version, where it has one that says something.
    #[must_use]
    pub fn version(self) -> Option<String> {
        version_of(self.entry().version.as_deref()?)
    }
}

impl PartialOrd for Program {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In the order of the tables.
impl Ord for Program {
    fn cmp(&self, other: &Self) -> Ordering {
        self.position().cmp(&other.position())
    }
}

impl Serialize for Program {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Program {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let key = String::deserialize(from)?;
        let found = Self::all().find(|program| program.0 == key);
        found.ok_or_else(|| {
            D::Error::custom(format!("there is no program {key}"))
        })
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.0)
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
    /// How our process-server is linked, and with it the peers in C that fork.
    pub linkage: Linkage,
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
    /// Reads it from a program's file: a program with shared libraries names an
    /// interpreter, `ld.so`.
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

    /// The program that measures what the kernel itself takes.
    ///
    /// # Errors
    ///
    /// When it cannot be compiled.
    pub fn floors(&self) -> Result<PathBuf> {
        let build = "cc -O2 -pthread -o {out} {peers}/floors.c";
        self.built("floors", build, None).context("floors")
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
        let built = match &entry.build {
            Some(build) => {
                self.built(&entry.key, build, entry.needs.as_deref())?
            }
            None => self.peers.join(&entry.key),
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
        Ok((command_of(&entry.run, &names)?, announces))
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
        let suffix = match self.linkage {
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
        run_compiler(command_of(build, &names)?, key, needs)?;
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
/// out.
fn command_of(
    line: &str,
    names: &[(&str, String)],
) -> Result<Command, Unavailable> {
    let words = line.split_whitespace().map(|word| filled(word, names));
    let mut words = words.filter(|word| !word.is_empty());
    let mut command = installed(&words.next().unwrap_or_default())?;
    command.args(words);
    Ok(command)
}

fn run_compiler(
    mut command: Command,
    what: &str,
    needs: Option<&str>,
) -> Result<(), Unavailable> {
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

/// A program of the search path, or a file.
fn installed(name: &str) -> Result<Command, Unavailable> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        // An absolute path replaces the directory.
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .map(Command::new)
        .ok_or_else(|| Unavailable::NotInstalled(name.to_owned()))
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
        let all: BTreeSet<Program> = Program::all().collect();
        assert_eq!(all.len(), Program::all().count(), "two have one key");
        for program in all {
            let entry = program.entry();
            assert!(!entry.title.is_empty() && entry.title.len() < 50);
            // A program of ours has a package, a peer has a command to run.
            assert!(entry.package.is_some() || !entry.run.is_empty());
        }
        for named in NAMED {
            assert!(!named.title().is_empty());
        }
        assert!(serde_json::from_str::<Program>("\"no-such\"").is_err());
    }

    #[test]
    fn the_words_of_a_command_are_filled_in() {
        let names =
            [("{out}", "/bin/true".to_owned()), ("{static}", String::new())];
        let command = command_of("{out} {static} -o {out}.c", &names).unwrap();
        assert_eq!(command.get_program(), "/bin/true");
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["-o", "/bin/true.c"]);
        let missing = command_of("no-such-program-here", &names);
        assert!(matches!(missing, Err(Unavailable::NotInstalled(_))));
    }
}
