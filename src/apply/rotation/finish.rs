//! The end: nobody trusts the predecessor any more. Or the successor, where the rotation is given up.

use super::{Batch, Phase, Rotation};
use crate::apply::{Change, World};
use crate::error::Result;
use crate::profile::Role;
use crate::store::layout::{self, Ca, Generation};
use crate::store::{Action, Issued, Location};

/// Something that would be refused if the predecessor were forgotten now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// The role's word, or `authority`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its key is not here: its owner sends a request.
    pub elsewhere: bool,
}

impl World {
    /// What an authority and those below it have signed and somebody may show: who is refused when nobody trusts them.
    pub fn signed_below(&self, authority: &str, now: time::OffsetDateTime) -> Vec<Dependent> {
        let mut members = vec![authority.to_owned()];
        members.extend(self.authorities_below(authority));
        let mut found = Vec::new();
        for (role, name, issued) in self.identities() {
            let Some(issued) = issued else { continue };
            let ended = issued.revoked.is_some() || issued.not_after.is_some_and(|end| end < now);
            if !ended && members.contains(&issued.issuer) {
                let elsewhere = issued.location != Location::Pki;
                found.push(Dependent { role: role.to_string(), name, elsewhere });
            }
        }
        found
    }

    /// What still shows a certificate that the predecessor signed, and is not revoked or expired.
    ///
    /// # Errors
    /// A name has no directory name.
    pub fn dependents(&self, rotation: &Rotation, now: time::OffsetDateTime) -> Result<Vec<Dependent>> {
        let mut found = Vec::new();
        for (ca, certificate) in self.authorities().filter(|(ca, _)| ca.generation == Generation::Present) {
            let above = self.issuer_of(certificate);
            if above.is_some_and(|above| above.generation == Generation::Predecessor && above.name != ca.name) {
                found.push(Dependent {
                    role: layout::AUTHORITY.to_owned(),
                    name: ca.name.to_owned(),
                    elsewhere: false,
                });
            }
        }
        for (role, name, issued) in self.identities() {
            if issued.as_ref().is_some_and(|i| i.revoked.is_some() || i.not_after.is_some_and(|end| end < now)) {
                continue;
            }
            if self.depends(rotation, role, &name, issued.as_ref())? {
                let elsewhere = issued.is_some_and(|issued| issued.location != Location::Pki);
                found.push(Dependent { role: role.to_string(), name, elsewhere });
            }
        }
        Ok(found)
    }

    fn depends(&self, rotation: &Rotation, role: Role, name: &str, issued: Option<&Issued>) -> Result<bool> {
        if let Some(Ok(certificate)) = self.pair(role, name)?.map(|pair| pair.certificate) {
            return Ok(self.issuer_of(&certificate).is_some_and(|ca| ca.generation == Generation::Predecessor));
        }
        // It lies elsewhere, so the log must say who signed it: the predecessor signed until its successor did.
        let Some(issued) = issued.filter(|issued| rotation.members.contains(&issued.issuer)) else { return Ok(false) };
        let switched = self.last_event_about(&issued.issuer, Action::RotationSwitched);
        Ok(switched.is_none_or(|(at, _)| issued.event < at))
    }
}

impl Change<'_> {
    /// Takes the predecessors out of every bundle and erases their keys.
    ///
    /// # Errors
    /// Somebody would be refused who is accepted now and does not depend on the predecessor.
    pub fn finish_rotation(&mut self, rotation: &Rotation) -> Result<()> {
        let before = self.trust()?;
        self.retire(&rotation.members)?;
        self.record_end(rotation, Action::RotationFinished)?;
        self.write_first_lists(&rotation.members)?;
        self.settle(&before)
    }

    /// Goes back to where the rotation came from. Before the switch that is at once; after it the former authority signs
    /// again, everything is issued again by it, and the rotation is to be finished as if it had gone the other way.
    ///
    /// # Errors
    /// A certificate cannot be issued, or somebody would be refused who is accepted now.
    pub fn abort_rotation(&mut self, rotation: &Rotation) -> Result<()> {
        if rotation.goes_back {
            // Broken off on its way: what is left to be issued again.
            return self.reissue(rotation, &Batch::All);
        }
        if rotation.phase == Phase::Switched {
            return self.switch_back(rotation);
        }
        let before = self.trust()?;
        self.give_up(&rotation.members)?;
        self.record_end(rotation, Action::RotationAborted)?;
        self.settle(&before)
    }

    /// Replaces a compromised authority in one step: whatever it signed is worth nothing from now on.
    ///
    /// # Errors
    /// As [`Change::start_rotation`] and [`Change::switch_rotation`].
    pub fn replace_compromised(&mut self, authority: &str) -> Result<Rotation> {
        let rotation = match self.world.rotated().contains(authority) {
            true => self.world.rotation(Some(authority))?,
            false => self.make_successors(authority)?,
        };
        if rotation.phase == Phase::Started {
            self.promote(&rotation.members)?;
            self.record_switch(&rotation.members)?;
        }
        self.withdraw(&rotation)?;
        self.retire(&rotation.members)?;
        self.record_end(&rotation, Action::RotationFinished)?;
        self.reissue(&rotation, &Batch::All)?;
        Ok(rotation)
    }

    /// The authority above, if there is one, says of the compromised one that it is.
    fn withdraw(&mut self, rotation: &Rotation) -> Result<()> {
        let predecessor = Ca::new(&rotation.authority, Generation::Predecessor);
        let certificate = self.world.authority_certificate(predecessor)?;
        let serial = certificate.serial().to_string();
        let above = self.world.issuer_of(certificate).filter(|above| above.name != rotation.authority);
        let Some(above) = above.map(|above| above.name.to_owned()) else { return Ok(()) };
        let known = self.world.inventory.by_serial(&serial);
        let issued = known.into_iter().find(|(role, _, issued)| *role == layout::AUTHORITY && issued.issuer == above);
        if let Some(issued) = issued.map(|(_, _, issued)| issued.clone()).filter(|issued| issued.revoked.is_none()) {
            let reason = Some(crate::x509::RevocationReason::CaCompromise);
            self.revoke(layout::AUTHORITY, &rotation.authority, &issued, reason)?;
            self.write_revocation_list(&above)?;
        }
        Ok(())
    }

    fn record_end(&mut self, rotation: &Rotation, action: Action) -> Result<()> {
        for name in &rotation.members {
            let event = self.event(action, layout::AUTHORITY, name)?;
            self.events.push(event);
        }
        Ok(())
    }

    fn settle(&mut self, before: &crate::apply::Trust) -> Result<()> {
        let after = self.trust()?;
        self.check_meetings(&[], before, &after)?;
        self.refresh(&after)
    }
}
