//! The command line, the same for all three servers.
//!
//! Each option can be given by an environment variable too: `--max-clients`
//! is `ECHO_MAX_CLIENTS`. The command line wins.
//!
//! Next: `listener.rs`, which puts host and port to use.

// Words of the command line, which need not be text.
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

// clap does the reading, the checking, and the help.
use clap::builder::{
    FalseyValueParser, PossibleValuesParser, TypedValueParser,
};
use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

// The defaults.
use crate::console::language::Language;
use crate::constants::{GRACE, HOST, IDLE_TIMEOUT, MAX_CLIENTS, PORT};

/// How long one client is served; see `--serve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// One message and its reply.
    Once,
    /// Message after message, until the client has sent its end of file.
    UntilEof,
}

/// What is sent back; see `--reply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The bytes received, unchanged (RFC 862).
    Echo,
    /// What the originals sent; see `GREETING`.
    Greeting,
}

/// How the one loop asks the kernel which sockets are ready; see `--backend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// select(2): what the original used.
    Select,
    /// poll(2): the same without its limit of 1024 descriptors.
    Poll,
    /// epoll(7): the kernel remembers the list; Linux only.
    #[cfg(target_os = "linux")]
    Epoll,
}

/// What a server tells of itself, so that one command line serves all three.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name that its lines begin with.
    pub name: &'static str,
    /// How long it serves a client unless told otherwise.
    pub serve: Serve,
    /// Its backend unless told otherwise; `None` if it has no choice, and
    /// then `--backend` is an error.
    pub backend: Option<Backend>,
}

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The address or name to listen on.
    pub host: String,
    /// The TCP port to listen on; 0 takes any free one.
    pub port: u16,
    /// How long one client is served.
    pub serve: Serve,
    /// What is sent back.
    pub reply: Reply,
    /// The most clients served at a time, at least 1.
    pub max_clients: usize,
    /// How long a client may be silent; `None` is for ever.
    pub idle_timeout: Option<Duration>,
    /// How long, after a stop, clients may still take their replies.
    pub grace: Duration,
    /// How many workers are created before the first client; `None` creates
    /// them as clients come.
    pub workers: Option<usize>,
    /// How the loop asks for readiness; `None` for the other two servers.
    pub backend: Option<Backend>,
    /// The language of what is printed.
    pub language: Language,
    /// Whether only the first and the last line are printed.
    pub quiet: bool,
    /// Processor time spent on each message before the reply to it.
    pub cpu_work: Duration,
    /// The file that a trace is appended to; `None` for no trace.
    pub trace: Option<PathBuf>,
}

impl Options {
    /// Reads the command line and the environment of this process.
    ///
    /// Ends the process where nothing is left to serve: with status 0 after
    /// `--help` and `--version`, with 2 and a reason on standard error for
    /// what cannot be taken.
    #[must_use]
    pub fn from_environment(program: Program) -> Self {
        // As the system gave them: an argument need not be UTF-8.
        let words: Vec<OsString> = std::env::args_os().collect();
        // Even a refusal should be in the user's language.
        let language = guess_language(&words, |name| std::env::var(name).ok());
        // The only way out besides a server that runs.
        Self::parse(program, language, words)
            .unwrap_or_else(|error| refuse(language, &error))
    }

    /// Reads a command line, the program's name in front.
    ///
    /// # Errors
    ///
    /// clap's, also for `--help` and `--version`, whose text they bear.
    pub fn parse(
        program: Program,
        language: Language,
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        // clap checks everything; below nothing can be wrong any more.
        let found = command(program, language).try_get_matches_from(words)?;
        // The unit is said here, and then carried by the type.
        let seconds = |name| Duration::from_secs(value(&found, name));
        // 0 stands for never, which is no duration.
        let idle: Duration = seconds("idle-timeout");
        Ok(Self {
            host: value(&found, "host"),
            port: value(&found, "port"),
            serve: value(&found, "serve"),
            reply: value(&found, "reply"),
            max_clients: value::<u32>(&found, "max-clients") as usize,
            idle_timeout: (!idle.is_zero()).then_some(idle),
            grace: seconds("grace"),
            workers: found.get_one::<u32>("workers").map(|n| *n as usize),
            backend: program.backend.map(|_| value(&found, "backend")),
            language: found.get_one("language").copied().unwrap_or(language),
            quiet: found.get_flag("quiet"),
            cpu_work: Duration::from_micros(value(&found, "cpu-work")),
            trace: found.get_one("trace").cloned(),
        })
    }
}

/// The value of an option that has a default.
fn value<T: Clone + Send + Sync + 'static>(
    found: &ArgMatches,
    name: &str,
) -> T {
    found.get_one::<T>(name).cloned().expect("it has a default")
}

/// The options of one server, with their texts in the user's language.
fn command(program: Program, language: Language) -> Command {
    // Short names for what each option below needs.
    let text = |english, spanish| language.pick(english, spanish);
    let option = |name| option(name, language);
    // Both times have the same bounds.
    let seconds = || value_parser!(u64).range(..=MOST_SECONDS);
    // In the order of the help. clap's own help and version options are
    // replaced by ours, which speak Spanish too.
    let command = Command::new(program.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about(text(
            "An echo server for a class on concurrent programming",
            "Un servidor de eco para un curso de programación concurrente",
        ))
        .help_template(text(ENGLISH_HELP, SPANISH_HELP))
        .args_override_self(true)
        .arg(option("host").default_value(HOST))
        .arg(
            option("port")
                .short('p')
                .value_parser(value_parser!(u16))
                .default_value(PORT.to_string()),
        )
        .arg(
            option("serve")
                .value_parser(choice(SERVE))
                .default_value(word(SERVE, &program.serve)),
        )
        .arg(
            option("reply")
                .value_parser(choice(REPLY))
                .default_value(word(REPLY, &Reply::Echo)),
        )
        .arg(
            option("max-clients")
                .value_parser(value_parser!(u32).range(1..))
                .default_value(MAX_CLIENTS.to_string()),
        )
        .arg(
            option("idle-timeout")
                .value_parser(seconds())
                .default_value(IDLE_TIMEOUT.to_string()),
        )
        .arg(
            option("grace")
                .value_parser(seconds())
                .default_value(GRACE.to_string()),
        )
        .arg(option("workers").value_parser(value_parser!(u32).range(1..)))
        .arg(option("language").value_parser(choice(LANGUAGE)))
        .arg(
            option("quiet")
                .action(ArgAction::SetTrue)
                .value_parser(FalseyValueParser::new()),
        )
        .arg(
            option("cpu-work")
                .value_parser(value_parser!(u64).range(..=MOST_WORK))
                .default_value("0"),
        )
        .arg(option("trace").value_parser(value_parser!(PathBuf)))
        .disable_help_flag(true)
        .arg(
            option("help").short('h').env(None::<&str>).action(ArgAction::Help),
        )
        .disable_version_flag(true)
        .arg(
            option("version")
                .short('V')
                .env(None::<&str>)
                .action(ArgAction::Version),
        );
    // Only a server that has the choice offers it; to the others the option
    // is as unknown as any other word.
    match program.backend {
        // threads-server and process-server.
        None => command,
        // mux-server.
        Some(backend) => command.arg(
            option("backend")
                .value_parser(choice(BACKEND))
                .default_value(word(BACKEND, &backend)),
        ),
    }
}

/// One option by its name, with its variable and its help.
fn option(name: &'static str, language: Language) -> Arg {
    // Kept apart from the rules, since there are two of each.
    let (value_name, help) = texts(name, language);
    // The variables stay out of the help, where they would fill a line each.
    Arg::new(name)
        .long(name)
        .env(format!("ECHO_{}", name.to_uppercase().replace('-', "_")))
        .hide_env(true)
        .value_name(value_name)
        .help(help)
}

/// What the help calls an option's value, and what it says of the option.
fn texts(name: &str, language: Language) -> (&'static str, &'static str) {
    // Each arm: the value's name and the help, in English and in Spanish.
    let (english, spanish) = match name {
        // Where, and who can reach it.
        "host" => (
            (
                "ADDRESS",
                "Address or name to listen on; 0.0.0.0 or :: opens the \
                 server to the network",
            ),
            (
                "DIRECCIÓN",
                "Dirección o nombre donde escuchar; 0.0.0.0 o :: abre el \
                 servidor a la red",
            ),
        ),
        "port" => (
            ("PORT", "Port to listen on; 0 takes any free one"),
            ("PUERTO", "Puerto donde escuchar; 0 toma cualquiera libre"),
        ),
        // How a conversation goes.
        "serve" => (
            ("HOW LONG", "How long one client is served"),
            ("CUÁNTO", "Cuánto tiempo se atiende a un cliente"),
        ),
        "reply" => (("WHAT", "What is sent back"), ("QUÉ", "Qué se responde")),
        // What it may cost.
        "max-clients" => (
            ("N", "Clients served at a time; further ones wait"),
            ("N", "Clientes atendidos a la vez; los demás esperan"),
        ),
        "idle-timeout" => (
            (
                "SECONDS",
                "Close a client that is silent for so long; 0 is never",
            ),
            ("SEGUNDOS", "Cerrar al cliente inactivo tanto tiempo; 0 es nunca"),
        ),
        "grace" => (
            (
                "SECONDS",
                "How long, at a stop, clients may still take their replies",
            ),
            (
                "SEGUNDOS",
                "Cuánto tiempo, al detenerse, pueden los clientes recoger \
                 sus respuestas",
            ),
        ),
        // How it is done.
        "workers" => (
            ("N", "Create so many workers before the first client"),
            ("N", "Crear tantos trabajadores antes del primer cliente"),
        ),
        // In whose words, and in how many.
        "language" => (
            (
                "LANGUAGE",
                "Language of what is printed [default: from LC_ALL, \
                 LC_MESSAGES, LANG]",
            ),
            (
                "IDIOMA",
                "Idioma de lo que se imprime [por defecto: según LC_ALL, \
                 LC_MESSAGES, LANG]",
            ),
        ),
        "backend" => (
            ("HOW", "How the loop asks which sockets are ready"),
            ("CÓMO", "Cómo pregunta el bucle qué sockets están listos"),
        ),
        "quiet" => (
            ("YES", "Print only the first and the last line"),
            ("SÍ", "Imprimir solo la primera línea y la última"),
        ),
        // For experiments.
        "cpu-work" => (
            (
                "MICROSECONDS",
                "Processor time to spend on each message before the reply",
            ),
            (
                "MICROSEGUNDOS",
                "Tiempo de procesador que gastar en cada mensaje antes de \
                 responder",
            ),
        ),
        "trace" => (
            ("FILE", "Append what each worker does when, for Perfetto"),
            (
                "ARCHIVO",
                "Añadir qué hace cada trabajador y cuándo, para Perfetto",
            ),
        ),
        // What ends the program at once.
        "help" => (("", "Print this help"), ("", "Mostrar esta ayuda")),
        _ => (("", "Print the version"), ("", "Mostrar la versión")),
    };
    // Two texts of one language.
    language.pick(english, spanish)
}

/// The longest time that can be asked for, eleven days: in milliseconds it
/// still fits the 32-bit number that poll(2) takes.
const MOST_SECONDS: u64 = 1_000_000;

/// The most processor time that can be asked for each message, a minute: a
/// stop has to wait for it.
const MOST_WORK: u64 = 60_000_000;

/// The words of `--serve`.
const SERVE: &[(&str, Serve)] =
    &[("once", Serve::Once), ("until-eof", Serve::UntilEof)];

/// The words of `--reply`.
const REPLY: &[(&str, Reply)] =
    &[("echo", Reply::Echo), ("greeting", Reply::Greeting)];

/// The words of `--backend`.
const BACKEND: &[(&str, Backend)] = &[
    ("select", Backend::Select),
    ("poll", Backend::Poll),
    #[cfg(target_os = "linux")]
    ("epoll", Backend::Epoll),
];

/// The words of `--language`.
const LANGUAGE: &[(&str, Language)] =
    &[("en", Language::English), ("es", Language::Spanish)];

/// A parser that takes one of these words and yields what it stands for.
fn choice<T: Copy + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    // clap refuses all other words, and lists these in its refusal.
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word))
        .try_map(move |word| find(words, &word).ok_or("not one of them"))
}

/// What a word stands for.
fn find<T: Copy>(words: &[(&str, T)], word: &str) -> Option<T> {
    // Two or three: searching is quicker than anything clever.
    words.iter().find(|(known, _)| *known == word).map(|pair| pair.1)
}

/// The word for a choice: what `choice` reads, backwards.
fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    // A default that could not be written on the command line would be ours
    // to mend, and a test would see it.
    let pair = words.iter().find(|(_, known)| known == value);
    pair.expect("every choice has its word").0
}

/// How clap lays out the help.
const ENGLISH_HELP: &str = "\
{about}

Usage: {name} [OPTIONS]

Options:
{options}

Each option can be given by an environment variable too: ECHO_PORT=8081,
ECHO_MAX_CLIENTS=1, ECHO_QUIET=true. The command line wins.";

/// The same with Spanish headings.
const SPANISH_HELP: &str = "\
{about}

Uso: {name} [OPCIONES]

Opciones:
{options}

Cada opción se puede dar también con una variable de entorno: ECHO_PORT=8081,
ECHO_MAX_CLIENTS=1, ECHO_QUIET=true. La línea de órdenes prevalece.";

/// The language of the help and of a refusal, looked up before it is known
/// whether the command line is sound.
fn guess_language(
    words: &[OsString],
    variable: impl Fn(&str) -> Option<String>,
) -> Language {
    // The command line may say it once more.
    let mut asked = variable("ECHO_LANGUAGE");
    // A word that is not UTF-8 is none of those looked for.
    let mut words = words.iter().filter_map(|word| word.to_str());
    // The last one wins, as in clap.
    while let Some(word) = words.next() {
        match word.strip_prefix("--language") {
            // The language is the next word.
            Some("") => asked = words.next().map(str::to_owned),
            // Or it is in the same one.
            Some(value) if value.starts_with('=') => {
                asked = Some(value[1..].to_owned());
            }
            // Any other option.
            _ => {}
        }
    }
    // A language that is not known is refused later; until then, the locale.
    asked
        .and_then(|word| find(LANGUAGE, &word))
        .unwrap_or_else(|| Language::from_locale(variable))
}

/// Prints why there is nothing to serve, and ends the process.
fn refuse(language: Language, error: &clap::Error) -> ! {
    // clap prints its help on standard output, with status 0, and its English
    // refusals on standard error, with status 2.
    if !error.use_stderr() || language == Language::English {
        error.exit();
    }
    // clap knows no Spanish.
    let text = spanish(error);
    // When standard error is closed, the status still tells.
    let _ = writeln!(io::stderr(), "error: {text}\n\nPruebe «--help».");
    // The status of a wrong command line, everywhere.
    std::process::exit(2)
}

/// clap's refusals in Spanish.
fn spanish(error: &clap::Error) -> String {
    // What clap knows of the mistake, as far as it applies.
    let context = |kind| error.get(kind).map(ToString::to_string);
    let option = context(ContextKind::InvalidArg).unwrap_or_default();
    // Which option, which value, and what could have stood there.
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    // An option that takes anything has an empty list.
    let valid = context(ContextKind::ValidValue)
        .filter(|words| !words.is_empty())
        .map(|words| format!(" (se admite: {words})"))
        .unwrap_or_default();
    // clap tells more kinds apart; for these texts three are enough.
    match error.kind() {
        // Mostly a slip of the finger.
        ErrorKind::UnknownArgument => format!("no existe «{option}»"),
        // At the end of the line, for example.
        _ if value.is_empty() => {
            format!("falta el valor de «{option}»{valid}")
        }
        // Not a number, out of its range, not one of the words.
        _ => format!("valor no válido «{value}» para «{option}»{valid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREADS: Program =
        Program { name: "threads-server", serve: Serve::Once, backend: None };
    const MUX: Program = Program {
        name: "mux-server",
        serve: Serve::UntilEof,
        backend: Some(Backend::Poll),
    };

    fn parse(program: Program, line: &str) -> Result<Options, clap::Error> {
        let words = [program.name].into_iter().chain(line.split_whitespace());
        Options::parse(program, Language::English, words.map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        command(THREADS, Language::English).debug_assert();
        command(MUX, Language::Spanish).debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_table() {
        let expected = Options {
            host: "127.0.0.1".into(),
            port: 8080,
            serve: Serve::Once,
            reply: Reply::Echo,
            max_clients: 1024,
            idle_timeout: Some(Duration::from_secs(300)),
            grace: Duration::from_secs(5),
            workers: None,
            backend: None,
            language: Language::English,
            quiet: false,
            cpu_work: Duration::ZERO,
            trace: None,
        };
        assert_eq!(parse(THREADS, "").unwrap(), expected);
        let expected = Options {
            serve: Serve::UntilEof,
            backend: Some(Backend::Poll),
            ..expected
        };
        assert_eq!(parse(MUX, "").unwrap(), expected);
    }

    #[test]
    fn every_option_is_read() {
        let line = "--host ::1 -p 0 --serve once --reply greeting \
             --max-clients 70000 --idle-timeout 0 --grace 0 \
             --backend select --workers 4 --language es --quiet \
             --cpu-work 1500 --trace /tmp/trace";
        let expected = Options {
            host: "::1".into(),
            port: 0,
            serve: Serve::Once,
            reply: Reply::Greeting,
            max_clients: 70_000,
            idle_timeout: None,
            grace: Duration::ZERO,
            workers: Some(4),
            backend: Some(Backend::Select),
            language: Language::Spanish,
            quiet: true,
            cpu_work: Duration::from_micros(1500),
            trace: Some("/tmp/trace".into()),
        };
        assert_eq!(parse(MUX, line).unwrap(), expected);
        let twice = parse(THREADS, "--port 1 --port 2").unwrap();
        assert_eq!(twice.port, 2);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_status_2() {
        for line in [
            "--port 65536",
            "--port -1",
            "--port x",
            "--max-clients 0",
            "--workers 0",
            "--workers -1",
            "--idle-timeout 1000001",
            "--idle-timeout -1",
            "--grace 1.5",
            "--cpu-work -1",
            "--cpu-work 1.5",
            "--cpu-work 60000001",
            "--serve twice",
            "--reply nothing",
            "--language fr",
            "--backend poll",
            "--colour",
            "8080",
            "--host",
        ] {
            let error = parse(THREADS, line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
        assert!(parse(MUX, "--backend kqueue").is_err());
    }

    #[test]
    fn refusals_are_worded_in_spanish_too() {
        let refusal = |line| spanish(&parse(THREADS, line).unwrap_err());
        assert_eq!(refusal("--colour"), "no existe «--colour»");
        assert_eq!(
            refusal("--port x"),
            "valor no válido «x» para «--port <PORT>»"
        );
        assert_eq!(
            refusal("--serve x"),
            "valor no válido «x» para «--serve <HOW LONG>» \
             (se admite: once, until-eof)"
        );
        assert_eq!(refusal("--host"), "falta el valor de «--host <ADDRESS>»");
    }

    #[test]
    fn each_option_is_explained_in_its_own_words() {
        let explained = |language| {
            let command = command(MUX, language);
            let texts = command.get_arguments().map(|argument| {
                let help = argument.get_help().map(ToString::to_string);
                help.unwrap_or_default()
            });
            texts.collect::<Vec<_>>()
        };
        let all = [Language::English, Language::Spanish].map(explained);
        // The same words for two options, or in two languages, are wrong.
        let mut words = all.concat();
        let number = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), number, "{all:#?}");
        assert!(words.iter().all(|text| text.len() > 10), "{words:#?}");
    }

    #[test]
    fn the_language_is_known_before_the_line_is_parsed() {
        let guess = |line: &str, variables: &[(&str, &str)]| {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            guess_language(&words, |name| {
                let found = variables.iter().find(|(key, _)| *key == name)?;
                Some(found.1.to_owned())
            })
        };
        let spanish = [("LANG", "es_ES.UTF-8")];
        assert_eq!(guess("x", &[]), Language::English);
        assert_eq!(guess("x", &spanish), Language::Spanish);
        assert_eq!(guess("x --language en", &spanish), Language::English);
        assert_eq!(guess("x --language=en", &spanish), Language::English);
        assert_eq!(guess("x --languages en", &spanish), Language::Spanish);
        assert_eq!(guess("x --language fr", &spanish), Language::Spanish);
        let other = "x --language en --languages";
        assert_eq!(guess(other, &spanish), Language::English);
        let own = [("LANG", "es"), ("ECHO_LANGUAGE", "en")];
        assert_eq!(guess("x", &own), Language::English);
        assert_eq!(guess("x --language es", &own), Language::Spanish);
    }
}
