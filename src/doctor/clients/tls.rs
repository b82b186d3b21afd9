//! What Python's own `ssl` is told, and what keeps the file from running at all.

use super::files::Files;
use super::{at, is_cert_none, programs, truth};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::python::{self, Call, Value};
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::ui;

/// Says what is wrong with the calls of `ssl` in files that talk to a broker.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for (exhibit, file) in programs(case) {
        for (line, call) in file.calls() {
            self::call(case, exhibit, line, file, call, findings);
        }
        assignments(exhibit, file, findings);
        findings.extend(misspelt_main(exhibit, file));
    }
}

fn call(case: &Case, exhibit: &Exhibit, line: usize, file: &python::File, call: &Call, findings: &mut Vec<Finding>) {
    let name = call.name.as_str();
    match name {
        "ssl.wrap_socket" => findings.push(
            at(Severity::Warning, "removed-function", exhibit, line, "ssl.wrap_socket is gone since Python 3.12")
                .effect("AttributeError: module 'ssl' has no attribute 'wrap_socket'; before, it checks no name")
                .remedy("ssl.create_default_context(cafile=CA).wrap_socket(socket, server_hostname=HOST)"),
        ),
        "ssl._create_unverified_context" => {
            findings.push(not_verified(exhibit, line, "ssl._create_unverified_context"))
        }
        "ssl.SSLContext" => findings.extend(bare_context(exhibit, line, file, call)),
        "ssl.create_default_context" => {
            findings.extend(default_context(case, exhibit, line, file, call));
            let files = Files { authorities: call.argument_at(1, "cafile"), ..Files::default() };
            files.check(case, exhibit, file, findings);
        }
        _ if name.ends_with(".load_verify_locations") => {
            let files = Files { authorities: call.argument_at(0, "cafile"), ..Files::default() };
            files.check(case, exhibit, file, findings);
        }
        _ if name.ends_with(".load_cert_chain") => {
            let files = Files {
                certificate: call.argument_at(0, "certfile"),
                key: call.argument_at(1, "keyfile"),
                has_password: call.argument_at(2, "password").is_some() || call.open,
                ..Files::default()
            };
            files.check(case, exhibit, file, findings);
        }
        _ => {}
    }
}

fn not_verified(exhibit: &Exhibit, line: usize, what: &str) -> Finding {
    at(Severity::Warning, "server-not-verified", exhibit, line, format!("with {what} no certificate is verified"))
        .effect("any server is taken for the broker, and is sent what the client has to say")
        .remedy("ssl.create_default_context(cafile=CA), with the authority of the broker")
}

/// Only the context for clients verifies by itself.
fn bare_context(exhibit: &Exhibit, line: usize, file: &python::File, call: &Call) -> Option<Finding> {
    let name = match call.argument_at(0, "protocol") {
        Some(protocol) => file.name_of(protocol)?,
        None => "ssl.PROTOCOL_TLS".to_owned(),
    };
    if let Some(finding) = version(exhibit, line, &name) {
        return Some(finding);
    }
    let verifies = file.statements.iter().any(|s| s.target.as_deref().is_some_and(|t| t.ends_with(".verify_mode")));
    let is_bare =
        ["PROTOCOL_TLS", "PROTOCOL_SSLv23", "PROTOCOL_TLSv1_2"].iter().any(|known| name == format!("ssl.{known}"));
    (is_bare && !verifies).then(|| not_verified(exhibit, line, &format!("ssl.SSLContext({name})")))
}

fn default_context(case: &Case, exhibit: &Exhibit, line: usize, file: &python::File, call: &Call) -> Option<Finding> {
    let purpose = call.argument_at(0, "purpose").and_then(|purpose| file.name_of(purpose));
    if purpose.as_deref() == Some("ssl.Purpose.CLIENT_AUTH") {
        let problem = "Purpose.CLIENT_AUTH is for servers, and this file is a client's";
        return Some(
            at(Severity::Error, "wrong-purpose", exhibit, line, problem)
                .effect("ssl.SSLError: Cannot create a client socket with a PROTOCOL_TLS_SERVER context")
                .remedy("leave the purpose out, or write ssl.Purpose.SERVER_AUTH"),
        );
    }
    let names_one = ["cafile", "capath", "cadata"].iter().any(|name| call.argument(name).is_some());
    let loads = file.calls().any(|(_, call)| call.name.ends_with(".load_verify_locations"));
    let has_own = case.exhibits.iter().flat_map(Exhibit::certificates).any(|c| c.is_ca() && c.is_self_issued());
    if call.open || names_one || call.positional.len() > 1 || loads || !has_own {
        return None;
    }
    let problem = "this context trusts the system's authorities alone, and there is an own one here";
    let finding = at(Severity::Note, "system-authorities", exhibit, line, problem).cause(CauseId::ServerCaUnknown);
    let effect = "CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate, if the broker's certificate is of the own one";
    Some(finding.effect(effect).remedy("ssl.create_default_context(cafile=CA)"))
}

/// A version of TLS that is named, and is gone or refused.
pub(super) fn version(exhibit: &Exhibit, line: usize, name: &str) -> Option<Finding> {
    let word = name.strip_prefix("ssl.")?;
    let finding = |effect: String| {
        at(
            Severity::Error,
            "tls-version",
            exhibit,
            line,
            format!("{} is a version of TLS that nobody should speak", ui::plain(word)),
        )
        .cause(CauseId::VersionTooOld)
        .effect(effect)
        .remedy("write ssl.PROTOCOL_TLS_CLIENT, which agrees on the newest")
    };
    match word {
        "PROTOCOL_SSLv2" | "PROTOCOL_SSLv3" => {
            Some(finding(format!("AttributeError: module 'ssl' has no attribute '{word}'")))
        }
        "PROTOCOL_TLSv1" | "PROTOCOL_TLSv1_1" => {
            Some(finding("RabbitMQ on Erlang 27 and later refuses: \"Insufficient Security\"".to_owned()))
        }
        _ => None,
    }
}

/// `context.check_hostname = False`, `context.verify_mode = ssl.CERT_NONE`.
fn assignments(exhibit: &Exhibit, file: &python::File, findings: &mut Vec<Finding>) {
    for statement in &file.statements {
        let Some(target) = statement.target.as_deref() else { continue };
        let line = statement.value.line;
        if target.ends_with(".check_hostname") && truth(file, &statement.value) == Some(false) {
            let problem = "check_hostname = False: nobody compares the broker's certificate with its name";
            findings.push(
                at(Severity::Warning, "host-not-checked", exhibit, line, problem)
                    .cause(CauseId::HostNotChecked)
                    .effect("whoever has any certificate of the same authority can stand in for the broker, and nothing is said")
                    .remedy("take the line out, and let the server's certificate carry the name that is connected to"),
            );
        }
        if target.ends_with(".verify_mode") && is_cert_none(file, &statement.value) {
            findings.push(not_verified(exhibit, line, "CERT_NONE"));
        }
    }
}

/// `if _name_ == "_main_":`, as pages show it that took the underscores for markup.
fn misspelt_main(exhibit: &Exhibit, file: &python::File) -> Option<Finding> {
    let is_name = |value: &&python::Expression| matches!(&value.value, Value::Name(name) if name == "_name_");
    let found = file.expressions().into_iter().find(is_name)?;
    if file.statements.iter().any(|s| s.target.as_deref() == Some("_name_")) {
        return None;
    }
    let problem = "_name_ is written with single underscores";
    let finding = at(Severity::Error, "misspelt-name", exhibit, found.line, problem);
    let effect = "NameError: name '_name_' is not defined; celery -A cannot import the file either";
    Some(finding.effect(effect).remedy("if __name__ == \"__main__\":"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use crate::x509::sample::HIERARCHY;

    #[test]
    fn every_mistake_is_found() {
        let of = |text: &str| found(&format!("import ssl, pika\n{text}\n"), &[]);
        assert_eq!(of("s = ssl.wrap_socket(s)"), ["2 removed-function"]);
        assert_eq!(
            of("c.check_hostname = False\nc.verify_mode = ssl.CERT_NONE"),
            ["2 host-not-checked", "3 server-not-verified"]
        );
        assert_eq!(of("c = ssl._create_unverified_context()"), ["2 server-not-verified"]);
        assert_eq!(of("c = ssl.SSLContext(ssl.PROTOCOL_TLS)"), ["2 server-not-verified"]);
        assert_eq!(
            of("c = ssl.SSLContext(ssl.PROTOCOL_TLSv1_2)\nc.verify_mode = ssl.CERT_REQUIRED"),
            Vec::<String>::new()
        );
        assert_eq!(of("c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)"), Vec::<String>::new());
        assert_eq!(of("c = ssl.SSLContext(ssl.PROTOCOL_SSLv3)"), ["2 tls-version"]);
        assert_eq!(of("c = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)"), ["2 wrong-purpose"]);
        assert_eq!(of("if _name_ == \"_main_\":\n  main()"), ["2 misspelt-name"]);
    }

    #[test]
    fn the_files_of_a_context_are_looked_at() {
        let (server, client, root) = (HIERARCHY.server.pem(), HIERARCHY.client.pem(), HIERARCHY.root.pem());
        let beside: &[(&str, &str)] = &[("server.pem", &server), ("client.pem", &client), ("ca.pem", &root)];
        let of = |text: &str| found(&format!("import ssl, pika\nc = {text}\n"), beside);
        assert_eq!(of("ssl.create_default_context(cafile='ca.pem')"), Vec::<String>::new());
        assert_eq!(of("ssl.create_default_context(cafile='server.pem')"), ["2 no-authority"]);
        assert_eq!(of("ssl.create_default_context()"), ["2 system-authorities"]);
        assert_eq!(of("x.load_verify_locations('client.pem')"), ["2 no-authority"]);
        assert_eq!(of("x.load_cert_chain('client.pem', 'ca.pem')"), ["2 no-private-key"]);
    }
}
