//! Pairs that somebody else renews: a public authority's client on this host, for instance.

use crate::apply::Change;
use crate::error::{Error, Result};
use crate::store::layout::{self, EXTERNAL};
use crate::store::{Action, INPUT_LIMIT, Location, OutputFile};
use crate::ui;
use crate::x509::{Certificate, PrivateKey};

/// A pair that was taken.
#[derive(Debug)]
pub struct TakenExternal {
    /// What became of it: `imported`, `replaced` or `unchanged`.
    pub action: &'static str,
    /// Its directory.
    pub directory: std::path::PathBuf,
}

impl Change<'_> {
    /// Puts a pair into `external/NAME`, in the place of the one that is there. `chain` begins with its certificate.
    ///
    /// # Errors
    /// The key is another certificate's, or the name has no directory name.
    pub fn take_external(&mut self, name: &str, chain: &[Certificate], key: &PrivateKey) -> Result<TakenExternal> {
        let Some(leaf) = chain.first() else {
            return Err(Error::failed("there is no certificate in the file"));
        };
        if leaf.public_key() != key.public_key() {
            return Err(Error::failed(format!(
                "external {} was not taken over: the key is not that of the certificate of {}",
                ui::quote(name),
                ui::quote(&leaf.subject().to_string())
            ))
            .hint("name the two files that belong together; the certificate comes first in its file"));
        }
        self.refuse_external_twin(name)?;
        let path = layout::entry_dir(EXTERNAL, name)?;
        let directory = self.world.store.path(&path);
        let files = [
            OutputFile::public(
                layout::certificate_file(EXTERNAL),
                chain.iter().map(Certificate::pem).collect::<String>(),
            ),
            OutputFile::private(layout::key_file(EXTERNAL), key.to_pem().as_bytes().to_vec()),
        ];
        let is_new = !self.world.store.holds(&path);
        let mut is_same = !is_new;
        for file in &files {
            let old = self.world.store.read_if_exists(path.join(&file.path), INPUT_LIMIT)?;
            is_same &= old.is_some_and(|old| *old == *file.bytes);
        }
        if is_same {
            return Ok(TakenExternal { action: "unchanged", directory });
        }
        self.put_files_in(path, files.into());
        let issuer = leaf.issuer().to_string();
        self.record(Action::Imported, EXTERNAL, name, leaf, &issuer, Location::External, true)?;
        if !self.world.store.holds(layout::manifest()) {
            self.manifest(self.world.manifest_text.clone());
        }
        self.refresh_configuration()?;
        Ok(TakenExternal { action: if is_new { "imported" } else { "replaced" }, directory })
    }

    /// Names that differ only in case are one directory on some disks.
    fn refuse_external_twin(&self, name: &str) -> Result<()> {
        let twins = self.world.inventory.twins(EXTERNAL, name);
        match twins.first() {
            None => Ok(()),
            Some(twin) => Err(Error::failed(format!(
                "external {} was not taken over: {} exists and differs only in case",
                ui::quote(name),
                ui::quote(twin)
            ))
            .hint("choose another name")),
        }
    }
}
