//! The calls of Unix, all of them: nothing outside `store/` makes one.

use std::ffi::CString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::OnceLock;

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Group, Uid, User};

use super::owner::Owner;

/// Creates a file that nobody else can open, and that nobody can have put there before.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    create_new_for(path, 0o600, None)
}

/// The same with the owner and mode that it shall have, before there is anything in it.
pub(super) fn create_new_for(path: &Path, mode: u32, owner: Option<&Owner>) -> io::Result<File> {
    let at_once = owner.is_none() && mode & umask() == 0;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if at_once { mode } else { 0o600 })
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path)?;
    if !at_once {
        // A umask of 777 leaves a mode of 000; the descriptor works all the same.
        set_owner_and_mode(&file, mode, owner)?;
    }
    Ok(file)
}

/// What the umask of this process, which nothing here changes, takes from new files; everything, where it cannot be known.
fn umask() -> u32 {
    static UMASK: OnceLock<u32> = OnceLock::new();
    let read = || {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let digits = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        digits.and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok()).unwrap_or(0o777)
    };
    // A test tries several.
    if cfg!(test) { read() } else { *UMASK.get_or_init(read) }
}

/// Opens a file of ours without following a link that somebody put in its place, and without waiting for a pipe.
pub(super) fn open_own(path: &Path, write: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
        .open(path)
}

/// Opens what the user named; links are theirs to use, a pipe without a writer must not hang.
pub(super) fn open_input(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits()).open(path)
}

/// Opens a file that the user named to add to its end, or makes it; a pipe without a reader must not hang.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    OpenOptions::new().read(true).append(true).create(true).mode(0o644).custom_flags(flags.bits()).open(path)
}

/// Owner first: chown may clear mode bits, and the mode must not be wide while the old owner has the file.
pub(super) fn set_owner_and_mode(file: &File, mode: u32, owner: Option<&Owner>) -> io::Result<()> {
    if let Some(owner) = owner {
        std::os::unix::fs::fchown(file, owner.user(), owner.group())?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Creates a directory for this user alone, under any umask.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// The same in a directory that [`create_directory`] made, of which nothing is inherited.
pub(super) fn create_directory_within(path: &Path) -> io::Result<()> {
    if umask() & 0o700 != 0 {
        return create_directory(path);
    }
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// Owner and mode of a directory that this process has just made and filled.
pub(super) fn set_directory(path: &Path, mode: u32, owner: Option<&Owner>) -> io::Result<()> {
    set_owner_and_mode(&open_directory(path)?, mode, owner)
}

fn open_directory(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

/// Opens a directory to be locked: nothing need be written in it, and nothing is left behind.
pub(super) fn open_directory_to_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags((OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).bits()).open(path)
}

/// Opens a file or directory whose content is to become durable. The PKI itself may be reached through a link.
pub(super) fn open_to_sync(path: &Path) -> io::Result<Option<File>> {
    open_input(path).map(Some)
}

/// Sends a file's content on its way to the disk without waiting for it. Advice: what the kernel makes of it does not
/// matter, [`sync`] is what counts.
pub(super) fn start_sync(file: &File) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = nix::fcntl::posix_fadvise(file, 0, 0, nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = file;
}

/// Makes a file, or the names in a directory, durable. Some network file systems cannot and say EINVAL for a directory:
/// nothing to be done there.
pub(super) fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(e) if e.raw_os_error() == Some(nix::errno::Errno::EINVAL as i32) => Ok(()),
        result => result,
    }
}

/// Makes everything durable that was written on the file system of `path`: once for thousands of files.
pub(super) fn sync_file_system(path: &Path) -> io::Result<()> {
    let directory = File::open(path)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    nix::unistd::syncfs(&directory)?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        drop(directory);
        nix::unistd::sync();
    }
    Ok(())
}

/// Fills `bytes` from a place in the file.
pub(super) fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    file.read_exact_at(bytes, at)
}

/// A path from the bytes of its name.
pub(super) fn path_of(name: &[u8]) -> Option<&Path> {
    use std::os::unix::ffi::OsStrExt;
    Some(Path::new(std::ffi::OsStr::from_bytes(name)))
}

/// Is the open file still the one that has this name?
pub(super) fn is_still(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(theirs)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    same(&ours, &theirs)
}

/// Do both describe one file?
pub(super) fn same(a: &Metadata, b: &Metadata) -> bool {
    a.dev() == b.dev() && a.ino() == b.ino()
}

/// Do both lie on one file system?
pub(super) fn same_disk(a: &Metadata, b: &Metadata) -> bool {
    a.dev() == b.dev()
}

/// Has the file another name somewhere?
pub(super) fn has_other_names(metadata: &Metadata) -> bool {
    metadata.nlink() > 1
}

/// May nobody but owner and group read it?
pub(super) fn is_private(metadata: &Metadata) -> bool {
    metadata.mode() & 0o007 == 0
}

/// The permission bits.
pub(super) fn mode(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

/// Who it belongs to.
pub(super) fn owner(metadata: &Metadata) -> Option<Owner> {
    Some(Owner::of(metadata.uid(), metadata.gid()))
}

/// Was it made by this user?
pub(super) fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == Uid::effective().as_raw()
}

/// Number and login group of a user.
pub(super) fn user(name: &str) -> Option<(u32, u32)> {
    CString::new(name).ok()?;
    let user = User::from_name(name).ok()??;
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

/// The groups of a user that this machine knows, the login group first; of any other, none.
pub(super) fn groups_of(uid: u32) -> Vec<u32> {
    let Some(user) = User::from_uid(Uid::from_raw(uid)).ok().flatten() else { return Vec::new() };
    let mut groups = vec![user.gid.as_raw()];
    #[cfg(not(target_vendor = "apple"))]
    if let Some(all) = CString::new(user.name).ok().and_then(|name| nix::unistd::getgrouplist(&name, user.gid).ok()) {
        groups.extend(all.iter().map(|group| group.as_raw()).filter(|group| *group != user.gid.as_raw()));
    }
    groups
}

/// Changes the mode of a file that the user named.
pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Number of a group.
pub(super) fn group(name: &str) -> Option<u32> {
    CString::new(name).ok()?;
    Some(Group::from_name(name).ok()??.gid.as_raw())
}

/// Root may give files to anybody; others keep their own, and may choose among their groups.
pub(super) fn may_give_to(user: Option<u32>, group: Option<u32>) -> bool {
    let me = Uid::effective();
    me.is_root() || (user.is_none_or(|user| user == me.as_raw()) && group.is_none_or(is_my_group))
}

fn is_my_group(group: u32) -> bool {
    #[cfg(not(target_vendor = "apple"))]
    if nix::unistd::getgroups().is_ok_and(|groups| groups.contains(&Gid::from_raw(group))) {
        return true;
    }
    Gid::effective().as_raw() == group
}

/// `user@host` for the record of who did what.
pub(super) fn user_at_host() -> String {
    let me = Uid::effective();
    let user = User::from_uid(me).ok().flatten().map_or_else(|| me.to_string(), |user| user.name);
    let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
    format!("{user}@{}", host.unwrap_or_else(|| "localhost".to_owned()))
}

/// The name of the file system that holds `path`, where it has one that people know.
pub(super) fn file_system(path: &Path) -> Option<&'static str> {
    #[cfg(target_os = "linux")]
    {
        // Magic numbers from statfs(2); those that nix does not name are written out.
        let kind = nix::sys::statfs::statfs(path).ok()?.filesystem_type().0;
        let kind = kind as u64 & 0xffff_ffff;
        Some(match kind {
            0x6969 => "NFS",
            0x0102_1997 => "9p",
            0xff53_4d42 | 0xfe53_4d42 | 0x517b => "SMB",
            0x6573_5546 => "FUSE",
            0x794c_7630 => "overlay",
            0x0102_1994 => "tmpfs",
            0xef53 => "ext4",
            0x5846_5342 => "XFS",
            0x9123_683e => "btrfs",
            0x2fc1_2fc1 => "ZFS",
            0x4d44 => "FAT",
            0x2011_bab0 => "exFAT",
            0x0bd0_0bd0 => "Lustre",
            0x00c3_6400 => "Ceph",
            _ => return None,
        })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}
