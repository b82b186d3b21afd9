//! rabbitmq-env.conf: what the node and the command line tools are started with.

mod flags;
mod names;

use std::path::Path;

use crate::diagnosis::CauseId;
use crate::doctor::finding::at;
use crate::doctor::syntax::environment::{Assignment, File};
use crate::doctor::syntax::erlang;
use crate::doctor::{Case, Document, Exhibit, Finding, Severity};
use crate::ui;

/// Arguments of the node; RabbitMQ takes each name with `RABBITMQ_` before it too.
const SERVER: [&str; 2] = ["SERVER_ADDITIONAL_ERL_ARGS", "SERVER_ERL_ARGS"];
/// Arguments of rabbitmqctl and its like.
const TOOLS: [&str; 1] = ["CTL_ERL_ARGS"];

/// Everything about environments.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for exhibit in &case.exhibits {
        let Document::Environment(file) = &exhibit.document else { continue };
        syntax(exhibit, file, findings);
        if file.unclosed.is_some() {
            continue;
        }
        tools(case, exhibit, file, findings);
        for assignment in arguments(file) {
            option_file(case, exhibit, assignment, findings);
            flags::check(case, exhibit, assignment, findings);
            code_path(exhibit, assignment, findings);
        }
        findings.extend(names::check(case, exhibit, file));
    }
}

/// The name as rabbitmq-env.conf has it, without the prefix.
fn bare(assignment: &Assignment) -> &str {
    assignment.name.strip_prefix("RABBITMQ_").unwrap_or(&assignment.name)
}

fn variable<'f>(file: &'f File, names: &[&str]) -> Option<&'f Assignment> {
    file.assignments.iter().rev().find(|assignment| names.contains(&bare(assignment)))
}

/// The last assignment of arguments for the node, and that for the tools.
fn arguments(file: &File) -> impl Iterator<Item = &Assignment> {
    [variable(file, &SERVER), variable(file, &TOOLS)].into_iter().flatten()
}

fn syntax(exhibit: &Exhibit, file: &File, findings: &mut Vec<Finding>) {
    if let Some(line) = file.unclosed {
        let problem = "a quotation mark is opened here and never closed";
        let finding = at(Severity::Error, "quote-not-closed", exhibit, line, problem);
        findings.push(
            finding
                .effect("the shell refuses the whole file (\"Unterminated quoted string\"), and the node does not start with it")
                .remedy("close the quotation mark at the end of the value")
                .remedy(format!("sh -n {}", ui::shell(&exhibit.path.to_string_lossy()))),
        );
        return;
    }
    for assignment in &file.assignments {
        let Some(command) = assignment.command.as_ref().filter(|_| !file.batch && concerns(assignment)) else {
            continue;
        };
        let problem = format!("the value of {} has spaces and no quotation marks", assignment.name);
        let finding = at(Severity::Error, "value-not-quoted", exhibit, assignment.line, problem);
        let word = ui::plain(command.split_whitespace().next().unwrap_or_default());
        findings.push(
            finding
                .effect(format!(
                    "the shell takes the rest for a command (\"{word}: not found\") and forgets the variable"
                ))
                .remedy(format!("{}=\"...\"", assignment.name)),
        );
    }
}

fn concerns(assignment: &Assignment) -> bool {
    SERVER.contains(&bare(assignment)) || TOOLS.contains(&bare(assignment))
}

fn is_tls(assignment: &Assignment) -> bool {
    let words: Vec<&str> = assignment.value.split_whitespace().collect();
    words.windows(2).any(|pair| pair == ["-proto_dist", "inet_tls"])
}

/// A value that stands in a variable of somewhere else.
fn is_unknown(assignment: &Assignment) -> bool {
    assignment.value.contains("ERL_ARGS") || assignment.value.contains("$(")
}

/// Node and tools speak TLS, or neither does.
fn tools(case: &Case, exhibit: &Exhibit, file: &File, findings: &mut Vec<Finding>) {
    let (server, tools) = (variable(file, &SERVER), variable(file, &TOOLS));
    if [server, tools].into_iter().flatten().any(is_unknown) {
        return;
    }
    let node = server.is_some_and(is_tls);
    let ctl = tools.is_some_and(is_tls);
    let finding = match (server, tools) {
        (Some(server), _) if node && !ctl => {
            let line = tools.unwrap_or(server).line;
            let problem = "the node speaks TLS with its peers, and the command line tools do not: RABBITMQ_CTL_ERL_ARGS lacks the arguments";
            at(Severity::Error, "tools-without-tls", exhibit, line, problem)
                .remedy(format!("RABBITMQ_CTL_ERL_ARGS=\"{}\"", one_line(server)))
        }
        (_, Some(tools)) if ctl && !node && (server.is_some() || is_of_a_node(case, exhibit)) => {
            let problem = "the command line tools speak TLS, and the node does not: SERVER_ADDITIONAL_ERL_ARGS lacks the arguments";
            let remedy = format!("SERVER_ADDITIONAL_ERL_ARGS=\"{}\"", one_line(tools));
            at(Severity::Error, "node-without-tls", exhibit, server.unwrap_or(tools).line, problem).remedy(remedy)
        }
        _ => return,
    };
    findings.push(finding.cause(CauseId::NodeToolsPlain).effect(
        "rabbitmqctl and rabbitmq-diagnostics reach no node: \"TCP connection succeeded but Erlang distribution failed ... Is the Erlang \
         distribution using TLS?\"",
    ));
}

fn one_line(assignment: &Assignment) -> String {
    ui::plain(&assignment.value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What lies beside it is for a node, not for a host with tools alone.
fn is_of_a_node(case: &Case, exhibit: &Exhibit) -> bool {
    case.exhibits.iter().any(|other| {
        other.path.parent() == exhibit.path.parent()
            && match &other.document {
                Document::Conf(_) => true,
                Document::Erlang(file) => file.kind == erlang::Kind::Plugins,
                _ => false,
            }
    })
}

/// The path behind `-ssl_dist_optfile`.
fn option_file_path(assignment: &Assignment) -> Option<&str> {
    let mut words = assignment.value.split_whitespace();
    words.find(|word| *word == "-ssl_dist_optfile")?;
    words.next()
}

fn option_file(case: &Case, exhibit: &Exhibit, assignment: &Assignment, findings: &mut Vec<Finding>) {
    let mut words = assignment.value.split_whitespace().skip_while(|word| *word != "-ssl_dist_optfile").skip(1);
    if !assignment.value.contains("-ssl_dist_optfile") {
        return;
    }
    let path = words.next().unwrap_or("-");
    let next = words.next().unwrap_or("-");
    let unusable = |code, problem: String| {
        at(Severity::Error, code, exhibit, assignment.line, problem).cause(CauseId::NodeOptionsUnreadable)
    };
    if path.starts_with('-') {
        let problem = format!("-ssl_dist_optfile in {} names no file", assignment.name);
        findings.push(
            unusable("option-file-missing", problem)
                .effect("the node does not start")
                .remedy("-ssl_dist_optfile /etc/rabbitmq/inter_node_tls.config"),
        );
    } else if !next.starts_with(['-', '+', '$', '%']) && !path.starts_with('"')
        || path.ends_with('\\')
        || path.starts_with('\'')
    {
        let problem = format!("the path behind -ssl_dist_optfile in {} has a space", assignment.name);
        findings.push(
            unusable("option-file-with-space", problem)
                .effect("the node does not start: {case_clause,{ssl_dist_optfile,[..,..]}}; neither quotation marks nor a backslash help")
                .remedy("put the file into a directory without spaces"),
        );
    } else if is_gone(case, Path::new(path)) {
        let problem = format!("the option file {} is not there", ui::path(Path::new(path)));
        let effect = "neither the node nor rabbitmqctl starts: \"Error while reading TLS distributon option file ... {badfile,...}\"";
        findings.push(unusable("option-file-missing", problem).effect(effect).remedy("certgen emit rabbitmq"));
    }
    if !is_tls(assignment) && !is_unknown(assignment) {
        let problem = format!("{} names an option file for TLS without -proto_dist inet_tls", assignment.name);
        let finding = at(Severity::Error, "tls-not-switched-on", exhibit, assignment.line, problem);
        findings.push(
            finding
                .effect("Erlang does not read the file, and nothing between the nodes is encrypted")
                .remedy("add -proto_dist inet_tls"),
        );
    }
}

/// Nothing is there, and its directory was looked through.
fn is_gone(case: &Case, path: &Path) -> bool {
    let looked = path.parent().is_some_and(|directory| case.directories.contains_key(directory));
    looked && !case.exhibits.iter().any(|exhibit| exhibit.path == path)
}

/// `-pa .../ssl-9.4/ebin`, as a page of documentation had it.
fn code_path(exhibit: &Exhibit, assignment: &Assignment, findings: &mut Vec<Finding>) {
    let versioned = |word: &str| {
        word.match_indices("ssl-").any(|(at, _)| {
            let rest = &word[at + 4..];
            rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains("/ebin")
        })
    };
    let Some(path) = assignment.value.split_whitespace().find(|word| versioned(word)) else { return };
    let problem = format!("{} names one release of Erlang's ssl: {}", assignment.name, ui::plain(path));
    findings.push(
        at(Severity::Note, "code-path-of-one-release", exhibit, assignment.line, problem)
            .effect("after an upgrade of Erlang the directory is gone; with the packages of Debian neither -pa nor the path is needed")
            .remedy("take -pa and the path out"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::sample::HIERARCHY;

    const TLS: &str = "-proto_dist inet_tls -ssl_dist_optfile /etc/rabbitmq/inter_node_tls.config";

    fn codes(files: &[(&str, &str)]) -> Vec<&'static str> {
        let mut findings = Vec::new();
        check(&Case::of(files), &mut findings);
        findings.iter().map(|finding| finding.code).collect()
    }

    fn alone(text: &str) -> Vec<&'static str> {
        codes(&[("rabbitmq-env.conf", text)])
    }

    #[test]
    fn environments_that_work_are_left_alone() {
        let flags = "-proto_dist inet_tls -ssl_dist_opt server_certfile /c.pem -ssl_dist_opt server_cacertfile /ca.pem \
                     -ssl_dist_opt server_verify verify_peer server_fail_if_no_peer_cert true -ssl_dist_opt client_certfile /c.pem \
                     -ssl_dist_opt client_cacertfile /ca.pem -ssl_dist_opt client_verify verify_peer";
        for text in [
            format!("SERVER_ADDITIONAL_ERL_ARGS=\"{TLS}\"\nRABBITMQ_CTL_ERL_ARGS=\"{TLS}\"\n"),
            format!(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"{TLS}\"\nCTL_ERL_ARGS=\"$RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS\"\n"
            ),
            format!("SERVER_ADDITIONAL_ERL_ARGS=\"{flags}\"\nRABBITMQ_CTL_ERL_ARGS=\"$SERVER_ADDITIONAL_ERL_ARGS\"\n"),
            format!("RABBITMQ_CTL_ERL_ARGS=\"{TLS}\"\n"),
            format!("SERVER_ADDITIONAL_ERL_ARGS=\"{TLS}\"\nRABBITMQ_CTL_ERL_ARGS=\"$OTHER_ERL_ARGS\"\n"),
            format!("@echo off\r\nset SERVER_ADDITIONAL_ERL_ARGS={TLS}\r\nset CTL_ERL_ARGS={TLS}\r\n"),
            "NODENAME=rabbit@n1\nSERVER_ADDITIONAL_ERL_ARGS=\"+P 1000000\"\n".to_owned(),
        ] {
            assert_eq!(alone(&text), [""; 0], "{text}");
        }
    }

    #[test]
    fn environments_that_do_not_are_told() {
        let both = |arguments: &str| format!("SERVER_ADDITIONAL_ERL_ARGS=\"{arguments}\"\nCTL_ERL_ARGS=\"{TLS}\"\n");
        for (text, code) in [
            (format!("SERVER_ADDITIONAL_ERL_ARGS=\"{TLS}\"\n"), "tools-without-tls"),
            (both("+P 1000000"), "node-without-tls"),
            (format!("SERVER_ADDITIONAL_ERL_ARGS=\"{TLS}\nRABBITMQ_CTL_ERL_ARGS={TLS}\n"), "quote-not-closed"),
            ("SERVER_ADDITIONAL_ERL_ARGS=-kernel x\n".to_owned(), "value-not-quoted"),
            (both("-proto_dist inet_tls -ssl_dist_optfile /etc/my rabbit/x.config"), "option-file-with-space"),
            (both("-proto_dist inet_tls -ssl_dist_optfile '/etc/my rabbit/x.config'"), "option-file-with-space"),
            (both("-proto_dist inet_tls -ssl_dist_optfile"), "option-file-missing"),
            (
                both("-pa /usr/lib/erlang/lib/ssl-9.4/ebin -proto_dist inet_tls -ssl_dist_optfile /x"),
                "code-path-of-one-release",
            ),
            (
                both(
                    "-proto_dist inet_tls -ssl_dist_opt server_certfile /x -ssl_dist_opt server_secure_renegotiate true",
                ),
                "flags-incomplete",
            ),
        ] {
            assert_eq!(alone(&text), [code], "{text}");
        }
        let found = alone(&both("-ssl_dist_optfile /x"));
        assert_eq!(found, ["node-without-tls", "tls-not-switched-on"]);
    }

    #[test]
    fn the_node_must_be_in_its_certificate() {
        let certificate = HIERARCHY.node.pem();
        let options = "[{server, [{certfile, \"/c/node.pem\"}]}, {client, []}].";
        let with = |more: &str| {
            let text = format!("{more}SERVER_ADDITIONAL_ERL_ARGS=\"{TLS}\"\nRABBITMQ_CTL_ERL_ARGS=\"{TLS}\"\n");
            codes(&[("r/rabbitmq-env.conf", &text), ("r/inter_node_tls.config", options), ("c/node.pem", &certificate)])
        };
        assert_eq!(with("USE_LONGNAME=true\nNODENAME=rabbit@node.example.com\n"), [""; 0]);
        assert_eq!(with("USE_LONGNAME=true\n"), [""; 0]);
        assert_eq!(with("USE_LONGNAME=true\nNODENAME=rabbit@other.example.com\n"), ["node-name-not-in-certificate"]);
        assert_eq!(with("NODENAME=rabbit@node\n"), ["node-name-not-in-certificate"]);
        assert_eq!(with(""), ["short-name-not-in-certificate"]);
    }

    #[test]
    fn a_broker_beside_tools_with_tls_is_told() {
        let text = format!("RABBITMQ_CTL_ERL_ARGS=\"{TLS}\"\n");
        let files = [("r/rabbitmq-env.conf", text.as_str()), ("r/enabled_plugins", "[rabbitmq_management].\n")];
        assert_eq!(codes(&files), ["node-without-tls"]);
    }
}
