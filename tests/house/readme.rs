//! The transcripts of README.md. Each section (`## ...`) has a world of its own, in which its `console` blocks run in
//! order. A block that needs more than certgen and a directory has `<!-- not run: reason -->` in front of it;
//! `<!-- before: commands -->` prepares the world without telling the reader.

use std::fs;
use std::path::Path;

use super::shell::Shell;
use crate::support::World;
use crate::support::redact::{diff, redact};

/// What a transcript may run besides certgen: what reads and moves files, and nothing that varies with the machine.
const ALLOWED: [&str; 8] = ["certgen", "cat", "cd", "cp", "find", "grep", "head", "mkdir"];

/// The host that the README is written on.
const HOST: &str = "rabbit.example.com";

#[test]
fn every_transcript_of_the_readme_is_true() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("there is a README");
    let mut ran = 0;
    let mut wrong = String::new();
    for (title, blocks) in sections(&text) {
        let shell = Shell::new();
        for Block { before, text } in blocks {
            if let Some(line) = before {
                shell.prepare(&format!("({line}) >/dev/null"));
            }
            for (line, expected) in commands(&text) {
                let first = line.split_whitespace().next().unwrap_or_default();
                assert!(
                    ALLOWED.contains(&first),
                    "README, {title}: `{first}` is not run here; put <!-- not run: reason --> before the block"
                );
                let found = shell.run(&line).text;
                ran += 1;
                let (expected, found) = (level(&expected, &shell), level(&found, &shell));
                if expected != found {
                    wrong += &format!("README, {title}\n$ {line}\n{}\n", diff(&expected, &found));
                }
            }
        }
    }
    assert!(ran > 10, "the README has transcripts");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_table_of_consumers_has_every_target() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("it is there");
    let listed = World::new().certgen(["emit", "--list"]).run().success().stdout;
    for target in listed.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "rabbitmq") {
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{target}` |")));
        assert!(row.is_some_and(|row| row.split('|').count() == 5), "{target} has no row: target, files, tested with");
    }
}

#[test]
fn the_contents_have_every_section() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("it is there");
    let mut inside = false;
    let titles = readme.lines().filter(|line| {
        inside ^= line.starts_with("```");
        !inside
    });
    let anchor = |title: &str| {
        let title = title.to_lowercase();
        let kept = title.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    let titles = titles.filter_map(|line| line.strip_prefix("## ")).filter(|title| *title != "Contents");
    let wanted: Vec<String> = titles.map(|title| format!("- [{title}](#{})", anchor(title))).collect();
    let (_, contents) = readme.split_once("\n## Contents\n\n").expect("there are contents");
    let listed: Vec<&str> = contents.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(listed, wanted);
}

/// A block with what prepares it.
struct Block {
    before: Option<String>,
    text: String,
}

/// Every section with its blocks that are to be run.
fn sections(text: &str) -> Vec<(String, Vec<Block>)> {
    let mut sections = vec![("the beginning".to_owned(), Vec::new())];
    let mut before = "";
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            sections.push((title.to_owned(), Vec::new()));
        }
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
            if language == "console" && !before.starts_with("<!-- not run: ") {
                let (_, blocks) = sections.last_mut().expect("there is a first");
                let prepared = before.strip_prefix("<!-- before: ").and_then(|b| b.strip_suffix(" -->"));
                blocks.push(Block { before: prepared.map(str::to_owned), text: block.join("\n") + "\n" });
            }
        }
        if !line.is_empty() {
            before = line;
        }
    }
    sections
}

/// The command lines of a block, each with what it prints.
fn commands(block: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut continues = false;
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), String::new()));
        } else if let Some((command, output)) = commands.last_mut() {
            let into = if continues { command } else { output };
            if continues {
                into.push('\n');
            }
            into.push_str(line);
            if !continues {
                into.push('\n');
            }
        } else {
            panic!("a console block begins with a command: {block}");
        }
        continues = commands.last().is_some_and(|(c, output)| c.ends_with('\\') && output.is_empty());
    }
    commands
}

/// What may differ made equal: serials, dates, the marks of authorities, the machine's name, the width of columns.
fn level(text: &str, shell: &Shell) -> String {
    let directory = shell.directory();
    let text = redact(text, directory.to_str().expect("a UTF-8 path").trim_end_matches('/'));
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut out = String::new();
    for line in text.lines() {
        let mut words: Vec<String> =
            line.split_whitespace().map(|w| mark(&replace_word(w, host.trim(), HOST))).collect();
        for at in 1..words.len() {
            // The moment of a test may lie on either side of a day's end.
            if words[at].trim_matches(|c: char| !c.is_ascii_alphanumeric()) == "days" {
                words[at - 1] = "[N]".to_owned();
            }
        }
        out += words.join(" ").trim_end();
        out.push('\n');
    }
    out
}

/// The mark of an authority is eight hexadecimal digits.
fn mark(word: &str) -> String {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_mark = bare.len() == 8 && bare.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
    if is_mark { word.replace(bare, "[MARK]") } else { word.to_owned() }
}

/// `name` where it stands between characters that no host name has.
fn replace_word(text: &str, name: &str, with: &str) -> String {
    if name.is_empty() {
        return text.to_owned();
    }
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (head, tail) = (&rest[..at], &rest[at + name.len()..]);
        let whole = !head.ends_with(inside) && !tail.starts_with(inside);
        out += head;
        out += if whole { with } else { name };
        rest = tail;
    }
    out + rest
}
