//! Renewal in somebody's CI: what the targets for GitHub and GitLab have in common.
//!
//! The repository holds the PKI without its plain keys. The authority's key is sealed in it, and what opens it is a secret of
//! the CI that reaches the command by its environment or by a file, never by a command line. A renewed key exists in the
//! checkout alone, so a hook takes it to where it is used; what was issued is committed also when that failed, or nobody
//! could revoke it.

use super::facts::{AuthorityKey, Facts};
use super::settings::{Setting, Settings};
use super::syntax::shell;
use crate::error::{Error, Result};
use crate::ui;
use crate::x509::Duration;

/// The settings that both have.
pub(super) const PKI: Setting = Setting::of_facts("pki", "the PKI's directory in the repository, else its last part");
pub(super) const HOOK: Setting = Setting::with_default(
    "hook",
    "what takes a renewed pair to where it is used, see certgen renew --help",
    "./deliver",
);
pub(super) const UNLOCK: Setting =
    Setting::with_default("unlock", "what opens the sealed keys: passphrase or identity (age)", "passphrase");
pub(super) const INSTALL: Setting =
    Setting::of_facts("install", "command that installs certgen, where the runner lacks it");
pub(super) const SCHEDULE: Setting = Setting::with_default("schedule", "when, as cron writes it, UTC", "17 4 * * *");
pub(super) const FAIL_WITHIN: Setting = Setting::with_default("fail_within", "fail while something ends within", "7d");

/// What opens the sealed keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unlocking {
    /// The variable CERTGEN_PASSPHRASE.
    Passphrase,
    /// An age identity, from the secret CERTGEN_IDENTITY.
    Identity,
}

/// The commands of a pipeline.
pub(super) struct Pipeline {
    pub(super) unlock: Unlocking,
    certgen: String,
    pki: String,
    hook: String,
    revocation: bool,
    fail_within: String,
    install: Option<String>,
}

impl Pipeline {
    /// What the facts and the settings say. `forbidden` is what the CI itself expands wherever it stands.
    ///
    /// # Errors
    /// A value cannot be carried, or is not one.
    pub(super) fn of(facts: &Facts, settings: &Settings, forbidden: &str) -> Result<Self> {
        let last = facts.pki.trim_end_matches('/').rsplit('/').next().unwrap_or("pki");
        let get = |setting: Setting| settings.get(setting.key).unwrap_or_default();
        let (pki, hook, within) = (settings.get(PKI.key).unwrap_or(last), get(HOOK), get(FAIL_WITHIN));
        let install = settings.get(INSTALL.key).map(str::to_owned);
        for text in [pki, hook, install.as_deref().unwrap_or_default()] {
            if text.contains(forbidden) {
                return Err(Error::failed(format!("{} would be expanded: it has {forbidden}", ui::quote(text))));
            }
        }
        within.parse::<Duration>().map_err(|e| Error::usage(format!("--set fail_within: {e}")))?;
        let unlock = match get(UNLOCK) {
            "passphrase" => Unlocking::Passphrase,
            "identity" => Unlocking::Identity,
            other => {
                return Err(Error::usage(format!("--set unlock={}: it is passphrase or identity", ui::quote(other))));
            }
        };
        Ok(Self {
            unlock,
            certgen: shell::words(["certgen", "--pki", pki, "--no-input"])?,
            pki: shell::word(pki)?,
            hook: shell::word(hook)?,
            revocation: facts.brokers.iter().any(|broker| broker.config.revocation.is_some()),
            fail_within: shell::word(within)?,
            install,
        })
    }

    /// The command that installs certgen, then one that fails where there is none.
    pub(super) fn install(&self) -> String {
        let install = self.install.as_ref().map(|command| format!("{command}\n")).unwrap_or_default();
        format!("{install}certgen --version\n")
    }

    /// Renews what is due, a command each. `identity` is the file with the age identity, in the shell's words.
    pub(super) fn renew(&self, identity: &str) -> Vec<String> {
        let unlock = match self.unlock {
            Unlocking::Passphrase => String::new(),
            Unlocking::Identity => format!(" --identity {identity}"),
        };
        let Self { certgen, hook, .. } = self;
        let lists = self.revocation.then(|| format!("{certgen} crl --due{unlock}"));
        lists.into_iter().chain([format!("{certgen} renew --due --hook {hook}{unlock}")]).collect()
    }

    /// Commits what changed, and pushes it by `push`.
    pub(super) fn keep(&self, push: &str) -> String {
        let Self { pki, .. } = self;
        format!(
            "git add --all -- {pki}\n\
             if ! git diff --cached --quiet; then\n  \
               git -c user.name=certgen -c user.email=certgen@localhost commit --quiet -m 'certgen: renew what was due'\n  \
               {push}\nfi\n"
        )
    }

    /// Fails while something ends soon.
    pub(super) fn check(&self) -> String {
        format!("{} status --fail-within {}\n", self.certgen, self.fail_within)
    }
}

/// What is said beside the file: what must be so before it works.
pub(super) fn next(facts: &Facts, place: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if facts.authorities.iter().any(|authority| authority.key == AuthorityKey::Here) {
        lines.push("seal the authority keys first, plain ones are not in the repository: certgen seal".to_owned());
    }
    lines.push(format!("copy it to {place}, and give the CI the secrets that its head names"));
    lines
}
