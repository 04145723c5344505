//! Temporary folders, and copies of programs in them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of a program in a folder that every user can read.
#[derive(Debug)]
pub struct Copy {
    pub(crate) program: PathBuf,
    _folder: Folder,
}

impl Copy {
    pub(crate) fn of(program: &Path) -> Self {
        let folder = folder();
        let name = program.file_name().expect("a program's path");
        let copy = folder.path().join(name);
        // By a process of its own: were it open for writing here, another
        // case that just now starts a program would keep it open for a
        // moment, and it could not be run ("text file busy").
        let status = Command::new("cp").arg(program).arg(&copy).status();
        assert!(status.is_ok_and(|status| status.success()), "cp failed");
        Self { program: copy, _folder: folder }
    }
}

/// A temporary folder, removed in the end.
pub use tempfile::TempDir as Folder;

/// A new temporary folder that all users can read.
///
/// # Panics
///
/// When there can be none.
pub fn folder() -> Folder {
    let mut folder = tempfile::Builder::new();
    folder.prefix("echo-suite-").permissions(Permissions::from_mode(0o755));
    folder.tempdir().expect("a temporary folder can be made")
}
