//! Lines for a file that belongs to somebody else and that others write to as well.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Error, Result};

use super::platform;

/// Adds whole lines to the end of a file that the user named; one that does not exist is made. A last line that has no end
/// yet gets one. Without any lines it only tells whether they could be added.
///
/// # Errors
/// It is no regular file, or the disk refuses.
pub fn append_lines(path: &Path, lines: &str) -> Result<()> {
    let failed = |e: io::Error| Error::io("writing", path, &e);
    let mut file = platform::open_to_append(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(Error::failed(format!("writing {}: it is not a regular file", crate::ui::path(path))));
    }
    if lines.is_empty() {
        return Ok(());
    }
    let mut last = [b'\n'];
    if facts.len() > 0 {
        file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(failed)?;
    }
    let end = if last == *b"\n" { "" } else { "\n" };
    // One call: what others append comes before it or after it.
    file.write_all(format!("{end}{lines}").as_bytes()).map_err(failed)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::super::testing::TempDir;
    use super::*;

    #[test]
    fn lines_come_to_the_end_and_what_was_there_stays() {
        let dir = TempDir::new();
        let path = dir.path().join("env");
        append_lines(&path, "A=1\n").unwrap();
        append_lines(&path, "B=2\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "A=1\nB=2\n");
        fs::write(&path, "open").unwrap();
        append_lines(&path, "C=3\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "open\nC=3\n");
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        for wrong in [pipe.as_path(), dir.path(), Path::new("/dev/null")] {
            assert!(append_lines(wrong, "A=1\n").is_err(), "{}", wrong.display());
        }
    }
}
