//! Which comment covers which code.
//!
//! What needs a comment is a unit: a statement, the value at the end of a
//! block included; a named field; a variant; an arm of a match; an `else`
//! branch of more than one line; an item, which is whatever has a name: a
//! function, a method, a type, a constant, a module, an import. Only what
//! begins a line is a unit; the rest of a line belongs to what begins it.
//!
//! A comment covers
//!
//! 1. the unit directly below it, without a blank line in between, or the one
//!    among whose attributes it stands. A banner alone covers nothing.
//! 2. one more statement, and only after a statement, an arm or a branch: the
//!    one that begins next, if there is no blank line and no other comment in
//!    between, and if the two are one thought. They are if the second stands
//!    inside the first, or if both begin with the same word, or if both use
//!    the same name.
//! 3. all `use` lines that follow one another directly; likewise all `mod`
//!    lines, and all arms that only give a literal, which are the rows of a
//!    table. The comment of the statement that a table is in covers its first
//!    row.
//! 4. the body of the item, if that is a single statement, as if the comment
//!    stood above it; and the method of an `impl`, if that is the only one.
//!
//! A field, a variant, an arm or a branch may also have its comment at the
//! end of its line, and an arm or a branch as the first thing inside its
//! block, where it covers the first statement as well. A file begins with a
//! comment on itself. And no comment explains nothing: each stands directly
//! above code, or is the first thing inside a block.

use std::collections::HashSet;

use crate::source::{Comment, Kind, LineKind, Source, Unit};
use crate::words::names;

/// The lines of comments that explain nothing.
#[must_use]
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

/// The unit that a comment explains, by its index; none in the middle of a
/// statement.
#[must_use]
pub fn unit_of(source: &Source, comment: &Comment) -> Option<usize> {
    let end = comment.lines.end;
    let mut units = source.units.iter();
    units.position(|unit| {
        let documents = comment.doc_lines > 0
            && unit.kind.is_item()
            && unit.is_first_inside(comment);
        let is_above = (unit.top..=unit.line).contains(&end);
        documents || is_above
    })
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Use => "import",
        Kind::Module => "module",
        Kind::Item | Kind::Impl => "item",
        Kind::Field => "field",
        Kind::Variant => "variant",
        Kind::Arm | Kind::Row => "arm",
        Kind::Else => "else branch",
        Kind::Statement => "statement",
    }
}

/// How a unit is covered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cover {
    /// Not at all.
    None,
    /// By a comment of its own, or by its function's that it is the body of.
    Own,
    /// By that of something else.
    Shared,
}

/// Which units of a file are covered.
pub struct Coverage<'a> {
    source: &'a Source,
    of: Vec<Cover>,
}

impl<'a> Coverage<'a> {
    /// Finds out which units of this file are covered.
    #[must_use]
    pub fn new(source: &'a Source) -> Self {
        let of = Vec::with_capacity(source.units.len());
        let mut coverage = Self { source, of };
        for index in 0..source.units.len() {
            let cover = coverage.cover(index);
            coverage.of.push(cover);
        }
        coverage
    }

    /// The lines of what no comment covers, and what stands there.
    pub fn gaps(&self) -> impl Iterator<Item = (usize, &'static str)> {
        let units = self.source.units.iter().enumerate();
        let bare = units.filter(|(index, unit)| {
            // One comment would do for all that go on like this.
            let counted = index.checked_sub(1).is_some_and(|before| {
                self.of[before] == Cover::None && self.goes_on(before, *index)
            });
            unit.kind != Kind::Impl
                && self.of[*index] == Cover::None
                && !counted
        });
        bare.map(|(_, unit)| (unit.line, name(unit.kind)))
    }

    /// The tokens that a comment explains: those of its unit's head, and of
    /// the statement that it covers besides; or those of the line below it.
    #[must_use]
    pub fn explained(&self, comment: &Comment) -> Vec<&'a str> {
        let end = comment.lines.end;
        let Some(index) = unit_of(self.source, comment) else {
            return self.source.tokens(end..end + 1).collect();
        };
        let mut lines = self.source.head(index);
        let next = index + 1;
        if self.of.get(next) == Some(&Cover::Shared) {
            lines.end = self.source.head(next).end;
        }
        self.source.tokens(lines).collect()
    }

    fn cover(&self, index: usize) -> Cover {
        let unit = &self.source.units[index];
        let mut above = self.source.comments_of(unit);
        let item = unit.kind != Kind::Statement;
        if above.any(|comment| {
            // What documents an item is not about its first statement.
            comment.plain_lines() > 0 || (item && comment.doc_lines > 0)
        }) || self.has_trailing(index)
            || self.is_explained_inside(unit)
        {
            return Cover::Own;
        }
        let Some(before) = index.checked_sub(1) else {
            return Cover::None;
        };
        let kind = self.source.units[before].kind;
        let cover = self.of[before];
        let shares = match kind {
            Kind::Use | Kind::Module | Kind::Row => self.goes_on(before, index),
            Kind::Item | Kind::Impl if unit.sole => return cover,
            Kind::Statement | Kind::Arm | Kind::Else => {
                cover == Cover::Own
                    && matches!(unit.kind, Kind::Statement | Kind::Row)
                    && self.is_one_thought(before, index)
            }
            _ => false,
        };
        if shares && cover != Cover::None {
            Cover::Shared
        } else {
            Cover::None
        }
    }

    /// Whether two units, one directly after the other, are of a kind of
    /// which one comment covers any number.
    fn goes_on(&self, first: usize, second: usize) -> bool {
        let (first, second) =
            (&self.source.units[first], &self.source.units[second]);
        let kind = second.kind;
        matches!(kind, Kind::Use | Kind::Module | Kind::Row)
            && first.kind == kind
            && first.last + 1 == second.top
    }

    /// Whether a comment stands at the end of its head.
    fn has_trailing(&self, index: usize) -> bool {
        let kind = self.source.units[index].kind;
        matches!(kind, Kind::Field | Kind::Variant | Kind::Arm | Kind::Else)
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

    /// Whether the comment of the first unit may cover the second, which
    /// follows it.
    fn is_one_thought(&self, first: usize, second: usize) -> bool {
        let (outer, inner) =
            (&self.source.units[first], &self.source.units[second]);
        let mut between = outer.line..inner.line;
        let apart = between.any(|line| {
            let line = self.source.line(line);
            line.is_some_and(|line| line.kind != LineKind::Code)
        });
        let inside = inner.last <= outer.last;
        let alike = || self.first_word(first) == self.first_word(second);
        !apart && (inside || alike() || self.share_a_name(first, second))
    }

    fn first_word(&self, index: usize) -> Option<&str> {
        self.source.tokens(self.source.head(index)).next()
    }

    fn share_a_name(&self, first: usize, second: usize) -> bool {
        let of = |index| -> HashSet<&str> {
            let tokens = self.source.tokens(self.source.head(index));
            tokens.flat_map(names).collect()
        };
        !of(first).is_disjoint(&of(second))
    }
}
