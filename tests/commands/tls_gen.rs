//! tls-gen's interface, without openssl, python and make.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use x509_parser::prelude::{FromDer, X509Certificate};

use crate::support::World;
use crate::support::world::CERTGEN;

/// Keys on curves are made in no time.
const QUICK: &str = "USE_ECC=true";

/// The files below a directory with their modes.
fn files(directory: &Path) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, mode)| (format!("{name}/{below}"), mode)));
        } else {
            let mode = fs::metadata(&path).expect("it is there").permissions().mode() & 0o7777;
            found.insert(name, mode);
        }
    }
    found
}

fn names(directory: &Path) -> Vec<String> {
    files(directory).into_keys().collect()
}

/// DER of the first certificate of a file.
fn der(pem: &str) -> Vec<u8> {
    x509_parser::pem::parse_x509_pem(pem.as_bytes()).expect("PEM").1.contents
}

fn subject(world: &World, path: &str) -> String {
    let der = der(&world.read(path));
    X509Certificate::from_der(&der).expect("a certificate").1.subject().to_string()
}

#[test]
fn every_profile_writes_the_files_of_tls_gen_and_verifies_them() {
    for (profile, results, beside) in [
        (
            "basic",
            "ca_certificate.pem ca_key.pem client_certificate.pem client_key.pem client_localhost.p12 \
             client_localhost_certificate.pem client_localhost_key.pem server_certificate.pem server_key.pem \
             server_localhost.p12 server_localhost_certificate.pem server_localhost_key.pem",
            "",
        ),
        (
            "one-intermediate",
            "ca_certificate.pem ca_key.pem chained_ca_certificate.pem client.p12 client_certificate.pem \
             client_direct.p12 client_direct_certificate.pem client_direct_key.pem client_key.pem server.p12 \
             server_certificate.pem server_direct.p12 server_direct_certificate.pem server_direct_key.pem server_key.pem",
            "intermediate_ca_1",
        ),
        (
            "separate_intermediates",
            "ca_certificate.pem ca_key.pem chained_client_ca_certificate.pem chained_server_ca_certificate.pem client.p12 \
             client_certificate.pem client_key.pem server.p12 server_certificate.pem server_key.pem",
            "intermediate_ca_client intermediate_ca_server",
        ),
        (
            "two-shared-intermediates",
            "ca_certificate.pem ca_key.pem chained_ca_certificate.pem client.p12 client_certificate.pem client_key.pem \
             server.p12 server_certificate.pem server_key.pem",
            "intermediate_ca_1 intermediate_ca_2",
        ),
    ] {
        let world = World::new();
        let output = world.certgen(["tls-gen", profile, "CN=localhost", QUICK]).run().success();
        assert_eq!(
            output.stdout.matches(": OK\n").count(),
            results.matches("_certificate.pem").count() - {
                // The root's and the chains are no pairs, and aliases are copies.
                results.matches("ca_certificate.pem").count() + if profile == "basic" { 2 } else { 0 }
            }
        );
        assert_eq!(names(&world.path("result")).join(" "), results, "{profile}");
        for (name, mode) in files(&world.path("result")) {
            let secret = name.ends_with("key.pem") || name.ends_with(".p12");
            assert_eq!(mode, if secret { 0o600 } else { 0o644 }, "{profile} {name}");
        }
        let mut dirs: Vec<String> =
            fs::read_dir(world.path("")).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect();
        dirs.sort();
        assert_eq!(dirs.join(" "), format!("{beside} result").trim(), "{profile}");
        world.certgen(["tls-gen", profile, "verify-pkcs12", "info", "CN=localhost"]).run().success();
        let serials: Vec<Vec<u8>> = names(&world.path("result"))
            .iter()
            .filter(|name| name.ends_with("certificate.pem"))
            .map(|name| {
                let der = der(&world.read(Path::new("result").join(name)));
                X509Certificate::from_der(&der).expect("a certificate").1.raw_serial().to_vec()
            })
            .collect();
        assert!(serials.iter().all(|serial| serial.len() >= 16), "{profile}");
    }
}

#[test]
fn subjects_are_those_of_tls_gen() {
    let world = World::new();
    world.certgen(["tls-gen", "one_intermediate", "CN=localhost", QUICK]).run().success();
    for (name, wanted) in [
        ("server", "CN=localhost, O=server"),
        ("client", "CN=localhost, O=client"),
        ("server_direct", "CN=localhost, O=server_direct"),
        ("client_direct", "CN=localhost, O=client_direct"),
        ("chained_ca", "CN=localhost, O=Intermediate CA 1"),
    ] {
        assert_eq!(subject(&world, &format!("result/{name}_certificate.pem")), wanted);
    }
    let root = subject(&world, "result/ca_certificate.pem");
    assert!(root.starts_with("CN=TLSGenSelfSignedRootCA 20") && root.ends_with(", L=$$$$"), "{root}");
}

#[test]
fn variables_come_from_words_then_flags_then_the_environment() {
    let world = World::new();
    let from_environment = |args: &[&str]| {
        let command = ["tls-gen", "basic", "regen", QUICK].iter().chain(args).copied();
        world
            .certgen(command)
            .env("CN", "of-environment")
            .env("USE_ECC", "maybe")
            .env("PYTHON", "python2")
            .run()
            .success();
        subject(&world, "result/client_certificate.pem")
    };
    assert_eq!(from_environment(&[]), "CN=of-environment, O=client");
    assert_eq!(from_environment(&["--cn", "of-flag"]), "CN=of-flag, O=client");
    assert_eq!(from_environment(&["--cn", "of-flag", "CN=of-word"]), "CN=of-word, O=client");
    let args =
        ["tls-gen", "basic", "regen", "--key-type", "ec", "--curve", "P-384", "--days", "7", "--server-san", "a.b"];
    world.certgen(args.into_iter().chain(["--server-san", "10.0.0.1", "--out", "o"])).env("CN", "x.y").run().success();
    let info = world.certgen(["--json", "tls-gen", "basic", "info", "--out", "o", "CN=x.y"]).run().success().json();
    let server = info["items"].as_array().unwrap().iter().find(|item| item["path"] == "o/server_x.y_certificate.pem");
    let text = server.expect("both are told").to_string();
    for has in ["DNS:x.y", "DNS:a.b", "IP:10.0.0.1", "DNS:localhost", "P-384"] {
        assert!(text.contains(has), "{has}: {text}");
    }
}

#[test]
fn an_authority_is_kept_until_somebody_insists() {
    let world = World::new();
    let root = || world.read("result/ca_certificate.pem");
    let previous = || world.read("result.previous/ca_certificate.pem");
    let run = |words: &[&str]| world.certgen(["tls-gen", "two_shared_intermediates", QUICK].iter().chain(words)).run();
    run(&["CN=a"]).success();
    let first = root();
    run(&["gen", "CN=b"]).success().stderr_has("holds an authority already");
    assert_eq!(root(), first, "gen keeps it");
    run(&["CN=c"]).success().stderr_has("moved result to result.previous");
    let second = root();
    assert_eq!((previous(), second != first), (first.clone(), true));
    assert!(world.path("result.previous/intermediate_ca_2/private/cakey.pem").is_file());
    run(&["clean"]).success();
    assert_eq!(previous(), second, "one is kept");
    assert!(!world.path("result").exists() && !world.path("intermediate_ca_1").exists());
    run(&["clean"]).success();
    assert_eq!(previous(), second, "nothing was there to be moved");
    run(&["gen", "CN=d"]).success();
    run(&["regen", "--force"]).success();
    assert!(!world.path("result.previous").exists(), "--force keeps none");
    world.write("result/notes.txt", "mine");
    run(&["clean", "--force"]).success();
    assert_eq!(names(&world.path("")), ["result/notes.txt"], "what is somebody else's stays");
}

#[test]
fn what_is_not_ours_is_not_written_over() {
    let world = World::new();
    world.write("result/server_key.pem", "somebody's");
    let run = |words: &[&str]| world.certgen(["tls-gen", "basic", QUICK, "CN=a"].iter().chain(words)).run();
    run(&[]).refused().stderr_has("result/server_key.pem exists, and there is no root in result");
    assert_eq!(names(&world.path("")), ["result/server_key.pem"]);
    run(&["--out", "."]).success();
    run(&["--out", "."]).refused().stderr_has("cannot be moved");
    world.write("result.previous/thesis.tex", "mine");
    run(&["--force"]).refused().stderr_has("result.previous is in the way");
    fs::remove_file(world.path("result/server_key.pem")).unwrap();
    fs::remove_dir(world.path("result")).unwrap();
    run(&[]).success();
    run(&[]).refused().stderr_has("result.previous is in the way");
    assert_eq!(world.read("result.previous/thesis.tex"), "mine");
    world.write("plain", "");
    run(&["--out", "plain"]).refused().stderr_has("plain is no directory");
    run(&["gen-client", "--out", "nowhere/x"]).refused().stderr_has("make one first: certgen tls-gen basic gen");
    assert!(!world.path("nowhere").exists());
}

#[test]
fn files_of_others_stay_where_they_are() {
    for (profile, out) in [("basic", None), ("one_intermediate", None), ("one_intermediate", Some("--out=result"))] {
        let world = World::new();
        let run = |words: &[&str]| {
            let command = ["tls-gen", profile, QUICK, "CN=x"];
            world.certgen(command.iter().chain(&out).chain(words)).run()
        };
        run(&[]).success();
        let mut theirs = vec!["result/notes.txt", "result/.git/config"];
        match (profile, out) {
            ("basic", _) => {}
            (_, None) => theirs.extend(["intermediate_ca_1/index.txt", "intermediate_ca_1/certs/old.pem"]),
            (_, Some(_)) => theirs.push("result/intermediate_ca_1/private/mine"),
        }
        theirs.iter().for_each(|path| drop(world.write(path, *path)));
        let check = || theirs.iter().for_each(|path| assert_eq!(world.read(path), *path, "{profile}"));
        let previous = || world.read("result.previous/ca_certificate.pem");
        let first = world.read("result/ca_certificate.pem");
        let output = run(&[]).success().stderr_has("moved result to result.previous\n");
        assert!(!output.stderr.contains("dropped"), "{}", output.transcript());
        check();
        assert_eq!(previous(), first);
        let second = world.read("result/ca_certificate.pem");
        let command = ["--json", "tls-gen", profile, QUICK, "CN=x"];
        let output = world.certgen(command.iter().chain(&out)).run().success();
        let json = output.stderr_has("dropped the older tree in result.previous").json();
        let dropped = serde_json::json!({"action": "dropped", "path": "result.previous"});
        assert!(json["items"].as_array().unwrap().contains(&dropped), "{json}");
        check();
        assert_eq!(previous(), second);
        run(&["--force"]).success().stderr_has("dropped the older tree in result\n");
        check();
        assert!(!world.path("result.previous").exists());
        run(&["clean"]).success();
        check();
        world.write("result.previous/own", "mine");
        run(&[]).success();
        check();
        run(&[]).refused().stderr_has("own in it is of somebody else");
        run(&["--force"]).refused().stderr_has("own in it is of somebody else");
        fs::remove_file(world.path("result.previous/own")).unwrap();
        let output = run(&["clean", "--force"]).success();
        check();
        assert!(!output.stdout.lines().any(|line| line == "removed result"), "{}", output.transcript());
        output.stdout_has("removed result/ca_key.pem\n").stderr_has("dropped the older tree in result.previous");
        assert_eq!(run(&["clean"]).success().stdout, "", "nothing of ours is left");
    }
}

#[test]
fn a_tree_of_which_a_part_is_left_does_not_stop_the_next() {
    let world = World::new();
    let run = |words: &[&str]| world.certgen(["tls-gen", "one_intermediate", QUICK, "CN=x"].iter().chain(words)).run();
    run(&[]).success();
    fs::remove_dir_all(world.path("result")).unwrap();
    run(&[]).success().stderr_has("moved intermediate_ca_1 to result.previous/intermediate_ca_1");
    run(&[]).success().stderr_has("moved result to result.previous\n");
    run(&["verify"]).success();
    assert!(world.path("result.previous/ca_key.pem").exists());
    // A link to a tree is not moved.
    fs::rename(world.path("result"), world.path("real")).unwrap();
    std::os::unix::fs::symlink("real", world.path("result")).unwrap();
    let before = files(&world.path(""));
    run(&[]).refused().stderr_has("result is a link").stderr_has("--out result");
    run(&["clean"]).refused().stderr_has("result is a link");
    assert_eq!(files(&world.path("")), before);
    run(&["--out", "result"]).success();
    run(&["--out", "result"]).success();
    assert!(world.path("result").is_symlink() && world.path("real.previous/intermediate_ca_1").is_dir());
    run(&["--out", "result", "verify"]).success();
}

#[test]
fn a_directory_that_was_named_holds_everything() {
    let world = World::new();
    fs::create_dir_all(world.path("mnt/with space")).unwrap();
    let run = |words: &[&str]| {
        let command = ["tls-gen", "one_intermediate", QUICK, "CN=a", "--out", "mnt/with space"];
        world.certgen(command.iter().chain(words)).run()
    };
    run(&["gen"]).success();
    assert!(world.path("mnt/with space/intermediate_ca_1/private/cakey.pem").is_file());
    assert_eq!(fs::read_dir(world.path("mnt")).unwrap().count(), 1);
    run(&["gen-client", "CN=b", "verify"]).success();
    run(&["clean"]).success();
    assert!(world.path("mnt/with space.previous/intermediate_ca_1/private/cakey.pem").is_file());
}

#[test]
fn verify_says_no() {
    let world = World::new();
    let run = |words: &[&str]| world.certgen(["tls-gen", "two_shared_intermediates", QUICK].iter().chain(words)).run();
    run(&["CN=a"]).success();
    let good = world.read("result/server_certificate.pem");
    for (file, bytes, says) in [
        ("server_certificate.pem", world.read("result/server_key.pem"), "result/server_certificate.pem: FAILED"),
        ("server_certificate.pem", world.read("result/client_certificate.pem"), "server_key.pem is the key of another"),
        ("chained_ca_certificate.pem", world.read("result/ca_certificate.pem"), "FAILED"),
    ] {
        let before = world.read(format!("result/{file}"));
        world.write(format!("result/{file}"), bytes);
        run(&["verify"]).code(3).stdout_has(says);
        let json = world.certgen(["--json", "tls-gen", "two_shared_intermediates", "verify"]).run().code(3).json();
        assert!(json["items"].as_array().unwrap().iter().any(|item| item["ok"] == false), "{json}");
        world.write(format!("result/{file}"), before);
    }
    run(&["verify"]).success();
    world.certgen(["tls-gen", "two_shared_intermediates", "verify"]).at("2050-01-01").run().code(3);
    fs::remove_file(world.path("result/client_certificate.pem")).unwrap();
    run(&["verify"]).code(3).stderr_has("there is no result/client_certificate.pem");
    assert_eq!(world.read("result/server_certificate.pem"), good);
    world.certgen(["tls-gen", "basic", "verify", "CN=nobody"]).run().code(1).stderr_has("no pair in result for CN");
}

#[test]
fn days_may_be_negative() {
    let world = World::new();
    for profile in ["basic", "two_shared_intermediates"] {
        let run = |words: &[&str]| world.certgen(["tls-gen", profile, "CN=localhost"].iter().chain(words)).run();
        run(&[QUICK, "DAYS_OF_VALIDITY=-7"]).success().stdout_has(": OK");
        run(&["verify"]).code(3).stdout_has("FAILED");
        run(&["verify", "--days", "-7"]).success();
        let server = if profile == "basic" { "server_localhost" } else { "server" };
        let inspected = world.certgen(["--json", "inspect", &format!("result/{server}_certificate.pem")]).run().json();
        assert!(inspected.to_string().contains("not_after"), "{inspected}");
        // The authority is valid: it can sign a pair that is.
        run(&[QUICK, "gen", "verify"]).success();
    }
    // Programs that count seconds from 1970 read no earlier date, rustls among them.
    let world = World::new();
    for (words, at) in [(&[][..], "1970-01-01T00:00:00Z"), (&["DAYS_OF_VALIDITY=-20000"], "2026-03-01")] {
        let command = ["tls-gen", "basic", QUICK, "CN=x"];
        let run = world.certgen(command.iter().chain(words)).at(at).run();
        run.code(2).stderr_has("no date before 1970");
    }
    assert!(names(&world.path("")).is_empty());
    world.certgen(["tls-gen", "basic", QUICK, "CN=x"]).at("1970-01-02").run().success();
}

#[test]
fn every_common_name_works_or_is_refused_by_name() {
    let long_host = format!("{}.{}.example.com", "a".repeat(40), "b".repeat(22));
    let long = "x".repeat(75);
    for (cn, part) in [
        (long_host.as_str(), long_host.as_str()),
        (&long, &long),
        ("a b", "a b"),
        ("it's \"$HOME\" `x`", "it's \"$HOME\" `x`"),
        ("a/../../b", "a%2F..%2F..%2Fb"),
        ("*.example.com", "*.example.com"),
        ("celery_worker", "celery_worker"),
        ("O=x,CN=y", "O=x,CN=y"),
        ("..", ".."),
        ("müller", "müller"),
    ] {
        let world = World::new();
        let output = world.certgen(["tls-gen", "basic", QUICK, &format!("CN={cn}")]).run().success();
        assert!(world.path(format!("result/server_{part}_certificate.pem")).is_file(), "{cn}\n{}", output.transcript());
        assert_eq!(names(&world.path("")).len(), 12, "{cn}");
        let der = der(&world.read(format!("result/client_{part}_certificate.pem")));
        let (_, client) = X509Certificate::from_der(&der).expect("a certificate");
        let user = client.subject().iter_common_name().next().expect("a client has a name").as_str().expect("text");
        assert_eq!(user.chars().count(), cn.chars().count().min(64), "{cn}");
        let names = client.subject_alternative_name().expect("one extension").expect("there is one");
        let named = names.value.general_names.iter().any(|name| name.to_string().contains(cn));
        assert_eq!(named, [long_host.as_str(), "*.example.com"].contains(&cn), "{cn}: {names:?}");
        world
            .certgen(["tls-gen", "basic", "verify", "verify-pkcs12", "alias-leaf-artifacts"])
            .env("CN", cn)
            .run()
            .success();
    }
    let world = World::new();
    for (cn, says) in [("a\nb", "CN: "), ("a\u{1b}[31m", "CN: "), (&"x".repeat(300), "CN: "), (" ", "CN: ")] {
        let output = world.certgen(["tls-gen", "basic", &format!("CN={cn}")]).run().code(2).stderr_has(says);
        assert!(!output.stderr.contains('\u{1b}') && output.stderr.lines().count() < 4, "{}", output.transcript());
    }
    assert!(names(&world.path("")).is_empty());
}

#[test]
fn a_password_is_in_the_files_and_in_no_output() {
    for password in ["b u$nnies", "it's \"quoted\" \\ `$(x)` ${y}", "pässwörd"] {
        let world = World::new();
        let run = |words: &[&str], given: &str| {
            let command = ["tls-gen", "one_intermediate", QUICK, "CN=a"].iter().chain(words);
            let output = world.certgen(command).env("PASSWORD", given).run();
            assert!(!output.transcript().contains(password), "{}", output.transcript());
            output
        };
        run(&["all", "verify-pkcs12", "gen-client", "gen-crl"], password).success();
        let keys = ["result/ca_key.pem", "result/client_key.pem", "intermediate_ca_1/private/cakey.pem"];
        assert!(keys.iter().all(|key| world.read(key).starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")));
        run(&["verify"], "").success().stderr_has("is encrypted: give PASSWORD");
        run(&["gen-client"], "").refused().stderr_has("give the PASSWORD with which it was made");
        run(&["gen-client"], "wrong").refused().stderr_has("PASSWORD does not open");
        run(&["verify-pkcs12"], "wrong").code(3);
        world.write("pass", format!("{password}\n"));
        run(&["gen-server", "verify", "--password-file", "pass"], "").success();
    }
    let world = World::new();
    for (word, says) in [("PASSWORD=abc", "3 characters"), ("PASSWORT=abcd", "did you mean PASSWORD?")] {
        let output = world.certgen(["tls-gen", "basic", word]).run().code(2).stderr_has(says);
        assert!(!output.stderr.contains("abc"), "{}", output.transcript());
    }
}

#[test]
fn no_slip_shows_a_password() {
    let world = World::new();
    for (words, says) in [
        (&["PASSWORD=hunter2x", "basic"][..], "the profile comes first: certgen tls-gen basic"),
        (&["PASSWORD=hunter2x"], r#""PASSWORD" is no profile"#),
        (&["basic", "PASSWORD:hunter2x"], "a variable is written NAME=VALUE"),
        (&["basic", "PASSWORD hunter2x"], r#""PASSWORD" is no target"#),
        (&["basic", "PASSWORD =hunter2x"], "did you mean PASSWORD?"),
        (&["basic", "PASSWORD:=hunter2x"], "did you mean PASSWORD?"),
        (&["basic", "PASSWORD:hunter2x=y"], r#""PASSWORD" is no variable"#),
        (&["basic", "--PASSWORD=hunter2x"], "unexpected argument"),
        (&["basic", "-PASSWORD=hunter2x"], "unexpected argument"),
        (&["CN=x", "one-intermediate"], "the profile comes first: certgen tls-gen one_intermediate"),
    ] {
        let output = world.certgen(["tls-gen"].iter().chain(words)).run().code(2).stderr_has(says);
        assert!(!output.stderr.contains("hunter2x"), "{words:?}: {}", output.stderr);
    }
}

#[test]
fn unknown_words_are_named_with_the_nearest() {
    let world = World::new();
    for (words, says) in [
        (&["basics"][..], "did you mean basic?"),
        (&["basic", "veryfy"], "did you mean verify?"),
        (&["basic", "CM=x"], "did you mean CN?"),
        (&["basic", "USE_ECC=yes"], "neither true nor false"),
        (&["basic", "NUMBER_OF_PRIVATE_KEY_BITS=1024"], "2048, 3072 or 4096"),
        (&["basic", "--days", "0"], "DAYS_OF_VALIDITY"),
        (&["basic", "SERVER_ALT_NAME=a,DNS:b"], "SERVER_ALT_NAME: "),
    ] {
        world.certgen(["tls-gen"].iter().chain(words)).run().code(2).stderr_has(says);
    }
    world.certgen(["tls-gen", "basic", "help"]).run().success().stdout_has("gen-client").stdout_has("DAYS_OF_VALIDITY");
    assert!(names(&world.path("")).is_empty());
}

#[test]
fn pairs_and_aliases_are_added_in_every_profile() {
    for profile in ["basic", "one_intermediate", "separate_intermediates", "two_shared_intermediates"] {
        let world = World::new();
        let run = |words: &[&str]| world.certgen(["tls-gen", profile, QUICK].iter().chain(words)).run();
        run(&["CN=localhost"]).success();
        let root = world.read("result/ca_certificate.pem");
        run(&["gen-client", "CN=worker"]).success();
        run(&["gen-server", "CN=rabbit"]).success();
        assert_eq!(world.read("result/ca_certificate.pem"), root);
        assert_eq!(subject(&world, "result/client_certificate.pem"), "CN=worker, O=client");
        assert_eq!(subject(&world, "result/server_certificate.pem"), "CN=rabbit, O=server");
        // Without CN: what is there.
        run(&["verify", "info", "alias-leaf-artifacts"]).success();
        run(&["gen-crl", "gen-crl"]).success();
        let list = world.certgen(["inspect", &format!("result/{profile}.crl.pem")]).run().success();
        assert!(list.stdout.contains('2'), "the number of the list\n{}", list.transcript());
        run(&["alias-leaf-artifacts", "CN=localhost"]).success();
        let wanted = if profile == "basic" { "CN=localhost, O=client" } else { "CN=worker, O=client" };
        assert_eq!(subject(&world, "result/client_certificate.pem"), wanted);
    }
    let world = World::new();
    let run = |words: &[&str]| world.certgen(["tls-gen", "basic", QUICK, "CN=a"].iter().chain(words)).run();
    run(&[]).success();
    let written = || fs::metadata(world.path("result/client_key.pem")).unwrap().modified().unwrap();
    let before = written();
    run(&["alias-leaf-artifacts"]).success().stdout_has("unchanged result/client_key.pem");
    assert_eq!(written(), before, "a copy that is there is not dated anew");
    run(&["alias-leaf-artifacts", "--key-mode", "0640"]).success().stdout_has("wrote result/client_key.pem");
    assert_eq!(files(&world.path("result"))["client_key.pem"], 0o640);
    let world = World::new();
    world.certgen(["tls-gen", "basic", QUICK, "CN=a", "--no-aliases", "--key-mode", "0640"]).run().success();
    let found = files(&world.path("result"));
    assert_eq!((found.len(), found["server_a_key.pem"], found["ca_key.pem"]), (8, 0o640, 0o600));
}

#[test]
fn twenty_runs_at_once_leave_one_whole_tree() {
    let world = World::new();
    let run = |words: &[String]| {
        let children: Vec<_> = words
            .iter()
            .map(|cn| {
                let mut command = Command::new(CERTGEN);
                command.args(["tls-gen", "basic"]).args(cn.split(' ')).arg(QUICK).current_dir(world.path(""));
                command.stdout(Stdio::null()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().expect("it starts")
            })
            .collect();
        for child in children {
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    };
    run(&(0..20).map(|n| format!("CN=same{}", n % 2)).collect::<Vec<_>>());
    world.certgen(["tls-gen", "basic", "verify"]).run().success();
    assert_eq!(names(&world.path("result")).len(), 12);
    run(&(0..20).map(|n| format!("gen-client CN=worker{n}")).collect::<Vec<_>>());
    let output = world.certgen(["tls-gen", "basic", "verify"]).run().success();
    assert_eq!(output.stdout.matches("client_worker").count(), 20, "{}", output.transcript());
    let left = names(&world.path("")).into_iter().filter(|name| name.contains(".certgen"));
    assert_eq!(left.count(), 0);
}

#[test]
fn what_a_kill_left_behind_goes_with_the_next_run() {
    let world = World::new();
    let staging = |place: &str| {
        let entries = fs::read_dir(world.path(place)).into_iter().flatten().flatten();
        let is_staging = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(".certgen-staging-");
        // One that is empty may be of anybody who begins just now.
        let is_full = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        entries.filter(|entry| is_staging(&entry.file_name()) && is_full(&entry.path())).count()
    };
    let command = ["tls-gen", "one_intermediate", QUICK, "CN=x"];
    let (mut left, mut wait) = (0, Duration::ZERO);
    for _ in 0..200 {
        let mut child = world.certgen(command).start();
        std::thread::sleep(wait);
        let _ = child.kill();
        let ended = child.wait().is_ok_and(|status| status.success());
        assert!(staging("") <= 1, "no run leaves what another left");
        left += staging("");
        wait = if ended { Duration::ZERO } else { wait + Duration::from_micros(500) };
        if left > 2 {
            break;
        }
    }
    assert!(left > 0, "no kill came while something was being written");
    // One among the results, as a killed gen-client leaves it, one that is in use, and one of a PKI.
    let (results, used, pki) = ("result", "", ".certgen-staging-00000000000000ff");
    for (place, name) in [(results, ".certgen-staging-00000000000000aa"), (used, ".certgen-staging-00000000000000bb")] {
        fs::create_dir_all(world.path(place)).unwrap();
        let directory = world.path(place).join(name);
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(directory.join("in-use"), "").unwrap();
        fs::write(directory.join("1.new"), "a key").unwrap();
    }
    world.write(Path::new(pki).join("1.new"), "a key");
    let held = fs::File::open(world.path(".certgen-staging-00000000000000bb/in-use")).unwrap();
    held.lock().unwrap();
    world.certgen(command).run().success();
    assert_eq!((staging("result"), staging("")), (0, 2), "what is in use and what is a PKI's stays");
    drop(held);
    world.certgen(command).run().success();
    assert_eq!(staging(""), 1);
}

#[test]
fn a_directory_that_cannot_be_written_stays_as_it_is() {
    let world = World::new();
    let run = |words: &[&str]| {
        let command = world.certgen(["tls-gen", "basic", QUICK, "CN=a", "--out", "x/out"].iter().chain(words));
        command.under(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]).run()
    };
    if !nix_is_root() {
        return;
    }
    fs::create_dir(world.path("x")).unwrap();
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    run(&[]).refused().stderr_has("permission denied");
    assert!(names(&world.path("")).is_empty());
    world.certgen(["tls-gen", "basic", QUICK, "CN=a", "--out", "x/out"]).run().success();
    let before = files(&world.path(""));
    run(&["regen"]).refused();
    run(&["gen-client"]).refused();
    assert_eq!(files(&world.path("")), before);
}

fn nix_is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

#[test]
fn the_server_and_the_client_of_a_tree_meet() {
    for profile in ["basic", "two_shared_intermediates"] {
        let world = World::new();
        let made = ["tls-gen", profile, QUICK, "CN=localhost", "PASSWORD=bunnies"];
        world.certgen(made).run().success();
        let mut server = Command::new(CERTGEN);
        server.args(["tls-gen", profile, "server", "--port", "0"]).current_dir(world.path(""));
        server.env("PASSWORD", "bunnies").env("CN", "localhost");
        server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut server = server.spawn().expect("it starts");
        server.stdin.take().expect("a pipe").write_all(b"a token\n").expect("it reads");
        let mut said = BufReader::new(server.stderr.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says where it listens");
        let port = line.split([':', ';']).nth(1).expect("a port").to_owned();
        let client = ["tls-gen", profile, "client", "CN=localhost", "PASSWORD=bunnies", "--port", &port];
        let output = world.certgen(client).stdin("an answer\n").run().success();
        assert_eq!(output.stdout, "a token\n", "{}", output.transcript());
        let heard = server.wait_with_output().expect("it ends with its input");
        assert!(heard.status.success());
        assert_eq!(String::from_utf8_lossy(&heard.stdout), "an answer\n");
    }
}

#[test]
fn makefiles_are_written_once_and_not_over_others() {
    let world = World::new();
    let run = |words: &[&str]| world.certgen(["tls-gen", "--makefile", "t"].iter().chain(words)).run();
    run(&[]).success().stdout_has("wrote t/separate_intermediates/Makefile");
    assert_eq!(run(&[]).success().stdout, "");
    world.write("t/basic/Makefile", "all:\n");
    run(&[]).refused().stderr_has("t/basic/Makefile exists and is another Makefile");
    run(&["--force"]).success();
    assert!(world.read("t/basic/Makefile").contains("tls-gen basic $@"));
    run(&["basic"]).code(2);
}
