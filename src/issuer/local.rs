//! An authority whose key is at hand.
//!
//! Nothing is signed that was not linted: [`crate::x509::ToBeSigned`] is read once, lint judges what was read, and the
//! signature covers those bytes. The first certificate of a shape is also signed with a throwaway key before, as public
//! authorities do, so that lint sees a whole certificate. The next ones of that shape, thousands in a fleet, differ in
//! serial number, names and key alone. Each is read too, and each is judged by all rules that look at those; what it has in
//! common with the first, which passed, is compared byte for byte with it. Should anything else differ after all, every
//! rule is asked. The throwaway signature, at which no rule looks and which would take as long as the real one, is not made
//! again.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::issuer::{Issued, Issuer, PreparedRequest};
use crate::lint;
use crate::x509::{
    AuthorityInfoAccess, Certificate, CertificateTemplate, Particulars, PrivateKey, SerialNumber, Shape, Signer,
};

/// Where relying parties find what an authority publishes; it stands in the certificates that the authority issues.
#[derive(Debug, Clone, Default)]
pub struct Publication {
    /// CRL distribution points, RFC 5280 section 4.2.1.13.
    pub crl_urls: Vec<String>,
    /// Where the authority's own certificate is, RFC 5280 section 4.2.2.1 (caIssuers).
    pub issuer_urls: Vec<String>,
    /// OCSP responders, RFC 5280 section 4.2.2.1.
    pub ocsp_urls: Vec<String>,
    /// Policy identifiers of what it issues, RFC 5280 section 4.2.1.4.
    pub policies: Vec<String>,
}

/// An authority of this PKI with its key.
pub struct LocalIssuer {
    name: String,
    certificate: Certificate,
    key: PrivateKey,
    /// From this authority up to the root; nothing but itself when it is the root.
    path: Vec<Certificate>,
    publication: Publication,
    /// The shape that was rehearsed last.
    rehearsed: Mutex<Option<Arc<Rehearsed>>>,
}

/// A shape of which a certificate was signed with a throwaway key and found right.
struct Rehearsed {
    request: PreparedRequest,
    shape: Shape,
    certificate: Certificate,
}

impl LocalIssuer {
    /// An authority that can sign: `path` leads from it to the root, both included.
    ///
    /// # Errors
    /// The key is not the certificate's.
    pub fn new(
        name: &str,
        certificate: Certificate,
        key: PrivateKey,
        path: Vec<Certificate>,
        publication: Publication,
    ) -> Result<Self> {
        if key.public_key() != certificate.public_key() {
            return Err(Error::failed(format!(
                "authority {}: ca_key.pem is not the key of ca_certificate.pem",
                crate::ui::quote(name)
            ))
            .hint("put back the key and the certificate that belong together"));
        }
        Ok(Self { name: name.to_owned(), certificate, key, path, publication, rehearsed: Mutex::default() })
    }

    /// Makes a root: the request is signed by its own key.
    ///
    /// # Errors
    /// Our own lints reject what would be signed.
    pub fn self_signed(request: &PreparedRequest, key: &PrivateKey) -> Result<Certificate> {
        let template = template(request, &Publication::default())?;
        let tbs = template.to_be_signed(&Signer::self_signed(key))?;
        let certificate = &tbs.sign_with_throwaway()?;
        let context = lint::Context { certificate, issuer: None, above: &[], role: request.purpose };
        refuse_if_wrong(lint::check(&context), request)?;
        Ok(tbs.sign(key)?)
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The authority's key, for revocation lists.
    ///
    /// # Errors
    /// The key is of a type that cannot sign.
    pub fn signer(&self) -> Result<Signer<'_>> {
        Ok(Signer::authority(&self.key, &self.certificate)?)
    }
}

impl Issuer for LocalIssuer {
    fn name(&self) -> &str {
        &self.name
    }

    fn issue(&self, request: &PreparedRequest) -> Result<Issued> {
        let known = self.rehearsed().clone().filter(|rehearsed| rehearsed.fits(request));
        let certificate = match known {
            Some(rehearsed) => {
                let (serial, first) = (SerialNumber::random()?, Some(&rehearsed.certificate));
                let tbs = rehearsed.shape.to_be_signed(&particulars(request, &serial), first)?;
                self.refuse_if_wrong(lint::check_beside(first, &self.context(tbs.unsigned(), request)), request)?;
                tbs.sign(&self.key)?
            }
            None => self.issue_first(request)?,
        };
        // Without the root: every peer has it, and none may take it from its counterpart.
        let below_root = self.path.len().saturating_sub(1);
        Ok(Issued { certificate, chain: self.path[..below_root].to_vec() })
    }
}

impl LocalIssuer {
    /// Issues the first certificate of a shape, and remembers the shape if that was right.
    fn issue_first(&self, request: &PreparedRequest) -> Result<Certificate> {
        let template = template(request, &self.publication)?;
        let shape = template.shape(&self.signer()?)?;
        let tbs = shape.to_be_signed(&particulars(request, &template.serial), None)?;
        let rehearsal = tbs.sign_with_throwaway()?;
        self.refuse_if_wrong(lint::check(&self.context(&rehearsal, request)), request)?;
        *self.rehearsed() = Some(Arc::new(Rehearsed {
            request: PreparedRequest { csr: None, ..request.clone() },
            shape,
            certificate: rehearsal,
        }));
        Ok(tbs.sign(&self.key)?)
    }

    /// The rules that somebody's wish can break are those about what this authority may sign.
    fn refuse_if_wrong(&self, findings: Vec<lint::Finding>, request: &PreparedRequest) -> Result<()> {
        refuse_if_wrong(findings, request).map_err(|e| {
            let name = crate::ui::shell(&self.name);
            e.hint(format!("what this authority may sign says certgen inspect authority/{name}"))
        })
    }

    fn context<'a>(&'a self, certificate: &'a Certificate, request: &PreparedRequest) -> lint::Context<'a> {
        let above = self.above();
        lint::Context { certificate, issuer: Some(&self.certificate), above, role: request.purpose }
    }

    /// The authorities above this one.
    fn above(&self) -> &[Certificate] {
        self.path.get(1..).unwrap_or_default()
    }

    /// A thread that panicked left a whole shape or none.
    fn rehearsed(&self) -> std::sync::MutexGuard<'_, Option<Arc<Rehearsed>>> {
        self.rehearsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rehearsed {
    /// Nothing differs but what [`particulars`] puts into the shape. The kind of the key belongs to the shape, so that
    /// each kind is rehearsed.
    fn fits(&self, request: &PreparedRequest) -> bool {
        let PreparedRequest {
            purpose,
            subject,
            subject_alt_names,
            validity,
            key_usage,
            extended_key_usage,
            basic_constraints,
            name_constraints,
            public_key,
            csr: _,
        } = &self.request;
        *purpose == request.purpose
            && subject.is_empty() == request.subject.is_empty()
            && subject_alt_names.is_empty() == request.subject_alt_names.is_empty()
            && *validity == request.validity
            && *key_usage == request.key_usage
            && *extended_key_usage == request.extended_key_usage
            && *basic_constraints == request.basic_constraints
            && *name_constraints == request.name_constraints
            && public_key.is_of_the_kind_of(&request.public_key)
    }
}

fn particulars<'a>(request: &'a PreparedRequest, serial: &'a SerialNumber) -> Particulars<'a> {
    Particulars {
        serial,
        subject: &request.subject,
        subject_alt_names: &request.subject_alt_names,
        public_key: &request.public_key,
    }
}

/// Our policy and the authority's facts as one template. The serial number is random, so no counter can be lost,
/// restored or shared by two machines.
fn template(request: &PreparedRequest, publication: &Publication) -> Result<CertificateTemplate> {
    Ok(CertificateTemplate {
        subject: request.subject.clone(),
        subject_alt_names: request.subject_alt_names.clone(),
        validity: request.validity,
        serial: SerialNumber::random()?,
        key_usage: request.key_usage,
        extended_key_usage: request.extended_key_usage.clone(),
        basic_constraints: request.basic_constraints,
        name_constraints: request.name_constraints.clone(),
        crl_distribution_points: publication.crl_urls.clone(),
        authority_info_access: AuthorityInfoAccess {
            ca_issuers: publication.issuer_urls.clone(),
            ocsp: publication.ocsp_urls.clone(),
        },
        policies: publication.policies.clone(),
        public_key: request.public_key.clone(),
    })
}

/// What fails is never signed.
fn refuse_if_wrong(findings: Vec<lint::Finding>, request: &PreparedRequest) -> Result<()> {
    let Some(worst) = findings.iter().find(|f| f.severity == lint::Severity::Error) else { return Ok(()) };
    Err(Error::failed(format!(
        "the certificate of {} would break a rule and was not signed: {worst}",
        crate::ui::quote(&request.subject.to_string())
    )))
}

#[cfg(test)]
mod tests;
