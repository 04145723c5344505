//! Links the code that unwinds a panic into the program itself.
//!
//! Usually that code comes from a shared library, `libgcc_s`. Its five memory
//! mappings are copied by each fork(2) and taken down by each _exit(2). The
//! compiler has the same code in an archive. Without it process-server serves
//! 0.96 times as many clients in a second (8 and 64 clients, one exchange each).

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The archive that `cc` names is one for this machine.
    let target = env::var("TARGET").unwrap_or_default();
    if !target.ends_with("-linux-gnu") || env::var("HOST") != Ok(target) {
        return;
    }
    // `cc` prints the whole path, or only the name if it has no such archive.
    let found = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let Ok(found) = found else { return };
    let archive = String::from_utf8_lossy(&found.stdout);
    if Path::new(archive.trim()).is_absolute() {
        // The linker searches it before the shared library.
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}
