//! The second phase: the successor signs, and what stands below it is issued again.

use super::{Phase, Rotation};
use crate::apply::{Change, KeySource, Renewable, Renewal};
use crate::error::{Error, Result};
use crate::profile::Role;
use crate::store::layout::{self, Ca, Generation};
use crate::store::{Action, Location};
use crate::ui;

/// How much of the second phase is done at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// Everything that is left.
    All,
    /// No more than this many identities.
    Count(usize),
    /// These.
    These(Vec<(Role, String)>),
}

impl Change<'_> {
    /// Lets the successors sign, where they do not yet, and issues again what `batch` says.
    ///
    /// # Errors
    /// A key does not open, a certificate cannot be issued, or somebody would be refused who is accepted now.
    pub fn switch_rotation(&mut self, rotation: &Rotation, batch: &Batch) -> Result<()> {
        if rotation.phase == Phase::Started {
            self.promote(&rotation.members)?;
            self.record_switch(&rotation.members)?;
        }
        self.reissue(rotation, batch)
    }

    /// Lets the predecessors sign again and issues again, by them, what their successors issued.
    ///
    /// # Errors
    /// As [`Change::switch_rotation`].
    pub(super) fn switch_back(&mut self, rotation: &Rotation) -> Result<()> {
        self.demote(&rotation.members)?;
        self.record_switch(&rotation.members)?;
        self.reissue(rotation, &Batch::All)
    }

    pub(super) fn record_switch(&mut self, members: &[String]) -> Result<()> {
        for name in members {
            let certificate = self.world.authority_certificate(name)?.clone();
            let issuer = self.world.issuer_of(&certificate).map_or(name.as_str(), |ca| ca.name).to_owned();
            let role = layout::AUTHORITY;
            self.record(Action::RotationSwitched, role, name, &certificate, &issuer, Location::Pki, true)?;
        }
        Ok(())
    }

    pub(super) fn reissue(&mut self, rotation: &Rotation, batch: &Batch) -> Result<()> {
        let trust = self.trust()?;
        let mut todo = self.to_reissue(rotation)?;
        match batch {
            Batch::All => {}
            Batch::Count(most) => todo.truncate(*most),
            Batch::These(chosen) => {
                let is_todo = |(role, name): &&(Role, String)| {
                    todo.iter().any(|r| r.entry.role == *role && r.entry.name == *name)
                };
                if let Some((role, name)) = chosen.iter().find(|one| !is_todo(one)) {
                    let shown = ui::quote(&format!("{role}/{name}"));
                    return Err(Error::failed(format!("{shown} is not waiting for a certificate of the successor"))
                        .hint("see what is with certgen rotate status"));
                }
                todo.retain(|r| chosen.iter().any(|(role, name)| r.entry.role == *role && r.entry.name == *name));
            }
        }
        let names: Vec<(Role, String, bool)> =
            todo.iter().map(|Renewal { entry, .. }| (entry.role, entry.name.clone(), entry.cli)).collect();
        let new_key = |renewal: Renewal| {
            let key = KeySource::Generate(renewal.entry.key_type);
            renewal.order(key)
        };
        self.issue(todo.into_iter().map(new_key).collect(), &trust, |_, e| Err(e))?;
        let mut shown = Vec::new();
        for (role, name, cli) in names {
            shown.extend(self.shown_now(role, &name, cli)?);
        }
        self.check_meetings(&shown, &trust, &trust)?;
        self.write_first_lists(&rotation.members)?;
        self.refresh(&trust)
    }

    /// The identities here that an authority of the rotation should have signed, and whose certificate its present key did
    /// not sign. Those that were revoked stay as they are.
    ///
    /// # Errors
    /// Nobody knows what an identity should be.
    pub fn to_reissue(&self, rotation: &Rotation) -> Result<Vec<Renewal>> {
        let mut todo = Vec::new();
        for (role, name, _) in self.world.identities() {
            let Some(entry) = self.world.entry(role, &name) else { continue };
            if !rotation.members.contains(&entry.issuer) {
                continue;
            }
            let Renewable::Here(renewal) = self.world.renewable(role, &name, self.env)? else { continue };
            let by_present = renewal.current.as_ref().is_some_and(|certificate| {
                self.world.issuer_of(certificate).is_some_and(|ca: Ca<'_>| ca.generation == Generation::Present)
            });
            if !by_present {
                todo.push(*renewal);
            }
        }
        Ok(todo)
    }
}
