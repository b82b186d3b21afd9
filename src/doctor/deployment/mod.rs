//! What brings the files to a broker: Compose files, Kubernetes manifests.

use super::Check;

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[];
