//! The files that README.md shows. Such a block begins with a comment that names its file, and is tested as it stands there.

use std::fs;
use std::path::Path;

/// The block whose first line is a comment with this name.
#[track_caller]
pub(crate) fn file(name: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(readme).expect("there is a README");
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line.starts_with("```")) {
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let first = block.first().unwrap_or(&"").trim_start_matches(['#', '/']).trim();
        if first == name {
            return block.join("\n") + "\n";
        }
    }
    panic!("README.md shows no file {name}")
}
