//! RFC 5280 4.2.1.6: "The name MUST be in the preferred name syntax, as specified by Section 3.5 of RFC 1034 and as modified by
//! Section 2.1 of RFC 1123 ... subjectAltName extensions with a dNSName of ' ' MUST NOT be used." RFC 9525 6.3: the wildcard is
//! the complete left-most label.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::ui::quote;
use crate::x509::GeneralName;

pub(super) const LINT: Lint = Lint {
    name: "dns_name_syntax",
    citation: "RFC 5280 4.2.1.6, RFC 9525 6.3",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    for name in context.certificate.subject_alt_names().unwrap_or_default() {
        if let GeneralName::Dns(name) = name
            && let Some(why) = name.fault()
        {
            return Outcome::Fail(format!("the host name {}: {why}", quote(name.as_str())).into());
        }
    }
    Outcome::Pass
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::general_names;
    use crate::lint::support::{fails, passes};
    use crate::x509::oid;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn what_is_no_host_name_fails() {
        for name in [
            "",
            " ",
            "celery_worker",
            "10.0.0.1",
            "*",
            "*.com",
            "a*.b.c",
            "a.*.b.c",
            "a..b",
            "a.b.",
            "https://a.b",
            "-a.b",
        ] {
            fails(&LINT, Purpose::Server, |draft| {
                draft.extension(oid::SUBJECT_ALT_NAME).value = general_names(&[(0x82, name.as_bytes())]);
            });
        }
    }
}
