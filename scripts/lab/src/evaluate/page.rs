//! What was found out, in words: the pages, and the sentences that the book
//! takes from there.

use std::collections::BTreeMap;

use anyhow::Result;
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Evaluation, Finding};
use crate::claims::{Approach, Claim, DISTURBED, Kind, MECHANISMS, SYSTEMS};
use crate::claims::{Unmeasured, Verdict};
use crate::language::Language;
use crate::words::Words;

/// One claim in words of one language.
#[derive(Debug, Serialize)]
pub struct Told {
    /// `T1` to `M6`.
    pub id: &'static str,
    /// Whose claim it is.
    pub approach: Approach,
    /// What it says.
    pub claim: String,
    /// Whether it speaks for or against.
    kind: Kind,
    /// What became of it.
    pub verdict: Verdict,
    /// The verdict in words.
    pub said: String,
    /// The figures that say why.
    pub figure: String,
    /// How far the samples are from one another.
    pub spread: String,
    /// The file of its picture, where it has one.
    pub picture: Option<String>,
    /// How it was tested.
    pub experiment: String,
    /// The rule by which the samples became the verdict.
    pub rule: String,
    /// The command that tests it alone.
    pub command: String,
}

impl Told {
    /// Puts what was found out about a claim into words.
    ///
    /// # Errors
    ///
    /// When the words name a figure that the rule does not compute.
    pub fn new(finding: &Finding, language: Language) -> Result<Self> {
        let words = Words::of(language);
        let claim = &finding.claim;
        let judgement = &finding.judgement;
        let id = claim.id;
        let about = about(claim, words)?;
        let figure = match &judgement.unmeasured {
            None => words.say(&format!("{id}.figure"), &judgement.figures),
            Some(Unmeasured::OneProcessor) => {
                words.say("unmeasured.one-processor", ())
            }
            Some(Unmeasured::LeftOut(reason)) => {
                words.say("unmeasured.left-out", context! { reason })
            }
        };
        let verdict: &str = judgement.verdict.into();
        Ok(Self {
            id,
            approach: claim.approach(),
            claim: words.say(&format!("{id}.claim"), ())?,
            kind: claim.kind(),
            verdict: judgement.verdict,
            said: words.say(&format!("verdict.{verdict}"), ())?,
            figure: figure?,
            spread: judgement.spread.clone(),
            picture: has_picture(finding).then(|| language.file(id, "svg")),
            experiment: words.say(&format!("{id}.experiment"), &about)?,
            rule: words.say(&format!("{id}.rule"), &about)?,
            command: claim.command(),
        })
    }
}

/// Whether a picture shows what was found out. Of some claims a sentence or a
/// table says it all.
fn has_picture(finding: &Finding) -> bool {
    finding.judgement.unmeasured.is_none()
        && !matches!(finding.claim.id, "T6" | "M6")
}

/// What the words of an experiment and of a rule are filled with: the limits,
/// and the sentences that several of them have.
fn about(
    claim: &Claim,
    words: &Words,
) -> Result<BTreeMap<&'static str, Value>> {
    let mut about = BTreeMap::from([("disturbed", json!(DISTURBED))]);
    let mut shared =
        vec!["memory", "compute", "passing", "two_parts", "undisturbed"];
    if let Some(steps) = claim.rule.steps() {
        about
            .extend([("low", json!(steps.none)), ("high", json!(steps.clear))]);
        shared.push("steps");
    }
    for name in shared {
        let sentence = words.say(&format!("shared.{name}"), &about)?;
        about.insert(name, json!(sentence));
    }
    Ok(about)
}

/// All claims of an evaluation in words.
///
/// # Errors
///
/// As [`Told::new`].
pub fn tell(evaluation: &Evaluation, language: Language) -> Result<Vec<Told>> {
    let findings = evaluation.findings();
    findings.iter().map(|it| Told::new(it, language)).collect()
}

/// Writes the page. Pictures are named as files beside it.
///
/// # Errors
///
/// As [`Told::new`].
pub fn write(evaluation: &Evaluation, language: Language) -> Result<String> {
    let claims = tell(evaluation, language)?;
    let page = context! {
        ..minijinja::Value::from(Serde(evaluation)),
        ..context! {
            claims => Serde(claims),
            command => "cargo run --profile lab -p lab -- evaluate",
            mechanisms => MECHANISMS,
            systems => SYSTEMS,
        }
    };
    Words::of(language).say("page", page)
}

/// What the book says of each claim: `claims.json`.
///
/// # Errors
///
/// As [`Told::new`].
pub fn sentences(evaluation: &Evaluation) -> Result<Value> {
    let told = |language| -> Result<Vec<Value>> {
        let told = tell(evaluation, language)?;
        let entry = |it: &Told| {
            json!({
                "id": it.id,
                "approach": it.approach,
                "claim": format!("{}.", it.claim),
                "verdict": it.verdict,
                "said": it.said,
                "figure": it.figure,
                "spread": it.spread,
            })
        };
        Ok(told.iter().map(entry).collect())
    };
    Ok(json!({
        "complete": evaluation.header.complete,
        "en": told(Language::English)?,
        "es": told(Language::Spanish)?,
    }))
}
