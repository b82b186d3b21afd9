//! Several brokers in one manifest, and anchors of others: the same facts in every file that speaks of them.

use std::fs;

use certgen::x509::Certificate;

use crate::support::World;

const NOON: &str = "2026-11-22T12:00:00Z";
const MANIFEST: &str = r#"version = 1
[authority.root]
[defaults.client]
trust = ["partner_ca.pem"] # those of our partner
[server."orders.example.com"]
[node."events.example.com"]
[broker.orders]
certificate = "orders.example.com"
[broker.events]
certificate = "events.example.com"
vhosts = ["ev"]
[client.shop]
broker = "orders"
access = "publish:orders"
[client.meter]
broker = "events"
access = "all"
vhost = "ev"
[client.auditor]
broker = ["orders", "events"]
access = "monitor"
"#;

/// A PKI with two brokers, beside that of a partner whose authority has signed a client, too.
fn two_brokers() -> World {
    let world = World::new();
    world.certgen(["--pki", "partner", "init", "--profile", "basic"]).at(NOON).run().success();
    fs::create_dir(world.pki("")).expect("writable");
    fs::copy(world.path("partner/ca/root/ca_certificate.pem"), world.pki("partner_ca.pem")).expect("a root");
    world.write("pki/certgen.toml", MANIFEST);
    world.certgen(["apply"]).at(NOON).run().success();
    let all = ["server/orders.example.com", "node/events.example.com", "client/shop", "client/meter", "client/auditor"];
    world.certgen(["verify"].into_iter().chain(all)).at(NOON).run().success();
    world
}

/// The users of a broker, the administrator aside.
fn users(world: &World, broker: &str) -> Vec<String> {
    let text = world.read(format!("pki/rabbitmq/{broker}/definitions.json"));
    let definitions: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let names = definitions["users"].as_array().expect("users").iter();
    names.map(|user| user["name"].as_str().expect("a name").to_owned()).filter(|name| name != "administrator").collect()
}

fn anchors(world: &World, bundle: &str) -> usize {
    Certificate::all_from_bytes(world.read(format!("pki/{bundle}")).as_bytes()).expect("a bundle").len()
}

#[track_caller]
fn nothing_to_do(world: &World) {
    world.certgen(["plan"]).at(NOON).run().success().stdout_is("").stderr_has("nothing to do");
    world.certgen(["emit", "rabbitmq"]).at(NOON).run().success().stderr_has("everything is up to date");
}

#[test]
fn each_client_is_a_user_of_the_brokers_that_it_names() {
    let world = two_brokers();
    assert_eq!(users(&world, "orders"), ["shop", "auditor"]);
    assert_eq!(users(&world, "events"), ["meter", "auditor"]);
    nothing_to_do(&world);
    // What a client needs speaks of its own broker.
    let emitted =
        |args: &[&str]| world.certgen(["emit", "pika", "--out", "-"].iter().chain(args).copied()).at(NOON).run();
    assert!(emitted(&["--for", "shop"]).success().stdout.contains("\"orders.example.com\""));
    assert!(emitted(&["--for", "meter"]).success().stdout.contains("\"events.example.com\""));
    let _ = emitted(&["--for", "auditor"]).code(1).stderr_has("it is a user of more than one broker");
    assert!(emitted(&["--for", "auditor", "--broker", "events"]).success().stdout.contains("\"events.example.com\""));
    let refused = emitted(&["--for", "shop", "--broker", "events"]).code(1);
    refused.stderr_has("client \"shop\" has no user in broker \"events\"").stderr_has("its broker is \"orders\"");

    // One that goes to another broker leaves its former one, in one apply.
    world.write("pki/certgen.toml", MANIFEST.replace("broker = \"orders\"", "broker = \"events\""));
    let plan = world.certgen(["plan"]).at(NOON).run().code(3);
    let plan = plan.stdout_has("write   pki/rabbitmq/events/definitions.d/shop.json").stdout;
    assert!(
        plan.contains("remove  pki/rabbitmq/orders/definitions.d/shop.json") && !plan.contains("client/"),
        "{plan}"
    );
    world.certgen(["apply"]).at(NOON).run().success();
    assert_eq!((users(&world, "orders"), users(&world, "events").len()), (vec!["auditor".to_owned()], 3));
    nothing_to_do(&world);
    // And one that does not say which is refused with its place.
    world.write("pki/certgen.toml", format!("{MANIFEST}[client.lost]\n"));
    let refused = world.certgen(["plan"]).at(NOON).run().code(1);
    refused.stderr_has("certgen.toml:22:").stderr_has("it does not say which broker it talks to");
}

#[test]
fn anchors_of_others_are_in_the_bundle_of_the_role_and_nowhere_else() {
    let world = two_brokers();
    let bundles = |world: &World| {
        [
            "server/orders.example.com/ca",
            "node/events.example.com/ca",
            "node/events.example.com/inter_node_ca",
            "client/shop/ca",
        ]
        .map(|bundle| anchors(world, &format!("{bundle}_certificate.pem")))
    };
    assert_eq!(bundles(&world), [2, 2, 1, 1]);
    let theirs = "partner/client/client/client_certificate.pem";
    let bundle = "pki/server/orders.example.com/ca_certificate.pem";
    world.certgen(["verify", theirs, "--bundle", bundle]).at(NOON).run().success();
    world.certgen(["verify", theirs, "--bundle", "pki/client/shop/ca_certificate.pem"]).at(NOON).run().code(3);

    // The partner has a second root: its file says so, and every listener learns of it.
    world.certgen(["--pki", "second", "init", "--profile", "basic"]).at(NOON).run().success();
    let both = world.read("pki/partner_ca.pem") + &world.read("second/ca/root/ca_certificate.pem");
    world.write("pki/partner_ca.pem", both);
    let plan = world.certgen(["plan"]).at(NOON).run().code(3).stdout;
    assert_eq!(plan.matches("/ca_certificate.pem").count(), 2, "{plan}");
    world.certgen(["apply"]).at(NOON).run().success();
    assert_eq!(bundles(&world), [3, 3, 1, 1]);
    nothing_to_do(&world);
    // Whoever comes later gets it, too; and without the partner it goes.
    world.certgen(["issue", "server", "late.example.com"]).at(NOON).run().success();
    assert_eq!(anchors(&world, "server/late.example.com/ca_certificate.pem"), 3);
    world.write("pki/certgen.toml", MANIFEST.replace("trust = [\"partner_ca.pem\"]", ""));
    world.certgen(["apply"]).at(NOON).run().success();
    assert_eq!(bundles(&world), [1, 1, 1, 1]);

    // What cannot be an anchor stops everything.
    world.write("pki/certgen.toml", MANIFEST);
    world.write("pki/partner_ca.pem", world.read(theirs));
    world.certgen(["plan"]).at(NOON).run().code(1).stderr_has("is no authority");
    fs::remove_file(world.pki("partner_ca.pem")).expect("ours");
    let refused = world.certgen(["plan"]).at(NOON).run().code(1);
    refused.stderr_has("[defaults.client] in certgen.toml trusts a file: reading").stderr_has("take it out of trust");
}

/// Each broker that runs has to be told of its own users, in words that name it.
#[test]
fn apply_says_what_brings_users_into_running_brokers_and_out_of_them() {
    let world = two_brokers();
    let text = world.read("pki/certgen.toml");
    world.write("pki/certgen.toml", text.replace("[client.auditor]", "[client.checker]"));
    let mut done = world.certgen(["apply", "--prune", "--yes"]).at(NOON).run().success();
    for broker in ["events", "orders"] {
        done = done.stderr_has(&format!("to bring the user into the running broker {broker}, on its host:"));
        done = done.stderr_has(&format!("rabbitmq/{broker}/definitions.d/checker.json"));
    }
    done = done.stderr_has("rabbitmqctl delete_user auditor");
    assert_eq!(done.stderr.matches("delete_user").count(), 1, "{}", done.stderr);
}
