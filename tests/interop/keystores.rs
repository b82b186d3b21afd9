//! Key stores: what is written here is read by openssl 3.0 and 3.5, Java, Python and Node; what they write is read here.
//! Alias, friendly name, order of the chain, and that the key is the certificate's, each in each program's own words.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use certgen::keystore::{Entry, KeystoreError, Pkcs12Form, Salts, Store, certificates, read, write_jks, write_pkcs12};
use certgen::x509::{Certificate, PrivateKey, fill_random};
use time::OffsetDateTime;

use crate::support::judge::{Verdict, certtool, judge};
use crate::support::key_store::{pair, root};
use crate::support::{World, cache, python};

const MODERN: Pkcs12Form = Pkcs12Form::Modern { iterations: 10_000 };
const LEGACY: Pkcs12Form = Pkcs12Form::Legacy { iterations: 2048 };
const KINDS: [&str; 3] = ["ecdsa-p256", "rsa-2048", "ed25519"];
/// Spaces, quotes, what a shell expands, letters outside ASCII and outside of 16 bits, and nothing.
const PASSWORDS: [&str; 5] = ["changeit", "ge heim$HOME'\"\\", "pässwörd-€", "𝄞 clef", ""];

/// A PKI with an intermediate authority and a client of each kind of key.
fn world() -> World {
    let world = World::initialised(["--profile", "one-intermediate", "--set", "hostname=rabbit.example.com"]);
    for kind in KINDS {
        world.certgen(["issue", "client", kind, "--key-type", kind]).run().success();
    }
    world
}

fn trusted(certificate: Certificate, alias: &str) -> Entry {
    Entry::Trusted { alias: Some(alias.to_owned()), certificate }
}

fn common_names(chain: &[Certificate]) -> Vec<String> {
    chain.iter().map(|certificate| certificate.subject().to_string().replace("CN=", "")).collect()
}

/// One container, and what is in it.
struct Case {
    file: PathBuf,
    kind: &'static str,
    password: &'static str,
    alias: Option<&'static str>,
    entry: Entry,
}

impl Case {
    fn chain(&self) -> Vec<String> {
        match &self.entry {
            Entry::Pair { chain, .. } => common_names(chain),
            Entry::Trusted { certificate, .. } => common_names(std::slice::from_ref(certificate)),
        }
    }
}

/// Every kind of key in every form with every password, with an alias and without, and stores of anchors alone.
fn cases(world: &World) -> Vec<Case> {
    let salts: &mut Salts<'_> = &mut fill_random;
    let mut cases = Vec::new();
    let mut add = |name: String, kind, password, alias, entry: Entry, bytes: &[u8]| {
        let file = world.write(&name, bytes);
        cases.push(Case { file, kind, password, alias, entry });
    };
    for (number, password) in PASSWORDS.into_iter().enumerate() {
        for (name, form) in [("modern", Some(MODERN)), ("legacy", Some(LEGACY)), ("jks", None)] {
            let entries = KINDS
                .map(|kind| (kind, Some("worker"), pair(world, kind, Some("worker"))))
                .into_iter()
                .chain([(KINDS[0], None, pair(world, KINDS[0], None))])
                .chain([("trust", Some("wurzel ä"), trusted(root(world), "wurzel ä"))]);
            for (kind, alias, entry) in entries {
                let store = Store { entries: vec![entry.clone()] };
                let bytes = match form {
                    Some(form) => write_pkcs12(&store, password, form, salts),
                    None => write_jks(&store, password, OffsetDateTime::now_utc(), salts),
                };
                let title = format!("{name}-{kind}-{number}-{}", if alias.is_some() { "named" } else { "bare" });
                let kind = if form.is_some() { "PKCS12" } else { "JKS" };
                add(title, kind, password, alias, entry, &bytes.expect("it can be written"));
            }
        }
    }
    cases
}

/// The list of what is to be read, and what a program says of each file.
fn ask(world: &World, cases: &[Case], mut command: Command, name: &str) -> BTreeMap<PathBuf, String> {
    let lines: String =
        cases.iter().map(|case| format!("{}\t{}\t{}\n", case.file.display(), case.kind, case.password)).collect();
    command.arg(world.write("asked", lines)).env("LC_ALL", "C.UTF-8");
    let said = judge(command, name);
    let lines = said.accepted().lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(file, text)| (PathBuf::from(file), text.to_owned())).collect()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/keystores").join(name)
}

fn java(options: &[&str]) -> Command {
    let mut command = Command::new("java");
    command.args(options).arg(script("Read.java"));
    command
}

/// What Java 17 refuses, whoever wrote it; it says `keystore password was incorrect`, and this as the cause.
const NOT_ASCII: &str = "Password is not ASCII";

fn java_refuses(case: &Case) -> bool {
    case.kind == "PKCS12" && !case.password.is_ascii()
}

#[test]
#[ignore = "needs java"]
fn java_reads_every_form() {
    let world = world();
    let cases = cases(&world);
    for options in [&[][..], &["-Dkeystore.pkcs12.legacy"]] {
        let said = ask(&world, &cases, java(options), "java");
        for case in &cases {
            let text = said.get(&case.file).map_or("nothing", String::as_str);
            if java_refuses(case) {
                assert!(text.contains(NOT_ASCII), "{}: {text}", case.file.display());
                continue;
            }
            let chain = case.chain().into_iter().map(|name| format!("CN={name}")).collect::<Vec<_>>().join(" < ");
            let alias = case.alias.unwrap_or("1");
            let wanted = match case.entry {
                Entry::Pair { .. } => format!("pair {alias}: {chain}"),
                Entry::Trusted { .. } => format!("trusted {alias}: {chain}"),
            };
            assert_eq!(text, wanted, "{} {options:?}", case.file.display());
        }
    }
}

#[test]
#[ignore = "needs python3 with cryptography"]
fn python_reads_every_form() {
    let world = world();
    let cases = cases(&world);
    let mut command = Command::new(cache::need("venv").join("bin/python"));
    command.arg("-B").arg(script("read.py"));
    let said = ask(&world, &cases, command, "python");
    for case in cases.iter().filter(|case| case.kind == "PKCS12") {
        let names: Vec<String> = case
            .chain()
            .iter()
            .enumerate()
            .map(|(at, name)| format!("{}: CN={name}", if at == 0 { case.alias.unwrap_or("-") } else { "-" }))
            .collect();
        let text = said.get(&case.file).map_or("nothing", String::as_str);
        assert_eq!(text, names.join("; "), "{}", case.file.display());
    }
}

#[test]
#[ignore = "needs node"]
fn node_serves_with_every_pair() {
    let world = world();
    let cases: Vec<Case> = cases(&world);
    let mut command = Command::new("node");
    command.arg(script("read.cjs"));
    let said = ask(&world, &cases, command, "node");
    for case in cases.iter().filter(|case| case.kind == "PKCS12" && matches!(case.entry, Entry::Pair { .. })) {
        let text = said.get(&case.file).map_or("nothing", String::as_str);
        assert_eq!(text, case.chain().join(" < "), "{}", case.file.display());
    }
}

/// `openssl pkcs12` of this machine, or of Debian 13.
fn openssl_pkcs12(root: Option<&Path>, file: &Path, password: &str, options: &[&str]) -> Verdict {
    let mut command = Command::new(if root.is_some() { "chroot" } else { "openssl" });
    if let Some(root) = root {
        command.arg(root).arg("openssl");
    }
    command.args(["pkcs12", "-in"]).arg(file).args(options).args(["-passin", "env:PASSWORD", "-nodes", "-info"]);
    command.env("PASSWORD", password).env("LC_ALL", "C.UTF-8");
    judge(command, "openssl")
}

#[test]
#[ignore = "needs openssl and Debian 13"]
fn openssl_reads_every_form() {
    let world = world();
    let cases: Vec<Case> = cases(&world).into_iter().filter(|case| case.kind == "PKCS12").collect();
    let trixie = cache::need("trixie");
    let inside = trixie.join("tmp").join(format!("certgen-keystores-{}", std::process::id()));
    fs::create_dir(&inside).expect("Debian 13 has a /tmp");
    for case in &cases {
        let name = case.file.file_name().expect("a file");
        fs::copy(&case.file, inside.join(name)).expect("a temporary directory is writable");
        let told = Path::new("/").join(inside.strip_prefix(&trixie).expect("it is inside")).join(name);
        for (root, file) in [(None, &case.file), (Some(trixie.as_path()), &told)] {
            let said = openssl_pkcs12(root, file, case.password, &[]);
            told_by_openssl(case, said.accepted());
            let wrong = openssl_pkcs12(root, file, "another", &[]);
            assert!(!wrong.ok && wrong.text.contains("Mac verify error"), "{}: {}", case.file.display(), wrong.text);
        }
    }
    fs::remove_dir_all(&inside).expect("it was made here");
}

fn told_by_openssl(case: &Case, text: &str) {
    let about = case.file.display();
    let subjects = text
        .lines()
        .filter_map(|line| line.strip_prefix("subject="))
        .map(|s| s.replace("CN = ", "").replace("CN=", ""));
    assert_eq!(subjects.collect::<Vec<_>>(), case.chain(), "{about}\n{text}");
    let named = text.matches("friendlyName: ").count();
    let ids = text.matches("localKeyID: ").count();
    match case.entry {
        Entry::Pair { .. } => {
            // On the key and on the leaf.
            assert_eq!((named, ids), (if case.alias.is_some() { 2 } else { 0 }, 2), "{about}\n{text}");
            let key = text.find("-----BEGIN PRIVATE KEY-----").map(|at| &text[at..]).expect("a key");
            let key = PrivateKey::from_pem(key.as_bytes(), None).expect("openssl writes PKCS#8");
            let Entry::Pair { chain, .. } = &case.entry else { unreachable!() };
            assert_eq!(key.public_key(), chain[0].public_key(), "{about}");
        }
        Entry::Trusted { .. } => assert_eq!((named, ids), (1, 0), "{about}\n{text}"),
    }
}

fn keytool(world: &World, password: &str, options: &[&str], arguments: &[&str]) -> Verdict {
    let mut command = Command::new("keytool");
    command.args(options.iter().map(|option| format!("-J{option}"))).args(arguments).current_dir(world.path(""));
    command.env("PASSWORD", password).env("LC_ALL", "C.UTF-8");
    judge(command, "keytool")
}

/// What a store holds, for comparison: the alias, the public half of the key, the chain.
fn told(store: &Store) -> Vec<String> {
    let told = |entry: &Entry| match entry {
        Entry::Pair { alias, key, chain } => {
            let key = PrivateKey::from_pkcs8_der(key).expect("a key that can be read");
            let fits = key.public_key() == chain[0].public_key();
            format!("pair {alias:?}: {} {fits}", common_names(chain).join(" < "))
        }
        Entry::Trusted { alias, certificate } => {
            format!("trusted {alias:?}: {}", common_names(std::slice::from_ref(certificate))[0])
        }
    };
    store.entries.iter().map(told).collect()
}

#[test]
#[ignore = "needs keytool"]
fn keytool_lists_every_form_and_moves_the_keys_out() {
    let world = world();
    // A process of Java for each: one key of each kind will do.
    let chosen = |case: &Case| case.password == PASSWORDS[0] || (case.password == PASSWORDS[1] && case.kind == "JKS");
    for (number, case) in cases(&world).iter().filter(|case| chosen(case)).enumerate() {
        let file = case.file.display().to_string();
        let options: &[&str] = if number % 2 == 0 { &[] } else { &["-Dkeystore.pkcs12.legacy"] };
        let list = ["-list", "-v", "-keystore", &file, "-storepass:env", "PASSWORD"];
        let list = keytool(&world, case.password, options, &list);
        let (kind, owners) = match &case.entry {
            Entry::Pair { .. } => ("PrivateKeyEntry", "Certificate chain length: 3"),
            Entry::Trusted { .. } => ("trustedCertEntry", "Owner: "),
        };
        let alias = case.alias.unwrap_or("1");
        for part in [format!("Alias name: {alias}\n"), format!("Entry type: {kind}\n"), owners.to_owned()] {
            assert!(list.accepted().contains(&part), "{file}: {part}\n{}", list.text);
        }
        let out = format!("moved-{number}");
        let to = ["-deststoretype", "PKCS12", "-deststorepass:env", "PASSWORD", "-noprompt"];
        let from = ["-importkeystore", "-srckeystore", &file, "-destkeystore", &out, "-srcstorepass:env", "PASSWORD"];
        keytool(&world, case.password, options, &[&from[..], &to].concat()).accepted();
        let moved = read(&fs::read(world.path(&out)).expect("keytool wrote it"), case.password).expect("it opens");
        let mut entry = case.entry.clone();
        if let Entry::Pair { alias, .. } = &mut entry {
            alias.get_or_insert_with(|| "1".to_owned());
        }
        assert_eq!(told(&moved), told(&Store { entries: vec![entry] }), "{file}");
    }
}

/// A container that another program made, and how it was made.
fn made_by_openssl(world: &World, name: &str, password: &str, options: &[&str]) -> Vec<u8> {
    let client = |file: &str| world.pki(format!("client/rsa-2048/{file}")).display().to_string();
    let out = world.path(name).display().to_string();
    let mut command = Command::new("openssl");
    command.args(["pkcs12", "-export", "-name", "worker", "-passout", "env:PASSWORD", "-out", &out]);
    command.args(["-in", &client("client_certificate.pem"), "-inkey", &client("client_key.pem")]);
    command.args(["-certfile", &client("ca_certificate.pem")]).args(options).env("PASSWORD", password);
    command.env("LC_ALL", "C.UTF-8");
    judge(command, "openssl").accepted();
    fs::read(&out).expect("openssl wrote it")
}

#[test]
#[ignore = "needs openssl"]
fn what_openssl_writes_is_read() {
    let world = world();
    let wanted = told(&Store { entries: vec![pair(&world, "rsa-2048", Some("worker"))] });
    for options in [
        &[][..],
        &["-legacy"],
        &["-legacy", "-descert"],
        &["-certpbe", "AES-128-CBC", "-keypbe", "AES-192-CBC", "-macalg", "sha512"],
        &["-certpbe", "PBE-SHA1-2DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1", "-iter", "1"],
        &["-certpbe", "PBE-SHA1-RC2-128", "-keypbe", "PBE-SHA1-RC2-40", "-legacy", "-macalg", "sha384"],
        &["-certpbe", "DES-EDE3-CBC", "-keypbe", "DES-EDE3-CBC"],
        &["-certpbe", "NONE", "-keypbe", "NONE"],
        &["-nomac"],
        &["-nomaciter"],
        &["-iter", "600000"],
    ] {
        for password in PASSWORDS {
            let bytes = made_by_openssl(&world, "theirs", password, options);
            let store = read(&bytes, password).unwrap_or_else(|e| panic!("{options:?} {password:?}: {e}"));
            assert_eq!(told(&store), wanted, "{options:?}");
            let found = certificates(&bytes, &["another", password]).expect("one of the passwords opens it");
            assert!(found.len() == 3 && found.iter().all(|held| held.certificate.is_ok()), "{options:?}: {found:?}");
            if password != PASSWORDS[0] || options.contains(&"NONE") {
                continue;
            }
            let refused = read(&bytes, "another").expect_err("the password is another");
            assert_eq!(refused, KeystoreError::WrongPassword, "{options:?}");
        }
    }
}

/// What Debian 13's openssl alone writes: a checksum of PBMAC1 (RFC 9579).
#[test]
#[ignore = "needs Debian 13"]
fn what_openssl_of_debian_13_writes_is_read() {
    let world = world();
    let trixie = cache::need("trixie");
    let inside = trixie.join("tmp").join(format!("certgen-pbmac1-{}", std::process::id()));
    fs::create_dir(&inside).expect("Debian 13 has a /tmp");
    let told_inside = Path::new("/").join(inside.strip_prefix(&trixie).expect("it is inside"));
    let file = |name: &str| told_inside.join(name).display().to_string();
    for name in ["client_certificate.pem", "client_key.pem", "ca_certificate.pem"] {
        fs::copy(world.pki(format!("client/ed25519/{name}")), inside.join(name)).expect("it was made");
    }
    for options in
        [&[][..], &["-pbmac1_pbkdf2"], &["-pbmac1_pbkdf2", "-pbmac1_pbkdf2_md", "sha512", "-macalg", "sha384"]]
    {
        let mut command = Command::new("chroot");
        command.arg(&trixie).args(["openssl", "pkcs12", "-export", "-name", "worker", "-passout", "pass:changeit"]);
        command.args(["-in", &file("client_certificate.pem"), "-inkey", &file("client_key.pem")]);
        command.args(["-certfile", &file("ca_certificate.pem"), "-out", &file("theirs")]).args(options);
        judge(command, "openssl").accepted();
        let bytes = fs::read(inside.join("theirs")).expect("openssl wrote it");
        let store = read(&bytes, "changeit").unwrap_or_else(|e| panic!("{options:?}: {e}"));
        assert_eq!(
            told(&store),
            told(&Store { entries: vec![pair(&world, "ed25519", Some("worker"))] }),
            "{options:?}"
        );
        assert_eq!(read(&bytes, "another").map(drop), Err(KeystoreError::WrongPassword), "{options:?}");
    }
    fs::remove_dir_all(&inside).expect("it was made here");
}

#[test]
#[ignore = "needs keytool"]
fn what_keytool_writes_is_read() {
    let world = world();
    let source = Store { entries: vec![pair(&world, "rsa-2048", Some("worker")), trusted(root(&world), "wurzel ä")] };
    let salts: &mut Salts<'_> = &mut fill_random;
    let ours = write_pkcs12(&source, "changeit", MODERN, salts).expect("it can be written");
    world.write("ours", ours);
    for (name, kind, options) in [
        ("modern", "PKCS12", &[][..]),
        ("legacy", "PKCS12", &["-Dkeystore.pkcs12.legacy"]),
        (
            "unchecked",
            "PKCS12",
            &["-Dkeystore.pkcs12.macAlgorithm=NONE", "-Dkeystore.pkcs12.certProtectionAlgorithm=NONE"],
        ),
        ("java", "JKS", &[]),
        ("jceks", "JCEKS", &[]),
    ] {
        let import =
            ["-importkeystore", "-srckeystore", "ours", "-srcstorepass:env", "PASSWORD", "-destkeystore", name];
        let to = ["-deststoretype", kind, "-deststorepass:env", "PASSWORD", "-noprompt"];
        keytool(&world, "changeit", options, &[&import[..], &to].concat()).accepted();
        let bytes = fs::read(world.path(name)).expect("keytool wrote it");
        let found = certificates(&bytes, &["changeit"]).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(found.len() == 4 && found.iter().all(|held| held.certificate.is_ok()), "{name}: {found:?}");
        if name == "jceks" {
            let refused = read(&bytes, "changeit").expect_err("its keys are not supported");
            assert!(matches!(refused, KeystoreError::Unsupported(_)), "{refused}");
            continue;
        }
        let store = read(&bytes, "changeit").unwrap_or_else(|e| panic!("{name}: {e}"));
        let (mut found, mut wanted) = (told(&store), told(&source));
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{name}");
        if name != "unchecked" {
            assert_eq!(read(&bytes, "another").map(drop), Err(KeystoreError::WrongPassword), "{name}");
        }
    }
    // A key with a password of its own, as keytool makes it.
    let own = ["-keypasswd", "-keystore", "java", "-alias", "worker", "-storepass:env", "PASSWORD", "-new", "another"];
    keytool(&world, "changeit", &[], &own).accepted();
    let bytes = fs::read(world.path("java")).expect("keytool wrote it");
    let wanted = KeystoreError::WrongKeyPassword("worker".to_owned());
    assert_eq!(read(&bytes, "changeit").map(drop), Err(wanted));
}

#[test]
#[ignore = "needs python3 with cryptography, and certtool"]
fn what_python_and_gnutls_write_is_read() {
    let world = world();
    let client = |file: &str| world.pki(format!("client/ecdsa-p256/{file}")).display().to_string();
    let files = [client("client_certificate.pem"), client("client_key.pem"), client("ca_certificate.pem")];
    let wanted = told(&Store { entries: vec![pair(&world, "ecdsa-p256", Some("worker"))] });
    let out = world.path("python").display().to_string();
    let out = [out.clone()].into_iter().chain(files.clone());
    let said = python("interop/keystores/write.py", out);
    let names: Vec<&str> = said.accepted().lines().collect();
    assert_eq!(names.len(), 4, "{}", said.text);
    for name in names {
        let bytes = fs::read(world.path(name)).expect("python wrote it");
        let store = read(&bytes, "pässwörd").unwrap_or_else(|e| panic!("{name}: {e}"));
        let trust = told(&Store { entries: vec![trusted(root(&world), "wurzel")] });
        assert_eq!(told(&store), if name.ends_with("trust") { &trust[..] } else { &wanted[..] }, "{name}");
    }
    for (name, form) in [
        ("gnutls.pem", &[][..]),
        ("gnutls", &["--outder"]),
        ("gnutls-3des", &["--outder", "--pkcs-cipher=3des-pkcs12"]),
    ] {
        let out = world.path(name).display().to_string();
        let mut arguments = vec!["--to-p12", "--p12-name=worker", "--password=changeit", "--outfile", &out];
        arguments.extend([
            "--load-certificate",
            &files[0],
            "--load-privkey",
            &files[1],
            "--load-ca-certificate",
            &files[2],
        ]);
        certtool(arguments.iter().chain(form)).accepted();
        // In PEM it is what `inspect` reads.
        let said = world.certgen(["--json", "inspect", name]).run().success().json();
        let items = said["items"].as_array().expect("items").clone();
        assert_eq!(
            (&items[0]["kind"], &items[0]["known_password"]),
            (&"key_store".into(), &"changeit".into()),
            "{name}"
        );
        assert!(items.iter().filter(|item| item["kind"] == "certificate").count() >= 2, "{name}: {said}");
    }
}
