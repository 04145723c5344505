//! What must hold for a source file that is read in class.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::coverage::Coverage;
use crate::source::{LineKind, Source};
use crate::{banners, coverage, voice};

/// The columns that a projector shows.
pub const MOST_COLUMNS: usize = 80;

/// How many comment lines a file may have for each code line.
pub const MOST_COMMENTS_PER_LINE: usize = 2;

/// How many comment lines one paragraph may have.
pub const MOST_LINES_AT_ONCE: usize = 4;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The file can be read.
    Readable,
    /// Everything is explained; see [`crate::coverage`].
    Explained,
    /// No line is too wide.
    Columns,
    /// The file has not too many comment lines for its code.
    Budget,
    /// No comment is too long.
    Length,
    /// The banners are there, in order.
    Banners,
    /// Comments name their subjects, and say something.
    Voice,
    /// Names are terms of the field.
    Names,
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
        Self::Voice,
        Self::Names,
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

/// Checks a file, and returns what is wrong with it, in order.
#[must_use]
pub fn check(source: &Source) -> Vec<Finding> {
    let mut report = Report { source, findings: Vec::new() };
    report.explained();
    report.columns();
    report.budget();
    report.lengths();
    report.banners();
    report.voice();
    report.names();
    report.findings.sort();
    report.findings
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

    fn banners(&mut self) {
        for (line, message) in banners::check(self.source) {
            self.add(line, Rule::Banners, message);
        }
    }

    /// Tests are read aloud as well.
    fn voice(&mut self) {
        let source = self.source;
        for (index, line) in source.lines.iter().enumerate() {
            let comment = line.comment.as_deref().unwrap_or_default();
            for message in voice::riddles(comment) {
                self.add(index + 1, Rule::Voice, message);
            }
            let before = index.checked_sub(1).map(|at| source.lines[at].kind);
            if line.kind == LineKind::Code
                && before == Some(LineKind::Comment)
                && line.text.trim() == "Ok(())"
            {
                let message = "a remark before `Ok(())` says nothing";
                self.add(index, Rule::Voice, message);
            }
        }
    }

    /// The Python originals have names of their own.
    fn names(&mut self) {
        let source = self.source;
        if source.path.starts_with("docs/python") {
            return;
        }
        for (index, line) in source.lines.iter().enumerate() {
            for token in &line.tokens {
                if let Some(plain) = voice::plain_name(token) {
                    let message =
                        format!("`{token}` is no term; instead: {plain}");
                    self.add(index + 1, Rule::Names, message);
                }
            }
        }
    }
}
