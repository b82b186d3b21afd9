//! Listeners that a proxy alone reaches. What arrives at them begins with a PROXY header that says from where it comes; both of
//! its versions are understood. The name in a client's certificate, which the second can carry, RabbitMQ does not read.

use super::conf::Conf;
use super::facts::Proxy;
use crate::error::Result;

pub(super) fn amqp(conf: &mut Conf, proxy: &Proxy) -> Result<()> {
    conf.comment("AMQP: TLS alone, from the proxy alone; the header before it says from where a client really comes.");
    conf.set("listeners.tcp", "none")?;
    conf.set("listeners.ssl.default", format!("{}:{}", proxy.address, proxy.amqp_port))?;
    conf.set("proxy_protocol", "true")
}

pub(super) fn mqtt(conf: &mut Conf, proxy: &Proxy) -> Result<()> {
    conf.comment(
        "MQTT: from the proxy alone, which has ended TLS. The broker takes no name from a proxy, so devices log in with\n\
         a password.",
    );
    conf.set("mqtt.listeners.tcp.default", format!("{}:{}", proxy.address, proxy.mqtt_port))?;
    conf.set("mqtt.proxy_protocol", "true")?;
    conf.set("mqtt.ssl_cert_login", "false")?;
    conf.set("mqtt.allow_anonymous", "false")
}

pub(super) fn management(conf: &mut Conf, proxy: &Proxy) -> Result<()> {
    conf.set("management.ssl.ip", proxy.address.to_string())
}
