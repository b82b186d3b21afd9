//! What `emit` wrote for clients, as it stands, with the real libraries on a real broker. One broker of a version serves
//! all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::only_node;
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::judge::{self, Verdict};
use crate::support::{TempDir, World, cache};

/// A name of the same broker that its certificate lacks: a client that checks names must refuse it.
const OTHER_NAME: &str = "127.0.0.2";
/// Names that mean something in many languages.
const HOSTILE_CLIENT: &str = r#"o'brien "$(id)""#;
const HOSTILE_VHOST: &str = r#"it's "a" ${HOME} {{ x }} %2f \n # é"#;
/// The client of the compiled languages, too: what it is called is data in all of them.
const HOSTILE_DIRECTORY: &str = "o%27brien%20%22%24%28id%29%22";

const TARGETS: [&str; 12] =
    ["celery", "kombu", "pika", "aio-pika", "java", "node", "go", "rust", "mqtt", "rabbitmqctl", "openssl", "rabbitmq"];

/// Nobody says these of a port where nothing listens.
const TLS_NAME_REFUSALS: &[&str] = &[
    "CERTIFICATE_VERIFY_FAILED",
    "ERR_TLS_CERT",
    "altnames",
    "subject alternative",
    "not 127.0.0.2",
    "certificate for 127.0.0.2",
];

/// Celery said "Port could not be cast to integer value".
#[test]
#[ignore = "needs Python client libraries"]
fn celery_reads_an_ipv6_address() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    for host in ["::1", "rabbit.example.com"] {
        let set = format!("host={host}");
        world.certgen(["emit", "celery", "--for", "celery_worker", "--set", &set]).run().success();
        let directory = emitted(&world, "celery", "celery_worker").display().to_string();
        let read = judge::python("interop/celery_url.py", [&*directory, host, "5671"]);
        assert!(read.ok, "{}", read.text);
    }
}

fn consumers(version: Version) {
    let world = world();
    let lab = Lab::single(version, "rabbitmq", &Etc::of_pki(&world.pki(""), &only_node(&world)));
    let host = lab.host();
    host.launch();
    // While it boots: compiling needs no broker.
    let go = Go::build(&emitted(&world, "go", HOSTILE_DIRECTORY));
    let lapin = Lapin::build(&emitted(&world, "rust", HOSTILE_DIRECTORY));
    let java = Java::build(&emitted(&world, "java", HOSTILE_DIRECTORY));
    let sealed_java = Java::build(&emitted(&world, "java", "sealed"));
    host.await_boot();
    let mut checks = Checks::default();

    python(host, &world, &mut checks);
    checks.holds("amqplib logs in", &node(host, &emitted(&world, "node", HOSTILE_DIRECTORY)));
    checks.holds("amqplib opens an encrypted key", &node(host, &emitted(&world, "node", "sealed")));
    checks.refused("amqplib refuses another name", &node(host, &renamed(&world, "node")), TLS_NAME_REFUSALS);
    checks.holds("Java logs in", &java.run(host));
    checks.holds("Java opens an encrypted key", &sealed_java.run(host));
    let renamed_java = Java::build(&renamed(&world, "java"));
    checks.refused("Java refuses another name", &renamed_java.run(host), TLS_NAME_REFUSALS);
    checks.holds("amqp091-go logs in", &go.run(host));
    checks.refused("amqp091-go refuses another name", &Go::build(&renamed(&world, "go")).run(host), TLS_NAME_REFUSALS);
    checks.holds("lapin logs in", &lapin.run(host));
    let renamed_lapin = Lapin::build(&renamed(&world, "rust"));
    checks.refused("lapin refuses another name", &renamed_lapin.run(host), &["NotValidForName", "not valid for name"]);
    mqtt(host, &world, &mut checks);
    for client in ["celery_worker", "sealed"] {
        let script = emitted(&world, "openssl", client).join("listeners.sh");
        let proved = host.run("sh", [&script]);
        let shown = proved.text.contains("EXTERNAL") && proved.text.matches("200\n").count() == 2;
        checks.that(&format!("the openssl lines of {client} succeed as printed"), proved.ok && shown, &proved.text);
    }
    rabbitmqctl(host, &world, &mut checks);
    checks.finish(&lab);
}

/// A PKI with a client for every purpose, and the files of all targets.
fn world() -> World {
    let world = World::new();
    world.certgen(["init", "--profile", "celery", "--set", "queues=celery,mail"]).on_host("rabbitmq").run().success();
    let plugins =
        "[broker]\nplugins = [\"rabbitmq_mqtt\", \"rabbitmq_stream\", \"rabbitmq_stomp\", \"rabbitmq_prometheus\"]\n";
    let manifest = world.read("pki/certgen.toml").replacen("[broker]\n", plugins, 1);
    world.write("pki/certgen.toml", manifest);
    world.write("password.txt", "correctHorse1\n");
    let all = ["--access", "all", "--vhost"];
    let issue = |name: &str, more: &[&str]| {
        world.certgen(["issue", "client", name].iter().chain(more)).run().success();
    };
    issue("owner", &[&all[..], &["my_vhost"]].concat());
    world.certgen(["issue", "authority", "workers", "--issuer", "root"]).run().success();
    let sealed = ["my_vhost", "--key-password-file", "password.txt", "--issuer", "workers"];
    issue("sealed", &[&all[..], &sealed].concat());
    issue(HOSTILE_CLIENT, &[&all[..], &[HOSTILE_VHOST]].concat());
    let topics = ["--topic-write", r"^room\.1\.", "--topic-read", r"^room\."];
    issue("device", &[&["--access", "mqtt", "--vhost", "/"][..], &topics].concat());
    world.certgen(["issue", "client", "--access", "publish:out", "--vhost", "my_vhost", "--", "-p"]).run().success();
    issue("watcher", &["--access", "monitor", "--vhost", "my_vhost"]);
    for target in TARGETS {
        // Go, Celery, kombu and lapin refuse an encrypted key; mosquitto is left out for one.
        let mut line = vec!["emit", target];
        if ["kombu", "go", "rust"].contains(&target) {
            line.extend(["--for", HOSTILE_CLIENT, "--for", "owner"]);
        }
        world.certgen(line).on_host("rabbitmq").run().success();
    }
    world
}

fn emitted(world: &World, target: &str, client: &str) -> PathBuf {
    world.pki(format!("emit/{target}/{client}"))
}

/// The same files with another name for the broker in them.
fn renamed(world: &World, target: &str) -> PathBuf {
    let to = world.path(format!("renamed/{target}"));
    fs::create_dir_all(&to).expect("a world is writable");
    for file in fs::read_dir(emitted(world, target, HOSTILE_DIRECTORY)).expect("it was emitted").flatten() {
        let text = fs::read_to_string(file.path()).expect("text");
        assert!(text.contains("\"rabbitmq\""), "the host is a literal\n{text}");
        let changed = text.replace("\"rabbitmq\"", &format!("\"{OTHER_NAME}\""));
        fs::write(to.join(file.file_name()), changed).expect("a world is writable");
    }
    to
}

/// Runs words on the host in a directory.
fn at(host: &Host, directory: &Path, environment: &[(&str, &str)], words: &[&str]) -> Verdict {
    let mut command = host.command("sh");
    command.args(["-c", "cd \"$0\" && exec \"$@\""]).arg(directory).args(words);
    command.envs(environment.iter().copied());
    crate::support::judge::judge(command, words[0])
}

fn python(host: &Host, world: &World, checks: &mut Checks) {
    let python = cache::need("venv").join("bin/python").display().to_string();
    for (target, module) in
        [("pika", "pika_connection"), ("aio-pika", "aio_pika_connection"), ("kombu", "kombu_connection")]
    {
        let directory = emitted(world, target, HOSTILE_DIRECTORY);
        let file = format!("{module}.py");
        let run = |environment: &[(&str, &str)]| at(host, &directory, environment, &[&python, "-B", &file]);
        checks.holds(&format!("{target} logs in"), &run(&[]));
        let other = run(&[("AMQPS_HOST", OTHER_NAME)]);
        checks.refused(&format!("{target} refuses another name"), &other, TLS_NAME_REFUSALS);
        // The variables say the same as the module.
        let script = format!("set -a; . ./{}.env; exec \"$0\" -B {file}", target.replace('-', "_"));
        checks.holds(
            &format!("{target} logs in by variables"),
            &at(host, &directory, &[], &["sh", "-c", &script, &python]),
        );
        if target != "kombu" {
            let sealed = at(host, &emitted(world, target, "sealed"), &[], &[&python, "-B", &file]);
            checks.holds(&format!("{target} opens an encrypted key"), &sealed);
        }
    }
    let [worker, sender] = ["celery_worker", "celery_client"].map(|name| emitted(world, "celery", name));
    let arguments = [worker.as_os_str(), sender.as_os_str(), "celery,mail".as_ref(), OTHER_NAME.as_ref()];
    checks.holds("a Celery worker from the module does its work", &host.python("celery_emitted.py", arguments));
    let [worker, owner] = ["celery_worker", "owner"].map(|name| emitted(world, "pika", name));
    checks.holds("the worker may do nothing else", &host.python("narrow.py", [&worker, &owner]));
    let wide = host.python("narrow.py", [&owner, &owner]);
    checks.refused("a client that may do more is told apart", &wide, &["it can publish to amq.topic"]);
}

fn node(host: &Host, directory: &Path) -> Verdict {
    let modules = cache::need("node").join("node_modules").display().to_string();
    at(host, directory, &[("NODE_PATH", &modules)], &["node", "amqps_connection.js"])
}

fn mqtt(host: &Host, world: &World, checks: &mut Checks) {
    let python = cache::need("venv").join("bin/python").display().to_string();
    let device = emitted(world, "mqtt", "device");
    let run = |environment: &[(&str, &str)]| at(host, &device, environment, &[&python, "-B", "mqtt_client.py"]);
    let login = run(&[]);
    checks.that("paho logs in", login.ok && login.text.contains("logged in"), &login.text);
    checks.refused("paho refuses another name", &run(&[("MQTTS_HOST", OTHER_NAME)]), TLS_NAME_REFUSALS);
    let receives = |topic: &str, message: &str, command: &[&str]| {
        let arguments = [device.to_str().expect("UTF-8"), topic, message];
        host.python("mqtt_emitted.py", arguments.iter().chain(command))
    };
    let script = device.join("mosquitto_pub.sh").display().to_string();
    let published = receives("room/1/hello", "it's $HOME", &["sh", &script, "room/1/hello", "it's $HOME"]);
    checks.holds("mosquitto_pub publishes, paho receives", &published);
    let conf = world.write(
        "mosquitto.conf",
        format!("user root\nlistener 1884 127.0.0.1\nallow_anonymous true\ninclude_dir {}\n", device.display()),
    );
    let bridge = format!(
        "mosquitto -c {} & bridge=$!; for i in 1 2 3 4 5 6 7 8; do sleep 0.5; \
         mosquitto_pub -p 1884 -q 1 -t room/1/bridged -m over; done; kill $bridge; wait",
        conf.display()
    );
    let bridged = receives("room/1/bridged", "over", &["sh", "-c", &bridge]);
    checks.holds("a mosquitto passes on what its clients publish", &bridged);
}

/// The script on a broker that knows none of these users gives those of definitions.json, and runs again.
fn rabbitmqctl(host: &Host, world: &World, checks: &mut Checks) {
    let clients = [HOSTILE_CLIENT, "device", "watcher", "-p"];
    let wanted = Known::of(&world.read("pki/rabbitmq/definitions.json"), &clients);
    // As rabbitmq: what root gives Debian's rabbitmqctl is read by another shell.
    let ctl = |words: &str| format!("runuser -u rabbitmq -- rabbitmqctl -q {words}\n");
    let mut forget = String::from("set -e\n");
    for client in clients {
        forget += &ctl(&format!("delete_user -- {}", quoted(client)));
    }
    forget += &ctl(&format!("delete_vhost {}", quoted(HOSTILE_VHOST)));
    checks.holds("the broker forgets its users", &host.shell(&forget));
    let emit = |clients: &[&str], out: &str| {
        let named = clients.iter().map(|client| format!("--for={client}"));
        let line = ["emit", "rabbitmqctl", "--out", out].map(str::to_owned).into_iter().chain(named);
        world.certgen(line).run().success();
        host.install(&world.path(format!("{out}/users.sh")), &format!("/var/lib/rabbitmq/{out}.sh"));
        host.shell(&format!("sh /var/lib/rabbitmq/{out}.sh"))
    };
    checks.holds("the script of users runs", &emit(&clients, "users"));
    checks.holds("and runs again", &emit(&["-p"], "again"));
    let exported = host.shell("rabbitmqctl -q export_definitions /tmp/now.json >&2 && cat /tmp/now.json");
    let json = exported.text.get(exported.text.find('{').unwrap_or_default()..).unwrap_or_default();
    let now = Known::of(json, &clients);
    let complete = now == wanted && now.users.len() == clients.len();
    checks.that("the users are those of definitions.json", complete, &format!("{now:#?}\n{wanted:#?}"));
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What definitions say about some clients.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    vhosts: BTreeSet<String>,
    users: BTreeSet<String>,
    tags: BTreeSet<String>,
    permissions: BTreeSet<String>,
}

impl Known {
    fn of(definitions: &str, clients: &[&str]) -> Self {
        let read: serde_json::Value = serde_json::from_str(definitions).unwrap_or_default();
        let list = |key: &str| read[key].as_array().cloned().unwrap_or_default();
        let name = |value: &serde_json::Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let is_client = |user: &str| clients.contains(&user);
        let users: Vec<_> = list("users").into_iter().filter(|u| is_client(&name(u, "name"))).collect();
        let line = |value: &serde_json::Value| {
            ["user", "vhost", "exchange", "configure", "write", "read"].map(|key| name(value, key)).join(" | ")
        };
        let all = list("permissions").into_iter().chain(list("topic_permissions"));
        Self {
            vhosts: list("vhosts").iter().map(|v| name(v, "name")).collect(),
            tags: users.iter().map(|u| format!("{} {} {}", u["name"], u["tags"], u["password_hash"])).collect(),
            users: users.iter().map(|u| name(u, "name")).collect(),
            permissions: all.filter(|p| is_client(&name(p, "user"))).map(|p| line(&p)).collect(),
        }
    }
}

/// Runs a compiler with the machine's environment, outside the host.
#[track_caller]
fn compile(command: &mut Command) {
    let done = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; `tests/run --install` brings it"));
    let said = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&said));
}

struct Java {
    directory: TempDir,
}

impl Java {
    const LIBRARIES: &'static str = "/usr/share/java/amqp-client.jar:/usr/share/java/slf4j-api.jar";

    #[track_caller]
    fn build(from: &Path) -> Self {
        let directory = TempDir::new();
        compile(
            Command::new("javac")
                .args(["-Xlint:all", "-cp", Self::LIBRARIES, "-d"])
                .arg(directory.path())
                .arg(from.join("AmqpsConnection.java")),
        );
        Self { directory }
    }

    fn run(&self, host: &Host) -> Verdict {
        let path = format!(".:{}", Self::LIBRARIES);
        at(host, self.directory.path(), &[], &["java", "-cp", &path, "AmqpsConnection"])
    }
}

struct Go {
    directory: TempDir,
}

impl Go {
    /// Debian's libraries lie in a GOPATH of their own.
    #[track_caller]
    fn build(from: &Path) -> Self {
        let directory = TempDir::new();
        let package = directory.path().join("src/amqps");
        fs::create_dir_all(&package).expect("a temporary directory is writable");
        fs::copy(from.join("amqps.go"), package.join("amqps.go")).expect("it was emitted");
        let main = directory.path().join("src/main.go");
        fs::write(
            &main,
            "package main\n\nimport (\n\t\"amqps\"\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc main() {\n\tconnection, err := amqps.Connect()\n\
             \tif err != nil {\n\t\tfmt.Fprintln(os.Stderr, err)\n\t\tos.Exit(1)\n\t}\n\tconnection.Close()\n\
             \tfmt.Println(\"logged in\")\n}\n",
        )
        .expect("a temporary directory is writable");
        let formatted = Command::new("gofmt").arg("-l").arg(&package).output().expect("gofmt runs");
        assert!(formatted.status.success() && formatted.stdout.is_empty(), "gofmt would write it otherwise");
        compile(
            Command::new("go")
                .args(["build", "-o"])
                .arg(directory.path().join("login"))
                .arg(&main)
                .env("GO111MODULE", "off")
                .env("GOFLAGS", "")
                .env("GOPATH", format!("{}:/usr/share/gocode", directory.path().display()))
                .env("GOCACHE", cache::directory().join("go")),
        );
        Self { directory }
    }

    fn run(&self, host: &Host) -> Verdict {
        at(host, self.directory.path(), &[], &["./login"])
    }
}

struct Lapin {
    directory: TempDir,
}

impl Lapin {
    /// In the cache the dependencies are compiled; only what was emitted is new.
    #[track_caller]
    fn build(from: &Path) -> Self {
        let cached = cache::need("lapin");
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/clients/lapin");
        let directory = TempDir::new();
        fs::create_dir(directory.path().join("src")).expect("a temporary directory is writable");
        for (from, file) in [(&own, "Cargo.toml"), (&own, "src/main.rs"), (&cached, "Cargo.lock")] {
            fs::copy(from.join(file), directory.path().join(file)).expect("the cache is whole");
        }
        fs::copy(from.join("amqps.rs"), directory.path().join("src/amqps.rs")).expect("it was emitted");
        compile(
            Command::new("cargo")
                .args(["build", "--quiet", "--offline", "--locked"])
                .current_dir(directory.path())
                .env("CARGO_TARGET_DIR", cached.join("target")),
        );
        fs::copy(cached.join("target/debug/lapin-login"), directory.path().join("login")).expect("it was built");
        Self { directory }
    }

    fn run(&self, host: &Host) -> Verdict {
        at(host, self.directory.path(), &[], &["./login"])
    }
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, client libraries of Python, Node.js, Java, Go and Rust, mosquitto and root"]
fn consumers_on_3_10() {
    consumers(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, the same client libraries, mosquitto and root"]
fn consumers_on_4() {
    consumers(Version::V4);
}
