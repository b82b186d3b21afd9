//! Identities as a tar file: one directory each, in the order in which they were issued.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::apply::World;
use crate::apply::change::NewDirectory;
use crate::apply::identity::Part;
use crate::error::{Error, Result};
use crate::profile::Role;
use crate::secret::Secret;
use crate::store::{self, GrowingFile, Location, Owner};
use crate::ui;
use crate::x509::Certificate;

/// What ends a tar file.
const END: [u8; 1024] = [0; 1024];
const BLOCK: u64 = 512;

/// The whole archive. Owners are written as numbers, so that it unpacks the same everywhere.
pub(crate) fn tar(directories: &[NewDirectory], now: OffsetDateTime) -> Zeroizing<Vec<u8>> {
    let mut all = Secret::default();
    for NewDirectory { path, mode, owner, files } in directories {
        let parts: Vec<_> = files.iter().map(Part::from).collect();
        directory(&mut all, path, *mode, owner.as_ref(), &parts, seconds(now));
    }
    all.extend(&END);
    all.into_bytes()
}

/// Adds one directory of an archive, with what is in it.
pub(super) fn directory(
    out: &mut Secret,
    path: &Path,
    mode: u32,
    owner: Option<&Owner>,
    parts: &[Part<'_>],
    mtime: u64,
) {
    let path = path.as_os_str().as_encoded_bytes();
    let facts = |mode| Facts { mode, owner, mtime };
    member(out, path, tar::EntryType::Directory, &facts(mode), [&[]; 2]);
    for Part { name, mode, pieces } in parts {
        let path = [path, b"/", name.as_os_str().as_encoded_bytes()].concat();
        member(out, &path, tar::EntryType::Regular, &facts(*mode), *pieces);
    }
}

/// What a header says beside name, kind and length.
#[derive(Default)]
struct Facts<'a> {
    mode: u32,
    owner: Option<&'a Owner>,
    mtime: u64,
}

/// One member as GNU tar writes it. (The `tar` crate writes the same, and its headers take longer than a key.)
fn member(out: &mut Secret, path: &[u8], kind: tar::EntryType, facts: &Facts<'_>, pieces: [&[u8]; 2]) {
    let mut header = [0; BLOCK as usize];
    let short = path.len().min(100);
    if short < path.len() {
        let facts = Facts { mode: 0o644, ..Facts::default() };
        member(out, b"././@LongLink", tar::EntryType::GNULongName, &facts, [path, b"\0"]);
    }
    header[..short].copy_from_slice(&path[..short]);
    number(&mut header[100..108], facts.mode.into());
    number(&mut header[108..116], facts.owner.and_then(Owner::user).unwrap_or(0).into());
    number(&mut header[116..124], facts.owner.and_then(Owner::group).unwrap_or(0).into());
    number(&mut header[124..136], pieces.iter().map(|piece| piece.len() as u64).sum());
    number(&mut header[136..148], facts.mtime);
    header[156] = kind.as_byte();
    header[257..265].copy_from_slice(b"ustar  \0");
    // The sum stands among what it is the sum of, and counts as blanks there.
    let sum = header.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    number(&mut header[148..156], sum.into());
    out.extend(&header);
    pieces.iter().for_each(|piece| out.extend(piece));
    out.fill_up(out.len().next_multiple_of(BLOCK as usize));
}

/// Octal digits with a zero byte behind them. What is larger is written as it is, in as many bytes as it needs, behind a bit
/// that says so.
fn number(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    if value >> (3 * digits) == 0 {
        (0..digits).for_each(|at| field[at] = b'0' + (value >> (3 * (digits - 1 - at)) & 7) as u8);
    } else {
        let start = field.len() - 8;
        field[start..].copy_from_slice(&value.to_be_bytes());
        field[0] |= 0x80;
    }
}

fn seconds(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp()).unwrap_or(0)
}

/// An archive that grows block by block, and can be taken up where an interrupted command left it.
pub(super) struct GrowingArchive {
    file: GrowingFile,
    /// The time in every header: that of the command that began the archive, so that one file tells one story.
    pub(super) mtime: u64,
    /// How many identities it holds that an earlier command wrote.
    pub(super) kept: usize,
}

impl GrowingArchive {
    /// Begins the archive or takes it up: what the inventory knows stays, what comes after that is cut off.
    ///
    /// # Errors
    /// As for [`GrowingFile::open`]; or what is there is no archive of this PKI.
    pub(super) fn open(target: &Path, role: Role, world: &World, now: OffsetDateTime) -> Result<Self> {
        let mut file = GrowingFile::open(target)?;
        let found = if file.is_empty() { Found::default() } else { known_part(&file, role, world)? };
        file.keep(found.end)?;
        Ok(Self { file, mtime: found.mtime.unwrap_or_else(|| seconds(now)), kept: found.count })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write(bytes)
    }

    pub(super) fn sync(&mut self) -> Result<()> {
        self.file.sync()
    }

    pub(super) fn finish(mut self) -> Result<()> {
        if self.file.is_empty() {
            return Ok(());
        }
        self.file.write(&END)?;
        self.file.finish()
    }
}

/// The part of an archive that the inventory knows.
#[derive(Default)]
struct Found {
    end: u64,
    mtime: Option<u64>,
    count: usize,
}

/// One directory of an archive, as far as it was read.
struct Directory {
    name: String,
    certificate: Option<Certificate>,
    end: u64,
}

/// Reads an archive from its beginning, as long as each directory holds the certificate that the inventory has under its
/// name. The inventory learns of a block after its bytes are durable: what it knows is whole.
fn known_part(file: &GrowingFile, role: Role, world: &World) -> Result<Found> {
    let mut archive = tar::Archive::new(BufReader::new(file.reader()?));
    let mut found = Found::default();
    let mut reading: Option<Directory> = None;
    let failed = |e: std::io::Error| Error::io("reading", file.path(), &e);
    for (number, entry) in archive.entries_with_seek().map_err(failed)?.enumerate() {
        let Ok(entry) = entry else {
            if number == 0 && file.len() >= BLOCK {
                return Err(foreign(file.path()));
            }
            break;
        };
        let header = entry.header();
        let end = entry.raw_file_position() + header.size().unwrap_or(0).div_ceil(BLOCK) * BLOCK;
        let Ok(path) = entry.path().map(PathBuf::from) else { break };
        if header.entry_type().is_dir() {
            if let Some(directory) = reading.take()
                && !found.take(&directory, role, world)
            {
                return found.unless_foreign(&directory, world, file.path());
            }
            let Some(name) = path.to_str().and_then(|path| store::name_of_directory(path.trim_end_matches('/'))) else {
                break;
            };
            found.mtime = found.mtime.or(header.mtime().ok());
            reading = Some(Directory { name, certificate: None, end });
        } else if let Some(directory) = &mut reading {
            directory.end = end;
            if path.file_name().is_some_and(|name| name == role.certificate_file()) {
                directory.certificate = certificate(entry);
            }
        } else {
            return Err(foreign(file.path()));
        }
    }
    if let Some(directory) = reading.filter(|directory| directory.end <= file.len())
        && !found.take(&directory, role, world)
    {
        return found.unless_foreign(&directory, world, file.path());
    }
    Ok(found)
}

impl Found {
    /// Counts a directory in, if the inventory knows it.
    fn take(&mut self, directory: &Directory, role: Role, world: &World) -> bool {
        let current = world.inventory.current(role.as_str(), &directory.name);
        let serial = directory.certificate.as_ref().map(|certificate| certificate.serial().to_string());
        let known = current
            .is_some_and(|issued| issued.location == Location::Archive && serial.as_deref() == Some(&issued.serial));
        if known {
            self.end = directory.end;
            self.count += 1;
        }
        known
    }

    /// What was found before `directory`, which the inventory does not know. An archive that another PKI began holds keys
    /// that are nowhere else: it is not ours to cut.
    fn unless_foreign(self, directory: &Directory, world: &World, path: &Path) -> Result<Self> {
        let theirs = |certificate: &Certificate| world.issuer_of(certificate).is_none();
        match self.count == 0 && directory.certificate.as_ref().is_some_and(theirs) {
            true => Err(foreign(path)),
            // Nothing of it is known: it begins anew, with the time of this command.
            false if self.count == 0 => Ok(Self::default()),
            false => Ok(self),
        }
    }
}

fn certificate(entry: tar::Entry<'_, BufReader<File>>) -> Option<Certificate> {
    let mut bytes = Vec::new();
    entry.take(store::INPUT_LIMIT).read_to_end(&mut bytes).ok()?;
    Certificate::from_pem(&bytes).ok()
}

fn foreign(path: &Path) -> Error {
    Error::failed(format!("writing {}: what is there is no archive that certgen began", ui::path(path)))
        .hint("look at it, and move it away")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OutputFile;

    /// The same by the crate that reads it.
    fn by_the_crate(path: &Path, owner: Option<&Owner>, file: &OutputFile) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let header = |kind, mode, size| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_uid(owner.and_then(Owner::user).unwrap_or(0).into());
            header.set_gid(owner.and_then(Owner::group).unwrap_or(0).into());
            header.set_mtime(1_800_000_000);
            header.set_size(size);
            header
        };
        let mut of_directory = header(tar::EntryType::Directory, 0o750, 0);
        builder.append_data(&mut of_directory, path, std::io::empty()).unwrap();
        let mut of_file = header(tar::EntryType::Regular, file.mode, file.bytes.len() as u64);
        builder.append_data(&mut of_file, path.join(&file.path), file.bytes.as_slice()).unwrap();
        std::mem::take(builder.get_mut())
    }

    #[test]
    fn members_are_those_of_the_tar_crate() {
        let numbers = |user: u32, group: u32| Owner::parse(&format!("{user}:{group}")).unwrap();
        for (length, content, owner) in [
            (1, 0, None),
            (76, 511, None),
            (77, 512, None),
            (100, 513, None),
            (255, 5000, None),
            (20, 700, Some(numbers(999, 0x1f_ffff))),
            (20, 1, Some(numbers(u32::MAX - 1, 0x20_0000))),
        ] {
            let path = PathBuf::from("d".repeat(length));
            let file = OutputFile::private("client_certificate.pem", vec![b'x'; content]);
            let mut ours = Secret::default();
            let pieces: [&[u8]; 2] = file.bytes.split_at(content / 2).into();
            let part = Part { name: &file.path, mode: file.mode, pieces };
            directory(&mut ours, &path, 0o750, owner.as_ref(), &[part], 1_800_000_000);
            assert_eq!(&*ours, by_the_crate(&path, owner.as_ref(), &file), "{length} {content} {owner:?}");
        }
    }
}
