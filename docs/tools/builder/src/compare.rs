//! The comparison with what others have written, from the lab's result file:
//! a table for each kind of work, and in it a bar for each program.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::annotated::escape;
use crate::words::{COMPARISON, Language, PROGRAM, Word};
use crate::{html, results};

const FILE: &str = "docs/evaluation/compare.json";

/// The command that makes the lab's result file.
const COMMAND: &str = "cargo run --profile lab -p lab -- compare";

/// All that was compared.
#[derive(Debug, Deserialize)]
pub struct Comparison {
    began: String,
    machine: Machine,
    /// The names of the programs, by their keys.
    programs: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
struct Machine {
    cpu: String,
    processors: usize,
    kernel: String,
    system: String,
}

#[derive(Debug, Deserialize)]
struct Sample {
    program: String,
    work: BTreeMap<String, u64>,
    values: BTreeMap<String, f64>,
}

/// A column: the figure, whose name ends with its unit, and its head.
type Column = (&'static str, Word);

const RATE: Column = ("rate", ("per second", "por segundo"));
const CPU: Column = (
    "cpu_ns",
    ("server's CPU time, each", "tiempo de CPU del servidor, cada una"),
);
const MEDIAN: Column = ("median_ns", ("median latency", "latencia mediana"));
const P99: Column = ("p99_ns", ("99 of 100 within", "99 de 100 en"));
const LONGEST: Column = ("max_ns", ("longest", "la más larga"));
const USER: Column =
    ("user_kib", ("user space, each", "espacio de usuario, cada una"));
const TABLES: Column =
    ("page_tables_kib", ("page tables, each", "tablas de páginas, cada una"));
const KERNEL: Column = ("kernel_kib", ("kernel, each", "kernel, cada una"));

impl Comparison {
    /// Reads the lab's results.
    ///
    /// # Errors
    ///
    /// Where there are none, or they are not what is expected.
    pub fn read(root: &Path) -> Result<Self> {
        results::read(root, FILE, COMMAND)
    }

    /// Where and when it was measured, in words of no language.
    pub fn machine(&self) -> String {
        let Machine { cpu, processors, kernel, system } = &self.machine;
        let day = self.began.split('T').next().unwrap_or_default();
        format!(
            "<p class=\"minutes\">{} × {processors}, Linux {}, {}, {day}</p>",
            escape(cpu),
            escape(kernel),
            escape(system)
        )
    }

    /// A kind of work, and how many clients it has: all programs that did it,
    /// the best first.
    ///
    /// # Errors
    ///
    /// Where nothing of the kind was measured.
    pub fn table(
        &self,
        kind: &str,
        count: u64,
        language: Language,
    ) -> Result<String> {
        let columns: &[Column] = match kind {
            "exchange" | "echo" | "beside-idle" => &[RATE, CPU, MEDIAN, P99],
            "burst" => &[MEDIAN, P99, LONGEST],
            "sized" => &[MEDIAN, P99],
            "memory" => &[USER, TABLES, KERNEL],
            _ => bail!("{FILE} has no work {kind}"),
        };
        let mut rows = Vec::new();
        for (key, title) in &self.programs {
            let medians: Vec<Option<f64>> = columns
                .iter()
                .map(|column| self.median(key, kind, count, column.0))
                .collect();
            if let Some(Some(first)) = medians.first() {
                rows.push((*first, key, title, medians));
            }
        }
        ensure!(!rows.is_empty(), "{FILE} has no {kind} of {count}");
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        if columns[0] == RATE {
            rows.reverse();
        }
        let most = rows.iter().map(|row| row.0).fold(0.0, f64::max);
        let rows = rows.iter().map(|(first, key, title, medians)| {
            let is_ours = ["threads", "process", "mux"].iter().any(|our| {
                let rest = key.strip_prefix(our);
                rest.is_some_and(|it| it.is_empty() || it.starts_with('-'))
            });
            let cells = medians.iter().zip(columns).map(|(value, column)| {
                value.map_or("–".to_owned(), |it| with_unit(column.0, it))
            });
            let cells: Vec<String> = cells.collect();
            // The first column has a bar, and no other.
            let share = (first / most * 100.0).round().to_string();
            json!({
                "ours": is_ours, "title": title, "cells": cells, "share": share,
            })
        });
        let mut heads = vec![language.word(PROGRAM)];
        heads.extend(columns.iter().map(|column| language.word(column.1)));
        let table = json!({
            "label": format!("{}: {kind} {count}", language.word(COMPARISON)),
            "heads": heads,
            "rows": rows.collect::<Vec<_>>(),
        });
        html::render(include_str!("../templates/compared.html"), &table)
    }

    fn median(
        &self,
        program: &str,
        kind: &str,
        count: u64,
        figure: &str,
    ) -> Option<f64> {
        let mut values: Vec<f64> = self
            .samples
            .iter()
            .filter(|sample| {
                sample.program == program
                    && sample.work.get(kind) == Some(&count)
            })
            .filter_map(|sample| sample.values.get(figure).copied())
            .collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        Some(f64::midpoint(values[last / 2], values[last.div_ceil(2)]))
    }
}

/// The value of a figure with its unit.
fn with_unit(figure: &str, value: f64) -> String {
    let (divisor, unit) = match figure.rsplit('_').next() {
        Some("kib") => (1.0, "KiB"),
        Some("ns") if value < 1e3 => (1.0, "ns"),
        Some("ns") if value < 1e6 => (1e3, "µs"),
        Some("ns") if value < 1e9 => (1e6, "ms"),
        Some("ns") => (1e9, "s"),
        _ => return digits(value),
    };
    format!("{} {unit}", digits(value / divisor))
}

/// Three digits that count, and thousands apart.
fn digits(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value if value < 1000.0 => format!("{value:.0}"),
        value => {
            let step = 10_f64.powf(value.log10().floor() - 2.0);
            let text = format!("{:.0}", (value / step).round() * step);
            let first = text.len() % 3;
            let mut out = text[..first].to_owned();
            for group in (first..text.len()).step_by(3) {
                if !out.is_empty() {
                    out.push('\u{202f}');
                }
                out += &text[group..group + 3];
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        for (value, text) in [
            (0.2, "0.20"),
            (17.25, "17.2"),
            (871.4, "871"),
            (19_139.3, "19\u{202f}100"),
            (170_626.0, "171\u{202f}000"),
            (1_234_567.0, "1\u{202f}230\u{202f}000"),
        ] {
            assert_eq!(digits(value), text);
        }
        assert_eq!(with_unit("max_ns", 2_101_247.0), "2.10 ms");
    }
}
