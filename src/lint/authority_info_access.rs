//! RFC 5280 4.2.2.1: "Conforming CAs MUST mark this extension as non-critical"; the URIs are http or ldap. With https a client
//! would need the answer to fetch the answer.

use super::is_http;
use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::ui::quote;
use crate::x509::oid;

pub(super) const LINT: Lint = Lint {
    name: "authority_info_access",
    citation: "RFC 5280 4.2.2.1",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let Some(access) = context.certificate.authority_info_access() else { return Outcome::Pass };
    if context.certificate.extension(oid::AUTHORITY_INFO_ACCESS).is_some_and(|extension| extension.critical) {
        return Outcome::Fail("the authority information access is critical".into());
    }
    if access.is_empty() {
        return Outcome::Fail("the authority information access holds no URI".into());
    }
    match access.ca_issuers.iter().chain(&access.ocsp).find(|uri| !is_http(uri)) {
        Some(uri) => Outcome::Fail(format!("the authority information access {} is no http URI", quote(uri)).into()),
        None => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::oid;
    use crate::x509::sample::element;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn critical_empty_or_other_schemes_fail() {
        fails(&LINT, Purpose::IntermediateAuthority, |draft| {
            draft.extension(oid::AUTHORITY_INFO_ACCESS).critical = true
        });
        let method = element(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 2]);
        for uri in [&b"https://a.b/c"[..], b"file:///etc/ca", b"http://"] {
            let access = element(0x30, &element(0x30, &[method.clone(), element(0x86, uri)].concat()));
            fails(&LINT, Purpose::IntermediateAuthority, |draft| {
                draft.extension(oid::AUTHORITY_INFO_ACCESS).value = access
            });
        }
        fails(&LINT, Purpose::IntermediateAuthority, |draft| {
            draft.extension(oid::AUTHORITY_INFO_ACCESS).value = vec![0x30, 0]
        });
    }
}
