//! pika, which takes a context of `ssl` and nothing else.

use super::{Address, Servers, at, checks_no_name, is_local, port, port_mismatch, programs, quoted};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::python::{self, Call, Expression, Value};
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::ui;

/// Says what is wrong with the calls of pika.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    let servers = Servers::of(case);
    for (exhibit, file) in programs(case) {
        for (line, call) in file.calls() {
            match call.name.as_str() {
                "pika.SSLOptions" | "pika.connection.SSLOptions" => {
                    findings.extend(
                        unknown_arguments(exhibit, line, call).or_else(|| no_context(exhibit, line, file, call)),
                    );
                }
                "pika.ConnectionParameters" | "pika.connection.ConnectionParameters" => {
                    parameters(exhibit, line, file, call, findings);
                    findings.extend(name(exhibit, file, call, &servers));
                }
                "pika.URLParameters" | "pika.connection.URLParameters" => {
                    findings.extend(url(exhibit, file, call));
                }
                _ => {}
            }
        }
        findings.extend(no_credentials(exhibit, file));
    }
}

/// `pika.SSLOptions(use_ssl=True, certfile=...)`: published, and never existed in pika 1.
fn unknown_arguments(exhibit: &Exhibit, line: usize, call: &Call) -> Option<Finding> {
    let known = |name: &str| matches!(name, "context" | "server_hostname");
    let unknown: Vec<&str> = call.named.iter().map(|(name, _)| name.as_str()).filter(|name| !known(name)).collect();
    let first = unknown.first()?;
    let problem = format!("pika.SSLOptions has no argument {}", quoted(unknown.iter().copied()));
    let effect = format!("TypeError: SSLOptions.__init__() got an unexpected keyword argument '{}'", ui::plain(first));
    Some(with_context(at(Severity::Error, "argument-unknown", exhibit, line, problem).effect(effect)))
}

fn no_context(exhibit: &Exhibit, line: usize, file: &python::File, call: &Call) -> Option<Finding> {
    let context = call.argument_at(0, "context")?;
    is_mapping(file, context).then(|| {
        let finding = at(
            Severity::Error,
            "argument-type",
            exhibit,
            line,
            "pika.SSLOptions is given a mapping instead of a context",
        );
        with_context(finding.effect("TypeError: context must be of ssl.SSLContext type, but got {...}"))
    })
}

fn with_context(finding: Finding) -> Finding {
    finding
        .remedy("context = ssl.create_default_context(cafile=CA); context.load_cert_chain(CERTIFICATE, KEY); then pika.SSLOptions(context, HOST)")
        .remedy("certgen emit pika")
}

fn is_mapping(file: &python::File, expression: &Expression) -> bool {
    let behind = file.behind(expression);
    matches!(&behind.value, Value::Dict(_)) || matches!(&behind.value, Value::Call(call) if call.name == "dict")
}

fn parameters(exhibit: &Exhibit, line: usize, file: &python::File, call: &Call, findings: &mut Vec<Finding>) {
    if let Some(ssl) = call.argument("ssl") {
        let finding = at(
            Severity::Error,
            "argument-unknown",
            exhibit,
            ssl.line,
            "pika.ConnectionParameters has no argument \"ssl\"",
        );
        let effect = "TypeError: unexpected kwargs: {'ssl': ...}";
        findings.push(finding.effect(effect).remedy("give it ssl_options=pika.SSLOptions(context, HOST)"));
    }
    let options = call.argument("ssl_options").map(|options| (options.line, file.behind(options)));
    if let Some((line, options)) = options {
        let made_by = match &options.value {
            Value::Call(call) => call.name.as_str(),
            _ => "",
        };
        let wrong = if is_mapping(file, options) {
            Some("a mapping")
        } else if file.name_of(options).as_deref() == Some("True") {
            Some("True")
        } else if matches!(made_by, "ssl.create_default_context" | "ssl.SSLContext") {
            Some("a bare context")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            let problem = format!("ssl_options is {wrong}, and must be pika.SSLOptions");
            let finding = at(Severity::Error, "argument-type", exhibit, line, problem);
            findings
                .push(with_context(finding.effect("TypeError: ssl_options must be None or SSLOptions but got ...")));
        }
    }
    let is_set_later = file.statements.iter().any(|s| s.target.as_deref().is_some_and(|t| t.ends_with(".ssl_options")));
    if call.open || is_set_later {
        return;
    }
    if let Some(port) = port(file, call.argument_at(1, "port")) {
        let is_tls = options.is_some_and(|(_, options)| !file.is_none(options));
        let line = call.argument_at(1, "port").map_or(line, |port| port.line);
        findings.extend(port_mismatch(exhibit, line, port, is_tls));
    }
}

/// pika compares the host with the certificate, or the name that its options give.
fn name(exhibit: &Exhibit, file: &python::File, call: &Call, servers: &Servers<'_>) -> Option<Finding> {
    if checks_no_name(file) {
        return None;
    }
    let options = file.behind(call.argument("ssl_options")?);
    let Value::Call(options) = &options.value else { return None };
    if !options.name.ends_with("SSLOptions") || options.open {
        return None;
    }
    let given = options.argument_at(1, "server_hostname").filter(|name| !file.is_none(name));
    let host = given.or_else(|| call.argument_at(0, "host"))?;
    let known = file.text_of(host).filter(|known| known.sure)?;
    Some(servers.refuse(&known.text)?.finding(&exhibit.path, host.line, &known.text))
}

fn url(exhibit: &Exhibit, file: &python::File, call: &Call) -> Option<Finding> {
    let text = call.argument_at(0, "url")?;
    let address = Address::all(&file.text_of(text)?.text).into_iter().next()?;
    port_mismatch(exhibit, text.line, address.port?, address.is_tls())
}

/// A client certificate is loaded, and pika logs in as guest all the same.
fn no_credentials(exhibit: &Exhibit, file: &python::File) -> Option<Finding> {
    let loads = file.calls().any(|(_, call)| call.name.ends_with("load_cert_chain"));
    let has_credentials = file.calls().any(|(_, call)| call.name.ends_with("Credentials"))
        || file.settings().iter().any(|(name, _)| *name == "credentials");
    let mut parameters = file.calls().filter(|(_, call)| call.name == "pika.ConnectionParameters" && !call.open);
    let (line, call) = parameters.next()?;
    // The third and fourth arguments are the virtual host and the credentials.
    let host = call.argument_at(0, "host").map(|host| file.text_of(host).map_or(String::new(), |known| known.text));
    if !loads || has_credentials || call.positional.len() > 3 || is_local(host.as_deref()) {
        return None;
    }
    let problem = "a client certificate is loaded, and no credentials say that it is the login";
    let finding =
        at(Severity::Warning, "login-method-missing", exhibit, line, problem).cause(CauseId::MechanismNotChosen);
    let effect =
        "pika logs in as guest: \"could not negotiate use of the PLAIN authentication mechanism\", or guest is refused";
    Some(finding.effect(effect).remedy("add credentials=pika.credentials.ExternalCredentials()"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use crate::x509::sample::HIERARCHY;

    #[test]
    fn every_mistake_is_found() {
        let of = |text: &str| found(&format!("import pika, ssl\n{text}\n"), &[]);
        assert_eq!(of("x = pika.SSLOptions(\n use_ssl=True, certfile='c')"), ["2 argument-unknown"]);
        assert_eq!(of("x = pika.SSLOptions({'ca_certs': 'c'})"), ["2 argument-type"]);
        assert_eq!(of("pika.ConnectionParameters('h', ssl=True)"), ["2 argument-unknown"]);
        assert_eq!(of("pika.ConnectionParameters('h', ssl_options={'ca_certs': 'c'})"), ["2 argument-type"]);
        assert_eq!(
            of("c = ssl.create_default_context()\npika.ConnectionParameters('h', ssl_options=c)"),
            ["3 argument-type"]
        );
        assert_eq!(of("pika.ConnectionParameters('h', 5671)"), ["2 plain-on-tls-port"]);
        assert_eq!(of("pika.ConnectionParameters('h', port=5672, ssl_options=o)"), ["2 tls-on-plain-port"]);
        assert_eq!(of("p = pika.ConnectionParameters('h', 5671)\np.ssl_options = o"), Vec::<String>::new());
        assert_eq!(of("pika.URLParameters('amqp://u:p@h:5671/%2F')"), ["2 plain-on-tls-port"]);
        assert_eq!(
            of("c.load_cert_chain('c', 'k')\npika.ConnectionParameters('h', ssl_options=o)"),
            ["3 login-method-missing"]
        );
    }

    #[test]
    fn the_name_is_compared() {
        let server = HIERARCHY.server.pem();
        let of = |arguments: &str| {
            let text = format!("import pika\npika.ConnectionParameters({arguments})\n");
            found(&text, &[("server.pem", &server)])
        };
        assert_eq!(of("'mq', ssl_options=pika.SSLOptions(c)"), ["2 server-name"]);
        assert_eq!(of("'mq', ssl_options=pika.SSLOptions(c, 'rabbit.example.com')"), Vec::<String>::new());
        assert_eq!(of("HOST, ssl_options=pika.SSLOptions(c)"), Vec::<String>::new());
    }
}
