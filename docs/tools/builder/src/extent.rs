//! Where a step of a source file ends: where the block of its banner ends, not
//! where the next banner happens to stand.
//!
//! A banner stands for the statements below it, up to the next banner of the
//! same block or to the end of that block. If it stands above an arm of a
//! match, or above an item, that is all of it; and if the first statement below
//! it contains other banners, that statement is all of it, for what follows
//! belongs to no step.
//!
//! Blocks are told apart by their indentation, which both Python and rustfmt
//! guarantee.

use std::ops::Range;

use annotate::source::{Banner, LineKind, Source};
use anyhow::{Result, bail, ensure};

/// A step of a file.
pub struct Extent<'a> {
    /// Its banner.
    pub banner: &'a Banner,
    /// All of its lines, from the banner to the end of its block.
    pub lines: Range<usize>,
    /// The other steps within it that are not shown with it, in order.
    pub apart: Vec<(&'a Banner, Range<usize>)>,
}

impl<'a> Extent<'a> {
    /// The step that a banner begins. Of the banners within it, those that do
    /// not count on its number are left out (4 within 3), and those that
    /// `is_apart` names (4.1 within 4, where that has a place of its own).
    ///
    /// # Errors
    ///
    /// Where the file has no such banner, or there is no code below it.
    pub fn of(
        source: &'a Source,
        number: &str,
        is_apart: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let found = source.banners().find(|(_, it)| it.number == number);
        let Some((line, banner)) = found else {
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
        let lines = block(source, line, banner)?;
        let below = format!("{number}.");
        let mut apart: Vec<(&Banner, Range<usize>)> = Vec::new();
        for (at, inner) in source.banners() {
            let is_shown = at == line
                || !lines.contains(&at)
                || apart.iter().any(|(_, range)| range.contains(&at))
                || (inner.number.starts_with(&below)
                    && !is_apart(&inner.number));
            if !is_shown {
                apart.push((inner, block(source, at, inner)?));
            }
        }
        Ok(Self { banner, lines, apart })
    }

    /// Whether a line is shown.
    pub fn shows(&self, line: usize) -> bool {
        self.lines.contains(&line)
            && !self.apart.iter().any(|(_, range)| range.contains(&line))
    }
}

/// The lines of the block that a banner stands for.
fn block(
    source: &Source,
    line: usize,
    banner: &Banner,
) -> Result<Range<usize>> {
    let depth = indent(source, line);
    let last = source.lines.len();
    let first = (line + 1..=last).find(|at| is_statement(source, *at));
    let first = first.filter(|at| indent(source, *at) >= depth);
    let Some(first) = first else {
        bail!(
            "{}:{line}: there is no code below {}",
            source.path,
            banner.number
        );
    };
    ensure!(
        indent(source, first) == depth,
        "{}:{line}: {} is not indented as the code below it",
        source.path,
        banner.number
    );
    let statement = first..statement_end(source, first);
    let is_inner = |(at, _): (usize, &Banner)| statement.contains(&at);
    if stands_alone(source, statement.clone()) || source.banners().any(is_inner)
    {
        return Ok(line..trimmed(source, line..statement.end));
    }
    let ends = |at: &usize| {
        let next = source.banners().find(|(begins, _)| begins == at);
        let is_next = next.is_some_and(|(_, next)| {
            next.level() <= banner.level() && indent(source, *at) == depth
        });
        is_next
            || kind(source, *at) == LineKind::Test
            || (begins_something(source, *at) && indent(source, *at) < depth)
    };
    let end = (first..=last).find(ends).unwrap_or(last + 1);
    Ok(line..trimmed(source, line..end))
}

/// Where the statement, the arm or the item ends that begins in this line.
fn statement_end(source: &Source, first: usize) -> usize {
    let depth = indent(source, first);
    let goes_on = |line: usize| {
        let text = text(source, line).trim_start();
        // `} else {`, `) -> Result<()> {`, `| Other => {`, `{` below a long
        // condition; and in Python the other branches.
        let is_joint = text.starts_with(['}', ')', ']', '{', '|', '.'])
            || ["else:", "elif ", "except", "finally:"]
                .iter()
                .any(|word| text.starts_with(word));
        indent(source, line) > depth
            || (indent(source, line) == depth && is_joint)
    };
    let ends =
        |line: &usize| begins_something(source, *line) && !goes_on(*line);
    let last = source.lines.len();
    (first + 1..=last).find(ends).unwrap_or(last + 1)
}

/// Whether nothing of what follows belongs to it: an arm, or an item.
fn stands_alone(source: &Source, mut lines: Range<usize>) -> bool {
    const ITEMS: &[&str] =
        &["fn", "impl", "struct", "enum", "trait", "mod", "def", "class"];
    let mut words = text(source, lines.start).split_whitespace();
    let is_word = |word: &&str| {
        !word.starts_with("pub")
            && !matches!(*word, "const" | "unsafe" | "async" | "static")
    };
    if words.find(is_word).is_some_and(|word| ITEMS.contains(&word)) {
        return true;
    }
    // A pattern, perhaps of several lines, and its arrow, with no `match`
    // before it.
    let depth = indent(source, lines.start);
    let head = lines.find_map(|line| {
        let text = text(source, line);
        let is_head = indent(source, line) == depth;
        match text.split_once("=>") {
            Some((before, _)) if is_head => Some(before.to_owned()),
            _ => None,
        }
    });
    head.is_some_and(|before| {
        !before.split_whitespace().any(|word| word == "match")
    })
}

/// The end of these lines, without the blank ones.
fn trimmed(source: &Source, lines: Range<usize>) -> usize {
    let start = lines.start;
    let is_there = |line: &usize| kind(source, *line) != LineKind::Blank;
    lines.rev().find(is_there).map_or(start, |line| line + 1)
}

/// Whether a line begins a statement: not blank, no comment, no attribute.
fn is_statement(source: &Source, line: usize) -> bool {
    let text = text(source, line).trim_start();
    begins_something(source, line)
        && kind(source, line) != LineKind::Comment
        && !text.starts_with("#[")
        && !text.starts_with('@')
}

/// Whether something begins in a line: it is not blank, and not in the midst
/// of a literal of several lines.
fn begins_something(source: &Source, line: usize) -> bool {
    let is_literal = || {
        // A token with line ends in it, a line or more above.
        let above = (1..line).rev().take_while(|above| {
            let tokens = source.line(*above).map(|line| line.tokens.len());
            *above + 1 == line || tokens == Some(0)
        });
        above.filter_map(|above| Some((above, source.line(above)?))).any(
            |(above, found)| {
                let ends = |text: &String| text.matches('\n').count();
                let last = found.tokens.last().map_or(0, ends);
                above + last >= line
            },
        )
    };
    match kind(source, line) {
        LineKind::Blank => false,
        LineKind::Code => !is_literal(),
        LineKind::Comment | LineKind::Test => true,
    }
}

fn kind(source: &Source, line: usize) -> LineKind {
    source.line(line).map_or(LineKind::Blank, |line| line.kind)
}

fn text(source: &Source, line: usize) -> &str {
    source.line(line).map_or("", |line| line.text.trim_end())
}

fn indent(source: &Source, line: usize) -> usize {
    let text = text(source, line);
    text.len() - text.trim_start_matches(' ').len()
}
