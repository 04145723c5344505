//! Signals and the ends of children, at the moments when they might do harm.
//!
//! Such a moment lasts microseconds. Here strace(1) makes it last: it holds a
//! process at one system call, before the call or after it, and what is to
//! happen in between happens in between. The case then looks whether the
//! process was still held; if not, it tries again and holds it longer.
//!
//! Only process-server needs this. In threads-server one `Mutex` guards all
//! that the threads share (`clients.rs`), so any two changes happen one after
//! the other, in either order; no thread waits for anything, or takes another
//! lock, while it holds it, so none can wait for ever; and the lines are
//! written by single system calls. Only the main thread decides outside the
//! lock whether the server is at its client limit, and only the main thread
//! adds clients. That leaves no order to force, and a model checker of threads
//! could find nothing that a reader of that one page could not. Processes share
//! no memory, but signals reach them between any two instructions.

mod cases;

use std::process::Command;

use nix::libc;

use crate::prelude::*;

pub use cases::CASES;

/// How long a process is held at a call: first short, then longer where the
/// machine was too busy for what should have happened meanwhile.
const HOLDS: [Duration; 4] = [
    Duration::from_millis(150),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// Sends a signal to one process.
///
/// # Panics
///
/// When there is no such process.
pub fn signal(pid: Pid, signal: Signal) {
    kill(pid, signal).unwrap_or_else(|e| panic!("{signal} to {pid}: {e}"));
}

/// Sends a real-time signal, for which the libraries have no name.
///
/// # Panics
///
/// When there is no such process.
pub fn real_time_signal(pid: Pid) {
    // The signals from 34 to 64 are left to programs, signal(7).
    let status = Command::new("sh")
        .args(["-c", "kill -37 \"$0\"", &pid.to_string()])
        .status();
    assert!(status.is_ok_and(|it| it.success()), "kill -37 {pid} failed");
}

/// A client in service, and the process that serves it.
pub fn client(server: &Server) -> (Client, Pid) {
    let client = server.served(b"hello");
    let pid = server.process_of(&client);
    (client, pid)
}

/// Waits until a server has no children any more, not even zombies.
pub fn childless(server: &Server) {
    soon("all children are reaped", || proc::children(server.pid).is_empty());
}

/// Where a process is held.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    /// Before the kernel does the call.
    Before,
    /// After the kernel has done the call, before the process goes on.
    Behind,
}

/// Whether a process is held at this system call now.
pub fn held(pid: Pid, call: Call) -> bool {
    let path = format!("/proc/{pid}/syscall");
    let at = fs::read_to_string(path).unwrap_or_default();
    let number = at.split(' ').next().and_then(|word| word.parse().ok());
    proc::state(pid) == Some('t') && number == Some(call.number)
}

/// Waits for a moment that may have passed already; says whether it has come.
pub fn catch(mut now: impl FnMut() -> bool) -> bool {
    within(LIMIT, || now().then_some(())).is_some()
}

/// A system call at which a process can be held.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    name: &'static str,
    number: i64,
}

/// The call that accepts a client.
pub const ACCEPT: Call = Call { name: "accept4", number: libc::SYS_accept4 };

/// The call that waits for an event.
#[cfg(target_arch = "x86_64")]
pub const POLL: Call = Call { name: "poll", number: libc::SYS_poll };

/// The call that waits for an event: the C library makes poll(2) of it.
#[cfg(not(target_arch = "x86_64"))]
pub const POLL: Call = Call { name: "ppoll", number: libc::SYS_ppoll };

/// The call that the C library makes fork(2) of.
pub const CLONE: Call = Call { name: "clone", number: libc::SYS_clone };

/// The first call that a child of ours makes.
pub const CLOSE: Call = Call { name: "close", number: libc::SYS_close };

/// The call that reaps a child.
pub const WAIT: Call = Call { name: "wait4", number: libc::SYS_wait4 };

/// The call by which a signal's handler asks in which process it runs.
pub const GETPID: Call = Call { name: "getpid", number: libc::SYS_getpid };

/// The call by which a worker asks to be told of the server's death.
pub const PRCTL: Call = Call { name: "prctl", number: libc::SYS_prctl };

/// Makes this process, or all of these and those that they create, stay for
/// so long at each such call, or at the first of each process.
pub fn hold(
    target: Target,
    call: Call,
    side: Side,
    time: Duration,
    first_only: bool,
) -> Strace {
    let side = match side {
        Side::Before => "delay_enter",
        Side::Behind => "delay_exit",
    };
    let when = if first_only { ":when=1" } else { "" };
    let (name, time) = (call.name, time.as_micros());
    let trace = format!("--trace={name}");
    let inject = format!("--inject={name}:{side}={time}{when}");
    Strace::attach(target, &[trace, inject])
}

/// Lets a client talk, waits until a process is held, and does something to
/// the server then. What the client has sent by that time is answered. Says
/// whether the process was held until after that.
pub fn talk_while(
    is_held: impl Fn() -> bool,
    server: &Server,
    time: Duration,
    act: impl FnOnce(),
) -> bool {
    thread::scope(|scope| {
        scope.spawn(|| server.served(b"hello").expect_end());
        let caught = catch(&is_held);
        // The client's message must have arrived before.
        thread::sleep(time / 4);
        act();
        caught && is_held()
    })
}

/// Tries a case on a new server each time, with longer and longer holds, until
/// it says that its order was forced in time.
///
/// # Panics
///
/// When it could not be forced.
pub fn force(
    form: &Form,
    options: &str,
    case: impl Fn(&Server, Duration) -> bool,
) {
    let options = format!("--serve until-eof {options}");
    let mut tries = HOLDS.iter();
    assert!(
        tries.any(|&time| case(&form.run(&options), time)),
        "the machine is too busy to force this order"
    );
}
