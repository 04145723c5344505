//! The trace: which worker did what, from when to when; see `--trace`.
//!
//! One line for each thing that has ended, in the Trace Event Format, which
//! Perfetto and Chrome's `about:tracing` open. Next: `observer.rs`, which
//! decides what is written.

// Files, texts, and a lock for the threads of this process.
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

// The lock of a file, clocks, and the ids of processes.
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::getpid;

/// A moment: nanoseconds of the clock that counts from the machine's start,
/// so that traces of several servers fit on one axis of time.
pub type Nanos = u64;

/// Nanoseconds in a microsecond, which is the unit of the format.
const MICROSECOND: Nanos = 1_000;

/// The present moment.
pub fn now() -> Nanos {
    // Every system has this clock, so the call does not fail.
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC);
    // Neither part is negative, and 64 bits of nanoseconds last for 584 years.
    time.map_or(0, |time| {
        let seconds = Nanos::try_from(time.tv_sec()).unwrap_or(0);
        seconds * 1_000_000_000 + Nanos::try_from(time.tv_nsec()).unwrap_or(0)
    })
}

/// A file of trace events, which all threads, child processes and other
/// servers may write to at once.
#[derive(Debug)]
pub struct Trace {
    /// Opened to append: the kernel puts each write behind all others.
    file: File,
    /// Whether it is a file on a disk, not a pipe or a device.
    is_regular: bool,
    /// Held by the thread that begins the file: the lock of the file keeps
    /// out other processes, but not other threads of this one.
    beginning: Mutex<()>,
    /// The name of the program, by which a process is shown.
    program: &'static str,
}

impl Trace {
    /// Opens the file, and begins it if it is new or empty.
    ///
    /// # Errors
    ///
    /// Those of open(2): no such directory, no permission to write there.
    pub fn open(program: &'static str, path: &Path) -> io::Result<Self> {
        // What an old file contains stays: this run appends to it.
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let is_regular = file.metadata()?.is_file();
        let beginning = Mutex::default();
        let trace = Self { file, is_regular, beginning, program };
        // The length of a pipe says nothing of what was written to it, so a
        // pipe is begun by each server.
        if is_regular {
            trace.begin_if_empty();
        } else {
            trace.append("[\n");
        }
        Ok(trace)
    }

    /// Writes `[` if the file is empty. The format is a list, whose closing
    /// bracket may be left out.
    fn begin_if_empty(&self) {
        // Most often the file has its bracket, and no lock is needed.
        if !self.is_empty() {
            return;
        }
        // Of several servers, children and threads that find the file empty,
        // the first one writes the bracket while the others wait here.
        let _guard =
            self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock_file(libc::F_WRLCK);
        // Another one may have written it before this one had the lock.
        if self.is_empty() {
            self.append("[\n");
        }
        self.lock_file(libc::F_UNLCK);
    }

    /// Whether the file is empty: it is new, or log rotation has cut it.
    fn is_empty(&self) -> bool {
        // An error here leaves the file as it is.
        self.file.metadata().is_ok_and(|data| data.len() == 0)
    }

    /// Takes or releases the lock of the file. The lock belongs to the
    /// process: a child created by fork(2) does not have that of its parent,
    /// as it would have with flock(2).
    fn lock_file(&self, kind: impl TryInto<libc::c_short>) {
        let lock = libc::flock {
            // The constants are small; their type differs between systems.
            l_type: kind.try_into().unwrap_or_default(),
            // Zeros stand for the whole file, from its first byte to its end.
            l_whence: 0,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        // A signal may interrupt the wait. A file system without locks has
        // none to give; there two servers may both write a bracket.
        while fcntl(&self.file, FcntlArg::F_SETLKW(&lock)) == Err(Errno::EINTR)
        {
        }
    }

    /// Writes lines, and first begins the file anew if log rotation has cut
    /// it. (A cut between this look and the write is seen too late.)
    fn write(&self, lines: &str) {
        if self.is_regular {
            self.begin_if_empty();
        }
        self.append(lines);
    }

    /// Appends text with one write(2), which `O_APPEND` keeps in one piece.
    fn append(&self, text: &str) {
        // A full disk or a file that has reached its size limit (ENOSPC,
        // EFBIG) costs the trace, not the service.
        let _ = (&self.file).write_all(text.as_bytes());
    }

    /// What a worker's lane is called; the process bears the program's name.
    pub fn name(&self, worker: &str) {
        // The format has one event for each of the two names.
        let ids = pid_tid();
        let names = [("process_name", self.program), ("thread_name", worker)];
        let lines = names.map(|(kind, name)| {
            // Events of the kind M (metadata) have no time.
            format!(
                "{{\"name\":\"{kind}\",\"ph\":\"M\",{ids},\
                 \"args\":{{\"name\":\"{name}\"}}}},\n"
            )
        });
        // One write puts both lines into the file together.
        self.write(&lines.concat());
    }

    /// Something that a worker did for one client, and for no other one
    /// meanwhile: a bar in the lane of the worker.
    pub fn slice(
        &self,
        name: &str,
        (start, end): (Nanos, Nanos),
        client: SocketAddr,
    ) {
        // The format counts in microseconds.
        let ids = pid_tid();
        let length = format_micros(end.saturating_sub(start));
        let start = format_micros(start);
        // An event of the kind X is complete: it has a start and a duration.
        self.write(&format!(
            "{{\"name\":\"{name}\",\"cat\":\"stage\",\"ph\":\"X\",\
             \"ts\":{start},\"dur\":{length},{ids},\
             \"args\":{{\"client\":\"{client}\"}}}},\n"
        ));
    }

    /// A time that a client has spent while its worker may have done other
    /// things: a bar of its own, between two events.
    pub fn pair(
        &self,
        name: &str,
        (start, end): (Nanos, Nanos),
        client: SocketAddr,
    ) {
        // The client is the id by which begin (b) and end (e) belong together.
        let ids = pid_tid();
        let mut lines = String::new();
        for (kind, moment) in [("b", start), ("e", end)] {
            // Formatting into a string cannot fail.
            let _ = writeln!(
                lines,
                "{{\"name\":\"{name}\",\"cat\":\"client\",\"ph\":\"{kind}\",\
                 \"id\":\"{client}\",\"ts\":{},{ids}}},",
                format_micros(moment)
            );
        }
        // One write puts both lines into the file together.
        self.write(&lines);
    }

    /// Something that takes no time.
    pub fn instant(
        &self,
        name: &str,
        moment: Nanos,
        client: SocketAddr,
        reason: Option<&str>,
    ) {
        // A quote or a backslash in an error's text would end the string.
        let reason = reason.map_or_else(String::new, |text| {
            format!(",\"reason\":\"{}\"", text.replace(['"', '\\'], "'"))
        });
        // The scope `t` marks this thread alone.
        let (ids, moment) = (pid_tid(), format_micros(moment));
        self.write(&format!(
            "{{\"name\":\"{name}\",\"cat\":\"client\",\"ph\":\"i\",\
             \"s\":\"t\",\"ts\":{moment},{ids},\
             \"args\":{{\"client\":\"{client}\"{reason}}}}},\n"
        ));
    }
}

/// The ids of this process and thread, which ps(1) and top(1) show as well.
fn pid_tid() -> String {
    // The kernel is asked each time, since a child of fork(2) has others.
    let process = getpid();
    // Where a thread has no number, that of its process is used.
    #[cfg(target_os = "linux")]
    let thread = nix::unistd::gettid();
    #[cfg(not(target_os = "linux"))]
    let thread = process;
    // These are two of the fields that each event has.
    format!("\"pid\":{process},\"tid\":{thread}")
}

/// Microseconds, with three decimals.
fn format_micros(moment: Nanos) -> String {
    format!("{}.{:03}", moment / MICROSECOND, moment % MICROSECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A file that is gone when the test ends.
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("trace-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn microseconds_have_three_decimals() {
        assert_eq!(format_micros(1_234_567), "1234.567");
        assert_eq!(format_micros(1_000_001), "1000.001");
        assert_eq!(format_micros(0), "0.000");
    }

    #[test]
    fn the_clock_goes_forward_by_nanoseconds() {
        let start = now();
        let clock = std::time::Instant::now();
        while clock.elapsed().as_millis() < 5 {}
        let passed = now() - start;
        assert!((5_000_000..1_000_000_000).contains(&passed), "{passed}");
    }

    #[test]
    fn a_file_begins_once_and_is_never_emptied() {
        let scratch = Scratch::new("begin");
        for _ in 0..2 {
            let trace = Trace::open("test", &scratch.0).unwrap();
            trace.write("{},\n");
        }
        let text = fs::read_to_string(&scratch.0).unwrap();
        assert_eq!(text, "[\n{},\n{},\n");
    }

    #[test]
    fn every_kind_of_event_has_its_line() {
        let scratch = Scratch::new("kinds");
        let trace = Trace::open("test", &scratch.0).unwrap();
        let client = "127.0.0.1:1".parse().unwrap();
        trace.name("thread 1");
        trace.slice("sending", (1_000, 3_500), client);
        trace.pair("waiting", (1_000, 2_000), client);
        trace.instant("closed", 4_000, client, Some("a \"b\""));
        let text = fs::read_to_string(&scratch.0).unwrap();
        // Every line has the same fields, with other words in them.
        let line = |start: &str, end: &str| {
            let ids = pid_tid();
            format!(r#"{{"name":{start},{ids}{end}}},"#)
        };
        let client = r#""client":"127.0.0.1:1""#;
        let id = r#""cat":"client","ph":"b","id":"127.0.0.1:1""#;
        let expected = [
            "[".to_owned(),
            line(r#""process_name","ph":"M""#, r#","args":{"name":"test"}"#),
            line(r#""thread_name","ph":"M""#, r#","args":{"name":"thread 1"}"#),
            line(
                r#""sending","cat":"stage","ph":"X","ts":1.000,"dur":2.500"#,
                &format!(r#","args":{{{client}}}"#),
            ),
            line(&format!(r#""waiting",{id},"ts":1.000"#), ""),
            line(&format!(r#""waiting",{id},"ts":2.000"#), "")
                .replace(r#""ph":"b""#, r#""ph":"e""#),
            line(
                r#""closed","cat":"client","ph":"i","s":"t","ts":4.000"#,
                &format!(r#","args":{{{client},"reason":"a 'b'"}}"#),
            ),
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_full_disk_is_no_reason_to_stop() {
        let trace = Trace::open("test", Path::new("/dev/full"));
        trace.unwrap().name("thread 1");
        assert!(Trace::open("test", Path::new("/nowhere/trace")).is_err());
    }

    #[test]
    fn an_empty_file_is_begun_and_a_cut_one_anew() {
        let scratch = Scratch::new("cut");
        fs::write(&scratch.0, "").unwrap();
        let trace = Trace::open("test", &scratch.0).unwrap();
        trace.write("{},\n");
        assert_eq!(fs::read_to_string(&scratch.0).unwrap(), "[\n{},\n");
        // As logrotate(8) does with `copytruncate`.
        File::options().write(true).truncate(true).open(&scratch.0).unwrap();
        trace.write("{},\n");
        trace.write("{},\n");
        let text = fs::read_to_string(&scratch.0).unwrap();
        assert_eq!(text, "[\n{},\n{},\n");
    }

    #[test]
    fn threads_that_begin_a_file_at_once_write_one_bracket() {
        let scratch = Scratch::new("threads");
        for round in 0..50 {
            fs::write(&scratch.0, "").unwrap();
            // Half of the writers share a trace, as the threads of a server.
            let shared = Trace::open("test", &scratch.0).unwrap();
            fs::write(&scratch.0, "").unwrap();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| shared.write("{},\n"));
                }
            });
            let text = fs::read_to_string(&scratch.0).unwrap();
            assert_eq!(text, "[\n".to_owned() + &"{},\n".repeat(4), "{round}");
        }
    }
}
