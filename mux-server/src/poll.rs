//! poll(2): the whole list goes to the kernel, which marks what is ready.
//!
//! Like `select.rs`, but the list may be of any length. The kernel still looks
//! at every entry in every call.

// A table ordered by number, and descriptors.
use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::Arc;

// The system calls.
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};

// The interface of the three ways of asking.
use crate::poller::{Interest, Poller, Socket, raw_fd};

/// Asks by poll(2).
#[derive(Default)]
pub struct Poll {
    /// The sockets watched, by the numbers of their descriptors.
    sockets: BTreeMap<RawFd, (Socket, Interest)>,
}

impl Poller for Poll {
    /// No system call: the kernel gets the whole list with each wait.
    fn watch(
        &mut self,
        socket: &Socket,
        interest: Interest,
    ) -> nix::Result<()> {
        let entry = (Arc::clone(socket), interest);
        self.sockets.insert(raw_fd(socket), entry);
        Ok(())
    }

    /// No system call.
    fn unwatch(&mut self, socket: &Socket) {
        self.sockets.remove(&raw_fd(socket));
    }

    /// One system call, and three walks over the whole list: before it, in the
    /// kernel, and after it.
    fn wait(
        &mut self,
        ready: &mut Vec<RawFd>,
        timeout: PollTimeout,
    ) -> nix::Result<()> {
        // A `PollFd` borrows its socket, so the list is made anew for each
        // wait.
        let poll_fds = self.sockets.values().map(|(socket, interest)| {
            // A listening socket is readable while a client is in its queue.
            let events = match interest {
                Interest::Receive | Interest::Accept => PollFlags::POLLIN,
                Interest::Send => PollFlags::POLLOUT,
            };
            PollFd::new(socket.as_fd(), events)
        });
        // The loop sleeps in poll(2).
        let mut poll_fds: Vec<PollFd> = poll_fds.collect();
        let mut result = poll(&mut poll_fds, timeout).map(drop);
        // EINVAL: the list is longer than the limit of open files, which was
        // lowered while the server runs, see prlimit(1).
        if result == Err(Errno::EINVAL) {
            // The soft limit is the one that counts.
            let limit = getrlimit(Resource::RLIMIT_NOFILE)?.0;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            poll_in_pieces(&mut poll_fds, limit);
            // The caller treats this like accept(2) without a descriptor.
            result = Err(Errno::EMFILE);
        }
        // The kernel does not say which entries it has marked. POLLERR and
        // POLLHUP are marked even where nothing asked for them.
        let marked = poll_fds.iter().filter(|entry| entry.any() != Some(false));
        ready.extend(marked.map(|entry| entry.as_fd().as_raw_fd()));
        result
    }
}

/// Asks without waiting, in pieces of at most `limit` sockets. The caller
/// reports the error, and sleeps before it asks again.
fn poll_in_pieces(poll_fds: &mut [PollFd], limit: usize) {
    for piece in poll_fds.chunks_mut(limit.max(1)) {
        // With a limit of 0 this fails, and marks no entry.
        poll(piece, PollTimeout::ZERO).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_list_longer_than_the_limit_of_open_files_is_asked_in_pieces() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pairs: Vec<_> = (0..10)
            .map(|_| {
                let client = TcpStream::connect(address).unwrap();
                (client, listener.accept().unwrap().0)
            })
            .collect();
        // Only the last one has something to receive.
        (&pairs[9].0).write_all(b"x").unwrap();
        // Where a limit of 3 makes poll(2) fail, four calls ask for all.
        let mut poll_fds: Vec<_> = pairs
            .iter()
            .map(|(_, it)| PollFd::new(it.as_fd(), PollFlags::POLLIN))
            .collect();
        poll_in_pieces(&mut poll_fds, 3);
        let marked = poll_fds.iter().map(|it| it.any() == Some(true));
        let mut expected = [false; 10];
        expected[9] = true;
        assert_eq!(marked.collect::<Vec<_>>(), expected);
    }
}
