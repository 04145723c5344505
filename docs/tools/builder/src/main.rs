//! Builds the book of this repository, and checks it.

use std::env;
use std::path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use check::Book;

mod annotated;
mod build;
mod check;
mod compare;
mod directives;
mod extent;
mod glossary;
mod html;
mod results;
mod search;
mod self_test;
mod slides;
#[cfg(test)]
mod tests;
mod translation;
mod verdicts;
mod words;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("book: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let root = annotate::project::root();
    let output = root.join("target/book");
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["build"] => build::both(&root, &output),
        ["messages", folder] => {
            let file = build::messages(&root, &path::absolute(folder)?)?;
            println!("{}", file.display());
            Ok(())
        }
        ["check"] => check::run(&Book { root, output }, check::ALL),
        ["check", "--self-test"] => self_test::run(&root, ""),
        ["check", "--self-test", part] => self_test::run(&root, part),
        ["check", name] => check::run(&Book { root, output }, &[name]),
        _ => bail!(
            "usage: book build | messages FOLDER | check [NAME | --self-test]"
        ),
    }
}
