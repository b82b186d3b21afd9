//! RFC 5280 4.2.1.13: "The extension SHOULD be non-critical"; a distribution point "MUST NOT consist of only the reasons field",
//! and the URIs are http or ldap: Erlang fetches only http.

use super::is_http;
use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::ui::quote;
use crate::x509::oid;

pub(super) const LINT: Lint = Lint {
    name: "crl_distribution_points",
    citation: "RFC 5280 4.2.1.13",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let Some(extension) = context.certificate.extension(oid::CRL_DISTRIBUTION_POINTS) else { return Outcome::Pass };
    if extension.critical {
        return Outcome::Fail("the CRL distribution points are critical".into());
    }
    let uris = context.certificate.crl_distribution_points();
    match uris.iter().find(|uri| !is_http(uri)) {
        Some(uri) => Outcome::Fail(format!("the CRL distribution point {} is no http URI", quote(uri)).into()),
        None => Outcome::fail_if(uris.is_empty(), "the CRL distribution points hold no URI"),
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
        fails(&LINT, Purpose::Server, |draft| draft.extension(oid::CRL_DISTRIBUTION_POINTS).critical = true);
        for uri in [&b"https://a.b/c"[..], b"file:///etc/crl", b"http://"] {
            let point = element(0x30, &element(0xa0, &element(0xa0, &element(0x86, uri))));
            fails(&LINT, Purpose::Server, |draft| {
                draft.extension(oid::CRL_DISTRIBUTION_POINTS).value = element(0x30, &point)
            });
        }
        fails(&LINT, Purpose::Server, |draft| draft.extension(oid::CRL_DISTRIBUTION_POINTS).value = vec![0x30, 0]);
    }
}
