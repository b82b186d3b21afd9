//! paho-mqtt.

use super::files::Files;
use super::{at, is_cert_none, port, programs, quoted, truth};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::python::{self, Call};
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::ui;

const TLS_SET: &[&str] =
    &["ca_certs", "certfile", "keyfile", "cert_reqs", "tls_version", "ciphers", "keyfile_password", "alpn_protocols"];

/// Says what is wrong with the calls of paho-mqtt.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for (exhibit, file) in programs(case) {
        if !file.imports.values().any(|name| name.starts_with("paho")) {
            continue;
        }
        let is_tls = file.calls().any(|(_, call)| method(call).starts_with("tls_set"));
        for (line, call) in file.calls() {
            match method(call) {
                "tls_insecure_set" => findings.extend(insecure(exhibit, line, file, call)),
                "tls_set" => tls_set(case, exhibit, line, file, call, findings),
                "connect" | "connect_async" => findings.extend(connect(exhibit, line, file, call, is_tls)),
                _ => {}
            }
        }
    }
}

/// The last name of a call on something; what that is stays open. A function of the file's own is none.
fn method(call: &Call) -> &str {
    call.name.rsplit_once('.').map_or("", |(_, method)| method)
}

fn insecure(exhibit: &Exhibit, line: usize, file: &python::File, call: &Call) -> Option<Finding> {
    let value = call.argument_at(0, "value")?;
    (truth(file, value) == Some(true)).then(|| {
        let problem = "tls_insecure_set(True): nobody compares the broker's certificate with its name";
        at(Severity::Warning, "host-not-checked", exhibit, line, problem)
            .cause(CauseId::HostNotChecked)
            .effect(
                "whoever has any certificate of the same authority can stand in for the broker, and nothing is said",
            )
            .remedy("take the call out; the name is checked by default")
    })
}

fn tls_set(case: &Case, exhibit: &Exhibit, line: usize, file: &python::File, call: &Call, findings: &mut Vec<Finding>) {
    let unknown: Vec<&str> =
        call.named.iter().map(|(name, _)| name.as_str()).filter(|n| !TLS_SET.contains(n)).collect();
    if let Some(first) = unknown.first() {
        let problem = format!("tls_set has no argument {}", quoted(unknown.iter().copied()));
        let effect = format!("TypeError: Client.tls_set() got an unexpected keyword argument '{}'", ui::plain(first));
        let finding = at(Severity::Error, "argument-unknown", exhibit, line, problem).effect(effect);
        findings.push(
            finding.remedy("its arguments are ca_certs, certfile, keyfile, cert_reqs").remedy("certgen emit mqtt"),
        );
    }
    if let Some(off) = call.argument_at(3, "cert_reqs").filter(|reqs| is_cert_none(file, reqs)) {
        let problem = "the certificate of the broker is not verified (CERT_NONE)";
        findings.push(
            at(Severity::Warning, "server-not-verified", exhibit, off.line, problem)
                .effect("any server is taken for the broker, and is sent what the client has to say")
                .remedy("take cert_reqs out, and name the authority of the broker as ca_certs"),
        );
    }
    let files = Files {
        authorities: call.argument_at(0, "ca_certs"),
        certificate: call.argument_at(1, "certfile"),
        key: call.argument_at(2, "keyfile"),
        has_password: call.argument_at(6, "keyfile_password").is_some() || call.open,
    };
    files.check(case, exhibit, file, findings);
}

fn connect(exhibit: &Exhibit, line: usize, file: &python::File, call: &Call, is_tls: bool) -> Option<Finding> {
    if call.open || call.argument_at(0, "host").is_none() {
        return None;
    }
    let given = call.argument_at(1, "port");
    let port = if given.is_some() { port(file, given)? } else { 1883 };
    let line = given.map_or(line, |given| given.line);
    match (port, is_tls) {
        (8883, false) => {
            let problem = "the client talks plain, and 8883 is the port for TLS";
            let finding =
                at(Severity::Error, "plain-on-tls-port", exhibit, line, problem).cause(CauseId::PlainClientOnTls);
            let effect = "the connection is lost at once; RabbitMQ logs {unsupported_record_type,16}";
            Some(finding.effect(effect).remedy("call tls_set(ca_certs=CA) before connect"))
        }
        (1883, true) => {
            let problem = match given {
                Some(_) => "the client talks TLS, and 1883 is the port for plain MQTT",
                None => "the client talks TLS, and no port is given: paho takes 1883, the one for plain MQTT",
            };
            let finding =
                at(Severity::Error, "tls-on-plain-port", exhibit, line, problem).cause(CauseId::TlsClientOnPlain);
            Some(finding.remedy("write port 8883"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn every_mistake_is_found() {
        let of = |text: &str| found(&format!("import paho.mqtt.client as mqtt, ssl\nc = mqtt.Client()\n{text}\n"), &[]);
        assert_eq!(of("c.tls_set('a')\nc.tls_insecure_set(True)"), ["4 host-not-checked"]);
        assert_eq!(of("c.tls_set('a')\nc.tls_insecure_set(False)"), Vec::<String>::new());
        assert_eq!(of("c.tls_set(cafile='a')"), ["3 argument-unknown"]);
        assert_eq!(of("c.tls_set(cert_reqs=ssl.CERT_NONE)"), ["3 server-not-verified"]);
        assert_eq!(of("c.connect('h', 8883)"), ["3 plain-on-tls-port"]);
        assert_eq!(of("PORT = 8883\nc.connect('h', PORT, 60)"), ["4 plain-on-tls-port"]);
        assert_eq!(of("c.tls_set('a')\nc.connect('h')"), ["4 tls-on-plain-port"]);
        assert_eq!(of("c.tls_set('a')\nc.connect('h', 1883)"), ["4 tls-on-plain-port"]);
        assert_eq!(of("c.tls_set('a')\nconnect(c)"), Vec::<String>::new());
    }
}
