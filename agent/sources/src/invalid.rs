//! What every decoder here checks: ports, protocols, addresses. Errors name the field as the Kubernetes
//! API does; its name is not written before there is an error, since a node decodes ten thousands of them.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use ipnet::IpNet;
use sheave_core::model::{ObjectKey, Peer, ServiceType, TrafficPolicy};

/// An object that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {key}: {field}: Invalid value: {value}: {why}", key = Key(key))]
pub struct Invalid {
    /// `Service`, `EndpointSlice`, ...
    pub kind: &'static str,
    /// Which.
    pub key: ObjectKey,
    /// Path from the object's root.
    pub field: Box<str>,
    /// As it was written.
    pub value: Box<str>,
    /// What is expected.
    pub why: &'static str,
}

struct Key<'a>(&'a ObjectKey);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.namespace.as_str() {
            "" => f.write_str(&self.0.name),
            namespace => write!(f, "{namespace}/{}", self.0.name),
        }
    }
}

/// A field that is wrong, before it is known of which object.
#[derive(Debug)]
pub(crate) struct Wrong {
    field: Box<str>,
    value: Box<str>,
    why: &'static str,
}

impl Wrong {
    pub(crate) fn new(
        field: impl fmt::Display,
        value: impl fmt::Display,
        why: &'static str,
    ) -> Self {
        Self { field: field.to_string().into(), value: value.to_string().into(), why }
    }

    pub(crate) fn of(self, kind: &'static str, key: &ObjectKey) -> Invalid {
        let Self { field, value, why } = self;
        Invalid { kind, key: key.clone(), field, value, why }
    }
}

/// A port that must be there.
pub(crate) fn port(
    field: impl fmt::Display,
    number: impl TryInto<u16> + fmt::Display + Copy,
) -> Result<NonZeroU16, Wrong> {
    let port = number.try_into().ok().and_then(NonZeroU16::new);
    port.ok_or_else(|| Wrong::new(field, number, "must be between 1 and 65535, inclusive"))
}

/// A port where 0 means none.
pub(crate) fn optional_port(
    field: impl fmt::Display,
    number: impl TryInto<u16> + fmt::Display + Copy + Default + PartialEq,
) -> Result<Option<NonZeroU16>, Wrong> {
    if number == Default::default() { Ok(None) } else { port(field, number).map(Some) }
}

/// Addresses in text form.
pub(crate) fn addresses(field: impl fmt::Display, texts: &[String]) -> Result<Vec<IpAddr>, Wrong> {
    // Exactly as many: an endpoint mostly has one, and there may be a quarter of a million of them.
    let mut addresses = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let address = text.parse().map_err(|_| {
            Wrong::new(format_args!("{field}[{index}]"), text, "must be a valid IP address")
        });
        addresses.push(address?);
    }
    Ok(addresses)
}

/// Ranges of addresses in CIDR notation; space around them is allowed, as the API allows it.
pub(crate) fn ranges(field: &str, texts: &[String]) -> Result<Vec<IpNet>, Wrong> {
    let range = |(index, text): (usize, &String)| {
        let parsed = text.trim().parse::<IpNet>();
        parsed.map(|range| range.trunc()).map_err(|_| {
            let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            Wrong::new(format_args!("{field}[{index}]"), text, why)
        })
    };
    texts.iter().enumerate().map(range).collect()
}

/// Another node: its InternalIP addresses and its pod ranges.
pub(crate) fn peer(name: &str, internal: &[String], ranges: &[String]) -> Result<Peer, Invalid> {
    let decoded = || {
        if name.is_empty() {
            return Err(Wrong::new("metadata.name", "\"\"", "must not be empty"));
        }
        let mut one_a_family = Vec::<IpAddr>::new();
        for address in addresses("status.addresses", internal)? {
            if one_a_family.iter().all(|known| known.is_ipv4() != address.is_ipv4()) {
                one_a_family.push(address);
            }
        }
        Ok(Peer {
            name: name.to_owned(),
            addresses: one_a_family,
            pod_ranges: self::ranges("spec.podCIDRs", ranges)?,
        })
    };
    let key = || ObjectKey { namespace: String::new(), name: name.to_owned() };
    decoded().map_err(|wrong| wrong.of("Node", &key()))
}

/// The health check port of a Service; nobody asks there unless traffic from outside stays on its node.
pub(crate) fn health_check_node_port(
    service_type: ServiceType,
    external: TrafficPolicy,
    number: impl TryInto<u16> + fmt::Display + Copy + Default + PartialEq,
) -> Result<Option<NonZeroU16>, Wrong> {
    let needed = service_type == ServiceType::LoadBalancer && external == TrafficPolicy::Local;
    let port = optional_port("spec.healthCheckNodePort", number)?;
    Ok(port.filter(|_| needed))
}
