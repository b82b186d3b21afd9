//! Certificates as they are read (RFC 5280 4.1): owned, plain data, byte for byte.
//!
//! The reader is this room's own. What lint and verify judge - the encoding of a time, a negative serial number, the bytes
//! of a name, an extension that stands there twice - is what general parsers normalise away, and a certificate is read
//! after each signature, so it has to be cheap. `x509-parser` is its judge in the tests.
//!
//! What the certificates of a fleet have in common is their [`Frame`]. One that is read beside another of its fleet shares
//! it: the bytes are compared, and only what differs is read.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::constraints::NameConstraints;
use super::der::{self, Element, Fault, Reader, tag};
use super::encode::framed;
use super::extension::{self, BasicConstraints, Extension, Known};
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
    version: Option<Range<usize>>,
    inner_algorithm: Range<usize>,
    /// From the algorithm to the validity, the issuer's name among it.
    issuer: Range<usize>,
    outer_algorithm: Range<usize>,
    /// The list of extensions; empty if there is none.
    extensions: Range<usize>,
    signature: Range<usize>,
}

struct Contents {
    frame: Arc<Frame>,
    serial: SerialNumber,
    subject: DistinguishedName,
    public_key: PublicKey,
    subject_alt_names: Option<Vec<GeneralName>>,
    subject_key_id: Option<Vec<u8>>,
    /// Known at once for a certificate that was read alone; for others when somebody asks.
    extensions: OnceLock<Vec<Extension>>,
}

/// All but the serial number, the subject, the key, its identifier and the alternative names.
struct Frame {
    /// The dotted identifiers.
    outer_algorithm: Cow<'static, str>,
    inner_algorithm: Cow<'static, str>,
    version: u32,
    issuer: DistinguishedName,
    validity: Validity,
    times: [TimeText; 2],
    unique_identifiers: bool,
    known: Known,
}

/// More than this is no certificate.
const LARGEST: usize = 1 << 20;

impl Certificate {
    /// Reads one certificate with nothing after it.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        Self::from_owned_der(der.to_vec(), None)
    }

    /// The same for bytes that may be kept. What they have in common with `beside` is not read again, only compared;
    /// then both share their frame. The result is the same with any other certificate or none.
    pub(crate) fn from_owned_der(der: Vec<u8>, beside: Option<&Self>) -> Result<Self, X509Error> {
        if der.len() > LARGEST {
            return Err(X509Error::Malformed(format!("the certificate is larger than {} KiB", LARGEST / 1024)));
        }
        read(der, beside)
    }

    /// One was read beside the other and differs from it in serial number, subject, key, key identifier and alternative
    /// names alone. Whether there are a subject, names and an identifier, and the kind of the key, is the same too.
    pub(crate) fn shares_frame_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.read.frame, &other.read.frame)
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
        self.read.frame.version
    }

    /// The serial number.
    pub fn serial(&self) -> &SerialNumber {
        &self.read.serial
    }

    /// Who signed.
    pub fn issuer(&self) -> &DistinguishedName {
        &self.read.frame.issuer
    }

    /// Whose key it is.
    pub fn subject(&self) -> &DistinguishedName {
        &self.read.subject
    }

    /// From when to when.
    pub fn validity(&self) -> &Validity {
        &self.read.frame.validity
    }

    /// How the first second is written.
    pub fn not_before_encoding(&self) -> TimeEncoding {
        self.read.frame.times[0].encoding
    }

    /// How the last second is written.
    pub fn not_after_encoding(&self) -> TimeEncoding {
        self.read.frame.times[1].encoding
    }

    /// One of the times is written with parts of a second; they are cut in [`Self::validity`].
    pub fn has_fractional_seconds(&self) -> bool {
        self.read.frame.times.iter().any(|time| time.fraction)
    }

    /// The subject's key.
    pub fn public_key(&self) -> &PublicKey {
        &self.read.public_key
    }

    /// The dotted identifier of the algorithm outside the signed part.
    pub fn signature_algorithm(&self) -> &str {
        &self.read.frame.outer_algorithm
    }

    /// The dotted identifier of the algorithm inside the signed part.
    pub fn inner_signature_algorithm(&self) -> &str {
        &self.read.frame.inner_algorithm
    }

    /// The AlgorithmIdentifier outside the signed part, as it is encoded.
    pub fn signature_algorithm_der(&self) -> &[u8] {
        &self.der[self.places.outer_algorithm.clone()]
    }

    /// The same certificate with this signature.
    pub(super) fn with_signature(&self, signature: &[u8]) -> Self {
        let der = framed(self.tbs(), self.signature_algorithm_der(), signature);
        let Places { tbs, version, inner_algorithm, issuer, outer_algorithm, extensions, .. } = &self.places;
        // The length in front of everything may need another octet now.
        let bits = der::whole_length(signature.len() + 1);
        let start = der.len() - bits - outer_algorithm.len() - tbs.len();
        let moved = |place: &Range<usize>| place.start - tbs.start + start..place.end - tbs.start + start;
        let places = Places {
            tbs: moved(tbs),
            version: version.as_ref().map(moved),
            inner_algorithm: moved(inner_algorithm),
            issuer: moved(issuer),
            outer_algorithm: moved(outer_algorithm),
            extensions: moved(extensions),
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
        self.read.frame.unique_identifiers
    }

    /// The extensions in their order.
    pub fn extensions(&self) -> &[Extension] {
        self.read.extensions.get_or_init(|| {
            extension::list(&self.der[self.places.extensions.clone()])
                .expect("each extension was found to be as in a list that was read")
        })
    }

    /// The first extension with this dotted identifier.
    pub fn extension(&self, oid: &str) -> Option<&Extension> {
        self.extensions().iter().find(|extension| extension.oid == oid)
    }

    /// The subject alternative names.
    pub fn subject_alt_names(&self) -> Option<&[GeneralName]> {
        self.read.subject_alt_names.as_deref()
    }

    /// The key usage.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.read.frame.known.key_usage
    }

    /// The extended key usage.
    pub fn extended_key_usage(&self) -> Option<&[ExtendedKeyUsage]> {
        self.read.frame.known.extended_key_usage.as_deref()
    }

    /// The basic constraints.
    pub fn basic_constraints(&self) -> Option<&BasicConstraints> {
        self.read.frame.known.basic_constraints.as_ref()
    }

    /// The subject key identifier.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.read.subject_key_id.as_deref()
    }

    /// The authority key identifier's key identifier.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.read.frame.known.authority_key_id.as_deref()
    }

    /// The name constraints.
    pub fn name_constraints(&self) -> Option<&NameConstraints> {
        self.read.frame.known.name_constraints.as_ref()
    }

    /// The URIs of the CRL distribution points.
    pub fn crl_distribution_points(&self) -> &[String] {
        &self.read.frame.known.crl_distribution_points
    }

    /// Where the issuer's certificate and its OCSP responder are.
    pub fn authority_info_access(&self) -> Option<&AuthorityInfoAccess> {
        self.read.frame.known.authority_info_access.as_ref()
    }

    /// The certificate policies, dotted.
    pub fn policies(&self) -> &[String] {
        &self.read.frame.known.policies
    }

    /// The basic constraints say that this is an authority.
    pub fn is_ca(&self) -> bool {
        self.basic_constraints().is_some_and(|constraints| constraints.ca)
    }

    /// Issuer and subject are the same name.
    pub fn is_self_issued(&self) -> bool {
        *self.issuer() == *self.subject()
    }

    /// The SHA-256 fingerprint, lower-case hexadecimal.
    pub fn sha256_hex(&self) -> String {
        super::sha256_hex(&self.der)
    }

    /// The issuer's name is `issuer`'s subject and its key made the signature. Whether `issuer` may sign is not asked.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        *self.issuer() == *issuer.subject()
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
            .field("issuer", &self.read.frame.issuer)
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

/// Where everything stands, before any of it is understood.
struct Fields<'a> {
    tbs: Element<'a>,
    outer_algorithm: Element<'a>,
    signature: &'a [u8],
    version: Option<&'a [u8]>,
    serial: &'a [u8],
    inner_algorithm: Element<'a>,
    issuer: Element<'a>,
    validity: Element<'a>,
    subject: Element<'a>,
    public_key: Element<'a>,
    unique_identifiers: bool,
    extensions: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn of(der: &'a [u8]) -> Result<Self, X509Error> {
        let whole = |fault| X509Error::Malformed(format!("the certificate {fault}"));
        let sequence = |reader: &mut Reader<'a>, name| reader.element(tag::SEQUENCE).map_err(part(name));
        let mut outer = Reader::only(der, tag::SEQUENCE).map_err(whole)?;
        let tbs = outer.element(tag::SEQUENCE).map_err(whole)?;
        let outer_algorithm = sequence(&mut outer, "signature algorithm")?;
        let signature = outer.octet_bits().map_err(part("signature"))?;
        outer.end().map_err(whole)?;
        let mut body = Reader::new(tbs.content);
        let version = body.optional(tag::constructed(0)).map_err(part("version"))?;
        let serial = body.integer().map_err(part("serial number"))?;
        let inner_algorithm = sequence(&mut body, "signature algorithm")?;
        let issuer = sequence(&mut body, "issuer")?;
        let validity = sequence(&mut body, "validity")?;
        let subject = sequence(&mut body, "subject")?;
        let public_key = sequence(&mut body, "public key")?;
        let mut unique_identifiers = false;
        for number in [1, 2] {
            unique_identifiers |= body.optional(tag::context(number)).map_err(part("unique identifier"))?.is_some();
        }
        let extensions = body.optional(tag::constructed(3)).map_err(part("list of extensions"))?;
        body.end().map_err(part("signed part"))?;
        Ok(Self {
            tbs,
            outer_algorithm,
            signature,
            version,
            serial,
            inner_algorithm,
            issuer,
            validity,
            subject,
            public_key,
            unique_identifiers,
            extensions,
        })
    }
}

impl Places {
    fn of(fields: &Fields<'_>, der: &[u8]) -> Self {
        let range = |slice: &[u8]| {
            let start = slice.as_ptr().addr() - der.as_ptr().addr();
            start..start + slice.len()
        };
        let inner_algorithm = range(fields.inner_algorithm.whole);
        Self {
            tbs: range(fields.tbs.whole),
            version: fields.version.map(range),
            issuer: inner_algorithm.start..range(fields.validity.whole).end,
            inner_algorithm,
            outer_algorithm: range(fields.outer_algorithm.whole),
            extensions: fields.extensions.map_or(0..0, range),
            signature: range(fields.signature),
        }
    }

    /// The bytes that a frame is made of, extensions aside: what all of them say is the same if they are.
    fn frame<'a>(&self, der: &'a [u8]) -> [Option<&'a [u8]>; 3] {
        let bytes = |place: &Range<usize>| &der[place.clone()];
        [self.version.as_ref().map(bytes), Some(bytes(&self.issuer)), Some(bytes(&self.outer_algorithm))]
    }
}

fn read(der: Vec<u8>, beside: Option<&Certificate>) -> Result<Certificate, X509Error> {
    let fields = Fields::of(&der)?;
    // Positions are kept instead of slices, because the bytes move into the result.
    let places = Places::of(&fields, &der);
    let read = match beside.map(|known| read_beside(&fields, &der, &places, known)).transpose()?.flatten() {
        Some(contents) => contents,
        None => read_alone(&fields)?,
    };
    Ok(Certificate { places, read: Arc::new(read), der })
}

fn read_alone(fields: &Fields<'_>) -> Result<Contents, X509Error> {
    let (extensions, mut known) = match fields.extensions {
        Some(list) => extension::read(list).map_err(|(name, fault)| part(name)(fault))?,
        None => Default::default(),
    };
    let times = read_times(fields.validity.content).map_err(part("validity"))?;
    let algorithm = |element| read_algorithm(element).map_err(part("signature algorithm"));
    Ok(Contents {
        serial: read_serial(fields)?,
        subject: read_subject(fields)?,
        public_key: PublicKey::from_spki_der(fields.public_key.whole)?,
        subject_alt_names: known.subject_alt_names.take(),
        subject_key_id: known.subject_key_id.take(),
        extensions: extensions.into(),
        frame: Arc::new(Frame {
            outer_algorithm: algorithm(fields.outer_algorithm)?,
            inner_algorithm: algorithm(fields.inner_algorithm)?,
            version: read_version(fields.version)?,
            issuer: DistinguishedName::read(fields.issuer.whole).map_err(part("issuer"))?,
            validity: Validity::as_read(times[0].time, times[1].time),
            times,
            unique_identifiers: fields.unique_identifiers,
            known,
        }),
    })
}

/// `None` if the frame is another one.
fn read_beside(
    fields: &Fields<'_>,
    der: &[u8],
    places: &Places,
    known: &Certificate,
) -> Result<Option<Contents>, X509Error> {
    if places.frame(der) != known.places.frame(&known.der)
        || fields.unique_identifiers
        || known.has_unique_identifiers()
    {
        return Ok(None);
    }
    let others = &known.der[known.places.extensions.clone()];
    let Some(list) = fields.extensions.filter(|_| !others.is_empty()) else { return Ok(None) };
    let Some(extensions) = extension::read_beside(list, others).map_err(|(name, fault)| part(name)(fault))? else {
        return Ok(None);
    };
    let contents = Contents {
        serial: read_serial(fields)?,
        subject: read_subject(fields)?,
        public_key: PublicKey::from_spki_der(fields.public_key.whole)?,
        subject_alt_names: extensions.subject_alt_names,
        subject_key_id: extensions.subject_key_id,
        extensions: OnceLock::new(),
        frame: Arc::clone(&known.read.frame),
    };
    Ok(contents.is_of_the_kind_of(&known.read).then_some(contents))
}

impl Contents {
    /// What is there and what is not, and the kind of the key, belong to the frame as well.
    fn is_of_the_kind_of(&self, other: &Self) -> bool {
        self.subject.is_empty() == other.subject.is_empty()
            && self.public_key.is_of_the_kind_of(&other.public_key)
            && self.subject_alt_names.as_ref().map(Vec::is_empty) == other.subject_alt_names.as_ref().map(Vec::is_empty)
            && self.subject_key_id.as_ref().map(Vec::is_empty) == other.subject_key_id.as_ref().map(Vec::is_empty)
    }
}

fn read_serial(fields: &Fields<'_>) -> Result<SerialNumber, X509Error> {
    SerialNumber::from_der_content(fields.serial).map_err(part("serial number"))
}

fn read_subject(fields: &Fields<'_>) -> Result<DistinguishedName, X509Error> {
    DistinguishedName::read(fields.subject.whole).map_err(part("subject"))
}

fn read_algorithm(algorithm: Element<'_>) -> Result<Cow<'static, str>, Fault> {
    let mut inside = Reader::new(algorithm.content);
    let oid = inside.oid()?;
    if !inside.is_empty() {
        inside.next()?;
    }
    inside.end()?;
    Ok(oid)
}

fn read_version(explicit: Option<&[u8]>) -> Result<u32, X509Error> {
    let version = part("version");
    let Some(explicit) = explicit else { return Ok(1) };
    let mut inside = Reader::new(explicit);
    let number = inside.integer().map_err(&version)?;
    inside.end().map_err(&version)?;
    match number {
        [number @ 0..=2] => Ok(u32::from(*number) + 1),
        _ => Err(X509Error::Malformed("the certificate's version is none of 1, 2 and 3".into())),
    }
}

fn read_times(validity: &[u8]) -> Result<[TimeText; 2], Fault> {
    let mut validity = Reader::new(validity);
    let times = [TimeText::read(validity.next()?)?, TimeText::read(validity.next()?)?];
    validity.end()?;
    Ok(times)
}

#[cfg(test)]
mod tests;
