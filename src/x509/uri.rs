//! URIs that a certificate may hold (RFC 3986 with the limits of RFC 5280 4.2.1.6).

use std::net::{IpAddr, Ipv6Addr};

use super::X509Error;
use super::san::check_host;
use crate::ui::quote;

/// `text` is an absolute URI that a certificate may hold.
pub fn is_uri(text: &str) -> bool {
    uri_fault(text).is_none()
}

/// RFC 3986; with an authority, RFC 5280 wants a host in it.
pub(super) fn parse_uri(text: &str) -> Result<String, X509Error> {
    match uri_fault(text) {
        Some(why) => Err(X509Error::Invalid(format!("{} is not a URI: {why}", quote(text)))),
        None => Ok(text.to_owned()),
    }
}

/// Why `text` is no absolute URI that a certificate may hold.
pub(super) fn uri_fault(text: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Some("it has no scheme, such as https:// or spiffe://");
    };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !scheme_ok {
        return Some("its scheme is not letters, digits, +, - and .");
    }
    if !text.is_ascii() {
        return Some("it has characters outside ASCII; percent-encode them");
    }
    if !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b)) {
        return Some("it has a character that must be percent-encoded");
    }
    let mut percent = rest.split('%').skip(1);
    if !percent.all(|escape| escape.len() >= 2 && escape.bytes().take(2).all(|b| b.is_ascii_hexdigit())) {
        return Some("it has a % without two hexadecimal digits");
    }
    match rest.strip_prefix("//") {
        Some(rest) => authority_fault(rest.split(['/', '?', '#']).next().unwrap_or_default()),
        None if rest.is_empty() => Some("nothing follows its scheme"),
        None => None,
    }
}

/// The host of a URI with an authority, if it is a name and no address.
pub(super) fn uri_host(uri: &str) -> Option<&str> {
    let authority = uri.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split(':').next().filter(|host| !host.is_empty() && !host.starts_with('['))?;
    host.parse::<IpAddr>().is_err().then_some(host)
}

fn authority_fault(authority: &str) -> Option<&'static str> {
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match host_port.strip_prefix('[') {
        Some(rest) => {
            let Some((ip, port)) = rest.split_once(']') else {
                return Some("its IPv6 address is not closed by ]");
            };
            if ip.parse::<Ipv6Addr>().is_err() {
                return Some("what stands in brackets is not an IPv6 address");
            }
            (None, port)
        }
        None => {
            let (host, port) = host_port.find(':').map_or((host_port, ""), |colon| host_port.split_at(colon));
            (Some(host), port)
        }
    };
    if !port.is_empty() && port.strip_prefix(':').is_none_or(|port| port.parse::<u16>().is_err()) {
        return Some("its port is not a number");
    }
    match host {
        Some("") => Some("it has no host"),
        Some(host) if host.parse::<IpAddr>().is_err() && check_host(host).is_err() => {
            Some("its host is not a host name")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_uri_is_found_if_it_is_a_name() {
        for (uri, host) in [
            ("https://joe@a.example.com:1/x?y@z", Some("a.example.com")),
            ("spiffe://cluster.local", Some("cluster.local")),
            ("https://10.0.0.1/", None),
            ("https://[::1]/", None),
            ("urn:x:y", None),
        ] {
            assert_eq!(uri_host(uri), host, "{uri}");
            assert!(is_uri(uri), "{uri}");
        }
    }
}
