//! PKCS#12 as it is read: from OpenSSL, Java, Windows, browsers and from here.

use zeroize::Zeroizing;

use super::super::{KeystoreError, MOST_ENTRIES, Work};
use super::kdf::Password;
use super::pbe::Scheme;
use super::{ber, mac, oid};
use crate::x509::der::{Fault, Reader, tag};

/// How often bags may hold bags.
const DEEPEST: usize = 4;

/// How much of a container is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Depth {
    /// The keys stay closed.
    Certificates,
    /// The keys too.
    All,
}

/// What stands in the bags.
#[derive(Default)]
pub(in super::super) struct Contents {
    pub(in super::super) keys: Vec<HeldKey>,
    pub(in super::super) certificates: Vec<HeldCertificate>,
}

/// A private key.
pub(in super::super) struct HeldKey {
    pub(in super::super) alias: Option<String>,
    pub(in super::super) local_key_id: Option<Vec<u8>>,
    pub(in super::super) pkcs8: Zeroizing<Vec<u8>>,
}

/// A certificate that nobody has read yet.
pub(in super::super) struct HeldCertificate {
    pub(in super::super) alias: Option<String>,
    pub(in super::super) local_key_id: Option<Vec<u8>>,
    /// It has Java's mark.
    pub(in super::super) trusted: bool,
    pub(in super::super) der: Vec<u8>,
}

/// `PFX ::= SEQUENCE { version INTEGER, authSafe ContentInfo, macData OPTIONAL }`, by its first bytes.
pub(in super::super) fn is_pkcs12(bytes: &[u8]) -> bool {
    let Some((0x30, after_tag)) = bytes.split_first().map(|(first, rest)| (*first, rest)) else { return false };
    let octets = match after_tag.first() {
        Some(long @ 0x81..=0x84) => 1 + usize::from(long & 0x7f),
        Some(_) => 1,
        None => return false,
    };
    let Some(content) = after_tag.get(octets..) else { return false };
    let Some(info) = content.strip_prefix(&[0x02, 1, 3, 0x30]) else { return false };
    // The ContentInfo's length, then its type: one of PKCS#7's.
    let octets = info.first().map_or(0, |first| if first & 0x80 == 0 { 1 } else { 1 + usize::from(first & 0x7f) });
    let kind = &oid::DATA[..oid::DATA.len() - 1];
    info.get(octets..).and_then(|info| info.strip_prefix(&[tag::OID, 9])).is_some_and(|info| info.starts_with(kind))
}

/// Opens a container.
pub(in super::super) fn open(
    bytes: &[u8],
    password: &str,
    depth: Depth,
    work: &mut Work,
) -> Result<Contents, KeystoreError> {
    in_der(bytes, |bytes| {
        let container = Container::read(bytes).map_err(|fault| fault.said("the container"))?;
        container.open(password, depth, work)
    })
}

/// Reads what is in DER, or what BER makes of it when DER does not allow how it is written.
fn in_der<T>(bytes: &[u8], mut read: impl FnMut(&[u8]) -> Result<T, KeystoreError>) -> Result<T, KeystoreError> {
    match read(bytes) {
        Err(KeystoreError::Damaged(why)) => match ber::to_der(bytes).filter(|der| der != bytes) {
            Some(der) => read(&der),
            None => Err(KeystoreError::Damaged(why)),
        },
        done => done,
    }
}

trait Said {
    fn said(self, what: &str) -> KeystoreError;
}

impl Said for Fault {
    fn said(self, what: &str) -> KeystoreError {
        KeystoreError::Damaged(format!("{what} {self}"))
    }
}

struct Container<'a> {
    kind: &'a [u8],
    /// The AuthenticatedSafe, over which the checksum is made.
    safe: &'a [u8],
    mac_data: Option<&'a [u8]>,
}

impl<'a> Container<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut fields = Reader::only(bytes, tag::SEQUENCE)?;
        fields.integer()?;
        let mut info = fields.enter(tag::SEQUENCE)?;
        let kind = info.expect(tag::OID)?;
        let content = info.expect(tag::constructed(0))?;
        let mac_data = fields.optional(tag::SEQUENCE)?;
        fields.end()?;
        let safe = if kind == oid::DATA { Reader::only(content, tag::OCTET_STRING)?.rest() } else { content };
        Ok(Self { kind, safe, mac_data })
    }

    fn open(&self, text: &str, depth: Depth, work: &mut Work) -> Result<Contents, KeystoreError> {
        if self.kind != oid::DATA {
            let sentence = "the key store is protected with a signature instead of a password, which is not supported";
            return Err(KeystoreError::Unsupported(sentence.to_owned()));
        }
        let mut passwords = vec![Password::new(text)];
        if text.is_empty() {
            passwords.push(Password::absent());
        }
        for password in &passwords {
            match self.open_with(password, depth, work) {
                Err(KeystoreError::WrongPassword) => {}
                done => return done,
            }
        }
        Err(KeystoreError::WrongPassword)
    }

    fn open_with(&self, password: &Password<'_>, depth: Depth, work: &mut Work) -> Result<Contents, KeystoreError> {
        let Some(mac_data) = self.mac_data else {
            // What a wrong password makes of it is no DER either.
            return in_der(self.safe, |safe| safes(safe, password, depth, work)).map_err(|error| match error {
                KeystoreError::Damaged(_) if is_encrypted(self.safe) => KeystoreError::WrongPassword,
                other => other,
            });
        };
        if mac::fits(mac_data, self.safe, password, work)? {
            return in_der(self.safe, |safe| safes(safe, password, depth, work)).map_err(|error| match error {
                KeystoreError::WrongPassword => KeystoreError::Damaged(
                    "the password fits its checksum and does not open what is encrypted in it".to_owned(),
                ),
                other => other,
            });
        }
        // A password that decrypts is the right one, whatever the checksum says.
        if depth == Depth::All && is_encrypted(self.safe) && safes(self.safe, password, depth, work).is_ok() {
            return Err(KeystoreError::Changed);
        }
        Err(KeystoreError::WrongPassword)
    }
}

/// Whether there is anything that a password opens.
fn is_encrypted(safe: &[u8]) -> bool {
    let has = |oid: &[u8]| safe.windows(oid.len()).any(|window| window == oid);
    has(oid::ENCRYPTED_DATA) || has(oid::SHROUDED_KEY_BAG)
}

/// AuthenticatedSafe (RFC 7292 section 4.1).
fn safes(bytes: &[u8], password: &Password<'_>, depth: Depth, work: &mut Work) -> Result<Contents, KeystoreError> {
    let faulty = |fault: Fault| fault.said("its list of contents");
    let mut infos = Reader::only(bytes, tag::SEQUENCE).map_err(faulty)?;
    let mut opener = Opener { password, depth, work, contents: Contents::default(), bags: 0 };
    while !infos.is_empty() {
        let mut info = infos.enter(tag::SEQUENCE).map_err(faulty)?;
        let kind = info.expect(tag::OID).map_err(faulty)?;
        let content = info.expect(tag::constructed(0)).map_err(faulty)?;
        match kind {
            oid::DATA => {
                let bags = Reader::only(content, tag::OCTET_STRING).map_err(faulty)?.rest();
                opener.bags(bags)?;
            }
            oid::ENCRYPTED_DATA => {
                let bags = opener.decrypted(content)?;
                opener.bags(&bags)?;
            }
            other => return Err(super::pbe::unsupported("a part", other)),
        }
    }
    Ok(opener.contents)
}

struct Opener<'o> {
    password: &'o Password<'o>,
    depth: Depth,
    work: &'o mut Work,
    contents: Contents,
    bags: usize,
}

/// What a bag says beside its value.
#[derive(Default)]
struct Attributes {
    alias: Option<String>,
    local_key_id: Option<Vec<u8>>,
    trusted: bool,
}

impl Opener<'_> {
    /// EncryptedData (RFC 5652 section 8).
    fn decrypted(&mut self, content: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let faulty = |fault: Fault| fault.said("an encrypted part");
        let mut fields = Reader::only(content, tag::SEQUENCE).map_err(faulty)?;
        fields.integer().map_err(faulty)?;
        let mut info = fields.enter(tag::SEQUENCE).map_err(faulty)?;
        info.expect(tag::OID).map_err(faulty)?;
        let scheme = Scheme::read(info.expect(tag::SEQUENCE).map_err(faulty)?)?;
        if info.peek() == Some(tag::constructed(0)) {
            let pieces = ber::pieces(info.expect(tag::constructed(0)).map_err(faulty)?);
            let octets = pieces.ok_or_else(|| faulty(Fault::Value))?;
            return scheme.decrypt(self.password, &octets, self.work);
        }
        scheme.decrypt(self.password, info.expect(tag::context(0)).map_err(faulty)?, self.work)
    }

    fn bags(&mut self, bytes: &[u8]) -> Result<(), KeystoreError> {
        let (keys, certificates, bags) = (self.contents.keys.len(), self.contents.certificates.len(), self.bags);
        in_der(bytes, |bytes| {
            self.contents.keys.truncate(keys);
            self.contents.certificates.truncate(certificates);
            self.bags = bags;
            self.read_bags(bytes, DEEPEST)
        })
    }

    /// SafeContents (RFC 7292 section 4.2).
    fn read_bags(&mut self, bytes: &[u8], depth: usize) -> Result<(), KeystoreError> {
        let faulty = |fault: Fault| fault.said("its list of bags");
        let mut bags = Reader::only(bytes, tag::SEQUENCE).map_err(faulty)?;
        while !bags.is_empty() {
            self.bags += 1;
            if self.bags > MOST_ENTRIES {
                return Err(KeystoreError::TooManyEntries);
            }
            let mut bag = bags.enter(tag::SEQUENCE).map_err(faulty)?;
            let kind = bag.expect(tag::OID).map_err(faulty)?;
            let value = bag.expect(tag::constructed(0)).map_err(faulty)?;
            let attributes = read_attributes(bag).map_err(faulty)?;
            match kind {
                oid::KEY_BAG => self.keep(attributes, Zeroizing::new(value.to_vec())),
                oid::SHROUDED_KEY_BAG if self.depth == Depth::All => {
                    let pkcs8 = self.shrouded(value)?;
                    self.keep(attributes, pkcs8);
                }
                oid::CERT_BAG => self.certificate(value, attributes).map_err(faulty)?,
                oid::SAFE_CONTENTS_BAG => match depth.checked_sub(1) {
                    Some(depth) => self.read_bags(value, depth)?,
                    None => return Err(KeystoreError::Damaged("its bags hold bags without end".to_owned())),
                },
                // Revocation lists and secrets of other kinds.
                _ => {}
            }
        }
        Ok(())
    }

    fn keep(&mut self, attributes: Attributes, pkcs8: Zeroizing<Vec<u8>>) {
        let Attributes { alias, local_key_id, .. } = attributes;
        self.contents.keys.push(HeldKey { alias, local_key_id, pkcs8 });
    }

    /// EncryptedPrivateKeyInfo (RFC 5958 section 3).
    fn shrouded(&mut self, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let faulty = |fault: Fault| fault.said("an encrypted private key");
        let mut info = Reader::only(value, tag::SEQUENCE).map_err(faulty)?;
        let scheme = Scheme::read(info.expect(tag::SEQUENCE).map_err(faulty)?)?;
        let plain = scheme.decrypt(self.password, info.expect(tag::OCTET_STRING).map_err(faulty)?, self.work)?;
        Reader::only(&plain, tag::SEQUENCE).map_err(|fault| fault.said("a private key"))?;
        Ok(plain)
    }

    fn certificate(&mut self, value: &[u8], attributes: Attributes) -> Result<(), Fault> {
        let mut fields = Reader::only(value, tag::SEQUENCE)?;
        let kind = fields.expect(tag::OID)?;
        if kind != oid::X509_CERTIFICATE {
            return Ok(());
        }
        let der = Reader::only(fields.expect(tag::constructed(0))?, tag::OCTET_STRING)?.rest().to_vec();
        let Attributes { alias, local_key_id, trusted } = attributes;
        self.contents.certificates.push(HeldCertificate { alias, local_key_id, trusted, der });
        Ok(())
    }
}

/// `bagAttributes SET OF PKCS12Attribute OPTIONAL`.
fn read_attributes(mut bag: Reader<'_>) -> Result<Attributes, Fault> {
    let mut attributes = Attributes::default();
    let Some(set) = bag.optional(tag::SET)? else { return Ok(attributes) };
    let mut set = Reader::new(set);
    while !set.is_empty() {
        let mut attribute = set.enter(tag::SEQUENCE)?;
        let kind = attribute.expect(tag::OID)?;
        let mut values = attribute.enter(tag::SET)?;
        match kind {
            oid::FRIENDLY_NAME => attributes.alias = Some(bmp_string(values.expect(tag::BMP_STRING)?)),
            oid::LOCAL_KEY_ID => attributes.local_key_id = Some(values.expect(tag::OCTET_STRING)?.to_vec()),
            oid::TRUSTED_KEY_USAGE => attributes.trusted = true,
            _ => {}
        }
    }
    Ok(attributes)
}

fn bmp_string(octets: &[u8]) -> String {
    let units: Vec<u16> = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}
