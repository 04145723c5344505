//! All tests of the three servers from outside: each is started as a program
//! on a free port, talked to through sockets, signalled, and read.
//!
//! The same tests run against all three servers and all their forms, so that
//! what a test says holds for each of them.
//!
//! - [`forms`] lists the forms, [`runner`] runs the tests.
//! - [`cases`] test what the servers promise; `tests/conformance.rs` runs
//!   them. `docs/promises.md` says which case tests which promise.
//! - [`faults`] makes single system calls fail, one at a time; [`limits`]
//!   takes descriptors, threads and processes away.
//! - [`hostile`] sends clients that mean harm, [`soak`] very many.
//! - [`orders`] forces the order of signals and of the ends of processes.
//! - [`budgets`] limits the system calls of a message and of a connection.

pub mod budgets;
mod case;
pub mod cases;
mod control_group;
mod facts;
pub mod faults;
pub mod forms;
pub mod hostile;
pub mod limits;
mod need;
pub mod orders;
#[cfg(test)]
mod pages;
mod prelude;
pub mod runner;
pub mod soak;

pub use case::{Case, trials};
pub use forms::{Approach, Form};
pub use probe::Kind;

/// Every case of every kind.
pub fn every_case() -> impl Iterator<Item = Case> {
    let others = [
        budgets::CASES,
        faults::census::CASES,
        hostile::CASES,
        limits::CASES,
        orders::CASES,
        soak::CASES,
    ];
    cases::all().chain(others.into_iter().flatten().copied())
}
