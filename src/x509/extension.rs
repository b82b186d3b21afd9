//! Extensions (RFC 5280 4.2): the raw list, and what the ones that matter here say.

use std::borrow::Cow;
use std::net::IpAddr;

use super::AuthorityInfoAccess;
use super::constraints::NameConstraints;
use super::der::{self, Fault, Reader, tag};
use super::key_usage::{ExtendedKeyUsage, KeyUsage};
use super::name::DistinguishedName;
use super::random::hex;
use super::san::{DnsName, GeneralName};

/// Object identifiers of extensions, dotted.
pub mod oid {
    /// Subject key identifier.
    pub const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";
    /// Key usage.
    pub const KEY_USAGE: &str = "2.5.29.15";
    /// Subject alternative name.
    pub const SUBJECT_ALT_NAME: &str = "2.5.29.17";
    /// Issuer alternative name.
    pub const ISSUER_ALT_NAME: &str = "2.5.29.18";
    /// Basic constraints.
    pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
    /// Name constraints.
    pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
    /// CRL distribution points.
    pub const CRL_DISTRIBUTION_POINTS: &str = "2.5.29.31";
    /// Certificate policies.
    pub const CERTIFICATE_POLICIES: &str = "2.5.29.32";
    /// Policy mappings.
    pub const POLICY_MAPPINGS: &str = "2.5.29.33";
    /// Authority key identifier.
    pub const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";
    /// Policy constraints.
    pub const POLICY_CONSTRAINTS: &str = "2.5.29.36";
    /// Extended key usage.
    pub const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
    /// Inhibit anyPolicy.
    pub const INHIBIT_ANY_POLICY: &str = "2.5.29.54";
    /// Authority information access.
    pub const AUTHORITY_INFO_ACCESS: &str = "1.3.6.1.5.5.7.1.1";
    /// OCSP must-staple (RFC 7633).
    pub const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";

    pub(super) const OCSP: &str = "1.3.6.1.5.5.7.48.1";
    pub(super) const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
}

/// One extension as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The dotted object identifier.
    pub oid: Cow<'static, str>,
    /// Whoever does not know the extension must refuse the certificate.
    pub critical: bool,
    /// The DER inside the OCTET STRING.
    pub value: Vec<u8>,
}

/// Whether the key may sign certificates, and how many authorities may follow below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BasicConstraints {
    /// This is an authority.
    pub ca: bool,
    /// How many intermediate authorities may stand between this one and an end entity.
    pub path_length: Option<u32>,
}

/// What the known extensions say. Of a repeated extension the first is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(crate) subject_alt_names: Option<Vec<GeneralName>>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) extended_key_usage: Option<Vec<ExtendedKeyUsage>>,
    pub(crate) basic_constraints: Option<BasicConstraints>,
    pub(crate) subject_key_id: Option<Vec<u8>>,
    pub(crate) authority_key_id: Option<Vec<u8>>,
    pub(crate) name_constraints: Option<NameConstraints>,
    pub(crate) crl_distribution_points: Vec<String>,
    pub(crate) authority_info_access: Option<AuthorityInfoAccess>,
    pub(crate) policies: Vec<String>,
}

/// What is wrong, and in which part.
type PartFault = (&'static str, Fault);

const LIST: &str = "list of extensions";

/// Reads `Extensions`; on failure with the name of the part that is wrong.
pub(super) fn read(der: &[u8]) -> Result<(Vec<Extension>, Known), PartFault> {
    let extensions = list(der).map_err(|fault| (LIST, fault))?;
    let mut known = Known::default();
    for (position, extension) in extensions.iter().enumerate() {
        if !extensions[..position].iter().any(|earlier| earlier.oid == extension.oid) {
            known.add(extension)?;
        }
    }
    Ok((extensions, known))
}

/// `Extensions` as they are written.
pub(super) fn list(der: &[u8]) -> Result<Vec<Extension>, Fault> {
    let mut reader = Reader::only(der, tag::SEQUENCE)?;
    let mut extensions = Vec::with_capacity(8);
    while !reader.is_empty() {
        extensions.push(read_one(&mut reader)?);
    }
    Ok(extensions)
}

/// The extensions that belong to one certificate and not to a fleet.
#[derive(Default)]
pub(super) struct Particular {
    pub(super) subject_alt_names: Option<Vec<GeneralName>>,
    pub(super) subject_key_id: Option<Vec<u8>>,
}

/// Reads the particular ones if all others are byte for byte those of `known`, which was read.
pub(super) fn read_beside(der: &[u8], known: &[u8]) -> Result<Option<Particular>, PartFault> {
    let list = |fault| (LIST, fault);
    let mut reader = Reader::only(der, tag::SEQUENCE).map_err(list)?;
    let mut others = Reader::only(known, tag::SEQUENCE).map_err(list)?;
    let mut found = Particular::default();
    while !reader.is_empty() && !others.is_empty() {
        let (ours, theirs) =
            (reader.element(tag::SEQUENCE).map_err(list)?, others.element(tag::SEQUENCE).map_err(list)?);
        let [tag::OID, 3, 0x55, 0x1d, which @ (14 | 17), ..] = ours.content else {
            match ours.whole == theirs.whole {
                true => continue,
                false => return Ok(None),
            }
        };
        let (head, value) = head_and_value(ours).map_err(list)?;
        // What follows their head in theirs as well is the value.
        let has_their_head =
            theirs.content.strip_prefix(head).is_some_and(|rest| rest.first() == Some(&tag::OCTET_STRING));
        match (which, &found) {
            _ if !has_their_head => return Ok(None),
            (17, Particular { subject_alt_names: None, .. }) => {
                found.subject_alt_names = Some(general_names(value).map_err(|fault| (NAMES, fault))?);
            }
            (14, Particular { subject_key_id: None, .. }) => {
                found.subject_key_id = Some(subject_key_id(value).map_err(|fault| (KEY_IDENTIFIER, fault))?);
            }
            _ => return Ok(None),
        }
    }
    Ok((reader.is_empty() && others.is_empty()).then_some(found))
}

/// Identifier and criticality as they are encoded, and what stands inside the OCTET STRING.
fn head_and_value(extension: der::Element<'_>) -> Result<(&[u8], &[u8]), Fault> {
    let mut fields = Reader::new(extension.content);
    fields.expect(tag::OID)?;
    fields.default_false()?;
    let head = &extension.content[..extension.content.len() - fields.rest().len()];
    let value = fields.expect(tag::OCTET_STRING)?;
    fields.end()?;
    Ok((head, value))
}

fn read_one(reader: &mut Reader<'_>) -> Result<Extension, Fault> {
    let mut extension = reader.enter(tag::SEQUENCE)?;
    let oid = extension.oid()?;
    let critical = extension.default_false()?;
    let value = extension.expect(tag::OCTET_STRING)?.to_vec();
    extension.end()?;
    Ok(Extension { oid, critical, value })
}

const NAMES: &str = "subject alternative name";
const KEY_IDENTIFIER: &str = "subject key identifier";

impl Known {
    /// A known extension that cannot be read fails the certificate: to treat it as absent would lift its restriction.
    fn add(&mut self, extension: &Extension) -> Result<(), PartFault> {
        let value = extension.value.as_slice();
        let named = |name| move |fault| (name, fault);
        match &*extension.oid {
            oid::SUBJECT_ALT_NAME => {
                self.subject_alt_names = Some(general_names(value).map_err(named(NAMES))?);
            }
            oid::KEY_USAGE => self.key_usage = Some(KeyUsage::from_der(value).map_err(named("key usage"))?),
            oid::EXTENDED_KEY_USAGE => {
                self.extended_key_usage = Some(extended_key_usage(value).map_err(named("extended key usage"))?);
            }
            oid::BASIC_CONSTRAINTS => {
                self.basic_constraints = Some(basic_constraints(value).map_err(named("basic constraints"))?);
            }
            oid::SUBJECT_KEY_IDENTIFIER => {
                self.subject_key_id = Some(subject_key_id(value).map_err(named(KEY_IDENTIFIER))?);
            }
            oid::AUTHORITY_KEY_IDENTIFIER => {
                self.authority_key_id = authority_key_id(value).map_err(named("authority key identifier"))?;
            }
            oid::NAME_CONSTRAINTS => {
                self.name_constraints = Some(NameConstraints::from_der(value).map_err(named("name constraints"))?);
            }
            oid::CRL_DISTRIBUTION_POINTS => {
                self.crl_distribution_points =
                    crl_distribution_points(value).map_err(named("CRL distribution points"))?;
            }
            oid::AUTHORITY_INFO_ACCESS => {
                self.authority_info_access =
                    Some(authority_info_access(value).map_err(named("authority information access"))?);
            }
            oid::CERTIFICATE_POLICIES => self.policies = policies(value).map_err(named("certificate policies"))?,
            _ => {}
        }
        Ok(())
    }
}

/// `GeneralNames`, also of a request.
pub(crate) fn general_names(value: &[u8]) -> Result<Vec<GeneralName>, Fault> {
    let mut reader = Reader::only(value, tag::SEQUENCE)?;
    let mut names = Vec::with_capacity(1);
    while !reader.is_empty() {
        names.push(general_name(reader.next()?)?);
    }
    Ok(names)
}

fn general_name(name: der::Element<'_>) -> Result<GeneralName, Fault> {
    let text = || std::str::from_utf8(name.content).ok();
    let other = |kind: &str| GeneralName::Other(format!("{kind}:{}", hex(name.content)));
    Ok(match name.tag {
        0x81 => text().map_or_else(|| other("email"), |text| GeneralName::Email(text.into())),
        0x82 => text().map_or_else(|| other("DNS"), |text| GeneralName::Dns(DnsName::unchecked(text))),
        0x86 => text().map_or_else(|| other("URI"), |text| GeneralName::Uri(text.into())),
        0x87 => match (<[u8; 4]>::try_from(name.content), <[u8; 16]>::try_from(name.content)) {
            (Ok(octets), _) => GeneralName::Ip(IpAddr::from(octets)),
            (_, Ok(octets)) => GeneralName::Ip(IpAddr::from(octets)),
            _ => other("IP"),
        },
        0x88 => GeneralName::Other(format!("registeredID:{}", der::dotted(name.content)?)),
        0xa0 => GeneralName::Other(format!("otherName:{}", Reader::new(name.content).oid()?)),
        0xa3 => GeneralName::Other("x400Address".into()),
        0xa4 => GeneralName::Other(format!("dirName:{}", DistinguishedName::read(name.content)?)),
        0xa5 => GeneralName::Other("ediPartyName".into()),
        _ => return Err(Fault::Unexpected),
    })
}

pub(crate) fn extended_key_usage(value: &[u8]) -> Result<Vec<ExtendedKeyUsage>, Fault> {
    let mut reader = Reader::only(value, tag::SEQUENCE)?;
    let mut usages = Vec::with_capacity(2);
    while !reader.is_empty() {
        usages.push(ExtendedKeyUsage::from_oid(&reader.oid()?));
    }
    Ok(usages)
}

pub(crate) fn basic_constraints(value: &[u8]) -> Result<BasicConstraints, Fault> {
    let mut reader = Reader::only(value, tag::SEQUENCE)?;
    let ca = reader.default_false()?;
    let path_length = if reader.is_empty() { None } else { Some(small_integer(reader.integer()?)?) };
    reader.end()?;
    Ok(BasicConstraints { ca, path_length })
}

fn small_integer(content: &[u8]) -> Result<u32, Fault> {
    if content[0] & 0x80 != 0 || content.len() > 4 {
        return Err(Fault::Value);
    }
    Ok(content.iter().fold(0, |value, &octet| value << 8 | u32::from(octet)))
}

fn subject_key_id(value: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut reader = Reader::new(value);
    let identifier = reader.expect(tag::OCTET_STRING)?;
    reader.end()?;
    Ok(identifier.to_vec())
}

pub(crate) fn authority_key_id(value: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let mut reader = Reader::only(value, tag::SEQUENCE)?;
    let identifier = reader.optional(tag::context(0))?;
    let issuer = reader.optional(tag::constructed(1))?;
    let serial = reader.optional(tag::context(2))?;
    reader.end()?;
    // RFC 5280 4.2.1.1: issuer and serial number stand together or not at all.
    if issuer.is_some() != serial.is_some() {
        return Err(Fault::Value);
    }
    Ok(identifier.map(<[u8]>::to_vec))
}

fn crl_distribution_points(value: &[u8]) -> Result<Vec<String>, Fault> {
    let mut reader = Reader::only(value, tag::SEQUENCE)?;
    let mut uris = Vec::new();
    while !reader.is_empty() {
        let mut point = reader.enter(tag::SEQUENCE)?;
        let name = point.optional(tag::constructed(0))?;
        point.optional(tag::context(1))?;
        point.optional(tag::constructed(2))?;
        point.end()?;
        let Some(name) = name else { continue };
        // Either full names or one relative to the issuer's, which is no URI.
        if let Some(full) = Reader::new(name).optional(tag::constructed(0))? {
            let mut full = Reader::new(full);
            while !full.is_empty() {
                if let GeneralName::Uri(uri) = general_name(full.next()?)? {
                    uris.push(uri);
                }
            }
        }
    }
    Ok(uris)
}

fn authority_info_access(value: &[u8]) -> Result<AuthorityInfoAccess, Fault> {
    let mut reader = Reader::only(value, tag::SEQUENCE)?;
    let mut access = AuthorityInfoAccess::default();
    while !reader.is_empty() {
        let mut description = reader.enter(tag::SEQUENCE)?;
        let method = description.oid()?;
        let location = general_name(description.next()?)?;
        description.end()?;
        if let GeneralName::Uri(uri) = location {
            match &*method {
                oid::CA_ISSUERS => access.ca_issuers.push(uri),
                oid::OCSP => access.ocsp.push(uri),
                _ => {}
            }
        }
    }
    Ok(access)
}

fn policies(value: &[u8]) -> Result<Vec<String>, Fault> {
    let mut reader = Reader::only(value, tag::SEQUENCE)?;
    let mut policies = Vec::new();
    while !reader.is_empty() {
        let mut policy = reader.enter(tag::SEQUENCE)?;
        policies.push(policy.oid()?.into_owned());
        policy.optional(tag::SEQUENCE)?;
        policy.end()?;
    }
    Ok(policies)
}
