//! Kubernetes manifests: Secrets and what they hold, pods and what they mount, the Cluster Operator, cert-manager.

mod certificate;
mod nodes;
mod object;
mod operator;
mod pods;
mod secret;
mod unfold;

use super::{at, manifests};
use crate::doctor::{Case, Finding};
use object::Object;

pub(in crate::doctor) use unfold::is_carried;
pub use unfold::unfolded;

/// Says what is wrong with the objects.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    let objects = Object::all(case);
    for object in &objects {
        match object.kind {
            "Secret" => secret::check(object, findings),
            "RabbitmqCluster" => operator::check(object, &objects, findings),
            "Certificate" => findings.extend(certificate::check(object, &objects)),
            _ => {}
        }
        pods::check(object, &objects, findings);
        nodes::check(case, object, &objects, findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::sample::{end_entity, hierarchy};
    use crate::x509::{ExtendedKeyUsage, KeyType, PrivateKey, Signer};

    /// `line code` of each finding about a manifest of this text.
    fn found(text: &str) -> Vec<String> {
        let case = Case::of(&[("m.yaml", text)]);
        assert!(matches!(case.exhibits[0].document, crate::doctor::Document::Yaml(_)), "not recognised: {text}");
        let mut findings = Vec::new();
        check(&case, &mut findings);
        findings.sort_by_key(|finding| finding.line);
        findings.iter().map(|f| format!("{} {}", f.line.unwrap_or_default(), f.code)).collect()
    }

    fn nothing() -> Vec<String> {
        Vec::new()
    }

    fn block(pem: &str) -> String {
        pem.lines().map(|line| format!("    {line}\n")).collect()
    }

    /// A Secret `tls` with a certificate for these names, and its key or another one.
    fn secret(names: &[&str], fits: bool) -> String {
        let key = || PrivateKey::generate(KeyType::EcdsaP256).unwrap();
        let (own, other) = (key(), key());
        let usages = [ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth];
        let template = end_entity("rabbit", names, &usages, &own);
        let certificate = template.to_be_signed(&Signer::self_signed(&own)).unwrap().sign(&own).unwrap();
        let key = if fits { own.to_pem() } else { other.to_pem() };
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: tls, namespace: ns}}\ntype: kubernetes.io/tls\nstringData:\n  \
             tls.crt: |\n{}  tls.key: |\n{}---\n",
            block(&certificate.pem()),
            block(&key)
        )
    }

    #[test]
    fn a_secret_is_looked_into() {
        let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
        let tls = format!("{head}type: kubernetes.io/tls\n");
        assert_eq!(found(&format!("{tls}data: {{tls.crt: YQ==}}\n")), ["4 secret-keys"]);
        assert_eq!(found(&format!("{tls}data: {{tls.crt: YQ==, cert.key: YQ==}}\n")), ["4 secret-keys"]);
        assert_eq!(found(&format!("{tls}data: {{tls.crt: \"\", tls.key: \"\"}}\n")), nothing());
        assert_eq!(found(&tls), nothing());
        assert_eq!(found(&format!("{head}data:\n  x: plain text\n")), ["5 secret-encoding"]);
        assert_eq!(found(&secret(&["a.example"], true)), nothing());
        let broken = found(&secret(&["a.example"], false));
        assert!(matches!(broken.as_slice(), [one] if one.ends_with("key-of-another-certificate")), "{broken:?}");
    }

    #[test]
    fn what_a_pod_mounts_is_looked_at() {
        let pod = |rest: &str| {
            format!(
                "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: mq}}\nspec:\n  template:\n    spec:\n{rest}      \
                 containers:\n      - image: rabbitmq:4-management\n        volumeMounts:\n        - name: v\n          \
                 mountPath: /certs/tls.crt\n          subPath: tls.crt\n"
            )
        };
        let volume = |mode: &str| format!("      volumes: [{{name: v, secret: {{secretName: s{mode}}}}}]\n");
        assert_eq!(found(&pod(&volume(""))), ["13 sub-path-mount"]);
        assert_eq!(found(&pod(&volume(""))).len(), 1);
        let without = |mode: &str, context: &str| {
            let text = pod(&format!("{context}{}", volume(&format!(", defaultMode: {mode}"))));
            found(&text).into_iter().filter(|told| !told.ends_with("sub-path-mount")).collect::<Vec<_>>()
        };
        assert_eq!(without("400", ""), ["7 decimal-mode"]);
        assert_eq!(without("0400", ""), ["7 file-unreadable"]);
        assert_eq!(without("256", ""), ["7 file-unreadable"]);
        assert_eq!(without("0444", ""), nothing());
        assert_eq!(without("420", ""), nothing());
        assert_eq!(without("0400", "      securityContext: {fsGroup: 999}\n"), nothing());
        assert_eq!(without("0400", "      securityContext: {runAsUser: 0}\n"), nothing());
        let other = pod(&volume("")).replace("rabbitmq:4-management", "nginx");
        assert_eq!(found(&other), nothing());
    }

    #[test]
    fn a_configuration_that_hides_the_image_is_told() {
        let text = |keys: &str| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{keys}}}\n---\napiVersion: v1\nkind: Pod\n\
                 metadata: {{name: p}}\nspec:\n  volumes: [{{name: v, configMap: {{name: c}}}}]\n  containers:\n  \
                 - image: rabbitmq:4-management\n    volumeMounts: [{{name: v, mountPath: /etc/rabbitmq}}]\n"
            )
        };
        assert_eq!(found(&text("rabbitmq.conf: x")), ["13 mount-hides"]);
        assert_eq!(found(&text("rabbitmq.conf: x, enabled_plugins: \"[].\"")), nothing());
    }

    #[test]
    fn the_names_of_a_cluster_are_compared() {
        let cluster = "apiVersion: rabbitmq.com/v1beta1\nkind: RabbitmqCluster\nmetadata: {name: mq, namespace: ns}\nspec:\n  \
                       replicas: 2\n  tls: {secretName: tls, disableNonTLSListeners: true}\n  rabbitmq:\n    envConfig: \
                       \"RABBITMQ_CTL_ERL_ARGS='-proto_dist inet_tls'\"\n";
        let codes = |names: &[&str], cluster: &str| {
            let told = found(&format!("{}{cluster}", secret(names, true)));
            told.iter().map(|told| told.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
        };
        let service = "mq.ns.svc";
        let pods = ["mq-server-0.mq-nodes.ns", "mq-server-1.mq-nodes.ns"];
        let operator = "*.mq-nodes.ns.svc";
        assert_eq!(codes(&[service, pods[0], pods[1], operator], cluster), nothing());
        assert_eq!(codes(&[service, pods[0], operator], cluster), ["node-name"]);
        assert_eq!(codes(&[service, "*.mq-nodes.ns", operator], cluster), ["node-wildcard"]);
        let with_function = format!(
            "{cluster}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: o, namespace: ns}}\ndata: {{inter_node_tls.config: \
             \"public_key:pkix_verify_hostname_match_fun(https)\"}}\n"
        );
        assert_eq!(codes(&[service, "*.mq-nodes.ns", operator], &with_function), nothing());
        assert_eq!(codes(&[service, pods[0], pods[1]], cluster), ["operator-name"]);
        assert_eq!(codes(&[pods[0], pods[1], operator], cluster), ["server-name"]);
        let plain = cluster.replace("inet_tls", "inet_tcp");
        assert_eq!(codes(&[service, operator], &plain), nothing());
    }

    #[test]
    fn the_keys_that_the_operator_looks_for_are_compared() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {cert.pem: x}\n---\n\
                    apiVersion: rabbitmq.com/v1beta1\nkind: RabbitmqCluster\nmetadata: {name: mq}\nspec:\n  tls:\n    secretName: a\n    \
                    caSecretName: a\n";
        assert_eq!(found(text), ["11 secret-keys", "12 secret-keys"]);
    }

    #[test]
    fn a_node_of_a_stateful_set_is_called_as_its_variables_say() {
        let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: mq, namespace: ns}\nspec:\n  replicas: 1\n  template:\n    \
                   spec:\n      volumes: [{name: v, secret: {secretName: tls}}]\n      containers:\n      - image: rabbitmq:4\n        env:\n        \
                   - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n        \
                   - {name: NS, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}\n        \
                   - {name: RABBITMQ_NODENAME, value: rabbit@$(POD).nodes.$(NS).svc.cluster.local}\n        \
                   - {name: RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS, value: -proto_dist inet_tls}\n";
        let name = "mq-0.nodes.ns.svc.cluster.local";
        assert_eq!(found(&format!("{}{set}", secret(&[name], true))), nothing());
        let told = found(&format!("{}{set}", secret(&["mq-0.nodes.ns"], true)));
        assert!(matches!(told.as_slice(), [one] if one.ends_with(" node-name")), "{told:?}");
    }

    #[test]
    fn usages_for_nodes_are_both() {
        let text = |usages: &str| {
            format!(
                "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{name: c}}\nspec:\n  secretName: s\n  dnsNames: \
                 [\"*.mq-nodes.ns.svc\"]\n{usages}"
            )
        };
        assert_eq!(found(&text("  usages: [server auth, digital signature]\n")), ["7 node-usages"]);
        assert_eq!(found(&text("  usages: [server auth, client auth]\n")), nothing());
        assert_eq!(found(&text("")), nothing());
        let server = text("  usages: [server auth]\n").replace("*.mq-nodes.ns.svc", "mq.ns.svc");
        assert_eq!(found(&server), nothing());
    }

    #[test]
    fn what_a_manifest_carries_becomes_files() {
        let server = hierarchy(KeyType::EcdsaP256).server.pem();
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  ca.crt: |\n{}  readme: hello\n  definitions.json: '{{\"users\": []}}'\n",
            block(&server)
        );
        let case = Case::of(&[("d/m.yaml", &text)]);
        let files = unfolded(&case.exhibits[0]);
        let paths: Vec<_> = files.iter().map(|file| file.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["d/m.yaml#configmap/c/ca.crt", "d/m.yaml#configmap/c/definitions.json"]);
        assert!(files[0].leaf().is_some() && paths.iter().all(|path| is_carried(path.as_ref())));
    }
}
