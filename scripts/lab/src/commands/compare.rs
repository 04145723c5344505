//! `lab compare`: our servers beside the peers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use lab::catalogue::{Linkage, Program};
use lab::compare::{self, Agenda, Report};
use lab::machine::Machine;
use lab::measure::{Effort, Floor, Metric, NOISY, Work};
use lab::rows::{Against, Bound, Finding, Row, SIZES, STALL_NS, Verdict};
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
    let cells = |row: &Row| {
        let against = match &row.against {
            Against::Best(programs) => titles(programs),
            Against::Itself(work) => work.to_string(),
            Against::Nothing => "nothing".to_owned(),
        };
        let (name, subject) = (row.name.clone(), titles(&row.subject));
        vec![name, subject, row.work.to_string(), against, bound(row)]
    };
    let rows: Vec<_> = agenda.rows.iter().map(cells).collect();
    let heading = ["row", "<program", "<work", "<against", "bound"];
    out!("{}", table::layout(&heading, &rows).trim_end());
    let time = Duration::from_secs_f64(agenda.estimate().round());
    out!("\nabout {}", humantime::format_duration(time));
}

fn titles(programs: &[Program]) -> String {
    if programs.len() > 1 && programs.iter().all(|it| it.is_ours()) {
        return "mux-server, its best backend".to_owned();
    }
    let titles: Vec<&str> = programs.iter().map(|it| it.title()).collect();
    titles.join(" | ")
}

fn bound(row: &Row) -> String {
    let value = match row.against {
        Against::Nothing => figure(row.metric, row.bound.value()),
        _ => text::plain(row.bound.value()),
    };
    match row.bound {
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
        Metric::MibPerSecond => format!("{} MiB/s", text::three_digits(value)),
        Metric::ClientShare | Metric::OthersShare => {
            format!("{:.0} %", value * 100.0)
        }
        Metric::Threads => text::three_digits(value),
    }
}

/// A median and how far the quartiles are from it.
fn with_spread(metric: Metric, summary: Summary) -> String {
    let spread = summary.relative_spread() * 100.0;
    format!("{} ±{spread:>2.0} %", figure(metric, summary.median))
}

/// What stands in the table of a work.
fn cell(metric: Metric, summary: Option<Summary>) -> String {
    summary.map_or_else(String::new, |summary| match metric {
        Metric::Rate | Metric::CpuNs | Metric::MibPerSecond => {
            with_spread(metric, summary)
        }
        // Of the longest, the longest.
        Metric::MaxNs => figure(metric, summary.max),
        _ => figure(metric, summary.median),
    })
}

fn print(report: &Report) {
    let Machine { cpu, processors, system, kernel, .. } =
        &report.header.machine;
    let Machine { congestion_control, load_average, virtual_machine, .. } =
        &report.header.machine;
    let (began, effort) = (&report.header.began, &report.effort);
    let is_virtual = if *virtual_machine { " (virtual)" } else { "" };
    out!(
        "{cpu}, {processors} processors{is_virtual}, {system}, Linux {kernel}, \
         {began}"
    );
    out!(
        "TCP congestion control {congestion_control}; {} rounds of {} s each; \
         figures are medians ± half the distance of the quartiles",
        effort.rounds,
        effort.seconds
    );
    if *load_average > 0.5 {
        out!(
            "warning: the load average was {load_average} at the beginning: \
             something else was running, be it only the build"
        );
    }
    let samples = report.samples.iter();
    let others: Vec<f64> = samples
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
    let each = |(floor, samples): (&Floor, &Vec<f64>)| {
        let summary = Summary::of(samples)?;
        let each = with_spread(Metric::MedianNs, summary);
        Some(vec![floor.to_string(), each])
    };
    let floors: Vec<_> = report.floors.iter().filter_map(each).collect();
    if !floors.is_empty() {
        let heading = ["what the kernel itself takes", "each"];
        out!("{}", table::layout(&heading, &floors));
    }
    print_works(report);
    print_sizes(report);
    print_stalls(report);
    let left_out: BTreeSet<String> = report
        .missing
        .iter()
        .map(|it| format!("left out: {}: {}", it.program, it.why))
        .collect();
    for line in &left_out {
        out!("{line}");
    }
    if !left_out.is_empty() {
        out!("");
    }
    print_findings(report);
}

/// The columns of the tables: of a work those of which there are figures.
const COLUMNS: [(&str, Metric); 12] = [
    ("rate", Metric::Rate),
    ("rate", Metric::MibPerSecond),
    ("server's CPU each", Metric::CpuNs),
    ("p50", Metric::MedianNs),
    ("p99", Metric::P99Ns),
    ("max", Metric::MaxNs),
    ("client's CPU", Metric::ClientShare),
    ("others' CPU", Metric::OthersShare),
    ("user space, each", Metric::UserKib),
    ("page tables, each", Metric::PageTablesKib),
    ("kernel, machine-wide, each", Metric::KernelKib),
    ("threads, each", Metric::Threads),
];

fn print_works(report: &Report) {
    let works: BTreeSet<Work> =
        report.samples.iter().map(|it| it.work).collect();
    for work in works {
        // All sizes of messages share one table.
        if matches!(work, Work::Sized(_)) {
            continue;
        }
        let samples =
            || report.samples.iter().filter(move |it| it.work == work);
        let has_figures = |metric: Metric| {
            samples().any(|it| it.values.contains_key(&metric))
        };
        let columns = COLUMNS.into_iter().filter(|it| has_figures(it.1));
        let mut first = work.to_string();
        if work.is_pinned() {
            first += " (server and client pinned to one processor)";
        }
        let mut heading = vec![&*first];
        heading.extend(columns.clone().map(|column| match (column, work) {
            ((_, Metric::CpuNs), Work::Stream(_)) => "server's CPU each MiB",
            ((name, _), _) => name,
        }));
        heading.push("<errors");
        let rows = rows_of(|program| {
            let of = |(_, metric)| {
                cell(metric, report.figures(program, work, metric))
            };
            let own = samples().filter(|it| it.program == program);
            let errors: u64 = own.flat_map(|it| it.errors.values()).sum();
            let errors = (errors > 0).then(|| text::count(errors));
            columns.clone().map(of).chain(errors).collect()
        });
        out!("{}", table::layout(&heading, &rows));
    }
}

/// A row for each program of which any of these figures was measured.
fn rows_of(figures: impl Fn(Program) -> Vec<String>) -> Vec<Vec<String>> {
    let row = |program: Program| {
        let mut row = figures(program);
        if row.iter().all(String::is_empty) {
            return None;
        }
        row.insert(0, program.title().to_owned());
        Some(row)
    };
    Program::all().filter_map(row).collect()
}

/// The round trip of a message by its size: a table for all of them.
fn print_sizes(report: &Report) {
    let p50 = Metric::MedianNs;
    let at = |program, size| report.figures(program, Work::Sized(size), p50);
    let rows = rows_of(|program| {
        SIZES.map(|size| cell(p50, at(program, size))).to_vec()
    });
    if rows.is_empty() {
        return;
    }
    let sizes = SIZES.map(|size| format!("{} B", text::count(size as u64)));
    let mut heading = vec![
        "round trip by the size of a message, p50 (server and client pinned \
         to one processor)",
    ];
    heading.extend(sizes.iter().map(String::as_str));
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

fn print_findings(report: &Report) {
    let cells = |finding: &Finding| {
        let row = &finding.row;
        let against = match (&row.against, finding.reference) {
            (Against::Nothing, _) => String::new(),
            (Against::Itself(work), _) => work.to_string(),
            (Against::Best(_), Some(program)) => program.title().to_owned(),
            (Against::Best(programs), None) => titles(programs),
        };
        let digits = text::three_digits;
        let ratio = match (&row.against, finding.figures, finding.ratio) {
            (Against::Nothing, Some(figures), _) => {
                figure(row.metric, figures.max)
            }
            (Against::Best(_) | Against::Itself(_), _, Some(ratio)) => format!(
                "{} ({}–{})",
                digits(ratio.median),
                digits(ratio.first_quartile),
                digits(ratio.third_quartile)
            ),
            _ => String::new(),
        };
        let subject = match finding.subject {
            Some(program) => program.title().to_owned(),
            None => titles(&row.subject),
        };
        vec![
            finding.verdict.to_string(),
            row.name.clone(),
            subject,
            row.work.to_string(),
            against,
            ratio,
            bound(row),
            finding.remark.clone(),
        ]
    };
    let rows: Vec<_> = report.findings.iter().map(cells).collect();
    let heading = [
        "", "<row", "<program", "<work", "<against", "ratio", "bound",
        "<remark",
    ];
    out!("{}", table::layout(&heading, &rows).trim_end());
    let verdicts = [
        (Verdict::Pass, "pass"),
        (Verdict::Fail, "fail"),
        (Verdict::TooNoisy, "too noisy to tell"),
        (Verdict::LeftOut, "left out"),
    ];
    let counts = verdicts.map(|(verdict, words)| {
        let findings = report.findings.iter();
        let count = findings.filter(|it| it.verdict == verdict).count();
        format!("{count} {words}")
    });
    let early = if report.header.complete { "" } else { "; stopped early" };
    let seconds = report.header.seconds.round();
    out!("\n{}; {seconds} s{early}", counts.join(", "));
}
