//! What is to be done about one thing, and why.

use std::fmt;
use std::path::PathBuf;

use crate::profile::Role;
use crate::ui;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// An authority is made.
    Create,
    /// A certificate is issued for an identity that has none.
    Issue,
    /// A new pair takes the place of one that exists.
    Reissue,
    /// Modes and owners are set; the contents stay.
    Secure,
    /// A file gets another text.
    Write,
    /// A file is taken away.
    Remove,
    /// An identity is revoked and taken out.
    Prune,
    /// Nothing, although something is not as it should be: somebody has to decide.
    Leave,
}

impl Act {
    /// The word for it, in the table and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Issue => "issue",
            Self::Reissue => "reissue",
            Self::Secure => "secure",
            Self::Write => "write",
            Self::Remove => "remove",
            Self::Prune => "prune",
            Self::Leave => "leave",
        }
    }
}

/// What something is done about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// An authority.
    Authority(String),
    /// A server, node or client.
    Identity(Role, String),
    /// A file, relative to the PKI.
    File(PathBuf),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(name) => write!(f, "authority/{}", ui::plain(name)),
            Self::Identity(role, name) => write!(f, "{role}/{}", ui::plain(name)),
            Self::File(path) => f.write_str(&ui::path(path)),
        }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is to be done.
    pub act: Act,
    /// About what.
    pub thing: Thing,
    /// Why, each in one sentence; the most serious first.
    pub reasons: Vec<String>,
    /// What somebody can type where the step is to leave it.
    pub hints: Vec<String>,
}

impl Step {
    /// A step for one reason.
    pub fn new(act: Act, thing: Thing, reason: impl fmt::Display) -> Self {
        Self { act, thing, reasons: vec![reason.to_string()], hints: Vec::new() }
    }

    /// Adds what can be typed.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
