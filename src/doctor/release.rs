//! Releases of RabbitMQ and of Erlang/OTP, and what the doctor knows to have changed in them.

use std::str::FromStr;

use crate::error::Error;
use crate::ui;

/// The release that files are meant for: `rabbitmq-4.3`, `otp-27`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// RabbitMQ, major and minor.
    RabbitMq(u8, u8),
    /// Erlang/OTP.
    Otp(u8),
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong =
            || Error::usage(format!("{} is no release", ui::quote(text))).hint("write it like rabbitmq-4.3 or otp-27");
        if let Some(version) = text.strip_prefix("otp-") {
            return version.parse().map(Self::Otp).map_err(|_| wrong());
        }
        let (major, minor) = text.strip_prefix("rabbitmq-").and_then(|v| v.split_once('.')).ok_or_else(wrong)?;
        Ok(Self::RabbitMq(major.parse().map_err(|_| wrong())?, minor.parse().map_err(|_| wrong())?))
    }
}
