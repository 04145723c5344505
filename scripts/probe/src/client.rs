//! A client: a socket with limits on every wait.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::wait::{LIMIT, stays};

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    /// The connection itself, for a test that needs more than this client has.
    pub stream: TcpStream,
    /// The client's own address, by which the server's lines name it.
    pub address: SocketAddr,
}

/// A pattern of this length that shows every loss and every change of order.
pub fn pattern(length: usize) -> Vec<u8> {
    part_of_pattern(0, length)
}

/// A part of that pattern: so many bytes, from this one on.
pub fn part_of_pattern(start: usize, length: usize) -> Vec<u8> {
    let byte = |index: usize| {
        let mixed = index.wrapping_mul(2_654_435_761) >> 7;
        mixed.to_le_bytes()[0] ^ index.to_le_bytes()[1]
    };
    (start..start + length).map(byte).collect()
}

impl Client {
    /// Connects as any client does.
    pub fn connect(server: SocketAddr) -> Self {
        Self::try_connect(server).expect("the server takes a connection")
    }

    /// Connects as [`Self::connect`] does, but returns the error.
    pub fn try_connect(server: SocketAddr) -> io::Result<Self> {
        Self::of(TcpStream::connect_timeout(&server, LIMIT)?)
    }

    /// Connects with so small buffers that replies of some tens of kilobytes
    /// stop on the way when it does not read (IPv4).
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub fn connect_narrow(server: SocketAddr) -> Self {
        let connect = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            // The size of the segments limits the send buffer of the server's
            // end; with the large segments of the loopback it would hold
            // megabytes.
            socket.set_tcp_mss(536)?;
            socket.set_recv_buffer_size(4096)?;
            socket.connect_timeout(&SockAddr::from(server), LIMIT)?;
            Self::of(socket.into())
        };
        connect().expect("the server takes a connection")
    }

    /// A client with this connection.
    pub fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        let address = stream.local_addr()?;
        Ok(Self { stream, address })
    }

    /// Sends all of it.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server takes what is sent");
    }

    /// Sends as [`Self::send`] does, but returns the error.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Receives as many bytes as expected, and compares.
    pub fn expect(&mut self, expected: &[u8]) {
        let mut received = vec![0; expected.len()];
        self.stream.read_exact(&mut received).unwrap_or_else(|e| {
            panic!("{}: no whole reply: {e}", self.address)
        });
        assert!(
            received == expected,
            "{}: another reply than expected: {:?}, not {:?}",
            self.address,
            String::from_utf8_lossy(&received),
            String::from_utf8_lossy(expected)
        );
    }

    /// Sends a message and expects it back.
    pub fn exchange(&mut self, message: &[u8]) {
        self.send(message);
        self.expect(message);
    }

    /// Receives some bytes: nothing at the end of the stream.
    pub fn receive(&mut self, at_most: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; at_most];
        let length = self.stream.read(&mut buffer)?;
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Receives everything until the server has closed, without a reset.
    pub fn receive_all(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        self.stream
            .read_to_end(&mut received)
            .unwrap_or_else(|e| panic!("{}: no clean end: {e}", self.address));
        received
    }

    /// Expects the end of the stream, and nothing before it.
    pub fn expect_end(&mut self) {
        let rest = self.receive_all();
        assert!(
            rest.is_empty(),
            "{}: {:?} instead of the end",
            self.address,
            String::from_utf8_lossy(&rest)
        );
    }

    /// Expects that the connection is reset, whatever may come before.
    pub fn expect_reset(&mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{}: {other:?}, not a reset", self.address),
        }
    }

    /// Expects the end of the connection, in an orderly way or not.
    pub fn expect_any_end(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        match self.stream.read_to_end(&mut received) {
            Err(e) if e.kind() != ErrorKind::ConnectionReset => {
                panic!("{}: no end: {e}", self.address)
            }
            _ => received,
        }
    }

    /// Asserts that nothing comes, not even the end, for a moment.
    pub fn expect_silence(&self) {
        self.nonblocking(true);
        stays(&format!("{} is left waiting", self.address), || {
            let peeked = self.stream.peek(&mut [0]);
            peeked.is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
        });
        self.nonblocking(false);
    }

    fn nonblocking(&self, yes: bool) {
        self.stream
            .set_nonblocking(yes)
            .expect("a socket can be set non-blocking");
    }

    /// Says that nothing more will be sent, as `nc -N` does.
    pub fn half_close(&mut self) {
        self.stream
            .shutdown(Shutdown::Write)
            .expect("an open socket can be half-closed");
    }

    /// Ends its side, and expects the end of the server's.
    pub fn leave(&mut self) {
        self.half_close();
        self.expect_end();
    }

    /// Ends the connection with a reset instead of an end of file; gives the
    /// address that it had.
    pub fn reset(self) -> SocketAddr {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket can be set to reset");
        self.address
    }

    /// Sends the pattern without reading, until nothing has been taken for a
    /// moment or the connection is broken, but no more than `at_most`; gives
    /// the length sent.
    pub fn flood(&mut self, at_most: usize) -> usize {
        self.nonblocking(true);
        let mut sent = 0;
        let mut progress = Instant::now();
        while sent < at_most && progress.elapsed() < Duration::from_millis(500)
        {
            let length = (at_most - sent).min(65536);
            let chunk = part_of_pattern(sent, length);
            match self.stream.write(&chunk) {
                Ok(taken) => {
                    sent += taken;
                    progress = Instant::now();
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(_) => break,
            }
        }
        self.nonblocking(false);
        sent
    }

    /// Waits until all that was sent has arrived in the server's kernel.
    pub fn wait_until_arrived(&self) {
        // With this setting poll(2) reports the socket as writable once all
        // bytes have left it.
        SockRef::from(&self.stream)
            .set_tcp_notsent_lowat(1)
            .expect("Linux has TCP_NOTSENT_LOWAT");
        let limit = u16::try_from(LIMIT.as_millis()).expect("some seconds");
        let mut watched =
            [PollFd::new(self.stream.as_fd(), PollFlags::POLLOUT)];
        let ready = poll(&mut watched, limit);
        assert_eq!(ready, Ok(1), "{}: nothing is taken", self.address);
        // On the loopback, bytes that have left are in the server's kernel at
        // once.
        thread::sleep(Duration::from_millis(20));
    }
}
