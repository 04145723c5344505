//! The sources that a class reads: every line argued.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::path::{Path, PathBuf};

use annotate::rules::{
    BANNERS, COLUMNS, EXEMPTIONS, Finding, banners_of, check, exempt,
};
use annotate::source::Source;

/// The folders whose Rust files are read in class.
const FOLDERS: &[&str] = &[
    "threads-server/src",
    "process-server/src",
    "mux-server/src",
    "common/src",
    "common/examples",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file of those folders, by its path from the root.
fn files() -> Vec<(String, Source)> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        let before = files.len();
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.file_name().unwrap().to_str().unwrap();
                let name = format!("{folder}/{name}");
                let text = fs::read_to_string(&path).unwrap();
                files.push((name, Source::read(&text).unwrap()));
            }
        }
        assert!(files.len() > before, "no Rust file in {folder}");
    }
    files
}

#[test]
fn every_line_is_argued() {
    let files = files();
    let findings = files
        .iter()
        .flat_map(|(name, source)| check(name, source, banners_of(name)))
        .collect();
    let line_of = |finding: &Finding| {
        let file = files.iter().find(|(name, _)| *name == finding.file);
        let (_, source) = file.unwrap();
        source.lines[finding.line - 1].text.clone()
    };
    let left: Vec<String> = exempt(findings, EXEMPTIONS, line_of)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(left.is_empty(), "\n{}\n", left.join("\n"));
}

#[test]
fn every_file_of_the_table_of_banners_exists() {
    let files = files();
    for (file, _) in BANNERS {
        assert!(files.iter().any(|(name, _)| name == file), "{file}");
    }
}

#[test]
fn the_blocks_of_every_file_are_the_whole_file() {
    for (name, source) in files() {
        let mut next = 0;
        for block in source.blocks() {
            assert_eq!(block.lines.start, next, "{name}");
            next = block.lines.end;
        }
        assert_eq!(next, source.text.lines().count(), "{name}");
    }
}

/// The three programs stay short enough to be read in one sitting.
#[test]
fn the_three_main_rs_have_at_most_120_code_lines() {
    for server in ["threads-server", "process-server", "mux-server"] {
        let file = format!("{server}/src/main.rs");
        let files = files();
        let (_, source) = files.iter().find(|(name, _)| *name == file).unwrap();
        let lines = annotate::rules::share(source).code;
        assert!((40..=120).contains(&lines), "{file}: {lines} code lines");
    }
    assert_eq!(COLUMNS, 80);
}
