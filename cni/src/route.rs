//! Routes of a pod and to it, as messages; nobody is asked or told here.
//!
//! ```text
//! in the pod   default          via the gateway, packets as wide as the way out of the node carries
//!              the node's pods  via the gateway, packets as wide as the interface carries (NODE_MTU)
//! on the host  the pod          by its interface, packets as wide as what comes from outside
//! ```
//!
//! Packets between pods of one node never meet a wire: the wider they are, the fewer there are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAttribute, RouteMessage, RouteMetric, RouteProtocol, RouteScope,
};
use rtnetlink::RouteMessageBuilder;

/// Next hop of every pod's IPv4 routes: assigned to nobody, only a permanent neighbour.
pub const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The same for IPv6.
pub const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Of both ends of a pod's veth, in bytes: what pods of one node send each other. The longest packet that
/// IPv4 and a veth have is 65,535 bytes; this is a multiple of 8 below that.
pub const NODE_MTU: u32 = 65_520;

/// Next hop of the routes of an address' family.
pub fn gateway(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => GATEWAY_V4.into(),
        IpAddr::V6(_) => GATEWAY_V6.into(),
    }
}

/// In a pod: to everywhere, in packets of at most `mtu` bytes.
pub(crate) fn default(address: IpAddr, ifindex: u32, mtu: u32) -> RouteMessage {
    let route = match gateway(address) {
        IpAddr::V4(gateway) => RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(gateway)
            .output_interface(ifindex)
            .onlink()
            .build(),
        IpAddr::V6(gateway) => RouteMessageBuilder::<Ipv6Addr>::new()
            .gateway(gateway)
            .output_interface(ifindex)
            .onlink()
            .build(),
    };
    at_most(route, mtu)
}

/// In a pod: to the pods of the same node.
pub(crate) fn same_node(pods: IpNet, ifindex: u32) -> RouteMessage {
    match pods {
        IpNet::V4(pods) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(pods.network(), pods.prefix_len())
            .gateway(GATEWAY_V4)
            .output_interface(ifindex)
            .onlink()
            .build(),
        IpNet::V6(pods) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(pods.network(), pods.prefix_len())
            .gateway(GATEWAY_V6)
            .output_interface(ifindex)
            .onlink()
            .build(),
    }
}

/// On the host: to a pod by its interface, in packets of at most `mtu` bytes, from `source`. The route is
/// of protocol kernel: network daemons leave such routes alone.
pub(crate) fn to_pod(pod: IpAddr, ifindex: u32, source: Option<IpAddr>, mtu: u32) -> RouteMessage {
    let route = match (pod, source) {
        (IpAddr::V4(pod), source) => {
            let route = RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(pod, 32)
                .output_interface(ifindex)
                .protocol(RouteProtocol::Kernel)
                .scope(RouteScope::Link);
            match source {
                Some(IpAddr::V4(source)) => route.pref_source(source).build(),
                _ => route.build(),
            }
        }
        (IpAddr::V6(pod), source) => {
            let route = RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(pod, 128)
                .output_interface(ifindex)
                .protocol(RouteProtocol::Kernel);
            match source {
                Some(IpAddr::V6(source)) => route.pref_source(source).build(),
                _ => route.build(),
            }
        }
    };
    at_most(route, mtu)
}

fn at_most(mut route: RouteMessage, mtu: u32) -> RouteMessage {
    route.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
    route
}
