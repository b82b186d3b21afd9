//! `probe` at servers of this process: good ones, wrong ones, and some that mean harm. Brokers are in tests/interop.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{World, tls};

fn celery() -> World {
    World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"])
}

fn node(world: &World) -> std::path::PathBuf {
    world.pki("node/rabbit.example.com")
}

/// A server without TLS that does this with each connection, after the first message; and where it is.
fn plain(serve: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let target = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            serve(stream);
        }
    });
    target
}

/// The item of the answer, which must be `code`.
fn probe(world: &World, code: i32, args: &[&str]) -> Value {
    let said = world.certgen([&["--json", "probe"], args].concat()).run().code(code).sane();
    said.json()["items"][0].clone()
}

const START: &[u8] = b"\x00\x09\x00\x00\x00\x24\x07productS\x00\x00\x00\x0dRab\x1b[31mbitMQ\x04oddsI\x00\x00\x00\x00\
    \x00\x00\x00\x0eEXTERNAL PLAIN\x00\x00\x00\x05en_US";

/// A method of AMQP's connection class.
fn method(number: u16, arguments: &[u8]) -> Vec<u8> {
    let size = u32::try_from(arguments.len() + 4).expect("a short one");
    [&[1, 0, 0], &size.to_be_bytes()[..], &[0, 10], &number.to_be_bytes(), arguments, &[0xCE]].concat()
}

fn close(code: u16, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short one");
    method(50, &[&code.to_be_bytes(), &[length][..], text.as_bytes(), &[0; 4]].concat())
}

/// A broker that answers the first methods with these.
fn broker(world: &World, answers: Vec<Vec<u8>>) -> String {
    let port = tls::serving(&node(world), &node(world), move |stream| {
        for answer in &answers {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        }
        let _ = stream.read(&mut [0; 4096]);
    });
    format!("localhost:{port}")
}

#[test]
fn a_server_and_a_client_that_fit() {
    let world = celery();
    let target = format!("localhost:{}", tls::server(&node(&world)));
    let seen = probe(&world, 0, &[&target, "--client", "celery_worker"]);
    let leaf = world.certgen(["--json", "inspect", "node/rabbit.example.com"]).run().success().json();
    assert_eq!(seen["verdict"], "good");
    assert_eq!((&seen["cause"], &seen["refused_by"], &seen["protocol"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(seen["tls"]["versions"], json!(["TLS 1.3", "TLS 1.2"]));
    assert_eq!(seen["chain"][0]["sha256"], leaf["items"][0]["fingerprint_sha256"]);
    assert_eq!(seen["key_proven"], true);
    assert_eq!(seen["client_certificate_presented"], true);
    assert_eq!(seen["server"]["accepted"], true);
    let words = world.certgen(["probe", &target, "--client", "celery_worker"]).run().success().sane();
    words.stdout_has(&format!("{target}: OK: TLS 1.3 is good and accepts \"CN=celery_worker\""));
}

#[test]
fn who_refuses_whom_and_why() {
    let world = celery();
    world.certgen(["issue", "client", "past", "--not-after", "2026-11-01T00:00:00Z"]).at("2026-10-01T00:00:00Z").run();
    world.certgen(["issue", "server", "web.example.com"]).run().success();
    let stranger = celery();
    let foreign = |file: &str| stranger.pki(format!("client/celery_worker/{file}")).display().to_string();
    let (certificate, key, ca) =
        (foreign("client_certificate.pem"), foreign("client_key.pem"), foreign("ca_certificate.pem"));
    let target = format!("localhost:{}", tls::server(&node(&world)));
    let worker = ["--client", "celery_worker"];
    for (args, cause, side) in [
        (&[][..], "client-missing", "broker"),
        (&["--client", "server/web.example.com"], "client-purpose", "broker"),
        (&["--certificate", &certificate, "--key", &key], "client-ca-unknown", "broker"),
        (&[&worker[..], &["--bundle", &ca]].concat(), "server-ca-unknown", "client"),
        (&[&worker[..], &["--name", "other.example.com"]].concat(), "server-name-mismatch", "client"),
        (&[&worker[..], &["--at", "2046-01-01"]].concat(), "server-expired", "client"),
    ] {
        let seen = probe(&world, 3, &[&[target.as_str()], args].concat());
        assert_eq!((&seen["cause"], &seen["refused_by"]), (&json!(cause), &json!(side)), "{seen:#}");
    }
    // A key of another pair, and a pair that was replaced in the files alone.
    let mismatched = tls::serving(&node(&world), &world.pki("server/web.example.com"), |_| {});
    let seen = probe(&world, 3, &[&format!("localhost:{mismatched}"), "--client", "celery_worker"]);
    assert_eq!((&seen["cause"], &seen["key_proven"]), (&json!("key-mismatch"), &json!(false)));
    world.certgen(["renew", "node/rabbit.example.com"]).run().success();
    let seen = probe(&world, 3, &[&target, "--client", "celery_worker"]);
    assert_eq!((&seen["cause"], &seen["refused_by"]), (&json!("stale-certificate"), &json!("nobody")));
    let remedies = seen["remedies"].to_string();
    assert!(remedies.contains("rabbitmqctl eval 'ssl:clear_pem_cache().'"), "{remedies}");
}

#[test]
fn what_has_no_tls_is_named_with_the_port_that_has() {
    let world = celery();
    for (answer, words) in [
        (&b"AMQP\x00\x00\x09\x01"[..], "AMQP without TLS; with TLS it is on port 5671"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP without TLS"),
        (b"220 mail.example.com ESMTP\r\n", "mail (SMTP) without TLS"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "a secure shell (SSH)"),
        (&[0x41; 1 << 16], "something that is no TLS"),
    ] {
        let target = plain(move |mut stream| drop(stream.write_all(answer)));
        let seen = probe(&world, 3, &[&target]);
        assert_eq!(seen["cause"], "tls-client-on-plain", "{seen:#}");
        assert!(seen["sentence"].as_str().is_some_and(|s| s.contains(words)), "{seen:#}");
    }
    let target = plain(drop);
    assert_eq!(probe(&world, 3, &[&target])["cause"], "key-unusable");
    let target = plain(|mut stream| drop(stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46")));
    assert_eq!(probe(&world, 3, &[&target])["cause"], "version-too-old");
}

#[test]
fn what_does_not_answer_has_exit_code_1_in_time() {
    let world = celery();
    let silent = plain(std::mem::forget);
    // A handshake record of 16,000 octets, one a while; and records as long as anybody reads them.
    let trickling = plain(|mut stream| {
        let _ = stream.write_all(b"\x16\x03\x03\x3e\x80\x02\x00\x3e\x7c");
        while stream.write_all(b"\x00").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    for target in [silent, trickling] {
        let said = world.certgen(["probe", &target, "--timeout", "1s"]).run().code(1);
        assert!(said.took < Duration::from_secs(5), "{:?}", said.took);
        said.stderr_has("no answer within 1 seconds");
    }
    let endless = plain(|mut stream| {
        let mut record = b"\x16\x03\x03\x40\x00\x02\xff\xff\xff".to_vec();
        record.resize(5 + 0x4000, 0);
        while stream.write_all(&record).is_ok() {}
    });
    probe(&world, 3, &[&endless]);
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port").local_addr().expect("it is bound");
    let closed = probe(&world, 1, &[&free.to_string()]);
    assert_eq!((&closed["reached"], &closed["verdict"]), (&json!(false), &json!("unreached")));
    world.certgen(["probe", "no-such-host.invalid:5671"]).run().code(1);
    world.certgen(["probe", "--all", "no-such-host.invalid", "--timeout", "3s"]).run().code(1);
}

#[test]
fn a_login_is_followed_to_its_end() {
    let world = celery();
    let worker = ["--client", "celery_worker", "--protocol", "amqp"];
    let tune = || method(30, &[0, 0, 0, 2, 0, 0, 0, 60]);
    for (answers, code, cause) in [
        (vec![tune(), method(41, &[0]), method(51, &[])], 0, Value::Null),
        (vec![close(403, "ACCESS_REFUSED - Login was refused")], 3, json!("user-unknown")),
        (vec![tune(), close(530, "NOT_ALLOWED - vhost x not found")], 3, json!("vhost-missing")),
        (vec![tune(), close(530, "NOT_ALLOWED - access to vhost 'x' refused")], 3, json!("vhost-refused")),
    ] {
        // start-ok is answered by the first, tune-ok and open together by the second.
        let target = broker(&world, [vec![method(10, START)], answers].concat());
        let seen = probe(&world, code, &[&[target.as_str()], &worker[..]].concat());
        assert_eq!(seen["cause"], cause, "{seen:#}");
        assert_eq!(seen["application"]["mechanisms"], json!(["EXTERNAL", "PLAIN"]));
        let words = world.certgen([&["probe", &target], &worker[..]].concat()).run().code(code).sane();
        assert!(words.stdout.contains("Rab\\u{1b}[31mbitMQ"), "{}", words.stdout);
    }
    let plain_alone = String::from_utf8_lossy(START).replace("EXTERNAL PLAIN", "AMQPLAIN PLAIN");
    let target = broker(&world, vec![method(10, plain_alone.as_bytes())]);
    assert_eq!(probe(&world, 3, &[&[target.as_str()], &worker[..]].concat())["cause"], "mechanism-not-offered");
}

#[test]
fn a_broker_that_lies_inside_tls_neither_holds_nor_harms() {
    let world = celery();
    let huge = b"\x01\x00\x00\xff\xff\xff\xff\x00\x0a\x00\x0a".to_vec();
    let truncated = method(10, &START[..20]);
    let wild = method(10, &[0, 9, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
    let text = close(403, "\u{1b}]0;owned\u{7}\n\u{202e}refused");
    for answers in [vec![huge], vec![truncated], vec![wild], vec![vec![0; 1 << 20]], vec![method(10, START), text]] {
        let target = broker(&world, answers);
        for protocol in ["amqp", "mqtt", "https", "stomp", "stream"] {
            let args = ["probe", &target, "--client", "celery_worker", "--protocol", protocol, "--timeout", "4s"];
            let said = world.certgen(args).run().code(3).sane();
            assert!(said.took < Duration::from_secs(8), "{protocol}: {:?}", said.took);
        }
    }
}

#[test]
fn a_password_goes_to_no_server_that_was_not_accepted() {
    let world = celery();
    world.write("secret.txt", "correct-horse\n");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    let port = tls::serving(&node(&world), &node(&world), move |stream| {
        for answer in [method(10, START), close(403, "ACCESS_REFUSED")] {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap_or_default();
            hearing.lock().expect("nobody panics").extend_from_slice(&buffer[..count]);
            let _ = stream.write_all(&answer);
        }
    });
    let target = format!("localhost:{port}");
    let login = ["--protocol", "amqp", "--client", "celery_worker", "--user", "alice", "--password-file", "secret.txt"];
    let was_heard = || {
        let heard = heard.lock().expect("nobody panics");
        heard.windows(13).any(|window| window == b"correct-horse")
    };
    let refused = probe(&world, 3, &[&[target.as_str(), "--name", "other.example.com"], &login[..]].concat());
    assert!(refused["notes"].to_string().contains("the password was not sent"), "{refused:#}");
    assert!(!was_heard());
    let accepted = world.certgen([&["probe", target.as_str()], &login[..]].concat()).run().code(3);
    accepted.stdout_has("403 ACCESS_REFUSED");
    assert!(was_heard());
}

#[test]
fn a_command_line_that_makes_no_sense() {
    let world = celery();
    for args in [
        &[][..],
        &["localhost:5671", "--all", "localhost"],
        &["localhost"],
        &["localhost:5671", "--timeout", "0s"],
        &["localhost:5671", "--timeout", "soon"],
        &["localhost:5671", "--protocol", "ftp"],
        &["localhost:5671", "--certificate", "a.pem"],
        &["localhost:5671", "--user", "alice"],
        &["localhost:5671", "--name", "a b"],
        &["localhost:5671", "--vhost", &"v".repeat(256)],
    ] {
        world.certgen([&["probe"], args].concat()).run().code(2);
    }
    world.certgen(["probe", "localhost:5671", "--client", "nobody"]).run().code(1).stderr_has("nobody");
    let pair = ["--certificate", "pki/client/celery_worker/client_certificate.pem"];
    let other = ["--key", "pki/client/celery_client/client_key.pem"];
    let said = world.certgen([&["probe", "localhost:5671"], &pair[..], &other[..]].concat()).run().code(1);
    said.stderr_has("the private key does not belong to the certificate");
}
