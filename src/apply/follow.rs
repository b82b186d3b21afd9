//! A plan carried out.
//!
//! The order is safe at every step: authorities before what they sign, certificates before the bundles and users that
//! speak of them, revocation lists after the revocations, and what is taken away last. All of it is one change: it is made
//! as a whole or not at all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::planning::how_to_create;
use crate::apply::{Change, Dates, Order, Plan, Trust};
use crate::emit::RABBITMQ;
use crate::error::{Error, Result};
use crate::manifest::Entry;
use crate::store::{self, OutputFile, layout, seal::SealTo};
use crate::ui;

impl Change<'_> {
    /// Does what the plan says.
    ///
    /// # Errors
    /// An authority cannot sign, a fact is missing, or our lints refuse a certificate.
    pub fn follow(&mut self, plan: &mut Plan, seal: Option<&SealTo>) -> Result<()> {
        if let Some(name) = plan.missing.first() {
            self.world.refuse_existing_authority(name)?;
            return Err(Error::failed(format!(
                "authority {} does not exist, and a new one is not made without being asked for",
                ui::quote(name)
            ))
            .hint(how_to_create(name)));
        }
        for Order { entry, .. } in &plan.orders {
            self.world.refuse_owner(entry)?;
        }
        plan.insecure.iter().try_for_each(|entry| self.world.refuse_owner(entry))?;
        for authority in &plan.authorities {
            self.authority(authority, Dates::default(), seal)?;
        }
        let trust = self.trust()?;
        self.issue(std::mem::take(&mut plan.orders), &trust, |_, e| Err(e))?;
        self.adopt()?;
        for entry in &plan.insecure {
            self.secure(entry)?;
        }
        for key in &plan.insecure_keys {
            let bytes = self.world.store.read(key)?;
            self.files.push(OutputFile::private(key, bytes.to_vec()));
        }
        for (role, name) in &plan.unwanted {
            self.revoke_all(*role, name)?;
            self.remove_identity(*role, name)?;
        }
        if !plan.unwanted.is_empty() {
            self.refresh_revocation_lists()?;
        }
        for ca in &plan.lists {
            if !self.done.lists.iter().any(|list| (&list.authority, list.generation) == (&ca.0, ca.1)) {
                self.write_revocation_list(ca)?;
            }
        }
        self.refresh(&trust)
    }

    /// Brings every file up to date that follows from certificates and manifest.
    ///
    /// # Errors
    /// As for [`Change::refresh_bundles`] and [`Change::refresh_brokers`].
    pub fn refresh(&mut self, trust: &Trust) -> Result<()> {
        let asked = self.paths();
        self.refresh_bundles(trust)?;
        self.refresh_brokers()?;
        self.leave_to_other_checkouts(&asked);
        Ok(())
    }

    /// The same of the files of brokers and consumers alone.
    ///
    /// # Errors
    /// As for [`Change::refresh_brokers`].
    pub fn refresh_configuration(&mut self) -> Result<()> {
        let asked = self.paths();
        self.refresh_brokers()?;
        self.leave_to_other_checkouts(&asked);
        Ok(())
    }

    fn paths(&self) -> BTreeSet<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }

    /// A file with secrets that is not here is in another checkout, and so are those beside it: version control does not keep
    /// them, nor the modes of the others. What this change is about, `asked`, is written all the same.
    fn leave_to_other_checkouts(&mut self, asked: &BTreeSet<PathBuf>) {
        if !self.world.has_been_checked_out() {
            return;
        }
        let holds = |path: &Path| self.world.store.holds(path);
        // A user who is new to a broker whose definitions are here belongs here.
        let is_at_home = |path: &Path| path.ancestors().skip(1).any(|above| holds(&above.join("definitions.json")));
        let is_theirs = |file: &&OutputFile| match self.world.store.read(&file.path) {
            Ok(is) => *is == *file.bytes,
            Err(_) => file.mode & 0o004 == 0 && !holds(&file.path) && !is_at_home(&file.path),
        };
        let follows = self.files.iter().filter(|file| !asked.contains(&file.path));
        let theirs: BTreeSet<PathBuf> = follows.filter(is_theirs).map(|f| f.path.clone()).collect();
        let configuration = |path: &&PathBuf| path.starts_with(RABBITMQ.0);
        if let (Some(path), false) = (theirs.iter().find(configuration), self.done.issued.is_empty()) {
            self.done.notes.push(format!(
                "{} and its like are in another checkout: certgen apply there brings them up to date",
                ui::path(&self.world.store.path(path))
            ));
        }
        self.files.retain(|file| !theirs.contains(&file.path));
        self.done.passwords.retain(|made| !theirs.iter().any(|path| made.file.ends_with(path)));
        self.events.retain(|event| !theirs.iter().any(|path| event.path.as_deref() == path.to_str()));
    }

    /// Gives a pair the modes and the owner of its entry, and the file with both in one.
    fn secure(&mut self, entry: &Entry) -> Result<()> {
        let owner = super::change::owner(entry.owner.as_deref())?;
        let mut wanted = self.world.access_of(entry)?.unwrap_or_default().into_iter();
        self.opened.extend(wanted.next().map(|(directory, mode)| (directory, mode, owner.clone())));
        let (directory, combined) = (layout::entry_dir(entry.role.as_str(), &entry.name)?, entry.role.combined_file());
        let fault = self.world.combined_fault(entry.role, &entry.name)?;
        let whole = combined.zip(fault).map(|(file, (_, bytes))| (directory.join(file), bytes));
        for (path, mode) in wanted.filter(|(path, _)| whole.as_ref().is_none_or(|(whole, _)| whole != path)) {
            let is = store::facts(&self.world.store.path(&path));
            if is.is_some_and(|is| !is.fits(mode, owner.as_ref())) {
                let bytes = self.world.store.read(&path)?;
                self.files.push(OutputFile { path, mode, bytes, owner: owner.clone() });
            }
        }
        self.files.extend(whole.map(|(path, bytes)| OutputFile { path, mode: entry.key_mode, bytes, owner }));
        Ok(())
    }
}
