//! Connections that are open and do nothing: what a server pays for those
//! that merely exist.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Message, Target};

/// Connections opened at a time: well within the queue of any server.
const BATCH: usize = 64;
/// No server should take so long to answer one message.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Idle connections, closed when dropped.
#[derive(Debug)]
pub struct Idle {
    streams: Vec<TcpStream>,
}

impl Idle {
    /// Opens so many connections; each has one message answered first, so
    /// that the server has really taken it.
    ///
    /// # Errors
    ///
    /// When a connection cannot be opened, or its reply is not the message.
    pub fn open(target: Target, count: usize) -> Result<Self> {
        let mut idle = Self { streams: Vec::with_capacity(count) };
        idle.open_more(target, count)?;
        Ok(idle)
    }

    /// Opens so many more.
    ///
    /// # Errors
    ///
    /// As for [`Idle::open`].
    pub fn open_more(&mut self, target: Target, count: usize) -> Result<()> {
        let mut message = Message::new(64);
        let mut reply = [0; 64];
        let all = self.streams.len() + count;
        while self.streams.len() < all {
            let first = self.streams.len();
            let last = all.min(first + BATCH);
            for index in first..last {
                let mut stream = TcpStream::connect(target.address())
                    .with_context(|| {
                        format!("opening idle connection {}", index + 1)
                    })?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.write_all(message.numbered(index as u64))?;
                self.streams.push(stream);
            }
            for index in first..last {
                self.streams[index].read_exact(&mut reply).with_context(
                    || format!("no reply on idle connection {}", index + 1),
                )?;
                ensure!(
                    reply == *message.numbered(index as u64),
                    "a wrong reply on idle connection {}",
                    index + 1
                );
            }
        }
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}
