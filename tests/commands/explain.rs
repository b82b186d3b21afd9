//! What `explain` says of texts and of logs, from the command line and from a pipe.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::support::World;
use crate::support::world::CERTGEN;

fn causes(text: &str) -> Vec<String> {
    certgen::explain::explain(text).iter().map(|one| one.cause.id.word()).collect()
}

/// The rows of the measured table, with what is behind each.
const ROWS: &[(&str, &[&str])] = &[
    ("D1", &["server-ca-unknown", "server-chain-incomplete", "server-self-signed", "authority-same-name"]),
    ("D2", &["client-ca-unknown", "client-chain-incomplete", "authority-same-name"]),
    ("D3", &["server-name-mismatch", "server-name-only-in-common-name"]),
    ("D4", &["user-unknown"]),
    ("D4b", &["login-name-distinguished"]),
    ("D4c", &["login-name-missing"]),
    ("D4d", &["certificate-not-asked"]),
    ("D4e", &["mechanism-not-chosen", "mechanism-not-offered", "client-code-wrong"]),
    ("D4f", &["vhost-missing", "vhost-refused"]),
    ("D5", &["file-unreadable"]),
    ("D6", &["key-password-wrong", "key-unusable"]),
    ("D7", &["key-mismatch"]),
    ("D8", &["server-expired", "server-not-yet-valid"]),
    ("D9", &["client-expired", "client-not-yet-valid"]),
    ("D10", &["client-purpose"]),
    ("D11", &["server-purpose"]),
    ("D12", &["client-missing"]),
    ("D13", &["plain-client-on-tls"]),
    ("D14", &["tls-client-on-plain"]),
    ("D15", &["version-too-old"]),
    ("D16", &["hash-too-weak"]),
    ("D17", &["key-too-weak", "hash-too-weak"]),
    ("D18", &["form-too-old"]),
    ("D19", &["node-name-mismatch", "node-wildcard"]),
    ("D20", &["node-ca-unknown"]),
    ("D21", &["management-asks-certificate"]),
    ("D22", &["node-tools-plain"]),
    ("D23", &["node-options-silent"]),
    ("D24", &["node-purpose"]),
    ("D25", &["link-without-ca"]),
    ("D26", &["administrator-missing"]),
    ("D27", &["stale-certificate"]),
    ("D28", &["setting-unknown"]),
];

/// Rows without a text that a program prints, and why.
const SILENT: &[(&str, &str)] = &[
    ("D23", "nothing is printed or logged: doctor finds it"),
    ("D26", "the UI's 401 is a status, not a text"),
    ("D27", "everything works, with the old certificate: probe finds it"),
];

#[test]
#[ignore = "needs diagnosis.md in CERTGEN_FACTS"]
fn every_text_of_the_measured_table_leads_to_a_cause_of_its_row() {
    let facts = std::env::var("CERTGEN_FACTS").expect("CERTGEN_FACTS names the directory with diagnosis.md");
    let table = std::fs::read_to_string(format!("{facts}/diagnosis.md")).expect("diagnosis.md can be read");
    let (mut wrong, mut texts) = (String::new(), 0);
    let mut silent: Vec<&str> = Vec::new();
    for (row, expected) in ROWS {
        let line = table.lines().find(|line| {
            let name = line.trim_start_matches('|').split(['|', ' ']).next();
            line.starts_with("|D") && name == Some(row)
        });
        let cells: Vec<&str> = line.unwrap_or_else(|| panic!("{row} is not in the table")).split('|').collect();
        let quoted: Vec<&str> = cells[2..4].iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        if quoted.is_empty() {
            silent.push(row);
        }
        for text in quoted {
            texts += 1;
            let found = causes(text);
            if !found.iter().any(|id| expected.contains(&id.as_str())) {
                let _ = writeln!(wrong, "{row}: {text:?} gives {found:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(silent, SILENT.iter().map(|(row, _)| *row).collect::<Vec<_>>(), "rows without a text");
    println!("{texts} texts of {} rows", ROWS.len() - silent.len());
}

#[test]
fn a_text_has_causes_and_something_to_type() {
    let world = World::new();
    let said = world.certgen(["explain", "EXTERNAL login refused: user 'ghost' - invalid credentials"]).run();
    let said = said.success().stdout_has("there is no user \"ghost\"").stdout_has("certgen issue client ghost");
    assert_eq!(said.stderr, "");
    // Words are joined, and a text may begin with a dash.
    world.certgen(["explain", "Fatal", "-", "Unknown", "CA"]).run().success().stdout_has("server-ca-unknown");
    world.certgen(["explain", "--", "- Unknown CA"]).run().success();
    let second_line = world.certgen(["explain", " - {record_type_mismatch,21}"]).run().success();
    second_line.stdout_has("With TLS 1.3 the broker prints this").stdout_has("12 causes print this");
    let json = world.certgen(["explain", "--json", "vhost my_vhost not found"]).run().success().json();
    assert_eq!(json["items"][0]["cause"], "vhost-missing");
    assert_eq!(json["items"][0]["likelihood"], "certain");
    assert_eq!(json["items"][0]["named"][0], "there is no virtual host \"my_vhost\"");
    world.certgen(["explain", "vhost my_vhost not found", "--json"]).run().success().stdout_has("\"version\": 1");
}

#[test]
fn an_unknown_text_is_said_to_be_unknown() {
    let world = World::new();
    let said = world.certgen(["explain", "the weather is fine"]).run().code(1);
    assert_eq!(said.stdout, "");
    said.stderr_has("explaining \"the weather is fine\": nothing is known about this text");
    let near = world.certgen(["explain", "certificate verification failed locally for issuer"]).run().code(1);
    near.stderr_has("the nearest text that is known");
    world.write("rabbit@host.log", "EXTERNAL login refused: user 'ghost' - invalid credentials\n");
    world.certgen(["explain", "rabbit@host.log"]).run().code(1).stderr_has("certgen explain - < rabbit@host.log");
    let json = world.certgen(["explain", "--json", "the weather is fine"]).run().code(1).json();
    assert_eq!(json["items"].as_array().map(Vec::len), Some(0));
    world.certgen(["explain"]).run().code(2);
    let hostile = world.certgen(["explain", "\u{1b}[2J\u{202e}nothing"]).run().code(1).sane();
    assert!(!hostile.stderr.contains(['\u{1b}', '\u{202e}']));
}

/// It is explained, and it is no cause.
#[test]
fn what_only_looks_like_trouble_is_told_as_such() {
    let world = World::new();
    let text = "TLS server: In state connection received CLIENT ALERT: Warning - User Canceled";
    let said = world.certgen(["explain", text]).run().success().stdout_has("It is no cause");
    assert_eq!(said.stderr, "");
    let json = world.certgen(["explain", "--json", text]).run().success().json();
    assert_eq!(json["items"].as_array().map(Vec::len), Some(0));
    let both = format!("{text}\n{text}: Fatal - Unknown CA");
    world.certgen(["explain", &both]).run().success().stdout_has("server-ca-unknown");
}

/// A worker's whole traceback, as it is copied from a terminal.
#[test]
fn a_traceback_of_many_lines_is_explained() {
    let frames: String =
        (0..200).map(|n| format!("  File \"/app/{n}.py\", line {n}, in connect\n    self.connect({n})\n")).collect();
    let last = "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: \
                Hostname mismatch, certificate is not valid for 'rabbit.internal'. (_ssl.c:1006)\n";
    let traceback = format!("Traceback (most recent call last):\n{frames}{last}");
    let world = World::new();
    let said = world.certgen(["explain", &traceback]).run().success();
    said.stdout_has("the client asked for \"rabbit.internal\"").stdout_has("certgen issue server rabbit.internal");
    let said = world.certgen(["explain", "-"]).stdin(&traceback).run().success();
    said.stdout_has("server-name-mismatch").stdout_has("line 1");
}

const LOG: &str = "\
2026-11-22 10:15:30.000001+00:00 [info] <0.700.0> started TLS (SSL) listener on [::]:5671
2026-11-22 10:15:31.123456+00:00 [notice] <0.812.0> TLS server: In state wait_cert at tls_record_1_3.erl:318 generated SERVER ALERT: Fatal - Bad Record MAC
2026-11-22 10:15:31.123456+00:00 [notice] <0.812.0>  - {record_type_mismatch,21}
2026-11-22 10:15:32.000000+00:00 [error] <0.815.0> EXTERNAL login refused: user 'ghost' - invalid credentials
2026-11-22 10:15:34.000000+00:00 [error] <0.817.0> EXTERNAL login refused: user 'ghost' - invalid credentials
2026-11-22 10:15:35.000000+00:00 [error] <0.900.0> {tls_alert,{atom,\"TLS server: In state certify generated SERVER ALERT: Fatal - Unknown CA\"}} error during handshake for protocol 'amqp/ssl' and peer 10.0.0.7:53422
2026-11-22 10:15:36.000000+00:00 [error] <0.901.0> {tls_alert,{new_alert,\"nobody knows\"}}
";

#[test]
fn a_log_is_told_as_a_table_with_explanations() {
    let world = World::new();
    let said = world.certgen(["explain", "-"]).stdin(LOG).run().success().sane();
    let rows: Vec<Vec<&str>> = said.stdout.lines().take(4).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["COUNT", "CAUSE", "FIRST", "LAST", "ABOUT"]);
    assert_eq!(rows[1][..2], ["2", "user-unknown"], "{}", said.stdout);
    let said = said
        .stdout_has("2026-11-22 10:15:32 (line 4)")
        .stdout_has("2026-11-22 10:15:34 (line 5)")
        .stdout_has("there is no user \"ghost\"")
        .stdout_has("from 10.0.0.7")
        .stdout_has("server-ca-unknown, or 12 more")
        .stdout_has("1 event looks like TLS in trouble and is not known")
        .stdout_has("line 7:");
    assert_eq!(said.stderr, "");
    let json = world.certgen(["explain", "-", "--json"]).stdin(LOG).run().success().json();
    assert_eq!(json["lines"], 7);
    assert_eq!(json["unknown"]["count"], 1);
    assert_eq!(json["items"][0]["count"], 2);
    assert_eq!(json["items"][0]["first"]["line"], 4);
    assert_eq!(json["items"][0]["causes"][0]["cause"], "user-unknown");
}

#[test]
fn a_log_without_anything_known_is_no_error() {
    let world = World::new();
    for (log, lines) in [("", "0 lines"), ("all is well\n", "1 line"), ("\n\n", "2 lines")] {
        world
            .certgen(["explain", "-"])
            .stdin(log)
            .run()
            .success()
            .stdout_is(&format!("{lines}: nothing known is wrong\n"));
    }
}

#[test]
fn garbage_is_read_to_its_end() {
    let world = World::new();
    let mut garbage: Vec<u8> = (0..4_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    garbage.extend(b"\n\0\0\xff\x1b[31mEXTERNAL login refused: user 'gh\x1b[2Jost' - invalid credentials\n\xff\xfe");
    let said = world.certgen(["explain", "-"]).stdin(&garbage).run().success().sane();
    said.stdout_has("user-unknown").stdout_has("there is no user \"ghost\"");
    world.certgen(["explain", "-"]).stdin(vec![0; 3_000_000]).run().success().stdout_has("1 line: nothing known");
}

/// 100 MB go through a pipe, in little memory.
#[test]
fn a_large_log_is_streamed() {
    let world = World::new();
    world.write(
        "part.log",
        format!("{LOG}{}", "2026-11-22 10:16:00.0+00:00 [info] <0.9.0> accepting AMQP connection\n".repeat(15_000)),
    );
    let script = format!(
        "for i in $(seq 100); do cat part.log; done | {{ ulimit -v 120000; exec {CERTGEN} explain - --json; }}"
    );
    let out = Command::new("sh").args(["-c", &script]).current_dir(world.path("")).output().expect("sh runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(json["lines"], 100 * 15_007);
    assert_eq!(json["items"][0]["count"], 200);
    assert_eq!(json["items"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::new();
    let script = format!("{CERTGEN} explain 'Fatal - Unknown CA'; echo \"code $?\" >&2");
    let out = Command::new("bash")
        .args(["-c", &format!("({script}) | true")])
        .current_dir(world.path(""))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said == "code 0\n", "{said}");
}
