//! Command lines with their whole output, as files: `cases/<command>/<case>.toml`. Adding a case is adding files.
//!
//!     about = "what happened once, or what must stay"
//!     before = [["init"]]               # commands that must succeed first
//!     args = ["list"]
//!     at = "2030-01-01T00:00:00Z"       # optional: the clock
//!     stdin = ""                        # optional
//!     code = 0
//!     stdout = """..."""                # optional: compared whole, with serials, dates and directories redacted
//!     stderr = """..."""
//!
//! `<case>.in/` beside it is copied into the world first; each file of `<case>.out/` must be there afterwards, equal to
//! the last byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::support::World;
use crate::support::redact::diff;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    #[serde(default)]
    before: Vec<Vec<String>>,
    args: Vec<String>,
    at: Option<String>,
    #[serde(default)]
    stdin: String,
    #[serde(default)]
    code: i32,
    stdout: Option<String>,
    stderr: Option<String>,
}

#[test]
fn every_case() {
    let mut files = Vec::new();
    list(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"), &mut files);
    files.retain(|f| f.extension().is_some_and(|e| e == "toml") && !f.iter().any(|p| is_data(&p.to_string_lossy())));
    assert!(!files.is_empty(), "there are cases");
    for file in files {
        run(&file);
    }
}

fn is_data(part: &str) -> bool {
    part.ends_with(".in") || part.ends_with(".out")
}

fn run(file: &Path) {
    let text = fs::read_to_string(file).expect("a case is readable");
    let case: Case = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    println!("{}: {}", file.display(), case.about);
    let world = World::new();
    let input = file.with_extension("in");
    if input.is_dir() {
        let done = Command::new("cp").arg("-R").arg(input.join(".")).arg(world.path("")).status();
        assert!(done.is_ok_and(|s| s.success()), "copying {}", input.display());
    }
    for args in &case.before {
        let mut command = world.certgen(args);
        if let Some(time) = &case.at {
            command = command.at(time);
        }
        command.run().success();
    }
    let mut command = world.certgen(&case.args).stdin(&case.stdin);
    if let Some(time) = &case.at {
        command = command.at(time);
    }
    let mut output = command.run().code(case.code);
    if let Some(stdout) = &case.stdout {
        output = output.stdout_is(stdout);
    }
    if let Some(stderr) = &case.stderr {
        output = output.stderr_is(stderr);
    }
    let wanted = file.with_extension("out");
    let mut files = Vec::new();
    list(&wanted, &mut files);
    for file in files {
        let name = file.strip_prefix(&wanted).expect("listed below it");
        let (expected, found) = (fs::read_to_string(&file).expect("readable"), world.read(name));
        assert!(expected == found, "{}\n{}\n{}", file.display(), diff(&expected, &found), output.transcript());
    }
}

fn list(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { list(&path, into) } else { into.push(path) }
    }
    into.sort();
}
