//! aio-pika, which makes a URL of what it is given.

use super::{Address, at, is_local, port, port_mismatch, programs, quoted, truth};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::python::{self, Call, Expression};
use crate::doctor::{Case, Exhibit, Finding, Severity};

/// What aiormq reads in the query of the URL that aio-pika makes of `ssl_options`.
const OPTIONS: &[&str] = &["cafile", "capath", "cadata", "keyfile", "certfile", "no_verify_ssl"];

/// Says what is wrong with the calls of aio-pika.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for (exhibit, file) in programs(case) {
        for (line, call) in file.calls() {
            let is_connect = matches!(call.name.as_str(), "aio_pika.connect" | "aio_pika.connect_robust");
            if is_connect && !call.open {
                Connect { exhibit, file, line, call }.check(findings);
            }
        }
    }
}

struct Connect<'a> {
    exhibit: &'a Exhibit,
    file: &'a python::File,
    line: usize,
    call: &'a Call,
}

impl Connect<'_> {
    fn check(&self, findings: &mut Vec<Finding>) {
        let options = self.call.argument("ssl_options").map(|options| self.file.behind(options));
        if let Some(options) = options {
            findings.extend(self.ignored(options));
            findings.extend(self.not_verified(options));
        }
        match self.call.argument_at(0, "url").filter(|url| !self.file.is_none(url)) {
            Some(url) => findings.extend(self.url(url)),
            None => findings.extend(self.port()),
        }
        findings.extend(self.no_method());
    }

    fn ignored(&self, options: &Expression) -> Option<Finding> {
        let keys = options.keys()?;
        let ignored: Vec<_> = keys.iter().filter(|(key, _)| !OPTIONS.contains(key)).collect();
        let (_, line) = ignored.first()?;
        let problem =
            format!("aio-pika takes no notice of {} in ssl_options", quoted(ignored.iter().map(|(key, _)| *key)));
        let finding = at(Severity::Error, "option-ignored", self.exhibit, *line, problem);
        Some(match ignored.iter().any(|(key, _)| key.starts_with("ca")) {
            true => finding
                .cause(CauseId::ServerCaUnknown)
                .effect("it trusts the system's authorities alone: CERTIFICATE_VERIFY_FAILED")
                .remedy("write \"cafile\""),
            false => finding.effect("nothing is said, and the defaults hold").remedy("give it ssl_context instead"),
        })
    }

    fn not_verified(&self, options: &Expression) -> Option<Finding> {
        let off = options.get("no_verify_ssl")?;
        let is_off = truth(self.file, off) == Some(true) || self.file.text_of(off).is_some_and(|k| k.text != "0");
        is_off.then(|| {
            at(
                Severity::Warning,
                "server-not-verified",
                self.exhibit,
                off.line,
                "the certificate of the broker is not verified",
            )
            .effect("any server is taken for the broker, and is sent what the client has to say")
            .remedy("take no_verify_ssl out, and name the authority of the broker as cafile")
        })
    }

    fn url(&self, url: &Expression) -> Option<Finding> {
        let address = Address::all(&self.file.text_of(url)?.text).into_iter().next()?;
        let given = ["ssl_context", "ssl_options"].iter().find_map(|name| self.call.argument(name));
        if let Some(given) = given.filter(|given| !address.is_tls() && !self.file.is_none(given)) {
            return Some(self.plain(given.line, "the URL says amqp://, so what is given for TLS is not used"));
        }
        port_mismatch(self.exhibit, url.line, address.port?, address.is_tls())
    }

    fn port(&self) -> Option<Finding> {
        let ssl = self.call.argument("ssl");
        let is_tls = ssl.is_some_and(|ssl| truth(self.file, ssl) != Some(false));
        let given = ["ssl_context", "ssl_options"].iter().find_map(|name| self.call.argument(name));
        if let Some(given) = given.filter(|given| !is_tls && !self.file.is_none(given)) {
            return Some(self.plain(given.line, "without ssl=True what is given for TLS is not used"));
        }
        match self.call.argument("port") {
            Some(given) => port_mismatch(self.exhibit, given.line, port(self.file, Some(given))?, is_tls),
            // aio-pika's default is the plain port, whatever ssl says.
            None if is_tls => port_mismatch(self.exhibit, self.line, 5672, true).map(|finding| {
                let problem = "the client talks TLS, and no port is given: aio-pika takes 5672, the one for plain AMQP";
                Finding { problem: problem.to_owned(), ..finding }
            }),
            None => None,
        }
    }

    fn plain(&self, line: usize, problem: &str) -> Finding {
        at(Severity::Error, "tls-not-used", self.exhibit, line, problem)
            .cause(CauseId::PlainClientOnTls)
            .effect("the client talks plain: \"Connection reset by peer\" at the TLS port, and in the clear at the other one")
            .remedy("write amqps:// or ssl=True, with port 5671")
    }

    fn no_method(&self) -> Option<Finding> {
        let loads = self.file.calls().any(|(_, call)| call.name.ends_with("load_cert_chain"));
        let by_url = self.call.argument_at(0, "url").is_some();
        let says = ["auth", "login", "password"].iter().any(|name| self.call.argument(name).is_some());
        let host =
            self.call.argument("host").map(|host| self.file.text_of(host).map_or(String::new(), |known| known.text));
        (loads && !by_url && !says && !is_local(host.as_deref())).then(|| {
            let problem = "a client certificate is loaded, and nothing says that it is the login";
            at(Severity::Warning, "login-method-missing", self.exhibit, self.line, problem)
                .cause(CauseId::MechanismNotChosen)
                .effect("aio-pika logs in as guest with PLAIN, and is refused")
                .remedy("add auth=\"external\"")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn every_mistake_is_found() {
        let of = |arguments: &str| found(&format!("import aio_pika\nx = aio_pika.connect({arguments})\n"), &[]);
        let tls = "host='h', port=5671, ssl=True";
        assert_eq!(of(&format!("{tls}, ssl_options={{'ca_certs': 'c'}}")), ["2 option-ignored"]);
        assert_eq!(of(&format!("{tls}, ssl_options=dict(cert_reqs=0)")), ["2 option-ignored"]);
        assert_eq!(of(&format!("{tls}, ssl_options={{'no_verify_ssl': 1}}")), ["2 server-not-verified"]);
        assert_eq!(of("host='h', ssl=True, ssl_context=c"), ["2 tls-on-plain-port"]);
        assert_eq!(of("host='h', port=5672, ssl=True"), ["2 tls-on-plain-port"]);
        assert_eq!(of("host='h', port=5671"), ["2 plain-on-tls-port"]);
        assert_eq!(of("host='h', port=5671, ssl_context=c"), ["2 tls-not-used"]);
        assert_eq!(of("'amqp://h/', ssl_options={'cafile': 'c'}"), ["2 tls-not-used"]);
        assert_eq!(of("'amqps://h:5672/'"), ["2 tls-on-plain-port"]);
        let loaded = format!("import aio_pika\nc.load_cert_chain('c')\nx = aio_pika.connect_robust({tls})\n");
        assert_eq!(found(&loaded, &[]), ["3 login-method-missing"]);
    }
}
