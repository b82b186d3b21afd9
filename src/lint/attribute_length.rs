//! RFC 5280 Appendix A.1, Upper Bounds: ub-common-name 64, ub-organization-name 64, ub-locality-name 128 and so on; and
//! DirectoryString has SIZE (1..MAX).

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "attribute_length",
    citation: "RFC 5280 Appendix A",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    for attribute in context.certificate.subject().attributes() {
        let bound = attribute.upper_bound().unwrap_or(usize::MAX);
        // Octets are at least as many as characters, so that most values are not counted.
        let too_long = attribute.value.len() > bound && attribute.value.chars().count() > bound;
        if attribute.value.is_empty() || too_long {
            let what = if too_long { "is too long" } else { "is empty" };
            return Outcome::Fail(format!("{} of the subject {what}", attribute.short_name).into());
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
    fn values_beyond_the_bounds_fail() {
        for (oid, value) in [("2.5.4.3", "x".repeat(65)), ("2.5.4.10", "ж".repeat(65)), ("2.5.4.3", String::new())] {
            fails(&LINT, Purpose::Client, |draft| draft.subject = name(oid, 0x0c, value.as_bytes()));
        }
    }
}
