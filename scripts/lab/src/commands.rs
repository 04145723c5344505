//! What the lab can be asked to do.

pub mod compare;
pub mod load;
pub mod peer;
mod progress;
