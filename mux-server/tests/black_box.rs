//! The contract, tested on mux-server as a program, with each backend, in one
//! loop and in two.

use std::process::ExitCode;

use black_box::{Form, Kind::Loop};

fn main() -> ExitCode {
    let program = env!("CARGO_BIN_EXE_mux-server");
    let forms = [
        Form::new("select", Loop, "--backend select"),
        Form::new("poll", Loop, "--backend poll"),
        Form::new("epoll", Loop, "--backend epoll"),
        Form::new("select-loops", Loop, "--backend select").workers(2),
        Form::new("poll-loops", Loop, "--backend poll").workers(2),
        Form::new("epoll-loops", Loop, "--backend epoll").workers(2),
    ];
    black_box::run(program, &forms)
}
