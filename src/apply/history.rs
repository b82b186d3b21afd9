//! Replaced pairs: what `history/` keeps, and when the keys in it go: when they expire or were compromised, and with their
//! identity.

use std::path::Path;

use zeroize::Zeroizing;

use crate::apply::Change;
use crate::apply::change::NewDirectory;
use crate::error::Result;
use crate::manifest::Entry;
use crate::profile::Role;
use crate::store::{self, Issued, OutputFile, layout};
use crate::ui;
use crate::x509::{Certificate, RevocationReason};

impl Change<'_> {
    /// Copies the pair that is about to be replaced to `history/`.
    pub(super) fn keep_in_history(&mut self, entry: &Entry, directory: &Path, old: &Certificate) -> Result<()> {
        let to = layout::history_dir(entry.role.as_str(), &entry.name, &old.serial().to_string())?;
        if self.world.store.holds(&to) {
            return Ok(());
        }
        let mut files = Vec::new();
        for (name, mode) in
            [(entry.role.certificate_file(), layout::PUBLIC_FILE), (entry.role.key_file(), layout::PRIVATE_FILE)]
        {
            // A key that somebody else has, or that is good for nothing any more, is not worth keeping.
            let is_over = old.validity().not_after < self.env.now;
            if name == entry.role.key_file() && (is_over || self.is_compromised(old)) {
                continue;
            }
            if let Some(bytes) = self.world.store.read_if_exists(directory.join(name), store::INPUT_LIMIT)? {
                files.push(OutputFile { path: name.into(), mode, bytes, owner: None });
            }
        }
        self.directories.push(NewDirectory { path: to, mode: layout::PRIVATE_DIRECTORY, owner: None, files });
        Ok(())
    }

    fn is_compromised(&self, certificate: &Certificate) -> bool {
        let serial = certificate.serial().to_string();
        let revocation = self.world.issuer_of(certificate).and_then(|issuer| self.standing(issuer.name, &serial));
        revocation.is_some_and(|r| r.reason.as_deref() == Some(RevocationReason::KeyCompromise.as_str()))
    }

    /// Remembers a key that nobody is to have any more: it may stand in files that `emit` wrote with keys.
    ///
    /// # Errors
    /// The key cannot be read.
    pub(super) fn withdraw_key(&mut self, role: Role, name: &str, key: &Path) -> Result<()> {
        let Some(pem) = self.world.store.read_if_exists(key, store::INPUT_LIMIT)? else { return Ok(()) };
        // A line that is the key's own, and stays a line in every syntax that takes PEM.
        let line = std::str::from_utf8(&pem).ok().and_then(|pem| pem.lines().nth(2));
        self.withdrawn_keys
            .extend(line.map(|line| (format!("{role}/{}", ui::plain(name)), Zeroizing::new(line.to_owned()))));
        Ok(())
    }

    /// Says which files still have a key that was withdrawn once this change is made.
    pub(super) fn note_copied_keys(&mut self) -> Result<()> {
        if self.withdrawn_keys.is_empty() {
            return Ok(());
        }
        let emitted: Vec<String> =
            self.world.inventory.emitted.keys().filter(|path| path.starts_with("emit/")).cloned().collect();
        for path in emitted {
            let Some(bytes) = self.read(Path::new(&path), store::INPUT_LIMIT)? else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let shown = ui::path(self.env.shown(&self.world.store.path(&path)));
            let target = super::target_of(Path::new(&path));
            for (whose, _) in self.withdrawn_keys.iter().filter(|(_, line)| text.contains(line.as_str())) {
                self.done.notes.push(format!(
                    "{shown} still has the key of {whose}: write it anew with certgen emit {target} --with-keys, or remove it"
                ));
            }
        }
        Ok(())
    }

    /// Erases the key of one replaced pair: somebody else has it.
    pub(crate) fn erase_history_key(&mut self, role: Role, name: &str, serial: &str) -> Result<()> {
        let key = layout::history_dir(role.as_str(), name, serial)?.join(role.key_file());
        if self.world.store.holds(&key) {
            self.removals.push(key);
        }
        Ok(())
    }

    /// Erases the keys of replaced pairs whose certificates have expired: all that they could still do is harm.
    ///
    /// # Errors
    /// A name has no directory name.
    pub fn erase_expired_keys(&mut self) -> Result<()> {
        let mut expired = Vec::new();
        for (role, name) in self.world.store.names_in_history()? {
            let Ok(role) = role.parse::<Role>() else { continue };
            let history = self.world.inventory.history(role.as_str(), &name).unwrap_or_default();
            let is_over = |issued: &Issued| issued.not_after.is_some_and(|end| end < self.env.now);
            let over = history.certificates.into_iter().filter(is_over);
            expired.extend(over.map(|issued| (role, name.clone(), issued.serial)));
        }
        let before = self.removals.len();
        for (role, name, serial) in expired {
            self.erase_history_key(role, &name, &serial)?;
        }
        match self.removals.len() - before {
            0 => {}
            1 => self.done.notes.push("the key of a replaced pair that has expired was erased from history/".into()),
            n => self
                .done
                .notes
                .push(format!("the keys of {n} replaced pairs that have expired were erased from history/")),
        }
        Ok(())
    }

    /// Erases the keys of replaced pairs of an identity: nobody needs them any more.
    pub(crate) fn erase_history_keys(&mut self, role: Role, name: &str) -> Result<()> {
        let of_name = layout::history_dir(role.as_str(), name, "0")?;
        let Some(of_name) = of_name.parent() else { return Ok(()) };
        for serial in self.world.store.file_names(of_name)? {
            let key = of_name.join(serial).join(role.key_file());
            self.withdraw_key(role, name, &key)?;
            if self.world.store.holds(&key) && !self.removals.contains(&key) {
                self.removals.push(key);
            }
        }
        Ok(())
    }
}
