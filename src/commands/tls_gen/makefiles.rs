//! `--makefile DIR`: tls-gen's directories, each with a Makefile that calls this command.

use std::path::Path;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::store::{self, OutputFile, Transaction};
use crate::tls_gen::{Profile, makefile};
use crate::ui;

/// Writes four Makefiles; one that says the same stays as it is. Returns those that were written.
///
/// # Errors
/// There is another Makefile, and no `force`.
pub(super) fn write(directory: &Path, force: bool, env: &Env) -> Result<Vec<std::path::PathBuf>> {
    let mut transaction = Transaction::outside(directory)?;
    let mut written = Vec::new();
    for profile in Profile::ALL {
        let relative = Path::new(profile.as_str()).join("Makefile");
        let (path, text) = (directory.join(&relative), makefile(profile));
        if path.symlink_metadata().is_ok() {
            if *store::read_limited(&path, store::INPUT_LIMIT)? == text.as_bytes() {
                continue;
            }
            if !force {
                let shown = ui::path(env.shown(&path));
                return Err(Error::failed(format!("{shown} exists and is another Makefile"))
                    .hint("name another directory, or write over it with --force"));
            }
        }
        transaction.put(OutputFile::public(relative, text.into_bytes()))?;
        written.push(path);
    }
    transaction.commit()?;
    Ok(written)
}
