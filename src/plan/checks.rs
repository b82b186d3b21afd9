//! The reasons to issue a certificate again, in the order in which they are looked for: what is broken first, then what
//! is different, then what is only old.

use std::fmt;

use time::OffsetDateTime;

use crate::manifest::Entry;
use crate::plan::is_due;
use crate::ui;
use crate::x509::{Certificate, DistinguishedName, Duration, KeyType, NameConstraints};

/// How far back certificates begin, so that a peer whose clock runs a little late accepts them at once.
pub const BACKDATED: time::Duration = time::Duration::hours(1);
/// A certificate has no fractions of seconds.
const TOLERANCE: time::Duration = time::Duration::seconds(2);

/// A certificate and its key as they lie on disk.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate; `Err` says what is wrong with the file.
    pub certificate: Result<Certificate, String>,
    /// The authority that the inventory names as issuer, if its current certificate signed this one.
    pub issuer: Option<String>,
    /// What is known about the key.
    pub key: Key,
}

impl Pair {
    /// What is wrong with it by itself, whatever anybody wants it to be.
    pub fn own_reasons(&self, is_revoked: bool) -> Vec<Reason> {
        let mut reasons = Vec::new();
        match &self.certificate {
            Err(what) => reasons.push(Reason::Damaged(what.clone())),
            Ok(_) => {
                reasons.extend(key_reason(self.key));
                reasons.extend(is_revoked.then_some(Reason::Revoked));
            }
        }
        reasons
    }
}

/// A private key beside a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// It is the certificate's.
    Here,
    /// It is encrypted, so it was not looked into.
    Encrypted,
    /// It is another key.
    Differs,
    /// It should be here and is not.
    Missing,
    /// It cannot be read as a key.
    Damaged,
    /// It never was here: a request was signed, or the pair was written elsewhere.
    Elsewhere,
}

/// Why a certificate should be issued again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// There is none yet.
    Missing,
    /// Its file cannot be read.
    Damaged(String),
    /// Its key is gone.
    KeyMissing,
    /// Its key file cannot be read.
    KeyDamaged,
    /// Its key is another certificate's.
    KeyDiffers,
    /// It was revoked.
    Revoked,
    /// Another authority should have issued it, or the authority is a new one.
    Issuer {
        /// The authority that signed it, where known.
        is: Option<String>,
        /// The authority that should.
        should_be: String,
    },
    /// It is for another purpose than its role.
    Purpose,
    /// Its subject differs.
    Subject {
        /// As it is.
        is: DistinguishedName,
        /// As it should be.
        should_be: DistinguishedName,
    },
    /// Its names differ.
    Names {
        /// Names that it lacks.
        lacks: Vec<String>,
        /// Names that it should not have.
        surplus: Vec<String>,
    },
    /// Its key is of another type.
    KeyType {
        /// As it is.
        is: Option<KeyType>,
        /// As it should be.
        should_be: KeyType,
    },
    /// Its key is encrypted and should not be, or the other way round.
    Encryption {
        /// As it should be.
        should_be: bool,
    },
    /// It lasts longer or shorter than its entry asks for. A default is no such wish: it counts from the next time on.
    Validity {
        /// As it is.
        is: time::Duration,
        /// As it should be.
        should_be: Duration,
    },
    /// Of an authority: another number of authorities may stand below it.
    PathLength {
        /// As it is.
        is: Option<u32>,
        /// As it should be.
        should_be: Option<u32>,
    },
    /// Of an authority: it may sign for other names.
    NameConstraints {
        /// As they are.
        is: Option<NameConstraints>,
        /// As they should be.
        should_be: Option<NameConstraints>,
    },
    /// Less than a third of its lifetime is left.
    Due {
        /// When it ends.
        not_after: OffsetDateTime,
    },
}

impl Reason {
    /// True for a difference in facts, which a user must confirm; false for what time and damage do.
    pub fn is_difference(&self) -> bool {
        matches!(
            self,
            Self::Issuer { .. }
                | Self::Purpose
                | Self::Subject { .. }
                | Self::Names { .. }
                | Self::KeyType { .. }
                | Self::Encryption { .. }
                | Self::Validity { .. }
                | Self::PathLength { .. }
                | Self::NameConstraints { .. }
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it does not exist"),
            Self::Damaged(what) => write!(f, "its certificate is damaged: {what}"),
            Self::KeyMissing => f.write_str("its key is missing"),
            Self::KeyDamaged => f.write_str("its key is damaged"),
            Self::KeyDiffers => f.write_str("its key belongs to another certificate"),
            Self::Revoked => f.write_str("it was revoked"),
            Self::Issuer { is: Some(is), should_be } => {
                write!(f, "issuer: is {}, should be {}", ui::quote(is), ui::quote(should_be))
            }
            Self::Issuer { is: None, should_be } => {
                write!(f, "issuer: not signed by the present authority {}", ui::quote(should_be))
            }
            Self::Purpose => f.write_str("its extended key usage is not that of its role"),
            Self::Subject { is, should_be } => {
                write!(f, "subject: is {}, should be {}", ui::quote(&is.to_string()), ui::quote(&should_be.to_string()))
            }
            Self::Names { lacks, surplus } => {
                f.write_str("names:")?;
                if !lacks.is_empty() {
                    write!(f, " lacks {}", lacks.join(", "))?;
                }
                if !surplus.is_empty() {
                    write!(f, "{} has {}", if lacks.is_empty() { "" } else { ";" }, surplus.join(", "))?;
                }
                Ok(())
            }
            Self::KeyType { is, should_be } => match is {
                Some(is) => write!(f, "key type: is {is}, should be {should_be}"),
                None => write!(f, "key type: should be {should_be}"),
            },
            Self::Encryption { should_be: true } => f.write_str("key: is not encrypted, should be"),
            Self::Encryption { should_be: false } => f.write_str("key: is encrypted, should not be"),
            Self::Validity { is, should_be } => {
                write!(f, "validity: is {}, should be {should_be}", ui::span(*is))
            }
            Self::PathLength { is, should_be } => {
                let said = |length: &Option<u32>| length.map_or_else(|| "none".to_owned(), |length| length.to_string());
                write!(f, "path length: is {}, should be {}", said(is), said(should_be))
            }
            Self::NameConstraints { is, should_be } => {
                let said = |names: &Option<NameConstraints>| {
                    names.as_ref().map_or_else(|| "none".to_owned(), |names| ui::quote(&names.to_string()))
                };
                write!(f, "name constraints: are {}, should be {}", said(is), said(should_be))
            }
            Self::Due { not_after } => write!(f, "it is due: it ends on {}", ui::date(*not_after)),
        }
    }
}

/// Every reason to issue `entry` again, most serious first. `is_revoked` is the inventory's word.
pub fn reasons(entry: &Entry, pair: Option<&Pair>, is_revoked: bool, now: OffsetDateTime) -> Vec<Reason> {
    let Some(pair) = pair else { return vec![Reason::Missing] };
    let mut reasons = pair.own_reasons(is_revoked);
    let Ok(certificate) = &pair.certificate else { return reasons };
    reasons.extend(differences(entry, certificate, pair.issuer.as_deref(), pair.key));
    if is_due(*certificate.validity(), now) {
        reasons.push(Reason::Due { not_after: certificate.validity().not_after });
    }
    reasons
}

fn key_reason(key: Key) -> Option<Reason> {
    match key {
        Key::Here | Key::Encrypted | Key::Elsewhere => None,
        Key::Missing => Some(Reason::KeyMissing),
        Key::Damaged => Some(Reason::KeyDamaged),
        Key::Differs => Some(Reason::KeyDiffers),
    }
}

fn differences(entry: &Entry, certificate: &Certificate, issuer: Option<&str>, key: Key) -> Vec<Reason> {
    let mut found = Vec::new();
    if issuer != Some(entry.issuer.as_str()) {
        found.push(Reason::Issuer { is: issuer.map(str::to_owned), should_be: entry.issuer.clone() });
    }
    if !entry.role.fits(certificate) {
        found.push(Reason::Purpose);
    }
    if let Ok(subject) = entry.full_subject()
        && subject.der() != certificate.subject().der()
    {
        found.push(Reason::Subject { is: certificate.subject().clone(), should_be: subject });
    }
    found.extend(name_difference(entry, certificate));
    // The key of a request was its owner's choice.
    if key != Key::Elsewhere && certificate.public_key().key_type() != Some(entry.key_type) {
        found.push(Reason::KeyType { is: certificate.public_key().key_type(), should_be: entry.key_type });
    }
    found.extend(validity_difference(entry.validity, entry.validity_is_default, certificate));
    let should_be = entry.key_password_file.is_some();
    if matches!(key, Key::Here | Key::Encrypted) && should_be != (key == Key::Encrypted) {
        found.push(Reason::Encryption { should_be });
    }
    found
}

/// A certificate begins up to [`BACKDATED`] before the moment from which its validity counts.
pub(super) fn validity_difference(asked: Duration, is_default: bool, certificate: &Certificate) -> Option<Reason> {
    let wanted = time::Duration::from(asked);
    let validity = certificate.validity();
    let lifetime = validity.not_after - validity.not_before;
    let fits = (wanted - TOLERANCE..=wanted + BACKDATED + TOLERANCE).contains(&lifetime);
    (!is_default && !fits).then_some(Reason::Validity { is: lifetime, should_be: asked })
}

/// Names that are missing or too many. Names that `--replicas` once covered stay welcome: the number is a ceiling, and
/// lowering it changes nothing.
fn name_difference(entry: &Entry, certificate: &Certificate) -> Option<Reason> {
    let present = certificate.subject_alt_names().unwrap_or_default();
    let lacks: Vec<String> = entry.san.iter().filter(|n| !present.contains(n)).map(ToString::to_string).collect();
    let surplus: Vec<String> = present
        .iter()
        .filter(|n| !entry.san.contains(n) && !entry.covers_former_pod(n))
        .map(ToString::to_string)
        .collect();
    (!lacks.is_empty() || !surplus.is_empty()).then_some(Reason::Names { lacks, surplus })
}
