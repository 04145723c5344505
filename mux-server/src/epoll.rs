//! epoll(7): the kernel keeps the list, and answers with the ready sockets.
//!
//! A wait costs the same beside ten silent clients and beside ten thousand.
//! Linux has it, and illumos; the BSDs and macOS have kqueue for this.

// The number of a descriptor.
use std::os::fd::RawFd;

// The three system calls: create, control, wait.
use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::epoll::{self, EpollCreateFlags, EpollEvent, EpollFlags};

// The interface of the three ways of asking.
use crate::poller::{Interest, Poller, Socket, raw_fd};

/// The most events taken from one wait; the next wait brings the others.
const MAX_EVENTS: usize = 1024;

/// Asks by epoll(7).
pub struct Epoll {
    /// The descriptor of the list in the kernel.
    epoll: epoll::Epoll,
    /// Where the kernel writes which sockets are ready; allocated once.
    events: Vec<EpollEvent>,
}

impl Epoll {
    /// An empty list in the kernel.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE when there is no descriptor left for it.
    pub fn new() -> nix::Result<Self> {
        let epoll = epoll::Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, events: vec![EpollEvent::empty(); MAX_EVENTS] })
    }
}

impl Poller for Epoll {
    /// One system call for each change, and none for sockets that stay.
    fn watch(
        &mut self,
        socket: &Socket,
        interest: Interest,
    ) -> nix::Result<()> {
        // Level-triggered, since EPOLLET is not among the flags.
        let flags = match interest {
            Interest::Receive => EpollFlags::EPOLLIN,
            // A client needs one loop: the kernel wakes at least one of those
            // that watch, and seldom all. Only `add` takes this flag.
            Interest::Accept => {
                EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE
            }
            Interest::Send => EpollFlags::EPOLLOUT,
        };
        // The kernel does not use the number; it comes back with the event.
        let number = raw_fd(socket).unsigned_abs().into();
        let mut event = EpollEvent::new(flags, number);
        match self.epoll.add(socket, event) {
            // The socket is in the list, watched for something else.
            Err(Errno::EEXIST) => self.epoll.modify(socket, &mut event),
            result => result,
        }
    }

    /// One system call.
    fn unwatch(&mut self, socket: &Socket) {
        // ENOENT: the socket was not watched.
        self.epoll.delete(socket).ok();
    }

    /// One system call, and no walk over the list: the kernel notes a socket
    /// as ready when something happens to it.
    fn wait(
        &mut self,
        ready: &mut Vec<RawFd>,
        timeout: PollTimeout,
    ) -> nix::Result<()> {
        // The loop sleeps here.
        let count = self.epoll.wait(&mut self.events, timeout)?;
        // The number is all that is needed: the client's state says whether
        // to receive or to send.
        let events = self.events[..count].iter();
        ready.extend(events.filter_map(|it| RawFd::try_from(it.data()).ok()));
        Ok(())
    }
}
