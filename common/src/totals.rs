//! What a server has done: the numbers of its last line.
//!
//! Each approach adds them up in its own way, and that is a part of the
//! lesson: threads share them behind a lock, processes send them through a
//! pipe, the loop has plain variables.

// What `+=` stands for.
use std::ops::AddAssign;

/// Counts of clients and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Clients accepted, whatever became of them.
    pub clients: u64,
    /// Bytes received; what is dropped at the close does not count.
    pub received: u64,
    /// Bytes of replies that the kernel has taken.
    pub sent: u64,
}

/// Totals of several clients add up field by field.
impl AddAssign for Totals {
    /// At 100 Gbit/s a sum of bytes overflows after 46 years.
    fn add_assign(&mut self, other: Self) {
        self.clients += other.clients;
        self.received += other.received;
        self.sent += other.sent;
    }
}
