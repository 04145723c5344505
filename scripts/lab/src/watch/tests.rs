//! The lanes and the screen, drawn from lines and samples that are known.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::kernel::{Sample, Task};
use super::line::{Key, Worker};
use super::model::{Doing, Model};
use super::options::{Approach, Options};
use super::script::Role;
use super::view::{Look, Screen};
use super::words;
use crate::language::Language;
use crate::procfs::Memory;

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn model(approach: Approach, pool: bool) -> Model {
    let mut model = Model::new(approach, pool);
    let program = approach.program();
    model.line(&format!("{program} listening on 127.0.0.1:8080"), at(0));
    model
}

/// What a lane of 100 ms for each cell shows, a space where there is nothing.
fn lane(model: &Model, key: Key, now: u64, width: usize) -> String {
    let row = model.rows().find(|row| row.key == key).unwrap();
    row.cells(at(now), at(100), width)
        .into_iter()
        .map(|doing| doing.map_or(' ', |it| words::sign(Language::English, it)))
        .collect()
}

fn keys(model: &Model) -> Vec<Key> {
    model.rows().map(|row| row.key).collect()
}

fn sample(milliseconds: u64) -> Sample {
    Sample { at: at(milliseconds), ..Sample::default() }
}

fn sleeps() -> Task {
    Task { state: 'S', call: Some("poll".to_owned()), wchan: None }
}

const THREAD: Key = Key::Worker(Worker::Thread(1));
const LOOP: Key = Key::Worker(Worker::Loop);

#[test]
fn a_thread_waits_receives_works_sends_and_closes() {
    let mut model = model(Approach::Threads, false);
    let client = "thread 1      127.0.0.1:1  ";
    for (time, event) in [
        (100, "connected"),
        (400, "received 7 bytes: hola"),
        (800, "sent 7 bytes"),
        (1000, "closed: one exchange"),
    ] {
        model.line(&format!("{client}{event}"), at(time));
    }
    assert_eq!(lane(&model, THREAD, 1199, 12), " A··R███S·C ");
    assert_eq!(lane(&model, Key::Main, 1199, 12), "·A··········");
    assert_eq!((model.served, model.active), (1, 0));
    // Before, and with time to the left that the view has not lived.
    assert_eq!(lane(&model, THREAD, 650, 7), " A··R██");
    assert_eq!(lane(&model, THREAD, 250, 5), "   A·");
    // Later it runs to the left, and out of the window.
    assert_eq!(lane(&model, THREAD, 1599, 12), "R███S·C     ");
    let seen = |now| model.shown(at(now), 10).0.len();
    assert_eq!((seen(900), seen(1001)), (2, 1));
}

#[test]
fn what_happens_at_the_same_moment_stands_one_behind_the_other() {
    let mut model = model(Approach::Threads, false);
    for event in ["connected", "received 1 byte: x", "sent 1 byte", "closed"] {
        model.line(&format!("thread 1      127.0.0.1:1  {event}"), at(300));
    }
    assert_eq!(lane(&model, THREAD, 799, 8), "   ARSC ");
    // What does not fit near its time is left out, not shown at a wrong one.
    let mut model = self::model(Approach::Threads, false);
    for _ in 0..100 {
        let line = "thread 1      127.0.0.1:1  received 1 byte: x";
        model.line(line, at(300));
    }
    let signs = lane(&model, THREAD, 1999, 20);
    assert_eq!(signs.matches('R').count(), 4);
}

#[test]
fn the_clients_of_a_loop_have_rows_of_their_own() {
    let mut model = model(Approach::Loop, false);
    let loop_line = |client: u16, event: &str| {
        format!("loop          127.0.0.1:{client}  {event}")
    };
    model.line(&loop_line(1, "connected"), at(100));
    model.line(&loop_line(2, "connected"), at(200));
    model.line(&loop_line(1, "received 3 bytes: uno"), at(300));
    // The loop computes, and the message of the other one waits.
    let mut queued = sample(400);
    queued.buffers.insert(address(2), (5, 0));
    model.observe(queued, HashMap::new());
    model.line(&loop_line(1, "sent 3 bytes"), at(700));
    model.line(&loop_line(2, "received 5 bytes: otro"), at(800));
    model.line(&loop_line(2, "sent 5 bytes"), at(1000));
    assert_eq!(
        keys(&model),
        [LOOP, Key::Client(address(1)), Key::Client(address(2))]
    );
    assert_eq!(lane(&model, LOOP, 1199, 12), "·AAR███SR█S·");
    assert_eq!(lane(&model, Key::Client(address(1)), 1199, 12), " A·R███S····");
    assert_eq!(lane(&model, Key::Client(address(2)), 1199, 12), "  A·░░░░R█S·");
}

#[test]
fn a_client_in_the_accept_queue_has_a_row_until_it_is_accepted() {
    let mut model = model(Approach::Threads, false);
    let mut queued = sample(200);
    queued.queued = vec![address(5)];
    model.observe(queued, HashMap::new());
    let queue = Key::Queue(address(5));
    assert_eq!(lane(&model, queue, 499, 5), "  ░░░");
    model.line("thread 1      127.0.0.1:5  connected", at(500));
    assert_eq!(keys(&model), [Key::Main, THREAD]);
    // How long it was queued stays in its lane.
    assert_eq!(lane(&model, THREAD, 799, 8), "  ░░░A··");
    // One that goes away unserved does not stay.
    let mut queued = sample(900);
    queued.queued = vec![address(6)];
    model.observe(queued, HashMap::new());
    model.observe(sample(1000), HashMap::new());
    let row = model.rows().find(|row| row.key == Key::Queue(address(6)));
    assert_eq!(row.unwrap().state, None);
}

#[test]
fn who_sleeps_with_unsent_bytes_sends() {
    let mut model = model(Approach::Threads, false);
    model.line("thread 1      127.0.0.1:5  connected", at(100));
    model.line("thread 1      127.0.0.1:5  received 9 bytes: x", at(200));
    let observe = |model: &mut Model, time, unsent, state| {
        let mut seen = sample(time);
        seen.buffers.insert(address(5), (0, unsent));
        let task = Task { state, ..sleeps() };
        model.observe(seen, HashMap::from([(THREAD, task)]));
    };
    let state = |model: &Model| {
        model.rows().find(|row| row.key == THREAD).unwrap().state
    };
    // It runs: it works, be it that an earlier reply is on its way.
    observe(&mut model, 300, 4096, 'R');
    assert_eq!(state(&model), Some(Doing::Works));
    // It sleeps, yet nothing waits: it is only about to run.
    observe(&mut model, 400, 0, 'S');
    assert_eq!(state(&model), Some(Doing::Works));
    // A sample from before the line says nothing about it.
    observe(&mut model, 150, 4096, 'S');
    assert_eq!(state(&model), Some(Doing::Works));
    observe(&mut model, 500, 4096, 'S');
    assert_eq!(state(&model), Some(Doing::Sends));
}

#[test]
fn a_loop_that_sleeps_does_not_work_whatever_its_client_owes() {
    let mut model = model(Approach::Loop, false);
    model.line("loop          127.0.0.1:5  connected", at(100));
    model.line("loop          127.0.0.1:5  received 9 bytes: x", at(200));
    let mut seen = sample(300);
    seen.buffers.insert(address(5), (0, 4096));
    model.observe(seen, HashMap::from([(LOOP, sleeps())]));
    assert_eq!(lane(&model, LOOP, 499, 5), "·AR··");
    let client = Key::Client(address(5));
    assert_eq!(lane(&model, client, 499, 5), " ARSS");
}

#[test]
fn the_workers_of_a_pool_stay_and_wait() {
    let mut model = model(Approach::Processes, true);
    model.workers(&[Worker::Process(7), Worker::Process(8)], at(0));
    let client = "process 7     127.0.0.1:5  ";
    model.line(&format!("{client}connected"), at(100));
    model.line(&format!("{client}closed"), at(300));
    let key = Key::Worker(Worker::Process(7));
    assert_eq!(lane(&model, key, 599, 6), "·A·C··");
    // The workers accept themselves.
    assert_eq!(lane(&model, Key::Main, 599, 6), "······");
    model.line("process 7     died: SIGKILL", at(600));
    assert_eq!(lane(&model, key, 899, 9), "·A·C··C  ");
    assert_eq!(model.active, 0);
}

#[test]
fn of_too_many_clients_the_last_ones_stay() {
    let mut model = model(Approach::Threads, false);
    for number in 1..=40 {
        let line = format!("thread {number:<5}  127.0.0.1:{number}  connected");
        model.line(&line, at(100));
    }
    // The last two have gone already: those that live come first.
    for number in 39..=40 {
        let line = format!("thread {number:<5}  127.0.0.1:{number}  closed");
        model.line(&line, at(200));
    }
    // A line that was late does not change the order.
    model.line("thread 0      127.0.0.1:99  connected", at(200));
    let (rows, hidden) = model.shown(at(0), 4);
    let keys: Vec<Key> = rows.iter().map(|row| row.key).collect();
    let thread = |number| Key::Worker(Worker::Thread(number));
    assert_eq!(keys, [Key::Main, thread(36), thread(37), thread(38)]);
    assert_eq!(hidden, 38);
}

#[test]
fn what_is_remembered_has_a_limit() {
    let mut model = model(Approach::Threads, false);
    for number in 0..500u64 {
        let line = format!("thread {number:<5}  127.0.0.1:9  connected");
        model.line(&line, at(number));
        let line = format!("thread {number:<5}  127.0.0.1:9  closed");
        model.line(&line, at(number));
    }
    model.line("thread 500    127.0.0.1:9  connected", at(5000));
    for number in 0..150_000 {
        let line = "thread 500    127.0.0.1:9  received 1 byte: x";
        model.line(line, at(5000 + number / 100));
    }
    model.forget(at(5000));
    // The main thread, the last one that ended, and the one that lives.
    assert!(model.rows().count() <= 3);
    assert!(model.lines.len() <= 100);
    assert_eq!(lane(&model, Key::Worker(Worker::Thread(500)), 6499, 3), "RRR");
}

fn draw(screen: &Screen<'_>, width: u16, height: u16) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    screen.draw(area, &mut buffer);
    let cells = buffer.content.iter();
    cells.map(ratatui::buffer::Cell::symbol).collect()
}

/// A screen with one client of each kind.
fn with_screen(language: Language, test: impl FnOnce(&mut Screen<'_>)) {
    let mut model = model(Approach::Threads, false);
    for client in 1..=4 {
        let line = format!("thread {client}      127.0.0.1:{client}  ");
        model.line(&format!("{line}connected"), at(100));
    }
    model.line("thread 2      127.0.0.1:2  received 5 bytes: ñandú", at(200));
    let mut seen = sample(300);
    seen.queue = Some((2, 1024));
    seen.held.descriptors = Some(9);
    let memory = Memory { pss_kib: 2048, threads: 5, ..Memory::default() };
    seen.held.memory = Some(memory);
    model.observe(seen, HashMap::from([(THREAD, sleeps())]));
    let options = Options::new(Approach::Threads, &[]).unwrap();
    let clients = (1..).map(address);
    let roles = clients.zip(Role::ALL).collect();
    let mut screen = Screen {
        look: Look { language, colour: true, utf8: true },
        model: &model,
        options: &options,
        now: at(1000),
        cell: at(100),
        paused: false,
        help: false,
        message: None,
        roles: &roles,
    };
    test(&mut screen);
}

#[test]
fn both_sizes_and_languages_show_everything() {
    for language in Language::ALL {
        for (width, height) in [(80, 24), (120, 40)] {
            with_screen(language, |screen| {
                let text = draw(screen, width, height);
                for expected in [
                    "threads-server",
                    "nc -N 127.0.0.1 8080",
                    "ncat 127.0.0.1 8080",
                    "▀▀▀",
                    "Recv-Q 2  Send-Q 1024",
                    "S poll",
                    "2.0 MiB",
                    language.pick("thread 1  ", "hilo 1  "),
                    language.pick("slow :1", "lento :1"),
                    language.pick("computing :3", "calcula :3"),
                    language.pick("░ queued", "░ en cola"),
                    language.pick("? help", "? ayuda"),
                    language.pick("q quit", "q salir"),
                    "AR██",
                    "received 5 bytes: ñandú",
                ] {
                    assert!(text.contains(expected), "{expected}:\n{text}");
                }
            });
        }
    }
}

#[test]
fn no_size_and_no_page_is_drawn_outside_of_the_screen() {
    with_screen(Language::Spanish, |screen| {
        for (width, height) in
            [(1, 1), (10, 3), (79, 24), (80, 23), (80, 24), (300, 100)]
        {
            for help in [false, true] {
                screen.help = help;
                screen.message = help.then_some("algo que decir");
                draw(screen, width, height);
            }
        }
    });
}
