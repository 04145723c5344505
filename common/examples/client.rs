//! The other half of the lesson: a client, for where there is no netcat.
//!
//! It passes on what is typed and prints what the server sends, both at the
//! same time. That is a server's problem in small: neither direction may wait
//! for the other. Its answer is that of threads-server, one thread more.
//!
//! `cargo run -p common --example client -- 127.0.0.1 8080`

// All from the standard library: a client needs no more.
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::{env, fmt, thread};

/// Connects, and copies both ways until the server has closed.
fn main() -> ExitCode {
    // The first word is this program's own name. A word that is not UTF-8
    // can be neither a host nor a port, whatever its bytes are turned into.
    let words: Vec<String> = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    // The port's type does the checking: 65536 does not fit into 16 bits.
    let parsed = match words.as_slice() {
        // Two words, the second a number.
        [host, port] => port.parse::<u16>().ok().map(|port| (host, port)),
        // Too few, or too many.
        _ => None,
    };
    // 2 is what shells and the servers, too, say to a wrong command line.
    let Some((host, port)) = parsed else {
        return complain(2, "usage: client HOST PORT");
    };
    // Here the program waits until the server has closed.
    match converse(host, port) {
        // The server closes when all is said, so that is success.
        Ok(()) => ExitCode::SUCCESS,
        // Refused, most likely: nobody listens there.
        Err(error) => complain(1, format!("client: {host}:{port}: {error}")),
    }
}

/// One conversation, from the handshake to the server's end of file.
fn converse(host: &str, port: u16) -> io::Result<()> {
    // The name is looked up, and each of its addresses tried in turn: `::1`
    // may refuse where `127.0.0.1` answers. When all have, the last error.
    let mut stream = TcpStream::connect((host, port))?;
    // A second descriptor of the same socket: each thread owns one, and the
    // connection lives until both are closed.
    let mut sending = stream.try_clone()?;
    // Nobody waits for this thread: it may sit in a read of the terminal for
    // ever, and when `main` returns, the process ends with it inside.
    thread::spawn(move || {
        // Whatever went wrong, nothing more can be sent. If the connection is
        // gone, the other direction meets the same and reports it.
        copy(&mut io::stdin(), &mut sending).ok();
        // The half-close: an end of file for the server, which may still
        // reply. Without it, a server that echoes until then would wait for us
        // and we for it. ENOTCONN only says that it has closed before.
        sending.shutdown(Shutdown::Write).ok();
    });
    // Until the server's end of file, whatever the other thread is doing.
    copy(&mut stream, &mut io::stdout())
}

/// Copies until the end of file, each piece as soon as it comes.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    // More than a line, less than a socket's buffer: its size changes only
    // how many system calls a long input takes.
    let mut buffer = [0; 4096];
    // One piece after the other, as they come.
    loop {
        match from.read(&mut buffer) {
            // A terminal's Ctrl-D and a peer's FIN look the same from here.
            Ok(0) => return Ok(()),
            // Half a line, or many lines.
            Ok(count) => {
                // The kernel may take less than it is offered; `write_all`
                // offers it the rest again.
                to.write_all(&buffer[..count])?;
                // Standard output keeps back what has no newline yet: a reply
                // without one would not be seen before the end.
                to.flush()?;
            }
            // A signal came first, and nothing was read: again.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A reset, for instance.
            Err(error) => return Err(error),
        }
    }
}

/// Says what is wrong, on one line, and hands back the exit status.
fn complain(status: u8, what: impl fmt::Display) -> ExitCode {
    // Not `eprintln!`, which panics when standard error is closed or full.
    // Then the status has to do.
    writeln!(io::stderr(), "{what}").ok();
    // For whoever has started this: a shell, a script.
    ExitCode::from(status)
}
