//! The way from plain to TLS, as commands.

use std::fs;

use serde_json::json;

use crate::support::World;
use crate::support::world::{Output, Run};

const USERS: &str = r#"[
{"user":"celery_worker","tags":[]}
,{"user":"guest","tags":["administrator"]}
,{"user":"orders","tags":[]}
]"#;

fn celery() -> World {
    World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"])
}

fn migrate<'w, const N: usize>(world: &'w World, phase: &str, more: [&str; N]) -> Run<'w> {
    world.certgen(["emit", "rabbitmq", "--migration", phase].into_iter().chain(more))
}

/// A connection as `list_connections` prints it.
fn connection(user: &str, tls: bool, mechanism: &str) -> serde_json::Value {
    json!({"user": user, "peer_host": [0, 0, 0, 0, 0, 65535, 2560, 7], "ssl": tls, "auth_mechanism": mechanism,
        "protocol": [0, 9, 1], "client_properties": [["product", "longstr", "pika"]]})
}

fn look(world: &World, connections: &[serde_json::Value]) -> Output {
    migrate(world, "2", ["--json"]).stdin(json!(connections).to_string()).run()
}

fn conf(world: &World) -> String {
    world.read("pki/rabbitmq/rabbitmq.conf")
}

/// What `status` says of the migration, for scripts.
fn phase(world: &World) -> serde_json::Value {
    world.certgen(["status", "--json"]).run().success().json()["migrations"].clone()
}

#[test]
fn plain_opens_is_looked_at_and_closes() {
    let world = celery();
    let before = world.read("pki/certgen.toml");
    let closed = conf(&world);
    migrate(&world, "1", ["--users", "-"]).stdin(USERS).run().success().stdout_has("rabbitmq.conf");
    for line in [
        "\nlisteners.tcp.default = 5672\n",
        "\nmanagement.tcp.port = 15672\n",
        "\nssl_options.fail_if_no_peer_cert = false\n",
        " = EXTERNAL\n",
        " = PLAIN\n",
        " = AMQPLAIN\n",
        "\nload_definitions = ",
    ] {
        assert!(conf(&world).contains(line), "{line:?} is not in\n{}", conf(&world));
    }
    let again = migrate(&world, "1", []).run().success();
    assert_eq!(again.stdout, "", "{}", again.transcript());
    assert_eq!(phase(&world)[0]["phase"], "open");

    let seen = look(
        &world,
        &[
            connection("orders", false, "PLAIN"),
            connection("orders", false, "PLAIN"),
            connection("celery_worker", true, "AMQPLAIN"),
            connection("celery_client", true, "EXTERNAL"),
        ],
    );
    let seen = seen.code(3).json();
    let told = |i: usize, key: &str| seen["items"][i][key].clone();
    assert_eq!(
        (told(0, "user"), told(0, "tls"), told(0, "connections")),
        (json!("celery_worker"), json!(true), json!(1))
    );
    assert!(told(0, "next").as_str().is_some_and(|n| n.contains("give it pki/client/celery_worker/")), "{seen}");
    assert_eq!((told(1, "user"), told(1, "tls"), told(1, "connections")), (json!("orders"), json!(false), json!(2)));
    assert_eq!(
        (told(1, "address"), told(1, "next")),
        (json!("10.0.0.7"), json!("certgen issue client --existing-user orders"))
    );
    assert_eq!((seen["items"].as_array().map(Vec::len), &seen["connections"]), (Some(2), &json!(4)));
    assert_eq!(phase(&world)[0]["phase"], "used");
    migrate(&world, "3", []).run().code(1).stderr_has("somebody still needed it").stderr_has("--migration 3 --force");

    look(&world, &[connection("celery_client", true, "EXTERNAL")]).success();
    assert_eq!(phase(&world)[0]["next"], "certgen emit rabbitmq --migration 3");
    world.certgen(["status"]).run().success().stderr_has("migration: nobody came by plain");
    migrate(&world, "3", []).run().success().stderr_has("no certificate").stderr_has("guest, orders");
    assert_eq!(conf(&world), closed);
    assert_eq!(phase(&world), json!([]));
    let expected = before.replace("[client.celery_worker]\n", "[client.celery_worker]\nexisting_user = true\n");
    let after =
        world.read("pki/certgen.toml").replace("login_users = [\"celery_worker\", \"guest\", \"orders\"]\n", "");
    assert_eq!(after, expected);
    migrate(&world, "3", []).run().success().stderr_has("closed in certgen.toml already");
}

/// Whatever writes the broker's files on the way leaves plain open.
#[test]
fn nothing_closes_plain_on_the_way() {
    let world = celery();
    migrate(&world, "1", []).run().success();
    let open = conf(&world);
    world.certgen(["issue", "client", "reporting", "--like", "celery_worker"]).run().success();
    world.certgen(["renew", "--all"]).run().success();
    world.certgen(["emit", "rabbitmq"]).run().success();
    assert_eq!(conf(&world), open);
}

/// The promise is that passwords stay: definitions that a boot reads would take them.
#[test]
fn users_that_the_broker_has_keep_what_they_have() {
    let world = celery();
    migrate(&world, "1", []).run().success().stderr_has("rabbitmqctl list_users --formatter json |");
    assert!(!conf(&world).contains("load_definitions"), "nobody said which users there are");
    let issued = world.certgen(["issue", "client", "--existing-user", "orders"]).run().success();
    assert!(!issued.stderr.contains("import_definitions"), "{}", issued.transcript());
    migrate(&world, "1", ["--users", "-"]).stdin(USERS).run().success().stderr_has(r#""celery_worker" is the user"#);
    assert!(conf(&world).contains("load_definitions"));
    let definitions = world.read("pki/rabbitmq/definitions.json");
    for (name, ours) in [("celery_worker", false), ("orders", false), ("celery_client", true), ("administrator", true)]
    {
        assert_eq!(definitions.contains(&format!("\"{name}\"")), ours, "{name}\n{definitions}");
        let own = world.pki(format!("rabbitmq/definitions.d/{name}.json"));
        assert_eq!(own.exists(), ours && name != "administrator", "{name}");
    }
    world.certgen(["issue", "client", "guest"]).run().refused().stderr_has("--existing-user");
    // Once the broker has certgen's users, its list has them too.
    let brought = r#"
,{"user":"celery_client","tags":[]}
,{"user":"administrator","tags":["administrator"]}
,{"user":"new","tags":[]}
]"#;
    let later = USERS.replace("\n]", brought);
    migrate(&world, "1", ["--users", "-"]).stdin(&later).run().success();
    assert!(
        world.read("pki/certgen.toml").contains("login_users = [\"celery_worker\", \"guest\", \"new\", \"orders\"]\n")
    );
    migrate(&world, "3", []).run().success().stderr_has("nobody has looked");
    assert!(!world.read("pki/rabbitmq/definitions.json").contains("orders"));
}

/// Nobody named the users; the client that is meant to be one of them stays out of the definitions for good.
#[test]
fn a_client_that_is_a_user_of_the_broker_is_so_afterwards() {
    let world = celery();
    migrate(&world, "1", []).run().success();
    world.certgen(["issue", "client", "--existing-user", "orders"]).run().success();
    let closed = migrate(&world, "3", []).run().success();
    closed.stderr_has("loses its password").stderr_has("administrator, celery_worker, celery_client");
    assert!(world.read("pki/certgen.toml").contains("login_users = [\"orders\"]\n"));
    assert!(!world.read("pki/rabbitmq/definitions.json").contains("orders"));
}

#[test]
fn an_administrator_that_the_broker_has_is_not_replaced_or_impersonated() {
    let world = celery();
    let users = r#"[{"user":"administrator","tags":["administrator"]}]"#;
    migrate(&world, "1", ["--users", "-"]).stdin(users).run().success().stderr_has("certgen makes none");
    assert!(!world.read("pki/rabbitmq/definitions.json").contains("administrator"));
    assert!(!world.pki("rabbitmq/administrator.password").exists());
    let world = celery();
    let before = world.read("pki/certgen.toml");
    let users = r#"[{"user":"celery_worker","tags":["administrator"]}]"#;
    migrate(&world, "1", ["--users", "-"]).stdin(users).run().code(1).stderr_has("with the tag administrator");
    assert_eq!(world.read("pki/certgen.toml"), before);
}

#[test]
fn tls_between_nodes_waits() {
    let world = World::initialised(["--profile", "cluster", "--set", "nodes=a.example.com,b.example.com"]);
    migrate(&world, "1", [])
        .run()
        .success()
        .stderr_has("inter_node_tls was true")
        .stderr_has("one node after the other");
    let environment = || world.read("pki/rabbitmq/rabbitmq-env.conf");
    assert!(!environment().contains("\nSERVER_ADDITIONAL_ERL_ARGS"), "{}", environment());
    migrate(&world, "3", ["--force"]).run().success().stderr_has("nodes still talk plain to each other");
    let manifest = world.read("pki/certgen.toml").replace("inter_node_tls = false", "inter_node_tls = true");
    world.write("pki/certgen.toml", manifest);
    let order = world.certgen(["emit", "rabbitmq"]).run().success();
    order
        .stderr_has("cannot be brought in node by node")
        .stderr_has("stop all: b.example.com, a.example.com (systemctl stop rabbitmq-server)")
        .stderr_has("pki/rabbitmq/inter_node_tls.config and rabbitmq-env.conf to /etc/rabbitmq")
        .stderr_has("start all, without waiting for one another: a.example.com, b.example.com");
    assert!(environment().contains("\nSERVER_ADDITIONAL_ERL_ARGS"), "{}", environment());
    assert!(!world.certgen(["emit", "rabbitmq"]).run().success().stderr.contains("stop all"));
}

/// Their nodes talked TLS to each other, and the first restart would have parted them.
#[test]
fn tls_between_nodes_that_is_there_already_stays() {
    let world = World::initialised(["--profile", "cluster", "--set", "nodes=a.example.com,b.example.com"]);
    fs::create_dir(world.path("etc")).expect("made");
    world.certgen(["emit", "rabbitmq", "--into", "etc"]).run().success();
    let migrated = migrate(&world, "1", ["--into", "etc"]).run().success();
    assert!(!migrated.stderr.contains("inter_node_tls was"), "{}", migrated.transcript());
    assert!(world.read("etc/rabbitmq-env.conf").contains("\nSERVER_ADDITIONAL_ERL_ARGS"));
}

#[test]
fn an_existing_configuration_keeps_its_listeners_until_they_are_taken_out() {
    let world = celery();
    let theirs = "listeners.tcp.1 = 0.0.0.0:5673\nmanagement.tcp.port = 15672\nauth_mechanisms.1 = PLAIN\n";
    world.write("etc/rabbitmq.conf", theirs);
    let manifest = world.read("pki/certgen.toml");
    let shown = migrate(&world, "1", ["--into", "etc", "--diff"]).run().success();
    assert!(shown.stdout.contains("+ssl_options.fail_if_no_peer_cert = false"), "{}", shown.stdout);
    migrate(&world, "1", ["--out", "-"]).run().success().stdout_has("listeners.tcp.default = 5672");
    assert_eq!(world.read("pki/certgen.toml"), manifest, "what is only shown changes nothing");
    migrate(&world, "1", ["--into", "nowhere"]).run().code(1);
    assert_eq!(world.read("pki/certgen.toml"), manifest);

    migrate(&world, "1", ["--into", "etc"]).run().success();
    let ours = world.read("etc/conf.d/90-certgen.conf");
    assert!(!ours.contains("listeners.tcp") && !ours.contains("management.tcp"), "{ours}");
    let refused = migrate(&world, "3", ["--into", "etc"]).run().code(1);
    refused.stderr_has("rabbitmq.conf:1: listeners.tcp.1").stderr_has("rabbitmq.conf:3: auth_mechanisms.1 = PLAIN");
    assert_eq!(phase(&world)[0]["phase"], "open", "a phase that failed is not made");
    assert!(conf(&world).contains("listeners.tcp.default"));
    world.write("etc/rabbitmq.conf", "");
    migrate(&world, "3", ["--into", "etc"]).run().success();
    assert!(world.read("etc/conf.d/90-certgen.conf").contains("listeners.tcp = none"));
}

/// A broker whose clients need no certificate, and one of several.
#[test]
fn a_look_knows_what_its_broker_will_accept() {
    let world = celery();
    let manifest = world.read("pki/certgen.toml");
    world.write(
        "pki/certgen.toml",
        manifest.replace("client_certificates = \"required\"", "client_certificates = \"optional\""),
    );
    migrate(&world, "1", []).run().success();
    look(&world, &[connection("orders", true, "PLAIN")]).success();
    look(&world, &[connection("orders", false, "PLAIN")]).code(3);

    let world = celery();
    let manifest = world
        .read("pki/certgen.toml")
        .replace("[broker]", "[broker.mail]\ncertificate = \"node/rabbit.example.com\"\n[broker.news]\ncertificate = \"node/rabbit.example.com\"");
    let manifest = manifest.replace("[client.celery_worker]", "[client.celery_worker]\nbroker = \"mail\"");
    world.write(
        "pki/certgen.toml",
        manifest.replace("[client.celery_client]", "[client.celery_client]\nbroker = \"news\""),
    );
    migrate(&world, "1", []).run().code(1).stderr_has("--broker");
    let opened = migrate(&world, "1", ["--broker", "mail"]).run().success();
    opened.stderr_has("certgen emit rabbitmq --broker mail --migration 2");
    assert!(world.read("pki/rabbitmq/mail/rabbitmq.conf").contains("listeners.tcp.default"));
    assert!(world.read("pki/rabbitmq/news/rabbitmq.conf").contains("listeners.tcp = none"));
    let stdin = json!([connection("orders", false, "PLAIN")]).to_string();
    let seen = migrate(&world, "2", ["--broker", "mail", "--json"]).stdin(stdin).run().code(3).json();
    assert_eq!(seen["items"][0]["next"], "certgen issue client --existing-user --broker mail orders");
}

#[test]
fn nobody_connected_is_no_answer() {
    let world = celery();
    migrate(&world, "1", []).run().success();
    migrate(&world, "2", []).stdin("[\n]\n").run().success().stderr_has("which says nothing");
    assert_eq!(phase(&world)[0]["phase"], "open");
    migrate(&world, "2", [])
        .stdin("[]\n[{\"user\":\"a\",\"ssl\":true,\"auth_mechanism\":\"EXTERNAL\"}]")
        .run()
        .success();
    assert_eq!(phase(&world)[0]["phase"], "unused");
}

/// Before anything is opened the same look says what there will be to do.
#[test]
fn a_look_before_the_first_phase_changes_nothing() {
    let world = celery();
    let before = world.read("pki/certgen.toml");
    look(&world, &[connection("orders", false, "PLAIN")]).code(3);
    assert_eq!(world.read("pki/certgen.toml"), before);
}

#[test]
fn what_goes_wrong_is_said_and_changes_nothing() {
    let world = celery();
    migrate(&world, "1", []).run().success();
    let before = (world.read("pki/certgen.toml"), world.read("pki/inventory.jsonl"));
    for (stdin, why) in [
        ("", "there is nothing on standard input"),
        ("user\tpeer_host\nguest\t127.0.0.1\n", "expected value"),
        ("{\"version\":1}", "expected the list that --formatter json writes"),
        ("[{\"user\":\"a\",\"ssl\":true}]", "the column auth_mechanism"),
        ("[{\"user\":\"a\",\"ssl\":false,\"auth_mechanism\":\"PLAIN\"}", "EOF"),
        ("\u{1b}[31m", "expected value"),
        ("[\u{0}]", "expected value"),
    ] {
        let refused = migrate(&world, "2", []).stdin(stdin).run().code(1).stderr_has(why);
        let refused = refused.stderr_has("rabbitmqctl list_connections user peer_host");
        assert!(!refused.stderr.contains('\u{1b}'), "{}", refused.transcript());
    }
    for users in ["", "no", "[1]", "[{\"user\":\"a\"}]"] {
        migrate(&world, "1", ["--users", "-"]).stdin(users).run().code(1).stderr_has("reading the broker's users");
    }
    let many: Vec<_> = (0..1001).map(|i| json!({"user": format!("u{i}"), "tags": []})).collect();
    migrate(&world, "1", ["--users", "-"]).stdin(json!(many).to_string()).run().code(1).stderr_has("1001 users");
    for args in [
        &["emit", "rabbitmq", "--migration", "4"][..],
        &["emit", "systemd", "--migration", "1"],
        &["emit", "rabbitmq", "--users", "-"],
        &["emit", "rabbitmq", "--migration", "2", "--force"],
        &["emit", "rabbitmq", "--migration", "2", "--into", "etc"],
    ] {
        world.certgen(args).run().code(2);
    }
    migrate(&world, "1", ["--users", "nowhere.json"]).run().code(1).stderr_has("nowhere.json");
    assert_eq!((world.read("pki/certgen.toml"), world.read("pki/inventory.jsonl")), before);
}

/// Names are whatever a client says it is called.
#[test]
fn hostile_names_stay_names() {
    let world = celery();
    migrate(&world, "1", ["--users", "-"])
        .stdin(json!([{"user": "a\u{1b}[2J\nb", "tags": []}, {"user": "$(id) \"'", "tags": []}]).to_string())
        .run()
        .success();
    assert!(world.read("pki/certgen.toml").contains(r#"login_users = ["$(id) \"'"]"#));
    let mut hostile = connection("$(id); rm -rf '", false, "PLAIN");
    hostile["client_properties"] = json!([["connection_name", "longstr", "\u{1b}[2J\u{202e}\n\u{0}"]]);
    let seen =
        migrate(&world, "2", []).stdin(json!([hostile, connection("-rf", false, "PLAIN")]).to_string()).run().code(3);
    let printed = format!("{}{}", seen.stdout, seen.stderr);
    assert!(!printed.contains(['\u{1b}', '\u{202e}', '\0']), "{}", seen.transcript());
    seen.stderr_has(r"certgen issue client --existing-user '$(id); rm -rf '\'''").stderr_has("--existing-user -- -rf");
}

/// A broker has many connections; all of them alike are one line.
#[test]
fn many_connections_are_read_one_by_one() {
    let world = celery();
    migrate(&world, "1", []).run().success();
    let one = connection("orders", false, "PLAIN").to_string();
    let all = format!("[{}]", vec![one; 50_000].join("\n,"));
    let seen = migrate(&world, "2", ["--json"]).stdin(all).after_shell("ulimit -v 400000").run().code(3).json();
    assert_eq!((seen["items"].as_array().map(Vec::len), &seen["items"][0]["connections"]), (Some(1), &json!(50_000)));
}
