//! What an authority had revoked before it came here: the inventory learns of it, and a new list continues the old one.

use std::collections::HashMap;

use crate::apply::taking::authority::Placed;
use crate::apply::taking::{TakenRevocation, TookOver};
use crate::apply::{AuthorityState, Change};
use crate::error::Result;
use crate::profile::Role;
use crate::store::layout::Ca;
use crate::takeover::{FoundAuthority, FoundPair};
use crate::ui;
use crate::x509::{RevocationReason, RevokedCertificate, SerialNumber};

impl Change<'_> {
    /// Records what was revoked, and writes the lists of those authorities that have revoked something or had a list.
    pub(super) fn take_revocations(
        &mut self,
        authorities: &[FoundAuthority],
        placed: &[Placed],
        pairs: &[FoundPair],
        took: &mut TookOver,
    ) -> Result<()> {
        let whose = owners(pairs);
        for (at, (authority, place)) in authorities.iter().zip(placed).enumerate() {
            let Some(name) = place.name() else { continue };
            let mut is_new = false;
            for revoked in &authority.revoked {
                let whom = whose.get(&(at, &revoked.serial)).copied();
                is_new |= self.take_revocation(name, revoked, whom, took)?;
            }
            let is_listed = self.world.revocation_list_of(name)?.is_some();
            if is_new || (authority.crl.is_some() && !is_listed) {
                self.take_list_of(name, authority)?;
            }
        }
        Ok(())
    }

    /// Records one, unless it is known.
    fn take_revocation(
        &mut self,
        authority: &str,
        revoked: &RevokedCertificate,
        whom: Option<(Role, &str)>,
        took: &mut TookOver,
    ) -> Result<bool> {
        let is_released = revoked.reason == Some(RevocationReason::RemoveFromCrl);
        if is_released || self.world.inventory.is_revoked(authority, &revoked.serial.to_string()) {
            return Ok(false);
        }
        let mut event = self.found_revocation(authority, revoked)?;
        if let Some((role, name)) = whom {
            event = event.about(role.as_str(), name);
        }
        self.events.push(event);
        let whom = whom.map(|(role, name)| (role, name.to_owned()));
        took.revoked.push(TakenRevocation { authority: authority.to_owned(), whom, revoked: revoked.clone() });
        Ok(true)
    }

    /// A list with all of it, and with a number above that of the one before. Without the key the old list goes on.
    fn take_list_of(&mut self, name: &str, authority: &FoundAuthority) -> Result<()> {
        let ca = Ca::from(name);
        let has_key = self.vault.opened(name).is_some() || self.world.authority_state(ca) != AuthorityState::Elsewhere;
        if has_key && !self.world.may_sign_lists(ca)? {
            self.done.notes.push(format!(
                "authority {} has no revocation list: its certificate does not allow it to sign one (cRLSign)",
                ui::quote(name)
            ));
            return Ok(());
        }
        if has_key {
            return self.sign_list_above(ca, authority.crl.as_ref(), authority.crl_number);
        }
        match &authority.crl {
            Some(crl) => self.put_list(ca, crl.clone()),
            None => {
                self.done.notes.push(format!(
                    "the revocation list of authority {} is signed where its key is: certgen import crl.pem takes it in",
                    ui::quote(name)
                ));
                Ok(())
            }
        }
    }
}

/// Whose each certificate is, by its issuer among the authorities and its serial number.
fn owners(pairs: &[FoundPair]) -> HashMap<(usize, &SerialNumber), (Role, &str)> {
    let mut owners = HashMap::new();
    for pair in pairs {
        let former = pair.former.iter().map(|(certificate, issuer)| (certificate, *issuer));
        for (certificate, issuer) in former.chain([(&pair.certificate, pair.issuer)]) {
            if let Some(issuer) = issuer {
                owners.insert((issuer, certificate.serial()), (pair.role, pair.name.as_str()));
            }
        }
    }
    owners
}
