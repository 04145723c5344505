//! A running server, watched from outside.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Child;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::client::{Client, part_of_pattern};
use super::folder::Folder;
use super::lines::Lines;
use super::transcript::{Line, Totals, Transcript};
use super::wait::{LIMIT, soon, until};
use super::{proc, works};
use crate::Kind;

/// A server process. When dropped it is killed, with all that it created.
#[derive(Debug)]
pub struct Server {
    pub(crate) kind: Kind,
    pub(crate) child: Child,
    /// The process that was started, and the process group of all that the
    /// server creates.
    pub group: Pid,
    /// The server: the process that was started, or under a tracer its child.
    pub pid: Pid,
    /// The address to connect to.
    pub address: SocketAddr,
    /// What it prints on standard output.
    pub stdout: Arc<Lines>,
    /// What it prints on standard error.
    pub stderr: Arc<Lines>,
    /// Where its program is, if in a folder of its own.
    pub(crate) _folder: Option<Folder>,
}

/// What a server that has ended leaves.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; of a signal that killed it 128 and the signal's
    /// number, as in a shell.
    pub status: i32,
    /// All lines of standard output.
    pub stdout: Vec<String>,
    /// All lines of standard error.
    pub stderr: Vec<String>,
}

impl Server {
    /// Waits for the first line, in either language, and notes the address.
    ///
    /// # Panics
    ///
    /// When it does not come, or is another.
    pub fn wait_until_listening(&mut self) {
        let name = self.kind.program();
        let first =
            self.stdout.find("the first line", |line| Some(line.to_owned()));
        let address = [" listening on ", " escuchando en "]
            .iter()
            .find_map(|words| first.strip_prefix(&format!("{name}{words}")))
            .and_then(|address| address.parse().ok())
            .filter(|address: &SocketAddr| address.port() != 0);
        self.address =
            address.unwrap_or_else(|| panic!("the first line: {first:?}"));
        if self.address.ip().is_unspecified() {
            self.address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
    }

    /// The port at which it is reached.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connects a client.
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Connects a client and waits until the server has accepted it.
    pub fn accepted(&self) -> Client {
        let client = self.client();
        self.wait_for(&client, "connected");
        client
    }

    /// Connects a client that sends this.
    pub fn sending(&self, message: &[u8]) -> Client {
        let mut client = self.client();
        client.send(message);
        client
    }

    /// Connects a client that has this message echoed.
    pub fn served(&self, message: &[u8]) -> Client {
        let mut client = self.sending(message);
        client.expect(message);
        client
    }

    /// Connects so many clients.
    pub fn clients(&self, count: usize) -> Vec<Client> {
        (0..count).map(|_| self.client()).collect()
    }

    /// Connects a client that has this message echoed, ends its side, and
    /// gets the end of the server's.
    pub fn exchange(&self, message: &[u8]) -> Client {
        let mut client = self.served(message);
        client.half_close();
        client.expect_end();
        client
    }

    /// Connects a client that has this message echoed and gets the end of the
    /// server's side, as with `--serve once`; its own side stays open.
    pub fn exchange_once(&self, message: &[u8]) -> Client {
        let mut client = self.served(message);
        client.expect_end();
        client
    }

    /// Connects so many clients and waits until all are accepted.
    pub fn accepted_many(&self, count: usize) -> Vec<Client> {
        let clients = self.clients(count);
        for client in &clients {
            self.wait_for(client, "connected");
        }
        clients
    }

    /// Connects a client that sends the pattern without reading, until the
    /// server reads no further because its reply waits and all that was sent
    /// has arrived; gives the length as well.
    pub fn stalled(&self) -> (Client, usize) {
        let begin = Instant::now();
        let mut client = Client::connect_narrow(self.address);
        let received = ["received", "recibido", "recibidos"];
        let mut sent = 0;
        loop {
            // At the end the server has so much left to read that the reply
            // does not go on, even if the kernel frees a little room.
            let before = self.bytes(&client, &received);
            if sent - before >= 12_000 {
                // The server is not merely slow: it waits for an event that
                // does not come.
                let stalled = (0..4).all(|_| {
                    thread::sleep(Duration::from_millis(25));
                    let all = proc::tree(self.pid);
                    all.into_iter().all(proc::is_asleep)
                        && proc::has_unread(self.address, client.address)
                        && self.bytes(&client, &received) == before
                });
                // On a busy machine its idle limit may be over before that is
                // seen.
                let closed = ["closed", "cerrado"];
                if stalled || closed.iter().any(|it| self.tells(&client, it)) {
                    return (client, sent);
                }
                assert!(begin.elapsed() < LIMIT, "the reply never stops");
                continue;
            }
            let chunk = part_of_pattern(sent, 8192);
            // In small pieces: the kernel charges the parts of a large one to
            // the server's receive buffer with so much memory that the buffer
            // was full, at times, with 8 kB in it. The rest never arrived.
            if chunk.chunks(512).any(|it| client.try_send(it).is_err()) {
                // It was closed already.
                return (client, sent);
            }
            sent += chunk.len();
            assert!(sent < 1 << 20, "the reply never stops on its way");
            client.wait_until_arrived();
        }
    }

    /// Whether a line about this client begins with this word.
    fn tells(&self, client: &Client, word: &str) -> bool {
        self.count(&format!("  {}  {word}", client.address)) > 0
    }

    /// How many bytes the lines about a client add up to that begin with one of
    /// these words: what the server has received from it, or sent.
    pub fn bytes(&self, client: &Client, words: &[&str]) -> usize {
        let middle = format!("  {}  ", client.address);
        let lines = self.stdout.so_far();
        let amounts = lines.iter().filter_map(|line| {
            let (_, event) = line.split_once(&middle)?;
            let (what, rest) = event.split_once(' ')?;
            let number = rest.split(' ').next()?.parse::<usize>().ok();
            number.filter(|_| words.contains(&what))
        });
        amounts.sum()
    }

    /// Waits for a line about this client that ends so, and gives it.
    pub fn wait_for(&self, client: &Client, event: &str) -> String {
        let end = format!("  {}  {event}", client.address);
        self.stdout
            .find(&end, |line| line.ends_with(&end).then(|| line.to_owned()))
    }

    /// Waits for the line that this client was closed, and gives the rest of
    /// it: nothing, or a colon and a reason.
    pub fn wait_closed(&self, client: SocketAddr) -> String {
        let middle = format!("  {client}  closed");
        self.stdout.find(&middle, |line| {
            line.split_once(&middle).map(|(_, rest)| rest.to_owned())
        })
    }

    /// How many lines of standard output contain this so far.
    pub fn count(&self, text: &str) -> usize {
        let lines = self.stdout.so_far();
        lines.iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until so many lines of standard output contain this.
    pub fn wait_count(&self, text: &str, count: usize) {
        self.stdout.wait(&format!("{count} lines with {text:?}"), |lines| {
            let found = lines.iter().filter(|line| line.contains(text));
            (found.count() >= count).then_some(())
        });
    }

    /// Who serves this client: the first column of its lines.
    pub fn worker_of(&self, client: &Client) -> String {
        let line = self.wait_for(client, "connected");
        line.split("  ").next().unwrap_or_default().to_owned()
    }

    /// The process that serves this client, of a server that has several.
    pub fn process_of(&self, client: &Client) -> Pid {
        let worker = self.worker_of(client);
        let pid = worker.strip_prefix("process ").map(str::parse);
        let Some(Ok(pid)) = pid else { panic!("no process id in {worker:?}") };
        Pid::from_raw(pid)
    }

    /// The thread that serves this client: of a process its main one, and of
    /// one loop alone that of the server.
    pub fn thread_of(&self, client: &Client) -> Pid {
        if self.kind == Kind::Processes {
            return self.process_of(client);
        }
        let worker = self.worker_of(client);
        if worker == "loop" {
            return self.pid;
        }
        proc::thread_named(self.pid, &worker)
            .unwrap_or_else(|| panic!("{worker} is not to be found"))
    }

    /// Sends a signal to the server process alone.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("one's own child can be signalled");
    }

    /// Sends a signal to the whole process group, as a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        killpg(self.group, signal).expect("one's own group can be signalled");
    }

    /// Sets the soft limit of a resource of the server process
    /// (`prlimit(1)`).
    pub fn limit(&self, resource: &str, soft: u64) {
        let line = format!("prlimit --pid={} --{resource}={soft}:", self.pid);
        assert!(works(&line), "{line} failed");
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.status().is_none()
    }

    /// The exit status, if it has ended. It stays a zombie, so that its
    /// number stands for its process group until all is over.
    fn status(&self) -> Option<i32> {
        let flags =
            WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.group), flags) {
            Ok(WaitStatus::Exited(_, status)) => Some(status),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(128 + signal as i32),
            _ => None,
        }
    }

    /// Waits until the server process has ended, and gives its status.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn wait_status(&self) -> i32 {
        until("the server has ended", || self.status())
    }

    /// Waits for its end, which must be by this exit status.
    ///
    /// # Panics
    ///
    /// When it is another, or it does not end.
    pub fn ends_with(&self, expected: i32) {
        let status = self.wait_status();
        assert_eq!(status, expected, "its end: {:?}", self.stderr.so_far());
    }

    /// The figures of its last line.
    ///
    /// # Panics
    ///
    /// When it has printed none.
    pub fn summary(&self) -> Totals {
        let lines = self.stdout.all();
        let last = lines.last().map(|line| Line::parse(self.kind, line));
        let Some(Some(Line::Stopped(totals))) = last else {
            panic!("its last line is no summary: {last:?}")
        };
        totals
    }

    /// Waits until no process is left of all that the server created, itself
    /// included.
    ///
    /// # Panics
    ///
    /// When one does not end.
    pub fn wait_until_none_is_left(&self) {
        soon("no process of the server is left", || {
            proc::living(self.group).is_empty()
        });
    }

    /// Waits for the end; nothing may then be left of what it created.
    pub fn ended(&mut self) -> Ended {
        let status = self.wait_status();
        let left = proc::living(self.group);
        assert!(left.is_empty(), "left behind: {left:?}");
        Ended { status, stdout: self.stdout.all(), stderr: self.stderr.all() }
    }

    /// Ends it in an orderly way, by `SIGTERM`; see [`Self::transcript`].
    pub fn stop(mut self) -> Transcript {
        self.signal(Signal::SIGTERM);
        self.transcript()
    }

    /// Ends it by `SIGTERM` and gives what it printed as it is.
    pub fn stop_unchecked(mut self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.ended_in_order()
    }

    fn ended_in_order(&mut self) -> Ended {
        let ended = self.ended();
        assert_eq!(ended.status, 0, "{ended:?}");
        ended
    }

    /// Waits for an orderly end that was asked for: status 0, no diagnostics,
    /// nothing left behind, and a proper transcript.
    pub fn transcript(&mut self) -> Transcript {
        let ended = self.ended_in_order();
        // A stop that waits for a client says so, which is no fault.
        let mut faults = ended.stderr.iter();
        let fault = faults.find(|line| !is_waiting_notice(line));
        assert_eq!(fault, None, "diagnostics: {:?}", ended.stderr);
        Transcript::check(self.kind, &ended.stdout)
    }

    /// Waits until a stop says that it waits for clients: from here on a
    /// signal is another request, not the same one.
    pub fn wait_for_notice(&self) {
        self.stderr.find("the stop to say that it waits", |line| {
            is_waiting_notice(line).then_some(())
        });
    }

    /// How long the server takes from a signal to its end.
    pub fn time_to_stop(&self, signal: Signal) -> Duration {
        let begin = Instant::now();
        self.signal(signal);
        self.wait_status();
        begin.elapsed()
    }
}

/// Whether this is the line by which a stop says that it waits for clients.
pub fn is_waiting_notice(line: &str) -> bool {
    line.contains(": waiting up to ")
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            for (what, lines) in
                [("lines", &self.stdout), ("diagnostics", &self.stderr)]
            {
                eprintln!("  the server's last {what}:");
                // The last ones, and of long ones the beginning.
                let all = lines.so_far();
                for line in &all[all.len().saturating_sub(20)..] {
                    eprintln!("    {line:.120}");
                }
            }
        }
        // Both fail if no process of the group is left, which is the aim.
        let _ = killpg(self.group, Signal::SIGKILL);
        let _ = self.child.kill();
        // From here on the number may stand for another process.
        let _ = self.child.wait();
    }
}
