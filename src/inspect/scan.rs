//! Every certificate in any bytes: PEM wherever it stands, DER, PKCS#12, Java key stores, and all of them in base64 as
//! YAML and JSON carry them.
//!
//! Nothing here is an error: bytes without a certificate have none. What looks like one and cannot be read is told.

use crate::keystore::{self, KeystoreError, Kind};
use crate::x509::Certificate;

/// More certificates than this in one file are no fixture but an attack.
const MOST: usize = 20_000;
/// How often base64 may hold base64.
const DEEPEST: usize = 3;
/// A base64 text with a certificate in it is longer.
const SHORTEST_BASE64: usize = 300;

/// One certificate, or what should have been one.
#[derive(Debug, Clone)]
pub struct Found {
    /// The certificate; else why it cannot be read.
    pub certificate: Result<Box<Certificate>, Unreadable>,
    /// The container it is in: `PEM`, `DER`, `PKCS#12`, `JKS`.
    pub container: &'static str,
}

/// Why there is no certificate to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// No password that was given opens the container, nor one that everybody tries.
    Locked,
    /// It is not what it says it is.
    Damaged(String),
}

/// All certificates in `bytes`. `passwords` open PKCS#12; what everybody tries is tried too.
pub fn scan(bytes: &[u8], passwords: &[&str]) -> Vec<Found> {
    let mut found = Vec::new();
    look(bytes, passwords, 0, &mut found);
    found.truncate(MOST);
    found
}

fn look(bytes: &[u8], passwords: &[&str], depth: usize, found: &mut Vec<Found>) {
    if let Some(kind) = Kind::recognise(bytes) {
        return key_store(bytes, kind, passwords, found);
    }
    if bytes.first() == Some(&0x30) {
        if let Ok(certificate) = Certificate::from_der(bytes) {
            found.push(Found { certificate: Ok(Box::new(certificate)), container: "DER" });
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)) else { return };
    pem(text, found);
    if depth < DEEPEST {
        for inner in base64_values(text) {
            look(&inner, passwords, depth + 1, found);
        }
    }
}

/// PEM blocks, also indented as in YAML and with `\n` as in JSON.
fn pem(text: &str, found: &mut Vec<Found>) {
    const MARKS: [(&str, &str); 3] = [
        ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"),
        ("-----BEGIN X509 CERTIFICATE-----", "-----END X509 CERTIFICATE-----"),
        ("-----BEGIN TRUSTED CERTIFICATE-----", "-----END TRUSTED CERTIFICATE-----"),
    ];
    for (begin, end) in MARKS {
        let mut rest = text;
        while let Some(at) = rest.find(begin).filter(|_| found.len() < MOST) {
            rest = &rest[at + begin.len()..];
            let plain = |text: &str| {
                let text = text.replace("\\r", "").replace("\\n", "");
                text.chars().filter(|c| !c.is_whitespace()).collect::<String>()
            };
            let Some(stop) = rest.find(end) else {
                if is_meant(&plain(&rest.chars().take(1024).collect::<String>())) {
                    let certificate = Err(Unreadable::Damaged("its END line is missing".to_owned()));
                    found.push(Found { certificate, container: "PEM" });
                }
                break;
            };
            let body = plain(&rest[..stop]);
            rest = &rest[stop + end.len()..];
            if !is_meant(&body) {
                continue;
            }
            let der = decoded(body.chars());
            let certificate = der.ok_or_else(|| "its base64 is damaged".to_owned()).and_then(|der| {
                // OpenSSL's trusted certificates carry their settings after the certificate.
                let exact = if begin.contains("TRUSTED") { first_element(&der) } else { &der };
                Certificate::from_der(exact).map(Box::new).map_err(|e| e.to_string())
            });
            let certificate = certificate.map_err(Unreadable::Damaged);
            found.push(Found { certificate, container: "PEM" });
        }
    }
}

/// Whether this is a certificate's text and not a program or a page that speaks of one.
fn is_meant(body: &str) -> bool {
    body.starts_with("MI")
        && body.len() > 64
        && body.bytes().take(64).all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

/// The values of base64 in a text that may hold a certificate: one word, or the lines of an indented block.
fn base64_values(text: &str) -> Vec<Vec<u8>> {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_');
    let mut values = Vec::new();
    let mut keep = |text: &str| {
        if text.len() >= SHORTEST_BASE64 {
            values.extend(decoded(text.chars()));
        }
    };
    let (mut block, mut inside_pem) = (String::new(), false);
    for line in text.lines().map(str::trim) {
        if inside_pem {
            inside_pem = !line.contains("-----END ");
            continue;
        }
        inside_pem = line.contains("-----BEGIN ") && !line.contains("-----END ");
        if !line.is_empty() && line.chars().all(is_base64) {
            block.push_str(line);
            continue;
        }
        keep(&std::mem::take(&mut block));
        line.split(|c| !is_base64(c)).for_each(&mut keep);
    }
    keep(&block);
    values
}

/// Base64 in the usual or the URL alphabet, padded or not.
fn decoded(characters: impl Iterator<Item = char>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    let mut ended = false;
    for c in characters {
        let value = match c {
            'A'..='Z' => u32::from(c) - u32::from('A'),
            'a'..='z' => u32::from(c) - u32::from('a') + 26,
            '0'..='9' => u32::from(c) - u32::from('0') + 52,
            '+' | '-' => 62,
            '/' | '_' => 63,
            '=' => {
                ended = true;
                continue;
            }
            _ => return None,
        };
        if ended {
            return None;
        }
        bits = (bits << 6) | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap_or_default());
        }
    }
    Some(bytes)
}

/// PKCS#12, with the first password that opens it; and Java's own, which keeps its certificates in the clear.
fn key_store(bytes: &[u8], kind: Kind, passwords: &[&str], found: &mut Vec<Found>) {
    let container = if kind == Kind::Jks { "JKS" } else { "PKCS#12" };
    match keystore::certificates(bytes, passwords) {
        Ok(held) => found.extend(held.into_iter().take(MOST).map(|held| {
            let certificate = held.certificate.map_err(|e| Unreadable::Damaged(e.to_string()));
            Found { certificate, container }
        })),
        Err(KeystoreError::WrongPassword) => found.push(Found { certificate: Err(Unreadable::Locked), container }),
        Err(e) => found.push(Found { certificate: Err(Unreadable::Damaged(e.to_string())), container }),
    }
}

/// The first DER value of several.
fn first_element(der: &[u8]) -> &[u8] {
    match super::detect::value(der) {
        Some((.., rest)) => &der[..der.len() - rest.len()],
        None => der,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::sample::HIERARCHY;

    fn certificate() -> Certificate {
        HIERARCHY.root.clone()
    }

    fn subjects(bytes: &[u8]) -> Vec<String> {
        let name = |found: Found| match found.certificate {
            Ok(certificate) => certificate.subject().to_string(),
            Err(Unreadable::Damaged(why)) => why,
            Err(Unreadable::Locked) => "locked".to_owned(),
        };
        scan(bytes, &[]).into_iter().map(name).collect()
    }

    fn base64(bytes: &[u8]) -> String {
        crate::x509::write_pem(&crate::x509::Label::Other("X".to_owned()), bytes)
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect()
    }

    #[test]
    fn a_certificate_is_found_wherever_it_stands() {
        let certificate = certificate();
        let (pem, name) = (certificate.pem(), vec![certificate.subject().to_string()]);
        let indented: String = pem.lines().map(|line| format!("    {line}\n")).collect();
        let json = format!("{{\"crt\": {}}}", serde_json::to_string(&pem).unwrap());
        let wrapped: String = base64(pem.as_bytes())
            .as_bytes()
            .chunks(76)
            .map(|l| format!("  {}\n", String::from_utf8_lossy(l)))
            .collect();
        for text in [
            pem.clone(),
            format!("\u{feff}{}", pem.replace('\n', "\r\n")),
            format!("data:\n  tls.crt: |\n{indented}kind: ConfigMap\n"),
            json,
            format!("data:\n  tls.crt: {}\n", base64(pem.as_bytes())),
            format!("data:\n  tls.crt: >-\n{wrapped}kind: Secret\n"),
            format!("{{\"der\":\"{}\"}}", base64(certificate.der())),
            base64(base64(pem.as_bytes()).as_bytes()),
        ] {
            assert_eq!(subjects(text.as_bytes()), name, "{text}");
        }
        assert_eq!(subjects(certificate.der()), name);
        assert_eq!(subjects(format!("{pem}text\n{pem}").as_bytes()).len(), 2);
    }

    #[test]
    fn what_only_speaks_of_certificates_has_none() {
        for text in
            ["", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n", "{}"]
        {
            assert_eq!(subjects(text.as_bytes()), Vec::<String>::new(), "{text}");
        }
        assert_eq!(subjects(&"x".repeat(100_000).into_bytes()), Vec::<String>::new());
        let pem = certificate().pem();
        assert_eq!(subjects(&pem.as_bytes()[..pem.len() - 30]), ["its END line is missing"]);
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let java = [&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff][..], &[0; 40]].concat();
        assert_eq!(subjects(&java), ["the key store has more than 20000 entries"]);
        for at in 0..java.len() {
            scan(&java[..at], &[]);
        }
    }
}
