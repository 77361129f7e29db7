//! Listeners, by Kafka's names: `listeners`, `advertised.listeners`, `listener.security.protocol.map`.
//!
//! A listener is a name, the address that is listened on, and the address that its clients are told to connect to. That is the
//! advertised one; without one, a client is told the address that it came to, which is one that it can reach.

use std::collections::BTreeMap;

use millstream_protocol::Endpoint;

use super::{ConfigError, Properties};

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name, in capitals.
    pub name: String,
    /// Where it listens; an empty host is every address of the machine.
    pub address: Endpoint,
    /// The address that its clients learn.
    pub advertised: Option<Endpoint>,
}

impl Listener {
    /// The listener of a broker that has one and advertises nothing.
    pub fn plain(host: &str, port: u16) -> Self {
        Listener { name: "PLAINTEXT".into(), address: Endpoint { host: host.into(), port }, advertised: None }
    }
}

const LISTENERS: &str = "listeners";
const ADVERTISED: &str = "advertised.listeners";
const PROTOCOLS: &str = "listener.security.protocol.map";
/// Kafka's protocols; only the first one is there yet.
const KNOWN_PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// The listeners of a broker; none if the property is not set.
pub(super) fn listeners(properties: &Properties) -> Result<Vec<Listener>, ConfigError> {
    let text = |name: &str| properties.get(name).map_or("", String::as_str).trim();
    let protocols = protocols(text(PROTOCOLS))?;
    let mut advertised = parse(ADVERTISED, text(ADVERTISED))?;
    let mut found: Vec<Listener> = Vec::new();
    for (name, address) in parse(LISTENERS, text(LISTENERS))? {
        check_protocol(&name, &protocols, text(LISTENERS))?;
        if found.iter().any(|other| address.port != 0 && other.address.port == address.port) {
            return Err(invalid(LISTENERS, text(LISTENERS), format!("port {} stands there twice", address.port)));
        }
        let told = advertised.iter().position(|(other, _)| *other == name).map(|place| advertised.remove(place).1);
        found.push(Listener { name, address, advertised: told });
    }
    // Without listeners there is the one of the flag, and it may be advertised.
    if found.is_empty() && advertised.len() <= 1 {
        return Ok(Vec::new());
    }
    match advertised.first() {
        Some((name, _)) => Err(invalid(ADVERTISED, text(ADVERTISED), format!("there is no listener {name} in {LISTENERS}"))),
        None => Ok(found),
    }
}

/// The advertised address of the one listener of a flag, if it is set.
pub(super) fn advertised_of_one(properties: &Properties) -> Result<Option<Endpoint>, ConfigError> {
    let mut advertised = parse(ADVERTISED, properties.get(ADVERTISED).map_or("", String::as_str).trim())?;
    Ok(advertised.pop().map(|(_, endpoint)| endpoint))
}

fn invalid(name: &str, value: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { name: name.into(), value: value.into(), reason: reason.into() }
}

fn protocols(text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut found: BTreeMap<String, String> = KNOWN_PROTOCOLS.iter().map(|name| ((*name).into(), (*name).into())).collect();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, protocol) =
            pair.split_once(':').ok_or_else(|| invalid(PROTOCOLS, text, format!("write NAME:PROTOCOL instead of {pair}")))?;
        let protocol = protocol.trim().to_uppercase();
        if !KNOWN_PROTOCOLS.contains(&protocol.as_str()) {
            return Err(invalid(PROTOCOLS, text, format!("there is no security protocol {protocol}")));
        }
        found.insert(name.trim().to_uppercase(), protocol);
    }
    Ok(found)
}

fn check_protocol(listener: &str, protocols: &BTreeMap<String, String>, text: &str) -> Result<(), ConfigError> {
    match protocols.get(listener).map(String::as_str) {
        Some("PLAINTEXT") => Ok(()),
        Some(other) => Err(invalid(LISTENERS, text, format!("listener {listener} uses {other}, and only PLAINTEXT is supported yet"))),
        None => Err(invalid(
            LISTENERS,
            text,
            format!("no security protocol is given for listener {listener}: add {listener}:PLAINTEXT to {PROTOCOLS}"),
        )),
    }
}

/// `NAME://host:port` with commas between.
fn parse(property: &str, text: &str) -> Result<Vec<(String, Endpoint)>, ConfigError> {
    let mut found: Vec<(String, Endpoint)> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let refuse = |reason: String| invalid(property, text, reason);
        let (name, address) = part.split_once("://").ok_or_else(|| refuse(format!("write NAME://HOST:PORT instead of {part}")))?;
        let (host, port) = address.rsplit_once(':').ok_or_else(|| refuse(format!("{part} has no port")))?;
        let port: u16 = port.parse().map_err(|_| refuse(format!("{port:?} is no port, in {part}")))?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = name.trim().to_uppercase();
        if name.is_empty() || host.chars().any(|c| c.is_whitespace() || "[]/".contains(c)) {
            return Err(refuse(format!("write NAME://HOST:PORT instead of {part}, an IPv6 address in brackets")));
        }
        if property == ADVERTISED && (host.is_empty() || matches!(host, "0.0.0.0" | "::") || port == 0) {
            return Err(refuse(format!("nobody can connect to {address}: give an address and a port that clients can reach")));
        }
        if found.iter().any(|(other, _)| *other == name) {
            return Err(refuse(format!("listener {name} stands there twice")));
        }
        found.push((name, Endpoint { host: host.into(), port }));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Vec<Listener>, String> {
        let properties = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        listeners(&properties).map_err(|error| error.to_string())
    }

    #[test]
    fn listeners_have_names_addresses_and_what_clients_are_told() {
        let found = of(&[
            ("listeners", "PLAINTEXT://127.0.0.1:9092, external://:9094"),
            ("advertised.listeners", "EXTERNAL://broker.example.org:19094"),
            ("listener.security.protocol.map", "EXTERNAL:PLAINTEXT"),
        ])
        .unwrap();
        assert_eq!(found[0], Listener::plain("127.0.0.1", 9092));
        assert_eq!((found[1].name.as_str(), found[1].address.to_string().as_str()), ("EXTERNAL", ":9094"));
        assert_eq!(found[1].advertised.as_ref().map(ToString::to_string).as_deref(), Some("broker.example.org:19094"));
        let found = of(&[("listeners", "PLAINTEXT://[::1]:9092")]).unwrap();
        assert_eq!((found[0].address.host.as_str(), found[0].address.to_string().as_str()), ("::1", "[::1]:9092"));
        assert_eq!(of(&[]), Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_be_listened_on_or_reached_is_refused() {
        let map = ("listener.security.protocol.map", "A:PLAINTEXT,B:PLAINTEXT");
        for (pairs, reason) in [
            (vec![("listeners", "localhost:9092")], "write NAME://HOST:PORT instead of localhost:9092"),
            (vec![("listeners", "PLAINTEXT://localhost")], "has no port"),
            (vec![("listeners", "PLAINTEXT://localhost:")], "is no port"),
            (vec![("listeners", "PLAINTEXT://localhost:65536")], "is no port"),
            (vec![("listeners", "PLAINTEXT://a:1,PLAINTEXT://b:2")], "listener PLAINTEXT stands there twice"),
            (vec![("listeners", "A://a:1,B://b:1"), map], "port 1 stands there twice"),
            (vec![("listeners", "INTERNAL://a:1")], "add INTERNAL:PLAINTEXT to listener.security.protocol.map"),
            (vec![("listeners", "SSL://a:1")], "only PLAINTEXT is supported yet"),
            (vec![("listeners", "A://a:1"), ("listener.security.protocol.map", "A:TLS")], "no security protocol TLS"),
            (vec![("listeners", "PLAINTEXT://a:1"), ("advertised.listeners", "OTHER://b:1")], "there is no listener OTHER"),
            (vec![("listeners", "PLAINTEXT://a:1"), ("advertised.listeners", "PLAINTEXT://0.0.0.0:1")], "nobody can connect to 0.0.0.0:1"),
            (vec![("listeners", "PLAINTEXT://a:1"), ("advertised.listeners", "PLAINTEXT://:1")], "nobody can connect to :1"),
            (vec![("listeners", "PLAINTEXT://a:1"), ("advertised.listeners", "PLAINTEXT://b:0")], "nobody can connect to b:0"),
            (vec![("listeners", "PLAINTEXT://a:1"), ("advertised.listeners", "PLAINTEXT://b")], "has no port"),
            (vec![("advertised.listeners", "A://a:1,B://b:1")], "there is no listener A"),
        ] {
            let refused = of(&pairs).expect_err(&format!("{pairs:?}"));
            assert!(refused.contains(reason), "{pairs:?}: {refused}");
        }
    }
}
