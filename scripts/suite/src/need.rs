//! What a test needs of the machine that it runs on.

use std::net::{Ipv6Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Uid;
use probe::proc::own_address;
use probe::strace;

use crate::control_group::has_control_groups;

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
