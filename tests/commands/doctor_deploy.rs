//! `certgen doctor` on what brings certificates to brokers and clients: Compose files, manifests, programs in Python.
//!
//! The wrong ones are written after published guides, with their mistakes and in our words.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::World;

/// The profiles, with the targets of `emit` that this room looks at. A target that does not suit a profile is left out there.
const PROFILES: &[&str] = &["basic", "rabbitmq", "cluster", "kubernetes", "celery", "mqtt"];
const TARGETS: &[&str] =
    &["compose", "kubernetes", "cert-manager", "celery", "kombu", "pika", "aio-pika", "mqtt", "ingress", "rabbitmqctl"];

#[test]
fn what_certgen_writes_is_not_complained_of() {
    for profile in PROFILES {
        let world = World::initialised(["--profile", profile]);
        let mut written = Vec::new();
        for target in TARGETS {
            let mut args = vec!["emit", target];
            if *target == "kubernetes" {
                args.push("--with-keys");
            }
            if world.certgen(&args).run().sane().code == Some(0) {
                written.push(*target);
            }
        }
        if ["celery", "kubernetes", "mqtt"].contains(profile) {
            assert!(written.len() > 1, "{profile}: {written:?}");
        }
        let output = world.certgen(["doctor", "--json"]).run().sane();
        assert_eq!(output.code, Some(0), "{profile} with {written:?}:\n{}", output.stdout);
    }
}

/// `FILE:LINE CODE` of every finding below `p/`.
fn found(world: &World) -> Vec<String> {
    let told = world.certgen(["doctor", "--json", "p"]).run().sane().json();
    let items = told["items"].as_array().expect("items");
    let place = |item: &serde_json::Value| {
        format!("{}:{} {}", item["file"].as_str().unwrap_or_default(), item["line"], item["code"].as_str().unwrap())
    };
    items.iter().map(place).collect()
}

#[track_caller]
fn has(found: &[String], wanted: &[&str]) {
    let missing: Vec<_> = wanted.iter().filter(|wanted| !found.iter().any(|found| found == *wanted)).collect();
    assert!(missing.is_empty(), "not found: {missing:?}\nfound:\n{}", found.join("\n"));
}

/// An authority, a server and two clients as `openssl x509 -req` makes them without extensions.
fn certificates(world: &World) {
    let script = "set -e; mkdir -p rabbitmq workers
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=Ours -days 30
        for name in rabbitmq/server:localhost workers/worker:task_worker workers/sender:task_sender; do
          file=${name%%:*}
          openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $file-key.pem -out x.csr -subj /CN=${name#*:}
          openssl x509 -req -in x.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out $file-cert.pem
        done
        cp ca.pem rabbitmq; cp ca.pem workers; rm -f x.csr ca.key ca.pem ca.srl";
    let made = Command::new("sh").args(["-c", script]).current_dir(world.path("p")).output().expect("sh runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A guide to Celery over mutual TLS: keys of clients in the broker, its own not, nobody checks a name.
#[test]
fn a_published_project_of_compose_and_celery_is_seen_through() {
    let world = World::new();
    world.write(
        "p/docker-compose.yml",
        "version: '3.8'\nservices:\n  rabbitmq:\n    build: .\n    ports: ['5671:5671']\n    volumes:\n      - ./workers:/etc/rabbitmq/certs\n  \
         worker:\n    build: app\n",
    );
    world.write(
        "p/Dockerfile",
        "FROM rabbitmq:4-management\nCOPY rabbitmq.conf /etc/rabbitmq/rabbitmq.conf\nCOPY /rabbitmq /etc/rabbitmq/certs\n\
         RUN chmod 644 /etc/rabbitmq/certs/*\n",
    );
    world.write(
        "p/rabbitmq.conf",
        "load_definitions = /etc/rabbitmq/definitions.json\nlisteners.tcp = none\nlisteners.ssl.default = 5671\n\
         ssl_options.cacertfile = /etc/rabbitmq/certs/ca.pem\nssl_options.certfile = /etc/rabbitmq/certs/server-cert.pem\n\
         ssl_options.keyfile = /etc/rabbitmq/certs/server-key.pem\nssl_options.verify = verify_peer\n",
    );
    world.write(
        "p/definitions.json",
        r#"{"vhosts": [{"name": "work"}], "users": [{"name": "task_worker", "password_hash": "", "tags": ""},
            {"name": "task_sender", "password_hash": "", "tags": ""}], "permissions": []}"#,
    );
    world.write(
        "p/app/tasks.py",
        "import os\nimport ssl\nfrom celery import Celery\n\nBASE = 'workers'\napp = Celery('worker')\napp.conf.update(\n    \
         broker_url=f\"amqps://rabbitmq:5671/work\",\n    broker_use_ssl={\n        'ca_certs': os.path.join(BASE, 'ca.pem'),\n        \
         'certfile': os.path.join(BASE, 'worker-cert.pem'),\n        'keyfile': os.path.join(BASE, 'sender-key.pem'),\n        \
         'cert_reqs': ssl.CERT_REQUIRED,\n        'ssl_version': ssl.PROTOCOL_TLS_CLIENT,\n    },\n    broker_login_method='external',\n)\n\
         if _name_ == '_main_':\n    app.start()\n",
    );
    certificates(&world);
    has(
        &found(&world),
        &[
            "p/docker-compose.yml:3 no-hostname",
            "p/docker-compose.yml:7 client-key-mounted",
            "p/rabbitmq.conf:5 file-not-mounted",
            "p/rabbitmq.conf:6 file-not-mounted",
            "p/Dockerfile:3 key-in-image",
            "p/Dockerfile:4 key-open-to-all",
            "p/app/tasks.py:9 host-not-checked",
            "p/app/tasks.py:16 login-method-case",
            "p/app/tasks.py:18 misspelt-name",
            "p/workers/sender-key.pem:1 key-of-another-certificate",
        ],
    );
}

/// A course page: a call of pika that never existed, with the name of a host that no certificate carries.
#[test]
fn a_published_client_of_pika_is_seen_through() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.write(
        "p/client.py",
        "import pika\n\nconnection_parameters = pika.ConnectionParameters(\n    host='mq.example.com',\n    port=5671,\n    \
         credentials=pika.PlainCredentials('app', 'secret'),\n    ssl_options=pika.SSLOptions(\n        use_ssl=True,\n        \
         certfile='/path/client.crt',\n        keyfile='/path/client.key',\n        ca_certs='/etc/rabbitmq/certs/ca.crt',\n    ),\n)\n",
    );
    let from = world.pki("node/rabbit.example.com/server_certificate.pem");
    std::fs::create_dir_all(world.path("p/etc")).expect("a world is writable");
    std::fs::copy(from, world.path("p/etc/server.pem")).expect("there is one");
    has(&found(&world), &["p/client.py:7 argument-unknown", "p/client.py:4 server-name"]);
}

/// What is in a manifest is looked at as if it were files: here a pair that is none, and a mode in decimal.
#[test]
fn a_manifest_is_looked_into() {
    let world = World::initialised(["--profile", "kubernetes"]);
    world.certgen(["issue", "client", "app"]).run().success();
    world.certgen(["emit", "kubernetes", "--with-keys"]).run().success();
    let text = world.read("pki/emit/kubernetes/secrets.yaml");
    let keys: Vec<&str> = text.split("tls.key: |").collect();
    assert!(keys.len() > 2, "a Secret for the nodes and one for a client:\n{}", keys.len());
    let key = |part: &str| part.split("-----END").next().map(str::to_owned).expect("a key");
    let (first, second) = (key(keys[1]), key(keys[2]));
    world.write("p/secrets.yaml", text.replace(&first, &second));
    let found = found(&world);
    assert!(
        found.iter().any(|told| told.starts_with("p/secrets.yaml:") && told.ends_with(" key-of-another-certificate")),
        "{found:?}"
    );
    assert!(!Path::new(&world.path("p/secrets.yaml#secret")).exists());
}

/// What a manifest carries is for a pod: a directory here that has the name of one there proves nothing.
#[test]
fn settings_in_a_manifest_are_judged_without_the_directories_of_this_machine() {
    let world = World::new();
    world.write("p/rabbitmq/README", "about the broker\n");
    world.write(
        "p/cluster.yaml",
        "apiVersion: rabbitmq.com/v1beta1\nkind: RabbitmqCluster\nmetadata: {name: mq}\nspec:\n  rabbitmq:\n    additionalConfig: |\n      \
         load_definitions = /etc/rabbitmq/definitions.json\n      ssl_verify = verify_peer\n",
    );
    let found = found(&world);
    // The text itself is read: the second line is no setting.
    assert_eq!(found, ["p/cluster.yaml#rabbitmqcluster/mq/rabbitmq.conf:2 setting-unknown"]);
}

/// Nothing that somebody writes into such files makes the doctor stop.
#[test]
fn hostile_files_are_survived() {
    let world = World::new();
    let deep = "[".repeat(200_000);
    let mut bomb = String::from("services:\n  a0: &a0 {x: [y, y, y, y, y, y, y, y]}\n");
    for level in 1..40 {
        bomb += &format!("  a{level}: &a{level} {{x: [{}]}}\n", vec![format!("*a{}", level - 1); 9].join(", "));
    }
    world.write("p/deep.yaml", format!("services:\n  a: {deep}\n"));
    world.write("p/bomb.yaml", bomb);
    world.write("p/deep.py", format!("import pika\nx = {deep}\n"));
    world.write("p/open.py", "import pika\nx = pika.SSLOptions(use_ssl='\x1b[31m\n'''");
    world.write(
        "p/names.yaml",
        "services:\n  rabbitmq:\n    image: rabbitmq:4\n    hostname: \"\\e[31m$(id)\"\n    volumes: [\"../../../..:/etc/rabbitmq/\\e[0m.pem\", ':', '::', \
         {}, [], \"C:\\\\x:/y\"]\n    environment: {RABBITMQ_SSL_CERTFILE: \"\\e[1m\"}\n",
    );
    world.write("p/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: \"\\e[31mx\"}\ntype: kubernetes.io/tls\ndata: {\"\\e[31m\": \"!\"}\n");
    let output = world.certgen(["doctor", "p"]).run().sane();
    assert!(output.took < Duration::from_secs(20), "took {:?}", output.took);
    assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'), "{}", output.stdout);
}
