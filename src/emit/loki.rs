//! `emit loki`: alerts on what a broker logs about TLS and about logins by certificate.
//!
//! RabbitMQ 3.10 and 4.0 log a failed handshake as a notice of the TLS application, 4.3 as an error that holds the same
//! sentence, and says there who called. With TLS 1.3 a client that refuses the broker's certificate shows only as `Bad Record
//! MAC`: the text says so.

use serde_json::{Value, json};

use super::settings::Setting;
use super::syntax::kubernetes::document;
use super::syntax::{comment, header};
use super::{Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::{Error, Result};
use crate::ui;

pub(super) const TARGET: Target = Target {
    name: "loki",
    description: "Loki: alerts on TLS handshakes and logins by certificate that a broker refused",
    settings: &[
        Setting::with_default("label", "the label that tells the brokers' logs apart", "container"),
        Setting::with_default("value", "its value", "rabbitmq"),
    ],
    holds: Holds::Paths,
    next: |_, _| {
        vec![
            "copy rabbitmq.rules.yml to the directory of the ruler, below the tenant (fake where there are none)"
                .to_owned(),
        ]
    },
    write: Write::Once(emit),
};

const VERSIONS: &str = "Loki 2.9 and later, and the logs of RabbitMQ 3.10 to 4.3";
/// A fatal alert, whoever sent it, with its name.
const ALERT: &str = r"TLS (?:server|client): In state \S+ (?:at \S+ )?(?P<side>generated|received) (?:SERVER|CLIENT) ALERT: Fatal - (?P<reason>[A-Z][A-Za-z ]*[A-Za-z])";
/// A certificate that no user fits, or that has no name for one.
const REFUSED: &str = r"EXTERNAL login refused: (?P<why>[^\n]*)";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    if facts.brokers.is_empty() {
        facts.broker()?;
    }
    let selector = selector(settings)?;
    let per_reason = |pattern: &str, by: &str, window: &str| {
        format!("sum by ({by}) (count_over_time({selector} |~ `{pattern}` | regexp `{pattern}` [{window}]))")
    };
    let expired = format!("sum(count_over_time({selector} |~ `ALERT: Fatal - Certificate Expired` [5m])) > 0");
    let rules = [
        rule(
            "RabbitmqTlsAlert",
            &format!("{} > 5", per_reason(ALERT, "side, reason", "10m")),
            "warning",
            "handshakes fail: {{ $labels.reason }} ({{ $labels.side }} by the broker)",
            "Generated: the broker refused a client's certificate. Received: a client refused the broker's. Bad Record MAC is \
             what a broker sees of any refusal by a client that speaks TLS 1.3: ask the client.",
        ),
        rule(
            "RabbitmqCertificateExpired",
            &expired,
            "critical",
            "a certificate has expired, or is not valid yet",
            "certgen status says which. Erlang says expired of a certificate from the future too: compare the clocks.",
        ),
        rule(
            "RabbitmqExternalLoginRefused",
            &format!("{} > 0", per_reason(REFUSED, "why", "5m")),
            "warning",
            "a certificate was good and its login refused: {{ $labels.why }}",
            "The name in quotes is the user that is missing: certgen issue client NAME, then import its definitions.",
        ),
    ];
    let about = [
        "For the ruler. The labels in braces are those that the collector gives the brokers' logs: --set label=, value=.",
    ];
    let header = header("#", &TARGET, VERSIONS, "[broker]") + &comment("#", &about);
    let groups = json!({ "groups": [{ "name": "rabbitmq", "rules": rules }] });
    Ok(vec![OutputFile::open("rabbitmq.rules.yml", header + &document(&groups))])
}

fn selector(settings: &Settings) -> Result<String> {
    let label = settings.get("label").unwrap_or_default();
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !label.starts_with(first) || !label.chars().all(rest) {
        return Err(Error::usage(format!("--set label={}: a label has letters, digits and _", ui::quote(label))));
    }
    // A string of LogQL has Go's escapes, and JSON's are among them.
    let value = serde_json::to_string(settings.get("value").unwrap_or_default()).expect("a text is JSON");
    Ok(format!("{{{label}={value}}}"))
}

fn rule(alert: &str, expression: &str, severity: &str, summary: &str, description: &str) -> Value {
    json!({
        "alert": alert,
        "expr": expression,
        "labels": { "severity": severity },
        "annotations": { "summary": summary, "description": description },
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn text(label: &str, value: &str) -> Result<String> {
        let said = [("label".to_owned(), label.to_owned()), ("value".to_owned(), value.to_owned())];
        let files = emit(&sample::facts(), &Settings::of(&TARGET, &said)?)?;
        Ok(String::from_utf8(files[0].bytes.clone()).unwrap())
    }

    #[test]
    fn a_hostile_selector_stays_one() {
        let rules = text("app", "it's \"x\"} |= `y` {{z}}").unwrap();
        assert!(rules.contains(r#"{app=\"it's \\\"x\\\"} |= `y` {{z}}\"} |~ `"#), "{rules}");
        for label in ["", "9a", "a b", "a=\"x\",b", "é"] {
            assert!(text(label, "x").is_err(), "{label}");
        }
    }
}
