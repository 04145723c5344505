//! Faults that only the kernel can produce, made by `strace -e inject`.

use std::fs;

use super::server::Server;
use super::start::{Folder, Start};

/// A server whose system calls fail as asked for.
pub struct Traced {
    /// The server; its `pid` is that of the server, not of the tracer.
    pub server: Server,
    folder: Folder,
}

impl Traced {
    /// Starts a server of which the system calls `calls` (with commas) fail
    /// as `how` says (strace's words after the calls).
    pub fn run(start: Start<'_>, calls: &str, how: &str) -> Self {
        let folder = Folder::new();
        let words = [
            "strace".to_owned(),
            "-f".to_owned(),
            "-qq".to_owned(),
            "-o".to_owned(),
            folder.path.join("calls").display().to_string(),
            "-e".to_owned(),
            format!("trace={calls}"),
            "-e".to_owned(),
            format!("inject={calls}:{how}"),
        ];
        let mut server = start.under_words(words).run();
        server.find_traced();
        Self { server, folder }
    }

    /// How many calls were made to fail so far.
    pub fn injected(&self) -> usize {
        fs::read_to_string(self.folder.path.join("calls"))
            .unwrap_or_default()
            .matches("(INJECTED)")
            .count()
    }
}
