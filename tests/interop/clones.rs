//! Two administrators share a PKI through git: the program git, two clones, and keys that are in neither.

use std::process::Command;

use crate::support::World;
use crate::support::invariants::{snapshot, unchanged};
use crate::support::judge::{Verdict, judge};

/// Git as it comes, for one of the two.
fn git(world: &World, line: &str) -> Verdict {
    let mut command = Command::new("git");
    let who =
        ["user.name=admin", "user.email=admin@example.com", "init.defaultBranch=main", "core.hooksPath=/dev/null"];
    command.args(who.into_iter().flat_map(|setting| ["-c", setting])).args(line.split(' '));
    command.current_dir(world.path("pki")).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    judge(command, &format!("git {line}"))
}

fn commit(world: &World, what: &str) {
    git(world, "add -A").accepted();
    git(world, &format!("commit -qm {what}")).accepted();
}

/// A PKI in git, and a clone of it.
fn two() -> (World, World) {
    let (first, second) = (World::initialised(["--profile", "celery"]), World::new());
    git(&first, "init -q").accepted();
    commit(&first, "init");
    let (from, to) = (first.path("pki").display().to_string(), second.path("pki").display().to_string());
    let clone = Command::new("git").args(["clone", "-q", &from, &to]).env("GIT_CONFIG_GLOBAL", "/dev/null").status();
    assert!(clone.is_ok_and(|status| status.success()), "git clones");
    (first, second)
}

#[test]
#[ignore = "needs git"]
fn a_checkout_without_keys_reads_everything_and_says_what_needs_a_key() {
    let (_, clone) = two();
    let files = snapshot(&clone.pki(""));
    let secret = |path: &std::path::Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with("_key.pem")
            || name == "combined_keys.pem"
            || name == "definitions.json"
            || name.ends_with(".password")
    };
    assert!(files.keys().all(|path| !secret(path)), "no key went through git: {:?}", files.keys());
    for line in
        [&["list"][..], &["log"], &["status"], &["verify", "client/celery_worker"], &["inspect", "authority/root"]]
    {
        clone.certgen(line).run().success();
    }
    let status = clone.certgen(["status", "--fail-within", "30d"]).run().success();
    status.stdout_has("its key is elsewhere");
    let before = snapshot(&clone.pki(""));
    let needs_key: [&[&str]; 4] =
        [&["issue", "client", "late"], &["renew", "celery_worker"], &["revoke", "celery_worker"], &["crl", "root"]];
    for line in needs_key {
        clone.certgen(line).run().refused().stderr_has("authority \"root\"").stderr_has("run this where the key is");
    }
    unchanged(&before, &clone.pki(""), "a command without the key changed something");
}

#[test]
#[ignore = "needs git"]
fn a_checkout_is_one_whatever_the_umask() {
    let first = World::initialised(["--profile", "celery", "--set", "revocation=true"]);
    git(&first, "init -q").accepted();
    commit(&first, "init");
    let from = first.path("pki").display().to_string();
    for umask in ["000", "002", "022", "027", "077"] {
        let clone = World::new();
        let script = format!("umask {umask} && git clone -q \"$0\" \"$1\"");
        let to = clone.path("pki").display().to_string();
        let cloned =
            Command::new("sh").args(["-c", &script, &from, &to]).env("GIT_CONFIG_GLOBAL", "/dev/null").status();
        assert!(cloned.is_ok_and(|status| status.success()), "git clones with umask {umask}");
        let plan = clone.certgen(["plan"]).run().success();
        assert!(
            plan.stdout.is_empty() && plan.stderr.contains("nothing to do"),
            "umask {umask}\n{}",
            plan.transcript()
        );
        let status = clone.certgen(["status"]).run().success();
        assert!(!status.stdout.contains("missing"), "umask {umask}\n{}", status.transcript());
        // What does differ is still seen.
        clone.write("pki/rabbitmq/enabled_plugins", "[].\n");
        let edited = clone.certgen(["plan"]).run().code(3).stdout_has("leave   pki/rabbitmq/enabled_plugins ");
        assert!(edited.stdout.lines().count() == 3, "umask {umask}\n{}", edited.transcript());
    }
    // A key that is gone where it was made is no checkout.
    std::fs::remove_file(first.pki("client/celery_worker/client_key.pem")).expect("ours");
    first.certgen(["plan"]).run().code(3).stdout_has("reissue  client/celery_worker  its key is missing");
}

#[test]
#[ignore = "needs git"]
fn what_is_in_another_checkout_is_left_to_it() {
    let (first, second) = two();
    std::fs::copy(first.pki("ca/root/ca_key.pem"), second.pki("ca/root/ca_key.pem")).expect("a key");
    let issued = second.certgen(["issue", "client", "new", "--access", "celery"]).run().success();
    issued.stderr_has("are in another checkout: certgen apply there brings them up to date");
    second.certgen(["revoke", "celery_client"]).run().success();
    for secret in ["definitions.json", "administrator.password", "definitions.d/new.json"] {
        assert!(!second.pki("rabbitmq").join(secret).exists(), "{secret} is made a second time");
    }
    // What is issued here has its key here, also where it was elsewhere before.
    second.certgen(["renew", "celery_worker"]).run().success();
    for name in ["new", "celery_worker"] {
        let pem = second.read(format!("pki/client/{name}/client_key.pem"));
        let key = certgen::x509::PrivateKey::from_pem(pem.as_bytes(), None).expect("a key");
        let pem = second.read(format!("pki/client/{name}/client_certificate.pem"));
        let certificate = certgen::x509::Certificate::from_pem(pem.as_bytes()).expect("a certificate");
        assert_eq!(key.public_key(), certificate.public_key(), "{name}");
    }
    second.certgen(["plan"]).run().success();
    // Where the secrets are, the other side's work arrives with the merge.
    commit(&second, "second");
    let from = second.path("pki").display().to_string();
    git(&first, &format!("pull -q --no-rebase {from} main")).accepted();
    first.certgen(["plan"]).run().code(3).stdout_has("pki/rabbitmq/definitions.d/new.json");
}

#[test]
#[ignore = "needs git"]
fn what_two_administrators_did_is_merged() {
    let (first, second) = two();
    // The second has the authority's key by another way.
    std::fs::copy(first.pki("ca/root/ca_key.pem"), second.pki("ca/root/ca_key.pem")).expect("a key");
    first.certgen(["issue", "client", "mine", "twin"]).run().success();
    commit(&first, "mine");
    // In real time the certificate that will be given up is the later one, which the inventory takes for the current.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    second.certgen(["issue", "client", "yours", "twin"]).run().success();
    second.certgen(["revoke", "yours"]).run().success();
    commit(&second, "yours");

    let from = second.path("pki").display().to_string();
    let merge = git(&first, &format!("pull -q --no-rebase {from} main"));
    assert!(!merge.ok, "both have added to the end of certgen.toml and issued one name\n{}", merge.text);
    let conflicts = git(&first, "diff --name-only --diff-filter=U");
    let conflicts: Vec<&str> = conflicts.accepted().lines().collect();
    assert_eq!(conflicts, ["certgen.toml", "client/twin/client_certificate.pem"]);
    // A manifest with marks in it is refused and not followed.
    first.certgen(["issue", "client", "late"]).run().refused().stderr_has("certgen.toml");

    // Both entries stay; of the twins the one whose key is here.
    let text = first.read("pki/certgen.toml");
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)))
        .collect();
    first.write("pki/certgen.toml", kept.join("\n") + "\n");
    git(&first, "checkout --ours client/twin/client_certificate.pem").accepted();
    commit(&first, "merged");

    // The inventory has both sides' events once, and knows the certificate that nobody uses.
    let log = first.certgen(["--json", "log"]).run().success().json();
    let events = log["items"].as_array().expect("events");
    let issued = |name: &str| events.iter().filter(|e| e["action"] == "issued" && e["name"] == name).count();
    assert_eq!((issued("mine"), issued("yours"), issued("twin")), (1, 1, 2));
    let mut ids: Vec<String> = events.iter().map(|e| e["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "an event counts once");
    let shown = first.certgen(["--json", "inspect", "client/twin"]).run().success().json();
    let shown = shown["items"][0]["serial_number"].as_str().expect("a serial").to_owned();
    let serials = events.iter().filter(|e| e["name"] == "twin").filter_map(|e| e["serial"].as_str());
    let other = serials.into_iter().find(|serial| *serial != shown).expect("two certificates").to_owned();
    first.certgen(["revoke", &other, "--reason", "superseded"]).run().success();
    // The list that is written now has what the other side revoked, too.
    let list = first.pki("ca/root/crl.pem").display().to_string();
    let text = crate::support::openssl(["crl", "-in", &list, "-noout", "-text"]).accepted().to_owned();
    assert_eq!(text.matches("Serial Number:").count(), 2, "{text}");
    first.certgen(["issue", "client", "late"]).run().success();
    first.certgen(["status", "--fail-within", "30d"]).run().success();
    first.certgen(["renew", "twin"]).run().success();
}
