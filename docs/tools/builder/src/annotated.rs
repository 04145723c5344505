//! Annotated source: the comment on the left, the code that it explains on the
//! right.
//!
//! The result is Markdown within raw HTML: the comments stay paragraphs, so
//! that they are translated like any other; the code is HTML, which the
//! translation does not change. Each line of the file has an anchor of its own,
//! `L12`, in exactly one place.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::{iter, mem};

use annotate::source::{Block, LineKind, Source};
use anyhow::{Context as _, Result};

use crate::extent::Extent;
use crate::words::{LINES, Language, TESTS, TO, Word};

/// The page of a file: all of it.
///
/// # Errors
///
/// Where a comment stands within code.
pub fn page(source: &Source, language: Language) -> Result<String> {
    let mut writer = Writer::new(source, None, 0);
    writer.level = 2 - lowest_level(&source.blocks);
    let parts = parts(source);
    let heights: Vec<usize> =
        parts.iter().map(|part| height(source, part)).collect();
    let is_long = heights.iter().sum::<usize>() > PAGE;
    let mut room = if is_long { UNFOLDED } else { usize::MAX };
    for (part, height) in parts.iter().zip(&heights) {
        if part[0].test {
            writer.tests(part, language);
            continue;
        }
        // From the first part that is too much on, all are folded.
        room = room.saturating_sub(*height);
        if room == 0 {
            writer.begin_part(part, language);
        }
        for block in *part {
            writer.row(block)?;
        }
        if room == 0 {
            writer.out += "</details>\n\n";
        }
    }
    Ok(format!("<div class=\"annotated\">\n\n{}</div>", writer.out))
}

/// How high a page of source may be, by our guess, with nothing folded: in
/// pixels, on a screen that is 1280 wide. `docs/tools/browser/check.mjs` sees
/// to it that none is really higher than 6000.
const PAGE: usize = 5000;

/// How much of a longer page is not folded, in pixels.
const UNFOLDED: usize = 3800;

/// The blocks of a file, put together to what folds as a whole: an item with
/// all that belongs to it, or the tests.
fn parts(source: &Source) -> Vec<&[Block]> {
    let begins_item = |block: &Block| {
        code_of(block).any(|line| {
            source
                .text(line..line + 1)
                .starts_with(|it: char| it.is_alphabetic() || it == '@')
        })
    };
    let is_one = |one: &Block, next: &Block| {
        one.test == next.test && (next.test || !begins_item(next))
    };
    source.blocks.chunk_by(is_one).collect()
}

/// The lines of code of a block.
fn code_of(block: &Block) -> impl Iterator<Item = usize> {
    block.head_lines.clone().chain(block.code_lines.clone())
}

/// How high these blocks will be, roughly, in pixels.
fn height(source: &Source, blocks: &[Block]) -> usize {
    // Folded.
    if blocks[0].test {
        return 60;
    }
    let row = |block: &Block| {
        let is_there = |line: &usize| source.kind(*line) != LineKind::Blank;
        let code = code_of(block).filter(is_there).count() * 20 + 12;
        // A line of a note has room for some forty letters.
        let paragraphs = block.note().split("\n\n");
        let note: usize =
            paragraphs.map(|text| (text.len() / 40 + 1) * 21 + 8).sum();
        let banner = if block.banner().is_some() { 70 } else { 0 };
        note.max(code) + banner + 12
    };
    blocks.iter().map(row).sum()
}

/// The part of a file that one banner begins, with headings of this level. It
/// is left out what has a place of its own on the page: the steps of these
/// numbers, and those within it that do not count on its number.
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
    let extent = Extent::of(source, number, |it| apart.contains(&it))?;
    let lines = extent.lines.clone().filter(|line| extent.shows(*line));
    let mut writer =
        Writer::new(source, Some(url), least_indent(source, lines));
    writer.level = heading.cast_signed() - extent.banner.level().cast_signed();
    writer.apart = apart;
    writer.extent = Some(&extent);
    for block in &source.blocks {
        writer.row(block)?;
    }
    writer.elided_row(extent.lines.end);
    Ok(format!(
        "<div class=\"annotated excerpt\">\n\n{}\
         <p class=\"source\"><a href=\"{url}#{}\">{}</a></p>\n\n</div>",
        writer.out,
        step_id(number),
        source.path,
    ))
}

/// A step of a file, beside others.
pub struct Column {
    /// The number of its banner.
    pub number: String,
    /// The file.
    pub source: Source,
    /// The page of the file.
    pub url: String,
}

/// The code of the same step in several files, one beside the other; what
/// stands in one of them only is marked.
///
/// # Errors
///
/// Where a file has no such banner.
pub fn side_by_side(columns: &[Column]) -> Result<String> {
    // Each step with the lines of its code, and what stands there.
    let mut steps = Vec::new();
    for Column { number, source, .. } in columns {
        let extent = Extent::of(source, number, |_| false)?;
        let is_shown = |line: &usize| {
            source.kind(*line) == LineKind::Code && extent.shows(*line)
        };
        let text = |line| source.text(line..line + 1).trim().to_owned();
        let shown = extent.lines.clone().filter(is_shown);
        let lines: Vec<(usize, String)> =
            shown.map(|line| (line, text(line))).collect();
        steps.push((extent, lines));
    }
    // Lines of two programming languages have too little in common to be
    // marked.
    let language =
        columns.first().map_or("", |column| language_of(&column.source));
    let is_one =
        columns.iter().all(|other| language_of(&other.source) == language);
    let is_common = |text: &String| {
        let stands = |lines: &[(usize, String)]| {
            lines.iter().any(|(_, other)| other == text)
        };
        !is_one || steps.iter().all(|(_, lines)| stands(lines))
    };
    let mut out = format!(
        "<div class=\"side-by-side\" style=\"--columns:{}\">\n",
        columns.len()
    );
    for (column, (extent, lines)) in columns.iter().zip(&steps) {
        let Column { number, source, url } = column;
        let _ = writeln!(
            out,
            "<div class=\"column\">\n<p class=\"source\"><a href=\"{url}#{}\">\
             {} {number}</a></p>\n<div class=\"code\">",
            step_id(number),
            source.path
        );
        let least = least_indent(source, lines.iter().map(|(line, _)| *line));
        let mut writer = Writer::new(source, Some(url), least);
        writer.extent = Some(extent);
        for (line, text) in lines {
            out += &writer.elided(*line);
            let (code, _) = code_and_comment(source, *line)?;
            let class = if is_common(text) { "line" } else { "line only" };
            out += &writer.code_line(class, *line, code);
        }
        out += &writer.elided(extent.lines.end);
        out += "</div>\n</div>\n";
    }
    Ok(out + "</div>")
}

/// The anchor of a banner: `step-4-1` for 4.1.
pub fn step_id(number: &str) -> String {
    format!("step-{}", number.replace('.', "-"))
}

/// `&`, `<` and `>` as HTML has them.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The anchor of a step that is shown on another page than the file's: a page
/// can have the same step of several files.
fn excerpt_id(source: &Source, number: &str) -> String {
    format!("{}-{}", source.path.replace(['/', '.'], "-"), step_id(number))
}

/// The level of the banners that are not below any other.
fn lowest_level(blocks: &[Block]) -> isize {
    let levels = blocks.iter().filter_map(Block::banner);
    levels.map(|b| b.level().cast_signed()).min().unwrap_or(1)
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
fn least_indent(source: &Source, lines: impl Iterator<Item = usize>) -> usize {
    let is_there = |line: &usize| !is_empty(source, *line);
    let lines = lines.filter(is_there);
    lines.map(|line| source.indent(line)).min().unwrap_or(0)
}

/// Whether nothing stands in a line, which may be in the midst of a literal.
fn is_empty(source: &Source, line: usize) -> bool {
    source.text(line..line + 1).trim().is_empty()
}

fn indent(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}

/// A line without its end; if there is a comment after its code, that apart.
fn code_and_comment(
    source: &Source,
    number: usize,
) -> Result<(&str, Option<&str>)> {
    let line = source.line(number);
    let line = line.with_context(|| format!("no line {number}"))?;
    let text = line.text.trim_end();
    let (LineKind::Code, Some(comment)) = (line.kind, &line.comment) else {
        return Ok((text, None));
    };
    let mark = if language_of(source) == "python" { "#" } else { "//" };
    let code = text
        .strip_suffix(comment.trim_end())
        .and_then(|rest| rest.trim_end().strip_suffix(mark))
        .with_context(|| {
            format!("{}:{number}: a comment within code", source.path)
        })?;
    Ok((code.trim_end(), Some(comment)))
}

/// A comment as Markdown that means what the comment says.
fn markdown(note: &str) -> String {
    let mut out = String::new();
    for line in note.lines() {
        // A heading of the documentation must not become a heading of the page.
        let heading = line.trim_start_matches('#');
        if heading.len() < line.len() && heading.starts_with(' ') {
            let _ = writeln!(out, "**{}**", heading.trim());
            continue;
        }
        // Outside of code, too, `<` is not the beginning of HTML.
        let parts = line.split('`').enumerate().map(|(index, part)| {
            if index % 2 == 0 { part.replace('<', "\\<") } else { part.into() }
        });
        out += &parts.collect::<Vec<String>>().join("`");
        out.push('\n');
    }
    out
}

/// The lines of a part that is folded, and the words that say which.
fn folded(
    blocks: &[Block],
    word: Word,
    language: Language,
) -> (Range<usize>, String) {
    let start = blocks[0].lines().start;
    let end = blocks[blocks.len() - 1].lines().end;
    let (word, to) = (language.word(word), language.word(TO));
    (start..end, format!("{word} {start} {to} {}", end - 1))
}

/// Writes lines of a file.
struct Writer<'a> {
    source: &'a Source,
    /// The page of the file, if this is not that page: the numbers of the lines
    /// lead there, and the lines have no anchors of their own.
    url: Option<&'a str>,
    /// How many blanks are taken from the beginning of each line.
    dedent: usize,
    /// What a banner's level is raised by to be a heading's.
    level: isize,
    /// The step, where no more than that is shown.
    extent: Option<&'a Extent<'a>>,
    /// The steps that have a place of their own on this page.
    apart: &'a [&'a str],
    /// Up to which line the steps that are left out have been named.
    elided: usize,
    out: String,
}

impl<'a> Writer<'a> {
    fn new(source: &'a Source, url: Option<&'a str>, dedent: usize) -> Self {
        let (level, extent, apart) = (0, None, &[][..]);
        let (elided, out) = (0, String::new());
        Self { source, url, dedent, level, extent, apart, elided, out }
    }

    /// The steps that are left out of an excerpt before this line, and have not
    /// been named yet, as one line with a link to each; nothing if there are
    /// none.
    fn elided(&mut self, line: usize) -> String {
        let lines = mem::replace(&mut self.elided, line)..line;
        let steps = self.extent.into_iter().flat_map(|extent| &extent.apart);
        let steps = steps.filter(|(_, range)| lines.contains(&range.start));
        let indents =
            steps.clone().map(|(_, range)| self.source.indent(range.start));
        let Some(depth) = indents.min() else {
            return String::new();
        };
        let depth = depth.saturating_sub(self.dedent);
        let links = steps.map(|(banner, _)| {
            let number = &banner.number;
            // Its place on this page, or in the file.
            let place = if self.apart.contains(&number.as_str()) {
                format!("#{}", excerpt_id(self.source, number))
            } else {
                let url = self.url.unwrap_or_default();
                format!("{url}#{}", step_id(number))
            };
            format!("<a href=\"{place}\">{number}</a>")
        });
        let links = links.collect::<Vec<_>>().join(", ");
        format!(
            "<span class=\"line elided\" style=\"--depth:{depth}\">… {links}\
             </span>\n"
        )
    }

    /// Adds these steps as a row without a comment.
    fn elided_row(&mut self, line: usize) {
        let text = self.elided(line);
        if !text.is_empty() {
            let _ = write!(
                self.out,
                "<div class=\"row\">\n<div class=\"note\"></div>\n\
                 <div class=\"code\">\n{text}</div>\n</div>\n\n"
            );
        }
    }

    /// A comment and its code, below its banner if it has one; of a step, what
    /// it shows of them.
    fn row(&mut self, block: &Block) -> Result<()> {
        let mut note_lines = block.note_lines.clone();
        let shows = |line| self.extent.is_none_or(|extent| extent.shows(line));
        let has_note = block.comment.is_some() && shows(note_lines.start);
        // What stands above a comment is shown with it only.
        let code: Vec<usize> = code_of(block)
            .filter(|line| has_note || *line >= note_lines.end)
            .filter(|line| shows(*line))
            .collect();
        let is_blank = |line: &&usize| is_empty(self.source, **line);
        let blank = code.iter().rev().take_while(is_blank).count();
        if self.extent.is_some() {
            if !has_note && blank == code.len() {
                return Ok(());
            }
            let first = if has_note { block.lines().start } else { code[0] };
            self.elided_row(first);
        }
        if let Some(banner) = block.banner().filter(|_| has_note) {
            let level = banner.level().cast_signed() + self.level;
            let marks = "#".repeat(level.clamp(1, 6).unsigned_abs());
            let dot = if banner.level() == 1 { "." } else { "" };
            let id = match self.url {
                None => step_id(&banner.number),
                Some(_) => excerpt_id(self.source, &banner.number),
            };
            let anchor = self.anchors(iter::once(note_lines.start));
            note_lines.start += 1;
            let _ = write!(
                self.out,
                "<div class=\"banner\">{anchor}\n\n\
                 {marks} {}{dot} {} {{#{id}}}\n\n</div>\n\n",
                banner.number, banner.title,
            );
        }
        let (code, blank) = code.split_at(code.len() - blank);
        let class = if code.is_empty() { "row wide" } else { "row" };
        let anchors = self.anchors(note_lines);
        let _ = write!(
            self.out,
            "<div class=\"{class}\">\n<div class=\"note\">{anchors}\n\n"
        );
        let note = markdown(block.note());
        if has_note && !note.is_empty() {
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
            lines += &self.code_line("line", *number, text);
        }
        self.out += "</div>\n";
        if !code.is_empty() {
            let dedent =
                least_indent(self.source, code.iter().copied()) - self.dedent;
            let _ = writeln!(
                self.out,
                "<div class=\"code\" style=\"--dedent:{dedent}\">\n{lines}\
                 </div>"
            );
        }
        let anchors = self.anchors(blank.iter().copied());
        let _ = write!(self.out, "</div>{anchors}\n\n");
        Ok(())
    }

    /// A part that is folded, named by its first line of code.
    fn begin_part(&mut self, blocks: &[Block], language: Language) {
        let (lines, words) = folded(blocks, LINES, language);
        let text = |line: usize| self.source.text(line..line + 1);
        let names = |line: &usize| {
            self.source.kind(*line) == LineKind::Code
                && text(*line).starts_with(char::is_alphabetic)
        };
        let name = text(lines.clone().find(names).unwrap_or(lines.start));
        let name = name.split(['(', '{', '=', ';', ':', '<']).next();
        let _ = write!(
            self.out,
            "<details class=\"part\">\n<summary>{words}: \
             <code class=\"nohighlight\">{}</code></summary>\n\n",
            escape(name.unwrap_or_default().trim())
        );
    }

    /// Tests, which are folded and not explained.
    fn tests(&mut self, blocks: &[Block], language: Language) {
        let (lines, words) = folded(blocks, TESTS, language);
        let _ = write!(
            self.out,
            "<details class=\"tests\">\n<summary>{words}</summary>\n\
             <div class=\"code\">\n"
        );
        for number in lines {
            let text = self.source.text(number..number + 1);
            self.out += &self.code_line("line", number, text.trim_end());
        }
        self.out += "</div>\n</details>\n\n";
    }

    /// One line of code, behind its number; long ones are wrapped, two columns
    /// further in than they begin.
    fn code_line(&self, class: &str, number: usize, text: &str) -> String {
        let id = match self.url {
            None => format!(" id=\"L{number}\""),
            Some(_) => String::new(),
        };
        let url = self.url.unwrap_or_default();
        let code = text.get(self.dedent..).unwrap_or_default();
        let hang = indent(code) + 2;
        let language = language_of(self.source);
        format!(
            "<span class=\"{class}\"{id} style=\"--hang:{hang}\">\
             <a href=\"{url}#L{number}\" tabindex=\"-1\" \
             aria-hidden=\"true\">{number}</a>\
             <code class=\"language-{language} noplayground\">{}</code>\
             </span>\n",
            escape(code)
        )
    }

    /// Anchors of lines that are not shown as such.
    fn anchors(&self, lines: impl Iterator<Item = usize>) -> String {
        let lines = lines.filter(|_| self.url.is_none());
        lines.map(|it| format!("<span id=\"L{it}\"></span>")).collect()
    }
}
