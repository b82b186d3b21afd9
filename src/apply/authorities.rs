//! Authorities in the making: who signs whom, with which key, sealed to whom.

use crate::apply::{Change, Dates, Written, request};
use crate::error::{Error, Result};
use crate::issuer::{Issued, Issuer, LocalIssuer};
use crate::manifest::Authority;
use crate::store::layout::{self, Ca, Generation};
use crate::store::{Action, Location, OutputFile, seal, seal::SealTo};
use crate::ui;
use crate::x509::{Certificate, PrivateKey};

use super::change::NewDirectory;

impl Change<'_> {
    /// The authorities of the manifest, each after its issuer.
    pub fn authorities_in_order(&self) -> Vec<Authority> {
        let mut waiting: Vec<Authority> = self.world.manifest.authorities().to_vec();
        let mut ordered: Vec<Authority> = Vec::new();
        while let Some(at) = waiting
            .iter()
            .position(|a| a.issuer.as_ref().is_none_or(|issuer| waiting.iter().all(|other| other.name != *issuer)))
        {
            ordered.push(waiting.remove(at));
        }
        ordered
    }

    /// The authority that the manifest has under this name.
    ///
    /// # Errors
    /// It has none.
    pub fn manifest_authority(&self, name: &str) -> Result<Authority> {
        let found = self.world.manifest.authority(name).cloned();
        found.ok_or_else(|| Error::failed(format!("certgen.toml has no authority {}", ui::quote(name))))
    }

    /// Makes an authority with a new key; the key is sealed when `to` says to whom.
    ///
    /// # Errors
    /// Its issuer cannot sign, or our lints refuse it.
    pub fn authority(&mut self, authority: &Authority, dates: Dates, to: Option<&SealTo>) -> Result<()> {
        let certificate = self.new_authority(authority, Generation::Present, dates, to)?;
        let directory = self.world.store.path(layout::ca_dir(&authority.name)?);
        let issuer = authority.issuer.clone().unwrap_or_else(|| authority.name.clone());
        let (name, role) = (&authority.name, layout::AUTHORITY);
        self.record(Action::AuthorityCreated, role, name, &certificate, &issuer, Location::Pki, true)?;
        if let Some(to) = to {
            self.sealed(name, to)?;
        }
        let name = name.clone();
        self.done.issued.push(Written { role, name, certificate, issuer, directory, renewed: false });
        Ok(())
    }

    /// Makes key and certificate of one generation of an authority and stages their directory.
    ///
    /// # Errors
    /// As for [`Change::authority`].
    pub(super) fn new_authority(
        &mut self,
        authority: &Authority,
        generation: Generation,
        dates: Dates,
        to: Option<&SealTo>,
    ) -> Result<Certificate> {
        let key = PrivateKey::generate(authority.key_type)?;
        let certificate = self.sign_authority(authority, generation, &key, dates)?;
        let ca = Ca::new(&authority.name, generation);
        self.world.set_authority(ca, Some(certificate.clone()));
        let pem = key.to_pem();
        let files = vec![
            OutputFile::public("ca_certificate.pem", certificate.pem()),
            match to {
                Some(to) => OutputFile::private("ca_key.pem.age", seal::seal(pem.as_bytes(), to)?),
                None => OutputFile::private("ca_key.pem", pem.as_bytes().to_vec()),
            },
        ];
        let (path, mode) = (layout::ca_dir(ca)?, layout::PRIVATE_DIRECTORY);
        self.directories.push(NewDirectory { path, mode, owner: None, files });
        let (chain, publication) = (self.world.chain_from(ca)?, self.world.publication(ca.name));
        self.vault.keep(generation, LocalIssuer::new(ca.name, certificate.clone(), key, chain, publication)?);
        Ok(certificate)
    }

    /// An intermediate says how many authorities may follow it: as many as the manifest has below it, if nothing was said.
    pub(super) fn with_path_length(&self, authority: &Authority) -> Authority {
        let mut authority = authority.clone();
        if authority.issuer.is_some() && authority.path_length.is_none() {
            authority.path_length = Some(self.levels_below(&authority.name, 0));
        }
        authority
    }

    fn levels_below(&self, name: &str, depth: u8) -> u8 {
        let below = self.world.manifest.authorities().iter().filter(|a| a.issuer.as_deref() == Some(name));
        // The manifest has no circles, so this ends; a hierarchy as deep as a u8 does not exist.
        below.map(|a| self.levels_below(&a.name, depth.saturating_add(1))).max().unwrap_or(depth)
    }

    fn sign_authority(
        &mut self,
        authority: &Authority,
        generation: Generation,
        key: &PrivateKey,
        dates: Dates,
    ) -> Result<Certificate> {
        let public = key.public_key().clone();
        let authority = &self.with_path_length(authority);
        let Some(parent) = &authority.issuer else {
            let (request, notes) = request::authority(authority, public, None, None, dates, self.env.now)?;
            self.note_dates("authority", &authority.name, None, &notes);
            return LocalIssuer::self_signed(&request, key);
        };
        self.world.refuse_revoked_authority(parent)?;
        // Below an authority that is being replaced, its successor signs successors.
        let above = Ca::new(parent, generation);
        let above = if self.world.authority(above).is_some() { above } else { Ca::from(parent) };
        let issuer = self.vault.issuer(self.world, above, self.env)?;
        let (request, notes) =
            request::authority(authority, public, None, Some(issuer.certificate()), dates, self.env.now)?;
        let Issued { certificate, .. } = issuer.issue(&request)?;
        self.note_dates("authority", &authority.name, Some(parent), &notes);
        Ok(certificate)
    }
}
