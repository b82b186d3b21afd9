//! certgen: one manifest gives the certificates, the broker's configuration, the users that match them and the clients'
//! settings.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, clippy::print_stdout, clippy::print_stderr, clippy::dbg_macro)]

pub mod emit;
pub mod error;
pub mod ui;
