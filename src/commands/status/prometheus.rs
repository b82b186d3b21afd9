//! `--prometheus FILE`: the metrics of x509-certificate-exporter, so that alerts which exist for it fire, and two of
//! our own. Those about certificates have the names of its versions 3 and 4, those about revocation lists of version 4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::apply::{Standing, World};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::plan::State;
use crate::store::{OutputFile, Transaction};
use crate::ui;
use crate::x509::DistinguishedName;

/// Every metric and what it says, in the exporter's words where it has it.
const METRICS: [(&str, &str); 9] = [
    ("x509_cert_not_before", "Indicates the certificate's not before timestamp"),
    ("x509_cert_not_after", "Indicates the certificate's not after timestamp"),
    ("x509_cert_expired", "Indicates if the certificate is expired"),
    ("x509_crl_this_update", "Indicates the CRL's this update timestamp"),
    ("x509_crl_next_update", "Indicates the CRL's next update timestamp"),
    ("x509_crl_stale", "Indicates if the CRL is past its next update"),
    ("certgen_renewal_due_timestamp_seconds", "When the certificate or list should be renewed"),
    ("certgen_last_renew_success_timestamp_seconds", "When it was issued or renewed last"),
    ("x509_read_errors", "Indicates the number of read failure(s)"),
];

/// Attribute types that the exporter has labels for.
const LABELS: [&str; 6] = ["C", "ST", "L", "O", "OU", "CN"];

/// Writes the file in one step: the collector never sees half of it. `-` is standard output.
pub(super) fn write(all: &[Standing], world: &World, file: &Path, env: &mut Env) -> Result<()> {
    if file == Path::new("-") {
        let text = text(all, world, env);
        env.out().write_all(text.as_bytes())?;
        return Ok(());
    }
    let path = env.cwd.join(file);
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::usage(format!("--prometheus {}: that is no file", ui::path(file))));
    };
    // A collector reads a directory that exists; another one is a typing error.
    if !directory.is_dir() {
        let shown = ui::path(env.shown(directory));
        return Err(Error::failed(format!("--prometheus {}: there is no directory {shown}", ui::path(file)))
            .hint(format!("make it with mkdir -p {shown}, or name the directory that the collector reads")));
    }
    let mut transaction = Transaction::outside(directory)?;
    transaction.put(OutputFile::public(name, text(all, world, env)))?;
    transaction.commit()
}

/// The metrics in Prometheus' text format.
fn text(all: &[Standing], world: &World, env: &Env) -> String {
    let mut samples: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut add = |metric, labels: &str, value: i64| {
        samples.entry(metric).or_default().push(format!("{{{labels}}} {value}"));
    };
    for standing in all {
        if let Some(certificate) = &standing.certificate {
            let labels = exporter_labels(standing, world);
            let validity = certificate.validity();
            add("x509_cert_not_before", &labels, validity.not_before.unix_timestamp());
            add("x509_cert_not_after", &labels, validity.not_after.unix_timestamp());
            add("x509_cert_expired", &labels, i64::from(validity.not_after < env.now));
        }
        if let Some(list) = &standing.list {
            let labels = exporter_labels(standing, world);
            add("x509_crl_this_update", &labels, list.this_update().unix_timestamp());
            if let Some(end) = list.next_update() {
                add("x509_crl_next_update", &labels, end.unix_timestamp());
                add("x509_crl_stale", &labels, i64::from(end < env.now));
            }
        }
        let own = labels([("role", standing.role.clone()), ("name", standing.name.clone())]);
        if let Some(due) = standing.due {
            add("certgen_renewal_due_timestamp_seconds", &own, due.unix_timestamp());
        }
        if let Some(renewed) = standing.renewed {
            add("certgen_last_renew_success_timestamp_seconds", &own, renewed.unix_timestamp());
        }
    }
    let errors = all.iter().filter(|s| matches!(s.state, State::Damaged | State::Missing)).count();
    samples.insert("x509_read_errors", vec![format!(" {errors}")]);
    let mut text = String::new();
    for (name, help) in METRICS {
        let Some(samples) = samples.get(name) else { continue };
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for sample in samples {
            let _ = writeln!(text, "{name}{sample}");
        }
    }
    text
}

fn exporter_labels(standing: &Standing, world: &World) -> String {
    let mut pairs: Vec<(String, String)> = Vec::new();
    if let Some(path) = standing.path.as_ref().map(|path| world.store.path(path)) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        pairs.push(("filename".to_owned(), name));
        pairs.push(("filepath".to_owned(), path.to_string_lossy().into_owned()));
    }
    if let Some(certificate) = &standing.certificate {
        add_name("issuer", certificate.issuer(), &mut pairs);
        pairs.push(("serial_number".to_owned(), decimal(certificate.serial().as_bytes())));
        add_name("subject", certificate.subject(), &mut pairs);
    }
    if let Some(list) = &standing.list {
        add_name("issuer", list.issuer(), &mut pairs);
        pairs.extend(list.number().map(|number| ("crl_number".to_owned(), number.to_string())));
    }
    labels(pairs)
}

/// The first attribute of each type, as the exporter has it.
fn add_name(prefix: &str, name: &DistinguishedName, pairs: &mut Vec<(String, String)>) {
    for label in LABELS {
        if let Some(attribute) = name.attributes().find(|attribute| attribute.short_name == label) {
            pairs.push((format!("{prefix}_{label}"), attribute.value.clone()));
        }
    }
}

fn labels<K: AsRef<str>>(pairs: impl IntoIterator<Item = (K, String)>) -> String {
    let label = |(key, value): (K, String)| {
        let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        format!("{}=\"{value}\"", key.as_ref())
    };
    pairs.into_iter().map(label).collect::<Vec<_>>().join(",")
}

/// A serial number as Go prints it.
fn decimal(bytes: &[u8]) -> String {
    let mut digits: Vec<u8> = vec![0];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(value % 10).unwrap_or_default();
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_decimal() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[0, 255]), "255");
        assert_eq!(decimal(&[1, 0]), "256");
        assert_eq!(decimal(&[0xff; 16]), u128::MAX.to_string());
        assert_eq!(
            decimal(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            "340282366920938463463374607431768211456"
        );
    }

    #[test]
    fn hostile_values_stay_values() {
        assert_eq!(labels([("a", "x\"} 1\nb\\".to_owned())]), r#"a="x\"} 1\nb\\""#);
    }
}
