//! Why the zone has nothing to say to a question, for people. Pure.

use std::fmt;
use std::net::IpAddr;

use hickory_proto::rr::{Name, RecordType};

use crate::label::{self, Place};
use crate::records::Records;
use crate::zone::Zone;

/// Namespaces that are named, at most.
const NAMESPACES_MAX: usize = 5;

/// The reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Not all Services have been heard of since the agent started.
    NotComplete,
    /// No such Service.
    NoService {
        /// `namespace/name`.
        service: String,
        /// Namespaces that have one of that name.
        elsewhere: Vec<String>,
    },
    /// A headless one without endpoints that are told of.
    NobodyReady {
        /// `namespace/name`.
        service: String,
    },
    /// A Service, or its endpoints, without an address of this family.
    NoAddress {
        /// `namespace/name`.
        service: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// A headless one without such an endpoint.
    NoHost {
        /// `namespace/name`.
        service: String,
        /// As it was asked for.
        host: String,
    },
    /// No address that pods have.
    NoPodAddress(IpAddr),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotComplete => write!(f, "the agent has not heard of all Services yet"),
            Self::NoService { service, elsewhere } => {
                write!(f, "there is no Service {service}")?;
                match elsewhere.as_slice() {
                    [] => Ok(()),
                    namespaces => write!(f, "; there is one in {}", namespaces.join(", ")),
                }
            }
            Self::NobodyReady { service } => {
                write!(f, "Service {service} is headless, and none of its endpoints is ready")
            }
            Self::NoAddress { service, family } => {
                write!(f, "Service {service} has no {family} address")
            }
            Self::NoHost { service, host } => {
                write!(f, "Service {service} has no endpoint called {host} that is ready")
            }
            Self::NoPodAddress(address) => write!(f, "{address} is no address of pods"),
        }
    }
}

/// Why there is nothing. `None`: it is not known, or no name of a Service or pod.
pub fn why(zone: &Zone, name: &Name, record_type: RecordType) -> Option<Why> {
    let Place::Below(labels) = label::place(name, &zone.cluster().domain) else { return None };
    match labels.texts() {
        ["pod", _, address, "", ""] => label::dashed_address(address).map(Why::NoPodAddress),
        ["svc", namespace, service, first, second] if !service.is_empty() => {
            let text = format!("{namespace}/{service}");
            let Some(records) = zone.get(namespace, service) else {
                let elsewhere = namespaces_with(zone, service);
                let missing = Why::NoService { service: text, elsewhere };
                return Some(if zone.is_complete() { missing } else { Why::NotComplete });
            };
            of_service(records, text, record_type, [first, second])
        }
        _ => None,
    }
}

fn of_service(
    records: &Records,
    service: String,
    record_type: RecordType,
    [host, below]: [&str; 2],
) -> Option<Why> {
    let family = match record_type {
        RecordType::A => "IPv4",
        RecordType::AAAA => "IPv6",
        _ => return None,
    };
    match records {
        Records::Endpoints(groups) if groups.is_empty() => Some(Why::NobodyReady { service }),
        Records::Endpoints(_) if !host.is_empty() && below.is_empty() && !host.starts_with('_') => {
            Some(Why::NoHost { service, host: host.into() })
        }
        Records::Addresses { .. } | Records::Endpoints(_) if host.is_empty() => {
            Some(Why::NoAddress { service, family })
        }
        _ => None,
    }
}

fn namespaces_with(zone: &Zone, service: &str) -> Vec<String> {
    let mut namespaces: Vec<String> = zone.namespaces_with(service).map(str::to_owned).collect();
    namespaces.sort_unstable();
    namespaces.truncate(NAMESPACES_MAX);
    namespaces
}

#[cfg(test)]
mod tests {
    use sheave_core::model::ObjectKey;

    use super::*;
    use crate::records::{Group, Host};
    use crate::zone::Cluster;

    fn zone() -> Zone {
        let mut zone = Zone::new(Cluster {
            domain: Name::from_ascii("cluster.local.").unwrap(),
            dns_addresses: vec![],
            service_ranges: vec![],
            pod_ranges: vec![],
        });
        let addresses = ["10.96.0.7".parse().unwrap()];
        let web = Records::Addresses { addresses: addresses[..].into(), ports: [].into() };
        let host = Host { address: "10.244.0.5".parse().unwrap(), hostname: None };
        let db = Records::Endpoints([Group { ports: [].into(), hosts: [host].into() }].into());
        let all = [
            ("shop", "web", web),
            ("shop", "db", db),
            ("shop", "idle", Records::Endpoints([].into())),
        ];
        for (namespace, name, records) in all {
            let key = ObjectKey { namespace: namespace.into(), name: name.into() };
            zone.set(&key, Some(records));
        }
        zone
    }

    fn said(zone: &Zone, name: &str, record_type: RecordType) -> String {
        let name = Name::from_ascii(format!("{name}.cluster.local.")).unwrap();
        why(zone, &name, record_type).map(|why| why.to_string()).unwrap_or_default()
    }

    #[test]
    fn each_reason_is_found() {
        let mut zone = zone();
        assert_eq!(
            said(&zone, "web.other.svc", RecordType::A),
            "the agent has not heard of all Services yet"
        );
        zone.complete();
        for (name, record_type, sentence) in [
            ("web.other.svc", RecordType::A, "there is no Service other/web; there is one in shop"),
            ("no.shop.svc", RecordType::SRV, "there is no Service shop/no"),
            ("web.shop.svc", RecordType::AAAA, "Service shop/web has no IPv6 address"),
            ("db.shop.svc", RecordType::AAAA, "Service shop/db has no IPv6 address"),
            (
                "x.db.shop.svc",
                RecordType::A,
                "Service shop/db has no endpoint called x that is ready",
            ),
            (
                "idle.shop.svc",
                RecordType::A,
                "Service shop/idle is headless, and none of its endpoints is ready",
            ),
            ("192-0-2-1.shop.pod", RecordType::A, "192.0.2.1 is no address of pods"),
            ("web.shop.svc", RecordType::MX, ""),
            ("shop.svc", RecordType::A, ""),
        ] {
            assert_eq!(said(&zone, name, record_type), sentence, "{name}");
        }
    }
}
