//! Whether a comment says anything that its code does not.

use std::collections::HashSet;

/// Words that carry no meaning of their own.
const EMPTY: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "here",
    "in", "into", "is", "it", "its", "now", "of", "on", "our", "so", "that",
    "the", "then", "this", "to", "we", "with",
];

/// What Rust's own signs and words are called in prose.
const TOKENS: &[(&str, &[&str])] = &[
    (
        "let",
        &["create", "make", "define", "declare", "new", "set", "get"],
    ),
    (
        "new",
        &["create", "make", "new", "initialise", "initialize"],
    ),
    (
        "default",
        &["create", "empty", "initialise", "initialize", "new"],
    ),
    ("fn", &["function", "define"]),
    ("if", &["check", "if", "test", "when", "whether"]),
    ("match", &["check", "match"]),
    ("loop", &["loop", "repeat", "forever"]),
    ("for", &["each", "every", "iterate", "loop", "over"]),
    ("while", &["loop", "while", "until"]),
    ("return", &["return", "returns"]),
    ("break", &["end", "leave", "loop", "stop"]),
    ("continue", &["continue", "next"]),
    ("push", &["add", "append"]),
    ("insert", &["add", "insert"]),
    ("remove", &["delete", "remove"]),
    ("println", &["print"]),
    ("?", &["error", "return"]),
    ("=", &["assign", "set"]),
];

/// Whether every word of the comment that means something is in the code too,
/// or is what a token of it is called.
#[must_use]
pub fn repeats(comment: &str, code: &str) -> bool {
    let known = known(code);
    let mut said = split(comment)
        .into_iter()
        .filter(|word| !EMPTY.contains(&word.as_str()))
        .map(|word| stem(&word))
        .peekable();
    said.peek().is_some() && said.all(|word| known.contains(&word))
}

/// The words of the code, and what they are called.
fn known(code: &str) -> HashSet<String> {
    let mut known = HashSet::new();
    let words = split(code);
    let signs = ["?", "="].into_iter().filter(|sign| code.contains(sign));
    for word in words.iter().map(String::as_str).chain(signs) {
        known.insert(stem(word));
        let names = TOKENS.iter().filter(|(token, _)| *token == word);
        known
            .extend(names.flat_map(|(_, names)| *names).map(|name| stem(name)));
    }
    known
}

/// The words of a text, in lower case: `SocketAddr` and `socket_addr` are two.
fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for character in text.chars() {
        let boundary =
            !character.is_alphabetic() || (character.is_uppercase() && lower);
        if boundary {
            words.push(String::new());
        }
        if character.is_alphabetic() {
            words
                .last_mut()
                .expect("there is always a last word")
                .extend(character.to_lowercase());
        }
        lower = character.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A word without the endings of English grammar, roughly.
fn stem(word: &str) -> String {
    let ends: &[&str] = &["ing", "ers", "er", "ed", "es", "s", "e"];
    let stem = ends
        .iter()
        .filter_map(|end| word.strip_suffix(end))
        .find(|stem| stem.len() >= 3);
    stem.unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_of_the_codes_own_words_repeats_it() {
        for (comment, code) in [
            ("Create a listener.", "let listener = Listener::bind(a)?;"),
            ("The listener", "let listener = Listener::bind(a)?;"),
            ("Increment the number", "number += increment;"),
            ("Accept a client", "let client = listener.accept()?;"),
            ("Loop over the clients", "for client in clients {"),
            ("Return the result.", "return result;"),
            ("Push the socket", "sockets.push(socket);"),
        ] {
            assert!(repeats(comment, code), "{comment} / {code}");
        }
    }

    #[test]
    fn a_comment_that_says_why_does_not() {
        for (comment, code) in [
            (
                "Until `listen`, the kernel refuses every SYN for this port",
                "socket.listen(BACKLOG)?;",
            ),
            (
                "ENOTCONN: the client was faster.",
                "stream.shutdown(side).ok();",
            ),
            (
                "Nobody listens any more: no loss.",
                "sender.send(result).ok();",
            ),
            ("For the summary.", "self.accepted += 1;"),
            ("…", "let x = 1;"),
        ] {
            assert!(!repeats(comment, code), "{comment} / {code}");
        }
    }

    #[test]
    fn words_are_split_at_humps_and_underscores() {
        let words = ["socket", "addr", "max", "clients"];
        assert_eq!(split("SocketAddr max_clients"), words);
    }
}
