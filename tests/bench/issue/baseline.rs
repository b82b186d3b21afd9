//! What the table compares the program with, as processes of their own: the crypto library's work for so many
//! certificates, and plain writes of the files that certgen wrote.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use certgen::x509::KeyType;

use crate::raw::{Keep, Raw};

/// `raw KEY-TYPE COUNT` or `plain FROM TO`: prints the seconds that it took.
pub(crate) fn run(arguments: &[&str]) {
    let seconds = match arguments {
        ["raw", key_type, count] => raw(key_type.parse().unwrap(), count.parse().unwrap()),
        ["plain", from, to] => plain(Path::new(from), Path::new(to)),
        _ => panic!("{arguments:?}: write raw KEY-TYPE COUNT or plain FROM TO"),
    };
    println!("{seconds:.6}");
}

/// So many keys, each with a signature over as many bytes as a client's certificate has, on all cores.
fn raw(key_type: KeyType, count: usize) -> f64 {
    let raw = Raw::new(key_type, if key_type.is_rsa() { 620 } else { 400 });
    on_all_cores(count, |_| raw.one(Keep::Nothing))
}

/// The directories and files below `from`, written anew below `to` with nothing waited for.
fn plain(from: &Path, to: &Path) -> f64 {
    let directories: Vec<Directory> = fs::read_dir(from).unwrap().map(|entry| read(&entry.unwrap().path())).collect();
    fs::create_dir_all(to).unwrap();
    on_all_cores(directories.len(), |number| {
        let (name, files) = &directories[number];
        let directory = to.join(name);
        fs::create_dir(&directory).unwrap();
        for (name, bytes) in files {
            fs::File::create_new(directory.join(name)).unwrap().write_all(bytes).unwrap();
        }
    })
}

/// A name, and what is inside.
type Directory = (PathBuf, Vec<(PathBuf, Vec<u8>)>);

fn read(directory: &Path) -> Directory {
    let name = |path: &Path| PathBuf::from(path.file_name().unwrap());
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    (name(directory), files.map(|path| (name(&path), fs::read(&path).unwrap())).collect())
}

/// Seconds for `count` pieces of work, each done by whichever thread is free.
fn on_all_cores(count: usize, work: impl Fn(usize) + Sync) -> f64 {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    work(number);
                }
            });
        }
    });
    start.elapsed().as_secs_f64()
}
