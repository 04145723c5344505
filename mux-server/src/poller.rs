//! Which of these sockets are ready? One question, and three ways to ask the
//! kernel: `select.rs`, `poll.rs`, `epoll.rs`.

// Descriptors, and shared ownership.
use std::os::fd::{AsFd, AsRawFd as _, RawFd};
use std::sync::Arc;

// How long to wait; all three take it.
use nix::poll::PollTimeout;

/// Anything with a descriptor. A poller owns a reference to each socket that
/// it watches, so none of them is closed, and its number reused, meanwhile.
pub type Socket = Arc<dyn AsFd + Send + Sync>;

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Data to receive, or the end of file.
    Receive,
    /// A client to accept; several loops may watch the same listening socket.
    Accept,
    /// Room in the send buffer.
    Send,
}

/// What select, poll and epoll have in common. All three are level-triggered:
/// a socket is reported by each wait until it is no longer ready.
pub trait Poller: Send {
    /// Watches a socket for this, and no longer for anything else.
    ///
    /// # Errors
    ///
    /// EINVAL for a descriptor that does not fit into select(2)'s set; ENOMEM
    /// and ENOSPC of `epoll_ctl(2)`.
    fn watch(&mut self, socket: &Socket, interest: Interest)
    -> nix::Result<()>;

    /// Watches a socket no longer.
    fn unwatch(&mut self, socket: &Socket);

    /// Waits until a watched socket is ready, and appends the descriptors of
    /// those that are. A socket that has failed, or has been hung up, counts
    /// as ready: the next call on it returns the error.
    ///
    /// # Errors
    ///
    /// EINTR after a signal; ENOMEM; EINVAL of poll(2).
    fn wait(
        &mut self,
        ready: &mut Vec<RawFd>,
        timeout: PollTimeout,
    ) -> nix::Result<()>;

    /// How many more sockets can be watched at most.
    fn capacity(&self) -> usize {
        usize::MAX
    }
}

/// The number of a socket's descriptor.
pub fn raw_fd(socket: &Socket) -> RawFd {
    socket.as_fd().as_raw_fd()
}

#[cfg(test)]
mod tests {
    use crate::clients::new_poller;
    use common::console::options::Backend;
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Both ends of a connection on the loopback.
    fn pair() -> (TcpStream, Arc<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (stream, _) = listener.accept().unwrap();
        (client, Arc::new(stream))
    }

    fn share(stream: &Arc<TcpStream>) -> Socket {
        Arc::<TcpStream>::clone(stream)
    }

    /// The descriptors that are ready now, in order.
    fn ready(list: &mut dyn Poller, timeout: PollTimeout) -> Vec<RawFd> {
        let mut ready = Vec::new();
        list.wait(&mut ready, timeout).unwrap();
        ready.sort_unstable();
        ready
    }

    /// Runs a test with each way of asking.
    fn each(test: impl Fn(&mut dyn Poller)) {
        for backend in [Backend::Select, Backend::Poll] {
            test(&mut *new_poller(Some(backend)).unwrap());
        }
        #[cfg(target_os = "linux")]
        test(&mut *new_poller(Some(Backend::Epoll)).unwrap());
    }

    #[test]
    fn a_socket_with_data_is_ready_until_the_data_is_received() {
        each(|list| {
            let (_silent, first) = pair();
            let (mut client, second) = pair();
            for stream in [&first, &second] {
                list.watch(&share(stream), Interest::Receive).unwrap();
            }
            assert!(ready(list, PollTimeout::ZERO).is_empty());
            client.write_all(b"x").unwrap();
            let expected = [raw_fd(&share(&second))];
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
            assert_eq!(ready(list, PollTimeout::ZERO), [raw_fd(&socket)]);
            // Fill it, until there is no room to send.
            stream.set_nonblocking(true).unwrap();
            while (&*stream).write(&[0; 8192]).is_ok() {}
            client.write_all(b"x").unwrap();
            assert!(ready(list, PollTimeout::ZERO).is_empty());
            list.watch(&socket, Interest::Receive).unwrap();
            assert_eq!(ready(list, PollTimeout::NONE), [raw_fd(&socket)]);
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
                assert_eq!(ready(list, PollTimeout::NONE), [raw_fd(&socket)]);
            });
        }
    }

    #[test]
    fn a_socket_that_is_unwatched_is_not_ready_until_watched_again() {
        each(|list| {
            let (client, stream) = pair();
            let socket = share(&stream);
            list.watch(&socket, Interest::Receive).unwrap();
            drop(client);
            list.unwatch(&socket);
            assert!(ready(list, PollTimeout::ZERO).is_empty());
            list.watch(&socket, Interest::Receive).unwrap();
            assert_eq!(ready(list, PollTimeout::ZERO), [raw_fd(&socket)]);
        });
    }

    #[test]
    fn an_unwatched_socket_is_not_ready_and_the_others_are() {
        each(|list| {
            let pairs: Vec<_> = (0..4).map(|_| pair()).collect();
            for (client, stream) in &pairs {
                list.watch(&share(stream), Interest::Receive).unwrap();
                (&*client).write_all(b"x").unwrap();
            }
            // From the middle, the end, and twice the same.
            for gone in [1, 3, 3] {
                list.unwatch(&share(&pairs[gone].1));
            }
            let mut expected: Vec<_> =
                [0, 2].map(|left: usize| raw_fd(&share(&pairs[left].1))).into();
            expected.sort_unstable();
            assert_eq!(ready(list, PollTimeout::NONE), expected);
            // A later one can still be unwatched.
            list.unwatch(&share(&pairs[2].1));
            assert_eq!(
                ready(list, PollTimeout::NONE),
                [raw_fd(&share(&pairs[0].1))]
            );
        });
    }

    #[test]
    fn a_listening_socket_with_a_client_is_ready() {
        each(|list| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let watched: Socket = Arc::new(listener);
            list.watch(&watched, Interest::Accept).unwrap();
            assert!(ready(list, PollTimeout::ZERO).is_empty());
            let _client = TcpStream::connect(address).unwrap();
            assert_eq!(ready(list, PollTimeout::NONE), [raw_fd(&watched)]);
            list.unwatch(&watched);
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
        let select = new_poller(Some(Backend::Select)).unwrap();
        // Standard input, output and error at least are open.
        assert!((1..=1021).contains(&select.capacity()));
        let poll = new_poller(Some(Backend::Poll)).unwrap();
        assert_eq!(poll.capacity(), usize::MAX);
    }

    #[test]
    fn select_refuses_a_descriptor_that_does_not_fit() {
        use nix::errno::Errno;
        use nix::fcntl::{FcntlArg, fcntl};
        use std::os::fd::{FromRawFd, OwnedFd};
        let (_client, stream) = pair();
        let high = fcntl(&*stream, FcntlArg::F_DUPFD_CLOEXEC(1024)).unwrap();
        // SAFETY: the number is new, and has no other owner.
        #[expect(unsafe_code, reason = "fcntl returns a number")]
        let high: Socket = Arc::new(unsafe { OwnedFd::from_raw_fd(high) });
        let mut select = new_poller(Some(Backend::Select)).unwrap();
        let result = select.watch(&high, Interest::Receive);
        assert_eq!(result, Err(Errno::EINVAL));
        let mut poll = new_poller(Some(Backend::Poll)).unwrap();
        assert_eq!(poll.watch(&high, Interest::Receive), Ok(()));
    }
}
