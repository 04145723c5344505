//! What there is to try, and what must come of it.

use std::fmt;
use std::ops::RangeInclusive;

use Count::{One, Perhaps, Zero};
use Drive::{Complain, Crowd, Flood, Kill, Leave, Once, SlowStop, Spell, Stop, Talk, Visit};
use Pipe::{Output, Reports, Signal};
use Whom::{Acceptor, Main, Victim};
use crate::prelude::*;

/// Which thread or process of a server makes the call that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The thread or process that accepts the next client.
    Acceptor,
    /// The thread or process that serves the victim.
    Victim,
    /// The first thread of the server.
    Main,
}

/// What the clients do, again and again, until the call has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// A client comes, talks and leaves; then the next.
    Visit,
    /// Clients come and stay.
    Crowd,
    /// The call fails not once but for a while, and a client comes meanwhile.
    Spell,
    /// The victim sends one message after the other.
    Talk,
    /// The victim ends its side of the connection.
    Leave,
    /// The victim sends more and more, and reads only then.
    Flood,
    /// A victim is served by `--serve once`; then the next.
    Once,
    /// accept(2) fails for a client, so that the server writes a diagnostic.
    Complain,
    /// A worker is killed.
    Kill,
    /// The server is asked to stop.
    Stop,
    /// The server is asked to stop while a client is slow to take its replies.
    SlowStop,
}

/// One of the pipes of a server, for calls that mean something else on
/// another descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipe {
    /// Its standard output.
    Output,
    /// The pipe by which a signal wakes the server.
    Signal,
    /// The pipe by which the processes report to the server.
    Reports,
}

/// How many clients a fault harms, or lines tell of it.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// None.
    Zero,
    /// Exactly one.
    One,
    /// One or none.
    Perhaps,
}

impl Count {
    /// The numbers that it stands for.
    pub fn range(self) -> RangeInclusive<usize> {
        match self {
            Zero => 0..=0,
            One => 1..=1,
            Perhaps => 0..=1,
        }
    }
}

/// Errors that must come to the same.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The names of the errors.
    pub errnos: &'static [&'static str],
    /// How many clients are closed before their time; no other notices.
    pub harm: Count,
    /// How many lines on standard error tell of it.
    pub words: Count,
    /// Whether one line of standard output is lost.
    pub lost: bool,
}

/// A call in some forms.
#[derive(Debug)]
pub struct Row {
    /// Its name here, where the call alone does not say enough.
    pub name: &'static str,
    /// The system call.
    pub call: &'static str,
    /// The pipe that it must be about.
    pub pipe: Option<Pipe>,
    /// Whose call it is.
    pub whom: Whom,
    /// What makes it happen.
    pub drive: Drive,
    /// At which of the calls it fails.
    pub whens: &'static [u32],
    /// The errors, and what must come of them.
    pub faults: &'static [Fault],
    /// The forms of the servers.
    pub forms: Forms,
    /// Whether the server is to end, with status 1 and one line: errors that
    /// only a mistake in the program can cause.
    pub fatal: bool,
}

/// One server, one call, one error, one time.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The form of the server.
    pub form: &'static Form,
    /// The call.
    pub row: &'static Row,
    /// The error's name.
    pub errno: &'static str,
    /// What must come of it.
    pub fault: &'static Fault,
    /// At which of the calls.
    pub when: u32,
}

/// `process::accept4/EMFILE/2`
impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let (form, call) = (self.form.name, self.row.name);
        write!(out, "{form}::{call}/{}/{}", self.errno, self.when)
    }
}

impl Case {
    /// Whether the victim is served by `--serve once`.
    pub fn once(&self) -> bool {
        self.row.drive == Once
    }

    /// Whether this is a case of the same call in the same form.
    pub fn is_of_the_same_call(&self, other: &Self) -> bool {
        (self.form, self.row.name) == (other.form, other.row.name)
    }
}

const fn fault(harm: Count, words: Count, errnos: &'static [&'static str]) -> Fault {
    Fault { errnos, harm, words, lost: false }
}

/// A row without a pipe, for faults from outside.
const fn row(
    name: &'static str,
    call: &'static str,
    whom: Whom,
    drive: Drive,
    whens: &'static [u32],
    forms: Forms,
    faults: &'static [Fault],
) -> Row {
    Row { name, call, pipe: None, whom, drive, whens, faults, forms, fatal: false }
}

impl Row {
    /// The row, but for calls about this pipe only.
    const fn of(self, pipe: Pipe) -> Self {
        Self { pipe: Some(pipe), ..self }
    }
}

/// A row of errors that only a mistake in the program can cause.
const fn mistake(
    call: &'static str,
    whom: Whom,
    forms: Forms,
    faults: &'static [Fault],
) -> Row {
    let row = row(call, call, whom, Visit, &[1], forms, faults);
    Row { fatal: true, ..row }
}

// Which forms.

type Forms = fn(&Form) -> bool;

const ALL: Forms = |_| true;
const THREADS: Forms = |form| form.name == "threads";
const CHILDREN: Forms = |form| form.name == "process";
const WORKERS: Forms = |form| form.name == "process-workers";
const EACH: Forms = creates_for_each;
const POOL: Forms = pool;
const PROCESS: Forms = processes;
const SELECT: Forms = select;
const EPOLL: Forms = |form| form.options.contains("epoll");
const POLL: Forms = |form| creates_for_each(form) || form.options.contains(" poll");
const ONE_POLLS: Forms = |form| POLL(form) && !has_workers(form);
const ONE_SELECTS: Forms = |form| select(form) && !has_workers(form);
/// Forms that write the diagnostic where they accept. A worker process leaves
/// it to the server, and its report is a row of its own.
const TELLING: Forms = |form| !WORKERS(form);
const BLOCKING: Forms = blocks;
const MUX: Forms = has_loops;
/// Forms in which one thread or process serves more than one client.
const LASTING: Forms = |form| !creates_for_each(form);
/// Forms in which the first thread itself waits for the end of a stop.
const MAIN: Forms = |form| form.approach() != Approach::Loop;

// Which errors, and what must come of them.

/// A call that the server need not notice.
const EINTR: &[Fault] = &[fault(Zero, Zero, &["EINTR"])];
/// A call that the server need not notice, on a descriptor that does not block.
const AGAIN: &[Fault] = &[fault(Zero, Zero, &["EINTR", "EAGAIN"])];
/// A wait that the kernel has no memory for.
const WAIT: &[Fault] = &[
    fault(Zero, Zero, &["EINTR"]),
    fault(Zero, One, &["ENOMEM"]),
];
/// poll(2) fails with EINVAL where the limit of open files was lowered.
const WAIT_POLL: &[Fault] = &[
    fault(Zero, Zero, &["EINTR"]),
    fault(Zero, One, &["ENOMEM", "EINVAL"]),
];
const SHORT: &[&str] = &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];
/// accept(2), with the network errors that it hands on, and those that some
/// kernels return according to its manual page.
const ACCEPT: &[Fault] = &[
    fault(Zero, Zero, &["EINTR", "EAGAIN"]),
    fault(Zero, Perhaps, &[
        "ECONNABORTED", "EPERM", "EPROTO", "ENETDOWN", "ENOPROTOOPT",
        "EHOSTDOWN", "ENONET", "EHOSTUNREACH", "EOPNOTSUPP", "ENETUNREACH",
        "ENOSR", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT", "ETIMEDOUT",
    ]),
    fault(Zero, One, SHORT),
];
const SHORTAGE: &[Fault] = &[fault(Zero, One, SHORT)];
const NO_ROOM: &[Fault] = &[fault(Zero, One, &["EAGAIN", "ENOMEM"])];
const NO_MEMORY: &[Fault] = &[fault(Zero, One, &["ENOMEM"])];
const NO_STACK: &[Fault] = &[fault(Zero, Perhaps, &["ENOMEM"])];
/// A new thread. Where clone3(2) is missing, the C library tries clone(2).
const CLONE3: &[Fault] = &[
    fault(Zero, One, &["EAGAIN", "ENOMEM"]),
    fault(Zero, Zero, &["ENOSYS"]),
];
/// recv(2), with what tcp(7) and ip(7) add.
const RECV: &[&str] = &[
    "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ENOMEM",
    "ENOTCONN", "ETIMEDOUT",
];
/// In a blocking server EAGAIN is how the idle limit ends a call; in a loop
/// it means that the socket was not ready after all.
const RECEIVE_BLOCKING: &[Fault] = &[
    fault(Zero, Zero, &["EINTR"]),
    fault(One, Zero, &["EAGAIN"]),
    fault(One, Zero, RECV),
];
const RECEIVE: &[Fault] = &[
    fault(Zero, Zero, &["EINTR", "EAGAIN"]),
    fault(One, Zero, RECV),
];
const DRAIN: &[Fault] = &[
    fault(Zero, Zero, &["EINTR", "EAGAIN"]),
    fault(Zero, Zero, RECV),
];
/// send(2), with what tcp(7) and ip(7) add.
const SEND: &[Fault] = &[
    fault(Zero, Zero, &["EINTR", "EAGAIN"]),
    fault(One, Zero, &[
        "EACCES", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ENOBUFS",
        "ENOMEM", "ENOTCONN", "EPERM", "EPIPE", "ETIMEDOUT",
    ]),
];
const SHUTDOWN: &[Fault] = &[fault(Zero, Zero, &["ENOTCONN"])];
/// No manual page names an error that the outside could cause here. Any call
/// may find the kernel without memory, though.
const SETSOCKOPT: &[Fault] = &[fault(Zero, Zero, &["ENOMEM"])];
/// A client that cannot be watched is closed.
const WATCH: &[Fault] = &[fault(Perhaps, Perhaps, &["ENOMEM", "ENOSPC"])];
const WATCH_REPLY: &[Fault] = &[fault(One, Zero, &["ENOMEM"])];
/// write(2) into whatever the user has made our output: a file, a pipe, a
/// terminal, a socket.
const UNWRITTEN: &[&str] =
    &["EDQUOT", "EFBIG", "EIO", "ENOSPC", "EPERM", "EPIPE", "ECONNRESET"];
const OUTPUT: &[Fault] = &[
    fault(Zero, Zero, &["EINTR", "EAGAIN"]),
    Fault { lost: true, ..fault(Zero, Zero, UNWRITTEN) },
];
const ERRORS: &[Fault] = &[
    fault(Zero, One, &["EINTR", "EAGAIN"]),
    fault(Zero, Zero, UNWRITTEN),
];

// At which of the calls.

const THRICE: &[u32] = &[1, 2, 3];
const ONCE: &[u32] = &[1];
/// Of a client that is served once, the first call receives its message, and
/// the second drops what still comes before the close.
const SECOND: &[u32] = &[2];
const EVERY_SECOND: &[u32] = &[2, 4, 6];

/// Every call on the path of service that can fail by no fault of ours.
pub const TABLE: &[Row] = &[
    row("accept4", "accept4", Acceptor, Visit, THRICE, ALL, ACCEPT),
    // Resources that stay away for a while: each spell is one line, and no
    // reason to spin.
    row("accept4-spell", "accept4", Acceptor, Spell, ONCE, ALL, SHORTAGE),
    row("clone3-spell", "clone3", Acceptor, Spell, ONCE, THREADS, NO_ROOM),
    row("clone-spell", "clone", Acceptor, Spell, ONCE, CHILDREN, NO_ROOM),
    row("poll-spell", "poll", Acceptor, Spell, ONCE, ONE_POLLS, NO_MEMORY),
    row("pselect6-spell", "pselect6", Acceptor, Spell, ONCE, ONE_SELECTS, NO_MEMORY),
    // Receiving, sending, and the lossless close. A thread or process that
    // serves one client makes each call of the close once.
    row("recvfrom", "recvfrom", Victim, Talk, THRICE, BLOCKING, RECEIVE_BLOCKING),
    row("recvfrom", "recvfrom", Victim, Talk, THRICE, MUX, RECEIVE),
    row("recvfrom-drain", "recvfrom", Victim, Once, SECOND, EACH, DRAIN),
    row("recvfrom-drain", "recvfrom", Victim, Once, EVERY_SECOND, LASTING, DRAIN),
    row("sendto", "sendto", Victim, Talk, THRICE, ALL, SEND),
    row("shutdown", "shutdown", Victim, Once, ONCE, EACH, SHUTDOWN),
    row("shutdown", "shutdown", Victim, Once, THRICE, LASTING, SHUTDOWN),
    row("setsockopt", "setsockopt", Victim, Once, ONCE, EACH, SETSOCKOPT),
    row("setsockopt", "setsockopt", Victim, Once, THRICE, POOL, SETSOCKOPT),
    // Waiting.
    row("poll", "poll", Acceptor, Visit, THRICE, POLL, WAIT_POLL),
    row("poll", "poll", Main, Visit, THRICE, WORKERS, WAIT_POLL),
    row("poll-stop", "poll", Main, SlowStop, ONCE, MAIN, WAIT),
    row("pselect6", "pselect6", Acceptor, Visit, THRICE, SELECT, WAIT),
    row("epoll_wait", "epoll_wait", Acceptor, Visit, THRICE, EPOLL, EINTR),
    row("epoll_ctl", "epoll_ctl", Acceptor, Visit, THRICE, EPOLL, WATCH),
    row("epoll_ctl-flood", "epoll_ctl", Victim, Flood, THRICE, EPOLL, WATCH_REPLY),
    // Creating and reaping.
    row("clone3", "clone3", Acceptor, Visit, THRICE, THREADS, CLONE3),
    row("mmap", "mmap", Acceptor, Crowd, THRICE, THREADS, NO_ROOM),
    row("mprotect", "mprotect", Acceptor, Crowd, THRICE, THREADS, NO_STACK),
    row("clone", "clone", Main, Visit, THRICE, CHILDREN, NO_ROOM),
    row("clone", "clone", Main, Kill, THRICE, WORKERS, NO_ROOM),
    row("wait4", "wait4", Main, Visit, THRICE, CHILDREN, EINTR),
    row("wait4-worker", "wait4", Main, Kill, THRICE, WORKERS, EINTR),
    // The pipes. Only children that end write to that of the signals; threads
    // wake no server that has room.
    row("write-output", "write", Victim, Talk, THRICE, ALL, OUTPUT).of(Output),
    row("write-summary", "write", Main, Stop, ONCE, MAIN, OUTPUT).of(Output),
    row("write-errors", "write", Acceptor, Complain, ONCE, TELLING, ERRORS),
    row("write-reports", "write", Victim, Leave, ONCE, CHILDREN, EINTR).of(Reports),
    row("write-reports", "write", Acceptor, Visit, THRICE, WORKERS, EINTR).of(Reports),
    row("read-reports", "read", Main, Visit, THRICE, PROCESS, AGAIN).of(Reports),
    row("read-signal", "read", Main, Visit, THRICE, CHILDREN, AGAIN).of(Signal),
    row("read-signal-stop", "read", Main, SlowStop, ONCE, ALL, AGAIN).of(Signal),
    row("write-signal", "write", Main, Stop, ONCE, ALL, AGAIN).of(Signal),
];

const fn wrong(errnos: &'static [&'static str]) -> Fault {
    fault(Perhaps, One, errnos)
}

/// Errors that only a mistake in the program can cause.
pub const MISTAKES: &[Row] = &[
    mistake("accept4", Acceptor, ALL, &[wrong(&["EBADF", "EFAULT", "EINVAL", "ENOTSOCK"])]),
    mistake("poll", Acceptor, POLL, &[wrong(&["EFAULT"])]),
    mistake("poll", Main, WORKERS, &[wrong(&["EFAULT"])]),
    mistake("pselect6", Acceptor, SELECT, &[wrong(&["EBADF", "EINVAL"])]),
    mistake("epoll_wait", Acceptor, EPOLL, &[wrong(&["EBADF", "EFAULT", "EINVAL"])]),
    mistake("ioctl", Acceptor, MUX, &[wrong(&["EBADF", "EFAULT", "EINVAL", "ENOTTY"])]),
];

/// All cases of a table, in its order, form by form.
pub fn cases(table: &'static [Row]) -> Vec<Case> {
    let mut cases = Vec::new();
    for form in &FORMS {
        let rows = table.iter().filter(|row| (row.forms)(form));
        for row in rows {
            for fault in row.faults {
                for errno in fault.errnos {
                    for &when in row.whens {
                        cases.push(Case { form, row, errno, fault, when });
                    }
                }
            }
        }
    }
    cases
}

/// The whole matrix.
pub fn all_cases() -> Vec<Case> {
    [cases(TABLE), cases(MISTAKES)].concat()
}

/// A slice of it for every day: of each call in each form one case, another
/// error and another time in each.
pub fn slice() -> Vec<Case> {
    let all = all_cases();
    let calls = all.chunk_by(Case::is_of_the_same_call).enumerate();
    calls.map(|(number, group)| group[7 * number % group.len()]).collect()
}
