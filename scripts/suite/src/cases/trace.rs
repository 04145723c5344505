//! `--trace`: a file of Trace Event Format, read back by a parser of our own.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nix::time::{ClockId, clock_gettime};
use probe::folder::Folder;
use probe::trace::{Kind as Sort, Stage, Trace};

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(the_trace_shows_the_stages_of_each_client_in_order),
    case!(the_lanes_of_a_trace_are_the_real_ones),
    case!(the_work_before_a_reply_is_a_stage_of_the_trace),
    case!(a_reply_that_waits_is_shown_until_it_is_taken),
    case!(the_reason_of_an_end_is_in_the_trace),
    case!(a_second_run_goes_on_in_the_same_trace),
    case!(lines_of_many_clients_in_a_trace_are_whole),
    case!(a_trace_that_cannot_be_opened_prevents_the_start),
    case!(a_trace_that_cannot_be_written_stops_nothing),
    case!(the_trace_has_its_variable),
    case!(servers_started_at_once_begin_a_trace_once),
    case!(a_server_that_begins_a_trace_keeps_others_out).needs(&[Need::Strace]),
    case!(a_trace_that_was_cut_is_begun_anew),
];

/// A place for a trace.
struct File {
    path: PathBuf,
    _folder: Folder,
}

impl File {
    fn new() -> Self {
        let folder = folder();
        Self { path: folder.path().join("with a space.json"), _folder: folder }
    }

    /// A start that writes a trace there.
    fn start(&self, form: &Form, options: &str) -> Start {
        form.start(options).option("--trace", &self.path)
    }

    fn read(&self) -> Trace {
        Trace::parse(&self.text())
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).expect("there is a trace")
    }
}

/// Ends a server, and checks its trace against what it printed.
fn stop_and_check(form: &Form, server: Server, file: &File) -> Trace {
    let transcript = server.stop();
    let trace = file.read();
    check(form, &trace, &transcript);
    trace
}

/// What must hold for every trace of one run.
fn check(form: &Form, trace: &Trace, transcript: &Transcript) {
    trace.check_lanes();
    let clients: BTreeSet<SocketAddr> =
        transcript.events().filter_map(|(_, client, _)| client).collect();
    assert_eq!(trace.clients(), clients);
    for client in clients {
        let stages = trace.of(client);
        let names = names(&stages);
        let [first, middle @ .., last] = names.as_slice() else {
            panic!("{client}: {names:?}")
        };
        assert_eq!((*first, *last), ("connected", "closed"), "{names:?}");
        // One after the other, without a gap that nothing explains.
        for (before, after) in stages.iter().zip(&stages[1..]) {
            assert!(
                before.end <= after.start + Trace::PRECISION,
                "{client}: {before:?}, then {after:?}"
            );
        }
        // Its messages, each received and answered; then the server waits for
        // it.
        let text = format!("{} ", middle.join(" "))
            .replace("receiving working sending ", "receiving sending ");
        let mut rest = text.as_str();
        let mut messages = 0;
        while let Some(more) = rest.strip_prefix("waiting receiving sending ") {
            rest = more;
            messages += 1;
        }
        let mut rest = rest.strip_prefix("waiting ").unwrap_or(rest).split(' ');
        assert!(
            rest.all(|name| ["closing", ""].contains(&name)),
            "{client}: {names:?}"
        );
        let received = transcript
            .of(client)
            .iter()
            .filter(|event| matches!(event, Event::Received(..)))
            .count();
        assert_eq!(messages, received, "{client}: {names:?}");
        // The trace and the transcript name the same worker.
        let (worker, ..) = transcript
            .events()
            .find(|(_, whom, _)| *whom == Some(client))
            .expect("it is one of those of the transcript");
        let lane = stages[0].lane;
        assert!(stages.iter().all(|stage| stage.lane == lane), "{stages:?}");
        let called = trace.names_of(lane);
        let program = form.kind.program();
        assert!(called.contains(&("process_name", program)), "{called:?}");
        assert!(called.contains(&("thread_name", worker)), "{called:?}");
    }
}

/// The names of some stages.
fn names<'a>(stages: &[&'a Stage]) -> Vec<&'a str> {
    stages.iter().map(|stage| stage.name.as_str()).collect()
}

/// The clock of the traces, in microseconds.
fn now() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC);
    let time = time.expect("Linux has this clock");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let (seconds, rest) = (time.tv_sec() as f64, time.tv_nsec() as f64);
    seconds * 1e6 + rest / 1e3
}

fn the_trace_shows_the_stages_of_each_client_in_order(form: &Form) {
    let file = File::new();
    let begin = now();
    let server = file.start(form, "--serve until-eof").run();
    let mut clients = server.accepted_many(3);
    for _ in 0..2 {
        exchange_all(&mut clients, b"hola\n");
    }
    // One that has nothing to say.
    drop(clients.pop());
    clients.iter_mut().for_each(Client::leave);
    let trace = stop_and_check(form, server, &file);
    let end = now();
    for stage in &trace.stages {
        assert!(begin <= stage.start && stage.end <= end, "{stage:?}");
        let sort = match stage.name.as_str() {
            "connected" | "closed" => Sort::Instant,
            "receiving" | "sending" => Sort::Slice,
            _ => Sort::Pair,
        };
        assert_eq!(stage.kind, sort, "{stage:?}");
    }

    // Served once, and quietly: the trace is the same.
    let file = File::new();
    let server = file.start(form, "--serve once --quiet").run();
    let client = server.exchange(b"hola\n");
    server.stop_unchecked();
    let trace = file.read();
    trace.check_lanes();
    let stages = trace.of(client.address);
    let names = names(&stages);
    let end = names.len().min(4);
    let expected = ["connected", "waiting", "receiving", "sending"];
    assert_eq!(names[..end], expected, "{names:?}");
    assert_eq!(names.last(), Some(&"closed"), "{names:?}");
}

fn the_lanes_of_a_trace_are_the_real_ones(form: &Form) {
    let file = File::new();
    let server = file.start(form, "--serve until-eof").run();
    let clients = server.accepted_many(2);
    // While the workers live, `/proc` has their ids.
    let lane = |client| {
        let thread = server.thread_of(client);
        let is_process = form.kind == Kind::Processes;
        let process = if is_process { thread } else { server.pid };
        (client.address, (process, thread))
    };
    let lanes: Vec<_> = clients.iter().map(lane).collect();
    drop(clients);
    let trace = stop_and_check(form, server, &file);
    for (client, lane) in lanes {
        for stage in trace.of(client) {
            assert_eq!(stage.lane, lane, "{stage:?}");
        }
    }
}

fn the_work_before_a_reply_is_a_stage_of_the_trace(form: &Form) {
    let file = File::new();
    let options = "--serve until-eof --cpu-work 20000";
    let server = file.start(form, options).run();
    let mut clients = server.accepted_many(2);
    exchange_all(&mut clients, b"hola\n");
    drop(clients);
    let trace = stop_and_check(form, server, &file);
    let work: Vec<_> =
        trace.stages.iter().filter(|stage| stage.name == "working").collect();
    assert_eq!(work.len(), 2);
    for stage in work {
        assert_eq!(stage.kind, Sort::Slice, "{stage:?}");
        assert!(stage.end - stage.start >= 20_000.0, "{stage:?}");
    }
}

fn a_reply_that_waits_is_shown_until_it_is_taken(form: &Form) {
    let file = File::new();
    let server = file.start(form, "--serve until-eof").run();
    let (mut slow, sent) = server.stalled();
    // Others are served meanwhile, in the same lane if there is but one.
    let mut other = server.client();
    let begin = now();
    other.exchange(b"meanwhile\n");
    let end = now();
    slow.half_close();
    assert_eq!(slow.receive_all().len(), sent);
    drop(other);
    let trace = stop_and_check(form, server, &file);
    // The reply that filled all buffers was on its way all that time.
    let stages = trace.of(slow.address);
    let waited = stages
        .iter()
        .find(|s| s.name == "sending" && s.start < begin && s.end > end);
    let waited = waited.unwrap_or_else(|| panic!("no wait: {stages:#?}"));
    let sort = match form.kind {
        Kind::Loop => Sort::Pair,
        _ => Sort::Slice,
    };
    assert_eq!(waited.kind, sort, "{waited:?}");
}

fn the_reason_of_an_end_is_in_the_trace(form: &Form) {
    let file = File::new();
    let options = "--serve until-eof --idle-timeout 1";
    let server = file.start(form, options).run();
    let mut ordinary = server.accepted();
    ordinary.leave();
    let mut idle = server.accepted();
    let reset = server.accepted().reset();
    idle.expect_end();
    let stopped = server.accepted();
    let trace = stop_and_check(form, server, &file);
    let reason = |client| {
        trace.of(client).last().and_then(|stage| stage.reason.as_deref())
    };
    assert_eq!(reason(ordinary.address), None);
    assert_eq!(reason(idle.address), Some("idle for 1 s"));
    assert_eq!(reason(reset), Some("connection reset by peer"));
    assert_eq!(reason(stopped.address), Some("server stopping"));
}

fn a_second_run_goes_on_in_the_same_trace(form: &Form) {
    let file = File::new();
    let mut before = String::new();
    for run in 1..=2 {
        let server = file.start(form, "--serve once").run();
        server.exchange(b"hola\n");
        server.stop();
        let text = file.text();
        assert!(text.starts_with("[\n"), "{text}");
        let more = text.strip_prefix(&before);
        let more = more.unwrap_or_else(|| panic!("{before}\nbecame\n{text}"));
        assert_eq!(more.contains("[\n"), run == 1, "{more}");
        assert_eq!(Trace::parse(&text).clients().len(), run);
        before = text;
    }
}

fn lines_of_many_clients_in_a_trace_are_whole(form: &Form) {
    const CLIENTS: usize = 8;
    let file = File::new();
    let server = file.start(form, "--serve until-eof").room_for(CLIENTS).run();
    at_once(CLIENTS as u64, |_| {
        let mut client = server.client();
        (0..20).for_each(|_| client.exchange(b"hola\n"));
        client.leave();
    });
    let trace = stop_and_check(form, server, &file);
    assert_eq!(trace.clients().len(), CLIENTS);
}

fn a_trace_that_cannot_be_opened_prevents_the_start(form: &Form) {
    let file = File::new();
    let folder = file.path.parent().expect("it is in a folder");
    for path in [&folder.join("nowhere/trace"), folder] {
        let shown = path.display().to_string();
        let mut told = Vec::new();
        for language in ["en", "es"] {
            let options = format!("--language {language}");
            let ended = form.start(&options).option("--trace", path).end();
            assert_told(&ended, &[&shown]);
            told.push(ended.stderr);
        }
        assert_ne!(told[0], told[1]);
    }
}

fn a_trace_that_cannot_be_written_stops_nothing(form: &Form) {
    let server = form.run("--serve until-eof --trace /dev/full");
    for _ in 0..5 {
        server.exchange(b"hola\n");
    }
    proc::assert_idle(server.pid, "a full disk");
    // Without a word about it, or a gap in what is printed.
    assert_eq!(server.stop().totals.clients, 5);
}

fn the_trace_has_its_variable(form: &Form) {
    let file = File::new();
    let path = file.path.display().to_string();
    let server = form.start("").env("ECHO_TRACE", path).run();
    let client = server.accepted();
    // At once: who looks at the file meanwhile finds it there.
    soon("the trace has begun", || {
        let all = Trace::parse(&file.text()).clients();
        all.into_iter().eq([client.address])
    });
    drop(client);
    stop_and_check(form, server, &file);
}

fn servers_started_at_once_begin_a_trace_once(form: &Form) {
    for exists in [false, true] {
        let file = File::new();
        if exists {
            fs::write(&file.path, "").expect("the folder is ours");
        }
        at_once(4, |_| {
            let server = file.start(form, "").run();
            server.exchange(b"hola\n");
            server.stop();
        });
        let text = file.text();
        assert!(text.starts_with("[\n"), "{text}");
        assert_eq!(text.matches("[\n").count(), 1, "{text}");
        assert_eq!(text.matches("\"connected\"").count(), 4, "{text}");
    }
}

fn a_server_that_begins_a_trace_keeps_others_out(form: &Form) {
    // strace holds the first write of the first server: that of the bracket.
    let hold = ["-e", "inject=write:delay_enter=1000ms:when=1"];
    let file = File::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            soon("the first server has opened it", || file.path.exists());
            file.start(form, "").run().stop();
        });
        let first = Traced::run(file.start(form, ""), "write", &hold);
        // Not the diagnostics: strace adds its own when calls are held.
        first.server.stop_unchecked();
    });
    let text = file.text();
    assert_eq!(text.matches("[\n").count(), 1, "{text}");
}

fn a_trace_that_was_cut_is_begun_anew(form: &Form) {
    let file = File::new();
    let server = file.start(form, "--serve until-eof").run();
    server.exchange(b"before\n");
    stays("nothing more is written", || file.text().starts_with("[\n"));
    // As logrotate(8) does with `copytruncate`.
    fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&file.path)
        .expect("the trace can be cut");
    let mut clients = server.clients(2);
    exchange_all(&mut clients, b"after\n");
    drop(clients);
    server.stop();
    let text = file.text();
    assert!(text.starts_with("[\n{"), "{text}");
    assert_eq!(text.matches("[\n").count(), 1, "{text}");
    assert_eq!(text.matches("\"connected\"").count(), 2, "{text}");
}
