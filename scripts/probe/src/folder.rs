//! Temporary folders.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

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
