//! What the lab can be asked to do.

pub mod compare;
pub mod evaluate;
pub mod growth;
pub mod load;
pub mod peer;
mod progress;
pub mod timeline;
pub mod watch;

/// Prints a line; ends the program when nobody reads any more (`| head`).
macro_rules! out {
    ($($part:tt)*) => {
        $crate::commands::write_line(format_args!($($part)*))
    };
}
use out;

/// See the macro above. What is longer than a terminal is wide goes on in the
/// next line, between two words.
fn write_line(line: std::fmt::Arguments<'_>) {
    use std::io::Write;

    let text = lab::table::folded(&line.to_string());
    if writeln!(std::io::stdout(), "{text}").is_err() {
        // Servers that were started die with this process.
        std::process::exit(1);
    }
}
