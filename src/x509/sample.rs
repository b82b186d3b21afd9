//! Certificates for tests: a small hierarchy as it is issued, and drafts of it in which any part can be made wrong.

use std::sync::LazyLock;

use time::macros::datetime;

use super::der::{self, Reader, tag};
use super::*;

pub(crate) struct Hierarchy {
    pub(crate) root: Certificate,
    pub(crate) intermediate: Certificate,
    pub(crate) server: Certificate,
    pub(crate) client: Certificate,
    pub(crate) node: Certificate,
}

/// P-256 throughout.
pub(crate) static HIERARCHY: LazyLock<Hierarchy> = LazyLock::new(|| hierarchy(KeyType::EcdsaP256));

pub(crate) fn hierarchy(key_type: KeyType) -> Hierarchy {
    let key = || PrivateKey::generate(key_type).unwrap();
    let (root_key, intermediate_key, leaf_key) = (key(), key(), key());
    let sign = |template: CertificateTemplate, signer: Signer<'_>, key: &PrivateKey| {
        template.to_be_signed(&signer).unwrap().sign(key).unwrap()
    };
    let root = sign(authority("root", &root_key, None), Signer::self_signed(&root_key), &root_key);
    let mut template = authority("intermediate", &intermediate_key, Some(0));
    template.name_constraints = Some(NameConstraints {
        permitted: vec!["example.com".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
        excluded: Vec::new(),
    });
    template.authority_info_access.ca_issuers.push("http://pki.example.com/root.der".into());
    let intermediate = sign(template, Signer::authority(&root_key, &root).unwrap(), &root_key);
    let leaf = |cn: &str, names: &[&str], usages: &[ExtendedKeyUsage]| {
        let mut template = end_entity(cn, names, usages, &leaf_key);
        template.crl_distribution_points.push("http://pki.example.com/intermediate.crl".into());
        sign(template, Signer::authority(&intermediate_key, &intermediate).unwrap(), &intermediate_key)
    };
    let (server_auth, client_auth) = (ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth);
    Hierarchy {
        server: leaf(
            "rabbit.example.com",
            &["rabbit.example.com", "*.nodes.example.com", "10.0.0.1"],
            std::slice::from_ref(&server_auth),
        ),
        client: leaf("celery_worker", &[], std::slice::from_ref(&client_auth)),
        node: leaf("node.example.com", &["node.example.com"], &[server_auth, client_auth]),
        root,
        intermediate,
    }
}

pub(crate) fn authority(cn: &str, key: &PrivateKey, path_length: Option<u32>) -> CertificateTemplate {
    CertificateTemplate {
        validity: Validity::new(datetime!(2026-01-01 00:00:00 UTC), datetime!(2036-01-01 00:00:00 UTC)).unwrap(),
        key_usage: KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN,
        basic_constraints: BasicConstraints { ca: true, path_length },
        ..end_entity(cn, &[], &[], key)
    }
}

pub(crate) fn end_entity(
    cn: &str,
    names: &[&str],
    usages: &[ExtendedKeyUsage],
    key: &PrivateKey,
) -> CertificateTemplate {
    let rsa_server = key.key_type().is_rsa() && usages.contains(&ExtendedKeyUsage::ServerAuth);
    CertificateTemplate {
        subject: DistinguishedName::common_name_only(cn).unwrap(),
        subject_alt_names: names.iter().map(|name| GeneralName::parse(name).unwrap()).collect(),
        validity: Validity::new(datetime!(2026-06-01 00:00:00 UTC), datetime!(2027-06-01 00:00:00 UTC)).unwrap(),
        serial: SerialNumber::random().unwrap(),
        key_usage: KeyUsage::DIGITAL_SIGNATURE | if rsa_server { KeyUsage::KEY_ENCIPHERMENT } else { KeyUsage::NONE },
        extended_key_usage: usages.to_vec(),
        basic_constraints: BasicConstraints::default(),
        name_constraints: None,
        crl_distribution_points: Vec::new(),
        authority_info_access: AuthorityInfoAccess::default(),
        policies: Vec::new(),
        public_key: key.public_key().clone(),
    }
}

/// A certificate taken apart; whatever is put in its fields is encoded, right or wrong. The signature stays as it was.
#[derive(Clone)]
pub(crate) struct Draft {
    /// DER of `[0]`, or nothing for version 1.
    pub(crate) version: Vec<u8>,
    /// Content of the INTEGER.
    pub(crate) serial: Vec<u8>,
    pub(crate) inner_algorithm: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) not_before: Vec<u8>,
    pub(crate) not_after: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) public_key: Vec<u8>,
    /// DER of `[1]` and `[2]`.
    pub(crate) unique_identifiers: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) outer_algorithm: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Draft {
    pub(crate) fn of(certificate: &Certificate) -> Self {
        let mut body = Reader::only(certificate.tbs(), tag::SEQUENCE).unwrap();
        let mut whole = || body.next().unwrap();
        let version = whole().whole.to_vec();
        let serial = whole().content.to_vec();
        let inner_algorithm = whole().whole.to_vec();
        let issuer = whole().whole.to_vec();
        let mut validity = Reader::new(whole().content);
        Self {
            version,
            serial,
            outer_algorithm: inner_algorithm.clone(),
            inner_algorithm,
            issuer,
            not_before: validity.next().unwrap().whole.to_vec(),
            not_after: validity.next().unwrap().whole.to_vec(),
            subject: whole().whole.to_vec(),
            public_key: whole().whole.to_vec(),
            unique_identifiers: Vec::new(),
            extensions: certificate.extensions().to_vec(),
            signature: certificate.signature().to_vec(),
        }
    }

    /// The extension with this identifier, to be changed.
    pub(crate) fn extension(&mut self, oid: &str) -> &mut Extension {
        self.extensions.iter_mut().find(|extension| extension.oid == oid).unwrap()
    }

    pub(crate) fn without(mut self, oid: &str) -> Self {
        self.extensions.retain(|extension| extension.oid != oid);
        self
    }

    pub(crate) fn with(mut self, oid: &str, critical: bool, value: Vec<u8>) -> Self {
        self = self.without(oid);
        self.extensions.push(Extension { oid: oid.to_owned().into(), critical, value });
        self
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let mut extensions = Vec::new();
        for extension in &self.extensions {
            let mut content = der::element(tag::OID, &der::oid_content(&extension.oid).unwrap());
            if extension.critical {
                der::write(&mut content, tag::BOOLEAN, &[0xff]);
            }
            der::write(&mut content, tag::OCTET_STRING, &extension.value);
            der::write(&mut extensions, tag::SEQUENCE, &content);
        }
        let extensions = match self.extensions.is_empty() {
            true => Vec::new(),
            false => der::element(tag::constructed(3), &der::element(tag::SEQUENCE, &extensions)),
        };
        let body = [
            self.version.clone(),
            der::element(tag::INTEGER, &self.serial),
            self.inner_algorithm.clone(),
            self.issuer.clone(),
            der::element(tag::SEQUENCE, &[self.not_before.clone(), self.not_after.clone()].concat()),
            self.subject.clone(),
            self.public_key.clone(),
            self.unique_identifiers.clone(),
            extensions,
        ];
        let signature = der::element(tag::BIT_STRING, &[&[0], self.signature.as_slice()].concat());
        let parts = [der::element(tag::SEQUENCE, &body.concat()), self.outer_algorithm.clone(), signature];
        der::element(tag::SEQUENCE, &parts.concat())
    }

    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::from_der(&self.der()).unwrap()
    }
}

/// `AlgorithmIdentifier` without parameters.
pub(crate) fn algorithm(oid: &str) -> Vec<u8> {
    der::element(tag::SEQUENCE, &der::element(tag::OID, &der::oid_content(oid).unwrap()))
}

/// One element, for values that the room's types refuse to hold.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    der::element(tag, content)
}

/// A Name with one attribute.
pub(crate) fn name(oid: &str, string_tag: u8, value: &[u8]) -> Vec<u8> {
    names(&[(oid, string_tag, value)])
}

/// A Name with these attributes.
pub(crate) fn names(attributes: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let rdns = attributes.iter().map(|(oid, string_tag, value)| {
        let pair = [element(tag::OID, &der::oid_content(oid).unwrap()), element(*string_tag, value)].concat();
        element(tag::SET, &element(tag::SEQUENCE, &pair))
    });
    element(tag::SEQUENCE, &rdns.collect::<Vec<_>>().concat())
}
