//! Checks annotated sources: `annotate FILE…` prints what breaks a rule, and
//! `annotate --share FILE…` how much of each file is comment.

use std::process::ExitCode;
use std::{env, fs};

use annotate::rules::{EXEMPTIONS, banners_of, check, exempt, share};
use annotate::source::Source;

fn main() -> ExitCode {
    let mut files: Vec<String> = env::args().skip(1).collect();
    let shares = files.first().is_some_and(|word| word == "--share");
    if shares {
        files.remove(0);
        println!("| file | code | comments | share |\n|---|---|---|---|");
    }
    if files.is_empty() || files.iter().any(|file| file.starts_with('-')) {
        eprintln!("usage: annotate [--share] FILE…");
        return ExitCode::from(2);
    }
    let mut found = false;
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string());
        let read = text.and_then(|text| {
            Source::read(&text).map_err(|error| error.to_string())
        });
        let source = match read {
            Ok(source) => source,
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::from(2);
            }
        };
        if shares {
            let share = share(&source);
            let (code, comments) = (share.code, share.comments);
            let percent = 100 * comments / (code + comments).max(1);
            println!("| `{file}` | {code} | {comments} | {percent} % |");
            continue;
        }
        let findings = check(&file, &source, banners_of(&file));
        let own = EXEMPTIONS.iter().filter(|entry| entry.file == file);
        let own: Vec<_> = own.copied().collect();
        let line_of = |finding: &annotate::rules::Finding| {
            source.lines[finding.line - 1].text.clone()
        };
        for finding in exempt(findings, &own, line_of) {
            found = true;
            println!("{finding}");
        }
    }
    ExitCode::from(u8::from(found))
}
