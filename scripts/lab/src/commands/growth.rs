//! `lab growth`: what grows with what, as curves.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use lab::growth::{self, Effort, Growth};
use lab::program;

use super::progress::measured;
use super::{directory, out, read_json, status, write_json};

#[derive(Args)]
pub struct Arguments {
    /// Fewer and shorter samples
    #[arg(long)]
    quick: bool,
    /// Where the pictures and the samples go
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
    /// Measures nothing: draws the samples of this file again
    #[arg(long, value_name = "FILE", conflicts_with = "quick")]
    draw: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let directory = directory(arguments.out.as_deref(), "")?;
    let growth = match &arguments.draw {
        Some(file) => read_json(file)?,
        None => measure(arguments, &directory)?,
    };
    for file in growth.draw(&directory)? {
        out!("drawn: {}", program::shown(&file));
    }
    Ok(status(growth.header.complete))
}

fn measure(arguments: &Arguments, directory: &Path) -> Result<Growth> {
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    let growth = measured(effort.estimate(), |catalogue, live, progress| {
        growth::run(catalogue, &effort, live, progress)
    })?;
    let file = directory.join("growth.json");
    write_json(&file, &growth)?;
    out!(
        "measured in {:.0} s; every sample: {}",
        growth.header.seconds,
        program::shown(&file)
    );
    Ok(growth)
}
