//! What clients are told: Celery, kombu, pika, aio-pika, paho-mqtt.
//!
//! One file for each library, and `tls` for what Python's own `ssl` is told. What a library does with a setting was seen with
//! the library itself; tests/interop/python_claims.rs shows it again.

mod address;
mod aio_pika;
mod files;
mod kombu;
mod mqtt;
mod pika;
mod servers;
mod tls;

use super::finding::at;
use super::syntax::python;
use super::{Case, Check, Document, Exhibit, Finding, Severity};
use crate::diagnosis::CauseId;
use crate::ui;

pub(in crate::doctor) use address::Address;
pub(in crate::doctor) use servers::{Servers, covers};

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[kombu::check, pika::check, aio_pika::check, mqtt::check, tls::check];

/// The Python files of a case.
fn programs(case: &Case) -> impl Iterator<Item = (&Exhibit, &python::File)> {
    case.exhibits.iter().filter_map(|exhibit| match &exhibit.document {
        Document::Python(file) => Some((exhibit, file)),
        _ => None,
    })
}

/// Some words, quoted: `"a", "b"`.
fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(ui::quote).collect::<Vec<_>>().join(", ")
}

/// A port, where the file itself says it.
fn port(file: &python::File, expression: Option<&python::Expression>) -> Option<u16> {
    file.text_of(expression?)?.text.parse().ok()
}

/// Whether an expression is `True` or `False`; `None` where it is something else.
fn truth(file: &python::File, expression: &python::Expression) -> Option<bool> {
    match file.name_of(expression).as_deref() {
        Some("True") => Some(true),
        Some("False" | "None") => Some(false),
        _ => None,
    }
}

/// Whether an expression is `ssl.CERT_NONE`.
fn is_cert_none(file: &python::File, expression: &python::Expression) -> bool {
    let name = file.name_of(expression);
    name.as_deref().is_some_and(|name| name.ends_with("CERT_NONE") || name == "False")
        || file.text_of(expression).is_some_and(|known| known.text == "0")
}

/// Whether somewhere in the file `x.check_hostname = False` is written.
fn checks_no_name(file: &python::File) -> bool {
    let is_off = |statement: &python::Statement| {
        let target = statement.target.as_deref().unwrap_or_default();
        target.ends_with(".check_hostname") && truth(file, &statement.value) == Some(false)
    };
    file.statements.iter().any(is_off)
}

/// The broker is on the same host, where guest may log in. A library that is told no host takes this one.
fn is_local(host: Option<&str>) -> bool {
    matches!(host, None | Some("localhost" | "127.0.0.1" | "::1"))
}

/// A standard port of AMQP that is the other one's.
fn port_mismatch(exhibit: &Exhibit, line: usize, port: u16, is_tls: bool) -> Option<Finding> {
    match (port, is_tls) {
        (5671, false) => Some(
            at(
                Severity::Error,
                "plain-on-tls-port",
                exhibit,
                line,
                "the client talks plain, and 5671 is the port for TLS",
            )
            .cause(CauseId::PlainClientOnTls)
            .effect(
                "\"Connection reset by peer\"; RabbitMQ logs {unsupported_record_type,65}, 4.3: \"is connecting to the \
                     'amqp/ssl' listener without using TLS\"",
            )
            .remedy("write amqps:// and give the client its options for TLS"),
        ),
        (5672, true) => Some(
            at(
                Severity::Error,
                "tls-on-plain-port",
                exhibit,
                line,
                "the client talks TLS, and 5672 is the port for plain AMQP",
            )
            .cause(CauseId::TlsClientOnPlain)
            .effect("WRONG_VERSION_NUMBER; RabbitMQ logs {bad_header,...}")
            .remedy("write port 5671"),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line code` of each finding about a Python file of this text, beside these files.
    pub(super) fn found(text: &str, beside: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = [("app.py", text)].into_iter().chain(beside.iter().copied()).collect();
        let case = Case::of(&files);
        assert!(matches!(case.exhibits[0].document, Document::Python(_)), "not recognised: {text}");
        let mut findings = Vec::new();
        CHECKS.iter().for_each(|check| check(&case, &mut findings));
        findings.sort_by_key(|finding| finding.line);
        let told = |finding: &Finding| format!("{} {}", finding.line.unwrap_or_default(), finding.code);
        findings.iter().map(told).collect()
    }

    #[test]
    fn what_is_right_is_not_told() {
        for text in [
            "import celery, os, ssl\nHOST = os.environ.get('H', 'mq')\nbroker_url = 'amqps://{}:{}/v'.format(HOST, 5671)\n\
             broker_login_method = 'EXTERNAL'\nbroker_use_ssl = {'ca_certs': A, 'certfile': C, 'keyfile': K,\n\
             'cert_reqs': ssl.CERT_REQUIRED, 'server_hostname': HOST}\n",
            "from celery import Celery\napp = Celery('x', broker='amqp://guest@localhost:5672//', backend='rpc://')\n",
            "from celery import Celery\nbroker_url = 'rediss://h:6380/0'\nbroker_use_ssl = {'ssl_cert_reqs': 'none'}\n",
            "from celery import Celery\nbroker_use_ssl = {'ssl_cert_reqs': 'none'}\n",
            "from celery import Celery\nbroker_use_ssl = {**BASE, 'ca_certs': 'x'}\n",
            "from celery import Celery\nbroker_use_ssl = make()\nbroker_url = 'amqp://h:5671'\n",
            "from celery import Celery\nclass Dev:\n  broker_url = 'amqp://localhost:5672'\nclass Prod:\n  broker_url = URL\n",
            "import pika, ssl\nc = ssl.create_default_context(cafile='ca.pem')\np = pika.ConnectionParameters('h', 5671, '/',\n\
             ssl_options=pika.SSLOptions(c, 'h'), credentials=pika.PlainCredentials(U, P))\n",
            "import pika\np = pika.ConnectionParameters(host='h', port=5672)\n",
            "import pika\np = pika.ConnectionParameters(port=5671, **more)\n",
            "import aio_pika\nx = aio_pika.connect_robust(host=H, port=P, ssl=True, ssl_context=c, auth='external')\n",
            "import aio_pika\nx = aio_pika.connect_robust('amqps://u:p@h/', ssl_options={'cafile': 'ca.pem'})\n",
            "import paho.mqtt.client as mqtt\nc = mqtt.Client()\nc.tls_set('ca.pem')\nc.connect('h', 8883)\n",
            "import paho.mqtt.client as mqtt\nc = mqtt.Client()\nc.connect('h')\n",
            "import pika, smtplib\nsmtp.connect('h', 8883)\n",
            "import pika\nif __name__ == '__main__': main()\n",
        ] {
            assert_eq!(found(text, &[]), Vec::<String>::new(), "{text}");
        }
    }
}
