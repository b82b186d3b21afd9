//! `certgen fixtures`: what it writes, where, and what it refuses. Whether the verdicts are true is asked in `interop`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use certgen::keystore::{self, Entry};
use serde_json::Value;

use crate::support::World;
use crate::support::invariants::{snapshot, unchanged};

const SEEDED: [&str; 3] = ["fixtures", "--seed", "tests"];
const AT: &str = "2026-03-01T00:00:00Z";
/// Two cases, for tests that are about something else.
const FEW: [&str; 4] = ["fixtures", "made", "--only", "expired,unknown-ca-client"];

fn index(world: &World, directory: &str) -> Value {
    serde_json::from_str(&world.read(format!("{directory}/index.json"))).expect("the index is JSON")
}

/// Every file below a directory, relative to it, with mode and content.
fn files(world: &World, directory: &str) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let root = world.path(directory);
    let below = |path: PathBuf| path.strip_prefix(&root).expect("below it").to_path_buf();
    snapshot(&root).into_iter().map(|(path, facts)| (below(path), facts)).collect()
}

/// Every file that an index names.
fn named(index: &Value) -> BTreeSet<PathBuf> {
    let items = index["items"].as_array().expect("it has items").iter().map(|item| &item["files"]);
    let all = items.chain([&index["files"]]).filter_map(Value::as_object).flatten();
    let paths = all.map(|(_, path)| PathBuf::from(path.as_str().expect("a path is a text")));
    paths.chain(["index.json".into()]).collect()
}

#[test]
fn the_index_names_every_file_and_only_secrets_are_private() {
    let world = World::new();
    world.write("password", "correct horse\n");
    let run = ["fixtures", "made", "--with", "pkcs12,jks", "--password-file", "password", "--broker", "--allow-file"];
    let output = world.certgen(run).run().success();
    output.stdout_has("made  ").stdout_has(" cases in ").stderr_has("made/index.json says what each of them is");
    let (index, files) = (index(&world, "made"), files(&world, "made"));
    assert_eq!(named(&index), files.keys().cloned().collect());
    for (path, (mode, bytes)) in &files {
        let text = String::from_utf8_lossy(bytes);
        let is_secret = text.contains("PRIVATE KEY-----")
            || text.contains("password_hash")
            || [".p12", ".jks", "password.txt"].iter().any(|end| path.to_string_lossy().ends_with(end));
        assert_eq!(*mode, if is_secret { 0o600 } else { 0o644 }, "{}", path.display());
    }
    let cases = index["items"].as_array().expect("it has items");
    assert!(cases.len() >= 50, "{} cases", cases.len());
    for case in cases {
        for key in ["case", "role", "subject", "standing", "summary", "section"] {
            assert!(case[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {case}");
        }
        assert!(case["verdicts"].as_object().is_some_and(|verdicts| !verdicts.is_empty()), "{case}");
        for path in case["files"].as_object().expect("it has files").values() {
            let path = path.as_str().expect("a path is a text");
            assert!(path.starts_with(&format!("{}/", case["case"].as_str().expect("a name"))), "{path}");
        }
    }
    let expired = cases.iter().find(|case| case["case"] == "expired").expect("it is there");
    assert_eq!(expired["verdicts"]["openssl-3.0"]["text"], "certificate has expired");
    assert_eq!(expired["host"], "localhost");
    let erlang = &expired["verdicts"]["erlang-29"];
    assert!(erlang["verdict"] == "refused" && erlang["run"] == false, "{erlang}");
}

#[test]
fn a_seed_gives_the_same_bytes_everywhere() {
    let world = World::new();
    world.write("password", "correct horse\n");
    let more = ["--with", "pkcs12,jks", "--password-file", "password", "--broker"];
    let make = |directory: &str, seed: &str| {
        let args = ["fixtures", directory, "--seed", seed].into_iter().chain(more);
        world.certgen(args).at(AT).run().success().stderr_has("whoever knows the seed can make them");
        files(&world, directory)
    };
    let first = make("one", "tests");
    assert_eq!(first, make("elsewhere/two", "tests"));
    let other = make("three", "test");
    let keys = |files: &BTreeMap<PathBuf, (u32, Vec<u8>)>| -> BTreeSet<Vec<u8>> {
        let keys = files.iter().filter(|(path, _)| path.ends_with("key.pem") && path.starts_with("expired"));
        keys.map(|(_, (_, bytes))| bytes.clone()).collect()
    };
    assert!(keys(&first).is_disjoint(&keys(&other)));
    // A later moment gives the same keys and other dates.
    world.certgen(SEEDED.into_iter().chain(["later", "--only", "expired"])).at("2027-03-01").run().success();
    let later = files(&world, "later");
    assert_eq!(later[Path::new("expired/key.pem")], first[Path::new("expired/key.pem")]);
    assert_ne!(later[Path::new("expired/chain.pem")], first[Path::new("expired/chain.pem")]);
    assert_eq!(index(&world, "later")["at"], "2027-03-01T00:00:00Z");
    // Without a seed nothing comes twice.
    for directory in ["four", "five"] {
        world.certgen(["fixtures", directory, "--only", "expired"]).at(AT).run().success();
    }
    assert!(keys(&files(&world, "four")).is_disjoint(&keys(&files(&world, "five"))));
}

#[test]
fn some_cases_are_the_same_as_among_all() {
    let world = World::new();
    world.certgen(SEEDED.into_iter().chain(["all"])).at(AT).run().success();
    let some = ["some", "--only", "revoked,expired", "--only", "expired"];
    world.certgen(SEEDED.into_iter().chain(some)).at(AT).run().success().stdout_has("made  2 cases");
    let (all, some) = (files(&world, "all"), files(&world, "some"));
    for (path, file) in some.iter().filter(|(path, _)| !path.ends_with("index.json")) {
        assert_eq!(Some(file), all.get(path), "{}", path.display());
    }
    let index = index(&world, "some");
    let names: Vec<_> = index["items"].as_array().expect("items").iter().map(|item| &item["case"]).collect();
    assert_eq!(names, ["expired", "revoked"], "in the order of the catalogue");
}

#[test]
fn an_unknown_case_is_named_with_the_nearest() {
    let world = World::new();
    for what in ["made", "--list"] {
        let run = |only: &str| world.certgen(["fixtures", "--only", only, what]).run().code(2);
        run("expird").stderr_has("there is no case \"expird\"").stderr_has("did you mean expired?");
        run("expired,nothing-like-it").stderr_has("certgen fixtures --list");
        run("\u{1b}[2J\n").stderr_has("\\u{1b}");
        run("");
    }
    assert!(!world.path("made").exists());
}

#[test]
fn the_list_says_what_there_is() {
    let world = World::new();
    let list = world.certgen(["fixtures", "--list"]).run().success();
    list.stdout_has("expired").stdout_has("RFC 5280 4.1.2.5");
    let some =
        world.certgen(["--json", "fixtures", "--list", "--only", "expired,good-root-node"]).run().success().json();
    let items = some["items"].as_array().expect("items");
    assert_eq!((items.len(), &some["version"]), (2, &1.into()));
    assert_eq!((&items[0]["case"], &items[0]["role"]), (&"good-root-node".into(), &"node".into()));
    assert_eq!(items[1]["verdicts"]["go"]["verdict"], "refused");
    assert!(items[1].get("files").is_none(), "nothing was made");
    world.certgen(["fixtures"]).run().code(2).stderr_has("DIR");
    world.certgen(["fixtures", "made", "--list"]).run().code(2);
    let made = world.certgen(FEW.into_iter().chain(["--json"])).run().success().json();
    assert_eq!(made["items"][0]["files"]["chain"], "expired/chain.pem");
    assert_eq!(made["items"], index(&world, "made")["items"]);
}

#[test]
fn hosts_are_those_that_were_named() {
    let world = World::new();
    let names = ["fixtures", "made", "--only", "expired", "--name", "rabbit.test", "10.0.0.7", "--name", "fe80::1"];
    world.certgen(names).run().success();
    let index = index(&world, "made");
    assert_eq!(index["names"], serde_json::json!(["rabbit.test", "10.0.0.7", "fe80::1"]));
    assert_eq!(index["items"][0]["host"], "rabbit.test");
    let told = world.certgen(["inspect", "made/expired/certificate.pem"]).run().success();
    told.stdout_has("rabbit.test").stdout_has("10.0.0.7").stdout_has("fe80::1");
    let long = "a.".repeat(200);
    for bad in
        ["", "a b", "-", "a/b", "\u{1b}[2J", "a\nb", "amqp://x", "a@b", "*.*", "a..b", &long, "10.0.0.300", "a,,b"]
    {
        let args = ["fixtures", "bad", "--only", "expired", "--name", bad];
        let output = world.certgen(args).run().code(2);
        assert!(!output.stderr.contains('\u{1b}'), "{bad:?}");
        assert!(!world.path("bad").exists(), "{bad:?}");
    }
    for at in ["1950-01-01", "9999-12-31"] {
        world.certgen(["fixtures", "bad"]).at(at).run().code(2).stderr_has("calendar");
    }
}

#[test]
fn a_directory_is_new_or_empty_or_ours() {
    let world = World::new();
    world.write("file", "mine\n");
    world.write("full/notes", "mine\n");
    world.write("foreign/index.json", "{\"version\":1}\n");
    symlink("nowhere", world.path("dangling")).expect("a world is writable");
    let before = snapshot(&world.path(""));
    let make = |directory: &str, force: bool| {
        let force = force.then_some("--force");
        world.certgen(["fixtures", directory, "--only", "expired"].into_iter().chain(force)).run()
    };
    for force in [false, true] {
        make("file", force).refused().stderr_has("not a directory");
        make("full", force).refused().stderr_has("it is not empty");
        make("foreign", force).refused().stderr_has("was not written by certgen fixtures");
        make("file/below", force).refused();
        make("dangling", force).refused();
        make("", force).code(2);
    }
    unchanged(&before, &world.path(""), "a refusal wrote something");
    // Empty ones, also through a link, from within, and with a mode of their own.
    for name in ["empty", "target", "here"] {
        fs::create_dir(world.path(name)).expect("a world is writable");
        fs::set_permissions(world.path(name), fs::Permissions::from_mode(0o700)).expect("it is ours");
    }
    symlink("target", world.path("link")).expect("a world is writable");
    for name in ["empty", "link"] {
        make(name, false).success();
        let mode = fs::metadata(world.path(name)).expect("it is there").permissions().mode() & 0o7777;
        assert_eq!(mode, 0o700, "{name}");
    }
    assert!(world.path("link").is_symlink() && world.path("target/index.json").exists());
    let here = world.path("here").display().to_string();
    let inside = |force: &'static [&'static str]| {
        let run = world.certgen(["fixtures", ".", "--only", "expired"].iter().chain(force));
        run.under(["env", "-C", &here]).run()
    };
    inside(&[]).success().stderr_has("index.json says");
    inside(&[]).refused().stderr_has("there are fixtures already").stderr_has("--force");
    inside(&["--force"]).success();
    assert_eq!(named(&index(&world, "here")), files(&world, "here").keys().cloned().collect());
    // Ours are replaced, but nothing that somebody put among them.
    make("empty", false).refused().stderr_has("--force");
    world.write("empty/expired/notes", "mine\n");
    make("empty", true).refused().stderr_has("expired/notes is none of the fixtures");
    fs::remove_file(world.path("empty/expired/notes")).expect("it is ours");
    let old = world.read("empty/expired/key.pem");
    world.certgen(["fixtures", "empty", "--only", "expired,unknown-ca", "--force"]).run().success();
    assert_ne!(world.read("empty/expired/key.pem"), old);
    world.certgen(["fixtures", "empty", "--only", "revoked", "--force"]).run().success();
    assert!(!world.path("empty/expired").exists(), "the old ones are gone");
    let left: Vec<_> = fs::read_dir(world.path("")).expect("a world can be listed").flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().as_bytes().starts_with(b".")), "{left:?}");
}

#[test]
fn hostile_directories() {
    let world = World::new();
    for name in ["a b", "-x/ü", "$HOME", "it's \"x\"", "a=b", "line\nend", "\u{1b}[2J", "..."] {
        let path = format!("./{name}");
        let allow = world.certgen(["fixtures", "--only", "expired", "--allow-file", &path]).run();
        if name.chars().any(char::is_control) {
            allow.refused().stderr_has("control character");
            assert!(!world.path(name).exists(), "{name:?}");
        } else {
            allow.success();
        }
        let output = world.certgen(["fixtures", "--only", "expired", "--broker", "--force", &path]).run().success();
        assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'), "{name:?}");
        assert!(world.path(name).join("index.json").exists(), "{name:?}");
    }
    let bytes = OsStr::from_bytes(b"\xff\xfe");
    let args = [OsStr::new("fixtures"), OsStr::new("--only"), OsStr::new("expired"), bytes];
    world.certgen(args).run().success();
    assert!(world.path(bytes).join("index.json").exists());
    let refused =
        world.certgen(args.iter().copied().chain(["--env", "env", "--force"].map(OsStr::new))).run().refused();
    refused.stderr_has("is not UTF-8");
    let long = "n".repeat(300);
    world.certgen(["fixtures", &long, "--only", "expired"]).run().refused();
    fs::create_dir(world.path("closed")).expect("a world is writable");
    fs::set_permissions(world.path("closed"), fs::Permissions::from_mode(0o555)).expect("it is ours");
    // Root writes everywhere; somebody else does not.
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let run = world.certgen(["fixtures", "closed/made", "--only", "expired"]);
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    let run = if is_root { run.under(other) } else { run };
    run.run().refused().stderr_has("permission denied");
    assert_eq!(fs::read_dir(world.path("closed")).expect("it can be listed").count(), 0);
}

#[test]
fn it_is_there_whole_or_not_at_all() {
    let world = World::new();
    let mut finished = 0;
    for wait in (0..40).map(|n| Duration::from_millis(n * 12)) {
        let mut child = world.certgen(["fixtures", "made", "--force"]).start();
        std::thread::sleep(wait);
        let _ = child.kill();
        finished += usize::from(child.wait().is_ok_and(|status| status.success()));
        if world.path("made").exists() {
            assert_eq!(
                named(&index(&world, "made")),
                files(&world, "made").keys().cloned().collect(),
                "after {wait:?}"
            );
        }
    }
    world.certgen(["fixtures", "made", "--force"]).run().success();
    println!("{finished} of 40 were done before they were killed");
    // An empty one may be of anybody who begins just now; what was in the others is gone.
    let left = files(&world, "").into_keys().filter(|path| !path.starts_with("made")).collect::<Vec<_>>();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn eight_runs_at_once_wait_for_each_other() {
    let world = World::new();
    let all = |force: &[&str]| -> Vec<bool> {
        let start = |_| world.certgen(FEW.iter().chain(force)).start();
        let children: Vec<_> = (0..8).map(start).collect();
        children.into_iter().map(|mut child| child.wait().expect("it ends").success()).collect()
    };
    assert_eq!(all(&[]).iter().filter(|made| **made).count(), 1, "the others find fixtures there");
    assert_eq!(all(&["--force"]), [true; 8]);
    assert_eq!(named(&index(&world, "made")), files(&world, "made").into_keys().collect());
}

#[test]
fn an_empty_seed_is_no_seed() {
    let world = World::new();
    for seed in ["", " ", "\n"] {
        let output = world.certgen(FEW.iter().chain(&["--seed", seed])).run().code(2);
        output.stderr_has("the seed is empty").stderr_has("leave out --seed");
    }
    assert!(!world.path("made").exists());
}

#[test]
fn variables_for_the_steps_that_come_after() {
    let world = World::new();
    world.write("env", "BEFORE=1");
    world.certgen(FEW.into_iter().chain(["--env", "env"])).run().success();
    let text = world.read("env");
    let made = world.path("made").display().to_string();
    assert!(text.starts_with(&format!("BEFORE=1\nFIXTURES_DIR={made}\n")), "{text}");
    let names = named(&index(&world, "made"));
    let mut keys = BTreeSet::new();
    for line in text.lines().skip(2) {
        let (key, path) = line.split_once('=').expect("a line is KEY=PATH");
        assert!(
            key.starts_with("FIXTURES_")
                && key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        );
        assert!(keys.insert(key.to_owned()), "{key} comes twice");
        assert!(names.contains(Path::new(path).strip_prefix(&made).expect("an absolute path")), "{line}");
    }
    assert_eq!(keys.len(), names.len());
    assert!(keys.contains("FIXTURES_EXPIRED_CHAIN_PEM") && keys.contains("FIXTURES_INDEX_JSON"), "{keys:?}");
    // What cannot be written is known before anything is made, and a bad path too.
    fs::create_dir(world.path("directory")).expect("a world is writable");
    for env in ["directory", "/dev/null", "absent/env"] {
        world.certgen(["fixtures", "other", "--only", "expired", "--env", env]).run().refused();
    }
    let evil = world.certgen(["fixtures", "a\nPATH=/evil", "--only", "expired", "--env", "env"]).run().refused();
    evil.stderr_has("control character");
    assert!(!world.path("other").exists() && !world.path("a\nPATH=/evil").exists());
    assert_eq!(world.read("env"), text);
    // Every key of the whole catalogue is another one.
    world.certgen(["fixtures", "all", "--broker", "--allow-file", "--env", "all.env"]).run().success();
    let all = world.read("all.env");
    let keys: BTreeSet<_> = all.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key).collect();
    assert_eq!(keys.len(), all.lines().count());
}

#[test]
fn key_stores_hold_the_pair_and_the_bundle() {
    let world = World::new();
    world.write("password", "correct horse\nsecond line\n");
    world.write("short", "five5\n");
    let with = |kinds: &str, file: &str| {
        world.certgen(["fixtures", "made", "--force", "--with", kinds, "--password-file", file]).run()
    };
    with("pkcs12,jks", "password").success();
    let read = |path: &str| {
        let bytes = fs::read(world.path(format!("made/{path}"))).expect("it was made");
        keystore::read(&bytes, "correct horse").unwrap_or_else(|e| panic!("{path}: {e}")).entries
    };
    let index = index(&world, "made");
    for item in index["items"].as_array().expect("items") {
        let case = item["case"].as_str().expect("a name");
        for (kind, extension) in [("pkcs12", "p12"), ("jks", "jks")] {
            let Some(store) = item["files"][format!("keystore_{extension}")].as_str() else {
                assert!(item["subject"] == "key-store", "{case} has no {kind}");
                continue;
            };
            let pair = read(store);
            assert!(matches!(&pair[0], Entry::Pair { chain, .. } if !chain.is_empty()), "{case}: {pair:?}");
            assert_eq!(pair[0].alias(), Some("certgen"));
            let trust = read(&format!("{case}/truststore.{extension}"));
            assert!(!trust.is_empty() && trust.iter().all(|entry| matches!(entry, Entry::Trusted { .. })), "{case}");
        }
    }
    with("jks", "short").refused().stderr_has("too short for Java");
    with("pkcs12", "short").success();
    with("pkcs12", "absent").refused().stderr_has("absent");
    with("zip", "password").code(2).stderr_has("pkcs12");
    for wrong in [["--with", "jks"], ["--password-file", "password"]] {
        world.certgen(["fixtures", "other"].into_iter().chain(wrong)).run().code(2);
    }
    assert!(!world.path("other").exists());
    let secret = |text: &str| assert!(!text.contains("correct horse"), "{text}");
    secret(&world.read("made/index.json"));
}

#[test]
fn a_broker_knows_the_good_clients() {
    let world = World::new();
    world.certgen(["fixtures", "made", "--broker"]).run().success();
    let definitions: Value = serde_json::from_str(&world.read("made/broker/definitions.json")).expect("it is JSON");
    let users: Vec<_> = definitions["users"].as_array().expect("users").iter().map(|user| &user["name"]).collect();
    assert_eq!(users, ["good-root-client", "good-one-intermediate-client", "good-two-intermediates-client"]);
    assert!(definitions["users"].as_array().expect("users").iter().all(|user| user["password_hash"] == ""));
    assert!(world.read("made/broker/enabled_plugins").contains("rabbitmq_auth_mechanism_ssl"));
    let conf = world.read("made/broker/rabbitmq.conf");
    assert!(conf.contains("ssl_options.certfile = /etc/rabbitmq/certs/combined_keys.pem"), "{conf}");
    let combined = world.read("made/broker/certs/combined_keys.pem");
    assert!(combined.contains("BEGIN CERTIFICATE") && combined.contains("BEGIN PRIVATE KEY"));
    let verify = ["verify", "made/broker/certs/combined_keys.pem", "--bundle", "made/good-root-server/ca_bundle.pem"];
    world.certgen(verify.into_iter().chain(["--name", "localhost", "--purpose", "server"])).run().success();
    let client = ["verify", "made/good-one-intermediate-client/chain.pem", "--purpose", "client", "--bundle"];
    world.certgen(client.into_iter().chain(["made/broker/certs/ca_certificate.pem"])).run().success();
    // What the broker cannot be without comes with it.
    world.certgen(["fixtures", "few", "--broker", "--only", "expired-client"]).run().success();
    let index = index(&world, "few");
    let names: Vec<_> = index["items"].as_array().expect("items").iter().map(|item| &item["case"]).collect();
    assert_eq!(names, ["good-root-server", "good-root-client", "expired-client"]);
}

#[test]
fn scanners_are_told_what_is_there() {
    let world = World::new();
    world.certgen(["fixtures", "a/made", "--only", "expired,pkcs12-modern", "--allow-file"]).run().success();
    let list = world.read("a/made/.gitleaksignore");
    assert!(list.contains("\na/made/expired/key.pem:private-key:1\n"), "{list}");
    assert!(list.contains("\na/made/pkcs12-modern/keystore.p12:pkcs12-file:0\n"), "{list}");
    let baseline: Value = serde_json::from_str(&world.read("a/made/.secrets.baseline")).expect("it is JSON");
    assert_eq!(baseline["results"]["a/made/expired/key.pem"][0]["type"], "Private Key");
    assert!(world.read("a/made/trufflehog-exclude.txt").ends_with("\n(^|/)a/made/\n"));
    // Where the directory is the one that is scanned, or lies elsewhere.
    fs::create_dir(world.path("here")).expect("a world is writable");
    let args = ["fixtures", ".", "--only", "expired", "--allow-file"];
    world.certgen(args).under(["env".as_ref(), "-C".as_ref(), world.path("here").as_os_str()]).run().success();
    assert!(world.read("here/.gitleaksignore").contains("\nexpired/key.pem:private-key:1\n"));
    assert!(world.read("here/trufflehog-exclude.txt").ends_with("\n.\n"));
}
