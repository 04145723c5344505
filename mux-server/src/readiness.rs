//! Which of these sockets are ready? One question, three ways to ask it.
//!
//! `select.rs` and `poll.rs` hand the kernel the whole list each time, and
//! keep it here in a `List`; with `epoll.rs` the kernel keeps it.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd as _, RawFd};
use std::rc::Rc;

use common::options::Backend;
use nix::poll::PollTimeout;

#[cfg(target_os = "linux")]
use crate::epoll::Epoll;
use crate::poll::Poll;
use crate::select::Select;

/// Anything with a descriptor. The list holds a share of it, so that no
/// descriptor in the list can be closed, and its number given to another.
pub type Socket = Rc<dyn AsFd>;

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// That there is something to receive, or a client to accept.
    Receive,
    /// That there is room to send.
    Send,
}

/// What select, poll and epoll have in common.
pub trait Readiness {
    /// Watches a socket for this, and no longer for anything else.
    ///
    /// # Errors
    ///
    /// EINVAL for a descriptor that select(2) cannot hold, ENOMEM and ENOSPC
    /// where `epoll_ctl(2)` has reached a limit.
    fn watch(&mut self, socket: &Socket, interest: Interest)
    -> nix::Result<()>;

    /// Watches a socket no longer.
    fn forget(&mut self, socket: &Socket);

    /// Waits until a watched socket is ready, and appends those that are.
    ///
    /// A socket that has failed or hung up counts as ready, whatever it is
    /// watched for: the next call on it tells the reason.
    ///
    /// # Errors
    ///
    /// EINTR when a signal came first, ENOMEM when the kernel is out of it.
    fn wait(
        &mut self,
        ready: &mut Vec<RawFd>,
        timeout: PollTimeout,
    ) -> nix::Result<()>;

    /// How many more sockets can be watched at most.
    fn room(&self) -> usize {
        usize::MAX
    }
}

/// The way of asking that the user chose.
///
/// # Errors
///
/// EMFILE or ENFILE when there is no descriptor left for an epoll.
pub fn readiness(backend: Option<Backend>) -> nix::Result<Box<dyn Readiness>> {
    Ok(match backend {
        Some(Backend::Select) => Box::new(Select::new()),
        #[cfg(target_os = "linux")]
        Some(Backend::Epoll) => Box::new(Epoll::new()?),
        _ => Box::new(Poll::default()),
    })
}

/// The number of a socket's descriptor.
pub fn number(socket: &Socket) -> RawFd {
    socket.as_fd().as_raw_fd()
}

/// The sockets watched, for those who must name them all in each wait.
#[derive(Default)]
pub struct List {
    entries: Vec<(Socket, Interest)>,
    /// Where in `entries` a descriptor stands.
    places: HashMap<RawFd, usize>,
}

impl List {
    /// Adds a socket, or changes what it is watched for.
    pub fn watch(&mut self, socket: &Socket, interest: Interest) {
        let entry = (Rc::clone(socket), interest);
        if let Some(&place) = self.places.get(&number(socket)) {
            self.entries[place] = entry;
        } else {
            self.places.insert(number(socket), self.entries.len());
            self.entries.push(entry);
        }
    }

    /// Removes a socket.
    pub fn forget(&mut self, socket: &Socket) {
        let Some(place) = self.places.remove(&number(socket)) else {
            return;
        };
        // The last entry takes the place: nothing else has to move.
        self.entries.swap_remove(place);
        if let Some((moved, _)) = self.entries.get(place) {
            self.places.insert(number(moved), place);
        }
    }

    /// All of them.
    pub fn entries(&self) -> &[(Socket, Interest)] {
        &self.entries
    }
}
