//! The plugin's part of the network configuration: what may be written there, checked once.
//!
//! ```json
//! { "type": "sheave-cni",
//!   "ranges": ["10.244.0.0/24"],
//!   "dataDir": "/var/lib/sheave/agent/cni/addresses",
//!   "bpffsDir": "/sys/fs/bpf/sheave",
//!   "mtu": 0,
//!   "nodeAddresses": ["192.0.2.10"] }
//! ```

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use rscni_plugin::types::NetConf;
use serde_json::Value;

use crate::address::{PodRange, RangeError};

/// What an administrator (or the agent) configured, in types that cannot be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Name of the network; its addresses are kept apart from other networks'.
    pub network: String,
    /// Where pod addresses come from: one range an address family, at least one.
    pub ranges: Vec<PodRange>,
    /// Where allocated addresses are remembered.
    pub data_dir: PathBuf,
    /// Where the agent pinned maps and programs.
    pub bpffs_dir: PathBuf,
    /// MTU of what pods send to other machines; `None`: that of the node's uplink.
    pub mtu: Option<u32>,
    /// Source addresses of what the node itself sends to pods; at most one a family. Without one, the
    /// kernel picks.
    pub node_addresses: Vec<IpAddr>,
}

/// Why a configuration was refused. The text names the field.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// The key is none of this plugin's.
    #[error("{field}: unknown field; sheave-cni knows {}", KNOWN.join(", "))]
    UnknownField {
        /// As it was written.
        field: String,
    },
    /// A standard key whose function this plugin does not have.
    #[error("{field}: not supported by sheave-cni: {why}")]
    Unsupported {
        /// As it was written.
        field: &'static str,
        /// What does that work here.
        why: &'static str,
    },
    /// Not there, or empty.
    #[error("{field}: Required value: {what}")]
    Required {
        /// As it should be written.
        field: &'static str,
        /// What belongs there.
        what: &'static str,
    },
    /// Not of the type or form it should be.
    #[error("{field}: Invalid value: {value}: {why}")]
    Invalid {
        /// With an index where it is a list.
        field: String,
        /// As it was written.
        value: String,
        /// What is expected.
        why: String,
    },
    /// A range no pod could get an address from.
    #[error("ranges[{index}]: Invalid value: {value}: {source}")]
    Range {
        /// Position in `ranges`.
        index: usize,
        /// As it was written.
        value: String,
        /// What is wrong.
        source: RangeError,
    },
}

const KNOWN: [&str; 5] = ["ranges", "dataDir", "bpffsDir", "mtu", "nodeAddresses"];

const DATA_DIR: &str = "/var/lib/sheave/agent/cni/addresses";

/// Smallest MTU of IPv4 (RFC 791, 3.1: 68) that still carries what hosts must accept: 576. RFC 8200, 5
/// asks for 1280 with IPv6.
const MTU_MIN: [u32; 2] = [576, 1280];
const MTU_MAX: u32 = 65535;

impl Config {
    /// Reads the plugin's fields out of a network configuration.
    ///
    /// # Errors
    /// The first field that is unknown, unsupported, missing or wrong.
    pub fn read(conf: &NetConf) -> Result<Self, InvalidConfig> {
        refuse_unsupported(conf)?;
        let field = |name: &str| conf.custom.get(name).filter(|value| !value.is_null());
        let ranges = ranges(field("ranges"))?;
        let with_v6 = ranges.iter().any(|range| range.net().addr().is_ipv6());
        Ok(Self {
            network: conf.name.clone(),
            mtu: mtu(field("mtu"), with_v6)?,
            data_dir: directory("dataDir", field("dataDir"), DATA_DIR)?,
            bpffs_dir: directory("bpffsDir", field("bpffsDir"), sheave_abi::pins::DIR)?,
            node_addresses: node_addresses(field("nodeAddresses"))?,
            ranges,
        })
    }
}

fn refuse_unsupported(conf: &NetConf) -> Result<(), InvalidConfig> {
    if conf.ipam.is_some() {
        let why = "pod addresses come from the field ranges";
        return Err(InvalidConfig::Unsupported { field: "ipam", why });
    }
    if conf.ip_masq == Some(true) {
        let why = "the node's packet programs masquerade";
        return Err(InvalidConfig::Unsupported { field: "ipMasq", why });
    }
    // Keys with this prefix belong to the specification, which may add some.
    let unknown = |key: &&String| !KNOWN.contains(&key.as_str()) && !key.starts_with("cni.dev/");
    match conf.custom.keys().filter(unknown).min() {
        Some(field) => Err(InvalidConfig::UnknownField { field: field.clone() }),
        None => Ok(()),
    }
}

fn invalid(field: impl Into<String>, value: &Value, why: impl Into<String>) -> InvalidConfig {
    InvalidConfig::Invalid { field: field.into(), value: value.to_string(), why: why.into() }
}

/// A list of strings, or nothing.
fn strings<'a>(
    field: &'static str,
    value: Option<&'a Value>,
) -> Result<Vec<&'a str>, InvalidConfig> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or_else(|| invalid(field, value, "must be a list"))?;
    let text = |(index, item): (usize, &'a Value)| {
        item.as_str().ok_or_else(|| invalid(format!("{field}[{index}]"), item, "must be a string"))
    };
    list.iter().enumerate().map(text).collect()
}

fn ranges(value: Option<&Value>) -> Result<Vec<PodRange>, InvalidConfig> {
    let mut ranges: Vec<PodRange> = Vec::new();
    for (index, text) in strings("ranges", value)?.into_iter().enumerate() {
        let wrong = |why: String| InvalidConfig::Invalid {
            field: format!("ranges[{index}]"),
            value: format!("{text:?}"),
            why,
        };
        let net: IpNet =
            text.parse().map_err(|_| wrong("must be a CIDR, such as 10.244.0.0/24".into()))?;
        let range = PodRange::new(net).map_err(|source| InvalidConfig::Range {
            index,
            value: format!("{text:?}"),
            source,
        })?;
        let same_family = |other: &PodRange| other.net().addr().is_ipv4() == net.addr().is_ipv4();
        if ranges.iter().any(same_family) {
            return Err(wrong("there is another range of this address family; one each".into()));
        }
        ranges.push(range);
    }
    if ranges.is_empty() {
        let what = "the node's pod CIDRs, such as [\"10.244.0.0/24\"]";
        return Err(InvalidConfig::Required { field: "ranges", what });
    }
    Ok(ranges)
}

fn node_addresses(value: Option<&Value>) -> Result<Vec<IpAddr>, InvalidConfig> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (index, text) in strings("nodeAddresses", value)?.into_iter().enumerate() {
        let wrong = |why: &str| InvalidConfig::Invalid {
            field: format!("nodeAddresses[{index}]"),
            value: format!("{text:?}"),
            why: why.into(),
        };
        let address: IpAddr = text.parse().map_err(|_| wrong("must be an IP address"))?;
        if addresses.iter().any(|other| other.is_ipv4() == address.is_ipv4()) {
            return Err(wrong("there is another address of this family; one each"));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn directory(
    field: &'static str,
    value: Option<&Value>,
    default: &str,
) -> Result<PathBuf, InvalidConfig> {
    let Some(value) = value else { return Ok(default.into()) };
    match value.as_str() {
        Some(path) if path.starts_with('/') => Ok(path.into()),
        _ => Err(invalid(field, value, "must be an absolute path")),
    }
}

fn mtu(value: Option<&Value>, with_v6: bool) -> Result<Option<u32>, InvalidConfig> {
    let Some(value) = value else { return Ok(None) };
    let min = MTU_MIN[usize::from(with_v6)];
    match value.as_u64().and_then(|mtu| u32::try_from(mtu).ok()) {
        Some(0) => Ok(None),
        Some(mtu) if (min..=MTU_MAX).contains(&mtu) => Ok(Some(mtu)),
        _ => Err(invalid(
            "mtu",
            value,
            format!("must be 0 (the uplink's) or between {min} and {MTU_MAX}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &str) -> Result<Config, String> {
        let text = format!(r#"{{"cniVersion":"1.0.0","name":"n","type":"sheave-cni"{fields}}}"#);
        let conf: NetConf = serde_json::from_str(&text).unwrap();
        Config::read(&conf).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let config = read(r#","ranges":["10.244.0.0/24"],"mtu":0"#).unwrap();
        assert_eq!(config.mtu, None);
        assert_eq!(config.data_dir, PathBuf::from(DATA_DIR));
        assert_eq!(config.bpffs_dir, PathBuf::from("/sys/fs/bpf/sheave"));
        assert_eq!(config.ranges.len(), 1);
    }

    #[test]
    fn both_families() {
        let config = read(r#","ranges":["10.244.0.0/24","fd00:1::/64"],"mtu":1400"#).unwrap();
        assert_eq!((config.ranges.len(), config.mtu), (2, Some(1400)));
    }

    /// What is written, and what the error must say: the field first, then why.
    #[test]
    fn refusals_name_the_field() {
        let cases = [
            ("", "ranges: Required value"),
            (r#","ranges":[]"#, "ranges: Required value"),
            (
                r#","ranges":"10.244.0.0/24""#,
                "ranges: Invalid value: \"10.244.0.0/24\": must be a list",
            ),
            (r#","ranges":[7]"#, "ranges[0]: Invalid value: 7: must be a string"),
            (
                r#","ranges":["10.244.0.0"]"#,
                "ranges[0]: Invalid value: \"10.244.0.0\": must be a CIDR",
            ),
            (
                r#","ranges":["10.244.0.9/24"]"#,
                "ranges[0]: Invalid value: \"10.244.0.9/24\": has bits set after the prefix; 10.244.0.0/24 was meant?",
            ),
            (
                r#","ranges":["10.244.0.0/30"]"#,
                "ranges[0]: Invalid value: \"10.244.0.0/30\": too small",
            ),
            (r#","ranges":["127.0.0.0/8"]"#, "ranges[0]: Invalid value: \"127.0.0.0/8\": loopback"),
            (
                r#","ranges":["10.1.0.0/24","10.2.0.0/24"]"#,
                "ranges[1]: Invalid value: \"10.2.0.0/24\": there is another range",
            ),
            (
                r#","ranges":["10.1.0.0/24"],"mtu":100"#,
                "mtu: Invalid value: 100: must be 0 (the uplink's) or between 576 and 65535",
            ),
            (
                r#","ranges":["fd00::/64"],"mtu":600"#,
                "mtu: Invalid value: 600: must be 0 (the uplink's) or between 1280",
            ),
            (r#","ranges":["10.1.0.0/24"],"mtu":"1500""#, "mtu: Invalid value: \"1500\""),
            (
                r#","ranges":["10.1.0.0/24"],"dataDir":"x""#,
                "dataDir: Invalid value: \"x\": must be an absolute path",
            ),
            (
                r#","ranges":["10.1.0.0/24"],"nodeAddresses":["x"]"#,
                "nodeAddresses[0]: Invalid value: \"x\"",
            ),
            (
                r#","ranges":["10.1.0.0/24"],"range":1"#,
                "range: unknown field; sheave-cni knows ranges, dataDir",
            ),
            (
                r#","ranges":["10.1.0.0/24"],"ipam":{"type":"host-local"}"#,
                "ipam: not supported by sheave-cni",
            ),
        ];
        for (fields, expected) in cases {
            let error = read(fields).unwrap_err();
            assert!(error.starts_with(expected), "{fields}\n  says {error}\n  not  {expected}");
        }
    }
}
