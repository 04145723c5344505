//! One case: a server, clients in service, one call that fails, and the
//! balance sheet afterwards.

use std::{io, mem};

use probe::client::Client as Connection;

use crate::faults::client::Client;
use crate::faults::table::{Case, Drive, Pipe, Whom};
use crate::forms::{all_end, replaced};
use crate::orders::signal;
use crate::prelude::*;

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
pub struct Scene<'a> {
    /// What is tried.
    pub case: &'a Case,
    /// The server.
    pub server: Server,
    /// Two clients who are in service all the time, and must not notice.
    bystanders: Vec<Client>,
    /// Whose thread or process is the one whose call fails.
    victim: Option<Client>,
    /// All other clients; in the end all.
    pub others: Vec<Client>,
    /// Workers killed, each of which is worth a line.
    pub kills: usize,
}

/// Runs a case.
///
/// # Panics
///
/// When something else comes than was expected.
pub fn run(case: &Case) {
    let serve = if case.once() { "once" } else { "until-eof" };
    let options = format!("--serve {serve} --grace 60 --max-clients {PLACES}");
    let server = case.form.run(&options);
    let pid = server.pid;
    let baseline = proc::settled(pid);
    let before = proc::processor_time(pid);
    let mut scene = Scene {
        case,
        server,
        bystanders: Vec::new(),
        victim: None,
        others: Vec::new(),
        kills: 0,
    };
    scene.open();
    let target = scene.target();
    let options = scene.options();
    let spell = case.row.drive == Drive::Spell;
    let target = if spell && case.form.approach() == Approach::Loops {
        // With several loops the call fails in all of them: a shortage is one
        // of the whole machine.
        Target::Processes(&[pid])
    } else {
        Target::Thread(target)
    };
    let strace = Strace::attach(target, &options);
    if case.row.fatal {
        return scene.expect_fatal_error(strace);
    }
    scene.drive(&strace);
    strace.wait_for_hit();
    if matches!(case.row.drive, Drive::Stop | Drive::SlowStop) {
        scene.others.iter_mut().for_each(Client::be_cut);
        // The grace is longer than is waited here.
        scene.server.ends_with(0);
        scene.bystanders.iter_mut().for_each(Client::expect_end);
        strace.detach();
        return scene.balance();
    }
    // The dead are reaped without a further client. strace is detached only
    // when the server is at rest: a signal that is on its way to a program gets
    // lost when strace, asked to end at that moment, lets go of the program.
    soon("no zombie is left", || !proc::has_zombies(pid));
    proc::settled(pid);
    strace.detach();
    scene.afterwards();
    proc::balanced(pid, &baseline);
    proc::at_rest(pid);
    let used = proc::processor_time(pid).saturating_sub(before);
    let bound = match case.row.drive {
        Drive::Flood => FLOOD_TIME,
        _ => PROCESSOR_TIME,
    };
    assert!(used <= bound, "it has used {used:?} of processor time");
    end(&scene.server);
    scene.balance();
}

impl Scene<'_> {
    /// Brings the clients in service.
    fn open(&mut self) {
        self.bystanders = vec![self.connect(), self.connect()];
        let needed = match self.case.row.whom {
            Whom::Main => false,
            Whom::Victim => true,
            Whom::Acceptor => self.case.form.workers.is_some(),
        };
        if self.case.row.drive == Drive::SlowStop {
            let mut client = self.connect_narrow();
            client.fill();
            self.others.push(client);
        }
        if needed {
            self.victim = Some(self.connect());
        }
    }

    fn connect_narrow(&self) -> Client {
        Client::new(Connection::connect_narrow(self.server.address))
    }

    /// A client that is in service.
    fn connect(&self) -> Client {
        let mut client = if self.case.row.drive == Drive::Flood {
            self.connect_narrow()
        } else {
            Client::new(self.server.client())
        };
        if self.case.once() {
            // It has one message only, and keeps it for later.
            self.server.worker_of(&client.connection);
        } else {
            client.talk(b"here I am\n");
        }
        client
    }

    /// The thread whose call is to fail.
    fn target(&mut self) -> Pid {
        let Some(victim) = &mut self.victim else {
            return self.server.pid;
        };
        let target = self.server.thread_of(&victim.connection);
        if self.case.row.whom == Whom::Acceptor {
            // This client's worker is free once the client has left, and
            // accepts the next client.
            victim.leave();
            self.others.extend(self.victim.take());
        }
        target
    }

    /// What strace is to do.
    fn options(&self) -> Vec<String> {
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
            options.push(format!("--trace-path={}", self.pipe(pipe)));
        }
        options
    }

    /// The name of one of the server's pipes: they are known by their order,
    /// that in which `Stop::new` and what follows it open them.
    fn pipe(&self, pipe: Pipe) -> String {
        let mut pipes = proc::descriptors(self.server.pid);
        pipes.retain(|(fd, target)| {
            *fd == 1 || *fd > 2 && target.starts_with("pipe:")
        });
        // Both ends of a pipe have its name.
        pipes.dedup_by(|(_, one), (_, other)| one == other);
        pipes[pipe as usize].1.clone()
    }

    /// Makes the call happen until it has failed.
    fn drive(&mut self, strace: &Strace) {
        let drive = self.case.row.drive;
        let needed = if drive == Drive::Complain { 2 } else { 1 };
        let end = Instant::now() + LIMIT;
        for _ in 0..ROUNDS {
            match drive {
                Drive::Visit | Drive::Complain => {
                    self.visit().expect("the server takes a connection");
                    if self.case.row.whom == Whom::Main {
                        // Whatever the server does when a child has ended, it
                        // must do without the end of a second child.
                        proc::settled(self.server.pid);
                    }
                }
                Drive::Crowd => {
                    let client = self.connect();
                    self.others.push(client);
                }
                Drive::Talk => self.victim().talk(b"and what do you say?\n"),
                Drive::Spell => {
                    self.sit_out(strace);
                    break;
                }
                Drive::Leave => {
                    self.victim().leave();
                    break;
                }
                Drive::Flood => {
                    let victim = self.victim();
                    victim.fill();
                    victim.empty();
                }
                Drive::Once => {
                    let mut victim =
                        self.victim.take().unwrap_or_else(|| self.connect());
                    victim.serve_once(b"once\n");
                    self.others.push(victim);
                    if self.case.form.approach() == Approach::Each {
                        break;
                    }
                }
                Drive::Kill => self.kill_worker(),
                Drive::Stop | Drive::SlowStop => {
                    self.server.signal(SIGTERM);
                    break;
                }
            }
            let broken =
                self.victim.as_ref().is_some_and(|victim| victim.hit.is_some());
            if strace.hits() >= needed || broken || Instant::now() >= end {
                break;
            }
        }
    }

    fn victim(&mut self) -> &mut Client {
        self.victim.as_mut().expect("the row has a victim")
    }

    /// A client comes, talks and leaves. Of several loops the kernel may wake
    /// always the same one unless that is busy, so there come more at once.
    /// Fails when the server takes no connection.
    fn visit(&mut self) -> io::Result<()> {
        let loops = self.case.form.approach() == Approach::Loops;
        let number = if loops { 8 } else { 1 };
        let mut clients = (0..number)
            .map(|_| Connection::try_connect(self.server.address))
            .map(|connection| connection.map(Client::new))
            .collect::<io::Result<Vec<_>>>()?;
        for client in &mut clients {
            client.talk(b"hola\n");
            client.leave();
        }
        self.others.append(&mut clients);
        Ok(())
    }

    /// A client comes while the call fails again and again, and is served
    /// once it does so no longer.
    fn sit_out(&mut self, strace: &Strace) {
        let mut client = Client::new(self.server.client());
        client.send(WAITING);
        strace.wait_for_hit();
        let start = Instant::now();
        client.receive(WAITING);
        // A server that waits after it has accepted may serve the client before
        // all calls have failed.
        soon("the call is tried again", || strace.hits() >= SPELL_CALLS);
        let time = start.elapsed();
        self.others.push(client);
        assert!(
            time >= SPELL,
            "it does not pause: {SPELL_CALLS} calls in {time:?}"
        );
    }

    /// Kills a worker without a client, and waits until it is replaced.
    fn kill_worker(&mut self) {
        let mut idle = proc::children(self.server.pid);
        for client in &self.bystanders {
            let busy = self.server.process_of(&client.connection);
            idle.retain(|&worker| worker != busy);
        }
        signal(idle[0], SIGKILL);
        self.kills += 1;
        replaced(&self.server, idle[0]);
    }

    /// All clients are served to the end: the victim if it can be, polite
    /// clients that come only now, and those that were there all the time.
    fn afterwards(&mut self) {
        self.others.iter_mut().for_each(Client::leave);
        if let Some(mut victim) = self.victim.take() {
            self.finish(&mut victim);
            self.others.push(victim);
        }
        // There are as many as there are places, so that each place is used.
        let places = match self.case.form.approach() {
            Approach::Pool => 1,
            _ => PLACES - self.bystanders.len(),
        };
        let mut polite: Vec<_> = (0..places).map(|_| self.connect()).collect();
        for client in &mut polite {
            self.finish(client);
        }
        self.others.append(&mut polite);
        let mut bystanders = mem::take(&mut self.bystanders);
        for client in &mut bystanders {
            self.finish(client);
            assert_eq!(client.hit, None, "a bystander was harmed");
        }
        self.others.append(&mut bystanders);
    }

    /// Serves a client to its end.
    fn finish(&self, client: &mut Client) {
        if client.left || client.hit.is_some() {
            return;
        }
        if self.case.once() {
            return client.serve_once(&[b'm'; 1000]);
        }
        // Longer than the server's buffer: several messages for it.
        client.talk(&[b'm'; 3000]);
        client.talk(b"thanks\n");
        client.leave();
    }

    /// A mistake in the program: it has to end, with status 1 and one line,
    /// and to leave nothing behind.
    fn expect_fatal_error(mut self, strace: Strace) {
        let tree = proc::tree(self.server.pid);
        for _ in 0..ROUNDS {
            // These clients may be served or cut off.
            if strace.hits() > 0 || self.visit().is_err() {
                break;
            }
        }
        strace.wait_for_hit();
        self.server.ends_with(1);
        strace.detach();
        let errors = self.server.stderr.all();
        assert_eq!(errors.len(), 1, "on standard error: {errors:#?}");
        all_end(&tree);
    }

    /// Compares what the clients know with what the server has printed.
    fn balance(mut self) {
        self.others.append(&mut self.bystanders);
        self.others.extend(self.victim.take());
        let hits = self.others.iter().filter_map(|it| it.hit.clone());
        let hits: Vec<_> = hits.collect();
        let expected = self.case.fault.harm.range();
        assert!(
            expected.contains(&hits.len()),
            "{expected:?} clients may be harmed, were: {hits:?}"
        );
        self.check_words();
        self.check_lines();
        self.check_totals();
    }
}
