//! `certgen doctor` on files of Erlang, environments and definitions: as certgen writes them, and as people do.

use std::fs;
use std::path::Path;

use crate::support::{World, world::Output};

#[track_caller]
fn codes(output: &Output) -> Vec<String> {
    let items = output.json()["items"].as_array().expect("items").clone();
    items.iter().map(|item| item["code"].as_str().expect("a code").to_owned()).collect()
}

/// Every form of the broker's files that certgen writes, as the golden files hold them; they name no passwords and no
/// certificates, so each stands for itself.
#[test]
fn every_form_of_the_brokers_files_is_healthy() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut seen = 0;
    for file in fs::read_dir(golden).expect("there are golden files").flatten().map(|entry| entry.path()) {
        if file.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let world = World::new();
        let text = fs::read_to_string(&file)
            .expect("a golden file")
            .replace("[HASH].r0", "0123abcd.r0")
            .replace("[HASH]", "aGFzaA==");
        for part in text.split("======== ").skip(1) {
            let (head, content) = part.split_once('\n').expect("a head");
            let (path, _) = head.rsplit_once(' ').expect("a path and a mode");
            world.write(path, content);
            seen += usize::from(path.ends_with("inter_node_tls.config"));
        }
        let output = world.certgen(["doctor", "--json", "."]).run();
        // Notes tell what is meant so; who may read the files is not what the golden files are about.
        let items = output.json()["items"].as_array().expect("items").clone();
        let alarming = |item: &&serde_json::Value| item["severity"] != "note" && item["code"] != "key-open-to-others";
        let found: Vec<_> = items.iter().filter(alarming).collect();
        assert!(found.is_empty(), "{}\n{}", file.display(), output.transcript());
    }
    assert!(seen > 10, "{seen} option files were looked at");
}

#[test]
fn an_option_file_is_mended_line_by_line() {
    let world = World::new();
    let before = "%% by hand\n[\n  {server, [\n    {cacertfile, \"/e/ca.pem\"}, {certfile, \"/e/c.pem\"},\n    {verify, verify_peer},\n    \
                  {fail_if_no_peer_cert, true},\n    {secure_renegotiate, true}, % as in the guide\n    {versions, ['tlsv1.3']}\n  ]},\n  {client, \
                  [\n    {cacertfile, \"/e/ca.pem\"}, {certfile, \"/e/c.pem\"},\n    {verify, verify_peer},\n    {fail_if_no_peer_cert, true},\n    \
                  {versions, ['tlsv1.3']}\n  ]}\n].\n";
    world.write("inter_node_tls.config", before);
    let found = codes(&world.certgen(["doctor", "--json", "."]).run().code(3));
    assert_eq!(found, ["option-at-odds-with-versions", "option-in-wrong-section"]);
    world.certgen(["--no-input", "doctor", "--fix", "."]).run().sane();
    let after = before.replace("    {secure_renegotiate, true}, % as in the guide\n", "     % as in the guide\n");
    let after = after.replacen(
        "    {fail_if_no_peer_cert, true},\n    {versions, ['tlsv1.3']}\n  ]}\n].",
        "    {versions, ['tlsv1.3']}\n  ]}\n].",
        1,
    );
    assert_eq!(world.read("inter_node_tls.config"), after);
    world.certgen(["doctor", "."]).run().success();
}

#[test]
fn definitions_and_environments_are_told_with_file_and_line() {
    let world = World::new();
    world.write(
        "etc/definitions.json",
        "{\"vhosts\": [{\"name\": \"/\"}],\n \"users\": [\n  {\"name\": \"w\", \"password_hash\": \"\", \"tags\": \"administrator\"}],\n \"permissions\": \
         [\n  {\"user\": \"ghost\", \"vhost\": \"/\", \"configure\": \"*\", \"write\": \"\", \"read\": \"\"}]}\n",
    );
    world.write(
        "etc/rabbitmq-env.conf",
        "SERVER_ADDITIONAL_ERL_ARGS=\"-proto_dist inet_tls -ssl_dist_optfile /e/x.config\"\n",
    );
    let output = world.certgen(["doctor", "--json", "etc"]).run().code(3);
    let items = output.json()["items"].as_array().expect("items").clone();
    let found: Vec<(String, u64)> = items
        .iter()
        .map(|item| (item["code"].as_str().expect("a code").to_owned(), item["line"].as_u64().expect("a line")))
        .collect();
    let expected = [
        ("permission-for-unknown-user", 5),
        ("permission-not-a-pattern", 5),
        ("tools-without-tls", 1),
        ("administrator-missing", 3),
        ("administrator-by-certificate", 3),
    ];
    assert_eq!(found, expected.map(|(code, line)| (code.to_owned(), line)));
}

#[test]
fn hostile_files_are_answered() {
    let world = World::new();
    let deep = format!("[{{server, {}", "[".repeat(300_000));
    let wide = format!("[{{client, [{}]}}].", "{x, \"\u{1b}[31m\"},".repeat(20_000) + "{y, 1}");
    world.write("deep.config", deep);
    world.write("wide.config", wide);
    world.write("e.conf", format!("SERVER_ADDITIONAL_ERL_ARGS=\"{}\n", "$A${B".repeat(50_000)));
    world.write(
        "d.json",
        format!(
            "{{\"users\": [{}], \"permissions\": []",
            "{\"name\": \"\u{1b}]0;x\u{7}\", \"tags\": null},".repeat(1000)
        ),
    );
    let output = world.certgen(["doctor", "."]).run().code(3);
    assert!(!output.transcript().contains('\u{1b}'), "control characters stay out of the terminal");
}
