//! The broker's files as they are written, byte for byte: one text for each case, with every file of `rabbitmq/` and
//! its mode in it. `CERTGEN_UPDATE=1` writes the texts anew; look at what git shows before keeping them.
//!
//! Only secrets are replaced: password hashes and passwords.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::World;

const AT: &str = "2026-11-22T12:00:00Z";
const HOST: &str = "hostname=rabbit.example.com";

/// A case: its name, the arguments of `init`, what is put into certgen.toml instead of what, and commands after it.
struct Case {
    name: &'static str,
    init: &'static [&'static str],
    manifest: &'static [(&'static str, &'static str)],
    then: &'static [&'static [&'static str]],
}

const CASES: &[Case] = &[
    profile("basic", &["--profile", "basic", "--set", HOST]),
    profile("celery", &["--profile", "celery", "--set", HOST, "--set", "queues=celery,mail"]),
    profile("cluster", &["--profile", "cluster", "--set", "nodes=a.example.com,b.example.com,c.example.com"]),
    profile("kubernetes", &["--profile", "kubernetes", "--set", "namespace=rabbit", "--set", "cluster=rmq"]),
    profile("mqtt", &["--profile", "mqtt", "--set", HOST, "--set", "devices=sensor-1,sensor-2"]),
    profile("one-intermediate", &["--profile", "one-intermediate", "--set", HOST]),
    profile("rabbitmq", &["--profile", "rabbitmq", "--set", HOST]),
    profile("separate-intermediates", &["--profile", "separate-intermediates", "--set", HOST]),
    profile("two-shared-intermediates", &["--profile", "two-shared-intermediates", "--set", HOST]),
    Case {
        name: "windows",
        init: &["--profile", "celery", "--set", HOST],
        manifest: &[("[broker]\n", "[broker]\nplatform = \"windows\"\ninter_node_tls = true\n")],
        then: &[],
    },
    Case {
        name: "inter-node-flags",
        init: &["--profile", "cluster", "--set", "nodes=a.example.com,b.example.com"],
        manifest: &[("inter_node_tls = true", "inter_node_tls = \"flags\"")],
        then: &[],
    },
    Case {
        name: "encrypted-key",
        init: &["--profile", "rabbitmq", "--set", HOST],
        manifest: &[
            (
                "[node.\"rabbit.example.com\"]\n",
                "[node.\"rabbit.example.com\"]\nkey_password_file = \"../password.txt\"\n",
            ),
            ("[broker]\n", "[broker]\ninter_node_tls = true\n"),
        ],
        then: &[],
    },
    Case {
        name: "optional-client-certificates",
        init: &["--profile", "celery", "--set", HOST],
        manifest: &[("client_certificates = \"required\"", "client_certificates = \"optional\"")],
        then: &[],
    },
    Case {
        name: "migration",
        init: &["--profile", "mqtt", "--set", HOST],
        manifest: &[(
            "plugins = [\"rabbitmq_mqtt\"]\n",
            "plugins = [\"rabbitmq_mqtt\", \"rabbitmq_stream\", \"rabbitmq_prometheus\"]\nlogin_users = [\"guest\"]\n",
        )],
        then: &[&["emit", "rabbitmq", "--migration", "1"]],
    },
    Case {
        name: "revocation",
        init: &["--profile", "celery", "--set", HOST, "--set", "revocation=true"],
        manifest: &[],
        then: &[&["revoke", "celery_client"]],
    },
    Case {
        name: "cli-host",
        init: &["--profile", "cluster", "--set", "nodes=a.example.com,b.example.com"],
        manifest: &[],
        then: &[&["issue", "client", "--cli", "admin.example.com"]],
    },
];

const fn profile(name: &'static str, init: &'static [&'static str]) -> Case {
    Case { name, init, manifest: &[], then: &[] }
}

#[test]
fn the_brokers_files_are_what_they_were() {
    let mut wrong = String::new();
    for case in CASES {
        let found = written(case);
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{}.txt", case.name));
        if std::env::var_os("CERTGEN_UPDATE").is_some() {
            fs::write(&kept, &found).expect("tests/golden is writable");
        }
        let expected = fs::read_to_string(&kept).unwrap_or_default();
        if expected != found {
            let diff = similar::TextDiff::from_lines(&expected, &found);
            wrong += &format!("{}\n{}", case.name, diff.unified_diff().context_radius(3).header("kept", "written"));
        }
    }
    assert!(wrong.is_empty(), "CERTGEN_UPDATE=1 keeps what is written now\n{wrong}");
}

#[test]
fn every_profile_and_every_text_has_a_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stems = |directory: &str, extension: &str| -> Vec<String> {
        let files = fs::read_dir(root.join(directory)).expect("it can be listed").flatten().map(|e| e.path());
        let files = files.filter(|p| p.extension().is_some_and(|e| e == extension));
        files.map(|p| p.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
    };
    let known = |name: &String| CASES.iter().any(|c| c.name == *name);
    for name in stems("profiles", "toml").iter().chain(&stems("tests/golden", "txt")) {
        assert!(known(name), "{name} has no case");
    }
}

/// All that lies in `rabbitmq/`, and what a client's directory has besides certificates and keys, in one text.
fn written(case: &Case) -> String {
    let world = World::new();
    world.write("password.txt", "correctHorseBatteryStaple1\n");
    if case.manifest.is_empty() {
        world.certgen(std::iter::once("init").chain(case.init.iter().copied())).at(AT).run().success();
    } else {
        from_changed_manifest(case, &world);
    }
    for command in case.then {
        world.certgen(*command).at(AT).run().success();
    }
    let root = world.pki("");
    let mut files = Vec::new();
    list(&root.join("rabbitmq"), &mut files);
    list(&root.join("client"), &mut files);
    files.retain(|file| file.extension().is_none_or(|e| e != "pem"));
    let mut text = String::new();
    for file in files {
        let shown = file.strip_prefix(&root).expect("listed below it").display().to_string();
        let shown = without_hash(&shown);
        let mode = fs::metadata(&file).expect("it is there").permissions().mode() & 0o7777;
        let bytes = fs::read_to_string(&file).expect("a broker's file is text");
        text += &format!("======== {shown} {mode:04o}\n{}", without_secrets(&shown, &bytes));
        if !text.ends_with('\n') {
            text += "\n======== no line end\n";
        }
    }
    if text.is_empty() { "no broker, no files\n".to_owned() } else { text }
}

/// The manifest that a profile gives, changed by hand, and a PKI made from that.
fn from_changed_manifest(case: &Case, world: &World) {
    let model = World::new();
    model.certgen(std::iter::once("init").chain(case.init.iter().copied())).at(AT).run().success();
    let mut manifest = model.read("pki/certgen.toml");
    for (what, with) in case.manifest {
        assert!(manifest.contains(what), "{}: the manifest has no {what:?}\n{manifest}", case.name);
        manifest = manifest.replace(what, with);
    }
    world.write("changed.toml", manifest);
    world.certgen(["init", "--profile", "changed.toml"]).at(AT).run().success();
}

/// Password hashes and passwords are random; everything else stays.
fn without_secrets(name: &str, text: &str) -> String {
    if name.starts_with("rabbitmq/crls/") {
        let whole = text.starts_with("-----BEGIN X509 CRL-----\n") && text.ends_with("-----END X509 CRL-----\n");
        return if whole { "[A REVOCATION LIST]\n".to_owned() } else { text.to_owned() };
    }
    if name.ends_with(".password") {
        let word = text.trim_end();
        let fits = word.len() >= 20 && word.bytes().all(|b| b.is_ascii_alphanumeric());
        return text.replace(word, if fits { "[PASSWORD]" } else { "[A PASSWORD OF A WRONG FORM]" });
    }
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        match line.split_once("\"password_hash\": \"") {
            Some((head, rest)) if !rest.starts_with('"') => {
                let end = rest.find('"').expect("a JSON string ends");
                out += &format!("{head}\"password_hash\": \"[HASH]{}", &rest[end..]);
            }
            _ => out += line,
        }
    }
    out
}

/// A list is named by the hash of a subject that carries the mark of a random key.
fn without_hash(shown: &str) -> String {
    match shown.strip_prefix("rabbitmq/crls/").and_then(|name| name.split_once('.')) {
        Some((hash, number)) if hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            format!("rabbitmq/crls/[HASH].{number}")
        }
        _ => shown.to_owned(),
    }
}

fn list(directory: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { list(&path, into) } else { into.push(path) }
    }
}
