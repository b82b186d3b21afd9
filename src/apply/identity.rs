//! One identity in the making: its key and certificate, the files of its directory, and what the inventory remembers of it.
//!
//! Nothing here looks at the PKI around it, so that every thread of a bulk run can do it.

use std::path::Path;

use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::apply::keys::KeySource;
use crate::apply::{DateNote, Dates, request};
use crate::error::{Context, Result};
use crate::issuer::{Issued, Issuer, LocalIssuer};
use crate::manifest::Entry;
use crate::store::{Event, Location, OutputFile, layout};
use crate::ui;
use crate::x509::{Certificate, PrivateKey};

/// What was made.
pub(super) struct Made {
    pub(super) issued: Issued,
    /// The key as its file will hold it; none where it stays elsewhere.
    pub(super) key_pem: Option<Zeroizing<Vec<u8>>>,
    pub(super) notes: Vec<DateNote>,
}

/// Makes the key, where it is not given, and the certificate. With a `password` the key's file is encrypted.
///
/// # Errors
/// The dates do not fit, our lints refuse it, or the key cannot be encrypted.
pub(super) fn make(
    entry: &Entry,
    key: KeySource,
    issuer: &LocalIssuer,
    dates: Dates,
    password: Option<&[u8]>,
    now: OffsetDateTime,
) -> Result<Made> {
    let (public_key, private, csr) = match key {
        KeySource::Generate(kind) => {
            let key = PrivateKey::generate(kind)?;
            (key.public_key().clone(), Some(key), None)
        }
        KeySource::Reuse(key) => (key.public_key().clone(), Some(*key), None),
        KeySource::Request(csr) => (csr.public_key().clone(), None, Some(*csr)),
    };
    let (prepared, notes) = request::end_entity(entry, public_key, csr, issuer.certificate(), dates, now)?;
    let issued = issuer.issue(&prepared).context(|| format!("issuing {} {}", entry.role, ui::quote(&entry.name)))?;
    let key_pem = match (private, password) {
        (None, _) => None,
        (Some(key), None) => Some(Zeroizing::new(key.to_pem().as_bytes().to_vec())),
        (Some(key), Some(password)) => Some(Zeroizing::new(key.to_encrypted_pem(password)?.as_bytes().to_vec())),
    };
    Ok(Made { issued, key_pem, notes })
}

/// The leaf, then the intermediates.
pub(super) fn chain(issued: &Issued) -> String {
    let mut chain = issued.certificate.pem();
    chain.extend(issued.chain.iter().map(Certificate::pem));
    chain
}

/// A file of an identity's directory, and the pieces that it consists of.
pub(super) struct Part<'a> {
    pub(super) name: &'a Path,
    pub(super) mode: u32,
    pub(super) pieces: [&'a [u8]; 2],
}

impl<'a> From<&'a OutputFile> for Part<'a> {
    fn from(file: &'a OutputFile) -> Self {
        Self { name: &file.path, mode: file.mode, pieces: [file.bytes.as_slice(), &[]] }
    }
}

/// The files of a complete identity directory: mount or copy it as it stands.
pub(super) fn parts<'a>(
    entry: &Entry,
    chain: &'a str,
    key_pem: Option<&'a Zeroizing<Vec<u8>>>,
    bundles: &'a [(&'static str, Vec<u8>)],
) -> Vec<Part<'a>> {
    let part = |name: &'static str, mode, pieces| Part { name: Path::new(name), mode, pieces };
    let public = |name, bytes: &'a [u8]| part(name, layout::PUBLIC_FILE, [bytes, &[]]);
    let mut parts: Vec<_> = bundles.iter().map(|(name, bytes)| public(name, bytes)).collect();
    parts.push(public(entry.role.certificate_file(), chain.as_bytes()));
    if let Some(key_pem) = key_pem {
        parts.push(part(entry.role.key_file(), entry.key_mode, [key_pem.as_slice(), &[]]));
        // RabbitMQ's order: certificate, then key. The broker names this file twice, so one rename swaps the pair.
        let combined = |name| part(name, entry.key_mode, [chain.as_bytes(), key_pem.as_slice()]);
        parts.extend(entry.role.combined_file().map(combined));
    }
    parts
}

/// The same, to be written one by one.
pub(super) fn files(
    entry: &Entry,
    issued: &Issued,
    key_pem: Option<&Zeroizing<Vec<u8>>>,
    bundles: &[(&'static str, Vec<u8>)],
) -> Vec<OutputFile> {
    let file = |part: Part<'_>| OutputFile::public(part.name, part.pieces.concat()).with_mode(part.mode);
    parts(entry, &chain(issued), key_pem, bundles).into_iter().map(file).collect()
}

/// Writes into an event what a certificate says.
pub(super) fn describe(event: &mut Event, certificate: &Certificate, issuer: &str, location: Location, managed: bool) {
    let validity = certificate.validity();
    event.serial = Some(certificate.serial().to_string());
    event.key = Some(certificate.public_key().sha256_hex());
    event.certificate = Some(certificate.sha256_hex());
    event.issuer = Some(issuer.to_owned());
    event.not_before = Some(validity.not_before.into());
    event.not_after = Some(validity.not_after.into());
    event.subject = Some(certificate.subject().to_string());
    event.san = certificate.subject_alt_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    event.key_type = certificate.public_key().key_type().map(|t| t.to_string());
    event.location = Some(location);
    event.managed = (!managed).then_some(false);
}
