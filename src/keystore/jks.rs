//! Java's own key store (JKS), which `keytool` wrote until Java 8: certificates in the clear, keys behind Sun's key
//! protector, and a SHA-1 over it all. Sun's classes are its only description: `sun.security.provider.JavaKeyStore` and
//! `KeyProtector`. JCEKS differs in its first bytes and in how keys are encrypted; of it the certificates are read.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{Entry, Held, KeystoreError, MOST_ENTRIES, Salts, Store, check_aliases, utf16};
use crate::x509::Certificate;
use crate::x509::der::{self, Fault, Reader, tag};

const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const MAGIC_JCEKS: [u8; 4] = [0xce; 4];
const VERSION: u32 = 2;
const PAIR: u32 = 1;
const TRUSTED: u32 = 2;
/// JCEKS alone has it.
const SECRET: u32 = 3;
/// So that the checksum of one program is not that of another.
const WHITENER: &[u8] = b"Mighty Aphrodite";
const HASH: usize = 20;
/// `1.3.6.1.4.1.42.2.17.1.1`.
const KEY_PROTECTOR: &[u8] = b"\x2b\x06\x01\x04\x01\x2a\x02\x11\x01\x01";

pub(super) fn is_jks(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) || bytes.starts_with(&MAGIC_JCEKS)
}

/// A Java key store of the old kind; store and keys have one password. An entry without alias gets its number, as Java
/// itself does it.
///
/// # Errors
/// Two entries have the same alias, a key has no certificate, an alias is too long, or no salt can be had.
pub fn write_jks(
    store: &Store,
    password: &str,
    created: OffsetDateTime,
    salts: &mut Salts<'_>,
) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
    check_aliases(store)?;
    let password = utf16(password);
    let mut out = [&MAGIC[..], &VERSION.to_be_bytes(), &length(store.entries.len())?].concat();
    let milliseconds = (created.unix_timestamp_nanos() / 1_000_000) as i64;
    for (at, entry) in store.entries.iter().enumerate() {
        let kind = if matches!(entry, Entry::Pair { .. }) { PAIR } else { TRUSTED };
        out.extend_from_slice(&kind.to_be_bytes());
        let number = (at + 1).to_string();
        write_text(&mut out, &entry.alias().unwrap_or(&number).to_lowercase())?;
        out.extend_from_slice(&milliseconds.to_be_bytes());
        match entry {
            Entry::Pair { key, chain, .. } => {
                if chain.is_empty() {
                    return Err(KeystoreError::Invalid("a Java key store holds no key without certificate".to_owned()));
                }
                let mut salt = [0; HASH];
                salts(&mut salt).map_err(KeystoreError::Salt)?;
                let protected = protect(key, &password, &salt);
                out.extend_from_slice(&length(protected.len())?);
                out.extend_from_slice(&protected);
                out.extend_from_slice(&length(chain.len())?);
                chain.iter().try_for_each(|certificate| write_certificate(&mut out, certificate))?;
            }
            Entry::Trusted { certificate, .. } => write_certificate(&mut out, certificate)?,
        }
    }
    let checksum = checksum(&password, &out);
    out.extend_from_slice(&checksum);
    Ok(Zeroizing::new(out))
}

fn length(length: usize) -> Result<[u8; 4], KeystoreError> {
    let too_long = |_| KeystoreError::Invalid("what is to be written does not fit into a Java key store".to_owned());
    i32::try_from(length).map(i32::to_be_bytes).map_err(too_long)
}

fn write_certificate(out: &mut Vec<u8>, certificate: &Certificate) -> Result<(), KeystoreError> {
    write_text(out, "X.509")?;
    out.extend_from_slice(&length(certificate.der().len())?);
    out.extend_from_slice(certificate.der());
    Ok(())
}

/// Java's modified UTF-8: each UTF-16 unit on its own, and zero in two octets.
fn write_text(out: &mut Vec<u8>, text: &str) -> Result<(), KeystoreError> {
    let mut octets = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match unit {
            1..0x80 => octets.push(unit as u8),
            0 | 0x80..0x800 => octets.extend_from_slice(&[0xc0 | (unit >> 6) as u8, 0x80 | (unit & 0x3f) as u8]),
            _ => octets.extend_from_slice(&[
                0xe0 | (unit >> 12) as u8,
                0x80 | (unit >> 6 & 0x3f) as u8,
                0x80 | (unit & 0x3f) as u8,
            ]),
        }
    }
    let too_long = |_| KeystoreError::Invalid(format!("the alias {} is too long", crate::ui::quote(text)));
    out.extend_from_slice(&u16::try_from(octets.len()).map_err(too_long)?.to_be_bytes());
    out.extend_from_slice(&octets);
    Ok(())
}

/// The reverse. What is no such text becomes the replacement character: an alias is only shown.
fn read_text(octets: &[u8]) -> String {
    let mut units = Vec::with_capacity(octets.len());
    let mut rest = octets;
    loop {
        let (unit, after) = match rest {
            [] => return String::from_utf16_lossy(&units),
            [a @ ..0x80, after @ ..] => (u16::from(*a), after),
            [a @ 0xc0..0xe0, b @ 0x80..0xc0, after @ ..] => (u16::from(a & 0x1f) << 6 | u16::from(b & 0x3f), after),
            [a @ 0xe0..0xf0, b @ 0x80..0xc0, c @ 0x80..0xc0, after @ ..] => {
                (u16::from(a & 0xf) << 12 | u16::from(b & 0x3f) << 6 | u16::from(c & 0x3f), after)
            }
            [_, after @ ..] => (0xfffd, after),
        };
        units.push(unit);
        rest = after;
    }
}

fn sha1(parts: &[&[u8]]) -> [u8; HASH] {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().try_into().expect("SHA-1 has 20 octets")
}

fn checksum(password: &[u8], content: &[u8]) -> [u8; HASH] {
    sha1(&[password, WHITENER, content])
}

/// Exclusive-or with SHA-1 of the password and what came before.
fn whiten(octets: &mut [u8], password: &[u8], salt: &[u8]) {
    let mut digest: [u8; HASH] = salt.try_into().expect("the salt is as long as the hash");
    for block in octets.chunks_mut(HASH) {
        digest = sha1(&[password, &digest]);
        block.iter_mut().zip(digest).for_each(|(octet, mask)| *octet ^= mask);
    }
}

/// EncryptedPrivateKeyInfo around salt, masked key and the key's checksum.
fn protect(key: &[u8], password: &[u8], salt: &[u8; HASH]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(key.len() + 2 * HASH);
    octets.extend_from_slice(salt);
    octets.extend_from_slice(key);
    whiten(&mut octets[HASH..], password, salt);
    octets.extend_from_slice(&sha1(&[password, key]));
    let algorithm = [&der::element(tag::OID, KEY_PROTECTOR)[..], &[tag::NULL, 0]].concat();
    let info = [der::element(tag::SEQUENCE, &algorithm), der::element(tag::OCTET_STRING, &octets)].concat();
    der::element(tag::SEQUENCE, &info)
}

/// `Ok(None)`: the password is another.
fn unprotect(info: &[u8], password: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, KeystoreError> {
    let parts = || {
        let mut fields = Reader::only(info, tag::SEQUENCE)?;
        let oid = fields.enter(tag::SEQUENCE)?.expect(tag::OID)?;
        Ok((oid, fields.expect(tag::OCTET_STRING)?))
    };
    let (oid, octets) =
        parts().map_err(|fault: Fault| KeystoreError::Damaged(format!("an encrypted private key {fault}")))?;
    if oid != KEY_PROTECTOR {
        return Err(jceks());
    }
    let Some((salt, rest)) = octets.split_at_checked(HASH).filter(|(_, rest)| rest.len() >= HASH) else {
        return Err(KeystoreError::Damaged("an encrypted private key is cut short".to_owned()));
    };
    let (masked, wanted) = rest.split_at(rest.len() - HASH);
    let mut key = Zeroizing::new(masked.to_vec());
    whiten(&mut key, password, salt);
    Ok((sha1(&[password, &key]) == wanted).then_some(key))
}

fn jceks() -> KeystoreError {
    KeystoreError::Unsupported(
        "the keys of a JCEKS key store are not supported; make it PKCS#12: keytool -importkeystore -srckeystore FILE \
         -srcstoretype JCEKS -destkeystore NEW -deststoretype PKCS12"
            .to_owned(),
    )
}

/// One entry as it stands there.
struct Raw<'a> {
    alias: String,
    key: Option<&'a [u8]>,
    certificates: Vec<&'a [u8]>,
}

/// Everything, with one password for the store and its keys.
pub(super) fn read_jks(bytes: &[u8], password: &str) -> Result<Store, KeystoreError> {
    let password = utf16(password);
    let (raw, content) = entries(bytes)?;
    let content = content.ok_or_else(jceks)?;
    let wanted = bytes.get(content..content + HASH).filter(|_| bytes.len() == content + HASH);
    let wanted = wanted.ok_or_else(|| KeystoreError::Damaged("its checksum is missing or cut short".to_owned()))?;
    let unchanged = checksum(&password, &bytes[..content]) == wanted;
    let mut store = Store::default();
    for Raw { alias, key, certificates } in raw {
        let mut chain =
            certificates.into_iter().map(Certificate::from_der).collect::<Result<Vec<_>, _>>().map_err(|error| {
                KeystoreError::Damaged(format!("a certificate of {}: {error}", crate::ui::quote(&alias)))
            })?;
        store.entries.push(match key {
            Some(key) => match unprotect(key, &password)? {
                // A password that opens a key is the right one, whatever the checksum says.
                Some(_) if !unchanged => return Err(KeystoreError::Changed),
                Some(key) => Entry::Pair { alias: Some(alias), key, chain },
                None if !unchanged => return Err(KeystoreError::WrongPassword),
                None => return Err(KeystoreError::WrongKeyPassword(alias)),
            },
            None => Entry::Trusted { alias: Some(alias), certificate: chain.remove(0) },
        });
    }
    if unchanged { Ok(store) } else { Err(KeystoreError::WrongPassword) }
}

/// The certificates alone: they stand in the clear.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<Held>, KeystoreError> {
    let (raw, _) = entries(bytes)?;
    let held = |raw: &Raw<'_>, der: &[u8]| Held {
        alias: Some(raw.alias.clone()),
        with_key: raw.key.is_some(),
        certificate: Certificate::from_der(der).map(Box::new),
    };
    Ok(raw.iter().flat_map(|raw| raw.certificates.iter().map(|der| held(raw, der))).collect())
}

/// The entries, and where they end; `None` when something follows whose end nobody but Java knows: a secret key of JCEKS
/// is a serialized object.
fn entries(bytes: &[u8]) -> Result<(Vec<Raw<'_>>, Option<usize>), KeystoreError> {
    let cut = || KeystoreError::Damaged("it is cut short".to_owned());
    let mut stream = Stream { rest: bytes.get(4..).ok_or_else(cut)? };
    let version = stream.number().ok_or_else(cut)?;
    if !(1..=2).contains(&version) {
        return Err(KeystoreError::Unsupported(format!("version {version} of Java's key store is not supported")));
    }
    let count = stream.number().ok_or_else(cut)? as usize;
    if count > MOST_ENTRIES {
        return Err(KeystoreError::TooManyEntries);
    }
    let (mut entries, mut certificates) = (Vec::new(), 0);
    for _ in 0..count {
        match stream.number().ok_or_else(cut)? {
            kind @ (PAIR | TRUSTED) => {
                let entry = stream.entry(kind == PAIR, version).ok_or_else(cut)?;
                certificates += entry.certificates.len();
                if certificates > MOST_ENTRIES {
                    return Err(KeystoreError::TooManyEntries);
                }
                entries.push(entry);
            }
            SECRET if bytes.starts_with(&MAGIC_JCEKS) => return Ok((entries, None)),
            other => return Err(KeystoreError::Damaged(format!("it has an entry of the kind {other}"))),
        }
    }
    Ok((entries, Some(bytes.len() - stream.rest.len())))
}

/// Java's DataInputStream: big-endian numbers, and text behind its length.
struct Stream<'a> {
    rest: &'a [u8],
}

impl<'a> Stream<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4).map(|octets| u32::from_be_bytes(octets.try_into().expect("four octets")))
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2)?.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
        self.take(length)
    }

    fn entry(&mut self, with_key: bool, version: u32) -> Option<Raw<'a>> {
        let alias = read_text(self.text()?);
        self.take(8)?;
        let key = if with_key { Some(self.counted()?) } else { None };
        let count = if with_key { self.number()? } else { 1 };
        let mut certificates = Vec::new();
        // One more than there may be is enough to be refused for.
        for _ in 0..count.min(MOST_ENTRIES as u32 + 1) {
            if version == 2 {
                self.text()?;
            }
            certificates.push(self.counted()?);
        }
        Some(Raw { alias, key, certificates })
    }
}
