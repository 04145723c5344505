//! What the lab has measured: how its result files are read, and the table
//! that is made of them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a result file that this command makes.
///
/// # Errors
///
/// Where there is none, where the lab was stopped early, or where it is not
/// what is expected.
pub fn read<T: DeserializeOwned>(
    root: &Path,
    file: &'static str,
    command: &str,
) -> Result<T> {
    let text = fs::read_to_string(root.join(file))
        .with_context(|| format!("{file} is missing: {command} makes it"))?;
    let results: Value = serde_json::from_str(&text).context(file)?;
    let complete = results["complete"] == true;
    ensure!(complete, "{file} is not complete: {command}");
    serde_json::from_value(results).context(file)
}

/// A table that scrolls by itself: its classes, its name, the heads of its
/// columns, and its rows as HTML.
#[must_use]
pub fn table(class: &str, label: &str, heads: &[&str], rows: &str) -> String {
    let heads: String = heads
        .iter()
        .map(|head| format!("<th scope=\"col\">{head}</th>"))
        .collect();
    format!(
        "<div class=\"{class}\" role=\"region\" tabindex=\"0\" \
         aria-label=\"{label}\">\n<table>\n<thead><tr>{heads}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</div>"
    )
}
