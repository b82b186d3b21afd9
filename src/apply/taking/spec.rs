//! What the manifest says of a certificate that somebody else made, so that the next one is like it.
//!
//! Words are tried one by one: what the manifest refuses, an own name of a client among its alternative names for
//! instance, is left out, and the next certificate lacks it.

use time::{Duration, OffsetDateTime};

use crate::error::Result;
use crate::manifest::{AUTHORITY_COMMON_NAME_MAX, AuthoritySpec, Entry, EntrySpec, Manifest};
use crate::plan::BACKDATED;
use crate::profile::Role;
use crate::x509::{self, Certificate, GeneralName, KeyType, Subtree};

/// A certificate has no fractions of seconds, and some makers count the last one.
const TOLERANCE: Duration = Duration::seconds(2);
const DAY: i64 = 86_400;

/// The authority that signs, and until when.
pub(super) struct Issuer<'a> {
    pub(super) name: &'a str,
    pub(super) certificate: &'a Certificate,
}

/// The entry of an end entity, as words and as the manifest understands them.
///
/// # Errors
/// The manifest takes no entry of that name at all.
pub(super) fn entry(
    manifest: &Manifest,
    role: Role,
    name: &str,
    certificate: &Certificate,
    issuer: &Issuer<'_>,
    existing_user: bool,
    now: OffsetDateTime,
) -> Result<(EntrySpec, Entry)> {
    let mut spec = EntrySpec { issuer: Some(issuer.name.to_owned()), ..EntrySpec::default() };
    if role == Role::Client {
        let brokers: Vec<String> = manifest.brokers().iter().filter_map(|broker| broker.name.clone()).collect();
        // Whoever has the certificate is known to all of them already.
        spec.broker = Some(brokers).filter(|brokers| brokers.len() > 1);
        spec.existing_user = existing_user.then_some(true);
    }
    let mut entry = match manifest.entry_from(role, name, &spec) {
        Ok(entry) => entry,
        // A server whose name is no host has its hosts among the alternative names.
        Err(_) if certificate.subject_alt_names().is_some() => {
            spec.san = certificate.subject_alt_names().map(|names| names.iter().map(written).collect());
            manifest.entry_from(role, name, &spec)?
        }
        Err(e) => return Err(e.into()),
    };
    let mut attempt = |wanted: &dyn Fn(&Entry) -> bool, change: &dyn Fn(&mut EntrySpec)| {
        if !wanted(&entry) {
            return;
        }
        let mut changed = spec.clone();
        change(&mut changed);
        if let Ok(better) = manifest.entry_from(role, name, &changed) {
            (spec, entry) = (changed, better);
        }
    };
    let subject = subject(certificate, name);
    let is_other = |entry: &Entry| entry.full_subject().is_ok_and(|is| is.der() != certificate.subject().der());
    attempt(&is_other, &|spec| spec.subject = Some(subject.clone()));
    for name in certificate.subject_alt_names().unwrap_or_default() {
        attempt(&|entry| !entry.san.contains(name), &|spec| spec.san.get_or_insert_default().push(written(name)));
    }
    let kind = key_type(certificate);
    attempt(&|entry| entry.key_type != kind, &|spec| spec.key_type = Some(kind.to_string()));
    if let Some(lasting) = validity(certificate, Some(issuer.certificate), now) {
        let is_other = |entry: &Entry| entry.validity.to_string() != lasting;
        attempt(&is_other, &|spec| spec.validity = Some(lasting.clone()));
    }
    Ok((spec, entry))
}

/// The entry of an authority.
///
/// # Errors
/// The manifest takes no authority of that name at all.
pub(super) fn authority(
    manifest: &Manifest,
    name: &str,
    certificate: &Certificate,
    issuer: Option<&Issuer<'_>>,
    now: OffsetDateTime,
) -> Result<AuthoritySpec> {
    let mut spec = AuthoritySpec { issuer: issuer.map(|issuer| issuer.name.to_owned()), ..AuthoritySpec::default() };
    let plain = manifest.authority_from(name, &spec)?;
    let mut attempt = |wanted: bool, change: &dyn Fn(&mut AuthoritySpec)| {
        let mut changed = spec.clone();
        change(&mut changed);
        if wanted && manifest.authority_from(name, &changed).is_ok() {
            spec = changed;
        }
    };
    let common_name = common_name(certificate);
    attempt(common_name.as_deref().is_some_and(|is| is != plain.common_name), &|spec| {
        spec.common_name.clone_from(&common_name);
    });
    let subject = certificate.subject().without_common_name();
    attempt(subject != plain.subject, &|spec| spec.subject = Some(subject.to_string()));
    let kind = key_type(certificate);
    attempt(kind != plain.key_type, &|spec| spec.key_type = Some(kind.to_string()));
    let lasting = validity(certificate, issuer.map(|issuer| issuer.certificate), now);
    attempt(lasting.as_ref().is_some_and(|lasting| *lasting != plain.validity.to_string()), &|spec| {
        spec.validity.clone_from(&lasting);
    });
    let length = certificate.basic_constraints().and_then(|constraints| constraints.path_length);
    attempt(length.is_some(), &|spec| spec.path_length = length.map(i64::from));
    if let Some(constraints) = certificate.name_constraints() {
        let texts = |subtrees: &[Subtree]| subtrees.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (permit, exclude) = (texts(&constraints.permitted), texts(&constraints.excluded));
        attempt(true, &|spec| {
            spec.permit = Some(permit.clone()).filter(|names| !names.is_empty());
            spec.exclude = Some(exclude.clone()).filter(|names| !names.is_empty());
        });
    }
    Ok(spec)
}

/// The subject as the manifest writes it: its common name stands there only where it is not at the end, because a broker
/// that takes the whole name for the user knows the order.
fn subject(certificate: &Certificate, name: &str) -> String {
    let subject = certificate.subject();
    let rest = subject.without_common_name();
    let is_usual = rest.clone().with_common_name(name).is_ok_and(|usual| usual.to_string() == subject.to_string());
    if is_usual || subject.common_names() != [name] { rest.to_string() } else { subject.to_string() }
}

/// The common name without the mark that certgen adds, where it is certgen's; none that would not leave room for one.
fn common_name(certificate: &Certificate) -> Option<String> {
    let whole = certificate.subject().common_name()?;
    let mark = certificate.public_key().mark();
    let own = whole.strip_suffix(&*mark).map_or(whole, str::trim_end);
    (!own.is_empty() && own.chars().count() <= AUTHORITY_COMMON_NAME_MAX).then(|| own.to_owned())
}

/// As somebody types it: the kind need not be said where the name shows it.
fn written(name: &GeneralName) -> String {
    let text = name.to_string();
    let bare = text.split_once(':').map(|(_, bare)| bare.to_owned());
    bare.filter(|bare| GeneralName::parse(bare).is_ok_and(|read| read == *name)).unwrap_or(text)
}

/// The type of the next key: the same, or the nearest that certgen makes.
fn key_type(certificate: &Certificate) -> KeyType {
    let key = certificate.public_key();
    key.key_type().unwrap_or(match (key.algorithm(), key.bits()) {
        (x509::PublicKeyAlgorithm::Rsa, 3073..) => KeyType::Rsa4096,
        (x509::PublicKeyAlgorithm::Rsa, 2049..) => KeyType::Rsa3072,
        (x509::PublicKeyAlgorithm::Rsa, _) => KeyType::Rsa2048,
        _ => KeyType::EcdsaP256,
    })
}

/// How long the next one lasts: as long as this one, where that fits below its issuer twice. One that lasts as long as its
/// issuer cannot be followed by another like it, and gets the default, which is shortened where need be.
fn validity(certificate: &Certificate, issuer: Option<&Certificate>, now: OffsetDateTime) -> Option<String> {
    let lifetime = certificate.validity().length();
    if let Some(issuer) = issuer
        && now.checked_add(lifetime.checked_mul(2)?)? > issuer.validity().not_after
    {
        return None;
    }
    let seconds = (lifetime + TOLERANCE).whole_seconds();
    let fits = |unit: i64| Duration::seconds(seconds % unit) <= BACKDATED + TOLERANCE + TOLERANCE;
    match (seconds / DAY, seconds / 3_600) {
        (days @ 1.., _) if fits(DAY) && days % 365 == 0 => Some(format!("{}y", days / 365)),
        (days @ 1.., _) if fits(DAY) => Some(format!("{days}d")),
        (_, hours @ 1..) => Some(format!("{hours}h")),
        _ => None,
    }
}
