//! Name constraints, RFC 5280 section 4.2.1.10: which names an authority may give away.
//!
//! All five forms that the standard describes are compared here. rustls-webpki knows DNS names and addresses only and
//! refuses the rest unseen, so this is the place where the others are decided.

use super::der;
use super::finding::{Check, Findings, Place, subject_text};
use super::general_name::{self, RawName};
use super::peer_name::presented;
use crate::{
    ui,
    x509::{Certificate, oid},
};

const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";

/// A path may ask for this many comparisons; a real one needs a few dozen.
const COMPARISONS: usize = 250_000;

/// The constraints of one authority, read but not judged.
pub(super) struct Constraints<'a> {
    permitted: Vec<RawName<'a>>,
    excluded: Vec<RawName<'a>>,
}

impl<'a> Constraints<'a> {
    /// `None` when the value is malformed, empty, or uses the minimum and maximum that the profile forbids.
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let mut constraints = Self { permitted: Vec::new(), excluded: Vec::new() };
        for field in der::values(der::only(value, 0x30)?) {
            let field = field?;
            let list = match field.tag {
                0xa0 => &mut constraints.permitted,
                0xa1 => &mut constraints.excluded,
                _ => return None,
            };
            for subtree in der::values(field.value) {
                let subtree = subtree.filter(|subtree| subtree.tag == 0x30)?;
                let mut parts = der::values(subtree.value);
                list.push(RawName::read(parts.next()??)?);
                if parts.next().is_some() {
                    return None;
                }
            }
        }
        (!constraints.permitted.is_empty() || !constraints.excluded.is_empty()).then_some(constraints)
    }

    fn drop_dots(&mut self) {
        for base in self.permitted.iter_mut().chain(&mut self.excluded) {
            if let RawName::Dns(text) = base {
                *text = text.strip_prefix('.').unwrap_or(text);
            }
        }
    }

    /// The first base that is not of the right form.
    pub(super) fn malformed(&self) -> Option<String> {
        let bad = self.permitted.iter().chain(&self.excluded).find(|base| !is_valid_base(base))?;
        let reason = match bad {
            RawName::Dns(text) if text.starts_with('.') => ": a DNS constraint has no leading dot",
            RawName::Dns(text) if text.contains('*') => ": a constraint has no wildcard",
            RawName::Ip(_) => ": not an address with a mask of leading ones",
            _ => "",
        };
        Some(format!("{bad}{reason}"))
    }

    /// True when a form is constrained that rustls-webpki does not compare.
    pub(super) fn is_beyond_webpki(&self) -> bool {
        let known = |base: &RawName<'_>| matches!(base, RawName::Dns(_) | RawName::Ip(_));
        !self.permitted.iter().chain(&self.excluded).all(known)
    }

    /// What is wrong with `name`, if anything: (expected, found).
    fn violation(&self, name: &RawName<'_>, budget: &mut usize) -> Option<(String, String)> {
        let mut compare = |base: &RawName<'_>, role: Role| {
            *budget = budget.saturating_sub(1);
            // A form that cannot be compared counts as violated, as the standard demands of a critical extension.
            base.same_form(name).then(|| is_inside(name, base, role).unwrap_or(role == Role::Excluded))
        };
        let mut constrained = false;
        for base in &self.excluded {
            if compare(base, Role::Excluded) == Some(true) {
                return Some((format!("no name inside the excluded {}", base_text(base)), name.to_string()));
            }
        }
        for base in &self.permitted {
            match compare(base, Role::Permitted) {
                Some(true) => return None,
                Some(false) => constrained = true,
                None => {}
            }
        }
        constrained.then(|| {
            let allowed = self.permitted.iter().filter(|base| base.same_form(name)).take(8).map(base_text);
            let allowed = allowed.collect::<Vec<_>>().join(", ");
            (format!("names inside the permitted {allowed}"), name.to_string())
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Permitted,
    Excluded,
}

/// Applies the constraints of every authority of the path to every certificate below it.
pub(super) fn check(path: &[&Certificate], findings: &mut Findings) {
    check_as(path, Dots::Wrong, findings);
}

/// The same, as verifiers do it that read the DNS constraint `.example.com` like `example.com`.
pub(super) fn check_with_dots(path: &[&Certificate], findings: &mut Findings) {
    check_as(path, Dots::Ignored, findings);
}

/// What a leading dot in a DNS constraint is. RFC 5280 has none; nearly everybody lets it pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dots {
    Wrong,
    Ignored,
}

fn check_as(path: &[&Certificate], dots: Dots, findings: &mut Findings) {
    let mut budget = COMPARISONS;
    for (upper, authority) in path.iter().enumerate().skip(1) {
        let Some(extension) = authority.extension(oid::NAME_CONSTRAINTS) else { continue };
        let Some(mut constraints) = Constraints::read(&extension.value) else { continue };
        if dots == Dots::Ignored {
            constraints.drop_dots();
        }
        for (index, certificate) in path[..upper].iter().enumerate() {
            // Section 6.1.3 (b): a self-issued authority in the middle of the path is exempt, the leaf is not.
            if index > 0 && certificate.is_self_issued() {
                continue;
            }
            let at = Place { index, certificate };
            apply(&constraints, authority, at, &mut budget, findings);
        }
    }
    if let (0, Some(certificate)) = (budget, path.first()) {
        let found = format!("over {COMPARISONS} comparisons");
        findings.problem(
            Place { index: 0, certificate },
            Check::NameConstraints,
            "a reasonable number of names",
            found,
        );
    }
}

fn apply(
    constraints: &Constraints<'_>,
    authority: &Certificate,
    at: Place<'_>,
    budget: &mut usize,
    findings: &mut Findings,
) {
    let certificate = at.certificate;
    let mut names = presented(certificate);
    let has_alt_names = certificate.extension(oid::SUBJECT_ALT_NAME).is_some();
    if let Some(subject) = der::only(certificate.subject().der(), 0x30).filter(|rdns| !rdns.is_empty()) {
        names.push(RawName::Directory(subject));
    }
    let mailboxes = certificate.subject().attributes().filter(|a| a.oid == EMAIL_ADDRESS && !has_alt_names);
    names.extend(mailboxes.map(|attribute| RawName::Email(&attribute.value)));
    let mut first_violation = || {
        let violation = |name| if *budget == 0 { None } else { constraints.violation(name, budget) };
        names.iter().find_map(violation)
    };
    let Some((expected, found)) = first_violation() else {
        return note_common_name(constraints, authority, at, budget, findings);
    };
    let expected = format!("{expected} (constraint of {})", subject_text(authority));
    findings.problem(at, Check::NameConstraints, expected, found);
}

/// openssl treats a common name that looks like a host name as one, when there is no DNS name beside it.
fn note_common_name(
    constraints: &Constraints<'_>,
    authority: &Certificate,
    at: Place<'_>,
    budget: &mut usize,
    findings: &mut Findings,
) {
    if at.index != 0 || presented(at.certificate).iter().any(|name| matches!(name, RawName::Dns(_))) {
        return;
    }
    for name in at.certificate.subject().common_names() {
        if !name.contains('.') || !general_name::is_host_name(name) {
            continue;
        }
        if let Some((expected, _)) = constraints.violation(&RawName::Dns(name), budget) {
            let expected = format!("{expected} (constraint of {})", subject_text(authority));
            let found = format!("the common name {}, which openssl would take for a host name", ui::plain(name));
            findings.note(at, Check::NameConstraints, expected, found);
        }
    }
}

fn is_valid_base(base: &RawName<'_>) -> bool {
    match base {
        RawName::Dns(text) => text.is_empty() || general_name::is_host_name(text),
        RawName::Ip(octets) => network(octets).is_some(),
        RawName::Email(text) if text.contains('@') => general_name::mailbox(text).is_some(),
        RawName::Email(text) | RawName::Uri(text) => general_name::is_host_name(text.strip_prefix('.').unwrap_or(text)),
        RawName::Directory(_) | RawName::Other(_) => true,
    }
}

/// Whether `name` lies in the subtree of `base`; `None` when the two cannot be compared.
fn is_inside(name: &RawName<'_>, base: &RawName<'_>, role: Role) -> Option<bool> {
    if !is_valid_base(base) {
        return None;
    }
    match (name, base) {
        (RawName::Dns(name), RawName::Dns(base)) => Some(dns_inside(name, base, role)),
        (RawName::Ip(octets), RawName::Ip(base)) => ip_inside(octets, base),
        (RawName::Email(text), RawName::Email(base)) => email_inside(text, base),
        (RawName::Uri(text), RawName::Uri(base)) => {
            let host = general_name::uri_host(text).filter(|host| general_name::is_host_name(host))?;
            Some(host_inside(host, base))
        }
        (RawName::Directory(name), RawName::Directory(base)) => {
            let (name, base) = (relative_names(name)?, relative_names(base)?);
            Some(name.starts_with(&base))
        }
        _ => None,
    }
}

/// A DNS name is inside when labels were only added on the left. A wildcard is inside an excluded subtree as soon as one
/// of the names it stands for is (CVE-2025-61727), and inside a permitted one only when all are.
fn dns_inside(name: &str, base: &str, role: Role) -> bool {
    let Some(parent) = name.strip_prefix("*.") else {
        return dns_below(name, base);
    };
    let one_label_more = || base.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent));
    dns_below(parent, base) || (role == Role::Excluded && one_label_more())
}

fn dns_below(name: &str, base: &str) -> bool {
    let (name, base) = (name.to_ascii_lowercase(), base.to_ascii_lowercase());
    base.is_empty() || name == base || name.strip_suffix(&base).is_some_and(|left| left.ends_with('.'))
}

/// A host is that host; with a leading dot it is everything below, without the host itself (URI and e-mail forms).
fn host_inside(host: &str, base: &str) -> bool {
    match base.strip_prefix('.') {
        Some(domain) => dns_below(host, domain) && !host.eq_ignore_ascii_case(domain),
        None => host.eq_ignore_ascii_case(base),
    }
}

fn email_inside(text: &str, base: &str) -> Option<bool> {
    let (local, domain) = general_name::mailbox(text)?;
    Some(match general_name::mailbox(base) {
        Some((base_local, base_domain)) => local == base_local && domain.eq_ignore_ascii_case(base_domain),
        None => host_inside(domain, base),
    })
}

/// Address and mask, if the mask is a run of ones and the lengths fit.
fn network(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    if octets.len() != 8 && octets.len() != 32 {
        return None;
    }
    let (address, mask) = octets.split_at(octets.len() / 2);
    let ones: u32 = mask.iter().map(|octet| octet.leading_ones()).take_while(|ones| *ones > 0).sum();
    let total: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
    let full_before = mask.iter().position(|octet| *octet != 0xff).unwrap_or(mask.len());
    let clean = mask[full_before..].iter().skip(1).all(|octet| *octet == 0);
    (ones == total && clean).then_some((address, mask))
}

fn ip_inside(octets: &[u8], base: &[u8]) -> Option<bool> {
    general_name::ip(octets)?;
    let (address, mask) = network(base)?;
    if address.len() != octets.len() {
        // IPv4 and IPv6 share the tag and are still different forms.
        return Some(false);
    }
    Some(octets.iter().zip(address).zip(mask).all(|((octet, base), mask)| octet & mask == base & mask))
}

/// The RDNs of a name in a form that can be compared: string types and case do not matter, order inside an RDN neither.
fn relative_names(rdns: &[u8]) -> Option<Vec<Vec<Vec<u8>>>> {
    der::values(rdns)
        .map(|rdn| {
            let mut attributes =
                der::values(rdn?.value).map(|pair| attribute(pair?.value)).collect::<Option<Vec<_>>>()?;
            attributes.sort();
            Some(attributes)
        })
        .collect()
}

fn attribute(pair: &[u8]) -> Option<Vec<u8>> {
    let mut fields = der::values(pair);
    let (kind, value) = (fields.next()??, fields.next()??);
    let text = matches!(value.tag, 0x0c | 0x13 | 0x14 | 0x16).then(|| std::str::from_utf8(value.value).ok()).flatten();
    let mut key = kind.value.to_vec();
    key.push(0);
    match text {
        Some(text) => {
            let folded = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            key.extend_from_slice(folded.as_bytes());
        }
        None => key.extend([value.tag].iter().chain(value.value)),
    }
    Some(key)
}

fn base_text(base: &RawName<'_>) -> String {
    match base {
        RawName::Ip(octets) => match network(octets) {
            Some((address, mask)) => {
                let bits: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
                general_name::ip(address).map_or_else(|| base.to_string(), |address| format!("IP:{address}/{bits}"))
            }
            None => base.to_string(),
        },
        base => base.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_against_constraints() {
        assert!(dns_inside("*.example.com", "example.com", Role::Permitted));
        assert!(!dns_inside("*.example.com", "bar.example.com", Role::Permitted));
        assert!(dns_inside("*.example.com", "bar.example.com", Role::Excluded));
        assert!(!dns_inside("*.example.com", "a.bar.example.com", Role::Excluded));
        assert!(!dns_inside("notexample.com", "example.com", Role::Permitted));
        assert!(dns_inside("anything", "", Role::Excluded));
    }

    #[test]
    fn masks_must_be_runs_of_ones() {
        assert!(network(&[10, 0, 0, 0, 255, 255, 0, 0]).is_some());
        assert!(network(&[10, 0, 0, 0, 255, 254, 0, 0]).is_some());
        assert!(network(&[0; 8]).is_some());
        for mask in [[255, 0, 255, 0], [255, 253, 0, 0], [0, 255, 0, 0], [255, 254, 128, 0]] {
            assert!(network(&[&[10, 0, 0, 0][..], &mask].concat()).is_none(), "{mask:?}");
        }
        assert!(network(&[10, 0, 0, 0]).is_none());
        assert_eq!(ip_inside(&[10, 0, 1, 1], &[10, 0, 0, 0, 255, 255, 0, 0]), Some(true));
        assert_eq!(ip_inside(&[10, 1, 1, 1], &[10, 0, 0, 0, 255, 255, 0, 0]), Some(false));
        assert_eq!(ip_inside(&[10, 1, 1, 1, 5], &[10, 0, 0, 0, 255, 255, 0, 0]), None);
    }

    #[test]
    fn mailboxes_hosts_and_domains() {
        assert_eq!(email_inside("a@x.example", "a@X.example"), Some(true));
        assert_eq!(email_inside("A@x.example", "a@x.example"), Some(false));
        assert_eq!(email_inside("a@x.example", "x.example"), Some(true));
        assert_eq!(email_inside("a@y.x.example", "x.example"), Some(false));
        assert_eq!(email_inside("a@y.x.example", ".x.example"), Some(true));
        assert_eq!(email_inside("*@x.example", "*@x.example"), Some(true));
        assert_eq!(email_inside("a@b@x.example", "x.example"), None);
    }

    #[test]
    fn malformed_constraints_are_not_read() {
        for bad in [&[][..], &[0x30, 0], &[0x30, 2, 0xa0, 0], &[0x30, 4, 0xa0, 2, 0x30, 0], &[0x30, 2, 5, 0]] {
            assert!(Constraints::read(bad).is_none(), "{bad:?}");
        }
        let one = [0x30, 7, 0xa0, 5, 0x30, 3, 0x82, 1, b'a'];
        assert!(Constraints::read(&one).is_some_and(|c| c.malformed().is_none()));
        let with_maximum = [0x30, 10, 0xa0, 8, 0x30, 6, 0x82, 1, b'a', 0x81, 1, 5];
        assert!(Constraints::read(&with_maximum).is_none());
    }
}
