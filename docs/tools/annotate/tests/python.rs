//! The three Python programs of `docs/python`, run as a user runs them, each
//! with real clients on 127.0.0.1.
//!
//! Nothing here sleeps and hopes: every step waits for an event (a line
//! printed, bytes received, the end of a process), and fails after `LIMIT`.

// Signals and /proc: Linux is what the programs are tested on.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use socket2::SockRef;

/// Generous: a test that is right never waits for so long.
const LIMIT: Duration = Duration::from_secs(30);

/// What the originals sent, byte for byte.
const GREETING: &[u8] = b"HTTP/1.1 200 OK\n\nHola, cliente!";

/// Each behaviour is a test of each program.
macro_rules! programs {
    ($($module:ident: $program:literal, $tests:tt;)*) => {
        $(programs!(@ $module, $program, $tests);)*
    };
    (@ $module:ident, $program:literal, [$($test:ident)*]) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    if super::python_is_here() {
                        super::$test($program);
                    }
                }
            )*
        }
    };
}

programs! {
    threads: "threads_server.py", [
        greets_once_by_default
        greets_a_client_that_sends_nothing
        echoes_every_byte
        serves_once
        serves_until_the_end_of_file
        a_silent_client_delays_nobody
        a_reset_hurts_one_client_alone
        stops_at_sigterm
        stops_at_sigint
        stops_at_ctrl_c
        can_be_restarted_on_its_port
        a_taken_port_is_one_line_and_status_1
        quiet_prints_only_the_first_line
        burns_the_cpu_work_before_the_reply
    ];
    processes: "process_server.py", [
        greets_once_by_default
        greets_a_client_that_sends_nothing
        echoes_every_byte
        serves_once
        serves_until_the_end_of_file
        a_silent_client_delays_nobody
        a_reset_hurts_one_client_alone
        stops_at_sigterm
        stops_at_sigint
        stops_at_ctrl_c
        can_be_restarted_on_its_port
        a_taken_port_is_one_line_and_status_1
        quiet_prints_only_the_first_line
        burns_the_cpu_work_before_the_reply
        reaps_its_children
    ];
    mux: "mux_server.py", [
        greets_until_the_end_of_file_by_default
        echoes_every_byte
        serves_once
        serves_until_the_end_of_file
        a_silent_client_delays_nobody
        a_reset_hurts_one_client_alone
        a_reset_is_a_disconnection
        stops_at_sigterm
        stops_at_sigint
        stops_at_ctrl_c
        can_be_restarted_on_its_port
        a_taken_port_is_one_line_and_status_1
        quiet_prints_only_the_first_line
        burns_the_cpu_work_before_the_reply
    ];
}

// What the originals did.

fn greets_once_by_default(program: &str) {
    let mut server = Server::start(program, &[]);
    let mut client = server.connect();
    send(&mut client, "¡hola\n\x1b[2J".as_bytes());
    // The end of file comes although the client has not sent its own.
    assert_eq!(receive_all(&mut client), GREETING);

    let name = name(&client);
    server.expect_line(&format!("{name} connected"));
    // Readable, and nothing in it that a terminal would obey.
    server.expect_line(&format!(r"{name} received '¡hola\n\x1b[2J'"));
    server.stop_quietly();
}

fn greets_a_client_that_sends_nothing(program: &str) {
    let mut server = Server::start(program, &[]);
    let mut client = server.connect();
    half_close(&client);
    assert_eq!(receive_all(&mut client), GREETING);
    server.expect_line(&format!("{} received ''", name(&client)));
    server.stop_quietly();
}

fn greets_until_the_end_of_file_by_default(program: &str) {
    let mut server = Server::start(program, &[]);
    let mut client = server.connect();
    let name = name(&client);
    server.expect_line(&format!("{name} connected"));
    for message in ["¡hola\n", "otra vez"] {
        send(&mut client, message.as_bytes());
        assert_eq!(receive(&mut client, GREETING.len()), GREETING);
        let shown = message.replace('\n', r"\n");
        server.expect_line(&format!("{name} received '{shown}'"));
    }
    half_close(&client);
    // No greeting for the end of file.
    assert_eq!(receive_all(&mut client), b"");
    server.expect_line(&format!("{name} disconnected"));
    server.stop_quietly();
}

// The options.

fn echoes_every_byte(program: &str) {
    let options = ["--reply", "echo", "--serve", "until-eof"];
    let mut server = Server::start(program, &options);
    let mut client = server.connect();
    // No UTF-8, and longer than one `recv` of the server.
    let message: Vec<u8> = (0..=255).cycle().take(5000).collect();
    send(&mut client, &message);
    half_close(&client);
    assert_eq!(receive_all(&mut client), message);
    server.stop_quietly();
}

fn serves_once(program: &str) {
    let options = ["--reply", "echo", "--serve", "once"];
    let mut server = Server::start(program, &options);
    for message in [b"first".as_slice(), b"second"] {
        let mut client = server.connect();
        send(&mut client, message);
        assert_eq!(receive_all(&mut client), message);
    }
    server.stop_quietly();
}

fn serves_until_the_end_of_file(program: &str) {
    let options = ["--reply", "echo", "--serve", "until-eof"];
    let mut server = Server::start(program, &options);
    let mut client = server.connect();
    for message in [b"first".as_slice(), b"second", b"third"] {
        echo(&mut client, message);
    }
    half_close(&client);
    assert_eq!(receive_all(&mut client), b"");
    server.stop_quietly();
}

fn quiet_prints_only_the_first_line(program: &str) {
    let mut server = Server::start(program, &["--quiet"]);
    let mut client = server.connect();
    send(&mut client, b"psst");
    half_close(&client);
    assert_eq!(receive_all(&mut client), GREETING);
    let (status, lines, errors) = server.stop(Signal::SIGTERM);
    assert!(status.success(), "{status}: {errors}");
    assert_eq!(lines, [""; 0]);
}

fn burns_the_cpu_work_before_the_reply(program: &str) {
    let mut server = Server::start(program, &["--cpu-work", "30000"]);
    let mut client = server.connect();
    let start = Instant::now();
    send(&mut client, b"x");
    assert_eq!(receive(&mut client, GREETING.len()), GREETING);
    // CPU time never runs faster than the clock.
    assert!(start.elapsed() >= Duration::from_millis(30));
    server.stop_quietly();
}

// Concurrency, and the faults of clients.

fn a_silent_client_delays_nobody(program: &str) {
    let options = ["--reply", "echo", "--serve", "until-eof"];
    let mut server = Server::start(program, &options);
    let mut silent = server.connect();
    server.expect_line(&format!("{} connected", name(&silent)));
    let mut one = server.connect();
    let mut other = server.connect();
    // In turns: neither has to end before the next is served.
    for _ in 0..2 {
        echo(&mut one, b"one");
        echo(&mut other, b"other");
    }
    echo(&mut silent, b"at last");
    server.stop_quietly();
}

fn a_reset_hurts_one_client_alone(program: &str) {
    let options = ["--reply", "echo", "--serve", "until-eof"];
    let mut server = Server::start(program, &options);
    let mut witness = server.connect();
    echo(&mut witness, b"before");
    resets(&mut server);
    echo(&mut witness, b"after");
    echo(&mut server.connect(), b"a new one");
    let (status, _, errors) = server.stop(Signal::SIGTERM);
    assert!(status.success(), "{status}: {errors}");
}

fn a_reset_is_a_disconnection(program: &str) {
    let mut server = Server::start(program, &[]);
    for name in resets(&mut server) {
        server.expect_line(&format!("{name} disconnected"));
    }
    server.stop_quietly();
}

/// Three clients that reset: one that is being waited for, one that was never
/// received from, and one whose message is there but not its author.
fn resets(server: &mut Server) -> [String; 3] {
    let waited_for = server.connect();
    let first = name(&waited_for);
    server.expect_line(&format!("{first} connected"));
    reset(waited_for);

    // Stopped, so that the server finds connection, message and reset at once.
    server.send_group(Signal::SIGSTOP);
    server.wait_for_state('T');
    let unheard = server.connect();
    let second = name(&unheard);
    reset(unheard);
    let mut gone = server.connect();
    let third = name(&gone);
    send(&mut gone, b"gone before the reply");
    reset(gone);
    server.send_group(Signal::SIGCONT);

    for name in [&second, &third] {
        server.expect_line(&format!("{name} connected"));
    }
    [first, second, third]
}

// The end.

fn stops_at_sigterm(program: &str) {
    stops(program, |server| server.stop(Signal::SIGTERM));
}

fn stops_at_sigint(program: &str) {
    stops(program, |server| server.stop(Signal::SIGINT));
}

/// Ctrl-C reaches the whole process group of the terminal, children too.
fn stops_at_ctrl_c(program: &str) {
    stops(program, |server| {
        server.wait_for_state('S');
        server.send_group(Signal::SIGINT);
        server.end()
    });
}

/// A stop with a silent client: status 0, no traceback, nobody left behind.
fn stops(
    program: &str,
    stop: impl Fn(&mut Server) -> (ExitStatus, Vec<String>, String),
) {
    let mut server = Server::start(program, &[]);
    let mut silent = server.connect();
    server.expect_line(&format!("{} connected", name(&silent)));
    let (status, _, errors) = stop(&mut server);
    assert_eq!(status.code(), Some(0), "{status}: {errors}");
    assert_eq!(errors, "");
    // Whoever is left would still hold the connection.
    assert_eq!(receive_all(&mut silent), b"");
}

fn can_be_restarted_on_its_port(program: &str) {
    let mut server = Server::start(program, &["--serve", "once"]);
    let mut client = server.connect();
    send(&mut client, b"x");
    // The server closes first, so its side is the one that waits in TIME_WAIT.
    assert_eq!(receive_all(&mut client), GREETING);
    drop(client);
    let port = server.address.port().to_string();
    server.stop_quietly();
    Server::start_on(&port, program, &[]).stop_quietly();
}

fn a_taken_port_is_one_line_and_status_1(program: &str) {
    let taken = Server::start(program, &[]);
    let port = taken.address.port().to_string();
    let mut second = Server::spawn(&port, program, &[]);
    let (status, lines, errors) = second.end();
    assert_eq!(status.code(), Some(1), "{status}: {errors}");
    assert_eq!(lines, [""; 0]);
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains(&format!("127.0.0.1:{port}")), "{errors}");
}

fn reaps_its_children(program: &str) {
    let mut server = Server::start(program, &["--reply", "echo"]);
    let parent = server.pid();
    for _ in 0..5 {
        let mut client = server.connect();
        echo(&mut client, b"a client");
        // All have ended now; but zombies may be among them.
        wait_until("the children to end", || {
            children(parent).iter().all(|&child| state(child) == Some('Z'))
        });
        // Each new client has the former children reaped.
        assert!(children(parent).len() <= 1);
    }
    server.stop_quietly();
}

// The chapter on what threads can do to each other.

/// With the GIL no two threads compute at the same time, however free the
/// machine is. What is called free-threaded is asked, not believed: here it
/// is the plain Python under another name.
#[test]
fn with_the_gil_threads_use_one_core() {
    if !python_is_here() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("free-threaded");
    fs::create_dir_all(&folder).expect("a folder");
    let python = folder.join("python3.13t");
    fs::write(&python, "#!/bin/sh\nexec python3 \"$@\"\n").expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&python, mode).expect("my own file");
    let path = std::env::var("PATH").expect("a path");
    let output = Command::new("python3")
        .arg(directory().join("gil.py"))
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut runs = 0;
    let mut has_gil = false;
    let mut names = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["Python", _, with, "the", "GIL"] => {
                has_gil = with == "with";
                runs += 1;
            }
            [count, kind, _, "s", cores, "cores"] => {
                let cores: f64 = cores.parse().expect("a number");
                let most = if has_gil && kind == "threads" { 1.1 } else { 2.1 };
                assert!(cores <= most, "{line}");
                names.push(format!("{count} {kind}"));
            }
            _ => panic!("{line}"),
        }
    }
    let expected = ["1 thread", "2 threads", "2 processes"];
    // At least twice: other Pythons may be installed.
    assert!(runs >= 2, "{text}");
    assert_eq!(names, expected.repeat(runs), "{text}");
}

/// A program that runs. It and its children are a process group of their own,
/// and are killed when the test is over, however it ends.
struct Server {
    program: Child,
    address: SocketAddr,
    lines: Receiver<String>,
    /// Printed, but not yet expected.
    seen: Vec<String>,
    errors: Option<JoinHandle<String>>,
}

impl Server {
    fn start(program: &str, options: &[&str]) -> Server {
        Server::start_on("0", program, options)
    }

    /// Starts `program` and waits for its first line, which bears the port.
    fn start_on(port: &str, program: &str, options: &[&str]) -> Server {
        let mut server = Server::spawn(port, program, options);
        let Ok(line) = server.lines.recv_timeout(LIMIT) else {
            panic!("{program} printed nothing: {}", server.kill());
        };
        server.address = line
            .strip_prefix(&format!("{program} listening on "))
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("not a first line: {line}"));
        server
    }

    fn spawn(port: &str, program: &str, options: &[&str]) -> Server {
        let mut program = Command::new("python3")
            .arg(directory().join(program))
            .args(["--port", port])
            .args(options)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("python3 starts");
        let output = program.stdout.take().expect("a pipe");
        let mut errors = program.stderr.take().expect("a pipe");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let line = line.expect("standard output is UTF-8");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            errors.read_to_end(&mut text).expect("standard error");
            String::from_utf8_lossy(&text).into_owned()
        });
        Server {
            program,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            lines,
            seen: Vec::new(),
            errors: Some(errors),
        }
    }

    fn pid(&self) -> Pid {
        let pid = self.program.id();
        Pid::from_raw(pid.try_into().expect("process numbers fit an i32"))
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect_timeout(&self.address, LIMIT)
            .expect("the server accepts");
        client.set_read_timeout(Some(LIMIT)).expect("a limit");
        client.set_write_timeout(Some(LIMIT)).expect("a limit");
        client
    }

    /// Waits until `expected` is printed, whatever is printed before: the
    /// lines of several clients come in any order.
    fn expect_line(&mut self, expected: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.seen.iter().position(|l| l == expected) {
                self.seen.remove(at);
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let errors = self.kill();
                panic!("{expected:?} is not in {:#?}: {errors}", self.seen);
            };
            self.seen.push(line);
        }
    }

    /// Waits until the main thread sleeps (`S`) or is stopped (`T`).
    fn wait_for_state(&self, expected: char) {
        let pid = self.pid();
        wait_until("the state of the server", || state(pid) == Some(expected));
    }

    /// Sends a signal to the program alone. The lines that were not expected,
    /// and its standard error, come back.
    fn stop(&mut self, signal: Signal) -> (ExitStatus, Vec<String>, String) {
        // Asleep in `accept` or `select`: an interpreter that is just about to
        // call it would see the signal only when the next client comes.
        self.wait_for_state('S');
        kill(self.pid(), signal).expect("the program runs");
        self.end()
    }

    fn stop_quietly(&mut self) {
        let (status, _, errors) = self.stop(Signal::SIGTERM);
        assert_eq!(status.code(), Some(0), "{status}: {errors}");
        assert_eq!(errors, "");
    }

    fn send_group(&self, signal: Signal) {
        killpg(self.pid(), signal).expect("the program runs");
    }

    /// Waits for the end of the program, and sees that it was the last of its
    /// group.
    fn end(&mut self) -> (ExitStatus, Vec<String>, String) {
        let mut status = None;
        wait_until("the end of the program", || {
            status = self.program.try_wait().expect("a child of this test");
            status.is_some()
        });
        // Signal 0 is sent to nobody: it asks whether somebody is there.
        let left = killpg(self.pid(), None);
        let errors = self.kill();
        assert_eq!(left, Err(Errno::ESRCH), "a child is left: {errors}");
        self.seen.extend(self.lines.iter());
        let lines = mem::take(&mut self.seen);
        (status.expect("it has ended"), lines, errors)
    }

    /// Kills whatever still runs of the group, once, and returns what is on its
    /// standard error.
    fn kill(&mut self) -> String {
        let Some(errors) = self.errors.take() else {
            return String::new();
        };
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.program.wait();
        errors.join().unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

// What clients do.

fn name(client: &TcpStream) -> String {
    client.local_addr().expect("connected").to_string()
}

fn send(client: &mut TcpStream, message: &[u8]) {
    client.write_all(message).expect("the server receives");
}

fn receive(client: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut reply = vec![0; length];
    client.read_exact(&mut reply).expect("the server replies");
    reply
}

fn receive_all(client: &mut TcpStream) -> Vec<u8> {
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).expect("the server closes");
    reply
}

fn echo(client: &mut TcpStream, message: &[u8]) {
    send(client, message);
    assert_eq!(receive(client, message.len()), message);
}

fn half_close(client: &TcpStream) {
    client.shutdown(Shutdown::Write).expect("connected");
}

/// With a linger time of 0, closing discards everything and sends a reset.
fn reset(client: TcpStream) {
    let linger = Some(Duration::ZERO);
    SockRef::from(&client).set_linger(linger).expect("a socket");
    drop(client);
}

// The machine.

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python")
}

/// The state letter of proc(5), `None` when there is no such process. It
/// follows the name of the program, which may itself contain anything.
fn state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn children(parent: Pid) -> Vec<Pid> {
    fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))
        .expect("the parent runs")
        .split_whitespace()
        .map(|pid| Pid::from_raw(pid.parse().expect("a number")))
        .collect()
}

/// For what can only be asked for, not waited for.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether there is a python3 that can run the programs. If not, says so on
/// standard error itself: the test harness swallows what macros print.
fn python_is_here() -> bool {
    let check = "import sys; sys.exit(sys.version_info < (3, 9))";
    let answer = Command::new("python3")
        .args(["-c", check])
        .stdin(Stdio::null())
        .status();
    let reason = match answer {
        Ok(status) if status.success() => return true,
        Ok(_) => "python3 is older than 3.9".to_owned(),
        Err(error) => format!("python3 does not run: {error}"),
    };
    let _ = writeln!(
        io::stderr(),
        "SKIPPED: {reason}; the programs in docs/python are not tested"
    );
    false
}
