//! HTML: how a template is filled and a page is parsed, and whether the pages
//! of the sources say what the sources say.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use handlebars::Handlebars;
use scraper::{ElementRef, Html, Selector};
use serde::Serialize;

use crate::annotated::escape;
use crate::build::files;
use crate::check::Book;
use crate::directives::annotated_files;
use crate::words::Language;

/// Each line of each annotated file is on its page, once, and the page says
/// nothing else than the file.
///
/// # Errors
///
/// When a line is missing, or a page says something else than its file.
pub fn every_line_once(book: &Book) -> Result<()> {
    let mut wrong = Vec::new();
    let mut pages = 0;
    let chapters = book.root.join("docs/src");
    for chapter in files(&chapters, &["md"])? {
        let text = fs::read_to_string(&chapter)?;
        for file in annotated_files(&text) {
            let source = fs::read_to_string(book.root.join(&file))?;
            let page = chapter.strip_prefix(&chapters)?.with_extension("html");
            for language in Language::ALL {
                let folder = book.output.join(language.pick("", "es"));
                let html = parse(&folder.join(&page))?;
                let translated = language == Language::Spanish;
                for what in compare(&html, &source, translated) {
                    wrong.push(format!("{file} ({}): {what}", language.name()));
                }
                pages += 1;
            }
        }
    }
    ensure!(pages > 0, "there is no annotated page");
    let count = wrong.len();
    wrong.truncate(30);
    ensure!(count == 0, "{}\n{count} in all", wrong.join("\n"));
    Ok(())
}

/// Compares a page with its file; returns what is wrong.
fn compare(page: &Html, source: &str, translated: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let with_id = selector("main [id^=L]");
    let mut left: HashSet<&str> =
        page.select(&with_id).filter_map(|it| it.attr("id")).collect();
    let mut codes = HashMap::new();
    let inside = selector("code");
    for line in page.select(&selector("main .line[id]")) {
        let code: String =
            line.select(&inside).flat_map(|code| code.text()).collect();
        codes.insert(line.attr("id").unwrap_or_default().to_owned(), code);
    }
    for (number, line) in (1..).zip(source.lines()) {
        let id = format!("L{number}");
        if !left.remove(id.as_str()) {
            wrong.push(format!("line {number} is missing"));
        }
        if let Some(code) = codes.get(&id) {
            let rest = line.strip_prefix(code.as_str()).map(str::trim);
            let is_said = rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(['/', '#'])
            });
            if !is_said {
                wrong.push(format!("line {number} has changed: {code}"));
            }
        }
    }
    left.retain(|id| id[1..].parse::<usize>().is_ok());
    wrong.extend(left.iter().map(|id| format!("{id} is no line of the file")));
    if !translated {
        let said = page
            .select(&selector(
                ".annotated :is(.banner, .note), .annotated .line code",
            ))
            .map(|element| without_numbers(&element))
            .collect::<Vec<_>>()
            .join(" ");
        let (mut said, mut written) = (words(&said), words(source));
        said.sort_unstable();
        written.sort_unstable();
        let differs = |(said, written): &(&&str, &&str)| said != written;
        if let Some((a, b)) = said.iter().zip(&written).find(differs) {
            wrong
                .push(format!("about {a} or {b} the page says something else"));
        } else if said.len() != written.len() {
            wrong.push("the page says less than the file, or more".into());
        }
    }
    wrong
}

/// The text of a note, without the numbers of lines.
fn without_numbers(element: &ElementRef) -> String {
    let mut text: String = element.text().collect::<Vec<_>>().join("");
    for trailing in element.select(&selector(".trailing")) {
        if let Some(number) = trailing.text().next() {
            text = text.replacen(number.trim(), "", 1);
        }
    }
    text
}

fn words(text: &str) -> Vec<&str> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Fills a template; what stands between two braces is escaped.
///
/// # Errors
///
/// When the data lacks what the template shows.
pub fn render(template: &str, data: &impl Serialize) -> Result<String> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(escape);
    let text = engine.render_template(template, data)?;
    Ok(text.trim_end().to_owned())
}

/// A page, parsed.
///
/// # Errors
///
/// When there is no such page.
pub fn parse(path: &Path) -> Result<Html> {
    let text =
        fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(Html::parse_document(&text))
}

/// A selector of this program.
pub fn selector(text: &str) -> Selector {
    Selector::parse(text).expect("a selector that is written here")
}
