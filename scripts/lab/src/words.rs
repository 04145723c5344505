//! What the lab says on pages and in pictures, in both languages. The words
//! stand in `scripts/lab/words`, one file a language, as templates of
//! minijinja; what they are filled with is data. The form of the page, which
//! both languages share, is `page.jinja`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Serialize;

use crate::language::Language;
use crate::text;

/// How a figure is written.
type Filter = fn(f64) -> String;

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    templates: Environment<'static>,
}

/// The page, in the form that both languages have.
const PAGE: &str = include_str!("../words/page.jinja");

static ENGLISH: LazyLock<Words> =
    LazyLock::new(|| Words::new(include_str!("../words/en.toml")));
static SPANISH: LazyLock<Words> =
    LazyLock::new(|| Words::new(include_str!("../words/es.toml")));

impl Words {
    /// The words of a language.
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Spanish => &SPANISH,
        }
    }

    fn new(file: &str) -> Self {
        let mut templates = Environment::new();
        // A name that a template has and the data lack is an error, not a gap.
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).keep_trailing_newline(true);
        templates.set_syntax(
            syntax.build().expect("these are the usual delimiters"),
        );
        let filters: [(&'static str, Filter); 9] = [
            // Less than nothing shows how the kernel shares a page.
            ("kib", |value| format!("{:.1} KiB", value.max(0.0))),
            ("ns", text::nanoseconds),
            ("ms", |value| text::nanoseconds(value * 1e6)),
            ("percent", |value| format!("{:.0} %", value * 100.0)),
            ("plain", text::plain),
            // Of nanoseconds for one: how many in a second.
            ("rate", |value| text::three_digits((1e9 / value).round())),
            ("times", |value| {
                if value >= 9.95 {
                    format!("{value:.0}")
                } else {
                    format!("{value:.1}")
                }
            }),
            ("two", |value| format!("{value:.2}")),
            ("whole", |value| text::plain(value.round())),
        ];
        for (name, filter) in filters {
            templates.add_filter(name, filter);
        }
        let tables = tables(file);
        templates.add_global("words", Value::from(Serde(&tables)));
        let page = ("page".to_owned(), PAGE.to_owned());
        for (name, template) in strings(tables).chain([page]) {
            templates
                .add_template_owned(name, template)
                .expect("the words are templates, which a test renders");
        }
        Self { templates }
    }

    /// A string into which nothing is filled; its name where there is none,
    /// which a test would see in the picture.
    pub fn word(&self, name: &str) -> String {
        self.say(name, ()).unwrap_or_else(|_| name.to_owned())
    }

    /// One of the strings, `T1.claim` or `verdict.holds`, with its figures
    /// filled in.
    ///
    /// # Errors
    ///
    /// When there is no such string, or a figure of its is not given.
    pub fn say(&self, name: &str, figures: impl Serialize) -> Result<String> {
        let template = self.templates.get_template(name);
        template
            .and_then(|template| template.render(Serde(figures)))
            .with_context(|| format!("the words of {name}"))
    }
}

type Tables = BTreeMap<String, BTreeMap<String, String>>;

fn tables(file: &str) -> Tables {
    toml::from_str(file).expect("the words are TOML, which a test reads")
}

/// Every string, by its table and its key.
fn strings(tables: Tables) -> impl Iterator<Item = (String, String)> {
    tables.into_iter().flat_map(|(name, table)| {
        let strings = table.into_iter();
        strings.map(move |(key, text)| (format!("{name}.{key}"), text))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The strings of a language, with the names that each is filled with.
    fn names(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        let file = match language {
            Language::English => include_str!("../words/en.toml"),
            Language::Spanish => include_str!("../words/es.toml"),
        };
        let words = Words::of(language);
        let names = |name: &str| {
            let template = words.templates.get_template(name).unwrap();
            template.undeclared_variables(true).into_iter().collect()
        };
        strings(tables(file))
            .map(|(name, text)| {
                assert!(!text.trim().is_empty(), "{name} is empty");
                assert!(!text.contains("  "), "two blanks in {name}");
                let of_it = names(&name);
                (name, of_it)
            })
            .collect()
    }

    #[test]
    fn both_languages_say_the_same_of_the_same_figures() {
        let [english, spanish] = Language::ALL.map(names);
        assert_eq!(english, spanish);
        assert!(english["T1.figure"].contains("thread"));
    }

    #[test]
    fn a_figure_that_is_not_given_is_an_error() {
        let words = Words::of(Language::English);
        let said = words.say("unmeasured.left-out", [("reason", "no cc")]);
        assert!(said.is_err(), "an array is no set of names");
        let reason = BTreeMap::from([("reason", "no cc")]);
        let said = words.say("unmeasured.left-out", &reason).unwrap();
        assert_eq!(said, "left out: no cc");
        assert!(words.say("T1.figure", &reason).is_err());
        assert!(words.say("T7.claim", &reason).is_err());
    }
}
