//! Tests the checks: each fault that a check is there for is put into a copy of
//! the book once, and the check must find it.

use std::fs;
use std::path::Path;
use std::time::Instant;

use annotate::project;
use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::build;
use crate::check::{self, Book, command, text};

/// A fault: its name, the check that must find it, the file of the copy that
/// has it, how that file is changed, and what the check must say of it. A check
/// of the browser is followed by the pages that it looks at.
type Fault = (&'static str, &'static str, &'static str, Change, &'static str);

/// How a file of the copy is changed.
enum Change {
    /// This text is added at its end.
    Append(&'static str),
    /// The first text becomes the second, once.
    Replace(&'static str, &'static str),
    /// The first text becomes the second, everywhere.
    ReplaceAll(&'static str, &'static str),
    /// The text that begins and ends in this way is cut out.
    Cut(&'static str, &'static str),
    /// The file has this text only.
    Write(&'static str),
    /// The file is not there.
    Remove,
}

use Change::{Append, Cut, Remove, Replace, ReplaceAll, Write};

/// What the copy has beside the sources.
const DOCS: &[&str] = &[
    "docs/src",
    "docs/po",
    "docs/theme",
    "docs/pictures",
    "docs/evaluation",
    "docs/transcripts",
    "docs/book.toml",
];

/// A page that every book has.
const PAGE: &str = "docs/src/annotated/threads-main.md";
const HTML: &str = "target/book/annotated/threads-main.html";
const PO: &str = "docs/po/es.po";
const CSS: &str = "target/book/theme/annotated.css";
const READER: &str = "target/book/theme/reader.js";
const EVALUATION: &str = "docs/evaluation/claims.json";

/// Faults in the sources come last: a build that has failed leaves no pages in
/// which the others could be put. That each mistake in a directive is named is
/// the promise of the unit tests; here one shows that it ends the build.
#[rustfmt::skip]
const FAULTS: &[Fault] = &[
    ("a build that depends on its time", "repeat", CSS,
        Append("/* 12:00 */\n"), "annotated.css differs"),
    ("a missing line", "sources", HTML,
        Cut("<span class=\"line\"", "</span>"), "is missing"),
    ("a line that is there twice", "links", HTML,
        Replace("id=\"step-1\"", "id=\"L2\""), "two elements are #L2"),
    ("a changed line", "sources", HTML,
        Replace(">mod workers;<", ">mod others;<"), "has changed"),
    ("a comment that the page leaves out", "sources", HTML,
        Cut("<p>What the threads", "</p>"), "the page says"),
    ("a link to no page", "links", HTML,
        Replace("</main>", "<a href=\"nowhere.html\">There</a></main>"),
        "leads nowhere"),
    ("a link to no place of a page", "links", HTML,
        Replace("</main>", "<a href=\"process-main.html#step-99\">There</a></main>"),
        "leads to no place"),
    ("a place that the translation calls otherwise", "links", HTML,
        Replace("id=\"step-1\"", "id=\"step-one\""), "is in one language only"),
    ("a page wider than the screen", "fit threads-main", CSS,
        Append("main h1 { width: 2000px }\n"), "too wide"),
    ("code without colours", "fit threads-main", "target/book/highlight.js",
        Write("window.hljs = { configure() {}, highlightBlock() {} };"),
        "not highlighted"),
    ("a word of a command on two lines", "fit ^threads-steps", CSS,
        Append(".whole { white-space: normal }\n"), "on two lines"),
    ("a script that fails", "fit threads-main", READER,
        Append("noSuchThing();\n"), "noSuchThing is not defined"),
    ("a picture from elsewhere", "fit threads-main", HTML,
        Replace("</main>", "<img src=\"https://example.org/a.svg\"></main>"),
        "fetches https://example.org/"),
    ("letters too pale to read", "accessible ^annotated/threads-main", CSS,
        Append("main p { color: #999 }\n"), "color-contrast"),
    ("a language link that loses the place", "language", READER,
        Write(""), "the language link leads to"),
    ("a page without a language link", "links", "target/book/annotated/mux-main.html",
        Replace("id=\"language\"", "id=\"other\""),
        "mux-main.html: has no link to the other language"),
    ("a search that finds nothing", "search", "target/book/es/searchindex.js",
        ReplaceAll("\"ú\":", "\"u\":"), "the search does not find núcleo"),
    ("a print view without a paragraph", "print ^annotated/threads-main", "target/book/print.html",
        Cut("<p>Begin here", "</p>"),
        "print view: of annotated/threads-main.html there is no"),
    ("a print view with something folded", "print ^annotated/console-log", READER,
        Replace("open = true", "open = false"),
        "print view: of annotated/console-log.html there is no"),
    ("what is folded stays folded on paper", "withoutAnswers", READER,
        Replace("open = true", "open = false"),
        "what is folded is not printed"),
    ("paper as dark as the screen", "paper", READER,
        Replace("'light'", "'navy'"), "a dark page is printed dark"),
    ("a button that the keyboard does not reach", "keyboard", HTML,
        Replace("<button id=\"mdbook-sidebar-toggle\"", "<button id=\"mdbook-sidebar-toggle\" tabindex=\"-1\""),
        "Tab does not reach mdbook-sidebar-toggle"),
    ("a focus that one does not see", "keyboard", CSS,
        Append(":focus-visible { outline: 0 !important }\n"),
        "one does not see the focus"),
    ("a sentence without its translation", "translation", PAGE,
        Append("\nA sentence more.\n"), "not defined in"),
    ("a translation of what is no longer there", "translation", PO,
        Append("\nmsgid \"Gone.\"\nmsgstr \"Ido.\"\n"),
        "not used: msgid \"Gone.\""),
    ("an unknown directive", "build", PAGE,
        Append("\n{{#anotated x.rs}}\n"), "unknown directive"),
    ("no results of the lab", "build", EVALUATION,
        Remove, "lab -- evaluate"),
    ("a claim without a verdict", "build", EVALUATION,
        Write(CLAIM), "has no verdict"),
    ("a source file without a page", "build", "common/src/new.rs",
        Write("//! New.\n"), "common/src/new.rs has no annotated page"),
    ("a source file with two pages", "build", PAGE,
        Append("\n{{#annotated mux-server/src/main.rs}}\n"),
        "has two annotated pages"),
];

const CLAIM: &str = r#"{ "complete": true, "es": [], "en": [{
    "id": "T1", "approach": "threads", "claim": "a", "verdict": "surely",
    "said": "surely", "figure": "1", "spread": "0"
}] }
"#;

/// Plants each fault that has this in its name, and demands that its check
/// finds it.
///
/// # Errors
///
/// When a fault is not found, or a check fails without a fault.
pub fn run(root: &Path, part: &str) -> Result<()> {
    let start = Instant::now();
    let copy = TempDir::new()?;
    let book = faulty_book(root, copy.path())?;
    println!("a copy of the book ({:.1} s)", start.elapsed().as_secs_f64());
    // The copy was built a moment ago, and `check repeat` builds twice.
    let mut in_order = vec!["build", "repeat"];
    let mut count = 0;
    for (name, find, file, change, says) in FAULTS {
        if !name.contains(part) {
            continue;
        }
        count += 1;
        let start = Instant::now();
        // Without the fault there is nothing to find.
        if !in_order.contains(find) {
            check::find(&book, find)
                .with_context(|| format!("without {name}"))?;
            in_order.push(find);
        }
        let file = copy.path().join(file);
        let before = plant(&file, change).context(*name)?;
        let Err(error) = check::find(&book, find) else {
            bail!("{name} is not found");
        };
        let said = format!("{error:#}");
        ensure!(
            said.contains(says),
            "{name}: what is found is something else: {said}"
        );
        match before {
            Some(text) => fs::write(file, text)?,
            None => fs::remove_file(file)?,
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("found: {name} ({seconds:.1} s)");
    }
    ensure!(count > 0, "no fault is called {part}");
    println!("{count} faults planted, all found");
    Ok(())
}

/// A copy of the book in which faults can be planted.
fn faulty_book(root: &Path, copy: &Path) -> Result<Book> {
    for name in DOCS.iter().chain(project::FOLDERS) {
        copy_all(root, name, copy)?;
    }
    // The faults concern the checks, not the translation of the day: here the
    // Spanish texts are the English ones, but for the word that is searched
    // for.
    let template = build::messages(copy, &copy.join("messages"))?;
    let po = copy.join(PO);
    command("msgen", &["-o", &text(&po), &text(&template)])?;
    let change = Replace(
        "msgstr \"1. Accept a client\"",
        "msgstr \"1. Accept a client: núcleo\"",
    );
    plant(&po, &change)?;
    let book = Book { root: copy.to_owned(), output: copy.join("target/book") };
    check::find(&book, "build")?;
    Ok(book)
}

/// Changes a file; returns what it was before, if it existed.
fn plant(file: &Path, change: &Change) -> Result<Option<String>> {
    let before = fs::read_to_string(file).ok();
    let text = before.clone().unwrap_or_default();
    let changed = match *change {
        Append(more) => text.clone() + more,
        Replace(from, to) => text.replacen(from, to, 1),
        ReplaceAll(from, to) => text.replace(from, to),
        Cut(begin, end) => {
            let start = text.find(begin).context(begin)?;
            let rest = text[start..].find(end).context(end)? + end.len();
            text[..start].to_owned() + &text[start + rest..]
        }
        Write(all) => all.to_owned(),
        Remove => {
            fs::remove_file(file)?;
            return Ok(before);
        }
    };
    let is_changed = changed != text;
    ensure!(is_changed, "{}: no such text to change", file.display());
    fs::write(file, changed)?;
    Ok(before)
}

/// Copies what has this name, a file or a folder with all that is in it.
fn copy_all(from: &Path, name: &str, to: &Path) -> Result<()> {
    for path in build::files(&from.join(name), &[])? {
        let copy = to.join(path.strip_prefix(from)?);
        fs::create_dir_all(copy.parent().context("no folder")?)?;
        fs::copy(path, copy)?;
    }
    Ok(())
}
