//! The evaluation and the timeline as their user runs them, and the two runs
//! that are committed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::claims::{Experiment, Verdict};
use lab::evaluate::{Effort, Evaluation};
use lab::program;
use lab::timeline::trace::Trace;
use lab::timeline::{Model, Strip, check_nesting};
use nix::sys::signal::{Signal, kill};
use probe::proc::{pid_of, tree};
use probe::wait::within;

const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// A directory of its own for each test, empty.
fn directory(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn read(file: &Path) -> Evaluation {
    let text = fs::read_to_string(file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap()
}

/// Runs the lab, whose words come before an output file or directory; returns
/// what it has printed.
fn lab<Word: AsRef<OsStr>>(words: &[Word], out: &Path) -> String {
    let output =
        Command::new(LAB).args(words).arg("--out").arg(out).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{complaints}");
    text
}

/// The files of a directory.
fn files(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path())
}

/// The number of files of a directory, each of which is in the other one too.
fn assert_same(directory: &Path, other: &Path) -> usize {
    let same = |written: PathBuf| {
        let before = other.join(written.file_name().unwrap());
        assert!(
            fs::read(&written).unwrap() == fs::read(&before).unwrap(),
            "{} is not what is written today",
            before.display()
        );
        if before.extension().is_some_and(|it| it == "svg") {
            check_picture(&before);
        }
    };
    files(directory).map(same).count()
}

/// Writes the pages and the pictures of a file of results again.
fn draw(command: &str, file: &Path, out: &Path) {
    lab(&[command.as_ref(), "--draw".as_ref(), file.as_os_str()], out);
}

fn attribute(node: roxmltree::Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap_or("0").parse().unwrap()
}

/// A picture that is well-formed, and on whose canvas something is drawn:
/// texts and shapes, none of which lies outside of it.
fn check_picture(file: &Path) {
    let svg = fs::read_to_string(file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let document = roxmltree::Document::parse(&svg)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let root = document.root_element();
    assert!(root.has_tag_name(("http://www.w3.org/2000/svg", "svg")));
    assert!(!svg.contains("NaN"), "{}", file.display());
    let (width, height) = (attribute(root, "width"), attribute(root, "height"));
    let mut shapes = 0;
    let mut texts = 0;
    for node in root.descendants().filter(|node| {
        !node.ancestors().any(|it| it.tag_name().name() == "defs")
    }) {
        match node.tag_name().name() {
            "rect" => {
                let right = attribute(node, "x") + attribute(node, "width");
                let bottom = attribute(node, "y") + attribute(node, "height");
                assert!(attribute(node, "x") >= 0.0 && right <= width);
                assert!(attribute(node, "y") >= 0.0 && bottom <= height);
                shapes += usize::from(attribute(node, "width") > 0.0);
            }
            "path" | "polyline" | "line" | "circle" | "polygon" => shapes += 1,
            "text" => {
                let (x, y) = (attribute(node, "x"), attribute(node, "y"));
                let words = node.text().unwrap_or_default().trim();
                assert!(!words.is_empty() && x < width && y < height);
                // Where a word is missing its name would stand.
                assert!(!words.starts_with("timeline."), "{words}");
                assert!(!words.starts_with("approach."), "{words}");
                texts += 1;
            }
            _ => {}
        }
    }
    assert!(shapes > 2 && texts > 4, "{} is empty", file.display());
}

#[test]
fn a_quick_evaluation_is_complete() {
    let out = directory("evaluate-quick");
    let table = lab(&["evaluate", "--quick"], &out);
    let evaluation = read(&out.join("evaluation.json"));
    assert!(evaluation.header.complete && evaluation.header.seconds > 1.0);
    assert!(evaluation.missing.is_empty(), "{:?}", evaluation.missing);
    for program in ["rustc", "lab"] {
        assert!(evaluation.versions.contains_key(program), "{program}");
    }
    assert_eq!(evaluation.verdicts.len(), 18);
    for (name, values) in &evaluation.samples.0 {
        assert!(!values.is_empty(), "{name}");
        assert!(values.iter().all(|it| it.is_finite()), "{name}");
    }
    // With one processor there is no speed-up to be measured.
    let several = evaluation.header.machine.processors > 1;
    for (id, verdict) in &evaluation.verdicts {
        assert!(*verdict != Verdict::NotMeasured || !several, "{id}");
        assert!(table.lines().any(|line| line.starts_with(id)), "{id}");
    }
    // What needs no quiet machine has to be found anywhere.
    for (id, verdict) in [
        ("P2", Verdict::Holds),
        ("T6", Verdict::Holds),
        ("T1", Verdict::Holds),
        // Linux has select, poll and epoll, and no kqueue.
        ("M6", Verdict::HoldsInPart),
    ] {
        assert_eq!(evaluation.verdicts[id], verdict, "{id}");
    }
    let refused = evaluation.samples.get("races/refused_by_compiler");
    assert_eq!(refused, Some(&[1.0][..]));
    for name in ["select", "poll", "epoll"] {
        let here = evaluation.samples.get(&format!("mechanisms/{name}/here"));
        assert_eq!(here, Some(&[1.0][..]), "{name}");
    }

    // All of it can be drawn again from the file that was written.
    let again = directory("evaluate-again");
    draw("evaluate", &out.join("evaluation.json"), &again);
    assert!(assert_same(&again, &out) > 4);
}

#[test]
fn an_interrupted_evaluation_leaves_what_is_finished() {
    let out = directory("evaluate-interrupted");
    // M4 is soon over; T3 takes seconds.
    let mut lab = Command::new(LAB)
        .args(["evaluate", "M4", "T3", "--out"])
        .arg(&out)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let pid = pid_of(&lab);
    // It is measuring once it has started a server.
    let serves = within(Duration::from_secs(300), || {
        tree(pid).into_iter().find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.starts_with("threads-server"))
        })
    });
    assert!(serves.is_some(), "it never begins");
    kill(pid, Signal::SIGINT).unwrap();
    let status = lab.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let evaluation = read(&out.join("evaluation.json"));
    assert!(!evaluation.header.complete);
    let ids: Vec<&String> = evaluation.verdicts.keys().collect();
    assert_eq!(ids, ["M4"]);
}

#[test]
fn the_timeline_shows_four_servers() {
    let out = directory("timeline");
    let picture = out.join("timeline.svg");
    lab(&["timeline"], &picture);
    check_picture(&picture);
    let traces = program::output_directory().unwrap().join("timeline");
    let mut words = vec!["timeline".into()];
    for (name, model) in [
        ("one-after-the-other", Model::OneAfterTheOther),
        ("threads", Model::Threads),
        ("processes", Model::Processes),
        ("loop", Model::Loop),
    ] {
        let file = traces.join(format!("{name}.json"));
        let trace = fs::read_to_string(&file).unwrap();
        let trace = Trace::parse(&trace).unwrap();
        check_nesting(&trace).unwrap();
        let strip = Strip::new(&trace).unwrap();
        assert_eq!(strip.model, model);
        assert_eq!(strip.clients.len(), 4);
        let lanes = match model {
            Model::Threads | Model::Processes => 4,
            Model::OneAfterTheOther | Model::Loop => 1,
        };
        assert_eq!(strip.lanes.len(), lanes, "{name}");
        for client in &strip.clients {
            assert!(client.answered_after.unwrap() >= 10.0, "{name}");
        }
        // The slow one sends after 70 ms and is then computed for.
        assert!(strip.end >= 80.0, "{name}: {}", strip.end);
        words.push(file.into_os_string());
    }
    // The same files, given by hand, make the same picture.
    let again = out.join("again.svg");
    lab(&words, &again);
    assert_eq!(fs::read(&picture).unwrap(), fs::read(&again).unwrap());
    let output =
        Command::new(LAB).args(["timeline", "/dev/null"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

/// Two full runs on one machine, at different times, are committed: the
/// rules have to find the same in both.
#[test]
fn two_runs_on_the_same_machine_agree() {
    let directory = program::workspace().join("docs/evaluation");
    let first = read(&directory.join("evaluation.json"));
    let second = read(&directory.join("second.json"));
    assert_ne!(
        first.header.began, second.header.began,
        "that is one run, not two"
    );
    assert_eq!(first.header.machine.cpu, second.header.machine.cpu);
    assert_eq!(first.header.machine.kernel, second.header.machine.kernel);
    for evaluation in [&first, &second] {
        assert!(evaluation.header.complete);
        assert_eq!(evaluation.effort, Effort::FULL);
        assert_eq!(evaluation.verdicts.len(), 18);
        for (id, verdict) in &evaluation.verdicts {
            let decided = matches!(
                verdict,
                Verdict::Holds
                    | Verdict::HoldsInPart
                    | Verdict::DoesNotHoldHere
            );
            assert!(decided, "{id}: {verdict:?}");
        }
        // The rules of today say what the rules of that day said.
        assert_eq!(evaluation.judged_anew(), evaluation.verdicts);
    }
    assert_eq!(first.verdicts, second.verdicts);
}

/// The pages, the pictures and what the book reads are what the words and the
/// rules of today make of the runs that are committed.
#[test]
fn what_is_committed_is_what_is_written_today() {
    let directory = program::workspace().join("docs/evaluation");
    for (command, files) in [("evaluate", 36), ("growth", 6)] {
        let out = self::directory(&format!("{command}-committed"));
        let results = match command {
            "evaluate" => "evaluation.json",
            _ => "growth.json",
        };
        draw(command, &directory.join(results), &out);
        let same = assert_same(&out, &directory);
        assert_eq!(same, files, "{command}");
    }
}

/// Where there is one processor and no Python the pages say so of each claim
/// that needs them, and show no picture of it.
#[test]
fn what_could_not_be_measured_is_said_on_the_pages() {
    let file = program::workspace().join("docs/evaluation/evaluation.json");
    let out = directory("evaluate-unmeasured");
    let mut evaluation = read(&file);
    evaluation.header.machine.processors = 1;
    evaluation.samples.0.retain(|name, _| !name.starts_with("memory/"));
    let why = "not installed: cc".to_owned();
    evaluation.missing.insert(Experiment::Memory, why.clone());
    let file = out.join("unmeasured.json");
    fs::write(&file, serde_json::to_string(&evaluation).unwrap()).unwrap();
    draw("evaluate", &file, &out);
    let evaluation = read(&out.join("evaluation.json"));
    for id in ["T1", "T5", "P1", "P3", "P4", "M2"] {
        assert_eq!(evaluation.verdicts[id], Verdict::NotMeasured, "{id}");
        assert!(!out.join(format!("{id}.svg")).exists(), "{id}");
    }
    assert_eq!(evaluation.verdicts["T2"], Verdict::Holds);
    for (name, said, one) in [
        ("evaluation.md", "**Not measured**", "nothing can be faster"),
        ("evaluation.es.md", "**No medida**", "nada puede ganar"),
    ] {
        let page = fs::read_to_string(out.join(name)).unwrap();
        assert_eq!(page.matches(said).count(), 6, "{name}");
        assert_eq!(page.matches(&why).count(), 3, "{name}");
        assert_eq!(page.matches(one).count(), 3, "{name}");
        assert!(!page.contains("()") && !page.contains("T1.svg"), "{name}");
    }
}
