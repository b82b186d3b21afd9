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
    PasswordRefused,
    UserLoopbackOnly,
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
    ErlangStricter,
    ErlangDefect,
    CertificateUndecodable,
    ContainerUnreadable,
    SocketShared,
    ClientCodeWrong,
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
    /// What a text says about it beyond that it happened, where a word of [`Saying::text`] was found: `there is no user NAME`.
    #[serde(default)]
    pub named: Vec<String>,
    /// What is behind it, in a few sentences.
    pub meaning: String,
    /// How to tell it from what looks the same, most useful first.
    pub tell: Vec<String>,
    /// What to type or to change, most useful first. `HOST`, `PORT`, `NAME`, `FILE` stand for what only the reader knows.
    pub remedy: Vec<String>,
    /// What programs print when it happens; nothing, where it happens without a word.
    #[serde(default)]
    pub says: Vec<Saying>,
}

/// What one program prints.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saying {
    /// The program, and its version where that matters: `rabbitmq 3.10`, `rabbitmq 4`, `python`, `java`, `openssl`.
    pub who: String,
    /// The text. `*` stands for anything, `<name>` for something that takes the place of `NAME`, `<name=CN=>` for
    /// something that has `CN=` in it.
    pub text: String,
    /// The version of TLS with which it is printed, where that makes a difference: `1.2` or `1.3`.
    #[serde(default)]
    pub tls: Option<String>,
    /// How often it is this cause when the text is seen, against the others that print the same: a judgement from
    /// collected reports, good for an order and for nothing else.
    #[serde(default = "certain")]
    pub weight: u32,
    /// It was read, in a source or in somebody's report, and not seen to be printed.
    #[serde(default)]
    pub read: bool,
    /// Healthy systems print it too: it answers somebody who asks about it, and is not looked for in a log.
    #[serde(default)]
    pub vague: bool,
}

/// The weight of a text that names its cause.
fn certain() -> u32 {
    100
}

/// What has to be known of texts that mislead.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The texts, as causes have them.
    pub texts: Vec<String>,
    /// One or two sentences.
    pub note: String,
    /// No cause prints the texts: they look like trouble and are none.
    #[serde(default)]
    pub harmless: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    note: Vec<Note>,
    cause: Vec<Cause>,
}

fn catalogue() -> &'static Catalogue {
    static READ: OnceLock<Catalogue> = OnceLock::new();
    READ.get_or_init(|| toml::from_str(CAUSES).expect("causes.toml is right, as its test says"))
}

/// The whole catalogue, in the order in which it is written.
pub fn causes() -> &'static [Cause] {
    &catalogue().cause
}

/// What has to be known of texts that mislead.
pub fn notes() -> &'static [Note] {
    &catalogue().note
}

impl CauseId {
    /// Its word: `server-ca-unknown`.
    pub fn word(self) -> String {
        let word = serde_json::to_value(self).expect("a word is a string");
        word.as_str().map(str::to_owned).unwrap_or_default()
    }

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
        assert_eq!(told.len(), CauseId::ClientCodeWrong as usize + 1, "a cause is not told");
        assert!(told.is_sorted(), "the catalogue has the order of the enum");
    }

    #[test]
    fn every_cause_is_told_whole() {
        for cause in causes() {
            let told = !cause.meaning.is_empty() && !cause.tell.is_empty() && !cause.remedy.is_empty();
            assert!(told, "{:?} is not told whole", cause.id);
            for text in cause.named.iter().chain([&cause.title]) {
                assert!(!text.ends_with('.'), "{:?}: {text} is a clause", cause.id);
            }
            for saying in &cause.says {
                assert!((1..=100).contains(&saying.weight), "{:?}: {}", cause.id, saying.text);
                assert!(matches!(saying.tls.as_deref(), None | Some("1.2" | "1.3")), "{:?}", cause.id);
            }
        }
    }

    #[test]
    fn a_cause_says_a_text_once() {
        for cause in causes() {
            let texts: BTreeSet<_> = cause.says.iter().map(|said| said.text.to_ascii_lowercase()).collect();
            assert_eq!(texts.len(), cause.says.len(), "{:?} has a text twice", cause.id);
        }
    }

    /// What a reader is told to type is understood by this very program.
    #[test]
    fn every_remedy_with_certgen_is_a_command_line_of_it() {
        let mut seen = 0;
        for cause in causes() {
            for command in cause.remedy.iter().flat_map(|remedy| commands_in(remedy)) {
                seen += 1;
                if command.starts_with("certgen probe") && !probe_takes_a_target() {
                    continue;
                }
                let words: Vec<String> = command.split_whitespace().map(filled).collect();
                let parsed = crate::command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{:?}: {command}\n{}", cause.id, parsed.unwrap_err());
            }
        }
        assert!(seen > 50, "only {seen} commands were found");
    }

    fn probe_takes_a_target() -> bool {
        let command = crate::command();
        command.find_subcommand("probe").is_some_and(|probe| probe.get_positionals().next().is_some())
    }

    /// A remedy that is a command, or what stands between backticks in one that is prose.
    fn commands_in(remedy: &str) -> Vec<&str> {
        match remedy.starts_with("certgen ") && !remedy.contains('`') {
            true => vec![remedy],
            false => remedy.split('`').skip(1).step_by(2).filter(|text| text.starts_with("certgen ")).collect(),
        }
    }

    /// A word that stands for what the reader knows, as somebody would fill it in.
    fn filled(word: &str) -> String {
        let filled = word.replace("NAMESPACE/CLUSTER", "messaging/rabbit").replace("HOST", "rabbit.example.com");
        filled
            .replace("PORT", "5671")
            .replace("NAME", "celery_worker")
            .replace("FILE", "file.pem")
            .replace("VHOST", "/")
    }

    #[test]
    fn a_note_is_about_texts_that_causes_print() {
        for (note, text) in notes().iter().flat_map(|note| note.texts.iter().map(move |text| (note, text))) {
            let known = causes().iter().any(|cause| cause.says.iter().any(|said| said.text == *text));
            assert_eq!(known, !note.harmless, "{text}");
        }
    }
}
