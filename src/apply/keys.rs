//! Authority keys: found, opened, kept for one command and forgotten.

use std::collections::BTreeMap;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::apply::{AuthorityState, World};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::issuer::{LocalIssuer, Publication};
use crate::store::layout::{self, Ca, Generation};
use crate::store::{self, seal};
use crate::ui;
use crate::x509::{Csr, PrivateKey};

/// How sealed keys are opened.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Unlock {
    /// File with the passphrase of sealed authority keys
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub passphrase_file: Option<PathBuf>,
    /// age identity file that opens sealed authority keys (repeatable)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub identity: Vec<PathBuf>,
}

impl Unlock {
    /// What there is to open an age file with that is no key of an authority, called `what`; asked for where there is nothing
    /// and somebody to ask.
    ///
    /// # Errors
    /// A file that is named cannot be read.
    pub fn for_file(&self, what: &str, env: &Env) -> Result<seal::Unlock> {
        let identities = self.identities(env)?;
        let mut passphrase = passphrase(self, env)?;
        if passphrase.is_none() && identities.is_empty() && env.interactive {
            let hint = "give the passphrase with --passphrase-file PATH, or the identity with --identity FILE";
            passphrase = Some(ui::secret(env, &format!("Passphrase of {what}"), hint)?);
        }
        Ok(seal::Unlock { passphrase, identities })
    }

    /// The texts of the identity files.
    fn identities(&self, env: &Env) -> Result<Vec<Zeroizing<String>>> {
        let mut identities = Vec::new();
        for path in &self.identity {
            let text = store::read_limited(&env.cwd.join(path), store::INPUT_LIMIT)?;
            let text = std::str::from_utf8(&text)
                .map_err(|_| Error::failed(format!("the identity file {} is not text", ui::path(path))))?;
            identities.push(Zeroizing::new(text.to_owned()));
        }
        Ok(identities)
    }
}

/// The authorities that this command has opened so far.
#[derive(Default)]
pub struct Vault {
    unlock: Unlock,
    passphrase: Option<Zeroizing<String>>,
    opened: BTreeMap<(String, Generation), LocalIssuer>,
}

impl Vault {
    /// A vault that opens sealed keys as `unlock` says, when one is first needed.
    pub fn new(unlock: &Unlock) -> Self {
        Self { unlock: unlock.clone(), ..Self::default() }
    }

    /// Keeps an authority that was just made.
    pub fn keep(&mut self, generation: Generation, issuer: LocalIssuer) {
        use crate::issuer::Issuer;
        self.opened.insert((issuer.name().to_owned(), generation), issuer);
    }

    /// What was opened as `rising` signs from now on; what signed is the predecessor.
    pub(super) fn exchange(&mut self, name: &str, rising: Generation) {
        let [rising, falling] =
            [rising, Generation::Present].map(|generation| self.opened.remove(&(name.to_owned(), generation)));
        for (generation, issuer) in [(Generation::Present, rising), (Generation::Predecessor, falling)] {
            self.opened.extend(issuer.map(|issuer| ((name.to_owned(), generation), issuer)));
        }
    }

    /// The authority, ready to sign.
    ///
    /// # Errors
    /// It does not exist, its key is not here, or the key is sealed and does not open.
    pub fn issuer<'a>(&mut self, world: &World, ca: impl Into<Ca<'a>>, env: &Env) -> Result<&LocalIssuer> {
        let ca = ca.into();
        let key = (ca.name.to_owned(), ca.generation);
        if !self.opened.contains_key(&key) {
            let issuer = self.open(world, ca, env)?;
            self.opened.insert(key.clone(), issuer);
        }
        Ok(&self.opened[&key])
    }

    /// An authority that was opened before, for many threads to sign with.
    pub(super) fn opened(&self, name: &str) -> Option<&LocalIssuer> {
        self.opened.get(&(name.to_owned(), Generation::Present))
    }

    fn open(&mut self, world: &World, ca: Ca<'_>, env: &Env) -> Result<LocalIssuer> {
        let certificate = world.authority_certificate(ca)?.clone();
        let key = PrivateKey::from_pem(&self.key_pem(world, ca, env)?, None).map_err(|e| {
            let plain = layout::ca_key(ca).ok().filter(|path| world.store.holds(path));
            let path = plain.or_else(|| layout::ca_key_sealed(ca).ok()).unwrap_or_default();
            let shown = ui::path(env.shown(&world.store.path(path)));
            Error::from(e)
                .context(format!("reading {shown}, the key of authority {}", ui::quote(ca.name)))
                .hint("put the key back from a backup")
        })?;
        LocalIssuer::new(ca.name, certificate, key, world.chain_from(ca)?, world.publication(ca.name))
    }

    /// The authority's key in the clear, as PEM.
    ///
    /// # Errors
    /// As for [`Vault::issuer`].
    pub fn key_pem<'a>(&mut self, world: &World, ca: impl Into<Ca<'a>>, env: &Env) -> Result<Zeroizing<Vec<u8>>> {
        let ca = ca.into();
        let name = ca.name;
        if let Some(plain) = world.store.read_if_exists(layout::ca_key(ca)?, store::INPUT_LIMIT)? {
            return Ok(plain);
        }
        let Some(file) = world.store.read_if_exists(layout::ca_key_sealed(ca)?, store::INPUT_LIMIT)? else {
            return Err(Error::failed(format!(
                "authority {} cannot sign here: its key {} is not here",
                ui::quote(name),
                ui::path(env.shown(&world.store.path(layout::ca_key(ca)?)))
            ))
            .hint("run this where the key is"));
        };
        let shown = ui::path(env.shown(&world.store.path(layout::ca_key_sealed(ca)?)));
        let unlock = self.how_to_open(&file, name, &shown, env)?;
        seal::unseal(&file, &unlock, &shown)
            .map_err(|e| e.context(format!("opening the sealed key of authority {}", ui::quote(name))))
    }

    /// Whom a successor's key is sealed to: those who can open the key of `ca` now. `None` where that is in the clear.
    ///
    /// # Errors
    /// It is sealed to somebody whom the log does not name, or does not open.
    pub(super) fn sealed_like(&mut self, world: &World, ca: Ca<'_>, env: &Env) -> Result<Option<seal::SealTo>> {
        if world.authority_state(ca) != AuthorityState::Sealed {
            return Ok(None);
        }
        let path = layout::ca_key_sealed(ca)?;
        let file = world.store.read(&path)?;
        match seal::recipients_of(&file, &ui::path(&path))? {
            seal::SealedTo::Passphrase => {
                // Opened with the passphrase that is asked for now, so it is the right one.
                self.issuer(world, ca, env)?;
                Ok(self.passphrase.clone().map(seal::SealTo::Passphrase))
            }
            seal::SealedTo::Recipients(count) => {
                let history = world.inventory.history(layout::AUTHORITY, ca.name);
                match history.map(|history| history.recipients.clone()).filter(|known| known.len() == count) {
                    Some(known) => Ok(Some(seal::SealTo::Recipients(known))),
                    None => Err(Error::failed(format!(
                        "the key of authority {} is sealed to recipients that the log does not name",
                        ui::quote(ca.name)
                    ))
                    .hint(format!(
                        "seal it again, so that it is known: certgen seal {} --recipient age1...",
                        ui::shell(ca.name)
                    ))),
                }
            }
        }
    }

    /// The passphrase or the identities: from the flags, the environment or the terminal, asked for once.
    fn how_to_open(&mut self, file: &[u8], name: &str, shown: &str, env: &Env) -> Result<seal::Unlock> {
        let identities = self.unlock.identities(env)?;
        if self.passphrase.is_none() {
            self.passphrase = passphrase(&self.unlock, env)?;
        }
        if self.passphrase.is_none() && identities.is_empty() {
            let wants_passphrase = seal::recipients_of(file, shown)? == seal::SealedTo::Passphrase;
            let hint = if wants_passphrase {
                "give the passphrase with --passphrase-file PATH or CERTGEN_PASSPHRASE"
            } else {
                "give the age identity with --identity PATH"
            };
            if !wants_passphrase || !env.interactive {
                return Err(Error::failed(format!("the key of authority {} is sealed", ui::quote(name))).hint(hint));
            }
            self.passphrase = Some(ui::secret(env, &format!("Passphrase of authority {name}"), hint)?);
        }
        Ok(seal::Unlock { passphrase: self.passphrase.clone(), identities })
    }
}

/// The passphrase from `--passphrase-file` or `CERTGEN_PASSPHRASE`.
fn passphrase(unlock: &Unlock, env: &Env) -> Result<Option<Zeroizing<String>>> {
    match &unlock.passphrase_file {
        Some(path) => Ok(Some(store::read_passphrase(&env.cwd.join(path))?)),
        None => Ok(env.passphrase.clone()),
    }
}

impl World {
    /// What the manifest says that certificates of this authority should point to.
    pub fn publication(&self, name: &str) -> Publication {
        self.manifest.authority(name).map_or_else(Publication::default, |a| Publication {
            crl_urls: a.crl_urls.clone(),
            issuer_urls: a.issuer_urls.clone(),
            ocsp_urls: a.ocsp_urls.clone(),
            policies: a.policies.clone(),
        })
    }
}

/// Where the key of a new end entity comes from.
pub enum KeySource {
    /// Made now.
    Generate(crate::x509::KeyType),
    /// Somewhere else; this request speaks for it.
    Request(Box<Csr>),
    /// The one that it has had so far.
    Reuse(Box<PrivateKey>),
}
