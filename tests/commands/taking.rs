//! `import`: what others made becomes a PKI, and nothing of theirs changes.

use std::fs;
use std::path::Path;

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::trees::{fingerprint, make, openssl_ca, tls_gen, version_one};
use crate::support::{World, openssl};

/// There is nothing to do: what was taken is as its entries say.
#[track_caller]
fn nothing_to_do(world: &World) {
    let plan = world.certgen(["plan"]).run();
    assert_eq!(plan.code, Some(0), "{}\n{}", plan.transcript(), world.read("pki/certgen.toml"));
}

/// openssl finds the certificate good under that root.
#[track_caller]
fn is_good(world: &World, root: &str, chain: &str, purpose: &str) {
    let [root, chain] = [root, chain].map(|path| world.path(path).display().to_string());
    openssl(["verify", "-purpose", purpose, "-CAfile", &root, "-untrusted", &chain, &chain]).accepted();
}

#[track_caller]
fn items(world: &World, args: &[&str]) -> Vec<serde_json::Value> {
    let output = world.certgen(["--json"].iter().chain(args)).run().success();
    output.json()["items"].as_array().expect("items").clone()
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn an_authority_of_openssl_goes_on_here() {
    let world = World::new();
    openssl_ca(&world, "old");
    let before = fingerprint(&world.path("old"));
    let output = world.certgen(["import", "old", "--authority", "old"]).run().success();
    for line in
        ["imported  authority/old", "imported  server/rabbit.example.com", "imported  client/worker", "keyCompromise"]
    {
        assert!(output.stdout.contains(line), "{line}\n{}", output.transcript());
    }
    assert!(fingerprint(&world.path("old")) == before, "the source was changed");
    nothing_to_do(&world);
    assert_eq!(mode(&world.pki("ca/old/ca_key.pem")), 0o600);
    assert_eq!(mode(&world.pki("server/rabbit.example.com/combined_keys.pem")), 0o600);
    let leaf = world.read("pki/server/rabbit.example.com/server_certificate.pem");
    assert_eq!(leaf.trim(), world.read("old/pairs/rabbit.crt").trim());
    assert!(!world.pki("client/stolen").exists() && !world.pki("client/leaver").exists());

    // Its next certificates are like those that it had.
    world.certgen(["renew", "rabbit.example.com", "worker"]).run().success();
    is_good(&world, "old/cacert.pem", "pki/server/rabbit.example.com/server_certificate.pem", "sslserver");
    is_good(&world, "old/cacert.pem", "pki/client/worker/client_certificate.pem", "sslclient");
    let path = world.pki("server/rabbit.example.com/server_certificate.pem").display().to_string();
    let text = openssl(["x509", "-noout", "-text", "-nameopt", "RFC2253", "-in", &path]);
    for line in ["CN=rabbit.example.com,O=Old Example", "IP Address:192.0.2.7", "DNS:rabbit.example.com, DNS:rabbit"] {
        assert!(text.accepted().contains(line), "{line}\n{}", text.text);
    }
    nothing_to_do(&world);
}

#[test]
fn revocations_come_along_and_the_list_goes_on() {
    let world = World::new();
    openssl_ca(&world, "old");
    world.certgen(["import", "old", "--authority", "old"]).run().success();
    let list = || {
        let path = world.pki("ca/old/crl.pem").display().to_string();
        let root = world.path("old/cacert.pem").display().to_string();
        openssl(["crl", "-noout", "-text", "-CAfile", &root, "-in", &path]).accepted().to_owned()
    };
    let first = list();
    for words in ["Serial Number: 1002", "Serial Number: 1003", "Key Compromise", "Cessation Of Operation"] {
        assert!(first.contains(words), "{words}\n{first}");
    }
    let log = items(&world, &["log", "client/stolen"]);
    assert!(log.iter().any(|event| event["reason"] == "keyCompromise"), "{log:?}");
    // A certificate that was there before is revoked like one of ours.
    world.certgen(["revoke", "worker", "--reason", "superseded"]).run().success();
    let second = list();
    for serial in ["1001", "1002", "1003"] {
        assert!(second.contains(&format!("Serial Number: {serial}")), "{second}");
    }
    // Whoever was revoked is not let in again by accident.
    world.certgen(["issue", "client", "stolen"]).run().refused().stderr_has("was revoked");
}

#[test]
fn the_result_of_tls_gen_logs_in_as_before() {
    let world = World::new();
    tls_gen(&world, "tls-gen", "rabbit");
    world.write("rabbitmq.conf", "listeners.ssl.default = 5671\nauth_mechanisms.1 = EXTERNAL\n");
    let output =
        world.certgen(["import", "tls-gen/result", "--authority", "root", "--config", "rabbitmq.conf"]).run().success();
    output.stdout_has("imported  server/rabbit").stdout_has("imported  client/rabbit");
    nothing_to_do(&world);
    assert!(world.read("pki/rabbitmq/rabbitmq.conf").contains("ssl_cert_login_from = distinguished_name"));
    assert!(world.read("pki/rabbitmq/definitions.json").contains("\"O=client,CN=rabbit\""));
    let subject = || {
        let path = world.pki("client/rabbit/client_certificate.pem").display().to_string();
        openssl(["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", &path]).accepted().to_owned()
    };
    let before = subject();
    world.certgen(["renew", "--all"]).run().success();
    assert_eq!(subject(), before);
    is_good(&world, "tls-gen/result/ca_certificate.pem", "pki/client/rabbit/client_certificate.pem", "sslclient");
    nothing_to_do(&world);

    // A new authority takes the place of tls-gen's.
    world.certgen(["rotate", "start", "root"]).run().success();
    world.certgen(["rotate", "switch", "root", "--force"]).run().success();
    let bundle = "pki/server/rabbit/ca_certificate.pem";
    is_good(&world, bundle, "pki/client/rabbit/client_certificate.pem", "sslclient");
    assert_eq!(subject(), before);
    world.certgen(["rotate", "finish", "root", "--force"]).run().success();
    nothing_to_do(&world);
}

/// A guide that many followed gives leaves of version 1, and tells to delete the authority's key.
#[test]
fn what_some_verifier_refuses_is_only_replaced() {
    for authority in ["keep", "lose", "old"] {
        let world = World::new();
        version_one(&world, "guide", authority);
        let output = world.certgen(["import", "guide", "--authority", "guide"]).run().success();
        let output = output.stderr_has("certgen renew client/celery_worker");
        nothing_to_do(&world);
        assert_eq!(
            output.stderr.contains("certgen rotate start guide"),
            authority != "keep",
            "{}",
            output.transcript()
        );
        match authority {
            "keep" => {
                // Its root has findings, and goes on.
                world.certgen(["renew", "--all"]).run().success();
                let chain = "pki/client/celery_worker/client_certificate.pem";
                is_good(&world, "guide/ca.crt", chain, "sslclient");
            }
            "old" => {
                let refused = world.certgen(["issue", "client", "new"]).run().refused();
                refused.stderr_has("signs nothing any more").stderr_has("certgen rotate start guide");
            }
            _ => drop(world.certgen(["issue", "client", "new"]).run().refused()),
        }
        world.certgen(["rotate", "start", "guide"]).run().success();
        world.certgen(["rotate", "switch", "guide", "--force"]).run().success();
        is_good(
            &world,
            "pki/client/celery_worker/ca_certificate.pem",
            "pki/server/server/server_certificate.pem",
            "sslserver",
        );
        world.certgen(["issue", "client", "new"]).run().success();
        nothing_to_do(&world);
    }
}

#[test]
fn a_second_tree_comes_into_the_same_place() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=broker.example.com"]);
    openssl_ca(&world, "old");
    world.certgen(["import", "old", "--authority", "old"]).run().success();
    nothing_to_do(&world);
    // What was there goes on below its own authority, and both are trusted.
    world.certgen(["issue", "client", "fresh"]).run().success();
    let issuer = items(&world, &["list", "client/fresh"])[0]["issuer"].clone();
    assert_eq!(issuer, "root");
    is_good(
        &world,
        "pki/node/broker.example.com/ca_certificate.pem",
        "pki/client/worker/client_certificate.pem",
        "sslclient",
    );
    // What was revoked there stands in nobody's way here.
    let other = World::initialised(["--profile", "celery"]);
    openssl_ca(&other, "old");
    other.certgen(["issue", "client", "stolen"]).run().success();
    other.certgen(["import", "old", "--authority", "old"]).run().success();
    nothing_to_do(&other);
    // The same again changes nothing.
    let before = snapshot(&world.pki(""));
    let again = world.certgen(["import", "old"]).run().success();
    again.stdout_has("unchanged authority/old").stdout_has("unchanged client/worker");
    unchanged(&before, &world.pki(""), "the same import again");
}

#[test]
fn a_dry_run_and_a_refusal_write_nothing() {
    let world = World::new();
    openssl_ca(&world, "old");
    let output = world.certgen(["import", "old", "--dry-run"]).run().success();
    output.stdout_has("imported  client/worker").stderr_has("nothing was written");
    let told = items(&world, &["import", "old", "--dry-run"]);
    let find = |key: &str, value: &str| told.iter().find(|item| item[key] == value).expect(value).clone();
    assert!(told.iter().all(|item| item["dry_run"] == true), "{told:?}");
    let worker = find("name", "worker");
    assert_eq!(
        (&worker["action"], &worker["role"], &worker["key"]),
        (&"imported".into(), &"client".into(), &"here".into())
    );
    assert_eq!(find("name", "stolen")["reason"], "keyCompromise");
    assert!(find("action", "left")["why"].is_string());
    world.certgen(["import", "old", "--dry-run", "--role", "node"]).run().success().stdout_has("imported  node/worker");
    assert!(!world.pki("").exists());

    let world = World::initialised(["--profile", "celery"]);
    openssl_ca(&world, "old");
    world.certgen(["issue", "client", "worker"]).run().success();
    let before = snapshot(&world.pki(""));
    let refused = world.certgen(["import", "old", "--authority", "old"]).run().refused();
    refused.stderr_has("client \"worker\" is here already").stderr_has("certgen remove client/worker");
    world.certgen(["import", "old", "--authority", "root"]).run().refused().stderr_has("--authority NAME");
    unchanged(&before, &world.pki(""), "a refused import");
}

#[test]
fn a_client_is_no_user_with_a_password_by_accident() {
    let world = World::new();
    openssl_ca(&world, "old");
    let definitions = r#"{"users":[{"name":"worker","password_hash":"abc","tags":[]},{"name":"leaver","password_hash":"","tags":[]}],"vhosts":[{"name":"/"}],"permissions":[{"user":"worker","vhost":"/","configure":".*","write":".*","read":".*"}]}"#;
    world.write("definitions.json", definitions);
    world.write("rabbitmq.conf", "ssl_cert_login_from = common_name\n");
    let args = ["import", "old", "--authority", "old", "--config", "rabbitmq.conf", "--config", "definitions.json"];
    world.certgen(args).run().refused().stderr_has("--existing-user").stderr_has("\"worker\"");
    assert!(!world.pki("").exists());
    world.certgen(args.iter().chain(&["--existing-user"])).run().success();
    nothing_to_do(&world);
    let kept: serde_json::Value = serde_json::from_str(&world.read("pki/rabbitmq/definitions.json")).expect("JSON");
    let worker = kept["users"].as_array().expect("users").iter().find(|user| user["name"] == "worker");
    assert_eq!(worker.expect("worker")["password_hash"], "abc");
    assert!(kept["permissions"].to_string().contains(r#""configure":".*""#), "{kept}");
}

#[test]
fn keys_are_sealed_and_opened() {
    let world = World::new();
    openssl_ca(&world, "old");
    world.write("password", "ca password\n");
    world.write("seal", "another one\n");
    make(
        &world,
        "openssl pkcs8 -topk8 -in old/private/cakey.pem -passout file:password -out new && mv new old/private/cakey.pem",
        &[],
    );
    let args = ["import", "old", "--authority", "old", "--seal", "--passphrase-file", "seal"];
    let locked = world.certgen(args).run().success();
    locked.stdout_has("key elsewhere").stderr_has("certgen rotate start old");
    fs::remove_dir_all(world.pki("")).expect("ours");
    let output = world.certgen(args.iter().chain(&["--key-password-file", "password"])).run().success();
    output.stdout_has("key sealed");
    assert!(world.pki("ca/old/ca_key.pem.age").exists() && !world.pki("ca/old/ca_key.pem").exists());
    nothing_to_do(&world);
    world.certgen(["issue", "client", "new"]).run().refused();
    world.certgen(["issue", "client", "new", "--passphrase-file", "seal"]).run().success();
}

#[test]
fn a_pair_of_somebody_else_s_is_kept_beside() {
    let world = World::initialised(["--profile", "celery"]);
    openssl_ca(&world, "old");
    let take = |pair: &str| {
        let [certificate, key] = ["crt", "key"].map(|kind| format!("old/pairs/{pair}.{kind}"));
        world.certgen(["import", "--external", "www", "--certificate", &certificate, "--key", &key]).run()
    };
    take("rabbit").success().stdout_has("imported  external/www");
    assert_eq!(mode(&world.pki("external/www/key.pem")), 0o600);
    take("rabbit").success().stdout_has("unchanged");
    // Renewed elsewhere, it comes again.
    take("worker").success().stdout_has("replaced");
    let listed = items(&world, &["list", "external/www"]);
    assert_eq!((&listed[0]["key"], listed.len()), (&"here".into(), 1), "{listed:?}");
    assert_eq!(world.read("pki/external/www/certificate.pem").trim(), world.read("old/pairs/worker.crt").trim());
    world.certgen(["status", "external/www"]).run().success().stdout_has("external");
    world.certgen(["list"]).run().success().stdout_has("www");
    nothing_to_do(&world);
    world
        .certgen([
            "import",
            "--external",
            "www",
            "--certificate",
            "old/pairs/rabbit.crt",
            "--key",
            "old/pairs/worker.key",
        ])
        .run()
        .refused()
        .stderr_has("is not that of the certificate");
}

/// What `list` shows is a name for the other commands too.
#[test]
fn a_pair_of_somebody_else_s_is_looked_at_and_taken_out() {
    let world = World::initialised(["--profile", "celery"]);
    openssl_ca(&world, "old");
    let import =
        ["import", "--external", "www", "--certificate", "old/pairs/rabbit.crt", "--key", "old/pairs/rabbit.key"];
    world.certgen(import).run().success();
    for name in ["www", "external/www"] {
        world.certgen(["inspect", name]).run().success().stdout_has("certificate");
        world.certgen(["verify", name]).run().refused().stderr_has("--bundle FILE");
        let bundle = ["--bundle", "pki/external/www/certificate.pem"];
        let said = world.certgen(["verify", name].iter().chain(&bundle)).run();
        assert!(said.stdout.starts_with(&format!("{name}: ")), "{}", said.transcript());
        let said = world.certgen(["renew", name]).run().refused();
        said.stderr_has("somebody else renews it").stderr_has("certgen import --external www --certificate F --key F");
    }
    world.certgen(["remove", "www"]).run().code(2).stderr_has("certgen remove external/www");
    world.certgen(["remove", "external/www", "--revoke"]).run().code(2).stderr_has("who issued it revokes it");
    world.certgen(["remove", "external/other"]).run().refused().stderr_has("there is no external/other");

    // A broker keeps a certificate to show.
    let before = world.read("pki/certgen.toml");
    let text = before.replace("[broker]\n", "[broker]\nmanagement = { certificate = \"external/www\" }\n");
    assert_ne!(text, before);
    world.write("pki/certgen.toml", text);
    world.certgen(["remove", "external/www"]).run().refused().stderr_has("management certificate");
    world.write("pki/certgen.toml", before);

    world.certgen(["remove", "external/www"]).run().success().stdout_has("removed   external/www");
    assert!(!world.pki("external/www").exists());
    assert!(items(&world, &["list"]).iter().all(|item| item["name"] != "www"));
    world.certgen(["status", "external/www"]).run().refused();
    check(&world.pki(""));
    world.certgen(import).run().success().stdout_has("imported  external/www");
}

/// A broker of one node has no links between nodes, and its certificate is one for servers.
#[test]
fn doctor_is_content_with_what_was_taken_over() {
    let world = World::new();
    world.certgen(["tls-gen", "basic", "CN=rabbit.example.com", "USE_ECC=true"]).run().success();
    world.write("rabbitmq.conf", "auth_mechanisms.1 = EXTERNAL\n");
    world.certgen(["import", "result", "--authority", "root", "--config", "rabbitmq.conf"]).run().success();
    world.certgen(["doctor"]).run().success();
}

#[test]
fn hostile_trees_are_answered() {
    let world = World::new();
    openssl_ca(&world, "old");
    fs::copy(world.path("old/pairs/worker.key"), world.path("old/pairs/rabbit.key")).expect("ours");
    world.write("old/\u{1b}[31mred", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    world.write("old/cut.pem", &world.read("old/cacert.pem")[..300]);
    world.write("old/garbage.p12", [0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0, 1]);
    world.write("old/empty", "");
    std::os::unix::fs::symlink("/dev/zero", world.path("old/zero")).expect("ours");
    make(&world, "mkfifo old/pipe", &[]);
    let output = world.certgen(["import", "old", "--authority", "old"]).run().success();
    output.stdout_has("imported  client/worker").stdout_has("key elsewhere");
    let raw = |text: &str| text.bytes().any(|b| b < 0x20 && b != b'\n');
    let output = world.certgen(["--json", "import", "old"]).run().success();
    assert!(!raw(&output.stdout) && !raw(&output.stderr), "{}", output.transcript());

    // Where there is nothing to take, that is an error, and nothing is made.
    let world = World::new();
    world.write("nothing/README", "nothing");
    world.certgen(["import", "nothing"]).run().refused().stderr_has("nothing was taken over");
    world.certgen(["import", "absent"]).run().refused();
    assert!(!world.pki("").exists());
}

#[test]
fn a_killed_import_can_be_repeated() {
    let world = World::new();
    openssl_ca(&world, "old");
    for round in 0..20 {
        let mut child = world.certgen(["import", "old", "--authority", "old"]).start();
        std::thread::sleep(std::time::Duration::from_millis(2 * round));
        let _ = child.kill();
        child.wait().expect("a child");
        world.certgen(["import", "old", "--authority", "old"]).run().success();
        nothing_to_do(&world);
        fs::remove_dir_all(world.pki("")).expect("ours");
    }
}

#[test]
fn eight_at_once_take_it_once() {
    let world = World::new();
    openssl_ca(&world, "old");
    let start = || world.certgen(["import", "old", "--authority", "old"]).start();
    let children: Vec<_> = (0..8).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().expect("a child").success());
    }
    nothing_to_do(&world);
    let events = items(&world, &["log", "client/worker"]);
    assert_eq!(events.iter().filter(|event| event["action"] == "imported").count(), 1, "{events:?}");
}
