//! Runs the test of the Python programs: `docs/python/test_originals.py`.

// Signals and /proc: Linux is what the programs are tested on.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::process::{Command, Stdio};

mod python;

#[test]
fn the_programs_do_what_the_originals_did() {
    let left_out = "the programs in docs/python are not tested";
    if !python::is_here("3, 9", left_out) {
        return;
    }
    let test = annotate::project::root().join("docs/python/test_originals.py");
    let output = Command::new("python3")
        .arg(test)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
