//! Disks that fill up and system calls that fail at a chosen moment: the old state or the new one, an honest exit code,
//! and the same command again works.

use std::collections::BTreeSet;
use std::fs;

use certgen::x509::Crl;

use crate::support::World;
use crate::support::invariants::{check, violations};

/// Runs commands with the N-th call of each kind failing or killing, until a run has fewer calls than N. Afterwards, and
/// after the same command again, all files tell the same story.
fn inject(calls: &str, fault: &str) {
    let template = World::initialised(["--profile", "celery", "--set", "revocation=true"]);
    template.certgen(["issue", "client", "old", "--like", "celery_worker"]).run().success();
    for (case, args) in [
        ("new client", vec!["issue", "client", "x"]),
        ("reissue", vec!["issue", "client", "old", "--force"]),
        ("new node", vec!["issue", "node", "y.example"]),
        ("renewal", vec!["renew", "client/old"]),
        ("revocation", vec!["revoke", "client/old", "--reason", "keyCompromise"]),
        ("replacement", vec!["revoke", "client/old", "--replace-with", "new"]),
        ("list", vec!["crl"]),
    ] {
        for number in 1..200 {
            let world = template.copy();
            let trace = world.path("trace");
            let inject = format!("inject={calls}:{fault}:when={number}");
            let trace_calls = format!("trace={calls}");
            let under = ["strace", "-f", "-qq", "-e", &trace_calls, "-e", &inject, "-o"].map(str::to_owned);
            let output = world.certgen(&args).under(under.into_iter().chain([trace.display().to_string()])).run();
            let hit = fs::read_to_string(&trace).is_ok_and(|t| t.contains("(INJECTED)") || t.contains("killed by"));
            if !hit {
                assert!(number > 1, "{calls}: never called");
                break;
            }
            assert!(!output.stderr.contains("panicked"), "{case}, {calls} {number} {fault}\n{}", output.transcript());
            let context = format!("{case}, {calls} number {number}, {fault}: {}", output.transcript());
            // Whatever takes the lock finishes or takes back what was begun; no list is due, so it does nothing else.
            world.certgen(["crl", "--due"]).run().success().stderr_has("no revocation list is due");
            let revoked = disagreement(&world).unwrap_or_else(|wrong| panic!("{context}\n{wrong}"));
            let again = world.certgen(&args).run().sane();
            // The first time did it, and failed when it told of it.
            let done_before =
                revoked && ["is revoked already", "exists already"].iter().any(|why| again.stderr.contains(why));
            let fine = again.code == Some(0) || done_before;
            assert!(fine, "{context}\nthen again\n{}", again.transcript());
            let mut wrong = violations(&world.pki(""));
            wrong.extend(disagreement(&world).err());
            assert!(wrong.is_empty(), "{context}\nthen again\n{}\n  {}", again.transcript(), wrong.join("\n  "));
        }
    }
}

/// Whether client `old` is revoked; the inventory, the list, the broker's copy of it and the broker's users must agree.
fn disagreement(world: &World) -> Result<bool, String> {
    let inventory = world.read("pki/inventory.jsonl");
    let events = inventory.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is JSON"));
    let revoked: BTreeSet<String> = events
        .filter(|event| event["action"] == "revoked")
        .map(|event| event["serial"].as_str().expect("a serial number").to_owned())
        .collect();
    let list = world.read("pki/ca/root/crl.pem");
    let listed = Crl::from_pem(list.as_bytes()).map_err(|e| e.to_string())?;
    let listed: BTreeSet<String> = listed.revoked().map(|entry| entry.serial.to_string()).collect();
    if revoked != listed {
        return Err(format!("the inventory has {revoked:?} and the list {listed:?}"));
    }
    for copy in fs::read_dir(world.pki("rabbitmq/crls")).expect("the broker checks").flatten() {
        if fs::read_to_string(copy.path()).expect("a list is text") != list {
            return Err(format!("{} is another list", copy.path().display()));
        }
    }
    let users: serde_json::Value =
        serde_json::from_str(&world.read("pki/rabbitmq/definitions.json")).map_err(|e| e.to_string())?;
    let users = users["users"].as_array().expect("users");
    let is_user = users.iter().any(|user| user["name"] == "old");
    let imports = world.pki("rabbitmq/definitions.d/old.json").exists();
    if is_user == revoked.is_empty() && imports == is_user {
        return Ok(!revoked.is_empty());
    }
    Err(format!("{revoked:?} is revoked, the user is there: {is_user}, and can be imported: {imports}"))
}

#[test]
#[ignore = "needs strace"]
fn every_rename_fails_once() {
    inject("rename,renameat,renameat2", "error=EIO");
}

#[test]
#[ignore = "needs strace"]
fn every_sync_fails_once() {
    inject("fsync,fdatasync,syncfs", "error=EIO");
}

#[test]
#[ignore = "needs strace"]
fn every_write_fails_once() {
    inject("write,writev,pwrite64", "error=ENOSPC");
}

#[test]
#[ignore = "needs strace"]
fn every_change_of_mode_fails_once() {
    inject("fchmod,chmod,fchmodat,mkdir,mkdirat", "error=EPERM");
}

#[test]
#[ignore = "needs strace"]
fn killed_at_every_rename() {
    inject("rename,renameat,renameat2", "signal=KILL");
}

#[test]
#[ignore = "needs strace"]
fn killed_at_every_write() {
    inject("write,writev,pwrite64", "signal=KILL");
}

#[test]
#[ignore = "needs strace"]
fn killed_at_every_unlink_and_sync() {
    inject("unlink,unlinkat,fsync,fdatasync,syncfs,mkdir,mkdirat", "signal=KILL");
}

/// A disk with this many KiB free after `init`.
#[test]
#[ignore = "needs root, to mount"]
fn a_disk_that_fills_up() {
    for free in (0..=64).step_by(4) {
        let world = World::new();
        fs::create_dir(world.path("pki")).expect("writable");
        let world_path = world.path("").display().to_string();
        // Everything happens in one mount namespace: fill the disk, fail, free it, try again, copy the result out.
        let script = format!(
            "set -e; cd {world_path}; mount -t tmpfs -o size=2m tmpfs pki\n\
             certgen() {{ \"$0\" \"$@\"; }}\n\
             certgen init >/dev/null 2>&1\n\
             head -c 3m /dev/zero > pki/filler 2>/dev/null || true\n\
             size=$(stat -c %s pki/filler); truncate -s $((size / 4096 * 4096 - {free} * 1024)) pki/filler\n\
             code=0; certgen issue client x > out 2> err || code=$?\n\
             rm pki/filler; echo first $code\n\
             certgen issue client x > out2 2> err2 || {{ echo again $?; cat err2; exit 9; }}\n\
             mkdir copy; cp -a pki/. copy/"
        );
        let done = std::process::Command::new("unshare")
            .args(["--mount", "bash", "-c", &script, crate::support::world::CERTGEN])
            .env_clear()
            .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C.UTF-8")])
            .output()
            .expect("unshare runs");
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{free} KiB free: {said}");
        let first = said.lines().find_map(|l| l.strip_prefix("first ")).unwrap_or_default().to_owned();
        assert!(first == "0" || first == "1", "{free} KiB free: exit code {first}\n{}", world.read("err"));
        let wrong = violations(&world.path("copy"));
        assert!(wrong.is_empty(), "{free} KiB free, first exit code {first}:\n  {}", wrong.join("\n  "));
    }
}

/// The directory after a failed command, before any other command: no identity half there, no key for others to read.
#[test]
#[ignore = "needs strace"]
fn a_failure_leaves_the_old_state_at_once() {
    for number in 1..6 {
        let world = World::initialised([]);
        let before = crate::support::invariants::snapshot(&world.pki(""));
        let inject = format!("inject=rename,renameat,renameat2:error=EIO:when={number}");
        let under = ["strace", "-f", "-qq", "-e", "trace=rename,renameat,renameat2", "-e", &inject, "-o", "trace"];
        let output = world.certgen(["issue", "client", "x"]).under(under).run();
        if output.code == Some(0) {
            check(&world.pki(""));
        } else if !world.pki("client/x").exists() {
            crate::support::invariants::unchanged(&before, &world.pki(""), &format!("rename {number} failed"));
        }
    }
}

/// A rotation that is killed at any moment of a phase goes on: every phase is done or not begun.
fn rotation_survives(calls: &str, fault: &str) {
    const PHASES: [(&str, &[&str]); 4] = [
        ("start", &[]),
        ("switch", &["start"]),
        ("finish", &["start", "switch"]),
        // Back, after it had signed.
        ("abort", &["start", "switch"]),
    ];
    for (phase, before) in PHASES {
        let template = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
        let rotate = |phase: &'static str| {
            let force: &[&str] = if phase == "switch" { &["--force"] } else { &[] };
            ["rotate", phase].into_iter().chain(force.iter().copied()).collect::<Vec<_>>()
        };
        before.iter().for_each(|phase| drop(template.certgen(rotate(phase)).run().success()));
        for number in 1..400 {
            let world = template.copy();
            let trace = world.path("trace");
            let under = ["strace", "-f", "-qq", "-e", &format!("trace={calls}"), "-e"].map(str::to_owned);
            let inject = format!("inject={calls}:{fault}:when={number}");
            let under = under.into_iter().chain([inject, "-o".to_owned(), trace.display().to_string()]);
            let output = world.certgen(rotate(phase)).under(under).run();
            let hit = fs::read_to_string(&trace).is_ok_and(|t| t.contains("(INJECTED)") || t.contains("killed by"));
            if !hit {
                assert!(number > 1, "{calls}: never called");
                break;
            }
            let context = format!("{phase}, {calls} number {number}, {fault}: {}", output.transcript());
            assert!(!output.stderr.contains("panicked"), "{context}");
            // The next command that takes the lock finishes or takes back what was begun.
            world.certgen(["crl", "--due"]).run().success();
            let wrong = violations(&world.pki(""));
            assert!(wrong.is_empty(), "{context}\n  {}", wrong.join("\n  "));
            // From wherever that is, a rotation can be brought to its end.
            for _ in 0..4 {
                let status = world.certgen(["rotate", "status", "--json"]).run().success().json();
                let item = &status["items"][0];
                let next = match item["phase"].as_str() {
                    Some("started") => "switch",
                    Some("switched" | "going back") => "finish",
                    _ => break,
                };
                world.certgen(rotate(next)).run().success();
            }
            for identity in ["node/rabbit.example.com", "client/celery_worker"] {
                world.certgen(["verify", identity]).run().success();
            }
            let bundle = world.read("pki/client/celery_worker/ca_certificate.pem");
            assert_eq!(bundle, world.read("pki/ca/root/ca_certificate.pem"), "{context}");
        }
    }
}

#[test]
#[ignore = "needs strace and openssl"]
fn a_rotation_killed_at_every_rename() {
    rotation_survives("rename,renameat,renameat2", "signal=KILL");
}

#[test]
#[ignore = "needs strace and openssl"]
fn a_rotation_killed_at_every_unlink_and_directory() {
    rotation_survives("unlink,unlinkat,mkdir,mkdirat,rmdir", "signal=KILL");
}

#[test]
#[ignore = "needs strace and openssl"]
fn a_rotation_whose_disk_is_full_at_every_write() {
    rotation_survives("write,writev,pwrite64", "error=ENOSPC");
}
