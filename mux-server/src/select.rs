//! select(2): what the original used, and the oldest of the three.
//!
//! The list is a set of 1024 bits in glibc's type, so a descriptor above 1023
//! cannot be watched. The kernel overwrites the set with its answer.

// A table ordered by number, and the directory that lists open descriptors.
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd as _, RawFd};
use std::sync::Arc;

// The system call.
use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::select::{FD_SETSIZE, FdSet, select};
use nix::sys::time::{TimeVal, TimeValLike as _};

// The interface of the three ways of asking.
use crate::poller::{Interest, Poller, Socket, raw_fd};

/// Asks by select(2).
pub struct Select {
    /// The sockets watched, by the numbers of their descriptors.
    sockets: BTreeMap<RawFd, (Socket, Interest)>,
    /// How many descriptors below `FD_SETSIZE` were free at the start.
    capacity: usize,
}

impl Select {
    /// An empty list; counts the descriptors that are open already.
    pub fn new() -> Self {
        // The kernel always hands out the lowest free number, so the clients'
        // descriptors fit as long as there are fewer clients than free ones.
        // The directory itself is open while it is read.
        let open = fs::read_dir("/dev/fd")
            .map_or(64, |entries| entries.count().saturating_sub(1));
        let capacity = FD_SETSIZE.saturating_sub(open);
        Self { sockets: BTreeMap::new(), capacity }
    }
}

impl Poller for Select {
    /// No system call: the kernel gets the whole set with each wait.
    fn watch(
        &mut self,
        socket: &Socket,
        interest: Interest,
    ) -> nix::Result<()> {
        // `FdSet::insert` would panic; FD_SET(3) in C would write past the end
        // of the set.
        let fd = raw_fd(socket);
        if usize::try_from(fd).is_ok_and(|fd| fd >= FD_SETSIZE) {
            return Err(Errno::EINVAL);
        }
        self.sockets.insert(fd, (Arc::clone(socket), interest));
        Ok(())
    }

    /// No system call.
    fn unwatch(&mut self, socket: &Socket) {
        self.sockets.remove(&raw_fd(socket));
    }

    /// One system call; the list is walked before it and after it, and the
    /// kernel looks at all bits up to the highest descriptor.
    fn wait(
        &mut self,
        ready: &mut Vec<RawFd>,
        timeout: PollTimeout,
    ) -> nix::Result<()> {
        // Filled anew each time: the last answer has replaced both sets.
        let (mut receive, mut send) = (FdSet::new(), FdSet::new());
        for (socket, interest) in self.sockets.values() {
            // A listening socket is readable while a client is in its queue.
            match interest {
                Interest::Receive | Interest::Accept => {
                    receive.insert(socket.as_fd());
                }
                Interest::Send => send.insert(socket.as_fd()),
            }
        }
        // The kernel looks at no bit from this one on.
        let end = self.sockets.keys().next_back().map_or(0, |fd| fd + 1);
        // -1 means no limit to poll(2); select(2) takes a null pointer for
        // that.
        let milliseconds = i64::from(i32::from(timeout));
        let mut timeout =
            (milliseconds >= 0).then(|| TimeVal::milliseconds(milliseconds));
        // The loop sleeps here. The third set is for out-of-band data. A
        // socket that has failed is both readable and writable.
        select(end, &mut receive, &mut send, None, &mut timeout)?;
        // The kernel has left the ready ones in the sets.
        for (fd, (socket, _)) in &self.sockets {
            let socket = socket.as_fd();
            if receive.contains(socket) || send.contains(socket) {
                ready.push(*fd);
            }
        }
        Ok(())
    }

    /// What was counted at the start.
    fn capacity(&self) -> usize {
        self.capacity
    }
}
