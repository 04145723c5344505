//! The live view: a server of ours on the projector, while a class connects.
//!
//! The data flow one way. [`server`] starts a server and hands on its lines;
//! [`mod@line`] reads them; [`kernel`] samples `/proc` and the sockets; both end
//! in [`model`], which knows who does what since when; [`view`] draws it with
//! [`words`] in two languages and [`address`] for what the class has to type;
//! [`app`] puts keys, server and picture together, on a terminal or into a
//! [`picture`]. [`script`] plays four clients for a teacher alone.

pub mod address;
pub mod app;
pub mod kernel;
pub mod line;
pub mod model;
pub mod options;
pub mod picture;
pub mod script;
pub mod server;
#[cfg(test)]
mod tests;
pub mod view;
pub mod words;
