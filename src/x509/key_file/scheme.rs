//! The schemes that an `EncryptedPrivateKeyInfo` names: PBES2 is read, what came before it is only known.

use super::{X509Error, damaged};
use crate::x509::der::{Fault, Reader, tag};

const PBES2: &str = "1.2.840.113549.1.5.13";

/// PBES1 (RFC 8018 appendix A.3) and the schemes of PKCS#12 (RFC 7292 appendix C), and whether OpenSSL 3 needs its legacy
/// provider for them.
const OLD_SCHEMES: [(&str, &str, bool); 12] = [
    ("1.2.840.113549.1.5.1", "PBES1 (MD2, DES)", true),
    ("1.2.840.113549.1.5.3", "PBES1 (MD5, DES)", true),
    ("1.2.840.113549.1.5.4", "PBES1 (MD2, RC2)", true),
    ("1.2.840.113549.1.5.6", "PBES1 (MD5, RC2)", true),
    ("1.2.840.113549.1.5.10", "PBES1 (SHA-1, DES)", true),
    ("1.2.840.113549.1.5.11", "PBES1 (SHA-1, RC2)", true),
    ("1.2.840.113549.1.12.1.1", "PBES1 (SHA-1, RC4)", true),
    ("1.2.840.113549.1.12.1.2", "PBES1 (SHA-1, RC4 of 40 bits)", true),
    ("1.2.840.113549.1.12.1.3", "PBES1 (SHA-1, 3DES)", false),
    ("1.2.840.113549.1.12.1.4", "PBES1 (SHA-1, 3DES with two keys)", false),
    ("1.2.840.113549.1.12.1.5", "PBES1 (SHA-1, RC2)", true),
    ("1.2.840.113549.1.12.1.6", "PBES1 (SHA-1, RC2 of 40 bits)", true),
];

/// Ciphers that PBES2 may name and that are not read.
const OLD_CIPHERS: [(&str, &str); 2] = [("1.2.840.113549.3.2", "RC2"), ("1.3.14.3.2.7", "DES")];

/// Refuses what is not PBES2 or has a cipher that is not read.
pub(super) fn check(der: &[u8]) -> Result<(), X509Error> {
    let (scheme, cipher) = identifiers(der).map_err(|fault| damaged("the encrypted private key", fault))?;
    if let Some(cipher) = cipher {
        return match OLD_CIPHERS.iter().find(|(oid, _)| *oid == cipher) {
            Some((_, name)) => Err(X509Error::OldEncryption { with: (*name).to_owned(), legacy: true }),
            None => Ok(()),
        };
    }
    Err(match OLD_SCHEMES.iter().find(|(oid, ..)| *oid == scheme) {
        Some((_, name, legacy)) => X509Error::OldEncryption { with: (*name).to_owned(), legacy: *legacy },
        None => unknown(),
    })
}

pub(super) fn unknown() -> X509Error {
    X509Error::OldEncryption { with: "a cipher or hash that is not known here".to_owned(), legacy: false }
}

/// The scheme, and the cipher if the scheme is PBES2.
fn identifiers(der: &[u8]) -> Result<(String, Option<String>), Fault> {
    let mut fields = Reader::only(der, tag::SEQUENCE)?;
    let mut scheme = fields.enter(tag::SEQUENCE)?;
    fields.expect(tag::OCTET_STRING)?;
    fields.end()?;
    let oid = scheme.oid()?;
    if oid != PBES2 {
        return Ok((oid.into_owned(), None));
    }
    let mut parameters = scheme.enter(tag::SEQUENCE)?;
    parameters.element(tag::SEQUENCE)?;
    let cipher = parameters.enter(tag::SEQUENCE)?.oid()?.into_owned();
    Ok((oid.into_owned(), Some(cipher)))
}
