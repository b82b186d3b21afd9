//! Requests and their answers, lists of names, passphrases and signals: what comes from outside is judged before it is
//! believed.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::{World, openssl};

#[test]
fn an_answer_that_does_not_fit_the_request_is_refused() {
    let world = World::initialised([]);
    world.certgen(["request", "client", "sensor", "--out", "host"]).run().success();
    let before = snapshot(&world.path("host"));
    // A second request would replace the key.
    world.certgen(["request", "client", "sensor", "--out", "host"]).run().refused().stderr_has("client_key.pem");
    // Another key's certificate.
    world.certgen(["issue", "client", "other"]).run().success();
    let finish = |file: &str| {
        let file = world.path(file).display().to_string();
        world.certgen(["request", "--finish", &file, "--out", "host"])
    };
    finish("pki/client/other/client_certificate.pem").run().refused().stderr_has("host");
    // This key's certificate under another name.
    let (key, csr) = (world.path("host/client_key.pem"), world.path("wrong.csr"));
    let (key, csr) = (key.display().to_string(), csr.display().to_string());
    openssl(["req", "-new", "-key", &key, "-subj", "/CN=wrong", "-out", &csr]).accepted();
    world.certgen(["issue", "client", "wrong", "--csr", &csr]).run().success();
    finish("pki/client/wrong").run().refused().stderr_has("wrong").stderr_has("sensor");
    // The right one for another purpose, then the right one when its time is over.
    world.certgen(["issue", "server", "sensor", "--csr", "host/request.pem"]).run().success();
    finish("pki/server/sensor").run().refused().stderr_has("client");
    world.certgen(["issue", "client", "sensor", "--csr", "host/request.pem"]).run().success();
    finish("pki/client/sensor").at("2060-01-01T00:00:00Z").run().refused().stderr_has("ended");
    // Nothing of the kind.
    for (name, bytes) in [("empty", Vec::new()), ("garbage", vec![0x80; 999]), ("large", vec![b'-'; 64 << 20])] {
        world.write(name, bytes);
        finish(name).run().refused().stderr_has(name);
    }
    finish("missing").run().refused().stderr_has("missing");
    unchanged(&before, &world.path("host"), "a refused answer changed something");
    finish("pki/client/sensor").run().success();
    let path = |file: &str| world.path(file).display().to_string();
    let verdict = openssl([
        "verify",
        "-x509_strict",
        "-purpose",
        "sslclient",
        "-CAfile",
        &path("host/ca_certificate.pem"),
        &path("host/client_certificate.pem"),
    ]);
    verdict.accepted();
    check(&world.pki(""));
}

#[test]
fn bad_rows_are_all_told_with_their_lines_before_anything_is_signed() {
    let world = World::initialised([]);
    let before = snapshot(&world.pki(""));
    let rows = "name,san,validity\nfine,,\nbad-san,a..b,\nfine,,1d\n,,\nnegative,,-5d\nlong,1,2,3\nguest,,\nFine,,\n";
    world.write("rows.csv", rows);
    let output = world.certgen(["issue", "client", "--from", "rows.csv"]).run().refused().stderr_has("7 bad rows");
    for line in ["line 3:", "line 4:", "line 5:", "line 6:", "line 7:", "line 8:", "line 9:"] {
        assert!(output.stderr.contains(line), "{line} is not told\n{}", output.transcript());
    }
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("only-a-header", b"name,san\n".to_vec()),
        ("unknown-column", b"name,sam\nx,y\n".to_vec()),
        ("not-utf8", b"name\nx\n\xff\xfe\n".to_vec()),
        ("nul", vec![0; 64 << 20]),
        ("one-line", vec![b'a'; 64 << 20]),
        ("open-quote", b"name\n\"x\n".to_vec()),
    ] {
        world.write(name, bytes);
        let run = world.certgen(["issue", "client", "--from", name]).after_shell("ulimit -v 260000");
        let output = run.run().sane();
        // RFC 4180 leaves an open quote undefined: its content is the name, and a name has no line feed.
        output.refused().stderr_has(name);
        unchanged(&before, &world.pki(""), &format!("the refusal of {name} changed something"));
    }
    for missing in ["missing.csv", "pki"] {
        world.certgen(["issue", "client", "--from", missing]).run().refused().stderr_has(missing);
    }
    let rows = b"\xef\xbb\xbfname,san,validity\r\nfirst,,\r\n\"sec,ond\",a.example;b.example,30d\r\n";
    world.certgen(["issue", "client", "--from", "-"]).stdin(rows).run().success();
    assert!(world.pki("client/first").exists() && world.pki("client/sec%2Cond").exists());
    check(&world.pki(""));
}

#[test]
fn a_request_keeps_its_key_whatever_its_hash_and_its_name_must_be_the_one_asked_for() {
    let world = World::initialised([]);
    let path = |file: &str| world.path(file).display().to_string();
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-sha256", "-subj", "/CN=dev"];
    let (key, csr) = (path("key"), path("csr"));
    openssl(["req", "-new"].into_iter().chain(curve).chain(["-keyout", &key, "-out", &csr])).accepted();
    let before = snapshot(&world.pki(""));
    world.certgen(["issue", "client", "other", "--csr", "csr"]).run().refused().stderr_has("dev").stderr_has("other");
    world.certgen(["issue", "client", "a", "b", "--csr", "csr"]).run().refused();
    for (name, bytes) in [("empty", Vec::new()), ("nul", vec![0; 4096]), ("large", vec![b'M'; 64 << 20])] {
        world.write(name, bytes);
        world.certgen(["issue", "client", "dev", "--csr", name]).run().refused().stderr_has(name);
    }
    world.certgen(["issue", "client", "dev", "--csr", "key"]).run().refused().stderr_has("key");
    unchanged(&before, &world.pki(""), "a refused request changed something");
    world.certgen(["issue", "client", "dev", "--csr", "csr"]).run().success();
    let certificate = world.pki("client/dev/client_certificate.pem").display().to_string();
    let of_key = openssl(["pkey", "-pubout", "-in", &key]);
    assert_eq!(openssl(["x509", "-noout", "-pubkey", "-in", &certificate]).accepted(), of_key.accepted());
}

#[test]
fn a_sealed_key_opens_with_exactly_its_passphrase() {
    let long = "x".repeat(1024);
    for passphrase in ["plain", "a$b", "${HOME}$(id)`id`", "q\"u'o\\te", " lead and trail ", "pä日本😀", &long] {
        let world = World::new();
        world.write("right", format!("{passphrase}\n"));
        world.write("wrong", format!("{passphrase}x\n"));
        world.certgen(["init", "--seal", "--passphrase-file", "right"]).run().success();
        assert!(!world.pki("ca/root/ca_key.pem").exists());
        let before = snapshot(&world.pki(""));
        // Opening takes memory and time on purpose, so its length is not judged here.
        let wrong = world.certgen(["issue", "client", "x", "--passphrase-file", "wrong"]).run().code(1);
        assert!(
            wrong.stderr.contains("passphrase is wrong") && !wrong.stderr.contains(passphrase),
            "{}",
            wrong.transcript()
        );
        world.certgen(["issue", "client", "x"]).run().refused().stderr_has("--passphrase-file");
        unchanged(&before, &world.pki(""), "a wrong passphrase changed something");
        world.certgen(["issue", "client", "x"]).env("CERTGEN_PASSPHRASE", passphrase).run().success();
        check(&world.pki(""));
    }
}

#[test]
fn passphrase_files_and_sealed_keys_in_every_bad_state() {
    let world = World::new();
    world.write("right", "right\n");
    world.certgen(["init", "--seal", "--passphrase-file", "right"]).run().success();
    let before = snapshot(&world.pki(""));
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("blank", b"\nright\n".to_vec()),
        ("garbage", vec![0x80; 99]),
        ("nul", vec![0; 4096]),
        ("large", vec![b'a'; 64 << 20]),
    ] {
        world.write(name, bytes);
        world.certgen(["issue", "client", "x", "--passphrase-file", name]).run().refused().stderr_has(name);
    }
    for name in ["missing", "pki"] {
        world.certgen(["issue", "client", "x", "--passphrase-file", name]).run().refused().stderr_has(name);
    }
    unchanged(&before, &world.pki(""), "a refused passphrase changed something");
    let sealed = world.pki("ca/root/ca_key.pem.age");
    let good = fs::read(&sealed).expect("ours");
    for (state, bytes) in [
        ("empty", Vec::new()),
        ("half", good[..good.len() / 2].to_vec()),
        ("garbage", vec![0x80; 999]),
        ("large", vec![b'a'; 64 << 20]),
    ] {
        fs::write(&sealed, bytes).expect("ours");
        let before = snapshot(&world.pki(""));
        let run = world.certgen(["issue", "client", "x", "--passphrase-file", "right"]).after_shell("ulimit -v 400000");
        let output = run.run().code(1);
        assert!(output.stderr.contains("ca_key.pem.age"), "{state}: the file is not named\n{}", output.transcript());
        unchanged(&before, &world.pki(""), &format!("{state}: the refusal changed something"));
    }
}

#[test]
fn signals_end_a_command_with_the_codes_that_scripts_expect() {
    let world = World::initialised([]);
    // Somebody else holds the lock, so the command waits.
    let lock = fs::OpenOptions::new().read(true).write(true).open(world.pki("lock")).expect("a lock");
    lock.lock().expect("free");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = world.certgen(["issue", "client", "x"]).start();
        // The handler stands once the lock is being tried: give a loaded machine time for it.
        std::thread::sleep(Duration::from_millis(1500));
        let sent = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(sent.is_ok_and(|s| s.success()));
        let started = Instant::now();
        let status = child.wait().expect("a child");
        assert_eq!(status.code(), Some(code), "SIG{signal}");
        assert!(started.elapsed() < Duration::from_secs(2), "SIG{signal} took {:?}", started.elapsed());
    }
    drop(lock);
    assert!(!world.pki("client/x").exists());
    check(&world.pki(""));
}

#[test]
fn a_repeated_issue_writes_nothing() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "x"]).run().success();
    let times = || {
        let files = snapshot(&world.pki("")).into_keys();
        files.map(|f| (fs::metadata(&f).and_then(|m| m.modified()).ok(), f)).collect::<Vec<_>>()
    };
    let before = times();
    std::thread::sleep(Duration::from_millis(20));
    world.certgen(["issue", "client", "x"]).run().success().stdout_has("unchanged");
    assert_eq!(times(), before);
    // Other facts: the differences, and exit code 1.
    let output = world.certgen(["issue", "client", "x", "--key-type", "rsa-2048", "--vhost", "v"]).run().code(1);
    output.stderr_has("ecdsa-p256").stderr_has("rsa-2048").stderr_has("--force");
    assert_eq!(times(), before);
}

#[test]
fn an_explicit_beginning_in_the_past_is_signed_with_a_warning() {
    let world = World::initialised([]);
    let args = ["issue", "client", "old", "--not-before", "2020-01-01", "--not-after", "2021-01-01"];
    world.certgen(args).run().success().stderr_has("past").stderr_has("expired");
    check(&world.pki(""));
    world.certgen(["verify", "client/old"]).run().code(3);
}

#[test]
fn large_definitions_are_merged_and_too_large_ones_refused() {
    let world = World::initialised([]);
    let text = world.read("pki/rabbitmq/definitions.json");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let users = json["users"].as_array_mut().expect("users");
    users.extend((0..50_000).map(|i| serde_json::json!({"name": format!("u{i}"), "password_hash": "x", "tags": []})));
    world.write("pki/rabbitmq/definitions.json", json.to_string());
    let run = world.certgen(["issue", "client", "x"]).after_shell("ulimit -v 260000");
    run.run().success();
    let merged: serde_json::Value = serde_json::from_str(&world.read("pki/rabbitmq/definitions.json")).expect("JSON");
    assert_eq!(merged["users"].as_array().map(Vec::len), json["users"].as_array().map(|u| u.len() + 1));
    world.write("pki/rabbitmq/definitions.json", text + &" ".repeat(64 << 20));
    let before = snapshot(&world.pki(""));
    world.certgen(["issue", "client", "y"]).run().refused().stderr_has("definitions.json");
    unchanged(&before, &world.pki(""), "the refusal changed something");
}
