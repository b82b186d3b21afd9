//! What is listed: of one PKI, of several, and of one that is too long to read.

use std::fs;

use serde_json::Value;

use crate::support::World;

const DAY_ONE: &str = "2026-01-01T00:00:00Z";
/// So long that certgen reads the index and not the whole.
const MANY: usize = 20_000;

fn names(world: &World, line: &[&str]) -> Vec<String> {
    let json = world.certgen(["list", "--json"].iter().chain(line)).at(DAY_ONE).run().success().json();
    let items = json["items"].as_array().expect("items").clone();
    items.iter().map(|item| format!("{}/{}", item["role"], item["name"]).replace('"', "")).collect()
}

fn celery() -> World {
    let world = World::new();
    world.certgen(["init", "--profile", "celery", "--set", "hostname=a.example"]).at(DAY_ONE).run().success();
    world
}

#[test]
fn a_limit_says_that_there_is_more() {
    let world = celery();
    let all = names(&world, &[]);
    assert!(all.len() > 2, "{all:?}");
    assert_eq!(names(&world, &["--limit", "2"]), all[..2]);
    let two = world.certgen(["list", "--limit", "2"]).at(DAY_ONE).run().success();
    two.stderr_has("there are more than these 2");
    let enough = world.certgen(["list", "--limit", &all.len().to_string()]).at(DAY_ONE).run().success();
    assert!(!enough.stderr.contains("more than"), "{}", enough.stderr);
}

#[test]
fn several_pkis_are_listed_as_one() {
    let world = World::new();
    for (site, client) in [("berlin", "sensor-b"), ("tokyo", "sensor-t")] {
        world.certgen(["--pki", site, "init", "--profile", "one-intermediate"]).at(DAY_ONE).run().success();
        world.certgen(["--pki", site, "issue", "client", client]).at(DAY_ONE).run().success();
    }
    let both = names(&world, &["client", "--merge", "berlin", "tokyo"]);
    assert_eq!(both, ["client/client", "client/sensor-b", "client/sensor-t"], "the profile's own stands in both");
    assert_eq!(names(&world, &["sensor-t", "--merge", "berlin", "tokyo"]), ["client/sensor-t"]);
    world.certgen(["list", "--merge", "berlin", "nowhere"]).run().refused().stderr_has("nowhere");
    world.certgen(["list", "sensor-x", "--merge", "berlin", "tokyo"]).run().refused().stderr_has("sensor-x");
}

#[test]
fn copies_that_went_apart_are_united_and_what_both_issued_is_told() {
    let world = celery();
    let other = world.copy();
    world.certgen(["issue", "client", "mine", "twin"]).at("2026-01-02T00:00:00Z").run().success();
    world.certgen(["revoke", "celery_worker"]).at("2026-01-02T00:00:00Z").run().success();
    other.certgen(["issue", "client", "yours", "twin"]).at("2026-01-03T00:00:00Z").run().success();
    let there = other.pki("").display().to_string();
    let merged = ["--merge", "pki", there.as_str()];
    let run =
        world.certgen(["list", "client", "--json"].iter().chain(&merged)).at("2026-01-04T00:00:00Z").run().success();
    let run = run.stderr_has("client/twin was issued in pki and in").stderr_has("which do not know of each other");
    assert_eq!(run.stderr.matches("was issued in").count(), 1, "{}", run.stderr);
    let items = run.json()["items"].clone();
    let of = |name: &str| {
        let found = items.as_array().expect("items").iter().find(|item| item["name"] == name);
        found.unwrap_or_else(|| panic!("{name} in {items}")).clone()
    };
    assert_eq!(of("celery_worker")["state"], "revoked", "whoever revoked it, it is revoked");
    assert_eq!(of("mine")["state"], "valid");
    assert_eq!(of("yours")["state"], "valid");
    let later = other.certgen(["list", "twin", "--json"]).at(DAY_ONE).run().success().json();
    assert_eq!(of("twin")["serial_number"], later["items"][0]["serial_number"], "the later one is current");
}

/// A PKI with very many identities that came from a list, one in a thousand of them revoked.
fn many() -> World {
    let world = celery();
    let path = world.pki("inventory.jsonl");
    let text = fs::read_to_string(&path).expect("an inventory");
    let events = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    let model = events.into_iter().find(|event| event["action"] == "issued" && event["role"] == "client");
    let model = model.expect("a client was issued");
    let mut more = text.clone();
    for number in 0..MANY {
        let mut event = model.clone();
        event["id"] = format!("{number:016x}").into();
        event["name"] = device(number).into();
        event["serial"] = format!("40{number:030x}").into();
        for hash in ["key", "certificate"] {
            event[hash] = format!("{number:064x}").into();
        }
        (event["location"], event["managed"], event["bulk"]) = ("archive".into(), false.into(), true.into());
        (event["subject"], event["entry"]) = (format!("CN={}", device(number)).into(), serde_json::json!({}));
        more += &format!("{event}\n");
        if number % 1000 == 7 {
            event["id"] = format!("1{number:015x}").into();
            (event["action"], event["reason"]) = ("revoked".into(), "superseded".into());
            more += &format!("{event}\n");
        }
    }
    fs::write(path, more).expect("written");
    world
}

fn device(number: usize) -> String {
    format!("device-{number:07}")
}

#[test]
fn a_long_inventory_is_looked_up_and_every_answer_is_the_same() {
    let world = many();
    let index = world.pki("inventory.idx");
    let answers = || {
        let log = world.certgen(["log", "--limit", "3"]).at(DAY_ONE).run().success().stdout;
        let one = names(&world, &["device-0000007", "celery_worker"]);
        (names(&world, &["client", "--limit", "4"]), one, names(&world, &[]).len(), log)
    };
    let before = answers();
    assert_eq!(before.0.len(), 4);
    assert_eq!(before.0[3], "client/device-0000001", "after the two of the profile: {:?}", before.0);
    assert_eq!(before.1, ["client/celery_worker", "client/device-0000007"]);

    world.certgen(["issue", "client", "late"]).at(DAY_ONE).run().success();
    assert!(fs::metadata(&index).expect("an index").len() > 100_000, "the index covers the inventory");
    let with = answers();
    assert_eq!((&with.0, &with.1), (&before.0, &before.1));
    assert_eq!(with.2, before.2 + 1);

    // Torn, of something else, gone: it is a cache.
    let whole = fs::read(&index).expect("an index");
    fs::write(&index, &whole[..whole.len() / 2]).expect("written");
    assert_eq!(answers(), with, "a torn index is not believed");
    fs::write(&index, vec![7; whole.len()]).expect("written");
    assert_eq!(answers(), with, "nor is one of another format");
    fs::remove_file(&index).expect("removed");
    assert_eq!(answers(), with, "nor is one needed");
    world.certgen(["issue", "client", "later"]).at(DAY_ONE).run().success();
    assert!(fs::metadata(&index).expect("an index").len() > 100_000, "it was made again");
    assert_eq!(names(&world, &["later", "late"]), ["client/late", "client/later"]);
}

#[test]
fn of_very_many_status_shows_what_somebody_has_to_look_at() {
    let world = many();
    world.certgen(["issue", "client", "short", "--validity", "10d"]).at(DAY_ONE).run().success();
    let soon = "2026-01-09T00:00:00Z";
    let status = world.certgen(["status"]).at(soon).run().success();
    let status = status.stdout_has("short").stdout_has("due").stderr_has("20005");
    assert!(!status.stdout.contains("device-"), "{}", status.stdout);
    let all = world.certgen(["status", "--json"]).at(soon).run().success().json();
    let items = all["items"].as_array().expect("items").len();
    assert!(items > MANY, "{items}");
    assert!(all["rotations"].is_array() && all["migrations"].is_array());
    world.certgen(["status", "device-0000001"]).at(soon).run().success().stdout_has("device-0000001");
    world.certgen(["status", "--fail-within", "30d"]).at(soon).run().code(3);
}

#[test]
fn what_came_from_a_list_is_revoked_and_named_by_its_list() {
    let world = many();
    world.certgen(["revoke", "device-0000042", "--reason", "superseded"]).at(DAY_ONE).run().success();
    let list = world.certgen(["inspect", "pki/ca/root/crl.pem", "--json"]).at(DAY_ONE).run().success().stdout;
    for number in [7, 42, 1007] {
        let serial = format!("40{number:030x}");
        let found = list.to_lowercase().replace(':', "").contains(&serial);
        assert!(found, "{serial} is not in the CRL");
    }
    world.certgen(["issue", "client", "DEVICE-0000042"]).at(DAY_ONE).run().refused().stderr_has("differs only in case");
}
