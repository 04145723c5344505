//! A client that knows exactly what it has sent and what has come back.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::harness::{LIMIT, Outcome};

/// How long a write that must not be waited for any longer takes.
const FULL: Duration = Duration::from_millis(200);

/// The most that `flood` sends.
const FLOOD: usize = 32 << 20;

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
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When it cannot within the limit.
    pub fn connect(port: u16) -> Outcome<Self> {
        let connect = || {
            let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let stream = TcpStream::connect_timeout(&server, LIMIT)?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.set_write_timeout(Some(LIMIT))?;
            stream.set_nodelay(true)?;
            let address = stream.local_addr()?;
            Ok((stream, address))
        };
        let (stream, address) = connect()
            .map_err(|error: io::Error| format!("connect: {error}"))?;
        Ok(Self {
            stream,
            address,
            sent: 0,
            got: 0,
            answered: 0,
            hit: None,
            left: false,
        })
    }

    /// Sends a message and reads its echo, unless the connection is broken.
    ///
    /// # Errors
    ///
    /// When nothing comes for too long, or something else than the echo.
    pub fn talk(&mut self, message: &[u8]) -> Outcome {
        if self.hit.is_some() {
            return Ok(());
        }
        let mut echo = vec![0; message.len()];
        let result = self.stream.write_all(message).and_then(|()| {
            self.sent += message.len() as u64;
            self.stream.read_exact(&mut echo)
        });
        self.judge(result, "a reply")?;
        if self.hit.is_none() {
            if echo != message {
                return Err(format!(
                    "{} got something else than its echo",
                    self.address
                ));
            }
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

    /// As a client of `--serve once`: one message, its echo, the server's end
    /// of file, and then its own.
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
    /// reply; then reads all the replies.
    ///
    /// # Errors
    ///
    /// As `talk`.
    pub fn flood(&mut self) -> Outcome {
        if self.hit.is_some() {
            return Ok(());
        }
        let message = [b'f'; 16 * 1024];
        let mut sent = 0;
        let full = Some(FULL);
        let result = self.stream.set_write_timeout(full).and_then(|()| {
            // More than any buffers on the way could hold.
            while sent < FLOOD {
                match self.stream.write(&message) {
                    Ok(count) => sent += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        self.sent += sent as u64;
        self.judge(result, "room")?;
        let mut echo = vec![0; sent];
        let mut got = 0;
        let result = loop {
            match self.stream.read(&mut echo[got..]) {
                _ if got == sent => break Ok(()),
                Ok(0) => break Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => got += count,
                Err(error) => break Err(error),
            }
        };
        self.got += got as u64;
        self.judge(result, "its replies")?;
        if echo[..got].iter().any(|&byte| byte != b'f') {
            return Err(format!("{} got something else", self.address));
        }
        Ok(())
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
