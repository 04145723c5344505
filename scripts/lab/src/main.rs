//! The command line of the lab.

#![allow(clippy::cast_precision_loss, reason = "rates are shown in 3 digits")]

mod commands;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use commands::{compare, evaluate, growth, load, peer, timeline, watch};

/// Measures the three servers on this machine, beside what others write in
/// the same models. All load goes to the loopback.
#[derive(Parser)]
#[command(name = "lab", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Puts load on a server: one of ours, or any that listens here.
    Load(load::Arguments),
    /// Measures our servers beside the peers, and judges each row of the
    /// table of what they have to reach
    Compare(compare::Arguments),
    /// Draws what grows with open connections, and with the size of a parent
    Growth(growth::Arguments),
    /// Tests what the course claims of each approach on this machine, and
    /// says of each claim whether it holds
    Evaluate(evaluate::Arguments),
    /// Draws who waits for whom: the three servers, and one that serves one
    /// after the other, with the same four clients
    Timeline(timeline::Arguments),
    /// Shows a server live on this terminal: who serves whom, who waits for
    /// whom, and the address that a class has to type
    Watch(watch::Arguments),
    /// Runs a peer that is written in Rust; others start it to measure it.
    #[command(hide = true)]
    Peer(peer::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Load(arguments) => load::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Growth(arguments) => growth::run(arguments),
        Command::Evaluate(arguments) => evaluate::run(arguments),
        Command::Timeline(arguments) => timeline::run(arguments),
        Command::Watch(arguments) => watch::run(arguments),
        Command::Peer(arguments) => peer::run(arguments),
    }
}
