//! Names that other tools turned into another user, another path or another certificate. Each is refused with a message
//! that names it, or issued exactly as asked; nothing else in the directory changes.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use x509_parser::prelude::{FromDer, X509Certificate};

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::{World, openssl};

/// Not a client name on any account.
const REFUSED_CLIENTS: &[&str] = &[
    "",
    " ",
    "\t",
    ".",
    "..",
    "line\nbreak",
    "carriage\rreturn",
    "escape\u{1b}[31m",
    "delete\u{7f}",
    "nul-like\u{1}",
    "next\u{85}line",
    "bidi\u{202e}gnp",
    "zero\u{200b}width",
    "bom\u{feff}",
];

/// Odd but legal: RabbitMQ has such users. Issued byte for byte, or refused; never changed.
const ODD_CLIENTS: &[&str] = &[
    "celery_worker",
    "worker@example.com",
    "a b",
    "user+OU=x",
    "a,b",
    "a/b",
    "/CN=other",
    "a\\b",
    "a=b",
    "a;b",
    "a\"b",
    "a'b",
    "a$b",
    "$(id)",
    "`id`",
    "a#b",
    "#start",
    "a<b>",
    "a%b",
    "%2e%2e",
    "${ENV::HOME}",
    "subjectAltName=DNS:x",
    "]}}{[",
    "{\"name\":\"x\"}",
    "x\"}].",
    "[table]",
    "\"\"\"",
    "../../evil",
    "/tmp/evil",
    "..\\..\\evil",
    "a/../../b",
    "-rf",
    "--force",
    "ca",
    "CON",
    "nul.txt",
    "name.",
    "*",
    "Ünïcode",
    "п\u{430}ypal",
    "日本語",
    "😀",
];

const REFUSED_SERVERS: &[&str] = &[
    "",
    " ",
    ".",
    "..",
    "a..b",
    ".example.com",
    "under_score.example.com",
    "-leading.example.com",
    "trailing-.example.com",
    "has space.example.com",
    "host:5671",
    "https://host.example.com/",
    "*",
    "*.",
    "*.com*",
    "a*.example.com",
    "a.*.example.com",
    "*.*.example.com",
    "../../evil.example.com",
    "/etc/passwd",
    "a\\b",
    "a\nb",
    "a\u{1b}b",
    "a,DNS:b",
    "a;b",
    "a'b",
    "1.2.3.4.5",
    "999.1.1.1",
    "fe80::1%eth0",
    "::g",
];

const REFUSED_SANS: &[&str] = &[
    "",
    "dns:",
    "ip:",
    "uri:",
    "email:",
    "ip:999.1.1.1",
    "ip:fe80::1%eth0",
    "ip:10.0.0.1/24",
    "dns:a..b",
    "dns:-a.example",
    "dns:under_score.example",
    "dns:a b",
    "dns:*",
    "dns:f*o.example.com",
    "dns:*.*.example.com",
    "dns:10.0.0.1",
    "email:nobody",
    "email:@example.com",
    "email:a@",
    "uri:no-scheme",
    "uri:http://a b/",
    "dns:a.example,DNS:b.example",
    "dns:a\nb",
];

#[test]
fn refused_client_names_change_nothing() {
    let world = World::initialised([]);
    let mut names: Vec<OsString> = REFUSED_CLIENTS.iter().map(Into::into).collect();
    names.push(OsString::from_vec(b"invalid\xff\xfeutf8".to_vec()));
    names.push("x".repeat(65).into());
    names.push("x".repeat(256).into());
    names.push("x".repeat(5000).into());
    names.push("é".repeat(65).into());
    let before = snapshot(&world.pki(""));
    for name in names {
        let output = world.certgen([&OsString::from("issue"), &"client".into(), &"--".into(), &name]).run().refused();
        let clean = !output.stderr.bytes().any(|b| b == 0x1b || b == 0x7f) && !output.stderr.contains('\u{202e}');
        assert!(clean, "the message repeats the control characters of {name:?}\n{}", output.transcript());
        unchanged(&before, &world.pki(""), &format!("refusing the client {name:?} changed something"));
    }
}

#[test]
fn odd_client_names_are_issued_exactly_as_asked_or_refused() {
    let world = World::initialised([]);
    for name in ODD_CLIENTS {
        let outside = snapshot(world.path("").parent().expect("a world is in a directory").join("evil").as_path());
        let before = snapshot(&world.pki(""));
        let output = world.certgen(["issue", "client", "--", name]).run().sane();
        if output.code == Some(0) {
            let found = world.certgen(["--json", "list"]).run().success();
            assert!(
                found.json().to_string().contains(&serde_json::to_string(name).unwrap()),
                "{name:?} is not listed as such"
            );
            assert_eq!(common_name_of_new(&world, &before), *name, "the CN is not the name asked for");
            let users = world.read("pki/rabbitmq/definitions.json");
            let users: serde_json::Value = serde_json::from_str(&users).expect("definitions.json is JSON");
            let has = users["users"].as_array().is_some_and(|u| u.iter().any(|u| u["name"] == **name));
            assert!(has, "no user {name:?} in definitions.json");
        } else {
            let output = output.refused();
            unchanged(
                &before,
                &world.pki(""),
                &format!("refusing {name:?} changed something\n{}", output.transcript()),
            );
        }
        assert_eq!(outside.len(), 0, "something was written outside");
    }
    check(&world.pki(""));
}

/// The CN of the one certificate that is new, which has exactly one CN and no other attribute from the name.
fn common_name_of_new(
    world: &World,
    before: &std::collections::BTreeMap<std::path::PathBuf, (u32, Vec<u8>)>,
) -> String {
    let after = snapshot(&world.pki("client"));
    let new: Vec<_> =
        after.iter().filter(|(p, _)| p.ends_with("client_certificate.pem") && !before.contains_key(*p)).collect();
    assert_eq!(new.len(), 1, "one new certificate, got {:?}", new.iter().map(|(p, _)| p).collect::<Vec<_>>());
    let pem = x509_parser::pem::Pem::iter_from_buffer(&new[0].1.1).next().expect("a certificate").expect("whole PEM");
    let (_, certificate) = X509Certificate::from_der(&pem.contents).expect("a certificate decodes");
    let mut names = certificate.subject().iter_common_name();
    let name = names.next().expect("a CN").as_str().expect("text").to_owned();
    assert!(names.next().is_none(), "two CNs");
    assert_eq!(certificate.subject().iter_attributes().count(), 1, "the name added an attribute");
    name
}

#[test]
fn names_of_64_characters_are_the_longest() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", &"x".repeat(64)]).run().success();
    // Each byte beyond ASCII takes three in the name of a file, which may have 255 with `.json.new`.
    world.certgen(["issue", "client", &"é".repeat(42)]).run().refused().stderr_has("255");
    world.certgen(["issue", "client", &"é".repeat(41)]).run().success();
    world.certgen(["issue", "client", &"é".repeat(64)]).run().refused().stderr_has("255");
    // A server name that is too long for a CN lives in the SAN alone.
    let long = format!("{}.{}.example.com", "a".repeat(63), "b".repeat(63));
    world.certgen(["issue", "server", &long]).run().success();
    let text = openssl([
        "x509",
        "-noout",
        "-text",
        "-in",
        &world.pki(format!("server/{long}/server_certificate.pem")).display().to_string(),
    ]);
    assert!(text.accepted().contains(&format!("DNS:{long}")), "{}", text.text);
    check(&world.pki(""));
}

#[test]
fn refused_server_names_change_nothing() {
    let world = World::initialised([]);
    let mut names: Vec<OsString> = REFUSED_SERVERS.iter().map(Into::into).collect();
    names.push(OsString::from(format!("{}.example.com", "a".repeat(64))));
    names.push(OsString::from(vec!["a".repeat(60); 6].join(".")));
    names.push(OsString::from_vec(b"\xff.example.com".to_vec()));
    let before = snapshot(&world.pki(""));
    for role in ["server", "node"] {
        for name in &names {
            world.certgen([&OsString::from("issue"), &role.into(), &"--".into(), name]).run().refused();
            unchanged(&before, &world.pki(""), &format!("refusing the {role} {name:?} changed something"));
        }
    }
}

#[test]
fn refused_alternative_names_change_nothing() {
    let world = World::initialised([]);
    let before = snapshot(&world.pki(""));
    let long = format!("dns:{}.example", "a.".repeat(150));
    for san in REFUSED_SANS.iter().copied().chain([long.as_str()]) {
        world.certgen(["issue", "server", "good.example.com", "--san", san]).run().refused();
        unchanged(&before, &world.pki(""), &format!("refusing the SAN {san:?} changed something"));
    }
}

#[test]
fn wildcards_and_international_names_become_what_the_standards_say() {
    let world = World::initialised([]);
    world.certgen(["issue", "server", "*.example.com", "--san", "bücher.example"]).run().success();
    let path = world.pki("server/_wildcard.example.com/server_certificate.pem");
    let text = openssl(["x509", "-noout", "-text", "-in", &path.display().to_string()]);
    for wanted in ["DNS:*.example.com", "DNS:xn--bcher-kva.example"] {
        assert!(text.accepted().contains(wanted), "{wanted} is missing\n{}", text.text);
    }
    // No peer looks for an IPv4 address under its IPv6 name: the message says how to write it.
    let mapped = ["issue", "server", "mapped.example", "--san", "::ffff:10.0.0.1"];
    world.certgen(mapped).run().refused().stderr_has("10.0.0.1");
    // The same alternative name twice is a mistake worth a word; the name itself once more is none, and is written once.
    let twice = ["issue", "server", "twice.example", "--san", "b.example", "--san", "B.example"];
    world.certgen(twice).run().refused().stderr_has("twice");
    let args = ["issue", "server", "twice.example", "--san", "b.example", "--san", "twice.example"];
    world.certgen(args).run().success();
    let path = world.pki("server/twice.example/server_certificate.pem");
    let text = openssl(["x509", "-noout", "-ext", "subjectAltName", "-in", &path.display().to_string()]);
    assert_eq!(text.accepted().matches("DNS:twice.example").count(), 1, "{}", text.text);
}

#[test]
fn a_client_name_is_never_a_dns_alternative_name() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "host.example.com"]).run().success();
    let path = world.pki("client/host.example.com/client_certificate.pem");
    let text = openssl(["x509", "-noout", "-text", "-in", &path.display().to_string()]);
    assert!(!text.accepted().contains("DNS:"), "{}", text.text);
}

#[test]
fn names_equal_but_for_case_are_refused() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "Worker"]).run().success();
    let before = snapshot(&world.pki(""));
    world.certgen(["issue", "client", "worker"]).run().refused();
    unchanged(&before, &world.pki(""), "refusing the same name in another case changed something");
}

#[test]
fn a_client_called_like_the_administrator_is_refused() {
    let world = World::initialised([]);
    let definitions: serde_json::Value =
        serde_json::from_str(&world.read("pki/rabbitmq/definitions.json")).expect("JSON");
    let users = definitions["users"].as_array().expect("users");
    let administrator =
        users.iter().find(|u| u["tags"].to_string().contains("administrator")).expect("an administrator");
    let before = snapshot(&world.pki(""));
    for name in [administrator["name"].as_str().expect("a name"), "guest"] {
        world.certgen(["issue", "client", name]).run().refused();
        unchanged(&before, &world.pki(""), &format!("refusing the client {name} changed something"));
    }
}

#[test]
fn durations_and_times_out_of_range_are_refused() {
    let world = World::initialised([]);
    let before = snapshot(&world.pki(""));
    for validity in ["0", "0d", "-1d", "999999999d", "99999999999999999999d", "1", "d", "1x", "1.5d", "", "٣d"] {
        world.certgen(["issue", "client", "x", &format!("--validity={validity}")]).run().refused();
        unchanged(&before, &world.pki(""), &format!("refusing the validity {validity:?} changed something"));
    }
    for time in
        ["yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01", "", "9999999-01-01T00:00:00Z"]
    {
        world.certgen(["issue", "client", "x", &format!("--not-after={time}")]).run().refused();
        unchanged(&before, &world.pki(""), &format!("refusing the time {time:?} changed something"));
    }
}

#[test]
fn nothing_is_written_outside_the_directory() {
    let world = World::initialised([]);
    for name in ["../../evil", "/evil", "..", "ca/../../../evil", "..%2f..%2fevil"] {
        world.certgen(["issue", "client", "--", name]).run().sane();
    }
    let mut outside: Vec<_> = fs::read_dir(world.path("")).expect("a world").flatten().map(|e| e.file_name()).collect();
    outside.retain(|n| n.as_bytes() != b"pki");
    assert!(outside.is_empty(), "written outside pki/: {outside:?}");
    check(&world.pki(""));
}
