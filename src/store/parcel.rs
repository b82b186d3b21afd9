//! A few files in a tar file that somebody sent: read into memory and judged before anything of it is written.
//!
//! Whoever knows a recipient, which is no secret, can have sealed it. A name that leads out of its directory, a link, a
//! device, a second file of a name, more than is ever handed over or a torn end is refused, and then nothing was written.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use tar::EntryType;
use zeroize::Zeroizing;

use crate::error::{Error, Result, io_reason};
use crate::ui;

use super::transaction::Transaction;
use super::{OutputFile, layout, platform};

/// More than this is no hand-over: a pair and the configuration of a few programs.
const MOST_FILES: usize = 256;
const MOST_BYTES: u64 = 16 << 20;
/// The longest path in it.
const LONGEST_PATH: u64 = 1024;

/// What was sent.
#[derive(Debug)]
pub struct Parcel {
    /// The directory that all of it lies in.
    pub name: String,
    /// Its files, with paths below that directory.
    files: Vec<OutputFile>,
}

impl Parcel {
    /// Reads one, with an end to how much.
    ///
    /// # Errors
    /// It is no such file, damaged or cut short, or holds what no hand-over does.
    pub fn read(archive: impl Read) -> Result<Self> {
        let mut reader = Unpacking { name: None, files: Vec::new(), known: BTreeSet::new(), left: MOST_BYTES };
        reader.all(archive)?;
        match reader.name {
            Some(name) if !reader.files.is_empty() => Ok(Self { name, files: reader.files }),
            _ => Err(reading("there is no file in it")),
        }
    }

    /// The paths of its files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Writes it into a directory that does not exist or is empty, for its owner alone. The directory appears at once.
    ///
    /// # Errors
    /// There is something in it, or the disk refuses.
    pub fn write(self, directory: &Path) -> Result<()> {
        let beside = directory.parent().unwrap_or(directory);
        if Self::is_made(directory)? {
            let mut transaction = Transaction::outside(directory)?;
            self.files.into_iter().try_for_each(|file| transaction.put(file))?;
            return transaction.commit();
        }
        let mut transaction = Transaction::outside(beside)?;
        let name = directory.file_name().map(PathBuf::from).unwrap_or_default();
        transaction.create_directory(name, layout::PRIVATE_DIRECTORY, None, self.files)?;
        transaction.commit()
    }

    /// Whether an empty directory is there already, or nothing is.
    ///
    /// # Errors
    /// There is something in it, or something else has its name.
    pub fn is_made(directory: &Path) -> Result<bool> {
        match std::fs::read_dir(directory).map(|mut entries| entries.next()) {
            Ok(None) => Ok(true),
            Ok(Some(_)) => Err(Error::failed(format!("{} is not empty", ui::path(directory)))
                .hint("name a directory that is empty or does not exist: --out DIR")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(Error::io("writing to", directory, &e)),
        }
    }
}

struct Unpacking {
    name: Option<String>,
    files: Vec<OutputFile>,
    /// Every path so far, in small letters: some disks take no notice of case.
    known: BTreeSet<String>,
    left: u64,
}

impl Unpacking {
    fn all(&mut self, archive: impl Read) -> Result<()> {
        // Twice what may be in it, for headers and padding: whatever comes after is not even read.
        let mut archive = tar::Archive::new(archive.take(2 * MOST_BYTES));
        let mut long_name = None;
        // Raw: what extends a header is read here, with a limit.
        for entry in archive.entries().map_err(torn)?.raw(true) {
            let mut entry = entry.map_err(torn)?;
            let kind = entry.header().entry_type();
            if kind == EntryType::GNULongName {
                let mut name = Vec::new();
                (&mut entry).take(LONGEST_PATH).read_to_end(&mut name).map_err(torn)?;
                long_name = Some(name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec());
                continue;
            }
            let name = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
            let Some(path) = self.place(&name, kind)? else { continue };
            self.file(path, &mut entry)?;
        }
        // The last piece of an age file says that nothing was cut off.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(torn)?;
        Ok(())
    }

    /// Where a file goes; nowhere if it is a directory.
    fn place(&mut self, name: &[u8], kind: EntryType) -> Result<Option<PathBuf>> {
        let shown = ui::quote(&String::from_utf8_lossy(name));
        let refuse = |why: &str| reading(&format!("{shown} {why}"));
        if !matches!(kind, EntryType::Regular | EntryType::Directory) {
            return Err(refuse("is neither a file nor a directory"));
        }
        let text = std::str::from_utf8(name).ok().filter(|text| !text.chars().any(char::is_control));
        let path = text.and_then(|_| platform::path_of(name)).ok_or_else(|| refuse("is no path"))?;
        let mut parts = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(part) if part.len() <= 255 => parts.push(part.to_string_lossy().into_owned()),
                Component::CurDir => {}
                Component::Normal(_) => return Err(refuse("is no path")),
                _ => return Err(refuse("leads out of the directory")),
            }
        }
        let Some((first, below)) = parts.split_first() else { return Ok(None) };
        let is_directory = kind == EntryType::Directory;
        if (below.is_empty() && !is_directory) || self.name.get_or_insert_with(|| first.clone()) != first {
            return Err(refuse("is not in the one directory of a hand-over")
                .hint("a snapshot of a whole PKI is restored without --out: certgen --pki DIR import FILE"));
        }
        if is_directory {
            return Ok(None);
        }
        let lower = below.join("/").to_lowercase();
        let is_above =
            |other: &String| other.starts_with(&format!("{lower}/")) || lower.starts_with(&format!("{other}/"));
        if self.known.iter().any(is_above) {
            return Err(refuse("is a file and a directory"));
        }
        if !self.known.insert(lower) {
            return Err(refuse("is in it twice"));
        }
        Ok(Some(below.iter().collect()))
    }

    fn file(&mut self, path: PathBuf, entry: &mut tar::Entry<'_, impl Read>) -> Result<()> {
        let too_much = || reading("there is more in it than is ever handed over");
        let size = entry.header().size().map_err(torn)?;
        self.left = self.left.checked_sub(size).ok_or_else(too_much)?;
        if self.files.len() == MOST_FILES {
            return Err(too_much());
        }
        let mode = entry.header().mode().map_err(torn)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0)));
        entry.read_to_end(&mut bytes).map_err(torn)?;
        if bytes.len() as u64 != size {
            return Err(reading("it is cut short"));
        }
        // A key is for its owner alone, whatever the sender said.
        let is_secret = mode & 0o077 == 0 || holds_key(&bytes);
        let mode = if is_secret { layout::PRIVATE_FILE } else { layout::PUBLIC_FILE };
        self.files.push(OutputFile { path, mode, bytes, owner: None });
        Ok(())
    }
}

/// Whether there is a private key in a PEM file, encrypted or not.
pub fn holds_key(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|part| part == b"PRIVATE KEY")
}

fn reading(why: &str) -> Error {
    Error::failed(format!("reading what was handed over: {why}"))
}

fn torn(e: io::Error) -> Error {
    reading(&format!("it is damaged or cut short ({})", io_reason(&e)))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::TempDir;
    use super::*;

    /// A tar file of these; the names are written as they are.
    fn archive(members: &[(&str, EntryType, u32, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, mode, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            header.set_size(bytes.len() as u64);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----\n";

    #[test]
    fn a_directory_is_written_for_its_owner_alone() {
        let file = EntryType::Regular;
        let sent = archive(&[
            ("w/", EntryType::Directory, 0o777, b""),
            ("w/client_key.pem", file, 0o4777, KEY),
            ("w/celery/celery.env", file, 0o644, b"A=1\n"),
            ("./w/secret.txt", file, 0o400, b"x"),
        ]);
        let dir = TempDir::new();
        for out in ["new", "empty"] {
            let out = dir.path().join(out);
            if out.ends_with("empty") {
                fs::create_dir(&out).unwrap();
            } else {
                assert!(!out.exists());
            }
            let parcel = Parcel::read(sent.as_slice()).unwrap();
            assert_eq!((parcel.name.as_str(), parcel.paths().count()), ("w", 3));
            parcel.write(&out).unwrap();
            let mode = |path: &str| fs::metadata(out.join(path)).unwrap().permissions().mode() & 0o7777;
            assert_eq!((mode("client_key.pem"), mode("secret.txt"), mode("celery/celery.env")), (0o600, 0o600, 0o644));
            assert_eq!(fs::read(out.join("client_key.pem")).unwrap(), KEY);
            let error = Parcel::read(sent.as_slice()).unwrap().write(&out).unwrap_err();
            assert!(error.message().contains("is not empty"), "{error}");
        }
        let mode = fs::metadata(dir.path().join("new")).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o700);
    }

    #[test]
    fn what_no_hand_over_holds_is_refused() {
        let file = EntryType::Regular;
        let huge = vec![0; (MOST_BYTES + 1) as usize];
        let many: Vec<String> = (0..=MOST_FILES).map(|n| format!("w/{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), file, 0o644, &b""[..])).collect();
        for (members, why) in [
            (&[("w/../../x", file, 0o644, &b""[..])][..], "leads out"),
            (&[("/etc/passwd", file, 0o644, b"")], "leads out"),
            (&[("w/a", EntryType::Symlink, 0o644, b"")], "neither a file"),
            (&[("w/a", EntryType::Link, 0o644, b"")], "neither a file"),
            (&[("w/a", EntryType::Fifo, 0o644, b"")], "neither a file"),
            (&[("w/a", EntryType::GNUSparse, 0o644, b"")], "neither a file"),
            (&[("w/a", file, 0o644, b""), ("w/A", file, 0o644, b"")], "twice"),
            (&[("w/a", file, 0o644, b""), ("w/a/b", file, 0o644, b"")], "a file and a directory"),
            (&[("w/a/b", file, 0o644, b""), ("w/a", file, 0o644, b"")], "a file and a directory"),
            (&[("w", file, 0o644, b"")], "is not in the one directory"),
            (&[("w/a", file, 0o644, b""), ("v/a", file, 0o644, b"")], "is not in the one directory"),
            (&[("w/a\u{1b}[31m", file, 0o644, b"")], "is no path"),
            (&[("w/a", file, 0o644, &huge)], "more in it"),
            (&many, "more in it"),
            (&[("w/", EntryType::Directory, 0o755, b"")], "no file in it"),
            (&[], "no file in it"),
        ] {
            let error = Parcel::read(archive(members).as_slice()).unwrap_err();
            assert!(error.message().contains(why), "{why}: {error}");
            assert!(!error.to_string().contains('\u{1b}'));
        }
    }

    #[test]
    fn what_a_header_says_is_shown_without_its_escapes() {
        for at in [100..108, 124..136, 148..156] {
            let mut sent = archive(&[("w/a", EntryType::Regular, 0o644, b"x")]);
            sent[at.start..at.start + 5].copy_from_slice(b"\x1b[31m");
            let with_name = |sent: &mut Vec<u8>| sent[2..7].copy_from_slice(b"\x1b[31m");
            with_name(&mut sent);
            let error = Parcel::read(sent.as_slice()).unwrap_err();
            assert!(!error.to_string().chars().any(char::is_control), "{at:?}: {error:?}");
        }
    }

    #[test]
    fn an_archive_that_ends_early_or_is_none_is_refused() {
        let whole = archive(&[("w/client_key.pem", EntryType::Regular, 0o600, &[b'k'; 1000])]);
        for cut in (1..1536).step_by(97) {
            assert!(Parcel::read(&whole[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Parcel::read(&[0xff; 4096][..]).is_err());
        assert!(Parcel::read(io::repeat(0)).is_err());
    }
}
