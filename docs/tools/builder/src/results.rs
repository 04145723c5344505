//! What the lab has measured: how its result files are read.

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
