//! One loop over mio, edge-triggered as mio is.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use anyhow::Result;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;

use super::{BUFFER_SIZE, Serve};
use crate::load::at_once;

const LISTENER: Token = Token(usize::MAX - 1);

struct Client {
    stream: TcpStream,
    /// What of a reply the kernel has not taken yet.
    waiting: Vec<u8>,
    /// Replied; waits for the client's end of file.
    ending: bool,
}

/// Serves until the process ends.
///
/// # Errors
///
/// When it cannot listen or wait.
pub fn serve(serve: Serve) -> Result<()> {
    let mut listener = TcpListener::from_std(super::listen()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients = Slab::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = [0; BUFFER_SIZE];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &mut clients, poll.registry())?;
                continue;
            }
            let token = event.token().0;
            let Some(client) = clients.get_mut(token) else {
                continue;
            };
            // Of an end of file that has come already there is no new event.
            let to_the_end = event.is_read_closed();
            let goes_on = advance(client, &mut buffer, serve, to_the_end);
            if !goes_on.unwrap_or(false) {
                clients.remove(token);
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    clients: &mut Slab<Client>,
    registry: &Registry,
) -> Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let entry = clients.vacant_entry();
                let token = Token(entry.key());
                let client = entry.insert(Client {
                    stream,
                    waiting: Vec::new(),
                    ending: false,
                });
                registry.register(
                    &mut client.stream,
                    token,
                    Interest::READABLE | Interest::WRITABLE,
                )?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Ok(());
            }
            Err(_) => {}
        }
    }
}

/// Goes on until the kernel says "later"; false when the client is done.
fn advance(
    client: &mut Client,
    buffer: &mut [u8],
    serve: Serve,
    to_the_end: bool,
) -> io::Result<bool> {
    loop {
        while !client.waiting.is_empty() {
            let Some(size) = at_once(client.stream.write(&client.waiting))?
            else {
                return Ok(true);
            };
            client.waiting.drain(..size);
        }
        let size = match at_once(client.stream.read(buffer))? {
            None => return Ok(true),
            Some(0) => return Ok(false),
            Some(size) => size,
        };
        if client.ending {
            continue;
        }
        let sent = at_once(client.stream.write(&buffer[..size]))?.unwrap_or(0);
        client.waiting.extend_from_slice(&buffer[sent..size]);
        if serve == Serve::Once && client.waiting.is_empty() {
            client.stream.shutdown(Shutdown::Write)?;
            client.ending = true;
        }
        // A read that did not fill the buffer has emptied the socket
        // (epoll(7)); what comes later is a new event.
        if size < buffer.len() && client.waiting.is_empty() && !to_the_end {
            return Ok(true);
        }
    }
}
