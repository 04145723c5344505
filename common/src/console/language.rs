//! The two languages of what is printed, and what the errors of the system
//! are called in them.
//!
//! Next: `log.rs`, the lines themselves.

// Errors, by their numbers and by their names.
use nix::errno::Errno;
use std::io;

/// The language of everything that a server prints; see `--language`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `en`
    English,
    /// `es`
    Spanish,
}

/// The name of the locale for one category (`LC_MESSAGES`, `LC_CTYPE`).
///
/// locale(7): the first of `LC_ALL`, the category and `LANG` that is not
/// empty; the locale `C` if there is none. `variable` looks one up, so that a
/// test needs no environment.
fn locale(category: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    ["LC_ALL", category, "LANG"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.is_empty())
        .unwrap_or_else(|| "C".to_owned())
}

/// Whether the locale's character set is UTF-8: `es_AR.UTF-8`, `C.utf8`.
pub(crate) fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let name = locale("LC_CTYPE", variable);
    // After the language and a dot comes the character set, and after an `@`
    // a modifier. A name without a character set means an older one.
    let name = name.split('@').next().unwrap_or_default();
    let charset = name.split_once('.').map_or("", |(_, charset)| charset);
    ["UTF-8", "UTF8"].iter().any(|utf8| charset.eq_ignore_ascii_case(utf8))
}

impl Language {
    /// The language that the environment asks for.
    pub fn from_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let name = locale("LC_MESSAGES", variable);
        // `es`, `es_AR.UTF-8` and `es@euro` are Spanish; `est` is not.
        match name.split(['_', '.', '@']).next() {
            Some("es") => Self::Spanish,
            // Every other language, and `C`, gets the language of the manuals.
            _ => Self::English,
        }
    }

    /// The one of two texts that is in this language.
    pub fn pick<T>(self, english: T, spanish: T) -> T {
        match self {
            Self::English => english,
            Self::Spanish => spanish,
        }
    }

    /// A count and its noun: `1 byte`, `7 bytes`.
    pub fn count(self, number: u64, one: &str, many: &str) -> String {
        // Both languages use the singular for 1 alone, and say `0 bytes`.
        let noun = if number == 1 { one } else { many };
        format!("{number} {noun}")
    }

    /// What an error of the system is called: `connection reset by peer`.
    pub fn describe(self, error: &io::Error) -> String {
        // An error without a number comes from the standard library, not
        // from the kernel, and has no other words.
        let Some(number) = error.raw_os_error() else {
            return error.to_string();
        };
        // The standard library adds the number to the C library's words.
        let text = io::Error::from_raw_os_error(number).to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        match self {
            // The words end a sentence of ours.
            Self::English => uncapitalized(text),
            // An error that has no Spanish words here keeps its English name,
            // by which it can be looked up.
            Self::Spanish => spanish(Errno::from_raw(number)).map_or_else(
                || format!("error {number} del sistema ({text})"),
                str::to_owned,
            ),
        }
    }
}

/// A text that begins a sentence, as the end of another one.
fn uncapitalized(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        // `RPC struct is bad` and `.lib section` stay as they are.
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

/// The errors that a user can meet, in Spanish; `None` for the others.
fn spanish(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        // Errors of a connection.
        Errno::ECONNRESET => "el cliente cortó la conexión (reset)",
        Errno::EPIPE => "el cliente ya no recibe",
        Errno::ETIMEDOUT => "el cliente dejó de responder",
        Errno::ECONNABORTED => "el cliente abandonó la conexión",
        Errno::ENOTCONN => "la conexión ya no existe",

        // Errors of the network.
        Errno::EHOSTUNREACH => "no hay ruta hasta el cliente",
        Errno::EHOSTDOWN => "la máquina del cliente no responde",
        Errno::ENETUNREACH => "la red es inalcanzable",
        Errno::ENETDOWN => "la red no funciona",
        Errno::ENETRESET => "la red cortó la conexión",
        #[cfg(target_os = "linux")]
        Errno::ENONET => "la máquina no está en la red",
        Errno::EPROTO => "error de protocolo",
        Errno::ENOPROTOOPT => "opción de protocolo desconocida",

        // Resources that have run out.
        Errno::EMFILE => "demasiados archivos abiertos",
        Errno::ENFILE => "demasiados archivos abiertos en el sistema",
        Errno::ENOBUFS => "no queda espacio para búferes",
        Errno::ENOMEM => "no queda memoria",
        Errno::EAGAIN => "recurso no disponible por ahora",
        Errno::ENOSPC => "no queda espacio en el dispositivo",
        Errno::EDQUOT => "se agotó la cuota de disco",
        Errno::EFBIG => "el archivo alcanzó su tamaño máximo",
        Errno::ENOLCK => "no quedan bloqueos de archivo",

        // Errors of what the command line asks for.
        Errno::EADDRINUSE => "la dirección ya está en uso",
        Errno::EADDRNOTAVAIL => "la dirección no es de esta máquina",
        Errno::EAFNOSUPPORT => "familia de direcciones no disponible",
        Errno::EPROTONOSUPPORT => "protocolo no disponible",
        Errno::EACCES => "permiso denegado",
        Errno::EPERM => "operación no permitida",

        // Errors of the file for `--trace`.
        Errno::ENOENT => "el archivo o directorio no existe",
        Errno::ENOTDIR => "no es un directorio",
        Errno::EISDIR => "es un directorio",
        Errno::EROFS => "el sistema de archivos es de solo lectura",
        Errno::ENAMETOOLONG => "el nombre es demasiado largo",
        Errno::ELOOP => "demasiados enlaces simbólicos",
        Errno::ENXIO => "el dispositivo no existe, o el FIFO no tiene lector",
        Errno::ENODEV => "el dispositivo no existe",
        Errno::ETXTBSY => "el archivo es un programa en ejecución",
        Errno::EBUSY => "el dispositivo o recurso está ocupado",
        Errno::EOVERFLOW => "el valor es demasiado grande",
        Errno::EIO => "error de entrada o salida",

        // Errors that only a mistake in the program causes.
        Errno::EBADF => "descriptor de archivo no válido",
        Errno::EINVAL => "argumento no válido",
        Errno::EFAULT => "dirección de memoria no válida",
        Errno::ENOTSOCK => "el descriptor no es de un socket",
        Errno::EOPNOTSUPP => "operación no disponible",
        Errno::ENOSYS => "el kernel no tiene esta llamada",
        Errno::EINTR => "llamada al sistema interrumpida",
        Errno::ECHILD => "no hay procesos hijos",
        Errno::ESRCH => "el proceso no existe",

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
            "el cliente cortó la conexión (reset)"
        );
        let rare = io::Error::from(Errno::EXDEV);
        assert_eq!(
            Language::English.describe(&rare),
            "invalid cross-device link"
        );
        assert_eq!(
            Language::Spanish.describe(&rare),
            "error 18 del sistema (Invalid cross-device link)"
        );
        let own = io::Error::other("no such thing");
        assert_eq!(Language::Spanish.describe(&own), "no such thing");
    }

    #[test]
    fn errors_that_a_user_can_meet_have_their_own_spanish_words() {
        // Every number up to the last one of Linux, 133.
        let known = (1..=133).map(Errno::from_raw);
        let known: Vec<_> = known.filter(|e| spanish(*e).is_some()).collect();
        // A row that is lost would leave its error in English.
        let rows = if cfg!(target_os = "linux") { 49 } else { 48 };
        assert_eq!(known.len(), rows);
        let mut all = Vec::new();
        for errno in known {
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

    #[test]
    fn the_character_set_is_that_of_the_locale() {
        let with = |set: &[(&str, &str)]| {
            is_utf8(|name| {
                let found = set.iter().find(|(key, _)| *key == name)?;
                Some(found.1.to_owned())
            })
        };
        assert!(with(&[("LANG", "es_AR.UTF-8")]));
        assert!(with(&[("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
        assert!(with(&[("LANG", "ca_ES.UTF-8@valencia")]));
        assert!(!with(&[]));
        assert!(!with(&[("LANG", "es_AR")]));
        assert!(!with(&[("LANG", "es_ES.ISO-8859-15@euro")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "es_AR.UTF-8")]));
        assert!(!with(&[("LC_MESSAGES", "es_AR.UTF-8")]));
    }

    #[test]
    fn only_an_ordinary_word_loses_its_capital() {
        assert_eq!(uncapitalized("Permission denied"), "permission denied");
        assert_eq!(uncapitalized("RPC struct is bad"), "RPC struct is bad");
        assert_eq!(uncapitalized(""), "");
    }
}
