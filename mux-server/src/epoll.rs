//! epoll(7): the kernel keeps the list, and answers with those who are ready.
//!
//! A wait costs the same beside ten silent clients and beside ten thousand.
//! Linux only; the BSDs and macOS have kqueue for the same purpose.

use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::epoll::{self, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::readiness::{Interest, Readiness, Socket, number};

/// The most answers taken from one wait; the next one brings the rest.
const ANSWERS: usize = 1024;

/// Readiness by epoll(7).
pub struct Epoll {
    kernel: epoll::Epoll,
    answers: Vec<EpollEvent>,
}

impl Epoll {
    /// An empty list in the kernel.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE when there is no descriptor left for it.
    pub fn new() -> nix::Result<Self> {
        Ok(Self {
            kernel: epoll::Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            answers: vec![EpollEvent::empty(); ANSWERS],
        })
    }
}

impl Readiness for Epoll {
    fn watch(
        &mut self,
        socket: &Socket,
        interest: Interest,
    ) -> nix::Result<()> {
        // Level-triggered: as long as something is left to receive, each wait
        // says so again. Edge-triggered, it would say so once.
        let flags = match interest {
            Interest::Receive => EpollFlags::EPOLLIN,
            Interest::Send => EpollFlags::EPOLLOUT,
        };
        // The number comes back with the answer; the kernel does not use it.
        let fd = number(socket);
        let mut event = EpollEvent::new(flags, fd.unsigned_abs().into());
        match self.kernel.add(socket, event) {
            Err(Errno::EEXIST) => self.kernel.modify(socket, &mut event),
            result => result,
        }
    }

    fn forget(&mut self, socket: &Socket) {
        // ENOENT: it was never watched, so there is nothing to forget.
        self.kernel.delete(socket).ok();
    }

    fn wait(
        &mut self,
        ready: &mut Vec<RawFd>,
        timeout: PollTimeout,
    ) -> nix::Result<()> {
        let count = self.kernel.wait(&mut self.answers, timeout)?;
        let answers = &self.answers[..count];
        ready.extend(answers.iter().filter_map(|answer| {
            // What was given to `watch` is a descriptor, and fits again.
            RawFd::try_from(answer.data()).ok()
        }));
        Ok(())
    }
}
