//! Standard output and standard error: what they are connected to, and how a
//! line is written to them.
//!
//! Next: `log.rs`, the lines themselves.

// The standard streams and their descriptors.
use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};

// write(2) and poll(2) themselves, without a buffer.
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

// The characters that the other end can show.
use crate::console::escape::{Charset, to_ascii};
use crate::console::language::is_utf8;

/// How long a diagnostic waits for a standard error that is full or paused.
/// Then the line is dropped: the clients do not wait for it.
const PATIENCE: PollTimeout = PollTimeout::ZERO;

/// One of the two standard streams that a server prints on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What happens.
    Output,
    /// What goes wrong.
    Error,
}

/// A standard stream, and what the server knows of its other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Which of the two it is.
    pub stream: Stream,
    /// Whether a terminal is at the other end, not a file or a pipe.
    pub is_terminal: bool,
    /// What the other end can show.
    pub charset: Charset,
}

impl Output {
    /// Standard output into a file, whatever runs the tests.
    #[cfg(test)]
    pub(crate) const FILE: Self = Self {
        stream: Stream::Output,
        is_terminal: false,
        charset: Charset::Utf8,
    };

    /// Looks at a stream of this process, and at its locale.
    pub fn new(stream: Stream) -> Self {
        let is_terminal = match stream {
            Stream::Output => io::stdout().is_terminal(),
            Stream::Error => io::stderr().is_terminal(),
        };
        // A file or a pipe gets UTF-8 in every locale: no byte can act on it.
        let utf8 = !is_terminal || is_utf8(|name| std::env::var(name).ok());
        let charset = if utf8 { Charset::Utf8 } else { Charset::Ascii };
        Self { stream, is_terminal, charset }
    }

    /// Prints a line, newline included. A pipe or a terminal that is not read
    /// pauses the caller until it is: no line is lost.
    ///
    /// The servers do not use `println!`: it panics when the pipe is closed,
    /// and it writes a line of more than 1024 bytes in two pieces.
    pub fn print(self, line: &str) {
        self.with_descriptor(|out| {
            deliver(out, self.prepare(line).as_bytes(), None);
        });
    }

    /// Prints a line, unless the stream cannot take it now: then the line is
    /// dropped, and the caller does not wait.
    pub fn print_or_drop(self, line: &str) {
        self.with_descriptor(|out| {
            deliver(out, self.prepare(line).as_bytes(), Some(PATIENCE));
        });
    }

    /// Prints text as it is, for example the help.
    pub fn print_text(self, text: &str) {
        let text = match self.charset {
            Charset::Utf8 => text.into(),
            Charset::Ascii => to_ascii(text),
        };
        self.with_descriptor(|out| deliver(out, text.as_bytes(), None));
    }

    /// The form of a line for this stream.
    fn prepare(self, line: &str) -> Cow<'_, str> {
        // A file or a pipe gets the line unchanged.
        if !self.is_terminal {
            return line.into();
        }
        // Text of ours may have letters with accents.
        let text = match self.charset {
            Charset::Utf8 => line.into(),
            Charset::Ascii => to_ascii(line),
        };
        // The terminal shows `^C` where the cursor stands. The carriage
        // return goes back to the first column, so the line overwrites it.
        format!("\r{text}").into()
    }

    /// Calls `use_it` with the descriptor of the stream.
    fn with_descriptor(self, use_it: impl FnOnce(BorrowedFd)) {
        match self.stream {
            Stream::Output => use_it(io::stdout().as_fd()),
            Stream::Error => use_it(io::stderr().as_fd()),
        }
    }
}

/// Writes all of a line, in one call wherever the system allows.
///
/// With a `patience`, the line is dropped if the stream stays full for longer.
fn deliver(out: BorrowedFd, mut line: &[u8], patience: Option<PollTimeout>) {
    while !line.is_empty() {
        // poll(2) says whether write(2) would have to wait. An error is left
        // to write(2), which reports it.
        if let Some(patience) = patience
            && !is_writable(out, patience)
        {
            return;
        }
        // No buffer, so that the line is seen at once.
        match write(out, line) {
            // A nearly full disk or a terminal may take a part of a line. A
            // pipe takes all of it, since no line is longer than PIPE_BUF.
            Ok(count) => line = &line[count..],
            // A signal came before anything was written.
            Err(Errno::EINTR) => {}
            // Another program has made the stream non-blocking, and its
            // reader is slow. Waiting pauses the service, but loses no line.
            Err(Errno::EAGAIN) => {
                is_writable(out, patience.unwrap_or(PollTimeout::NONE));
            }
            // The stream is closed, the disk is full (ENOSPC), or the file
            // has reached its size limit (EFBIG): the line is lost, and the
            // service goes on.
            Err(_) => return,
        }
    }
}

/// Waits for at most `patience` until a write would not have to wait.
fn is_writable(out: BorrowedFd, patience: PollTimeout) -> bool {
    let mut streams = [PollFd::new(out, PollFlags::POLLOUT)];
    // poll(2) sets POLLOUT for a file always, and for a pipe if PIPE_BUF
    // bytes fit.
    match poll(&mut streams, patience) {
        Ok(_) => streams[0].any().unwrap_or(false),
        // The kernel is short of memory: the write itself must tell.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::unistd::{pipe, read};
    use std::fs::File;
    use std::thread;
    use std::time::Duration;

    /// A pipe into which nothing more fits.
    fn full_pipe() -> (std::os::fd::OwnedFd, std::os::fd::OwnedFd, usize) {
        let (read_end, write_end) = pipe().unwrap();
        fcntl(&write_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let mut filled = 0;
        while let Ok(count) = write(&write_end, &[b'.'; 4096]) {
            filled += count;
        }
        fcntl(&write_end, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        (read_end, write_end, filled)
    }

    #[test]
    fn a_file_gets_a_line_unchanged() {
        assert_eq!(Output::FILE.prepare("cerró …\n"), "cerró …\n");
    }

    #[test]
    fn a_line_on_a_terminal_overwrites_the_echo_of_ctrl_c() {
        let terminal = Output { is_terminal: true, ..Output::FILE };
        assert_eq!(terminal.prepare("cerró …\n"), "\rcerró …\n");
    }

    #[test]
    fn a_terminal_without_utf8_gets_ascii_alone() {
        let terminal = Output {
            is_terminal: true,
            charset: Charset::Ascii,
            ..Output::FILE
        };
        assert_eq!(terminal.prepare("cerró …\n"), "\rcerro ...\n");
    }

    #[test]
    fn a_full_pipe_delays_no_diagnostic() {
        let (read_end, write_end, filled) = full_pipe();
        // With a blocking write this test would never end.
        deliver(write_end.as_fd(), b"lost\n", Some(PATIENCE));
        let mut bytes = vec![0; filled];
        let mut count = 0;
        while count < filled {
            count += read(&read_end, &mut bytes[count..]).unwrap();
        }
        deliver(write_end.as_fd(), b"kept\n", Some(PATIENCE));
        let count = read(&read_end, &mut bytes).unwrap();
        assert_eq!(&bytes[..count], b"kept\n");
    }

    #[test]
    fn a_line_waits_for_a_reader_also_where_the_stream_does_not_block() {
        let (read_end, write_end, filled) = full_pipe();
        fcntl(&write_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let reader = thread::spawn(move || {
            // The writer has time to meet EAGAIN, but need not use it.
            thread::sleep(Duration::from_millis(20));
            let mut bytes = vec![0; 65536];
            let mut all = Vec::new();
            while all.len() < filled + 5 {
                let count = read(&read_end, &mut bytes).unwrap();
                all.extend_from_slice(&bytes[..count]);
            }
            all
        });
        deliver(write_end.as_fd(), b"kept\n", None);
        assert!(reader.join().unwrap().ends_with(b"kept\n"));
    }

    #[test]
    fn a_closed_pipe_and_a_full_disk_are_survived() {
        let (read_end, write_end) = pipe().unwrap();
        drop(read_end);
        deliver(write_end.as_fd(), b"lost\n", None);
        deliver(write_end.as_fd(), b"lost\n", Some(PATIENCE));
        let full = File::options().write(true).open("/dev/full").unwrap();
        deliver(full.as_fd(), b"lost\n", None);
        deliver(full.as_fd(), b"lost\n", Some(PATIENCE));
    }
}
