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

impl Target {
    /// The oldest Erlang/OTP that can be under it: `OTP_MINIMUM` in the sources of 3.10.8, 3.11.28, 3.12.14, 3.13.7, 4.0.5,
    /// 4.1.8, 4.2.9 and 4.3.5.
    pub(super) fn oldest_otp(self) -> u8 {
        match self {
            Self::Otp(release) => release,
            Self::RabbitMq(..=2, _) | Self::RabbitMq(3, ..=9) => 23,
            Self::RabbitMq(3, 10) => 24,
            Self::RabbitMq(3, 11 | 12) => 25,
            Self::RabbitMq(3, _) | Self::RabbitMq(4, ..=1) => 26,
            Self::RabbitMq(..) => 27,
        }
    }

    /// Whether Erlang/OTP 26 may be under it, which made verification the rule for clients and dropped SHA-1.
    pub(super) fn may_have_otp_26(self) -> bool {
        self.oldest_otp() >= 26 || self == Self::RabbitMq(3, 12)
    }

    /// The release of RabbitMQ, where it is one.
    pub(super) fn rabbitmq(self) -> Option<(u8, u8)> {
        match self {
            Self::RabbitMq(major, minor) => Some((major, minor)),
            Self::Otp(_) => None,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RabbitMq(major, minor) => write!(f, "RabbitMQ {major}.{minor}"),
            Self::Otp(release) => write!(f, "Erlang/OTP {release}"),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_and_shown() {
        for (text, shown, otp) in [
            ("rabbitmq-3.10", "RabbitMQ 3.10", 24),
            ("rabbitmq-3.13", "RabbitMQ 3.13", 26),
            ("rabbitmq-4.3", "RabbitMQ 4.3", 27),
            ("otp-27", "Erlang/OTP 27", 27),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.to_string().as_str(), target.oldest_otp()), (shown, otp));
            assert_eq!(target.may_have_otp_26(), otp >= 26);
        }
        for text in ["4.3", "rabbitmq-4", "otp-", "otp-x", "rabbitmq-4.3.1", "erlang-27"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
