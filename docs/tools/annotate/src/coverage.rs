//! Which comment covers which code.
//!
//! What can need a comment is a unit: a statement, the value at the end of a
//! block included; a named field; a variant; an arm of a match; an item, which
//! is whatever has a name: a function, a type, a constant, a module, an
//! import. Only what begins a line is a unit.
//!
//! A comment covers
//!
//! 1. the unit directly below it, or among whose attributes it stands. A
//!    banner alone covers nothing.
//! 2. its paragraph: the units of its block that begin within the first four
//!    lines below it. A blank line, the next comment and the end of the block
//!    end the paragraph. A line of closing brackets is not counted. How far
//!    the last statement goes on does not matter; but what is inside of it
//!    (the body of a loop, of a branch, of a closure, the arms of a match)
//!    belongs to the paragraph only if the whole statement ends within the
//!    four lines. Otherwise that body starts anew. The block of an arm does
//!    not: it goes on with the arm's comment.
//! 3. all `use` lines that follow one another directly; likewise all `mod`
//!    lines, and all arms that only give a literal or a constant, which are
//!    the rows of a table. The comment of the statement that a table is in
//!    covers its first row.
//! 4. if it documents a function: the first paragraph of the body, as if it
//!    stood there. The comment of an `impl` covers its only method.
//!
//! `///` covers what it documents, and no other paragraph. A field, a variant
//! or an arm may have its comment at the end of its line, and an arm as the
//! first thing inside its block.
//!
//! Nothing is demanded for what only hands on a result: `Ok(())`, a lone
//! `return`, `break` or `continue`, a name at the end of a block, an arm that
//! does no more. A file begins with a comment on itself, and each comment
//! stands directly above code or is the first thing inside a block.

use std::ops::Range;

use crate::source::{Comment, Kind, LineKind, Source, Unit};

/// How many lines a paragraph has at most.
pub const MOST_LINES: usize = 4;

/// The lines of comments that explain nothing.
pub fn pointless(source: &Source) -> Vec<usize> {
    let is_above_code = |comment: &&Comment| {
        source.line(comment.lines.end).is_some_and(|line| {
            let closes = |token: &String| ")]}".contains(token.as_str());
            line.kind == LineKind::Code
                && !line.tokens.first().is_some_and(closes)
        })
    };
    let is_first_inside = |comment: &&Comment| {
        let before = source.line(comment.lines.start - 1);
        before.is_some_and(|line| {
            line.kind == LineKind::Code
                && line.tokens.last().is_some_and(|token| "{:".contains(token))
        })
    };
    let mut comments: Vec<&Comment> = source.comments.iter().collect();
    comments.retain(|comment| {
        comment.lines.start > 1
            && !is_above_code(comment)
            && !is_first_inside(comment)
    });
    comments.iter().map(|comment| comment.lines.start).collect()
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Use => "import",
        Kind::Module => "module",
        Kind::Item | Kind::Impl => "item",
        Kind::Field => "field",
        Kind::Variant => "variant",
        Kind::Arm | Kind::Row => "arm",
        Kind::Statement | Kind::Branch => "statement",
    }
}

/// How a unit is covered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cover {
    /// A comment covers it.
    Explained,
    /// It needs no comment.
    Exempt,
    /// A comment is missing above it.
    Gap,
    /// A comment that is missing above another unit would cover it.
    Counted,
}

/// Which units of a file are covered.
pub struct Coverage<'a> {
    source: &'a Source,
    of: Vec<Cover>,
}

impl<'a> Coverage<'a> {
    /// Finds out which units of this file are covered.
    pub fn new(source: &'a Source) -> Self {
        let of = Vec::with_capacity(source.units.len());
        let mut coverage = Self { source, of };
        for index in 0..source.units.len() {
            let cover = coverage.cover(index);
            coverage.of.push(cover);
        }
        coverage
    }

    /// The lines of what no comment covers, and what stands there. One
    /// finding for each comment that is missing.
    pub fn gaps(&self) -> impl Iterator<Item = (usize, &'static str)> {
        let units = self.source.units.iter().zip(&self.of);
        units
            .filter(|(_, cover)| **cover == Cover::Gap)
            .map(|(unit, _)| (unit.line, name(unit.kind)))
    }

    fn cover(&self, index: usize) -> Cover {
        let unit = &self.source.units[index];
        if self.is_explained_itself(index) {
            return Cover::Explained;
        }
        let cover = self.of_table(index).or_else(|| self.of_paragraph(index));
        let exempt =
            unit.hands_on || matches!(unit.kind, Kind::Impl | Kind::Branch);
        cover.unwrap_or(if exempt { Cover::Exempt } else { Cover::Gap })
    }

    /// Whether a comment of its own explains it.
    fn is_explained_itself(&self, index: usize) -> bool {
        let unit = &self.source.units[index];
        let mut above = self.source.comments_of(unit);
        let documented = unit.kind != Kind::Statement;
        above.any(|comment| {
            // The documentation of an item is not about its first statement.
            comment.plain_lines() > 0 || (documented && comment.doc_lines > 0)
        }) || self.has_trailing(index)
            || self.is_explained_inside(unit)
    }

    /// How the comment of the unit before covers this one: one comment covers
    /// any number of units of this kind, or one unit is all that the other
    /// contains.
    fn of_table(&self, index: usize) -> Option<Cover> {
        let before = index.checked_sub(1)?;
        let (first, second) =
            (&self.source.units[before], &self.source.units[index]);
        let kind = second.kind;
        let goes_on = matches!(kind, Kind::Use | Kind::Module | Kind::Row)
            && first.kind == kind
            && first.last + 1 == second.top;
        let begins = kind == Kind::Row
            && first.kind == Kind::Statement
            && second.last <= first.last;
        let sole = second.sole && matches!(first.kind, Kind::Item | Kind::Impl);
        match self.of[before] {
            Cover::Explained if goes_on || begins || sole => {
                Some(Cover::Explained)
            }
            Cover::Gap | Cover::Counted if goes_on || sole => {
                Some(Cover::Counted)
            }
            _ => None,
        }
    }

    /// How the comment above its paragraph covers it, or would cover it if it
    /// were not missing.
    fn of_paragraph(&self, index: usize) -> Option<Cover> {
        let unit = &self.source.units[index];
        let mut least = self.source.indent(unit.line);
        // A banner alone, or Python's documentation, which stands inside.
        let mut passed_comment = false;
        for number in (1..unit.top).rev() {
            let line = self.source.line(number)?;
            let explained = match line.kind {
                LineKind::Blank | LineKind::Test => return None,
                LineKind::Comment => {
                    self.source.comments.iter().find_map(|it| {
                        let explains =
                            it.lines.contains(&number) && it.plain_lines() > 0;
                        explains.then_some(number + 1)
                    })
                }
                LineKind::Code => self.begins_explained(number, unit),
            };
            let (start, cover) = match explained {
                Some(start) => (start, Cover::Explained),
                None if line.kind == LineKind::Comment => {
                    passed_comment = true;
                    continue;
                }
                None if passed_comment => return None,
                None if self.is_gap(number) => (number, Cover::Counted),
                None => {
                    least = least.min(line.indent());
                    continue;
                }
            };
            // A smaller indentation: the block has ended in between.
            let block = self.source.indent(start);
            return (least >= block && self.fits(index, start, block))
                .then_some(cover);
        }
        None
    }

    /// Where the first paragraph of a function that has its documentation, or
    /// of an arm with a comment at the end of its line, starts: if this line
    /// opens it and the unit stands in it.
    fn begins_explained(&self, line: usize, unit: &Unit) -> Option<usize> {
        let mut units = self.source.units.iter().zip(&self.of).enumerate();
        units.find_map(|(at, (outer, cover))| {
            let is_arm = outer.kind == Kind::Arm
                && outer.line == line
                && self.has_trailing(at);
            let opens = outer.kind.is_item() && outer.open == Some(line);
            let is_around =
                outer.last >= unit.last && *cover == Cover::Explained;
            let start = if is_arm { line } else { line + 1 };
            (is_around && (is_arm || opens)).then_some(start)
        })
    }

    /// Whether a unit belongs to the paragraph that starts at this line, in a
    /// block of this indentation.
    fn fits(&self, index: usize, start: usize, block: usize) -> bool {
        let unit = &self.source.units[index];
        if self.source.indent(unit.line) == block {
            return self.count(start..unit.line) < MOST_LINES;
        }
        // The unit is inside another: an arm, whose comment is about its block,
        // or a statement that must fit as a whole.
        let mut around = self.source.units[..index].iter();
        around
            .find(|outer| outer.line >= start && outer.last >= unit.last)
            .is_some_and(|outer| {
                let body = outer.kind == Kind::Arm
                    && self.parent(index) == Some(outer.line);
                let end = if body { unit.line } else { outer.last };
                !outer.kind.is_item()
                    && self.count(start..end + 1) <= MOST_LINES
            })
    }

    /// The line of the unit that this one stands in.
    fn parent(&self, index: usize) -> Option<usize> {
        let unit = &self.source.units[index];
        let mut before = self.source.units[..index].iter().rev();
        let parent = before.find(|outer| outer.last >= unit.last)?;
        Some(parent.line)
    }

    /// How many lines of code these are; closing brackets do not count.
    fn count(&self, lines: Range<usize>) -> usize {
        let lines = lines.filter_map(|number| self.source.line(number));
        lines
            .filter(|line| line.kind == LineKind::Code && !line.only_closes())
            .count()
    }

    /// Whether a comment is missing above this line.
    fn is_gap(&self, line: usize) -> bool {
        let mut found = self.source.units.iter().zip(&self.of);
        found.any(|(unit, cover)| {
            unit.top == line && !unit.kind.is_item() && *cover == Cover::Gap
        })
    }

    /// Whether a comment stands at the end of its head.
    fn has_trailing(&self, index: usize) -> bool {
        let kind = self.source.units[index].kind;
        matches!(kind, Kind::Field | Kind::Variant | Kind::Arm | Kind::Row)
            && self.source.head(index).any(|line| {
                let line = self.source.line(line);
                line.is_some_and(|line| {
                    line.kind == LineKind::Code && line.comment.is_some()
                })
            })
    }

    /// Whether a comment is the first thing inside its block.
    fn is_explained_inside(&self, unit: &Unit) -> bool {
        self.source.comments.iter().any(|comment| {
            let lines = if unit.kind.is_item() {
                comment.doc_lines
            } else {
                comment.plain_lines()
            };
            lines > 0 && unit.is_first_inside(comment)
        })
    }
}
