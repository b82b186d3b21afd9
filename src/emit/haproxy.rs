//! `emit haproxy`: HAProxy before a broker, and the broker's side of it.

use super::edge::{AMQP, BROKER, BROKER_PORT, Edge, HOST, UI_PORT, next};
use super::settings::{Setting, Settings};
use super::syntax::haproxy::word;
use super::syntax::{comment, header, shell};
use super::{Facts, Holds, OutputFile, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "haproxy",
    description: "HAProxy before the broker: public UI, AMQP let through, MQTT devices bound to their certificates",
    settings: &[
        HOST,
        BROKER,
        BROKER_PORT,
        UI_PORT,
        AMQP,
        Setting::with_default("certs", "directory of the certificates where HAProxy runs", "/etc/haproxy/certs"),
        Setting::of_facts("certificate", "its public certificate, chain and key in one file, else public.pem in certs"),
        Setting::with_default("socket", "the socket at which certificates are swapped", "/run/haproxy/admin.sock"),
    ],
    holds: Holds::Certificates,
    next,
    write: Write::Once(emit),
};

const VERSIONS: &str = "HAProxy 2.6 and later";

/// How long a connection may be silent: MQTT devices and AMQP clients send heartbeats more often.
const SILENCE: &str = "1h";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let edge = Edge::of(facts, settings)?;
    let header = header("#", &TARGET, VERSIONS, "[broker]");
    let public = settings.get("certificate").map_or_else(|| edge.file("public.pem"), str::to_owned);
    let socket = settings.get("socket").unwrap_or_default();
    let mut files = vec![
        OutputFile::open("haproxy.cfg", configuration(&edge, &header, &public, socket)?),
        OutputFile::open("swap-certificate.sh", swap(&header, &public, socket)?),
    ];
    files.extend(edge.trust(facts, &header));
    files.extend(edge.broker_files(&TARGET)?);
    Ok(files)
}

fn configuration(edge: &Edge<'_>, header: &str, public: &str, socket: &str) -> Result<String> {
    let mut out = header.to_owned();
    out.push_str(&comment(
        "#",
        &[
            String::new(),
            format!("{public} is what the public sees: chain and key in one file, mode 0600. From two files:"),
            format!("  cat fullchain.pem privkey.pem | install -m 0600 /dev/stdin {}", shell::word(public)?),
            format!("The other files beside this one go to {}.", edge.certs),
            "The broker takes no name from a proxy: where TLS ends here, its clients log in with a password. A public"
                .to_owned(),
            "certificate and EXTERNAL on one port cannot be had.".to_owned(),
        ],
    ));
    out.push_str(&format!(
        "\nglobal\n    log stderr format raw local0\n    user haproxy\n    group haproxy\n    \
         # Whoever can write to it can do everything: root alone.\n    \
         stats socket {} mode 600 level admin\n    ssl-default-bind-options ssl-min-ver TLSv1.2\n    \
         ssl-default-server-options ssl-min-ver TLSv1.2\n\n\
         defaults\n    log global\n    timeout connect 5s\n    timeout client {SILENCE}\n    timeout server {SILENCE}\n",
        word(socket)?
    ));
    out.push_str(&amqp(edge, public)?);
    if edge.mqtt {
        out.push_str(&mqtt(edge, public)?);
    }
    if edge.broker.config.management.enabled {
        out.push_str(&ui(edge, public)?);
    }
    Ok(out)
}

/// The broker's certificate is checked, also its name.
fn checked(edge: &Edge<'_>) -> Result<String> {
    let host = word(&edge.host)?;
    Ok(format!("ssl verify required ca-file {} verifyhost {host} sni str({host})", word(&edge.file("servers_ca.pem"))?))
}

fn amqp(edge: &Edge<'_>, public: &str) -> Result<String> {
    let port = edge.broker.config.ports.amqp;
    let to = edge.at(edge.proxy.amqp_port);
    if edge.proxy.reencrypts {
        return Ok(format!(
            "\n# AMQP: TLS ends here and begins anew. The broker sees the proxy's own certificate for everybody, so that clients use\n\
             # PLAIN; with EXTERNAL each would be the proxy's user. So that one may do nothing:\n\
             #   certgen issue client proxy --configure '^$' --write '^$' --read '^$'\n\
             # proxy.pem is its client_certificate.pem and client_key.pem in one file, mode 0600.\n\
             frontend amqps\n    mode tcp\n    option tcplog\n    bind :{port} ssl crt {}\n    default_backend amqp\n\n\
             backend amqp\n    mode tcp\n    server broker {to} send-proxy-v2 {} crt {}\n",
            word(public)?,
            checked(edge)?,
            word(&edge.file("proxy.pem"))?
        ));
    }
    let (exact, wildcards) = edge.names();
    let mut names = String::new();
    for name in exact {
        names.push_str(&format!("    acl to_broker req.ssl_sni -i {}\n", word(&name)?));
    }
    for rest in wildcards {
        names.push_str(&format!("    acl to_broker req.ssl_sni -i -m end {}\n", word(&rest)?));
    }
    Ok(format!(
        "\n# AMQP: let through as it is, to whom it asks for (SNI). The broker shows its own certificate and sees the client's, so\n\
         # that EXTERNAL works. A client that connects to an address asks for nobody, and is refused.\n\
         frontend amqps\n    mode tcp\n    option tcplog\n    bind :{port}\n    tcp-request inspect-delay 5s\n\
         {names}    tcp-request content accept if {{ req.ssl_hello_type 1 }} to_broker\n    \
         tcp-request content reject if {{ req.ssl_hello_type 1 }}\n    tcp-request content reject if WAIT_END\n    \
         default_backend amqp\n\n\
         backend amqp\n    mode tcp\n    server broker {to} send-proxy-v2\n"
    ))
}

fn mqtt(edge: &Edge<'_>, public: &str) -> Result<String> {
    let revoked = match edge.checks_revocation() {
        true => format!(" crl-file {}", word(&edge.file("clients_crl.pem"))?),
        false => String::new(),
    };
    Ok(format!(
        "\n# MQTT: a device shows a certificate of the private authorities here, and logs in at the broker with a password. The user\n\
         # that it names must be the common name of its certificate: nobody else's password is of use to it.\n\
         frontend mqtts\n    mode tcp\n    option tcplog\n    bind :{} ssl crt {} ca-file {}{revoked} verify required\n    \
         tcp-request inspect-delay 10s\n    tcp-request content set-var(sess.cn) ssl_c_s_dn(cn)\n    \
         tcp-request content reject unless {{ req.payload(0,0),mqtt_field_value(connect,username),strcmp(sess.cn) eq 0 }}\n    \
         default_backend mqtt\n\n\
         backend mqtt\n    mode tcp\n    server broker {} send-proxy-v2\n",
        edge.broker.config.ports.mqtt,
        word(public)?,
        word(&edge.file("clients_ca.pem"))?,
        edge.at(edge.proxy.mqtt_port)
    ))
}

fn ui(edge: &Edge<'_>, public: &str) -> Result<String> {
    Ok(format!(
        "\n# The management UI, for people: a public certificate and no client's. The broker's own is checked on the way to it.\n\
         frontend ui\n    mode http\n    option httplog\n    bind :{} ssl crt {} alpn h2,http/1.1\n    default_backend ui\n\n\
         backend ui\n    mode http\n    option forwardfor\n    server broker {} {}\n",
        edge.ui_port,
        word(public)?,
        edge.at(edge.broker.config.management.port),
        checked(edge)?
    ))
}

/// HAProxy takes a new certificate at its socket; one that does not fit its key is refused, and the old one stays.
fn swap(header: &str, public: &str, socket: &str) -> Result<String> {
    let constants = format!("public={}\nsocket={}\n", shell::word(public)?, shell::word(socket)?);
    Ok(super::syntax::fill(include_str!("texts/haproxy-swap.sh"), header, &constants))
}

#[cfg(test)]
mod tests {
    use super::super::rabbitmq::{Revocation, RevocationList};
    use super::super::sample;
    use super::*;

    fn written(facts: &Facts, set: &[(&str, &str)]) -> Result<String> {
        let said: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let files = emit(facts, &Settings::of(&TARGET, &said)?)?;
        Ok(files.into_iter().map(|file| String::from_utf8(file.bytes).unwrap()).collect())
    }

    #[test]
    fn what_is_set_is_a_word_or_refused() {
        let text = written(&sample::facts(), &[("certs", "/etc/it's $mine/"), ("socket", "/run/a b")]).unwrap();
        assert!(text.contains(r"ca-file '/etc/it'\''s $mine/clients_ca.pem' verify"), "{text}");
        assert!(text.contains("stats socket '/run/a b' mode 600") && text.contains("socket='/run/a b'\n"), "{text}");
        for (key, value) in [
            ("certs", "/a\n/b"),
            ("broker", "localhost"),
            ("broker", "127.0.0.1:1"),
            ("amqp", "plain"),
            ("host", "elsewhere.example.com"),
            ("host", "127.0.0.1"),
            ("ui_port", "0"),
        ] {
            assert!(written(&sample::facts(), &[(key, value)]).is_err(), "{key}={value}");
        }
        let text = written(&sample::facts(), &[("broker", "::1")]).unwrap();
        assert!(
            text.contains("server broker [::1]:1883 ") && text.contains("mqtt.listeners.tcp.default = ::1:1883"),
            "{text}"
        );
    }

    #[test]
    fn who_is_revoked_at_the_broker_is_at_the_proxy() {
        let mut facts = sample::facts();
        let lists = vec![RevocationList { file: "a.r0".into(), pem: "LIST\n".into() }];
        facts.brokers[0].config.revocation = Some(Revocation { crls_dir: "/crls".into(), lists });
        let text = written(&facts, &[]).unwrap();
        assert!(text.contains(" crl-file /etc/haproxy/certs/clients_crl.pem verify required") && text.contains("LIST"));
    }

    #[test]
    fn where_the_proxy_shows_its_own_certificate_nobody_is_let_through() {
        let text = written(&sample::facts(), &[("amqp", "reencrypt")]).unwrap();
        assert!(text.contains("crt /etc/haproxy/certs/proxy.pem") && !text.contains("req.ssl_sni"), "{text}");
    }
}
