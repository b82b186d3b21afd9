//! The values that a broker's keys may have.

use std::fmt;

/// A release of RabbitMQ.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BrokerVersion {
    /// Whatever RabbitMQ 3.10 to 4.3 accepts.
    Any,
    V3_10,
    V3_11,
    V3_12,
    V3_13,
    V4_0,
    V4_1,
    V4_2,
    V4_3,
}

/// The operating system of a broker's hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Linux, macOS and the like.
    Unix,
    /// Windows.
    Windows,
}

/// How inter-node TLS is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InterNodeTls {
    /// It is not: the files lie ready.
    Off,
    /// By an option file, which alone can make wildcard names work.
    File,
    /// By flags of the Erlang machine; needs exact names.
    Flags,
}

/// Whether a client must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientCertificates {
    /// No connection without one.
    Required,
    /// It is checked when there is one.
    Optional,
    /// None is asked for.
    None,
}

/// How far the clients have come on their way from plain to TLS. The files are the same in all three: listeners without
/// TLS stay open beside those with it, and certificates are optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Migration {
    /// They may have begun: nobody has looked.
    Open,
    /// At the last look somebody still came without TLS or by password.
    Used,
    /// At the last look nobody did.
    Unused,
}

/// What of a certificate is the user's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginFrom {
    /// The common name.
    CommonName,
    /// The whole subject.
    DistinguishedName,
    /// The first dNSName.
    SanDns,
    /// The first e-mail address.
    SanEmail,
    /// The first URI.
    SanUri,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// An enum with one word for each value.
macro_rules! words {
    ($type:ident: $($word:literal $value:ident),+) => {
        impl $type {
            /// The word for it in the manifest.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }

            /// All values with their words, in the order in which they are offered.
            pub fn words() -> impl Iterator<Item = (String, Self)> + Clone {
                [$(($word.to_owned(), Self::$value)),+].into_iter()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words!(BrokerVersion: "any" Any, "3.10" V3_10, "3.11" V3_11, "3.12" V3_12, "3.13" V3_13, "4.0" V4_0, "4.1" V4_1, "4.2" V4_2, "4.3" V4_3);
words!(Platform: "unix" Unix, "windows" Windows);
words!(ClientCertificates: "required" Required, "optional" Optional, "none" None);
words!(Migration: "open" Open, "used" Used, "unused" Unused);
words!(LoginFrom: "common_name" CommonName, "distinguished_name" DistinguishedName, "san dns" SanDns, "san email" SanEmail, "san uri" SanUri);
words!(TlsVersion: "1.3" V1_3, "1.2" V1_2);
words!(InterNodeTls: "false" Off, "true" File, "flags" Flags);
