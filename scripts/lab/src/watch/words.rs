//! What the view says; the words stand where all others of the lab do.

use std::env;

use serde::Serialize;

use super::line::Worker;
use super::model::Doing;
use crate::language::Language;
use crate::words::Words;

/// The language of the locale, by the same rule as the servers: the first of
/// the three variables that is not empty decides.
pub fn language_of_locale() -> Language {
    match locale(&["LC_ALL", "LC_MESSAGES", "LANG"]) {
        Some(locale) if locale.to_lowercase().starts_with("es") => {
            Language::Spanish
        }
        _ => Language::English,
    }
}

/// Whether the locale's character set is UTF-8.
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

/// One of the words, `watch.who` or `role.slow`.
pub fn word(language: Language, name: &str) -> String {
    Words::of(language).word(name)
}

/// One of the sentences, with its figures filled in.
pub fn say(language: Language, name: &str, figures: impl Serialize) -> String {
    let said = Words::of(language).say(name, figures);
    // As with a word: its name is seen on the screen.
    said.unwrap_or_else(|_| name.to_owned())
}

/// A worker as the server prints it.
pub fn worker(language: Language, worker: Worker) -> String {
    let noun = |noun| word(language, &format!("worker.{noun}"));
    match worker {
        Worker::Thread(number) => format!("{} {number}", noun("thread")),
        Worker::Process(id) => format!("{} {id}", noun("process")),
        Worker::Loop => noun("loop"),
        Worker::LoopNumber(number) => format!("{} {number}", noun("loop")),
    }
}

/// The sign of what is done, on a terminal that knows UTF-8. No two are the
/// same, so that the picture can be read without colour.
pub fn sign(language: Language, doing: Doing) -> char {
    match doing {
        Doing::Waits => '·',
        Doing::Queued => '░',
        Doing::Works => '█',
        _ => {
            let meaning = of(language, "doing", doing);
            meaning.chars().next().map_or('?', |it| it.to_ascii_uppercase())
        }
    }
}

/// The word for something of a table: `role.slow`.
pub fn of(
    language: Language,
    table: &str,
    it: impl Into<&'static str>,
) -> String {
    word(language, &format!("{table}.{}", it.into()))
}

/// The keys with what they do, for the last line of the screen.
pub fn keys(
    language: Language,
) -> impl Iterator<Item = (&'static str, String)> {
    let keys = [
        ("p", "key.pause"),
        ("+-", "key.time"),
        ("1", "bar.threads"),
        ("2", "bar.processes"),
        ("3", "worker.loop"),
        ("b", "key.backend"),
        ("m", "key.one"),
        ("?", "key.help"),
        ("q", "key.quit"),
    ];
    keys.into_iter().map(move |(key, name)| (key, word(language, name)))
}

/// The lines of the page behind `?`.
pub fn help(language: Language) -> Vec<String> {
    let keys = [
        ("p", "pause"),
        ("+ -", "time"),
        ("1 2 3", "approach"),
        ("b", "backend"),
        ("m", "one"),
        ("q", "quit"),
    ];
    let mut lines = Vec::new();
    for (mut key, name) in keys {
        for line in word(language, &format!("help.{name}")).lines() {
            lines.push(format!("{key:<7}{line}"));
            // The key stands beside the first line only.
            key = "";
        }
    }
    lines.push(String::new());
    let picture = word(language, "help.picture");
    lines.extend(picture.lines().map(str::to_owned));
    lines
}

/// What a terminal without UTF-8 shows instead of a character.
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
