//! `plan` and `apply`: what differs from the manifest, why, and how one run brings it there.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use proptest::sample::select;

use crate::support::World;
use crate::support::invariants::{check, snapshot, unchanged};

const NOON: &str = "2026-11-22T12:00:00Z";
const LATER: &str = "2026-11-22T13:00:00Z";

fn celery() -> World {
    let world = World::new();
    let init = ["init", "--profile", "celery", "--set", "hostname=r.example.com"];
    world.certgen(init).at(NOON).run().success();
    world
}

fn edit(world: &World, from: &str, to: &str) {
    let text = world.read("pki/certgen.toml");
    assert!(text.contains(from), "{from:?} is not in {text}");
    world.write("pki/certgen.toml", text.replacen(from, to, 1));
}

fn append(world: &World, text: &str) {
    let before = world.read("pki/certgen.toml");
    world.write("pki/certgen.toml", format!("{before}{text}"));
}

/// Each step as `ACTION THING: REASONS`.
#[track_caller]
fn steps(world: &World, args: &[&str], code: i32) -> Vec<String> {
    let output = world.certgen(args.iter().copied().chain(["--json"])).at(LATER).run().code(code).json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let items = output["items"].as_array().expect("items").iter();
    items
        .map(|item| {
            let thing = match item["path"].as_str() {
                Some(path) => path.to_owned(),
                None => format!("{}/{}", text(&item["role"]), text(&item["name"])),
            };
            let reasons: Vec<String> = item["reasons"].as_array().expect("reasons").iter().map(text).collect();
            format!("{} {thing}: {}", text(&item["action"]), reasons.join("; "))
        })
        .collect()
}

/// One apply, and then there is nothing to do.
#[track_caller]
fn applied(world: &World, args: &[&str]) {
    world.certgen(["apply"].iter().chain(args).copied()).at(LATER).run().success();
    let rest = steps(world, &["plan"], 0);
    assert!(rest.iter().all(|step| step.starts_with("leave")), "{rest:?}");
    let before = snapshot(&world.pki(""));
    world.certgen(["apply"]).at(LATER).run().success();
    unchanged(&before, &world.pki(""), "a second apply");
}

#[test]
fn nothing_to_do_is_said_and_changes_nothing() {
    let world = celery();
    let before = snapshot(&world.pki(""));
    world.certgen(["plan"]).at(LATER).run().success().stdout_is("").stderr_has("nothing to do");
    world.certgen(["apply", "--check"]).at(LATER).run().success().stdout_is("");
    world.certgen(["apply", "--diff"]).at(LATER).run().success().stdout_is("");
    world.certgen(["apply"]).at(LATER).run().success().stdout_is("").stderr_has("nothing to do");
    unchanged(&before, &world.pki(""), "nothing to do");
}

#[test]
fn every_difference_has_its_reason_and_its_place_in_the_order() {
    let world = celery();
    let key = |name: &str| world.pki(format!("client/{name}/client_key.pem"));
    fs::set_permissions(key("celery_worker"), fs::Permissions::from_mode(0o644)).expect("ours");
    fs::remove_file(key("celery_client")).expect("ours");
    world.write("pki/node/r.example.com/ca_certificate.pem", "");
    edit(&world, "\"localhost\", ", "");
    append(&world, "\n[client.new]\nvalidity = \"30d\"\n");
    let before = snapshot(&world.pki(""));
    let found = steps(&world, &["plan"], 3);
    let wanted = [
        "reissue node/r.example.com: names: has dns:localhost",
        "secure client/celery_worker: mode of client_key.pem: is 0644, should be 0600",
        "reissue client/celery_client: its key is missing",
        "issue client/new: it does not exist",
        "write pki/rabbitmq/definitions.json: it is out of date",
        "write pki/rabbitmq/definitions.d/new.json: it does not exist",
    ];
    let names = |list: &[String]| {
        list.iter().map(|step| step.split(": ").next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let wanted_names: Vec<String> = names(&wanted.map(str::to_owned));
    assert_eq!(names(&found), wanted_names, "{found:?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(found == wanted || found.contains("localhost"), "{found:?} is not {wanted:?}");
    }
    world.certgen(["apply", "--check"]).at(LATER).run().code(3);
    unchanged(&before, &world.pki(""), "plan and apply --check");
    applied(&world, &[]);
    check(&world.pki(""));
    assert!(fs::metadata(key("celery_worker")).expect("ours").permissions().mode() & 0o777 == 0o600);
    world.certgen(["verify", "client/new", "node/r.example.com"]).at(LATER).run().success();
    // The rest of the validity says as much as the first one: an edit of it is seen.
    edit(&world, "\"30d\"", "\"40d\"");
    let found = steps(&world, &["plan"], 3);
    assert_eq!(found, ["reissue client/new: validity: is 30 days, should be 40d"]);
    applied(&world, &[]);
}

#[test]
fn a_directory_that_others_may_enter_is_secured_alone() {
    let world = celery();
    let directory = world.pki("client/celery_client");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("ours");
    let found = steps(&world, &["plan"], 3);
    assert_eq!(found, ["secure client/celery_client: mode of celery_client: is 0755, should be 0700"]);
    applied(&world, &[]);
    assert_eq!(fs::metadata(&directory).expect("ours").permissions().mode() & 0o7777, 0o700);
}

#[test]
fn a_manifest_alone_becomes_a_pki() {
    let template = celery();
    let world = World::new();
    world.write("pki/certgen.toml", template.read("pki/certgen.toml"));
    let found = steps(&world, &["plan"], 3);
    assert_eq!(found[0], "create authority/root: it does not exist", "{found:?}");
    applied(&world, &[]);
    check(&world.pki(""));
}

#[test]
fn an_authority_is_never_made_by_accident() {
    let world = celery();
    append(&world, "\n[authority.other]\n\n[client.x]\nissuer = \"other\"\n");
    edit(&world, "[authority.root]", "[defaults]\nissuer = \"root\"\n\n[authority.root]");
    let found = steps(&world, &["plan"], 3);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|step| step.starts_with("leave ")), "{found:?}");
    let before = snapshot(&world.pki(""));
    world.certgen(["apply"]).at(LATER).run().code(1).stderr_has("certgen apply --create-authority other");
    unchanged(&before, &world.pki(""), "an authority by accident");
    world.certgen(["apply", "--create-authority", "othre"]).at(LATER).run().code(1).stderr_has("did you mean other?");
    applied(&world, &["--create-authority", "other"]);
    check(&world.pki(""));
    world.certgen(["verify", "client/x"]).at(LATER).run().success();
}

#[test]
fn an_authority_that_was_edited_is_told_and_left_alone() {
    let world = celery();
    let devices = ["issue", "authority", "devices", "--issuer", "root", "--permit", "devices.example"];
    world.certgen(devices).at(NOON).run().success();
    world.certgen(["issue", "client", "d", "--issuer", "devices"]).at(NOON).run().success();
    assert_eq!(steps(&world, &["plan"], 0), [""; 0]);
    let text = world.read("pki/certgen.toml");
    let before = snapshot(&world.pki("ca"));
    for (from, to, wanted) in [
        ("[authority.root]", "[authority.root]\npath_length = 2", "root: path length: is none, should be 2"),
        ("[authority.root]", "[authority.root]\nvalidity = \"9y\"", "root: validity: is 10 years, should be 9y"),
        (
            "[authority.root]",
            "[authority.root]\nkey_type = \"ed25519\"",
            "root: key type: is ecdsa-p256, should be ed25519",
        ),
        ("[authority.root]", "[authority.root]\nsubject = \"O=Example\"", "root: subject: is \"CN="),
        ("issuer = \"root\"\npermit", "permit", "devices: issuer: is \"root\", should be \"devices\""),
        (
            "permit = [\"devices.example\"]",
            "permit = [\"devices.example\", \"10.0.0.0/8\"]\nexclude = [\"x.devices.example\"]",
            "devices: name constraints: are \"permit DNS:devices.example\", should be \"permit DNS:devices.example, \
             IP:10.0.0.0/8; exclude DNS:x.devices.example\"",
        ),
        (
            "permit = [\"devices.example\"]",
            "path_length = 1",
            "devices: path length: is 0, should be 1; name constraints",
        ),
        (
            "permit = [\"devices.example\"]\n",
            "",
            "devices: name constraints: are \"permit DNS:devices.example\", should be none",
        ),
        // One level more below it than it was made for.
        (
            "\n[authority.devices]",
            "\n[authority.below]\nissuer = \"devices\"\n\n[authority.devices]",
            "devices: path length: is 0, should be 1",
        ),
    ] {
        edit(&world, from, to);
        let found = steps(&world, &["plan"], if to.contains("below") { 3 } else { 0 });
        let name = wanted.split(':').next().unwrap_or_default();
        let told = found.iter().find(|step| step.starts_with(&format!("leave authority/{wanted}")));
        assert!(told.is_some(), "{to}: {wanted} is not among {found:?}");
        let issue = world.certgen(["issue", "authority", name]).at(LATER).run().code(1);
        issue.stderr_has(&format!("certgen rotate start {name}"));
        world.write("pki/certgen.toml", &text);
    }
    edit(&world, "permit = [\"devices.example\"]", "permit = [\"devices.example\", \"d.example\"]");
    let output = world.certgen(["apply"]).at(LATER).run().success();
    output.stderr_has("an authority is replaced, not changed: certgen rotate start devices");
    unchanged(&before, &world.pki("ca"), "apply after an authority was edited");
    // The way that was named leads there.
    for (phase, time) in [("start", "12:30"), ("switch", "12:40"), ("finish", "12:50")] {
        let time = format!("2026-11-22T{time}:00Z");
        world.certgen(["rotate", phase, "devices"]).at(&time).run().success();
        assert_eq!(steps(&world, &["plan"], 0), [""; 0], "after {phase}");
    }
    check(&world.pki(""));
}

#[test]
fn what_was_revoked_stays_revoked() {
    let world = celery();
    world.certgen(["revoke", "celery_client"]).at(NOON).run().success();
    let found = steps(&world, &["plan"], 0);
    assert_eq!(found, ["leave client/celery_client: it was revoked"]);
    let before = snapshot(&world.pki(""));
    world.certgen(["apply"]).at(LATER).run().success().stderr_has("certgen issue client celery_client --force");
    unchanged(&before, &world.pki(""), "apply");
}

#[test]
fn pruning_takes_out_what_once_stood_in_the_manifest_and_nothing_else() {
    let world = celery();
    world.certgen(["issue", "client", "stray", "--no-save"]).at(NOON).run().success();
    edit(&world, "[client.celery_client]\n", "");
    let found = steps(&world, &["plan"], 3);
    assert!(found.contains(&"leave client/celery_client: certgen.toml has it no longer".to_owned()), "{found:?}");
    applied(&world, &[]);
    assert!(world.pki("client/celery_client").exists());

    let before = snapshot(&world.pki(""));
    let refused = world.certgen(["apply", "--prune"]).at(LATER).run().code(1);
    let _ = refused.stderr_has("client/celery_client").stderr_has("add --yes");
    unchanged(&before, &world.pki(""), "a prune that nobody confirmed");
    let found = steps(&world, &["plan", "--prune"], 3);
    assert_eq!(found, ["prune client/celery_client: certgen.toml has it no longer"]);
    applied(&world, &["--prune", "--yes"]);
    // Whoever still has the revoked certificate is not let in by an entry that comes back.
    append(&world, "\n[client.celery_client]\n");
    let found = steps(&world, &["plan"], 0);
    assert!(found.len() == 1 && found[0].starts_with("leave client/celery_client"), "{found:?}");
    world.certgen(["apply"]).at(LATER).run().success();
    let definitions = world.read("pki/rabbitmq/definitions.json");
    assert!(!definitions.contains("celery_client"), "{definitions}");
    edit(&world, "\n[client.celery_client]\n", "");
    assert!(!world.pki("client/celery_client").exists() && world.pki("client/stray").exists());
    let list = certgen::x509::Crl::from_pem(world.read("pki/ca/root/crl.pem").as_bytes()).expect("a list");
    assert_eq!(list.len(), 1);
    check(&world.pki(""));
}

#[test]
fn edited_files_are_left_alone_and_shown() {
    let world = celery();
    let conf = world.read("pki/rabbitmq/rabbitmq.conf");
    world.write("pki/rabbitmq/rabbitmq.conf", format!("{conf}# mine\n"));
    let shown = world.certgen(["apply", "--diff"]).at(LATER).run().code(3);
    assert!(shown.stdout.contains("-# mine"), "{}", shown.transcript());
    applied(&world, &[]);
    assert!(world.read("pki/rabbitmq/rabbitmq.conf").ends_with("# mine\n"));
    assert_eq!(world.read("pki/rabbitmq/rabbitmq.conf.new"), conf);
    let shown = world.certgen(["apply", "--diff"]).at(LATER).run().success();
    assert!(shown.stdout.contains("-# mine"), "{}", shown.transcript());
    applied(&world, &["--force"]);
    assert_eq!(world.read("pki/rabbitmq/rabbitmq.conf"), conf);
    assert!(!world.pki("rabbitmq/rabbitmq.conf.new").exists());
}

#[test]
fn a_list_of_names_is_part_of_the_manifest() {
    let world = celery();
    world.write("devices.csv", "name,access,validity\ndevice-1,mqtt,\ndevice-2,mqtt,30d\ncelery_worker,mqtt,\n");
    append(&world, "\n[[from]]\nrole = \"client\"\nfile = \"../devices.csv\"\n");
    applied(&world, &[]);
    check(&world.pki(""));
    assert!(world.read("pki/rabbitmq/definitions.json").contains("\"device-2\""));
    // Another command keeps them, and an entry of the manifest overrides its row.
    world.certgen(["issue", "client", "reporting", "--like", "celery_worker"]).at(LATER).run().success();
    assert!(world.read("pki/rabbitmq/definitions.json").contains("\"device-2\""));
    world.certgen(["plan"]).at(LATER).run().success();
    let refused = world.certgen(["remove", "client/device-1"]).at(LATER).run().code(1);
    let _ = refused.stderr_has("stands in the list ../devices.csv");
    world.write("devices.csv", "name,access\ndevice-2,mqtt\nx,,\nx,\nx,\n");
    let refused = world.certgen(["plan"]).at(LATER).run().code(1).stderr_has("line 5");
    assert!(!refused.stderr.contains("line 2"), "{}", refused.transcript());
    world.write("devices.csv", "device-2\n");
    applied(&world, &["--prune", "--yes"]);
    assert!(!world.pki("client/device-1").exists() && world.pki("client/device-2").exists());
}

#[test]
fn a_list_says_what_its_rows_leave_out() {
    let world = celery();
    world.write("sensors.csv", "name,key_type\nsensor-1,\nsensor-2,rsa-2048\n");
    world.write("workers", "worker-1\n");
    append(
        &world,
        "\n[[from]] # sensors\nrole = \"client\"\nfile = \"../sensors.csv\"\nkey_type = \"ed25519\"\nvalidity = \"90d\"\n\
         access = \"mqtt\"\nvhost = \"sensors\"\n[[from]]\nrole = \"client\"\nfile = \"../workers\"\n",
    );
    applied(&world, &[]);
    let key_type = |name: &str| {
        let pem = world.read(format!("pki/client/{name}/client_certificate.pem"));
        let certificate = certgen::x509::Certificate::from_pem(pem.as_bytes()).expect("a certificate");
        let validity = certificate.validity();
        let days = (validity.not_after - validity.not_before).whole_days();
        format!("{} {days}", certificate.public_key().key_type().expect("a known type"))
    };
    assert_eq!(key_type("sensor-1"), "ed25519 90");
    assert_eq!(key_type("sensor-2"), "rsa-2048 90");
    assert_eq!(key_type("worker-1"), "ecdsa-p256 365");
    let user = world.read("pki/rabbitmq/definitions.d/sensor-1.json");
    assert!(user.contains("\"vhost\": \"sensors\"") || user.contains("\"vhost\":\"sensors\""), "{user}");
    // A changed word in the manifest changes those alone that do not say otherwise.
    let text = world.read("pki/certgen.toml").replace("\"ed25519\"", "\"ecdsa-p384\"");
    world.write("pki/certgen.toml", text);
    let plan = world.certgen(["plan"]).at(LATER).run().code(3);
    assert!(
        plan.stdout.contains("client/sensor-1") && !plan.stdout.contains("client/sensor-2"),
        "{}",
        plan.transcript()
    );
    applied(&world, &[]);
    check(&world.pki(""));
    // And a wrong one is told with its place.
    let text = world.read("pki/certgen.toml").replace("access = \"mqtt\"", "acces = \"mqtt\"");
    world.write("pki/certgen.toml", text);
    world
        .certgen(["plan"])
        .at(LATER)
        .run()
        .code(1)
        .stderr_has("unknown key \"acces\" in [[from]]: did you mean \"access\"?");
}

/// What somebody or something does to a PKI.
#[derive(Debug, Clone)]
enum Deed {
    Add(&'static str),
    TakeOut(&'static str),
    Change(&'static str, &'static str),
    Delete(&'static str),
    Cut(&'static str),
    Open(&'static str),
    Edit(&'static str),
    Run(&'static [&'static str]),
}

const CLIENTS: [&str; 4] = ["celery_worker", "celery_client", "added", "other"];
const FILES: [&str; 9] = [
    "client/celery_worker/client_key.pem",
    "client/celery_worker/client_certificate.pem",
    "client/celery_worker/ca_certificate.pem",
    "client/celery_client",
    "node/r.example.com/server_key.pem",
    "node/r.example.com/combined_keys.pem",
    "node/r.example.com/inter_node_ca_certificate.pem",
    "rabbitmq/rabbitmq.conf",
    "rabbitmq/definitions.d",
];
const TEXTS: [&str; 3] = ["rabbitmq/rabbitmq.conf", "rabbitmq/enabled_plugins", "rabbitmq/inter_node_tls.config"];
const SETTINGS: [&str; 5] = [
    "validity = \"20d\"",
    "key_type = \"ed25519\"",
    "subject = \"O=Example\"",
    "key_mode = \"0640\"",
    "access = \"consume:reports\"",
];
const COMMANDS: [&[&str]; 6] = [
    &["revoke", "celery_client"],
    &["renew", "celery_worker"],
    &["issue", "client", "stray", "--no-save"],
    &["issue", "server", "s.example.com"],
    &["crl"],
    &["rotate", "start", "root"],
];

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        select(&CLIENTS[2..]).prop_map(Deed::Add),
        select(&CLIENTS[..]).prop_map(Deed::TakeOut),
        (select(&CLIENTS[..]), select(&SETTINGS[..])).prop_map(|(name, setting)| Deed::Change(name, setting)),
        select(&FILES[..]).prop_map(Deed::Delete),
        select(&FILES[..3]).prop_map(Deed::Cut),
        // A pair without its key whose certificate has other modes is how a clone looks, which is left alone.
        select([&FILES[..1], &FILES[2..]].concat()).prop_map(Deed::Open),
        select(&TEXTS[..]).prop_map(Deed::Edit),
        select(&COMMANDS[..]).prop_map(Deed::Run),
    ]
}

fn carry_out(world: &World, deed: &Deed) {
    let manifest = || world.read("pki/certgen.toml");
    let section = |name: &str| format!("[client.{name}]\n");
    match deed {
        Deed::Add(name) if !manifest().contains(&section(name)) => append(world, &format!("\n{}", section(name))),
        Deed::TakeOut(name) => {
            // With everything below its header.
            let text = manifest();
            let Some(start) = text.find(&section(name)) else { return };
            let end = text[start + 1..].find("\n[").map_or(text.len(), |at| start + 1 + at + 1);
            world.write("pki/certgen.toml", format!("{}{}", &text[..start], &text[end..]));
        }
        Deed::Change(name, setting) => {
            let key = setting.split(' ').next().expect("a key");
            let text = manifest();
            let Some(start) = text.find(&section(name)) else { return };
            let end = text[start + 1..].find("\n[").map_or(text.len(), |at| start + 1 + at);
            if !text[start..end].contains(key) {
                edit(world, &section(name), &format!("{}{setting}\n", section(name)));
            }
        }
        Deed::Delete(path) => {
            let path = world.pki(path);
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
        Deed::Cut(path) => {
            if let Ok(bytes) = fs::read(world.pki(path)) {
                world.write(format!("pki/{path}"), &bytes[..bytes.len() / 2]);
            }
        }
        Deed::Open(path) => {
            let path = world.pki(path);
            if let Ok(facts) = fs::metadata(&path) {
                let mode = if facts.is_dir() { 0o755 } else { 0o666 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
            }
        }
        Deed::Edit(path) => {
            if let Ok(text) = fs::read_to_string(world.pki(path)) {
                world.write(format!("pki/{path}"), format!("{text}% mine\n"));
            }
        }
        // Some do not go with what was done before; then they refuse.
        Deed::Run(args) => drop(world.certgen(args.iter().copied()).at(LATER).run()),
        Deed::Add(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn one_apply_brings_anything_to_what_the_manifest_says(
        deeds in proptest::collection::vec(deed(), 1..7),
        days in select(vec![0, 100, 300, 400]),
        prune in any::<bool>(),
    ) {
        let world = celery();
        for deed in &deeds {
            carry_out(&world, deed);
        }
        let at = time::OffsetDateTime::parse(LATER, &time::format_description::well_known::Rfc3339).expect("a time")
            + time::Duration::days(days);
        let at = at.format(&time::format_description::well_known::Rfc3339).expect("a time");
        let flags = if prune { vec!["--prune", "--yes"] } else { vec![] };
        let output = world.certgen(["apply"].iter().chain(&flags).copied()).at(&at).run();
        prop_assert!(output.code == Some(0), "{}", output.transcript());
        let plan = world.certgen(["plan"].iter().chain(&flags[..usize::from(prune)]).copied()).at(&at).run();
        prop_assert!(plan.code == Some(0), "after one apply\n{}\n{}", output.transcript(), plan.transcript());
        let before = snapshot(&world.pki(""));
        let again = world.certgen(["apply"].iter().chain(&flags).copied()).at(&at).run();
        prop_assert!(again.code == Some(0), "{}", again.transcript());
        unchanged(&before, &world.pki(""), "a second apply");
    }
}
