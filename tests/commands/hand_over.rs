//! `export` of what travels: a tar file for a broker's host, and a sealed hand-over that `import --out` opens.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use crate::support::World;
use crate::support::invariants::{check, snapshot, unchanged};

const NOON: &str = "2026-11-22T12:00:00Z";
const RECIPIENT: &str = "age19gwfv202fqaj3a8g620semw0kkvd6rh3xht0npx94e2h5ff5dsjsnctugp";
const IDENTITY: &str = "AGE-SECRET-KEY-10QSFKLCYDJNADCCKVK2RH9698NLLHSV45T2Q0JXXD7UEXA2DR2RSM4ML79\n";

fn celery() -> World {
    let world = World::new();
    world.write("identity", IDENTITY);
    world.certgen(["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"]).at(NOON).run().success();
    world
}

/// One member of a tar file.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    mode: u32,
    owner: String,
    mtime: u64,
    bytes: Vec<u8>,
}

fn members(bytes: &[u8]) -> BTreeMap<String, Member> {
    let mut archive = tar::Archive::new(bytes);
    let mut found = BTreeMap::new();
    for entry in archive.entries().expect("a tar file") {
        let mut entry = entry.expect("whole");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("whole");
        let header = entry.header();
        let party = |name: Option<&str>, number: u64| match name.filter(|name| !name.is_empty()) {
            Some(name) => name.to_owned(),
            None => number.to_string(),
        };
        let user = party(header.username().expect("a name"), header.uid().expect("a number"));
        let group = party(header.groupname().expect("a name"), header.gid().expect("a number"));
        let member = Member {
            mode: header.mode().expect("a mode"),
            owner: format!("{user}:{group}"),
            mtime: header.mtime().expect("a time"),
            bytes,
        };
        found.insert(entry.path().expect("a path").display().to_string(), member);
    }
    found
}

/// A tar file as it comes on standard output.
#[track_caller]
fn tar_of(world: &World, words: &[&str]) -> BTreeMap<String, Member> {
    let out = fs::File::create(world.path("stream.tar")).expect("a world is writable");
    let export = ["export"].into_iter().chain(words.iter().copied()).chain(["--format", "tar"]);
    world.certgen(export).at("2026-11-25T08:00:00Z").stdout(out.into()).run().success();
    members(&fs::read(world.path("stream.tar")).expect("written"))
}

#[test]
fn a_node_s_files_have_the_paths_owner_and_modes_of_their_host() {
    let world = celery();
    let found = tar_of(&world, &["node/rabbit.example.com", "--owner", "999:101"]);
    let mtime = 1_795_593_600;
    assert!(found.values().all(|m| m.owner == "999:101" && m.mtime == mtime), "{:?}", found.values().next());
    let modes: Vec<(&str, u32)> = found.iter().map(|(path, member)| (path.as_str(), member.mode)).collect();
    let wanted = [
        ("etc/rabbitmq/", 0o755),
        ("etc/rabbitmq/certs/", 0o750),
        ("etc/rabbitmq/certs/ca_certificate.pem", 0o644),
        ("etc/rabbitmq/certs/combined_keys.pem", 0o600),
        ("etc/rabbitmq/certs/inter_node_ca_certificate.pem", 0o644),
        ("etc/rabbitmq/certs/server_certificate.pem", 0o644),
        ("etc/rabbitmq/certs/server_key.pem", 0o600),
        ("etc/rabbitmq/definitions.json", 0o600),
        ("etc/rabbitmq/enabled_plugins", 0o644),
        ("etc/rabbitmq/inter_node_tls.config", 0o644),
        ("etc/rabbitmq/rabbitmq-env.conf", 0o644),
        ("etc/rabbitmq/rabbitmq.conf", 0o644),
    ];
    assert_eq!(modes, wanted);
    for (path, member) in found.iter().filter(|(path, _)| !path.ends_with('/')) {
        let below = path.strip_prefix("etc/rabbitmq/").expect("there");
        let source = match below.strip_prefix("certs/") {
            Some(file) => format!("node/rabbit.example.com/{file}"),
            None => format!("rabbitmq/{below}"),
        };
        assert_eq!(member.bytes, fs::read(world.pki(source)).expect("there"), "{path}");
    }
    // Every path that the configuration names is in it.
    let conf = world.read("pki/rabbitmq/rabbitmq.conf") + &world.read("pki/rabbitmq/inter_node_tls.config");
    let quoted = conf.split(['"', ' ', '\n']).filter(|word| word.starts_with("/etc/rabbitmq/"));
    let named: Vec<&str> = quoted.collect();
    assert!(named.len() > 4, "{conf}");
    for path in named {
        assert!(found.contains_key(&path[1..]), "{path} is named and not there");
    }
    // Who has it is in the log, and nothing else changed.
    let log = world.certgen(["--json", "log", "node/rabbit.example.com"]).run().success().json();
    let last = log["items"].as_array().and_then(|items| items.last().cloned()).expect("events");
    assert_eq!((&last["action"], &last["path"]), (&"exported".into(), &"-".into()), "{last}");
    check(&world.pki(""));

    let by_name = tar_of(&world, &["rabbit.example.com"]);
    assert!(by_name.values().all(|member| member.owner == "rabbitmq:rabbitmq"));
    let plain = tar_of(&world, &["rabbit.example.com", "--layout", "directory", "--owner", "app"]);
    assert!(plain.keys().all(|path| path.starts_with("rabbit.example.com/")), "{:?}", plain.keys());
    assert!(plain.values().all(|member| member.owner == "app:app"));
    let client = tar_of(&world, &["celery_worker"]);
    assert_eq!(client["celery_worker/client_key.pem"].mode, 0o600);
    assert_eq!(client["celery_worker/client_key.pem"].owner, "0:0");
}

#[test]
fn a_tar_file_follows_the_manifest() {
    let world = World::new();
    world.write(
        "pki/certgen.toml",
        "version = 1\n[authority.root]\n[node.\"r.example\"]\nkey_mode = \"0640\"\n[server.ui]\n[server.alone]\n\
         [broker]\ncertificate = \"node/r.example\"\nrevocation = true\n\
         certs_dir = \"/srv/tls\"\nconfig_dir = \"/opt/rabbit/etc\"\n[broker.management]\ncertificate = \"server/ui\"\n",
    );
    world.certgen(["apply"]).at(NOON).run().success();
    let found = tar_of(&world, &["r.example"]);
    assert_eq!(found["srv/tls/server_key.pem"].mode, 0o640);
    assert_eq!(found["srv/tls/"].mode, 0o750);
    assert_eq!(found["srv/tls/management/server_key.pem"].mode, 0o600);
    assert_eq!((found["opt/rabbit/etc/"].mode, found["opt/rabbit/etc/crls/"].mode), (0o755, 0o755));
    assert!(
        found.keys().any(|path| path.starts_with("opt/rabbit/etc/crls/") && path.ends_with(".r0")),
        "{:?}",
        found.keys()
    );
    assert!(!found.keys().any(|path| path.ends_with(".password") || path.contains("definitions.d")));
    assert!(
        !found.keys().any(|path| ["srv/", "opt/", "opt/rabbit/"].contains(&path.as_str())),
        "directories of others"
    );
    // What no broker shows goes nowhere by itself.
    let alone = ["export", "server/alone", "--format", "tar"];
    world.certgen(alone.into_iter().chain(["--layout", "etc-rabbitmq"])).run().refused().stderr_has("no broker");
    assert!(tar_of(&world, &["server/alone"]).contains_key("alone/server_key.pem"));
    // A file that somebody edited is what the broker has, and what is beside it is not.
    let conf = world.read("pki/rabbitmq/rabbitmq.conf") + "# mine\n";
    world.write("pki/rabbitmq/rabbitmq.conf", &conf);
    world.write("pki/rabbitmq/rabbitmq.conf.new", "new\n");
    let output = world.certgen(["export", "r.example", "--format", "tar", "--out", "n.tar"]).run().success();
    output.stderr_has("rabbitmq.conf.new was left out");
    let found = members(&fs::read(world.path("n.tar")).expect("written"));
    assert_eq!(found["opt/rabbit/etc/rabbitmq.conf"].bytes, conf.as_bytes());
    assert!(!found.contains_key("opt/rabbit/etc/rabbitmq.conf.new"));
    fs::remove_file(world.pki("rabbitmq/rabbitmq.conf")).expect("ours");
    let output = world.certgen(["export", "r.example", "--format", "tar", "--out", "x.tar"]).run().refused();
    output.stderr_has("certgen emit rabbitmq");
}

#[test]
fn a_hand_over_is_opened_as_it_was_packed() {
    let world = celery();
    let seal = ["--recipient", RECIPIENT, "--out", "worker.age"];
    let export = ["export", "celery_worker", "--format", "age", "--with", "celery", "--with", "openssl"];
    let output = world.certgen(export.into_iter().chain(seal)).run().success();
    output.stdout_has("exported  client/celery_worker  worker.age").stderr_has("certgen request client celery_worker");
    assert_eq!(fs::metadata(world.path("worker.age")).expect("written").permissions().mode() & 0o7777, 0o600);
    let log = world.certgen(["--json", "log", "celery_worker"]).run().success().json();
    let last = log["items"].as_array().and_then(|items| items.last().cloned()).expect("events");
    assert_eq!((&last["action"], &last["recipients"]), (&"exported".into(), &serde_json::json!([RECIPIENT])), "{last}");
    check(&world.pki(""));

    // Where the client runs there is no PKI.
    let there = World::new();
    there.write("key.txt", IDENTITY);
    fs::copy(world.path("worker.age"), there.path("worker.age")).expect("ours");
    let open =
        |words: &[&str]| there.certgen(["import", "worker.age", "--identity", "key.txt"].iter().chain(words)).run();
    let output = open(&["--out", "etc/worker", "--dry-run"]).success();
    output.stdout_has("would open ").stderr_has("nothing was written");
    assert!(!there.path("etc/worker").exists());
    let items = open(&["--out", "etc/worker", "--json"]).success().json();
    assert_eq!(items["items"].as_array().map(Vec::len), Some(8), "{items}");
    assert!(!there.path("pki").exists());
    for file in ["ca_certificate.pem", "client_certificate.pem", "client_key.pem"] {
        assert_eq!(there.read(format!("etc/worker/{file}")), world.read(format!("pki/client/celery_worker/{file}")));
    }
    let mode = |path: &str| fs::metadata(there.path(path)).expect("written").permissions().mode() & 0o7777;
    assert_eq!((mode("etc/worker"), mode("etc/worker/client_key.pem")), (0o700, 0o600));
    let page = there.read("etc/worker/README.txt");
    for line in ["host     rabbit.example.com\n", "port     5671", "vhost    my_vhost\n", "certgen request"] {
        assert!(page.contains(line), "{page}");
    }
    let python = there.read("etc/worker/celery/celeryconfig.py");
    assert!(!python.contains("certgen.toml") && !python.contains("certgen emit"), "who has it has no PKI:\n{python}");
    assert!(page.contains("PYTHONPATH=celery celery -A APP worker\n"), "{page}");
    assert!(python.contains("./client_key.pem") && !python.contains("/pki/"), "no path of the sender's:\n{python}");
    assert!(there.read("etc/worker/openssl/listeners.sh").contains("./client_key.pem"));

    // Nothing is written over anything, and nothing else is opened.
    let before = snapshot(&there.path(""));
    open(&["--out", "etc/worker"]).refused().stderr_has("is not empty");
    open(&["--out", "etc/worker", "--dry-run"]).refused().stderr_has("is not empty");
    open(&["--out", "key.txt"]).refused();
    there.certgen(["import", "worker.age", "--out", "new"]).run().refused().stderr_has("--identity");
    there.certgen(["import", "key.txt", "--out", "new"]).run().refused().stderr_has("no age file");
    open(&["worker.age", "--out", "new"]).code(2);
    open(&[]).refused().stderr_has("--out DIR");
    unchanged(&before, &there.path(""), "a refused hand-over changed something");
    let inside = ["import", "worker.age", "--identity", "identity", "--out", "pki/client/new"];
    world.certgen(inside).run().refused().stderr_has("lies in the PKI");
    // A snapshot is no hand-over.
    let all = ["export", "--all", "--format", "age", "--recipient", RECIPIENT, "--out", "all.age"];
    world.certgen(all).run().success();
    let refused = world.certgen(["import", "all.age", "--identity", "identity", "--out", "new"]).run().refused();
    refused.stderr_has("without --out");
    // Cut or changed, it never opens.
    let whole = fs::read(there.path("worker.age")).expect("there");
    for cut in (0..whole.len()).step_by(whole.len() / 12) {
        there.write("cut.age", &whole[..cut]);
        there.certgen(["import", "cut.age", "--identity", "key.txt", "--out", "new"]).run().refused();
        assert!(!there.path("new").exists(), "cut at {cut}");
    }
}

#[test]
fn a_hand_over_says_what_was_set_and_refuses_what_it_cannot_know() {
    let world = celery();
    world.write("pass", "correct horse\n");
    world.write("key-pass", "letters\n");
    world.certgen(["issue", "client", "two", "--vhost", "a", "--vhost", "b", "--access", "all"]).run().success();
    let locked = ["issue", "client", "locked", "--vhost", "a", "--access", "all", "--key-password-file", "key-pass"];
    world.certgen(locked).run().success();
    let export = |words: &[&str]| {
        let all = ["export", "--format", "age", "--passphrase-file", "pass"].into_iter().chain(words.iter().copied());
        world.certgen(all).run()
    };
    let open = |file: &str, out: &str| {
        world.certgen(["import", file, "--out", out]).env("CERTGEN_PASSPHRASE", "correct horse").run().success();
    };
    let set = ["--set", "host=localhost", "--set", "certs=/etc/worker", "--with", "pika", "--out", "w.age"];
    export(&["celery_worker"].into_iter().chain(set).collect::<Vec<_>>()).success();
    open("w.age", "w");
    assert!(world.read("w/README.txt").contains("host     localhost\n"));
    let pika: String = fs::read_dir(world.path("w/pika"))
        .expect("there")
        .flatten()
        .map(|f| fs::read_to_string(f.path()).expect("text"))
        .collect();
    assert!(pika.contains("/etc/worker/client_key.pem") && pika.contains("localhost"), "{pika}");

    export(&["celery_worker", "--set", "host=elsewhere.example", "--out", "x"])
        .refused()
        .stderr_has("no certificate of");
    export(&["two", "--out", "x"]).refused().stderr_has("--set vhost=VHOST");
    export(&["two", "--set", "vhost=c", "--out", "x"]).refused().stderr_has("it has a, b");
    export(&["two", "--set", "vhost=b", "--out", "two.age"]).success();
    export(&["locked", "--with", "celery", "--out", "x"]).refused().stderr_has("encrypted");
    assert!(!world.path("x").exists());
    export(&["locked", "--with", "pika", "--out", "locked.age"]).success();
    open("locked.age", "locked");
    assert!(world.read("locked/README.txt").contains("key_password.txt"));
    assert!(world.read("locked/client_key.pem").contains("ENCRYPTED"));
    assert!(world.read("locked/connection.env").contains("AMQPS_KEY_PASSWORD_FILE=key_password.txt"));
    // Somebody must say to whom.
    let open_end =
        world.certgen(["export", "two", "--set", "vhost=a", "--format", "age", "--out", "x"]).run().refused();
    open_end.stderr_has("--recipient age1");
    let wrong = ["export", "two", "--set", "vhost=a", "--format", "age", "--recipient", "age1qqq", "--out", "x"];
    world.certgen(wrong).run().code(2).stderr_has("typing mistake");
    assert!(!world.path("x").exists());
    check(&world.pki(""));
}

#[test]
fn a_client_of_no_broker_is_handed_its_pair() {
    let world = World::new();
    world.write("pki/certgen.toml", "version = 1\n[authority.root]\n[server.\"a.example\"]\n[client.x]\n");
    world.certgen(["apply"]).run().success();
    let seal = ["--recipient", RECIPIENT, "--out", "x.age"];
    world.certgen(["export", "x", "--format", "age"].into_iter().chain(seal)).run().success();
    world.write("key.txt", IDENTITY);
    world.certgen(["import", "x.age", "--identity", "key.txt", "--out", "x"]).run().success();
    let names: Vec<String> =
        snapshot(&world.path("x")).keys().map(|p| p.file_name().expect("one").to_string_lossy().into_owned()).collect();
    assert!(names.contains(&"README.txt".to_owned()) && !names.contains(&"connection.env".to_owned()), "{names:?}");
}

#[test]
#[ignore = "needs root, to become another user and to mount"]
fn where_nothing_can_be_written_certificates_still_come_and_keys_do_not() {
    let world = celery();
    world.write("pass", "changeit\n");
    let before = snapshot(&world.path(""));
    let script = "mount --bind pki pki && mount -o remount,ro,bind pki && exec \"$@\"";
    let under = ["unshare", "--mount", "sh", "-c", script, "sh"];
    let export = |words: &[&str]| world.certgen(["export"].iter().chain(words)).under(under).run();
    export(&["celery_worker", "--format", "pem"]).success().stdout_has("BEGIN CERTIFICATE");
    // No key leaves without a line in the log.
    let refused = export(&["celery_worker", "--format", "combined"]).refused();
    assert!(!refused.stdout.contains("PRIVATE KEY"), "{}", refused.transcript());
    export(&["celery_worker", "--format", "pkcs12", "--password-file", "pass", "--out", "x.p12"]).refused();
    unchanged(&before, &world.path(""), "a read-only directory changed");
    let trust = ["celery_worker", "--format", "truststore-jks", "--password-file", "pass", "--out", "t.jks"];
    export(&trust).success();

    // A directory in which this user may write nothing.
    fs::create_dir(world.path("closed")).expect("ours");
    for path in ["", "pki", "pki/client", "pki/client/celery_worker"] {
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let before = snapshot(&world.path(""));
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let export = |out: &str| {
        world.certgen(["export", "celery_worker", "--format", "combined", "--out", out]).under(nobody).run()
    };
    export("closed/x").refused();
    export("/tmp/certgen-no-such-directory/x").refused();
    unchanged(&before, &world.path(""), "a directory of somebody else changed");
}

#[test]
#[ignore = "needs root, to mount"]
fn a_full_disk_takes_no_half_of_an_export() {
    let world = celery();
    world.write("pass", "changeit\n");
    fs::create_dir(world.path("small")).expect("ours");
    for free in [0, 4, 8, 16] {
        for format in ["pkcs12", "tar"] {
            let before = snapshot(&world.pki(""));
            let script = format!(
                "mount -t tmpfs -o size=64k tmpfs small && head -c 64k /dev/zero >small/filler 2>/dev/null; \
                 truncate -s $((65536 - {free} * 1024)) small/filler; \"$@\"; code=$?; \
                 ls -A small | grep -v filler; wc -c <small/x.$$ 2>/dev/null; exit $code"
            );
            let name = if format == "tar" { "node/rabbit.example.com" } else { "celery_worker" };
            let password = ["--password-file", "pass"];
            let words = ["export", name, "--format", format, "--out", "small/x"];
            let words = words.into_iter().chain(password.into_iter().filter(|_| format == "pkcs12"));
            let output = world.certgen(words).under(["unshare", "--mount", "sh", "-c", &script, "sh"]).run().sane();
            match output.code {
                Some(0) => assert!(output.stdout.lines().any(|line| line == "x"), "{}", output.transcript()),
                _ => {
                    assert_eq!(output.code, Some(1), "{}", output.transcript());
                    assert!(output.stdout.is_empty(), "something was left: {}", output.transcript());
                    unchanged(&before, &world.pki(""), "an export that failed is in the log");
                }
            }
        }
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let output = world.certgen(["export", "celery_worker", "--format", "combined"]).stdout(full.into()).run();
    output.code(1).stderr_has("no space left");
}
