//! The page that shows the result: written by the run, checked by a test.

use std::fmt::Write as _;
use std::fs;
use std::io;

use probe::strace;

use crate::facts::{date, read};
use crate::faults::census::EXEMPT;
use crate::faults::table::{Case, MISTAKES, Row, TABLE, cases};
use crate::forms::FORMS;

/// Where the page is.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");

/// The lines of a table: one for each call of each form, with what survived.
fn lines(
    table: &'static [Row],
    survived: impl Fn(&Case) -> bool,
) -> Vec<String> {
    let all = cases(table);
    let lines = all.chunk_by(Case::is_of_the_same_call).map(|group| {
        let Case { form, row, .. } = group[0];
        let errnos = row.faults.iter().flat_map(|fault| fault.errnos);
        let errnos: Vec<_> = errnos.copied().collect();
        let whens: Vec<_> = row.whens.iter().map(u32::to_string).collect();
        let well = group.iter().filter(|case| survived(case)).count();
        format!(
            "| {} | {} | {} | {} | {} | {well} |",
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
    let date = date().unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease", "", "").unwrap_or_default();
    let mut page = String::new();
    let count = |fatal: bool| {
        let group = results.iter().filter(|(case, _)| case.row.fatal == fatal);
        (group.clone().count(), group.filter(|(_, well)| *well).count())
    };
    let ((all, well), (fatal, fatal_well)) = (count(false), count(true));
    let _ = write!(
        page,
        "# What the servers survive\n\
        \n\
        Written by `cargo test -p suite --test faults -- \
        --include-ignored`: do not edit. Last run: {date}, Linux {kernel}, \
        strace {}.\n\
        \n\
        **{well} of {all}** injected faults survived; **{fatal_well} of \
        {fatal}** mistakes ended the program as they should.\n\
        \n\
        In each case one system call of one thread fails, at the call whose \
        number is given (counted from the moment when strace is attached: \
        the server listens and has clients in service), with an error that \
        its manual page says the outside can cause. Survived means: the \
        clients in service noticed nothing, except the one whose own call \
        failed where that cannot be hidden from it; a polite client who came \
        afterwards was served exactly; every line of every client was \
        printed; the totals were exact; no descriptor, thread, child or \
        zombie was left over; no processor time was used once all was \
        quiet; standard error had one line where one was due; the stop was \
        orderly and quick.\n\
        \n\
        ## The forms\n\
        \n\
        | form | command |\n| --- | --- |\n",
        strace::version().unwrap_or("none"),
    );
    for form in &FORMS {
        let _ = writeln!(page, "| {} | `{}` |", form.name, form.command());
    }
    page += "\n## Faults from outside\n\n";
    table(&mut page, &lines(TABLE, survived));
    page += "\n## Mistakes in the program\n\n\
        They end it, with status 1 and one line, and leave no child behind.\
        \n\n";
    table(&mut page, &lines(MISTAKES, survived));
    page += "\n## Calls on the path of service that no case needs\n\n\
        | call | why |\n| --- | --- |\n";
    for (call, reason) in EXEMPT {
        let _ = writeln!(page, "| {call} | {reason} |");
    }
    page
}

/// Appends lines, with their heads.
fn table(page: &mut String, lines: &[String]) {
    *page += "| form | call | errors | at call | cases | survived |\n\
        | --- | --- | --- | --- | ---: | ---: |\n";
    for line in lines {
        let _ = writeln!(page, "{line}");
    }
}

/// Writes the page.
pub fn write(results: &[(Case, bool)]) -> io::Result<()> {
    fs::write(PAGE, page(results))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::table::all_cases;

    #[test]
    fn the_page_shows_this_table_and_that_all_has_survived() {
        let page = fs::read_to_string(PAGE).unwrap();
        let shown: Vec<_> = page
            .lines()
            .filter(|line| line.matches(" | ").count() == 5)
            .filter(|line| !line.starts_with("| form") && !line.contains("---"))
            .collect();
        let due = [TABLE, MISTAKES].map(|it| lines(it, |_| true)).concat();
        assert_eq!(shown, due, "run the whole matrix");
        for (call, reason) in EXEMPT {
            assert!(page.contains(&format!("| {call} | {reason} |")));
        }
    }

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let all = all_cases();
        let mut names: Vec<_> = all.iter().map(ToString::to_string).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }
}
