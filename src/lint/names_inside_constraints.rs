//! RFC 5280 4.2.1.10: name constraints indicate "a name space within which all subject names in subsequent certificates in a
//! certification path MUST be located".
//!
//! Only the issuer's own constraints are seen here; those above it are verify's.

use super::{Context, Lint, Outcome, Severity};
use crate::ui::quote;
use crate::x509::Certificate;

pub(super) const LINT: Lint =
    Lint { name: "names_inside_constraints", citation: "RFC 5280 4.2.1.10", severity: Severity::Error, check };

fn check(context: &Context<'_>) -> Outcome {
    let Some(constraints) = context.issuer.and_then(Certificate::name_constraints) else { return Outcome::Pass };
    for name in context.certificate.subject_alt_names().unwrap_or_default() {
        if !constraints.allows(name) {
            return Outcome::Fail(format!("the issuer may not sign for {}", quote(&name.to_string())).into());
        }
    }
    Outcome::Pass
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::sample::element;
    use crate::x509::{GeneralName, oid};

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn a_name_outside_fails() {
        for name in ["example.org", "badexample.com", "*.com.example", "11.0.0.1"] {
            let name = GeneralName::parse(name).unwrap().to_der().unwrap();
            fails(&LINT, Purpose::Server, |draft| draft.extension(oid::SUBJECT_ALT_NAME).value = element(0x30, &name));
        }
    }
}
