//! What `doctor` says that the client libraries do, they do.

use crate::support::{World, judge};

/// A claim of src/doctor/clients: the case of the script, and how what it says begins.
const CLAIMS: &[(&str, &str)] = &[
    ("pika use_ssl", "TypeError: SSLOptions.__init__() got an unexpected keyword argument 'use_ssl'"),
    ("pika context of a mapping", "TypeError: context must be of ssl.SSLContext type, but got {}"),
    ("pika options of a mapping", "TypeError: ssl_options must be None or SSLOptions but got {'a': 1}"),
    ("pika options of a context", "TypeError: ssl_options must be None or SSLOptions but got <ssl.SSLContext object"),
    ("pika ssl", "TypeError: unexpected kwargs: {'ssl': True}"),
    (
        "pika checks the host",
        "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address",
    ),
    ("pika plain", "IncompatibleProtocolError: StreamLostError:"),
    ("pika port with tls", "5671"),
    ("kombu without server_hostname", "connected"),
    ("kombu PROTOCOL_TLS_CLIENT", "connected"),
    (
        "kombu server_hostname",
        "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname",
    ),
    (
        "kombu localhost and None",
        "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address mismatch, \
         certificate is not valid for '127.0.0.1'.",
    ),
    ("kombu localhost and its name", "connected"),
    ("kombu no options", "ConnectionResetError: [Errno 104] Connection reset by peer"),
    ("kombu without cert_reqs", "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED]"),
    ("kombu another version without cert_reqs", "connected"),
    ("kombu cafile", "TypeError: SSLTransport._wrap_socket_sni() got an unexpected keyword argument 'cafile'"),
    ("kombu cert_reqs of a text", "TypeError: 'str' object cannot be interpreted as an integer"),
    ("kombu lower case", "ValueError: ('Invalid login method', 'external')"),
    ("kombu no key", "SSLError: [SSL] PEM lib"),
    ("kombu default login method", "PLAIN"),
    ("kombu default user", "guest"),
    ("aio-pika ca_certs", "AMQPConnectionError: [Errno 1] [SSL: CERTIFICATE_VERIFY_FAILED]"),
    ("aio-pika cafile", "connected"),
    ("aio-pika no_verify_ssl", "connected"),
    ("aio-pika context without ssl", "AMQPConnectionError: Server connection reset"),
    ("aio-pika options without ssl", "AMQPConnectionError: Server connection reset"),
    ("aio-pika url with tls", "amqps://guest:guest@h:5672//"),
    (
        "paho another name",
        "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address",
    ),
    ("paho insecure", "connected"),
    ("paho CERT_NONE", "connected"),
    ("paho cafile", "TypeError: Client.tls_set() got an unexpected keyword argument 'cafile'"),
    ("paho default port", "1883"),
    ("ssl CLIENT_AUTH", "SSLError: Cannot create a client socket with a PROTOCOL_TLS_SERVER context"),
    ("ssl PROTOCOL_TLS", "connected"),
    ("ssl PROTOCOL_TLS_CLIENT", "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED]"),
    (
        "ssl own authority unknown",
        "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer \
         certificate",
    ),
    ("ssl PROTOCOL_SSLv3", "AttributeError: module 'ssl' has no attribute 'PROTOCOL_SSLv3'"),
    ("misspelt name", "NameError: name '_name_' is not defined"),
];

#[test]
#[ignore = "needs Python with pika, kombu, aio-pika and paho-mqtt"]
fn the_libraries_do_what_doctor_says() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    // Not for 127.0.0.1, to which the clients connect.
    world.certgen(["issue", "server", "elsewhere.example.com", "--san", "localhost"]).run().success();
    let file = |name: &str| world.pki(format!("server/elsewhere.example.com/{name}"));
    let files = [file("server_certificate.pem"), file("server_key.pem"), file("ca_certificate.pem")];
    let verdict = judge::python("interop/python_claims.py", files);
    let text = verdict.accepted();
    let said = |case: &str| text.lines().find_map(|line| line.strip_prefix(case)?.strip_prefix(": "));
    let wrong: Vec<_> = CLAIMS
        .iter()
        .filter(|(case, claim)| !said(case).is_some_and(|said| said.starts_with(claim)))
        .map(|(case, claim)| format!("{case}\n  claimed: {claim}\n  said: {:?}", said(case)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(text.lines().count(), CLAIMS.len(), "a case without a claim:\n{text}");
}
