//! Which server is shown, and with which options of its own.

use anyhow::{Result, bail};
use clap::ValueEnum;
use strum::IntoStaticStr;

/// The three approaches.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, IntoStaticStr,
)]
#[strum(serialize_all = "lowercase")]
pub enum Approach {
    /// `threads-server`
    #[default]
    Threads,
    /// `process-server`
    #[value(name = "process", alias = "processes")]
    Processes,
    /// `mux-server`
    #[value(name = "mux", alias = "loop")]
    Loop,
}

impl Approach {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Threads, Self::Processes, Self::Loop];

    /// The name of its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Threads => "threads-server",
            Self::Processes => "process-server",
            Self::Loop => "mux-server",
        }
    }
}

/// The ways in which the loop can ask, in the order of the key `b`.
pub const BACKENDS: [&str; 3] = ["select", "poll", "epoll"];

/// What the servers are started with: what the user gave, and what the keys
/// have changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The server to start.
    pub approach: Approach,
    /// Whether `m` was pressed: `--max-clients 1`.
    pub one_client: bool,
    /// `--backend`, which only the loop has.
    backend: Option<String>,
    /// `--workers`, which has its own limit of clients.
    workers: Option<String>,
    /// `--max-clients`, which `m` replaces.
    max_clients: Option<String>,
    /// `--host`, as far as the view has to know it.
    host: Option<String>,
    /// The port that was given, then the one that the first server got.
    port: Option<String>,
    /// `--language` among the options of the server.
    pub language: Option<String>,
    /// Whatever else there is, unchanged.
    others: Vec<String>,
}

impl Options {
    /// Takes apart what stands after `--`.
    ///
    /// # Errors
    ///
    /// With `--quiet`: then there are no lines to read.
    pub fn new(approach: Approach, given: &[String]) -> Result<Self> {
        let mut others = given.to_vec();
        if others.iter().any(|it| it == "-q" || it == "--quiet") {
            bail!("--quiet leaves out the lines that the view is drawn from");
        }
        Ok(Self {
            approach,
            one_client: false,
            backend: take(&mut others, &["--backend"]),
            workers: take(&mut others, &["--workers"]),
            max_clients: take(&mut others, &["--max-clients"]),
            host: take(&mut others, &["--host"]),
            port: take(&mut others, &["--port", "-p"]),
            language: take(&mut others, &["--language"]),
            others,
        })
    }

    /// Adds an option that the user has not given.
    pub fn default_to(&mut self, name: &str, value: &str) {
        let with_value = format!("{name}=");
        let given = |it: &String| it == name || it.starts_with(&with_value);
        if !self.others.iter().any(given) {
            self.others.extend([name.to_owned(), value.to_owned()]);
        }
    }

    /// From now on this port, so that the class need not type another one.
    pub fn keep_port(&mut self, port: u16) {
        self.port = Some(port.to_string());
    }

    /// Whether the workers exist before the first client.
    pub fn is_pool(&self) -> bool {
        self.workers.is_some() && !self.one_client
    }

    /// The next backend. Only the loop has one.
    pub fn next_backend(&mut self) {
        let now = self.backend.as_deref().unwrap_or("poll");
        let at = BACKENDS.iter().position(|backend| *backend == now);
        let next = (at.unwrap_or(0) + 1) % BACKENDS.len();
        self.backend = Some(BACKENDS[next].to_owned());
    }

    /// The options that change what the class sees, for the title: first what
    /// the keys change.
    pub fn shown(&self) -> Vec<String> {
        let backend = self.backend.as_deref();
        let has_backend = self.approach == Approach::Loop;
        let mut given = vec![("--backend", backend.filter(|_| has_backend))];
        // A pool serves as many clients as it has workers.
        if self.one_client {
            given.push(("--max-clients", Some("1")));
        } else {
            given.push(("--max-clients", self.max_clients.as_deref()));
            given.push(("--workers", self.workers.as_deref()));
        }
        [words_of(&given), self.others.clone()].concat()
    }

    /// The whole command line of the server.
    pub fn arguments(&self, language: &str) -> Vec<String> {
        let given = words_of(&[
            ("--host", self.host.as_deref()),
            ("--port", self.port.as_deref()),
            ("--language", Some(language)),
        ]);
        [self.shown(), given].concat()
    }
}

/// The words of options that have a value.
fn words_of(options: &[(&str, Option<&str>)]) -> Vec<String> {
    let words = |(name, value): &(&str, Option<&str>)| {
        value.map(|value| [(*name).to_owned(), value.to_owned()])
    };
    options.iter().filter_map(words).flatten().collect()
}

/// Takes an option with its value out of a command line: `--port 80`,
/// `--port=80`, `-p 80`, `-p80`. The last one counts, as for the servers.
fn take(arguments: &mut Vec<String>, names: &[&str]) -> Option<String> {
    let mut value = None;
    let mut others = Vec::new();
    let mut words = std::mem::take(arguments).into_iter();
    while let Some(word) = words.next() {
        let joined = names.iter().find_map(|name| {
            let rest = word.strip_prefix(name)?;
            let short = name.len() == 2 && !rest.is_empty();
            rest.strip_prefix('=').or(short.then_some(rest))
        });
        if let Some(joined) = joined {
            value = Some(joined.to_owned());
        } else if names.contains(&word.as_str()) && words.len() > 0 {
            value = words.next();
        } else {
            others.push(word);
        }
    }
    *arguments = others;
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(approach: Approach, given: &str) -> Options {
        let given: Vec<String> =
            given.split_whitespace().map(str::to_owned).collect();
        Options::new(approach, &given).unwrap()
    }

    #[test]
    fn what_the_user_gives_reaches_the_server() {
        let given = "--host 0.0.0.0 -p8081 --cpu-work=5 --serve once";
        let options = options(Approach::Threads, given);
        assert_eq!(
            options.arguments("es").join(" "),
            "--cpu-work=5 --serve once --host 0.0.0.0 --port 8081 \
             --language es"
        );
    }

    #[test]
    fn the_keys_change_the_command_line() {
        let mut options = options(Approach::Loop, "--workers 2 -p 0");
        assert!(options.is_pool());
        assert_eq!(options.shown(), ["--workers", "2"]);
        options.one_client = true;
        options.next_backend();
        options.keep_port(4711);
        assert!(!options.is_pool());
        assert_eq!(
            options.arguments("en").join(" "),
            "--backend epoll --max-clients 1 --port 4711 --language en"
        );
        // The others have no backend.
        options.approach = Approach::Processes;
        options.one_client = false;
        assert_eq!(options.shown(), ["--workers", "2"]);
        options.approach = Approach::Loop;
        options.next_backend();
        assert_eq!(options.shown()[1], "select");
    }

    #[test]
    fn quiet_is_refused_and_a_default_gives_way() {
        let quiet = ["--quiet".to_owned()];
        assert!(Options::new(Approach::Loop, &quiet).is_err());
        let mut options = options(Approach::Loop, "--cpu-work=5");
        options.default_to("--cpu-work", "7");
        options.default_to("--serve", "once");
        assert_eq!(options.shown(), ["--cpu-work=5", "--serve", "once"]);
    }
}
