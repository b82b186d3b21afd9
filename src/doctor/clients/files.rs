//! The files that a client is told to use: is each what it is taken for, and do they belong together?

use super::at;
use crate::diagnosis::CauseId;
use crate::doctor::crypto::{chain, pair};
use crate::doctor::syntax::python::{self, Expression};
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::ui;
use crate::verify::Purpose;

/// What a client is given: the expressions that name files.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Files<'a> {
    /// The authorities of the server.
    pub(super) authorities: Option<&'a Expression>,
    /// The certificate of the client.
    pub(super) certificate: Option<&'a Expression>,
    /// Its key; where there is none, it is expected beside the certificate.
    pub(super) key: Option<&'a Expression>,
    /// Somebody gives the password of the key.
    pub(super) has_password: bool,
}

impl Files<'_> {
    /// Looks at the files that are here.
    pub(super) fn check(&self, case: &Case, exhibit: &Exhibit, file: &python::File, findings: &mut Vec<Finding>) {
        let named = |expression: Option<&Expression>| {
            let expression = expression?;
            let path = file.text_of(expression)?.text;
            Some((expression.line, case.named(path.as_ref())?))
        };
        if let Some((line, bundle)) = named(self.authorities) {
            findings.extend(no_authority(exhibit, line, bundle));
        }
        let (certificate, key) = (named(self.certificate), named(self.key));
        if let Some((line, found)) = certificate {
            if found.certificates().next().is_none() {
                let problem = format!("{} is given as a certificate and holds none", ui::path(&found.path));
                findings.push(unusable(at(Severity::Error, "no-certificate", exhibit, line, problem)));
            } else {
                findings.extend(chain(found, None, Purpose::Client, case));
            }
        }
        match (certificate, key) {
            (Some((_, certificate)), Some((line, key))) => {
                findings.extend(self.key(exhibit, line, key));
                findings.extend(pair(certificate, key));
            }
            (Some((line, certificate)), None) if self.key.is_none_or(|key| file.is_none(key)) => {
                findings.extend(self.key(exhibit, line, certificate));
            }
            (None, Some((line, key))) => findings.extend(self.key(exhibit, line, key)),
            _ => {}
        }
    }

    fn key(&self, exhibit: &Exhibit, line: usize, found: &Exhibit) -> Option<Finding> {
        let Some(key) = found.keys().next() else {
            let problem = format!("a private key is expected in {}, and there is none", ui::path(&found.path));
            return Some(unusable(at(Severity::Error, "no-private-key", exhibit, line, problem)));
        };
        (key.encrypted && !self.has_password).then(|| {
            let problem = format!("the key in {} is encrypted, and no password is given", ui::path(&found.path));
            at(Severity::Error, "key-without-password", exhibit, line, problem)
                .cause(CauseId::KeyPasswordWrong)
                .effect("OpenSSL asks for it on the terminal: \"Enter PEM pass phrase:\"; a service without one fails")
                .remedy(format!("openssl pkey -in {} -out KEY", ui::shell(&found.path.to_string_lossy())))
        })
    }
}

fn unusable(finding: Finding) -> Finding {
    finding.effect("ssl.SSLError: [SSL] PEM lib").remedy("name the file that holds it")
}

/// A bundle that makes nobody a trust anchor.
fn no_authority(exhibit: &Exhibit, line: usize, bundle: &Exhibit) -> Option<Finding> {
    let path = ui::path(&bundle.path);
    let problem = match bundle.certificates().next() {
        None if bundle.things().is_empty() => return None,
        None => format!("{path} is given as the authorities and holds no certificate"),
        Some(_) if bundle.certificates().any(|certificate| certificate.is_ca() || certificate.is_self_issued()) => {
            return None;
        }
        Some(_) => format!("{path} is given as the authorities and holds a certificate that is none"),
    };
    let finding = at(Severity::Error, "no-authority", exhibit, line, problem).cause(CauseId::ServerCaUnknown);
    let effect = "CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate";
    Some(finding.effect(effect).remedy("name the file with the certificate of the authority, ca_certificate.pem"))
}
