//! Where everything lies below `pki/`, and with which mode. No other file of certgen spells these names.
//!
//! All paths are relative to the PKI's directory: [`super::Store::path`] puts it in front for reading and for messages,
//! and a transaction takes them as they are. Roles are given by their directory's word (`server`, `node`, `client`,
//! `external`), an authority by `authority`.

use std::path::PathBuf;

use crate::error::Result;

use super::names::directory_name;

/// Mode of certificates, bundles, CRLs and configuration without a secret.
pub const PUBLIC_FILE: u32 = 0o644;
/// Mode of keys and of everything else with a secret in it.
pub const PRIVATE_FILE: u32 = 0o600;
/// Mode of a directory that holds secrets.
pub const PRIVATE_DIRECTORY: u32 = 0o700;
/// Mode of `pki/` and of the directories that only hold other directories or public files: an owner given with
/// `--owner` must be able to walk to what is theirs.
pub const PUBLIC_DIRECTORY: u32 = 0o755;

/// The word for an authority where a role is asked for.
pub const AUTHORITY: &str = "authority";

/// The word for a pair that somebody else renews, and its directory.
pub const EXTERNAL: &str = "external";

/// What `pki/.gitignore` says.
pub const GITIGNORE_TEXT: &str = "\
# Written by certgen: what must not leave this machine in the clear.
/lock
/journal
/inventory.idx
/.certgen-*/
*_key.pem
/external/*/key.pem
combined_keys.pem
*.password
definitions.json
*.new
/rabbitmq/**/definitions.d/
/history/
";

/// What `pki/.gitattributes` says: two branches that both issued are merged line by line.
pub const GITATTRIBUTES_TEXT: &str = "/inventory.jsonl merge=union\n";

/// The manifest.
pub fn manifest() -> PathBuf {
    "certgen.toml".into()
}

/// The inventory of events.
pub fn inventory() -> PathBuf {
    "inventory.jsonl".into()
}

/// The lock that every writing command holds.
pub fn lock() -> PathBuf {
    "lock".into()
}

/// The transaction that is being carried out, if one is.
pub fn journal() -> PathBuf {
    "journal".into()
}

/// `.gitignore`, text in [`GITIGNORE_TEXT`].
pub fn gitignore() -> PathBuf {
    ".gitignore".into()
}

/// `.gitattributes`, text in [`GITATTRIBUTES_TEXT`].
pub fn gitattributes() -> PathBuf {
    ".gitattributes".into()
}

/// Which of its certificates: an authority that is rotated has two for a while, each with its key and its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// The one that signs.
    Present,
    /// The one that will: peers learn to trust it first.
    Successor,
    /// The one that did: peers still trust it.
    Predecessor,
}

impl Generation {
    /// All of them; what signs comes first.
    pub const ALL: [Self; 3] = [Self::Present, Self::Successor, Self::Predecessor];

    /// The word for it, and for its directory.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Successor => "successor",
            Self::Predecessor => "predecessor",
        }
    }
}

/// An authority, or one of the two that it is during a rotation. A bare name means the one that signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ca<'a> {
    /// Its name in the manifest.
    pub name: &'a str,
    /// Which of its certificates.
    pub generation: Generation,
}

impl<'a> Ca<'a> {
    /// That certificate of `name`.
    pub fn new(name: &'a str, generation: Generation) -> Self {
        Self { name, generation }
    }
}

impl<'a> From<&'a str> for Ca<'a> {
    fn from(name: &'a str) -> Self {
        Self::new(name, Generation::Present)
    }
}

impl<'a> From<&'a String> for Ca<'a> {
    fn from(name: &'a String) -> Self {
        Self::new(name, Generation::Present)
    }
}

impl<'a> From<&'a (String, Generation)> for Ca<'a> {
    fn from((name, generation): &'a (String, Generation)) -> Self {
        Self::new(name, *generation)
    }
}

/// The directory of an authority; what it has beside the present certificate lies in a directory below.
pub fn ca_dir<'a>(authority: impl Into<Ca<'a>>) -> Result<PathBuf> {
    let ca = authority.into();
    let directory = PathBuf::from("ca").join(directory_name(ca.name)?);
    Ok(match ca.generation {
        Generation::Present => directory,
        other => directory.join(other.as_str()),
    })
}

/// The files of a consumer other than the broker.
pub fn emit_dir(target: &str) -> PathBuf {
    PathBuf::from("emit").join(target)
}

/// The file with an authority's certificate in its directory.
pub const CA_CERTIFICATE: &str = "ca_certificate.pem";
/// An authority's key in its directory.
pub const CA_KEY: &str = "ca_key.pem";
/// The same when it is sealed.
pub const CA_KEY_SEALED: &str = "ca_key.pem.age";

/// The file that goes to the owner of an authority whose key is elsewhere: its certificate, then those above it.
pub const CA_CHAIN: &str = "ca_chain.pem";

/// The request for an authority that another machine signs; it stays beside the key, to be signed again one day.
pub fn ca_request<'a>(authority: impl Into<Ca<'a>>) -> Result<PathBuf> {
    Ok(ca_dir(authority)?.join("request.pem"))
}

/// An authority's certificate.
pub fn ca_certificate<'a>(authority: impl Into<Ca<'a>>) -> Result<PathBuf> {
    Ok(ca_dir(authority)?.join(CA_CERTIFICATE))
}

/// An authority's private key, when it is not sealed.
pub fn ca_key<'a>(authority: impl Into<Ca<'a>>) -> Result<PathBuf> {
    Ok(ca_dir(authority)?.join(CA_KEY))
}

/// An authority's private key in an age file.
pub fn ca_key_sealed<'a>(authority: impl Into<Ca<'a>>) -> Result<PathBuf> {
    Ok(ca_dir(authority)?.join(CA_KEY_SEALED))
}

/// An authority's certificate revocation list.
pub fn crl<'a>(authority: impl Into<Ca<'a>>) -> Result<PathBuf> {
    Ok(ca_dir(authority)?.join("crl.pem"))
}

/// The certificate of an authority's successor, signed by the one that it succeeds. It stands in no chain: Erlang/OTP 25 shows
/// no certificate at all to a peer that trusts the successor alone when its chain ends with this one.
pub fn cross_certificate<'a>(authority: impl Into<Ca<'a>>) -> Result<PathBuf> {
    Ok(ca_dir(authority)?.join("cross_certificate.pem"))
}

/// The directory of one identity, complete in itself. For the role `authority` it is [`ca_dir`].
pub fn entry_dir(role: impl AsRef<str>, name: &str) -> Result<PathBuf> {
    match role.as_ref() {
        AUTHORITY => ca_dir(name),
        role => Ok(PathBuf::from(role).join(directory_name(name)?)),
    }
}

/// The mode of an identity's directory: a key that a group may read needs a directory that the group may enter.
pub fn entry_dir_mode(key_mode: u32) -> u32 {
    if key_mode & 0o040 == 0 { PRIVATE_DIRECTORY } else { 0o750 }
}

/// An identity's certificate, leaf first. A node shows the same certificate as a server and as a client of its peers and
/// keeps the file names of a server.
pub fn certificate(role: impl AsRef<str>, name: &str) -> Result<PathBuf> {
    Ok(entry_dir(&role, name)?.join(certificate_file(role.as_ref())))
}

/// An identity's private key.
pub fn key(role: impl AsRef<str>, name: &str) -> Result<PathBuf> {
    Ok(entry_dir(&role, name)?.join(key_file(role.as_ref())))
}

/// The certificate's file name in the directory of a role.
pub fn certificate_file(role: &str) -> &'static str {
    match role {
        "client" => "client_certificate.pem",
        "external" => "certificate.pem",
        AUTHORITY => "ca_certificate.pem",
        _ => "server_certificate.pem",
    }
}

/// The key's file name in the directory of a role.
pub fn key_file(role: &str) -> &'static str {
    match role {
        "client" => "client_key.pem",
        "external" => "key.pem",
        AUTHORITY => CA_KEY,
        _ => "server_key.pem",
    }
}

/// Where a replaced pair is kept.
pub fn history() -> PathBuf {
    "history".into()
}

/// The replaced pair with that serial number.
pub fn history_dir(role: impl AsRef<str>, name: &str, serial: &str) -> Result<PathBuf> {
    Ok(history().join(role.as_ref()).join(directory_name(name)?).join(directory_name(serial)?))
}

/// What the broker needs: `rabbitmq/`, or `rabbitmq/<broker>/` when the manifest has more than one.
pub fn rabbitmq_dir(broker: Option<&str>) -> Result<PathBuf> {
    let base = PathBuf::from("rabbitmq");
    broker.map_or(Ok(base.clone()), |broker| Ok(base.join(directory_name(broker)?)))
}

/// The password of the administrator that certgen made.
pub fn administrator_password(broker: Option<&str>) -> Result<PathBuf> {
    Ok(rabbitmq_dir(broker)?.join("administrator.password"))
}

/// The file to import for one user alone.
pub fn user_definitions(broker: Option<&str>, user: &str) -> Result<PathBuf> {
    Ok(rabbitmq_dir(broker)?.join("definitions.d").join(user_definitions_file(user)?))
}

/// The name of that file.
pub fn user_definitions_file(user: &str) -> Result<String> {
    // The suffixes count too, also the one of the file that is written beside an edited one.
    let file = directory_name(user)? + ".json";
    let longest = file.len() + ".new".len();
    if longest > 255 {
        return Err(crate::error::Error::failed(format!(
            "the name {} is too long: its file in definitions.d would have a name of {longest} bytes, more than the 255 \
             that a file name may have",
            crate::ui::quote(user)
        )));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_contract_s_paths() {
        assert_eq!(ca_key("ca").unwrap(), Path::new("ca/ca/ca_key.pem"));
        let successor = Ca::new("root", Generation::Successor);
        assert_eq!(ca_key_sealed(successor).unwrap(), Path::new("ca/root/successor/ca_key.pem.age"));
        assert_eq!(key("client", "celery_worker").unwrap(), Path::new("client/celery_worker/client_key.pem"));
        assert_eq!(certificate("node", "*.p").unwrap(), Path::new("node/_wildcard.p/server_certificate.pem"));
        assert_eq!(key("authority", "root").unwrap(), Path::new("ca/root/ca_key.pem"));
        assert_eq!(history_dir("client", "a", "0af1").unwrap(), Path::new("history/client/a/0af1"));
        assert_eq!(rabbitmq_dir(Some("b")).unwrap(), Path::new("rabbitmq/b"));
        assert!(user_definitions(None, &"a".repeat(251)).is_err());
    }

    #[test]
    fn a_group_that_may_read_the_key_may_enter_its_directory() {
        assert_eq!(entry_dir_mode(0o600), 0o700);
        assert_eq!(entry_dir_mode(0o640), 0o750);
    }
}
