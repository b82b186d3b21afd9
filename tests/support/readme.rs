//! The files and changes that README.md shows. Such a block begins with a comment that names it, and is tested as it stands
//! there.

use std::fs;
use std::path::Path;

/// The block whose first line is a comment with this name: a file.
#[track_caller]
pub(crate) fn file(name: &str) -> String {
    block(name, |line| line.trim_start_matches(['#', '/']).trim())
}

/// The block of this name that shows a change of one line: what it looks like afterwards.
#[track_caller]
pub(crate) fn change(name: &str) -> String {
    let diff = block(name, |line| line.trim_start_matches(" #").trim());
    let lines = |sign: char| diff.lines().filter(move |line| line.starts_with(sign)).map(|line| &line[1..]);
    assert_eq!((lines('-').count(), lines('+').count()), (1, 1), "one line goes, and one comes:\n{diff}");
    diff.lines().filter(|line| !line.starts_with('-')).map(|line| line[1..].to_owned() + "\n").collect()
}

#[track_caller]
fn block(name: &str, title: impl Fn(&str) -> &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(readme).expect("there is a README");
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line.starts_with("```")) {
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if block.first().is_some_and(|first| title(first) == name) {
            return block.join("\n") + "\n";
        }
    }
    panic!("README.md has no block {name}")
}
