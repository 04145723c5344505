//! The reading budgets: kept to the line, and broken by one more.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::path::{Path, PathBuf};

use annotate::budgets::{self, Reading};

/// Files with so many code lines that every budget is used up, and others,
/// each far too long, that do not count.
const FILES: &[(&str, usize)] = &[
    ("threads-server/src/main.rs", 80),
    ("threads-server/src/clients.rs", 130),
    ("threads-server/src/workers.rs", 999),
    ("process-server/src/main.rs", 80),
    ("process-server/src/children.rs", 300),
    ("process-server/src/workers.rs", 999),
    ("mux-server/src/main.rs", 80),
    ("mux-server/src/client.rs", 190),
    ("mux-server/src/clients.rs", 440),
    ("mux-server/src/poll.rs", 20),
    ("mux-server/src/select.rs", 999),
    ("mux-server/src/epoll.rs", 999),
    ("mux-server/src/workers.rs", 999),
    ("common/src/echo.rs", 90),
    ("common/src/closing.rs", 60),
    ("common/src/listener.rs", 420),
    ("common/src/crash.rs", 999),
    ("common/src/console/log.rs", 999),
];

/// Writes the files, each with a comment, a blank line and a test, which do
/// not count; one of them may be longer than it should be.
fn tree(name: &str, longer: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for (path, lines) in FILES {
        let lines = lines + usize::from(*path == longer);
        let text = "//! A comment.\n\n".to_owned()
            + &"static A: u8 = 1; // One.\n".repeat(lines)
            + "\n#[cfg(test)]\nmod tests {\n    use super::A;\n}\n";
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    root
}

/// What is too long where one file has one line more.
fn excess(name: &str, longer: &str) -> Vec<String> {
    let readings = budgets::readings(&tree(name, longer)).unwrap();
    readings.iter().filter_map(Reading::excess).collect()
}

#[test]
fn a_budget_may_be_used_up() {
    assert_eq!(excess("kept", ""), [""; 0]);
    let readings = budgets::readings(&tree("kept", "")).unwrap();
    let totals: Vec<_> = readings.iter().map(Reading::total).collect();
    assert_eq!(totals, [80, 80, 80, 230, 230, 330, 780, 950, 1300]);
}

#[test]
fn one_line_more_breaks_every_budget_that_it_counts_for() {
    let found = excess("longer-main", "threads-server/src/main.rs");
    assert_eq!(
        found,
        [
            "the main.rs of threads-server: 81 code lines, at most 80 \
             (threads-server/src/main.rs 81)",
            "the first lesson of threads: 231 code lines, at most 230 \
             (threads-server/src/main.rs 81, common/src/echo.rs 90, \
             common/src/closing.rs 60)",
            "the approach of threads: 781 code lines, at most 780 \
             (threads-server/src/clients.rs 130, threads-server/src/main.rs \
             81, common/src/closing.rs 60, common/src/echo.rs 90, \
             common/src/listener.rs 420)",
        ]
    );
    assert_eq!(excess("longer-echo", "common/src/echo.rs").len(), 5);
    assert_eq!(excess("longer-closing", "common/src/closing.rs").len(), 6);
    assert_eq!(excess("longer-poll", "mux-server/src/poll.rs").len(), 1);
    for outside in ["common/src/crash.rs", "mux-server/src/epoll.rs"] {
        assert_eq!(excess("outside", outside), [""; 0]);
    }
}

#[test]
fn a_missing_file_is_an_error() {
    assert!(budgets::readings(Path::new("/dev/null")).is_err());
}
