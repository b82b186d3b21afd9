//! The same calls where there are no modes: private means an access list with the owner alone.
//!
//! A new file is empty until `icacls` has cut off what it inherited, so a secret is never readable by others. Modes that
//! let a group read, and owners, do not exist here.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::owner::Owner;

pub(super) fn create_new(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    restrict(path)?;
    Ok(file)
}

/// Everything stays with its owner; a service account that must read it is let in with icacls by whoever decides that.
pub(super) fn create_new_for(path: &Path, _: u32, _: Option<&Owner>) -> io::Result<File> {
    create_new(path)
}

pub(super) fn open_own(path: &Path, write: bool) -> io::Result<File> {
    if fs::symlink_metadata(path)?.file_type().is_symlink() {
        return Err(io::Error::other("it is a symbolic link"));
    }
    OpenOptions::new().read(true).write(write).open(path)
}

pub(super) fn open_input(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path)
}

pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    restrict(path)
}

pub(super) fn create_directory_within(path: &Path) -> io::Result<()> {
    create_directory(path)
}

pub(super) fn set_directory(_: &Path, _: u32, _: Option<&Owner>) -> io::Result<()> {
    Ok(())
}

/// Windows has no call for a directory; NTFS keeps a log of names.
pub(super) fn open_to_sync(path: &Path) -> io::Result<Option<File>> {
    if path.is_dir() { Ok(None) } else { OpenOptions::new().write(true).open(path).map(Some) }
}

pub(super) fn start_sync(_: &File) {}

pub(super) fn sync(file: &File) -> io::Result<()> {
    file.sync_all()
}

pub(super) fn sync_file_system(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn read_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_read(bytes, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => (bytes, at) = (&mut bytes[n..], at + n as u64),
        }
    }
    Ok(())
}

/// A path from the bytes of its name, which an archive has in UTF-8. What Windows takes for more than a name is none.
pub(super) fn path_of(name: &[u8]) -> Option<&Path> {
    std::str::from_utf8(name).ok().filter(|name| !name.contains(['\\', ':'])).map(Path::new)
}

/// Directories cannot be locked here, so that a file in it is; it stays.
pub(super) fn open_directory_to_lock(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join(".certgen-lock"))
}

pub(super) fn is_still(_: &File, path: &Path) -> bool {
    path.exists()
}

pub(super) fn same(a: &Metadata, b: &Metadata) -> bool {
    // No file numbers in stable std: creation time and length tell apart what a transaction can meet.
    a.created().ok() == b.created().ok() && a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

/// A mounted disk has a letter of its own; one in a directory shows itself when it is renamed.
pub(super) fn same_disk(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// Unknown without unsafe code; overwriting is left out rather than risked.
pub(super) fn has_other_names(_: &Metadata) -> bool {
    true
}

pub(super) fn is_private(_: &Metadata) -> bool {
    true
}

pub(super) fn mode(_: &Metadata) -> u32 {
    0o600
}

pub(super) fn owner(_: &Metadata) -> Option<Owner> {
    None
}

pub(super) fn is_ours(_: &Metadata) -> bool {
    true
}

pub(super) fn user(_: &str) -> Option<(u32, u32)> {
    None
}

pub(super) fn groups_of(_: u32) -> Vec<u32> {
    Vec::new()
}

pub(super) fn set_mode(path: &Path, _: u32) -> io::Result<()> {
    restrict(path)
}

pub(super) fn group(_: &str) -> Option<u32> {
    None
}

pub(super) fn may_give_to(user: Option<u32>, group: Option<u32>) -> bool {
    user.is_none() && group.is_none()
}

pub(super) fn user_at_host() -> String {
    let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    format!(
        "{}@{}",
        var("USERNAME").unwrap_or_else(|| "unknown".to_owned()),
        var("COMPUTERNAME").unwrap_or_else(|| "localhost".to_owned())
    )
}

pub(super) fn file_system(_: &Path) -> Option<&'static str> {
    None
}

/// Inheritance off, full access for the user who runs this and for nobody else.
fn restrict(path: &Path) -> io::Result<()> {
    // By its full path: a program of that name in the current directory must not run.
    let windows = std::env::var_os("SystemRoot").map_or_else(|| PathBuf::from(r"C:\Windows"), PathBuf::from);
    let user = std::env::var("USERNAME").map_err(|_| io::Error::other("USERNAME is not set"))?;
    let status = Command::new(windows.join("System32").join("icacls.exe"))
        .arg(path)
        .args(["/inheritance:r", "/grant:r"])
        .arg(if path.is_dir() { format!("{user}:(OI)(CI)F") } else { format!("{user}:F") })
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("icacls could not restrict it to its owner")) }
}
