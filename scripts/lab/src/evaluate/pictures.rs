//! The pictures of the claims, drawn from their samples.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Evaluation, page};
use crate::bars::{self, Bar, Group};
use crate::claims::Samples;
use crate::language::Language;
use crate::plot::{self, Curve};
use crate::stats::Summary;
use crate::text;
use crate::words::Words;

/// Draws the pictures of an evaluation, in both languages.
///
/// # Errors
///
/// When a file cannot be written, or the words lack a figure.
pub fn draw(evaluation: &Evaluation, directory: &Path) -> Result<()> {
    let samples = &evaluation.samples;
    for language in Language::ALL {
        let words = Words::of(language);
        for told in page::tell(evaluation, language)? {
            let Some(name) = &told.picture else { continue };
            let title = format!("{}  {}.", told.id, told.claim);
            let subtitle = words.say("picture.subtitle", evaluation)?;
            let file = directory.join(name);
            if told.id == "M3" {
                let chart = curves(samples, words, title, subtitle)?;
                plot::draw(&chart, &file)?;
            } else {
                let of_it = ROWS.iter().filter(|it| it.0.contains(&told.id));
                let groups = of_it.map(|row| group(row, samples, words));
                let groups = groups.collect::<Result<Vec<_>>>()?;
                fs::write(&file, bars::draw(&title, &subtitle, &groups))
                    .with_context(|| format!("writing {}", file.display()))?;
            }
        }
    }
    Ok(())
}

/// How a figure is written.
type Format = fn(f64) -> String;
/// A bar: whose samples, under what label, in which colour.
type Whose = (&'static str, &'static str, &'static str);
/// Bars of one scale: the claims that they show, their heading, the name of
/// the samples with whose they are left open, how a figure is written, and
/// the bars. Those without samples are left out.
type Row = (
    &'static [&'static str],
    &'static str,
    &'static str,
    Format,
    &'static [Whose],
);

const THREADS: Whose = ("threads", "threads", bars::THREADS);
const PROCESSES: Whose = ("processes", "processes", bars::PROCESSES);
const LOOP: Whose = ("mux", "loop", bars::LOOP);
const APPROACHES: &[Whose] = &[THREADS, PROCESSES, LOOP];

const KIB: Format = |value| format!("{value:.2} KiB");
const MS: Format = |value| text::nanoseconds(value * 1e6);
const NS: Format = text::nanoseconds;
const PERCENT: Format = |value| format!("{:.0} %", value * 100.0);
const TIMES: Format = |value| format!("{value:.2}");
const WHOLE: Format = |value| format!("{value:.0}");

/// The pictures of bars, from top to bottom.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    (&["T1", "P4"], "memory", "memory/*/user_kib", KIB, &[THREADS, PROCESSES]),
    (&["M2"], "memory", "memory/*/user_kib", KIB, APPROACHES),
    (&["P4"], "tables", "memory/*/page_tables_kib", KIB, &[THREADS, PROCESSES]),
    (&["T2", "P5"], "passing", "passing/*_ns", NS, &[
        ("threads/atomic", "atomic", bars::THREADS),
        ("threads/mutex", "mutex", bars::THREADS),
        ("threads/channel", "channel", bars::THREADS),
        ("processes/shared_memory", "shared", bars::PROCESSES),
        ("processes/pipe", "pipe", bars::PROCESSES),
    ]),
    (&["T3"], "waiting", "waiting/*/wall_ms", MS, &[
        THREADS,
        PROCESSES,
        LOOP,
        ("one_after_the_other", "serial", bars::OTHER),
    ]),
    (&["T4"], "races", "races/*/lost_share", PERCENT, &[
        ("read_then_write", "careless", bars::PROCESSES),
        ("fetch_add", "careful", bars::THREADS),
    ]),
    (&["T5", "P1", "P3"], "compute", "compute/*/speed_up_times", TIMES, &[
        ("threads", "rust_threads", bars::THREADS),
        ("python_threading", "python_threads", bars::OTHER),
        ("processes", "rust_processes", bars::PROCESSES),
        ("python_multiprocessing", "python_processes", bars::OTHER),
        ("mux", "rust_loop", bars::LOOP),
    ]),
    (&["P2"], "crash", "crash/*/others_served_share", PERCENT, APPROACHES),
    (&["P6"], "creation", "creation/*_ns", NS, &[
        ("process", "process", bars::PROCESSES),
        ("thread", "thread", bars::THREADS),
        ("table_entry", "entry", bars::LOOP),
    ]),
    (&["P6"], "pools", "pools/*/cpu_each_ns", NS, &[
        PROCESSES,
        ("processes_pool", "process_pool", bars::PROCESSES),
        THREADS,
        ("threads_pool", "thread_pool", bars::THREADS),
        ("poll", "loop", bars::LOOP),
    ]),
    (&["M1"], "efficiency", "efficiency/*/cpu_each_ns", NS, EFFICIENCY),
    (&["M1"], "switches", "efficiency/*/switches_each_count", TIMES, EFFICIENCY),
    (&["M4"], "lines", "source/*/lines_count", WHOLE, APPROACHES),
    (&["M4"], "branches", "source/*/branches_count", WHOLE, APPROACHES),
    (&["M4"], "states", "source/*/states_count", WHOLE, APPROACHES),
    (&["M5"], "fairness", "fairness/*/beside_heavy_ns", NS, APPROACHES),
    (&["M5"], "alone", "fairness/*/alone_ns", NS, APPROACHES),
];
const EFFICIENCY: &[Whose] = &[
    THREADS,
    PROCESSES,
    ("poll", "loop_poll", bars::LOOP),
    ("epoll", "loop_epoll", bars::LOOP),
];

fn group(row: &Row, samples: &Samples, words: &Words) -> Result<Group> {
    let (_, heading, name, format, whose) = row;
    let mut bars = Vec::new();
    for (who, label, colour) in *whose {
        let values = samples.0.get(&name.replace('*', who));
        let Some(summary) = values.and_then(|it| Summary::of(it)) else {
            continue;
        };
        bars.push(Bar {
            label: words.say(&format!("bar.{label}"), ())?,
            value: summary.median,
            range: (summary.min, summary.max),
            figure: format(summary.median),
            colour,
        });
    }
    let heading = words.say(&format!("picture.{heading}"), ())?;
    Ok(Group { heading, bars })
}

/// M3: round trips over the number of idle connections.
fn curves(
    samples: &Samples,
    words: &Words,
    title: String,
    subtitle: String,
) -> Result<plot::Chart> {
    let mut curves = Vec::new();
    for whose in ["select", "poll", "epoll", "threads", "processes"] {
        let label = words.say(&format!("bar.{whose}"), ())?;
        let beside = samples.beside_idle(whose).into_iter();
        let places = beside.flat_map(|(idle, values)| {
            values.iter().map(move |value| (idle, *value))
        });
        let curve = Curve::through_medians(label, places);
        curves.extend((!curve.points.is_empty()).then_some(curve));
    }
    Ok(plot::Chart {
        title,
        subtitle,
        x_label: words.say("growth.exchange_x", ())?,
        y_label: words.say("growth.exchange_y", ())?,
        x_format: |x| text::plain(x.round()),
        y_format: text::round_nanoseconds,
        curves,
    })
}
