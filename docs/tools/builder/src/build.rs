//! Builds the book: one language at a time, English at the root of the
//! output, Spanish in `es/`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use annotate::project;
use anyhow::{Context as _, Result, ensure};
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use mdbook_i18n_helpers::preprocessors::Gettext;
use mdbook_i18n_helpers::renderers::Xgettext;
use tempfile::TempDir;
use walkdir::WalkDir;

use crate::directives::{Expand, annotated_files};
use crate::search::{self, Breadcrumbs};
use crate::slides;
use crate::words::{Language, TEMPLATE};

/// The folders beside the chapters whose pictures the chapters show.
const PICTURES: [&str; 2] = ["pictures", "evaluation"];

/// Builds both languages at the same time. mdBook empties a folder before it
/// builds into it, so the Spanish pages come to their place afterwards.
///
/// # Errors
///
/// Where anything that the book needs is missing or wrong.
pub fn both(root: &Path, output: &Path) -> Result<()> {
    let po = root.join("docs/po");
    let beside = output.parent().context("a folder for the book")?;
    fs::create_dir_all(beside)?;
    let apart = TempDir::new_in(beside)?;
    let spanish = apart.path().join("es");
    let build = |language: Language, folder: &Path| {
        one(root, language, &po, folder)
            .with_context(|| format!("the book in {}", language.name()))
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| build(Language::Spanish, &spanish));
        build(Language::English, output)?;
        other.join().expect("the builder does not panic")
    })?;
    fs::rename(&spanish, output.join("es"))?;
    Ok(())
}

/// Builds one language with the translations of this folder.
///
/// # Errors
///
/// Where anything that the book needs is missing or wrong.
pub fn one(
    root: &Path,
    language: Language,
    po: &Path,
    output: &Path,
) -> Result<()> {
    let file = po.join(format!("{}.po", language.code()));
    // Without its translation file mdBook would build a language in English,
    // and report no error.
    ensure!(
        language == Language::English || file.exists(),
        "{} is missing",
        file.display()
    );
    let mut book = load(root, language, output)?;
    book.config.set("preprocessor.gettext.po-dir", po)?;
    book.with_preprocessor(Gettext);
    book.with_preprocessor(Breadcrumbs);
    every_file_has_its_page(root, &book)?;
    book.build()?;
    add_pictures(root, language, output)?;
    polish(language, output)?;
    search::without_accents(output)?;
    slides::write(root, language, output)
}

/// Writes the template of the translations.
///
/// # Errors
///
/// Where anything that the book needs is missing or wrong.
pub fn messages(root: &Path, folder: &Path) -> Result<PathBuf> {
    let mut book = load(root, Language::English, folder)?;
    // The messages have no line numbers: one more line in a chapter would
    // change them all.
    book.config.set("output.xgettext.granularity", 0)?;
    book.execute_build_process(&Xgettext)?;
    Ok(folder.join("messages.pot"))
}

fn load(root: &Path, language: Language, output: &Path) -> Result<MDBook> {
    let docs = root.join("docs");
    let mut config = Config::from_disk(docs.join("book.toml"))?;
    config.book.language = Some(language.code().to_owned());
    config.book.title = Some(language.title().to_owned());
    config.book.description = Some(language.description().to_owned());
    output.clone_into(&mut config.build.build_dir);
    let mut book = MDBook::load_with_config(docs, config)?;
    book.with_preprocessor(Expand { root: root.to_owned() });
    Ok(book)
}

/// Fails for a source file that the class reads and that is in no chapter.
fn every_file_has_its_page(root: &Path, book: &MDBook) -> Result<()> {
    let pages: Vec<String> = book
        .book
        .chapters()
        .flat_map(|chapter| annotated_files(&chapter.content))
        .collect();
    for file in project::files(root)? {
        ensure!(pages.contains(&file), "{file} has no annotated page");
    }
    Ok(())
}

/// Puts the pictures where the chapters show them: of `name.svg` and
/// `name.es.svg` the one of this language, under the first name.
fn add_pictures(root: &Path, language: Language, output: &Path) -> Result<()> {
    for folder in PICTURES {
        let target = output.join(folder);
        fs::create_dir_all(&target)?;
        for path in files(&root.join("docs").join(folder), &["svg"])? {
            let name = path.file_name().unwrap_or_default();
            let copy = target.join(name);
            let name = name.display();
            ensure!(!copy.exists(), "there are two pictures {folder}/{name}");
            fs::copy(&path, copy)?;
        }
        for path in files(&target, &["svg"])? {
            let text = path.to_string_lossy();
            let Some(base) = text.strip_suffix(".es.svg") else {
                continue;
            };
            let name = format!("{base}.svg");
            ensure!(
                Path::new(&name).exists(),
                "{text} has no English counterpart"
            );
            match language {
                Language::Spanish => fs::rename(&path, name)?,
                Language::English => fs::remove_file(&path)?,
            }
        }
    }
    Ok(())
}

/// The files of a folder and of all below it that have one of these
/// extensions, or any where none is named, in order.
///
/// # Errors
///
/// Where a folder cannot be read.
pub fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(folder) {
        let path = entry?.into_path();
        let extension = path.extension().and_then(OsStr::to_str);
        let wanted = extensions.is_empty()
            || extension.is_some_and(|it| extensions.contains(&it));
        if wanted && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Adds to mdBook's pages what its template lacks: a link to the other
/// language, and Spanish words.
fn polish(language: Language, output: &Path) -> Result<()> {
    let mut unused: Vec<&str> = Vec::new();
    if language == Language::Spanish {
        unused.extend(TEMPLATE.iter().map(|(english, _)| *english));
    }
    for path in files(output, &["html", "js"])? {
        let relative = path.strip_prefix(output)?;
        let mut text = fs::read_to_string(&path)?;
        if language == Language::Spanish {
            unused.retain(|english| !text.contains(english));
            for (english, spanish) in TEMPLATE {
                text = text.replace(english, spanish);
            }
        }
        // All other files are parts of a page, or only lead to one.
        if text.contains("<div id=\"mdbook-menu-bar\"") {
            text = mended(&text, language, relative)?;
        }
        fs::write(&path, text)?;
    }
    ensure!(unused.is_empty(), "mdBook no longer says: {}", unused.join("; "));
    Ok(())
}

/// A page with a link to itself in the other language, and with what its
/// template lacks for those who do not see it or have no mouse.
fn mended(text: &str, language: Language, page: &Path) -> Result<String> {
    let up = "../".repeat(page.components().count() - 1);
    let page = page.display();
    let other = language.other();
    let url = match other {
        Language::English => format!("../{up}{page}"),
        Language::Spanish => format!("{up}es/{page}"),
    };
    let code = other.code();
    let name = other.name();
    let link = format!(
        "<div class=\"right-buttons\">\n<a id=\"language\" class=\"language\" \
         href=\"{url}\" lang=\"{code}\" hreflang=\"{code}\" \
         rel=\"alternate\">{name}</a>"
    );
    let mends = [
        ("<div class=\"right-buttons\">", link.as_str()),
        // A label cannot be reached with the keyboard.
        (
            "<label id=\"mdbook-sidebar-toggle\" class=\"icon-button\" \
             for=\"mdbook-sidebar-toggle-anchor\"",
            "<button id=\"mdbook-sidebar-toggle\" class=\"icon-button\" \
             type=\"button\"",
        ),
        ("</label>", "</button>"),
        // Landmarks.
        (
            "<div id=\"mdbook-menu-bar\"",
            "<div id=\"mdbook-menu-bar\" role=\"banner\"",
        ),
    ];
    let mut text = text.to_owned();
    for (from, to) in mends {
        ensure!(text.contains(from), "{page}: mdBook no longer has {from}");
        text = text.replacen(from, to, 1);
    }
    // An empty cell is not the head of a column.
    Ok(text.replace("<th></th>", "<td></td>"))
}
