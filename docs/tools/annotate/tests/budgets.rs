//! The reading budgets: what is said of one line too many, and what counts.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::path::Path;

use annotate::budgets::{self, BESIDE, Reading};
use annotate::project;

#[test]
fn a_budget_may_be_used_up_and_one_line_more_is_named() {
    let files = vec![("a.rs".to_owned(), 60), ("b.rs".to_owned(), 21)];
    let mut reading = Reading { name: "the lesson", most: 81, files };
    assert_eq!(reading.excess(), None);
    reading.most = 80;
    assert_eq!(
        reading.excess().unwrap(),
        "the lesson: 81 code lines, at most 80 (a.rs 60, b.rs 21)"
    );
}

/// Of a folder the files directly in it count; what is beside the reading path
/// is there, and does not count.
#[test]
fn what_is_beside_the_reading_path_does_not_count() {
    let root = project::root();
    let readings = budgets::readings(&root).unwrap();
    let files: Vec<&str> = readings
        .iter()
        .flat_map(|reading| &reading.files)
        .map(|(path, lines)| if *lines > 0 { path.as_str() } else { "" })
        .collect();
    for path in ["common/src/listener.rs", "mux-server/src/clients.rs"] {
        assert!(files.contains(&path), "{path}");
    }
    assert!(!files.iter().any(|path| path.contains("/console/")), "{files:?}");
    for path in BESIDE {
        assert!(root.join(path).is_file(), "{path}");
        assert!(!files.contains(path), "{path}");
    }
}

#[test]
fn a_missing_file_is_an_error() {
    assert!(budgets::readings(Path::new("/dev/null")).is_err());
}
