//! `certgen doctor` on settings as people publish them, and before an upgrade.

use crate::support::{World, world::Output};

fn doctor(world: &World, args: &[&str]) -> Output {
    world.certgen(["doctor", "--json"].iter().chain(args)).run()
}

/// What is told of each line of the file: `line code`.
#[track_caller]
fn told(output: &Output) -> Vec<String> {
    let json = output.json();
    let items = json["items"].as_array().expect("items");
    let shown = |item: &serde_json::Value| format!("{} {}", item["line"], item["code"].as_str().unwrap_or_default());
    items.iter().map(shown).collect()
}

/// One page, as it was published: seven names that do not exist.
const INVENTED: &str = "\
listeners.ssl.default = 5671
ssl_listeners.tcp.high_water_mark = 10000
ssl_listeners.tcp.backlog = 1000
ssl_certfile = /etc/rabbitmq/certs/server.crt
ssl_keyfile = /etc/rabbitmq/certs/server.key
ssl_ca_file = /etc/rabbitmq/certs/ca.crt
ssl_verify = verify_peer # Crucial for client auth
ssl_fail_if_no_peer_cert = true
";

#[test]
fn names_that_were_published_and_do_not_exist_are_told_with_the_real_ones() {
    let world = World::new();
    world.write("etc/rabbitmq.conf", INVENTED);
    let said = doctor(&world, &["etc"]).code(3);
    let unknown: Vec<String> = told(&said).into_iter().filter(|told| told.ends_with("setting-unknown")).collect();
    assert_eq!(unknown, (2..=8).map(|line| format!("{line} setting-unknown")).collect::<Vec<_>>());
    let said = world.certgen(["doctor", "etc"]).run().code(3);
    said.stdout_has("You've tried to set ssl_certfile")
        .stdout_has("ssl_options.certfile = /etc/rabbitmq/certs/server.crt")
        .stdout_has("ssl_options.cacertfile = /etc/rabbitmq/certs/ca.crt");
}

#[test]
fn a_page_that_leaves_the_plain_port_open_is_told_so() {
    let world = World::new();
    let conf = "listeners.ssl.default = 5671\nssl_options.cacertfile = /path/ca_certificate.pem\n\
                ssl_options.certfile = /path/server_certificate.pem\nssl_options.keyfile = /path/server_key.pem\n\
                ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n";
    world.write("etc/rabbitmq.conf", conf);
    assert_eq!(told(&doctor(&world, &["etc"]).code(3)), ["1 plain-port-open"]);
    world.write("etc/rabbitmq.conf", format!("listeners.tcp = none\n{conf}"));
    doctor(&world, &["etc"]).success();
}

#[test]
fn mistakes_of_threads_are_told() {
    let world = World::new();
    for (name, conf, code) in [
        ("plain on the port of TLS", "mqtt.listeners.tcp.1 = 8883\n", "plain-on-tls-port"),
        (
            "an invented setting",
            "mqtt.ssl_cert_login_from = common_name\nmqtt.allow_anonymous = false\n",
            "setting-unknown",
        ),
        ("no list for the management UI", "management.ssl.crl_check = peer\nheartbeat = 60\n", "setting-unknown"),
        ("a list for nobody", "ssl_options.crl_check = peer\n", "revocation-without-lists"),
        ("a word for a truth", "ssl_options.fail_if_no_peer_cert = yes\n", "setting-value"),
        ("a password with a #", "ssl_options.password = geheim#1\n", "password-cut"),
        ("a version in capitals", "ssl_options.versions.1 = TLSv1.2\n", "tls-version-unknown"),
        ("an old spelling", "management.listener.ssl_opts.verify = verify_none\n", "setting-old-name"),
    ] {
        world.write("etc/rabbitmq.conf", conf);
        let said = doctor(&world, &["etc"]);
        assert!(told(&said).iter().any(|told| told == &format!("1 {code}")), "{name}: {:?}", told(&said));
        assert!(!said.stdout.contains("geheim"), "{name}: a secret is shown");
    }
}

#[test]
fn what_certgen_writes_is_fit_for_every_release_that_it_names() {
    for profile in ["celery", "cluster", "kubernetes", "mqtt", "rabbitmq"] {
        let world = World::initialised(["--profile", profile]);
        for release in ["rabbitmq-3.10", "rabbitmq-3.13", "rabbitmq-4.0", "rabbitmq-4.3", "otp-25", "otp-27", "otp-29"]
        {
            let said = world.certgen(["doctor", "--target", release]).run();
            assert_eq!(said.stdout, "", "{profile} for {release}");
            said.success();
        }
    }
}

#[test]
fn an_upgrade_is_judged_before_it_is_made() {
    let world = World::new();
    world.write("etc/rabbitmq.conf", "listeners.tcp = none\namqp1_0.default_user = guest\nauth_ldap.use_ssl = true\n");
    let definitions = r#"{"users": [], "vhosts": [{"name": "/"}], "permissions": [],
"policies": [{"vhost": "/", "name": "ha", "pattern": ".*", "apply-to": "queues", "definition": {"ha-mode": "all"}}],
"parameters": [{"vhost": "/", "component": "shovel", "name": "s", "value": {"src-uri": "amqps://a", "dest-uri": "amqp://"}}]}"#;
    world.write("etc/definitions.json", definitions);
    let of = |target: &str| -> Vec<String> {
        let all = told(&doctor(&world, &["--target", target, "etc"]));
        let ours = ["setting-of-another-release", "mirrored-queues", "link-without-authority"];
        all.into_iter().filter(|told| ours.iter().any(|code| told.ends_with(code))).collect()
    };
    assert_eq!(of("rabbitmq-3.10"), [""; 0]);
    assert_eq!(
        of("rabbitmq-4.0"),
        ["2 mirrored-queues", "3 link-without-authority", "2 setting-of-another-release", "3 link-without-authority"]
    );
    assert_eq!(of("otp-27"), ["3 link-without-authority", "3 link-without-authority"]);
    world.certgen(["doctor", "--target", "4.3", "etc"]).run().code(2).stderr_has("rabbitmq-4.3 or otp-27");
}
