//! Servers that do not answer, or not as they should. Real ones are looked at in tests/interop.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::*;

/// A server on loopback that does this with each connection, and where it is.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            serve(stream);
        }
    });
    target
}

/// Reads the ClientHello, so that closing is no reset.
fn after_hello(mut stream: &TcpStream) {
    let _ = stream.read(&mut [0; 4096]);
}

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn targets_are_read_as_people_write_them() {
    for text in ["localhost:5671", "127.0.0.1:5671", "[::1]:5671", "[2001:db8::1]:443", "rabbit_1.example.com:1"] {
        let target: Target = text.parse().unwrap();
        assert_eq!(target.to_string(), text);
        assert!(Target::is_meant(text));
    }
    for text in ["localhost", ":5671", "localhost:", "localhost:0", "localhost:65536", "::1:5671", "[localhost]:1"] {
        assert_eq!(text.parse::<Target>().unwrap_err().exit_code(), 2, "{text}");
    }
    for text in ["a b:1", "a\n:1", "\u{1b}[31m:1", "..:1", "[fe80::1%eth0]:1", "https://localhost:443", "a:+1"] {
        let error = text.parse::<Target>().unwrap_err();
        assert!(!error.message().chars().any(char::is_control), "{error:?}");
    }
    assert!(!Target::is_meant("client/sensor:1") && !Target::is_meant("C:") && !Target::is_meant("a:b"));
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let target: Target = format!("127.0.0.1:{port}").parse().unwrap();
    let error = probe(&target, PATIENCE).unwrap_err().at(&target);
    assert_eq!(error.message(), format!("looking at {target}: connection refused ({target})"));
    let nowhere: Target = "no-such-host.invalid:5671".parse().unwrap();
    assert!(matches!(probe(&nowhere, PATIENCE), Err(ProbeError::UnknownHost(_) | ProbeError::TimedOut(_))));
}

/// `localhost` has two addresses where there is IPv6, and a broker may listen on one.
#[test]
fn every_address_of_a_name_is_tried() {
    let target = server(|stream| {
        after_hello(&stream);
        let _ = (&stream).write_all(b"\x15\x03\x03\x00\x02\x02\x28");
    });
    let by_name: Target = format!("localhost:{}", target.port()).parse().unwrap();
    assert_eq!(probe(&by_name, PATIENCE).unwrap_err(), ProbeError::Alert("handshake_failure".into()));
}

#[test]
fn a_server_that_says_nothing_or_too_little_is_given_up() {
    let silent = server(std::mem::forget);
    // A handshake record of 16,000 octets, one a while.
    let trickling = server(|mut stream| {
        let _ = stream.write_all(b"\x16\x03\x03\x3e\x80\x02\x00\x3e\x7c");
        while stream.write_all(b"\x00").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    for target in [silent, trickling] {
        let started = Instant::now();
        let error = probe(&target, SHORT).unwrap_err();
        assert_eq!(error.to_string(), "no answer within 0.3 seconds");
        assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    }
}

#[test]
fn a_server_of_another_protocol_is_named_so() {
    for said in
        [&b"AMQP\x00\x00\x09\x01"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2p1\r\n", &[0; 100]]
    {
        let target = server(move |mut stream| {
            after_hello(&stream);
            let _ = stream.write_all(said);
        });
        assert_eq!(probe(&target, PATIENCE), Err(ProbeError::NotTls), "{said:?}");
    }
}

#[test]
fn a_server_that_goes_away_or_sends_without_end_is_no_mystery() {
    let closing = server(|stream| after_hello(&stream));
    assert_eq!(probe(&closing, PATIENCE).unwrap_err().to_string(), "the connection was closed in the handshake");
    // A ServerHello that claims 16 MiB, and records as long as anybody reads them.
    let endless = server(|mut stream| {
        after_hello(&stream);
        let mut record = b"\x16\x03\x03\x40\x00\x02\xff\xff\xff".to_vec();
        record.resize(5 + 0x4000, 0);
        while stream.write_all(&record).is_ok() {}
    });
    assert!(matches!(probe(&endless, PATIENCE), Err(ProbeError::Handshake(_))), "{:?}", probe(&endless, PATIENCE));
}
