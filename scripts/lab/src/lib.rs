//! The lab: measures the three servers on the reader's own machine, beside
//! what others write in the same model and beside what the kernel itself
//! takes. The servers are run as programs; nothing of their code is used.
//!
//! From the question to the answer: [`rows`] says what the servers have to
//! reach; [`compare`] measures all that it needs, in rounds that alternate
//! between the programs, and writes it down below a [`header`]; [`measure`]
//! takes one sample; [`load`] is the client
//! that it takes it with; [`catalogue`] and [`program`] build, start and stop
//! whatever is measured; [`procfs`] and [`machine`] read what it costs and
//! where; [`stats`] makes figures of samples. [`growth`] measures curves
//! instead, and [`plot`] draws them. [`claims`] holds what the course claims of
//! each approach, with the rules of the verdicts; [`evaluate`] does the
//! experiments and writes them down, with [`bars`]; [`words`] says it, in both
//! languages of [`language`]. [`timeline`] draws who waits for whom, with
//! [`svg`]; [`watch`] shows it live. What is written in C or Python to be
//! compared with stands in `scripts/lab/peers`, and there `peers.toml` says how
//! each is built and run; what is written in Rust stands in [`peer`].

#![allow(
    clippy::cast_precision_loss,
    reason = "what is counted here stays far below 2^53"
)]

pub mod bars;
pub mod catalogue;
pub mod claims;
pub mod compare;
pub mod evaluate;
pub mod growth;
pub mod header;
pub mod language;
pub mod load;
pub mod machine;
pub mod measure;
pub mod peer;
pub mod plot;
pub mod procfs;
pub mod program;
pub mod rows;
pub mod stats;
pub mod svg;
pub mod table;
pub mod text;
pub mod timeline;
pub mod watch;
pub mod words;
