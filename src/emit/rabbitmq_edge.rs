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
    next: |facts, _| next(facts),
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
            "sh install-public-pair.sh CHAIN KEY: brings a renewed public pair to the broker, for instance as certbot's deploy hook:",
            "  sh install-public-pair.sh \"$RENEWED_LINEAGE/fullchain.pem\" \"$RENEWED_LINEAGE/privkey.pem\"",
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
    fn who_has_no_public_pair_is_told_how_to_get_one() {
        let hints = written(&sample::facts(), &[]).unwrap_err().hints().to_vec();
        assert!(hints[0].contains("--set certificate=") && hints[1].contains("management = {"), "{hints:?}");
        let mut facts = sample::facts();
        let files =
            CertificateFiles { certfile: "/m/server_certificate.pem".into(), keyfile: "/m/server_key.pem".into() };
        facts.brokers[0].config.management.certificate = Some(files);
        assert!(written(&facts, &[]).unwrap().contains("prometheus.ssl.certfile = /m/server_certificate.pem\n"));
        facts.brokers[0].config.client_certificates = ClientCertificates::Optional;
        assert!(written(&facts, &[]).unwrap_err().hints()[0].contains("client_certificates = \"required\""));
    }

    #[test]
    fn paths_that_cannot_be_written_are_refused() {
        let text = written(&sample::facts(), &[("certificate", "/it's $x/c"), ("key", "/k")]).unwrap();
        assert!(
            text.contains("management.ssl.certfile = /it's $x/c\n") && text.contains("certificate='/it'\\''s $x/c'\n")
        );
        for (certificate, key) in [("/a#b", "/k"), ("/a\nb = c", "/k"), ("c.pem", "/k"), ("/c", "k.pem")] {
            assert!(
                written(&sample::facts(), &[("certificate", certificate), ("key", key)]).is_err(),
                "{certificate:?}"
            );
        }
        assert!(written(&sample::facts(), &[("certificate", "/c")]).is_err());
        let plugins = [("certificate", "/c"), ("key", "/k"), ("plugins", "a]. evil")];
        assert!(written(&sample::facts(), &plugins).is_err());
    }
}
