//! A client for systems without netcat.
//!
//! The client sends what is typed and prints what the server sends, both at
//! the same time. Neither direction may wait for the other, so it has two
//! threads, as threads-server has one for each client.
//!
//! `cargo run -p common --example client -- 127.0.0.1 8080`

// The standard library is enough for a client.
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::{env, fmt, thread};

/// Connects, and copies both ways until the server has closed.
fn main() -> ExitCode {
    // The first word is this program's own name. A word that is not UTF-8 is
    // neither a host nor a port, so its bytes may be replaced.
    let words: Vec<String> = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    // A port has 16 bits: `parse` refuses 65536, and what is not a number.
    let parsed = match words.as_slice() {
        [host, port] => port.parse::<u16>().ok().map(|port| (host, port)),
        _ => None,
    };
    // The exit status is 2 for a wrong command line, as in the servers.
    let Some((host, port)) = parsed else {
        return print_error(2, "usage: client HOST PORT");
    };
    match exchange(host, port) {
        // The server has closed the connection.
        Ok(()) => ExitCode::SUCCESS,
        // ECONNREFUSED, for example: no socket listens on this port.
        Err(error) => print_error(1, format!("client: {host}:{port}: {error}")),
    }
}

/// Connects, then sends and receives until the server's end of file.
fn exchange(host: &str, port: u16) -> io::Result<()> {
    // `connect` tries each address of the name in turn: `::1` may refuse where
    // `127.0.0.1` answers. If all refuse, the last error is returned.
    let mut stream = TcpStream::connect((host, port))?;
    // A second descriptor of the same socket: each thread owns one.
    let mut sender = stream.try_clone()?;
    // The main thread does not wait for this thread, which may be blocked in a
    // read of the terminal. When `main` returns, the process ends.
    thread::spawn(move || {
        // After an error nothing more can be sent. If the connection is lost,
        // the receiving direction fails too, and reports it.
        copy(&mut io::stdin(), &mut sender).ok();
        // The half-close sends the end of file, and the server can still
        // reply. Without it the server would wait for the client, and the
        // client for the server. ENOTCONN: the server has reset it.
        sender.shutdown(Shutdown::Write).ok();
    });
    // This thread receives until the server's end of file.
    copy(&mut stream, &mut io::stdout())
}

/// Copies until the end of file, each piece as soon as it comes.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    // The size changes only how many system calls a long input takes.
    let mut buffer = [0; 4096];
    loop {
        // Each piece may be a part of a line, or many lines.
        match from.read(&mut buffer) {
            // Ctrl-D at a terminal and the end of file of a connection both
            // give 0 bytes.
            Ok(0) => return Ok(()),
            Ok(count) => {
                // write(2) may take only some of the bytes; `write_all`
                // repeats it with the rest.
                to.write_all(&buffer[..count])?;
                // Rust's standard output keeps a line back until its newline:
                // a reply without one would only be seen at the end.
                to.flush()?;
            }
            // EINTR: a signal came before any byte was read.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // ECONNRESET, for example.
            Err(error) => return Err(error),
        }
    }
}

/// Prints one line on standard error, and returns the exit status.
fn print_error(status: u8, what: impl fmt::Display) -> ExitCode {
    // `eprintln!` panics when standard error cannot be written; here only the
    // exit status is left then.
    writeln!(io::stderr(), "{what}").ok();
    ExitCode::from(status)
}
