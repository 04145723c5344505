//! A client with blocking calls.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket2::Type;

use super::{Ending, ErrorKind, Message, Source, Target};

/// Connections that are opened at the same time, so that the opening itself
/// overflows no server's queue.
const OPENED_AT_A_TIME: usize = 64;
/// A longer message is received while it is being sent: both sides would
/// wait for each other with it in the kernel's buffers.
pub(super) const LONGEST_BLOCKING: usize = 16 * 1024;

/// One client, or several whose messages are numbered together.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) source: Source,
    /// The number of the last message.
    pub(super) number: u64,
    timeout: Duration,
    message: Message,
    reply: Vec<u8>,
}

impl Client {
    /// A client that has sent nothing yet. Its messages have so many bytes, if
    /// that is not too long for blocking calls.
    pub(super) fn new(target: Target, size: usize, timeout: Duration) -> Self {
        let size = size.min(LONGEST_BLOCKING);
        Self {
            source: Source::new(target),
            number: 0,
            timeout,
            message: Message::new(size),
            // Longer than the reply, to catch what is too much.
            reply: vec![0; size + 64],
        }
    }

    pub(super) fn connect(&mut self) -> Result<TcpStream, ErrorKind> {
        let stream = TcpStream::from(self.source.connect(Type::STREAM)?);
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        Ok(stream)
    }

    /// Opens so many connections; each has one message answered, so that the
    /// server has really taken it.
    pub(super) fn open(
        &mut self,
        count: usize,
    ) -> Result<Vec<TcpStream>, ErrorKind> {
        let mut streams = Vec::with_capacity(count);
        while streams.len() < count {
            let first = streams.len();
            let number = self.number;
            for _ in first..count.min(first + OPENED_AT_A_TIME) {
                let mut stream = self.connect()?;
                self.send(&mut stream)?;
                streams.push(stream);
            }
            self.number = number;
            for stream in &mut streams[first..] {
                self.number += 1;
                self.receive(stream)?;
            }
        }
        Ok(streams)
    }

    /// Sends the next message.
    fn send(&mut self, stream: &mut TcpStream) -> Result<(), ErrorKind> {
        self.number += 1;
        Ok(stream.write_all(self.message.numbered(self.number))?)
    }

    /// Receives the reply to the last message, and verifies it.
    fn receive(&mut self, stream: &mut TcpStream) -> Result<(), ErrorKind> {
        let message = self.message.numbered(self.number);
        let mut received = 0;
        while received < message.len() {
            match stream.read(&mut self.reply[received..]) {
                Ok(0) => return Err(ErrorKind::Truncated),
                Ok(size) => received += size,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if received > message.len() {
            return Err(ErrorKind::Excess);
        }
        if self.reply[..received] != *message {
            return Err(ErrorKind::Wrong);
        }
        Ok(())
    }

    /// Sends a message and receives its reply.
    pub(super) fn round_trip(
        &mut self,
        stream: &mut TcpStream,
    ) -> Result<(), ErrorKind> {
        self.send(stream)?;
        self.receive(stream)
    }

    /// Connects, has one message answered, and sees the end.
    pub(super) fn exchange(&mut self, ending: Ending) -> Result<(), ErrorKind> {
        let mut stream = self.connect()?;
        self.round_trip(&mut stream)?;
        if ending == Ending::Client {
            stream.shutdown(Shutdown::Write)?;
            self.source.closed_first += 1;
        }
        match stream.read(&mut self.reply).map_err(ErrorKind::from) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ErrorKind::Excess),
            Err(ErrorKind::TimedOut) => Err(ErrorKind::NotClosed),
            Err(other) => Err(other),
        }
    }
}
