//! A crash is a crash: no handler of the standard library stands between.
//!
//! Before `main`, Rust's standard library looks whether anybody handles
//! SIGSEGV and SIGBUS. If nobody does, it installs a handler that can tell an
//! overflow of the stack from any other crash. For that every new thread maps
//! a second stack, which takes a third of the time of its creation, and aborts
//! the whole program when there is no memory for it: a thread that cannot be
//! created would take all clients along. And the handler swallows the first
//! such signal that comes from outside. Here somebody handles them.

// What goes wrong, and signals by their names.
use std::io;

// Of which the standard library has none.
use nix::sys::signal::Signal;

// The function that gives them back their default.
use crate::shutdown;

/// The signals of a crash that the standard library would handle.
const SIGNALS: [Signal; 2] = [Signal::SIGSEGV, Signal::SIGBUS];

/// Run by the C library before `main`, and before Rust's own start.
///
/// To be ignored is enough to be left alone; a signal of a real crash ends the
/// program even so, see sigaction(2).
extern "C" fn before_main() {
    for signal in SIGNALS {
        // SAFETY: no handler is installed, and there is one thread yet.
        #[expect(unsafe_code, reason = "sigaction(2) could do anything")]
        unsafe {
            libc::signal(signal as libc::c_int, libc::SIG_IGN)
        };
    }
}

/// The list of what is run before `main`, in which this is an entry.
#[used]
#[expect(unsafe_code, reason = "a section is the linker's business")]
// SAFETY: the section holds pointers to functions of this type.
#[cfg_attr(
    target_os = "macos",
    unsafe(link_section = "__DATA,__mod_init_func")
)]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static BEFORE_MAIN: extern "C" fn() = before_main;

/// After Rust's start: a crash ends the process, by the kernel's default.
///
/// # Errors
///
/// Those of sigaction(2), which has none for signals that exist.
pub fn restore() -> io::Result<()> {
    shutdown::restore(&SIGNALS)
}
