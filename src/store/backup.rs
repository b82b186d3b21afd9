//! A whole PKI as one tar file, and a directory filled from one.
//!
//! Both go through in pieces: neither needs memory that grows with the PKI. What is read may come from anybody who knows
//! the recipient, which is no secret: a name that leads out of the directory, a link, a device, a second file of a name or
//! a torn end leaves nothing behind. Nothing is unpacked that could be larger than what was sent: a tar file is not
//! compressed, and sparse files are refused.

use std::fs::{self, File, FileTimes};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use tar::EntryType;

use crate::error::{Error, Result, io_reason};
use crate::ui;

use super::journal::{STAGING_PREFIX, new_staging_name};
use super::lock::Locked;
use super::owner::Owner;
use super::{Store, disk, files, layout, platform};

/// What is in a snapshot.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// How many files.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// What it does not hold although it was there, relative to the PKI.
    pub left_out: Vec<PathBuf>,
    /// Its files belonged to others, and now to whoever unpacked it.
    pub is_taken_over: bool,
}

/// Files of the moment: the lock and a cache.
const PASSING: [&str; 2] = ["lock", "inventory.idx"];
/// Has a history of its own, and may name programs.
const GIT: &str = ".git";
/// The longest path in an archive that is read.
const LONGEST_PATH: u64 = 4096;

impl Locked {
    /// Writes every file of the PKI, with its mode and the numbers of its owner. Nothing changes meanwhile: the lock is
    /// held. Links and the like are left out and named, and so is `.git`.
    ///
    /// # Errors
    /// A file cannot be read, or `out` not be written.
    pub fn pack(&self, out: &mut dyn Write) -> Result<Snapshot> {
        let mut packer = Packer { store: self.store(), builder: tar::Builder::new(out), found: Snapshot::default() };
        packer.directory(Path::new(""))?;
        let Packer { builder, found, .. } = packer;
        builder.into_inner().map_err(|e| writing(&e))?;
        Ok(found)
    }

    /// Fills the directory from such a file, all of it or nothing.
    ///
    /// # Errors
    /// The directory holds something; the archive is damaged, cut short or not one of a PKI; or the disk refuses.
    pub fn unpack(&self, archive: impl Read) -> Result<Snapshot> {
        self.refuse_contents()?;
        let staging = new_staging_name()?;
        let root = self.store().path(&staging);
        let unpacked = self.unpack_into(&root, archive).and_then(|found| self.bring_up(&staging).map(|()| found));
        // What is left is empty after a success; what cannot be removed now is swept by the next command.
        let _ = disk::erase_tree(&root);
        unpacked
    }

    fn refuse_contents(&self) -> Result<()> {
        let names = self.store().file_names("")?;
        match names.iter().find(|name| !PASSING.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::failed(format!(
                "{} is not empty: {} is in it",
                ui::path(self.store().root()),
                ui::quote(name)
            ))
            .hint("restore into a directory of its own: certgen --pki DIR import FILE")),
        }
    }

    fn unpack_into(&self, root: &Path, archive: impl Read) -> Result<Snapshot> {
        let failed = |e: io::Error| Error::io("writing", root, &e);
        disk::create_directory(root).map_err(failed)?;
        let mut unpacker = Unpacker { root, found: Snapshot::default() };
        unpacker.all(archive)?;
        if !root.join(layout::manifest()).is_file() && !root.join(layout::inventory()).is_file() {
            return Err(reading("there is no PKI in it: neither certgen.toml nor inventory.jsonl")
                .hint("if it was handed over for one client: certgen import FILE --out DIR"));
        }
        disk::sync_file_system(root).map_err(failed)?;
        Ok(unpacker.found)
    }

    /// Gives everything its place in one step of the journal.
    fn bring_up(&self, staging: &str) -> Result<()> {
        let mut transaction = self.transaction();
        for name in self.store().entry_names(staging)? {
            transaction.place(&self.store().path(staging).join(&name), &name)?;
        }
        transaction.commit()
    }
}

struct Packer<'a> {
    store: &'a Store,
    builder: tar::Builder<&'a mut dyn Write>,
    found: Snapshot,
}

impl Packer<'_> {
    fn directory(&mut self, relative: &Path) -> Result<()> {
        let path = self.store.path(relative);
        let facts = fs::symlink_metadata(&path).map_err(|e| Error::io("reading", &path, &e))?;
        let name = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        self.append(name, EntryType::Directory, &facts, io::empty())?;
        for child in self.store.entry_names(relative)? {
            let child = relative.join(child);
            let facts = fs::symlink_metadata(self.store.path(&child))
                .map_err(|e| Error::io("reading", &self.store.path(&child), &e))?;
            let is_of_the_moment = PASSING.iter().any(|passing| child == Path::new(passing));
            if child == Path::new(GIT) || !(facts.is_dir() || facts.is_file()) {
                self.found.left_out.push(child);
            } else if facts.is_dir() {
                self.directory(&child)?;
            } else if !is_of_the_moment {
                self.file(&child)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, relative: &Path) -> Result<()> {
        let path = self.store.path(relative);
        let file = files::open_own(&path)?;
        let facts = file.metadata().map_err(|e| Error::io("reading", &path, &e))?;
        self.append(relative, EntryType::Regular, &facts, Exactly { left: facts.len(), file })?;
        self.found.files += 1;
        self.found.bytes += facts.len();
        Ok(())
    }

    fn append(&mut self, name: &Path, kind: EntryType, facts: &fs::Metadata, content: impl Read) -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(if kind == EntryType::Regular { facts.len() } else { 0 });
        header.set_mode(platform::mode(facts) & 0o777);
        let owner = platform::owner(facts);
        header.set_uid(owner.as_ref().and_then(Owner::user).unwrap_or(0).into());
        header.set_gid(owner.as_ref().and_then(Owner::group).unwrap_or(0).into());
        let modified = facts.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        header.set_mtime(modified.map_or(0, |time| time.as_secs()));
        self.builder
            .append_data(&mut header, name, content)
            .map_err(|e| writing(&e).context(format!("packing {}", ui::path(&self.store.path(name)))))
    }
}

/// A file as long as its header says: one that an editor makes shorter meanwhile would shift all that follow.
struct Exactly {
    left: u64,
    file: File,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::Error::other("somebody made it shorter meanwhile"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

struct Unpacker<'a> {
    root: &'a Path,
    found: Snapshot,
}

/// The permission and owner of an entry.
struct Access {
    mode: u32,
    owner: Option<Owner>,
    modified: SystemTime,
}

impl Unpacker<'_> {
    fn all(&mut self, archive: impl Read) -> Result<()> {
        let mut archive = tar::Archive::new(Tail { inner: archive, zeros: 0 });
        let mut long_name = None;
        // Raw: what extends a header is read here, with a limit.
        for entry in archive.entries().map_err(torn)?.raw(true) {
            let mut entry = entry.map_err(torn)?;
            let kind = entry.header().entry_type();
            if kind == EntryType::GNULongName {
                long_name = Some(long(&mut entry)?);
                continue;
            }
            let name = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
            let Some(relative) = self.place(&name, kind)? else { continue };
            let access = self.access(entry.header())?;
            match kind {
                EntryType::Directory => self.directory(&relative, &access)?,
                _ => self.file(&relative, &access, &mut entry)?,
            }
        }
        // Only the last byte shows that nothing was cut off, and that nothing was changed.
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(torn)?;
        if rest.zeros < 512 { Err(reading("it is cut short")) } else { Ok(()) }
    }

    /// Where an entry goes; nowhere if it is of the moment.
    fn place(&mut self, name: &[u8], kind: EntryType) -> Result<Option<PathBuf>> {
        let shown = ui::quote(&String::from_utf8_lossy(name));
        let refuse = |why: &str| reading(&format!("{shown} {why}"));
        if !matches!(kind, EntryType::Regular | EntryType::Directory) {
            return Err(
                refuse("is neither a file nor a directory").hint("write it with certgen export, or tar --format=gnu")
            );
        }
        let path = platform::path_of(name).ok_or_else(|| refuse("is no path"))?;
        let mut parts = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(part) => parts.push(part),
                Component::CurDir => {}
                _ => return Err(refuse("leads out of the directory")),
            }
        }
        if name.contains(&0) || parts.iter().any(|part| part.len() > 255) {
            return Err(refuse("is no path"));
        }
        let first = parts.first().map(|part| part.to_string_lossy().to_lowercase()).unwrap_or_default();
        if first == "journal" || first.starts_with(STAGING_PREFIX) {
            return Err(refuse("is what an interrupted command leaves: it would be carried out here"));
        }
        let relative: PathBuf = parts.iter().collect();
        if first == GIT || PASSING.contains(&first.as_str()) {
            if parts.len() == 1 && first == GIT {
                self.found.left_out.push(relative);
            }
            return Ok(None);
        }
        Ok(Some(relative))
    }

    fn access(&mut self, header: &tar::Header) -> Result<Access> {
        let number = |value: io::Result<u64>| value.ok().and_then(|value| u32::try_from(value).ok());
        let (Ok(mode), Some(user), Some(group)) = (header.mode(), number(header.uid()), number(header.gid())) else {
            return Err(reading("it is damaged: a mode or an owner is no number"));
        };
        let owner = Some(Owner::of(user, group)).filter(|owner| owner.check_permitted().is_ok());
        self.found.is_taken_over |= owner.is_none();
        let seconds = Duration::from_secs(header.mtime().unwrap_or(0));
        let modified = SystemTime::UNIX_EPOCH.checked_add(seconds).unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Access { mode: mode & 0o777, owner, modified })
    }

    fn directory(&self, relative: &Path, access: &Access) -> Result<()> {
        if relative.as_os_str().is_empty() {
            return Ok(());
        }
        let path = self.root.join(relative);
        // Whoever owns it must be able to fill it.
        disk::create_directory(&path)
            .and_then(|()| disk::set_directory(&path, access.mode | 0o700, access.owner.as_ref()))
            .map_err(|e| unpacking(relative, &e))
    }

    fn file(&mut self, relative: &Path, access: &Access, entry: &mut tar::Entry<'_, impl Read>) -> Result<()> {
        let size = entry.header().size().map_err(torn)?;
        let mut file = disk::create_file(&self.root.join(relative), access.mode, access.owner.as_ref())
            .map_err(|e| unpacking(relative, &e))?;
        let mut buffer = [0; 64 << 10];
        let mut left = size;
        while left > 0 {
            let read = entry.read(&mut buffer).map_err(torn)?;
            if read == 0 {
                return Err(reading("it is cut short"));
            }
            file.write_all(&buffer[..read]).map_err(|e| unpacking(relative, &e))?;
            left -= read as u64;
        }
        file.set_times(FileTimes::new().set_modified(access.modified)).map_err(|e| unpacking(relative, &e))?;
        self.found.files += 1;
        self.found.bytes += size;
        Ok(())
    }
}

/// The name that stands in an entry of its own because it is too long for a header.
fn long(entry: &mut tar::Entry<'_, impl Read>) -> Result<Vec<u8>> {
    let mut name = Vec::new();
    entry.take(LONGEST_PATH + 1).read_to_end(&mut name).map_err(torn)?;
    if name.len() as u64 > LONGEST_PATH {
        return Err(reading("a name in it is longer than any path"));
    }
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

/// Counts the zeros with which a stream ends: a tar file ends with two blocks of them.
struct Tail<R> {
    inner: R,
    zeros: usize,
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let zeros = buffer[..read].iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == read { self.zeros.saturating_add(read) } else { zeros };
        Ok(read)
    }
}

fn writing(e: &io::Error) -> Error {
    Error::failed(format!("writing the snapshot: {}", io_reason(e)))
}

fn reading(why: &str) -> Error {
    Error::failed(format!("reading the snapshot: {why}"))
}

fn torn(e: io::Error) -> Error {
    reading(&format!("it is damaged or cut short ({})", io_reason(&e)))
}

fn unpacking(relative: &Path, e: &io::Error) -> Error {
    let shown = ui::path(relative);
    match e.kind() {
        io::ErrorKind::AlreadyExists => reading(&format!("{shown} is in it twice")),
        io::ErrorKind::NotFound => reading(&format!("{shown} is in a directory that does not come before it")),
        io::ErrorKind::NotADirectory => reading(&format!("{shown} is below a file")),
        _ => Error::failed(format!("unpacking {shown}: {}", io_reason(e))),
    }
}

#[cfg(all(test, unix))]
#[path = "backup_tests.rs"]
mod tests;
