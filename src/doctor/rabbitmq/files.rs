//! The files that rabbitmq.conf names: whether they are there, belong together and serve their purpose.

use std::path::{Path, PathBuf};

use super::broker::{Broker, Line, is_root};
use crate::diagnosis::CauseId;
use crate::doctor::deployment::is_carried;
use crate::doctor::{Case, Document, Exhibit, Finding, Severity, crypto};
use crate::ui;
use crate::verify::Purpose;

/// Where certificates are named.
const PREFIXES: [&str; 6] = [
    "ssl_options",
    "management.ssl",
    "management.listener.ssl_opts",
    "prometheus.ssl",
    "web_mqtt.ssl",
    "web_stomp.ssl",
];
/// Where definitions are.
const DEFINITIONS: [&str; 2] = ["load_definitions", "definitions.local.path"];

/// Everything about named files.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for broker in Broker::all(case) {
        for prefix in PREFIXES {
            let line = |option: &str| broker.get(&format!("{prefix}.{option}"));
            let named = |option: &str| line(option).map(|line| (line, case.named(Path::new(line.value()))));
            let [certificate, key, bundle] = [named("certfile"), named("keyfile"), named("cacertfile")];
            for (line, exhibit) in [certificate, key, bundle].into_iter().flatten() {
                missing(case, line, exhibit, findings);
            }
            let (certificate, key) =
                (certificate.and_then(|c| c.1), key.and_then(|(line, key)| key.map(|key| (line, key))));
            if let (Some(certificate), Some((line, key))) = (certificate, key) {
                // Of a file that is both, it is told without any setting.
                let wrong = crypto::pair(certificate, key).filter(|_| certificate.path != key.path);
                findings.extend(wrong.map(|found| found.file(line)));
            }
            if let (Some(certificate), Some(line)) = (certificate, line("certfile")) {
                let found = crypto::chain(certificate, None, Purpose::Server, case);
                findings.extend(found.into_iter().map(|found| found.file(line)));
            }
            if let Some((line, key)) = key {
                findings.extend(encrypted(&broker, prefix, line, key));
            }
            if let Some((line, Some(bundle))) = bundle {
                findings.extend(rootless(line, bundle));
            }
        }
        for line in DEFINITIONS.iter().filter_map(|key| broker.get(key)) {
            missing(case, line, case.named(Path::new(line.value())), findings);
        }
    }
}

impl Finding {
    /// The line that names the file is where it is put right.
    fn file(mut self, line: Line<'_>) -> Self {
        self.problem = match &self.file {
            Some(file) => format!("{} names {}: {}", ui::plain(line.key()), ui::path(file), self.problem),
            None => self.problem,
        };
        self.file = Some(line.exhibit.path.clone());
        self.line(line.setting.line)
    }
}

/// Not there, where its directory is: a directory of which nothing is here proves nothing.
fn missing(case: &Case, line: Line<'_>, found: Option<&Exhibit>, findings: &mut Vec<Finding>) {
    let path = Path::new(line.value());
    // What a manifest carries lies in a pod, whose directories are not here.
    if is_carried(&line.exhibit.path) {
        return;
    }
    if found.is_some_and(|exhibit| exhibit.path.file_name() == path.file_name()) || line.value().contains('$') {
        return;
    }
    let Some(directory) = directory_of(case, path) else { return };
    if case.exhibits.iter().any(|exhibit| exhibit.path == directory.join(path.file_name().unwrap_or_default())) {
        return;
    }
    let problem =
        format!("{} names {}, and {} has no such file", ui::plain(line.key()), ui::path(path), ui::path(&directory));
    let effect = match DEFINITIONS.contains(&line.key()) {
        true => "the broker does not start".to_owned(),
        false => format!(
            "the broker does not start: \"{} invalid, file does not exist or cannot be read by the node\"",
            ui::plain(line.key())
        ),
    };
    findings.push(
        line.finding(Severity::Error, "file-missing", problem)
            .cause(CauseId::FileUnreadable)
            .effect(effect)
            .remedy("put the file there, or name the one that is meant"),
    );
}

/// The one directory among those looked at that stands for the named file's own: its last two names are the same, or its last
/// one where there is no better.
fn directory_of(case: &Case, named: &Path) -> Option<PathBuf> {
    let wanted = named.parent()?;
    let common = |directory: &Path| {
        directory.components().rev().zip(wanted.components().rev()).take_while(|(a, b)| a == b).count()
    };
    let mut directories: Vec<&Path> = case.exhibits.iter().filter_map(|exhibit| exhibit.path.parent()).collect();
    directories.sort_unstable();
    directories.dedup();
    let best = directories.iter().map(|directory| common(directory)).max().filter(|best| *best > 0)?;
    let mut fitting = directories.into_iter().filter(|directory| common(directory) == best);
    fitting.next().filter(|_| fitting.next().is_none()).map(Path::to_path_buf)
}

/// An encrypted key, and nobody says its password.
fn encrypted(broker: &Broker<'_>, prefix: &str, line: Line<'_>, key: &Exhibit) -> Option<Finding> {
    let locked = key.keys().next().is_some_and(|facts| facts.encrypted);
    let told = match prefix {
        "ssl_options" => broker.ssl_option("password").is_some(),
        prefix => broker.get(&format!("{prefix}.password")).is_some(),
    };
    (locked && !told).then(|| {
        let problem = format!("the key in {} is encrypted, and {prefix}.password is not set", ui::path(&key.path));
        line.finding(Severity::Error, "key-password-missing", problem)
            .cause(CauseId::KeyPasswordWrong)
            .effect("the broker starts, and every TLS connection is reset (errno=104) without a word in the log; 4.3 has no listener")
            .remedy(format!("{prefix}.password = PASSWORD"))
    })
}

/// Erlang knows no partial chains: a bundle of intermediates alone trusts nobody.
fn rootless(line: Line<'_>, bundle: &Exhibit) -> Option<Finding> {
    let Document::Crypto(_) = bundle.document else { return None };
    let mut authorities = bundle.certificates().filter(|certificate| certificate.is_ca()).peekable();
    authorities.peek()?;
    if authorities.any(is_root) {
        return None;
    }
    let problem =
        format!("{} names {}, which has no root: only intermediates", ui::plain(line.key()), ui::path(&bundle.path));
    Some(
        line.finding(Severity::Error, "bundle-without-root", problem)
            .cause(CauseId::ClientCaUnknown)
            .effect("every client is refused: \"generated SERVER ALERT: Fatal - Unknown CA\"")
            .remedy("add the root that signed the intermediates to the file"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::sample::HIERARCHY;

    fn codes(conf: &str, files: &[(&str, String)]) -> Vec<(usize, &'static str)> {
        let mut all = vec![("etc/rabbitmq/rabbitmq.conf", conf)];
        all.extend(files.iter().map(|(path, text)| (*path, text.as_str())));
        let case = Case::of(&all);
        let mut findings = Vec::new();
        check(&case, &mut findings);
        assert!(findings.iter().all(|f| f.file.as_deref() == Some(Path::new("etc/rabbitmq/rabbitmq.conf"))));
        findings.iter().map(|finding| (finding.line.unwrap(), finding.code)).collect()
    }

    #[test]
    fn a_file_is_missing_only_where_its_directory_is() {
        let conf = "ssl_options.certfile = /etc/rabbitmq/certs/server_certificate.pem\n";
        assert_eq!(codes(conf, &[]), []);
        let other = [("etc/rabbitmq/certs/ca_certificate.pem", HIERARCHY.root.pem())];
        assert_eq!(codes(conf, &other), [(1, "file-missing")]);
        let there = [("etc/rabbitmq/certs/server_certificate.pem", HIERARCHY.server.pem())];
        assert_eq!(codes(conf, &there), []);
        assert_eq!(codes("load_definitions = /etc/rabbitmq/definitions.json\n", &[]), [(1, "file-missing")]);
    }

    #[test]
    fn what_is_named_must_serve() {
        let conf =
            "ssl_options.certfile = /etc/rabbitmq/certs/a.pem\nssl_options.cacertfile = /etc/rabbitmq/certs/b.pem\n";
        let files = |a: String, b: String| [("etc/rabbitmq/certs/a.pem", a), ("etc/rabbitmq/certs/b.pem", b)];
        assert_eq!(codes(conf, &files(HIERARCHY.server.pem(), HIERARCHY.root.pem())), []);
        let wrong = codes(conf, &files(HIERARCHY.client.pem(), HIERARCHY.intermediate.pem()));
        assert_eq!(wrong.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(wrong[1].1, "bundle-without-root");
    }
}
