//! Certificate revocation lists (RFC 5280 section 5): ours, and those of imported authorities.
//!
//! rcgen computes a list's authority key identifier anew from the issuer's key instead of copying the issuer's, so that
//! the list of an authority made by OpenSSL is not found (nginx: "unable to get certificate CRL"). Here the identifier
//! and the name are the issuer's own, byte for byte.

use time::{OffsetDateTime, UtcOffset};

use super::der::{Fault, Reader, tag};
use super::encode::{self, signed, with_raw_fields};
use super::extension;
use super::pem::is_der;
use super::time_text::TimeText;
use super::{Certificate, DistinguishedName, Label, SerialNumber, Signer, X509Error, read_pem_up_to, write_pem};

/// Why a certificate was revoked (RFC 5280 section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// No reason is given; never written.
    Unspecified,
    /// The private key is or may be known to somebody else.
    KeyCompromise,
    /// The authority's private key is or may be known to somebody else.
    CaCompromise,
    /// The subject's name or other contents have changed.
    AffiliationChanged,
    /// There is a newer certificate.
    Superseded,
    /// The certificate is not needed any more.
    CessationOfOperation,
    /// Not valid for now.
    CertificateHold,
    /// Valid again; only in delta lists.
    RemoveFromCrl,
    /// What the certificate allowed is not allowed any more.
    PrivilegeWithdrawn,
    /// The key of an attribute authority is or may be known to somebody else.
    AaCompromise,
}

/// Number, name and our type, in the order of RFC 5280; 7 is not used.
const REASONS: [(u8, &str, RevocationReason, rcgen::RevocationReason); 10] = {
    use RevocationReason as Ours;
    use rcgen::RevocationReason as Theirs;
    [
        (0, "unspecified", Ours::Unspecified, Theirs::Unspecified),
        (1, "keyCompromise", Ours::KeyCompromise, Theirs::KeyCompromise),
        (2, "cACompromise", Ours::CaCompromise, Theirs::CaCompromise),
        (3, "affiliationChanged", Ours::AffiliationChanged, Theirs::AffiliationChanged),
        (4, "superseded", Ours::Superseded, Theirs::Superseded),
        (5, "cessationOfOperation", Ours::CessationOfOperation, Theirs::CessationOfOperation),
        (6, "certificateHold", Ours::CertificateHold, Theirs::CertificateHold),
        (8, "removeFromCRL", Ours::RemoveFromCrl, Theirs::RemoveFromCrl),
        (9, "privilegeWithdrawn", Ours::PrivilegeWithdrawn, Theirs::PrivilegeWithdrawn),
        (10, "aACompromise", Ours::AaCompromise, Theirs::AaCompromise),
    ]
};

impl RevocationReason {
    /// The name in RFC 5280.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// Every reason, in the order of RFC 5280.
    pub const ALL: [Self; 10] = {
        let mut all = [Self::Unspecified; 10];
        let mut at = 0;
        while at < all.len() {
            all[at] = REASONS[at].2;
            at += 1;
        }
        all
    };

    /// The number in the encoding.
    pub fn code(self) -> u8 {
        self.row().0
    }

    /// The reason with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        REASONS.iter().find(|row| row.0 == code).map(|row| row.2)
    }

    fn row(self) -> &'static (u8, &'static str, Self, rcgen::RevocationReason) {
        REASONS.iter().find(|row| row.2 == self).expect("every reason has a row")
    }
}

/// Accepts the names of RFC 5280 in any case, with or without hyphens: `keyCompromise`, `key-compromise`.
impl std::str::FromStr for RevocationReason {
    type Err = X509Error;

    fn from_str(text: &str) -> Result<Self, X509Error> {
        let plain = text.replace('-', "");
        REASONS.iter().find(|row| row.1.eq_ignore_ascii_case(&plain)).map(|row| row.2).ok_or_else(|| {
            let known = REASONS.map(|row| row.1).join(", ");
            X509Error::Invalid(format!("{} is not a revocation reason; known are {known}", crate::ui::quote(text)))
        })
    }
}

impl std::fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Which certificate of the issuer.
    pub serial: SerialNumber,
    /// When it was revoked.
    pub revocation_time: OffsetDateTime,
    /// Why.
    pub reason: Option<RevocationReason>,
    /// Since when it should not have been trusted.
    pub invalidity_date: Option<OffsetDateTime>,
}

/// A list to be signed.
#[derive(Clone, Debug)]
pub struct CrlTemplate {
    /// When it is issued.
    pub this_update: OffsetDateTime,
    /// When the next one will be there at the latest.
    pub next_update: OffsetDateTime,
    /// Greater than that of every earlier list of the issuer.
    pub number: u128,
    /// The entries.
    pub revoked: Vec<RevokedCertificate>,
}

/// Position of the issuer in the TBSCertList.
const TBS_ISSUER: usize = 2;

impl CrlTemplate {
    /// Signs the list for an authority. A million entries are held as few times as can be.
    pub fn sign(self, signer: &Signer<'_>) -> Result<Crl, X509Error> {
        let name =
            signer.name().ok_or_else(|| invalid("a revocation list is signed with an authority's certificate"))?;
        if !signer.may_sign_crls() {
            return Err(invalid("the authority's certificate does not allow it to sign revocation lists (cRLSign)"));
        }
        let parameters = self.parameters(signer.key_identifier())?;
        let list = parameters.signed_by(signer.rcgen_issuer()).map_err(|error| encode::failed(&error))?;
        let tbs = with_raw_fields(list.der(), |field| (field == TBS_ISSUER).then(|| name.der()))?;
        drop(list);
        let der = signed(&tbs, signer.key())?;
        drop(tbs);
        Crl::of(der)
    }

    fn parameters(self, key_identifier: &[u8]) -> Result<rcgen::CertificateRevocationListParams, X509Error> {
        let (this_update, next_update) = (writable(self.this_update)?, writable(self.next_update)?);
        if next_update <= this_update {
            return Err(invalid("the next revocation list cannot be due before this one is issued"));
        }
        Ok(rcgen::CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: rcgen::SerialNumber::from_slice(&self.number.to_be_bytes()),
            issuing_distribution_point: None,
            revoked_certs: self.revoked.into_iter().map(RevokedCertificate::into_rcgen).collect::<Result<_, _>>()?,
            key_identifier_method: rcgen::KeyIdMethod::PreSpecified(key_identifier.to_vec()),
        })
    }
}

impl RevokedCertificate {
    fn into_rcgen(self) -> Result<rcgen::RevokedCertParams, X509Error> {
        Ok(rcgen::RevokedCertParams {
            serial_number: encode::serial(&self.serial)?,
            revocation_time: writable(self.revocation_time)?,
            reason_code: self.reason.map(|reason| reason.row().3),
            invalidity_date: self.invalidity_date.map(writable).transpose()?,
        })
    }

    fn read(mut entry: Reader<'_>) -> Result<Self, Fault> {
        let serial = SerialNumber::from_der_content(entry.integer()?)?;
        let revocation_time = read_time(&mut entry)?;
        let mut revoked = Self { serial, revocation_time, reason: None, invalidity_date: None };
        if let Some(extensions) = entry.optional(tag::SEQUENCE)? {
            for_each_extension(Reader::new(extensions), |oid, _, value| {
                let mut value = Reader::new(value);
                match oid {
                    REASON_CODE => {
                        let code = value.expect(ENUMERATED)?;
                        revoked.reason = <[u8; 1]>::try_from(code).ok().and_then(|[c]| RevocationReason::from_code(c));
                    }
                    INVALIDITY_DATE => revoked.invalidity_date = Some(read_time(&mut value)?),
                    _ => {}
                }
                Ok(())
            })?;
        }
        entry.end()?;
        Ok(revoked)
    }
}

/// In UTC and whole seconds, within the years that DER can say.
fn writable(time: OffsetDateTime) -> Result<OffsetDateTime, X509Error> {
    let utc = time.checked_to_offset(UtcOffset::UTC).filter(|utc| (1950..=9999).contains(&utc.year()));
    utc.map(OffsetDateTime::truncate_to_second).ok_or_else(|| invalid("a time lies outside the years 1950 to 9999"))
}

/// A revocation list that was read. Its entries are decoded while they are looked at, so that a large list costs its
/// size once.
#[derive(Clone, Debug)]
pub struct Crl {
    der: Vec<u8>,
    tbs: std::ops::Range<usize>,
    revoked: std::ops::Range<usize>,
    signature: std::ops::Range<usize>,
    signature_algorithm: String,
    issuer: DistinguishedName,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
    number: Option<u128>,
    authority_key_id: Option<Vec<u8>>,
    unknown_critical: Option<String>,
    count: usize,
}

const ENUMERATED: u8 = 0x0a;
const REASON_CODE: &str = "2.5.29.21";
const INVALIDITY_DATE: &str = "2.5.29.24";
const CRL_NUMBER: &str = "2.5.29.20";
/// A million entries are about 40 MiB.
const LARGEST: usize = 256 << 20;

impl Crl {
    /// The first revocation list of a PEM file.
    pub fn from_pem(pem: &[u8]) -> Result<Self, X509Error> {
        let blocks = read_pem_up_to(pem, LARGEST)?;
        let block = blocks.into_iter().find(|block| block.label == Label::Crl);
        let mut block = block.ok_or_else(|| X509Error::Malformed("there is no revocation list in it".into()))?;
        Self::of(std::mem::take(&mut *block.der))
    }

    /// A revocation list in PEM or DER.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, X509Error> {
        if is_der(bytes) { Self::from_der(bytes) } else { Self::from_pem(bytes) }
    }

    /// A revocation list; every entry is checked to be readable.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        Self::of(der.to_vec())
    }

    fn of(der: Vec<u8>) -> Result<Self, X509Error> {
        let read = Self::read(&der).map_err(|fault| X509Error::Malformed(format!("the revocation list {fault}")))?;
        Ok(Self { der, ..read })
    }

    /// What a list says; its bytes come to it later.
    fn read(der: &[u8]) -> Result<Self, Fault> {
        let mut list = Reader::only(der, tag::SEQUENCE)?;
        let tbs = list.element(tag::SEQUENCE)?;
        let outer_algorithm = list.element(tag::SEQUENCE)?;
        let signature = list.octet_bits()?;
        list.end()?;
        let mut fields = Reader::new(tbs.content);
        fields.optional(tag::INTEGER)?;
        if fields.element(tag::SEQUENCE)?.whole != outer_algorithm.whole {
            return Err(Fault::Value);
        }
        let issuer = DistinguishedName::read(fields.element(tag::SEQUENCE)?.whole)?;
        let this_update = read_time(&mut fields)?;
        let next_update = match fields.peek() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => Some(read_time(&mut fields)?),
            _ => None,
        };
        let revoked = fields.optional(tag::SEQUENCE)?.unwrap_or_default();
        let mut crl = Self {
            tbs: place(der, tbs.whole),
            revoked: place(der, revoked),
            signature: place(der, signature),
            signature_algorithm: Reader::new(outer_algorithm.content).oid()?.into_owned(),
            issuer,
            this_update,
            next_update,
            number: None,
            authority_key_id: None,
            unknown_critical: None,
            count: count_entries(Reader::new(revoked))?,
            der: Vec::new(),
        };
        if let Some(extensions) = fields.optional(tag::constructed(0))? {
            let extensions = Reader::only(extensions, tag::SEQUENCE)?;
            for_each_extension(extensions, |oid, critical, value| crl.note(oid, critical, value))?;
        }
        fields.end()?;
        Ok(crl)
    }

    fn note(&mut self, oid: &str, critical: bool, value: &[u8]) -> Result<(), Fault> {
        match oid {
            CRL_NUMBER => self.number = small_number(Reader::new(value).integer()?),
            extension::oid::AUTHORITY_KEY_IDENTIFIER => self.authority_key_id = extension::authority_key_id(value)?,
            _ if critical => self.unknown_critical = Some(oid.to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// Who signed it.
    pub fn issuer(&self) -> &DistinguishedName {
        &self.issuer
    }

    /// When it was issued.
    pub fn this_update(&self) -> OffsetDateTime {
        self.this_update
    }

    /// When the next one is due.
    pub fn next_update(&self) -> Option<OffsetDateTime> {
        self.next_update
    }

    /// Its number; `None` if it has none or one of more than 128 bits.
    pub fn number(&self) -> Option<u128> {
        self.number
    }

    /// The identifier of the issuer's key.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.authority_key_id.as_deref()
    }

    /// A critical extension that we do not know: such a list says less than it seems to (only some certificates, only
    /// changes), so it must not be relied on alone (RFC 5280 section 5.2).
    pub fn unknown_critical_extension(&self) -> Option<&str> {
        self.unknown_critical.as_deref()
    }

    /// How many certificates are revoked.
    pub fn len(&self) -> usize {
        self.count
    }

    /// No certificate is revoked.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries, in the order of the list.
    pub fn revoked(&self) -> impl Iterator<Item = RevokedCertificate> + '_ {
        let mut entries = Reader::new(&self.der[self.revoked.clone()]);
        std::iter::from_fn(move || RevokedCertificate::read(entries.enter(tag::SEQUENCE).ok()?).ok())
    }

    /// The entry for a serial number.
    pub fn find(&self, serial: &SerialNumber) -> Option<RevokedCertificate> {
        let mut entries = Reader::new(&self.der[self.revoked.clone()]);
        std::iter::from_fn(|| entries.enter(tag::SEQUENCE).ok())
            .find(|entry| Reader::clone(entry).expect(tag::INTEGER) == Ok(serial.as_bytes()))
            .and_then(|entry| RevokedCertificate::read(entry).ok())
    }

    /// The dotted identifier of its signature algorithm.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// The certificate has the issuer's name and the key that signed the list.
    pub fn is_signed_by(&self, certificate: &Certificate) -> bool {
        self.issuer.der() == certificate.subject().der()
            && certificate
                .public_key()
                .verify(&self.signature_algorithm, &self.der[self.tbs.clone()], &self.der[self.signature.clone()])
                .is_ok()
    }

    /// The list as it was read or made.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The same as PEM.
    pub fn pem(&self) -> String {
        write_pem(&Label::Crl, &self.der)
    }
}

/// Where `part`, which the reader cut out of `whole`, lies in it.
fn place(whole: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    if part.is_empty() {
        return 0..0;
    }
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

fn read_time(fields: &mut Reader<'_>) -> Result<OffsetDateTime, Fault> {
    Ok(TimeText::read(fields.next()?)?.time)
}

fn count_entries(mut entries: Reader<'_>) -> Result<usize, Fault> {
    let mut count = 0;
    while !entries.is_empty() {
        RevokedCertificate::read(entries.enter(tag::SEQUENCE)?)?;
        count += 1;
    }
    Ok(count)
}

fn for_each_extension(
    mut extensions: Reader<'_>,
    mut visit: impl FnMut(&str, bool, &[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    while !extensions.is_empty() {
        let mut extension = extensions.enter(tag::SEQUENCE)?;
        let oid = extension.oid()?;
        let critical = extension.default_false()?;
        let value = extension.expect(tag::OCTET_STRING)?;
        extension.end()?;
        visit(&oid, critical, value)?;
    }
    Ok(())
}

fn small_number(content: &[u8]) -> Option<u128> {
    if content[0] & 0x80 != 0 || content.len() > 17 || (content.len() == 17 && content[0] != 0) {
        return None;
    }
    Some(content.iter().fold(0, |number, octet| number << 8 | u128::from(*octet)))
}

fn invalid(message: &str) -> X509Error {
    X509Error::Invalid(message.into())
}

#[cfg(test)]
mod tests;
