//! The files of each generation of an authority, moved from one place to the other as part of a change.

use crate::apply::Change;
use crate::apply::change::NewDirectory;
use crate::apply::world::CRL_LIMIT;
use crate::error::Result;
use crate::store::OutputFile;
use crate::store::layout::{self, Ca, Generation};

/// Every file that a generation may have, with its mode.
const FILES: [(&str, u32); 5] = [
    ("ca_certificate.pem", layout::PUBLIC_FILE),
    (layout::CA_KEY, layout::PRIVATE_FILE),
    (layout::CA_KEY_SEALED, layout::PRIVATE_FILE),
    ("crl.pem", layout::PUBLIC_FILE),
    (CROSS_CERTIFICATE, layout::PUBLIC_FILE),
];

/// Signed by the one that is succeeded, so it goes where that one goes.
pub(super) const CROSS_CERTIFICATE: &str = "cross_certificate.pem";

impl Change<'_> {
    /// Makes the successors of `members` the authorities that sign, and what signed so far their predecessors.
    ///
    /// # Errors
    /// A file cannot be read, or a key cannot be opened.
    pub(super) fn promote(&mut self, members: &[String]) -> Result<()> {
        for name in members {
            self.exchange(name, Generation::Successor)?;
        }
        Ok(())
    }

    /// Lets the predecessors of `members` sign again, and makes what signs now the one that goes.
    ///
    /// # Errors
    /// A file cannot be read, or a key cannot be opened.
    pub(super) fn demote(&mut self, members: &[String]) -> Result<()> {
        for name in members {
            self.exchange(name, Generation::Predecessor)?;
        }
        Ok(())
    }

    /// `from` signs from now on; what signed is the predecessor from now on.
    fn exchange(&mut self, name: &str, from: Generation) -> Result<()> {
        let (present, rising) = (Ca::from(name), Ca::new(name, from));
        let predecessor = Ca::new(name, Generation::Predecessor);
        // Opened now, from the files as they lie: afterwards they lie elsewhere.
        self.vault.issuer(self.world, rising, self.env)?;
        let mut going = self.generation_files(present)?;
        let mut coming = self.generation_files(rising)?;
        going.extend(
            coming.extract_if(.., |file| file.path.as_os_str() == CROSS_CERTIFICATE && from == Generation::Successor),
        );
        coming.retain(|file| file.path.as_os_str() != CROSS_CERTIFICATE);
        let new = self.world.authority_certificate(rising)?.clone();
        let old = self.world.authority_certificate(present)?.clone();
        self.drop_generation(rising)?;
        self.write_generation(present, coming)?;
        self.write_generation(predecessor, going)?;
        self.world.set_authority(rising, None);
        self.world.set_authority(present, Some(new));
        self.world.set_authority(predecessor, Some(old));
        self.vault.exchange(name, from);
        Ok(())
    }

    /// The files of a generation as this change leaves them so far, relative to its directory.
    fn generation_files(&self, ca: Ca<'_>) -> Result<Vec<OutputFile>> {
        let directory = layout::ca_dir(ca)?;
        let mut files = Vec::new();
        for (name, mode) in FILES {
            let bytes = self.read(&directory.join(name), CRL_LIMIT)?;
            files.extend(bytes.map(|bytes| OutputFile { path: name.into(), mode, bytes, owner: None }));
        }
        Ok(files)
    }

    /// Puts these files into the place of a generation, and takes away what else was there.
    fn write_generation(&mut self, ca: Ca<'_>, files: Vec<OutputFile>) -> Result<()> {
        let directory = layout::ca_dir(ca)?;
        if !self.world.store.holds(&directory) {
            self.directories.push(NewDirectory {
                path: directory,
                mode: layout::PRIVATE_DIRECTORY,
                owner: None,
                files,
            });
            return Ok(());
        }
        for (name, _) in FILES {
            let path = directory.join(name);
            self.files.retain(|file| file.path != path);
            if !files.iter().any(|file| file.path.as_os_str() == name) && self.world.store.holds(&path) {
                self.removals.push(path);
            }
        }
        // The directory may go and come again within one change.
        self.removals.retain(|path| *path != directory);
        self.files.extend(files.into_iter().map(|file| OutputFile { path: directory.join(&file.path), ..file }));
        Ok(())
    }

    /// Takes a generation's directory away; keys are overwritten first.
    fn drop_generation(&mut self, ca: Ca<'_>) -> Result<()> {
        let directory = layout::ca_dir(ca)?;
        self.directories.retain(|staged| staged.path != directory);
        self.files.retain(|file| !file.path.starts_with(&directory));
        if self.world.store.holds(&directory) {
            self.removals.push(directory);
        }
        Ok(())
    }

    /// Forgets the predecessors of `members`: their keys are erased, their certificates and last lists kept in `history/`.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn retire(&mut self, members: &[String]) -> Result<()> {
        for name in members {
            let predecessor = Ca::new(name, Generation::Predecessor);
            let serial = self.world.authority_certificate(predecessor)?.serial().to_string();
            let mut files = self.generation_files(predecessor)?;
            files.retain(|file| file.mode == layout::PUBLIC_FILE);
            let path = layout::history_dir(layout::AUTHORITY, name, &serial)?;
            if !self.world.store.holds(&path) {
                let mode = layout::PRIVATE_DIRECTORY;
                self.directories.push(NewDirectory { path, mode, owner: None, files });
            }
            self.forget(predecessor)?;
        }
        Ok(())
    }

    /// Gives the successors of `members` up, with their keys.
    ///
    /// # Errors
    /// A name has no directory name.
    pub(super) fn give_up(&mut self, members: &[String]) -> Result<()> {
        members.iter().try_for_each(|name| self.forget(Ca::new(name, Generation::Successor)))
    }

    fn forget(&mut self, ca: Ca<'_>) -> Result<()> {
        self.drop_generation(ca)?;
        self.done.lists.retain(|list| list.authority != ca.name || list.generation != ca.generation);
        self.world.set_authority(ca, None);
        Ok(())
    }
}
