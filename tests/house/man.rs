//! The pages in `man/` are those that the program writes, the same on every machine, and a formatter has no complaint.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::World;
use crate::support::redact::diff;

fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man")
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("the pages can be listed")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_pages_in_man_are_what_the_program_writes() {
    let world = World::new();
    world.certgen(["man", "pages"]).run().success();
    let written = world.path("pages");
    if std::env::var_os("CERTGEN_UPDATE").is_some() {
        for name in names(&written) {
            fs::copy(written.join(&name), directory().join(&name)).expect("man/ is writable");
        }
    }
    assert_eq!(names(&directory()), names(&written), "CERTGEN_UPDATE=1 writes them");
    for name in names(&written) {
        let read = |dir: &Path| fs::read_to_string(dir.join(&name)).expect("a page is text");
        let (kept, made) = (read(&directory()), read(&written));
        assert!(kept == made, "man/{name} is out of date, CERTGEN_UPDATE=1 writes it\n{}", diff(&kept, &made));
    }
}

#[test]
fn the_pages_do_not_depend_on_the_machine() {
    let world = World::new();
    world.certgen(["man", "wide"]).env("COLUMNS", "300").env("CERTGEN_PKI", "/elsewhere").run().success();
    world
        .certgen(["man", "narrow"])
        .env("COLUMNS", "30")
        .env("TERM", "xterm-256color")
        .at("2031-01-01")
        .run()
        .success();
    for name in names(&world.path("wide")) {
        assert_eq!(world.read(format!("wide/{name}")), world.read(format!("narrow/{name}")), "{name}");
    }
}

#[test]
fn a_formatter_has_no_complaint() {
    for name in names(&directory()) {
        let page = directory().join(&name);
        let macros = if name.ends_with(".5") { "-mdoc" } else { "-man" };
        let Ok(done) = Command::new("groff").args([macros, "-Tutf8", "-ww", "-z"]).arg(&page).output() else {
            eprintln!("skipped: groff is not here");
            return;
        };
        let complaints = String::from_utf8_lossy(&done.stderr);
        if complaints.contains("can't find macro file")
            || complaints.contains("can't open macro file")
            || complaints.contains("cannot open macro")
        {
            eprintln!("skipped: groff is here without its macros");
            return;
        }
        // groff's own word for a blank that it cannot stretch; no reader sees it.
        let complaints: Vec<&str> = complaints.lines().filter(|l| !l.contains("cannot adjust line")).collect();
        assert!(complaints.is_empty(), "{name}:\n{}", complaints.join("\n"));
    }
}
