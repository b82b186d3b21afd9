//! Compose files: which files reach the broker, under which path, and as which host it is known.

mod names;
mod reading;
mod service;
mod settings;
mod volumes;

use super::{at, is_configuration, manifests, named_files};
use crate::doctor::{Case, Finding};
use service::Service;

/// Says what is wrong with the services that are RabbitMQ.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for (exhibit, file) in manifests(case) {
        for project in file.projects() {
            let services = Service::all(case, exhibit, project);
            for broker in services.iter().filter(|service| service.is_broker()) {
                volumes::check(case, broker, findings);
                reading::check(case, broker, findings);
                settings::check(case, broker, findings);
                names::check(case, broker, &services, findings);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::syntax::conf;
    use crate::doctor::{Access, Document};
    use crate::x509::sample::HIERARCHY;

    const CONF: &str = "listeners.ssl.default = 5671\nssl_options.certfile = /etc/rabbitmq/certs/server.pem\n\
                        ssl_options.keyfile = /etc/rabbitmq/certs/key.pem\nload_definitions = /etc/rabbitmq/d.json\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIPYdZyGIBSzdDDRY5oPr3UGJ7Zu4sZNhBmMAlFB2JNGC\n-----END PRIVATE KEY-----\n";

    fn case(service: &str, beside: &[(&str, &str)]) -> Case {
        let text = format!("services:\n  rabbitmq:\n{service}");
        let files: Vec<_> = [("p/compose.yml", text.as_str())].into_iter().chain(beside.iter().copied()).collect();
        let mut case = Case::of(&files);
        for exhibit in case.exhibits.iter_mut().filter(|exhibit| exhibit.path.ends_with("rabbitmq.conf")) {
            exhibit.document = Document::Conf(conf::File::default());
        }
        case
    }

    /// `line code` of each finding about a service of this text, beside these files.
    fn found(service: &str, beside: &[(&str, &str)]) -> Vec<String> {
        told(&case(service, beside))
    }

    fn told(case: &Case) -> Vec<String> {
        let mut findings = Vec::new();
        check(case, &mut findings);
        findings.sort_by_key(|finding| finding.line);
        findings.iter().map(|f| format!("{} {}", f.line.unwrap_or_default(), f.code)).collect()
    }

    #[test]
    fn a_file_that_is_mounted_alone_is_told() {
        let head = "    image: rabbitmq:4-management\n    hostname: mq\n    volumes:\n";
        let server = HIERARCHY.server.pem();
        let beside: &[(&str, &str)] = &[("p/certs/server.pem", &server), ("p/rabbitmq.conf", "listeners.tcp = none\n")];
        let of = |volumes: &str| found(&format!("{head}{volumes}"), beside);
        assert_eq!(of("      - ./certs/server.pem:/etc/rabbitmq/certs/server.pem:ro\n"), ["6 single-file-mount"]);
        let long = "      - type: bind\n        source: ./certs/server.pem\n        target: /x\n";
        assert_eq!(of(long), ["6 single-file-mount"]);
        assert_eq!(of("      - /elsewhere/server.pem:/etc/rabbitmq/server.pem\n"), ["6 single-file-mount"]);
        assert_eq!(of("      - ./certs:/etc/rabbitmq/certs:ro\n"), Vec::<String>::new());
        assert_eq!(of("      - ./rabbitmq.conf:/etc/rabbitmq/rabbitmq.conf\n"), Vec::<String>::new());
        let secret =
            "      - data:/var/lib/rabbitmq\n    secrets: [cert]\nsecrets:\n  cert:\n    file: ./certs/server.pem\n";
        assert_eq!(of(secret), ["7 single-file-mount"]);
    }

    #[test]
    fn what_does_not_arrive_is_told() {
        let head = "    image: rabbitmq:4-management\n    hostname: mq\n    volumes:\n";
        let server = HIERARCHY.server.pem();
        let beside: &[(&str, &str)] = &[
            ("p/certs/server.pem", &server),
            ("p/certs/key.pem", KEY),
            ("p/clients/client.pem", &server),
            ("p/rabbitmq.conf", CONF),
        ];
        let of = |volumes: &str| {
            let case = case(&format!("{head}{volumes}"), beside);
            let mut findings = Vec::new();
            check(&case, &mut findings);
            let place = |f: &Finding| format!("{}:{} {}", f.file.as_ref().unwrap().display(), f.line.unwrap(), f.code);
            findings.iter().map(place).collect::<Vec<_>>()
        };
        assert_eq!(of("      - ./certs:/etc/rabbitmq/certs\n"), Vec::<String>::new());
        assert_eq!(
            of("      - ./certs:/etc/rabbitmq/certs\n      - ./clients:/etc/rabbitmq/certs\n"),
            ["p/compose.yml:6 mount-hides", "p/rabbitmq.conf:2 file-not-mounted", "p/rabbitmq.conf:3 file-not-mounted"]
        );
        assert_eq!(
            of("      - ./clients:/etc/rabbitmq/certs\n"),
            ["p/rabbitmq.conf:2 file-not-mounted", "p/rabbitmq.conf:3 file-not-mounted"]
        );
        assert_eq!(of("      - ./certs:/etc/rabbitmq\n")[0], "p/compose.yml:6 mount-hides");
        assert_eq!(of("      - certs:/etc/rabbitmq/certs\n"), Vec::<String>::new());
        assert_eq!(of("      - ${CERTS:-./clients}:/etc/rabbitmq/certs\n"), Vec::<String>::new());
    }

    #[test]
    fn a_source_that_is_missing_is_told_where_its_directory_was_looked_into() {
        let service = "    image: rabbitmq:4\n    hostname: mq\n    volumes:\n      - ./conf/rabbitmq.conf:/etc/rabbitmq/rabbitmq.conf\n      - ./data:/var/lib/rabbitmq\n";
        let mut case = case(service, &[]);
        assert_eq!(told(&case), Vec::<String>::new());
        case.directories.insert("p".into(), Access { mode: 0o755, uid: 0, gid: 0 });
        assert_eq!(told(&case), ["6 mount-source-missing"]);
    }

    #[test]
    fn keys_that_the_broker_cannot_read_are_told() {
        let of = |user: &str, mode, uid, directory| {
            let service = format!(
                "    image: rabbitmq:4\n    hostname: mq\n{user}    volumes: [\"./certs:/etc/rabbitmq/certs\"]\n"
            );
            let mut case = case(&service, &[("p/certs/key.pem", KEY)]);
            case.exhibits[0].access = Some(Access { mode: 0o600, uid: 0, gid: 0 });
            case.exhibits[1].access = Some(Access { mode, uid, gid: uid });
            case.directories.insert("p/certs".into(), Access { mode: directory, uid: 0, gid: 0 });
            told(&case)
        };
        let nothing = Vec::<String>::new();
        assert_eq!(of("", 0o600, 0, 0o755), ["5 file-unreadable"]);
        assert_eq!(of("", 0o400, 999, 0o755), nothing);
        assert_eq!(of("", 0o440, 999, 0o700), ["5 file-unreadable"]);
        assert_eq!(of("", 0o644, 0, 0o755), nothing);
        assert_eq!(of("    user: \"1000:1000\"\n", 0o600, 1000, 0o755), nothing);
        assert_eq!(of("    user: \"${UID}\"\n", 0o600, 1000, 0o755), nothing);
        assert_eq!(of("    user: root\n", 0o600, 0, 0o755), nothing);
    }

    #[test]
    fn keys_of_others_are_told() {
        use crate::x509::{CertificateTemplate, KeyType, PrivateKey, Signer};
        let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
        let make = |template: CertificateTemplate| {
            template.to_be_signed(&Signer::self_signed(&key)).unwrap().sign(&key).unwrap().pem()
        };
        let pem = key.to_pem();
        let volumes = "    image: rabbitmq:4\n    hostname: mq\n    volumes: [\"./certs:/etc/rabbitmq/certs\"]\n";
        let authority = make(crate::x509::sample::authority("ca", &key, None));
        assert_eq!(found(volumes, &[("p/certs/x.pem", &pem), ("ca.pem", &authority)]), ["5 authority-key-mounted"]);
        let client =
            make(crate::x509::sample::end_entity("worker", &[], &[crate::x509::ExtendedKeyUsage::ClientAuth], &key));
        assert_eq!(found(volumes, &[("p/certs/x.pem", &pem), ("c.pem", &client)]), ["5 client-key-mounted"]);
        let old = make(crate::x509::sample::end_entity("worker", &[], &[], &key));
        let users = "{\"users\": [{\"name\": \"worker\"}]}";
        assert_eq!(found(volumes, &[("p/certs/x.pem", &pem), ("c.pem", &old)]), Vec::<String>::new());
        assert_eq!(
            found(volumes, &[("p/certs/x.pem", &pem), ("c.pem", &old), ("d.json", users)]),
            ["5 client-key-mounted"]
        );
    }

    #[test]
    fn names_and_variables_are_told() {
        let server = HIERARCHY.server.pem();
        let beside: &[(&str, &str)] = &[("p/certs/server.pem", &server)];
        let nothing = Vec::<String>::new();
        assert_eq!(found("    image: rabbitmq:4\n", &[]), ["2 no-hostname"]);
        assert_eq!(
            found("    image: rabbitmq:4\n    environment: [RABBITMQ_NODENAME=rabbit@localhost]\n", &[]),
            nothing
        );
        assert_eq!(found("    image: kbudde/rabbitmq-exporter\n", &[]), nothing);
        assert_eq!(found("    image: rabbitmq:4\n    entrypoint: [sh]\n", &[]), nothing);
        let variable =
            "    image: rabbitmq:3.12\n    hostname: mq\n    environment:\n      RABBITMQ_SSL_CERTFILE: /x\n";
        assert_eq!(found(variable, &[]), ["6 variable-removed"]);
        let file = "    image: rabbitmq:3.12\n    hostname: mq\n    env_file: [.env]\n";
        assert_eq!(found(file, &[("p/.env", "A=b\nRABBITMQ_SSL_CERTFILE=/x\n")]), ["2 variable-removed"]);
        assert_eq!(found(file, &[("p/.env", "A=b\nRABBITMQ_SSL_CERTFILE=\n")]), nothing);
        let user = "    image: rabbitmq:4\n    hostname: mq\n    environment: {RABBITMQ_DEFAULT_USER: a}\n";
        assert_eq!(found(user, &[("p/rabbitmq.conf", CONF)]), ["5 default-user-ignored"]);
        assert_eq!(found(user, &[("p/rabbitmq.conf", "ssl_options.verify = verify_peer\n")]), nothing);
        let ports = "    image: rabbitmq:4\n    hostname: mq\n    ports: ['5671:5671', '127.0.0.1:5672:5672']\n";
        assert_eq!(found(ports, &[("p/rabbitmq.conf", CONF)]), nothing);
        assert_eq!(found(ports, &[("p/rabbitmq.conf", "a.tcp = none\n")]), ["5 port-without-listener"]);
        let alone = format!("{CONF}listeners.tcp = none\n");
        assert_eq!(found(ports, &[("p/rabbitmq.conf", &alone)]), ["5 port-without-listener"]);
        assert_eq!(found(ports, &[]), nothing);
        let client = |url: &str| {
            format!(
                "    image: rabbitmq:4\n    hostname: rabbit.example.com\n    volumes: [\"./certs:/etc/rabbitmq/certs\"]\n  \
                 worker:\n    image: x\n    environment:\n      - URL={url}\n"
            )
        };
        assert_eq!(found(&client("amqps://u:p@rabbitmq:5671/v"), beside), ["9 server-name"]);
        assert_eq!(found(&client("amqps://rabbit.example.com:5671"), beside), nothing);
        assert_eq!(found(&client("amqps://elsewhere.example.net"), beside), nothing);
        assert_eq!(found(&client("amqp://rabbitmq:5672"), beside), nothing);
        let options = "[{server, [{certfile, \"/c/server.pem\"}]}, {client, [{certfile, \"/c/server.pem\"}]}].";
        let beside: &[(&str, &str)] = &[("p/certs/server.pem", &server), ("p/inter_node_tls.config", options)];
        assert_eq!(found("    image: rabbitmq:4\n    hostname: mq\n", beside), ["4 node-name"]);
        assert_eq!(found("    image: rabbitmq:4\n    hostname: rabbit.example.com\n", beside), nothing);
        assert_eq!(found("    image: rabbitmq:4\n", beside), ["2 no-hostname"]);
    }
}
