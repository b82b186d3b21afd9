//! The same command twice, and the same name asked for something else.

use crate::support::World;

/// Each of these was issued again, or refused, when nothing had changed.
#[test]
fn what_was_asked_before_is_unchanged() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["request", "client", "sensor", "--out", "sensor"]).run().success();
    for command in [
        &["issue", "authority", "sub", "--issuer", "root", "--path-length", "0"][..],
        &["issue", "client", "sensor", "--csr", "sensor/request.pem"],
        &["issue", "server", "dated.example.com", "--not-after", "2036-03-01", "--issuer", "root"],
        &["issue", "client", "like", "--like", "celery_worker"],
    ] {
        let once = || world.certgen(command.iter().copied()).run().success();
        assert!(once().stdout.starts_with("issued"), "{command:?}");
        assert!(once().stdout.starts_with("unchanged"), "{command:?}");
    }
    let other = ["issue", "authority", "sub", "--path-length", "1"];
    world.certgen(other).run().code(1).stderr_has("path length: is 0, asked 1");
}

/// A second pair beside the first would leave one of them unknown, and a place that was named would stay empty.
#[test]
fn one_identity_has_one_pair_in_one_place() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["issue", "client", "celery_worker", "--out", "there", "--force"]).run().code(1).stderr_has("remove");
    world.certgen(["issue", "client", "away", "--out", "there"]).run().success();
    world.certgen(["issue", "client", "away", "--out", "elsewhere"]).run().code(1).stderr_has("--force");
}

/// The defaults' permissions came on top of what the command line said of the user.
#[test]
fn what_is_said_of_a_user_is_all_that_holds() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["issue", "client", "watcher", "--tag", "monitoring"]).run().success();
    let definitions =
        std::fs::read_to_string(world.pki("rabbitmq/definitions.d/watcher.json")).expect("it was written");
    assert!(definitions.contains(r#""tags": ["monitoring"]"#), "{definitions}");
    assert!(!definitions.contains("celeryev"), "{definitions}");
}
