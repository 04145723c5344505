//! The programs of the chapter on what threads can do to each other: each is
//! run as a reader runs it, and must print what the chapter says.
//!
//! No assertion rests on how long anything takes: what the scheduler decides
//! is either forced by the program itself, or may come out either way.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Generous: a test that is right never waits for so long.
const LIMIT: Duration = Duration::from_secs(60);

/// Where cargo has put an example: beside the folder of this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(2).unwrap();
    let path = target.join("examples").join(name);
    assert!(path.exists(), "cargo test -p threads-server builds {name}");
    path
}

/// Runs an example to its end.
fn run(name: &str, words: &[&str]) -> Output {
    let mut command = Command::new(example(name));
    command.args(words).stdin(Stdio::null());
    command.output().unwrap()
}

/// What it printed on standard output.
fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The number before ` lost` in the line that begins like this.
fn lost(text: &str, how: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(how)).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words.last(), Some(&"lost"), "{line}");
    words[words.len() - 2].parse().unwrap()
}

#[test]
fn the_race_loses_and_one_step_or_a_lock_does_not() {
    let output = run("race", &[]);
    assert!(output.status.success(), "{output:?}");
    let text = printed(&output);
    assert_eq!(text.lines().count(), 4, "{text}");
    assert_eq!(lost(&text, "both load, then both store: 2 "), 1, "{text}");
    assert_eq!(lost(&text, "fetch_add: 2000000 "), 0, "{text}");
    assert_eq!(lost(&text, "lock: 2000000 "), 0, "{text}");
    // How many are lost is up to the scheduler: on one processor it may be
    // none. But one of a few runs loses, or nothing was shown.
    let loses = || {
        let text = printed(&run("race", &[]));
        lost(&text, "load, then store: 2000000 ") > 0
    };
    assert!(lost(&text, "load, then store: ") > 0 || (0..50).any(|_| loses()));
}

#[test]
fn the_compiler_refuses_two_threads_that_change_one_variable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--edition", "2024", "--emit", "metadata", "--out-dir"])
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .arg(root.join("examples/refused/race.rs"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let errors = String::from_utf8(output.stderr).unwrap();
    let expected = "error[E0499]: cannot borrow `counter` as mutable more \
                    than once at a time";
    assert!(errors.starts_with(expected), "{errors}");
    // It is the only one: nothing else keeps the program from compiling.
    assert!(errors.contains("aborting due to 1 previous error"), "{errors}");
}

#[test]
fn two_orders_stop() {
    let output = run("deadlock", &["two-orders"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        printed(&output),
        "two-orders: deadlock, no thread has ended within 1s\n"
    );
}

#[test]
fn the_same_order_and_one_lock_do_not_stop() {
    for order in ["same-order", "one-lock"] {
        // So long that a busy machine is not taken for a deadlock.
        let output = run("deadlock", &[order, "60"]);
        assert!(output.status.success(), "{output:?}");
        let expected = format!("{order}: both threads have ended\n");
        assert_eq!(printed(&output), expected);
    }
}

#[test]
fn an_unknown_order_is_a_usage_error() {
    for words in [&[] as &[&str], &["three-orders"]] {
        let output = run("deadlock", words);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(printed(&output), "");
    }
}

/// A program that is killed when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn proc_shows_that_both_threads_sleep_for_a_lock() {
    let mut command = Command::new(example("deadlock"));
    command.args(["two-orders", "3600"]).stdin(Stdio::null());
    let program = Running(command.spawn().unwrap());
    let tasks = format!("/proc/{}/task", program.0.id());
    let deadline = Instant::now() + LIMIT;
    let mut asleep = Vec::new();
    while asleep != ["leaves", "reports"] {
        assert!(Instant::now() < deadline, "asleep: {asleep:?}");
        thread::sleep(Duration::from_millis(2));
        asleep = fs::read_dir(&tasks)
            .unwrap()
            .filter_map(|task| waits_in_futex(&task.ok()?.path()))
            .collect();
        asleep.sort();
    }
}

/// The name of a thread that sleeps in futex(2) without a time limit; the
/// main thread sleeps there as well, but with one.
fn waits_in_futex(task: &Path) -> Option<String> {
    let name = fs::read_to_string(task.join("comm")).ok()?;
    let call = fs::read_to_string(task.join("syscall")).ok()?;
    let words: Vec<&str> = call.split_whitespace().collect();
    // The number of the call, then its arguments; the fourth is the limit.
    let number = words.first()?.parse().ok()?;
    let endless = words.get(4) == Some(&"0x0");
    (SYS_FUTEX == Some(number) && endless).then(|| name.trim().to_owned())
}

/// The number of futex(2), which each architecture has given its own.
const SYS_FUTEX: Option<u32> = match std::env::consts::ARCH.as_bytes() {
    b"x86_64" => Some(202),
    b"aarch64" | b"riscv64" => Some(98),
    _ => None,
};

#[test]
fn rust_threads_print_how_many_cores_they_use() {
    let output = run("cores", &[]);
    assert!(output.status.success(), "{output:?}");
    let mut names = Vec::new();
    for line in BufReader::new(&output.stdout[..]).lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [number, name, seconds, "s", cores, "cores"] = words[..] else {
            panic!("{line}");
        };
        names.push(format!("{number} {name}"));
        assert!(seconds.parse::<f64>().unwrap() > 0.0, "{line}");
        // The clock of the processor time has a hundred ticks a second.
        let most = number.parse::<f64>().unwrap() + 0.3;
        assert!(cores.parse::<f64>().unwrap() <= most, "{line}");
    }
    assert_eq!(names, ["1 thread", "2 threads"]);
}
