//! A renewal keeps everything but the certificate and the key.

use std::fs;

use crate::support::World;

fn celery() -> World {
    World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"])
}

/// What `inspect` says of an identity.
fn facts(world: &World, name: &str) -> serde_json::Value {
    world.certgen(["inspect", name, "--json"]).run().success().json()["items"][0].clone()
}

#[test]
fn the_identity_stays_and_the_key_does_not() {
    let world = celery();
    let before = facts(&world, "client/celery_worker");
    let files = world.read("pki/rabbitmq/definitions.json");
    world.certgen(["renew", "client/celery_worker"]).run().success().stdout_has("renewed   client/celery_worker");
    let after = facts(&world, "client/celery_worker");
    assert_ne!(before["serial_number"], after["serial_number"]);
    assert_eq!((&before["subject"], &before["issuer"]), (&after["subject"], &after["issuer"]));
    assert_eq!(files, world.read("pki/rabbitmq/definitions.json"), "the user is the same");
    world.certgen(["verify", "client/celery_worker", "node/rabbit.example.com"]).run().success();
    world.certgen(["log", "client/celery_worker"]).run().success().stdout_has("renewed");
    // The old pair is kept, its key only for its owner.
    let history = fs::read_dir(world.pki("history/client/celery_worker")).expect("history").count();
    assert_eq!(history, 1);
}

#[test]
fn a_key_is_kept_on_request_and_not_otherwise() {
    let world = celery();
    let key = || world.read("pki/client/celery_worker/client_key.pem");
    let first = key();
    world.certgen(["renew", "celery_worker", "--reuse-key"]).run().success();
    assert_eq!(first, key());
    world.certgen(["renew", "celery_worker"]).run().success();
    assert_ne!(first, key());
}

#[test]
fn an_encrypted_key_is_used_again_with_its_password() {
    let world = celery();
    world.write("password", "secret1\n");
    world.certgen(["issue", "client", "locked", "--key-password-file", "password"]).run().success();
    let public = |world: &World| facts(world, "client/locked")["public_key_sha256"].clone();
    let before = public(&world);
    world.certgen(["renew", "client/locked", "--reuse-key"]).run().success();
    assert_eq!(before, public(&world));
    assert!(world.read("pki/client/locked/client_key.pem").contains("ENCRYPTED"));
}

#[test]
fn only_what_is_due_is_renewed() {
    let world = World::new();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
    let day_one = "2026-01-01T00:00:00Z";
    at(day_one, &["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"]).success();
    at(day_one, &["renew", "--due"]).success().stdout_is("").stderr_has("nothing is due").stderr_has("2026-09-01");
    at(day_one, &["issue", "client", "short", "--validity", "10d"]).success();
    let output = at(day_one, &["renew", "--due", "--due-within", "20d"]).success();
    assert_eq!(output.stdout.lines().count(), 1, "{}", output.stdout);
    output.stdout_has("client/short");
    // After two thirds of the year everything is.
    let later = at("2026-09-02T00:00:00Z", &["renew", "--due"]).success();
    assert_eq!(later.stdout.lines().count(), 4, "{}", later.stdout);
    at("2026-09-02T00:00:00Z", &["renew", "--due"]).success().stdout_is("");
}

/// Keys of replaced pairs were kept for ever.
#[test]
fn the_key_of_a_replaced_pair_goes_when_it_has_expired() {
    let world = World::new();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run().success();
    at("2026-01-01", &["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    at("2026-01-01", &["issue", "client", "long"]);
    at("2026-01-01", &["issue", "client", "short", "--validity", "30d"]);
    at("2026-01-02", &["renew", "client/long", "client/short"]);
    let kept = |file: &str| {
        let all = crate::support::invariants::snapshot(&world.pki("history")).into_keys();
        all.filter(|path| path.ends_with(file)).count()
    };
    assert_eq!((kept("client_key.pem"), kept("client_certificate.pem")), (2, 2));
    at("2026-01-20", &["renew", "--due", "--due-within", "1d"]);
    assert_eq!(kept("client_key.pem"), 2, "nothing has expired");
    // Nothing is due but what is over in history/.
    let told = "the key of a replaced pair that has expired was erased";
    at("2026-01-31T12:00:00Z", &["renew", "--due", "--due-within", "1h"]).stderr_has(told).stdout_is("");
    assert_eq!((kept("client_key.pem"), kept("client_certificate.pem")), (1, 2));
    at("2027-02-01", &["crl", "--due"]).stderr_has("no revocation list is due").stderr_has(told);
    assert_eq!((kept("client_key.pem"), kept("client_certificate.pem")), (0, 2));
    // What has expired before it is replaced is not kept at all.
    at("2027-02-01", &["renew", "client/long"]);
    assert_eq!((kept("client_key.pem"), kept("client_certificate.pem")), (0, 3));
    crate::support::invariants::check(&world.pki(""));
}

#[test]
fn what_cannot_be_renewed_here_is_said() {
    let world = celery();
    world.certgen(["request", "client", "sensor", "--out", "sensor"]).run().success();
    world.certgen(["issue", "client", "sensor", "--csr", "sensor/request.pem"]).run().success();
    world.certgen(["renew", "sensor"]).run().code(1).stderr_has("--csr FILE");
    let all = world.certgen(["renew", "--all"]).run().success();
    assert!(!all.stdout.contains("sensor"), "{}", all.stdout);
    all.stderr_has("to be renewed where its key is").stderr_has("client/sensor");
    world.certgen(["renew", "authority/root"]).run().code(1).stderr_has("certgen rotate start root");
    world.certgen(["renew", "nobody"]).run().code(1).stderr_has("certgen list");
    world.certgen(["renew"]).run().code(2);
    world.certgen(["renew", "--due", "--all"]).run().code(2);
    world.certgen(["renew", "--watch", "--at", "2026-12-01"]).run().code(2);
}

/// One bad entry must not keep the rest from being renewed in the night.
#[test]
fn one_that_fails_does_not_hold_up_the_others() {
    let world = celery();
    world.write("password", "secret1\n");
    world.certgen(["issue", "client", "locked", "--key-password-file", "password"]).run().success();
    fs::remove_file(world.path("password")).expect("it is there");
    let output = world.certgen(["renew", "--all"]).run().code(1);
    assert_eq!(output.stdout.lines().count(), 3, "{}", output.stdout);
    output.stderr_has("1 of 4 were not renewed").stderr_has("password");
    world.certgen(["verify", "client/celery_worker"]).run().success();
}

#[test]
fn a_hook_runs_for_each_change_and_is_tried_again() {
    let world = celery();
    let hook = r#"echo "$CERTGEN_ROLE/$CERTGEN_NAME $CERTGEN_NOT_AFTER $(basename "$CERTGEN_KEY")" >> ran
        test -r "$CERTGEN_CERT" && test -r "$CERTGEN_BUNDLE" && test -z "$CERTGEN_PASSPHRASE" && test -e allowed"#;
    let renew = |which: &str| world.certgen(["renew", which, "--hook", hook]).env("CERTGEN_PASSPHRASE", "geheim").run();
    let failed = renew("celery_worker").code(1);
    failed.stdout_has("renewed").stderr_has("exit status: 1").stderr_has("to try the hook again");
    let serial = facts(&world, "client/celery_worker")["serial_number"].clone();
    world.write("allowed", "");
    renew("--due").success();
    renew("--due").success();
    assert_eq!(facts(&world, "client/celery_worker")["serial_number"], serial, "nothing was due");
    let ran = world.read("ran");
    assert_eq!(ran.lines().count(), 2, "once, and once more after the failure: {ran}");
    assert!(ran.lines().all(|line| line.starts_with("client/celery_worker 2") && line.ends_with(" client_key.pem")));
}

/// A crash between the renewal and its hook: the next run knows.
#[test]
fn a_hook_that_never_ran_is_not_forgotten() {
    let world = celery();
    world.certgen(["renew", "celery_worker", "--hook", "kill -9 $PPID; sleep 5"]).run();
    world.certgen(["renew", "--due", "--hook", "echo $CERTGEN_NAME > ran"]).run().success();
    assert_eq!(world.read("ran"), "celery_worker\n");
}

#[test]
fn a_broker_is_told_only_of_what_it_shows() {
    let world = celery();
    let line = "rabbitmqctl eval 'ssl:clear_pem_cache().'\n";
    let node = world.certgen(["renew", "node/rabbit.example.com", "--reload", "rabbitmq"]).run().success();
    assert!(node.stdout.ends_with(line), "{}", node.stdout);
    let client = world.certgen(["renew", "celery_worker", "--reload", "rabbitmq"]).run().success();
    assert!(!client.stdout.contains("rabbitmqctl"), "{}", client.stdout);

    let cluster = World::initialised(["--profile", "cluster", "--set", "nodes=a.example,b.example"]);
    let both = cluster.certgen(["renew", "--all", "--reload", "rabbitmq"]).run().success();
    both.stdout_has("gen_server:call(ssl_pem_cache_dist, {unconditionally_clear_pem_cache, self()}).");
    let json = cluster.certgen(["renew", "--all", "--reload", "rabbitmq", "--json"]).run().success().json();
    assert!(json["items"].as_array().expect("items").iter().all(|item| item["action"] == "renewed"), "{json}");
}

/// The command looks at once, stays, and goes when it is told to.
#[cfg(unix)]
#[test]
fn watching_looks_at_once_and_ends_at_once() {
    let world = celery();
    world.certgen(["issue", "client", "short", "--validity", "1d", "--not-before", "2025-12-31T01:00:00Z"]).run();
    let mut child = world.certgen(["renew", "--watch", "--hook", "echo $CERTGEN_NAME >> ran"]).start();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !world.path("ran").exists() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(world.read("ran").contains("short"));
    let killed = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
}

/// A command that stays, its clocks run by libfaketime as `settings` say; ended when it is dropped.
#[cfg(unix)]
struct Watching(std::process::Child);

#[cfg(unix)]
impl Watching {
    fn start(world: &World, hook: &str, settings: &[(&str, &str)]) -> Self {
        let library = fs::read_dir("/usr/lib").expect("a system has libraries").flatten();
        let library = library.map(|entry| entry.path().join("faketime/libfaketime.so.1")).find(|path| path.exists());
        let library = library.expect("libfaketime is missing: `tests/run --install` brings it");
        let watch = world.certgen(["renew", "--watch", "--hook", hook]).env("LD_PRELOAD", library);
        // Only the program's clocks are moved, not those of the hook.
        Self(settings.iter().fold(watch, |run, (name, value)| run.env(name, value)).start())
    }

    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Told to go, it goes at once, with the exit code of SIGTERM.
    #[track_caller]
    fn ends(mut self) {
        let told = std::time::Instant::now();
        self.signal("TERM");
        assert_eq!(self.0.wait().expect("it ends").code(), Some(143));
        assert!(told.elapsed() < std::time::Duration::from_secs(1), "{:?}", told.elapsed());
    }
}

#[cfg(unix)]
impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of a file, once there are so many; how long it took.
#[cfg(unix)]
#[track_caller]
fn lines(world: &World, file: &str, count: usize, limit: u64) -> (Vec<String>, std::time::Duration) {
    let started = std::time::Instant::now();
    loop {
        let text = fs::read_to_string(world.path(file)).unwrap_or_default();
        let found: Vec<String> = text.lines().map(str::to_owned).collect();
        if found.len() >= count {
            return (found, started.elapsed());
        }
        assert!(started.elapsed().as_secs() < limit, "{file} has {} lines, wanted {count}\n{text}", found.len());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Real hours on a clock that runs 600 times as fast: a look every hour and up to ten minutes, and what became due
/// between two looks is renewed at the second.
#[cfg(unix)]
#[test]
#[ignore = "needs faketime"]
fn hours_go_by_and_what_becomes_due_is_renewed() {
    const SPEED: f64 = 600.0;
    let world = celery();
    // Five hours, one of them past: due after two and a third, so not at the first look and not at the second.
    world.certgen(["issue", "client", "short", "--validity", "4h"]).run().success();
    world.certgen(["issue", "client", "first", "--validity", "1d", "--not-before", "2025-12-31"]).run().success();
    // What fails is tried again at each look, so its hook tells of each.
    let hook =
        "unset LD_PRELOAD; case $CERTGEN_NAME in first) date +%s.%N >> looks; exit 1;; esac; date +%s.%N >> renewed";
    let watching = Watching::start(&world, hook, &[("FAKETIME", "+0 x600")]);
    let (looks, _) = lines(&world, "looks", 5, 90);
    let time = |line: &String| line.parse::<f64>().expect("a time");
    let times: Vec<f64> = looks.iter().map(time).collect();
    let intervals: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) * SPEED).collect();
    // A look takes up to two seconds itself, and here a second is ten minutes.
    let work = 1200.0;
    assert!(intervals.iter().all(|seconds| (3600.0 - work..4200.0 + work).contains(seconds)), "{intervals:?}");
    let (renewed, _) = lines(&world, "renewed", 1, 1);
    let after = (time(&renewed[0]) - times[0]) * SPEED;
    let due = 8400.0;
    assert!((due - work..due + 4200.0 + work).contains(&after), "renewed {after} seconds after the first look");
    watching.ends();
}

/// A clock that is set while the command sleeps, or stands still with the whole machine: the next nap's end notices.
#[cfg(unix)]
#[test]
#[ignore = "needs faketime"]
fn a_clock_that_jumps_is_noticed_within_seconds() {
    for (case, stopped) in [("the clock is set", false), ("the machine sleeps", true)] {
        let world = celery();
        world.certgen(["issue", "client", "short", "--validity", "1d", "--not-before", "2025-12-31"]).run().success();
        world.write("clock", "+0");
        let clock = world.path("clock").display().to_string();
        let settings =
            [("FAKETIME_TIMESTAMP_FILE", &*clock), ("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        let watching = Watching::start(&world, "echo $CERTGEN_NAME >> renewed", &settings);
        assert_eq!(lines(&world, "renewed", 1, 60).0, ["short"], "{case}: it looks at once");
        // By now it sleeps.
        std::thread::sleep(std::time::Duration::from_secs(2));
        if stopped {
            watching.signal("STOP");
        }
        // Twenty hours later two thirds of its day are over.
        world.write("clock", "+20h");
        if stopped {
            std::thread::sleep(std::time::Duration::from_secs(2));
            watching.signal("CONT");
        }
        let (renewed, took) = lines(&world, "renewed", 2, 60);
        assert_eq!(renewed, ["short", "short"], "{case}");
        assert!(took.as_secs() < 25, "{case}: {took:?}");
        watching.ends();
    }
}

#[test]
fn a_hook_that_is_owed_is_told_of() {
    let world = World::new();
    world
        .certgen(["init", "--profile", "celery", "--set", "hostname=r.example.com"])
        .at("2026-11-22T12:00:00Z")
        .run()
        .success();
    let failed =
        world.certgen(["renew", "client/celery_worker", "--hook", "exit 3"]).at("2026-11-22T12:00:00Z").run().code(1);
    failed.stderr_has("certgen renew --due --hook 'exit 3'");
    let owed = "the hook of client/celery_worker has not succeeded yet";
    world.certgen(["status"]).at("2026-11-22T12:00:00Z").run().success().stderr_has(owed);
    world.certgen(["renew", "--due"]).at("2026-11-22T12:00:00Z").run().success().stderr_has(owed);
    world.certgen(["renew", "--due", "--hook", "true"]).at("2026-11-22T12:00:00Z").run().success();
    assert!(!world.certgen(["status"]).at("2026-11-22T12:00:00Z").run().success().stderr.contains("the hook of"));
}

#[test]
fn a_leaked_name_does_not_come_back_without_a_word() {
    let world = World::new();
    world
        .certgen(["init", "--profile", "celery", "--set", "hostname=r.example.com"])
        .at("2026-11-22T12:00:00Z")
        .run()
        .success();
    world.certgen(["revoke", "celery_worker", "--reason", "keyCompromise"]).at("2026-11-22T12:00:00Z").run().success();
    let refused = world.certgen(["renew", "client/celery_worker"]).at("2026-11-22T12:00:00Z").run().code(1);
    refused.stderr_has("brokers that do not check revocation accept it until").stderr_has("--like celery_worker");
    let again =
        world.certgen(["issue", "client", "celery_worker", "--force"]).at("2026-11-22T12:00:00Z").run().success();
    again.stderr_has("warning: client \"celery_worker\" comes back: a certificate of that name was revoked");
}
