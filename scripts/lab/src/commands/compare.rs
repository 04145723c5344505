//! `lab compare`: our servers beside the peers.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use lab::catalogue::{Linkage, Program};
use lab::compare::{self, Agenda, Report};
use lab::measure::{Effort, Metric, NOISY, Work};
use lab::rows::{Against, Bound, Finding, SIZES, STALL_NS, Verdict};
use lab::stats::{Summary, median};
use lab::{program, table, text};

use super::progress::measured;
use super::{out, status, write_json};

#[derive(Args)]
pub struct Arguments {
    /// Rows to judge, by the beginning of their names (see --list); all
    /// without any
    rows: Vec<String>,
    /// Fewer and shorter samples, and only what the rows need
    #[arg(long)]
    quick: bool,
    /// Shows the rows, and what would be measured, and does nothing
    #[arg(long)]
    list: bool,
    /// Where the samples go, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Exit status 1 when a row fails
    #[arg(long)]
    strict: bool,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let rows = compare::select(&arguments.rows)?;
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    // A user who names rows wants those rows only.
    let wide = !arguments.quick && arguments.rows.is_empty();
    let agenda = Agenda::new(rows, effort, wide);
    if arguments.list {
        list(&agenda);
        return Ok(ExitCode::SUCCESS);
    }
    let report = measured(agenda.estimate(), |catalogue, live, progress| {
        compare::run(catalogue, &agenda, live, progress)
    })?;

    let file = match &arguments.json {
        Some(file) => file.clone(),
        None => program::output_directory()?.join("compare.json"),
    };
    write_json(&file, &report)?;
    print(&report);
    out!("every sample: {}", program::shown(&file));
    let failed = |finding: &Finding| finding.verdict == Verdict::Fail;
    let fails = arguments.strict && report.findings.iter().any(failed);
    Ok(if report.header.complete && fails {
        ExitCode::FAILURE
    } else {
        status(report.header.complete)
    })
}

fn list(agenda: &Agenda) {
    let rows: Vec<Vec<String>> = agenda
        .rows
        .iter()
        .map(|row| {
            let against = match &row.against {
                Against::Best(programs) => titles(programs),
                Against::Itself(work) => work.to_string(),
                Against::Nothing => "nothing".to_owned(),
            };
            vec![
                row.name.clone(),
                titles(&row.subject),
                row.work.to_string(),
                against,
                bound(row.bound, row.metric, &row.against),
            ]
        })
        .collect();
    let heading = ["row", "<program", "<work", "<against", "bound"];
    out!("{}", table::layout(&heading, &rows).trim_end());
    let time = Duration::from_secs_f64(agenda.estimate().round());
    out!("\nabout {}", humantime::format_duration(time));
}

fn titles(programs: &[Program]) -> String {
    if programs.len() > 1 && programs.iter().all(|it| it.is_ours()) {
        return "mux-server, its best backend".to_owned();
    }
    let titles: Vec<&str> =
        programs.iter().map(|program| program.title()).collect();
    titles.join(" | ")
}

fn bound(bound: Bound, metric: Metric, against: &Against) -> String {
    let value = match against {
        Against::Nothing => figure(metric, bound.value()),
        _ => text::plain(bound.value()),
    };
    match bound {
        Bound::AtLeast(_) => format!("≥ {value}"),
        Bound::AtMost(_) => format!("≤ {value}"),
    }
}

fn figure(metric: Metric, value: f64) -> String {
    match metric {
        Metric::CpuNs | Metric::MedianNs | Metric::P99Ns | Metric::MaxNs => {
            text::nanoseconds(value)
        }
        Metric::Rate => format!("{}/s", text::three_digits(value)),
        Metric::UserKib | Metric::PageTablesKib | Metric::KernelKib => {
            format!("{value:.2} KiB")
        }
        Metric::MibPerSecond => {
            format!("{} MiB/s", text::three_digits(value))
        }
        Metric::ClientShare | Metric::OthersShare => {
            format!("{:.0} %", value * 100.0)
        }
        Metric::Threads => text::three_digits(value),
    }
}

/// A median and how far the quartiles are from it.
fn with_spread(metric: Metric, summary: Option<Summary>) -> String {
    summary.map_or_else(String::new, |summary| {
        format!(
            "{} ±{:>2.0} %",
            figure(metric, summary.median),
            summary.relative_spread() * 100.0
        )
    })
}

fn print(report: &Report) {
    let machine = &report.header.machine;
    out!(
        "{}, {} processors{}, {}, Linux {}, {}",
        machine.cpu,
        machine.processors,
        if machine.virtual_machine { " (virtual)" } else { "" },
        machine.system,
        machine.kernel,
        report.header.began
    );
    out!(
        "TCP congestion control {}; {} rounds of {} s each; figures are \
         medians ± half the distance of the quartiles",
        machine.congestion_control,
        report.effort.rounds,
        report.effort.seconds
    );
    if machine.load_average > 0.5 {
        out!(
            "warning: the load average was {} at the beginning: something \
             else was running, be it only the build",
            machine.load_average
        );
    }
    let others: Vec<f64> = report
        .samples
        .iter()
        .filter_map(|it| it.values.get(&Metric::OthersShare).copied())
        .collect();
    if let Some(others) = median(&others).filter(|it| *it > NOISY) {
        out!(
            "warning: something else used {:.0} % of the processors during \
             half of the samples: take these figures as a sketch",
            others * 100.0
        );
    }
    out!(
        "process-server and the C programs that fork are linked {}\n",
        match report.linkage {
            Linkage::Dynamic => "dynamically",
            Linkage::Static => "statically",
        }
    );
    print_floors(report);
    print_works(report);
    print_sizes(report);
    print_stalls(report);
    print_missing(report);
    print_findings(report);
}

fn print_floors(report: &Report) {
    let rows: Vec<Vec<String>> = report
        .floors
        .iter()
        .map(|(floor, samples)| {
            let summary = Summary::of(samples);
            vec![floor.to_string(), with_spread(Metric::MedianNs, summary)]
        })
        .collect();
    if !rows.is_empty() {
        let heading = ["what the kernel itself takes", "each"];
        out!("{}", table::layout(&heading, &rows));
    }
}

/// The columns of a work's table.
fn columns(work: Work) -> Vec<(&'static str, Metric)> {
    match work {
        Work::Exchange(_)
        | Work::Echo(_)
        | Work::BesideIdle(_)
        | Work::Sized(_) => vec![
            ("rate", Metric::Rate),
            ("server's CPU each", Metric::CpuNs),
            ("p50", Metric::MedianNs),
            ("p99", Metric::P99Ns),
            ("max", Metric::MaxNs),
            ("client's CPU", Metric::ClientShare),
            ("others' CPU", Metric::OthersShare),
        ],
        Work::Burst(_) => vec![
            ("p50", Metric::MedianNs),
            ("p99", Metric::P99Ns),
            ("max", Metric::MaxNs),
        ],
        Work::Memory(_) => vec![
            ("user space, each", Metric::UserKib),
            ("page tables, each", Metric::PageTablesKib),
            ("kernel, machine-wide, each", Metric::KernelKib),
            ("threads, each", Metric::Threads),
        ],
        Work::Stream(_) => vec![
            ("rate", Metric::MibPerSecond),
            ("server's CPU each MiB", Metric::CpuNs),
        ],
    }
}

fn print_works(report: &Report) {
    let mut works: Vec<Work> =
        report.samples.iter().map(|sample| sample.work).collect();
    works.sort_unstable();
    works.dedup();
    // All sizes of messages share one table.
    works.retain(|work| !matches!(work, Work::Sized(_)));
    for work in works {
        let columns = columns(work);
        let mut heading = vec![work.to_string()];
        if work.is_pinned() {
            heading[0] += " (server and client pinned to one processor)";
        }
        heading.extend(columns.iter().map(|(name, _)| (*name).to_owned()));
        heading.push("<errors".to_owned());
        let mut rows = Vec::new();
        for program in Program::all() {
            let mut row = vec![program.title().to_owned()];
            let mut any = false;
            for (_, metric) in &columns {
                let summary = report.figures(program, work, *metric);
                any |= summary.is_some();
                row.push(match metric {
                    Metric::Rate | Metric::CpuNs | Metric::MibPerSecond => {
                        with_spread(*metric, summary)
                    }
                    // Of the longest, the longest.
                    Metric::MaxNs => summary
                        .map_or_else(String::new, |it| figure(*metric, it.max)),
                    _ => summary.map_or_else(String::new, |it| {
                        figure(*metric, it.median)
                    }),
                });
            }
            let errors: u64 = report
                .samples
                .iter()
                .filter(|it| it.program == program && it.work == work)
                .flat_map(|it| it.errors.values())
                .sum();
            if errors > 0 {
                row.push(text::count(errors));
            }
            if any {
                rows.push(row);
            }
        }
        let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
        out!("{}", table::layout(&heading, &rows));
    }
}

/// The round trip of a message by its size: a table for all of them.
fn print_sizes(report: &Report) {
    let at = |program, size| {
        report.figures(program, Work::Sized(size), Metric::MedianNs)
    };
    let mut rows = Vec::new();
    for program in Program::all() {
        let figures = SIZES.map(|size| at(program, size));
        if figures.iter().all(Option::is_none) {
            continue;
        }
        let cells = figures.map(|it| {
            it.map_or_else(String::new, |it| {
                figure(Metric::MedianNs, it.median)
            })
        });
        let title = std::iter::once(program.title().to_owned());
        rows.push(title.chain(cells).collect());
    }
    if rows.is_empty() {
        return;
    }
    let sizes = SIZES.map(|size| format!("{} B", text::count(size as u64)));
    let first = "round trip by the size of a message, p50 (server and client \
                 pinned to one processor)";
    let heading: Vec<&str> = std::iter::once(first)
        .chain(sizes.iter().map(String::as_str))
        .collect();
    out!("{}", table::layout(&heading, &rows));
}

/// A median does not show that one client waited for a second: a queue was
/// full, and the handshake was tried again.
fn print_stalls(report: &Report) {
    for sample in &report.samples {
        let max = sample.values.get(&Metric::MaxNs).copied();
        if let Some(max) = max.filter(|max| *max >= STALL_NS) {
            out!(
                "stall: {} at {}, round {}: one client waited for {}",
                sample.program,
                sample.work,
                sample.round + 1,
                text::nanoseconds(max)
            );
        }
    }
}

fn print_missing(report: &Report) {
    let mut lines: Vec<String> = report
        .missing
        .iter()
        .map(|missing| {
            format!("left out: {}: {}", missing.program, missing.why)
        })
        .collect();
    lines.sort();
    lines.dedup();
    for line in &lines {
        out!("{line}");
    }
    if !lines.is_empty() {
        out!("");
    }
}

fn print_findings(report: &Report) {
    let rows: Vec<Vec<String>> = report
        .findings
        .iter()
        .map(|finding| {
            let row = &finding.row;
            let against = match (&row.against, finding.reference) {
                (Against::Nothing, _) => String::new(),
                (Against::Itself(work), _) => work.to_string(),
                (Against::Best(_), Some(program)) => program.title().to_owned(),
                (Against::Best(programs), None) => titles(programs),
            };
            let ratio = match (&row.against, finding.ratio) {
                (Against::Nothing, _) => {
                    finding.figures.map_or_else(String::new, |figures| {
                        figure(row.metric, figures.max)
                    })
                }
                (_, Some(ratio)) => format!(
                    "{} ({}–{})",
                    text::three_digits(ratio.median),
                    text::three_digits(ratio.first_quartile),
                    text::three_digits(ratio.third_quartile)
                ),
                (_, None) => String::new(),
            };
            vec![
                match finding.verdict {
                    Verdict::Pass => "pass".to_owned(),
                    Verdict::Fail => "FAIL".to_owned(),
                    Verdict::TooNoisy => "too noisy to tell".to_owned(),
                    Verdict::LeftOut => "left out".to_owned(),
                },
                row.name.clone(),
                finding.subject.map_or_else(
                    || titles(&row.subject),
                    |program| program.title().to_owned(),
                ),
                row.work.to_string(),
                against,
                ratio,
                bound(row.bound, row.metric, &row.against),
                finding.remark.clone(),
            ]
        })
        .collect();
    let heading = [
        "", "<row", "<program", "<work", "<against", "ratio", "bound",
        "<remark",
    ];
    out!("{}", table::layout(&heading, &rows).trim_end());
    let count = |verdict: Verdict| {
        let findings = report.findings.iter();
        findings.filter(|it| it.verdict == verdict).count()
    };
    out!(
        "\n{} pass, {} fail, {} too noisy to tell, {} left out; {} s{}",
        count(Verdict::Pass),
        count(Verdict::Fail),
        count(Verdict::TooNoisy),
        count(Verdict::LeftOut),
        report.header.seconds.round(),
        if report.header.complete { "" } else { "; stopped early" }
    );
}
