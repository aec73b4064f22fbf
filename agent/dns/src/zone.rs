//! All names of the cluster: maps by namespace and name, changed Service by Service. No full name is
//! stored, and what an address leads back to shares its texts with what leads there.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

pub use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::SOA;
use ipnet::IpNet;
use sheave_core::model::ObjectKey;

use crate::records::Records;

/// What the cluster is called, and which addresses are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// E.g. `cluster.local.`
    pub domain: Name,
    /// Of this server, as pods know it.
    pub dns_addresses: Vec<IpAddr>,
    /// Addresses that Services have.
    pub service_ranges: Vec<IpNet>,
    /// Addresses that pods have: names such as `10-244-0-5.default.pod` lead to these alone.
    pub pod_ranges: Vec<IpNet>,
}

impl Cluster {
    /// True for an address that is no node's.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.service_ranges.iter().chain(&self.pod_ranges).any(|range| range.contains(&address))
    }

    /// True for an address that a pod may have.
    pub(crate) fn has_pod(&self, address: IpAddr) -> bool {
        self.pod_ranges.iter().any(|range| range.contains(&address))
    }
}

/// How long a record of the zone may be remembered: as long as a change may stay unseen.
pub(crate) const TTL_S: u32 = 5;

/// Numbers of the SOA record: serial, refresh, retry, expire, minimum (RFC 1035, 3.3.13).
pub(crate) fn soa_numbers(serial: u32) -> [u32; 5] {
    [serial, 7200, 1800, 86_400, TTL_S]
}

fn soa(domain: &Name, serial: u32) -> SOA {
    let of = |labels: &[&str]| own_name(domain, labels).unwrap_or_else(|| domain.clone());
    let (server, person) = (of(&["ns", "dns"]), of(&["hostmaster"]));
    let [serial, refresh, retry, expire, minimum] = soa_numbers(serial);
    SOA::new(
        server,
        person,
        serial,
        refresh.cast_signed(),
        retry.cast_signed(),
        expire.cast_signed(),
        minimum,
    )
}

/// As it is in messages, in lower case.
fn domain_bytes(domain: &Name) -> Box<[u8]> {
    let domain = domain.to_lowercase();
    let labels = domain.iter().flat_map(|label| [&[label.len() as u8], label].concat());
    labels.chain([0]).collect()
}

/// Name of a Service, a DNS label (RFC 1123): it lies where it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ServiceName {
    bytes: [u8; 63],
    len: u8,
}

impl ServiceName {
    /// Nothing when it is longer than names of Services are.
    fn of(name: &str) -> Option<Self> {
        let mut of = Self { bytes: [0; 63], len: u8::try_from(name.len()).ok()? };
        of.bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(of)
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Borrow<[u8]> for ServiceName {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Hash for ServiceName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Of labels within the zone; nothing when it is longer than names may be.
pub(crate) fn own_name(domain: &Name, labels: &[&str]) -> Option<Name> {
    Name::from_labels(labels.iter().map(|label| label.as_bytes())).ok()?.append_domain(domain).ok()
}

/// Namespace and name of a Service.
pub(crate) type Owner = (Arc<str>, Arc<str>);

/// All names of the cluster.
#[derive(Clone, Debug)]
pub struct Zone {
    cluster: Cluster,
    /// `cluster.domain` as it is in messages.
    domain_bytes: Box<[u8]>,
    namespaces: HashMap<Arc<str>, HashMap<ServiceName, Records>>,
    /// Which Services have a name for an address, each once.
    owners: HashMap<IpAddr, Vec<Owner>>,
    is_complete: bool,
    soa: SOA,
}

impl Zone {
    /// Knows no Service yet.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            soa: soa(&cluster.domain, 1),
            domain_bytes: domain_bytes(&cluster.domain),
            cluster,
            namespaces: HashMap::new(),
            owners: HashMap::new(),
            is_complete: false,
        }
    }

    /// What the cluster is called.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The cluster is called something else, or has other addresses.
    pub fn rename(&mut self, cluster: Cluster) {
        self.soa = soa(&cluster.domain, self.soa.serial.wrapping_add(1));
        self.domain_bytes = domain_bytes(&cluster.domain);
        self.cluster = cluster;
    }

    /// From now on a name that is not here does not exist.
    pub fn complete(&mut self) {
        self.is_complete = true;
    }

    /// False until a complete state has been heard of: a name that is not here may exist.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whose zone it is; its serial changes whenever something changed. Kept, since most answers that say that
    /// there is nothing need it, and half of all answers do.
    pub(crate) fn soa(&self) -> &SOA {
        &self.soa
    }

    /// Its name as it is in messages, in lower case.
    pub(crate) fn domain_bytes(&self) -> &[u8] {
        &self.domain_bytes
    }

    /// A Service is new or changed; without records it is gone. False when that was known.
    pub fn set(&mut self, key: &ObjectKey, records: Option<Records>) -> bool {
        if self.get(&key.namespace, &key.name) == records.as_ref() {
            return false;
        }
        self.soa.serial = self.soa.serial.wrapping_add(1);
        self.remove(key);
        let Some((name, records)) = ServiceName::of(&key.name).zip(records) else { return true };
        let namespace = match self.namespaces.get_key_value(key.namespace.as_str()) {
            Some((namespace, _)) => Arc::clone(namespace),
            None => key.namespace.as_str().into(),
        };
        let owner: Owner = (namespace, key.name.as_str().into());
        for address in records.addresses() {
            let owners = self.owners.entry(address).or_default();
            if !owners.contains(&owner) {
                owners.reserve_exact(1);
                owners.push(owner.clone());
            }
        }
        self.namespaces.entry(owner.0).or_default().insert(name, records);
        true
    }

    fn remove(&mut self, key: &ObjectKey) {
        let Some(services) = self.namespaces.get_mut(key.namespace.as_str()) else { return };
        let Some(records) = services.remove(key.name.as_bytes()) else { return };
        if services.is_empty() {
            self.namespaces.remove(key.namespace.as_str());
        }
        for address in records.addresses() {
            if let Some(owners) = self.owners.get_mut(&address) {
                owners.retain(|(namespace, name)| {
                    **namespace != *key.namespace || **name != *key.name
                });
                if owners.is_empty() {
                    self.owners.remove(&address);
                }
            }
        }
    }

    /// True when some Service is in it.
    pub(crate) fn has_namespace(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    /// Those that have a Service of this name.
    pub(crate) fn namespaces_with(&self, service: &str) -> impl Iterator<Item = &str> {
        let has = move |services: &HashMap<ServiceName, Records>| {
            services.contains_key(service.as_bytes())
        };
        self.namespaces.iter().filter(move |(_, services)| has(services)).map(|(name, _)| &**name)
    }

    /// What the names of a Service lead to.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&Records> {
        self.namespaces.get(namespace)?.get(name.as_bytes())
    }

    /// The Services that have a name for an address.
    pub(crate) fn owners(&self, address: IpAddr) -> &[Owner] {
        self.owners.get(&address).map_or(&[], Vec::as_slice)
    }
}
