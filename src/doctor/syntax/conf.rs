//! rabbitmq.conf: `key = value`, one setting on a line.

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {}
