//! Links the code that unwinds a panic into the program itself.
//!
//! It mostly comes from a shared library, `libgcc_s`, whose five mappings each
//! fork(2) copies and each _exit(2) takes down again: nearly a tenth of what a
//! client costs here. The compiler's own archive has the same code.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_default();
    // The archive that `cc` names is one for this machine.
    if !target.ends_with("-linux-gnu") || env::var("HOST") != Ok(target) {
        return;
    }
    // Its whole path; or, where there is none, the mere name back again.
    let found = Command::new("cc")
        .arg("-print-file-name=libgcc_eh.a")
        .output();
    let Ok(found) = found else { return };
    let archive = String::from_utf8_lossy(&found.stdout);
    // Without it the program is linked as any other.
    if Path::new(archive.trim()).is_absolute() {
        // Searched before the shared library, which is then not needed.
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}
