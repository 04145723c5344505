//! The check: what must hold of an annotated source file.

use std::fmt;

use unicode_width::UnicodeWidthStr as _;

use crate::source::Source;
use crate::units::{Kind, Unit, test_lines, units};
use crate::words::repeats;

/// The widest line, in columns: what a projector shows.
pub const COLUMNS: usize = 80;

/// The most comment lines for each code line of a file.
pub const BUDGET: usize = 2;

/// The most comment lines for one statement, banners not counted.
pub const COMMENT_LINES: usize = 3;

/// The banners that a file must have, in this order.
pub const BANNERS: &[(&str, &[&str])] = &[
    (
        "threads-server/src/main.rs",
        &[
            "1. Accept a client",
            "2. A new socket for the connection",
            "5. Stop",
            "3. Create a thread",
            "4. From the new thread: receive, print, send, close",
        ],
    ),
    (
        "process-server/src/main.rs",
        &[
            "1. Accept a client",
            "2. A new socket for the connection",
            "3. Create a process",
            "4. From the new process: receive, print, send, close",
            "5. Stop",
        ],
    ),
    (
        "threads-server/src/workers.rs",
        &[
            "1. Create the threads",
            "2. From each thread",
            "3. Stop",
            "2.1 Accept a client",
            "2.2 Receive, print, send, close",
        ],
    ),
    (
        "process-server/src/workers.rs",
        &[
            "1. Create the processes",
            "2. From each process",
            "3. Stop",
            "2.1 Accept a client",
            "2.2 Receive, print, send, close",
        ],
    ),
    (
        "mux-server/src/workers.rs",
        &[
            "1. Create the loops",
            "2. From each thread: the loop of `main.rs`",
            "3. Stop",
        ],
    ),
    (
        "mux-server/src/main.rs",
        &[
            "1. Initialise the list of sockets",
            "2. Wait for one or more connections",
            "3. Iterate over the connections that are ready",
            "4. For each of them",
            "4.1 A new socket for the connection",
            "4.2 Add the socket to the list",
            "4.3 If there is data: receive, print, send",
            "4.4 If there is none: close, remove from the list",
            "5. Stop",
        ],
    ),
    (
        "mux-server/src/client.rs",
        &[
            "4.3.1 Receive data",
            "4.3.2 Print it",
            "4.3.3 Send the reply",
        ],
    ),
    (
        "common/src/echo.rs",
        &[
            "4.4 Close the communication",
            "4.1 Receive data",
            "4.2 Print it",
            "4.3 Send the reply",
        ],
    ),
];

/// What may break a rule, and why.
#[derive(Clone, Copy, Debug)]
pub struct Exemption {
    /// The file, from the root of the repository.
    pub file: &'static str,
    /// The rule that it may break.
    pub rule: Rule,
    /// The line that may break it, without the blanks around it.
    pub line: &'static str,
    /// Why it may.
    pub reason: &'static str,
}

/// All exemptions there are. One that is no longer needed fails the check.
pub const EXEMPTIONS: &[Exemption] = &[];

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The file begins with `//!`.
    Header,
    /// Everything that needs a comment has one.
    Unexplained,
    /// No line is wider than [`COLUMNS`].
    Wide,
    /// No more comment lines than [`BUDGET`] for each code line.
    Budget,
    /// No comment before a statement is longer than [`COMMENT_LINES`].
    Long,
    /// The banners are those of [`BANNERS`].
    Banner,
    /// No comment repeats its line.
    Repeats,
    /// No exemption is unused.
    Exemption,
}

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The rule.
    pub rule: Rule,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// How much of a file is comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Lines with code on them.
    pub code: usize,
    /// Lines with words of a comment on them, and nothing else.
    pub comments: usize,
}

/// Checks one file against the rules; see [`exempt`] for what remains then.
#[must_use]
pub fn check(file: &str, source: &Source, banners: &[&str]) -> Vec<Finding> {
    let mut check = Check {
        file,
        source,
        units: units(&source.tree),
        findings: Vec::new(),
    };
    check.header();
    check.unexplained();
    check.wide();
    check.budget();
    check.long();
    check.banners(banners);
    check.repeats();
    check.findings.sort_by_key(|finding| finding.line);
    check.findings
}

/// The banners that the table demands of a file.
#[must_use]
pub fn banners_of(file: &str) -> &'static [&'static str] {
    let entry = BANNERS.iter().find(|(name, _)| *name == file);
    entry.map_or(&[], |(_, banners)| banners)
}

/// Takes the exempted findings out, and adds one for each exemption that
/// nothing needed. `line_of` gives the text of a finding's line.
pub fn exempt(
    findings: Vec<Finding>,
    exemptions: &[Exemption],
    line_of: impl Fn(&Finding) -> String,
) -> Vec<Finding> {
    let mut used = vec![false; exemptions.len()];
    let mut left: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| {
            let line = line_of(finding);
            let exemption = exemptions.iter().position(|exemption| {
                exemption.file == finding.file
                    && exemption.rule == finding.rule
                    && exemption.line == line.trim()
            });
            exemption.map(|index| used[index] = true).is_none()
        })
        .collect();
    let unused = exemptions.iter().zip(used).filter(|(_, used)| !used);
    left.extend(unused.map(|(exemption, _)| Finding {
        file: exemption.file.to_owned(),
        line: 1,
        rule: Rule::Exemption,
        message: format!("no longer needed: exemption of {:?}", exemption.line),
    }));
    left
}

/// How much of a file is comment, its tests left out.
#[must_use]
pub fn share(source: &Source) -> Share {
    let tests = test_lines(&source.tree);
    let mut share = Share::default();
    for (number, line) in source.lines.iter().enumerate() {
        if tests.iter().any(|lines| lines.contains(&number)) {
            continue;
        }
        share.code += usize::from(line.code);
        let text = line.comment.as_deref().or(line.doc.as_deref());
        let words = text.is_some_and(|text| !text.trim().is_empty());
        share.comments += usize::from(line.is_comment() && words);
    }
    share
}

struct Check<'a> {
    file: &'a str,
    source: &'a Source,
    units: Vec<Unit>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, number: usize, rule: Rule, message: impl Into<String>) {
        self.findings.push(Finding {
            file: self.file.to_owned(),
            line: number + 1,
            rule,
            message: message.into(),
        });
    }

    fn header(&mut self) {
        let first = self.source.lines.first();
        if !first.is_some_and(|line| line.text.starts_with("//!")) {
            self.find(0, Rule::Header, "the file has no `//!` header");
        }
    }

    fn unexplained(&mut self) {
        for index in 0..self.units.len() {
            if !self.explained(index) {
                let unit = &self.units[index];
                let (line, kind) = (unit.first, unit.kind);
                let text = self.source.lines[line].text.trim();
                let message =
                    format!("{} without a comment: {text}", name(kind));
                self.find(line, Rule::Unexplained, message);
            }
        }
    }

    /// Whether a unit has a comment, by any of the ways there are.
    fn explained(&self, index: usize) -> bool {
        let unit = &self.units[index];
        if self.has_own_comment(unit) {
            return true;
        }
        if let Some(before) = unit.before
            && self.units[before].last + 1 == unit.first
            // One thought is not a whole block and what comes after it.
            && before + 1 == index
        {
            let run = matches!(unit.kind, Kind::Import | Kind::Row);
            let before_is_own = self.has_own_comment(&self.units[before]);
            if before_is_own || (run && self.explained(before)) {
                return true;
            }
        }
        unit.owner.is_some_and(|owner| self.explained(owner))
    }

    /// Whether a unit has a comment that is for it first of all.
    fn has_own_comment(&self, unit: &Unit) -> bool {
        let lines = &self.source.lines;
        let at = |number: usize| lines.get(number);
        let ends_with = |number: usize| {
            at(number).is_some_and(|line| line.code && line.comment.is_some())
        };
        let stands_on = |number: usize| {
            at(number).is_some_and(crate::source::Line::is_comment)
        };
        at(unit.first).is_some_and(|line| line.doc.is_some())
            || (unit.first > 0 && self.is_for_next(unit.first - 1))
            || ends_with(unit.first)
            || ends_with(unit.last)
            || unit.opens.is_some_and(|line| stands_on(line + 1))
    }

    /// Whether this line is a comment for what stands below: the header of a
    /// file is for nothing in particular.
    fn is_for_next(&self, number: usize) -> bool {
        let line = &self.source.lines[number];
        line.is_comment() && !line.text.starts_with("//!")
    }

    fn wide(&mut self) {
        for number in 0..self.source.lines.len() {
            let width = self.source.lines[number].text.width();
            if width > COLUMNS {
                let message = format!("{width} columns, more than {COLUMNS}");
                self.find(number, Rule::Wide, message);
            }
        }
    }

    fn budget(&mut self) {
        let share = share(self.source);
        if share.comments > BUDGET * share.code {
            let message = format!(
                "{} comment lines for {} code lines, more than {BUDGET} each",
                share.comments, share.code
            );
            self.find(0, Rule::Budget, message);
        }
    }

    fn long(&mut self) {
        let tests = test_lines(&self.source.tree);
        let mut length = 0;
        for number in 0..self.source.lines.len() {
            let line = &self.source.lines[number];
            let plain = line.is_comment() && line.comment.is_some();
            if !plain || tests.iter().any(|lines| lines.contains(&number)) {
                length = 0;
            } else if line.banner().is_none() {
                length += 1;
            }
            if length == COMMENT_LINES + 1 {
                let message =
                    format!("more than {COMMENT_LINES} comment lines");
                self.find(number, Rule::Long, message);
            }
        }
    }

    fn banners(&mut self, wanted: &[&str]) {
        let found: Vec<_> = self.source.banners().collect();
        let text = |number: usize| {
            let comment = self.source.lines[number].comment.as_deref();
            comment.unwrap_or_default().trim().to_owned()
        };
        let found: Vec<(usize, String)> = found
            .into_iter()
            .map(|(number, _)| (number, text(number)))
            .collect();
        for (place, banner) in wanted.iter().enumerate() {
            match found.get(place) {
                Some((_, text)) if text == banner => {}
                Some((number, text)) => {
                    let message =
                        format!("banner {text:?} where {banner:?} belongs");
                    return self.find(*number, Rule::Banner, message);
                }
                None => {
                    let last = self.source.lines.len().saturating_sub(1);
                    let message = format!("banner {banner:?} is missing");
                    return self.find(last, Rule::Banner, message);
                }
            }
        }
        if let Some((number, text)) = found.get(wanted.len()) {
            let message = format!("banner {text:?} is not in the table");
            self.find(*number, Rule::Banner, message);
        }
    }

    fn repeats(&mut self) {
        for index in 0..self.units.len() {
            let unit = self.units[index].clone();
            let Some((comment, number, code)) = self.comment_and_code(&unit)
            else {
                continue;
            };
            if repeats(&comment, &code) {
                let message = format!("only repeats its line: {comment}");
                self.find(number, Rule::Repeats, message);
            }
        }
    }

    /// The comment on top of a unit or at the end of its line, without
    /// banners; the line where it begins; and the first line of its code.
    fn comment_and_code(&self, unit: &Unit) -> Option<(String, usize, String)> {
        let lines = &self.source.lines;
        let mut code = unit.first;
        while code < unit.last && !lines[code].code {
            code += 1;
        }
        let mut first = code;
        while first > 0 && self.is_for_next(first - 1) {
            first -= 1;
        }
        let above = lines[first..code]
            .iter()
            .filter(|line| line.banner().is_none());
        let words = above
            .filter_map(|line| line.comment.as_deref().or(line.doc.as_deref()));
        let mut comment = words.collect::<Vec<_>>().join("");
        if comment.is_empty() {
            first = code;
            comment = lines[code].comment.clone()?;
        }
        let own: String = lines[code].text.clone();
        let own = own.split("//").next().unwrap_or_default().to_owned();
        Some((comment.trim().to_owned(), first, own))
    }
}

/// What a unit is called.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Statement => "statement",
        Kind::Arm | Kind::Row => "match arm",
        Kind::Field => "field",
        Kind::Item => "item",
        Kind::Import => "`use` or `mod`",
    }
}
