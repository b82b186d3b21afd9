//! `issue --from` and `--csr-dir`: many identities at once, whatever stops them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use certgen::x509::{Certificate, PrivateKey};

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::world::CERTGEN;
use crate::support::{World, openssl};

const NOON: &str = "2026-11-22T12:00:00Z";

fn names(count: usize) -> String {
    (1..=count).map(|n| format!("dev-{n:05}\n")).collect()
}

/// The identities of an archive, in its order: the files of each.
fn archive(file: &Path) -> Vec<(String, BTreeMap<String, Vec<u8>>)> {
    let mut all: Vec<(String, BTreeMap<String, Vec<u8>>)> = Vec::new();
    let mut archive = tar::Archive::new(fs::File::open(file).expect("an archive"));
    for entry in archive.entries().expect("a tar file") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").into_owned();
        let header = entry.header().clone();
        if header.entry_type().is_dir() {
            assert_eq!(header.mode().ok(), Some(0o700));
            all.push((path.display().to_string(), BTreeMap::new()));
            continue;
        }
        let (directory, files) = all.last_mut().expect("a directory stands before its files");
        let name = path.strip_prefix(&*directory).expect("a file lies in its directory").display().to_string();
        assert_eq!(header.mode().ok(), Some(if name == "client_key.pem" { 0o600 } else { 0o644 }), "{name}");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("a whole file");
        files.insert(name, bytes);
    }
    all
}

/// The files of each identity below a directory.
fn directories(root: &Path) -> Vec<(String, BTreeMap<String, Vec<u8>>)> {
    let files = |path: PathBuf| {
        fs::read_dir(path).expect("a directory").flatten().map(|file| {
            let name = file.file_name().into_string().expect("ASCII");
            (name, fs::read(file.path()).expect("a file"))
        })
    };
    let all = fs::read_dir(root).expect("a directory").flatten();
    all.map(|d| (d.file_name().into_string().expect("ASCII"), files(d.path()).collect())).collect()
}

/// Each name once, each key with its certificate, each certificate as the inventory has it and no other.
#[track_caller]
fn exactly_one_each(world: &World, count: usize, found: &[(String, BTreeMap<String, Vec<u8>>)]) {
    let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in world.read("pki/inventory.jsonl").lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let name = event["name"].as_str().unwrap_or_default();
        if name.starts_with("dev-") {
            events.entry(name.to_owned()).or_default().push(event["serial"].as_str().expect("a serial").to_owned());
        }
    }
    assert_eq!((events.len(), found.len()), (count, count), "names in the inventory, and where they were written");
    for (name, files) in found {
        let certificate = Certificate::from_pem(&files["client_certificate.pem"]).expect("a certificate");
        let key = PrivateKey::from_pem(&files["client_key.pem"], None).expect("a key");
        assert_eq!(key.public_key(), certificate.public_key(), "{name}");
        assert_eq!(certificate.subject().common_name(), Some(&**name));
        assert!(files.contains_key("ca_certificate.pem"), "{name} lacks its bundle");
        assert_eq!(events[name], [certificate.serial().to_string()], "{name}");
    }
}

#[test]
fn an_archive_has_all_of_them_in_order_and_a_second_run_does_nothing() {
    let world = World::new();
    world.certgen(["init"]).at(NOON).run().success();
    world.write("names", names(200));
    let issue = ["issue", "client", "--from", "names", "--archive", "fleet.tar"];
    let output = world.certgen(issue).at(NOON).run().success();
    assert_eq!(output.stdout, "issued    200 clients  until 2027-11-22  fleet.tar\n");
    let found = archive(&world.path("fleet.tar"));
    exactly_one_each(&world, 200, &found);
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "it is not in the order of the list");
    let mode = |path: &str| fs::metadata(world.path(path)).expect("a file").permissions().mode() & 0o7777;
    assert_eq!(mode("fleet.tar"), 0o600);
    // Nothing of them is in the PKI but what the inventory says.
    assert!(!world.pki("client/dev-00001").exists() && !world.read("pki/certgen.toml").contains("dev-"));
    assert!(!world.read("pki/rabbitmq/definitions.json").contains("dev-"));
    check(&world.pki(""));
    let left: Vec<_> =
        fs::read_dir(world.pki("")).expect("a directory").flatten().map(|left| left.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("staging")), "{left:?}");

    let before = (snapshot(&world.pki("")), fs::read(world.path("fleet.tar")).expect("an archive"));
    world.certgen(issue).at(NOON).run().success().stdout_is("unchanged 200 clients\n");
    unchanged(&before.0, &world.pki(""), "a second run");
    assert!(fs::read(world.path("fleet.tar")).expect("an archive") == before.1);

    // More names need another archive, which holds those alone.
    world.write("names", names(203));
    world.certgen(issue).at(NOON).run().code(1).stderr_has("fleet.tar exists already");
    let more = ["issue", "client", "--from", "names", "--archive", "more.tar"];
    world.certgen(more).at(NOON).run().success().stderr_has("200 were issued before");
    assert_eq!(archive(&world.path("more.tar")).len(), 3);
    assert!(!world.path("more.tar.partial").exists());
}

#[test]
fn the_same_bytes_but_for_keys_and_serial_numbers() {
    let headers = |world: &World| {
        world.write("names", names(3));
        world.certgen(["issue", "client", "--from", "names", "--archive", "a.tar"]).at(NOON).run().success();
        let mut archive = tar::Archive::new(fs::File::open(world.path("a.tar")).expect("an archive"));
        let entries = archive.entries().expect("a tar file");
        let facts = |header: &tar::Header| {
            (header.mode().ok(), header.uid().ok(), header.gid().ok(), header.mtime().ok(), header.entry_type())
        };
        entries.map(|e| facts(e.expect("an entry").header())).collect::<Vec<_>>()
    };
    let world = World::new();
    world.certgen(["init"]).at(NOON).run().success();
    let first = headers(&world.copy());
    assert_eq!(first, headers(&world));
    assert!(first.iter().all(|header| (header.1, header.3) == (Some(0), Some(1_795_348_800))), "{first:?}");
}

#[test]
fn directories_in_the_pki_and_elsewhere() {
    let world = World::initialised([]);
    world.write("names", names(40));
    world.certgen(["issue", "client", "--from", "names"]).run().success().stdout_has("issued    40 clients");
    check(&world.pki(""));
    world.certgen(["issue", "client", "--from", "names"]).run().success().stdout_is("unchanged 40 clients\n");
    // One that is lost comes back, and nothing else changes.
    fs::remove_dir_all(world.pki("client/dev-00007")).expect("writable");
    world.certgen(["issue", "client", "--from", "names"]).run().success().stdout_has("reissued  1 client ");
    check(&world.pki(""));
    // Those are in the PKI: elsewhere they would have two pairs.
    let out = ["issue", "client", "--from", "names", "--out", "out", "--force"];
    world.certgen(out).run().code(1).stderr_has("it has its pair in the PKI");
    assert!(!world.path("out").exists());

    let world = World::initialised([]);
    world.write("names", names(40));
    world.certgen(["issue", "client", "--from", "names", "--out", "new/out"]).run().success();
    exactly_one_each(&world, 40, &directories(&world.path("new/out")));
    check(&world.pki(""));

    let world = World::initialised([]);
    world.write("names", "dev-1\n\"../x\"\n");
    let flat = ["issue", "client", "--from", "names", "--out", "flat", "--layout", "flat"];
    world.certgen(flat).run().success();
    let mut files: Vec<_> =
        fs::read_dir(world.path("flat")).expect("a directory").flatten().map(|f| f.file_name()).collect();
    files.sort();
    assert_eq!(files, ["%2E.%2Fx.key", "%2E.%2Fx.pem", "ca_certificate.pem", "dev-1.key", "dev-1.pem"]);
    let mode = |file: &str| fs::metadata(world.path("flat").join(file)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("dev-1.key"), mode("dev-1.pem")), (0o600, 0o644));
    // What lies there is somebody's.
    world.write("names", "dev-2\n");
    world.write("flat/dev-2.key", "precious");
    world.certgen(flat).run().code(1).stderr_has("flat/dev-2.key exists already");
    assert_eq!(world.read("flat/dev-2.key"), "precious");
}

#[test]
fn a_certificate_in_the_pki_that_is_due_is_replaced_in_its_directory() {
    let world = World::new();
    world.certgen(["init"]).at(NOON).run().success();
    world.write("names", names(3));
    world.certgen(["issue", "client", "--from", "names"]).at(NOON).run().success();
    let old = world.read("pki/client/dev-00002/client_certificate.pem");
    world
        .certgen(["issue", "client", "--from", "names"])
        .at("2027-10-30T12:00:00Z")
        .run()
        .success()
        .stdout_has("reissued  3");
    assert_ne!(world.read("pki/client/dev-00002/client_certificate.pem"), old);
    assert_eq!(fs::read_dir(world.pki("history/client/dev-00002")).expect("the old pair is kept").count(), 1);
    check(&world.pki(""));
}

#[test]
fn bad_rows_keep_all_back_unless_the_others_may_go() {
    let world = World::new();
    world.certgen(["init", "--profile", "celery"]).at(NOON).run().success();
    let before = snapshot(&world.pki(""));
    let rows = "name,san,validity,not_after\n\
                good-1,a.example;10.0.0.1,,\n\
                \n\
                good-1,,,\n\
                GOOD-1,,,\n\
                guest,,,\n\
                clipped,,20y,\n\
                both,,1d,2027-01-01\n\
                late,,,2050-01-01\n\
                celery_client,,,\n\
                \"new\nline\",,,\n\
                # a comment\n\
                few,\n\
                good-2,,,2027-01-01\n\r\n\n";
    world.write("rows.csv", rows);
    let issue = ["issue", "client", "--from", "rows.csv", "--archive", "a.tar"];
    let output = world.certgen(issue).at(NOON).run().code(1).stderr_has("10 bad rows, nothing was issued");
    for told in [
        "line 3: there is nothing in it",
        "line 4: \"good-1\" is the same as the one on line 2",
        "line 5: \"GOOD-1\" differs only in case",
        "line 6: client \"guest\": its name is that of a user with a password",
        "line 7: ",
        "line 8: not_after and validity contradict each other",
        "line 9: it would end on",
        "line 11: ",
        "line 14: 2 columns, and there should be 4",
        "lines 16 to 17: there is nothing in it",
    ] {
        assert!(output.stderr.contains(told), "{told} is not told\n{}", output.transcript());
    }
    unchanged(&before, &world.pki(""), "a refused list");
    assert!(!world.path("a.tar").exists() && !world.path("a.tar.partial").exists());

    let going: Vec<&str> = ["--json"].into_iter().chain(issue).chain(["--keep-going"]).collect();
    let output = world.certgen(going).at(NOON).run().code(1).stderr_has("10 bad rows, all others are issued");
    let items = output.json()["items"].as_array().expect("items").clone();
    let of = |action: &str| items.iter().filter(|item| item["action"] == action).count();
    let counts = (of("issued"), of("skipped"), of("unchanged"), items.len());
    assert_eq!(counts, (2, 10, 1, 13), "{items:?}");
    let last = items.last().expect("items");
    assert_eq!((&last["name"], &last["not_after"]), (&"good-2".into(), &"2027-01-01T00:00:00Z".into()));
    assert_eq!(archive(&world.path("a.tar")).len(), 2);
}

#[test]
fn a_default_validity_is_not_clipped_in_silence() {
    let world = World::new();
    world.certgen(["init"]).at(NOON).run().success();
    world.write("names", names(2));
    // The authority ends before a year is over.
    let issue = ["issue", "client", "--from", "names", "--archive", "a.tar"];
    world.certgen(issue).at("2036-06-01T00:00:00Z").run().code(1).stderr_has("line 2: it would outlive its issuer");
    let short = ["issue", "client", "--from", "names", "--archive", "a.tar", "--validity", "30d"];
    world.certgen(short).at("2036-06-01T00:00:00Z").run().success();
}

#[test]
fn other_facts_are_an_error_of_the_row() {
    let world = World::initialised([]);
    world.write("a.csv", "name,san\na,x.example\nb,\n");
    world.certgen(["issue", "client", "--from", "a.csv", "--archive", "a.tar"]).run().success();
    world.write("a.csv", "name,san\na,y.example\nb,\n");
    let again = ["issue", "client", "--from", "a.csv", "--archive", "b.tar"];
    let output = world.certgen(again).run().code(1).stderr_has("line 2: it exists with other facts: names: is");
    assert!(output.stderr.contains("1 bad row, nothing was issued"), "{}", output.transcript());
    let force: Vec<&str> = again.into_iter().chain(["--force"]).collect();
    world.certgen(force).run().success().stdout_has("reissued  2 clients");
}

#[test]
fn the_users_of_a_list_are_a_file_to_import() {
    let world = World::initialised(["--profile", "mqtt"]);
    world.write("rows.csv", "name,vhost,access,topic_write\na,/,mqtt,^a$\nb,iot,all,\nc,,,\n");
    let issue = ["issue", "client", "--from", "rows.csv", "--archive", "a.tar", "--users", "users.json"];
    let output =
        world.certgen(issue).run().success().stderr_has("3 users in users.json").stderr_has("import_definitions");
    assert!(output.stderr.contains("iot"), "{}", output.transcript());
    let mode = fs::metadata(world.path("users.json")).expect("a file").permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    let text = world.read("users.json");
    let users: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let list = |section: &str| users[section].as_array().unwrap_or_else(|| panic!("no {section}\n{text}")).clone();
    assert_eq!((list("users").len(), list("topic_permissions").len()), (3, 1), "{text}");
    assert!(list("users").iter().all(|user| user["password_hash"] == "" && user["tags"] == serde_json::json!([])));
    let of_b = list("permissions").into_iter().find(|p| p["user"] == "b").expect("b may do all");
    assert_eq!((&of_b["vhost"], &of_b["configure"]), (&"iot".into(), &".*".into()));
    assert!(users.get("vhosts").is_none(), "importing a vhost resets its description");

    // The same again writes nothing; other users do not take the place of these.
    world.certgen(issue).run().success();
    assert_eq!(world.read("users.json"), text);
    world.write("rows.csv", "name\nd\n");
    let other = ["issue", "client", "--from", "rows.csv", "--archive", "b.tar", "--users", "users.json"];
    world.certgen(other).run().code(1).stderr_has("users.json exists already");
    assert!(!world.path("b.tar").exists() && world.read("users.json") == text);
    let force: Vec<&str> = other.into_iter().chain(["--force"]).collect();
    world.certgen(force).run().success();
    assert!(world.read("users.json").contains("\"d\""));
    // Without the flag they are said to have none.
    world.write("rows.csv", "e\n");
    let plain = ["issue", "client", "--from", "rows.csv", "--archive", "c.tar", "--access", "mqtt"];
    world.certgen(plain).run().success().stderr_has("--users FILE");
}

#[test]
fn a_folder_of_requests() {
    let world = World::initialised([]);
    fs::create_dir(world.path("requests")).expect("writable");
    let request = |file: &str, subject: &str| {
        let path = |name: String| world.path(name).display().to_string();
        let (key, csr) = (path(format!("{file}.key")), path(format!("requests/{file}.csr")));
        let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject];
        openssl(new.into_iter().chain(["-keyout", &key, "-out", &csr])).accepted();
    };
    request("a", "/CN=a");
    request("b", "/CN=b");
    request("no-name", "/O=x");
    request("c", "/CN=other");
    world.write("requests/d.csr", "no request");
    let before = snapshot(&world.pki(""));
    let issue = ["issue", "client", "--csr-dir", "requests"];
    let output = world.certgen(issue).run().code(1).stderr_has("2 bad rows, nothing was issued");
    assert!(output.stderr.contains("c.csr: it is for \"other\", not for \"c\""), "{}", output.transcript());
    assert!(output.stderr.contains("d.csr: "), "{}", output.transcript());
    unchanged(&before, &world.pki(""), "a refused folder");
    for bad in ["c", "d"] {
        fs::remove_file(world.path(format!("requests/{bad}.csr"))).expect("writable");
    }
    world.certgen(issue).run().success().stdout_has("issued    3 clients");
    for name in ["a", "b", "no-name"] {
        let certificate =
            Certificate::from_pem(world.read(format!("pki/client/{name}/client_certificate.pem")).as_bytes());
        let key = PrivateKey::from_pem(world.read(format!("{name}.key")).as_bytes(), None).expect("a key");
        assert_eq!(certificate.expect("a certificate").public_key(), key.public_key());
        assert!(!world.pki(format!("client/{name}/client_key.pem")).exists());
    }
    check(&world.pki(""));
    world.certgen(issue).run().success().stdout_is("unchanged 3 clients\n");
    request("b", "/CN=b");
    world.certgen(issue).run().code(1).stderr_has("b.csr: it exists with other facts: the request brings another key");
}

#[test]
fn a_device_that_was_swapped() {
    let world = World::new();
    world.certgen(["init", "--profile", "celery", "--set", "revocation=true"]).at(NOON).run().success();
    world.certgen(["issue", "client", "device", "--like", "celery_worker"]).at(NOON).run().success();
    world.certgen(["issue", "client", "device", "--force"]).at(NOON).run().success();
    world.certgen(["issue", "client", "nobody", "--replace"]).at(NOON).run().code(1).stderr_has("has no certificate");
    let replace = ["--json", "issue", "client", "device", "--replace"];
    let output = world.certgen(replace).at("2026-11-22T13:00:00Z").run().success();
    let items = output.json()["items"].as_array().expect("items").clone();
    let revoked: Vec<&str> =
        items.iter().filter(|i| i["action"] == "revoked").filter_map(|i| i["serial_number"].as_str()).collect();
    assert_eq!(revoked.len(), 2, "{items:?}");
    let list = certgen::x509::Crl::from_pem(world.read("pki/ca/root/crl.pem").as_bytes()).expect("a list");
    let listed: Vec<_> = list.revoked().map(|r| (r.serial.to_string(), r.reason.map(|r| r.to_string()))).collect();
    assert_eq!(listed.len(), 2);
    assert!(
        listed.iter().all(|(serial, reason)| revoked.contains(&&**serial) && reason.as_deref() == Some("superseded"))
    );
    assert!(world.read("pki/rabbitmq/definitions.json").contains("\"device\""), "its user stays");
    world.certgen(["verify", "client/device"]).at("2026-11-22T13:00:00Z").run().success();
    check(&world.pki(""));
}

/// The inventory's events of an action, oldest first.
fn events(world: &World, action: &str) -> Vec<serde_json::Value> {
    let all = world.read("pki/inventory.jsonl");
    let events = all.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    events.filter(|event| event["action"] == action).collect()
}

/// What the revocation list of the root says: serial number and reason.
fn listed(world: &World) -> Vec<(String, Option<String>)> {
    let list = certgen::x509::Crl::from_pem(world.read("pki/ca/root/crl.pem").as_bytes()).expect("a list");
    list.revoked().map(|entry| (entry.serial.to_string(), entry.reason.map(|reason| reason.to_string()))).collect()
}

#[test]
fn a_list_of_devices_that_were_swapped() {
    let world = World::new();
    world.certgen(["init", "--profile", "celery", "--set", "revocation=true"]).at(NOON).run().success();
    world.write("all.csv", "name,san,validity\na,a.example,90d\nb,,\nc,,\n");
    world.certgen(["issue", "client", "--from", "all.csv", "--archive", "all.tar"]).at(NOON).run().success();
    let first: BTreeMap<String, String> = events(&world, "issued")
        .iter()
        .map(|event| (event["name"].as_str().unwrap().to_owned(), event["serial"].as_str().unwrap().to_owned()))
        .collect();

    // Nobody is replaced who has nothing, and one bad row keeps all back.
    world.write("swapped", "a\nnobody\n");
    let before = snapshot(&world.pki(""));
    let replace = ["issue", "client", "--from", "swapped", "--replace", "--archive", "swapped.tar"];
    world.certgen(replace).at(NOON).run().code(1).stderr_has("line 2: it has no certificate to be replaced");
    unchanged(&before, &world.pki(""), "a refused list");

    world.write("swapped", "a\nc\n");
    let old_list = world.read("pki/ca/root/crl.pem");
    let output = world.certgen(replace).at("2026-11-22T13:00:00Z").run().success();
    assert_eq!(
        output.stdout,
        "reissued  2 clients  until 2027-02-20  swapped.tar\nrevoked   2 client certificates  superseded\n"
    );
    let superseded = |serial: &str| (serial.to_owned(), Some("superseded".to_owned()));
    let mut wanted = vec![superseded(&first["a"]), superseded(&first["c"])];
    wanted.sort();
    assert_eq!(listed(&world), wanted);
    let copied = fs::read_dir(world.pki("rabbitmq/crls")).expect("a directory").flatten().any(|file| {
        certgen::x509::Crl::from_bytes(&fs::read(file.path()).expect("a file")).is_ok_and(|list| list.len() == 2)
    });
    assert!(copied, "the broker's copy follows");
    // What the row does not say stays as it was.
    let new = archive(&world.path("swapped.tar"));
    let certificate = Certificate::from_pem(&new[0].1["client_certificate.pem"]).expect("a certificate");
    assert_eq!(certificate.subject_alt_names().expect("names").len(), 1);
    check(&world.pki(""));

    // The same list means the same swap; another one has to say whether it does.
    let before = snapshot(&world.pki(""));
    let again = world.certgen(replace).at("2026-11-22T14:00:00Z").run().success();
    again.stdout_is("unchanged 2 clients\n").stderr_has("2 were replaced before, for the same list");
    unchanged(&before, &world.pki(""), "a list that was followed");
    // A run that was killed before it wrote the revocation list leaves that to the next one.
    world.write("pki/ca/root/crl.pem", old_list);
    world.certgen(replace).at("2026-11-22T14:00:00Z").run().success().stdout_is("unchanged 2 clients\n");
    assert_eq!(listed(&world), wanted);
    let before = snapshot(&world.pki(""));
    world.write("more", "b\nc\n");
    let more = ["issue", "client", "--from", "more", "--replace", "--archive", "more.tar"];
    world.certgen(more).at(NOON).run().code(1).stderr_has("line 2: another list replaced it already");
    unchanged(&before, &world.pki(""), "a list that is refused");
    let going: Vec<&str> = ["--json"].into_iter().chain(more).chain(["--keep-going"]).collect();
    let output = world.certgen(going).at("2026-11-22T15:00:00Z").run().code(1);
    let items = output.json()["items"].as_array().expect("items").clone();
    let facts = |item: &serde_json::Value| (item["action"].to_string(), item["name"].to_string());
    let told: Vec<_> = items.iter().map(facts).collect();
    let item = |action: &str, name: &str| (format!("{action:?}"), name.to_owned());
    assert_eq!(told, [item("skipped", "null"), item("reissued", "\"b\""), item("revoked", "\"b\"")], "{items:?}");
    assert_eq!(items[2]["serial_number"], first["b"].as_str());
    assert_eq!(listed(&world).len(), 3);
    let force: Vec<&str> = replace[..5].iter().copied().chain(["--force", "--archive", "third.tar"]).collect();
    world.certgen(force).at("2026-11-22T16:00:00Z").run().success().stdout_has("revoked   2 client certificates");
    assert_eq!(listed(&world).len(), 5);
    check(&world.pki(""));
}

#[test]
fn a_request_with_another_key_replaces_and_one_with_the_same_does_not() {
    let world = World::initialised([]);
    fs::create_dir(world.path("requests")).expect("writable");
    let request = |name: &str| {
        let csr = world.path(format!("requests/{name}.csr")).display().to_string();
        let key = world.path(format!("{name}.key")).display().to_string();
        let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=x"];
        openssl(new.into_iter().chain(["-keyout", &key, "-out", &csr])).accepted();
    };
    request("a");
    request("b");
    world.certgen(["issue", "client", "--csr-dir", "requests"]).run().success();
    request("b");
    let replace = ["issue", "client", "--csr-dir", "requests", "--replace"];
    let output = world.certgen(replace).run().success().stdout_has("reissued  1 client ");
    assert!(output.stdout.contains("unchanged 1 client\nrevoked   1 client certificate "), "{}", output.transcript());
    world.certgen(replace).run().success().stdout_is("unchanged 2 clients\n");
    assert_eq!((listed(&world).len(), events(&world, "revoked").len()), (1, 1));
    check(&world.pki(""));
}

/// Kills a run at moments spread over its length, then lets it come to its end.
fn fifty_kills(
    args: &[&str],
    count: usize,
    kills: u32,
    found: impl Fn(&World) -> Vec<(String, BTreeMap<String, Vec<u8>>)>,
) {
    let template = World::initialised([]);
    template.write("names", names(count));
    killed(&template, args, count, kills, |world| exactly_one_each(world, count, &found(world)));
}

/// The same with what a run begins from, and what must be true of its end.
fn killed(template: &World, args: &[&str], count: usize, kills: u32, is_whole: impl Fn(&World)) {
    let mut whole = template.copy().certgen(args).run().success().took;
    let (mut killed, mut tried) = (0, 0_u32);
    // Each world is killed several times before it may finish.
    while killed < kills {
        let world = template.copy();
        for _ in 0..5 {
            tried += 1;
            let part = u64::from(tried).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let delay = whole.mul_f64(part as f64 / f64::from(1 << 24));
            let mut child = world.certgen(args).start();
            std::thread::sleep(delay);
            let _ = child.kill();
            if child.wait().expect("a child").success() {
                // It was faster than the first one, or had less to do.
                whole = whole.mul_f64(0.9);
            } else {
                killed += 1;
            }
        }
        assert!(tried < 10 * kills, "only {killed} of {tried} were killed in time");
        let last = world.certgen(args).run().success();
        assert!(!last.stderr.contains("panicked"), "{}", last.transcript());
        is_whole(&world);
        world.certgen(args).run().success().stdout_is(&format!("unchanged {count} clients\n"));
        // What openssl thinks of hundreds of files takes long, and every other test asks it.
        if args.contains(&"--archive") {
            check(&world.pki(""));
        }
        let rest = fs::read_dir(world.path("")).expect("a world").chain(fs::read_dir(world.pki("")).expect("a PKI"));
        let left: Vec<_> = rest.flatten().map(|entry| entry.file_name().into_string().expect("ASCII")).collect();
        assert!(
            left.iter().all(|name| !name.contains("staging") && !name.contains("partial") && name != "journal"),
            "{left:?}"
        );
    }
}

#[test]
fn fifty_kills_of_an_archive() {
    let args = ["issue", "client", "--from", "names", "--archive", "fleet.tar"];
    fifty_kills(&args, 400, 50, |world| archive(&world.path("fleet.tar")));
}

#[test]
fn twenty_kills_of_directories() {
    let args = ["issue", "client", "--from", "names"];
    fifty_kills(&args, 300, 20, |world| {
        let all = directories(&world.pki("client")).into_iter();
        all.filter(|(name, _)| name.starts_with("dev-")).collect()
    });
}

#[test]
fn twenty_kills_of_directories_elsewhere() {
    let args = ["issue", "client", "--from", "names", "--out", "out"];
    fifty_kills(&args, 300, 20, |world| directories(&world.path("out")));
}

#[test]
fn twenty_kills_of_a_list_of_swapped_devices() {
    const COUNT: usize = 200;
    let template = World::initialised([]);
    template.write("names", names(COUNT));
    template.certgen(["issue", "client", "--from", "names", "--archive", "old.tar"]).run().success();
    let first: BTreeMap<String, String> = events(&template, "issued")
        .iter()
        .map(|event| (event["name"].as_str().unwrap().to_owned(), event["serial"].as_str().unwrap().to_owned()))
        .filter(|(name, _)| name.starts_with("dev-"))
        .collect();
    let args = ["issue", "client", "--from", "names", "--replace", "--archive", "new.tar"];
    killed(&template, &args, COUNT, 20, |world| {
        // Each has one new pair, its first certificate is revoked, and the list says so of those alone.
        let new = archive(&world.path("new.tar"));
        let renewed = events(world, "renewed");
        assert_eq!((new.len(), renewed.len()), (COUNT, COUNT));
        for ((name, files), event) in new.iter().zip(&renewed) {
            let certificate = Certificate::from_pem(&files["client_certificate.pem"]).expect("a certificate");
            assert_eq!(
                (event["name"].as_str(), event["serial"].as_str()),
                (Some(&**name), Some(&*certificate.serial().to_string()))
            );
        }
        let mut wanted: Vec<_> = first.values().map(|serial| (serial.clone(), Some("superseded".to_owned()))).collect();
        wanted.sort();
        assert!(listed(world) == wanted, "the list says something else");
    });
}

#[test]
fn signals_end_it_with_their_codes_and_it_goes_on() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let world = World::initialised([]);
        // Slow keys, so that the signal arrives in the middle.
        world.write("names", names(400));
        let args = ["issue", "client", "--from", "names", "--archive", "a.tar", "--key-type", "rsa-2048"];
        let mut child = world.certgen(args).start();
        std::thread::sleep(Duration::from_millis(700));
        let sent = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        assert_eq!(child.wait().expect("a child").code(), Some(code));
        world.write("names", names(20));
        world
            .certgen(["issue", "client", "--from", "names", "--archive", "a.tar", "--key-type", "rsa-2048"])
            .run()
            .success();
        assert!(archive(&world.path("a.tar")).len() >= 20);
        check(&world.pki(""));
    }
}

#[test]
fn what_lies_at_the_place_of_the_archive() {
    let world = World::initialised([]);
    world.write("names", names(3));
    world.write("precious", "precious");
    let issue = ["issue", "client", "--from", "names", "--archive", "a.tar"];
    let before = snapshot(&world.pki(""));
    let refused = |why: &str| {
        world.certgen(issue).run().code(1).stderr_has(why);
        unchanged(&before, &world.pki(""), why);
        assert!(!world.path("a.tar").exists());
    };
    symlink(world.path("precious"), world.path("a.tar.partial")).expect("writable");
    refused("symbolic link");
    assert_eq!(world.read("precious"), "precious");
    fs::remove_file(world.path("a.tar.partial")).expect("writable");
    fs::create_dir(world.path("a.tar.partial")).expect("writable");
    refused("a.tar.partial");
    fs::remove_dir(world.path("a.tar.partial")).expect("writable");
    world.write("a.tar.partial", "readable by others");
    refused("was not made by certgen");
    let private = |bytes: &[u8]| {
        world.write("a.tar.partial", bytes);
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(world.path("a.tar.partial"), mode).expect("writable");
    };
    private(&[b'x'; 2000]);
    refused("no archive that certgen began");
    assert_eq!(world.read("a.tar.partial").len(), 2000);
    // The keys of another PKI's interrupted run are nowhere else.
    let other = World::initialised([]);
    other.write("names", names(2));
    other.certgen(issue).run().success();
    private(&fs::read(other.path("a.tar")).expect("an archive"));
    refused("no archive that certgen began");
    // What a kill in the first block leaves is cut off.
    private(&[0; 100]);
    world.certgen(issue).run().success();
    exactly_one_each(&world, 3, &archive(&world.path("a.tar")));
    let missing = ["issue", "client", "--from", "names", "--archive", "no/such/a.tar", "--force"];
    world.certgen(missing).run().code(1).stderr_has("no/such");
}

#[test]
fn two_runs_at_once_are_one_after_the_other() {
    let world = World::initialised([]);
    world.write("names", names(200));
    std::thread::scope(|scope| {
        for archive in ["a.tar", "a.tar", "b.tar"] {
            let world = &world;
            scope.spawn(move || {
                world.certgen(["issue", "client", "--from", "names", "--archive", archive]).run().success();
            });
        }
    });
    let written: Vec<_> = ["a.tar", "b.tar"].into_iter().filter(|file| world.path(file).exists()).collect();
    assert_eq!(written.len(), 1, "{written:?}");
    exactly_one_each(&world, 200, &archive(&world.path(written[0])));
    check(&world.pki(""));
}

#[test]
fn memory_does_not_grow_with_the_list() {
    let world = World::initialised([]);
    world.write("names", names(20_000));
    let mut child = world.certgen(["issue", "client", "--from", "names", "--archive", "a.tar"]).start();
    let (started, mut peak) = (Instant::now(), 0);
    while child.try_wait().expect("a child").is_none() {
        assert!(started.elapsed() < Duration::from_secs(120), "it takes too long");
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    }
    // All of them together are 90 MB of archive and 14 MB of inventory.
    assert!(peak > 1000 && peak < 80 << 10, "{peak} KiB");
    assert_eq!(archive(&world.path("a.tar")).len(), 20_000);
}

#[test]
#[ignore = "needs root, to mount"]
fn a_disk_that_fills_up_leaves_what_can_be_taken_up() {
    for size in ["200k", "600k", "1100k"] {
        let world = World::initialised([]);
        world.write("names", names(400));
        let script = format!(
            "set -e; cd {}; mkdir out; mount -t tmpfs -o size={size} tmpfs out\n\
             code=0; \"$0\" issue client --from names --archive out/a.tar 2> err || code=$?; echo first $code\n\
             mount -o remount,size=20m out\n\
             \"$0\" issue client --from names --archive out/a.tar; cp out/a.tar a.tar",
            world.path("").display()
        );
        let done = std::process::Command::new("unshare").args(["--mount", "bash", "-c", &script, CERTGEN]).output();
        let done = done.expect("unshare runs");
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.contains("first 1"), "{size}: {said}{}", world.read("err"));
        assert!(world.read("err").contains("no space left"), "{}", world.read("err"));
        exactly_one_each(&world, 400, &archive(&world.path("a.tar")));
        check(&world.pki(""));
    }
}

#[test]
fn a_name_that_the_authorities_above_may_not_sign_for_is_told_before_anything_is_signed() {
    let (above, site) = (World::initialised([]), World::new());
    site.certgen(["request", "authority", "site"]).run().success();
    let request = site.pki("ca/site/request.pem").display().to_string();
    let signs = ["issue", "authority", "site", "--csr", &request, "--issuer", "root", "--permit", "site.example"];
    above.certgen(signs).run().success();
    let chain = above.pki("ca/site/ca_chain.pem").display().to_string();
    site.certgen(["request", "--finish", &chain]).run().success();
    site.write("l.csv", "name,san\na,a.site.example\nb,b.other.example\nc,c.site.example\n");
    let from = ["issue", "client", "--from", "l.csv", "--archive", "l.tar"];
    let told = "l.csv: line 3: client \"b\": \"site\" may not sign for \"DNS:b.other.example\"";
    site.certgen(from).run().code(1).stderr_has(told).stderr_has("nothing was issued");
    assert!(!site.path("l.tar").exists() && !site.path("l.tar.partial").exists());
    site.certgen(from.iter().chain(&["--keep-going"])).run().code(1).stderr_has(told);
    let names: Vec<String> = archive(&site.path("l.tar")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "c"]);
}

#[test]
fn a_list_with_semicolons_is_no_list_of_odd_names() {
    let world = World::initialised([]);
    world.write("l.csv", "name;san\na;a.example\n");
    let run = world.certgen(["issue", "client", "--from", "l.csv", "--archive", "l.tar"]).run().code(1);
    run.stderr_has("\"name;san\" is not a column").stderr_has("separated by commas");
}

#[test]
fn a_device_of_a_list_that_is_swapped_alone_stays_out_of_the_manifest() {
    let world = World::initialised([]);
    world.write("l.csv", names(3));
    world.certgen(["issue", "client", "--from", "l.csv", "--archive", "l.tar"]).run().success();
    let manifest = world.read("pki/certgen.toml");
    world.certgen(["issue", "client", "dev-00002", "--replace", "--out", "new"]).run().success();
    assert_eq!(world.read("pki/certgen.toml"), manifest);
    let list = world.certgen(["list", "dev-00002", "--json"]).run().success().json();
    assert_eq!(list["items"][0]["managed"], false);
    // What nobody can renew here says how it is made anew.
    let refused = world.certgen(["renew", "dev-00002"]).run().code(1);
    refused.stderr_has("written to another place").stderr_has("--force --out DIR");
    world.certgen(["plan"]).run().success();
}
