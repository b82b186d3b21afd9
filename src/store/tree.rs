//! What lies below a directory that somebody else made, with who may do what with it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use super::files::FileFacts;
use super::{abandoned, platform};

/// Directories of programs and not of settings.
const PASSED_OVER: [&str; 4] = [".git", "node_modules", "site-packages", "__pycache__"];

/// Nor does anybody use what a command that was killed has prepared.
fn is_passed_over(name: &std::ffi::OsStr) -> bool {
    PASSED_OVER.iter().any(|passed| name == *passed) || abandoned::is_staging(name)
}

/// A directory with everything in it.
#[derive(Debug, Default)]
pub struct Tree {
    /// Its regular files, in the order of their paths.
    pub files: Vec<Sighted>,
    /// The directories that were entered.
    pub directories: Vec<(PathBuf, FileFacts)>,
    /// What could not be looked at, and why.
    pub unreadable: Vec<Error>,
    /// Links that lead out of it, which were not followed.
    pub outside: Vec<PathBuf>,
    /// There are more files than were asked for.
    pub is_cut: bool,
}

/// One file.
#[derive(Debug, Clone)]
pub struct Sighted {
    /// Its path, below the one that was asked about.
    pub path: PathBuf,
    /// Mode and owner; of a link, those of the file that it leads to.
    pub facts: FileFacts,
    /// How many octets it has.
    pub size: u64,
}

/// Lists at most `most` regular files below `root`. A link to a file inside stands for that file, under the name of the link: so
/// Kubernetes shows a Secret. A link to a directory is not entered, for what it leads to is either in the tree or none of it.
///
/// # Errors
/// There is no directory at `root`.
pub fn tree_below(root: &Path, most: usize) -> Result<Tree> {
    let failed = |e: std::io::Error| Error::io("reading", root, &e);
    let real = fs::canonicalize(root).map_err(failed)?;
    let mut walk = Walk { tree: Tree::default(), root, real, linked: HashSet::new(), most };
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop().filter(|_| !walk.tree.is_cut) {
        match fs::read_dir(&directory) {
            Ok(entries) => walk.enter(&directory, entries, &mut waiting),
            Err(e) => walk.tree.unreadable.push(Error::io("reading", &directory, &e)),
        }
    }
    Ok(walk.end())
}

struct Walk<'a> {
    tree: Tree,
    root: &'a Path,
    real: PathBuf,
    /// What links stand for, by its real path.
    linked: HashSet<PathBuf>,
    most: usize,
}

impl Walk<'_> {
    fn enter(&mut self, directory: &Path, entries: fs::ReadDir, waiting: &mut Vec<PathBuf>) {
        if let Ok(metadata) = fs::metadata(directory) {
            self.tree.directories.push((directory.to_path_buf(), facts(&metadata, false)));
        }
        let (mut below, mut is_projected, mut is_environment) = (Vec::new(), false, false);
        let before = self.tree.files.len();
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let (path, name) = (entry.path(), entry.file_name());
            is_projected |= name == "..data";
            is_environment |= name == "pyvenv.cfg";
            if metadata.is_symlink() {
                self.link(path);
            } else if metadata.is_dir() && !is_passed_over(&name) {
                below.push(path);
            } else if metadata.is_file() {
                self.file(path, &metadata, false);
            }
            if self.tree.is_cut {
                return;
            }
        }
        if is_environment {
            // Python's libraries, with bundles of their own.
            self.tree.files.truncate(before);
            return;
        }
        // What `..data` leads to is reached through the links beside it.
        let is_shown = |path: &PathBuf| !(is_projected && name_begins_with_two_dots(path));
        waiting.extend(below.into_iter().filter(is_shown));
    }

    fn file(&mut self, path: PathBuf, metadata: &fs::Metadata, is_link: bool) {
        if self.tree.files.len() >= self.most {
            self.tree.is_cut = true;
            return;
        }
        self.tree.files.push(Sighted { path, facts: facts(metadata, is_link), size: metadata.len() });
    }

    fn link(&mut self, path: PathBuf) {
        let target = match fs::canonicalize(&path) {
            Ok(target) => target,
            Err(e) => return self.tree.unreadable.push(Error::io("following the link", &path, &e)),
        };
        if !target.starts_with(&self.real) {
            return self.tree.outside.push(path);
        }
        if let Some(metadata) = fs::metadata(&target).ok().filter(fs::Metadata::is_file) {
            self.file(path, &metadata, true);
            self.linked.insert(target);
        }
    }

    fn end(mut self) -> Tree {
        let (root, real, linked) = (self.root, &self.real, &self.linked);
        let stands_alone = |file: &Sighted| {
            let inside = file.path.strip_prefix(root).unwrap_or(&file.path);
            file.facts.is_link || !linked.contains(&real.join(inside))
        };
        self.tree.files.retain(stands_alone);
        self.tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.tree.outside.sort();
        self.tree
    }
}

fn name_begins_with_two_dots(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."))
}

fn facts(metadata: &fs::Metadata, is_link: bool) -> FileFacts {
    FileFacts { mode: platform::mode(metadata), owner: platform::owner(metadata), is_link }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::testing::TempDir;
    use super::*;

    fn names(tree: &Tree, root: &Path) -> Vec<String> {
        tree.files.iter().map(|file| file.path.strip_prefix(root).unwrap().display().to_string()).collect()
    }

    #[test]
    fn a_secret_as_kubernetes_mounts_it_is_seen_once_under_the_names_that_are_used() {
        let dir = TempDir::new();
        let root = dir.path();
        fs::create_dir(root.join("..2026_11_01")).unwrap();
        fs::write(root.join("..2026_11_01/tls.crt"), "x").unwrap();
        symlink("..2026_11_01", root.join("..data")).unwrap();
        symlink("..data/tls.crt", root.join("tls.crt")).unwrap();
        let tree = tree_below(root, 9).unwrap();
        assert_eq!(names(&tree, root), ["tls.crt"]);
        assert!(tree.unreadable.is_empty() && tree.outside.is_empty() && !tree.is_cut, "{tree:?}");
    }

    #[test]
    fn links_that_lead_out_nowhere_or_in_circles_are_named() {
        let dir = TempDir::new();
        let root = dir.path().join("a");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/f"), "x").unwrap();
        fs::write(dir.path().join("outside"), "x").unwrap();
        symlink("..", root.join("sub/up")).unwrap();
        symlink("../outside", root.join("out")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("nothing", root.join("gone")).unwrap();
        symlink("sub/f", root.join("g")).unwrap();
        let tree = tree_below(&root, 9).unwrap();
        assert_eq!(names(&tree, &root), ["g"], "f is shown under the name of its link");
        assert_eq!(tree.outside, [root.join("out")]);
        assert_eq!(tree.unreadable.len(), 2, "{:?}", tree.unreadable);
    }

    #[test]
    fn pipes_and_the_libraries_of_python_are_passed_over_and_many_files_are_cut() {
        let dir = TempDir::new();
        let root = dir.path();
        fs::create_dir_all(root.join("venv/lib")).unwrap();
        let staged = ".certgen-staging-0123456789abcdef/1.new";
        fs::create_dir(root.join(staged).parent().unwrap()).unwrap();
        for file in ["a", "b", "venv/pyvenv.cfg", "venv/lib/cacert.pem", staged] {
            fs::write(root.join(file), "x").unwrap();
        }
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert_eq!(names(&tree_below(root, 9).unwrap(), root), ["a", "b"]);
        let tree = tree_below(root, 1).unwrap();
        assert!(tree.is_cut && tree.files.len() == 1);
        assert!(tree_below(&root.join("no"), 9).is_err());
    }
}
