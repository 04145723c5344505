//! The lines that a program prints, as events that can be waited for.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::harness::LIMIT;

/// All lines so far of one output of a program.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    /// Reads lines from here, in a thread of its own, until its end.
    #[must_use]
    pub fn of(output: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let shared = lines.clone();
        thread::spawn(move || {
            for line in
                BufReader::new(output).split(b'\n').map_while(Result::ok)
            {
                let line = String::from_utf8_lossy(&line).into_owned();
                shared.lock().lines.push(line);
                shared.0.news.notify_all();
            }
            shared.lock().ended = true;
            shared.0.news.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All lines so far.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// All lines, once the last has come: the program has ended.
    #[must_use]
    pub fn complete(&self) -> Option<Vec<String>> {
        let state = self.lock();
        let (state, wait) = self
            .0
            .news
            .wait_timeout_while(state, LIMIT, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        (!wait.timed_out()).then(|| state.lines.clone())
    }

    /// Waits for a line that this is looking for; `None` if none comes.
    pub fn wait<T>(
        &self,
        mut look: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let mut found = None;
        let mut seen = 0;
        let state = self.lock();
        let _state = self
            .0
            .news
            .wait_timeout_while(state, LIMIT, |state| {
                let news = &state.lines[seen..];
                found = news.iter().find_map(|line| look(line));
                seen = state.lines.len();
                found.is_none() && !state.ended
            })
            .unwrap_or_else(PoisonError::into_inner);
        found
    }
}
