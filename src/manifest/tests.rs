//! What a manifest may say, and what is said about one that cannot be followed.

use proptest::prelude::*;

use super::*;
use crate::x509::{Duration, KeyType};

/// A manifest with one root in front of `text`: its first line is line 5.
fn with_root(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(&format!("version = 1\n\n[authority.root]\n\n{text}"), "certgen.toml")
}

fn parsed(text: &str) -> Manifest {
    with_root(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn refused(text: &str) -> String {
    with_root(text).expect_err(text).to_string()
}

fn san(entry: &Entry) -> Vec<String> {
    entry.san.iter().map(ToString::to_string).collect()
}

#[test]
fn the_smallest_manifests() {
    let empty = Manifest::parse("version = 1", "certgen.toml").unwrap();
    assert!(empty.authorities().is_empty() && empty.entries().is_empty() && empty.brokers().is_empty());
    let manifest = parsed("[server.\"www.example.com\"]\n[client.a]\n[broker]\n");
    let server = manifest.entry(Role::Server, "www.example.com").unwrap();
    assert_eq!((server.key_type, server.validity, server.key_mode), (KeyType::EcdsaP256, Duration::days(365), 0o600));
    assert!(server.validity_is_default && server.managed && server.user.is_none());
    assert_eq!(manifest.authority("root").unwrap().validity, Duration::days(3650));
    assert_eq!(manifest.brokers()[0].certificate().unwrap().to_string(), "server/www.example.com");
    assert_eq!(manifest.brokers()[0].administrator.as_deref(), Some("administrator"));
}

#[test]
fn names_that_an_entry_carries() {
    let manifest = parsed(concat!(
        "[defaults.server]\nsan = [\"all.example.com\"]\n[server.\"Rabbit-1.example.com\"]\n",
        "san = [\"10.0.0.1\", \"all.example.com\"]\n[server.\"10.0.0.2\"]\n[server.\"web 1\"]\n[server.\"*.example.com\"]\n",
        "[node.\"rabbit-1.example.com\"]\n[node.localhost]\n[node.\"*.pods.example.com\"]\n[node.\"::1\"]\n",
        "[client.\"worker.example.com\"]\n[client.x]\nsan = [\"worker.example.com\"]\n",
    ));
    let of = |role, name: &str| san(manifest.entry(role, name).unwrap());
    assert_eq!(
        of(Role::Server, "Rabbit-1.example.com"),
        ["DNS:rabbit-1.example.com", "IP:10.0.0.1", "DNS:all.example.com"]
    );
    assert_eq!(of(Role::Server, "10.0.0.2"), ["IP:10.0.0.2", "DNS:all.example.com"]);
    assert_eq!(of(Role::Server, "web 1"), ["DNS:all.example.com"]);
    assert_eq!(of(Role::Server, "*.example.com"), ["DNS:*.example.com", "DNS:all.example.com"]);
    assert_eq!(of(Role::Node, "rabbit-1.example.com"), ["DNS:rabbit-1.example.com", "DNS:rabbit-1"]);
    assert_eq!(of(Role::Node, "localhost"), ["DNS:localhost"]);
    assert_eq!(of(Role::Node, "*.pods.example.com"), ["DNS:*.pods.example.com"]);
    assert_eq!(of(Role::Node, "::1"), ["IP:::1"]);
    assert_eq!(of(Role::Client, "worker.example.com"), [""; 0]);
    assert_eq!(of(Role::Client, "x"), ["DNS:worker.example.com"]);
}

#[test]
fn a_long_host_name_lives_in_the_alternative_names() {
    let long = format!("{}.example.com", "a".repeat(60));
    let manifest = parsed(&format!("[server.\"{long}\"]"));
    assert_eq!(manifest.entries()[0].common_name(), None);
    assert_eq!(san(&manifest.entries()[0]), [format!("DNS:{long}")]);
    assert!(refused(&format!("[client.\"{long}\"]")).contains("at most 64 characters, this one 72"));
    assert!(refused(&format!("[server.\"{}\"]\nsan = [\"a\"]", "a b".repeat(30))).contains("not a host name either"));
}

#[test]
fn those_who_vouch_for_nodes_vouch_for_command_line_tools() {
    let manifest = parsed(concat!(
        "[authority.clients]\n[defaults.node]\nissuer = \"root\"\n[defaults.client]\nissuer = \"clients\"\n",
        "[client.a]\n[client.ops]\ncli = true\n[client.other]\ncli = true\nissuer = \"clients\"\n",
    ));
    let issuer = |name| manifest.entry(Role::Client, name).unwrap().issuer.as_str();
    assert_eq!((issuer("a"), issuer("ops"), issuer("other")), ("clients", "root", "clients"));
}

#[test]
fn layers_of_defaults() {
    let manifest = parsed(concat!(
        "[defaults]\nvalidity = \"30d\"\nkey_type = \"ed25519\"\nsubject = \"O=All\"\nowner = \"all\"\n",
        "[defaults.client]\nvalidity = \"10d\"\nvhost = \"/c\"\naccess = \"mqtt\"\nkey_mode = \"0640\"\n",
        "[defaults.authority]\nvalidity = \"3y\"\n",
        "[client.a]\nkey_type = \"rsa-2048\"\n[client.b]\nvalidity = \"1d\"\nread = \"\"\n[server.s]\n",
    ));
    let entry = |role, name| manifest.entry(role, name).unwrap();
    let a = entry(Role::Client, "a");
    assert_eq!((a.key_type, a.validity, a.key_mode), (KeyType::Rsa2048, Duration::days(10), 0o640));
    assert_eq!((a.subject.to_string(), a.owner.as_deref(), a.validity_is_default), ("O=All".into(), Some("all"), true));
    assert_eq!(a.user.as_ref().unwrap().permissions, Permissions::Access(vec![Access::Mqtt]));
    let b = entry(Role::Client, "b");
    assert!(!b.validity_is_default && matches!(b.user.as_ref().unwrap().permissions, Permissions::Patterns { .. }));
    assert_eq!(entry(Role::Server, "s").validity, Duration::days(30));
    let root = manifest.authority("root").unwrap();
    assert_eq!((root.validity, root.key_type), (Duration::days(3 * 365), KeyType::Ed25519));
}

/// Every message: its line and column are those of the word to change.
#[test]
fn faults_say_where_they_are_and_what_was_meant() {
    for (text, message) in [
        ("[server.web]\nsann = []", r#"certgen.toml:6:1: unknown key "sann" in [server.web]: did you mean "san"?"#),
        ("[sever.web]", r#"certgen.toml:5:2: unknown key "sever" in the manifest: did you mean "server"?"#),
        ("[server.web]\ncolour = 1", r#"certgen.toml:6:1: unknown key "colour" in [server.web]"#),
        (
            "[server.web]\nvalidity = 90",
            r#"certgen.toml:6:12: "validity" in [server.web] must be a string, not an integer"#,
        ),
        (
            "[server.web]\nsan = [\"a\", 1]",
            r#"certgen.toml:6:13: "san" in [server.web] must be a list of strings, not an integer"#,
        ),
        ("[server.web]\nsan = [\"a\", \"b c\"]", r#"certgen.toml:6:13: [server.web]: "b c" is not a host name"#),
        ("[server.web]\nsan = [\n  \"a\",\n  \"a\",\n]", r#"certgen.toml:8:3: [server.web]: "a" stands in san twice"#),
        (
            "[server.web]\nkey_type = \"ec\"",
            r#"certgen.toml:6:12: [server.web]: "ec" is not a value of key_type: it is ecdsa-p256, "#,
        ),
        ("[server.web]\nkey_type = \"ECDSA-P256\"", r#"did you mean "ecdsa-p256"?"#),
        ("[server.web]\nvalidity = \"9 d\"", "certgen.toml:6:12: [server.web]: \"9 d\" is not a duration"),
        (
            "[server.web]\nvalidity = \"11y\"",
            "6:12: [server.web]: a validity of 11y is longer than that of its issuer \"root\", 10y",
        ),
        ("[server.web]\nkey_mode = 0o640", "\"key_mode\" in [server.web] must be a string, not an integer"),
        ("[server.web]\nkey_mode = \"0644\"", "it is 0600 or 0640"),
        (
            "[server.web]\nissuer = \"rot\"",
            r#"certgen.toml:6:10: [server.web]: the issuer "rot" is not an authority of this manifest: did you mean "root"?"#,
        ),
        (
            "[server.web]\nvhost = \"/\"",
            r#"certgen.toml:6:1: unknown key "vhost" in [server.web]: it belongs into [client.NAME]"#,
        ),
        (
            "[server.web]\n[server.WEB]",
            r#"certgen.toml:6:9: [server.WEB]: the names "web" and "WEB" are equal but for case"#,
        ),
        ("[server.web]\n[server.web]", "certgen.toml:6:"),
        (
            "[server.\"web 1\"]",
            r#"certgen.toml:5:9: [server."web 1"]: the server has no name that a client could check: "web 1" is not a host name"#,
        ),
        (
            "[server]\nvalidity = \"1d\"",
            r#"certgen.toml:6:1: "validity" stands in [server], which holds names, not settings"#,
        ),
        ("[server]\nweb = 1", "certgen.toml:6:7: [server.web] must be a table, not an integer"),
        ("[client.c]\naccess = \"all\"\nread = \".*\"", "7:8: [client.c]: access and read contradict each other"),
        ("[client.c]\ncli = true\nvhost = \"/\"", "7:9: [client.c]: cli and vhost contradict each other"),
        (
            "[client.c]\naccess = [\"mqtt\", \"celry\"]",
            r#"6:19: [client.c]: "celry" is not a kind of access: did you mean "celery"?"#,
        ),
        ("[client.c]\nread = \"(\"", "6:8: [client.c]: \"(\" is not a regular expression: a ( is not closed"),
        ("[client.c]\nbroker = \"x\"", "6:10: [client.c]: there is no [broker.x]"),
        ("[client.guest]", "5:9: [client.guest]: its name is that of a user with a password"),
        ("[broker]\n[client.administrator]", "6:9: [client.administrator]: its name is that of a user with a password"),
        ("[client.a]\n[broker]\nlogin_users = [\"a\"]", "5:9: [client.a]: its name is that of a user"),
        ("[broker]\nmigration = 1", r#"certgen.toml:6:13: "migration" in [broker] must be a string, not an integer"#),
        ("[broker]\nmigration = \"closed\"", "6:13: [broker]: "),
        (
            "[broker]\nmigration = \"open\"\nports = { mqtt = 8883, amqp = 5672 }",
            "7:31: [broker]: amqp = 5672 is a port without TLS, which a migration leaves open",
        ),
        ("[broker]\nmigration = \"open\"\nmanagement = { port = 15672 }", "7:23: [broker]: port = 15672 is a port"),
        ("[client.\"\"]", "cannot be the name of a client: it is empty"),
        (
            "[client.\"a\\u001B[31m\"]",
            r#"[client."a\u{1b}[31m"]: "a\u{1b}[31m" cannot be the name of a client: it has a control character"#,
        ),
        ("[client.\"a\\u202Eb\"]", "invisible character"),
        ("[client.\" a\"]", "begins or ends with a space"),
        ("[client.c]\nkubernetes = {}", "unknown key \"kubernetes\""),
        (
            "[node.n]\nkubernetes = { namespace = \"A\", cluster = \"c\" }",
            "certgen.toml:6:28: [node.n]: \"A\" is not a namespace name",
        ),
        (
            "[node.n]\nkubernetes = { nmespace = \"a\" }",
            r#"6:16: unknown key "nmespace" in kubernetes of [node.n]: did you mean "namespace"?"#,
        ),
        ("[defaults]\nissuer = \"x\"", "certgen.toml:6:10: [defaults]: the issuer \"x\" is not an authority"),
        ("[defaults]\nsan = []", "unknown key \"san\" in [defaults]"),
        ("[defaults.client]\nvalidity = \"x\"", "certgen.toml:6:12: [defaults.client]: \"x\" is not a duration"),
        (
            "[authority.other]\n[server.web]",
            "certgen.toml:6:9: [server.web]: it does not say which authority signs it: there are \"root\", \"other\"",
        ),
        ("[authority.a]\nissuer = \"b\"", "certgen.toml:6:10: [authority.a]: the issuer \"b\" is not an authority"),
        ("[authority.a]\nissuer = \"a\"", "6:10: [authority.a]: the issuers form a circle: \"a\" by \"a\""),
        (
            "[authority.a]\nissuer = \"b\"\n[authority.b]\nissuer = \"a\"",
            "the issuers form a circle: \"a\" by \"b\" by \"a\"",
        ),
        ("[authority.Root]", "the names \"root\" and \"Root\" are equal but for case"),
        (
            "[authority.a]\npath_length = 0\n[authority.b]\nissuer = \"a\"",
            "8:10: [authority.b]: \"a\" has path_length = 0: no authority may stand below it",
        ),
        (
            "[authority.a]\npath_length = 1\n[authority.b]\nissuer = \"a\"\npath_length = 1",
            "9:15: [authority.b]: path_length = 1 promises more than \"a\" allows: at most 0 here",
        ),
        ("[authority.a]\npath_length = -1", "path_length must be 0 to 255, not -1"),
        ("[authority.a]\nissuer = \"root\"\nvalidity = \"20y\"", "7:12: [authority.a]: a validity of 20y is longer"),
        ("[authority.a]\npermit = []", "could mean everything or nothing"),
        ("[authority.a]\npermit = [\"x.y\"]\nexclude = [\"x.y\"]", "stands in permit and in exclude"),
        ("[authority.a]\npermit = [\"10.0.0.1/8\"]", "certgen.toml:6:11: [authority.a]"),
        ("[authority.a]\ncrl_urls = [\"ftp://x/y\"]", "6:13: [authority.a]: \"ftp://x/y\" is not an http:// address"),
        ("[authority.a]\npolicies = [\"3.1\"]", "is not a policy"),
        ("[authority.a]\nsubject = \"CN=x\"", "which is always the entry's name"),
        ("[authority.a]\ncommon_name = \"ccccccccccccccccccccccccccccccccccccccccccccccccc\"", "has 49 characters"),
        ("[broker]\nversoin = \"any\"", r#"6:1: unknown key "versoin" in [broker]: did you mean "version"?"#),
        ("[broker]\nversion = \"3.9\"", "6:11: [broker]: \"3.9\" is not a value of version"),
        ("[broker]\nversion = 4.1", "must be a string, not a float"),
        (
            "[broker]\nrevocation = true\n[broker.a]",
            "6:1: \"revocation\" stands in [broker] and [broker.a] is a broker of its own",
        ),
        ("[broker]\ncertificate = \"web\"", "6:15: [broker]: the certificate \"web\" is not a server or node"),
        ("[broker]\nmanagement = { port = 0 }", "6:23: [broker]: port must be a port from 1 to 65535, not 0"),
        ("[broker.a]\nports = { amqp = 1, mqtt = 1 }", "amqp and mqtt both have port 1"),
        ("[broker]\nplugins = [\"mqtt\"]", "did you mean \"rabbitmq_mqtt\"?"),
        ("[broker]\ninter_node_tls = \"flag\"", "it is true, false or \"flags\""),
        ("[broker]\ninter_node_tls = 1", "must be true, false or \"flags\", not an integer"),
        (
            "[server.s]\n[broker]\ninter_node_tls = true",
            "7:18: [broker]: inter_node_tls needs node certificates, and \"server/s\" is not one",
        ),
        (
            "[node.\"*.a.b\"]\n[broker]\ninter_node_tls = \"flags\"",
            "needs exact host names, and \"node/*.a.b\" has wildcards only",
        ),
        (
            "[node.a]\n[broker]\ninter_node_tls = true\nnodes = [\"a\", \"b\"]",
            "8:15: [broker]: no certificate of this broker carries \"b\", the host of node \"rabbit@b\"",
        ),
        ("[broker]\nnodes = [\"a.b\"]", "which short node names do not have"),
        ("[broker]\nnodes = [\"a\", \"rabbit@a\"]", "stands in nodes twice"),
        ("[broker]\ntls_versions = [\"1.1\"]", "TLS 1.1 is broken"),
        ("[broker]\nconfig_dir = \"etc\"", "it is not absolute"),
        ("[broker]\nconfig_dir = \"/a b\"\ninter_node_tls = true", "has a space"),
        (
            "[broker]\nclient_certificates = \"none\"\nrevocation = true",
            "7:14: [broker]: revocation = true checks client certificates",
        ),
        ("[node.a]\n[broker.x]\n[broker.y]", "each must name its certificate"),
        (
            "[node.a]\n[broker.x]\ncertificate=\"a\"\n[broker.y]\ncertificate=\"a\"\n[client.c]",
            "it does not say which broker it talks to",
        ),
        (
            "[[from]]\nrole = \"clients\"\nfile = \"x\"",
            "6:8: [[from]]: \"clients\" is not a value of role: did you mean \"client\"?",
        ),
        ("[[from]]\nrole = \"client\"", "[[from]] does not say its file"),
        (
            "[[from]]\nrole = \"client\"\nfile = \"x\"\nvalidty = \"1d\"",
            "8:1: unknown key \"validty\" in [[from]]: did you mean \"validity\"?",
        ),
        (
            "[[from]]\nrole = \"server\"\nfile = \"x\"\nvhost = \"/\"",
            "8:1: unknown key \"vhost\" in [[from]] of servers",
        ),
        (
            "[[from]]\nrole = \"client\"\nfile = \"x\"\ncli = true",
            "8:1: unknown key \"cli\" in [[from]]: it belongs into [client.NAME]",
        ),
        (
            "[[from]]\nrole = \"client\"\nfile = \"x\"\nvalidity = 30",
            "8:12: \"validity\" in [[from]] must be a string, not an integer",
        ),
        (
            "[[from]]\nrole = \"client\"\nfile = \"x\"\nkey_type = \"ecdsa-p265\"",
            "8:12: [[from]]: \"ecdsa-p265\" is not a value of key_type: did you mean \"ecdsa-p256\"?",
        ),
        (
            "[[from]]\nrole = \"client\"\nfile = \"x\"\nissuer = \"rot\"",
            "8:10: [[from]]: the issuer \"rot\" is not an authority of this manifest: did you mean \"root\"?",
        ),
        (
            "[broker.east]\n[[from]]\nrole = \"client\"\nfile = \"x\"\nbroker = [\"east\", \"eats\"]",
            "9:19: [[from]]: there is no [broker.eats]: did you mean \"east\"?",
        ),
        ("[from]\nrole = \"client\"", "must be tables such as [[from]]"),
        ("x = [", "certgen.toml:5:"),
        ("[server.web]\nsan = \"a\nb\"", "certgen.toml:6:"),
    ] {
        let found = refused(text);
        assert!(found.contains(message), "{text}\n  wanted: {message}\n  found:  {found}");
        assert!(found.starts_with("certgen.toml:"), "{found}");
        assert!(!found.contains('\n') && !found.ends_with('.'), "{found}");
    }
}

#[test]
fn the_version_comes_before_everything_else() {
    let refused = |text: &str| Manifest::parse(text, "certgen.toml").unwrap_err().to_string();
    assert_eq!(
        refused("future = 1\nversion = 2"),
        "certgen.toml:2:11: the manifest has version 2: this certgen reads version 1"
    );
    assert!(refused("").contains("does not say its version"));
    assert!(refused("version = 0").contains("there is no version 0"));
    assert!(refused("version = \"1\"").contains("must be a whole number, not a string"));
    assert!(refused("version = 99999999999999999999").contains("certgen.toml:1:"));
}

#[test]
fn bytes_that_are_no_manifest() {
    let refused = |bytes: &[u8]| Manifest::parse_bytes(bytes, "certgen.toml").unwrap_err().to_string();
    assert_eq!(refused(b"version = 1\n# \xff"), "certgen.toml:2:3: the byte 0xff is not UTF-8 text");
    let long = refused(&vec![b'#'; (1 << 20) + 1]);
    assert!(long.contains("1048577 bytes are too long"), "{long}");
    for bytes in [b"\0".as_slice(), b"version = 1\0", &[b'['; 100_000], b"a = {".repeat(10_000).as_slice()] {
        assert!(refused(bytes).starts_with("certgen.toml:1:"));
    }
    assert!(Manifest::parse_bytes(b"\xef\xbb\xbfversion = 1\r\n", "certgen.toml").is_ok());
}

#[test]
fn a_manifest_of_one_mebibyte_is_answered_at_once() {
    let mut texts: Vec<String> =
        ["[client.c{}]\n", "[node.n{}]\n", "[authority.a{}]\nissuer = \"a\"\n", "[[from]]\nrole = \"x{}\"\n"]
            .map(|line| (0..90_000).map(|n| line.replace("{}", &n.to_string())).collect())
            .into();
    texts.push(format!("[server.s]\nsan = [{}]", (0..90_000).map(|n| format!("\"a{n}\",")).collect::<String>()));
    texts.push("[broker]\nnodes = [\"a\"]\n".to_owned() + &"[node.x]\n".repeat(90_000));
    texts.push("x = ".to_owned() + &"[".repeat(1_000_000));
    texts.push("= = \" ' \n".repeat(100_000));
    for text in texts {
        let began = std::time::Instant::now();
        let text: String = text.chars().take((1 << 20) - 100).collect();
        let _ = with_root(text.rsplit_once('\n').map_or(&*text, |(whole, _)| whole));
        assert!(began.elapsed().as_secs() < 20, "{:?}: {}", began.elapsed(), &text[..40]);
    }
}

#[test]
fn several_brokers_each_have_their_clients() {
    let manifest = parsed(concat!(
        "[node.a]\n[node.b]\n[broker.orders]\ncertificate = \"a\"\n[broker.mail]\ncertificate = \"node/b\"\n",
        "[broker.mail.management]\nport = 1\n[client.x]\nbroker = \"mail\"\n[client.y]\nbroker = [\"mail\", \"orders\"]\n",
        "[client.tool]\ncli = true\n",
    ));
    let brokers = |name| {
        let entry = manifest.entry(Role::Client, name).unwrap();
        manifest.brokers_of(entry).map(|broker| broker.name.as_deref().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((brokers("x"), brokers("y")), (vec!["mail"], vec!["orders", "mail"]));
    assert_eq!(manifest.broker(Some("mail")).unwrap().management.port, 1);
    assert!(manifest.entry(Role::Client, "tool").unwrap().user.is_none());
}

#[test]
fn a_broker_with_everything() {
    let manifest = parsed(concat!(
        "[node.\"a.b.c\"]\n[server.ui]\n[broker]\nversion = \"4.1\"\nplatform = \"windows\"\ncerts_dir = 'D:\\certs\\'\n",
        "certificate = [\"node/a.b.c\"]\nmanagement = { certificate = \"ui\" }\ninter_node_tls = \"flags\"\nrevocation = true\n",
        "client_certificates = \"optional\"\nlogin_from = \"san dns\"\nlogin_users = [\"alice\"]\ntls_versions = [\"1.2\", \"tlsv1.3\"]\n",
        "migration = \"used\"\nports = { mqtt = 1884 }\nplugins = [\"rabbitmq_mqtt\"]\nnodes = [\"a.b.c\"]\nlongnames = true\nadministrator = false\n",
        "erl_ssl_path = \"C:/erl/ssl\"\nvhosts = [\"/\", \"x\"]\n",
    ));
    let broker = &manifest.brokers()[0];
    assert_eq!(
        (broker.version, broker.platform, broker.certs_dir.as_str()),
        (BrokerVersion::V4_1, Platform::Windows, "D:/certs")
    );
    assert_eq!(broker.management.certificate.as_ref().unwrap().to_string(), "server/ui");
    assert_eq!((broker.inter_node_tls, broker.login_from), (InterNodeTls::Flags, LoginFrom::SanDns));
    assert_eq!(broker.tls_versions, [TlsVersion::V1_3, TlsVersion::V1_2]);
    assert_eq!((broker.ports.mqtt, broker.ports.amqp, broker.administrator.as_deref()), (1884, 5671, None));
    assert_eq!(broker.nodes, ["rabbit@a.b.c"]);
    assert!(broker.migration == Some(Migration::Used) && broker.has_login_user("alice"));
}

#[test]
fn an_entry_from_flags_is_the_entry_of_a_manifest() {
    let manifest = parsed("[defaults.client]\nvhost = \"/x\"\naccess = \"celery\"\n");
    let entry = manifest.entry_from(Role::Client, "a", &EntrySpec::default()).unwrap();
    assert_eq!(
        &entry,
        parsed("[defaults.client]\nvhost = \"/x\"\naccess = \"celery\"\n[client.a]").entries().first().unwrap()
    );
    let spec = EntrySpec { vhost: Some(vec!["/".into()]), ..Default::default() };
    let error = manifest.entry_from(Role::Server, "web", &spec).unwrap_err();
    assert_eq!(error.to_string(), "server \"web\": vhost is about a client's RabbitMQ user: a server has none");
    assert_eq!(error.position(), None);
    let error = manifest.authority_from("ROOT", &AuthoritySpec::default()).unwrap_err();
    assert!(error.to_string().contains("equal but for case"));
    let spec = AuthoritySpec { issuer: Some("root".into()), ..Default::default() };
    assert_eq!(manifest.authority_from("below", &spec).unwrap().issuer.as_deref(), Some("root"));
}

#[test]
fn an_entry_may_be_made_like_another() {
    let manifest = parsed("[defaults.client]\nvhost = \"/x\"\n[client.a]\naccess = \"all\"\nkey_mode = \"0640\"\n");
    let spec = manifest.spec(Role::Client, "a").unwrap();
    assert_eq!((spec.access.as_deref(), spec.vhost.as_deref()), (Some(["all".to_owned()].as_slice()), None));
    let entry = manifest.entry_from(Role::Client, "b", spec).unwrap();
    assert_eq!((entry.key_mode, entry.user.unwrap().vhosts), (0o640, vec!["/x".to_owned()]));
}

#[test]
fn administrators_are_only_taken_over_on_purpose() {
    let manifest = parsed("[broker]\n[client.administrator]\nexisting_user = true\n[client.guest]\ncli = true\n");
    assert!(manifest.entry(Role::Client, "administrator").unwrap().user.as_ref().unwrap().existing);
}

#[test]
fn hostile_names_are_names() {
    for name in ["../../etc/passwd", "a b", "a]b", "a\"b", "a'b", "CN=x,O=y", "$(id)", "жук", "a=b#c", "-rf", "ca", "."]
    {
        let manifest = parsed(&format!("[client.{}]", crate::profile::quoted_string(name)));
        assert_eq!(manifest.entries()[0].name, name);
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "(\\PC|[a-z\\[\\]=\"'#,.{}\n ]){0,80}") {
        let _ = with_root(&text);
        let _ = Manifest::parse(&text, "certgen.toml");
    }
}

/// A broker that takes the whole name for the user tells `O=client,CN=x` from `CN=x,O=client`.
#[test]
fn a_subject_may_say_where_the_common_name_stands() {
    let manifest = parsed("[client.x]\nsubject = \"O=client,CN=x\"\n[client.y]\nsubject = \"O=client\"\n");
    let subject = |name: &str| manifest.entry(Role::Client, name).unwrap().full_subject().unwrap().to_string();
    assert_eq!((subject("x").as_str(), subject("y").as_str()), ("O=client,CN=x", "CN=y,O=client"));
    for text in ["[client.x]\nsubject = \"O=client,CN=y\"\n", "[client.x]\nsubject = \"CN=x,CN=x\"\n"] {
        assert!(refused(text).contains("which is always the entry's name"), "{text}");
    }
    assert!(refused("[defaults]\nsubject = \"CN=x\"\n[client.x]\n").contains("which is always the entry's name"));
}

#[test]
fn a_management_listener_may_show_a_pair_of_somebody_else_s() {
    let manifest = parsed("[server.a]\n[broker]\nmanagement = { certificate = \"external/www.example.com\" }\n");
    let management = &manifest.brokers()[0].management;
    assert_eq!((management.certificate.as_ref(), management.external.as_deref()), (None, Some("www.example.com")));
}
