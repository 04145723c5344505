//! The files of this project that are read in class.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::rules::{self, Finding};
use crate::source::Source;
use crate::{python, rust};

/// The folders whose files are checked, with all that is below them.
pub const FOLDERS: &[&str] = &[
    "threads-server/src",
    "process-server/src",
    "mux-server/src",
    "common/src",
    "common/examples",
    "threads-server/examples",
    "docs/python",
];

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here).to_owned()
}

/// The files to check, by their paths below the root, in order.
///
/// # Errors
///
/// Where a folder cannot be read, or has nothing to check: a check of no
/// files would always succeed.
pub fn files(root: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        let found = files_below(root, folder)
            .map_err(|error| io::Error::other(format!("{folder}: {error}")))?;
        if found.is_empty() {
            let message = format!("{folder}: no file to check");
            return Err(io::Error::other(message));
        }
        files.extend(found);
    }
    files.sort();
    Ok(files)
}

/// The files of one folder to check, in order.
///
/// # Errors
///
/// Where a folder cannot be read.
pub fn files_below(root: &Path, folder: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            files.extend(files_below(root, &path)?);
        } else if Path::new(&path)
            .extension()
            .is_some_and(|e| e == "rs" || e == "py")
            // The test of the Python programs is not a part of the lesson.
            && !path.starts_with("docs/python/test_")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a file of the project.
///
/// # Errors
///
/// Where there is no such file, or no Python to read it.
pub fn read(root: &Path, path: &str) -> io::Result<Result<Source, Finding>> {
    let text = fs::read_to_string(root.join(path))
        .map_err(|error| io::Error::other(format!("{path}: {error}")))?;
    read_text(path, &text)
}

/// Reads the text of a file, in the language that its name tells. If it is not
/// in that language, that is a finding.
///
/// # Errors
///
/// Where there is no Python to read it.
pub fn read_text(
    path: &str,
    text: &str,
) -> io::Result<Result<Source, Finding>> {
    let extension = Path::new(path).extension();
    if extension.is_some_and(|extension| extension == "py") {
        python::read(path, text)
    } else {
        Ok(rust::read(path, text))
    }
}

/// Reads a file of the project and checks it.
///
/// # Errors
///
/// Where there is no such file, or no Python to read it.
pub fn check(root: &Path, path: &str) -> io::Result<Vec<Finding>> {
    Ok(match read(root, path)? {
        Ok(source) => rules::check(&source),
        Err(finding) => vec![finding],
    })
}
