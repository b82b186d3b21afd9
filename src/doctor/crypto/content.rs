//! Is the file what its name says, and can the programs around RabbitMQ read it at all?

use super::index::Index;
use super::{argument, at, line_of};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Document, Exhibit, Finding, Fix, Severity};
use crate::inspect::{Foreign, Thing};
use crate::ui;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn check(case: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    case.exhibits.iter().for_each(|exhibit| without_content(exhibit, findings));
    for exhibit in &index.exhibits {
        byte_order_mark(exhibit, findings);
        damaged(exhibit, findings);
        named_otherwise(exhibit, findings);
        not_pem(exhibit, findings);
        several_keys(exhibit, findings);
    }
}

/// Erlang takes the mark for a part of the first line, which then does not begin a block.
fn byte_order_mark(exhibit: &Exhibit, findings: &mut Vec<Finding>) {
    let Some(rest) = exhibit.bytes.strip_prefix(BYTE_ORDER_MARK) else { return };
    findings.push(
        Finding::new(Severity::Error, "byte-order-mark", &exhibit.path, "the file begins with a byte order mark")
            .line(1)
            .cause(CauseId::FileUnreadable)
            .effect(
                "Erlang does not see the first block: RabbitMQ refuses every handshake with it (\"decoding error\")",
            )
            .remedy(format!("certgen doctor --fix {}", argument(&exhibit.path)))
            .fix(Fix::Content(rest.to_vec())),
    );
}

/// Nothing is where a certificate or a key should be: what a failed command with `>` leaves behind.
fn without_content(exhibit: &Exhibit, findings: &mut Vec<Finding>) {
    let is_pem = exhibit.path.extension().is_some_and(|extension| extension == "pem" || extension == "crt");
    if !is_pem || !matches!(exhibit.document, Document::Other) {
        return;
    }
    let problem = match exhibit.bytes.trim_ascii().is_empty() {
        true => "the file is empty",
        false => "the name says PEM, and there is no block of PEM in the file",
    };
    findings.push(
        Finding::new(Severity::Warning, "no-pem", &exhibit.path, problem)
            .cause(CauseId::FileUnreadable)
            .effect("RabbitMQ does not start or refuses every handshake; clients cannot load the file")
            .remedy("copy the file again from where it was made, whole"),
    );
}

/// A block that cannot be read. Keys of kinds that are only unknown here are no fault.
fn damaged(exhibit: &Exhibit, findings: &mut Vec<Finding>) {
    for (number, thing) in exhibit.things().iter().enumerate() {
        let Thing::Unreadable { label, reason } = thing else { continue };
        let known = ["CERTIFICATE", "KEY", "CRL"].iter().any(|word| label.contains(word));
        if !known || label.starts_with("PGP") || reason.contains("not supported") {
            continue;
        }
        let is_key = label.contains("KEY");
        let problem = format!("the {} cannot be read: {}", ui::plain(&label.to_lowercase()), ui::sentence(reason));
        let mut finding = Finding::new(Severity::Error, "damaged", &exhibit.path, problem)
            .cause(if is_key { CauseId::KeyUnusable } else { CauseId::FileUnreadable })
            .effect(match is_key {
                true => {
                    "RabbitMQ 3.10 and 4.0 start and reset every connection, without a line in the log; 4.3 starts without the listener"
                }
                false => "RabbitMQ does not start, or refuses every handshake; clients cannot load the file",
            })
            .remedy("copy the file again from where it was made, whole");
        if let Some(line) = line_of(exhibit, number) {
            finding = finding.line(line);
        }
        findings.push(finding);
    }
}

fn named_otherwise(exhibit: &Exhibit, findings: &mut Vec<Finding>) {
    let name = exhibit.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let says_key = ["key", "priv"].iter().any(|word| name.contains(word));
    let says_certificate = [".crt", ".cer", "cert", "fullchain"].iter().any(|word| name.contains(word));
    let (keys, certificates) = (exhibit.keys().count(), exhibit.certificates().count());
    let (code, problem) = match (says_key, says_certificate) {
        (true, false) if keys == 0 && certificates > 0 && !name.contains("keys") => {
            ("certificate-named-key", "the name says key, and there is a certificate in it and no key")
        }
        (false, true) if keys > 0 && certificates == 0 => {
            ("key-named-certificate", "the name says certificate, and there is a private key in it and no certificate")
        }
        _ => return,
    };
    findings.push(
        Finding::new(Severity::Note, code, &exhibit.path, problem)
            .effect("it works where a setting means what is in it; people who go by the name copy or publish the wrong file")
            .remedy("give it the name of what it is"),
    );
}

/// Certfile, keyfile and cacertfile are PEM.
fn not_pem(exhibit: &Exhibit, findings: &mut Vec<Finding>) {
    let extension = exhibit.path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if !matches!(extension.as_str(), "pem" | "crt" | "key" | "cer") {
        return;
    }
    let is_der = exhibit.bytes.first() == Some(&0x30);
    let (what, remedy) = match exhibit.things() {
        [Thing::Certificate(_)] if is_der => ("a certificate in DER", "openssl x509 -inform DER -in"),
        [Thing::PrivateKey(_)] if is_der => ("a key in DER", "openssl pkey -inform DER -in"),
        [Thing::KeyStore(store)] if store.facts.format == "PKCS#12" => {
            ("a PKCS#12 container", "openssl pkcs12 -nodes -in")
        }
        [Thing::KeyStore(_)] => ("a Java key store", "keytool -exportcert -rfc -keystore"),
        [Thing::Foreign(Foreign::Pkcs7)] => ("a PKCS#7 container", "openssl pkcs7 -print_certs -in"),
        [Thing::Foreign(Foreign::OpenSsh)] => ("a key for SSH", "ssh-keygen -p -m PKCS8 -f"),
        _ => return,
    };
    // A Windows certificate is often DER and called .cer or .crt, and Windows reads it.
    let severity = if matches!(extension.as_str(), "cer" | "crt") { Severity::Note } else { Severity::Warning };
    findings.push(
        Finding::new(severity, "not-pem", &exhibit.path, format!("the file is {what}, and RabbitMQ reads PEM alone"))
            .cause(if what.contains("key") { CauseId::KeyUnusable } else { CauseId::FileUnreadable })
            .effect("as certfile, keyfile or cacertfile it is as good as empty: no handshake succeeds")
            .remedy(format!("{remedy} {} -out NEW", argument(&exhibit.path))),
    );
}

/// Erlang/OTP 25 and 27 want exactly one.
fn several_keys(exhibit: &Exhibit, findings: &mut Vec<Finding>) {
    let count = exhibit.keys().count();
    if count > 1 {
        let problem = format!("there are {count} private keys in one file");
        let finding = Finding::new(Severity::Error, "several-keys", &exhibit.path, problem)
            .cause(CauseId::KeyUnusable)
            .effect(
                "Erlang refuses the file and closes every connection: {options,{keyfile,...}}, with the keys themselves in the \
                 error; Python takes the first key",
            )
            .remedy("keep the key that belongs to the certificate; a renewal must replace it and not append");
        findings.push(at(finding, exhibit, |thing| matches!(thing, Thing::PrivateKey(_))));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{findings, healthy, said};
    use super::*;
    use crate::x509::KeyType;
    use crate::x509::sample::HIERARCHY;
    use crate::x509::test_support::key;

    fn codes(path: &str, text: &str) -> Vec<(Severity, &'static str)> {
        said(check, &[(path, text.to_owned())]).into_iter().map(|(severity, code, _)| (severity, code)).collect()
    }

    fn secret() -> String {
        key(KeyType::EcdsaP256, 0).to_pem().to_string()
    }

    #[test]
    fn files_that_are_what_they_are_called_are_right() {
        assert_eq!(said(check, &healthy()), []);
        let certificate = HIERARCHY.server.pem();
        for (path, text) in [
            ("server_key.pem", secret()),
            ("combined_keys.pem", certificate.clone() + &secret()),
            ("server.crt", format!("subject=CN = x\r\n{}", certificate.replace('\n', "\r\n"))),
            ("anything", secret()),
            (
                "signer.asc",
                "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQIN\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n".to_owned(),
            ),
        ] {
            assert_eq!(codes(path, &text), [], "{path}");
        }
    }

    #[test]
    fn what_is_not_what_it_is_called_is_told() {
        let certificate = HIERARCHY.server.pem();
        let cut = certificate[..certificate.len() - 40].to_owned();
        let note = Severity::Note;
        for (path, text, wanted) in [
            ("server_key.pem", certificate.clone(), (note, "certificate-named-key")),
            ("server_certificate.pem", secret(), (note, "key-named-certificate")),
            ("a.pem", format!("\u{feff}{certificate}"), (Severity::Error, "byte-order-mark")),
            ("a.pem", cut, (Severity::Error, "damaged")),
            ("a.pem", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n".to_owned(), (Severity::Error, "damaged")),
            ("a.pem", "\n".to_owned(), (Severity::Warning, "no-pem")),
            ("a.crt", "x".to_owned(), (Severity::Warning, "no-pem")),
            ("a.pem", secret() + &secret(), (Severity::Error, "several-keys")),
        ] {
            assert_eq!(codes(path, &text), [wanted], "{path}");
        }
    }

    #[test]
    fn der_under_a_name_for_pem_is_told() {
        let mut case = Case::of(&[("a.pem", "")]);
        case.exhibits[0].bytes = HIERARCHY.server.der().to_vec();
        case.exhibits[0].document = Document::recognise(&case.exhibits[0].bytes, None);
        let told = findings(check, &case);
        assert!(matches!(told.as_slice(), [f] if f.code == "not-pem"), "{told:?}");
    }

    #[test]
    fn a_byte_order_mark_is_taken_away() {
        let pem = HIERARCHY.server.pem();
        let told = findings(check, &Case::of(&[("a.pem", &format!("\u{feff}{pem}"))]));
        assert_eq!(told[0].fix, Some(Fix::Content(pem.into_bytes())));
    }
}
