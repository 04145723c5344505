//! A client that knows exactly what it has sent and what has come back, and
//! bears it if its connection breaks.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use probe::client::Client as Connection;

/// How long a write that must not be waited for any longer takes.
const FULL: Duration = Duration::from_millis(200);

/// More than any buffers on the way can hold.
const FLOOD: u64 = 32 << 20;

/// One connection and its account.
#[derive(Debug)]
pub struct Client {
    /// The connection, by which the server names it.
    pub connection: Connection,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes of replies that have come back, all as they should.
    pub got: u64,
    /// Messages that were answered.
    pub answered: usize,
    /// What the connection broke of, if it did.
    pub hit: Option<String>,
    /// Whether it has been closed by both sides.
    pub left: bool,
    /// Whether the server was stopped while it was sending: what was still
    /// on its way then may have been answered or not.
    pub cut: bool,
}

/// Each of these panics when the server lets the client wait in vain, or when
/// what comes is not what should.
impl Client {
    /// A new connection.
    pub fn new(connection: Connection) -> Self {
        Self {
            connection,
            sent: 0,
            got: 0,
            answered: 0,
            hit: None,
            left: false,
            cut: false,
        }
    }

    /// Sends a message and reads its echo, unless the connection is broken.
    pub fn talk(&mut self, message: &[u8]) {
        self.send(message);
        self.receive(message);
    }

    /// Sends a message, unless the connection is broken.
    pub fn send(&mut self, message: &[u8]) {
        if self.hit.is_none() {
            self.sent += message.len() as u64;
        }
        self.attempt("room", |stream| stream.write_all(message));
    }

    /// Reads the echo of a message, unless the connection is broken.
    pub fn receive(&mut self, message: &[u8]) {
        let mut echo = vec![0; message.len()];
        let whole = |stream: &mut TcpStream| stream.read_exact(&mut echo);
        if self.attempt("a reply", whole).is_some() {
            assert!(echo == message, "{self:?} got another reply");
            self.got += echo.len() as u64;
            self.answered += 1;
        }
    }

    /// Reads the server's end of file, and nothing before it.
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.attempt("the end of file", |it| it.read_to_end(&mut rest));
        assert!(rest.is_empty(), "{self:?} got {} bytes more", rest.len());
        self.left = true;
    }

    /// Ends its side, and reads the server's end of file.
    pub fn leave(&mut self) {
        if !self.left {
            self.half_close();
            self.expect_end();
        }
    }

    /// Behaves as a client of `--serve once`: sends one message, reads its echo
    /// and the server's end of file, and then ends its own side.
    pub fn serve_once(&mut self, message: &[u8]) {
        self.talk(message);
        self.expect_end();
        self.half_close();
    }

    fn half_close(&mut self) {
        self.attempt("its half-close", |it| it.shutdown(Shutdown::Write));
    }

    /// Sends until nothing more can be sent, for the server waits with a
    /// reply that is not read.
    pub fn fill(&mut self) {
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
        });
        self.sent = sent;
        assert_ne!(full, Some(false), "the server takes whatever is sent");
    }

    /// Reads all the replies that are due.
    pub fn empty(&mut self) {
        let due = usize::try_from(self.sent - self.got).unwrap_or(0);
        let mut echo = vec![b'f'; due.min(1024)];
        while self.hit.is_none() && self.got < self.sent {
            let count = self.attempt("its replies", |stream| {
                match stream.read(&mut echo)? {
                    0 => Err(ErrorKind::UnexpectedEof.into()),
                    count => Ok(count),
                }
            });
            self.got += count.unwrap_or(0) as u64;
        }
        assert!(echo.iter().all(|&it| it == b'f'), "{self:?}: another reply");
    }

    /// Reads what a server that stops still sends.
    pub fn be_cut(&mut self) {
        let mut rest = Vec::new();
        self.attempt("the end of file", |stream| {
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
    }

    /// Does this with the connection, unless that is broken: nothing, if it is
    /// or breaks now. Notes the error of a connection that breaks.
    fn attempt<T>(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut TcpStream) -> io::Result<T>,
    ) -> Option<T> {
        if self.hit.is_some() {
            return None;
        }
        match act(&mut self.connection.stream) {
            Ok(done) => Some(done),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("{self:?} waits for {what} in vain")
            }
            Err(error) => {
                self.hit = Some(error.to_string());
                None
            }
        }
    }
}
