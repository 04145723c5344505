//! The directives of the chapters, such as `{{#step FILE 3}}`: what each
//! becomes, in both languages.
//!
//! A directive stands alone on its line, between blank ones. What it becomes
//! leaves the paragraphs around it as they are, for they are translated
//! afterwards.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use annotate::project;
use annotate::source::Source;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use mdbook_preprocessor::book::Book;
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};

use crate::annotated::{self, Column, escape};
use crate::compare::Comparison;
use crate::glossary;
use crate::verdicts::Evaluation;
use crate::words::{ANSWER, Language, MINUTE, MINUTES, QUESTION, TEACHER};

/// Expands the directives of a book.
pub struct Expand {
    /// The root of the repository.
    pub root: PathBuf,
}

impl Preprocessor for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn run(&self, ctx: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let mut pages = HashMap::new();
        for chapter in book.chapters() {
            for file in annotated_files(&chapter.content) {
                let page = chapter.path.clone().unwrap_or_default();
                let before = pages.insert(file.clone(), page);
                ensure!(before.is_none(), "{file} has two annotated pages");
            }
        }
        let language = Language::of(ctx.config.book.language.as_deref());
        let context = Context { root: &self.root, language, pages };
        let mut result = Ok(());
        book.for_each_chapter_mut(|chapter| {
            if result.is_ok() {
                let path = chapter.path.clone().unwrap_or_default();
                result = context
                    .expand(&path, &chapter.content)
                    .map(|expanded| chapter.content = expanded);
            }
        });
        result.map(|()| book)
    }
}

/// The files whose annotated pages a chapter has.
pub fn annotated_files(content: &str) -> impl Iterator<Item = String> {
    content.lines().filter_map(|line| {
        let file = line.trim().strip_prefix("{{#annotated ")?;
        Some(file.strip_suffix("}}")?.trim().to_owned())
    })
}

/// What the directives of all chapters need.
pub struct Context<'a> {
    /// The root of the repository.
    pub root: &'a Path,
    /// The language of the book.
    pub language: Language,
    /// The page of each annotated file.
    pub pages: HashMap<String, PathBuf>,
}

/// The part of a chapter that has begun and not ended.
enum Open {
    Teacher,
    Question,
    Answer,
}

impl Context<'_> {
    /// Expands all directives of a chapter.
    ///
    /// # Errors
    ///
    /// When a directive is unknown, or lacks what it shows.
    pub fn expand(&self, page: &Path, content: &str) -> Result<String> {
        let mut out = String::new();
        let mut open = Vec::new();
        let mut fence = None;
        let mut level = 1;
        let mut ids = HashSet::new();
        let lines: Vec<&str> = content.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let place = || format!("{}:{}", page.display(), index + 1);
            if let Some(mark) = fence_of(line) {
                match fence {
                    None => fence = Some(mark),
                    Some(open) if line.trim() == open => fence = None,
                    Some(_) => {}
                }
            } else if fence.is_none() {
                if let Some(words) = directive(line) {
                    let is_blank = |index: Option<usize>| {
                        let line = index.and_then(|index| lines.get(index));
                        line.is_none_or(|line| line.trim().is_empty())
                    };
                    let alone = is_blank(index.checked_sub(1))
                        && is_blank(Some(index + 1));
                    ensure!(
                        alone,
                        "{}: a directive needs blank lines around it",
                        place()
                    );
                    out += &self
                        .become_html(page, &words, level, &lines, &mut open)
                        .with_context(place)?;
                    out.push('\n');
                    continue;
                }
                ensure!(
                    !without_code(line).contains("{{#"),
                    "{}: a directive must be alone on its line",
                    place()
                );
                if let Some((depth, text)) = heading(line) {
                    level = depth;
                    out += &with_id(line, text, &mut ids);
                    out.push('\n');
                    continue;
                }
            }
            out += line;
            out.push('\n');
        }
        ensure!(
            open.is_empty(),
            "{}: {{{{#end}}}} is missing at the end",
            page.display()
        );
        Ok(out)
    }

    /// What one directive becomes. `level` is that of the heading above it,
    /// `lines` are the whole chapter.
    fn become_html(
        &self,
        page: &Path,
        words: &[&str],
        level: usize,
        lines: &[&str],
        open: &mut Vec<Open>,
    ) -> Result<String> {
        let language = self.language;
        Ok(match words {
            ["annotated", file] => {
                annotated::page(&self.source(file)?, language)?
            }
            ["step", file, number] => {
                let url = self.url(page, file)?;
                let source = self.source(file)?;
                // A step that has a directive of its own is not shown twice.
                let apart: Vec<&str> = lines
                    .iter()
                    .filter_map(|line| match directive(line)?[..] {
                        ["step", other, part] if other == *file => Some(part),
                        _ => None,
                    })
                    .collect();
                annotated::step(&source, number, level + 1, &url, &apart)?
            }
            ["side-by-side", words @ ..] => {
                let columns = self.columns(page, words)?;
                ensure!(columns.len() > 1, "one file has nothing beside it");
                annotated::side_by_side(&columns)?
            }
            ["verdicts", approach] => {
                Evaluation::read(self.root)?.table(approach, language)?
            }
            ["claim", id] => {
                Evaluation::read(self.root)?.claim(id, language)?
            }
            ["compare", "machine"] => Comparison::read(self.root)?.machine(),
            ["compare", kind, count] => {
                let count = count.parse().context("how many clients?")?;
                Comparison::read(self.root)?.table(kind, count, language)?
            }
            ["transcript", name] => self.transcript(name)?,
            ["glossary"] => glossary::list(self.root, language)?,
            ["minutes", number] => {
                let count: u32 = number.parse().context("how many minutes?")?;
                let word = if count == 1 { MINUTE } else { MINUTES };
                let word = language.word(word);
                format!("<p class=\"minutes\">{count} {word}</p>")
            }
            ["sheet"] => "<div class=\"sheet\"></div>".to_owned(),
            ["teacher"] => {
                ensure!(open.is_empty(), "a note within another");
                open.push(Open::Teacher);
                details("teacher", language.word(TEACHER))
            }
            ["question"] => {
                ensure!(open.is_empty(), "a question within a note");
                open.push(Open::Question);
                format!(
                    "<div class=\"question\">\n<p class=\"label\">{}</p>",
                    language.word(QUESTION)
                )
            }
            ["answer"] => {
                let question = matches!(open.pop(), Some(Open::Question));
                ensure!(question, "an answer without a question");
                open.push(Open::Answer);
                details("answer", language.word(ANSWER))
            }
            ["end"] => match open.pop() {
                Some(Open::Teacher) => "</details>".into(),
                Some(Open::Answer) => "</details>\n</div>".into(),
                Some(Open::Question) => bail!("a question without an answer"),
                None => bail!("nothing has begun that could end"),
            },
            _ => bail!("unknown directive {}", words.join(" ")),
        })
    }

    fn source(&self, file: &str) -> Result<Source> {
        project::read(self.root, file)?
            .map_err(|finding| anyhow!("{file}: {}", finding.message))
    }

    /// The files of a directive that puts them beside each other: after each
    /// number the files whose steps it is.
    fn columns(&self, page: &Path, words: &[&str]) -> Result<Vec<Column>> {
        let mut columns = Vec::new();
        let mut number = None;
        for word in words {
            if word.starts_with(|first: char| first.is_ascii_digit()) {
                number = Some(*word);
            } else {
                let number = number.context("which step of the file?")?;
                columns.push(Column {
                    number: number.to_owned(),
                    source: self.source(word)?,
                    url: self.url(page, word)?,
                });
            }
        }
        Ok(columns)
    }

    /// The page of an annotated file, seen from another page.
    fn url(&self, from: &Path, file: &str) -> Result<String> {
        let page = self.pages.get(file);
        let page =
            page.with_context(|| format!("{file} has no annotated page"))?;
        let up = "../".repeat(from.components().count().saturating_sub(1));
        Ok(format!("{up}{}", page.with_extension("html").display()))
    }

    /// A terminal session as it was recorded.
    fn transcript(&self, name: &str) -> Result<String> {
        let folder = self.root.join("docs/transcripts");
        let spanish = folder.join(format!("{name}.es.out"));
        let is_spanish = self.language == Language::Spanish && spanish.exists();
        let english = folder.join(format!("{name}.out"));
        let path = if is_spanish { spanish } else { english };
        let text = fs::read_to_string(path)
            .with_context(|| format!("docs/transcripts/{name}.out"))?;
        ensure!(!text.trim().is_empty(), "transcript {name} is empty");
        Ok(format!(
            "<pre class=\"transcript\"><code \
             class=\"language-console\">{}</code></pre>",
            escape(text.trim_end())
        ))
    }
}

/// The words of a directive, if a line is one. Those of mdBook's own are gone
/// by now.
fn directive(line: &str) -> Option<Vec<&str>> {
    let words = line.strip_prefix("{{#")?.trim_end().strip_suffix("}}")?;
    Some(words.split_whitespace().collect())
}

/// What opens or closes a block of code.
fn fence_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|mark| "`~".contains(*mark))?;
    let length = line.len() - line.trim_start_matches(mark).len();
    (length >= 3).then(|| &line[..length])
}

/// A line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The level and the text of a heading, if a line is one.
fn heading(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    ((1..=6).contains(&level) && text.starts_with(' '))
        .then(|| (level, text.trim()))
}

/// A heading with an id of its own, the one that mdBook would give it: a
/// heading without one would change its id in translation.
fn with_id(line: &str, text: &str, ids: &mut HashSet<String>) -> String {
    if text.ends_with('}') && text.contains("{#") {
        return line.to_owned();
    }
    let base: String = text
        .to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            letter if letter.is_alphanumeric() => Some(letter),
            '_' | '-' => Some(letter),
            letter if letter.is_whitespace() => Some('-'),
            _ => None,
        })
        .collect();
    let mut id = base.clone();
    for number in 1.. {
        if ids.insert(id.clone()) {
            break;
        }
        id = format!("{base}-{number}");
    }
    format!("{} {{#{id}}}", line.trim_end())
}

fn details(class: &str, summary: &str) -> String {
    format!("<details class=\"{class}\">\n<summary>{summary}</summary>")
}
