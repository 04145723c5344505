//! Runs the test of the Python programs: `docs/python/test_originals.py`.

// Signals and /proc: Linux is what the programs are tested on.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::process::{Command, Stdio};

mod python;

/// The classes of tests.
const CLASSES: [&str; 4] = ["Threads", "Processes", "Mux", "Gil"];

/// Each class of tests has a process of its own, and all run at the same time.
#[test]
fn the_programs_do_what_the_originals_did() {
    let left_out = "the programs in docs/python are not tested";
    if !python::is_here("3, 9", left_out) {
        return;
    }
    let folder = annotate::project::root().join("docs/python");
    let text = fs::read_to_string(folder.join("test_originals.py")).unwrap();
    let is_class =
        |line: &&str| line.starts_with("class ") && line.ends_with("Case):");
    // What all of them are based on has no tests of its own.
    assert_eq!(text.lines().filter(is_class).count(), 1 + CLASSES.len());
    let running = CLASSES.map(|class| {
        Command::new("python3")
            .args(["-m", "unittest", &format!("test_originals.{class}")])
            .current_dir(&folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let said: Vec<_> = running
        .into_iter()
        .map(|process| process.wait_with_output().unwrap())
        .filter(|output| !output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
        .collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}
