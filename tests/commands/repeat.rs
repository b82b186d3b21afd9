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
