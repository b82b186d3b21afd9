//! Options of a listener that Erlang's TLS refuses although rabbitmq.conf may hold them: asked of OTP 25 and 27. RabbitMQ 4.0 says
//! that it is complete, and the port stays closed.

use super::broker::{Broker, Line};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Finding, Severity};
use crate::ui;

/// Oldest first; each needs the one between it and another that is named.
const VERSIONS: [&str; 4] = ["tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"];

const LISTENERS: [&str; 5] = ["ssl_options", "management.ssl", "prometheus.ssl", "web_mqtt.ssl", "web_stomp.ssl"];

/// Every listener for itself.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for broker in Broker::all(case) {
        for prefix in LISTENERS {
            if prefix == "ssl_options" && broker.options_are_replaced() {
                continue;
            }
            let group = format!("{prefix}.versions");
            let lines: Vec<Line<'_>> = broker.below(&group).collect();
            findings.extend(lines.iter().filter_map(|line| unknown(*line)));
            findings.extend(gap(prefix, &lines).or_else(|| old(&lines)));
            findings.extend(nobody_to_trust(&broker, prefix));
        }
    }
}

fn dead(line: Line<'_>, code: &'static str, problem: String, says: &str) -> Finding {
    let effect = format!("the broker starts, Erlang refuses the options, and the port stays closed: \"{says}\"");
    line.finding(Severity::Error, code, problem).cause(CauseId::ListenerDead).effect(effect)
}

fn unknown(line: Line<'_>) -> Option<Finding> {
    let value = line.value();
    if VERSIONS.contains(&value) || value.starts_with("$(") {
        return None;
    }
    let problem = format!("{} is no TLS version that Erlang knows", ui::quote(value));
    let lower = value.to_ascii_lowercase();
    let right =
        VERSIONS.iter().rev().find(|known| lower.ends_with(known.trim_start_matches("tlsv"))).unwrap_or(&"tlsv1.2");
    let says = format!("{{options,{{'{0}',{{versions,['{0}']}}}}}}", ui::plain(value));
    Some(dead(line, "tls-version-unknown", problem, &says).remedy(format!("{} = {right}", ui::plain(line.key()))))
}

/// `tlsv1.3` and `tlsv1.1` without `tlsv1.2`.
fn gap(prefix: &str, lines: &[Line<'_>]) -> Option<Finding> {
    let places: Vec<usize> =
        VERSIONS.iter().enumerate().filter(|(_, v)| has(lines, v)).map(|(place, _)| place).collect();
    let (first, last) = (*places.first()?, *places.last()?);
    let missing = (first..=last).find(|place| !places.contains(place)).map(|place| VERSIONS[place])?;
    let problem = format!("{prefix}.versions leaves out {missing} between others");
    let says = format!("{{options,missing_version,{{'{missing}',{{versions,..}}}}}}");
    Some(
        dead(*lines.last()?, "tls-version-gap", problem, &says)
            .remedy(format!("{prefix}.versions.{} = {missing}", lines.len() + 1)),
    )
}

fn has(lines: &[Line<'_>], version: &str) -> bool {
    lines.iter().any(|line| line.value() == version)
}

/// TLS 1.0 and 1.1: clients that know no other are refused from OTP 26 on all the same.
fn old(lines: &[Line<'_>]) -> Option<Finding> {
    let line = lines.iter().find(|line| matches!(line.value(), "tlsv1" | "tlsv1.1"))?;
    let alone = !has(lines, "tlsv1.2") && !has(lines, "tlsv1.3");
    let severity = if alone { Severity::Error } else { Severity::Warning };
    let problem = format!("{} is offered, which nobody should use any more (RFC 8996)", line.value());
    Some(
        line.finding(severity, "tls-version-old", problem)
            .cause(CauseId::VersionTooOld)
            .effect("with Erlang/OTP 26 and later such a client is refused: \"Insufficient Security - no_suitable_ciphers\"")
            .remedy("offer tlsv1.3 and tlsv1.2 alone"),
    )
}

/// Clients are to be verified, and against nobody.
fn nobody_to_trust(broker: &Broker<'_>, prefix: &str) -> Option<Finding> {
    let line = broker.get(&format!("{prefix}.verify")).filter(|line| line.value() == "verify_peer")?;
    let has_ca = broker.lines().any(|line| line.key().starts_with(&format!("{prefix}.cacert")));
    let is_used = broker.get(&format!("{prefix}.certfile")).is_some();
    // The trust store plugin brings anchors of its own, after Erlang has taken the options.
    if has_ca || !is_used {
        return None;
    }
    let problem = format!("clients are to be verified, and {prefix}.cacertfile is not set");
    let says = "{options,incompatible,[{verify,verify_peer},{cacerts,undefined}]}";
    Some(
        dead(line, "verify-without-authority", problem, says)
            .remedy(format!("{prefix}.cacertfile = /etc/rabbitmq/certs/ca_certificate.pem")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(conf: &str) -> Vec<(usize, &'static str, Severity)> {
        let mut findings = Vec::new();
        check(&Case::of(&[("rabbitmq.conf", conf)]), &mut findings);
        findings.iter().map(|finding| (finding.line.unwrap(), finding.code, finding.severity)).collect()
    }

    fn versions(words: &[&str]) -> String {
        words.iter().enumerate().map(|(n, word)| format!("ssl_options.versions.{} = {word}\n", n + 1)).collect()
    }

    #[test]
    fn versions_are_those_that_erlang_knows() {
        for words in [&["tlsv1.3", "tlsv1.2"][..], &["tlsv1.2"], &["tlsv1.3"]] {
            assert_eq!(codes(&versions(words)), [], "{words:?}");
        }
        for word in ["tlsv1.4", "TLSv1.2", "1.2", "sslv3"] {
            assert_eq!(codes(&versions(&[word])), [(1, "tls-version-unknown", Severity::Error)], "{word}");
        }
        assert_eq!(codes(&versions(&["tlsv1.3", "tlsv1.1"])), [(2, "tls-version-gap", Severity::Error)]);
        assert_eq!(codes(&versions(&["tlsv1.2", "tlsv1.1"])), [(2, "tls-version-old", Severity::Warning)]);
        assert_eq!(codes(&versions(&["tlsv1.1"])), [(1, "tls-version-old", Severity::Error)]);
    }

    #[test]
    fn who_verifies_needs_an_authority() {
        let conf = "ssl_options.certfile = /c\nssl_options.verify = verify_peer\n";
        assert_eq!(codes(conf), [(2, "verify-without-authority", Severity::Error)]);
        assert_eq!(codes(&format!("{conf}ssl_options.cacertfile = /a\n")), []);
        assert_eq!(codes("ssl_options.verify = verify_peer\n"), []);
    }
}
