//! RFC 9525 6.1: clients look for a server in its subject alternative names and no longer in its common name.

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint =
    Lint { name: "san_present", citation: "RFC 9525 2", severity: Severity::Error, looks_at: LooksAt::Frame, check };

fn check(context: &Context<'_>) -> Outcome {
    let missing = context.role.is_server() && context.certificate.subject_alt_names().is_none();
    Outcome::fail_if(missing, "there is no subject alternative name, so no client finds the server's name")
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::oid;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn a_server_and_a_node_without_names_fail() {
        for role in [Purpose::Server, Purpose::Node] {
            fails(&LINT, role, |draft| *draft = draft.clone().without(oid::SUBJECT_ALT_NAME));
        }
    }
}
