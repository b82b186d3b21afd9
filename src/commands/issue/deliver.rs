//! Where issued directories go: into the PKI, into another directory, or into a tar file.

use std::path::{Path, PathBuf};

use crate::apply::{Change, Destination, Done};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::Entry;
use crate::store::{self, Locked};
use crate::ui;

/// Where the directories of one command go.
pub(super) enum Delivery {
    /// Their places in the PKI.
    Pki,
    /// Directories below this one.
    Out(PathBuf),
    /// A tar file that must not exist.
    Archive(PathBuf),
}

impl Delivery {
    pub(super) fn new(out: Option<&Path>, archive: Option<&Path>, env: &Env) -> Result<Self> {
        if let Some(out) = out {
            return Ok(Self::Out(env.cwd.join(out)));
        }
        let Some(archive) = archive else { return Ok(Self::Pki) };
        let file = env.cwd.join(archive);
        if file.symlink_metadata().is_ok() {
            return Err(Error::failed(format!("--archive {}: the file exists already", ui::path(archive)))
                .hint("name another file, or move this one away"));
        }
        Ok(Self::Archive(file))
    }

    /// Where the files of `entry` go.
    pub(super) fn destination(&self, entry: &Entry) -> Result<Destination> {
        let name = store::directory_name(&entry.name)?;
        Ok(match self {
            Self::Pki => Destination::Pki,
            Self::Out(dir) => {
                let dir = dir.join(name);
                if dir.symlink_metadata().is_ok() {
                    return Err(Error::failed(format!("{} exists already", ui::path(&dir)))
                        .hint("name another directory with --out, or move this one away"));
                }
                Destination::Directory(dir)
            }
            Self::Archive(_) => Destination::Archive(PathBuf::from(name)),
        })
    }

    /// Commits the change; an archive is complete on disk before the inventory knows its certificates.
    pub(super) fn commit(self, change: Change<'_>, locked: &mut Locked) -> Result<Done> {
        match self {
            Self::Pki | Self::Out(_) => change.commit(locked),
            Self::Archive(file) => change.commit_with_archive(locked, &file),
        }
    }
}
