//! Every target's files byte for byte, in `tests/golden/emit/TARGET.txt`: one text with what each sample of facts gives, a
//! refusal with its hints included. `CERTGEN_UPDATE=1` writes the texts anew; look at what git shows before keeping them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Facts, Settings, TARGETS, Target, sample};
use crate::manifest::Consumer;

/// What is shown of every target: a name, facts, and whether keys are asked for.
struct Case(&'static str, fn() -> Facts, bool);

const CASES: &[Case] = &[
    Case("a node with clients", sample::facts, false),
    Case("a cluster on Kubernetes", sample::kubernetes, true),
    Case("hostile names", sample::hostile, false),
    Case("nothing but an authority", sample::bare, false),
];

/// What cannot be told from facts, of targets that cannot do without.
const SET: &[(&str, &[&str])] = &[
    ("rabbitmq-edge", &["certificate=/etc/rabbitmq/public/fullchain.pem", "key=/etc/rabbitmq/public/privkey.pem"]),
    ("shovel", &["queue=orders"]),
    ("ingress", &["ui_host=ui.example.com"]),
];

/// Settings that make a target write other files; they are shown of the cluster on Kubernetes.
const VARIANTS: &[(&str, &str)] = &[
    ("kubernetes", "mode=statefulset"),
    ("cert-manager", "issuer=vault vault=https://vault.example.com:8200"),
    ("haproxy", "amqp=reencrypt"),
    ("nginx", "amqp=reencrypt"),
];

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/emit").join(name)
}

#[test]
fn every_target_writes_what_it_wrote() {
    let mut wrong = String::new();
    for target in TARGETS {
        let found = written(target);
        let file = kept(&format!("{}.txt", target.name));
        if std::env::var_os("CERTGEN_UPDATE").is_some() {
            fs::create_dir_all(kept("")).expect("tests/golden is writable");
            fs::write(&file, &found).expect("tests/golden is writable");
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if expected != found {
            let diff = similar::TextDiff::from_lines(&expected, &found);
            let _ = write!(wrong, "{}\n{}", target.name, diff.unified_diff().header("kept", "written"));
        }
    }
    assert!(wrong.is_empty(), "CERTGEN_UPDATE=1 keeps what is written now\n{wrong}");
}

#[test]
fn every_text_has_its_target() {
    for file in fs::read_dir(kept("")).expect("it can be listed").flatten() {
        let name = file.path().file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(TARGETS.iter().any(|target| target.name == name), "{name} is no target");
    }
}

#[test]
fn every_file_with_comments_says_what_made_it() {
    for target in TARGETS {
        for file in target.emit(&sample::facts(), &Settings::default()).unwrap_or_default() {
            let text = String::from_utf8(file.bytes).expect("text");
            let head: String = text.lines().take(4).collect();
            let has_comments = !file.path.ends_with(".json");
            assert!(!has_comments || head.contains("certgen"), "{} of {}\n{head}", file.path, target.name);
            assert!(text.ends_with('\n') && !text.contains('\r'), "{} of {}", file.path, target.name);
        }
    }
}

fn written(target: &Target) -> String {
    let mut text = String::new();
    let plain = CASES.iter().map(|case| (case, None));
    let variants = VARIANTS.iter().filter(|(name, _)| *name == target.name).map(|(_, set)| (&CASES[1], Some(*set)));
    for (Case(case, facts, with_keys), set) in plain.chain(variants) {
        let mut consumer = Consumer { target: target.name.to_owned(), ..Consumer::default() };
        consumer.with_keys = target.holds == super::Holds::Keys && *with_keys;
        for set in SET.iter().filter(|(name, _)| *name == target.name).flat_map(|(_, set)| *set) {
            consumer.settings.push(Consumer::setting(set).expect("a key and a value"));
        }
        let words = set.unwrap_or_default().split_whitespace().filter_map(|word| word.split_once('='));
        consumer.settings.extend(words.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let _ = writeln!(text, "######## {case}{}", set.map(|set| format!(", --set {set}")).unwrap_or_default());
        let facts = facts();
        let facts = facts.narrowed(&consumer).expect("nothing is narrowed");
        match target.check(&consumer).and_then(|settings| {
            let files = target.emit(&facts, &settings)?;
            Ok((files, (target.next)(&facts, &settings)))
        }) {
            Ok((files, next)) => {
                for file in files {
                    let secret = if file.secret { " (secret)" } else { "" };
                    let _ = writeln!(text, "======== {}{secret}", file.path);
                    text.push_str(&String::from_utf8(file.bytes).expect("a file is text"));
                }
                next.iter().for_each(|line| text += &format!("-------- {line}\n"));
            }
            Err(e) => {
                let _ = writeln!(text, "refused: {}", e.message());
                e.hints().iter().for_each(|hint| text += &format!("hint: {hint}\n"));
            }
        }
    }
    text
}
