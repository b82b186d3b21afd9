//! RFC 5280 4.2.1.10: name constraints indicate "a name space within which all subject names in subsequent certificates in a
//! certification path MUST be located".
//!
//! "Subsequent" reaches beyond the issuer: what an authority further up permits binds everything below it.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::ui::quote;

pub(super) const LINT: Lint = Lint {
    name: "names_inside_constraints",
    citation: "RFC 5280 4.2.1.10",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let names = context.certificate.subject_alt_names().unwrap_or_default();
    let above = context.above.iter().map(|authority| (authority, "an authority above the issuer"));
    for (authority, whose) in context.issuer.into_iter().map(|issuer| (issuer, "the issuer")).chain(above) {
        let Some(constraints) = authority.name_constraints() else { continue };
        if let Some(name) = names.iter().find(|name| !constraints.allows(name)) {
            return Outcome::Fail(format!("{whose} may not sign for {}", quote(&name.to_string())).into());
        }
    }
    Outcome::Pass
}

#[cfg(test)]
mod tests {
    use super::{Context, LINT, Outcome};
    use crate::lint::Purpose;
    use crate::lint::support::{context, fails, passes};
    use crate::x509::sample::{Draft, element};
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

    #[test]
    fn constraints_of_the_issuers_issuer_bind_too() {
        // The sample's intermediate permits less than this name; as the issuer's issuer it still does.
        let server = context(Purpose::Server);
        let constrained = [server.issuer.expect("an issuer").clone()];
        let name = GeneralName::parse("example.org").unwrap().to_der().unwrap();
        let mut draft = Draft::of(server.certificate);
        draft.extension(oid::SUBJECT_ALT_NAME).value = element(0x30, &name);
        let outside = draft.certificate();
        let below = Context { certificate: &outside, issuer: None, above: &constrained, ..server };
        assert!(matches!(LINT.check(&below), Outcome::Fail(message) if message.contains("above the issuer")));
        assert_eq!(LINT.check(&Context { above: &constrained, ..server }), Outcome::Pass);
    }
}
