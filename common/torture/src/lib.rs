//! What the three servers survive, proven on the real programs.
//!
//! `matrix` makes single system calls fail, one at a time; `limits` takes
//! descriptors, threads and processes away; `hostile` sends clients who mean
//! no good, `soak` very many; `interleavings` forces the order of signals and
//! ends. All run a server as its user does, and look at it from outside only:
//! what its clients get, what it prints, and what /proc knows of it.

pub mod budgets;
pub mod harness;
pub mod hostile;
pub mod interleavings;
pub mod limits;
pub mod matrix;
pub mod soak;
