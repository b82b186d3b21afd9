//! Unicode TR 36 3: characters that are invisible or reorder their neighbours make two names look alike. A broker takes the
//! common name for a user, so neither they nor control characters belong into a name.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::DistinguishedName;

pub(super) const LINT: Lint = Lint {
    name: "attribute_characters",
    citation: "Unicode TR 36 3",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    // Whoever has the issuer at hand judges its name there: what it signs has to repeat it, octet for octet.
    let issuer = context.issuer.is_none().then(|| context.certificate.issuer());
    let names = [Some(context.certificate.subject()), issuer];
    for attribute in names.into_iter().flatten().flat_map(DistinguishedName::attributes) {
        if let Some(hidden) = attribute.hidden_character() {
            let message =
                format!("{} holds the character U+{:04X}, which nobody sees", attribute.short_name, u32::from(hidden));
            return Outcome::Fail(message.into());
        }
    }
    Outcome::Pass
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::support::{context, fails, passes};
    use crate::lint::{Context, Outcome, Purpose};
    use crate::x509::sample::{Draft, name};

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    /// What an authority of somebody else's is called has to stand in what it signs.
    #[test]
    fn the_issuer_s_name_is_judged_with_the_issuer() {
        let hidden = name("2.5.4.3", 0x0c, "a\u{200b}b".as_bytes());
        let context = context(Purpose::Client);
        let draft = Draft { issuer: hidden, ..Draft::of(context.certificate) };
        let certificate = &draft.certificate();
        assert_eq!(LINT.check(&Context { certificate, ..context }), Outcome::Pass);
        assert!(matches!(LINT.check(&Context { certificate, issuer: None, ..context }), Outcome::Fail(_)));
        fails(&LINT, Purpose::RootAuthority, |draft| draft.subject = name("2.5.4.3", 0x0c, "a\u{200b}b".as_bytes()));
    }

    #[test]
    fn control_and_bidirectional_characters_fail() {
        for value in ["a\u{1b}[m", "a\nb", "a\u{7f}", "a\u{202e}b", "a\u{200b}b", "a\0b"] {
            fails(&LINT, Purpose::Client, |draft| draft.subject = name("2.5.4.3", 0x0c, value.as_bytes()));
        }
    }
}
