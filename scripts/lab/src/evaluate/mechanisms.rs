//! What this system has to wait for many descriptors with, found by asking
//! it.

use std::os::fd::AsFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::select::{FdSet, select};
use nix::sys::time::TimeVal;

use super::Bench;
use crate::catalogue::{Program, Serve};
use crate::claims::MECHANISMS;
use crate::load::idle::Idle;

/// Asks this system, and runs the loop with each of its own backends.
pub(super) fn probe(bench: &mut Bench<'_>) -> Result<()> {
    bench.begins("asking the system for its mechanisms")?;
    let here = [
        has_select(),
        has_poll(),
        has_epoll(),
        // A system call of other systems: Linux has not even a number for
        // it, and this lab runs on Linux only.
        false,
        has_io_uring(),
    ];
    for (name, here) in MECHANISMS.into_iter().zip(here) {
        let name = format!("mechanisms/{name}/here");
        bench.push(name, f64::from(here));
    }
    for program in [Program::MuxSelect, Program::MuxPoll, Program::MuxEpoll] {
        bench.used.insert(program);
        let serves = bench
            .catalogue
            .start(program, Serve::UntilEof, 8)
            .is_ok_and(|server| Idle::open(server.target(), 8).is_ok());
        let name = format!("mechanisms/{}/backend_serves", program.name());
        bench.push(name, f64::from(serves));
    }
    Ok(())
}

fn has_select() -> bool {
    let mut none = FdSet::new();
    let at_once = &mut TimeVal::new(0, 0);
    select(0, Some(&mut none), None, None, Some(at_once)).is_ok()
}

fn has_poll() -> bool {
    let stdin = std::io::stdin();
    let mut any = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
    poll(&mut any, PollTimeout::ZERO).is_ok()
}

fn has_epoll() -> bool {
    Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).is_ok()
}

/// An impossible request: where the call exists and may be used, it is the
/// request that is refused (`EINVAL`, `EFAULT`), otherwise the call itself
/// (`ENOSYS`), or the caller (`EPERM`).
fn has_io_uring() -> bool {
    let nowhere = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the kernel checks the pointer and refuses it; nothing is
    // created.
    #[allow(unsafe_code)]
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, 0, nowhere) };
    result >= 0 || matches!(Errno::last(), Errno::EINVAL | Errno::EFAULT)
}
