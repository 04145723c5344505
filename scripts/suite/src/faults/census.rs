//! Which system calls a server makes while it serves. The table must have each
//! of them, or a reason why it is missing there.

use std::collections::BTreeSet;

use crate::faults::table::TABLE;
use crate::forms::all_end;
use crate::prelude::*;

/// The page, which has a table of the calls that no case needs, and why.
const PAGE: &str = include_str!("page.md");

/// The check, for each form.
pub const CASES: &[Case] =
    &[case!(the_table_has_every_call_on_the_path_of_service)
        .needs(&[Need::Strace])
        .slow()];

fn the_table_has_every_call_on_the_path_of_service(form: &Form) {
    let mut seen = serve(form, "until-eof");
    seen.append(&mut serve(form, "once"));
    let known = |call: &String| {
        let mut rows = TABLE.iter().filter(|row| (row.forms)(form));
        rows.any(|row| row.call == call)
            || PAGE.contains(&format!("\n| {call} | "))
    };
    let unknown: Vec<_> = seen.iter().filter(|call| !known(call)).collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
    // The census itself must have seen the calls that no server can do without.
    assert!(
        seen.contains("recvfrom") && seen.contains("sendto"),
        "too little was seen: {seen:?}"
    );
}

/// The calls of a server from its first client to its end.
fn serve(form: &Form, serve: &str) -> BTreeSet<String> {
    let server = form.run(&format!("--serve {serve}"));
    let tree = proc::tree(server.pid);
    let strace = Strace::attach(Target::Processes(&tree), &[]);
    for _ in 0..4 {
        // Three at a time: as many as a pool can serve.
        let mut crowd = server.clients(3);
        for client in &mut crowd {
            client.exchange(b"hola\n");
            if serve == "once" {
                client.expect_end();
            } else {
                client.exchange(&[b'm'; 3000]);
            }
        }
        crowd.iter_mut().for_each(Client::leave);
    }
    if serve != "once" {
        let (mut slow, sent) = server.stalled();
        slow.expect(&pattern(sent));
        slow.leave();
    }
    // The calls of the stop belong to the service, too.
    end(&server);
    all_end(&tree);
    strace.detach().iter().filter_map(|line| call(line)).collect()
}

/// The call that a line of strace is about.
pub(crate) fn call(line: &str) -> Option<String> {
    // `[pid 12] poll([…` or `poll([…`
    let line = match line.strip_prefix("[pid") {
        Some(rest) => rest.split_once("] ")?.1,
        None => line,
    };
    let (name, _) = line.split_once('(')?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_name =
        !name.is_empty() && name.chars().all(|c| plain(c) || c == '_');
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_strace_names_its_call() {
        let name = |line: &str| call(line).unwrap_or_default();
        assert_eq!(name("[pid  12] poll([{fd=3}], 1) = 0"), "poll");
        assert_eq!(name("accept4(3, NULL) = -1 EAGAIN"), "accept4");
        assert_eq!(name("+++ exited with 0 +++"), "");
        assert_eq!(name("[pid 12] <... poll resumed>) = 1"), "");
        assert_eq!(name("--- SIGCHLD {si_signo=SIGCHLD (1)} ---"), "");
    }
}
