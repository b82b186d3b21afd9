//! `emit ingress`: what leads into a cluster on Kubernetes: an Ingress for the management UI, and routes that let the TLS of AMQP
//! and MQTT through to the broker, so that EXTERNAL works.

use super::settings::{Setting, Settings};
use super::syntax::yaml::{block, scalar};
use super::syntax::{comment, header};
use super::{Broker, Facts, Holds, OutputFile, Target, Write};
use crate::error::{Error, Result};
use crate::manifest::Kubernetes;
use crate::ui;
use crate::x509::is_host;

pub(super) const TARGET: Target = Target {
    name: "ingress",
    description: "Kubernetes: an Ingress for the UI, routes to AMQP and MQTT that let TLS through",
    settings: &[
        Setting::of_facts(
            "ui_host",
            "public host name of the UI, else the first name of [broker] management's certificate",
        ),
        Setting::of_facts("ui_secret", "Secret with the UI's public certificate, else CLUSTER-ui-tls"),
        Setting::with_default("class", "class of the Ingress", "nginx"),
        Setting::of_facts("host", "host name that AMQP and MQTT clients type, else that of the service"),
        Setting::with_default("routes", "tlsroute: a Gateway and TLSRoutes; tcp: ingress-nginx's ports", "tlsroute"),
        Setting::with_default("gateway_class", "class of the Gateway", "eg"),
        Setting::with_default("tlsroute_version", "version of the API that TLSRoute has there", "v1alpha2"),
    ],
    holds: Holds::Certificates,
    next: |facts, _| next(facts),
    write: Write::Once(emit),
};

const VERSIONS: &str = "Kubernetes 1.25 and later, ingress-nginx 1.3 and later, Gateway API 1.0 and later";

/// One way in.
struct Way<'f> {
    broker: &'f Broker,
    kubernetes: &'f Kubernetes,
    host: String,
}

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let way = Way::of(facts, settings)?;
    let mut out = header("#", &TARGET, VERSIONS, "[broker] and its node");
    if way.broker.config.management.enabled {
        out.push_str(&ui(&way, facts, settings)?);
    }
    out.push_str(&match settings.get("routes") {
        Some("tcp") => ports(&way),
        Some("tlsroute") | None => routes(&way, settings)?,
        Some(other) => return Err(Error::usage(format!("--set routes={}: it is tlsroute or tcp", ui::quote(other)))),
    });
    Ok(vec![OutputFile::open("ingress.yaml", out)])
}

impl<'f> Way<'f> {
    fn of(facts: &'f Facts, settings: &Settings) -> Result<Self> {
        let broker = facts.broker()?;
        let own = broker.host()?;
        let Some(kubernetes) = broker.identities.iter().find_map(|identity| identity.kubernetes.as_ref()) else {
            return Err(Error::failed(format!("no node of {} is for Kubernetes", broker.title()))
                .hint("make one: certgen issue node NAME --kubernetes NAMESPACE/CLUSTER"));
        };
        let host = match settings.get("host") {
            None => own,
            Some(host) if broker.covers(host) => host.to_owned(),
            Some(host) => return Err(broker.lacks(host)),
        };
        Ok(Self { broker, kubernetes, host })
    }

    /// The beginning of an object of this namespace.
    fn object(&self, api: &str, kind: &str, name: &str) -> String {
        let namespace = scalar(self.kubernetes.namespace());
        format!(
            "---\napiVersion: {}\nkind: {kind}\nmetadata:\n  name: {}\n  namespace: {namespace}\n",
            scalar(api),
            scalar(name)
        )
    }

    /// What clients come for: a name and a port for each.
    fn listeners(&self) -> Vec<(&'static str, u16)> {
        let config = &self.broker.config;
        let mqtt = config.plugins.iter().any(|plugin| plugin == "rabbitmq_mqtt");
        let mut all = vec![("amqps", config.ports.amqp)];
        all.extend(mqtt.then_some(("mqtts", config.ports.mqtt)));
        all
    }
}

fn ui(way: &Way<'_>, facts: &Facts, settings: &Settings) -> Result<String> {
    let management = way.broker.management.as_ref();
    let named = management.and_then(|identity| identity.names.first()).map(|name| name.to_string().replace("DNS:", ""));
    let host = settings.get("ui_host").map(str::to_owned).or(named).ok_or_else(|| {
        Error::failed("nothing says under which name people find the UI")
            .hint("name it: --set ui_host=rabbitmq.example.com")
    })?;
    if !is_host(&host) {
        return Err(Error::usage(format!("--set ui_host={}: it is no host name", ui::quote(&host))));
    }
    let cluster = way.kubernetes.cluster();
    let secret = settings.get("ui_secret").map_or_else(|| format!("{cluster}-ui-tls"), str::to_owned);
    let anchors = format!("{cluster}-servers-ca");
    let namespace = way.kubernetes.namespace();
    let mut out = way.object("v1", "Secret", &anchors);
    out.push_str(&format!("stringData:\n  ca.crt: {}", block(&facts.bundles.servers, 4)));
    out.push_str(&comment(
        "#",
        &["For people: a public certificate and no client's. The broker's own is checked on the way to it, with its name. The",
          "annotations are those of ingress-nginx; another controller has others."],
    ));
    out.push_str(&way.object("networking.k8s.io/v1", "Ingress", &format!("{cluster}-ui")));
    let host = scalar(&host);
    out.push_str(&format!(
        "  annotations:\n    nginx.ingress.kubernetes.io/backend-protocol: HTTPS\n    \
         nginx.ingress.kubernetes.io/proxy-ssl-secret: {}\n    \
         nginx.ingress.kubernetes.io/proxy-ssl-verify: \"on\"\n    \
         nginx.ingress.kubernetes.io/proxy-ssl-verify-depth: \"5\"\n    \
         nginx.ingress.kubernetes.io/proxy-ssl-server-name: \"on\"\n    \
         nginx.ingress.kubernetes.io/proxy-ssl-name: {}\n\
         spec:\n  ingressClassName: {}\n  tls:\n    - hosts: [{host}]\n      secretName: {}\n  rules:\n    - host: {host}\n      \
         http:\n        paths:\n          - path: /\n            pathType: Prefix\n            backend:\n              service:\n                \
         name: {}\n                port:\n                  number: {}\n",
        scalar(&format!("{namespace}/{anchors}")),
        scalar(&way.broker.host()?),
        scalar(settings.get("class").unwrap_or_default()),
        scalar(&secret),
        scalar(way.kubernetes.service()),
        way.broker.config.management.port
    ));
    Ok(out)
}

fn routes(way: &Way<'_>, settings: &Settings) -> Result<String> {
    let cluster = way.kubernetes.cluster();
    let host = scalar(&way.host);
    let version = settings.get("tlsroute_version").unwrap_or_default();
    if !version.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) || version.is_empty() {
        return Err(Error::usage(format!("--set tlsroute_version={}: it is one like v1alpha2", ui::quote(version))));
    }
    let mut out = comment(
        "#",
        &[
            "TLS is let through as it is, to whom it asks for (SNI): the broker shows its own certificate and sees the client's. A",
            "proxy that ends TLS could not hand it on.",
        ],
    );
    out.push_str(&way.object("gateway.networking.k8s.io/v1", "Gateway", cluster));
    let class = scalar(settings.get("gateway_class").unwrap_or_default());
    out.push_str(&format!("spec:\n  gatewayClassName: {class}\n  listeners:\n"));
    for (name, port) in way.listeners() {
        out.push_str(&format!(
            "    - name: {name}\n      protocol: TLS\n      port: {port}\n      hostname: {host}\n      tls:\n        mode: Passthrough\n      \
             allowedRoutes:\n        kinds:\n          - kind: TLSRoute\n"
        ));
    }
    for (name, port) in way.listeners() {
        out.push_str(&way.object(
            &format!("gateway.networking.k8s.io/{version}"),
            "TLSRoute",
            &format!("{cluster}-{name}"),
        ));
        out.push_str(&format!(
            "spec:\n  parentRefs:\n    - name: {}\n      sectionName: {name}\n  hostnames: [{host}]\n  rules:\n    - backendRefs:\n        \
             - name: {}\n          port: {port}\n",
            scalar(cluster),
            scalar(way.kubernetes.service())
        ));
    }
    Ok(out)
}

fn ports(way: &Way<'_>) -> String {
    let mut out = comment(
        "#",
        &[
            "Ports of ingress-nginx, which must be told of this ConfigMap (--tcp-services-configmap) and have the ports in its",
            "Service. They let everything through as it is: the broker shows its own certificate and sees the client's.",
        ],
    );
    out.push_str(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: tcp-services\n  namespace: ingress-nginx\ndata:\n",
    );
    for (_, port) in way.listeners() {
        let to = format!("{}/{}:{port}", way.kubernetes.namespace(), way.kubernetes.service());
        out.push_str(&format!("  \"{port}\": {}\n", scalar(&to)));
    }
    out
}

fn next(facts: &Facts) -> Vec<String> {
    let internal = facts.broker().is_ok_and(|b| b.host().is_ok_and(|host| host.ends_with(".svc")));
    if !internal {
        return Vec::new();
    }
    vec![
        "outside the cluster nobody knows the service's name: give the node the name that clients type (san in certgen.toml), \
         and name it with --set host=NAME"
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn written(set: &[(&str, &str)]) -> Result<String> {
        let said: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let files = emit(&sample::kubernetes(), &Settings::of(&TARGET, &said)?)?;
        Ok(String::from_utf8(files[0].bytes.clone()).unwrap())
    }

    #[test]
    fn what_is_set_stays_a_scalar_or_is_refused() {
        let text =
            written(&[("ui_host", "ui.example.com"), ("class", "a: b\n- {{x}}"), ("ui_secret", "s # t")]).unwrap();
        assert!(
            text.contains(r#"ingressClassName: "a: b\n- {{x}}""#) && text.contains(r#"secretName: "s # t""#),
            "{text}"
        );
        for (key, value) in
            [("ui_host", "a b"), ("routes", "udp"), ("tlsroute_version", "v1\nx"), ("host", "elsewhere.example.com")]
        {
            let mut set = vec![(key, value)];
            if key != "ui_host" {
                set.push(("ui_host", "ui.example.com"));
            }
            assert!(written(&set).is_err(), "{key}={value}");
        }
        let text = written(&[("ui_host", "ui.example.com"), ("routes", "tcp")]).unwrap();
        assert!(text.contains("  \"5671\": \"messaging/orders:5671\"\n") && !text.contains("Gateway\n"), "{text}");
    }
}
