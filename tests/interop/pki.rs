//! Every profile with every key type, in the eyes of openssl, GnuTLS and pkilint.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::invariants::check;
use crate::support::judge::{certtool, erl};
use crate::support::{World, openssl, python};

const PROFILES: &[&[&str]] = &[
    &["rabbitmq"],
    &["cluster", "--set", "nodes=a.rabbit.test,b.rabbit.test"],
    &["kubernetes"],
    &["celery"],
    &["mqtt"],
    &["basic"],
    &["one-intermediate"],
    &["separate-intermediates"],
    &["two-shared-intermediates"],
];

const KEY_TYPES: &[&str] = &["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096"];

/// Identities beside those of the profile, so that each role is there.
const EXTRA: &[&[&str]] = &[
    &[
        "issue",
        "server",
        "extra.example.com",
        "--san",
        "192.0.2.1",
        "--san",
        "2001:db8::1",
        "--san",
        "*.extra.example.com",
    ],
    &["issue", "node", "node.example.com"],
    &["issue", "client", "extra_client"],
    &["issue", "client", "with_names", "--san", "uri:spiffe://example.com/worker", "--san", "email:worker@example.com"],
];

fn profiles_with(key_type: &str) {
    for profile in PROFILES {
        let world = World::new();
        let file = world.write("profile.toml", with_key_type(profile[0], key_type)).display().to_string();
        let init = ["init", "--profile", &file].into_iter().chain(profile[1..].iter().copied());
        world.certgen(init).run().success();
        for args in EXTRA {
            world.certgen(args.iter().copied()).run().success();
        }
        check(&world.pki(""));
        let context = format!("profile {}, {key_type}", profile[0]);
        judge(&world, &context, key_type);
    }
}

/// The profile with this key type for everybody, authorities included.
fn with_key_type(profile: &str, key_type: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles").join(format!("{profile}.toml"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("reading {}: {e}", path.display()));
    let line = format!("key_type = \"{key_type}\"\n");
    let mut out = String::new();
    for written in text.lines().filter(|l| !l.starts_with("key_type")) {
        out += &format!("{written}\n");
        if written == "version = 1" && !text.contains("\n[defaults]\n") {
            out += &format!("\n[defaults]\n{line}");
        } else if written == "[defaults]" || written.starts_with("[authority.") {
            out += &line;
        }
    }
    out
}

fn judge(world: &World, context: &str, key_type: &str) {
    let pki = world.pki("");
    let authorities = certificates(&pki.join("ca"));
    let roots: Vec<&PathBuf> = authorities.iter().filter(|c| self_signed(c)).collect();
    assert!(!roots.is_empty(), "{context}: no root");
    let anchors = world.path("anchors.pem");
    fs::write(&anchors, roots.iter().map(|r| fs::read_to_string(r).expect("readable")).collect::<String>())
        .expect("writable");
    let mut all = authorities.clone();
    for role in ["server", "node", "client"] {
        for leaf in certificates(&pki.join(role)) {
            let name = leaf.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name != "server_certificate.pem" && name != "client_certificate.pem" {
                continue;
            }
            for purpose in match role {
                "server" => &["sslserver"][..],
                "client" => &["sslclient"][..],
                _ => &["sslserver", "sslclient"][..],
            } {
                let (trusted, file) = (anchors.display().to_string(), leaf.display().to_string());
                let strict = ["verify", "-x509_strict", "-check_ss_sig", "-purpose", purpose, "-CAfile", &trusted];
                let verdict = openssl(strict.into_iter().chain(["-untrusted", &file, &file]));
                assert!(verdict.ok, "{context}: openssl refuses {file} as {purpose}:\n{}", verdict.text);
                let oid = if *purpose == "sslserver" { "1.3.6.1.5.5.7.3.1" } else { "1.3.6.1.5.5.7.3.2" };
                let args = ["--verify", "--load-ca-certificate", &trusted, "--infile", &file, "--verify-purpose", oid];
                let verdict = certtool(args);
                let trusted = verdict.ok && verdict.text.contains("Verified. The certificate is trusted");
                assert!(trusted, "{context}: certtool refuses {file} as {purpose}:\n{}", verdict.text);
            }
            // And not for the other purpose.
            let wrong = match role {
                "server" => Some("sslclient"),
                "client" => Some("sslserver"),
                _ => None,
            };
            if let Some(wrong) = wrong {
                let (trusted, file) = (anchors.display().to_string(), leaf.display().to_string());
                let verdict = openssl(["verify", "-purpose", wrong, "-CAfile", &trusted, "-untrusted", &file, &file]);
                assert!(!verdict.ok, "{context}: {file} passes as {wrong}");
            }
            let text = openssl(["x509", "-noout", "-text", "-in", &leaf.display().to_string()]);
            assert!(
                text.accepted().contains(algorithm(key_type)),
                "{context}: {} is not {key_type}\n{}",
                leaf.display(),
                text.text
            );
            let rsa_server = key_type.starts_with("rsa") && role != "client";
            assert_eq!(
                text.text.contains("Key Encipherment"),
                rsa_server,
                "{context}: {}\n{}",
                leaf.display(),
                text.text
            );
            all.push(leaf);
        }
    }
    let verdict = python("interop/lint_pki.py", all.iter().map(|p| p.as_os_str()));
    assert!(verdict.ok, "{context}: pkilint finds\n{}", verdict.text);
}

fn algorithm(key_type: &str) -> &'static str {
    match key_type {
        "ecdsa-p256" => "NIST CURVE: P-256",
        "ecdsa-p384" => "NIST CURVE: P-384",
        "ecdsa-p521" => "NIST CURVE: P-521",
        "ed25519" => "ED25519 Public-Key",
        "rsa-2048" => "Public-Key: (2048 bit)",
        "rsa-3072" => "Public-Key: (3072 bit)",
        _ => "Public-Key: (4096 bit)",
    }
}

fn certificates(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(certificates(&path));
        } else if path.to_string_lossy().ends_with("certificate.pem") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn self_signed(certificate: &Path) -> bool {
    let text = openssl([
        "x509",
        "-noout",
        "-subject",
        "-issuer",
        "-nameopt",
        "RFC2253",
        "-in",
        &certificate.display().to_string(),
    ]);
    let mut lines = text.accepted().lines();
    let (subject, issuer) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    subject.trim_start_matches("subject=") == issuer.trim_start_matches("issuer=")
}

/// One test a key type: they take their time, and say which one fails.
macro_rules! key_types {
    ($($name:ident $index:literal)*) => {$(
        #[test]
        #[ignore = "needs gnutls-bin and the Python package pkilint"]
        fn $name() {
            profiles_with(KEY_TYPES[$index]);
        }
    )*};
}

key_types! {
    every_profile_with_ecdsa_p256 0
    every_profile_with_ecdsa_p384 1
    every_profile_with_ecdsa_p521 2
    every_profile_with_ed25519 3
    every_profile_with_rsa_2048 4
    every_profile_with_rsa_3072 5
    every_profile_with_rsa_4096 6
}

/// Authorities of any depth, with what the manifest can say about them.
#[test]
#[ignore = "needs gnutls-bin and the Python package pkilint"]
fn constrained_intermediates() {
    let world = World::initialised(["--profile", "basic"]);
    let root = fs::read_dir(world.pki("ca")).expect("ca/").flatten().next().expect("a root").file_name();
    let root = root.to_string_lossy().into_owned();
    let middle = ["issue", "authority", "middle", "--issuer", &root, "--path-length", "1", "--permit", "example.com"];
    world.certgen(middle).run().success();
    world.certgen(["issue", "authority", "low", "--issuer", "middle", "--path-length", "0"]).run().success();
    world.certgen(["issue", "server", "in.example.com", "--issuer", "low"]).run().success();
    let before = crate::support::invariants::snapshot(&world.pki(""));
    // Refused before anything is signed: a third level, and a name outside the permitted tree.
    world.certgen(["issue", "authority", "lowest", "--issuer", "low"]).run().refused();
    world.certgen(["issue", "server", "out.example.org", "--issuer", "low"]).run().refused();
    crate::support::invariants::unchanged(&before, &world.pki(""), "a refusal changed something");
    check(&world.pki(""));
    judge(&world, "constrained intermediates", "ecdsa-p256");
}

/// The program that must read them reads them: the option file may hold expressions, the configuration terms.
#[test]
#[ignore = "needs erlang-base and erlang-public-key"]
fn erlang_reads_what_it_is_given() {
    for profile in PROFILES {
        let world = World::new();
        let init = ["init", "--profile"].into_iter().chain(profile.iter().copied());
        world.certgen(init).run().success();
        if !world.read("pki/certgen.toml").contains("\n[broker]\n") {
            assert!(!world.pki("rabbitmq").exists(), "{}: files for no broker", profile[0]);
            continue;
        }
        for name in ["inter_node_tls.config", "advanced.config", "enabled_plugins"] {
            let file = world.pki(format!("rabbitmq/{name}"));
            if !file.exists() {
                assert_eq!(name, "advanced.config", "{} is missing", file.display());
                continue;
            }
            let path = file.display().to_string();
            let verdict = erl(&format!(
                "{{ok,B}}=file:read_file(\"{path}\"),{{ok,T,_}}=erl_scan:string(unicode:characters_to_list(B)),\
                 {{ok,E}}=erl_parse:parse_exprs(T),{{value,_,_}}=erl_eval:exprs(E,[]),io:put_chars(\"read\")."
            ));
            assert!(verdict.text.contains("read"), "{}: {path}\n{}", profile[0], verdict.text);
        }
    }
}
