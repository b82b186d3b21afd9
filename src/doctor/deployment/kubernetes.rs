//! Kubernetes.
use crate::doctor::{Case, Exhibit, Finding};

pub(super) fn check(_case: &Case, _findings: &mut Vec<Finding>) {}

/// The files that a manifest carries.
pub(in crate::doctor) fn unfolded(_exhibit: &Exhibit) -> Vec<Exhibit> {
    Vec::new()
}
