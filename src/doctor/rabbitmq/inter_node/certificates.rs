//! The files that the sections name: do they fit together, and will the other side take them?

use std::path::Path;

use super::{Erlang, Section, edit, sections};
use crate::diagnosis::CauseId;
use crate::doctor::crypto::{chain, pair};
use crate::doctor::syntax::erlang::Term;
use crate::doctor::{Case, Exhibit, Finding, Severity, recognise};
use crate::inspect;
use crate::ui;
use crate::verify::Purpose;
use crate::x509::{Certificate, GeneralName, KeyProtection, PublicKeyAlgorithm, Subtree, order_chain};

/// What makes Erlang match a wildcard.
pub(super) const MATCH_FUNCTION: &str = "public_key:pkix_verify_hostname_match_fun(https)";

pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    let erlang = Erlang::of(case);
    for section in sections(case) {
        absent(case, &section, findings);
        let Some(shown) = Shown::of(case, &section) else { continue };
        findings.extend(password(&shown));
        findings.extend(shown.key.and_then(|key| pair(shown.certificate, key)));
        findings.extend(trusted(case, &shown));
        findings.extend(depth(&shown));
        findings.extend(ed25519(&shown));
        findings.extend(leading_dot(&shown, erlang));
        if section.name == "server" {
            findings.extend(names(&shown, erlang));
        }
    }
}

/// What one side shows, and to whom.
struct Shown<'c> {
    section: &'c Section<'c>,
    certificate: &'c Exhibit,
    key: Option<&'c Exhibit>,
    /// What the other side verifies it with; all nodes have the same option file.
    bundle: Option<&'c Exhibit>,
}

impl<'c> Shown<'c> {
    fn of(case: &'c Case, section: &'c Section<'c>) -> Option<Self> {
        let named = |section: &Section<'c>, option: &str| case.named(Path::new(section.get(option)?.text()?));
        let certificate = named(section, "certfile").filter(|exhibit| exhibit.certificates().next().is_some())?;
        // Without keyfile Erlang looks for the key beside the certificate.
        let key = match section.get("keyfile") {
            Some(_) => named(section, "keyfile"),
            None => Some(certificate),
        };
        let bundle = section.other().and_then(|other| named(&other, "cacertfile"));
        Some(Self { section, certificate, key, bundle })
    }

    fn leaf(&self) -> Option<&'c Certificate> {
        self.certificate.leaf().or_else(|| self.certificate.certificates().next())
    }

    /// The way from the certificate to its root, as far as it is known.
    fn path(&self) -> Vec<Certificate> {
        let bundle = self.bundle.into_iter().flat_map(Exhibit::certificates);
        let pool: Vec<Certificate> = self.certificate.certificates().chain(bundle).cloned().collect();
        self.leaf().map(|leaf| order_chain(leaf, &pool, true)).unwrap_or_default()
    }

    fn stops(&self, option: &str, code: &'static str, problem: String) -> Finding {
        let at = self.section.options.member(option).unwrap_or(self.section.options);
        self.section.stops(at, Severity::Error, code, problem)
    }
}

/// A file that is not there, where its directory was looked through.
fn absent(case: &Case, section: &Section<'_>, findings: &mut Vec<Finding>) {
    for option in ["certfile", "keyfile", "cacertfile"] {
        let Some((at, path)) = section.get(option).and_then(|at| Some((at, Path::new(at.text()?)))) else { continue };
        let looked = path.parent().is_some_and(|directory| case.directories.contains_key(directory));
        if looked && !case.exhibits.iter().any(|exhibit| exhibit.path == path) {
            let problem = format!("{option} names {}, and there is no such file", ui::path(path));
            findings.push(
                section
                    .stops(at, Severity::Error, "file-missing", problem)
                    .remedy("put the file there, or name the right one"),
            );
        }
    }
}

/// A key that needs a password and gets none, or another one.
fn password(shown: &Shown<'_>) -> Option<Finding> {
    let key = shown.key?;
    if !key.keys().next()?.encrypted {
        return None;
    }
    let silent = |finding: Finding| finding.cause(CauseId::KeyPasswordWrong);
    let Some(given) = shown.section.options.member("password") else {
        let problem = format!(
            "the key in {} is encrypted, and the section {} has no password",
            ui::path(&key.path),
            shown.section.name
        );
        let finding =
            shown.stops("keyfile", "key-password-missing", problem).remedy("add {password, \"..\"} beside keyfile");
        return Some(silent(finding));
    };
    let given = given.pair()?.1;
    let costly = |protection: &KeyProtection| matches!(protection, KeyProtection::Pbkdf2 { rounds, .. } if *rounds > recognise::MOST_ROUNDS);
    // What is encrypted in a way that nobody here reads is told by whoever looks at keys.
    if KeyProtection::of_file(&key.bytes).iter().any(costly)
        || inspect::read_with_password(&key.bytes, Some(given.text()?.as_bytes())).is_ok()
    {
        return None;
    }
    let problem = format!("the password in the section {} does not open {}", shown.section.name, ui::path(&key.path));
    let finding = shown.stops("password", "key-password-wrong", problem);
    Some(silent(finding).remedy("write the password that the key was encrypted with"))
}

/// Purpose and chain, in the words of nodes.
fn trusted(case: &Case, shown: &Shown<'_>) -> Vec<Finding> {
    let same = |other: Section<'_>| {
        other.get("certfile").and_then(Term::text) == shown.section.get("certfile").and_then(Term::text)
    };
    let both = shown.section.other().is_some_and(same);
    let purpose = match shown.section.name {
        _ if both => Purpose::Node,
        "server" => Purpose::Server,
        _ => Purpose::Client,
    };
    chain(shown.certificate, shown.bundle, purpose, case).into_iter().map(among_nodes).collect()
}

fn among_nodes(finding: Finding) -> Finding {
    match finding.cause {
        Some(CauseId::ServerPurpose | CauseId::ClientPurpose | CauseId::NodePurpose) => finding.cause(CauseId::NodePurpose).effect(
            "the nodes do not link: \"received SERVER ALERT: Fatal - Unsupported Certificate\" (Erlang/OTP 25: Handshake Failure)",
        ),
        Some(
            CauseId::ServerCaUnknown
            | CauseId::ClientCaUnknown
            | CauseId::NodeCaUnknown
            | CauseId::ServerChainIncomplete
            | CauseId::ClientChainIncomplete,
        ) => finding.cause(CauseId::NodeCaUnknown).effect("the nodes do not link: \"CLIENT ALERT: Fatal - Unknown CA\""),
        Some(CauseId::AuthoritySameName) => finding.effect("the nodes do not link: \"CLIENT ALERT: Fatal - Unknown CA\""),
        _ => finding,
    }
}

/// `depth` is how many certificates may stand between the shown one and the root.
fn depth(shown: &Shown<'_>) -> Option<Finding> {
    let verifier = shown.section.other()?;
    let at = verifier.get("depth")?;
    let between = i64::try_from(shown.path().len().saturating_sub(2)).ok()?;
    if at.integer()? >= between {
        return None;
    }
    let problem = format!(
        "depth is {} in the section {}, and {between} intermediate certificates stand between the peer's and the root",
        at.integer()?,
        verifier.name
    );
    let finding = verifier.stops(at, Severity::Error, "depth-too-small", problem).cause(CauseId::NodeCaUnknown);
    Some(
        finding
            .effect("the nodes do not link: {bad_cert,max_path_length_reached}")
            .remedy("take depth out: Erlang's own is 10"),
    )
}

/// Names of the certificate that servers show, as a client of Erlang's looks for them.
fn names(shown: &Shown<'_>, erlang: Erlang) -> Option<Finding> {
    let client = shown.section.other()?;
    let leaf = shown.leaf()?;
    let unchecked = client.is("verify", "verify_none") || client.options.member("verify_fun").is_some();
    if unchecked || client.is("server_name_indication", "disable") {
        return None;
    }
    let named = ui::path(&shown.certificate.path);
    let names: Vec<&GeneralName> = leaf.subject_alt_names().unwrap_or_default().iter().collect();
    if names.is_empty() && leaf.subject().has_common_name() && erlang.new {
        let problem = format!("the certificate in {named} has its name in the common name alone");
        let finding = shown.stops("certfile", "node-without-names", problem).cause(CauseId::NodeNameMismatch);
        return Some(
            finding
                .effect("Erlang/OTP 27.3.4.12 and later refuse it: {bad_cert,{hostname_check_failed,missing_subject_altnames}}")
                .remedy("certgen issue node HOST"),
        );
    }
    let hosts = names.iter().filter_map(|name| match name {
        GeneralName::Dns(name) => Some(name),
        _ => None,
    });
    let hosts: Vec<_> = hosts.collect();
    if hosts.is_empty()
        || !hosts.iter().all(|name| name.is_wildcard())
        || client.options.member("customize_hostname_check").is_some()
    {
        return None;
    }
    let check = format!("{{customize_hostname_check, [{{match_fun, {MATCH_FUNCTION}}}]}}");
    let problem = format!(
        "the certificate in {named} has only {} for a name, and the section client does not tell Erlang to match wildcards",
        ui::quote(hosts[0].as_str())
    );
    let finding = client
        .stops(client.options, Severity::Error, "wildcard-not-matched", problem)
        .cause(CauseId::NodeWildcard)
        .effect(
            "the nodes do not link: \"CLIENT ALERT: Fatal - Bad Certificate\", {bad_cert,{hostname_check_failed,..}}",
        )
        .remedy(format!("add {check} to the section client"))
        .remedy("or name every node in the certificate: certgen issue node HOST");
    Some(match edit::with(client.exhibit, client.options, &check) {
        Some(fix) => finding.fix(fix),
        None => finding,
    })
}

/// Without `versions` OTP 25 and 27 take TLS 1.2 between nodes, and there Ed25519 does not work.
fn ed25519(shown: &Shown<'_>) -> Option<Finding> {
    let is_ed25519 = *shown.leaf()?.public_key().algorithm() == PublicKeyAlgorithm::Ed25519;
    let new = shown.section.versions().is_some_and(|versions| versions.contains(&"tlsv1.3"));
    if !is_ed25519 || new {
        return None;
    }
    let problem = format!(
        "the key in {} is Ed25519, and the section {} does not name TLS 1.3",
        ui::path(&shown.certificate.path),
        shown.section.name
    );
    let finding = shown.stops("certfile", "ed25519-without-tls13", problem);
    Some(finding.remedy(format!("add {{versions, ['tlsv1.3', 'tlsv1.2']}} to the section {}", shown.section.name)))
}

/// Name constraints that OTP 25 does not understand.
fn leading_dot(shown: &Shown<'_>, erlang: Erlang) -> Option<Finding> {
    let (severity, releases) = erlang.trouble(true, false)?;
    let dotted = |ca: &&Certificate| {
        let permitted = ca.name_constraints().map(|constraints| constraints.permitted.as_slice()).unwrap_or_default();
        !ca.is_self_issued()
            && permitted.iter().any(|subtree| matches!(subtree, Subtree::Dns(name) if name.starts_with('.')))
    };
    let path = shown.path();
    let ca = path.iter().find(dotted)?;
    let problem = format!(
        "{} permits names with a leading dot, and {releases} reads that as no name at all",
        ui::quote(&ca.subject().to_string())
    );
    let finding = Finding::new(severity, "constraint-with-leading-dot", &shown.certificate.path, problem)
        .cause(CauseId::NodeNameMismatch);
    Some(
        finding
            .effect("the nodes do not link: subject_alt_name_not_permitted")
            .remedy("issue the intermediate with the domain without the dot"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{BOTH, file};
    use super::*;
    use crate::doctor::Fix;
    use crate::x509::sample::{HIERARCHY, authority, end_entity};
    use crate::x509::{ExtendedKeyUsage, KeyType, PrivateKey, Signer};

    /// An authority, a certificate of it for these names and usages, its key.
    fn pki(names: &[&str], usages: &[ExtendedKeyUsage], kind: KeyType) -> [String; 3] {
        let (root_key, key) = (PrivateKey::generate(KeyType::EcdsaP256).unwrap(), PrivateKey::generate(kind).unwrap());
        let root = authority("root", &root_key, None)
            .to_be_signed(&Signer::self_signed(&root_key))
            .unwrap()
            .sign(&root_key)
            .unwrap();
        let leaf = end_entity("n1", names, usages, &key);
        let leaf = leaf.to_be_signed(&Signer::authority(&root_key, &root).unwrap()).unwrap().sign(&root_key).unwrap();
        [root.pem(), leaf.pem(), key.to_pem().to_string()]
    }

    const PEER: [ExtendedKeyUsage; 2] = [ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth];

    fn found(options: &str, [ca, certificate, key]: &[String; 3]) -> Vec<Finding> {
        let files = [("t/x.config", options), ("t/ca.pem", ca), ("t/cert.pem", certificate), ("t/key.pem", key)];
        let mut findings = Vec::new();
        check(&Case::of(&files), &mut findings);
        findings
    }

    fn codes(options: &str, files: &[String; 3]) -> Vec<&'static str> {
        found(options, files).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_pair_for_nodes_is_left_alone() {
        let files = pki(&["n1.nodes.test", "*.nodes.test"], &PEER, KeyType::EcdsaP256);
        assert_eq!(codes(&file("", ""), &files), [""; 0]);
        let files = pki(&["n1.nodes.test"], &PEER, KeyType::Ed25519);
        assert_eq!(codes(&file(BOTH, BOTH), &files), [""; 0]);
    }

    #[test]
    fn a_wildcard_needs_the_line_and_gets_it() {
        let files = pki(&["*.nodes.test"], &PEER, KeyType::EcdsaP256);
        let found = found(&file(BOTH, BOTH), &files);
        let [Finding { code: "wildcard-not-matched", fix: Some(Fix::Content(bytes)), .. }] = found.as_slice() else {
            panic!("{found:?}")
        };
        let mended = String::from_utf8(bytes.clone()).unwrap();
        assert!(mended.contains(&format!("{BOTH},\n    {{customize_hostname_check")), "{mended}");
        assert_eq!(codes(&mended, &files), [""; 0]);
    }

    #[test]
    fn what_the_other_side_refuses_is_told() {
        let good = pki(&["n1.nodes.test"], &PEER, KeyType::EcdsaP256);
        let other = pki(&["n1.nodes.test"], &PEER, KeyType::EcdsaP256);
        let server = pki(&["n1.nodes.test"], &PEER[..1], KeyType::EcdsaP256);
        let nameless = pki(&[], &PEER, KeyType::EcdsaP256);
        let ed25519 = pki(&["n1.nodes.test"], &PEER, KeyType::Ed25519);
        let text = file("", "");
        assert_eq!(codes(&text, &server), ["wrong-purpose"; 2]);
        assert_eq!(codes(&text, &nameless), ["node-without-names"]);
        assert_eq!(codes(&text, &ed25519), ["ed25519-without-tls13"; 2]);
        let [ca, certificate, key] = [&good[0], &good[1], &other[2]].map(Clone::clone);
        assert_eq!(codes(&text, &[ca, certificate, key]), ["key-of-another-certificate"; 2]);
        let found = found(&text, &[other[0].clone(), good[1].clone(), good[2].clone()]);
        assert!(found.iter().all(|finding| finding.effect.contains("nodes")), "{found:?}");
        assert!(!found.is_empty());
    }

    #[test]
    fn an_encrypted_key_needs_its_password() {
        let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
        let files = |key: &PrivateKey| {
            let root = authority("root", key, None).to_be_signed(&Signer::self_signed(key)).unwrap().sign(key).unwrap();
            let leaf =
                end_entity("n1", &["n1"], &PEER, key).to_be_signed(&Signer::authority(key, &root).unwrap()).unwrap();
            [root.pem(), leaf.sign(key).unwrap().pem(), key.to_encrypted_pem(b"right").unwrap().to_string()]
        };
        let files = files(&key);
        assert_eq!(codes(&file("", ""), &files), ["key-password-missing"; 2]);
        let with =
            |password: &str| file(&format!("{{password, \"{password}\"}}"), &format!("{{password, \"{password}\"}}"));
        assert_eq!(codes(&with("wrong"), &files), ["key-password-wrong"; 2]);
        assert_eq!(codes(&with("right"), &files), [""; 0]);
    }

    #[test]
    fn depth_counts_what_stands_between() {
        let h = &*HIERARCHY;
        let files = [h.root.pem(), h.node.pem() + &h.intermediate.pem(), String::new()];
        assert_eq!(codes(&file("", "{depth, 0}"), &files), ["depth-too-small"]);
        assert_eq!(codes(&file("{depth, 1}", "{depth, 1}"), &files), [""; 0]);
    }
}
