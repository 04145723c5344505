//! The contract, tested on mux-server as a program, with each backend, in one
//! loop and in two.

use std::process::ExitCode;

use black_box::{Kind, Variant};

fn main() -> ExitCode {
    let program = env!("CARGO_BIN_EXE_mux-server");
    let variants = [
        Variant::new("select", "--backend select"),
        Variant::new("poll", "--backend poll"),
        Variant::new("epoll", "--backend epoll"),
        Variant::new("select-loops", "--backend select").workers(2),
        Variant::new("poll-loops", "--backend poll").workers(2),
        Variant::new("epoll-loops", "--backend epoll").workers(2),
    ];
    black_box::run(program, Kind::Loop, &variants)
}
