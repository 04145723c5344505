//! The pictures of the claims, drawn from their samples.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Evaluation, Finding, page};
use crate::bars::{self, Bar, Chart, Group};
use crate::claims::Samples;
use crate::language::Language;
use crate::plot::{self, Curve, Point};
use crate::stats::Summary;
use crate::text;

/// Whether a picture shows what was found out. Of some claims a sentence or a
/// table says it all.
#[must_use]
pub fn shows(finding: &Finding) -> bool {
    finding.judgement.unmeasured.is_none()
        && !matches!(finding.claim.id, "T6" | "M6")
}

/// Draws the pictures of an evaluation, in both languages, and returns their
/// files.
///
/// # Errors
///
/// When a file cannot be written, or the words lack a figure.
pub fn draw(evaluation: &Evaluation, directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for language in Language::ALL {
        for told in page::tell(evaluation, language)? {
            let Some(name) = &told.picture else { continue };
            let title = format!("{}  {}.", told.id, told.claim);
            let subtitle = subtitle(evaluation, language);
            let drawer = Drawer { samples: &evaluation.samples, language };
            let file = directory.join(name);
            if told.id == "M3" {
                plot::draw(&drawer.curves(title, subtitle), &file)?;
            } else {
                let groups = drawer.groups(told.id);
                let chart = Chart { title, subtitle, groups };
                fs::write(&file, bars::draw(&chart))
                    .with_context(|| format!("writing {}", file.display()))?;
            }
            files.push(file);
        }
    }
    Ok(files)
}

/// Under what conditions.
fn subtitle(evaluation: &Evaluation, language: Language) -> String {
    let machine = &evaluation.machine;
    let (processors, medians) = match language {
        Language::English => ("processors", "medians, smallest and largest"),
        Language::Spanish => ("procesadores", "medianas, mínimos y máximos"),
    };
    let kernel = machine.kernel.split('-').next().unwrap_or_default();
    format!(
        "{}, {} {processors}, Linux {kernel}; {medians}",
        machine.cpu, machine.processors
    )
}

/// Draws bars from samples, in one language.
struct Drawer<'run> {
    samples: &'run Samples,
    language: Language,
}

/// Threads and processes only, of which the claim is.
fn without_the_loop(mut group: Group) -> Group {
    group.bars.retain(|bar| bar.colour != bars::LOOP);
    group
}

/// How a figure is written.
type Format = fn(f64) -> String;

impl Drawer<'_> {
    fn pick(&self, en: &str, es: &str) -> String {
        self.language.pick(en, es).to_owned()
    }

    /// The bar of a name's samples, if there are any.
    fn bar(
        &self,
        name: &str,
        (en, es): (&str, &str),
        colour: &'static str,
        format: Format,
    ) -> Option<Bar> {
        let summary = Summary::of(self.samples.0.get(name)?)?;
        Some(Bar {
            label: self.pick(en, es),
            value: summary.median,
            range: (summary.min, summary.max),
            figure: format(summary.median),
            colour,
        })
    }

    fn group(
        &self,
        (en, es): (&str, &str),
        bars: impl IntoIterator<Item = Option<Bar>>,
    ) -> Group {
        Group {
            heading: self.pick(en, es),
            bars: bars.into_iter().flatten().collect(),
        }
    }

    /// The three approaches, or those of them that have samples.
    fn approaches(
        &self,
        heading: (&str, &str),
        name: impl Fn(&str) -> String,
        format: Format,
    ) -> Group {
        let bars = APPROACHES.map(|(whose, words, colour)| {
            self.bar(&name(whose), words, colour, format)
        });
        self.group(heading, bars)
    }
}

const THREADS: (&str, &str) = ("threads", "hilos");
const PROCESSES: (&str, &str) = ("processes", "procesos");
const LOOP: (&str, &str) = ("one loop", "un bucle");

const APPROACHES: [(&str, (&str, &str), &str); 3] = [
    ("threads", THREADS, bars::THREADS),
    ("processes", PROCESSES, bars::PROCESSES),
    ("mux", LOOP, bars::LOOP),
];

fn kib(value: f64) -> String {
    format!("{value:.2} KiB")
}

fn milliseconds(value: f64) -> String {
    text::nanoseconds(value * 1e6)
}

fn percent(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

fn times(value: f64) -> String {
    format!("{value:.2}")
}

impl Drawer<'_> {
    fn groups(&self, id: &str) -> Vec<Group> {
        match id {
            "M2" => vec![self.memory()],
            "T1" => vec![without_the_loop(self.memory())],
            "P4" => {
                let tables = self.approaches(
                    ("its page tables", "sus tablas de páginas"),
                    |whose| format!("memory/{whose}/page_tables_kib"),
                    kib,
                );
                [self.memory(), tables].map(without_the_loop).to_vec()
            }
            "T2" | "P5" => vec![self.passing()],
            "T3" => vec![self.waiting()],
            "T4" => vec![self.races()],
            "T5" | "P1" | "P3" => vec![self.compute()],
            "P2" => vec![self.approaches(
                (
                    "other clients still served after a fatal signal",
                    "los demás clientes aún atendidos tras una señal fatal",
                ),
                |whose| format!("crash/{whose}/others_served_share"),
                percent,
            )],
            "P6" => self.creation(),
            "M1" => self.efficiency(),
            "M4" => self.source(),
            "M5" => self.fairness(),
            _ => Vec::new(),
        }
    }

    fn memory(&self) -> Group {
        self.approaches(
            (
                "memory for each open connection (PSS)",
                "memoria por conexión abierta (PSS)",
            ),
            |whose| format!("memory/{whose}/user_kib"),
            kib,
        )
    }

    fn passing(&self) -> Group {
        let ns: Format = text::nanoseconds;
        let bar = |name: &str, en: &str, es: &str, colour| {
            self.bar(&format!("passing/{name}_ns"), (en, es), colour, ns)
        };
        let (threads, processes) = (bars::THREADS, bars::PROCESSES);
        self.group(
            ("one count passed on", "una cuenta entregada"),
            [
                bar(
                    "threads/atomic",
                    "threads: atomic",
                    "hilos: atómico",
                    threads,
                ),
                bar("threads/mutex", "threads: mutex", "hilos: mutex", threads),
                bar(
                    "threads/channel",
                    "threads: channel",
                    "hilos: canal",
                    threads,
                ),
                bar(
                    "processes/shared_memory",
                    "processes: shared memory",
                    "procesos: memoria compartida",
                    processes,
                ),
                bar(
                    "processes/pipe",
                    "processes: pipe",
                    "procesos: pipe",
                    processes,
                ),
            ],
        )
    }

    fn waiting(&self) -> Group {
        let mut group = self.approaches(
            (
                "time until all clients are served, each waits 100 ms",
                "tiempo hasta atender a todos, cada uno espera 100 ms",
            ),
            |whose| format!("waiting/{whose}/wall_ms"),
            milliseconds,
        );
        group.bars.extend(self.bar(
            "waiting/one_after_the_other/wall_ms",
            ("one after the other", "uno tras otro"),
            bars::OTHER,
            milliseconds,
        ));
        group
    }

    fn races(&self) -> Group {
        let bar = |name: &str, words, colour| {
            self.bar(
                &format!("races/{name}/lost_share"),
                words,
                colour,
                percent,
            )
        };
        self.group(
            ("counts lost", "cuentas perdidas"),
            [
                bar(
                    "read_then_write",
                    ("read, then write", "leer, luego escribir"),
                    bars::PROCESSES,
                ),
                bar(
                    "fetch_add",
                    ("one indivisible addition", "una suma indivisible"),
                    bars::THREADS,
                ),
            ],
        )
    }

    fn compute(&self) -> Group {
        let bar = |whose: &str, words, colour| {
            let name = format!("compute/{whose}/speed_up_times");
            self.bar(&name, words, colour, times)
        };
        self.group(
            (
                "speed-up with as many clients as processors",
                "aceleración con tantos clientes como procesadores",
            ),
            [
                bar(
                    "threads",
                    ("threads in Rust", "hilos en Rust"),
                    bars::THREADS,
                ),
                bar(
                    "python_threading",
                    ("Python threading", "threading en Python"),
                    bars::OTHER,
                ),
                bar(
                    "processes",
                    ("processes in Rust", "procesos en Rust"),
                    bars::PROCESSES,
                ),
                bar(
                    "python_multiprocessing",
                    ("Python multiprocessing", "multiprocessing en Python"),
                    bars::OTHER,
                ),
                bar(
                    "mux",
                    ("one loop in Rust", "un bucle en Rust"),
                    bars::LOOP,
                ),
            ],
        )
    }

    fn creation(&self) -> Vec<Group> {
        let ns: Format = text::nanoseconds;
        let creation = [
            ("process", ("process", "proceso"), bars::PROCESSES),
            ("thread", ("thread", "hilo"), bars::THREADS),
            (
                "table_entry",
                ("entry in a table", "entrada de una tabla"),
                bars::LOOP,
            ),
        ]
        .map(|(what, words, colour)| {
            self.bar(&format!("creation/{what}_ns"), words, colour, ns)
        });
        let pools = [
            ("processes", PROCESSES, bars::PROCESSES),
            (
                "processes_pool",
                ("pool of processes", "grupo de procesos"),
                bars::PROCESSES,
            ),
            ("threads", THREADS, bars::THREADS),
            (
                "threads_pool",
                ("pool of threads", "grupo de hilos"),
                bars::THREADS,
            ),
            ("poll", LOOP, bars::LOOP),
        ]
        .map(|(whose, words, colour)| {
            self.bar(&format!("pools/{whose}/cpu_each_ns"), words, colour, ns)
        });
        vec![
            self.group(("creation and end", "creación y fin"), creation),
            self.group(
                (
                    "processor time of one exchange, connection included",
                    "tiempo de procesador de un intercambio, con su conexión",
                ),
                pools,
            ),
        ]
    }

    fn efficiency(&self) -> Vec<Group> {
        let programs = [
            ("threads", THREADS, bars::THREADS),
            ("processes", PROCESSES, bars::PROCESSES),
            ("poll", ("one loop, poll", "un bucle, poll"), bars::LOOP),
            ("epoll", ("one loop, epoll", "un bucle, epoll"), bars::LOOP),
        ];
        let bars = |what: &str, format: Format| {
            programs.map(|(whose, words, colour)| {
                let name = format!("efficiency/{whose}/{what}");
                self.bar(&name, words, colour, format)
            })
        };
        vec![
            self.group(
                (
                    "processor time of the server for each request",
                    "tiempo de procesador del servidor por petición",
                ),
                bars("cpu_each_ns", text::nanoseconds),
            ),
            self.group(
                (
                    "context switches for each request",
                    "cambios de contexto por petición",
                ),
                bars("switches_each_count", times),
            ),
        ]
    }

    fn source(&self) -> Vec<Group> {
        let whole: Format = |value| format!("{value:.0}");
        [
            ("lines", ("lines of code", "líneas de código")),
            ("branches", ("branches", "bifurcaciones")),
            ("states", ("states", "estados")),
        ]
        .map(|(what, heading)| {
            let name = |whose: &str| format!("source/{whose}/{what}_count");
            self.approaches(heading, name, whole)
        })
        .to_vec()
    }

    fn fairness(&self) -> Vec<Group> {
        let ns: Format = text::nanoseconds;
        vec![
            self.approaches(
                (
                    "latency of a light client beside one that computes",
                    "latencia de un cliente ligero junto a uno que calcula",
                ),
                |whose| format!("fairness/{whose}/beside_heavy_ns"),
                ns,
            ),
            self.approaches(
                ("without the one that computes", "sin el que calcula"),
                |whose| format!("fairness/{whose}/alone_ns"),
                ns,
            ),
        ]
    }

    /// M3: round trips over the number of idle connections.
    fn curves(&self, title: String, subtitle: String) -> plot::Chart {
        let whole: Format = |x| text::plain(x.round());
        let curves = [
            ("select", "select", "select"),
            ("poll", "poll", "poll"),
            ("epoll", "epoll", "epoll"),
            ("threads", "threads", "hilos"),
            ("processes", "processes", "procesos"),
        ]
        .map(|(whose, en, es)| curve(self.samples, whose, &self.pick(en, es)));
        plot::Chart {
            title,
            subtitle,
            x_label: self.pick(
                "idle connections beside the active one",
                "conexiones inactivas junto a la activa",
            ),
            y_label: self
                .pick("round trip, 64 bytes", "ida y vuelta, 64 bytes"),
            x_format: whole,
            y_format: text::round_nanoseconds,
            curves: curves
                .into_iter()
                .filter(|curve| !curve.points.is_empty())
                .collect(),
        }
    }
}

fn curve(samples: &Samples, whose: &str, label: &str) -> Curve {
    let beginning = format!("scaling/{whose}/beside_");
    let mut points: Vec<Point> = samples
        .0
        .iter()
        .filter_map(|(name, values)| {
            let rest = name.strip_prefix(&beginning)?;
            let idle: f64 =
                rest.strip_suffix("/round_trip_ns")?.parse().ok()?;
            let summary = Summary::of(values)?;
            Some(Point {
                x: idle,
                y: summary.median,
                low: summary.min,
                high: summary.max,
            })
        })
        .collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    Curve { label: label.to_owned(), points }
}
