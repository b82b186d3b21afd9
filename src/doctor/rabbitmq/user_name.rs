//! Which name of a client's certificate is its user: `ssl_cert_login_from` of rabbitmq.conf.

use std::path::PathBuf;

use crate::doctor::syntax::conf::Setting;
use crate::doctor::{Case, Document};
use crate::x509::{Certificate, GeneralName};

/// Where the broker takes the name of a user from.
pub(super) struct Login {
    /// The file that says so, or that leaves it out.
    pub(super) file: PathBuf,
    /// The line in it; `None` where it is left out.
    pub(super) line: Option<usize>,
    pub(super) source: Source,
}

pub(super) enum Source {
    Common,
    Distinguished,
    /// The name of that kind and number, counted from 0.
    Alternative(String, usize),
}

impl Login {
    /// What rabbitmq.conf says, where there is exactly one that speaks of EXTERNAL.
    pub(super) fn of(case: &Case) -> Option<Self> {
        let mut all = case.exhibits.iter().filter_map(|exhibit| {
            let Document::Conf(file) = &exhibit.document else { return None };
            let get = |key: &str| file.get(key);
            let external =
                |setting: &Setting| setting.key.starts_with("auth_mechanisms.") && setting.value == "EXTERNAL";
            let line = get("ssl_cert_login_from").map(|setting| setting.line);
            if line.is_none() && !file.settings.iter().any(external) {
                return None;
            }
            let source = match get("ssl_cert_login_from").map(|setting| setting.value.as_str()) {
                Some("common_name") => Source::Common,
                Some("subject_alternative_name" | "subject_alt_name") => {
                    let kind = get("ssl_cert_login_san_type").map_or("dns", |setting| setting.value.as_str());
                    let index = get("ssl_cert_login_san_index").and_then(|setting| setting.value.parse().ok());
                    Source::Alternative(kind.to_owned(), index.unwrap_or(0))
                }
                _ => Source::Distinguished,
            };
            Some(Self { file: exhibit.path.clone(), line, source })
        });
        all.next().filter(|_| all.next().is_none())
    }

    /// The name that a client with this certificate logs in with.
    pub(super) fn name(&self, certificate: &Certificate) -> Option<String> {
        match &self.source {
            // Of several common names RabbitMQ makes one with commas.
            Source::Common => {
                let names = certificate.subject().common_names();
                (!names.is_empty()).then(|| names.join(","))
            }
            Source::Distinguished => Some(certificate.subject().to_string()),
            Source::Alternative(kind, index) => {
                let names = certificate.subject_alt_names().unwrap_or_default().iter();
                let mut fitting = names.filter_map(|name| match (kind.as_str(), name) {
                    ("dns", GeneralName::Dns(name)) => Some(name.as_str().to_owned()),
                    ("email", GeneralName::Email(name)) | ("uri", GeneralName::Uri(name)) => Some(name.clone()),
                    _ => None,
                });
                fitting.nth(*index)
            }
        }
    }
}

impl Source {
    /// For people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Common => "the common name".to_owned(),
            Self::Distinguished => "the whole subject".to_owned(),
            Self::Alternative(kind, 0) => {
                format!("a subject alternative name of the kind {}", crate::ui::plain(kind))
            }
            Self::Alternative(kind, index) => {
                format!(
                    "subject alternative name number {index}, counted from 0, of the kind {}",
                    crate::ui::plain(kind)
                )
            }
        }
    }
}
