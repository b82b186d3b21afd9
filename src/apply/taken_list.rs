//! A revocation list that comes from outside: from a broker that still has it, or from where the authority's key is.

use std::collections::HashSet;

use time::Duration;

use crate::apply::Change;
use crate::error::{Error, Result};
use crate::store::layout::{Ca, Generation};
use crate::ui;
use crate::x509::{Crl, RevocationReason, SerialNumber};

/// The clocks of two machines differ by less than this.
const CLOCKS_DIFFER: Duration = Duration::minutes(5);

/// What a list said that the inventory did not know, each as `ROLE/NAME SERIAL`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenList {
    /// Certificates that are revoked now.
    pub revoked: Vec<String>,
    /// Certificates that were on hold.
    pub released: Vec<String>,
    /// How many revoked certificates are not in the inventory.
    pub unknown: usize,
}

impl Change<'_> {
    /// Takes a list over: whose it is, and what was new; `None` where it is the one that is here already.
    ///
    /// # Errors
    /// No authority here signed it, it says less than it seems to, or it is older than the one here.
    pub fn take_list(&mut self, crl: Crl) -> Result<(String, Option<TakenList>)> {
        let signer = self.signer_of(&crl)?;
        let ca: Ca<'_> = (&signer).into();
        let name = signer.0.clone();
        self.refuse_unfit(&crl)?;
        let present = self.list_of(ca)?;
        if let Some(present) = &present {
            if present.der() == crl.der() {
                return Ok((name, None));
            }
            refuse_older(&name, present, &crl)?;
        }
        let revoked =
            self.take_back(&name, &crl)?.into_iter().map(|(what, r)| format!("{what}  {}", r.serial)).collect();
        let unknown = self.take_strangers(&name, &crl)?;
        let listed: HashSet<SerialNumber> = crl.revoked().map(|entry| entry.serial).collect();
        let (released, lacking) = self.compare(&name, &crl, &listed)?;
        if lacking {
            // Ours knows more: a list that says both is signed anew.
            self.sign_list(ca, Some(&crl))?;
        } else {
            self.put_list(ca, crl)?;
        }
        Ok((name, Some(TakenList { revoked, released, unknown })))
    }

    fn signer_of(&self, crl: &Crl) -> Result<(String, Generation)> {
        let mut named = self.world.authorities().filter(|(_, ca)| ca.subject().der() == crl.issuer().der()).peekable();
        let issuer = ui::quote(&crl.issuer().to_string());
        let Some((first, _)) = named.peek().copied() else {
            return Err(Error::failed(format!("the list is one of {issuer}, which is no authority here"))
                .hint("see the authorities with certgen list authority"));
        };
        match named.find(|(_, certificate)| crl.is_signed_by(certificate)) {
            Some((ca, _)) => Ok((ca.name.to_owned(), ca.generation)),
            None => Err(Error::failed(format!(
                "the list names authority {} as its issuer, but its key did not sign it: it was altered, or is another's",
                ui::quote(first.name)
            ))),
        }
    }

    fn refuse_unfit(&self, crl: &Crl) -> Result<()> {
        if let Some(oid) = crl.unknown_critical_extension() {
            return Err(Error::failed(format!(
                "the list has the critical extension {oid}: it holds only some of the revocations, or only what changed"
            ))
            .hint("import a complete list"));
        }
        if crl.this_update() > self.env.now + CLOCKS_DIFFER {
            return Err(Error::failed(format!(
                "the list was made at {}, and the clock says {}",
                ui::date(crl.this_update()),
                ui::date(self.env.now)
            ))
            .hint("set the clock"));
        }
        Ok(())
    }

    /// Certificates of other inventories: known by their serial numbers alone.
    fn take_strangers(&mut self, name: &str, crl: &Crl) -> Result<usize> {
        let mut events = Vec::new();
        for revoked in crl.revoked().filter(|revoked| revoked.reason != Some(RevocationReason::RemoveFromCrl)) {
            let serial = revoked.serial.to_string();
            let is_known = || self.world.inventory.by_serial(&serial).iter().any(|(_, _, i)| i.issuer == name);
            if !self.world.inventory.is_revoked(name, &serial) && !is_known() {
                events.push(self.found_revocation(name, &revoked)?);
            }
        }
        let count = events.len();
        self.events.extend(events);
        Ok(count)
    }

    /// What the inventory has revoked and the list does not name: a hold that was taken back elsewhere, or something that
    /// the list lacks.
    fn compare(&mut self, name: &str, crl: &Crl, listed: &HashSet<SerialNumber>) -> Result<(Vec<String>, bool)> {
        let now = self.env.now;
        let inventory = &self.world.inventory;
        let is_listed = |serial: &str| serial.parse().is_ok_and(|serial: SerialNumber| listed.contains(&serial));
        let (mut released, mut lacking) = (Vec::new(), false);
        for (role, owner, issued) in inventory.revoked(name) {
            let Some(revocation) = &issued.revoked else { continue };
            if issued.not_after.is_some_and(|end| end <= now) || is_listed(&issued.serial) {
                continue;
            }
            match revocation.is_hold() && revocation.time <= crl.this_update() {
                true => released.push((role, owner, issued)),
                false => lacking = true,
            }
        }
        lacking |= inventory.strangers(name).any(|(serial, _)| !is_listed(&serial));
        let mut told = Vec::new();
        for (role, owner, issued) in released {
            self.release(&role, &owner, &issued)?;
            told.push(format!("{role}/{owner}  {}", issued.serial));
        }
        Ok((told, lacking))
    }
}

/// The number decides, as RFC 5280 5.2.3 has it; with the same number, the date.
fn refuse_older(name: &str, present: &Crl, new: &Crl) -> Result<()> {
    let age = |crl: &Crl| (crl.number(), crl.this_update());
    if age(new) > age(present) {
        return Ok(());
    }
    let told = |crl: &Crl| {
        let number = crl.number().map_or_else(|| "without a number".to_owned(), |number| format!("number {number}"));
        format!("{number} of {}", ui::date(crl.this_update()))
    };
    Err(Error::failed(format!(
        "the list is older than the one of authority {} here: it is {}, and that one is {}",
        ui::quote(name),
        told(new),
        told(present)
    ))
    .hint("there is nothing to take from it"))
}
