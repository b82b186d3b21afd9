//! A directory of one test, removed with everything in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Removed when dropped; `CERTGEN_TEST_KEEP=1` leaves it for a look.
#[derive(Debug)]
pub(crate) struct TempDir {
    path: PathBuf,
}

impl TempDir {
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("certgen-test-{}-{number}", std::process::id()));
        // An earlier process of the same number may have been killed before it could clean up.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap_or_else(|e| panic!("creating {}: {e}", path.display()));
        Self { path: path.canonicalize().expect("a directory just made") }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::env::var_os("CERTGEN_TEST_KEEP").is_some() {
            eprintln!("kept: {}", self.path.display());
        } else if fs::remove_dir_all(&self.path).is_err() {
            // A test took write permission from a directory.
            let _ = std::process::Command::new("chmod").arg("-R").arg("u+rwX").arg(&self.path).status();
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
