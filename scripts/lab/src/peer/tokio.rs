//! One task for each connection, on one thread or on many.

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use super::{BUFFER_SIZE, Serve};

/// Serves until the process ends, with a runtime of one thread or of many.
///
/// # Errors
///
/// When there is no runtime or it cannot listen.
pub fn serve(runtime: &mut Builder, serve: Serve) -> Result<()> {
    runtime.enable_io().build()?.block_on(async {
        let listener = TcpListener::from_std(super::listen()?)?;
        loop {
            if let Ok((client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // An error ends this task only: a client that goes away
                    // harms no other.
                    let _ = handle(client, serve).await;
                });
            }
        }
    })
}

async fn handle(mut client: TcpStream, serve: Serve) -> std::io::Result<()> {
    let mut buffer = [0; BUFFER_SIZE];
    loop {
        let size = client.read(&mut buffer).await?;
        if size == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..size]).await?;
        if serve == Serve::Once {
            client.shutdown().await?;
            while client.read(&mut buffer).await? > 0 {}
            return Ok(());
        }
    }
}
