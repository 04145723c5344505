//! What a server prints, read by a thread as it comes.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::wait::LIMIT;

/// The lines of one stream so far, and whether more can come.
#[derive(Debug, Default)]
pub struct Lines {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    /// Set when a line was not UTF-8 or had no end.
    broken: Option<String>,
    ended: bool,
    /// Whether nothing after the first line may be read at present.
    held: bool,
}

/// How much of a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All of it, as it comes.
    All,
    /// The first line; the rest waits in the pipe until [`Lines::resume`].
    Held,
    /// The first line; then the pipe is closed, as `head -1` does.
    FirstLine,
    /// All of it, but only the first line is kept: a server that is measured
    /// must not wait for its reader.
    Beginning,
}

impl Lines {
    /// Reads a stream in a thread of its own until it ends.
    pub fn of(stream: impl Read + Send + 'static, how: Reading) -> Arc<Self> {
        let lines = Arc::new(Self::default());
        lines.lock().held = how == Reading::Held;
        let filled = Arc::clone(&lines);
        // The buffer is a byte, so that nothing is taken out of a pipe that
        // is not to be read.
        let capacity = if how == Reading::FirstLine { 1 } else { 65536 };
        let mut stream = BufReader::with_capacity(capacity, stream);
        thread::spawn(move || {
            loop {
                filled.wait_while_held();
                let mut line = Vec::new();
                // A pipe that cannot be read any more has ended.
                let read = stream.read_until(b'\n', &mut line).unwrap_or(0);
                if read == 0 {
                    break;
                }
                filled.add(&line);
                match how {
                    Reading::All | Reading::Held => {}
                    Reading::FirstLine => break,
                    Reading::Beginning => {
                        let _ = io::copy(&mut stream, &mut io::sink());
                    }
                }
            }
            drop(stream);
            filled.lock().ended = true;
            filled.changed.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held this lock has only read the lines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8]) {
        let mut state = self.lock();
        let text = String::from_utf8_lossy(line).into_owned();
        if std::str::from_utf8(line).is_err() {
            state.broken = Some(format!("a line that is not UTF-8: {text}"));
        }
        if let Some(whole) = text.strip_suffix('\n') {
            state.lines.push(whole.to_owned());
        } else {
            state.broken = Some(format!("a line without an end: {text}"));
            state.lines.push(text);
        }
        self.changed.notify_all();
    }

    fn wait_while_held(&self) {
        let held = |state: &mut State| state.held && !state.lines.is_empty();
        drop(self.changed.wait_while(self.lock(), held));
    }

    /// Reads the rest of a stream that was [`Reading::Held`].
    pub fn resume(&self) {
        self.lock().held = false;
        self.changed.notify_all();
    }

    /// All lines so far.
    pub fn so_far(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// Waits until `look` finds something in the lines so far: nothing, after
    /// the limit or when the stream ends without it.
    pub fn search<T>(
        &self,
        mut look: impl FnMut(&[String]) -> Option<T>,
    ) -> Option<T> {
        let mut found = None;
        let waits = |state: &mut State| {
            found = look(&state.lines);
            found.is_none() && !state.ended
        };
        drop(self.changed.wait_timeout_while(self.lock(), LIMIT, waits));
        found
    }

    /// Waits until `look` finds something in the lines so far.
    ///
    /// # Panics
    ///
    /// After the limit, or when the stream ends without it.
    pub fn wait<T>(
        &self,
        what: &str,
        look: impl FnMut(&[String]) -> Option<T>,
    ) -> T {
        self.search(look).unwrap_or_else(|| {
            let state = self.lock();
            let last = state.lines.len().saturating_sub(8);
            let last = state.lines[last..].to_vec();
            let why = ["waited in vain for", "the output ended without"];
            let why = why[usize::from(state.ended)];
            // The reader of the stream needs the lock.
            drop(state);
            panic!("{why} {what}: {last:?}")
        })
    }

    /// Waits for a line in which `look` finds something.
    ///
    /// # Panics
    ///
    /// After the limit, or when the stream ends without it.
    pub fn find<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&str) -> Option<T>,
    ) -> T {
        let mut seen = 0;
        self.wait(what, |lines| {
            let news = &lines[seen..];
            seen = lines.len();
            news.iter().find_map(|line| look(line))
        })
    }

    /// Waits until the stream has ended and gives all its lines.
    ///
    /// # Panics
    ///
    /// After the limit; or if a line was not UTF-8 or had no end.
    pub fn all(&self) -> Vec<String> {
        let state = self.lock();
        let (state, wait) = self
            .changed
            .wait_timeout_while(state, LIMIT, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!wait.timed_out(), "the output has not ended in {LIMIT:?}");
        if let Some(broken) = &state.broken {
            panic!("{broken}");
        }
        state.lines.clone()
    }
}
