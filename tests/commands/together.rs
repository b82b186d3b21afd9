//! Many commands in one directory at once, and commands that are killed.

use std::time::Duration;

use crate::support::World;
use crate::support::invariants::check;

/// Deterministic spread of delays: no seed to lose.
fn delays(count: u64, up_to: Duration) -> impl Iterator<Item = Duration> {
    let nanos = u64::try_from(up_to.as_nanos()).expect("short").max(1);
    (0..count).map(move |i| Duration::from_nanos(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % nanos))
}

#[test]
fn eight_processes_twenty_rounds() {
    let world = World::initialised([]);
    std::thread::scope(|scope| {
        for process in 0..8 {
            let world = &world;
            scope.spawn(move || {
                for round in 0..20 {
                    world.certgen(["issue", "client", &format!("p{process}-r{round}")]).run().success();
                }
            });
        }
    });
    // check() finds a serial number that occurs twice.
    check(&world.pki(""));
    let list = world.certgen(["--json", "list"]).run().success().json();
    let items = list["items"].as_array().expect("items").iter();
    let mut names: Vec<&str> = items.filter_map(|i| i["name"].as_str()).filter(|n| n.contains("-r")).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 160, "not every certificate is listed");
    let manifest = world.read("pki/certgen.toml");
    let missing: Vec<_> = names.iter().filter(|n| !manifest.contains(n.rsplit('/').next().unwrap_or(n))).collect();
    assert!(missing.is_empty(), "certgen.toml forgot {missing:?}");
    let definitions: serde_json::Value =
        serde_json::from_str(&world.read("pki/rabbitmq/definitions.json")).expect("JSON");
    let users = definitions["users"].as_array().expect("users").iter();
    assert_eq!(
        users.filter(|u| u["name"].as_str().is_some_and(|n| n.contains("-r"))).count(),
        160,
        "users are missing"
    );
}

#[test]
fn the_same_name_at_once_is_one_certificate() {
    let world = World::initialised([]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| world.certgen(["issue", "client", "same"]).run().success());
        }
    });
    check(&world.pki(""));
    let log = world.read("pki/inventory.jsonl");
    assert_eq!(log.lines().filter(|l| l.contains("\"same\"") && l.contains("issued")).count(), 1, "{log}");
}

#[test]
fn two_hundred_kills() {
    let world = World::initialised([]);
    let whole = world.certgen(["issue", "client", "before"]).run().success().took;
    let mut issued = vec!["before".to_owned()];
    for (round, delay) in delays(200, whole.max(Duration::from_millis(4)) * 5 / 4).enumerate() {
        let name = format!("k{round}");
        let args = match round % 3 {
            0 => vec!["issue", "client", &name],
            1 => vec!["issue", "server", &name, "--san", "localhost"],
            _ => vec!["issue", "client", "before", "--force"],
        };
        let mut child = world.certgen(args).start();
        std::thread::sleep(delay);
        let _ = child.kill();
        if child.wait().expect("a child").success() && round % 3 == 0 {
            issued.push(name);
        }
        // Now and then, look closely at what is left after the next command.
        if round % 20 == 19 {
            world.certgen(["issue", "client", &format!("after-{round}")]).run().success();
            check(&world.pki(""));
        }
    }
    world.certgen(["issue", "client", "after"]).run().success();
    check(&world.pki(""));
    let list = world.certgen(["--json", "list"]).run().success().stdout;
    for name in issued {
        assert!(list.contains(&format!("\"{name}\"")), "{name} was issued and is lost");
    }
}

#[test]
fn an_interrupted_init_can_be_repeated() {
    for delay in delays(30, Duration::from_millis(40)) {
        let world = World::new();
        let mut child = world.certgen(["init", "--profile", "celery"]).start();
        std::thread::sleep(delay);
        let _ = child.kill();
        let done = child.wait().expect("a child").success();
        let again = world.certgen(["init", "--profile", "celery", "--keep"]).run().sane();
        assert_eq!(again.code, Some(0), "after a kill at {delay:?} (done: {done})\n{}", again.transcript());
        check(&world.pki(""));
    }
}
