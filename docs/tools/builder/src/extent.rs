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

use annotate::source::{Banner, Kind, LineKind, Source};
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
    let (path, number) = (&source.path, &banner.number);
    let depth = source.indent(line);
    let mut below = source.units.iter().skip_while(|unit| unit.line < line);
    let first = below.next().filter(|it| source.indent(it.line) >= depth);
    let Some(first) = first else {
        bail!("{path}:{line}: there is no code below {number}");
    };
    ensure!(
        source.indent(first.line) == depth,
        "{path}:{line}: {number} is not indented as the code below it"
    );
    // The other branches of a statement of Python are units of their own.
    let end = below
        .filter(|it| source.indent(it.line) == depth)
        .take_while(|it| it.kind == Kind::Branch)
        .fold(first.last, |end, it| end.max(it.last));
    // Nothing of what follows an arm or an item belongs to it.
    let is_alone =
        matches!(first.kind, Kind::Item | Kind::Impl | Kind::Arm | Kind::Row);
    let is_inner = |at: usize| (first.line..=end).contains(&at);
    if is_alone || source.banners().any(|(at, _)| is_inner(at)) {
        return Ok(line..end + 1);
    }
    let ends = |at: &usize| {
        let next = source.banners().find(|(begins, _)| begins == at);
        let is_next = next.is_some_and(|(_, next)| {
            next.level() <= banner.level() && source.indent(*at) == depth
        });
        is_next
            || source.kind(*at) == LineKind::Test
            || (begins_something(source, *at) && source.indent(*at) < depth)
    };
    let last = source.lines.len();
    let end = (first.line..=last).find(ends).unwrap_or(last + 1);
    Ok(line..trimmed(source, line..end))
}

/// The end of these lines, without the blank ones.
fn trimmed(source: &Source, lines: Range<usize>) -> usize {
    let start = lines.start;
    let is_there = |line: &usize| source.kind(*line) != LineKind::Blank;
    lines.rev().find(is_there).map_or(start, |line| line + 1)
}

/// Whether something begins in a line: it is not blank, and not in the midst
/// of a literal of several lines.
fn begins_something(source: &Source, line: usize) -> bool {
    source.line(line).is_some_and(|line| match line.kind {
        LineKind::Blank => false,
        LineKind::Code => line
            .tokens
            .first()
            .is_some_and(|token| line.text.trim_start().starts_with(token)),
        LineKind::Comment | LineKind::Test => true,
    })
}
