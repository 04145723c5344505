//! A client that knows exactly what it has sent and what has come back.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use probe::client::Client as Connection;
use probe::server::Server;
use probe::{Outcome, demand};

/// How long a write that must not be waited for any longer takes.
const FULL: Duration = Duration::from_millis(200);

/// More than any buffers on the way can hold.
const FLOOD: u64 = 32 << 20;

/// Where a server on this port of this machine is reached.
#[must_use]
pub fn here(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// One connection and its account.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// Its own address, as the server prints it.
    pub address: SocketAddr,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes of replies that have come back, all as they should.
    pub got: u64,
    /// Messages that were answered.
    pub answered: u64,
    /// What the connection broke of, if it did.
    pub hit: Option<String>,
    /// Whether it has been closed by both sides.
    pub left: bool,
    /// Whether the server was stopped while it was sending: what was still
    /// on its way then may have been answered or not.
    pub cut: bool,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When it cannot within the limit.
    pub fn connect(port: u16) -> Outcome<Self> {
        Self::of(Connection::try_connect(here(port)))
    }

    /// Connects with small buffers and small segments, so that little data
    /// is enough to fill all that lies between it and the server.
    ///
    /// # Errors
    ///
    /// When it cannot within the limit.
    pub fn connect_narrow(port: u16) -> Outcome<Self> {
        Self::of(Connection::try_connect_narrow(here(port)))
    }

    fn of(connection: io::Result<Connection>) -> Outcome<Self> {
        let connection =
            connection.map_err(|error| format!("connect: {error}"))?;
        Ok(Self {
            address: connection.address,
            stream: connection.into_stream(),
            sent: 0,
            got: 0,
            answered: 0,
            hit: None,
            left: false,
            cut: false,
        })
    }

    /// Sends a message and reads its echo, unless the connection is broken.
    ///
    /// # Errors
    ///
    /// When nothing comes for too long, or something else than the echo.
    pub fn talk(&mut self, message: &[u8]) -> Outcome {
        self.send(message)?;
        self.receive(message)
    }

    /// Sends a message, unless the connection is broken.
    ///
    /// # Errors
    ///
    /// When the server does not take it.
    pub fn send(&mut self, message: &[u8]) -> Outcome {
        if self.hit.is_none() {
            self.sent += message.len() as u64;
        }
        self.attempt("room", |stream| stream.write_all(message)).map(drop)
    }

    /// Reads the echo of a message, unless the connection is broken.
    ///
    /// # Errors
    ///
    /// When nothing comes for too long, or something else than the echo.
    pub fn receive(&mut self, message: &[u8]) -> Outcome {
        let mut echo = vec![0; message.len()];
        let whole = |stream: &mut TcpStream| stream.read_exact(&mut echo);
        if self.attempt("a reply", whole)?.is_some() {
            demand(echo == message, || {
                format!("{} got something else than its echo", self.address)
            })?;
            self.got += echo.len() as u64;
            self.answered += 1;
        }
        Ok(())
    }

    /// Reads the server's end of file.
    ///
    /// # Errors
    ///
    /// When it does not come, or something else comes before it.
    pub fn expect_end(&mut self) -> Outcome {
        let mut rest = Vec::new();
        self.attempt("the end of file", |it| it.read_to_end(&mut rest))?;
        demand(rest.is_empty(), || {
            format!("{} got {} bytes too many", self.address, rest.len())
        })?;
        self.left = true;
        Ok(())
    }

    /// Ends its side, and reads the server's end of file.
    ///
    /// # Errors
    ///
    /// As `expect_end`.
    pub fn leave(&mut self) -> Outcome {
        if self.left {
            return Ok(());
        }
        self.half_close()?;
        self.expect_end()
    }

    /// Behaves as a client of `--serve once`: sends one message, reads its echo
    /// and the server's end of file, and then ends its own side.
    ///
    /// # Errors
    ///
    /// As `talk` and `expect_end`.
    pub fn serve_once(&mut self, message: &[u8]) -> Outcome {
        self.talk(message)?;
        self.expect_end()?;
        self.half_close()
    }

    fn half_close(&mut self) -> Outcome {
        self.attempt("its half-close", |it| it.shutdown(Shutdown::Write))
            .map(drop)
    }

    /// Sends until nothing more can be sent, for the server waits with a
    /// reply that is not read.
    ///
    /// # Errors
    ///
    /// When it could go on sending for ever.
    pub fn fill(&mut self) -> Outcome {
        let mut sent = self.sent;
        let full = self.attempt("room", |stream| {
            stream.set_write_timeout(Some(FULL))?;
            while sent < FLOOD {
                match stream.write(&[b'f'; 1024]) {
                    Ok(count) => sent += count as u64,
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {
                        return Ok(true);
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(false)
        })?;
        self.sent = sent;
        demand(full != Some(false), || {
            "the server takes whatever is sent".to_owned()
        })
    }

    /// Reads all the replies that are due.
    ///
    /// # Errors
    ///
    /// As `talk`.
    pub fn empty(&mut self) -> Outcome {
        let due = usize::try_from(self.sent - self.got).unwrap_or(0);
        let mut echo = vec![b'f'; due.min(1024)];
        while self.hit.is_none() && self.got < self.sent {
            let count = self.attempt("its replies", |stream| {
                match stream.read(&mut echo)? {
                    0 => Err(ErrorKind::UnexpectedEof.into()),
                    count => Ok(count),
                }
            })?;
            self.got += count.unwrap_or(0) as u64;
        }
        demand(echo.iter().all(|&byte| byte == b'f'), || {
            format!("{} got something else", self.address)
        })
    }

    /// Reads, slowly at last, what a server that stops still sends.
    ///
    /// # Errors
    ///
    /// As `expect_end`.
    pub fn be_cut(&mut self) -> Outcome {
        let mut rest = Vec::new();
        let end = self.attempt("the end of file", |stream| {
            match stream.read_to_end(&mut rest) {
                // It tells of what was still on its way to the server when
                // the server had closed.
                Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(()),
                result => result.map(drop),
            }
        });
        self.got += rest.len() as u64;
        self.cut = true;
        self.left = true;
        end.map(drop)
    }

    /// Who serves it: the first column of the server's lines about it.
    ///
    /// # Errors
    ///
    /// When the server does not say that it has connected.
    pub fn worker(&self, server: &Server) -> Outcome<String> {
        let address = format!("  {}  connected", self.address);
        server.stdout.find(&address, |line| {
            let (worker, _) = line.split_once(&address)?;
            Some(worker.trim_end().to_owned())
        })
    }

    /// Whether its connection has held.
    ///
    /// # Errors
    ///
    /// What it broke of.
    pub fn unharmed(&self) -> Outcome {
        match &self.hit {
            None => Ok(()),
            Some(error) => Err(format!("{}: {error}", self.address)),
        }
    }

    /// Does this with the connection, unless that is broken: nothing, if it is
    /// or breaks now. Notes the error of a connection that breaks, and fails
    /// at the silence of a server that hangs.
    fn attempt<T>(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut TcpStream) -> io::Result<T>,
    ) -> Outcome<Option<T>> {
        if self.hit.is_some() {
            return Ok(None);
        }
        match act(&mut self.stream) {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err(format!("{} waits for {what} in vain", self.address))
            }
            Err(error) => {
                self.hit = Some(error.to_string());
                Ok(None)
            }
        }
    }
}

/// Does this so many times at once, each in a thread of its own that knows its
/// number; returns what they have come to.
///
/// # Errors
///
/// What the first of them fails with.
pub fn at_once<T: Send>(
    times: u64,
    act: impl Fn(u64) -> Outcome<T> + Sync,
) -> Outcome<Vec<T>> {
    let act = &act;
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..times).map(|number| scope.spawn(move || act(number))).collect();
        let join = |thread: ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or(Err("a client panicked".into()))
        };
        let results: Vec<_> = threads.into_iter().map(join).collect();
        results.into_iter().collect()
    })
}
