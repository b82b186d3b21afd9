//! A test file that nobody declared with `mod` compiles nothing and proves nothing: find it.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_file_below_tests_is_part_of_this_binary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut forgotten = Vec::new();
    visit(&root, &root.join("main.rs"), &mut forgotten);
    assert!(forgotten.is_empty(), "no `mod` line names these files, so their tests never run: {forgotten:#?}");
}

/// `owner` is the file whose `mod` lines must name everything in `directory`.
fn visit(directory: &Path, owner: &Path, forgotten: &mut Vec<PathBuf>) {
    let declared = fs::read_to_string(owner).unwrap_or_default();
    let is_declared = |name: &str| {
        declared.lines().any(|line| {
            let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            line == format!("mod {name};")
        })
    };
    for entry in fs::read_dir(directory).expect("tests/ can be listed").flatten() {
        let path = entry.path();
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        if path.join("Cargo.toml").exists() {
            continue; // a crate of its own, which its test compiles
        }
        if path.is_dir() {
            // A benchmark of several files has a main.rs, which Cargo.toml names.
            let [own, main] = ["mod.rs", "main.rs"].map(|name| path.join(name));
            if own.exists() && !is_declared(&stem) {
                forgotten.push(own.clone());
            }
            visit(&path, if main.exists() { &main } else { &own }, forgotten);
        } else if path.extension().is_some_and(|e| e == "rs") && path != owner && !is_declared(&stem) {
            // A benchmark is a target of its own, named in Cargo.toml.
            let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
            let relative = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("below the package");
            if !manifest.unwrap_or_default().contains(&format!("path = \"{}\"", relative.display())) {
                forgotten.push(path);
            }
        }
    }
}
