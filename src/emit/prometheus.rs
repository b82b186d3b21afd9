//! `emit prometheus`: alerts on what `certgen status --prometheus` writes, and the scrape of the brokers over HTTPS.
//!
//! The thresholds are shares of a lifetime, not days: a certificate of six days and one of a year are both late when two
//! thirds are gone and nobody has renewed, which is the time that the metric of the due date says.

use serde_json::{Value, json};

use super::settings::Setting;
use super::syntax::kubernetes::document;
use super::syntax::{comment, header, shell};
use super::{Broker, Facts, Holds, Identity, OutputFile, Settings, Target, Write, rabbitmq};
use crate::error::{Error, Result};
use crate::ui;
use crate::x509::{Duration, GeneralName};

pub(super) const TARGET: Target = Target {
    name: "prometheus",
    description: "Prometheus: alerts on certificates and lists, scrape of the brokers over HTTPS",
    settings: &[
        Setting::with_default(
            "textfile",
            "where certgen status --prometheus writes, in the directory of the node exporter's textfile collector",
            "/var/lib/prometheus/node-exporter/certgen.prom",
        ),
        Setting::with_default("overdue", "how long something may be due before somebody is told", "1d"),
    ],
    holds: Holds::Certificates,
    next: |facts, _| next(facts),
    write: Write::Once(emit),
};

const VERSIONS: &str = "Prometheus 2.42 and later";
const BUNDLE: &str = "rabbitmq-ca.pem";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let header = header("#", &TARGET, VERSIONS, "[broker]");
    let textfile = settings.get("textfile").unwrap_or_default();
    let words = [facts.program.as_str(), "--pki", &facts.pki, "status", "--prometheus", textfile];
    let about = [
        "For rule_files. The metrics come from the textfile collector of the node exporter, whose directory this fills, every"
            .to_owned(),
        "hour (certgen emit cron --set textfile=FILE writes the line):".to_owned(),
        format!("  {} > /dev/null", shell::words(words)?),
    ];
    let rules = json!({ "groups": [{ "name": "certgen", "rules": rules(facts, textfile, overdue(settings)?) }] });
    let mut files =
        vec![OutputFile::open("certgen.rules.yml", header.clone() + &comment("#", &about) + &document(&rules))];
    let jobs: Vec<Value> = facts.brokers.iter().filter(|broker| has_metrics(broker)).map(job).collect::<Result<_>>()?;
    if !jobs.is_empty() {
        let about = [
            "For scrape_config_files (Prometheus 2.43), or to be copied below scrape_configs. The listener has TLS, asks for no",
            "client certificate, and shows that of the broker: rabbitmq-ca.pem beside this file is what signs it.",
        ];
        let scrape = header.clone() + &comment("#", &about) + &document(&json!({ "scrape_configs": jobs }));
        files.push(OutputFile::open("scrape.yml", scrape));
        files.push(OutputFile::open(BUNDLE, header + &facts.bundles.servers));
    }
    Ok(files)
}

fn has_metrics(broker: &Broker) -> bool {
    broker.config.plugins.iter().any(|plugin| plugin == "rabbitmq_prometheus")
}

fn next(facts: &Facts) -> Vec<String> {
    let mut lines = vec!["the head of certgen.rules.yml says where the metrics come from".to_owned()];
    for broker in facts.brokers.iter().filter(|broker| !has_metrics(broker)) {
        lines.push(format!(
            "{} is not scraped: add \"rabbitmq_prometheus\" to its plugins in certgen.toml, then certgen emit rabbitmq",
            broker.title()
        ));
    }
    lines
}

fn overdue(settings: &Settings) -> Result<i64> {
    let text = settings.get("overdue").unwrap_or_default();
    let duration: Duration = text.parse().map_err(|e| Error::usage(format!("--set overdue: {e}")))?;
    Ok(duration.as_time().whole_seconds())
}

fn rules(facts: &Facts, textfile: &str, overdue: i64) -> Vec<Value> {
    let name = textfile.rsplit('/').next().unwrap_or(textfile);
    let mut rules = vec![
        rule(
            "CertgenRenewalOverdue",
            &format!("time() - certgen_renewal_due_timestamp_seconds > {overdue}"),
            "warning",
            "{{ $labels.role }}/{{ $labels.name }} is due and was not renewed",
            "certgen renew --due, certgen crl --due for a revocation list; an authority is replaced, not renewed",
        ),
        rule(
            "CertgenCertificateExpires",
            "(x509_cert_not_after{filename!=\"ca_certificate.pem\"} - time()) / (x509_cert_not_after - x509_cert_not_before) < 0.1",
            "critical",
            "{{ $labels.filepath }} has a tenth of its lifetime left",
            "certgen renew --due; what reads the file must get it",
        ),
        rule(
            "CertgenCertificateExpired",
            "x509_cert_not_after - time() <= 0",
            "critical",
            "{{ $labels.filepath }} has expired",
            "certgen renew --due; nobody who checks it connects any more",
        ),
        rule(
            "CertgenFileUnreadable",
            "x509_read_errors > 0",
            "warning",
            "{{ $value }} certificates are missing or damaged",
            "certgen status",
        ),
        rule(
            "CertgenMetricsStale",
            &format!(
                "time() - node_textfile_mtime_seconds{{file=~{}}} > 86400",
                promql(&format!(".*{}", rabbitmq::escape(name)))
            ),
            "warning",
            "the metrics of certificates are a day old",
            "whatever runs certgen status --prometheus has stopped",
        ),
    ];
    if facts.brokers.iter().any(|broker| broker.config.revocation.is_some()) {
        let lapses = "time() - certgen_renewal_due_timestamp_seconds{role=\"crl\"} > 5 * 86400";
        rules.push(rule(
            "CertgenRevocationListLapses",
            lapses,
            "critical",
            "the revocation list of {{ $labels.name }} lapses within five days",
            "certgen crl --due, and its copy to the brokers: they refuse every client once it has lapsed",
        ));
    }
    if facts.brokers.iter().any(has_metrics) {
        rules.push(rule(
            "RabbitmqMetricsUnreachable",
            "up{certgen=\"rabbitmq\"} == 0",
            "critical",
            "{{ $labels.instance }} does not answer over HTTPS",
            "the broker is down, or its certificate is not what rabbitmq-ca.pem signs, has expired or has another name",
        ));
    }
    rules
}

fn rule(alert: &str, expression: &str, severity: &str, summary: &str, description: &str) -> Value {
    json!({
        "alert": alert,
        "expr": expression,
        "for": "10m",
        "labels": { "severity": severity },
        "annotations": { "summary": summary, "description": description },
    })
}

/// The brokers of one name: every pod, or every host.
fn job(broker: &Broker) -> Result<Value> {
    let port = broker.config.ports.prometheus;
    let mut targets = Vec::new();
    for identity in &broker.identities {
        targets.extend(hosts(identity).into_iter().map(|host| format!("{host}:{port}")));
    }
    if targets.is_empty() {
        return Err(Error::failed(format!("{} has no certificate with a host name", broker.title()))
            .hint("make one: certgen issue node HOSTNAME"));
    }
    let name = broker.config.name.as_ref().map_or_else(|| "rabbitmq".to_owned(), |name| format!("rabbitmq-{name}"));
    if name.chars().any(char::is_control) {
        return Err(Error::failed(format!("the name {} has a control character", ui::quote(&name))));
    }
    Ok(json!({
        "job_name": name,
        "scheme": "https",
        "tls_config": { "ca_file": BUNDLE },
        "static_configs": [{ "targets": targets, "labels": { "certgen": "rabbitmq" } }],
    }))
}

fn hosts(identity: &Identity) -> Vec<String> {
    if let Some(kubernetes) = &identity.kubernetes {
        let (prefix, service, namespace) =
            (kubernetes.pod_prefix(), kubernetes.headless_service(), kubernetes.namespace());
        return (0..kubernetes.replicas().unwrap_or(1))
            .map(|pod| format!("{prefix}-{pod}.{service}.{namespace}.svc"))
            .collect();
    }
    let first = identity.names.iter().find_map(|name| match name {
        GeneralName::Dns(dns) if !dns.is_wildcard() => Some(dns.as_str().to_owned()),
        _ => None,
    });
    first.into_iter().collect()
}

/// A string of PromQL, which has Go's escapes.
fn promql(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn rules_text(textfile: &str) -> Result<String> {
        let said = [("textfile".to_owned(), textfile.to_owned())];
        let files = emit(&sample::facts(), &Settings::of(&TARGET, &said)?)?;
        Ok(String::from_utf8(files[0].bytes.clone()).unwrap())
    }

    #[test]
    fn a_hostile_path_stays_a_path() {
        let text = rules_text("/a b/$(id) \"{{x}}\".prom").unwrap();
        assert!(text.contains(r"'/a b/$(id)"), "{text}");
        assert!(text.contains(r#"file=~\".*\\\\$\\\\(id\\\\) \\\"\\\\{\\\\{x\\\\}\\\\}\\\"\\\\.prom\"}"#), "{text}");
        assert!(rules_text("/a\nb").is_err());
    }
}
