//! Experiments on the servers, run as their users run them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use probe::proc;
use probe::wait::within;

use super::Bench;
use crate::catalogue::{Program, Serve};
use crate::claims::Experiment;
use crate::growth;
use crate::load::{self, Ending, Shape, Target};
use crate::machine::processors;
use crate::measure::{self, Account, Metric};
use crate::program::{Server, Unavailable};
use Program as P;

/// How long each client of `waiting` does so.
pub(super) const WAIT: Duration = Duration::from_millis(100);
/// Processor time that a heavy message costs, seconds.
pub(super) const WORK: f64 = 0.01;
/// No step of an experiment takes as long as this.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A program for each approach.
const APPROACHES: [Program; 3] = [P::Threads, P::Process, P::MuxPoll];

/// What the samples call an approach; the program stands for the approach.
fn approach(program: Program) -> &'static str {
    match program {
        P::MuxPoll => "mux",
        other => other.name(),
    }
}

impl Bench<'_> {
    /// In each round the turn of each program, one after the other.
    fn in_turn(
        &mut self,
        what: &str,
        programs: &[Program],
        turn: impl Fn(&mut Self, Program) -> Result<()>,
    ) -> Result<()> {
        for round in 1..=self.effort.rounds {
            for &program in programs {
                self.begins(&format!("{what}, round {round}: {program}"))?;
                turn(self, program)?;
            }
        }
        Ok(())
    }

    /// Starts a server of ours, which has to be there.
    fn ours(
        &mut self,
        program: Program,
        serve: Serve,
        clients: usize,
        options: &[&str],
    ) -> Result<Server> {
        let server = self.start(program, serve, clients, options);
        server.with_context(|| program.to_string())
    }

    /// Starts a server for so many clients, with more options.
    fn start(
        &mut self,
        program: Program,
        serve: Serve,
        clients: usize,
        options: &[&str],
    ) -> Result<Server, Unavailable> {
        let (mut command, announces) =
            self.catalogue.command(program, serve, clients)?;
        command.args(options);
        self.used.insert(program);
        Server::start(command, announces)
    }
}

/// Sends one message and reads its echo.
fn talk(stream: &mut TcpStream, message: &[u8]) -> Result<()> {
    stream.write_all(message)?;
    let mut reply = vec![0; message.len()];
    stream.read_exact(&mut reply).context("no reply")?;
    ensure!(reply == message, "a wrong reply");
    Ok(())
}

/// Runs so many clients at the same time, each in a thread; all begin
/// together, and the time until the last has finished is returned.
fn together(
    count: usize,
    client: impl Fn(&Barrier) -> Result<()> + Sync,
) -> Result<Duration> {
    let begin = Barrier::new(count + 1);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..count)
            .map(|_| {
                thread::Builder::new()
                    .stack_size(64 * 1024)
                    .spawn_scoped(scope, || client(&begin))
            })
            .collect::<Result<_, _>>()
            .context("no thread for a client")?;
        begin.wait();
        let start = Instant::now();
        for client in clients {
            client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok(start.elapsed())
    })
}

/// Idle connections held open: what each costs.
pub(super) fn memory(bench: &mut Bench<'_>) -> Result<()> {
    let count = bench.effort.connections;
    let what = format!("memory of {count} connections");
    bench.in_turn(&what, &APPROACHES, |bench, program| {
        bench.used.insert(program);
        let values = measure::memory(bench.catalogue, program, count)?;
        let whose = approach(program);
        for (metric, unit) in [
            (Metric::UserKib, "user_kib"),
            (Metric::PageTablesKib, "page_tables_kib"),
            (Metric::KernelKib, "kernel_kib"),
        ] {
            bench.push(format!("memory/{whose}/{unit}"), values[&metric]);
        }
        Ok(())
    })
}

/// Clients that are greeted, wait, and then send: how long until all are
/// served.
pub(super) fn waiting(bench: &mut Bench<'_>) -> Result<()> {
    let clients = bench.effort.waiting;
    for round in 1..=bench.effort.serial_rounds {
        bench.begins(&format!("{clients} clients that wait, round {round}"))?;
        for program in APPROACHES {
            let server = bench.ours(program, Serve::UntilEof, clients, &[])?;
            let took = wait_and_send(bench, &server, clients)?;
            let whose = approach(program);
            bench.push(format!("waiting/{whose}/wall_ms"), took);
        }
        let server = bench.catalogue.start_serial();
        let server = server.with_context(|| P::Threads.to_string())?;
        let took = wait_and_send(bench, &server, clients)?;
        bench.push("waiting/one_after_the_other/wall_ms", took);
    }
    Ok(())
}

/// Milliseconds until all clients are served.
fn wait_and_send(
    bench: &Bench<'_>,
    server: &Server,
    clients: usize,
) -> Result<f64> {
    let over = AtomicBool::new(false);
    let live = bench.live;
    let took = thread::scope(|scope| {
        // A request to stop kills the server, so that the run need not wait for
        // the slowest one.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if live.stops() {
                    let _ = kill(server.pid(), Signal::SIGKILL);
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let took = together(clients, |begin| {
            begin.wait();
            let mut stream = server.target().connect()?;
            stream.set_read_timeout(Some(TIMEOUT * 2))?;
            talk(&mut stream, b"here")?;
            // The test waits for no event here: the client itself is slow.
            thread::sleep(WAIT);
            talk(&mut stream, b"done")
        });
        over.store(true, Ordering::Relaxed);
        took
    })?;
    Ok(took.as_secs_f64() * 1e3)
}

/// A fatal signal to the worker of one of many clients: the share of the
/// others who still get a reply.
pub(super) fn crash(bench: &mut Bench<'_>) -> Result<()> {
    const CLIENTS: usize = 50;
    bench.in_turn("a fatal signal", &APPROACHES, |bench, program| {
        let server = bench.ours(program, Serve::UntilEof, CLIENTS, &[])?;
        let mut streams = Vec::new();
        for _ in 0..CLIENTS {
            let mut stream = server.target().connect()?;
            talk(&mut stream, b"here")?;
            streams.push(stream);
        }
        crash_for_good(worker(&server, program)?)?;
        let answered = streams
            .iter_mut()
            .filter_map(|stream| talk(stream, b"still there").ok())
            .count();
        let share = answered as f64 / (CLIENTS - 1) as f64;
        let name = format!("crash/{}/others_served_share", approach(program));
        bench.push(name, share.min(1.0));
        Ok(())
    })
}

/// What serves one of the clients: a child of process-server, a thread of
/// threads-server (signals go to its process, which is the point), or the
/// loop.
fn worker(server: &Server, program: Program) -> Result<Pid> {
    let all = match program {
        P::Process => proc::tree(server.pid()),
        P::Threads => proc::threads(server.pid()),
        _ => return Ok(server.pid()),
    };
    all.into_iter().find(|pid| *pid != server.pid()).context("no worker")
}

/// Sends a fatal signal until nothing runs any more under this number.
///
/// Rust's runtime has a handler for stacks that overflow. That handler leaves
/// any other fault to the kernel: a real fault happens again at once, but a
/// signal sent by kill(2) has to be sent again.
fn crash_for_good(pid: Pid) -> Result<()> {
    let gone = within(TIMEOUT, || {
        // The process may have just ended: then no more signals are needed.
        let _ = kill(pid, Signal::SIGSEGV);
        proc::is_gone(pid).then_some(())
    });
    gone.with_context(|| format!("process {pid} survived SIGSEGV"))
}

/// Messages that cost processor time: the speed-up from one client to as
/// many as there are processors.
pub(super) fn compute(bench: &mut Bench<'_>) -> Result<()> {
    let clients = processors().len().clamp(2, 8);
    let messages = bench.effort.heavy_messages;
    let work = format!("{:.0}", WORK * 1e6);
    let options = ["--cpu-work", work.as_str()];
    let mut servers = Vec::new();
    let python = [P::PythonThreading, P::PythonMultiprocessing];
    for program in APPROACHES.into_iter().chain(python) {
        match bench.start(program, Serve::UntilEof, clients, &options) {
            Ok(server) => servers.push((program, server)),
            Err(why) if program.is_ours() => {
                return Err(why).with_context(|| program.to_string());
            }
            Err(why) => {
                bench.observer.says(&format!("left out: {program}: {why}"));
                let why = why.to_string();
                bench.missing.insert(Experiment::Compute, why);
            }
        }
    }
    for round in 1..=bench.effort.rounds {
        // What this experiment itself uses: this process, and its children,
        // which the servers are.
        let ours = Account::new(Pid::this());
        ours.read();
        for (program, server) in &servers {
            let what = "work for the processor";
            bench.begins(&format!("{what}, round {round}: {program}"))?;
            let send = |count: usize| {
                together(count, |begin| {
                    let stream = server.target().connect();
                    begin.wait();
                    let mut stream = stream?;
                    (0..messages).try_for_each(|_| talk(&mut stream, b"work"))
                })
            };
            let one = send(1)?.as_secs_f64();
            let many = send(clients)?.as_secs_f64();
            let whose = approach(*program);
            let speed_up = one * clients as f64 / many;
            bench.push(format!("compute/{whose}/speed_up_times"), speed_up);
        }
        ours.read();
        let used = ours.used().context("no processor time")?;
        let others = used.share_of_others(Duration::ZERO);
        let others = others.context("children without processor time")?;
        bench.push("compute/others_share", others);
    }
    Ok(())
}

/// Light clients, that come and go without a message, beside one whose
/// messages keep the processor busy.
pub(super) fn fairness(bench: &mut Bench<'_>) -> Result<()> {
    // This is twice as much work as elsewhere, so that the wait differs clearly
    // from what a busy machine causes.
    let work = format!("{:.0}", WORK * 2e6);
    let options = ["--cpu-work", work.as_str()];
    let time = bench.effort.seconds + bench.effort.warm_up_seconds;
    let time = Duration::from_secs_f64(time);
    let what = "light clients beside a heavy one";
    bench.in_turn(what, &APPROACHES, |bench, program| {
        let server = bench.ours(program, Serve::UntilEof, 8, &options)?;
        let target = server.target();
        let alone = come_and_go(target, time / 2)?;
        let over = AtomicBool::new(false);
        let beside = thread::scope(|scope| {
            let heavy = scope.spawn(|| -> Result<()> {
                let mut stream = target.connect()?;
                while !over.load(Ordering::Relaxed) {
                    talk(&mut stream, b"work")?;
                }
                Ok(())
            });
            let beside = come_and_go(target, time);
            over.store(true, Ordering::Relaxed);
            heavy.join().map_err(|_| anyhow!("a client panicked"))??;
            beside
        })?;
        let whose = approach(program);
        bench.push(format!("fairness/{whose}/alone_ns"), alone);
        bench.push(format!("fairness/{whose}/beside_heavy_ns"), beside);
        Ok(())
    })
}

/// The median of how long it takes clients, one after the other, to be
/// connected, say nothing, and be closed by the server, in nanoseconds.
fn come_and_go(target: Target, time: Duration) -> Result<f64> {
    let mut latencies = Vec::new();
    let end = Instant::now() + time;
    // The pauses of 1.0 to 4.9 ms keep these clients out of step with the heavy
    // one.
    let mut pause = 0;
    while Instant::now() < end || latencies.len() < 3 {
        let start = Instant::now();
        let mut stream = target.connect()?;
        stream.shutdown(Shutdown::Write)?;
        let mut nothing = Vec::new();
        stream.read_to_end(&mut nothing)?;
        latencies.push(start.elapsed().as_secs_f64() * 1e9);
        ensure!(nothing.is_empty(), "a reply to nothing");
        pause = (pause + 7) % 40;
        thread::sleep(Duration::from_micros(1000 + pause * 100));
    }
    crate::stats::median(&latencies).context("no light client")
}

/// One exchange for each connection: what a pool takes away of it.
pub(super) fn pools(bench: &mut Bench<'_>) -> Result<()> {
    const CLIENTS: usize = 8;
    let programs =
        [P::Threads, P::ThreadsPool, P::Process, P::ProcessPool, P::MuxPoll];
    let servers = all_started(bench, &programs, Serve::Once, CLIENTS)?;
    bench.in_turn("one exchange each", &programs, |bench, program| {
        let shape = Shape::Exchange(Ending::Server);
        let (cpu, _) = load_on(bench, &servers[&program], shape, CLIENTS)?;
        let name = program.name();
        bench.push(format!("pools/{name}/cpu_each_ns"), cpu);
        Ok(())
    })
}

/// Many connections that all talk: processor time and context switches for
/// each request.
pub(super) fn efficiency(bench: &mut Bench<'_>) -> Result<()> {
    let clients = bench.effort.connections;
    let what = format!("{clients} clients that talk");
    let programs = [P::Threads, P::Process, P::MuxPoll, P::MuxEpoll];
    let servers = all_started(bench, &programs, Serve::UntilEof, clients)?;
    bench.in_turn(&what, &programs, |bench, program| {
        let server = &servers[&program];
        let (cpu, switches) = load_on(bench, server, Shape::Echo, clients)?;
        let name = program.name();
        bench.push(format!("efficiency/{name}/cpu_each_ns"), cpu);
        bench.push(format!("efficiency/{name}/switches_each_count"), switches);
        Ok(())
    })
}

/// The servers of an experiment that all run from its beginning to its end.
fn all_started(
    bench: &mut Bench<'_>,
    programs: &[Program],
    serve: Serve,
    clients: usize,
) -> Result<BTreeMap<Program, Server>> {
    let start = |program: &Program| {
        Ok((*program, bench.ours(*program, serve, clients, &[])?))
    };
    programs.iter().map(start).collect()
}

/// Processor time, nanoseconds, and context switches of a server for each
/// operation of a load.
fn load_on(
    bench: &Bench<'_>,
    server: &Server,
    shape: Shape,
    clients: usize,
) -> Result<(f64, f64)> {
    let time = [bench.effort.seconds, bench.effort.warm_up_seconds];
    let plan = measure::plan(server, shape, clients, time)?;
    let account = Account::with_switches(server.pid());
    let outcome = load::run(&plan, bench.live, &|| account.read())?;
    ensure!(!bench.live.stops(), "stopped");
    ensure!(outcome.errors.total() == 0, "{}", outcome.errors);
    ensure!(outcome.completed > 0, "nothing was answered");
    let used = account.used().context("no processor time")?;
    let cpu = used.cpu_each_ns(outcome.completed);
    measure::settle(server);
    let switches = used.switches as f64 / outcome.completed as f64;
    Ok((cpu.context("no processor time")?, switches))
}

/// One active connection beside idle ones, as `lab growth` measures it.
pub(super) fn scaling(bench: &mut Bench<'_>) -> Result<()> {
    // The curves tell the observer themselves how long they take.
    bench.left = 0.0;
    let effort = &bench.effort.growth;
    let growth =
        growth::run(bench.catalogue, effort, bench.live, bench.observer)?;
    ensure!(!bench.live.stops(), "stopped");
    for step in &growth.steps {
        bench.used.insert(step.program);
        let (name, idle) = (step.program.name(), step.idle);
        bench.push(
            format!("scaling/{name}/beside_{idle}/round_trip_ns"),
            step.round_trip_ns,
        );
    }
    Ok(())
}
