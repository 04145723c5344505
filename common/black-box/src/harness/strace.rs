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
        Self::with(start, calls, &["-e", &format!("inject={calls}:{how}")])
    }

    /// Starts a server of which these system calls are noted.
    pub fn watch(start: Start<'_>, calls: &str) -> Self {
        Self::with(start, calls, &[])
    }

    fn with(start: Start<'_>, calls: &str, more: &[&str]) -> Self {
        let folder = Folder::new();
        let path = folder.path.join("calls").display().to_string();
        let trace = format!("trace={calls}");
        let words = ["strace", "-f", "-qq", "-o", &path, "-e", &trace];
        let mut server =
            start.under_words(words.iter().chain(more).copied()).run();
        server.find_traced();
        Self { server, folder }
    }

    /// The calls so far, in strace's notation.
    pub fn calls(&self) -> String {
        let path = self.folder.path.join("calls");
        fs::read_to_string(path).unwrap_or_default()
    }

    /// How many calls were made to fail so far.
    pub fn injected(&self) -> usize {
        self.calls().matches("(INJECTED)").count()
    }
}

/// The system calls that accept a client.
pub const ACCEPT: &str = "accept,accept4";
/// Those that wait for one of several things.
pub const WAIT: &str =
    "poll,ppoll,select,pselect6,epoll_wait,epoll_pwait,epoll_pwait2";
/// Those that receive.
pub const RECEIVE: &str = "recvfrom,recvmsg";
/// Those that send.
pub const SEND: &str = "sendto,sendmsg";
/// Those that create a thread or a process.
pub const CREATE: &str = "clone,clone3,fork,vfork";
