//! RFC 5280 4.1.2.2: "Conforming CAs MUST NOT use serialNumber values longer than 20 octets."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "serial_length",
    citation: "RFC 5280 4.1.2.2",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    Outcome::fail_if(context.certificate.serial().as_bytes().len() > 20, "the serial number is longer than 20 octets")
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
    fn twenty_one_octets_fail() {
        fails(&LINT, Purpose::Server, |draft| draft.serial = vec![1; 21]);
    }
}
