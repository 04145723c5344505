//! Runs the test of the Python programs: `docs/python/test_originals.py`.

// Signals and /proc: Linux is what the programs are tested on.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::process::{Command, Stdio};

mod python;

/// Python's own loader says which classes of tests there are.
const CLASSES: &str = "
import unittest, test_originals
for suite in unittest.defaultTestLoader.loadTestsFromModule(test_originals):
    for test in list(suite)[:1]:
        print(type(test).__name__)
";

fn python3(arguments: &[&str]) -> Command {
    let mut python = Command::new("python3");
    python
        .args(arguments)
        .current_dir(annotate::project::root().join("docs/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    python
}

/// Each class of tests has a process of its own, and all run at the same time.
#[test]
fn the_programs_do_what_the_originals_did() {
    let left_out = "the programs in docs/python are not tested";
    if !python::is_here("3, 9", left_out) {
        return;
    }
    let listed = python3(&["-c", CLASSES]).output().unwrap();
    let classes = String::from_utf8(listed.stdout).unwrap();
    let said = String::from_utf8_lossy(&listed.stderr);
    assert_eq!(classes.lines().count(), 4, "{classes}{said}");
    let running: Vec<_> = classes
        .lines()
        .map(|class| format!("test_originals.{class}"))
        .map(|class| python3(&["-m", "unittest", &class]).spawn().unwrap())
        .collect();
    let said: Vec<_> = running
        .into_iter()
        .map(|process| process.wait_with_output().unwrap())
        .filter(|output| !output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
        .collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}
