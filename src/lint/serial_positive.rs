//! RFC 5280 4.1.2.2: "The serial number MUST be a positive integer assigned by the CA to each certificate."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "serial_positive",
    citation: "RFC 5280 4.1.2.2",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    Outcome::fail_if(!context.certificate.serial().is_positive(), "the serial number is not positive")
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
    fn zero_and_negative_numbers_fail() {
        for serial in [&[0][..], &[0x80], &[0x9f; 16]] {
            fails(&LINT, Purpose::Server, |draft| draft.serial = serial.to_vec());
        }
    }
}
