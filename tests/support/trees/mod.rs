//! Trees that others made, made by openssl as those others do.

use std::path::Path;
use std::process::Command;

use super::World;

/// An authority of `openssl ca` in the directory `at`.
#[track_caller]
pub(crate) fn openssl_ca(world: &World, at: &str) {
    make(world, include_str!("openssl_ca.sh"), &[at]);
}

/// The result of tls-gen's basic profile below `at`.
#[track_caller]
pub(crate) fn tls_gen(world: &World, at: &str, name: &str) {
    make(world, include_str!("tls_gen.sh"), &[at, name]);
}

/// Certificates of version 1 in `at`; of their authority the key is kept (`keep`) or not (`lose`), or it is of version 1
/// itself (`old`).
#[track_caller]
pub(crate) fn version_one(world: &World, at: &str, authority: &str) {
    make(world, include_str!("version_one.sh"), &[at, authority]);
}

/// Runs a script with these arguments in the directory of the world.
#[track_caller]
pub(crate) fn make(world: &World, script: &str, args: &[&str]) {
    let done = Command::new("sh")
        .args(["-eu", "-c", script, "sh"])
        .args(args)
        .current_dir(world.path(""))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap_or_else(|e| panic!("starting sh: {e}"));
    let text = || String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "making {args:?}: {}", text());
}

/// The files below a directory with their contents and times: what must stay as it is.
pub(crate) fn fingerprint(directory: &Path) -> Vec<(std::path::PathBuf, std::time::SystemTime, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(&at).expect("ours").flatten() {
            let path = entry.path();
            let time = entry.metadata().and_then(|facts| facts.modified()).expect("ours");
            if path.is_dir() {
                found.push((path.clone(), time, Vec::new()));
                waiting.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("ours");
                found.push((path, time, bytes));
            }
        }
    }
    found.sort();
    found
}
