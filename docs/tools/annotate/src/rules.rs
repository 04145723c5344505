//! What must hold for a source file that is read in class.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::coverage::Coverage;
use crate::source::{Comment, LineKind, Source};
use crate::{banners, coverage, voice};

/// The columns that a projector shows.
pub const MOST_COLUMNS: usize = 80;

/// How many comment lines a file may have for each code line.
pub const MOST_COMMENTS_PER_LINE: usize = 2;

/// How many comment lines one paragraph may have.
pub const MOST_LINES_AT_ONCE: usize = 4;

/// What a rule finds in a file: the lines, and what is wrong there.
pub type Wrong = Vec<(usize, String)>;

/// All rules.
const RULES: &[fn(&Source) -> Wrong] =
    &[explained, columns, budget, lengths, banners::check, voice, names];

/// Where a rule is broken, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The line.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Checks a file, and returns what is wrong with it, in order.
pub fn check(source: &Source) -> Vec<Finding> {
    let wrong = RULES.iter().flat_map(|rule| rule(source));
    let mut findings: Vec<_> = wrong
        .map(|(line, message)| Finding {
            path: source.path.clone(),
            line,
            message,
        })
        .collect();
    findings.sort();
    findings
}

/// Everything is explained; see [`crate::coverage`].
fn explained(source: &Source) -> Wrong {
    let mut wrong = Vec::new();
    let is_header =
        |comment: &Comment| comment.lines.start == 1 && comment.doc_lines > 0;
    if !source.comments.first().is_some_and(is_header) {
        wrong.push((1, "the file does not begin by explaining itself".into()));
    }
    for (line, name) in Coverage::new(source).gaps() {
        let text = source.text(line..line + 1);
        let code = text.trim();
        wrong.push((line, format!("no comment explains this {name}: {code}")));
    }
    for line in coverage::pointless(source) {
        let message = "this comment explains nothing that is below it";
        wrong.push((line, message.into()));
    }
    wrong
}

/// No line is too wide.
fn columns(source: &Source) -> Wrong {
    let columns = |text: &str| text.trim_end_matches(['\r', '\n']).width();
    let lines = (1..).zip(&source.lines);
    lines
        .map(|(number, line)| (number, columns(&line.text)))
        .filter(|(_, columns)| *columns > MOST_COLUMNS)
        .map(|(number, columns)| {
            let most = MOST_COLUMNS;
            (number, format!("{columns} columns, where {most} can be read"))
        })
        .collect()
}

/// The file has not too many comment lines for its code.
fn budget(source: &Source) -> Wrong {
    let code = source.code_count();
    let comments = source.comment_count();
    let most = code * MOST_COMMENTS_PER_LINE;
    let message = format!(
        "{comments} comment lines for {code} code lines, at most {most}"
    );
    if comments > most { vec![(1, message)] } else { Vec::new() }
}

/// No comment is too long.
fn lengths(source: &Source) -> Wrong {
    let mut wrong = Vec::new();
    for comment in &source.comments {
        let unit = source.unit_of(comment);
        let item = unit.is_some_and(|unit| unit.kind.is_item());
        let start = comment.lines.start;
        let lines = if item || start == 1 {
            comment.plain_lines()
        } else {
            comment.note_lines()
        };
        if lines > MOST_LINES_AT_ONCE {
            let most = MOST_LINES_AT_ONCE;
            let message =
                format!("{lines} comment lines at once, at most {most}");
            wrong.push((start, message));
        }
    }
    wrong
}

/// Comments name their subjects, and say something. Tests are read aloud as
/// well.
fn voice(source: &Source) -> Wrong {
    let mut wrong = Vec::new();
    let mut before = None;
    for (number, line) in (1..).zip(&source.lines) {
        let comment = line.comment.as_deref().unwrap_or_default();
        wrong.extend(voice::riddles(comment).map(|it| (number, it)));
        if line.kind == LineKind::Code
            && before == Some(LineKind::Comment)
            && line.text.trim() == "Ok(())"
        {
            let message = "a remark before `Ok(())` says nothing";
            wrong.push((number - 1, message.into()));
        }
        before = Some(line.kind);
    }
    wrong
}

/// Names are terms of the field. The Python originals have names of their own.
fn names(source: &Source) -> Wrong {
    let mut wrong = Vec::new();
    let is_ours = !source.path.starts_with("docs/python");
    for (number, line) in (1..).zip(&source.lines).filter(|_| is_ours) {
        for token in &line.tokens {
            if let Some(plain) = voice::plain_name(token) {
                let message = format!("`{token}` is no term; instead: {plain}");
                wrong.push((number, message));
            }
        }
    }
    wrong
}
