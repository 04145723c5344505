//! What there is to try, and what must come of it.

use std::fmt;

use crate::forms::{FORMS, Form};

/// Which thread or process of a server has its call fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The one that will accept the next client.
    Door,
    /// The one that serves the victim.
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
    /// The victim says goodbye.
    Leave,
    /// The victim sends more and more, and reads only then.
    Flood,
    /// A victim is served by `--serve once`; then the next.
    Once,
    /// A client comes whom accept(2) fails first: the server complains.
    Complain,
    /// A worker is killed.
    Kill,
    /// The server is asked to stop.
    Stop,
    /// The same while a client is slow to take its replies.
    SlowStop,
}

/// One of the pipes of a server, for calls that mean something else on
/// another descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipe {
    /// Its standard output.
    Output,
    /// By which a signal wakes the server.
    Signal,
    /// By which the processes report to the server.
    Reports,
}

/// What a fault may do to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Nobody notices anything.
    Nobody,
    /// Exactly one client is closed before its time.
    One,
    /// At most one is.
    Perhaps,
}

/// What the server says about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Nothing on standard error.
    None,
    /// One line on standard error.
    One,
    /// One line on standard error, or nothing.
    Perhaps,
    /// Nothing on standard error, and one line of standard output is lost.
    Lost,
}

/// Errors that must come to the same.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Their names.
    pub errnos: &'static [&'static str],
    /// What becomes of the clients.
    pub harm: Harm,
    /// What is said.
    pub words: Words,
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
    /// How.
    pub faults: &'static [Fault],
    /// Where.
    pub forms: &'static [&'static str],
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
    #[must_use]
    pub fn once(&self) -> bool {
        self.row.drive == Drive::Once
    }
}

const fn fault(
    harm: Harm,
    words: Words,
    errnos: &'static [&'static str],
) -> Fault {
    Fault { errnos, harm, words }
}

const ALL: &[&str] = &[
    "threads",
    "threads-workers",
    "process",
    "process-workers",
    "mux-select",
    "mux-poll",
    "mux-epoll",
    "mux-select-workers",
    "mux-poll-workers",
    "mux-epoll-workers",
];
/// Those that complain where they accept; a worker process leaves it to the
/// server, and its report is a row of its own.
const COMPLAINING: &[&str] = &[
    "threads",
    "threads-workers",
    "process",
    "mux-select",
    "mux-poll",
    "mux-epoll",
    "mux-select-workers",
    "mux-poll-workers",
    "mux-epoll-workers",
];
const EACH: &[&str] = &["threads", "process"];
const BLOCKING: &[&str] =
    &["threads", "threads-workers", "process", "process-workers"];
const PROCESS: &[&str] = &["process", "process-workers"];
const MUX: &[&str] = &[
    "mux-select",
    "mux-poll",
    "mux-epoll",
    "mux-select-workers",
    "mux-poll-workers",
    "mux-epoll-workers",
];
const SELECT: &[&str] = &["mux-select", "mux-select-workers"];
const EPOLL: &[&str] = &["mux-epoll", "mux-epoll-workers"];
/// Where one thread or process serves more than one client.
const LASTING: &[&str] = &[
    "threads-workers",
    "process-workers",
    "mux-select",
    "mux-poll",
    "mux-epoll",
    "mux-select-workers",
    "mux-poll-workers",
    "mux-epoll-workers",
];

/// A row for those fields that differ from the commonest.
const fn row(
    name: &'static str,
    call: &'static str,
    whom: Whom,
    drive: Drive,
    forms: &'static [&'static str],
    faults: &'static [Fault],
) -> Row {
    Row {
        name,
        call,
        pipe: None,
        whom,
        drive,
        whens: &[1, 2, 3],
        faults,
        forms,
        fatal: false,
    }
}

/// A call that the server need not notice.
const INTERRUPTED: &[Fault] = &[fault(Harm::Nobody, Words::None, &["EINTR"])];
/// The same where the descriptor does not block.
const AGAIN: &[Fault] =
    &[fault(Harm::Nobody, Words::None, &["EINTR", "EAGAIN"])];
/// A wait that the kernel has no memory for.
/// poll(2) fails with EINVAL where the limit of open files was lowered.
const POLL: &[Fault] = &[
    fault(Harm::Nobody, Words::None, &["EINTR"]),
    fault(Harm::Nobody, Words::One, &["ENOMEM", "EINVAL"]),
];
const WAIT: &[Fault] = &[
    fault(Harm::Nobody, Words::None, &["EINTR"]),
    fault(Harm::Nobody, Words::One, &["ENOMEM"]),
];
/// accept(2), with the network errors that it hands on, and those that some
/// kernels return according to its manual page.
const ACCEPT: &[Fault] = &[
    fault(Harm::Nobody, Words::None, &["EINTR", "EAGAIN"]),
    fault(
        Harm::Nobody,
        Words::Perhaps,
        &[
            "ECONNABORTED",
            "EPERM",
            "EPROTO",
            "ENETDOWN",
            "ENOPROTOOPT",
            "EHOSTDOWN",
            "ENONET",
            "EHOSTUNREACH",
            "EOPNOTSUPP",
            "ENETUNREACH",
            "ENOSR",
            "ESOCKTNOSUPPORT",
            "EPROTONOSUPPORT",
            "ETIMEDOUT",
        ],
    ),
    fault(Harm::Nobody, Words::One, &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]),
];
/// recv(2), with what tcp(7) and ip(7) add.
const RECEIVE: &[&str] = &[
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOMEM",
    "ENOTCONN",
    "ETIMEDOUT",
];
/// send(2), with what tcp(7) and ip(7) add.
const SEND: &[&str] = &[
    "EACCES",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOBUFS",
    "ENOMEM",
    "ENOTCONN",
    "EPERM",
    "EPIPE",
    "ETIMEDOUT",
];
/// write(2) into whatever somebody made our output: a file, a pipe, a
/// terminal, a socket.
const WRITE: &[&str] =
    &["EDQUOT", "EFBIG", "EIO", "ENOSPC", "EPERM", "EPIPE", "ECONNRESET"];

/// Every call on the path of service that can fail by no fault of ours.
pub const TABLE: &[Row] = &[
    row("accept4", "accept4", Whom::Door, Drive::Visit, ALL, ACCEPT),
    // Resources that stay away for a while: each spell is one line, and no
    // reason to spin.
    spell("accept4-spell", "accept4", ALL, SHORTAGE),
    spell("clone3-spell", "clone3", &["threads"], NO_ROOM),
    spell("clone-spell", "clone", &["process"], NO_ROOM),
    spell("poll-spell", "poll", &["threads", "process", "mux-poll"], NO_MEMORY),
    spell("pselect6-spell", "pselect6", &["mux-select"], NO_MEMORY),
    // Receiving. In the blocking servers EAGAIN is how the idle limit ends
    // a call; in the loops it means that the socket was not ready after all.
    row(
        "recvfrom",
        "recvfrom",
        Whom::Victim,
        Drive::Talk,
        BLOCKING,
        &[
            fault(Harm::Nobody, Words::None, &["EINTR"]),
            fault(Harm::One, Words::None, &["EAGAIN"]),
            fault(Harm::One, Words::None, RECEIVE),
        ],
    ),
    row(
        "recvfrom",
        "recvfrom",
        Whom::Victim,
        Drive::Talk,
        MUX,
        &[
            fault(Harm::Nobody, Words::None, &["EINTR", "EAGAIN"]),
            fault(Harm::One, Words::None, RECEIVE),
        ],
    ),
    // Of a client that is served once, the first call receives its message
    // and the second drops what still comes before the close.
    Row {
        whens: &[2],
        ..row(
            "recvfrom-drain",
            "recvfrom",
            Whom::Victim,
            Drive::Once,
            EACH,
            DRAIN,
        )
    },
    Row {
        whens: &[2, 4, 6],
        ..row(
            "recvfrom-drain",
            "recvfrom",
            Whom::Victim,
            Drive::Once,
            LASTING,
            DRAIN,
        )
    },
    // Sending.
    row(
        "sendto",
        "sendto",
        Whom::Victim,
        Drive::Talk,
        BLOCKING,
        &[
            fault(Harm::Nobody, Words::None, &["EINTR", "EAGAIN"]),
            fault(Harm::One, Words::None, SEND),
        ],
    ),
    row(
        "sendto",
        "sendto",
        Whom::Victim,
        Drive::Talk,
        MUX,
        &[
            fault(Harm::Nobody, Words::None, &["EINTR", "EAGAIN"]),
            fault(Harm::One, Words::None, SEND),
        ],
    ),
    // The lossless close. A thread or process that serves one client makes
    // each of these calls once.
    Row {
        whens: &[1],
        ..row("shutdown", "shutdown", Whom::Victim, Drive::Once, EACH, SHUTDOWN)
    },
    row("shutdown", "shutdown", Whom::Victim, Drive::Once, LASTING, SHUTDOWN),
    Row {
        whens: &[1],
        ..row(
            "setsockopt",
            "setsockopt",
            Whom::Victim,
            Drive::Once,
            EACH,
            SETSOCKOPT,
        )
    },
    row(
        "setsockopt",
        "setsockopt",
        Whom::Victim,
        Drive::Once,
        &["threads-workers", "process-workers"],
        SETSOCKOPT,
    ),
    // Waiting.
    row(
        "poll",
        "poll",
        Whom::Door,
        Drive::Visit,
        &["threads", "process", "mux-poll", "mux-poll-workers"],
        POLL,
    ),
    row("poll", "poll", Whom::Main, Drive::Visit, &["process-workers"], POLL),
    Row {
        whens: &[1],
        ..row(
            "poll-stop",
            "poll",
            Whom::Main,
            Drive::SlowStop,
            &[
                "threads",
                "threads-workers",
                "process",
                "process-workers",
                "mux-select-workers",
                "mux-poll-workers",
                "mux-epoll-workers",
            ],
            WAIT,
        )
    },
    row("pselect6", "pselect6", Whom::Door, Drive::Visit, SELECT, WAIT),
    row(
        "epoll_wait",
        "epoll_wait",
        Whom::Door,
        Drive::Visit,
        EPOLL,
        INTERRUPTED,
    ),
    // A client that cannot be watched is closed.
    row(
        "epoll_ctl",
        "epoll_ctl",
        Whom::Door,
        Drive::Visit,
        EPOLL,
        &[fault(Harm::Perhaps, Words::Perhaps, &["ENOMEM", "ENOSPC"])],
    ),
    row(
        "epoll_ctl-flood",
        "epoll_ctl",
        Whom::Victim,
        Drive::Flood,
        EPOLL,
        &[fault(Harm::One, Words::None, &["ENOMEM"])],
    ),
    // Creating.
    row(
        "clone3",
        "clone3",
        Whom::Door,
        Drive::Visit,
        &["threads"],
        &[
            fault(Harm::Nobody, Words::One, &["EAGAIN", "ENOMEM"]),
            // The C library then tries clone(2).
            fault(Harm::Nobody, Words::None, &["ENOSYS"]),
        ],
    ),
    row(
        "mmap",
        "mmap",
        Whom::Door,
        Drive::Crowd,
        &["threads"],
        &[fault(Harm::Nobody, Words::One, &["EAGAIN", "ENOMEM"])],
    ),
    row(
        "mprotect",
        "mprotect",
        Whom::Door,
        Drive::Crowd,
        &["threads"],
        &[fault(Harm::Nobody, Words::Perhaps, &["ENOMEM"])],
    ),
    row(
        "clone",
        "clone",
        Whom::Main,
        Drive::Visit,
        &["process"],
        &[fault(Harm::Nobody, Words::One, &["EAGAIN", "ENOMEM"])],
    ),
    row(
        "clone",
        "clone",
        Whom::Main,
        Drive::Kill,
        &["process-workers"],
        &[fault(Harm::Nobody, Words::One, &["EAGAIN", "ENOMEM"])],
    ),
    row("wait4", "wait4", Whom::Main, Drive::Visit, &["process"], INTERRUPTED),
    row(
        "wait4-worker",
        "wait4",
        Whom::Main,
        Drive::Kill,
        &["process-workers"],
        INTERRUPTED,
    ),
    // The pipes.
    Row {
        pipe: Some(Pipe::Output),
        ..row(
            "write-output",
            "write",
            Whom::Victim,
            Drive::Talk,
            ALL,
            &[
                fault(Harm::Nobody, Words::None, &["EINTR", "EAGAIN"]),
                fault(Harm::Nobody, Words::Lost, WRITE),
            ],
        )
    },
    Row {
        pipe: Some(Pipe::Output),
        whens: &[1],
        ..row(
            "write-summary",
            "write",
            Whom::Main,
            Drive::Stop,
            &[
                "threads",
                "threads-workers",
                "process",
                "process-workers",
                "mux-select-workers",
                "mux-poll-workers",
                "mux-epoll-workers",
            ],
            &[
                fault(Harm::Nobody, Words::None, &["EINTR", "EAGAIN"]),
                fault(Harm::Nobody, Words::Lost, WRITE),
            ],
        )
    },
    Row {
        whens: &[1],
        ..row(
            "write-errors",
            "write",
            Whom::Door,
            Drive::Complain,
            COMPLAINING,
            &[
                fault(Harm::Nobody, Words::One, &["EINTR", "EAGAIN"]),
                fault(Harm::Nobody, Words::None, WRITE),
            ],
        )
    },
    Row {
        pipe: Some(Pipe::Reports),
        whens: &[1],
        ..row(
            "write-reports",
            "write",
            Whom::Victim,
            Drive::Leave,
            &["process"],
            INTERRUPTED,
        )
    },
    Row {
        pipe: Some(Pipe::Reports),
        ..row(
            "write-reports",
            "write",
            Whom::Door,
            Drive::Visit,
            &["process-workers"],
            INTERRUPTED,
        )
    },
    Row {
        pipe: Some(Pipe::Reports),
        ..row("read-reports", "read", Whom::Main, Drive::Visit, PROCESS, AGAIN)
    },
    Row {
        pipe: Some(Pipe::Signal),
        // Only children that end write to it; threads wake nobody who has room.
        ..row(
            "read-signal",
            "read",
            Whom::Main,
            Drive::Visit,
            &["process"],
            AGAIN,
        )
    },
    Row {
        pipe: Some(Pipe::Signal),
        whens: &[1],
        ..row(
            "read-signal-stop",
            "read",
            Whom::Main,
            Drive::SlowStop,
            ALL,
            AGAIN,
        )
    },
    Row {
        pipe: Some(Pipe::Signal),
        whens: &[1],
        ..row("write-signal", "write", Whom::Main, Drive::Stop, ALL, AGAIN)
    },
];

/// A row whose call fails from its first time on.
const fn spell(
    name: &'static str,
    call: &'static str,
    forms: &'static [&'static str],
    faults: &'static [Fault],
) -> Row {
    Row {
        whens: &[1],
        ..row(name, call, Whom::Door, Drive::Spell, forms, faults)
    }
}

const SHORTAGE: &[Fault] = &[fault(
    Harm::Nobody,
    Words::One,
    &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"],
)];
const NO_ROOM: &[Fault] =
    &[fault(Harm::Nobody, Words::One, &["EAGAIN", "ENOMEM"])];
const NO_MEMORY: &[Fault] = &[fault(Harm::Nobody, Words::One, &["ENOMEM"])];
const DRAIN: &[Fault] = &[
    fault(Harm::Nobody, Words::None, &["EINTR", "EAGAIN"]),
    fault(Harm::Nobody, Words::None, RECEIVE),
];
const SHUTDOWN: &[Fault] = &[fault(Harm::Nobody, Words::None, &["ENOTCONN"])];
/// No manual page names an error that the outside could cause here. Any call
/// may find the kernel without memory, though.
const SETSOCKOPT: &[Fault] = &[fault(Harm::Nobody, Words::None, &["ENOMEM"])];

const fn mistake(
    call: &'static str,
    whom: Whom,
    forms: &'static [&'static str],
    faults: &'static [Fault],
) -> Row {
    Row {
        whens: &[1],
        fatal: true,
        ..row(call, call, whom, Drive::Visit, forms, faults)
    }
}

/// Errors that only a mistake in the program can cause.
pub const MISTAKES: &[Row] = &[
    mistake(
        "accept4",
        Whom::Door,
        ALL,
        &[fault(
            Harm::Perhaps,
            Words::One,
            &["EBADF", "EFAULT", "EINVAL", "ENOTSOCK"],
        )],
    ),
    mistake(
        "poll",
        Whom::Door,
        &["threads", "process", "mux-poll", "mux-poll-workers"],
        &[fault(Harm::Perhaps, Words::One, &["EFAULT"])],
    ),
    mistake(
        "poll",
        Whom::Main,
        &["process-workers"],
        &[fault(Harm::Perhaps, Words::One, &["EFAULT"])],
    ),
    mistake(
        "pselect6",
        Whom::Door,
        SELECT,
        &[fault(Harm::Perhaps, Words::One, &["EBADF", "EINVAL"])],
    ),
    mistake(
        "epoll_wait",
        Whom::Door,
        EPOLL,
        &[fault(Harm::Perhaps, Words::One, &["EBADF", "EFAULT", "EINVAL"])],
    ),
    mistake(
        "ioctl",
        Whom::Door,
        MUX,
        &[fault(
            Harm::Perhaps,
            Words::One,
            &["EBADF", "EFAULT", "EINVAL", "ENOTTY"],
        )],
    ),
];

/// All cases of a table, in its order, form by form.
#[must_use]
pub fn cases(table: &'static [Row]) -> Vec<Case> {
    let mut cases = Vec::new();
    for form in &FORMS {
        let rows = table.iter().filter(|row| row.forms.contains(&form.name));
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

/// A slice of it for every day: of each call in each form one case, another
/// error and another time in each.
#[must_use]
pub fn slice(cases: Vec<Case>) -> Vec<Case> {
    let mut slice = Vec::new();
    let mut cases = cases.into_iter().peekable();
    while let Some(first) = cases.peek().copied() {
        let same = |case: &Case| {
            (case.form, case.row.name) == (first.form, first.row.name)
        };
        let mut group = Vec::new();
        while let Some(case) = cases.next_if(same) {
            group.push(case);
        }
        slice.push(group[7 * slice.len() % group.len()]);
    }
    slice
}
