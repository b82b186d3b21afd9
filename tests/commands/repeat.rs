//! The same command twice, and the same name asked for something else.

use crate::support::World;
use crate::support::invariants::check;

/// Each of these was issued again, or refused, when nothing had changed.
const NOON: &str = "2026-11-22T12:00:00Z";

#[test]
fn commands_of_one_second_leave_nothing_to_do() {
    let world = World::new();
    let at_once = |args: &[&str]| world.certgen(args).at("2026-11-22T12:00:00.7Z").run().success();
    at_once(&["init", "--profile", "celery", "--set", "hostname=r.example.com"]);
    for args in [
        &["issue", "authority", "sub", "--issuer", "root"][..],
        &["issue", "client", "a", "--issuer", "sub"],
        &["issue", "server", "s.example.com", "--validity", "30d"],
        &["renew", "--all"],
        &["issue", "client", "a", "--replace"],
        &["revoke", "celery_client"],
        &["issue", "client", "celery_client", "--force"],
        &["remove", "client/a", "--revoke"],
        &["rotate", "start", "sub"],
        &["rotate", "abort", "sub"],
    ] {
        let output = at_once(args);
        assert!(!output.stderr.contains("begins") && !output.stderr.contains("clock went"), "{}", output.transcript());
        let _ = at_once(&["plan"]).stderr_has("nothing to do");
    }
    check(&world.pki(""));
}

#[test]
fn a_directory_is_called_untouched_only_if_it_is() {
    for profile in ["basic", "celery"] {
        let world = World::new();
        let init = ["init", "--profile", profile];
        world.certgen(init).at(NOON).run().success();
        world.certgen(init).at(NOON).run().code(1).stderr_has("nothing was issued since: to begin again, rm -r pki");
        // Within the same second, too.
        world.certgen(["issue", "client", "x", "--no-save"]).at(NOON).run().success();
        let refused = world.certgen(init).at(NOON).run().code(1);
        assert!(!refused.stderr.contains("rm -r"), "{}", refused.transcript());
        world.certgen(["plan"]).at(NOON).run().success().stderr_has("nothing to do");
    }
}

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

/// It stayed a stray in `list`, which pruning would never have touched.
#[test]
fn what_was_issued_without_an_entry_can_be_saved_later() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    let managed = || world.certgen(["list", "client", "--json"]).run().success().json()["items"].clone();
    let of = |items: &serde_json::Value| {
        let mut items = items.as_array().expect("a list").iter();
        items.find(|item| item["name"] == "stray").expect("it is listed")["managed"].clone()
    };
    world.certgen(["issue", "client", "stray", "--no-save"]).run().success();
    assert_eq!(of(&managed()), false);
    let serial =
        world.certgen(["inspect", "client/stray", "--json"]).run().success().json()["items"][0]["serial"].clone();
    world.certgen(["issue", "client", "stray"]).run().success();
    assert_eq!(of(&managed()), true);
    let now = world.certgen(["inspect", "client/stray", "--json"]).run().success().json()["items"][0]["serial"].clone();
    assert_eq!(now, serial, "it was issued again");
}

/// A profile in a file goes by what it says, wherever it lies.
#[test]
fn a_directory_is_kept_if_it_came_from_the_same_text() {
    let world = World::new();
    world.write("mine.toml", "version = 1\n[authority.root]\n[server.\"a.example\"]\n");
    world.certgen(["init", "--profile", "mine.toml"]).run().success();
    std::fs::create_dir(world.path("elsewhere")).expect("a directory");
    std::fs::copy(world.path("mine.toml"), world.path("elsewhere/mine.toml")).expect("a copy");
    world.certgen(["init", "--keep", "--profile", "elsewhere/mine.toml"]).run().success();
    world.write("mine.toml", "version = 1\n[authority.root]\n[server.\"b.example\"]\n");
    world.certgen(["init", "--keep", "--profile", "mine.toml"]).run().code(1).stderr_has("another text");
    world.certgen(["init", "--keep", "--profile", "basic"]).run().code(1).stderr_has("mine.toml");
}

/// The password went to a user that nobody has, when the broker takes the login from another field of the certificate.
#[test]
fn a_password_belongs_to_the_name_that_logs_in() {
    let world = World::initialised(["--profile", "rabbitmq"]);
    let manifest =
        world.read("pki/certgen.toml").replacen("\n[broker]\n", "\n[broker]\nlogin_from = \"san email\"\n", 1);
    world.write("pki/certgen.toml", manifest);
    world
        .certgen(["issue", "client", "anna", "--san", "anna@example.com", "--vhost", "/", "--with-password", "--force"])
        .run()
        .success();
    let definitions: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.pki("rabbitmq/definitions.json")).expect("written")).expect("JSON");
    let users = definitions["users"].as_array().expect("users");
    let user = users.iter().find(|user| user["name"] == "anna@example.com").expect("the user that logs in");
    assert_ne!(user["password_hash"], "", "{user}");
    assert!(world.pki("rabbitmq/anna@example.com.password").is_file());
}

/// A label is allowed, but whoever gives one is told what the certificate is good for.
#[test]
fn a_server_that_is_no_host_is_said_to_be_none() {
    let world = World::initialised(["--profile", "basic"]);
    let issue = world.certgen(["issue", "server", "front door", "--san", "ok.example"]);
    issue.run().success().stderr_has("no host name").stderr_has("ok.example");
    let plain = world.certgen(["issue", "server", "ok.example"]).run().success();
    assert!(!plain.stderr.contains("no host name"), "{}", plain.stderr);
}

/// The old key and the combined file stayed beside a certificate that they do not belong to, and the broker served them.
#[test]
fn a_request_takes_the_place_of_a_key_that_was_here() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["request", "node", "rabbit.example.com", "--san", "localhost", "--out", "rq"]).run().success();
    let issue = ["issue", "node", "rabbit.example.com", "--csr", "rq/request.pem"];
    world.certgen(issue).run().code(1);
    world.certgen(issue.into_iter().chain(["--force"])).run().success();
    for file in ["server_key.pem", "combined_keys.pem"] {
        assert!(!world.pki(format!("node/rabbit.example.com/{file}")).exists(), "{file} is still there");
    }
    let listed = world.certgen(["status", "node", "--json"]).run().success().json();
    assert_eq!(listed["items"][0]["state"], "elsewhere");
    world.certgen(["request", "--finish", "pki/node/rabbit.example.com", "--out", "rq"]).run().success();
}

/// One rabbitmq.conf serves all nodes of a broker, and it can hold one password.
#[test]
fn nodes_of_one_broker_share_their_key_password() {
    let world = World::initialised(["--profile", "cluster", "--set", "nodes=a.example,b.example"]);
    for name in ["one", "two"] {
        world.write(name, format!("secret{name}\n"));
    }
    let before = world.read("pki/rabbitmq/rabbitmq.conf");
    let alone = world.certgen(["issue", "node", "a.example", "--key-password-file", "one", "--force"]).run().code(1);
    alone.stderr_has("one rabbitmq.conf serves both").stderr_has("certgen issue node a.example b.example");
    assert_eq!(before, world.read("pki/rabbitmq/rabbitmq.conf"));
    let both = ["issue", "node", "a.example", "b.example", "--key-password-file", "one", "--force"];
    world.certgen(both).run().success();
    assert!(world.read("pki/rabbitmq/rabbitmq.conf").contains("secretone"));
    world.certgen(["issue", "node", "b.example", "--key-password-file", "two", "--force"]).run().code(1);
}

/// A client's password never enters rabbitmq.conf, so that its syntax is none of the client's business.
#[test]
fn the_key_of_a_client_may_have_any_password() {
    let world = World::initialised(["--profile", "basic"]);
    world.write("odd", "pä$s # 'wörd'\n");
    world.certgen(["issue", "client", "odd", "--key-password-file", "odd"]).run().success();
    world.certgen(["issue", "server", "odd.example", "--key-password-file", "odd"]).run().code(1).stderr_has("letters");
}
