//! The journal: what a transaction is about to do, written down before the first rename.
//!
//! Every operation can be repeated and taken back by looking at the disk alone: what is still in the staging directory as
//! `N.new` has not happened yet, what is there as `N.old` has been replaced. A journal therefore needs no record of progress.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ui;

use super::owner::Owner;
use super::{Store, disk, files, layout, platform, random_hex};

/// What every staging directory's name begins with; 16 hexadecimal digits follow.
pub(super) const STAGING_PREFIX: &str = ".certgen-staging-";

/// The one format of the journal so far.
const FORMAT: u32 = 1;

/// A journal of a bulk run names each of its files.
const LIMIT: u64 = 256 << 20;

/// A change that is fully prepared in a staging directory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    pub(super) certgen_journal: u32,
    /// The staging directory's name, the same in every root.
    pub(super) staging: String,
    /// Directories outside the PKI that are changed too, by the user's explicit wish; root 0 is the PKI itself.
    pub(super) outside: Vec<PathBuf>,
    pub(super) operations: Vec<Operation>,
}

/// One step. `root` counts the PKI as 0 and then the journal's `outside`; `n` names the step's files in the staging.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Operation {
    /// A file comes into being or takes the place of another.
    Put { n: usize, root: usize, path: PathBuf },
    /// A directory appears with all that is in it.
    Create {
        n: usize,
        root: usize,
        path: PathBuf,
        /// It only has to be there: an empty one that somebody made meanwhile will do.
        #[serde(default)]
        parent: bool,
    },
    /// A file or directory goes.
    Remove { n: usize, root: usize, path: PathBuf },
    /// A file or directory changes its name within the PKI.
    Move { n: usize, root: usize, path: PathBuf, to: PathBuf },
    /// Lines, `length` bytes, come to the end of a file that was `offset` bytes long. They stand behind the journal as they
    /// are: a bulk run has megabytes of them.
    Append {
        n: usize,
        root: usize,
        path: PathBuf,
        offset: u64,
        length: usize,
        #[serde(skip)]
        lines: Vec<u8>,
    },
    /// A directory that exists gets another mode and owner; what is in it stays.
    Access { n: usize, root: usize, path: PathBuf, was: DirectoryAccess, becomes: DirectoryAccess },
}

/// Who may enter a directory. Without an owner, the one that it has stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DirectoryAccess {
    pub(super) mode: u32,
    /// Numbers of the user and the group (Unix).
    pub(super) owner: Option<(u32, u32)>,
}

impl DirectoryAccess {
    fn set(&self, directory: &Path) -> io::Result<()> {
        if metadata(directory)?.is_some_and(|there| there.is_dir()) {
            let owner = self.owner.map(|(user, group)| Owner::of(user, group));
            disk::set_directory(directory, self.mode, owner.as_ref())?;
        }
        Ok(())
    }
}

impl Operation {
    pub(super) fn place(&self) -> (usize, usize, &Path) {
        match self {
            Self::Put { n, root, path }
            | Self::Create { n, root, path, .. }
            | Self::Remove { n, root, path }
            | Self::Move { n, root, path, .. }
            | Self::Append { n, root, path, .. }
            | Self::Access { n, root, path, .. } => (*n, *root, path),
        }
    }

    pub(super) fn root(&self) -> usize {
        self.place().1
    }
}

impl Journal {
    pub(super) fn new(staging: String) -> Self {
        Self { certgen_journal: FORMAT, staging, outside: Vec::new(), operations: Vec::new() }
    }

    /// Writes the journal into the staging directory, to become durable with what it speaks of.
    pub(super) fn stage(&self, root: &Path) -> io::Result<File> {
        let mut text = serde_json::to_vec(self).map_err(io::Error::other)?;
        text.push(b'\n');
        for operation in &self.operations {
            if let Operation::Append { lines, .. } = operation {
                text.extend_from_slice(lines);
            }
        }
        disk::write_new(&self.staged(root), &text, layout::PRIVATE_FILE, None)
    }

    /// Gives the staged journal its name: from here on the change happens.
    pub(super) fn promise(&self, root: &Path) -> io::Result<()> {
        disk::rename(&self.staged(root), &root.join(layout::journal()))?;
        disk::sync(disk::open_to_sync(root)?.as_slice())
    }

    fn staged(&self, root: &Path) -> PathBuf {
        root.join(&self.staging).join("journal")
    }

    /// Reads the journal of a command that did not come to its end. It is written whole or not at all, so that one that
    /// cannot be read, or that leads out of the PKI, was not written by certgen.
    pub(super) fn read(store: &Store) -> Result<Option<Self>> {
        let path = store.path(layout::journal());
        match fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("reading", &path, &e)),
            Ok(_) => {}
        }
        let bytes = files::read_own(&path, LIMIT)?;
        let refused = |why: String| {
            let shown = ui::path(&path);
            Error::failed(format!("finishing what an interrupted command had begun: {shown} is not acceptable: {why}"))
                .hint(format!("look at it, and if you did not expect it, remove it: rm {shown}"))
        };
        let (text, lines) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
        let mut journal: Self = serde_json::from_slice(text).map_err(|e| refused(e.to_string()))?;
        journal.check().map_err(refused)?;
        journal.take_lines(lines.get(1..).unwrap_or_default()).map_err(refused)?;
        Ok(Some(journal))
    }

    /// The lines behind the journal are those of its operations.
    fn take_lines(&mut self, mut rest: &[u8]) -> Result<(), String> {
        for operation in &mut self.operations {
            if let Operation::Append { length, lines, .. } = operation {
                let (these, after) = rest.split_at_checked(*length).ok_or("lines are missing")?;
                these.clone_into(lines);
                rest = after;
            }
        }
        if rest.is_empty() { Ok(()) } else { Err("there is more behind it than it says".to_owned()) }
    }

    fn check(&self) -> Result<(), String> {
        if self.certgen_journal != FORMAT {
            return Err(format!("its format is {}, this certgen knows {FORMAT}", self.certgen_journal));
        }
        if !is_staging_name(OsStr::new(&self.staging)) {
            return Err(format!("{} is not a staging directory", ui::quote(&self.staging)));
        }
        if let Some(path) = self.outside.iter().find(|path| !path.is_absolute()) {
            return Err(format!("{} is not an absolute path", ui::path(path)));
        }
        let mut seen = BTreeSet::new();
        for operation in &self.operations {
            let (n, root, path) = operation.place();
            let inside = is_inside(path) && !matches!(operation, Operation::Move { to, .. } if !is_inside(to));
            if !inside {
                return Err(format!("it leads out of the directory: {}", ui::path(path)));
            }
            if root > self.outside.len() || !seen.insert(n) {
                return Err("its operations contradict each other".to_owned());
            }
            let only_writes = matches!(operation, Operation::Put { .. } | Operation::Create { .. });
            if root > 0 && !only_writes {
                return Err(format!("it removes something outside the PKI: {}", ui::path(path)));
            }
        }
        Ok(())
    }
}

/// A path of plain names below its root, and none of those that the machinery itself uses.
pub(super) fn is_inside(path: &Path) -> bool {
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    let first = path.components().next().map(|c| c.as_os_str().to_owned());
    plain && first.is_some_and(|first| first != "journal" && first != "lock" && !is_staging_name(&first))
}

pub(super) fn is_staging_name(name: &OsStr) -> bool {
    let digits = name.to_str().and_then(|name| name.strip_prefix(STAGING_PREFIX));
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

pub(super) fn new_staging_name() -> Result<String> {
    Ok(format!("{STAGING_PREFIX}{}", random_hex()?))
}

/// Where the operations of one transaction happen.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) roots: Vec<PathBuf>,
    pub(super) staging: String,
}

impl Ground {
    pub(super) fn staging(&self, root: usize) -> PathBuf {
        self.roots[root].join(&self.staging)
    }

    pub(super) fn new_file(&self, root: usize, n: usize) -> PathBuf {
        self.staging(root).join(format!("{n}.new"))
    }

    fn old_file(&self, root: usize, n: usize) -> PathBuf {
        self.staging(root).join(format!("{n}.old"))
    }

    /// What is to be synced after an operation: the directories whose names it changes, the file that grows in place.
    pub(super) fn touched(&self, operation: &Operation) -> Vec<PathBuf> {
        let (_, root, path) = operation.place();
        if matches!(operation, Operation::Append { .. }) {
            return vec![self.roots[root].join(path)];
        }
        let parent = |path: &Path| self.roots[root].join(path).parent().map(Path::to_path_buf);
        let to = if let Operation::Move { to, .. } = operation { parent(to) } else { None };
        parent(path).into_iter().chain(to).collect()
    }

    /// Does what is not done yet.
    pub(super) fn redo(&self, operation: &Operation) -> io::Result<()> {
        let (n, root, path) = operation.place();
        let (new, old) = (self.new_file(root, n), self.old_file(root, n));
        let target = self.roots[root].join(path);
        match operation {
            Operation::Put { .. } if exists(&new)? => {
                self.check_way(root, path)?;
                put(&new, &old, &target)
            }
            // There are thousands in a bulk run: what is already done is noticed where something is in the way.
            Operation::Create { parent, .. } => match metadata(&target)? {
                None => {
                    self.check_way(root, path)?;
                    match disk::rename(&new, &target) {
                        Err(e) if e.kind() == io::ErrorKind::NotFound && !exists(&new)? => Ok(()),
                        result => result,
                    }
                }
                Some(_) if !exists(&new)? => Ok(()),
                Some(there) if *parent && there.is_dir() => disk::remove_directory(&new),
                Some(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else has that name")),
            },
            Operation::Remove { .. } if !exists(&old)? && exists(&target)? => {
                self.check_way(root, path)?;
                disk::rename(&target, &old)
            }
            Operation::Move { to, .. } if exists(&target)? => {
                self.check_way(root, path)?;
                self.check_way(root, to)?;
                let to = self.roots[root].join(to);
                if exists(&to)? {
                    return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else has that name"));
                }
                disk::rename(&target, &to)
            }
            Operation::Append { offset, lines, .. } => {
                self.check_way(root, path)?;
                append(lines, &target, *offset)
            }
            Operation::Access { becomes, .. } => {
                self.check_way(root, path)?;
                becomes.set(&target)
            }
            _ => Ok(()),
        }
    }

    /// Takes back what was done, so that a later [`Ground::redo`] would find everything in its place again.
    pub(super) fn undo(&self, operation: &Operation) -> io::Result<()> {
        let (n, root, path) = operation.place();
        let (new, old) = (self.new_file(root, n), self.old_file(root, n));
        let target = self.roots[root].join(path);
        match operation {
            Operation::Put { .. } => unput(&new, &old, &target),
            Operation::Create { parent: true, .. } if !exists(&new)? => uncreate_parent(&new, &target),
            Operation::Create { .. } if !exists(&new)? && exists(&target)? => disk::rename(&target, &new),
            Operation::Remove { .. } if exists(&old)? => disk::rename(&old, &target),
            Operation::Move { to, .. } if !exists(&target)? => disk::rename(&self.roots[root].join(to), &target),
            Operation::Append { offset, .. } if metadata(&target)?.is_some_and(|m| m.len() > *offset) => {
                disk::write_at_end(&target, *offset, &[]).map(drop)
            }
            Operation::Access { was, .. } => was.set(&target),
            _ => Ok(()),
        }
    }

    /// Every directory on the way must be a real one: a link planted there would take the files elsewhere.
    pub(super) fn check_way(&self, root: usize, path: &Path) -> io::Result<()> {
        let mut way = self.roots[root].clone();
        let Some(parent) = path.parent() else { return Ok(()) };
        for component in parent.components() {
            way.push(component);
            match metadata(&way)? {
                Some(there) if there.is_dir() => {}
                Some(_) => {
                    let shown = ui::path(&way);
                    return Err(io::Error::other(format!("{shown} is a symbolic link or a file, not a directory")));
                }
                None => return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is gone", ui::path(&way)))),
            }
        }
        Ok(())
    }
}

fn put(new: &Path, old: &Path, target: &Path) -> io::Result<()> {
    let there = metadata(target)?;
    if there.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "a directory has that name"));
    }
    // The same once more needs no time of its own, which would lie ahead.
    let differs = there.as_ref().filter(|there| !has_same_content(new, target, there));
    disk::freshen(new, differs.and_then(|there| there.modified().ok()))?;
    // The old file keeps a second name, so that it can come back; a link is kept as the link it is.
    if there.is_some() && !exists(old)? && disk::link(target, old).is_err() {
        // Without hard links there is a moment without the file, which the journal covers.
        disk::rename(target, old)?;
    }
    disk::rename(new, target)
}

/// Whether a file would be replaced by its like.
fn has_same_content(new: &Path, target: &Path, there: &fs::Metadata) -> bool {
    let read = |path: &Path| fs::read(path).map(Zeroizing::new).ok();
    let is_as_long = fs::metadata(new).is_ok_and(|new| new.len() == there.len());
    there.is_file() && is_as_long && read(new).is_some_and(|new| read(target).is_some_and(|old| *old == *new))
}

fn unput(new: &Path, old: &Path, target: &Path) -> io::Result<()> {
    let has_old = exists(old)?;
    if !exists(new)? {
        // With both names the target is never missing; without an old file it has to go anyway.
        if !has_old || disk::link(target, new).is_err() {
            disk::rename(target, new)?;
        }
    }
    if !has_old || is_same(old, target)? {
        return Ok(());
    }
    disk::rename(old, target)
}

/// A directory on the way may be in use by somebody else by now: it goes only if it is empty.
fn uncreate_parent(new: &Path, target: &Path) -> io::Result<()> {
    let Some(there) = metadata(target)? else { return Ok(()) };
    disk::create_directory(new)?;
    disk::set_directory(new, platform::mode(&there), None)?;
    match disk::remove_directory(target) {
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        result => result,
    }
}

/// Appends the staged lines once, whatever has happened to the file since: the first try may have been torn, and a
/// version control system may have put other lines there. Events carry numbers, so that a repeated one does no harm.
fn append(lines: &[u8], target: &Path, offset: u64) -> io::Result<()> {
    let there = files_tail(target, offset)?;
    let length = metadata(target)?.map_or(0, |m| m.len());
    match there {
        Some(tail) if tail.starts_with(lines) => Ok(()),
        Some(tail) if lines.starts_with(written(&tail)) => disk::write_at_end(target, offset, lines).map(drop),
        _ => disk::write_at_end(target, length, lines).map(drop),
    }
}

/// Without the zeros in the place of what a machine that stopped had not written yet.
fn written(tail: &[u8]) -> &[u8] {
    &tail[..tail.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
}

/// What follows `offset`, or nothing if the file is not even that long.
fn files_tail(path: &Path, offset: u64) -> io::Result<Option<Vec<u8>>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = platform::open_own(path, false)?;
    if file.metadata()?.len() < offset {
        return Ok(None);
    }
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.read_to_end(&mut tail)?;
    Ok(Some(tail))
}

pub(super) fn metadata(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

pub(super) fn exists(path: &Path) -> io::Result<bool> {
    Ok(metadata(path)?.is_some())
}

fn is_same(a: &Path, b: &Path) -> io::Result<bool> {
    match (metadata(a)?, metadata(b)?) {
        (Some(a), Some(b)) => Ok(platform::same(&a, &b)),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_inside() {
        for path in ["a", "client/a/b.pem", "journals/x"] {
            assert!(is_inside(Path::new(path)), "{path}");
        }
        for path in ["", "/etc", "..", "a/../../b", "lock", "journal", ".certgen-staging-0123456789abcdef/new/1"] {
            assert!(!is_inside(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_journal_that_leads_elsewhere_is_refused() {
        let name = ".certgen-staging-0123456789abcdef";
        let mut journal = Journal::new(name.to_owned());
        journal.operations = vec![Operation::Put { n: 1, root: 0, path: "/etc/passwd".into() }];
        assert!(journal.check().unwrap_err().contains("leads out"));
        journal.operations = vec![Operation::Move { n: 1, root: 0, path: "a".into(), to: "../b".into() }];
        assert!(journal.check().unwrap_err().contains("leads out"));
        journal.operations = vec![Operation::Put { n: 1, root: 1, path: "x".into() }];
        assert!(journal.check().is_err());
        journal.outside = vec!["/out".into()];
        journal.check().unwrap();
        journal.operations = vec![Operation::Remove { n: 1, root: 1, path: "x".into() }];
        assert!(journal.check().unwrap_err().contains("removes something outside"));
        journal.staging = "../x".into();
        assert!(journal.check().is_err());
    }
}
