//! select(2): what the original used, and the oldest of the three.
//!
//! The list is a set of 1024 bits, so a descriptor above 1023 cannot be
//! watched at all. The kernel overwrites the set with its answer.

// Descriptors, and the directory that lists those that are open.
use std::fs;
use std::os::fd::{AsFd as _, RawFd};

// The kernel's call, in types that borrow.
use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::select::{FD_SETSIZE, FdSet, select};
use nix::sys::time::{TimeVal, TimeValLike as _};

// The three verbs to be put in its terms.
use crate::poller::{Interest, List, Poller, Socket, number};

/// Poller by select(2).
pub struct Select {
    /// What the kernel forgets with each answer.
    list: List,
    /// Descriptors below `FD_SETSIZE` that were free at the start.
    free: usize,
}

impl Select {
    /// An empty list; counts the descriptors that are open already.
    pub fn new() -> Self {
        // The kernel always hands out the lowest free number, so a client
        // gets one that fits as long as there are fewer clients than this.
        let taken = fs::read_dir("/dev/fd").map_or(64, |entries| {
            // The directory itself is open while it is read.
            entries.count() - 1
        });
        // Less than what fits, if a good deal is open already.
        Self { list: List::default(), free: FD_SETSIZE.saturating_sub(taken) }
    }
}

/// The three verbs, in one system call.
impl Poller for Select {
    /// Refuses what does not fit; no system call.
    fn watch(
        &mut self,
        socket: &Socket,
        interest: Interest,
    ) -> nix::Result<()> {
        // `FdSet::insert` would panic; in C it would overwrite the stack.
        if usize::try_from(number(socket)).is_ok_and(|fd| fd >= FD_SETSIZE) {
            return Err(Errno::EINVAL);
        }
        // The kernel learns of it with the next wait.
        self.list.watch(socket, interest);
        // Nothing else can fail.
        Ok(())
    }

    /// No system call either.
    fn forget(&mut self, socket: &Socket) {
        self.list.forget(socket);
    }

    /// One system call, and a walk over the whole list before it, over all its
    /// bits in the kernel, and over the list again after it.
    fn wait(
        &mut self,
        ready: &mut Vec<RawFd>,
        timeout: PollTimeout,
    ) -> nix::Result<()> {
        // Both are filled anew each time: the last answer has replaced them.
        let mut receive = FdSet::new();
        let mut send = FdSet::new();
        // The kernel looks at no bit from this one on.
        let mut end = 0;
        // The set borrows each socket, so that none is closed meanwhile.
        for (socket, interest) in self.list.entries() {
            end = end.max(number(socket) + 1);
            // Into one of the sets, not into both.
            match interest {
                // A client at the door makes a listening socket readable.
                Interest::Receive | Interest::Accept => {
                    receive.insert(socket.as_fd());
                }
                // Only while a reply waits: there is nearly always room.
                Interest::Send => send.insert(socket.as_fd()),
                // Not in the list.
                Interest::Nothing => {}
            }
        }
        // -1 is poll(2)'s word for ever; select(2) takes no time at all.
        let milliseconds = i64::from(i32::from(timeout));
        let mut timeout =
            (milliseconds >= 0).then(|| TimeVal::milliseconds(milliseconds));
        // The third set is for out-of-band data, which nobody here sends. A
        // socket that has failed is both readable and writable.
        select(end, &mut receive, &mut send, None, &mut timeout)?;
        // The kernel has left those in the sets that are ready, and does not
        // say which they are: the list must be searched.
        for (socket, _) in self.list.entries() {
            let fd = socket.as_fd();
            // The caller finds out what for.
            if receive.contains(fd) || send.contains(fd) {
                ready.push(number(socket));
            }
        }
        // Perhaps nobody: then the time was up.
        Ok(())
    }

    /// What was counted at the start.
    fn room(&self) -> usize {
        self.free
    }
}
