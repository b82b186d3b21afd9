//! What goes wrong between RabbitMQ, its peers and its files, and how it shows: one catalogue for all who diagnose.
//!
//! `doctor` finds a cause in files, `probe` on the wire, `explain` in a text that somebody saw. All three call it by the same
//! [`CauseId`] and tell the same facts about it, which stand in `causes.toml` beside this file: what it is, what each
//! program prints when it happens, how to tell it from its neighbours, what to do. This room knows no files, no network
//! and no terminal.
//!
//! A text in the catalogue was printed by the program that it names, in the version that it names; where it was read and
//! not run, the entry says so.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// The catalogue as it was written.
const CAUSES: &str = include_str!("causes.toml");

/// One thing that can be wrong. The word is part of `--json` and never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is told in causes.toml")]
#[non_exhaustive]
pub enum CauseId {
    ServerCaUnknown,
    ServerChainIncomplete,
    ServerSelfSigned,
    AuthoritySameName,
    ServerNameMismatch,
    ServerNameOnlyInCommonName,
    ServerExpired,
    ServerNotYetValid,
    ServerPurpose,
    KeyMismatch,
    KeyTooWeak,
    HashTooWeak,
    FormTooOld,
    ClientCaUnknown,
    ClientChainIncomplete,
    ClientMissing,
    ClientExpired,
    ClientNotYetValid,
    ClientPurpose,
    ClientRevoked,
    RevocationListUnusable,
    UserUnknown,
    LoginNameDistinguished,
    LoginNameMissing,
    CertificateNotAsked,
    MechanismNotOffered,
    MechanismNotChosen,
    VhostMissing,
    VhostRefused,
    AdministratorMissing,
    FileUnreadable,
    KeyPasswordWrong,
    KeyUnusable,
    PlainClientOnTls,
    TlsClientOnPlain,
    VersionTooOld,
    ListenerDead,
    SettingUnknown,
    SettingsReplaced,
    ManagementAsksCertificate,
    StaleCertificate,
    LinkWithoutCa,
    DefinitionsInvalid,
    NodeNameMismatch,
    NodeWildcard,
    NodeCaUnknown,
    NodePurpose,
    NodeOptionsSilent,
    NodeToolsPlain,
    NodeOptionsUnreadable,
    HostNotChecked,
}

/// Who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The client refuses the server.
    Client,
    /// The broker refuses the client.
    Broker,
    /// One node refuses the other.
    Node,
    /// Nobody refuses anything: it does not start, or it works and should not.
    Nobody,
}

/// An entry of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Its word.
    pub id: CauseId,
    /// What it is, as one clause: `the client does not trust the authority of the server's certificate`.
    pub title: String,
    /// Who ends it.
    pub refused_by: Side,
    /// What is behind it, in one or two sentences.
    #[serde(default)]
    pub meaning: String,
    /// How to tell it from what looks the same, most useful first.
    #[serde(default)]
    pub tell: Vec<String>,
    /// What to type or to change, most useful first. `HOST`, `PORT`, `NAME`, `FILE` stand for what only the reader knows.
    #[serde(default)]
    pub remedy: Vec<String>,
    /// What programs print when it happens.
    #[serde(default)]
    pub says: Vec<Saying>,
}

/// What one program prints.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saying {
    /// The program, and its version where that matters: `rabbitmq 3.10`, `rabbitmq 4`, `python`, `java`, `openssl`.
    pub who: String,
    /// The text. `*` stands for anything on the same line.
    pub text: String,
}

/// The whole catalogue, in the order in which it is written.
pub fn causes() -> &'static [Cause] {
    static READ: OnceLock<Vec<Cause>> = OnceLock::new();
    #[derive(Deserialize)]
    struct File {
        cause: Vec<Cause>,
    }
    READ.get_or_init(|| toml::from_str::<File>(CAUSES).expect("causes.toml is right, as its test says").cause)
}

impl CauseId {
    /// What is known about it.
    pub fn cause(self) -> &'static Cause {
        causes().iter().find(|cause| cause.id == self).expect("every cause is told, as a test says")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_is_told_once() {
        let told: Vec<_> = causes().iter().map(|cause| cause.id).collect();
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "told twice");
        // The last variant: whoever adds one behind it sees this fail.
        assert_eq!(told.len(), CauseId::HostNotChecked as usize + 1, "a cause is not told");
        assert!(told.is_sorted(), "the catalogue has the order of the enum");
    }
}
