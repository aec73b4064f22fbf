//! The tunnel's device: one for all other nodes, which is told with each packet where it goes (`external`).
//!
//! Nobody is asked for a link-layer address: the device takes no part in ARP and ND, and has the same address
//! on every node, so what one sends is for the other, whoever that is.

use std::io;

use futures::TryStreamExt as _;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkInfo, LinkMessage,
};
use rtnetlink::{Handle, LinkUnspec, LinkVxlan};
use sheave_abi::tunnel::{DEVICE, MAC};

use super::netlink::{NetlinkError, step, with_netlink};

/// Makes the device, unless it is there as it should be. Answers its index.
pub fn ensure_device(port: u16, mtu: u32) -> Result<u32, NetlinkError> {
    with_netlink(async |netlink| {
        if let Some(found) = find(&netlink).await? {
            if !is_vxlan(&found) {
                let step = format!(
                    "use {DEVICE}: an interface of that name is there, and is no VXLAN; rename or remove it"
                );
                return Err(NetlinkError::new(step, io::ErrorKind::AlreadyExists.into()));
            }
            if is_right(&found, port) {
                let index = found.header.index;
                let change = LinkUnspec::new_with_index(index).mtu(mtu).arp(false).up().build();
                let changed = netlink.link().set(change).execute().await;
                changed.map_err(step(format!("set {DEVICE} up with an MTU of {mtu}")))?;
                return Ok(index);
            }
            remove(&netlink).await?;
        }
        make(&netlink, port, mtu).await
    })
}

/// The device's index, if it is there.
pub fn device() -> Result<Option<u32>, NetlinkError> {
    with_netlink(async |netlink| {
        let found = find(&netlink).await?;
        Ok(found.filter(is_vxlan).map(|link| link.header.index))
    })
}

/// Takes the device away, if it is there and ours.
pub(crate) fn remove_device() -> Result<bool, NetlinkError> {
    with_netlink(async |netlink| match find(&netlink).await? {
        Some(found) if is_vxlan(&found) => remove(&netlink).await.map(|()| true),
        _ => Ok(false),
    })
}

async fn make(netlink: &Handle, port: u16, mtu: u32) -> Result<u32, NetlinkError> {
    let message = LinkVxlan::new(DEVICE, 0)
        .collect_metadata(true)
        .learning(false)
        .port(port)
        // Peers of IPv6 may leave the outer checksum out: the inner one covers the same (RFC 6935).
        .udp_zero_csum6_rx(true)
        .address(MAC.to_vec())
        .mtu(mtu)
        .build();
    let made = netlink.link().add(message).execute().await;
    made.map_err(step(format!(
        "make {DEVICE}: if another VXLAN has UDP port {port} (`ip -d link show type vxlan`), choose another \
         one on all nodes with --vxlan-port"
    )))?;
    let found = find(netlink).await?;
    let index = found.map(|link| link.header.index).ok_or_else(|| {
        NetlinkError::new(
            format!("find {DEVICE}, made a moment ago"),
            io::ErrorKind::NotFound.into(),
        )
    })?;
    quiet();
    let up = LinkUnspec::new_with_index(index).arp(false).up().build();
    let up = netlink.link().set(up).execute().await;
    up.map_err(step(format!(
        "set {DEVICE} up: if somebody else has UDP port {port} (`ss -lnup 'sport = :{port}'`), choose another \
         one on all nodes with --vxlan-port"
    )))?;
    Ok(index)
}

/// Nothing is said on the device that no pod has sent, and what comes by it may be answered by another way:
/// the other node may use the tunnel where this one does not. Even loose reverse path filtering (2) refuses that
/// on a device without an address (`__fib_validate_source`); from whom packets come the program there looks at.
/// Where a setting is not there, neither is its effect.
fn quiet() {
    let settings = [("ipv4", "rp_filter", "0"), ("ipv6", "addr_gen_mode", "1")];
    for (family, setting, value) in settings {
        let path = format!("/proc/sys/net/{family}/conf/{DEVICE}/{setting}");
        if let Err(error) = std::fs::write(&path, value) {
            tracing::debug!(path, %error, "not set");
        }
    }
}

async fn remove(netlink: &Handle) -> Result<(), NetlinkError> {
    let message = LinkUnspec::new_with_name(DEVICE).build();
    let removed = netlink.link().del_with_message(message).execute().await;
    match removed.map_err(step(format!("remove {DEVICE}"))) {
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(()),
        result => result,
    }
}

async fn find(netlink: &Handle) -> Result<Option<LinkMessage>, NetlinkError> {
    let mut links = netlink.link().get().match_name(DEVICE.to_owned()).execute();
    match links.try_next().await.map_err(step(format!("look up {DEVICE}"))) {
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(None),
        result => result,
    }
}

fn info(link: &LinkMessage) -> impl Iterator<Item = &LinkInfo> {
    link.attributes.iter().flat_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.as_slice(),
        _ => &[],
    })
}

fn is_vxlan(link: &LinkMessage) -> bool {
    info(link).any(|info| matches!(info, LinkInfo::Kind(InfoKind::Vxlan)))
}

fn is_right(link: &LinkMessage, port: u16) -> bool {
    let has_address = link
        .attributes
        .iter()
        .any(|attribute| matches!(attribute, LinkAttribute::Address(address) if *address == MAC));
    let data = info(link).find_map(|info| match info {
        LinkInfo::Data(InfoData::Vxlan(data)) => Some(data),
        _ => None,
    });
    let has = |wanted: &InfoVxlan| data.is_some_and(|data| data.contains(wanted));
    has_address && has(&InfoVxlan::CollectMetadata(true)) && has(&InfoVxlan::Port(port))
}
