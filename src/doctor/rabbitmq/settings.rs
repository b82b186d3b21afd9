//! Which settings RabbitMQ has, in which releases, with which values; and what people write in their place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::OnceLock;

/// The table, with its own header.
const TABLE: &str = include_str!("settings.txt");

/// A release of RabbitMQ, major and minor.
pub(super) type Release = (u8, u8);

/// The releases that the table speaks of.
pub(super) const OLDEST: Release = (3, 10);
pub(super) const NEWEST: Release = (4, 3);

/// One setting, or a family of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Its name, with `$word` for what people choose.
    pub(super) name: &'static str,
    /// What it can be; nothing: any text.
    pub(super) values: Vec<&'static str>,
    /// The first release that has it.
    pub(super) since: Release,
    /// The last one.
    pub(super) until: Release,
}

impl Known {
    /// Whether `value` can be set.
    pub(super) fn takes(&self, value: &str) -> bool {
        let fits = |word: &&str| match *word {
            "INTEGER" => {
                value.strip_prefix('-').unwrap_or(value).bytes().all(|b| b.is_ascii_digit()) && !value.is_empty()
            }
            "NUMBER" => value.parse::<f64>().is_ok_and(f64::is_finite),
            // The port stands behind the last colon; brackets and names of hosts are not known.
            "ADDRESS" => value.rsplit_once(':').map_or_else(
                || value.parse::<i64>().is_ok(),
                |(address, port)| address.parse::<IpAddr>().is_ok() && port.parse::<u16>().is_ok(),
            ),
            word => word == value,
        };
        self.values.is_empty() || self.values.iter().any(fits)
    }

    /// Whether that release has it.
    pub(super) fn is_in(&self, release: Release) -> bool {
        (self.since..=self.until).contains(&release)
    }
}

fn table() -> &'static HashMap<&'static str, Vec<Known>> {
    static READ: OnceLock<HashMap<&'static str, Vec<Known>>> = OnceLock::new();
    READ.get_or_init(|| {
        let mut table: HashMap<_, Vec<Known>> = HashMap::new();
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let known = known(line);
            table.entry(root(known.name)).or_default().push(known);
        }
        table
    })
}

fn known(line: &'static str) -> Known {
    let (mut values, mut since, mut until) = (Vec::new(), OLDEST, NEWEST);
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    for word in words {
        match word.split_once("..") {
            Some((first, last)) => {
                since = release(first).unwrap_or(since);
                until = release(last).unwrap_or(until);
            }
            None => values = word.split('|').collect(),
        }
    }
    Known { name, values, since, until }
}

/// `4.3`
fn release(text: &str) -> Option<Release> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// What the table says of a setting.
pub(super) fn find(key: &str) -> Option<&'static Known> {
    let fits = |known: &&Known| {
        let (mut has, mut wants) = (key.split('.'), known.name.split('.'));
        loop {
            match (has.next(), wants.next()) {
                (None, None) => return true,
                (Some(has), Some(wants)) if has == wants || (wants.starts_with('$') && !has.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let family = table().get(root(key))?;
    // A setting of its own is meant before one of a family.
    family.iter().find(|known| known.name == key).or_else(|| family.iter().find(fits))
}

/// Every setting there is.
pub(super) fn all() -> impl Iterator<Item = &'static Known> {
    table().values().flatten()
}

/// RabbitMQ's own name, or one that is often taken for one.
pub(in crate::doctor) fn is_meant(key: &str) -> bool {
    find(key).is_some() || real_name(key).is_some()
}

/// Names that were published, or are obvious to think of, and what was meant. Those without a second part have no setting
/// that does it.
const INVENTED: &[(&str, &str)] = &[
    ("ssl_listeners.tcp.high_water_mark", ""),
    ("ssl_listeners.tcp.backlog", "tcp_listen_options.backlog"),
    ("ssl_listeners", "listeners.ssl.default"),
    ("ssl_listeners.default", "listeners.ssl.default"),
    ("ssl_certfile", "ssl_options.certfile"),
    ("ssl_keyfile", "ssl_options.keyfile"),
    ("ssl_cacertfile", "ssl_options.cacertfile"),
    ("ssl_ca_file", "ssl_options.cacertfile"),
    ("ssl_cafile", "ssl_options.cacertfile"),
    ("ssl_verify", "ssl_options.verify"),
    ("ssl_fail_if_no_peer_cert", "ssl_options.fail_if_no_peer_cert"),
    ("ssl_options.ca_certfile", "ssl_options.cacertfile"),
    ("ssl_options.cafile", "ssl_options.cacertfile"),
    ("ssl_options.ca", "ssl_options.cacertfile"),
    ("ssl_options.cacert", "ssl_options.cacertfile"),
    ("ssl_options.cert_file", "ssl_options.certfile"),
    ("ssl_options.certificate", "ssl_options.certfile"),
    ("ssl_options.key", "ssl_options.keyfile"),
    ("ssl_options.key_file", "ssl_options.keyfile"),
    ("ssl_options.versions", "ssl_options.versions.1"),
    ("ssl_options.ciphers", "ssl_options.ciphers.1"),
    ("ssl_options.crl_cache", "ssl_options in advanced.config"),
    ("listeners.tls.default", "listeners.ssl.default"),
    ("listeners.ssl", "listeners.ssl.default"),
    ("tls_options.cacertfile", "ssl_options.cacertfile"),
    ("tls_options.certfile", "ssl_options.certfile"),
    ("tls_options.keyfile", "ssl_options.keyfile"),
    ("tls_options.verify", "ssl_options.verify"),
    ("auth_mechanisms", "auth_mechanisms.1"),
    ("ssl_cert_login", "mqtt.ssl_cert_login"),
    ("mqtt.ssl_cert_login_from", "ssl_cert_login_from"),
    ("mqtt.listeners.ssl", "mqtt.listeners.ssl.default"),
    ("mqtt.ssl_options.cacertfile", "ssl_options.cacertfile"),
    ("mqtt.ssl_options.certfile", "ssl_options.certfile"),
    ("mqtt.ssl_options.keyfile", "ssl_options.keyfile"),
    ("mqtt.ssl_options.verify", "ssl_options.verify"),
    ("management.ssl.crl_check", ""),
    ("management.ssl.enabled", "management.ssl.port"),
    ("management.listener.ssl_options.cacertfile", "management.ssl.cacertfile"),
    ("management.listener.ssl_options.certfile", "management.ssl.certfile"),
    ("management.listener.ssl_options.keyfile", "management.ssl.keyfile"),
    ("management.ssl_options.cacertfile", "management.ssl.cacertfile"),
    ("management.ssl_options.certfile", "management.ssl.certfile"),
    ("management.ssl_options.keyfile", "management.ssl.keyfile"),
    ("load_definition", "load_definitions"),
    ("definitions_file", "load_definitions"),
];

/// What was meant by a name that RabbitMQ does not have: an empty text where nothing does it.
pub(super) fn real_name(key: &str) -> Option<&'static str> {
    INVENTED.iter().find(|(name, _)| *name == key).map(|(_, real)| *real)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_as_it_is_written() {
        let listener = find("listeners.ssl.default").unwrap();
        assert_eq!((listener.name, listener.since, listener.until), ("listeners.ssl.$name", OLDEST, NEWEST));
        let verify = find("ssl_options.verify").unwrap();
        assert!(verify.takes("verify_peer") && !verify.takes("peer"));
        let depth = find("ssl_options.depth").unwrap();
        assert!(depth.takes("3") && !depth.takes("three") && !depth.takes(""));
        for (value, fits) in [
            ("5671", true),
            ("127.0.0.1:5671", true),
            (":::5671", true),
            ("[::1]:5671", false),
            ("localhost:5671", false),
            ("none", false),
        ] {
            assert_eq!(listener.takes(value), fits, "{value}");
        }
        let mark = find("vm_memory_high_watermark.relative").unwrap();
        assert!(mark.takes("0.4") && !mark.takes("zz"));
        let anonymous = find("anonymous_login_user").unwrap();
        assert!(anonymous.is_in((4, 0)) && !anonymous.is_in((3, 13)));
        assert!(find("mqtt.default_user").unwrap().until < (4, 0));
        assert!(find("ssl_options.certfile.x").is_none() && find("ssl_options").unwrap().takes("none"));
        assert!(all().count() > 1000);
    }

    #[test]
    fn no_invented_name_is_real_and_each_remedy_is() {
        for (invented, real) in INVENTED {
            assert!(find(invented).is_none_or(|known| known.values == ["none"]), "{invented}");
            assert!(real.is_empty() || real.contains(' ') || find(real).is_some(), "{invented}: {real}");
        }
    }
}
