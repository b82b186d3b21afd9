//! X.680 41.4 lists the characters of PrintableString: letters, digits, space and '()+,-./:=?. Strict decoders refuse
//! the others, underscore and @ among them.

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "printable_string",
    citation: "RFC 5280 4.1.2.4, X.680 41.4",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let wrong = context.certificate.subject().attributes().any(|attribute| !attribute.fits_its_string_type());
    Outcome::fail_if(wrong, "the subject has a PrintableString with characters that are not allowed in it")
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
    fn an_underscore_fails() {
        fails(&LINT, Purpose::Client, |draft| draft.subject = name("2.5.4.3", 0x13, b"celery_worker"));
    }
}
