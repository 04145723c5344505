//! The cases, by theme. A case is a function that panics when the server does
//! not do what the contract promises.

mod children;
mod clock;
mod closing;
mod command_line;
mod environment;
mod escapes;
mod exchange;
mod greeting;
mod idle;
mod limits;
mod output;
mod printing;
mod resources;
mod startup;
mod stop;
mod terminal;
mod trace;
mod work;
mod workers;

use crate::case::Case;

/// Every case of every theme.
pub fn all() -> impl Iterator<Item = Case> {
    [
        exchange::CASES,
        closing::CASES,
        greeting::CASES,
        command_line::CASES,
        environment::CASES,
        startup::CASES,
        printing::CASES,
        escapes::CASES,
        output::CASES,
        terminal::CASES,
        limits::CASES,
        idle::CASES,
        clock::CASES,
        stop::CASES,
        children::CASES,
        resources::CASES,
        workers::CASES,
        work::CASES,
        trace::CASES,
    ]
    .into_iter()
    .flatten()
    .copied()
}
