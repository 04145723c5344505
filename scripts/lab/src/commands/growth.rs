//! `lab growth`: what grows with what, as curves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use lab::catalogue::Catalogue;
use lab::growth::{self, Effort, Growth};
use lab::{machine, program};

use super::out;
use super::progress::{Interrupted, Progress};

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
    let directory = match &arguments.out {
        Some(directory) => directory.clone(),
        None => program::output_directory()?,
    };
    fs::create_dir_all(&directory)
        .with_context(|| format!("creating {}", directory.display()))?;
    let growth = match &arguments.draw {
        Some(file) => read(file)?,
        None => measure(arguments, &directory)?,
    };
    for file in growth.draw(&directory)? {
        out!("drawn: {}", program::shown(&file));
    }
    Ok(if growth.complete { ExitCode::SUCCESS } else { ExitCode::from(130) })
}

fn read(file: &PathBuf) -> Result<Growth> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is not ours", file.display()))
}

fn measure(arguments: &Arguments, directory: &Path) -> Result<Growth> {
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    machine::raise_descriptor_limit()?;
    out!("building the servers");
    let catalogue = Catalogue::new()?;
    let mut progress = Progress::new(effort.estimate());
    let interrupted = Interrupted::watch()?;
    let growth =
        growth::run(&catalogue, &effort, interrupted.live(), &mut progress)?;
    progress.finish();
    let file = directory.join("growth.json");
    let text = serde_json::to_string_pretty(&growth)?;
    fs::write(&file, text + "\n")
        .with_context(|| format!("writing {}", file.display()))?;
    out!(
        "measured in {:.0} s; every sample: {}",
        growth.seconds,
        program::shown(&file)
    );
    Ok(growth)
}
