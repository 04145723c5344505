//! Annotated source: the comment on the left, the code that it explains on the
//! right.
//!
//! What is made here is Markdown within raw HTML: the comments stay paragraphs,
//! so that they are translated like any other; the code is HTML that nobody
//! touches. Each line of the file has an anchor of its own, `L12`, in exactly
//! one place.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use annotate::source::{Block, LineKind, Source};
use anyhow::{Result, bail, ensure};

use crate::words::{Language, Word};

/// Where the lines' numbers lead.
#[derive(Clone, Copy)]
pub enum Lines<'a> {
    /// To themselves: this is the page of the file.
    Here,
    /// To the page of the file, of this address.
    There(&'a str),
}

/// The page of a file: all of it.
///
/// # Errors
///
/// Where a line of the file is missing, or appears twice.
pub fn page(source: &Source, language: Language) -> Result<String> {
    let level = 2 - lowest_level(&source.blocks);
    let mut writer = Writer::new(source, Lines::Here, level);
    let tests = |one: &Block, next: &Block| one.test && next.test;
    for blocks in source.blocks.chunk_by(tests) {
        if blocks[0].test {
            writer.tests(blocks, language);
        } else {
            writer.row(&blocks[0])?;
        }
    }
    must_be_complete(&source.path, source.lines.len(), writer.seen)?;
    Ok(format!("<div class=\"annotated\">\n\n{}</div>", writer.out))
}

/// The part of a file that one banner begins, with headings of this level. It
/// ends before the banners of these numbers, which have their own place.
///
/// # Errors
///
/// Where the file has no such banner.
pub fn step(
    source: &Source,
    number: &str,
    heading: usize,
    url: &str,
    apart: &[&str],
) -> Result<String> {
    let mut blocks = step_blocks(source, number)?;
    let is_apart = |block: &Block| {
        let banner = block.banner();
        banner.is_some_and(|banner| apart.contains(&banner.number.as_str()))
    };
    if let Some(end) = blocks[1..].iter().position(is_apart) {
        blocks = &blocks[..=end];
    }
    let level = heading.cast_signed() - lowest_level(blocks);
    let mut writer = Writer::new(source, Lines::There(url), level);
    for block in blocks {
        writer.row(block)?;
    }
    Ok(format!(
        "<div class=\"annotated excerpt\">\n\n{}\
         <p class=\"source\"><a href=\"{url}#{}\">{}</a></p>\n\n</div>",
        writer.out,
        step_id(number),
        source.path,
    ))
}

/// The code of one step in several files, one beside the other; what stands
/// in one of them only is marked.
///
/// # Errors
///
/// Where a file has no such banner.
pub fn side_by_side(
    number: &str,
    files: &[(Source, String)],
) -> Result<String> {
    let text = |source: &Source, line: usize| {
        let line = source.line(line).map_or("", |line| &line.text);
        line.trim().to_owned()
    };
    let mut columns = Vec::new();
    for (source, url) in files {
        let blocks = step_blocks(source, number)?;
        let lines = blocks
            .iter()
            .flat_map(|block| {
                block.head_lines.clone().chain(block.code_lines.clone())
            })
            .filter(|line| !text(source, *line).is_empty())
            .collect::<Vec<_>>();
        columns.push((source, url, lines));
    }
    let texts: Vec<Vec<String>> = columns
        .iter()
        .map(|(source, _, lines)| {
            lines.iter().map(|line| text(source, *line)).collect()
        })
        .collect();
    // Two languages have nothing in common that would be worth a mark.
    let language = files.first().map_or("", |(source, _)| language_of(source));
    let is_one = files
        .iter()
        .all(|(other, _)| language_of(other) == language);
    let is_common = |text: &String| {
        !is_one || texts.iter().all(|column| column.contains(text))
    };
    let mut out = format!(
        "<div class=\"side-by-side\" style=\"--columns:{}\">\n",
        columns.len()
    );
    for (source, url, lines) in &columns {
        let _ = writeln!(
            out,
            "<div class=\"column\">\n<p class=\"source\"><a href=\"{url}#{}\">\
             {}</a></p>\n<div class=\"code\">",
            step_id(number),
            source.path
        );
        let least = least_indent(source, lines);
        for line in lines {
            let (code, _) = code_and_comment(source, *line)?;
            let code = code.get(least..).unwrap_or("");
            let common = is_common(&text(source, *line));
            let class = if common { "line" } else { "line only" };
            let number = format!(
                "<a href=\"{url}#L{line}\" tabindex=\"-1\" \
                 aria-hidden=\"true\">{line}</a>"
            );
            out += &code_line(class, "", &number, code, language_of(source));
        }
        out += "</div>\n</div>\n";
    }
    Ok(out + "</div>")
}

/// The anchor of a banner: `step-4-1` for 4.1.
#[must_use]
pub fn step_id(number: &str) -> String {
    format!("step-{}", number.replace('.', "-"))
}

/// `&`, `<` and `>` as HTML has them.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn step_blocks<'a>(source: &'a Source, number: &str) -> Result<&'a [Block]> {
    let begins = |block: &Block| {
        block.banner().is_some_and(|banner| banner.number == number)
    };
    let Some(start) = source.blocks.iter().position(begins) else {
        let numbers: Vec<&str> = source
            .banners()
            .map(|(_, banner)| banner.number.as_str())
            .collect();
        bail!(
            "{} has no step {number}; it has: {}",
            source.path,
            numbers.join(", ")
        );
    };
    let level = number.split('.').count();
    let ends = |block: &Block| {
        block.test || block.banner().is_some_and(|next| next.level() <= level)
    };
    let rest = &source.blocks[start + 1..];
    let length = rest.iter().position(ends).unwrap_or(rest.len());
    Ok(&source.blocks[start..=start + length])
}

/// The level of the banners that are not below any other.
fn lowest_level(blocks: &[Block]) -> isize {
    let levels = blocks.iter().filter_map(Block::banner);
    levels.map(|b| b.level().cast_signed()).min().unwrap_or(1)
}

/// Fails unless each line was seen once.
fn must_be_complete(
    path: &str,
    count: usize,
    mut seen: Vec<usize>,
) -> Result<()> {
    seen.sort_unstable();
    for (index, line) in seen.iter().enumerate() {
        ensure!(*line > index, "{path}:{line} is twice on its page");
        ensure!(*line == index + 1, "{path}:{} is on no page", index + 1);
    }
    ensure!(
        seen.len() == count,
        "{path}:{} is on no page",
        seen.len() + 1
    );
    Ok(())
}

fn language_of(source: &Source) -> &'static str {
    let extension = Path::new(&source.path).extension();
    if extension.is_some_and(|extension| extension == "py") {
        "python"
    } else {
        "rust"
    }
}

/// How many spaces all of these lines begin with.
fn least_indent(source: &Source, lines: &[usize]) -> usize {
    lines
        .iter()
        .filter_map(|line| source.line(*line))
        .filter(|line| !line.text.trim().is_empty())
        .map(|line| indent(&line.text))
        .min()
        .unwrap_or(0)
}

fn indent(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}

/// A line without its end; if there is a comment after its code, that apart.
fn code_and_comment(
    source: &Source,
    number: usize,
) -> Result<(&str, Option<&str>)> {
    let Some(line) = source.line(number) else {
        bail!("{} has no line {number}", source.path);
    };
    let text = line.text.trim_end();
    let (LineKind::Code, Some(comment)) = (line.kind, &line.comment) else {
        return Ok((text, None));
    };
    let mark = if language_of(source) == "python" {
        "#"
    } else {
        "//"
    };
    let code = text
        .strip_suffix(comment.trim_end())
        .and_then(|rest| rest.trim_end().strip_suffix(mark));
    let Some(code) = code else {
        bail!("{}:{number}: a comment within code", source.path);
    };
    Ok((code.trim_end(), Some(comment)))
}

/// One line of code; long ones are wrapped, two columns further in than they
/// begin.
fn code_line(
    class: &str,
    id: &str,
    number: &str,
    code: &str,
    language: &str,
) -> String {
    let text = escape(code);
    let hang = indent(code) + 2;
    format!(
        "<span class=\"{class}\"{id} style=\"--hang:{hang}\">{number}\
         <code class=\"language-{language} noplayground\">{text}</code>\
         </span>\n"
    )
}

/// A comment as Markdown that means what the comment says.
fn markdown(note: &str) -> String {
    let mut out = String::new();
    for line in note.lines() {
        // A heading of the documentation is none of the page.
        let heading = line.trim_start_matches('#');
        if heading.len() < line.len() && heading.starts_with(' ') {
            let _ = writeln!(out, "**{}**", heading.trim());
            continue;
        }
        // What is not code is not HTML either.
        for (index, part) in line.split('`').enumerate() {
            if index > 0 {
                out.push('`');
            }
            if index % 2 == 0 {
                out += &part.replace('<', "\\<");
            } else {
                out += part;
            }
        }
        out.push('\n');
    }
    out
}

struct Writer<'a> {
    source: &'a Source,
    lines: Lines<'a>,
    /// What a banner's level is raised by to be a heading's.
    level: isize,
    /// The numbers of the lines written so far.
    seen: Vec<usize>,
    out: String,
}

impl<'a> Writer<'a> {
    fn new(source: &'a Source, lines: Lines<'a>, level: isize) -> Self {
        Self {
            source,
            lines,
            level,
            seen: Vec::new(),
            out: String::new(),
        }
    }

    /// A comment and its code, below its banner if it has one.
    fn row(&mut self, block: &Block) -> Result<()> {
        let mut note_lines = block.note_lines.clone();
        if let Some(banner) = block.banner() {
            let level = banner.level().cast_signed() + self.level;
            let marks = "#".repeat(level.clamp(1, 6).unsigned_abs());
            let dot = if banner.level() == 1 { "." } else { "" };
            let step = step_id(&banner.number);
            let id = match self.lines {
                Lines::Here => step,
                // A page can have the same step of several files.
                Lines::There(_) => {
                    let path = &self.source.path;
                    format!("{}-{step}", path.replace(['/', '.'], "-"))
                }
            };
            let anchor = self.anchors(note_lines.start..note_lines.start + 1);
            note_lines.start += 1;
            let _ = write!(
                self.out,
                "<div class=\"banner\">{anchor}\n\n\
                 {marks} {}{dot} {} {{#{id}}}\n\n</div>\n\n",
                banner.number, banner.title,
            );
        }
        let code: Vec<usize> = block
            .head_lines
            .clone()
            .chain(block.code_lines.clone())
            .collect();
        let is_blank = |line: &&usize| {
            let line = self.source.line(**line);
            line.is_none_or(|line| line.text.trim().is_empty())
        };
        let blank = code.iter().rev().take_while(is_blank).count();
        let (code, blank) = code.split_at(code.len() - blank);
        let class = if code.is_empty() { "row wide" } else { "row" };
        let anchors = self.anchors(note_lines);
        let _ = write!(
            self.out,
            "<div class=\"{class}\">\n<div class=\"note\">{anchors}\n\n"
        );
        let note = markdown(block.note());
        if !note.is_empty() {
            let _ = writeln!(self.out, "{note}");
        }
        let mut lines = String::new();
        for number in code {
            let (text, comment) = code_and_comment(self.source, *number)?;
            if let Some(comment) = comment {
                let _ = write!(
                    self.out,
                    "<div class=\"trailing\">{number}\n\n{}\n</div>\n\n",
                    markdown(comment)
                );
            }
            lines += &self.code_line(*number, text);
        }
        self.out += "</div>\n";
        if !code.is_empty() {
            let dedent = least_indent(self.source, code);
            let _ = writeln!(
                self.out,
                "<div class=\"code\" style=\"--dedent:{dedent}\">\n{lines}\
                 </div>"
            );
        }
        let blank = blank.first().map_or(0..0, |first| {
            *first..blank.last().map_or(*first, |last| last + 1)
        });
        let anchors = self.anchors(blank);
        let _ = write!(self.out, "</div>{anchors}\n\n");
        Ok(())
    }

    /// Tests, which are folded and not explained.
    fn tests(&mut self, blocks: &[Block], language: Language) {
        let start = blocks.first().map_or(1, |block| block.lines().start);
        let end = blocks.last().map_or(1, |block| block.lines().end);
        let _ = write!(
            self.out,
            "<details class=\"tests\">\n<summary>{} {start} {} {}</summary>\n\
             <div class=\"code\">\n",
            language.word(Word::Tests),
            language.word(Word::To),
            end - 1
        );
        for number in start..end {
            let line = self.source.line(number);
            let text = line.map_or("", |line| line.text.trim_end());
            let line = self.code_line(number, text);
            self.out += &line;
        }
        self.out += "</div>\n</details>\n\n";
    }

    fn code_line(&mut self, number: usize, text: &str) -> String {
        self.seen.push(number);
        let (id, url) = match self.lines {
            Lines::Here => (format!(" id=\"L{number}\""), ""),
            Lines::There(url) => (String::new(), url),
        };
        let number = format!(
            "<a href=\"{url}#L{number}\" tabindex=\"-1\" \
             aria-hidden=\"true\">{number}</a>"
        );
        code_line("line", &id, &number, text, language_of(self.source))
    }

    /// Anchors of lines that are not shown as such.
    fn anchors(&mut self, lines: Range<usize>) -> String {
        let mut out = String::new();
        for number in lines {
            self.seen.push(number);
            if let Lines::Here = self.lines {
                let _ = write!(out, "<span id=\"L{number}\"></span>");
            }
        }
        out
    }
}
