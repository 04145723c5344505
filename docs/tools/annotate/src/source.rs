//! A source file as a class reads it: lines, comments, and the code that each
//! comment explains.
//!
//! Nothing here knows a programming language. A reader such as
//! [`crate::rust`] finds the [`Parts`] of a file; [`Source::new`] puts them
//! together. The check and the book's pages are made from the same reading.

use std::ops::Range;

use serde::Deserialize;

/// A source file, read.
#[derive(Debug)]
pub struct Source {
    /// Its path below the root of the repository, with `/` between names.
    pub path: String,
    /// All of its lines; line 1 is `lines[0]`.
    pub lines: Vec<Line>,
    /// The comments that fill lines of their own, in order. Those of tests
    /// are not among them.
    pub comments: Vec<Comment>,
    /// What a comment can explain, in order, one for each line at most. What
    /// stands in tests is not among them.
    pub units: Vec<Unit>,
    /// All lines, each in one block, in order.
    pub blocks: Vec<Block>,
}

/// One line.
#[derive(Debug)]
pub struct Line {
    /// The line as it stands in the file, with its line end.
    pub text: String,
    /// What it is.
    pub kind: LineKind,
    /// The tokens of its code.
    pub tokens: Vec<String>,
    /// The text of the comment on it, be it at its end or all there is.
    pub comment: Option<String>,
}

impl Line {
    /// How many blanks it begins with.
    pub fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }

    /// Whether its code is closing brackets and nothing else.
    pub fn only_closes(&self) -> bool {
        let mut tokens = self.tokens.iter();
        tokens.all(|token| token.chars().all(|c| ")]};,?".contains(c)))
    }
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Nothing at all.
    Blank,
    /// A comment and nothing else.
    Comment,
    /// Code, with or without a comment at its end.
    Code,
    /// The line belongs to a test.
    Test,
}

/// Comment lines that follow one another without anything in between; a
/// banner begins a new one.
#[derive(Clone, Debug)]
pub struct Comment {
    /// Its lines, the last one excluded.
    pub lines: Range<usize>,
    /// The banner in its first line.
    pub banner: Option<Banner>,
    /// All of it but the banner, as Markdown.
    pub note: String,
    /// How many of its lines are documentation comments.
    pub doc_lines: usize,
}

impl Comment {
    /// How many lines its note has.
    pub fn note_lines(&self) -> usize {
        self.lines.len() - usize::from(self.banner.is_some())
    }

    /// How many lines of its note are ordinary comments.
    pub fn plain_lines(&self) -> usize {
        self.note_lines() - self.doc_lines
    }
}

/// A numbered heading in the source, such as `// 4.1 Receive data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// The number, without a dot at its end: `1`, `4.1`, `4.b`.
    pub number: String,
    /// The words after it.
    pub title: String,
}

impl Banner {
    /// Reads a comment's line as a banner, if it is one: a number, a dot
    /// after it or within, and a title with a capital letter.
    pub fn parse(line: &str) -> Option<Self> {
        let (number, title) = line.trim().split_once(' ')?;
        let bare = number.strip_suffix('.').unwrap_or(number);
        let mut parts = bare.split('.');
        let first = parts.next()?;
        let is_number = number.contains('.')
            && is_ordinal(first)
            && parts.all(|part| is_ordinal(part) || is_letter(part));
        let is_title = title.starts_with(char::is_uppercase);
        (is_number && is_title).then(|| Self {
            number: bare.to_owned(),
            title: title.trim().to_owned(),
        })
    }

    /// How deep the heading is: 1 for `4`, 2 for `4.1`.
    pub fn level(&self) -> usize {
        self.number.split('.').count()
    }
}

fn is_ordinal(part: &str) -> bool {
    !part.starts_with('0')
        && !part.is_empty()
        && part.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_letter(part: &str) -> bool {
    part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Something that needs a comment, or may have one.
#[derive(Clone, Debug, Deserialize)]
pub struct Unit {
    /// What it is.
    pub kind: Kind,
    /// Its first line, attributes and documentation comments included.
    pub top: usize,
    /// The line of its first word after these.
    pub line: usize,
    /// Its last line.
    pub last: usize,
    /// The line that opens its block: of an arm, or of a function. A comment
    /// may stand inside, and in Python the documentation.
    pub open: Option<usize>,
    /// Whether it is all that there is in a function, or in an `impl`.
    pub sole: bool,
    /// Whether it only hands on a result, or only leaves: nothing to explain.
    pub hands_on: bool,
}

impl Unit {
    /// Whether a comment is the first thing inside its block.
    pub fn is_first_inside(&self, comment: &Comment) -> bool {
        self.open.is_some_and(|open| open + 1 == comment.lines.start)
    }
}

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Kind {
    /// An import.
    Use,
    /// A module that is in another file.
    Module,
    /// A function, a type, a constant: whatever has a name of its own.
    Item,
    /// The head of an `impl`, which needs no comment.
    Impl,
    /// A field of a struct, or of a variant.
    Field,
    /// A variant of an enum.
    Variant,
    /// An arm of a match.
    Arm,
    /// An arm that only gives a literal, as a row of a table does.
    Row,
    /// In Python, what begins another block of the same statement (`else:`,
    /// `except:`), which needs no comment.
    Branch,
    /// A statement, or the value at the end of a block.
    Statement,
}

impl Kind {
    /// Whether documentation comments explain it, which may be longer.
    pub fn is_item(self) -> bool {
        matches!(self, Self::Use | Self::Module | Self::Item | Self::Impl)
    }
}

/// A comment and the code that it explains: one row of a page.
#[derive(Debug)]
pub struct Block {
    /// The lines of code above the comment, mostly none: attributes, if it
    /// stands among them; the head of a Python function, if it stands inside.
    pub head_lines: Range<usize>,
    /// The lines of the comment, none if nothing is said of this code.
    pub note_lines: Range<usize>,
    /// The lines of the code, which begin where the comment ends.
    pub code_lines: Range<usize>,
    /// The comment, if there is one.
    pub comment: Option<Comment>,
    /// Whether it is a test.
    pub test: bool,
}

impl Block {
    /// All its lines.
    pub fn lines(&self) -> Range<usize> {
        self.head_lines.start..self.code_lines.end
    }

    /// The banner that it begins with.
    pub fn banner(&self) -> Option<&Banner> {
        self.comment.as_ref()?.banner.as_ref()
    }

    /// The note, as Markdown.
    pub fn note(&self) -> &str {
        self.comment.as_ref().map_or("", |comment| comment.note.trim())
    }
}

/// What a reader of a programming language finds in a file.
#[derive(Debug, Default, Deserialize)]
pub struct Parts {
    /// The tokens of the code, in order.
    pub tokens: Vec<Token>,
    /// The comments, one piece for each line of them, in order.
    pub pieces: Vec<Piece>,
    /// What needs comments.
    pub units: Vec<Unit>,
    /// The lines of tests, the last one excluded.
    pub tests: Vec<Range<usize>>,
}

/// A token of the code.
#[derive(Debug, Deserialize)]
pub struct Token {
    /// The lines that it stands on; only a literal has more than one.
    pub lines: Range<usize>,
    /// Its text.
    pub text: String,
}

/// One line of a comment.
#[derive(Debug, Deserialize)]
pub struct Piece {
    /// The line that it stands on.
    pub line: usize,
    /// Its text, without the marks that make it a comment.
    pub text: String,
    /// Whether it is documentation.
    pub doc: bool,
    /// Whether it does not go on where the line above it has ended.
    pub apart: bool,
}

impl Source {
    /// Puts the parts of a file together.
    pub fn new(path: &str, text: &str, parts: Parts) -> Self {
        let mut lines: Vec<Line> = text
            .split_inclusive('\n')
            .map(|text| Line {
                text: text.to_owned(),
                kind: LineKind::Blank,
                tokens: Vec::new(),
                comment: None,
            })
            .collect();
        for token in parts.tokens {
            for line in token.lines.clone() {
                lines[line - 1].kind = LineKind::Code;
            }
            lines[token.lines.start - 1].tokens.push(token.text);
        }
        let mut comments: Vec<Comment> = Vec::new();
        for piece in parts.pieces {
            let line = &mut lines[piece.line - 1];
            line.comment = Some(piece.text.clone());
            if line.kind == LineKind::Code {
                continue;
            }
            line.kind = LineKind::Comment;
            let banner = Banner::parse(&piece.text);
            match comments.last_mut() {
                Some(last)
                    if last.lines.end == piece.line
                        && banner.is_none()
                        && !piece.apart =>
                {
                    last.extend(&piece);
                }
                _ => comments.push(Comment::begin(piece, banner)),
            }
        }
        for test in &parts.tests {
            // The comment above a test belongs to the test.
            let above =
                comments.iter().find(|comment| comment.lines.end == test.start);
            let start = above.map_or(test.start, |comment| comment.lines.start);
            for line in start..test.end {
                lines[line - 1].kind = LineKind::Test;
            }
        }
        let kind = |line: usize| lines[line - 1].kind;
        comments.retain(|comment| kind(comment.lines.start) != LineKind::Test);
        let mut units = parts.units;
        units.retain(|unit| kind(unit.line) != LineKind::Test);
        units.sort_by_key(|unit| unit.line);
        units.dedup_by_key(|unit| unit.line);
        let mut source = Self {
            path: path.to_owned(),
            lines,
            comments,
            units,
            blocks: Vec::new(),
        };
        source.blocks = source.blocks();
        source
    }

    /// The line of this number, counted from 1.
    pub fn line(&self, number: usize) -> Option<&Line> {
        self.lines.get(number.checked_sub(1)?)
    }

    /// What the line of this number is; blank if there is none.
    pub fn kind(&self, number: usize) -> LineKind {
        self.line(number).map_or(LineKind::Blank, |line| line.kind)
    }

    /// How many blanks the line of this number begins with.
    pub fn indent(&self, number: usize) -> usize {
        self.line(number).map_or(0, Line::indent)
    }

    /// The text of these lines, as it stands in the file.
    pub fn text(&self, lines: Range<usize>) -> String {
        lines
            .filter_map(|line| self.line(line))
            .map(|line| line.text.as_str())
            .collect()
    }

    /// How many lines have code on them, tests left out.
    pub fn code_count(&self) -> usize {
        let lines = self.lines.iter();
        lines.filter(|line| line.kind == LineKind::Code).count()
    }

    /// How many lines have words of a comment on them and nothing else, tests
    /// left out.
    pub fn comment_count(&self) -> usize {
        let has_words = |line: &&Line| {
            let comment = line.comment.as_deref();
            line.kind == LineKind::Comment
                && comment.is_some_and(|text| !text.trim().is_empty())
        };
        self.lines.iter().filter(has_words).count()
    }

    /// The banners, each with its line.
    pub fn banners(&self) -> impl Iterator<Item = (usize, &Banner)> {
        self.comments.iter().filter_map(|comment| {
            Some((comment.lines.start, comment.banner.as_ref()?))
        })
    }

    /// The comments that explain a unit: directly above it, or among its
    /// attributes.
    pub fn comments_of(&self, unit: &Unit) -> impl Iterator<Item = &Comment> {
        let range = unit.top..=unit.line;
        self.comments
            .iter()
            .filter(move |comment| range.contains(&comment.lines.end))
    }

    /// The unit that a comment explains; none in the middle of a statement.
    pub fn unit_of(&self, comment: &Comment) -> Option<&Unit> {
        self.units.iter().find(|unit| {
            let documents = comment.doc_lines > 0
                && unit.kind.is_item()
                && unit.is_first_inside(comment);
            documents || (unit.top..=unit.line).contains(&comment.lines.end)
        })
    }

    /// The head of a unit: its lines up to the next unit.
    pub fn head(&self, index: usize) -> Range<usize> {
        let unit = &self.units[index];
        let next = self.units.get(index + 1).map_or(usize::MAX, |n| n.top);
        unit.line..next.clamp(unit.line + 1, unit.last + 1)
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        for number in 1..=self.lines.len() {
            let test = self.lines[number - 1].kind == LineKind::Test;
            let comment = self
                .comments
                .iter()
                .find(|comment| comment.lines.start == number);
            let begins = comment.is_some() || self.begins_uncommented(number);
            match blocks.last_mut() {
                Some(last) if number < last.code_lines.end => {}
                Some(last)
                    if comment.is_some_and(|c| self.documents(c, last)) =>
                {
                    last.head_lines = last.code_lines.clone();
                    last.comment = comment.cloned();
                    let end = comment.map_or(number, |c| c.lines.end);
                    last.note_lines = number..end;
                    last.code_lines = end..end;
                }
                Some(last) if last.test == test && !begins => {
                    last.code_lines.end = number + 1;
                }
                _ => {
                    let code = comment.map_or(number, |c| c.lines.end);
                    blocks.push(Block {
                        head_lines: number..number,
                        note_lines: number..code,
                        code_lines: code..code.max(number + 1),
                        comment: comment.cloned(),
                        test,
                    });
                }
            }
        }
        blocks
    }

    /// Whether a comment documents what a block has begun with: nothing else
    /// is said of that.
    fn documents(&self, comment: &Comment, block: &Block) -> bool {
        block.comment.is_none()
            && self.unit_of(comment).is_some_and(|unit| {
                unit.kind.is_item() && unit.top == block.code_lines.start
            })
    }

    /// Whether an item begins here of which nothing is said, which is not
    /// what the comment before it explains. Imports that follow one another
    /// stay together.
    fn begins_uncommented(&self, number: usize) -> bool {
        let found = self.units.iter().position(|unit| unit.top == number);
        found.is_some_and(|index| {
            let unit = &self.units[index];
            let runs_on = index.checked_sub(1).is_some_and(|before| {
                let before = &self.units[before];
                before.kind == unit.kind
                    && matches!(unit.kind, Kind::Use | Kind::Module)
                    && before.last + 1 == number
            });
            unit.kind.is_item()
                && !runs_on
                && self.comments_of(unit).all(|c| c.lines.start > number)
        })
    }
}

impl Comment {
    fn begin(piece: Piece, banner: Option<Banner>) -> Self {
        let is_banner = banner.is_some();
        Self {
            lines: piece.line..piece.line + 1,
            banner,
            note: if is_banner { String::new() } else { piece.text },
            doc_lines: usize::from(piece.doc && !is_banner),
        }
    }

    fn extend(&mut self, piece: &Piece) {
        self.lines.end += 1;
        self.doc_lines += usize::from(piece.doc);
        if self.note_lines() > 1 {
            self.note.push('\n');
        }
        self.note.push_str(&piece.text);
    }
}
