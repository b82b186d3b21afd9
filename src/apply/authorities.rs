//! Authorities: which are here and who signed whom; and in the making, with which key, sealed to whom.

use crate::apply::{AuthorityState, Change, Dates, World, Written, request};
use crate::error::{Error, Result};
use crate::issuer::{Issued, Issuer, LocalIssuer};
use crate::manifest::Authority;
use crate::plan::{self, Reason, Standing};
use crate::store::layout::{self, Ca, Generation};
use crate::store::{Action, Location, OutputFile, seal, seal::SealTo};
use crate::ui;
use crate::x509::{Certificate, PrivateKey};

use super::change::NewDirectory;

impl World {
    /// The authorities of the manifest, each after its issuer.
    pub fn authorities_in_order(&self) -> Vec<Authority> {
        let mut waiting: Vec<Authority> = self.manifest.authorities().to_vec();
        let mut ordered: Vec<Authority> = Vec::new();
        while let Some(at) = waiting
            .iter()
            .position(|a| a.issuer.as_ref().is_none_or(|issuer| waiting.iter().all(|other| other.name != *issuer)))
        {
            ordered.push(waiting.remove(at));
        }
        ordered
    }

    /// The names of the authorities that have a certificate here.
    pub fn authority_names(&self) -> impl Iterator<Item = &str> {
        self.authorities().filter(|(ca, _)| ca.generation == Generation::Present).map(|(ca, _)| ca.name)
    }

    /// Every certificate of an authority here: during a rotation some have two.
    pub fn authorities(&self) -> impl Iterator<Item = (Ca<'_>, &Certificate)> {
        self.authorities.iter().map(|(ca, certificate)| (ca.into(), certificate))
    }

    /// The certificate of an authority, if it has one.
    pub fn authority<'a>(&self, ca: impl Into<Ca<'a>>) -> Option<&Certificate> {
        let ca = ca.into();
        self.authorities.get(&(ca.name.to_owned(), ca.generation))
    }

    /// The certificate of an authority.
    ///
    /// # Errors
    /// It has none here.
    pub fn authority_certificate<'a>(&self, ca: impl Into<Ca<'a>>) -> Result<&Certificate> {
        let ca = ca.into();
        let name = ca.name;
        self.authority(ca).ok_or_else(|| {
            if let Ok(path) = layout::ca_certificate(ca)
                && layout::ca_dir(ca).is_ok_and(|directory| self.store.holds(directory))
            {
                return Error::failed(format!(
                    "authority {} cannot be used: {} is missing",
                    ui::quote(name),
                    ui::path(&self.store.path(path))
                ))
                .hint("put the file back, from version control or a backup");
            }
            let mut error = Error::failed(format!("there is no authority {}", ui::quote(name)));
            let known: Vec<String> = self.authority_names().map(ui::quote).collect();
            if !known.is_empty() {
                error = error.hint(format!("the authorities here are {}", known.join(", ")));
            }
            if self.inventory.authorities().get(name).is_some_and(|history| history.current().is_some()) {
                return error.hint("it existed: restore its directory in ca/ from a backup");
            }
            error.hint(format!("make it with certgen issue authority {}", ui::shell(name)))
        })
    }

    /// Where the key of an authority is.
    pub fn authority_state<'a>(&self, ca: impl Into<Ca<'a>>) -> AuthorityState {
        let ca = ca.into();
        let holds = |path: Result<std::path::PathBuf>| path.is_ok_and(|path| self.store.holds(path));
        if holds(layout::ca_key(ca)) {
            AuthorityState::Here
        } else if holds(layout::ca_key_sealed(ca)) {
            AuthorityState::Sealed
        } else {
            AuthorityState::Elsewhere
        }
    }

    /// What an authority is at present and, during a rotation, the one beside it: those whose keys are here.
    pub fn keys_here(&self, name: &str) -> Vec<(String, Generation)> {
        let all = Generation::ALL.into_iter().map(|generation| (name.to_owned(), generation));
        all.filter(|ca| self.authority(ca).is_some() && self.authority_state(ca) != AuthorityState::Elsewhere).collect()
    }

    /// How an authority differs from what the manifest says of it; during a rotation its successor, which is to stay.
    pub fn authority_reasons(&self, wanted: &Authority) -> Vec<Reason> {
        let successor = self.authority(Ca::new(&wanted.name, Generation::Successor));
        let Some(certificate) = successor.or_else(|| self.authority(&wanted.name)) else {
            return vec![Reason::Missing];
        };
        let is_external = |name: &str| {
            self.inventory.current(layout::AUTHORITY, name).is_some_and(|issued| issued.location == Location::External)
        };
        // A root is its own, also where its signature is of a kind that is not checked any more.
        let signer = || self.issuer_of(certificate).map(|issuer| issuer.name);
        let issuer = if certificate.is_self_issued() { Some(&*wanted.name) } else { signer() };
        let is_signed_elsewhere = is_external(&wanted.name) || issuer.is_some_and(is_external);
        let levels_below = self.levels_below(&wanted.name, 0);
        let mut reasons =
            plan::authority_reasons(wanted, certificate, Standing { issuer, is_signed_elsewhere, levels_below });
        if reasons.iter().any(Reason::is_about_form)
            && self.is_as_taken(layout::AUTHORITY, &wanted.name, certificate, &plan::authority_wishes(wanted))
        {
            reasons.retain(|reason| !reason.is_about_form());
        }
        reasons
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
        let below = self.manifest.authorities().iter().filter(|a| a.issuer.as_deref() == Some(name));
        // The manifest has no circles, so this ends; a hierarchy as deep as a u8 does not exist.
        below.map(|a| self.levels_below(&a.name, depth.saturating_add(1))).max().unwrap_or(depth)
    }

    pub(super) fn set_authority(&mut self, ca: Ca<'_>, certificate: Option<Certificate>) {
        let key = (ca.name.to_owned(), ca.generation);
        match certificate {
            Some(certificate) => drop(self.authorities.insert(key, certificate)),
            None => drop(self.authorities.remove(&key)),
        }
    }

    /// The authority here that signed `certificate`.
    pub fn issuer_of(&self, certificate: &Certificate) -> Option<Ca<'_>> {
        let signed =
            |ca: &Certificate| ca.subject().der() == certificate.issuer().der() && certificate.is_signed_by(ca);
        self.authorities().find(|(_, ca)| signed(ca)).map(|(ca, _)| ca)
    }

    /// The certificates from an authority up to its root, both included.
    ///
    /// # Errors
    /// One of them is not here.
    pub fn chain_from<'a>(&self, ca: impl Into<Ca<'a>>) -> Result<Vec<Certificate>> {
        let ca = ca.into();
        let mut chain = vec![self.authority_certificate(ca)?.clone()];
        while let Some(last) = chain.last().filter(|c| !c.is_self_issued()) {
            let above = self.issuer_of(last).and_then(|above| self.authority(above)).ok_or_else(|| {
                Error::failed(format!(
                    "the chain above authority {} is incomplete: {} is not here",
                    ui::quote(ca.name),
                    ui::quote(&last.issuer().to_string())
                ))
            })?;
            if chain.contains(above) {
                return Err(Error::failed(format!("the authorities above {} go in a circle", ui::quote(ca.name))));
            }
            chain.push(above.clone());
        }
        Ok(chain)
    }
}

impl Change<'_> {
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
        let files =
            vec![OutputFile::public(layout::CA_CERTIFICATE, certificate.pem()), seal::key_file(&key.to_pem(), to)?];
        let (path, mode) = (layout::ca_dir(ca)?, layout::PRIVATE_DIRECTORY);
        self.directories.push(NewDirectory { path, mode, owner: None, files });
        let (chain, publication) = (self.world.chain_from(ca)?, self.world.publication(ca.name));
        self.vault.keep(generation, LocalIssuer::new(ca.name, certificate.clone(), key, chain, publication)?);
        Ok(certificate)
    }

    fn sign_authority(
        &mut self,
        authority: &Authority,
        generation: Generation,
        key: &PrivateKey,
        dates: Dates,
    ) -> Result<Certificate> {
        let public = key.public_key().clone();
        let authority = &self.world.with_path_length(authority);
        let Some(parent) = &authority.issuer else {
            let (request, notes) = request::authority(authority, public, None, None, dates, self.env.now)?;
            self.note_dates("authority", &authority.name, None, &notes);
            return LocalIssuer::self_signed(&request, key);
        };
        // Below an authority that is being replaced, its successor signs successors.
        let above = Ca::new(parent, generation);
        let above = if self.world.authority(above).is_some() { above } else { Ca::from(parent) };
        if above.generation == Generation::Present {
            self.world.refuse_unfit_authority(parent)?;
        }
        let issuer = self.vault.issuer(self.world, above, self.env)?;
        let (request, notes) =
            request::authority(authority, public, None, Some(issuer.certificate()), dates, self.env.now)?;
        let Issued { certificate, .. } = issuer.issue(&request)?;
        self.note_dates("authority", &authority.name, Some(parent), &notes);
        Ok(certificate)
    }
}
