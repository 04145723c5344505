//! The contract, tested on threads-server as a program.

use std::process::ExitCode;

use black_box::{Form, Kind};

fn main() -> ExitCode {
    let program = env!("CARGO_BIN_EXE_threads-server");
    let forms = [
        Form::new("threads", Kind::Threads, ""),
        Form::new("workers", Kind::Threads, "").workers(8),
    ];
    black_box::run(program, &forms)
}
