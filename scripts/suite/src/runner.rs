//! One way to run all tests: each becomes a trial with a name, and is ignored
//! with its reason where the machine lacks something that it needs.
//!
//! Environment variables, for those who run the suite often:
//!
//! - `SUITE_SKIP=never`: what the machine lacks is a failure.
//! - `SUITE_FORMS=mux-poll,mux-epoll`: only these forms.
//! - `SUITE_FAIL_FAST=yes`: nothing begins after the first failure.
//! - `SUITE_TIMES=1`: the slowest ten trials are printed at the end.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Trial};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::forms;
use crate::need::Need;

/// How long each trial has taken.
static TIMES: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// Whether a trial has failed, and no other is to begin.
static OVER: AtomicBool = AtomicBool::new(false);

/// A trial with this name, for a machine that has all that it needs. The body
/// panics when something is not as it should be.
pub fn trial(
    name: impl Into<String>,
    needs: &'static [Need],
    body: impl FnOnce() + Send + 'static,
) -> Trial {
    let name = name.into();
    Trial::ignorable_test(name.clone(), move || {
        if OVER.load(Ordering::Relaxed) {
            return Ok(Completion::ignored_with("another trial has failed"));
        }
        let missing = needs.iter().find_map(|need| need.is_met().err());
        let missing =
            missing.map(|what| format!("SKIPPED, not tested here: {what}"));
        let skips = !env::var("SUITE_SKIP").is_ok_and(|it| it == "never");
        if let Some(reason) = &missing
            && skips
        {
            return Ok(Completion::ignored_with(reason));
        }
        let begin = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| match missing {
            Some(reason) => panic!("{reason}"),
            None => body(),
        }));
        let mut times = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
        times.push((begin.elapsed(), name));
        drop(times);
        if let Err(panic) = result {
            let enough = env::var_os("SUITE_FAIL_FAST").is_some();
            OVER.store(enough, Ordering::Relaxed);
            resume_unwind(panic);
        }
        Ok(Completion::Completed)
    })
}

/// Runs trials, so many at a time: the `main` of a test file. Understands the
/// arguments that `cargo test` hands on. The first ones begin first, so the
/// slow ones should stand there.
pub fn run(trials: Vec<Trial>, at_a_time: usize) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(at_a_time);
    raise_descriptor_limit();
    if !arguments.list {
        forms::build();
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if env::var_os("SUITE_TIMES").is_some() {
        let mut times = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
        times.sort_unstable();
        for (time, name) in times.iter().rev().take(10) {
            println!("{:6.1} s  {name}", time.as_secs_f64());
        }
    }
    conclusion.exit_code()
}

/// Tests with a thousand clients need as many descriptors in this process.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where the limit cannot be raised, those tests report what they lack.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(8192), hard);
    }
}
