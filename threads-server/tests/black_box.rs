//! The contract, tested on threads-server as a program.

use std::process::ExitCode;

use black_box::{Kind, Variant};

fn main() -> ExitCode {
    let program = env!("CARGO_BIN_EXE_threads-server");
    let variants = [
        Variant::new("threads", ""),
        Variant::new("workers", "").workers(8),
    ];
    black_box::run(program, Kind::Threads, &variants)
}
