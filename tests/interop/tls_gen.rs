//! What certgen makes in tls-gen's place, judged by those who read tls-gen's: its own CI sequence with real make, openssl of
//! two generations, and a broker in the configuration of RabbitMQ's TLS guide.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::TLS_REFUSALS;
use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::judge::{Verdict, judge};
use crate::support::world::CERTGEN;
use crate::support::{World, cache, openssl};

const PROFILES: [&str; 4] = ["basic", "one_intermediate", "separate_intermediates", "two_shared_intermediates"];

/// What lies in `result/` after `make CN=localhost`: tls-gen's files (measured, 8152e35) and, in basic, the aliases.
const RESULTS: [&str; 4] = [
    "ca_certificate.pem ca_key.pem client_certificate.pem client_key.pem client_localhost.p12 \
     client_localhost_certificate.pem client_localhost_key.pem server_certificate.pem server_key.pem server_localhost.p12 \
     server_localhost_certificate.pem server_localhost_key.pem",
    "ca_certificate.pem ca_key.pem chained_ca_certificate.pem client.p12 client_certificate.pem client_direct.p12 \
     client_direct_certificate.pem client_direct_key.pem client_key.pem server.p12 server_certificate.pem server_direct.p12 \
     server_direct_certificate.pem server_direct_key.pem server_key.pem",
    "ca_certificate.pem ca_key.pem chained_client_ca_certificate.pem chained_server_ca_certificate.pem client.p12 \
     client_certificate.pem client_key.pem server.p12 server_certificate.pem server_key.pem",
    "ca_certificate.pem ca_key.pem chained_ca_certificate.pem client.p12 client_certificate.pem client_key.pem server.p12 \
     server_certificate.pem server_key.pem",
];

/// A world in which tls-gen's directories have our Makefiles.
fn shimmed() -> World {
    let world = World::new();
    world.certgen(["tls-gen", "--makefile", "tls gen"]).run().success();
    world
}

/// `make` as a script calls it.
fn make(world: &World, args: &[&str], environment: &[(&str, &str)]) -> Verdict {
    let mut command = Command::new("make");
    command.args(args).current_dir(world.path("tls gen")).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("CERTGEN", CERTGEN).envs(environment.iter().copied());
    judge(command, "make")
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn path(world: &World, profile: &str, name: &str) -> String {
    world.path("tls gen").join(profile).join("result").join(name).display().to_string()
}

#[test]
#[ignore = "needs make and openssl"]
fn tls_gens_own_ci_runs_unchanged() {
    let world = shimmed();
    for (profile, results) in PROFILES.into_iter().zip(RESULTS) {
        make(&world, &["CN=localhost", "-C", profile], &[]).accepted();
        let result = world.path("tls gen").join(profile).join("result");
        assert_eq!(joined(&names(&result)), results, "{profile}");
        let info = make(&world, &["CN=localhost", "-C", profile, "info"], &[]);
        assert!(info.accepted().contains("CN=localhost"), "{}", info.text);
        let verified = make(&world, &["CN=localhost", "-C", profile, "verify"], &[]);
        assert!(verified.accepted().matches(": OK").count() >= 2, "{}", verified.text);
        fs::copy(path(&world, profile, "ca_key.pem"), path(&world, profile, &server(profile))).expect("it is writable");
        assert!(!make(&world, &["CN=localhost", "-C", profile, "verify"], &[]).ok, "tls-gen's verify cannot fail");
        make(&world, &["CN=localhost", "-C", profile, "clean"], &[]).accepted();
        let left = names(&world.path("tls gen").join(profile));
        assert_eq!(joined(&left), "Makefile result.previous", "{profile}");
    }
    assert!(!make(&world, &["-C", "basic", "nonsense"], &[]).ok);
}

fn server(profile: &str) -> String {
    if profile == "basic" { "server_localhost_certificate.pem".into() } else { "server_certificate.pem".into() }
}

#[test]
#[ignore = "needs make and openssl"]
fn what_make_was_told_arrives_as_it_was_typed() {
    let password = "b u$nn(i)'\"es";
    // A $ in a value of make's command line, and in the environment.
    for (words, environment) in [
        (vec!["CN=it's a $b".to_owned(), format!("PASSWORD={password}")], vec![]),
        (vec![], vec![("CN", "it's a $b"), ("PASSWORD", password)]),
    ] {
        let world = shimmed();
        let mut args = vec!["-C", "basic", "USE_ECC=true"];
        args.extend(words.iter().map(String::as_str));
        let made = make(&world, &args, &environment);
        assert!(!made.accepted().contains(password) && !made.text.contains("nn(i)"), "{}", made.text);
        let key = path(&world, "basic", "server_it's a $b_key.pem");
        world.write("pass", format!("{password}\n"));
        openssl(["pkey", "-noout", "-in", &key, "-passin", &format!("file:{}", world.path("pass").display())])
            .accepted();
        make(&world, &[&args[..], &["verify", "verify-pkcs12", "gen-client", "gen-crl"]].concat(), &environment)
            .accepted();
        let debug = make(&world, &[&args[..], &["-n", "gen"]].concat(), &environment);
        assert!(!debug.text.contains("nn(i)"), "the recipe holds no password\n{}", debug.text);
    }
    // Nor is it in the arguments or in make's own variables of the program that make starts.
    let world = shimmed();
    world.write("spy", "#!/bin/sh\ntr '\\0' ' ' </proc/$$/cmdline >arguments; env | grep -c 'bunnies' >count; true\n");
    openssl(["version"]).accepted();
    judge(
        {
            let mut chmod = Command::new("chmod");
            chmod.arg("+x").arg(world.path("spy"));
            chmod
        },
        "chmod",
    )
    .accepted();
    let spy = world.path("spy").display().to_string();
    make(&world, &["-C", "basic", "PASSWORD=bunnies"], &[("CERTGEN", &spy)]).accepted();
    let seen = |name: &str| fs::read_to_string(world.path("tls gen/basic").join(name)).expect("the spy wrote it");
    assert!(!seen("arguments").contains("bunnies"), "{}", seen("arguments"));
    assert_eq!(seen("count").trim(), "1", "PASSWORD alone");
}

/// The chain file and the pairs below it, and those below the root.
fn chains(profile: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    match profile {
        "basic" => vec![("ca_certificate.pem", vec!["server_localhost", "client_localhost"])],
        "one_intermediate" => vec![
            ("chained_ca_certificate.pem", vec!["server", "client"]),
            ("ca_certificate.pem", vec!["server_direct", "client_direct"]),
        ],
        "separate_intermediates" => {
            vec![
                ("chained_server_ca_certificate.pem", vec!["server"]),
                ("chained_client_ca_certificate.pem", vec!["client"]),
            ]
        }
        _ => vec![("chained_ca_certificate.pem", vec!["server", "client"])],
    }
}

/// OpenSSL 3.5 of Debian 13, which reads standard input.
fn openssl_3_5(args: &[&str], stdin: &str) -> Verdict {
    let mut command = Command::new("chroot");
    command.arg(cache::need("trixie")).arg("openssl").args(args);
    let output =
        command.stdin(fs::File::open(stdin).expect("it is there")).output().expect("chroot runs (root needed)");
    let text = [output.stdout, output.stderr].concat();
    Verdict { ok: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() }
}

#[test]
#[ignore = "needs make, openssl, and openssl 3.5 in a root of Debian 13"]
fn openssl_verifies_every_leaf_strictly_and_reads_every_container() {
    for more in [&[][..], &["USE_ECC=true"], &["USE_ECC=true", "ECC_CURVE=secp521r1"]] {
        let world = shimmed();
        for profile in PROFILES {
            make(&world, &[&["-C", profile, "CN=localhost", "PASSWORD=bunnies"], more].concat(), &[]).accepted();
            for (chain, leaves) in chains(profile) {
                for leaf in leaves {
                    let purpose = if leaf.starts_with("server") { "sslserver" } else { "sslclient" };
                    let (chain, file) =
                        (path(&world, profile, chain), path(&world, profile, &format!("{leaf}_certificate.pem")));
                    let args = ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", &chain, &file];
                    openssl(args).accepted();
                    let container = path(&world, profile, &format!("{leaf}.p12"));
                    let read = ["pkcs12", "-noenc", "-passin", "pass:bunnies"];
                    for verdict in [openssl([&read[..], &["-in", &container]].concat()), openssl_3_5(&read, &container)]
                    {
                        let text = verdict.accepted();
                        let counts =
                            ["BEGIN CERTIFICATE", "BEGIN PRIVATE KEY", "friendlyName"].map(|s| text.matches(s).count());
                        assert_eq!(counts, [2, 1, 0], "{profile} {leaf}\n{text}");
                    }
                    assert!(!openssl(["pkcs12", "-noenc", "-passin", "pass:rabbits", "-in", &container]).ok);
                    let key = path(&world, profile, &format!("{leaf}_key.pem"));
                    openssl(["pkey", "-noout", "-passin", "pass:bunnies", "-in", &key]).accepted();
                }
            }
        }
    }
}

#[test]
#[ignore = "needs make and openssl"]
fn openssl_sees_what_it_sees_of_tls_gen() {
    let world = shimmed();
    make(&world, &["-C", "one_intermediate", "CN=localhost", "SERVER_ALT_NAME=a.example", "CLIENT_ALT_NAME=b"], &[])
        .accepted();
    for (leaf, subject, names, usage) in [
        (
            "server",
            "subject=CN = localhost, O = server",
            "DNS:localhost, DNS:a.example",
            "TLS Web Server Authentication",
        ),
        (
            "client_direct",
            "subject=CN = localhost, O = client_direct",
            "DNS:localhost, DNS:b",
            "TLS Web Client Authentication",
        ),
    ] {
        let file = path(&world, "one_intermediate", &format!("{leaf}_certificate.pem"));
        let seen = openssl(["x509", "-in", &file, "-noout", "-text", "-subject"]);
        for wanted in
            [subject, names, usage, "Public-Key: (2048 bit)", "sha256WithRSAEncryption", "Basic Constraints: critical"]
        {
            assert!(seen.accepted().contains(wanted), "{wanted}\n{}", seen.text);
        }
        assert!(!seen.text.contains("CRL Distribution"), "{}", seen.text);
        assert_eq!(fs::read_to_string(&file).expect("text").matches("BEGIN").count(), 1, "one certificate");
    }
    // RabbitMQ's client CI reads the user's name so.
    let file = path(&world, "one_intermediate", "client_certificate.pem");
    let seen = openssl(["x509", "-noout", "-subject", "-nameopt", "multiline", "-in", &file]);
    assert!(seen.accepted().contains("commonName                = localhost"), "{}", seen.text);
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port is free").port()
}

/// Waits without a knock, on which `openssl s_server` would spend what it was told.
fn await_port(port: u16) {
    let (started, listens) = (Instant::now(), format!(":{port:04X} "));
    let is_up = || {
        let sockets = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
        // In state 0A: LISTEN.
        sockets.concat().lines().any(|line| line.contains(&listens) && line.split_whitespace().nth(3) == Some("0A"))
    };
    while !is_up() {
        assert!(started.elapsed() < Duration::from_secs(10), "nothing listens on {port}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The way of tls-gen's test/basic.sh: what `openssl s_server` is told, `openssl s_client` hears.
#[test]
#[ignore = "needs make and openssl"]
fn s_server_and_s_client_talk_over_the_pair_and_so_do_ours() {
    const TOKEN: &str = "TEST_4711";
    let world = shimmed();
    make(&world, &["-C", "basic", "clean"], &[]).accepted();
    make(&world, &["-C", "basic", "CN=localhost"], &[]).accepted();
    let at = |name: &str| path(&world, "basic", name);
    let ca = at("ca_certificate.pem");
    let pair =
        |role: &str| [at(&format!("{role}_localhost_certificate.pem")), at(&format!("{role}_localhost_key.pem"))];
    let basic = world.path("tls gen/basic");
    for (theirs_serves, theirs_asks) in [(true, true), (true, false), (false, true)] {
        let port = free_port();
        let port_text = port.to_string();
        let [cert, key] = pair("server");
        let mut server = match theirs_serves {
            true => {
                let mut command = Command::new("openssl");
                command
                    .args(["s_server", "-quiet", "-accept", &port_text, "-cert", &cert, "-key", &key, "-CAfile", &ca]);
                command.args(["-Verify", "4", "-verify_return_error"]);
                command
            }
            false => {
                let mut command = Command::new(CERTGEN);
                command.args(["tls-gen", "basic", "server", "CN=localhost", "--port", &port_text]);
                command
            }
        };
        server.current_dir(&basic).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Running(server.spawn().expect("it starts"));
        await_port(port);
        let mut input = server.0.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut input, format!("{TOKEN}\n").as_bytes()).expect("it reads");
        let [cert, key] = pair("client");
        let mut client = Command::new("timeout");
        match theirs_asks {
            true => {
                client.args(["20", "openssl", "s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")]);
                client.args(["-cert", &cert, "-key", &key, "-CAfile", &ca, "-verify", "4", "-verify_return_error"]);
                client.args(["-verify_hostname", "localhost"]);
            }
            false => {
                client.args(["20", CERTGEN, "tls-gen", "basic", "client", "CN=localhost", "--host", "127.0.0.1"]);
                client.args(["--port", &port_text]);
            }
        }
        client.current_dir(&basic).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = Running(client.spawn().expect("it starts"));
        let mut heard = String::new();
        let mut out = client.0.stdout.take().expect("a pipe");
        let mut octets = [0; 64];
        while !heard.contains(TOKEN) {
            let count = out.read(&mut octets).expect("a pipe");
            if count == 0 {
                break;
            }
            heard += &String::from_utf8_lossy(&octets[..count]);
        }
        let mut said = String::new();
        if !heard.contains(TOKEN) {
            let _ = client.0.stderr.take().expect("a pipe").read_to_string(&mut said);
        }
        assert!(
            heard.contains(TOKEN),
            "server: openssl {theirs_serves}, client: openssl {theirs_asks}\n{heard}\n{said}"
        );
    }
}

#[test]
#[ignore = "needs make and openssl"]
fn twenty_makes_at_once_leave_a_tree_that_openssl_verifies() {
    let world = shimmed();
    let running: Vec<Running> = (0..20)
        .map(|n| {
            let mut command = Command::new("make");
            command
                .args(["-C", "basic", "USE_ECC=true", &format!("CN=host{}", n % 2)])
                .current_dir(world.path("tls gen"));
            command.env("CERTGEN", CERTGEN).stdout(Stdio::null()).stderr(Stdio::null());
            Running(command.spawn().expect("make starts"))
        })
        .collect();
    for mut one in running {
        assert!(one.0.wait().expect("it ends").success());
    }
    let ca = path(&world, "basic", "ca_certificate.pem");
    for alias in ["server_certificate.pem", "client_certificate.pem"] {
        openssl(["verify", "-x509_strict", "-CAfile", &ca, &path(&world, "basic", alias)]).accepted();
    }
    assert_eq!(names(&world.path("tls gen/basic/result")).len(), 12);
}

#[test]
#[ignore = "needs make and openssl"]
fn negative_days_make_what_openssl_calls_expired() {
    let world = shimmed();
    for profile in PROFILES {
        make(&world, &["-C", profile, "CN=localhost", "DAYS_OF_VALIDITY=-7"], &[]).accepted();
        for (chain, leaves) in chains(profile) {
            for leaf in leaves {
                let file = path(&world, profile, &format!("{leaf}_certificate.pem"));
                let verdict = openssl(["verify", "-CAfile", &path(&world, profile, chain), &file]);
                let depth_0 = verdict.text.contains("error 10 at 0 depth lookup: certificate has expired");
                assert!(!verdict.ok && depth_0 && verdict.text.matches("error ").count() <= 2, "{}", verdict.text);
                assert!(!verdict.text.contains("at 1 depth"), "the authority is valid\n{}", verdict.text);
            }
        }
    }
}

/// The guide's own lines, with EXTERNAL beside PLAIN so that the subject can be asked about too.
const TLS_GUIDE: &str = "\
listeners.ssl.default = 5671
ssl_options.cacertfile = /etc/rabbitmq/certs/ca_certificate.pem
ssl_options.certfile = /etc/rabbitmq/certs/server_certificate.pem
ssl_options.keyfile = /etc/rabbitmq/certs/server_key.pem
ssl_options.password = bunnies
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
";

#[test]
#[ignore = "needs rabbitmq-server 3.10 and root"]
fn a_broker_in_the_configuration_of_the_tls_guide() {
    let world = World::new();
    world.certgen(["tls-gen", "basic", "CN=rabbitmq"]).env("PASSWORD", "bunnies").run().success();
    world.certgen(["tls-gen", "basic", "CN=stranger", "--out", "other"]).run().success();
    world.write("rabbitmq.conf", TLS_GUIDE);
    world.write("enabled_plugins", "[rabbitmq_auth_mechanism_ssl].\n");
    world.write("guest", "guest\n");
    let etc = Etc::default().with(world.path("result"), "certs");
    let etc = etc.with(world.path("rabbitmq.conf"), "rabbitmq.conf");
    let lab = Lab::single(Version::V3_10, "rabbitmq", &etc.with(world.path("enabled_plugins"), "enabled_plugins"));
    let host = lab.host();
    host.boot_broker();
    let path = |name: &str| world.path(name).display().to_string();
    let ca = path("result/ca_certificate.pem");
    // pika asks for the password of an encrypted key: the container has the key too.
    let plain = plain_key(&world);
    let cert = path("result/client_certificate.pem");
    let mut checks = Checks::default();
    let guest = ["--user", "guest", "--password-file"].map(str::to_owned);
    let login = |more: &[String]| {
        let words = ["localhost", "5671", &ca, &cert].map(str::to_owned);
        let key = plain.display().to_string();
        host.python("login.py", words.into_iter().chain([key]).chain(more.iter().cloned()))
    };
    let guest: Vec<String> = guest.into_iter().chain([path("guest")]).collect();
    checks.holds("pika logs in as guest over TLS with a client certificate", &login(&guest));
    let user = "O=client,CN=rabbitmq";
    host.tool("rabbitmqctl", ["add_user", user, "unused-password"]).accepted();
    host.tool("rabbitmqctl", ["set_permissions", user, ".*", ".*", ".*"]).accepted();
    checks.holds("pika logs in by its distinguished name, as tls-gen's users know it", &login(&[]));
    let nobody = host.python("login.py", ["localhost", "5671", &ca]);
    checks.refused("nobody comes in without a certificate", &nobody, TLS_REFUSALS);
    let [cert, key] = ["other/client_certificate.pem", "other/client_key.pem"].map(path);
    let stranger = host.python("login.py", ["localhost", "5671", &ca, &cert, &key]);
    checks.refused("nor with one of another authority", &stranger, TLS_REFUSALS);
    checks.finish(&lab);
}

fn plain_key(world: &World) -> PathBuf {
    let (from, to) = (world.path("result/client_rabbitmq.p12"), world.path("plain.pem"));
    let (from, text) = (from.display().to_string(), to.display().to_string());
    openssl(["pkcs12", "-in", &from, "-passin", "pass:bunnies", "-nocerts", "-noenc", "-out", &text]).accepted();
    to
}
