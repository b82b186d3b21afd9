//! Two authorities of one name: what one signed is refused by whoever has the other.

use std::collections::BTreeSet;

use super::index::Index;
use super::{argument, at_certificate, shown, subject};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Finding, Severity};

pub(super) fn check(_: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    let mut told = BTreeSet::new();
    for (exhibit, authority) in &index.authorities {
        if !told.insert(authority.subject().der()) {
            continue;
        }
        let Some((other, _)) =
            index.named(authority.subject()).find(|(_, namesake)| namesake.public_key() != authority.public_key())
        else {
            continue;
        };
        let place = if other.path == exhibit.path { "it too".to_owned() } else { shown(other) };
        let problem =
            format!("the authority {} has another key than the one of that name in {place}", subject(authority));
        let finding = Finding::new(Severity::Warning, "authorities-of-one-name", &exhibit.path, problem)
            .cause(CauseId::AuthoritySameName)
            .effect(
                "what the one signed is refused by whoever trusts the other, and looks like a bad signature or an unknown CA",
            )
            .remedy(format!("certgen inspect {} {}", argument(&exhibit.path), argument(&other.path)))
            .remedy("keep one of them and issue again what the other signed; give a new authority a new name");
        findings.push(at_certificate(finding, exhibit, authority));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::said;
    use super::*;
    use crate::x509::KeyType;
    use crate::x509::sample::{HIERARCHY, hierarchy};

    #[test]
    fn one_authority_in_many_files_is_right_and_two_of_one_name_are_not() {
        let (here, there) = (HIERARCHY.root.pem(), hierarchy(KeyType::EcdsaP256).root.pem());
        assert_eq!(said(check, &[("a.pem", here.clone()), ("b.pem", here.clone())]), []);
        let wanted = [(Severity::Warning, "authorities-of-one-name", "a.pem".to_owned())];
        assert_eq!(said(check, &[("a.pem", here.clone()), ("b.pem", there.clone())]), wanted);
        assert_eq!(said(check, &[("a.pem", here + &there)]), wanted);
    }
}
