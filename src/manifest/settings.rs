//! What an entry and the defaults below it say, checked: the layers of `[client.NAME]`, `[defaults.client]` and `[defaults]`
//! are the same type, laid over one another.

use std::path::PathBuf;

use super::message::Problem;
use super::schema;
use super::spec::EntrySpec;
use super::user::{UserSettings, unique};
use crate::profile::nearest;
use crate::ui;
use crate::x509::{DistinguishedName, Duration, GeneralName, KeyType};

/// One layer. What it does not say is `None` or empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) issuer: Option<String>,
    pub(crate) san: Vec<GeneralName>,
    pub(crate) key_type: Option<KeyType>,
    pub(crate) validity: Option<Duration>,
    pub(crate) subject: Option<DistinguishedName>,
    pub(crate) owner: Option<String>,
    pub(crate) key_mode: Option<u32>,
    pub(crate) key_password_file: Option<PathBuf>,
    pub(crate) brokers: Option<Vec<String>>,
    pub(crate) user: UserSettings,
}

impl Settings {
    /// What is said for all entries: none of them has its common name there.
    pub(crate) fn of_defaults(spec: &EntrySpec) -> Result<Self, Problem> {
        spec.subject.as_deref().map_or(Ok(()), |text| subject(text).map(drop))?;
        Self::read(spec)
    }

    pub(crate) fn read(spec: &EntrySpec) -> Result<Self, Problem> {
        let san = spec.san.as_deref().unwrap_or_default();
        Ok(Self {
            issuer: spec.issuer.clone(),
            san: unique(schema::SAN.name, san, |name| GeneralName::parse(name).map_err(|e| e.to_string()))?,
            key_type: spec.key_type.as_deref().map(key_type).transpose()?,
            validity: spec.validity.as_deref().map(validity).transpose()?,
            subject: spec.subject.as_deref().map(whole_subject).transpose()?,
            owner: spec.owner.as_deref().map(owner).transpose()?,
            key_mode: spec.key_mode.as_deref().map(key_mode).transpose()?,
            key_password_file: spec.key_password_file.as_deref().map(password_file).transpose()?,
            brokers: spec
                .broker
                .as_ref()
                .map(|names| unique("broker", names, |name| Ok(name.to_owned())))
                .transpose()?,
            user: UserSettings::read(spec)?,
        })
    }

    /// These settings, and those `below` for what these do not say; subject alternative names add up.
    pub(crate) fn over(self, below: &Self) -> Self {
        let mut san = self.san;
        san.extend(below.san.iter().cloned());
        Self {
            issuer: self.issuer.or_else(|| below.issuer.clone()),
            san,
            key_type: self.key_type.or(below.key_type),
            validity: self.validity.or(below.validity),
            subject: self.subject.or_else(|| below.subject.clone()),
            owner: self.owner.or_else(|| below.owner.clone()),
            key_mode: self.key_mode.or(below.key_mode),
            key_password_file: self.key_password_file.or_else(|| below.key_password_file.clone()),
            brokers: self.brokers.or_else(|| below.brokers.clone()),
            user: self.user.over(&below.user),
        }
    }
}

pub(crate) fn key_type(text: &str) -> Result<KeyType, Problem> {
    one_of(schema::KEY_TYPE.name, text, KeyType::ALL.iter().map(|key_type| (key_type.to_string(), *key_type)))
}

/// A word out of a list, or the nearest one and the whole list.
pub(crate) fn one_of<T>(
    key: &'static str,
    text: &str,
    words: impl Iterator<Item = (String, T)> + Clone,
) -> Result<T, Problem> {
    if let Some((_, value)) = words.clone().find(|(word, _)| word == text) {
        return Ok(value);
    }
    let words: Vec<String> = words.map(|(word, _)| word).collect();
    let message = format!("{} is not a value of {key}", ui::quote(text));
    match nearest(text, words.iter().map(String::as_str)) {
        Some(meant) => Err(Problem::of(key, format!("{message}: did you mean {meant:?}?"))),
        None => Err(Problem::of(key, format!("{message}: it is {}", alternatives(&words)))),
    }
}

fn alternatives(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

pub(crate) fn validity(text: &str) -> Result<Duration, Problem> {
    text.parse().map_err(|e: crate::x509::X509Error| Problem::of(schema::VALIDITY.name, e.to_string()))
}

/// A subject without a common name, which is always the entry's own.
pub(crate) fn subject(text: &str) -> Result<DistinguishedName, Problem> {
    let subject = whole_subject(text)?;
    if subject.has_common_name() { Err(own_name(text)) } else { Ok(subject) }
}

/// The same with or without. It is the entry's name again where it is there: it says at which place it stands, which is a
/// part of the name by which a broker knows a client.
fn whole_subject(text: &str) -> Result<DistinguishedName, Problem> {
    DistinguishedName::parse_rfc4514(text).map_err(|e| Problem::of(schema::SUBJECT.name, e.to_string()))
}

/// A common name that is not the entry's name.
pub(crate) fn own_name(subject: &str) -> Problem {
    let message = format!("the subject {} has a common name, which is always the entry's name", ui::quote(subject));
    Problem::of(schema::SUBJECT.name, message).hint("leave CN=... out of the subject")
}

/// `USER` or `USER:GROUP`, names or numbers. Whether they exist is known where the files are written.
fn owner(text: &str) -> Result<String, Problem> {
    let part = |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/');
    let valid = match text.split_once(':') {
        Some((user, group)) => part(user) && part(group) && !group.contains(':'),
        None => part(text),
    };
    if valid {
        return Ok(text.to_owned());
    }
    let message = format!("{} is not an owner: it is USER or USER:GROUP", ui::quote(text));
    Err(Problem::of(schema::OWNER.name, message)
        .hint("for instance owner = \"rabbitmq:rabbitmq\" or owner = \"999:999\" (--owner 999:999)"))
}

fn key_mode(text: &str) -> Result<u32, Problem> {
    match text {
        "0600" | "600" => Ok(0o600),
        "0640" | "640" => Ok(0o640),
        _ => Err(Problem::of(
            schema::KEY_MODE.name,
            format!("{} is not a mode for private keys: it is 0600 or 0640", ui::quote(text)),
        )
        .hint("a key that everybody may read is no secret: give it an owner instead, owner = \"rabbitmq\" (--owner rabbitmq)")),
    }
}

fn password_file(text: &str) -> Result<PathBuf, Problem> {
    file_path(schema::KEY_PASSWORD_FILE.name, text)
}

/// A path in the manifest.
pub(crate) fn file_path(key: &'static str, text: &str) -> Result<PathBuf, Problem> {
    if text.is_empty() {
        return Err(Problem::of(key, format!("{key} is empty")));
    }
    if text.contains('\0') || text.len() > 4096 {
        return Err(Problem::of(key, format!("{} is not the path of a file", ui::quote(text))));
    }
    Ok(PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
        result.unwrap_err().unplaced().to_string()
    }

    #[test]
    fn words_are_offered() {
        assert_eq!(
            message(key_type("ecdsa-p265")),
            r#""ecdsa-p265" is not a value of key_type: did you mean "ecdsa-p256"?"#
        );
        assert!(message(key_type("quantum")).contains("ed25519, rsa-2048"));
    }

    #[test]
    fn keys_are_never_for_everybody() {
        assert_eq!(key_mode("0640"), Ok(0o640));
        assert!(message(key_mode("0644")).contains("0600 or 0640"));
        assert!(message(key_mode("")).contains("0600 or 0640"));
    }

    #[test]
    fn owners_are_names_or_numbers() {
        for good in ["rabbitmq", "999:999", "rabbitmq:ssl-cert"] {
            assert!(owner(good).is_ok(), "{good}");
        }
        for bad in ["", ":", "a:", ":b", "a:b:c", "a b", "a\nb", "../x"] {
            assert!(owner(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_common_name_is_never_in_the_subject() {
        assert!(subject("O=Example\\, Inc,C=NL").is_ok());
        assert!(message(subject("CN=x,O=Example")).contains("always the entry's name"));
    }
}
