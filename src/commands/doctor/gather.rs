//! Reads what the doctor looks at.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Question;
use crate::doctor::{Access, Case, Document, Exhibit, Place, unfolded};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::inspect::LARGEST;
use crate::store::{self, FileFacts, INPUT_LIMIT, Sighted};
use crate::ui;

/// So many files are looked at.
const MOST_FILES: usize = 100_000;
/// So much is read of all of them.
const MOST_OCTETS: u64 = 512 << 20;
/// So much of a large file tells whether it is worth reading.
const HEAD: u64 = 4096;

/// A case, and what is missing in it.
pub(super) struct Gathered {
    pub(super) case: Case,
    /// What could not be read.
    pub(super) unreadable: Vec<Error>,
    /// Links that were not followed.
    pub(super) outside: Vec<PathBuf>,
}

pub(super) fn gather(question: &Question, env: &Env) -> Gathered {
    let case = Case {
        exhibits: Vec::new(),
        directories: BTreeMap::new(),
        pkis: Vec::new(),
        together: question.paths.len() > 1 && question.paths.iter().all(|path| env.cwd.join(path).is_file()),
        now: env.now,
        target: question.target,
        account: question.account.clone(),
        passwords: question.passwords.clone(),
    };
    let mut reading =
        Reading { gathered: Gathered { case, unreadable: Vec::new(), outside: Vec::new() }, env, octets: 0 };
    for path in &question.paths {
        if let Err(error) = reading.named(path) {
            reading.gathered.unreadable.push(error);
        }
    }
    let mut gathered = reading.gathered;
    let carried: Vec<Exhibit> = gathered.case.exhibits.iter().flat_map(unfolded).collect();
    gathered.case.exhibits.extend(carried);
    gathered.case.exhibits.sort_by(|a, b| a.path.cmp(&b.path));
    // Named twice, or below another that was named.
    gathered.case.exhibits.dedup_by(|a, b| a.path == b.path);
    gathered
}

struct Reading<'e> {
    gathered: Gathered,
    env: &'e Env,
    octets: u64,
}

impl Reading<'_> {
    fn named(&mut self, path: &Path) -> Result<()> {
        if path == Path::new("-") {
            let bytes = store::read_limited(path, LARGEST as u64)?;
            self.add(path.to_path_buf(), None, bytes.to_vec());
            return Ok(());
        }
        let full = self.env.cwd.join(path);
        self.pkis_above(path, &full);
        if !full.is_dir() {
            return self.read(&full, store::facts(&full).as_ref(), LARGEST as u64);
        }
        let tree = store::tree_below(&full, MOST_FILES)?;
        for (directory, facts) in &tree.directories {
            if let Some(access) = access(facts) {
                self.gathered.case.directories.insert(self.shown(directory), access);
            }
        }
        for file in tree.files.iter().filter(|file| file.path.file_name().is_some_and(|name| name == "inventory.jsonl"))
        {
            let pki = self.shown(file.path.parent().unwrap_or(Path::new("")));
            self.gathered.case.pkis.push(pki);
        }
        self.gathered.unreadable.extend(tree.unreadable);
        let outside: Vec<PathBuf> = tree.outside.iter().map(|link| self.shown(link)).collect();
        self.gathered.outside.extend(outside);
        if tree.is_cut {
            let sentence =
                format!("{} has more than {MOST_FILES} files; the others were not looked at", ui::path(path));
            self.gathered
                .unreadable
                .push(Error::failed(sentence).hint("name the directories with settings and certificates"));
        }
        for file in &tree.files {
            if !self.found(file) {
                break;
            }
        }
        Ok(())
    }

    /// The PKI that a file or a directory of it was named from.
    fn pkis_above(&mut self, path: &Path, full: &Path) {
        for (named, full) in path.ancestors().zip(full.ancestors()).skip(1) {
            if !named.as_os_str().is_empty() && full.join(store::layout::inventory()).is_file() {
                self.gathered.case.pkis.push(self.shown(full));
            }
        }
    }

    /// Reads a file that was found, if it may concern us. False when enough has been read.
    fn found(&mut self, file: &Sighted) -> bool {
        let shown = self.shown(&file.path);
        if self.gathered.case.place(&shown) == Place::Bookkeeping
            || (file.size > INPUT_LIMIT && !is_worth_reading(&file.path))
        {
            return true;
        }
        if self.octets.saturating_add(file.size) > MOST_OCTETS {
            let sentence = format!(
                "{}: more than {} MiB were read; it and what follows was not looked at",
                ui::path(&shown),
                MOST_OCTETS >> 20
            );
            self.gathered
                .unreadable
                .push(Error::failed(sentence).hint("name the directories with settings and certificates"));
            return false;
        }
        if let Err(error) = self.read(&file.path, Some(&file.facts), LARGEST as u64) {
            self.gathered.unreadable.push(error);
        }
        true
    }

    fn read(&mut self, path: &Path, facts: Option<&FileFacts>, limit: u64) -> Result<()> {
        let bytes = store::read_limited(path, limit)?;
        self.octets += bytes.len() as u64;
        self.add(self.shown(path), facts.and_then(access), bytes.to_vec());
        Ok(())
    }

    fn add(&mut self, path: PathBuf, access: Option<Access>, bytes: Vec<u8>) {
        let case = &mut self.gathered.case;
        let document = Document::open(&bytes, &case.passwords);
        case.exhibits.push(Exhibit { path, bytes, access, document });
    }

    fn shown(&self, path: &Path) -> PathBuf {
        self.env.shown(path).to_path_buf()
    }
}

fn access(facts: &FileFacts) -> Option<Access> {
    let owner = facts.owner.as_ref()?;
    Some(Access { mode: facts.mode, uid: owner.user()?, gid: owner.group()? })
}

/// A large file is a revocation list, or definitions, or none of ours: a log, a core dump, a backup.
fn is_worth_reading(path: &Path) -> bool {
    let mut head = Vec::new();
    let Ok(stream) = store::open_stream(path) else { return true };
    if stream.take(HEAD).read_to_end(&mut head).is_err() {
        return true;
    }
    let first = head.trim_ascii_start().first();
    head.first() == Some(&0x30)
        || first == Some(&b'{')
        || head.windows(24).any(|window| window == b"-----BEGIN X509 CRL-----")
}
