//! What may go on and what should not: an authority signs on unless some verifier refuses what it signs.

use time::OffsetDateTime;

use super::{FoundAuthority, FoundPair};
use crate::lint;
use crate::profile::Role;
use crate::verify::{Opinion, Purpose, Question, Verifier, opinions, weak_hash};
use crate::x509::{
    AuthorityInfoAccess, BasicConstraints, Certificate, CertificateTemplate, DistinguishedName, ExtendedKeyUsage,
    GeneralName, KeyType, KeyUsage, PrivateKey, PublicKeyAlgorithm, SerialNumber, Signer, Validity, X509Error,
};

/// The lint that misses cRLSign.
const KEY_USAGE: &str = "key_usage_bits";

/// Says whether an authority may sign on, and what else there is about it.
pub(super) fn judge_authority(authority: &mut FoundAuthority, at: OffsetDateTime) {
    let certificate = &authority.certificate;
    let certain = form(certificate).or_else(|| {
        let end = certificate.validity().not_after;
        (end < at).then(|| format!("it ended on {}", crate::ui::date(end)))
    });
    let refusals = if certain.is_none() { refusals(authority, at) } else { Refusals::default() };
    authority.replace_only = certain.or(refusals.decisive);
    if authority.replace_only.is_none() {
        let may_revoke = authority.certificate.key_usage().is_none_or(|usage| usage.contains(KeyUsage::CRL_SIGN));
        if !may_revoke {
            let note = "it may not sign revocation lists (no cRLSign): what it issued cannot be revoked for others";
            authority.notes.push(note.to_owned());
        }
        authority.notes.extend(refusals.strict);
        authority.notes.extend(findings(&authority.certificate, may_revoke));
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

/// What verifiers say to a flawless certificate below the authority.
#[derive(Default)]
struct Refusals {
    /// Somebody refuses it whose rules are those of all.
    decisive: Option<String>,
    /// The strict one refuses it.
    strict: Option<String>,
}

/// The verifier that is strict about form (`VERIFY_X509_STRICT`, the default of Python 3.13). It refuses the authorities of
/// easy-rsa and those that `openssl req -x509` makes, which have signed for years and go on doing so for everybody else.
const STRICT: &str = "python";

/// A flawless certificate is signed with the authority's key, shown to the verifiers and forgotten; without the key, or
/// without the root, nobody can tell.
fn refusals(authority: &FoundAuthority, at: OffsetDateTime) -> Refusals {
    let chain = authority.chain.split_last().filter(|(root, _)| root.is_self_issued());
    let (Some(key), Some((root, between))) = (&authority.key, chain) else { return Refusals::default() };
    let leaf = match flawless(authority, key, at) {
        Ok(leaf) => leaf,
        Err(error) => {
            return Refusals { decisive: Some(format!("nothing can be signed with it: {error}")), strict: None };
        }
    };
    // One that begins tomorrow is good tomorrow.
    let begins = authority.chain.iter().map(|certificate| certificate.validity().not_before).max();
    let at = begins.map_or(at, |begins| begins.max(at));
    let verifiers: Vec<Verifier> = Verifier::all().collect();
    let roots = std::slice::from_ref(root);
    let ask = |purpose| {
        let question = Question { untrusted: between, purpose: Some(purpose), ..Question::new(&leaf, roots, at) };
        opinions(&question, &verifiers)
    };
    let (clients, servers) = (ask(Purpose::Client), ask(Purpose::Server));
    let mut refusals = Refusals::default();
    // An authority may be for servers or for clients alone.
    let refused = |(client, server): &(Opinion, Opinion)| !client.accepted && !server.accepted;
    for (opinion, _) in clients.into_iter().zip(servers).filter(refused) {
        let text = format!("{} refuses what it signs: {}", opinion.verifier, opinion.text.unwrap_or_default());
        let place = if opinion.verifier == STRICT { &mut refusals.strict } else { &mut refusals.decisive };
        place.get_or_insert(text);
    }
    refusals
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

/// What a reader of RFC 5280 would mind and no verifier does. Where revocation lists are said to be missing already, the key
/// usage is no news.
fn findings(certificate: &Certificate, may_revoke: bool) -> Vec<String> {
    let role = match certificate.is_self_issued() {
        true => lint::Purpose::RootAuthority,
        false => lint::Purpose::IntermediateAuthority,
    };
    let context = lint::Context { certificate, issuer: None, above: &[], role };
    let findings = lint::check(&context);
    let news = findings.iter().filter(|finding| may_revoke || finding.lint != KEY_USAGE);
    news.map(|finding| crate::ui::sentence(&finding.to_string())).collect()
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
    (version < 3)
        .then(|| format!("it is an X.509 version {version} certificate, which can name neither hosts nor purposes"))
}

fn purpose(role: Role, certificate: &Certificate) -> Option<String> {
    let host = |name: &GeneralName| matches!(name, GeneralName::Dns(_) | GeneralName::Ip(_));
    if role.serves() && !certificate.subject_alt_names().unwrap_or_default().iter().any(host) {
        return Some(
            "it names its host in the common name alone, which Go, rustls and Erlang 27 do not look at".to_owned(),
        );
    }
    let purposes = certificate.extended_key_usage().unwrap_or_default();
    let missing = role.extended_key_usage().into_iter().find(|wanted| !purposes.contains(wanted))?;
    let word = if missing == ExtendedKeyUsage::ServerAuth { "serverAuth" } else { "clientAuth" };
    let any = purposes.is_empty() || purposes.contains(&ExtendedKeyUsage::Any);
    // Without the extension everything is allowed; Erlang alone wants to see it between nodes.
    (!any || role == Role::Node).then(|| format!("its extended key usage does not name {word}, which a {role} needs"))
}
