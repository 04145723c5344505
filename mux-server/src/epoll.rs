//! epoll(7): the kernel keeps the list, and answers with those who are ready.
//!
//! A wait costs the same beside ten silent clients and beside ten thousand.
//! Linux only; the BSDs and macOS have kqueue for the same purpose.

// The number of a descriptor, without any right to it.
use std::os::fd::RawFd;

// The kernel's three calls: create, control, wait.
use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::epoll::{self, EpollCreateFlags, EpollEvent, EpollFlags};

// The three verbs to be put in their terms.
use crate::poller::{Interest, Poller, Socket, number};

/// The most answers taken from one wait; the next one brings the rest.
const ANSWERS: usize = 1024;

/// Poller by epoll(7).
pub struct Epoll {
    /// The list itself is in there; this is its descriptor.
    kernel: epoll::Epoll,
    /// Where the kernel writes who is ready.
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
            // Not for programs that somebody starts from here.
            kernel: epoll::Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            // Allocated once, used in each wait.
            answers: vec![EpollEvent::empty(); ANSWERS],
        })
    }
}

/// The three verbs, in three system calls.
impl Poller for Epoll {
    /// One system call for each change, none for those who stay: that is the
    /// bargain.
    fn watch(
        &mut self,
        socket: &Socket,
        interest: Interest,
    ) -> nix::Result<()> {
        // Level-triggered: as long as something is left to receive, each wait
        // says so again. Edge-triggered, it would say so once.
        let flags = match interest {
            // Data, or the client's end of file.
            Interest::Receive => EpollFlags::EPOLLIN,
            // One client needs one loop: wake one of those that watch, not
            // all. The kernel allows this flag when a socket is added, only.
            Interest::Accept => {
                EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE
            }
            // Only while a reply waits: there is nearly always room.
            Interest::Send => EpollFlags::EPOLLOUT,
            // Even without a flag the kernel would report a hang-up.
            Interest::Nothing => {
                self.forget(socket);
                // A list without it cannot fail.
                return Ok(());
            }
        };
        // The number comes back with the answer; the kernel does not use it.
        let fd = number(socket);
        // Two ways to put it: new in the list, or changed.
        let mut event = EpollEvent::new(flags, fd.unsigned_abs().into());
        match self.kernel.add(socket, event) {
            // Known already, but watched for something else.
            Err(Errno::EEXIST) => self.kernel.modify(socket, &mut event),
            // Mostly it is new.
            result => result,
        }
    }

    /// One system call.
    fn forget(&mut self, socket: &Socket) {
        // ENOENT: it was never watched, so there is nothing to forget.
        self.kernel.delete(socket).ok();
    }

    /// One system call, and no walk: the kernel has noted who became ready
    /// when it happened.
    fn wait(
        &mut self,
        ready: &mut Vec<RawFd>,
        timeout: PollTimeout,
    ) -> nix::Result<()> {
        // Here the loop sleeps.
        let count = self.kernel.wait(&mut self.answers, timeout)?;
        // The rest is from an earlier wait.
        let answers = &self.answers[..count];
        // Only the number is of use: what for, the caller finds out.
        ready.extend(answers.iter().filter_map(|answer| {
            // What was given to `watch` is a descriptor, and fits again.
            RawFd::try_from(answer.data()).ok()
        }));
        // Done, without having looked at anybody silent.
        Ok(())
    }
}
