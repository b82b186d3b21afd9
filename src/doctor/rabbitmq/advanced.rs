//! advanced.config: what it takes away from rabbitmq.conf, and what it says about TLS and revocation.

use std::path::Path;

use crate::diagnosis::CauseId;
use crate::doctor::syntax::conf;
use crate::doctor::syntax::erlang::{File, Kind, Term};
use crate::doctor::{Case, Document, Exhibit, Finding, Severity};
use crate::ui;

/// Everything about advanced.config.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for exhibit in &case.exhibits {
        let Document::Erlang(file) = &exhibit.document else { continue };
        let Some((at, options)) = ssl_options(file) else { continue };
        replaced(case, exhibit, at, options, findings);
        unverified(exhibit, at, options, findings);
        revocation(case, exhibit, options, findings);
    }
}

/// The member `{ssl_options, [..]}` of `rabbit`, and its list.
fn ssl_options(file: &File) -> Option<(&Term, &Term)> {
    let rabbit = file.get("rabbit").filter(|_| file.kind == Kind::Applications)?;
    Some((rabbit.member("ssl_options")?, rabbit.get("ssl_options")?))
}

fn finding(
    exhibit: &Exhibit,
    at: &Term,
    severity: Severity,
    code: &'static str,
    problem: impl Into<String>,
) -> Finding {
    Finding::new(severity, code, &exhibit.path, problem).line(at.line)
}

/// The list here replaces all of `ssl_options.*` there; nothing is merged.
fn replaced(case: &Case, exhibit: &Exhibit, at: &Term, options: &Term, findings: &mut Vec<Finding>) {
    let has = |name: &str| options.member(name).is_some();
    let certificate = ["certfile", "certs_keys", "cert"].into_iter().any(has);
    if !certificate {
        let problem = "the list ssl_options of advanced.config names no certfile, and takes the place of all ssl_options of rabbitmq.conf";
        findings.push(
            finding(exhibit, at, Severity::Error, "listener-without-certificate", problem)
                .cause(CauseId::ListenerDead)
                .effect("the broker starts (\"Server startup complete\") and has no listener for TLS; nothing says why")
                .remedy("repeat certfile, keyfile, cacertfile and verify in the list")
                .remedy("or take the list out and write ssl_options.* in rabbitmq.conf"),
        );
    }
    let Some((beside, file)) = settings_beside(case, exhibit) else { return };
    let lost: Vec<&conf::Setting> = file
        .settings
        .iter()
        .filter(|setting| {
            let name = setting.key.strip_prefix("ssl_options.").and_then(|rest| rest.split('.').next());
            name.is_some_and(|name| !has(name))
        })
        .collect();
    if lost.is_empty() {
        return;
    }
    let names: Vec<String> =
        lost.iter().map(|setting| format!("{} (line {})", ui::plain(&setting.key), setting.line)).collect();
    let problem =
        format!("ssl_options here replaces the settings of {}; lost: {}", ui::path(&beside.path), names.join(", "));
    // What is lost decides how bad it is: certificates are told above.
    let weakens = lost.iter().any(|setting| {
        matches!(
            setting.key.as_str(),
            "ssl_options.verify" | "ssl_options.fail_if_no_peer_cert" | "ssl_options.cacertfile"
        )
    });
    let effect = match weakens {
        true => "RabbitMQ merges nothing: clients are no longer verified as rabbitmq.conf says",
        false => "RabbitMQ merges nothing: these settings have no effect",
    };
    findings.push(
        finding(exhibit, at, if weakens { Severity::Error } else { Severity::Warning }, "settings-replaced", problem)
            .cause(CauseId::SettingsReplaced)
            .effect(effect)
            .remedy("repeat them in the list, and take them out of rabbitmq.conf"),
    );
}

/// rabbitmq.conf in the same directory.
fn settings_beside<'c>(case: &'c Case, exhibit: &Exhibit) -> Option<(&'c Exhibit, &'c conf::File)> {
    case.exhibits.iter().find_map(|other| match &other.document {
        Document::Conf(file) if other.path.parent() == exhibit.path.parent() => Some((other, file)),
        _ => None,
    })
}

fn unverified(exhibit: &Exhibit, at: &Term, options: &Term, findings: &mut Vec<Finding>) {
    let is = |name: &str, value: &str| options.get(name).and_then(Term::atom) == Some(value);
    let demands = is("fail_if_no_peer_cert", "true");
    if demands && !is("verify", "verify_peer") {
        let problem = "fail_if_no_peer_cert is true and verify is not verify_peer";
        findings.push(
            finding(
                exhibit,
                options.member("fail_if_no_peer_cert").unwrap_or(at),
                Severity::Error,
                "verify-missing",
                problem,
            )
            .cause(CauseId::ListenerDead)
            .effect("Erlang/OTP refuses the two together, and no TLS connection is accepted")
            .remedy("{verify, verify_peer}"),
        );
    } else if is("verify", "verify_none") && options.member("cacertfile").is_some() {
        let problem = "verify_none: clients are not asked for a certificate, although a cacertfile is given";
        findings.push(
            finding(exhibit, options.member("verify").unwrap_or(at), Severity::Warning, "clients-not-verified", problem)
                .cause(CauseId::CertificateNotAsked)
                .effect("EXTERNAL has no name: \"connection peer presented no TLS (x.509) certificate\"; logins with a password go on")
                .remedy("{verify, verify_peer}, {fail_if_no_peer_cert, true}"),
        );
    }
}

/// Checking of revocation lists: where Erlang finds none, everybody is refused.
fn revocation(case: &Case, exhibit: &Exhibit, options: &Term, findings: &mut Vec<Finding>) {
    let Some(check) = options.get("crl_check").filter(|check| check.atom() != Some("false")) else { return };
    let strict = check.atom() != Some("best_effort");
    let everybody = "every client is refused, good ones too: \"bad certificate\"";
    let unusable = |at: &Term, code, problem: String| {
        finding(exhibit, at, if strict { Severity::Error } else { Severity::Warning }, code, problem)
            .cause(CauseId::RevocationListUnusable)
            .effect(if strict {
                everybody
            } else {
                "revoked clients are let in: with best_effort no list means no check"
            })
    };
    let form = "{crl_cache, {ssl_crl_hash_dir, {internal, [{dir, \"/etc/rabbitmq/crls\"}]}}}";
    let at = options.member("crl_check").unwrap_or(options);
    let Some(cache) = options.get("crl_cache") else {
        let problem = "crl_check has no crl_cache beside it, so Erlang has no lists".to_owned();
        findings.push(unusable(at, "revocation-without-lists", problem).remedy(format!("add {form}")));
        return;
    };
    let Some((kind, arguments)) = cache.pair() else { return };
    if kind == "ssl_crl_cache" {
        let http = arguments.pair().is_some_and(|(_, more)| more.member("http").is_some());
        if !http {
            let problem =
                "ssl_crl_cache holds the lists that somebody puts into it by hand, and nobody does in RabbitMQ"
                    .to_owned();
            findings.push(unusable(cache, "revocation-without-lists", problem).remedy(format!("write {form}")));
        }
        return;
    }
    if kind != "ssl_crl_hash_dir" {
        return;
    }
    let Some(directory) = arguments.pair().and_then(|(_, more)| more.get("dir")) else {
        let problem = "ssl_crl_hash_dir names no directory".to_owned();
        findings.push(unusable(cache, "revocation-without-lists", problem).remedy(format!("write {form}")));
        return;
    };
    if let Some(path) = directory.text() {
        lists(case, Path::new(path), |code, problem| unusable(directory, code, problem), findings);
    }
}

/// The directory of lists, where it is among what is looked at: `<hash>.r0`, `.r1`, without a gap.
fn lists(case: &Case, path: &Path, unusable: impl Fn(&'static str, String) -> Finding, findings: &mut Vec<Finding>) {
    let Some(directory) = walked(case, path) else { return };
    let inside: Vec<&Exhibit> =
        case.exhibits.iter().filter(|exhibit| exhibit.path.parent() == Some(directory)).collect();
    let named = |exhibit: &&&Exhibit| {
        let name = exhibit.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.split_once(".r").is_some_and(|(hash, number)| {
            hash.len() == 8
                && hash.chars().all(|c| c.is_ascii_hexdigit())
                && number.chars().all(|c| c.is_ascii_digit())
                && !number.is_empty()
        })
    };
    let lists: Vec<&&Exhibit> = inside.iter().filter(named).collect();
    let shown = ui::path(directory);
    if lists.is_empty() {
        let problem = format!("{shown} holds no list under a name that Erlang looks for: HASH.r0");
        findings.push(
            unusable("revocation-list-not-found", problem)
                .remedy("certgen crl")
                .remedy("or: cp LIST.pem DIR/$(openssl crl -hash -noout -in LIST.pem).r0"),
        );
        return;
    }
    for list in &lists {
        let name = list.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some((hash, number)) = name.split_once(".r") else { continue };
        let first = directory.join(format!("{hash}.r0"));
        if number != "0" && !lists.iter().any(|other| other.path == first) {
            let problem = format!(
                "{} is there and {} is not: Erlang counts from 0 and stops at a gap",
                ui::path(&list.path),
                ui::path(&first)
            );
            findings.push(unusable("revocation-list-not-found", problem).remedy(format!("name it {hash}.r0")));
        }
    }
}

/// The directory of a path that a file on another machine names, as it lies here.
fn walked<'c>(case: &'c Case, path: &Path) -> Option<&'c Path> {
    let common = |directory: &Path| {
        directory.components().rev().zip(path.components().rev()).take_while(|(a, b)| a == b).count()
    };
    let best = case.directories.keys().map(|directory| common(directory)).max().filter(|best| *best > 0)?;
    let mut fitting = case.directories.keys().filter(|directory| common(directory) == best);
    fitting.next().filter(|_| fitting.next().is_none()).map(std::path::PathBuf::as_path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Access;

    const FULL: &str = "{cacertfile, \"/e/ca.pem\"}, {certfile, \"/e/c.pem\"}, {keyfile, \"/e/k.pem\"}, {verify, verify_peer}, \
                        {fail_if_no_peer_cert, true}";
    const LISTS: &str =
        "{crl_check, peer}, {crl_cache, {ssl_crl_hash_dir, {internal, [{dir, \"/etc/rabbitmq/crls\"}]}}}";

    fn found(options: &str, files: &[(&str, &str)]) -> Vec<Finding> {
        let text = format!("[\n {{rabbit, [\n  {{ssl_options, [{options}]}}\n ]}}\n].\n");
        let mut files = files.to_vec();
        files.push(("etc/advanced.config", &text));
        let mut case = Case::of(&files);
        for directory in ["etc", "etc/crls"] {
            case.directories.insert(directory.into(), Access { mode: 0o755, uid: 0, gid: 0 });
        }
        let mut findings = Vec::new();
        check(&case, &mut findings);
        findings
    }

    fn codes(options: &str, files: &[(&str, &str)]) -> Vec<&'static str> {
        found(options, files).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_whole_list_is_left_alone() {
        let settings = "ssl_options.certfile = /e/c.pem\nssl_options.verify = verify_peer\n";
        assert_eq!(codes(FULL, &[("etc/rabbitmq.conf", settings)]), [""; 0]);
        assert_eq!(codes(&format!("{FULL}, {LISTS}"), &[("etc/crls/0123abcd.r0", "x")]), [""; 0]);
        assert_eq!(codes(&format!("{FULL}, {{crl_check, false}}"), &[]), [""; 0]);
    }

    #[test]
    fn what_is_lost_is_named_with_its_line() {
        let settings = "listeners.ssl.default = 5671\nssl_options.certfile = /e/c.pem\nssl_options.verify = verify_peer\nssl_options.versions.1 = tlsv1.3\n";
        let files = [("etc/rabbitmq.conf", settings)];
        let told = found(&format!("{LISTS}, {{verify, verify_peer}}"), &[files[0], ("etc/crls/0123abcd.r0", "x")]);
        assert_eq!(
            told.iter().map(|finding| finding.code).collect::<Vec<_>>(),
            ["listener-without-certificate", "settings-replaced"]
        );
        assert!(told[1].problem.contains("ssl_options.certfile (line 2), ssl_options.versions.1 (line 4)"), "{told:?}");
        assert_eq!(told[1].line, Some(3));
        let told = found(FULL, &files);
        assert_eq!((told[0].severity, told.len()), (Severity::Warning, 1), "the versions alone");
    }

    #[test]
    fn nobody_is_locked_out_unheard() {
        for (options, code) in [
            ("{crl_check, peer}".to_owned(), "revocation-without-lists"),
            ("{crl_check, true}, {crl_cache, {ssl_crl_cache, {internal, []}}}".to_owned(), "revocation-without-lists"),
            (
                "{crl_check, peer}, {crl_cache, {ssl_crl_hash_dir, {internal, []}}}".to_owned(),
                "revocation-without-lists",
            ),
            (LISTS.to_owned(), "revocation-list-not-found"),
        ] {
            assert_eq!(codes(&format!("{FULL}, {options}"), &[]), [code], "{options}");
        }
        let gap = [("etc/crls/0123abcd.r1", "x")];
        assert_eq!(codes(&format!("{FULL}, {LISTS}"), &gap), ["revocation-list-not-found"]);
        let best = found(&format!("{FULL}, {{crl_check, best_effort}}"), &[]);
        assert_eq!(best[0].severity, Severity::Warning);
    }

    #[test]
    fn clients_that_are_not_verified_are_told() {
        let with = |more: &str| {
            codes(&format!("{{cacertfile, \"/a\"}}, {{certfile, \"/c\"}}, {{keyfile, \"/k\"}}{more}"), &[])
        };
        assert_eq!(with(", {verify, verify_none}"), ["clients-not-verified"]);
        assert_eq!(with(", {fail_if_no_peer_cert, true}"), ["verify-missing"]);
        assert_eq!(with(""), [""; 0]);
    }
}
