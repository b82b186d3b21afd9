//! The facts, in the words of RFC 5280. The same struct is printed for people and serialized for scripts, so the two
//! never tell different stories.

use serde::Serialize;
use time::OffsetDateTime;

use super::{Foreign, Thing};
use crate::probe::Sighting;
use crate::x509::{Certificate, Crl, Csr, DistinguishedName, PublicKey, PublicKeyAlgorithm, X509Error};

/// So many entries of a revocation list are shown; the count tells the rest.
pub const REVOKED_SHOWN: usize = 20;

/// What is known about one thing.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the variants are named like those of Thing")]
pub enum Facts {
    Certificate(Box<CertificateFacts>),
    CertificateRequest(Box<RequestFacts>),
    Crl(Box<CrlFacts>),
    PrivateKey(PrivateKeyFacts),
    PublicKey { public_key: PublicKeyFacts },
    Server(Box<ServerFacts>),
    KeyStore(KeyStoreFacts),
    Container { format: &'static str },
    Unreadable { label: String, reason: String },
}

/// A certificate.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields bear the names of RFC 5280")]
pub struct CertificateFacts {
    pub version: u32,
    pub subject: String,
    pub issuer: String,
    pub serial_number: String,
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    pub common_names: Vec<String>,
    pub subject_alt_names: Vec<String>,
    pub key_usage: Option<Vec<&'static str>>,
    pub extended_key_usage: Option<Vec<String>>,
    pub basic_constraints: Option<BasicConstraintsFacts>,
    pub name_constraints: Option<NameConstraintsFacts>,
    pub subject_key_identifier: Option<String>,
    pub authority_key_identifier: Option<String>,
    pub crl_distribution_points: Vec<String>,
    pub certificate_policies: Vec<String>,
    pub critical_extensions: Vec<String>,
    pub signature_algorithm: String,
    /// Subject and issuer are one name, and the certificate's own key made the signature.
    pub self_signed: bool,
    pub public_key: PublicKeyFacts,
    pub fingerprint_sha256: String,
}

/// Who may be an issuer.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields bear the names of RFC 5280")]
pub struct BasicConstraintsFacts {
    pub ca: bool,
    pub path_length: Option<u32>,
}

/// For which names an authority may issue.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields bear the names of RFC 5280")]
pub struct NameConstraintsFacts {
    pub permitted: Vec<String>,
    pub excluded: Vec<String>,
}

/// A certificate request whose own signature is good.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields bear the names of RFC 5280")]
pub struct RequestFacts {
    pub subject: String,
    pub common_names: Vec<String>,
    pub subject_alt_names: Vec<String>,
    /// The request asks for CA:TRUE.
    pub wants_ca: bool,
    pub public_key: PublicKeyFacts,
}

/// A revocation list.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields bear the names of RFC 5280")]
pub struct CrlFacts {
    pub issuer: String,
    #[serde(with = "time::serde::rfc3339")]
    pub this_update: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_update: Option<OffsetDateTime>,
    pub crl_number: Option<String>,
    pub authority_key_identifier: Option<String>,
    /// How many serial numbers are on the list.
    pub revoked_count: usize,
    /// The first [`REVOKED_SHOWN`] of them.
    pub revoked_certificates: Vec<RevokedFacts>,
}

/// An entry of a revocation list.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields bear the names of RFC 5280")]
pub struct RevokedFacts {
    pub serial_number: String,
    #[serde(with = "time::serde::rfc3339")]
    pub revocation_date: OffsetDateTime,
    pub reason_code: Option<String>,
}

/// A private key, without the key.
#[derive(Clone, Debug, Serialize)]
pub struct PrivateKeyFacts {
    /// `PKCS#8`, `SEC 1` or `PKCS#1`.
    pub container: String,
    /// It needs a password.
    pub encrypted: bool,
    /// Its public half; `None` while it is locked.
    pub public_key: Option<PublicKeyFacts>,
}

/// A PKCS#12 container or a Java key store. What is in it are things of their own.
#[derive(Clone, Debug, Serialize)]
pub struct KeyStoreFacts {
    /// `PKCS#12`, `JKS` or `JCEKS`.
    pub format: &'static str,
    /// No password that is known opens it. The certificates of a Java key store can be seen all the same.
    pub locked: bool,
    /// A password that everybody tries opened it: none at all, or `changeit`.
    pub known_password: Option<&'static str>,
    /// What is in it, as far as it can be seen.
    pub entries: Vec<EntryFacts>,
}

/// One entry of a key store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryFacts {
    /// The alias, or friendly name.
    pub alias: Option<String>,
    /// It has a private key; else it is a certificate that is trusted.
    pub private_key: bool,
    /// How many certificates.
    pub certificates: usize,
}

/// A TLS server. The certificates that it serves are things of their own.
#[derive(Clone, Debug, Serialize)]
pub struct ServerFacts {
    /// The address that answered.
    pub address: String,
    /// `TLS 1.3` or `TLS 1.2`.
    pub protocol: &'static str,
    /// It asks for a client certificate.
    pub client_certificate_requested: bool,
    /// The authorities whose client certificates it wants; empty also where it names none.
    pub client_authorities: Vec<String>,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicKeyFacts {
    /// `ECDSA P-256`, `RSA`, `Ed25519`, ...
    pub algorithm: String,
    /// Its size.
    pub bits: u32,
    /// SHA-256 of the SubjectPublicKeyInfo: equal for a key and its certificate.
    pub sha256: String,
}

impl PublicKeyFacts {
    /// The facts about `key`.
    pub fn of(key: &PublicKey) -> Self {
        let algorithm = match key.algorithm() {
            PublicKeyAlgorithm::Ecdsa(curve) => format!("ECDSA {curve}"),
            PublicKeyAlgorithm::Ed25519 => "Ed25519".to_owned(),
            PublicKeyAlgorithm::Ed448 => "Ed448".to_owned(),
            PublicKeyAlgorithm::Rsa => "RSA".to_owned(),
            PublicKeyAlgorithm::RsaPss => "RSA-PSS".to_owned(),
            PublicKeyAlgorithm::Other(oid) => oid.clone(),
        };
        Self { algorithm, bits: key.bits(), sha256: key.sha256_hex() }
    }
}

impl Facts {
    /// Everything worth knowing about `thing`.
    pub fn of(thing: &Thing) -> Self {
        match thing {
            Thing::Certificate(certificate) => Self::Certificate(Box::new(CertificateFacts::of(certificate))),
            Thing::CertificateRequest(csr) => Self::CertificateRequest(Box::new(RequestFacts::of(csr))),
            Thing::Crl(crl) => Self::Crl(Box::new(CrlFacts::of(crl))),
            Thing::PrivateKey(facts) => Self::PrivateKey(facts.clone()),
            Thing::PublicKey(key) => Self::PublicKey { public_key: PublicKeyFacts::of(key) },
            Thing::Server(sighting) => Self::Server(Box::new(ServerFacts::of(sighting))),
            Thing::KeyStore(store) => Self::KeyStore(store.facts.clone()),
            Thing::Foreign(foreign) => Self::Container { format: Foreign::as_str(*foreign) },
            Thing::Unreadable { label, reason } => Self::Unreadable { label: label.clone(), reason: reason.clone() },
        }
    }
}

impl CertificateFacts {
    /// The facts about `certificate`.
    pub fn of(certificate: &Certificate) -> Self {
        let texts = |list: &[crate::x509::GeneralName]| list.iter().map(ToString::to_string).collect();
        Self {
            version: certificate.version(),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial_number: certificate.serial().to_string(),
            not_before: certificate.validity().not_before,
            not_after: certificate.validity().not_after,
            common_names: owned(certificate.subject().common_names()),
            subject_alt_names: certificate.subject_alt_names().map(texts).unwrap_or_default(),
            key_usage: certificate.key_usage().map(|usage| usage.names()),
            extended_key_usage: certificate
                .extended_key_usage()
                .map(|usages| usages.iter().map(ToString::to_string).collect()),
            basic_constraints: certificate
                .basic_constraints()
                .map(|c| BasicConstraintsFacts { ca: c.ca, path_length: c.path_length }),
            name_constraints: certificate.name_constraints().map(|constraints| NameConstraintsFacts {
                permitted: constraints.permitted.iter().map(ToString::to_string).collect(),
                excluded: constraints.excluded.iter().map(ToString::to_string).collect(),
            }),
            subject_key_identifier: certificate.subject_key_id().map(hex),
            authority_key_identifier: certificate.authority_key_id().map(hex),
            crl_distribution_points: certificate.crl_distribution_points().to_vec(),
            certificate_policies: certificate.policies().to_vec(),
            critical_extensions: critical(certificate),
            signature_algorithm: algorithm_name(certificate.signature_algorithm()),
            self_signed: certificate.is_self_issued() && certificate.is_signed_by(certificate),
            public_key: PublicKeyFacts::of(certificate.public_key()),
            fingerprint_sha256: certificate.sha256_hex(),
        }
    }
}

impl ServerFacts {
    /// The facts about a server.
    pub fn of(sighting: &Sighting) -> Self {
        let authorities = sighting.client_authorities.iter().flatten();
        let in_words = |name: &Result<_, _>| match name {
            Ok(name) => DistinguishedName::to_string(name),
            Err(fault) => X509Error::to_string(fault),
        };
        Self {
            address: sighting.address.to_string(),
            protocol: sighting.protocol,
            client_certificate_requested: sighting.client_authorities.is_some(),
            client_authorities: authorities.map(in_words).collect(),
        }
    }
}

impl RequestFacts {
    /// The facts about `csr`.
    pub fn of(csr: &Csr) -> Self {
        Self {
            subject: csr.subject().to_string(),
            common_names: owned(csr.subject().common_names()),
            subject_alt_names: csr.subject_alt_names().iter().map(ToString::to_string).collect(),
            wants_ca: csr.wants_ca(),
            public_key: PublicKeyFacts::of(csr.public_key()),
        }
    }
}

impl CrlFacts {
    /// The facts about `crl`.
    pub fn of(crl: &Crl) -> Self {
        let shown = crl.revoked().take(REVOKED_SHOWN).map(|entry| RevokedFacts {
            serial_number: entry.serial.to_string(),
            revocation_date: entry.revocation_time,
            reason_code: entry.reason.map(|reason| reason.to_string()),
        });
        Self {
            issuer: crl.issuer().to_string(),
            this_update: crl.this_update(),
            next_update: crl.next_update(),
            crl_number: crl.number().map(|number| number.to_string()),
            authority_key_identifier: crl.authority_key_id().map(hex),
            revoked_certificates: shown.collect(),
            revoked_count: crl.len(),
        }
    }
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn critical(certificate: &Certificate) -> Vec<String> {
    let critical = certificate.extensions().iter().filter(|extension| extension.critical);
    critical.map(|extension| extension_name(&extension.oid)).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The standard's name of an extension, or its object identifier.
fn extension_name(dotted: &str) -> String {
    let name = match dotted {
        "2.5.29.14" => "subjectKeyIdentifier",
        "2.5.29.15" => "keyUsage",
        "2.5.29.17" => "subjectAltName",
        "2.5.29.19" => "basicConstraints",
        "2.5.29.30" => "nameConstraints",
        "2.5.29.31" => "cRLDistributionPoints",
        "2.5.29.32" => "certificatePolicies",
        "2.5.29.35" => "authorityKeyIdentifier",
        "2.5.29.36" => "policyConstraints",
        "2.5.29.37" => "extKeyUsage",
        "1.3.6.1.5.5.7.1.1" => "authorityInfoAccess",
        other => other,
    };
    name.to_owned()
}

/// The usual name of a signature algorithm, or its object identifier.
fn algorithm_name(dotted: &str) -> String {
    let name = match dotted {
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        other => other,
    };
    name.to_owned()
}
