//! `verify --as`: each rule against the program that it speaks for.

mod cases;
mod real;

use std::fs;
use std::path::PathBuf;

use crate::support::World;
use crate::support::cache;
use cases::Case;

#[test]
#[ignore = "needs the verifiers"]
fn matrix() {
    let world = World::new();
    let cases = cases::all();
    Case::write(&cases, &world.path(""));
    cases::judge(&world.path("judge"));
    let inside = Inside::new();
    if let Some(inside) = &inside {
        Case::write(&cases, &inside.0);
        cases::judge(&inside.0.join("judge"));
    }
    let (programs, absent) = real::all(&cases, &world.path(""), inside.as_ref().map(|i| i.0.as_path()));
    println!("absent: {absent:?}");
    for case in &cases {
        println!("== {} ({} {})", case.name, case.purpose, case.host);
        for program in &programs {
            println!("   {:28} {:?}", program.title, program.verdicts.get(case.name));
        }
    }
}

/// A directory that both we and the programs of Debian 13 see.
struct Inside(PathBuf);

impl Inside {
    fn new() -> Option<Self> {
        let root = cache::directory().join("trixie/tmp");
        let path = root.join(format!("certgen-verifiers-{}", std::process::id()));
        fs::create_dir(&path).ok().map(|()| Self(path))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
