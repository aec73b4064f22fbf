//! Links, addresses, routes and neighbours of a pod, by rtnetlink. Each function is one step with one
//! reason to fail; the order of the steps is not decided here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags};
use netlink_packet_route::link::{
    InfoData, InfoVeth, LinkAttribute, LinkFlags, LinkMessage, State,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType,
};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};

use crate::attachment::{Mac, Macs};
use crate::netns::PodNetns;
use crate::route::{self, gateway};

/// What a pod without an uplink to learn from gets.
const MTU_DEFAULT: u32 = 1500;

const RUNNING_LIMIT: Duration = Duration::from_secs(1);
const RUNNING_PAUSE: Duration = Duration::from_micros(300);

/// A step that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}")]
pub struct NetworkError {
    step: String,
    #[source]
    source: io::Error,
}

impl NetworkError {
    /// The errno, where there is one.
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    pub(crate) fn from_netlink(step: impl Into<String>, error: rtnetlink::Error) -> Self {
        let source = match error {
            rtnetlink::Error::NetlinkError(message) => message.to_io(),
            other => io::Error::other(other),
        };
        Self { step: step.into(), source }
    }
}

/// `map_err` for a step.
pub(crate) fn step(step: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> NetworkError {
    move |error| NetworkError::from_netlink(step, error)
}

/// Runs `work` with a netlink connection to the namespace of this thread.
///
/// # Errors
/// When netlink is not to be had; otherwise what `work` answers.
pub fn with_netlink<T, E: From<NetworkError>>(
    work: impl AsyncFnOnce(Handle) -> Result<T, E>,
) -> Result<T, E> {
    let opened = |source| NetworkError { step: "open a netlink socket".into(), source };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(opened)?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(opened)?;
        tokio::spawn(connection);
        work(handle).await
    })
}

/// The two ends of a pod's veth.
#[derive(Clone, Debug)]
pub struct Pair<'a> {
    /// On the host.
    pub host_interface: &'a str,
    /// In the pod.
    pub pod_interface: &'a str,
    /// Of both ends.
    pub macs: Macs,
    /// Of both ends.
    pub mtu: u32,
}

/// Makes the pair with its pod end in the namespace; both are down, the host end waits for its program.
/// Answers the host end's index.
///
/// # Errors
/// `EEXIST` when one of the names is taken.
pub async fn make_pair(
    netlink: &Handle,
    pair: &Pair<'_>,
    netns: &PodNetns,
) -> Result<u32, NetworkError> {
    let mut pod_end = LinkUnspec::new_with_name(pair.pod_interface)
        .mtu(pair.mtu)
        .address(pair.macs.pod.to_vec())
        .setns_by_fd(netns.file().as_raw_fd())
        .build();
    pod_end.header.interface_family = AddressFamily::Unspec;
    let message = LinkVeth::new(pair.host_interface, pair.pod_interface)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(pod_end)))
        .mtu(pair.mtu)
        .address(pair.macs.host.to_vec())
        .build();
    let what = format!("make {} with {} in the pod", pair.host_interface, pair.pod_interface);
    netlink.link().add(message).execute().await.map_err(step(what))?;
    let found = link(netlink, pair.host_interface).await?;
    found.map(|link| link.header.index).ok_or_else(|| NetworkError {
        step: format!("find {}, made a moment ago", pair.host_interface),
        source: io::ErrorKind::NotFound.into(),
    })
}

/// Sets a link up.
///
/// # Errors
/// When it is gone.
pub async fn set_up(netlink: &Handle, ifindex: u32) -> Result<(), NetworkError> {
    let message = LinkUnspec::new_with_index(ifindex).up().build();
    netlink.link().set(message).execute().await.map_err(step(format!("set link {ifindex} up")))
}

/// Waits until a link whose other end just came up passes packets: the kernel gives it its queue from a
/// work item (`linkwatch_event`), and until then drops what is sent there.
///
/// # Errors
/// When it does not within a second.
pub async fn wait_running(netlink: &Handle, name: &str) -> Result<(), NetworkError> {
    let deadline = Instant::now() + RUNNING_LIMIT;
    loop {
        let running =
            |link: &LinkMessage| link.attributes.contains(&LinkAttribute::OperState(State::Up));
        match link(netlink, name).await? {
            Some(link) if running(&link) => return Ok(()),
            _ if Instant::now() < deadline => tokio::time::sleep(RUNNING_PAUSE).await,
            _ => {
                let step = format!("use {name}: it is up, but passes nothing");
                return Err(NetworkError { step, source: io::ErrorKind::TimedOut.into() });
            }
        }
    }
}

/// On the host: the pod's address lies behind this interface, at this MAC.
///
/// # Errors
/// When the link is not up, or the source is no address of this node.
pub async fn reach_pod(
    netlink: &Handle,
    ifindex: u32,
    pod: IpAddr,
    pod_mac: Mac,
    source: Option<IpAddr>,
    mtu: u32,
) -> Result<(), NetworkError> {
    let neighbours = netlink.neighbours();
    let neighbour = neighbours.add(ifindex, pod).link_layer_address(&pod_mac).replace();
    neighbour.execute().await.map_err(step(format!("add the neighbour {pod}")))?;
    let route = route::to_pod(pod, ifindex, source, mtu);
    // A leftover of an interface that is just going away gives way.
    let added = netlink.route().add(route).replace().execute().await;
    added.map_err(step(format!("add the route to {pod}")))
}

/// In the pod: both links up, the addresses, and the routes of each family: to the `node`'s pods, and to
/// everywhere else in packets of at most `mtu` bytes. Then the pod is reachable.
///
/// # Errors
/// When the kernel refuses a step.
pub async fn furnish_pod(
    netlink: &Handle,
    interface: &str,
    addresses: &[IpAddr],
    host_mac: Mac,
    node: &[IpNet],
    mtu: u32,
) -> Result<(), NetworkError> {
    const LOOPBACK: u32 = 1;
    set_up(netlink, LOOPBACK).await?;
    let found = link(netlink, interface).await?;
    let ifindex = found.map(|link| link.header.index).ok_or_else(|| NetworkError {
        step: format!("find {interface} in the pod"),
        source: io::ErrorKind::NotFound.into(),
    })?;
    set_up(netlink, ifindex).await?;
    for &address in addresses {
        let mut add = netlink.address().add(ifindex, address, prefix_len(address));
        // Nobody else can have it: no need to wait for duplicate address detection.
        add.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        add.execute().await.map_err(step(format!("add the address {address}")))?;

        let gateway = gateway(address);
        let neighbour = netlink.neighbours().add(ifindex, gateway).link_layer_address(&host_mac);
        neighbour.execute().await.map_err(step(format!("add the neighbour {gateway}")))?;
        let added = netlink.route().add(route::default(address, ifindex, mtu)).execute().await;
        added.map_err(step(format!("add the default route via {gateway}")))?;
        let same_family = |pods: &&IpNet| pods.addr().is_ipv4() == address.is_ipv4();
        for &pods in node.iter().filter(same_family) {
            let added = netlink.route().add(route::same_node(pods, ifindex)).execute().await;
            added.map_err(step(format!("add the route to {pods} via {gateway}")))?;
        }
        if let IpAddr::V6(address) = address {
            wait_local(netlink, address).await?;
        }
    }
    Ok(())
}

/// Waits until the kernel takes packets for an IPv6 address as its own: it makes the local route from a
/// work item, also without duplicate address detection.
async fn wait_local(netlink: &Handle, address: Ipv6Addr) -> Result<(), NetworkError> {
    let deadline = Instant::now() + RUNNING_LIMIT;
    loop {
        let route = RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(address, 128).build();
        let answer = netlink.route().get(route).execute().try_next().await;
        // Without any route yet the answer is an error.
        if answer.is_ok_and(|r| r.is_some_and(|r| r.header.kind == RouteType::Local)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let step = format!("use the address {address}: it does not become local");
            return Err(NetworkError { step, source: io::ErrorKind::TimedOut.into() });
        }
        tokio::time::sleep(RUNNING_PAUSE).await;
    }
}

/// Removes a link by name; none there is no error. The other end, routes, neighbours and filters go too.
///
/// # Errors
/// When the kernel refuses.
pub async fn remove_link(netlink: &Handle, name: &str) -> Result<(), NetworkError> {
    let message = LinkUnspec::new_with_name(name).build();
    let removed = netlink.link().del_with_message(message).execute().await;
    match removed.map_err(step(format!("remove {name}"))) {
        Err(error) if error.errno() == Some(nix::libc::ENODEV) => Ok(()),
        result => result,
    }
}

/// A link by name.
///
/// # Errors
/// When the kernel refuses; that there is none is no error.
pub async fn link(netlink: &Handle, name: &str) -> Result<Option<LinkMessage>, NetworkError> {
    let mut links = netlink.link().get().match_name(name).execute();
    match links.try_next().await.map_err(step(format!("look up {name}"))) {
        Err(error) if error.errno() == Some(nix::libc::ENODEV) => Ok(None),
        result => result,
    }
}

/// The MTU of the interface with the best default route.
///
/// # Errors
/// When routes or links cannot be listed.
pub async fn uplink_mtu(netlink: &Handle) -> Result<u32, NetworkError> {
    let mut best: Option<(u32, u32)> = None;
    for route in [
        RouteMessageBuilder::<Ipv4Addr>::new().build(),
        RouteMessageBuilder::<Ipv6Addr>::new().build(),
    ] {
        let mut routes = netlink.route().get(route).execute();
        while let Some(route) = routes.try_next().await.map_err(step("list routes"))? {
            let Some((priority, ifindex)) = default_route(&route) else { continue };
            if best.is_none_or(|(least, _)| priority < least) {
                best = Some((priority, ifindex));
            }
        }
        if best.is_some() {
            break;
        }
    }
    let Some((_, ifindex)) = best else { return Ok(MTU_DEFAULT) };
    let mut links = netlink.link().get().match_index(ifindex).execute();
    let link = links.try_next().await.map_err(step("look up the uplink"))?;
    Ok(link.as_ref().and_then(mtu).unwrap_or(MTU_DEFAULT))
}

/// Its priority and interface, when it is a unicast default route of the main table.
fn default_route(route: &RouteMessage) -> Option<(u32, u32)> {
    let header = &route.header;
    let is_default = header.destination_prefix_length == 0
        && header.table == RouteHeader::RT_TABLE_MAIN
        && header.kind == RouteType::Unicast;
    let ifindex = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(ifindex) => Some(*ifindex),
        _ => None,
    })?;
    let priority = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Priority(priority) => Some(*priority),
        _ => None,
    });
    is_default.then_some((priority.unwrap_or(0), ifindex))
}

fn mtu(link: &LinkMessage) -> Option<u32> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    })
}

/// The MAC and whether the link is up.
pub fn mac_and_state(link: &LinkMessage) -> (Option<Mac>, bool) {
    let mac = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(mac) => Mac::try_from(mac.as_slice()).ok(),
        _ => None,
    });
    (mac, link.header.flags.contains(LinkFlags::Up))
}

/// The addresses of an interface, without link-local ones.
///
/// # Errors
/// When they cannot be listed.
pub async fn addresses(netlink: &Handle, ifindex: u32) -> Result<Vec<IpAddr>, NetworkError> {
    let listed = netlink.address().get().set_link_index_filter(ifindex).execute();
    let messages: Vec<_> = listed.try_collect().await.map_err(step("list addresses"))?;
    let address = |message: &netlink_packet_route::address::AddressMessage| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(IpAddr::V6(v6)) if v6.is_unicast_link_local() => None,
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    };
    Ok(messages.iter().filter_map(address).collect())
}

/// The gateway of the default route through an interface, of one family.
///
/// # Errors
/// When routes cannot be listed.
pub async fn default_gateway(
    netlink: &Handle,
    ifindex: u32,
    is_v4: bool,
) -> Result<Option<IpAddr>, NetworkError> {
    let filter = match is_v4 {
        true => RouteMessageBuilder::<Ipv4Addr>::new().build(),
        false => RouteMessageBuilder::<Ipv6Addr>::new().build(),
    };
    let mut routes = netlink.route().get(filter).execute();
    while let Some(route) = routes.try_next().await.map_err(step("list routes"))? {
        if default_route(&route).is_some_and(|(_, oif)| oif == ifindex) {
            return Ok(route.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Gateway(RouteAddress::Inet(gateway)) => Some((*gateway).into()),
                RouteAttribute::Gateway(RouteAddress::Inet6(gateway)) => Some((*gateway).into()),
                _ => None,
            }));
        }
    }
    Ok(None)
}

/// A pod's address stands alone: /32 or /128.
pub fn prefix_len(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
