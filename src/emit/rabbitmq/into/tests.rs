use super::super::facts::{Revocation, UserFacts};
use super::*;

fn facts() -> BrokerFacts {
    let mut facts = BrokerFacts::single("/etc/rabbitmq/certs", "/etc/rabbitmq");
    facts.users = vec![UserFacts { name: "worker".into(), vhosts: vec!["/".into()], ..UserFacts::default() }];
    facts
}

fn files(list: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    list.iter().map(|(path, text)| ((*path).into(), text.as_bytes().to_vec())).collect()
}

fn plan(facts: &BrokerFacts, existing: &BTreeMap<String, Vec<u8>>) -> IntoPlan {
    plan_into(facts, existing, &BTreeSet::from(["worker".into()])).unwrap()
}

fn applied(plan: &IntoPlan, existing: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let mut after = existing.clone();
    after.extend(plan.changes.iter().map(|change| (change.path.clone(), change.new.clone())));
    after
}

fn shown(plan: &IntoPlan) -> Vec<String> {
    plan.contradictions.iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_directory_gets_everything_and_the_second_run_finds_nothing_to_do() {
    let first = plan(&facts(), &BTreeMap::new());
    let paths: Vec<_> = first.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(
        paths,
        ["conf.d/90-certgen.conf", "inter_node_tls.config", "rabbitmq-env.conf", "enabled_plugins", "definitions.json"]
    );
    let second = plan(&facts(), &applied(&first, &BTreeMap::new()));
    assert_eq!(second, IntoPlan::default());
}

#[test]
fn their_files_are_extended_and_the_second_run_finds_nothing_to_do() {
    let mut facts = facts();
    facts.inter_node = InterNodeTls::File;
    let existing = files(&[
        ("rabbitmq.conf", "vm_memory_high_watermark.relative = 0.6\nlog.file.level = info\n"),
        ("rabbitmq-env.conf", "# mine\nRABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"+S 4\"\nNODENAME=rabbit"),
        ("enabled_plugins", "[rabbitmq_shovel]."),
        ("definitions.json", r#"{"users":[],"policies":[]}"#),
    ]);
    let first = plan(&facts, &existing);
    assert!(first.contradictions.is_empty(), "{:?}", shown(&first));
    let after = applied(&first, &existing);
    let environment = String::from_utf8(after["rabbitmq-env.conf"].clone()).unwrap();
    let expected = "# mine
RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"+S 4\"
NODENAME=rabbit
# >>> certgen >>> inter-node TLS; written by `certgen emit rabbitmq --into`, which replaces what is between these two lines
RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"$RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS \\
";
    let flat = environment.replace(
        "$RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS -proto_dist",
        "$RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS \\\n -proto_dist",
    );
    assert!(flat.starts_with(expected), "{environment}");
    assert!(environment.contains("\nRABBITMQ_CTL_ERL_ARGS=\"-proto_dist inet_tls"));
    assert!(environment.ends_with("# <<< certgen <<<\n"));
    assert_eq!(plan(&facts, &after).changes, []);
    facts.inter_node = InterNodeTls::Off;
    let off = plan(&facts, &after);
    let environment = off.changes.iter().find(|change| change.path == "rabbitmq-env.conf").unwrap();
    assert_eq!(environment.new, b"# mine\nRABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"+S 4\"\nNODENAME=rabbit\n");
}

#[test]
fn what_stands_against_us_is_named_with_file_and_line() {
    let mut facts = facts();
    facts.inter_node = InterNodeTls::File;
    facts.longnames = true;
    facts.nodes = vec!["a.example".into()];
    let existing = files(&[
        (
            "rabbitmq.conf",
            "# listeners.tcp = 1\nlisteners.tcp.default = 5672\nlisteners.ssl.1 = 0.0.0.0:5671\nssl_options.verify = verify_none\n\
             ssl_options.depth = 2\nauth_mechanisms.1 = PLAIN\nauth_mechanisms.3 = EXTERNAL\nmanagement.listener.port = 15672\n\
             ssl_cert_login_from = distinguished_name\nload_definitions = /srv/defs.json\nlisteners.tcp = none\n",
        ),
        ("conf.d/10-x.conf", "cluster_formation.peer_discovery_backend = k8s\n"),
        (
            "advanced.config",
            "%% ssl_options\n[{rabbit, [\n  {ssl_options, [{certfile, \"x\"}]},\n  {tcp_listeners, [5672]}]}].\n",
        ),
        ("inter_node_tls.config", "[].\n"),
        (
            "rabbitmq-env.conf",
            "#USE_LONGNAME=x\nUSE_LONGNAME=false\nNODENAME=rabbit@short\nSERVER_ADDITIONAL_ERL_ARGS='-proto_dist inet_tls'\n",
        ),
    ]);
    let plan = plan(&facts, &existing);
    let starts: Vec<String> =
        shown(&plan).iter().map(|line| line.split(" stands").next().unwrap().to_owned()).collect();
    assert_eq!(
        starts,
        [
            "conf.d/10-x.conf:1: cluster_formation.peer_discovery_backend = k8s",
            "rabbitmq.conf:2: listeners.tcp.default = 5672",
            "rabbitmq.conf:3: listeners.ssl.1 = 0.0.0.0:5671",
            "rabbitmq.conf:4: ssl_options.verify = verify_none",
            "rabbitmq.conf:6: auth_mechanisms.1 = PLAIN",
            "rabbitmq.conf:8: management.listener.port = 15672",
            "rabbitmq.conf:9: ssl_cert_login_from = distinguished_name",
            "rabbitmq.conf:10: load_definitions = /srv/defs.json",
            "advanced.config:3: ssl_options",
            "advanced.config:4: tcp_listeners",
            "inter_node_tls.config:1: the whole file",
            "rabbitmq-env.conf:2: USE_LONGNAME = false",
            "rabbitmq-env.conf:3: NODENAME = rabbit@short",
            "rabbitmq-env.conf:4: inter-node TLS = SERVER_ADDITIONAL_ERL_ARGS='-proto_dist inet_tls'",
        ]
    );
    assert!(!plan.changes.iter().any(|change| {
        ["inter_node_tls.config", "advanced.config", "rabbitmq.conf"].contains(&change.path.as_str())
    }));
}

/// The management UI lost its plain listener, and nobody heard of MQTT's.
#[test]
fn while_clients_move_what_is_open_stays_open() {
    let mut facts = facts();
    facts.plain = true;
    facts.client_certificates = crate::manifest::ClientCertificates::Optional;
    let theirs = "listeners.tcp.1 = 0.0.0.0:5673\nmanagement.listener.port = 15672\nauth_mechanisms.1 = AMQPLAIN\n\
                  auth_mechanisms.2 = PLAIN\n";
    let existing = files(&[
        ("rabbitmq.conf", theirs),
        ("advanced.config", "[{rabbit, [{tcp_listeners, [5673]}]}].\n"),
        ("enabled_plugins", "[rabbitmq_mqtt,rabbitmq_shovel]."),
    ]);
    let open = plan(&facts, &existing);
    assert_eq!(shown(&open), Vec::<String>::new());
    let text = |plan: &IntoPlan| {
        let own = plan.changes.iter().find(|change| change.path == OWN_CONF).unwrap();
        String::from_utf8(own.new.clone()).unwrap()
    };
    let conf = text(&open);
    assert!(!conf.contains("\nlisteners.tcp") && !conf.contains("management.tcp"), "{conf}");
    assert!(conf.contains("fail_if_no_peer_cert = false") && conf.contains(" = EXTERNAL"), "{conf}");
    assert!(open.notes.iter().any(|note| note.contains("rabbitmq_mqtt, and plugins")), "{:?}", open.notes);
    let nothing_said = text(&plan(&facts, &BTreeMap::new()));
    assert!(nothing_said.contains("\nlisteners.tcp.default = 5672\n"), "{nothing_said}");
    assert!(nothing_said.contains("\nmanagement.tcp.port = 15672\n"), "{nothing_said}");
    // Closed, each of these lines is one to take out.
    facts.plain = false;
    facts.client_certificates = crate::manifest::ClientCertificates::Required;
    assert_eq!(plan(&facts, &existing).contradictions.len(), 5);
    facts.load_definitions = false;
    let existing = files(&[("definitions.json", r#"{"users":[{"name":"worker","password_hash":"H","tags":[]}]}"#)]);
    let unknown = plan(&facts, &existing);
    assert!(unknown.conflicts.is_empty() && !text(&unknown).contains("load_definitions"));
    assert!(!unknown.changes.iter().any(|change| change.path == "definitions.json"));
}

/// A whole rabbitmq.conf of an earlier day was passed over, and what it still allowed was allowed.
#[test]
fn a_whole_file_of_ours_that_is_out_of_date_stands_against_us() {
    let mut then = facts();
    then.plain = true;
    then.client_certificates = crate::manifest::ClientCertificates::Optional;
    let then = listeners::conf(&then, "x").unwrap().text();
    let whole = |text: &str| files(&[("rabbitmq.conf", text), ("definitions.json", "{}")]);
    let found = shown(&plan(&facts(), &whole(&then)));
    assert!(found.iter().any(|line| line.contains("auth_mechanisms.2 = PLAIN")), "{found:?}");
    let now = listeners::conf(&facts(), "x").unwrap().text();
    assert_eq!(shown(&plan(&facts(), &whole(&now))), Vec::<String>::new());
}

#[test]
fn a_definitions_file_of_theirs_is_the_one_that_is_merged() {
    let existing = files(&[
        ("rabbitmq.conf", "load_definitions = /etc/rabbitmq/defs/all.json\n"),
        ("defs/all.json", r#"{"users":[{"name":"worker","password_hash":"H","tags":[]}]}"#),
    ]);
    let plan = plan_into(&facts(), &existing, &BTreeSet::new()).unwrap();
    assert!(plan.changes.iter().any(|change| change.path == "defs/all.json"));
    assert!(!plan.changes.iter().any(|change| change.path == "definitions.json"));
    let conf = plan.changes.iter().find(|change| change.path == OWN_CONF).unwrap();
    assert!(!String::from_utf8_lossy(&conf.new).contains("\nload_definitions"));
    assert_eq!(plan.conflicts[0].user, "worker");
}

#[test]
fn revocation_needs_an_advanced_config_of_ours() {
    let mut facts = facts();
    facts.revocation = Some(Revocation { crls_dir: "/etc/rabbitmq/crls".into(), lists: Vec::new() });
    let first = plan(&facts, &BTreeMap::new());
    assert!(first.changes.iter().any(|change| change.path == "advanced.config"));
    let after = applied(&first, &BTreeMap::new());
    assert_eq!(plan(&facts, &after), IntoPlan::default());
    let theirs = files(&[("advanced.config", "[{rabbitmq_shovel, []}].\n")]);
    assert!(shown(&plan(&facts, &theirs))[0].contains("merged by hand"));
}

#[test]
fn an_open_block_is_not_guessed_at() {
    let mut facts = facts();
    facts.inter_node = InterNodeTls::File;
    let existing = files(&[("rabbitmq-env.conf", "# >>> certgen >>>\nX=1\n")]);
    assert!(plan_into(&facts, &existing, &BTreeSet::new()).is_err());
}
