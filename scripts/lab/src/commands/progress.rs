//! How far a long run is, and the orderly end on Ctrl-C.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use lab::catalogue::Catalogue;
use lab::load::Live;
use lab::machine;
use lab::measure::Observer;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::out;

/// Builds the servers and measures with them, which takes so many seconds,
/// about: with a bar, and until Ctrl-C asks for what there is by then.
pub fn measured<T>(
    estimate: f64,
    run: impl FnOnce(&Catalogue, &Live, &mut Progress) -> Result<T>,
) -> Result<T> {
    machine::raise_descriptor_limit()?;
    out!("building the servers");
    let catalogue = Catalogue::new()?;
    let mut progress = Progress::new(estimate);
    let live = until_interrupted()?;
    let measured = run(&catalogue, &live, &mut progress)?;
    progress.bar.finish_and_clear();
    Ok(measured)
}

/// A bar with what goes on and the time that is left. Without a terminal a
/// line now and then, so that a log shows that it goes on.
pub struct Progress {
    bar: ProgressBar,
    estimate: f64,
    /// How much of it is done.
    spent: f64,
    began: Instant,
    told: Instant,
}

/// How often a line is written into a log.
const TELL: Duration = Duration::from_secs(30);

impl Progress {
    /// A run that takes so many seconds, about.
    fn new(estimate: f64) -> Self {
        let length = milliseconds(Duration::from_secs_f64(estimate));
        let bar = ProgressBar::new(length);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:24} {percent:>3} %  {prefix:>9} left  {msg}",
        ) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        if bar.is_hidden() {
            out!("about {}", minutes(estimate));
        }
        let began = Instant::now();
        Self { bar, estimate, spent: 0.0, began, told: began }
    }

    /// Seconds left: what the estimate says, corrected by how right it has
    /// been so far.
    fn left(&self) -> f64 {
        let spent = self.spent;
        let elapsed = self.began.elapsed().as_secs_f64();
        let left = (self.estimate - spent).max(0.0);
        // The correction counts in full only after ten seconds: at first there
        // is too little to correct by.
        let trust = (spent / 10.0).min(1.0);
        let factor = if spent > 0.0 { elapsed / spent } else { 1.0 };
        left * (trust * factor + (1.0 - trust))
    }
}

impl Observer for Progress {
    fn begins(&mut self, what: &str, seconds: f64) {
        let left = minutes(self.left());
        if self.bar.is_hidden() && self.told.elapsed() >= TELL {
            self.told = Instant::now();
            out!("{left} left: {what}");
        }
        let spent = Duration::from_secs_f64(self.spent.min(self.estimate));
        self.bar.set_position(milliseconds(spent));
        self.bar.set_prefix(left);
        self.bar.set_message(what.to_owned());
        self.skips(seconds);
    }

    fn skips(&mut self, seconds: f64) {
        self.spent += seconds;
    }

    fn says(&mut self, line: &str) {
        if self.bar.is_hidden() {
            out!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn minutes(seconds: f64) -> String {
    let seconds = Duration::from_secs_f64(seconds.clamp(0.0, 1e6).round());
    humantime::format_duration(seconds).to_string()
}

/// From now on the first Ctrl-C asks a run to stop, and the second ends the
/// program.
pub fn until_interrupted() -> Result<Live> {
    let live = Live::default();
    for signal in [SIGINT, SIGTERM] {
        // In this order: what the first one sets is seen by the second.
        let asked = || Arc::clone(&live.stop);
        flag::register_conditional_shutdown(signal, 130, asked())?;
        flag::register(signal, asked())?;
    }
    Ok(live)
}
