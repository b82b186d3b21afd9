//! Errors as people meet them, and the exit codes that scripts rely on.
//!
//! Rooms describe what went wrong in enums or sentences of their own; here they become one [`Error`]: what was being
//! done, to what, why, and what to type next. Nothing else in the house decides an exit code.

use std::fmt;

/// The exit codes of `certgen`, as the manual documents them.
pub mod exit_code {
    /// Done.
    pub const DONE: u8 = 0;
    /// Failed: also unreachable, unreadable, a failed hook, or some rows skipped.
    pub const FAILED: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// The command worked and the answer is no.
    pub const NO: u8 = 3;
    /// Stopped by SIGINT.
    pub const INTERRUPTED: u8 = 130;
    /// Stopped by SIGTERM.
    pub const TERMINATED: u8 = 143;
}

/// What kind of failure it was: it decides the exit code and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The work could not be done.
    Failed,
    /// The command line asks for something that makes no sense.
    Usage,
    /// The user broke off at a question: not worth a word either.
    Interrupted,
    /// The reader of standard output went away: not worth a word.
    BrokenPipe,
}

/// One failure: lowercase, no full stop, with hints that can be typed.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hints: Vec<String>,
}

/// The result of everything that can fail in front of the user.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The work could not be done: `message` says what was being done, to what, and why not.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The user pressed Ctrl-C at a question.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// Reading or writing `path` failed in the operating system. `doing` is a verb phrase such as `reading`.
    pub fn io(doing: &str, path: &std::path::Path, source: &std::io::Error) -> Self {
        let error = Self::failed(format!("{doing} {}: {}", crate::ui::path(path), io_reason(source)));
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => error.hint("run this as the user who owns it"),
            std::io::ErrorKind::IsADirectory => error.hint("name a file in it"),
            _ => error,
        }
    }

    /// Adds something that the user can type or change.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts what was being done in front of the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The same failure, whose cause stands on the command line.
    #[must_use]
    pub fn as_usage(mut self) -> Self {
        self.kind = Kind::Usage;
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The sentence, without the hints.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to type next, most useful first.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The exit code that a script sees.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => exit_code::FAILED,
            Kind::Usage => exit_code::USAGE,
            Kind::Interrupted => exit_code::INTERRUPTED,
            Kind::BrokenPipe => exit_code::DONE,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Writing to a stream: a closed pipe is silent, a full disk is not.
impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Kind::BrokenPipe, "standard output was closed");
        }
        Self::failed(format!("writing output: {}", io_reason(&source)))
    }
}

/// The operating system's reason without Rust's `(os error 28)`, or a library's; safe to show, because those of tar quote
/// what is in the file.
pub fn io_reason(source: &std::io::Error) -> String {
    let text = crate::ui::sentence(&source.to_string());
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_lowercase(),
        None => text,
    }
}

/// Adds context to any result whose error can become an [`Error`].
pub trait Context<T> {
    /// Says what was being done, in front of the reason.
    fn context<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|e| e.into().context(doing()))
    }
}
