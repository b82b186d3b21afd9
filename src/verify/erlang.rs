//! What Erlang's `ssl` asks of a peer beyond RFC 5280, where it differs from openssl: as measured on OTP 25, 27 and 29.
//!
//! Its path validation is otherwise laxer (it does not look at path length or key usage of a trust anchor), so whoever
//! wants a chain that works on both sides asks [`super::verify`] too.

use time::OffsetDateTime;

use super::Purpose;
use crate::ui;
use crate::x509::Certificate;

/// Why a broker would refuse a peer that shows `presented`, leaf first, and is verified against `bundle`; `None`: it would
/// not.
pub fn erlang_refuses(
    presented: &[Certificate],
    bundle: &[Certificate],
    purpose: Purpose,
    now: OffsetDateTime,
) -> Option<String> {
    let leaf = presented.first()?;
    // OTP follows issuers through what it was shown and then through the bundle; there are no partial chains, so the end
    // must be a root that stands in the bundle.
    let mut path = vec![leaf];
    while let Some(last) = path.last().copied().filter(|last| !last.is_self_issued()) {
        let issues = |ca: &&Certificate| ca.subject().der() == last.issuer().der() && last.is_signed_by(ca);
        let found = bundle.iter().chain(presented).find(|ca| issues(ca) && !path.contains(ca));
        let Some(issuer) = found else {
            return Some(format!("unknown_ca: nobody trusts {}", ui::quote(&last.issuer().to_string())));
        };
        path.push(issuer);
    }
    let root = path.last().copied()?;
    if path.len() == 1 {
        return Some("selfsigned_peer: the certificate signed itself".to_owned());
    }
    if !bundle.contains(root) {
        return Some(format!("unknown_ca: {} is not in the bundle", ui::quote(&root.subject().to_string())));
    }
    // A client sends its chain only to a server that names the issuer of the chain's end among its authorities.
    let end = presented.last()?;
    if !bundle.iter().any(|ca| ca.subject().der() == end.issuer().der()) {
        return Some(format!(
            "certificate_required: the chain ends below {}, whom the server does not name",
            ui::quote(&end.issuer().to_string())
        ));
    }
    if let Some(over) = path.iter().find(|c| now < c.validity().not_before || now > c.validity().not_after) {
        return Some(format!("certificate_expired: {}", ui::quote(&over.subject().to_string())));
    }
    let usages = leaf.extended_key_usage().unwrap_or_default();
    if !usages.is_empty() && purpose.wanted().iter().any(|usage| !usages.contains(usage)) {
        return Some("invalid_ext_keyusage: the certificate is for another purpose".to_owned());
    }
    None
}
