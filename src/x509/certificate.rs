//! Certificates as they are read (RFC 5280 4.1): owned, plain data, byte for byte.
//!
//! The reader is this room's own. What lint and verify judge - the encoding of a time, a negative serial number, the bytes
//! of a name, an extension that stands there twice - is what general parsers normalise away, and a certificate is read
//! after each signature, so it has to be cheap. `x509-parser` is its judge in the tests.

use std::ops::Range;
use std::sync::Arc;

use super::constraints::NameConstraints;
use super::der::{self, Fault, Reader, tag};
use super::encode::framed;
use super::extension::{self, BasicConstraints, Extension, Parsed};
use super::key_usage::{ExtendedKeyUsage, KeyUsage};
use super::name::DistinguishedName;
use super::pem::{Label, is_der, read_pem, write_pem};
use super::san::GeneralName;
use super::time_text::{TimeEncoding, TimeText};
use super::{AuthorityInfoAccess, PublicKey, SerialNumber, Validity, X509Error};

/// A certificate. What was read of the signed part is shared between copies, which are cheap.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    places: Places,
    read: Arc<Contents>,
}

/// Where the parts stand.
#[derive(Clone)]
struct Places {
    tbs: Range<usize>,
    inner_algorithm: Range<usize>,
    outer_algorithm: Range<usize>,
    signature: Range<usize>,
}

struct Contents {
    /// The dotted identifiers.
    outer_algorithm: String,
    inner_algorithm: String,
    version: u32,
    serial: SerialNumber,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    validity: Validity,
    times: [TimeText; 2],
    public_key: PublicKey,
    unique_identifiers: bool,
    extensions: Vec<Extension>,
    parsed: Parsed,
}

/// More than this is no certificate.
const LARGEST: usize = 1 << 20;

impl Certificate {
    /// Reads one certificate with nothing after it.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        Self::from_owned_der(der.to_vec())
    }

    pub(crate) fn from_owned_der(der: Vec<u8>) -> Result<Self, X509Error> {
        if der.len() > LARGEST {
            return Err(X509Error::Malformed(format!("the certificate is larger than {} KiB", LARGEST / 1024)));
        }
        read(der)
    }

    /// The first certificate of a PEM file.
    pub fn from_pem(pem: &[u8]) -> Result<Self, X509Error> {
        let blocks = read_pem(pem)?;
        match blocks.iter().find(|block| block.label == Label::Certificate) {
            Some(block) => Self::from_der(&block.der),
            None => Err(none_found(pem, blocks.first().map(|block| &block.label))),
        }
    }

    /// All certificates of a file in PEM, or the one of a file in DER.
    pub fn all_from_bytes(bytes: &[u8]) -> Result<Vec<Self>, X509Error> {
        if is_der(bytes) { Self::from_der(bytes).map(|one| vec![one]) } else { Self::all_from_pem(bytes) }
    }

    /// All certificates of a PEM file in its order; at least one.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, X509Error> {
        let blocks = read_pem(pem)?;
        let certificates = blocks.iter().filter(|block| block.label == Label::Certificate);
        let certificates: Vec<Self> = certificates.map(|block| Self::from_der(&block.der)).collect::<Result<_, _>>()?;
        if certificates.is_empty() {
            return Err(none_found(pem, blocks.first().map(|block| &block.label)));
        }
        Ok(certificates)
    }

    /// The certificate's bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        write_pem(&Label::Certificate, &self.der)
    }

    /// 1, 2 or 3.
    pub fn version(&self) -> u32 {
        self.read.version
    }

    /// The serial number.
    pub fn serial(&self) -> &SerialNumber {
        &self.read.serial
    }

    /// Who signed.
    pub fn issuer(&self) -> &DistinguishedName {
        &self.read.issuer
    }

    /// Whose key it is.
    pub fn subject(&self) -> &DistinguishedName {
        &self.read.subject
    }

    /// From when to when.
    pub fn validity(&self) -> &Validity {
        &self.read.validity
    }

    /// How the first second is written.
    pub fn not_before_encoding(&self) -> TimeEncoding {
        self.read.times[0].encoding
    }

    /// How the last second is written.
    pub fn not_after_encoding(&self) -> TimeEncoding {
        self.read.times[1].encoding
    }

    /// One of the times is written with parts of a second; they are cut in [`Self::validity`].
    pub fn has_fractional_seconds(&self) -> bool {
        self.read.times.iter().any(|time| time.fraction)
    }

    /// The subject's key.
    pub fn public_key(&self) -> &PublicKey {
        &self.read.public_key
    }

    /// The dotted identifier of the algorithm outside the signed part.
    pub fn signature_algorithm(&self) -> &str {
        &self.read.outer_algorithm
    }

    /// The dotted identifier of the algorithm inside the signed part.
    pub fn inner_signature_algorithm(&self) -> &str {
        &self.read.inner_algorithm
    }

    /// The AlgorithmIdentifier outside the signed part, as it is encoded.
    pub fn signature_algorithm_der(&self) -> &[u8] {
        &self.der[self.places.outer_algorithm.clone()]
    }

    /// The same certificate with this signature.
    pub(super) fn with_signature(&self, signature: &[u8]) -> Self {
        let der = framed(self.tbs(), self.signature_algorithm_der(), signature);
        let Places { tbs, inner_algorithm, outer_algorithm, .. } = &self.places;
        // The length in front of everything may need another octet now.
        let bits = der::whole_length(signature.len() + 1);
        let start = der.len() - bits - outer_algorithm.len() - tbs.len();
        let moved = |place: &Range<usize>| place.start - tbs.start + start..place.end - tbs.start + start;
        let places = Places {
            tbs: moved(tbs),
            inner_algorithm: moved(inner_algorithm),
            outer_algorithm: moved(outer_algorithm),
            signature: der.len() - signature.len()..der.len(),
        };
        Self { der, places, read: Arc::clone(&self.read) }
    }

    /// Both algorithms agree, parameters included.
    pub fn signature_algorithms_agree(&self) -> bool {
        self.der[self.places.outer_algorithm.clone()] == self.der[self.places.inner_algorithm.clone()]
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.der[self.places.signature.clone()]
    }

    /// What was signed: `tbsCertificate`.
    pub fn tbs(&self) -> &[u8] {
        &self.der[self.places.tbs.clone()]
    }

    /// The unique identifiers of X.509 v2, which RFC 5280 does not want, are present.
    pub fn has_unique_identifiers(&self) -> bool {
        self.read.unique_identifiers
    }

    /// The extensions in their order.
    pub fn extensions(&self) -> &[Extension] {
        &self.read.extensions
    }

    /// The first extension with this dotted identifier.
    pub fn extension(&self, oid: &str) -> Option<&Extension> {
        self.read.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// The subject alternative names.
    pub fn subject_alt_names(&self) -> Option<&[GeneralName]> {
        self.read.parsed.subject_alt_names.as_deref()
    }

    /// The key usage.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.read.parsed.key_usage
    }

    /// The extended key usage.
    pub fn extended_key_usage(&self) -> Option<&[ExtendedKeyUsage]> {
        self.read.parsed.extended_key_usage.as_deref()
    }

    /// The basic constraints.
    pub fn basic_constraints(&self) -> Option<&BasicConstraints> {
        self.read.parsed.basic_constraints.as_ref()
    }

    /// The subject key identifier.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.read.parsed.subject_key_id.as_deref()
    }

    /// The authority key identifier's key identifier.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.read.parsed.authority_key_id.as_deref()
    }

    /// The name constraints.
    pub fn name_constraints(&self) -> Option<&NameConstraints> {
        self.read.parsed.name_constraints.as_ref()
    }

    /// The URIs of the CRL distribution points.
    pub fn crl_distribution_points(&self) -> &[String] {
        &self.read.parsed.crl_distribution_points
    }

    /// Where the issuer's certificate and its OCSP responder are.
    pub fn authority_info_access(&self) -> Option<&AuthorityInfoAccess> {
        self.read.parsed.authority_info_access.as_ref()
    }

    /// The certificate policies, dotted.
    pub fn policies(&self) -> &[String] {
        &self.read.parsed.policies
    }

    /// The basic constraints say that this is an authority.
    pub fn is_ca(&self) -> bool {
        self.basic_constraints().is_some_and(|constraints| constraints.ca)
    }

    /// Issuer and subject are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.read.issuer == self.read.subject
    }

    /// The SHA-256 fingerprint, lower-case hexadecimal.
    pub fn sha256_hex(&self) -> String {
        use std::fmt::Write;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der);
        digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, octet| {
            let _ = write!(hex, "{octet:02x}");
            hex
        })
    }

    /// The issuer's name is `issuer`'s subject and its key made the signature. Whether `issuer` may sign is not asked.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        self.read.issuer == *issuer.subject()
            && self.signature_algorithms_agree()
            && issuer.public_key().verify(self.signature_algorithm(), self.tbs(), self.signature()).is_ok()
    }
}

/// Two certificates are the same if their bytes are.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.read.subject)
            .field("issuer", &self.read.issuer)
            .field("serial", &self.read.serial)
            .finish_non_exhaustive()
    }
}

fn none_found(input: &[u8], first: Option<&Label>) -> X509Error {
    X509Error::Malformed(match first {
        Some(label) => format!("no certificate was found; it holds {}", crate::ui::quote(label.as_str())),
        None if input.first() == Some(&0x30) => {
            "no certificate was found; it looks like DER, which `openssl x509 -inform der` turns into PEM".into()
        }
        None if input.is_empty() => "no certificate was found; it is empty".into(),
        None => "no certificate was found; it has no line -----BEGIN CERTIFICATE-----".into(),
    })
}

/// Says which part of the certificate has the fault.
fn part(name: &'static str) -> impl Fn(Fault) -> X509Error {
    move |fault| X509Error::Malformed(format!("the certificate's {name} {fault}"))
}

fn read(der: Vec<u8>) -> Result<Certificate, X509Error> {
    let whole = |fault| X509Error::Malformed(format!("the certificate {fault}"));
    // Positions are kept instead of slices, because the bytes move into the result.
    let base = der.as_ptr().addr();
    let range = |slice: &[u8]| {
        let start = slice.as_ptr().addr() - base;
        start..start + slice.len()
    };
    let mut outer = Reader::only(&der, tag::SEQUENCE).map_err(whole)?;
    let tbs = outer.element(tag::SEQUENCE).map_err(whole)?;
    let algorithm = |reader: &mut Reader<'_>| -> Result<(String, Range<usize>), Fault> {
        let whole = reader.element(tag::SEQUENCE)?;
        let mut inside = Reader::new(whole.content);
        let oid = inside.oid()?;
        if !inside.is_empty() {
            inside.next()?;
        }
        inside.end()?;
        Ok((oid, range(whole.whole)))
    };
    let (outer_algorithm, outer_place) = algorithm(&mut outer).map_err(part("signature algorithm"))?;
    let signature = outer.octet_bits().map_err(part("signature"))?;
    outer.end().map_err(whole)?;

    let mut body = Reader::new(tbs.content);
    let version = read_version(&mut body)?;
    let serial = body.integer().and_then(SerialNumber::from_der_content).map_err(part("serial number"))?;
    let (inner_algorithm, inner_place) = algorithm(&mut body).map_err(part("signature algorithm"))?;
    let issuer =
        body.element(tag::SEQUENCE).and_then(|name| DistinguishedName::read(name.whole)).map_err(part("issuer"))?;
    let times = read_times(&mut body).map_err(part("validity"))?;
    let subject =
        body.element(tag::SEQUENCE).and_then(|name| DistinguishedName::read(name.whole)).map_err(part("subject"))?;
    let key = body.element(tag::SEQUENCE).map_err(part("public key"))?;
    let public_key = PublicKey::from_spki_der(key.whole)?;
    let mut unique_identifiers = false;
    for number in [1, 2] {
        unique_identifiers |= body.optional(tag::context(number)).map_err(part("unique identifier"))?.is_some();
    }
    let (extensions, parsed) = match body.optional(tag::constructed(3)).map_err(part("list of extensions"))? {
        Some(list) => extension::read(list).map_err(|(name, fault)| part(name)(fault))?,
        None => Default::default(),
    };
    body.end().map_err(part("signed part"))?;

    let places = Places {
        tbs: range(tbs.whole),
        inner_algorithm: inner_place,
        outer_algorithm: outer_place,
        signature: range(signature),
    };
    let read = Contents {
        outer_algorithm,
        inner_algorithm,
        version,
        serial,
        issuer,
        subject,
        validity: Validity::as_read(times[0].time, times[1].time),
        times,
        public_key,
        unique_identifiers,
        extensions,
        parsed,
    };
    Ok(Certificate { places, read: Arc::new(read), der })
}

fn read_version(body: &mut Reader<'_>) -> Result<u32, X509Error> {
    let version = part("version");
    let Some(explicit) = body.optional(tag::constructed(0)).map_err(&version)? else {
        return Ok(1);
    };
    let mut inside = Reader::new(explicit);
    let number = inside.integer().map_err(&version)?;
    inside.end().map_err(&version)?;
    match number {
        [number @ 0..=2] => Ok(u32::from(*number) + 1),
        _ => Err(X509Error::Malformed("the certificate's version is none of 1, 2 and 3".into())),
    }
}

fn read_times(body: &mut Reader<'_>) -> Result<[TimeText; 2], Fault> {
    let mut validity = body.enter(tag::SEQUENCE)?;
    let times = [TimeText::read(validity.next()?)?, TimeText::read(validity.next()?)?];
    validity.end()?;
    Ok(times)
}

#[cfg(test)]
mod tests;
