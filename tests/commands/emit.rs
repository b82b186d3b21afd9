//! The broker's files on their way to the broker.

use std::os::unix::fs::MetadataExt;

use crate::support::World;

/// The definitions kept root's ownership when only the owner of the node changed, and the broker could not read them.
#[test]
#[ignore = "needs root, to give files away"]
fn files_that_keep_their_text_still_get_a_new_owner() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["issue", "node", "rabbit.example.com", "--owner", "999:998", "--force"]).run().success();
    for file in ["rabbitmq/definitions.json", "rabbitmq/rabbitmq.conf", "node/rabbit.example.com/combined_keys.pem"] {
        let is = std::fs::metadata(world.pki(file)).expect("it was written");
        assert_eq!((is.uid(), is.gid()), (999, 998), "{file}");
    }
}

/// The files were given away, and their new owner could not enter the directory that holds them.
#[test]
fn a_directory_that_exists_gets_the_mode_that_is_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["issue", "node", "rabbit.example.com", "--key-mode", "0640", "--force"]).run().success();
    for (path, mode) in [("node/rabbit.example.com", 0o750), ("rabbitmq/definitions.json", 0o640)] {
        let is = std::fs::metadata(world.pki(path)).expect("it was written").permissions().mode();
        assert_eq!(is & 0o7777, mode, "{path}");
    }
}

/// A file that somebody edited: theirs stays, ours lies beside it, --force replaces.
#[test]
fn a_file_that_was_edited_by_hand_is_left_alone() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.write("pki/rabbitmq/rabbitmq.conf", "mine = 1\n");
    world.certgen(["emit", "rabbitmq"]).run().success().stderr_has("edited by hand and left alone");
    assert_eq!(world.read("pki/rabbitmq/rabbitmq.conf"), "mine = 1\n");
    assert!(world.read("pki/rabbitmq/rabbitmq.conf.new").contains("ssl_options"));
    world.certgen(["emit", "rabbitmq", "--force"]).run().success();
    assert!(world.read("pki/rabbitmq/rabbitmq.conf").contains("ssl_options"));
}

/// A second `--out` replaced what somebody had edited there, and the users that others had added.
#[test]
fn out_leaves_alone_what_differs_and_merges_definitions() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["emit", "rabbitmq", "--out", "broker"]).run().success();
    let again = world.certgen(["emit", "rabbitmq", "--out", "broker"]).run().success();
    assert_eq!(again.stdout, "", "{}", again.transcript());
    world.write("broker/rabbitmq.conf", "mine = 1\n");
    let definitions =
        world.read("broker/definitions.json").replace("\"users\": [", "\"users\": [\n{\"name\":\"bob\"},");
    world.write("broker/definitions.json", definitions);
    world.certgen(["emit", "rabbitmq", "--out", "broker"]).run().success().stderr_has("--force");
    assert_eq!(world.read("broker/rabbitmq.conf"), "mine = 1\n");
    world.certgen(["emit", "rabbitmq", "--out", "broker", "--force"]).run().success();
    assert!(world.read("broker/rabbitmq.conf").contains("ssl_options"));
    assert!(world.read("broker/definitions.json").contains("bob"));
}

/// An edit in the broker's own directory was overwritten without a word.
#[test]
fn what_was_edited_where_it_was_put_is_left_alone() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    std::fs::create_dir(world.path("etc")).expect("made");
    let into = || world.certgen(["emit", "rabbitmq", "--into", "etc"]);
    into().run().success();
    let ours = world.read("etc/conf.d/90-certgen.conf");
    into().run().success().stderr_has("has everything already");
    world.write("etc/conf.d/90-certgen.conf", ours.replace("5671", "5999"));
    into().run().success().stderr_has("90-certgen.conf differs and was left alone");
    assert!(world.read("etc/conf.d/90-certgen.conf").contains("5999"));
    assert_eq!(world.read("etc/conf.d/90-certgen.conf.new"), ours);
    world.certgen(["emit", "rabbitmq", "--into", "etc", "--force"]).run().success();
    assert_eq!(world.read("etc/conf.d/90-certgen.conf"), ours);
    // What certgen itself has to say anew is no edit.
    let manifest = world.read("pki/certgen.toml").replacen("\n[broker]\n", "\n[broker]\ntls_versions = [\"1.3\"]\n", 1);
    world.write("pki/certgen.toml", manifest);
    into().run().success().stdout_has("90-certgen.conf");
    assert!(!world.read("etc/conf.d/90-certgen.conf").contains("tlsv1.2"));
}

/// A PKI for Celery whose manifest lists consumers.
fn with_listed(emit: &str) -> World {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    list(&world, emit);
    world
}

fn list(world: &World, emit: &str) {
    let manifest = world.read("pki/certgen.toml");
    let without: String =
        manifest.lines().filter(|line| !line.starts_with("emit = ")).map(|l| format!("{l}\n")).collect();
    world.write("pki/certgen.toml", without.replacen("version = 1\n", &format!("version = 1\nemit = {emit}\n"), 1));
}

#[test]
fn what_the_manifest_lists_follows_its_facts() {
    let world = with_listed(r#"["pika --set certs='/etc/my certs'", "rabbitmqctl"]"#);
    world.certgen(["issue", "client", "reporting", "--like", "celery_worker"]).run().success();
    let module = world.read("pki/emit/pika/reporting/pika_connection.py");
    assert!(module.contains("\"/etc/my certs/client_key.pem\""), "{module}");
    assert!(world.read("pki/emit/rabbitmqctl/users.sh").contains("add_user reporting"));
    let unchanged = world.certgen(["emit", "rabbitmq"]).run().success();
    assert_eq!(unchanged.stdout, "", "{}", unchanged.transcript());
    world.certgen(["remove", "client/reporting"]).run().success();
    assert!(!world.pki("emit/pika/reporting").exists());
    assert!(world.pki("emit/pika/celery_client/pika.env").exists());
    assert!(!world.read("pki/emit/rabbitmqctl/users.sh").contains("reporting"));
    // What somebody edited stays, also when its client is gone.
    world.write("pki/emit/pika/celery_client/pika.env", "mine\n");
    list(&world, r#"["pika --set port=5999"]"#);
    let new = world.certgen(["emit", "rabbitmq"]).run().success();
    new.stderr_has("pika.env was edited by hand and left alone")
        .stderr_has("certgen emit pika --set port=5999 --force");
    assert!(world.read("pki/emit/pika/celery_client/pika.env.new").contains("5999"));
    world.certgen(["remove", "client/celery_client"]).run().success();
    assert_eq!(world.read("pki/emit/pika/celery_client/pika.env"), "mine\n");
    assert!(!world.pki("emit/pika/celery_client/pika_connection.py").exists());
}

/// What was asked for by hand was taken away by the next command, because the manifest names another client.
#[test]
fn what_was_emitted_by_hand_stays_beside_what_is_listed() {
    let world = with_listed(r#"["pika --for celery_worker"]"#);
    world.certgen(["emit", "pika", "--for", "celery_client"]).run().success();
    world.certgen(["issue", "client", "reporting", "--like", "celery_worker"]).run().success();
    assert!(world.pki("emit/pika/celery_client/pika.env").exists());
    assert!(world.pki("emit/pika/celery_worker/pika.env").exists());
    assert!(!world.pki("emit/pika/reporting").exists());
    world.certgen(["remove", "client/celery_client"]).run().success();
    assert!(!world.pki("emit/pika/celery_client").exists());
}

#[test]
fn one_of_several_brokers_has_a_directory_of_its_own() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    let manifest = world.read("pki/certgen.toml").replace(
        "[broker]\n",
        "[broker.west]\ncertificate = \"rabbit.example.com\"\n[broker.east]\ncertificate = \"rabbit.example.com\"\n",
    );
    let manifest = manifest
        .replace("[client.celery_worker]\n", "[client.celery_worker]\nbroker = [\"west\", \"east\"]\n")
        .replace("[client.celery_client]\n", "[client.celery_client]\nbroker = \"east\"\n");
    world.write("pki/certgen.toml", manifest);
    world.certgen(["emit", "rabbitmqctl"]).run().code(1).stderr_has("--broker: west, east");
    list(&world, r#"["rabbitmqctl --broker west", "rabbitmqctl --broker east"]"#);
    world.certgen(["emit", "rabbitmq"]).run().success();
    let east = world.read("pki/emit/rabbitmqctl/east/users.sh");
    assert!(east.contains("celery_client") && east.contains("celery_worker"), "{east}");
    assert!(!world.read("pki/emit/rabbitmqctl/west/users.sh").contains("celery_client"));
    world.certgen(["emit", "rabbitmqctl", "--broker", "east", "--out", "here"]).run().success();
    assert_eq!(world.read("here/users.sh"), world.read("pki/emit/rabbitmqctl/east/users.sh"));
}

/// The first of a client's brokers was taken without a word, and nothing could list both.
#[test]
fn a_client_of_two_brokers_has_files_for_each() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    let manifest = world.read("pki/certgen.toml").replace(
        "[broker]\n",
        "[broker.west]\ncertificate = \"rabbit.example.com\"\n[broker.east]\ncertificate = \"rabbit.example.com\"\nports = { amqp = 5999 }\n",
    );
    let both = "[client.celery_worker]\nbroker = [\"west\", \"east\"]\n";
    let manifest = manifest
        .replace("[client.celery_worker]\n", both)
        .replace("[client.celery_client]\n", "[client.celery_client]\nbroker = \"east\"\n");
    world.write("pki/certgen.toml", manifest);
    world.certgen(["emit", "celery"]).run().code(1).stderr_has("--broker").stderr_has("west, east");
    list(&world, r#"["celery --broker west", "compose --broker west", "celery --broker east"]"#);
    world.certgen(["emit", "compose", "--broker", "east"]).run().success().stderr_has("compose celery --broker east");
    let read = |path: &str| world.read(format!("pki/emit/{path}"));
    assert!(read("celery/west/celery_worker/celery.env").contains("AMQPS_PORT=5671"));
    assert!(read("celery/east/celery_worker/celery.env").contains("AMQPS_PORT=5999"));
    for broker in ["west", "east"] {
        let text = read(&format!("compose/{broker}/docker-compose.yml"));
        let beside = format!("source: \"../../celery/{broker}/celery_worker\"\n");
        assert!(text.contains(&format!("name: certgen-{broker}\n")) && text.contains(&beside), "{text}");
    }
    // What was asked for by hand stays beside what is listed.
    world.certgen(["emit", "pika", "--broker", "east"]).run().success();
    list(&world, r#"["pika --broker west"]"#);
    world.certgen(["emit", "rabbitmq"]).run().success();
    assert!(world.pki("emit/pika/east/celery_worker/pika.env").exists());
    let one = ["emit", "celery", "--broker", "east", "--for", "celery_worker", "--out", "here"];
    world.certgen(one).run().success();
    assert_eq!(world.read("here/celery.env"), read("celery/east/celery_worker/celery.env"));
    let out = ["emit", "compose", "celery", "--broker", "east", "--out", "there"];
    world.certgen(out).run().success();
    assert!(world.path("there/compose/east/../../celery/east/celery_worker/celeryconfig.py").exists());
}

/// The command in the hint took away every other name, and the one against an edited file every setting.
#[test]
fn a_hint_that_is_typed_keeps_what_there_was() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    let before = world.read("pki/certgen.toml");
    let refused = world.certgen(["emit", "celery", "--set", "host=other.example"]).run().code(1);
    let (_, hint) = refused.stderr.split_once("certgen issue ").expect("a command");
    let words = hint.lines().next().unwrap_or_default().split(' ');
    world.certgen(["issue"].into_iter().chain(words)).run().success();
    let old = r#"san = ["rabbitmq", "localhost", "127.0.0.1", "::1"]"#;
    // The short name came with the host; now it stands there.
    let new = r#"san = ["rabbit", "rabbitmq", "localhost", "127.0.0.1", "::1", "other.example"]"#;
    assert_eq!(world.read("pki/certgen.toml"), before.replace(old, new));
    world.certgen(["emit", "celery", "--set", "host="]).run().code(2).stderr_has("no host");
    world.certgen(["emit", "pika", "--set", "port=5999"]).run().success();
    world.write("pki/emit/pika/celery_worker/pika.env", "mine\n");
    let edited = world.certgen(["emit", "pika", "--set", "port=6000"]).run().success();
    edited.stderr_has("certgen emit pika --set port=6000 --force");
    // A worker is not made a link or a device.
    let link = world.certgen(["emit", "federation", "--for", "celery_worker"]).run().code(1);
    link.stderr_has("certgen issue client NAME --vhost my_vhost --configure");
    let manifest = world.read("pki/certgen.toml").replace("[broker]\n", "[broker]\nplugins = [\"rabbitmq_mqtt\"]\n");
    world.write("pki/certgen.toml", manifest);
    world.certgen(["emit", "mqtt"]).run().code(1).stderr_has("certgen issue client NAME --vhost / --access mqtt");
    world.certgen(["issue", "client", "device", "--vhost", "/", "--access", "mqtt"]).run().success();
    world.certgen(["emit", "celery", "--for", "device"]).run().code(1).stderr_has("MQTT alone");
}

/// A revocation must not wait for a consumer's file.
#[test]
fn a_consumer_that_lacks_a_fact_is_named_and_nothing_else_fails() {
    let world = with_listed(r#"["mqtt", "pika --for celery_client"]"#);
    world
        .certgen(["revoke", "celery_worker"])
        .run()
        .success()
        .stderr_has("emit/mqtt was left as it was")
        .stderr_has("plugins");
    assert!(world.pki("emit/pika/celery_client/pika_connection.py").exists());
    world.certgen(["revoke", "celery_client"]).run().success().stderr_has("emit/pika was left as it was");
}

#[test]
fn a_list_that_cannot_be_followed_is_refused() {
    let world = with_listed(r#"["pikka"]"#);
    world.certgen(["emit", "rabbitmq"]).run().refused().stderr_has("did you mean pika?");
    list(&world, r#"["pika --set hots=x"]"#);
    world.certgen(["emit", "rabbitmq"]).run().refused().stderr_has("did you mean host?");
    list(&world, r#"["pika --fro x"]"#);
    world.certgen(["emit", "rabbitmq"]).run().refused().stderr_has("--for NAME");
    list(&world, r#"["pika", "pika --for celery_worker --set port=5999"]"#);
    world.certgen(["emit", "rabbitmq"]).run().success().stderr_has("another item of emit writes");
    assert!(world.read("pki/emit/pika/celery_worker/pika.env").contains("5671"));
    list(&world, r#"["rabbitmq"]"#);
    world.certgen(["emit", "rabbitmq"]).run().refused().stderr_has("kept up to date anyway");
}

#[test]
fn what_is_wrong_on_the_line_is_said_with_what_is_meant() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    let emit = |more: &[&str]| world.certgen(["emit"].iter().chain(more)).run();
    emit(&["pikka"]).code(2).stderr_has("did you mean pika?");
    emit(&["pika", "pika"]).code(2).stderr_has("named twice");
    emit(&["pika", "--for", "celery_wroker"]).code(1).stderr_has("did you mean \"celery_worker\"?");
    emit(&["pika", "--set", "host"]).code(2).stderr_has("KEY=VALUE");
    emit(&["pika", "--set", "hots=x"]).code(2).stderr_has("did you mean host?");
    emit(&["pika", "--set", "port=0"]).code(2).stderr_has("1 to 65535");
    emit(&["pika", "--set", "host=other.example"]).code(1).stderr_has("--san other.example");
    emit(&["pika", "--set", "vhost=other"]).code(1).stderr_has("my_vhost");
    emit(&["pika", "--set", "certs=/a\nb"]).code(1).stderr_has("it has a control character");
    emit(&["node", "--set", "certs=/a\nb", "--out", "-"]).success().stdout_has(r#""/a\nb/client_key.pem""#);
    emit(&["pika", "--set", "certs="]).code(2).stderr_has("no directory");
    emit(&["pika", "--broker", "west"]).code(1).stderr_has("leave --broker out");
    emit(&["rabbitmq", "--broker", "west"]).code(1).stderr_has("leave --broker out");
    emit(&["pika", "--with-keys"]).code(2).stderr_has("no key");
    emit(&["pika", "--into", "etc"]).code(2).stderr_has("--out");
    emit(&["rabbitmq", "--set", "host=x"]).code(2).stderr_has("not for rabbitmq");
    // A setting is for those targets that have it.
    emit(&["pika", "systemd", "--set", "port=5999", "--out", "here"]).success();
    assert!(world.read("here/pika/celery_worker/pika.env").contains("AMQPS_PORT=5999"));
    assert!(world.path("here/systemd/certgen-renew.timer").exists());
}

#[test]
fn a_client_without_a_virtual_host_or_with_two_says_what_to_type() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["issue", "client", "two", "--access", "all", "--vhost", "a", "--vhost", "b"]).run().success();
    let emit = |more: &[&str]| world.certgen(["emit", "pika", "--out", "-"].iter().chain(more)).run();
    emit(&["--for", "two"]).code(1).stderr_has("--set vhost=VHOST: a, b");
    emit(&["--for", "two", "--set", "vhost=b"]).success().stdout_has("\"b\"");
    let basic = World::initialised(["--profile", "basic", "--set", "hostname=rabbit.example.com"]);
    basic.certgen(["emit", "pika"]).run().code(1).stderr_has("add a [broker] section");
}

#[test]
fn an_encrypted_key_is_opened_from_a_file_or_refused() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.write("secret.txt", "correctHorseBatteryStaple\n");
    let issue = ["issue", "client", "sealed", "--like", "celery_worker", "--key-password-file", "secret.txt"];
    world.certgen(issue).run().success();
    for target in ["celery", "kombu", "go", "rust"] {
        world.certgen(["emit", target, "--for", "sealed"]).run().code(1).stderr_has("its key is encrypted");
    }
    for target in ["pika", "aio-pika", "java", "node", "openssl"] {
        let said = world.certgen(["emit", target, "--for", "sealed", "--out", "-"]).run().success();
        let said = said.stdout_has("secret.txt");
        assert!(!said.stdout.contains("correctHorse"), "{}", said.transcript());
    }
    let moved = ["emit", "pika", "--for", "sealed", "--set", "key_password_file=/run/secret", "--out", "-"];
    world.certgen(moved).run().success().stdout_has("\"/run/secret\"");
}

#[test]
fn json_has_the_files_and_the_settings() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    let read = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&world.certgen(args).run().success().stdout).expect("it is JSON")
    };
    let items = &read(&["--json", "emit", "celery", "--for", "celery_worker", "--out", "-"])["items"];
    assert_eq!((&items[0]["path"], &items[1]["path"]), (&"celeryconfig.py".into(), &"celery.env".into()));
    let listed = &read(&["--json", "emit", "--list"])["items"];
    let settings =
        listed.as_array().expect("a list").iter().find(|item| item["target"] == "mqtt").expect("it is there");
    assert_eq!(settings["for_each_client"], true);
    assert_eq!(settings["settings"][4]["default"], "# out 1");
}

/// Debian's rabbitmqctl has a second shell read what root gives it: a client called `$(id)` ran `id`.
#[test]
fn what_a_user_is_called_is_never_run() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world
        .certgen(["issue", "client", "$(id)", "--access", "all", "--vhost", "`id`"])
        .run()
        .success()
        .stderr_has("runuser -u rabbitmq -- rabbitmqctl add_vhost '`id`'");
    let removed = world.certgen(["remove", "client/$(id)"]).run().success();
    removed.stderr_has("runuser -u rabbitmq -- rabbitmqctl delete_user '$(id)'");
}

#[test]
fn a_key_that_nobody_is_to_have_is_found_in_what_was_emitted() {
    let world = World::initialised(["--profile", "kubernetes"]);
    world.certgen(["issue", "client", "w", "x", "--vhost", "/", "--access", "celery"]).run().success();
    world.certgen(["emit", "kubernetes", "--with-keys"]).run().success();
    let still = |name: &str| format!("pki/emit/kubernetes/secrets.yaml still has the key of client/{name}");
    world.certgen(["revoke", "w", "--reason", "keyCompromise"]).run().success().stderr_has(&still("w"));
    world.certgen(["remove", "client/x"]).run().success().stderr_has(&still("x"));
    // The key that was replaced is the one that leaked.
    let world = World::initialised(["--profile", "kubernetes"]);
    world.certgen(["issue", "client", "w", "--vhost", "/", "--access", "celery"]).run().success();
    world.certgen(["emit", "kubernetes", "--with-keys"]).run().success();
    world.certgen(["renew", "client/w"]).run().success();
    world.certgen(["revoke", "w", "--reason", "keyCompromise"]).run().success().stderr_has(&still("w"));
}
