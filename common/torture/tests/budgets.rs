//! What a message and a connection may cost.

use torture::budgets::{BUDGETS, check};
use torture::harness::form::FORMS;
use torture::harness::strace::version;
use torture::harness::{Outcome, skip};

#[test]
fn no_form_makes_more_system_calls_than_its_budget_has() -> Outcome {
    if version().is_none() {
        skip("strace", "the budgets of system calls");
        return Ok(());
    }
    let mut failed = Vec::new();
    for form in &FORMS {
        let budget = BUDGETS.iter().find(|it| it.form == form.name);
        let budget = budget.ok_or(format!("{} has no budget", form.name))?;
        match check(form, budget) {
            Ok(report) => println!("{report}"),
            Err(text) => failed.push(text),
        }
    }
    failed.is_empty().then_some(()).ok_or(failed.join("\n"))
}
