//! Each rule fails where it must, and nowhere else.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use annotate::project;
use annotate::rules::{self, Finding};
use annotate::rust;
use annotate::source::{Block, LineKind, Source};

mod python;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The fixtures of one colour, by their paths below the folder.
fn names(colour: &str) -> Vec<String> {
    let entries = fs::read_dir(folder().join(colour)).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".expected"))
        .map(|name| format!("{colour}/{name}"))
        .collect();
    if !python_can_be_read() {
        names.retain(|name| !name.contains(".py"));
    }
    names.sort();
    names
}

/// Python reads Python; without it, those fixtures must be left out.
fn python_can_be_read() -> bool {
    python::is_here("3, 0", "Python files are not checked")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

fn try_read(name: &str, text: &str) -> Result<Source, Finding> {
    project::read_text(name, text).unwrap()
}

fn read(name: &str) -> Source {
    try_read(name, &text(name)).unwrap()
}

/// What the check finds in a text, as it is printed.
fn findings(name: &str, text: &str) -> Vec<String> {
    let findings = match try_read(name, text) {
        Ok(source) => rules::check(&source),
        Err(finding) => vec![finding],
    };
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn red_fixtures_fail_where_they_must() {
    let names = names("red");
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let expected = Path::new(&name).with_extension("expected");
        let expected: Vec<_> = text(expected.to_str().unwrap())
            .lines()
            .map(|line| format!("{name}:{line}"))
            .collect();
        assert!(!expected.is_empty(), "{name} should fail");
        let found = findings(&name, &text(&name));
        assert_eq!(found, expected, "\nfound:\n{}\n", found.join("\n"));
    }
}

#[test]
fn green_fixtures_do_not_fail() {
    let names = names("green");
    assert!(names.len() > 1, "{names:?}");
    for name in names {
        let found = findings(&name, &text(&name));
        assert!(found.is_empty(), "\n{}\n", found.join("\n"));
    }
}

/// What is found when a file has one comment less, for each of its comments; a
/// banner stays.
fn without_each(source: &Source) -> String {
    let notes = source.comments.iter().map(|comment| {
        let start = comment.lines.start;
        start + usize::from(comment.banner.is_some())..comment.lines.end
    });
    let numbers = (1..).zip(&source.lines);
    let at_ends = numbers.filter_map(|(number, line)| {
        let has_both = line.kind == LineKind::Code && line.comment.is_some();
        has_both.then_some(number..number + 1)
    });
    let mut said = String::new();
    for gone in notes.chain(at_ends) {
        let code = match source.kind(gone.start) {
            LineKind::Code => source.text(gone.clone()),
            _ => String::new(),
        };
        let code = code.split("//").next().unwrap_or_default();
        let changed = source.text(1..gone.start)
            + code
            + &"\n".repeat(gone.len())
            + &source.text(gone.end..source.lines.len() + 1);
        said += &source.text(gone);
        for finding in findings(&source.path, &changed) {
            writeln!(said, "    -> {finding}").unwrap();
        }
    }
    said
}

/// Every comment is missed when it is gone, but for a few: an arm that only
/// gives a constant is the row of a table, a lone `return` needs none, nor does
/// the middle of a statement.
#[test]
fn every_comment_is_missed_when_it_is_gone() {
    for name in names("green").iter().filter(|it| it.contains("server")) {
        let expected = text(&format!("{name}.missed.expected"));
        let found = without_each(&read(name));
        assert_eq!(found, expected, "{name}:\n{found}");
    }
}

/// Every line stands in one block, in order.
fn must_be_whole(source: &Source, text: &str) {
    let path = &source.path;
    let mut next = 1;
    let mut joined = String::new();
    for block in &source.blocks {
        assert_eq!(block.head_lines.start, next, "{path}");
        assert_eq!(block.head_lines.end, block.note_lines.start, "{path}");
        assert_eq!(block.note_lines.end, block.code_lines.start, "{path}");
        joined += &source.text(block.lines());
        next = block.code_lines.end;
    }
    assert_eq!(next, source.lines.len() + 1, "{path}");
    assert_eq!(joined, text, "{path}");
}

#[test]
fn the_blocks_are_the_file() {
    for name in names("red").into_iter().chain(names("green")) {
        let text = text(&name);
        if let Ok(source) = try_read(&name, &text) {
            must_be_whole(&source, &text);
        }
    }
}

/// The blocks of a file, one on each line: the lines of code above its
/// comment, of the comment and of the code below it, and its banner.
fn blocks_of(source: &Source) -> String {
    let describe = |block: &Block| {
        let below = if block.test { "test" } else { "code" };
        let parts = [
            ("above", &block.head_lines),
            ("note", &block.note_lines),
            (below, &block.code_lines),
        ];
        let parts = parts.iter().filter(|(_, lines)| !lines.is_empty());
        let mut words: Vec<String> = parts
            .map(|(name, it)| format!("{name} {}-{}", it.start, it.end - 1))
            .collect();
        words.extend(block.banner().map(|it| format!("{it:?}")));
        words.join(", ") + "\n"
    };
    source.blocks.iter().map(describe).collect()
}

#[test]
fn a_block_is_a_note_and_its_code() {
    for name in names("green") {
        let expected = text(&format!("{name}.expected"));
        let found = blocks_of(&read(&name));
        assert_eq!(found, expected, "{name}:\n{found}");
    }
}

#[test]
fn comments_come_from_the_gaps_between_tokens() {
    let text = "//! 1\n/* 2\n * 3 */\nfn f() {\n    g(\"// no\", '/'); // 5\n    \
                let x = a / b; /* 6 /* nested */ // still */\n}\n";
    let source = rust::read("f.rs", text).unwrap();
    let comments = source
        .lines
        .iter()
        .map(|line| line.comment.as_deref().unwrap_or("no comment"));
    assert_eq!(
        comments.collect::<Vec<_>>().join("|"),
        "1|2|3|no comment|5|6 /* nested */ // still|no comment"
    );
    must_be_whole(&source, text);
}

#[test]
fn files_may_end_anywhere_and_lines_in_any_way() {
    for text in [
        "",
        "//! a",
        "//! a\r\nfn f() {}\r\n",
        "\n\n",
        "const A: &str = \"a\n\n// b\n\";",
    ] {
        let source = rust::read("f.rs", text).unwrap();
        must_be_whole(&source, text);
    }
}
