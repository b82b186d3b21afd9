//! Each option for itself: does it exist, may it stand in this section, with these versions of TLS, with this value?

use std::collections::HashSet;

use super::edit;
use super::known::{self, Known, Needs};
use super::{Erlang, Section, sections};
use crate::doctor::syntax::erlang::{Term, Value};
use crate::doctor::{Case, Finding, Severity};
use crate::ui;

const VERSIONS: [&str; 4] = ["tlsv1.3", "tlsv1.2", "tlsv1.1", "tlsv1"];

/// More mistakes in one section are no news.
const MOST: usize = 50;

pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    let erlang = Erlang::of(case);
    for section in sections(case) {
        let mut seen = HashSet::new();
        let mut told = Vec::new();
        for member in section.options.members() {
            let Some(name) = member.atom().or_else(|| member.elements().first()?.atom()) else { continue };
            // Of several of one name Erlang takes the first.
            if told.len() == MOST || !seen.insert((name, member.atom().is_some())) {
                continue;
            }
            told.extend(match known::option(name) {
                Some(option) => known(&section, member, option, erlang),
                None if known::is_of_sockets(name) => None,
                None => Some(unknown(&section, member, name)),
            });
        }
        findings.append(&mut told);
    }
}

/// Tried: in the list of clients it stops every link, in the list of servers Erlang passes over it.
fn unknown(section: &Section<'_>, member: &Term, name: &str) -> Finding {
    let problem = format!("Erlang has no option {}", ui::quote(name));
    let remedy = match known::meant(name) {
        Some(meant) => format!("perhaps {meant} was meant; otherwise take the line out"),
        None => "take the line out".to_owned(),
    };
    let finding = match section.name {
        "client" => section.stops(member, Severity::Error, "option-unknown", problem),
        _ => section
            .stops(member, Severity::Warning, "option-unknown", problem)
            .effect("the nodes link, and what the option was meant to do does not happen: Erlang passes over it"),
    };
    finding.remedy(remedy)
}

fn known(section: &Section<'_>, member: &Term, option: &Known, erlang: Erlang) -> Option<Finding> {
    misplaced(section, member, option, erlang)
        .or_else(|| at_odds_with_versions(section, member, option))
        .or_else(|| unusable(section, member, option))
}

fn misplaced(section: &Section<'_>, member: &Term, option: &Known, erlang: Erlang) -> Option<Finding> {
    let (severity, releases) = erlang.trouble(!option.old.takes(section.name), !option.new.takes(section.name))?;
    let name = option.name;
    let problem = if option.old == known::Place::Unknown || option.new == known::Place::Unknown {
        // Among servers Erlang passes over what it does not know.
        if section.name == "server" {
            return None;
        }
        format!("{releases} has no option {name}")
    } else {
        let side = if section.name == "server" { "clients" } else { "servers" };
        format!("{name} is an option for {side}, and {releases} refuses it in the section {}", section.name)
    };
    let finding = section.stops(member, severity, "option-in-wrong-section", problem);
    let finding = finding.remedy(format!("take {name} out of the section {}", section.name));
    Some(match edit::without(section.exhibit, section.options, member) {
        Some(fix) if matches!(name, "fail_if_no_peer_cert" | "customize_hostname_check") => finding.fix(fix),
        _ => finding,
    })
}

fn at_odds_with_versions(section: &Section<'_>, member: &Term, option: &Known) -> Option<Finding> {
    let versions = section.versions();
    let has = |version: &str| versions.as_ref().is_some_and(|versions| versions.contains(&version));
    let name = option.name;
    let problem = match option.needs {
        Needs::Tls12 if has("tlsv1.3") && VERSIONS[1..].iter().all(|older| !has(older)) => {
            format!("{name} belongs to TLS 1.2, and the section allows TLS 1.3 alone")
        }
        Needs::Tls13 if versions.is_none() => {
            format!("{name} belongs to TLS 1.3, and without versions Erlang/OTP 25 to 27 take TLS 1.2 between nodes")
        }
        Needs::Tls13 if !has("tlsv1.3") => format!("{name} belongs to TLS 1.3, and the section does not allow it"),
        Needs::Tls11 if !has("tlsv1.1") && !has("tlsv1") => {
            format!("{name} belongs to TLS 1.0 and 1.1, and the section allows neither")
        }
        _ => return None,
    };
    let finding = section.stops(member, Severity::Error, "option-at-odds-with-versions", problem);
    let finding = finding.remedy(format!("take {name} out of the section {}", section.name));
    Some(match edit::without(section.exhibit, section.options, member) {
        Some(fix) if name == "secure_renegotiate" => finding.fix(fix),
        _ => finding,
    })
}

/// Values that Erlang refuses. What is computed is not looked into.
fn unusable(section: &Section<'_>, member: &Term, option: &Known) -> Option<Finding> {
    let stops = |problem: String| section.stops(member, Severity::Error, "option-value", problem);
    let name = option.name;
    if member.atom().is_some() {
        return Some(
            stops(format!("{name} stands without a value")).remedy(format!("write {{{name}, true}} or take it out")),
        );
    }
    let (_, value) = member.pair()?;
    if matches!(value.value, Value::Expression(_)) {
        return None;
    }
    let wanted = match name {
        "verify" => {
            (!matches!(value.atom(), Some("verify_peer" | "verify_none"))).then_some("verify_peer or verify_none")
        }
        "versions" => {
            let good = |term: &Term| term.atom().is_some_and(|version| VERSIONS.contains(&version));
            let wrong = value.members().is_empty() || !value.members().iter().all(good);
            wrong.then_some("a list of 'tlsv1.3', 'tlsv1.2', in quotation marks like these")
        }
        "depth" => value.integer().is_none_or(|depth| depth < 0).then_some("a number"),
        "fail_if_no_peer_cert"
        | "secure_renegotiate"
        | "honor_cipher_order"
        | "honor_ecc_order"
        | "client_renegotiation" => (!matches!(value.atom(), Some("true" | "false"))).then_some("true or false"),
        "certfile" | "keyfile" | "cacertfile" => value.text().is_none().then_some("a path in double quotes"),
        "log_level" => value.atom().is_none().then_some("a level such as notice, without quotation marks"),
        "customize_hostname_check" => return match_function(section, value),
        _ => None,
    }?;
    Some(stops(format!("{name} has a value that Erlang refuses")).remedy(format!("{name} takes {wanted}")))
}

/// The form that the documentation of other things suggests: module, function and arguments in a tuple.
fn match_function(section: &Section<'_>, value: &Term) -> Option<Finding> {
    let function = value.get("match_fun")?;
    if function.elements().is_empty() && function.text().is_none() && function.atom().is_none() {
        return None;
    }
    let problem = "match_fun must be a function, and this is a value: Erlang does not call it (badfun)";
    let finding = section.stops(function, Severity::Error, "match-function", problem);
    Some(finding.remedy(format!("write {{match_fun, {}}}", super::certificates::MATCH_FUNCTION)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{BOTH, codes, file, findings};
    use super::*;
    use crate::doctor::{Document, Fix, Target};

    const ONLY: &str = "{versions, ['tlsv1.3']}";
    const MATCH: &str = "{customize_hostname_check, [{match_fun, public_key:pkix_verify_hostname_match_fun(https)}]}";

    #[test]
    fn what_every_release_takes_is_left_alone() {
        for text in [
            file("", ""),
            file(BOTH, &format!("{BOTH}, {MATCH}")),
            file(&format!("{BOTH}, {{secure_renegotiate, true}}"), &format!("{BOTH}, {{secure_renegotiate, true}}")),
            file(&format!("{ONLY}, {{cookie, true}}, {{depth, 2}}"), ONLY),
            file("{password, \"x\"}, {nodelay, true}, inet6", "{nodelay, true}, {password, fun() -> \"x\" end}"),
            file("{cacertfile, <<\"/e/x.pem\">>}", "{customize_hostname_check, [{match_fun, fun(_, _) -> true end}]}"),
        ] {
            assert_eq!(codes(check, &text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_stops_every_link_is_told() {
        for (server, client, code) in [
            (BOTH.to_owned(), "{fail_if_no_peer_cert, true}".to_owned(), "option-in-wrong-section"),
            (MATCH.to_owned(), String::new(), "option-in-wrong-section"),
            (BOTH.to_owned(), "{honor_cipher_order, true}".to_owned(), "option-in-wrong-section"),
            (format!("{ONLY}, {{secure_renegotiate, true}}"), ONLY.to_owned(), "option-at-odds-with-versions"),
            (ONLY.to_owned(), format!("{ONLY}, {{secure_renegotiate, true}}"), "option-at-odds-with-versions"),
            (ONLY.to_owned(), format!("{ONLY}, {{reuse_sessions, true}}"), "option-at-odds-with-versions"),
            ("{cookie, true}".to_owned(), String::new(), "option-at-odds-with-versions"),
            (format!("{BOTH}, {{padding_check, true}}"), String::new(), "option-at-odds-with-versions"),
            (String::new(), "{nonsense, true}".to_owned(), "option-unknown"),
            ("{cacertfil, \"/x\"}".to_owned(), String::new(), "option-unknown"),
            ("{depth, \"2\"}".to_owned(), String::new(), "option-value"),
            ("{versions, [tlsv1_3]}".to_owned(), String::new(), "option-value"),
            ("{versions, []}".to_owned(), String::new(), "option-value"),
            ("fail_if_no_peer_cert".to_owned(), String::new(), "option-value"),
            (String::new(), "{log_level, \"debug\"}".to_owned(), "option-value"),
            (
                String::new(),
                "{customize_hostname_check, [{match_fun, {public_key, pkix_verify_hostname_match_fun, [https]}}]}"
                    .to_owned(),
                "match-function",
            ),
        ] {
            let text = file(&server, &client);
            assert_eq!(codes(check, &text), [code], "{text}");
        }
    }

    #[test]
    fn a_slip_is_named() {
        let found = findings(check, &file("{cacertfil, \"/x\"}", ""));
        assert!(found[0].remedy[0].contains("cacertfile"), "{found:?}");
        assert_eq!(found[0].severity, Severity::Warning, "among servers Erlang passes over it");
    }

    #[test]
    fn it_depends_on_the_release() {
        let text = file(BOTH, "{fail_if_no_peer_cert, true}");
        let at = |target: Option<Target>, text: &str| {
            let mut case = Case::of(&[("inter_node_tls.config", text)]);
            case.target = target;
            let mut findings = Vec::new();
            check(&case, &mut findings);
            findings.first().map(|finding| finding.severity)
        };
        assert_eq!(at(Some(Target::Otp(25)), &text), None);
        assert_eq!(at(Some(Target::RabbitMq(3, 10)), &text), None);
        assert_eq!(at(Some(Target::Otp(27)), &text), Some(Severity::Error));
        assert_eq!(at(None, &text), Some(Severity::Error));
        let text = file(BOTH, "{stapling, no_staple}");
        assert_eq!(at(Some(Target::Otp(27)), &text), None);
        assert_eq!(at(Some(Target::Otp(25)), &text), Some(Severity::Error));
        assert_eq!(at(None, &text), Some(Severity::Warning), "25 may never be met");
    }

    #[test]
    fn what_is_mended_is_not_found_again() {
        for (server, client) in [
            (BOTH.to_owned(), format!("{BOTH},\n    {{fail_if_no_peer_cert, true}}")),
            (format!("{ONLY},\n    {{secure_renegotiate, true}}"), ONLY.to_owned()),
            (MATCH.to_owned(), MATCH.to_owned()),
        ] {
            let text = file(&server, &client);
            let found = findings(check, &text);
            let Some(Fix::Content(bytes)) = &found[0].fix else { panic!("{found:?}") };
            let mended = String::from_utf8(bytes.clone()).unwrap();
            assert_eq!(codes(check, &mended), [""; 0], "{mended}");
            assert!(
                matches!(Document::recognise(bytes, None), Document::Erlang(file) if file.trouble.is_none()),
                "{mended}"
            );
        }
    }
}
