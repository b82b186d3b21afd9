//! Encrypted keys: can Erlang open them, does the password given, and how long does each handshake wait for it?

use super::index::Index;
use super::{argument, at};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Exhibit, Finding, Severity, recognise};
use crate::inspect::Thing;
use crate::x509::{KeyProtection, PrivateKey, X509Error};

/// Up to this many rounds a handshake took under a tenth of a second; the key is opened again at each.
const MOST_ROUNDS: u64 = 10_000;

/// Ciphers that Erlang/OTP 25 to 29 opened: AES-128, 192, 256 and triple DES, all in CBC mode.
const CIPHERS: [&str; 4] =
    ["2.16.840.1.101.3.4.1.2", "2.16.840.1.101.3.4.1.22", "2.16.840.1.101.3.4.1.42", "1.2.840.113549.3.7"];

pub(super) fn check(case: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    for exhibit in &index.exhibits {
        let Some(key) = exhibit.keys().find(|key| key.encrypted) else { continue };
        let is_open = key.public_key.is_some();
        for protection in KeyProtection::of_file(&exhibit.bytes) {
            let found = match unreadable(exhibit, &protection) {
                Some(unreadable) => vec![unreadable],
                None => [slow(exhibit, &protection), password(case, exhibit, &protection, is_open)]
                    .into_iter()
                    .flatten()
                    .collect(),
            };
            findings.extend(found.into_iter().map(|f| at(f, exhibit, |thing| matches!(thing, Thing::PrivateKey(_)))));
        }
    }
}

/// Schemes that Erlang does not know.
fn unreadable(exhibit: &Exhibit, protection: &KeyProtection) -> Option<Finding> {
    let scheme = match protection {
        KeyProtection::Scrypt => "scrypt",
        KeyProtection::Other(oid) if oid.starts_with("1.2.840.113549.1") => "PBES1, an old scheme,",
        KeyProtection::Other(_) => "a scheme",
        KeyProtection::Pbkdf2 { cipher, .. } if !CIPHERS.contains(&cipher.as_str()) => "a cipher",
        _ => return None,
    };
    let problem = format!("the key is encrypted with {scheme} that Erlang cannot open");
    Some(
        Finding::new(Severity::Error, "key-encryption-unknown", &exhibit.path, problem)
            .cause(CauseId::KeyUnusable)
            .effect(
                "RabbitMQ starts and every handshake fails; 4.3 logs wrong_password although the password is right. OpenSSL and \
                 Python read such a key",
            )
            .remedy(convert(exhibit)),
    )
}

fn slow(exhibit: &Exhibit, protection: &KeyProtection) -> Option<Finding> {
    let KeyProtection::Pbkdf2 { rounds, .. } = protection else { return None };
    if *rounds <= MOST_ROUNDS {
        return None;
    }
    // Measured: 600,000 rounds took about 2 seconds.
    let milliseconds = rounds.saturating_mul(2000) / 600_000;
    let time = if milliseconds >= 1000 { format!("{} s", milliseconds / 1000) } else { format!("{milliseconds} ms") };
    let problem = format!("the key is encrypted with {rounds} rounds of PBKDF2");
    Some(
        Finding::new(Severity::Warning, "key-opens-slowly", &exhibit.path, problem)
            .effect(format!(
                "Erlang opens the key again at each handshake, about {time} every time: connections queue up, and nodes may fail to \
                 link on a busy machine"
            ))
            .remedy(convert(exhibit)),
    )
}

fn password(case: &Case, exhibit: &Exhibit, protection: &KeyProtection, is_open: bool) -> Option<Finding> {
    if is_open {
        return unwritable(case, exhibit);
    }
    if case.passwords.is_empty() {
        let problem = "the key is encrypted, so nobody looked whether it belongs to its certificate";
        let remedy = format!("certgen doctor --key-password-file FILE {}", argument(&exhibit.path));
        return Some(
            Finding::new(Severity::Note, "key-not-opened", &exhibit.path, problem)
                .remedy(remedy)
                .effect("without the right password in its settings RabbitMQ resets every connection and logs nothing"),
        );
    }
    let is_foreign = || matches!(PrivateKey::from_pem(&exhibit.bytes, None), Err(X509Error::OldEncryption { .. }));
    if *protection == KeyProtection::Traditional && is_foreign() {
        let problem = "the key is encrypted in OpenSSL's own form with a cipher that certgen does not open";
        return Some(
            Finding::new(Severity::Note, "key-not-opened", &exhibit.path, problem)
                .effect("RabbitMQ reads it; whether the password is right was not looked at")
                .remedy(convert(exhibit)),
        );
    }
    if matches!(protection, KeyProtection::Pbkdf2 { rounds, .. } if *rounds > recognise::MOST_ROUNDS) {
        return None;
    }
    let problem = "no password that was given opens the key";
    Some(
        Finding::new(Severity::Error, "key-password-wrong", &exhibit.path, problem)
            .cause(CauseId::KeyPasswordWrong)
            .effect("RabbitMQ starts and resets every connection without a word; 4.3 logs wrong_password and has no listener")
            .remedy(format!("openssl pkey -noout -in {}    (asks for the password)", argument(&exhibit.path))),
    )
}

/// A password that opens the key and that rabbitmq.conf cannot carry.
fn unwritable(case: &Case, exhibit: &Exhibit) -> Option<Finding> {
    let fault = |password: &str| {
        let quoted = |mark| password.len() > 1 && password.starts_with(mark) && password.ends_with(mark);
        Some(match () {
            () if password.contains('#') => "a #, where a comment begins",
            () if password.trim() != password => "a space at an end",
            () if quoted('\'') => "quotes around it, which 4.0 and later take away",
            () if !password.is_ascii() => "characters that are not ASCII",
            () => return None,
        })
    };
    // With several passwords nobody knows which is whose; all must be fit.
    let fault = case.passwords.iter().find_map(|password| fault(password))?;
    Some(
        Finding::new(
            Severity::Warning,
            "password-unfit",
            &exhibit.path,
            format!("the password has {fault}: rabbitmq.conf cannot carry it"),
        )
        .cause(CauseId::KeyPasswordWrong)
        .effect(
            "as ssl_options.password it arrives as another one, and every handshake fails; not-ASCII stops the start",
        )
        .remedy("encrypt the key with a password of letters and digits"),
    )
}

fn convert(exhibit: &Exhibit) -> String {
    format!("openssl pkcs8 -topk8 -v2 aes-256-cbc -iter 10000 -in {} -out NEW", argument(&exhibit.path))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::super::testing::{case, told};
    use super::*;
    use crate::doctor::Document;
    use crate::x509::KeyType;
    use crate::x509::test_support::{Scratch, key};

    fn codes(pem: &str, passwords: &[&str]) -> Vec<(Severity, &'static str)> {
        let mut case = case(&[("server_key.pem", pem.to_owned())]);
        case.passwords = passwords.iter().map(|password| Zeroizing::new((*password).to_owned())).collect();
        case.exhibits[0].document = Document::open(pem.as_bytes(), &case.passwords);
        told(check, &case).into_iter().map(|(severity, code, _)| (severity, code)).collect()
    }

    #[test]
    fn what_certgen_encrypts_is_right_with_its_password() {
        let key = key(KeyType::EcdsaP256, 0);
        assert_eq!(codes(&key.to_pem(), &[]), []);
        let locked = key.to_encrypted_pem(b"secret").unwrap();
        assert_eq!(codes(&locked, &["other", "secret"]), []);
        assert_eq!(codes(&locked, &[]), [(Severity::Note, "key-not-opened")]);
        assert_eq!(codes(&locked, &["other"]), [(Severity::Error, "key-password-wrong")]);
        for password in ["a#b", " a", "'a'", "ä"] {
            let locked = key.to_encrypted_pem(password.as_bytes()).unwrap();
            assert_eq!(codes(&locked, &[password]), [(Severity::Warning, "password-unfit")], "{password}");
        }
    }

    #[test]
    fn schemes_that_erlang_cannot_open_and_slow_ones_are_told() {
        let scratch = Scratch::new();
        scratch.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k.pem");
        for (options, wanted) in [
            ("-scrypt", (Severity::Error, "key-encryption-unknown")),
            ("-v1 PBE-SHA1-3DES", (Severity::Error, "key-encryption-unknown")),
            ("-v2 aes-256-ofb", (Severity::Error, "key-encryption-unknown")),
            ("-v2 aes-256-cbc -iter 20000", (Severity::Warning, "key-opens-slowly")),
        ] {
            scratch.openssl(&format!("pkcs8 -topk8 -in k.pem {options} -passout pass:secret -out e.pem"));
            let pem = String::from_utf8(scratch.read("e.pem")).unwrap();
            assert_eq!(codes(&pem, &["secret"]), [wanted], "{options}");
        }
    }

    #[test]
    fn the_traditional_form_is_opened_like_any_other() {
        let scratch = Scratch::new();
        scratch.openssl("ecparam -name prime256v1 -genkey -noout -out k.pem");
        scratch.openssl("ec -in k.pem -aes256 -passout pass:secret -out e.pem");
        let pem = String::from_utf8(scratch.read("e.pem")).unwrap();
        assert_eq!(codes(&pem, &["secret"]), []);
        assert_eq!(codes(&pem, &["wrong"]), [(Severity::Error, "key-password-wrong")]);
        scratch.openssl("ec -in k.pem -camellia256 -passout pass:secret -out e.pem");
        let pem = String::from_utf8(scratch.read("e.pem")).unwrap();
        assert_eq!(codes(&pem, &["secret"]), [(Severity::Note, "key-not-opened")]);
    }
}
