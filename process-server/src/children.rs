//! The children: counted, told to stop, reaped, and their totals added up.
//!
//! Processes share no memory. What a child has to say comes by the three ways
//! that the kernel offers here: its exit status, a signal, and a pipe.

// Atomics are all the memory that a signal handler may share.
use std::ffi::c_int;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};

// From the common ground; the rest is what Unix has for processes.
use common::Context;
use common::console::errors::{Failure, TransientError};
use common::console::log::{Event, Worker};
use common::shutdown;
use common::totals::Totals;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid, pipe, read, write};

/// The process id of the server itself.
static SERVER: AtomicI32 = AtomicI32::new(0);

/// In a child, the socket of its client; -1 while it has none.
static CLIENT: AtomicI32 = AtomicI32::new(-1);

/// In a child, what becomes of the receiving side of its client's socket:
/// `REACHABLE`, until one of the other two comes first.
static RECEIVING: AtomicU8 = AtomicU8::new(REACHABLE);

/// A stop would shut it down.
const REACHABLE: u8 = 0;

/// A stop has shut it down.
const SHUT: u8 = 1;

/// The last message has come: only the end of the grace may still do so.
const SPARED: u8 = 2;

/// In a worker, the listening socket; -1 in all other processes.
static LISTENING: AtomicI32 = AtomicI32::new(-1);

/// In a worker, something that no client can be accepted from.
static NOT_LISTENING: AtomicI32 = AtomicI32::new(-1);

/// In a worker, whether it was told to take no more clients.
static DISMISSED: AtomicBool = AtomicBool::new(false);

/// In a worker, whether its client was to be cut off.
static CUT: AtomicBool = AtomicBool::new(false);

/// What every signal does, in the server and in its children.
///
/// fork(2) copies the handlers, so one function must serve both sides; in
/// return no signal can ever meet a child that is not ready for it.
extern "C" fn on_signal(signal: c_int) {
    // Signals are numbers; which ones come here was said to `handle`.
    match signal {
        // The kernel sends it when a child ends: `reap` will see to it. A child
        // has none of its own; it would wake the server in vain, and no more.
        libc::SIGCHLD => shutdown::wake(),
        // The grace is over: cut the client off. Without a stop before it, it
        // is a stray, for the server's SIGTERM always comes first.
        libc::SIGUSR1 if !in_server() && shutdown::requested() => {
            // For a client that is just being accepted; see `take`.
            CUT.store(true, Ordering::SeqCst);
            // For the one that is being served.
            shut_down(libc::SHUT_RDWR);
        }
        // The server has died; its worker may finish with its client.
        libc::SIGUSR2 if !in_server() => dismiss(),
        // Somebody's mistake: these mean nothing here, or not now.
        libc::SIGUSR1 | libc::SIGUSR2 => {}
        // SIGINT or SIGTERM: the loop has to know, and no more.
        _ if in_server() => shutdown::request(),
        // Ctrl-C reaches the whole process group, and then the server's
        // SIGTERM comes as well: twice the same is still one stop.
        _ => {
            shutdown::note();
            // A worker takes no other client.
            dismiss();
            // All that this one has sent so far is still answered.
            end_receiving();
        }
    }
}

/// Shuts down the receiving side of this child's client, unless it is spared.
fn end_receiving() {
    // One instruction decides, whatever it is that the signal interrupts.
    if decide(SHUT) {
        shut_down(libc::SHUT_RD);
    }
}

/// Decides what becomes of the receiving side, if that is still open.
fn decide(fate: u8) -> bool {
    // Compares and stores at once: whoever comes second changes nothing.
    let order = Ordering::SeqCst;
    RECEIVING
        .compare_exchange(REACHABLE, fate, order, order)
        .is_ok()
}

/// Whether this process is the server itself.
fn in_server() -> bool {
    // A child has all of the server's memory, but not its process id.
    getpid().as_raw() == SERVER.load(Ordering::SeqCst)
}

/// Sees to it that this worker accepts nobody any more.
///
/// Its number for the listening socket is given to something else. So the
/// accept(2) that it may be about to call fails, and the one that it may be
/// waiting in, which the signal interrupts, fails when it is repeated. There
/// is no moment between a check and a call for the signal to slip into.
fn dismiss() {
    // Tells the error of that accept(2) from a mistake.
    DISMISSED.store(true, Ordering::SeqCst);
    // A handler must leave errno as it found it.
    let errno = Errno::last_raw();
    // Set in workers only.
    let listening = LISTENING.load(Ordering::SeqCst);
    // A child that serves one client has no such socket.
    if listening >= 0 {
        // SAFETY: dup2(2) is async-signal-safe. Both numbers stay this
        // process's own for as long as it lives.
        #[expect(unsafe_code, reason = "a handler has numbers only")]
        unsafe {
            libc::dup2(NOT_LISTENING.load(Ordering::SeqCst), listening)
        };
    }
    // As if nothing had happened in between.
    Errno::set_raw(errno);
}

/// Shuts down one side, or both, of the socket of this child's client.
fn shut_down(side: c_int) {
    // As above: the code that was interrupted may be about to read it.
    let errno = Errno::last_raw();
    // SAFETY: shutdown(2) is async-signal-safe. The number is this child's
    // client for as long as the child lives; a client gone is ENOTCONN.
    #[expect(unsafe_code, reason = "a handler has a number, not a TcpStream")]
    unsafe {
        libc::shutdown(CLIENT.load(Ordering::SeqCst), side)
    };
    // As if nothing had happened in between.
    Errno::set_raw(errno);
}

/// One child.
#[derive(Clone, Copy, Debug)]
struct Child {
    /// By which the kernel knows it until it is reaped.
    process: Pid,
    /// Whom it serves; `None` for a worker, which serves many.
    client: Option<SocketAddr>,
}

/// The children that serve a client now.
#[derive(Debug)]
pub struct Children {
    /// The options and the transcript.
    context: Arc<Context>,
    /// Each of them, in a plain list: after a fork, each page that the server
    /// writes to is copied, and adding at the end writes to one page. To search
    /// the list costs less than that.
    live: Vec<Child>,
    /// The pipe by which the children report: the server reads, they write.
    reports: Arc<OwnedFd>,
    /// The end that each child inherits.
    report: OwnedFd,
    /// The sum of what was read from it.
    totals: Totals,
    /// The error that only a mistake in the program can cause, if a worker
    /// has met one.
    mistake: Option<io::Error>,
}

/// A report is five numbers of eight bytes: so short that pipe(7) takes it
/// whole or not at all, whoever else writes.
type Report = [[u8; 8]; 5];

/// The troubles that a worker may meet, by their numbers in a report. The
/// number after the last is a mistake in the program, and not to be mended.
const TROUBLES: [TransientError; 2] =
    [TransientError::Accept, TransientError::Network];

impl Children {
    /// No children yet; from now on signals are handled for them too.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE when there is no descriptor left for the pipe.
    pub fn new(context: Arc<Context>) -> io::Result<Self> {
        // The handler asks for it, in every process.
        SERVER.store(getpid().as_raw(), Ordering::SeqCst);
        // In place of the common handler, which knows nothing of children.
        shutdown::handle(
            &[
                Signal::SIGCHLD,
                Signal::SIGUSR1,
                Signal::SIGUSR2,
                Signal::SIGINT,
                Signal::SIGTERM,
            ],
            on_signal,
        )?;
        // What is written to the second comes out of the first.
        let (reports, report) = pipe()?;
        // The server reads what is there, and never waits for more.
        fcntl(&reports, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self {
            context,
            live: Vec::new(),
            reports: Arc::new(reports),
            report,
            totals: Totals::default(),
            mistake: None,
        })
    }

    /// How many children there are.
    pub fn count(&self) -> usize {
        self.live.len()
    }

    /// The end of the pipe at which the reports arrive.
    pub fn reports(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.reports)
    }

    /// Tells the child that is about to be created whose socket it will have
    /// to shut down. Before the fork: a signal may come right after it.
    pub fn announce(stream: &TcpStream) {
        CLIENT.store(stream.as_raw_fd(), Ordering::SeqCst);
    }

    /// In a worker: the same for the client that it has just accepted.
    pub fn take(stream: &TcpStream) {
        // From here on a signal finds it.
        Self::announce(stream);
        // What was decided was about the client before it.
        RECEIVING.store(REACHABLE, Ordering::SeqCst);
        // A signal that came before the line above has found no client.
        if CUT.load(Ordering::SeqCst) {
            shut_down(libc::SHUT_RDWR);
        } else if shutdown::requested() {
            // What it has sent by now is still answered.
            end_receiving();
        }
    }

    /// In a child: spares its client, whose last message has come, the
    /// beginning of a stop; false if it has had that already.
    ///
    /// After the reply the child shuts down the sending side, and with both
    /// sides shut down the kernel would answer what the client still sends
    /// with a reset, which could destroy the reply.
    pub fn spare() -> bool {
        decide(SPARED)
    }

    /// In a worker: its client is about to be closed, and the number of its
    /// socket to become free for another.
    pub fn give_back() {
        CLIENT.store(-1, Ordering::SeqCst);
    }

    /// In a worker: makes signals, and the end of the server, keep it from
    /// accepting clients from this socket.
    ///
    /// # Errors
    ///
    /// Those of prctl(2), which has none to offer for a signal that exists.
    pub fn obey(&self, socket: &TcpListener) -> io::Result<()> {
        // Any descriptor will do that is not a listening socket.
        NOT_LISTENING.store(self.report.as_raw_fd(), Ordering::SeqCst);
        // From here on a signal can put it in the place of this one.
        LISTENING.store(socket.as_raw_fd(), Ordering::SeqCst);
        // The kernel sends this when the server is gone, however it went.
        #[cfg(target_os = "linux")]
        nix::sys::prctl::set_pdeathsig(Signal::SIGUSR2)?;
        // Either may have come too early to have had any effect.
        if shutdown::requested() || Self::orphaned() {
            dismiss();
        }
        // No error, and nothing to tell.
        Ok(())
    }

    /// In a worker: whether it must not accept any more clients.
    pub fn dismissed() -> bool {
        DISMISSED.load(Ordering::SeqCst)
    }

    /// In a child: whether the server is gone.
    pub fn orphaned() -> bool {
        getppid().as_raw() != SERVER.load(Ordering::SeqCst)
    }

    /// Notes a new child, and its client if it was created for one.
    pub fn enter(
        &mut self,
        process: Pid,
        client: impl Into<Option<SocketAddr>>,
    ) {
        // Whichever of the two it was given as.
        let client = client.into();
        // From here on it is told of a stop, and waited for.
        self.live.push(Child { process, client });
    }

    /// In a child: tells the server what was done since the last report.
    pub fn report(&self, totals: &mut Totals) {
        // Without any trouble.
        self.write([totals.clients, totals.received, totals.sent, 0, 0]);
        // What is told once must not be told again.
        *totals = Totals::default();
    }

    /// In a worker: tells the server of a trouble. All workers meet the same
    /// shortage at once, and one line about it is enough.
    pub fn print_error(&self, trouble: TransientError, error: &io::Error) {
        // Both go as numbers, and an error of 0 is none.
        let known = TROUBLES.iter().position(|known| *known == trouble);
        self.write_error(known.unwrap_or(TROUBLES.len()), error);
    }

    /// In a child: writes a report of an error, by its kind and its number.
    fn write_error(&self, kind: usize, error: &io::Error) {
        // Errors of the kernel are small, and above 0.
        let errno = error.raw_os_error().unwrap_or(0).unsigned_abs();
        // Nothing was served meanwhile.
        self.write([0, 0, 0, kind as u64, errno.into()]);
    }

    /// In a child: writes one report.
    fn write(&self, numbers: [u64; 5]) {
        // The same program reads them: no need to agree on an order of bytes.
        let report: Report = numbers.map(u64::to_ne_bytes);
        // EPIPE when the server was killed: then nobody counts any more.
        while write(&self.report, report.as_flattened()) == Err(Errno::EINTR) {}
    }

    /// In a child: does its work, reports, and ends the process.
    pub fn work(
        &self,
        work: impl FnOnce(&mut Totals) -> Result<(), Failure>,
    ) -> ! {
        // Outside of the work, so that a panic leaves it behind intact.
        let mut totals = Totals::default();
        // Without this, a panic would unwind into the loop of the server, of
        // which this process is a copy, and drop what is not its own.
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut totals)));
        // Before the end: the server reads the pipe when it reaps the child.
        self.report(&mut totals);
        // All that a process can say of itself by ending: eight bits.
        let status = match result {
            // As everywhere, 0 is success.
            Ok(Ok(())) => 0,
            // A mistake in the program: the server will say so, and end.
            Ok(Err(failure)) => {
                // The only kind that a worker can meet.
                if let Failure::System(error) = &failure {
                    self.write_error(TROUBLES.len(), error);
                }
                // The same as the server's, which it becomes.
                failure.status()
            }
            // What a Rust program ends with after a panic.
            Err(_) => 101,
        };
        // SAFETY: _exit(2) ends the process at once, without the destructors
        // and exit handlers that are the server's to run.
        #[expect(unsafe_code, reason = "nothing safe ends a forked child")]
        unsafe {
            libc::_exit(status.into())
        }
    }

    /// Tells every child of the stop, as far as it has got.
    pub fn shutdown(&self, side: Shutdown) {
        // One signal cannot mean both: Ctrl-C and the server's SIGTERM may
        // both come for the first.
        let signal = match side {
            // The grace is over.
            Shutdown::Both => Signal::SIGUSR1,
            // It begins.
            _ => Signal::SIGTERM,
        };
        // The sockets are theirs; only they can shut them down.
        for child in &self.live {
            // It cannot fail: a child that has ended stays a zombie, and keeps
            // its process id, until `reap` removes it from the table.
            let _ = kill(child.process, signal);
        }
    }

    /// Reaps every child that has ended, and reads what they reported.
    ///
    /// # Errors
    ///
    /// The error that a worker has met if only a mistake in the program can
    /// cause it: another one in its place would meet it too.
    pub fn reap(&mut self) -> Result<(), Failure> {
        // One SIGCHLD may stand for many children: signals do not queue.
        loop {
            // Any child, without waiting for one: until somebody asks like
            // this, a child that has ended stays in the table as a zombie.
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                // Only a worker ends so, and it has reported why.
                Ok(WaitStatus::Exited(child, 1)) if self.is_worker(child) => {
                    self.remove(child);
                }
                // By itself: after its work, or after a panic.
                Ok(WaitStatus::Exited(child, status)) => {
                    let language = self.context.log.language();
                    // A number means something to whoever knows the program.
                    let text = language.pick("exit status", "estado de salida");
                    let died = format!("{text} {status}");
                    // 0 is the ordinary end, which needs no line.
                    self.leave(child, (status != 0).then_some(died));
                }
                // By a signal: a crash, or somebody's kill(1).
                Ok(WaitStatus::Signaled(child, signal, _)) => {
                    self.leave(child, Some(signal.as_str().to_owned()));
                }
                // Stopped or continued by a debugger: not our business.
                Ok(status) if status.pid().is_some() => {}
                // Another signal came first.
                Err(Errno::EINTR) => {}
                // nix has no name for a real-time signal, and so cannot tell
                // which child it has just reaped: the one that is gone.
                Err(Errno::EINVAL) => self.leave_unnamed(),
                // StillAlive: the others go on. ECHILD: there are none.
                Ok(_) | Err(_) => break,
            }
        }
        // Each of them has reported before it ended.
        self.read_reports();
        // Only now: the others must not stay zombies because of one.
        match self.mistake.take() {
            // All would fare the same.
            Some(error) => Err(error.into()),
            // The ordinary case.
            None => Ok(()),
        }
    }

    /// Whether this child is a worker: it was not created for one client.
    fn is_worker(&self, child: Pid) -> bool {
        self.live
            .iter()
            .any(|it| it.process == child && it.client.is_none())
    }

    /// Removes a child, and says of what it died if it died.
    fn leave(&mut self, child: Pid, died: Option<String>) {
        // From here on its process id may become another's.
        let removed = self.remove(child);
        // An orderly end was printed by the child itself.
        if let (Some(Child { client, .. }), Some(died)) = (removed, died) {
            let worker = Worker::Process(child.as_raw().unsigned_abs());
            // The line that the child can no longer print.
            let event = Event::Died(died);
            self.context.log.print_event(worker, client, &event);
        }
    }

    /// Removes a child, and returns it if it was here.
    fn remove(&mut self, child: Pid) -> Option<Child> {
        // By its number, which nobody else has until it is reaped.
        let place = self.live.iter().position(|it| it.process == child)?;
        // The last one takes its place: nobody else has to move.
        Some(self.live.swap_remove(place))
    }

    /// Removes the children that no longer exist.
    fn leave_unnamed(&mut self) {
        // Copied, since the table is about to change.
        let children = self.live.iter().map(|child| child.process);
        // Signal 0 asks only whether there is such a process.
        let gone = |&child: &Pid| kill(child, None) == Err(Errno::ESRCH);
        let gone: Vec<_> = children.filter(gone).collect();
        // Mostly this is one.
        for child in gone {
            self.leave(child, Some("SIGRTMIN+n".to_owned()));
        }
    }

    /// Adds up what the children have reported.
    fn read_reports(&mut self) {
        // Whole reports, so that none is cut in two.
        let mut reports = [Report::default(); 64];
        // EAGAIN: all is read.
        while let Ok(length) =
            read(&self.reports, reports.as_flattened_mut().as_flattened_mut())
        {
            // As many as there were.
            let count = length / size_of::<Report>();
            for report in &reports[..count] {
                // The same five.
                let numbers = report.map(u64::from_ne_bytes);
                // In the order in which they were written.
                let [clients, received, sent, kind, errno] = numbers;
                // One loop, one owner: no lock.
                self.totals += Totals {
                    clients,
                    received,
                    sent,
                };
                // 0 is no error at all.
                if errno != 0 {
                    self.relay(kind, errno);
                }
            }
            // The pipe is empty; asking again would only confirm it.
            if count < reports.len() {
                break;
            }
        }
    }

    /// Prints what trouble a worker has met, once for each spell of it; keeps
    /// what is worse.
    fn relay(&mut self, kind: u64, errno: u64) {
        // What `write_error` has made numbers of.
        let kind = usize::try_from(kind).unwrap_or(TROUBLES.len());
        let errno = i32::try_from(errno).unwrap_or(0);
        // The number of an error is all there is to know of it.
        let error = io::Error::from_raw_os_error(errno);
        // The lists are the same, since the program is.
        match TROUBLES.get(kind) {
            // The spell is the server's, and so one for all workers.
            Some(trouble) => {
                self.context.log.report_transient(*trouble, &error)
            }
            // `reap` returns it.
            None => self.mistake = Some(error),
        }
    }

    /// Ends what is left, and returns the totals of all children.
    pub fn finish(mut self) -> Totals {
        // Nobody is left, unless a child has not obeyed in time.
        self.kill();
        // All have ended: nothing can come after this.
        self.read_reports();
        // Copied out, since `self` is about to be dropped.
        self.totals
    }

    /// Kills the children that are left, and reaps them.
    fn kill(&mut self) {
        // An impatient third signal must not end the server half-way.
        let impatience = [Signal::SIGINT, Signal::SIGTERM];
        let impatience: SigSet = impatience.into_iter().collect();
        // It cannot fail: these signals exist.
        let _ = impatience.thread_block();
        // All of them before the first is waited for.
        for child in &self.live {
            // It exists until it is reaped, so this cannot fail.
            let _ = kill(child.process, Signal::SIGKILL);
        }
        // Emptied, so that a second call finds nobody.
        for child in self.live.drain(..) {
            // SIGKILL cannot be refused, so this wait is short.
            while waitpid(child.process, None) == Err(Errno::EINTR) {}
        }
        // What has come meanwhile has its effect now.
        let _ = impatience.thread_unblock();
    }
}

/// Whatever ends the server, it leaves no child behind.
impl Drop for Children {
    /// After an orderly stop there is nobody left to kill.
    fn drop(&mut self) {
        self.kill();
    }
}
