//! Where a tree is, what lies there, and how an older one makes room.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::store::{self, OutputFile, Transaction, layout};
use crate::tls_gen::{self, File, Profile};
use crate::ui;

use super::contents::Contents;

/// Where the results are without `--out`, as for tls-gen.
const RESULT: &str = "result";

/// The directories of a tree.
pub(super) struct Place {
    /// The directory that holds [`Place::results`].
    parent: PathBuf,
    /// The name of the results in it.
    name: PathBuf,
    /// The same as one path.
    named: PathBuf,
    cwd: PathBuf,
    /// Intermediates lie among the results and not beside them: a directory that was named is all that is written to.
    is_named: bool,
}

/// What lies where the results are to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing at all.
    Absent,
    /// A directory with an authority.
    Tree,
    /// A directory without one; it may be empty, or full of what is not ours.
    Other,
}

impl Place {
    /// `--out`, or `result` where we are.
    ///
    /// # Errors
    /// A directory that has no name of its own.
    pub(super) fn new(out: Option<&Path>, env: &Env) -> Result<Self> {
        let results = env.cwd.join(out.unwrap_or(Path::new(RESULT)));
        let results = std::path::absolute(&results).map_err(|e| Error::io("finding", &results, &e))?;
        // Through a link that was named: the older tree stays beside its directory, and the link where it is.
        let real = if out.is_some() && results.is_symlink() { results.canonicalize().ok() } else { None };
        let real = real.as_ref().unwrap_or(&results);
        match (real.parent(), real.file_name()) {
            (Some(parent), Some(name)) => {
                let (parent, name) = (parent.into(), name.into());
                Ok(Self { parent, name, named: results.clone(), cwd: env.cwd.clone(), is_named: out.is_some() })
            }
            _ => Err(Error::usage(format!("--out {}: it is no place for results", ui::path(&results)))
                .hint("name a directory of their own: --out DIR")),
        }
    }

    /// What is locked while somebody works here.
    pub(super) fn parent(&self) -> &Path {
        &self.parent
    }

    /// The directory of the results.
    pub(super) fn results(&self) -> PathBuf {
        self.named.clone()
    }

    /// Where an older tree goes.
    pub(super) fn previous(&self) -> PathBuf {
        self.parent.join(self.previous_name())
    }

    fn previous_name(&self) -> PathBuf {
        let mut name = self.name.clone().into_os_string();
        name.push(".previous");
        name.into()
    }

    /// The directory in which the intermediates have theirs.
    fn beside(&self) -> PathBuf {
        if self.is_named { self.results() } else { self.parent.clone() }
    }

    /// What lies here.
    ///
    /// # Errors
    /// A file or a link is in the place of the directory, or it cannot be read.
    pub(super) fn state(&self) -> Result<State> {
        let results = self.results();
        match std::fs::symlink_metadata(&results) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(State::Absent),
            Err(e) => return Err(Error::io("reading", &results, &e)),
            Ok(_) if !results.is_dir() => {
                return Err(Error::failed(format!("{} is no directory", ui::path(&results)))
                    .hint("take it away, or name another with --out DIR"));
            }
            // Intermediates lie beside the results: which directory that is, a link leaves open.
            Ok(there) if there.is_symlink() && !self.is_named => {
                let shown = ui::path(&self.name);
                return Err(Error::failed(format!("{shown} is a link, and a tree is not written through one"))
                    .hint("name where all of it is to be, the intermediates too: --out result"));
            }
            Ok(_) => {}
        }
        Ok(if holds_authority(&self.names()?) { State::Tree } else { State::Other })
    }

    /// The names in the directory of the results.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        store::Store::open(&self.results()).file_names("")
    }

    /// A file among the results.
    pub(super) fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>> {
        store::read_limited(&self.results().join(name), store::INPUT_LIMIT)
    }

    /// A file of an intermediate.
    pub(super) fn read_beside(&self, name: &str) -> Result<Zeroizing<Vec<u8>>> {
        store::read_limited(&self.beside().join(name), store::INPUT_LIMIT)
    }

    /// Removes what runs that were killed had prepared.
    pub(super) fn sweep(&self) {
        [&self.parent, &self.named].into_iter().for_each(|directory| store::sweep(directory));
    }

    /// Is this very file among the results?
    pub(super) fn has_already(&self, file: &File, modes: Modes) -> bool {
        let wanted = output(file, self.results().join(&file.path), modes);
        let has_mode = store::facts(&wanted.path).is_some_and(|facts| !facts.is_link && facts.mode == wanted.mode);
        has_mode && self.read(&file.path).is_ok_and(|bytes| bytes == wanted.bytes)
    }

    /// Puts files into the directory that is there, in the place of those of their names; with `strip`, of all that this
    /// command ever wrote there. Whatever else lies there stays. Returns their paths.
    ///
    /// # Errors
    /// The disk refuses; then nothing was changed.
    pub(super) fn put(&self, results: &[File], beside: &[File], modes: Modes, strip: bool) -> Result<Vec<PathBuf>> {
        let mut transaction = self.transaction()?;
        if strip {
            self.ours()?.into_iter().try_for_each(|path| transaction.remove(path))?;
        }
        let paths = self.paths(results, beside);
        for (file, path) in results.iter().chain(beside).zip(&paths) {
            transaction.put(output(file, path.clone(), modes))?;
        }
        transaction.commit()?;
        Ok(paths)
    }

    /// A directory that was named may be mounted: nothing but it is touched then.
    fn transaction(&self) -> Result<Transaction<'static>> {
        Transaction::outside(self.ground())
    }

    /// The whole paths of files among the results and of those beside them.
    fn paths(&self, results: &[File], beside: &[File]) -> Vec<PathBuf> {
        let below = |directory: PathBuf, files: &[File]| -> Vec<PathBuf> {
            files.iter().map(|file| directory.join(&file.path)).collect()
        };
        [below(self.results(), results), below(self.beside(), beside)].concat()
    }

    /// Makes the directory with everything in it, in one step in which a tree that is there moves out of the way. What of
    /// it is not ours has its old place again afterwards.
    ///
    /// # Errors
    /// The disk refuses; then nothing was changed.
    pub(super) fn create(&self, results: &[File], beside: &[File], modes: Modes) -> Result<(Vec<PathBuf>, Moved)> {
        let mut transaction = Transaction::outside(&self.parent)?;
        let moved = self.make_room(&mut transaction)?;
        let within = if self.is_named { beside } else { &[] };
        let files = results.iter().chain(within).map(|file| output(file, PathBuf::from(&file.path), modes)).collect();
        transaction.create_directory(&self.name, layout::PUBLIC_DIRECTORY, None, files)?;
        for file in if self.is_named { &[] } else { beside } {
            transaction.put(output(file, PathBuf::from(&file.path), modes))?;
        }
        moved.leave_others(&mut transaction)?;
        transaction.commit()?;
        Ok((self.paths(results, beside), moved))
    }

    /// Moves the tree that is there out of the way.
    ///
    /// # Errors
    /// The disk refuses; then nothing was changed.
    pub(super) fn move_away(&self) -> Result<Moved> {
        let mut transaction = Transaction::outside(&self.parent)?;
        let moved = self.make_room(&mut transaction)?;
        moved.leave_others(&mut transaction)?;
        transaction.commit()?;
        Ok(moved)
    }

    /// The tree goes as the directories it is in, and what is not ours goes along until [`Moved::leave_others`].
    fn make_room(&self, transaction: &mut Transaction<'_>) -> Result<Moved> {
        let previous = self.previous_name();
        let mut moved = Moved::default();
        let mut found = Vec::new();
        if self.state()? != State::Absent {
            let others = Contents::of(&self.results(), Path::new(""))?.others;
            let back = others.into_iter().map(|path| (previous.join(&path), self.name.join(path)));
            moved.back.extend(back);
            found.push((self.name.clone(), previous.clone()));
        }
        for directory in self.intermediates_beside() {
            let contents = self.contents_beside(&directory)?;
            if !contents.ours.is_empty() {
                moved.back.extend(contents.others.into_iter().map(|path| (previous.join(&path), path)));
                found.push((directory.clone(), previous.join(directory)));
            }
        }
        if found.is_empty() {
            return Ok(moved);
        }
        self.refuse_foreign_previous()?;
        moved.dropped = self.previous().exists();
        transaction.remove(&previous)?;
        for (from, to) in found {
            transaction.rename(&from, &to)?;
            moved.paths.push((self.parent.join(from), self.parent.join(to)));
        }
        Ok(moved)
    }

    /// Removes what this command writes, and the directory too if nothing else is in it. Returns what is gone.
    ///
    /// # Errors
    /// The disk refuses; then nothing was changed.
    pub(super) fn strip(&self) -> Result<Vec<PathBuf>> {
        let mut transaction = self.transaction()?;
        let ours = self.ours()?;
        ours.iter().try_for_each(|path| transaction.remove(path))?;
        transaction.commit()?;
        let results = self.results();
        let mut gone: Vec<PathBuf> = ours.iter().map(|path| self.ground().join(path)).collect();
        // One that is mounted cannot go, and need not.
        if self.state()? != State::Absent && self.is_empty()? && !self.is_where_we_are() {
            let mut transaction = Transaction::outside(&self.parent)?;
            if transaction.remove(&self.name).and_then(|()| transaction.commit()).is_ok() {
                gone.retain(|path| !path.starts_with(&results));
                gone.insert(0, results);
            }
        }
        Ok(gone)
    }

    fn is_empty(&self) -> Result<bool> {
        Ok(Contents::of(&self.results(), Path::new(""))? == Contents::default())
    }

    /// Removes the older tree, if there is one.
    ///
    /// # Errors
    /// The disk refuses; then nothing was changed.
    pub(super) fn drop_previous(&self) -> Result<bool> {
        if !self.previous().exists() {
            return Ok(false);
        }
        self.refuse_foreign_previous()?;
        let mut transaction = Transaction::outside(&self.parent)?;
        transaction.remove(self.previous_name())?;
        transaction.commit().map(|()| true)
    }

    /// What this command writes, as far as it is there: among the results and beside them.
    fn ours(&self) -> Result<Vec<PathBuf>> {
        let results = if self.is_named { Path::new("") } else { &self.name };
        let among = match self.state()? {
            State::Absent => Contents::default(),
            _ => Contents::of(&self.results(), Path::new(""))?,
        };
        let mut ours: Vec<PathBuf> = among.ours.iter().map(|path| results.join(path)).collect();
        for directory in self.intermediates_beside() {
            let contents = self.contents_beside(&directory)?;
            ours.extend(if contents.others.is_empty() { vec![directory] } else { contents.ours });
        }
        Ok(ours)
    }

    /// A file or directory with a name that this command gives.
    pub(super) fn taken(&self) -> Result<Option<PathBuf>> {
        Ok(self.ours()?.first().map(|path| self.ground().join(path)))
    }

    /// The directory that is written to.
    fn ground(&self) -> &Path {
        if self.is_named { &self.named } else { &self.parent }
    }

    /// We work in the directory of the results, or below it.
    pub(super) fn is_where_we_are(&self) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        real(&self.cwd).zip(real(&self.named)).is_some_and(|(cwd, results)| cwd.starts_with(results))
    }

    /// The directories of intermediates of whatever profile that lie beside the results. A link is somebody's.
    fn intermediates_beside(&self) -> Vec<PathBuf> {
        let is_directory =
            |name: &String| std::fs::symlink_metadata(self.parent.join(name)).is_ok_and(|metadata| metadata.is_dir());
        let mut found: Vec<PathBuf> = match self.is_named {
            true => Vec::new(),
            false => intermediate_directories().filter(is_directory).map(PathBuf::from).collect(),
        };
        found.sort();
        found.dedup();
        found
    }

    /// With the directory in front.
    fn contents_beside(&self, directory: &Path) -> Result<Contents> {
        let Contents { ours, others } = Contents::of(&self.parent.join(directory), directory)?;
        let below = |paths: Vec<PathBuf>| paths.into_iter().map(|path| directory.join(path)).collect();
        Ok(Contents { ours: below(ours), others: below(others) })
    }

    /// Something of this name that no run of ours left is somebody's.
    pub(super) fn refuse_foreign_previous(&self) -> Result<()> {
        let previous = self.previous();
        let Ok(metadata) = std::fs::symlink_metadata(&previous) else { return Ok(()) };
        let why = match metadata.is_dir() {
            false => "it is no directory".to_owned(),
            true => match Contents::of(&previous, Path::new(""))?.others.first() {
                Some(other) => format!("{} in it is of somebody else", ui::path(other)),
                None => return Ok(()),
            },
        };
        let shown = ui::path(&previous);
        Err(Error::failed(format!("{shown} is in the way: an older tree would go there, and {why}"))
            .hint("move it away"))
    }
}

/// What made room for a new tree.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// An older tree is gone.
    pub(super) dropped: bool,
    /// From where to where.
    pub(super) paths: Vec<(PathBuf, PathBuf)>,
    /// What is not ours: where it came along to, and its old place.
    back: Vec<(PathBuf, PathBuf)>,
}

impl Moved {
    fn leave_others(&self, transaction: &mut Transaction<'_>) -> Result<()> {
        self.back.iter().try_for_each(|(from, to)| transaction.rename(from, to))
    }
}

/// Who may read the keys of pairs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modes {
    /// `--key-mode`
    pub(super) key: u32,
}

fn output(file: &File, path: PathBuf, modes: Modes) -> OutputFile {
    let is_authority = file.path == tls_gen::ROOT_KEY || file.path.ends_with("cakey.pem");
    let bytes = file.bytes.to_vec();
    match file.secret {
        true if is_authority => OutputFile::private(path, bytes),
        true => OutputFile::private(path, bytes).with_mode(modes.key),
        false => OutputFile::public(path, bytes),
    }
}

fn holds_authority(names: &[String]) -> bool {
    names.iter().any(|name| [tls_gen::ROOT_CERTIFICATE, tls_gen::ROOT_KEY].contains(&name.as_str()))
}

fn intermediate_directories() -> impl Iterator<Item = String> {
    Profile::ALL.into_iter().flat_map(|profile| profile.intermediates()).map(|intermediate| intermediate.directory())
}
