//! RFC 5280 Appendix A: "X520countryName ::= PrintableString (SIZE (2))", an ISO 3166 code in capitals.

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "country",
    citation: "RFC 5280 Appendix A",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let wrong = context.certificate.subject().attributes().any(|attribute| {
        attribute.short_name == "C"
            && (attribute.value.len() != 2 || !attribute.value.bytes().all(|b| b.is_ascii_uppercase()))
    });
    Outcome::fail_if(wrong, "the country is not two capital letters")
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
    fn words_and_small_letters_fail() {
        for value in ["de", "DEU", "Germany"] {
            fails(&LINT, Purpose::Client, |draft| draft.subject = name("2.5.4.6", 0x13, value.as_bytes()));
        }
    }
}
