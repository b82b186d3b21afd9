//! TLS between nodes, and from CLI tools to nodes: the option file and the environment that points to it.
//!
//! The option file is one Erlang expression that OTP evaluates. An option that it does not know, or one in the wrong section
//! (`fail_if_no_peer_cert` in `client`, `secure_renegotiate` with TLS 1.3), breaks every link without a word in any log, so
//! it holds exactly what was measured on OTP 25, 27 and 29.

use super::bat::{self, Bat};
use super::env::{self, Env};
use super::erlang::{self, Term, atom, pair, text};
use super::facts::{BrokerFacts, CliFacts, protocol, slashes};
use super::header;
use crate::error::{Error, Result};
use crate::manifest::{InterNodeTls, Platform, TlsVersion};

/// Without it Erlang matches no wildcard at all.
const MATCH_FUN: Term = Term::Expression("public_key:pkix_verify_hostname_match_fun(https)");

/// inter_node_tls.config of a node.
pub(super) fn option_file(facts: &BrokerFacts) -> String {
    let mut comments = header(facts, "inter_node_tls.config: TLS between the nodes, and from CLI tools to the nodes.");
    comments.push(
        "The certificate is used in both directions, so it must be one for nodes (serverAuth and clientAuth).\n\
         Whoever inter_node_ca_certificate.pem trusts can join the cluster.\n\
         A renewed pair is noticed within two minutes; restarting is not needed."
            .into(),
    );
    if !facts.certificate_is_node {
        comments.push(
            "NOT IN USE, and not usable as it is: the certificate of this broker is one for servers. `certgen issue node NAME` makes one for nodes."
                .into(),
        );
    }
    let mut common = vec![
        pair("cacertfile", text(&facts.inter_node_cacertfile())),
        pair("certfile", text(&facts.certfile())),
        pair("keyfile", text(&facts.keyfile())),
    ];
    common.extend(facts.key_password.as_ref().map(|password| pair("password", text(password))));
    common.push(pair("verify", atom("verify_peer")));
    let server =
        [common.clone(), vec![pair("fail_if_no_peer_cert", atom("true")), versions(&facts.versions())]].concat();
    let client = [common, vec![hostname_check(), versions(&facts.versions())]].concat();
    let sections = Term::List(vec![pair("server", Term::List(server)), pair("client", Term::List(client))]);
    erlang::file(&comments, &sections)
}

/// inter_node_tls.config of a host that only runs CLI tools.
pub(super) fn cli_option_file(facts: &CliFacts) -> String {
    let comments = vec![
        "inter_node_tls.config: TLS from the CLI tools of this host to the nodes.\n\
         Written by certgen for RabbitMQ 3.10 to 4.3 (Erlang/OTP 25 to 29). Change certgen.toml, not this file."
            .into(),
        "The Erlang cookie must be the nodes' own. Nothing connects to this host, so there is no section for servers."
            .into(),
    ];
    let mut client = vec![
        pair("cacertfile", text(&facts.certs("ca_certificate.pem"))),
        pair("certfile", text(&facts.certs("client_certificate.pem"))),
        pair("keyfile", text(&facts.certs("client_key.pem"))),
    ];
    client.extend(facts.key_password.as_ref().map(|password| pair("password", text(password))));
    client.extend([pair("verify", atom("verify_peer")), hostname_check(), versions(&facts.versions())]);
    erlang::file(&comments, &Term::List(vec![pair("client", Term::List(client))]))
}

fn hostname_check() -> Term {
    let check = pair("customize_hostname_check", Term::List(vec![pair("match_fun", MATCH_FUN)]));
    Term::Commented("without this line Erlang does not match a wildcard name (*.nodes.example) at all", Box::new(check))
}

/// As `{versions, [..]}`.
pub(super) fn versions(versions: &[TlsVersion]) -> Term {
    pair("versions", Term::List(versions.iter().map(|version| atom(protocol(*version))).collect()))
}

/// What to give Erlang, one option with its values each; the same for the server and for CLI tools.
pub(super) fn arguments(facts: &BrokerFacts) -> Result<Vec<String>> {
    let path = |what: &str, path: String| argument(facts.platform, what, &path);
    let mut all = code_path(facts.platform, facts.erl_ssl_path.as_deref())?;
    all.push("-proto_dist inet_tls".into());
    if facts.inter_node != InterNodeTls::Flags {
        all.push(format!("-ssl_dist_optfile {}", path("config_dir", facts.config("inter_node_tls.config"))?));
        return Ok(all);
    }
    let combined = path("certs_dir", facts.certfile())?;
    let bundle = path("certs_dir", facts.inter_node_cacertfile())?;
    for side in ["server", "client"] {
        all.push(format!("-ssl_dist_opt {side}_certfile {combined}"));
        all.push(format!("-ssl_dist_opt {side}_cacertfile {bundle}"));
        all.push(format!("-ssl_dist_opt {side}_verify verify_peer"));
    }
    all.push("-ssl_dist_opt server_fail_if_no_peer_cert true".into());
    Ok(all)
}

fn code_path(platform: Platform, erl_ssl_path: Option<&str>) -> Result<Vec<String>> {
    match erl_ssl_path {
        None => Ok(Vec::new()),
        Some(path) => Ok(vec![format!("-pa {}", argument(platform, "erl_ssl_path", &slashes(platform, path))?)]),
    }
}

fn argument(platform: Platform, what: &str, path: &str) -> Result<String> {
    match platform {
        Platform::Unix => env::argument(what, path),
        Platform::Windows => bat::argument(what, path),
    }
}

/// Whether an environment, in either syntax, makes nodes talk TLS to each other.
pub fn talks_tls(environment: &str) -> bool {
    let is_comment = |line: &str| line.starts_with('#') || line.to_ascii_lowercase().starts_with("rem ");
    environment.lines().map(str::trim_start).any(|line| !is_comment(line) && line.contains("inet_tls"))
}

/// Refuses what inter-node TLS cannot work with.
pub(super) fn check(facts: &BrokerFacts) -> Result<()> {
    if facts.inter_node == InterNodeTls::Off {
        return Ok(());
    }
    if !facts.certificate_is_node {
        return Err(Error::failed(
            "writing inter_node_tls.config: nodes are server and client of each other, and the broker's certificate is for servers only",
        )
        .hint("issue one for the node: certgen issue node NAME, and name it as certificate = \"node/NAME\" in [broker]"));
    }
    if facts.inter_node == InterNodeTls::Flags { check_flags(facts) } else { Ok(()) }
}

fn check_flags(facts: &BrokerFacts) -> Result<()> {
    let instead = "use inter_node_tls = true, which writes inter_node_tls.config";
    if facts.key_password.is_some() {
        return Err(Error::failed(
            "writing rabbitmq-env.conf: inter_node_tls = \"flags\" would put the key's password on the command line of every process",
        )
        .hint(instead));
    }
    let exact: Vec<&String> = facts.certificate_names.iter().filter(|name| !name.starts_with("*.")).collect();
    if !facts.certificate_names.is_empty() && exact.is_empty() {
        return Err(Error::failed(
            "writing rabbitmq-env.conf: with inter_node_tls = \"flags\" Erlang matches no wildcard, and the certificate has no other name",
        )
        .hint(instead));
    }
    for node in facts.nodes.iter().filter(|_| !exact.is_empty()) {
        let host = node_host(facts, node);
        if !exact.iter().any(|name| name.eq_ignore_ascii_case(&host)) {
            return Err(Error::failed(format!(
                "writing rabbitmq-env.conf: with inter_node_tls = \"flags\" the certificate must name each node, and {} is not in it",
                crate::ui::quote(&host)
            ))
            .hint(instead));
        }
    }
    Ok(())
}

/// The host part of a node's name, as long as its peers use it.
fn node_host(facts: &BrokerFacts, node: &str) -> String {
    let host = node.split_once('@').map_or(node, |(_, host)| host);
    let short = if facts.longnames { host } else { host.split('.').next().unwrap_or(host) };
    short.to_owned()
}

/// The whole name of a node.
pub(super) fn node_name(facts: &BrokerFacts, node: &str) -> String {
    let name = node.split_once('@').map_or("rabbit", |(name, _)| name);
    format!("{name}@{}", node_host(facts, node))
}

/// The variables of a node, in whichever file the platform has: file name and text.
pub(super) fn environment(facts: &BrokerFacts) -> Result<(&'static str, String)> {
    let active = facts.inter_node != InterNodeTls::Off;
    let arguments = match arguments(facts) {
        Ok(arguments) => arguments,
        // Nothing uses the path yet, so it is not worth a refusal.
        Err(_) if !active => Vec::new(),
        Err(e) => return Err(e),
    };
    Ok(match facts.platform {
        Platform::Unix => ("rabbitmq-env.conf", unix(facts, active, &arguments)),
        Platform::Windows => ("rabbitmq-env-conf.bat", windows(facts, active, &arguments)),
    })
}

const LONGNAME: &str = "Node names carry the full host name. Only for a new cluster: switching renames the nodes, and a renamed node\n\
     does not find its data. Should a host not know its full name, set NODENAME=rabbit@HOST.DOMAIN here too.";
const OFF: &str = "Inter-node TLS is off. To switch it on set inter_node_tls = true in certgen.toml. All nodes must be stopped first\n\
     and started afterwards: a node that talks TLS and one that does not never meet. CLI tools change with them.";
const ON: &str = "Inter-node TLS, for the node and for rabbitmqctl, rabbitmq-diagnostics and their like.\n\
     The Erlang cookie must still be the same on every node and for the CLI tools.";

fn unix(facts: &BrokerFacts, active: bool, arguments: &[String]) -> String {
    let mut out = Env::default();
    for line in header(facts, "rabbitmq-env.conf: environment of the node and of the CLI tools; a shell reads it.") {
        out.comment(&line);
    }
    if facts.longnames {
        out.blank();
        out.comment(LONGNAME);
        out.assign("USE_LONGNAME", "true");
    }
    out.blank();
    if active {
        out.comment(ON);
        out.assign_arguments("SERVER_ADDITIONAL_ERL_ARGS", "", arguments);
        out.assign_arguments("RABBITMQ_CTL_ERL_ARGS", "", arguments);
    } else {
        out.comment(OFF);
        if !arguments.is_empty() {
            out.comment(&format!("SERVER_ADDITIONAL_ERL_ARGS={}", env::quoted(&arguments.join(" "))));
            out.comment(&format!("RABBITMQ_CTL_ERL_ARGS={}", env::quoted(&arguments.join(" "))));
        }
    }
    out.text()
}

fn windows(facts: &BrokerFacts, active: bool, arguments: &[String]) -> String {
    let mut out = Bat::new();
    for line in header(facts, "rabbitmq-env-conf.bat: environment of the node and of the CLI tools.") {
        out.comment(&line);
    }
    out.comment("Belongs into the RabbitMQ directory below AppData of the user who installed RabbitMQ; afterwards reinstall the\nservice (rabbitmq-service.bat install), which keeps a copy of these values.");
    if facts.longnames {
        out.blank();
        out.comment(LONGNAME);
        out.assign("USE_LONGNAME", "true");
    }
    out.blank();
    if active {
        out.comment(ON);
        out.assign("SERVER_ADDITIONAL_ERL_ARGS", &arguments.join(" "));
        out.assign("CTL_ERL_ARGS", &arguments.join(" "));
    } else {
        out.comment(OFF);
        if !arguments.is_empty() {
            out.comment(&format!("set SERVER_ADDITIONAL_ERL_ARGS={}", arguments.join(" ")));
            out.comment(&format!("set CTL_ERL_ARGS={}", arguments.join(" ")));
        }
    }
    out.text()
}

/// The variables of a host that only runs CLI tools: file name and text.
pub(super) fn cli_environment(facts: &CliFacts) -> Result<(&'static str, String)> {
    let about = "Environment of the CLI tools of this host, written by certgen for RabbitMQ 3.10 to 4.3 (Erlang/OTP 25 to 29).\n\
                 Change certgen.toml, not this file. The Erlang cookie must be the nodes' own.";
    let option_file = argument(facts.platform, "config_dir", &facts.config("inter_node_tls.config"))?;
    let mut all = code_path(facts.platform, facts.erl_ssl_path.as_deref())?;
    all.extend(["-proto_dist inet_tls".into(), format!("-ssl_dist_optfile {option_file}")]);
    Ok(match facts.platform {
        Platform::Unix => {
            let mut out = Env::default();
            out.comment(about);
            if facts.longnames {
                out.assign("USE_LONGNAME", "true");
            }
            out.assign_arguments("RABBITMQ_CTL_ERL_ARGS", "", &all);
            ("rabbitmq-env.conf", out.text())
        }
        Platform::Windows => {
            let mut out = Bat::new();
            out.comment(about);
            if facts.longnames {
                out.assign("USE_LONGNAME", "true");
            }
            out.assign("CTL_ERL_ARGS", &all.join(" "));
            ("rabbitmq-env-conf.bat", out.text())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> BrokerFacts {
        BrokerFacts::single("/etc/rabbitmq/certs", "/etc/rabbitmq")
    }

    #[test]
    fn both_sections_say_what_each_side_may_say() {
        let mut facts = facts();
        facts.key_password = Some(String::from("p\"w\\").into());
        let text = option_file(&facts);
        let (server, client) = text.split_once("{client").unwrap();
        assert!(server.contains("{fail_if_no_peer_cert, true}") && !client.contains("fail_if_no_peer_cert"));
        assert!(
            client.contains(
                "{customize_hostname_check, [{match_fun, public_key:pkix_verify_hostname_match_fun(https)}]}"
            )
        );
        for section in [server, client] {
            assert!(section.contains("{certfile, \"/etc/rabbitmq/certs/combined_keys.pem\"}"));
            assert!(section.contains("{keyfile, \"/etc/rabbitmq/certs/combined_keys.pem\"}"));
            assert!(section.contains("{cacertfile, \"/etc/rabbitmq/certs/inter_node_ca_certificate.pem\"}"));
            assert!(
                section.contains("{verify, verify_peer}") && section.contains("{versions, ['tlsv1.3', 'tlsv1.2']}")
            );
            assert!(section.contains(r#"{password, "p\"w\\"}"#));
        }
        assert!(!text.contains("secure_renegotiate") && !text.contains("depth"));
    }

    #[test]
    fn the_environment_is_active_only_when_asked() {
        let off = environment(&facts()).unwrap().1;
        assert!(off.lines().all(|line| line.is_empty() || line.starts_with('#')), "{off}");
        let mut facts = facts();
        facts.inter_node = InterNodeTls::File;
        facts.longnames = true;
        facts.erl_ssl_path = Some("/usr/lib/erlang/lib/ssl-10/ebin".into());
        let (name, on) = environment(&facts).unwrap();
        assert_eq!(name, "rabbitmq-env.conf");
        assert!(on.contains("\nUSE_LONGNAME=true\n"));
        assert!(
            on.contains("SERVER_ADDITIONAL_ERL_ARGS=\"-pa /usr/lib/erlang/lib/ssl-10/ebin \\\n -proto_dist inet_tls"),
            "{on}"
        );
    }

    #[test]
    fn flags_are_complete() {
        let mut facts = facts();
        facts.inter_node = InterNodeTls::Flags;
        let all = arguments(&facts).unwrap().join(" ");
        for side in ["server", "client"] {
            for option in ["certfile /etc", "cacertfile /etc", "verify verify_peer"] {
                assert!(all.contains(&format!("-ssl_dist_opt {side}_{option}")), "{all}");
            }
        }
        assert!(!all.contains("client_fail_if") && !all.contains("optfile"));
    }

    #[test]
    fn windows_has_its_own_file_and_slashes() {
        let mut facts = facts();
        facts.platform = Platform::Windows;
        facts.config_dir = r"C:\Users\rmq user\AppData\Roaming\RabbitMQ".into();
        facts.inter_node = InterNodeTls::File;
        let (name, text) = environment(&facts).unwrap();
        assert_eq!(name, "rabbitmq-env-conf.bat");
        let expected = "set CTL_ERL_ARGS=-proto_dist inet_tls -ssl_dist_optfile \"C:/Users/rmq user/AppData/Roaming/RabbitMQ/inter_node_tls.config\"\r\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let mut facts = facts();
        facts.inter_node = InterNodeTls::File;
        facts.certificate_is_node = false;
        assert!(check(&facts).unwrap_err().message().contains("servers only"));
        facts.certificate_is_node = true;
        facts.inter_node = InterNodeTls::Flags;
        facts.certificate_names = vec!["*.nodes.example".into()];
        assert!(check(&facts).unwrap_err().message().contains("wildcard"));
        facts.certificate_names = vec!["a.example".into(), "a".into()];
        facts.nodes = vec!["a.example".into(), "b.example".into()];
        assert!(check(&facts).unwrap_err().message().contains("\"b\""));
        facts.nodes.pop();
        check(&facts).unwrap();
        facts.key_password = Some(String::from("x").into());
        assert!(check(&facts).unwrap_err().message().contains("command line"));
    }

    #[test]
    fn node_names_are_as_long_as_the_nodes_use_them() {
        let mut facts = facts();
        assert_eq!(node_name(&facts, "a.example"), "rabbit@a");
        facts.longnames = true;
        assert_eq!(node_name(&facts, "a.example"), "rabbit@a.example");
        assert_eq!(node_name(&facts, "hare@b.example"), "hare@b.example");
    }
}
