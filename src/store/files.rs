//! Single files: reading with a limit, and the description of a file to be written.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Result, io_reason};
use crate::ui;

use super::owner::Owner;
use super::transaction::Transaction;
use super::{Store, disk, layout, platform, random_hex};

/// The limit for a certificate, key or manifest.
pub const INPUT_LIMIT: u64 = 1 << 20;

/// The limit for a file with a passphrase or password.
const PASSPHRASE_LIMIT: u64 = 64 << 10;

/// A file as it shall stand on the disk.
#[derive(Debug, Clone)]
pub struct OutputFile {
    /// Relative to `pki/`, or absolute below a root that the transaction was told about.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// The content; wiped from memory when dropped.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Who it shall belong to; `None` is whoever runs certgen.
    pub owner: Option<Owner>,
}

impl OutputFile {
    /// A file that everybody may read: certificates, bundles, configuration without secrets.
    pub fn public(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), mode: layout::PUBLIC_FILE, bytes: Zeroizing::new(bytes.into()), owner: None }
    }

    /// A file for its owner alone: keys and everything else with a secret.
    pub fn private(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { mode: layout::PRIVATE_FILE, ..Self::public(path, bytes) }
    }

    /// The same file for another owner.
    #[must_use]
    pub fn owned_by(mut self, owner: Option<Owner>) -> Self {
        self.owner = owner;
        self
    }

    /// The same file with another mode.
    #[must_use]
    pub fn with_mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }
}

/// What the disk says about a file that exists: to be kept when its content is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Permission bits.
    pub mode: u32,
    /// Owner and group (Unix).
    pub owner: Option<Owner>,
    /// It is a symbolic link; mode and owner are those of the file it leads to.
    pub is_link: bool,
}

impl FileFacts {
    /// Others may do more with it than `mode` allows.
    pub fn is_wider_than(&self, mode: u32) -> bool {
        cfg!(unix) && self.mode & 0o077 & !mode != 0
    }

    /// Nothing need be changed so that it has this mode, and this owner where one is named.
    pub fn fits(&self, mode: u32, owner: Option<&Owner>) -> bool {
        let has_mode = cfg!(not(unix)) || self.mode == mode;
        has_mode && owner.zip(self.owner.as_ref()).is_none_or(|(owner, is)| owner.covers(is))
    }
}

/// Mode and owner of `path`, or nothing if there is no file.
pub fn facts(path: &Path) -> Option<FileFacts> {
    let is_link = fs::symlink_metadata(path).ok()?.file_type().is_symlink();
    let metadata = fs::metadata(path).ok()?;
    Some(FileFacts { mode: platform::mode(&metadata), owner: platform::owner(&metadata), is_link })
}

/// Reads a file that the user named; `-` is standard input. At most `limit` bytes; directories, pipes and devices are
/// refused. Links are followed: the user may arrange their own files as they like.
pub fn read_limited(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    if path == Path::new("-") {
        return read_at_most(io::stdin().lock(), limit, "standard input", None);
    }
    let file = platform::open_input(path).map_err(|e| Error::io("reading", path, &e))?;
    read_regular(file, path, limit)
}

/// Opens a file that the user named, to be read in pieces; `-` is standard input. Directories, pipes and devices are refused.
pub fn open_stream(path: &Path) -> Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(open_input_file(path)?))
}

pub(super) fn open_input_file(path: &Path) -> Result<File> {
    let file = platform::open_input(path).map_err(|e| Error::io("reading", path, &e))?;
    check_regular(&file, path)?;
    Ok(file)
}

/// Where a file goes that the user named and that is to lie outside of the PKI: the path with the links above it resolved.
/// With `replace` a file or a link of that name may be there, which is replaced and not followed.
///
/// # Errors
/// There is one of that name, its directory does not exist, or its place is inside the PKI.
pub fn place_outside(path: &Path, pki: &Store, replace: bool) -> Result<PathBuf> {
    let failed = |e: io::Error| Error::io("writing", path, &e);
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let directory = fs::canonicalize(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
    if fs::canonicalize(pki.root()).is_ok_and(|pki| directory.starts_with(pki)) {
        return Err(Error::failed(format!("writing {}: it would lie in the PKI itself", ui::path(path)))
            .hint("name a file outside of it"));
    }
    let place = directory.join(name);
    match fs::symlink_metadata(&place) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(place),
        Err(e) => Err(failed(e)),
        Ok(_) if !replace => Err(exists_already(path)),
        Ok(there) if there.is_file() || there.is_symlink() => Ok(place),
        Ok(_) => Err(Error::failed(format!("writing {}: what is there is not a regular file", ui::path(path)))
            .hint("name another file, or give - for standard output")),
    }
}

fn exists_already(path: &Path) -> Error {
    Error::failed(format!("writing {}: it exists already", ui::path(path)))
        .hint("name another file, or take that one away")
}

/// Writes a new file outside `pki` in pieces, for its owner alone. It gets its name when it is whole and on the disk.
///
/// # Errors
/// There is one of that name, its place is inside the PKI, or the disk refuses.
pub fn write_stream<T>(path: &Path, pki: &Store, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::AlreadyExists => exists_already(path),
        _ => Error::io("writing", path, &e),
    };
    let path = place_outside(path, pki, false)?;
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let mut partial = name.to_owned();
    partial.push(format!(".partial-{}", random_hex()?));
    let partial = directory.join(partial);
    let mut file = disk::create_file(&partial, layout::PRIVATE_FILE, None).map_err(failed)?;
    let written = write(&mut file).and_then(|done| {
        let opened: Vec<File> = std::iter::once(file).chain(disk::open_to_sync(directory).map_err(failed)?).collect();
        disk::sync(&opened[..1]).map_err(failed)?;
        // Whoever made a file of that name meanwhile keeps it.
        match disk::link(&partial, &path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(failed(e)),
            Err(_) => disk::rename(&partial, &path).map_err(failed)?,
            Ok(()) => {}
        }
        disk::sync(&opened[1..]).map_err(failed)?;
        Ok(done)
    });
    let _ = disk::remove_file(&partial);
    written
}

/// Changes the mode of a file that the user named.
///
/// # Errors
/// The operating system's, such as that it belongs to somebody else.
pub fn set_mode(path: &Path, mode: u32) -> Result<()> {
    platform::set_mode(path, mode).map_err(|e| Error::io("changing the mode of", path, &e))
}

/// Replaces the content of a file that the user named, if it still is `old`; mode and owner stay. A link keeps leading to it.
///
/// # Errors
/// It was changed meanwhile, or the disk refuses.
pub fn replace(path: &Path, old: &[u8], new: &[u8]) -> Result<()> {
    let path = &fs::canonicalize(path).map_err(|e| Error::io("writing", path, &e))?;
    let (directory, name, facts) = match (path.parent(), path.file_name(), facts(path)) {
        (Some(directory), Some(name), Some(facts)) => (directory, name, facts),
        _ => return Err(Error::io("writing", path, &io::ErrorKind::NotFound.into())),
    };
    if *read_limited(path, old.len() as u64)? != old {
        return Err(Error::failed(format!("writing {}: somebody changed it meanwhile", ui::path(path))));
    }
    let mut transaction = Transaction::outside(directory)?;
    transaction.put(OutputFile::private(name, new).with_mode(facts.mode).owned_by(facts.owner))?;
    transaction.commit().map(|_| ())
}

/// Reads a file that certgen wrote itself: a link in its place is refused.
pub(super) fn read_own(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    read_regular(open_own(path)?, path, limit)
}

/// Opens a file of ours for reading; a link in its place, a directory or a pipe is refused.
pub(super) fn open_own(path: &Path) -> Result<File> {
    let file = platform::open_own(path, false).map_err(|e| own_error("reading", path, &e))?;
    check_regular(&file, path)?;
    Ok(file)
}

/// The reason why one of our own files could not be opened; ELOOP deserves plain words.
pub(super) fn own_error(doing: &str, path: &Path, source: &io::Error) -> Error {
    if fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_symlink()) {
        let shown = ui::path(path);
        return Error::failed(format!(
            "{doing} {shown}: it is a symbolic link, and certgen never follows one in a PKI"
        ))
        .hint(format!("look where it leads with: ls -l {shown}"));
    }
    Error::io(doing, path, source)
}

fn check_regular(file: &File, path: &Path) -> Result<u64> {
    let metadata = file.metadata().map_err(|e| Error::io("reading", path, &e))?;
    if metadata.is_dir() {
        return Err(Error::failed(format!("reading {}: it is a directory", ui::path(path))));
    }
    if !metadata.is_file() {
        return Err(Error::failed(format!("reading {}: it is not a regular file", ui::path(path)))
            .hint("give - to read standard input"));
    }
    Ok(metadata.len())
}

fn read_regular(file: File, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    let size = check_regular(&file, path)?;
    read_at_most(file, limit, &ui::path(path), Some(size))
}

fn read_at_most(reader: impl Read, limit: u64, shown: &str, size: Option<u64>) -> Result<Zeroizing<Vec<u8>>> {
    let too_large = |size: Option<u64>| {
        let size = size.map_or_else(|| format!("more than {limit}"), |size| size.to_string());
        Error::failed(format!("reading {shown}: it has {size} bytes, and at most {limit} are accepted here"))
    };
    if let Some(size) = size.filter(|size| *size > limit) {
        return Err(too_large(Some(size)));
    }
    // One allocation of the right size: a buffer that grows leaves copies of a secret behind.
    let capacity = usize::try_from(size.unwrap_or(limit.min(PASSPHRASE_LIMIT))).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity + 1));
    reader
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::failed(format!("reading {shown}: {}", io_reason(&e))))?;
    if bytes.len() as u64 > limit {
        return Err(too_large(None));
    }
    Ok(bytes)
}

/// Reads a passphrase: the first line of a file, of a pipe (`<(...)`) or of standard input (`-`).
pub fn read_passphrase(path: &Path) -> Result<Zeroizing<String>> {
    first_line(&read_secret(path, "passphrase")?, path, "passphrase")
}

/// Reads a password as [`read_passphrase`] does; it is not empty.
pub fn read_required_password(path: &Path) -> Result<Zeroizing<String>> {
    first_line(&read_secret(path, "password")?, path, "password")
}

/// Reads the password of a key store: as [`read_passphrase`], but a file with nothing in it is the empty password.
pub fn read_password(path: &Path) -> Result<Zeroizing<String>> {
    let bytes = read_secret(path, "password")?;
    if bytes.is_empty() { Ok(Zeroizing::default()) } else { first_line(&bytes, path, "password") }
}

fn read_secret(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>> {
    if path == Path::new("-") {
        return read_limited(path, PASSPHRASE_LIMIT);
    }
    let doing = format!("reading the {what} from");
    let file = File::open(path).map_err(|e| Error::io(&doing, path, &e))?;
    let metadata = file.metadata().map_err(|e| Error::io(&doing, path, &e))?;
    if metadata.is_dir() {
        return Err(Error::failed(format!("{doing} {}: it is a directory", ui::path(path))));
    }
    let size = metadata.is_file().then_some(metadata.len());
    read_at_most(file, PASSPHRASE_LIMIT, &ui::path(path), size)
}

fn first_line(bytes: &[u8], path: &Path, what: &str) -> Result<Zeroizing<String>> {
    let refuse = |why: &str| {
        let shown = if path == Path::new("-") { "standard input".to_owned() } else { ui::path(path) };
        Error::failed(format!("reading the {what} from {shown}: {why}"))
    };
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| refuse("it is not UTF-8 text"))?;
    if text.is_empty() {
        return Err(refuse("its first line is empty"));
    }
    if text.contains('\0') {
        return Err(refuse("it contains a NUL byte"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::testing::TempDir;
    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_limit_and_not_beyond() {
        let dir = TempDir::new();
        let path = dir.path().join("f");
        fs::write(&path, vec![b'x'; 100]).unwrap();
        assert_eq!(read_limited(&path, 100).unwrap().len(), 100);
        let error = read_limited(&path, 99).unwrap_err();
        assert!(error.message().contains("has 100 bytes, and at most 99"), "{error}");
    }

    #[test]
    fn directories_pipes_and_devices_are_refused_at_once() {
        let dir = TempDir::new();
        assert!(read_limited(dir.path(), 9).unwrap_err().message().contains("is a directory"));
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert!(read_limited(&pipe, 9).unwrap_err().message().contains("not a regular file"));
        assert!(read_limited(Path::new("/dev/zero"), 9).unwrap_err().message().contains("not a regular file"));
        assert!(read_limited(&dir.path().join("no"), 9).unwrap_err().message().contains("no such file"));
    }

    #[test]
    fn links_are_followed_for_the_user_and_refused_in_a_pki() {
        let dir = TempDir::new();
        fs::write(dir.path().join("f"), "x").unwrap();
        let link = dir.path().join("l");
        std::os::unix::fs::symlink("f", &link).unwrap();
        assert_eq!(read_limited(&link, 9).unwrap().as_slice(), b"x");
        assert!(read_own(&link, 9).unwrap_err().message().contains("symbolic link"));
    }

    #[test]
    fn a_passphrase_is_the_first_line_as_it_stands() {
        let dir = TempDir::new();
        let path = dir.path().join("p");
        for (text, passphrase) in [("a b $x'\"\n", "a b $x'\""), ("pä\r\nsecond", "pä"), (" lead ", " lead ")] {
            fs::write(&path, text).unwrap();
            assert_eq!(read_passphrase(&path).unwrap().as_str(), passphrase);
        }
        fs::write(&path, "").unwrap();
        assert_eq!(read_password(&path).unwrap().as_str(), "");
        fs::write(&path, "\n").unwrap();
        assert!(read_password(&path).unwrap_err().message().contains("its first line is empty"));
        for bad in [&b""[..], b"\n", b"\r\nx", b"\xff\n", b"a\0b\n", &[b'x'; (64 << 10) + 1]] {
            fs::write(&path, bad).unwrap();
            let error = read_passphrase(&path).unwrap_err();
            assert!(error.message().starts_with("reading"), "{error}");
        }
    }
}
