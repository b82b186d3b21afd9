//! What others made becomes authorities and identities of this PKI, with the files and the history that ours have.
//!
//! Nothing is signed but revocation lists, and nothing is changed in what is taken: a certificate stays as it is until it is
//! renewed. Its entry in the manifest says as much of it as it can, and the inventory remembers what the entry asked for
//! then: as long as it asks for the same, the certificate is no difference.

mod authority;
mod external;
mod kept;
mod pair;
mod revoked;
mod spec;

use std::path::PathBuf;

use crate::apply::Change;
use crate::error::{Error, Result};
use crate::manifest::{Editor, Value};
use crate::profile::Role;
use crate::store::{layout, seal::SealTo};
use crate::takeover::{Left, Taken};
use crate::x509::{Certificate, RevokedCertificate};

pub use external::TakenExternal;
pub use kept::KeptConfiguration;

/// How things are taken.
#[derive(Default)]
pub struct Taking<'a> {
    /// To whom the keys of authorities are sealed.
    pub seal: Option<&'a SealTo>,
    /// The name of the authority, or of the one that signed.
    pub authority: Option<&'a str>,
    /// A client may be a user that has a password or a tag.
    pub existing_user: bool,
    /// What a broker's own configuration says.
    pub kept: Option<&'a KeptConfiguration>,
}

/// What was taken and what was not.
#[derive(Debug, Default)]
pub struct TookOver {
    /// Authorities and identities, an issuer before what it signed.
    pub things: Vec<TakenThing>,
    /// Certificates that are revoked.
    pub revoked: Vec<TakenRevocation>,
    /// What was not taken, and why.
    pub left: Vec<Left>,
    /// What is to be known about the whole.
    pub notes: Vec<String>,
}

/// An authority or identity that was taken.
#[derive(Debug)]
pub struct TakenThing {
    /// The role's word, or `authority`.
    pub role: &'static str,
    /// Its name here.
    pub name: String,
    /// It was here already, with the same certificate.
    pub is_known: bool,
    /// Its certificate.
    pub certificate: Certificate,
    /// The name of the authority that signed it.
    pub issuer: String,
    /// Where its key is.
    pub key: TakenKey,
    /// It must not sign any more, or should be issued again: why.
    pub replace: Option<String>,
    /// What is to be known about it.
    pub notes: Vec<String>,
    /// Where it was found.
    pub paths: Vec<PathBuf>,
    /// Its directory here.
    pub directory: PathBuf,
}

/// Where the key of something that was taken is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenKey {
    /// In its directory.
    Here,
    /// In its directory, sealed with age.
    Sealed,
    /// It was not found: somebody has it elsewhere.
    Elsewhere,
}

/// Why something cannot be taken.
pub(super) struct Obstacle {
    why: String,
    /// What to type.
    hint: Option<String>,
}

impl Obstacle {
    fn of(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What stood in these files is left.
    fn left(self, paths: &[PathBuf]) -> Left {
        Left { path: paths.first().cloned().unwrap_or_default(), why: self.why, hint: self.hint }
    }
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Self { why: error.message().to_owned(), hint: error.hints().first().cloned() }
    }
}

impl TakenKey {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Sealed => "sealed",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// A revocation that was taken.
#[derive(Debug)]
pub struct TakenRevocation {
    /// The authority.
    pub authority: String,
    /// Whose certificate it was, where it was found.
    pub whom: Option<(Role, String)>,
    /// Serial number, date and reason.
    pub revoked: RevokedCertificate,
}

impl Change<'_> {
    /// Takes over what was found. The manifest of this change is written by it.
    ///
    /// # Errors
    /// A name is taken by something else here, a client would be a user with a password or a tag, or a list cannot be
    /// signed. Nothing is taken then.
    pub fn take_over(&mut self, found: Taken, taking: &Taking<'_>) -> Result<TookOver> {
        let Taken { mut authorities, mut pairs, left, notes, .. } = found;
        let mut took = TookOver { left, notes, ..TookOver::default() };
        let mut editor = Editor::new(&self.world.manifest_text, "certgen.toml")?;
        let mut placed = self.place_authorities(&authorities, taking, &mut took)?;
        self.keep_default_issuer(&placed, &mut editor)?;
        self.enter_authorities(&authorities, &mut placed, &mut editor, &mut took)?;
        let wanted = self.place_pairs(&mut pairs, &authorities, &placed, taking, &mut took)?;
        self.enter_pairs(&wanted, &mut editor)?;
        if let Some(kept) = taking.kept {
            self.keep_configuration(kept, &mut editor)?;
        }
        let text = editor.into_text();
        self.world.save(self.world.parse(&text)?);
        if text != self.world.manifest_text || !self.world.store.holds(layout::manifest()) {
            self.world.manifest_text.clone_from(&text);
            self.manifest(text);
        }
        self.refuse_taken_names(&wanted)?;
        self.take_authorities(&mut authorities, &placed, taking, &mut took)?;
        self.take_pairs(&mut pairs, wanted, &mut took)?;
        self.take_revocations(&authorities, &placed, &pairs, &mut took)?;
        self.refresh_all()?;
        Ok(took)
    }

    /// Where the only authority signs whatever does not name its issuer, it goes on doing so.
    fn keep_default_issuer(&self, placed: &[authority::Placed], editor: &mut Editor) -> Result<()> {
        let adds = placed.iter().any(|placed| matches!(placed, authority::Placed::New(_)));
        if let ([only], true) = (self.world.manifest.authorities(), adds) {
            editor.set(&["defaults"], "issuer", &Value::String(only.name.clone()))?;
        }
        Ok(())
    }
}
