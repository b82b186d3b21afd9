//! The terminal: tables, JSON, prompts, colour, progress. No other room writes to a stream or asks a question.
//!
//! Text from outside (names, paths, subjects, log lines) is shown through [`quote`] and [`path`], so that a name with an
//! escape sequence or a right-to-left override can neither move the cursor nor pretend to be another name.

mod text;

pub use text::{path, plain, quote};
