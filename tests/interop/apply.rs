//! A manifest that somebody edited, brought to a real broker by `apply`.

use std::fs;

use super::{TLS_REFUSALS, credentials, only_node, vhost_of};
use crate::support::World;
use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::invariants::check;

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn an_edited_manifest_on_3_10() {
    let world = World::new();
    let init = ["init", "--profile", "celery", "--set", "revocation=true"];
    world.certgen(init).on_host("rabbitmq").run().success();
    // Whoever leaves keeps a copy.
    for (file, path) in ["ca", "cert", "key"].iter().zip(credentials(&world, "celery_client")) {
        fs::copy(path, world.path(format!("kept-{file}"))).expect("a world is writable");
    }
    let text = world.read("pki/certgen.toml").replace("[client.celery_client]\n", "");
    let added =
        "\n[client.reporting]\nvhost = \"/\"\nconfigure = \"^reports$\"\nwrite = \".*\"\nread = \"^reports$\"\n";
    let list = "\n[[from]]\nrole = \"client\"\nfile = \"../workers.csv\"\n";
    world.write("pki/certgen.toml", format!("{text}{added}{list}"));
    world.write("workers.csv", "name,like\nworker-1,celery_worker\n");
    world.certgen(["plan", "--prune"]).run().code(3);
    world.certgen(["apply", "--prune", "--yes"]).run().success();
    world.certgen(["plan"]).run().success();
    check(&world.pki(""));

    let lab = Lab::single(Version::V3_10, "rabbitmq", &Etc::of_pki(&world.pki(""), &only_node(&world)));
    let host = lab.host();
    host.boot_broker();
    let mut checks = Checks::default();
    let login = |name: &str, more: &[&str]| {
        let [ca, cert, key] = credentials(&world, name);
        host.python(
            "login.py",
            ["rabbitmq", "5671", &ca, &cert, &key].iter().chain(more).map(|word| (*word).to_owned()),
        )
    };
    let vhost = vhost_of(&world, "worker-1");
    checks.holds("a client of the manifest uses its queue", &login("reporting", &["--queue", "reports"]));
    checks.refused("and no other", &login("reporting", &["--queue", "others"]), &["ACCESS_REFUSED"]);
    checks.holds(
        "a client of a list works like its model",
        &login("worker-1", &["--vhost", &vhost, "--queue", "celery"]),
    );
    checks.refused("but not in another vhost", &login("worker-1", &[]), &["access", "ACCESS", "NOT_ALLOWED"]);
    let kept = ["ca", "cert", "key"].map(|file| world.path(format!("kept-{file}")).display().to_string());
    let gone = host.python("login.py", ["rabbitmq", "5671", &kept[0], &kept[1], &kept[2], "--vhost", &vhost]);
    checks.refused("who was pruned is refused", &gone, TLS_REFUSALS);
    let users = host.tool("rabbitmqctl", ["list_users"]);
    checks.that("and is no user", users.ok && !users.text.contains("celery_client"), &users.text);
    checks.finish(&lab);
}
