//! Key stores that other programs made are looked into by `status --scan`.

use std::process::Command;

use crate::support::judge::{Verdict, judge};
use crate::support::{World, openssl};

fn keytool(world: &World, args: &[&str]) -> Verdict {
    let mut command = Command::new("keytool");
    command.args(args).current_dir(world.path(""));
    judge(command, "keytool")
}

#[test]
#[ignore = "needs openssl and keytool"]
fn certificates_in_key_stores_are_found() {
    let world = World::initialised(["--profile", "basic"]);
    std::fs::create_dir(world.path("tree")).expect("made");
    let path = |name: &str| world.path(name).display().to_string();
    let client = |file: &str| world.pki(format!("client/client/{file}")).display().to_string();
    let (certificate, key, root) =
        (client("client_certificate.pem"), client("client_key.pem"), client("ca_certificate.pem"));
    for (name, legacy) in [("modern", &[][..]), ("legacy", &["-legacy"][..])] {
        let out = path(&format!("tree/{name}.p12"));
        let fixed = ["pkcs12", "-export", "-in", &certificate, "-inkey", &key, "-certfile", &root, "-out", &out];
        openssl(fixed.iter().chain(legacy).chain(&["-passout", "pass:geheim"])).accepted();
    }
    for (name, kind) in [("trust.jks", "JKS"), ("trust.p12", "PKCS12")] {
        let out = path(&format!("tree/{name}"));
        let fixed = ["-importcert", "-noprompt", "-alias", "root", "-file", &root, "-keystore", &out];
        keytool(&world, &[&fixed[..], &["-storetype", kind, "-storepass", "geheim"]].concat()).accepted();
    }
    world.write("password", "geheim\n");
    let scan = |args: &[&str]| {
        let fixed = ["status", "--scan", "tree", "--json"];
        let said = world.certgen(fixed.iter().chain(args)).run();
        let items = said.json()["items"].as_array().expect("items").clone();
        let count = |file: &str, state: &str| {
            items.iter().filter(|i| i["path"] == format!("tree/{file}") && i["state"] == state).count()
        };
        ["modern.p12", "legacy.p12", "trust.jks", "trust.p12"].map(|file| (count(file, "ok"), count(file, "locked")))
    };
    assert_eq!(scan(&["--password-file", "password"]), [(2, 0), (2, 0), (1, 0), (1, 0)]);
    // A Java key store hides no certificate; the others need their password, and say so.
    assert_eq!(scan(&[]), [(0, 1), (0, 1), (1, 0), (0, 1)]);
}
