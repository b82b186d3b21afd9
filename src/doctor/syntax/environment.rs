//! Assignments as sh reads them: rabbitmq-env.conf, env files.

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {}

impl File {
    /// The file, if `text` is one by its content.
    pub fn recognise(text: &str) -> Option<Self> {
        let _ = text;
        None
    }
}
