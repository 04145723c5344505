//! The trace: which worker did what, from when to when; see `--trace`.
//!
//! One line for each thing that has ended, in the Trace Event Format, which
//! Perfetto and Chrome's `about:tracing` open. Next: `observer.rs`, which
//! decides what is written.

// Files, and the address of a client.
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

// Clocks and numbers that the standard library keeps to itself.
use nix::time::{ClockId, clock_gettime};
use nix::unistd::getpid;

/// A moment: nanoseconds of the clock that counts from the machine's start,
/// so that traces of several servers fit on one axis of time.
pub type Nanos = u64;

/// Nanoseconds in a microsecond, which is the unit of the format.
const MICROSECOND: Nanos = 1_000;

/// The present moment.
#[must_use]
pub fn now() -> Nanos {
    // It cannot fail: the clock exists, and so does the room for the answer.
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC);
    // Neither part is negative, so the conversion cannot fail either.
    time.map_or(0, |time| {
        let seconds = Nanos::try_from(time.tv_sec()).unwrap_or(0);
        // 64 bits of nanoseconds last for 584 years.
        seconds * 1_000_000_000 + Nanos::try_from(time.tv_nsec()).unwrap_or(0)
    })
}

/// A file of trace events, written to by all threads and processes at once.
#[derive(Debug)]
pub struct Trace {
    /// Opened to append: the kernel puts each write behind all others.
    file: File,
    /// The name of the program, which a process is shown by.
    program: &'static str,
}

impl Trace {
    /// Opens the file, and begins it if it is new.
    ///
    /// # Errors
    ///
    /// Those of open(2): no such directory, no right to write there.
    pub fn open(program: &'static str, path: &Path) -> io::Result<Self> {
        // Of an old file nothing is lost: this run goes on behind it.
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let trace = Self { file, program };
        // The format is a list, whose closing bracket may be left out.
        if trace.file.metadata()?.len() == 0 {
            trace.write("[\n");
        }
        // Whoever shares it appends.
        Ok(trace)
    }

    /// Writes lines, whole: one write(2), which `O_APPEND` makes one piece.
    fn write(&self, lines: &str) {
        // A full disk costs the trace, not the service.
        let _ = (&self.file).write_all(lines.as_bytes());
    }

    /// What a worker's lane is called; the process bears the program's name.
    pub fn name(&self, worker: &str) {
        // Twice the same shape, with the two words that the format has.
        let lane = pid_tid();
        let names = [("process_name", self.program), ("thread_name", worker)];
        // Both in one write.
        let lines = names.map(|(kind, name)| {
            format!(
                "{{\"name\":\"{kind}\",\"ph\":\"M\",{lane},\
                 \"args\":{{\"name\":\"{name}\"}}}},\n"
            )
        });
        // M is metadata, and has no time.
        self.write(&lines.concat());
    }

    /// Something that a worker did for a client, and for nobody else
    /// meanwhile: a bar in its lane.
    pub fn slice(
        &self,
        name: &str,
        (start, end): (Nanos, Nanos),
        client: SocketAddr,
    ) {
        // X is a complete event: a start and a duration.
        let (lane, start, length) = (
            pid_tid(),
            format_micros(start),
            format_micros(end.saturating_sub(start)),
        );
        // In the order of the format's documentation.
        self.write(&format!(
            "{{\"name\":\"{name}\",\"cat\":\"stage\",\"ph\":\"X\",\
             \"ts\":{start},\"dur\":{length},{lane},\
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
        // The client is the id by which the two belong together.
        let lane = pid_tid();
        let mut lines = String::new();
        // Begin and end.
        for (kind, moment) in [("b", start), ("e", end)] {
            // Formatting into a string cannot fail.
            let _ = writeln!(
                lines,
                "{{\"name\":\"{name}\",\"cat\":\"client\",\"ph\":\"{kind}\",\
                 \"id\":\"{client}\",\"ts\":{},{lane}}},",
                format_micros(moment)
            );
        }
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
        // The words are ours or the system's; quotes would end the text.
        let reason = reason.map_or_else(String::new, |text| {
            format!(",\"reason\":\"{}\"", text.replace(['"', '\\'], "'"))
        });
        // `t`: it concerns this thread alone.
        let (lane, moment) = (pid_tid(), format_micros(moment));
        self.write(&format!(
            "{{\"name\":\"{name}\",\"cat\":\"client\",\"ph\":\"i\",\
             \"s\":\"t\",\"ts\":{moment},{lane},\
             \"args\":{{\"client\":\"{client}\"{reason}}}}},\n"
        ));
    }
}

/// Who writes this: the real numbers, which ps(1) and top(1) show as well.
fn pid_tid() -> String {
    // Asked each time, since fork(2) copies everything but these.
    let process = getpid();
    // The number of the thread; elsewhere that of its process must do.
    #[cfg(target_os = "linux")]
    let thread = nix::unistd::gettid();
    #[cfg(not(target_os = "linux"))]
    let thread = process;
    // As two of the fields that every event has.
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
            let lane = pid_tid();
            format!(r#"{{"name":{start},{lane}{end}}},"#)
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
}
