//! The two languages of what is printed, and what the system's errors are
//! called in them.
//!
//! Next: `transcript.rs`, the lines themselves.

// Errors as the standard library hands them on.
use std::io;

// And by the names that the manual pages use.
use nix::errno::Errno;

/// The language of everything that a server prints; see `--language`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `en`
    English,
    /// `es`
    Spanish,
}

impl Language {
    /// The language that the environment asks for, as locale(7) orders it:
    /// the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is not empty.
    ///
    /// `variable` looks one up, so that a test needs no environment.
    pub fn from_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        // An empty variable counts as unset: that is POSIX, not kindness.
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty());
        // `es`, `es_AR.UTF-8` and `es@euro` are Spanish; `est` is not.
        let name = locale.as_deref().unwrap_or("C");
        // Language, territory, encoding, modifier: only the first counts.
        match name.split(['_', '.', '@']).next() {
            // Territory and encoding do not matter to our few sentences.
            Some("es") => Self::Spanish,
            // Every other language, and `C`: the one that all manuals share.
            _ => Self::English,
        }
    }

    /// Whichever of two texts is in this language.
    pub fn pick<T>(self, english: T, spanish: T) -> T {
        match self {
            // The first of the two.
            Self::English => english,
            // The second.
            Self::Spanish => spanish,
        }
    }

    /// A count and its noun: `1 byte`, `7 bytes`.
    #[must_use]
    pub fn count(self, number: u64, one: &str, many: &str) -> String {
        // Both languages use the singular for exactly one, and for nothing
        // else: `0 bytes`.
        let noun = if number == 1 { one } else { many };
        // In this order in both languages.
        format!("{number} {noun}")
    }

    /// What an error of the system is called: `connection reset by peer`.
    #[must_use]
    pub fn describe(self, error: &io::Error) -> String {
        // Without a number the error comes from the standard library, not
        // from the kernel; its text is all there is.
        let Some(number) = error.raw_os_error() else {
            return error.to_string();
        };
        // A name instead of a number.
        let errno = Errno::from_raw(number);
        // Where it has a Spanish one.
        if self == Self::Spanish
            && let Some(text) = spanish(errno)
        {
            return text.to_owned();
        }
        // The C library's own words, to be found in every manual page, but
        // without their capital, since they end a sentence of ours.
        let text = errno.desc();
        // They are plain ASCII, so the first byte is the first letter.
        text[..1].to_lowercase() + &text[1..]
    }
}

/// The errors that a user can meet, in Spanish; `None` for the others.
fn spanish(errno: Errno) -> Option<&'static str> {
    // Grouped by where they come from.
    Some(match errno {
        // From a client, or from the network.
        Errno::ECONNRESET => "conexión reiniciada por el cliente",
        Errno::EPIPE => "el cliente ya no recibe",
        Errno::ETIMEDOUT => "el cliente dejó de responder",
        Errno::ECONNABORTED => "el cliente abandonó la conexión",
        Errno::EHOSTUNREACH => "no hay ruta hasta el cliente",
        Errno::ENETUNREACH => "la red es inalcanzable",
        Errno::ENETDOWN => "la red no funciona",
        Errno::EPROTO => "error de protocolo",

        // From resources that have run out.
        Errno::EMFILE => "demasiados archivos abiertos",
        Errno::ENFILE => "demasiados archivos abiertos en el sistema",
        Errno::ENOBUFS => "no queda espacio para búferes",
        Errno::ENOMEM => "no queda memoria",
        Errno::EAGAIN => "recurso no disponible por ahora",

        // From what the command line asks for.
        Errno::EADDRINUSE => "la dirección ya está en uso",
        Errno::EADDRNOTAVAIL => "la dirección no es de esta máquina",
        Errno::EACCES => "permiso denegado",
        // The rest keeps the English name, by which it can be looked up.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &[(&str, &str)]) -> Language {
        Language::from_locale(|name| {
            let found = set.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn the_locale_variables_are_asked_in_the_order_of_posix() {
        use Language::{English, Spanish};
        assert_eq!(with(&[]), English);
        assert_eq!(with(&[("LANG", "es_AR.UTF-8")]), Spanish);
        assert_eq!(with(&[("LANG", "es"), ("LC_MESSAGES", "C")]), English);
        let set = [("LANG", "C"), ("LC_MESSAGES", "es@euro")];
        assert_eq!(with(&set), Spanish);
        let set = [("LC_ALL", "en_GB"), ("LC_MESSAGES", "es")];
        assert_eq!(with(&set), English);
        let set = [("LC_ALL", ""), ("LANG", "es_ES")];
        assert_eq!(with(&set), Spanish);
        assert_eq!(with(&[("LANG", "est_EE.UTF-8")]), English);
    }

    #[test]
    fn errors_are_described_in_the_language_asked_for() {
        let reset = io::Error::from(Errno::ECONNRESET);
        assert_eq!(
            Language::English.describe(&reset),
            "connection reset by peer"
        );
        assert_eq!(
            Language::Spanish.describe(&reset),
            "conexión reiniciada por el cliente"
        );
        let rare = io::Error::from(Errno::EXDEV);
        assert_eq!(Language::Spanish.describe(&rare), "cross-device link");
        let own = io::Error::other("no such thing");
        assert_eq!(Language::Spanish.describe(&own), "no such thing");
    }

    #[test]
    fn errors_that_a_user_can_meet_have_their_own_spanish_words() {
        let errors = [
            Errno::ECONNRESET,
            Errno::EPIPE,
            Errno::ETIMEDOUT,
            Errno::ECONNABORTED,
            Errno::EHOSTUNREACH,
            Errno::ENETUNREACH,
            Errno::ENETDOWN,
            Errno::EPROTO,
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOBUFS,
            Errno::ENOMEM,
            Errno::EAGAIN,
            Errno::EADDRINUSE,
            Errno::EADDRNOTAVAIL,
            Errno::EACCES,
        ];
        let mut all = Vec::new();
        for errno in errors {
            let error = io::Error::from(errno);
            let spanish = Language::Spanish.describe(&error);
            assert_ne!(spanish, Language::English.describe(&error));
            assert!(!all.contains(&spanish), "{spanish}");
            all.push(spanish);
        }
    }

    #[test]
    fn only_one_is_singular() {
        let count = |number| Language::English.count(number, "byte", "bytes");
        assert_eq!(count(0), "0 bytes");
        assert_eq!(count(1), "1 byte");
        assert_eq!(count(2), "2 bytes");
    }
}
