//! `emit rabbitmq-edge`: a broker that shows people a public certificate, and clients the private one. No proxy is needed:
//! RabbitMQ's HTTP listeners have TLS options of their own.

use super::rabbitmq::{self, CertificateFiles};
use super::settings::{Setting, Settings};
use super::syntax::{comment, shell};
use super::{Broker, Facts, Holds, OutputFile, Target, Write};
use crate::error::{Error, Result};
use crate::manifest::ClientCertificates;
use crate::ui;

pub(super) const TARGET: Target = Target {
    name: "rabbitmq-edge",
    description: "the broker itself at the edge: public UI and metrics, AMQP and MQTT on the private CA",
    settings: &[
        Setting::of_facts(
            "certificate",
            "public certificate and chain where the broker runs, else that of [broker] management",
        ),
        Setting::of_facts("key", "its key, not encrypted, where the broker runs"),
        Setting::with_default("plugins", "plugins to serve with it, with commas between them", "rabbitmq_prometheus"),
    ],
    holds: Holds::Paths,
    next,
    write: Write::Once(emit),
};

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let broker = facts.broker()?;
    if broker.config.client_certificates != ClientCertificates::Required {
        return Err(Error::failed(format!("{} lets clients in without a certificate", broker.title()))
            .hint("set client_certificates = \"required\" in [broker] of certgen.toml"));
    }
    let files = public(broker, settings)?;
    let mut config = broker.config.clone();
    for plugin in settings.get("plugins").unwrap_or_default().split(',').filter(|plugin| !plugin.is_empty()) {
        if !config.plugins.iter().any(|known| known == plugin) {
            config.plugins.push(plugin.to_owned());
        }
    }
    config.management.certificate = Some(files.clone());
    let title = "the broker with a public certificate for people, in the place of pki/rabbitmq/'s";
    let mut out = rabbitmq::variant(&config, TARGET.name, title)?;
    out.push(OutputFile::open("install-public-pair.sh", install(&files)?));
    Ok(out)
}

/// The pair that people see.
fn public(broker: &Broker, settings: &Settings) -> Result<CertificateFiles> {
    match (settings.get("certificate"), settings.get("key"), &broker.config.management.certificate) {
        (Some(certificate), Some(key), _) => {
            for path in [certificate, key] {
                if !path.starts_with('/') && !path.contains(':') {
                    return Err(Error::usage(format!("{} must be a whole path where the broker runs", ui::quote(path))));
                }
            }
            Ok(CertificateFiles { certfile: certificate.to_owned(), keyfile: key.to_owned() })
        }
        (None, None, Some(files)) => Ok(files.clone()),
        (None, None, None) => Err(Error::failed(format!("{} has one certificate for everybody", broker.title()))
            .hint("say where the public one will be: --set certificate=/etc/rabbitmq/public/fullchain.pem --set key=/etc/rabbitmq/public/privkey.pem")
            .hint("or make another server and name it in certgen.toml: [broker] management = { certificate = \"server/NAME\" }")),
        _ => Err(Error::usage("emit rabbitmq-edge: certificate and key are set together, or neither is")),
    }
}

/// What a renewal elsewhere (certbot's deploy hook, lego's) runs to bring the pair to the broker.
fn install(files: &CertificateFiles) -> Result<String> {
    let header = super::syntax::header("#", &TARGET, "a host with RabbitMQ's package", "[broker]");
    let about = comment(
        "#",
        &[
            "",
            "install-public-pair.sh CHAIN KEY: brings a renewed public pair to the broker, for instance as certbot's deploy hook:",
            "  install-public-pair.sh \"$RENEWED_LINEAGE/fullchain.pem\" \"$RENEWED_LINEAGE/privkey.pem\"",
            "In an external pair of the PKI these are certificate.pem and key.pem. New connections see it at once.",
        ],
    );
    let constants = format!("certificate={}\nkey={}\n", shell::word(&files.certfile)?, shell::word(&files.keyfile)?);
    Ok(super::syntax::fill(include_str!("texts/install-public-pair.sh"), &(header + &about), &constants))
}

fn next(_: &Facts) -> Vec<String> {
    vec![
        "rabbitmq.conf and enabled_plugins there take the place of those in pki/rabbitmq/".to_owned(),
        "install-public-pair.sh brings the public pair to the broker, first and after each renewal".to_owned(),
    ]
}
