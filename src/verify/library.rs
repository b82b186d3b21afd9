//! The second opinion: rustls-webpki, asked the same question. It does not say which certificate failed and does not look
//! at the anchor itself, so it decides nothing that the walk has already decided; it can only say no where the walk said
//! yes.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, BorrowedCertRevocationList, CertRevocationList, EndEntityCert, Error, ExpirationPolicy,
    ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder,
    UnknownStatusPolicy, anchor_from_trusted_cert,
};

use super::name_constraints::Constraints;
use super::path::MOST_UNTRUSTED;
use super::{PeerName, Purpose, Question};
use crate::x509::{Certificate, oid};

/// What webpki says; the reason in words when it refuses.
pub(super) struct Opinion {
    error: Error,
}

impl Opinion {
    /// The refusal as a sentence, without a full stop.
    pub(super) fn reason(&self) -> String {
        in_words(&self.error)
    }

    /// Why this refusal is a gap in webpki and not a fault of `path`, which the walk found good: features that it
    /// documents as missing and rejects unseen.
    pub(super) fn known_gap(&self, path: &[&Certificate]) -> Option<&'static str> {
        let authorities = path.get(1..).unwrap_or_default();
        let self_issued_between = path.len() > 2 && path[1..path.len() - 1].iter().any(|c| c.is_self_issued());
        match self.error {
            Error::NameConstraintViolation if authorities.iter().any(|c| beyond_webpki(c)) => {
                Some("rustls does not compare name constraints of this form and refuses every one")
            }
            Error::NameConstraintViolation if self_issued_between => {
                Some("rustls applies name constraints to self-issued authorities too")
            }
            Error::PathLenConstraintViolated if self_issued_between => {
                Some("rustls counts self-issued authorities too")
            }
            // The walk has checked each signature of the path; webpki reports the most telling of its failed attempts, and
            // with several authorities of one name that is a signature which no path needs.
            Error::InvalidSignatureForPublicKey if self_issued_between => {
                Some("rustls treats self-issued authorities as any other and found no path")
            }
            Error::MaximumPathDepthExceeded => Some("rustls follows at most six intermediates"),
            _ => None,
        }
    }
}

/// Asks webpki about the path that the walk chose. `None`: it accepts. When it does not like that path it may look for
/// another one among all certificates, as it would in a handshake.
pub(super) fn ask(question: &Question<'_>, path: &[&Certificate]) -> Option<Opinion> {
    let (last, between) = match path {
        [] => return None,
        [leaf] => (*leaf, &[][..]),
        [_, between @ .., last] => (*last, between),
    };
    let purposes: &[Usage] = match question.purpose.unwrap_or(Purpose::Any) {
        Purpose::Server => &[Usage::Server],
        Purpose::Client => &[Usage::Client],
        Purpose::Node => &[Usage::Server, Usage::Client],
        Purpose::Any => &[Usage::Any],
    };
    purposes.iter().find_map(|usage| {
        let error = verify(question, *usage, &[last], between).err()?;
        let anchors: Vec<_> = question.anchors.iter().collect();
        let untrusted: Vec<_> = question.untrusted.iter().take(MOST_UNTRUSTED).collect();
        verify(question, *usage, &anchors, &untrusted).is_err().then_some(Opinion { error })
    })
}

fn verify(
    question: &Question<'_>,
    usage: Usage,
    anchors: &[&Certificate],
    untrusted: &[&Certificate],
) -> Result<(), Error> {
    let leaf = CertificateDer::from(question.leaf.der());
    let leaf = EndEntityCert::try_from(&leaf)?;
    let anchors: Vec<CertificateDer<'_>> = anchors.iter().map(|c| CertificateDer::from(c.der())).collect();
    let anchors: Vec<TrustAnchor<'_>> = anchors.iter().filter_map(|c| anchor_from_trusted_cert(c).ok()).collect();
    let untrusted: Vec<CertificateDer<'_>> = untrusted.iter().map(|c| CertificateDer::from(c.der())).collect();
    // A list that webpki cannot read (a delta, an indirect one) is left to the walk.
    let lists: Vec<CertRevocationList<'_>> = question
        .crls
        .iter()
        .filter_map(|crl| BorrowedCertRevocationList::from_der(crl.der()).ok())
        .map(CertRevocationList::from)
        .collect();
    let lists: Vec<&CertRevocationList<'_>> = lists.iter().collect();
    let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
        options
            .with_depth(RevocationCheckDepth::Chain)
            .with_status_policy(UnknownStatusPolicy::Allow)
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .build()
    });
    let seconds = u64::try_from(question.time.unix_timestamp()).unwrap_or(0);
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &untrusted, time, usage, revocation, None)?;
    match server_name(question.name.as_ref()) {
        Some(name) => leaf.verify_is_valid_for_subject_name(&name),
        None => Ok(()),
    }
}

/// The kinds of names that webpki compares.
fn server_name(name: Option<&PeerName>) -> Option<ServerName<'static>> {
    match name? {
        PeerName::Dns(host) => ServerName::try_from(host.clone()).ok(),
        PeerName::Ip(address) => Some(ServerName::IpAddress((*address).into())),
        _ => None,
    }
}

#[derive(Clone, Copy)]
enum Usage {
    Server,
    Client,
    Any,
}

impl ExtendedKeyUsageValidator for Usage {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        match self {
            Self::Server => KeyUsage::server_auth().validate(usages),
            Self::Client => KeyUsage::client_auth().validate(usages),
            Self::Any => Ok(()),
        }
    }
}

fn beyond_webpki(certificate: &Certificate) -> bool {
    let extension = certificate.extension(oid::NAME_CONSTRAINTS);
    extension.and_then(|e| Constraints::read(&e.value)).is_some_and(|constraints| constraints.is_beyond_webpki())
}

/// webpki's errors for people.
fn in_words(error: &Error) -> String {
    let text = match error {
        Error::BadDer | Error::TrailingData(_) => "the encoding (DER) of a certificate is broken",
        Error::BadDerTime => "a date is before 1970, or not encoded as RFC 5280 demands",
        Error::CaUsedAsEndEntity => "an authority is used as an end entity",
        Error::EndEntityUsedAsCa => "an end entity is used as an issuer",
        Error::CertNotValidForName(_) => "the certificate is not for this name",
        Error::CertExpired { .. } => "a certificate has expired",
        Error::CertNotValidYet { .. } => "a certificate is not valid yet",
        Error::InvalidCertValidity => "a certificate ends before it begins",
        Error::CertRevoked => "a certificate is revoked",
        Error::CrlExpired { .. } => "a revocation list is stale",
        Error::UnknownRevocationStatus => "no revocation list covers a certificate",
        Error::InvalidCrlSignatureForPublicKey => "the signature of a revocation list is wrong",
        Error::IssuerNotCrlSigner => "the issuer may not sign revocation lists",
        Error::EmptyEkuExtension => "an extended key usage is empty",
        Error::RequiredEkuNotFoundContext(_) => "an extended key usage does not allow this purpose",
        Error::ExtensionValueInvalid | Error::MalformedExtensions => "an extension is malformed",
        Error::InvalidNetworkMaskConstraint => "a name constraint for addresses has a bad mask",
        Error::InvalidSerialNumber => "a serial number is negative or too long",
        Error::InvalidSignatureForPublicKey => "a signature is wrong",
        Error::MalformedDnsIdentifier => "a DNS name is malformed",
        Error::MalformedNameConstraint => "a name constraint is malformed",
        Error::NameConstraintViolation => "a name is outside the name constraints",
        Error::PathLenConstraintViolated => "a path length is exceeded",
        Error::MaximumPathDepthExceeded => "the chain is too long",
        Error::MaximumSignatureChecksExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => "the certificates are too many to try every chain",
        Error::SignatureAlgorithmMismatch => "the signature algorithm inside and outside the signed part differ",
        Error::UnknownIssuer => "no trust anchor issued the chain",
        Error::UnsupportedCertVersion => "a certificate is not of version 3",
        Error::UnsupportedCriticalExtension => "a critical extension is unknown",
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "a signature algorithm or key is too weak or unknown"
        }
        other => return format!("{other:?}"),
    };
    text.to_owned()
}
