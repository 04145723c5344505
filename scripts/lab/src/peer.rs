//! The peers that are written in Rust: what a programmer would write with
//! mio or tokio. They are run as programs of their own: `lab peer NAME`.

mod mio;
mod tokio;

pub use self::mio::serve as serve_mio;
pub use self::tokio::serve as serve_tokio;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use anyhow::{Context, Result};
use socket2::{Domain, Socket, Type};

use crate::catalogue::Serve;

/// As every other server here: one message is at most so long.
const BUFFER_SIZE: usize = 1024;
const BACKLOG: i32 = 1024;

/// A listening socket on a free port of the loopback address, announced.
fn listen() -> Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)
        .context("no listening socket")?;
    socket.set_reuse_address(true)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&address.into()).context("cannot bind")?;
    socket.listen(BACKLOG).context("cannot listen")?;
    socket.set_nonblocking(true)?;
    let listener = std::net::TcpListener::from(socket);
    println!("peer listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// Nanoseconds that it takes to create and join a `std::thread`, the mean of
/// so many, in a process that has touched so many MiB.
///
/// # Errors
///
/// When no thread can be created.
pub fn create_threads(count: u32, mib: usize) -> Result<f64> {
    let touched = vec![1_u8; mib << 20];
    let start = Instant::now();
    for _ in 0..count {
        let thread = std::thread::Builder::new()
            .spawn(|| ())
            .context("no thread can be created")?;
        thread.join().expect("an empty thread does not panic");
    }
    let took = start.elapsed();
    std::hint::black_box(&touched);
    Ok(took.as_secs_f64() * 1e9 / f64::from(count.max(1)))
}
