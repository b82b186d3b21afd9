//! A change of the directory: all of it or none of it.
//!
//! Everything is written to a staging directory beside its target first, with a journal that says what will be done. All
//! of it is made durable together, then the journal gets its name, then the renames are done back to back, then the
//! journal goes. Whatever happens in between, the next command finds either no journal (nothing had happened) or one that
//! it can carry out to the end.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result, io_reason};
use crate::ui;

use super::event::{Event, Lines};
use super::files::{self, OutputFile};
use super::journal::{DirectoryAccess, Ground, Journal, Operation, exists, is_inside, metadata, new_staging_name};
use super::lock::Locked;
use super::owner::Owner;
use super::stage::{Kind, Staged, StagingArea};
use super::{abandoned, disk, inventory_file, layout, recovery};

/// Up to this many files are made durable one by one; for more, one call for the whole file system is quicker.
const SYNC_EACH: usize = 64;

/// Files to be written, directories to be created and things to be removed, as one step. Dropped without
/// [`Transaction::commit`] it leaves nothing behind.
#[derive(Debug)]
pub struct Transaction<'a> {
    locked: Option<&'a Locked>,
    ground: Ground,
    /// Which roots have their staging directory.
    prepared: Vec<bool>,
    /// Directories above the target that do not exist yet, for a root outside the PKI.
    missing: Vec<PathBuf>,
    /// The roots as the user typed them, for messages.
    named: Vec<PathBuf>,
    /// The roots as absolute paths, links unresolved: what absolute paths are matched against.
    absolute: Vec<PathBuf>,
    operations: Vec<Operation>,
    /// What this transaction itself will have created or taken away by the time a later step runs.
    created: BTreeSet<(usize, PathBuf)>,
    removed: BTreeSet<(usize, PathBuf)>,
    /// Is something moved? Rare, and answered for thousands of files.
    moves: bool,
    events: Vec<Event>,
    lines: Lines,
    count: Arc<AtomicUsize>,
    /// Several transactions share the staging directory: none of them sweeps it.
    shared: bool,
    /// Where what others prepared lies, as long as it is not durable.
    adopted: Vec<PathBuf>,
    last_adopted: Option<(usize, PathBuf)>,
    /// What was written and is not durable yet; no more than one beyond [`SYNC_EACH`] are kept.
    unsynced: Vec<File>,
    /// The marks of staging directories that no journal speaks of.
    in_use: Vec<File>,
    finished: bool,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(locked: &'a Locked) -> Self {
        let root = locked.store().root().to_path_buf();
        Self::with_root(Some(locked), root.clone(), PathBuf::new(), root)
    }

    /// A transaction in a directory that is no PKI and has no lock (`request`, `fixtures`, `--out` without a PKI).
    /// Relative paths are below `directory`, which is created if need be. Without a journal a kill can leave the first
    /// of several replaced files new and the next one old; each single file and each new directory is whole.
    pub fn outside(directory: &Path) -> Result<Transaction<'static>> {
        let (base, missing) = existing_part(directory)?;
        Ok(Transaction::with_root(None, base, missing, directory.to_path_buf()))
    }

    fn with_root(locked: Option<&'a Locked>, base: PathBuf, missing: PathBuf, named: PathBuf) -> Self {
        Self {
            locked,
            ground: Ground { roots: vec![base], staging: String::new() },
            prepared: vec![false],
            missing: vec![missing],
            absolute: vec![std::path::absolute(&named).unwrap_or_else(|_| named.clone())],
            named: vec![named],
            operations: Vec::new(),
            created: BTreeSet::new(),
            removed: BTreeSet::new(),
            moves: false,
            events: Vec::new(),
            lines: Lines::default(),
            count: Arc::default(),
            shared: false,
            adopted: Vec::new(),
            last_adopted: None,
            unsynced: Vec::new(),
            in_use: Vec::new(),
            finished: false,
        }
    }

    /// A transaction that uses the same staging directories.
    pub(super) fn sibling(&self) -> Self {
        Self {
            locked: self.locked,
            ground: self.ground.clone(),
            prepared: self.prepared.clone(),
            missing: self.missing.clone(),
            named: self.named.clone(),
            absolute: self.absolute.clone(),
            count: Arc::clone(&self.count),
            shared: true,
            operations: Vec::new(),
            created: BTreeSet::new(),
            removed: BTreeSet::new(),
            moves: false,
            events: Vec::new(),
            lines: Lines::default(),
            adopted: Vec::new(),
            last_adopted: None,
            unsynced: Vec::new(),
            in_use: Vec::new(),
            finished: false,
        }
    }

    /// The staging directory of the place where `path` is to be.
    pub(super) fn area(&mut self, path: &Path) -> Result<StagingArea> {
        let (root, _) = self.resolve(path)?;
        self.next(root)?;
        Ok(StagingArea::new(root, self.ground.staging(root), Arc::clone(&self.count)))
    }

    /// Gives what was prepared in a [`StagingArea`] its place. Whatever has that name already is an error; where it is a
    /// directory's, that of the commit.
    pub fn adopt(&mut self, staged: Staged, path: &Path) -> Result<()> {
        let (root, path) = self.resolve(path)?;
        if root != staged.root {
            return Err(Error::failed(format!("writing {}: it was prepared elsewhere", ui::path(&path))));
        }
        if matches!(staged.kind, Kind::File) && self.will_exist(root, &path)? {
            let shown = self.shown(root, &path);
            return Err(Error::failed(format!("creating {}: it exists already", ui::path(&shown))));
        }
        // Thousands of one block lie side by side.
        let beside = |(other, before): &(usize, PathBuf)| *other == root && before.parent() == path.parent();
        if !self.last_adopted.as_ref().is_some_and(beside) {
            self.create_parents(root, &path)?;
        }
        self.last_adopted = Some((root, path.clone()));
        self.adopted.push(self.ground.new_file(root, staged.n));
        self.created.insert((root, path.clone()));
        self.operations.push(match staged.kind {
            Kind::Directory => Operation::Create { n: staged.n, root, path, parent: false },
            Kind::File => Operation::Put { n: staged.n, root, path },
        });
        Ok(())
    }

    /// Lets absolute paths below `directory` be written too (`--out`, `--into`). The user named it: it may be reached
    /// through links, but nothing below it may be one.
    pub fn allow_outside(&mut self, directory: &Path) -> Result<()> {
        let (base, missing) = existing_part(directory)?;
        if base.to_str().is_none() {
            let shown = ui::path(directory);
            return Err(Error::failed(format!("writing to {shown}: the path is not UTF-8 and cannot be journaled")));
        }
        self.ground.roots.push(base);
        self.missing.push(missing);
        self.named.push(directory.to_path_buf());
        self.absolute.push(std::path::absolute(directory).map_err(|e| Error::io("writing to", directory, &e))?);
        self.prepared.push(false);
        Ok(())
    }

    /// Writes a file: a new one, or in the place of an old one. Directories above it are created as needed.
    pub fn put(&mut self, file: OutputFile) -> Result<()> {
        let (root, path) = self.resolve(&file.path)?;
        let shown = self.shown(root, &path);
        let failed = |e: io::Error| writing_failed(&shown, &e, file.owner.as_ref());
        if metadata(&self.ground.roots[root].join(&path)).map_err(failed)?.is_some_and(|m| m.is_dir()) {
            return Err(Error::failed(format!("writing {}: a directory has that name", ui::path(&shown))));
        }
        self.create_parents(root, &path)?;
        let n = self.next(root)?;
        let staged = self.ground.new_file(root, n);
        let written = disk::write_new(&staged, &file.bytes, file.mode, file.owner.as_ref()).map_err(failed)?;
        self.sync_later(Some(written));
        self.created.insert((root, path.clone()));
        self.operations.push(Operation::Put { n, root, path });
        Ok(())
    }

    /// Creates a directory that appears at once, with all its files. Their paths are relative to it.
    pub fn create_directory(
        &mut self,
        path: impl AsRef<Path>,
        mode: u32,
        owner: Option<&Owner>,
        files: Vec<OutputFile>,
    ) -> Result<()> {
        let (root, path) = self.resolve(path.as_ref())?;
        let shown = self.shown(root, &path);
        let failed = |e: io::Error| writing_failed(&shown, &e, owner);
        if self.will_exist(root, &path)? {
            return Err(Error::failed(format!("creating {}: it exists already", ui::path(&shown))));
        }
        self.create_parents(root, &path)?;
        let n = self.next(root)?;
        let staged = self.ground.new_file(root, n);
        disk::create_directory(&staged).map_err(failed)?;
        for file in &files {
            self.stage_below(&staged, file, mode, owner)
                .map_err(|e| writing_failed(&shown.join(&file.path), &e, file.owner.as_ref().or(owner)))?;
        }
        self.sync_later(disk::open_to_sync(&staged).map_err(failed)?);
        disk::set_directory(&staged, mode, owner).map_err(failed)?;
        self.created.insert((root, path.clone()));
        self.operations.push(Operation::Create { n, root, path, parent: false });
        Ok(())
    }

    /// Gives a directory of the PKI that exists another mode and, where one is named, another owner.
    pub fn set_directory(&mut self, path: impl AsRef<Path>, mode: u32, owner: Option<&Owner>) -> Result<()> {
        let (root, path) = self.resolve_own(path.as_ref(), "changing")?;
        let Some(is) = files::facts(&self.ground.roots[root].join(&path)).filter(|is| !is.is_link) else {
            return Ok(());
        };
        let given = owner.zip(is.owner.as_ref()).filter(|(owner, is)| !owner.covers(is));
        if is.mode == mode && given.is_none() {
            return Ok(());
        }
        let is_owner = given.and_then(|(_, is)| is.user().zip(is.group()));
        let becomes = is_owner
            .zip(owner)
            .map(|((user, group), owner)| (owner.user().unwrap_or(user), owner.group().unwrap_or(group)));
        let n = self.next(root)?;
        self.operations.push(Operation::Access {
            n,
            root,
            path,
            was: DirectoryAccess { mode: is.mode, owner: is_owner },
            becomes: DirectoryAccess { mode, owner: becomes },
        });
        Ok(())
    }

    /// Removes a file or a directory with all that is in it; secrets are overwritten first. What does not exist is no
    /// mistake.
    pub fn remove(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let (root, path) = self.resolve_own(path.as_ref(), "removing")?;
        if !self.will_exist(root, &path)? {
            return Ok(());
        }
        let n = self.next(root)?;
        self.set_removed(root, &path);
        self.operations.push(Operation::Remove { n, root, path });
        Ok(())
    }

    /// Gives a file or directory another place in the PKI.
    pub fn rename(&mut self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
        let (root, path) = self.resolve_own(from.as_ref(), "moving")?;
        let (_, to) = self.resolve_own(to.as_ref(), "moving")?;
        if !self.will_exist(root, &path)? {
            return Err(Error::failed(format!("moving {}: it does not exist", ui::path(&self.shown(root, &path)))));
        }
        if self.will_exist(root, &to)? {
            return Err(Error::failed(format!("moving to {}: it exists already", ui::path(&self.shown(root, &to)))));
        }
        self.create_parents(root, &to)?;
        let n = self.next(root)?;
        self.set_removed(root, &path);
        self.created.insert((root, to.clone()));
        self.moves = true;
        self.operations.push(Operation::Move { n, root, path, to });
        Ok(())
    }

    /// Gives a file or directory that was made beside the PKI, on the same disk and durable, its place in it.
    pub(super) fn place(&mut self, from: &Path, to: impl AsRef<Path>) -> Result<()> {
        let (root, path) = self.resolve_own(to.as_ref(), "writing")?;
        let shown = self.shown(root, &path);
        if self.will_exist(root, &path)? {
            return Err(Error::failed(format!("writing {}: it exists already", ui::path(&shown))));
        }
        let n = self.next(root)?;
        let is_directory = from.is_dir();
        disk::rename(from, &self.ground.new_file(root, n)).map_err(|e| writing_failed(&shown, &e, None))?;
        self.created.insert((root, path.clone()));
        self.operations.push(match is_directory {
            true => Operation::Create { n, root, path, parent: false },
            false => Operation::Put { n, root, path },
        });
        Ok(())
    }

    /// Records what happened, in the same step as the files it speaks of.
    pub fn append(&mut self, events: impl IntoIterator<Item = Event>) {
        self.events.extend(events);
    }

    /// The same for all events of which other threads made lines; they come after the others.
    pub fn append_lines(&mut self, lines: Lines) {
        self.lines = lines;
    }

    /// Is there anything to do?
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.events.is_empty() && self.lines.is_empty()
    }

    /// Does it. After an error everything is as it was, or the error says that the next command will finish.
    pub fn commit(mut self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.stage_events()?;
        let journal = self.stage_journal().map_err(|e| self.failed(&e))?;
        self.sync_staging().map_err(|e| self.failed(&e))?;
        let operations: Vec<_> = journal.operations.iter().collect();
        let promised = if self.locked.is_some() { journal.promise(&self.ground.roots[0]) } else { Ok(()) };
        if let Err(e) = promised.and_then(|()| recovery::carry_out(&self.ground, &operations)) {
            return Err(self.take_back(&operations, &e));
        }
        if let Some(locked) = self.locked {
            locked.set_committed();
            if recovery::close(&self.ground.roots[0]).is_err() {
                // All is done and durable. The next command finds nothing left to do and removes the journal.
                self.finished = true;
                return Ok(());
            }
            let inventory = locked.store().path(layout::inventory());
            inventory_file::remember(&inventory, &self.ground.staging(0).join("index"));
        }
        Ok(())
    }

    /// Lines for the inventory; they go first, because appending is what a full disk refuses.
    fn stage_events(&mut self) -> Result<()> {
        if self.events.is_empty() && self.lines.is_empty() {
            return Ok(());
        }
        let Some(locked) = self.locked else {
            return Err(Error::failed("recording what was done: there is no PKI to record it in"));
        };
        let path = layout::inventory();
        let target = locked.store().path(&path);
        let mut lines = inventory_file::lines(std::mem::take(&mut self.events))?;
        lines.append(&std::mem::take(&mut self.lines));
        let lines = lines.into_bytes();
        let length = metadata(&target).map_err(|e| Error::io("reading", &target, &e))?.map(|m| m.len());
        let Some(offset) = length else {
            return self.put(OutputFile::private(path, [inventory_file::header_line().as_bytes(), &lines].concat()));
        };
        let n = self.next(0)?;
        self.operations.insert(0, Operation::Append { n, root: 0, path, offset, length: lines.len(), lines });
        Ok(())
    }

    fn stage_journal(&mut self) -> io::Result<Journal> {
        let mut journal = Journal::new(self.ground.staging.clone());
        journal.outside = self.ground.roots[1..].to_vec();
        journal.operations = std::mem::take(&mut self.operations);
        if self.locked.is_some() {
            let written = journal.stage(&self.ground.roots[0])?;
            self.sync_later(Some(written));
        }
        Ok(journal)
    }

    fn sync_staging(&mut self) -> io::Result<()> {
        let adopted = std::mem::take(&mut self.adopted);
        for path in &adopted {
            // A directory holds no more than four files.
            if self.unsynced.len() > SYNC_EACH {
                break;
            }
            for below in files_below(path)? {
                self.sync_later(disk::open_to_sync(&below)?);
            }
        }
        let mut unsynced = std::mem::take(&mut self.unsynced);
        let many = unsynced.len() > SYNC_EACH;
        for root in (0..self.prepared.len()).filter(|root| self.prepared[*root]) {
            let staging = self.ground.staging(root);
            if many {
                disk::sync_file_system(&staging)?;
            } else {
                unsynced.extend(disk::open_to_sync(&staging)?);
            }
        }
        if many { Ok(()) } else { disk::sync(&unsynced) }
    }

    fn take_back(&mut self, operations: &[&Operation], cause: &io::Error) -> Error {
        let error = self.failed(cause);
        let undone = recovery::take_back(&self.ground, operations).and_then(|()| {
            let journaled = self.locked.is_some() && exists(&self.ground.roots[0].join(layout::journal()))?;
            if journaled { recovery::close(&self.ground.roots[0]) } else { Ok(()) }
        });
        match undone {
            Ok(()) => error,
            Err(e) => {
                // The journal and what it needs stay.
                self.finished = true;
                if self.locked.is_none() {
                    (0..self.prepared.len()).for_each(|root| abandoned::keep(&self.ground.staging(root)));
                }
                let why = io_reason(&e);
                error
                    .context(format!("the change stopped half way and could not be taken back ({why})"))
                    .hint("the next certgen command that writes will finish it; nothing is lost")
            }
        }
    }

    fn failed(&self, e: &io::Error) -> Error {
        writing_failed(&self.named[0], e, None)
    }

    /// Which root a path belongs to, and the path below it.
    fn resolve(&self, path: &Path) -> Result<(usize, PathBuf)> {
        let refused = || Error::failed(format!("writing {}: the path leads out of the directory", ui::path(path)));
        let (root, rest) = if path.is_absolute() {
            let above = self.absolute.iter().enumerate().filter(|(_, above)| path.starts_with(above));
            let (root, above) = above.max_by_key(|(_, above)| above.as_os_str().len()).ok_or_else(refused)?;
            (root, path.strip_prefix(above).map_err(|_| refused())?)
        } else {
            (0, path)
        };
        if rest.as_os_str().is_empty() && !self.missing[root].as_os_str().is_empty() {
            return Ok((root, self.missing[root].clone()));
        }
        if !is_inside(rest) {
            return Err(refused());
        }
        Ok((root, self.missing[root].join(rest)))
    }

    fn resolve_own(&self, path: &Path, doing: &str) -> Result<(usize, PathBuf)> {
        let (root, path) = self.resolve(path)?;
        if root > 0 {
            return Err(Error::failed(format!("{doing} {}: it is not in the PKI", ui::path(&self.shown(root, &path)))));
        }
        Ok((root, path))
    }

    fn set_removed(&mut self, root: usize, path: &Path) {
        self.created.retain(|(other, created)| *other != root || !created.starts_with(path));
        self.removed.insert((root, path.to_path_buf()));
    }

    /// Will something have that name when the steps planned so far are done?
    fn will_exist(&self, root: usize, path: &Path) -> Result<bool> {
        let place = (root, path.to_path_buf());
        if self.created.contains(&place) {
            return Ok(true);
        }
        if self.moves {
            return self.will_exist_after_moves(root, path);
        }
        if path.ancestors().any(|above| self.removed.contains(&(root, above.to_path_buf()))) {
            return Ok(false);
        }
        let full = self.ground.roots[root].join(path);
        exists(&full).map_err(|e| Error::io("reading", &full, &e))
    }

    /// The same where whole directories change places: from the last step back to where the thing is now.
    fn will_exist_after_moves(&self, root: usize, path: &Path) -> Result<bool> {
        let mut full = self.ground.roots[root].join(path);
        for operation in self.operations.iter().rev().filter(|operation| operation.root() == root) {
            let (n, _, place) = operation.place();
            let place = self.ground.roots[root].join(place);
            match operation {
                Operation::Move { to, .. } => match full.strip_prefix(self.ground.roots[root].join(to)) {
                    Ok(below) if below.as_os_str().is_empty() => full = place,
                    Ok(below) => full = place.join(below),
                    Err(_) if full.starts_with(&place) => return Ok(false),
                    Err(_) => {}
                },
                Operation::Remove { .. } if full.starts_with(&place) => return Ok(false),
                Operation::Create { .. } => match full.strip_prefix(&place) {
                    Ok(below) if below.as_os_str().is_empty() => return Ok(true),
                    Ok(below) => {
                        full = self.ground.new_file(root, n).join(below);
                        break;
                    }
                    Err(_) => {}
                },
                Operation::Put { .. } if full == place => return Ok(true),
                _ => {}
            }
        }
        exists(&full).map_err(|e| Error::io("reading", &full, &e))
    }

    fn shown(&self, root: usize, path: &Path) -> PathBuf {
        self.named[root].join(path.strip_prefix(&self.missing[root]).unwrap_or(path))
    }

    /// Plans the directories above `path` that do not exist, and refuses links among those that do.
    fn create_parents(&mut self, root: usize, path: &Path) -> Result<()> {
        let parents: Vec<_> = path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
        for parent in parents.into_iter().rev() {
            let place = (root, parent.to_path_buf());
            if self.created.contains(&place) {
                continue;
            }
            let full = self.ground.roots[root].join(parent);
            let gone = !self.will_exist(root, parent)?;
            match metadata(&full).map_err(|e| Error::io("reading", &full, &e))?.filter(|_| !gone) {
                Some(there) if there.is_dir() => {}
                Some(_) => {
                    let shown = ui::path(&self.shown(root, parent));
                    return Err(Error::failed(format!(
                        "writing {}: {shown} is a symbolic link or a file, not a directory",
                        ui::path(&self.shown(root, path))
                    )));
                }
                None => self.create_parent(root, parent)?,
            }
        }
        Ok(())
    }

    fn create_parent(&mut self, root: usize, path: &Path) -> Result<()> {
        let n = self.next(root)?;
        let staged = self.ground.new_file(root, n);
        // The history is full of keys; the others hold directories that look after themselves.
        let private = path.starts_with("history") || path.starts_with("external");
        let mode = if private { layout::PRIVATE_DIRECTORY } else { layout::PUBLIC_DIRECTORY };
        disk::create_directory(&staged)
            .and_then(|()| disk::set_directory(&staged, mode, None))
            .map_err(|e| writing_failed(&self.shown(root, path), &e, None))?;
        self.created.insert((root, path.to_path_buf()));
        self.operations.push(Operation::Create { n, root, path: path.to_path_buf(), parent: true });
        Ok(())
    }

    fn stage_below(&mut self, staged: &Path, file: &OutputFile, mode: u32, owner: Option<&Owner>) -> io::Result<()> {
        if !is_inside(&file.path) {
            return Err(io::Error::other("the path leads out of the directory"));
        }
        let parents: Vec<_> = file.path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
        for parent in parents.into_iter().rev() {
            let parent = staged.join(parent);
            if !exists(&parent)? {
                disk::create_directory(&parent)?;
                self.sync_later(disk::open_to_sync(&parent)?);
                disk::set_directory(&parent, mode, owner)?;
            }
        }
        let owner = file.owner.as_ref().or(owner);
        let written = disk::write_new(&staged.join(&file.path), &file.bytes, file.mode, owner)?;
        self.sync_later(Some(written));
        Ok(())
    }

    fn sync_later(&mut self, written: Option<File>) {
        if self.unsynced.len() <= SYNC_EACH {
            self.unsynced.extend(written);
        }
    }

    /// A number for the next operation, and the staging directory it needs.
    pub(super) fn next(&mut self, root: usize) -> Result<usize> {
        if self.ground.staging.is_empty() {
            self.ground.staging = new_staging_name()?;
        }
        for root in [0, root] {
            if !self.prepared[root] {
                let shown = self.named[root].clone();
                self.prepare(root).map_err(|e| writing_failed(&shown, &e, None))?;
            }
        }
        Ok(self.count.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn prepare(&mut self, root: usize) -> io::Result<()> {
        if root > 0 {
            // Noted in the PKI before it exists, so that a kill leaves nothing outside that nobody knows of.
            let list: Vec<_> = self.ground.roots[1..].iter().map(|r| r.join(&self.ground.staging)).collect();
            let text: String = list.iter().map(|path| format!("{}\n", path.display())).collect();
            let path = self.ground.staging(0).join(recovery::OUTSIDE_LIST);
            if exists(&path)? {
                disk::remove_file(&path)?;
            }
            disk::write_new(&path, text.as_bytes(), layout::PRIVATE_FILE, None)?;
        }
        self.prepared[root] = true;
        if self.locked.is_some() {
            return disk::create_directory(&self.ground.staging(root));
        }
        abandoned::sweep(&self.ground.roots[root]);
        self.in_use.extend(abandoned::create(&self.ground.staging(root))?);
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // Where open files hold on to their directory they would be in the way.
        self.unsynced.clear();
        self.in_use.clear();
        // The journal counts: as long as it is there, what it points to must stay.
        let journaled = self.locked.is_some() && exists(&self.ground.roots[0].join(layout::journal())).unwrap_or(true);
        if !self.finished && !self.shared && !journaled && self.prepared.iter().any(|prepared| *prepared) {
            recovery::sweep(&self.ground);
        }
    }
}

/// A staged file, or a staged directory with what is in it.
fn files_below(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = vec![path.to_path_buf()];
    if metadata(path)?.is_some_and(|there| there.is_dir()) {
        for entry in fs::read_dir(path)? {
            all.push(entry?.path());
        }
    }
    Ok(all)
}

pub(super) fn writing_failed(path: &Path, e: &io::Error, owner: Option<&Owner>) -> Error {
    match (owner, e.kind()) {
        (Some(owner), io::ErrorKind::PermissionDenied) if owner.check_permitted().is_err() => owner.not_permitted(),
        _ => Error::io("writing", path, e),
    }
}

/// The part of a path that exists, with links resolved because the user may arrange their own disk, and the rest.
fn existing_part(directory: &Path) -> Result<(PathBuf, PathBuf)> {
    let failed = |e: io::Error| Error::io("writing to", directory, &e);
    let absolute = std::path::absolute(directory).map_err(failed)?;
    let mut missing = PathBuf::new();
    let mut base = absolute.as_path();
    loop {
        match fs::canonicalize(base) {
            Ok(found) if found.is_dir() => return Ok((found, missing)),
            Ok(_) => return Err(Error::failed(format!("writing to {}: it is not a directory", ui::path(directory)))),
            // A link that leads nowhere has a name but no place.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !exists(base).map_err(failed)? => {}
            Err(e) => return Err(failed(e)),
        }
        let name = base.file_name().map(PathBuf::from).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        missing = if missing.as_os_str().is_empty() { name } else { name.join(missing) };
        base = base.parent().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    }
}
