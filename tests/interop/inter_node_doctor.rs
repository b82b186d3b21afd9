//! `certgen doctor` on option files of inter-node TLS, with pairs of Erlang nodes as judges: what it calls an error must keep
//! the nodes apart, what it leaves alone must let them meet. OTP 25 is the machine's own, OTP 27 that of Debian 13.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{World, cache};

const HOST: &str = "n1.nodes.test";
const BOTH: &str = "{versions, ['tlsv1.3', 'tlsv1.2']}";
const ONLY: &str = "{versions, ['tlsv1.3']}";
const MATCH: &str = "{customize_hostname_check, [{match_fun, public_key:pkix_verify_hostname_match_fun(https)}]}";
const TUPLE: &str = "{customize_hostname_check, [{match_fun, {public_key, pkix_verify_hostname_match_fun, [https]}}]}";

/// An option file whose sections verify their peers with the certificate in `pair`, and hold these options too.
fn verifying(pair: &str, server: &str, client: &str) -> String {
    section(
        pair,
        &format!("{{verify, verify_peer}}, {{fail_if_no_peer_cert, true}}, {server}"),
        &format!("{{verify, verify_peer}}, {client}"),
    )
}

fn section(pair: &str, server: &str, client: &str) -> String {
    let files = format!(
        "{{cacertfile, \"/mnt/{pair}/ca_certificate.pem\"}}, {{certfile, \"/mnt/{pair}/server_certificate.pem\"}}, \
         {{keyfile, \"/mnt/{pair}/server_key.pem\"}}"
    );
    format!("[{{server, [\n  {files},\n  {server}\n]}},\n{{client, [\n  {files},\n  {client}\n]}}].\n")
}

/// Option files by their names.
fn files() -> Vec<(&'static str, String)> {
    let and = |a: &str, b: &str| format!("{a}, {b}");
    vec![
        ("healthy", verifying("exact", BOTH, BOTH)),
        ("healthy_with_match", verifying("wildcard", BOTH, &and(BOTH, MATCH))),
        (
            "healthy_renegotiation",
            verifying("exact", &and(BOTH, "{secure_renegotiate, true}"), &and(BOTH, "{secure_renegotiate, true}")),
        ),
        ("healthy_ed25519", verifying("ed25519", ONLY, ONLY)),
        ("renegotiation_server", verifying("exact", &and(ONLY, "{secure_renegotiate, true}"), ONLY)),
        ("renegotiation_client", verifying("exact", ONLY, &and(ONLY, "{secure_renegotiate, true}"))),
        ("fail_if_client", verifying("exact", BOTH, &and(BOTH, "{fail_if_no_peer_cert, true}"))),
        ("match_server", verifying("exact", &and(BOTH, MATCH), &and(BOTH, MATCH))),
        ("order_client", verifying("exact", BOTH, &and(BOTH, "{honor_cipher_order, true}"))),
        ("unknown_client", verifying("exact", BOTH, &and(BOTH, "{nonsense, true}"))),
        ("cookie_without_13", verifying("exact", "{cookie, true}", "{log_level, notice}")),
        ("wildcard", verifying("wildcard", BOTH, BOTH)),
        ("match_tuple", verifying("exact", BOTH, &and(BOTH, TUPLE))),
        ("server_pair", verifying("server", BOTH, BOTH)),
        ("ed25519", verifying("ed25519", "{depth, 2}", "{depth, 2}")),
        ("text_for_number", verifying("exact", "{depth, \"2\"}", BOTH)),
        ("no_verify_demanded", section("exact", "{fail_if_no_peer_cert, true}", "{verify, verify_peer}")),
        ("no_stop", verifying("exact", BOTH, BOTH).replace("].\n", "]\n")),
        (
            "no_client",
            verifying("exact", BOTH, BOTH).split("},\n{client").next().expect("a server").to_owned() + "}].\n",
        ),
        ("other_authority", verifying("exact", BOTH, BOTH).replacen("/mnt/exact/ca_c", "/mnt/other/ca_c", 1)),
    ]
}

/// `NAME pong` of each pair of nodes.
fn nodes(directory: &Path, root: &Path) -> BTreeMap<String, bool> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/nodes.sh");
    let run = Command::new("unshare")
        .args(["--net", "--mount", "sh"])
        .arg(script)
        .arg(directory)
        .arg(HOST)
        .arg(root)
        .output();
    let run = run.expect("unshare(1) runs; root is needed");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, answer)| (name.to_owned(), answer == "pong")).collect()
}

/// What the doctor calls an error, with the words for people.
fn errors(world: &World, directory: &Path, name: &str, target: &str) -> Vec<String> {
    let file = directory.join(format!("{name}.config"));
    let mut args =
        vec!["doctor".into(), "--json".into(), "--target".into(), target.to_owned(), file.display().to_string()];
    args.extend(
        ["exact", "wildcard", "server", "ed25519", "other"].map(|pair| directory.join(pair).display().to_string()),
    );
    let said = world.certgen(args).run().json();
    let items = said["items"].as_array().expect("items");
    let told = |item: &&serde_json::Value| item["severity"] == "error";
    items.iter().filter(told).map(|item| format!("{}: {}", item["code"], item["problem"])).collect()
}

#[test]
fn what_the_doctor_says_of_option_files_is_what_erlang_does() {
    let world = World::initialised(["--profile", "basic"]);
    let other = World::initialised(["--profile", "basic"]);
    for issue in [
        &["issue", "node", HOST, "*.nodes.test"][..],
        &["issue", "server", HOST],
        &["issue", "node", "ed25519", "--san", HOST, "--key-type", "ed25519"],
    ] {
        world.certgen(issue).run().success();
    }
    other.certgen(["issue", "node", HOST]).run().success();
    let directory = world.path("nodes");
    fs::create_dir(&directory).expect("a world is writable");
    for (pair, from) in [
        ("exact", world.pki(format!("node/{HOST}"))),
        ("wildcard", world.pki("node/_wildcard.nodes.test")),
        ("server", world.pki(format!("server/{HOST}"))),
        ("ed25519", world.pki("node/ed25519")),
        ("other", other.pki(format!("node/{HOST}"))),
    ] {
        let copied = Command::new("cp").arg("-r").arg(from).arg(directory.join(pair)).status();
        assert!(copied.is_ok_and(|status| status.success()), "{pair}");
    }
    let files = files();
    for (name, text) in &files {
        fs::write(directory.join(format!("{name}.config")), text).expect("a world is writable");
    }
    let judges = [("otp-25", Path::new("/").to_owned()), ("otp-27", cache::need("trixie"))];
    let directory = directory.as_path();
    let met = std::thread::scope(|scope| {
        let asked = judges.each_ref().map(|(_, root)| scope.spawn(move || nodes(directory, root)));
        asked.map(|asked| asked.join().expect("the nodes were asked"))
    });
    let mut table = String::new();
    let mut wrong = 0;
    for ((target, _), met) in judges.iter().zip(met) {
        assert_eq!(met.len(), files.len(), "every pair of nodes of {target} was asked: {met:?}");
        for (name, _) in &files {
            let errors = errors(&world, directory, name, target);
            let agree = met[*name] == errors.is_empty();
            wrong += usize::from(!agree);
            let answer = if met[*name] { "pong" } else { "pang" };
            let _ = writeln!(table, "{target} {name:24} {answer} {} {errors:?}", if agree { "" } else { "WRONG" });
        }
    }
    println!("{table}");
    assert_eq!(wrong, 0, "\n{table}");
}
