//! Identities as a tar file: one directory each, in the order in which they were issued.

use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::apply::change::NewDirectory;
use crate::error::{Error, Result};

/// The archive. Owners are written as numbers, so that it unpacks the same everywhere.
pub(crate) fn tar(directories: &[NewDirectory], now: OffsetDateTime) -> Result<Zeroizing<Vec<u8>>> {
    let mut builder = tar::Builder::new(Vec::new());
    let failed = |e: std::io::Error| Error::failed(format!("writing the archive: {e}"));
    for directory in directories {
        let owner = directory.owner.as_ref();
        let mut header = header(directory.mode, owner, now);
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        builder.append_data(&mut header, &directory.path, std::io::empty()).map_err(failed)?;
        for file in &directory.files {
            let mut header = self::header(file.mode, file.owner.as_ref().or(owner), now);
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(file.bytes.len() as u64);
            builder.append_data(&mut header, directory.path.join(&file.path), file.bytes.as_slice()).map_err(failed)?;
        }
    }
    builder.into_inner().map(Zeroizing::new).map_err(failed)
}

fn header(mode: u32, owner: Option<&crate::store::Owner>, now: OffsetDateTime) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(u64::from(owner.and_then(crate::store::Owner::user).unwrap_or(0)));
    header.set_gid(u64::from(owner.and_then(crate::store::Owner::group).unwrap_or(0)));
    header.set_mtime(u64::try_from(now.unix_timestamp()).unwrap_or(0));
    header
}
