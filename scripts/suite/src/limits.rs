//! Too little of something: descriptors, threads, processes, memory. Two
//! hundred clients who all come at once are all served in the end.

use crate::control_group::Group;
use crate::forms::{replaced, stop};
use crate::orders::signal;
use crate::prelude::*;

/// How many clients come.
const CLIENTS: usize = 200;

/// How many more descriptors, threads or processes there are than the server
/// has anyway.
const SPARE: usize = 16;

/// What a server may use of the processor for all of them, in a debug build.
const PROCESSOR_TIME: Duration = Duration::from_secs(2);

/// After so long without a shortage the next one is another spell.
const SPELL_ENDS: Duration = Duration::from_secs(2);

/// What there is too little of: descriptors run out everywhere, threads and
/// processes where they are created while clients come, and memory where each
/// of these takes a stack of megabytes.
pub const CASES: &[Case] = &[
    case!(two_hundred_clients_are_served_with_too_few_descriptors).slow(),
    case!(two_hundred_clients_are_served_with_too_few_tasks)
        .only(creates_for_each)
        .needs(&[Need::TaskLimit])
        .slow(),
    case!(a_worker_is_replaced_once_there_is_room_for_it)
        .only(|form| form.name == "process-workers")
        .needs(&[Need::ControlGroup])
        .slow(),
    case!(two_hundred_clients_are_served_with_no_room_for_stacks)
        .only(|form| form.name == "threads")
        .needs(&[Need::Prlimit])
        .slow(),
    case!(a_new_thread_that_finds_no_memory_serves_its_client)
        .only(|form| form.name == "threads")
        .needs(&[Need::Strace]),
    case!(an_only_client_waits_until_its_worker_can_be_created)
        .only(|form| form.approach() == Approach::Each)
        .needs(&[Need::Strace]),
];

/// Too few descriptors.
fn two_hundred_clients_are_served_with_too_few_descriptors(form: &Form) {
    // How many it needs for itself shows one that has enough.
    let server = form.run("");
    proc::settled(server.pid);
    let tree = proc::tree(server.pid).into_iter();
    let own = tree.map(|pid| proc::descriptors(pid).len()).max();
    drop(server);
    let limit = own.unwrap_or(0) + SPARE;
    let server = form
        .start("--serve until-eof")
        .under(&format!("prlimit --nofile={limit}"))
        .run();
    // A process for each client, and a worker, holds one client's descriptor:
    // these never run out.
    let runs_out =
        form.approach() != Approach::Pool && form.kind != Kind::Processes;
    serve_crowds(&server, if runs_out { 2 } else { 0 });
}

/// Too few threads or processes.
fn two_hundred_clients_are_served_with_too_few_tasks(form: &Form) {
    let server = form.run("--serve until-eof");
    proc::settled(server.pid);
    let Some(group) = Group::new(server.pid) else {
        let call =
            if form.kind == Kind::Processes { "clone" } else { "clone3" };
        let inject = format!("--inject={call}:error=EAGAIN:when=3..20");
        let trace = format!("--trace={call}");
        let target = Target::Thread(server.pid);
        let strace = Strace::attach(target, &[inject, trace]);
        serve_crowds(&server, 1);
        strace.detach();
        return;
    };
    group.limit(group.current() + SPARE);
    serve_crowds(&server, 2);
}

/// Too little memory for stacks.
fn two_hundred_clients_are_served_with_no_room_for_stacks(form: &Form) {
    let server = form.run("--serve until-eof");
    proc::settled(server.pid);
    let size = proc::address_space(server.pid).expect("it runs");
    // A stack of the standard library's, and its guard page. What is left
    // over is too little for one more, and enough for everything else.
    let stack = (2 << 20) + 4096;
    server.limit("as", size + SPARE as u64 * stack + (1 << 20));
    serve_crowds(&server, 2);
}

/// There is no other worker whose end would wake the server.
fn an_only_client_waits_until_its_worker_can_be_created(form: &Form) {
    let server = form.run("--serve until-eof");
    let inject = "--inject=clone,clone3:error=EAGAIN:when=1".to_owned();
    let options = [inject, "--trace=clone,clone3".to_owned()];
    let strace = Strace::attach(Target::Thread(server.pid), &options);
    drop(server.exchange(b"hola\n"));
    strace.detach();
    stop(&server, 1, 5);
    let errors = server.stderr.all();
    assert_eq!(errors.len(), 1, "{errors:?}");
}

/// The C library wants some memory of its own in each new thread, and can do
/// without; the standard library must not want any.
fn a_new_thread_that_finds_no_memory_serves_its_client(form: &Form) {
    for call in ["mmap", "mprotect", "sigaltstack"] {
        let server = form.run("--serve until-eof");
        // The first such call of the main thread, and of each that begins
        // from now on.
        let inject = format!("--inject={call}:error=ENOMEM:when=1");
        let target = Target::Processes(&[server.pid]);
        let options = [inject, format!("--trace={call}")];
        let strace = Strace::attach(target, &options);
        for _ in 0..20 {
            server.exchange(b"hola\n");
        }
        stop(&server, 20, 20 * 5);
        strace.detach();
        // The stack that could not be had was told once.
        let errors = server.stderr.all();
        assert!(errors.len() <= 1, "{call}: {errors:?}");
    }
}

/// Two hundred clients at once, as many times as there are spells. In each
/// spell something runs out; with no spells nothing does.
fn serve_crowds(server: &Server, spells: usize) {
    let baseline = proc::settled(server.pid);
    let mut inside = server.served(b"before\n");
    let mut sent = 7;
    for spell in 1..=spells.max(1) {
        let crowd: Vec<_> =
            (0..CLIENTS).map(|_| server.sending(b"me too\n")).collect();
        if spells > 0 {
            server.stderr.wait("something to run out", |lines| {
                (lines.len() >= spell).then_some(())
            });
        }
        // The other clients wait in the queue, and the server waits until
        // something is free. The client in service notices nothing.
        proc::settled(server.pid);
        proc::at_rest(server.pid);
        inside.exchange(b"meanwhile\n");
        // They are served in the order in which they came: each client that
        // leaves makes room for one other.
        for mut client in crowd {
            client.expect(b"me too\n");
            client.leave();
        }
        sent += 10 + CLIENTS * 7;
        if spell < spells {
            // Shortages that follow closely may be one spell.
            thread::sleep(SPELL_ENDS);
        }
    }
    inside.leave();
    let clients = spells.max(1) * CLIENTS + 1;
    afterwards(server, &baseline, (clients, sent), spells);
}

/// The server holds what it held before, all clients and all bytes were
/// counted, and each shortage was reported once.
fn afterwards(
    server: &Server,
    baseline: &[String],
    (clients, bytes): (usize, usize),
    lines: usize,
) {
    proc::balanced(server.pid, baseline);
    proc::at_rest(server.pid);
    let used = proc::processor_time(server.pid);
    let bound = PROCESSOR_TIME * u32::try_from(lines.max(1)).unwrap_or(1);
    assert!(used <= bound, "it has used {used:?} of processor time");
    stop(server, clients as u64, bytes as u64);
    let errors = server.stderr.all();
    assert_eq!(errors.len(), lines, "the diagnostics: {errors:#?}");
}

/// A worker dies while no process can be created in its place: the others go
/// on, and it is replaced as soon as that is possible.
fn a_worker_is_replaced_once_there_is_room_for_it(form: &Form) {
    let server = form.run("--serve until-eof");
    let baseline = proc::settled(server.pid);
    let group = Group::new(server.pid).expect("a control group can be made");
    group.limit(1);
    let doomed = proc::children(server.pid)[0];
    signal(doomed, SIGKILL);
    server
        .stderr
        .find("a word of a worker that cannot be replaced", |_| Some(()));
    proc::at_rest(server.pid);
    for _ in 0..CLIENTS {
        server.exchange(b"hola\n");
    }
    group.limit(100);
    replaced(&server, doomed);
    afterwards(&server, &baseline, (CLIENTS, CLIENTS * 5), 1);
}
