//! Which of these sockets are ready? One question, three ways to ask it.
//!
//! `select.rs` and `poll.rs` hand the kernel the whole list each time, and
//! keep it here in a `List`; with `epoll.rs` the kernel keeps it.

// `Rc` counts owners within one thread; there is no other here.
use std::os::fd::{AsFd, AsRawFd as _, RawFd};
use std::rc::Rc;

// What the user chose, and how long to wait.
use nix::poll::PollTimeout;

/// Anything with a descriptor. The list holds a share of it, so that no
/// descriptor in the list can be closed, and its number given to another.
pub type Socket = Rc<dyn AsFd>;

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// That there is something to receive.
    Receive,
    /// That there is a client to accept, on a socket that several loops may
    /// be watching.
    Accept,
    /// That there is room to send.
    Send,
    /// Nothing for now: not even a hang-up ends the wait.
    Nothing,
}

/// What select, poll and epoll have in common.
pub trait Poller {
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

/// The number of a socket's descriptor.
pub fn number(socket: &Socket) -> RawFd {
    socket.as_fd().as_raw_fd()
}

/// The sockets watched, for those who must name them all in each wait.
#[derive(Default)]
pub struct List {
    /// Each at the place that its number says. The kernel always hands out the
    /// lowest free number, so there are few gaps.
    entries: Vec<Option<(Socket, Interest)>>,
}

impl List {
    /// Adds a socket, or changes what it is watched for.
    pub fn watch(&mut self, socket: &Socket, interest: Interest) {
        // The kernel must not even be asked about it.
        if interest == Interest::Nothing {
            return self.forget(socket);
        }
        // An open descriptor has a number that is not negative.
        let place = number(socket).unsigned_abs() as usize;
        // A new client may have the highest number so far.
        if place >= self.entries.len() {
            self.entries.resize(place + 1, None);
        }
        // A share of the socket, which keeps it open.
        self.entries[place] = Some((Rc::clone(socket), interest));
    }

    /// Removes a socket.
    pub fn forget(&mut self, socket: &Socket) {
        // Where it stands if it is there.
        let place = number(socket).unsigned_abs() as usize;
        // It may have been forgotten before.
        if let Some(entry) = self.entries.get_mut(place) {
            *entry = None;
        }
        // A crowd that has left must not be searched for ever.
        while let Some(None) = self.entries.last() {
            self.entries.pop();
        }
    }

    /// All of them.
    pub fn entries(&self) -> impl Iterator<Item = (&Socket, Interest)> {
        // Without the gaps.
        let entries = self.entries.iter().flatten();
        // A reference to each, and a copy of what it is watched for.
        entries.map(|(socket, interest)| (socket, *interest))
    }
}

#[cfg(test)]
mod tests {
    use crate::clients::readiness;
    use common::console::options::Backend;
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Both ends of a connection on the loopback.
    fn pair() -> (TcpStream, Rc<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (stream, _) = listener.accept().unwrap();
        (client, Rc::new(stream))
    }

    fn share(stream: &Rc<TcpStream>) -> Socket {
        Rc::<TcpStream>::clone(stream)
    }

    /// Who is ready now, in order.
    fn ready(list: &mut dyn Poller, timeout: PollTimeout) -> Vec<RawFd> {
        let mut ready = Vec::new();
        list.wait(&mut ready, timeout).unwrap();
        ready.sort_unstable();
        ready
    }

    /// Runs a test with each way of asking.
    fn each(test: impl Fn(&mut dyn Poller)) {
        for backend in [Backend::Select, Backend::Poll] {
            test(&mut *readiness(Some(backend)).unwrap());
        }
        #[cfg(target_os = "linux")]
        test(&mut *readiness(Some(Backend::Epoll)).unwrap());
    }

    #[test]
    fn only_who_has_something_is_ready_and_again_until_it_is_taken() {
        each(|list| {
            let (_silent, first) = pair();
            let (mut client, second) = pair();
            for stream in [&first, &second] {
                list.watch(&share(stream), Interest::Receive).unwrap();
            }
            assert!(ready(list, PollTimeout::ZERO).is_empty());
            client.write_all(b"x").unwrap();
            let expected = [number(&share(&second))];
            assert_eq!(ready(list, PollTimeout::NONE), expected);
            assert_eq!(ready(list, PollTimeout::ZERO), expected);
        });
    }

    #[test]
    fn a_socket_is_watched_for_one_thing_at_a_time() {
        each(|list| {
            let (mut client, stream) = pair();
            let socket = share(&stream);
            list.watch(&socket, Interest::Receive).unwrap();
            assert!(ready(list, PollTimeout::ZERO).is_empty());
            list.watch(&socket, Interest::Send).unwrap();
            assert_eq!(ready(list, PollTimeout::ZERO), [number(&socket)]);
            // Fill it, until there is no room to send.
            stream.set_nonblocking(true).unwrap();
            while (&*stream).write(&[0; 8192]).is_ok() {}
            client.write_all(b"x").unwrap();
            assert!(ready(list, PollTimeout::ZERO).is_empty());
            list.watch(&socket, Interest::Receive).unwrap();
            assert_eq!(ready(list, PollTimeout::NONE), [number(&socket)]);
        });
    }

    #[test]
    fn a_hang_up_is_ready_whatever_it_is_watched_for() {
        for interest in [Interest::Receive, Interest::Send] {
            each(|list| {
                let (client, stream) = pair();
                let socket = share(&stream);
                list.watch(&socket, interest).unwrap();
                drop(client);
                assert_eq!(ready(list, PollTimeout::NONE), [number(&socket)]);
            });
        }
    }

    #[test]
    fn who_is_watched_for_nothing_is_not_ready_until_watched_again() {
        each(|list| {
            let (client, stream) = pair();
            let socket = share(&stream);
            list.watch(&socket, Interest::Receive).unwrap();
            drop(client);
            list.watch(&socket, Interest::Nothing).unwrap();
            assert!(ready(list, PollTimeout::ZERO).is_empty());
            list.watch(&socket, Interest::Receive).unwrap();
            assert_eq!(ready(list, PollTimeout::ZERO), [number(&socket)]);
        });
    }

    #[test]
    fn who_is_forgotten_is_not_ready_and_the_others_are() {
        each(|list| {
            let pairs: Vec<_> = (0..4).map(|_| pair()).collect();
            for (client, stream) in &pairs {
                list.watch(&share(stream), Interest::Receive).unwrap();
                (&*client).write_all(b"x").unwrap();
            }
            // From the middle, the end, and twice the same.
            for gone in [1, 3, 3] {
                list.forget(&share(&pairs[gone].1));
            }
            let mut expected: Vec<_> =
                [0, 2].map(|left: usize| number(&share(&pairs[left].1))).into();
            expected.sort_unstable();
            assert_eq!(ready(list, PollTimeout::NONE), expected);
            // Whoever moved to another place can still be found there.
            list.forget(&share(&pairs[2].1));
            assert_eq!(
                ready(list, PollTimeout::NONE),
                [number(&share(&pairs[0].1))]
            );
        });
    }

    #[test]
    fn a_client_at_the_door_is_ready() {
        each(|list| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let door: Socket = Rc::new(listener);
            list.watch(&door, Interest::Accept).unwrap();
            assert!(ready(list, PollTimeout::ZERO).is_empty());
            let _client = TcpStream::connect(address).unwrap();
            assert_eq!(ready(list, PollTimeout::NONE), [number(&door)]);
            list.forget(&door);
            assert!(ready(list, PollTimeout::ZERO).is_empty());
        });
    }

    #[test]
    fn a_wait_ends_with_its_time() {
        each(|list| {
            let (_client, stream) = pair();
            list.watch(&share(&stream), Interest::Receive).unwrap();
            let start = std::time::Instant::now();
            assert!(ready(list, PollTimeout::from(20_u8)).is_empty());
            assert!(start.elapsed().as_millis() >= 20);
        });
    }

    #[test]
    fn select_has_room_for_less_than_its_1024() {
        let select = readiness(Some(Backend::Select)).unwrap();
        // Standard input, output and error at least are open.
        assert!((1..=1021).contains(&select.room()));
        let poll = readiness(Some(Backend::Poll)).unwrap();
        assert_eq!(poll.room(), usize::MAX);
    }

    #[test]
    fn select_refuses_a_descriptor_that_does_not_fit() {
        use nix::errno::Errno;
        use nix::fcntl::{FcntlArg, fcntl};
        use std::os::fd::{FromRawFd, OwnedFd};
        let (_client, stream) = pair();
        let high = fcntl(&*stream, FcntlArg::F_DUPFD_CLOEXEC(1024)).unwrap();
        // SAFETY: the number was just made, for nobody else.
        #[expect(unsafe_code, reason = "fcntl returns a number")]
        let high: Socket = Rc::new(unsafe { OwnedFd::from_raw_fd(high) });
        let mut select = readiness(Some(Backend::Select)).unwrap();
        let result = select.watch(&high, Interest::Receive);
        assert_eq!(result, Err(Errno::EINVAL));
        let mut poll = readiness(Some(Backend::Poll)).unwrap();
        assert_eq!(poll.watch(&high, Interest::Receive), Ok(()));
    }
}
