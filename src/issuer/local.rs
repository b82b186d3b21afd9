//! An authority whose key is at hand.

use crate::error::{Error, Result};
use crate::issuer::{Issued, Issuer, PreparedRequest};
use crate::lint;
use crate::x509::{
    AuthorityInfoAccess, Certificate, CertificateTemplate, PrivateKey, SerialNumber, Signer, ToBeSigned,
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
        Ok(Self { name: name.to_owned(), certificate, key, path, publication })
    }

    /// Makes a root: the request is signed by its own key.
    ///
    /// # Errors
    /// Our own lints reject what would be signed.
    pub fn self_signed(request: &PreparedRequest, key: &PrivateKey) -> Result<Certificate> {
        let template = template(request, &Publication::default())?;
        let tbs = template.to_be_signed(&Signer::self_signed(key))?;
        lint_before_signing(&tbs, None, &[], request)?;
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
        let tbs = template(request, &self.publication)?.to_be_signed(&self.signer()?)?;
        lint_before_signing(&tbs, Some(&self.certificate), self.path.get(1..).unwrap_or_default(), request)?;
        // Without the root: every peer has it, and none may take it from its counterpart.
        let below_root = self.path.len().saturating_sub(1);
        Ok(Issued { certificate: tbs.sign(&self.key)?, chain: self.path[..below_root].to_vec() })
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
        basic_constraints: request.basic_constraints.clone(),
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

/// Signs the very bytes that are to be signed with a throwaway key and lints the result, as public authorities do
/// before they use the real one: what fails is never signed.
fn lint_before_signing(
    tbs: &ToBeSigned,
    issuer: Option<&Certificate>,
    above: &[Certificate],
    request: &PreparedRequest,
) -> Result<()> {
    let rehearsal = tbs.sign_with_throwaway()?;
    let findings = lint::check(&lint::Context { certificate: &rehearsal, issuer, above, role: request.purpose });
    let Some(worst) = findings.iter().find(|f| f.severity == lint::Severity::Error) else { return Ok(()) };
    Err(Error::failed(format!(
        "the certificate of {} would break a rule and was not signed: {worst}",
        crate::ui::quote(&request.subject.to_string())
    )))
}
