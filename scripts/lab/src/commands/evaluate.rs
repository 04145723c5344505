//! `lab evaluate`: the claims of the course, tested on this machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use lab::claims;
use lab::evaluate::{self, Effort, Evaluation, page, pictures};
use lab::header::Header;
use lab::language::Language;
use lab::machine::Machine;
use lab::{program, table};
use nix::sys::resource::{Resource, setrlimit};

use super::progress::measured;
use super::{directory, out, read_json, status, write_json};

#[derive(Args)]
pub struct Arguments {
    /// Claims to test, T1 to T6, P1 to P6, M1 to M6; all without any
    #[arg(value_name = "CLAIM")]
    claims: Vec<String>,
    /// Fewer and shorter samples: at most a minute and a half
    #[arg(long)]
    quick: bool,
    /// Where evaluation.json, claims.json, the pages and the pictures go
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
    /// Measures nothing: judges, draws and writes again what this file holds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "claims"])]
    draw: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let directory = directory(arguments.out.as_deref(), "evaluation")?;
    let evaluation = match &arguments.draw {
        Some(file) => {
            let mut evaluation: Evaluation = read_json(file)?;
            evaluation.verdicts = evaluation.judged_anew();
            evaluation
        }
        None => measure(arguments)?,
    };
    write(&evaluation, &directory)?;
    print(&evaluation)?;
    out!("all of it: {}", program::shown(&directory));
    Ok(status(evaluation.header.complete))
}

fn measure(arguments: &Arguments) -> Result<Evaluation> {
    let claims = claims::select(&arguments.claims)?;
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    // P2 makes servers crash, and their memory is of no use: no core dumps.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("no core dumps")?;
    let estimate = evaluate::estimate(&claims, &effort);
    measured(estimate, |catalogue, live, progress| {
        Ok(evaluate::run(catalogue, &claims, &effort, live, progress))
    })
}

fn write(evaluation: &Evaluation, directory: &Path) -> Result<()> {
    write_json(&directory.join("evaluation.json"), evaluation)?;
    let sentences = page::sentences(evaluation)?;
    write_json(&directory.join("claims.json"), &sentences)?;
    for language in Language::ALL {
        let file = directory.join(language.file("evaluation", "md"));
        super::write(&file, &page::write(evaluation, language)?)?;
    }
    pictures::draw(evaluation, directory)
}

fn print(evaluation: &Evaluation) -> Result<()> {
    let Header { machine, seconds, complete, .. } = &evaluation.header;
    let Machine { cpu, processors, system, kernel, .. } = machine;
    let early = if *complete {
        ""
    } else {
        "; stopped early: what is missing was not finished"
    };
    out!(
        "{cpu}, {processors} processors, {system}, Linux {kernel}; \
         {seconds:.0} s{early}\n"
    );
    let rows: Vec<Vec<String>> = page::tell(evaluation, Language::English)?
        .into_iter()
        .map(|it| {
            let claim = format!("{}.", it.claim);
            vec![it.id.to_owned(), claim, it.said, it.spread, it.figure]
        })
        .collect();
    let heading = ["", "<claim", "<verdict", "spread", "<figure"];
    out!("{}", table::layout(&heading, &rows).trim_end());
    Ok(())
}
