//! Shapes: what the certificates of one authority have in common when only serial number, names and key differ.
//!
//! rcgen encodes a shape once, with stand-ins for what differs; the real fields are put into the gaps, byte for byte, as
//! rcgen could not hold them anyway. A certificate by itself is the only one of its shape; for a million devices the
//! encoding, most of the work around a signature, is done once.

use std::sync::Arc;

use super::der::{self, Fault, Reader, tag};
use super::encode;
use super::template::{Signer, ToBeSigned};
use super::{
    Certificate, CertificateTemplate, DistinguishedName, GeneralName, KeyType, PublicKey, SerialNumber, X509Error,
};

/// A certificate before it exists, with gaps for what [`Particulars`] holds.
pub struct Shape {
    version: Vec<u8>,
    /// From the signature algorithm to the validity, the issuer's name among it.
    issuer: Vec<u8>,
    extensions: Vec<Part>,
    has_subject: bool,
    has_names: bool,
    key_type: KeyType,
    signer: Arc<PublicKey>,
}

/// What differs between the certificates of a shape.
#[derive(Clone, Copy, Debug)]
pub struct Particulars<'a> {
    /// The serial number, never repeated by the same issuer.
    pub serial: &'a SerialNumber,
    /// The subject; whether it is empty belongs to the shape, because the alternative names are critical then.
    pub subject: &'a DistinguishedName,
    /// The subject alternative names; whether there are any belongs to the shape.
    pub subject_alt_names: &'a [GeneralName],
    /// The subject's key.
    pub public_key: &'a PublicKey,
}

/// A piece of the list of extensions.
enum Part {
    Same(Vec<u8>),
    /// The subject alternative names, after this identifier and criticality.
    Names(Vec<u8>),
    /// The subject key identifier, after this identifier and criticality.
    KeyIdentifier(Vec<u8>),
}

impl CertificateTemplate {
    /// What `signer` would sign for every template that differs from this one in its [`Particulars`] alone.
    pub fn shape(&self, signer: &Signer<'_>) -> Result<Shape, X509Error> {
        if signer.name().is_none() {
            return Err(X509Error::Invalid("a certificate that signs itself has its own issuer".into()));
        }
        self.shape_of_one(signer)
    }

    /// The same for a root as well, whose issuer is the subject of this template.
    pub(super) fn shape_of_one(&self, signer: &Signer<'_>) -> Result<Shape, X509Error> {
        let issuer = signer.rcgen_issuer();
        let certificate = self.parameters()?.signed_by(issuer.key(), issuer).map_err(|error| encode::failed(&error))?;
        let name = signer.name().unwrap_or(&self.subject);
        let pieces = take_apart(certificate.der(), name);
        let (version, issuer, extensions) =
            pieces.map_err(|fault| X509Error::Crypto(format!("what was to be signed {fault}")))?;
        Ok(Shape {
            version,
            issuer,
            extensions,
            has_subject: !self.subject.is_empty(),
            has_names: !self.subject_alt_names.is_empty(),
            key_type: signer.key().key_type(),
            signer: Arc::new(signer.key().public_key().clone()),
        })
    }

    pub(super) fn particulars(&self) -> Particulars<'_> {
        Particulars {
            serial: &self.serial,
            subject: &self.subject,
            subject_alt_names: &self.subject_alt_names,
            public_key: &self.public_key,
        }
    }
}

impl Shape {
    /// The bytes that a signature will cover. They are read, `beside` a certificate of this shape if there is one: what
    /// both have in common is then compared with it instead of being read again.
    pub fn to_be_signed(&self, one: &Particulars<'_>, beside: Option<&Certificate>) -> Result<ToBeSigned, X509Error> {
        if one.subject.is_empty() == self.has_subject || one.subject_alt_names.is_empty() == self.has_names {
            return Err(X509Error::Invalid(
                "a certificate of this shape has a subject and names as its first has".into(),
            ));
        }
        encode::check_serial(one.serial)?;
        let names = encode::general_names(one.subject_alt_names)?;
        let (serial, subject, key) = (one.serial.as_bytes(), one.subject.der(), one.public_key.spki_der());
        let extensions = self.extensions.iter().map(|part| part.length(names.len())).sum();
        let list = der::whole_length(extensions);
        let length = self.version.len()
            + der::whole_length(serial.len())
            + self.issuer.len()
            + subject.len()
            + key.len()
            + der::whole_length(list);
        let unsigned = encode::unsigned(length, self.key_type, |out| {
            out.extend_from_slice(&self.version);
            der::write(out, tag::INTEGER, serial);
            out.extend_from_slice(&self.issuer);
            out.extend_from_slice(subject);
            out.extend_from_slice(key);
            der::write_header(out, tag::constructed(3), list);
            der::write_header(out, tag::SEQUENCE, extensions);
            let identifier = one.public_key.key_identifier();
            self.extensions.iter().for_each(|part| part.write(out, &names, &identifier));
        });
        ToBeSigned::of(unsigned, beside, self.key_type, Arc::clone(&self.signer))
    }
}

/// A key identifier is as long as SHA-1.
const IDENTIFIER: usize = 20;

impl Part {
    /// How many octets it will have when the names have so many.
    fn length(&self, names: usize) -> usize {
        let extension = |head: &[u8], value| der::whole_length(head.len() + der::whole_length(value));
        match self {
            Self::Same(bytes) => bytes.len(),
            Self::Names(head) => extension(head, names),
            Self::KeyIdentifier(head) => extension(head, der::whole_length(IDENTIFIER)),
        }
    }

    fn write(&self, out: &mut Vec<u8>, names: &[u8], identifier: &[u8; IDENTIFIER]) {
        let mut extension = |head: &[u8], length| {
            der::write_header(out, tag::SEQUENCE, head.len() + der::whole_length(length));
            out.extend_from_slice(head);
            der::write_header(out, tag::OCTET_STRING, length);
        };
        match self {
            Self::Same(bytes) => out.extend_from_slice(bytes),
            Self::Names(head) => {
                extension(head, names.len());
                out.extend_from_slice(names);
            }
            Self::KeyIdentifier(head) => {
                extension(head, der::whole_length(IDENTIFIER));
                der::write(out, tag::OCTET_STRING, identifier);
            }
        }
    }
}

const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 14];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];

/// The version; from the signature algorithm to the validity; the extensions.
type Pieces = (Vec<u8>, Vec<u8>, Vec<Part>);

/// Takes a certificate apart; `issuer` takes its place.
fn take_apart(certificate: &[u8], issuer: &DistinguishedName) -> Result<Pieces, Fault> {
    let mut fields = Reader::only(certificate, tag::SEQUENCE)?.enter(tag::SEQUENCE)?;
    let version = fields.element(tag::constructed(0))?.whole;
    fields.expect(tag::INTEGER)?;
    let algorithm = fields.element(tag::SEQUENCE)?.whole;
    fields.expect(tag::SEQUENCE)?;
    let validity = fields.element(tag::SEQUENCE)?.whole;
    fields.expect(tag::SEQUENCE)?;
    fields.expect(tag::SEQUENCE)?;
    let extensions = Reader::only(fields.expect(tag::constructed(3))?, tag::SEQUENCE)?;
    fields.end()?;
    Ok((version.to_vec(), [algorithm, issuer.der(), validity].concat(), parts(extensions)?))
}

fn parts(mut extensions: Reader<'_>) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    while !extensions.is_empty() {
        let extension = extensions.element(tag::SEQUENCE)?;
        let mut fields = Reader::new(extension.content);
        let oid = fields.expect(tag::OID)?;
        fields.default_false()?;
        let head = extension.content[..extension.content.len() - fields.rest().len()].to_vec();
        match (oid, parts.last_mut()) {
            (SUBJECT_KEY_IDENTIFIER, _) => parts.push(Part::KeyIdentifier(head)),
            (SUBJECT_ALT_NAME, _) => parts.push(Part::Names(head)),
            (_, Some(Part::Same(before))) => before.extend_from_slice(extension.whole),
            _ => parts.push(Part::Same(extension.whole.to_vec())),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests;
