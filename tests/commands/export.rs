//! `export` of one identity or authority into every container.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use certgen::keystore::{self, Entry};
use certgen::x509::{Certificate, PrivateKey};

use crate::support::World;
use crate::support::invariants::{check, snapshot, unchanged};

/// A PKI with an intermediate, so that a chain has an order, and a password for stores.
fn formats() -> World {
    let world = World::new();
    world.write("pass", "changeit\n");
    let init = ["init", "--profile", "one-intermediate", "--set", "hostname=rabbit.example.com"];
    world.certgen(init).at(NOON).run().success();
    world.certgen(["issue", "client", "worker", "--key-type", "rsa-2048"]).at(NOON).run().success();
    world
}

const NOON: &str = "2026-11-22T12:00:00Z";
const STORE: [&str; 2] = ["--password-file", "pass"];

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("written").permissions().mode() & 0o7777
}

/// The events of exports: what was exported, as what, to where.
fn exports(world: &World) -> Vec<[String; 3]> {
    let log = world.certgen(["--json", "log"]).run().success().json();
    let events = log["items"].as_array().expect("events").iter().filter(|event| event["action"] == "exported");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    events.map(|e| [format!("{}/{}", text(&e["role"]), text(&e["name"])), text(&e["note"]), text(&e["path"])]).collect()
}

#[test]
fn every_store_holds_the_pair_with_its_whole_chain_in_order() {
    let world = formats();
    let pem = fs::read(world.pki("client/worker/client_key.pem")).expect("issued");
    let key = PrivateKey::from_pem(&pem, None).expect("a key");
    let own = Certificate::all_from_pem(&fs::read(world.pki("client/worker/client_certificate.pem")).expect("issued"));
    let own = own.expect("certificates");
    assert_eq!(own.len(), 2, "leaf and intermediate");
    for format in ["pkcs12", "pkcs12-legacy", "jks"] {
        for alias in [None, Some("The Worker")] {
            let out = format!("{format}-{}", alias.is_some());
            let export = ["--json", "export", "worker", "--format", format, "--out", &out];
            let alias_words = alias.map(|alias| ["--alias", alias]);
            let output = world.certgen(export.into_iter().chain(STORE).chain(alias_words.into_iter().flatten())).run();
            let items = output.success().json();
            let item = &items["items"][0];
            assert_eq!((&item["name"], &item["format"]), (&"client/worker".into(), &format.into()));
            assert_eq!((&item["secret"], &item["path"]), (&true.into(), &out.as_str().into()));
            assert_eq!(mode(&world.path(&out)), 0o600);
            let store = keystore::read(&fs::read(world.path(&out)).expect("written"), "changeit").expect("it opens");
            let [Entry::Pair { alias: found, key: in_it, chain }] = store.entries.as_slice() else {
                panic!("one pair: {store:?}");
            };
            let wanted = alias.unwrap_or("worker");
            let wanted = if format == "jks" { wanted.to_lowercase() } else { wanted.to_owned() };
            assert_eq!(found.as_deref(), Some(wanted.as_str()));
            assert_eq!(in_it.as_slice(), key.pkcs8_der());
            assert_eq!(chain[..2], own[..], "{format}");
            assert!(chain.len() == 3 && chain[1].is_signed_by(&chain[2]) && chain[2].is_self_issued(), "{format}");
            let wrong = keystore::read(&fs::read(world.path(&out)).expect("written"), "changeiT");
            assert!(wrong.is_err(), "{format}");
        }
    }
    assert_eq!(exports(&world).len(), 6);
    assert_eq!(exports(&world)[2], ["client/worker", "as pkcs12-legacy", "pkcs12-legacy-false"]);
    check(&world.pki(""));
}

#[test]
fn a_trust_store_holds_those_whom_it_trusts_and_is_no_secret() {
    let world = formats();
    let node = only_server(&world);
    let before = snapshot(&world.pki(""));
    for (format, out) in [("truststore-pkcs12", "t.p12"), ("truststore-jks", "t.jks")] {
        for name in ["client/worker", &node, "authority/root"] {
            let out = format!("{}-{out}", name.replace('/', "-"));
            world.certgen(["export", name, "--format", format, "--out", &out].into_iter().chain(STORE)).run().success();
            assert_eq!(mode(&world.path(&out)), 0o644);
            let store = keystore::read(&fs::read(world.path(&out)).expect("written"), "changeit").expect("it opens");
            let [Entry::Trusted { alias, certificate }] = store.entries.as_slice() else {
                panic!("one anchor: {store:?}");
            };
            assert_eq!(alias.as_deref(), Some("root"));
            assert_eq!(certificate.pem(), world.read("pki/ca/root/ca_certificate.pem"));
        }
    }
    unchanged(&before, &world.pki(""), "a bundle is no secret, and leaves no line in the log");
    // In a rotation both are trusted, under names that tell them apart.
    world.certgen(["rotate", "start", "root"]).run().success();
    for extra in [&["--alias", "broker"][..], &[]] {
        let export = ["export", "worker", "--format", "truststore-jks", "--force", "--out", "t"];
        world.certgen(export.into_iter().chain(STORE).chain(extra.iter().copied())).run().success();
        let store = keystore::read(&fs::read(world.path("t")).expect("written"), "changeit").expect("it opens");
        let aliases: Vec<_> = store.entries.iter().filter_map(Entry::alias).collect();
        assert_eq!(aliases, if extra.is_empty() { ["root", "root-successor"] } else { ["broker", "broker-2"] });
    }
}

/// Role and name of the only server.
#[test]
fn a_pair_that_somebody_else_renews_goes_where_a_pair_goes() {
    let world = formats();
    let elsewhere = ["--pki", "elsewhere", "init", "--profile", "basic", "--set", "hostname=www.example.com"];
    world.certgen(elsewhere).at(NOON).run().success();
    let pair =
        ["server_certificate.pem", "server_key.pem"].map(|file| format!("elsewhere/server/www.example.com/{file}"));
    let import = ["import", "--external", "www", "--certificate", &pair[0], "--key", &pair[1]];
    world.certgen(import).at(NOON).run().success();
    for name in ["www", "external/www"] {
        let export = ["export", name, "--format", "pkcs12", "--out", "www.p12", "--force"];
        world.certgen(export.into_iter().chain(STORE)).run().success().stderr_has("ends below its root");
        let store = keystore::read(&fs::read(world.path("www.p12")).expect("written"), "changeit").expect("it opens");
        let [Entry::Pair { chain, .. }] = store.entries.as_slice() else { panic!("one pair: {store:?}") };
        let own = fs::read(world.path(&pair[0])).expect("issued");
        assert_eq!(*chain, Certificate::all_from_pem(&own).expect("certificates"));
    }
    assert_eq!(exports(&world).last().expect("recorded")[0], "external/www");
    world.certgen(["export", "www", "--format", "combined", "--out", "www.pem"]).run().success();
    for format in ["truststore-jks", "tar", "age", "kubernetes-secret"] {
        let export = ["export", "www", "--format", format, "--out", "no"];
        let flags = if format == "truststore-jks" { &STORE[..] } else { &[] };
        world.certgen(export.iter().chain(flags)).run().code(2).stderr_has("that somebody else renews");
    }
    fs::remove_file(world.pki("external/www/key.pem")).expect("it was there");
    world
        .certgen(["export", "www", "--format", "combined", "--out", "no"])
        .run()
        .code(1)
        .stderr_has("certgen import --external www");
}

fn only_server(world: &World) -> String {
    let role = if world.pki("node").exists() { "node" } else { "server" };
    let mut names = fs::read_dir(world.pki(role)).expect("one is made").flatten();
    format!("{role}/{}", names.next().expect("one is made").file_name().to_string_lossy())
}

#[test]
fn certificates_and_keys_come_as_they_are() {
    let world = formats();
    let export = |words: &str| world.certgen(["export"].into_iter().chain(words.split(' '))).run();
    let pem = |path: &str| world.read(format!("pki/{path}"));
    let (chain, key) = (pem("client/worker/client_certificate.pem"), pem("client/worker/client_key.pem"));
    export("worker --format pem").success().stdout_is(&chain);
    export("worker --format pem --part chain --out -").success().stdout_is(&chain);
    let leaf = Certificate::from_pem(chain.as_bytes()).expect("a leaf");
    export("worker --format pem --part certificate").success().stdout_is(&leaf.pem());
    export("worker --format pem --part bundle").success().stdout_is(&pem("client/worker/ca_certificate.pem"));
    export("authority/root --format pem").success().stdout_is(&pem("ca/root/ca_certificate.pem"));
    assert!(exports(&world).is_empty(), "no secret left");
    export("worker --format combined").success().stdout_is(&(chain.clone() + &key));
    export("worker --format pem --part key").success().stdout_is(&key);
    let node = only_server(&world);
    let combined = format!("{node} --format combined --out combined.pem");
    export(&combined).success().stdout_is(&format!("exported  {node}  combined.pem\n"));
    assert_eq!(world.read("combined.pem"), pem(&format!("{node}/combined_keys.pem")));
    assert_eq!(exports(&world).len(), 3);

    export("worker --format der --out leaf.cer").success();
    assert_eq!(
        (fs::read(world.path("leaf.cer")).expect("written").as_slice(), mode(&world.path("leaf.cer"))),
        (leaf.der(), 0o644)
    );
    export("worker --format der --part key --out key.der").success();
    let own = PrivateKey::from_pem(key.as_bytes(), None).expect("a key");
    assert_eq!(fs::read(world.path("key.der")).expect("written"), own.pkcs8_der());
    assert_eq!(mode(&world.path("key.der")), 0o600);
    export("worker --format der --part chain --out x").code(2).stderr_has("--format pem");
    // A password encrypts the key alone.
    export("worker --format combined --password-file pass --out encrypted.pem").success();
    let encrypted = world.read("encrypted.pem");
    assert!(encrypted.starts_with(&chain) && encrypted.contains("BEGIN ENCRYPTED PRIVATE KEY"), "{encrypted}");
    assert!(PrivateKey::from_pem(encrypted.as_bytes(), Some(b"changeit")).is_ok());
    export("worker --format der --part key --password-file pass --out encrypted.der").success();
    assert!(PrivateKey::from_pkcs8_der(&fs::read(world.path("encrypted.der")).expect("written")).is_err());
}

#[test]
fn an_encrypted_key_is_opened_by_the_password_of_the_manifest_or_of_the_line() {
    let world = formats();
    world.write("key-pass", "letters\n");
    world.write("wrong", "litters\n");
    world.certgen(["issue", "client", "locked", "--key-password-file", "key-pass"]).run().success();
    let export = |words: &[&str]| {
        world
            .certgen(["export", "locked", "--format", "pkcs12"].into_iter().chain(STORE).chain(words.iter().copied()))
            .run()
    };
    export(&["--out", "a.p12"]).success();
    fs::rename(world.path("key-pass"), world.path("moved")).expect("ours");
    export(&["--out", "b.p12"]).refused().stderr_has("--key-password-file");
    export(&["--out", "b.p12", "--key-password-file", "wrong"]).refused().stderr_has("password does not open");
    export(&["--out", "b.p12", "--key-password-file", "moved"]).success();
    let read =
        |file: &str| keystore::read(&fs::read(world.path(file)).expect("written"), "changeit").expect("it opens");
    let key = |store: &keystore::Store| match &store.entries[0] {
        Entry::Pair { key, .. } => key.to_vec(),
        Entry::Trusted { .. } => panic!("a pair"),
    };
    assert_eq!(key(&read("a.p12")), key(&read("b.p12")));
    // What goes as it stands stays encrypted.
    world.certgen(["export", "locked", "--format", "tar", "--out", "locked.tar"]).run().success();
    let tar = String::from_utf8_lossy(&fs::read(world.path("locked.tar")).expect("written")).into_owned();
    assert!(tar.contains("BEGIN ENCRYPTED PRIVATE KEY") && !tar.contains("BEGIN PRIVATE KEY"));
}

#[test]
fn a_password_comes_from_a_file_and_is_empty_only_where_the_file_is() {
    let world = formats();
    let export = |words: &[&str]| {
        world.certgen(
            ["export", "worker", "--format", "pkcs12", "--out", "x.p12"].into_iter().chain(words.iter().copied()),
        )
    };
    export(&[]).run().refused().stderr_has("--password-file FILE");
    export(&["--password", "changeit"]).run().code(2);
    world.write("line", "\n");
    export(&["--password-file", "line"]).run().refused().stderr_has("first line is empty");
    export(&["--password-file", "absent"]).run().refused().stderr_has("no such file");
    assert!(!world.path("x.p12").exists() && exports(&world).is_empty());
    world.write("empty", "");
    export(&["--password-file", "empty"]).run().success().stderr_has("no password");
    assert!(keystore::read(&fs::read(world.path("x.p12")).expect("written"), "").is_ok());
    let spaced = "p w$x'\"`ä☂";
    export(&["--password-file", "-", "--force"]).stdin(format!("{spaced}\nmore")).run().success();
    assert!(keystore::read(&fs::read(world.path("x.p12")).expect("written"), spaced).is_ok());
}

#[test]
fn what_is_there_is_replaced_only_on_request_and_never_followed() {
    let world = formats();
    world.write("mine", "precious\n");
    std::os::unix::fs::symlink("mine", world.path("link")).expect("ours");
    std::os::unix::fs::symlink("nowhere", world.path("dangling")).expect("ours");
    fs::create_dir(world.path("directory")).expect("ours");
    let export = |out: &str, force: bool| {
        let words = ["export", "worker", "--format", "combined", "--out", out];
        world.certgen(words.into_iter().chain(force.then_some("--force"))).run()
    };
    let before = snapshot(&world.path(""));
    for taken in ["mine", "link", "dangling", "directory"] {
        export(taken, false).refused().stderr_has("exists already").stderr_has("--force");
    }
    export("directory", true).refused().stderr_has("not a regular file");
    export("/dev/null", true).refused().stderr_has("not a regular file");
    export("absent/x", false).refused().stderr_has("no such file");
    export("pki/x", false).refused().stderr_has("would lie in the PKI");
    export("pki/client/worker/client_key.pem", true).refused().stderr_has("would lie in the PKI");
    export("mine/x", false).refused();
    unchanged(&before, &world.path(""), "a refused export changed something");
    let pipe = std::process::Command::new("mkfifo").arg(world.path("pipe")).status();
    assert!(pipe.is_ok_and(|status| status.success()));
    export("pipe", true).refused().stderr_has("not a regular file");
    export("link", true).success();
    assert_eq!(world.read("mine"), "precious\n", "the link was replaced, not followed");
    assert!(fs::symlink_metadata(world.path("link")).expect("written").is_file());
    assert_eq!(mode(&world.path("link")), 0o600);
    fs::set_permissions(world.path("mine"), fs::Permissions::from_mode(0o644)).expect("ours");
    export("mine", true).success();
    assert_eq!(mode(&world.path("mine")), 0o600, "also where the old one was open");
    export("-", true).code(2);
}

#[test]
fn the_command_line_is_refused_where_a_flag_has_no_use() {
    let world = formats();
    let before = snapshot(&world.path(""));
    for (words, why) in [
        ("worker --format pkcs12 --part key", "--part is not for pkcs12"),
        ("worker --format pem --password-file pass", "--password-file is not for pem"),
        ("worker --format pem --key-password-file pass", "--key-password-file"),
        ("worker --format combined --alias x", "--alias"),
        ("worker --format jks --layout directory", "--layout"),
        ("worker --format jks --owner 1:1", "--owner"),
        ("worker --format tar --owner a/b", "owner"),
        ("worker --format tar --namespace x", "--namespace"),
        ("worker --format kubernetes-secret --namespace A_b", "a namespace has"),
        ("worker --format tar --recipient age1x", "--recipient"),
        ("worker --format pem --with celery", "--with"),
        ("worker --format age --with systemd --passphrase-file pass", "not the configuration of a client"),
        ("worker --format age --with selery --passphrase-file pass", "did you mean celery?"),
        ("worker --format age --with celery --with celery --passphrase-file pass", "twice"),
        ("worker --format age --set queue=x --passphrase-file pass", "--set"),
        ("worker --all --format age", "cannot be used"),
        ("--all --format pkcs12 --out x", "--all is written as age"),
        ("--all --format age --force --passphrase-file pass --out x", "--force is not for --all"),
        ("worker --format zip", "zip"),
        ("worker --format pkcs12 --alias= --password-file pass", "--alias"),
        ("authority/root --format pkcs12 --password-file pass", "its key is never exported"),
        ("authority/root --format combined", "its key is never exported"),
        ("authority/root --format pem --part key", "its key is never exported"),
        ("authority/root --format tar", "its key is never exported"),
        ("authority/root --format pem --part bundle", "leave --part out"),
        ("--json worker --format pem", "cannot take both"),
    ] {
        let output = world.certgen(["export"].into_iter().chain(words.split(' '))).run().code(2);
        output.stderr_has(why);
    }
    let node = only_server(&world);
    let output = world.certgen(["export", &node, "--format", "age", "--passphrase-file", "pass"]).run().code(2);
    output.stderr_has("--format tar | age");
    world.certgen(["export", "wroker", "--format", "pem"]).run().code(1).stderr_has("did you mean worker?");
    world.certgen(["export", "authority/rot", "--format", "pem"]).run().code(1).stderr_has("root");
    unchanged(&before, &world.path(""), "a refused export changed something");
}

#[test]
fn a_key_that_is_elsewhere_is_named_with_where() {
    let world = formats();
    world.certgen(["request", "client", "far", "--out", "far"]).run().success();
    world.certgen(["issue", "client", "far", "--csr", "far/request.pem"]).run().success();
    world.certgen(["issue", "client", "out", "--out", "elsewhere"]).run().success();
    world.certgen(["issue", "client", "packed", "--archive", "packed.tar"]).run().success();
    world.certgen(["issue", "client", "lost"]).run().success();
    world.certgen(["issue", "client", "other"]).run().success();
    fs::remove_file(world.pki("client/lost/client_key.pem")).expect("ours");
    fs::copy(world.pki("client/lost/client_certificate.pem"), world.pki("client/other/client_certificate.pem"))
        .expect("ours");
    let before = snapshot(&world.path(""));
    for (name, why) in [
        ("far", "made where the request came from"),
        ("out", "written to another directory"),
        ("packed", "written into an archive"),
        ("lost", "a clone of the repository has no keys"),
        ("other", "is not the key of the certificate beside it"),
    ] {
        for words in
            [&["--format", "combined"][..], &["--format", "pkcs12", "--password-file", "pass"], &["--format", "tar"]]
        {
            let words = ["export", name].into_iter().chain(words.iter().copied()).chain(["--out", "x"]);
            world.certgen(words).run().refused().stderr_has(why);
        }
    }
    unchanged(&before, &world.path(""), "a refused export changed something");
    // Its certificate is here, and no secret.
    world.certgen(["export", "far", "--format", "pem"]).run().success().stdout_has("BEGIN CERTIFICATE");
    // What is wrong with a certificate is said, and does not keep its owner from having it.
    world.certgen(["revoke", "worker"]).run().success();
    world.certgen(["export", "worker", "--format", "combined"]).run().success().stderr_has("is revoked");
    let late = world.certgen(["export", "client/lost", "--format", "pem"]).at("2031-01-01T00:00:00Z").run();
    late.success().stderr_has("has expired");
}

#[test]
fn names_that_mean_something_elsewhere_stay_names() {
    let world = formats();
    for (number, name) in
        ["$(id)", "a b", "../../evil", "a/b", "-x", "--out", "o'brien \"x\"", "é😀", "%2e%2e"].into_iter().enumerate()
    {
        world.certgen(["issue", "client", "--", name]).run().success();
        let (p12, tar) = (format!("{number}.p12"), format!("{number}.tar"));
        let named = format!("client/{name}");
        world.certgen(["export", &named, "--format", "pkcs12", "--out", &p12].into_iter().chain(STORE)).run().success();
        let store = keystore::read(&fs::read(world.path(&p12)).expect("written"), "changeit").expect("it opens");
        assert_eq!(store.entries[0].alias(), Some(name));
        world.certgen(["export", &named, "--format", "tar", "--out", &tar]).run().success();
        let bytes = fs::read(world.path(&tar)).expect("written");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let paths =
            archive.entries().expect("a tar file").map(|e| e.expect("whole").path().expect("a path").into_owned());
        let tops: std::collections::BTreeSet<_> =
            paths.map(|path| path.components().next().map(|c| c.as_os_str().to_owned())).collect();
        assert_eq!(tops.len(), 1, "{name}: {tops:?}");
        assert!(tops.iter().flatten().all(|top| top != ".." && top != "/"), "{name}: {tops:?}");
        let yaml = world.certgen(["export", &named, "--format", "kubernetes-secret"]).run().success().stdout;
        let object = yaml.lines().find_map(|line| line.strip_prefix("  name: ")).expect("a name");
        let is_label = object.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        assert!(is_label && object.starts_with("client-"), "{name}: {object}");
    }
    check(&world.pki(""));
}

#[test]
fn a_secret_is_the_one_that_emit_makes() {
    let world = World::initialised(["--profile", "kubernetes"]);
    world.certgen(["issue", "client", "a_worker", "--vhost", "/", "--access", "all"]).run().success();
    let emitted = world.certgen(["emit", "kubernetes", "--with-keys", "--out", "-"]).run().success().stdout;
    let mut compared = 0;
    for role in ["node", "client"] {
        for entry in fs::read_dir(world.pki(role)).expect("issued").flatten() {
            let name = format!("{role}/{}", entry.file_name().to_string_lossy());
            let export = ["export", &name, "--format", "kubernetes-secret"];
            let text = world.certgen(export).run().success().stdout;
            let (head, object) = text.split_once("---\n").expect("a document");
            assert!(head.lines().all(|line| line.starts_with('#')), "{head}");
            assert!(emitted.contains(&format!("---\n{object}")), "{name}:\n{object}\nis none of\n{emitted}");
            assert!(object.contains("type: kubernetes.io/tls\n") && object.contains("\n  namespace: "), "{object}");
            let elsewhere = world.certgen(export.into_iter().chain(["--namespace", "apps"])).run().success();
            elsewhere.stdout_has("\n  namespace: apps\n");
            compared += 1;
        }
    }
    assert!(compared > 1);
    // Without a cluster there is a name, no namespace, and those whom it trusts.
    let plain = World::initialised(["--profile", "basic"]);
    plain.certgen(["issue", "client", "app"]).run().success();
    let server = only_server(&plain);
    for (name, object) in [("client/app", "client-app"), (&server, "-tls")] {
        let text = plain.certgen(["export", name, "--format", "kubernetes-secret"]).run().success().stdout;
        assert!(text.contains(object) && text.contains("\n  ca.crt: |\n") && !text.contains("namespace"), "{text}");
    }
}

/// Java up to 17 opens no PKCS#12 whose password is not ASCII, whatever `keytool` is given; a JKS it does.
#[test]
fn a_password_that_java_cannot_type_is_told() {
    let world = formats();
    world.write("umlaut", "schlüssel\n");
    for (format, is_told) in [
        ("pkcs12", true),
        ("p12", true),
        ("pkcs12-legacy", true),
        ("truststore-pkcs12", true),
        ("jks", false),
        ("truststore-jks", false),
    ] {
        let export = ["export", "worker", "--format", format, "--password-file", "umlaut", "--out", "x", "--force"];
        let said = world.certgen(export).run().success();
        assert_eq!(said.stderr.contains("the password is not ASCII"), is_told, "{}", said.transcript());
        let export = ["export", "worker", "--format", format, "--password-file", "pass", "--out", "x", "--force"];
        let said = world.certgen(export).run().success();
        assert!(!said.stderr.contains("ASCII"), "{}", said.transcript());
    }
}

#[test]
fn a_password_that_cannot_be_read_is_called_a_password() {
    let world = formats();
    world.write("empty-line", "\n");
    for format in ["pkcs12", "combined"] {
        for (file, why) in [("nope", "nope: no such file"), (".", "it is a directory"), ("empty-line", "is empty")] {
            let export = ["export", "worker", "--format", format, "--password-file", file, "--out", "x"];
            world.certgen(export).run().refused().stderr_has("reading the password from").stderr_has(why);
        }
    }
}
