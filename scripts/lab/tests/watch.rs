//! The live view as a class sees it: what stands on the screen of a terminal
//! (tmux) while servers run, clients come, and keys are pressed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use lab::procfs::tree;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use probe::wait::within;

const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// Building the servers is part of it, on a machine that does other things.
const LONGEST: Duration = Duration::from_secs(300);

/// A terminal in which the view runs. When it has ended, the terminal shows
/// its exit status and what mode it has left behind.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn start(name: &str, environment: &str, arguments: &str) -> Self {
        let socket = format!("lab-watch-{name}-{}", std::process::id());
        // A script of its own, so that no quoting comes between.
        let script = format!(
            "env {environment} '{LAB}' watch {arguments}\n\
             echo \"status=$?\"\n\
             stty -a | tr ' ;' '\\n\\n' | grep -x -e icanon -e echo -e isig\n\
             echo the end\n\
             exec cat\n"
        );
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("watch-{name}.sh"));
        fs::write(&file, script).unwrap();
        let terminal = Self { socket };
        let command = format!("sh '{}'", file.display());
        // -u: tmux knows UTF-8, whatever the locale of this test is.
        let options = "-u -f /dev/null new-session -d -x 80 -y 24 \
                       -e LC_ALL=C.UTF-8 -e NO_COLOR=";
        let mut words: Vec<&str> = options.split_whitespace().collect();
        words.push(&command);
        terminal.tmux(&words);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.socket])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("tmux, which this test needs");
        assert!(
            output.status.success(),
            "tmux {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// With the sequences that make colours.
    fn colours(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    fn press(&self, keys: &str) {
        self.tmux(&["send-keys", "-l", "--", keys]);
    }

    fn resize(&self, columns: u16, rows: u16) {
        let (x, y) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &x, "-y", &y]);
    }

    /// Waits until the screen is as it should be, and returns it.
    fn wait(&self, what: &str, mut is: impl FnMut(&str) -> bool) -> String {
        let seen = within(LONGEST, || {
            // tmux itself takes some time.
            thread::sleep(Duration::from_millis(30));
            Some(self.screen()).filter(|screen| is(screen))
        });
        seen.unwrap_or_else(|| {
            panic!("{}: never: {what}\n{}", self.socket, self.screen())
        })
    }

    fn wait_for(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Waits until the server listens, and returns where.
    fn address(&self) -> SocketAddr {
        let screen = self.wait_for("ncat 127.0.0.1 ");
        let at = screen.find("ncat 127.0.0.1 ").unwrap();
        let port = screen[at..].split_whitespace().nth(2).unwrap();
        SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
    }

    /// The process of this name that runs in it.
    fn process(&self, name: &str) -> Pid {
        let pane = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let pane = Pid::from_raw(pane.trim().parse().unwrap());
        let comm = |pid: &Pid| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| comm.trim_end() == name)
        };
        tree(pane).into_iter().find(comm).expect("it runs")
    }

    fn quits_with(&self, status: u8) -> String {
        self.press("q");
        self.ends_with(status)
    }

    /// Waits until the view has ended, and sees that the terminal is as it
    /// was: out of raw mode, and on its own screen.
    fn ends_with(&self, status: u8) -> String {
        let screen = self.wait_for("the end");
        let found = format!("status={status}\n");
        assert!(screen.contains(&found), "{found}{screen}");
        for mode in ["isig", "icanon", "echo"] {
            assert!(
                screen.lines().any(|line| line == mode),
                "{mode} is off:\n{screen}"
            );
        }
        assert!(!screen.contains("Recv-Q"), "{screen}");
        screen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The terminal hangs up, and the view stops its server.
        let _ = Command::new("tmux")
            .args(["-L", &self.socket, "kill-server"])
            .stderr(Stdio::null())
            .status();
    }
}

/// Messages that take longer than two columns of 200 ms: on a machine of any
/// speed there is a column in which nothing but the work was seen.
const TWO_COLUMNS: &str = "-- --port 0 --cpu-work 450000";

/// The row of this label.
fn row<'a>(screen: &'a str, label: &str) -> &'a str {
    let line = screen.lines().find(|line| line.contains(label));
    line.unwrap_or_else(|| panic!("no row {label}:\n{screen}"))
}

/// The lane of a row: what stands in it under the line of the time.
fn lane(screen: &str, label: &str) -> String {
    let axis = screen.lines().find(|line| line.contains(" ms/col"));
    let Some((before, _)) = axis.and_then(|line| line.split_once(" -")) else {
        return String::new();
    };
    let start = before.chars().count() + 1;
    let line = screen.lines().find(|line| line.contains(label));
    line.unwrap_or("").chars().skip(start).collect()
}

fn each_shows_its_lanes(approach: &str, language: &str) {
    let (name, worker, wait) = match (approach, language) {
        ("threads", "en") => ("threads-server", "thread 1 ", "main"),
        ("threads", _) => ("threads-server", "hilo 1 ", "principal"),
        ("process", "en") => ("process-server", "process ", "parent"),
        ("process", _) => ("process-server", "proceso ", "padre"),
        (_, "en") => ("mux-server", "loop ", "loop"),
        _ => ("mux-server", "bucle ", "bucle"),
    };
    let english = language == "en";
    let roles = if english {
        ["slow :", "fast :", "computing :", "short :"]
    } else {
        ["lento :", "rápido :", "calcula :", "breve :"]
    };
    let sends = if english { 'S' } else { 'E' };
    let arguments = format!("{approach} --script --language {language}");
    let arguments = format!("{arguments} {TWO_COLUMNS}");
    let name_of_it = format!("{approach}-{language}");
    let terminal = Terminal::start(&name_of_it, "", &arguments);
    let port = terminal.address().port();
    // Each client has a row, in which everything comes in its time: collected
    // from screen to screen, since a busy machine may take long for it.
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    let mut named = false;
    let screen = terminal.wait("the lanes of all four clients", |screen| {
        // The row and the lines bear the same name.
        named |= screen.matches(worker).count() >= 2;
        for label in roles.iter().chain([&wait]) {
            seen.entry(label).or_default().push_str(&lane(screen, label));
        }
        let has = |label: &str, signs: &[char]| {
            signs.iter().all(|sign| seen[label].contains(*sign))
        };
        has(roles[0], &['A', '·', 'R'])
            && has(roles[1], &['A', 'R', '█', sends])
            && has(roles[2], &['A', 'R', '█', sends])
            && has(roles[3], &['A', 'R', '█', sends, 'C'])
            && has(wait, &['A', '·'])
            // While the loop computes, others wait.
            && (approach != "mux"
                || roles.iter().any(|role| has(role, &['░'])))
            && named
            // The kernel has been asked.
            && screen.contains("Recv-Q 0  Send-Q 1024")
            && [" S ", " R "].iter().any(|it| row(screen, wait).contains(it))
    });
    // The address, large and to be typed.
    let typed = format!("nc -N 127.0.0.1 {port}");
    for expected in [&typed, "▀▀▀", " MiB", name] {
        assert!(screen.contains(expected), "{expected}: {screen}");
    }
    let screen = terminal.quits_with(0);
    let stopped = if english { "stopped: " } else { "detenido: " };
    assert!(screen.contains(&format!("{name} {stopped}")), "{screen}");
}

#[test]
fn threads_are_shown_in_both_languages() {
    each_shows_its_lanes("threads", "en");
    each_shows_its_lanes("threads", "es");
}

#[test]
fn processes_are_shown_in_both_languages() {
    each_shows_its_lanes("process", "en");
    each_shows_its_lanes("process", "es");
}

#[test]
fn the_loop_is_shown_in_both_languages() {
    each_shows_its_lanes("mux", "en");
    each_shows_its_lanes("mux", "es");
}

/// A client that says something, and stays.
fn client(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

#[test]
fn the_keys_change_server_picture_and_problem() {
    let terminal = Terminal::start("keys", "", "mux -- --port 0");
    let address = terminal.address();
    // The time of a column.
    terminal.wait_for("200 ms/column");
    terminal.press("+=");
    terminal.wait_for("50 ms/column");
    // What stands on no key changes nothing, nor does Ctrl-P.
    terminal.tmux(&["send-keys", "z", "C-p", "Enter"]);
    terminal.press("-_-");
    terminal.wait_for("500 ms/column");

    terminal.press("?");
    terminal.wait_for("The right end of a row is now");
    terminal.press("h");
    terminal.wait_for("Recv-Q");

    // Nothing moves while it is paused, whatever the server does.
    terminal.press("P");
    let paused = terminal.wait_for("paused");
    let mut unseen = client(address, "unseen");
    unseen.read_exact(&mut [0; 6]).unwrap();
    assert_eq!(terminal.screen(), paused);
    terminal.press("p");
    terminal.wait_for("received 6 bytes: unseen");
    drop(unseen);

    // The next backend, then another server, both on the same port.
    terminal.press("b");
    terminal.wait_for("mux-server --backend epoll");
    terminal.wait("the same port", |it| {
        it.contains("listening on") && it.contains(&address.port().to_string())
    });
    terminal.press("1");
    terminal.wait_for("threads-server: a thread for each connection");
    terminal.wait_for(&format!("threads-server listening on {address}"));
    terminal.press("b");
    terminal.wait_for("Only the loop has a backend");

    // The problem: the second client waits in the kernel's queue.
    terminal.press("m");
    terminal.wait_for("threads-server --max-clients 1");
    terminal.wait_for(&format!("threads-server listening on {address}"));
    let silent = client(address, "");
    terminal.wait_for("thread 1 ");
    let second = client(address, "and me?");
    let screen = terminal.wait_for("Recv-Q 1");
    let port = second.local_addr().unwrap().port();
    let queued = terminal.wait("its row", |it| {
        it.lines().any(|line| {
            line.contains("queue") && line.contains(&port.to_string())
        })
    });
    assert!(lane(&queued, "queue").contains('░'), "{screen}");
    // And it is served when the first has gone.
    drop(silent);
    terminal.wait_for("received 7 bytes: and me?");
    terminal.press("m");
    terminal.wait_for("threads-server: a thread for each connection");
    let screen = terminal.quits_with(0);
    // The last line of each server stays.
    for name in ["mux-server", "threads-server"] {
        assert!(screen.contains(&format!("{name} stopped: ")), "{screen}");
    }
}

#[test]
fn of_forty_clients_the_last_ones_are_seen() {
    let terminal = Terminal::start("forty", "", "threads -- --port 0");
    let address = terminal.address();
    let clients: Vec<TcpStream> =
        (0..40).map(|_| client(address, "")).collect();
    let screen = terminal.wait("the last one", |it| {
        it.contains("… and 32 more") && it.contains("thread 40 ")
    });
    assert!(screen.contains("now 40, in all 40"), "{screen}");
    let rows = screen.lines().filter(|line| line.contains("S recvfrom"));
    assert!(rows.count() <= 8, "{screen}");
    // On a projector there is space for more of them.
    terminal.resize(120, 40);
    let screen = terminal.wait("more rows", |it| it.contains("… and 19"));
    assert!(screen.contains("thread 25 "), "{screen}");
    // Too small, and back again.
    terminal.resize(60, 20);
    terminal.wait_for("needs 80 columns and 24 rows");
    terminal.resize(80, 24);
    terminal.wait_for("… and 32 more");
    drop(clients);
    terminal.quits_with(0);
}

#[test]
fn a_key_that_comes_with_a_new_size_is_not_lost() {
    let terminal = Terminal::start("resize", "", "loop -- --port 0");
    terminal.address();
    let view = terminal.process("lab");
    for columns in [81, 82, 83] {
        // When the view goes on, it finds the signal and the key together.
        kill(view, Signal::SIGSTOP).unwrap();
        terminal.resize(columns, 24);
        terminal.press("p");
        kill(view, Signal::SIGCONT).unwrap();
        terminal.wait_for("paused");
        terminal.press("p");
        terminal.wait("it goes on", |screen| !screen.contains("paused"));
    }
    terminal.quits_with(0);
}

#[test]
fn what_a_client_sends_cannot_touch_the_terminal() {
    let terminal = Terminal::start("hostile", "", "mux -- --port 0");
    let address = terminal.address();
    let before = terminal.screen();
    let evil = "\x1b[2J\x1b[H\x1b]0;mine\x07\u{9b}31m\u{202e}\r\x08gone\x1bc";
    let _client = client(address, evil);
    let screen = terminal.wait_for("\\u{1b}[2J\\u{1b}[H");
    // Everything else is where it was.
    for line in 1..5 {
        assert_eq!(screen.lines().nth(line), before.lines().nth(line));
    }
    assert!(screen.contains("q quit"), "{screen}");
    terminal.quits_with(0);
}

/// Whether a colour is in the sequences of this text.
fn is_coloured(text: &str) -> bool {
    let sequences = text.split("\x1b[").skip(1);
    let codes = sequences.filter_map(|it| it.split('m').next());
    let mut codes = codes.flat_map(|it| it.split(';')).map(str::parse);
    // Without 39 and 49, which take colours away.
    codes.any(|code| matches!(code, Ok(30..=38 | 40..=48 | 90..=107)))
}

#[test]
fn colours_and_letters_are_what_the_terminal_can_show() {
    let with = Terminal::start("colour", "", "-- --port 0");
    let address = with.address();
    drop(client(address, "hola"));
    with.wait_for("received 4 bytes: hola");
    assert!(is_coloured(&with.colours()));
    let without = Terminal::start("plain", "NO_COLOR=1", "-- --port 0");
    let address = without.address();
    drop(client(address, "hola"));
    without.wait("its lane", |it| lane(it, "thread 1 ").contains("AR"));
    let shown = without.colours();
    assert!(!is_coloured(&shown), "{shown:?}");
    // Without UTF-8 nothing leaves that is not ASCII, in Spanish either.
    let arguments = format!("--language es {TWO_COLUMNS}");
    let ascii = Terminal::start("ascii", "LC_ALL=C", &arguments);
    let address = ascii.address();
    let _client = client(address, "ñandú");
    let screen = ascii.wait("its lane", |it| lane(it, "hilo 1 ").contains('#'));
    assert!(screen.is_ascii(), "{screen}");
    ascii.press("?");
    let help = ascii.wait_for("El extremo derecho");
    assert!(help.is_ascii(), "{help}");
    // And the locale decides about the language.
    let locale = Terminal::start("locale", "LC_ALL=es_MX.UTF-8", "-- -p 0");
    locale.wait_for("threads-server escuchando en");
}

#[test]
fn a_server_that_dies_leaves_a_view_that_can_go_on() {
    let terminal = Terminal::start("killed", "", "mux -- --port 0");
    let address = terminal.address();
    terminal.wait_for("mux-server listening on");
    kill(terminal.process("mux-server"), Signal::SIGKILL).unwrap();
    terminal.wait_for("mux-server has ended: SIGKILL");
    terminal.press("2");
    terminal.wait_for(&format!("process-server listening on {address}"));
    kill(terminal.process("process-server"), Signal::SIGKILL).unwrap();
    terminal.wait_for("process-server has ended: SIGKILL");
    let screen = terminal.quits_with(1);
    assert!(screen.contains("process-server has ended: SIGKILL"), "{screen}");
}

#[test]
fn ctrl_c_and_sigterm_are_orderly_stops() {
    let terminal = Terminal::start("control-c", "", "-- --port 0");
    terminal.address();
    terminal.tmux(&["send-keys", "C-c"]);
    let screen = terminal.ends_with(0);
    assert!(screen.contains("threads-server stopped: "), "{screen}");

    let terminal = Terminal::start("sigterm", "", "process -- --port 0");
    terminal.address();
    let view = terminal.process("lab");
    kill(view, Signal::SIGTERM).unwrap();
    let screen = terminal.ends_with(0);
    assert!(screen.contains("process-server stopped: "), "{screen}");
}

/// The window is closed: nothing may go on, and least of all spin.
#[test]
fn a_terminal_that_goes_away_ends_view_and_server() {
    let terminal = Terminal::start("hang-up", "", "-- --port 0");
    terminal.address();
    let view = terminal.process("lab");
    let server = terminal.process("threads-server");
    drop(terminal);
    for process in [view, server] {
        let gone = || kill(process, None).is_err().then_some(());
        assert!(within(LONGEST, gone).is_some(), "{process} goes on");
    }
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was() {
    let terminal =
        Terminal::start("panic", "RUST_BACKTRACE=0", "--panic -- --port 0");
    let screen = terminal.ends_with(101);
    assert!(screen.contains("asked to panic"), "{screen}");
}

#[test]
fn a_port_in_use_and_a_wrong_option_are_said_after_the_end() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port();
    let terminal =
        Terminal::start("busy", "", &format!("mux -- --port {port}"));
    let screen = terminal.ends_with(1);
    assert!(screen.contains("127.0.0.1"), "{screen}");
    let terminal = Terminal::start("wrong", "", "mux -- --dance");
    let screen = terminal.ends_with(2);
    assert!(screen.contains("--dance"), "{screen}");
}

#[test]
fn without_a_terminal_one_line_says_so() {
    for (language, words) in [("en", "not a terminal"), ("es", "una terminal")]
    {
        let output = Command::new(LAB)
            .args(["watch", "--language", language])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(words), "{error}");
    }
    let quiet = Command::new(LAB)
        .args(["watch", "--", "--quiet"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(quiet.status.code(), Some(2));
}

#[test]
fn a_picture_is_drawn_from_a_real_run() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("watch.svg");
    let output = Command::new(LAB)
        .args(["watch", "mux", "--script", "--language", "es", "--picture"])
        .arg(&file)
        .args(["--", "--port", "0", "--cpu-work", "100000"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let svg = fs::read_to_string(&file).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let text: String = document
        .descendants()
        .filter(|node| node.tag_name().name() == "text")
        .filter_map(|node| node.text())
        .collect();
    for expected in ["mux-server", "bucle", "lento :", "Recv-Q", "q"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
