//! RFC 5280 4.2.1.6 gives a list of names; one that stands there twice says nothing and costs every handshake its octets.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use std::collections::HashSet;

pub(super) const LINT: Lint = Lint {
    name: "san_duplicates",
    citation: "RFC 5280 4.2.1.6",
    severity: Severity::Warning,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let names = context.certificate.subject_alt_names().unwrap_or_default();
    // Lists are short; only a long one is worth a set.
    let twice = if names.len() < 64 {
        names.iter().enumerate().any(|(position, name)| names[..position].contains(name))
    } else {
        names.iter().collect::<HashSet<_>>().len() < names.len()
    };
    Outcome::fail_if(twice, "a subject alternative name stands there twice")
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
    fn the_same_name_twice_fails() {
        for count in [2, 100] {
            fails(&LINT, Purpose::Server, |draft| {
                draft.extension(oid::SUBJECT_ALT_NAME).value = general_names(&vec![(0x82, &b"a.b"[..]); count]);
            });
        }
    }
}
