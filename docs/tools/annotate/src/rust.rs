//! Reads Rust: the tokens and the syntax tree come from real parsers, the
//! comments from the gaps between the tokens, where nothing else can be.

use std::mem;
use std::ops::Range;

use proc_macro2::{Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Expr, ForeignItem, Ident, ImplItem, Item, ItemImpl, Stmt,
    TraitItem,
};

use crate::source::{Kind, Parts, Piece, Source, Token, Unit, Unreadable};

impl From<syn::Error> for Unreadable {
    fn from(error: syn::Error) -> Self {
        Self { line: error.span().start().line, message: error.to_string() }
    }
}

/// Reads a Rust file.
///
/// # Errors
///
/// When the text is not Rust.
pub fn read(path: &str, text: &str) -> Result<Source, Unreadable> {
    let stream: TokenStream = text.parse().map_err(syn::Error::from)?;
    let file: syn::File = syn::parse2(stream.clone())?;
    let mut reader = Reader {
        text,
        starts: line_starts(text),
        leaves: Vec::new(),
        parts: Parts::default(),
        sole: false,
        hands_on: false,
    };
    reader.flatten(stream);
    reader.find_comments();
    reader.visit_file(&file);
    reader.take_tokens();
    Ok(Source::new(path, text, reader.parts))
}

/// Where in the text each line begins.
fn line_starts(text: &str) -> Vec<usize> {
    let ends = text.match_indices('\n').map(|(index, _)| index + 1);
    std::iter::once(0).chain(ends).collect()
}

/// A token without its inside, or a documentation comment.
struct Leaf {
    range: Range<usize>,
    doc: bool,
    /// Whether the next one belongs to the same operator.
    joint: bool,
}

struct Reader<'a> {
    text: &'a str,
    starts: Vec<usize>,
    leaves: Vec<Leaf>,
    parts: Parts,
    /// Whether the next unit is all that there is in a function's body, or in
    /// an `impl`.
    sole: bool,
    /// Whether the next unit only hands on a result.
    hands_on: bool,
}

impl Reader<'_> {
    fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    fn lines_of(&self, range: &Range<usize>) -> Range<usize> {
        let last = range.end.max(range.start + 1) - 1;
        self.line_of(range.start)..self.line_of(last) + 1
    }

    fn flatten(&mut self, stream: TokenStream) {
        for tree in stream {
            match tree {
                TokenTree::Group(group) => {
                    self.push(group.span_open(), false);
                    self.flatten(group.stream());
                    self.push(group.span_close(), false);
                }
                TokenTree::Punct(punct) => {
                    let joint = punct.spacing() == Spacing::Joint;
                    self.push(punct.span(), joint);
                }
                tree => self.push(tree.span(), false),
            }
        }
    }

    /// Adds a token. To the parser a documentation comment is an attribute,
    /// whose tokens all stand where the comment stands.
    fn push(&mut self, span: Span, joint: bool) {
        let range = span.byte_range();
        let end = self.leaves.last().map_or(0, |leaf| leaf.range.end);
        if range.start < end {
            return;
        }
        let text = &self.text[range.clone()];
        let doc = text.starts_with("//") || text.starts_with("/*");
        self.leaves.push(Leaf { range, doc, joint });
    }

    /// Finds the comments: documentation among the tokens, all others in the
    /// gaps between them.
    fn find_comments(&mut self) {
        let mut end = 0;
        for index in 0..self.leaves.len() {
            let leaf = &self.leaves[index];
            let (range, doc) = (leaf.range.clone(), leaf.doc);
            self.search_gap(end..range.start);
            if doc {
                self.add_comment(range.clone(), true);
            }
            end = range.end;
        }
        self.search_gap(end..self.text.len());
    }

    fn search_gap(&mut self, gap: Range<usize>) {
        let mut at = gap.start;
        while let Some(found) = self.text[at..gap.end].find('/') {
            let start = at + found;
            let length = comment_length(&self.text[start..gap.end]);
            at = start + length;
            self.add_comment(start..at, false);
        }
    }

    fn add_comment(&mut self, range: Range<usize>, doc: bool) {
        let text = &self.text[range.clone()];
        let first = self.line_of(range.start);
        let block = text.starts_with("/*");
        let text = text.strip_suffix("*/").unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let line = match index {
                0 => line.trim_start_matches(['/', '*', '!']),
                _ if block => line.trim_start_matches('*'),
                _ => line,
            };
            let line = line.strip_prefix(' ').unwrap_or(line);
            self.parts.pieces.push(Piece {
                line: first + index,
                text: line.to_owned(),
                doc,
                apart: false,
            });
        }
    }

    /// Hands over the tokens, each operator as one.
    fn take_tokens(&mut self) {
        let mut start = None;
        for leaf in &self.leaves {
            let first = start.take().unwrap_or(leaf.range.start);
            if leaf.joint && !leaf.doc {
                start = Some(first);
            } else if !leaf.doc {
                let range = first..leaf.range.end;
                self.parts.tokens.push(Token {
                    lines: self.lines_of(&range),
                    text: self.text[range].to_owned(),
                });
            }
        }
    }

    /// Adds what stands here, if it begins a line; says whether it is code
    /// that only tests have.
    fn add(
        &mut self,
        kind: Kind,
        node: &(impl ToTokens + Spanned),
        open: Option<Span>,
    ) -> bool {
        let range = node.span().byte_range();
        let (start, test) = after_attributes(node).unwrap_or_default();
        let start = start.max(range.start);
        let sole = mem::take(&mut self.sole);
        let hands_on = mem::take(&mut self.hands_on);
        let lines = self.lines_of(&range);
        let line = self.line_of(start);
        let before = &self.text[self.starts[line - 1]..start];
        if test {
            self.parts.tests.push(lines);
        } else if before.trim().is_empty() {
            self.parts.units.push(Unit {
                kind,
                top: lines.start,
                line,
                last: lines.end - 1,
                open: open.map(|open| self.line_of(open.byte_range().start)),
                sole,
                hands_on,
            });
        }
        test
    }

    /// Adds an item, of a function with its body; says what `add` says.
    fn add_item(
        &mut self,
        kind: Kind,
        item: &(impl ToTokens + Spanned),
        body: Option<&Block>,
    ) -> bool {
        let open = body.map(|body| body.brace_token.span.open());
        let test = self.add(kind, item, open);
        self.sole = !test && body.is_some_and(|body| body.stmts.len() == 1);
        test
    }
}

/// Where something begins after its attributes, documentation among them; and
/// whether one of them is `#[cfg(test)]`.
fn after_attributes(node: &impl ToTokens) -> syn::Result<(usize, bool)> {
    let read = |input: ParseStream<'_>| {
        let attributes = input.call(Attribute::parse_outer)?;
        let start = input.span().byte_range().start;
        input.parse::<TokenStream>()?;
        let test = attributes.iter().any(|it| {
            it.path().is_ident("cfg")
                && it.parse_args::<Ident>().is_ok_and(|word| word == "test")
        });
        Ok((start, test))
    };
    read.parse2(node.to_token_stream())
}

/// Whether this is a literal or a constant, or made of nothing else.
fn is_literal(value: &Expr) -> bool {
    match value {
        Expr::Lit(_) => true,
        Expr::Path(path) => path.path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            name != "None" && name.starts_with(char::is_uppercase)
        }),
        Expr::Tuple(tuple) => tuple.elems.iter().all(is_literal),
        Expr::Array(array) => array.elems.iter().all(is_literal),
        Expr::Reference(reference) => is_literal(&reference.expr),
        Expr::Unary(unary) => is_literal(&unary.expr),
        _ => false,
    }
}

/// Whether this only leaves a block, with or without a result.
fn leaves(value: &Expr) -> bool {
    let result = match value {
        Expr::Return(leave) => leave.expr.as_deref(),
        Expr::Break(leave) => leave.expr.as_deref(),
        Expr::Continue(_) => None,
        _ => return false,
    };
    result.is_none_or(hands_on)
}

/// Whether this is a result that was there before: a name, a field, a literal,
/// or what puts these together, as `Ok` does.
fn hands_on(value: &Expr) -> bool {
    match value {
        Expr::Lit(_) | Expr::Path(_) => true,
        Expr::Field(field) => hands_on(&field.base),
        Expr::Reference(reference) => hands_on(&reference.expr),
        Expr::Try(attempt) => hands_on(&attempt.expr),
        Expr::Tuple(tuple) => tuple.elems.iter().all(hands_on),
        Expr::Call(call) => {
            let wraps = match &*call.func {
                Expr::Path(path) => {
                    let wraps = |name| path.path.is_ident(name);
                    ["Ok", "Err", "Some"].into_iter().any(wraps)
                }
                _ => false,
            };
            wraps && call.args.iter().all(gives)
        }
        Expr::Struct(value) => {
            let mut fields = value.fields.iter();
            fields.all(|field| gives(&field.expr))
                && value.rest.as_deref().is_none_or(gives)
        }
        Expr::MethodCall(call) => {
            call.method == "into" && hands_on(&call.receiver)
        }
        _ => leaves(value),
    }
}

/// Whether this is a result that was there before, or that another function
/// gives without being told anything.
fn gives(value: &Expr) -> bool {
    match value {
        Expr::MethodCall(call) => call.args.is_empty() && gives(&call.receiver),
        Expr::Try(attempt) => gives(&attempt.expr),
        _ => hands_on(value),
    }
}

/// How long the comment is that a text begins with.
fn comment_length(text: &str) -> usize {
    if !text.starts_with("/*") {
        return text.find('\n').unwrap_or(text.len());
    }
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        let step = if rest.starts_with(b"/*") {
            depth += 1;
            2
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            2
        } else {
            1
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (kind, body) = match item {
            Item::Use(_) => (Kind::Use, None),
            Item::Mod(module) if module.content.is_none() => {
                (Kind::Module, None)
            }
            Item::Impl(_) => (Kind::Impl, None),
            Item::Fn(function) => (Kind::Item, Some(&*function.block)),
            _ => (Kind::Item, None),
        };
        if !self.add_item(kind, item, body) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let body = match item {
            ImplItem::Fn(function) => Some(&function.block),
            _ => None,
        };
        if !self.add_item(Kind::Item, item, body) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let body = match item {
            TraitItem::Fn(function) => function.default.as_ref(),
            _ => None,
        };
        if !self.add_item(Kind::Item, item, body) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_foreign_item(&mut self, item: &'ast ForeignItem) {
        if !self.add_item(Kind::Item, item, None) {
            visit::visit_foreign_item(self, item);
        }
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        self.sole = block.items.len() == 1;
        visit::visit_item_impl(self, block);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        let named = field.ident.is_some();
        if !(named && self.add(Kind::Field, field, None)) {
            visit::visit_field(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !self.add(Kind::Variant, variant, None) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let open = match &*arm.body {
            Expr::Block(body) => Some(body.block.brace_token.span.open()),
            _ => None,
        };
        let literal = is_literal(&arm.body);
        let kind = if literal { Kind::Row } else { Kind::Arm };
        self.hands_on = !literal && hands_on(&arm.body);
        if !self.add(kind, arm, open) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let item = matches!(statement, Stmt::Item(_));
        self.hands_on = match statement {
            Stmt::Expr(value, None) => hands_on(value),
            Stmt::Expr(value, Some(_)) => leaves(value),
            _ => false,
        };
        if item || !self.add(Kind::Statement, statement, None) {
            visit::visit_stmt(self, statement);
        }
    }
}
