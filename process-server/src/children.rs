//! The children: counted, told to stop, reaped, and their totals added up.
//!
//! Processes share no memory. What a child has to say comes by the three ways
//! that the kernel offers here: its exit status, a signal, and a pipe.

use std::collections::HashMap;
use std::ffi::c_int;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use common::Server;
use common::stop;
use common::totals::Totals;
use common::transcript::{Event, Worker};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, pipe, read, write};

/// The process id of the server itself.
static SERVER: AtomicI32 = AtomicI32::new(0);

/// The socket of the client that the newest child serves.
static CLIENT: AtomicI32 = AtomicI32::new(-1);

/// What every signal does, in the server and in its children.
///
/// fork(2) copies the handlers, so one function must serve both sides; in
/// return no signal can ever meet a child that is not ready for it.
extern "C" fn on_signal(signal: c_int) {
    let in_server = getpid().as_raw() == SERVER.load(Ordering::SeqCst);
    match signal {
        // A child of a child there is none, so this is the server.
        libc::SIGCHLD => stop::wake(),
        // The grace is over: cut the client off.
        libc::SIGUSR1 if !in_server => shut_down(libc::SHUT_RDWR),
        // Somebody's mistake: it means something to children only.
        libc::SIGUSR1 => {}
        _ if in_server => stop::request(),
        // Ctrl-C reaches the whole process group, and then the server's
        // SIGTERM comes as well: twice the same is still one stop.
        _ => {
            stop::note();
            shut_down(libc::SHUT_RD);
        }
    }
}

/// Shuts down one side, or both, of the socket of this child's client.
fn shut_down(side: c_int) {
    let errno = Errno::last_raw();
    // SAFETY: shutdown(2) is async-signal-safe. The number is this child's
    // client for as long as the child lives; a client gone is ENOTCONN.
    #[expect(unsafe_code, reason = "a handler has a number, not a TcpStream")]
    unsafe {
        libc::shutdown(CLIENT.load(Ordering::SeqCst), side)
    };
    Errno::set_raw(errno);
}

/// The children that serve a client now.
#[derive(Debug)]
pub struct Children {
    server: Arc<Server>,
    /// The client of each child.
    live: HashMap<Pid, SocketAddr>,
    /// Where the children report; the server reads, they write.
    reports: OwnedFd,
    report: OwnedFd,
    totals: Totals,
}

/// A report is three numbers of eight bytes: so short that pipe(7) takes it
/// whole or not at all, whoever else writes.
const REPORT: usize = 24;

impl Children {
    /// No children yet; from now on signals are handled for them too.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE when there is no descriptor left for the pipe.
    pub fn new(server: Arc<Server>) -> io::Result<Self> {
        SERVER.store(getpid().as_raw(), Ordering::SeqCst);
        stop::handle(
            &[
                Signal::SIGCHLD,
                Signal::SIGUSR1,
                Signal::SIGINT,
                Signal::SIGTERM,
            ],
            on_signal,
        )?;
        let (reports, report) = pipe()?;
        // The server reads what is there, and never waits for more.
        fcntl(&reports, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self {
            server,
            live: HashMap::new(),
            reports,
            report,
            totals: Totals::default(),
        })
    }

    /// How many children there are.
    pub fn count(&self) -> usize {
        self.live.len()
    }

    /// Tells the child that is about to be created whose socket it will have
    /// to shut down. Before the fork: a signal may come right after it.
    pub fn announce(stream: &TcpStream) {
        CLIENT.store(stream.as_raw_fd(), Ordering::SeqCst);
    }

    /// Notes a new child and its client.
    pub fn enter(&mut self, child: Pid, client: SocketAddr) {
        self.live.insert(child, client);
    }

    /// In a child: does its work, reports, and ends the process.
    pub fn work(&self, work: impl FnOnce(&mut Totals)) -> ! {
        let mut totals = Totals::default();
        // Without this, a panic would unwind into the loop of the server, of
        // which this process is a copy, and drop what is not its own.
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut totals)));
        let numbers = [totals.clients, totals.received, totals.sent];
        let report = numbers.map(u64::to_ne_bytes);
        // EPIPE when the server was killed: then nobody counts any more.
        let _ = write(&self.report, report.as_flattened());
        // 101 is what a Rust program ends with after a panic.
        let status = if result.is_ok() { 0 } else { 101 };
        // SAFETY: _exit(2) ends the process at once, without the destructors
        // and exit handlers that are the server's to run.
        #[expect(unsafe_code, reason = "nothing safe ends a forked child")]
        unsafe {
            libc::_exit(status)
        }
    }

    /// Tells every child of the stop, as far as it has got.
    pub fn shutdown(&self, side: Shutdown) {
        // One signal cannot mean both: Ctrl-C and the server's SIGTERM may
        // both come for the first.
        let signal = match side {
            Shutdown::Both => Signal::SIGUSR1,
            _ => Signal::SIGTERM,
        };
        for &child in self.live.keys() {
            // It cannot fail: a child that has ended stays a zombie, and keeps
            // its process id, until `reap` removes it from the table.
            let _ = kill(child, signal);
        }
    }

    /// Reaps every child that has ended, and reads what they reported.
    pub fn reap(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(child, status)) => {
                    let language = self.server.transcript.language();
                    let text = language.pick("exit status", "estado de salida");
                    let died = format!("{text} {status}");
                    self.leave(child, (status != 0).then_some(died));
                }
                Ok(WaitStatus::Signaled(child, signal, _)) => {
                    self.leave(child, Some(signal.as_str().to_owned()));
                }
                // Stopped or continued by a debugger: not our business.
                Ok(status) if status.pid().is_some() => {}
                Err(Errno::EINTR) => {}
                // nix has no name for a real-time signal, and so cannot tell
                // which child it has just reaped: the one that is gone.
                Err(Errno::EINVAL) => self.leave_unnamed(),
                // StillAlive: the others go on. ECHILD: there are none.
                Ok(_) | Err(_) => break,
            }
        }
        self.read_reports();
    }

    /// Removes a child, and says of what it died if it died.
    fn leave(&mut self, child: Pid, died: Option<String>) {
        let client = self.live.remove(&child);
        if let (Some(client), Some(died)) = (client, died) {
            let worker = Worker::Process(child.as_raw().unsigned_abs());
            let event = Event::Died(died);
            self.server.transcript.say(worker, client, &event);
        }
    }

    /// Removes the children that no longer exist.
    fn leave_unnamed(&mut self) {
        let children = self.live.keys().copied();
        let gone = |&child: &Pid| kill(child, None) == Err(Errno::ESRCH);
        let gone: Vec<_> = children.filter(gone).collect();
        for child in gone {
            self.leave(child, Some("SIGRTMIN+n".to_owned()));
        }
    }

    /// Adds up what the children have reported.
    fn read_reports(&mut self) {
        let mut reports = [0; 64 * REPORT];
        // EAGAIN: all is read.
        while let Ok(length) = read(&self.reports, &mut reports) {
            for report in reports[..length].chunks_exact(REPORT) {
                let (numbers, _) = report.as_chunks();
                let number = |index: usize| u64::from_ne_bytes(numbers[index]);
                self.totals += Totals {
                    clients: number(0),
                    received: number(1),
                    sent: number(2),
                };
            }
            if length < reports.len() {
                break;
            }
        }
    }

    /// Ends what is left, and returns the totals of all children.
    pub fn finish(mut self) -> Totals {
        self.kill();
        self.read_reports();
        self.totals
    }

    /// Kills the children that are left, and reaps them.
    fn kill(&mut self) {
        for (child, _) in self.live.drain() {
            let _ = kill(child, Signal::SIGKILL);
            // SIGKILL cannot be refused, so this wait is short.
            while waitpid(child, None) == Err(Errno::EINTR) {}
        }
    }
}

/// Whatever ends the server, it leaves no child behind.
impl Drop for Children {
    fn drop(&mut self) {
        self.kill();
    }
}
