//! One case: a server, clients in service, one call that fails, and the
//! balance sheet afterwards.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use probe::server::Server;
use probe::strace::{Strace, Target};
use probe::wait::{LIMIT, MOMENT, soon};
use probe::{Outcome, demand, proc};

use crate::client::Client;
use crate::faults::balance::Balance;
use crate::faults::table::{Case, Drive, Harm, Pipe, Whom};
use crate::forms::{Approach, all_end, end, replaced, start};
use crate::orders::signal;

/// What a server may use of the processor in one case. A case takes a second;
/// a server that spins for most of it exceeds this.
const PROCESSOR_TIME: Duration = Duration::from_millis(500);

/// What a server may use of the processor in a case that moves megabytes.
const FLOOD_TIME: Duration = Duration::from_secs(5);

/// How many clients are served at a time: so few that the run notices one place
/// that a fault has taken for ever.
const PLACES: usize = 12;

/// How often the call fails in a spell of trouble, and how long this takes a
/// server that pauses for a tenth of a second in between.
const SPELL_CALLS: usize = 5;
const SPELL: Duration = Duration::from_millis(300);

/// What a client says who comes during it.
const WAITING: &[u8] = b"I can wait\n";

/// The most rounds of anything: what has not happened by then never happens.
const ROUNDS: usize = 400;

/// A case on its way.
struct Scene<'a> {
    case: &'a Case,
    server: Server,
    /// Two clients who are in service all the time, and must not notice.
    bystanders: Vec<Client>,
    /// Whose thread or process is the one whose call fails.
    victim: Option<Client>,
    /// All other clients.
    others: Vec<Client>,
    /// Workers killed.
    kills: usize,
}

/// Runs a case.
///
/// # Errors
///
/// What was expected, and what came.
pub fn run(case: &Case) -> Outcome {
    let serve = if case.once() { "once" } else { "until-eof" };
    let options = format!("--serve {serve} --grace 60 --max-clients {PLACES}");
    let server = start(case.form, &options)?;
    let baseline = proc::settled(server.pid)?;
    let before = proc::processor_time(server.pid);
    let mut scene = Scene {
        case,
        server,
        bystanders: Vec::new(),
        victim: None,
        others: Vec::new(),
        kills: 0,
    };
    scene.open()?;
    let target = scene.target()?;
    let options = scene.options()?;
    let everyone = [scene.server.pid];
    let spell = case.row.drive == Drive::Spell;
    let target = if spell && case.form.approach() == Approach::Loops {
        // With several loops the call fails in all of them: a shortage is one
        // of the whole machine.
        Target::Processes(&everyone)
    } else {
        Target::Thread(target)
    };
    let strace = Strace::attach(target, &options)?;
    if case.row.fatal {
        return scene.expect_fatal_error(strace);
    }
    scene.drive(&strace)?;
    strace.wait_for_hit()?;
    if matches!(case.row.drive, Drive::Stop | Drive::SlowStop) {
        for client in &mut scene.others {
            client.be_cut()?;
        }
        // The grace is longer than is waited here.
        scene.server.ends_with(0)?;
        for client in &mut scene.bystanders {
            client.expect_end()?;
        }
        strace.detach()?;
        return scene.balance();
    }
    // The dead are reaped without a further client. strace is detached only
    // when the server is at rest: a signal that is on its way to a program gets
    // lost when strace, asked to end at that moment, lets go of the program.
    let pid = scene.server.pid;
    soon("no zombie is left", || !proc::has_zombies(pid))?;
    proc::settled(pid)?;
    strace.detach()?;
    scene.afterwards()?;
    proc::balanced(pid, &baseline)?;
    proc::at_rest(pid, MOMENT)?;
    let used = proc::processor_time(pid).saturating_sub(before);
    let bound = match case.row.drive {
        Drive::Flood => FLOOD_TIME,
        _ => PROCESSOR_TIME,
    };
    demand(used <= bound, || {
        format!("it has used {used:?} of processor time, more than {bound:?}")
    })?;
    end(&scene.server)?;
    scene.balance()
}

impl Scene<'_> {
    /// Brings the clients in service.
    fn open(&mut self) -> Outcome {
        for _ in 0..2 {
            let client = self.connect()?;
            self.bystanders.push(client);
        }
        let needed = match self.case.row.whom {
            Whom::Main => false,
            Whom::Victim => true,
            Whom::Acceptor => self.case.form.workers.is_some(),
        };
        if self.case.row.drive == Drive::SlowStop {
            let mut client = Client::connect_narrow(self.server.port())?;
            client.fill()?;
            self.others.push(client);
        }
        if needed {
            self.victim = Some(self.connect()?);
        }
        Ok(())
    }

    /// A client that is in service.
    fn connect(&mut self) -> Outcome<Client> {
        let mut client = if self.case.row.drive == Drive::Flood {
            Client::connect_narrow(self.server.port())?
        } else {
            Client::connect(self.server.port())?
        };
        if self.case.once() {
            // It has one message only, and keeps it for later.
            client.worker(&self.server)?;
        } else {
            client.talk(b"here I am\n")?;
        }
        Ok(client)
    }

    /// The thread whose call is to fail.
    fn target(&mut self) -> Outcome<Pid> {
        let pid = self.server.pid;
        let Some(mut victim) = self.victim.take() else {
            return Ok(pid);
        };
        let worker = victim.worker(&self.server)?;
        let target = match worker.split_once(' ') {
            Some(("process", id)) => id.parse().ok().map(Pid::from_raw),
            Some(_) => proc::thread_named(pid, &worker),
            None => Some(pid),
        };
        let target =
            target.ok_or_else(|| format!("{worker} is not to be found"))?;
        if self.case.row.whom == Whom::Victim {
            self.victim = Some(victim);
        } else {
            // This client's worker is free once the client has left, and
            // accepts the next client.
            victim.leave()?;
            self.others.push(victim);
        }
        Ok(target)
    }

    /// What strace is to do.
    fn options(&self) -> Outcome<Vec<String>> {
        let Case { row, errno, when, .. } = self.case;
        let call = row.call;
        let more = match row.drive {
            Drive::Spell => format!("..{SPELL_CALLS}"),
            _ => String::new(),
        };
        // In life these errors come with a signal, which would end a program
        // that does not ignore it.
        let with_signal = match *errno {
            "EPIPE" => ":signal=SIGPIPE",
            "EFBIG" => ":signal=SIGXFSZ",
            _ => "",
        };
        let mut options = vec![
            format!(
                "--inject={call}:error={errno}{with_signal}:when={when}{more}"
            ),
            format!("--trace={call}"),
        ];
        if row.drive == Drive::Complain {
            options.push("--inject=accept4:error=EMFILE:when=1".to_owned());
            options[1] += ",accept4";
        }
        if let Some(pipe) = row.pipe {
            options.push(format!("--trace-path={}", self.pipe(pipe)?));
        }
        Ok(options)
    }

    /// The name of one of the server's pipes: they are known by their order,
    /// that in which `Stop::new` and what follows it open them.
    fn pipe(&self, pipe: Pipe) -> Outcome<String> {
        let mut pipes = proc::descriptors(self.server.pid);
        pipes.retain(|(fd, target)| {
            *fd == 1 || *fd > 2 && target.starts_with("pipe:")
        });
        // Both ends of a pipe have its name.
        pipes.dedup_by(|(_, one), (_, other)| one == other);
        let found = match pipe {
            Pipe::Output => pipes.first(),
            Pipe::Signal => pipes.get(1),
            Pipe::Reports => pipes.get(2),
        };
        let found = found.map(|(_, target)| target.clone());
        found.ok_or_else(|| format!("{pipe:?}: there is no such pipe"))
    }

    /// Makes the call happen until it has failed.
    fn drive(&mut self, strace: &Strace) -> Outcome {
        let drive = self.case.row.drive;
        let needed = if drive == Drive::Complain { 2 } else { 1 };
        let end = Instant::now() + LIMIT;
        for _ in 0..ROUNDS {
            match drive {
                Drive::Visit | Drive::Complain => {
                    self.visit()?;
                    if self.case.row.whom == Whom::Main {
                        // Whatever the server does when a child has ended, it
                        // must do without the end of a second child.
                        proc::settled(self.server.pid)?;
                    }
                }
                Drive::Crowd => {
                    let client = self.connect()?;
                    self.others.push(client);
                }
                Drive::Talk => {
                    self.victim()?.talk(b"and what do you say?\n")?;
                }
                Drive::Spell => {
                    self.sit_out(strace)?;
                    break;
                }
                Drive::Leave => {
                    self.victim()?.leave()?;
                    break;
                }
                Drive::Flood => {
                    let victim = self.victim()?;
                    victim.fill()?;
                    victim.empty()?;
                }
                Drive::Once => {
                    let mut victim = match self.victim.take() {
                        Some(victim) => victim,
                        None => self.connect()?,
                    };
                    victim.serve_once(b"once\n")?;
                    self.others.push(victim);
                    if self.case.form.approach() == Approach::Each {
                        break;
                    }
                }
                Drive::Kill => self.kill_worker()?,
                Drive::Stop | Drive::SlowStop => {
                    self.server.signal(Signal::SIGTERM);
                    break;
                }
            }
            let broken =
                self.victim.as_ref().is_some_and(|victim| victim.hit.is_some());
            if strace.hits() >= needed || broken || Instant::now() >= end {
                break;
            }
        }
        Ok(())
    }

    fn victim(&mut self) -> Outcome<&mut Client> {
        self.victim.as_mut().ok_or_else(|| "there is no victim".to_owned())
    }

    /// A client comes, talks and leaves. Of several loops the kernel may wake
    /// always the same one unless that is busy, so there come more at once.
    fn visit(&mut self) -> Outcome {
        let loops = self.case.form.approach() == Approach::Loops;
        let number = if loops { 8 } else { 1 };
        let mut clients = (0..number)
            .map(|_| Client::connect(self.server.port()))
            .collect::<Outcome<Vec<_>>>()?;
        let mut result = Ok(());
        for client in &mut clients {
            let served = client.talk(b"hola\n").and_then(|()| client.leave());
            result = result.and(served);
        }
        self.others.append(&mut clients);
        result
    }

    /// A client comes while the call fails again and again, and is served
    /// once it does so no longer.
    fn sit_out(&mut self, strace: &Strace) -> Outcome {
        let mut client = Client::connect(self.server.port())?;
        client.send(WAITING)?;
        strace.wait_for_hit()?;
        let start = Instant::now();
        client.receive(WAITING)?;
        // A server that waits after it has accepted may serve the client before
        // all calls have failed.
        soon("the call is tried again", || strace.hits() >= SPELL_CALLS)?;
        let time = start.elapsed();
        self.others.push(client);
        demand(time >= SPELL, || {
            format!("it does not pause: {SPELL_CALLS} calls in {time:?}")
        })
    }

    /// Kills a worker without a client, and waits until it is replaced.
    fn kill_worker(&mut self) -> Outcome {
        let busy = self
            .bystanders
            .iter()
            .map(|client| client.worker(&self.server))
            .collect::<Outcome<Vec<_>>>()?;
        let idle = proc::children(self.server.pid)
            .into_iter()
            .find(|id| !busy.contains(&format!("process {id}")))
            .ok_or("there is no worker without a client")?;
        signal(idle, Signal::SIGKILL)?;
        self.kills += 1;
        replaced(&self.server, idle)
    }

    /// All clients are served to the end: the victim if it can be, polite
    /// clients that come only now, and those that were there all the time.
    fn afterwards(&mut self) -> Outcome {
        for client in &mut self.others {
            client.leave()?;
        }
        if let Some(mut victim) = self.victim.take() {
            self.finish(&mut victim)?;
            self.others.push(victim);
        }
        // There are as many as there are places, so that each place is used.
        let places = match self.case.form.approach() {
            Approach::Pool => 1,
            _ => PLACES - self.bystanders.len(),
        };
        let mut polite =
            (0..places).map(|_| self.connect()).collect::<Outcome<Vec<_>>>()?;
        for client in &mut polite {
            self.finish(client)?;
        }
        self.others.append(&mut polite);
        let mut bystanders = std::mem::take(&mut self.bystanders);
        for client in &mut bystanders {
            self.finish(client)?;
        }
        let harmed = bystanders.iter().try_for_each(Client::unharmed);
        self.others.append(&mut bystanders);
        harmed.map_err(|text| format!("a bystander was harmed: {text}"))
    }

    /// Serves a client to its end.
    fn finish(&self, client: &mut Client) -> Outcome {
        if client.left || client.hit.is_some() {
            return Ok(());
        }
        if self.case.once() {
            return client.serve_once(&[b'm'; 1000]);
        }
        // Longer than the server's buffer: several messages for it.
        client.talk(&[b'm'; 3000])?;
        client.talk(b"thanks\n")?;
        client.leave()
    }

    /// A mistake in the program: it has to end, with status 1 and one line,
    /// and to leave nothing behind.
    fn expect_fatal_error(mut self, strace: Strace) -> Outcome {
        let tree = proc::tree(self.server.pid);
        for _ in 0..ROUNDS {
            // These clients may be served or cut off.
            if strace.hits() > 0 || self.visit().is_err() {
                break;
            }
        }
        strace.wait_for_hit()?;
        self.server.ends_with(1)?;
        strace.detach()?;
        let errors = self.server.stderr.try_all()?;
        demand(errors.len() == 1, || {
            format!("not one line on standard error: {errors:#?}")
        })?;
        all_end(&tree)
    }

    /// Compares what the clients know with what the server has printed.
    fn balance(mut self) -> Outcome {
        self.others.append(&mut self.bystanders);
        self.others.extend(self.victim.take());
        let hits: Vec<_> = self
            .others
            .iter()
            .filter_map(|client| client.hit.clone())
            .collect();
        let expected = match self.case.fault.harm {
            Harm::NoClient => 0..=0,
            Harm::One => 1..=1,
            Harm::Perhaps => 0..=1,
        };
        demand(expected.contains(&hits.len()), || {
            format!("{expected:?} clients may be harmed, were: {hits:?}")
        })?;
        let balance = Balance {
            case: self.case,
            server: &self.server,
            clients: &self.others,
            kills: self.kills,
        };
        balance.check()
    }
}
