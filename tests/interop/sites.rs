//! Sites with authorities of their own below one root, on real brokers: whom a broker that trusts the root lets in, and the
//! two remedies.

use std::fs;

use super::TLS_REFUSALS;
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::judge::Verdict;
use crate::support::{World, openssl};

/// A PKI with a root and nothing else.
fn root() -> World {
    let world = World::new();
    world.write("root.toml", "version = 1\n\n[authority.root]\ncommon_name = \"Example\"\n");
    world.certgen(["init", "--profile", "./root.toml"]).run().success();
    world
}

/// A site whose authority the root has certified.
fn site(root: &World, name: &str, flags: &[&str]) -> World {
    let site = World::new();
    site.certgen(["request", "authority", name]).run().success();
    root.write("request.pem", site.read(format!("pki/ca/{name}/request.pem")));
    let issue = ["issue", "authority", name, "--csr", "request.pem", "--issuer", "root"];
    root.certgen(issue.iter().chain(flags)).run().success();
    site.write("ca_chain.pem", root.read(format!("pki/ca/{name}/ca_chain.pem")));
    site.certgen(["request", "--finish", "ca_chain.pem"]).run().success();
    site
}

/// A client, in a user of its first DNS name.
fn device(site: &World, name: &str, san: &str) -> [String; 2] {
    site.certgen(["issue", "client", name, "--san", san, "--access", "all", "--vhost", "/"]).run().success();
    pair(site, name)
}

fn pair(site: &World, name: &str) -> [String; 2] {
    ["client_certificate.pem", "client_key.pem"]
        .map(|file| site.pki(format!("client/{name}/{file}")).display().to_string())
}

/// What somebody signs who has a site's key and does not ask certgen.
fn forged(site: &World, authority: &str, san: &str) -> [String; 2] {
    let path = |file: &str| site.path(format!("forged-{file}")).display().to_string();
    let (key, request, leaf, chain) = (path("key.pem"), path("request.pem"), path("leaf.pem"), path("chain.pem"));
    site.write(
        "forged-extensions",
        format!("subjectAltName=DNS:{san}\nextendedKeyUsage=clientAuth\nkeyUsage=critical,digitalSignature\n"),
    );
    let new =
        ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=sensor-1"];
    openssl(new.into_iter().chain(["-keyout", &key, "-out", &request])).accepted();
    let ca = site.pki(format!("ca/{authority}"));
    let (certificate, ca_key) =
        (ca.join("ca_certificate.pem").display().to_string(), ca.join("ca_key.pem").display().to_string());
    let sign = ["x509", "-req", "-in", &request, "-CA", &certificate, "-CAkey", &ca_key, "-days", "30", "-out", &leaf];
    openssl(sign.into_iter().chain(["-extfile", &path("extensions")])).accepted();
    let both = fs::read_to_string(&leaf).expect("signed") + &fs::read_to_string(&certificate).expect("an authority");
    fs::write(&chain, both).expect("a world is writable");
    [chain, key]
}

fn login(host: &Host, ca: &str, pair: &[String; 2]) -> Verdict {
    host.python("login.py", ["broker.site-a.test", "5671", ca, &pair[0], &pair[1]])
}

/// The broker learns another bundle.
fn trust(host: &Host, bundle: &std::path::Path, checks: &mut Checks) {
    host.install(bundle, "/etc/rabbitmq/certs/ca_certificate.pem");
    checks.holds("the broker reads its bundle", &host.shell("rabbitmqctl eval 'ssl:clear_pem_cache().'"));
}

/// The site's own broker.
fn with_broker(site: &World, settings: &str) {
    let manifest = site.read("pki/certgen.toml");
    let broker = format!("\n[broker]\nlogin_from = \"san dns\"\n{settings}\n[server.\"broker.site-a.test\"]\n");
    site.write("pki/certgen.toml", manifest + &broker);
    site.certgen(["issue", "server", "broker.site-a.test"]).run().success();
}

/// A broker that checks revocation has the list of its site alone; the root's stays where the root is.
fn lists(version: Version) {
    let root = root();
    let (a, b) = (site(&root, "site-a", &[]), site(&root, "site-b", &[]));
    with_broker(&a, "revocation = true\n");
    let ours = device(&a, "sensor-1", "sensor-1.site-a.test");
    let leaked = device(&a, "sensor-2", "sensor-2.site-a.test");
    let theirs = device(&b, "sensor-3", "sensor-1.site-a.test");
    let ca = root.pki("ca/root/ca_certificate.pem").display().to_string();
    let lab = Lab::single(version, "broker.site-a.test", &Etc::of_pki(&a.pki(""), "server/broker.site-a.test"));
    let host = lab.host();
    host.boot_broker();
    let mut checks = Checks::default();
    checks.holds("a device of the site, without a list of the root", &login(host, &ca, &ours));
    checks.holds("another one", &login(host, &ca, &leaked));
    checks.refused("a device of a site whose list is not here", &login(host, &ca, &theirs), TLS_REFUSALS);
    a.certgen(["revoke", "sensor-2"]).run().success();
    let lists: Vec<_> = fs::read_dir(a.pki("rabbitmq/crls")).expect("there are lists").flatten().collect();
    assert_eq!(lists.len(), 1, "the site's own");
    for list in lists {
        host.install(&list.path(), &format!("/etc/rabbitmq/crls/{}", list.file_name().to_string_lossy()));
    }
    checks.refused("the one that was revoked", &login(host, &ca, &leaked), TLS_REFUSALS);
    checks.holds("the first goes on", &login(host, &ca, &ours));
    // What the root says of the site's authority is no matter for `crl_check = peer`.
    root.certgen(["revoke", "authority/site-a"]).run().success();
    let list = root.pki("ca/root/crl.pem");
    let hash = openssl(["crl", "-in", &list.display().to_string(), "-noout", "-hash"]).accepted().trim().to_owned();
    host.install(&list, &format!("/etc/rabbitmq/crls/{hash}.r0"));
    checks.holds("also when the root has revoked its authority", &login(host, &ca, &ours));
    checks.finish(&lab);
}

fn sites(version: Version) {
    let root = root();
    let a = site(&root, "site-a", &["--permit", "site-a.test"]);
    let b = site(&root, "site-b", &["--permit", "site-b.test"]);
    let free = site(&root, "site-c", &[]);
    with_broker(&a, "");
    let ours = device(&a, "sensor-1", "sensor-1.site-a.test");
    let theirs = device(&b, "sensor-1", "sensor-1.site-b.test");
    let ca = root.pki("ca/root/ca_certificate.pem").display().to_string();

    let lab = Lab::single(version, "broker.site-a.test", &Etc::of_pki(&a.pki(""), "server/broker.site-a.test"));
    let host = lab.host();
    host.boot_broker();
    let mut checks = Checks::default();
    checks.holds("a device of the site", &login(host, &ca, &ours));
    checks.refused(
        "a device of another site is nobody here",
        &login(host, &ca, &theirs),
        &["ACCESS_REFUSED", "login was refused"],
    );

    // The limit: without a constraint, another site's authority makes the devices of this one.
    let pretender = device(&free, "sensor-1", "sensor-1.site-a.test");
    checks.holds("control: an authority without a constraint names a user of this site", &login(host, &ca, &pretender));
    // The remedy: with one, certgen does not sign that, and what a thief of the key signs ends in the handshake.
    let issue = ["issue", "client", "sensor-2", "--san", "sensor-2.site-a.test"];
    b.certgen(issue).run().refused().stderr_has("names_inside_constraints");
    checks.refused(
        "an authority with one does not",
        &login(host, &ca, &forged(&b, "site-b", "sensor-1.site-a.test")),
        TLS_REFUSALS,
    );
    checks.refused(
        "nor by a certificate within its names, which is nobody here",
        &login(host, &ca, &forged(&b, "site-b", "x.site-b.test")),
        &["ACCESS_REFUSED", "login was refused"],
    );
    // A constraint on DNS names has no say about common names.
    let common_name = "application:set_env(rabbit, ssl_cert_login_from, common_name).";
    host.shell(&format!(
        "rabbitmqctl eval '{common_name}' && rabbitmqctl add_user sensor-1 unused-password && \
                         rabbitmqctl set_permissions sensor-1 '' '' ''"
    ))
    .accepted();
    checks.holds(
        "control: where the common name is the user, another site's sensor-1 is this one's",
        &login(host, &ca, &theirs),
    );
    let by_name = "application:set_env(rabbit, ssl_cert_login_from, subject_alternative_name).";
    host.shell(&format!("rabbitmqctl eval '{by_name}'")).accepted();

    // An intermediate is no anchor for Erlang: it cannot be trusted in the root's place.
    trust(host, &a.pki("ca/site-a/ca_certificate.pem"), &mut checks);
    checks.refused(
        "the site's authority alone in the bundle refuses everybody",
        &login(host, &ca, &ours),
        TLS_REFUSALS,
    );
    // The other remedy: devices have a root of their own at each site, which that site's broker trusts and no other.
    let own = self::root();
    let device_of_own = device(&own, "sensor-1", "sensor-1.site-a.test");
    trust(host, &own.pki("ca/root/ca_certificate.pem"), &mut checks);
    checks.holds("a root for the devices of one site", &login(host, &ca, &device_of_own));
    checks.refused("keeps out whoever else the others sign for", &login(host, &ca, &pretender), TLS_REFUSALS);
    checks.refused("constraint or not", &login(host, &ca, &ours), TLS_REFUSALS);
    checks.finish(&lab);
}

#[test]
#[ignore = "needs root, RabbitMQ 3.10 and Python"]
fn sites_on_rabbitmq_3_10() {
    sites(Version::V3_10);
}

#[test]
#[ignore = "needs root, RabbitMQ 4.x in a root of Debian 13, and Python"]
fn sites_on_rabbitmq_4() {
    sites(Version::V4);
}

#[test]
#[ignore = "needs root, RabbitMQ 3.10 and Python"]
fn lists_of_a_site_on_rabbitmq_3_10() {
    lists(Version::V3_10);
}

#[test]
#[ignore = "needs root, RabbitMQ 4.x in a root of Debian 13, and Python"]
fn lists_of_a_site_on_rabbitmq_4() {
    lists(Version::V4);
}
