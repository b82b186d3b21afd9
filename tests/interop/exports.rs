//! What `export` writes, in the hands of those who read it: key stores by openssl, Java, Python and Node, a tar file by tar
//! on the host of a broker, a hand-over by age.

use std::fs;
use std::path::Path;
use std::process::Command;

use certgen::x509::Certificate;

use super::{credentials, only_node, vhost_of};
use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::invariants::snapshot;
use crate::support::judge::{Verdict, judge};
use crate::support::world::CERTGEN;
use crate::support::{World, cache, openssl, python};

const PASSWORD: &str = "change it";
const KEY_TYPES: [&str; 4] = ["ecdsa-p256", "ecdsa-p521", "ed25519", "rsa-2048"];
const ALIAS: &str = "worker";

/// A server and a client below an intermediate, with every store of both.
fn stores(key_type: &str) -> (World, String) {
    let world = World::new();
    world.write("pass", format!("{PASSWORD}\n"));
    let manifest = format!(
        "version = 1\n[defaults]\nissuer = \"below\"\nkey_type = \"{key_type}\"\n[authority.root]\n[authority.below]\nissuer = \"root\"\n\
         [server.localhost]\nsan = [\"localhost\", \"127.0.0.1\"]\n[client.worker]\n"
    );
    world.write("pki/certgen.toml", manifest);
    world.certgen(["apply"]).run().success();
    for (name, short) in [("server/localhost", "server"), ("client/worker", "client")] {
        for (format, file) in [
            ("pkcs12", "p12"),
            ("pkcs12-legacy", "legacy.p12"),
            ("jks", "jks"),
            ("truststore-pkcs12", "trust.p12"),
            ("truststore-jks", "trust.jks"),
        ] {
            let out = format!("{short}.{file}");
            let words = ["export", name, "--format", format, "--password-file", "pass", "--out", &out];
            let alias = ["--alias", ALIAS].into_iter().filter(|_| !format.starts_with("trust"));
            world.certgen(words.into_iter().chain(alias)).run().success();
        }
    }
    let chain = world.read("pki/client/worker/client_certificate.pem") + &world.read("pki/ca/root/ca_certificate.pem");
    let chain = world.write("chain.pem", chain).display().to_string();
    (world, chain)
}

fn ask<const N: usize>(world: &World, program: &str, args: [&str; N]) -> Verdict {
    let mut command = Command::new(program);
    command.args(args).current_dir(world.path(""));
    judge(command, program)
}

/// What openssl, of the machine or of Debian 13, says about a store that comes on standard input.
fn openssl_reads(root: &str, file: &Path) -> String {
    let script = format!("exec chroot {root} openssl pkcs12 -passin 'pass:{PASSWORD}' -nodes <{}", file.display());
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    judge(command, "openssl").accepted().to_owned()
}

#[test]
#[ignore = "needs root, and openssl 3.0 and 3.5 (Debian 13)"]
fn openssl_reads_every_store() {
    let trixie = cache::need("trixie").display().to_string();
    for key_type in KEY_TYPES {
        let (world, chain) = stores(key_type);
        let chain = Certificate::all_from_pem(&fs::read(chain).expect("written")).expect("certificates");
        assert_eq!(chain.len(), 3);
        let public =
            openssl(["pkey", "-in", &world.pki("client/worker/client_key.pem").display().to_string(), "-pubout"]);
        for root in ["/", &trixie] {
            for file in ["client.p12", "client.legacy.p12"] {
                let said = openssl_reads(root, &world.path(file));
                let found = Certificate::all_from_pem(said.as_bytes()).expect("certificates");
                assert_eq!(found, chain, "{key_type}, {root}, {file}");
                assert_eq!(said.matches("friendlyName: worker").count(), 2, "{key_type}, {root}, {file}\n{said}");
                let key = world.write("out.pem", &said).display().to_string();
                assert_eq!(
                    openssl(["pkey", "-in", &key, "-pubout"]).accepted(),
                    public.accepted(),
                    "{key_type}, {root}, {file}"
                );
            }
            let trusted = openssl_reads(root, &world.path("client.trust.p12"));
            let found = Certificate::all_from_pem(trusted.as_bytes()).expect("certificates");
            assert_eq!(found, chain[2..], "{key_type}, {root}");
        }
        // What has no container.
        for words in
            ["--format der --part key --out key.der", "--format der --out leaf.der", "--format combined --out all.pem"]
        {
            world.certgen(["export", "worker"].into_iter().chain(words.split(' '))).run().success();
        }
        let of = |words: &[&str]| {
            let mut command = Command::new("openssl");
            command.args(words).current_dir(world.path(""));
            judge(command, "openssl").accepted().to_owned()
        };
        assert_eq!(of(&["pkey", "-inform", "DER", "-in", "key.der", "-pubout"]), public.accepted());
        assert_eq!(of(&["pkey", "-in", "all.pem", "-pubout"]), public.accepted());
        for inform in [["-inform", "DER", "-in", "leaf.der"], ["-inform", "PEM", "-in", "all.pem"]] {
            let words = ["x509", "-noout", "-pubkey"].into_iter().chain(inform).collect::<Vec<_>>();
            assert_eq!(of(&words), public.accepted());
        }
    }
}

#[test]
#[ignore = "needs Java 17"]
fn java_reads_every_store() {
    for key_type in ["ecdsa-p256", "ed25519", "rsa-2048"] {
        let (world, chain) = stores(key_type);
        let subjects: Vec<String> = Certificate::all_from_pem(&fs::read(chain).expect("written"))
            .expect("certificates")
            .iter()
            .map(|c| c.sha256_hex().to_uppercase())
            .collect();
        for file in ["client.p12", "client.legacy.p12", "client.jks"] {
            let list = ask(&world, "keytool", ["-list", "-v", "-keystore", file, "-storepass", PASSWORD]);
            let said = list.accepted();
            for line in ["Alias name: worker\n", "Entry type: PrivateKeyEntry\n", "Certificate chain length: 3\n"] {
                assert!(said.contains(line), "{key_type}, {file}\n{said}");
            }
            let prints = said.lines().filter_map(|line| line.trim().strip_prefix("SHA256: "));
            assert_eq!(prints.map(|print| print.replace(':', "")).collect::<Vec<_>>(), subjects, "{key_type}, {file}");
        }
        for file in ["client.trust.p12", "client.trust.jks"] {
            let list = ask(&world, "keytool", ["-list", "-keystore", file, "-storepass", PASSWORD]);
            let said = list.accepted();
            assert!(said.contains("root, ") && said.contains("trustedCertEntry"), "{key_type}, {file}\n{said}");
        }
        let wrong = ask(&world, "keytool", ["-list", "-keystore", "client.p12", "-storepass", "changeit"]);
        assert!(!wrong.ok, "{}", wrong.text);
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/exports/Handshake.java");
        let kinds = [["p12", "trust.p12"], ["legacy.p12", "trust.jks"], ["jks", "trust.jks"]];
        let files = |[keys, trust]: [&str; 2]| {
            ["server", "client"].map(|who| [format!("{who}.{keys}"), format!("{who}.{trust}")])
        };
        let mut command = Command::new("java");
        command.arg(program).arg(PASSWORD).args(kinds.into_iter().flat_map(files).flatten());
        command.current_dir(world.path(""));
        let verdict = judge(command, "java");
        let said = verdict.accepted();
        for line in ["the server sees CN=worker\n", "the client sees CN=localhost\n"] {
            assert_eq!(said.matches(line).count(), 3, "{key_type}\n{said}");
        }
    }
}

#[test]
#[ignore = "needs Python with cryptography, and node"]
fn python_and_node_read_every_store() {
    for key_type in KEY_TYPES {
        let (world, chain) = stores(key_type);
        let path = |file: &str| world.path(file).display().to_string();
        let key = path("pki/client/worker/client_key.pem");
        let (modern, legacy) = (path("client.p12"), path("client.legacy.p12"));
        let read = python("interop/exports/stores.py", [PASSWORD, ALIAS, &chain, &key, &modern, &legacy]);
        assert_eq!(read.accepted().matches("is read").count(), 2);
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/exports/handshake.cjs");
        for kind in ["p12", "legacy.p12"] {
            let (server, client, root) = (
                path(&format!("server.{kind}")),
                path(&format!("client.{kind}")),
                path("pki/ca/root/ca_certificate.pem"),
            );
            let program = program.display().to_string();
            let met = ask(&world, "node", [&program, PASSWORD, &server, &client, &root, "localhost"]);
            assert_eq!(met.accepted(), "true worker\n", "{key_type}, {kind}");
        }
    }
}

#[test]
#[ignore = "needs rabbitmq-server 3.10 and root"]
fn a_tar_file_is_a_broker() {
    let world = World::new();
    world.certgen(["init", "--profile", "celery"]).on_host("rabbitmq").run().success();
    let node = only_node(&world);
    let vhost = vhost_of(&world, "celery_worker");
    let lab = Lab::single(Version::V3_10, "rabbitmq", &Etc::default());
    let host = lab.host();
    // As it is typed, but for ssh.
    let pipe = |owner: &str| {
        let pki = world.pki("").display().to_string();
        let script = format!("'{CERTGEN}' --pki '{pki}' export {node} --format tar {owner} | tar -xpmC /");
        host.run("sh", ["-c", &script])
    };
    let mut checks = Checks::default();
    checks.holds("tar unpacks it", &pipe(""));
    let modes = "cd /etc/rabbitmq && stat -c '%n %U:%G %a' . certs certs/server_key.pem certs/combined_keys.pem definitions.json rabbitmq.conf";
    let wanted = ". rabbitmq:rabbitmq 755\ncerts rabbitmq:rabbitmq 750\ncerts/server_key.pem rabbitmq:rabbitmq 600\n\
                  certs/combined_keys.pem rabbitmq:rabbitmq 600\ndefinitions.json rabbitmq:rabbitmq 600\nrabbitmq.conf rabbitmq:rabbitmq 644\n";
    let found = host.shell(modes);
    checks.that("the files belong to the broker, with their modes", found.text == wanted, &found.text);
    let kept = host.shell("cd /etc/rabbitmq && ls administrator.password definitions.d");
    checks.that("what is the administrator's stays where it is", !kept.ok, &kept.text);
    host.boot_broker();
    let [ca, cert, key] = credentials(&world, "celery_worker");
    let login = || host.python("login.py", ["rabbitmq", "5671", &ca, &cert, &key, "--vhost", &vhost]);
    checks.holds("a client logs in", &login());

    // A renewal goes the same way into a broker that runs, and its files look new to it.
    let serial = |world: &World| {
        let pem = fs::read(world.pki(format!("{node}/server_certificate.pem"))).expect("issued");
        Certificate::from_pem(&pem).expect("a certificate").serial().to_string()
    };
    let before = serial(&world);
    world.certgen(["renew", &node]).run().success();
    assert_ne!(serial(&world), before);
    let id = host.shell("id -u rabbitmq; id -g rabbitmq");
    let numbers = id.accepted().trim().replace('\n', ":");
    checks.holds("tar unpacks the renewed pair, with numbers", &pipe(&format!("--owner {numbers}")));
    let found = host.shell(modes);
    checks.that("the files still belong to the broker", found.text == wanted, &found.text);
    host.tool("rabbitmqctl", ["eval", "ssl:clear_pem_cache()."]).accepted();
    let shown =
        host.run("sh", ["-c", "openssl s_client -connect rabbitmq:5671 </dev/null 2>&1 | openssl x509 -noout -serial"]);
    let is_new = shown.text.to_lowercase().contains(&serial(&world).to_lowercase());
    checks.that("the broker shows the renewed certificate", is_new, &shown.text);
    checks.holds("a client still logs in", &login());
    checks.finish(&lab);
}

#[test]
#[ignore = "needs age and tar"]
fn age_and_tar_open_a_hand_over() {
    let world = World::new();
    world.certgen(["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"]).run().success();
    ask(&world, "age-keygen", ["-o", "identity.txt"]).accepted();
    let recipient = ask(&world, "age-keygen", ["-y", "identity.txt"]).accepted().trim().to_owned();
    let export = ["export", "celery_worker", "--format", "age", "--with", "celery", "--recipient", &recipient];
    world.certgen(export.into_iter().chain(["--out", "w.age"])).run().success();
    fs::create_dir(world.path("by-tar")).expect("a world is writable");
    ask(&world, "sh", ["-c", "umask 022; age -d -i identity.txt w.age | tar x -C by-tar"]).accepted();
    world.certgen(["import", "--identity", "identity.txt", "w.age", "--out", "by-certgen"]).run().success();
    let below = |directory: &str| {
        let files = snapshot(&world.path(directory)).into_iter();
        files
            .map(|(path, file)| (path.strip_prefix(world.path(directory)).expect("below it").to_owned(), file))
            .collect::<Vec<_>>()
    };
    let (by_tar, by_certgen) = (below("by-tar/celery_worker"), below("by-certgen"));
    assert!(by_tar.len() > 5, "{by_tar:?}");
    assert!(by_tar == by_certgen, "tar and certgen unpack the same");
    // What is in it works from the directory that it lies in.
    let script = "set -a; . ./connection.env; openssl pkey -in $AMQPS_KEY_FILE -pubout >a; \
                  openssl x509 -in $AMQPS_CERTIFICATE_FILE -noout -pubkey >b; cmp a b; \
                  openssl verify -CAfile $AMQPS_CA_FILE $AMQPS_CERTIFICATE_FILE";
    let mut command = Command::new("sh");
    command.args(["-ec", script]).current_dir(world.path("by-certgen"));
    judge(command, "sh").accepted();
    let mut command = Command::new(cache::need("venv").join("bin/python"));
    command.args([
        "-c",
        "import sys; sys.path.insert(0, 'celery'); import celeryconfig as c; print(c.broker_use_ssl['keyfile'])",
    ]);
    command.current_dir(world.path("by-certgen"));
    assert_eq!(judge(command, "python").accepted(), "./client_key.pem\n");
}
