//! Connections that are open and do nothing: what a server pays for those
//! that merely exist.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::Target;
use super::client::Client;

/// No server should take so long to answer one message.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Idle connections, closed when dropped.
#[derive(Debug)]
pub struct Idle {
    client: Client,
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
        let client = Client::new(target, 64, TIMEOUT);
        let mut idle = Self { client, streams: Vec::new() };
        idle.open_up_to(count)?;
        Ok(idle)
    }

    /// Opens more, until there are so many.
    ///
    /// # Errors
    ///
    /// As for [`Idle::open`].
    pub fn open_up_to(&mut self, count: usize) -> Result<()> {
        let more = self.client.open(count - self.streams.len());
        self.streams.extend(more.map_err(|kind| {
            anyhow!("opening {count} idle connections: {kind}")
        })?);
        Ok(())
    }
}
