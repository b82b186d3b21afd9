//! What every core does: a key, a certificate, the files, and the line of the inventory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::batch::{Batch, Replacing};
use super::{Job, Place, Told};
use crate::apply::change::owner;
use crate::apply::identity::{self, Made};
use crate::apply::{archive, world};
use crate::error::{Error, Result};
use crate::issuer::LocalIssuer;
use crate::manifest::{Entry, EntrySpec};
use crate::profile::Role;
use crate::store::{self, Action, Event, Location, OutputFile, Owner, StagingArea, Store, layout};
use crate::ui;

/// What every core needs to make identities.
pub(super) struct Maker<'a> {
    pub(super) role: Role,
    pub(super) place: Place,
    pub(super) issuers: BTreeMap<String, &'a LocalIssuer>,
    pub(super) bundles: Vec<(&'static str, Vec<u8>)>,
    pub(super) store: Store,
    pub(super) area: Option<StagingArea>,
    pub(super) mtime: u64,
    pub(super) actor: String,
    pub(super) list: Option<String>,
    pub(super) now: OffsetDateTime,
    pub(super) real_now: OffsetDateTime,
}

impl Maker<'_> {
    /// Makes one identity. Nothing of it is in `batch` after an error.
    pub(super) fn make(&self, job: Job, batch: &mut Batch) -> Result<()> {
        let Job { entry, spec, key, dates, renews } = job;
        let owner = owner(entry.owner.as_deref())?;
        let issuer = self
            .issuers
            .get(&entry.issuer)
            .ok_or_else(|| Error::failed(format!("authority {} was not opened", ui::quote(&entry.issuer))))?;
        let password = world::password_of(&self.store, &entry)?;
        let made = identity::make(&entry, key, issuer, dates, password.as_ref().map(|p| p.as_bytes()), self.now)?;
        let event = self.event(&entry, &spec, &made, renews)?;
        let certificate = &made.issued.certificate;
        let told = Told::Issued {
            name: entry.name.clone(),
            issuer: entry.issuer.clone(),
            serial: certificate.serial().to_string(),
            not_before: certificate.validity().not_before,
            not_after: certificate.validity().not_after,
            renewed: renews,
        };
        let length = batch.lines.len();
        batch.lines.push(&event)?;
        if let Err(e) = self.put(entry, owner, &made, renews, batch) {
            batch.lines.truncate(length);
            return Err(e);
        }
        batch.told.push(told);
        Ok(())
    }

    /// What the inventory will say.
    fn event(&self, entry: &Entry, spec: &EntrySpec, made: &Made, renews: bool) -> Result<Event> {
        let action = if renews { Action::Renewed } else { Action::Issued };
        let mut event =
            Event::new(action, &self.actor, self.now, self.real_now)?.about(entry.role.as_str(), &entry.name);
        let location = match (&self.place, made.key_pem.is_some()) {
            (Place::Pki, true) => Location::Pki,
            (Place::Pki, false) => Location::Csr,
            (Place::Directories(_) | Place::Flat(_), _) => Location::Out,
            (Place::Archive(_), _) => Location::Archive,
        };
        identity::describe(&mut event, &made.issued.certificate, &entry.issuer, location, false);
        event.entry = serde_json::to_value(spec).ok();
        event.bulk = Some(true);
        event.sha256.clone_from(&self.list);
        Ok(event)
    }

    /// Puts the files where they wait.
    fn put(&self, entry: Entry, owner: Option<Owner>, made: &Made, renews: bool, batch: &mut Batch) -> Result<()> {
        let name = store::directory_name(&entry.name)?;
        if let Place::Flat(directory) = &self.place {
            return self.put_flat(directory, &name, &entry, owner, made, batch);
        }
        let mode = layout::entry_dir_mode(entry.key_mode);
        let files = || identity::files(&entry, &made.issued, made.key_pem.as_ref(), &self.bundles);
        let (path, shown) = match &self.place {
            Place::Archive(_) => {
                let chain = identity::chain(&made.issued);
                let parts = identity::parts(&entry, &chain, made.key_pem.as_ref(), &self.bundles);
                archive::directory(&mut batch.archived, Path::new(&name), mode, owner.as_ref(), &parts, self.mtime);
                return Ok(());
            }
            Place::Directories(directory) | Place::Flat(directory) => (directory.join(&name), directory.join(&name)),
            Place::Pki => {
                let path = layout::entry_dir(self.role.as_str(), &entry.name)?;
                let shown = self.store.path(&path);
                if renews && self.store.holds(&path) {
                    let files = files();
                    batch.replacing.push(Replacing { entry: Box::new(entry), owner, files });
                    return Ok(());
                }
                (path, shown)
            }
        };
        let staged = self.area()?.directory(&shown, mode, owner.as_ref(), &files())?;
        batch.staged.push((staged, path));
        Ok(())
    }

    /// The chain and the key beside each other.
    fn put_flat(
        &self,
        directory: &Path,
        name: &str,
        entry: &Entry,
        owner: Option<Owner>,
        made: &Made,
        batch: &mut Batch,
    ) -> Result<()> {
        let [certificate, key] = flat_files(directory, name);
        let mut files = vec![OutputFile::public(certificate, identity::chain(&made.issued))];
        files.extend(made.key_pem.as_ref().map(|pem| OutputFile::private(key, pem.to_vec()).with_mode(entry.key_mode)));
        let area = self.area()?;
        let staged = files.into_iter().map(|file| {
            let file = file.owned_by(owner.clone());
            Ok((area.file(&file)?, file.path))
        });
        batch.staged.extend(staged.collect::<Result<Vec<_>>>()?);
        Ok(())
    }

    fn area(&self) -> Result<&StagingArea> {
        self.area.as_ref().ok_or_else(|| Error::failed("there is no place to prepare files in"))
    }
}

/// The two files of an identity with the directory name `name` where all lie side by side.
pub(crate) fn flat_files(directory: &Path, name: &str) -> [PathBuf; 2] {
    [directory.join(format!("{name}.pem")), directory.join(format!("{name}.key"))]
}
