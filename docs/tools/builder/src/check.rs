//! The checks of the book before it is published.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::verdicts::Evaluation;
use crate::words::Language;
use crate::{build, html, translation};

/// All checks, in order: the first one builds the pages that the others look
/// at.
pub const ALL: &[&str] = &[
    "build",
    "browser",
    "repeat",
    "translation",
    "identity",
    "sources",
    "claims",
];

/// A book to check: where it is made from, and where it is built.
pub struct Book {
    /// The root of the repository.
    pub root: PathBuf,
    /// Where the pages are.
    pub output: PathBuf,
}

/// Runs these checks and says what each has found, and how long it took. The
/// browser waits for its pages most of the time, so the others run beside it.
///
/// # Errors
///
/// Where any has found something.
pub fn run(book: &Book, checks: &[&str]) -> Result<()> {
    let failed = Mutex::new(Vec::new());
    let attempt = |name: &str| {
        let start = Instant::now();
        let found = find(book, name);
        let seconds = start.elapsed().as_secs_f64();
        match &found {
            Ok(()) => println!("{name}: ok ({seconds:.1} s)"),
            Err(error) => {
                println!("{name}: FAILED ({seconds:.1} s)\n{error:#}");
                let mut failed = failed.lock().expect("no check panics");
                failed.push(name.to_owned());
            }
        }
        found.is_ok()
    };
    thread::scope(|scope| {
        for check in checks {
            if *check == "browser" {
                scope.spawn(|| attempt(check));
            // Without pages the other checks have nothing to look at.
            } else if !attempt(check) && *check == "build" {
                break;
            }
        }
    });
    let failed = failed.into_inner()?;
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Runs one check. Those of the browser have names of their own, which may be
/// followed by what the pages to look at are called.
///
/// # Errors
///
/// Where it has found something, or there is no such check.
pub fn find(book: &Book, check: &str) -> Result<()> {
    match check {
        "build" => build::both(&book.root, &book.output),
        "browser" => look(book, ""),
        "repeat" => same_again(book),
        "translation" => translation::check(book),
        "identity" => identity(book),
        "sources" => html::every_line_once(book),
        "claims" => Evaluation::readmes(&book.root),
        in_browser => look(book, in_browser),
    }
}

/// Builds the same sources a second time, which must give the same bytes.
fn same_again(book: &Book) -> Result<()> {
    let folder = TempDir::new()?;
    build::both(&book.root, folder.path())?;
    let again = contents(folder.path())?;
    must_equal(&contents(&book.output)?, &again, <[u8]>::to_vec)
}

/// A translation that says the same as the original gives the same pages: then
/// nothing is lost on the way through the translation.
fn identity(book: &Book) -> Result<()> {
    let folder = TempDir::new()?;
    let template = build::messages(&book.root, folder.path())?;
    let po = folder.path().join("en.po");
    command("msgen", &["-o", &text(&po), &text(&template)])?;
    let output = folder.path().join("english");
    build::one(&book.root, Language::English, folder.path(), &output)?;
    let mut original = contents(&book.output)?;
    original.retain(|name, _| !name.starts_with("es/"));
    // A translated paragraph is one line, whatever it was before; in the
    // search's index a line's end is `\\n`.
    must_equal(&original, &contents(&output)?, |bytes| {
        let text = String::from_utf8_lossy(bytes).replace("\\\\n", "");
        text.split_whitespace().collect::<String>().into_bytes()
    })
}

/// Looks at the pages with a browser: at all, or at what these arguments of
/// `docs/tools/browser/check.mjs` name.
fn look(book: &Book, arguments: &str) -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("node")
        .arg(here.join("../browser/check.mjs"))
        .arg(&book.output)
        .args(arguments.split_whitespace())
        .output()
        .context("node")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let cried = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}{cried}");
    print!("{said}");
    Ok(())
}

/// Runs a program that prints nothing if all is well.
///
/// # Errors
///
/// When the program fails, with what it says.
pub fn command(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("{program}: is it installed?"))?;
    let cried = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", cried.trim());
    Ok(())
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

type Files = BTreeMap<String, Vec<u8>>;

/// Fails unless both have the same files, as far as that matters.
fn must_equal(
    left: &Files,
    right: &Files,
    what_matters: fn(&[u8]) -> Vec<u8>,
) -> Result<()> {
    for name in left.keys().chain(right.keys()) {
        let (Some(one), Some(other)) = (left.get(name), right.get(name)) else {
            bail!("{name} is in one build only");
        };
        let same = one == other || what_matters(one) == what_matters(other);
        ensure!(same, "{name} differs");
    }
    Ok(())
}

/// All files of a folder, by their paths in it.
fn contents(folder: &Path) -> Result<Files> {
    let mut found = Files::new();
    for path in build::files(folder, &[])? {
        let name = text(path.strip_prefix(folder)?);
        found.insert(name, fs::read(&path)?);
    }
    Ok(found)
}
