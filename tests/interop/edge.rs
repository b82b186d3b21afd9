//! HAProxy and nginx before a real broker, each from the files that `certgen emit` wrote: what they let in, and whom they refuse.

use std::process::Command;

use super::{TLS_REFUSALS, credentials, only_node};
use crate::support::World;
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::invariants::check;
use crate::support::judge::{Verdict, judge};

/// What mosquitto's clients say of a connection that was not wanted, and not of a port where nothing listens.
const MQTT_REFUSALS: &[&str] = &["connection was lost", "Protocol error", "alert", "not authori", "bad user name"];

fn at_the_edge(version: Version) {
    let world = World::new();
    let init = ["init", "--profile", "mqtt", "--set", "devices=device-1,device-2,lost", "--set", "revocation=true"];
    world.certgen(init).on_host("rabbitmq").run().success();
    world.certgen(["issue", "client", "reporting", "--access", "all"]).run().success();
    world.certgen(["issue", "client", "proxy", "--configure", "^$", "--write", "^$", "--read", "^$"]).run().success();
    world.certgen(["issue", "authority", "public"]).run().success();
    world.certgen(["issue", "server", "ui", "--issuer", "public", "--san", "rabbitmq"]).run().success();
    world.certgen(["issue", "server", "ui-next", "--issuer", "public", "--san", "rabbitmq"]).run().success();
    // What emit says that devices need.
    world.certgen(["emit", "haproxy"]).run().success().stderr_has("set password = true");
    let manifest = world.read("pki/certgen.toml");
    world.write("pki/certgen.toml", manifest.replace("access = \"mqtt\"\n", "access = \"mqtt\"\npassword = true\n"));
    world.certgen(["emit", "rabbitmq"]).run().success();
    world.certgen(["revoke", "client/lost"]).run().success();
    world.certgen(["emit", "haproxy"]).run().success();
    world.certgen(["emit", "nginx", "--set", "certs=/etc/haproxy/nginx"]).run().success();
    check(&world.pki(""));
    let stranger = World::new();
    stranger.certgen(["init", "--profile", "mqtt", "--set", "devices=device-1"]).on_host("rabbitmq").run().success();

    let etc = Etc::of_pki(&world.pki(""), &only_node(&world));
    let own = |file: &str| world.pki(format!("emit/haproxy/{file}"));
    let etc = etc.with(own("rabbitmq.conf"), "rabbitmq.conf").with(own("enabled_plugins"), "enabled_plugins");
    let lab = Lab::single(version, "rabbitmq", &etc);
    let host = lab.host();
    host.launch();
    let edge = Edge { world: &world, host };
    edge.lay_out();
    host.await_boot();
    let mut checks = Checks::default();

    edge.start("haproxy -f /etc/haproxy/haproxy.cfg", 8883);
    haproxy(&edge, &stranger, &mut checks);
    swapped(&edge, &mut checks);
    edge.stop();
    // The same with a broker of another name is refused on the way to the UI.
    edge.run("sed -i 's/verifyhost rabbitmq sni str(rabbitmq)/verifyhost other.example.com/' /etc/haproxy/haproxy.cfg");
    edge.start("haproxy -f /etc/haproxy/haproxy.cfg", 8883);
    let page = edge.ui();
    checks.that("HAProxy checks the name of the broker", page.text == "503", &page.text);
    edge.stop();

    edge.start("nginx -c /etc/haproxy/nginx/nginx.conf -g 'daemon off;'", 8883);
    nginx(&edge, &stranger, &mut checks);
    edge.stop();
    reencrypted(&edge, &mut checks);
    checks.finish(&lab);
}

struct Edge<'a> {
    world: &'a World,
    host: &'a Host,
}

impl Edge<'_> {
    #[track_caller]
    fn run(&self, script: &str) -> String {
        self.host.run("sh", ["-ec", script]).accepted().to_owned()
    }

    /// The files where their comments say that they go, on a host of its own: the machine's are left alone.
    fn lay_out(&self) {
        let pki = self.world.pki("").display().to_string();
        self.run(&format!(
            "mount -t tmpfs tmpfs /etc/haproxy; mount -t tmpfs tmpfs /run; mkdir -p /run/haproxy /etc/haproxy/certs /etc/haproxy/nginx
             cp {pki}/emit/haproxy/haproxy.cfg /etc/haproxy/; cp {pki}/emit/haproxy/*.pem /etc/haproxy/certs/
             cp {pki}/emit/nginx/nginx.conf {pki}/emit/nginx/*.pem /etc/haproxy/nginx/
             cat {pki}/server/ui/server_certificate.pem {pki}/server/ui/server_key.pem >/etc/haproxy/certs/public.pem
             cat {pki}/client/proxy/client_certificate.pem {pki}/client/proxy/client_key.pem >/etc/haproxy/certs/proxy.pem
             cp {pki}/server/ui/server_certificate.pem /etc/haproxy/nginx/public.pem
             cp {pki}/server/ui/server_key.pem /etc/haproxy/nginx/public_key.pem"
        ));
    }

    /// Starts a proxy and waits until it listens.
    #[track_caller]
    fn start(&self, command: &str, port: u16) {
        self.run(&format!(
            "{command} >/run/proxy.log 2>&1 & echo $! >/run/proxy.pid
             for _ in $(seq 100); do ss -ltn | grep -q ':{port} ' && exit 0; sleep 0.1; done; cat /run/proxy.log; exit 1"
        ));
    }

    #[track_caller]
    fn stop(&self) {
        self.run("kill $(cat /run/proxy.pid); for _ in $(seq 100); do ss -ltn | grep -q ':8883 ' || exit 0; sleep 0.1; done; exit 1");
    }

    /// Publishes as `user`, with its password, and what certificate there is.
    fn publish(&self, user: &str, pair: Option<&[String; 3]>) -> Verdict {
        let public = self.public();
        let password = self.world.read(format!("pki/rabbitmq/{user}.password"));
        let mut args =
            vec!["-V", "mqttv311", "-h", "rabbitmq", "-p", "8883", "-i", "test", "-q", "1", "-t", "room/1", "-m", "1"];
        args.extend(["--cafile", &public, "-u", user, "-P", password.trim()]);
        if let Some([_, certificate, key]) = pair {
            args.extend(["--cert", certificate, "--key", key]);
        }
        self.host.run("mosquitto_pub", args)
    }

    fn public(&self) -> String {
        self.world.pki("ca/public/ca_certificate.pem").display().to_string()
    }

    fn ui(&self) -> Verdict {
        let page = ["-sS", "--cacert", &self.public(), "-o", "/dev/null", "-w", "%{http_code}", "https://rabbitmq/"];
        self.host.run("curl", page)
    }

    /// The serial number of the certificate that is shown on a port.
    fn shown(&self, port: u16) -> String {
        let line =
            format!("openssl s_client -connect rabbitmq:{port} 2>/dev/null </dev/null | openssl x509 -noout -serial");
        self.host.run("sh", ["-c", &line]).text
    }

    /// AMQP is let through to the broker, which sees the certificate.
    fn amqp_is_let_through(&self, checks: &mut Checks) {
        let [ca, certificate, key] = credentials(self.world, "reporting");
        let login = |rest: &[&str]| self.host.python("login.py", ["rabbitmq", "5671", &ca].iter().chain(rest));
        checks.holds("AMQP: the certificate is the user", &login(&[&certificate, &key, "--queue", "q"]));
        checks.refused("AMQP: no certificate", &login(&[]), TLS_REFUSALS);
        let unnamed =
            "openssl s_client -connect 127.0.0.1:5671 -noservername </dev/null 2>&1 | grep -q 'BEGIN CERTIFICATE'";
        let unnamed = self.host.run("sh", ["-c", unnamed]);
        checks.that("AMQP: who asks for nobody sees nobody", !unnamed.ok, &unnamed.text);
        let other = self.host.run("sh", ["-c", "openssl s_client -connect 127.0.0.1:5671 -servername x.example.com </dev/null 2>&1 | grep -q 'BEGIN CERT'"]);
        checks.that("AMQP: nor who asks for somebody else", !other.ok, &other.text);
    }

    fn devices(&self, stranger: &World, checks: &mut Checks) {
        let pair = credentials(self.world, "device-1");
        checks.holds("MQTT: a device with its certificate and its password", &self.publish("device-1", Some(&pair)));
        checks.refused("MQTT: no certificate", &self.publish("device-1", None), MQTT_REFUSALS);
        let other = credentials(stranger, "device-1");
        checks.refused("MQTT: the name from another authority", &self.publish("device-1", Some(&other)), MQTT_REFUSALS);
        let revoked = credentials(self.world, "lost");
        checks.refused("MQTT: a certificate that is revoked", &self.publish("device-1", Some(&revoked)), MQTT_REFUSALS);
    }
}

fn haproxy(edge: &Edge<'_>, stranger: &World, checks: &mut Checks) {
    edge.devices(stranger, checks);
    let [_, certificate, key] = credentials(edge.world, "lost");
    let line = format!("sleep 1 | openssl s_client -connect rabbitmq:8883 -cert {certificate} -key {key} 2>&1; exit 1");
    checks.refused("MQTT: it is refused for that", &edge.host.run("sh", ["-c", &line]), &["certificate revoked"]);
    let pair = credentials(edge.world, "device-2");
    let other = edge.publish("device-1", Some(&pair));
    checks.refused("MQTT: the certificate of one device, the password of another", &other, MQTT_REFUSALS);
    checks.holds("MQTT: that device as itself", &edge.publish("device-2", Some(&pair)));
    edge.amqp_is_let_through(checks);
    let page = edge.ui();
    checks.that("the UI, with the public certificate alone", page.ok && page.text == "200", &page.text);
    let direct = edge.host.run("bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/1883"]);
    let outside =
        edge.host.run("sh", ["-c", "ss -ltn | awk '{print $4}' | grep -E ':(1883|5670|15671)$' | grep -v '^127'"]);
    checks.that("the broker listens for the proxy alone", direct.ok && outside.text.is_empty(), &outside.text);
}

/// The script that came with it gives a running HAProxy another certificate.
fn swapped(edge: &Edge<'_>, checks: &mut Checks) {
    let serial = |name: &str| {
        let file = edge.world.pki(format!("server/{name}/server_certificate.pem"));
        edge.run(&format!("openssl x509 -noout -serial -in {}", file.display()))
    };
    checks.that("before: the first certificate", edge.shown(443) == serial("ui"), &edge.shown(443));
    let next = edge.world.pki("server/ui-next").display().to_string();
    let script = edge.world.pki("emit/haproxy/swap-certificate.sh").display().to_string();
    edge.run(&format!("{{ cat {next}/server_certificate.pem; echo; cat {next}/server_key.pem; }} >/run/next.pem"));
    checks.holds("the swap", &edge.host.run("sh", [script.as_str(), "/run/next.pem"]));
    checks.that("after: the other, without a reload", edge.shown(443) == serial("ui-next"), &edge.shown(443));
    checks.that("on the other port too", edge.shown(8883) == serial("ui-next"), &edge.shown(8883));
    edge.run(&format!("cat {next}/server_certificate.pem /etc/haproxy/certs/proxy.pem >/run/torn.pem"));
    let torn = edge.host.run("sh", [script.as_str(), "/run/torn.pem"]);
    checks.that("a key that does not fit is refused", !torn.ok, &torn.text);
    checks.that("and the certificate stays", edge.shown(443) == serial("ui-next"), &edge.shown(443));
}

fn nginx(edge: &Edge<'_>, stranger: &World, checks: &mut Checks) {
    edge.devices(stranger, checks);
    // What its comment says of it.
    let other = edge.publish("device-1", Some(&credentials(edge.world, "device-2")));
    checks.holds("nginx cannot bind the user to the certificate", &other);
    edge.amqp_is_let_through(checks);
    let page = edge.ui();
    checks.that("the UI, with the public certificate alone", page.ok && page.text == "200", &page.text);
}

/// Both, with AMQP's TLS ended and begun anew: clients come with passwords, and what they cannot be is the proxy.
fn reencrypted(edge: &Edge<'_>, checks: &mut Checks) {
    let public = edge.public();
    let password = edge.world.pki("rabbitmq/device-1.password").display().to_string();
    let starts = [
        ("haproxy", "/etc/haproxy/certs", "haproxy -f /etc/haproxy/haproxy.cfg"),
        ("nginx", "/etc/haproxy/nginx", "nginx -c /etc/haproxy/haproxy.cfg -g 'daemon off;'"),
    ];
    edge.run(
        "cd /etc/haproxy; cp certs/proxy.pem nginx/proxy.pem
         openssl pkey -in certs/proxy.pem -out nginx/proxy_key.pem",
    );
    for (target, certs, command) in starts {
        let certs = format!("certs={certs}");
        let said = edge.world.certgen([
            "emit",
            target,
            "--set",
            "amqp=reencrypt",
            "--set",
            &certs,
            "--out",
            "reencrypt",
            "--force",
        ]);
        said.run().success();
        let file = edge.world.path(if target == "nginx" { "reencrypt/nginx.conf" } else { "reencrypt/haproxy.cfg" });
        edge.run(&format!("cp {} /etc/haproxy/haproxy.cfg", file.display()));
        edge.start(command, 8883);
        let login = edge
            .host
            .python("login.py", ["rabbitmq", "5671", &public, "--user", "device-1", "--password-file", &password]);
        checks.holds(&format!("{target}: a password behind the public certificate"), &login);
        let own = edge.host.python("login.py", ["rabbitmq", "5671", &public, "--queue", "q"]);
        checks.refused(
            &format!("{target}: with EXTERNAL one is the proxy's user, who may do nothing"),
            &own,
            &["ACCESS_REFUSED", "403", "refused"],
        );
        edge.stop();
    }
}

/// What the proxies' own readers make of odd paths and of names with a star; and of a swap at such a path.
#[test]
#[ignore = "needs HAProxy, nginx with its stream module, socat and root"]
fn odd_paths_before_the_proxies() {
    let world = World::new();
    world.certgen(["init", "--profile", "kubernetes"]).run().success();
    let manifest = world.read("pki/certgen.toml");
    world.write("pki/certgen.toml", manifest.replace("[\"rabbitmq_prometheus\"]", "[\"rabbitmq_mqtt\"]"));
    world.certgen(["issue", "authority", "public"]).run().success();
    for name in ["ui", "next"] {
        world.certgen(["issue", "server", name, "--issuer", "public"]).run().success();
    }
    let sh = |script: &str, args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-ec", script, "sh"]).args(args);
        judge(command, "sh")
    };
    let pki = world.pki("").display().to_string();
    for (target, directory) in [("haproxy", "it's \"my\" $HOME # {x};"), ("nginx", "it's \"my\" # {x}; \\")] {
        let directory = world.path(directory).display().to_string();
        let set = format!("certs={directory}");
        world.certgen(["emit", target, "--set", &set]).run().success();
        let lay_out =
            "mkdir -p \"$2\"; cp $1/emit/$3/*.pem \"$2\"; cd \"$2\"; cp $1/server/ui/server_key.pem public_key.pem
             cat $1/server/ui/server_certificate.pem $1/server/ui/server_key.pem >public.pem
             cat $1/server/next/server_certificate.pem $1/server/next/server_key.pem >next";
        sh(lay_out, &[&pki, &directory, target]).accepted();
        let read = match target {
            "nginx" => "mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/log/nginx; nginx -t -c $1/emit/nginx/nginx.conf",
            _ => {
                "mount -t tmpfs tmpfs /run; mkdir /run/haproxy; ip link set lo up; haproxy -f $1/emit/haproxy/haproxy.cfg &
                 for _ in $(seq 50); do [ -S /run/haproxy/admin.sock ] && break; sleep 0.1; done; sleep 0.2
                 sh $1/emit/haproxy/swap-certificate.sh \"$2/next\"; cmp \"$2/next\" \"$2/public.pem\""
            }
        };
        sh(read, &[&pki, &directory]).accepted();
    }
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, HAProxy, nginx, mosquitto's clients and root"]
fn proxies_before_3_10() {
    at_the_edge(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, HAProxy, nginx, mosquitto's clients and root"]
fn proxies_before_4() {
    at_the_edge(Version::V4);
}
