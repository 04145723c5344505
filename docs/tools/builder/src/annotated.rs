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
use std::rc::Rc;

use annotate::source::{Block, LineKind, Source};
use anyhow::{Result, bail, ensure};

use crate::extent::Extent;
use crate::words::{LINES, Language, TESTS, TO, Word};

/// Where the lines' numbers lead.
#[derive(Clone, Copy)]
pub enum Lines<'a> {
    /// The numbers lead to their own lines: this is the page of the file.
    Here,
    /// The numbers lead to the page of the file, at this address.
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
    must_be_complete(&source.path, source.lines.len(), writer.seen)?;
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
    let level = heading.cast_signed() - extent.banner.level().cast_signed();
    let mut writer = Writer::new(source, Lines::There(url), level);
    let lines = extent.lines.clone().filter(|line| extent.shows(*line));
    writer.dedent = least_indent(source, lines);
    // A step that is left out becomes a link to its place on this page, or in
    // the file.
    let place = |number: &str| {
        if apart.contains(&number) {
            format!("#{}", excerpt_id(source, number))
        } else {
            format!("{url}#{}", step_id(number))
        }
    };
    for block in &source.blocks {
        let Some(block) = clipped(source, block, &extent) else {
            continue;
        };
        writer.elide(&extent, block.lines().start, &place);
        writer.row(&block)?;
    }
    writer.elide(&extent, extent.lines.end, &place);
    Ok(format!(
        "<div class=\"annotated excerpt\">\n\n{}\
         <p class=\"source\"><a href=\"{url}#{}\">{}</a></p>\n\n</div>",
        writer.out,
        step_id(number),
        source.path,
    ))
}

/// What a step shows of a block: nothing, all, or its beginning or end.
fn clipped(source: &Source, block: &Block, extent: &Extent) -> Option<Block> {
    let clip = |lines: &Range<usize>| {
        let first = lines.clone().find(|line| extent.shows(*line));
        let first = first.unwrap_or(lines.end);
        let end = (first..lines.end).find(|line| !extent.shows(*line));
        first..end.unwrap_or(lines.end)
    };
    let note =
        extent.shows(block.note_lines.start) && !block.note_lines.is_empty();
    let code_lines = clip(&block.code_lines);
    let is_blank = |line: usize| source.kind(line) == LineKind::Blank;
    if !note && code_lines.clone().all(is_blank) {
        return None;
    }
    let head = if note { clip(&block.head_lines) } else { 0..0 };
    let start = code_lines.start;
    Some(Block {
        head_lines: if head.is_empty() && !note { start..start } else { head },
        note_lines: if note { block.note_lines.clone() } else { start..start },
        code_lines,
        comment: if note { block.comment.clone() } else { None },
        test: block.test,
    })
}

/// A step of a file, beside others.
pub struct Column {
    /// The number of its banner.
    pub number: String,
    /// The file.
    pub source: Rc<Source>,
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
        let place = |number: &str| format!("{url}#{}", step_id(number));
        let mut shown = extent.lines.start;
        for (line, text) in lines {
            out += &elided(extent, shown..*line, least, &place, source);
            shown = line + 1;
            let (code, _) = code_and_comment(source, *line)?;
            let code = code.get(least..).unwrap_or("");
            let class = if is_common(text) { "line" } else { "line only" };
            let number = number_link(url, *line);
            out += &code_line(class, "", &number, code, language_of(source));
        }
        out += &elided(extent, shown..extent.lines.end, least, &place, source);
        out += "</div>\n</div>\n";
    }
    Ok(out + "</div>")
}

/// The steps that are left out of an excerpt and begin within these lines, as
/// one line with a link to each; nothing if there are none.
fn elided(
    extent: &Extent,
    lines: Range<usize>,
    dedent: usize,
    place: &dyn Fn(&str) -> String,
    source: &Source,
) -> String {
    let mut links = Vec::new();
    let mut depth = usize::MAX;
    for (banner, range) in &extent.apart {
        if lines.contains(&range.start) {
            let number = &banner.number;
            links.push(format!("<a href=\"{}\">{number}</a>", place(number)));
            depth = depth.min(source.indent(range.start));
        }
    }
    if links.is_empty() {
        return String::new();
    }
    let depth = depth.saturating_sub(dedent);
    format!(
        "<span class=\"line elided\" style=\"--depth:{depth}\">… {}</span>\n",
        links.join(", ")
    )
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
    ensure!(seen.len() == count, "{path}:{} is on no page", seen.len() + 1);
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
    let Some(line) = source.line(number) else {
        bail!("{} has no line {number}", source.path);
    };
    let text = line.text.trim_end();
    let (LineKind::Code, Some(comment)) = (line.kind, &line.comment) else {
        return Ok((text, None));
    };
    let mark = if language_of(source) == "python" { "#" } else { "//" };
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

/// The number of a line, which leads to that line on this page.
fn number_link(url: &str, line: usize) -> String {
    format!(
        "<a href=\"{url}#L{line}\" tabindex=\"-1\" \
         aria-hidden=\"true\">{line}</a>"
    )
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

/// The lines of a part that is folded, and the words that say which.
fn folded(
    blocks: &[Block],
    word: Word,
    language: Language,
) -> (Range<usize>, String) {
    let start = blocks.first().map_or(1, |block| block.lines().start);
    let end = blocks.last().map_or(1, |block| block.lines().end);
    let (word, to) = (language.word(word), language.word(TO));
    (start..end, format!("{word} {start} {to} {}", end - 1))
}

struct Writer<'a> {
    source: &'a Source,
    lines: Lines<'a>,
    /// What a banner's level is raised by to be a heading's.
    level: isize,
    /// How many blanks are taken from the beginning of each line.
    dedent: usize,
    /// The numbers of the lines written so far.
    seen: Vec<usize>,
    /// Up to which line the steps that are left out have been named.
    elided: usize,
    out: String,
}

impl<'a> Writer<'a> {
    fn new(source: &'a Source, lines: Lines<'a>, level: isize) -> Self {
        Self {
            source,
            lines,
            level,
            dedent: 0,
            seen: Vec::new(),
            elided: 0,
            out: String::new(),
        }
    }

    /// Names the steps that are left out before this line.
    fn elide(
        &mut self,
        extent: &Extent,
        line: usize,
        place: &dyn Fn(&str) -> String,
    ) {
        let lines = self.elided..line;
        let text = elided(extent, lines, self.dedent, place, self.source);
        if !text.is_empty() {
            let _ = write!(
                self.out,
                "<div class=\"row\">\n<div class=\"note\"></div>\n\
                 <div class=\"code\">\n{text}</div>\n</div>\n\n"
            );
        }
        self.elided = line;
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
                Lines::There(_) => excerpt_id(self.source, &banner.number),
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
        let code: Vec<usize> = code_of(block).collect();
        let is_blank = |line: &&usize| is_empty(self.source, **line);
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
            let dedent =
                least_indent(self.source, code.iter().copied()) - self.dedent;
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
            let line = self.code_line(number, text.trim_end());
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
        let number = number_link(url, number);
        let text = text.get(self.dedent..).unwrap_or_default();
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
