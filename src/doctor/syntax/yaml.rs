//! YAML with lines: Compose files and Kubernetes manifests.

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {}
