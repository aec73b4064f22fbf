//! This machine's addresses and name.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use anyhow::Context;
use ipnet::IpNet;

/// Addresses under which others reach this machine: those of its interfaces, without loopback, link-local
/// ones and those of pods.
pub(crate) fn of_interfaces(pod_cidrs: &[IpNet]) -> anyhow::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for interface in nix::ifaddrs::getifaddrs().context("cannot list this machine's addresses")? {
        let Some(address) = interface.address.as_ref() else { continue };
        let address = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => IpAddr::V4(v4.ip()),
            (_, Some(v6)) => IpAddr::V6(v6.ip()),
            _ => continue,
        };
        let is_pods = pod_cidrs.iter().any(|range| range.contains(&address));
        if is_reachable(&address) && !is_pods && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn is_reachable(address: &IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || link_local)
}

/// The address this machine uses towards others: the source address of its default route. Nothing is sent.
pub(crate) fn towards_others(of_interfaces: &[IpAddr]) -> IpAddr {
    // An address reserved for documentation (RFC 5737): only the default route leads there.
    let documentation = SocketAddr::from(([192, 0, 2, 1], 9));
    let route = UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| {
        socket.connect(documentation)?;
        socket.local_addr()
    });
    match route {
        Ok(local) if is_reachable(&local.ip()) => local.ip(),
        _ => of_interfaces.first().copied().unwrap_or(IpAddr::from([127, 0, 0, 1])),
    }
}

/// The host name in lower case, as node names are.
pub(crate) fn hostname() -> anyhow::Result<String> {
    let name = nix::unistd::gethostname().context("cannot read the host name")?;
    Ok(name.to_string_lossy().to_lowercase())
}
