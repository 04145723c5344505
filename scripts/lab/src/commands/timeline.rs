//! `lab timeline`: what each server does with the same clients, as a picture.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use lab::catalogue::Catalogue;
use lab::claims::Language;
use lab::program;
use lab::timeline::trace::Trace;
use lab::timeline::{Strip, check_nesting, draw, script};

use super::out;

#[derive(Args)]
pub struct Arguments {
    /// Traces to draw, one server each; without any the four servers are run
    files: Vec<PathBuf>,
    /// Where the picture goes
    #[arg(long, value_name = "FILE.svg")]
    out: Option<PathBuf>,
    /// The language of the picture
    #[arg(long, default_value = "en")]
    language: LanguageArgument,
}

#[derive(Clone, Copy, ValueEnum)]
enum LanguageArgument {
    En,
    Es,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let language = match arguments.language {
        LanguageArgument::En => Language::English,
        LanguageArgument::Es => Language::Spanish,
    };
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
    let strips = files
        .iter()
        .map(|file| strip(file))
        .collect::<Result<Vec<_>>>()?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => directory.join(language.file("timeline", "svg")),
    };
    fs::write(&out, draw::draw(&strips, language))
        .with_context(|| format!("writing {}", out.display()))?;
    out!("drawn: {}", program::shown(&out));
    Ok(ExitCode::SUCCESS)
}

fn strip(file: &Path) -> Result<Strip> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("reading {}", file.display()))?;
    let read = || -> Result<Strip> {
        let trace = Trace::parse(&text)?;
        check_nesting(&trace)?;
        Strip::new(&trace)
    };
    read().with_context(|| file.display().to_string())
}
