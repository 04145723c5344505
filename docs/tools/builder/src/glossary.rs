//! The glossary, from the terms that the translation is checked with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::annotated::escape;
use crate::search::plain;
use crate::words::Language;

/// Where the terms are; its first lines say what its cells mean.
const FILE: &str = "docs/po/terms.md";

/// The heading of the table that is the glossary.
const PART: &str = "## The glossary";

/// The glossary as a list of definitions, in the alphabetical order of this
/// language. The ids are the same in both.
///
/// # Errors
///
/// Where there are no terms, or a row lacks something or is there twice.
pub fn list(root: &Path, language: Language) -> Result<String> {
    let text = fs::read_to_string(root.join(FILE)).context(FILE)?;
    definitions(&text, language)
}

fn definitions(text: &str, language: Language) -> Result<String> {
    let mut entries = BTreeMap::new();
    let rows = text
        .lines()
        .skip_while(|line| *line != PART)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with('|'))
        // The head of the table, and the line below it.
        .skip(2);
    for row in rows {
        let (key, entry) = entry(row, language)?;
        let before = entries.insert(key, entry);
        ensure!(before.is_none(), "{FILE}: a term is twice there: {row}");
    }
    ensure!(!entries.is_empty(), "{FILE} has no terms under {PART}");
    let entries: String = entries.into_values().collect();
    Ok(format!("<dl class=\"glossary\">\n{entries}</dl>"))
}

/// What a row is sorted by, and what it becomes.
fn entry(row: &str, language: Language) -> Result<(String, String)> {
    let cells: Vec<&str> =
        row.trim_matches('|').split('|').map(str::trim).collect();
    let [english, spanish, _, explained, explicado] = cells[..] else {
        bail!("{FILE}: not five cells: {row}");
    };
    let (english, spanish) = (first(english), first(spanish));
    let (term, other, sentence) = match language {
        Language::English => (english, spanish, explained),
        Language::Spanish => (spanish, english, explicado),
    };
    ensure!(
        !term.is_empty() && !other.is_empty() && sentence.ends_with('.'),
        "{FILE}: something is missing: {row}"
    );
    let id = english.to_lowercase().replace(' ', "-").replace('\'', "");
    let counterpart = if other == term {
        String::new()
    } else {
        let code = language.other().code();
        format!(" <span lang=\"{code}\">{}</span>", escape(other))
    };
    let html = format!(
        "<dt id=\"{id}\">{}{counterpart}</dt>\n<dd>{}</dd>\n",
        escape(term),
        with_code(sentence)
    );
    // As a dictionary does: `época` before `escucha`.
    Ok((plain(term), html))
}

/// The first of the words of a cell: the entry.
fn first(cell: &str) -> &str {
    cell.split(';').next().unwrap_or_default().trim()
}

/// A sentence in which every second part stood between backticks.
fn with_code(sentence: &str) -> String {
    let parts = sentence.split('`').enumerate();
    parts
        .map(|(index, part)| match index % 2 {
            0 => escape(part),
            _ => format!("<code>{}</code>", escape(part)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_whole_is_refused() {
        let row = "| a | b | | So. | Eso. |\n";
        for (rows, expected) in [
            ("", "has no terms"),
            ("| a | b | | So. |\n", "not five cells"),
            ("| a | b | | | Eso. |\n", "is missing"),
            (&row.repeat(2), "is twice there"),
        ] {
            let text = format!("{PART}\n\n| a | b | c |\n|--|\n{rows}");
            let error = definitions(&text, Language::English).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
