//! The reading of a source file: which lines are code, which are comments, and
//! which code a comment stands before.

use std::ops::Range;
use std::str::FromStr as _;

use proc_macro2::{TokenStream, TokenTree};

/// A source file, read.
#[derive(Debug)]
pub struct Source {
    /// The whole text.
    pub text: String,
    /// Its syntax tree.
    pub tree: syn::File,
    /// Its lines, the first at index 0.
    pub lines: Vec<Line>,
}

/// One line of a source file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The line as it stands, without its newline.
    pub text: String,
    /// Whether there is code on it.
    pub code: bool,
    /// The text of a comment on it, without its slashes.
    pub comment: Option<String>,
    /// The text of a doc comment on it, without its slashes.
    pub doc: Option<String>,
}

/// A heading in a source file: `// 4.1 Receive data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// Its number: `4.1`.
    pub number: String,
    /// What follows: `Receive data`.
    pub title: String,
}

/// A part of a file: perhaps a banner, perhaps a comment, and the code behind
/// it. The blocks of a file hold every line of it once, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The banners that it begins with: one, or two on consecutive lines.
    pub banners: Vec<Banner>,
    /// The comment as Markdown, without slashes and banners.
    pub note: String,
    /// All its lines, counted from 0.
    pub lines: Range<usize>,
    /// Those of them that are code, or blank lines between code.
    pub code: Range<usize>,
}

impl Line {
    /// Whether it holds a comment, or a part of one, and nothing else.
    #[must_use]
    pub fn is_comment(&self) -> bool {
        !self.code && (self.comment.is_some() || self.doc.is_some())
    }

    /// The banner on this line, if it is one.
    #[must_use]
    pub fn banner(&self) -> Option<Banner> {
        if self.code {
            return None;
        }
        let text = self.comment.as_deref()?.trim_start();
        let (number, title) = text.split_once(' ')?;
        let digits = number.strip_suffix('.').unwrap_or(number);
        let numbered = number.contains('.')
            && digits
                .split('.')
                .all(|part| !part.is_empty() && part.parse::<u8>().is_ok());
        numbered.then(|| Banner {
            number: digits.to_owned(),
            title: title.trim().to_owned(),
        })
    }
}

impl Source {
    /// Reads a file from its text.
    ///
    /// # Errors
    ///
    /// When the text is not Rust.
    pub fn read(text: &str) -> syn::Result<Self> {
        let tree = syn::parse_file(text)?;
        let tokens = TokenStream::from_str(text)?;
        let mut kinds = vec![Kind::Gap; text.len()];
        mark(tokens, text, &mut kinds);
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let range = start..start + line.trim_end_matches('\n').len();
            lines.push(read_line(&text[range.clone()], &kinds[range]));
            start += line.len();
        }
        Ok(Self {
            text: text.to_owned(),
            tree,
            lines,
        })
    }

    /// All banners, each with its line, counted from 0.
    pub fn banners(&self) -> impl Iterator<Item = (usize, Banner)> {
        let lines = self.lines.iter().enumerate();
        lines.filter_map(|(number, line)| Some((number, line.banner()?)))
    }

    /// The file in blocks of a comment and the code behind it.
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        let mut starts: Vec<usize> = (0..self.lines.len())
            .filter(|&number| {
                self.lines[number].is_comment()
                    && (number == 0 || !self.lines[number - 1].is_comment())
            })
            .collect();
        if starts.first() != Some(&0) && !self.lines.is_empty() {
            starts.insert(0, 0);
        }
        let ends = starts.iter().skip(1).copied();
        let ends = ends.chain([self.lines.len()]);
        let ranges: Vec<_> = starts.iter().copied().zip(ends).collect();
        ranges
            .into_iter()
            .map(|(start, end)| self.block(start..end))
            .collect()
    }

    fn block(&self, lines: Range<usize>) -> Block {
        let is_code = |number: &usize| !self.lines[*number].is_comment();
        let code = lines.clone().find(is_code).unwrap_or(lines.end);
        let comments = &self.lines[lines.start..code];
        let note: Vec<&str> = comments
            .iter()
            .filter(|line| line.banner().is_none())
            .filter_map(|line| line.comment.as_deref().or(line.doc.as_deref()))
            .map(|text| text.strip_prefix(' ').unwrap_or(text))
            .collect();
        Block {
            banners: comments.iter().filter_map(Line::banner).collect(),
            note: note.join("\n"),
            code: code..lines.end,
            lines,
        }
    }
}

/// What a byte of the file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// White space or a comment: the parser has skipped it.
    Gap,
    Code,
    Doc,
}

/// Marks the bytes of all tokens. A doc comment is an attribute to the parser,
/// whose tokens all stand where the comment stands.
fn mark(tokens: TokenStream, text: &str, kinds: &mut [Kind]) {
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            let open = group.span_open().byte_range();
            let close = group.span_close().byte_range();
            if is_comment(&text[open.clone()]) {
                kinds[open].fill(Kind::Doc);
                continue;
            }
            kinds[open].fill(Kind::Code);
            kinds[close].fill(Kind::Code);
            mark(group.stream(), text, kinds);
            continue;
        }
        let range = token.span().byte_range();
        let doc = is_comment(&text[range.clone()]);
        kinds[range].fill(if doc { Kind::Doc } else { Kind::Code });
    }
}

/// Whether a token's text is a comment, and so the token a doc comment's.
fn is_comment(text: &str) -> bool {
    text.starts_with("//") || text.starts_with("/*")
}

/// Reads one line, given what each of its bytes belongs to.
fn read_line(text: &str, kinds: &[Kind]) -> Line {
    let part = |wanted: Kind| -> Option<String> {
        let bytes = text.bytes().zip(kinds);
        let bytes = bytes
            .filter(|(_, kind)| **kind == wanted)
            .map(|(byte, _)| byte);
        let part = String::from_utf8(bytes.collect()).ok()?;
        (!part.trim().is_empty()).then(|| part.trim().to_owned())
    };
    let comment = part(Kind::Gap)
        .map(|text| text.strip_prefix("//").unwrap_or(&text).to_owned());
    let doc = part(Kind::Doc).map(|text| {
        let text = text.strip_prefix("//!").or(text.strip_prefix("///"));
        text.unwrap_or_default().to_owned()
    });
    Line {
        text: text.to_owned(),
        code: part(Kind::Code).is_some(),
        comment,
        doc,
    }
}
