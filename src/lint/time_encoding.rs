//! RFC 5280 4.1.2.5: "CAs conforming to this profile MUST always encode certificate validity dates through the year 2049 as
//! UTCTime; certificate validity dates in 2050 or later MUST be encoded as GeneralizedTime."

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::TimeEncoding;

pub(super) const LINT: Lint = Lint {
    name: "time_encoding",
    citation: "RFC 5280 4.1.2.5",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let certificate = context.certificate;
    let right = |time: time::OffsetDateTime, encoding| match encoding {
        TimeEncoding::Utc => true,
        TimeEncoding::Generalized => time.year() >= 2050 || time.year() < 1950,
    };
    let wrong = !right(certificate.validity().not_before, certificate.not_before_encoding())
        || !right(certificate.validity().not_after, certificate.not_after_encoding());
    Outcome::fail_if(wrong, "a time before 2050 is not written as UTCTime")
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::sample::element;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn generalized_time_before_2050_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.not_after = element(0x18, b"20491231235959Z"));
    }
}
