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

use super::syntax::python;
use super::{Case, Check, Document, Exhibit, Finding, Severity};
use crate::diagnosis::CauseId;
use crate::ui;

pub(super) use address::Address;
pub(super) use servers::{Servers, covers};

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[kombu::check, pika::check, aio_pika::check, mqtt::check, tls::check];

/// The Python files of a case.
fn programs(case: &Case) -> impl Iterator<Item = (&Exhibit, &python::File)> {
    case.exhibits.iter().filter_map(|exhibit| match &exhibit.document {
        Document::Python(file) => Some((exhibit, file)),
        _ => None,
    })
}

/// A finding at a line of a Python file.
fn at(severity: Severity, code: &'static str, exhibit: &Exhibit, line: usize, problem: impl Into<String>) -> Finding {
    Finding::new(severity, code, &exhibit.path, problem).line(line)
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
    name.as_deref().is_some_and(|name| name.ends_with("CERT_NONE"))
        || file.text_of(expression).is_some_and(|known| known.text == "0")
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
