//! The evaluation as a page of the book, in Markdown.

use std::fmt::Write;

use super::{Evaluation, Finding};
use crate::claims::{MECHANISMS, SYSTEMS, Text};
use crate::language::Language;

/// Writes the page. Pictures are named as files beside it.
#[must_use]
pub fn write(evaluation: &Evaluation, language: Language) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_to(&mut page, evaluation, language);
    page
}

fn write_to(
    page: &mut String,
    evaluation: &Evaluation,
    language: Language,
) -> std::fmt::Result {
    let say = |en: &'static str, es: &'static str| language.pick(en, es);
    let machine = &evaluation.machine;
    writeln!(
        page,
        "# {}\n",
        say("The claims, measured", "Las afirmaciones, medidas")
    )?;
    writeln!(
        page,
        "{}, {} {}, Linux {}, {}. {} {} ({:.0} s{}).\n",
        machine.cpu,
        machine.processors,
        say("processors", "procesadores"),
        machine.kernel,
        machine.system,
        say("Measured", "Medido"),
        evaluation.began,
        evaluation.seconds,
        if evaluation.complete {
            ""
        } else {
            say("; stopped early", "; detenida antes de terminar")
        }
    )?;
    writeln!(
        page,
        "{}\n\n```sh\ncargo run --profile lab -p lab -- evaluate\n```\n",
        say("All of it on your own machine:", "Todo en su propia máquina:")
    )?;
    for condition in &evaluation.conditions {
        writeln!(page, "- {}", condition.of(language))?;
    }
    writeln!(
        page,
        "\n| | {} | {} | {} |\n|---|---|---|---|",
        say("claim", "afirmación"),
        say("verdict", "veredicto"),
        say("spread", "dispersión"),
    )?;
    for finding in &evaluation.claims {
        writeln!(
            page,
            "| [{}](#{}) | {} | **{}** | {} |",
            finding.id,
            finding.id.to_lowercase(),
            finding.claim.of(language),
            finding.verdict.title().of(language),
            finding.spread,
        )?;
    }
    let mut approach = None;
    for finding in &evaluation.claims {
        if approach != Some(finding.approach) {
            approach = Some(finding.approach);
            let title = finding.approach.title();
            writeln!(page, "\n## {}", title.of(language))?;
        }
        write_finding(page, finding, language)?;
    }
    Ok(())
}

fn write_finding(
    page: &mut String,
    finding: &Finding,
    language: Language,
) -> std::fmt::Result {
    let say = |en: &'static str, es: &'static str| language.pick(en, es);
    let of = |text: &Text| text.of(language).to_owned();
    let id = finding.id.to_lowercase();
    writeln!(
        page,
        "\n### {}: {} {{#{id}}}\n",
        finding.id,
        of(&finding.claim).trim_end_matches('.'),
    )?;
    writeln!(
        page,
        "**{}** ({}): {}{}.\n",
        capitalised(&of(&finding.verdict.title())),
        of(&finding.kind.title()),
        of(&finding.figure),
        if finding.spread.is_empty() {
            String::new()
        } else {
            format!(" ({})", finding.spread)
        }
    )?;
    if let Some(picture) = &finding.picture {
        let alternative = of(&finding.claim);
        writeln!(page, "![{alternative}]({})\n", of(picture))?;
    }
    writeln!(
        page,
        "- {}: {}\n- {}: {}\n- {}: `{}`",
        say("Experiment", "Experimento"),
        of(&finding.experiment),
        say("Rule", "Regla"),
        of(&finding.rule),
        say("Command", "Orden"),
        finding.command,
    )?;
    if finding.id == "M6" {
        write_systems(page, language)?;
    }
    Ok(())
}

fn write_systems(page: &mut String, language: Language) -> std::fmt::Result {
    let heading = MECHANISMS.map(|name| format!("`{name}`")).join(" | ");
    let system = language.pick("by the manuals", "según los manuales");
    writeln!(page, "\n| {system} | {heading} |")?;
    writeln!(page, "|---|{}", "---|".repeat(MECHANISMS.len()))?;
    for (name, has) in SYSTEMS {
        let word = |has: bool| {
            if has { language.pick("yes", "sí") } else { "–" }
        };
        writeln!(page, "| {name} | {} |", has.map(word).join(" | "))?;
    }
    let note = language.pick(
        "Windows has `select` and `WSAPoll` for sockets only, and completion \
         ports (IOCP) for the rest. `io_uring` may be forbidden by the \
         administrator.",
        "Windows tiene `select` y `WSAPoll` solo para sockets, y puertos de \
         finalización (IOCP) para lo demás. El administrador puede prohibir \
         `io_uring`.",
    );
    writeln!(page, "\n{note}")
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
