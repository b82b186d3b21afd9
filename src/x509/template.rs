//! Certificates before they exist: from a template to the bytes to be signed, and from those to a certificate.
//!
//! rcgen encodes the frame and the extensions, with nothing left to its defaults: serial number, validity, key
//! identifiers and basic constraints are always given. It signs with a key that does nothing; then the names and the
//! public key, which it cannot hold byte for byte, are put in (see [`super::Shape`]), and what results is signed.
//! Building and signing are two steps so that lint can look at exactly the bytes that will be signed, before the
//! authority's key touches them.

use std::sync::{Arc, OnceLock};

use x509_parser::prelude::{FromDer, X509Certificate};

use super::der::{self, tag};
use super::encode::{self, NullKey, oid};
use super::{
    BasicConstraints, Certificate, DistinguishedName, ExtendedKeyUsage, GeneralName, KeyType, KeyUsage,
    NameConstraints, PrivateKey, PublicKey, SerialNumber, Validity, X509Error,
};

/// Everything that goes into a certificate, apart from what comes from its issuer.
#[derive(Clone, Debug)]
pub struct CertificateTemplate {
    /// The subject; if it is empty, the subject alternative names are critical.
    pub subject: DistinguishedName,
    /// The subject alternative names, in this order.
    pub subject_alt_names: Vec<GeneralName>,
    /// From when until when.
    pub validity: Validity,
    /// The serial number, never repeated by the same issuer.
    pub serial: SerialNumber,
    /// The key usage, critical.
    pub key_usage: KeyUsage,
    /// The purposes; none for an authority.
    pub extended_key_usage: Vec<ExtendedKeyUsage>,
    /// Whether it is an authority and how deep; always written, critical.
    pub basic_constraints: BasicConstraints,
    /// Which names an authority may sign for.
    pub name_constraints: Option<NameConstraints>,
    /// Where the issuer's revocation list is: all of them the same list.
    pub crl_distribution_points: Vec<String>,
    /// Where the issuer's certificate and its OCSP responder are.
    pub authority_info_access: AuthorityInfoAccess,
    /// Certificate policies, as dotted object identifiers.
    pub policies: Vec<String>,
    /// The subject's key.
    pub public_key: PublicKey,
}

/// Where to ask about the issuer (RFC 5280 section 4.2.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorityInfoAccess {
    /// URLs of the issuer's certificate.
    pub ca_issuers: Vec<String>,
    /// URLs of its OCSP responder.
    pub ocsp: Vec<String>,
}

/// Who signs: a key and its certificate, with what every signature needs of them taken out once.
pub struct Signer<'a> {
    key: &'a PrivateKey,
    name: Option<&'a DistinguishedName>,
    key_identifier: Vec<u8>,
    may_sign_crls: bool,
    issuer: rcgen::Issuer<'static, NullKey>,
}

impl<'a> Signer<'a> {
    /// Signs its own certificate: the issuer is the template's subject.
    pub fn self_signed(key: &'a PrivateKey) -> Self {
        Self::with(key, None, key.public_key().key_identifier().to_vec())
    }

    /// Signs for the authority with this certificate, which must be the key's. The certificate's subject and key
    /// identifier are taken byte for byte; one without a key identifier has it computed.
    pub fn authority(key: &'a PrivateKey, certificate: &'a Certificate) -> Result<Self, X509Error> {
        if certificate.public_key() != key.public_key() {
            return Err(X509Error::Invalid("the private key does not belong to the authority's certificate".into()));
        }
        let key_identifier =
            certificate.subject_key_id().map_or_else(|| key.public_key().key_identifier().to_vec(), <[u8]>::to_vec);
        let may_sign_crls = certificate.key_usage().is_none_or(|usage| usage.contains(KeyUsage::CRL_SIGN));
        Ok(Self { may_sign_crls, ..Self::with(key, Some(certificate.subject()), key_identifier) })
    }

    fn with(key: &'a PrivateKey, name: Option<&'a DistinguishedName>, key_identifier: Vec<u8>) -> Self {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(key_identifier.clone());
        let issuer = rcgen::Issuer::new(parameters, NullKey::of(key.key_type()));
        Self { key, name, key_identifier, may_sign_crls: false, issuer }
    }

    pub(super) fn key(&self) -> &'a PrivateKey {
        self.key
    }

    /// The name of the authority; a revocation list needs one.
    pub(super) fn name(&self) -> Option<&'a DistinguishedName> {
        self.name
    }

    pub(super) fn key_identifier(&self) -> &[u8] {
        &self.key_identifier
    }

    /// RFC 5280 section 4.2.1.3: a certificate with key usage needs cRLSign for it.
    pub(super) fn may_sign_crls(&self) -> bool {
        self.may_sign_crls
    }

    pub(super) fn rcgen_issuer(&self) -> &rcgen::Issuer<'static, NullKey> {
        &self.issuer
    }
}

impl CertificateTemplate {
    /// The bytes that a signature of `signer` will cover.
    pub fn to_be_signed(&self, signer: &Signer<'_>) -> Result<ToBeSigned, X509Error> {
        if signer.name.is_none() && self.public_key != *signer.key.public_key() {
            return Err(X509Error::Invalid("a certificate that signs itself must carry the signer's key".into()));
        }
        self.shape_of_one(signer)?.to_be_signed(&self.particulars(), None)
    }

    /// With stand-ins for the [`super::Particulars`] and the issuer's name.
    pub(super) fn parameters(&self) -> Result<rcgen::CertificateParams, X509Error> {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.not_before = self.validity.not_before;
        parameters.not_after = self.validity.not_after;
        parameters.serial_number = Some(rcgen::SerialNumber::from_slice(&[1]));
        parameters.distinguished_name = encode::stand_in(&self.subject);
        if !self.subject_alt_names.is_empty() {
            parameters.subject_alt_names = vec![rcgen::SanType::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into())];
        }
        parameters.key_usages = encode::key_usages(self.key_usage);
        parameters.extended_key_usages = encode::purposes(&self.extended_key_usage)?;
        parameters.is_ca = self.rcgen_is_ca()?;
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![0]);
        if !self.crl_distribution_points.is_empty() {
            let uris = self.crl_distribution_points.iter().map(|uri| checked_uri(uri).map(str::to_owned));
            let uris = uris.collect::<Result<_, _>>()?;
            parameters.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris }];
        }
        parameters.custom_extensions = self.own_extensions()?;
        Ok(parameters)
    }

    fn rcgen_is_ca(&self) -> Result<rcgen::IsCa, X509Error> {
        let constraints = &self.basic_constraints;
        let limit = constraints.path_length.map(u8::try_from).transpose();
        let limit = limit.map_err(|_| X509Error::Invalid("a path length is at most 255".into()))?;
        match (constraints.ca, limit) {
            (true, None) => Ok(rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
            (true, Some(limit)) => Ok(rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(limit))),
            (false, None) => Ok(rcgen::IsCa::ExplicitNoCa),
            (false, Some(_)) => Err(X509Error::Invalid("only an authority has a path length".into())),
        }
    }

    /// The extensions that rcgen cannot express, or not completely.
    fn own_extensions(&self) -> Result<Vec<rcgen::CustomExtension>, X509Error> {
        let mut extensions = Vec::new();
        if let Some(constraints) = self.name_constraints.as_ref().filter(|constraints| !constraints.is_empty()) {
            let value = constraints.to_der().ok_or_else(|| {
                X509Error::Unsupported("a name constraint of this kind can be read but not written".into())
            })?;
            extensions.push(own_extension(&[2, 5, 29, 30], true, value));
        }
        if let Some(value) = self.authority_info_access.to_der()? {
            extensions.push(own_extension(&[1, 3, 6, 1, 5, 5, 7, 1, 1], false, value));
        }
        if !self.policies.is_empty() {
            let mut content = Vec::new();
            for policy in &self.policies {
                der::write(&mut content, tag::SEQUENCE, &oid(policy)?);
            }
            extensions.push(own_extension(&[2, 5, 29, 32], false, der::element(tag::SEQUENCE, &content)));
        }
        Ok(extensions)
    }
}

impl AuthorityInfoAccess {
    /// Nothing to say: the extension is not written.
    pub fn is_empty(&self) -> bool {
        self.ca_issuers.is_empty() && self.ocsp.is_empty()
    }

    fn to_der(&self) -> Result<Option<Vec<u8>>, X509Error> {
        if self.is_empty() {
            return Ok(None);
        }
        let ocsp = self.ocsp.iter().map(|uri| ("1.3.6.1.5.5.7.48.1", uri));
        let ca_issuers = self.ca_issuers.iter().map(|uri| ("1.3.6.1.5.5.7.48.2", uri));
        let mut content = Vec::new();
        for (method, uri) in ocsp.chain(ca_issuers) {
            let mut access = oid(method)?;
            der::write(&mut access, tag::context(6), checked_uri(uri)?.as_bytes());
            der::write(&mut content, tag::SEQUENCE, &access);
        }
        Ok(Some(der::element(tag::SEQUENCE, &content)))
    }
}

/// The TBSCertificate, and who is to sign it.
#[derive(Clone)]
pub struct ToBeSigned {
    unsigned: Certificate,
    key_type: KeyType,
    signer: Arc<PublicKey>,
}

impl ToBeSigned {
    /// `unsigned` is a certificate with an empty signature. It is read here, so that what is linted and what is signed are
    /// one.
    pub(super) fn of(
        unsigned: Vec<u8>,
        beside: Option<&Certificate>,
        key_type: KeyType,
        signer: Arc<PublicKey>,
    ) -> Result<Self, X509Error> {
        let unsigned = Certificate::from_owned_der(unsigned, beside)?;
        Ok(Self { unsigned, key_type, signer })
    }

    /// The TBSCertificate.
    pub fn der(&self) -> &[u8] {
        self.unsigned.tbs()
    }

    /// The certificate that it will be, with an empty signature: for lint to look at.
    pub fn unsigned(&self) -> &Certificate {
        &self.unsigned
    }

    /// Signs with the authority's key.
    pub fn sign(&self, key: &PrivateKey) -> Result<Certificate, X509Error> {
        if *key.public_key() != *self.signer {
            return Err(X509Error::Invalid("this is not the key that the certificate was prepared for".into()));
        }
        Ok(self.unsigned.with_signature(&key.sign(self.der())?))
    }

    /// Signs the same bytes with a key that nobody trusts and that ends with the process, for lint to look at. A reader
    /// that shares no code with ours must understand the result too, or no lint could be believed.
    pub fn sign_with_throwaway(&self) -> Result<Certificate, X509Error> {
        let certificate = self.unsigned.with_signature(&throwaway(self.key_type)?.sign(self.der())?);
        read_elsewhere(&certificate)?;
        Ok(certificate)
    }
}

/// Compares what x509-parser reads with what we do.
fn read_elsewhere(certificate: &Certificate) -> Result<(), X509Error> {
    let differs =
        |what: &str| X509Error::Malformed(format!("two readers of X.509 disagree about the certificate: {what}"));
    let (rest, theirs) =
        X509Certificate::from_der(certificate.der()).map_err(|e| differs(&format!("one cannot read it, {e}")))?;
    let ca = theirs.basic_constraints().map_err(|_| differs("basicConstraints"))?.is_some_and(|b| b.value.ca);
    match () {
        () if !rest.is_empty() => Err(differs("its length")),
        () if theirs.raw_serial() != certificate.serial().as_bytes() => Err(differs("serialNumber")),
        () if theirs.subject().as_raw() != certificate.subject().der() => Err(differs("subject")),
        () if theirs.issuer().as_raw() != certificate.issuer().der() => Err(differs("issuer")),
        () if theirs.public_key().raw != certificate.public_key().spki_der() => Err(differs("subjectPublicKeyInfo")),
        () if theirs.extensions().len() != certificate.extensions().len() => Err(differs("extensions")),
        () if ca != certificate.is_ca() => Err(differs("basicConstraints")),
        () => Ok(()),
    }
}

fn throwaway(key_type: KeyType) -> Result<&'static PrivateKey, X509Error> {
    static KEYS: [OnceLock<PrivateKey>; 5] = [const { OnceLock::new() }; 5];
    let (slot, key_type) = match key_type {
        KeyType::EcdsaP256 => (&KEYS[0], key_type),
        KeyType::EcdsaP384 => (&KEYS[1], key_type),
        KeyType::EcdsaP521 => (&KEYS[2], key_type),
        KeyType::Ed25519 => (&KEYS[3], key_type),
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => (&KEYS[4], KeyType::Rsa2048),
    };
    if let Some(key) = slot.get() {
        return Ok(key);
    }
    let key = PrivateKey::generate(key_type)?;
    Ok(slot.get_or_init(|| key))
}

fn own_extension(oid: &[u64], critical: bool, value: Vec<u8>) -> rcgen::CustomExtension {
    let mut extension = rcgen::CustomExtension::from_oid_content(oid, value);
    extension.set_criticality(critical);
    extension
}

/// The encoder takes any text for an IA5String, so what is no URI stops here.
fn checked_uri(uri: &str) -> Result<&str, X509Error> {
    match super::uri::uri_fault(uri) {
        None => Ok(uri),
        Some(fault) => Err(X509Error::Invalid(format!("{} is not a URI: {fault}", crate::ui::quote(uri)))),
    }
}

#[cfg(test)]
mod tests;
