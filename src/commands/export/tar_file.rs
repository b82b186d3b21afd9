//! A tar file with keys in it, made in memory that is wiped.

use std::io::{self, Write};

use tar::{Builder, EntryType, Header};
use zeroize::Zeroizing;

use crate::error::{Error, Result, io_reason};
use crate::secret::Secret;
use crate::store::{holds_key, layout};
use crate::ui;

/// Whose the files are where they are unpacked. A name that is known there goes before the number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TarOwner {
    user: Party,
    group: Party,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Party {
    Number(u32),
    /// Where nobody is called that, root has the file: better than a stranger with some number.
    Name(String),
}

impl Default for Party {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl TarOwner {
    /// Reads `USER` or `USER:GROUP`, names or numbers. Names are those of the host where it is unpacked.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("reading the owner {}: it is not USER or USER:GROUP", ui::quote(text)))
                .hint("write names or numbers, for example --owner rabbitmq:rabbitmq or --owner 999:999")
        };
        let party = |word: &str| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
            match word.parse() {
                Ok(number) => Some(Party::Number(number)),
                // The field of the header has room for 31 bytes.
                Err(_) if (1..32).contains(&word.len()) && word.chars().all(is_name) => {
                    Some(Party::Name(word.to_owned()))
                }
                Err(_) => None,
            }
        };
        let (user, group) = text.split_once(':').unwrap_or((text, text));
        Ok(Self { user: party(user).ok_or_else(wrong)?, group: party(group).ok_or_else(wrong)? })
    }
}

/// The mode of a file that has `mode` here. What holds a key is for its owner, or for its group too as `key_mode` makes it,
/// whatever became of the file in a copy or a checkout.
pub(super) fn mode_of(mode: u32, bytes: &[u8]) -> u32 {
    match mode & 0o077 {
        0o040 => 0o640,
        0 => layout::PRIVATE_FILE,
        _ if holds_key(bytes) => layout::PRIVATE_FILE,
        _ => layout::PUBLIC_FILE,
    }
}

/// The file so far.
pub(super) struct TarFile {
    builder: Builder<Sink>,
    owner: TarOwner,
    mtime: u64,
}

/// Memory that is wiped, as somewhere to write to.
#[derive(Default)]
struct Sink(Secret);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TarFile {
    pub(super) fn new(owner: TarOwner, now: time::OffsetDateTime) -> Self {
        let mtime = u64::try_from(now.unix_timestamp()).unwrap_or(0);
        Self { builder: Builder::new(Sink::default()), owner, mtime }
    }

    pub(super) fn directory(&mut self, path: &str, mode: u32) -> Result<()> {
        self.member(&format!("{}/", path.trim_end_matches('/')), EntryType::Directory, mode, &[])
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        self.member(path, EntryType::Regular, mode, bytes)
    }

    fn member(&mut self, path: &str, kind: EntryType, mode: u32, bytes: &[u8]) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(self.mtime);
        header.set_size(bytes.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        let failed = |e: io::Error| Error::failed(format!("packing {}: {}", ui::quote(path), io_reason(&e)));
        match &self.owner.user {
            Party::Number(number) => header.set_uid((*number).into()),
            Party::Name(name) => header.set_username(name).map_err(failed)?,
        }
        match &self.owner.group {
            Party::Number(number) => header.set_gid((*number).into()),
            Party::Name(name) => header.set_groupname(name).map_err(failed)?,
        }
        self.builder.append_data(&mut header, path, bytes).map_err(failed)
    }

    pub(super) fn finish(self) -> Result<Zeroizing<Vec<u8>>> {
        let failed = |e: io::Error| Error::failed(format!("packing: {}", io_reason(&e)));
        Ok(self.builder.into_inner().map_err(failed)?.0.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_names_or_numbers() {
        let owner = |user, group| TarOwner { user, group };
        let name = |text: &str| Party::Name(text.to_owned());
        assert_eq!(TarOwner::parse("999:101").unwrap(), owner(Party::Number(999), Party::Number(101)));
        assert_eq!(TarOwner::parse("rabbitmq").unwrap(), owner(name("rabbitmq"), name("rabbitmq")));
        assert_eq!(TarOwner::parse("0:ssl-cert").unwrap(), owner(Party::Number(0), name("ssl-cert")));
        for bad in ["", ":", "a:", ":b", "a:b:c", "a b", "a/b", "-1:ö", "x\n", &"x".repeat(32)] {
            assert_eq!(TarOwner::parse(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_never_for_everybody() {
        let key = b"-----BEGIN PRIVATE KEY-----";
        let modes = [0o600, 0o400, 0o640, 0o440, 0o644, 0o664, 0o777, 0o660];
        assert_eq!(modes.map(|mode| mode_of(mode, key)), [0o600, 0o600, 0o640, 0o640, 0o600, 0o600, 0o600, 0o600]);
        assert_eq!([0o600, 0o640, 0o644, 0o777].map(|mode| mode_of(mode, b"x")), [0o600, 0o640, 0o644, 0o644]);
    }

    #[test]
    fn what_it_says_is_what_the_crate_reads() {
        let at = time::macros::datetime!(2027-03-01 12:00 UTC);
        let mut file = TarFile::new(TarOwner::parse("rabbitmq:7").unwrap(), at);
        let long = format!("etc/{}/key.pem", "d".repeat(120));
        file.directory("etc/rabbitmq", 0o755).unwrap();
        file.file(&long, 0o600, b"secret").unwrap();
        let bytes = file.finish().unwrap();
        let mut found = Vec::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), at.unix_timestamp() as u64);
            assert_eq!((header.username().unwrap(), header.uid().unwrap()), (Some("rabbitmq"), 0));
            assert_eq!((header.groupname().unwrap(), header.gid().unwrap()), (Some(""), 7));
            found.push((entry.path().unwrap().display().to_string(), header.mode().unwrap()));
        }
        assert_eq!(found, [("etc/rabbitmq/".to_owned(), 0o755), (long, 0o600)]);
    }
}
