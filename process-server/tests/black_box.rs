//! The contract, tested on process-server as a program.

use std::process::ExitCode;

use black_box::{Form, Kind};

fn main() -> ExitCode {
    let program = env!("CARGO_BIN_EXE_process-server");
    let forms = [
        Form::new("process", Kind::Processes, ""),
        Form::new("workers", Kind::Processes, "").workers(8),
    ];
    black_box::run(program, &forms)
}
