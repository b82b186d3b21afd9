//! What expires, what is due, what is broken.

use std::fs;

use crate::support::World;

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

/// The text must be what the collector reads, whatever the names are.
#[test]
fn metrics_are_those_of_the_exporter() {
    let world = celery();
    let hostile = "a\"} 1\\";
    world.certgen(["issue", "client", hostile, "--subject", "O=x\\\"y"]).at(DAY_ONE).run().success();
    world.certgen(["status", "--prometheus", "certgen.prom"]).at(DAY_ONE).run().success().stdout_is("");
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
        "x509_read_errors 0",
    ] {
        assert!(text.contains(needle), "{needle} is not in\n{text}");
    }
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
