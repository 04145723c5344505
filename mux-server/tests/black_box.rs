//! The contract, tested on mux-server as a program, with each backend.

use std::process::ExitCode;

use black_box::{Kind, Variant};

fn main() -> ExitCode {
    let program = env!("CARGO_BIN_EXE_mux-server");
    let variants = [
        Variant::new("select", "--backend select"),
        Variant::new("poll", "--backend poll"),
        Variant::new("epoll", "--backend epoll"),
    ];
    black_box::run(program, Kind::Loop, &variants)
}
