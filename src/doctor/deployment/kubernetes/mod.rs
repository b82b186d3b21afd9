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
