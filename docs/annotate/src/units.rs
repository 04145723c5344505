//! What needs a comment: the statements, arms, fields and items of a file.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Something that needs a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// What it is, for the message.
    pub kind: Kind,
    /// Its first line, counted from 0.
    pub first: usize,
    /// Its last line.
    pub last: usize,
    /// The line on which its block opens, if it is an arm and has one.
    pub opens: Option<usize>,
    /// The unit before it in the same block, by its index.
    pub before: Option<usize>,
    /// The unit that its block belongs to, if it is alone in there.
    pub owner: Option<usize>,
}

/// The kinds of unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A statement, or the expression at the end of a block.
    Statement,
    /// An arm of a match.
    Arm,
    /// An arm of a match that yields a literal: a row of a table.
    Row,
    /// A field of a struct, or a variant of an enum.
    Field,
    /// A function, a type, a constant, an `impl` of a trait.
    Item,
    /// A `use` or `mod` line.
    Import,
}

/// The units of a file, in order; what is under `#[cfg(test)]` left out.
#[must_use]
pub fn units(file: &syn::File) -> Vec<Unit> {
    let mut finder = Finder::default();
    finder.visit_file(file);
    finder.units
}

/// The lines of what is under `#[cfg(test)]`, counted from 0.
#[must_use]
pub fn test_lines(file: &syn::File) -> Vec<std::ops::RangeInclusive<usize>> {
    let tests = file.items.iter().filter(|item| is_test(attributes(item)));
    tests
        .map(|item| {
            let (first, last) = lines(item.span());
            first..=last
        })
        .collect()
}

#[derive(Default)]
struct Finder {
    units: Vec<Unit>,
    /// The unit before the next one, within the same block.
    before: Option<usize>,
    /// The unit that the next one shares its comment with.
    owner: Option<usize>,
    /// The unit whose block is entered next.
    parent: Option<usize>,
}

impl Finder {
    /// Adds a unit, and visits what is inside it.
    fn unit(
        &mut self,
        kind: Kind,
        span: Span,
        opens: Option<Span>,
        inside: impl FnOnce(&mut Self),
    ) {
        let (first, last) = lines(span);
        let index = self.units.len();
        self.units.push(Unit {
            kind,
            first,
            last,
            opens: opens.map(|span| lines(span).0),
            before: self.before.take(),
            owner: self.owner.take(),
        });
        let parent = self.parent.replace(index);
        inside(self);
        self.parent = parent;
        self.before = Some(index);
        self.owner = None;
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_block(&mut self, block: &'ast syn::Block) {
        let (before, owner) = (self.before.take(), self.owner.take());
        let alone = block.stmts.len() == 1;
        // The comment of a branch, a loop or an arm covers the line that
        // opens the block and the statement after it; that of a function
        // covers its body only if that is one statement.
        let parent = self.parent.map(|parent| self.units[parent].kind);
        let opened = matches!(parent, Some(Kind::Statement | Kind::Arm));
        for (number, statement) in block.stmts.iter().enumerate() {
            if alone || (opened && number == 0) {
                self.owner = self.parent;
            }
            if let syn::Stmt::Item(item) = statement {
                self.visit_item(item);
                continue;
            }
            self.unit(Kind::Statement, statement.span(), None, |finder| {
                visit::visit_stmt(finder, statement);
            });
        }
        (self.before, self.owner) = (before, owner);
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        let before = self.before.take();
        visit::visit_expr_match(self, expression);
        self.before = before;
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let opens = match &*arm.body {
            syn::Expr::Block(body) => Some(body.block.brace_token.span.open()),
            _ => None,
        };
        // Arms stand for themselves; but one that only says which text or
        // number belongs to which pattern is a row of a table.
        let row = is_text(&arm.body);
        if !row {
            self.before = None;
        }
        let kind = if row { Kind::Row } else { Kind::Arm };
        self.unit(kind, arm.span(), opens, |finder| {
            visit::visit_arm(finder, arm);
        });
        if !row {
            self.before = None;
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        // The fields of a tuple, `Client(TcpStream)`, have no names to argue.
        if field.ident.is_some() {
            self.before = None;
            self.unit(Kind::Field, field.span(), None, |_| {});
            self.before = None;
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.before = None;
        self.unit(Kind::Field, variant.span(), None, |finder| {
            visit::visit_variant(finder, variant);
        });
        self.before = None;
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_test(attributes(item)) {
            return;
        }
        match item {
            syn::Item::Use(_) => {
                self.unit(Kind::Import, item.span(), None, |_| {});
                return;
            }
            syn::Item::Mod(module) if module.content.is_none() => {
                self.unit(Kind::Import, item.span(), None, |_| {});
                return;
            }
            // Its type has a comment, and so has each of its functions.
            syn::Item::Impl(block) if block.trait_.is_none() => {
                self.before = None;
                visit::visit_item(self, item);
            }
            _ => {
                self.before = None;
                self.unit(Kind::Item, item.span(), None, |finder| {
                    visit::visit_item(finder, item);
                });
            }
        }
        self.before = None;
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        self.before = None;
        self.unit(Kind::Item, item.span(), None, |finder| {
            visit::visit_impl_item(finder, item);
        });
        self.before = None;
    }

    fn visit_trait_item(&mut self, item: &'ast syn::TraitItem) {
        self.before = None;
        self.unit(Kind::Item, item.span(), None, |finder| {
            visit::visit_trait_item(finder, item);
        });
        self.before = None;
    }
}

/// Whether an expression is a literal, or several, or one converted.
fn is_text(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Lit(_) => true,
        syn::Expr::Tuple(tuple) => tuple.elems.iter().all(is_text),
        syn::Expr::MethodCall(call) => is_text(&call.receiver),
        _ => false,
    }
}

/// The first and the last line of a span, counted from 0.
fn lines(span: Span) -> (usize, usize) {
    (span.start().line - 1, span.end().line - 1)
}

/// Whether `#[cfg(test)]` is among these.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

/// The attributes of an item.
fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(it) => &it.attrs,
        syn::Item::Enum(it) => &it.attrs,
        syn::Item::Fn(it) => &it.attrs,
        syn::Item::Impl(it) => &it.attrs,
        syn::Item::Macro(it) => &it.attrs,
        syn::Item::Mod(it) => &it.attrs,
        syn::Item::Static(it) => &it.attrs,
        syn::Item::Struct(it) => &it.attrs,
        syn::Item::Trait(it) => &it.attrs,
        syn::Item::Type(it) => &it.attrs,
        syn::Item::Use(it) => &it.attrs,
        _ => &[],
    }
}
