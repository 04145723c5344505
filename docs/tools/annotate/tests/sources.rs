//! The sources that a class reads: every line argued.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::path::Path;

use annotate::budgets::{self, Reading};
use annotate::project;

mod python;

/// Every file that is read in class; those in Python only where Python can
/// read them.
fn files() -> Vec<String> {
    let mut files = project::files(&project::root()).unwrap();
    if !python::is_here("3, 0", "docs/python is not checked") {
        files.retain(|path| !path.starts_with("docs/python"));
    }
    files
}

#[test]
fn every_line_is_argued() {
    let root = project::root();
    let findings: Vec<String> = files()
        .iter()
        .flat_map(|path| project::check(&root, path).unwrap())
        .map(|finding| finding.to_string())
        .collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn where_there_are_no_files_the_check_fails() {
    assert!(project::files(Path::new("/dev/null")).is_err());
}

/// Threads and processes take the same steps; `diff` shows where they differ.
#[test]
fn threads_and_processes_have_the_same_steps() {
    let numbers = |server: &str| -> Vec<String> {
        let path = format!("{server}/src/main.rs");
        let source = project::read(&project::root(), &path).unwrap().unwrap();
        source.banners().map(|(_, b)| b.number.clone()).collect()
    };
    assert_eq!(numbers("threads-server"), numbers("process-server"));
    assert_eq!(numbers("threads-server"), ["1", "2", "3", "4", "5"]);
}

/// The lesson stays short enough to be read.
#[test]
fn the_reading_budgets_are_kept() {
    let readings = budgets::readings(&project::root()).unwrap();
    let excess: Vec<_> = readings.iter().filter_map(Reading::excess).collect();
    assert!(excess.is_empty(), "\n{}\n", excess.join("\n"));
}
