//! The DNS names of a RabbitMQ cluster on Kubernetes.
//!
//! Three forms of a pod's name are verified, each by somebody else: the RabbitMQ Cluster Operator's node names, which
//! Erlang distribution and the command line tools check, end with the namespace; the operator's own calls to the
//! management listener add `.svc`; other charts and clients use the full name in the cluster's domain. A certificate that
//! lacks one of them works until that peer calls.

use super::message::Problem;
use super::schema;
use super::spec::KubernetesSpec;
use crate::ui;
use crate::x509::{DnsName, GeneralName};

/// What the names of one RabbitMQ cluster are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubernetes {
    namespace: String,
    cluster: String,
    replicas: Option<u32>,
    service: String,
    headless_service: String,
    pod_prefix: String,
    cluster_domain: String,
}

/// A TLS handshake carries every name, and no RabbitMQ cluster comes near this size.
const MOST_REPLICAS: i64 = 100;
const LONGEST_LABEL: usize = 63;

impl Kubernetes {
    /// Checks the parts and fills in the names that the RabbitMQ Cluster Operator gives.
    pub(crate) fn new(spec: &KubernetesSpec) -> Result<Self, Problem> {
        let inside = |problem: Problem| problem.inside(schema::KUBERNETES.name);
        Self::checked(spec).map_err(inside)
    }

    fn checked(spec: &KubernetesSpec) -> Result<Self, Problem> {
        let namespace = required(schema::NAMESPACE.name, spec.namespace.as_deref())?;
        let cluster = required(schema::CLUSTER.name, spec.cluster.as_deref())?;
        let named = |key, text: &Option<String>, default: String| label(key, text.clone().unwrap_or(default));
        let service = named(schema::SERVICE.name, &spec.service, cluster.clone())?;
        let headless_service =
            named(schema::HEADLESS_SERVICE.name, &spec.headless_service, format!("{cluster}-nodes"))?;
        let pod_prefix = named(schema::POD_PREFIX.name, &spec.pod_prefix, format!("{cluster}-server"))?;
        let cluster_domain = spec.cluster_domain.clone().unwrap_or_else(|| "cluster.local".into());
        let kubernetes = Self {
            namespace,
            cluster,
            replicas: spec.replicas.map(replicas).transpose()?,
            service,
            headless_service,
            pod_prefix,
            cluster_domain: domain(&cluster_domain)?,
        };
        kubernetes.check_lengths()?;
        Ok(kubernetes)
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of the RabbitMQ cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// How many pods are named one by one.
    pub fn replicas(&self) -> Option<u32> {
        self.replicas
    }

    /// The service that clients use.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The service behind the names of the pods.
    pub fn headless_service(&self) -> &str {
        &self.headless_service
    }

    /// The name of a pod without its number.
    pub fn pod_prefix(&self) -> &str {
        &self.pod_prefix
    }

    /// The DNS domain of the Kubernetes cluster.
    pub fn cluster_domain(&self) -> &str {
        &self.cluster_domain
    }

    /// The name of one pod's node, as the Cluster Operator configures it.
    pub fn node_name(&self, number: u32) -> String {
        format!("rabbit@{}-{number}.{}.{}", self.pod_prefix, self.headless_service, self.namespace)
    }

    /// All names: the service's, the wildcards for every pod there will ever be, then the pods one by one.
    pub fn names(&self) -> Vec<GeneralName> {
        let service = std::iter::once(self.service.clone()).chain(self.forms(&self.service));
        let wildcards = self.pod_forms("*");
        let pods = (0..self.replicas.unwrap_or(0)).flat_map(|n| self.pod_forms(&format!("{}-{n}", self.pod_prefix)));
        let names = service.chain(wildcards).chain(pods);
        names.map(|name| GeneralName::Dns(DnsName::parse(&name).expect("parts and lengths were checked"))).collect()
    }

    /// Whether `name` is the name of some pod, whatever its number: a lower `replicas` takes no name away, because the
    /// pods may still run.
    pub fn is_pod(&self, name: &GeneralName) -> bool {
        let GeneralName::Dns(name) = name else { return false };
        let Some((pod, rest)) = name.as_str().split_once('.') else { return false };
        let number = pod.strip_prefix(&self.pod_prefix).and_then(|rest| rest.strip_prefix('-'));
        let is_number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        number.is_some_and(is_number) && self.forms(&self.headless_service).any(|form| form == rest)
    }

    fn pod_forms(&self, pod: &str) -> impl Iterator<Item = String> + use<> {
        let pod = pod.to_owned();
        self.forms(&self.headless_service).map(move |form| format!("{pod}.{form}"))
    }

    /// A service's name in the three forms that somebody verifies.
    fn forms(&self, service: &str) -> impl Iterator<Item = String> + use<> {
        let Self { namespace, cluster_domain, .. } = self;
        [
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.{cluster_domain}"),
        ]
        .into_iter()
    }

    fn check_lengths(&self) -> Result<(), Problem> {
        let pod = format!("{}-{}", self.pod_prefix, self.replicas.unwrap_or(1).saturating_sub(1));
        if pod.len() > LONGEST_LABEL {
            let message = format!("the pod name {} has more than {LONGEST_LABEL} characters", ui::quote(&pod));
            return Err(Problem::of(schema::POD_PREFIX.name, message));
        }
        let longest = self.pod_forms(&pod).chain(self.forms(&self.service)).max_by_key(String::len).unwrap_or_default();
        if longest.len() > 253 {
            let message = format!("the pod's host name {} has more than 253 characters", ui::quote(&longest));
            return Err(Problem::of(schema::CLUSTER_DOMAIN.name, message));
        }
        Ok(())
    }
}

fn required(key: &'static str, value: Option<&str>) -> Result<String, Problem> {
    match value {
        Some(value) => label(key, value.to_owned()),
        None => Err(Problem::new(format!("kubernetes does not say its {key}"))
            .hint("for instance: kubernetes = { namespace = \"default\", cluster = \"rabbitmq\" }")),
    }
}

/// A name that Kubernetes accepts for a namespace, a service or a pod (RFC 1123 label).
fn label(key: &'static str, text: String) -> Result<String, Problem> {
    let refuse = |why: &str| Err(Problem::of(key, format!("{} is not a {} name: {why}", ui::quote(&text), words(key))));
    if text.is_empty() || text.len() > LONGEST_LABEL {
        return refuse("it must have 1 to 63 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return refuse("Kubernetes allows lower-case letters, digits and hyphens only");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return refuse("it begins or ends with a hyphen");
    }
    Ok(text)
}

fn words(key: &str) -> &str {
    match key {
        "headless_service" => "headless service",
        "pod_prefix" => "pod",
        other => other,
    }
}

fn replicas(count: i64) -> Result<u32, Problem> {
    match u32::try_from(count) {
        Ok(replicas) if (1..=MOST_REPLICAS).contains(&count) => Ok(replicas),
        _ => Err(Problem::of(schema::REPLICAS.name, format!("replicas must be 1 to {MOST_REPLICAS}, not {count}"))
            .hint("the wildcard names cover any number of pods: replicas may be left out")),
    }
}

fn domain(text: &str) -> Result<String, Problem> {
    let key = schema::CLUSTER_DOMAIN.name;
    let refuse = |why: String| Problem::of(key, why);
    let name = DnsName::parse(text).map_err(|e| refuse(e.to_string()))?;
    if name.is_wildcard() {
        return Err(refuse(format!("{} is not a domain: it has a wildcard", ui::quote(text))));
    }
    Ok(name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(namespace: &str, cluster: &str) -> KubernetesSpec {
        KubernetesSpec { namespace: Some(namespace.into()), cluster: Some(cluster.into()), ..Default::default() }
    }

    fn names(spec: &KubernetesSpec) -> Vec<String> {
        Kubernetes::new(spec).unwrap().names().iter().map(ToString::to_string).collect()
    }

    fn refused(spec: &KubernetesSpec) -> String {
        Kubernetes::new(spec).unwrap_err().unplaced().to_string()
    }

    #[test]
    fn the_operators_names_in_every_form_that_somebody_verifies() {
        let spec = KubernetesSpec { replicas: Some(2), ..spec("messaging", "orders") };
        assert_eq!(
            names(&spec),
            [
                "DNS:orders",
                "DNS:orders.messaging",
                "DNS:orders.messaging.svc",
                "DNS:orders.messaging.svc.cluster.local",
                "DNS:*.orders-nodes.messaging",
                "DNS:*.orders-nodes.messaging.svc",
                "DNS:*.orders-nodes.messaging.svc.cluster.local",
                "DNS:orders-server-0.orders-nodes.messaging",
                "DNS:orders-server-0.orders-nodes.messaging.svc",
                "DNS:orders-server-0.orders-nodes.messaging.svc.cluster.local",
                "DNS:orders-server-1.orders-nodes.messaging",
                "DNS:orders-server-1.orders-nodes.messaging.svc",
                "DNS:orders-server-1.orders-nodes.messaging.svc.cluster.local",
            ]
        );
    }

    /// The article that measured this wanted the wildcard below the headless service and the client service's name, and its
    /// pods are called `xxx-rabbit-server-N`.
    #[test]
    fn the_names_of_an_own_chart_come_out_of_one_set_of_options() {
        let spec = KubernetesSpec {
            headless_service: Some("rabbitmq-nodes-svc".into()),
            pod_prefix: Some("xxx-rabbit-server".into()),
            replicas: Some(1),
            ..spec("rabbitmq", "rabbitmq")
        };
        let names = names(&spec);
        for wanted in [
            "DNS:*.rabbitmq-nodes-svc.rabbitmq.svc.cluster.local",
            "DNS:rabbitmq.rabbitmq.svc",
            "DNS:xxx-rabbit-server-0.rabbitmq-nodes-svc.rabbitmq.svc.cluster.local",
        ] {
            assert!(names.contains(&wanted.to_owned()), "{wanted} is not among {names:?}");
        }
    }

    #[test]
    fn fewer_replicas_leave_the_names_of_pods_alone() {
        let kubernetes = Kubernetes::new(&KubernetesSpec { replicas: Some(1), ..spec("ns", "c") }).unwrap();
        let is_pod = |name: &str| kubernetes.is_pod(&GeneralName::parse(name).unwrap());
        assert!(is_pod("c-server-7.c-nodes.ns.svc"));
        assert!(!is_pod("c-server-x.c-nodes.ns.svc"));
        assert!(!is_pod("c-server-7.c-nodes.other.svc"));
        assert!(!is_pod("*.c-nodes.ns.svc"));
        assert!(!is_pod("10.0.0.1"));
    }

    #[test]
    fn what_kubernetes_would_not_accept_is_refused() {
        assert_eq!(
            refused(&spec("Default", "c")),
            r#""Default" is not a namespace name: Kubernetes allows lower-case letters, digits and hyphens only"#
        );
        assert!(refused(&spec("ns", "")).contains("1 to 63 characters"));
        assert!(refused(&spec("ns", &"c".repeat(64))).contains("1 to 63"));
        assert!(refused(&spec("ns", &"c".repeat(60))).contains("1 to 63"), "the operator's names are longer");
        assert!(refused(&spec("ns", "a.b")).contains("lower-case"));
        assert!(refused(&KubernetesSpec::default()).contains("does not say its namespace"));
        assert!(refused(&KubernetesSpec { replicas: Some(0), ..spec("ns", "c") }).contains("1 to 100, not 0"));
        assert!(refused(&KubernetesSpec { replicas: Some(i64::MAX), ..spec("ns", "c") }).contains("1 to 100"));
        assert!(
            refused(&KubernetesSpec { cluster_domain: Some("a..b".into()), ..spec("ns", "c") }).contains("empty label")
        );
        let prefix = Some("p".repeat(62));
        assert!(refused(&KubernetesSpec { pod_prefix: prefix, ..spec("ns", "c") }).contains("more than 63"));
        let domain = Some(["d".repeat(60).as_str(); 4].join("."));
        assert!(refused(&KubernetesSpec { cluster_domain: domain, ..spec("ns", "c") }).contains("more than 253"));
    }
}
