//! Authorities that were found: under which names they come, and what is written for them.

use crate::apply::taking::{Obstacle, TakenKey, TakenThing, Taking, TookOver, spec};
use crate::apply::{AuthorityState, Change};
use crate::error::{Error, Result};
use crate::issuer::LocalIssuer;
use crate::manifest::{AuthoritySpec, Editor};
use crate::plan;
use crate::store::layout::{self, Ca, Generation};
use crate::store::{Action, Location, OutputFile, equal_but_for_case, seal};
use crate::takeover::{FoundAuthority, told_apart};
use crate::ui;
use crate::x509::PrivateKey;

/// What becomes of an authority that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Placed {
    /// It comes under this name.
    New(String),
    /// It is here under this name.
    Known(String),
    /// It cannot be taken.
    Left,
}

impl Placed {
    /// Its name here.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::New(name) | Self::Known(name) => Some(name),
            Self::Left => None,
        }
    }
}

impl Change<'_> {
    /// Decides what becomes of each authority; issuers come before those that they signed.
    pub(super) fn place_authorities(
        &self,
        found: &[FoundAuthority],
        taking: &Taking<'_>,
        took: &mut TookOver,
    ) -> Result<Vec<Placed>> {
        let known: Vec<Option<String>> = found.iter().map(|authority| self.known_as(authority)).collect();
        let named = self.named_by_user(found, &known, taking)?;
        let mut placed: Vec<Placed> = Vec::new();
        for (at, authority) in found.iter().enumerate() {
            if let Some(name) = &known[at] {
                placed.push(Placed::Known(name.clone()));
                continue;
            }
            let chosen = taking.authority.filter(|_| named == Some(at));
            let name = chosen.unwrap_or(&authority.name);
            let why = self.why_left(authority, &placed);
            placed.push(match why {
                Some(obstacle) => {
                    took.left.push(obstacle.left(&authority.paths));
                    Placed::Left
                }
                None => Placed::New(self.name_of_new(name, chosen.is_some(), authority, &placed)?),
            });
        }
        Ok(placed)
    }

    /// The name under which this very certificate is here.
    fn known_as(&self, found: &FoundAuthority) -> Option<String> {
        let mut here = self.world.authorities();
        here.find(|(_, certificate)| **certificate == found.certificate).map(|(ca, _)| ca.name.to_owned())
    }

    /// Which of those that are new gets the name of `--authority`: the only one, or the only root.
    fn named_by_user(
        &self,
        found: &[FoundAuthority],
        known: &[Option<String>],
        taking: &Taking<'_>,
    ) -> Result<Option<usize>> {
        let Some(name) = taking.authority else { return Ok(None) };
        let new: Vec<usize> = (0..found.len()).filter(|at| known[*at].is_none()).collect();
        let roots: Vec<usize> = new.iter().copied().filter(|at| found[*at].certificate.is_self_issued()).collect();
        match (new.as_slice(), roots.as_slice()) {
            ([], _) => self.world.authority_certificate(name).map(|_| None),
            ([only], _) | (_, [only]) => Ok(Some(*only)),
            _ => {
                let names: Vec<String> = new.iter().map(|at| ui::quote(&found[*at].name)).collect();
                Err(Error::usage(format!("--authority names one authority, and there are {}", names.join(", ")))
                    .hint("name the directory of one of them, or leave --authority out"))
            }
        }
    }

    /// Why an authority cannot stand here, and what to type.
    fn why_left(&self, found: &FoundAuthority, placed: &[Placed]) -> Option<Obstacle> {
        let certificate = &found.certificate;
        if !certificate.is_ca() && !certificate.is_self_issued() {
            return Some(Obstacle::of("it signed certificates, and its own does not say that it may"));
        }
        let issuer = ui::quote(&certificate.issuer().to_string());
        match found.issuer {
            Some(at) if placed.get(at).is_none_or(|above| *above == Placed::Left) => {
                Some(Obstacle::of(format!("its issuer {issuer} was not taken")))
            }
            None if !certificate.is_self_issued() && self.world.issuer_of(certificate).is_none() => Some(
                Obstacle::of(format!("its issuer {issuer} is not among the files"))
                    .hint("name the file with that certificate too"),
            ),
            _ => None,
        }
    }

    /// The name under which an authority comes: where another has that name already, what tells its key apart is added. A
    /// name that somebody chose is that one or none.
    fn name_of_new(&self, name: &str, is_chosen: bool, found: &FoundAuthority, placed: &[Placed]) -> Result<String> {
        let refused = match self.refuse_name(name, placed) {
            Ok(()) => return Ok(name.to_owned()),
            Err(refused) => refused,
        };
        let apart = told_apart(name, &found.certificate);
        match !is_chosen && self.refuse_name(&apart, placed).is_ok() {
            true => Ok(apart),
            false => Err(refused),
        }
    }

    /// Two authorities of one name would be one directory.
    fn refuse_name(&self, name: &str, placed: &[Placed]) -> Result<()> {
        let other = |e: Error| {
            e.context("nothing was taken over").hint("give the one that comes another name with --authority NAME")
        };
        layout::ca_dir(name).map_err(other)?;
        self.world.refuse_existing_authority(name).map_err(other)?;
        let names = || placed.iter().filter_map(Placed::name);
        if names().any(|taken| taken == name) || equal_but_for_case(name, names()).is_some() {
            return Err(other(Error::failed(format!("two authorities would be called {}", ui::quote(name)))));
        }
        Ok(())
    }

    /// Adds those that are new to the manifest and to the world. One that the manifest cannot hold is left, and so are those
    /// below it.
    pub(super) fn enter_authorities(
        &mut self,
        found: &[FoundAuthority],
        placed: &mut [Placed],
        editor: &mut Editor,
        took: &mut TookOver,
    ) -> Result<()> {
        for (at, authority) in found.iter().enumerate() {
            let Placed::New(name) = placed[at].clone() else { continue };
            match self.why_left(authority, placed).map_or_else(|| self.spec_of(&name, authority, placed), Err) {
                Ok(spec) => {
                    editor.put_authority(&name, &spec)?;
                    self.world.save(self.world.parse(editor.text())?);
                    self.world.set_authority(Ca::from(&*name), Some(authority.certificate.clone()));
                }
                Err(obstacle) => {
                    took.left.push(obstacle.left(&authority.paths));
                    placed[at] = Placed::Left;
                }
            }
        }
        Ok(())
    }

    /// What the manifest says of an authority; or why it cannot hold it, and what to type.
    fn spec_of(&self, name: &str, authority: &FoundAuthority, placed: &[Placed]) -> Result<AuthoritySpec, Obstacle> {
        let issuer = self.issuer_name(authority, placed);
        let above = issuer.as_deref().map(|name| self.world.authority_certificate(name)).transpose();
        let spec = above.and_then(|above| {
            let issuer = issuer.as_deref().zip(above).map(|(name, certificate)| spec::Issuer { name, certificate });
            spec::authority(&self.world.manifest, name, &authority.certificate, issuer.as_ref(), self.env.now)
        });
        spec.map_err(Obstacle::from)
    }

    /// The authority here that signed one that was found; none of a root.
    fn issuer_name(&self, found: &FoundAuthority, placed: &[Placed]) -> Option<String> {
        match found.issuer {
            Some(at) => placed.get(at).and_then(Placed::name).map(str::to_owned),
            None if found.certificate.is_self_issued() => None,
            None => self.world.issuer_of(&found.certificate).map(|ca| ca.name.to_owned()),
        }
    }

    /// Stages files and events of authorities, and keeps the keys of this command for the lists.
    pub(super) fn take_authorities(
        &mut self,
        found: &mut [FoundAuthority],
        placed: &[Placed],
        taking: &Taking<'_>,
        took: &mut TookOver,
    ) -> Result<()> {
        for (authority, place) in found.iter_mut().zip(placed) {
            let Some(name) = place.name() else { continue };
            let issuer = self.issuer_name(authority, placed).unwrap_or_else(|| name.to_owned());
            let had = self.world.authority_state(name);
            let brings_key = authority.key.is_some() && had == AuthorityState::Elsewhere;
            let is_known = matches!(place, Placed::Known(_)) && !brings_key;
            if !is_known {
                self.put_authority(name, authority, place, taking)?;
            }
            if matches!(place, Placed::New(_)) {
                self.record_authority(name, authority, &issuer)?;
            }
            if let (Some(to), true) = (taking.seal, brings_key) {
                self.sealed(name, to)?;
            }
            let key = match (brings_key, taking.seal.is_some(), had) {
                (true, false, _) | (false, _, AuthorityState::Here) => TakenKey::Here,
                (true, true, _) | (false, _, AuthorityState::Sealed) => TakenKey::Sealed,
                (false, _, AuthorityState::Elsewhere) => TakenKey::Elsewhere,
            };
            took.things.push(TakenThing {
                role: layout::AUTHORITY,
                name: name.to_owned(),
                is_known,
                certificate: authority.certificate.clone(),
                issuer,
                key,
                replace: authority.replace_only.clone(),
                notes: std::mem::take(&mut authority.notes),
                paths: std::mem::take(&mut authority.paths),
                directory: self.world.store.path(layout::ca_dir(name)?),
            });
            if let (Some(key), true) = (authority.key.take(), brings_key) {
                self.keep_key(name, authority, key)?;
            }
        }
        Ok(())
    }

    fn put_authority(
        &mut self,
        name: &str,
        authority: &FoundAuthority,
        place: &Placed,
        taking: &Taking<'_>,
    ) -> Result<()> {
        let mut files = Vec::new();
        if matches!(place, Placed::New(_)) {
            files.push(OutputFile::public(layout::CA_CERTIFICATE, authority.certificate.pem()));
        }
        if let Some(key) = &authority.key {
            files.push(seal::key_file(&key.to_pem(), taking.seal)?);
        }
        self.put_files_in(layout::ca_dir(name)?, files);
        Ok(())
    }

    fn record_authority(&mut self, name: &str, authority: &FoundAuthority, issuer: &str) -> Result<()> {
        let location = if authority.key.is_some() { Location::Pki } else { Location::Csr };
        let wishes = plan::authority_wishes(&self.manifest_authority(name)?);
        let (role, certificate) = (layout::AUTHORITY, &authority.certificate);
        self.record(Action::Imported, role, name, certificate, issuer, location, true)?;
        if let Some(event) = self.events.last_mut() {
            event.settings = wishes;
            event.note.clone_from(&authority.replace_only);
        }
        Ok(())
    }

    fn keep_key(&mut self, name: &str, authority: &FoundAuthority, key: PrivateKey) -> Result<()> {
        let (chain, publication) = (self.world.chain_from(name)?, self.world.publication(name));
        let issuer = LocalIssuer::new(name, authority.certificate.clone(), key, chain, publication)?;
        self.vault.keep(Generation::Present, issuer);
        Ok(())
    }
}
