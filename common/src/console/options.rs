//! The command line, the same for all three servers.
//!
//! Each option can be given by an environment variable too: `--max-clients`
//! is `ECHO_MAX_CLIENTS`. The command line wins, and an empty variable is as
//! none.
//!
//! Next: `output.rs`, which looks at the terminal.

// Words, which need not be UTF-8, and what they stand for.
use std::ffi::OsString;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

// clap reads and checks the words, and makes the help.
use clap::builder::{
    FalseyValueParser, OsStr, PossibleValuesParser, Resettable,
    TypedValueParser,
};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

// The defaults, and the stream for the help.
use crate::console::language::Language;
use crate::console::output::{Output, Stream};
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

/// When the first column is coloured; see `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or the terminal has no colours.
    Auto,
    /// Into files and pipes too.
    Always,
    /// Not at all.
    Never,
}

impl Color {
    /// Whether lines on this output are coloured; `variable` looks up an
    /// environment variable.
    pub fn applies(
        self,
        output: Output,
        variable: impl Fn(&str) -> Option<String>,
    ) -> bool {
        match self {
            // no-color.org: a variable of any value but the empty one counts.
            Self::Auto => {
                let unwanted = variable("NO_COLOR").unwrap_or_default();
                let has_none = variable("TERM").is_none_or(|t| t == "dumb");
                output.is_terminal && unwanted.is_empty() && !has_none
            }
            // The user has said so.
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// The properties of a server that its command line depends on.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name that its lines begin with.
    pub name: &'static str,
    /// How long it serves a client unless told otherwise.
    pub serve: Serve,
    /// Its backend unless told otherwise. `None` means that the server has no
    /// choice; then `--backend` is an error.
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
    /// When the first column is coloured.
    pub color: Color,
    /// CPU time spent on each message before its reply.
    pub cpu_work: Duration,
    /// The file that a trace is appended to; `None` for no trace.
    pub trace: Option<PathBuf>,
}

impl Options {
    /// Reads the command line and the environment of this process.
    ///
    /// Ends the process where there is nothing to serve: with status 0 after
    /// `--help` and `--version`, with 2 and a reason on standard error after
    /// a mistake.
    pub fn from_environment(program: Program) -> Self {
        // An argument need not be UTF-8.
        let words: Vec<OsString> = std::env::args_os().collect();
        // The text of a mistake is in the user's language too.
        let language = guess_language(&words, |name| std::env::var(name).ok());
        Self::parse(program, language, words)
            .unwrap_or_else(|error| refuse(program, language, &error))
    }

    /// Reads a command line, the program's name in front, and the variables
    /// of the environment.
    ///
    /// # Errors
    ///
    /// clap's, also for `--help` and `--version`, whose text they contain.
    ///
    /// # Panics
    ///
    /// Never: clap has checked the ranges of all numbers.
    pub fn parse(
        program: Program,
        language: Language,
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        // clap checks the ranges of all values, so nothing is wrong below.
        let words: Vec<OsString> = words.into_iter().collect();
        let command = command(program, language);
        let found = command.clone().try_get_matches_from(&words);
        // The user may not know of a variable that is wrong.
        let name = |error| name_variable(error, &command, &words, language);
        let found = found.map_err(name)?;
        // The unit is said here, and then carried by the type.
        let seconds = |name| Duration::from_secs(value(&found, name));
        // 0 stands for never.
        let idle: Duration = seconds("idle-timeout");
        let workers = found.get_one::<u64>("workers").copied();
        Ok(Self {
            host: value(&found, "host"),
            port: number(value(&found, "port")),
            serve: value(&found, "serve"),
            reply: value(&found, "reply"),
            max_clients: number(value(&found, "max-clients")),
            idle_timeout: (!idle.is_zero()).then_some(idle),
            grace: seconds("grace"),
            workers: workers.map(number),
            backend: program.backend.map(|_| value(&found, "backend")),
            language: found.get_one("language").copied().unwrap_or(language),
            quiet: found.get_flag("quiet"),
            color: value(&found, "color"),
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
    found.get_one::<T>(name).cloned().expect("the option has a default")
}

/// A number in the type that the servers use.
fn number<T: TryFrom<u64>>(number: u64) -> T {
    number.try_into().ok().expect("the range of the option fits its type")
}

/// The options of one server, with their texts in the user's language.
fn command(program: Program, language: Language) -> Command {
    // The help lists the options in this order. clap's own options for help
    // and version are replaced by ours, which are explained in Spanish too.
    Command::new(program.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about(language.pick(
            "An echo server for a class on concurrent programming",
            "Un servidor de eco para un curso de programación concurrente",
        ))
        .help_template(language.pick(ENGLISH_HELP, SPANISH_HELP))
        .after_help(examples(program, language))
        .max_term_width(MAX_COLUMNS)
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(service_options(program, language))
        .args(console_options(language))
}

/// The options that say how clients are served.
fn service_options(program: Program, language: Language) -> Vec<Arg> {
    let option = |name, default| option(name, default, &[], language);
    let range = |range| range_parser(range, language);
    let mut options = vec![
        option("host", HOST).value_parser(host_parser(language)),
        option("port", &PORT.to_string())
            .short('p')
            .value_parser(range(0..=u16::MAX.into())),
        choice("serve", SERVE, program.serve, language),
        choice("reply", REPLY, Reply::Echo, language),
        option("max-clients", &MAX_CLIENTS.to_string())
            .value_parser(range(1..=u32::MAX.into())),
        option("idle-timeout", &IDLE_TIMEOUT.to_string())
            .value_parser(range(0..=MAX_SECONDS)),
        option("grace", &GRACE.to_string())
            .value_parser(range(0..=MAX_SECONDS)),
        option("workers", "").value_parser(range(1..=u32::MAX.into())),
        option("cpu-work", "0").value_parser(range(0..=MAX_CPU_WORK)),
    ];
    // To a server without the choice the option is unknown.
    if let Some(backend) = program.backend {
        options.push(choice("backend", BACKEND, backend, language));
    }
    options
}

/// The options that say what is printed.
fn console_options(language: Language) -> Vec<Arg> {
    let option = |name| option(name, "", &[], language);
    // The default of the language is no word of its own: the locale decides.
    let words: Vec<&str> = LANGUAGE.iter().map(|(word, _)| *word).collect();
    let from_locale = language.pick(
        "from LC_ALL, LC_MESSAGES, LANG",
        "según LC_ALL, LC_MESSAGES, LANG",
    );
    // Help and version have no variable: a server that only prints its help
    // whenever it is started would be no use.
    let ending = |name, letter, action| {
        option(name).short(letter).env(None::<&str>).action(action)
    };
    vec![
        self::option("language", from_locale, &words, language)
            .default_value(None::<&str>)
            .value_parser(word_parser(LANGUAGE)),
        choice("color", COLOR, Color::Auto, language),
        option("quiet")
            .short('q')
            .action(ArgAction::SetTrue)
            .value_parser(FalseyValueParser::new()),
        option("trace").value_parser(value_parser!(PathBuf)),
        ending("help", 'h', ArgAction::Help),
        ending("version", 'V', ArgAction::Version),
    ]
}

/// One option by its name, with its variable and its help; a `default` that is
/// empty is none, and without `words` the option takes other values.
fn option(
    name: &'static str,
    default: &str,
    words: &[&str],
    language: Language,
) -> Arg {
    let (value_name, help) = texts(name, language);
    // clap would add these two parts in English only. Formatting into a string
    // cannot fail.
    let mut help = help.to_owned();
    if !default.is_empty() {
        let title = language.pick("default", "por defecto");
        let _ = write!(help, " [{title}: {default}]");
    }
    // These are the words that clap accepts for the option.
    if !words.is_empty() {
        let title = language.pick("possible values", "valores posibles");
        let _ = write!(help, " [{title}: {}]", words.join(", "));
    }
    // A shell cannot always unset a variable, so an empty one counts as unset.
    let variable = format!("ECHO_{}", name.to_uppercase().replace('-', "_"));
    let value = std::env::var_os(&variable).unwrap_or_default();
    // The variables are not in the help, where each would fill a line.
    Arg::new(name)
        .long(name)
        .env(some((!value.is_empty()).then_some(variable)))
        .hide_env(true)
        .default_value(some((!default.is_empty()).then(|| default.to_owned())))
        .hide_default_value(!default.is_empty())
        .hide_possible_values(!words.is_empty())
        .value_name(value_name)
        .help(help)
}

/// An optional text in the form that clap takes.
fn some(text: Option<String>) -> Resettable<OsStr> {
    text.map(OsStr::from).into()
}

/// An option whose value is one of these words.
fn choice<T: Copy + PartialEq + Send + Sync + 'static>(
    name: &'static str,
    words: &'static [(&'static str, T)],
    default: T,
    language: Language,
) -> Arg {
    let pair = words.iter().find(|(_, known)| *known == default);
    let default = pair.expect("every choice has its word").0;
    let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    option(name, default, &all, language).value_parser(word_parser(words))
}

/// What the help calls an option's value, and what it says of the option.
fn texts(name: &str, language: Language) -> (&'static str, &'static str) {
    // Each arm has the value's name and the help, in both languages.
    let (english, spanish) = match name {
        // Where the server listens.
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
        // What one client gets.
        "serve" => (
            ("HOW LONG", "How long one client is served"),
            ("CUÁNTO", "Cuánto tiempo se atiende a un cliente"),
        ),
        "reply" => (("WHAT", "What is sent back"), ("QUÉ", "Qué se responde")),
        // The limits.
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
        // How the clients are served.
        "workers" => (
            ("N", "Create so many workers before the first client"),
            ("N", "Crear tantos trabajadores antes del primer cliente"),
        ),
        // What is printed.
        "language" => (
            ("LANGUAGE", "Language of what is printed"),
            ("IDIOMA", "Idioma de lo que se imprime"),
        ),
        "color" => (
            ("WHEN", "Colour the first column, one colour for each worker"),
            ("CUÁNDO", "Dar un color a cada trabajador en la primera columna"),
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
        // These two end the program at once.
        "help" => (("", "Print this help"), ("", "Mostrar esta ayuda")),
        _ => (("", "Print the version"), ("", "Mostrar la versión")),
    };
    // One of the two pairs.
    language.pick(english, spanish)
}

/// The longest time that can be asked for, eleven days: in milliseconds it
/// still fits the 32-bit number that poll(2) takes.
const MAX_SECONDS: u64 = 1_000_000;

/// The most CPU time that can be asked for each message, a minute: a stop has
/// to wait for it.
const MAX_CPU_WORK: u64 = 60_000_000;

/// The help is as wide as the terminal, but longer lines are hard to read.
const MAX_COLUMNS: usize = 80;

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

/// The words of `--color`.
const COLOR: &[(&str, Color)] = &[
    ("auto", Color::Auto),
    ("always", Color::Always),
    ("never", Color::Never),
];

/// A parser that takes one of these words and yields what it stands for.
fn word_parser<T: Copy + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    // clap refuses all other words, and lists these in its refusal.
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word))
        .try_map(move |word| find(words, &word).ok_or("not one of them"))
}

/// What a word stands for.
fn find<T: Copy>(words: &[(&str, T)], word: &str) -> Option<T> {
    words.iter().find(|(known, _)| *known == word).map(|pair| pair.1)
}

/// A parser that takes a number within these bounds; its refusal names them in
/// the user's language.
fn range_parser(
    range: RangeInclusive<u64>,
    language: Language,
) -> impl TypedValueParser<Value = u64> {
    move |text: &str| {
        // clap puts this reason behind its own words.
        let number = text.parse().ok().filter(|n| range.contains(n));
        number.ok_or_else(|| refuse_number(&range, language))
    }
}

/// What a number outside of these bounds is refused with.
fn refuse_number(range: &RangeInclusive<u64>, language: Language) -> String {
    let (first, last) = (range.start(), range.end());
    language.pick(
        format!("expected a whole number from {first} to {last}"),
        format!("se espera un número entero de {first} a {last}"),
    )
}

/// A parser that takes any address or name but an empty one, which the
/// resolver would take for every address of the machine.
fn host_parser(language: Language) -> impl TypedValueParser<Value = String> {
    move |text: &str| {
        // clap puts this reason behind its own words.
        let refusal = language.pick(
            "an address or a name is missing, for example 127.0.0.1",
            "falta una dirección o un nombre, por ejemplo 127.0.0.1",
        );
        // The text itself is checked by the resolver, later.
        Some(text.to_owned()).filter(|host| !host.is_empty()).ok_or(refusal)
    }
}

/// How clap lays out the help.
const ENGLISH_HELP: &str = "\
{about}

Usage: {name} [OPTIONS]

Options:
{options}{after-help}";

/// The same with Spanish headings.
const SPANISH_HELP: &str = "\
{about}

Uso: {name} [OPCIONES]

Opciones:
{options}{after-help}";

/// The end of the help. clap wraps these lines too, so that they are short.
fn examples(Program { name, .. }: Program, language: Language) -> String {
    language.pick(
        format!(
            "\
Each option can be given by an environment variable too: ECHO_PORT=8081, \
ECHO_MAX_CLIENTS=1, ECHO_QUIET=true. The command line wins.

Examples:
  {name} --port 0
      for this machine alone, on any free port
  {name} --host 0.0.0.0 --quiet
      for the whole network, with two lines of output
  {name} --workers 4 --serve until-eof
      four workers, which serve each client until it ends"
        ),
        format!(
            "\
Cada opción se puede dar también con una variable de entorno: \
ECHO_PORT=8081, ECHO_MAX_CLIENTS=1, ECHO_QUIET=true. La línea de comandos \
prevalece.

Ejemplos:
  {name} --port 0
      solo para esta máquina, en cualquier puerto libre
  {name} --host 0.0.0.0 --quiet
      para toda la red, con dos líneas de salida
  {name} --workers 4 --serve until-eof
      cuatro trabajadores, que atienden a cada cliente hasta que termina"
        ),
    )
}

/// The language of the help and of a mistake, looked up before it is known
/// whether the command line makes sense.
fn guess_language(
    words: &[OsString],
    variable: impl Fn(&str) -> Option<String>,
) -> Language {
    // The command line wins over the variable.
    let mut requested = variable("ECHO_LANGUAGE");
    // A word that is not UTF-8 is none of the words looked for.
    let mut words = words.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        // Of several `--language` the last one counts, as it does for clap.
        match word.strip_prefix("--language") {
            // The value is the next word.
            Some("") => requested = words.next().map(str::to_owned),
            // The value follows an equals sign.
            Some(value) if value.starts_with('=') => {
                requested = Some(value[1..].to_owned());
            }
            _ => {}
        }
    }
    // An unknown language is refused later, in the language of the locale.
    requested
        .and_then(|word| find(LANGUAGE, &word))
        .unwrap_or_else(|| Language::from_locale(variable))
}

/// Names the environment variable in an error that it has caused; other errors
/// stay as they are.
fn name_variable(
    mut error: clap::Error,
    command: &Command,
    words: &[OsString],
    language: Language,
) -> clap::Error {
    // Whether the words are wrong together with one variable, or with none.
    let fails_with = |variable: Option<&str>| {
        let only = |option| keep_variable(option, variable);
        let command = command.clone().mut_args(only);
        command.try_get_matches_from(words).is_err()
    };
    // A variable is the cause if the command line alone makes sense.
    if fails_with(None) {
        return error;
    }
    // Alone with the command line, the wrong variable is still wrong.
    let mut variables = command.get_arguments().filter_map(Arg::get_env);
    let Some(variable) = variables
        .find_map(|name| name.to_str().filter(|name| fails_with(Some(name))))
    else {
        return error;
    };
    // clap has no word for the argument here, so the text is made anew.
    if error.kind() == ErrorKind::InvalidUtf8 {
        let text = format!("the environment variable {variable} is not UTF-8");
        error = command.clone().error(ErrorKind::InvalidUtf8, text);
    }
    let tip = language.pick(
        format!("{variable} is an environment variable; change or unset it"),
        format!("{variable} es una variable de entorno; cámbiela o elimínela"),
    );
    // The text names the variable where it would name the option.
    let name = ContextValue::String(variable.to_owned());
    error.insert(ContextKind::InvalidArg, name);
    let tips = ContextValue::StyledStrs(vec![tip.into()]);
    error.insert(ContextKind::Suggested, tips);
    error
}

/// The option without its variable, unless that is the given one.
fn keep_variable(option: Arg, variable: Option<&str>) -> Arg {
    let name = option.get_env().and_then(|name| name.to_str());
    let name = name.filter(|name| Some(*name) == variable);
    let name = name.map(str::to_owned);
    option.env(some(name))
}

/// Prints the help, the version, or a mistake, and ends the process.
fn refuse(program: Program, language: Language, error: &clap::Error) -> ! {
    // The help and the version are no mistakes.
    let stream =
        if error.use_stderr() { Stream::Error } else { Stream::Output };
    // clap's own texts are English.
    let text = match (stream, language) {
        (Stream::Error, Language::Spanish) => spanish(program, error),
        _ => error.render().to_string(),
    };
    // A stream that is closed loses the text; the status still tells.
    Output::new(stream).print_text(&text);
    std::process::exit(error.exit_code())
}

/// clap's errors in Spanish, in the same form.
fn spanish(program: Program, error: &clap::Error) -> String {
    // What clap knows of the mistake; a part that does not apply is empty.
    let context =
        |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let option = context(ContextKind::InvalidArg);
    let value = context(ContextKind::InvalidValue);
    // The reason of our own parsers is Spanish already.
    let reason = std::error::Error::source(error)
        .map(|source| format!(": {source}"))
        .unwrap_or_default();
    let mut text = match error.kind() {
        // No option has this name.
        ErrorKind::UnknownArgument => {
            format!("argumento inesperado «{option}»")
        }
        // The option is the last word.
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("falta el valor de «{option}»")
        }
        // Only `--quiet`, `--help` and `--version` take no value.
        ErrorKind::TooManyValues => {
            format!("«{option}» no lleva valor, pero se dio «{value}»")
        }
        // clap does not say which argument; `name_variable` adds a variable.
        ErrorKind::InvalidUtf8 if option.is_empty() => {
            "un argumento no es UTF-8".to_owned()
        }
        ErrorKind::InvalidUtf8 => format!("«{option}» no es UTF-8"),
        // The value is out of its range, or none of the words.
        _ => format!("valor no válido «{value}» para «{option}»{reason}"),
    };
    // The same parts as in clap's English text follow, where they apply.
    let valid = context(ContextKind::ValidValue);
    if !valid.is_empty() {
        let _ = write!(text, "\n  [valores posibles: {valid}]");
    }
    // A tip has a line of its own.
    let tips = spanish_tips(error).join("\n  consejo: ");
    if !tips.is_empty() {
        let _ = write!(text, "\n\n  consejo: {tips}");
    }
    // clap adds the usage to errors about the options themselves.
    if error.get(ContextKind::Usage).is_some() {
        let _ = write!(text, "\n\nUso: {} [OPCIONES]", program.name);
    }
    format!("error: {text}\n\nPara más información, pruebe «--help».\n")
}

/// What clap suggests after a slip, in Spanish.
fn spanish_tips(error: &clap::Error) -> Vec<String> {
    // clap gives the similar word alone, without a sentence.
    let similar = |kind, what| {
        let word = error.get(kind)?;
        Some(format!("existe {what}: «{word}»"))
    };
    // At most one of the two applies to a slip.
    let option = similar(ContextKind::SuggestedArg, "una opción parecida");
    let value = similar(ContextKind::SuggestedValue, "un valor parecido");
    let mut tips: Vec<String> = option.into_iter().chain(value).collect();
    // The tip of `name_variable` is Spanish already.
    let own = error.get(ContextKind::Suggested);
    if let Some(ContextValue::StyledStrs(own)) = own {
        tips.extend(own.iter().map(ToString::to_string));
    }
    tips
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
            color: Color::Auto,
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
             --backend select --workers 4 --language es -q --color never \
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
            color: Color::Never,
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
            "--color sometimes",
            "--quiet=perhaps",
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
        let refusal = |line: &str| {
            let words = ["x"].into_iter().chain(line.split(' '));
            let words = words.map(OsString::from);
            let error = Options::parse(THREADS, Language::Spanish, words);
            let text = spanish(THREADS, &error.unwrap_err());
            let text = text.strip_prefix("error: ").unwrap();
            let end = "\n\nPara más información, pruebe «--help».\n";
            text.strip_suffix(end).unwrap().to_owned()
        };
        assert_eq!(
            refusal("--colour"),
            "argumento inesperado «--colour»\n\n  \
             consejo: existe una opción parecida: «--color»\n\n\
             Uso: threads-server [OPCIONES]"
        );
        assert_eq!(
            refusal("--port x"),
            "valor no válido «x» para «--port <PUERTO>»: \
             se espera un número entero de 0 a 65535"
        );
        assert_eq!(
            refusal("--serve oncee"),
            "valor no válido «oncee» para «--serve <CUÁNTO>»\n  \
             [valores posibles: once, until-eof]\n\n  \
             consejo: existe un valor parecido: «once»"
        );
        assert_eq!(refusal("--host"), "falta el valor de «--host <DIRECCIÓN>»");
        assert_eq!(
            refusal("--host="),
            "valor no válido «» para «--host <DIRECCIÓN>»: \
             falta una dirección o un nombre, por ejemplo 127.0.0.1"
        );
        assert_eq!(
            refusal("--quiet=si"),
            "«--quiet» no lleva valor, pero se dio «si»\n\n\
             Uso: threads-server [OPCIONES]"
        );
    }

    #[test]
    fn a_number_out_of_its_range_is_told_the_range() {
        let error = parse(THREADS, "--workers 0").unwrap_err().to_string();
        assert!(
            error.contains("expected a whole number from 1 to 4294967295"),
            "{error}"
        );
        let error = parse(THREADS, "--host=").unwrap_err().to_string();
        assert!(error.contains("an address or a name is missing"), "{error}");
    }

    #[test]
    fn colour_is_for_terminals_unless_asked_for() {
        let terminal = Output { is_terminal: true, ..Output::FILE };
        let with = |color: Color, output, set: &[(&str, &str)]| {
            color.applies(output, |name| {
                let mut pairs = set.iter().copied();
                let pair = pairs.find(|(key, _)| *key == name);
                pair.map(|(_, value)| value.to_owned())
            })
        };
        let xterm = ("TERM", "xterm-256color");
        assert!(with(Color::Auto, terminal, &[xterm]));
        assert!(with(Color::Auto, terminal, &[xterm, ("NO_COLOR", "")]));
        assert!(!with(Color::Auto, terminal, &[xterm, ("NO_COLOR", "1")]));
        assert!(!with(Color::Auto, terminal, &[("TERM", "dumb")]));
        assert!(!with(Color::Auto, Output::FILE, &[xterm]));
        assert!(with(Color::Always, Output::FILE, &[("NO_COLOR", "1")]));
        assert!(!with(Color::Never, terminal, &[xterm]));
    }

    #[test]
    fn the_help_fits_its_width_and_ends_in_three_examples() {
        for (language, title) in
            [(Language::English, "Examples:"), (Language::Spanish, "Ejemplos:")]
        {
            for program in [THREADS, MUX] {
                for width in [60, 80] {
                    let mut command =
                        command(program, language).term_width(width);
                    let help = command.render_help().to_string();
                    for line in help.lines() {
                        assert!(line.chars().count() <= width, "{line}");
                    }
                    let (_, end) = help.split_once(title).unwrap();
                    let shown = format!("\n  {} -", program.name);
                    assert_eq!(end.matches(&shown).count(), 3, "{end}");
                }
            }
        }
        let help = command(MUX, Language::English).render_help().to_string();
        assert!(help.find("--backend").unwrap() < help.find("--help").unwrap());
        assert!(help.contains("-q, --quiet"));
    }

    #[test]
    fn the_spanish_help_is_spanish_to_the_end() {
        let help = command(MUX, Language::Spanish).render_help().to_string();
        for english in ["default:", "possible values", "Usage", "Options"] {
            assert!(!help.contains(english), "{english}: {help}");
        }
        assert!(help.contains("[por defecto: 8080]"), "{help}");
    }

    #[test]
    fn each_option_is_explained_in_its_own_words() {
        let explained = |language| {
            let command = command(MUX, language);
            let texts = command.get_arguments().map(|argument| {
                let help = argument.get_help().map(ToString::to_string);
                let help = help.unwrap_or_default();
                // Its own default and values would tell it from any other.
                help.split(" [").next().unwrap().to_owned()
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
