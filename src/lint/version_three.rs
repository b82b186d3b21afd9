//! RFC 5280 4.1.2.1: "When extensions are used, as expected in this profile, version MUST be 3 (value is 2)."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "version_three",
    citation: "RFC 5280 4.1.2.1",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    Outcome::fail_if(context.certificate.version() != 3, "the version is not 3")
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn version_1_fails() {
        fails(&LINT, Purpose::Client, |draft| {
            draft.version.clear();
            draft.extensions.clear();
        });
    }

    #[test]
    fn version_2_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.version = vec![0xa0, 3, 2, 1, 1]);
    }
}
