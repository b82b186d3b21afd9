//! Other people's trees: authorities, certificates, keys and revocations that were made by tls-gen, easy-rsa, mkcert,
//! minica, cfssl, `openssl ca`, Vault, Consul or by hand, as they lie in files.
//!
//! The room is pure: it gets the contents of files and gives what can be taken over, and for every file that is not
//! taken the reason. Names of files lie, so everything is recognised by its bytes: a key belongs to the certificate with
//! the same public key, a certificate to the authority whose key made the signature. What a tree looks like decides only
//! what things are called.
//!
//! Nothing here is an error. A tree is hostile input: whatever cannot be read is [`Left`] with its reason.

mod authorities;
mod config;
mod containers;
mod database;
mod links;
mod maker;
mod names;
mod pairs;
mod pool;
mod read;
mod revocations;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;

use time::OffsetDateTime;
use zeroize::Zeroize;

pub use config::{ConfigFile, Kept, KeptUser};

pub(crate) use names::told_apart;
use pool::Pool;

use crate::profile::Role;
use crate::ui;
use crate::x509::{Certificate, Crl, PrivateKey, RevokedCertificate};

/// A file larger than this is not read at all: the largest revocation lists are smaller.
pub const LARGEST_FILE: u64 = 64 << 20;

/// The files of a tree.
#[derive(Default)]
pub struct Tree {
    /// Every file that was read: its path as it is shown, and its bytes.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Files that were not read: too large, or not readable.
    pub unread: Vec<Left>,
}

/// There are keys among them.
impl Drop for Tree {
    fn drop(&mut self) {
        self.files.values_mut().for_each(|bytes| bytes.as_mut_slice().zeroize());
    }
}

/// How a tree is taken.
pub struct Asked<'a> {
    /// Passwords of keys and containers, tried in this order; the empty one is always tried on containers.
    pub passwords: &'a [&'a [u8]],
    /// The role of every end entity, instead of the one that its extended key usage says.
    pub role: Option<Role>,
    /// The moment at which certificates are looked at.
    pub at: OffsetDateTime,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Taken {
    /// What the tree looks like, for people: `tls-gen basic`, `easy-rsa`; one for each tree in it.
    pub kinds: Vec<Kind>,
    /// The authorities, an issuer before those whose certificates it signed. Their names differ.
    pub authorities: Vec<FoundAuthority>,
    /// The end entities. No two have the same role and name.
    pub pairs: Vec<FoundPair>,
    /// Every file of which nothing was taken.
    pub left: Vec<Left>,
    /// Those of them that are encrypted, and that no password that was given opens.
    pub closed: Vec<Left>,
    /// One of the passwords that were given opened something.
    pub opened: bool,
    /// What is to be known about the whole; sentences that are safe to show.
    pub notes: Vec<String>,
}

/// What a directory looks like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The directory.
    pub path: PathBuf,
    /// Whose it is.
    pub maker: Maker,
}

/// The programs whose trees are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker {
    /// tls-gen, any profile.
    TlsGen,
    /// easy-rsa.
    EasyRsa,
    /// mkcert's CAROOT.
    Mkcert,
    /// minica.
    Minica,
    /// cfssl.
    Cfssl,
    /// `openssl ca`.
    OpenSslCa,
    /// HashiCorp Vault.
    Vault,
    /// HashiCorp Consul.
    Consul,
}

/// An authority.
#[derive(Debug)]
pub struct FoundAuthority {
    /// The name that it may have here; unlike that of any other in the tree.
    pub name: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// The certificate, then its issuers as far as they were found, the root last.
    pub chain: Vec<Certificate>,
    /// Who signed it, in [`Taken::authorities`]; `None` for a root, and where the issuer was not found.
    pub issuer: Option<usize>,
    /// Its key, if it was found and opened.
    pub key: Option<PrivateKey>,
    /// What it has revoked, each serial number once, oldest first.
    pub revoked: Vec<RevokedCertificate>,
    /// Its newest revocation list; the signature is good.
    pub crl: Option<Crl>,
    /// The highest number that one of its lists has.
    pub crl_number: Option<u128>,
    /// It must not sign any more, and why: some verifier refuses what it signed.
    pub replace_only: Option<String>,
    /// What is to be known about it; sentences that are safe to show.
    pub notes: Vec<String>,
    /// Where it was found: certificate, key, database and lists.
    pub paths: Vec<PathBuf>,
}

/// An end entity with its certificate.
#[derive(Debug)]
pub struct FoundPair {
    /// What it is for.
    pub role: Role,
    /// Its name: the common name of a client, the host of a server.
    pub name: String,
    /// Its newest certificate that is not revoked, or the newest of all.
    pub certificate: Certificate,
    /// The certificate, then its issuers as far as they were found, without the root.
    pub chain: Vec<Certificate>,
    /// Its key, if it was found and opened.
    pub key: Option<PrivateKey>,
    /// Who signed it, in [`Taken::authorities`]; `None` if the authority was not found, and for one that signed itself.
    pub issuer: Option<usize>,
    /// Other certificates of the same role and name, with their issuers; mostly earlier ones. They may still be valid, and
    /// have keys that are not taken.
    pub former: Vec<(Certificate, Option<usize>)>,
    /// Its certificate is revoked, and so is every other of its name.
    pub revoked: Option<RevokedCertificate>,
    /// It should be issued again, and why: some verifier refuses it for its form.
    pub reissue: Option<String>,
    /// What is to be known about it; sentences that are safe to show.
    pub notes: Vec<String>,
    /// Where it was found: certificate, key and containers.
    pub paths: Vec<PathBuf>,
}

impl FoundPair {
    /// Its name is that of its file: no name in its certificate is this one.
    pub fn is_called_like_its_file(&self) -> bool {
        !names::of_certificate(&self.certificate).any(|name| name.eq_ignore_ascii_case(&self.name))
    }
}

/// A file, or part of one, of which nothing was taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// The file.
    pub path: PathBuf,
    /// Why; safe to show.
    pub why: String,
    /// What to type, where there is something.
    pub hint: Option<String>,
}

/// Everything in `tree` that can be taken over.
pub fn take(tree: &Tree, asked: &Asked<'_>) -> Taken {
    let mut pool = read::read(tree, asked);
    let links = links::find(&pool);
    let kinds = maker::kinds(tree);
    let mut authorities = authorities::find(&mut pool, &links, asked);
    let revoked = revocations::collect(&mut pool, &links, &mut authorities);
    let pairs = pairs::find(
        &mut pool,
        &pairs::Known { links: &links, authorities: &authorities, revoked: &revoked, kinds: &kinds },
        asked,
    );
    let mut notes = Vec::new();
    if authorities.found.is_empty() && !pairs.is_empty() {
        notes.push("there is no authority in these files: nothing of them can be renewed or revoked here".to_owned());
    }
    let (closed, opened) = (std::mem::take(&mut pool.closed), pool.opened);
    Taken { kinds, authorities: authorities.found, pairs, left: left(pool), closed, opened, notes }
}

/// What was left while reading, and what belongs to nothing.
fn left(mut pool: Pool) -> Vec<Left> {
    let mut more: Vec<(PathBuf, String)> = Vec::new();
    for held in pool.keys.unused() {
        let why = format!("the private key in it ({}) belongs to no certificate here", held.value.key_type());
        more.extend(held.paths.iter().map(|path| (path.clone(), why.clone())));
    }
    for held in pool.lists.unused() {
        let issuer = ui::quote(&held.value.issuer().to_string());
        let why = format!("no authority here has signed this revocation list of {issuer}");
        more.extend(held.paths.iter().map(|path| (path.clone(), why.clone())));
    }
    for database in pool.databases.iter().filter(|database| !database.used) {
        more.push((database.path.clone(), "nothing says of which authority this database is".to_owned()));
    }
    more.iter().for_each(|(path, why)| pool.leave(path, why));
    pool.left.sort();
    pool.left.dedup();
    pool.left
}
