//! How an authority differs from what the manifest says of it. It is never replaced for that: everything below it would be
//! lost, so each difference is told, and somebody decides.

use crate::manifest::Authority;
use crate::plan::Reason;
use crate::plan::checks::validity_difference;
use crate::x509::{Certificate, NameConstraints};

/// What an authority's own manifest decides, and what whoever signs it does.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The authority here that signed it, where known.
    pub issuer: Option<&'a str>,
    /// It was signed elsewhere: subject, dates and limits were decided there.
    pub is_signed_elsewhere: bool,
    /// How many levels of authorities the manifest has below it.
    pub levels_below: u8,
}

/// Every difference between an authority and its entry, in the order of a certificate's fields.
pub fn authority_reasons(wanted: &Authority, certificate: &Certificate, standing: Standing<'_>) -> Vec<Reason> {
    let mut found = Vec::new();
    let key_type = certificate.public_key().key_type();
    if key_type != Some(wanted.key_type) {
        found.push(Reason::KeyType { is: key_type, should_be: wanted.key_type });
    }
    if standing.is_signed_elsewhere {
        return found;
    }
    let should_be = wanted.issuer.as_ref().unwrap_or(&wanted.name);
    if standing.issuer != Some(should_be) {
        found.push(Reason::Issuer { is: standing.issuer.map(str::to_owned), should_be: should_be.clone() });
    }
    found.extend(validity_difference(wanted.validity, wanted.validity_is_default, certificate));
    if let Ok(subject) = wanted.full_subject(certificate.public_key())
        && subject.der() != certificate.subject().der()
    {
        found.push(Reason::Subject { is: certificate.subject().clone(), should_be: subject });
    }
    found.extend(path_length_difference(wanted, certificate, standing.levels_below));
    let (is, should_be) = (certificate.name_constraints(), wanted.name_constraints.as_ref());
    if !is_alike(is, should_be) {
        found.push(Reason::NameConstraints { is: is.cloned(), should_be: should_be.cloned() });
    }
    found
}

/// An intermediate whose path length is not said has one that suffices; a longer one than it needs is no difference.
fn path_length_difference(wanted: &Authority, certificate: &Certificate, levels_below: u8) -> Option<Reason> {
    let is = certificate.basic_constraints().and_then(|constraints| constraints.path_length);
    let said = wanted.path_length.map(u32::from);
    let suffices = wanted.issuer.is_some() && said.is_none() && is.is_none_or(|is| is >= u32::from(levels_below));
    let should_be = if wanted.issuer.is_some() { said.or(Some(u32::from(levels_below))) } else { said };
    (!suffices && is != should_be).then_some(Reason::PathLength { is, should_be })
}

/// The order of a list of names means nothing.
fn is_alike(is: Option<&NameConstraints>, should_be: Option<&NameConstraints>) -> bool {
    let (Some(is), Some(should_be)) = (is, should_be) else { return is.is_none() && should_be.is_none() };
    let same = |a: &[_], b: &[_]| a.iter().all(|one| b.contains(one)) && b.iter().all(|one| a.contains(one));
    same(&is.permitted, &should_be.permitted) && same(&is.excluded, &should_be.excluded)
}
