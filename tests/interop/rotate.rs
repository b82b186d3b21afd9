//! Both roots of a cluster are replaced while clients come and go and messages flow: nobody is refused, nothing is lost.
//!
//! Files are delivered as an operator does it: to one host after the other, clients in between, with links between the
//! nodes broken on the way, so that everybody meets everybody in every state.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::TLS_REFUSALS;
use super::load::{Load, counts, enough};
use crate::support::World;
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::judge::Verdict;
use crate::support::world::Output;

const NODES: [&str; 3] = ["a.rabbit.test", "b.rabbit.test", "c.rabbit.test"];
/// A host with the command line tools alone.
const OPERATOR: &str = "operator.rabbit.test";
/// Reads its files where `certgen` writes them.
const BESIDE: &str = "beside";
/// Reads copies of its files.
const AWAY: &str = "away";
/// Keeps the connection that it has.
const STEADY: &str = "steady";
/// Each root with a port where its bundle is read.
const ROOTS: [(&str, &str); 2] = [("nodes", "25672"), ("clients", "5671")];

/// So often each of the loads succeeds in each phase at least, or the phase proves nothing.
const ENOUGH: u64 = 100;

/// Breaks every link of a node and makes it again, which takes a handshake for each. One after the other: the leader of a
/// queue that loses all its followers in the same moment waits for an election, whatever their certificates.
const RELINK: &str =
    "[begin erlang:disconnect_node(N), Up = net_kernel:connect_node(N), timer:sleep(500), Up end || N <- nodes()].";

/// Everything that goes on at once.
struct Stage<'a> {
    world: &'a World,
    lab: &'a Lab,
    checks: Checks,
    loads: Vec<Load>,
    /// What a phase told to do on the hosts of brokers.
    reloads: Vec<String>,
    copies: usize,
}

impl<'a> Stage<'a> {
    /// Two rotations side by side; clients get the bundle before some nodes, after others.
    fn start(&mut self) {
        let [a, b, c] = NODES;
        let output = self.world.certgen(["rotate", "start", "nodes"]).run().success();
        self.world.certgen(["rotate", "start", "clients"]).run().success();
        self.reloads = printed(&output);
        self.checks.that("both caches are named", self.reloads.len() == 2, &output.transcript());
        for identity in [&node(a), &client(AWAY), &node(b)] {
            self.deliver(identity);
        }
        for (authority, port) in ROOTS {
            let refused = self.switch_if_known(authority, port).code(1);
            let refused = refused.stderr_has(&format!("{a}:{port} knows the successor"));
            let _ = refused.stderr_has(&format!("{c}:{port} does not know the successor"));
        }
        for identity in [&client(OPERATOR), &client(BESIDE), &client(STEADY), &node(c)] {
            self.deliver(identity);
        }
    }

    /// Each listener and each inter-node port is asked, then everybody gets another certificate in another order.
    fn switch(&mut self) {
        let [a, b, c] = NODES;
        for (authority, port) in ROOTS {
            let output = self.switch_if_known(authority, port).success();
            self.checks.that(
                "nothing is unconfirmed",
                !output.stderr.contains("nobody confirmed"),
                &output.transcript(),
            );
        }
        for identity in [&node(c), &client(AWAY), &client(OPERATOR), &node(a), &node(b)] {
            self.deliver(identity);
        }
    }

    /// What nobody confirmed is named; the old roots leave host after host.
    fn finish(&mut self) {
        let [a, b, c] = NODES;
        for (authority, _) in ROOTS {
            let output = self.world.certgen(["rotate", "finish", authority]).run().success();
            let named = output.stderr.contains(&format!("nobody confirmed the delivery of client/{BESIDE}"));
            self.checks.that(
                "an unconfirmed delivery is named",
                named == (authority == "clients"),
                &output.transcript(),
            );
        }
        for identity in [&node(b), &client(BESIDE), &node(c), &client(OPERATOR), &node(a), &client(AWAY)] {
            self.deliver(identity);
        }
    }

    /// The control: the same load notices where there is no overlap.
    fn without_overlap(&mut self) {
        let [_, b, _] = NODES;
        let away = self.world.path("away/now").display().to_string();
        let mut load = Load::start(self.world, self.host(b), "control", "reconnect.py", &[b, &away]);
        self.checks.that("the control logs in", load.wait_until(|load| load.done() > 20), &load.failures());
        self.checks.that("and never fails", load.failures().is_empty(), &load.failures());
        self.world.certgen(["rotate", "start", "clients", "--compromised"]).run().success();
        self.deliver(&node(b));
        let refused = |load: &Load| TLS_REFUSALS.iter().any(|word| load.failures().contains(word));
        self.checks.that("without an overlap it is refused", load.wait_until(refused), &load.failures());
        self.deliver(&client(AWAY));
        let done = load.done();
        self.checks.that(
            "until it has its new files",
            load.wait_until(|load| load.done() > done + 20),
            &load.failures(),
        );
        load.end();
    }

    /// Without an overlap between nodes the tools are refused by the node beside them, so no such line is printed.
    fn without_overlap_between_nodes(&mut self) {
        let output = self.world.certgen(["rotate", "start", "nodes", "--compromised"]).run().success();
        self.checks.that("no line to type is printed", printed(&output).is_empty(), &output.transcript());
        // Erlang forgets what it has read every two minutes: a node that did so just now takes the new files, the next one
        // does not.
        let mut said = String::new();
        let is_refused = NODES.iter().any(|name| {
            self.install(&node(name));
            let ping = self.host(name).shell(&self.reloads[1]);
            said += &ping.text;
            !ping.ok
        });
        self.checks.that("a tool with new files is refused by a node with old ones", is_refused, &said);
    }

    fn switch_if_known(&self, authority: &str, port: &str) -> Output {
        let places = NODES.map(|name| format!("{name}:{port}"));
        let checks = places.into_iter().flat_map(|place| ["--check".to_owned(), place]);
        // On another host paths do not start here.
        let pki = format!("--pki={}", self.world.pki("").display());
        let args = [&pki, "rotate", "switch", authority].map(str::to_owned).into_iter().chain(checks);
        self.world.certgen(args).under(self.host(OPERATOR).entrance()).run()
    }

    fn host(&self, name: &str) -> &'a Host {
        self.lab.hosts().iter().find(|host| host.name() == name).expect("the lab has it")
    }

    /// Does one phase under load.
    fn phase(&mut self, name: &str, work: impl FnOnce(&mut Self)) {
        let from = counts(&self.loads);
        work(self);
        enough(&self.loads, &from, ENOUGH, name, &mut self.checks);
    }

    /// What is to be delivered, by identity.
    fn to_deliver(&self) -> BTreeMap<String, Vec<PathBuf>> {
        let status = self.world.certgen(["rotate", "status", "--json"]).run().success().json();
        let mut all: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for delivery in status["items"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|r| r["deliveries"].as_array().into_iter().flatten())
        {
            if delivery["delivered"] == false {
                let word = |key: &str| delivery[key].as_str().unwrap_or_default().to_owned();
                let files = delivery["files"].as_array().into_iter().flatten().filter_map(Value::as_str);
                all.entry(format!("{}/{}", word("role"), word("name")))
                    .or_default()
                    .extend(files.map(|f| self.world.path(f)));
            }
        }
        all
    }

    /// Brings what is to be delivered to where `identity` is used, and does there what `certgen` said.
    fn deliver(&mut self, identity: &str) {
        let files = self.to_deliver().remove(identity).unwrap_or_default();
        let name = identity.rsplit('/').next().expect("it has a name").to_owned();
        self.checks.that(&format!("{identity} is to be delivered"), !files.is_empty(), "it is not listed");
        if [BESIDE, STEADY].contains(&name.as_str()) {
            // Lies where it is used.
        } else if name == AWAY {
            self.copy_away();
        } else {
            let host = self.host(&name);
            self.install(identity);
            if name == OPERATOR {
                let users = host.tool("rabbitmqctl", ["-n", "rabbit@b.rabbit.test", "list_users"]);
                self.checks.that("the operator's tools work", users.ok && users.text.contains(AWAY), &users.text);
            } else {
                for line in self.reloads.clone() {
                    self.checks.holds(&line, &host.shell(&line));
                }
                let linked = host.tool("rabbitmqctl", ["eval", RELINK]);
                let both = linked.text.trim() == "[true,true]";
                self.checks.that(&format!("{name} finds its peers again"), both, &linked.text);
            }
        }
        self.world.certgen(["rotate", "status", "--delivered", identity]).run().success();
    }

    /// Puts what is to be delivered on the host of that name.
    fn install(&self, identity: &str) {
        let name = identity.rsplit('/').next().expect("it has a name");
        for file in self.to_deliver().remove(identity).unwrap_or_default() {
            let file_name = file.file_name().expect("a file").to_string_lossy().into_owned();
            self.host(name).install(&file, &format!("/etc/rabbitmq/certs/{file_name}"));
        }
    }

    /// Whole directories, and one rename: nobody reads half of it.
    fn copy_away(&mut self) {
        self.copies += 1;
        let copy = self.world.path(format!("away/{}", self.copies));
        fs::create_dir_all(&copy).expect("a world is writable");
        for file in fs::read_dir(self.world.pki(format!("client/{AWAY}"))).expect("it was issued").flatten() {
            fs::copy(file.path(), copy.join(file.file_name())).expect("a world is writable");
        }
        let (link, staged) = (self.world.path("away/now"), self.world.path("away/next"));
        std::os::unix::fs::symlink(&copy, &staged).expect("a world is writable");
        fs::rename(staged, link).expect("a world is writable");
    }

    /// Knocks at the inter-node port of `to` with these files.
    fn knock(&self, to: &str, pair: &str) -> Verdict {
        let file = |name: &str| self.world.path(format!("{pair}/{name}")).display().to_string();
        let bundle = self.world.pki(format!("node/{to}/inter_node_ca_certificate.pem")).display().to_string();
        let [cert, key] = ["server_certificate.pem", "server_key.pem"].map(file);
        self.host(OPERATOR).python("inter_node.py", [to, "25672", &bundle, &cert, &key])
    }

    /// Logs in to `to` with the pair in this directory.
    fn login(&self, to: &str, pair: &str) -> Verdict {
        let file = |name: &str| self.world.path(format!("{pair}/{name}")).display().to_string();
        let bundle = self.world.pki(format!("client/{AWAY}/ca_certificate.pem")).display().to_string();
        let [cert, key] = ["client_certificate.pem", "client_key.pem"].map(file);
        self.host(OPERATOR).python("login.py", [to, "5671", &bundle, &cert, &key])
    }

    /// Keeps the present pairs of a node and a client.
    fn keep(&self, directory: &str) {
        for (identity, files) in [
            (format!("node/{}", NODES[2]), ["server_certificate.pem", "server_key.pem"]),
            (format!("client/{AWAY}"), ["client_certificate.pem", "client_key.pem"]),
        ] {
            for file in files {
                let bytes = fs::read(self.world.pki(format!("{identity}/{file}"))).expect("it was issued");
                self.world.write(format!("{directory}/{file}"), bytes);
            }
        }
    }
}

/// The lines that a phase prints for the hosts of brokers.
fn printed(output: &Output) -> Vec<String> {
    let lines = output.stderr.lines().map(str::trim).filter(|line| line.starts_with("rabbitmqctl eval "));
    lines.map(str::to_owned).collect()
}

fn client(name: &str) -> String {
    format!("client/{name}")
}

fn node(name: &str) -> String {
    format!("node/{name}")
}

fn cluster_world() -> World {
    let world = World::new();
    let nodes = format!("nodes={}", NODES.join(","));
    world.certgen(["init", "--profile", "cluster", "--set", &nodes]).run().success();
    world.certgen(["issue", "client", BESIDE, AWAY, STEADY, "--access", "all"]).run().success();
    world.certgen(["issue", "client", "--cli", OPERATOR]).run().success();
    world
}

fn cluster(world: &World, version: Version) -> Lab {
    let mut hosts: Vec<(&str, Etc)> =
        NODES.iter().map(|name| (*name, Etc::of_pki(&world.pki(""), &node(name)))).collect();
    let own = world.pki(format!("client/{OPERATOR}"));
    let mut etc = Etc::default().with(&own, "certs");
    for file in ["inter_node_tls.config", "rabbitmq-env.conf"] {
        etc = etc.with(own.join(file), file);
    }
    hosts.push((OPERATOR, etc));
    let lab = Lab::cluster(version, &hosts);
    lab.form_cluster(3);
    lab
}

fn rotation_under_load(version: Version) {
    let world = cluster_world();
    let lab = cluster(&world, version);
    let checks = Checks::default();
    let mut stage = Stage { world: &world, lab: &lab, checks, loads: Vec::new(), reloads: Vec::new(), copies: 0 };
    stage.copy_away();
    stage.keep("old");
    let [beside, away, steady] =
        [world.pki(format!("client/{BESIDE}")), world.path("away/now"), world.pki(format!("client/{STEADY}"))]
            .map(|path| path.display().to_string());
    let [a, b, c] = NODES;
    stage.loads = vec![
        Load::start(&world, stage.host(a), "steady", "steady.py", &[a, c, &steady]),
        Load::start(&world, stage.host(a), "beside-a", "reconnect.py", &[a, &beside]),
        Load::start(&world, stage.host(b), "away-b", "reconnect.py", &[b, &away]),
        Load::start(&world, stage.host(c), "away-c", "reconnect.py", &[c, &away]),
    ];
    stage.phase("before", |_| ());
    stage.phase("start", Stage::start);
    stage.phase("switch", Stage::switch);
    stage.phase("finish", Stage::finish);
    let steady = stage.loads[0].end();
    for list in ["lost", "twice", "failed"] {
        stage.checks.that(&format!("no message is {list}"), steady[list] == serde_json::json!([]), &steady.to_string());
    }
    stage.loads.drain(..).for_each(|mut load| drop(load.end()));

    stage.checks.refused("a client of the old root", &stage.login(c, "old"), TLS_REFUSALS);
    stage.checks.refused("a node of the old root", &stage.knock(c, "old"), TLS_REFUSALS);
    stage.keep("new");
    stage.checks.holds("a client of the new root", &stage.login(c, "new"));
    stage.checks.holds("a node of the new root", &stage.knock(c, "new"));
    stage.without_overlap();
    stage.without_overlap_between_nodes();
    stage.checks.finish(&lab);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn rotation_under_load_on_3_10() {
    rotation_under_load(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn rotation_under_load_on_4() {
    rotation_under_load(Version::V4);
}
