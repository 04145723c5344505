//! What the ordinary test command runs of the torture: of each call in each
//! form one fault, and what shows that the table is complete. The rest is in
//! `scripts/torture.sh`.

use torture::harness::form::FORMS;
use torture::harness::strace::version;
use torture::harness::{Outcome, skip};
use torture::limits;
use torture::matrix::table::{MISTAKES, TABLE, cases, slice};
use torture::matrix::{census, run_all};

/// Whether strace is there; says loudly that it is not.
fn strace(what: &str) -> bool {
    if version().is_none() {
        skip("strace", what);
    }
    version().is_some()
}

#[test]
fn the_servers_survive_a_slice_of_the_matrix() {
    if !strace("a slice of the fault matrix") {
        return;
    }
    let all = [cases(TABLE), cases(MISTAKES)].concat();
    let results = run_all(slice(all), |_| {});
    let failed: Vec<_> = results
        .iter()
        .filter_map(|result| {
            let text = result.outcome.as_ref().err()?;
            Some(format!("{}: {text}", result.case))
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_table_has_every_call_on_the_path_of_service() -> Outcome {
    if !strace("the census of system calls") {
        return Ok(());
    }
    FORMS.iter().try_for_each(census::check)
}

#[test]
fn two_hundred_clients_are_served_with_too_little_of_everything() -> Outcome {
    for case in limits::cases() {
        case.run()
            .map_err(|text| format!("{}: {text}", case.name()))?;
    }
    Ok(())
}
