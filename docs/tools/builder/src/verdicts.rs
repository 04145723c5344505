//! The claims and what the lab has found out about each, from its result
//! file.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::annotated::escape;
use crate::words::{Language, NOT_MEASURED, Word};

/// Where the lab puts its results.
const FILE: &str = "docs/evaluation/evaluation.json";

/// How to have them.
const COMMAND: &str = "cargo run --profile lab -p lab -- evaluate";

/// All claims, tested.
#[derive(Debug, Deserialize)]
pub struct Evaluation {
    /// False when the lab was stopped early.
    complete: bool,
    claims: Vec<Claim>,
}

#[derive(Debug, Deserialize)]
struct Claim {
    id: String,
    approach: String,
    #[serde(rename = "claim")]
    words: Text,
    verdict: String,
    figure: Text,
    spread: String,
}

/// A sentence in both languages.
#[derive(Debug, Deserialize)]
struct Text {
    en: String,
    es: String,
}

impl Text {
    fn of(&self, language: Language) -> &str {
        language.pick(&self.en, &self.es)
    }
}

impl Evaluation {
    /// Reads the lab's results.
    ///
    /// # Errors
    ///
    /// Where there are none, or they are not what is expected.
    pub fn read(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(FILE)).with_context(|| {
            format!("{FILE} is missing: {COMMAND} makes it")
        })?;
        let evaluation: Self = serde_json::from_str(&text).context(FILE)?;
        ensure!(evaluation.complete, "{FILE} is not complete: {COMMAND}");
        Ok(evaluation)
    }

    /// The claims of an approach, or all, as a table.
    ///
    /// # Errors
    ///
    /// Where there are none, or a verdict is unknown.
    pub fn table(&self, approach: &str, language: Language) -> Result<String> {
        let claims: Vec<&Claim> = self
            .claims
            .iter()
            .filter(|claim| approach == "all" || claim.approach == approach)
            .collect();
        ensure!(!claims.is_empty(), "{FILE} has no claim for {approach}");
        let mut rows = String::new();
        for claim in claims {
            rows += &claim.row(language)?;
        }
        let heads = [Word::Claim, Word::Verdict, Word::Figure, Word::Spread];
        let heads = heads.map(|word| {
            format!("<th scope=\"col\">{}</th>", language.word(word))
        });
        Ok(format!(
            "<div class=\"verdicts\" role=\"region\" tabindex=\"0\" \
             aria-label=\"{}\">\n<table>\n<thead><tr>{}</tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table>\n</div>",
            language.word(Word::Verdict),
            heads.concat()
        ))
    }

    /// The verdict and the figure of one claim, as a paragraph.
    ///
    /// # Errors
    ///
    /// Where there is no such claim, or its verdict is unknown.
    pub fn claim(&self, id: &str, language: Language) -> Result<String> {
        let claim = self.claims.iter().find(|claim| claim.id == id);
        let claim =
            claim.with_context(|| format!("{FILE} has no claim {id}"))?;
        let (said, verdict) = claim.verdict(language)?;
        Ok(format!(
            "<p class=\"claim\"><b>{}</b> <span class=\"verdict \
             {verdict}\">{said}</span>: {}</p>",
            escape(id),
            escape(&claim.measured(language)),
        ))
    }

    /// Fails unless both READMEs say of each claim what the lab has found. What
    /// this machine could not measure, it cannot say against them.
    ///
    /// # Errors
    ///
    /// Where one says something else.
    pub fn readmes(root: &Path) -> Result<()> {
        let evaluation = Self::read(root)?;
        let mut wrong = Vec::new();
        for (name, language) in [
            ("README.md", Language::English),
            ("README.es.md", Language::Spanish),
        ] {
            let text = fs::read_to_string(root.join(name)).context(name)?;
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let claims = evaluation.claims.iter();
            for claim in claims.filter(|it| it.verdict != NOT_MEASURED) {
                let (said, _) = claim.verdict(language)?;
                let measured = claim.measured(language);
                let wanted = format!("**{} {said}:** {measured}.", claim.id);
                if !words.contains(&wanted) {
                    wrong.push(format!("{name} does not say: {wanted}"));
                }
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }
}

impl Claim {
    /// The figure and its spread; why there is none, if it was not measured.
    fn measured(&self, language: Language) -> String {
        let figure = self.figure.of(language);
        match self.spread.as_str() {
            "" => figure.to_owned(),
            spread => format!("{figure} ({spread})"),
        }
    }

    /// The verdict in this language, and the class of its colour.
    fn verdict(&self, language: Language) -> Result<(&'static str, String)> {
        let Some(verdict) = language.verdict(&self.verdict) else {
            bail!("{FILE}: claim {} has no verdict: {}", self.id, self.verdict);
        };
        Ok((verdict, self.verdict.replace(' ', "-")))
    }

    fn row(&self, language: Language) -> Result<String> {
        let (verdict, class) = self.verdict(language)?;
        let mut row = String::new();
        let _ = writeln!(
            row,
            "<tr><td><b>{}</b> {}</td>\
             <td><span class=\"verdict {class}\">{verdict}</span></td>\
             <td>{}</td><td>{}</td></tr>",
            escape(&self.id),
            escape(self.words.of(language)),
            escape(self.figure.of(language)),
            escape(&self.spread)
        );
        Ok(row)
    }
}
