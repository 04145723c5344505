//! What a case is, which servers it concerns and what it needs.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

pub use crate::need::Need;
use crate::{Approach, Form, Kind, forms, runner};

/// One test, run against each form that it concerns.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name of its function.
    pub name: &'static str,
    body: fn(&Form),
    only: fn(&Form) -> bool,
    needs: &'static [Need],
    slow: bool,
    /// Whether it fails when the server takes too long.
    pub timed: bool,
    tries: u32,
    on_request: bool,
}

/// A case named after its function, which panics when the server does not do
/// what it should.
macro_rules! case {
    ($function:ident) => {
        $crate::case::Case::new(stringify!($function), $function)
    };
}
pub(crate) use case;

impl Case {
    /// A case for every form that needs nothing; see [`case!`].
    pub(crate) const fn new(name: &'static str, body: fn(&Form)) -> Self {
        Self {
            name,
            body,
            only: |_| true,
            needs: &[],
            slow: false,
            timed: false,
            tries: 1,
            on_request: false,
        }
    }

    /// The case, but only for the forms that `only` takes.
    pub(crate) const fn only(self, only: fn(&Form) -> bool) -> Self {
        Self { only, ..self }
    }

    /// The case, but ignored on a machine that lacks one of these.
    pub(crate) const fn needs(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    /// The case, but begun before the others: it takes seconds.
    pub(crate) const fn slow(self) -> Self {
        Self { slow: true, ..self }
    }

    /// The case, but run with few others at a time: it fails when the server
    /// takes too long.
    pub(crate) const fn timed(self) -> Self {
        Self { timed: true, ..self }
    }

    /// The case, but tried again where it has failed after more than a second:
    /// for so long a server reads on after its last reply, and what a client
    /// sends later may be reset.
    pub(crate) const fn in_a_second(self) -> Self {
        Self { tries: 5, ..self }
    }

    /// The case, but run with `--ignored` or `--include-ignored` only: it takes
    /// minutes.
    pub(crate) const fn on_request(self) -> Self {
        Self { on_request: true, ..self }
    }

    /// The case as a trial of this form.
    fn trial(&self, form: &'static Form) -> Trial {
        let Self { body, tries, .. } = *self;
        let name = format!("{}::{}", form.name, self.name);
        runner::trial(name, self.needs, move || run(|| body(form), tries))
            .with_ignored_flag(self.on_request)
    }
}

/// Runs a case; where it fails after more than a second, so many times.
fn run(body: impl Fn(), tries: u32) {
    for _ in 1..tries {
        let begin = Instant::now();
        match catch_unwind(AssertUnwindSafe(&body)) {
            Err(_) if begin.elapsed() > Duration::from_secs(1) => {}
            Err(panic) => resume_unwind(panic),
            Ok(()) => return,
        }
    }
    body();
}

/// Cases as trials of each form that they concern, the slow ones first.
pub fn trials(cases: &[Case]) -> Vec<Trial> {
    let (mut slow, quick): (Vec<_>, Vec<_>) = forms::chosen()
        .flat_map(|form| cases.iter().map(move |case| (form, case)))
        .filter(|(form, case)| (case.only)(form))
        .partition(|(_, case)| case.slow);
    slow.extend(quick);
    slow.into_iter().map(|(form, case)| case.trial(form)).collect()
}

/// For [`Case::only`]: the processes.
pub fn processes(form: &Form) -> bool {
    form.kind == Kind::Processes
}

/// For [`Case::only`]: those that create something for each connection, which
/// can fail.
pub fn creates_for_each(form: &Form) -> bool {
    form.approach() == Approach::Each
}

/// For [`Case::only`]: those that call accept(2) when a client is there. A
/// worker of a pool waits in accept(2), with a descriptor already set aside.
pub fn accepts_when_ready(form: &Form) -> bool {
    !pool(form)
}

/// For [`Case::only`]: those whose threads or processes block in a call for
/// their client.
pub fn blocks(form: &Form) -> bool {
    !has_loops(form)
}

/// For [`Case::only`]: those with workers that exist before the first client.
pub fn has_workers(form: &Form) -> bool {
    form.workers.is_some()
}

/// For [`Case::only`]: several loops.
pub fn loops(form: &Form) -> bool {
    form.approach() == Approach::Loops
}

/// For [`Case::only`]: workers that each serve one client at a time.
pub fn pool(form: &Form) -> bool {
    form.approach() == Approach::Pool
}

/// For [`Case::only`]: one loop or several.
pub fn has_loops(form: &Form) -> bool {
    form.kind == Kind::Loop
}

/// For [`Case::only`]: the loop in the form that uses `select`.
pub fn select(form: &Form) -> bool {
    form.options.contains("select")
}
