//! README.md and README.es.md say the same: the same headings, commands,
//! tables, links, and names of files, steps and options.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::path::Path;

/// What the two must share, each part with its kind: the level of a heading, a
/// line of a command, a row of a table by its columns and what is set as code
/// in its cells, the target of a link or a picture, a path that is named.
type Skeleton = Vec<(&'static str, String)>;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The skeleton of a text, the parts of one kind together, in order.
fn skeleton(text: &str) -> Skeleton {
    let mut skeleton = Skeleton::new();
    let mut fenced = false;
    let mut in_table = false;
    for line in text.lines() {
        let code = || line.split('`').skip(1).step_by(2);
        if line.starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            skeleton.push(("command", line.to_owned()));
            continue;
        }
        if line.starts_with('#') {
            let level = line.chars().take_while(|c| *c == '#').count();
            skeleton.push(("heading", level.to_string()));
        }
        if line.starts_with('|') {
            let columns = line.replace("\\|", "").matches('|').count() - 1;
            let cells: Vec<&str> = code().collect();
            let row = format!("{in_table}: {columns} columns: {cells:?}");
            skeleton.push(("row", row));
        }
        in_table = line.starts_with('|');
        let is_path = |it: &&str| it.contains('/') || it.contains(".rs");
        let paths = code().filter(is_path);
        skeleton.extend(paths.map(|path| ("path", path.to_owned())));
        let links = line.split("](").skip(1);
        let targets = links.filter_map(|link| link.split(')').next());
        skeleton.extend(targets.map(|target| ("link", target.to_owned())));
    }
    skeleton.sort_by_key(|(kind, _)| *kind);
    skeleton
}

#[test]
fn both_languages_have_the_same_skeleton() {
    // The two files link to one another, and each shows pictures and pages in
    // its language.
    let of = |name| skeleton(&read(name).replace(".es.", "."));
    let english = of("README.md");
    assert_eq!(english, of("README.es.md"));
    let count = |kind| english.iter().filter(|part| part.0 == kind).count();
    assert!(count("heading") > 5 && count("command") >= 6);
}

#[test]
fn a_difference_is_seen() {
    let text = read("README.md");
    let whole = skeleton(&text);
    for (from, to) in [
        ("\n## Test", "\n### Test"),
        ("cargo test", "cargo tests"),
        ("| `-q`, `--quiet` |", "| |"),
        ("| `-q`, `--quiet` |", "|"),
        ("(LICENSE-MIT)", "(LICENCE-MIT)"),
        ("`docs/python`", "`docs/pythons`"),
    ] {
        assert!(text.contains(from), "{from}");
        assert_ne!(skeleton(&text.replacen(from, to, 1)), whole, "{from}");
    }
}

#[test]
fn what_the_readmes_name_is_there() {
    for name in ["README.md", "README.es.md", "CONTRIBUTING.md"] {
        for (kind, what) in skeleton(&read(name)) {
            let path = what.split(' ').next().unwrap();
            let is_here = match kind {
                "link" => !path.contains("://"),
                "path" => path.contains('/') && !path.starts_with("--"),
                _ => false,
            };
            if is_here && !path.contains(':') {
                assert!(root().join(path).exists(), "{name}: {path}");
            }
        }
    }
}

/// The map from the originals' steps to the code cites banners, and the
/// banners are there.
#[test]
fn every_step_that_is_cited_is_a_banner() {
    let banners = |file: &str| -> Vec<String> {
        let source = annotate::rust::read(file, &read(file)).unwrap();
        let banners = source.banners();
        banners.map(|(_, banner)| banner.number.clone()).collect()
    };
    let mut cited = 0;
    let text = read("README.md");
    let mut server = None;
    for line in text.lines() {
        // The section tells whose `main.rs` it is.
        match line {
            "## Threads" => server = Some("threads-server"),
            "## Multi-process" => server = Some("process-server"),
            "## Multiplexing" => server = Some("mux-server"),
            _ if line.starts_with("## ") => server = None,
            _ => {}
        }
        let (Some(server), true) = (server, line.starts_with("| ")) else {
            continue;
        };
        let cells = line.split('|').skip(2);
        for reference in cells.flat_map(|cell| cell.trim().split(", ")) {
            let (file, steps) = reference.split_once("` ").unwrap_or_default();
            let file = match file {
                "`main.rs" | "`client.rs" => {
                    format!("{server}/src/{}", &file[1..])
                }
                "`echo.rs" => "common/src/echo.rs".to_owned(),
                _ => continue,
            };
            let banners = banners(&file);
            for step in steps.split(" to ") {
                let is_there = banners.iter().any(|number| number == step);
                assert!(is_there, "{file} has no banner {step}");
                cited += 1;
            }
        }
    }
    assert!(cited >= 28, "{cited}");
}
