//! Revoking what is taken out, and the lists that say so.

use std::collections::BTreeSet;

use time::Duration;

use crate::apply::Change;
use crate::error::Result;
use crate::issuer::LocalIssuer;
use crate::profile::Role;
use crate::store::{Action, OutputFile, layout};
use crate::x509::{CrlTemplate, RevocationReason, RevokedCertificate};

/// A list that has lapsed locks everybody out, so it lives a month and is due long before.
const LIFETIME: Duration = Duration::days(30);

impl Change<'_> {
    /// Records that every certificate of an identity that has not expired is revoked; their serial numbers.
    ///
    /// # Errors
    /// An event cannot be made.
    pub fn revoke_all(&mut self, role: Role, name: &str) -> Result<Vec<String>> {
        let unexpired = self.world.inventory.unexpired(role.as_str(), name, self.env.now);
        let found: Vec<(String, String)> = unexpired
            .into_iter()
            .filter(|issued| issued.revoked.is_none())
            .map(|issued| (issued.serial.clone(), issued.issuer.clone()))
            .collect();
        for (serial, issuer) in &found {
            let mut event = self.event(Action::Revoked, role.as_str(), name)?;
            event.serial = Some(serial.clone());
            event.issuer = Some(issuer.clone());
            event.reason = Some(RevocationReason::CessationOfOperation.as_str().to_owned());
            self.events.push(event);
        }
        Ok(found.into_iter().map(|(serial, _)| serial).collect())
    }

    /// Writes the list of every authority that this change revokes a certificate of.
    ///
    /// # Errors
    /// The authority's key is not here or does not open.
    pub fn refresh_revocation_lists(&mut self) -> Result<()> {
        let issuers: BTreeSet<String> =
            self.events.iter().filter(|e| e.action == Action::Revoked).filter_map(|e| e.issuer.clone()).collect();
        for name in issuers {
            let template = self.revocation_list(&name)?;
            let issuer: &LocalIssuer = self.vault.issuer(self.world, &name, self.env)?;
            let crl = template.sign(&issuer.signer()?)?;
            self.files.push(OutputFile::public(layout::crl(&name)?, crl.pem()));
        }
        Ok(())
    }

    /// What the list of an authority says: what was revoked before and now, without what has expired.
    fn revocation_list(&self, name: &str) -> Result<CrlTemplate> {
        let now = self.env.now;
        let mut revoked = Vec::new();
        for (issued, revocation) in self.world.inventory.revoked(name) {
            if issued.not_after.is_none_or(|t| t > now) {
                let reason = revocation.reason.as_deref().and_then(|r| r.parse().ok());
                revoked.push(entry(&issued.serial, revocation.time, reason)?);
            }
        }
        for event in self.events.iter().filter(|e| e.action == Action::Revoked && e.issuer.as_deref() == Some(name)) {
            if let Some(serial) = &event.serial {
                revoked.push(entry(serial, now, event.reason.as_deref().and_then(|r| r.parse().ok()))?);
            }
        }
        // What was revoked stays so although the inventory no longer knows it, after a restore for instance.
        let published = self.world.revocation_list_of(name)?;
        for old in published.iter().flat_map(|crl| crl.revoked()) {
            if self.world.inventory.by_serial(&old.serial.to_string()).is_empty() {
                revoked.push(old);
            }
        }
        // The number rises even after a restore or on a second machine: it is never read from a counter.
        let previous = published.and_then(|crl| crl.number()).unwrap_or(0);
        let clock = u128::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        Ok(CrlTemplate { this_update: now, next_update: now + LIFETIME, number: clock.max(previous + 1), revoked })
    }
}

fn entry(
    serial: &str,
    revocation_time: time::OffsetDateTime,
    reason: Option<RevocationReason>,
) -> Result<RevokedCertificate> {
    Ok(RevokedCertificate { serial: serial.parse()?, revocation_time, reason, invalidity_date: None })
}
