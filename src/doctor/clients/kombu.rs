//! Celery and kombu, which hand their options to py-amqp.

use super::files::Files;
use super::{Address, Servers, at, is_cert_none, is_local, port_mismatch, programs, quoted, tls, truth};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::python::{self, Call, Expression, Value};
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::ui;

/// What py-amqp takes: the arguments of its `_wrap_socket_sni`.
const OPTIONS: &[&str] = &[
    "context",
    "keyfile",
    "certfile",
    "server_side",
    "cert_reqs",
    "ca_certs",
    "do_handshake_on_connect",
    "suppress_ragged_eofs",
    "server_hostname",
    "ciphers",
    "ssl_version",
    "tls_maximum_version",
    "tls_minimum_version",
];

/// Says what is wrong with the settings of Celery and the connections of kombu.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    let servers = Servers::of(case);
    for (exhibit, file) in programs(case) {
        Look { case, exhibit, file, servers: &servers }.all(findings);
    }
}

struct Look<'a> {
    case: &'a Case,
    exhibit: &'a Exhibit,
    file: &'a python::File,
    servers: &'a Servers<'a>,
}

impl<'a> Look<'a> {
    fn all(&self, findings: &mut Vec<Finding>) {
        let (options, addresses, methods) = (self.options(), self.addresses(), self.methods());
        if addresses.iter().any(|(_, address)| !address.is_amqp()) {
            // Another broker than RabbitMQ, with options of its own.
            return;
        }
        for method in &methods {
            findings.extend(self.lower_case(method));
        }
        for options in &options {
            self.tls(options, &addresses, findings);
        }
        for (line, address) in &addresses {
            findings.extend(self.port(*line, address, &options, addresses.len() == 1));
        }
        if methods.is_empty() {
            findings.extend(self.no_method(&options, &addresses));
        }
    }

    /// What kombu is told about TLS, wherever it is written.
    fn options(&self) -> Vec<&'a Expression> {
        let named = self.setting(|name| name.ends_with("broker_use_ssl"));
        let given = self.connections().filter_map(|call| call.argument("ssl"));
        let given = given.map(|value| self.file.behind(value));
        named.into_iter().map(|value| self.file.behind(value)).chain(given).collect()
    }

    fn addresses(&self) -> Vec<(usize, Address)> {
        let named = self.setting(|name| name.ends_with("broker_url"));
        let apps = self.file.calls().filter(|(_, call)| call.name == "celery.Celery");
        let apps = apps.filter_map(|(_, call)| call.argument("broker"));
        let connections = self.connections().filter_map(|call| call.positional.first());
        let texts = named.into_iter().chain(apps).chain(connections);
        texts
            .filter_map(|value| Some((value.line, self.file.text_of(value)?)))
            .flat_map(|(line, known)| Address::all(&known.text).into_iter().map(move |address| (line, address)))
            .collect()
    }

    fn methods(&self) -> Vec<&'a Expression> {
        let named = self.setting(|name| name.ends_with("broker_login_method"));
        named.into_iter().chain(self.connections().filter_map(|call| call.argument("login_method"))).collect()
    }

    fn connections(&self) -> impl Iterator<Item = &'a Call> {
        let is_connection =
            |call: &&Call| matches!(call.name.as_str(), "kombu.Connection" | "kombu.connection.Connection");
        self.file.calls().map(|(_, call)| call).filter(is_connection)
    }

    fn setting(&self, is_it: impl Fn(&str) -> bool) -> Vec<&'a Expression> {
        let settings = self.file.settings().into_iter();
        settings.filter(|(name, _)| is_it(&name.to_ascii_lowercase())).map(|(_, value)| value).collect()
    }

    fn tls(&self, options: &Expression, addresses: &[(usize, Address)], findings: &mut Vec<Finding>) {
        if truth(self.file, options) == Some(true) {
            findings.push(self.name_not_checked(options.line, addresses));
            return;
        }
        let is_open = !matches!(options.value, Value::Dict(_)) && options.keys().is_none();
        if is_open {
            return;
        }
        let keys = options.keys();
        let known = keys.as_deref().unwrap_or_default();
        if known.iter().any(|(key, _)| key.starts_with("ssl_") && *key != "ssl_version") && addresses.is_empty() {
            // Options as Celery has them for Redis.
            return;
        }
        if keys.as_ref().is_some_and(Vec::is_empty) {
            findings.push(self.empty(options));
            return;
        }
        findings.extend(self.unknown(known));
        if options.get("context").is_some() {
            return;
        }
        self.verification(options, keys.is_some(), findings);
        self.name(options, keys.is_some(), addresses, findings);
        let files = Files {
            authorities: options.get("ca_certs"),
            certificate: options.get("certfile"),
            key: options.get("keyfile"),
            has_password: false,
        };
        files.check(self.case, self.exhibit, self.file, findings);
    }

    fn empty(&self, options: &Expression) -> Finding {
        at(
            Severity::Error,
            "tls-not-used",
            self.exhibit,
            options.line,
            "the options of TLS are empty, and kombu takes that for no",
        )
        .cause(CauseId::PlainClientOnTls)
        .effect("the client talks plain to the TLS port: \"Connection reset by peer\"")
        .remedy("certgen emit celery")
    }

    fn unknown(&self, keys: &[(&str, usize)]) -> Option<Finding> {
        let unknown: Vec<_> = keys.iter().filter(|(key, _)| !OPTIONS.contains(key)).collect();
        let (first, line) = unknown.first()?;
        let problem = format!("py-amqp has no option {}", quoted(unknown.iter().map(|(key, _)| *key)));
        let instead = match *first {
            "cafile" | "ca_cert" | "ca_file" | "ssl_ca_certs" | "cacertfile" => "write \"ca_certs\"",
            "cert" | "cert_file" | "ssl_certfile" => "write \"certfile\"",
            "key" | "key_file" | "ssl_keyfile" => "write \"keyfile\"",
            "ssl_cert_reqs" | "verify" => "write \"cert_reqs\": ssl.CERT_REQUIRED",
            _ => "take it out",
        };
        let effect = format!(
            "TypeError: SSLTransport._wrap_socket_sni() got an unexpected keyword argument '{}'",
            ui::plain(first)
        );
        Some(at(Severity::Error, "option-unknown", self.exhibit, *line, problem).effect(effect).remedy(instead))
    }

    fn verification(&self, options: &Expression, complete: bool, findings: &mut Vec<Finding>) {
        let version = options.get("ssl_version").and_then(|version| Some((version.line, self.file.name_of(version)?)));
        if let Some((line, name)) = &version {
            findings.extend(tls::version(self.exhibit, *line, name));
        }
        let off = |line: usize, problem: &str| {
            at(Severity::Warning, "server-not-verified", self.exhibit, line, problem)
                .effect("any server is taken for the broker, and is sent what the client has to say")
                .remedy("write \"cert_reqs\": ssl.CERT_REQUIRED, and \"ca_certs\" with the authority of the broker")
        };
        match options.get("cert_reqs") {
            Some(reqs) if is_cert_none(self.file, reqs) => {
                findings.push(off(reqs.line, "the certificate of the broker is not verified (CERT_NONE)"));
            }
            Some(reqs) if reqs.text().is_some() => {
                let problem = "cert_reqs is a text, and must be one of ssl's names";
                let finding = at(Severity::Error, "option-type", self.exhibit, reqs.line, problem);
                let effect = "TypeError: 'str' object cannot be interpreted as an integer";
                findings.push(finding.effect(effect).remedy("write \"cert_reqs\": ssl.CERT_REQUIRED"));
            }
            None if complete => {
                if let Some((line, name)) = version.filter(|(_, name)| !name.ends_with("PROTOCOL_TLS_CLIENT")) {
                    let problem = format!(
                        "with {} and without cert_reqs the certificate of the broker is not verified",
                        ui::plain(&name)
                    );
                    findings.push(off(line, &problem));
                }
            }
            _ => {}
        }
    }

    fn name(&self, options: &Expression, complete: bool, addresses: &[(usize, Address)], findings: &mut Vec<Finding>) {
        let Some(name) = options.get("server_hostname") else {
            if complete {
                findings.push(self.name_not_checked(options.line, addresses));
            }
            return;
        };
        if !self.file.is_none(name) {
            let host = self.file.text_of(name).filter(|known| known.sure).map(|known| known.text);
            let refusal = host.as_deref().and_then(|host| Some((host, self.servers.refuse(host)?)));
            findings.extend(refusal.map(|(host, refusal)| refusal.finding(&self.exhibit.path, name.line, host)));
            return;
        }
        // None stands for the host of the URL; and of that kombu makes an address, where it is localhost.
        for (line, address) in addresses {
            let Some(host) = address.host.as_deref() else { continue };
            let asked = if host == "localhost" { "127.0.0.1" } else { host };
            if let Some(refusal) = self.servers.refuse(asked) {
                let found = refusal.finding(&self.exhibit.path, *line, asked);
                let why = "kombu connects to 127.0.0.1 where the URL says localhost, and asks for that name";
                findings.push(if host == "localhost" {
                    found.remedy(format!("{why}: or write server_hostname: \"localhost\""))
                } else {
                    found
                });
            }
        }
    }

    fn name_not_checked(&self, line: usize, addresses: &[(usize, Address)]) -> Finding {
        let mut problem = "without server_hostname nobody compares the broker's certificate with its name".to_owned();
        let hosts = addresses.iter().filter_map(|(_, address)| address.host.as_deref());
        if let Some((host, refusal)) = hosts.filter_map(|host| Some((host, self.servers.refuse(host)?))).next() {
            problem += &format!("; that would show that {}, not for {}", refusal.clause(), ui::quote(host));
        }
        at(Severity::Warning, "host-not-checked", self.exhibit, line, problem)
            .cause(CauseId::HostNotChecked)
            .effect(
                "whoever has any certificate of the same authority can stand in for the broker, and nothing is said",
            )
            .remedy("add \"server_hostname\": HOST to the options, with the name of the broker")
            .remedy("certgen emit celery")
    }

    fn lower_case(&self, method: &Expression) -> Option<Finding> {
        let text = self.file.text_of(method)?.text;
        let upper = text.to_ascii_uppercase();
        if text == upper || !["EXTERNAL", "PLAIN", "AMQPLAIN"].contains(&upper.as_str()) {
            return None;
        }
        let problem = format!("the login method is written {}, and must be in capitals", ui::quote(&text));
        let finding = at(Severity::Error, "login-method-case", self.exhibit, method.line, problem);
        let effect = format!("ValueError: ('Invalid login method', '{}')", ui::plain(&text));
        Some(finding.cause(CauseId::MechanismNotChosen).effect(effect).remedy(format!("write \"{upper}\"")))
    }

    /// A client certificate, no password, and nothing that says EXTERNAL.
    fn no_method(&self, options: &[&Expression], addresses: &[(usize, Address)]) -> Option<Finding> {
        let certificate = options.iter().find_map(|options| options.get("certfile"))?;
        let (_, address) = addresses.first()?;
        let has_user = addresses.iter().any(|(_, address)| address.has_user)
            || !self.setting(|name| name.ends_with("broker_user") || name == "userid").is_empty();
        if is_local(address.host.as_deref()) || has_user {
            return None;
        }
        let problem = "a client certificate is given, and neither a login method nor a user";
        let finding = at(Severity::Warning, "login-method-missing", self.exhibit, certificate.line, problem);
        Some(
            finding
                .cause(CauseId::MechanismNotChosen)
                .effect(
                    "kombu logs in as guest with PLAIN: \"Couldn't find appropriate auth mechanism (can offer: PLAIN; available: \
                     EXTERNAL)\", or guest is refused",
                )
                .remedy("write broker_login_method = \"EXTERNAL\" (Celery), login_method=\"EXTERNAL\" (kombu)"),
        )
    }

    fn port(&self, line: usize, address: &Address, options: &[&Expression], is_only: bool) -> Option<Finding> {
        let off = |options: &&Expression| truth(self.file, options) == Some(false);
        // Options in a file with several addresses may be for the other ones.
        let is_tls = address.is_tls() || (!options.iter().all(off) && (is_only || address.port != Some(5672)));
        port_mismatch(self.exhibit, line, address.port?, is_tls)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;
    use crate::x509::sample::HIERARCHY;

    #[test]
    fn every_mistake_in_the_options_is_found() {
        let of = |options: &str| found(&format!("import ssl\nimport celery\nbroker_use_ssl = {options}\n"), &[]);
        assert_eq!(of("{'ca_certs': 'a', 'cert_reqs': ssl.CERT_REQUIRED}"), ["3 host-not-checked"]);
        assert_eq!(of("dict(ca_certs='a')"), ["3 host-not-checked"]);
        assert_eq!(of("True"), ["3 host-not-checked"]);
        assert_eq!(of("{}"), ["3 tls-not-used"]);
        let named = "'server_hostname': 'h'";
        assert_eq!(of(&format!("{{{named},\n 'cert_reqs': ssl.CERT_NONE}}")), ["4 server-not-verified"]);
        assert_eq!(of(&format!("{{{named}, 'cert_reqs': 'CERT_REQUIRED'}}")), ["3 option-type"]);
        assert_eq!(of(&format!("{{{named}, 'cafile': 'x'}}")), ["3 option-unknown"]);
        assert_eq!(of(&format!("{{{named}, 'ssl_version': ssl.PROTOCOL_TLSv1_2}}")), ["3 server-not-verified"]);
        let required = format!("{named}, 'cert_reqs': ssl.CERT_REQUIRED");
        assert_eq!(of(&format!("{{{required}, 'ssl_version': ssl.PROTOCOL_TLSv1}}")), ["3 tls-version"]);
        assert_eq!(of(&format!("{{{required}, 'ssl_version': ssl.PROTOCOL_TLSv1_2}}")), Vec::<String>::new());
    }

    #[test]
    fn addresses_and_login_are_compared_with_the_options() {
        let of = |text: &str| found(&format!("from kombu import Connection\n{text}\n"), &[]);
        assert_eq!(of("broker_url = 'amqp://h:5671'"), ["2 plain-on-tls-port"]);
        assert_eq!(of("broker_url = 'amqps://h:5672'"), ["2 tls-on-plain-port"]);
        assert_eq!(of("Connection('amqp://h:5672', ssl={'server_hostname': 'h'})"), ["2 tls-on-plain-port"]);
        assert_eq!(of("BROKER_LOGIN_METHOD = 'external'"), ["2 login-method-case"]);
        assert_eq!(of("Connection('amqps://h', login_method='plain')"), ["2 login-method-case"]);
        let tls = "ssl={'server_hostname': 'h', 'certfile': 'c', 'keyfile': 'k'}";
        assert_eq!(of(&format!("Connection('amqps://h', {tls})")), ["2 login-method-missing"]);
        assert_eq!(of(&format!("Connection('amqps://u:p@h', {tls})")), Vec::<String>::new());
    }

    #[test]
    fn names_and_files_are_looked_up() {
        let (server, client, root) = (HIERARCHY.server.pem(), HIERARCHY.client.pem(), HIERARCHY.root.pem());
        let beside: &[(&str, &str)] = &[("s/server.pem", &server), ("c/client.pem", &client), ("c/ca.pem", &root)];
        let of = |url: &str, options: &str| {
            let text = format!("import celery\nbroker_url = '{url}'\nbroker_use_ssl = {{{options}}}\n");
            found(&text, beside)
        };
        assert_eq!(of("amqps://x", "'server_hostname': 'rabbit.example.com'"), Vec::<String>::new());
        assert_eq!(of("amqps://x", "'server_hostname': 'rabbitmq'"), ["3 server-name"]);
        assert_eq!(of("amqps://localhost", "'server_hostname': None"), ["2 server-name"]);
        assert_eq!(of("amqps://10.0.0.1", "'server_hostname': None"), Vec::<String>::new());
        let named = "'server_hostname': 'rabbit.example.com'";
        assert_eq!(of("amqps://u@x", &format!("{named}, 'ca_certs': '/c/ca.pem'")), Vec::<String>::new());
        assert_eq!(of("amqps://u@x", &format!("{named}, 'ca_certs': '/c/client.pem'")), ["3 no-authority"]);
        assert_eq!(of("amqps://u@x", &format!("{named}, 'certfile': 'client.pem'")), ["3 no-private-key"]);
        assert_eq!(
            of("amqps://u@x", &format!("{named}, 'certfile': 'client.pem', 'keyfile': KEY")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_is_not_checked_is_told_with_what_it_would_show() {
        let server = HIERARCHY.server.pem();
        let text = "import celery\nbroker_url = 'amqps://rabbitmq:5671'\nbroker_use_ssl = {'ca_certs': 'x'}\n";
        let case = Case::of(&[("app.py", text), ("server.pem", &server)]);
        let mut findings = Vec::new();
        check(&case, &mut findings);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.cause, Some(CauseId::HostNotChecked));
        assert!(finding.problem.contains("server.pem is for DNS:rabbit.example.com"), "{}", finding.problem);
    }
}
