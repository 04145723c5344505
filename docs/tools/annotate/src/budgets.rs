//! How long the reading of each approach may be.
//!
//! Counted are lines of code: neither blank nor comment, nor of a test.

use std::io;
use std::path::Path;

use crate::project;

/// What is read, the most code lines of it, and its files. Of a folder the
/// `.rs` files count, but none deeper.
type Budget = (&'static str, usize, &'static [&'static str]);

/// Files of an approach that its default form does not need, or that are
/// outside the reading path.
pub const BESIDE: &[&str] = &[
    "common/src/crash.rs",
    "threads-server/src/workers.rs",
    "process-server/src/workers.rs",
    "mux-server/src/workers.rs",
    "mux-server/src/select.rs",
    "mux-server/src/epoll.rs",
];

const ECHO: &str = "common/src/echo.rs";
const CLOSING: &str = "common/src/closing.rs";

#[rustfmt::skip]
const BUDGETS: &[Budget] = &[
    ("the main.rs of threads-server", 80, &["threads-server/src/main.rs"]),
    ("the main.rs of process-server", 80, &["process-server/src/main.rs"]),
    ("the main.rs of mux-server", 80, &["mux-server/src/main.rs"]),
    ("the first lesson of threads", 230,
        &["threads-server/src/main.rs", ECHO, CLOSING]),
    ("the first lesson of processes", 230,
        &["process-server/src/main.rs", ECHO, CLOSING]),
    ("the first lesson of the loop", 330,
        &["mux-server/src/main.rs", "mux-server/src/client.rs", CLOSING]),
    ("the approach of threads", 780, &["threads-server/src", "common/src"]),
    ("the approach of processes", 950, &["process-server/src", "common/src"]),
    ("the approach of the loop", 1300, &["mux-server/src", "common/src"]),
];

/// What one budget allows and what is read.
pub struct Reading {
    /// What is read.
    pub name: &'static str,
    /// The most code lines.
    pub most: usize,
    /// Each file with its code lines, in order.
    pub files: Vec<(String, usize)>,
}

impl Reading {
    /// What is wrong, if the files have too many code lines.
    pub fn excess(&self) -> Option<String> {
        let total: usize = self.files.iter().map(|(_, lines)| lines).sum();
        let most = self.most;
        let files = self.files.iter();
        let files: Vec<_> =
            files.map(|(path, lines)| format!("{path} {lines}")).collect();
        (total > most).then(|| {
            format!(
                "{}: {total} code lines, at most {most} ({})",
                self.name,
                files.join(", ")
            )
        })
    }
}

/// Counts the code lines of each budget.
///
/// # Errors
///
/// Where a file is missing or cannot be read.
pub fn readings(root: &Path) -> io::Result<Vec<Reading>> {
    let count = |&(name, most, paths): &Budget| {
        let mut files = Vec::new();
        for path in paths {
            for path in files_of(root, path)? {
                let source = project::read(root, &path)?
                    .map_err(|error| io::Error::other(error.to_string()))?;
                files.push((path, source.code_count()));
            }
        }
        Ok(Reading { name, most, files })
    };
    BUDGETS.iter().map(count).collect()
}

/// A file, or those directly in a folder that belong to the default form.
fn files_of(root: &Path, path: &str) -> io::Result<Vec<String>> {
    if !root.join(path).is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = project::files_below(root, path)?;
    files.retain(|file| {
        let name = &file[path.len() + 1..];
        !name.contains('/') && !BESIDE.contains(&file.as_str())
    });
    Ok(files)
}
