//! poll(2): the whole list is handed to the kernel, which marks who is ready.
//!
//! As `select.rs`, without its limit: the list may be of any length. But the
//! kernel still looks at every entry in every call.

// Memory kept, a descriptor lent, and its bare number.
use std::mem;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};

// The kernel's call, in types that borrow.
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

// The three verbs to be put in its terms.
use crate::poller::{Interest, List, Poller, Socket};

/// Poller by poll(2).
#[derive(Default)]
pub struct Poll {
    /// What the kernel forgets with each answer.
    list: List,
    /// Room for the question, between two waits: nobody is in it.
    room: Vec<PollFd<'static>>,
}

/// The three verbs, in one system call.
impl Poller for Poll {
    /// No system call.
    fn watch(
        &mut self,
        socket: &Socket,
        interest: Interest,
    ) -> nix::Result<()> {
        // The kernel learns of it with the next wait.
        self.list.watch(socket, interest);
        // A list of any length will do.
        Ok(())
    }

    /// No system call either.
    fn forget(&mut self, socket: &Socket) {
        self.list.forget(socket);
    }

    /// One system call, and a walk over the whole list before it, in the
    /// kernel, and after it.
    fn wait(
        &mut self,
        ready: &mut Vec<RawFd>,
        timeout: PollTimeout,
    ) -> nix::Result<()> {
        // A `PollFd` borrows its socket, and the compiler sees to it that the
        // socket outlives it: so the question is made anew for each wait. Only
        // its memory stays, to be allocated once.
        let mut asked: Vec<PollFd> = mem::take(&mut self.room);
        asked.extend(self.list.entries().map(|(socket, interest)| {
            // A bit for each thing to watch for.
            let flags = match interest {
                // A client at the door counts as something to read.
                Interest::Receive | Interest::Accept => PollFlags::POLLIN,
                // Only while a reply waits: there is nearly always room.
                Interest::Send => PollFlags::POLLOUT,
                // Not in the list.
                Interest::Nothing => PollFlags::empty(),
            };
            // The kernel will write its answer beside the question.
            PollFd::new(socket.as_fd(), flags)
        }));
        // Here the loop sleeps.
        let result = poll(&mut asked, timeout);
        // How many are ready; none after an error.
        let mut left = result.unwrap_or(0);
        // The kernel does not say which ones: the list must be searched.
        for answer in &asked {
            // But how many: behind the last of them there is nothing.
            if left == 0 {
                break;
            }
            // Not only what was asked for: POLLERR and POLLHUP come unasked.
            if answer.any() != Some(false) {
                // By its number, since the caller has a table.
                ready.push(answer.as_fd().as_raw_fd());
                // One less to look for.
                left -= 1;
            }
        }
        // None of the borrowed entries is kept, but their memory is.
        self.room = asked.into_iter().map_while(|_| None).collect();
        // The caller finds out what for.
        result.map(drop)
    }
}
