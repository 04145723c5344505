//! What the lab can be asked to do.

pub mod load;
pub mod peer;
