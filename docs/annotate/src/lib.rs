//! Reads an annotated source file as a class does: banners, comments, and the
//! code that each comment explains; and checks that nothing goes unexplained.
//!
//! [`source`] is the reading: it tells comments from code, and cuts a file
//! into blocks of a comment and its code, for a page that shows both side by
//! side. [`units`] finds what needs a comment. [`rules`] is the check; what it
//! expects of which file stands in [`rules::BANNERS`] and
//! [`rules::EXEMPTIONS`].
//!
//! # What needs a comment, and what counts as one
//!
//! Every statement, match arm, field, variant and item (not an inherent
//! `impl`), and every run of `use` and `mod` lines. Code under `#[cfg(test)]`
//! is exempt. It is explained by
//!
//! * a comment that ends on the line above it, or a doc comment;
//! * a comment at the end of its first line or of its last;
//! * for a match arm: a comment as the first thing in its block;
//! * the comment of the statement before it, if that has no block and this
//!   one follows on the very next line: a comment covers two statements at
//!   most, as one thought;
//! * for the only statement of a block: the comment of what the block belongs
//!   to, be it a function, a match arm, a branch or a closure; and likewise
//!   for the first of several, but not in a function.
//!
//! A run of `use` and `mod` lines, and a run of match arms that yield nothing
//! but literals, shares one comment as far as no blank line cuts it.

pub mod rules;
pub mod source;
pub mod units;
mod words;
