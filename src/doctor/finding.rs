//! What the doctor says: one finding for each thing that is wrong, with its place, its effect and what to type.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::Exhibit;
use crate::diagnosis::CauseId;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something does not work, or will not start.
    Error,
    /// It works, and is not safe or will stop working.
    Warning,
    /// Worth knowing. It does not change the verdict.
    Note,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was found, as one word for scripts: `key-of-another-certificate`.
    pub code: &'static str,
    /// The entry of the catalogue that it is a case of, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseId>,
    /// The file to change, as the user named it; `None`: it is about the whole.
    #[serde(serialize_with = "as_text")]
    pub file: Option<PathBuf>,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// What is wrong: a lowercase clause, safe to print.
    pub problem: String,
    /// What will happen, with the log line or the client's error that it causes.
    pub effect: String,
    /// What to type or to change, most useful first.
    pub remedy: Vec<String>,
    /// What `--fix` does about it, where that is safe.
    #[serde(skip)]
    pub fix: Option<Fix>,
}

/// A change that is safe to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// The mode of the file.
    Mode(u32),
    /// The whole new content of the file. Two fixes of one file are made one after the other, each from a new look.
    Content(Vec<u8>),
}

/// JSON knows text alone, and a file name may be none.
fn as_text<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

impl Severity {
    /// The word for it on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A finding at a line of a file.
pub(super) fn at(
    severity: Severity,
    code: &'static str,
    exhibit: &Exhibit,
    line: usize,
    problem: impl Into<String>,
) -> Finding {
    Finding::new(severity, code, &exhibit.path, problem).line(line)
}

impl Finding {
    /// A finding about `file`; its effect is the catalogue's until [`Finding::effect`] says more.
    pub fn new(severity: Severity, code: &'static str, file: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            cause: None,
            file: Some(file.into()),
            line: None,
            problem: problem.into(),
            effect: String::new(),
            remedy: Vec::new(),
            fix: None,
        }
    }

    /// The line in the file.
    #[must_use]
    pub fn line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// The entry of the catalogue; where nothing else is said, its title is the effect.
    #[must_use]
    pub fn cause(mut self, cause: CauseId) -> Self {
        self.cause = Some(cause);
        if self.effect.is_empty() {
            self.effect.clone_from(&cause.cause().title);
        }
        self
    }

    /// What will happen.
    #[must_use]
    pub fn effect(mut self, effect: impl Into<String>) -> Self {
        self.effect = effect.into();
        self
    }

    /// Adds what to type.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy.push(remedy.into());
        self
    }

    /// What `--fix` does.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }
}
