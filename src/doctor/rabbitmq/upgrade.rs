//! What another release changes: features that it took away, and what Erlang/OTP asks of the links that RabbitMQ makes itself.
//!
//! Names of settings are judged for a release by `names`, options of inter-node TLS by `inter_node`, certificates by `crypto`.

mod features;
mod links;

use crate::doctor::{Case, Finding};

/// Everything about releases.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    links::check(case, findings);
    features::check(case, findings);
}
