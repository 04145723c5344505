//! README.md and README.es.md say the same: the same headings, commands,
//! tables, links, and names of files, steps and options.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::path::Path;

/// What the two must share.
#[derive(Debug, Default, PartialEq, Eq)]
struct Skeleton {
    /// The level of each heading, in order.
    headings: Vec<usize>,
    /// Each fenced block, whole.
    commands: Vec<String>,
    /// The number of columns of each row of each table.
    rows: Vec<Vec<usize>>,
    /// What is set as code in the cells of each row.
    cells: Vec<Vec<String>>,
    /// The targets of links and pictures.
    links: Vec<String>,
    /// The paths that are named.
    paths: Vec<String>,
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// What stands between backquotes.
fn code(text: &str) -> Vec<String> {
    let parts = text.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// The targets of Markdown links.
fn links(text: &str) -> Vec<String> {
    let parts = text.split("](").skip(1);
    let targets = parts.filter_map(|part| part.split(')').next());
    targets.map(str::to_owned).collect()
}

fn skeleton(text: &str) -> Skeleton {
    let mut skeleton = Skeleton::default();
    let mut fenced = false;
    let mut in_table = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            if fenced {
                skeleton.commands.push(String::new());
            }
            continue;
        }
        if fenced {
            let block = skeleton.commands.last_mut().unwrap();
            block.push_str(line);
            block.push('\n');
            continue;
        }
        if line.starts_with('#') {
            let level = line.chars().take_while(|c| *c == '#').count();
            skeleton.headings.push(level);
        }
        if line.starts_with('|') {
            if !in_table {
                skeleton.rows.push(Vec::new());
            }
            let columns = line.replace("\\|", "").matches('|').count() - 1;
            skeleton.rows.last_mut().unwrap().push(columns);
            skeleton.cells.push(code(line));
        }
        in_table = line.starts_with('|');
        let is_path =
            |word: &String| word.contains('/') || word.contains(".rs");
        let paths = code(line).into_iter().filter(is_path);
        skeleton.paths.extend(paths);
    }
    skeleton.links = links(text);
    skeleton
}

/// The two files link to one another, and each shows pictures and pages in its language.
fn in_english(links: Vec<String>) -> Vec<String> {
    let links = links.into_iter();
    links
        .map(|link| match link.as_str() {
            "README.es.md" | "README.md" => "the other language".to_owned(),
            link => link.replace(".es.svg", ".svg").replace(".es.md", ".md"),
        })
        .collect()
}

#[test]
fn both_languages_have_the_same_skeleton() {
    let mut english = skeleton(&read("README.md"));
    let mut spanish = skeleton(&read("README.es.md"));
    english.links = in_english(english.links);
    spanish.links = in_english(spanish.links);
    assert_eq!(english, spanish);
    assert!(english.headings.len() > 5 && english.commands.len() >= 3);
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
        let found = skeleton(&read(name));
        let local = found.links.iter().filter(|link| !link.contains("://"));
        let paths = found.paths.iter().filter(|path| path.contains('/'));
        for path in local.chain(paths) {
            let path = path.split(' ').next().unwrap();
            if path.starts_with("--") || path.contains(':') {
                continue;
            }
            assert!(root().join(path).exists(), "{name}: {path}");
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
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        for cell in cells.iter().skip(2) {
            for reference in cell.split(", ") {
                let Some((file, steps)) = reference
                    .strip_prefix('`')
                    .and_then(|rest| rest.split_once("` "))
                else {
                    continue;
                };
                let file = match file {
                    "main.rs" | "client.rs" => format!("{server}/src/{file}"),
                    "echo.rs" => "common/src/echo.rs".to_owned(),
                    _ => continue,
                };
                for step in steps.split(" to ") {
                    assert!(
                        banners(&file).iter().any(|number| number == step),
                        "{file} has no banner {step}"
                    );
                    cited += 1;
                }
            }
        }
    }
    assert!(cited >= 28, "{cited}");
}
