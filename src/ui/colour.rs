//! Colour, which never carries meaning alone, and the one way errors look.

use std::io::Write;

use crate::error::Error;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Colour {
    /// Where a terminal shows it and NO_COLOR is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Decides `auto`.
    #[must_use]
    pub fn resolve(self, supported: bool) -> Self {
        match (self, supported) {
            (Self::Auto, true) => Self::Always,
            (Self::Auto, false) => Self::Never,
            (decided, _) => decided,
        }
    }

    /// `text` in the colour of trouble.
    pub fn alarming(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// `text` in the colour of health.
    pub fn calm(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self == Self::Always { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Prints an error the way every error looks: what happened, then what to type.
pub fn report(err: &mut dyn Write, error: &Error) {
    // When standard error is gone as well, the exit code still speaks.
    let _ = writeln!(err, "certgen: error: {error}");
    for hint in error.hints() {
        let _ = writeln!(err, "certgen: hint: {hint}");
    }
}
