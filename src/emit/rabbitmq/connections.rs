//! Who is connected to a broker, as `rabbitmqctl list_connections ... --formatter json` and its like for MQTT, STOMP and
//! streams tell it.
//!
//! The formatter writes Erlang's terms as JSON knows them (measured on 3.10 and 4.0): an address is a list of numbers, the
//! protocol `[0,9,1]`, a client's properties a list of `[name, type, value]`. The output of several commands may follow one
//! another. It is read as a stream: a broker may have a hundred thousand connections.

use std::fmt;
use std::io::{BufRead, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use crate::error::{Error, Result};

/// Some 500 bytes are what one connection takes.
const LONGEST: u64 = 256 << 20;

/// The commands that list the connections of a broker with these plugins, with the columns that are read here.
pub fn list_commands(plugins: &[String]) -> Vec<String> {
    let of_plugins = [
        (None, "list_connections user peer_host ssl auth_mechanism protocol client_properties"),
        (Some("rabbitmq_mqtt"), "list_mqtt_connections user peer_host ssl ssl_login_name protocol client_id"),
        (Some("rabbitmq_stomp"), "list_stomp_connections auth_login peer_host ssl auth_mechanism protocol"),
        (Some("rabbitmq_stream"), "list_stream_connections user peer_host ssl auth_mechanism client_properties"),
    ];
    let on = |plugin: Option<&str>| plugin.is_none_or(|plugin| plugins.iter().any(|one| one == plugin));
    let commands = of_plugins.iter().filter(|(plugin, _)| on(*plugin));
    commands.map(|(_, command)| format!("rabbitmqctl {command} --formatter json")).collect()
}

/// One client at the broker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// The user; empty before it has logged in.
    pub user: String,
    /// Where it comes from, as far as that is known.
    pub address: String,
    /// The protocol, in people's words.
    pub protocol: String,
    /// What the client calls itself: the name of the connection, else that of its library.
    pub client: String,
    /// Another broker's shovel or federation link, by the library that both use.
    pub is_broker: bool,
    /// It came by TLS.
    pub tls: bool,
    /// It logged in with a certificate.
    pub external: bool,
}

/// Reads every connection, in the order of the input; how many there were.
///
/// # Errors
/// The input is not what those commands print, lacks a column, is too long, or cannot be read.
pub fn read_connections(input: impl Read, mut each: impl FnMut(Connection)) -> Result<usize> {
    let mut input = std::io::BufReader::new(input).take(LONGEST);
    let (mut lists, mut count) = (0, 0);
    while more(&mut input)? {
        let mut json = serde_json::Deserializer::from_reader(&mut input);
        let list = Rows { each: &mut each, count: &mut count };
        list.deserialize(&mut json).map_err(|e| unreadable(&e, count))?;
        lists += 1;
    }
    match lists {
        0 if input.limit() == 0 => Err(wrong(format!("more than {} MiB", LONGEST >> 20))),
        0 => Err(wrong("there is nothing on standard input")),
        _ => Ok(count),
    }
}

/// Whether another list follows the white space.
fn more(input: &mut impl BufRead) -> Result<bool> {
    loop {
        let bytes = input.fill_buf().map_err(|e| wrong(crate::error::io_reason(&e)))?;
        let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
        match (bytes.is_empty(), blank == bytes.len()) {
            (true, _) => return Ok(false),
            (false, true) => input.consume(blank),
            (false, false) => return Ok(true),
        }
    }
}

fn wrong(why: impl fmt::Display) -> Error {
    Error::failed(format!("reading the connections: {why}"))
}

fn unreadable(error: &serde_json::Error, before: usize) -> Error {
    let after = if before == 0 { String::new() } else { format!("after {before} of them: ") };
    let why = error.to_string().replace('\n', " ");
    // Where in the text of a formatter a mistake is helps nobody: people do not write it.
    let why = why.split(" at line ").next().unwrap_or(&why);
    wrong(format!("{after}{why}"))
}

/// A list whose items are handed on one by one.
struct Rows<'a, F> {
    each: &'a mut F,
    count: &'a mut usize,
}

impl<'de, F: FnMut(Connection)> DeserializeSeed<'de> for Rows<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Connection)> Visitor<'de> for Rows<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list that --formatter json writes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> std::result::Result<(), A::Error> {
        while let Some(row) = rows.next_element::<Row>()? {
            (self.each)(row.read().map_err(serde::de::Error::custom)?);
            *self.count += 1;
        }
        Ok(())
    }
}

/// The columns, under the names that each of the commands has for them.
#[derive(Deserialize)]
struct Row {
    #[serde(alias = "auth_login")]
    user: Option<Value>,
    ssl: Option<Value>,
    auth_mechanism: Option<Value>,
    /// MQTT and STOMP: the name in the certificate, by which a client logs in that says no other.
    ssl_login_name: Option<Value>,
    peer_host: Option<Value>,
    protocol: Option<Value>,
    client_properties: Option<Value>,
    client_id: Option<Value>,
}

impl Row {
    fn read(self) -> std::result::Result<Connection, String> {
        let missing = |column: &str| format!("the column {column} is missing");
        let user = text(&self.user.ok_or_else(|| missing("user"))?);
        let tls = match self.ssl.ok_or_else(|| missing("ssl"))? {
            Value::Bool(tls) => tls,
            other => return Err(format!("the column ssl is not true or false but {}", short(&other))),
        };
        let external = match (&self.auth_mechanism, &self.ssl_login_name) {
            // "ssl" is STOMP's word for it.
            (Some(mechanism), _) if matches!(&*text(mechanism), "EXTERNAL" | "ssl") => true,
            // Erlang's atom for none at all.
            (_, Some(name)) => !matches!(user.as_str(), "" | "none") && text(name) == user,
            (Some(_), None) => false,
            (None, None) => return Err(missing("auth_mechanism (for MQTT: ssl_login_name)")),
        };
        let properties = self.client_properties.unwrap_or_default();
        let property = |name: &str| property(&properties, name);
        let own_name = property("connection_name").or_else(|| self.client_id.as_ref().map(text));
        Ok(Connection {
            user,
            address: self.peer_host.as_ref().map(address).unwrap_or_default(),
            // The command for streams has no such column.
            protocol: self.protocol.as_ref().map_or_else(|| "stream".to_owned(), protocol),
            is_broker: property("product").is_some_and(|p| p == "RabbitMQ")
                && property("platform").is_some_and(|p| p.starts_with("Erlang")),
            client: own_name.or_else(|| property("product")).unwrap_or_default(),
            tls,
            external: tls && external,
        })
    }
}

/// A string, in whichever way Erlang keeps it; what is none is shown as it is.
fn text(value: &Value) -> String {
    let character = |item: &Value| item.as_u64().and_then(|n| char::from_u32(u32::try_from(n).ok()?));
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(character).collect::<Option<_>>().unwrap_or_else(|| short(value)),
        other => short(other),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

/// `[127,0,0,1]`, or eight numbers; IPv4 comes as IPv6 where a listener takes both.
fn address(value: &Value) -> String {
    let numbers = value.as_array().and_then(|items| {
        items.iter().map(|n| n.as_u64().and_then(|n| u16::try_from(n).ok())).collect::<Option<Vec<u16>>>()
    });
    let address = match numbers.as_deref() {
        Some([a, b, c, d]) => {
            [*a, *b, *c, *d].map(u8::try_from).into_iter().collect::<std::result::Result<Vec<_>, _>>()
        }
        Some(groups) => {
            return match <[u16; 8]>::try_from(groups) {
                Ok(groups) => IpAddr::from(Ipv6Addr::from(groups)).to_canonical().to_string(),
                Err(_) => text(value),
            };
        }
        None => return text(value),
    };
    match address.as_deref() {
        Ok([a, b, c, d]) => Ipv4Addr::new(*a, *b, *c, *d).to_string(),
        _ => text(value),
    }
}

/// AMQP's are versions, `[0,9,1]`; the others say who they are, `["MQTT",[3,1,1]]` or, where they do not know the version,
/// `["MQTT","N/A"]`.
fn protocol(value: &Value) -> String {
    let numbers = |parts: &[Value], between: &str| {
        let numbers: Option<Vec<String>> = parts.iter().map(|part| part.as_u64().map(|n| n.to_string())).collect();
        numbers.map(|numbers| numbers.join(between))
    };
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(name), version]) => {
            let version = version.as_array().and_then(|version| numbers(version, "."));
            version.map_or_else(|| name.clone(), |version| format!("{name} {version}"))
        }
        Some(version) if version.len() <= 3 => {
            numbers(version, "-").map_or_else(|| short(value), |version| format!("AMQP {version}"))
        }
        _ => text(value),
    }
}

fn property(properties: &Value, name: &str) -> Option<String> {
    let of_list = |items: &Vec<Value>| {
        let mut triples = items.iter().filter_map(Value::as_array);
        triples.find(|t| t.first().is_some_and(|n| n == name)).and_then(|t| t.last()).map(text)
    };
    match properties {
        Value::Array(items) => of_list(items),
        Value::Object(map) => map.get(name).map(text),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RabbitMQ 3.10.8 and 4.0.5 print it.
    const AMQP: &str = r#"[
{"user":"orders","peer_host":[0,0,0,0,0,65535,32512,1],"ssl":false,"auth_mechanism":"PLAIN","protocol":[0,9,1],"client_properties":[["product","longstr","Pika Python Client Library"],["capabilities","table",[["basic.nack","bool",true]]],["connection_name","longstr","billing-job"]]}
,{"user":"fresh","peer_host":[10,0,0,7],"ssl":true,"auth_mechanism":"EXTERNAL","protocol":[0,9,1],"client_properties":[["product","longstr","RabbitMQ"],["platform","longstr","Erlang/OTP 25"]]}
]
"#;
    const MQTT: &str = r#"[
{"client_id":"anon","user":"guest","peer_host":[8193,3512,0,0,0,0,0,1],"ssl":true,"ssl_login_name":"none","protocol":["MQTT","N/A"]}
,{"client_id":"dev-1","user":"dev","peer_host":[127,0,0,1],"ssl":true,"ssl_login_name":"dev","protocol":["MQTT",[3,1,1]]}
]"#;
    const STOMP: &str = r#"[
{"auth_login":"orders","auth_mechanism":"ssl","peer_host":[0,0,0,0,0,65535,32512,1],"ssl":true,"protocol":["STOMP","0"]}
,{"auth_login":"orders","auth_mechanism":"stomp_headers","peer_host":[0,0,0,0,0,65535,32512,1],"ssl":true,"protocol":["STOMP","0"]}
]"#;

    fn read(text: &str) -> Result<Vec<Connection>, String> {
        let mut all = Vec::new();
        let count = read_connections(text.as_bytes(), |one| all.push(one)).map_err(|e| e.to_string())?;
        assert_eq!(count, all.len());
        Ok(all)
    }

    #[test]
    fn what_the_broker_prints_is_understood() {
        let all = read(&format!("{AMQP}{MQTT}\n\n{STOMP}")).unwrap();
        let told: Vec<_> =
            all.iter().map(|c| (&*c.user, &*c.address, &*c.protocol, &*c.client, c.tls, c.external)).collect();
        assert_eq!(
            told,
            [
                ("orders", "127.0.0.1", "AMQP 0-9-1", "billing-job", false, false),
                ("fresh", "10.0.0.7", "AMQP 0-9-1", "RabbitMQ", true, true),
                ("guest", "2001:db8::1", "MQTT", "anon", true, false),
                ("dev", "127.0.0.1", "MQTT 3.1.1", "dev-1", true, true),
                ("orders", "127.0.0.1", "STOMP", "", true, true),
                ("orders", "127.0.0.1", "STOMP", "", true, false),
            ]
        );
        assert_eq!(all.iter().map(|c| c.is_broker).collect::<Vec<_>>(), [false, true, false, false, false, false]);
        assert_eq!(read("[]\n[]").unwrap(), []);
    }

    /// Without TLS nobody has shown a certificate, whatever the column says.
    #[test]
    fn a_certificate_needs_tls() {
        let all = read(r#"[{"user":"a","ssl":false,"auth_mechanism":"EXTERNAL"}]"#).unwrap();
        assert!(!all[0].external && all[0].address.is_empty());
    }

    #[test]
    fn what_is_something_else_is_said() {
        for (text, why) in [
            ("", "there is nothing on standard input"),
            (" \n ", "there is nothing on standard input"),
            ("Listing connections ...\nuser\tssl\n", "expected value"),
            ("{\"items\":[]}", "invalid type: map, expected the list that --formatter json writes"),
            ("[1]", "invalid type: integer `1`"),
            ("[{\"user\":\"a\",\"ssl\":true}]", "the column auth_mechanism (for MQTT: ssl_login_name) is missing"),
            ("[{\"ssl\":true,\"auth_mechanism\":\"PLAIN\"}]", "the column user is missing"),
            ("[{\"user\":\"a\",\"auth_mechanism\":\"PLAIN\"}]", "the column ssl is missing"),
            (
                "[{\"user\":\"a\",\"ssl\":\"\\u001b[31m\",\"auth_mechanism\":\"\"}]",
                "the column ssl is not true or false",
            ),
            ("[{\"user\":\"a\",\"ssl\":false,\"auth_mechanism\":\"PLAIN\"},", "after 1 of them: EOF while parsing"),
            ("[]\0", "expected value"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why) && !error.contains('\u{1b}'), "{text:?}: {error}");
        }
    }

    #[test]
    fn plugins_have_commands_of_their_own() {
        let of = |plugins: &[&str]| list_commands(&plugins.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["rabbitmq_shovel"]).len(), 1);
        let both = of(&["rabbitmq_stream", "rabbitmq_mqtt"]);
        assert!(both[1].starts_with("rabbitmqctl list_mqtt_connections ") && both[2].contains(" list_stream_"));
    }

    #[test]
    fn hostile_values_are_only_text() {
        let text = r#"[{"user":[[]],"peer_host":[1e99,-1],"ssl":true,"auth_mechanism":{"a":1},"protocol":[[],{}],"client_properties":[1,[],["product"],["connection_name","longstr",null]]},
            {"user":"a\nb","peer_host":[999,0,0,1],"ssl":true,"auth_mechanism":"","protocol":[1,2,3,4],"client_properties":{"product":"x"}}]"#;
        let all = read(text).unwrap();
        assert_eq!((all[1].user.as_str(), all[1].client.as_str()), ("a\nb", "x"));
        assert!(all.iter().all(|one| !one.external));
        let deep = format!("[{{\"user\":{}", "[".repeat(100_000));
        assert!(read(&deep).unwrap_err().contains("recursion limit"));
    }
}
