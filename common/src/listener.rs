//! The listening socket: bound, watched and accepted from, with every fault
//! that accept(2) can hand on, and with the stop.
//!
//! Next: `echo.rs`, for what happens to a client that was accepted.

use std::io;
use std::net::{
    Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _,
};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Socket, Type};

use crate::Server;
use crate::constants::{BACKLOG, RETRY_PAUSE};
use crate::failure::{Failure, Spell, Trouble};
use crate::options::Options;
use crate::stop::Stop;

/// What a server's loop has to deal with next.
#[derive(Debug)]
pub enum Event {
    /// A client was accepted: its socket and its address.
    Client(TcpStream, SocketAddr),
    /// Something else has happened: somebody called `stop::wake`.
    Wake,
    /// The server was asked to stop: this side of every client's socket must
    /// be shut down now.
    Stop(Shutdown),
}

/// What one call of accept(2) has come to.
#[derive(Debug)]
pub enum Accepted {
    /// A client.
    Client(TcpStream, SocketAddr),
    /// Nobody is waiting.
    Nobody,
    /// Somebody is, but resources have run out; see `Listener::pause`.
    Exhausted,
}

/// The listening socket and all that its owner must wait for besides.
#[derive(Debug)]
pub struct Listener {
    server: Arc<Server>,
    /// `None` once the server was asked to stop.
    socket: Option<Arc<TcpListener>>,
    /// The course of the stop.
    pub stop: Stop,
    /// Clients accepted so far.
    accepted: u64,
    /// A client that nobody could be created for yet.
    kept: Option<(TcpStream, SocketAddr)>,
    /// No client is taken before this moment: resources have run out.
    paused: Option<Instant>,
    spell: Spell,
}

impl Listener {
    /// Listens where the options say.
    ///
    /// # Errors
    ///
    /// Whatever the name's resolution, bind(2) or listen(2) fail with.
    pub fn new(server: Arc<Server>) -> Result<Self, Failure> {
        let socket = bind(&server.options)?;
        let stop = Stop::new(server.options.grace)?;
        Ok(Self {
            server,
            socket: Some(Arc::new(socket)),
            stop,
            accepted: 0,
            kept: None,
            paused: None,
            spell: Spell::default(),
        })
    }

    /// The listening socket; `None` once the server was asked to stop.
    #[must_use]
    pub fn socket(&self) -> Option<&Arc<TcpListener>> {
        self.socket.as_ref()
    }

    /// The address really bound: with `--port 0` the kernel has chosen.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2), and ENOTCONN once the server has stopped.
    pub fn address(&self) -> io::Result<SocketAddr> {
        let socket = self.socket.as_ref().ok_or(Errno::ENOTCONN)?;
        socket.local_addr()
    }

    /// How many clients were accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Waits for what comes next, while so many clients are being served;
    /// `None` when the server has stopped and all its work is done.
    ///
    /// A client comes only while there is room for it; others wait in the
    /// kernel's queue.
    ///
    /// # Errors
    ///
    /// `Failure::Interrupted` after a second request to stop, and errors that
    /// only a mistake in the program can cause.
    pub fn next(&mut self, serving: usize) -> Result<Option<Event>, Failure> {
        loop {
            // First what must not wait: a stop, and ends of children and
            // threads. A crowd of clients would otherwise delay both.
            if let Some(side) = self.demand()? {
                return Ok(Some(Event::Stop(side)));
            }
            let serving = serving + usize::from(self.kept.is_some());
            if self.stop.over(serving) {
                return Ok(None);
            }
            if self.stop.woken() {
                return Ok(Some(Event::Wake));
            }
            // A kept client comes before those in the queue.
            if self.paused().is_none()
                && let Some((stream, address)) = self.kept.take()
            {
                // It may have missed the stop, which had its turn meanwhile.
                if self.socket.is_none() {
                    stream.shutdown(Shutdown::Read).ok();
                }
                return Ok(Some(Event::Client(stream, address)));
            }
            // Under load somebody is waiting already, and trying to accept
            // costs less than asking first.
            let accepting = self.accepting(serving);
            if accepting {
                match self.accept()? {
                    Accepted::Client(stream, address) => {
                        return Ok(Some(Event::Client(stream, address)));
                    }
                    Accepted::Nobody => {}
                    Accepted::Exhausted => continue,
                }
            }
            self.wait(accepting)?;
        }
    }

    /// Whether a client may be accepted now: nobody has asked for a stop, the
    /// limit leaves room, and resources have not just run out.
    pub fn accepting(&mut self, serving: usize) -> bool {
        self.socket.is_some()
            && serving < self.server.options.max_clients
            && self.paused().is_none()
    }

    /// What a stop demands of every client now. The first demand closes the
    /// listening socket: the kernel resets those still in its queue.
    ///
    /// # Errors
    ///
    /// `Failure::Interrupted` after a second request to stop.
    pub fn demand(&mut self) -> Result<Option<Shutdown>, Failure> {
        let demand = self.stop.due()?;
        if demand.is_some() {
            self.socket = None;
        }
        Ok(demand)
    }

    /// Accepts one client if one is waiting; never blocks.
    ///
    /// # Errors
    ///
    /// Those of accept(2) that only a mistake in the program can cause.
    pub fn accept(&mut self) -> Result<Accepted, Failure> {
        loop {
            let Some(socket) = &self.socket else {
                return Ok(Accepted::Nobody);
            };
            // The standard library repeats the call after EINTR, and asks for
            // a descriptor that a program started from here does not inherit.
            let error = match socket.accept() {
                Ok((stream, address)) => {
                    self.accepted += 1;
                    // Elsewhere the client's socket inherits the listening
                    // one's O_NONBLOCK; on Linux it never does.
                    #[cfg(not(target_os = "linux"))]
                    stream.set_nonblocking(false)?;
                    return Ok(Accepted::Client(stream, address));
                }
                Err(error) => error,
            };
            match blame(&error) {
                Blame::Nobody => return Ok(Accepted::Nobody),
                // accept(2): an error of the network that happened to the new
                // connection; the one behind it may be well.
                Blame::Network => {
                    self.complain(Trouble::Network, &error);
                }
                Blame::Resources => {
                    self.pause(Trouble::Accept, &error);
                    return Ok(Accepted::Exhausted);
                }
                Blame::Program => return Err(error.into()),
            }
        }
    }

    /// Takes a client back for which no thread or process could be created;
    /// `next` hands it out again after a pause, before any other.
    pub fn keep(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
        trouble: Trouble,
        error: &io::Error,
    ) {
        self.kept = Some((stream, address));
        self.pause(trouble, error);
    }

    /// Takes no client for a short while: resources have run out.
    pub fn pause(&mut self, trouble: Trouble, error: &io::Error) {
        self.complain(trouble, error);
        self.paused = Some(Instant::now() + RETRY_PAUSE);
    }

    /// The end of a pause that still lasts.
    pub fn paused(&mut self) -> Option<Instant> {
        // Without a pause there is no need to look at the clock.
        self.paused = self.paused.filter(|end| Instant::now() < *end);
        self.paused
    }

    /// When the stop, or the end of a pause, wants to be looked at.
    pub fn deadline(&mut self) -> Option<Instant> {
        let deadlines = [self.stop.deadline(), self.paused()];
        deadlines.into_iter().flatten().min()
    }

    /// Waits until there is something to do.
    fn wait(&mut self, accepting: bool) -> Result<(), Failure> {
        let timeout = timeout(self.deadline());
        let mut waited =
            vec![PollFd::new(self.stop.pipe().as_fd(), PollFlags::POLLIN)];
        // A full house does not look at its queue: it could not help it.
        if let (true, Some(socket)) = (accepting, &self.socket) {
            waited.push(PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut waited, timeout) {
            // Time has passed, a signal came, or a client is there: whatever
            // it is, the next round finds out.
            Ok(_) | Err(Errno::EINTR) => self.stop.hush(),
            Err(errno) => self.bear(errno)?,
        }
        Ok(())
    }

    /// Sits out a failure to wait, if it may pass.
    ///
    /// # Errors
    ///
    /// The failure itself, if only a mistake in the program can cause it.
    pub fn bear(&mut self, errno: Errno) -> Result<(), Failure> {
        // ENOSPC: epoll(7) has a limit of its own for each user.
        if !matches!(errno, Errno::ENOMEM | Errno::ENOSPC) {
            return Err(errno.into());
        }
        self.complain(Trouble::Wait, &errno.into());
        sleep(RETRY_PAUSE);
        Ok(())
    }

    /// Reports a trouble, once for each spell of it.
    pub fn complain(&mut self, trouble: Trouble, error: &io::Error) {
        self.spell.report(trouble, error, &self.server.transcript);
    }
}

/// The time until a deadline as poll(2) takes it; for ever without one.
#[must_use]
pub fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    // Rounded up: a wait that ends before its deadline would only go round
    // and round until the millisecond is over.
    let left = left + Duration::from_nanos(999_999);
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

/// Binds the first of the host's addresses that can be had.
fn bind(options: &Options) -> Result<TcpListener, Failure> {
    let host = (options.host.as_str(), options.port);
    let addresses = host
        .to_socket_addrs()
        .map_err(|error| Failure::Resolve(options.host.clone(), error))?;
    let mut failure = None;
    for address in addresses {
        match listen(address, options.idle_timeout) {
            Ok(listener) => return Ok(listener),
            Err(error) => {
                failure = Some(Failure::Listen(address.to_string(), error));
            }
        }
    }
    // A name without any address is as good as no name.
    Err(failure.unwrap_or_else(|| {
        let error = io::ErrorKind::NotFound.into();
        Failure::Resolve(options.host.clone(), error)
    }))
}

/// Opens a listening socket.
fn listen(
    address: SocketAddr,
    idle_timeout: Option<Duration>,
) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // After a restart, connections of the server before may still be in
    // TIME_WAIT; this lets bind(2) overlook them, and only them.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `::` takes IPv4 clients as well, whatever the system's default.
        socket.set_only_v6(false)?;
    }
    // Accepted sockets inherit both limits on Linux: no client needs a system
    // call of its own for them. `None` means no limit, socket(7).
    socket.set_read_timeout(idle_timeout)?;
    socket.set_write_timeout(idle_timeout)?;
    // A client that poll(2) has announced may be gone when accept(2) is
    // called; a blocking accept would then wait for the next one.
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // From here on the kernel completes handshakes by itself, and queues up
    // to BACKLOG of the clients until they are accepted.
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whose fault it is that accept(2) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    /// Nobody's: no client is waiting.
    Nobody,
    /// The new connection was lost, or the network with it.
    Network,
    /// Too little of something, for now.
    Resources,
    /// A mistake in this program; going on would spin.
    Program,
}

/// Reads the table of errors in accept(2).
fn blame(error: &io::Error) -> Blame {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::EAGAIN => Blame::Nobody,
        Errno::EBADF | Errno::EFAULT | Errno::EINVAL | Errno::ENOTSOCK => {
            Blame::Program
        }
        Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM => {
            Blame::Resources
        }
        // ECONNABORTED, EPROTO, EPERM of a firewall, ENETDOWN, EHOSTUNREACH …
        _ => Blame::Network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_accept_has_its_cause() {
        let cause = |errno: Errno| blame(&errno.into());
        assert_eq!(cause(Errno::EAGAIN), Blame::Nobody);
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS] {
            assert_eq!(cause(errno), Blame::Resources);
        }
        assert_eq!(cause(Errno::ENOMEM), Blame::Resources);
        for errno in [
            Errno::ECONNABORTED,
            Errno::EPROTO,
            Errno::EPERM,
            Errno::ENETDOWN,
            Errno::EHOSTUNREACH,
            Errno::EOPNOTSUPP,
        ] {
            assert_eq!(cause(errno), Blame::Network);
        }
        for errno in
            [Errno::EBADF, Errno::EFAULT, Errno::ENOTSOCK, Errno::EINVAL]
        {
            assert_eq!(cause(errno), Blame::Program);
        }
    }

    #[test]
    fn a_wait_never_ends_before_its_deadline() {
        assert_eq!(timeout(None), PollTimeout::NONE);
        assert_eq!(timeout(Some(Instant::now())), PollTimeout::ZERO);
        let soon = Instant::now() + Duration::from_millis(50);
        let milliseconds = timeout(Some(soon)).as_millis().unwrap();
        let left = soon.saturating_duration_since(Instant::now());
        assert!(u128::from(milliseconds) >= left.as_millis());
        assert!(milliseconds <= 51);
    }
}
