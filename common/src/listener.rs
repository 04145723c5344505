//! The listening socket: bound, watched and accepted from, with every fault
//! that accept(2) can hand on, and with the stop.
//!
//! Next: `echo.rs`, for what happens to a client that was accepted.

// The standard library can accept, and knows threads and time.
use std::io;
use std::mem;
use std::net::{
    Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _,
};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

// poll(2), and the options that the standard library has no name for.
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::close;
use socket2::{Domain, Socket, Type};

// What a listener is told, and what it tells.
use crate::Context;
use crate::console::errors::{Failure, TransientError};
use crate::console::options::Options;
use crate::constants::{BACKLOG, RETRY_PAUSE};
use crate::shutdown::{self, Stop};

/// What a server's loop has to deal with next.
#[derive(Debug)]
pub enum Event {
    /// A client was accepted: its socket and its address.
    Client(TcpStream, SocketAddr),
    /// Something else has happened: somebody called `shutdown::wake`.
    Wake,
    /// The server was asked to stop: this side of every client's socket must
    /// be shut down now.
    Stop(Shutdown),
}

/// What one call of accept(2) has come to.
#[derive(Debug)]
pub enum Accepted {
    /// Somebody has come: a socket, and who is at its other end.
    Client(TcpStream, SocketAddr),
    /// Nobody is waiting.
    Nobody,
    /// Somebody is, but resources have run out; see `Listener::pause`.
    Exhausted,
}

/// The listening socket and all that its owner must wait for besides.
#[derive(Debug)]
pub struct Listener {
    /// The options and the transcript.
    context: Arc<Context>,
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
    /// What else wakes the loop by becoming readable.
    also: Option<Arc<OwnedFd>>,
}

impl Listener {
    /// Listens where the options say.
    ///
    /// # Errors
    ///
    /// Whatever the name's resolution, bind(2) or listen(2) fail with.
    pub fn new(context: Arc<Context>) -> Result<Self, Failure> {
        // What fails here is mostly the user's to mend: a port in use.
        let socket = bind(&context.options)?;
        // From here on Ctrl-C is an orderly stop.
        let stop = Stop::new(context.options.grace)?;
        Ok(Self {
            context,
            socket: Some(Arc::new(socket)),
            stop,
            accepted: 0,
            kept: None,
            paused: None,
            also: None,
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
        // Without a socket there is no address.
        let socket = self.socket.as_ref().ok_or(Errno::ENOTCONN)?;
        // getsockname(2): the kernel knows best.
        socket.local_addr()
    }

    /// Prints the first line: from now on clients can come.
    ///
    /// # Errors
    ///
    /// Those of `address`.
    pub fn announce(&self) -> Result<(), Failure> {
        // Whoever reads this line may connect at once: the kernel queues.
        self.context.log.print_listening(self.address()?);
        // Said, whether anybody has read it or not.
        Ok(())
    }

    /// Hands the listening socket over to workers who accept by themselves,
    /// and who wait for it: it blocks from now on. `next` then yields no more
    /// clients.
    ///
    /// # Errors
    ///
    /// Those of ioctl(2), and ENOTCONN once the server has stopped.
    pub fn hand_over(&mut self) -> Result<Arc<TcpListener>, Failure> {
        // `take` leaves `None` behind, as after a stop.
        let socket = self.socket.take().ok_or(Errno::ENOTCONN)?;
        // The flag belongs to the open socket, not to one descriptor of it:
        // it holds in processes created later, too.
        socket.set_nonblocking(false)?;
        // Shared by threads, copied into processes.
        Ok(socket)
    }

    /// Gives up the listening socket, which others share: `next` yields no
    /// clients any more.
    pub fn leave(&mut self) {
        self.socket = None;
    }

    /// In a process that was just forked: closes its copy of the listening
    /// socket.
    pub fn close_copy(&mut self) {
        // Gone from here, as after a stop.
        if let Some(socket) = self.socket.take() {
            // By its number; it was open, so this cannot fail.
            close(socket.as_raw_fd()).ok();
            // Not dropped, for its memory is shared with the server: to free
            // it means to write to it, and the kernel would copy a page.
            mem::forget(socket);
        }
    }

    /// The same listening socket for one more loop, which learns of a stop by
    /// a pipe of its own; see `Stop::share`.
    #[must_use]
    pub fn share(&self, pipe: Arc<OwnedFd>) -> Self {
        Self {
            context: Arc::clone(&self.context),
            socket: self.socket.clone(),
            stop: self.stop.share(pipe),
            accepted: 0,
            kept: None,
            paused: None,
            also: None,
        }
    }

    /// Makes `next` yield a wake-up, too, whenever this becomes readable.
    pub fn also_wait_for(&mut self, descriptor: Arc<OwnedFd>) {
        self.also = Some(descriptor);
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
            // A kept client is one that a stop must wait for, and takes room.
            let serving = serving + usize::from(self.kept.is_some());
            // The last one has left after a stop.
            if self.stop.over(serving) {
                return Ok(None);
            }
            // The caller looks after it, and then counts again.
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
                // Another try to create somebody for it.
                return Ok(Some(Event::Client(stream, address)));
            }
            // Under load somebody is waiting already, and trying to accept
            // costs less than asking first.
            let accepting = self.accepting(serving);
            // A full house leaves them to the kernel.
            if accepting {
                match self.accept()? {
                    // The caller creates somebody to serve it.
                    Accepted::Client(stream, address) => {
                        return Ok(Some(Event::Client(stream, address)));
                    }
                    // Nothing to do until something happens.
                    Accepted::Nobody => {}
                    // From the start: now there is a pause to be kept.
                    Accepted::Exhausted => continue,
                }
            }
            // Here the main thread sleeps.
            if self.wait(accepting)? {
                return Ok(Some(Event::Wake));
            }
        }
    }

    /// Whether a client may be accepted now: nobody has asked for a stop, the
    /// limit leaves room, and resources have not just run out.
    pub fn accepting(&mut self, serving: usize) -> bool {
        self.socket.is_some()
            && serving < self.context.options.max_clients
            && self.paused().is_none()
    }

    /// What a stop demands of every client now. The first demand closes the
    /// listening socket: the kernel resets those still in its queue.
    ///
    /// # Errors
    ///
    /// `Failure::Interrupted` after a second request to stop.
    pub fn demand(&mut self) -> Result<Option<Shutdown>, Failure> {
        // Mostly nothing: this is asked in every round.
        let demand = self.stop.due()?;
        // Clients that come from now on are refused at once.
        if demand.is_some() {
            self.socket = None;
        }
        // What is left to do differs between the approaches.
        Ok(demand)
    }

    /// Accepts one client if one is waiting; never blocks.
    ///
    /// # Errors
    ///
    /// Those of accept(2) that only a mistake in the program can cause.
    pub fn accept(&mut self) -> Result<Accepted, Failure> {
        // Not even in the moment before this loop learns of the stop: another
        // may have made room by then.
        if shutdown::requested() {
            return Ok(Accepted::Nobody);
        }
        // After a stop there is nobody to be accepted from.
        let Some(socket) = &self.socket else {
            return Ok(Accepted::Nobody);
        };
        // The socket does not block, so neither does this.
        let log = &self.context.log;
        let accepted = accept(socket, |trouble, error| {
            // Once for each spell.
            log.report_transient(trouble, error);
        })?;
        // What this owner must remember of it.
        match accepted {
            // For the summary.
            Accepted::Client(..) => self.accepted += 1,
            // Without a pause the loop would spin: the client stays in the
            // queue, and the socket stays readable.
            Accepted::Exhausted => self.pause(),
            // It was gone again, or nobody had come.
            Accepted::Nobody => {}
        }
        // And what the caller must do.
        Ok(accepted)
    }

    /// Takes a client back for which no thread or process could be created;
    /// `next` hands it out again after a pause, before any other.
    pub fn keep(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
        trouble: TransientError,
        error: &io::Error,
    ) {
        // Once for each spell.
        self.context.log.report_transient(trouble, error);
        // One at most: while it is here, no other is accepted.
        self.kept = Some((stream, address));
        // Time for others to end, and to free what has run out.
        self.pause();
    }

    /// Takes no client for a short while: resources have run out.
    fn pause(&mut self) {
        self.paused = Some(Instant::now() + RETRY_PAUSE);
    }

    /// The end of a pause that still lasts.
    pub fn paused(&mut self) -> Option<Instant> {
        // Without a pause there is no need to look at the clock.
        self.paused = self.paused.filter(|end| Instant::now() < *end);
        // Forgotten once it is over.
        self.paused
    }

    /// When the stop, or the end of a pause, wants to be looked at.
    pub fn deadline(&mut self) -> Option<Instant> {
        // Either may be there or not.
        let deadlines = [self.stop.deadline(), self.paused()];
        // `flatten` leaves out those that are not.
        deadlines.into_iter().flatten().min()
    }

    /// Waits until there is something to do; says whether it is more than a
    /// client or a signal.
    fn wait(&mut self, accepting: bool) -> Result<bool, Failure> {
        // For ever, mostly: an idle server costs no processor time.
        let timeout = timeout(self.deadline());
        // Signals first: their pipe is always there.
        let signals = self.stop.pipe().as_fd();
        // Then what the caller has added; or else the pipe once more.
        let also = self.also.as_ref().map_or(signals, |fd| fd.as_fd());
        // A full house does not look at its queue: it could not help it.
        let socket = self.socket.as_ref().filter(|_| accepting);
        let socket = socket.map_or(signals, |socket| socket.as_fd());
        // An array needs no memory from the heap, of which each page that is
        // written to costs a forking server a copy.
        let mut waited = [signals, also, socket]
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        // No wake-up can be lost: what came since the last look has made its
        // descriptor readable, and poll(2) returns at once.
        match poll(&mut waited, timeout) {
            // Time has passed, a signal came, or a client is there: whatever
            // it is, the next round finds out.
            Ok(_) => {
                // But not what the caller waits for: that is told.
                let news =
                    self.also.is_some() && waited[1].any() != Some(false);
                // Or else the next wait would end at once.
                if waited[0].any() != Some(false) {
                    self.stop.hush();
                }
                // For the caller, who knows what it waits for.
                Ok(news)
            }
            // A signal, whose byte is in the pipe by now.
            Err(Errno::EINTR) => Ok(false),
            // No memory, most likely.
            Err(errno) => self.bear(errno).map(|()| false),
        }
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
        // Once for each spell.
        self.context
            .log
            .report_transient(TransientError::Wait, &errno.into());
        // The one blind wait here: the call that could wait has failed.
        sleep(RETRY_PAUSE);
        // Then once more from the start.
        Ok(())
    }
}

/// The time until a deadline as poll(2) takes it; for ever without one.
#[must_use]
pub fn timeout(deadline: Option<Instant>) -> PollTimeout {
    // Without a deadline only an event ends the wait.
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    // Zero if it has passed: then the wait is only a look.
    let left = deadline.saturating_duration_since(Instant::now());
    // Rounded up: a wait that ends before its deadline would only go round
    // and round until the millisecond is over.
    let left = left + Duration::from_nanos(999_999);
    // Milliseconds in 32 bits; what is longer is cut, and asked again.
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

/// Accepts one client; waits for one if the socket is a blocking one, at most
/// for the idle limit, which holds for it as well. Says what trouble there was
/// on the way.
///
/// # Errors
///
/// Those of accept(2) that only a mistake in the program can cause.
pub fn accept(
    socket: &TcpListener,
    trouble: impl Fn(TransientError, &io::Error),
) -> Result<Accepted, Failure> {
    loop {
        // The standard library repeats the call after EINTR, and asks for a
        // descriptor that a program started from here does not inherit.
        let error = match socket.accept() {
            // The handshake is long complete: the kernel has done it.
            Ok((stream, address)) => {
                // Elsewhere the client's socket inherits the listening one's
                // O_NONBLOCK; on Linux it never does.
                #[cfg(not(target_os = "linux"))]
                stream.set_nonblocking(false)?;
                return Ok(Accepted::Client(stream, address));
            }
            // Nobody is at fault yet.
            Err(error) => error,
        };
        // Some errors must be tried again, some waited out, some believed.
        match blame(&error) {
            // EAGAIN: of a socket that does not block, or after a time limit.
            Blame::Nobody => return Ok(Accepted::Nobody),
            // accept(2): an error of the network that happened to the new
            // connection; the one behind it may be well.
            Blame::Network => trouble(TransientError::Network, &error),
            // To go on at once would only fail again, as fast as it can.
            Blame::Resources => {
                // Once for each spell.
                trouble(TransientError::Accept, &error);
                // The caller can free something, or wait.
                return Ok(Accepted::Exhausted);
            }
            // The next call would fail just the same.
            Blame::Program => return Err(error.into()),
        }
    }
}

/// Binds the first of the host's addresses that can be had.
fn bind(options: &Options) -> Result<TcpListener, Failure> {
    // An address is taken as it is; a name is looked up, and may have many.
    let host = (options.host.as_str(), options.port);
    // `map_err` puts what was being done beside what went wrong.
    let addresses = host
        .to_socket_addrs()
        .map_err(|error| Failure::Resolve(options.host.clone(), error))?;
    // Of the last one, if none can be had.
    let mut failure = None;
    // localhost, for example, may be ::1 as well as 127.0.0.1.
    for address in addresses {
        match listen(address, options.idle_timeout) {
            // One is enough.
            Ok(listener) => return Ok(listener),
            // Perhaps the next.
            Err(error) => {
                failure = Some(Failure::Listen(address.to_string(), error));
            }
        }
    }
    // A name without any address is as good as no name.
    Err(failure.unwrap_or_else(|| {
        // There was no system call that could have failed.
        let error = io::ErrorKind::NotFound.into();
        Failure::Resolve(options.host.clone(), error)
    }))
}

/// Opens a listening socket.
fn listen(
    address: SocketAddr,
    idle_timeout: Option<Duration>,
) -> io::Result<TcpListener> {
    // A descriptor, and nothing behind it yet.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // After a restart, connections of the server before may still be in
    // TIME_WAIT; this lets bind(2) overlook them, and only them.
    socket.set_reuse_address(true)?;
    // Only such a socket knows the option.
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
    // EADDRINUSE, EADDRNOTAVAIL, EACCES: here the user learns of it.
    socket.bind(&address.into())?;
    // From here on the kernel completes handshakes by itself, and queues up
    // to BACKLOG of the clients until they are accepted.
    socket.listen(BACKLOG)?;
    // The same descriptor under the standard library's name.
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
    // Every error of accept(2) has a number.
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        // Somebody else was faster, or the client has left the queue.
        Errno::EAGAIN => Blame::Nobody,
        // What is not a listening socket, or none at all.
        Errno::EBADF | Errno::EFAULT | Errno::EINVAL | Errno::ENOTSOCK => {
            Blame::Program
        }
        // Descriptors of this process, of the system; buffers; memory.
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
