//! The pages that promise something name tests that exist, and every case
//! has a promise; and `unsafe` stands where it is needed, and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{every_case, faults};

/// Where unit tests are; the first four are what the servers are made of.
const PACKAGES: [&str; 5] = [
    "common",
    "threads-server",
    "process-server",
    "mux-server",
    "scripts/suite",
];

/// The top of the repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a page.
fn page(path: &str) -> String {
    fs::read_to_string(top().join(path)).expect(path)
}

/// The text of each file of a package's source, and its path.
fn sources(package: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![top().join(package).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            match fs::read_to_string(&path) {
                Ok(text) => found.push((path, text)),
                Err(_) => directories.push(path),
            }
        }
    }
    found
}

/// All names of tests that a page may refer to: cases, rows of the matrix, and
/// unit tests, which have the attribute `#[test]` above them.
fn tests() -> BTreeSet<String> {
    let mut names: BTreeSet<_> =
        every_case().map(|case| case.name.to_owned()).collect();
    for (_, text) in PACKAGES.into_iter().flat_map(sources) {
        names.extend(text.split("#[test]\n").skip(1).filter_map(|rest| {
            let (name, _) = rest.split_once("fn ")?.1.split_once('(')?;
            Some(name.to_owned())
        }));
    }
    names.extend(faults::rows().map(|row| format!("row:{row}")));
    names
}

/// What stands in backquotes and reads like the name of a test, or of a row of
/// the matrix.
fn named(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_name = |text: &&str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        text.starts_with("row:")
            || text.matches('_').count() >= 2
                && text.chars().all(|c| plain(c) || c == '_')
    };
    quoted.filter(is_name).collect()
}

/// Fails unless a page names tests that exist, and one for each promise.
fn check(path: &str, promises: &[&str]) {
    let all = tests();
    let text = page(path);
    let mut missing = named(&text);
    missing.retain(|name| !all.contains(*name));
    assert!(missing.is_empty(), "no such tests: {missing:?}");
    assert!(promises.len() > 9, "only {promises:?}");
    let bare = promises.iter().find(|text| named(text).is_empty());
    assert_eq!(bare, None, "promised, not held");
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let text = page("SECURITY.md");
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let promises = rows.filter(|line| !line.contains("| Held by"));
    check("SECURITY.md", &promises.collect::<Vec<_>>());
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let text = page("docs/promises.md");
    check("docs/promises.md", &text.split("\n- ").skip(1).collect::<Vec<_>>());
}

#[test]
fn every_case_has_a_promise_and_a_name_of_its_own() {
    let pages = page("docs/promises.md") + &page("SECURITY.md");
    let promised = named(&pages);
    let mut names = BTreeSet::new();
    for case in every_case() {
        assert!(promised.contains(case.name), "no promise: {}", case.name);
        assert!(names.insert(case.name), "twice: {}", case.name);
    }
}

#[test]
fn a_unit_test_is_found_by_its_attribute() {
    let names = tests();
    assert!(names.contains("every_end_has_its_reason"));
    assert!(!names.contains("every_end"));
    assert!(!names.contains("unit_tests"));
}

#[test]
fn unsafe_code_stands_only_where_it_is_needed() {
    // The handlers, the fork, the end of a forked process, and a question
    // that the kernel answers through ioctl(2) alone.
    const PLACES: [&str; 7] = [
        "common/src/closing.rs",
        "common/src/crash.rs",
        "common/src/shutdown.rs",
        "process-server/src/children.rs",
        "process-server/src/main.rs",
        "process-server/src/signals.rs",
        "process-server/src/workers.rs",
    ];
    for (path, text) in PACKAGES[..4].iter().copied().flat_map(sources) {
        // The tests of a file stand at its end, and are no part of a server.
        let served = text.lines().take_while(|line| *line != "#[cfg(test)]");
        let lines: Vec<_> = served.collect();
        for (number, line) in lines.iter().enumerate() {
            if !line.contains("unsafe {") && !line.contains("unsafe fn") {
                continue;
            }
            let known = PLACES.iter().any(|place| path.ends_with(place));
            let before = &lines[number.saturating_sub(8)..number];
            let argued = before.iter().any(|line| {
                let line = line.trim_start();
                line.starts_with("// SAFETY: ") || line == "/// # Safety"
            });
            assert!(known && argued, "{}: {line}", path.display());
        }
    }
}
