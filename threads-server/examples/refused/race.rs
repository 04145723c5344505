//! The program that Rust refuses: two threads change one plain variable.
//!
//! Cargo does not build this file. The tests give it to the compiler, and
//! expect its error.

/// Two threads add to one variable.
fn main() {
    // A plain number: no atomic operation, no lock.
    let mut counter = 0;
    std::thread::scope(|scope| {
        // To add, a thread borrows the number mutably. Such a borrow is
        // exclusive, and both would last until the end of the scope.
        scope.spawn(|| counter += 1);
        scope.spawn(|| counter += 1);
    });
    // This line is never reached, since the program does not compile.
    println!("{counter}");
}
