//! The lock of a PKI: one command writes at a time.
//!
//! The kernel's lock on `pki/lock`, so that it goes away with the process however that ends. The file's text (who holds
//! it) is for people only.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::ui;

use super::{Store, files, inventory_file, layout, platform, recovery, stage::Stage, transaction::Transaction};

/// After this long the user is told what is being waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Called once when the lock is not free within a second, with who holds it if that is known.
pub type Waiting<'a> = &'a mut dyn FnMut(Option<&Holder>);

/// How to wait for the lock, and what to say about us to others who wait.
#[derive(Default)]
pub struct LockOptions<'a> {
    /// The command that writes, without its arguments: `issue`, `renew`.
    pub command: &'a str,
    /// Create the PKI's directory if there is none (`init`). It goes away again unless a transaction is committed.
    pub create: bool,
    /// What to do when it takes longer than a second.
    pub waiting: Option<Waiting<'a>>,
    /// Asked while waiting: has the user had enough (SIGINT)?
    pub cancelled: Option<&'a dyn Fn() -> bool>,
}

/// The process that holds the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process number.
    pub pid: u32,
    /// Its command, safe to print.
    pub command: String,
}

/// A PKI that only this process writes to, until this value is dropped.
#[derive(Debug)]
pub struct Locked {
    store: Store,
    file: File,
    notes: Vec<String>,
    created: bool,
    committed: std::cell::Cell<bool>,
}

impl Locked {
    /// The store that is locked.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What was repaired on the way in (a crashed command's work finished, a torn line removed): for standard error.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Starts a change of the directory. Nothing is visible before its commit.
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction::new(self)
    }

    /// Starts a run of changes whose files are prepared by many threads.
    pub fn stage(&self) -> Result<Stage<'_>> {
        Stage::new(self.transaction())
    }

    pub(super) fn set_committed(&self) {
        self.committed.set(true);
    }
}

impl Drop for Locked {
    /// An `init` that failed leaves no directory behind. A waiting process finds the file gone and starts over.
    fn drop(&mut self) {
        if !self.committed.get() && !self.store.exists() {
            let _ = fs::remove_file(self.store.path(layout::lock()));
            if self.created {
                let _ = fs::remove_dir(self.store.root());
            }
        }
        let _ = self.file.unlock();
    }
}

pub(super) fn lock(store: &Store, mut options: LockOptions<'_>) -> Result<Locked> {
    let created = make_root(store, options.create)?;
    if !options.create && !store.exists() {
        return Err(store.missing());
    }
    let path = store.path(layout::lock());
    let file = loop {
        let file = open(&path)?;
        wait(&file, &path, &mut options)?;
        // Whoever held it may have removed the directory, and somebody else may have made a new one.
        if platform::is_still(&file, &path) {
            break file;
        }
        make_root(store, options.create)?;
    };
    check_honoured(&path)?;
    sign(&file, options.command);
    let mut locked = Locked { store: store.clone(), file, notes: Vec::new(), created, committed: false.into() };
    let mut notes = recovery::recover(store)?;
    notes.extend(inventory_file::repair(&store.path(layout::inventory()))?);
    locked.notes = notes;
    Ok(locked)
}

/// A directory that is no PKI, in which only this process works until this value is dropped.
#[derive(Debug)]
pub struct LockedDirectory(File);

impl LockedDirectory {
    /// Waits until no other process works in `directory`, which is made if need be. The lock is the directory's own: it
    /// leaves no file behind, and a directory that cannot be written can be locked too.
    ///
    /// # Errors
    /// It cannot be made or opened, or its file system does not honour locks.
    pub fn wait(directory: &Path, waiting: Waiting<'_>) -> Result<Self> {
        let failed = |e: io::Error| Error::io("locking", directory, &e);
        fs::create_dir_all(directory).map_err(failed)?;
        let file = platform::open_directory_to_lock(directory).map_err(failed)?;
        wait(&file, directory, &mut LockOptions { waiting: Some(waiting), ..LockOptions::default() })?;
        Ok(Self(file))
    }
}

impl Drop for LockedDirectory {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn make_root(store: &Store, create: bool) -> Result<bool> {
    match fs::metadata(store.root()) {
        Ok(metadata) if metadata.is_dir() => Ok(false),
        Ok(_) => Err(Error::failed(format!("opening the PKI {}: it is not a directory", ui::path(store.root())))),
        Err(e) if e.kind() == io::ErrorKind::NotFound && create => create_root(store.root()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(store.missing()),
        Err(e) => Err(Error::io("opening the PKI", store.root(), &e)),
    }
}

fn create_root(root: &Path) -> Result<bool> {
    let failed = |e: io::Error| Error::io("creating the PKI", root, &e);
    if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    match platform::create_directory(root) {
        Ok(()) => platform::set_directory(root, layout::PUBLIC_DIRECTORY, None).map_err(failed).map(|()| true),
        // Another process was faster; its directory is as good.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && root.is_dir() => Ok(false),
        Err(e) => Err(failed(e)),
    }
}

fn open(path: &Path) -> Result<File> {
    let failed = |e: io::Error| {
        let error = files::own_error("locking the PKI with", path, &e);
        match e.kind() {
            io::ErrorKind::PermissionDenied => error.hint("run the command as the owner of the directory"),
            io::ErrorKind::ReadOnlyFilesystem => {
                error.hint("list, inspect, verify, status and plan work without writing")
            }
            _ => error,
        }
    };
    for attempt in 0.. {
        match platform::open_own(path, true) {
            Ok(file) if file.metadata().is_ok_and(|m| m.is_file()) => return Ok(file),
            Ok(_) => {
                return Err(Error::failed(format!("locking the PKI: {} is not a regular file", ui::path(path))));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => match platform::create_new(path) {
                // Opened again for reading too: `create_new` gives a descriptor that can only write.
                Ok(_) => continue,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(failed(e)),
            },
            // Under a umask of 777 the file has no permissions for the blink of an eye after its creation.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && attempt < 5 => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(e) => return Err(failed(e)),
        }
    }
    unreachable!("the loop above only ends by returning")
}

fn wait(file: &File, path: &Path, options: &mut LockOptions<'_>) -> Result<()> {
    let start = Instant::now();
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(e)) => return Err(not_honoured(path).context(crate::error::io_reason(&e))),
        }
        if options.cancelled.is_some_and(|cancelled| cancelled()) {
            return Err(Error::failed("waiting for another certgen: interrupted"));
        }
        let patient = start.elapsed() < PATIENCE;
        if !patient && !said {
            said = true;
            if let Some(waiting) = options.waiting.as_mut() {
                waiting(holder(file).as_ref());
            }
        }
        std::thread::sleep(Duration::from_millis(if patient { 3 } else { 40 }));
    }
}

/// A second descriptor must not get the lock that the first one holds.
fn check_honoured(path: &Path) -> Result<()> {
    let second = open(path)?;
    match second.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(()),
        Ok(()) | Err(TryLockError::Error(_)) => Err(not_honoured(path)),
    }
}

fn not_honoured(path: &Path) -> Error {
    let kind = platform::file_system(path).map_or_else(String::new, |kind| format!(" ({kind})"));
    let shown = ui::path(path);
    Error::failed(format!(
        "locking {shown}: its file system{kind} does not honour locks, so two commands could collide"
    ))
    .hint("move the PKI to a local file system, or mount this one with locking")
}

fn sign(mut file: &File, command: &str) {
    // For people only: a full disk must not keep anybody from removing something.
    let _ = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
    let _ = writeln!(file, "{} {command}", std::process::id());
}

fn holder(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(200).read_to_string(&mut text).ok()?;
    let (pid, command) = text.trim_end().split_once(' ')?;
    Some(Holder { pid: pid.parse().ok()?, command: ui::plain(command) })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::TempDir;
    use super::*;

    fn create() -> LockOptions<'static> {
        LockOptions { command: "test", create: true, ..LockOptions::default() }
    }

    #[test]
    fn the_second_waits_and_learns_for_whom() {
        let dir = TempDir::new();
        let store = Store::open(&dir.path().join("pki"));
        let first = store.lock(create()).unwrap();
        fs::write(store.path("certgen.toml"), "").unwrap();
        let other = store.clone();
        let second = std::thread::spawn(move || {
            let mut seen = None;
            let mut waiting = |holder: Option<&Holder>| seen = holder.cloned();
            let options = LockOptions { command: "b", waiting: Some(&mut waiting), ..LockOptions::default() };
            let result = other.lock(options).map(drop);
            (result.is_ok(), seen)
        });
        std::thread::sleep(Duration::from_millis(1300));
        drop(first);
        let (got, holder) = second.join().unwrap();
        assert!(got);
        assert_eq!(holder, Some(Holder { pid: std::process::id(), command: "test".into() }));
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let dir = TempDir::new();
        fs::write(dir.path().join("outside"), "precious").unwrap();
        std::os::unix::fs::symlink(dir.path().join("outside"), dir.path().join("lock")).unwrap();
        let error = Store::open(dir.path()).lock(create()).unwrap_err();
        assert!(error.message().contains("symbolic link"), "{error}");
        assert_eq!(fs::read(dir.path().join("outside")).unwrap(), b"precious");
    }

    #[test]
    fn an_init_that_fails_leaves_nothing() {
        let dir = TempDir::new();
        let store = Store::open(&dir.path().join("a"));
        drop(store.lock(create()).unwrap());
        assert!(!store.root().exists());
        let error = store.lock(LockOptions::default()).unwrap_err();
        assert!(error.message().contains("no PKI"), "{error}");
    }

    #[test]
    fn the_lock_is_private_under_any_umask() {
        let dir = TempDir::new();
        let _lock = Store::open(dir.path()).lock(create()).unwrap();
        assert_eq!(fs::metadata(dir.path().join("lock")).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_directory_is_locked_without_a_trace_and_without_a_right_to_write() {
        let dir = TempDir::new();
        let place = dir.path().join("a/b");
        let first = LockedDirectory::wait(&place, &mut |_| {}).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o555)).unwrap();
        let (other, waited) = (place.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let told = waited.clone();
        let second = std::thread::spawn(move || {
            let mut waiting = |_: Option<&Holder>| told.store(true, std::sync::atomic::Ordering::Relaxed);
            LockedDirectory::wait(&other, &mut waiting).map(drop)
        });
        std::thread::sleep(Duration::from_millis(1300));
        assert!(waited.load(std::sync::atomic::Ordering::Relaxed) && !second.is_finished());
        drop(first);
        second.join().unwrap().unwrap();
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    }

    #[test]
    fn a_user_who_has_had_enough_is_let_go() {
        let dir = TempDir::new();
        let store = Store::open(dir.path());
        let _first = store.lock(create()).unwrap();
        let options = LockOptions { cancelled: Some(&|| true), ..create() };
        assert!(store.lock(options).unwrap_err().message().contains("interrupted"));
    }
}
