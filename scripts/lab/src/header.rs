//! What every file of measurements begins with.

use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// When, how long and where was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The form of the file.
    pub form: u32,
    /// When it began, UTC.
    pub began: String,
    /// How long it took, seconds.
    pub seconds: f64,
    /// False when it was stopped early: some of it is missing then.
    pub complete: bool,
    /// Where it was measured.
    pub machine: Machine,
}

impl Header {
    /// A run that begins now, on this machine.
    pub fn new(form: u32) -> Self {
        let began = humantime::format_rfc3339_seconds(SystemTime::now());
        Self {
            form,
            began: began.to_string(),
            seconds: 0.0,
            complete: false,
            machine: Machine::this(),
        }
    }

    /// The same run, which ends now and began with this clock.
    pub fn ended(self, clock: Instant, complete: bool) -> Self {
        Self { seconds: clock.elapsed().as_secs_f64(), complete, ..self }
    }
}
