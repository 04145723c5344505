//! The checks, checked: each fault that they are there for is planted once in a
//! copy of the book, and must be found.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use annotate::project;
use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::check::{Book, browser, build_it, command, same_again, text};
use crate::{build, html, translation};

/// A fault, and what must find it.
struct Fault {
    name: &'static str,
    plant: fn(&mut Garden) -> Result<()>,
    find: Finder,
    /// What the check must say.
    says: &'static str,
}

/// A page that is always there.
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
    /// In the sources: the build itself fails.
    Build,
    /// In the sources: the pages that are built from them are wrong.
    BuildAndLinks,
    /// In the sources and their translation.
    Translation,
    /// In the pages.
    Repeat,
    Lines,
    Links,
    /// In the pages, seen by one of the browser's checks on some of them.
    Browser(&'static str, &'static str),
}

use Finder::{
    Browser, Build, BuildAndLinks, Lines, Links, Repeat, Translation,
};

impl Finder {
    fn run(self, book: &Book) -> Result<()> {
        match self {
            Build => build_it(book),
            BuildAndLinks => build_it(book).and_then(|()| html::links(book)),
            Translation => translation::check(book),
            Repeat => same_again(book),
            Lines => html::every_line_once(book),
            Links => html::links(book),
            Browser(check, pages) => {
                browser(book, &["--only", check, "--pages", pages])
            }
        }
    }

    fn builds(self) -> bool {
        matches!(self, Build | BuildAndLinks)
    }
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "an unknown directive",
        plant: |garden| garden.append(PAGE, "\n{{#anotated x.rs}}\n"),
        find: Build,
        says: "unknown directive",
    },
    Fault {
        name: "a directive within a paragraph",
        plant: |garden| garden.append(PAGE, "\nSee {{#minutes 5}} here.\n"),
        find: Build,
        says: "alone on its line",
    },
    Fault {
        name: "a file that does not exist",
        plant: |garden| garden.append(PAGE, "\n{{#annotated no/such.rs}}\n"),
        find: Build,
        says: "no/such.rs",
    },
    Fault {
        name: "a step that does not exist",
        plant: |garden| {
            garden.append(PAGE, "\n{{#step threads-server/src/main.rs 9}}\n")
        },
        find: Build,
        says: "has no step 9",
    },
    Fault {
        name: "a note that does not end",
        plant: |garden| garden.append(PAGE, "\n{{#teacher}}\n\nAsk.\n"),
        find: Build,
        says: "{{#end}} is missing",
    },
    Fault {
        name: "a question without an answer",
        plant: |garden| {
            garden.append(PAGE, "\n{{#question}}\n\nWhy?\n\n{{#end}}\n")
        },
        find: Build,
        says: "a question without an answer",
    },
    Fault {
        name: "a terminal session that was not recorded",
        plant: |garden| garden.append(PAGE, "\n{{#transcript no-such}}\n"),
        find: Build,
        says: "docs/transcripts/no-such.out",
    },
    Fault {
        name: "no results of the lab",
        plant: |garden| {
            garden.remove(EVALUATION)?;
            garden.append(PAGE, "\n{{#verdicts all}}\n")
        },
        find: Build,
        says: "lab -- evaluate",
    },
    Fault {
        name: "a claim without a verdict",
        plant: |garden| {
            garden.write(EVALUATION, CLAIM)?;
            garden.append(PAGE, "\n{{#verdicts all}}\n")
        },
        find: Build,
        says: "has no verdict",
    },
    Fault {
        name: "a term without its sentence",
        plant: |garden| garden.replace(TERMS, "| FIN | FIN |", "| FIN | |"),
        find: Build,
        says: "something is missing: | FIN |",
    },
    Fault {
        name: "a source file without a page",
        plant: |garden| garden.write("common/src/new.rs", "//! New.\n"),
        find: Build,
        says: "common/src/new.rs has no annotated page",
    },
    Fault {
        name: "a source file with two pages",
        plant: |garden| {
            let again = "\n{{#annotated mux-server/src/main.rs}}\n";
            garden.append(PAGE, again)
        },
        find: Build,
        says: "has two annotated pages",
    },
    Fault {
        name: "a build that depends on its time",
        plant: |garden| garden.append(CSS, "/* 12:00 */\n"),
        find: Repeat,
        says: "annotated.css differs",
    },
    Fault {
        name: "a missing line",
        plant: |garden| garden.cut(HTML, "<span class=\"line\"", "</span>"),
        find: Lines,
        says: "is missing",
    },
    Fault {
        name: "a line that is there twice",
        plant: |garden| garden.replace(HTML, "id=\"step-1\"", "id=\"L2\""),
        find: Lines,
        says: "line 2 is twice there",
    },
    Fault {
        name: "a changed line",
        plant: |garden| garden.replace(HTML, ">mod workers;<", ">mod others;<"),
        find: Lines,
        says: "has changed",
    },
    Fault {
        name: "a comment that the page leaves out",
        plant: |garden| garden.cut(HTML, "<p>What the threads", "</p>"),
        find: Lines,
        says: "the page says",
    },
    Fault {
        name: "a link to no page",
        plant: |garden| garden.append(PAGE, "\n[There](nowhere.md)\n"),
        find: BuildAndLinks,
        says: "leads nowhere",
    },
    Fault {
        name: "a link to no place of a page",
        plant: |garden| {
            garden.append(PAGE, "\n[There](process-main.md#step-99)\n")
        },
        find: BuildAndLinks,
        says: "leads to no place",
    },
    Fault {
        name: "a picture from elsewhere",
        plant: |garden| {
            let picture = "\n![There](https://example.org/a.svg)\n";
            garden.append(PAGE, picture)
        },
        find: BuildAndLinks,
        says: "is not on this machine",
    },
    Fault {
        name: "a place that the translation calls otherwise",
        plant: |garden| {
            garden.replace(HTML, "id=\"step-1\"", "id=\"step-one\"")
        },
        find: Links,
        says: "is in one language only",
    },
    Fault {
        name: "a sentence without its translation",
        plant: |garden| garden.append(PAGE, "\nA sentence more.\n"),
        find: Translation,
        says: "missing: A sentence more.",
    },
    Fault {
        name: "an empty translation",
        plant: |garden| {
            let full = "msgstr \"2. A new socket for the connection\"";
            garden.replace(PO, full, "msgstr \"\"")
        },
        find: Translation,
        says: "not translated: 2. A new socket for the connection",
    },
    Fault {
        name: "a fuzzy translation",
        plant: |garden| {
            let message = "msgid \"1. Accept a client\"";
            garden.replace(PO, message, &format!("#, fuzzy\n{message}"))
        },
        find: Translation,
        says: "fuzzy: 1. Accept a client",
    },
    Fault {
        name: "a translation of what is no longer there",
        plant: |garden| {
            garden.append(PO, "\nmsgid \"Gone.\"\nmsgstr \"Ido.\"\n")
        },
        find: Translation,
        says: "stale: Gone.",
    },
    Fault {
        name: "a file of translations that gettext cannot read",
        plant: |garden| garden.append(PO, "\nmsgid \"Half\n"),
        find: Translation,
        says: "msgfmt",
    },
    Fault {
        name: "a page wider than the screen",
        plant: |garden| garden.append(CSS, "main h1 { width: 2000px }\n"),
        find: Browser("fit", "threads-main"),
        says: "too wide",
    },
    Fault {
        name: "code without colours",
        plant: |garden| {
            let nothing = "window.hljs = { configure() {}, \
                           highlightBlock() {} };";
            garden.write("target/book/highlight.js", nothing)
        },
        find: Browser("fit", "threads-main"),
        says: "not highlighted",
    },
    Fault {
        name: "a script that fails",
        plant: |garden| garden.append(READER, "noSuchThing();\n"),
        find: Browser("fit", "threads-main"),
        says: "noSuchThing is not defined",
    },
    Fault {
        name: "a page that fetches something",
        plant: |garden| {
            let fetch = "fetch('https://example.org/').catch(() => {});\n";
            garden.append(READER, fetch)
        },
        find: Browser("fit", "threads-main"),
        says: "fetches https://example.org/",
    },
    Fault {
        name: "letters too pale to read",
        plant: |garden| garden.append(CSS, "main p { color: #999 }\n"),
        find: Browser("accessible", "threads-main"),
        says: "color-contrast",
    },
    Fault {
        name: "a language link that loses the place",
        plant: |garden| garden.write(READER, ""),
        find: Browser("language", ""),
        says: "the language link leads to",
    },
    Fault {
        name: "a page without a language link",
        plant: |garden| {
            let page = "target/book/annotated/mux-main.html";
            garden.replace(page, "id=\"language\"", "id=\"other\"")
        },
        find: Browser("language", ""),
        says: "mux-main.html has no link to the other language",
    },
    Fault {
        name: "a search that finds nothing",
        plant: |garden| {
            let index = "target/book/es/searchindex.js";
            garden.replace_all(index, "\"ú\":", "\"u\":")
        },
        find: Browser("search", ""),
        says: "the search does not find núcleo",
    },
    Fault {
        name: "a print view without a paragraph",
        plant: |garden| {
            let print = "target/book/print.html";
            garden.cut(print, "<p>Begin here", "</p>")
        },
        find: Browser("print", "threads-main"),
        says: "print view: of annotated/threads-main.html there is no",
    },
    Fault {
        name: "a print view with something folded",
        plant: |garden| garden.replace(READER, "open = true", "open = false"),
        find: Browser("print", "console-log"),
        says: "print view: of",
    },
    Fault {
        name: "paper as dark as the screen",
        plant: |garden| garden.replace(READER, "'light'", "'navy'"),
        find: Browser("print", "threads-main"),
        says: "a dark page is printed dark",
    },
    Fault {
        name: "a button that the keyboard does not reach",
        plant: |garden| {
            let button = "<button id=\"mdbook-sidebar-toggle\"";
            let out = format!("{button} tabindex=\"-1\"");
            garden.replace(HTML, button, &out)
        },
        find: Browser("keyboard", ""),
        says: "Tab does not reach mdbook-sidebar-toggle",
    },
    Fault {
        name: "a focus that one does not see",
        plant: |garden| {
            let rule = ":focus-visible { outline: 0 !important }\n";
            garden.append(CSS, rule)
        },
        find: Browser("keyboard", ""),
        says: "one does not see the focus",
    },
];

const CLAIM: &str = r#"{ "complete": true, "es": [], "en": [{
    "id": "T1", "approach": "threads", "claim": "a", "verdict": "surely",
    "said": "surely", "figure": "1", "spread": "0"
}] }
"#;

/// Plants each fault that has this in its name, and sees it found.
///
/// # Errors
///
/// Where one is not found, or the book is not in order without any.
pub fn run(root: &Path, part: &str) -> Result<()> {
    let mut garden = Garden::new(root)?;
    let mut in_order = Vec::new();
    let mut count = 0;
    for fault in FAULTS.iter().filter(|fault| fault.name.contains(part)) {
        count += 1;
        let start = Instant::now();
        if !fault.find.builds() {
            garden.fresh()?;
        }
        // Without the fault there is nothing to find.
        if !in_order.contains(&fault.find) {
            fault
                .find
                .run(&garden.book)
                .with_context(|| format!("without {}", fault.name))?;
            in_order.push(fault.find);
        }
        (fault.plant)(&mut garden).context(fault.name)?;
        match fault.find.run(&garden.book) {
            Ok(()) => bail!("{} is not found", fault.name),
            Err(error) => {
                let said = format!("{error:#}");
                ensure!(
                    said.contains(fault.says),
                    "{}: what is found is something else: {said}",
                    fault.name
                );
            }
        }
        garden.restore(fault.find)?;
        let seconds = start.elapsed().as_secs_f64();
        println!("found: {} ({seconds:.1} s)", fault.name);
    }
    ensure!(count > 0, "no fault is called {part}");
    println!("{count} faults planted, all found");
    Ok(())
}

/// A copy of the book in which faults are planted.
struct Garden {
    _folder: TempDir,
    book: Book,
    /// What was there before: files, and what they were, if they were.
    before: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// Whether the pages are those of the sources.
    built: bool,
}

impl Garden {
    fn new(root: &Path) -> Result<Self> {
        let folder = TempDir::new()?;
        let copy = folder.path();
        let folders = ["src", "po", "theme", "pictures", "evaluation"]
            .map(|name| format!("docs/{name}"));
        let sources = project::FOLDERS.iter().map(|name| (*name).to_owned());
        let transcripts = "docs/transcripts".to_owned();
        for name in folders.into_iter().chain(sources).chain([transcripts]) {
            if root.join(&name).exists() {
                copy_folder(&root.join(&name), &copy.join(&name))?;
            }
        }
        fs::copy(root.join("docs/book.toml"), copy.join("docs/book.toml"))?;
        let book =
            Book { root: copy.to_owned(), output: copy.join("target/book") };
        // The faults are those of the checks, not of today's translation: here
        // Spanish is English, but for the word that is searched for.
        let messages = copy.join("messages");
        let template = build::messages(copy, &messages)?;
        let po = copy.join(PO);
        command("msgen", &["-o", &text(&po), &text(&template)])?;
        let mut garden =
            Self { _folder: folder, book, before: Vec::new(), built: false };
        let word = "msgstr \"1. Accept a client\"";
        garden.replace(PO, word, "msgstr \"1. Accept a client: núcleo\"")?;
        garden.before.clear();
        Ok(garden)
    }

    /// Builds the book if its sources have changed.
    fn fresh(&mut self) -> Result<()> {
        if !self.built {
            build_it(&self.book)?;
            self.built = true;
        }
        Ok(())
    }

    fn write(&mut self, name: &str, text: &str) -> Result<()> {
        let path = self.book.root.join(name);
        self.before.push((path.clone(), fs::read(&path).ok()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let path = self.book.root.join(name);
        if let Ok(bytes) = fs::read(&path) {
            self.before.push((path.clone(), Some(bytes)));
            fs::remove_file(path)?;
        }
        Ok(())
    }

    fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.book.root.join(name)).context(name.to_owned())
    }

    fn append(&mut self, name: &str, more: &str) -> Result<()> {
        let text = self.read(name)?;
        self.write(name, &(text + more))
    }

    fn replace(&mut self, name: &str, from: &str, to: &str) -> Result<()> {
        let text = self.read(name)?;
        ensure!(text.contains(from), "{name} does not contain {from}");
        self.write(name, &text.replacen(from, to, 1))
    }

    fn replace_all(&mut self, name: &str, from: &str, to: &str) -> Result<()> {
        let text = self.read(name)?;
        ensure!(text.contains(from), "{name} does not contain {from}");
        self.write(name, &text.replace(from, to))
    }

    /// Cuts out what begins and ends in this way.
    fn cut(&mut self, name: &str, begin: &str, end: &str) -> Result<()> {
        let text = self.read(name)?;
        let start = text.find(begin).with_context(|| begin.to_owned())?;
        let stop = text[start..].find(end).with_context(|| end.to_owned())?;
        let rest = &text[start + stop + end.len()..];
        self.write(name, &format!("{}{rest}", &text[..start]))
    }

    /// Makes all as it was before the last fault; the pages, if they were
    /// built with it, are built again when they are needed.
    fn restore(&mut self, finder: Finder) -> Result<()> {
        self.built &= !finder.builds();
        while let Some((path, bytes)) = self.before.pop() {
            match bytes {
                Some(bytes) => fs::write(path, bytes)?,
                None => fs::remove_file(path)?,
            }
        }
        Ok(())
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
