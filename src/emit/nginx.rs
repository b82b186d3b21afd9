//! `emit nginx`: nginx before a broker, and the broker's side of it.

use super::edge::{AMQP, BROKER, BROKER_PORT, Edge, HOST, UI_PORT, next};
use super::settings::{Setting, Settings};
use super::syntax::nginx::word;
use super::syntax::{comment, header};
use super::{Facts, Holds, OutputFile, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "nginx",
    description: "nginx before the broker: public UI, AMQP let through, MQTT devices with certificates",
    settings: &[
        HOST,
        BROKER,
        BROKER_PORT,
        UI_PORT,
        AMQP,
        Setting::with_default("certs", "directory of the certificates where nginx runs", "/etc/nginx/certs"),
        Setting::of_facts("certificate", "its public certificate and chain, else public.pem in certs"),
        Setting::of_facts("key", "the key of its public certificate, else public_key.pem in certs"),
    ],
    holds: Holds::Certificates,
    next,
    write: Write::Once(emit),
};

const VERSIONS: &str = "nginx 1.22 and later, with its stream and stream_ssl_preread modules";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let edge = Edge::of(facts, settings)?;
    let header = header("#", &TARGET, VERSIONS, "[broker]");
    let mut files = vec![OutputFile::open("nginx.conf", configuration(&edge, &header, settings)?)];
    files.extend(edge.trust(facts, &header));
    files.extend(edge.broker_files(&TARGET)?);
    Ok(files)
}

fn configuration(edge: &Edge<'_>, header: &str, settings: &Settings) -> Result<String> {
    let set = |key: &str, file: &str| settings.get(key).map_or_else(|| edge.file(file), str::to_owned);
    let (certificate, key) = (set("certificate", "public.pem"), set("key", "public_key.pem"));
    let public = format!("ssl_certificate {};\n        ssl_certificate_key {};", word(&certificate)?, word(&key)?);
    let mut out = header.to_owned();
    out.push_str(&comment(
        "#",
        &[
            String::new(),
            format!("{certificate} and {key} are what the public sees."),
            format!("The other files beside this one go to {}. After a renewal: nginx -s reload", edge.certs),
            "The broker takes no name from a proxy: where TLS ends here, its clients log in with a password. A public"
                .to_owned(),
            "certificate and EXTERNAL on one port cannot be had.".to_owned(),
        ],
    ));
    out.push_str("\ninclude /etc/nginx/modules-enabled/*.conf;\nevents {}\n\nstream {\n    ssl_protocols TLSv1.2 TLSv1.3;\n    proxy_connect_timeout 5s;\n    proxy_timeout 1h;\n    # A host name may have 253 characters.\n    map_hash_bucket_size 512;\n");
    out.push_str(&amqp(edge, &public)?);
    if edge.mqtt {
        out.push_str(&mqtt(edge, &public)?);
    }
    out.push_str("}\n");
    if edge.broker.config.management.enabled {
        out.push_str(&ui(edge, &public)?);
    }
    Ok(out)
}

/// The broker's certificate is checked, also its name; a chain may have intermediates.
fn checked(edge: &Edge<'_>) -> Result<String> {
    Ok(format!(
        "proxy_ssl_trusted_certificate {};\n        proxy_ssl_verify on;\n        proxy_ssl_verify_depth 5;\n        \
         proxy_ssl_name {};\n        proxy_ssl_server_name on;\n        proxy_ssl_protocols TLSv1.2 TLSv1.3;",
        word(&edge.file("servers_ca.pem"))?,
        word(&edge.host)?
    ))
}

fn amqp(edge: &Edge<'_>, public: &str) -> Result<String> {
    let port = edge.broker.config.ports.amqp;
    let to = edge.at(edge.proxy.amqp_port);
    if edge.proxy.reencrypts {
        return Ok(format!(
            "\n    # AMQP: TLS ends here and begins anew. The broker sees the proxy's own certificate for everybody, so that clients\n    \
             # use PLAIN; with EXTERNAL each would be the proxy's user. So that one may do nothing:\n    \
             #   certgen issue client proxy --configure '^$' --write '^$' --read '^$'\n    \
             # proxy.pem and proxy_key.pem are its client_certificate.pem and client_key.pem.\n    \
             server {{\n        listen {port} ssl;\n        {public}\n        proxy_pass {to};\n        proxy_protocol on;\n        \
             proxy_ssl on;\n        {}\n        proxy_ssl_certificate {};\n        proxy_ssl_certificate_key {};\n    }}\n",
            checked(edge)?,
            word(&edge.file("proxy.pem"))?,
            word(&edge.file("proxy_key.pem"))?
        ));
    }
    let (exact, wildcards) = edge.names();
    let wildcards = wildcards.iter().map(|rest| format!("*{rest}"));
    let mut names = String::new();
    for name in exact.into_iter().chain(wildcards) {
        names.push_str(&format!("        {} {to};\n", word(&name)?));
    }
    Ok(format!(
        "\n    # AMQP: let through as it is, to whom it asks for (SNI). The broker shows its own certificate and sees the client's,\n    \
         # so that EXTERNAL works. A client that connects to an address asks for nobody, and is refused.\n    \
         map $ssl_preread_server_name $amqp {{\n        hostnames;\n{names}    }}\n    \
         server {{\n        listen {port};\n        ssl_preread on;\n        proxy_pass $amqp;\n        proxy_protocol on;\n    }}\n"
    ))
}

fn mqtt(edge: &Edge<'_>, public: &str) -> Result<String> {
    let revoked = match edge.checks_revocation() {
        true => format!("        ssl_crl {};\n", word(&edge.file("clients_crl.pem"))?),
        false => String::new(),
    };
    Ok(format!(
        "\n    # MQTT: a device shows a certificate of the private authorities here, and logs in at the broker with a password. nginx\n    \
         # cannot read MQTT: with its certificate and another's password a device can be the other. HAProxy binds the user to\n    \
         # the certificate (certgen emit haproxy).\n    \
         server {{\n        listen {} ssl;\n        {public}\n        ssl_client_certificate {};\n{revoked}        \
         ssl_verify_client on;\n        ssl_verify_depth 5;\n        proxy_pass {};\n        proxy_protocol on;\n    }}\n",
        edge.broker.config.ports.mqtt,
        word(&edge.file("clients_ca.pem"))?,
        edge.at(edge.proxy.mqtt_port)
    ))
}

fn ui(edge: &Edge<'_>, public: &str) -> Result<String> {
    Ok(format!(
        "\n# The management UI, for people: a public certificate and no client's. The broker's own is checked on the way to it.\n\
         http {{\n    ssl_protocols TLSv1.2 TLSv1.3;\n    server {{\n        listen {} ssl;\n        {public}\n        \
         location / {{\n            proxy_pass https://{};\n            proxy_http_version 1.1;\n            \
         proxy_set_header Host $host;\n            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n        }}\n        \
         {}\n    }}\n}}\n",
        edge.ui_port,
        edge.at(edge.broker.config.management.port),
        checked(edge)?
    ))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn written(facts: &Facts, set: &[(&str, &str)]) -> Result<String> {
        let said: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let files = emit(facts, &Settings::of(&TARGET, &said)?)?;
        Ok(files.into_iter().map(|file| String::from_utf8(file.bytes).unwrap()).collect())
    }

    #[test]
    fn what_is_set_is_a_word_or_refused() {
        let text = written(&sample::facts(), &[("certs", "/etc/it's \"mine\"; x/")]).unwrap();
        assert!(text.contains(r#"ssl_client_certificate "/etc/it's \"mine\"; x/clients_ca.pem";"#), "{text}");
        for (key, value) in [("certs", "/$x"), ("certificate", "/a\nb"), ("key", "$k"), ("amqp", "x"), ("broker", "x")]
        {
            assert!(written(&sample::facts(), &[(key, value)]).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn names_with_a_star_stay_names_with_a_star() {
        let text = written(&sample::kubernetes(), &[("host", "orders.messaging.svc")]).unwrap();
        assert!(text.contains("        orders.messaging.svc 127.0.0.1:5670;\n"), "{text}");
        assert!(!text.contains("mqtt.") && !text.contains("clients log in by"), "{text}");
    }
}
