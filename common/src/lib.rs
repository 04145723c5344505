//! What the three servers are made of.
//!
//! `echo.rs` is the second page of every approach, after its `main.rs`. Then
//! `closing.rs`, `listener.rs` and `shutdown.rs`; `console/` has what the user
//! sees.

// What the class reads, and `console`, what the user sees.
pub mod closing;
pub mod console;
pub mod constants;
pub mod crash;
pub mod echo;
pub mod idle;
pub mod listener;
pub mod shutdown;
pub mod totals;

// The exit status and shared ownership, and what `run` puts together.
pub use console::Context;
use console::errors::Failure;
use console::log::Log;
use console::options::{Options, Program};
use listener::Listener;
use shutdown::Stop;
use std::process::ExitCode;
use std::sync::Arc;
use totals::Totals;

// The build ends here on systems without fork(2).
#[cfg(not(unix))]
compile_error!("these servers need fork and poll: on Windows, use WSL");

/// Serves clients until a stop; returns what was received and sent.
pub type ServeUntilStop =
    fn(&Arc<Context>, Listener, Stop) -> Result<Totals, Failure>;

/// Runs a server: reads its options, listens, serves, prints the last line,
/// and reports a failure. Returns the exit status.
pub fn run(program: Program, serve: ServeUntilStop) -> ExitCode {
    // Does not return after `--help` or a command line that is wrong.
    let options = Options::from_environment(program);
    let language = options.language;
    match start(program, options, serve) {
        // 128 and the number of SIGINT, as a shell reports it.
        Ok(()) if shutdown::interrupted() => ExitCode::from(130),
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // The failure may come before there is a context to print it.
            let log = Log::new(program.name, language, true);
            log.print_error(&failure.message(language));
            ExitCode::from(1)
        }
    }
}

/// Listens, serves until a stop, and prints the last line.
fn start(
    program: Program,
    options: Options,
    serve: ServeUntilStop,
) -> Result<(), Failure> {
    // These hold for all threads and child processes created later.
    crash::set_dispositions()?;
    // All threads share the context, and the last one frees it.
    let context = Arc::new(Context::new(program, options)?);
    let listener = Listener::new(Arc::clone(&context))?;
    let stop = Stop::new(Arc::clone(&context))?;
    // The first line is printed in `serve`, when all is ready for clients.
    let totals = serve(&context, listener, stop)?;
    context.log.print_stopped(totals);
    Ok(())
}

/// What the unit tests of this crate share.
#[cfg(test)]
mod loopback {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use crate::console::Context;
    use crate::console::language::Language;
    use crate::console::options::{Options, Program, Serve};

    /// Both ends of a connection, and the client's address.
    pub fn pair() -> (TcpStream, TcpStream, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (stream, address) = listener.accept().unwrap();
        (client, stream, address)
    }

    /// The context of a quiet server with these options.
    pub fn context(words: &str) -> Context {
        let program =
            Program { name: "test", serve: Serve::Once, backend: None };
        let words = format!("test --quiet {words}");
        let words = words.split_whitespace().map(Into::into);
        let options = Options::parse(program, Language::English, words);
        Context::new(program, options.unwrap()).unwrap()
    }

    /// Waits until this holds.
    pub fn until(mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "waited in vain");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
