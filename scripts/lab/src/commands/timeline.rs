//! `lab timeline`: what each server does with the same clients, as a picture.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use lab::catalogue::Catalogue;
use lab::language::Language;
use lab::program;
use lab::timeline::trace::Trace;
use lab::timeline::{Strip, check_nesting, draw, script};

use super::{out, write};

#[derive(Args)]
pub struct Arguments {
    /// Traces to draw, as a server's --trace writes them; several servers may
    /// share one. Without any the four servers are run
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the picture goes
    #[arg(long, value_name = "FILE.svg")]
    out: Option<PathBuf>,
    /// The language of the picture
    #[arg(long, default_value = "en")]
    language: Language,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let language = arguments.language;
    let directory = program::output_directory()?;
    let files = if arguments.files.is_empty() {
        out!("building the servers");
        let catalogue = Catalogue::new()?;
        let traces = directory.join("timeline");
        let tell = |line: &str| out!("{line}");
        let files = script::run(&catalogue, &traces, tell)?;
        for file in &files {
            out!("trace: {} (Perfetto opens it)", program::shown(file));
        }
        files
    } else {
        arguments.files.clone()
    };
    let mut strips = Vec::new();
    for file in &files {
        strips.extend(strips_of(file)?);
    }
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => directory.join(language.file("timeline", "svg")),
    };
    write(&out, &draw::draw(&strips, language))?;
    out!("drawn: {}", program::shown(&out));
    Ok(ExitCode::SUCCESS)
}

/// A strip for each server of a file.
fn strips_of(file: &Path) -> Result<Vec<Strip>> {
    let text = super::read(file)?;
    let read = || -> Result<Vec<Strip>> {
        let trace = Trace::parse(&text)?;
        check_nesting(&trace)?;
        trace.servers().iter().map(Strip::new).collect()
    };
    read().with_context(|| file.display().to_string())
}
