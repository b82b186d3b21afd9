//! Consumers' configuration: the files that the systems around the certificates read.
//!
//! This room turns facts into text and nothing else: no files, no clock, no randomness, so the same facts give the same
//! bytes. Whoever calls it looks the facts up (manifest, inventory) and hands the result to `store`, which decides about
//! modes, owners and files that somebody edited. Every syntax has one small writer that knows its quoting; a value that the
//! syntax cannot carry is refused with the reason, never written and hoped for.

mod diff;
pub mod rabbitmq;
pub mod systemd;

pub use diff::diff;

/// One file to be written.
#[derive(Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Where, relative to the directory of the target, with `/` between the parts.
    pub path: String,
    /// Whether it holds a secret (a password, its hash, or a key password) and so must not be readable by others.
    pub secret: bool,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl OutputFile {
    fn open(path: &str, text: String) -> Self {
        Self { path: path.to_owned(), secret: false, bytes: text.into_bytes() }
    }

    fn secret_if(path: &str, secret: bool, text: String) -> Self {
        Self { path: path.to_owned(), secret, bytes: text.into_bytes() }
    }
}

impl std::fmt::Debug for OutputFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, secret, bytes } = self;
        let shown =
            if *secret { format!("{} secret bytes", bytes.len()) } else { String::from_utf8_lossy(bytes).into_owned() };
        f.debug_struct("OutputFile").field("path", path).field("bytes", &shown).finish()
    }
}
