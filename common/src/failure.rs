//! What ends a server, what only delays it, and how both are worded.

use std::io;
use std::time::Instant;

use nix::errno::Errno;

use crate::constants::SPELL_GAP;
use crate::language::Language;
use crate::transcript::Transcript;

/// Why a server cannot start or cannot go on.
#[derive(Debug)]
pub enum Failure {
    /// The name to listen on has no address.
    Resolve(String, io::Error),
    /// The address cannot be listened on.
    Listen(String, io::Error),
    /// A system call has failed that can fail only by a mistake of ours, or
    /// before there was anything to serve.
    System(io::Error),
    /// A second Ctrl-C or SIGTERM came while the server was stopping.
    Interrupted,
}

/// Lets `?` turn the error of any other system call into a failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// The same for the calls that come from nix.
impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

impl Failure {
    /// The exit status of the server: 1, or 130 as a shell reports SIGINT.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            _ => 1,
        }
    }

    /// One line that says what failed, why, and what to try; nothing for an
    /// interruption, whose author knows.
    #[must_use]
    pub fn message(&self, language: Language) -> Option<String> {
        let pick = |english: &str, spanish: &str| {
            language.pick(english, spanish).to_owned()
        };
        let (what, error) = match self {
            Self::Resolve(host, error) => (
                language.pick(
                    format!("cannot find the address of {host}"),
                    format!("no se encuentra la dirección de {host}"),
                ),
                error,
            ),
            Self::Listen(address, error) => (
                language.pick(
                    format!("cannot listen on {address}"),
                    format!("no se puede escuchar en {address}"),
                ),
                error,
            ),
            Self::System(error) => {
                (pick("cannot go on", "no se puede continuar"), error)
            }
            Self::Interrupted => return None,
        };
        let why = match self {
            Self::Resolve(..) => {
                pick("no such name is known", "no se conoce ese nombre")
            }
            _ => language.describe(error),
        };
        let advice = self.advice().map(|(en, es)| language.pick(en, es));
        let advice = advice.map(|text| format!("; {text}"));
        Some(format!("{what}: {why}{}", advice.unwrap_or_default()))
    }

    /// What the user may try, in both languages.
    fn advice(&self) -> Option<(&'static str, &'static str)> {
        let error = match self {
            Self::Resolve(..) => {
                return Some((
                    "try --host 127.0.0.1",
                    "pruebe con --host 127.0.0.1",
                ));
            }
            Self::Listen(_, error) | Self::System(error) => error,
            Self::Interrupted => return None,
        };
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        match errno {
            Errno::EADDRINUSE => Some((
                "stop the other program, or try --port 0 for any free port",
                "detenga el otro programa, o pruebe con --port 0: cualquier \
                 puerto libre",
            )),
            Errno::EACCES => Some((
                "try a --port of 1024 or above",
                "pruebe con un --port a partir de 1024",
            )),
            Errno::EADDRNOTAVAIL => Some((
                "try --host 127.0.0.1, or 0.0.0.0 for every network",
                "pruebe con --host 127.0.0.1, o con 0.0.0.0 para todas las \
                 redes",
            )),
            Errno::EMFILE => {
                Some(("raise ulimit -n", "aumente el límite con ulimit -n"))
            }
            _ => Some((
                "see --help for the options",
                "vea las opciones con --help",
            )),
        }
    }
}

/// What could not be done for want of resources, and is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
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

impl Trouble {
    /// The words for it, in English and in Spanish.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Accept => (
                "no client can be accepted for now",
                "por ahora no se puede aceptar a ningún cliente",
            ),
            Self::Network => (
                "a client was lost before it was accepted",
                "se perdió un cliente antes de aceptarlo",
            ),
            Self::Thread => (
                "no thread can be created for now; its client waits",
                "por ahora no se puede crear un hilo; su cliente espera",
            ),
            Self::Process => (
                "no process can be created for now; its client waits",
                "por ahora no se puede crear un proceso; su cliente espera",
            ),
            Self::Wait => (
                "the kernel cannot wait for clients for now",
                "por ahora el núcleo no puede esperar a los clientes",
            ),
        }
    }
}

/// A spell of trouble: reported when it begins, not each time again.
///
/// It lasts until a `SPELL_GAP` has passed without it. Success alone does not
/// end it: where each client that leaves makes room for one other, every
/// second try succeeds.
#[derive(Debug, Default)]
pub struct Spell(Option<(Trouble, Instant)>);

impl Spell {
    /// Reports a trouble, unless it belongs to the spell reported last.
    pub fn report(
        &mut self,
        trouble: Trouble,
        error: &io::Error,
        transcript: &Transcript,
    ) {
        let now = Instant::now();
        let before = self.0.replace((trouble, now));
        let known = before.is_some_and(|(last, when)| {
            last == trouble && now.duration_since(when) < SPELL_GAP
        });
        if known {
            return;
        }
        let language = transcript.language();
        let (english, spanish) = trouble.words();
        let what = language.pick(english, spanish);
        let why = language.describe(error);
        transcript.complain(&format!("{what}: {why}"));
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
            english(listen(Errno::EADDRINUSE)).unwrap(),
            "cannot listen on 127.0.0.1:8080: address already in use; \
             stop the other program, or try --port 0 for any free port"
        );
        assert_eq!(
            listen(Errno::EACCES).message(Language::Spanish).unwrap(),
            "no se puede escuchar en 127.0.0.1:8080: permiso denegado; \
             pruebe con un --port a partir de 1024"
        );
        let away = english(listen(Errno::EADDRNOTAVAIL)).unwrap();
        assert!(away.contains("--host 127.0.0.1"));
        let name = Failure::Resolve("nowhere".into(), io::Error::other("x"));
        assert_eq!(
            english(name).unwrap(),
            "cannot find the address of nowhere: no such name is known; \
             try --host 127.0.0.1"
        );
        assert!(english(Errno::EMFILE.into()).unwrap().contains("ulimit -n"));
        assert_eq!(english(Failure::Interrupted), None);
    }

    #[test]
    fn the_status_tells_an_interruption_from_a_failure() {
        assert_eq!(Failure::Interrupted.status(), 130);
        assert_eq!(Failure::from(Errno::EBADF).status(), 1);
    }
}
