//! The checksum over everything, which also tells whether the password is right: MacData (RFC 7292 section 4) and PBMAC1
//! (RFC 9579).

use std::num::NonZeroU32;

use aws_lc_rs::hmac;

use super::super::{KeystoreError, Work};
use super::kdf::{Hash, Password, Purpose};
use super::pbe;
use crate::x509::der::{self, Fault, Reader, tag};

const PBMAC1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0e";

/// The MacData over the content of the AuthenticatedSafe.
pub(super) fn write(
    content: &[u8],
    password: &Password<'_>,
    hash: Hash,
    salt: &[u8],
    iterations: NonZeroU32,
) -> Vec<u8> {
    let key = password.derive(hash, Purpose::Mac, salt, iterations.get(), hash.length());
    let code = hmac::sign(&hash.hmac(&key), content);
    let algorithm = [&der::element(tag::OID, hash.oid())[..], &[tag::NULL, 0]].concat();
    let info = [der::element(tag::SEQUENCE, &algorithm), der::element(tag::OCTET_STRING, code.as_ref())].concat();
    let parts = [
        der::element(tag::SEQUENCE, &info),
        der::element(tag::OCTET_STRING, salt),
        super::write::integer(iterations.get()),
    ];
    der::element(tag::SEQUENCE, &parts.concat())
}

/// Whether the MacData with this content fits content and password.
pub(super) fn fits(
    mac_data: &[u8],
    content: &[u8],
    password: &Password<'_>,
    work: &mut Work,
) -> Result<bool, KeystoreError> {
    let damaged = |fault: Fault| KeystoreError::Damaged(format!("its checksum {fault}"));
    let mut fields = Reader::new(mac_data);
    let mut info = fields.enter(tag::SEQUENCE).map_err(damaged)?;
    let mut algorithm = info.enter(tag::SEQUENCE).map_err(damaged)?;
    let code = info.expect(tag::OCTET_STRING).map_err(damaged)?;
    let salt = fields.expect(tag::OCTET_STRING).map_err(damaged)?;
    let oid = algorithm.expect(tag::OID).map_err(damaged)?;
    if oid == PBMAC1 {
        return pbmac1_fits(algorithm.enter(tag::SEQUENCE).map_err(damaged)?, code, content, password, work);
    }
    let hash = Hash::ALL.into_iter().find(|hash| hash.oid() == oid);
    let hash = hash.ok_or_else(|| pbe::unsupported("the checksum", oid))?;
    let iterations = match fields.is_empty() {
        true => NonZeroU32::MIN,
        false => pbe::iterations(fields.integer().map_err(damaged)?)?,
    };
    work.count(iterations.get().into())?;
    let key = password.derive(hash, Purpose::Mac, salt, iterations.get(), hash.length());
    Ok(hmac::verify(&hash.hmac(&key), content, code).is_ok())
}

/// PBMAC1-params (RFC 8018 appendix A.5): the salt and the iterations outside of it mean nothing (RFC 9579 section 5).
fn pbmac1_fits(
    mut parameters: Reader<'_>,
    code: &[u8],
    content: &[u8],
    password: &Password<'_>,
    work: &mut Work,
) -> Result<bool, KeystoreError> {
    let damaged = |fault: Fault| KeystoreError::Damaged(format!("its checksum {fault}"));
    let mut derivation = parameters.enter(tag::SEQUENCE).map_err(damaged)?;
    let mut scheme = parameters.enter(tag::SEQUENCE).map_err(damaged)?;
    let (salt, iterations, derived_with) = pbe::read_pbkdf2(&mut derivation)?;
    let oid = scheme.expect(tag::OID).map_err(damaged)?;
    let hash = Hash::ALL.into_iter().find(|hash| hash.hmac_oid() == oid);
    let hash = hash.ok_or_else(|| pbe::unsupported("the checksum", oid))?;
    work.count(iterations.get().into())?;
    // OpenSSL and Java write the length of the hash, which RFC 9579 section 4 recommends.
    let key = password.pbkdf2(derived_with, salt, iterations, hash.length());
    Ok(hmac::verify(&hash.hmac(&key), content, code).is_ok())
}
