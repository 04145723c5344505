//! What ends a server, what only delays it, and how both are worded.

// Errors as the standard library hands them on.
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

// Errors by the names that the manual pages use.
use nix::errno::Errno;

// The words of both languages.
use crate::console::language::Language;
use crate::constants::REPORT_GAP;

/// Why a server cannot start or cannot go on.
#[derive(Debug)]
pub enum Failure {
    /// The name to listen on has no address.
    Resolve(String, io::Error),
    /// The address cannot be listened on.
    Listen(String, io::Error),
    /// The file of the trace cannot be opened.
    Trace(PathBuf, io::Error),
    /// A system call has failed that can fail only by a mistake of ours, or
    /// before there was anything to serve.
    System(io::Error),
}

/// Lets `?` turn the error of any other system call into a failure.
impl From<io::Error> for Failure {
    /// Of such an error the user needs to know the reason alone.
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// The same for the calls that come from nix.
impl From<Errno> for Failure {
    /// The number stays the same.
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

impl Failure {
    /// One line that says what failed, why, and what to try.
    pub fn message(&self, language: Language) -> String {
        let pick = |english: &str, spanish: &str| {
            language.pick(english, spanish).to_owned()
        };
        // What was being done, and to what.
        let (what, error) = match self {
            // No resolver knows the name, or none answers.
            Self::Resolve(host, error) => (
                language.pick(
                    format!("cannot find the address of {host}"),
                    format!("no se encuentra la dirección de {host}"),
                ),
                error,
            ),
            // Most often another program uses the port.
            Self::Listen(address, error) => (
                language.pick(
                    format!("cannot listen on {address}"),
                    format!("no se puede escuchar en {address}"),
                ),
                error,
            ),
            // The directory does not exist, for example.
            Self::Trace(path, error) => (
                language.pick(
                    format!("cannot open the trace {}", path.display()),
                    format!("no se puede abrir la traza {}", path.display()),
                ),
                error,
            ),
            // No option of the user's has caused it.
            Self::System(error) => {
                (pick("cannot go on", "no se puede continuar"), error)
            }
        };
        // The words for the reason of the failure.
        let why = match self {
            // The resolver's own words are long, and English.
            Self::Resolve(..) => {
                pick("no such name is known", "no se conoce ese nombre")
            }
            _ => language.describe(error),
        };
        // All of it is one line, which a log file keeps together.
        let (english, spanish) = self.advice();
        format!("{what}: {why}; {}", language.pick(english, spanish))
    }

    /// What the user may try, in both languages.
    fn advice(&self) -> (&'static str, &'static str) {
        let error = match self {
            // An address needs no resolver.
            Self::Resolve(..) => {
                return ("try --host 127.0.0.1", "pruebe con --host 127.0.0.1");
            }
            // Every error of open(2) is about this one file.
            Self::Trace(..) => {
                return (
                    "try another --trace FILE",
                    "pruebe con otro --trace ARCHIVO",
                );
            }
            Self::Listen(_, error) | Self::System(error) => error,
        };
        // An error without a number becomes 0, which no arm matches.
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        match errno {
            // Most often the same server runs in another terminal.
            Errno::EADDRINUSE => (
                "stop the other program, or try --port 0 for any free port",
                "detenga el otro programa, o pruebe con --port 0: cualquier \
                 puerto libre",
            ),
            // ip(7): a port below 1024 needs a privilege.
            Errno::EACCES => (
                "try a --port of 1024 or above",
                "pruebe con un --port a partir de 1024",
            ),
            // The address belongs to no interface of this machine.
            Errno::EADDRNOTAVAIL => (
                "try --host 127.0.0.1, or 0.0.0.0 for every network",
                "pruebe con --host 127.0.0.1, o con 0.0.0.0 para todas las \
                 redes",
            ),
            // The limit is too low even without a client.
            Errno::EMFILE => {
                ("raise ulimit -n", "aumente el límite con ulimit -n")
            }
            _ => ("see --help for the options", "vea las opciones con --help"),
        }
    }
}

/// What could not be done for want of resources, and is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransientError {
    /// accept(2) had no descriptor or no memory for the client.
    Accept,
    /// accept(2) handed on an error of the network.
    Network,
    /// No thread could be created.
    Thread,
    /// No process could be created.
    Process,
    /// The kernel had no memory to wait with.
    Wait,
}

impl TransientError {
    /// The words for it, in English and in Spanish.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            // The clients in the queue of the kernel wait there.
            Self::Accept => (
                "no client can be accepted for now",
                "por ahora no se puede aceptar a ningún cliente",
            ),
            // The client or its network has ended the connection.
            Self::Network => (
                "a client was lost before it was accepted",
                "se perdió un cliente antes de aceptarlo",
            ),
            // The server keeps the socket of the client meanwhile.
            Self::Thread => (
                "no thread can be created for now; its client waits",
                "por ahora no se puede crear un hilo; su cliente espera",
            ),
            Self::Process => (
                "no process can be created for now; its client waits",
                "por ahora no se puede crear un proceso; su cliente espera",
            ),
            // The loop pauses for a moment, and tries again.
            Self::Wait => (
                "the kernel cannot wait for clients for now",
                "por ahora el kernel no puede esperar a los clientes",
            ),
        }
    }
}

/// Keeps diagnostics from being repeated: each kind of error is reported when
/// a spell of it begins, and not again while the spell lasts.
///
/// A spell ends when `REPORT_GAP` has passed without an error of its kind. A
/// success does not end it: where each client that leaves makes room for one
/// other, every second try succeeds. An error of another kind does not end it
/// either.
#[derive(Debug, Default)]
pub struct ErrorThrottle(HashMap<TransientError, Instant>);

impl ErrorThrottle {
    /// Notes an error of this kind at this moment. Returns whether it begins
    /// a spell, so that it is to be reported.
    pub fn should_report(
        &mut self,
        kind: TransientError,
        now: Instant,
    ) -> bool {
        // Each error prolongs its spell.
        let before = self.0.insert(kind, now);
        before.is_none_or(|when| now.duration_since(when) >= REPORT_GAP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_try() {
        let address = || "127.0.0.1:8080".to_owned();
        let listen = |errno: Errno| Failure::Listen(address(), errno.into());
        let english = |failure: Failure| failure.message(Language::English);
        assert_eq!(
            english(listen(Errno::EADDRINUSE)),
            "cannot listen on 127.0.0.1:8080: address already in use; \
             stop the other program, or try --port 0 for any free port"
        );
        assert_eq!(
            listen(Errno::EACCES).message(Language::Spanish),
            "no se puede escuchar en 127.0.0.1:8080: permiso denegado; \
             pruebe con un --port a partir de 1024"
        );
        let away = english(listen(Errno::EADDRNOTAVAIL));
        assert!(away.contains("--host 127.0.0.1"));
        let name = Failure::Resolve("nowhere".into(), io::Error::other("x"));
        assert_eq!(
            english(name),
            "cannot find the address of nowhere: no such name is known; \
             try --host 127.0.0.1"
        );
        let trace = Failure::Trace("/x/y".into(), Errno::ENOENT.into());
        assert_eq!(
            english(trace),
            "cannot open the trace /x/y: no such file or directory; \
             try another --trace FILE"
        );
        assert!(english(Errno::EMFILE.into()).contains("ulimit -n"));
    }

    #[test]
    fn each_kind_has_its_words_in_both_languages() {
        let words = [
            (TransientError::Accept, "accepted", "aceptar"),
            (TransientError::Network, "lost", "perdió"),
            (TransientError::Thread, "no thread", "hilo"),
            (TransientError::Process, "no process", "proceso"),
            (TransientError::Wait, "the kernel", "el kernel"),
        ];
        for (kind, one, other) in words {
            let (english, spanish) = kind.words();
            assert!(english.contains(one), "{english}");
            assert!(spanish.contains(other), "{spanish}");
        }
    }

    #[test]
    fn a_spell_lasts_until_it_is_over_for_a_while() {
        let mut throttle = ErrorThrottle::default();
        let start = Instant::now();
        let half = REPORT_GAP / 2;
        assert!(throttle.should_report(TransientError::Accept, start));
        assert!(!throttle.should_report(TransientError::Accept, start + half));
        assert!(
            !throttle.should_report(TransientError::Accept, start + 2 * half)
        );
        assert!(
            throttle.should_report(TransientError::Thread, start + 2 * half)
        );
        assert!(
            !throttle.should_report(TransientError::Thread, start + 3 * half)
        );
        assert!(
            throttle.should_report(TransientError::Thread, start + 5 * half)
        );
    }

    #[test]
    fn kinds_that_take_turns_are_a_spell_each() {
        let mut throttle = ErrorThrottle::default();
        let start = Instant::now();
        assert!(throttle.should_report(TransientError::Accept, start));
        assert!(throttle.should_report(TransientError::Thread, start));
        for turn in 1..4 {
            let now = start + turn * REPORT_GAP / 2;
            assert!(!throttle.should_report(TransientError::Accept, now));
            assert!(!throttle.should_report(TransientError::Thread, now));
        }
    }
}
