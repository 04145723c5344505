//! The directives, on a small book in `fixture`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use annotate::project;
use scraper::Html;
use tempfile::TempDir;

use crate::annotated;
use crate::directives::Context;
use crate::html::selector;
use crate::verdicts::Evaluation;
use crate::words::Language;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture")
}

fn expand(language: Language, text: &str) -> anyhow::Result<String> {
    let pages = HashMap::from([
        ("a.rs".to_owned(), PathBuf::from("annotated/a.md")),
        ("b.rs".to_owned(), PathBuf::from("annotated/b.md")),
        ("c.py".to_owned(), PathBuf::from("annotated/c.md")),
        ("steps.rs".to_owned(), PathBuf::from("annotated/steps.md")),
        ("steps.py".to_owned(), PathBuf::from("annotated/steps-py.md")),
    ]);
    let context = Context { root: &fixture(), language, pages };
    context.expand(Path::new("chapter.md"), text)
}

fn english(text: &str) -> String {
    expand(Language::English, text).unwrap()
}

/// A chapter says what is to be seen on its page.
#[test]
fn chapters_become_what_is_expected() {
    let read = |name: &str| fs::read_to_string(fixture().join(name)).unwrap();
    for (chapter, language) in [
        ("directives", Language::English),
        ("directives", Language::Spanish),
        ("excerpts", Language::English),
    ] {
        let expected = read(&format!("{chapter}.{}.md", language.code()));
        let found = expand(language, &read(&format!("{chapter}.md"))).unwrap();
        assert_eq!(found, expected, "found:\n{found}");
    }
}

#[test]
fn the_readmes_keep_what_another_machine_has_found_out() {
    let root = TempDir::new().unwrap();
    let result = "docs/evaluation/claims.json";
    fs::create_dir_all(root.path().join(result).parent().unwrap()).unwrap();
    fs::copy(fixture().join(result), root.path().join(result)).unwrap();
    for (name, part) in
        [("README.md", "holds in part"), ("README.es.md", "se cumple en parte")]
    {
        let text = format!("**T1 {part}:** 12 KiB (11 to 13).\n");
        fs::write(root.path().join(name), text).unwrap();
    }
    Evaluation::readmes(root.path()).unwrap();
    fs::write(root.path().join("README.es.md"), "").unwrap();
    let error = Evaluation::readmes(root.path()).unwrap_err().to_string();
    assert!(error.contains("README.es.md does not say: **T1"), "{error}");
    assert!(!error.contains("P1"), "{error}");
}

#[test]
fn mistakes_say_where_they_are() {
    for (text, expected) in [
        ("{{#what}}", "chapter.md:1: unknown directive what"),
        ("\n\na\n{{#minutes 1}}", "chapter.md:4: a directive needs blank"),
        ("See {{#minutes 1}}.", "chapter.md:1: a directive must be alone"),
        ("{{#annotated no.rs}}", "no.rs"),
        ("{{#step a.rs 7}}", "a.rs has no step 7; it has: 1, 1.1, 2"),
        ("{{#step d.rs 1}}", "d.rs has no annotated page"),
        ("{{#side-by-side 1 a.rs}}", "one file has nothing beside it"),
        ("{{#side-by-side a.rs b.rs}}", "which step of the file?"),
        ("{{#side-by-side 2 a.rs 8 b.rs}}", "b.rs has no step 8"),
        ("{{#teacher}}", "{{#end}} is missing"),
        ("{{#end}}", "nothing has begun"),
        ("{{#claim T9}}", "no claim T9"),
        ("{{#verdicts mux}}", "no claim for mux"),
        ("{{#transcript no}}", "transcripts/no.out"),
        ("{{#minutes many}}", "how many minutes?"),
        ("{{#compare exchange 9}}", "no exchange of 9"),
        ("{{#compare nothing 9}}", "no work nothing"),
        ("{{#answer}}", "an answer without a question"),
        ("{{#question}}\n\n{{#end}}", "a question without an answer"),
        ("{{#teacher}}\n\n{{#teacher}}", "a note within another"),
    ] {
        let said = expand(Language::English, text).unwrap_err();
        let said = format!("{said:#}");
        assert!(said.contains(expected), "{text}: {said}");
    }
}

/// The numbers of the lines that one step of a fixture shows, and of the steps
/// that are left out of it.
fn step(file: &str, number: &str) -> String {
    let page = english(&format!("{{{{#step {file} {number}}}}}"));
    let page = Html::parse_fragment(&page);
    let texts = |of: &str| {
        let of = selector(of);
        let texts = page.select(&of).flat_map(|element| element.text());
        texts.collect::<Vec<_>>().join(" ")
    };
    format!("{} / {}", texts(".line > a[aria-hidden]"), texts(".elided > a"))
}

#[test]
fn a_step_ends_where_its_block_ends() {
    for (file, number, lines) in [
        // The statements after the one with the other steps do not belong to
        // the step.
        ("steps.rs", "1", "8 30 / 2 3"),
        ("steps.rs", "2", "10 / "),
        // A literal of several lines may begin its lines anywhere.
        ("steps.rs", "3", "13 14 15 20 21 22 28 29 / 4 5"),
        // Up to the end of the closure.
        ("steps.rs", "4", "17 19 / "),
        // Of several arms its own.
        ("steps.rs", "5", "24 25 26 / "),
        // A step whose number begins with this one belongs to this step.
        ("steps.rs", "6", "33 34 36 37 38 40 41 42 / "),
        ("steps.rs", "6.1", "36 37 38 41 / 6.2"),
        ("steps.rs", "6.2", "40 / "),
        // A function, and no other.
        ("steps.rs", "7", "50 51 52 / "),
        ("steps.py", "1", "8 / "),
        ("steps.py", "3", "10 11 / "),
        ("steps.py", "4", "20 22 / "),
    ] {
        assert_eq!(step(file, number), lines, "{file} {number}");
    }
}

#[test]
fn a_banner_without_code_is_refused() {
    let text = "fn a() {\n    b();\n    // 1. Nothing\n}\n";
    let source = project::read_text("x.rs", text).unwrap().unwrap();
    let error = crate::extent::Extent::of(&source, "1", |_| false);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("there is no code below 1"), "{error}");
}

#[test]
fn a_long_file_is_folded_from_where_it_is_too_long() {
    let mut text = "//! Long.\n".to_owned();
    for number in 1..=60 {
        text += &format!(
            "\n/// The function of this number.\nfn f{number}(a: u8) {{\n\
             {}}}\n",
            "    work();\n".repeat(5)
        );
    }
    let source = project::read_text("long.rs", &text).unwrap().unwrap();
    let page = annotated::page(&source, Language::English).unwrap();
    let (open, folded) = page.split_once("<details class=\"part\">").unwrap();
    assert!(open.contains("fn f1(") && open.contains("fn f10("), "{open}");
    assert!(folded.contains(">fn f60</code></summary>"), "{folded}");
    // Nothing but folded parts from there on.
    let count = folded.matches("<details class=\"part\">").count() + 1;
    assert_eq!(count, folded.matches("</details>").count());
    assert_eq!(count, folded.matches("The function of").count());
    let page = annotated::page(&source, Language::Spanish).unwrap();
    assert!(page.contains("<summary>Líneas "), "{page}");
    // A short one is not.
    assert!(!english("{{#annotated a.rs}}").contains("class=\"part\""));
}
