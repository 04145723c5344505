//! What a case is, which servers it concerns and what it needs.

use std::net::{Ipv6Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use libtest_mimic::Trial;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Uid;
use probe::Outcome;
use probe::proc::own_address;
use probe::strace;

use crate::limits::has_control_groups;
use crate::{Approach, Form, Kind, runner};

/// One test, run against each form that it concerns.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name of its function.
    pub name: &'static str,
    body: Body,
    only: Option<fn(&Form) -> bool>,
    needs: &'static [Need],
    slow: bool,
    timed: bool,
    on_request: bool,
}

/// How a case reports that the server does not do what it should.
#[derive(Clone, Copy)]
pub enum Body {
    /// By a panic.
    Panics(fn(&Form)),
    /// By an error.
    Fails(fn(&Form) -> Outcome),
}

/// A case named after its function, which panics, or returns an [`Outcome`].
macro_rules! case {
    ($function:ident) => {
        $crate::case::Case::new(
            stringify!($function),
            $crate::case::Body::Panics($function),
        )
    };
    ($function:ident -> Outcome) => {
        $crate::case::Case::new(
            stringify!($function),
            $crate::case::Body::Fails($function),
        )
    };
}
pub(crate) use case;

impl Case {
    /// A case for every form that needs nothing; see [`case!`].
    pub(crate) const fn new(name: &'static str, body: Body) -> Self {
        Self {
            name,
            body,
            only: None,
            needs: &[],
            slow: false,
            timed: false,
            on_request: false,
        }
    }

    /// The case, but only for the forms that `only` takes.
    pub(crate) const fn only(self, only: fn(&Form) -> bool) -> Self {
        Self { only: Some(only), ..self }
    }

    /// The case, but ignored on a machine that lacks one of these.
    pub(crate) const fn needs(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    /// The case, but begun before the others: it takes seconds.
    pub(crate) const fn slow(self) -> Self {
        Self { slow: true, ..self }
    }

    /// The case, but run with few others at a time: it fails when the server
    /// takes too long.
    pub(crate) const fn timed(self) -> Self {
        Self { timed: true, ..self }
    }

    /// The case, but run with `--ignored` or `--include-ignored` only: it takes
    /// minutes.
    pub(crate) const fn on_request(self) -> Self {
        Self { on_request: true, ..self }
    }

    /// Whether it fails when the server takes too long.
    pub fn is_timed(&self) -> bool {
        self.timed
    }

    /// Whether it is to be begun before the others.
    pub fn is_slow(&self) -> bool {
        self.slow
    }

    /// Whether the case concerns this form.
    pub fn concerns(&self, form: &Form) -> bool {
        self.only.is_none_or(|only| only(form))
    }

    /// The case as a trial of this form.
    pub fn trial(&self, form: &'static Form) -> Trial {
        let (body, name) = (self.body, format!("{}::{}", form.name, self.name));
        let run = move || match body {
            Body::Panics(body) => {
                body(form);
                Ok(())
            }
            Body::Fails(body) => body(form),
        };
        runner::trial(name, self.needs, run).with_ignored_flag(self.on_request)
    }
}

/// For [`Case::only`]: the processes.
pub fn processes(form: &Form) -> bool {
    form.kind == Kind::Processes
}

/// For [`Case::only`]: those that create something for each connection, which
/// can fail.
pub fn creates_for_each(form: &Form) -> bool {
    form.approach() == Approach::Each
}

/// For [`Case::only`]: those that call accept(2) when a client is there. A
/// worker of a pool waits in accept(2), with a descriptor already set aside.
pub fn accepts_when_ready(form: &Form) -> bool {
    form.approach() != Approach::Pool
}

/// For [`Case::only`]: those whose threads or processes block in a call for
/// their client.
pub fn blocks(form: &Form) -> bool {
    form.kind != Kind::Loop
}

/// For [`Case::only`]: those with workers that exist before the first client.
pub fn has_workers(form: &Form) -> bool {
    form.workers.is_some()
}

/// For [`Case::only`]: several loops.
pub fn loops(form: &Form) -> bool {
    form.approach() == Approach::Loops
}

/// For [`Case::only`]: workers of this kind.
pub fn pool_of(form: &Form, kind: Kind) -> bool {
    has_workers(form) && form.kind == kind
}

/// For [`Case::only`]: the loop in the form that uses `select`.
pub fn select(form: &Form) -> bool {
    form.options.contains("select")
}

/// What a machine may lack.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// `curl`, a client that is not ours.
    Curl,
    /// The loopback address of IPv6.
    Ipv6,
    /// `strace`, and the right to trace.
    Strace,
    /// To make control groups.
    ControlGroup,
    /// A way to have too few threads or processes: control groups, or `strace`.
    TaskLimit,
    /// `prlimit`, which changes the limits of a running process.
    Prlimit,
    /// Thousands of descriptors in one process.
    Descriptors,
    /// `setsid`, which gives a program a terminal of its own.
    Setsid,
    /// To be an ordinary user, or root and able to become one.
    OrdinaryUser,
    /// A kernel that keeps port 80 from ordinary users.
    PrivilegedPorts,
    /// Port 8080, the default: a program that listens on it with all
    /// addresses of the machine has it on every loopback address, too.
    DefaultPort,
}

impl Need {
    /// Whether this machine has it; what is missing, otherwise.
    pub(crate) fn is_met(self) -> Result<(), &'static str> {
        match self {
            Self::Curl => {
                static FOUND: OnceLock<bool> = OnceLock::new();
                works(&FOUND, "curl --version").ok_or("there is no curl")
            }
            Self::Ipv6 => TcpListener::bind((Ipv6Addr::LOCALHOST, 0))
                .map(drop)
                .map_err(|_| "there is no IPv6 here"),
            Self::Strace => strace::version()
                .map(drop)
                .ok_or("strace is missing or may not trace"),
            Self::ControlGroup => {
                static FOUND: OnceLock<bool> = OnceLock::new();
                FOUND
                    .get_or_init(has_control_groups)
                    .then_some(())
                    .ok_or("no control group can be made")
            }
            Self::TaskLimit => Self::ControlGroup
                .is_met()
                .or_else(|_| Self::Strace.is_met())
                .map_err(|_| "no control group can be made, nor strace used"),
            Self::Prlimit => {
                static FOUND: OnceLock<bool> = OnceLock::new();
                works(&FOUND, "prlimit --version").ok_or("there is no prlimit")
            }
            Self::Setsid => {
                static FOUND: OnceLock<bool> = OnceLock::new();
                works(&FOUND, "setsid --version").ok_or("there is no setsid")
            }
            Self::Descriptors => getrlimit(Resource::RLIMIT_NOFILE)
                .is_ok_and(|(soft, _)| soft >= 8192)
                .then_some(())
                .ok_or("a process may have fewer than 8192 descriptors"),
            Self::OrdinaryUser => {
                static FOUND: OnceLock<bool> = OnceLock::new();
                (!Uid::effective().is_root()
                    || works(&FOUND, "setpriv --reuid 65534 true").is_some())
                .then_some(())
                .ok_or("root cannot become an ordinary user with setpriv")
            }
            Self::PrivilegedPorts => {
                let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
                std::fs::read_to_string(path)
                    .ok()
                    .and_then(|first| first.trim().parse().ok())
                    .filter(|first: &u32| *first > 80)
                    .map(drop)
                    .ok_or("any user may listen on port 80 here")
            }
            Self::DefaultPort => TcpListener::bind((own_address(), 8080))
                .map(drop)
                .map_err(|_| "something else listens on port 8080"),
        }
    }
}

/// Whether a command line runs and succeeds, asked once.
fn works(found: &OnceLock<bool>, line: &str) -> Option<()> {
    found
        .get_or_init(|| {
            let mut words = line.split(' ');
            Command::new(words.next().unwrap_or_default())
                .args(words)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
        .then_some(())
}
