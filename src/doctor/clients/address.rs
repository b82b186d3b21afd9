//! Where a client connects to, as a URL says it.

/// `amqps://user:password@host:port/vhost`, without what is secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) struct Address {
    /// In lower case.
    pub(in crate::doctor) scheme: String,
    /// It names a user.
    pub(in crate::doctor) has_user: bool,
    /// The host, where it is written in the text.
    pub(in crate::doctor) host: Option<String>,
    /// The port, where it is written in the text.
    pub(in crate::doctor) port: Option<u16>,
}

impl Address {
    /// The addresses in a text: several are parted by `;` or `,`, and only the first must name a scheme.
    pub(in crate::doctor) fn all(text: &str) -> Vec<Self> {
        let mut scheme = None;
        let parts = text.split([';', ',']).map(str::trim);
        parts
            .filter_map(|part| {
                let (own, rest) = match part.split_once("://") {
                    Some((own, rest)) => (own.to_ascii_lowercase(), rest),
                    None => (scheme.clone()?, part),
                };
                scheme = Some(own.clone());
                Some(Self::read(own, rest))
            })
            .collect()
    }

    fn read(scheme: String, rest: &str) -> Self {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, port)) => (host, port.trim_start_matches(':')),
            None => place.split_once(':').unwrap_or((place, "")),
        };
        // A placeholder is no host.
        let host = Some(host).filter(|host| !host.is_empty() && !host.contains(['{', '}', '%', '$', '<']));
        Self { scheme, has_user: user.is_some(), host: host.map(str::to_owned), port: port.parse().ok() }
    }

    /// It speaks AMQP.
    pub(in crate::doctor) fn is_amqp(&self) -> bool {
        matches!(self.scheme.as_str(), "amqp" | "amqps" | "pyamqp" | "librabbitmq")
    }

    /// Its scheme alone means TLS.
    pub(in crate::doctor) fn is_tls(&self) -> bool {
        self.scheme == "amqps"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let read = |text: &str| {
            let all = Address::all(text);
            all.into_iter().map(|a| (a.scheme, a.has_user, a.host.unwrap_or_default(), a.port)).collect::<Vec<_>>()
        };
        let one = |scheme: &str, user, host: &str, port| vec![(scheme.to_owned(), user, host.to_owned(), port)];
        assert_eq!(read("amqps://u:p@mq.example.com:5671/v"), one("amqps", true, "mq.example.com", Some(5671)));
        assert_eq!(read("AMQP://[::1]:5672"), one("amqp", false, "::1", Some(5672)));
        assert_eq!(read("amqp://{}:5671/{}"), one("amqp", false, "", Some(5671)));
        assert_eq!(read("amqp://"), one("amqp", false, "", None));
        assert_eq!(read("rpc"), []);
        let several = read("amqps://a:1;b:2");
        assert_eq!(several.len(), 2);
        assert_eq!(several[1], ("amqps".to_owned(), false, "b".to_owned(), Some(2)));
    }
}
