//! The claims and what the lab has found out about each, from its result
//! file.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::annotated::escape;
use crate::words::{CLAIM, FIGURE, Language, SPREAD, VERDICT};
use crate::{html, results};

/// Where the lab puts its results in words.
const FILE: &str = "docs/evaluation/claims.json";

/// The command that makes the lab's results.
const COMMAND: &str = "cargo run --profile lab -p lab -- evaluate";

/// The verdicts that there are: the theme has a class for each.
const VERDICTS: [&str; 5] = [
    "holds",
    "holds-in-part",
    "does-not-hold-here",
    "too-noisy-to-tell",
    "not-measured",
];

/// All claims, tested, in both languages.
#[derive(Debug, Deserialize)]
pub struct Evaluation {
    en: Vec<Claim>,
    es: Vec<Claim>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Claim {
    id: String,
    approach: String,
    #[serde(rename = "claim")]
    words: String,
    verdict: String,
    /// The verdict in words.
    said: String,
    figure: String,
    /// Empty where nothing was measured.
    spread: String,
}

impl Evaluation {
    /// Reads the lab's results.
    ///
    /// # Errors
    ///
    /// Where there are none, or they are not what is expected.
    pub fn read(root: &Path) -> Result<Self> {
        let evaluation: Self = results::read(root, FILE, COMMAND)?;
        for claim in evaluation.en.iter().chain(&evaluation.es) {
            ensure!(
                VERDICTS.contains(&claim.verdict.as_str()),
                "{FILE}: claim {} has no verdict: {}",
                claim.id,
                claim.verdict
            );
        }
        Ok(evaluation)
    }

    fn claims(&self, language: Language) -> &[Claim] {
        language.pick(&self.en, &self.es)
    }

    /// The claims of an approach, or all, as a table.
    ///
    /// # Errors
    ///
    /// Where there are none.
    pub fn table(&self, approach: &str, language: Language) -> Result<String> {
        let claims: Vec<&Claim> = self
            .claims(language)
            .iter()
            .filter(|claim| approach == "all" || claim.approach == approach)
            .collect();
        ensure!(!claims.is_empty(), "{FILE} has no claim for {approach}");
        let heads = [CLAIM, VERDICT, FIGURE, SPREAD];
        let heads = heads.map(|word| language.word(word));
        let table = json!({
            "label": language.word(VERDICT), "heads": heads, "claims": claims,
        });
        html::render(include_str!("../templates/verdicts.html"), &table)
    }

    /// The verdict and the figure of one claim, as a paragraph.
    ///
    /// # Errors
    ///
    /// Where there is no such claim.
    pub fn claim(&self, id: &str, language: Language) -> Result<String> {
        let mut claims = self.claims(language).iter();
        let claim = claims
            .find(|claim| claim.id == id)
            .with_context(|| format!("{FILE} has no claim {id}"))?;
        let (verdict, said) = (&claim.verdict, escape(&claim.said));
        Ok(format!(
            "<p class=\"claim\"><b>{}</b> \
             <span class=\"verdict {verdict}\">{said}</span>: {}</p>",
            escape(id),
            escape(&claim.figures())
        ))
    }

    /// Fails unless both READMEs say of each claim what the lab has found.
    ///
    /// # Errors
    ///
    /// When a README says something else than the lab.
    pub fn readmes(root: &Path) -> Result<()> {
        let evaluation = Self::read(root)?;
        let mut wrong = Vec::new();
        for (name, language) in [
            ("README.md", Language::English),
            ("README.es.md", Language::Spanish),
        ] {
            let text = fs::read_to_string(root.join(name)).context(name)?;
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            // For a claim that this machine cannot test, the READMEs keep the
            // verdict of another machine.
            let claims = evaluation.claims(language).iter();
            for claim in claims.filter(|it| it.verdict != "not-measured") {
                let (id, said) = (&claim.id, &claim.said);
                let wanted = format!("**{id} {said}:** {}.", claim.figures());
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
    /// The figures that say why, with their spread where they have one.
    fn figures(&self) -> String {
        if self.spread.is_empty() {
            return self.figure.clone();
        }
        format!("{} ({})", self.figure, self.spread)
    }
}
