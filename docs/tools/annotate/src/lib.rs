//! Reads a source file as a class does, and checks that every line of it is
//! explained.
//!
//! - [`rust`] and [`python`] read a file into a [`source::Source`]: its lines, its
//!   comments, and the code that each of them explains. Pages are made from
//!   its blocks, to which every line belongs exactly once.
//! - [`rules`] are what must hold for such a file. [`coverage`] is the first
//!   and longest of them: which comment covers which code; [`banners`] and
//!   [`voice`] are about headings and words.
//! - [`budgets`] says how long the reading of each approach may be.
//! - [`project`] says which files are checked.

pub mod banners;
pub mod budgets;
pub mod coverage;
pub mod project;
pub mod python;
pub mod rules;
pub mod rust;
pub mod source;
pub mod voice;
