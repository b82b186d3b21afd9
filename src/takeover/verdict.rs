//! What may go on and what should not: an authority signs on unless some verifier refuses what it signs.

use time::OffsetDateTime;

use super::{FoundAuthority, FoundPair};
use crate::lint;
use crate::profile::Role;
use crate::verify::{Purpose, Question, Verifier, opinions, weak_hash};
use crate::x509::{
    AuthorityInfoAccess, BasicConstraints, Certificate, CertificateTemplate, DistinguishedName, ExtendedKeyUsage,
    GeneralName, KeyType, KeyUsage, PrivateKey, PublicKeyAlgorithm, SerialNumber, Signer, Validity, X509Error,
};

/// Says whether an authority may sign on, and what else there is about it.
pub(super) fn judge_authority(authority: &mut FoundAuthority, at: OffsetDateTime) {
    let certificate = &authority.certificate;
    let certain = form(certificate).or_else(|| {
        let end = certificate.validity().not_after;
        (end < at).then(|| format!("it ended on {}", crate::ui::date(end)))
    });
    authority.replace_only = certain.or_else(|| refused(authority, at));
    if authority.replace_only.is_none() {
        let note = if certificate.key_usage().is_none() {
            Some("it has no key usage, which RFC 5280 4.2.1.3 demands")
        } else {
            None
        };
        authority.notes.extend(note.map(str::to_owned));
        authority.notes.extend(findings(certificate));
    }
}

/// What every or nearly every verifier minds, whatever else there is.
fn form(certificate: &Certificate) -> Option<String> {
    if certificate.version() < 3 {
        return Some(format!("it is an X.509 version {} certificate", certificate.version()));
    }
    if !certificate.is_ca() {
        return Some("its basic constraints do not say CA:TRUE".to_owned());
    }
    weak(certificate)
}

fn weak(certificate: &Certificate) -> Option<String> {
    if let Some(hash) = weak_hash(certificate) {
        return Some(format!("it is signed with {hash}"));
    }
    let key = certificate.public_key();
    let rsa = matches!(key.algorithm(), PublicKeyAlgorithm::Rsa | PublicKeyAlgorithm::RsaPss);
    (rsa && key.bits() < 2048).then(|| format!("its RSA key has only {} bits", key.bits()))
}

/// The first verifier that refuses a flawless certificate below the authority. It is signed here, shown to the verifiers
/// and forgotten; without the key, or without the root, nobody can tell.
fn refused(authority: &FoundAuthority, at: OffsetDateTime) -> Option<String> {
    let key = authority.key.as_ref()?;
    let (root, between) = authority.chain.split_last().filter(|(root, _)| root.is_self_issued())?;
    let leaf = match flawless(authority, key, at) {
        Ok(leaf) => leaf,
        Err(error) => return Some(format!("nothing can be signed with it: {error}")),
    };
    let verifiers: Vec<Verifier> = Verifier::all().collect();
    // An authority may be for servers or for clients alone.
    let asked = |purpose| {
        let question = Question {
            untrusted: between,
            purpose: Some(purpose),
            ..Question::new(&leaf, std::slice::from_ref(root), at)
        };
        opinions(&question, &verifiers).into_iter().find(|opinion| !opinion.accepted)
    };
    let refusal = asked(Purpose::Client).and_then(|client| asked(Purpose::Server).map(|_| client))?;
    let text = refusal.text.unwrap_or_default();
    Some(format!("{} refuses what it signs: {text}", refusal.verifier))
}

fn flawless(authority: &FoundAuthority, key: &PrivateKey, at: OffsetDateTime) -> Result<Certificate, X509Error> {
    let own = PrivateKey::generate(KeyType::EcdsaP256)?;
    let issuer = &authority.certificate;
    let template = CertificateTemplate {
        subject: DistinguishedName::empty(),
        subject_alt_names: vec![GeneralName::Uri("urn:certgen:probe".to_owned())],
        validity: Validity::new(
            issuer.validity().not_before.max(at - time::Duration::HOUR),
            issuer.validity().not_after,
        )?,
        serial: SerialNumber::random()?,
        key_usage: KeyUsage::DIGITAL_SIGNATURE,
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth],
        basic_constraints: BasicConstraints::default(),
        name_constraints: None,
        crl_distribution_points: Vec::new(),
        authority_info_access: AuthorityInfoAccess::default(),
        policies: Vec::new(),
        public_key: own.public_key().clone(),
    };
    template.to_be_signed(&Signer::authority(key, issuer)?)?.sign(key)
}

/// What a reader of RFC 5280 would mind and no verifier does.
fn findings(certificate: &Certificate) -> Vec<String> {
    let role = match certificate.is_self_issued() {
        true => lint::Purpose::RootAuthority,
        false => lint::Purpose::IntermediateAuthority,
    };
    let context = lint::Context { certificate, issuer: None, above: &[], role };
    lint::check(&context).iter().map(|finding| crate::ui::sentence(&finding.to_string())).collect()
}

/// Says whether an end entity should be issued again.
pub(super) fn judge_pair(pair: &mut FoundPair) {
    let certificate = &pair.certificate;
    let name = crate::ui::shell(&format!("{}/{}", pair.role, pair.name));
    let why = old_form(certificate).or_else(|| weak(certificate)).or_else(|| purpose(pair.role, certificate));
    pair.reissue = why.map(|why| format!("{why}; certgen renew {name} issues it again"));
}

fn old_form(certificate: &Certificate) -> Option<String> {
    let version = certificate.version();
    (version < 3).then(|| {
        format!("it is an X.509 version {version} certificate without names and purposes, which Python 3.13, Go and Erlang refuse")
    })
}

fn purpose(role: Role, certificate: &Certificate) -> Option<String> {
    let host = |name: &GeneralName| matches!(name, GeneralName::Dns(_) | GeneralName::Ip(_));
    if role.serves() && !certificate.subject_alt_names().unwrap_or_default().iter().any(host) {
        return Some(
            "it names its host in the common name alone, which Go, Erlang and browsers do not look at".to_owned(),
        );
    }
    let purposes = certificate.extended_key_usage().unwrap_or_default();
    let missing = role.extended_key_usage().into_iter().find(|wanted| !purposes.contains(wanted))?;
    let word = if missing == ExtendedKeyUsage::ServerAuth { "serverAuth" } else { "clientAuth" };
    let any = purposes.is_empty() || purposes.contains(&ExtendedKeyUsage::Any);
    // Without the extension everything is allowed; Erlang alone wants to see it between nodes.
    (!any || role == Role::Node).then(|| format!("its extended key usage does not name {word}, which a {role} needs"))
}
