//! The node's routes to the pods of other nodes.
//!
//! They are in the main table: whatever runs on the node finds pods without rules of ours, `ip route` shows
//! them, and reverse path filters know them. A protocol number of our own tells them from all others, so that
//! those of an agent that has ended are taken over as they are, and nobody else's is ever touched.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt as _;
use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::{Handle, RouteMessageBuilder};
use sheave_core::pod_network::Route;

use super::netlink::{NetlinkError, step, with_netlink};

/// Of our routes (`proto 83` of `ip route`): the S of Sheave, which /etc/iproute2/rt_protos gives to nobody.
pub const ROUTE_PROTOCOL: u8 = 83;

/// What becomes of what is there and is not as wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is changed or removed.
    Follows,
    /// It stays as it is, and what is not there is added: who wants may not know all.
    Stays,
}

/// What became of the routes.
#[derive(Debug, Default)]
pub struct RoutesApplied {
    /// Made, or made anew with another next hop.
    pub added: Vec<Route>,
    /// Not wanted any more.
    pub removed: Vec<Route>,
    /// Could not be made or removed.
    pub failed: Vec<(IpNet, NetlinkError)>,
}

/// Which of the addresses are on the link of one of the interfaces, as the kernel would send to them now.
pub fn on_link(
    addresses: impl IntoIterator<Item = IpAddr>,
    interfaces: &[u32],
) -> Result<BTreeMap<IpAddr, u32>, NetlinkError> {
    with_netlink(async |netlink| {
        let mut found = BTreeMap::new();
        for address in addresses {
            // Without a route there is no link either.
            let Ok(Some(route)) = netlink.route().get(question(address)).execute().try_next().await
            else {
                continue;
            };
            let has_gateway = route.attributes.iter().any(|attribute| {
                matches!(attribute, RouteAttribute::Gateway(_) | RouteAttribute::Via(_))
            });
            if let Some(interface) = interface(&route)
                && !has_gateway
                && route.header.kind == RouteType::Unicast
                && interfaces.contains(&interface)
            {
                found.insert(address, interface);
            }
        }
        Ok(found)
    })
}

/// Brings our routes to what is wanted, by difference.
pub fn apply_routes(
    wanted: &BTreeSet<Route>,
    existing: Existing,
) -> Result<RoutesApplied, NetlinkError> {
    with_netlink(async |netlink| {
        let held = ours(&netlink).await?;
        let mut applied = RoutesApplied::default();
        for route in wanted.difference(&held) {
            // Ours are replaced at once; another's of the same prefix is not ours to replace.
            let replaces = held.iter().any(|ours| ours.to == route.to);
            if replaces && existing == Existing::Stays {
                continue;
            }
            match put(&netlink, route, replaces).await {
                Ok(()) => applied.added.push(*route),
                Err(error) => applied.failed.push((route.to, error)),
            }
        }
        if existing == Existing::Stays {
            return Ok(applied);
        }
        let replaced = |route: &&Route| wanted.iter().any(|other| other.to == route.to);
        for route in held.difference(wanted).filter(|route| !replaced(route)) {
            match remove(&netlink, route).await {
                Ok(()) => applied.removed.push(*route),
                Err(error) => applied.failed.push((route.to, error)),
            }
        }
        Ok(applied)
    })
}

/// All of our routes.
pub(crate) fn our_routes() -> Result<BTreeSet<Route>, NetlinkError> {
    with_netlink(async |netlink| ours(&netlink).await)
}

async fn ours(netlink: &Handle) -> Result<BTreeSet<Route>, NetlinkError> {
    let mut found = BTreeSet::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut filter = RouteMessage::default();
        filter.header.address_family = family;
        filter.header.table = RouteHeader::RT_TABLE_MAIN;
        filter.header.protocol = RouteProtocol::Other(ROUTE_PROTOCOL);
        let mut routes = netlink.route().get(filter).execute();
        while let Some(message) = listed(routes.try_next().await)? {
            if message.header.protocol == RouteProtocol::Other(ROUTE_PROTOCOL)
                && message.header.table == RouteHeader::RT_TABLE_MAIN
            {
                found.extend(decoded(&message));
            }
        }
    }
    Ok(found)
}

/// A kernel without a family has no routes of it.
fn listed(
    next: Result<Option<RouteMessage>, rtnetlink::Error>,
) -> Result<Option<RouteMessage>, NetlinkError> {
    match next.map_err(step("list routes")) {
        Err(error) if matches!(error.errno(), Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP)) => {
            Ok(None)
        }
        listed => listed,
    }
}

async fn put(netlink: &Handle, route: &Route, replaces: bool) -> Result<(), NetlinkError> {
    let request = netlink.route().add(message(route));
    let request = if replaces { request.replace() } else { request };
    let what = format!("add the route to {}", route.to);
    match request.execute().await.map_err(step(what)) {
        Err(error) if error.errno() == Some(libc::EEXIST) => {
            let what = format!(
                "add the route to {}: there is one that is not Sheave's (`ip route show {}`); remove it",
                route.to, route.to
            );
            Err(NetlinkError::new(what, std::io::ErrorKind::AlreadyExists.into()))
        }
        result => result,
    }
}

pub(crate) async fn remove(netlink: &Handle, route: &Route) -> Result<(), NetlinkError> {
    let removed = netlink.route().del(message(route)).execute().await;
    match removed.map_err(step(format!("remove the route to {}", route.to))) {
        // Gone meanwhile, with its interface for example.
        Err(error) if error.errno() == Some(libc::ESRCH) => Ok(()),
        result => result,
    }
}

fn question(to: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    let (family, bits) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    message.header.address_family = family;
    message.header.destination_prefix_length = bits;
    let to = match to {
        IpAddr::V4(to) => RouteAddress::Inet(to),
        IpAddr::V6(to) => RouteAddress::Inet6(to),
    };
    message.attributes.push(RouteAttribute::Destination(to));
    message
}

fn message(route: &Route) -> RouteMessage {
    let protocol = RouteProtocol::Other(ROUTE_PROTOCOL);
    match route.to {
        IpNet::V4(to) => {
            let mut builder = RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(to.network(), to.prefix_len())
                .output_interface(route.interface)
                .protocol(protocol);
            builder = match route.via {
                Some(IpAddr::V4(via)) => builder.gateway(via),
                _ => builder.scope(RouteScope::Link),
            };
            if let Some(IpAddr::V4(source)) = route.source {
                builder = builder.pref_source(source);
            }
            builder.build()
        }
        IpNet::V6(to) => {
            let mut builder = RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(to.network(), to.prefix_len())
                .output_interface(route.interface)
                .protocol(protocol);
            if let Some(IpAddr::V6(via)) = route.via {
                builder = builder.gateway(via);
            }
            if let Some(IpAddr::V6(source)) = route.source {
                builder = builder.pref_source(source);
            }
            builder.build()
        }
    }
}

/// `None`: not one of the kind that we make.
fn decoded(message: &RouteMessage) -> Option<Route> {
    let mut to = None;
    let (mut via, mut source) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => to = ip(address),
            RouteAttribute::Gateway(address) => via = ip(address),
            RouteAttribute::PrefSource(address) => source = ip(address),
            _ => {}
        }
    }
    let to = IpNet::new(to?, message.header.destination_prefix_length).ok()?;
    Some(Route { to, via, interface: interface(message)?, source })
}

fn interface(message: &RouteMessage) -> Option<u32> {
    message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_read_back_as_it_was_made() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let route = |to: &str, via: Option<&str>, source: Option<&str>| Route {
            to: to.parse().unwrap(),
            via: via.map(ip),
            interface: 7,
            source: source.map(ip),
        };
        for route in [
            route("10.244.1.0/24", Some("192.0.2.2"), None),
            route("10.244.1.0/24", None, Some("192.0.2.1")),
            route("fd00:244:1::/64", Some("2001:db8::2"), None),
            route("fd00:244:1::/64", None, Some("2001:db8::1")),
        ] {
            assert_eq!(decoded(&message(&route)), Some(route));
        }
    }
}
