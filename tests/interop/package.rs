//! The Debian package of `cargo deb`: it holds the program and every manual page, and the program in it runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::judge::{Verdict, judge};
use crate::support::world::CERTGEN;
use crate::support::{TempDir, cache};

fn dpkg_deb(words: &[&str], package: &Path) -> Verdict {
    let mut command = Command::new("dpkg-deb");
    command.arg(words[0]).arg(package).args(&words[1..]);
    judge(command, "dpkg-deb")
}

#[test]
#[ignore = "needs cargo-deb and dpkg"]
fn the_debian_package_is_complete() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = TempDir::new();
    let package = here.path().join("certgen.deb");
    // The program that these tests have, as it is.
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let target = Path::new(CERTGEN).parent().and_then(Path::parent).expect("it lies in target/PROFILE/");
    let mut build = Command::new(cache::need("cargo-deb").join("bin/cargo-deb"));
    build.args(["--no-build", "--no-strip", "--no-dbgsym", "--fast", "--profile", profile, "--output"]).arg(&package);
    build.current_dir(home).env("CARGO_TARGET_DIR", target);
    judge(build, "cargo-deb").accepted();

    let contents = dpkg_deb(&["--contents"], &package).accepted().to_owned();
    for page in fs::read_dir(home.join("man")).expect("man/ can be listed").flatten() {
        let name = page.file_name().into_string().expect("a name of ours");
        let section = name.rsplit('.').next().expect("pages end in their section");
        let path = format!("./usr/share/man/man{section}/{name}.gz");
        assert!(contents.contains(&path), "{path} is missing\n{contents}");
    }
    for path in ["-rwxr-xr-x", "./usr/bin/certgen", "./usr/share/doc/certgen/copyright"] {
        assert!(contents.contains(path), "{path} is missing\n{contents}");
    }
    let license = dpkg_deb(&["--info"], &package).accepted().to_owned();
    assert!(license.contains("Depends: libc6 (>= "), "{license}");

    let to = here.path().join("installed");
    dpkg_deb(&["--extract", to.to_str().expect("UTF-8")], &package).accepted();
    let said = judge(Command::new(to.join("usr/bin/certgen")), "certgen");
    assert!(said.text.contains("Usage: certgen"), "{}", said.text);
}
