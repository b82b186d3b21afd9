//! What the program says about itself still tells the truth: README transcripts, manual pages, help, completions.

mod completions;
mod help;
mod man;
mod profiles;
mod readme;
mod shell;
