//! What nearly every test works with.

pub(crate) use std::fs;
pub(crate) use std::net::SocketAddr;
pub(crate) use std::thread;
pub(crate) use std::time::{Duration, Instant};

pub(crate) use nix::sys::signal::Signal::{
    self, SIGABRT, SIGHUP, SIGINT, SIGKILL, SIGSEGV, SIGSTOP, SIGTERM,
};
pub(crate) use nix::sys::signal::kill;
pub(crate) use nix::unistd::Pid;
pub(crate) use probe::client::{Client, pattern};
pub(crate) use probe::folder::folder;
pub(crate) use probe::lines::{Lines, Reading};
pub(crate) use probe::server::{Ended, Server};
pub(crate) use probe::start::Start;
pub(crate) use probe::strace::{Strace, Target, Traced, WAIT};
pub(crate) use probe::transcript::{Event, Line, Totals, Transcript, unescape};
pub(crate) use probe::wait::{LIMIT, soon, stays, until, within};
pub(crate) use probe::{Kind, proc};

pub(crate) use crate::case::{
    Case, Need, accepts_when_ready, blocks, case, creates_for_each, has_loops,
    has_workers, loops, pool, processes, select,
};
pub(crate) use crate::cases::{
    assert_told, exchange_all, expect_and_end, refusal, send_and_end,
};
pub(crate) use crate::forms::{Approach, FORMS, Form, end};
pub(crate) use crate::hostile::at_once;
