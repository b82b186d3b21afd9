//! What each section must say: who is verified, and with what.

use super::{Erlang, Section, files, sections};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::erlang::File;
use crate::doctor::{Case, Document, Exhibit, Finding, Severity};
use crate::ui;

pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    let erlang = Erlang::of(case);
    for (exhibit, file) in files(case) {
        for name in ["server", "client"] {
            match file.get(name) {
                None if name == "client" || serves(case, exhibit) => {
                    findings.push(missing(exhibit, file, name, erlang))
                }
                Some(_) => findings.extend(twice(exhibit, file, name)),
                None => {}
            }
        }
    }
    for section in sections(case) {
        match section.name {
            "server" => server(&section, findings),
            _ => client(&section, erlang, findings),
        }
        certificate(&section, findings);
    }
}

/// The option file of a host with tools alone has no servers. Whether this is one stands in the environment beside it.
fn serves(case: &Case, exhibit: &Exhibit) -> bool {
    let name = exhibit.path.file_name().map(|name| name.to_string_lossy());
    let mut tools = false;
    for environment in case.exhibits.iter().filter_map(|other| match &other.document {
        Document::Environment(file) if other.path.parent() == exhibit.path.parent() => Some(file),
        _ => None,
    }) {
        for assignment in &environment.assignments {
            if assignment.name.contains("ERL_ARGS")
                && name.as_ref().is_some_and(|name| assignment.value.contains(&**name))
            {
                if assignment.name.contains("SERVER") {
                    return true;
                }
                tools = true;
            }
        }
    }
    !tools
}

fn missing(exhibit: &Exhibit, file: &File, name: &str, erlang: Erlang) -> Finding {
    let problem = format!("the section {name} is missing, and every node is server and client");
    let demands = Section::of(exhibit, file, "server").is_some_and(|server| server.is("fail_if_no_peer_cert", "true"));
    // Tried: OTP 25 links without a section for clients where no certificate is demanded of them, and verifies nobody.
    let severity = if erlang.new || demands || name == "server" { Severity::Error } else { Severity::Warning };
    let remedy = format!("add {{{name}, [..]}} with cacertfile, certfile, keyfile and verify_peer");
    let finding = Finding::new(severity, "section-missing", &exhibit.path, problem).line(1);
    finding.cause(CauseId::NodeOptionsSilent).effect(super::PANG).remedy(remedy)
}

/// Two sections of one name.
fn twice(exhibit: &Exhibit, file: &File, name: &str) -> Option<Finding> {
    let members = file.term.as_ref()?.members();
    let again = members.iter().filter(|member| member.pair().is_some_and(|(other, _)| other == name)).nth(1)?;
    let problem = format!("the section {name} is there twice");
    let finding = Finding::new(Severity::Warning, "section-twice", &exhibit.path, problem).line(again.line);
    Some(finding.effect("Erlang takes the last one alone").remedy("make one section of the two"))
}

fn has_authority(section: &Section<'_>) -> bool {
    section.options.member("cacertfile").is_some() || section.options.member("cacerts").is_some()
}

fn server(section: &Section<'_>, findings: &mut Vec<Finding>) {
    let demands = section.is("fail_if_no_peer_cert", "true");
    let verifies = section.is("verify", "verify_peer");
    // A check of its own, given as a function, is not looked into.
    if section.options.member("verify_fun").is_some() {
        return;
    }
    let finding = match (verifies, demands) {
        (false, true) => {
            let problem = "fail_if_no_peer_cert needs {verify, verify_peer} beside it";
            section.stops(section.options, Severity::Error, "verify-missing", problem)
        }
        (false, false) => section.leaves_open("peers-not-verified", "the section server asks nobody for a certificate"),
        (true, _) if !has_authority(section) => no_authority(section, "every release of Erlang/OTP", Severity::Error),
        (true, false) => section
            .leaves_open("peer-certificate-optional", "the section server lets in who shows no certificate")
            .remedy("add {fail_if_no_peer_cert, true} to the section server"),
        (true, true) => return,
    };
    findings
        .push(finding.remedy("write {verify, verify_peer} and {fail_if_no_peer_cert, true} into the section server"));
}

fn client(section: &Section<'_>, erlang: Erlang, findings: &mut Vec<Finding>) {
    if section.options.member("verify_fun").is_some() {
        return;
    }
    let verify = section.get("verify").map(|verify| verify.atom().unwrap_or_default());
    let finding = match verify {
        Some("verify_none") => section.leaves_open("peers-not-verified", "the section client verifies nobody"),
        Some(_) if !has_authority(section) => no_authority(section, "every release of Erlang/OTP", Severity::Error),
        Some(_) => return,
        // OTP 26 made verify_peer the default, which needs an authority.
        None if !has_authority(section) && erlang.new => {
            no_authority(section, "Erlang/OTP 26 and later", Severity::Error)
        }
        None if erlang.old => section.leaves_open(
            "peers-not-verified",
            "the section client has no verify: up to Erlang/OTP 25 it verifies nobody",
        ),
        None => return,
    };
    findings.push(finding.remedy("write {verify, verify_peer} and {cacertfile, \"..\"} into the section client"));
}

fn no_authority(section: &Section<'_>, releases: &str, severity: Severity) -> Finding {
    let problem =
        format!("the section {} names no cacertfile, and {releases} refuses to verify without one", section.name);
    section.stops(section.options, severity, "authority-missing", problem)
}

/// A side without a certificate: a server cannot begin, a client is not let in where one is demanded.
fn certificate(section: &Section<'_>, findings: &mut Vec<Finding>) {
    let given = ["certfile", "certs_keys", "cert"].iter().any(|name| section.options.member(name).is_some());
    let demanded = match section.name {
        "server" => true,
        _ => section.other().is_some_and(|server| server.is("fail_if_no_peer_cert", "true")),
    };
    if given || !demanded {
        return;
    }
    let problem = format!("the section {} names no certificate", section.name);
    let remedy = format!(
        "add {{certfile, \"..\"}} and {{keyfile, \"..\"}} to the section {} of {}",
        section.name,
        ui::path(&section.exhibit.path)
    );
    findings.push(section.stops(section.options, Severity::Error, "certificate-missing", problem).remedy(remedy));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{PATHS, codes, file};
    use super::*;

    fn of(server: &str, client: &str) -> String {
        format!("[{{server, [{server}]}},\n {{client, [{client}]}}].\n")
    }

    #[test]
    fn sections_that_verify_are_left_alone() {
        assert_eq!(codes(check, &file("", "")), [""; 0]);
        let own = format!("{PATHS}, {{verify_fun, {{fun(_, _, S) -> {{valid, S}} end, []}}}}");
        assert_eq!(codes(check, &of(&own, &own)), [""; 0]);
    }

    #[test]
    fn sections_that_do_not_are_told() {
        let good = format!("{PATHS}, {{verify, verify_peer}}");
        let demands = format!("{good}, {{fail_if_no_peer_cert, true}}");
        for (server, client, code) in [
            (good.clone(), good.clone(), "peer-certificate-optional"),
            (format!("{PATHS}, {{fail_if_no_peer_cert, true}}"), good.clone(), "verify-missing"),
            (
                format!("{PATHS}, {{verify, verify_none}}, {{fail_if_no_peer_cert, true}}"),
                good.clone(),
                "verify-missing",
            ),
            (format!("{PATHS}, {{verify, verify_none}}"), good.clone(), "peers-not-verified"),
            (demands.clone(), format!("{PATHS}, {{verify, verify_none}}"), "peers-not-verified"),
            (demands.clone(), PATHS.to_owned(), "peers-not-verified"),
            (demands.clone(), "{certfile, \"/x\"}".to_owned(), "authority-missing"),
            (demands.clone(), "{certfile, \"/x\"}, {verify, verify_peer}".to_owned(), "authority-missing"),
            (demands.clone(), "{cacertfile, \"/x\"}, {verify, verify_peer}".to_owned(), "certificate-missing"),
        ] {
            assert_eq!(codes(check, &of(&server, &client)), [code], "{server}\n{client}");
        }
    }

    #[test]
    fn a_section_that_is_missing_is_told_unless_the_host_has_tools_alone() {
        let only = format!("[{{client, [{PATHS}, {{verify, verify_peer}}]}}].");
        assert_eq!(codes(check, &only), ["section-missing"]);
        let good = format!("{PATHS}, {{verify, verify_peer}}, {{fail_if_no_peer_cert, true}}");
        let twice = of(&good, &good).replace("].\n", format!(", {{server, [{good}]}}].\n").as_str());
        assert_eq!(codes(check, &twice), ["section-twice"]);
        let with = |environment: &str| {
            let mut findings = Vec::new();
            let files = [("e/inter_node_tls.config", only.as_str()), ("e/rabbitmq-env.conf", environment)];
            check(&Case::of(&files), &mut findings);
            findings.len()
        };
        assert_eq!(with("RABBITMQ_CTL_ERL_ARGS=\"-ssl_dist_optfile /e/inter_node_tls.config\"\n"), 0);
        assert_eq!(with("SERVER_ADDITIONAL_ERL_ARGS=\"-ssl_dist_optfile /e/inter_node_tls.config\"\n"), 1);
    }
}
