//! `lab peer`: the peers that are written in Rust, as programs.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use lab::catalogue::Serve;
use lab::evaluate::{count_into_memory, count_into_pipe};
use lab::peer::{create_threads, serve_mio, serve_tokio};
use tokio::runtime::Builder;

#[derive(Args)]
pub struct Arguments {
    model: Model,
    /// Of std-thread and counts: how many
    count: Option<u32>,
    /// Of std-thread: how many MiB the process has touched
    mib: Option<usize>,
    /// One exchange, then close
    #[arg(long, conflicts_with = "until_eof")]
    once: bool,
    /// Until the client's end of file
    #[arg(long)]
    until_eof: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    Mio,
    TokioOne,
    TokioMany,
    StdThread,
    CountPipe,
    CountMemory,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let serve = if arguments.once { Serve::Once } else { Serve::UntilEof };
    let count = u64::from(arguments.count.unwrap_or(1000));
    match arguments.model {
        Model::Mio => serve_mio(serve)?,
        Model::TokioOne => {
            serve_tokio(&mut Builder::new_current_thread(), serve)?;
        }
        Model::TokioMany => {
            serve_tokio(&mut Builder::new_multi_thread(), serve)?;
        }
        Model::StdThread => {
            let count = arguments.count.unwrap_or(1000);
            let each = create_threads(count, arguments.mib.unwrap_or(0))?;
            println!("{each:.1}");
        }
        Model::CountPipe => count_into_pipe(count)?,
        Model::CountMemory => println!("{}", count_into_memory(count)?),
    }
    Ok(ExitCode::SUCCESS)
}
