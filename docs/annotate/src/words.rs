//! Words: does a comment say anything that its line does not say itself?

use std::collections::HashSet;

/// The share of a comment's words, in percent, that its code may have too.
/// Beyond it the comment says nothing.
pub const MOST_REPEATED: usize = 80;

/// Whether a comment only repeats its code.
///
/// Compared are words, in their stems: `accepts` and `accepted` are one word,
/// and an identifier is as many as it is made of. Words without content
/// (`the`, `of`, `here`) do not count, and what a symbol says is known: `let`
/// creates, `=` sets, `loop` repeats.
#[must_use]
pub fn repeats(comment: &str, code: &[&str]) -> bool {
    let mut known: HashSet<String> = HashSet::new();
    for token in code {
        known.extend(split(token).map(|word| stem(&word)));
        let meanings = SAYS.iter().filter(|(symbol, _)| symbol == token);
        for (_, words) in meanings {
            known.extend(words.split(' ').map(stem));
        }
    }
    let words: Vec<String> = split(comment).collect();
    let mut said = HashSet::new();
    let mut repeated = HashSet::new();
    for (index, word) in words.iter().enumerate() {
        if EMPTY.contains(&word.as_str()) {
            continue;
        }
        // `shut down` is `shutdown`, too.
        let before = index.checked_sub(1).map(|at| words[at].clone() + word);
        let after = words.get(index + 1).map(|next| word.clone() + next);
        let forms = [Some(word.clone()), before, after];
        if forms
            .iter()
            .flatten()
            .any(|word| known.contains(&stem(word)))
        {
            repeated.insert(word);
        }
        said.insert(word);
    }
    repeated.len() * 100 > said.len() * MOST_REPEATED
}

/// The names in a token that somebody has given: itself, unless every program
/// has it, or those that a string captures in braces.
pub fn names(token: &str) -> impl Iterator<Item = &str> {
    let is_text = token.contains('"');
    let captured = token.split('{').skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        rest.get(..end?)
    });
    let itself = (!is_text).then_some(token);
    let captured = captured.filter(move |_| is_text);
    itself.into_iter().chain(captured).filter(|name| {
        name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && !KEYWORDS.contains(name)
    })
}

/// The words of a text, in small letters; identifiers are taken apart.
fn split(text: &str) -> impl Iterator<Item = String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut previous = ' ';
    for c in text.chars() {
        let ends = !c.is_alphanumeric()
            || (c.is_uppercase() && previous.is_lowercase());
        if ends && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        previous = c;
    }
    words.push(word);
    words.into_iter().filter(|word| !word.is_empty())
}

/// A word without the ending that grammar has given it.
fn stem(word: &str) -> String {
    let long = |rest: &&str| rest.len() > 2;
    let stem = if let Some(rest) = word.strip_suffix("ies").filter(long) {
        return format!("{rest}y");
    } else if let Some(rest) = word.strip_suffix("ing").filter(long) {
        undouble(rest)
    } else if let Some(rest) = word.strip_suffix("ed").filter(long) {
        undouble(rest)
    } else if let Some(rest) = word.strip_suffix("sses") {
        &word[..rest.len() + 2]
    } else if word.ends_with("ss") || word.ends_with("us") {
        word
    } else {
        word.strip_suffix('s').filter(long).unwrap_or(word)
    };
    stem.strip_suffix('e')
        .filter(long)
        .unwrap_or(stem)
        .to_owned()
}

/// `stopp`, of `stopped`, without its second `p`.
fn undouble(word: &str) -> &str {
    let mut end = word.chars().rev();
    match (end.next(), end.next()) {
        (Some(last), Some(before)) if last == before && last != 's' => {
            &word[..word.len() - last.len_utf8()]
        }
        _ => word,
    }
}

/// Words that say nothing by themselves.
const EMPTY: &[&str] = &[
    "a", "also", "an", "and", "are", "as", "at", "be", "been", "by", "do",
    "for", "from", "here", "in", "into", "is", "it", "its", "just", "now",
    "of", "on", "our", "s", "so", "that", "the", "their", "them", "then",
    "there", "these", "they", "this", "those", "to", "us", "using", "we",
    "will", "with", "you",
];

/// Words that every program has: not names.
const KEYWORDS: &[&str] = &[
    "Err", "None", "Ok", "Result", "Self", "Some", "and", "as", "async",
    "await", "break", "class", "const", "continue", "crate", "def", "del",
    "dyn", "elif", "else", "enum", "except", "extern", "false", "finally",
    "fn", "for", "from", "if", "impl", "import", "in", "is", "lambda", "let",
    "loop", "match", "mod", "move", "mut", "not", "or", "pass", "pub", "raise",
    "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "unsafe", "use", "where", "while", "with", "yield",
];

/// What a token says without words.
const SAYS: &[(&str, &str)] = &[
    (
        "let",
        "create make declare define new variable store assign",
    ),
    ("new", "create make"),
    ("=", "set assign store put equal"),
    ("==", "equal same compare check"),
    ("!=", "not differ other compare check"),
    ("!", "not"),
    ("+=", "add increment increase count"),
    ("-=", "subtract decrement decrease"),
    ("+", "add plus sum"),
    ("-", "subtract minus"),
    ("*", "dereference times multiply"),
    ("<", "less smaller compare"),
    (">", "more greater compare"),
    ("&", "borrow reference"),
    ("&&", "both"),
    ("||", "either"),
    ("?", "return error propagate fail"),
    ("if", "check test case condition when whether"),
    ("else", "otherwise"),
    ("match", "check case depend match"),
    ("loop", "repeat iterate over forever endless"),
    ("while", "repeat iterate loop long"),
    ("for", "repeat iterate loop all each every over through go"),
    ("return", "give back"),
    ("break", "leave exit end stop loop"),
    ("continue", "next go"),
    ("drop", "free release close"),
    ("fn", "function method"),
    ("def", "function method define"),
    ("struct", "structure type"),
    ("enum", "enumeration type"),
    ("impl", "implement implementation"),
    ("mod", "module"),
    ("use", "import"),
    ("const", "constant"),
    ("mut", "mutable change"),
    ("None", "nothing none"),
    ("Ok", "success"),
    ("Err", "error"),
    ("Vec", "vector list"),
    ("String", "text"),
    ("str", "string text"),
    ("bool", "boolean flag"),
    ("u16", "number integer"),
    ("u32", "number integer"),
    ("u64", "number integer"),
    ("usize", "number integer"),
    ("i32", "number integer"),
    ("len", "length size"),
    ("push", "add append"),
    ("append", "add"),
    ("insert", "add put"),
    ("remove", "delete take"),
    ("del", "delete remove"),
    ("println", "print"),
    ("join", "wait"),
    ("clone", "copy"),
    ("spawn", "start create run"),
    ("bind", "create"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A comment and the tokens of its code, with blanks between them.
    fn repeats_code(comment: &str, code: &str) -> bool {
        let tokens: Vec<&str> = code.split(' ').collect();
        repeats(comment, &tokens)
    }

    #[test]
    fn a_comment_in_the_words_of_its_code_repeats_it() {
        for (comment, code) in [
            (
                "Create a listener.",
                "let listener = Listener :: bind ( a ) ? ;",
            ),
            ("The listener", "let listener = Listener :: bind ( a ) ? ;"),
            ("Increment the number", "number += increment ;"),
            ("Accept a client", "let client = listener . accept ( ) ? ;"),
            ("Accepts the client.", "fn accept_client ( ) {"),
            ("Accepting clients", "fn accept_client ( ) {"),
            ("Loop over the clients", "for client in clients {"),
            ("Return the result.", "return result ;"),
            ("Push the socket", "sockets . push ( socket ) ;"),
            ("Shut down the socket", "socket . shutdown ( ) ;"),
            ("If it is stopped", "if stop . is_stopped ( ) {"),
            ("The socket address.", "SocketAddress"),
            ("A copy of the stream", "let b = stream . clone ( ) ;"),
            ("Print hello", "println ( \"hello\" ) ;"),
        ] {
            assert!(repeats_code(comment, code), "{comment} / {code}");
        }
    }

    #[test]
    fn a_comment_that_says_more_does_not() {
        for (comment, code) in [
            (
                "Until `listen`, the kernel refuses every SYN for this port",
                "socket . listen ( BACKLOG ) ? ;",
            ),
            (
                "ENOTCONN: the client was faster.",
                "stream . shutdown ( side ) ;",
            ),
            ("Nobody listens any more: no loss.", "sender . send ( x ) ;"),
            ("For the summary.", "self . accepted += 1 ;"),
            ("Clients accepted so far.", "accepted : u64 ,"),
            ("The one loop.", "Loop ,"),
            ("In the order of arrival", "clients . push ( client ) ;"),
            ("\u{2026}", "let x = 1 ;"),
        ] {
            assert!(!repeats_code(comment, code), "{comment} / {code}");
        }
    }

    /// Of six words one may be new, and the comment still says nothing; of
    /// five, the one is news.
    #[test]
    fn the_threshold_is_explicit() {
        let code = "alpha beta gamma delta epsilon";
        assert_eq!(MOST_REPEATED, 80);
        assert!(repeats_code("alpha beta gamma delta epsilon news", code));
        assert!(!repeats_code("alpha beta gamma delta news", code));
    }

    #[test]
    fn words_are_split_at_humps_and_underscores() {
        let words: Vec<_> = split("SocketAddr max_clients, u64").collect();
        assert_eq!(words, ["socket", "addr", "max", "clients", "u64"]);
    }

    #[test]
    fn endings_are_no_words() {
        for (one, other) in [
            ("accepts", "accepting"),
            ("stopped", "stop"),
            ("created", "create"),
            ("copies", "copy"),
            ("addresses", "address"),
        ] {
            assert_eq!(stem(one), stem(other), "{one} {other}");
        }
        assert_ne!(stem("sing"), stem("s"));
        assert_ne!(stem("status"), stem("statu"));
    }

    #[test]
    fn names_are_what_somebody_has_named() {
        let names_of = |token| names(token).collect::<Vec<_>>();
        assert_eq!(names_of("client"), ["client"]);
        assert!(names_of("self").is_empty());
        assert!(names_of("{").is_empty());
        assert!(names_of("12").is_empty());
        assert_eq!(names_of("\"{what}: {why:?} {}\""), ["what", "why"]);
        assert!(names_of("\"client\"").is_empty());
    }
}
