//! poll(2): the whole list is handed to the kernel, which marks who is ready.
//!
//! As `select.rs`, without its limit: the list may be of any length. But the
//! kernel still looks at every entry in every call.

use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::readiness::{Interest, List, Readiness, Socket};

/// Readiness by poll(2).
#[derive(Default)]
pub struct Poll {
    list: List,
}

impl Readiness for Poll {
    fn watch(
        &mut self,
        socket: &Socket,
        interest: Interest,
    ) -> nix::Result<()> {
        self.list.watch(socket, interest);
        Ok(())
    }

    fn forget(&mut self, socket: &Socket) {
        self.list.forget(socket);
    }

    fn wait(
        &mut self,
        ready: &mut Vec<RawFd>,
        timeout: PollTimeout,
    ) -> nix::Result<()> {
        // A `PollFd` borrows its socket, and the compiler sees to it that the
        // socket outlives it. So the array is made anew for each wait; beside
        // the system call that costs nothing that can be measured.
        let mut asked: Vec<PollFd> = self
            .list
            .entries()
            .iter()
            .map(|(socket, interest)| {
                let flags = match interest {
                    Interest::Receive => PollFlags::POLLIN,
                    Interest::Send => PollFlags::POLLOUT,
                };
                PollFd::new(socket.as_fd(), flags)
            })
            .collect();
        let mut left = poll(&mut asked, timeout)?;
        for answer in &asked {
            // The kernel says how many there are: behind the last one there
            // is nothing to look for.
            if left == 0 {
                break;
            }
            // Not only what was asked for: POLLERR and POLLHUP come unasked.
            if answer.any() != Some(false) {
                ready.push(answer.as_fd().as_raw_fd());
                left -= 1;
            }
        }
        Ok(())
    }
}
