//! What must hold for the book before anybody reads it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::verdicts::Evaluation;
use crate::words::Language;
use crate::{build, html, translation};

/// One check: what it is called, and what fails when it does not hold.
pub type Check = (&'static str, fn(&Book) -> Result<()>);

/// All of them, in order: the later ones look at what the first one builds.
pub const ALL: &[Check] = &[
    ("build", build_it),
    ("repeat", same_again),
    ("translation", translation::check),
    ("identity", identity),
    ("sources", html::every_line_once),
    ("links", html::links),
    ("claims", |book| Evaluation::readmes(&book.root)),
    ("browser", |book| browser(book, &[])),
];

/// A book to check: where it is made from, and where it is built.
pub struct Book {
    /// The root of the repository.
    pub root: PathBuf,
    /// Where the pages are.
    pub output: PathBuf,
}

/// Runs these checks and says what each has found.
///
/// # Errors
///
/// Where any has found something.
pub fn run(book: &Book, checks: &[Check]) -> Result<()> {
    let mut failed = Vec::new();
    for (name, check) in checks {
        match check(book) {
            Ok(()) => println!("{name}: ok"),
            Err(error) => {
                println!("{name}: FAILED\n{error:#}");
                failed.push(*name);
                // Without pages there is nothing to look at.
                if *name == "build" {
                    break;
                }
            }
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Builds it.
///
/// # Errors
///
/// Where it cannot be built.
pub fn build_it(book: &Book) -> Result<()> {
    build::both(&book.root, &book.output)
}

/// A second build of the same sources gives the same bytes.
///
/// # Errors
///
/// Where it does not.
pub fn same_again(book: &Book) -> Result<()> {
    let folder = TempDir::new()?;
    build::both(&book.root, folder.path())?;
    must_equal(&book.output, folder.path(), |bytes| bytes)
}

/// A translation that says the same as the original gives the same pages: then
/// nothing is lost on the way through the translation.
fn identity(book: &Book) -> Result<()> {
    let folder = TempDir::new()?;
    let template = build::messages(&book.root, folder.path())?;
    let po = folder.path().join("en.po");
    command("msgen", &["-o", &text(&po), &text(&template)])?;
    let english = folder.path().join("english");
    build::one(&book.root, Language::English, folder.path(), &english)?;
    let original = folder.path().join("original");
    let none = book.root.join("docs/po");
    build::one(&book.root, Language::English, &none, &original)?;
    // A translated paragraph is one line, whatever it was before; in the
    // search's index a line's end is `\\n`.
    must_equal(&original, &english, |bytes| {
        let text = String::from_utf8_lossy(&bytes).replace("\\\\n", "");
        text.split_whitespace().collect::<String>().into_bytes()
    })
}

/// What only a browser can see.
///
/// # Errors
///
/// Where it has found something.
pub fn browser(book: &Book, arguments: &[&str]) -> Result<()> {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../browser/check.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(&book.output)
        .args(arguments)
        .output()
        .context("node")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let cried = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}{cried}");
    Ok(())
}

/// Runs a program that prints nothing if all is well.
///
/// # Errors
///
/// Where it fails, with what it says.
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
#[must_use]
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Fails unless both folders have the same files, as far as that matters.
fn must_equal(
    left: &Path,
    right: &Path,
    what_matters: fn(Vec<u8>) -> Vec<u8>,
) -> Result<()> {
    let (left, right) = (contents(left, left)?, contents(right, right)?);
    for (name, bytes) in &left {
        let Some(other) = right.get(name) else {
            bail!("{name} is in one build only");
        };
        let same = bytes == other
            || what_matters(bytes.clone()) == what_matters(other.clone());
        ensure!(same, "{name} differs");
    }
    for name in right.keys() {
        ensure!(left.contains_key(name), "{name} is in one build only");
    }
    Ok(())
}

fn contents(folder: &Path, below: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(below)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(contents(folder, &path)?);
        } else {
            let name = text(path.strip_prefix(folder)?);
            found.insert(name, fs::read(&path)?);
        }
    }
    Ok(found)
}
