//! Whether the banners of a file are in order, and their words in its code.

use crate::rules::Wrong;
use crate::source::{Banner, LineKind, Source};

/// What the code under a banner must name, by a word of its title. What stands
/// behind a colon is a list of smaller steps, each with its own banner; and
/// `handle_client` takes all of them.
const WORDS: &[(&str, &[&str])] = &[
    ("accept", &["accept"]),
    ("close", &["close"]),
    ("create", &["fork", "spawn", "thread"]),
    ("fork", &["fork"]),
    ("print", &["print", "record", "report"]),
    ("receive", &["receive", "recv", "read"]),
    ("recv", &["recv", "read"]),
    ("send", &["send", "write"]),
    ("stop", &["stop", "shutdown"]),
    ("wait", &["wait", "poll", "select"]),
];

/// Compares a file's banners with each other and with the code under them;
/// returns what is wrong, each with its line.
pub fn check(source: &Source) -> Wrong {
    let found: Vec<_> = source.banners().collect();
    let mut wrong = Vec::new();
    let mut last = "";
    let ordered = is_ordered(&source.path);
    if ordered && found.is_empty() {
        wrong.push((1, "no banner names a step".to_owned()));
    }
    for (index, (line, banner)) in found.iter().enumerate() {
        let number = &banner.number;
        let mut before = found[..index].iter();
        if before.any(|(_, other)| other.number == *number) {
            wrong.push((*line, format!("there is a banner {number} already")));
        } else if ordered && !follows(last, number) {
            let message = match last {
                "" => format!("the first banner is {number}, not 1"),
                last => format!("banner {number} cannot follow {last}"),
            };
            wrong.push((*line, message));
        }
        last = number;
        let end = found.get(index + 1).map_or(usize::MAX, |next| next.0);
        for (word, names) in missing(source, banner, *line, end) {
            let names = names.join(", ");
            let message = format!(
                "banner {number} says `{word}`; the code under it must name \
                 one of: {names}"
            );
            wrong.push((*line, message));
        }
    }
    wrong
}

/// Whether the banners of this file stand in their order.
fn is_ordered(path: &str) -> bool {
    path.ends_with("main.rs") || path.ends_with("_server.py")
}

/// Whether this number may come directly after that one: 4.1 or 5 after 4, 4.2
/// or 5 after 4.1, and 1 first of all.
fn follows(last: &str, number: &str) -> bool {
    let mut parts: Vec<&str> = last.split('.').collect();
    if last.is_empty() || format!("{last}.1") == number {
        return last.is_empty() == (number == "1");
    }
    while let Some(part) = parts.pop() {
        let mut next = parts.clone();
        let after = match part.parse::<usize>() {
            Ok(part) => (part + 1).to_string(),
            Err(_) => part.bytes().map(|b| char::from(b + 1)).collect(),
        };
        next.push(&after);
        if next.join(".") == number {
            return true;
        }
    }
    false
}

/// The words of a banner that are not to be seen in the code under it, up to
/// the next banner or the end of its block, and what would show each.
fn missing(
    source: &Source,
    banner: &Banner,
    line: usize,
    end: usize,
) -> Vec<(&'static str, &'static [&'static str])> {
    let block = source.indent(line);
    let below = (line + 1..end).map_while(|number| source.line(number));
    let code: Vec<String> = below
        .take_while(|line| {
            line.kind != LineKind::Test
                && (line.kind != LineKind::Code || line.indent() >= block)
        })
        .flat_map(|line| &line.tokens)
        .filter(|token| !token.contains('"'))
        .map(|token| token.to_lowercase())
        .collect();
    let title = banner.title.split(':').next().unwrap_or_default();
    let title = title.to_lowercase();
    let words: Vec<&str> =
        title.split(|c: char| !c.is_alphanumeric()).collect();
    let shows = |name: &&str| {
        let mut code = code.iter();
        code.any(|token| token.contains(*name) || token == "handle_client")
    };
    WORDS
        .iter()
        .filter(|(word, names)| {
            words.contains(word) && !names.iter().any(shows)
        })
        .map(|(word, names)| (*word, *names))
        .collect()
}
