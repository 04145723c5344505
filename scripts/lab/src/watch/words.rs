//! What the view says, in English and in Spanish.

use std::env;

use super::line::Worker;
use super::model::Doing;
use super::options::Approach;
use super::script::Role;
use crate::language::Language;

/// The language of the locale, by the same rule as the servers: the first of
/// the three variables that is not empty decides.
#[must_use]
pub fn language_of_locale() -> Language {
    match locale(&["LC_ALL", "LC_MESSAGES", "LANG"]) {
        Some(locale) if locale.to_lowercase().starts_with("es") => {
            Language::Spanish
        }
        _ => Language::English,
    }
}

/// Whether the locale's character set is UTF-8.
#[must_use]
pub fn is_utf8() -> bool {
    locale(&["LC_ALL", "LC_CTYPE", "LANG"]).is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

fn locale(names: &[&str]) -> Option<String> {
    names
        .iter()
        .filter_map(|name| env::var(name).ok())
        .find(|value| !value.is_empty())
}

/// A worker as the server prints it.
#[must_use]
pub fn worker(language: Language, worker: Worker) -> String {
    match worker {
        Worker::Thread(number) => {
            format!("{} {number}", language.pick("thread", "hilo"))
        }
        Worker::Process(id) => {
            format!("{} {id}", language.pick("process", "proceso"))
        }
        Worker::Loop => language.pick("loop", "bucle").to_owned(),
        Worker::LoopNumber(number) => {
            format!("{} {number}", language.pick("loop", "bucle"))
        }
    }
}

/// The sign of what is done, on a terminal that knows UTF-8. No two are the
/// same, so that the picture can be read without colour.
#[must_use]
pub fn sign(language: Language, doing: Doing) -> char {
    match doing {
        Doing::Waits => '·',
        Doing::Queued => '░',
        Doing::Works => '█',
        Doing::Accepts => 'A',
        Doing::Receives => 'R',
        Doing::Sends => match language {
            Language::English => 'S',
            Language::Spanish => 'E',
        },
        Doing::Closes => 'C',
    }
}

/// What a sign means, for the legend.
#[must_use]
pub fn meaning(language: Language, doing: Doing) -> &'static str {
    match doing {
        Doing::Waits => language.pick("waits", "espera"),
        Doing::Queued => language.pick("queued", "en cola"),
        Doing::Works => language.pick("works", "trabaja"),
        Doing::Accepts => language.pick("accepts", "acepta"),
        Doing::Receives => language.pick("receives", "recibe"),
        Doing::Sends => language.pick("sends", "envía"),
        Doing::Closes => language.pick("closes", "cierra"),
    }
}

/// What an approach creates, for the title.
#[must_use]
pub fn approach(language: Language, approach: Approach) -> &'static str {
    match approach {
        Approach::Threads => language
            .pick("a thread for each connection", "un hilo para cada conexión"),
        Approach::Processes => language.pick(
            "a process for each connection",
            "un proceso para cada conexión",
        ),
        Approach::Loop => language.pick(
            "one loop for all connections",
            "un bucle para todas las conexiones",
        ),
    }
}

/// What a scripted client is like.
#[must_use]
pub fn role(language: Language, role: Role) -> &'static str {
    match role {
        Role::Slow => language.pick("slow", "lento"),
        Role::Fast => language.pick("fast", "rápido"),
        Role::Computing => language.pick("computing", "calcula"),
        Role::Short => language.pick("short", "breve"),
    }
}

/// The keys, for the last line of the screen.
#[must_use]
pub fn keys(language: Language) -> &'static [(&'static str, &'static str)] {
    match language {
        Language::English => &[
            ("p", "pause"),
            ("+-", "time"),
            ("1", "threads"),
            ("2", "processes"),
            ("3", "loop"),
            ("b", "backend"),
            ("m", "one"),
            ("?", "help"),
            ("q", "quit"),
        ],
        Language::Spanish => &[
            ("p", "pausa"),
            ("+-", "tiempo"),
            ("1", "hilos"),
            ("2", "procesos"),
            ("3", "bucle"),
            ("b", "backend"),
            ("m", "uno"),
            ("?", "ayuda"),
            ("q", "salir"),
        ],
    }
}

/// The page behind `?`.
#[must_use]
pub fn help(language: Language) -> &'static [&'static str] {
    match language {
        Language::English => &[
            "p      pauses the picture; the server goes on",
            "+ -    less, or more, time in each column",
            "1 2 3  threads, processes, loop: the old server stops in order,",
            "       the new one takes its port",
            "b      the loop asks with the next of select, poll, epoll",
            "m      --max-clients 1: the server serves one client at a time;",
            "       m again: as before",
            "q      stops the server and leaves; q again does not wait",
            "",
            "The right end of a row is now. Signs that fall into one column",
            "stand one behind the other. A client is queued while it has not",
            "been accepted, or while its message waits in the kernel.",
            "S or R is the state of the thread or process (sleeps, runs);",
            "then comes the system call that it waits in.",
            "Recv-Q: clients in the accept queue. Send-Q: its limit.",
            "",
            "nc -N is OpenBSD's; traditional netcat: nc -q 10; Ncat and",
            "BusyBox: without it. Ctrl-D ends the input, on Windows Ctrl-Z.",
        ],
        Language::Spanish => &[
            "p      pausa la imagen; el servidor sigue",
            "+ -    menos tiempo, o más, en cada columna",
            "1 2 3  hilos, procesos, bucle: el servidor anterior se detiene",
            "       en orden y el nuevo toma su puerto",
            "b      el bucle pregunta con el siguiente: select, poll, epoll",
            "m      --max-clients 1: el servidor atiende a un cliente a la",
            "       vez; otra vez m: como antes",
            "q      detiene el servidor y sale; otra vez q no espera",
            "",
            "El extremo derecho de una fila es ahora. Los signos que caen en",
            "una columna van uno detrás de otro. Un cliente está en cola",
            "mientras no ha sido aceptado, o su mensaje espera en el kernel.",
            "S o R es el estado del hilo o proceso (duerme, se ejecuta);",
            "después va la llamada al sistema en la que espera.",
            "Recv-Q: clientes en la cola de accept. Send-Q: su límite.",
            "",
            "nc -N es el de OpenBSD; netcat tradicional: nc -q 10; Ncat y",
            "BusyBox: sin eso. Ctrl-D termina la entrada; en Windows, Ctrl-Z.",
        ],
    }
}

/// One of several, or one: `1 client`, `2 clients`.
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What a terminal without UTF-8 shows instead of a character.
#[must_use]
pub fn ascii(character: char) -> char {
    match character {
        ' '..='~' => character,
        'á' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' => 'u',
        'ñ' => 'n',
        '·' => '.',
        '░' => ':',
        '█' => '#',
        '─' => '-',
        '…' => '~',
        '←' => '<',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_sign_is_its_own_with_and_without_utf8() {
        for language in Language::ALL {
            let signs: BTreeSet<char> =
                Doing::ALL.map(|doing| sign(language, doing)).into();
            assert_eq!(signs.len(), Doing::ALL.len());
            let plain: BTreeSet<char> = signs.into_iter().map(ascii).collect();
            assert_eq!(plain.len(), Doing::ALL.len());
            assert!(plain.iter().all(char::is_ascii));
        }
    }

    #[test]
    fn both_pages_of_help_fit_on_the_smallest_screen() {
        for language in Language::ALL {
            assert!(help(language).len() <= 22);
            for line in help(language) {
                assert!(line.chars().count() <= 76, "{line}");
                let plain: String = line.chars().map(ascii).collect();
                assert!(!plain.replace("b      ", "").contains("??"), "{line}");
            }
        }
    }

    #[test]
    fn a_worker_is_written_as_it_is_read() {
        for language in Language::ALL {
            for one in [
                Worker::Thread(3),
                Worker::Process(4711),
                Worker::Loop,
                Worker::LoopNumber(2),
            ] {
                assert_eq!(Worker::parse(&worker(language, one)), Some(one));
            }
        }
    }
}
