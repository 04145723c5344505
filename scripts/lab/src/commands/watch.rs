//! `lab watch`: a server of ours, live on the projector.

use std::env;
use std::io::{IsTerminal, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use lab::language::Language;
use lab::program;
use lab::watch::app::App;
use lab::watch::options::{Approach, Options};
use lab::watch::picture;
use lab::watch::view::Look;
use lab::watch::words;
use ratatui::layout::Rect;

use super::{out, write};

/// The screen of a picture: columns and rows.
const PICTURE: (u16, u16) = (100, 24);

#[derive(Args)]
pub struct Arguments {
    /// The server to begin with
    #[arg(default_value = "threads")]
    approach: Approach,
    /// Plays four clients: a slow, a fast, a computing and a short one
    #[arg(long)]
    script: bool,
    /// The language; without it that of the locale
    #[arg(long)]
    language: Option<Language>,
    /// Draws one round of the script into a file instead of on the terminal
    #[arg(long, value_name = "FILE.svg", requires = "script")]
    picture: Option<PathBuf>,
    /// Panics after the first picture: a test looks at what is left then.
    #[arg(long, hide = true)]
    panic: bool,
    /// Options for the server
    #[arg(last = true, value_name = "SERVER OPTIONS")]
    server: Vec<String>,
}

/// The exit status of a command line, or a place, that it cannot take.
const USAGE: u8 = 2;

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let options = Options::new(arguments.approach, &arguments.server);
    let told = options.as_ref().ok().and_then(|it| it.language.as_deref());
    let language = arguments
        .language
        .or_else(|| Language::from_str(told?, false).ok())
        .unwrap_or_else(words::language_of_locale);
    let options = match options {
        Ok(options) => options,
        Err(error) => {
            eprintln!("lab watch: {error}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let is_dumb = env::var("TERM").is_ok_and(|term| term == "dumb");
    let is_terminal =
        stdin().is_terminal() && stdout().is_terminal() && !is_dumb;
    if arguments.picture.is_none() && !is_terminal {
        let why = words::word(language, "watch.no_terminal");
        eprintln!("lab watch: {why}");
        return Ok(ExitCode::from(USAGE));
    }
    let look = Look {
        language,
        // no-color.org: present and not empty.
        colour: env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
        utf8: arguments.picture.is_some() || words::is_utf8(),
    };
    out!("{}", words::word(language, "watch.building"));
    let packages = Approach::ALL.map(Approach::program);
    let programs = program::build(&packages)?;
    let mut app = App::new(look, options, programs, arguments.script)?;
    match &arguments.picture {
        Some(file) => draw(&mut app, file, language)?,
        None => app.show(arguments.panic)?,
    }
    let (summaries, failure) = app.end();
    for summary in summaries {
        out!("{summary}");
    }
    Ok(match failure {
        Some((why, status)) => {
            eprintln!("lab watch: {why}");
            ExitCode::from(status)
        }
        None => ExitCode::SUCCESS,
    })
}

fn draw(app: &mut App, file: &Path, language: Language) -> Result<()> {
    let (columns, rows) = PICTURE;
    let buffer = app.one_round(Rect::new(0, 0, columns, rows))?;
    let title = words::word(language, "watch.title");
    write(file, &picture::svg(&buffer, &title))?;
    out!("{}", file.display());
    Ok(())
}
