//! Revocation lists before openssl and Erlang: the name of their file, and one of 100,000 entries.

use std::collections::BTreeSet;
use std::fs;

use crate::support::judge::erl;
use crate::support::{World, openssl};

/// Subjects as certgen writes them, and as openssl writes them in other string types.
const SUBJECTS: [&str; 12] = [
    "/CN=root",
    "/CN=RabbitMQ root 1a2b3c4d",
    "/C=DE/O=Example  GmbH/OU=Zwei  Räume/CN=Mixed CASE",
    "/CN=ÄÖÜ äöü ß",
    "/CN=日本語/O=Ωmega",
    "/DC=Com/DC=Example/CN=x",
    "/CN=x/emailAddress=Someone@Example.COM",
    "/serialNumber=AB  12/CN=q",
    "/ST= Lead/L=trail /CN=z",
    "/O=İstanbul A.Ş./CN=İ",
    "/street=Main Street  1/CN=UPPER",
    "/UID=AbC/CN=s",
];

#[test]
#[ignore = "needs openssl and erlang"]
fn a_list_s_file_is_where_openssl_and_erlang_look_for_it() {
    let world = World::new();
    for mask in ["utf8only", "nombstr", "default"] {
        for (at, subject) in SUBJECTS.iter().enumerate() {
            if mask != "utf8only" && !subject.is_ascii() {
                continue; // openssl cannot write these in other types, or Erlang cannot read them
            }
            let configuration = format!("[req]\ndistinguished_name=d\nstring_mask={mask}\n[d]\n");
            let config = world.write("openssl.cnf", configuration).display().to_string();
            let (key, certificate) = (world.path("key.pem"), world.path(format!("{mask}-{at}.pem")));
            let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
            let common = ["req", "-x509", "-config", &config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
            let rest = ["-nodes", "-utf8", "-keyout", &key, "-out", &certificate, "-subj", subject];
            openssl(common.into_iter().chain(rest)).accepted();
            let theirs = openssl(["x509", "-noout", "-subject_hash", "-in", &certificate]);
            let pem = fs::read(&certificate).expect("openssl wrote it");
            let subject_name = certgen::x509::Certificate::from_pem(&pem).expect("a certificate").subject().clone();
            assert_eq!(subject_name.openssl_hash(), theirs.accepted().trim(), "{mask} {subject}");
            let expression = format!(
                "{{ok, P}} = file:read_file(\"{certificate}\"), [{{_, D, _}} | _] = public_key:pem_decode(P), \
                 S = element(7, element(2, public_key:pkix_decode_cert(D, otp))), \
                 io:format(\"~s~n\", [public_key:short_name_hash(public_key:pkix_normalize_name(S))])."
            );
            let erlangs = erl(&expression);
            assert_eq!(subject_name.erlang_hash().as_deref(), Some(erlangs.accepted().trim()), "{mask} {subject}");
        }
    }
}

/// A hundred thousand revocations, of certificates that this inventory does not know, signed anew by `crl`.
#[test]
#[ignore = "needs openssl"]
fn a_list_of_100_000_entries() {
    const COUNT: usize = 100_000;
    let world = World::initialised(["--profile", "celery", "--set", "revocation=true"]);
    world.certgen(["issue", "client", "revoked"]).run().success();
    let mut lines = world.read("pki/inventory.jsonl");
    for number in 0..COUNT {
        let time = "2026-01-01T00:00:00Z";
        lines += &format!(
            "{{\"id\":\"many-{number}\",\"time\":\"{time}\",\"actor\":\"t\",\"action\":\"revoked\",\"serial\":\"4{number:031x}\",\
             \"issuer\":\"root\",\"reason\":\"superseded\"}}\n"
        );
    }
    world.write("pki/inventory.jsonl", lines);
    let output = world.certgen(["revoke", "revoked"]).run().success();
    output.stderr_has("100001 entries");
    let at = |file: &str| world.pki(file).display().to_string();
    let (list, root) = (at("ca/root/crl.pem"), at("ca/root/ca_certificate.pem"));
    let verdict = openssl(["crl", "-noout", "-verify", "-in", &list, "-CAfile", &root]);
    assert!(verdict.accepted().contains("verify OK"), "{}", verdict.text);
    for (name, good) in [("celery_worker", true), ("revoked", false)] {
        let certificate = at(&format!("client/{name}/client_certificate.pem"));
        let args = ["verify", "-crl_check_all", "-x509_strict", "-CAfile", &root, "-CRLfile", &list, &certificate];
        assert_eq!(openssl(args).ok, good, "{name}");
    }
    let serials: BTreeSet<String> = certgen::x509::Crl::from_pem(world.read("pki/ca/root/crl.pem").as_bytes())
        .expect("a list")
        .revoked()
        .map(|entry| entry.serial.to_string())
        .collect();
    assert_eq!(serials.len(), COUNT + 1);
    // Taken over by an inventory that knows none of them.
    let other = World::new();
    fs::create_dir(other.pki("")).expect("ours");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([world.pki("ca"), world.pki("certgen.toml")])
        .arg(other.pki(""))
        .status();
    assert!(copied.is_ok_and(|s| s.success()));
    fs::remove_file(other.pki("ca/root/crl.pem")).expect("ours");
    fs::copy(world.pki("ca/root/crl.pem"), other.path("crl.pem")).expect("ours");
    let output = other.certgen(["import", "crl.pem"]).run().success();
    output.stdout_has("100001 certificates that are not in the inventory");
}
