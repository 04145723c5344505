//! What the ordinary test command runs of the torture: of each call in each
//! form one fault, and what shows that the table is complete. The rest is in
//! `scripts/torture.sh`.

use nix::sys::signal::Signal;
use probe::strace::{Strace, Target, version};
use suite::faults::table::{MISTAKES, TABLE, cases, slice};
use suite::faults::{census, run_all};
use suite::forms::{FORMS, start};
use suite::harness::{Outcome, demand, skip};
use suite::hostile::be_polite;
use suite::limits;

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

/// The C library wants some memory of its own in each new thread, and can do
/// without; the standard library must not want any.
#[test]
fn a_new_thread_that_finds_no_memory_serves_its_client() -> Outcome {
    if !strace("threads that find no memory") {
        return Ok(());
    }
    let form = &FORMS[0];
    for call in ["mmap", "mprotect", "sigaltstack"] {
        let server = start(form, "--serve until-eof")?;
        // The first such call of the main thread, and of each that begins
        // from now on.
        let inject = format!("--inject={call}:error=ENOMEM:when=1");
        let target = Target::Processes(&[server.pid]);
        let options = [inject, format!("--trace={call}")];
        let strace = Strace::attach(target, &options)?;
        let bytes = 20 * b"hola\n".len() as u64;
        for _ in 0..20 {
            be_polite(server.port(), b"hola\n")?;
        }
        server.signal(Signal::SIGTERM);
        server.ends_with(0)?;
        strace.detach()?;
        let totals = server.summary()?;
        let counted = (totals.clients, totals.received, totals.sent);
        demand(counted == (20, bytes, bytes), || format!("{totals:?}"))?;
        // The stack that could not be had was told once.
        let errors = server.stderr.try_all()?;
        demand(errors.len() <= 1, || format!("{call}: {errors:?}"))?;
    }
    Ok(())
}

#[test]
fn two_hundred_clients_are_served_with_too_little_of_everything() -> Outcome {
    for case in limits::cases() {
        case.run().map_err(|text| format!("{}: {text}", case.name()))?;
    }
    Ok(())
}
