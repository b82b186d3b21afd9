//! RFC 5280 4.1.2.4: "CAs conforming to this profile MUST use either the PrintableString or UTF8String encoding of
//! DirectoryString"; countryName, serialNumber and dnQualifier are PrintableString, domainComponent and emailAddress IA5String.
//!
//! The issuer's name is not judged: it is copied from whoever made it.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::StringType;

pub(super) const LINT: Lint = Lint {
    name: "attribute_string_type",
    citation: "RFC 5280 4.1.2.4, Appendix A",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    for attribute in context.certificate.subject().attributes() {
        let allowed: &[StringType] = match &*attribute.short_name {
            "C" | "serialNumber" | "dnQualifier" => &[StringType::Printable],
            "DC" | "emailAddress" => &[StringType::Ia5],
            // A type that is only a number may be of any syntax.
            name if name == attribute.oid => continue,
            _ => &[StringType::Utf8, StringType::Printable],
        };
        if !allowed.contains(&attribute.string_type) {
            return Outcome::Fail(
                format!("{} of the subject is of the wrong string type", attribute.short_name).into(),
            );
        }
    }
    Outcome::Pass
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::sample::name;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn other_string_types_fail() {
        for (oid, tag) in [
            ("2.5.4.3", 0x16),
            ("2.5.4.3", 0x14),
            ("2.5.4.10", 0x1e),
            ("2.5.4.6", 0x0c),
            ("1.2.840.113549.1.9.1", 0x0c),
        ] {
            fails(&LINT, Purpose::Client, |draft| draft.subject = name(oid, tag, b"\0x"));
        }
    }
}
