//! The terminal: tables, JSON, prompts, colour, progress. No other room asks a question or decides how facts look.
//!
//! Text from outside (names, paths, subjects, log lines) is shown through [`quote`] and [`path`], so that a name with an
//! escape sequence or a right-to-left override can neither move the cursor nor pretend to be another name.

mod colour;
mod json;
mod progress;
mod prompt;
mod table;
mod text;

pub use colour::{Colour, report};
pub use json::{Items, document, items, stream};
pub use progress::Progress;
pub use prompt::{ask, choose, confirm, new_secret, restore_cursor, secret};
pub use table::Table;
pub use text::{date, path, plain, quote, sentence, shell, span};
