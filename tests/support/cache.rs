//! Where `tests/run` keeps what takes long to install: the Python environment and the root of Debian 13.

use std::path::{Path, PathBuf};

/// The same rule as in `tests/run`, which also exports the answer.
pub(crate) fn directory() -> PathBuf {
    if let Some(given) = std::env::var_os("CERTGEN_TEST_CACHE") {
        return given.into();
    }
    let system = Path::new("/var/cache/certgen-tests");
    if system.is_dir() {
        return system.to_owned();
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from).join("certgen-tests")
}

/// One thing in the cache; a test that needs it and does not find it fails with the command that brings it.
pub(crate) fn need(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(path.exists(), "{} is missing: `tests/run --install` brings it", path.display());
    path
}
