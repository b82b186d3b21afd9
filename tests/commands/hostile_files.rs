//! Every file that is read, in every state that a disk, an editor or an attacker can leave it in: the command says which
//! file and why, changes nothing, and does it in two seconds and a hundred megabytes.

use std::fs;
use std::path::Path;

use crate::support::World;
use crate::support::invariants::{snapshot, unchanged};

/// Address space, not resident memory: the program, its stack and a hundred megabytes.
const MEMORY: &str = "ulimit -v 260000";

/// One way to spoil a file.
type Spoil = (&'static str, fn(&Path));

const SPOILED: &[Spoil] = &[
    ("empty", |p| fs::write(p, "").unwrap()),
    ("cut in half", |p| {
        let bytes = fs::read(p).unwrap();
        fs::write(p, &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("garbage", |p| fs::write(p, [0x80, 0xfe, 0x01, 0x02].repeat(500)).unwrap()),
    ("all NUL", |p| fs::write(p, vec![0; 4096]).unwrap()),
    ("64 MiB", |p| fs::write(p, vec![b'a'; 64 << 20]).unwrap()),
    ("64 MiB on one line after a good start", |p| {
        let mut bytes = fs::read(p).unwrap();
        bytes.extend(vec![b' '; 64 << 20]);
        bytes.push(b'x');
        fs::write(p, bytes).unwrap();
    }),
    ("a directory", |p| {
        fs::remove_file(p).unwrap();
        fs::create_dir(p).unwrap();
    }),
    ("missing", |p| fs::remove_file(p).unwrap()),
    ("a dangling link", |p| {
        fs::remove_file(p).unwrap();
        std::os::unix::fs::symlink("/nonexistent/elsewhere", p).unwrap();
    }),
];

/// Spoils `file` in every way and runs `issue client`; only `may_succeed` states may be issued over.
fn spoil(file: &str, may_succeed: &[&str]) {
    for (state, spoil) in SPOILED {
        let world = World::initialised([]);
        let file = pick(&world, file);
        spoil(&world.pki(&file));
        let before = snapshot(&world.pki(""));
        let output = world.certgen(["issue", "client", "after"]).after_shell(MEMORY).run().sane();
        if output.code == Some(0) {
            assert!(may_succeed.contains(state), "issued although {file} is {state}\n{}", output.transcript());
            continue;
        }
        let output = output.refused();
        let name = Path::new(&file).file_name().and_then(|n| n.to_str()).unwrap_or(&file);
        assert!(
            output.stderr.contains(name),
            "{file} is {state}: the message does not name it\n{}",
            output.transcript()
        );
        unchanged(&before, &world.pki(""), &format!("{file} is {state}: the refusal changed something"));
    }
}

/// `ca/*/ca_key.pem`: the only authority of the default profile, whatever its name.
fn pick(world: &World, pattern: &str) -> String {
    let Some(rest) = pattern.strip_prefix("ca/*/") else { return pattern.to_owned() };
    let authority = fs::read_dir(world.pki("ca")).expect("ca/").flatten().next().expect("an authority");
    format!("ca/{}/{rest}", authority.file_name().to_string_lossy())
}

#[test]
fn manifest() {
    spoil("certgen.toml", &[]);
}

#[test]
fn inventory() {
    // It can be rebuilt from the certificates, and a torn last line is repaired: both are said.
    spoil("inventory.jsonl", &["empty", "cut in half", "missing"]);
}

#[test]
fn authority_key() {
    spoil("ca/*/ca_key.pem", &[]);
}

#[test]
fn authority_certificate() {
    spoil("ca/*/ca_certificate.pem", &[]);
}

#[test]
fn definitions() {
    // Missing: written again.
    spoil("rabbitmq/definitions.json", &["missing", "empty"]);
}

#[test]
fn a_key_of_another_authority_is_noticed() {
    let (world, other) = (World::initialised([]), World::initialised([]));
    let key = world.pki(pick(&world, "ca/*/ca_key.pem"));
    fs::copy(other.pki(pick(&other, "ca/*/ca_key.pem")), key).expect("copying a key");
    let before = snapshot(&world.pki(""));
    world.certgen(["issue", "client", "x"]).run().refused().stderr_has("ca_key.pem");
    unchanged(&before, &world.pki(""), "the refusal changed something");
}

#[test]
fn a_leaf_in_place_of_the_authority_is_noticed() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "leaf"]).run().success();
    for (from, to) in [("client_certificate.pem", "ca_certificate.pem"), ("client_key.pem", "ca_key.pem")] {
        fs::copy(world.pki(format!("client/leaf/{from}")), world.pki(pick(&world, &format!("ca/*/{to}"))))
            .expect("copying");
    }
    let before = snapshot(&world.pki(""));
    world.certgen(["issue", "client", "x"]).run().refused().stderr_has("ca_certificate.pem");
    unchanged(&before, &world.pki(""), "the refusal changed something");
}

#[test]
fn manifests_that_say_nonsense() {
    let world = World::initialised([]);
    let good = world.read("pki/certgen.toml");
    let sans: Vec<String> = (0..10_000).map(|i| format!("\"h{i}.example.com\"")).collect();
    let cases: Vec<(&str, String)> = vec![
        ("unknown key", format!("{good}\n[client.x]\nvalidty = \"1d\"\n")),
        ("unknown table", format!("{good}\n[clint.x]\n")),
        ("negative duration", format!("{good}\n[client.x]\nvalidity = \"-1d\"\n")),
        ("duration beyond every calendar", format!("{good}\n[client.x]\nvalidity = \"1000000000d\"\n")),
        ("number for a duration", format!("{good}\n[client.x]\nvalidity = 5\n")),
        ("duplicate table", format!("{good}\n[client.x]\n[client.x]\n")),
        ("version of the future", good.replacen("version = 1", "version = 999", 1)),
        ("no version", good.replacen("version = 1", "", 1)),
        ("issuer that does not exist", format!("{good}\n[client.x]\nissuer = \"nobody\"\n")),
        ("wrong SAN", format!("{good}\n[server.x]\nsan = [\"a..b\"]\n")),
        ("deeply nested", format!("{good}\nx = {}{}\n", "[".repeat(100_000), "]".repeat(100_000))),
        ("invalid UTF-8 text", format!("{good}\n[client.\"a\u{0}b\"]\n")),
        ("ten thousand SANs with one wrong", format!("{good}\n[server.x]\nsan = [{},\"-\"]\n", sans.join(","))),
    ];
    for (case, text) in cases {
        world.write("pki/certgen.toml", &text);
        let before = snapshot(&world.pki(""));
        let output = world.certgen(["issue", "client", "after"]).after_shell(MEMORY).run().refused();
        assert!(output.stderr.contains("certgen.toml"), "{case}: the file is not named\n{}", output.transcript());
        unchanged(&before, &world.pki(""), &format!("{case}: the refusal changed something"));
    }
}

#[test]
fn an_unknown_key_is_named_with_line_and_neighbour() {
    let world = World::initialised([]);
    let good = world.read("pki/certgen.toml");
    world.write("pki/certgen.toml", format!("{good}\n[client.x]\nvalidty = \"1d\"\n"));
    let line = good.lines().count() + 3;
    let output = world.certgen(["issue", "client", "after"]).run().refused();
    output.stderr_has("validty").stderr_has("validity").stderr_has(&format!("{line}"));
}

#[test]
fn certificates_to_inspect_in_every_dress() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "x"]).run().success();
    let pem = world.read("pki/client/x/client_certificate.pem");
    let authority = world.read(format!("pki/{}", pick(&world, "ca/*/ca_certificate.pem")));
    for (dress, text) in [
        ("CRLF", pem.replace('\n', "\r\n")),
        ("text before", format!("Certificate of x:\n{pem}")),
        ("no newline at the end", pem.trim_end().to_owned()),
        ("byte order mark", format!("\u{feff}{pem}")),
        ("two certificates", format!("{pem}{authority}")),
        ("a hundred certificates", authority.repeat(100)),
    ] {
        let file = world.write("input.pem", text);
        let output = world.certgen(["inspect", &file.display().to_string()]).after_shell(MEMORY).run().sane();
        assert_eq!(output.code, Some(0), "{dress}\n{}", output.transcript());
    }
    for (dress, bytes) in [
        ("ten thousand blocks", authority.repeat(10_000).into_bytes()),
        ("a block without an end", b"-----BEGIN CERTIFICATE-----\nMIIB\n".to_vec()),
        ("deep ASN.1", nested(20_000)),
        ("length beyond the end", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
        ("indefinite length", [vec![0x30, 0x80], vec![0; 100]].concat()),
        ("64 MiB", vec![b'-'; 64 << 20]),
        ("nothing", Vec::new()),
    ] {
        let file = world.write("input.pem", bytes);
        let output = world.certgen(["inspect", &file.display().to_string()]).after_shell(MEMORY).run().refused();
        assert!(output.stderr.contains("input.pem"), "{dress}: the file is not named\n{}", output.transcript());
    }
}

/// SEQUENCE in SEQUENCE, with honest lengths.
fn nested(depth: usize) -> Vec<u8> {
    let mut backwards: Vec<u8> = Vec::new();
    for _ in 0..depth {
        let length = backwards.len();
        if length < 0x80 {
            backwards.push(u8::try_from(length).expect("below 128"));
        } else {
            let bytes: Vec<u8> = length.to_le_bytes().into_iter().take_while(|b| *b != 0).collect();
            let bytes = if bytes.len() < 3 { length.to_le_bytes()[..3].to_vec() } else { bytes };
            backwards.extend(&bytes);
            backwards.push(0x80 | u8::try_from(bytes.len()).expect("few"));
        }
        backwards.push(0x30);
    }
    backwards.reverse();
    backwards
}

#[test]
fn a_request_that_wants_too_much_is_refused() {
    use crate::support::openssl;
    let world = World::initialised([]);
    let (csr, key) = (world.path("wish.csr").display().to_string(), world.path("wish.key").display().to_string());
    let request = |subject: &str, extension: &str| {
        let mut args = vec!["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        args.extend(["-subj", subject, "-keyout", &key, "-out", &csr]);
        if !extension.is_empty() {
            args.extend(["-addext", extension]);
        }
        openssl(&args).accepted();
    };
    let before = snapshot(&world.pki(""));
    for (subject, extension) in
        [("/CN=wish", "basicConstraints=CA:TRUE"), ("/CN=somebody-else", ""), ("/CN=wish/CN=administrator", "")]
    {
        request(subject, extension);
        world.certgen(["issue", "client", "wish", "--csr", &csr]).run().refused();
        unchanged(&before, &world.pki(""), &format!("refusing {subject} {extension} changed something"));
    }
    // Spoiled signature.
    request("/CN=wish", "");
    let text = fs::read_to_string(&csr).expect("a CSR");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = lines.len() - 2;
    lines[at] = lines[at]
        .chars()
        .map(|c| {
            if c == 'A' {
                'B'
            } else if c.is_ascii_lowercase() {
                'a'
            } else {
                c
            }
        })
        .collect();
    fs::write(&csr, lines.join("\n") + "\n").expect("writable");
    world.certgen(["issue", "client", "wish", "--csr", &csr]).run().refused();
    unchanged(&before, &world.pki(""), "refusing a spoiled signature changed something");
    // And the plain one is signed, without a key of ours.
    request("/CN=wish", "");
    world.certgen(["issue", "client", "wish", "--csr", &csr]).run().success();
    assert!(world.pki("client/wish/client_certificate.pem").exists());
    assert!(!world.pki("client/wish/client_key.pem").exists());
}
