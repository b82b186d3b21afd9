//! What is in this file? Decided by its content alone: names lie.

use super::Document;
use super::syntax::{conf, environment, erlang, python, yaml};
use crate::inspect;

impl Document {
    /// What `bytes` are. `password` opens encrypted keys.
    pub fn recognise(bytes: &[u8], password: Option<&[u8]>) -> Self {
        let looks_like_pem = bytes.windows(11).any(|window| window == b"-----BEGIN ");
        if (looks_like_pem || bytes.first() == Some(&0x30) || inspect::Foreign::recognise(bytes).is_some())
            && let Ok(things) = inspect::read_with_password(bytes, password)
        {
            return Self::Crypto(things);
        }
        let Ok(text) = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)) else {
            return Self::Other;
        };
        if let Some(value) = serde_json::from_str(text).ok().filter(|_| text.trim_start().starts_with('{')) {
            return Self::Json(value);
        }
        None.or_else(|| erlang::File::recognise(text).map(Self::Erlang))
            .or_else(|| python::File::recognise(text).map(Self::Python))
            .or_else(|| environment::File::recognise(text).map(Self::Environment))
            .or_else(|| conf::File::recognise(text).map(Self::Conf))
            .or_else(|| yaml::File::recognise(text).map(Self::Yaml))
            .unwrap_or(Self::Other)
    }
}
