//! The page that shows the result: written by the run, checked by a test.

use std::io;

use probe::strace;

use crate::facts::{date, read};
use crate::faults::table::{Case, MISTAKES, Row, TABLE, cases};
use crate::prelude::*;

/// Where the page is.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");

/// The lines of a table: one for each call of each form, with what survived.
fn lines(table: &'static [Row], survived: impl Fn(&Case) -> bool) -> String {
    let all = cases(table);
    let lines = all.chunk_by(Case::is_of_the_same_call).map(|group| {
        let Case { form, row, .. } = group[0];
        let errnos = row.faults.iter().flat_map(|fault| fault.errnos);
        let errnos: Vec<_> = errnos.copied().collect();
        let whens: Vec<_> = row.whens.iter().map(u32::to_string).collect();
        let well = group.iter().filter(|case| survived(case)).count();
        format!(
            "| {} | {} | {} | {} | {} | {well} |\n",
            form.name,
            row.name,
            errnos.join(" "),
            whens.join(" "),
            group.len(),
        )
    });
    lines.collect()
}

/// The whole page.
fn page(results: &[(Case, bool)]) -> String {
    let survived = |case: &Case| {
        let name = case.to_string();
        results.iter().any(|(case, well)| *well && case.to_string() == name)
    };
    let count = |fatal: bool| {
        let group = results.iter().filter(|(case, _)| case.row.fatal == fatal);
        (group.clone().count(), group.filter(|(_, well)| *well).count())
    };
    let ((all, well), (fatal, fatal_well)) = (count(false), count(true));
    let forms = FORMS
        .iter()
        .map(|form| format!("| {} | `{}` |\n", form.name, form.command()));
    format!(
        include_str!("page.md"),
        date = date().unwrap_or_default(),
        kernel = read("/proc/sys/kernel/osrelease", "", "").unwrap_or_default(),
        strace = strace::version().unwrap_or("none"),
        well = well,
        all = all,
        fatal = fatal,
        fatal_well = fatal_well,
        forms = forms.collect::<String>(),
        faults = lines(TABLE, survived),
        mistakes = lines(MISTAKES, survived),
    )
}

/// Writes the page.
pub fn write(results: &[(Case, bool)]) -> io::Result<()> {
    fs::write(PAGE, page(results))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::faults::table::all_cases;

    #[test]
    fn the_page_shows_this_table_and_that_all_has_survived() {
        let all: Vec<_> =
            all_cases().into_iter().map(|case| (case, true)).collect();
        let (shown, due) = (fs::read_to_string(PAGE).unwrap(), page(&all));
        for (shown, due) in shown.lines().zip(due.lines()) {
            // The date and the machine may differ.
            let is_fact = due.contains("Last run: ");
            assert!(is_fact || shown == due, "run the whole matrix: {due}");
        }
        assert_eq!(shown.lines().count(), due.lines().count());
    }

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let all = all_cases();
        let names: BTreeSet<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), all.len());
    }
}
