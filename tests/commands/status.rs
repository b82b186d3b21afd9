//! What expires, what is due, what is broken.

use std::fs;

use crate::support::{World, key_store};

const DAY_ONE: &str = "2026-01-01T00:00:00Z";

fn celery() -> World {
    let world = World::new();
    let init = world.certgen(["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    init.at(DAY_ONE).run().success();
    world
}

/// The state of one name, by `--json`.
fn state(world: &World, name: &str, at: &str) -> String {
    let items = world.certgen(["status", name, "--json"]).at(at).run().success().json()["items"].clone();
    items[0]["state"].as_str().expect("a state").to_owned()
}

#[test]
fn time_goes_by() {
    let world = celery();
    for (at, wanted) in [(DAY_ONE, "ok"), ("2026-09-02T00:00:00Z", "due"), ("2027-01-02T00:00:00Z", "expired")] {
        assert_eq!(state(&world, "client/celery_worker", at), wanted, "{at}");
    }
    // Ten years, of which the last and thirty days belong to the successor.
    for (at, wanted) in
        [("2034-11-01T00:00:00Z", "ok"), ("2034-12-31T00:00:00Z", "due"), ("2036-01-02T00:00:00Z", "expired")]
    {
        assert_eq!(state(&world, "authority/root", at), wanted, "{at}");
    }
    let due = world.certgen(["status"]).at("2026-09-02T00:00:00Z").run().success();
    due.stdout_has("celery_worker").stdout_has("due").stderr_has("certgen renew --due").stderr_has("revocation:");
    assert_eq!(state(&world, "client/celery_worker", "2026-08-01T00:00:00Z"), "ok");
    let within = world.certgen(["status", "client", "--due-within", "200d", "--json"]).at("2026-08-01T00:00:00Z");
    assert_eq!(within.run().success().json()["items"][0]["state"], "due");
}

#[test]
fn the_answer_is_no_when_something_ends() {
    let world = celery();
    world.certgen(["status", "--fail-within", "30d"]).at(DAY_ONE).run().success();
    world.certgen(["status", "--fail-within", "400d"]).at(DAY_ONE).run().code(3).stderr_has("end within 400d");
    world.certgen(["status", "authority", "--fail-within", "400d"]).at(DAY_ONE).run().success();
    // Beyond the end of the calendar is no reason to say yes.
    world.certgen(["status", "--fail-within", "9000y"]).at(DAY_ONE).run().code(3);
    world.certgen(["status", "nobody"]).at(DAY_ONE).run().code(1);
    fs::remove_file(world.pki("client/celery_worker/client_key.pem")).expect("it is there");
    world.certgen(["status", "--fail-within", "30d"]).at(DAY_ONE).run().code(3);
}

#[test]
fn a_list_that_lives_for_a_month_is_no_alarm_until_it_is_due() {
    let world = celery();
    world.certgen(["revoke", "celery_client"]).at(DAY_ONE).run().success();
    let status = |at: &str| world.certgen(["status", "--fail-within", "30d"]).at(at).run();
    status("2026-01-02T00:00:00Z").success().stdout_has("crl");
    status("2026-01-25T00:00:00Z").code(3);
    status("2026-02-25T00:00:00Z").code(3);
    world.certgen(["crl", "--due"]).at("2026-02-25T00:00:00Z").run().success();
    status("2026-02-26T00:00:00Z").success();
}

#[test]
fn what_is_wrong_with_a_pair_is_seen() {
    let world = celery();
    world.certgen(["issue", "client", "a", "b", "c", "d"]).at(DAY_ONE).run().success();
    let file = |name: &str| world.pki(format!("client/{name}"));
    fs::remove_file(file("a/client_key.pem")).expect("it is there");
    fs::write(file("b/client_certificate.pem"), "-----BEGIN CERTIFICATE-----\n").expect("written");
    fs::copy(file("d/client_key.pem"), file("c/client_key.pem")).expect("copied");
    fs::remove_dir_all(file("d")).expect("removed");
    for (name, wanted) in [("a", "missing"), ("b", "damaged"), ("c", "damaged"), ("d", "missing")] {
        assert_eq!(state(&world, &format!("client/{name}"), DAY_ONE), wanted, "{name}");
    }
    let table = world.certgen(["status"]).at(DAY_ONE).run().success();
    table.stdout_has("its key is missing").stdout_has("its key belongs to another certificate");
}

#[test]
fn what_is_elsewhere_or_withdrawn_is_said() {
    let world = celery();
    world.certgen(["request", "client", "sensor", "--out", "sensor"]).at(DAY_ONE).run().success();
    world.certgen(["issue", "client", "sensor", "--csr", "sensor/request.pem"]).at(DAY_ONE).run().success();
    assert_eq!(state(&world, "sensor", DAY_ONE), "elsewhere");
    assert_eq!(state(&world, "sensor", "2026-12-01T00:00:00Z"), "due");
    world.certgen(["issue", "client", "away", "--out", "there"]).at(DAY_ONE).run().success();
    assert_eq!(state(&world, "away", DAY_ONE), "elsewhere");
    assert_eq!(state(&world, "away", "2027-02-01T00:00:00Z"), "expired");
}

/// A state, and what is said about it.
fn told(world: &World, name: &str, at: &str) -> (String, String) {
    let item = &world.certgen(["status", name, "--json"]).at(at).run().success().json()["items"][0];
    (item["state"].as_str().expect("a state").to_owned(), item["detail"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn what_was_revoked_is_out_of_use() {
    let world = celery();
    world.certgen(["issue", "client", "x"]).at(DAY_ONE).run().success();
    world.certgen(["issue", "authority", "devices", "--issuer", "root"]).at(DAY_ONE).run().success();
    world.certgen(["revoke", "client/x", "authority/devices"]).at(DAY_ONE).run().success();
    for name in ["client/x", "authority/devices"] {
        assert_eq!(state(&world, name, DAY_ONE), "revoked", "{name}");
        world.certgen(["status", name, "--fail-within", "9000d"]).at(DAY_ONE).run().success();
    }
    // The list that says so is a thing with an end of its own.
    let list = |at: &str| {
        world.certgen(["status", "crl/root", "--json"]).at(at).run().success().json()["items"][0]["state"].clone()
    };
    for (at, wanted) in [(DAY_ONE, "ok"), ("2026-01-21T00:00:00Z", "due"), ("2026-02-01T00:00:00Z", "expired")] {
        assert_eq!(list(at), wanted, "{at}");
    }
    let due = world.certgen(["status"]).at("2026-01-21T00:00:00Z").run().success();
    due.stderr_has("certgen crl --due");
    fs::write(world.pki("ca/root/crl.pem"), "-----BEGIN X509 CRL-----\n").expect("ours");
    assert_eq!(list(DAY_ONE), "damaged");
}

/// Another authority of the same name in the place of the first, as after a restore of the wrong backup.
#[test]
fn what_the_present_authority_did_not_sign_is_superseded() {
    let (world, other) = (celery(), celery());
    for file in ["ca_certificate.pem", "ca_key.pem"] {
        fs::copy(other.pki(format!("ca/root/{file}")), world.pki(format!("ca/root/{file}"))).expect("ours");
    }
    assert_eq!(state(&world, "authority/root", DAY_ONE), "ok");
    let (state, detail) = told(&world, "client/celery_worker", DAY_ONE);
    assert_eq!(state, "superseded CA");
    assert!(detail.contains("not signed by the present authority"), "{detail}");
}

#[test]
fn what_begins_later_is_not_good_yet() {
    let world = celery();
    let later = ["issue", "client", "later", "--not-before", "2026-03-01", "--not-after", "2026-12-01"];
    world.certgen(later).at(DAY_ONE).run().success();
    assert_eq!(state(&world, "later", DAY_ONE), "not yet valid");
    world.certgen(["status", "later", "--fail-within", "1d"]).at(DAY_ONE).run().code(3);
    assert_eq!(state(&world, "later", "2026-03-02T00:00:00Z"), "ok");
    // A clock that is wrong by years says so of everything.
    assert_eq!(state(&world, "authority/root", "2016-01-01T00:00:00Z"), "not yet valid");
}

/// A pair that somebody else renews is known by its directory, and judged by its dates alone.
#[test]
fn what_others_renew_is_external() {
    let (world, other) = (celery(), celery());
    other.certgen(["issue", "server", "ui.example.com"]).at(DAY_ONE).run().success();
    for (from, to) in [("server_certificate.pem", "certificate.pem"), ("server_key.pem", "key.pem")] {
        let bytes = fs::read(other.pki(format!("server/ui.example.com/{from}"))).expect("ours");
        world.write(format!("pki/external/ui/{to}"), bytes);
    }
    for (at, wanted) in [(DAY_ONE, "external"), ("2026-12-01T00:00:00Z", "due"), ("2027-02-01T00:00:00Z", "expired")] {
        assert_eq!(state(&world, "external/ui", at), wanted, "{at}");
    }
    let table = world.certgen(["status", "external"]).at("2026-12-01T00:00:00Z").run().success();
    assert!(!table.stderr.contains("renew --due"), "it is not ours to renew: {}", table.stderr);
    fs::write(world.pki("external/ui/certificate.pem"), "").expect("ours");
    assert_eq!(state(&world, "ui", DAY_ONE), "damaged");
}

#[test]
fn an_authority_or_a_list_that_is_gone_or_broken_is_seen() {
    let (world, other) = (celery(), celery());
    world.certgen(["issue", "authority", "devices"]).at(DAY_ONE).run().success();
    fs::remove_dir_all(world.pki("ca/devices")).expect("ours");
    assert_eq!(state(&world, "authority/devices", DAY_ONE), "missing");
    fs::copy(other.pki("ca/root/ca_key.pem"), world.pki("ca/root/ca_key.pem")).expect("ours");
    let (state, detail) = told(&world, "authority/root", DAY_ONE);
    assert_eq!((&*state, &*detail), ("damaged", "its key belongs to another certificate"));
    world.certgen(["status", "authority/root", "--fail-within", "1d"]).at(DAY_ONE).run().code(3);
}

/// `chmod -R a+r pki`, a copy without modes, a checkout by another tool.
#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_not_well() {
    use std::os::unix::fs::PermissionsExt;
    let chmod = |path: std::path::PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    };
    let world = celery();
    world.certgen(["issue", "client", "group", "--key-mode", "0640"]).at(DAY_ONE).run().success();
    for (name, file, mode) in [
        ("authority/root", "ca/root/ca_key.pem", 0o644),
        ("client/celery_worker", "client/celery_worker/client_key.pem", 0o640),
        ("node/rabbit.example.com", "node/rabbit.example.com/combined_keys.pem", 0o604),
        ("client/group", "client/group/client_key.pem", 0o644),
    ] {
        let before = fs::metadata(world.pki(file)).expect("ours").permissions().mode() & 0o777;
        assert_eq!(state(&world, name, DAY_ONE), "ok", "{name} with {before:o}");
        chmod(world.pki(file), mode);
        let remedy = format!("others may read its key: chmod {before:o} pki/{file}");
        assert_eq!(told(&world, name, DAY_ONE), ("damaged".to_owned(), remedy), "{name}");
        world.certgen(["status", name, "--fail-within", "1d"]).at(DAY_ONE).run().code(3);
        chmod(world.pki(file), before);
        assert_eq!(state(&world, name, DAY_ONE), "ok", "{name}");
    }
}

/// The text must be what the collector reads, whatever the names are.
#[test]
fn metrics_are_those_of_the_exporter() {
    let world = celery();
    let hostile = "a\"} 1\\";
    world.certgen(["issue", "client", hostile, "--subject", "O=x\\\"y"]).at(DAY_ONE).run().success();
    world.certgen(["crl", "root"]).at(DAY_ONE).run().success();
    world.certgen(["status", "--prometheus", "certgen.prom"]).at(DAY_ONE).run().success().stdout_is("");
    let root = world.certgen(["inspect", "authority/root", "--json"]).run().success().json();
    let root = root["items"][0]["common_names"][0].as_str().expect("a name").to_owned();
    let text = world.read("certgen.prom");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').expect("a value");
        value.parse::<i64>().unwrap_or_else(|_| panic!("{line}"));
    }
    for needle in [
        "# TYPE x509_cert_not_after gauge",
        r#"subject_CN="celery_worker""#,
        r#"filename="client_certificate.pem""#,
        r#"certgen_renewal_due_timestamp_seconds{role="client",name="celery_worker"} 1788"#,
        r#"certgen_last_renew_success_timestamp_seconds{role="node",name="rabbit.example.com"} 1767225600"#,
        r#"name="a\"} 1\\""#,
        "# TYPE x509_crl_next_update gauge",
        &format!(r#"issuer_CN="{root}",crl_number="1767225600000"}} 1769817600"#),
        r#"certgen_renewal_due_timestamp_seconds{role="crl",name="root"} 1768953600"#,
        r#"certgen_last_renew_success_timestamp_seconds{role="crl",name="root"} 1767225600"#,
        "x509_read_errors 0",
    ] {
        assert!(text.contains(needle), "{needle} is not in\n{text}");
    }
    // A renewal is told as soon as it is done; what failed leaves the old time.
    world.certgen(["renew", "client/celery_worker"]).at("2026-06-01T00:00:00Z").run().success();
    world.write("pki/client/celery_client/client_certificate.pem", "no certificate");
    world.certgen(["status", "--prometheus", "certgen.prom"]).at("2026-06-02T00:00:00Z").run().success();
    let text = world.read("certgen.prom");
    let renewed = "certgen_last_renew_success_timestamp_seconds{role=\"client\",name=";
    for needle in
        [format!("{renewed}\"celery_worker\"}} 1780272000"), format!("{renewed}\"celery_client\"}} 1767225600")]
    {
        assert!(text.contains(&needle), "{needle} is not in\n{text}");
    }
    assert!(text.contains("x509_read_errors 1") && text.contains("x509_crl_stale{"), "{text}");

    world.certgen(["status", "--prometheus", "nowhere/certgen.prom"]).at(DAY_ONE).run();
    assert_eq!(
        fs::read_dir(world.path(""))
            .expect("listed")
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().contains("staging"))
            .count(),
        0
    );
}

/// The collector reads whenever it likes.
#[test]
fn metrics_are_never_half_there() {
    let world = celery();
    let write = || world.certgen(["status", "--prometheus", "certgen.prom"]).at(DAY_ONE).run().success();
    write();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let text = world.read("certgen.prom");
                assert!(
                    text.starts_with("# HELP x509_cert_not_before") && text.ends_with("x509_read_errors 0\n"),
                    "{text}"
                );
                reads += 1;
            }
            reads
        });
        (0..20).for_each(|_| drop(write()));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(reader.join().expect("the reader saw only whole files") > 20);
    });
}

/// A tree that certgen did not make.
#[test]
fn any_tree_is_scanned() {
    let world = celery();
    fs::create_dir_all(world.path("tree/sub/.git")).expect("made");
    let pem = world.read("pki/client/celery_worker/client_certificate.pem");
    world.write("tree/a.pem", &pem);
    let indented: String = pem.lines().map(|line| format!("      {line}\n")).collect();
    world.write("tree/sub/config.yaml", format!("data:\n  crt: |\n{indented}"));
    world.write("tree/sub/state.json", serde_json::json!({ "crt": pem }).to_string());
    world.write("tree/sub/.git/hidden.pem", &pem);
    world.write("tree/README.md", "put it between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----\n");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/", world.path("tree/link")).expect("linked");
    let scan = |at: &'static str| world.certgen(["status", "--scan", "tree", "--fail-within", "30d"]).at(at).run();
    let found = scan(DAY_ONE).success();
    assert_eq!(found.stdout.lines().count(), 4, "{}", found.stdout);
    scan("2026-12-20T00:00:00Z").code(3).stderr_has("3 of 3");
    world.write("tree/broken.pem", &pem[..pem.len() / 2]);
    scan(DAY_ONE).code(3).stdout_has("broken.pem").stdout_has("damaged");
    world.certgen(["status", "--scan", "nowhere"]).run().code(1).stderr_has("nowhere");
}

/// Fixtures lie in the repository that the guard guards, and some of them ended long ago.
#[test]
fn a_scan_passes_over_fixtures_and_what_is_excluded() {
    let world = celery();
    world.write("password", "geheim\n");
    world
        .certgen(["fixtures", "tree/fixtures", "--broker", "--with", "pkcs12,jks", "--password-file", "password"])
        .at(DAY_ONE)
        .run()
        .success();
    let scan = |more: &[&str]| {
        let fixed = ["status", "--scan", "tree", "--fail-within", "30d"];
        world.certgen(fixed.iter().chain(more)).at(DAY_ONE).run()
    };
    let said = scan(&[]).success();
    assert_eq!(said.stdout, "", "{}", said.transcript());
    said.stderr_has("no certificate was found").stderr_has(" certificates of certgen fixtures");

    // A copy says itself what it is. What is no fixture is looked at, also among them and under the name of one.
    fs::create_dir(world.path("tree/data")).expect("made");
    fs::copy(world.path("tree/fixtures/expired/chain.pem"), world.path("tree/data/old.pem")).expect("copied");
    scan(&[]).success();
    let pem = world.read("pki/client/celery_worker/client_certificate.pem");
    world.write("tree/fixtures/expired/mine.pem", &pem);
    world.write("tree/fixtures/expired/chain.pem", &pem);
    world.write("tree/data/broken.pem", &pem[..pem.len() / 2]);
    let said = scan(&[]).code(3);
    assert_eq!(said.stdout.lines().count(), 4, "{}", said.transcript());
    said.stderr_has("1 of 3 end within 30d");
    for excluded in ["tree/data", "./tree/data", "tree/data/broken.pem", "tree"] {
        scan(&["--exclude", excluded]).success();
    }
    scan(&["--exclude", "tree/da"]).code(3);
    world.certgen(["status", "--exclude", "tree"]).run().code(2);
}

/// Among two hundred lines nobody finds the one that fails by its date.
#[test]
fn what_fails_comes_first_and_says_so() {
    let world = celery();
    world.certgen(["issue", "server", "zzz.test", "--validity", "20d"]).at(DAY_ONE).run().success();
    let first = |args: &[&str]| {
        let said = world.certgen(args).at(DAY_ONE).run().code(3);
        said.stdout.lines().nth(1).expect("a row").to_owned()
    };
    let row = first(&["status", "--fail-within", "30d"]);
    assert!(row.contains("zzz.test") && row.ends_with(" ends within 30d"), "{row}");
    let row = first(&["status", "--scan", "pki", "--fail-within", "30d"]);
    assert!(row.contains("zzz.test") && row.ends_with(" ends within 30d"), "{row}");
}

#[test]
fn a_list_that_a_broker_reads_is_missed() {
    let world = celery();
    let text = world.read("pki/certgen.toml").replace("revocation = false", "revocation = true");
    world.write("pki/certgen.toml", text);
    world.certgen(["apply"]).at(DAY_ONE).run().success();
    world.certgen(["status", "--fail-within", "1d"]).at(DAY_ONE).run().success();
    fs::remove_file(world.pki("ca/root/crl.pem")).expect("it is there");
    let missed = world.certgen(["status", "crl", "--fail-within", "1d"]).at(DAY_ONE).run().code(3);
    missed.stdout_has("missing: to write it: certgen crl root");
    world.certgen(["apply"]).at(DAY_ONE).run().success();
    world.certgen(["status", "--fail-within", "1d"]).at(DAY_ONE).run().success();
}

#[test]
fn the_files_beside_a_pair_are_looked_at_too() {
    let world = celery();
    let node = "node/rabbit.example.com";
    let combined = world.pki(node).join("combined_keys.pem");
    let whole = fs::read(&combined).expect("it is there");
    fs::remove_file(&combined).expect("it is there");
    assert_eq!(state(&world, node, DAY_ONE), "missing");
    fs::copy(world.pki("client/celery_worker/client_certificate.pem"), &combined).expect("written");
    assert_eq!(state(&world, node, DAY_ONE), "damaged");
    fs::write(world.pki("client/celery_worker/ca_certificate.pem"), "").expect("written");
    assert_eq!(state(&world, "client/celery_worker", DAY_ONE), "damaged");
    fs::remove_file(world.pki("client/celery_client/ca_certificate.pem")).expect("it is there");
    assert_eq!(state(&world, "client/celery_client", DAY_ONE), "missing");
    world.certgen(["apply"]).at(DAY_ONE).run().success();
    world.certgen(["status", "--fail-within", "1d"]).at(DAY_ONE).run().success();
    assert!(fs::read(&combined).expect("it is there") == whole);
}

#[test]
fn metrics_go_where_a_collector_looks() {
    let world = celery();
    let wrong = world.certgen(["status", "--prometheus", "nowhere/certgen.prom"]).at(DAY_ONE).run().code(1);
    wrong.stderr_has("there is no directory nowhere").stderr_has("mkdir -p nowhere");
    assert!(!world.path("nowhere").exists());
    let shown = world.certgen(["status", "--prometheus", "-"]).at(DAY_ONE).run().success();
    assert!(shown.stdout.starts_with("# HELP x509_cert_not_before "), "{}", shown.transcript());
    assert!(!world.path("-").exists());
    world.certgen(["--json", "status", "--prometheus", "-"]).at(DAY_ONE).run().code(2);
}

/// A key store without its password is told, and is no reason to fail: the guard is for what ends.
#[test]
fn a_locked_key_store_is_told_and_fails_nothing() {
    let world = celery();
    let worker = || vec![key_store::pair(&world, "celery_worker", None)];
    key_store::write(&world, "tree/locked.p12", "geheim", worker());
    key_store::write(&world, "tree/known.p12", "changeit", worker());
    key_store::write(&world, "tree/java.jks", "geheim", worker());
    world.write("password", "geheim\n");
    let scan = |args: &[&str]| {
        let fixed = ["status", "--scan", "tree", "--fail-within", "30d"];
        world.certgen(fixed.iter().chain(args)).at(DAY_ONE).run()
    };
    let said = scan(&[]).success();
    assert_eq!(said.stdout.lines().count(), 6, "two of each but the locked one\n{}", said.stdout);
    said.stdout_has("locked: no password that was given opens it")
        .stderr_has("1 key store was not looked into: give the password with --password-file");
    let said = scan(&["--password-file", "password"]).success();
    assert_eq!((said.stdout.lines().count(), said.stderr.as_str()), (7, ""), "{}", said.stdout);
    let later = world.certgen(["status", "--scan", "tree", "--fail-within", "30d"]).at("2040-01-01").run().code(3);
    later.stderr_has("4 of 5 end within 30d");
    let whole = fs::read(world.path("tree/known.p12")).expect("written");
    world.write("tree/cut.p12", &whole[..whole.len() / 2]);
    scan(&[]).code(3).stdout_has("damaged: the key store is damaged").stderr_has("1 of 6");
}

#[test]
fn a_path_in_json_opens_the_file() {
    let world = celery();
    fs::create_dir(world.path("tree")).expect("a world is writable");
    let odd = world.path("tree/a\nb.pem");
    fs::copy(world.pki("ca/root/ca_certificate.pem"), &odd).expect("written");
    let items =
        world.certgen(["status", "--scan", "tree", "--json"]).at(DAY_ONE).run().success().json()["items"].clone();
    assert_eq!(items[0]["path"], "tree/a\nb.pem");
}
