//! What the cases are made of: servers, clients, and what the kernel knows
//! about both.

pub mod client;
pub mod lines;
pub mod proc;
pub mod server;
pub mod start;
pub mod strace;
pub mod transcript;
pub mod wait;
