//! Reads Rust: the tokens and the syntax tree come from real parsers, the
//! comments from the gaps between the tokens, where nothing else can be.

use std::mem;
use std::ops::Range;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Expr, ForeignItem, Ident, ImplItem, Item, ItemImpl, Stmt,
    TraitItem,
};

use crate::rules::Finding;
use crate::source::{Kind, Parts, Piece, Source, Token, Unit};

/// Reads a Rust file.
///
/// # Errors
///
/// When the text is not Rust.
pub fn read(path: &str, text: &str) -> Result<Source, Finding> {
    let parts = parts(text).map_err(|error| Finding {
        path: path.to_owned(),
        line: error.span().start().line,
        message: error.to_string(),
    })?;
    Ok(Source::new(path, text, parts))
}

fn parts(text: &str) -> syn::Result<Parts> {
    let stream: TokenStream = text.parse()?;
    let file: syn::File = syn::parse2(stream.clone())?;
    let mut reader = Reader {
        text,
        end: 0,
        parts: Parts::default(),
        sole: false,
        hands_on: false,
    };
    reader.take_tokens(stream);
    reader.take_comments(reader.end..text.len(), false);
    reader.visit_file(&file);
    Ok(reader.parts)
}

struct Reader<'a> {
    text: &'a str,
    /// Where the last token that was taken ends.
    end: usize,
    parts: Parts,
    /// Whether the next unit is all that there is in a function's body, or in
    /// an `impl`.
    sole: bool,
    /// Whether the next unit only hands on a result.
    hands_on: bool,
}

impl Reader<'_> {
    fn take_tokens(&mut self, stream: TokenStream) {
        for tree in stream {
            if let TokenTree::Group(group) = tree {
                self.take_token(group.span_open());
                self.take_tokens(group.stream());
                self.take_token(group.span_close());
            } else {
                self.take_token(tree.span());
            }
        }
    }

    /// Takes a token, and the comments before it. To the parser a
    /// documentation comment is an attribute, whose tokens all stand where the
    /// comment stands.
    fn take_token(&mut self, span: Span) {
        let range = span.byte_range();
        if range.start < self.end {
            return;
        }
        self.take_comments(self.end..range.start, false);
        self.end = range.end;
        let text = &self.text[range.clone()];
        if text.starts_with("//") || text.starts_with("/*") {
            self.take_comments(range, true);
        } else {
            let (lines, text) = (lines_of(span), text.to_owned());
            self.parts.tokens.push(Token { lines, text });
        }
    }

    /// Takes the comments between two tokens, where nothing else can be, or a
    /// documentation comment.
    fn take_comments(&mut self, range: Range<usize>, doc: bool) {
        let first = self.text[..range.start].matches('\n').count() + 1;
        for (number, line) in (first..).zip(self.text[range].lines()) {
            let line = line.trim();
            if !line.is_empty() {
                let text = line.trim_start_matches(['/', '*', '!']);
                let text = text.strip_prefix(' ').unwrap_or(text);
                let text = text.strip_suffix("*/").unwrap_or(text).trim_end();
                self.parts.pieces.push(Piece {
                    line: number,
                    text: text.to_owned(),
                    doc,
                    apart: false,
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
        let lines = lines_of(node.span());
        let (first, test) =
            after_attributes(node).unwrap_or((node.span(), false));
        let sole = mem::take(&mut self.sole);
        let hands_on = mem::take(&mut self.hands_on);
        let before = self.text[..first.byte_range().start].rsplit('\n').next();
        if test {
            self.parts.tests.push(lines);
        } else if before.is_none_or(|it| it.trim().is_empty()) {
            self.parts.units.push(Unit {
                kind,
                top: lines.start,
                line: first.start().line,
                last: lines.end - 1,
                open: open.map(|open| open.start().line),
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

/// The lines that something stands on.
fn lines_of(span: Span) -> Range<usize> {
    span.start().line..span.end().line + 1
}

/// What something begins with after its attributes, documentation among them;
/// and whether one of them is `#[cfg(test)]`.
fn after_attributes(node: &impl ToTokens) -> syn::Result<(Span, bool)> {
    let read = |input: ParseStream<'_>| {
        let attributes = input.call(Attribute::parse_outer)?;
        let first = input.span();
        input.parse::<TokenStream>()?;
        let test = attributes.iter().any(|it| {
            it.path().is_ident("cfg")
                && it.parse_args::<Ident>().is_ok_and(|word| word == "test")
        });
        Ok((first, test))
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
