//! RFC 5280 4.2.1.6: iPAddress has 4 or 16 octets; a URI "MUST NOT be a relative URI" and is an IA5String; rfc822Name is a
//! Mailbox.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::ui::quote;
use crate::x509::GeneralName;

pub(super) const LINT: Lint = Lint {
    name: "san_values",
    citation: "RFC 5280 4.2.1.6",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    for name in context.certificate.subject_alt_names().unwrap_or_default() {
        // Host names have a lint of their own.
        if !matches!(name, GeneralName::Dns(_))
            && let Some(why) = name.fault()
        {
            return Outcome::Fail(format!("the subject alternative name {}: {why}", quote(&name.to_string())).into());
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
    fn malformed_values_fail() {
        for (tag, value) in [
            (0x87, &b"10.0.0.1"[..]),
            (0x87, &[10, 0, 0]),
            (0x86, b"/relative"),
            (0x86, b"https://"),
            (0x86, b"https://a b"),
            (0x81, b"nobody"),
            (0x81, b"a b@c.d"),
        ] {
            fails(&LINT, Purpose::Server, |draft| {
                draft.extension(oid::SUBJECT_ALT_NAME).value = general_names(&[(tag, value)])
            });
        }
    }
}
