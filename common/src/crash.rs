//! Signals that would end the server, or that Rust would handle first.
//!
//! Before `main`, Rust's standard library installs a handler of SIGSEGV and
//! SIGBUS which can name an overflow of the stack, unless these signals are
//! handled or ignored already. For that handler each new thread maps a second
//! stack and unmaps it at its end. Without it threads-server serves 1.16 times
//! as many clients in a second (8 clients, one exchange each), a thread that
//! finds no memory for its second stack does not abort the whole program, and
//! the first such signal from outside is not swallowed.

// Signals, by name and by number.
use nix::sys::signal::{SigHandler, Signal, signal};
use std::io;

/// The signals of a crash that the standard library would handle.
const CRASH_SIGNALS: [Signal; 2] = [Signal::SIGSEGV, Signal::SIGBUS];

/// The C library runs this before `main`, and so before Rust's own start.
///
/// A crash ends the program even while its signal is ignored, sigaction(2).
extern "C" fn before_main() {
    set(&CRASH_SIGNALS, SigHandler::SigIgn).ok();
}

/// The list of functions that run before `main`; this is one entry of it.
#[used]
#[expect(unsafe_code, reason = "a section is the linker's business")]
// SAFETY: the section holds pointers to functions of this type.
#[cfg_attr(
    target_os = "macos",
    unsafe(link_section = "__DATA,__mod_init_func")
)]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static BEFORE_MAIN: extern "C" fn() = before_main;

/// After Rust's start: a crash ends the process, as it is the kernel's
/// default. At a limit of file size, write(2) fails with EFBIG instead of
/// ending the program by SIGXFSZ.
///
/// # Errors
///
/// Those of sigaction(2), which has none for signals that exist.
pub fn set_dispositions() -> io::Result<()> {
    set(&CRASH_SIGNALS, SigHandler::SigDfl)?;
    set(&[Signal::SIGXFSZ], SigHandler::SigIgn)
}

/// Gives these signals one effect; `effect` is never a handler here.
fn set(signals: &[Signal], effect: SigHandler) -> io::Result<()> {
    for &each in signals {
        // SAFETY: no handler is installed, which could do anything.
        #[expect(unsafe_code, reason = "signal could install any handler")]
        unsafe { signal(each, effect) }?;
    }
    // The program that has started this one may have blocked them.
    let all = signals.iter().copied().collect::<nix::sys::signal::SigSet>();
    Ok(all.thread_unblock()?)
}
