//! One connection that streams: as many bytes as the server takes, while
//! what comes back is read and compared.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Live, Target, Witness, at_once};

/// What is offered to the kernel at a time.
const CHUNK: usize = 256 * 1024;
/// The stream repeats after so many bytes; a prime, so that no loss of a
/// whole buffer goes unseen.
const PERIOD: usize = 65_521;
/// No server should take longer to echo something.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Streams `bytes` bytes through the server until its end of file and
/// returns how long that took.
///
/// # Errors
///
/// When the connection fails, the echo differs or is not complete.
pub fn run(
    target: Target,
    bytes: u64,
    live: &Live,
    witness: Witness<'_>,
) -> Result<Duration> {
    let mut stream = TcpStream::connect(target.address())
        .with_context(|| format!("connecting to {target}"))?;
    stream.set_nonblocking(true)?;
    let pattern: Vec<u8> = (0..PERIOD)
        .map(|at| u8::try_from(at * at % 251).unwrap_or(0))
        .cycle()
        .take(PERIOD + CHUNK)
        .collect();
    let mut buffer = vec![0; CHUNK];
    let (mut sent, mut received) = (0, 0);
    witness();
    let start = Instant::now();
    let mut ended = false;
    while !ended {
        ensure!(!live.stops(), "stopped");
        let mut moved = false;
        if sent < bytes {
            let offset = at(sent);
            let most = left(bytes - sent);
            let taken = at_once(stream.write(&pattern[offset..offset + most]));
            if let Some(size) = taken.context("sending")? {
                sent += size as u64;
                moved = true;
            }
            if sent == bytes {
                stream.shutdown(Shutdown::Write)?;
            }
        }
        match at_once(stream.read(&mut buffer)).context("receiving")? {
            Some(0) => ended = true,
            Some(size) => {
                let offset = at(received);
                ensure!(
                    buffer[..size] == pattern[offset..offset + size],
                    "the echo differs within {size} bytes from {received} on"
                );
                received += size as u64;
                moved = true;
            }
            None => {}
        }
        if !moved && !ended {
            wait(&stream, sent < bytes)?;
        }
    }
    let elapsed = start.elapsed();
    witness();
    ensure!(
        received == bytes,
        "{received} of {bytes} bytes came back before the end of file"
    );
    Ok(elapsed)
}

/// Where in the pattern a byte of the stream stands.
fn at(position: u64) -> usize {
    usize::try_from(position % PERIOD as u64).unwrap_or(0)
}

fn left(bytes: u64) -> usize {
    usize::try_from(bytes).map_or(CHUNK, |bytes| bytes.min(CHUNK))
}

fn wait(stream: &TcpStream, sending: bool) -> Result<()> {
    let mut flags = PollFlags::POLLIN;
    flags.set(PollFlags::POLLOUT, sending);
    let timeout = PollTimeout::try_from(TIMEOUT).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(stream.as_fd(), flags)], timeout) {
        Ok(0) => bail!("no progress for {} s", TIMEOUT.as_secs()),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error).context("waiting for the stream"),
    }
}
