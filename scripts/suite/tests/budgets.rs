//! What a message and a connection may cost.

use probe::strace::version;
use suite::budgets::{BUDGETS, check, long_messages};
use suite::forms::FORMS;
use suite::harness::{Outcome, skip};

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

/// A message of one byte more than a buffer, and one of many buffers, must
/// not wait for an acknowledgement that the client's kernel delays by 40 ms.
#[test]
fn no_size_of_message_costs_a_delayed_acknowledgement() -> Outcome {
    let mut failed = Vec::new();
    for form in &FORMS {
        for bytes in [1025, 10_000] {
            match long_messages(form, bytes) {
                Ok(best) => println!("{:18} {bytes:6} {best:?}", form.name),
                Err(text) => failed.push(text),
            }
        }
    }
    failed.is_empty().then_some(()).ok_or(failed.join("\n"))
}
