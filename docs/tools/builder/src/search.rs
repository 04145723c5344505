//! The search in Spanish: its breadcrumbs, and words that are typed without
//! their accents.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use mdbook_preprocessor::book::{Book, BookItem};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use serde_json::{Map, Value};

/// Gives each chapter the names of those above it as they are after the
/// translation, which the search shows.
pub struct Breadcrumbs;

impl Preprocessor for Breadcrumbs {
    fn name(&self) -> &'static str {
        "breadcrumbs"
    }

    fn run(&self, _: &PreprocessorContext, mut book: Book) -> Result<Book> {
        name_parents(&mut book.items, &[]);
        Ok(book)
    }
}

fn name_parents(items: &mut [BookItem], above: &[String]) {
    for item in items {
        if let BookItem::Chapter(chapter) = item {
            above.clone_into(&mut chapter.parent_names);
            let mut above = above.to_owned();
            above.push(chapter.name.clone());
            name_parents(&mut chapter.sub_items, &above);
        }
    }
}

/// Lets the search of this book find words without their accents as well.
///
/// # Errors
///
/// Where mdBook's index is not what it was.
pub fn without_accents(output: &Path) -> Result<()> {
    const BEGIN: &str =
        "window.search = Object.assign(window.search, JSON.parse('";
    const END: &str = "'));";
    let path = output.join("searchindex.js");
    let text = fs::read_to_string(&path)
        .with_context(|| path.display().to_string())?;
    let quoted = text
        .trim_end()
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.strip_suffix(END))
        .context("mdBook's index of the search has another form")?;
    // Within single quotes JavaScript reads `\\` and `\'` as the character
    // itself.
    let json = quoted.replace("\\'", "'").replace("\\\\", "\\");
    let mut index: Value = serde_json::from_str(&json)?;
    let fields = index
        .pointer_mut("/index/index")
        .and_then(Value::as_object_mut)
        .context("mdBook's index of the search has no fields")?;
    ensure!(fields.contains_key("body"), "the search has no index of bodies");
    for (name, field) in fields {
        let root = field.pointer_mut("/root").and_then(Value::as_object_mut);
        fold(root.with_context(|| format!("the search has no {name}"))?);
    }
    let json = serde_json::to_string(&index)?;
    let quoted = json.replace('\\', "\\\\").replace('\'', "\\'");
    fs::write(&path, format!("{BEGIN}{quoted}{END}"))?;
    Ok(())
}

/// A text in small letters without their accents.
pub fn plain(text: &str) -> String {
    let plain = |letter| match letter {
        'á' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' | 'ü' => 'u',
        'ñ' => 'n',
        letter => letter,
    };
    text.to_lowercase().chars().map(plain).collect()
}

/// Below a node of the index, which is a tree with a letter for each step,
/// adds to each branch with an accent the same one without.
fn fold(node: &mut Map<String, Value>) {
    for (key, child) in node.iter_mut() {
        if key != "docs"
            && let Some(child) = child.as_object_mut()
        {
            fold(child);
        }
    }
    let accented = node.iter().filter(|(key, _)| plain(key) != **key);
    let accented = accented.map(|(key, child)| (plain(key), child.clone()));
    let accented: Map<String, Value> = accented.collect();
    merge(node, accented);
}

/// Adds to a node, or to its documents, what is not there.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(more)) => {
                merge(there, more);
            }
            // The weight of a word in a document, or the number of documents.
            (Some(_), _) => {}
            (None, value) => {
                into.insert(key, value);
            }
        }
    }
    if let Some(Value::Object(documents)) = into.get("docs") {
        let count = documents.len();
        into.insert("df".into(), count.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_are_found_with_and_without_their_accents() {
        let mut root = json!({ "docs": {}, "df": 0, "m": {
            "docs": {}, "df": 0,
            "á": { "docs": {}, "df": 0,
                "s": { "docs": { "1": { "tf": 1 } }, "df": 1 } },
            "a": { "docs": {}, "df": 0,
                "s": { "docs": { "2": { "tf": 1 } }, "df": 1,
                    "a": { "docs": { "3": { "tf": 2 } }, "df": 1 } } },
        } });
        fold(root.as_object_mut().unwrap());
        let at = |path: &str| root.pointer(path).unwrap().clone();
        let both = json!({ "1": { "tf": 1 }, "2": { "tf": 1 } });
        assert_eq!(at("/m/a/s/docs"), both);
        assert_eq!(at("/m/a/s/df"), json!(2));
        assert_eq!(at("/m/a/s/a/docs"), json!({ "3": { "tf": 2 } }));
        assert_eq!(at("/m/á/s/docs"), json!({ "1": { "tf": 1 } }));
    }
}
