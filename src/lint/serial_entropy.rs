//! CA/Browser Forum baseline requirements 7.1: serial numbers hold "at least 64 bits of output from a CSPRNG".
//!
//! Less than that invites a counter, and a counter that is lost repeats: browsers then refuse both certificates.

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "serial_entropy",
    citation: "CABF BR 7.1",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    Outcome::fail_if(context.certificate.serial().as_bytes().len() < 8, "the serial number has fewer than 64 bits")
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
    fn a_counter_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.serial = vec![3]);
    }
}
