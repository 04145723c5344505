//! Each rule fails where it must, and only there.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::path::Path;

use annotate::rules::{
    BANNERS, Exemption, Finding, Rule, banners_of, check, exempt, share,
};
use annotate::source::Source;

fn fixture(name: &str) -> Source {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = fs::read_to_string(folder.join(name)).unwrap();
    Source::read(&text).unwrap()
}

/// What the check finds in a fixture, as it is printed.
fn found(name: &str, banners: &[&str]) -> Vec<String> {
    let findings = check(name, &fixture(name), banners);
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let banners = ["1. Wait for visitors"];
    assert_eq!(found("green.rs", &banners), [] as [&str; 0]);
}

#[test]
fn whatever_has_no_comment_is_found() {
    assert_eq!(
        found("unexplained.rs", &[]),
        [
            "unexplained.rs:3: `use` or `mod` without a comment: \
             use std::net::TcpStream;",
            "unexplained.rs:5: item without a comment: pub struct Bare {",
            "unexplained.rs:6: field without a comment: field: u32,",
            "unexplained.rs:11: field without a comment: One,",
            "unexplained.rs:16: item without a comment: \
             impl Default for Bare {",
            "unexplained.rs:17: item without a comment: \
             fn default() -> Self {",
            "unexplained.rs:18: statement without a comment: \
             Self { field: 0 }",
            "unexplained.rs:24: statement without a comment: let first = 1;",
            "unexplained.rs:28: statement without a comment: \
             let fourth = third;",
            "unexplained.rs:32: statement without a comment: \
             let fifth = fourth;",
            "unexplained.rs:40: statement without a comment: \
             return Some(1);",
            "unexplained.rs:45: match arm without a comment: 0 => None,",
            "unexplained.rs:50: statement without a comment: drop(third);",
            "unexplained.rs:52: statement without a comment: closure();",
            "unexplained.rs:53: statement without a comment: Some(2)",
            "unexplained.rs:58: item without a comment: \
             const LIMIT: u32 = 3;",
        ]
    );
}

#[test]
fn a_line_wider_than_the_projector_is_found() {
    assert_eq!(
        found("wide.rs", &[]),
        [
            "wide.rs:6: 81 columns, more than 80",
            "wide.rs:7: 82 columns, more than 80",
        ]
    );
}

#[test]
fn a_file_that_talks_too_much_is_found() {
    assert_eq!(
        found("budget.rs", &[]),
        ["budget.rs:1: 9 comment lines for 3 code lines, more than 2 each"]
    );
}

#[test]
fn a_comment_that_is_too_long_is_found() {
    assert_eq!(
        found("long.rs", &["1. Begin"]),
        ["long.rs:13: more than 3 comment lines"]
    );
}

#[test]
fn banners_that_are_not_as_in_the_table_are_found() {
    let all = ["1. Begin", "3. End", "2. Go on"];
    assert_eq!(
        found("banners.rs", &all),
        [
            "banners.rs:14: banner \"2.5 cm is a length, and this a banner \
             all the same.\" is not in the table"
        ]
    );
    assert_eq!(
        found("banners.rs", &["1. Begin", "2. Go on", "3. End"]),
        ["banners.rs:8: banner \"3. End\" where \"2. Go on\" belongs"]
    );
    let more = [
        "1. Begin",
        "3. End",
        "2. Go on",
        "2.5 cm is a length, and this a banner all the same.",
        "4. Go home",
    ];
    assert_eq!(
        found("banners.rs", &more),
        ["banners.rs:16: banner \"4. Go home\" is missing"]
    );
}

#[test]
fn a_comment_that_repeats_its_line_is_found() {
    assert_eq!(
        found("repeats.rs", &["1. Return the result"]),
        [
            "repeats.rs:5: only repeats its line: The socket.",
            "repeats.rs:7: only repeats its line: The port",
            "repeats.rs:12: only repeats its line: Create a listener.",
            "repeats.rs:16: only repeats its line: Loop over the clients",
            "repeats.rs:18: only repeats its line: Drop the client.",
            "repeats.rs:21: only repeats its line: Return the result.",
        ]
    );
}

#[test]
fn a_file_without_a_header_is_found() {
    assert_eq!(
        found("headless.rs", &[]),
        ["headless.rs:1: the file has no `//!` header"]
    );
}

#[test]
fn an_exemption_spares_its_line_and_must_be_needed() {
    let source = fixture("long.rs");
    let findings = || check("long.rs", &source, &["1. Begin"]);
    let line_of =
        |finding: &Finding| source.lines[finding.line - 1].text.clone();
    let needed = Exemption {
        file: "long.rs",
        rule: Rule::Long,
        line: "// and a fourth: too long.",
        reason: "for this test",
    };
    assert_eq!(exempt(findings(), &[needed], line_of), []);
    for unneeded in [
        Exemption {
            line: "// a third,",
            ..needed
        },
        Exemption {
            rule: Rule::Wide,
            ..needed
        },
        Exemption {
            file: "wide.rs",
            ..needed
        },
    ] {
        let left = exempt(findings(), &[unneeded], line_of);
        assert_eq!(left.len(), 2);
        assert_eq!(left[0].rule, Rule::Long);
        assert_eq!(left[1].rule, Rule::Exemption);
        assert!(left[1].message.starts_with("no longer needed"));
    }
}

/// Takes each comment out of a file in which nothing is wrong, one at a time:
/// each one is missed.
#[test]
fn every_single_comment_is_missed_when_it_is_gone() {
    let source = fixture("green.rs");
    let lines: Vec<&str> = source.text.lines().collect();
    let tests = lines.iter().position(|line| line.contains("cfg(test)"));
    let mut tried = 0;
    for block in source.blocks() {
        let begins = block.lines.start;
        if begins >= tests.unwrap() || block.note.is_empty() {
            continue;
        }
        let left =
            |number: &usize| !(begins..block.code.start).contains(number);
        let without: Vec<&str> = (0..lines.len())
            .filter(left)
            .map(|number| lines[number])
            .collect();
        let source = Source::read(&without.join("\n")).unwrap();
        let banners: Vec<&str> = if block.banners.is_empty() {
            vec!["1. Wait for visitors"]
        } else {
            vec![]
        };
        let findings = check("green.rs", &source, &banners);
        assert!(
            findings.iter().any(|finding| finding.line == begins + 1),
            "{begins}: {:?} was not missed: {findings:?}",
            block.note
        );
        tried += 1;
    }
    assert!(tried > 15, "{tried}");
}

#[test]
fn the_blocks_hold_every_line_once_and_in_order() {
    for name in ["green.rs", "unexplained.rs", "banners.rs", "headless.rs"] {
        let source = fixture(name);
        let mut next = 0;
        for block in source.blocks() {
            assert_eq!(block.lines.start, next, "{name}");
            assert_eq!(block.code.end, block.lines.end, "{name}");
            assert!(block.lines.contains(&block.lines.start), "{name}");
            next = block.lines.end;
        }
        assert_eq!(next, source.text.lines().count(), "{name}");
    }
}

#[test]
fn a_block_is_a_banner_a_note_and_its_code() {
    let source = fixture("green.rs");
    let blocks = source.blocks();
    let block = blocks
        .iter()
        .find(|block| !block.banners.is_empty())
        .unwrap();
    assert_eq!(block.banners[0].number, "1");
    assert_eq!(block.banners[0].title, "Wait for visitors");
    assert_eq!(block.note, "They queue meanwhile.");
    let code: Vec<_> = source.lines[block.code.clone()].iter().collect();
    assert_eq!(code.len(), 2);
    assert_eq!(code[0].text.trim(), "for _ in 0..3 {");
    assert_eq!(code[1].text.trim(), "match socket.accept() {");
}

#[test]
fn comments_are_told_from_what_only_looks_like_one() {
    let source = fixture("unexplained.rs");
    let line = &source.lines[25];
    assert!(line.text.contains("// not a comment"));
    assert_eq!(line.comment, None);
    assert!(line.code);
}

#[test]
fn the_share_leaves_the_tests_out() {
    let share = share(&fixture("green.rs"));
    assert_eq!((share.code, share.comments), (37, 19));
}

#[test]
fn the_table_of_banners_names_each_file_once() {
    for (file, banners) in BANNERS {
        assert_eq!(banners_of(file), *banners);
        assert!(!banners.is_empty());
    }
    assert_eq!(banners_of("no/such/file.rs"), [] as [&str; 0]);
}
