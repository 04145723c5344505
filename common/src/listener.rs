//! The listening socket: bound, accepted from, with every fault that
//! accept(2) can hand on.
//!
//! Next: `echo.rs`, for what happens to a client that was accepted.

// Sockets, time and shared ownership; errors by name; socket options that the
// standard library lacks.
use crate::console::Context;
use crate::console::errors::{Failure, TransientError};
use crate::console::options::Options;
use crate::constants::{BACKLOG, RETRY_PAUSE};
use crate::shutdown::{self, Stop};
use nix::errno::Errno;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A client's connection: its socket, and the client's address.
pub type Connection = (TcpStream, SocketAddr);

/// What one call of accept(2) has come to.
#[derive(Debug)]
pub enum Accepted {
    /// A client was waiting.
    Client(Connection),
    /// No client is waiting.
    NoClient,
    /// A client is waiting, but descriptors or memory have run out.
    Exhausted,
}

/// The listening socket and the clients that come from it.
#[derive(Debug)]
pub struct Listener {
    /// The options, and where errors are reported.
    context: Arc<Context>,
    /// `None` once a stop has closed it, or workers have taken it over.
    pub socket: Option<Arc<TcpListener>>,
    /// Clients accepted so far.
    pub accepted: u64,
    /// A client for which no thread or process could be created yet.
    deferred: Option<Connection>,
    /// No client is accepted before this moment: resources have run out.
    paused_until: Option<Instant>,
}

impl Listener {
    /// Listens where the options say.
    ///
    /// # Errors
    ///
    /// Those of the name's resolution, of bind(2) and of listen(2).
    pub fn new(context: Arc<Context>) -> Result<Self, Failure> {
        let socket = bind(&context.options)?;
        Ok(Self::on_socket(context, Arc::new(socket)))
    }

    /// A listener for one more loop, on the same listening socket.
    pub fn on_socket(context: Arc<Context>, socket: Arc<TcpListener>) -> Self {
        let (socket, accepted) = (Some(socket), 0);
        let (deferred, paused_until) = (None, None);
        Self { context, socket, accepted, deferred, paused_until }
    }

    /// Prints the first line: from here on clients can connect.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2), and ENOTCONN without a socket.
    pub fn print_listening(&self) -> Result<(), Failure> {
        // With `--port 0` only the kernel knows the port.
        let socket = self.socket.as_ref().ok_or(Errno::ENOTCONN)?;
        self.context.log.print_listening(socket.local_addr()?);
        Ok(())
    }

    /// Closes the listening socket. At a stop this is its last descriptor, and
    /// the kernel resets the clients that are still in its queue.
    pub fn close(&mut self) {
        self.socket = None;
    }

    /// How many accepted clients wait for a thread or a process: 0 or 1.
    pub fn deferred(&self) -> usize {
        usize::from(self.deferred.is_some())
    }

    /// Waits for a client and accepts it; `None` when something else has ended
    /// the wait: a signal, a `shutdown::wake`, the end of a pause.
    ///
    /// # Errors
    ///
    /// Those that only a mistake in this program can cause.
    pub fn accept(
        &mut self,
        active_clients: usize,
        stop: &Stop,
    ) -> Result<Option<Connection>, Failure> {
        // After the pause the deferred client comes before those in the queue.
        if self.paused_until().is_none() && self.deferred.is_some() {
            return Ok(self.deferred.take());
        }
        // Under load a client is waiting already, and accepting at once costs
        // one system call less than waiting first.
        if self.may_accept(active_clients)
            && let Some(connection) = self.try_accept()?
        {
            return Ok(Some(connection));
        }
        // The server sleeps here. At the client limit the listening socket is
        // not watched, so that waiting clients do not end the wait at once.
        let deadline = self.paused_until();
        let watched = self.may_accept(active_clients);
        let socket = self.socket.as_ref().filter(|_| watched);
        let waited = stop.wait(socket.map(|it| it.as_fd()), deadline);
        // poll(2) may be short of memory for a moment.
        waited.or_else(|errno| self.retry_or_fail(errno))?;
        Ok(None)
    }

    /// Whether a client may be accepted now: the socket is open, the limit is
    /// not reached, and resources have not just run out.
    pub fn may_accept(&mut self, active_clients: usize) -> bool {
        self.socket.is_some()
            && self.deferred.is_none()
            && active_clients < self.context.options.max_clients
            && self.paused_until().is_none()
    }

    /// Accepts a client if one is waiting; never blocks.
    ///
    /// # Errors
    ///
    /// Those of accept(2) that only a mistake in this program can cause.
    pub fn try_accept(&mut self) -> Result<Option<Connection>, Failure> {
        // A stop may have come after this loop last looked.
        let socket = self.socket.as_ref().filter(|_| !shutdown::requested());
        let Some(socket) = socket else { return Ok(None) };
        // The listening socket does not block, so this call does not either.
        let log = &self.context.log;
        let report = |kind, error: &_| log.report_transient(kind, error);
        match accept_from(socket, report)? {
            // The client counts as served from here on.
            Accepted::Client(connection) => {
                self.accepted += 1;
                return Ok(Some(connection));
            }
            // The client stays in the queue and the socket readable: without a
            // pause the loop would spin.
            Accepted::Exhausted => {
                self.paused_until = Some(Instant::now() + RETRY_PAUSE);
            }
            Accepted::NoClient => {}
        }
        Ok(None)
    }

    /// Keeps a client for which no thread or process could be created; after a
    /// pause `accept` returns it again.
    pub fn defer(
        &mut self,
        connection: Connection,
        kind: TransientError,
        error: &io::Error,
    ) {
        self.context.log.report_transient(kind, error);
        self.deferred = Some(connection);
        // Others may end meanwhile, and free what has run out.
        self.paused_until = Some(Instant::now() + RETRY_PAUSE);
    }

    /// The end of a pause that still lasts.
    pub fn paused_until(&mut self) -> Option<Instant> {
        // Without a pause the clock need not be read.
        self.paused_until =
            self.paused_until.filter(|end| Instant::now() < *end);
        self.paused_until
    }

    /// Survives a failed wait for sockets if the cause may pass.
    ///
    /// # Errors
    ///
    /// The failure itself, if only a mistake in this program can cause it.
    pub fn retry_or_fail(&self, errno: Errno) -> Result<(), Failure> {
        // ENOSPC: epoll(7) has a limit for each user. EMFILE: the limit of
        // open files was lowered below the number of descriptors.
        if !matches!(errno, Errno::ENOMEM | Errno::ENOSPC | Errno::EMFILE) {
            return Err(errno.into());
        }
        // The call that could wait has failed, so the thread sleeps instead.
        let log = &self.context.log;
        log.report_transient(TransientError::Wait, &errno.into());
        std::thread::sleep(RETRY_PAUSE);
        Ok(())
    }
}

/// Accepts one client from this socket. If the socket blocks, this waits for a
/// client, at most for the idle limit, which the socket has as well. `report`
/// is told of errors that pass.
///
/// # Errors
///
/// Those of accept(2) that only a mistake in this program can cause.
pub fn accept_from(
    socket: &TcpListener,
    report: impl Fn(TransientError, &io::Error),
) -> Result<Accepted, Failure> {
    loop {
        // The kernel has completed the handshake already. The standard library
        // repeats the call after EINTR and sets close-on-exec.
        let error = match socket.accept() {
            Ok(connection) => {
                // On Linux the new socket never inherits O_NONBLOCK.
                #[cfg(not(target_os = "linux"))]
                connection.0.set_nonblocking(false)?;
                return Ok(Accepted::Client(connection));
            }
            Err(error) => error,
        };
        // The errors that accept(2) lists are of four kinds.
        match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
            Errno::EAGAIN => return Ok(Accepted::NoClient),
            // Not a listening socket, or no socket at all: a mistake in this
            // program, and the next call would fail in the same way.
            Errno::EBADF | Errno::EFAULT | Errno::EINVAL | Errno::ENOTSOCK => {
                return Err(error.into());
            }
            // Descriptors of this process or of the system; buffers; memory.
            Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM => {
                report(TransientError::Accept, &error);
                return Ok(Accepted::Exhausted);
            }
            // ECONNABORTED, EPROTO, EPERM of a firewall, ENETDOWN and others:
            // this connection was lost, the next client may be well.
            _ => report(TransientError::Network, &error),
        }
    }
}

/// Binds a listening socket to the host's first IPv4 address, or to its first
/// address if it has no IPv4 one: `localhost` may be `::1` and `127.0.0.1`.
fn bind(options: &Options) -> Result<TcpListener, Failure> {
    // An address is taken as it is; a name is looked up.
    let host = &options.host;
    let resolve_failure = |error| Failure::Resolve(host.clone(), error);
    let found = (host.as_str(), options.port).to_socket_addrs();
    let addresses: Vec<_> = found.map_err(resolve_failure)?.collect();
    // A name without an address is as good as unknown.
    let ipv4 = addresses.iter().find(|address| address.is_ipv4());
    let address = *ipv4
        .or(addresses.first())
        .ok_or_else(|| resolve_failure(io::ErrorKind::NotFound.into()))?;
    // An address in use is an error: the next one would hide it.
    listen(address, options.idle_timeout)
        .map_err(|error| Failure::Listen(address.to_string(), error))
}

/// Opens a listening socket.
fn listen(
    address: SocketAddr,
    idle_timeout: Option<Duration>,
) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Connections of an earlier server may still be in TIME_WAIT. With this
    // option bind(2) fails only if a socket is listening on the address.
    socket.set_reuse_address(true)?;
    // `::` takes IPv4 clients too, whatever the system's default is.
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // On Linux accepted sockets inherit these options. TCP_NODELAY: a reply in
    // several pieces does not wait for the client's delayed acknowledgement.
    socket.set_tcp_nodelay(true)?;
    // SO_RCVTIMEO: a recv(2) that waits longer fails with EAGAIN.
    socket.set_read_timeout(idle_timeout)?;
    // poll(2) may report a client that is gone before accept(2) is called; a
    // blocking accept would then wait for the next one.
    socket.set_nonblocking(true)?;
    // EADDRINUSE, EADDRNOTAVAIL or EACCES is reported by this call.
    socket.bind(&address.into())?;
    // Until listen(2) the kernel refuses every SYN for this port. From here on
    // it completes handshakes and queues up to BACKLOG clients for accept.
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;

    use super::*;
    use crate::loopback::context;

    fn listener(words: &str) -> Listener {
        Listener::new(Arc::new(context(words))).unwrap()
    }

    #[test]
    fn of_a_name_the_first_ipv4_address_is_listened_on() {
        let listener = listener("--host localhost --port 0");
        let address = listener.socket.unwrap().local_addr().unwrap();
        assert!(address.is_ipv4(), "{address}");
    }

    #[test]
    fn a_second_listener_on_the_same_name_and_port_fails() {
        let first = listener("--host localhost --port 0");
        let port = first.socket.as_ref().unwrap().local_addr().unwrap().port();
        let words = format!("--host localhost --port {port}");
        let second = Listener::new(Arc::new(context(&words)));
        assert!(matches!(second, Err(Failure::Listen(..))), "{second:?}");
    }

    #[test]
    fn accepted_sockets_inherit_nodelay_and_the_idle_limit() {
        let mut listener = listener("--port 0 --idle-timeout 7");
        let address = listener.socket.as_ref().unwrap().local_addr().unwrap();
        let _client = TcpStream::connect(address).unwrap();
        let (stream, _) = listener.try_accept().unwrap().unwrap();
        assert!(stream.nodelay().unwrap());
        let limit = stream.read_timeout().unwrap();
        assert_eq!(limit, Some(Duration::from_secs(7)));
        assert_eq!(listener.accepted, 1);
    }

    #[test]
    fn a_deferred_client_comes_back_after_the_pause_and_before_others() {
        let context = Arc::new(context("--port 0"));
        let stop = Stop::new(Arc::clone(&context)).unwrap();
        let mut listener = Listener::new(context).unwrap();
        let address = listener.socket.as_ref().unwrap().local_addr().unwrap();
        let clients = [(); 2].map(|()| TcpStream::connect(address).unwrap());
        let first = listener.accept(0, &stop).unwrap().unwrap();
        let peer = first.1;
        let start = Instant::now();
        let error = Errno::EAGAIN.into();
        listener.defer(first, TransientError::Thread, &error);
        assert_eq!(listener.deferred(), 1);
        assert!(!listener.may_accept(0));
        let returned = loop {
            if let Some(connection) = listener.accept(0, &stop).unwrap() {
                break connection;
            }
        };
        assert!(start.elapsed() >= RETRY_PAUSE);
        assert_eq!(returned.1, peer);
        assert_eq!((listener.deferred(), listener.accepted), (0, 1));
        returned.0.shutdown(Shutdown::Both).unwrap();
        drop(clients);
    }

    #[test]
    fn at_the_limit_no_client_is_accepted() {
        let mut listener = listener("--port 0 --max-clients 2");
        assert!(listener.may_accept(1));
        assert!(!listener.may_accept(2));
        listener.close();
        assert!(!listener.may_accept(0));
    }

    #[test]
    fn only_a_mistake_ends_the_wait_for_sockets() {
        let listener = listener("--port 0");
        for errno in [Errno::ENOMEM, Errno::ENOSPC, Errno::EMFILE] {
            assert!(listener.retry_or_fail(errno).is_ok());
        }
        assert!(listener.retry_or_fail(Errno::EBADF).is_err());
    }
}
