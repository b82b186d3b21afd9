//! What is read out of texts, and what is not.

use super::*;
use crate::diagnosis::causes;

fn ids(text: &str) -> Vec<String> {
    explain(text).iter().map(|one| one.cause.id.word()).collect()
}

/// A text of the catalogue as somebody might have seen it.
fn seen(text: &str) -> String {
    let mut out = text.replace(" * ", " here at there.erl:12 ").replace('*', " ... ");
    for (gap, filled) in [
        ("<name=CN=>", "O=client,CN=w"),
        ("<mechanism=PLAIN>", "PLAIN"),
        ("<received=*.>", "[{dNSName,\"*.x\"}]"),
        ("<received= ... .>", "[{dNSName,\"*.x\"}]"),
        ("<argument=use_ssl>", "use_ssl"),
    ] {
        out = out.replace(gap, filled);
    }
    while let Some(start) = out.find('<').filter(|at| !out[*at..].starts_with("<<")) {
        let Some(end) = out[start..].find('>') else { break };
        out.replace_range(start..=start + end, "something");
    }
    out
}

#[test]
fn every_text_leads_to_its_causes() {
    for cause in causes() {
        for saying in &cause.says {
            let found = ids(&seen(&saying.text));
            let others = causes().iter().filter(|other| other.says.iter().any(|said| said.text == saying.text)).count();
            // A stricter text may claim the same words: then this cause need not be first, but where it is alone it is.
            assert!(!found.is_empty(), "{}: {} is not found", cause.id.word(), saying.text);
            if others == 1 && saying.weight >= 95 {
                assert!(found.contains(&cause.id.word()), "{}: {} gives {found:?}", cause.id.word(), saying.text);
            }
        }
    }
}

#[test]
fn names_stand_in_the_answer() {
    let found =
        explain("2026-11-22 10:00:00 [error] <0.1.0> EXTERNAL login refused: user 'ghost' - invalid credentials");
    assert_eq!(found[0].cause.id, CauseId::UserUnknown);
    assert_eq!(found[0].likelihood, Likelihood::Certain);
    assert_eq!(found[0].named(), ["there is no user \"ghost\""]);
    assert!(found[0].remedy().contains(&"certgen issue client ghost".to_owned()), "{:?}", found[0].remedy());

    let found = explain("EXTERNAL login refused: user 'O=client,CN=client' - invalid credentials");
    assert_eq!(found[0].cause.id, CauseId::LoginNameDistinguished);
    let found = explain("EXTERNAL login refused: user '' - invalid credentials");
    assert_eq!(found[0].cause.id, CauseId::LoginNameMissing);

    let found = explain("(530) NOT_ALLOWED - vhost my vhost not found");
    assert_eq!(found[0].named(), ["there is no virtual host \"my vhost\""]);
    assert!(found[0].remedy().contains(&"rabbitmqctl add_vhost 'my vhost'".to_owned()), "{:?}", found[0].remedy());
    let found = explain("NOT_ALLOWED - access to vhost '/' refused for user 'celery_worker'");
    assert_eq!(found[0].named()[0], "user \"celery_worker\" has no permission for virtual host \"/\"");

    let found = explain("You've tried to set ssl_verify, but there is no setting with that name.");
    assert_eq!(found[0].named(), ["RabbitMQ does not know \"ssl_verify\""]);
    let found = explain("ssl_options.keyfile invalid, file does not exist or cannot be read by the node");
    assert_eq!(found[0].named(), ["the setting is \"ssl_options.keyfile\""]);
    let found = explain("{tls_alert,{unexpected_message,\"... {unsupported_record_type,71}\"}}");
    assert_eq!(found[0].named(), ["the first byte of the client was 71 (G: an HTTP GET without TLS)"]);
    let found = explain("x509: certificate is valid for a.example, b.example, not rabbit.example");
    assert_eq!(found[0].captures["host"], "rabbit.example");
    assert_eq!(found[0].captures["received"], "a.example, b.example");
}

/// A name that an attacker chose is no option and no command.
#[test]
fn a_hostile_name_is_not_put_into_a_command() {
    for (name, typed) in [("--force", "NAME"), ("a; rm -rf ~", "'a; rm -rf ~'"), ("$(id)", "'$(id)'"), ("`id`", "NAME")]
    {
        let found = explain(&format!("EXTERNAL login refused: user '{name}' - invalid credentials"));
        assert!(found[0].remedy().contains(&format!("certgen issue client {typed}")), "{:?}", found[0].remedy());
    }
    let found = explain("EXTERNAL login refused: user 'a\u{1b}[2Jb\u{202e}c' - invalid credentials");
    assert!(!found[0].named()[0].contains(['\u{1b}', '\u{202e}']), "{:?}", found[0].named());
}

#[test]
fn wrapped_escaped_and_decorated_texts_are_read() {
    for text in [
        "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get lo\ncal issuer certificate (_ssl.c:1006)",
        "[SSL: CERTIFICATE_VERIFY_FAILED]   certificate\n  verify failed:\n  unable to get local\n  issuer certificate",
        "{\"msg\":\"certificate verify failed: UNABLE TO GET LOCAL ISSUER CERTIFICATE\\n\"}",
        "\u{1b}[31mcertificate verify failed: unable\u{1b}[0m to get local issuer certificate\0",
    ] {
        assert_eq!(ids(text)[..2], ["server-ca-unknown", "server-chain-incomplete"], "{text:?}");
    }
    let pretty = "{bad_cert,\n     {hostname_check_failed,\n         {requested,\"n2.nodes.test\"},\n         {received,\n             [{dNSName,\"n1.nodes.test\"}]}}}";
    let found = explain(pretty);
    assert_eq!(found[0].cause.id, CauseId::NodeNameMismatch);
    assert_eq!(found[0].named()[0], "the name asked for is \"n2.nodes.test\"");
    let wildcard = pretty.replace("\"n1.nodes.test\"", "\"*.nodes.test\"");
    assert_eq!(explain(&wildcard)[0].cause.id, CauseId::NodeWildcard);
    let twice =
        r#"{"log":"{\"message\":\"{hostname_check_failed,{requested,\\\"n2.nodes.test\\\"},{received,[]}}\"}"}"#;
    assert_eq!(explain(twice)[0].captures["host"], "n2.nodes.test");
    let curly = "EXTERNAL login refused: user \u{2018}ghost\u{2019} - invalid credentials";
    assert_eq!(explain(curly)[0].captures["name"], "ghost");
}

#[test]
fn a_misleading_text_has_its_causes_in_order_and_a_note() {
    let log = "TLS server: In state wait_cert at tls_record_1_3.erl:318 generated SERVER ALERT: Fatal - Bad Record MAC\n - {record_type_mismatch,21}";
    let found = explain(log);
    assert!(found.len() >= 10, "{:?}", ids(log));
    assert_eq!(ids(log)[..3], ["server-ca-unknown", "server-name-mismatch", "server-chain-incomplete"]);
    assert!(notes(&found)[0].contains("TLS 1.2"), "{:?}", notes(&found));
    let pika = "pika.exceptions.IncompatibleProtocolError: The protocol returned by the server is not supported: ('StreamLostError: (\"Stream connection lost: SSLEOFError(8, \\'EOF occurred in violation of protocol (_ssl.c:2396)\\')\",)',)";
    assert_eq!(ids(pika)[..2], ["client-ca-unknown", "client-missing"], "{:?}", ids(pika));
    assert!(notes(&explain(pika))[0].contains("Nothing is wrong with the protocol"));
    let plain = "pika.exceptions.IncompatibleProtocolError: The protocol returned by the server is not supported: ConnectionResetError(104, 'Connection reset by peer')";
    assert_eq!(ids(plain)[0], "plain-client-on-tls");
}

/// What two texts say together is less than what either says alone.
#[test]
fn a_text_that_names_the_cause_settles_a_vague_one() {
    let both = "pika.exceptions.IncompatibleProtocolError: protocol returned by the server is not supported: SSLEOFError\nssl.SSLError: [SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2580)";
    let found = explain(both);
    assert_eq!(found[0].cause.id, CauseId::ClientMissing);
    assert_eq!(found[0].likelihood, Likelihood::Certain);
    let two = "EXTERNAL login refused: user 'ghost' - invalid credentials\nYou've tried to set ssl_verify, but there is no setting with that name.";
    assert_eq!(ids(two), ["user-unknown", "setting-unknown"]);
}

/// What RabbitMQ 3.10.8 (Erlang 25), 4.0 (Erlang 27) and clients printed when the fault was made on purpose: the fault is
/// among the answers, and what is more frequent stays before it.
#[test]
fn what_brokers_and_clients_printed_leads_to_the_fault() {
    let general = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed";
    let tools = " * TCP connection succeeded but Erlang distribution failed";
    for (who, text, first, fault) in [
        ("python 3.11", &*format!("{general}: certificate is not yet valid (_ssl.c:1006)"), "", "server-not-yet-valid"),
        ("python 3.11", &format!("{general}: EE certificate key too weak (_ssl.c:1006)"), "", "key-too-weak"),
        (
            "python 3.11",
            &format!("{general}: unable to get local issuer certificate (_ssl.c:1006)"),
            "server-ca-unknown",
            "authority-same-name",
        ),
        (
            "3.10, 4.0",
            "TLS server: In state wait_cert received CLIENT ALERT: Fatal - Certificate Unknown",
            "server-ca-unknown",
            "server-expired",
        ),
        (
            "java",
            "PKIX path validation failed: java.security.cert.CertPathValidatorException: Path does not chain with any of the trust anchors",
            "",
            "authority-same-name",
        ),
        (
            "3.10",
            "TLS server: In state certify at ssl_handshake.erl:2109 generated SERVER ALERT: Fatal - Bad Certificate",
            "",
            "client-ca-unknown",
        ),
        (
            "4.0",
            "TLS server: In state certify at ssl_handshake.erl:2173 generated SERVER ALERT: Fatal - Bad Certificate\n - selfsigned_peer",
            "",
            "client-ca-unknown",
        ),
        (
            "pika, 3.10",
            "pika.exceptions.IncompatibleProtocolError: StreamLostError: (\"Stream connection lost: SSLError(1, '[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired (_ssl.c:2580)')\",)",
            "client-expired",
            "client-not-yet-valid",
        ),
        (
            "kombu, 3.10",
            "amqp.exceptions.AccessRefused: (0, 0): (403) ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL. For details see the broker logfile.",
            "user-unknown",
            "certificate-not-asked",
        ),
        ("pika", "pika.exceptions.AuthenticationError: PLAIN", "", "mechanism-not-chosen"),
        ("pika", "pika.exceptions.AuthenticationError: EXTERNAL", "", "mechanism-not-offered"),
        ("node", "Error: read ECONNRESET code: 'ECONNRESET'", "plain-client-on-tls", "key-password-wrong"),
        ("java", "javax.net.ssl.SSLHandshakeException: Invalid ECDH ServerKeyExchange signature", "", "key-mismatch"),
        (
            "3.10, 4.0",
            "TLS server: In state wait_cert received CLIENT ALERT: Fatal - Handshake Failure",
            "",
            "key-mismatch",
        ),
        (
            "3.10",
            "TLS server: In state start at tls_handshake_1_3.erl:2989 generated SERVER ALERT: Fatal - Handshake Failure\n - unable_to_supply_acceptable_cert",
            "",
            "hash-too-weak",
        ),
        (
            "python 3.11",
            "ssl.SSLError: [SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure (_ssl.c:1006)",
            "client-missing",
            "hash-too-weak",
        ),
        ("rabbitmqctl, 4.0", tools, "node-tools-plain", "node-ca-unknown"),
        (
            "4.0",
            "TLS server: In state hello at tls_record.erl:532 generated SERVER ALERT: Fatal - Unexpected Message\n - {unsupported_record_type,0}",
            "",
            "node-tools-plain",
        ),
        ("curl, 3.10", "curl: (1) Received HTTP/0.9 when not allowed", "", "plain-client-on-tls"),
        (
            "curl, 3.10",
            "curl: (56) OpenSSL SSL_read: OpenSSL/3.0.19: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0",
            "client-missing",
            "management-asks-certificate",
        ),
    ] {
        let found = ids(text);
        let first = if first.is_empty() { fault } else { first };
        assert_eq!(found.first().map(String::as_str), Some(first), "{who}: {text} gives {found:?}");
        assert!(found.iter().any(|id| id == fault), "{who}: {text} gives {found:?}");
    }
}

/// 3.10 logs it as fatal, 4.0 as a warning, when a Java client closes its connection.
#[test]
fn a_client_that_takes_its_leave_is_no_trouble() {
    let leave = "\
2026-11-28 16:13:52.211684+00:00 [notice] <0.1300.0> TLS server: In state connection received CLIENT ALERT: Fatal - User Canceled
2026-11-28 16:13:52.211700+00:00 [error] <0.1300.0> closing AMQP connection <0.1300.0> (127.0.0.1:41154 -> 127.0.0.1:5671):
2026-11-28 16:13:52.211700+00:00 [error] <0.1300.0> {inet_error,{tls_alert,{user_canceled,\"TLS server: In state connection received CLIENT ALERT: Warning - User Canceled\\n\"}}}
";
    let found = summary(leave);
    assert!(found.groups.is_empty() && found.unknown.count == 0, "{found:?}");
    assert!(explain(leave).is_empty() && harmless(leave)[0].contains("It is no cause"), "{:?}", ids(leave));
    assert!(harmless("ALERT: Fatal - Unknown CA").is_empty());
    let beside = summary([leave, BROKER].concat());
    assert_eq!((beside.groups.len(), beside.unknown.count), (4, 1));
}

#[test]
fn other_words_are_not_known() {
    for text in [
        "",
        " ",
        "Server startup complete; 5 plugins started.",
        "started TLS (SSL) listener on [::]:5671",
        "unknown cache entry",
        "the certificates required by the plan",
        "connection <0.812.0> (127.0.0.1:40990 -> 127.0.0.1:5671): user 'celery_worker' authenticated and granted access to vhost '/'",
        "disk free limit set to 50MB",
    ] {
        assert!(explain(text).is_empty(), "{text:?}: {:?}", ids(text));
    }
    assert!(!nearest("certificate verify failure: no local issuer certificate").is_empty());
    assert!(nearest("the weather is fine").is_empty());
}

#[test]
fn the_word_of_a_cause_is_a_question() {
    for cause in causes().iter().filter(|cause| !cause.says.is_empty()) {
        assert_eq!(ids(&cause.id.word()), [cause.id.word()]);
    }
}

#[test]
fn hostile_text_is_read_to_its_end() {
    let long = "user '".repeat(100_000);
    explain(&long);
    explain(&"EXTERNAL login refused: user '".repeat(20_000));
    explain(&"IncompatibleProtocolError".repeat(20_000));
    explain(&"\\".repeat(300_000));
    explain(&"\u{1b}[".repeat(100_000));
    explain("\\u");
    explain("\\u12");
    explain("<");
}

fn summary(log: impl AsRef<[u8]>) -> Summary {
    Log::read(log.as_ref()).expect("memory can be read")
}

const BROKER: &str = "\
2026-11-22 10:15:30.000001+00:00 [info] <0.700.0> started TLS (SSL) listener on [::]:5671
2026-11-22 10:15:31.123456+00:00 [notice] <0.812.0> TLS server: In state wait_cert at tls_record_1_3.erl:318 generated SERVER ALERT: Fatal - Bad Record MAC
2026-11-22 10:15:31.123456+00:00 [notice] <0.812.0>  - {record_type_mismatch,21}
2026-11-22 10:15:32.000000+00:00 [error] <0.815.0> EXTERNAL login refused: user 'ghost' - invalid credentials
2026-11-22 10:15:33.000000+00:00 [error] <0.816.0> EXTERNAL login refused: user 'other' - invalid credentials
2026-11-22 10:15:34.000000+00:00 [error] <0.817.0> EXTERNAL login refused: user 'ghost' - invalid credentials
2026-11-22 10:15:35.000000+00:00 [error] <0.900.0> {tls_alert,{atom,\"TLS server: In state wait_finished received CLIENT ALERT: Fatal - Unknown CA\"}} error during handshake for protocol 'amqp/ssl' and peer 10.0.0.7:53422
2026-11-22 10:15:36.000000+00:00 [error] <0.901.0> {tls_alert,{new_alert,\"nobody knows\"}}
";

#[test]
fn a_log_is_grouped_and_counted() {
    let found = summary(BROKER);
    assert_eq!(found.lines, 8);
    let told: Vec<_> = found
        .groups
        .iter()
        .map(|group| (group.count, group.matches[0].cause.id.word(), group.first.line, group.last.line))
        .collect();
    let wanted = [
        (2, "user-unknown", 4, 6),
        (1, "server-ca-unknown", 2, 2),
        (1, "user-unknown", 5, 5),
        (1, "server-ca-unknown", 7, 7),
    ];
    assert_eq!(told, wanted.map(|(count, word, first, last)| (count, word.to_owned(), first, last)));
    assert_eq!(found.groups[0].first.time.as_deref(), Some("2026-11-22 10:15:32"));
    assert_eq!(found.groups[0].last.time.as_deref(), Some("2026-11-22 10:15:34"));
    assert_eq!(found.groups[3].peers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.7"]);
    assert_eq!(found.unknown.count, 1);
    assert_eq!(found.unknown.samples[0].0.line, 8);
}

/// Whatever the pieces in which a stream comes, the answer is the same.
#[test]
fn a_log_is_the_same_in_any_pieces() {
    struct Pieces<'l>(&'l [u8], usize);
    impl std::io::Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let length = self.0.len().min(self.1).min(into.len());
            into[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }
    // Long enough for several blocks, with events across their ends; most of it is healthy.
    let healthy = "2026-11-22 10:15:30.000001+00:00 [info] <0.700.0> accepting AMQP connection <0.700.0>\n".repeat(400);
    let log = [BROKER, &healthy].concat().repeat(150);
    let counts = |summary: &Summary| -> Vec<(u64, u64, u64)> {
        summary.groups.iter().map(|group| (group.count, group.first.line, group.last.line)).collect()
    };
    let whole = summary(&log);
    assert_eq!(whole.lines, 150 * 408);
    assert_eq!(whole.groups[0].count, 300);
    assert_eq!(whole.unknown.count, 150);
    for piece in [1009, 65_536, 3 << 20] {
        let pieces = Log::read(Pieces(log.as_bytes(), piece)).expect("memory can be read");
        assert_eq!(counts(&pieces), counts(&whole), "{piece}");
    }
    // Every place within an event comes to lie at the end of a block.
    for start in 0..40 {
        let shifted = [vec![b'x'; start * 37], b"\n".to_vec(), log.as_bytes().to_vec()].concat();
        let counted: Vec<u64> = summary(&shifted).groups.iter().map(|group| group.count).collect();
        assert_eq!(counted, whole.groups.iter().map(|group| group.count).collect::<Vec<_>>(), "{start}");
    }
}

#[test]
fn a_traceback_is_one_event() {
    let log = "\
[2026-11-22 10:15:31,123: ERROR/MainProcess] consumer: Cannot connect
Traceback (most recent call last):
  File \"a.py\", line 1, in connect
    self.do_handshake()
ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'rabbit'. (_ssl.c:1006)

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"b.py\", line 2, in run
    raise OperationalError(exc)
kombu.exceptions.OperationalError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'rabbit'. (_ssl.c:1006)
[2026-11-22 10:15:33,123: INFO/MainProcess] mingle: all alone
";
    let found = summary(log);
    assert_eq!(found.groups.len(), 1, "{found:?}");
    assert_eq!((found.groups[0].count, found.groups[0].first.line), (1, 1));
    assert_eq!(found.groups[0].matches[0].captures["host"], "rabbit");
    assert_eq!(found.groups[0].first.time.as_deref(), Some("2026-11-22 10:15:31"));
}

#[test]
fn hostile_logs_are_read_in_bounded_memory() {
    // A line without an end, NULs, half characters, and many names.
    let mut log = vec![0_u8; 5 << 20];
    log.extend(b"EXTERNAL login refused: user 'ghost' - invalid credentials");
    log.extend(vec![0xff; 3 << 20]);
    assert_eq!(summary(&log).lines, 1);
    let endless = "{bad_cert ".repeat(1 << 20);
    assert_eq!(summary(&endless).lines, 1);
    let indented = "  {bad_cert,unknown_ca}\n".repeat(200_000);
    assert_eq!(summary(&indented).lines, 200_000);
    let names: String =
        (0..20_000).map(|n| format!("x EXTERNAL login refused: user 'u{n}' - invalid credentials\n")).collect();
    let found = summary(&names);
    assert!(found.groups.len() <= 1001, "{}", found.groups.len());
    assert_eq!(found.groups.iter().map(|group| group.count).sum::<u64>(), 20_000);
    assert!(found.groups.iter().any(|group| group.mixed));
}
