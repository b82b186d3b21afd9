//! The public path validation vectors of C2SP/x509-limbo, through the program as a harness runs it, and through
//! `openssl verify -x509_strict` in the same run. They are read where they lie: `CERTGEN_FACTS` names the directory that
//! holds `x509-limbo/*.json`; without it the test says that it skips.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::World;
use crate::support::world::CERTGEN;

/// Cases that we judge otherwise than the suite, each with the reason. A stale entry fails the test.
const DIVERGENCES: &[(&str, &str)] = &[
    ("pathlen::validation-ignores-pathlen-in-leaf", "an authority is no end entity here: RabbitMQ never shows one"),
    ("rfc5280::ca-as-leaf", "an authority is no end entity here: RabbitMQ never shows one"),
];

/// A harness would call longer than this a hang.
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
#[ignore = "needs CERTGEN_FACTS and openssl"]
fn the_limbo_vectors_are_judged_better_than_by_openssl() {
    let Some(files) = files() else {
        println!("skipped: CERTGEN_FACTS does not name a directory with x509-limbo/*.json");
        return;
    };
    let world = World::new();
    let (mut wrong, mut total, mut openssl_right) = (BTreeMap::new(), 0, 0);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("the vectors can be read");
        let suite: Value = serde_json::from_str(&text).expect("the vectors are JSON");
        for case in suite["testcases"].as_array().expect("a list of cases") {
            let id = case["id"].as_str().expect("an id");
            let (given, good) = (Given::write(case, &world), case["expected_result"] == "SUCCESS");
            let (ours, said) = given.ask_certgen(id);
            total += 1;
            openssl_right += usize::from(given.ask_openssl() == good);
            if ours != good {
                wrong.insert(id.to_owned(), said);
            }
        }
    }
    let right = total - wrong.len();
    println!("{total} cases: certgen verify judges {right} right, openssl verify -x509_strict {openssl_right}");
    let known: BTreeMap<&str, &str> = DIVERGENCES.iter().copied().collect();
    let new: Vec<_> = wrong.iter().filter(|(id, _)| !known.contains_key(id.as_str())).collect();
    let stale: Vec<_> = known.keys().filter(|id| !wrong.contains_key(**id)).collect();
    assert!(new.is_empty() && stale.is_empty(), "{total} cases\nnew: {new:#?}\nstale: {stale:#?}");
    assert!(right > openssl_right, "we judge {right} right, openssl {openssl_right}");
}

fn files() -> Option<Vec<PathBuf>> {
    let directory = PathBuf::from(std::env::var_os("CERTGEN_FACTS")?).join("x509-limbo");
    let mut files: Vec<_> = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    (!files.is_empty()).then_some(files)
}

/// One case as files and options.
struct Given {
    directory: PathBuf,
    purpose: &'static str,
    time: OffsetDateTime,
    /// Kind and value; a certificate must be good for each of them.
    names: Vec<(&'static str, String)>,
    has_untrusted: bool,
    crls: Vec<PathBuf>,
    depth: Option<u64>,
}

impl Given {
    fn write(case: &Value, world: &World) -> Self {
        let texts = |key: &str| {
            let list = case[key].as_array().into_iter().flatten().filter_map(Value::as_str);
            list.map(str::to_owned).collect::<Vec<_>>()
        };
        let untrusted = texts("untrusted_intermediates").join("\n");
        world.write("leaf.pem", case["peer_certificate"].as_str().expect("a certificate"));
        world.write("anchors.pem", texts("trusted_certs").join("\n"));
        world.write("untrusted.pem", &untrusted);
        let lists = texts("crls");
        world.write("crls.pem", lists.join("\n"));
        let crls = lists.iter().enumerate().map(|(n, crl)| world.write(format!("{n}.crl"), crl)).collect();
        let several = case["expected_peer_names"].as_array().into_iter().flatten();
        let time = case["validation_time"].as_str();
        Self {
            directory: world.path(""),
            purpose: if case["validation_kind"] == "CLIENT" { "client" } else { "server" },
            time: time
                .map_or_else(OffsetDateTime::now_utc, |text| OffsetDateTime::parse(text, &Rfc3339).expect("a time")),
            names: several.chain([&case["expected_peer_name"]]).filter_map(name).collect(),
            has_untrusted: !untrusted.is_empty(),
            crls,
            depth: case["max_chain_depth"].as_u64(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The verdict of the program, and what it said. Anything but yes, no and unreadable is a crash.
    fn ask_certgen(&self, id: &str) -> (bool, String) {
        let ask = |name: Option<&(&str, String)>| {
            let mut command = Command::new(CERTGEN);
            command.env_clear().current_dir(&self.directory).arg("verify").arg(self.file("leaf.pem"));
            command.arg("--bundle").arg(self.file("anchors.pem")).args(["--purpose", self.purpose]);
            command.args(["--at", &self.time.format(&Rfc3339).expect("a time")]);
            if self.has_untrusted {
                command.arg("--untrusted").arg(self.file("untrusted.pem"));
            }
            for list in &self.crls {
                command.arg("--crl").arg(list);
            }
            if let Some(depth) = self.depth {
                command.args(["--max-intermediates", &depth.to_string()]);
            }
            if let Some((kind, value)) = name {
                command.args(["--name", &format!("{kind}:{value}")]);
            }
            let start = Instant::now();
            let said = command.output().expect("certgen runs");
            assert!(start.elapsed() < PATIENCE, "{id}: {:?}", start.elapsed());
            assert!(matches!(said.status.code(), Some(0 | 1 | 3)), "{id}: {}\n{}", said.status, text(&said));
            (said.status.success(), text(&said))
        };
        let answers: Vec<_> = match self.names.as_slice() {
            [] => vec![ask(None)],
            names => names.iter().map(|name| ask(Some(name))).collect(),
        };
        (answers.iter().all(|(good, _)| *good), answers.into_iter().map(|(_, said)| said).collect())
    }

    /// As the suite's own harness for OpenSSL asks: strict, and any of the trusted certificates may end the chain.
    fn ask_openssl(&self) -> bool {
        let ask = |name: Option<&(&str, String)>| {
            let mut command = Command::new("openssl");
            command.args(["verify", "-x509_strict", "-partial_chain", "-no-CApath", "-no-CAstore"]);
            command.args(["-attime", &self.time.unix_timestamp().to_string()]);
            command.args(["-purpose", &format!("ssl{}", self.purpose)]).arg("-CAfile").arg(self.file("anchors.pem"));
            if self.has_untrusted {
                command.arg("-untrusted").arg(self.file("untrusted.pem"));
            }
            if !self.crls.is_empty() {
                command.arg("-crl_check").arg("-CRLfile").arg(self.file("crls.pem"));
            }
            if let Some(depth) = self.depth {
                command.args(["-verify_depth", &depth.to_string()]);
            }
            if let Some((kind, value)) = name {
                let option = match *kind {
                    "ip" => "-verify_ip",
                    "email" => "-verify_email",
                    _ => "-verify_hostname",
                };
                command.args([option, value]);
            }
            command.arg(self.file("leaf.pem")).output().expect("openssl runs").status.success()
        };
        match self.names.as_slice() {
            [] => ask(None),
            names => names.iter().all(|name| ask(Some(name))),
        }
    }
}

fn name(value: &Value) -> Option<(&'static str, String)> {
    let kind = match value["kind"].as_str()? {
        "IP" => "ip",
        "RFC822" => "email",
        _ => "dns",
    };
    Some((kind, value["value"].as_str()?.to_owned()))
}

fn text(said: &Output) -> String {
    [&said.stdout, &said.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}
