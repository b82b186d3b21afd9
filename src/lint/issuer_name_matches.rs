//! RFC 5280 6.1.3 (a)(4): "The certificate issuer name is the working_issuer_name." Erlang, like most, compares octets.

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "issuer_name_matches",
    citation: "RFC 5280 6.1.3",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let Some(issuer) = context.issuer() else { return Outcome::Pass };
    Outcome::fail_if(
        context.certificate.issuer() != issuer.subject(),
        "the issuer's name is not the issuer's subject octet for octet",
    )
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
    fn the_same_words_in_another_string_type_fail() {
        fails(&LINT, Purpose::Server, |draft| draft.issuer = name("2.5.4.3", 0x13, b"intermediate"));
    }

    #[test]
    fn a_root_that_is_not_its_own_issuer_fails() {
        fails(&LINT, Purpose::RootAuthority, |draft| draft.issuer = name("2.5.4.3", 0x0c, b"another"));
    }
}
