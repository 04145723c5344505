//! Whether there is a Python for the tests that need one.

use std::io::{self, Write as _};
use std::process::Command;

/// Whether python3 runs and is at least of this version, such as `3, 9`. If
/// not, says why, and what is left out.
pub fn is_here(version: &str, left_out: &str) -> bool {
    let check = format!("import sys; sys.exit(sys.version_info < ({version}))");
    let reason = match Command::new("python3").args(["-c", &check]).status() {
        Ok(status) if status.success() => return true,
        Ok(_) => format!("python3 is older than {version}"),
        Err(error) => format!("python3 does not run: {error}"),
    };
    // On standard error itself: the harness keeps what macros print.
    let _ = writeln!(io::stderr(), "SKIPPED: {reason}; {left_out}");
    false
}
