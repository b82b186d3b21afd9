//! `verify --as`: each rule against the program that it speaks for. One catalogue, every program that is here, and no
//! disagreement but those that are named.

pub(crate) mod cases;
pub(crate) mod real;
mod rustls;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use certgen::verify::{PeerName, Purpose, Question, Verifier, opinions};
use certgen::x509::Certificate;
use time::OffsetDateTime;

use crate::support::World;
use crate::support::cache;
use cases::Case;

/// Where a program says otherwise than we, and why we do not follow it: (program, case, reason). `*` is every program.
const DISAGREEMENTS: &[(&str, &str, &str)] = &[(
    "python",
    "wildcard-after-letters",
    "an old Python is answered by openssl, and no Python lets a wildcard be a part",
)];

#[test]
#[ignore = "needs openssl, python3, node, java, go, erl and Debian 13"]
fn verifiers_judge_as_the_programs_do() {
    let world = World::new();
    let cases = cases::all();
    Case::write(&cases, &world.path(""));
    cases::judge(&world.path("judge"));
    let inside = Inside::new();
    if let Some(inside) = &inside {
        Case::write(&cases, &inside.0);
        cases::judge(&inside.0.join("judge"));
    }
    let questions: Vec<_> = cases.iter().map(Case::question).collect();
    let (programs, absent) = real::all(&questions, &world.path(""), inside.as_ref().map(|i| i.0.as_path()));
    for name in &absent {
        println!("skipped: {name} is not here");
    }
    let (mut wrong, mut excused, mut compared) = (String::new(), BTreeSet::new(), 0);
    for case in &cases {
        let ours = ours(case);
        for program in &programs {
            let Some(real) = program.verdicts.get(case.name) else { continue };
            let own = &ours.iter().find(|(verifier, _)| *verifier == program.verifier).expect("it was asked").1;
            compared += 1;
            let same = if program.other_words {
                real.is_none() == own.is_none()
            } else {
                agree(real.as_deref(), own.as_deref())
            };
            if same {
                continue;
            }
            let known = DISAGREEMENTS
                .iter()
                .find(|(who, what, _)| *what == case.name && (*who == "*" || program.title.starts_with(who)));
            match known {
                Some(known) => drop(excused.insert(known)),
                None => {
                    writeln!(wrong, "{}: {}: says {real:?}, we say {own:?}", case.name, program.title).expect("memory")
                }
            }
        }
    }
    println!("{} cases, {} programs, {compared} verdicts compared", cases.len(), programs.len());
    assert!(wrong.is_empty(), "\n{wrong}");
    let stale: Vec<_> = DISAGREEMENTS.iter().filter(|known| !excused.contains(known)).collect();
    assert!(stale.is_empty() || !absent.is_empty(), "no longer true: {stale:#?}");
    assert!(programs.len() > 1, "nobody is here but rustls: `tests/run --install` brings the others");
}

/// What `verify --as all` says.
fn ours(case: &Case) -> Vec<(&'static str, Option<String>)> {
    let read = |pem: &str| Certificate::from_pem(pem.as_bytes()).expect("a certificate of the catalogue");
    let leaf = read(&case.leaf);
    let untrusted: Vec<_> = case.untrusted.iter().map(|pem| read(pem)).collect();
    let anchors: Vec<_> = case.anchors.iter().map(|pem| read(pem)).collect();
    let mut question = Question::new(&leaf, &anchors, OffsetDateTime::now_utc());
    question.untrusted = &untrusted;
    question.purpose = Some(if case.purpose == "server" { Purpose::Server } else { Purpose::Client });
    question.name = Some(PeerName::parse(case.host, Some(Purpose::Server)).expect("a name"));
    let all: Vec<_> = Verifier::all().collect();
    opinions(&question, &all).into_iter().map(|opinion| (opinion.verifier, opinion.text)).collect()
}

/// The same answer, and our text stands in what the program prints. White space, and the moment that is told, may differ.
fn agree(real: Option<&str>, own: Option<&str>) -> bool {
    let bare = |text: &str| {
        let timeless = text.split("current time").next().and_then(|text| text.split("verification time").next());
        let plain = timeless.unwrap_or_default().replace("\\n", "");
        plain.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect::<String>()
    };
    match (real, own) {
        (None, None) => true,
        (Some(real), Some(own)) => bare(real).contains(&bare(own)),
        _ => false,
    }
}

/// A directory that both we and the programs of Debian 13 see.
pub(super) struct Inside(pub(super) PathBuf);

impl Inside {
    pub(super) fn new() -> Option<Self> {
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
