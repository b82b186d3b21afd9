//! The same chain and name as other programs judge them: one file for each verifier, with its rules and their source.
//!
//! A verifier here is no second validator. The search and the walk of [`super`] find what there is; a member says which of
//! it the program minds, in which order, how it compares names, and what it then prints. Each rule was run against the
//! program whose version the member names (`tests/interop/verifiers`), except where the member says that it was only read.
//!
//! All are asked as a TLS peer would ask them with its defaults: no program looks at revocation lists unless it is told
//! to, so lists do not count here. A server's name is compared with hosts and addresses; nobody compares the name of a
//! client in the handshake, so with the purpose `client` the name does not count either.

mod ask;
mod browser;
mod erlang;
mod go;
mod java;
mod libcrypto;
mod names;
mod node;
mod openssl;
mod python;
mod rustls;

use serde::Serialize;

use super::Question;
use crate::profile::nearest;
use crate::ui;
use ask::Ask;
pub use erlang::erlang_refuses;

/// A program that verifies certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verifier(Program);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Program {
    OpenSsl,
    Python,
    Go,
    Java,
    Node,
    Rustls,
    Browser,
    Erlang(erlang::Release, erlang::Match),
}

/// Every verifier by the word that people type, in the order of the table.
const ALL: [(&str, Program); 13] = {
    use Program::{Browser, Erlang, Go, Java, Node, OpenSsl, Python, Rustls};
    use erlang::{Match, Release};
    [
        ("openssl", OpenSsl),
        ("python", Python),
        ("go", Go),
        ("java", Java),
        ("node", Node),
        ("rustls", Rustls),
        ("browser", Browser),
        ("erlang-25", Erlang(Release::R25, Match::Default)),
        ("erlang-25+https-match", Erlang(Release::R25, Match::Https)),
        ("erlang-27", Erlang(Release::R27, Match::Default)),
        ("erlang-27+https-match", Erlang(Release::R27, Match::Https)),
        ("erlang-29", Erlang(Release::R29, Match::Default)),
        ("erlang-29+https-match", Erlang(Release::R29, Match::Https)),
    ]
};

impl Verifier {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|(_, program)| Self(*program))
    }

    /// The words that name one.
    pub fn words() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|(word, _)| *word)
    }

    /// The word that people type.
    pub fn as_str(self) -> &'static str {
        ALL.iter().find(|(_, program)| *program == self.0).map_or("", |(word, _)| word)
    }

    /// The verdict, as this program would give it.
    pub fn judge(self, question: &Question<'_>) -> Opinion {
        Opinion::of(self, Ask::with(question, |ask| self.refusal(ask)))
    }

    fn refusal(self, ask: &Ask<'_>) -> Option<String> {
        match self.0 {
            Program::OpenSsl => openssl::refusal(ask),
            Program::Python => python::refusal(ask),
            Program::Go => go::refusal(ask),
            Program::Java => java::refusal(ask),
            Program::Node => node::refusal(ask),
            Program::Rustls => rustls::refusal(ask),
            Program::Browser => browser::refusal(ask),
            Program::Erlang(release, names) => erlang::refusal(ask, release, names),
        }
    }
}

impl std::str::FromStr for Verifier {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if let Some((_, program)) = ALL.iter().find(|(known, _)| *known == word) {
            return Ok(Self(*program));
        }
        let near = nearest(word, Self::words()).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
        let all = Self::words().collect::<Vec<_>>().join(", ");
        Err(format!("there is no verifier {}{near}; there are {all}, and all", ui::quote(word)))
    }
}

/// A text is a line; what a certificate with thousands of names would print is cut.
const LONGEST_TEXT: usize = 1_000;

/// What one verifier says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Opinion {
    /// Who.
    pub verifier: &'static str,
    /// Yes or no.
    pub accepted: bool,
    /// What it prints when it refuses; safe to show.
    pub text: Option<String>,
}

impl Opinion {
    fn of(verifier: Verifier, refusal: Option<String>) -> Self {
        // A sentence of ours with names in it that are cut already; rustls cuts nothing.
        let text = refusal.map(|text| ui::sentence(&text.chars().take(LONGEST_TEXT).collect::<String>()));
        Self { verifier: verifier.as_str(), accepted: text.is_none(), text }
    }
}

/// What each of `verifiers` says, in their order. The ways from leaf to anchor are searched once.
pub fn opinions(question: &Question<'_>, verifiers: &[Verifier]) -> Vec<Opinion> {
    Ask::with(question, |ask| verifiers.iter().map(|verifier| Opinion::of(*verifier, verifier.refusal(ask))).collect())
}
