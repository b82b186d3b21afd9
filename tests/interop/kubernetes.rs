//! What goes to Kubernetes, before the schemas that its API server would apply, and as the files of pods: three brokers
//! start from them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::judge::{Verdict, judge, python};
use crate::support::{TempDir, World};

const OPERATOR: &str = "mode=operator";
const STATEFUL: &str = "mode=statefulset";

/// A cluster with two roots, and clients of every kind; one has a name that YAML, shells and templates read much into.
fn world() -> World {
    let world = World::initialised(["--profile", "kubernetes", "--set", "revocation=true"]);
    let hostile = "it's {{ x }}: \"y\" # $(id) \\ %s";
    let topics = ["--topic-write", r"^devices\.", "--topic-read", r"^devices\."];
    let clients: [(&str, &str, &[&str]); 4] = [
        ("celery_worker", "celery", &[]),
        ("sensor-1", "mqtt", &topics),
        (hostile, "publish:a", &[]),
        ("m", "monitor", &[]),
    ];
    for (name, access, more) in clients {
        let words = ["issue", "client", name, "--vhost", "my vhost: {{ y }}", "--access", access];
        world.certgen(words.iter().chain(more)).run().success();
    }
    let manifest = world
        .read("pki/certgen.toml")
        .replace("[\"rabbitmq_prometheus\"]", "[\"rabbitmq_mqtt\", \"rabbitmq_prometheus\"]");
    world.write("pki/certgen.toml", manifest);
    world
}

fn emit(world: &World, directory: &str, words: &[&str]) -> Vec<PathBuf> {
    world.certgen(["emit"].iter().chain(words).chain(&["--out", directory])).run().success();
    let files = std::fs::read_dir(world.path(directory)).expect("it was written").flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml")).collect();
    files.sort();
    files
}

fn check(world: &World, directories: &[String]) -> Verdict {
    let places: Vec<PathBuf> = directories.iter().map(|directory| world.path(directory)).collect();
    python("interop/manifests.py", [Path::new("check")].into_iter().chain(places.iter().map(PathBuf::as_path)))
}

#[test]
#[ignore = "needs kubernetes-validate, and the definitions of the operators in CERTGEN_FACTS"]
fn an_api_server_would_take_every_object_and_no_other_field() {
    let world = world();
    let vault = "vault=https://vault.example.com:8200";
    let image = "image=registry.example.com/rabbitmq@sha256:0f";
    let sets: [&[&str]; 7] = [
        &["kubernetes", "--set", OPERATOR, "--with-keys"],
        &["kubernetes", "--set", STATEFUL, "--with-keys"],
        &["kubernetes", "--set", OPERATOR, "--set", image, "--set", "storage_class=fast"],
        &["kubernetes", "--set", STATEFUL, "--set", "clients_namespace=apps", "--set", "storage=1.5Ti"],
        &["cert-manager", "--set", "clients_namespace=apps"],
        &["cert-manager", "--set", "issuer=vault", "--set", vault],
        // Kubernetes itself has no definition of a TLSRoute.
        &["ingress", "--set", "ui_host=ui.example.com", "--set", "routes=tcp"],
    ];
    let directories: Vec<String> = (0..sets.len()).map(|number| format!("out-{number}")).collect();
    for (directory, words) in directories.iter().zip(sets) {
        emit(&world, directory, words);
    }
    let said = check(&world, &directories);
    let said = said.accepted();
    for kind in
        ["Secret", "ConfigMap", "Service", "StatefulSet", "PodDisruptionBudget", "ServiceAccount", "Role", "Ingress"]
    {
        assert!(said.contains(&format!("valid {kind} ")), "{kind}\n{said}");
    }
    said.lines().filter(|line| line.starts_with("skipped")).for_each(|line| println!("{line}"));
    if std::env::var_os("CERTGEN_FACTS").is_some() {
        for kind in
            ["RabbitmqCluster", "Vhost", "User", "Permission", "TopicPermission", "Issuer", "Certificate", "Bundle"]
        {
            assert!(said.contains(&format!("valid {kind} ")), "{kind}\n{said}");
        }
        assert!(!said.contains("skipped"), "{said}");
    }
}

/// A field with a value of the wrong kind, so that the judge is seen to judge.
#[test]
#[ignore = "needs kubernetes-validate"]
fn a_broken_object_is_refused() {
    let world = world();
    emit(&world, "out", &["kubernetes", "--set", STATEFUL]);
    let text = world.read("out/cluster.yaml");
    for (number, (from, to)) in
        [("replicas: 3", "replicas: three"), ("clusterIP: None", "clusterIp: None")].into_iter().enumerate()
    {
        assert!(text.contains(from), "{text}");
        let directory = format!("broken-{number}");
        std::fs::create_dir(world.path(&directory)).expect("ours");
        world.write(format!("{directory}/cluster.yaml"), text.replace(from, to));
        let said = check(&world, &[directory]);
        assert!(!said.ok, "{to} was taken\n{}", said.text);
    }
}

/// The Secrets of `secrets.sh`, in a file.
fn secrets(world: &World, directory: &str) -> PathBuf {
    let mut command = Command::new("sh");
    command.arg("secrets.sh").current_dir(world.path(directory));
    let said = judge(command, "kubectl").accepted().to_owned();
    world.write(format!("{directory}/made.yaml"), said)
}

#[test]
#[ignore = "needs kubectl and kubernetes-validate"]
fn kubectl_makes_the_secrets_that_with_keys_would_have_written() {
    let world = world();
    emit(&world, "commands", &["kubernetes", "--set", STATEFUL]);
    let made = secrets(&world, "commands");
    assert!(check(&world, &["commands".into()]).accepted().contains("valid Secret rabbitmq-tls"));
    emit(&world, "keys", &["kubernetes", "--set", STATEFUL, "--with-keys"]);
    let same = python("interop/same_secrets.py", [made, world.path("keys/secrets.yaml")]);
    assert!(same.accepted().contains("6 Secrets are the same"), "{}", same.text);
}

/// What the pods find on their disks is what three brokers start from.
fn pods(version: Version, mode: &str) {
    let world = world();
    let mut files = emit(&world, "out", &["kubernetes", "--set", mode]);
    files.push(secrets(&world, "out"));
    let stage = TempDir::new();
    let place = stage.path();
    let words = [Path::new("pods"), place].into_iter().chain(files.iter().map(PathBuf::as_path));
    let probe: serde_json::Value =
        serde_json::from_str(python("interop/manifests.py", words).accepted()).expect("the probe");
    let mut pods: Vec<String> = std::fs::read_dir(place)
        .expect("made")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    pods.sort();
    let etc = |pod: &String| {
        let environment = std::fs::read_to_string(place.join(pod).join("environment")).expect("made");
        let variables = environment.lines().filter_map(|line| line.split_once('='));
        variables.fold(Etc::default().with(place.join(pod).join("files"), "/"), |etc, (name, value)| {
            etc.variable(name, value)
        })
    };
    let hosts: Vec<(&str, Etc)> = pods.iter().map(|pod| (pod.as_str(), etc(pod))).collect();
    let lab = Lab::cluster(version, &hosts);
    lab.form_cluster(pods.len());
    let mut checks = Checks::default();
    for host in lab.hosts() {
        let peers = host.tool("rabbitmqctl", ["eval", "{node(), length(nodes())}."]);
        let wanted = format!("{{'rabbit@{}',2}}", host.name());
        checks.that(&format!("{} sees the other two over TLS", host.name()), peers.text.trim() == wanted, &peers.text);
    }
    if mode == OPERATOR {
        let users = world.path("out/users.yaml");
        let definitions = python("interop/manifests.py", [Path::new("users"), &users]).accepted().to_owned();
        lab.host().install(&world.write("users.json", definitions), "/var/lib/rabbitmq/users.json");
        let import = lab.host().tool("rabbitmqctl", ["import_definitions", "/var/lib/rabbitmq/users.json"]);
        checks.holds("the users of the objects come to be", &import);
    }
    let listed = lab.host().tool("rabbitmqctl", ["list_users", "--formatter", "json"]);
    checks.that("a hostile name is a user", listed.text.contains(r#"it's {{ x }}: \"y\" # $(id) \\ %s"#), &listed.text);
    let [ca, cert, key] = super::credentials(&world, "celery_worker");
    for host in lab.hosts() {
        // Nodes of 3.10 that find each other while the first has a vhost already may leave it down on one of them, and the
        // operator starts it there.
        let _ = host.tool("rabbitmqctl", ["restart_vhost", "-p", "my vhost: {{ y }}"]);
        let login = host.python(
            "login.py",
            [host.name(), "5671", &ca, &cert, &key, "--vhost", "my vhost: {{ y }}", "--queue", "celery"],
        );
        checks.holds(&format!("a client logs in to {}", host.name()), &login);
    }
    let port = if probe["port"] == "management-tls" { "15671" } else { "0" };
    let page = format!("https://{}:{port}{}", lab.host().name(), probe["path"].as_str().expect("a path"));
    let ready = lab.host().run("curl", ["-sSk", "-o", "/dev/null", "-w", "%{http_code}", &page]);
    checks.that("kubelet finds the pod ready", ready.text == "200", &ready.text);
    scraped(&world, &lab, &mut checks);
    super::loki::what_was_refused_is_heard_of(&world, &lab, &mut checks);
    checks.finish(&lab);
}

/// Prometheus' view of the first pod: the name, port and bundle of the scrape.
fn scraped(world: &World, lab: &Lab, checks: &mut Checks) {
    world.certgen(["emit", "prometheus", "--out", "prometheus"]).run().success();
    let scrape = world.read("prometheus/scrape.yml");
    let target = scrape.lines().filter_map(|line| line.trim().strip_prefix("- \"rabbitmq-server-0")).next();
    let target = format!("rabbitmq-server-0{}", target.expect("a target").trim_end_matches('"'));
    let (bundle, resolve) =
        (world.path("prometheus/rabbitmq-ca.pem").display().to_string(), format!("{target}:10.99.0.1"));
    let page = format!("https://{target}/metrics");
    let metrics = lab.host().run("curl", ["-sS", "--cacert", &bundle, "--resolve", &resolve, &page]);
    checks.that(
        "Prometheus gets metrics over HTTPS",
        metrics.ok && metrics.text.contains("rabbitmq_build_info"),
        &metrics.text,
    );
}

macro_rules! pods {
    ($($name:ident $version:ident $mode:ident $needs:literal)*) => {$(
        #[test]
        #[ignore = $needs]
        fn $name() {
            pods(Version::$version, $mode);
        }
    )*};
}

pods! {
    pods_of_the_operator_on_3_10 V3_10 OPERATOR "needs rabbitmq-server 3.10, kubectl and root"
    pods_of_the_operator_on_4 V4 OPERATOR "needs rabbitmq-server 4.x in a root of Debian 13, kubectl and root"
    pods_of_a_stateful_set_on_3_10 V3_10 STATEFUL "needs rabbitmq-server 3.10, kubectl and root"
    pods_of_a_stateful_set_on_4 V4 STATEFUL "needs rabbitmq-server 4.x in a root of Debian 13, kubectl and root"
}
