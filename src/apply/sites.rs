//! Authorities whose key and whose issuer's key are on different machines: a root signs requests of its sites, and each
//! site issues by itself. Nothing is shared between them but certificates.

use crate::apply::{AuthorityState, Change, Dates, World, Written, request};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::issuer::{Issued, Issuer};
use crate::manifest::Authority;
use crate::store::layout::{self, Ca};
use crate::store::{Action, Location, OutputFile};
use crate::ui;
use crate::x509::{Certificate, Csr};

/// An authority of a chain that was signed elsewhere, under the name that it has here.
#[derive(Debug, Clone)]
pub struct Above {
    /// Its name here.
    pub name: String,
    /// Its certificate.
    pub certificate: Certificate,
}

impl Change<'_> {
    /// Signs the request of an authority whose key is elsewhere. What it asks for beside its key has no say: subject,
    /// dates and limits are the manifest's. The files go to `ca/NAME`, with the chain that its owner needs.
    ///
    /// # Errors
    /// Its issuer cannot sign, or our lints refuse it.
    pub fn subordinate(&mut self, authority: &Authority, csr: Csr, dates: Dates) -> Result<()> {
        let authority = &self.world.with_path_length(authority);
        let (name, role) = (&authority.name, layout::AUTHORITY);
        let Some(parent) = &authority.issuer else {
            return Err(Error::failed(format!("authority {} was not issued: it has no issuer", ui::quote(name)))
                .hint("name who signs it with --issuer AUTHORITY"));
        };
        self.world.refuse_unfit_authority(parent)?;
        let issuer = self.vault.issuer(self.world, parent, self.env)?;
        let key = csr.public_key().clone();
        let (request, notes) =
            request::authority(authority, key, Some(csr), Some(issuer.certificate()), dates, self.env.now)?;
        let Issued { certificate, .. } = issuer.issue(&request)?;
        self.note_dates(role, name, Some(parent), &notes);
        let renewed = self.world.authority(name).is_some();
        self.world.set_authority(Ca::from(name), Some(certificate.clone()));
        let chain: String = self.world.chain_from(name)?.iter().map(Certificate::pem).collect();
        let files = vec![
            OutputFile::public(layout::CA_CERTIFICATE, certificate.pem()),
            OutputFile::public(layout::CA_CHAIN, chain),
        ];
        self.put_files_in(layout::ca_dir(name)?, files);
        let action = if renewed { Action::Renewed } else { Action::AuthorityCreated };
        self.record(action, role, name, &certificate, parent, Location::Csr, true)?;
        let directory = self.world.store.path(layout::ca_dir(name)?);
        let (name, issuer) = (name.clone(), parent.clone());
        self.done.issued.push(Written { role, name, certificate, issuer, directory, renewed });
        Ok(())
    }

    /// Takes over the certificate of an authority whose key was made here, and those above it, which are known by their
    /// certificates alone.
    ///
    /// # Errors
    /// A name has no directory name.
    pub fn certified_elsewhere(&mut self, name: &str, certificate: &Certificate, above: &[Above]) -> Result<()> {
        let role = layout::AUTHORITY;
        let mut issuers = above.iter().skip(1).map(|a| a.name.as_str());
        for Above { name, certificate } in above {
            let issuer = issuers.next().unwrap_or(name);
            if self.world.authority(name) == Some(certificate) {
                continue;
            }
            self.world.set_authority(Ca::from(name), Some(certificate.clone()));
            self.put_files_in(
                layout::ca_dir(name)?,
                vec![OutputFile::public(layout::CA_CERTIFICATE, certificate.pem())],
            );
            self.record(Action::AuthorityCreated, role, name, certificate, issuer, Location::External, true)?;
        }
        let issuer = above.first().map_or(name, |above| above.name.as_str()).to_owned();
        let action = match self.world.authority(name) {
            Some(is) if is == certificate => return Ok(()),
            Some(_) => Action::Renewed,
            None => Action::AuthorityCreated,
        };
        self.world.set_authority(Ca::from(name), Some(certificate.clone()));
        self.put_files_in(layout::ca_dir(name)?, vec![OutputFile::public(layout::CA_CERTIFICATE, certificate.pem())]);
        self.record(action, role, name, certificate, &issuer, Location::Pki, true)?;
        let directory = self.world.store.path(layout::ca_dir(name)?);
        let (name, certificate, renewed) = (name.to_owned(), certificate.clone(), action == Action::Renewed);
        self.done.issued.push(Written { role, name, certificate, issuer, directory, renewed });
        Ok(())
    }
}

impl World {
    /// Whether somebody else has to sign when `name` is replaced: the key of its issuer, or its own, is not here.
    pub fn is_replaced_elsewhere(&self, name: &str) -> bool {
        [Some(name), self.authority_above(name)].into_iter().flatten().any(|name| self.is_elsewhere(name))
    }

    /// What to do when an authority ends: a rotation here, or a request to whoever has the key that signs it.
    pub fn how_to_replace(&self, name: &str, env: &Env) -> String {
        let above = self.authority_above(name);
        match (self.is_elsewhere(name), above.filter(|above| self.is_elsewhere(above))) {
            (false, None) => format!("certgen rotate start {}", ui::shell(name)),
            (false, Some(above)) => {
                let request = self.store.path(layout::ca_request(name).unwrap_or_default());
                let request = ui::path(env.shown(&request));
                format!(
                    "send {request} to whoever has the key of {}; certgen request --finish takes the answer",
                    ui::quote(above)
                )
            }
            (true, None) if self.is_taken_over(name) => format!("certgen rotate start {}", ui::shell(name)),
            (true, None) if above.is_some() => format!("certgen issue authority {} --csr FILE", ui::shell(name)),
            (true, _) => "that is done where its key is".to_owned(),
        }
    }

    fn is_elsewhere(&self, name: &str) -> bool {
        self.authority(name).is_some() && self.authority_state(name) == AuthorityState::Elsewhere
    }
}
