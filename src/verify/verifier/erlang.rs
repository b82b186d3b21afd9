//! Erlang's `ssl` and `public_key`, which RabbitMQ asks: as a client (inter-node, shovel, federation) and as a server that
//! verifies clients. Run with OTP 25 and 27; 29 as facts measured it on its own nodes, which found it equal to 27.
//!
//! The default name check is exact and knows no wildcard; with the match function for https a wildcard may be a part of the
//! left-most label. OTP 25 takes the common name when there is no subjectAltName. The end of a chain must be a self-issued
//! certificate of the bundle, of which only the dates count; key identifiers, sizes of keys and the order of what was shown
//! do not matter. A certificate that signed itself is refused as a peer even when it stands in the bundle.

use time::OffsetDateTime;

use super::ask::{Ask, Chain, Hash, hash, lacks, rsa_bits, serves};
use super::names::{CommonName, NameRule, part_of_label, wanted};
use crate::ui;
use crate::verify::general_name::RawName;
use crate::verify::{Check, PeerName, Purpose, Question};
use crate::x509::{Certificate, ExtendedKeyUsage, KeyUsage, oid};

/// The releases that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Release {
    R25,
    R27,
    R29,
}

/// `customize_hostname_check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Match {
    /// Nothing is set.
    Default,
    /// `{match_fun, public_key:pkix_verify_hostname_match_fun(https)}`
    Https,
}

/// Why it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    UnknownCa,
    SelfSigned,
    Expired,
    CriticalExtension,
    NameConstraints,
    PathLength,
    BasicConstraints,
    KeyUsage,
    /// Of the leaf.
    Purpose,
    /// Of an authority above it.
    PurposeOfAuthority(usize),
    /// keyUsage and extended key usage do not fit.
    KeyUsageMismatch,
    Hash,
    ShortKey,
    Name,
}

pub(super) fn refusal(ask: &Ask<'_>, release: Release, names: Match) -> Option<String> {
    fault(ask, release, names).map(|(fault, chain)| text(ask, release, &fault, &chain))
}

type Certificates<'a> = Vec<&'a Certificate>;

fn fault<'a>(ask: &Ask<'a>, release: Release, names: Match) -> Option<(Fault, Certificates<'a>)> {
    if ask.leaf().is_self_issued() {
        return Some((Fault::SelfSigned, vec![ask.leaf()]));
    }
    let verdict =
        ask.to_roots.judge(|chain| in_chain(ask, chain, release).map(|fault| (fault, chain.certificates.clone())));
    // Measured on the distribution port: OTP 25 does not take the address of a node for an address.
    let is_address = matches!(ask.name(), Some(PeerName::Ip(_)));
    let unread = release == Release::R25 && is_address && ask.purpose() == Purpose::Node;
    let name = || (unread || name_rule(release, names).misses(ask)).then(|| (Fault::Name, vec![ask.leaf()]));
    match verdict {
        Some(verdict) => verdict.err().or_else(name),
        None => {
            Some((Fault::UnknownCa, ask.to_roots.dead_end.as_ref().map_or(vec![ask.leaf()], |dead| dead.path.clone())))
        }
    }
}

fn name_rule(release: Release, names: Match) -> NameRule {
    // The common name may have a wildcard whatever the match function is.
    let loose = |host: &str, pattern: &str| part_of_label(host, pattern, 1);
    let common_name = if release == Release::R25 { CommonName::WithoutNames(loose) } else { CommonName::Never };
    match names {
        Match::Default => NameRule { common_name, matches: |host, pattern| pattern.eq_ignore_ascii_case(host) },
        Match::Https => NameRule { common_name, matches: |host, pattern| part_of_label(host, pattern, 1) },
    }
}

/// From the root down, as pkix_path_validation goes.
fn in_chain(ask: &Ask<'_>, chain: &Chain<'_>, release: Release) -> Option<Fault> {
    let broken = chain.constrained_name(false);
    for index in (0..chain.certificates.len()).rev() {
        if chain.is_expired(index) || chain.is_early(index) {
            return Some(Fault::Expired);
        }
        let is_root = index == chain.last();
        if is_root {
            continue;
        }
        if chain.has(Check::CriticalExtension, index) {
            return Some(Fault::CriticalExtension);
        }
        let here = broken.as_ref().is_some_and(|finding| finding.certificate == Some(index));
        if here || (release == Release::R25 && index == 0 && chain.between().any(|i| has_dotted_constraint(chain, i))) {
            return Some(Fault::NameConstraints);
        }
        if let Some(fault) = usages(ask, chain, index, release) {
            return Some(fault);
        }
    }
    weak(chain, release)
}

fn usages(ask: &Ask<'_>, chain: &Chain<'_>, index: usize, release: Release) -> Option<Fault> {
    let certificate = chain.certificates[index];
    if index > 0 {
        if chain.has(Check::BasicConstraints, index) {
            return Some(Fault::BasicConstraints);
        }
        if chain.has(Check::KeyUsage, index) {
            return Some(Fault::KeyUsage);
        }
        if chain.has(Check::PathLength, index) {
            return Some(Fault::PathLength);
        }
        let fits = serves(certificate, ask.purpose(), false);
        return (!fits).then_some(Fault::PurposeOfAuthority(index));
    }
    let signs_certificates = certificate.key_usage().is_some_and(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
    if release > Release::R25 && signs_certificates && !certificate.is_ca() {
        return Some(Fault::BasicConstraints);
    }
    if !serves(certificate, ask.purpose(), false) {
        return Some(Fault::Purpose);
    }
    // With TLS 1.2 nobody, with 1.3 only OTP 25 lets it pass. A key for elliptic curves is not looked at.
    let is_rsa = rsa_bits(certificate).is_some();
    let no_signature = is_rsa && ask.purpose() != Purpose::Any && lacks(certificate, &[KeyUsage::DIGITAL_SIGNATURE]);
    no_signature.then_some(Fault::KeyUsageMismatch)
}

/// OTP 26 dropped SHA-1, and does not sign a handshake with a short RSA key.
fn weak(chain: &Chain<'_>, release: Release) -> Option<Fault> {
    if release == Release::R25 {
        return None;
    }
    if (0..chain.last()).any(|index| hash(chain.certificates[index]) != Hash::Good) {
        return Some(Fault::Hash);
    }
    rsa_bits(chain.certificates[0]).is_some_and(|bits| bits < 2048).then_some(Fault::ShortKey)
}

/// A DNS constraint like `.example.com`: OTP 25 holds every name against it.
fn has_dotted_constraint(chain: &Chain<'_>, index: usize) -> bool {
    let extension = chain.certificates[index].extension(oid::NAME_CONSTRAINTS);
    extension.is_some_and(|e| e.value.windows(3).any(|w| w[0] == 0x82 && w[1] > 1 && w[2] == b'.'))
}

/// The alert and its reason, as the side that refuses logs it.
fn text(ask: &Ask<'_>, release: Release, fault: &Fault, chain: &[&Certificate]) -> String {
    let is_old = release == Release::R25;
    let side = if ask.purpose() == Purpose::Client { "SERVER" } else { "CLIENT" };
    let (alert, reason) = match fault {
        Fault::UnknownCa => ("Unknown CA", String::new()),
        Fault::Expired => ("Certificate Expired", String::new()),
        Fault::SelfSigned if is_old => ("Bad Certificate", String::new()),
        Fault::SelfSigned => ("Bad Certificate", "selfsigned_peer".into()),
        Fault::CriticalExtension if is_old => ("Unsupported Certificate", String::new()),
        Fault::CriticalExtension => ("Unsupported Certificate", "unknown_critical_extension".into()),
        Fault::NameConstraints if is_old => ("Bad Certificate", String::new()),
        Fault::NameConstraints => ("Bad Certificate", "subject_alt_name_not_permitted".into()),
        Fault::PathLength => ("Handshake Failure", "{bad_cert,max_path_length_reached}".into()),
        Fault::BasicConstraints => ("Handshake Failure", "{bad_cert,missing_basic_constraint}".into()),
        Fault::KeyUsage => ("Handshake Failure", "{bad_cert,invalid_key_usage}".into()),
        Fault::Purpose | Fault::PurposeOfAuthority(_) if is_old => {
            ("Handshake Failure", "{bad_cert,invalid_ext_key_usage}".into())
        }
        Fault::Purpose => ("Unsupported Certificate", format!("{{invalid_ext_keyusage,{}}}", usage_list(ask.leaf()))),
        Fault::PurposeOfAuthority(index) => {
            let usages = chain.get(*index).map(|ca| usage_list(ca)).unwrap_or_default();
            ("Unsupported Certificate", format!("{{ca_invalid_ext_keyusage,{usages}}}"))
        }
        // The side that should show it does not get so far.
        Fault::Hash if ask.purpose() == Purpose::Client => {
            ("Handshake Failure", "no_client_certificate_provided".into())
        }
        Fault::KeyUsageMismatch | Fault::Hash => {
            return "received SERVER ALERT: Fatal - Insufficient Security".to_owned();
        }
        Fault::ShortKey => return "received SERVER ALERT: Fatal - Handshake Failure".to_owned(),
        Fault::Name if is_old => ("Handshake Failure", "{bad_cert,hostname_check_failed}".into()),
        Fault::Name => ("Bad Certificate", name(ask)),
    };
    format!("generated {side} ALERT: Fatal - {alert} {reason}").trim_end().to_owned()
}

/// As Erlang prints the list.
fn usage_list(certificate: &Certificate) -> String {
    let word = |usage: &ExtendedKeyUsage| match usage {
        ExtendedKeyUsage::ServerAuth => "\"id-kp-serverAuth\"".to_owned(),
        ExtendedKeyUsage::ClientAuth => "\"id-kp-clientAuth\"".to_owned(),
        ExtendedKeyUsage::Any => "\"anyExtendedKeyUsage\"".to_owned(),
        ExtendedKeyUsage::Other(dotted) => format!("\"{}\"", ui::plain(dotted)),
    };
    let usages = certificate.extended_key_usage().unwrap_or_default();
    format!("[{}]", usages.iter().map(word).collect::<Vec<_>>().join(","))
}

/// `{bad_cert,{hostname_check_failed,...}}`
fn name(ask: &Ask<'_>) -> String {
    let names = ask.names();
    if names.is_empty() {
        return "{bad_cert,{hostname_check_failed,missing_subject_altnames}}".to_owned();
    }
    let requested = match ask.name() {
        Some(PeerName::Ip(address)) => match address {
            std::net::IpAddr::V4(v4) => format!("{{{}}}", v4.octets().map(|octet| octet.to_string()).join(",")),
            std::net::IpAddr::V6(v6) => format!("{{{}}}", v6.segments().map(|part| part.to_string()).join(",")),
        },
        _ => format!("\"{}\"", wanted(ask)),
    };
    let octets = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let word = |name: &RawName<'_>| match name {
        RawName::Dns(text) => format!("{{dNSName,\"{}\"}}", ui::plain(text)),
        RawName::Ip(bytes) => format!("{{iPAddress,<<{}>>}}", octets(&bytes[..bytes.len().min(16)])),
        RawName::Email(text) => format!("{{rfc822Name,\"{}\"}}", ui::plain(text)),
        RawName::Uri(text) => format!("{{uniformResourceIdentifier,\"{}\"}}", ui::plain(text)),
        RawName::Directory(_) | RawName::Other(_) => "...".to_owned(),
    };
    let received = names.iter().take(20).map(word).collect::<Vec<_>>().join(",");
    format!("{{bad_cert,{{hostname_check_failed,{{requested,{requested}}},{{received,[{received}]}}}}}}")
}

/// Why a broker would refuse a peer that shows `presented`, leaf first, and is verified against `bundle`; `None`: it would
/// not. No name is compared: this is about the chain.
pub fn erlang_refuses(
    presented: &[Certificate],
    bundle: &[Certificate],
    purpose: Purpose,
    now: OffsetDateTime,
) -> Option<String> {
    let (leaf, end) = (presented.first()?, presented.last()?);
    let question = Question { untrusted: &presented[1..], purpose: Some(purpose), ..Question::new(leaf, bundle, now) };
    let found = Ask::with(&question, |ask| {
        let (fault, chain) = fault(ask, Release::R29, Match::Default)?;
        in_words(&fault, &chain)
    });
    // A client sends its chain only to a server that names the issuer of the chain's end among its authorities.
    let is_named = bundle.iter().any(|ca| ca.subject().der() == end.issuer().der());
    let unsent = || {
        (!is_named).then(|| {
            let issuer = ui::quote(&end.issuer().to_string());
            format!("certificate_required: the chain ends below {issuer}, whom the server does not name")
        })
    };
    found.or_else(unsent)
}

/// The word of the log, and what is meant. `None`: it is about the key of the leaf or its name, not about its authorities.
fn in_words(fault: &Fault, chain: &[&Certificate]) -> Option<String> {
    let issuer = chain.last().map(|last| ui::quote(&last.issuer().to_string())).unwrap_or_default();
    Some(match fault {
        Fault::KeyUsageMismatch | Fault::Hash | Fault::ShortKey | Fault::Name => return None,
        Fault::UnknownCa => format!("unknown_ca: nobody trusts {issuer}"),
        Fault::SelfSigned => "selfsigned_peer: the certificate signed itself".to_owned(),
        Fault::Expired => "certificate_expired: a certificate of the chain is not valid at this time".to_owned(),
        Fault::Purpose => "invalid_ext_keyusage: the certificate is for another purpose".to_owned(),
        Fault::PurposeOfAuthority(_) => "ca_invalid_ext_keyusage: an authority is for another purpose".to_owned(),
        Fault::CriticalExtension => "unknown_critical_extension: nobody knows a critical extension".to_owned(),
        Fault::NameConstraints => "subject_alt_name_not_permitted: a name is outside the constraints".to_owned(),
        Fault::PathLength => "max_path_length_reached: there are too many intermediates".to_owned(),
        Fault::BasicConstraints => "missing_basic_constraint: an issuer is no authority".to_owned(),
        Fault::KeyUsage => "invalid_key_usage: an issuer may not sign certificates".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::x509::sample::{Draft, HIERARCHY, hierarchy};
    use crate::x509::{KeyType, oid};

    const NOW: OffsetDateTime = datetime!(2026-11-01 0:00 UTC);

    /// The error's name, which Erlang puts into its log.
    fn refusal(presented: &[&Certificate], bundle: &[&Certificate], purpose: Purpose, now: OffsetDateTime) -> String {
        let owned = |certificates: &[&Certificate]| certificates.iter().map(|c| (*c).clone()).collect::<Vec<_>>();
        let refused = erlang_refuses(&owned(presented), &owned(bundle), purpose, now);
        refused.map_or_else(String::new, |why| why.split(':').next().unwrap().to_owned())
    }

    #[test]
    fn a_chain_in_any_order_with_its_root_in_the_bundle_is_accepted() {
        let h = &*HIERARCHY;
        let stranger = hierarchy(KeyType::EcdsaP256);
        for presented in [vec![&h.node, &h.intermediate], vec![&h.node, &h.intermediate, &h.root]] {
            assert_eq!(refusal(&presented, &[&stranger.root, &h.root], Purpose::Node, NOW), "");
        }
        assert_eq!(refusal(&[&h.server, &h.intermediate], &[&h.root], Purpose::Server, NOW), "");
    }

    #[test]
    fn nobody_trusts_what_does_not_end_in_the_bundle() {
        let h = &*HIERARCHY;
        let stranger = hierarchy(KeyType::EcdsaP256);
        assert_eq!(refusal(&[&h.client, &h.intermediate], &[&stranger.root], Purpose::Client, NOW), "unknown_ca");
        assert_eq!(
            refusal(&[&h.client], &[&h.root], Purpose::Client, NOW),
            "unknown_ca",
            "the intermediate is missing"
        );
        // No partial chains: openssl has an option for that, Erlang has none.
        let partial = refusal(&[&h.client, &h.intermediate], &[&h.intermediate], Purpose::Client, NOW);
        assert_eq!(partial, "unknown_ca");
        assert_eq!(refusal(&[&h.root], &[&h.root], Purpose::Any, NOW), "selfsigned_peer");
    }

    /// The cross-signed certificate of a successor at the end of the chain: the client then shows nothing at all.
    #[test]
    fn a_chain_that_ends_below_a_stranger_is_not_sent() {
        let h = &*HIERARCHY;
        let mut successor = Draft::of(&h.intermediate);
        successor.issuer = h.client.subject().der().to_vec();
        let cross = successor.certificate();
        let presented = [&h.client, &h.intermediate, &cross];
        assert_eq!(refusal(&presented, &[&h.root], Purpose::Client, NOW), "certificate_required");
    }

    #[test]
    fn times_and_purposes_are_looked_at() {
        let h = &*HIERARCHY;
        let chain = [&h.client, &h.intermediate];
        for now in [datetime!(2025-12-31 0:00 UTC), datetime!(2026-05-31 0:00 UTC), datetime!(2027-06-02 0:00 UTC)] {
            assert_eq!(refusal(&chain, &[&h.root], Purpose::Client, now), "certificate_expired", "{now}");
        }
        for purpose in [Purpose::Server, Purpose::Node] {
            assert_eq!(refusal(&chain, &[&h.root], purpose, NOW), "invalid_ext_keyusage");
        }
        // Without the extension Erlang asks for nothing.
        assert!(h.root.extension(oid::EXTENDED_KEY_USAGE).is_none());
    }
}
