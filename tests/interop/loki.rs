//! Loki's rules: their syntax, and whether they hear what brokers log.

use std::path::Path;
use std::process::Command;

use crate::support::broker::{Checks, Lab};
use crate::support::judge::{judge, python};
use crate::support::{World, cache};

/// LogQL by the grammar that Grafana's editors have: there is no Loki to be had here.
#[test]
#[ignore = "needs node and @grafana/lezer-logql"]
fn the_expressions_are_logql() {
    let world = World::initialised(["--profile", "celery"]);
    let value = "value=it's \"x\"} |= `y` {{z}} \\";
    for (directory, words) in [("plain", &["loki"][..]), ("hostile", &["loki", "--set", value])] {
        world.certgen(["emit"].iter().chain(words).chain(&["--out", directory])).run().success();
        let rules = world.path(directory).join("rabbitmq.rules.yml");
        let expressions = python("interop/loki.py", [Path::new("expressions"), &rules]).accepted().to_owned();
        assert_eq!(expressions.lines().count(), 3, "{expressions}");
        let file = world.write("expressions", &expressions);
        assert!(logql(&file).accepted().contains("3 expressions"));
        let broken = world.write("broken", expressions.replacen("|~", "|~~", 1));
        assert!(!logql(&broken).ok, "the judge does not judge");
    }
}

fn logql(file: &Path) -> crate::support::judge::Verdict {
    let mut command = Command::new("node");
    let modules = cache::need("node/node_modules/@grafana/lezer-logql").join("index.cjs");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/logql.cjs")).arg(modules).arg(file);
    judge(command, "node")
}

/// A stranger and a client without a user knock at the broker, and the rules find both in its log.
pub(crate) fn what_was_refused_is_heard_of(world: &World, lab: &Lab, checks: &mut Checks) {
    let other = World::initialised(["--profile", "mqtt"]);
    other.certgen(["issue", "client", "stranger", "--access", "mqtt"]).run().success();
    world.certgen(["issue", "client", "ghost", "--vhost", "v", "--access", "all"]).run().success();
    let host = lab.host();
    let [ca, ..] = super::credentials(world, "ghost");
    for (of, name) in [(&other, "stranger"), (world, "ghost")] {
        let [_, cert, key] = super::credentials(of, name);
        let login = host.python("login.py", [host.name(), "5671", &ca, &cert, &key]);
        checks.that(&format!("{name} is refused"), !login.ok, &login.text);
    }
    world.certgen(["emit", "loki", "--out", "loki"]).run().success();
    let log = world.write("broker.log", host.log());
    let heard = python("interop/loki.py", [Path::new("hear"), &world.path("loki/rabbitmq.rules.yml"), &log]);
    for wanted in
        ["RabbitmqTlsAlert generated, Unknown CA", "RabbitmqExternalLoginRefused user 'ghost' - invalid credentials"]
    {
        checks.that(&format!("heard: {wanted}"), heard.text.contains(wanted), &heard.text);
    }
    checks.that("nothing is called expired", !heard.text.contains("Expired"), &heard.text);
}
