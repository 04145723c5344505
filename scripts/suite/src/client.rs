//! A client that knows exactly what it has sent and what has come back.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use probe::client::Client as Connection;
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
        if self.hit.is_some() {
            return Ok(());
        }
        self.sent += message.len() as u64;
        let result = self.stream.write_all(message);
        self.judge(result, "room")
    }

    /// Reads the echo of a message, unless the connection is broken.
    ///
    /// # Errors
    ///
    /// When nothing comes for too long, or something else than the echo.
    pub fn receive(&mut self, message: &[u8]) -> Outcome {
        if self.hit.is_some() {
            return Ok(());
        }
        let mut echo = vec![0; message.len()];
        let result = self.stream.read_exact(&mut echo);
        self.judge(result, "a reply")?;
        if self.hit.is_none() {
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
        if self.hit.is_some() {
            return Ok(());
        }
        let mut rest = Vec::new();
        let result = self.stream.read_to_end(&mut rest).map(drop);
        self.judge(result, "the end of file")?;
        if !rest.is_empty() {
            let (number, address) = (rest.len(), self.address);
            return Err(format!("{address} got {number} bytes too many"));
        }
        self.left = true;
        Ok(())
    }

    /// Ends its side, and reads the server's end of file.
    ///
    /// # Errors
    ///
    /// As `expect_end`.
    pub fn leave(&mut self) -> Outcome {
        if !self.left && self.hit.is_none() {
            let result = self.stream.shutdown(Shutdown::Write);
            self.judge(result, "its half-close")?;
            self.expect_end()?;
        }
        Ok(())
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
        if self.hit.is_none() {
            let result = self.stream.shutdown(Shutdown::Write);
            self.judge(result, "its half-close")?;
        }
        Ok(())
    }

    /// Sends until nothing more can be sent, for the server waits with a
    /// reply that is not read.
    ///
    /// # Errors
    ///
    /// When it could go on sending for ever.
    pub fn fill(&mut self) -> Outcome {
        let result = self.stream.set_write_timeout(Some(FULL));
        let result = result.and_then(|()| {
            while self.sent < FLOOD {
                let count = self.stream.write(&[b'f'; 1024])?;
                self.sent += count as u64;
            }
            Ok(())
        });
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Ok(()) => Err("the server takes whatever is sent".to_owned()),
            Err(error) => self.judge(Err(error), "room"),
        }
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
            let result = match self.stream.read(&mut echo) {
                Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.got += count as u64;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            self.judge(result, "its replies")?;
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
        let result = self.stream.read_to_end(&mut rest).map(drop);
        self.got += rest.len() as u64;
        self.cut = true;
        self.left = true;
        match result {
            // What was still on its way to the server when it had closed.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
            result => self.judge(result, "the end of file"),
        }
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

    /// Notes an error of the connection; fails if it is the silence of a
    /// server that hangs.
    fn judge(&mut self, result: io::Result<()>, what: &str) -> Outcome {
        let Err(error) = result else { return Ok(()) };
        if error.kind() == ErrorKind::WouldBlock {
            let address = self.address;
            return Err(format!("{address} waits for {what} in vain"));
        }
        self.hit = Some(error.to_string());
        Ok(())
    }
}
