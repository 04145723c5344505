//! The peers that are written in Rust: what a programmer would write with
//! mio or tokio. They are run as programs of their own: `lab peer NAME`.

mod mio;
mod tokio;

pub use self::mio::serve as serve_mio;
pub use self::tokio::{Threads, serve as serve_tokio};

use std::net::{Ipv4Addr, SocketAddr};

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
