//! Private temporary files without a name, for what must be read twice or written in another order.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Error, Result, io_reason};

use super::{files, platform, random_hex};

/// A temporary file that nobody else can open. It is gone when it is dropped, and when the process is killed.
#[derive(Debug)]
pub struct Spool(io::BufWriter<File>);

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// The directory for temporary files cannot be written.
    pub fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("certgen-{}", random_hex()?));
        let failed = |e: io::Error| Error::io("writing", &path, &e);
        drop(platform::create_new(&path).map_err(failed)?);
        let file = platform::open_own(&path, true).map_err(failed)?;
        fs::remove_file(&path).map_err(failed)?;
        Ok(Self(io::BufWriter::with_capacity(1 << 16, file)))
    }

    /// What was written, from its beginning.
    ///
    /// # Errors
    /// It cannot be written to its end.
    pub fn into_reader(self) -> Result<File> {
        let read = || -> io::Result<File> {
            let mut file = self.0.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.seek(SeekFrom::Start(0))?;
            Ok(file)
        };
        read().map_err(|e| Error::failed(format!("writing a temporary file: {}", io_reason(&e))))
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Opens a file that the user named, to be read more than once; `-` is standard input, which is copied to a temporary
/// file first. Directories, pipes and devices are refused.
///
/// # Errors
/// It cannot be read, or not be copied.
pub fn open_twice(path: &Path) -> Result<File> {
    if path != Path::new("-") {
        return files::open_input_file(path);
    }
    let mut spool = Spool::new()?;
    let mut input = io::stdin().lock();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => return spool.into_reader(),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Error::failed(format!("reading standard input: {}", io_reason(&e)))),
        };
        spool
            .write_all(&buffer[..read])
            .map_err(|e| Error::failed(format!("copying standard input to a temporary file: {}", io_reason(&e))))?;
    }
}
