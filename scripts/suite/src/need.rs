//! What a test needs of the machine that it runs on.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::sync::LazyLock;

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Uid;
use probe::proc::own_address;
use probe::{strace, works};

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
        let is_free = |ip: IpAddr, port| TcpListener::bind((ip, port)).is_ok();
        let (has, missing) = match self {
            Self::Curl => (works("curl --version"), "there is no curl"),
            Self::Ipv6 => {
                let own = Ipv6Addr::LOCALHOST.into();
                (is_free(own, 0), "there is no IPv6 here")
            }
            Self::Strace => (
                strace::version().is_some(),
                "strace is missing or may not trace",
            ),
            Self::ControlGroup => {
                static FOUND: LazyLock<bool> =
                    LazyLock::new(has_control_groups);
                (*FOUND, "no control group can be made")
            }
            Self::TaskLimit => (
                Self::ControlGroup.is_met().is_ok()
                    || Self::Strace.is_met().is_ok(),
                "no control group can be made, nor strace used",
            ),
            Self::Prlimit => {
                (works("prlimit --version"), "there is no prlimit")
            }
            Self::Setsid => (works("setsid --version"), "there is no setsid"),
            Self::Descriptors => (
                getrlimit(Resource::RLIMIT_NOFILE)
                    .is_ok_and(|(soft, _)| soft >= 8192),
                "a process may have fewer than 8192 descriptors",
            ),
            Self::OrdinaryUser => (
                !Uid::effective().is_root()
                    || works("setpriv --reuid 65534 true"),
                "root cannot become an ordinary user with setpriv",
            ),
            Self::PrivilegedPorts => {
                let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
                let first = fs::read_to_string(path).unwrap_or_default();
                let has = first.trim().parse().is_ok_and(|it: u32| it > 80);
                (has, "any user may listen on port 80 here")
            }
            Self::DefaultPort => (
                is_free(own_address().into(), 8080),
                "something else listens on port 8080",
            ),
        };
        if has { Ok(()) } else { Err(missing) }
    }
}
