//! Assignments as sh reads them: rabbitmq-env.conf, env files.

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {}
