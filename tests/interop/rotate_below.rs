//! An authority below the root, and the root above it, are replaced on a broker that checks revocation lists; and what
//! openssl says in every phase.

use std::fs;

use super::load::{Load, counts, enough};
use super::{TLS_REFUSALS, credentials, only_node};
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::judge::Verdict;
use crate::support::{World, openssl};

const ENOUGH: u64 = 40;

/// Below the root, and below the intermediate.
const CLIENTS: [&str; 2] = ["plain", "device"];

fn world_with_lists() -> World {
    let world = World::new();
    world.certgen(["init", "--profile", "celery", "--set", "revocation=true"]).on_host("rabbitmq").run().success();
    world.certgen(["issue", "authority", "devices", "--issuer", "root"]).run().success();
    world.certgen(["issue", "client", CLIENTS[0], "--access", "all", "--vhost", "/"]).run().success();
    let below = ["issue", "client", CLIENTS[1], "--issuer", "devices", "--access", "all", "--vhost", "/"];
    world.certgen(below).run().success();
    world
}

/// Brings everything that is to be delivered, one file after the other, and confirms it.
fn deliver(world: &World, host: &Host, checks: &mut Checks) {
    let status = world.certgen(["rotate", "status", "--json"]).run().success().json();
    for delivery in
        status["items"].as_array().into_iter().flatten().flat_map(|item| item["deliveries"].as_array()).flatten()
    {
        let files = delivery["files"].as_array().into_iter().flatten().filter_map(|file| file.as_str());
        let (role, name) =
            (delivery["role"].as_str().unwrap_or_default(), delivery["name"].as_str().unwrap_or_default());
        println!("     deliver {role}/{name}");
        for file in files.filter(|_| role != "client") {
            let from = world.path(file);
            if role == "broker" {
                for list in fs::read_dir(&from).expect("there are lists").flatten() {
                    host.install(&list.path(), &format!("/etc/rabbitmq/crls/{}", list.file_name().to_string_lossy()));
                }
            } else {
                let file_name = from.file_name().expect("a file").to_string_lossy().into_owned();
                host.install(&from, &format!("/etc/rabbitmq/certs/{file_name}"));
            }
        }
        world.certgen(["rotate", "status", "--delivered", &format!("{role}/{name}")]).run().success();
    }
    checks.holds("the broker reads its files", &host.shell("rabbitmqctl eval 'ssl:clear_pem_cache().'"));
}

fn rotation_with_lists(version: Version) {
    let world = world_with_lists();
    let lab = Lab::single(version, "rabbitmq", &Etc::of_pki(&world.pki(""), &only_node(&world)));
    let host = lab.host();
    host.boot_broker();
    let mut checks = Checks::default();
    for authority in ["devices", "root"] {
        let old = keep(&world, "device", &format!("old-{authority}"));
        let mut loads = CLIENTS.map(|name| {
            let directory = world.pki(format!("client/{name}")).display().to_string();
            Load::start(&world, host, &format!("{name}-{authority}"), "reconnect.py", &["rabbitmq", &directory])
        });
        enough(&loads, &[0, 0], ENOUGH, &format!("{authority}: before"), &mut checks);
        for phase in ["start", "switch", "finish"] {
            let from = counts(&loads);
            let force = (phase == "switch").then_some("--force");
            world.certgen(["rotate", phase, authority].into_iter().chain(force)).run().success();
            deliver(&world, host, &mut checks);
            enough(&loads, &from, ENOUGH, &format!("{authority}: {phase}"), &mut checks);
        }
        loads.iter_mut().for_each(|load| drop(load.end()));
        if authority == "root" {
            checks.refused("a client of the old root", &login(&world, host, &old), TLS_REFUSALS);
        }
    }
    // The control: without the successor's list everybody whom it signed is refused.
    world.certgen(["rotate", "start", "devices"]).run().success();
    world.certgen(["rotate", "switch", "devices", "--force"]).run().success();
    let [_, cert, key] = credentials(&world, "device");
    let device = [cert, key];
    checks.refused("without the list of the successor", &login(&world, host, &device), TLS_REFUSALS);
    world.certgen(["rotate", "finish", "devices"]).run().success();
    deliver(&world, host, &mut checks);
    checks.holds("with it", &login(&world, host, &device));

    // The root stays, and so does the way to what a stolen key below it signs: until its list is gone.
    let stolen = keep(&world, "device", "stolen");
    let output = world.certgen(["rotate", "start", "devices", "--compromised"]).run().success();
    let _ = output.stderr_has("accepts what the stolen key").stderr_has("certgen rotate start root --compromised");
    deliver(&world, host, &mut checks);
    checks.holds("a stolen pair is let in while the old list is there", &login(&world, host, &stolen));
    for list in host.shell("ls /etc/rabbitmq/crls").accepted().lines() {
        if !world.pki(format!("rabbitmq/crls/{list}")).exists() {
            host.shell(&format!("rm /etc/rabbitmq/crls/{list}")).accepted();
        }
    }
    checks.refused("and refused when it is gone", &login(&world, host, &stolen), TLS_REFUSALS);
    let [_, cert, key] = credentials(&world, "device");
    checks.holds("its successor", &login(&world, host, &[cert, key]));
    checks.finish(&lab);
}

fn login(world: &World, host: &Host, pair: &[String]) -> Verdict {
    let [ca, ..] = credentials(world, "device");
    host.python("login.py", [&"rabbitmq".to_owned(), &"5671".to_owned(), &ca].into_iter().chain(pair))
}

/// Keeps the present pair of a client.
fn keep(world: &World, name: &str, directory: &str) -> [String; 2] {
    ["client_certificate.pem", "client_key.pem"].map(|file| {
        let bytes = fs::read(world.pki(format!("client/{name}/{file}"))).expect("it was issued");
        world.write(format!("{directory}/{file}"), bytes).display().to_string()
    })
}

/// A copy of what every identity shows and trusts at one time.
struct Moment {
    at: String,
}

impl Moment {
    fn now(world: &World, at: &str) -> Self {
        fs::create_dir_all(world.path(at)).expect("a world is writable");
        let mut copy = std::process::Command::new("cp");
        copy.arg("-R").args([world.pki("node"), world.pki("client"), world.path(at)]);
        assert!(copy.status().is_ok_and(|status| status.success()), "copying what is shown {at}");
        Self { at: at.to_owned() }
    }

    /// Chains with what they are shown for, and the bundle of who verifies them.
    fn shown(&self, world: &World) -> Vec<(String, &'static str, &'static str)> {
        let file = |path: &str| world.path(format!("{}/{path}", self.at)).display().to_string();
        let node = file("node/a.rabbit.test/server_certificate.pem");
        let listener = "node/a.rabbit.test/ca_certificate.pem";
        let link = "node/a.rabbit.test/inter_node_ca_certificate.pem";
        vec![
            (file("client/plain/client_certificate.pem"), "sslclient", listener),
            (file("client/device/client_certificate.pem"), "sslclient", listener),
            (node.clone(), "sslserver", "client/plain/ca_certificate.pem"),
            (node.clone(), "sslserver", link),
            (node, "sslclient", link),
        ]
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_accepts_everybody_in_every_phase() {
    let world = World::new();
    let nodes = "nodes=a.rabbit.test,b.rabbit.test";
    world.certgen(["init", "--profile", "cluster", "--set", nodes]).run().success();
    world.certgen(["issue", "authority", "devices", "--issuer", "clients"]).run().success();
    world.certgen(["issue", "client", "plain", "--access", "mqtt"]).run().success();
    world.certgen(["issue", "client", "device", "--issuer", "devices", "--access", "mqtt"]).run().success();
    let mut moments = vec![Moment::now(&world, "first")];
    for phase in ["start", "switch", "finish"] {
        for authority in ["nodes", "clients"] {
            let force = (phase == "switch").then_some("--force");
            world.certgen(["rotate", phase, authority].into_iter().chain(force)).run().success();
            moments.push(Moment::now(&world, &format!("{phase}-{authority}")));
        }
    }
    let meets = |shows: &Moment, trusts: &Moment, number: usize| {
        let (chain, purpose, bundle) = shows.shown(&world).swap_remove(number);
        let bundle = world.path(format!("{}/{bundle}", trusts.at)).display().to_string();
        let words = ["verify", "-x509_strict", "-no-CApath", "-purpose", purpose];
        let files = ["-CAfile", &bundle, "-untrusted", &chain, &chain];
        (openssl(words.into_iter().chain(files)), format!("{chain} for {purpose} by {bundle}"))
    };
    let mut met = 0;
    for (at, moment) in moments.iter().enumerate() {
        // Two rotations side by side: two commands back may still be on their way.
        for other in &moments[at.saturating_sub(2)..=at] {
            for (shows, trusts) in [(moment, other), (other, moment)] {
                for number in 0..moment.shown(&world).len() {
                    let (verdict, what) = meets(shows, trusts, number);
                    assert!(verdict.ok, "{what}\n{}", verdict.text);
                    met += 1;
                }
            }
        }
    }
    assert!(met > 100, "{met}");
    let (first, last) = (&moments[0], moments.last().expect("seven"));
    for number in 0..first.shown(&world).len() {
        for (shows, trusts) in [(first, last), (last, first)] {
            let (verdict, what) = meets(shows, trusts, number);
            assert!(!verdict.ok, "{what} is not refused, so this test cannot see anything");
        }
    }
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn rotation_with_lists_on_3_10() {
    rotation_with_lists(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn rotation_with_lists_on_4() {
    rotation_with_lists(Version::V4);
}
