//! How an encrypted private key is encrypted, without its password: who can open it, and how long that takes.

use super::der::{Fault, Reader, tag};
use super::{Label, read_pem};

const PBES2: &str = "1.2.840.113549.1.5.13";
const PBKDF2: &str = "1.2.840.113549.1.5.12";
const SCRYPT: &str = "1.3.6.1.4.1.11591.4.11";

/// The encryption of one private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyProtection {
    /// OpenSSL's own, in the PEM header.
    Traditional,
    /// PBES2 (RFC 8018) with PBKDF2.
    Pbkdf2 {
        /// The iteration count: the work of each opening.
        rounds: u64,
        /// The cipher as a dotted object identifier.
        cipher: String,
    },
    /// PBES2 with scrypt (RFC 7914).
    Scrypt,
    /// Another scheme, mostly PBES1, as a dotted object identifier.
    Other(String),
}

impl KeyProtection {
    /// That of each encrypted key in a file, PEM or DER; what cannot be read is left out.
    pub fn of_file(bytes: &[u8]) -> Vec<Self> {
        if bytes.first() == Some(&tag::SEQUENCE) {
            return read(bytes).into_iter().collect();
        }
        let blocks = read_pem(bytes).unwrap_or_default();
        let protection = |block: &super::PemBlock| match &block.label {
            _ if block.traditional_encryption => Some(Self::Traditional),
            Label::EncryptedPrivateKey => read(&block.der).ok(),
            _ => None,
        };
        blocks.iter().filter_map(protection).collect()
    }
}

/// EncryptedPrivateKeyInfo (RFC 5958 section 3).
fn read(der: &[u8]) -> Result<KeyProtection, Fault> {
    let mut info = Reader::only(der, tag::SEQUENCE)?;
    let mut scheme = info.enter(tag::SEQUENCE)?;
    info.expect(tag::OCTET_STRING)?;
    info.end()?;
    let oid = scheme.oid()?;
    if oid != PBES2 {
        return Ok(KeyProtection::Other(oid.into_owned()));
    }
    let mut parameters = scheme.enter(tag::SEQUENCE)?;
    let mut derivation = parameters.enter(tag::SEQUENCE)?;
    let cipher = parameters.enter(tag::SEQUENCE)?.oid()?.into_owned();
    match &*derivation.oid()? {
        PBKDF2 => {
            let mut parameters = derivation.enter(tag::SEQUENCE)?;
            parameters.expect(tag::OCTET_STRING)?;
            let count = parameters.integer()?;
            let rounds = count.iter().fold(0u64, |sum, octet| sum.saturating_mul(256).saturating_add((*octet).into()));
            Ok(KeyProtection::Pbkdf2 { rounds, cipher })
        }
        SCRYPT => Ok(KeyProtection::Scrypt),
        other => Ok(KeyProtection::Other(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::PrivateKey;
    use crate::x509::test_support::{Scratch, key};

    #[test]
    fn what_is_written_here_is_pbkdf2_with_ten_thousand_rounds() {
        let key: &PrivateKey = key(crate::x509::KeyType::EcdsaP256, 0);
        let pem = key.to_encrypted_pem(b"secret").unwrap();
        let aes_256_cbc = "2.16.840.1.101.3.4.1.42".to_owned();
        assert_eq!(
            KeyProtection::of_file(pem.as_bytes()),
            [KeyProtection::Pbkdf2 { rounds: 10_000, cipher: aes_256_cbc }]
        );
        assert_eq!(KeyProtection::of_file(key.to_pem().as_bytes()), []);
    }

    #[test]
    fn every_scheme_of_openssl_is_told() {
        let scratch = Scratch::new();
        scratch.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k.pem");
        for (line, wanted) in [
            ("pkcs8 -topk8 -in k.pem -scrypt -passout pass:a -out e.pem", KeyProtection::Scrypt),
            (
                "pkcs8 -topk8 -in k.pem -v1 PBE-SHA1-3DES -passout pass:a -out e.pem",
                KeyProtection::Other("1.2.840.113549.1.12.1.3".to_owned()),
            ),
            ("ec -in k.pem -aes256 -passout pass:a -out e.pem", KeyProtection::Traditional),
        ] {
            scratch.openssl(line);
            assert_eq!(KeyProtection::of_file(&scratch.read("e.pem")), [wanted], "{line}");
        }
        scratch.openssl("pkcs8 -topk8 -in k.pem -v2 aes-128-cbc -iter 600000 -passout pass:a -outform DER -out e.der");
        let found = KeyProtection::of_file(&scratch.read("e.der"));
        assert!(matches!(found.as_slice(), [KeyProtection::Pbkdf2 { rounds: 600_000, .. }]), "{found:?}");
    }

    #[test]
    fn damaged_bytes_have_none() {
        let pem = key(crate::x509::KeyType::EcdsaP256, 0).to_encrypted_pem(b"secret").unwrap();
        let der = read_pem(pem.as_bytes()).unwrap().remove(0).der;
        for at in 0..der.len() {
            assert_eq!(KeyProtection::of_file(&der[..at]), [], "{at}");
        }
    }
}
