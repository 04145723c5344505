//! Tests the checks: each fault that a check is there for is put into a copy of
//! the book once, and the check must find it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

use annotate::project;
use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::check::{Book, build_it, command, look, same_again, text};
use crate::{build, html, translation};

/// A fault: its name, the check that must find it, how it is put into the copy
/// of the book, and what the check must say of it.
type Fault = (&'static str, Finder, &'static [Plant], &'static str);

/// How a file of the copy is changed.
#[derive(Clone, Copy)]
enum Plant {
    /// This text is added at its end.
    Append(&'static str, &'static str),
    /// The first text becomes the second, once.
    Replace(&'static str, &'static str, &'static str),
    /// The first text becomes the second, everywhere.
    ReplaceAll(&'static str, &'static str, &'static str),
    /// The text that begins and ends in this way is cut out.
    Cut(&'static str, &'static str, &'static str),
    /// The file has this text only.
    Write(&'static str, &'static str),
    /// The file is not there.
    Remove(&'static str),
}

use Plant::{Append, Cut, Remove, Replace, ReplaceAll, Write};

/// A page that every book has.
const PAGE: &str = "docs/src/annotated/threads-main.md";
const HTML: &str = "target/book/annotated/threads-main.html";
const PO: &str = "docs/po/es.po";
const TERMS: &str = "docs/po/terms.md";
const CSS: &str = "target/book/theme/annotated.css";
const READER: &str = "target/book/theme/reader.js";
const EVALUATION: &str = "docs/evaluation/claims.json";

/// A check that finds faults.
#[derive(Clone, Copy, PartialEq)]
enum Finder {
    /// The fault is in the sources: the build itself fails.
    Build,
    /// The fault is in the sources and their translation.
    Translation,
    /// The fault is in the pages.
    Repeat,
    Lines,
    Links,
    /// The fault is in the pages, and one of the browser's checks sees it on
    /// some of them.
    Browser(&'static str, &'static str),
}

use Finder::{Browser, Build, Lines, Links, Repeat, Translation};

/// Faults in the sources come last: a build that has failed leaves no pages in
/// which the others could be put.
#[rustfmt::skip]
const FAULTS: &[Fault] = &[
    ("a build that depends on its time", Repeat,
        &[Append(CSS, "/* 12:00 */\n")],
        "annotated.css differs"),
    ("a missing line", Lines,
        &[Cut(HTML, "<span class=\"line\"", "</span>")],
        "is missing"),
    ("a line that is there twice", Lines,
        &[Replace(HTML, "id=\"step-1\"", "id=\"L2\"")],
        "line 2 is twice there"),
    ("a changed line", Lines,
        &[Replace(HTML, ">mod workers;<", ">mod others;<")],
        "has changed"),
    ("a comment that the page leaves out", Lines,
        &[Cut(HTML, "<p>What the threads", "</p>")],
        "the page says"),
    ("a link to no page", Links,
        &[Replace(HTML, "</main>", "<a href=\"nowhere.html\">There</a></main>")],
        "leads nowhere"),
    ("a link to no place of a page", Links,
        &[Replace(HTML, "</main>", "<a href=\"process-main.html#step-99\">There</a></main>")],
        "leads to no place"),
    ("a picture from elsewhere", Links,
        &[Replace(HTML, "</main>", "<img src=\"https://example.org/a.svg\"></main>")],
        "is not on this machine"),
    ("a place that the translation calls otherwise", Links,
        &[Replace(HTML, "id=\"step-1\"", "id=\"step-one\"")],
        "is in one language only"),
    ("a page wider than the screen", Browser("fit", "threads-main"),
        &[Append(CSS, "main h1 { width: 2000px }\n")],
        "too wide"),
    ("code without colours", Browser("fit", "threads-main"),
        &[Write("target/book/highlight.js",
            "window.hljs = { configure() {}, highlightBlock() {} };")],
        "not highlighted"),
    ("a script that fails", Browser("fit", "threads-main"),
        &[Append(READER, "noSuchThing();\n")],
        "noSuchThing is not defined"),
    ("a page that fetches something", Browser("fit", "threads-main"),
        &[Append(READER, "fetch('https://example.org/').catch(() => {});\n")],
        "fetches https://example.org/"),
    ("letters too pale to read", Browser("accessible", "^annotated/threads-main"),
        &[Append(CSS, "main p { color: #999 }\n")],
        "color-contrast"),
    ("a language link that loses the place", Browser("language", ""),
        &[Write(READER, "")],
        "the language link leads to"),
    ("a page without a language link", Browser("language", ""),
        &[Replace("target/book/annotated/mux-main.html",
            "id=\"language\"", "id=\"other\"")],
        "mux-main.html has no link to the other language"),
    ("a search that finds nothing", Browser("search", ""),
        &[ReplaceAll("target/book/es/searchindex.js", "\"ú\":", "\"u\":")],
        "the search does not find núcleo"),
    ("a print view without a paragraph", Browser("print", "^annotated/threads-main"),
        &[Cut("target/book/print.html", "<p>Begin here", "</p>")],
        "print view: of annotated/threads-main.html there is no"),
    ("a print view with something folded", Browser("print", "^annotated/console-log"),
        &[Replace(READER, "open = true", "open = false")],
        "print view: of annotated/console-log.html there is no"),
    ("what is folded stays folded on paper", Browser("withoutAnswers", ""),
        &[Replace(READER, "open = true", "open = false")],
        "what is folded is not printed"),
    ("paper as dark as the screen", Browser("paper", ""),
        &[Replace(READER, "'light'", "'navy'")],
        "a dark page is printed dark"),
    ("a button that the keyboard does not reach", Browser("keyboard", "threads-main"),
        &[Replace(HTML, "<button id=\"mdbook-sidebar-toggle\"",
            "<button id=\"mdbook-sidebar-toggle\" tabindex=\"-1\"")],
        "Tab does not reach mdbook-sidebar-toggle"),
    ("a focus that one does not see", Browser("keyboard", "threads-main"),
        &[Append(CSS, ":focus-visible { outline: 0 !important }\n")],
        "one does not see the focus"),
    ("a sentence without its translation", Translation,
        &[Append(PAGE, "\nA sentence more.\n")],
        "not defined in"),
    ("a translation of what is no longer there", Translation,
        &[Append(PO, "\nmsgid \"Gone.\"\nmsgstr \"Ido.\"\n")],
        "not used: msgid \"Gone.\""),
    ("an unknown directive", Build,
        &[Append(PAGE, "\n{{#anotated x.rs}}\n")],
        "unknown directive"),
    ("a directive within a paragraph", Build,
        &[Append(PAGE, "\nSee {{#minutes 5}} here.\n")],
        "alone on its line"),
    ("a file that does not exist", Build,
        &[Append(PAGE, "\n{{#annotated no/such.rs}}\n")],
        "no/such.rs"),
    ("a step that does not exist", Build,
        &[Append(PAGE, "\n{{#step threads-server/src/main.rs 9}}\n")],
        "has no step 9"),
    ("a note that does not end", Build,
        &[Append(PAGE, "\n{{#teacher}}\n\nAsk.\n")],
        "{{#end}} is missing"),
    ("a question without an answer", Build,
        &[Append(PAGE, "\n{{#question}}\n\nWhy?\n\n{{#end}}\n")],
        "a question without an answer"),
    ("a terminal session that was not recorded", Build,
        &[Append(PAGE, "\n{{#transcript no-such}}\n")],
        "docs/transcripts/no-such.out"),
    ("no results of the lab", Build,
        &[Remove(EVALUATION), Append(PAGE, "\n{{#verdicts all}}\n")],
        "lab -- evaluate"),
    ("a claim without a verdict", Build,
        &[Write(EVALUATION, CLAIM), Append(PAGE, "\n{{#verdicts all}}\n")],
        "has no verdict"),
    ("a term without its sentence", Build,
        &[Replace(TERMS, "| FIN | FIN |", "| FIN | |")],
        "something is missing: | FIN |"),
    ("a source file without a page", Build,
        &[Write("common/src/new.rs", "//! New.\n")],
        "common/src/new.rs has no annotated page"),
    ("a source file with two pages", Build,
        &[Append(PAGE, "\n{{#annotated mux-server/src/main.rs}}\n")],
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
    let mut faulty = FaultyBook::new(root)?;
    println!("a copy of the book ({:.1} s)", start.elapsed().as_secs_f64());
    // The copy was built a moment ago, and `check repeat` builds twice.
    let mut in_order = vec![Build, Repeat];
    let mut count = 0;
    for (name, find, plants, says) in FAULTS {
        if !name.contains(part) {
            continue;
        }
        count += 1;
        let start = Instant::now();
        // Without the fault there is nothing to find.
        if !in_order.contains(find) {
            faulty.find(*find).with_context(|| format!("without {name}"))?;
            in_order.push(*find);
        }
        for plant in *plants {
            faulty.plant(*plant).context(*name)?;
        }
        let Err(error) = faulty.find(*find) else {
            bail!("{name} is not found");
        };
        let said = format!("{error:#}");
        ensure!(
            said.contains(says),
            "{name}: what is found is something else: {said}"
        );
        faulty.restore()?;
        let seconds = start.elapsed().as_secs_f64();
        println!("found: {name} ({seconds:.1} s)");
    }
    ensure!(count > 0, "no fault is called {part}");
    println!("{count} faults planted, all found");
    Ok(())
}

/// A copy of the book in which faults are planted.
struct FaultyBook {
    book: Book,
    /// What was changed: the files, with what they were before, if they
    /// existed.
    before: Vec<(PathBuf, Option<Vec<u8>>)>,
    browser: Option<OpenBrowser>,
    _folder: TempDir,
}

impl FaultyBook {
    fn new(root: &Path) -> Result<Self> {
        let folder = TempDir::new()?;
        let copy = folder.path();
        let docs = ["src", "po", "theme", "pictures", "evaluation"];
        let docs = docs.iter().chain(&["transcripts", "book.toml"]);
        let docs = docs.map(|name| format!("docs/{name}"));
        let sources = project::FOLDERS.iter().map(|name| (*name).to_owned());
        for name in docs.chain(sources) {
            if root.join(&name).exists() {
                copy_all(&root.join(&name), &copy.join(&name))?;
            }
        }
        let book =
            Book { root: copy.to_owned(), output: copy.join("target/book") };
        // The faults concern the checks, not the translation of the day: here
        // the Spanish texts are the English ones, but for the word that is
        // searched for.
        let messages = copy.join("messages");
        let template = build::messages(copy, &messages)?;
        let po = copy.join(PO);
        command("msgen", &["-o", &text(&po), &text(&template)])?;
        let before = Vec::new();
        let mut faulty = Self { book, before, browser: None, _folder: folder };
        faulty.plant(Replace(
            PO,
            "msgstr \"1. Accept a client\"",
            "msgstr \"1. Accept a client: núcleo\"",
        ))?;
        faulty.before.clear();
        build_it(&faulty.book)?;
        Ok(faulty)
    }

    fn find(&mut self, finder: Finder) -> Result<()> {
        let book = &self.book;
        match finder {
            Build => build_it(book),
            Translation => translation::check(book),
            Repeat => same_again(book),
            Lines => html::every_line_once(book),
            Links => html::links(book),
            Browser(check, pages) => {
                if self.browser.is_none() {
                    self.browser = Some(OpenBrowser::open(&book.output)?);
                }
                let browser = self.browser.as_mut().context("no browser")?;
                browser.look(check, pages)
            }
        }
    }

    fn plant(&mut self, plant: Plant) -> Result<()> {
        let (Append(name, _)
        | Replace(name, ..)
        | ReplaceAll(name, ..)
        | Cut(name, ..)
        | Write(name, _)
        | Remove(name)) = plant;
        let path = self.book.root.join(name);
        let before = fs::read(&path).ok();
        let text = String::from_utf8(before.clone().unwrap_or_default())?;
        self.before.push((path.clone(), before));
        let changed = match plant {
            Append(_, more) => text.clone() + more,
            Replace(_, from, to) => text.replacen(from, to, 1),
            ReplaceAll(_, from, to) => text.replace(from, to),
            Cut(_, begin, end) => {
                let start = text.find(begin).context(begin)?;
                let rest = text[start..].find(end).context(end)? + end.len();
                text[..start].to_owned() + &text[start + rest..]
            }
            Write(_, all) => all.to_owned(),
            Remove(_) => return Ok(fs::remove_file(path)?),
        };
        ensure!(changed != text, "{name} does not contain what is replaced");
        Ok(fs::write(path, changed)?)
    }

    /// Restores all files as they were before the last fault.
    fn restore(&mut self) -> Result<()> {
        while let Some((path, bytes)) = self.before.pop() {
            match bytes {
                Some(bytes) => fs::write(path, bytes)?,
                None => fs::remove_file(path)?,
            }
        }
        Ok(())
    }
}

/// A browser that looks at the pages as often as it is asked to.
struct OpenBrowser {
    program: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl OpenBrowser {
    fn open(folder: &Path) -> Result<Self> {
        let mut program = look(folder)
            .arg("--ask")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node")?;
        let questions = program.stdin.take();
        let answers = program.stdout.take().context("its output")?;
        Ok(Self { program, questions, answers: BufReader::new(answers) })
    }

    fn look(&mut self, check: &str, pages: &str) -> Result<()> {
        let questions = self.questions.as_mut().context("its input")?;
        writeln!(questions, "{check} {pages}")?;
        let mut said = String::new();
        while !said.ends_with("\n.\n") && said != ".\n" {
            let length = self.answers.read_line(&mut said)?;
            ensure!(length > 0, "the browser has ended: {said}");
        }
        ensure!(said == ".\n", "{said}");
        Ok(())
    }
}

impl Drop for OpenBrowser {
    /// At the end of its input the program closes the browser.
    fn drop(&mut self) {
        self.questions = None;
        let _ = self.program.wait();
    }
}

/// Copies a file, or a folder with all that is in it.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        fs::copy(from, to)?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy_all(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}
