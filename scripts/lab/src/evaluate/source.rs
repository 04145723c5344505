//! How hard a server is to write: lines, branches and states of its own
//! source, counted from the syntax tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, BinOp, Expr, Field, Item, Local, Variant};

use super::Bench;
use crate::program;

/// What is counted of a server: not its second form (`--workers`), and of
/// the three ways to ask for readiness the default one.
const FILES: [(&str, &str, &[&str]); 3] = [
    ("threads", "threads-server", &["main.rs", "clients.rs"]),
    (
        "processes",
        "process-server",
        &["main.rs", "children.rs", "signals.rs", "reports.rs"],
    ),
    (
        "mux",
        "mux-server",
        &["main.rs", "client.rs", "clients.rs", "poller.rs", "poll.rs"],
    ),
];

/// Counts the three servers.
pub(super) fn count(bench: &mut Bench<'_>) -> Result<()> {
    bench.begins("reading the servers' source")?;
    for (name, package, files) in FILES {
        let mut counts = Counts::default();
        for file in files {
            let path = program::workspace().join(package).join("src");
            counts.add_file(&path.join(file))?;
        }
        for (what, count) in [
            ("lines", counts.lines),
            ("branches", counts.branches),
            ("states", counts.states),
        ] {
            let name = format!("source/{name}/{what}_count");
            bench.push(name, count as f64);
        }
    }
    Ok(())
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Lines with code on them: no comments, no tests.
    pub lines: usize,
    /// Places where the program can go on in more than one way: `if`, `?`,
    /// `&&`, `||`, loops, each arm of a `match` but the first.
    pub branches: usize,
    /// What it may have to remember: fields and variants of its own types.
    pub states: usize,
}

impl Counts {
    fn add_file(&mut self, path: &Path) -> Result<()> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("reading {}", program::shown(path)))?;
        self.add(&text).with_context(|| format!("in {}", program::shown(path)))
    }

    fn add(&mut self, text: &str) -> Result<()> {
        let mut file = syn::parse_file(text).context("no Rust")?;
        let tokens: TokenStream = text.parse().ok().context("no Rust")?;
        let mut lines = BTreeSet::new();
        collect_lines(tokens, &mut lines);
        let tests = file.items.extract_if(.., |item| is_test(item));
        let mut no_code = Documentation::default();
        no_code.0.extend(tests.map(|test| test.span()));
        no_code.visit_file(&file);
        for span in no_code.0 {
            lines.retain(|line| {
                *line < span.start().line || span.end().line < *line
            });
        }
        self.lines += lines.len();
        self.visit_file(&file);
        Ok(())
    }
}

/// The lines that tokens stand on.
fn collect_lines(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        lines.insert(token.span().start().line);
        lines.insert(token.span().end().line);
        if let TokenTree::Group(group) = token {
            collect_lines(group.stream(), lines);
        }
    }
}

/// Where the comments stand that document something: to the compiler they
/// are attributes, and no code.
#[derive(Default)]
struct Documentation(Vec<Span>);

impl<'ast> Visit<'ast> for Documentation {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("doc") {
            self.0.push(attribute.span());
        }
    }
}

fn is_test(item: &Item) -> bool {
    let Item::Mod(module) = item else {
        return false;
    };
    module.attrs.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|word| word == "test")
    })
}

impl<'ast> Visit<'ast> for Counts {
    fn visit_expr(&mut self, expression: &'ast Expr) {
        self.branches += match expression {
            Expr::If(_)
            | Expr::Try(_)
            | Expr::While(_)
            | Expr::ForLoop(_)
            | Expr::Loop(_) => 1,
            Expr::Match(it) => it.arms.len().saturating_sub(1),
            Expr::Binary(it) => {
                usize::from(matches!(it.op, BinOp::And(_) | BinOp::Or(_)))
            }
            _ => 0,
        };
        visit::visit_expr(self, expression);
    }

    fn visit_local(&mut self, local: &'ast Local) {
        // let … else
        let diverges = |it: &syn::LocalInit| it.diverge.is_some();
        let branches = local.init.as_ref().is_some_and(diverges);
        self.branches += usize::from(branches);
        visit::visit_local(self, local);
    }

    fn visit_field(&mut self, field: &'ast Field) {
        self.states += 1;
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast Variant) {
        self.states += 1;
        visit::visit_variant(self, variant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> (usize, usize, usize) {
        let mut counts = Counts::default();
        counts.add(text).unwrap();
        (counts.lines, counts.branches, counts.states)
    }

    #[test]
    fn comments_and_tests_are_no_code() {
        let text = "//! The file.\n\n/// One.\n// Why.\n#[inline]\n\
                    fn one() -> u8 {\n    1 // it is\n}\n\n\
                    #[cfg(test)]\nmod tests {\n    fn two() {}\n}\n";
        assert_eq!(counts(text), (4, 0, 0));
    }

    #[test]
    fn branches_are_counted() {
        assert_eq!(counts("fn f(a: u8) { if a > 1 && a < 9 {} }").1, 2);
        let text = "fn f(a: u8) { match a { 0 => {} 1 => {} _ => {} } }";
        assert_eq!(counts(text).1, 2);
        let text = "fn f() -> Option<u8> { loop { g()?; } }";
        assert_eq!(counts(text).1, 2);
        let text = "fn f() { let Some(a) = g() else { return; }; }";
        assert_eq!(counts(text).1, 1);
    }

    #[test]
    fn states_are_fields_and_variants() {
        let text = "enum State { Reading, Writing { from: usize } }\n\
                    struct Client { state: State, number: u32 }";
        assert_eq!(counts(text).2, 5);
    }
}
