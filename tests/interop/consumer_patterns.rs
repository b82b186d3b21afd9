//! The ways in which tls-gen is used, after the change of one line that README.md shows for each: bash and make run them, and
//! what read the files before reads them now.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::broker::{Etc, Lab, Version};
use crate::support::judge::{Verdict, judge};
use crate::support::world::CERTGEN;
use crate::support::{World, openssl, readme, tls};

/// A world with `certgen` on the path, and the scripts of a consumer.
fn world() -> World {
    let world = World::new();
    for directory in ["bin", "work", "tmp"] {
        std::fs::create_dir(world.path(directory)).expect("a world is writable");
    }
    symlink(CERTGEN, world.path("bin/certgen")).expect("a world is writable");
    world
}

/// The environment of a script, and nothing else.
fn prepare(world: &World, command: &mut Command, variables: &[(&str, &str)]) {
    command.env_clear().env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", world.path("bin").display()));
    command.env("HOME", world.path("")).env("TMPDIR", world.path("tmp")).env("LC_ALL", "C.UTF-8");
    command.envs(variables.iter().copied()).current_dir(world.path("work"));
}

/// Runs the pattern of this name, and then `more` in the same shell.
fn run(world: &World, name: &str, more: &str, variables: &[(&str, &str)]) -> Verdict {
    let script = world.write("script", readme::change(name) + more);
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-euo", "pipefail"]).arg(script);
    prepare(world, &mut command, variables);
    judge(command, "bash")
}

/// OpenSSL finds the pair whole: chain, purpose, and the key that belongs to it.
#[track_caller]
fn is_pair(authority: &Path, certificate: &Path, key: &Path, purpose: &str, password: &str) {
    let verify = openssl([
        "verify".as_ref(),
        "-x509_strict".as_ref(),
        "-purpose".as_ref(),
        purpose.as_ref(),
        "-CAfile".as_ref(),
        authority.as_os_str(),
        certificate.as_os_str(),
    ]);
    verify.accepted();
    let public = openssl(["x509", "-noout", "-pubkey", "-in", &certificate.display().to_string()]);
    let password = format!("pass:{password}");
    let of_key = openssl(["pkey", "-pubout", "-passin", &password, "-in", &key.display().to_string()]);
    assert_eq!(public.accepted(), of_key.accepted(), "{} and {}", certificate.display(), key.display());
}

/// What openssl says of a certificate.
#[track_caller]
fn text(certificate: &Path) -> String {
    openssl(["x509", "-noout", "-text", "-in", &certificate.display().to_string()]).accepted().to_owned()
}

#[test]
#[ignore = "needs make and openssl"]
fn a_clients_tests_find_their_directory() {
    let world = world();
    let said = run(&world, "clone and make", "echo \"read $TLS_CERTS_DIR\"", &[]).accepted().to_owned();
    let directory =
        said.lines().last().and_then(|line| line.strip_prefix("read ")).expect("it ends with the directory");
    let directory = Path::new(directory);
    assert_eq!(directory, world.path("work/tls-gen/basic/result"));
    // A handshake with both pairs, by the names that such tests read.
    let port = tls::serving(directory, directory, |stream| {
        let _ = stream.write_all(b"\nthe client is known\n");
    });
    let address = format!("localhost:{port}");
    let at = |name: &str| directory.join(name).display().to_string();
    let client = openssl([
        "s_client",
        "-connect",
        &address,
        "-ign_eof",
        "-verify_return_error",
        "-verify_hostname",
        "localhost",
        "-CAfile",
        &at("ca_certificate.pem"),
        "-cert",
        &at("client_certificate.pem"),
        "-key",
        &at("client_key.pem"),
    ]);
    // The server hangs up without a word, which openssl counts as an error.
    for fact in ["Verify return code: 0 (ok)", "the client is known"] {
        assert!(client.text.contains(fact), "{fact}\n{}", client.text);
    }
}

#[test]
#[ignore = "needs make and Java"]
fn java_finds_the_name_of_the_host() {
    let world = world();
    run(&world, "the name of the host", "", &[]).accepted();
    let mut java = Command::new("java");
    java.arg(format!("-Djava.io.tmpdir={}", world.path("tmp").display()));
    java.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/TlsGenResult.java"));
    prepare(&world, &mut java, &[]);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a machine has a name");
    // As X.500 has it in text: the last of the subject first.
    assert_eq!(judge(java, "java").accepted().trim(), format!("O=client,CN={}", host.trim()));
}

#[test]
#[ignore = "needs openssl"]
fn an_image_takes_everything_from_its_environment() {
    const PASSWORD: &str = r#"p w$x'y"z"#;
    let names = [("CN", "rabbit.test"), ("SERVER_ALT_NAME", "broker"), ("CLIENT_ALT_NAME", "worker")];
    let rsa = [("NUMBER_OF_PRIVATE_KEY_BITS", "3072"), ("DAYS_OF_VALIDITY", "30"), ("PASSWORD", PASSWORD)];
    let ecc = [("USE_ECC", "true"), ("ECC_CURVE", "secp384r1")];
    for (profile, more, key, password) in [
        ("basic", &rsa[..], "(3072 bit)", PASSWORD),
        ("one_intermediate", &ecc[..], "secp384r1", ""),
        ("separate_intermediates", &rsa[..], "(3072 bit)", PASSWORD),
        ("two_shared_intermediates", &[][..], "(2048 bit)", ""),
    ] {
        let world = world();
        let out = world.path("tmp").display().to_string();
        let here = [("GEN_TYPE", profile), ("OUT", &out)];
        let said = run(&world, "the entrypoint of an image", "", &[&names[..], more, &here].concat());
        assert!(!said.accepted().contains(PASSWORD), "{}", said.text);
        let (authority, certificate) = (world.path("tmp/ca.crt"), world.path("tmp/tls.crt"));
        let chain = world.path("work/result").join(match profile {
            "separate_intermediates" => "chained_server_ca_certificate.pem",
            _ => "chained_ca_certificate.pem",
        });
        let trusted = if profile == "basic" { &authority } else { &chain };
        is_pair(trusted, &certificate, &world.path("tmp/tls.key"), "sslserver", password);
        let facts = text(&certificate);
        for fact in ["CN = rabbit.test, O = server", "DNS:rabbit.test, DNS:broker, DNS:localhost", key] {
            assert!(facts.contains(fact), "{profile}: {fact}\n{facts}");
        }
        let client = if profile == "basic" { "client_rabbit.test_certificate.pem" } else { "client_certificate.pem" };
        let client = text(&world.path("work/result").join(client));
        assert!(client.contains("DNS:rabbit.test, DNS:worker, DNS:localhost"), "{client}");
    }
}

#[test]
#[ignore = "needs make and openssl"]
fn modes_are_changed_and_files_put_together() {
    let world = world();
    run(&world, "modes, and one file for both", "", &[]).accepted();
    let result = world.path("work/tls-gen/basic/result");
    let both = result.join("certificate.pem");
    is_pair(&result.join("ca_certificate.pem"), &both, &both, "sslserver", "");
    let authority = world.read("work/tls-gen/basic/result/ca_certificate.pem");
    // What the script left there does not stop the next run, and is not lost by it.
    let script = world.write("again", "make -C tls-gen/basic CN=rabbitmq");
    let mut again = Command::new("bash");
    again.arg(script);
    prepare(&world, &mut again, &[]);
    judge(again, "bash").accepted();
    assert_ne!(authority, world.read("work/tls-gen/basic/result/ca_certificate.pem"));
    assert_eq!(authority, world.read("work/tls-gen/basic/result.previous/ca_certificate.pem"));
    is_pair(&world.path("work/tls-gen/basic/result.previous/ca_certificate.pem"), &both, &both, "sslserver", "");
}

/// What stands in for the unit: it starts a broker, in the configuration of the TLS guide with logins by certificate.
const SYSTEMCTL: &str = r#"#!/bin/sh
set -eu
[ "$*" = "restart rabbitmq-server" ]
cp -R tls-gen/basic/result /etc/rabbitmq/certs
cat > /etc/rabbitmq/rabbitmq.conf <<'END'
listeners.ssl.default = 5671
ssl_options.cacertfile = /etc/rabbitmq/certs/ca_certificate.pem
ssl_options.certfile   = /etc/rabbitmq/certs/server_certificate.pem
ssl_options.keyfile    = /etc/rabbitmq/certs/server_key.pem
ssl_options.verify     = verify_peer
ssl_options.fail_if_no_peer_cert = true
auth_mechanisms.1 = EXTERNAL
ssl_cert_login_from = common_name
END
echo '[rabbitmq_auth_mechanism_ssl].' > /etc/rabbitmq/enabled_plugins
chown -R rabbitmq:rabbitmq /etc/rabbitmq
setsid rabbitmq-server >/var/log/rabbitmq/console 2>&1 &
until rabbitmqctl --silent await_startup --timeout 60 2>/dev/null; do sleep 1; done
"#;

#[test]
#[ignore = "needs make, openssl, pika, rabbitmq-server 3.10 and root"]
fn a_user_of_the_name_in_the_certificate_logs_in() {
    let world = world();
    let systemctl = world.write("bin/systemctl", SYSTEMCTL);
    std::fs::set_permissions(systemctl, std::fs::Permissions::from_mode(0o755)).expect("a world is writable");
    let lab = Lab::single(Version::V3_10, "rabbitmq", &Etc::default());
    let host = lab.host();
    // Entering the host leads to its root.
    let work = format!("cd '{}'\n", world.path("work").display());
    let script = world.write("script", work + &readme::change("a user for the certificate"));
    let mut command = host.command("bash");
    command.args(["--noprofile", "--norc", "-euo", "pipefail"]).arg(script);
    prepare(&world, &mut command, &[]);
    let said = judge(command, "bash");
    assert!(said.ok, "{}\n{}", said.text, host.log());
    let users = host.tool("rabbitmqctl", ["list_users", "--silent"]);
    assert!(users.text.lines().any(|line| line.starts_with("localhost\t")), "{}", users.text);
    let at = |name: &str| world.path("work/tls-gen/basic/result").join(name).display().to_string();
    let files = [at("ca_certificate.pem"), at("client_localhost_certificate.pem"), at("client_localhost_key.pem")];
    let [ca, certificate, key] = &files;
    let login = host.python("login.py", ["localhost", "5671", ca, certificate, key]);
    assert!(login.ok, "{}\n{}", login.text, host.log());
}

#[test]
#[ignore = "needs make and openssl"]
fn the_tls_guide_is_followed() {
    let world = world();
    let said = run(&world, "the TLS guide", "", &[]).accepted().to_owned();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a machine has a name");
    let host = host.trim();
    for fact in [
        format!("result/server_{host}_certificate.pem: OK"),
        format!("result/client_{host}_certificate.pem: OK"),
        format!("CN={host}"),
        "client_key.pem".to_owned(),
    ] {
        assert!(said.contains(&fact), "{fact}\n{said}");
    }
    assert!(!said.contains("bunnies"), "{said}");
    let result = world.path("work/tls-gen/basic/result");
    for (role, purpose) in [("server", "sslserver"), ("client", "sslclient")] {
        let at = |kind: &str| result.join(format!("{role}_{host}_{kind}.pem"));
        is_pair(&result.join("ca_certificate.pem"), &at("certificate"), &at("key"), purpose, "bunnies");
        let key = std::fs::read_to_string(at("key")).expect("it is there");
        assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{key}");
    }
}
