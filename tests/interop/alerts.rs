//! Prometheus' own tool reads the rules and the scrape, and sees an alert fire for what `status --prometheus` wrote.

use std::path::Path;
use std::process::Command;

use crate::support::World;
use crate::support::judge::{Verdict, judge, python};

fn promtool<'a>(world: &World, words: impl IntoIterator<Item = &'a str>) -> Verdict {
    let mut command = Command::new("promtool");
    command.args(words).current_dir(world.path(""));
    judge(command, "promtool")
}

/// A PKI whose broker checks lists and serves metrics.
fn world() -> World {
    let world = World::new();
    let init = ["init", "--profile", "celery", "--set", "hostname=rabbit.example.com", "--set", "revocation=true"];
    world.certgen(init).at("2026-11-28T00:00:00Z").run().success();
    let plugins = "[broker]\nplugins = [\"rabbitmq_prometheus\"]\n";
    let manifest = world.read("pki/certgen.toml").replace("\n[broker]\n", &format!("\n{plugins}"));
    assert!(manifest.contains(plugins), "{manifest}");
    world.write("pki/certgen.toml", manifest);
    world
}

#[test]
#[ignore = "needs promtool, of Debian's prometheus"]
fn promtool_takes_the_rules_and_the_scrape() {
    let world = world();
    let hostile = "textfile=/var/lib/node exporter/it's (the) \"{{ x }}\" $(id) \\.prom";
    for (directory, words) in [("plain", &["prometheus"][..]), ("hostile", &["prometheus", "--set", hostile])] {
        world.certgen(["emit"].iter().chain(words).chain(&["--out", directory])).run().success();
        let rules = promtool(&world, ["check", "rules", &format!("{directory}/certgen.rules.yml")]);
        assert!(rules.accepted().contains("SUCCESS: 7 rules found"), "{}", rules.text);
        let scrape = promtool(&world, ["check", "config", &format!("{directory}/scrape.yml")]);
        assert!(scrape.accepted().contains("SUCCESS"), "{}", scrape.text);
    }
    let broken = world.read("plain/certgen.rules.yml").replacen("time() - ", "time( - ", 1);
    world.write("broken.yml", broken);
    assert!(!promtool(&world, ["check", "rules", "broken.yml"]).ok, "the judge does not judge");
}

/// One certificate of ten days, one of a year; nobody renews either, and a list that nobody signs again.
#[test]
#[ignore = "needs promtool, of Debian's prometheus"]
fn what_expires_fires_and_nothing_else_does() {
    let world = world();
    let short = ["issue", "client", "short", "--like", "celery_worker", "--validity", "10d"];
    world.certgen(short).at("2026-11-28T00:00:00Z").run().success();
    let status = ["status", "--prometheus", "certgen.prom"];
    world.certgen(status).at("2026-11-28T00:00:00Z").run().success();
    world.certgen(["emit", "prometheus", "--out", "rules"]).run().success();
    let test = |cases: &str| {
        let words = ["rules/certgen.rules.yml", "certgen.prom", cases];
        let words = words[..2].iter().map(|file| world.path(file).display().to_string()).chain([cases.to_owned()]);
        let made = python("interop/alerts.py", words).accepted().to_owned();
        world.write("test.yml", made);
        promtool(&world, ["test", "rules", "test.yml"])
    };
    let (overdue, expires, expired) =
        ("CertgenRenewalOverdue", "CertgenCertificateExpires", "CertgenCertificateExpired");
    let lapses = "CertgenRevocationListLapses";
    let truth = format!(
        "3d: ; 8d: {overdue}=1; 9d12h: {overdue}=1 {expires}=1; 11d: {overdue}=1 {expires}=1 {expired}=1; \
         24d: {overdue}=2 {expires}=1 {expired}=1; 26d: {overdue}=2 {expires}=1 {expired}=1 {lapses}=1"
    );
    test(&truth).accepted();
    for lie in [format!("3d: {overdue}=1"), "8d: ".to_owned(), format!("11d: {overdue}=1 {expired}=1")] {
        assert!(!test(&lie).ok, "promtool believes {lie}");
    }
    assert!(Path::new(&world.path("rules/scrape.yml")).exists());
}
