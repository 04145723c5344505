//! Which system calls a server makes while it serves. The table must have each
//! of them, or a reason why it is missing there.

use std::collections::BTreeSet;

use probe::client::{Client, pattern};
use probe::proc;
use probe::strace::{Strace, Target};

use crate::case::{Case, Need, case};
use crate::faults::table::TABLE;
use crate::forms::{Form, all_end, end};

/// Why only the creator of a thread is tried with too little memory.
const MEMORY: &str = "the stacks of threads-server are tried where they are \
    created, and the threads that begin there by a test of their own; \
    elsewhere as brk";

/// Calls that no case needs, and why.
pub const EXEMPT: &[(&str, &str)] = &[
    (
        "brk",
        "memory for the program's own data: without it Rust ends any program",
    ),
    ("clock_nanosleep", "the pauses; the standard library goes on after EINTR"),
    (
        "close",
        "whatever it returns, the descriptor is closed; an injected failure \
         would itself leak",
    ),
    ("dup2", "at the stop only; no cause outside a race in the program"),
    ("exit", "does not return"),
    ("exit_group", "does not return"),
    (
        "fcntl",
        "no cause outside: asks about a descriptor, in debug builds only",
    ),
    (
        "futex",
        "the locks of the standard library; no cause outside, and the \
         library handles EINTR and EAGAIN",
    ),
    (
        "getpeername",
        "says whether the connection still exists; a failure means that it \
         does not",
    ),
    ("getpid", "cannot fail"),
    ("getppid", "cannot fail"),
    ("gettid", "cannot fail"),
    ("ioctl", "FIONBIO has no cause outside; its mistakes are tried below"),
    (
        "kill",
        "a child keeps its number until it is reaped, so there is no cause \
         outside",
    ),
    (
        "madvise",
        "advice of the C library about the stack of a thread that ends",
    ),
    ("mmap", MEMORY),
    ("mprotect", MEMORY),
    ("mremap", "as brk"),
    (
        "munmap",
        "memory that is given back; the C library decides what it does about \
         a failure",
    ),
    ("prctl", "names a thread; a failure changes the name only"),
    (
        "restart_syscall",
        "the kernel's way to go on with a wait that strace has interrupted",
    ),
    ("rseq", "the C library's, at the start of a thread; optional"),
    ("rt_sigaction", "no cause outside"),
    ("rt_sigprocmask", "no cause outside"),
    ("rt_sigreturn", "does not return"),
    (
        "sched_getaffinity",
        "the C library's, at the start of a thread; no cause outside",
    ),
    ("sched_yield", "cannot fail on Linux"),
    (
        "set_robust_list",
        "the C library's, at the start of a thread; no cause outside",
    ),
    (
        "sigaltstack",
        "the standard library's, at the start of a thread; no cause outside",
    ),
];

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
            || EXEMPT.iter().any(|(exempt, _)| exempt == call)
    };
    let unknown: Vec<_> = seen.iter().filter(|call| !known(call)).collect();
    assert!(unknown.is_empty(), "{}: not in the table: {unknown:?}", form.name);
    // The census itself must have seen the calls that no server can do without.
    assert!(
        seen.contains("recvfrom") && seen.contains("sendto"),
        "{}: too little was seen: {seen:?}",
        form.name
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
