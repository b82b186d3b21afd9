//! Where a tree is, what lies there, and how an older one makes room.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::store::{self, OutputFile, Transaction, layout};
use crate::tls_gen::{self, File, Profile};
use crate::ui;

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
        match (results.parent(), results.file_name()) {
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
    /// A file is in the place of the directory, or it cannot be read.
    pub(super) fn state(&self) -> Result<State> {
        let results = self.results();
        match std::fs::symlink_metadata(&results) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(State::Absent),
            Err(e) => return Err(Error::io("reading", &results, &e)),
            Ok(_) if !results.is_dir() => {
                return Err(Error::failed(format!("{} is no directory", ui::path(&results)))
                    .hint("take it away, or name another with --out DIR"));
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
        Transaction::outside(if self.is_named { &self.named } else { &self.parent })
    }

    /// The whole paths of files among the results and of those beside them.
    fn paths(&self, results: &[File], beside: &[File]) -> Vec<PathBuf> {
        let below = |directory: PathBuf, files: &[File]| -> Vec<PathBuf> {
            files.iter().map(|file| directory.join(&file.path)).collect()
        };
        [below(self.results(), results), below(self.beside(), beside)].concat()
    }

    /// Makes the directory with everything in it, in one step in which a tree that is there moves out of the way.
    ///
    /// # Errors
    /// The disk refuses; then nothing was changed.
    pub(super) fn create(&self, results: &[File], beside: &[File], modes: Modes) -> Result<Vec<PathBuf>> {
        let mut transaction = Transaction::outside(&self.parent)?;
        self.make_room(&mut transaction)?;
        let within = if self.is_named { beside } else { &[] };
        let files = results.iter().chain(within).map(|file| output(file, PathBuf::from(&file.path), modes)).collect();
        transaction.create_directory(&self.name, layout::PUBLIC_DIRECTORY, None, files)?;
        for file in if self.is_named { &[] } else { beside } {
            transaction.put(output(file, PathBuf::from(&file.path), modes))?;
        }
        transaction.commit()?;
        Ok(self.paths(results, beside))
    }

    /// Moves the tree that is there out of the way.
    ///
    /// # Errors
    /// The disk refuses; then nothing was changed.
    pub(super) fn move_away(&self) -> Result<()> {
        let mut transaction = Transaction::outside(&self.parent)?;
        self.make_room(&mut transaction)?;
        transaction.commit()
    }

    fn make_room(&self, transaction: &mut Transaction<'_>) -> Result<()> {
        let previous = self.previous_name();
        let beside = self.ours_beside();
        let is_there = self.state()? != State::Absent;
        if !is_there && beside.is_empty() {
            return Ok(());
        }
        self.refuse_foreign_previous()?;
        transaction.remove(&previous)?;
        if is_there {
            transaction.rename(&self.name, &previous)?;
        }
        beside.into_iter().try_for_each(|directory| transaction.rename(&directory, previous.join(&directory)))
    }

    /// Removes what this command writes, and the directory too if nothing else is in it.
    ///
    /// # Errors
    /// The disk refuses; then nothing was changed.
    pub(super) fn strip(&self) -> Result<()> {
        let mut transaction = self.transaction()?;
        self.ours()?.into_iter().try_for_each(|path| transaction.remove(path))?;
        transaction.commit()?;
        // One that is mounted cannot go, and need not.
        if self.state()? != State::Absent && self.names()?.is_empty() && !self.is_where_we_are() {
            let mut transaction = Transaction::outside(&self.parent)?;
            let _ = transaction.remove(&self.name).and_then(|()| transaction.commit());
        }
        Ok(())
    }

    /// Removes the older tree.
    ///
    /// # Errors
    /// The disk refuses; then nothing was changed.
    pub(super) fn drop_previous(&self) -> Result<()> {
        if !self.previous().exists() {
            return Ok(());
        }
        self.refuse_foreign_previous()?;
        let mut transaction = Transaction::outside(&self.parent)?;
        transaction.remove(self.previous_name())?;
        transaction.commit()
    }

    /// What this command writes, as far as it is there: among the results and beside them.
    fn ours(&self) -> Result<Vec<PathBuf>> {
        let is_ours = |name: &String| {
            let is_intermediate = self.is_named && intermediate_directories().any(|directory| directory == *name);
            is_intermediate || Profile::ALL.into_iter().any(|profile| tls_gen::is_result(profile, name))
        };
        let results = if self.is_named { PathBuf::new() } else { self.name.clone() };
        let names = if self.state()? == State::Absent { Vec::new() } else { self.names()? };
        let among = names.into_iter().filter(is_ours).map(|name| results.join(name));
        Ok(among.chain(self.ours_beside()).collect())
    }

    /// A file or directory with a name that this command gives.
    pub(super) fn taken(&self) -> Result<Option<PathBuf>> {
        let ground = if self.is_named { &self.named } else { &self.parent };
        Ok(self.ours()?.first().map(|path| ground.join(path)))
    }

    /// We work in the directory of the results, or below it.
    pub(super) fn is_where_we_are(&self) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        real(&self.cwd).zip(real(&self.named)).is_some_and(|(cwd, results)| cwd.starts_with(results))
    }

    /// The directories of intermediates of whatever profile that lie beside the results.
    fn ours_beside(&self) -> Vec<PathBuf> {
        let here = |directory: &String| self.parent.join(directory).is_dir();
        let mut found: Vec<PathBuf> = match self.is_named {
            true => Vec::new(),
            false => intermediate_directories().filter(here).map(PathBuf::from).collect(),
        };
        found.sort();
        found.dedup();
        found
    }

    /// Something of this name that no run of ours left is somebody's.
    pub(super) fn refuse_foreign_previous(&self) -> Result<()> {
        let previous = self.previous();
        if std::fs::symlink_metadata(&previous).is_err() {
            return Ok(());
        }
        let names = store::Store::open(&previous).file_names("").unwrap_or_default();
        if previous.is_symlink() || !(names.is_empty() || holds_authority(&names)) {
            return Err(Error::failed(format!(
                "{} is in the way: an older tree would go there, and it is none",
                ui::path(&previous)
            ))
            .hint("move it away"));
        }
        Ok(())
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
