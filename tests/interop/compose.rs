//! The files of `emit compose`: Docker Compose's own reader accepts them, and a test that stands in for an engine does what they
//! say: mounts what each service mounts, runs the one-shot service, starts broker and worker, and has a task done.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::World;
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::cache;
use crate::support::invariants::check;
use crate::support::judge::{Verdict, judge, python};

/// What the broker's user is in the root of the test.
fn owner_in(root: &Path) -> String {
    let users = fs::read_to_string(root.join("etc/passwd")).expect("a root has users");
    let line = users.lines().find(|line| line.starts_with("rabbitmq:")).expect("its package makes the user");
    let fields: Vec<&str> = line.split(':').collect();
    format!("{}:{}", fields[2], fields[3])
}

fn compose(dir: &Path, args: &[&str]) -> Verdict {
    let mut command = Command::new(cache::need("compose").join("docker-compose"));
    command.args(["-f", "docker-compose.yml", "config"]).args(args).current_dir(dir);
    judge(command, "docker-compose")
}

/// The engine of this test: one service after the other, in namespaces of the host, with the mounts that its service has.
struct Engine<'a> {
    host: &'a Host,
    services: Value,
}

impl Engine<'_> {
    /// Lays out the file system of a service below `/run/NAME`: its programs are those of `root`.
    fn lay_out(&self, name: &str, root: &Path) -> Verdict {
        let mut script = format!(
            "d=/run/engine/{name}; mkdir -p $d/usr $d/tmp $d/dev $d/proc; cd $d; ln -sfn usr/bin bin; ln -sfn usr/sbin sbin; ln -sfn usr/lib lib
             ln -sfn usr/lib64 lib64; mount --bind {}/usr usr; mount --rbind /dev dev; mount -t proc proc proc; chmod 1777 tmp
             mkdir -p etc; cp {}/etc/passwd {}/etc/group /etc/hosts etc/\n",
            root.display(),
            root.display(),
            root.display()
        );
        for mount in self.services[name]["volumes"].as_array().into_iter().flatten() {
            let [source, target] = ["source", "target"].map(|key| mount[key].as_str().expect("it is set"));
            let read_only = if mount["read_only"] == true { "mount -o remount,bind,ro \"$d$t\"" } else { ":" };
            let source = match mount["type"].as_str() {
                Some("volume") => {
                    script += &format!("mkdir -p '/run/engine/volumes/{source}'\n");
                    format!("/run/engine/volumes/{source}")
                }
                _ => source.to_owned(),
            };
            script += &format!(
                "t='{target}'; mkdir -p \"$d$(dirname \"$t\")\"
                 if [ -d '{source}' ]; then mkdir -p \"$d$t\"; else touch \"$d$t\"; fi
                 mount --bind '{source}' \"$d$t\"; {read_only}\n"
            );
        }
        self.host.run("sh", ["-ec", &script])
    }

    /// A list of words of a service.
    fn words(&self, name: &str, key: &str) -> Vec<String> {
        let words = self.services[name][key].as_array().expect("a list");
        words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
    }

    /// Runs `words` in the file system of a service, as its user, with its variables.
    fn run(&self, name: &str, words: &[String]) -> Verdict {
        let user = self.services[name]["user"].as_str().unwrap_or("0:0").to_owned();
        let mut args = vec![format!("--userspec={user}"), format!("/run/engine/{name}"), "env".into(), "-i".into()];
        args.push("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".into());
        for (variable, value) in self.services[name]["environment"].as_object().into_iter().flatten() {
            args.push(format!("{variable}={}", value.as_str().unwrap_or_default()));
        }
        args.extend_from_slice(words);
        self.host.run("chroot", args)
    }
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Docker Compose, Python client libraries and root"]
fn compose_from_init_to_a_task() {
    let world = World::new();
    world.certgen(["init", "--profile", "celery"]).on_host("rabbitmq").run().success();
    let root = cache::need("trixie");
    let owner = owner_in(&root);
    world.certgen(["emit", "compose", "celery"]).run().success();
    let dir = world.pki("emit/compose");
    check(&world.pki(""));
    // As the quick start leaves it; then with the numbers that the broker's user has in this test.
    compose(&dir, &["-q"]).accepted();
    assert!(world.read("pki/emit/compose/install-keys.sh").contains("\nbroker_owner=999:999\n"));
    let named = format!("owner={owner}");
    world.certgen(["emit", "compose", "--set", &named]).run().success();
    let said = compose(&dir, &["--format", "json"]);
    let project: Value = serde_json::from_str(said.accepted()).expect("JSON");

    let lab = Lab::single(Version::V4, "rabbitmq", &Etc::default());
    let host = lab.host();
    let mut checks = Checks::default();
    let engine = Engine { host, services: project["services"].clone() };
    host.run("sh", ["-ec", "mount -t tmpfs tmpfs /run; mkdir -p /run/engine/volumes"]).accepted();

    checks.holds("the keys' files are laid out", &engine.lay_out("keys", host.root()));
    checks.holds("the one-shot service", &engine.run("keys", &engine.words("keys", "entrypoint")));
    let listed = host.run("sh", ["-c", "cd /run/engine/volumes; find . -type f -printf '%P %U:%G %m\n' | sort"]);
    let keys: Vec<&str> = listed.text.lines().filter(|line| line.contains("key")).collect();
    let broker = format!("/combined_keys.pem {owner} 400");
    let worker = "/client_key.pem 1000:1000 400";
    checks.that(
        "each key is for its reader alone",
        keys.iter().any(|line| line.ends_with(&broker)) && keys.iter().any(|line| line.ends_with(worker)),
        &listed.text,
    );
    checks.that("nothing is for others", listed.text.lines().all(|line| line.ends_with(" 400")), &listed.text);
    let leaked = listed.text.contains("ca_key.pem") || listed.text.contains("administrator");
    checks.that("what neither needs stays where it is", !leaked, &listed.text);

    // The broker: its volume where the file says.
    let volume = engine.services["rabbitmq"]["volumes"]
        .as_array()
        .and_then(|all| all.iter().find(|v| v["target"] == "/etc/rabbitmq"));
    let source = volume.and_then(|volume| volume["source"].as_str()).expect("the broker has its configuration");
    let etc = host.root().join("etc/rabbitmq").display().to_string();
    let bind = format!("mount --bind /run/engine/volumes/{source} {etc}; mount -o remount,bind,ro {etc}");
    host.run("sh", ["-ec", &bind]).accepted();
    host.boot_broker();
    let test = engine.services["rabbitmq"]["healthcheck"]["test"][1].as_str().expect("a command").replace("$$", "$");
    let before = host.log().matches("ALERT: Fatal").count();
    checks.holds("the health check", &host.shell(&test));
    let log = host.log();
    checks.that("which is no alert for Loki", log.matches("ALERT: Fatal").count() == before, &log);
    let elsewhere = host.shell(&test.replace("-verify_hostname rabbitmq", "-verify_hostname other.example.com"));
    checks.that("which looks at the name", !elsewhere.ok, &elsewhere.text);

    // The worker: the image is the Dockerfile's, whose packages are those of this machine's Python.
    checks.holds("the worker's files are laid out", &engine.lay_out("celery_worker", Path::new("/")));
    let venv = cache::need("venv").display().to_string();
    let link = format!(
        "for p in {venv} $({venv}/bin/python -c 'import sys; print(sys.base_prefix)'); do
             [ -d /run/engine/celery_worker$p/lib ] && continue
             mkdir -p /run/engine/celery_worker$p; mount --bind $p /run/engine/celery_worker$p
         done"
    );
    host.run("sh", ["-ec", &link]).accepted();
    let dockerfile = world.read("pki/emit/compose/Dockerfile");
    let variables = dockerfile.lines().find_map(|line| line.strip_prefix("ENV ")).expect("the image has variables");
    let command = engine.words("celery_worker", "command");
    let command = format!(
        "cd /app && {variables} exec {venv}/bin/{} >/tmp/log 2>&1 & echo started",
        command
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" ")
            .trim_start_matches('\'')
            .replacen('\'', "", 1)
    );
    let start = ["sh".to_owned(), "-c".to_owned(), command];
    checks.holds("the worker starts", &engine.run("celery_worker", &start));
    let caller = world.pki("emit/celery/celery_client").display().to_string();
    let code = "import sys; sys.path.insert(0, sys.argv[1]); from celery import Celery; app = Celery(); \
                app.config_from_object('celeryconfig'); print(app.send_task('tasks.add', (2, 3)).get(timeout=40))";
    let task = host.run(&format!("{venv}/bin/python"), ["-B", "-c", code, &caller]);
    let log = host.run("cat", ["/run/engine/celery_worker/tmp/log"]);
    checks.that("the worker does a task", task.ok && task.text.trim() == "5", &format!("{}\n{}", task.text, log.text));
    renewed(&world, &engine, &mut checks);
    checks.finish(&lab);
}

/// What the file says to do after a renewal.
fn renewed(world: &World, engine: &Engine<'_>, checks: &mut Checks) {
    let shown = "openssl s_client -connect localhost:5671 </dev/null 2>/dev/null | openssl x509 -noout -serial";
    let before = engine.host.shell(shown).text;
    world.certgen(["renew", "node/rabbitmq"]).run().success();
    checks.holds("the one-shot service again", &engine.run("keys", &engine.words("keys", "entrypoint")));
    let file = world.read("pki/emit/compose/docker-compose.yml");
    let line = file
        .lines()
        .find_map(|line| line.split_once("docker compose exec rabbitmq "))
        .expect("the file names a command");
    checks.holds("its command", &engine.host.shell(line.1));
    let after = engine.host.shell(shown).text;
    checks.that("the broker shows the new certificate", after.starts_with("serial=") && after != before, &after);
}

/// A second reader of YAML, and hostile names that must stay names.
#[test]
#[ignore = "needs Docker Compose and PyYAML"]
fn manifests_are_read_back() {
    let world = World::new();
    world
        .certgen(["init", "--profile", "celery", "--set", "vhost=it's \"a\": ${HOME} {{ x }} # $$"])
        .on_host("rabbitmq")
        .run()
        .success();
    world.certgen(["emit", "compose", "celery", "--set", "module=a: b ${X}"]).run().success();
    let said = compose(&world.pki("emit/compose"), &["--format", "json"]);
    let project: Value = serde_json::from_str(said.accepted()).expect("JSON");
    let worker = &project["services"]["celery_worker"];
    // Compose writes a dollar twice in what it prints, as in what it reads.
    assert_eq!(worker["environment"]["AMQPS_VHOST"], "it's \"a\": $${HOME} {{ x }} # $$$$");
    assert_eq!(worker["command"][2], "a: b $${X}");
    assert!(worker["volumes"].as_array().is_some_and(|all| all.iter().all(|v| v["target"] != "/pki/broker")));
    let read = python("interop/read_yaml.py", [world.pki("emit/compose/docker-compose.yml")]);
    let documents: Value = serde_json::from_str(read.accepted()).expect("JSON");
    let variables = &documents[0]["services"]["celery_worker"]["environment"];
    assert_eq!(variables["AMQPS_VHOST"], "it's \"a\": $${HOME} {{ x }} # $$$$");
    let world = World::new();
    let init = ["init", "--profile", "kubernetes", "--set", "cluster=orders", "--set", "namespace=messaging"];
    world.certgen(init).run().success();
    for routes in ["tlsroute", "tcp"] {
        let routes = format!("routes={routes}");
        world
            .certgen([
                "emit",
                "ingress",
                "--set",
                "ui_host=ui.example.com",
                "--set",
                "ui_secret=a: b",
                "--set",
                &routes,
            ])
            .run()
            .success();
        let read = python("interop/read_yaml.py", [world.pki("emit/ingress/ingress.yaml")]);
        let documents: Value = serde_json::from_str(read.accepted()).expect("JSON");
        assert_eq!(documents[1]["spec"]["tls"][0]["secretName"], "a: b");
        let anchors = documents[0]["stringData"]["ca.crt"].as_str().expect("a bundle");
        assert!(anchors.starts_with("-----BEGIN CERTIFICATE-----\n"), "{anchors}");
        let kinds: Vec<&str> =
            documents.as_array().expect("documents").iter().filter_map(|d| d["kind"].as_str()).collect();
        assert!(kinds.ends_with(&["TLSRoute"]) || kinds.ends_with(&["ConfigMap"]), "{kinds:?}");
    }
}
