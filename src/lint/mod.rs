//! Lint: what is wrong with a certificate according to the standards, before anyone trusts it.
//!
//! Every certificate is looked at here before the authority's key signs it, since Erlang's own path validation lets most
//! of these mistakes pass and other clients do not. One file is one rule: its header quotes the sentence, its table row
//! names the section, and its tests hold one certificate that passes and one that fails. Rules that bind only public
//! authorities (398 days, certificate transparency, registered domains) have no place here.
//!
//! The room is pure and sees only what [`Context`] holds. It does not verify signatures, ask for the time or follow chains:
//! that is `verify`'s. A rule that cannot be judged without an issuer passes when there is none.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use crate::x509::{Certificate, KeyUsage, PublicKeyAlgorithm};

mod attribute_characters;
mod attribute_length;
mod attribute_string_type;
mod authority_info_access;
mod authority_key_identifier;
mod authority_key_identifier_matches;
mod authority_subject_not_empty;
mod basic_constraints_critical;
mod begins_with_issuer;
mod ca_bit;
mod common_name_count;
mod country;
mod crl_distribution_points;
mod dns_name_syntax;
mod extended_key_usage;
mod extended_key_usage_not_critical;
mod issuer_may_sign;
mod issuer_name_matches;
mod issuer_not_empty;
mod key_algorithm;
mod key_encoding;
mod key_is_not_the_issuers;
mod key_usage_bits;
mod key_usage_critical;
mod name_constraints;
mod names_inside_constraints;
mod no_duplicate_extension;
mod no_fractional_seconds;
mod no_unique_identifiers;
mod no_unknown_critical_extension;
mod not_self_issued;
mod path_length_allows;
mod path_length_only_in_authorities;
mod policies;
mod printable_string;
mod rsa_exponent;
mod rsa_modulus;
mod san_critical;
mod san_duplicates;
mod san_not_empty;
mod san_present;
mod san_values;
mod serial_entropy;
mod serial_length;
mod serial_positive;
mod signature_algorithm;
mod signature_algorithms_agree;
mod signature_fits_issuer_key;
mod subject_key_identifier;
mod time_encoding;
mod validity_inside_issuers;
mod validity_order;
mod version_three;

#[cfg(test)]
mod frame_tests;
#[cfg(test)]
mod support;

/// What the certificate is meant for; the rules differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A TLS server.
    Server,
    /// A TLS client, whose common name is a user.
    Client,
    /// A cluster node: server and client of its peers.
    Node,
    /// A self-signed authority.
    RootAuthority,
    /// An authority that another one signed.
    IntermediateAuthority,
}

impl Purpose {
    /// It signs certificates.
    pub const fn is_authority(self) -> bool {
        matches!(self, Self::RootAuthority | Self::IntermediateAuthority)
    }

    /// Clients connect to it by name.
    pub const fn is_server(self) -> bool {
        matches!(self, Self::Server | Self::Node)
    }
}

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The certificate; who signed it does not matter, so that a throwaway signature does.
    pub certificate: &'a Certificate,
    /// The certificate of the authority that signs or signed it; `None` for a root, or if it is not known.
    pub issuer: Option<&'a Certificate>,
    /// The authorities above the issuer, as far as they are known.
    pub above: &'a [Certificate],
    /// What it is meant for.
    pub role: Purpose,
}

impl<'a> Context<'a> {
    /// The issuer; a root is its own.
    fn issuer(&self) -> Option<&'a Certificate> {
        match self.role {
            Purpose::RootAuthority => Some(self.certificate),
            _ => self.issuer,
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Works everywhere, but should not be there.
    Warning,
    /// The standard forbids it, or somebody's verifier refuses it: it is not signed.
    Error,
}

impl Severity {
    /// `warning` or `error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one rule says about one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing, or the rule does not apply.
    Pass,
    /// What is wrong, as a sentence without full stop.
    Fail(Cow<'static, str>),
}

impl Outcome {
    fn fail_if(wrong: bool, message: &'static str) -> Self {
        if wrong { Self::Fail(Cow::Borrowed(message)) } else { Self::Pass }
    }

    fn fail_unless(right: bool, message: impl FnOnce() -> String) -> Self {
        if right { Self::Pass } else { Self::Fail(Cow::Owned(message())) }
    }
}

/// What of a certificate a rule looks at, so that it need not be asked again about what it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LooksAt {
    /// What the certificates of a fleet have in common: issuer, validity, algorithms, all extensions but the next ones;
    /// of the particulars only whether they are there, and the kind of the key.
    Frame,
    /// Serial number, subject, key, key identifier or alternative names, whatever else.
    Particulars,
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Lint {
    /// The name of its file.
    pub name: &'static str,
    /// Where it is written.
    pub citation: &'static str,
    /// How bad its breach is.
    pub severity: Severity,
    /// What its verdict depends on.
    pub looks_at: LooksAt,
    check: fn(&Context<'_>) -> Outcome,
}

impl Lint {
    /// Judges one certificate.
    pub fn check(&self, context: &Context<'_>) -> Outcome {
        (self.check)(context)
    }
}

/// One breach of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub lint: &'static str,
    /// Where the rule is written.
    pub citation: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as a sentence without full stop.
    pub message: Cow<'static, str>,
}

/// `the serial number is not positive (serial_positive, RFC 5280 4.1.2.2)`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.message, self.lint, self.citation)
    }
}

/// All rules, in the order of a certificate's fields.
pub const LINTS: &[&Lint] = &[
    &version_three::LINT,
    &no_unique_identifiers::LINT,
    &serial_positive::LINT,
    &serial_length::LINT,
    &serial_entropy::LINT,
    &signature_algorithm::LINT,
    &signature_algorithms_agree::LINT,
    &signature_fits_issuer_key::LINT,
    &key_algorithm::LINT,
    &key_encoding::LINT,
    &rsa_modulus::LINT,
    &rsa_exponent::LINT,
    &key_is_not_the_issuers::LINT,
    &validity_order::LINT,
    &time_encoding::LINT,
    &no_fractional_seconds::LINT,
    &validity_inside_issuers::LINT,
    &begins_with_issuer::LINT,
    &issuer_not_empty::LINT,
    &authority_subject_not_empty::LINT,
    &issuer_name_matches::LINT,
    &not_self_issued::LINT,
    &issuer_may_sign::LINT,
    &path_length_allows::LINT,
    &attribute_length::LINT,
    &attribute_characters::LINT,
    &attribute_string_type::LINT,
    &printable_string::LINT,
    &country::LINT,
    &common_name_count::LINT,
    &san_present::LINT,
    &san_not_empty::LINT,
    &san_critical::LINT,
    &dns_name_syntax::LINT,
    &san_values::LINT,
    &san_duplicates::LINT,
    &names_inside_constraints::LINT,
    &extended_key_usage::LINT,
    &extended_key_usage_not_critical::LINT,
    &key_usage_critical::LINT,
    &key_usage_bits::LINT,
    &basic_constraints_critical::LINT,
    &ca_bit::LINT,
    &path_length_only_in_authorities::LINT,
    &subject_key_identifier::LINT,
    &authority_key_identifier::LINT,
    &authority_key_identifier_matches::LINT,
    &name_constraints::LINT,
    &authority_info_access::LINT,
    &crl_distribution_points::LINT,
    &policies::LINT,
    &no_unknown_critical_extension::LINT,
    &no_duplicate_extension::LINT,
];

/// Those that are asked about every certificate of a fleet.
static OF_PARTICULARS: LazyLock<Vec<&Lint>> =
    LazyLock::new(|| LINTS.iter().copied().filter(|lint| lint.looks_at == LooksAt::Particulars).collect());

/// Every breach, in the order of [`LINTS`]; none for what is issued here.
pub fn check(context: &Context<'_>) -> Vec<Finding> {
    check_beside(None, context)
}

/// The same when `passed` was found right in the same context: the rules that look at no more than what both certificates
/// share, byte for byte as they were read, have nothing new to say. They are asked if anything of that differs.
pub fn check_beside(passed: Option<&Certificate>, context: &Context<'_>) -> Vec<Finding> {
    // What a root has of its issuer is its own.
    let is_root = context.role == Purpose::RootAuthority;
    let framed = !is_root && passed.is_some_and(|passed| context.certificate.shares_frame_with(passed));
    // An empty vector allocates nothing, and most checks find nothing.
    let mut findings = Vec::new();
    for lint in if framed { &*OF_PARTICULARS } else { LINTS } {
        if let Outcome::Fail(message) = lint.check(context) {
            findings.push(Finding { lint: lint.name, citation: lint.citation, severity: lint.severity, message });
        }
    }
    findings
}

/// Why an authority that somebody else made must not sign any more: some verifier refuses what is below it. Whatever else may
/// be said against it, what it signs is accepted.
pub fn unfit_issuer(authority: &Certificate) -> Option<String> {
    let weak = ["1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10045.4.1", "1.3.14.3.2.29"];
    let key = authority.public_key();
    let signs = authority.key_usage().is_none_or(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
    if authority.version() < 3 {
        Some(format!("its certificate is of X.509 version {}", authority.version()))
    } else if !authority.is_ca() {
        Some("its certificate does not say that it is an authority".to_owned())
    } else if !signs {
        Some("its key usage does not let it sign certificates".to_owned())
    } else if weak.contains(&authority.signature_algorithm()) {
        Some("its certificate is signed with SHA-1 or MD5".to_owned())
    } else if *key.algorithm() == PublicKeyAlgorithm::Rsa && key.bits() < 2048 {
        Some(format!("its RSA key has {} bits", key.bits()))
    } else {
        None
    }
}

/// `uri` is an http URI with a host.
fn is_http(uri: &str) -> bool {
    uri.starts_with("http://") && crate::x509::is_uri(uri)
}

#[cfg(test)]
mod tests {
    use super::support::{cases, context};
    use super::*;
    use crate::x509::KeyType;
    use crate::x509::sample::{self, Draft};

    #[test]
    fn what_is_issued_has_no_finding() {
        for (certificate, issuer, role) in cases() {
            assert_eq!(check(&Context { certificate, issuer, above: &[], role }), [], "{certificate:?}");
        }
        for key_type in [KeyType::EcdsaP384, KeyType::EcdsaP521, KeyType::Ed25519, KeyType::Rsa2048] {
            let hierarchy = sample::hierarchy(key_type);
            for (certificate, issuer, role) in support::cases_of(&hierarchy) {
                assert_eq!(check(&Context { certificate, issuer, above: &[], role }), [], "{key_type} {certificate:?}");
            }
        }
    }

    #[test]
    fn names_are_unique_and_every_member_is_listed() {
        let mut names: Vec<_> = LINTS.iter().map(|lint| lint.name).collect();
        names.sort_unstable();
        let members = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
        let members: Vec<_> = members.filter(|member| !["support", "frame_tests"].contains(member)).collect();
        assert_eq!(names, members);
    }

    #[test]
    fn an_authority_signs_on_unless_a_verifier_refuses_that() {
        let root = &sample::HIERARCHY.root;
        assert_eq!(unfit_issuer(root), None);
        let unfit = |change: &dyn Fn(&mut Draft)| {
            let mut draft = Draft::of(root);
            change(&mut draft);
            unfit_issuer(&draft.certificate()).unwrap_or_default()
        };
        assert!(unfit(&|draft| draft.version.clear()).contains("version 1"));
        assert!(unfit(&|draft| draft.extensions.clear()).contains("that it is an authority"));
        assert!(unfit_issuer(&sample::HIERARCHY.server).is_some());
    }

    #[test]
    fn a_finding_reads_like_a_sentence() {
        let draft = Draft { serial: vec![0], ..Draft::of(&sample::HIERARCHY.server) };
        let certificate = draft.certificate();
        let findings = check(&Context { certificate: &certificate, ..context(Purpose::Server) });
        let shown: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "the serial number is not positive (serial_positive, RFC 5280 4.1.2.2)",
                "the serial number has fewer than 64 bits (serial_entropy, CABF BR 7.1)",
            ]
        );
        assert!(Severity::Error > Severity::Warning);
    }

    #[test]
    fn a_roots_issuer_is_itself_and_an_unknown_one_is_not_judged() {
        let server = Context { issuer: None, ..context(Purpose::Server) };
        assert_eq!(check(&server), []);
        // A server certificate that is looked at as if it were a root breaks the rules of roots.
        let names: Vec<_> = check(&Context { role: Purpose::RootAuthority, ..server }).iter().map(|f| f.lint).collect();
        assert!(names.contains(&"ca_bit") && names.contains(&"issuer_name_matches"), "{names:?}");
    }
}
