//! RFC 5280 4.2: "A certificate MUST NOT include more than one instance of a particular extension."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "no_duplicate_extension",
    citation: "RFC 5280 4.2",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let extensions = context.certificate.extensions();
    let twice = extensions
        .iter()
        .enumerate()
        .find(|(position, extension)| extensions[..*position].iter().any(|earlier| earlier.oid == extension.oid));
    match twice {
        Some((_, extension)) => Outcome::Fail(format!("the extension {} stands there twice", extension.oid).into()),
        None => Outcome::Pass,
    }
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
    fn two_of_a_kind_fail() {
        fails(&LINT, Purpose::Client, |draft| draft.extensions.push(draft.extensions[0].clone()));
    }
}
