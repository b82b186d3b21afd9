//! What a pod mounts, and as whom it reads it.

use super::at;
use super::object::Object;
use crate::diagnosis::CauseId;
use crate::doctor::syntax::yaml::{Content, Node};
use crate::doctor::{Finding, Severity};
use crate::ui;

/// Modes as people mean them in octal, written without the zero that says so.
const DECIMAL: &[&str] = &["400", "440", "444", "600", "640", "644"];

pub(super) fn check(object: &Object<'_>, objects: &[Object<'_>], findings: &mut Vec<Finding>) {
    let Some(pod) = spec(object) else { return };
    let containers = list(pod, "containers");
    let is_broker = object.kind == "RabbitmqCluster" || containers.clone().any(runs_rabbitmq);
    if !is_broker {
        return;
    }
    let look = Look { object, objects, pod };
    for volume in list(pod, "volumes") {
        look.mode(volume, findings);
    }
    for container in containers {
        for mount in list(container, "volumeMounts") {
            let name = mount.get("name").and_then(Node::text);
            let volume = list(pod, "volumes").find(|volume| volume.get("name").and_then(Node::text) == name);
            let Some(volume) = volume else { continue };
            findings.extend(look.sub_path(mount, volume));
            findings.extend(look.hides(container, mount, volume));
        }
    }
}

/// The pod that an object makes.
pub(super) fn spec<'a>(object: &Object<'a>) -> Option<&'a Node> {
    match object.kind {
        "Pod" => object.node.get("spec"),
        "StatefulSet" | "Deployment" | "DaemonSet" => object.node.at(&["spec", "template", "spec"]),
        "RabbitmqCluster" => object.node.at(&["spec", "override", "statefulSet", "spec", "template", "spec"]),
        _ => None,
    }
}

pub(super) fn list<'a>(node: &'a Node, key: &str) -> std::slice::Iter<'a, Node> {
    node.get(key).map(Node::items).unwrap_or_default().iter()
}

fn runs_rabbitmq(container: &Node) -> bool {
    let image = container.get("image").and_then(Node::text).unwrap_or_default();
    let name = image.rsplit('/').next().and_then(|last| last.split([':', '@']).next());
    name == Some("rabbitmq")
}

struct Look<'a> {
    object: &'a Object<'a>,
    objects: &'a [Object<'a>],
    pod: &'a Node,
}

impl Look<'_> {
    /// Kubelet never changes a file that is mounted with subPath.
    fn sub_path(&self, mount: &Node, volume: &Node) -> Option<Finding> {
        let path = mount.get("subPath")?;
        let name = path.text()?;
        let is_secret = volume.get("secret").is_some();
        let is_certificate = [".pem", ".crt", ".key"].iter().any(|end| name.ends_with(end));
        if !is_certificate || !(is_secret || volume.get("configMap").is_some() || volume.get("projected").is_some()) {
            return None;
        }
        let problem = format!("{} is mounted with subPath", ui::quote(name));
        Some(
            at(Severity::Warning, "sub-path-mount", self.object.exhibit, path.line, problem)
                .cause(CauseId::StaleCertificate)
                .effect("Kubernetes never brings a renewal into it: the pod shows the old certificate until it is made anew")
                .remedy("mount the whole volume at a directory of its own, without subPath"),
        )
    }

    /// Modes: 400 is 0620, and what root alone may read is closed to the broker.
    fn mode(&self, volume: &Node, findings: &mut Vec<Finding>) {
        let Some(source) = volume.get("secret").or_else(|| volume.get("projected")) else { return };
        let Some(node) = source.get("defaultMode") else { return };
        let Content::Scalar { text, plain: true } = &node.content else { return };
        if DECIMAL.contains(&text.as_str()) {
            let number: u32 = text.parse().unwrap_or_default();
            let problem = format!("defaultMode {text} is a decimal number, and means {number:04o}");
            findings.push(
                at(Severity::Warning, "decimal-mode", self.object.exhibit, node.line, problem)
                    .effect("the files get another mode than the one that was meant")
                    .remedy(format!("write 0{text}; in JSON, which has no octal numbers, {}", octal(text))),
            );
            return;
        }
        let mode = if text.starts_with('0') && text.len() > 1 {
            octal(text.trim_start_matches("0o"))
        } else {
            text.parse().unwrap_or(0o644)
        };
        let context = self.pod.get("securityContext");
        let says = |key: &str| context.and_then(|context| context.get(key)).is_some();
        let as_root = context.and_then(|context| context.get("runAsUser")).and_then(Node::text) == Some("0");
        let is_open = mode & 0o004 != 0 || (mode & 0o040 != 0 && self.is_bitnami());
        if self.object.kind == "RabbitmqCluster" || is_open || says("fsGroup") || as_root {
            return;
        }
        let problem =
            format!("the files of this volume have mode {mode:04o} and belong to root, and the pod has no fsGroup");
        findings.push(
            at(Severity::Error, "file-unreadable", self.object.exhibit, node.line, problem)
                .cause(CauseId::FileUnreadable)
                .effect("the broker, which runs as 999 (Bitnami: 1001), cannot read its key and does not boot")
                .remedy("securityContext: {fsGroup: 999} (Bitnami: 1001) for the pod"),
        );
    }

    fn is_bitnami(&self) -> bool {
        list(self.pod, "containers").any(|c| c.get("image").and_then(Node::text).is_some_and(|i| i.contains("bitnami")))
    }

    /// A volume at /etc/rabbitmq lies over everything that the image has there.
    fn hides(&self, container: &Node, mount: &Node, volume: &Node) -> Option<Finding> {
        let path = mount.get("mountPath")?;
        let image = container.get("image").and_then(Node::text).filter(|image| image.contains("management"))?;
        if path.text()?.trim_end_matches('/') != "/etc/rabbitmq" || mount.get("subPath").is_some() {
            return None;
        }
        let map = volume.at(&["configMap", "name"]).and_then(Node::text)?;
        let map = self.object.named(self.objects, "ConfigMap", map)?;
        if map.entries().iter().any(|entry| entry.key == "enabled_plugins") {
            return None;
        }
        let problem = format!(
            "the ConfigMap {} lies over the image's /etc/rabbitmq and has no enabled_plugins",
            ui::quote(map.name)
        );
        Some(
            at(Severity::Error, "mount-hides", self.object.exhibit, path.line, problem)
                .effect(format!(
                    "no plugin is enabled: {} has no management UI, and EXTERNAL is not offered",
                    ui::quote(image)
                ))
                .remedy("add enabled_plugins to the ConfigMap, or mount single files with subPath"),
        )
    }
}

fn octal(text: &str) -> u32 {
    u32::from_str_radix(text, 8).unwrap_or(0o644)
}
