//! The contract, tested on process-server as a program.

use std::process::ExitCode;

use black_box::{Kind, Variant};

fn main() -> ExitCode {
    let program = env!("CARGO_BIN_EXE_process-server");
    let variants = [
        Variant::new("process", ""),
        Variant::new("workers", "").workers(8),
    ];
    black_box::run(program, Kind::Processes, &variants)
}
