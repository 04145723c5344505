//! What must hold for a source file that is read in class.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::banners::Entry;
use crate::coverage::Coverage;
use crate::source::{LineKind, Source};
use crate::{banners, coverage, words};

/// The columns that a projector shows.
pub const MOST_COLUMNS: usize = 80;

/// How many comment lines a file may have for each code line.
pub const MOST_COMMENTS_PER_LINE: usize = 2;

/// How many comment lines one statement may have.
pub const MOST_LINES_AT_ONCE: usize = 3;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The file can be read.
    Readable,
    /// Everything is explained; see [`crate::coverage`].
    Explained,
    /// No line is too wide.
    Columns,
    /// The file says no more than it has to.
    Budget,
    /// Neither does a comment.
    Length,
    /// The banners are there, in order.
    Banners,
    /// No comment only repeats its line.
    Repetition,
    /// No exemption is left over.
    Exemption,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Readable,
        Self::Explained,
        Self::Columns,
        Self::Budget,
        Self::Length,
        Self::Banners,
        Self::Repetition,
        Self::Exemption,
    ];
}

/// Where a rule is broken, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The line.
    pub line: usize,
    /// The rule.
    pub rule: Rule,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// What is said of single files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tables<'a> {
    /// The banners of each file, as they follow one another in its text. A
    /// file that is not here has none.
    pub banners: &'a [(&'a str, &'a [Entry<'a>])],
    /// What is allowed nevertheless.
    pub exemptions: &'a [Exemption<'a>],
}

/// One finding that is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Exemption<'a> {
    /// The file.
    pub path: &'a str,
    /// The rule.
    pub rule: Rule,
    /// A part of the line.
    pub line: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// Checks a file, and returns what is wrong with it, in order.
#[must_use]
pub fn check(source: &Source, tables: &Tables<'_>) -> Vec<Finding> {
    let mut report = Report {
        source,
        findings: Vec::new(),
    };
    report.explained();
    report.columns();
    report.budget();
    report.lengths();
    report.banners(table_of(source, tables));
    report.repetitions();
    report.exempt(tables.exemptions);
    report.findings.sort();
    report.findings
}

fn table_of<'a>(source: &Source, tables: &Tables<'a>) -> &'a [Entry<'a>] {
    let mut files = tables.banners.iter();
    files
        .find(|(path, _)| *path == source.path)
        .map_or(&[], |(_, banners)| banners)
}

struct Report<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn add(&mut self, line: usize, rule: Rule, message: impl Into<String>) {
        self.findings.push(Finding {
            path: self.source.path.clone(),
            line,
            rule,
            message: message.into(),
        });
    }

    fn explained(&mut self) {
        let header = self.source.comments.first();
        if header.is_none_or(|comment| {
            comment.lines.start != 1 || comment.doc_lines == 0
        }) {
            let message = "the file does not begin by explaining itself";
            self.add(1, Rule::Explained, message);
        }
        for (line, name) in Coverage::new(self.source).gaps() {
            let code = self.source.line(line).map(|line| line.text.trim());
            let code = code.unwrap_or_default();
            let message = format!("no comment explains this {name}: {code}");
            self.add(line, Rule::Explained, message);
        }
        for line in coverage::pointless(self.source) {
            let message = "this comment explains nothing that is below it";
            self.add(line, Rule::Explained, message);
        }
    }

    fn columns(&mut self) {
        for (index, line) in self.source.lines.iter().enumerate() {
            let columns = line.text.trim_end_matches(['\r', '\n']).width();
            if columns > MOST_COLUMNS {
                let message = format!(
                    "{columns} columns, where {MOST_COLUMNS} can be read"
                );
                self.add(index + 1, Rule::Columns, message);
            }
        }
    }

    fn budget(&mut self) {
        let code = self.source.code_count();
        let comments = self.source.comment_count();
        let most = code * MOST_COMMENTS_PER_LINE;
        if comments > most {
            let message = format!(
                "{comments} comment lines for {code} code lines, \
                 at most {most}"
            );
            self.add(1, Rule::Budget, message);
        }
    }

    fn lengths(&mut self) {
        for comment in &self.source.comments {
            let item = coverage::unit_of(self.source, comment)
                .is_some_and(|index| self.source.units[index].kind.is_item());
            let header = comment.lines.start == 1;
            let lines = if item || header {
                comment.plain_lines()
            } else {
                comment.note_lines()
            };
            if lines > MOST_LINES_AT_ONCE {
                let message = format!(
                    "{lines} comment lines at once, \
                     at most {MOST_LINES_AT_ONCE}"
                );
                self.add(comment.lines.start, Rule::Length, message);
            }
        }
    }

    fn banners(&mut self, table: &[Entry<'_>]) {
        for (line, message) in banners::compare(self.source, table) {
            self.add(line, Rule::Banners, message);
        }
    }

    fn repetitions(&mut self) {
        let source = self.source;
        let coverage = Coverage::new(source);
        for comment in &source.comments {
            let code = coverage.explained(comment);
            if words::repeats(&comment.note, &code) {
                self.repetition(comment.lines.start, &comment.note);
            }
        }
        for (index, line) in source.lines.iter().enumerate() {
            let code: Vec<_> = line.tokens.iter().map(String::as_str).collect();
            if line.kind == LineKind::Code
                && let Some(comment) = &line.comment
                && words::repeats(comment, &code)
            {
                self.repetition(index + 1, comment);
            }
        }
    }

    fn repetition(&mut self, line: usize, note: &str) {
        let note = note.trim().lines().next().unwrap_or_default();
        let message = format!("only repeats the words of its line: {note}");
        self.add(line, Rule::Repetition, message);
    }

    /// Removes what is exempt. Each exemption is good for one finding, and
    /// one that is good for none is a finding itself.
    fn exempt(&mut self, exemptions: &[Exemption<'_>]) {
        for exemption in exemptions {
            if exemption.path != self.source.path {
                continue;
            }
            let excused = self.findings.iter().position(|finding| {
                let line = self.source.line(finding.line);
                finding.rule == exemption.rule
                    && line.is_some_and(|l| l.text.contains(exemption.line))
            });
            if let Some(index) = excused {
                self.findings.remove(index);
            } else {
                let mut lines = self.source.lines.iter();
                let place = lines.position(|l| l.text.contains(exemption.line));
                let message = format!(
                    "no longer needed: the exemption of `{}` from {:?}",
                    exemption.line, exemption.rule
                );
                self.add(
                    place.map_or(1, |index| index + 1),
                    Rule::Exemption,
                    message,
                );
            }
        }
    }
}
