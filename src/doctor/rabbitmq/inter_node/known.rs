//! The options of Erlang's `ssl`: which exist, in which section, and with which versions of TLS.
//!
//! Asked of OTP 25 and OTP 27 themselves, option by option and version by version, by the function that the distribution
//! passes its option file to (`ssl:handle_options`). OTP 26 brought the new rules; 29 was asked about those that people use
//! (`fail_if_no_peer_cert`, `secure_renegotiate`) and follows 27.

/// An option, and what two generations of Erlang make of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: &'static str,
    /// Where OTP 25 takes it.
    pub(super) old: Place,
    /// Where OTP 26 and later take it.
    pub(super) new: Place,
    pub(super) needs: Needs,
}

/// A section in which an option may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Both,
    Server,
    Client,
    /// There is no such option.
    Unknown,
}

/// The versions of TLS with which an option may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// Refused where TLS 1.3 stands alone.
    Tls12,
    /// Refused where TLS 1.3 is missing.
    Tls13,
    /// Refused without TLS 1.0 or 1.1.
    Tls11,
}

use Needs::{Nothing, Tls11, Tls12, Tls13};
use Place::{Both, Client, Server, Unknown};

const fn known(name: &'static str, old: Place, new: Place, needs: Needs) -> Known {
    Known { name, old, new, needs }
}

/// All of them.
const OPTIONS: &[Known] = &[
    known("allow_any_ca_purpose", Unknown, Both, Nothing),
    known("alpn_advertised_protocols", Both, Client, Nothing),
    known("alpn_preferred_protocols", Both, Server, Nothing),
    known("anti_replay", Both, Server, Tls13),
    known("beast_mitigation", Both, Both, Tls11),
    known("cacertfile", Both, Both, Nothing),
    known("cacerts", Both, Both, Nothing),
    known("cb_info", Both, Both, Nothing),
    known("cert", Both, Both, Nothing),
    known("cert_policy_opts", Unknown, Both, Nothing),
    known("certfile", Both, Both, Nothing),
    known("certificate_authorities", Both, Both, Tls13),
    known("certs_keys", Both, Both, Nothing),
    known("ciphers", Both, Both, Nothing),
    known("client_preferred_next_protocols", Both, Client, Tls12),
    known("client_renegotiation", Server, Server, Tls12),
    known("cookie", Server, Server, Tls13),
    known("crl_cache", Both, Both, Nothing),
    known("crl_check", Both, Both, Nothing),
    known("customize_hostname_check", Both, Client, Nothing),
    known("depth", Both, Both, Nothing),
    known("dh", Both, Server, Nothing),
    known("dhfile", Both, Server, Nothing),
    known("early_data", Both, Both, Nothing),
    known("eccs", Both, Both, Nothing),
    known("erl_dist", Both, Both, Nothing),
    known("fail_if_no_peer_cert", Both, Server, Nothing),
    known("fallback", Client, Client, Nothing),
    known("handshake", Both, Both, Nothing),
    known("hibernate_after", Both, Both, Nothing),
    known("honor_cipher_order", Server, Server, Nothing),
    known("honor_ecc_order", Server, Server, Nothing),
    known("keep_secrets", Both, Both, Nothing),
    known("key", Both, Both, Nothing),
    known("key_update_at", Both, Both, Tls13),
    known("keyfile", Both, Both, Nothing),
    known("ktls", Unknown, Both, Nothing),
    known("log_level", Both, Both, Nothing),
    known("max_fragment_length", Both, Client, Nothing),
    known("max_handshake_size", Both, Both, Nothing),
    known("middlebox_comp_mode", Both, Both, Nothing),
    known("next_protocols_advertised", Both, Server, Tls12),
    known("ocsp_nonce", Both, Unknown, Nothing),
    known("ocsp_responder_certs", Both, Unknown, Nothing),
    known("ocsp_stapling", Both, Unknown, Nothing),
    known("padding_check", Both, Both, Tls11),
    known("partial_chain", Both, Both, Nothing),
    known("password", Both, Both, Nothing),
    known("protocol", Both, Both, Nothing),
    known("psk_identity", Both, Both, Tls12),
    known("receiver_spawn_opts", Both, Both, Nothing),
    known("renegotiate_at", Both, Both, Nothing),
    known("reuse_session", Both, Both, Tls12),
    known("reuse_sessions", Both, Both, Tls12),
    known("secure_renegotiate", Both, Both, Tls12),
    known("sender_spawn_opts", Both, Both, Nothing),
    known("server_name_indication", Both, Client, Nothing),
    known("session_tickets", Both, Both, Nothing),
    known("signature_algs", Both, Both, Nothing),
    known("signature_algs_cert", Both, Both, Nothing),
    known("sni_fun", Both, Server, Nothing),
    known("sni_hosts", Both, Server, Nothing),
    known("srp_identity", Both, Both, Tls12),
    known("ssl_imp", Both, Both, Nothing),
    known("stapling", Unknown, Client, Nothing),
    known("stateless_tickets_seed", Unknown, Server, Nothing),
    known("supported_groups", Both, Both, Tls13),
    known("use_srtp", Unknown, Both, Nothing),
    known("use_ticket", Both, Client, Tls13),
    known("user_lookup_fun", Both, Both, Tls12),
    known("verify", Both, Both, Nothing),
    known("verify_fun", Both, Both, Nothing),
    known("versions", Both, Both, Nothing),
];

/// Options of a socket, which pass through.
const SOCKET: &[&str] = &[
    "active",
    "bind_to_device",
    "buffer",
    "debug",
    "delay_send",
    "deliver",
    "dontroute",
    "exit_on_close",
    "exclusiveaddruse",
    "header",
    "high_msgq_watermark",
    "high_watermark",
    "inet",
    "inet6",
    "ip",
    "ipv6_v6only",
    "keepalive",
    "linger",
    "list",
    "binary",
    "local",
    "low_msgq_watermark",
    "low_watermark",
    "mode",
    "netns",
    "nodelay",
    "nopush",
    "packet",
    "packet_size",
    "priority",
    "raw",
    "read_ahead",
    "read_packets",
    "recbuf",
    "recvtclass",
    "recvtos",
    "recvttl",
    "reuseaddr",
    "reuseport",
    "reuseport_lb",
    "send_timeout",
    "send_timeout_close",
    "show_econnreset",
    "sndbuf",
    "tclass",
    "tos",
    "ttl",
];

/// The option of that name.
pub(super) fn option(name: &str) -> Option<&'static Known> {
    OPTIONS.iter().find(|option| option.name == name)
}

/// Whether `name` is an option of sockets.
pub(super) fn is_of_sockets(name: &str) -> bool {
    SOCKET.contains(&name)
}

/// The name that somebody meant who wrote `name`.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    crate::profile::nearest(name, OPTIONS.iter().map(|option| option.name))
}

impl Place {
    /// Whether the section of that name is one of them.
    pub(super) fn takes(self, section: &str) -> bool {
        match self {
            Both => true,
            Server => section == "server",
            Client => section == "client",
            Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_names_nothing_twice() {
        assert!(OPTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(SOCKET.iter().all(|name| option(name).is_none()));
        assert_eq!(meant("cacertfiles"), Some("cacertfile"));
    }
}
