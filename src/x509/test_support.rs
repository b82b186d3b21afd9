//! The `openssl` binary as a judge, in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that is removed with its files.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("certgen-x509-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path(name), bytes).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("openssl").args(arguments).current_dir(&self.0).output().expect("openssl is installed")
    }

    /// Standard output of `openssl LINE`, split at spaces; panics with everything it said if it failed.
    pub(crate) fn openssl(&self, line: &str) -> String {
        self.openssl_args(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn openssl_args(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = text(&output);
        assert!(output.status.success(), "openssl {arguments:?}\n{said}");
        said
    }

    /// What `openssl LINE` says when it must fail.
    pub(crate) fn openssl_fails(&self, line: &str) -> String {
        let output = self.run(&line.split_whitespace().collect::<Vec<_>>());
        let said = text(&output);
        assert!(!output.status.success(), "openssl {line} should have failed\n{said}");
        said
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
