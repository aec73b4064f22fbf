//! What the names of one Service lead to, from the model. Pure.

use std::net::IpAddr;

use hickory_proto::rr::Name;
use sheave_core::model::{EndpointSlice, LeadsTo, NamedService, Protocol, Service, ServicePort};

use crate::label;

/// Of one Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// Its own addresses.
    Addresses {
        /// One an address family.
        addresses: OwnAddresses,
        /// Those with a name.
        ports: Box<[Port]>,
    },
    /// Those of its endpoints.
    Endpoints(Box<[Group]>),
    /// Another name.
    Name(Box<Name>),
}

/// Addresses of a Service, in its order: kept with its other records, since to read what lies elsewhere costs a
/// processor that was idle more than all the rest of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAddresses([Option<IpAddr>; 2]);

impl OwnAddresses {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.0.into_iter().flatten()
    }
}

impl From<&[IpAddr]> for OwnAddresses {
    /// A Service has one an address family, so that there are no more than two.
    fn from(addresses: &[IpAddr]) -> Self {
        Self([addresses.first().copied(), addresses.get(1).copied()])
    }
}

/// A port with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// In lower case.
    pub name: Box<str>,
    /// Protocol.
    pub protocol: Protocol,
    /// Where it is reached.
    pub number: u16,
}

/// Endpoints that have the same ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Those with a name.
    pub ports: Box<[Port]>,
    /// In the order of the slice.
    pub hosts: Box<[Host]>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where it is.
    pub address: IpAddr,
    /// What it is called within its Service, in lower case; without, its address is its name.
    pub hostname: Option<Box<str>>,
}

impl Host {
    /// True when `label` is what it is called.
    pub(crate) fn is_called(&self, label: &str) -> bool {
        match &self.hostname {
            Some(hostname) => **hostname == *label,
            None => label::dashed_address(label) == Some(self.address),
        }
    }

    /// What it is called within its Service.
    pub(crate) fn label(&self) -> String {
        match &self.hostname {
            Some(hostname) => hostname.to_string(),
            None => label::of_address(self.address),
        }
    }
}

impl Records {
    /// Of a Service that this node serves: endpoints are the dataplane's business.
    pub fn of_served(service: &Service) -> Self {
        Self::Addresses {
            addresses: service.cluster_ips[..].into(),
            ports: named_ports(&service.ports),
        }
    }

    /// Of one that it does not serve; nothing when it leads to a name that cannot be one.
    pub fn of_named(service: &NamedService, slices: &[&EndpointSlice]) -> Option<Self> {
        Some(match &service.leads_to {
            LeadsTo::Addresses(addresses) => Self::Addresses {
                addresses: addresses[..].into(),
                ports: named_ports(&service.ports),
            },
            LeadsTo::Name(name) => {
                let mut name = Name::from_ascii(name).ok().filter(|name| !name.is_root())?;
                name.set_fqdn(true);
                Self::Name(Box::new(name))
            }
            LeadsTo::Endpoints { publish_not_ready } => {
                let groups = slices.iter().map(|slice| group(slice, *publish_not_ready));
                Self::Endpoints(groups.filter(|group| !group.hosts.is_empty()).collect())
            }
        })
    }

    /// All addresses that names of this Service lead to, with repetitions.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let (own, groups): (Option<&OwnAddresses>, &[Group]) = match self {
            Self::Addresses { addresses, .. } => (Some(addresses), &[]),
            Self::Endpoints(groups) => (None, groups),
            Self::Name(_) => (None, &[]),
        };
        let hosts = groups.iter().flat_map(|group| &group.hosts).map(|host| host.address);
        own.into_iter().flat_map(OwnAddresses::iter).chain(hosts)
    }
}

/// A port without a name has no SRV record.
fn named_ports(ports: &[ServicePort]) -> Box<[Port]> {
    let named = ports.iter().filter(|port| !port.name.is_empty());
    named.map(|port| self::port(&port.name, port.protocol, port.port.get())).collect()
}

fn port(name: &str, protocol: Protocol, number: u16) -> Port {
    Port { name: name.to_ascii_lowercase().into(), protocol, number }
}

fn group(slice: &EndpointSlice, publish_not_ready: bool) -> Group {
    let named = slice.ports.iter().filter(|port| !port.name.is_empty());
    let ports = named.map(|port| self::port(&port.name, port.protocol, port.port.get()));
    let published = slice.endpoints.iter().filter(|e| e.ready || publish_not_ready);
    let hosts = published.filter_map(|endpoint| {
        let hostname = &endpoint.hostname;
        Some(Host {
            address: *endpoint.addresses.first()?,
            hostname: (!hostname.is_empty()).then(|| hostname.to_ascii_lowercase().into()),
        })
    });
    Group { ports: ports.collect(), hosts: hosts.collect() }
}
